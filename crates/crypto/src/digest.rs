// SPDX-License-Identifier: EUPL-1.2
//! SHA-256 and SHA-512 in one pass, SHA-256 alone, and hexadecimal text.
//!
//! Guarantees: [`DualHasher`] and [`Sha256`] give the same digests no matter how the input was cut into pieces
//! (FIPS 180-4).
//! Two digests of different families are kept for every stored object so that one may become weak without
//! the proof being lost. Does not: key anything; see [`crate::token::MacKey`] for that.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, SHA512};

use crate::error::{CryptoError, Result};

/// Both digests of one sequence of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digests {
    /// SHA-256, 32 bytes.
    pub sha256: [u8; 32],
    /// SHA-512, 64 bytes.
    pub sha512: [u8; 64],
}

impl Digests {
    /// Digests of a whole buffer.
    pub fn of(data: &[u8]) -> Self {
        let mut hasher = DualHasher::new();
        hasher.update(data);
        hasher.finish()
    }

    /// SHA-256 as 64 lower-case hexadecimal digits.
    pub fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }

    /// SHA-512 as 128 lower-case hexadecimal digits.
    pub fn sha512_hex(&self) -> String {
        hex(&self.sha512)
    }

    /// Reads both digests back from hexadecimal text, as kept in columns.
    ///
    /// # Errors
    /// [`CryptoError::HexFormat`] when one of them is not hexadecimal of its length.
    pub fn from_hex(sha256: &str, sha512: &str) -> Result<Self> {
        Ok(Self { sha256: unhex(sha256)?, sha512: unhex(sha512)? })
    }
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digests")
            .field("sha256", &self.sha256_hex())
            .field("sha512", &self.sha512_hex())
            .finish()
    }
}

/// Computes SHA-256 and SHA-512 over the same stream.
#[derive(Clone)]
pub struct DualHasher {
    sha256: Context,
    sha512: Context,
    len: u64,
}

impl DualHasher {
    /// Starts with no bytes.
    pub fn new() -> Self {
        Self { sha256: Context::new(&SHA256), sha512: Context::new(&SHA512), len: 0 }
    }

    /// Adds the next bytes. The piece is walked in small steps so that both digests read it from the cache.
    pub fn update(&mut self, data: &[u8]) {
        for step in data.chunks(16 * 1024) {
            self.sha256.update(step);
            self.sha512.update(step);
        }
        self.len = self.len.saturating_add(data.len() as u64);
    }

    /// Number of bytes added so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Ends the stream and gives both digests.
    pub fn finish(self) -> Digests {
        let mut out = Digests { sha256: [0; 32], sha512: [0; 64] };
        copy(self.sha256.finish().as_ref(), &mut out.sha256);
        copy(self.sha512.finish().as_ref(), &mut out.sha512);
        out
    }
}

impl Default for DualHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DualHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DualHasher").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Computes SHA-256 alone over a stream.
#[derive(Clone)]
pub struct Sha256(Context);

impl Sha256 {
    /// Starts with no bytes.
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Adds the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Ends the stream and gives the digest.
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        copy(self.0.finish().as_ref(), &mut out);
        out
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sha256").finish_non_exhaustive()
    }
}

/// SHA-256 of a buffer.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    copy(aws_lc_rs::digest::digest(&SHA256, data).as_ref(), &mut out);
    out
}

/// SHA-256 of several buffers as if they were one, without joining them first.
pub fn sha256_of_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
}

/// SHA-512 of a buffer.
pub fn sha512(data: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    copy(aws_lc_rs::digest::digest(&SHA512, data).as_ref(), &mut out);
    out
}

/// The digest of a fixed algorithm has a fixed length; lengths can therefore not differ.
fn copy(from: &[u8], to: &mut [u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Lower-case hexadecimal text.
pub fn hex(data: &[u8]) -> String {
    let mut out = String::with_capacity(data.len() * 2);
    for byte in data {
        for nibble in [byte >> 4, byte & 0x0f] {
            out.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }));
        }
    }
    out
}

/// Reads exactly `N` bytes of hexadecimal text, upper or lower case, nothing around it.
///
/// # Errors
/// [`CryptoError::HexFormat`] for another length or other characters.
pub fn unhex<const N: usize>(text: &str) -> Result<[u8; N]> {
    let wrong = || CryptoError::HexFormat { expected: N };
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return Err(wrong());
    }
    let mut out = [0u8; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16).ok_or_else(wrong)?;
            *byte = (*byte << 4) | value as u8;
        }
    }
    Ok(out)
}
