// SPDX-License-Identifier: EUPL-1.2
//! Integration tests of the public interface: known answers from outside, properties, damage.

// Helper functions of tests are test code too; the configured exception covers only `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "it/chains.rs"]
mod chains;
#[path = "it/chunked.rs"]
mod chunked;
#[path = "it/digest.rs"]
mod digest;
#[path = "it/encryption.rs"]
mod encryption;
#[path = "it/keys.rs"]
mod keys;
#[path = "it/outside.rs"]
mod outside;
#[path = "it/pki.rs"]
mod pki;
#[path = "it/secrets.rs"]
mod secrets;
#[path = "it/signatures.rs"]
mod signatures;
#[path = "it/signed/mod.rs"]
mod signed;
#[path = "it/token.rs"]
mod token;

use poststelle_crypto::Result;
use poststelle_crypto::keys::{KeyEncryption, MessageKey, TenantKey};

/// Answers every unwrapping with the same key, so that known-answer tests can fix what is random otherwise.
struct FixedKey([u8; 32]);

impl KeyEncryption for FixedKey {
    fn wrap(&self, _: &[u8], _: &[u8; 32]) -> Result<String> {
        Ok(String::new())
    }

    fn unwrap(&self, _: &[u8], _: &str) -> Result<zeroize::Zeroizing<[u8; 32]>> {
        Ok(zeroize::Zeroizing::new(self.0))
    }
}

fn counting_key() -> FixedKey {
    FixedKey(std::array::from_fn(|i| i as u8))
}

fn fixed_message_key() -> MessageKey {
    MessageKey::from_wrapped(&counting_key(), "t", "m", "").unwrap()
}

fn fixed_tenant_key() -> TenantKey {
    TenantKey::from_wrapped(&counting_key(), "t", "").unwrap()
}
