// SPDX-License-Identifier: EUPL-1.2
//! JSON Web Signatures (RFC 7515), compact and JSON, attached and detached (RFC 7797), with the signer's chain in `x5c`.
//!
//! Guarantees: the algorithm comes from the protected header only and is one of RS, PS, ES, EdDSA; `none` and keyed hashes
//! are verdicts, never *passed*; a critical header we do not know is not passed; a key in the header (`jwk`, `jku`,
//! `x5u`) is never used and never fetched. Does not: look at claims.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::algorithm::{Hash, Scheme, Signed, ecdsa_from_plain, verify_raw};
use super::assess::Findings;
use super::gather::{add, against, blank, conclude, constraint, malformed, missing, unreadable};
use super::setting::Setting;
use super::{Format, Judgement, Scope, SubIndication, Verdict, xml};
use crate::certificate::Certificate;

/// Largest token, octets.
const BYTES: usize = 32 * 1024 * 1024;
/// Largest header, octets.
const HEADER: usize = 256 * 1024;
/// Most signatures of one token.
const SIGNATURES: usize = 20;
/// Most certificates in `x5c`.
const CERTIFICATES: usize = 20;

#[derive(Deserialize)]
struct Header {
    alg: Option<String>,
    #[serde(default)]
    x5c: Vec<String>,
    #[serde(rename = "x5t#S256")]
    thumbprint: Option<String>,
    #[serde(rename = "sigT")]
    signed_at: Option<String>,
    #[serde(default)]
    crit: Vec<String>,
    b64: Option<bool>,
}

#[derive(Deserialize)]
struct General {
    payload: Option<String>,
    signatures: Option<Vec<One>>,
    protected: Option<String>,
    header: Option<serde::de::IgnoredAny>,
    signature: Option<String>,
}

#[derive(Deserialize)]
struct One {
    protected: Option<String>,
    signature: String,
}

/// Judges every signature of a token. `detached` is the payload where the token has none;
/// where it has one, both must be the same.
#[must_use]
pub fn verify(token: &[u8], detached: Option<&[u8]>, setting: &Setting<'_>) -> Judgement {
    let mut judgement = Judgement::default();
    match read(token) {
        Err(what) => {
            judgement.reports.push(unreadable(Format::Jws, malformed(what), setting));
        }
        Ok((payload, ones)) => {
            for one in &ones {
                let (report, wanted) = match judge(one, &payload, detached) {
                    Ok(findings) => conclude(findings, &[], setting),
                    Err(verdict) => (unreadable(Format::Jws, verdict, setting), Vec::new()),
                };
                add(&mut judgement, report, wanted);
            }
        }
    }
    judgement
}

fn read(token: &[u8]) -> Result<(String, Vec<One>), &'static str> {
    if token.len() > BYTES {
        return Err("cap crossed: size of the token");
    }
    let text = std::str::from_utf8(token).map_err(|_| "no text")?.trim();
    if text.starts_with('{') {
        let general: General = serde_json::from_str(text).map_err(|_| "no JWS in JSON")?;
        let ones = match (general.signatures, general.signature) {
            (Some(ones), None) if general.protected.is_none() && general.header.is_none() => ones,
            (None, Some(signature)) => vec![One { protected: general.protected, signature }],
            _ => return Err("no JWS in JSON"),
        };
        if ones.is_empty() || ones.len() > SIGNATURES {
            return Err("no signature, or too many");
        }
        return Ok((general.payload.unwrap_or_default(), ones));
    }
    match text.split('.').collect::<Vec<_>>().as_slice() {
        [protected, payload, signature] => {
            let one = One { protected: Some((*protected).to_owned()), signature: (*signature).to_owned() };
            Ok(((*payload).to_owned(), vec![one]))
        }
        _ => Err("not three parts"),
    }
}

fn judge(one: &One, payload: &str, detached: Option<&[u8]>) -> Result<Findings, Verdict> {
    let protected = one
        .protected
        .as_deref()
        .filter(|p| p.len() <= HEADER)
        .ok_or_else(|| malformed("no protected header"))?;
    let header = URL_SAFE_NO_PAD.decode(protected).map_err(|_| malformed("header is not base64url"))?;
    let header: Header =
        serde_json::from_slice(&header).map_err(|_| malformed("header is not understood"))?;
    let value =
        URL_SAFE_NO_PAD.decode(&one.signature).map_err(|_| malformed("signature is not base64url"))?;

    let mut findings = Findings { scope: Scope::Whole, ..blank(Format::Jws) };
    if let Some(unknown) = header.crit.iter().find(|c| !matches!(c.as_str(), "b64" | "sigT")) {
        let shown: String = unknown.chars().take(100).collect();
        against(&mut findings.integrity, constraint(format!("critical header {shown:?} is not known")));
    }
    let plain = header.b64 == Some(false);
    if plain && !header.crit.iter().any(|c| c == "b64") {
        return Err(malformed("b64 is not marked critical"));
    }

    let mut input = protected.as_bytes().to_vec();
    input.push(b'.');
    match (payload, detached) {
        ("", Some(octets)) if plain => input.extend_from_slice(octets),
        ("", Some(octets)) => input.extend_from_slice(URL_SAFE_NO_PAD.encode(octets).as_bytes()),
        ("", None) => {
            let what = "the payload is detached and was not handed in";
            against(&mut findings.integrity, missing(what));
        }
        (payload, beside) => {
            let inside = if plain {
                payload.as_bytes().to_vec()
            } else {
                URL_SAFE_NO_PAD.decode(payload).map_err(|_| malformed("payload is not base64url"))?
            };
            if beside.is_some_and(|octets| octets != inside) {
                let what = "the payload inside is not the object it lies beside";
                against(&mut findings.integrity, Verdict::failed(SubIndication::HashFailure, what));
            }
            input.extend_from_slice(payload.as_bytes());
        }
    }

    if header.x5c.len() > CERTIFICATES {
        return Err(malformed("too many certificates"));
    }
    let chain: Option<Vec<Certificate>> =
        header.x5c.iter().map(|c| Certificate::from_der(&STANDARD.decode(c).ok()?).ok()).collect();
    let chain = chain.ok_or_else(|| malformed("x5c is not a list of certificates"))?;
    findings.signer = chain.first().cloned();
    findings.material.certificates = chain;
    findings.claimed_at = header.signed_at.as_deref().and_then(xml::time);

    let alg = header.alg.as_deref().unwrap_or("");
    let Some(scheme) = scheme(alg) else {
        let shown: String = alg.chars().take(30).collect();
        let verdict = match alg {
            "none" | "" => malformed("the token is not signed (alg none)"),
            _ => constraint(format!("algorithm {shown:?} is refused: it does not prove who signed")),
        };
        against(&mut findings.integrity, verdict);
        return Ok(findings);
    };
    findings.scheme = Some(scheme);
    let Some(signer) = findings.signer.clone() else {
        let what = "no certificate in x5c";
        against(
            &mut findings.integrity,
            Verdict::indeterminate(SubIndication::NoSigningCertificateFound, what),
        );
        return Ok(findings);
    };
    if let Some(named) = &header.thumbprint
        && URL_SAFE_NO_PAD.decode(named).ok().as_deref() != Some(signer.sha256().as_slice())
    {
        let what = "x5t#S256 names another certificate";
        against(
            &mut findings.integrity,
            Verdict::indeterminate(SubIndication::NoSigningCertificateFound, what),
        );
    }
    // Without the payload nothing can be said of the value.
    let there = !(payload.is_empty() && detached.is_none());
    let value = match scheme {
        Scheme::Ecdsa(_) => ecdsa_from_plain(&value),
        _ => value,
    };
    if there && !verify_raw(signer.spki(), scheme, Signed::Data(&input), &value) {
        let what = "the signature value does not belong to payload and key";
        against(&mut findings.integrity, Verdict::failed(SubIndication::SigCryptoFailure, what));
    }
    Ok(findings)
}

/// RFC 7518 §3.1, RFC 8037.
fn scheme(alg: &str) -> Option<Scheme> {
    let pss = |hash, salt| Scheme::RsaPss { hash, mask: hash, salt };
    Some(match alg {
        "RS256" => Scheme::RsaPkcs1(Hash::Sha256),
        "RS384" => Scheme::RsaPkcs1(Hash::Sha384),
        "RS512" => Scheme::RsaPkcs1(Hash::Sha512),
        "PS256" => pss(Hash::Sha256, 32),
        "PS384" => pss(Hash::Sha384, 48),
        "PS512" => pss(Hash::Sha512, 64),
        "ES256" => Scheme::Ecdsa(Hash::Sha256),
        "ES384" => Scheme::Ecdsa(Hash::Sha384),
        "ES512" => Scheme::Ecdsa(Hash::Sha512),
        "EdDSA" | "Ed25519" => Scheme::Ed25519,
        _ => return None,
    })
}
