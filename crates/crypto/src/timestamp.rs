// SPDX-License-Identifier: EUPL-1.2
//! Time-stamps (RFC 3161, EN 319 422): the request, the response, and judging a token.
//!
//! Guarantees: a token counts only for the imprint it was asked for, with a certificate that serves for nothing else
//! (critical purpose `id-kp-timeStamping`), bound to it by the ESS attribute, valid both when the time-stamp was made
//! and when the hub received it. Does not: talk to the authority; the caller posts [`request`] as
//! `application/timestamp-query` and gives the answer to [`token_of`].

use crate::asn1::{Algorithm, Malformed, Read, Reader, oid, tag, time, write};
use crate::certificate::Certificate;
use crate::cms::{SignedData, normal};
use crate::signature::algorithm::Hash;
use crate::signature::chain::{self, Material, Usage};
use crate::signature::setting::{Setting, When};
use crate::signature::{SubIndication, TimeStampFacts, UnixTime, Verdict, Wanted, cms};

/// DER of a TimeStampReq over a digest; the certificate is asked for. `nonce` makes the answer fit this request only.
#[must_use]
pub fn request(hash: Hash, imprint: &[u8], nonce: Option<[u8; 8]>) -> Vec<u8> {
    let imprint = write::sequence(&[&write::algorithm(hash.oid(), write::NULL), &write::octets(imprint)]);
    let nonce = nonce.map(|nonce| write::unsigned(&nonce)).unwrap_or_default();
    write::sequence(&[&write::small(1), &imprint, &nonce, write::TRUE])
}

/// Takes the token out of a TimeStampResp; its imprint and nonce must be those of the request.
///
/// # Errors
/// When the authority refused, or it is an answer to another request. The signature is not checked here.
pub fn token_of(response: &[u8], hash: Hash, imprint: &[u8], nonce: Option<[u8; 8]>) -> Read<Vec<u8>> {
    let mut reader = Reader::only(response, tag::SEQUENCE)?.reader();
    let status = reader.sequence()?.small()?;
    if status > 1 {
        return Err(Malformed("the time-stamp authority refused"));
    }
    let token = reader.expect(tag::SEQUENCE)?.whole;
    let der = normal(token)?;
    let info = Info::of(&SignedData::read(&der)?)?;
    if info.hash != Some(hash) || info.imprint != imprint {
        return Err(Malformed("the time-stamp is about something else"));
    }
    if nonce.is_some_and(|nonce| write::unsigned(&nonce).get(2..) != info.nonce.as_deref()) {
        return Err(Malformed("the time-stamp answers another request"));
    }
    Ok(token.to_vec())
}

/// A TSTInfo (RFC 3161 §2.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Digest of what is stamped; `None` = one we do not know.
    pub hash: Option<Hash>,
    /// The digest's value.
    pub imprint: Vec<u8>,
    /// When it was made.
    pub at: UnixTime,
    /// Content of the nonce.
    pub nonce: Option<Vec<u8>>,
}

impl Info {
    /// Reads the content of a token.
    ///
    /// # Errors
    /// When it holds something else.
    pub fn of(data: &SignedData<'_>) -> Read<Self> {
        let content = data.content.as_deref().ok_or(Malformed("token without content"))?;
        if data.content_type != oid::TST_INFO {
            return Err(Malformed("not a time-stamp"));
        }
        let mut reader = Reader::only(content, tag::SEQUENCE)?.reader();
        reader.integer()?;
        reader.oid()?;
        let mut imprint = reader.sequence()?;
        let hash = Hash::of(Algorithm::read(imprint.sequence()?)?.oid);
        let imprint = imprint.octets()?.to_vec();
        reader.integer()?;
        let at = time::read(&reader.expect(tag::GENERALIZED_TIME)?)?;
        reader.optional(tag::SEQUENCE)?;
        reader.optional(tag::BOOLEAN)?;
        let nonce = reader.optional(tag::INTEGER)?.map(|node| node.content.to_vec());
        Ok(Self { hash, imprint, at, nonce })
    }
}

/// A judged token.
#[derive(Debug, Clone)]
pub struct Judged {
    /// What it says; `kind` is empty and for the caller to fill.
    pub facts: TimeStampFacts,
    /// The chain of the authority, its own certificate first.
    pub chain: Vec<Certificate>,
    /// What is missing.
    pub wanted: Vec<Wanted>,
}

/// Judges a token (DER or BER of ContentInfo). `imprint` gives the digest of the stamped octets, or `None` if it cannot.
#[must_use]
pub fn verify(token: &[u8], imprint: &dyn Fn(Hash) -> Option<Vec<u8>>, setting: &Setting<'_>) -> Judged {
    verify_with(token, imprint, &Material::default(), setting)
}

/// As [`verify`], with certificates and revocation facts from beside the token.
#[must_use]
pub fn verify_with(
    token: &[u8],
    imprint: &dyn Fn(Hash) -> Option<Vec<u8>>,
    material: &Material,
    setting: &Setting<'_>,
) -> Judged {
    let mut judged = Judged {
        facts: TimeStampFacts {
            kind: String::new(),
            at: 0,
            authority: String::new(),
            verdict: Verdict::passed(),
        },
        chain: vec![],
        wanted: vec![],
    };
    if let Err(verdict) = judge(token, imprint, material, setting, &mut judged) {
        judged.facts.verdict = verdict;
    }
    judged
}

fn judge(
    token: &[u8],
    imprint: &dyn Fn(Hash) -> Option<Vec<u8>>,
    beside: &Material,
    setting: &Setting<'_>,
    judged: &mut Judged,
) -> Result<(), Verdict> {
    let format = |malformed: Malformed| Verdict::failed(SubIndication::FormatFailure, malformed.to_string());
    let der = normal(token).map_err(format)?;
    let data = SignedData::read(&der).map_err(format)?;
    let mut material = data.material.clone();
    material.extend(beside);
    let info = Info::of(&data).map_err(format)?;
    judged.facts.at = info.at;
    let [signer] = data.signers.as_slice() else {
        return Err(format(Malformed("a time-stamp has one signer")));
    };
    let candidates = cms::candidates(&signer.id, cms::bound_of(signer), &material, setting);
    let signed = candidates.iter().find(|c| cms::token_integrity(&data, signer, c).is_ok());
    let Some(certificate) = signed.or(candidates.first()).cloned() else {
        return Err(Verdict::indeterminate(
            SubIndication::NoSigningCertificateFound,
            "the authority's certificate is not there",
        ));
    };
    judged.facts.authority = certificate.facts().name;
    let hash = info.hash.ok_or_else(|| {
        Verdict::indeterminate(SubIndication::CryptoConstraintsFailureNoPoe, "digest is not known")
    })?;
    let found = imprint(hash).ok_or_else(|| {
        Verdict::indeterminate(SubIndication::SignedDataNotFound, "the stamped octets are not there")
    })?;
    if found != info.imprint {
        return Err(Verdict::failed(SubIndication::HashFailure, "the time-stamp is about something else"));
    }
    cms::token_integrity(&data, signer, &certificate)?;
    cms::token_binding(signer, &certificate)?;
    if info.at < certificate.not_before() {
        return Err(Verdict::failed(SubIndication::NotYetValid, "made before the certificate began"));
    }
    if info.at > certificate.not_after() {
        return Err(Verdict::failed(SubIndication::Expired, "made after the certificate had ended"));
    }
    let when = When { earliest: Some(info.at), latest: setting.received.max(info.at) };
    let outcome = chain::judge(&certificate, &material, when, Usage::TimeStamp, setting);
    judged.chain.clone_from(&outcome.chain);
    judged.wanted.clone_from(&outcome.wanted);
    if !outcome.verdict.is_passed() {
        return Err(outcome.verdict);
    }
    if let Some(scheme) = signer.scheme {
        setting.trust.policy.algorithms.check(scheme, certificate.key(), setting.received)?;
    }
    // The imprint's digest must have been good when the stamp was made.
    setting.trust.policy.algorithms.check_hash(hash, info.at)
}
