// SPDX-License-Identifier: EUPL-1.2
//! Private keys that belong to certificates: in a file, or in a token behind PKCS#11.
//!
//! Guarantees: signing and opening go through two small traits, so that nothing else cares where a key lies; key
//! material is wiped and never printed. Does not: say whether a key is qualified; file keys never are.

mod oaep;
pub mod pkcs11;

use zeroize::Zeroizing;

use crate::certificate::{Certificate, pem};
use crate::error::{CryptoError, Result};
use crate::ffi;
use crate::signature::algorithm::{Hash, Scheme};

/// Signs.
pub trait Signer: Send + Sync {
    /// The signer's certificate.
    fn certificate(&self) -> &Certificate;

    /// Its issuers, as far as they shall go along.
    fn chain(&self) -> &[Certificate];

    /// How it signs unless told otherwise.
    ///
    /// # Errors
    /// When its key is of a kind we cannot sign with.
    fn scheme(&self) -> Result<Scheme> {
        self.certificate()
            .key()
            .scheme()
            .ok_or(CryptoError::KeyUnusable { reason: "kind of key is not known" })
    }

    /// Signs data (not its digest). ECDSA values are SEQUENCE { r, s }.
    ///
    /// # Errors
    /// When the key does not fit the scheme, or a token fails.
    fn sign(&self, scheme: Scheme, data: &[u8]) -> Result<Vec<u8>>;
}

/// Opens what was encrypted for a certificate. `None` = it does not fit; the caller must not say more than that to anybody
/// who can try again (RFC 3218).
pub trait DecryptionKey: Send + Sync {
    /// The certificate messages are encrypted for.
    fn certificate(&self) -> &Certificate;

    /// RSA without looking at the padding, as long as the modulus.
    ///
    /// # Errors
    /// When a token fails.
    fn rsa_raw(&self, cipher: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>>;

    /// RSAES-OAEP.
    ///
    /// # Errors
    /// When a token fails.
    fn oaep(&self, hash: Hash, mask: Hash, label: &[u8], cipher: &[u8])
    -> Result<Option<Zeroizing<Vec<u8>>>>;

    /// ECDH with a public key (DER of SubjectPublicKeyInfo): the x coordinate.
    ///
    /// # Errors
    /// When a token fails.
    fn agree(&self, peer: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>>;
}

/// A certificate with its key in memory, from a file.
pub struct FileIdentity {
    key: ffi::PrivateKey,
    certificate: Certificate,
    chain: Vec<Certificate>,
}

impl FileIdentity {
    /// From PEM: the key (`PRIVATE KEY`, PKCS#8, not encrypted) and certificates, the key's own among them; both may lie
    /// in the same file.
    ///
    /// # Errors
    /// When there is no key, or no certificate that belongs to it.
    pub fn from_pem(key: &[u8], certificates: &[u8]) -> Result<Self> {
        let unusable = |reason| CryptoError::KeyUnusable { reason };
        let block = pem::blocks(key, 100)
            .into_iter()
            .find(|block| block.label == "PRIVATE KEY")
            .ok_or(unusable("no PRIVATE KEY (PKCS#8, not encrypted) in the file"))?;
        let key = ffi::PrivateKey::from_pkcs8(&block.octets).ok_or(unusable("key cannot be read"))?;
        let spki = key.spki().ok_or(unusable("key has no public half"))?;
        let mut chain = Certificate::all_from(certificates);
        let own = chain
            .iter()
            .position(|certificate| same_key(certificate.spki(), &spki))
            .ok_or(unusable("no certificate belongs to the key"))?;
        let certificate = chain.remove(own);
        Ok(Self { key, certificate, chain })
    }
}

/// Are these the same public key? Parameters of the algorithm may be written differently.
fn same_key(a: &[u8], b: &[u8]) -> bool {
    use crate::asn1::{Reader, tag};
    let bits = |spki| {
        let mut reader = Reader::only(spki, tag::SEQUENCE)?.reader();
        reader.sequence()?;
        reader.expect(tag::BIT_STRING)
    };
    matches!((bits(a), bits(b)), (Ok(a), Ok(b)) if a == b)
}

impl std::fmt::Debug for FileIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileIdentity({:?})", self.certificate)
    }
}

impl Signer for FileIdentity {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    fn sign(&self, scheme: Scheme, data: &[u8]) -> Result<Vec<u8>> {
        match scheme.hash() {
            Some(hash) => self.key.sign_digest(scheme, &hash.digest(data)),
            None => self.key.sign_ed25519(data),
        }
        .ok_or(CryptoError::KeyUnusable { reason: "key does not fit the signature algorithm" })
    }
}

impl DecryptionKey for FileIdentity {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn rsa_raw(&self, cipher: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        Ok(self.key.rsa_raw(cipher))
    }

    fn oaep(
        &self,
        hash: Hash,
        mask: Hash,
        label: &[u8],
        cipher: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>> {
        Ok(self.key.oaep(hash, mask, label, cipher))
    }

    fn agree(&self, peer: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        Ok(ffi::PublicKey::from_spki(peer).and_then(|peer| self.key.agree(&peer)))
    }
}
