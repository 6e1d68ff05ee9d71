// SPDX-License-Identifier: EUPL-1.2
//! Header fields, and structured values with parameters (`Content-Type`, `Content-Disposition`).
//!
//! Guarantees: linear, no recursion, no panic. Reads RFC 5322 fields with CRLF, LF or CR line ends;
//! parameters as RFC 2045 §5.1 and leniently: unquoted blanks and 8-bit octets in names, RFC 2231
//! continuations and charsets, RFC 2047 words inside parameters (wrong, but common).
//! Not here: address lists and dates, see [`super::Summary`].

use super::text;
use super::word::{decode_words, hex};

/// One field of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Name as written.
    pub name: &'a [u8],
    /// Everything after the colon, folded as it stands, without the final line break.
    pub raw: &'a [u8],
}

impl Field<'_> {
    /// True if the field has this name (case does not matter).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value unfolded (RFC 5322 §2.2.3) and trimmed, still encoded.
    #[must_use]
    pub fn unfolded(&self) -> Vec<u8> {
        let mut out = self.raw.to_vec();
        out.retain(|b| !matches!(b, b'\r' | b'\n' | 0));
        out.trim_ascii().to_vec()
    }

    /// The value as text: unfolded, encoded words decoded.
    #[must_use]
    pub fn text(&self) -> String {
        decode_words(&self.unfolded())
    }
}

/// How a line ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Break {
    #[default]
    None,
    Lf,
    Cr,
    CrLf,
}

impl Break {
    pub(super) fn octets(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Lf => b"\n",
            Self::Cr => b"\r",
            Self::CrLf => b"\r\n",
        }
    }

    pub(super) fn len(self) -> usize {
        self.octets().len()
    }
}

/// The break `at` begins with; `None` if the next octet must be seen first.
pub(super) fn line_break(at: &[u8], all: bool) -> Option<Break> {
    match (at.first(), at.get(1)) {
        (Some(b'\n'), _) => Some(Break::Lf),
        (Some(b'\r'), Some(b'\n')) => Some(Break::CrLf),
        (Some(b'\r'), None) if !all => None,
        (Some(b'\r'), _) => Some(Break::Cr),
        (Some(_), _) => Some(Break::None),
        (None, _) => all.then_some(Break::None),
    }
}

/// What a line of a header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A field; its name has so many octets.
    Field(usize),
    /// A folded continuation.
    Continuation,
    /// Not a field but passed over: mbox `From `, an empty name.
    Junk,
    /// No header line at all: the header ends before it.
    Other,
    /// More octets are needed to tell.
    Unknown,
}

/// Longest field name, blanks before the colon included.
pub(super) const MAX_NAME: usize = 998;

/// Classifies the line `at` begins with; `all` says that no more octets will follow.
pub(super) fn classify(at: &[u8], all: bool) -> Line {
    match at.first() {
        None => return if all { Line::Other } else { Line::Unknown },
        Some(b' ' | b'\t') => return Line::Continuation,
        Some(b':') => return Line::Junk,
        Some(_) => {}
    }
    let window = at.get(..MAX_NAME.min(at.len())).unwrap_or_default();
    let name = window.iter().take_while(|b| (33..=126).contains(*b) && **b != b':').count();
    let blanks =
        window.get(name..).unwrap_or_default().iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    match window.get(name + blanks) {
        Some(b':') if name > 0 => Line::Field(name),
        None if window.len() < MAX_NAME && !all => Line::Unknown,
        _ if blanks > 0 && matches!(window.get(..name), Some(b"From" | b">From")) => Line::Junk,
        _ => Line::Other,
    }
}

/// Iterates over the fields of a header.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields in `header`, up to a blank line or its end.
    #[must_use]
    pub fn new(header: &'a [u8]) -> Self {
        Self { rest: header }
    }

    /// Cuts off the next line, its break included.
    fn line(&mut self) -> &'a [u8] {
        let end = match memchr::memchr2(b'\r', b'\n', self.rest) {
            Some(at) if self.rest.get(at..at + 2) == Some(b"\r\n") => at + 2,
            Some(at) => at + 1,
            None => self.rest.len(),
        };
        let (line, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        line
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        while !self.rest.is_empty() {
            let start = self.rest;
            match classify(start, true) {
                Line::Field(name_len) => {
                    let mut len = self.line().len();
                    while matches!(self.rest.first(), Some(b' ' | b'\t')) {
                        len += self.line().len();
                    }
                    let name = start.get(..name_len).unwrap_or_default();
                    let after = start.get(name_len..len).unwrap_or_default();
                    let colon = memchr::memchr(b':', after).map_or(0, |at| at + 1);
                    let raw = after.get(colon..).unwrap_or_default();
                    let breaks = raw.iter().rev().take_while(|b| matches!(b, b'\r' | b'\n')).count();
                    let raw = raw.get(..raw.len() - breaks).unwrap_or_default();
                    return Some(Field { name, raw });
                }
                Line::Continuation | Line::Junk => {
                    self.line();
                }
                Line::Other | Line::Unknown => self.rest = &[],
            }
        }
        None
    }
}

/// A value with parameters: `text/plain; charset=utf-8`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Structured {
    /// What stands before the first `;`, in lower case, without comments.
    pub value: String,
    /// Parameters in order; names in lower case, values decoded (RFC 2231, RFC 2047, raw 8-bit).
    pub params: Vec<(String, String)>,
}

/// One parameter as it stands.
struct Param<'a> {
    name: &'a [u8],
    octets: Vec<u8>,
}

/// A piece of an RFC 2231 parameter.
struct Piece {
    name: String,
    n: u32,
    encoded: bool,
    octets: Vec<u8>,
}

impl Structured {
    /// Reads an unfolded field value.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let (head, mut rest) = match memchr::memchr(b';', value) {
            Some(at) => (value.get(..at).unwrap_or_default(), value.get(at + 1..).unwrap_or_default()),
            None => (value, &[][..]),
        };
        let head = memchr::memchr(b'(', head).and_then(|at| head.get(..at)).unwrap_or(head);
        let mut structured =
            Self { value: text::to_utf8(None, head.trim_ascii()).to_lowercase(), params: Vec::new() };
        let mut pieces: Vec<Piece> = Vec::new();
        while let Some((param, after)) = next_param(rest) {
            rest = after;
            if let Some(piece) = piece(&param) {
                pieces.push(piece);
            } else if !param.name.is_empty() {
                let name = text::to_utf8(None, param.name).to_lowercase();
                structured.params.push((name, plain_value(&param.octets)));
            }
        }
        structured.join(pieces);
        structured
    }

    /// The first parameter of this name (lower case). An RFC 2231 value is found before a plain one.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Puts RFC 2231 pieces together, ahead of plain parameters of the same name.
    fn join(&mut self, mut pieces: Vec<Piece>) {
        pieces.sort_by(|a, b| a.name.cmp(&b.name).then(a.n.cmp(&b.n)));
        let mut joined: Vec<(String, String)> = Vec::new();
        let mut pieces = pieces.into_iter().peekable();
        while let Some(first) = pieces.next() {
            let mut charset = None;
            let mut octets = Vec::new();
            if first.encoded {
                // charset'language'value; both may be missing
                let mut parts = first.octets.splitn(3, |b| *b == b'\'');
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(label), Some(_), Some(value)) => {
                        charset = Some(text::to_utf8(None, label));
                        percent_decode(value, &mut octets);
                    }
                    _ => percent_decode(&first.octets, &mut octets),
                }
            } else {
                octets.extend_from_slice(&first.octets);
            }
            let mut n = first.n;
            while let Some(piece) = pieces.next_if(|p| p.name == first.name) {
                if piece.n <= n {
                    continue;
                }
                n = piece.n;
                if piece.encoded {
                    percent_decode(&piece.octets, &mut octets);
                } else {
                    octets.extend_from_slice(&piece.octets);
                }
            }
            let value = match charset {
                Some(label) => text::to_utf8(Some(&label), &octets),
                None => plain_value(&octets),
            };
            joined.push((first.name, value));
        }
        joined.append(&mut self.params);
        self.params = joined;
    }
}

/// 8-bit octets and encoded words of a plain parameter.
fn plain_value(octets: &[u8]) -> String {
    if memchr::memmem::find(octets, b"=?").is_some() {
        decode_words(octets)
    } else {
        text::to_utf8(None, octets)
    }
}

/// `name*`, `name*0`, `name*0*`.
fn piece(param: &Param<'_>) -> Option<Piece> {
    let star = memchr::memchr(b'*', param.name)?;
    let (name, after) = param.name.split_at_checked(star)?;
    let after = after.get(1..)?;
    let (digits, encoded) = match after.strip_suffix(b"*") {
        Some(digits) => (digits, true),
        None => (after, after.is_empty()),
    };
    let n = if digits.is_empty() { 0 } else { std::str::from_utf8(digits).ok()?.parse().ok()? };
    let name = text::to_utf8(None, name).to_lowercase();
    Some(Piece { name, n, encoded, octets: param.octets.clone() })
}

fn percent_decode(octets: &[u8], out: &mut Vec<u8>) {
    let mut i = 0;
    while let Some(&byte) = octets.get(i) {
        i += 1;
        match (byte, hex(octets.get(i)), hex(octets.get(i + 1))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                i += 2;
            }
            _ => out.push(byte),
        }
    }
}

/// Reads one `name=value`; gives what follows its `;`.
fn next_param(rest: &[u8]) -> Option<(Param<'_>, &[u8])> {
    let rest = rest.trim_ascii_start();
    if rest.is_empty() {
        return None;
    }
    let end = memchr::memchr2(b'=', b';', rest).unwrap_or(rest.len());
    let name = rest.get(..end).unwrap_or_default().trim_ascii();
    if rest.get(end) != Some(&b'=') {
        return Some((Param { name: &[], octets: Vec::new() }, rest.get(end + 1..).unwrap_or_default()));
    }
    let value = rest.get(end + 1..).unwrap_or_default().trim_ascii_start();
    let Some(quoted) = value.strip_prefix(b"\"") else {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let mut octets = value.get(..end).unwrap_or_default().trim_ascii();
        // A comment after a token; in a file name brackets are rather part of the name.
        let is_name = name.to_ascii_lowercase();
        if !matches!(is_name.as_slice(), [b'n', b'a', b'm', b'e', ..] | [b'f', b'i', b'l', b'e', ..]) {
            octets = octets.split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or_default();
        }
        return Some((Param { name, octets: octets.to_vec() }, value.get(end + 1..).unwrap_or_default()));
    };
    let mut octets = Vec::new();
    let mut i = 0;
    while let Some(&byte) = quoted.get(i) {
        i += 1;
        match byte {
            b'"' => break,
            // Only what must be escaped is: a lone backslash belongs to a path some browser sent.
            b'\\' => match quoted.get(i) {
                Some(next @ (b'"' | b'\\')) => {
                    octets.push(*next);
                    i += 1;
                }
                _ => octets.push(byte),
            },
            _ => octets.push(byte),
        }
    }
    let after = quoted.get(i..).unwrap_or_default();
    let next = memchr::memchr(b';', after).map_or(after.len(), |at| at + 1);
    Some((Param { name, octets }, after.get(next..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let header = b"From x@y Sat\r\nSubject: a\r\n b\nX : c\rY:\r\n\r\nZ: no";
        let got: Vec<(String, String)> =
            Fields::new(header).map(|f| (text::to_utf8(None, f.name), f.text())).collect();
        let want = [("Subject", "a b"), ("X", "c"), ("Y", "")];
        assert_eq!(got, want.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn lines() {
        assert_eq!(classify(b"Subject: x", false), Line::Field(7));
        assert_eq!(classify(b"Subj", false), Line::Unknown);
        assert_eq!(classify(b"Subj", true), Line::Other);
        assert_eq!(classify(b"From a", false), Line::Junk);
        assert_eq!(classify(b"From:", false), Line::Field(4));
        assert_eq!(classify(b"Hallo Welt", false), Line::Other);
        assert_eq!(classify(b"\r\n", false), Line::Other);
        assert_eq!(classify("Ümlaut: x".as_bytes(), false), Line::Other);
        assert_eq!(classify(&[b'a'; 2_000], false), Line::Other);
    }

    fn param(value: &str, name: &str) -> String {
        Structured::parse(value.as_bytes()).param(name).unwrap_or("-").to_owned()
    }

    #[test]
    fn params() {
        let s = Structured::parse(b"Multipart/MIXED ; Boundary=\"a;b \\\" c\"; charset=UTF-8 (plain)");
        assert_eq!(s.value, "multipart/mixed");
        assert_eq!(s.param("boundary"), Some("a;b \" c"));
        assert_eq!(s.param("charset"), Some("UTF-8"));
        assert_eq!(
            param("attachment; filename=Antrag (1) neu.pdf; size=3", "filename"),
            "Antrag (1) neu.pdf"
        );
        assert_eq!(param("attachment; filename=\"C:\\fakepath\\a.pdf\"", "filename"), "C:\\fakepath\\a.pdf");
        assert_eq!(param("attachment; filename*=UTF-8''Stra%C3%9Fe.pdf", "filename"), "Straße.pdf");
        assert_eq!(param("a; filename*=iso-8859-1'de'%FC.txt; filename=x", "filename"), "ü.txt");
        let long = "a; filename*1*=%9Fe; filename*0*=utf-8''Stra%C3; filename*2=\"%41.pdf\"";
        assert_eq!(param(long, "filename"), "Straße%41.pdf");
        assert_eq!(param("a; filename*0=ab; filename*1=cd", "filename"), "abcd");
        assert_eq!(param("a; name=\"=?utf-8?Q?=C3=BCber.pdf?=\"", "name"), "über.pdf");
        assert_eq!(param("a; name==?utf-8?Q?=C3=BC?=", "name"), "ü");
        assert_eq!(param("a; name=\"Grüße.pdf\"", "name"), "Grüße.pdf");
        assert_eq!(param("a; name=\"open", "name"), "open");
        assert_eq!(param("a; ; =x; name", "name"), "-");
        assert_eq!(param("a;name=", "name"), "");
    }
}
