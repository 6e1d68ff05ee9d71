// SPDX-License-Identifier: EUPL-1.2
//! Keys, sealed blobs, digests, tokens, passwords and note signatures of the hub.
//!
//! Guarantees: every primitive comes from AWS-LC (Argon2id excepted, which AWS-LC lacks); key material is
//! wiped when dropped, never printed by `Debug` and never part of an error text; comparisons of secrets are
//! constant-time; nothing here panics on hostile input.
//!
//! Does not: know the model, keep state, talk to a database or a network. Only [`keys::RootKey`] touches the
//! disk. Certificates are judged by [`signature`], messages opened and made by [`cms`]; nothing made here is qualified.
//! [`note`] signatures prove origin within the hub and carry no legal effect of their own.
//!
//! The key hierarchy is *root key → tenant key → message key → blob key*: destroying a wrapped message key
//! makes all blobs of that message unreadable for good.
//!
//! ```
//! use poststelle_crypto::{chunked, keys::{MessageKey, RootKey, TenantKey}};
//!
//! let root = RootKey::generate()?;
//! let tenant = TenantKey::generate()?;
//! let stored = tenant.wrapped_by(&root, "0190-tenant")?;
//! let tenant = TenantKey::from_wrapped(&root, "0190-tenant", &stored)?;
//!
//! let message = MessageKey::generate()?;
//! let blob_key = message.derive_blob_key(b"blob-1")?;
//! let sealed = chunked::seal(&blob_key, b"Sehr geehrte Damen und Herren")?;
//! assert_eq!(chunked::open(&blob_key, &sealed)?, b"Sehr geehrte Damen und Herren");
//! # let _ = tenant;
//! # Ok::<(), poststelle_crypto::CryptoError>(())
//! ```

pub mod asn1;
pub mod certificate;
pub mod chunked;
pub mod cms;
pub mod digest;
pub mod error;
mod ffi;
pub mod identity;
pub mod keys;
pub mod note;
pub mod password;
pub mod random;
pub mod signature;
pub mod timestamp;
pub mod token;
pub mod xml;

pub use digest::{Digests, DualHasher, Sha256};
pub use error::{CryptoError, Fault, Result};
