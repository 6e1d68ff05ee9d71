// SPDX-License-Identifier: EUPL-1.2
//! What was changed in a PDF after a signature: the signed revision against the file as it is.
//!
//! Guarantees: everything reachable from the catalogue is compared, except exactly what ISO 32000-2 §12.8 and EN 319 142
//! permit later: further signatures and time-stamps (a face on the page only of those that are good), the DSS, filled forms and, by `DocMDP` 3, comments. All else
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

/// A signature of a later revision, judged already.
pub(super) struct Later<'d> {
    pub(super) value: &'d Dictionary,
    /// Passed, and nothing forbidden came after it.
    pub(super) good: bool,
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

pub(super) fn between(
    then: &Document,
    now: &Document,
    permitted: Permitted,
    locked: &Locked,
    later: &[Later<'_>],
) -> Changes {
    let mut changes = Changes::default();
    match (State::of(then), State::of(now)) {
        (Some(then), Some(now)) => {
            let pair = Pair { then, now, proven: RefCell::default(), left: Cell::new(STEPS) };
            compare(&pair, permitted, locked, later, &mut changes);
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

    /// Is it a signature field that is filled?
    fn is_signed(&self, field: &'d Dictionary) -> bool {
        self.field_kind(field) == Some(b"Sig") && self.inherited(field, b"V").is_some()
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

fn compare(
    pair: &Pair<'_>,
    permitted: Permitted,
    locked: &Locked,
    later: &[Later<'_>],
    changes: &mut Changes,
) {
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
    form(pair, permitted, locked, later, changes);
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
            // What leads to other pages by its nature; all else is drawn or shown.
            let leads = matches!(key, b"Parent" | b"Kids" | b"AA" | b"B" | b"PieceInfo");
            if !pair.same(old.get(key).ok(), new.get(key).ok(), !leads) {
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
        // A widget of a new or newly filled signature field is judged with the form.
        let judged = |id: &ObjectId| {
            now.fields.get(id).is_some_and(|field| match then.fields.get(id) {
                None => true,
                Some(before) => then.inherited(before, b"V").is_none() && now.is_signed(field),
            })
        };
        if matches!(added, Object::Reference(id) if judged(id)) {
            continue;
        }
        if comments { &mut changes.permitted } else { &mut changes.forbidden }.insert("annotation-added");
    }
}

fn form(pair: &Pair<'_>, permitted: Permitted, locked: &Locked, later: &[Later<'_>], changes: &mut Changes) {
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
        if !own && !brought && !pair.same(old.get(key).ok(), new.get(key).ok(), is_drawn(key)) {
            changes.forbidden.insert("form-changed");
        }
    }
    for (id, field) in &then.fields {
        let Some(filled_in) = now.fields.get(id) else {
            changes.forbidden.insert("field-removed");
            continue;
        };
        let signature = then.field_kind(field) == Some(b"Sig");
        let was_signed = then.is_signed(field);
        let mut filled = false;
        let mut appearance = false;
        for key in keys(field, filled_in) {
            if pair.same(field.get(key).ok(), filled_in.get(key).ok(), is_drawn(key)) {
                continue;
            }
            match key {
                b"V" if was_signed => {
                    changes.forbidden.insert("signature-replaced");
                }
                b"AP" | b"MK" | b"AS" if was_signed => {
                    changes.forbidden.insert("signature-appearance-changed");
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
            signed(now, filled_in, permitted, later, changes);
        } else if filled || appearance {
            // The appearance of a field may change only together with its value: else it is an overlay.
            let group = filled || parent_filled(then, now, *id);
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
            signed(now, field, permitted, later, changes);
        } else {
            changes.forbidden.insert("field-added");
        }
    }
}

/// A signature field that was added or filled. What it shows on the page counts only from somebody whose signature over
/// it is good; a certified file that permits nothing takes only a good time-stamp that shows nothing.
fn signed(
    now: &State<'_>,
    field: &Dictionary,
    permitted: Permitted,
    later: &[Later<'_>],
    changes: &mut Changes,
) {
    let Some(value) = now.inherited(field, b"V").and_then(|v| v.as_dict().ok()) else {
        changes.forbidden.insert("signature-field-added");
        return;
    };
    let good = later.iter().any(|l| l.good && l.value == value);
    let shown = shows(now.doc, field);
    let stamp = value.get(b"SubFilter").and_then(Object::as_name).ok() == Some(b"ETSI.RFC3161");
    if shown && !good {
        changes.forbidden.insert("signature-shown");
    }
    let code = if stamp { "time-stamp-added" } else { "signature-added" };
    let free = permitted > Permitted::Nothing || stamp && good && !shown;
    if free { &mut changes.permitted } else { &mut changes.forbidden }.insert(code);
}

/// Does a widget show anything? Not when its place is empty, and its appearance, if it has one, is.
fn shows(doc: &Document, field: &Dictionary) -> bool {
    let number = |o: &Object| doc.dereference(o).ok().and_then(|(_, o)| o.as_float().ok());
    let place = match field.get(b"Rect") {
        Err(_) => false,
        Ok(_) => match value(doc, field, b"Rect").and_then(|r| r.as_array().ok()).map(Vec::as_slice) {
            Some([x, y, right, top]) => match [x, y, right, top].map(number) {
                [Some(x), Some(y), Some(right), Some(top)] => x != right || y != top,
                _ => true,
            },
            _ => true,
        },
    };
    let empty = |o: &Object| {
        doc.dereference(o).is_ok_and(|(_, o)| o.as_stream().is_ok_and(|stream| stream.content.is_empty()))
    };
    let face = field.has(b"AP")
        && value(doc, field, b"AP")
            .and_then(|a| a.as_dict().ok())
            .is_none_or(|faces| !faces.iter().all(|(_, face)| empty(face)));
    let widget = !field.has(b"Subtype")
        || value(doc, field, b"Subtype").and_then(|s| s.as_name().ok()) == Some(b"Widget");
    place || face || !widget
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
    proven: RefCell<HashSet<(ObjectId, ObjectId, bool)>>,
    left: Cell<usize>,
}

impl Pair<'_> {
    /// Are two values the same, all they refer to included? Pages and fields of both states are compared by number
    /// only: each is walked by its own rule.
    fn equal(&self, a: Option<&Object>, b: Option<&Object>) -> bool {
        self.same(a, b, false)
    }

    /// As [`Self::equal`]. What is `drawn` is followed to its end: an object that is a field as well may change as a
    /// field, but not as content. Whatever lies below appearances and resources is drawn.
    fn same(&self, a: Option<&Object>, b: Option<&Object>, drawn: bool) -> bool {
        let (Some(a), Some(b)) = (a, b) else { return a.is_none() && b.is_none() };
        let mut seen: HashSet<(ObjectId, ObjectId, bool)> = HashSet::new();
        let mut todo: Vec<(&Object, &Object, bool)> = vec![(a, b, drawn)];
        while let Some((a, b, drawn)) = todo.pop() {
            match self.left.get().checked_sub(1) {
                Some(left) => self.left.set(left),
                None => return false,
            }
            match (a, b) {
                (Object::Reference(x), Object::Reference(y)) => {
                    let pair = (*x, *y, drawn);
                    if !drawn && self.then.is_known(*x) && self.now.is_known(*y) {
                        if x != y {
                            return false;
                        }
                    } else if !self.proven.borrow().contains(&pair) && seen.insert(pair) {
                        match (self.then.doc.objects.get(x), self.now.doc.objects.get(y)) {
                            (Some(x), Some(y)) => todo.push((x, y, drawn)),
                            (None, None) => {}
                            _ => return false,
                        }
                    }
                }
                (Object::Array(x), Object::Array(y)) if x.len() == y.len() => {
                    todo.extend(x.iter().zip(y).map(|(x, y)| (x, y, drawn)));
                }
                (Object::Dictionary(x), Object::Dictionary(y)) => {
                    if !same_entries(x, y, drawn, &mut todo) {
                        return false;
                    }
                }
                (Object::Stream(x), Object::Stream(y)) => {
                    if x.content != y.content || !same_entries(&x.dict, &y.dict, drawn, &mut todo) {
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

/// Keys below which everything is drawn.
fn is_drawn(key: &[u8]) -> bool {
    matches!(key, b"AP" | b"MK" | b"DR" | b"Contents" | b"Resources")
}

fn same_entries<'x>(
    a: &'x Dictionary,
    b: &'x Dictionary,
    drawn: bool,
    todo: &mut Vec<(&'x Object, &'x Object, bool)>,
) -> bool {
    if a.len() != b.len() {
        return false;
    }
    for (key, value) in a.iter() {
        match b.get(key) {
            Ok(other) => todo.push((value, other, drawn || is_drawn(key))),
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
