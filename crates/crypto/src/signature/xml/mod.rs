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
mod stamps;
mod xades;

pub use sign::{Detached, sign_detached, sign_enveloped};

pub(super) use xades::time;

use form::Form;
use reference::Covered;

use super::algorithm::{Hash, Scheme, Signed, ecdsa_from_plain, verify_raw};
use super::gather::{add, against, blank, conclude, constraint, malformed, unreadable};
use super::setting::Setting;
use super::{Format, Judgement, Report, Scope, SubIndication, Verdict, Wanted};
use crate::certificate::Certificate;
use crate::digest::Digests;
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

/// Base64 with white space, as XML has it.
#[must_use]
pub fn decoded(text: &str) -> Option<Vec<u8>> {
    form::decode(text)
}

/// Judges every signature of a document, in document order. `detached` gives what lies outside, by the address the
/// signature has for it; nothing is ever fetched. No signature = no report.
#[must_use]
pub fn verify(
    document: &[u8],
    detached: &dyn Fn(&str) -> Option<External>,
    setting: &Setting<'_>,
) -> Judgement {
    let caps = xml::Caps::default();
    let refused = |refusal: &xml::Refusal| {
        // Only what claims to be signed is worth a verdict.
        let claims = document.windows(DSIG.len()).any(|window| window == DSIG.as_bytes());
        let verdict = match refusal {
            xml::Refusal::Cap(_) => Verdict::indeterminate(SubIndication::FormatFailure, refusal.to_string()),
            _ => malformed(refusal.to_string()),
        };
        let reports = if claims { vec![unreadable(Format::XmlDsig, verdict, setting)] } else { Vec::new() };
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
    let own = all.iter().filter(|s| doc.parent(**s).is_none_or(|p| doc.name(p) != "CounterSignature"));
    for node in own.take(SIGNATURES) {
        let (report, wanted) = one(&doc, *node, detached, setting, &caps);
        add(&mut judgement, report, wanted);
    }
    if all.len() > SIGNATURES {
        let verdict = Verdict::indeterminate(SubIndication::FormatFailure, "too many signatures");
        judgement.reports.push(unreadable(Format::XmlDsig, verdict, setting));
    }
    judgement
}

fn one(
    doc: &Document<'_>,
    node: NodeId,
    detached: &dyn Fn(&str) -> Option<External>,
    setting: &Setting<'_>,
    caps: &xml::Caps,
) -> (Report, Vec<Wanted>) {
    let read =
        form::read(doc, node).and_then(|form| xades::read(doc, &form).map(|properties| (form, properties)));
    let (form, properties) = match read {
        Ok(read) => read,
        Err(what) => return (unreadable(Format::XmlDsig, malformed(what), setting), Vec::new()),
    };
    let mut findings = blank(if properties.signed.is_some() { Format::Xades } else { Format::XmlDsig });
    findings.notes.clone_from(&properties.notes);

    let mut covered = Vec::new();
    let mut hashes = Vec::new();
    for reference in &form.references {
        let (what, verdict) = reference::check(doc, &form, reference, detached, caps);
        if let Some(verdict) = verdict {
            against(&mut findings.integrity, verdict);
        }
        hashes.extend(reference::algorithm(&reference.method));
        covered.push(what);
    }
    if form.references.iter().any(|r| r.kind.strip_prefix(DSIG) == Some("Manifest")) {
        findings.notes.push("manifest-not-checked".into());
    }
    findings.scope = scope(doc, &form, properties.signed, &covered, &mut findings.notes);

    let properties_signed = properties.signed.is_none_or(|p| covered.contains(&Covered::Element(p)));
    if properties_signed {
        findings.claimed_at = properties.claimed;
    } else {
        let what = "the signed properties are not what the signature covers";
        against(&mut findings.integrity, constraint(what));
    }

    let parsed =
        |list: &[Vec<u8>]| list.iter().filter_map(|der| Certificate::from_der(der).ok()).collect::<Vec<_>>();
    let in_key_info = parsed(&form.certificates);
    let mut all = in_key_info.clone();
    all.extend(parsed(&properties.certificates));
    // EN 319 102-1 §5.2.3: the signed property decides who signed, KeyInfo alone only where there is none.
    let named = properties.certificate.as_ref().filter(|_| properties_signed);
    let possible: Vec<&Certificate> = match named {
        Some(named) => all.iter().filter(|c| xades::names(named, c.der())).collect(),
        None => in_key_info.iter().collect(),
    };
    if properties.signed.is_some() && properties.certificate.is_none() {
        findings.notes.push("signing-certificate-not-signed".into());
    }
    findings.signer = possible.first().map(|c| (*c).clone());
    match value(doc, &form, &possible) {
        Ok((scheme, signer)) => {
            findings.scheme = Some(scheme);
            findings.signer = signer.or(findings.signer);
        }
        Err((scheme, verdict)) => {
            findings.scheme = scheme;
            against(&mut findings.integrity, verdict);
        }
    }

    findings.level = level(&properties).into();
    findings.material.certificates = all;
    findings.material.crls = properties.crls;
    findings.material.ocsps = properties.ocsps;
    let mut wanted = Vec::new();
    for stamp in &properties.stamps {
        stamps::check(doc, &form, stamp, &mut findings, &mut wanted, setting);
    }
    let (report, more) = conclude(findings, &hashes, setting);
    wanted.extend(more);
    (report, wanted)
}

/// Whose key the signature value belongs to; nobody = the certificate is not there.
fn value(
    doc: &Document<'_>,
    form: &Form,
    possible: &[&Certificate],
) -> Result<(Scheme, Option<Certificate>), (Option<Scheme>, Verdict)> {
    let scheme = method::read(doc, form.method).map_err(|what| (None, constraint(what)))?;
    let mut octets = Vec::new();
    let info = doc.subtree(form.signed_info, true);
    doc.canonical(&info, form.canonical.mode, &form.canonical.prefixes, &mut octets)
        .map_err(|refusal| (Some(scheme), constraint(refusal.to_string())))?;
    let value = plain_value(scheme, &form.value);
    let fits = |c: &&&Certificate| verify_raw(c.spki(), scheme, Signed::Data(&octets), &value);
    match possible.iter().find(fits) {
        Some(signer) => Ok((scheme, Some((*signer).clone()))),
        None if possible.is_empty() => Ok((scheme, None)),
        None => {
            let what = "the signature value does not belong to the signer's key";
            Err((Some(scheme), Verdict::failed(SubIndication::SigCryptoFailure, what)))
        }
    }
}

/// Level of XAdES by what is there; empty for XML-DSig.
fn level(properties: &xades::Properties) -> &'static str {
    let has = |kind: &str| properties.stamps.iter().any(|s| s.kind == kind);
    let revocation = !properties.crls.is_empty() || !properties.ocsps.is_empty();
    match (properties.signed.is_some(), has("signature"), revocation, has("archive")) {
        (false, ..) => "",
        (_, true, true, true) => "LTA",
        (_, true, true, false) => "LT",
        (_, true, ..) => "T",
        _ => "B",
    }
}

/// ECDSA values stand as `r || s` (RFC 9231 §2.3.6).
fn plain_value(scheme: Scheme, value: &[u8]) -> Vec<u8> {
    match scheme {
        Scheme::Ecdsa(_) => ecdsa_from_plain(value),
        _ => value.to_vec(),
    }
}

/// Has an element text of its own, beside that of its children?
fn has_text(doc: &Document<'_>, node: NodeId) -> bool {
    let length = |node: NodeId| doc.content(node).chars().filter(|c| !c.is_whitespace()).count();
    length(node) > doc.elements(node).into_iter().map(length).sum()
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
    if covered.contains(&Covered::Document { whole: false })
        && !covered.contains(&Covered::Document { whole: true })
    {
        notes.push("signatures-not-covered".into());
    }
    // The object of the one QualifyingProperties is part of the signature; what stands beside it is content.
    let mut qualifying = 0;
    let mut is_content = |object: &NodeId| match doc.elements(*object).as_slice() {
        [] => !doc.content(*object).trim().is_empty(),
        [only] if doc.name(*only) == "QualifyingProperties" && !has_text(doc, *object) => {
            qualifying += 1;
            qualifying > 1
        }
        _ => true,
    };
    let objects: Vec<NodeId> = form.objects.iter().filter(|o| is_content(o)).copied().collect();
    let open = |o: &NodeId| {
        let inside = doc.elements(*o);
        !element(*o) && (inside.is_empty() || has_text(doc, *o) || !inside.iter().all(|c| element(*c)))
    };
    let any_open = objects.iter().any(open);
    if any_open {
        notes.push("object-not-covered".into());
    }
    if document && !any_open {
        return Scope::Whole;
    }
    let mut what = Vec::new();
    if document {
        what.push(doc.path(doc.root()));
    }
    let mut elsewhere = false;
    for covered in covered {
        match covered {
            Covered::Element(node) => {
                let of_key = form.key_info.is_some_and(|k| doc.within(*node, k));
                if Some(*node) == properties || of_key {
                    continue;
                }
                let beside =
                    doc.parent(*node) == doc.parent(form.node) || doc.parent(*node) == Some(doc.root());
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
    let enveloping = form.node == doc.root() && !objects.is_empty() && !any_open;
    if enveloping && covered.iter().all(|c| !matches!(c, Covered::External(_))) {
        return Scope::Whole;
    }
    if elsewhere {
        notes.push("signed-element-elsewhere".into());
    }
    Scope::Some { what }
}
