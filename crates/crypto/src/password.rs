// SPDX-License-Identifier: EUPL-1.2
//! Passwords as Argon2id hashes (RFC 9106) in PHC strings.
//!
//! Guarantees: a fresh 16-byte salt per hash; stored parameters are capped before they cost memory or time; an
//! unknown user costs the same work as a known one ([`verify_or_dummy`]).
//! Does not: judge the quality of a password, count attempts, or bound how many checks run at once. One check
//! takes about 19 MiB and tens of milliseconds: run it on a blocking thread behind a semaphore.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use zeroize::Zeroizing;

use crate::error::{CryptoError, Result};
use crate::random;
use crate::token::constant_time_eq;

/// Longest password taken, in bytes.
pub const PASSWORD_MAX: usize = 1024;
const HASH_LEN: usize = 32;
const SALT_LEN: usize = 16;
const MEMORY_MAX_KIB: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;
/// Longest PHC string read.
const PHC_MAX: usize = 512;

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    /// 19 MiB, two passes, one lane: the least of the OWASP recommendations for Argon2id.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

impl Cost {
    fn params(self) -> Result<Params> {
        if self.memory_kib > MEMORY_MAX_KIB || self.passes > PASSES_MAX || self.lanes > LANES_MAX {
            return Err(CryptoError::PasswordCost);
        }
        Params::new(self.memory_kib, self.passes, self.lanes, Some(HASH_LEN))
            .map_err(|_| CryptoError::PasswordCost)
    }
}

/// Hashes a password with the default cost; the result is a PHC string `$argon2id$v=19$m=…`.
///
/// # Errors
/// [`CryptoError::PasswordTooLong`] above 1024 bytes, [`CryptoError::Random`] without random bytes.
pub fn hash(password: &[u8]) -> Result<String> {
    hash_with(Cost::default(), password)
}

/// Hashes a password with the given cost.
///
/// # Errors
/// As [`hash`], and [`CryptoError::PasswordCost`] for a cost outside the caps.
pub fn hash_with(cost: Cost, password: &[u8]) -> Result<String> {
    check_length(password)?;
    let salt: [u8; SALT_LEN] = random::array()?;
    let hash = argon2id(cost.params()?)
        .hash_password_with_salt(password, &salt)
        .map_err(|_| CryptoError::Internal { what: "Argon2id" })?;
    Ok(hash.to_string())
}

/// Whether the password belongs to the stored PHC string. Only Argon2id version 19 is accepted.
///
/// # Errors
/// [`CryptoError::PasswordHashFormat`] or [`CryptoError::PasswordCost`] when the stored string cannot be used.
/// A password above the cap is simply wrong.
pub fn verify(password: &[u8], stored: &str) -> Result<bool> {
    let (cost, parsed) = parse(stored)?;
    let (Some(salt), Some(expected)) = (parsed.salt, parsed.hash) else {
        return Err(CryptoError::PasswordHashFormat);
    };
    if expected.len() != HASH_LEN {
        return Err(CryptoError::PasswordHashFormat);
    }
    let computed = derive(cost, password, &salt)?;
    Ok(constant_time_eq(&computed, expected.as_bytes()) && password.len() <= PASSWORD_MAX)
}

/// Like [`verify`]; without a stored string (unknown user) it does the same work with the default cost and
/// answers `false`, so that the time does not tell who exists.
///
/// # Errors
/// As [`verify`].
pub fn verify_or_dummy(password: &[u8], stored: Option<&str>) -> Result<bool> {
    match stored {
        Some(stored) => verify(password, stored),
        None => {
            // `black_box` keeps the work from being optimised away.
            std::hint::black_box(derive(Cost::default(), password, b"nobody-has-this-")?);
            Ok(false)
        }
    }
}

/// Whether a stored string should be replaced at the next successful login because its cost is not the default.
pub fn needs_rehash(stored: &str) -> bool {
    !matches!(parse(stored), Ok((cost, _)) if cost == Cost::default())
}

fn parse(stored: &str) -> Result<(Cost, PasswordHash)> {
    if stored.len() > PHC_MAX {
        return Err(CryptoError::PasswordHashFormat);
    }
    let parsed = PasswordHash::new(stored).map_err(|_| CryptoError::PasswordHashFormat)?;
    if parsed.algorithm.as_str() != Algorithm::Argon2id.as_str()
        || parsed.version != Some(Version::V0x13.into())
    {
        return Err(CryptoError::PasswordHashFormat);
    }
    let field = |name: &str| parsed.params.get_decimal(name).ok_or(CryptoError::PasswordHashFormat);
    let cost = Cost { memory_kib: field("m")?, passes: field("t")?, lanes: field("p")? };
    cost.params()?;
    Ok((cost, parsed))
}

/// A key from a passphrase; the same passphrase, salt and cost give the same key.
///
/// # Errors
/// [`CryptoError::PasswordTooLong`] above 1024 bytes, [`CryptoError::PasswordCost`] for a cost outside the caps.
pub(crate) fn derive_key(
    cost: Cost,
    password: &[u8],
    salt: &[u8; SALT_LEN],
) -> Result<Zeroizing<[u8; HASH_LEN]>> {
    check_length(password)?;
    derive(cost, password, salt).map(Zeroizing::new)
}

fn derive(cost: Cost, password: &[u8], salt: &[u8]) -> Result<[u8; HASH_LEN]> {
    // Callers refuse an overlong password; its head is hashed so that the answer takes the usual time.
    let password = password.get(..PASSWORD_MAX).unwrap_or(password);
    let mut out = [0u8; HASH_LEN];
    argon2id(cost.params()?)
        .hash_password_into(password, salt, &mut out)
        .map_err(|_| CryptoError::PasswordHashFormat)?;
    Ok(out)
}

fn argon2id(params: Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn check_length(password: &[u8]) -> Result<()> {
    if password.len() > PASSWORD_MAX {
        return Err(CryptoError::PasswordTooLong { max: PASSWORD_MAX });
    }
    Ok(())
}
