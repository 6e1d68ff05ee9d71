// SPDX-License-Identifier: EUPL-1.2
//! Integration tests of the public interface: vectors of the specifications, properties, tampering, and a foreign
//! implementation as second opinion.

// Helper functions of tests are test code too; the configured exceptions cover only `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "it/jcs.rs"]
mod jcs;
#[path = "it/merkle.rs"]
mod merkle;
#[path = "it/note.rs"]
mod note;
#[path = "it/oracle.rs"]
mod oracle;
#[path = "it/tile.rs"]
mod tile;

use poststelle_crypto::note::NoteKeyPair;
use poststelle_proof::merkle::{Hash, leaf_hash, node_hash};

/// The tree head exactly as RFC 6962, 2.1 defines it: recursive and slow.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => poststelle_crypto::digest::sha256(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// The largest power of two below `n`.
fn naive_split(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// PATH(m, D\[n\]) of RFC 6962, 2.1.1, recursive.
fn naive_path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = naive_split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if m < k {
        (naive_path(m, left), naive_root(right))
    } else {
        (naive_path(m - k, right), naive_root(left))
    };
    path.push(sibling);
    path
}

/// SUBPROOF(m, D\[n\], b) of RFC 6962, 2.1.2, recursive.
fn naive_subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let k = naive_split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = if m <= k {
        (naive_subproof(m, left, whole), naive_root(right))
    } else {
        (naive_subproof(m - k, right, false), naive_root(left))
    };
    proof.push(sibling);
    proof
}

fn entries(n: usize) -> Vec<Vec<u8>> {
    (0..n).map(|i| format!("{{\"n\":{i}}}").into_bytes()).collect()
}

fn leaves(n: usize) -> Vec<Hash> {
    entries(n).iter().map(|entry| leaf_hash(entry)).collect()
}

fn key_pair(seed: u8) -> NoteKeyPair {
    NoteKeyPair::from_seed(&[seed; 32]).unwrap()
}
