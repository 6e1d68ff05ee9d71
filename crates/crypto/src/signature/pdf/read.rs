// SPDX-License-Identifier: EUPL-1.2
//! Finding the objects of a PDF that have to do with signatures: fields, DSS, permissions.
//!
//! Guarantees: reading is capped and a panic of the parser is a verdict. Does not: trust what a field says of itself.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId};

use super::changes::{Locked, Permitted, value};
use super::{BYTES, Material};
use crate::certificate::Certificate;
use crate::signature::gather::{constraint, malformed};
use crate::signature::{SubIndication, Verdict};

/// Octets that all streams the parser must open may have together.
const UNPACKED: usize = 256 * 1024 * 1024;
const DEEPEST: usize = 60;

/// Reads a file or a revision of it.
pub(super) fn load(file: &[u8]) -> Result<Document, Verdict> {
    if file.len() > BYTES {
        return Err(Verdict::indeterminate(SubIndication::FormatFailure, "cap crossed: size of the file"));
    }
    if !file.get(..1024.min(file.len())).unwrap_or(&[]).windows(5).any(|w| w == b"%PDF-") {
        return Err(malformed("not a PDF"));
    }
    let streams = packed_streams(file);
    let options = LoadOptions::with_max_decompressed_size((UNPACKED / (streams + 1)).max(64 * 1024));
    let loaded = catch_unwind(AssertUnwindSafe(|| Document::load_mem_with_options(file, options)));
    match loaded {
        Ok(Ok(document)) if document.trailer.has(b"Encrypt") => Err(constraint("the file is encrypted")),
        Ok(Ok(document)) => Ok(document),
        Ok(Err(error)) => Err(malformed(error.to_string().chars().take(200).collect::<String>())),
        Err(_) => Err(malformed("the parser gave up")),
    }
}

/// Streams the parser opens while it reads: those of objects and of cross-references. Names may hide behind `#xx`, so
/// every such name counts too.
fn packed_streams(file: &[u8]) -> usize {
    let name = |window: &&[u8]| {
        window.starts_with(b"/ObjStm")
            || window.starts_with(b"/XRef")
            || (window[0] == b'/' && window.contains(&b'#'))
    };
    file.windows(8).filter(name).count()
}

/// A signature field that is filled.
pub(super) struct Field {
    pub(super) field: Dictionary,
    pub(super) value: Dictionary,
}

impl Field {
    /// Is it the same signature in another state of the document?
    pub(super) fn same_value(&self, other: &Self) -> bool {
        let same = |key: &[u8]| match (self.value.get(key), other.value.get(key)) {
            (Ok(Object::String(a, _)), Ok(Object::String(b, _))) => a == b,
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        };
        same(b"Contents") && same(b"ByteRange") && same(b"SubFilter")
    }
}

/// All filled signature fields; also values of signatures that belong to no field, which some readers show as well.
pub(super) fn fields(doc: &Document) -> Vec<Field> {
    let mut found = Vec::new();
    let mut values: HashSet<ObjectId> = HashSet::new();
    let form = doc.catalog().ok().and_then(|c| value(doc, c, b"AcroForm")).and_then(|f| f.as_dict().ok());
    let roots = form.and_then(|f| value(doc, f, b"Fields")).and_then(|f| f.as_array().ok());
    let mut todo: Vec<(&Object, bool, usize)> =
        roots.into_iter().flatten().rev().map(|o| (o, false, 0)).collect();
    let mut seen: HashSet<ObjectId> = HashSet::new();
    while let Some((object, inherited, depth)) = todo.pop() {
        if let Object::Reference(id) = object
            && !seen.insert(*id)
        {
            continue;
        }
        let Some(field) = doc.dereference(object).ok().and_then(|(_, o)| o.as_dict().ok()) else { continue };
        let kind = value(doc, field, b"FT").and_then(|k| k.as_name().ok());
        let signature = kind.map_or(inherited, |k| k == b"Sig");
        if depth < DEEPEST
            && let Some(kids) = value(doc, field, b"Kids").and_then(|k| k.as_array().ok())
        {
            todo.extend(kids.iter().rev().map(|kid| (kid, signature, depth + 1)));
        }
        if signature && let Some(filled) = value(doc, field, b"V").and_then(|v| v.as_dict().ok()) {
            values.extend(field.get(b"V").and_then(Object::as_reference));
            found.push(Field { field: field.clone(), value: filled.clone() });
        }
    }
    for (id, object) in &doc.objects {
        if let Object::Dictionary(dictionary) = object
            && dictionary.has(b"ByteRange")
            && !values.contains(id)
            && found.len() < 1000
        {
            found.push(Field { field: Dictionary::new(), value: dictionary.clone() });
        }
    }
    found
}

/// Certificates and revocation facts of the document security store (EN 319 142-1 §5.4.2), and whether there are any of
/// the latter.
pub(super) fn dss(doc: &Document) -> (Material, bool) {
    let mut material = Material::default();
    let Some(dss) = doc.catalog().ok().and_then(|c| value(doc, c, b"DSS")).and_then(|d| d.as_dict().ok())
    else {
        return (material, false);
    };
    let streams = |key: &[u8]| -> Vec<Vec<u8>> {
        let list = value(doc, dss, key).and_then(|l| l.as_array().ok());
        let streams = list.into_iter().flatten().take(200).filter_map(|o| doc.dereference(o).ok());
        streams
            .filter_map(|(_, o)| o.as_stream().ok()?.get_plain_content_with_limit(1024 * 1024).ok())
            .collect()
    };
    material.certificates =
        streams(b"Certs").iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    material.crls = streams(b"CRLs");
    material.ocsps = streams(b"OCSPs");
    let any = !material.crls.is_empty() || !material.ocsps.is_empty();
    (material, any)
}

/// What the certifying signature of a revision permits later (`DocMDP`); without one forms and signatures.
pub(super) fn permitted(doc: &Document, fields: &[Field]) -> Permitted {
    let mut least = Permitted::Forms;
    let mut certified = false;
    for parameters in fields.iter().flat_map(|f| transforms(doc, &f.value, b"DocMDP")) {
        let level = match value(doc, parameters, b"P").and_then(|p| p.as_i64().ok()) {
            Some(1) => Permitted::Nothing,
            Some(3) => Permitted::Comments,
            _ => Permitted::Forms,
        };
        least = if certified { least.min(level) } else { level };
        certified = true;
    }
    least
}

/// Which fields a signature locks: `FieldMDP` of its value.
pub(super) fn locked(doc: &Document, of: &Field) -> Locked {
    let transformed = transforms(doc, &of.value, b"FieldMDP");
    let lock = value(doc, &of.field, b"Lock").and_then(|l| l.as_dict().ok());
    let Some(parameters) = transformed.first().copied().or(lock) else { return Locked::None };
    let names = || {
        let list = value(doc, parameters, b"Fields").and_then(|f| f.as_array().ok());
        list.into_iter().flatten().filter_map(|n| n.as_str().ok().map(<[u8]>::to_vec)).collect()
    };
    match value(doc, parameters, b"Action").and_then(|a| a.as_name().ok()) {
        Some(b"Include") => Locked::These(names()),
        Some(b"Exclude") => Locked::AllBut(names()),
        _ => Locked::All,
    }
}

/// Parameters of the transforms of one kind in a signature's `Reference`.
fn transforms<'d>(doc: &'d Document, signature: &'d Dictionary, method: &[u8]) -> Vec<&'d Dictionary> {
    let list = value(doc, signature, b"Reference").and_then(|r| r.as_array().ok());
    let references = list.into_iter().flatten().filter_map(|r| doc.dereference(r).ok()?.1.as_dict().ok());
    references
        .filter(|r| value(doc, r, b"TransformMethod").and_then(|m| m.as_name().ok()) == Some(method))
        .filter_map(|r| value(doc, r, b"TransformParams")?.as_dict().ok())
        .collect()
}

/// Where the last cross-reference of a file begins.
pub(super) fn last_xref(file: &[u8]) -> Option<usize> {
    let tail = file.get(file.len().saturating_sub(2048)..)?;
    let mark = b"startxref";
    let at = tail.windows(mark.len()).rposition(|w| w == mark)? + mark.len();
    let text = std::str::from_utf8(tail.get(at..)?.trim_ascii_start().split(|b| !b.is_ascii_digit()).next()?)
        .ok()?;
    text.parse().ok()
}
