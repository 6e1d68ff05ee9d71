// SPDX-License-Identifier: EUPL-1.2
//! References of a signature: which nodes or octets each one digests, and whether the digest is right.
//!
//! Guarantees: an address is either in this document or handed in by the caller, never fetched; what a reference covers
//! is decided here and returned with the verdict, so that nobody has to look for it a second time (wrapping).
//! W3C XML Signature 1.1 §4.4.3, §6.6.

use std::borrow::Cow;

use super::External;
use super::form::{Canonical, Form, Reference, Transform, decode};
use crate::signature::algorithm::{Hash, Hasher};
use crate::signature::gather::{constraint, missing};
use crate::signature::{SubIndication, Verdict};
use crate::xml::{self, C14nMode, C14nSink, DSIG, Document, NodeId, Selection};

/// What a reference covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Covered {
    /// The document; `whole` = but for this one signature, otherwise but for all signatures in it.
    Document { whole: bool },
    /// An element.
    Element(NodeId),
    /// Something handed in.
    External(String),
    /// Nobody knows.
    Nothing,
}

/// Digest algorithms by their address (RFC 9231).
pub(super) fn algorithm(uri: &str) -> Option<Hash> {
    Some(match uri {
        "http://www.w3.org/2000/09/xmldsig#sha1" => Hash::Sha1,
        "http://www.w3.org/2001/04/xmldsig-more#sha224" => Hash::Sha224,
        "http://www.w3.org/2001/04/xmlenc#sha256" => Hash::Sha256,
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => Hash::Sha384,
        "http://www.w3.org/2001/04/xmlenc#sha512" => Hash::Sha512,
        "http://www.w3.org/2007/05/xmldsig-more#sha3-256" => Hash::Sha3_256,
        "http://www.w3.org/2007/05/xmldsig-more#sha3-384" => Hash::Sha3_384,
        "http://www.w3.org/2007/05/xmldsig-more#sha3-512" => Hash::Sha3_512,
        _ => return None,
    })
}

impl C14nSink for Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

enum Data<'a> {
    Nodes(Selection),
    Octets(Cow<'a, [u8]>),
}

/// What a reference covers, and why it is not right, if it is not.
pub(super) fn check(
    doc: &Document<'_>,
    form: &Form,
    reference: &Reference,
    detached: &dyn Fn(&str) -> Option<External>,
    caps: &xml::Caps,
) -> (Covered, Option<Verdict>) {
    let (covered, result) = digest(doc, form, reference, detached, caps);
    let verdict = match result {
        Ok(found) if found == reference.expected => None,
        Ok(_) => Some(Verdict::failed(
            SubIndication::HashFailure,
            format!("digest of {} is wrong", shown(reference)),
        )),
        Err(verdict) => Some(verdict),
    };
    (if verdict.is_some() { Covered::Nothing } else { covered }, verdict)
}

fn shown(reference: &Reference) -> String {
    match reference.uri.as_deref() {
        None => "a reference without address".into(),
        Some("") => "the document".into(),
        Some(uri) => uri.chars().take(200).collect(),
    }
}

fn digest(
    doc: &Document<'_>,
    form: &Form,
    reference: &Reference,
    detached: &dyn Fn(&str) -> Option<External>,
    caps: &xml::Caps,
) -> (Covered, Result<Vec<u8>, Verdict>) {
    let nothing = |verdict| (Covered::Nothing, Err(verdict));
    let Some(algorithm) = algorithm(&reference.method) else {
        return nothing(constraint(format!("digest algorithm {:?} is not known", reference.method)));
    };
    let Some(uri) = reference.uri.as_deref() else { return nothing(missing(shown(reference))) };
    let (mut covered, mut data) = match target(doc, uri) {
        Target::Document(comments) => (Covered::Document { whole: true }, Data::Nodes(doc.whole(comments))),
        Target::Element(node, comments) => {
            let covered =
                if node == doc.root() { Covered::Document { whole: true } } else { Covered::Element(node) };
            (covered, Data::Nodes(doc.subtree(node, comments)))
        }
        Target::Missing => return nothing(missing(format!("{} is not in the document", shown(reference)))),
        Target::External => match detached(uri) {
            None => return nothing(missing(format!("{} was not handed in", shown(reference)))),
            Some(External::Octets(octets)) => {
                (Covered::External(uri.to_owned()), Data::Octets(Cow::Owned(octets)))
            }
            Some(External::Digests(digests)) => {
                let found = match (algorithm, reference.transforms.as_slice()) {
                    (Hash::Sha256, []) => Ok(digests.sha256.to_vec()),
                    (Hash::Sha512, []) => Ok(digests.sha512.to_vec()),
                    _ => Err(missing(format!(
                        "{} was handed in as SHA-256 and SHA-512 only",
                        shown(reference)
                    ))),
                };
                return (Covered::External(uri.to_owned()), found);
            }
        },
    };
    // What transforms take away altogether is not covered, whatever its digest.
    let node = if let Covered::Element(node) = covered { node } else { doc.root() };
    let gone = |nodes: &Selection| !doc.holds(nodes, node);
    for transform in &reference.transforms {
        data = match (transform, data) {
            (Transform::Refused(what), _) => {
                return nothing(constraint(format!("transform is not done here: {what}")));
            }
            (Transform::Enveloped, Data::Nodes(mut nodes)) => {
                doc.remove(&mut nodes, form.node);
                if gone(&nodes) {
                    return nothing(constraint(format!("nothing is left of {}", shown(reference))));
                }
                Data::Nodes(nodes)
            }
            (Transform::WithoutSignatures, Data::Nodes(mut nodes)) => {
                for signature in doc.all(doc.root(), DSIG, "Signature") {
                    doc.remove(&mut nodes, signature);
                }
                if gone(&nodes) {
                    return nothing(constraint(format!("nothing is left of {}", shown(reference))));
                }
                if let Covered::Document { whole } = &mut covered {
                    *whole = false;
                }
                Data::Nodes(nodes)
            }
            (Transform::Canonical(method), data) => match canonical(doc, data, method, caps) {
                Ok(octets) => Data::Octets(Cow::Owned(octets)),
                Err(verdict) => return nothing(verdict),
            },
            (Transform::Base64, data) => {
                let text = match data {
                    // Only text is digested: it must be all there is in the element.
                    Data::Nodes(nodes) => match covered {
                        Covered::Element(node) if doc.elements(node).is_empty() => doc.text_of(&nodes),
                        _ => return nothing(constraint("base64 over elements")),
                    },
                    Data::Octets(octets) => String::from_utf8_lossy(&octets).into_owned(),
                };
                match decode(&text) {
                    Some(octets) => Data::Octets(Cow::Owned(octets)),
                    None => return nothing(missing(format!("{} is not base64", shown(reference)))),
                }
            }
            (Transform::Enveloped | Transform::WithoutSignatures, Data::Octets(_)) => {
                return nothing(constraint("a transform for nodes follows one that gives octets"));
            }
        };
    }
    let mut hash = algorithm.hasher();
    match data {
        Data::Octets(octets) => hash.update(&octets),
        Data::Nodes(nodes) => {
            if let Err(refusal) = doc.canonical(&nodes, C14nMode::Inclusive, &[], &mut hash) {
                return nothing(constraint(refusal.to_string()));
            }
        }
    }
    (covered, Ok(hash.finish()))
}

enum Target {
    Document(bool),
    Element(NodeId, bool),
    Missing,
    External,
}

/// §4.4.3.3: bare names and the two `XPointer` forms every implementation knows.
fn target(doc: &Document<'_>, uri: &str) -> Target {
    let Some(fragment) = uri.strip_prefix('#') else {
        return if uri.is_empty() { Target::Document(false) } else { Target::External };
    };
    if fragment == "xpointer(/)" {
        return Target::Document(true);
    }
    let pointer = fragment.strip_prefix("xpointer(id(").and_then(|rest| rest.strip_suffix("))"));
    let named = pointer.map(|id| id.trim_matches(['\'', '"']));
    match doc.by_id(named.unwrap_or(fragment)) {
        Some(node) => Target::Element(node, named.is_some()),
        None => Target::Missing,
    }
}

fn canonical(
    doc: &Document<'_>,
    data: Data<'_>,
    method: &Canonical,
    caps: &xml::Caps,
) -> Result<Vec<u8>, Verdict> {
    let refused = |refusal: xml::Refusal| constraint(refusal.to_string());
    let mut out = Vec::new();
    match data {
        Data::Nodes(nodes) => {
            doc.canonical(&nodes, method.mode, &method.prefixes, &mut out).map_err(refused)?;
        }
        Data::Octets(octets) => {
            let text = xml::text(&octets, caps).map_err(refused)?;
            let other = Document::read(&text, caps).map_err(refused)?;
            other.canonical(&other.whole(true), method.mode, &method.prefixes, &mut out).map_err(refused)?;
        }
    }
    Ok(out)
}
