// SPDX-License-Identifier: EUPL-1.2
//! Letters: which characters the font has, how wide they are, and where a line ends.
//!
//! Guarantees: what comes out has a glyph in the font; what has none, and every control or direction character, became
//! [`MARK`] and was counted. No line is wider than asked, words without a place to break are broken anywhere. Does not
//! shape: scripts that need it are not in the font either (Latin, Greek, Cyrillic are).

use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::MetadataProvider as _;
use skrifa::instance::{LocationRef, Size};
use unicode_normalization::UnicodeNormalization as _;

use super::PdfError;

/// Stands for a character that cannot be shown.
pub(super) const MARK: char = '\u{FFFD}';
/// Stands where text was cut.
pub(super) const CUT: char = '…';

/// One cut of the font.
pub(super) struct Letters {
    pub(super) font: Font,
    face: skrifa::FontRef<'static>,
    /// Glyph and width of the first 0x250 code points, in units of the font size.
    near: Vec<Option<(u32, f32)>>,
}

impl Letters {
    pub(super) fn new(octets: &'static [u8]) -> Result<Self, PdfError> {
        let font = Font::new(octets.into(), 0).ok_or(PdfError::Font)?;
        let face = skrifa::FontRef::new(octets).map_err(|_| PdfError::Font)?;
        let mut letters = Self { font, face, near: Vec::new() };
        letters.near = (0..0x250).map(|n| char::from_u32(n).and_then(|c| letters.look_up(c))).collect();
        match letters.glyph(MARK) {
            Some(_) => Ok(letters),
            None => Err(PdfError::Font),
        }
    }

    fn look_up(&self, c: char) -> Option<(u32, f32)> {
        let glyph = self.face.charmap().map(c).filter(|glyph| glyph.to_u32() != 0)?;
        let metrics = self.face.glyph_metrics(Size::new(1.0), LocationRef::default());
        Some((glyph.to_u32(), metrics.advance_width(glyph)?))
    }

    fn glyph(&self, c: char) -> Option<(u32, f32)> {
        match self.near.get(c as usize) {
            Some(known) => *known,
            None => self.look_up(c),
        }
    }

    fn advance(&self, c: char) -> f32 {
        self.glyph(c).map_or(0.0, |(_, advance)| advance)
    }

    /// Width of `text` in points.
    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().map(|c| self.advance(c)).sum::<f32>() * size
    }

    /// Width of the widest word in points.
    pub(super) fn widest_word(&self, text: &str, size: f32) -> f32 {
        text.split_whitespace().map(|word| self.width(word, size)).fold(0.0, f32::max)
    }

    /// What can be shown of `text`: composed (NFC), at most `cap` characters, line breaks kept. Adds to `lost` how many
    /// characters became [`MARK`].
    pub(super) fn showable(&self, text: &str, cap: usize, lost: &mut u64) -> String {
        let mut shown = String::with_capacity(text.len().min(cap * 2));
        for (n, c) in text.nfc().enumerate() {
            if n >= cap {
                shown.push(CUT);
                break;
            }
            match c {
                '\n' => shown.push('\n'),
                '\r' => {}
                '\t' => shown.push(' '),
                c if c.is_control() || directs(c) || self.glyph(c).is_none() => {
                    shown.push(MARK);
                    *lost += u64::from(c != MARK);
                }
                c => shown.push(c),
            }
        }
        shown
    }

    /// The lines of a showable text; never none. A line that ends at a space keeps it, so that words stay apart for a
    /// screen reader; it may hang over by that space.
    pub(super) fn lines(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let room = width / size;
        let mut lines = Vec::new();
        for paragraph in text.split('\n') {
            let mut line = String::new();
            let mut used = 0.0;
            for word in paragraph.split_inclusive(' ') {
                let bare: f32 = word.trim_end_matches(' ').chars().map(|c| self.advance(c)).sum();
                if used + bare > room && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                for c in word.chars() {
                    let advance = self.advance(c);
                    if used + advance > room && c != ' ' && !line.is_empty() {
                        lines.push(std::mem::take(&mut line));
                        used = 0.0;
                    }
                    line.push(c);
                    used += advance;
                }
            }
            if line.is_empty() {
                // A structure element without content would vanish, and a row would lose a cell.
                line.push(' ');
            }
            lines.push(line);
        }
        lines
    }

    /// The glyphs of one line.
    pub(super) fn glyphs(&self, line: &str) -> Vec<KrillaGlyph> {
        line.char_indices()
            .filter_map(|(at, c)| {
                let (glyph, advance) = self.glyph(c)?;
                Some(KrillaGlyph {
                    glyph_id: GlyphId::new(glyph),
                    text_range: at..at + c.len_utf8(),
                    x_advance: advance,
                    x_offset: 0.0,
                    y_offset: 0.0,
                    y_advance: 0.0,
                    location: None,
                })
            })
            .collect()
    }
}

/// Characters without a shape that change what the eye sees around them: they hide the true name of a file.
fn directs(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFC}')
}
