// SPDX-License-Identifier: EUPL-1.2
//! The tree against the reference vectors of Certificate Transparency and the recursive definition.

use poststelle_crypto::digest::{hex, unhex};
use poststelle_proof::ProofError;
use poststelle_proof::merkle::{
    Frontier, Hash, Leaves, MAX_SIZE, Node, consistency_plan, empty_root, inclusion_plan, leaf_hash,
    root_from, root_of, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

use crate::{leaves, naive_path, naive_root, naive_subproof};

/// The eight leaves of the reference tree of Certificate Transparency.
const REFERENCE_LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

/// Its roots at sizes 1 to 8.
const REFERENCE_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const N1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const N23: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const N4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const N45: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const N67: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const N4567: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";

fn reference() -> Vec<Hash> {
    REFERENCE_LEAVES.iter().map(|leaf| leaf_hash(leaf)).collect()
}

fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| hex(hash)).collect()
}

fn inclusion(index: u64, leaves: &[Hash]) -> Vec<Hash> {
    inclusion_plan(index, leaves.len() as u64).unwrap().resolve(&Leaves(leaves)).unwrap()
}

fn consistency(old: u64, leaves: &[Hash]) -> Vec<Hash> {
    consistency_plan(old, leaves.len() as u64).unwrap().resolve(&Leaves(leaves)).unwrap()
}

#[test]
fn reference_roots() {
    assert_eq!(hex(&empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let leaves = reference();
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), empty_root());
    for (leaf, root) in leaves.iter().zip(REFERENCE_ROOTS) {
        frontier.append(leaf).unwrap();
        assert_eq!(hex(&frontier.root()), root);
    }
}

#[test]
fn reference_inclusion_proofs() {
    let leaves = reference();
    let [r1, r2, .., r8] = REFERENCE_ROOTS;
    assert!(r1 != r8);
    for (index, size, expected) in [
        (0, 1, vec![]),
        (0, 8, vec![N1, N23, N4567]),
        (5, 8, vec![N4, N67, REFERENCE_ROOTS[3]]),
        (2, 3, vec![r2]),
        (1, 5, vec![r1, N23, N4]),
    ] {
        let proof = inclusion(index, &leaves[..size]);
        assert_eq!(texts(&proof), expected, "{index} in {size}");
        let root = unhex(REFERENCE_ROOTS[size - 1]).unwrap();
        verify_inclusion(&leaves[index as usize], index, size as u64, &proof, &root).unwrap();
    }
}

#[test]
fn reference_consistency_proofs() {
    let leaves = reference();
    for (old, new, expected) in [
        (1, 1, vec![]),
        (1, 8, vec![N1, N23, N4567]),
        (6, 8, vec![N45, N67, REFERENCE_ROOTS[3]]),
        (2, 5, vec![N23, N4]),
    ] {
        let proof = consistency(old as u64, &leaves[..new]);
        assert_eq!(texts(&proof), expected, "{old} to {new}");
        let root = |size: usize| unhex(REFERENCE_ROOTS[size - 1]).unwrap();
        verify_consistency(old as u64, &root(old), new as u64, &root(new), &proof).unwrap();
    }
}

#[test]
fn all_small_trees_equal_the_definition() {
    let leaves = leaves(70);
    for size in 1..=leaves.len() {
        let tree = &leaves[..size];
        let root = naive_root(tree);
        assert_eq!(root_of(tree).unwrap(), root);
        assert_eq!(root_from(&Leaves(&leaves), size as u64).unwrap(), root);
        for index in 0..size {
            let proof = inclusion(index as u64, tree);
            assert_eq!(proof, naive_path(index, tree));
            verify_inclusion(&tree[index], index as u64, size as u64, &proof, &root).unwrap();
            for other in 0..size {
                let result = verify_inclusion(&tree[index], other as u64, size as u64, &proof, &root);
                assert_eq!(result.is_ok(), other == index, "an entry has one place only");
            }
        }
        for old in 1..=size {
            let proof = consistency(old as u64, tree);
            assert_eq!(proof, naive_subproof(old, tree, true));
            let old_root = naive_root(&tree[..old]);
            verify_consistency(old as u64, &old_root, size as u64, &root, &proof).unwrap();
            assert_eq!(consistency_plan(old as u64, size as u64).unwrap().len(), proof.len());
        }
    }
}

#[test]
fn edges() {
    let one = leaves(1);
    let root = naive_root(&one);
    assert!(inclusion_plan(0, 1).unwrap().is_empty());
    assert!(matches!(inclusion_plan(0, 0), Err(ProofError::IndexOutside { .. })));
    assert!(matches!(inclusion_plan(8, 8), Err(ProofError::IndexOutside { .. })));
    assert!(matches!(inclusion_plan(0, MAX_SIZE + 1), Err(ProofError::TreeSize)));
    assert!(matches!(consistency_plan(9, 8), Err(ProofError::SizesReversed { .. })));
    assert!(matches!(consistency_plan(1, u64::MAX), Err(ProofError::TreeSize)));
    assert!(matches!(verify_inclusion(&root, 1, 1, &[], &root), Err(ProofError::IndexOutside { .. })));
    assert!(matches!(verify_inclusion(&root, 0, u64::MAX, &[], &root), Err(ProofError::TreeSize)));
    assert!(matches!(verify_consistency(2, &root, 1, &root, &[]), Err(ProofError::SizesReversed { .. })));

    // The largest tree has plans of logarithmic size, and endless proofs are refused.
    assert_eq!(inclusion_plan(MAX_SIZE - 1, MAX_SIZE).unwrap().len(), 62);
    assert_eq!(inclusion_plan(0, MAX_SIZE).unwrap().len(), 63);
    consistency_plan(MAX_SIZE - 1, MAX_SIZE).unwrap();
    assert!(verify_inclusion(&root, 0, MAX_SIZE, &vec![root; 10_000], &root).is_err());
    assert!(verify_consistency(5, &root, MAX_SIZE, &root, &vec![root; 10_000]).is_err());

    // Everything extends the empty tree, and nothing else may call itself empty.
    verify_consistency(0, &empty_root(), 1, &root, &[]).unwrap();
    verify_consistency(0, &empty_root(), 0, &empty_root(), &[]).unwrap();
    assert!(verify_consistency(0, &root, 1, &root, &[]).is_err());
    assert!(verify_consistency(0, &root, 0, &root, &[]).is_err());
    assert!(verify_consistency(0, &empty_root(), 1, &root, &[root]).is_err());
    assert!(verify_consistency(1, &root, 1, &root, &[root]).is_err());
    assert!(verify_consistency(1, &root, 2, &root, &[]).is_err());
    assert_eq!(root_from(&Leaves(&[]), 0).unwrap(), empty_root());
    assert!(matches!(root_from(&Leaves(&one), 2), Err(ProofError::MissingNode { .. })));
    assert!(
        Leaves(&one).0.len() == 1
            && poststelle_proof::merkle::HashSource::node(&Leaves(&one), Node { level: 64, index: 0 })
                .is_err()
    );
}

#[test]
fn the_frontier_reports_each_complete_node_once() {
    let leaves = leaves(100);
    let mut frontier = Frontier::new();
    let mut seen = std::collections::BTreeMap::new();
    for leaf in &leaves {
        frontier.append_with(leaf, |node, hash| assert!(seen.insert(node, *hash).is_none())).unwrap();
    }
    assert_eq!(seen.len(), 100 + 50 + 25 + 12 + 6 + 3 + 1);
    for (node, hash) in seen {
        let start = (node.index << node.level) as usize;
        assert_eq!(hash, naive_root(&leaves[start..start + (1 << node.level)]));
    }
}

#[test]
fn stored_frontiers() {
    let leaves = leaves(45);
    let mut frontier = Frontier::new();
    for (n, leaf) in leaves.iter().enumerate() {
        let text = frontier.to_text();
        assert!(text.starts_with(&format!("v1 {n}")));
        let again = Frontier::from_text(&text).unwrap();
        assert_eq!(again, frontier);
        assert_eq!(again.to_text(), text);
        frontier.append(leaf).unwrap();
    }
    let text = frontier.to_text();
    for cut in 0..text.len() {
        assert!(Frontier::from_text(&text[..cut]).is_err(), "cut at {cut}");
    }
    let missing = text.rsplit_once(' ').unwrap().0;
    for wrong in [
        "",
        "v1",
        "v1 ",
        "v2 0",
        "v1 00",
        "v1 +0",
        "v1 -1",
        "v1 0 ",
        " v1 0",
        "v1 0\n",
        "v1 1",
        "v1 1 x",
        "v1 9223372036854775808",
        "v1 18446744073709551616",
        &format!("{text} "),
        &format!("{text}\n"),
        missing,
        &text.replace(' ', "  "),
        &"v".repeat(100_000),
    ] {
        assert!(Frontier::from_text(wrong).is_err(), "{wrong}");
    }
    assert_eq!(Frontier::from_text("v1 0").unwrap(), Frontier::new());
    // A full frontier refuses one more entry.
    let full = format!("v1 {MAX_SIZE}{}", " AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".repeat(63));
    let mut full = Frontier::from_text(&full).unwrap();
    assert!(matches!(full.append(&[0; 32]), Err(ProofError::TreeSize)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn proofs_of_random_trees(size in 1usize..=600, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let leaves = leaves(size);
        let root = naive_root(&leaves);
        let (index, old) = (a.index(size), b.index(size) + 1);
        let proof = inclusion(index as u64, &leaves);
        prop_assert_eq!(&proof, &naive_path(index, &leaves));
        verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root).unwrap();
        let old_root = naive_root(&leaves[..old]);
        let proof = consistency(old as u64, &leaves);
        prop_assert_eq!(&proof, &naive_subproof(old, &leaves, true));
        verify_consistency(old as u64, &old_root, size as u64, &root, &proof).unwrap();
    }

    #[test]
    fn every_tampered_byte_of_an_inclusion_is_noticed(
        size in 1usize..=600, a in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let leaves = leaves(size);
        let (index, size) = (a.index(size), size as u64);
        let (leaf, root, proof) = (leaves[index], naive_root(&leaves), inclusion(index as u64, &leaves));
        let index = index as u64;
        let flip = |hash: &mut Hash, at: usize| hash[at] ^= 1 << bit;
        for at in 0..32 {
            let (mut l, mut r) = (leaf, root);
            flip(&mut l, at);
            flip(&mut r, at);
            prop_assert!(verify_inclusion(&l, index, size, &proof, &root).is_err());
            prop_assert!(verify_inclusion(&leaf, index, size, &proof, &r).is_err());
            for element in 0..proof.len() {
                let mut p = proof.clone();
                flip(&mut p[element], at);
                prop_assert!(verify_inclusion(&leaf, index, size, &p, &root).is_err());
            }
        }
        for element in 0..proof.len() {
            let mut p = proof.clone();
            let gone = p.remove(element);
            prop_assert!(verify_inclusion(&leaf, index, size, &p, &root).is_err(), "one left out");
            p.insert(element, gone);
            p.insert(element, gone);
            prop_assert!(verify_inclusion(&leaf, index, size, &p, &root).is_err(), "one doubled");
        }
        let mut longer = proof.clone();
        longer.push(root);
        prop_assert!(verify_inclusion(&leaf, index, size, &longer, &root).is_err());
        for at in 0..64 {
            prop_assert!(verify_inclusion(&leaf, index ^ (1 << at), size, &proof, &root).is_err(), "another place");
        }
    }

    #[test]
    fn every_tampered_byte_of_a_consistency_is_noticed(
        size in 2usize..=600, a in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let leaves = leaves(size);
        let old = a.index(size - 1) + 1;
        let (old_root, root) = (naive_root(&leaves[..old]), naive_root(&leaves));
        let proof = consistency(old as u64, &leaves);
        let (old, size) = (old as u64, size as u64);
        for at in 0..32 {
            let (mut o, mut r) = (old_root, root);
            o[at] ^= 1 << bit;
            r[at] ^= 1 << bit;
            prop_assert!(verify_consistency(old, &o, size, &root, &proof).is_err());
            prop_assert!(verify_consistency(old, &old_root, size, &r, &proof).is_err());
            for element in 0..proof.len() {
                let mut p = proof.clone();
                p[element][at] ^= 1 << bit;
                prop_assert!(verify_consistency(old, &old_root, size, &root, &p).is_err());
            }
        }
        for element in 0..proof.len() {
            let mut p = proof.clone();
            let gone = p.remove(element);
            prop_assert!(verify_consistency(old, &old_root, size, &root, &p).is_err(), "one left out");
            p.insert(element, gone);
            p.insert(element, gone);
            prop_assert!(verify_consistency(old, &old_root, size, &root, &p).is_err(), "one doubled");
        }
        let mut longer = proof.clone();
        longer.push(root);
        prop_assert!(verify_consistency(old, &old_root, size, &root, &longer).is_err());
    }

    #[test]
    fn the_frontier_equals_the_definition(size in 0usize..=600, cut in any::<prop::sample::Index>()) {
        let leaves = leaves(size);
        let cut = cut.index(size + 1);
        let mut frontier = Frontier::new();
        for leaf in &leaves[..cut] {
            frontier.append(leaf).unwrap();
        }
        prop_assert_eq!(frontier.root(), naive_root(&leaves[..cut]));
        let mut frontier = Frontier::from_text(&frontier.to_text()).unwrap();
        for leaf in &leaves[cut..] {
            frontier.append(leaf).unwrap();
        }
        prop_assert_eq!(frontier.root(), naive_root(&leaves));
        prop_assert_eq!(frontier.size(), size as u64);
    }
}
