// SPDX-License-Identifier: EUPL-1.2
//! Backup → destroy → restore: everything up to the backup is there, the loss of anything later is named.

use std::path::Path;

use poststelle_hub::texts;
use poststelle_model::{Subject, TenantId};
use poststelle_store::{Scope, evidence};

use crate::place::{self, Place};

/// The newest signed state of a tenant's log.
async fn newest(place: &Place, tenant: TenantId) -> evidence::Checkpoint {
    let db = place.db().await;
    let mut tx = db.read(Scope::Tenant(tenant)).await.unwrap();
    evidence::last_checkpoint(&mut tx, tenant).await.unwrap().unwrap()
}

/// What a fire leaves: the configuration, the backup, and the root key from its safe place.
async fn destroy(place: &mut Place) {
    std::fs::copy(place.path("data/root.key"), place.path("safe.key")).unwrap();
    std::fs::remove_dir_all(place.path("data")).unwrap();
    place.new_database().await;
}

fn bring_key(place: &Place, from: &str) {
    std::fs::create_dir_all(place.path("data")).unwrap();
    std::fs::copy(place.path(from), place.path("data/root.key")).unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_up_to_the_backup_comes_back() {
    for kind in place::kinds() {
        let mut place = Place::founded(kind).await;
        let hub = place.hub().await;
        let (a, box_a) = place::tenant(&hub, "adorf").await;
        let (b, box_b) = place::tenant(&hub, "bdorf").await;
        let before = place::mail(&hub, a, box_a, 0, 20).await;
        let other = place::mail(&hub, b, box_b, 0, 3).await;

        // While the hub works.
        let dir = place.path("backup");
        let told = place.json(&["backup", text(&dir)]);
        assert_eq!((told["messages"].as_i64(), told["blobs"].as_i64()), (Some(23), Some(23)), "{kind:?}");
        assert!(place.refused(&["backup", text(&dir)]).contains("nicht leer"));
        assert!(!dir.join("root.key").exists() && told.to_string().find("poststelle-root-key").is_none());
        assert!(place.fine(&["backup", text(&place.path("second"))]).contains("NICHT dabei"));
        // Under traffic every message of the copy has its octets: the database first, then the blobs.
        let (busy, done) = (hub.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let over = done.clone();
        let traffic = tokio::spawn(async move {
            let mut from = 1000;
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                place::mail(&busy, b, box_b, from, 10).await;
                from += 10;
            }
        });
        let third = place.json(&["backup", text(&place.path("third"))]);
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        traffic.await.unwrap();
        assert_eq!(
            (&third["messages"], &third["missing_blobs"]),
            (&third["blobs"], &serde_json::json!([])),
            "{kind:?}"
        );

        let later = place::mail(&hub, a, box_a, 100, 5).await;
        let known = newest(&place, a).await;
        std::fs::write(place.path("known.txt"), &known.note).unwrap();
        hub.db().close().await;
        drop(hub);
        destroy(&mut place).await;

        let known_path = place.path("known.txt");
        let restore = ["restore", text(&dir), "--known-checkpoint", text(&known_path)];
        assert!(
            place.refused(&restore).contains("Wurzelschlüssel"),
            "{kind:?}: the key comes from its safe place"
        );
        bring_key(&place, "safe.key");
        let told = place.json(&restore);
        assert_eq!((told["messages"].as_i64(), told["blobs"].as_i64()), (Some(23), Some(23)), "{kind:?}");
        let of = |slug: &str| {
            told["tenants"].as_array().unwrap().iter().find(|t| t["tenant"] == slug).unwrap().clone()
        };
        let kept = of("adorf")["entries"].as_i64().unwrap();
        assert_eq!(of("adorf")["known"], known.size, "{kind:?}");
        assert_eq!(of("adorf")["missing"], known.size - kept, "{kind:?}: the loss is counted");
        assert!(known.size - kept >= 5, "{kind:?}: at least one entry for each lost message");
        assert!(of("bdorf")["missing"].is_null(), "{kind:?}: nothing is known, nothing is claimed");

        // The balance of the system's canaries and all mail adds up, all proofs fit.
        assert_eq!(place.json(&["balance"])["ok"], true, "{kind:?}");
        assert_eq!(place.json(&["verify"])["ok"], true, "{kind:?}");
        assert_eq!(place.json(&["message", "list", "adorf"]).as_array().unwrap().len(), 20, "{kind:?}");
        let hub = place.hub().await;
        place::all_there(&hub, a, &before).await;
        place::all_there(&hub, b, &other).await;
        assert!(hub.content(a, later[0].0).await.is_err(), "{kind:?}: later mail is gone");

        // And the loss is named where people look: in the log of each tenant, and as an alarm.
        let mut tx = hub.db().read(Scope::System).await.unwrap();
        for tenant in [a, b, TenantId::SYSTEM] {
            let chain = evidence::chain(&mut tx, tenant, &Subject::tenant(tenant)).await.unwrap();
            let epoch = chain.last().unwrap();
            assert_eq!(epoch.event, "EpochOpened", "{kind:?}");
            let body: serde_json::Value = serde_json::from_str(&epoch.body).unwrap();
            assert!(body["backup_at"].as_str().unwrap().starts_with("20"), "{body}");
            if tenant == a {
                assert_eq!(
                    (body["known_size"].as_i64(), body["missing"].as_i64()),
                    (Some(known.size), Some(known.size - kept))
                );
            }
        }
        let alarms = evidence::open_alarms(&mut tx).await.unwrap();
        let alarm = alarms.iter().find(|a| a.topic == "restored").expect("an alarm");
        let sentence = texts::sentence(alarm.reason.as_ref().unwrap());
        assert!(sentence.contains("wiederhergestellt") && sentence.contains("Uhr"), "{sentence}");
        drop(tx);

        // The house goes on: new mail, new checkpoints over old and new entries.
        let new = place::mail(&hub, a, box_a, 200, 2).await;
        place::all_there(&hub, a, &new).await;
        assert_eq!(place.json(&["verify"])["ok"], true, "{kind:?}");
        assert_eq!(place.json(&["balance"])["ok"], true, "{kind:?}");
        assert!(newest(&place, a).await.size > kept);
        assert!(place.refused(&["restore", text(&dir)]).contains("leere Installation"), "{kind:?}");
    }
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The first file below `dir`.
fn some_file(dir: &Path) -> std::path::PathBuf {
    let entry = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap();
    if entry.file_type().unwrap().is_dir() { some_file(&entry.path()) } else { entry.path() }
}

fn change(path: &Path) {
    let mut octets = std::fs::read(path).unwrap();
    let at = octets.len() / 2;
    octets[at] ^= 1;
    std::fs::write(path, octets).unwrap();
}

fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

fn write(path: &Path, words: &str) {
    std::fs::write(path, words).unwrap();
}

/// What is broken, what is said about it, and how it is done.
type Break<'b> = (&'b str, &'b str, &'b dyn Fn(&Path));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_backup_restores_nothing() {
    for kind in place::kinds() {
        let mut place = Place::founded(kind).await;
        let hub = place.hub().await;
        let (tenant, mailbox) = place::tenant(&hub, "adorf").await;
        let sent = place::mail(&hub, tenant, mailbox, 0, 5).await;
        let whole = place.path("whole");
        place.fine(&["backup", text(&whole)]);
        // A checkpoint of another house is no witness.
        let stranger = Place::founded(place::Kind::Sqlite).await;
        let hub_of_stranger = stranger.hub().await;
        let (other, other_box) = place::tenant(&hub_of_stranger, "fremd").await;
        place::mail(&hub_of_stranger, other, other_box, 0, 1).await;
        std::fs::write(place.path("fremd.txt"), newest(&stranger, other).await.note).unwrap();
        hub.db().close().await;
        drop(hub);
        destroy(&mut place).await;
        std::fs::copy(stranger.path("data/root.key"), place.path("fremd.key")).unwrap();
        bring_key(&place, "fremd.key");
        assert!(
            place.refused(&["restore", text(&whole)]).contains("gehört nicht zu dieser Sicherung"),
            "{kind:?}"
        );
        std::fs::remove_file(place.path("data/root.key")).unwrap();
        bring_key(&place, "safe.key");
        let fremd = place.path("fremd.txt");
        let words = place.refused(&["restore", text(&whole), "--known-checkpoint", text(&fremd)]);
        assert!(words.contains("von keinem Mandanten"), "{kind:?}: {words}");

        let database = if kind == place::Kind::Sqlite { "database.sqlite" } else { "database.pgdump" };
        let manifest = "manifest.json";
        let breaks: [Break; 7] = [
            ("database", "database", &|dir| change(&dir.join(database))),
            ("list", "blobs.jsonl", &|dir| change(&dir.join("blobs.jsonl"))),
            ("blob", "fehlt oder wurde verändert", &|dir| change(&some_file(&dir.join("blobs")))),
            ("no blob", "fehlt oder wurde verändert", &|dir| remove(&some_file(&dir.join("blobs")))),
            ("no manifest", "keine vollständige Sicherung", &|dir| remove(&dir.join(manifest))),
            ("manifest", manifest, &|dir| write(&dir.join(manifest), "{")),
            ("other", "keine Sicherung", &|dir| write(&dir.join(manifest), "{\"format\":\"x\"}")),
        ];
        for (what, says, broken) in breaks {
            let copy = place.path("copy");
            copy_tree(&whole, &copy);
            broken(&copy);
            let words = place.refused(&["restore", text(&copy)]);
            assert!(words.contains(says), "{kind:?} {what}: {words}");
            assert!(!place.path("data/poststelle.db").exists(), "{kind:?} {what}");
            assert!(place.blobs().list("").await.unwrap().is_empty(), "{kind:?} {what}: blobs stayed");
            std::fs::remove_dir_all(copy).unwrap();
        }
        // After all that the whole one still goes in.
        let words = place.fine(&["restore", text(&whole)]);
        assert!(words.contains("kann fehlen"), "{words}");
        place::all_there(&place.hub().await, tenant, &sent).await;
    }
}
