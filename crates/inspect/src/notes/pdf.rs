// SPDX-License-Identifier: EUPL-1.2
//! What is to be noticed in a PDF (ISO 32000-2), read whole by `lopdf`.
//!
//! Guarantees: no object or cross-reference stream may expand beyond [`STREAM_BYTES`]; all object streams together not
//! beyond [`STREAMS_BYTES`], as far as they can be told before reading (a file that puts the word `stream` into a string
//! of their dictionary hides them from that sum, not from the cap of each); a panic of the reader is a note. Only the presence of things is told, nothing is executed.
//! Does not: look into encrypted files; validate PDF/A (only what the file claims is told).

use lopdf::{Dictionary, Document, LoadOptions, Object};
use memchr::memmem;

use crate::codes;
use crate::sheet::Note;
use crate::unpack::guarded;

/// Octets of one unpacked object stream.
const STREAM_BYTES: usize = 8 * 1024 * 1024;
/// Octets of all unpacked object streams.
const STREAMS_BYTES: u64 = 64 * 1024 * 1024;

/// Reads a document, or says why not.
pub(crate) fn load(octets: &[u8]) -> Result<Document, Note> {
    if is_encrypted(octets) {
        return Err(Note::new(codes::PDF_ENCRYPTED));
    }
    weigh(octets)?;
    let options = LoadOptions { max_decompressed_size: Some(STREAM_BYTES), ..LoadOptions::default() };
    match guarded(|| Document::load_mem_with_options(octets, options)) {
        Some(Ok(document)) if document.is_encrypted() => Err(Note::new(codes::PDF_ENCRYPTED)),
        Some(Ok(document)) => Ok(document),
        Some(Err(lopdf::Error::Decompress(_))) => Err(Note::new(codes::PDF_BOMB).with("cap", STREAM_BYTES)),
        Some(Err(_)) => Err(Note::new(codes::FORMAT_DAMAGED)),
        None => Err(Note::new(codes::UNPACK_CRASHED)),
    }
}

/// §7.5.5: `/Encrypt` in a trailer, which is never compressed nor encrypted itself.
fn is_encrypted(octets: &[u8]) -> bool {
    memmem::find_iter(octets, b"/Encrypt").any(|at| {
        let after = octets.get(at + 8..).unwrap_or_default();
        let value = after.trim_ascii_start();
        value.starts_with(b"<<") || value.len() < after.len() && value.first().is_some_and(u8::is_ascii_digit)
    })
}

/// Adds up what the object streams would expand to, before anybody keeps it.
fn weigh(octets: &[u8]) -> Result<(), Note> {
    let bomb = || Note::new(codes::PDF_BOMB).with("cap", STREAMS_BYTES);
    let mut total = 0;
    let mut sink = vec![0; 64 * 1024];
    for at in object_streams(octets) {
        let after = octets.get(at..).unwrap_or_default();
        let Some(start) = memmem::find(after, b"stream") else { continue };
        let data = after.get(start + 6..).unwrap_or_default();
        let data = data.strip_prefix(b"\r").unwrap_or(data);
        let data = data.strip_prefix(b"\n").unwrap_or(data);
        let mut inflater = flate2::read::ZlibDecoder::new(data);
        while let Ok(n @ 1..) = std::io::Read::read(&mut inflater, &mut sink) {
            total += n as u64;
            if total > STREAMS_BYTES {
                return Err(bomb());
            }
        }
    }
    Ok(())
}

/// Where a name is `ObjStm`, written plainly or with escapes (§7.3.5).
fn object_streams(octets: &[u8]) -> impl Iterator<Item = usize> {
    let escaped = memchr::memchr_iter(b'#', octets).filter(|at| {
        // At most six characters of three octets each.
        let start = at.saturating_sub(18);
        let Some(slash) = octets.get(start..*at).and_then(|o| memchr::memrchr(b'/', o)) else { return false };
        let mut rest = octets.get(start + slash + 1..).unwrap_or_default();
        b"ObjStm".iter().all(|want| {
            let digits = rest.get(1..3).and_then(|d| std::str::from_utf8(d).ok());
            let code = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
            let (octet, len) = match (rest.first(), code) {
                (Some(b'#'), Some(code)) => (code, 3),
                (Some(octet), _) => (*octet, 1),
                (None, _) => return false,
            };
            rest = rest.get(len..).unwrap_or_default();
            octet == *want
        })
    });
    memmem::find_iter(octets, b"/ObjStm").chain(escaped)
}

/// Calls `each` for every dictionary of the document, those of streams and those inside others too.
pub(crate) fn each_dictionary(document: &Document, each: &mut dyn FnMut(&Dictionary)) {
    // The parser bounds how deep objects lie in each other.
    fn walk(object: &Object, each: &mut dyn FnMut(&Dictionary)) {
        match object {
            Object::Array(items) => items.iter().for_each(|item| walk(item, each)),
            Object::Dictionary(dictionary) => inside(dictionary, each),
            Object::Stream(stream) => inside(&stream.dict, each),
            _ => {}
        }
    }
    fn inside(dictionary: &Dictionary, each: &mut dyn FnMut(&Dictionary)) {
        each(dictionary);
        dictionary.iter().for_each(|(_, value)| walk(value, each));
    }
    document.objects.values().for_each(|object| walk(object, each));
}

/// §7.9.2.2: a text string in UTF-16BE, UTF-8 or (taken as Latin-1) PDFDocEncoding; a name as it is.
pub(crate) fn text(document: &Document, object: &Object) -> String {
    let object = document.dereference(object).map_or(object, |(_, o)| o);
    match object {
        Object::String(octets, _) => match octets.as_slice() {
            [0xfe, 0xff, units @ ..] => {
                let units = units.chunks_exact(2).map(|u| u16::from_be_bytes([u[0], u[1]]));
                char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
            }
            [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
            octets => match std::str::from_utf8(octets) {
                Ok(text) => text.to_owned(),
                Err(_) => octets.iter().copied().map(char::from).collect(),
            },
        },
        Object::Name(name) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    }
}

/// Notes about a PDF read whole.
pub(super) fn look(octets: &[u8], notes: &mut Vec<Note>) {
    let document = match load(octets) {
        Ok(document) => document,
        Err(note) => {
            notes.push(note);
            return;
        }
    };
    let mut seen = Seen::default();
    each_dictionary(&document, &mut |dictionary| seen.look(&document, dictionary));
    let mut say = |when: bool, code: &str| {
        if when {
            notes.push(Note::new(code));
        }
    };
    say(seen.javascript, codes::PDF_JAVASCRIPT);
    say(seen.launch, codes::PDF_LAUNCH);
    say(seen.open_action, codes::PDF_OPEN_ACTION);
    say(seen.xfa, codes::PDF_XFA);
    let count = crate::unpack::embedded_files(&document);
    if count > 0 {
        notes.push(Note::new(codes::PDF_EMBEDDED).with("count", count));
    }
    if seen.uris > 0 {
        notes.push(Note::new(codes::PDF_EXTERNAL).with("count", seen.uris));
    }
    seen.fonts.sort();
    seen.fonts.dedup();
    if !seen.fonts.is_empty() {
        notes.push(Note::new(codes::PDF_FONTS).with("fonts", seen.fonts.join(", ")));
    }
    if let Some(claim) = claim(&document) {
        notes.push(Note::new(codes::PDF_A).with("claim", claim));
    }
}

#[derive(Default)]
struct Seen {
    javascript: bool,
    launch: bool,
    open_action: bool,
    xfa: bool,
    uris: u64,
    fonts: Vec<String>,
}

impl Seen {
    fn look(&mut self, document: &Document, dictionary: &Dictionary) {
        let name =
            |key: &[u8]| dictionary.get_deref(key, document).and_then(Object::as_name).unwrap_or_default();
        // §12.6: actions, by their type; JavaScript also stands without one in the name tree.
        match name(b"S") {
            b"JavaScript" => self.javascript = true,
            b"Launch" => self.launch = true,
            b"URI" => self.uris += 1,
            _ => {}
        }
        self.javascript |= dictionary.has(b"JS") || dictionary.has(b"JavaScript");
        // A destination (an array) only says which page to show; what an action does is told by its kind, but that
        // it runs without a click is told here.
        let action = dictionary.get_deref(b"OpenAction", document).and_then(Object::as_dict);
        self.open_action |= dictionary.has(b"AA")
            || action.is_ok_and(|a| a.get(b"S").and_then(Object::as_name).is_ok_and(|s| s != b"GoTo"));
        self.xfa |= dictionary.has(b"XFA");
        // §9.8: a font descriptor without a font file. Type 3 fonts have none; the 14 standard fonts may lack even the
        // descriptor.
        if name(b"Type") == b"FontDescriptor" {
            let inside = [&b"FontFile"[..], b"FontFile2", b"FontFile3"].iter().any(|key| dictionary.has(key));
            if !inside {
                self.fonts.push(String::from_utf8_lossy(name(b"FontName")).into_owned());
            }
        } else if name(b"Type") == b"Font"
            && matches!(name(b"Subtype"), b"Type1" | b"TrueType")
            && !dictionary.has(b"FontDescriptor")
        {
            self.fonts.push(String::from_utf8_lossy(name(b"BaseFont")).into_owned());
        }
    }
}

/// ISO 19005: `pdfaid:part` and `pdfaid:conformance` in the XMP metadata of the catalogue, as element or attribute.
fn claim(document: &Document) -> Option<String> {
    let metadata = document.catalog().ok()?.get_deref(b"Metadata", document).ok()?.as_stream().ok()?;
    let xmp = metadata.get_plain_content_with_limit(STREAM_BYTES).ok()?;
    let value = |name: &[u8]| {
        let at = memmem::find(&xmp, name)? + name.len();
        let rest = xmp.get(at..)?.trim_ascii_start();
        let rest = rest.strip_prefix(b"=").map(<[u8]>::trim_ascii_start).unwrap_or(rest);
        let rest = rest.strip_prefix(b">").or(rest.strip_prefix(b"\"")).or(rest.strip_prefix(b"'"))?;
        let word: String =
            rest.iter().take(4).take_while(|b| b.is_ascii_alphanumeric()).copied().map(char::from).collect();
        (!word.is_empty()).then_some(word)
    };
    let part = value(b"pdfaid:part")?;
    let conformance = value(b"pdfaid:conformance").unwrap_or_default().to_lowercase();
    Some(format!("PDF/A-{part}{conformance}"))
}
