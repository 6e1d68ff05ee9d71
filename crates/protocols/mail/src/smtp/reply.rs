// SPDX-License-Identifier: EUPL-1.2
//! One SMTP reply: three-digit code, enhanced status code and text (RFC 5321 §4.2, RFC 2034, RFC 3463).
//!
//! Guarantees: what [`Reply::write_to`] emits is well-formed whatever text it was given: control
//! characters and line breaks cannot split a reply, lines stay within the 512 octets of §4.5.3.1.5.
//! Not guaranteed: that a text is true or in a certain language.

use std::borrow::Cow;
use std::fmt;

/// Enhanced status code `class.subject.detail` (RFC 3463).
pub type Enhanced = (u8, u16, u16);

/// Longest text per reply line; with code, enhanced code and CRLF this stays below 512 octets.
const TEXT_PER_LINE: usize = 480;

/// A reply of an SMTP server, ours or a peer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Three-digit code, e.g. 250.
    pub code: u16,
    /// Enhanced status code, when there is one.
    pub enhanced: Option<Enhanced>,
    /// Text without codes; several lines are separated by `\n`.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply with an enhanced status code.
    pub fn new(code: u16, enhanced: Enhanced, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: Some(enhanced), text: text.into() }
    }

    /// A reply without an enhanced status code (greeting, EHLO, 3xx: RFC 2034 §3).
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: None, text: text.into() }
    }

    /// `250 2.0.0` with a text, the answer to a message that is committed.
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(250, (2, 0, 0), text)
    }

    /// 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// 4xx: try later.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// 5xx: do not try again like this.
    pub fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }

    /// Appends the reply in wire form, `with_enhanced` as negotiated.
    pub fn write_to(&self, out: &mut Vec<u8>, with_enhanced: bool) {
        let code = self.code.clamp(200, 599);
        let enhanced = self.enhanced.filter(|_| with_enhanced);
        let text = clean(&self.text);
        let mut pieces = text.split('\n').flat_map(pieces).peekable();
        while let Some(piece) = pieces.next() {
            let sep = if pieces.peek().is_some() { '-' } else { ' ' };
            let head = match enhanced {
                Some((c, s, d)) => format!("{code}{sep}{c}.{s}.{d} "),
                None => format!("{code}{sep}"),
            };
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(piece.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Replaces what must not stand in a reply line; `\n` stays as the line separator.
fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b == b'\n' || (b >= 0x20 && b != 0x7f)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if c != '\n' && c.is_control() { ' ' } else { c }).collect())
}

/// Cuts one text line at character borders so that no reply line becomes too long.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        if line.len() <= TEXT_PER_LINE {
            rest = None;
            return Some(line);
        }
        let (head, tail) = line.split_at(line.floor_char_boundary(TEXT_PER_LINE));
        rest = Some(tail);
        Some(head)
    })
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some((c, s, d)) = self.enhanced {
            write!(f, " {c}.{s}.{d}")?;
        }
        write!(f, " {}", self.text.replace('\n', " / "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(reply: &Reply, enhanced: bool) -> String {
        let mut out = Vec::new();
        reply.write_to(&mut out, enhanced);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_well_formed() {
        assert_eq!(wire(&Reply::ok("queued"), true), "250 2.0.0 queued\r\n");
        assert_eq!(wire(&Reply::ok("queued"), false), "250 queued\r\n");
        assert_eq!(wire(&Reply::ok("a\nb"), true), "250-2.0.0 a\r\n250 2.0.0 b\r\n");
        assert_eq!(wire(&Reply::plain(220, ""), true), "220 \r\n");
    }

    #[test]
    fn text_cannot_split_a_reply() {
        assert_eq!(wire(&Reply::ok("a\r\n554 no\0\u{85}"), false), "250-a \r\n250 554 no  \r\n");
    }

    #[test]
    fn long_text_is_cut_at_characters() {
        let text = wire(&Reply::ok("ä".repeat(2000)), true);
        assert!(text.lines().all(|l| l.len() <= 510));
        assert_eq!(text.matches('ä').count(), 2000);
    }
}
