// SPDX-License-Identifier: EUPL-1.2
//! Safe file names for parts: for screens, hot folders and downloads.
//!
//! Guarantees for [`safe_file_name`]: never empty; NFC; at most [`MAX_BYTES`] octets of UTF-8, cut between
//! characters and before the extension; one path component, valid on Linux, macOS and Windows: no
//! separators, no characters Windows forbids, no reserved device names, no leading dot, no dot or blank at
//! either end; no control, bidirectional or invisible formatting characters that would let a name look like
//! another one. Emoji and letters of every script stay. The result is idempotent: safe in, same out.
//! [`unique`] makes a list of names distinct even on file systems that fold case and normalisation.
//!
//! Not guaranteed: that the extension tells the truth about the content; see `detected` of
//! [`crate::mime::Entity`]. The raw name is evidence and kept elsewhere, untouched.
//!
//! Sources: Unicode UAX #15 (NFC), UAX #9 (bidirectional controls), Microsoft "Naming Files, Paths, and
//! Namespaces".

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

/// Longest name in octets of UTF-8; leaves room in the 255 of common file systems for a prefix or suffix.
pub const MAX_BYTES: usize = 180;
/// Longest extension kept when a name is cut, dot included.
const MAX_EXTENSION: usize = 16;
/// Characters of a raw name that are looked at; what follows cannot survive the cut anyway.
const MAX_CHARS: usize = 4_096;

/// Device names of Windows; also with an extension (`NUL.txt`).
const RESERVED: &[&str] = &["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];

/// Makes a name that is safe to use as a file name, from what the sender declared; `media_type` and `n`
/// (the part's number) serve where nothing usable was declared.
#[must_use]
pub fn safe_file_name(raw: Option<&str>, media_type: &str, n: u32) -> String {
    let declared = raw.map(clean).unwrap_or_default();
    if declared.chars().any(|c| !matches!(c, '_' | '.' | ' ' | '-')) {
        return declared;
    }
    let extension = extension(media_type);
    if media_type.starts_with("text/") {
        format!("Text-{n}{extension}")
    } else {
        format!("Teil-{n}{extension}")
    }
}

/// Cleans one declared name; may give an empty one.
fn clean(raw: &str) -> String {
    let last = if is_path(raw) {
        let usable = |c: &&str| !c.is_empty() && !c.chars().all(|c| c == '.');
        raw.rsplit(['/', '\\']).map(str::trim).find(usable).unwrap_or_default()
    } else {
        raw
    };
    let mut name = String::new();
    for c in last.chars().take(MAX_CHARS).nfc() {
        match c {
            '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' => name.push('_'),
            c if c.is_whitespace() => {
                if !name.ends_with(' ') {
                    name.push(' ');
                }
            }
            c if is_hidden(c, &name) => {}
            c => name.push(c),
        }
    }
    // Removing a character may bring a letter and its accent together.
    let name: String = name.nfc().collect();
    // The guard may add a character: the cut comes last. What it shortens is never a device name.
    shorten(&guard_reserved(trim(&name).to_owned()))
}

/// True for `/a/b`, `C:\\b`, `../b`: then only the last component is the name. Otherwise a slash is part of what
/// somebody called his file (`Rechnung 12/2026.pdf`) and becomes `_` like other forbidden characters.
fn is_path(raw: &str) -> bool {
    let raw = raw.trim();
    let mut start = raw.chars();
    let drive = (start.next(), start.next(), start.next());
    raw.starts_with(['/', '\\'])
        || matches!(drive, (Some('a'..='z' | 'A'..='Z'), Some(':'), Some('/' | '\\')))
        || raw.contains(['/', '\\']) && raw.split(['/', '\\']).any(|c| matches!(c.trim(), "." | ".."))
}

fn trim(name: &str) -> &str {
    let end = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    end.trim_start_matches(|c: char| c == '.' || c.is_whitespace() || is_joiner(c))
}

/// Joins emoji or picks their form; kept only after a visible character.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}')
}

/// Control and formatting characters that are not seen but change what is seen.
fn is_hidden(c: char, before: &str) -> bool {
    if is_joiner(c) {
        return before.chars().next_back().is_none_or(|p| p.is_ascii() || is_joiner(p));
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
        || (u32::from(c) & 0xfffe) == 0xfffe
        || matches!(c, '\u{e0001}' | '\u{e0080}'..='\u{e00ff}')
}

/// Cuts to [`MAX_BYTES`] between characters, keeping a short extension.
fn shorten(name: &str) -> String {
    if name.len() <= MAX_BYTES {
        return name.to_owned();
    }
    let extension = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_EXTENSION => name.get(dot..).unwrap_or_default(),
        _ => "",
    };
    let mut end = MAX_BYTES - extension.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    // A cut must not leave half an emoji sequence or a letter without its accent.
    let stem = name.get(..end).unwrap_or_default();
    let stem = stem.trim_end_matches(|c: char| is_joiner(c) || c == '.' || c.is_whitespace());
    format!("{stem}{extension}")
}

/// `CON` → `CON_`, `nul.txt` → `nul_.txt`.
fn guard_reserved(name: String) -> String {
    let (stem, rest) = match name.find('.') {
        Some(dot) => name.split_at(dot),
        None => (name.as_str(), ""),
    };
    let lower = stem.trim_end().to_lowercase();
    let port = lower.strip_prefix("com").or_else(|| lower.strip_prefix("lpt"));
    let port = port.is_some_and(|p| {
        matches!(p, "¹" | "²" | "³") || p.len() == 1 && p.bytes().all(|b| b.is_ascii_digit())
    });
    if port || RESERVED.contains(&lower.as_str()) { format!("{}_{rest}", stem.trim_end()) } else { name }
}

/// Extension for a media type, with its dot.
fn extension(media_type: &str) -> &'static str {
    match media_type {
        "text/plain" => ".txt",
        "text/html" => ".html",
        "text/csv" => ".csv",
        "text/calendar" => ".ics",
        "text/xml" | "application/xml" => ".xml",
        "text/rfc822-headers" => ".txt",
        "message/rfc822" | "message/global" => ".eml",
        "message/delivery-status" | "message/disposition-notification" => ".txt",
        "application/pdf" => ".pdf",
        "application/zip" | "application/x-zip-compressed" => ".zip",
        "application/gzip" => ".gz",
        "application/x-7z-compressed" => ".7z",
        "application/json" => ".json",
        "application/rtf" | "text/rtf" => ".rtf",
        "application/msword" => ".doc",
        "application/vnd.ms-excel" => ".xls",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => ".docx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => ".xlsx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => ".pptx",
        "application/vnd.oasis.opendocument.text" => ".odt",
        "application/vnd.oasis.opendocument.spreadsheet" => ".ods",
        "application/vnd.etsi.asic-e+zip" => ".asice",
        "application/vnd.etsi.asic-s+zip" => ".asics",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => ".p7s",
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => ".p7m",
        "application/pgp-signature" => ".asc",
        "image/jpeg" => ".jpg",
        "image/png" => ".png",
        "image/gif" => ".gif",
        "image/tiff" => ".tiff",
        "image/webp" => ".webp",
        "image/heic" => ".heic",
        _ => ".bin",
    }
}

/// Makes names distinct, in order: the second `a.pdf` (or `A.PDF`) becomes `a (2).pdf`. The results stay
/// within [`MAX_BYTES`] if the names were.
#[must_use]
pub fn unique<I, S>(names: I) -> Vec<String>
where
    I: IntoIterator<Item = S>,
    S: Into<String>,
{
    let mut taken = Taken::default();
    names.into_iter().map(|name| taken.take(name)).collect()
}

/// Names given away so far; see [`unique`].
#[derive(Debug, Default)]
pub struct Taken {
    taken: HashSet<String>,
    /// Next number to try per name, so that thousands of equal names stay linear.
    next: HashMap<String, u32>,
}

impl Taken {
    /// The name itself if it is free, else one like it.
    pub fn take(&mut self, name: impl Into<String>) -> String {
        let name: String = name.into();
        let folded = fold(&name);
        if self.taken.insert(folded.clone()) {
            return name;
        }
        let n = self.next.entry(folded).or_insert(2);
        loop {
            let candidate = numbered(&name, *n);
            *n = n.saturating_add(1);
            if self.taken.insert(fold(&candidate)) || *n == u32::MAX {
                return candidate;
            }
        }
    }
}

/// What case-insensitive file systems compare.
#[must_use]
pub fn fold(name: &str) -> String {
    name.nfc().flat_map(char::to_lowercase).nfc().collect()
}

fn numbered(name: &str, n: u32) -> String {
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= MAX_EXTENSION);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let suffix = format!(" ({n})");
    let mut end = stem.len().min(MAX_BYTES.saturating_sub(extension.len() + suffix.len()));
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let stem = stem.get(..end).unwrap_or_default().trim_end_matches([' ', '.']);
    format!("{stem}{suffix}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn safe(raw: &str) -> String {
        safe_file_name(Some(raw), "application/pdf", 7)
    }

    #[test]
    fn catalogue() {
        let cases = [
            ("Antrag.pdf", "Antrag.pdf"),
            ("Grüße.pdf", "Grüße.pdf"),
            ("Gru\u{308}ße.pdf", "Grüße.pdf"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("/etc/shadow", "shadow"),
            ("C:\\fakepath\\Bescheid.pdf", "Bescheid.pdf"),
            ("C:Bescheid.pdf", "C_Bescheid.pdf"),
            ("ordner/", "ordner_"),
            ("./a/../Plan.dwg", "Plan.dwg"),
            ("Rechnung 12/2026.pdf", "Rechnung 12_2026.pdf"),
            ("Amt\\Bauen.pdf", "Amt_Bauen.pdf"),
            ("CON", "CON_"),
            ("nul.txt", "nul_.txt"),
            ("NUL.tar.gz", "NUL_.tar.gz"),
            ("COM1", "COM1_"),
            ("lpt9.pdf", "lpt9_.pdf"),
            ("COM¹.txt", "COM¹_.txt"),
            ("CON .txt", "CON_.txt"),
            ("COM10.txt", "COM10.txt"),
            ("Contract.pdf", "Contract.pdf"),
            ("📎 Anlage 👩‍👧.pdf", "📎 Anlage 👩‍👧.pdf"),
            ("rechnung\u{202e}fdp.exe", "rechnungfdp.exe"),
            ("a\u{0}b\u{7}c\r\n.pdf", "abc .pdf"),
            ("\u{feff}x.pdf", "x.pdf"),
            (".htaccess", "htaccess"),
            ("...", "Teil-7.pdf"),
            ("", "Teil-7.pdf"),
            ("   ", "Teil-7.pdf"),
            ("../..", "Teil-7.pdf"),
            ("???", "Teil-7.pdf"),
            ("Name. . .", "Name"),
            ("Name.pdf .", "Name.pdf"),
            ("a<b>c:d\"e|f?g*h.txt", "a_b_c_d_e_f_g_h.txt"),
            ("Az: 12/34 \"Muster\".pdf", "Az_ 12_34 _Muster_.pdf"),
            ("zu  viele\t Blanks.pdf", "zu viele Blanks.pdf"),
            ("文件.pdf", "文件.pdf"),
        ];
        for (raw, want) in cases {
            assert_eq!(safe(raw), want, "{raw:?}");
        }
        assert_eq!(safe_file_name(None, "text/html", 1), "Text-1.html");
        assert_eq!(safe_file_name(None, "x/y", 2), "Teil-2.bin");
    }

    #[test]
    fn long_names_keep_their_extension() {
        let long = format!("{}.pdf", "ä".repeat(300));
        let name = safe(&long);
        assert!(name.len() <= MAX_BYTES && name.len() > MAX_BYTES - 4 && name.ends_with("ä.pdf"), "{name}");
        let name = safe(&format!("x.{}", "y".repeat(400)));
        assert_eq!(name.len(), MAX_BYTES);
    }

    #[test]
    fn duplicates() {
        let names = unique(["a.pdf", "A.PDF", "a.pdf", "a (2).pdf", "b", "B", "ä", "A\u{308}", ".x"]);
        let want =
            ["a.pdf", "A (2).PDF", "a (3).pdf", "a (2) (2).pdf", "b", "B (2)", "ä", "A\u{308} (2)", ".x"];
        assert_eq!(names, want);
        let long = safe(&format!("{}.pdf", "ä".repeat(300)));
        let many = unique(vec![long; 1_200]);
        assert!(many.iter().all(|n| n.len() <= MAX_BYTES && n.ends_with(".pdf")));
        assert_eq!(many.iter().collect::<HashSet<_>>().len(), 1_200);
    }

    proptest! {
        #[test]
        fn always_safe(raw in any::<String>()) {
            holds(&raw);
        }

        #[test]
        fn nasty_always_safe(raw in "[./\\\\: a-cCONUL.1ä\u{308}\u{202e}\u{200d}\u{fe0f}👩\r\n\t]{0,60}") {
            holds(&raw);
        }

        #[test]
        fn unique_is_unique(names in proptest::collection::vec("[aAäÄ]{1,2}( \\([23]\\))?(\\.p)?", 0..40)) {
            let out = unique(names.clone());
            prop_assert_eq!(out.len(), names.len());
            prop_assert_eq!(out.iter().map(|n| fold(n)).collect::<HashSet<_>>().len(), names.len());
        }
    }

    fn holds(raw: &str) {
        let name = safe(raw);
        assert!(!name.is_empty() && name.len() <= MAX_BYTES, "{raw:?} {name:?}");
        assert!(!name.starts_with(['.', ' ']) && !name.ends_with(['.', ' ']), "{raw:?} {name:?}");
        assert!(!name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|', '\0', '\u{202e}']), "{name:?}");
        assert!(!name.chars().any(char::is_control), "{name:?}");
        assert_eq!(name.nfc().collect::<String>(), name);
        assert_eq!(safe(&name), name, "not idempotent: {raw:?}");
    }
}
