// SPDX-License-Identifier: EUPL-1.2
//! What was changed in a PDF after a signature: the signed revision against the file as it is.
//!
//! Guarantees: everything reachable from the catalogue is compared, except exactly what ISO 32000-2 §12.8 and EN 319 142
//! permit later: further signatures and time-stamps, the DSS, filled forms and, by `DocMDP` 3, comments. All else
//! (replaced pages, hidden objects, overlays, a changed catalogue) is named, so incremental-save and shadow attacks show.
//! Does not: paint pages; whether two contents look alike is not asked, only whether they are the same.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};

use lopdf::{Dictionary, Document, Object, ObjectId};

/// What may change after a certifying signature (`DocMDP` P).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Permitted {
    /// Nothing but DSS and document time-stamps.
    Nothing,
    /// Forms and signatures.
    Forms,
    /// And comments.
    Comments,
}

/// Codes of what changed: against the rules, and within them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) forbidden: BTreeSet<&'static str>,
    pub(super) permitted: BTreeSet<&'static str>,
}

/// Names of fields that a signature locks (`FieldMDP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Locked {
    None,
    All,
    These(Vec<Vec<u8>>),
    AllBut(Vec<Vec<u8>>),
}

/// One state of the document.
struct State<'d> {
    doc: &'d Document,
    pages: Vec<ObjectId>,
    nodes: HashSet<ObjectId>,
    fields: BTreeMap<ObjectId, &'d Dictionary>,
}

const DEEPEST: usize = 60;
const MOST: usize = 200_000;
/// Values compared for one signature.
const STEPS: usize = 5_000_000;

pub(super) fn between(then: &Document, now: &Document, permitted: Permitted, locked: &Locked) -> Changes {
    let mut changes = Changes::default();
    match (State::of(then), State::of(now)) {
        (Some(then), Some(now)) => {
            let pair = Pair { then, now, proven: RefCell::default(), left: Cell::new(STEPS) };
            compare(&pair, permitted, locked, &mut changes);
        }
        _ => {
            changes.forbidden.insert("structure-unreadable");
        }
    }
    changes
}

impl<'d> State<'d> {
    fn of(doc: &'d Document) -> Option<Self> {
        let mut state = State { doc, pages: Vec::new(), nodes: HashSet::new(), fields: BTreeMap::new() };
        let catalog = doc.catalog().ok()?;
        let mut tree = vec![(reference(catalog, b"Pages")?, 0)];
        while let Some((id, depth)) = tree.pop() {
            if depth > DEEPEST || !state.nodes.insert(id) || state.nodes.len() > MOST {
                return None;
            }
            let node = doc.get_object(id).and_then(Object::as_dict).ok()?;
            match value(doc, node, b"Kids").map(|kids| kids.as_array()) {
                Some(Ok(kids)) if !node.has_type(b"Page") => {
                    let kids: Option<Vec<ObjectId>> = kids.iter().map(|k| k.as_reference().ok()).collect();
                    tree.extend(kids?.into_iter().rev().map(|kid| (kid, depth + 1)));
                }
                _ => state.pages.push(id),
            }
        }
        let form = value(doc, catalog, b"AcroForm").and_then(|f| f.as_dict().ok());
        let roots = form.and_then(|f| value(doc, f, b"Fields")).and_then(|f| f.as_array().ok());
        let mut tree: Vec<_> = references(roots?.iter()).map(|id| (id, 0)).collect();
        while let Some((id, depth)) = tree.pop() {
            if depth > DEEPEST || state.fields.len() > MOST {
                return None;
            }
            let Ok(field) = doc.get_object(id).and_then(Object::as_dict) else { continue };
            if state.fields.insert(id, field).is_some() {
                continue;
            }
            if let Some(kids) = value(doc, field, b"Kids").and_then(|k| k.as_array().ok()) {
                tree.extend(references(kids.iter()).map(|kid| (kid, depth + 1)));
            }
        }
        Some(state)
    }

    /// Walked by rules of their own: here only their number must be the same.
    fn is_known(&self, id: ObjectId) -> bool {
        self.nodes.contains(&id)
            || self.fields.contains_key(&id)
            || self.doc.trailer.get(b"Root").and_then(Object::as_reference).ok() == Some(id)
    }

    fn field_kind(&self, field: &'d Dictionary) -> Option<&'d [u8]> {
        self.inherited(field, b"FT").and_then(|o| o.as_name().ok())
    }

    fn inherited(&self, field: &'d Dictionary, key: &[u8]) -> Option<&'d Object> {
        let mut at = field;
        for _ in 0..DEEPEST {
            if let Some(found) = value(self.doc, at, key) {
                return Some(found);
            }
            at = *self.fields.get(&reference(at, b"Parent")?)?;
        }
        None
    }

    fn full_name(&self, field: &'d Dictionary) -> Vec<u8> {
        let mut parts = Vec::new();
        let mut at = Some(field);
        for _ in 0..DEEPEST {
            let Some(field) = at else { break };
            if let Some(part) = value(self.doc, field, b"T").and_then(|t| t.as_str().ok()) {
                parts.push(part.to_vec());
            }
            at = reference(field, b"Parent").and_then(|p| self.fields.get(&p).copied());
        }
        parts.reverse();
        parts.join(&b'.')
    }
}

fn compare(pair: &Pair<'_>, permitted: Permitted, locked: &Locked, changes: &mut Changes) {
    let (then, now) = (&pair.then, &pair.now);
    let root = |s: &State<'_>| s.doc.trailer.get(b"Root").and_then(Object::as_reference).ok();
    if root(then) != root(now) {
        changes.forbidden.insert("catalogue-replaced");
    }
    if then.doc.trailer.get(b"Encrypt").ok() != now.doc.trailer.get(b"Encrypt").ok() {
        changes.forbidden.insert("encryption-changed");
    }
    let (Ok(old), Ok(new)) = (then.doc.catalog(), now.doc.catalog()) else {
        changes.forbidden.insert("structure-unreadable");
        return;
    };
    for key in keys(old, new) {
        match key {
            b"AcroForm" | b"Pages" => {}
            b"DSS" => {
                if !pair.equal(old.get(key).ok(), new.get(key).ok()) {
                    changes.permitted.insert("dss-added");
                }
            }
            b"Extensions" | b"Version" => {}
            b"Metadata" => {
                if !pair.equal(old.get(key).ok(), new.get(key).ok()) {
                    changes.permitted.insert("metadata-changed");
                }
            }
            _ => {
                if !pair.equal(old.get(key).ok(), new.get(key).ok()) {
                    changes.forbidden.insert("catalogue-changed");
                }
            }
        }
    }
    pages(pair, permitted, changes);
    form(pair, permitted, locked, changes);
}

fn pages(pair: &Pair<'_>, permitted: Permitted, changes: &mut Changes) {
    let (then, now) = (&pair.then, &pair.now);
    if then.pages != now.pages || then.nodes != now.nodes {
        changes.forbidden.insert("pages-changed");
        return;
    }
    for id in &then.nodes {
        let (Ok(old), Ok(new)) = (dictionary(then.doc, *id), dictionary(now.doc, *id)) else {
            changes.forbidden.insert("pages-changed");
            continue;
        };
        for key in keys(old, new) {
            if key == b"Annots" {
                continue;
            }
            if !pair.equal(old.get(key).ok(), new.get(key).ok()) {
                changes.forbidden.insert("page-content-changed");
            }
        }
        annotations(pair, old, new, permitted, changes);
    }
}

fn annotations(
    pair: &Pair<'_>,
    old: &Dictionary,
    new: &Dictionary,
    permitted: Permitted,
    changes: &mut Changes,
) {
    let (then, now) = (&pair.then, &pair.now);
    let list = |s: &State<'_>, page: &Dictionary| {
        value(s.doc, page, b"Annots").and_then(|a| a.as_array().ok()).cloned().unwrap_or_default()
    };
    let (before, after) = (list(then, old), list(now, new));
    let comments = permitted >= Permitted::Comments;
    let mut rest: Vec<&Object> = after.iter().collect();
    for annotation in &before {
        let place = rest.iter().position(|o| match (annotation, o) {
            (Object::Reference(a), Object::Reference(b)) => a == b,
            _ => pair.equal(Some(annotation), Some(o)),
        });
        let kept = match place {
            None => false,
            Some(place) => {
                let other = rest.remove(place);
                pair.equal(Some(annotation), Some(other))
            }
        };
        if !kept {
            if comments { &mut changes.permitted } else { &mut changes.forbidden }
                .insert("annotation-changed");
        }
    }
    for added in rest {
        // A widget of a new signature field is judged with the form.
        if matches!(added, Object::Reference(id) if now.fields.contains_key(id)) {
            continue;
        }
        if comments { &mut changes.permitted } else { &mut changes.forbidden }.insert("annotation-added");
    }
}

fn form(pair: &Pair<'_>, permitted: Permitted, locked: &Locked, changes: &mut Changes) {
    fn form<'d>(s: &State<'d>) -> Option<&'d Dictionary> {
        s.doc.catalog().ok().and_then(|c| value(s.doc, c, b"AcroForm")).and_then(|f| f.as_dict().ok())
    }
    let (then, now) = (&pair.then, &pair.now);
    let empty = Dictionary::new();
    let (old, new) = (form(then).unwrap_or(&empty), form(now).unwrap_or(&empty));
    for key in keys(old, new) {
        // A first signature field may bring the form with it; its fonts and defaults show only in fields judged below.
        let brought = old.is_empty() && matches!(key, b"DR" | b"DA");
        let own = matches!(key, b"Fields" | b"SigFlags");
        if !own && !brought && !pair.equal(old.get(key).ok(), new.get(key).ok()) {
            changes.forbidden.insert("form-changed");
        }
    }
    for (id, field) in &then.fields {
        let Some(later) = now.fields.get(id) else {
            changes.forbidden.insert("field-removed");
            continue;
        };
        let signature = then.field_kind(field) == Some(b"Sig");
        let mut filled = false;
        let mut appearance = false;
        for key in keys(field, later) {
            if pair.equal(field.get(key).ok(), later.get(key).ok()) {
                continue;
            }
            match key {
                b"V" if signature && field.has(b"V") => {
                    changes.forbidden.insert("signature-replaced");
                }
                b"V" | b"AS" => filled = true,
                b"AP" | b"MK" => appearance = true,
                b"Kids" if !field.has(b"V") => {}
                _ => {
                    changes.forbidden.insert("field-changed");
                }
            }
        }
        if signature && (filled || appearance) {
            signed(now, later, permitted, changes);
        } else if filled || appearance {
            // The appearance of a field may change only together with its value: else it is an overlay.
            let group = then.field_kind(field) == Some(b"Btn") || filled || parent_filled(then, now, *id);
            let name = then.full_name(field);
            let free = match locked {
                Locked::None => true,
                Locked::All => false,
                Locked::These(names) => !names.contains(&name),
                Locked::AllBut(names) => names.contains(&name),
            };
            if permitted >= Permitted::Forms && free && group {
                changes.permitted.insert("form-filled");
            } else {
                changes.forbidden.insert(if group { "form-filled" } else { "field-appearance-changed" });
            }
        }
    }
    for (id, field) in &now.fields {
        if then.fields.contains_key(id) {
            continue;
        }
        if now.field_kind(field) == Some(b"Sig") {
            signed(now, field, permitted, changes);
        } else {
            changes.forbidden.insert("field-added");
        }
    }
}

/// A signature field that was added or filled.
fn signed(now: &State<'_>, field: &Dictionary, permitted: Permitted, changes: &mut Changes) {
    let value = value(now.doc, field, b"V").and_then(|v| v.as_dict().ok());
    let stamp =
        value.is_some_and(|v| v.get(b"SubFilter").and_then(Object::as_name).ok() == Some(b"ETSI.RFC3161"));
    match (stamp, permitted) {
        (true, _) => changes.permitted.insert("time-stamp-added"),
        (false, Permitted::Nothing) => changes.forbidden.insert("signature-added"),
        (false, _) => changes.permitted.insert("signature-added"),
    };
}

fn parent_filled(then: &State<'_>, now: &State<'_>, id: ObjectId) -> bool {
    let parent = then.fields.get(&id).and_then(|f| reference(f, b"Parent"));
    let of = |s: &State<'_>| parent.and_then(|p| s.fields.get(&p).and_then(|f| f.get(b"V").ok().cloned()));
    parent.is_some() && of(then) != of(now)
}

/// Both states, and what of them was already found equal.
struct Pair<'d> {
    then: State<'d>,
    now: State<'d>,
    proven: RefCell<HashSet<(ObjectId, ObjectId)>>,
    left: Cell<usize>,
}

impl Pair<'_> {
    /// Are two values the same, all they refer to included? Pages and fields of both states are compared by number
    /// only: each is walked by its own rule.
    fn equal(&self, a: Option<&Object>, b: Option<&Object>) -> bool {
        let (Some(a), Some(b)) = (a, b) else { return a.is_none() && b.is_none() };
        let mut seen: HashSet<(ObjectId, ObjectId)> = HashSet::new();
        let mut todo: Vec<(&Object, &Object)> = vec![(a, b)];
        while let Some((a, b)) = todo.pop() {
            match self.left.get().checked_sub(1) {
                Some(left) => self.left.set(left),
                None => return false,
            }
            match (a, b) {
                (Object::Reference(x), Object::Reference(y)) => {
                    if self.then.is_known(*x) && self.now.is_known(*y) {
                        if x != y {
                            return false;
                        }
                    } else if !self.proven.borrow().contains(&(*x, *y)) && seen.insert((*x, *y)) {
                        match (self.then.doc.objects.get(x), self.now.doc.objects.get(y)) {
                            (Some(x), Some(y)) => todo.push((x, y)),
                            (None, None) => {}
                            _ => return false,
                        }
                    }
                }
                (Object::Array(x), Object::Array(y)) if x.len() == y.len() => todo.extend(x.iter().zip(y)),
                (Object::Dictionary(x), Object::Dictionary(y)) => {
                    if !same_entries(x, y, &mut todo) {
                        return false;
                    }
                }
                (Object::Stream(x), Object::Stream(y)) => {
                    if x.content != y.content || !same_entries(&x.dict, &y.dict, &mut todo) {
                        return false;
                    }
                }
                (Object::String(x, _), Object::String(y, _)) if x == y => {}
                (Object::Array(_) | Object::Dictionary(_) | Object::Stream(_), _) => return false,
                _ if a == b => {}
                _ => return false,
            }
        }
        self.proven.borrow_mut().extend(seen);
        true
    }
}

fn same_entries<'x>(a: &'x Dictionary, b: &'x Dictionary, todo: &mut Vec<(&'x Object, &'x Object)>) -> bool {
    if a.len() != b.len() {
        return false;
    }
    for (key, value) in a.iter() {
        match b.get(key) {
            Ok(other) => todo.push((value, other)),
            Err(_) => return false,
        }
    }
    true
}

fn keys<'d>(a: &'d Dictionary, b: &'d Dictionary) -> BTreeSet<&'d [u8]> {
    a.iter().chain(b.iter()).map(|(key, _)| key.as_slice()).collect()
}

pub(super) fn dictionary(doc: &Document, id: ObjectId) -> lopdf::Result<&Dictionary> {
    doc.get_object(id).and_then(Object::as_dict)
}

/// An entry, references followed.
pub(super) fn value<'d>(doc: &'d Document, of: &'d Dictionary, key: &[u8]) -> Option<&'d Object> {
    doc.dereference(of.get(key).ok()?).ok().map(|(_, object)| object)
}

fn reference(of: &Dictionary, key: &[u8]) -> Option<ObjectId> {
    of.get(key).and_then(Object::as_reference).ok()
}

fn references<'d>(objects: impl Iterator<Item = &'d Object>) -> impl Iterator<Item = ObjectId> {
    objects.filter_map(|o| o.as_reference().ok())
}
