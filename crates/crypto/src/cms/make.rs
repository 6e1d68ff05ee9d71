// SPDX-License-Identifier: EUPL-1.2
//! Making CMS: signatures CAdES-B and -T (EN 319 122-1 §6) and encrypted messages (RFC 5652 §6, RFC 5083).
//!
//! Guarantees: DER; AES-256 for content, OAEP with SHA-256 or ECDH with SHA-256 and AES-256 key wrap for keys. Does not:
//! encrypt with anything weaker, nor check the certificates: the caller judged them.

use zeroize::Zeroizing;

use crate::asn1::{Algorithm, Reader, oid, tag, time, write};
use crate::certificate::Certificate;
use crate::error::{CryptoError, Result};
use crate::ffi::{self, Cbc};
use crate::identity::Signer;
use crate::random;
use crate::signature::UnixTime;
use crate::signature::algorithm::{Hash, Key, Scheme};

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub enum ToSign<'a> {
    /// The signature holds it.
    Attached(&'a [u8]),
    /// The signature lies beside it.
    Detached(&'a [u8]),
    /// As above; only its digest is at hand, made with this hash, which must be that of the scheme.
    Digest(Hash, &'a [u8]),
}

/// Asks a time-stamp authority: takes the octets to be stamped, gives the token.
pub type Stamp<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<u8>>;

/// How to sign.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// How; `None` = as the key does it.
    pub scheme: Option<Scheme>,
    /// The time the signature claims; `None` = none (PAdES says it elsewhere).
    pub claimed_at: Option<UnixTime>,
    /// A time-stamp on the signature makes it CAdES-T.
    pub stamp: Option<Stamp<'a>>,
    /// Revocation lists (DER) that go along, so that a verifier need not fetch them.
    pub lists: &'a [Vec<u8>],
}

/// Signs; gives DER of a SignedData.
///
/// # Errors
/// When key and scheme do not fit, a token fails, or the time-stamp cannot be had.
pub fn sign(what: ToSign<'_>, signer: &dyn Signer, options: Options<'_>) -> Result<Vec<u8>> {
    let scheme = options.scheme.map_or_else(|| signer.scheme(), Ok)?;
    // Ed25519 goes with SHA-512 (RFC 8419 §3.1).
    let hash = scheme.hash().unwrap_or(Hash::Sha512);
    let (digest, content) = match what {
        ToSign::Attached(content) => (hash.digest(content), Some(content)),
        ToSign::Detached(content) => (hash.digest(content), None),
        ToSign::Digest(with, digest) if with == hash => (digest.to_vec(), None),
        ToSign::Digest(..) => return Err(CryptoError::Internal { what: "digest of another kind" }),
    };
    let certificate = signer.certificate();
    let attribute = |which, value: &[u8]| write::sequence(&[&write::oid(which), &write::set(&[value])]);
    let digest_algorithm = write::algorithm(hash.oid(), &[]);
    // SHA-256 is the default of ESSCertIDv2 and must then be left out.
    let named = if hash == Hash::Sha256 { &[][..] } else { &digest_algorithm };
    let issuer = write::sequence(&[
        &write::sequence(&[&write::of(tag::constructed(4), &[certificate.issuer().der()])]),
        &write::element(tag::INTEGER, certificate.serial()),
    ]);
    let bound = write::sequence(&[named, &write::octets(&hash.digest(certificate.der())), &issuer]);
    let mut attributes = vec![
        attribute(oid::CONTENT_TYPE, &write::oid(oid::DATA)),
        attribute(oid::MESSAGE_DIGEST, &write::octets(&digest)),
        attribute(oid::SIGNING_CERTIFICATE_V2, &write::sequence(&[&write::sequence(&[&bound])])),
    ];
    if let Some(at) = options.claimed_at {
        attributes.push(attribute(oid::SIGNING_TIME, &time::either(at)));
    }
    let set = write::set(&attributes.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let value = signer.sign(scheme, &set)?;
    let unsigned = match options.stamp {
        Some(stamp) => {
            write::of(tag::constructed(1), &[&attribute(oid::SIGNATURE_TIME_STAMP, &stamp(&value)?)])
        }
        None => vec![],
    };
    let mut signed = set;
    if let Some(first) = signed.first_mut() {
        *first = tag::constructed(0);
    }
    let info = write::sequence(&[
        &write::small(1),
        &certificate.issuer_and_serial(),
        &digest_algorithm,
        &signed,
        &scheme.to_der(),
        &write::octets(&value),
        &unsigned,
    ]);
    let inside = content.map(|c| write::of(tag::constructed(0), &[&write::octets(c)])).unwrap_or_default();
    let mut certificates: Vec<&[u8]> = vec![certificate.der()];
    certificates.extend(signer.chain().iter().map(Certificate::der));
    certificates.sort_unstable();
    let mut lists: Vec<&[u8]> = options.lists.iter().map(Vec::as_slice).collect();
    lists.sort_unstable();
    let lists = if lists.is_empty() { vec![] } else { write::of(tag::constructed(1), &lists) };
    let data = write::sequence(&[
        &write::small(1),
        &write::set(&[&digest_algorithm]),
        &write::sequence(&[&write::oid(oid::DATA), &inside]),
        &write::of(tag::constructed(0), &certificates),
        &lists,
        &write::set(&[&info]),
    ]);
    Ok(write::sequence(&[&write::oid(oid::SIGNED_DATA), &write::of(tag::constructed(0), &[&data])]))
}

/// How the content is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentCipher {
    /// AuthEnvelopedData: what everybody should read by now (RFC 8551).
    Aes256Gcm,
    /// EnvelopedData for recipients that cannot read the other; without integrity, so sign inside.
    Aes256Cbc,
}

/// Encrypts for all recipients; gives DER.
///
/// # Errors
/// When a recipient's key is neither RSA (not PSS only) nor on a curve, or its key usage forbids it.
pub fn encrypt(content: &[u8], recipients: &[Certificate], cipher: ContentCipher) -> Result<Vec<u8>> {
    let key = Zeroizing::new(random::array::<32>()?);
    let infos: Vec<Vec<u8>> =
        recipients.iter().map(|recipient| for_recipient(recipient, &key)).collect::<Result<_>>()?;
    if infos.is_empty() {
        return Err(CryptoError::NoRecipient { recipients: vec![] });
    }
    let agreed = recipients.iter().any(|recipient| matches!(recipient.key(), Key::Ec { .. }));
    let infos = write::set(&infos.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let failed = CryptoError::Internal { what: "content encryption" };
    let sealed = |algorithm: &[u8], octets: &[u8]| {
        write::sequence(&[&write::oid(oid::DATA), algorithm, &write::element(tag::context(0), octets)])
    };
    let (which, data) = match cipher {
        ContentCipher::Aes256Gcm => {
            let nonce = random::array::<12>()?;
            let mut octets = ffi::gcm(true, &*key, &nonce, &[], content, 16).ok_or(failed)?;
            let mac = octets.split_off(octets.len().saturating_sub(16));
            let parameters = write::sequence(&[&write::octets(&nonce), &write::small(16)]);
            let info = sealed(&write::algorithm(oid::AES256_GCM, &parameters), &octets);
            (
                oid::AUTH_ENVELOPED_DATA,
                write::sequence(&[&write::small(0), &infos, &info, &write::octets(&mac)]),
            )
        }
        ContentCipher::Aes256Cbc => {
            let iv = random::array::<16>()?;
            let octets = Cbc::Aes256.encrypt(&*key, &iv, content).ok_or(failed)?;
            let info = sealed(&write::algorithm(oid::AES256_CBC, &write::octets(&iv)), &octets);
            let version = if agreed { 2 } else { 0 };
            (oid::ENVELOPED_DATA, write::sequence(&[&write::small(version), &infos, &info]))
        }
    };
    Ok(write::sequence(&[&write::oid(which), &write::of(tag::constructed(0), &[&data])]))
}

/// RecipientInfo: the content key for one recipient.
fn for_recipient(recipient: &Certificate, key: &[u8; 32]) -> Result<Vec<u8>> {
    use crate::certificate::extensions::usage;
    let unusable = |reason| CryptoError::KeyUnusable { reason };
    let public =
        ffi::PublicKey::from_spki(recipient.spki()).ok_or(unusable("recipient's key cannot be read"))?;
    match recipient.key() {
        Key::Rsa { pss_only: false, .. } => {
            if !recipient.extensions().allows_usage(usage::KEY_ENCIPHERMENT | usage::DATA_ENCIPHERMENT) {
                return Err(unusable("recipient's certificate is not for encryption"));
            }
            let sealed = public
                .oaep(Hash::Sha256, Hash::Sha256, key)
                .ok_or(unusable("recipient's key is too short"))?;
            let sha = write::algorithm(oid::SHA256, write::NULL);
            let parameters = write::sequence(&[
                &write::of(tag::constructed(0), &[&sha]),
                &write::of(tag::constructed(1), &[&write::algorithm(oid::MGF1, &sha)]),
            ]);
            Ok(write::sequence(&[
                &write::small(0),
                &recipient.issuer_and_serial(),
                &write::algorithm(oid::RSA_OAEP, &parameters),
                &write::octets(&sealed),
            ]))
        }
        Key::Ec { .. } => {
            if !recipient.extensions().allows_usage(usage::KEY_AGREEMENT) {
                return Err(unusable("recipient's certificate is not for encryption"));
            }
            let internal = |_| CryptoError::Internal { what: "key agreement" };
            let ephemeral = public.ephemeral().ok_or(unusable("recipient's curve is not known"))?;
            let secret = ephemeral.agree(&public).ok_or(unusable("recipient's key does not agree"))?;
            let wrap = write::algorithm(oid::AES256_WRAP, &[]);
            let kek = super::enveloped::derive(Hash::Sha256, &secret, &wrap, None, 32);
            let sealed = ffi::wrap(&kek, key).ok_or(CryptoError::Internal { what: "key wrap" })?;
            let spki = ephemeral.spki().ok_or(CryptoError::Internal { what: "public key" })?;
            let mut reader = Reader::only(&spki, tag::SEQUENCE).map_err(internal)?.reader();
            Algorithm::read(reader.sequence().map_err(internal)?).map_err(internal)?;
            let point = reader.expect(tag::BIT_STRING).map_err(internal)?;
            let originator = write::of(tag::constructed(1), &[&write::algorithm(oid::EC, &[]), point.whole]);
            let for_key = write::sequence(&[&recipient.issuer_and_serial(), &write::octets(&sealed)]);
            Ok(write::of(
                tag::constructed(1),
                &[
                    &write::small(3),
                    &write::of(tag::constructed(0), &[&originator]),
                    &write::algorithm(oid::ECDH_STD_SHA256, &wrap),
                    &write::sequence(&[&for_key]),
                ],
            ))
        }
        _ => Err(unusable("recipient's key cannot encrypt")),
    }
}
