// SPDX-License-Identifier: EUPL-1.2
//! Files embedded in a PDF (ISO 32000-2 §7.11.4): attachments of the document, of pages, of annotations.
//!
//! Guarantees: every file specification with an embedded file is found, wherever it hangs, each file once; flate
//! streams are inflated as they are read. Does not: read files above `caps.whole_bytes`, nor encrypted ones.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::ZlibDecoder;
use lopdf::{Dictionary, Document, Object, Stream};

use super::{Found, Stop, Unpacking, guarded};
use crate::codes;
use crate::notes::pdf;
use crate::sheet::Note;

pub(super) fn open(unpacking: &mut Unpacking<'_, '_>) -> Result<(), Stop> {
    let cap = unpacking.caps.whole_bytes;
    let whole = unpacking.container.spool.whole(cap)?;
    let octets = whole.ok_or_else(|| Stop::Noted(Note::new(codes::CAP_WHOLE).with("cap", cap)))?;
    let document = pdf::load(&octets).map_err(Stop::Noted)?;
    drop(octets);
    for (name, id) in embedded(&document) {
        let Ok(stream) = document.get_object(id).and_then(Object::as_stream) else { continue };
        let size = stream.dict.get(b"Params").and_then(Object::as_dict).and_then(|d| d.get(b"Size"));
        let size = size.and_then(Object::as_i64).ok().and_then(|n| u64::try_from(n).ok());
        let packed = stream.content.len() as u64;
        let found = Found { path: name.as_bytes(), size, packed: Some(packed), ..Found::default() };
        match filters(stream) {
            Filters::None => unpacking.member(found, &mut stream.content.as_slice())?,
            Filters::Flate => unpacking.member(found, &mut ZlibDecoder::new(stream.content.as_slice()))?,
            Filters::Other => {
                let cap = usize::try_from(cap).unwrap_or(usize::MAX);
                match guarded(|| stream.decompressed_content_with_limit(cap)) {
                    Some(Ok(content)) => unpacking.member(found, &mut content.as_slice())?,
                    _ => {
                        let refused = Some(Note::new(codes::UNPACK_DAMAGED));
                        unpacking.member(Found { refused, ..found }, &mut std::io::empty().take(0))?
                    }
                }
            }
        };
    }
    Ok(())
}

enum Filters {
    None,
    /// One Flate filter without predictor.
    Flate,
    Other,
}

fn filters(stream: &Stream) -> Filters {
    let plain = stream.dict.get(b"DecodeParms").is_err();
    match stream.filters().unwrap_or_default().as_slice() {
        [] => Filters::None,
        [one] if plain && *one == b"FlateDecode" => Filters::Flate,
        _ => Filters::Other,
    }
}

/// Names and streams of all embedded files, in the order of their objects.
pub(crate) fn embedded(document: &Document) -> Vec<(String, lopdf::ObjectId)> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    pdf::each_dictionary(document, &mut |dictionary| {
        let Some(id) = stream_of(document, dictionary) else { return };
        if seen.insert(id) {
            let name = [&b"UF"[..], b"F"].iter().find_map(|key| dictionary.get(key).ok());
            out.push((name.map(|n| pdf::text(document, n)).unwrap_or_default(), id));
        }
    });
    out
}

/// Table 43, `EF`: the stream of a file specification.
fn stream_of(document: &Document, dictionary: &Dictionary) -> Option<lopdf::ObjectId> {
    let (_, files) = document.dereference(dictionary.get(b"EF").ok()?).ok()?;
    let files = files.as_dict().ok()?;
    [&b"UF"[..], b"F", b"DOS", b"Mac", b"Unix"]
        .iter()
        .find_map(|key| files.get(key).ok()?.as_reference().ok())
}
