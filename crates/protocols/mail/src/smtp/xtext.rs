// SPDX-License-Identifier: EUPL-1.2
//! `xtext`, the transport form of ENVID and ORCPT values (RFC 3461 §4).
//!
//! Guarantees: [`xtext_decode`] of [`xtext_encode`] gives the same octets; what is decoded is printable
//! (no control characters), so it can stand in a header field of a report. Not guaranteed: that a value
//! means anything to anybody but its author.

/// Encodes a value: everything but printable ASCII, and `+` and `=`, becomes `+XX`.
pub fn xtext_encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for b in value.bytes() {
        match b {
            b'+' | b'=' => out.push_str(&format!("+{b:02X}")),
            b'!'..=b'~' => out.push(char::from(b)),
            _ => out.push_str(&format!("+{b:02X}")),
        }
    }
    out
}

/// Decodes a value; `None` if it is not xtext, not UTF-8, or holds control characters.
pub fn xtext_decode(value: &str) -> Option<String> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'+' => {
                let hi = char::from(bytes.next()?).to_digit(16)?;
                let lo = char::from(bytes.next()?).to_digit(16)?;
                out.push(u8::try_from(hi * 16 + lo).ok()?);
            }
            b'=' => return None,
            b'!'..=b'~' | 0x80..=0xff => out.push(b),
            _ => return None,
        }
    }
    let text = String::from_utf8(out).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        for v in ["", "abc", "a+b=c d", "größe@x", "~!"] {
            assert_eq!(xtext_decode(&xtext_encode(v)).as_deref(), Some(v));
        }
        for v in ["+0D+0A", "+", "+4", "+GG", "a=b", "a b", "+00", "+FF"] {
            assert_eq!(xtext_decode(v), None, "{v}");
        }
    }
}
