// SPDX-License-Identifier: EUPL-1.2
//! XML signatures: XML-DSig (W3C XML Signature 1.1) and XAdES (ETSI EN 319 132, TS 101 903), levels B and T; LT and LTA
//! are recognised.
//!
//! Guarantees: every signature of the document is reported; which nodes a signature covers is decided here and said in
//! [`Report::scope`], so moved and wrapped content shows as what it is; an Id that occurs twice, an element where the
//! schema has none, a keyed hash, an unknown transform never lead to *passed*; nothing is fetched. Does not: evaluate
//! `XPath` or XSLT (two customary expressions that only take signatures out are recognised), check `ds:Manifest` or
//! archive time-stamps (both are noted).

mod form;
mod method;
mod reference;
mod sign;
mod xades;

pub use sign::{Detached, sign_detached, sign_enveloped};

use form::Form;
use reference::Covered;

use super::algorithm::{Hash, Signed, ecdsa_from_plain, verify_raw};
use super::conclude::{Evidence, conclude, unreadable};
use super::{Format, Judgement, Report, Scope, SubIndication, Verdict};
use crate::certificate::Certificate;
use crate::digest::Digests;
use crate::signature::algorithm::Scheme;
use crate::signature::setting::Setting;
use crate::xml::{self, DSIG, Document, NodeId};

/// Most signatures of one document.
const SIGNATURES: usize = 50;

/// What lies outside the document and is signed by it.
#[derive(Debug, Clone)]
pub enum External {
    /// Its octets.
    Octets(Vec<u8>),
    /// Its digests only: enough for references by SHA-256 or SHA-512 without transforms.
    Digests(Digests),
}

/// Digest by the address XML Signature has for it (RFC 9231).
#[must_use]
pub fn digest_named(uri: &str) -> Option<Hash> {
    reference::algorithm(uri)
}

/// Judges every signature of a document, in document order. `detached` gives what lies outside, by the address the
/// signature has for it; nothing is ever fetched. No signature = no report.
#[must_use]
pub fn verify(document: &[u8], detached: &dyn Fn(&str) -> Option<External>, setting: &Setting<'_>) -> Judgement {
    let caps = xml::Caps::default();
    let refused = |refusal: &xml::Refusal| {
        // Only what claims to be signed is worth a verdict.
        let claims = document.windows(DSIG.len()).any(|window| window == DSIG.as_bytes());
        let verdict = match refusal {
            xml::Refusal::Cap(_) => Verdict::indeterminate(SubIndication::FormatFailure, refusal.to_string()),
            _ => Verdict::failed(SubIndication::FormatFailure, refusal.to_string()),
        };
        let reports = if claims { vec![unreadable(Format::XmlDsig, verdict)] } else { Vec::new() };
        Judgement { reports, wanted: Vec::new() }
    };
    let text = match xml::text(document, &caps) {
        Ok(text) => text,
        Err(refusal) => return refused(&refusal),
    };
    let doc = match Document::read(&text, &caps) {
        Ok(doc) => doc,
        Err(refusal) => return refused(&refusal),
    };
    let mut judgement = Judgement::default();
    let all = doc.all(doc.root(), DSIG, "Signature");
    // A counter signature belongs to the signature it stands in.
    let own = all.iter().filter(|s| !doc.parent(**s).is_some_and(|p| doc.name(p) == "CounterSignature"));
    for node in own.take(SIGNATURES) {
        let (report, wanted) = one(&doc, *node, detached, setting, &caps);
        judgement.reports.push(report);
        judgement.wanted.extend(wanted);
    }
    if all.len() > SIGNATURES {
        let verdict = Verdict::indeterminate(SubIndication::FormatFailure, "too many signatures");
        judgement.reports.push(unreadable(Format::XmlDsig, verdict));
    }
    judgement.wanted.sort();
    judgement.wanted.dedup();
    judgement
}

fn one(
    doc: &Document<'_>,
    node: NodeId,
    detached: &dyn Fn(&str) -> Option<External>,
    setting: &Setting<'_>,
    caps: &xml::Caps,
) -> (Report, Vec<super::Wanted>) {
    let malformed = |what: String| {
        (unreadable(Format::XmlDsig, Verdict::failed(SubIndication::FormatFailure, what)), Vec::new())
    };
    let form = match form::read(doc, node) {
        Ok(form) => form,
        Err(what) => return malformed(what),
    };
    let properties = match xades::read(doc, &form) {
        Ok(properties) => properties,
        Err(what) => return malformed(what),
    };
    let mut evidence = Evidence {
        format: if properties.signed.is_some() { Format::Xades } else { Format::XmlDsig },
        notes: properties.notes.clone(),
        ..Evidence::default()
    };

    let mut covered = Vec::new();
    let mut manifest = false;
    for reference in &form.references {
        let (what, verdict) = reference::check(doc, &form, reference, detached, caps);
        evidence.against(verdict);
        if let Some(hash) = reference::algorithm(&reference.method) {
            evidence.hashes.push(hash);
        }
        manifest |= reference.kind == format!("{DSIG}Manifest");
        covered.push(what);
    }
    if manifest {
        evidence.notes.push("manifest-not-checked".into());
    }
    evidence.scope = scope(doc, &form, properties.signed, &covered, &mut evidence.notes);

    let properties_signed = properties.signed.is_none_or(|p| covered.contains(&Covered::Element(p)));
    if properties_signed {
        evidence.claimed = properties.claimed;
    } else {
        let what = "the signed properties are not what the signature covers";
        evidence.against(Some(Verdict::indeterminate(SubIndication::SigConstraintsFailure, what)));
    }

    let parsed = |list: &[Vec<u8>]| list.iter().filter_map(|der| Certificate::from_der(der).ok()).collect::<Vec<_>>();
    let candidates = parsed(&form.certificates);
    evidence.extra = candidates.clone();
    evidence.extra.extend(parsed(&properties.certificates));
    evidence.crls = properties.crls;
    evidence.ocsps = properties.ocsps;

    // EN 319 102-1 §5.2.3: the signed property decides who signed, KeyInfo alone only where there is none.
    let named = properties.certificate.as_ref().filter(|_| properties_signed);
    let possible: Vec<&Certificate> = match named {
        Some(named) => evidence.extra.iter().filter(|c| xades::names(named, c.der())).collect(),
        None => candidates.iter().collect(),
    };
    if properties.signed.is_some() && properties.certificate.is_none() {
        evidence.notes.push("signing-certificate-not-signed".into());
    }
    match method::read(doc, form.method) {
        Err(what) => {
            evidence.signer = possible.first().map(|c| (*c).clone());
            evidence.against(Some(Verdict::indeterminate(SubIndication::CryptoConstraintsFailureNoPoe, what)));
        }
        Ok(scheme) => {
            evidence.algorithm = Some(scheme);
            let mut octets = Vec::new();
            let info = doc.subtree(form.signed_info, true);
            if let Err(refusal) = doc.canonical(&info, form.canonical.mode, &form.canonical.prefixes, &mut octets) {
                let what = refusal.to_string();
                evidence.against(Some(Verdict::indeterminate(SubIndication::SigConstraintsFailure, what)));
            } else {
                let value = plain_value(scheme, &form.value);
                let fits = |c: &&&Certificate| verify_raw(c.spki(), scheme, Signed::Data(&octets), &value);
                let signer = possible.iter().find(fits).copied();
                evidence.signer = signer.or(possible.first().copied()).cloned();
                if possible.is_empty() {
                    let what = "the signer's certificate is not in the signature";
                    evidence.against(Some(Verdict::indeterminate(SubIndication::NoSigningCertificateFound, what)));
                } else if signer.is_none() {
                    let what = "the signature value does not belong to the signer's key";
                    evidence.against(Some(Verdict::failed(SubIndication::SigCryptoFailure, what)));
                }
            }
        }
    }

    for stamp in &properties.stamps {
        if stamp.kind != "signature" {
            evidence.notes.push("archive-time-stamp-not-checked".into());
            continue;
        }
        let mut octets = Vec::new();
        let value = doc.subtree(form.value_node, true);
        let imprinted = stamp
            .canonical
            .as_ref()
            .is_some_and(|c| doc.canonical(&value, c.mode, &c.prefixes, &mut octets).is_ok());
        if imprinted {
            evidence.stamp("signature", &stamp.token, &octets, setting);
        } else {
            evidence.notes.push("signature-time-stamp-not-checked".into());
        }
    }
    if properties.stamps.iter().any(|s| s.kind == "archive") {
        evidence.archived = true;
    }
    conclude(evidence, setting)
}

/// ECDSA values stand as `r || s` (RFC 9231 §2.3.6).
fn plain_value(scheme: Scheme, value: &[u8]) -> Vec<u8> {
    match scheme {
        Scheme::Ecdsa(_) => ecdsa_from_plain(value),
        _ => value.to_vec(),
    }
}

/// What a signature covers. Covered content that lies where nobody looks for it is noted.
fn scope(
    doc: &Document<'_>,
    form: &Form,
    properties: Option<NodeId>,
    covered: &[Covered],
    notes: &mut Vec<String>,
) -> Scope {
    let element = |node: NodeId| covered.contains(&Covered::Element(node));
    let document = covered.iter().any(|c| matches!(c, Covered::Document { .. }));
    if covered.contains(&Covered::Document { whole: false }) && !covered.contains(&Covered::Document { whole: true }) {
        notes.push("signatures-not-covered".into());
    }
    let content = |object: &&NodeId| {
        doc.elements(**object).iter().all(|n| doc.name(*n) != "QualifyingProperties")
            && !(doc.elements(**object).is_empty() && doc.content(**object).trim().is_empty())
    };
    let objects: Vec<NodeId> = form.objects.iter().filter(content).copied().collect();
    let open = |o: &NodeId| {
        let inside = doc.elements(*o);
        !element(*o) && (inside.is_empty() || !inside.iter().all(|c| element(*c)))
    };
    if objects.iter().any(open) {
        notes.push("object-not-covered".into());
    }
    if document {
        return Scope::Whole;
    }
    let mut what = Vec::new();
    let mut elsewhere = false;
    for covered in covered {
        match covered {
            Covered::Element(node) => {
                let of_key = form.key_info.is_some_and(|k| doc.within(*node, k));
                if Some(*node) == properties || of_key {
                    continue;
                }
                let beside = doc.parent(*node) == doc.parent(form.node) || doc.parent(*node) == Some(doc.root());
                if !beside && !doc.within(form.node, *node) && !doc.within(*node, form.node) {
                    elsewhere = true;
                }
                what.push(doc.path(*node));
            }
            Covered::External(uri) => what.push(uri.chars().take(300).collect()),
            Covered::Document { .. } | Covered::Nothing => {}
        }
    }
    // An enveloping signature that is the document, with all its objects covered, covers the document.
    let enveloping = form.node == doc.root() && !objects.is_empty() && !objects.iter().any(open);
    if enveloping && covered.iter().all(|c| !matches!(c, Covered::External(_))) {
        return Scope::Whole;
    }
    if elsewhere {
        notes.push("signed-element-elsewhere".into());
    }
    Scope::Some { what }
}
