// SPDX-License-Identifier: EUPL-1.2
//! Judging CMS and CAdES signatures (RFC 5652 §5.4–5.6, EN 319 122-1).
//!
//! Guarantees: BER is accepted; digest, signature value, type of content and the binding of the signer's certificate
//! (ESS signing-certificate, RFC 5035) are checked, as are time-stamps on signature and content; several signers give
//! several reports. Does not: verify counter signatures and archive time-stamps (noted as `counter-signed`,
//! `archive-time-stamp-not-checked`), nor apply signature policies (noted as `signature-policy`).

use super::algorithm::{Hash, Signed, verify_raw};
use super::assess::Findings;
use super::chain::Material;
use super::setting::Setting;
use super::{Format, Judgement, Report, Scope, SubIndication, TimeStampFacts, Verdict, Wanted};
use crate::asn1::{Algorithm, Malformed, Node, Oid, Read, Reader, oid, tag, time};
use crate::certificate::Certificate;
use crate::cms::normal;
use crate::cms::signed::{SignedData, SignerId, SignerInfo, look_like_attributes};
use crate::timestamp;

/// The content when it is not in the signature.
#[derive(Debug, Clone, Copy)]
pub enum Detached<'a> {
    /// There is none: the content must be inside.
    None,
    /// These octets.
    Content(&'a [u8]),
    /// Digests of octets too large to be at hand; [`digests_needed`] says which.
    Digests(&'a [(Hash, Vec<u8>)]),
}

/// What a container that holds the signature knows besides: the DSS of a PDF, its document time-stamps.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Certificates and revocation facts.
    pub material: Material,
    /// Time-stamps that cover the signature, already judged.
    pub timestamps: Vec<TimeStampFacts>,
}

/// Where content digests come from.
struct Content<'a> {
    inside: Option<&'a [u8]>,
    outside: Detached<'a>,
}

impl Content<'_> {
    /// Digest of the content, or why not.
    fn digest(&self, hash: Hash) -> Result<Vec<u8>, Verdict> {
        let outside = match self.outside {
            Detached::None => None,
            Detached::Content(octets) => Some(hash.digest(octets)),
            Detached::Digests(list) => {
                let found = list.iter().find(|(h, _)| *h == hash).map(|(_, digest)| digest.clone());
                if found.is_none() {
                    return Err(not_found("the content's digest of this kind was not computed"));
                }
                found
            }
        };
        match (self.inside.map(|octets| hash.digest(octets)), outside) {
            (Some(inside), Some(outside)) if inside != outside => Err(Verdict::failed(
                SubIndication::HashFailure,
                "the content inside is not the object it lies beside",
            )),
            (Some(digest), _) | (None, Some(digest)) => Ok(digest),
            (None, None) => Err(not_found("the signed content is not there")),
        }
    }

    fn octets(&self) -> Option<&[u8]> {
        match (self.inside, self.outside) {
            (Some(octets), _) | (None, Detached::Content(octets)) => Some(octets),
            _ => None,
        }
    }
}

fn not_found(detail: &str) -> Verdict {
    Verdict::indeterminate(SubIndication::SignedDataNotFound, detail)
}

/// Which digests of detached content the signers of this object need; empty = the content is inside, or it is no CMS.
#[must_use]
pub fn digests_needed(octets: &[u8]) -> Vec<Hash> {
    let read = || -> Read<Vec<Hash>> {
        let der = normal(octets)?;
        let data = SignedData::read(&der)?;
        let mut out = Vec::new();
        let detached = data.content.is_none();
        for hash in data.signers.iter().filter(|_| detached).filter_map(|signer| signer.digest) {
            if !out.contains(&hash) {
                out.push(hash);
            }
        }
        Ok(out)
    };
    read().unwrap_or_default()
}

/// Judges all signers. An object that is no SignedData gives one report with `FORMAT_FAILURE`; one without signers none.
#[must_use]
pub fn verify(octets: &[u8], detached: Detached<'_>, setting: &Setting<'_>) -> Judgement {
    verify_with(octets, detached, &Beside::default(), setting)
}

/// As [`verify`], for a signature in a container.
#[must_use]
pub fn verify_with(
    octets: &[u8],
    detached: Detached<'_>,
    beside: &Beside,
    setting: &Setting<'_>,
) -> Judgement {
    let judge = || -> Read<Judgement> {
        let der = normal(octets)?;
        let data = SignedData::read(&der)?;
        let content = Content { inside: data.content.as_deref(), outside: detached };
        let mut judgement = Judgement::default();
        for signer in &data.signers {
            let (report, wanted) = judge_signer(&data, signer, &content, beside, setting);
            judgement.reports.push(report);
            for want in wanted {
                if !judgement.wanted.contains(&want) {
                    judgement.wanted.push(want);
                }
            }
        }
        Ok(judgement)
    };
    judge().unwrap_or_else(|malformed| {
        let findings = Findings {
            format: Format::Cms,
            level: String::new(),
            integrity: Err(Verdict::failed(SubIndication::FormatFailure, malformed.to_string())),
            signer: None,
            material: Material::default(),
            scheme: None,
            claimed_at: None,
            timestamps: vec![],
            scope: Scope::Whole,
            notes: vec![],
        };
        Judgement { reports: vec![findings.assess(setting).0], wanted: vec![] }
    })
}

/// The attribute that names the signer's certificate, and the digest it uses unless it says so.
pub(crate) type Bound<'a> = Option<(Node<'a>, Hash)>;

/// Finds that attribute: version 2 before version 1.
pub(crate) fn bound_of<'a>(signer: &SignerInfo<'a>) -> Bound<'a> {
    let second = signer.signed_value(oid::SIGNING_CERTIFICATE_V2).map(|node| (node, Hash::Sha256));
    second.or_else(|| signer.signed_value(oid::SIGNING_CERTIFICATE).map(|node| (node, Hash::Sha1)))
}

/// Most certificates tried for one signer.
const CANDIDATES: usize = 5;

/// Certificates that may be the signer's: what came along, then what we know. Where the signer names one by its digest,
/// only that.
pub(crate) fn candidates(
    id: &SignerId,
    bound: Bound<'_>,
    material: &Material,
    setting: &Setting<'_>,
) -> Vec<Certificate> {
    let anchors = setting.trust.anchors.iter().map(|anchor| &anchor.certificate);
    let all = material.certificates.iter().chain(&setting.trust.intermediates).chain(anchors);
    let mut fitting: Vec<Certificate> = Vec::new();
    for certificate in all.filter(|c| id.is(c) && binding(bound, Some(c)).is_ok()) {
        if fitting.len() < CANDIDATES && !fitting.contains(certificate) {
            fitting.push(certificate.clone());
        }
    }
    fitting
}

fn judge_signer(
    data: &SignedData<'_>,
    signer: &SignerInfo<'_>,
    content: &Content<'_>,
    beside: &Beside,
    setting: &Setting<'_>,
) -> (Report, Vec<Wanted>) {
    let mut material = data.material.clone();
    material.extend(&beside.material);
    let mut notes = Vec::new();
    let has_values = add_values(signer, &mut material).unwrap_or(false);
    let bound = bound_of(signer);
    let candidates = candidates(&signer.id, bound, &material, setting);
    let checked = |certificate| integrity(data.content_type, signer, content, certificate);
    let mut signers: Vec<_> = candidates.iter().map(|c| (checked(Some(c)), Some(c.clone()))).collect();
    if signers.iter().any(|(integrity, _)| integrity.is_ok()) {
        signers.retain(|(integrity, _)| integrity.is_ok());
    } else {
        signers.truncate(1);
    }

    let (mut timestamps, mut wanted) = (beside.timestamps.clone(), Vec::new());
    let mut stamp = |kind: &str, node: &Node<'_>, imprint: &dyn Fn(Hash) -> Option<Vec<u8>>| {
        let judged = timestamp::verify_with(node.whole, imprint, &beside.material, setting);
        wanted.extend(judged.wanted);
        timestamps.push(TimeStampFacts { kind: kind.to_owned(), ..judged.facts });
    };
    for node in signer.unsigned_values(oid::SIGNATURE_TIME_STAMP).take(10) {
        stamp("signature", &node, &|hash| Some(hash.digest(signer.value)));
    }
    for (_, values) in signer.signed.iter().filter(|(which, _)| *which == oid::CONTENT_TIME_STAMP) {
        for node in values.iter().take(10) {
            stamp("content", node, &|hash| content.digest(hash).ok());
        }
    }
    let has = |which: Oid| signer.unsigned.iter().any(|(oid, _)| *oid == which);
    let archived = has(oid::ARCHIVE_TIME_STAMP_V3) || has(oid::ARCHIVE_TIME_STAMP_V2);
    let stamped = has(oid::SIGNATURE_TIME_STAMP);
    if archived {
        notes.push("archive-time-stamp-not-checked".to_owned());
    }
    if has(oid::COUNTER_SIGNATURE) {
        notes.push("counter-signed".to_owned());
    }
    if signer.signed_value(oid::SIGNATURE_POLICY).is_some() {
        notes.push("signature-policy".to_owned());
    }
    let cades = bound.is_some();
    let level = match (cades, stamped, has_values || data.has_revocations, archived) {
        (false, ..) => "",
        (true, false, ..) => "B",
        (true, true, false, _) => "T",
        (true, true, true, false) => "LT",
        (true, true, true, true) => "LTA",
    };
    let findings = |(integrity, certificate)| Findings {
        format: if cades { Format::Cades } else { Format::Cms },
        level: level.to_owned(),
        integrity,
        signer: certificate,
        material: material.clone(),
        scheme: signer.scheme,
        claimed_at: signer.signed_value(oid::SIGNING_TIME).and_then(|node| time::read(&node).ok()),
        timestamps: timestamps.clone(),
        scope: Scope::Whole,
        notes: notes.clone(),
    };
    // Certificates of one key differ in what is known of their chains: the first that passes, else the first.
    let mut best: Option<Report> = None;
    for signer in signers {
        let (report, more) = findings(signer).assess(setting);
        wanted.extend(more);
        let passed = report.verdict.is_passed();
        if passed || best.is_none() {
            best = Some(report);
        }
        if passed {
            break;
        }
    }
    (best.unwrap_or_else(|| findings((checked(None), None)).assess(setting).0), wanted)
}

/// Takes over certificate-values and revocation-values (EN 319 122-1 annex A.1); `true` = there were revocation values.
fn add_values(signer: &SignerInfo<'_>, material: &mut Material) -> Read<bool> {
    for node in signer.unsigned_values(oid::CERTIFICATE_VALUES) {
        let found = node.reader().all(1000)?;
        material.certificates.extend(found.iter().filter_map(|n| Certificate::from_der(n.whole).ok()));
    }
    let mut any = false;
    for node in signer.unsigned_values(oid::REVOCATION_VALUES) {
        any = true;
        let mut reader = node.tagged(tag::SEQUENCE)?.reader();
        if let Some(node) = reader.optional(tag::constructed(0))? {
            material.crls.extend(node.reader().sequence()?.all(100)?.iter().map(|n| n.whole.to_vec()));
        }
        if let Some(node) = reader.optional(tag::constructed(1))? {
            material.ocsps.extend(node.reader().sequence()?.all(100)?.iter().map(|n| n.whole.to_vec()));
        }
    }
    Ok(any)
}

/// Digest and signature value; also used for time-stamp tokens, whose content is always inside.
pub(crate) fn token_integrity(
    data: &SignedData<'_>,
    signer: &SignerInfo<'_>,
    certificate: &Certificate,
) -> Result<(), Verdict> {
    let content = Content { inside: data.content.as_deref(), outside: Detached::None };
    integrity(data.content_type, signer, &content, Some(certificate))
}

/// Is the certificate the one the signer bound itself to? A token must have such a binding.
pub(crate) fn token_binding(signer: &SignerInfo<'_>, certificate: &Certificate) -> Result<(), Verdict> {
    let bound = bound_of(signer);
    if bound.is_none() {
        return Err(Verdict::indeterminate(
            SubIndication::SigConstraintsFailure,
            "the time-stamp does not name its certificate",
        ));
    }
    binding(bound, Some(certificate))
}

fn integrity(
    content_type: Oid,
    signer: &SignerInfo<'_>,
    content: &Content<'_>,
    certificate: Option<&Certificate>,
) -> Result<(), Verdict> {
    let format = |detail: &str| Verdict::failed(SubIndication::FormatFailure, detail);
    let unknown =
        || Verdict::indeterminate(SubIndication::CryptoConstraintsFailureNoPoe, "algorithm is not known");
    let digest = signer.digest.ok_or_else(unknown)?;
    let scheme = signer.scheme.ok_or_else(unknown)?;
    if scheme.hash().is_some_and(|hash| hash != digest) {
        return Err(Verdict::indeterminate(
            SubIndication::SigConstraintsFailure,
            "content and attributes are signed with different digests",
        ));
    }
    let value_failure =
        || Verdict::failed(SubIndication::SigCryptoFailure, "the signature value does not fit the key");
    if let Some(set) = signer.signed_set() {
        let of_type = signer.signed_value(oid::CONTENT_TYPE).ok_or_else(|| format("no content type"))?;
        if Oid::from_content(of_type.content) != Ok(content_type) {
            return Err(format("the signed content type is another"));
        }
        let stated = signer.signed_value(oid::MESSAGE_DIGEST).ok_or_else(|| format("no message digest"))?;
        let stated = stated.tagged(tag::OCTET_STRING).map_err(|e| format(&e.to_string()))?;
        if content.digest(digest)? != stated.content {
            return Err(Verdict::failed(SubIndication::HashFailure, "the content is not what was signed"));
        }
        match certificate {
            Some(c) if !verify_raw(c.spki(), scheme, Signed::Data(&set), signer.value) => {
                Err(value_failure())
            }
            _ => Ok(()),
        }
    } else {
        if content_type != oid::DATA {
            return Err(format("signed attributes are missing"));
        }
        if content.octets().is_some_and(look_like_attributes) {
            return Err(Verdict::indeterminate(
                SubIndication::SigConstraintsFailure,
                "the content is made of the attributes of another signature",
            ));
        }
        let Some(certificate) = certificate else {
            // Nothing can be said of the content without the key.
            return Ok(());
        };
        let digest = content.digest(digest)?;
        let signed = match (scheme.hash(), content.octets()) {
            (Some(_), _) => Signed::Digest(&digest),
            (None, Some(octets)) => Signed::Data(octets),
            (None, None) => return Err(not_found("the whole content is needed for Ed25519")),
        };
        if verify_raw(certificate.spki(), scheme, signed, signer.value) {
            Ok(())
        } else {
            Err(value_failure())
        }
    }
}

/// Compares ESSCertID or ESSCertIDv2 (RFC 5035 §3–4) with the certificate.
fn binding(bound: Bound<'_>, certificate: Option<&Certificate>) -> Result<(), Verdict> {
    let (Some((node, default)), Some(certificate)) = (bound, certificate) else { return Ok(()) };
    let same = || -> Read<bool> {
        let mut first = node.tagged(tag::SEQUENCE)?.reader().sequence()?.sequence()?;
        let hash = match first.optional(tag::SEQUENCE)? {
            Some(node) => Hash::of(Algorithm::read(node.reader())?.oid).ok_or(Malformed("digest"))?,
            None => default,
        };
        Ok(first.octets()? == hash.digest(certificate.der()) && issuer_fits(first, certificate)?)
    };
    match same() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Verdict::indeterminate(
            SubIndication::NoSigningCertificateFound,
            "the certificate is not the one the signer named",
        )),
        Err(malformed) => Err(Verdict::failed(SubIndication::FormatFailure, malformed.to_string())),
    }
}

/// IssuerSerial (RFC 5035 §5), if it is there: its number must be the certificate's.
fn issuer_fits(mut reader: Reader<'_>, certificate: &Certificate) -> Read<bool> {
    let Some(node) = reader.optional(tag::SEQUENCE)? else { return Ok(true) };
    let mut inner = node.reader();
    inner.expect(tag::SEQUENCE)?;
    Ok(inner.integer()? == certificate.serial())
}
