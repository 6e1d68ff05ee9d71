// SPDX-License-Identifier: EUPL-1.2
//! Words from octets: sizes, media types, safe one-line texts, header values.
//!
//! Guarantees: everything here is linear in its input. Escaping for HTML is the templates' work; nothing here may be
//! put out unescaped.

pub(crate) use poststelle_hub::readable::{block, is_bidi, kind, line, size};

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(crate) fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `filename` and `filename*` of RFC 6266: an ASCII name for old programs, the whole name for all others.
pub(crate) fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' })
        .collect();
    // RFC 5987: only attr-char stays; the slash does not.
    let whole = percent(name).replace('/', "%2F").replace('~', "%7E");
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

/// A sender as shown; empty when nothing is known.
pub(crate) fn sender(name: &str, address: &str) -> String {
    match (line(name, 200), line(address, 300)) {
        (name, address) if name.is_empty() => address,
        (name, address) if address.is_empty() => name,
        (name, address) => format!("{name} ({address})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size(0), "0 Byte");
        assert_eq!(size(999), "999 Byte");
        assert_eq!(size(1_000), "1 kB");
        assert_eq!(size(1_234), "1,2 kB");
        assert_eq!(size(80_000), "80 kB");
        assert_eq!(size(12_345_678), "12 MB");
        assert_eq!(size(-5), "0 Byte");
    }

    #[test]
    fn names_in_headers() {
        assert_eq!(
            disposition("Bauantrag Müller.pdf"),
            "attachment; filename=\"Bauantrag M_ller.pdf\"; filename*=UTF-8''Bauantrag%20M%C3%BCller.pdf"
        );
        let hostile = disposition("a\"b\\c\r\nX: y;/.pdf");
        assert!(!hostile.contains(['\r', '\n']));
        assert_eq!(hostile.matches('"').count(), 2);
        assert!(hostile.ends_with("filename*=UTF-8''a%22b%5Cc%0D%0AX%3A%20y%3B%2F.pdf"), "{hostile}");
    }

    #[test]
    fn lines_do_not_lie() {
        assert_eq!(line("  a\r\n\tb \u{202e}fdp.exe\0 ", 100), "a b fdp.exe");
        assert_eq!(line("abcdef", 3), "abc…");
        assert_eq!(block("a\r\nb\r\n\r\n\r\n\r\n\r\nc\u{7}\n"), "a\nb\n\n\nc");
    }
}
