// SPDX-License-Identifier: EUPL-1.2
//! The mathematics of the evidence log: canonical JSON, Merkle trees, tiles, signed notes, checkpoints, proofs.
//!
//! Guarantees: pure functions over bytes in memory. No input and output, no clock, no randomness, no panic on
//! hostile input; every parser has caps and accepts one spelling only, so what was parsed formats back to the
//! same bytes. Everything can be repeated by a third party with the public specifications named in each module.
//!
//! Does not: decide what is logged, store tiles, or fetch anything. It proves *order and completeness* of a
//! log; existence in time is proven by time-stamps elsewhere.
//!
//! Who stores tiles asynchronously asks for a [`merkle::ProofPlan`] first, fetches
//! [`tile::tiles_of_plan`], then resolves the plan over [`tile::TileHashes`].
//!
//! ```
//! use poststelle_proof::merkle::{Frontier, Leaves, inclusion_plan, leaf_hash, verify_inclusion};
//!
//! let leaves: Vec<_> = ["eins", "zwei", "drei"].iter().map(|d| leaf_hash(d.as_bytes())).collect();
//! let mut frontier = Frontier::new();
//! for leaf in &leaves {
//!     frontier.append(leaf)?;
//! }
//! let proof = inclusion_plan(1, 3)?.resolve(&Leaves(&leaves))?;
//! verify_inclusion(&leaf_hash(b"zwei"), 1, 3, &proof, &frontier.root())?;
//! # Ok::<(), poststelle_proof::ProofError>(())
//! ```

pub mod checkpoint;
pub mod error;
pub mod jcs;
pub mod merkle;
pub mod note;
pub mod tile;
pub mod tlog_proof;

pub use error::{ProofError, Result};
pub use merkle::Hash;
