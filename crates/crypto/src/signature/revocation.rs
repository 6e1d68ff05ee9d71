// SPDX-License-Identifier: EUPL-1.2
//! Is a certificate revoked: revocation lists (RFC 5280 §5, §6.3) and answers of responders (RFC 6960).
//!
//! Guarantees: lists and answers count only when signed by the issuer or by a responder the issuer appointed
//! (`id-kp-OCSPSigning`, itself not on a list of the issuer), when they are about this very certificate, complete and of
//! the right time. Does not: read indirect or delta lists (they count as nothing known), nor fetch.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::algorithm::{Hash, Scheme, Signed, verify_raw};
use super::chain::{Material, asked};
use super::setting::Setting;
use super::{RevocationFacts, UnixTime, Wanted};
use crate::asn1::{Algorithm, Malformed, Node, Oid, Read, Reader, oid, tag, time, write};
use crate::certificate::extensions::{names, usage};
use crate::certificate::{Certificate, Name};
use crate::digest::hex;

/// How far clocks may be apart, seconds.
const SKEW: i64 = 300;

/// What is asked.
pub(crate) struct Question<'a> {
    /// About which certificate.
    pub certificate: &'a Certificate,
    /// Who issued it.
    pub issuer: &'a Certificate,
    /// At which time.
    pub at: UnixTime,
}

/// The answer.
pub(crate) enum Status {
    /// Not revoked at that time.
    Good(RevocationFacts),
    /// Revoked before or at that time.
    Revoked(RevocationFacts),
    /// Suspended.
    Held(RevocationFacts),
    /// Not known; what could be asked.
    Unknown(Vec<Wanted>),
}

/// What one list or answer says.
struct Finding {
    source: &'static str,
    this_update: UnixTime,
    next_update: Option<UnixTime>,
    /// Since when, and is it only a suspension?
    revoked: Option<(UnixTime, bool)>,
    /// It also tells of certificates that expired after this.
    keeps_since: Option<UnixTime>,
}

/// Looks through everything there is.
pub(crate) fn status(ask: &Question<'_>, material: &Material, setting: &Setting<'_>) -> Status {
    let extensions = ask.certificate.extensions();
    let known =
        |wanted: &Wanted| setting.known.iter().find(|k| k.wanted == *wanted).map(|k| k.octets.as_slice());
    let ocsps: Vec<Wanted> = extensions
        .ocsp_urls
        .iter()
        .filter(|url| url.starts_with("http"))
        .take(3)
        .map(|url| Wanted::Ocsp {
            url: url.clone(),
            request: STANDARD.encode(request(ask.certificate, ask.issuer)),
        })
        .collect();
    let crls: Vec<Wanted> =
        extensions.crl_urls.iter().take(5).map(|url| Wanted::Crl { url: url.clone() }).collect();

    let mut best: Option<Status> = None;
    let answers = ocsps.iter().filter_map(known).chain(material.ocsps.iter().map(Vec::as_slice));
    let lists = || crls.iter().filter_map(known).chain(material.crls.iter().map(Vec::as_slice));
    let findings = answers
        .take(100)
        .filter_map(|octets| ocsp(octets, ask, lists()).ok())
        .chain(lists().take(100).filter_map(|octets| crl(octets, ask.certificate, ask.issuer).ok()));
    for finding in findings {
        if finding.this_update > setting.now + SKEW {
            continue;
        }
        let mut facts = RevocationFacts {
            certificate: hex(&ask.certificate.sha256()),
            source: finding.source.to_owned(),
            this_update: finding.this_update,
            revoked_at: finding.revoked.map(|(at, _)| at),
        };
        match finding.revoked {
            // Once revoked, always revoked, however old the list.
            Some((since, false)) if since <= ask.at => return Status::Revoked(facts),
            Some((since, true)) if since <= ask.at => {
                best = Some(Status::Held(facts));
                continue;
            }
            _ => {}
        }
        if finding.revoked.is_some_and(|(_, held)| held) {
            facts.revoked_at = None;
        }
        let of_time = finding.this_update >= ask.at
            || finding.next_update.is_some_and(|next| next >= ask.at) && finding.this_update <= ask.at + SKEW;
        let ended = ask.certificate.not_after();
        let still_listed = finding.revoked.is_some()
            || finding.this_update <= ended
            || finding.keeps_since.is_some_and(|since| since <= ended);
        if of_time && still_listed && best.is_none() {
            best = Some(Status::Good(facts));
        }
    }
    best.unwrap_or_else(|| {
        // First the responder; the list when it gave nothing of use.
        let next = |all: Vec<Wanted>| all.into_iter().find(|w| !asked(setting.known, w));
        Status::Unknown(next(ocsps).or_else(|| next(crls)).into_iter().collect())
    })
}

/// Reads one extension of a list or answer: which, critical, value.
fn extension<'a>(node: &Node<'a>) -> Read<(Oid, bool, &'a [u8])> {
    let mut reader = node.tagged(tag::SEQUENCE)?.reader();
    let which = reader.oid()?;
    let critical = reader.optional(tag::BOOLEAN)?.is_some_and(|node| node.boolean().unwrap_or(true));
    Ok((which, critical, reader.octets()?))
}

/// What a revocation list says about a certificate of this issuer.
fn crl(octets: &[u8], certificate: &Certificate, issuer: &Certificate) -> Read<Finding> {
    let pem;
    let octets = if octets.starts_with(b"-----") {
        pem = crate::certificate::pem::blocks(octets, 1);
        pem.first().map(|block| block.octets.as_slice()).unwrap_or_default()
    } else {
        octets
    };
    let mut outer = Reader::only(octets, tag::SEQUENCE)?.reader();
    let tbs = outer.expect(tag::SEQUENCE)?;
    let scheme = Scheme::read(&Algorithm::read(outer.sequence()?)?, None)?;
    let signature = outer.expect(tag::BIT_STRING)?.bits()?;

    let mut reader = tbs.reader();
    reader.optional(tag::INTEGER)?;
    reader.expect(tag::SEQUENCE)?;
    if Name::read(&reader.expect(tag::SEQUENCE)?)? != *certificate.issuer() {
        return Err(Malformed("list of another issuer"));
    }
    let this_update = time::read(&reader.next_node()?)?;
    let next_update = match reader.peek() {
        Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => Some(time::read(&reader.next_node()?)?),
        _ => None,
    };
    let entries = reader.optional(tag::SEQUENCE)?;
    let mut keeps_since = None;
    if let Some(node) = reader.optional(tag::constructed(0))? {
        for node in node.reader().sequence()?.all(100)? {
            match extension(&node)? {
                (oid::DELTA_CRL, ..) => return Err(Malformed("delta list")),
                (oid::ISSUING_DISTRIBUTION_POINT, _, value) => in_scope(value, certificate)?,
                (oid::EXPIRED_CERTS_ON_CRL, _, value) => {
                    keeps_since = Some(time::read(&Reader::new(value).next_node()?)?);
                }
                (oid::AUTHORITY_KEY_ID | oid::CRL_NUMBER, ..) => {}
                (_, true, _) => return Err(Malformed("critical extension of a list")),
                _ => {}
            }
        }
    }
    let mut revoked = None;
    if let Some(entries) = entries {
        let mut entries = entries.reader();
        while !entries.is_empty() {
            let mut entry = entries.sequence()?;
            if entry.integer()? == certificate.serial() {
                let since = time::read(&entry.next_node()?)?;
                let mut reason = 0;
                if !entry.is_empty() {
                    for node in entry.sequence()?.all(20)? {
                        match extension(&node)? {
                            (oid::CRL_REASON, _, value) => {
                                reason = Reader::only(value, tag::ENUMERATED)?
                                    .content
                                    .first()
                                    .copied()
                                    .unwrap_or(0);
                            }
                            (oid::CERTIFICATE_ISSUER, ..) => return Err(Malformed("indirect list")),
                            _ => {}
                        }
                    }
                }
                revoked = Some((since, reason == 6));
                break;
            }
        }
    }
    // The signature last: it costs most.
    let signed = issuer.extensions().allows_usage(usage::CRL_SIGN)
        && scheme.is_some_and(|s| verify_raw(issuer.spki(), s, Signed::Data(tbs.whole), signature));
    if !signed {
        return Err(Malformed("list not signed by the issuer"));
    }
    Ok(Finding { source: "crl", this_update, next_update, revoked, keeps_since })
}

/// Is the certificate among those the list is about (RFC 5280 §5.2.5)? A list of a distribution point is about those
/// that name the point, letter by letter; a name relative to the issuer is not resolved.
fn in_scope(value: &[u8], certificate: &Certificate) -> Read<()> {
    let extensions = certificate.extensions();
    let mut reader = Reader::only(value, tag::SEQUENCE)?.reader();
    if let Some(point) = reader.optional(tag::constructed(0))? {
        let full = point.reader().expect(tag::constructed(0))?;
        if !names(&full)?.iter().any(|name| extensions.crl_points.contains(name)) {
            return Err(Malformed("list of another distribution point"));
        }
    }
    for node in reader.all(6)? {
        let set = node.tag == tag::context(3) || node.boolean()?;
        let fits = match node.tag & 0x1f {
            1 => !extensions.ca,
            2 => extensions.ca,
            _ => false,
        };
        if set && !fits {
            return Err(Malformed("list of other certificates"));
        }
    }
    Ok(())
}

/// The question for a responder (RFC 6960 §4.1), without nonce.
#[must_use]
pub fn request(certificate: &Certificate, issuer: &Certificate) -> Vec<u8> {
    let id = write::sequence(&[
        &write::algorithm(oid::SHA1, write::NULL),
        &write::octets(&Hash::Sha1.digest(issuer.subject().der())),
        &write::octets(&Hash::Sha1.digest(issuer.key_octets())),
        &write::element(tag::INTEGER, certificate.serial()),
    ]);
    let list = write::sequence(&[&write::sequence(&[&id])]);
    write::sequence(&[&write::sequence(&[&list])])
}

/// What an answer of a responder says.
fn ocsp<'a>(octets: &[u8], ask: &Question<'_>, lists: impl Iterator<Item = &'a [u8]>) -> Read<Finding> {
    let mut outer = Reader::only(octets, tag::SEQUENCE)?.reader();
    if outer.peek() == Some(tag::ENUMERATED) {
        if outer.next_node()?.content != [0] {
            return Err(Malformed("responder gave no answer"));
        }
        let mut answer = outer.expect(tag::constructed(0))?.reader().sequence()?;
        if answer.oid()? != oid::OCSP_BASIC {
            return Err(Malformed("answer of unknown type"));
        }
        outer = Reader::only(answer.octets()?, tag::SEQUENCE)?.reader();
    }
    let tbs = outer.expect(tag::SEQUENCE)?;
    let scheme = Scheme::read(&Algorithm::read(outer.sequence()?)?, None)?;
    let scheme = scheme.ok_or(Malformed("signature algorithm of the answer"))?;
    let signature = outer.expect(tag::BIT_STRING)?.bits()?;
    let certificates = match outer.optional(tag::constructed(0))? {
        Some(node) => node.reader().sequence()?.all(20)?,
        None => vec![],
    };

    let mut reader = tbs.reader();
    reader.optional(tag::constructed(0))?;
    let responder = reader.next_node()?;
    let produced = time::read(&reader.expect(tag::GENERALIZED_TIME)?)?;
    let mut found = None;
    for node in reader.sequence()?.all(1000)? {
        let mut single = node.tagged(tag::SEQUENCE)?.reader();
        if !is_about(single.sequence()?, ask)? {
            continue;
        }
        let status = single.next_node()?;
        let this_update = time::read(&single.expect(tag::GENERALIZED_TIME)?)?;
        let next_update = match single.optional(tag::constructed(0))? {
            Some(node) => Some(time::read(&node.reader().next_node()?)?),
            None => None,
        };
        let mut keeps_since = None;
        if let Some(node) = single.optional(tag::constructed(1))? {
            for node in node.reader().sequence()?.all(20)? {
                match extension(&node)? {
                    (oid::OCSP_ARCHIVE_CUTOFF, _, value) => {
                        keeps_since = Some(time::read(&Reader::new(value).next_node()?)?);
                    }
                    (_, true, _) => return Err(Malformed("critical extension of an answer")),
                    _ => {}
                }
            }
        }
        let revoked = match status.tag & 0x1f {
            0 => None,
            1 => {
                let mut info = status.reader();
                let since = time::read(&info.next_node()?)?;
                let reason = match info.optional(tag::constructed(0))? {
                    Some(node) => node.reader().next_node()?.content.first().copied().unwrap_or(0),
                    None => 0,
                };
                Some((since, reason == 6))
            }
            _ => return Err(Malformed("responder does not know the certificate")),
        };
        found = Some(Finding { source: "ocsp", this_update, next_update, revoked, keeps_since });
        break;
    }
    let found = found.ok_or(Malformed("answer about another certificate"))?;

    let named = |certificate: &Certificate| match responder.tag {
        t if t == tag::constructed(1) => {
            Name::from_der(responder.content).is_ok_and(|name| name == *certificate.subject())
        }
        t if t == tag::constructed(2) => {
            responder.reader().octets().is_ok_and(|key| key == Hash::Sha1.digest(certificate.key_octets()))
        }
        _ => false,
    };
    let signs = |certificate: &Certificate| {
        named(certificate) && verify_raw(certificate.spki(), scheme, Signed::Data(tbs.whole), signature)
    };
    if signs(ask.issuer) {
        return Ok(found);
    }
    let appointed = |certificate: &Certificate| {
        let extensions = certificate.extensions();
        certificate.issuer() == ask.issuer.subject()
            && extensions.purposes.as_ref().is_some_and(|p| p.contains(&oid::OCSP_SIGNING))
            && extensions.unknown_critical.is_empty()
            && (certificate.not_before()..=certificate.not_after()).contains(&produced)
            && signs(certificate)
            && ask.issuer.signed(certificate)
    };
    let certificates = certificates.iter().filter_map(|node| Certificate::from_der(node.whole).ok());
    let responder =
        certificates.into_iter().find(appointed).ok_or(Malformed("responder was not appointed"))?;
    if !responder.extensions().no_check {
        for list in lists {
            if crl(list, &responder, ask.issuer).is_ok_and(|finding| finding.revoked.is_some()) {
                return Err(Malformed("responder's certificate is revoked"));
            }
        }
    }
    Ok(found)
}

/// Is this CertID that of the certificate asked about?
fn is_about(mut id: Reader<'_>, ask: &Question<'_>) -> Read<bool> {
    let Some(hash) = Hash::of(Algorithm::read(id.sequence()?)?.oid) else { return Ok(false) };
    let (name, key, serial) = (id.octets()?, id.octets()?, id.integer()?);
    Ok(serial == ask.certificate.serial()
        && name == hash.digest(ask.issuer.subject().der())
        && key == hash.digest(ask.issuer.key_octets()))
}

/// Checks that octets are readable as a list or an answer, without trusting them; for the fuzzer and for what fetches.
#[must_use]
pub fn is_readable(octets: &[u8], certificate: &Certificate, issuer: &Certificate) -> bool {
    let ask = Question { certificate, issuer, at: 0 };
    crl(octets, certificate, issuer).is_ok() || ocsp(octets, &ask, std::iter::empty()).is_ok()
}
