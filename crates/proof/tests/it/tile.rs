// SPDX-License-Identifier: EUPL-1.2
//! Tiles and bundles against the examples of the specification and the recursive definition.

use std::collections::{BTreeMap, BTreeSet};

use poststelle_proof::ProofError;
use poststelle_proof::merkle::{
    Hash, HashSource, Leaves, MAX_SIZE, Node, consistency_plan, inclusion_plan, verify_consistency,
    verify_inclusion,
};
use poststelle_proof::tile::{
    BundleId, TileHashes, TileId, build_tile, bundle_bytes, new_tiles, parent_hash, parse_bundle, parse_tile,
    tile_bytes, tiles_in_tree, tiles_of_plan,
};
use proptest::prelude::*;

use crate::{entries, leaves, naive_path, naive_root, naive_subproof};

fn tiles_of(leaves: &[Hash]) -> BTreeMap<TileId, Vec<u8>> {
    tiles_in_tree(leaves.len() as u64).map(|id| (id, build_tile(id, &Leaves(leaves)).unwrap())).collect()
}

#[test]
fn paths_of_the_specification() {
    for (path, level, index, width) in [
        ("tile/0/x001/x234/067", 0, 1_234_067, 256),
        ("tile/0/000", 0, 0, 256),
        ("tile/1/000.p/1", 1, 0, 1),
        ("tile/0/273.p/112", 0, 273, 112),
        ("tile/63/x001/000.p/255", 63, 1000, 255),
        ("tile/7/x018/x446/x744/x073/x709/x551/615", 7, u64::MAX, 256),
    ] {
        let id = TileId { level, index, width };
        assert_eq!(id.path(), path);
        assert_eq!(TileId::parse(path).unwrap(), id);
    }
    let bundle = BundleId { index: 1067, width: 3 };
    assert_eq!(bundle.path(), "tile/entries/x001/067.p/3");
    assert_eq!(BundleId::parse("tile/entries/x001/067.p/3").unwrap(), bundle);
}

#[test]
fn only_one_spelling_of_a_path() {
    let long = format!("tile/0/{}000", "x000/".repeat(100));
    for wrong in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/x001/",
        "tile/0//000",
        "tile/0/ 00",
        "tile/0/+00",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/x/000",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/0/äöü",
        "tile/entries/000",
        &long,
    ] {
        assert!(matches!(TileId::parse(wrong), Err(ProofError::TilePath)), "{wrong}");
    }
    for wrong in ["tile/entries/", "tile/entries/0", "tile/0/000", "tile/entries/000.p/256"] {
        assert!(matches!(BundleId::parse(wrong), Err(ProofError::TilePath)), "{wrong}");
    }
}

#[test]
fn tiles_of_the_example_of_the_specification() {
    // "A tree of size 70,000 will be represented by 273 full level 0 tiles, one partial level 0 tile of width 112,
    // one full level 1 tile, one partial level 1 tile of width 17, and one partial level 2 tile of width 1."
    let mut counts = BTreeMap::new();
    for id in tiles_in_tree(70_000) {
        *counts.entry((id.level, id.width)).or_insert(0) += 1;
    }
    let expected = [((0, 256), 273), ((0, 112), 1), ((1, 256), 1), ((1, 17), 1), ((2, 1), 1)];
    assert_eq!(counts, expected.into_iter().collect());

    let small: Vec<_> = tiles_in_tree(256).map(|id| id.path()).collect();
    assert_eq!(small, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(tiles_in_tree(0).count(), 0);
    assert_eq!(tiles_in_tree(1).map(|id| id.path()).collect::<Vec<_>>(), ["tile/0/000.p/1"]);
    assert_eq!(TileId::in_tree(0, 1, 256), None);
    assert_eq!(TileId::in_tree(63, 0, MAX_SIZE), None);
    assert_eq!(TileId::in_tree(0, u64::MAX, MAX_SIZE), None);
    assert_eq!(BundleId::of_entry(256, 257), Some(BundleId { index: 1, width: 1 }));
    assert_eq!(BundleId::of_entry(257, 257), None);
}

#[test]
fn growth_names_exactly_the_new_tiles() {
    for (old, new) in
        [(0, 1), (0, 700), (1, 2), (255, 256), (256, 257), (255, 600), (256, 512), (5, 5), (600, 70_000)]
    {
        let before: BTreeSet<_> = tiles_in_tree(old).collect();
        let expected: BTreeSet<_> = tiles_in_tree(new).filter(|id| !before.contains(id)).collect();
        assert_eq!(new_tiles(old, new).collect::<BTreeSet<_>>(), expected, "{old} to {new}");
    }
    assert_eq!(new_tiles(10, 5).count(), 0);
}

#[test]
fn upper_levels_are_roots_of_full_tiles() {
    let leaves = leaves(600);
    let tiles = tiles_of(&leaves);
    let upper = parse_tile(
        TileId::parse("tile/1/000.p/2").unwrap(),
        &tiles[&TileId::parse("tile/1/000.p/2").unwrap()],
    );
    for (index, hash) in upper.unwrap().iter().enumerate() {
        let id = TileId { level: 0, index: index as u64, width: 256 };
        assert!(id.is_full() && id.bundle().is_some());
        let hashes = parse_tile(id, &tiles[&id]).unwrap();
        assert_eq!(parent_hash(&hashes).unwrap(), *hash);
        assert_eq!(tile_bytes(&hashes).unwrap(), tiles[&id]);
        assert!(parent_hash(&hashes[..255]).is_err(), "partial tiles are never hashed");
    }
}

#[test]
fn tiles_of_wrong_length_are_refused() {
    let id = TileId { level: 0, index: 0, width: 3 };
    for len in [0, 1, 64, 95, 97, 128] {
        assert!(matches!(parse_tile(id, &vec![0; len]), Err(ProofError::TileLength { expected: 96, .. })));
    }
    for width in [0, 257, u16::MAX] {
        let id = TileId { level: 0, index: 0, width };
        assert!(matches!(parse_tile(id, &[]), Err(ProofError::TileWidth { .. })));
        assert!(build_tile(id, &Leaves(&[])).is_err());
        assert!(parse_bundle(BundleId { index: 0, width }, &[]).is_err());
    }
    assert!(tile_bytes(&[]).is_err() && tile_bytes(&[[0; 32]; 257]).is_err());
    assert!(build_tile(TileId { level: 8, index: 0, width: 1 }, &Leaves(&[])).is_err());
    assert!(build_tile(TileId { level: 0, index: u64::MAX, width: 1 }, &Leaves(&[])).is_err());
}

#[test]
fn missing_and_impossible_places() {
    let leaves = leaves(300);
    let mut tiles = tiles_of(&leaves);
    let tree = TileHashes::new(&tiles, 300).unwrap();
    assert_eq!(tree.node(Node { level: 8, index: 0 }).unwrap(), naive_root(&leaves[..256]));
    for (level, index) in
        [(0, 300), (1, 150), (8, 1), (9, 0), (63, 0), (255, 0), (0, u64::MAX), (7, u64::MAX)]
    {
        assert!(
            matches!(tree.node(Node { level, index }), Err(ProofError::MissingNode { .. })),
            "{level} {index}"
        );
    }
    assert!(TileHashes::new(&tiles, u64::MAX).is_err());
    assert!(matches!(tree.inclusion(300), Err(ProofError::IndexOutside { .. })));
    tiles.remove(&TileId::parse("tile/0/000").unwrap());
    let tree = TileHashes::new(&tiles, 300).unwrap();
    assert!(matches!(tree.inclusion(5), Err(ProofError::MissingTile { path }) if path == "tile/0/000"));
}

#[test]
fn bundles() {
    let all = entries(256);
    for width in [1usize, 2, 255, 256] {
        let id = BundleId { index: 0, width: width as u16 };
        let bytes = bundle_bytes(&all[..width]).unwrap();
        assert_eq!(
            parse_bundle(id, &bytes).unwrap(),
            all[..width].iter().map(Vec::as_slice).collect::<Vec<_>>()
        );
        for cut in 0..bytes.len() {
            assert!(parse_bundle(id, &bytes[..cut]).is_err());
        }
        let mut longer = bytes.clone();
        for _ in 0..4 {
            longer.push(0);
            assert!(parse_bundle(id, &longer).is_err());
        }
    }
    assert_eq!(bundle_bytes(&[&b"ab"[..], b""]).unwrap(), b"\0\x02ab\0\0");
    assert_eq!(parse_bundle(BundleId { index: 0, width: 2 }, b"\0\0\0\0").unwrap(), [b"", b""]);
    assert!(bundle_bytes(&[vec![0; 65_535]]).is_ok());
    assert!(matches!(bundle_bytes(&[vec![0; 65_536]]), Err(ProofError::TooLarge { .. })));
    assert!(bundle_bytes::<&[u8]>(&[]).is_err());
    assert!(bundle_bytes(&[b""; 257]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn proofs_from_tiles_equal_the_definition(
        size in 1usize..=1100, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(),
    ) {
        let leaves = leaves(size);
        let tiles = tiles_of(&leaves);
        let tree = TileHashes::new(&tiles, size as u64).unwrap();
        let root = naive_root(&leaves);
        prop_assert_eq!(tree.root().unwrap(), root);
        let (index, old) = (a.index(size), b.index(size) + 1);
        let proof = tree.inclusion(index as u64).unwrap();
        prop_assert_eq!(&proof, &naive_path(index, &leaves));
        verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root).unwrap();
        let proof = tree.consistency(old as u64).unwrap();
        prop_assert_eq!(&proof, &naive_subproof(old, &leaves, true));
        verify_consistency(old as u64, &naive_root(&leaves[..old]), size as u64, &root, &proof).unwrap();

        // The tiles that a plan names are enough to resolve it.
        for plan in [inclusion_plan(index as u64, size as u64).unwrap(), consistency_plan(old as u64, size as u64).unwrap()] {
            let named = tiles_of_plan(&plan, size as u64).unwrap();
            let few: BTreeMap<_, _> = named.iter().map(|id| (*id, tiles[id].clone())).collect();
            plan.resolve(&TileHashes::new(&few, size as u64).unwrap()).unwrap();
        }
    }

    #[test]
    fn paths_survive(level in 0u8..=63, index in any::<u64>(), width in 1u16..=256) {
        let id = TileId { level, index, width };
        prop_assert_eq!(TileId::parse(&id.path()).unwrap(), id);
        let id = BundleId { index, width };
        prop_assert_eq!(BundleId::parse(&id.path()).unwrap(), id);
    }

    #[test]
    fn rubbish_never_panics(path in "tile/[0-9x./p]{0,30}", bytes in proptest::collection::vec(any::<u8>(), 0..600), width in any::<u16>()) {
        let _ = TileId::parse(&path);
        let _ = BundleId::parse(&path);
        let _ = parse_bundle(BundleId { index: 0, width }, &bytes);
        let _ = parse_tile(TileId { level: 0, index: 0, width }, &bytes);
    }
}
