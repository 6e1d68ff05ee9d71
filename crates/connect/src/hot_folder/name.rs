// SPDX-License-Identifier: EUPL-1.2
//! Names on disk: of packages, of parts, of the hub's own files.
//!
//! Guarantees: a name given here is one path component on Linux, Windows and macOS: no separator, no control,
//! direction or invisible character, no reserved device name, no trailing dot or blank, never empty, at most
//! [`MAX_BYTES`] octets of UTF-8 (NFC). Names of parts begin with the part's number, so they are unique also
//! where the file system folds case or normal forms. Names of packages depend on stored facts only.
//! Does not: keep the sender's spelling; that is in `message.json` as `raw_name`.

use poststelle_crypto::digest::{hex, sha256};
use poststelle_model::{Message, Timestamp};
use unicode_normalization::UnicodeNormalization;

/// Longest name, octets: room under the usual 255 for what a consumer appends.
pub const MAX_BYTES: usize = 240;
/// Longest extension kept when a name is cut, octets.
const MAX_EXTENSION: usize = 20;

/// File name of a part: `<NN>_<name>`.
#[must_use]
pub fn part_file(n: i64, name: &str) -> String {
    let prefix = format!("{n:02}_");
    let name = safe(name, MAX_BYTES - prefix.len());
    format!("{prefix}{name}")
}

/// One harmless path component of at most `max` octets.
#[must_use]
pub fn safe(name: &str, max: usize) -> String {
    let clean: String = name.nfc().map(harmless).collect();
    let mut kept = clean.trim_matches(|c: char| c == '.' || c.is_whitespace()).to_owned();
    if kept.is_empty() {
        kept = "teil".to_owned();
    }
    if is_device(&kept) {
        kept.insert(0, '_');
    }
    if kept.len() <= max {
        return kept;
    }
    let (stem, extension) = match kept.rsplit_once('.') {
        Some((stem, ext)) if !stem.is_empty() && !ext.is_empty() && ext.len() <= MAX_EXTENSION => {
            (stem, format!(".{ext}"))
        }
        _ => (kept.as_str(), String::new()),
    };
    let mut end = max.saturating_sub(extension.len()).min(stem.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let stem = stem.get(..end).unwrap_or_default().trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    format!("{stem}{extension}")
}

/// The character itself, or `_`.
fn harmless(c: char) -> char {
    let bad = c.is_control()
        || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
        // Direction marks, zero width, separators, byte order mark, tags and variation tricks.
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    if bad { '_' } else { c }
}

/// Device names of Windows, whatever follows the first dot.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |word: &str| {
        stem.strip_prefix(word).is_some_and(|rest| {
            let mut chars = rest.chars();
            matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        })
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered("COM")
        || numbered("LPT")
}

/// `<YYYYMMDD-HHMMSS>_<tenant>_<delivery>` from the moment of acceptance in UTC: the same at every attempt.
#[must_use]
pub fn package(message: &Message, tenant_slug: &str, delivery: &str) -> String {
    let slug: String = tenant_slug
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(63)
        .collect();
    let slug = if slug.is_empty() { "mandant".to_owned() } else { slug };
    format!("{}_{slug}_{}", moment(message.accepted_at), key(delivery))
}

fn moment(at: Timestamp) -> String {
    // 2026-11-22T08:15:30.123456Z → 20261122-081530
    let text = at.rfc3339();
    let digits: String = text.chars().filter(char::is_ascii_digit).take(14).collect();
    let (day, time) = digits.split_at_checked(8).unwrap_or((digits.as_str(), "000000"));
    format!("{day}-{time}")
}

/// A key as a file name: itself when harmless, else its SHA-256.
#[must_use]
pub fn key(key: &str) -> String {
    let harmless =
        (1..=100).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if harmless { key.to_owned() } else { hex(&sha256(key.as_bytes())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_one_component() {
        for (given, expected) in [
            ("Bescheid.pdf", "Bescheid.pdf"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("..\\..\\boot.ini", "_.._boot.ini"),
            ("", "teil"),
            ("...", "teil"),
            (" . ", "teil"),
            ("CON", "_CON"),
            ("con.txt", "_con.txt"),
            ("COM1.x", "_COM1.x"),
            ("LPT¹", "_LPT¹"),
            ("Concert.txt", "Concert.txt"),
            ("Anlage.", "Anlage"),
            ("a\u{0}b\nc", "a_b_c"),
            ("rechnung\u{202e}fdp.exe", "rechnung_fdp.exe"),
            ("Mu\u{0308}ller.doc", "Müller.doc"),
            ("💶 Gebühr.pdf", "💶 Gebühr.pdf"),
            ("a:b", "a_b"),
        ] {
            assert_eq!(safe(given, 200), expected, "{given:?}");
            assert_eq!(safe(&safe(given, 200), 200), expected, "stable: {given:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension_and_whole_characters() {
        let long = format!("{}.pdf", "ü".repeat(300));
        let file = part_file(7, &long);
        assert!(file.len() <= MAX_BYTES, "{}", file.len());
        assert!(file.starts_with("07_ü") && file.ends_with("ü.pdf"));
        let bare = part_file(12_345, &"x".repeat(255));
        assert_eq!((bare.len(), bare.starts_with("12345_")), (MAX_BYTES, true));
        assert!(safe(&format!("a.{}", "b".repeat(400)), 50).len() <= 50);
    }

    #[test]
    fn keys_are_names() {
        assert_eq!(key("0190-ab"), "0190-ab");
        assert_eq!(key("../x").len(), 64);
        assert_eq!(key("").len(), 64);
        assert_eq!(moment(Timestamp(1_795_335_330_123_456)), "20261122-081530");
    }
}
