// SPDX-License-Identifier: EUPL-1.2
//! Scripts in HTML and SVG, document type definitions in XML.
//!
//! Guarantees: one pass with constant memory, at most [`LOOK_BYTES`]; UTF-16 is read like ASCII. A hint, not a parser:
//! comments are not told from elements, which errs on the side of warning.

use std::io::{BufRead, Read};

use memchr::memmem;

use crate::codes;
use crate::octets::Spool;
use crate::sheet::Note;

/// Octets that are looked at.
const LOOK_BYTES: u64 = 32 * 1024 * 1024;
/// Longest pattern and a little more, kept from one piece to the next.
const OVERLAP: usize = 32;

/// What runs when a browser opens the file.
const SCRIPTS: &[&[u8]] = &[
    b"<script",
    b":script",
    b"javascript:",
    b"vbscript:",
    b" onload",
    b" onerror",
    b" onclick",
    b" onmouseover",
    b" onfocus",
    b" onbegin",
];

pub(super) fn look(spool: &Spool, detected: &str, extension: &str, notes: &mut Vec<Note>) {
    let html = matches!(detected, "text/html" | "application/xhtml+xml")
        || matches!(extension, "html" | "htm" | "xhtml");
    let xml =
        matches!(detected, "application/xml" | "application/xhtml+xml") || matches!(extension, "xml" | "svg");
    if !(html || xml || detected == "text/plain") {
        return;
    }
    let (mut svg, mut script, mut dtd) = (extension == "svg", false, false);
    let mut reader = spool.reader().take(LOOK_BYTES);
    let mut window: Vec<u8> = Vec::new();
    loop {
        let n = match reader.fill_buf() {
            Ok([]) | Err(_) => break,
            Ok(ready) => {
                let piece = ready.get(..ready.len().min(64 * 1024)).unwrap_or_default();
                let plain = piece.iter().filter(|b| **b != 0);
                window.extend(
                    plain.map(|b| if b.is_ascii_whitespace() { b' ' } else { b.to_ascii_lowercase() }),
                );
                piece.len()
            }
        };
        reader.consume(n);
        svg |= memmem::find(&window, b"<svg").is_some();
        dtd |= memmem::find(&window, b"<!doctype").is_some() || memmem::find(&window, b"<!entity").is_some();
        script |= SCRIPTS.iter().any(|pattern| memmem::find(&window, pattern).is_some());
        window.drain(..window.len().saturating_sub(OVERLAP));
    }
    let svg = svg && !html && (xml || extension == "svg");
    if script && svg {
        notes.push(Note::new(codes::SVG_SCRIPT));
    } else if script && html {
        notes.push(Note::new(codes::HTML_SCRIPT));
    }
    if dtd && xml && !html {
        notes.push(Note::new(codes::XML_DTD));
    }
}
