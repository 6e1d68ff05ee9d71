// SPDX-License-Identifier: EUPL-1.2
//! From a declared charset to UTF-8.
//!
//! Guarantees: never fails; what cannot be mapped becomes U+FFFD. Labels as in the WHATWG Encoding
//! Standard (so `iso-8859-1` and `us-ascii` are windows-1252, as every mail program reads them). A missing,
//! unknown or `us-ascii` label is UTF-8 if the octets are valid UTF-8, else windows-1252. A byte-order mark
//! wins over the label and is removed. Not supported: UTF-7 and other charsets outside that standard.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Decodes `bytes` declared to be in `charset`.
#[must_use]
pub fn to_utf8(charset: Option<&str>, bytes: &[u8]) -> String {
    let label = charset.map(str::trim).unwrap_or_default();
    let vague =
        label.is_empty() || label.eq_ignore_ascii_case("us-ascii") || label.eq_ignore_ascii_case("ascii");
    let encoding = if vague { None } else { Encoding::for_label(label.as_bytes()) };
    match encoding {
        Some(encoding) => encoding.decode(bytes).0.into_owned(),
        None if std::str::from_utf8(bytes).is_ok() => UTF_8.decode(bytes).0.into_owned(),
        None => WINDOWS_1252.decode(bytes).0.into_owned(),
    }
}

/// Cuts `text` to at most `max` octets at a character boundary; true if something was cut.
pub(crate) fn cut(text: &mut String, max: usize) -> bool {
    if text.len() <= max {
        return false;
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_fallbacks() {
        assert_eq!(to_utf8(Some("utf-8"), "Grüße".as_bytes()), "Grüße");
        assert_eq!(to_utf8(Some("ISO-8859-1"), b"Gr\xfc\xdfe"), "Grüße");
        assert_eq!(to_utf8(Some("iso-8859-15"), b"\xa4"), "€");
        assert_eq!(to_utf8(None, b"Gr\xfc\xdfe"), "Grüße");
        assert_eq!(to_utf8(Some("us-ascii"), "Grüße".as_bytes()), "Grüße");
        assert_eq!(to_utf8(Some("x-klingon"), b"\xe4"), "ä");
        assert_eq!(to_utf8(Some("utf-16le"), b"A\0\xe4\0"), "Aä");
        assert_eq!(to_utf8(Some("utf-8"), b"\xef\xbb\xbfA"), "A");
        assert_eq!(to_utf8(Some("utf-8"), b"\xff"), "\u{fffd}");
    }

    #[test]
    fn cut_keeps_characters_whole() {
        let mut text = "aäö".to_owned();
        assert!(cut(&mut text, 4));
        assert_eq!(text, "aä");
        assert!(!cut(&mut text, 3));
    }
}
