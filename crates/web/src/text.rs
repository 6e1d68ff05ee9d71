// SPDX-License-Identifier: EUPL-1.2
//! Words from octets: sizes, media types, safe one-line texts, header values.
//!
//! Guarantees: everything here is linear in its input. Escaping for HTML is the templates' work; nothing here may be
//! put out unescaped.

pub(crate) use poststelle_hub::readable::{block, is_bidi};

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

/// A size in decimal units, `1,2 MB`.
pub(crate) fn size(octets: i64) -> String {
    let octets = octets.max(0);
    let tenths = |unit: i64| {
        let t = octets.saturating_mul(10) / unit;
        if t < 100 && t % 10 != 0 { format!("{},{}", t / 10, t % 10) } else { format!("{}", t / 10) }
    };
    match octets {
        0..1_000 => format!("{octets} Byte"),
        1_000..1_000_000 => format!("{} kB", tenths(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", tenths(1_000_000)),
        _ => format!("{} GB", tenths(1_000_000_000)),
    }
}

/// One line as shown: no control or direction characters, spaces merged, at most `cap` characters.
pub(crate) fn line(text: &str, cap: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let mut out = String::new();
    let mut count = 0;
    for c in clean.trim().chars().filter(|c| !c.is_control() && !is_bidi(*c)) {
        if c == ' ' && out.ends_with(' ') {
            continue;
        }
        if count == cap {
            out.push('…');
            break;
        }
        out.push(c);
        count += 1;
    }
    out
}

/// A sender as shown; empty when nothing is known.
pub(crate) fn sender(name: &str, address: &str) -> String {
    match (line(name, 200), line(address, 300)) {
        (name, address) if name.is_empty() => address,
        (name, address) if address.is_empty() => name,
        (name, address) => format!("{name} ({address})"),
    }
}

/// A media type in words.
pub(crate) fn kind(media_type: &str) -> String {
    let word =
        match media_type {
            "" | "application/octet-stream" => "Datei",
            "application/pdf" => "PDF-Dokument",
            "text/plain" => "Text",
            "text/html" => "HTML-Text",
            "text/csv" => "Tabelle (CSV)",
            "text/calendar" => "Termin",
            "text/vcard" => "Visitenkarte",
            "image/jpeg" => "Bild (JPEG)",
            "image/png" => "Bild (PNG)",
            "image/gif" => "Bild (GIF)",
            "image/tiff" => "Bild (TIFF)",
            "message/rfc822" | "message/global" => "E-Mail",
            "message/delivery-status" => "Zustellbericht",
            "application/zip" => "ZIP-Archiv",
            "application/xml" | "text/xml" => "XML-Datei",
            "application/json" => "JSON-Datei",
            "application/pkcs7-signature" | "application/x-pkcs7-signature" => "Signatur",
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => "verschlüsselter oder signierter Inhalt",
            "application/msword"
            | "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "Word-Dokument",
            "application/vnd.ms-excel"
            | "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "Excel-Tabelle",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation" => {
                "PowerPoint-Präsentation"
            }
            "application/vnd.oasis.opendocument.text" => "Textdokument (ODT)",
            "application/vnd.oasis.opendocument.spreadsheet" => "Tabelle (ODS)",
            other => return line(other, 80),
        };
    word.to_owned()
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
