// SPDX-License-Identifier: EUPL-1.2
//! The proof at work: chains per subject, the sequencer that gives entries their
//! place in the tenant's log, signed checkpoints, and the check of all of it.
//!
//! Guarantees: an entry is written in the transaction of the event it proves; the
//! primary key (tenant, subject, n) is the compare-and-swap on the chain's head;
//! the time of an entry is later than its predecessor's; a leaf is a salted
//! commitment, so deleting a body keeps the proof. The envelope holds no log
//! position, so transactions of one tenant run in parallel.
//! Not here: time-stamps and evidence records (RFC 3161, RFC 4998).

mod chain;
mod sequencer;
mod verify;

pub use chain::{NewEvidence, append};
pub use sequencer::{create_note_key, sequence, signer};
pub use verify::{Fault, Verified, verify_chain, verify_tenant, verify_within};

use poststelle_store::StoreError;

/// What can go wrong here.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The mathematics.
    #[error(transparent)]
    Proof(#[from] poststelle_proof::ProofError),
    /// Keys.
    #[error(transparent)]
    Crypto(#[from] poststelle_crypto::CryptoError),
}

impl EvidenceError {
    /// Does the error mean that somebody appended to a chain first, so that reading it again helps?
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(StoreError::Exists(_) | StoreError::Conflict(_)))
    }
}
