// SPDX-License-Identifier: EUPL-1.2
//! The properties of XAdES (ETSI EN 319 132-1, TS 101 903): read from this signature's own `ds:Object` only.
//!
//! Guarantees: a property counts as signed only when the element that holds it is what a reference of this signature
//! covers. Does not: verify time-stamps or certificates; it hands them out.

use super::form::{CERTIFICATES, Canonical, Form, Transform, octets, transform};
use super::reference;
use crate::signature::UnixTime;
use crate::xml::{C14nMode, DSIG, Document, NodeId};

/// Type of the reference to the signed properties.
pub(super) const SIGNED_PROPERTIES: &str = "http://uri.etsi.org/01903#SignedProperties";
pub(super) const XADES: &str = "http://uri.etsi.org/01903/v1.3.2#";
pub(super) const XADES141: &str = "http://uri.etsi.org/01903/v1.4.1#";
const NAMESPACES: [&str; 3] =
    [XADES, "http://uri.etsi.org/01903/v1.2.2#", "http://uri.etsi.org/01903/v1.1.1#"];

/// A time-stamp in the unsigned properties.
pub(super) struct Stamp {
    pub(super) kind: &'static str,
    pub(super) canonical: Option<Canonical>,
    pub(super) token: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Properties {
    /// `xades:SignedProperties`; `None` = this is plain XML-DSig.
    pub(super) signed: Option<NodeId>,
    pub(super) claimed: Option<UnixTime>,
    /// Digest algorithm (address) and digest of the signing certificate; the first counts.
    pub(super) certificate: Option<(String, Vec<u8>)>,
    pub(super) stamps: Vec<Stamp>,
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) crls: Vec<Vec<u8>>,
    pub(super) ocsps: Vec<Vec<u8>>,
    pub(super) notes: Vec<String>,
}

/// The properties of a signature. Several `QualifyingProperties` are malformed.
pub(super) fn read(doc: &Document<'_>, form: &Form) -> Result<Properties, String> {
    let mut found = Properties::default();
    let qualifying: Vec<_> = form
        .objects
        .iter()
        .flat_map(|o| doc.elements(*o))
        .filter(|n| doc.name(*n) == "QualifyingProperties" && NAMESPACES.contains(&doc.namespace(*n)))
        .collect();
    let node = match qualifying.as_slice() {
        [] => return Ok(found),
        [node] => *node,
        _ => return Err("several QualifyingProperties".into()),
    };
    let ns = doc.namespace(node);
    let own = doc.id_of(form.node).map(|id| format!("#{id}"));
    if doc.attribute(node, "Target") != own.as_deref() {
        found.notes.push("xades-target-elsewhere".into());
    }
    let parts = doc.elements(node);
    let only = |name: &str| {
        let mut of: Vec<_> = parts.iter().copied().filter(|n| doc.is(*n, ns, name)).collect();
        let first = of.pop();
        if of.is_empty() { Ok(first) } else { Err(format!("several {name}")) }
    };
    found.signed = only("SignedProperties")?;
    if let Some(signed) = found.signed {
        signed_properties(doc, ns, signed, &mut found)?;
    }
    if let Some(unsigned) = only("UnsignedProperties")? {
        unsigned_properties(doc, ns, unsigned, &mut found)?;
    }
    Ok(found)
}

fn signed_properties(
    doc: &Document<'_>,
    ns: &str,
    signed: NodeId,
    found: &mut Properties,
) -> Result<(), String> {
    let signature = doc.child(signed, ns, "SignedSignatureProperties");
    for node in signature.map_or_else(Vec::new, |n| doc.elements(n)) {
        match doc.name(node) {
            "SigningTime" => {
                found.claimed = Some(time(doc.content(node).trim()).ok_or("SigningTime is not a time")?);
            }
            "SigningCertificate" | "SigningCertificateV2" if found.certificate.is_none() => {
                let first = doc.child(node, ns, "Cert").and_then(|cert| doc.child(cert, ns, "CertDigest"));
                let method = first.and_then(|d| doc.child(d, DSIG, "DigestMethod"));
                let value =
                    first.and_then(|d| doc.child(d, DSIG, "DigestValue")).and_then(|v| octets(doc, v));
                let method = method.and_then(|m| doc.attribute(m, "Algorithm"));
                match (method, value) {
                    (Some(method), Some(value)) => found.certificate = Some((method.to_owned(), value)),
                    _ => return Err(format!("{} is malformed", doc.name(node))),
                }
            }
            "SigningCertificate" | "SigningCertificateV2" => {
                return Err("several signing certificates".into());
            }
            "SignaturePolicyIdentifier" if doc.child(node, ns, "SignaturePolicyImplied").is_none() => {
                found.notes.push("signature-policy-not-checked".into());
            }
            "SignerRole" | "SignerRoleV2" => found.notes.push("signer-role-claimed".into()),
            "SignatureProductionPlace" | "SignatureProductionPlaceV2" => {
                found.notes.push("signature-place-claimed".into());
            }
            _ => {}
        }
    }
    let objects = doc.child(signed, ns, "SignedDataObjectProperties");
    for node in objects.map_or_else(Vec::new, |n| doc.elements(n)) {
        match doc.name(node) {
            "CommitmentTypeIndication" => found.notes.push("commitment-claimed".into()),
            "AllDataObjectsTimeStamp" | "IndividualDataObjectsTimeStamp" => {
                found.notes.push("content-time-stamp-not-checked".into());
            }
            _ => {}
        }
    }
    Ok(())
}

fn unsigned_properties(
    doc: &Document<'_>,
    ns: &str,
    unsigned: NodeId,
    found: &mut Properties,
) -> Result<(), String> {
    let signature = doc.child(unsigned, ns, "UnsignedSignatureProperties");
    for node in signature.map_or_else(Vec::new, |n| doc.elements(n)) {
        let kind = match (doc.name(node), doc.namespace(node)) {
            ("SignatureTimeStamp", _) => "signature",
            ("ArchiveTimeStamp", _) => "archive",
            ("CertificateValues", _) => {
                collect(doc, doc.all(node, ns, "EncapsulatedX509Certificate"), &mut found.certificates)?;
                continue;
            }
            ("TimeStampValidationData", XADES141) => {
                collect(doc, doc.all(node, ns, "EncapsulatedX509Certificate"), &mut found.certificates)?;
                collect(doc, doc.all(node, ns, "EncapsulatedCRLValue"), &mut found.crls)?;
                collect(doc, doc.all(node, ns, "EncapsulatedOCSPValue"), &mut found.ocsps)?;
                continue;
            }
            ("RevocationValues", _) => {
                collect(doc, doc.all(node, ns, "EncapsulatedCRLValue"), &mut found.crls)?;
                collect(doc, doc.all(node, ns, "EncapsulatedOCSPValue"), &mut found.ocsps)?;
                continue;
            }
            ("CounterSignature", _) => {
                found.notes.push("counter-signature".into());
                continue;
            }
            _ => continue,
        };
        let canonical = doc.child(node, DSIG, "CanonicalizationMethod").map(|m| transform(doc, m));
        let canonical = match canonical {
            None => Some(Canonical { mode: C14nMode::Inclusive, prefixes: Vec::new() }),
            Some(Transform::Canonical(canonical)) => Some(canonical),
            Some(_) => None,
        };
        for token in doc.all(node, ns, "EncapsulatedTimeStamp") {
            if found.stamps.len() == 20 {
                return Err("too many time-stamps".into());
            }
            let token = octets(doc, token).ok_or("a time-stamp is not base64")?;
            found.stamps.push(Stamp { kind, canonical: canonical.clone(), token });
        }
    }
    Ok(())
}

fn collect(doc: &Document<'_>, nodes: Vec<NodeId>, into: &mut Vec<Vec<u8>>) -> Result<(), String> {
    for node in nodes {
        if into.len() == CERTIFICATES {
            return Err("too many certificates or revocation lists".into());
        }
        into.push(octets(doc, node).ok_or("a certificate or revocation list is not base64")?);
    }
    Ok(())
}

/// Is this the certificate the signed property names?
pub(super) fn names(property: &(String, Vec<u8>), certificate: &[u8]) -> bool {
    reference::algorithm(&property.0).is_some_and(|hash| hash.digest(certificate) == property.1)
}

/// `xs:dateTime`; without a zone it is read as UTC.
pub(in crate::signature) fn time(text: &str) -> Option<UnixTime> {
    let (date, clock) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|n| digits(n, 4));
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone_at = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone_at);
    let clock = clock.split('.').next()?;
    let mut clock = clock.splitn(3, ':').map(|n| digits(n, 2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let offset = match zone.as_bytes() {
        [] | b"Z" => 0,
        [sign, rest @ ..] => {
            let (h, m) = std::str::from_utf8(rest).ok()?.split_once(':')?;
            let seconds = digits(h, 2)? * 3600 + digits(m, 2)? * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

fn digits(text: &str, at_most: usize) -> Option<i64> {
    let good = !text.is_empty() && text.len() <= at_most && text.bytes().all(|b| b.is_ascii_digit());
    if good { text.parse().ok() } else { None }
}

/// Days from 1970-01-01 in the Gregorian calendar: years begin in March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_read() {
        assert_eq!(time("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(time("2019-10-25T11:46:59+02:00"), Some(1_571_996_819));
        assert_eq!(time("2024-02-29T12:00:00.123Z"), Some(1_709_208_000));
        assert_eq!(time("2024-13-01T00:00:00Z"), None);
        assert_eq!(time("gestern"), None);
    }
}
