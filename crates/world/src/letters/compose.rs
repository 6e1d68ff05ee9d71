// SPDX-License-Identifier: EUPL-1.2
//! Writes MIME by hand, in all the ways mail programs do (RFC 2045, 2046, 2047, 2183, 2231).
//!
//! Deliberately independent of the composer of the mail library, so that each checks the other.
//! Guarantees: an attachment decodes to exactly the octets given. Does not: refuse strange values.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::files::base64_lines;

/// How a file name stands in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    /// `filename="…"`, escaped; other than ASCII goes as raw UTF-8.
    Quoted,
    /// `filename*=UTF-8''…` (RFC 2231).
    Extended,
    /// `filename*0*=…; filename*1*=…` (RFC 2231 §3).
    Continued,
    /// `filename="=?UTF-8?B?…?="`: forbidden and common (RFC 2047 §5).
    Words,
    /// Only `name=` in Content-Type, as encoded words.
    NameOnly,
    /// None.
    None,
}

/// How octets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// base64.
    Base64,
    /// quoted-printable, every line end encoded, so that octets stay what they are.
    Quoted,
    /// As they are.
    Plain,
}

/// One part with octets.
#[derive(Debug, Clone)]
pub struct File {
    /// Its name.
    pub name: String,
    /// How the name is written.
    pub naming: Naming,
    /// Declared media type.
    pub media_type: String,
    /// How it is encoded.
    pub coding: Coding,
    /// What it holds.
    pub octets: Vec<u8>,
}

impl File {
    /// Appends header and content.
    pub fn write(&self, out: &mut Vec<u8>) {
        let extra = match self.naming {
            Naming::NameOnly | Naming::Words => format!(";\r\n name=\"{}\"", words(&self.name, ' ')),
            Naming::Quoted => format!(";\r\n name={}", quoted(&self.name)),
            _ => String::new(),
        };
        field(out, "Content-Type", &format!("{}{extra}", self.media_type));
        let parameters = match self.naming {
            Naming::NameOnly => None,
            Naming::None => Some(String::new()),
            Naming::Quoted => Some(format!(";\r\n filename={}", quoted(&self.name))),
            Naming::Words => Some(format!(";\r\n filename=\"{}\"", words(&self.name, ' '))),
            Naming::Extended => Some(format!(";\r\n filename*=UTF-8''{}", percent(&self.name))),
            Naming::Continued => Some(continued(&self.name)),
        };
        if let Some(parameters) = parameters {
            field(out, "Content-Disposition", &format!("attachment{parameters}"));
        }
        let word = match self.coding {
            Coding::Base64 => "base64",
            Coding::Quoted => "quoted-printable",
            Coding::Plain => "8bit",
        };
        field(out, "Content-Transfer-Encoding", word);
        out.extend_from_slice(b"\r\n");
        match self.coding {
            Coding::Base64 => base64_lines(&self.octets, out),
            Coding::Quoted => quoted_printable(&self.octets, false, out),
            Coding::Plain => out.extend_from_slice(&self.octets),
        }
    }
}

/// One header field; the value is folded already where it must be.
pub fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes `multipart/<subtype>` with these parts (header and content each), its own header first.
pub fn multipart(out: &mut Vec<u8>, subtype: &str, boundary: &str, parts: &[Vec<u8>]) {
    field(out, "Content-Type", &format!("multipart/{subtype};\r\n boundary=\"{boundary}\""));
    out.extend_from_slice(b"\r\n");
    for part in parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextStyle {
    /// UTF-8, quoted-printable.
    Utf8Quoted,
    /// UTF-8, 8 bit.
    Utf8Plain,
    /// UTF-8, base64.
    Utf8Base64,
    /// ISO-8859-1, quoted-printable; what does not fit becomes `?`.
    LatinQuoted,
    /// ISO-8859-1, 8 bit.
    LatinPlain,
}

impl TextStyle {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Utf8Quoted, Self::Utf8Plain, Self::Utf8Base64, Self::LatinQuoted, Self::LatinPlain];
}

/// A text part, header first; `\n` becomes CRLF.
#[must_use]
pub fn text(text: &str, subtype: &str, style: TextStyle) -> Vec<u8> {
    let lines = text.replace('\n', "\r\n");
    let latin = |c: char| u8::try_from(u32::from(c)).unwrap_or(b'?');
    let (charset, octets) = match style {
        TextStyle::LatinQuoted | TextStyle::LatinPlain => ("iso-8859-1", lines.chars().map(latin).collect()),
        _ => ("utf-8", lines.into_bytes()),
    };
    let coding = match style {
        TextStyle::Utf8Quoted | TextStyle::LatinQuoted => "quoted-printable",
        TextStyle::Utf8Plain | TextStyle::LatinPlain => "8bit",
        TextStyle::Utf8Base64 => "base64",
    };
    let mut out = Vec::with_capacity(octets.len() * 2);
    field(&mut out, "Content-Type", &format!("text/{subtype}; charset={charset}"));
    field(&mut out, "Content-Transfer-Encoding", coding);
    out.extend_from_slice(b"\r\n");
    match style {
        TextStyle::Utf8Quoted | TextStyle::LatinQuoted => quoted_printable(&octets, true, &mut out),
        TextStyle::Utf8Plain | TextStyle::LatinPlain => out.extend_from_slice(&octets),
        TextStyle::Utf8Base64 => base64_lines(&octets, &mut out),
    }
    out
}

/// Quoted-printable; with `text` CRLF stays a line end, otherwise it is encoded like any octet.
pub fn quoted_printable(octets: &[u8], text: bool, out: &mut Vec<u8>) {
    let mut column = 0;
    let mut rest = octets;
    while let Some((octet, tail)) = rest.split_first() {
        if text && rest.starts_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
            column = 0;
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        let blank_at_end = *octet == b' ' && (tail.is_empty() || (text && tail.starts_with(b"\r\n")));
        let plain = matches!(octet, b' '..=b'<' | b'>'..=b'~') && !blank_at_end;
        let width = if plain { 1 } else { 3 };
        if column + width > 75 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if plain {
            out.push(*octet);
        } else {
            out.extend_from_slice(format!("={octet:02X}").as_bytes());
        }
        column += width;
        rest = tail;
    }
}

/// Encoded words of at most 75 characters (RFC 2047), base64, cut at characters, folded.
#[must_use]
pub fn words(value: &str, fold: char) -> String {
    if value.is_ascii() && !value.contains("=?") {
        return value.to_owned();
    }
    let mut out = String::new();
    let mut piece = String::new();
    let mut push = |piece: &mut String| {
        if !out.is_empty() {
            out.push_str("\r\n");
            out.push(fold);
        }
        out.push_str(&format!("=?UTF-8?B?{}?=", STANDARD.encode(piece.as_bytes())));
        piece.clear();
    };
    for c in value.chars() {
        if piece.len() + c.len_utf8() > 42 {
            push(&mut piece);
        }
        piece.push(c);
    }
    push(&mut piece);
    out
}

/// An encoded word in Q encoding and ISO-8859-1; only for short values that fit.
#[must_use]
pub fn latin_word(value: &str) -> Option<String> {
    let mut out = String::from("=?ISO-8859-1?Q?");
    for c in value.chars() {
        match u8::try_from(u32::from(c)).ok()? {
            b' ' => out.push('_'),
            octet if octet.is_ascii_alphanumeric() => out.push(c),
            octet => out.push_str(&format!("={octet:02X}")),
        }
    }
    out.push_str("?=");
    (out.len() <= 75).then_some(out)
}

/// A quoted string.
#[must_use]
pub fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Percent encoding of RFC 2231.
fn percent(value: &str) -> String {
    value.bytes().map(percent_octet).collect()
}

fn percent_octet(octet: u8) -> String {
    if octet.is_ascii_alphanumeric() || b"-._".contains(&octet) {
        char::from(octet).to_string()
    } else {
        format!("%{octet:02X}")
    }
}

/// A name in several sections, cut between octets, as real programs do.
fn continued(value: &str) -> String {
    let octets: Vec<String> = value.bytes().map(percent_octet).collect();
    let mut out = String::new();
    for (i, section) in octets.chunks(18).enumerate() {
        let charset = if i == 0 { "UTF-8''" } else { "" };
        out.push_str(&format!(";\r\n filename*{i}*={charset}{}", section.concat()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_printable_keeps_octets() {
        let mut out = Vec::new();
        quoted_printable("Ä = b \r\nx".as_bytes(), true, &mut out);
        assert_eq!(out, b"=C3=84 =3D b=20\r\nx");
        out.clear();
        quoted_printable(b"a\nb\r\n", false, &mut out);
        assert_eq!(out, b"a=0Ab=0D=0A");
    }

    #[test]
    fn words_are_short() {
        let long = "Größenänderung der Straßenbeleuchtung ".repeat(5);
        let out = words(&long, ' ');
        assert!(out.lines().all(|l| l.trim().len() <= 75));
        assert_eq!(latin_word("Gebühr").as_deref(), Some("=?ISO-8859-1?Q?Geb=FChr?="));
        assert_eq!(latin_word("💶"), None);
    }
}
