// SPDX-License-Identifier: EUPL-1.2
//! One `ds:Signature` as it stands in a document: read strictly after the schema of XML Signature 1.1 §4.
//!
//! Guarantees: exactly the children the schema allows, in its order and number, so that nothing can hide among them
//! (two of the eight wrapping shapes end here). Does not: follow references or trust anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::xml::{C14nMode, DSIG, Document, NodeId};

/// Most references of one signature.
const REFERENCES: usize = 500;
/// Most transforms of one reference.
const TRANSFORMS: usize = 10;
/// Most certificates in `KeyInfo` or the unsigned properties.
pub(super) const CERTIFICATES: usize = 50;

pub(super) const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";
pub(super) const FILTER2: &str = "http://www.w3.org/2002/06/xmldsig-filter2";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const BASE64: &str = "http://www.w3.org/2000/09/xmldsig#base64";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// A canonicalisation with its parameters.
#[derive(Debug, Clone)]
pub(super) struct Canonical {
    pub(super) mode: C14nMode,
    pub(super) prefixes: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Transform {
    /// This signature is taken out.
    Enveloped,
    /// All signatures are taken out: the two customary `XPath` expressions, recognised by their text.
    WithoutSignatures,
    Canonical(Canonical),
    Base64,
    /// Not done here.
    Refused(String),
}

#[derive(Debug)]
pub(super) struct Reference {
    /// `None` = the attribute is missing.
    pub(super) uri: Option<String>,
    pub(super) kind: String,
    pub(super) transforms: Vec<Transform>,
    pub(super) method: String,
    pub(super) expected: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Form {
    pub(super) node: NodeId,
    pub(super) signed_info: NodeId,
    pub(super) canonical: Canonical,
    pub(super) method: NodeId,
    pub(super) references: Vec<Reference>,
    pub(super) value_node: NodeId,
    pub(super) value: Vec<u8>,
    pub(super) key_info: Option<NodeId>,
    pub(super) objects: Vec<NodeId>,
    /// DER, as they stand in `KeyInfo`.
    pub(super) certificates: Vec<Vec<u8>>,
}

/// Reads a signature; the text says what is wrong with it.
pub(super) fn read(doc: &Document<'_>, node: NodeId) -> Result<Form, String> {
    let children = doc.elements(node);
    let mut rest = children.iter().copied().peekable();
    let mut next = |name: &str| rest.next_if(|c| doc.is(*c, DSIG, name));
    let signed_info = next("SignedInfo").ok_or("no SignedInfo in its place")?;
    let value_node = next("SignatureValue").ok_or("no SignatureValue in its place")?;
    let key_info = next("KeyInfo");
    let mut objects = Vec::new();
    while let Some(object) = next("Object") {
        objects.push(object);
    }
    if rest.next().is_some() {
        return Err("Signature contains an element that does not belong there".into());
    }

    let children = doc.elements(signed_info);
    let mut rest = children.iter().copied().peekable();
    let mut next = |name: &str| rest.next_if(|c| doc.is(*c, DSIG, name));
    let method = next("CanonicalizationMethod").ok_or("no CanonicalizationMethod in its place")?;
    let canonical = match transform(doc, method) {
        Transform::Canonical(canonical) => canonical,
        _ => return Err("SignedInfo is canonicalised in an unknown way".into()),
    };
    let method = next("SignatureMethod").ok_or("no SignatureMethod in its place")?;
    let mut references = Vec::new();
    while let Some(node) = next("Reference") {
        if references.len() == REFERENCES {
            return Err("too many references".into());
        }
        references.push(reference(doc, node)?);
    }
    if rest.next().is_some() {
        return Err("SignedInfo contains an element that does not belong there".into());
    }
    if references.is_empty() {
        return Err("nothing is referenced".into());
    }

    let certificates = certificates(doc, key_info)?;
    let value = octets(doc, value_node).ok_or("SignatureValue is not base64")?;
    Ok(Form {
        node,
        signed_info,
        canonical,
        method,
        references,
        value_node,
        value,
        key_info,
        objects,
        certificates,
    })
}

/// Certificates in `X509Data`, also where a `RetrievalMethod` leads within the document (OSCI has them in its header).
fn certificates(doc: &Document<'_>, key_info: Option<NodeId>) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    for node in key_info.map_or_else(Vec::new, |k| doc.elements(k)) {
        let place = if doc.is(node, DSIG, "RetrievalMethod") {
            doc.attribute(node, "URI").and_then(|uri| uri.strip_prefix('#')).and_then(|id| doc.by_id(id))
        } else {
            Some(node).filter(|n| doc.is(*n, DSIG, "X509Data"))
        };
        for node in place.map_or_else(Vec::new, |p| doc.all(p, DSIG, "X509Certificate")) {
            if found.len() == CERTIFICATES {
                return Err("too many certificates".into());
            }
            found.push(octets(doc, node).ok_or("a certificate is not base64")?);
        }
    }
    Ok(found)
}

fn reference(doc: &Document<'_>, node: NodeId) -> Result<Reference, String> {
    let children = doc.elements(node);
    let mut rest = children.iter().copied().peekable();
    let mut next = |name: &str| rest.next_if(|c| doc.is(*c, DSIG, name));
    let mut transforms = Vec::new();
    if let Some(list) = next("Transforms") {
        for step in doc.elements(list) {
            if !doc.is(step, DSIG, "Transform") || transforms.len() == TRANSFORMS {
                return Err("Transforms are malformed or too many".into());
            }
            transforms.push(transform(doc, step));
        }
    }
    let method = next("DigestMethod").ok_or("no DigestMethod in its place")?;
    let value = next("DigestValue").ok_or("no DigestValue in its place")?;
    if rest.next().is_some() {
        return Err("Reference contains an element that does not belong there".into());
    }
    Ok(Reference {
        uri: doc.attribute(node, "URI").map(str::to_owned),
        kind: doc.attribute(node, "Type").unwrap_or("").to_owned(),
        transforms,
        method: doc.attribute(method, "Algorithm").unwrap_or("").to_owned(),
        expected: octets(doc, value).ok_or("DigestValue is not base64")?,
    })
}

/// What an element with an `Algorithm` (`Transform`, `CanonicalizationMethod`) asks for.
pub(super) fn transform(doc: &Document<'_>, node: NodeId) -> Transform {
    let algorithm = doc.attribute(node, "Algorithm").unwrap_or("");
    let parameters = doc.elements(node);
    if let Some(mode) = C14nMode::from_uri(algorithm) {
        let mut prefixes = Vec::new();
        for parameter in parameters {
            if !mode.is_exclusive() || !doc.is(parameter, EXCLUSIVE, "InclusiveNamespaces") {
                return Transform::Refused("canonicalisation with unknown parameters".into());
            }
            let list = doc.attribute(parameter, "PrefixList").unwrap_or("");
            let named = |p: &str| if p == "#default" { String::new() } else { p.to_owned() };
            prefixes.extend(list.split_ascii_whitespace().take(200).map(named));
        }
        return Transform::Canonical(Canonical { mode, prefixes });
    }
    match (algorithm, parameters.as_slice()) {
        (ENVELOPED, []) => Transform::Enveloped,
        (BASE64, []) => Transform::Base64,
        (XPATH, [x]) if doc.is(*x, DSIG, "XPath") => {
            idiom(doc, *x, |prefix| format!("not(ancestor-or-self::{prefix}:Signature)"))
        }
        (FILTER2, [x]) if doc.is(*x, FILTER2, "XPath") && doc.attribute(*x, "Filter") == Some("subtract") => {
            idiom(doc, *x, |prefix| format!("/descendant::{prefix}:Signature"))
        }
        _ => Transform::Refused(algorithm.chars().take(100).collect()),
    }
}

/// Is the expression of `node` the given one, for a prefix that means XML Signature there?
fn idiom(doc: &Document<'_>, node: NodeId, expression: impl Fn(&str) -> String) -> Transform {
    let text: String = doc.content(node).split_ascii_whitespace().collect();
    let prefix = text.split("::").nth(1).and_then(|rest| rest.split(':').next()).unwrap_or("");
    if doc.prefix(node, prefix) == Some(DSIG) && text == expression(prefix) {
        Transform::WithoutSignatures
    } else {
        Transform::Refused(format!("XPath expression {}", text.chars().take(100).collect::<String>()))
    }
}

/// Base64 content of an element.
pub(super) fn octets(doc: &Document<'_>, node: NodeId) -> Option<Vec<u8>> {
    if !doc.elements(node).is_empty() {
        return None;
    }
    decode(&doc.content(node))
}

/// Base64 with white space.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}
