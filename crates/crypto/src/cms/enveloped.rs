// SPDX-License-Identifier: EUPL-1.2
//! EnvelopedData (RFC 5652 §6) and AuthEnvelopedData (RFC 5083) taken apart and opened.
//!
//! Guarantees: RSAES-PKCS1-v1_5 is never an oracle: a wrong padding gives a wrong content key, made of the cipher text
//! and a secret, and fails where every damaged message fails (RFC 3218); one error says "damaged" for all of it. AES-GCM
//! gives nothing out before its tag is verified. Does not: give integrity to CBC content ([`Opened::authenticated`] says
//! so; what shows it must know), nor know passwords and shared keys as recipients.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::normal;
use super::signed::SignerId;
use crate::asn1::{Algorithm, Malformed, Node, Oid, Read, Reader, oid, tag, write};
use crate::certificate::Certificate;
use crate::error::{CryptoError, Result};
use crate::ffi::{self, Cbc};
use crate::identity::DecryptionKey;
use crate::signature::algorithm::{Hash, read_mask};

/// What was inside.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The content; for S/MIME a MIME object.
    pub content: Vec<u8>,
    /// Its type, dotted; `1.2.840.113549.1.7.1` = data.
    pub content_type: String,
    /// Our certificate it was encrypted for; it may have expired.
    pub certificate: Certificate,
    /// `AES-256-GCM` and the like.
    pub cipher: &'static str,
    /// Was the content's integrity verified (AES-GCM)?
    pub authenticated: bool,
}

/// How the content is encrypted.
enum Cipher<'a> {
    Cbc { cipher: Cbc, iv: &'a [u8] },
    Gcm { key_len: usize, nonce: &'a [u8], tag: usize },
}

impl Cipher<'_> {
    const fn key_len(&self) -> usize {
        match self {
            Self::Cbc { cipher, .. } => cipher.key_len(),
            Self::Gcm { key_len, .. } => *key_len,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Cbc { cipher: Cbc::Aes128, .. } => "AES-128-CBC",
            Self::Cbc { cipher: Cbc::Aes192, .. } => "AES-192-CBC",
            Self::Cbc { cipher: Cbc::Aes256, .. } => "AES-256-CBC",
            Self::Cbc { cipher: Cbc::TripleDes, .. } => "3DES-CBC",
            Self::Gcm { key_len: 16, .. } => "AES-128-GCM",
            Self::Gcm { key_len: 24, .. } => "AES-192-GCM",
            Self::Gcm { .. } => "AES-256-GCM",
        }
    }
}

/// An encrypted object taken apart.
struct Enveloped<'a> {
    authenticated: bool,
    recipients: Vec<Recipient<'a>>,
    content_type: Oid,
    algorithm: Algorithm<'a>,
    content: Cow<'a, [u8]>,
    /// What the tag covers beside the content.
    additional: Vec<u8>,
    mac: &'a [u8],
}

/// One recipient.
struct Recipient<'a> {
    id: SignerId,
    algorithm: Algorithm<'a>,
    encrypted: &'a [u8],
    /// For key agreement: the sender's public key (content of the BIT STRING) and keying material.
    agreement: Option<(&'a [u8], Option<&'a [u8]>)>,
}

impl<'a> Enveloped<'a> {
    fn read(der: &'a [u8]) -> Read<Self> {
        let mut outer = Reader::only(der, tag::SEQUENCE)?.reader();
        let authenticated = match outer.oid()? {
            oid::ENVELOPED_DATA => false,
            oid::AUTH_ENVELOPED_DATA => true,
            _ => return Err(Malformed("not encrypted data")),
        };
        let mut reader = outer.expect(tag::constructed(0))?.reader().sequence()?;
        reader.integer()?;
        reader.optional(tag::constructed(0))?;
        let mut recipients = Vec::new();
        for node in reader.expect(tag::SET)?.reader().all(1000)? {
            match node.tag {
                tag::SEQUENCE => recipients.push(read_transport(&node)?),
                0xa1 => read_agreement(&node, &mut recipients)?,
                _ => {}
            }
        }
        let mut info = reader.sequence()?;
        let content_type = info.oid()?;
        let algorithm = Algorithm::read(info.sequence()?)?;
        let content = match info.peek() {
            Some(0x80 | 0xa0) => info.next_node()?.joined()?,
            _ => return Err(Malformed("encrypted content is not there")),
        };
        let (mut additional, mut mac) = (Vec::new(), &[][..]);
        if authenticated {
            if let Some(node) = reader.optional(tag::constructed(1))? {
                additional = write::element(tag::SET, node.content);
            }
            mac = reader.octets()?;
        }
        Ok(Self { authenticated, recipients, content_type, algorithm, content, additional, mac })
    }

    fn cipher(&self) -> Result<Cipher<'a>> {
        let unknown = || CryptoError::CipherUnknown { algorithm: self.algorithm.oid.to_string() };
        let damaged = |_| CryptoError::Undecryptable;
        let parameters = self.algorithm.parameters.ok_or_else(unknown)?;
        let cbc = |cipher| Ok(Cipher::Cbc { cipher, iv: parameters.content });
        let gcm = |key_len| {
            let mut reader = parameters.tagged(tag::SEQUENCE).map_err(damaged)?.reader();
            let nonce = reader.octets().map_err(damaged)?;
            let tag = if reader.is_empty() { 12 } else { reader.small().map_err(damaged)? as usize };
            Ok(Cipher::Gcm { key_len, nonce, tag })
        };
        match (self.authenticated, self.algorithm.oid) {
            (false, oid::AES128_CBC) => cbc(Cbc::Aes128),
            (false, oid::AES192_CBC) => cbc(Cbc::Aes192),
            (false, oid::AES256_CBC) => cbc(Cbc::Aes256),
            (false, oid::DES_EDE3_CBC) => cbc(Cbc::TripleDes),
            (true, oid::AES128_GCM) => gcm(16),
            (true, oid::AES192_GCM) => gcm(24),
            (true, oid::AES256_GCM) => gcm(32),
            _ => Err(unknown()),
        }
    }
}

/// KeyTransRecipientInfo (RFC 5652 §6.2.1).
fn read_transport<'a>(node: &Node<'a>) -> Read<Recipient<'a>> {
    let mut reader = node.reader();
    reader.integer()?;
    let id = SignerId::read(&reader.next_node()?)?;
    let algorithm = Algorithm::read(reader.sequence()?)?;
    Ok(Recipient { id, algorithm, encrypted: reader.octets()?, agreement: None })
}

/// KeyAgreeRecipientInfo (RFC 5652 §6.2.2) with an ephemeral key (RFC 5753 §3.1).
fn read_agreement<'a>(node: &Node<'a>, recipients: &mut Vec<Recipient<'a>>) -> Read<()> {
    let mut reader = node.reader();
    reader.integer()?;
    let originator = reader.expect(tag::constructed(0))?.reader().next_node()?;
    let keying = match reader.optional(tag::constructed(1))? {
        Some(node) => Some(node.reader().octets()?),
        None => None,
    };
    let algorithm = Algorithm::read(reader.sequence()?)?;
    let keys = reader.sequence()?.all(1000)?;
    if originator.tag != tag::constructed(1) {
        // Static keys of the sender: nobody uses them.
        return Ok(());
    }
    let mut key = originator.reader();
    key.sequence()?;
    let key = key.expect(tag::BIT_STRING)?.bits()?;
    for node in keys {
        let mut reader = node.tagged(tag::SEQUENCE)?.reader();
        let id = reader.next_node()?;
        let id = if id.tag == tag::constructed(0) {
            SignerId::Key(id.reader().octets()?.to_vec())
        } else {
            SignerId::read(&id)?
        };
        recipients.push(Recipient {
            id,
            algorithm,
            encrypted: reader.octets()?,
            agreement: Some((key, keying)),
        });
    }
    Ok(())
}

/// For whom it is encrypted: issuer and serial number, or key identifier.
///
/// # Errors
/// When it is no encrypted CMS object.
pub fn recipients(octets: &[u8]) -> Read<Vec<SignerId>> {
    Ok(Enveloped::read(&normal(octets)?)?.recipients.into_iter().map(|recipient| recipient.id).collect())
}

/// Opens it with whichever of the keys it is encrypted for.
///
/// # Errors
/// [`CryptoError::CmsFormat`], [`CryptoError::NoRecipient`] (names those it is for), [`CryptoError::CipherUnknown`],
/// [`CryptoError::Undecryptable`] (damaged, or the key is another), or what a token says.
pub fn decrypt(octets: &[u8], keys: &[&dyn DecryptionKey]) -> Result<Opened> {
    let format = |malformed: Malformed| CryptoError::CmsFormat { reason: malformed.0 };
    let der = normal(octets).map_err(format)?;
    let data = Enveloped::read(&der).map_err(format)?;
    let cipher = data.cipher()?;
    let mut outcome = CryptoError::NoRecipient {
        recipients: data.recipients.iter().take(20).map(|recipient| recipient.id.to_string()).collect(),
    };
    for recipient in &data.recipients {
        for key in keys.iter().filter(|key| recipient.id.is(key.certificate())) {
            match open(&data, &cipher, recipient, *key) {
                Ok(content) => {
                    return Ok(Opened {
                        content,
                        content_type: data.content_type.to_string(),
                        certificate: key.certificate().clone(),
                        cipher: cipher.name(),
                        authenticated: data.authenticated,
                    });
                }
                Err(error) => outcome = error,
            }
        }
    }
    Err(outcome)
}

fn open(
    data: &Enveloped<'_>,
    cipher: &Cipher<'_>,
    recipient: &Recipient<'_>,
    key: &dyn DecryptionKey,
) -> Result<Vec<u8>> {
    let content_key = match recipient.agreement {
        Some((peer, keying)) => agreed(recipient, peer, keying, key)?,
        None => transported(recipient, cipher.key_len(), key)?,
    };
    let content_key =
        content_key.filter(|k| k.len() == cipher.key_len()).ok_or(CryptoError::Undecryptable)?;
    match cipher {
        Cipher::Cbc { cipher, iv } => cipher.decrypt(&content_key, iv, &data.content),
        Cipher::Gcm { nonce, tag, .. } if data.mac.len() == *tag => {
            let mut sealed = Vec::with_capacity(data.content.len() + tag);
            sealed.extend_from_slice(&data.content);
            sealed.extend_from_slice(data.mac);
            ffi::gcm(false, &content_key, nonce, &data.additional, &sealed, *tag)
        }
        Cipher::Gcm { .. } => None,
    }
    .ok_or(CryptoError::Undecryptable)
}

/// The content key by RSA.
fn transported(
    recipient: &Recipient<'_>,
    key_len: usize,
    key: &dyn DecryptionKey,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    match recipient.algorithm.oid {
        oid::RSA => {
            Ok(key.rsa_raw(recipient.encrypted)?.map(|block| unpad(&block, key_len, recipient.encrypted)))
        }
        oid::RSA_OAEP => {
            let damaged = |_| CryptoError::Undecryptable;
            let (hash, mask, label) = read_oaep(recipient.algorithm.parameters.as_ref()).map_err(damaged)?;
            let (Some(hash), Some(mask)) = (hash, mask) else {
                return Err(CryptoError::CipherUnknown { algorithm: "RSAES-OAEP".to_owned() });
            };
            key.oaep(hash, mask, label, recipient.encrypted)
        }
        other => Err(CryptoError::CipherUnknown { algorithm: other.to_string() }),
    }
}

/// RSAES-OAEP-params (RFC 4055 §4.1).
fn read_oaep<'a>(parameters: Option<&Node<'a>>) -> Read<(Option<Hash>, Option<Hash>, &'a [u8])> {
    let (mut hash, mut mask, mut label) = (Some(Hash::Sha1), Some(Hash::Sha1), &[][..]);
    if let Some(node) = parameters {
        let mut reader = node.tagged(tag::SEQUENCE)?.reader();
        if let Some(node) = reader.optional(tag::constructed(0))? {
            hash = Hash::of(Algorithm::read(node.reader().sequence()?)?.oid);
        }
        if let Some(node) = reader.optional(tag::constructed(1))? {
            mask = read_mask(node.reader().sequence()?)?;
        }
        if let Some(node) = reader.optional(tag::constructed(2))? {
            let source = Algorithm::read(node.reader().sequence()?)?;
            if source.oid != oid::P_SPECIFIED {
                return Err(Malformed("label of OAEP"));
            }
            label = source.parameters.map_or(&[][..], |node| node.content);
        }
    }
    Ok((hash, mask, label))
}

/// Takes the padding of RSAES-PKCS1-v1_5 off a block in the same time whether it is right or not. The length of the
/// content key is known; a block of another form gives a key that nobody can foresee and that is the same each time.
fn unpad(block: &[u8], key_len: usize, cipher: &[u8]) -> Zeroizing<Vec<u8>> {
    // Made of the decrypted block, which only the owner of the key knows.
    let mut seed = Zeroizing::new(block.to_vec());
    seed.extend_from_slice(cipher);
    let mut other = Zeroizing::new(Hash::Sha512.digest(&seed));
    other.resize(key_len, 0);
    let Some(start) = block.len().checked_sub(key_len).filter(|start| *start >= 11) else { return other };
    let mut wrong = 0u8;
    for (i, byte) in block.iter().enumerate().take(start) {
        wrong |= match i {
            0 => *byte,
            1 => *byte ^ 2,
            i if i == start - 1 => *byte,
            // 0xff for a zero inside the padding, without a branch.
            _ => (((u16::from(*byte)).wrapping_sub(1)) >> 8) as u8,
        };
    }
    let wrong = std::hint::black_box(wrong);
    // 0xff when something was wrong, else 0.
    let mask = (u16::from(wrong).wrapping_neg() >> 8) as u8;
    let found = block.iter().skip(start);
    Zeroizing::new(found.zip(other.iter()).map(|(found, other)| (found & !mask) | (other & mask)).collect())
}

/// The content key by ECDH and AES key wrap (RFC 5753 §3.1, §7.2).
fn agreed(
    recipient: &Recipient<'_>,
    peer: &[u8],
    keying: Option<&[u8]>,
    key: &dyn DecryptionKey,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let unknown = |algorithm: Oid| CryptoError::CipherUnknown { algorithm: algorithm.to_string() };
    let hash = match recipient.algorithm.oid {
        oid::ECDH_STD_SHA1 => Hash::Sha1,
        oid::ECDH_STD_SHA224 => Hash::Sha224,
        oid::ECDH_STD_SHA256 => Hash::Sha256,
        oid::ECDH_STD_SHA384 => Hash::Sha384,
        oid::ECDH_STD_SHA512 => Hash::Sha512,
        other => return Err(unknown(other)),
    };
    let damaged = |_| CryptoError::Undecryptable;
    let node = recipient.algorithm.parameters.ok_or(CryptoError::Undecryptable)?;
    let wrap = Algorithm::read(node.reader()).map_err(damaged)?;
    let kek_len = match wrap.oid {
        oid::AES128_WRAP => 16,
        oid::AES192_WRAP => 24,
        oid::AES256_WRAP => 32,
        other => return Err(unknown(other)),
    };
    // The sender's key is on our curve, whatever it says of it.
    let mut own = Reader::only(key.certificate().spki(), tag::SEQUENCE).map_err(damaged)?.reader();
    let algorithm = own.expect(tag::SEQUENCE).map_err(damaged)?;
    let peer = write::sequence(&[algorithm.whole, &write::bits(peer)]);
    let Some(secret) = key.agree(&peer)? else { return Ok(None) };
    let kek = derive(hash, &secret, node.whole, keying, kek_len);
    Ok(ffi::unwrap(&kek, recipient.encrypted))
}

/// X9.63 key derivation with ECC-CMS-SharedInfo (RFC 5753 §7.2).
pub(super) fn derive(
    hash: Hash,
    secret: &[u8],
    wrap: &[u8],
    keying: Option<&[u8]>,
    len: usize,
) -> Zeroizing<Vec<u8>> {
    let keying = keying.map(|k| write::of(tag::constructed(0), &[&write::octets(k)])).unwrap_or_default();
    let bits = write::octets(&(len as u32 * 8).to_be_bytes());
    let info = write::sequence(&[wrap, &keying, &write::of(tag::constructed(2), &[&bits])]);
    let mut out = Zeroizing::new(Vec::new());
    for counter in 1u32..=4 {
        let mut hasher = hash.hasher();
        hasher.update(secret);
        hasher.update(&counter.to_be_bytes());
        hasher.update(&info);
        out.extend_from_slice(&hasher.finish());
        if out.len() >= len {
            break;
        }
    }
    out.truncate(len);
    out
}

#[cfg(test)]
mod tests {
    use super::unpad;

    #[test]
    fn padding_is_taken_off_only_when_right() {
        let key = [7u8; 16];
        let mut block = vec![0, 2];
        block.extend([9; 128 - 19]);
        block.push(0);
        block.extend(key);
        assert_eq!(unpad(&block, 16, b"c").as_slice(), key);
        for at in [0, 1, 2, 60, 128 - 18, 128 - 17] {
            let mut wrong = block.clone();
            wrong[at] = if at == 128 - 17 {
                1
            } else if at < 2 {
                5
            } else {
                0
            };
            let other = unpad(&wrong, 16, b"c");
            assert_ne!(other.as_slice(), key, "{at}");
            assert_eq!(other, unpad(&wrong, 16, b"c"));
            assert_eq!(other.len(), 16);
        }
        assert_eq!(unpad(&[0; 16], 16, b"c").len(), 16);
    }
}
