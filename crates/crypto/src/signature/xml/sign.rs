// SPDX-License-Identifier: EUPL-1.2
//! Making XAdES signatures (ETSI EN 319 132-1): baseline level B, and T with a time-stamp; enveloped and detached.
//!
//! Guarantees: the document's octets stay as they are, the signature is put in before the end of its root element;
//! exclusive canonicalisation, so that the signature survives being moved into another document. Does not: sign a
//! document that has a signature already (it would break the other one), nor choose a key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{method, xades};
use crate::asn1::time::generalized;
use crate::cms::Options;
use crate::digest::{hex, sha256_of_parts};
use crate::error::{CryptoError, Result};
use crate::identity::Signer;
use crate::signature::UnixTime;
use crate::signature::algorithm::{Hash, Key, Scheme, ecdsa_to_plain};
use crate::xml::{self, C14nMode, DSIG, Document, NodeId};

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// Something outside the signature that it signs.
#[derive(Debug, Clone, Copy)]
pub struct Detached<'a> {
    /// Its address, as the verifier will look for it; percent-encoded.
    pub uri: &'a str,
    /// Its media type.
    pub media_type: &'a str,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// Puts an enveloped XAdES signature over the whole document into it. UTF-8 only.
///
/// # Errors
/// [`CryptoError::NotSignable`] when the document cannot be read or is signed already; else what the key says.
pub fn sign_enveloped(document: &[u8], signer: &dyn Signer, options: Options<'_>) -> Result<Vec<u8>> {
    let not = |reason: String| CryptoError::NotSignable { reason };
    let caps = xml::Caps::default();
    let text = std::str::from_utf8(document).map_err(|_| not("not UTF-8".into()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let digest = {
        let doc = Document::read(text, &caps).map_err(|e| not(e.to_string()))?;
        if !doc.all(doc.root(), DSIG, "Signature").is_empty() {
            return Err(not("the document has a signature already".into()));
        }
        digest(&doc)?
    };
    let transforms = format!(
        r#"<ds:Transforms><ds:Transform Algorithm="{DSIG}enveloped-signature"/><ds:Transform Algorithm="{EXCLUSIVE}"/></ds:Transforms>"#
    );
    let reference = Reference { uri: "", transforms: &transforms, media_type: "text/xml", digest: &digest };
    let signature = signature(&[reference], text.as_bytes(), signer, options)?;

    let doc = Document::read(text, &caps).map_err(|e| not(e.to_string()))?;
    let (before, after) = match doc.inside(doc.root()) {
        Some(inside) => {
            (text.get(..inside.end).unwrap_or(""), text.get(inside.end..).unwrap_or("").to_owned())
        }
        None => return Err(not("the document is empty".into())),
    };
    Ok(format!("{before}{signature}{after}").into_bytes())
}

/// A XAdES signature over objects outside, as a document of its own.
///
/// # Errors
/// [`CryptoError::NotSignable`] without an object; else what the key says.
pub fn sign_detached(objects: &[Detached<'_>], signer: &dyn Signer, options: Options<'_>) -> Result<Vec<u8>> {
    if objects.is_empty() {
        return Err(CryptoError::NotSignable { reason: "nothing to sign".into() });
    }
    let references: Vec<_> = objects
        .iter()
        .map(|o| Reference { uri: o.uri, transforms: "", media_type: o.media_type, digest: &o.sha256 })
        .collect();
    let seed: Vec<u8> = objects.iter().flat_map(|o| o.sha256).collect();
    Ok(signature(&references, &seed, signer, options)?.into_bytes())
}

struct Reference<'a> {
    uri: &'a str,
    transforms: &'a str,
    media_type: &'a str,
    digest: &'a [u8],
}

/// The element, complete. Its Ids follow from what is signed, when and by whom.
fn signature(
    references: &[Reference<'_>],
    seed: &[u8],
    signer: &dyn Signer,
    options: Options<'_>,
) -> Result<String> {
    let scheme = options.scheme.map_or_else(|| signer.scheme(), Ok)?;
    let not = |reason: &str| CryptoError::NotSignable { reason: reason.to_owned() };
    let method = method::uri(scheme).ok_or_else(|| not("the scheme has no name in XML"))?;
    let at = options.claimed_at.ok_or_else(|| not("XAdES needs a time"))?;
    let certificate = signer.certificate();
    let id = sha256_of_parts(&[seed, &at.to_be_bytes(), certificate.der()]);
    let id = format!("id-{}", hex(id.get(..16).unwrap_or(&id)));

    let time = date_time(at);
    let formats: String = (references.iter().enumerate())
        .map(|(n, r)| {
            let media = escaped(r.media_type);
            format!(
                r##"<xades:DataObjectFormat ObjectReference="#r{n}-{id}"><xades:MimeType>{media}</xades:MimeType></xades:DataObjectFormat>"##
            )
        })
        .collect();
    let named = STANDARD.encode(Hash::Sha256.digest(certificate.der()));
    let properties = format!(
        r##"<xades:SignedProperties Id="xades-{id}"><xades:SignedSignatureProperties><xades:SigningTime>{time}</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest><ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue>{named}</ds:DigestValue></xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties><xades:SignedDataObjectProperties>{formats}</xades:SignedDataObjectProperties></xades:SignedProperties>"##
    );
    let written: String = (references.iter().enumerate())
        .map(|(n, r)| {
            let (uri, value) = (escaped(r.uri), STANDARD.encode(r.digest));
            let transforms = r.transforms;
            format!(
                r#"<ds:Reference Id="r{n}-{id}" URI="{uri}">{transforms}<ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue>{value}</ds:DigestValue></ds:Reference>"#
            )
        })
        .collect();
    let certificates: String = std::iter::once(certificate)
        .chain(signer.chain())
        .map(|c| format!("<ds:X509Certificate>{}</ds:X509Certificate>", STANDARD.encode(c.der())))
        .collect();
    let type_of = xades::SIGNED_PROPERTIES;
    let whole = |digest: &str, value: &str, unsigned: &str| {
        let (x, d) = (xades::XADES, DSIG);
        format!(
            r##"<ds:Signature xmlns:ds="{d}" Id="{id}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/><ds:SignatureMethod Algorithm="{method}"/>{written}<ds:Reference Type="{type_of}" URI="#xades-{id}"><ds:Transforms><ds:Transform Algorithm="{EXCLUSIVE}"/></ds:Transforms><ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue Id="value-{id}">{value}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo><ds:Object><xades:QualifyingProperties xmlns:xades="{x}" Target="#{id}">{properties}{unsigned}</xades:QualifyingProperties></ds:Object></ds:Signature>"##
        )
    };
    let digest = {
        let draft = whole("", "", "");
        STANDARD.encode(Hash::Sha256.digest(&canonical(&draft, |doc| doc.by_id(&format!("xades-{id}")))?))
    };
    let draft = whole(&digest, "", "");
    let info = canonical(&draft, |doc| doc.child(doc.root(), DSIG, "SignedInfo"))?;
    let value = STANDARD.encode(plain(scheme, certificate.key(), signer.sign(scheme, &info)?)?);
    let Some(stamp) = options.stamp else { return Ok(whole(&digest, &value, "")) };
    let draft = whole(&digest, &value, "");
    let stamped = canonical(&draft, |doc| doc.child(doc.root(), DSIG, "SignatureValue"))?;
    let token = STANDARD.encode(stamp(&stamped)?);
    let unsigned = format!(
        r#"<xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:SignatureTimeStamp><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/><xades:EncapsulatedTimeStamp>{token}</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp></xades:UnsignedSignatureProperties></xades:UnsignedProperties>"#
    );
    Ok(whole(&digest, &value, &unsigned))
}

/// `xs:dateTime` out of a GeneralizedTime.
fn date_time(at: UnixTime) -> String {
    let der = generalized(at);
    let part = |from: usize, to: usize| {
        String::from_utf8_lossy(der.get(2 + from..2 + to).unwrap_or(&[])).into_owned()
    };
    let (date, clock) = ([part(0, 4), part(4, 6), part(6, 8)], [part(8, 10), part(10, 12), part(12, 14)]);
    format!("{}T{}Z", date.join("-"), clock.join(":"))
}

/// XML-DSig has ECDSA values as `r || s` (RFC 9231 §2.3.6).
fn plain(scheme: Scheme, key: Key, value: Vec<u8>) -> Result<Vec<u8>> {
    match (scheme, key) {
        (Scheme::Ecdsa(_), Key::Ec { bits, .. }) => ecdsa_to_plain(&value, bits.div_ceil(8) as usize)
            .map_err(|_| CryptoError::Internal { what: "ECDSA signature" }),
        _ => Ok(value),
    }
}

/// Canonical octets of an element of our own text.
fn canonical(text: &str, find: impl Fn(&Document<'_>) -> Option<NodeId>) -> Result<Vec<u8>> {
    let defect = CryptoError::Internal { what: "canonicalisation of our own signature" };
    let Ok(doc) = Document::read(text, &xml::Caps::default()) else { return Err(defect) };
    let Some(node) = find(&doc) else { return Err(defect) };
    let mut out = Vec::new();
    match doc.canonical(&doc.subtree(node, false), C14nMode::Exclusive, &[], &mut out) {
        Ok(()) => Ok(out),
        Err(_) => Err(defect),
    }
}

/// SHA-256 of the canonical document.
fn digest(doc: &Document<'_>) -> Result<Vec<u8>> {
    let mut hasher = Hash::Sha256.hasher();
    doc.canonical(&doc.whole(false), C14nMode::Exclusive, &[], &mut hasher)
        .map_err(|e| CryptoError::NotSignable { reason: e.to_string() })?;
    Ok(hasher.finish())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
