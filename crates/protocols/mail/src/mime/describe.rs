// SPDX-License-Identifier: EUPL-1.2
//! What the header of an entity says about its body (RFC 2045 §5 and §6, RFC 2183).
//!
//! Guarantees: total; every text kept is bounded by a cap. The first of several equal fields counts.
//! Nothing declared here is believed: `detected` of [`Entity`] says what the content looks like.

use super::field::{Field, Fields, Structured};
use super::{Caps, Defect, Encoding, Entity, note, text};

/// Longest media type, charset, disposition or Content-ID kept.
const MAX_TOKEN: usize = 255;

/// Reads the fields that describe a body; gives the boundary of a multipart if it is usable.
pub(super) fn describe(part: &mut Entity, header: &[u8], caps: &Caps) -> Option<Vec<u8>> {
    let mut content_type: Option<Structured> = None;
    let mut encoding: Option<Encoding> = None;
    let mut disposition: Option<Structured> = None;
    let structured = |field: &Field<'_>| Structured::parse(&field.unfolded());
    for field in Fields::new(header) {
        let again = if field.is("Content-Type") {
            !fill(&mut content_type, structured(&field))
        } else if field.is("Content-Transfer-Encoding") {
            let token = structured(&field).value;
            let known = Encoding::parse(&token);
            if known.is_none() {
                note(&mut part.defects, Defect::UnknownEncoding);
            }
            !fill(&mut encoding, known.unwrap_or_default())
        } else if field.is("Content-Disposition") {
            !fill(&mut disposition, structured(&field))
        } else if field.is("Content-ID") && part.content_id.is_none() {
            let mut id = field.text();
            id.retain(|c| !matches!(c, '<' | '>') && !c.is_whitespace() && !c.is_control());
            text::cut(&mut id, MAX_TOKEN);
            part.content_id = Some(id).filter(|id| !id.is_empty());
            false
        } else {
            false
        };
        if again {
            note(&mut part.defects, Defect::DuplicateHeader);
        }
    }
    part.encoding = encoding.unwrap_or_default();
    let mut names = Vec::new();
    if let Some(disposition) = disposition {
        names.push(disposition.param("filename").map(str::to_owned));
        if disposition.value == "form-data" {
            part.field_name = disposition.param("name").map(str::to_owned);
        }
        part.disposition = Some(disposition.value).filter(|v| is_token(v));
    }
    let mut boundary = None;
    if let Some(content_type) = content_type {
        names.push(content_type.param("name").map(str::to_owned));
        if is_media_type(&content_type.value) {
            part.media_type.clone_from(&content_type.value);
        } else if !content_type.value.is_empty() || !content_type.params.is_empty() {
            "text/plain".clone_into(&mut part.media_type);
            note(&mut part.defects, Defect::BadContentType);
        }
        part.charset = content_type.param("charset").map(str::to_ascii_lowercase).filter(|c| is_token(c));
        if part.media_type.starts_with("multipart/") {
            boundary = content_type.param("boundary").map(|b| b.trim_end().to_owned());
        }
    }
    if part.charset.is_none() && part.media_type.starts_with("text/") {
        part.charset = Some("us-ascii".to_owned());
    }
    part.raw_name = names.into_iter().flatten().find(|n| !n.trim().is_empty());
    for name in [&mut part.raw_name, &mut part.field_name].into_iter().flatten() {
        if text::cut(name, caps.max_name_bytes) {
            note(&mut part.defects, Defect::NameCut);
        }
    }
    if !part.media_type.starts_with("multipart/") {
        return None;
    }
    let usable = boundary.filter(|b| !b.is_empty() && b.len() <= caps.max_boundary_bytes);
    match &usable {
        Some(boundary) if boundary.len() > 70 => note(&mut part.defects, Defect::LongBoundary),
        Some(_) => {}
        None => note(&mut part.defects, Defect::NoBoundary),
    }
    part.boundary.clone_from(&usable);
    usable.map(String::into_bytes)
}

/// Fills an empty slot; false if it was full.
fn fill<T>(slot: &mut Option<T>, value: T) -> bool {
    let empty = slot.is_none();
    slot.get_or_insert(value);
    empty
}

fn is_token(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= MAX_TOKEN
        && value.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b))
}

fn is_media_type(value: &str) -> bool {
    value.len() <= MAX_TOKEN && value.split_once('/').is_some_and(|(a, b)| is_token(a) && is_token(b))
}
