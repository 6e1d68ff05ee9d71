// SPDX-License-Identifier: EUPL-1.2
//! BER to DER, as far as reading needs it: indefinite lengths, long lengths, strings in pieces (X.690 §8.1.3, §8.7.3).
//!
//! Guarantees: what is DER already is not copied; the result has definite minimal lengths and unbroken universal
//! strings; caps hold. Does not: sort SETs, nor join strings behind IMPLICIT tags ([`super::Node::joined`] does that where the
//! schema says so).

use std::borrow::Cow;

use super::{Malformed, Read, header, write};

/// Deepest nesting.
const DEPTH: usize = 64;
/// Most elements of one object.
const ELEMENTS: usize = 1 << 20;

/// DER of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised<'a> {
    /// Its octets.
    pub der: Cow<'a, [u8]>,
    /// Octets of the input that were read; what follows is not part of it.
    pub read: usize,
}

/// Makes DER of the first object of the input.
///
/// # Errors
/// When it is cut off or exceeds 64 levels or 2^20 elements.
pub fn normalise(octets: &[u8]) -> Read<Normalised<'_>> {
    let mut walk = Walk { elements: 0 };
    let (read, plain) = walk.measure(octets, 0)?;
    let der = if plain {
        Cow::Borrowed(octets.get(..read).unwrap_or_default())
    } else {
        let mut out = Vec::with_capacity(read);
        copy(octets, &mut out)?;
        Cow::Owned(out)
    };
    Ok(Normalised { der, read })
}

/// A universal string type in pieces.
const fn is_pieces(tag: u8) -> bool {
    matches!(tag, 0x23 | 0x24 | 0x2c | 0x32..=0x36 | 0x39..=0x3c | 0x3e)
}

struct Walk {
    elements: usize,
}

impl Walk {
    fn enter(&mut self, depth: usize) -> Read<()> {
        self.elements += 1;
        if depth > DEPTH {
            return Err(Malformed("nested too deeply"));
        }
        if self.elements > ELEMENTS {
            return Err(Malformed("too many elements"));
        }
        Ok(())
    }

    /// Length of the first element, and whether it is DER as far as we care.
    fn measure(&mut self, octets: &[u8], depth: usize) -> Read<(usize, bool)> {
        self.enter(depth)?;
        let (tag, head, length) = header(octets)?;
        let mut plain = !is_pieces(tag) && length.is_some_and(|n| write::header_len(n) == head);
        let constructed = tag & 0x20 != 0;
        let Some(length) = length else {
            if !constructed {
                return Err(Malformed("indefinite length of a simple element"));
            }
            let mut at = head;
            loop {
                let rest = octets.get(at..).unwrap_or_default();
                if rest.starts_with(&[0, 0]) {
                    return Ok((at + 2, false));
                }
                at += self.measure(rest, depth + 1)?.0;
            }
        };
        let end = head.checked_add(length).ok_or(Malformed("length too large"))?;
        let whole = octets.get(..end).ok_or(Malformed("element cut off"))?;
        let mut at = head;
        while constructed && at < end {
            let (inner, inner_plain) = self.measure(whole.get(at..).unwrap_or_default(), depth + 1)?;
            at += inner;
            plain &= inner_plain;
        }
        Ok((end, plain))
    }
}

/// Appends the first element in DER; gives its length in the input. Input was measured, so depth and lengths are right.
fn copy(octets: &[u8], out: &mut Vec<u8>) -> Read<usize> {
    let (tag, head, length) = header(octets)?;
    let end = length.map(|n| head + n);
    if tag & 0x20 == 0 {
        let end = end.ok_or(Malformed("indefinite length of a simple element"))?;
        write::header(out, tag, end - head);
        out.extend_from_slice(octets.get(head..end).ok_or(Malformed("element cut off"))?);
        return Ok(end);
    }
    let start = out.len();
    let mut at = head;
    loop {
        let rest = octets.get(at..end.unwrap_or(octets.len())).unwrap_or_default();
        if end.is_some_and(|end| at >= end) || (end.is_none() && rest.starts_with(&[0, 0])) {
            break;
        }
        if is_pieces(tag) {
            at += piece(rest, tag, out)?;
        } else {
            at += copy(rest, out)?;
        }
    }
    if tag == 0x23 {
        // Unused bits: we keep only strings of whole octets, pieces carry their leading zero no more.
        out.insert(start, 0);
    }
    let mut before = Vec::with_capacity(6);
    write::header(&mut before, if is_pieces(tag) { tag & !0x20 } else { tag }, out.len() - start);
    out.splice(start..start, before);
    Ok(end.unwrap_or(at + 2))
}

/// Appends only the content of one piece of a string; pieces may themselves be in pieces.
fn piece(octets: &[u8], of: u8, out: &mut Vec<u8>) -> Read<usize> {
    let (tag, head, length) = header(octets)?;
    // Pieces of the restricted strings are OCTET STRINGs or of the same type (X.690 §8.23.6).
    if tag & 0x1f != of & 0x1f && tag & 0x1f != 4 || tag & 0xc0 != 0 {
        return Err(Malformed("string made of other things"));
    }
    let end = length.map(|n| head + n);
    if tag & 0x20 == 0 {
        let end = end.ok_or(Malformed("indefinite length of a simple element"))?;
        let mut content = octets.get(head..end).ok_or(Malformed("element cut off"))?;
        if of == 0x23 {
            content = match content {
                [0, rest @ ..] => rest,
                _ => return Err(Malformed("bit string with unused bits in pieces")),
            };
        }
        out.extend_from_slice(content);
        return Ok(end);
    }
    let mut at = head;
    loop {
        let rest = octets.get(at..end.unwrap_or(octets.len())).unwrap_or_default();
        if end.is_some_and(|end| at >= end) || (end.is_none() && rest.starts_with(&[0, 0])) {
            return Ok(end.unwrap_or(at + 2));
        }
        at += piece(rest, of, out)?;
    }
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn der_is_not_copied() {
        let der = [0x30, 0x03, 0x04, 0x01, 0x41];
        let got = normalise(&der).unwrap();
        assert!(matches!(got.der, std::borrow::Cow::Borrowed(_)));
        assert_eq!(got.der.as_ref(), der);
    }

    #[test]
    fn indefinite_lengths_and_pieces_become_plain() {
        // SEQUENCE(indef) { OCTET STRING(indef, constructed) { 41, { 42 43 } } } and something after it
        let ber =
            [0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 0x41, 0x24, 0x04, 0x04, 0x02, 0x42, 0x43, 0, 0, 0, 0, 0x0a];
        let got = normalise(&ber).unwrap();
        assert_eq!(got.der.as_ref(), [0x30, 0x05, 0x04, 0x03, 0x41, 0x42, 0x43]);
        assert_eq!(got.read, ber.len() - 1);
    }

    #[test]
    fn long_lengths_become_short() {
        assert_eq!(normalise(&[0x04, 0x82, 0, 1, 9]).unwrap().der.as_ref(), [4, 1, 9]);
    }

    #[test]
    fn caps_hold() {
        let deep: Vec<u8> = [0x30, 0x80].repeat(70);
        assert!(normalise(&deep).is_err());
        assert!(normalise(&[0x30, 0x80, 0x04]).is_err());
        assert!(normalise(&[0x04, 0x80, 0, 0]).is_err());
        assert!(normalise(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_err());
    }
}
