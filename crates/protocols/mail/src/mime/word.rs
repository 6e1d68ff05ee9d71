// SPDX-License-Identifier: EUPL-1.2
//! Encoded words in header text (RFC 2047), read leniently.
//!
//! Guarantees: linear time, never fails; what is not a well-formed encoded word stays as it is. White space
//! between two encoded words is dropped; the octets of neighbours with the same charset are joined before
//! the charset is applied, because mail programs cut characters in two. Raw 8-bit text is UTF-8 (RFC 6532)
//! or, failing that, windows-1252.

use super::decode::Decoder;
use super::{Encoding, text};

/// Longest charset label looked at.
const MAX_LABEL: usize = 64;

struct Word<'a> {
    charset: &'a [u8],
    octets: Vec<u8>,
    len: usize,
}

/// Decodes all encoded words of an unfolded header value.
#[must_use]
pub fn decode_words(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    let mut run: Option<(&[u8], Vec<u8>)> = None;
    while let Some(start) = memchr::memmem::find(rest, b"=?") {
        let (before, from) = rest.split_at_checked(start).unwrap_or((rest, &[]));
        let Some(word) = word(from) else {
            flush(&mut run, &mut out);
            let (literal, after) = rest.split_at_checked(start + 2).unwrap_or((rest, &[]));
            out.push_str(&text::to_utf8(None, literal));
            rest = after;
            continue;
        };
        let blank = before.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
        match &mut run {
            Some((charset, octets)) if blank && charset.eq_ignore_ascii_case(word.charset) => {
                octets.extend_from_slice(&word.octets);
            }
            _ => {
                let adjacent = run.is_some() && blank;
                flush(&mut run, &mut out);
                if !adjacent {
                    out.push_str(&text::to_utf8(None, before));
                }
                run = Some((word.charset, word.octets));
            }
        }
        rest = from.get(word.len..).unwrap_or_default();
    }
    flush(&mut run, &mut out);
    out.push_str(&text::to_utf8(None, rest));
    out
}

fn flush(run: &mut Option<(&[u8], Vec<u8>)>, out: &mut String) {
    if let Some((charset, octets)) = run.take() {
        out.push_str(&text::to_utf8(std::str::from_utf8(charset).ok(), &octets));
    }
}

/// Reads one encoded word at the beginning of `from` (which starts with `=?`).
fn word(from: &[u8]) -> Option<Word<'_>> {
    let inner = from.get(2..)?;
    let label_end = memchr::memchr(b'?', inner.get(..MAX_LABEL.min(inner.len()))?)?;
    let label = inner.get(..label_end)?;
    if label.is_empty() || !label.iter().all(|b| b.is_ascii_graphic() && *b != b'=') {
        return None;
    }
    // RFC 2231 §5: `charset*language`
    let charset = label.split(|b| *b == b'*').next()?;
    let kind = inner.get(label_end + 1)?.to_ascii_uppercase();
    let body = inner.get(label_end + 2..)?.strip_prefix(b"?")?;
    let end = memchr::memchr(b'?', body)?;
    if body.get(end + 1) != Some(&b'=') {
        return None;
    }
    let encoded = body.get(..end)?;
    let mut octets = Vec::with_capacity(encoded.len());
    match kind {
        b'B' => {
            let mut decoder = Decoder::new(Encoding::Base64);
            decoder.push(encoded, &mut octets);
            decoder.finish(&mut octets);
        }
        b'Q' => decode_q(encoded, &mut octets),
        _ => return None,
    }
    Some(Word { charset, octets, len: 2 + label_end + 2 + 1 + end + 2 })
}

fn decode_q(encoded: &[u8], out: &mut Vec<u8>) {
    let mut i = 0;
    while let Some(&byte) = encoded.get(i) {
        i += 1;
        match byte {
            b'_' => out.push(b' '),
            b'=' => match (hex(encoded.get(i)), hex(encoded.get(i + 1))) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    i += 2;
                }
                _ => out.push(b'='),
            },
            _ => out.push(byte),
        }
    }
}

/// Value of a hexadecimal digit.
pub(super) fn hex(digit: Option<&u8>) -> Option<u8> {
    match *digit? {
        d @ b'0'..=b'9' => Some(d - b'0'),
        d @ b'a'..=b'f' => Some(d - b'a' + 10),
        d @ b'A'..=b'F' => Some(d - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, want: &str) {
        assert_eq!(decode_words(raw.as_bytes()), want, "{raw}");
    }

    #[test]
    fn words() {
        check("Antrag", "Antrag");
        check("=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?= =?UTF-8?B?IFNjaHdlcmlu?=", "Grüße aus Schwerin");
        check("a =?iso-8859-1?q?=FC?= b", "a ü b");
        check("=?utf-8*de?Q?=C3=A4?=", "ä");
        // a character cut in two between words
        check("=?utf-8?B?w6?= =?utf-8?Q?=A4?=", "ä");
        check("=?utf-8?Q?=C3?=\r\n =?utf-8?Q?=A4?=", "ä");
        check("=?utf-8?Q?=ZZ?=", "=ZZ");
        check("=?utf-8?X?abc?= =? =?=", "=?utf-8?X?abc?= =? =?=");
        check("=?utf-8?Q?unfinished", "=?utf-8?Q?unfinished");
        check("1 = 1?", "1 = 1?");
        assert_eq!(decode_words(b"Stra\xdfe"), "Straße");
        assert_eq!(decode_words(b"=?utf-8?Q?x?=\xe4"), "xä");
    }
}
