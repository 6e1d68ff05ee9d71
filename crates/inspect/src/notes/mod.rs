// SPDX-License-Identifier: EUPL-1.2
//! Notes about the format of one part: what a clerk should know before opening it.
//!
//! Guarantees: total and bounded (files that must be read whole only below `caps.whole_bytes`, all else as a stream
//! through counted readers); a panic of a foreign parser is a note; the same octets give the same notes, in the same
//! order, each code once. Nothing is executed, resolved or fetched.
//! Does not: prove the absence of anything; validate formats.

mod markup;
mod office;
mod ole;
pub(crate) mod pdf;
mod types;

use std::io::{Read, Seek, SeekFrom};

use memchr::memmem;

use crate::caps::Caps;
use crate::codes;
use crate::octets::Spool;
use crate::sheet::Note;
use crate::unpack::{guarded, is_bidi, is_zip_file};

/// Octets at the end of a file where a PDF must end (ISO 32000-1 annex H, note 18).
const PDF_END: u64 = 1024;

/// What is to be noticed. `detected`: media type by content, empty = not recognised ([`Spool::detected`]); `declared`:
/// as the sender says, empty = not; `name`: as the sender gives it, empty = none.
#[must_use]
pub fn look(spool: &Spool, detected: &str, declared: &str, name: &str, caps: &Caps) -> Vec<Note> {
    let mut notes = Vec::new();
    look_at_names(detected, declared, name, &mut notes);
    if guarded(|| look_at_content(spool, detected, name, caps, &mut notes)).is_none() {
        notes.push(Note::new(codes::UNPACK_CRASHED));
    }
    let mut said = Vec::new();
    notes.retain(|note| {
        let new = !said.contains(&note.code);
        said.push(note.code.clone());
        new
    });
    notes
}

fn look_at_names(detected: &str, declared: &str, name: &str, notes: &mut Vec<Note>) {
    let extension = types::extension(name);
    if name.chars().any(is_bidi) {
        notes.push(Note::new(codes::NAME_BIDI));
    }
    if name.chars().any(char::is_control) {
        notes.push(Note::new(codes::NAME_CONTROL));
    }
    if types::is_double(name) {
        notes.push(Note::new(codes::NAME_DOUBLE_EXTENSION));
    }
    if types::is_program(&extension, detected) {
        notes.push(Note::new(codes::EXECUTABLE));
    }
    if detected.is_empty() {
        return;
    }
    if types::breaks_name(&extension, detected) {
        notes.push(Note::new(codes::TYPE_NAME).with("extension", &extension).with("detected", detected));
    }
    if types::breaks_declared(declared, detected) {
        notes.push(Note::new(codes::TYPE_DECLARED).with("declared", declared).with("detected", detected));
    }
}

fn look_at_content(spool: &Spool, detected: &str, name: &str, caps: &Caps, notes: &mut Vec<Note>) {
    look_for_second_format(spool, detected, notes);
    if detected == "application/pdf" {
        match spool.whole(caps.whole_bytes) {
            Ok(Some(octets)) => pdf::look(&octets, notes),
            Ok(None) => notes.push(Note::new(codes::CAP_WHOLE).with("cap", caps.whole_bytes)),
            Err(_) => notes.push(Note::new(codes::FORMAT_DAMAGED)),
        }
    } else if types::is_ole(detected) {
        ole::look(spool, notes);
    } else if types::is_zip(detected) {
        office::look(spool, types::is_document(detected), caps, notes);
    } else {
        markup::look(spool, detected, &types::extension(name), notes);
    }
}

/// A ZIP file behind something else, or a PDF around or behind something else.
fn look_for_second_format(spool: &Spool, detected: &str, notes: &mut Vec<Note>) {
    let other = |other: &str| Note::new(codes::POLYGLOT).with("other", other);
    if !types::is_zip(detected) && is_zip_file(spool) {
        notes.push(other("application/zip"));
    }
    let mut end = Vec::new();
    let mut reader = spool.reader();
    let read = reader
        .seek(SeekFrom::Start(spool.len().saturating_sub(PDF_END)))
        .and_then(|_| reader.take(PDF_END).read_to_end(&mut end));
    // A PDF that lies in a ZIP file unpacked is no second format; one in or behind its end record is.
    let end = match memmem::rfind(&end, b"PK\x05\x06") {
        Some(at) if types::is_zip(detected) => end.get(at..).unwrap_or_default(),
        _ => &end,
    };
    if detected != "application/pdf" && read.is_ok() && memmem::find(end, b"%%EOF").is_some() {
        let mut head = Vec::new();
        let read = spool.reader().take(PDF_END).read_to_end(&mut head);
        if read.is_ok() && memmem::find(&head, b"%PDF-").is_some() {
            notes.push(other("application/pdf"));
        }
    }
}

/// Is it an Outlook message (`.msg`)?
#[must_use]
pub fn is_outlook_message(spool: &Spool) -> bool {
    types::is_ole(spool.detected()) && ole::is_message(spool)
}
