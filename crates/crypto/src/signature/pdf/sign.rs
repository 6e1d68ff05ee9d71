// SPDX-License-Identifier: EUPL-1.2
//! Making PAdES signatures (ETSI EN 319 142-1): baseline level B, and T with a time-stamp, in an invisible field.
//!
//! Guarantees: an incremental update (ISO 32000-2 §7.5.6): every octet of the file stays where it is, so earlier
//! signatures stay good; the cross-reference is written as the file has it (table or stream). Does not: draw anything,
//! sign encrypted files, or ask whether an earlier signature forbids further ones.

use lopdf::{Dictionary, Document, Object, ObjectId, StringFormat};

use super::changes::value;
use super::read::{last_xref, load};
use crate::asn1::time::generalized;
use crate::cms::{self, Options, ToSign};
use crate::error::{CryptoError, Result};
use crate::identity::Signer;
use crate::signature::UnixTime;
use crate::signature::algorithm::Hash;

/// Octets kept free for the signature without and with a time-stamp.
const ROOM: usize = 16 * 1024;
const ROOM_STAMPED: usize = 32 * 1024;
/// Wide enough for any offset under the cap.
const RANGE: &str = "[0 0000000000 0000000000 0000000000]";

/// What the signature says of itself; empty = nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// Why it was made.
    pub reason: &'a str,
    /// Where.
    pub location: &'a str,
}

/// Adds a signature over the whole file.
///
/// # Errors
/// [`CryptoError::NotSignable`] when the file is no readable PDF or is encrypted; else what the key says.
pub fn sign(file: &[u8], signer: &dyn Signer, about: About<'_>, options: Options<'_>) -> Result<Vec<u8>> {
    let not = |reason: &str| CryptoError::NotSignable { reason: reason.to_owned() };
    let at = options.claimed_at.ok_or_else(|| not("PAdES needs a time"))?;
    let doc = load(file).map_err(|verdict| not(&verdict.detail))?;
    let room = if options.stamp.is_some() { ROOM_STAMPED } else { ROOM };
    let previous = last_xref(file).filter(|at| *at < file.len()).ok_or_else(|| not("no cross-reference"))?;

    let mut out = Update { out: file.to_vec(), places: Vec::new() };
    if !file.ends_with(b"\n") {
        out.out.push(b'\n');
    }
    let (objects, root, size) = objects(&doc).ok_or_else(|| not("the structure is not understood"))?;
    for (id, object) in &objects {
        out.object(*id, object);
    }
    let gap = out.value((size, 0), about, at, room);
    out.finish(&doc, root, previous, size + 2, file.get(previous..).unwrap_or(&[]));
    let mut out = out.out;

    // Range first: its octets are signed too.
    let end = out.len();
    let range = format!("[0 {:010} {:010} {:010}]", gap.start, gap.end, end - gap.end);
    let place = gap.start - RANGE.len() - RANGE_TO_GAP.len();
    put(&mut out, place, range.as_bytes());
    let scheme = options.scheme.map_or_else(|| signer.scheme(), Ok)?;
    let hash = scheme.hash().unwrap_or(Hash::Sha512);
    let mut hasher = hash.hasher();
    for piece in [out.get(..gap.start), out.get(gap.end..)].into_iter().flatten() {
        hasher.update(piece);
    }
    // The time is in the dictionary; PAdES wants none in the CMS (EN 319 142-1 §6.3).
    let digest = hasher.finish();
    let value = cms::sign(ToSign::Digest(hash, &digest), signer, Options { claimed_at: None, ..options })?;
    if value.len() > room {
        return Err(not("the signature needs more room"));
    }
    put(&mut out, gap.start + 1, crate::digest::hex(&value).as_bytes());
    Ok(out)
}

/// Between the range and the value.
const RANGE_TO_GAP: &str = " /Contents ";

fn put(out: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = out.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
}

/// The objects that change (catalogue or form, first page) and the new field; the catalogue's number; the first free
/// number, which the signature's value takes; the field takes the next.
fn objects(doc: &Document) -> Option<(Vec<(ObjectId, Object)>, ObjectId, u32)> {
    let root = doc.trailer.get(b"Root").and_then(Object::as_reference).ok()?;
    let mut catalog = doc.catalog().ok()?.clone();
    let page = *doc.get_pages().get(&1)?;
    let size = doc.objects.keys().map(|id| id.0).max()?.max(doc.max_id) + 1;
    let field_id = (size + 1, 0);

    let mut changed = Vec::new();
    // The form: where it lies, with the field added and marked (SigFlags: signatures exist, append only).
    let (form_id, mut form) = match catalog.get(b"AcroForm") {
        Ok(Object::Reference(id)) => (Some(*id), doc.get_object(*id).and_then(Object::as_dict).ok()?.clone()),
        Ok(Object::Dictionary(form)) => (None, form.clone()),
        Ok(_) => return None,
        Err(_) => (None, Dictionary::new()),
    };
    let mut list = value(doc, &form, b"Fields").and_then(|f| f.as_array().ok()).cloned().unwrap_or_default();
    let names: Vec<_> = list
        .iter()
        .filter_map(|o| doc.dereference(o).ok()?.1.as_dict().ok()?.get(b"T").and_then(Object::as_str).ok())
        .collect();
    let name = (1..).map(|n| format!("Signatur{n}")).find(|name| !names.contains(&name.as_bytes()))?;
    list.push(Object::Reference(field_id));
    form.set("Fields", Object::Array(list));
    form.set("SigFlags", Object::Integer(3));
    match form_id {
        Some(id) => changed.push((id, Object::Dictionary(form))),
        None => {
            catalog.set("AcroForm", Object::Dictionary(form));
            changed.push((root, Object::Dictionary(catalog)));
        }
    }
    let mut first = doc.get_object(page).and_then(Object::as_dict).ok()?.clone();
    let mut annotations =
        value(doc, &first, b"Annots").and_then(|a| a.as_array().ok()).cloned().unwrap_or_default();
    annotations.push(Object::Reference(field_id));
    first.set("Annots", Object::Array(annotations));
    changed.push((page, Object::Dictionary(first)));

    let mut field = Dictionary::new();
    field.set("Type", Object::Name(b"Annot".to_vec()));
    field.set("Subtype", Object::Name(b"Widget".to_vec()));
    field.set("FT", Object::Name(b"Sig".to_vec()));
    field.set("T", Object::String(name.into_bytes(), StringFormat::Hexadecimal));
    field.set("V", Object::Reference((size, 0)));
    field.set("P", Object::Reference(page));
    field.set("Rect", Object::Array(vec![Object::Integer(0); 4]));
    // Print and locked: PDF/A wants annotations printable.
    field.set("F", Object::Integer(132));
    changed.push((field_id, Object::Dictionary(field)));
    Some((changed, root, size))
}

struct Update {
    out: Vec<u8>,
    places: Vec<(ObjectId, usize)>,
}

impl Update {
    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn object(&mut self, id: ObjectId, object: &Object) {
        self.places.push((id, self.out.len()));
        self.text(&format!("{} {} obj\n", id.0, id.1));
        self.write(object, 0);
        self.text("\nendobj\n");
    }

    /// The signature dictionary with room for its value; gives where that lies, brackets included.
    fn value(&mut self, id: ObjectId, about: About<'_>, at: UnixTime, room: usize) -> std::ops::Range<usize> {
        self.places.push((id, self.out.len()));
        let der = generalized(at);
        let date = String::from_utf8_lossy(der.get(2..).unwrap_or(&[])).into_owned();
        self.text(&format!("{} {} obj\n", id.0, id.1));
        self.text(&format!(
            "<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /M (D:{date})"
        ));
        for (key, text) in [("Reason", about.reason), ("Location", about.location)] {
            if !text.is_empty() {
                let utf16: Vec<u8> =
                    [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
                self.text(&format!(" /{key} <{}>", crate::digest::hex(&utf16)));
            }
        }
        self.text(&format!(" /ByteRange {RANGE}{RANGE_TO_GAP}"));
        let start = self.out.len();
        self.text("<");
        self.out.resize(self.out.len() + room * 2, b'0');
        self.text(">");
        let end = self.out.len();
        self.text(" >>\nendobj\n");
        start..end
    }

    fn write(&mut self, object: &Object, depth: usize) {
        // What was read lies within the parser's depth; the bound only makes that visible here.
        if depth > 200 {
            return self.text("null");
        }
        match object {
            Object::Null => self.text("null"),
            Object::Boolean(b) => self.text(&b.to_string()),
            Object::Integer(n) => self.text(&n.to_string()),
            Object::Real(n) => self.text(&format!("{n}")),
            Object::Name(name) => self.name(name),
            Object::String(octets, _) => self.text(&format!("<{}>", crate::digest::hex(octets))),
            Object::Reference((number, generation)) => self.text(&format!("{number} {generation} R")),
            Object::Array(list) => {
                self.text("[");
                for item in list {
                    self.text(" ");
                    self.write(item, depth + 1);
                }
                self.text(" ]");
            }
            Object::Dictionary(dictionary) => {
                self.text("<<");
                for (key, value) in dictionary.iter() {
                    self.text(" ");
                    self.name(key);
                    self.text(" ");
                    self.write(value, depth + 1);
                }
                self.text(" >>");
            }
            // Streams are indirect objects of their own and never written here.
            Object::Stream(_) => self.text("null"),
        }
    }

    fn name(&mut self, name: &[u8]) {
        self.text("/");
        for byte in name {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+' | b':') {
                self.out.push(*byte);
            } else {
                self.text(&format!("#{byte:02X}"));
            }
        }
    }

    /// Cross-reference and trailer, of the kind the file has.
    fn finish(&mut self, doc: &Document, root: ObjectId, previous: usize, size: u32, before: &[u8]) {
        let mut kept = String::new();
        if let Ok(Object::Reference((number, generation))) = doc.trailer.get(b"Info") {
            kept += &format!(" /Info {number} {generation} R");
        }
        if let Ok(Object::Array(id)) = doc.trailer.get(b"ID") {
            let parts: Vec<_> = id
                .iter()
                .filter_map(|o| o.as_str().ok())
                .map(|o| format!("<{}>", crate::digest::hex(o)))
                .collect();
            kept += &format!(" /ID [{}]", parts.join(" "));
        }
        let (number, generation) = root;
        let start = self.out.len();
        let common = format!("/Root {number} {generation} R /Prev {previous}{kept}");
        if before.starts_with(b"xref") {
            self.places.sort_unstable();
            let mut table = "xref\n0 1\n0000000000 65535 f \n".to_owned();
            for ((number, generation), place) in &self.places {
                table += &format!("{number} 1\n{place:010} {generation:05} n \n");
            }
            self.text(&format!("{table}trailer\n<< /Size {size} {common} >>\n"));
        } else {
            let own = (size, 0);
            self.places.push((own, start));
            self.places.sort_unstable();
            let (mut index, mut rows) = (String::new(), Vec::new());
            for ((number, generation), place) in &self.places {
                index += &format!(" {number} 1");
                rows.push(1);
                rows.extend_from_slice(&u32::try_from(*place).unwrap_or(0).to_be_bytes());
                rows.extend_from_slice(&generation.to_be_bytes());
            }
            self.text(&format!(
                "{size} 0 obj\n<< /Type /XRef /Size {} {common} /W [1 4 2] /Index [{index} ] /Length {} >>\nstream\n",
                size + 1,
                rows.len()
            ));
            self.out.extend_from_slice(&rows);
            self.text("\nendstream\nendobj\n");
        }
        self.text(&format!("startxref\n{start}\n%%EOF\n"));
    }
}
