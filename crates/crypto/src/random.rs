// SPDX-License-Identifier: EUPL-1.2
//! Random bytes from the operating system through AWS-LC.
//!
//! Guarantees: the buffer is completely filled with bytes fit for keys, or an error is returned.
//! Does not: give repeatable values; identifiers that tests want to repeat come from the injected `Ids`.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::error::{CryptoError, Result};

/// Fills `out` with random bytes.
///
/// # Errors
/// [`CryptoError::Random`] when the system gives none.
pub fn fill(out: &mut [u8]) -> Result<()> {
    SystemRandom::new().fill(out).map_err(|_| CryptoError::Random)
}

/// A new array of random bytes.
///
/// # Errors
/// [`CryptoError::Random`] when the system gives none.
pub fn array<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0u8; N];
    fill(&mut out)?;
    Ok(out)
}
