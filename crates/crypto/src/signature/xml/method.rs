// SPDX-License-Identifier: EUPL-1.2
//! Signature methods of XML Signature by their address (RFC 9231): which scheme, and how its value is written.
//!
//! Guarantees: keyed hashes (HMAC), DSA and truncation are not schemes. Does not: judge strength.

use super::reference;
use crate::signature::algorithm::{Hash, Scheme};
use crate::xml::{DSIG, Document, NodeId};

const MORE: &str = "http://www.w3.org/2001/04/xmldsig-more#";
const MORE_2007: &str = "http://www.w3.org/2007/05/xmldsig-more#";
const MORE_2021: &str = "http://www.w3.org/2021/04/xmldsig-more#";

/// The scheme a `ds:SignatureMethod` names; the text says why there is none.
pub(super) fn read(doc: &Document<'_>, node: NodeId) -> Result<Scheme, String> {
    let uri = doc.attribute(node, "Algorithm").unwrap_or("");
    let parameters = doc.elements(node);
    if uri == "http://www.w3.org/2007/05/xmldsig-more#rsa-pss" {
        return match parameters.as_slice() {
            [] => Ok(pss(Hash::Sha256)),
            [one] if doc.is(*one, MORE_2007, "RSAPSSParams") => pss_parameters(doc, *one),
            _ => Err("parameters of RSASSA-PSS are not understood".into()),
        };
    }
    if !parameters.is_empty() {
        return Err("SignatureMethod has parameters that are not understood".into());
    }
    if uri == "http://www.w3.org/2000/09/xmldsig#rsa-sha1" {
        return Ok(Scheme::RsaPkcs1(Hash::Sha1));
    }
    let refused = || format!("signature method {:?} is refused", uri.chars().take(100).collect::<String>());
    if let Some(name) = uri.strip_prefix(MORE_2021) {
        return if name == "eddsa-ed25519" { Ok(Scheme::Ed25519) } else { Err(refused()) };
    }
    let name = uri.strip_prefix(MORE).or_else(|| uri.strip_prefix(MORE_2007)).ok_or_else(refused)?;
    if let Some(hash) = name.strip_suffix("-rsa-MGF1").and_then(hash) {
        return Ok(pss(hash));
    }
    match name.split_once('-') {
        Some(("rsa", name)) => hash(name).map(Scheme::RsaPkcs1),
        Some(("ecdsa", name)) => hash(name).map(Scheme::Ecdsa),
        _ => None,
    }
    .ok_or_else(refused)
}

/// The address of a scheme; `None` = it has none we write.
pub(super) fn uri(scheme: Scheme) -> Option<String> {
    let name = |hash| match hash {
        Hash::Sha256 => Some("sha256"),
        Hash::Sha384 => Some("sha384"),
        Hash::Sha512 => Some("sha512"),
        _ => None,
    };
    Some(match scheme {
        Scheme::RsaPkcs1(hash) => format!("{MORE}rsa-{}", name(hash)?),
        Scheme::Ecdsa(hash) => format!("{MORE}ecdsa-{}", name(hash)?),
        Scheme::RsaPss { hash, mask, .. } if hash == mask && pss(hash) == scheme => {
            format!("{MORE_2007}{}-rsa-MGF1", name(hash)?)
        }
        Scheme::RsaPss { .. } => return None,
        Scheme::Ed25519 => format!("{MORE_2021}eddsa-ed25519"),
    })
}

fn hash(name: &str) -> Option<Hash> {
    Some(match name {
        "sha1" => Hash::Sha1,
        "sha224" => Hash::Sha224,
        "sha256" => Hash::Sha256,
        "sha384" => Hash::Sha384,
        "sha512" => Hash::Sha512,
        "sha3-256" => Hash::Sha3_256,
        "sha3-384" => Hash::Sha3_384,
        "sha3-512" => Hash::Sha3_512,
        _ => return None,
    })
}

/// RFC 9231 §2.3.9, §2.3.10: mask with the same digest, salt as long as the digest.
fn pss(hash: Hash) -> Scheme {
    Scheme::RsaPss { hash, mask: hash, salt: salt(hash) }
}

fn salt(hash: Hash) -> u32 {
    match hash {
        Hash::Sha1 => 20,
        Hash::Sha224 => 28,
        Hash::Sha256 | Hash::Sha3_256 => 32,
        Hash::Sha384 | Hash::Sha3_384 => 48,
        Hash::Sha512 | Hash::Sha3_512 => 64,
    }
}

fn pss_parameters(doc: &Document<'_>, node: NodeId) -> Result<Scheme, String> {
    let digest = |of: NodeId| match doc.child(of, DSIG, "DigestMethod") {
        None => Ok(Hash::Sha256),
        Some(method) => reference::algorithm(doc.attribute(method, "Algorithm").unwrap_or(""))
            .ok_or("digest of RSASSA-PSS is not known".to_owned()),
    };
    let hash = digest(node)?;
    let mask = match doc.child(node, MORE_2007, "MaskGenerationFunction") {
        None => hash,
        Some(mask) => digest(mask)?,
    };
    let salt = match doc.child(node, MORE_2007, "SaltLength") {
        None => salt(hash),
        Some(length) => {
            doc.content(length).trim().parse().map_err(|_| "SaltLength is no number".to_owned())?
        }
    };
    if salt > 512 || doc.child(node, MORE_2007, "TrailerField").is_some_and(|t| doc.content(t).trim() != "1")
    {
        return Err("parameters of RSASSA-PSS are not understood".into());
    }
    Ok(Scheme::RsaPss { hash, mask, salt })
}
