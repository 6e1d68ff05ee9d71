// SPDX-License-Identifier: EUPL-1.2
//! Which octets of a PDF a signature covers (ISO 32000-2 §12.8.1): the rules against forgery by odd ranges.
//!
//! Guarantees: a [`Range`] begins at 0, has exactly one gap, the gap is exactly the hexadecimal string of `Contents` and
//! nothing else, and it ends where a revision ends. All else is named and refused. Does not: look at objects.

use lopdf::{Dictionary, Object};

/// Octets `0..gap.start` and `gap.end..end` are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) gap: std::ops::Range<usize>,
    pub(super) end: usize,
}

impl Range {
    /// The two signed pieces.
    pub(super) fn pieces<'f>(&self, file: &'f [u8]) -> [&'f [u8]; 2] {
        [file.get(..self.gap.start).unwrap_or(&[]), file.get(self.gap.end..self.end).unwrap_or(&[])]
    }
}

/// Reads the range of a signature dictionary and the octets of its `Contents`; the text says what is wrong.
pub(super) fn read(file: &[u8], dictionary: &Dictionary) -> Result<(Range, Vec<u8>), &'static str> {
    let contents =
        dictionary.get(b"Contents").and_then(Object::as_str).map_err(|_| "Contents is no string")?;
    if contents.iter().all(|b| *b == 0) {
        return Err("Contents is empty");
    }
    let array =
        dictionary.get(b"ByteRange").and_then(Object::as_array).map_err(|_| "ByteRange is missing")?;
    let numbers: Option<Vec<usize>> =
        array.iter().map(|n| n.as_i64().ok().and_then(|n| usize::try_from(n).ok())).collect();
    let Some([start, first, second, length]) = numbers.as_deref() else {
        return Err("ByteRange is not four numbers");
    };
    if *start != 0 {
        return Err("ByteRange does not begin at 0");
    }
    if *first == 0 || *length == 0 || second <= first {
        return Err("ByteRange leaves out a part or overlaps");
    }
    let end = second
        .checked_add(*length)
        .filter(|end| *end <= file.len())
        .ok_or("ByteRange ends beyond the file")?;
    let gap = *first..*second;
    let hex = file
        .get(gap.clone())
        .and_then(|g| g.strip_prefix(b"<"))
        .and_then(|g| g.strip_suffix(b">"))
        .ok_or("the gap of ByteRange is not the string of Contents")?;
    if unhex(hex).as_deref() != Some(contents) {
        return Err("the gap of ByteRange is not the string of Contents");
    }
    if !ends_revision(file.get(..end).unwrap_or(&[])) {
        return Err("ByteRange does not end at the end of a revision");
    }
    Ok((Range { gap, end }, contents.to_vec()))
}

/// Do the octets end with the mark of the end of a revision?
fn ends_revision(octets: &[u8]) -> bool {
    octets.trim_ascii_end().ends_with(b"%%EOF")
}

/// Hexadecimal digits, white space between them allowed (ISO 32000-2 §7.3.4.3).
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut high: Option<u8> = None;
    for byte in text.iter().filter(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0x0c | 0)) {
        let digit = u8::try_from(char::from(*byte).to_digit(16)?).ok()?;
        high = match high {
            None => Some(digit),
            Some(first) => {
                out.push(first << 4 | digit);
                None
            }
        };
    }
    if let Some(first) = high {
        out.push(first << 4);
    }
    Some(out)
}

/// The DER object at the beginning of `contents`, its padding cut off.
pub(super) fn unpadded(contents: &[u8]) -> &[u8] {
    let length = match contents {
        [0x30, 0x80, ..] => return contents,
        [0x30, short, ..] if *short < 0x80 => 2 + usize::from(*short),
        [0x30, long, rest @ ..] => {
            let count = usize::from(*long & 0x7f);
            let octets = rest.get(..count).filter(|_| count <= 4).unwrap_or(&[]);
            2 + count + octets.iter().fold(0usize, |n, b| n << 8 | usize::from(*b))
        }
        _ => return contents,
    };
    contents.get(..length).unwrap_or(contents)
}

#[cfg(test)]
mod tests {
    use super::{unhex, unpadded};

    #[test]
    fn hexadecimal_strings() {
        assert_eq!(unhex(b"30 0A\n0").as_deref(), Some([0x30, 0x0a, 0x00].as_slice()));
        assert_eq!(unhex(b"30>0"), None);
    }

    #[test]
    fn padding_is_cut() {
        assert_eq!(unpadded(&[0x30, 0x01, 0x05, 0, 0, 0]), [0x30, 0x01, 0x05]);
        assert_eq!(unpadded(&[0x30, 0x81, 0x01, 0x05, 0]), [0x30, 0x81, 0x01, 0x05]);
    }
}
