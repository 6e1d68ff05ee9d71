// SPDX-License-Identifier: EUPL-1.2
//! Second opinion: a Go program (`tests/oracle`) on the log packages of the Go project verifies what we write, and
//! writes what we verify. Skipped without a Go toolchain, unless `POSTSTELLE_REQUIRE_ORACLES=1`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poststelle_proof::checkpoint::{self, Checkpoint};
use poststelle_proof::merkle::{Frontier, Hash, Leaves, leaf_hash, verify_consistency, verify_inclusion};
use poststelle_proof::note::{Cosigner, NoteSigner, SignedNote, VerifierKey, open};
use poststelle_proof::tile::{
    BundleId, TileHashes, TileId, build_tile, bundle_bytes, new_tiles, parse_bundle, tiles_in_tree,
};
use poststelle_proof::tlog_proof::TlogProof;
use serde_json::{Value, json};

use crate::{entries, key_pair};

/// The origin that the Go package understands.
const ORIGIN: &str = "go.sum database tree";
const SIZE: usize = 1100;
const SIZES: [u64; 14] = [1, 2, 3, 5, 8, 17, 255, 256, 257, 511, 512, 768, 1024, 1100];

/// Builds the oracle; `None` when it cannot be had and is not demanded.
fn build_oracle(dir: &Path) -> Option<PathBuf> {
    let required = std::env::var("POSTSTELLE_REQUIRE_ORACLES").is_ok_and(|value| value == "1");
    let program = dir.join("oracle");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    let reason = match Command::new("go")
        .args(["build", "-buildvcs=false", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(source)
        .output()
    {
        Ok(output) if output.status.success() => return Some(program),
        Ok(output) => format!("go oracle does not build: {}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => "go toolchain missing".to_owned(),
    };
    assert!(!required, "{reason}");
    println!("SKIPPED: {reason}");
    None
}

fn run(program: &Path, dir: &Path, bundle: &Value) -> Result<Value, String> {
    let (ours, theirs) = (dir.join("ours.json"), dir.join("theirs.json"));
    std::fs::write(&ours, bundle.to_string()).unwrap();
    let output = Command::new(program).arg(&ours).arg(&theirs).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&std::fs::read(theirs).unwrap()).unwrap())
}

fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}

fn our_bundle() -> Value {
    let log = NoteSigner::new("poststelle.example/log", key_pair(1)).unwrap();
    let witness = Cosigner::new("nachbar.example/w1", key_pair(2)).unwrap();
    let entries = entries(SIZE);
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let mut frontier = Frontier::new();
    let mut roots = Vec::new();
    for leaf in &leaves {
        frontier.append(leaf).unwrap();
        roots.push(frontier.root());
    }
    let tiles: BTreeMap<TileId, Vec<u8>> =
        tiles_in_tree(SIZE as u64).map(|id| (id, build_tile(id, &Leaves(&leaves)).unwrap())).collect();
    let bundles: BTreeMap<String, String> = tiles
        .keys()
        .filter_map(TileId::bundle)
        .map(|id| {
            let start = id.index as usize * 256;
            let bytes = bundle_bytes(&entries[start..start + usize::from(id.width)]).unwrap();
            (id.path(), STANDARD.encode(bytes))
        })
        .collect();

    let (mut inclusion, mut consistency, mut growth) = (Vec::new(), Vec::new(), Vec::new());
    for (at, size) in SIZES.into_iter().enumerate() {
        // Tiles of this size, so that partial ones are read too.
        let tiles: BTreeMap<TileId, Vec<u8>> =
            tiles_in_tree(size).map(|id| (id, build_tile(id, &Leaves(&leaves)).unwrap())).collect();
        let tree = TileHashes::new(&tiles, size).unwrap();
        for index in (0..size).step_by(53).chain([size - 1]) {
            let proof = texts(&tree.inclusion(index).unwrap());
            inclusion.push(json!({"index": index, "size": size, "proof": proof}));
        }
        for old in &SIZES[..=at] {
            let proof = texts(&tree.consistency(*old).unwrap());
            consistency.push(json!({"old": old, "new": size, "proof": proof}));
            let paths: Vec<String> = new_tiles(*old, size).map(|id| id.path()).collect();
            growth.push(json!({"old": old, "new": size, "tiles": paths}));
        }
    }

    let text = "Guten Tag\n\nzweiter Absatz — mit Strich\n";
    let note = SignedNote::new(text, vec![log.sign(text).unwrap()]).unwrap();
    let checkpoint = Checkpoint::new(ORIGIN, SIZE as u64, frontier.root()).unwrap().sign(&[&log]).unwrap();
    let cosignature = witness.cosign(checkpoint.unverified_text(), 1_795_000_000).unwrap();
    let checkpoint = checkpoint.with_signature(cosignature).unwrap();
    json!({
        "vkey": log.verifier().format(),
        "witness_vkey": witness.verifier().format(),
        "witness_time": 1_795_000_000u64,
        "note": note.format(),
        "note_text": text,
        "checkpoint": checkpoint.format(),
        "entries": entries.iter().map(|entry| STANDARD.encode(entry)).collect::<Vec<_>>(),
        "roots": texts(&roots),
        "tiles": tiles.iter().map(|(id, bytes)| (id.path(), STANDARD.encode(bytes))).collect::<BTreeMap<_, _>>(),
        "bundles": bundles,
        "growth": growth,
        "inclusion": inclusion,
        "consistency": consistency,
    })
}

fn hash(value: &Value) -> Hash {
    STANDARD.decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

fn verify_theirs(ours: &Value, theirs: &Value) {
    let text = |name: &str| theirs[name].as_str().unwrap();
    let log = VerifierKey::parse(text("vkey")).unwrap();
    let witness = VerifierKey::parse(text("witness_vkey")).unwrap();
    assert_eq!(log.format(), text("vkey"));
    assert_eq!(witness.format(), text("witness_vkey"));
    let note = SignedNote::parse(text("note").as_bytes()).unwrap();
    assert_eq!(note.format(), text("note"));
    assert_eq!(open(&note, std::slice::from_ref(&log)).unwrap().text, text("note_text"));

    let opened =
        checkpoint::open(text("checkpoint").as_bytes(), ORIGIN, &log, std::slice::from_ref(&witness))
            .unwrap();
    assert_eq!(opened.witnesses[0].timestamp, theirs["witness_time"].as_u64());
    let roots = hashes(&theirs["roots"]);
    let root = |size: &Value| roots[size.as_u64().unwrap() as usize - 1];
    assert_eq!((opened.checkpoint.size(), opened.checkpoint.root()), (SIZE as u64, roots.last().unwrap()));
    assert_eq!(theirs["tiles"], ours["tiles"]);
    assert_eq!(theirs["inclusion"], ours["inclusion"], "proofs are equal, not only valid");
    assert_eq!(theirs["consistency"], ours["consistency"]);

    let bundles: BTreeMap<BundleId, Vec<u8>> = ours["bundles"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, bytes)| {
            (BundleId::parse(path).unwrap(), STANDARD.decode(bytes.as_str().unwrap()).unwrap())
        })
        .collect();
    let entries: Vec<&[u8]> =
        bundles.iter().flat_map(|(id, bytes)| parse_bundle(*id, bytes).unwrap()).collect();
    for proof in theirs["inclusion"].as_array().unwrap() {
        let (index, size) = (proof["index"].as_u64().unwrap(), proof["size"].as_u64().unwrap());
        let (leaf, path) = (leaf_hash(entries[index as usize]), hashes(&proof["proof"]));
        verify_inclusion(&leaf, index, size, &path, &root(&proof["size"])).unwrap();
        if size == SIZE as u64 {
            let file =
                TlogProof::new(None, index, path, SignedNote::parse(text("checkpoint").as_bytes()).unwrap());
            file.unwrap().verify(&leaf, ORIGIN, &log, std::slice::from_ref(&witness)).unwrap();
        }
    }
    for proof in theirs["consistency"].as_array().unwrap() {
        let (old, new) = (&proof["old"], &proof["new"]);
        let path = hashes(&proof["proof"]);
        verify_consistency(old.as_u64().unwrap(), &root(old), new.as_u64().unwrap(), &root(new), &path)
            .unwrap();
    }
}

#[test]
fn the_go_packages_agree() {
    let dir = tempfile::tempdir().unwrap();
    let Some(program) = build_oracle(dir.path()) else { return };
    let ours = our_bundle();
    let theirs = run(&program, dir.path(), &ours).unwrap();
    verify_theirs(&ours, &theirs);

    // The oracle can say no: a bundle with one changed item is refused for that item.
    let other_hash = json!(STANDARD.encode([7u8; 32]));
    for (pointer, value, complaint) in [
        ("/note_text", json!("x\n"), "note"),
        ("/entries/700", json!(STANDARD.encode("x")), "root of size 701"),
        ("/witness_time", json!(1), "checkpoint"),
        ("/inclusion/100/proof/0", other_hash.clone(), "inclusion"),
        ("/consistency/50/proof/0", other_hash, "consistency"),
        ("/growth/19/tiles/0", json!("tile/0/999"), "growth"),
        ("/tiles/tile~10~1000", json!(""), "tile"),
        ("/bundles/tile~1entries~1001", json!(""), "bundle"),
    ] {
        let mut tampered = ours.clone();
        *tampered.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        let error = run(&program, dir.path(), &tampered).unwrap_err();
        assert!(error.contains(complaint), "{pointer}: {error}");
    }
}
