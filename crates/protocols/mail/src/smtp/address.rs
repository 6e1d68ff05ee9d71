// SPDX-License-Identifier: EUPL-1.2
//! A mailbox address as it stands in an envelope (RFC 5321 §4.1.2, RFC 6531 §3.3).
//!
//! Guarantees: an [`Address`] holds no control characters, no blanks outside a quoted local part, no `<`
//! or `>` outside it; it is written back exactly as it was read (quotes kept, source route dropped), so it
//! can neither end a command early nor change its meaning on the way. Lengths are capped (§4.5.3.1).
//! Not guaranteed: that the domain resolves; labels may hold underscores (De-Mail uses them).

use std::fmt;

/// Longest local part (RFC 5321 §4.5.3.1.1), in octets.
const LOCAL_MAX: usize = 64;
/// Longest domain (§4.5.3.1.2), in octets.
const DOMAIN_MAX: usize = 255;

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text is not a mailbox.
    #[error("not a mailbox address")]
    Syntax,
    /// Local part, domain or the whole are longer than SMTP allows.
    #[error("address too long (local part 64, domain 255 octets)")]
    TooLong,
}

/// A mailbox address: `local@domain`, or the bare `postmaster` (RFC 5321 §4.5.1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    /// Length of the local part; `text.len()` when there is no domain.
    local: usize,
}

impl Address {
    /// Reads `local@domain` (quoted local parts and address literals included).
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (address, rest) = mailbox(text)?;
        if rest.is_empty() { Ok(address) } else { Err(AddressError::Syntax) }
    }

    /// The address as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The local part as written, quotes included.
    pub fn local(&self) -> &str {
        self.text.get(..self.local).unwrap_or_default()
    }

    /// The domain as written; empty for the bare `postmaster`.
    pub fn domain(&self) -> &str {
        self.text.get(self.local + 1..).unwrap_or_default()
    }

    /// The local part without quotes and escapes: what it names.
    pub fn local_unquoted(&self) -> String {
        unquote(self.local())
    }

    /// Whether only ASCII occurs (else SMTPUTF8 is needed).
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;
    fn from_str(s: &str) -> Result<Self, AddressError> {
        Self::parse(s)
    }
}

/// Reads a path at the start of `text`: `<>`, `<a@b>`, `<@relay,@relay:a@b>`, `<postmaster>`. Gives the
/// address (`None` for the null path) and what follows the `>`.
pub(crate) fn path(text: &str) -> Result<(Option<Address>, &str), AddressError> {
    let rest = text.trim_start_matches(' ').strip_prefix('<').ok_or(AddressError::Syntax)?;
    if let Some(rest) = rest.strip_prefix('>') {
        return Ok((None, rest));
    }
    // RFC 5321 §4.1.2 A-d-l: a source route is accepted and ignored.
    let rest = if rest.starts_with('@') {
        let (route, rest) = rest.split_once(':').ok_or(AddressError::Syntax)?;
        if route.contains(['<', '>', '"', ' ']) {
            return Err(AddressError::Syntax);
        }
        rest
    } else {
        rest
    };
    let (address, rest) = mailbox(rest)?;
    let rest = rest.strip_prefix('>').ok_or(AddressError::Syntax)?;
    Ok((Some(address), rest))
}

/// Reads a mailbox at the start of `text`; gives the rest from the first character after it.
fn mailbox(text: &str) -> Result<(Address, &str), AddressError> {
    let local = local_part(text)?;
    let after = text.get(local..).unwrap_or_default();
    let Some(domain_text) = after.strip_prefix('@') else {
        let name = text.get(..local).unwrap_or_default();
        if name.eq_ignore_ascii_case("postmaster") {
            return Ok((Address { text: name.to_owned(), local }, after));
        }
        return Err(AddressError::Syntax);
    };
    let domain = domain(domain_text)?;
    if local > LOCAL_MAX || domain > DOMAIN_MAX {
        return Err(AddressError::TooLong);
    }
    let whole = text.get(..local + 1 + domain).ok_or(AddressError::Syntax)?;
    Ok((Address { text: whole.to_owned(), local }, domain_text.get(domain..).unwrap_or_default()))
}

/// Length of the local part: dot-string or quoted-string.
fn local_part(text: &str) -> Result<usize, AddressError> {
    if text.starts_with('"') {
        let mut escaped = false;
        for (i, c) in text.char_indices().skip(1) {
            match c {
                _ if c.is_control() => return Err(AddressError::Syntax),
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Ok(i + 1),
                _ => {}
            }
        }
        return Err(AddressError::Syntax);
    }
    let mut before = '.';
    let mut len = text.len();
    for (i, c) in text.char_indices() {
        match c {
            '.' if before == '.' => return Err(AddressError::Syntax),
            '.' => {}
            _ if is_atext(c) => {}
            _ => {
                len = i;
                break;
            }
        }
        before = c;
    }
    if before == '.' { Err(AddressError::Syntax) } else { Ok(len) }
}

/// Length of a domain or address literal.
fn domain(text: &str) -> Result<usize, AddressError> {
    if let Some(literal) = text.strip_prefix('[') {
        let end = literal.find(']').ok_or(AddressError::Syntax)?;
        let inner = literal.get(..end).unwrap_or_default();
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-');
        return if !inner.is_empty() && inner.chars().all(fine) {
            Ok(end + 2)
        } else {
            Err(AddressError::Syntax)
        };
    }
    let fine = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '-' | '_' | '.')
            || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
    };
    let len = text.find(|c| !fine(c)).unwrap_or(text.len());
    let name = text.get(..len).unwrap_or_default();
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.split('.').all(|l| (1..=63 * 4).contains(&l.len())) { Ok(len) } else { Err(AddressError::Syntax) }
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
}

fn unquote(local: &str) -> String {
    let Some(inner) = local.strip_prefix('"').and_then(|l| l.strip_suffix('"')) else {
        return local.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_their_spelling() {
        for (text, local, domain) in [
            ("a@b", "a", "b"),
            ("Poststelle@stadt_a.example.de", "Poststelle", "stadt_a.example.de"),
            ("\"a b>\\\"\"@x.y", "\"a b>\\\"\"", "x.y"),
            ("\"a@b\"@x.y", "\"a@b\"", "x.y"),
            ("müller@köln.example", "müller", "köln.example"),
            ("u@[192.0.2.1]", "u", "[192.0.2.1]"),
            ("u@[IPv6:2001:db8::1]", "u", "[IPv6:2001:db8::1]"),
            ("postmaster", "postmaster", ""),
            ("a@b.", "a", "b."),
        ] {
            let a = Address::parse(text).unwrap();
            assert_eq!((a.local(), a.domain(), a.as_str()), (local, domain, text));
        }
        assert_eq!(Address::parse("\"a\\\"b\\\\\"@x").unwrap().local_unquoted(), "a\"b\\");
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a..b@c",
            ".a@c",
            "a.@c",
            "a@b c",
            "a@<b>",
            "a\r\n@b",
            "\"a\0\"@b",
            "\"a@b",
            "a@[",
            "a@[]",
            "a@[x y]",
            "a@b..c",
            "a@.b",
            "a\u{a0}@b",
            "<a@b>",
            "a@b\n",
        ] {
            assert_eq!(Address::parse(text), Err(AddressError::Syntax), "{text:?}");
        }
        assert_eq!(Address::parse(&format!("{}@b", "a".repeat(65))), Err(AddressError::TooLong));
        assert_eq!(Address::parse(&format!("a@{}", "b.".repeat(128))), Err(AddressError::TooLong));
    }

    #[test]
    fn paths() {
        assert_eq!(path("<> X").unwrap(), (None, " X"));
        assert_eq!(path(" <a@b> SIZE=1").unwrap(), (Some(Address::parse("a@b").unwrap()), " SIZE=1"));
        assert_eq!(path("<@x,@y:a@b>").unwrap().0.unwrap().as_str(), "a@b");
        assert_eq!(path("<\"> SIZE=1\"@b>").unwrap(), (Some(Address::parse("\"> SIZE=1\"@b").unwrap()), ""));
        for bad in ["a@b", "<a@b", "<a@b", "<@x a@b>", "<@x>y:a@b>", "<a@b c>"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }
}
