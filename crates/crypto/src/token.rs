// SPDX-License-Identifier: EUPL-1.2
//! Opaque tokens and keyed check values (HMAC-SHA256, RFC 2104).
//!
//! Guarantees: a [`Token`] carries 256 random bits; the database keeps only its SHA-256, so a stolen table
//! opens no session. Codes of a [`MacKey`] are compared in constant time.
//! Does not: know expiry or purpose; the caller stores the first and puts the second into the signed data
//! (see [`MacKey::sign_parts`]) or derives one key per purpose ([`crate::keys::TenantKey::mac_key`]).

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::digest::sha256;
use crate::error::{CryptoError, Result};
use crate::random;

/// Random bytes in a token.
pub const TOKEN_BYTES: usize = 32;
/// Characters of a token's text.
pub const TOKEN_CHARS: usize = 43;
/// Least length of a key for authentication codes.
pub const MAC_KEY_MIN: usize = 16;
/// Least length of a shortened authentication code, in bytes (RFC 2104, section 5, asks for half the digest).
pub const MAC_TAG_MIN: usize = 16;

/// An opaque secret handed to somebody: session, API client, link in a mail.
pub struct Token(Zeroizing<String>);

impl Token {
    /// A new random token.
    ///
    /// # Errors
    /// [`CryptoError::Random`] when the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0u8; TOKEN_BYTES]);
        random::fill(bytes.as_mut_slice())?;
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// Reads a presented token; it must be the canonical text of exactly 32 bytes.
    ///
    /// # Errors
    /// [`CryptoError::TokenFormat`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() != TOKEN_CHARS {
            return Err(CryptoError::TokenFormat);
        }
        let mut bytes = Zeroizing::new([0u8; TOKEN_BYTES + 4]);
        match URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()) {
            Ok(TOKEN_BYTES) => Ok(Self(Zeroizing::new(text.to_owned()))),
            _ => Err(CryptoError::TokenFormat),
        }
    }

    /// The text to hand out: 43 characters of base64url. It is secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text: what the database keeps and looks up.
    pub fn lookup_hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// A key for HMAC-SHA256: web hooks, form tokens, bounce addresses.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// A key from existing secret bytes, e.g. a shared web hook secret.
    ///
    /// # Errors
    /// [`CryptoError::MacKeyTooShort`] below 16 bytes.
    pub fn new(secret: &[u8]) -> Result<Self> {
        if secret.len() < MAC_KEY_MIN {
            return Err(CryptoError::MacKeyTooShort { min: MAC_KEY_MIN });
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// A new random key that lives only as long as this value.
    ///
    /// # Errors
    /// [`CryptoError::Random`] when the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        random::fill(bytes.as_mut_slice())?;
        Self::new(bytes.as_slice())
    }

    /// HMAC-SHA256 over the bytes.
    pub fn sign(&self, data: &[u8]) -> [u8; 32] {
        tag_bytes(&hmac::sign(&self.0, data))
    }

    /// Checks a full 32-byte code in constant time.
    ///
    /// # Errors
    /// [`CryptoError::MacMismatch`] when it does not belong to these bytes and this key.
    pub fn verify(&self, data: &[u8], tag: &[u8]) -> Result<()> {
        hmac::verify(&self.0, data, tag).map_err(|_| CryptoError::MacMismatch)
    }

    /// HMAC-SHA256 over several fields, each preceded by its length, so that moving a byte from one field to
    /// its neighbour changes the code.
    pub fn sign_parts(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        tag_bytes(&context.sign())
    }

    /// Checks a code of [`MacKey::sign_parts`] in constant time. The code may be shortened from the right to
    /// no less than 16 bytes, for places with little room such as the local part of an address.
    ///
    /// # Errors
    /// [`CryptoError::MacMismatch`] when it does not match or is too short or too long.
    pub fn verify_parts(&self, parts: &[&[u8]], tag: &[u8]) -> Result<()> {
        let whole = self.sign_parts(parts);
        match whole.get(..tag.len()) {
            Some(expected) if tag.len() >= MAC_TAG_MIN && constant_time_eq(expected, tag) => Ok(()),
            _ => Err(CryptoError::MacMismatch),
        }
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(redacted)")
    }
}

fn tag_bytes(tag: &hmac::Tag) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    out
}

/// Whether two byte strings are equal; the time taken depends on their lengths only.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}
