// SPDX-License-Identifier: EUPL-1.2
//! The log as an auditor fetches it: checkpoint, tiles and entries fit together.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use poststelle_hub::watch::{Timers, Watch};
use poststelle_proof::checkpoint;
use poststelle_proof::merkle::{leaf_hash, root_of};
use poststelle_proof::note::VerifierKey;
use poststelle_proof::tile::{BundleId, TileHashes, TileId, parse_bundle, tiles_in_tree};

use crate::bed::{Bed, who};

#[tokio::test(flavor = "multi_thread")]
async fn tiles_give_the_signed_root() {
    let bed = Bed::new().await;
    for i in 0..300 {
        bed.hub.add_mailbox(bed.a.tenant, &format!("Postfach {i}"), &who()).await.unwrap();
    }
    let watch = Watch::new(Arc::clone(&bed.hub), Timers::default());
    watch.sequence_all().await.unwrap();
    let base = format!("/api/v1/tenants/{}/log", bed.a.tenant);
    let bearer = format!("Bearer {}", bed.a.reader);
    let auditor = [("authorization", bearer.as_str())];
    let note = bed.get(&format!("{base}/checkpoint"), &auditor).await;
    assert_eq!(note.status, StatusCode::OK, "{}", note.text());
    assert_eq!(note.header("content-type"), "text/plain; charset=utf-8");
    let tenant = bed.hub.tenant(bed.a.tenant).await.unwrap();
    let key = VerifierKey::parse(&tenant.note_vkey).unwrap();
    let checkpoint = checkpoint::open(&note.octets, &tenant.log_origin, &key, &[]).unwrap().checkpoint;
    assert!(checkpoint.size() > 300);

    let mut tiles: BTreeMap<TileId, Vec<u8>> = BTreeMap::new();
    for tile in tiles_in_tree(checkpoint.size()) {
        let answer = bed.get(&format!("{base}/{}", tile.path()), &auditor).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", tile.path());
        tiles.insert(tile, answer.octets);
    }
    assert!(tiles.keys().any(|t| t.level == 1));
    assert_eq!(TileHashes::new(&tiles, checkpoint.size()).unwrap().root().unwrap(), *checkpoint.root());

    let mut leaves = Vec::new();
    for bundle in [BundleId { index: 0, width: 256 }, BundleId::of_entry(256, checkpoint.size()).unwrap()] {
        let answer = bed.get(&format!("{base}/{}", bundle.path()), &auditor).await;
        for entry in parse_bundle(bundle, &answer.octets).unwrap() {
            leaves.push(leaf_hash(entry));
        }
    }
    assert_eq!(root_of(&leaves).unwrap(), *checkpoint.root());
    for bad in [
        "tile/0/001",
        "tile/1/001",
        "tile/9/000.p/1",
        "tile/entries/007",
        "tile/0/1",
        "tile/x",
        "tile/0/000.p/0",
    ] {
        assert_eq!(bed.get(&format!("{base}/{bad}"), &auditor).await.status, StatusCode::NOT_FOUND, "{bad}");
    }
}
