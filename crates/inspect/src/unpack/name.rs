// SPDX-License-Identifier: EUPL-1.2
//! Names inside containers: hostile until proven safe.
//!
//! Guarantees: a path given out consists of safe names ([`poststelle_mail::name`]) joined by `/`, never climbs, and is
//! distinct within its container even where case and normalisation do not count. What had to be changed is noted.

use std::borrow::Cow;
use std::collections::HashMap;

use poststelle_mail::name::{Taken, fold, safe_file_name};

use crate::codes;
use crate::sheet::Note;

/// Code page 437, upper half: names in ZIP files without the UTF-8 flag (APPNOTE.TXT appendix D).
const CP437: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å', 'É', 'æ', 'Æ', 'ô', 'ö',
    'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ', 'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐',
    '¬', '½', '¼', '¡', '«', '»', '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛',
    '┐', '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧', '╨', '╤', '╥', '╙',
    '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐', '▀', 'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ',
    'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩', '≡', '±', '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²',
    '■', '\u{a0}',
];

/// UTF-8 if it is, else code page 437.
fn decode(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => raw
            .iter()
            .map(|b| match b {
                0..=0x7f => char::from(*b),
                high => CP437.get(usize::from(*high) - 0x80).copied().unwrap_or('_'),
            })
            .collect::<String>()
            .into(),
    }
}

/// A name for people: decoded, without controls, cut to `cap` octets.
pub(super) fn readable(raw: &[u8], cap: usize) -> String {
    let raw = raw.get(..cap.min(raw.len())).unwrap_or_default();
    decode(raw).chars().map(|c| if c.is_control() || is_bidi(c) { '\u{fffd}' } else { c }).collect()
}

/// Controls of UAX #9 that turn the reading direction.
pub(crate) fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The names of one container.
pub(super) struct Names {
    cap: usize,
    folders: HashMap<String, Taken>,
}

impl Names {
    pub(super) fn new(cap: usize) -> Self {
        Self { cap, folders: HashMap::new() }
    }

    /// Safe path, its last component, and what was wrong with it; `number` serves where nothing usable is left.
    pub(super) fn take(&mut self, raw: &[u8], number: u32) -> (String, String, Vec<Note>) {
        let mut notes = Vec::new();
        let mut say = |when: bool, code: &str| {
            if when {
                notes.push(Note::new(code));
            }
        };
        let long = raw.len() > self.cap;
        say(long, codes::CAP_PATH);
        // Of a name that is too long the end is kept, from the next whole character on.
        let mut kept = if long { raw.get(raw.len() - self.cap..).unwrap_or_default() } else { raw };
        while long && kept.first().is_some_and(|b| b & 0xc0 == 0x80) && std::str::from_utf8(kept).is_err() {
            kept = kept.get(1..).unwrap_or_default();
        }
        let text = decode(kept);
        let drive = matches!(text.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
        say(!long && (drive || text.starts_with(['/', '\\'])), codes::NAME_ABSOLUTE);
        say(text.split(['/', '\\']).any(|c| c.trim() == ".."), codes::NAME_CLIMBS);
        say(text.contains('\\'), codes::NAME_BACKSLASH);
        say(text.chars().any(is_bidi), codes::NAME_BIDI);
        say(text.chars().any(char::is_control), codes::NAME_CONTROL);
        let text = if drive { text.get(2..).unwrap_or_default() } else { &text };
        let mut parts: Vec<String> = text
            .split(['/', '\\'])
            .filter(|c| !c.is_empty() && !matches!(c.trim(), "." | ".."))
            .map(|c| safe_file_name(Some(c), "", number))
            .collect();
        let last = parts.pop().unwrap_or_else(|| safe_file_name(None, "", number));
        let parent = parts.join("/");
        let name = self.folders.entry(fold(&parent)).or_default().take(last.clone());
        say(name != last, codes::NAME_TWICE);
        let path = if parent.is_empty() { name.clone() } else { format!("{parent}/{name}") };
        (path, name, notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_safe_and_are_noted() {
        let cases: &[(&[u8], &str, &[&str])] = &[
            (b"Bescheide/2026/a.pdf", "Bescheide/2026/a.pdf", &[]),
            (b"Gr\x81\xe1e.txt", "Grüße.txt", &[]),
            ("Grüße.pdf".as_bytes(), "Grüße.pdf", &[]),
            (b"/etc/passwd", "etc/passwd", &[codes::NAME_ABSOLUTE]),
            (b"../../x.sh", "x.sh", &[codes::NAME_CLIMBS]),
            (b"a\\..\\b.txt", "a/b.txt", &[codes::NAME_CLIMBS, codes::NAME_BACKSLASH]),
            (b"C:\\Windows\\x.dll", "Windows/x.dll", &[codes::NAME_ABSOLUTE, codes::NAME_BACKSLASH]),
            (b"D:x.dll", "x.dll", &[codes::NAME_ABSOLUTE]),
            (b"a\0.pdf", "a.pdf", &[codes::NAME_CONTROL]),
            ("rechnung\u{202e}fdp.exe".as_bytes(), "rechnungfdp.exe", &[codes::NAME_BIDI]),
            (b"A.PDF/x", "A.PDF/x", &[]),
            (b"a.pdf/X", "a.pdf/X (2)", &[codes::NAME_TWICE]),
            (b"../..", "Teil-1.bin", &[codes::NAME_CLIMBS]),
            (b"", "Teil-1 (2).bin", &[codes::NAME_TWICE]),
            (b"CON", "CON_", &[]),
        ];
        let mut names = Names::new(100);
        for (raw, want, codes) in cases {
            let (path, _, notes) = names.take(raw, 1);
            assert_eq!(path, *want, "{}", raw.escape_ascii());
            assert_eq!(notes.iter().map(|n| n.code.as_str()).collect::<Vec<_>>(), *codes, "{path}");
        }
        let (path, name, notes) = names.take("ä/".repeat(400).as_bytes(), 1);
        assert!(
            path.len() <= 100 && name == "ä" && notes == [Note::new(codes::CAP_PATH)],
            "{path} {notes:?}"
        );
    }
}
