// SPDX-License-Identifier: EUPL-1.2
//! Ed25519 keys for signed notes (checkpoints of the evidence log).
//!
//! Guarantees: signatures as RFC 8032 defines them over exactly the given bytes; the private key leaves this
//! module only as PKCS#8 (RFC 5958) in a buffer that is wiped when dropped. The caller keeps those bytes
//! sealed, see [`crate::keys::TenantKey::seal_secret`].
//! Does not: serve for seals with legal effect, Ed25519 is not in the catalogues named for that; know the
//! text format of notes, that is the proof crate's.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::error::{CryptoError, Result};

/// Length of a public key in bytes.
pub const PUBLIC_KEY_LEN: usize = 32;
/// Length of a signature in bytes.
pub const SIGNATURE_LEN: usize = 64;

/// A private Ed25519 key with its public half.
pub struct NoteKeyPair(Ed25519KeyPair);

impl NoteKeyPair {
    /// A new random key.
    ///
    /// # Errors
    /// [`CryptoError::Random`] when the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        Ed25519KeyPair::generate().map(Self).map_err(|_| CryptoError::Random)
    }

    /// The key that belongs to a 32-byte seed (RFC 8032, 5.1.5): for fixed keys in tests and key ceremonies.
    ///
    /// # Errors
    /// [`CryptoError::SigningKeyFormat`] when the seed is refused.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| CryptoError::SigningKeyFormat)
    }

    /// Loads a key from PKCS#8, version 1 or 2.
    ///
    /// # Errors
    /// [`CryptoError::SigningKeyFormat`] when the bytes are no Ed25519 key or its halves do not match.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(Self).map_err(|_| CryptoError::SigningKeyFormat)
    }

    /// The key as PKCS#8 version 2 (with the public key). Keep it sealed.
    ///
    /// # Errors
    /// [`CryptoError::Internal`] when the key cannot be encoded.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>> {
        let document = self.0.to_pkcs8().map_err(|_| CryptoError::Internal { what: "PKCS#8 encoding" })?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// Signs the bytes.
    ///
    /// # Errors
    /// [`CryptoError::Internal`] when the primitive fails.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN]> {
        let fault = CryptoError::Internal { what: "Ed25519 signing" };
        let Ok(signature) = self.0.try_sign(message) else { return Err(fault) };
        signature.as_ref().try_into().map_err(|_| fault)
    }

    /// The public key, encoded as RFC 8032 says.
    pub fn public_key(&self) -> [u8; PUBLIC_KEY_LEN] {
        let mut out = [0; PUBLIC_KEY_LEN];
        for (to, from) in out.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        out
    }
}

impl fmt::Debug for NoteKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteKeyPair")
            .field("public", &crate::digest::hex(&self.public_key()))
            .finish_non_exhaustive()
    }
}

/// Checks an Ed25519 signature.
///
/// # Errors
/// [`CryptoError::SignatureMismatch`] when it does not belong to these bytes and this key, whatever the cause.
pub fn verify(public_key: &[u8; PUBLIC_KEY_LEN], message: &[u8], signature: &[u8]) -> Result<()> {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(message, signature)
        .map_err(|_| CryptoError::SignatureMismatch)
}
