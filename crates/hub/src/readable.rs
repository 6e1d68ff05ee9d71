// SPDX-License-Identifier: EUPL-1.2
//! What of a message a person reads: its body part, HTML mail as plain text, clean line ends.
//!
//! Guarantees: everything here is linear in its input; nothing of HTML is interpreted beyond words and line breaks.
//! Escaping is the work of who shows it.

use poststelle_model::Part;

/// A mail inside the mail.
#[must_use]
pub fn is_enclosed_mail(part: &Part) -> bool {
    part.n > 0 && !part.leaf && part.declared.starts_with("message/")
}

/// The part that reads best: plain text before HTML, never an attachment, and nothing of an enclosed mail.
#[must_use]
pub fn body_part(parts: &[Part]) -> Option<&Part> {
    body_parts(parts, "text/plain").or_else(|| body_parts(parts, "text/html"))
}

/// The first body part of a media type.
#[must_use]
pub fn body_parts<'p>(parts: &'p [Part], kind: &str) -> Option<&'p Part> {
    written(parts).find(|p| p.declared == kind)
}

/// All parts of what was written: texts that are no attachments, but for those of enclosed mails.
pub fn written(parts: &[Part]) -> impl Iterator<Item = &Part> {
    let enclosed: Vec<&str> = parts.iter().filter(|p| is_enclosed_mail(p)).map(|p| p.path.as_str()).collect();
    let own = move |p: &&Part| {
        p.leaf && !p.is_attachment() && !enclosed.iter().any(|e| p.path.starts_with(&format!("{e}.")))
    };
    parts.iter().filter(own)
}

/// The first `cap` bytes of a text, whole characters only.
#[must_use]
pub fn cut(mut text: String, cap: usize) -> String {
    if text.len() > cap {
        let mut at = cap;
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.truncate(at);
    }
    text
}

/// Characters that change what is seen without being seen (UAX #9).
#[must_use]
pub const fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// A text as shown: line ends as LF, no control or direction characters, at most two empty lines in a row.
#[must_use]
pub fn block(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut ends = 0;
    for c in text.replace("\r\n", "\n").replace('\r', "\n").chars() {
        match c {
            '\n' => {
                ends += 1;
                if ends <= 3 {
                    out.push('\n');
                }
            }
            '\t' => out.push('\t'),
            c if c.is_control() || is_bidi(c) => {}
            c => {
                ends = 0;
                out.push(c);
            }
        }
    }
    out.trim_matches('\n').trim_end().to_owned()
}

/// Elements whose content nobody is meant to read.
const SILENT: [&str; 7] = ["script", "style", "head", "title", "template", "object", "svg"];
/// Elements that begin a new line.
const BREAKS: [&str; 19] = [
    "br",
    "p",
    "div",
    "tr",
    "li",
    "ul",
    "ol",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "hr",
    "section",
    "article",
    "pre",
];

/// The words of an HTML mail. Nothing of it is interpreted beyond line breaks; nothing is loaded.
#[must_use]
pub fn from_html(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut silent: Option<&'static str> = None;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        if silent.is_none() {
            words(before, &mut out);
        }
        if let Some(comment) = tag.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, r)| r);
            continue;
        }
        let Some((inside, after)) = tag.get(1..).and_then(|t| t.split_once('>')) else {
            // Never closed: no element, but perhaps words.
            rest = tag;
            break;
        };
        rest = after;
        let closing = inside.starts_with('/');
        let name: String = inside
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .take(16)
            .collect::<String>()
            .to_ascii_lowercase();
        match silent {
            Some(until) if closing && name == until => silent = None,
            Some(_) => {}
            None if name.is_empty() && !closing && !inside.starts_with(['!', '?']) => {
                // "1 < 2": no element.
                out.push('<');
                words(inside, &mut out);
                out.push('>');
            }
            None => {
                if !closing && !inside.ends_with('/') {
                    silent = SILENT.into_iter().find(|s| *s == name);
                }
                if BREAKS.contains(&name.as_str()) && !out.ends_with("\n\n") {
                    out.push('\n');
                }
                if name == "td" || name == "th" {
                    out.push(' ');
                }
            }
        }
    }
    if silent.is_none() {
        words(rest, &mut out);
    }
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    block(&lines.join("\n"))
}

/// Text between tags: white space merged, character references resolved.
fn words(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '&'
            && let Some(end) = rest.bytes().take(12).position(|b| b == b';')
            && let (Some(reference), Some(after)) = (rest.get(1..end), rest.get(end + 1..))
            && let Some(known) = character(reference)
        {
            out.push(known);
            rest = after;
            continue;
        }
        if c.is_ascii_whitespace() {
            if !out.ends_with([' ', '\n']) {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
}

fn character(reference: &str) -> Option<char> {
    if let Some(number) = reference.strip_prefix('#') {
        let value = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(value);
    }
    Some(match reference {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "euro" => '€',
        "sect" => '§',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "bdquo" => '„',
        "ldquo" => '“',
        "rdquo" => '”',
        "lsquo" => '‘',
        "rsquo" => '’',
        "laquo" => '«',
        "raquo" => '»',
        "bull" => '•',
        "middot" => '·',
        "copy" => '©',
        "eacute" => 'é',
        _ => return None,
    })
}

/// A size in decimal units, `1,2 MB`.
#[must_use]
pub fn size(octets: i64) -> String {
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
#[must_use]
pub fn line(text: &str, cap: usize) -> String {
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

/// A media type in words.
#[must_use]
pub fn kind(media_type: &str) -> String {
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
    fn a_cut_leaves_whole_characters() {
        assert_eq!(cut("aäb".to_owned(), 2), "a");
        assert_eq!(cut("aäb".to_owned(), 3), "aä");
        assert_eq!(cut("a".to_owned(), 3), "a");
    }

    #[test]
    fn blocks_are_clean() {
        assert_eq!(block("a\r\nb\r\n\r\n\r\n\r\n\r\nc\u{7}\n"), "a\nb\n\n\nc");
    }

    #[test]
    fn html_becomes_words() {
        let html = "<html><head><title>x</title><style>p{}</style></head><body><p>Sehr geehrte&nbsp;Frau M&uuml;ller,</p>\
             <script>alert('<p>')</script><div>1 &lt; 2<br>Gr&#252;&#xdf;e</div><!-- <b>weg</b> --><img src=\"http://x\">";
        assert_eq!(from_html(html), "Sehr geehrte Frau Müller,\n\n1 < 2\nGrüße");
        assert_eq!(from_html("<p>offen <b"), "offen <b");
        assert_eq!(from_html("a < b"), "a < b");
        assert_eq!(from_html("1 < 2 > 0"), "1 < 2 > 0");
        assert_eq!(from_html("&unbekannt; &amp"), "&unbekannt; &amp");
        assert_eq!(from_html("<script>ohne Ende"), "");
    }
}
