// SPDX-License-Identifier: EUPL-1.2
//! The contract of blob stores: what is finished is there, what is not is not, what was changed does not open.

use std::sync::Arc;

use poststelle_crypto::chunked;
use poststelle_crypto::digest::{DualHasher, hex, sha256};
use poststelle_crypto::keys::{BlobKey, MessageKey};
use poststelle_model::{BlobId, MessageId, TenantId};
use poststelle_store::StoreError;
use poststelle_store::blob::{self, BlobReader, BlobStore, BlobWriter};

use crate::bed::{self, TestIds};

const MIB: usize = 1024 * 1024;

fn names() -> (TenantId, MessageId, BlobId, String) {
    let (tenant, message, blob) = (TenantId::new(&TestIds), MessageId::new(&TestIds), BlobId::new(&TestIds));
    (tenant, message, blob, blob::name(tenant, message, blob))
}

fn key() -> BlobKey {
    MessageKey::generate().unwrap().derive_blob_key(b"x").unwrap()
}

/// Octets that differ everywhere, so that a wrong place shows.
fn octets(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

async fn put(store: &Arc<dyn BlobStore>, name: &str, key: &BlobKey, plain: &[u8], piece: usize) -> String {
    let mut writer = BlobWriter::create(store, name, key).await.unwrap();
    for piece in plain.chunks(piece) {
        writer.push(piece).await.unwrap();
    }
    let (len, digests) = writer.finish().await.unwrap();
    assert_eq!(len, plain.len() as u64);
    digests.sha256_hex()
}

async fn all(
    store: &Arc<dyn BlobStore>,
    name: &str,
    key: &BlobKey,
    len: usize,
) -> Result<Vec<u8>, StoreError> {
    let mut reader = BlobReader::open(Arc::clone(store), name.to_owned(), key, len as u64).await?;
    let mut out = Vec::new();
    loop {
        let piece = reader.at(out.len() as u64).await?;
        if piece.is_empty() {
            return Ok(out);
        }
        out.extend_from_slice(&piece);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_size_comes_back_by_any_range() {
    for shelf in bed::shelves() {
        for size in [0, 1, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 3 * MIB, 20 * MIB] {
            let (_, _, _, name) = names();
            let (key, plain) = (key(), octets(size));
            let digest = put(&shelf.store, &name, &key, &plain, 70_001).await;
            assert_eq!(digest, hex(&sha256(&plain)), "{} {size}", shelf.name);
            assert!(all(&shelf.store, &name, &key, size).await.unwrap() == plain, "{} {size}", shelf.name);
            let listed = shelf.store.list(name.split('/').next().unwrap()).await.unwrap();
            let sealed = chunked::sealed_len(size as u64, chunked::DEFAULT_CHUNK_SIZE).unwrap();
            assert_eq!(
                listed.iter().map(|l| (l.name.as_str(), l.size)).collect::<Vec<_>>(),
                [(name.as_str(), sealed)]
            );

            let mut reader =
                BlobReader::open(shelf.store.clone(), name.clone(), &key, size as u64).await.unwrap();
            assert_eq!((reader.len(), reader.is_empty()), (size as u64, size == 0));
            // Across the borders of chunks (64 KiB) and blocks (1 MiB), forwards and backwards.
            let borders = [0, 1, 65_536, 131_072, MIB, 2 * MIB, 3 * MIB - 65_536, 20 * MIB - 1, size];
            for border in borders.into_iter().chain(borders.into_iter().rev()) {
                let range = border.saturating_sub(3).min(size)..(border + 5).min(size);
                let got = reader.range(range.start as u64..range.end as u64 + 9).await.unwrap();
                let end = (range.end + 9).min(size);
                assert_eq!(got, &plain[range.start..end], "{} {size} at {border}", shelf.name);
            }
            assert!(reader.at(size as u64).await.unwrap().is_empty());
            assert!(reader.range(size as u64 + 5..size as u64 + 9).await.unwrap().is_empty());
            shelf.store.delete(&name).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_up_leaves_nothing() {
    for shelf in bed::shelves() {
        for size in [0, 10, 3 * MIB, 20 * MIB] {
            let (tenant, _, _, name) = names();
            let mut writer = BlobWriter::create(&shelf.store, &name, &key()).await.unwrap();
            for piece in octets(size).chunks(MIB) {
                writer.push(piece).await.unwrap();
            }
            assert_eq!((writer.len(), writer.is_empty()), (size as u64, size == 0));
            writer.abort().await;
            let left = shelf.store.list(&tenant.to_string()).await.unwrap();
            assert!(left.is_empty(), "{} {size}: {left:?}", shelf.name);
            assert!(all(&shelf.store, &name, &key(), size).await.is_err());
        }
    }
}

#[tokio::test]
async fn names_listing_and_removal() {
    for shelf in bed::shelves() {
        let key = key();
        let (tenant, message, blob, one) = names();
        let two = blob::name(tenant, MessageId::new(&TestIds), BlobId::new(&TestIds));
        let (other, _, _, three) = names();
        for name in [&one, &two, &three] {
            put(&shelf.store, name, &key, b"x", 1).await;
        }
        assert_eq!(blob::parse_name(&one), Some((tenant, message, blob)), "{}", shelf.name);
        let list = async |prefix: &str| {
            let found = shelf.store.list(prefix).await.unwrap();
            assert!(found.iter().all(|l| l.modified > 1_700_000_000_000_000), "{}: microseconds", shelf.name);
            found.into_iter().map(|l| l.name).collect::<Vec<_>>()
        };
        let mut both = vec![one.clone(), two.clone()];
        both.sort();
        assert_eq!(list(&tenant.to_string()).await, both, "{}", shelf.name);
        assert_eq!(list(&format!("{tenant}/")).await, both, "{}", shelf.name);
        assert_eq!(list(&other.to_string()).await, std::slice::from_ref(&three), "{}", shelf.name);
        let everything = list("").await;
        assert!([&one, &two, &three].iter().all(|name| everything.contains(name)), "{}", shelf.name);
        assert!(list("there-is-no-such-folder").await.is_empty(), "{}", shelf.name);

        shelf.store.delete(&one).await.unwrap();
        shelf.store.delete(&one).await.unwrap();
        assert_eq!(list(&tenant.to_string()).await, [two], "{}", shelf.name);
        let gone = BlobReader::open(shelf.store.clone(), one, &key, 1).await.err();
        assert!(matches!(gone, Some(StoreError::NotFound(_))), "{}: {gone:?}", shelf.name);
        shelf.store.check().await.unwrap();
        for bad in ["../x", "/x", "a/../b", "a//b", "."] {
            if shelf.name == "disk" {
                assert!(shelf.store.create(bad).await.is_err(), "{bad}");
                assert!(shelf.store.read(bad, 0..1).await.is_err(), "{bad}");
            }
        }
        for no in [
            "",
            ".check",
            "a/b/c.d",
            &format!("{tenant}/00/{message}"),
            &format!("{tenant}/{message}.{blob}"),
        ] {
            assert_eq!(blob::parse_name(no), None, "{no}");
        }
    }
}

/// Changed, cut, lengthened, exchanged, moved: nothing of it is ever taken for the message.
#[tokio::test]
async fn damage_is_found() {
    for shelf in bed::shelves() {
        let Some(dir) = &shelf.dir else { continue };
        for size in [0, 10, 65_536, 200_000, 3 * MIB] {
            let (_, _, _, name) = names();
            let (key, plain) = (key(), octets(size));
            put(&shelf.store, &name, &key, &plain, MIB).await;
            let path = dir.path().join(&name);
            let sealed = std::fs::read(&path).unwrap();
            let refused = async |octets: &[u8], what: &str| {
                std::fs::write(&path, octets).unwrap();
                let read = all(&shelf.store, &name, &key, size).await;
                assert!(read.is_err(), "{size} {what}");
            };
            for at in [0, 4, 8, 15, 16, sealed.len() / 2, sealed.len() - 1] {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                refused(&changed, &format!("changed at {at}")).await;
            }
            for cut in [0, 1, 15, 16, 17, sealed.len() / 2, sealed.len() - 16, sealed.len() - 1] {
                if cut < sealed.len() {
                    refused(&sealed[..cut], &format!("cut to {cut}")).await;
                }
            }
            // The end is cut exactly between two chunks: the last one must know that it is not the last.
            if size > 65_536 {
                refused(&sealed[..16 + 65_552], "cut between chunks").await;
                let mut swapped = sealed.clone();
                swapped[16..16 + 65_552 * 2].rotate_left(65_552);
                refused(&swapped, "chunks exchanged").await;
            }
            std::fs::write(&path, &sealed).unwrap();
            // A wrong recorded length, a wrong key, another blob of the same key's message.
            assert!(all(&shelf.store, &name, &key, size + 1).await.is_err(), "{size} recorded longer");
            assert!(
                size == 0 || all(&shelf.store, &name, &key, size - 1).await.is_err(),
                "{size} recorded shorter"
            );
            assert!(all(&shelf.store, &name, &self::key(), size).await.is_err(), "{size} wrong key");
            assert!(all(&shelf.store, &name, &key, size).await.unwrap() == plain);
            // Octets after the end are never read.
            let longer = [&sealed[..], b"more"].concat();
            std::fs::write(&path, longer).unwrap();
            assert!(all(&shelf.store, &name, &key, size).await.unwrap() == plain);
        }
        let (name, other) = (names().3, names().3);
        let message = MessageKey::generate().unwrap();
        let (one, two) = (message.derive_blob_key(b"1").unwrap(), message.derive_blob_key(b"2").unwrap());
        put(&shelf.store, &name, &one, &octets(100), 100).await;
        put(&shelf.store, &other, &two, &octets(100), 100).await;
        std::fs::copy(dir.path().join(&other), dir.path().join(&name)).unwrap();
        assert!(all(&shelf.store, &name, &one, 100).await.is_err(), "blobs exchanged");
    }
}

/// A name is used once: an upload never replaces what is there.
#[tokio::test]
async fn nothing_is_overwritten_on_disk() {
    for shelf in bed::shelves().into_iter().filter(|s| s.name == "disk") {
        let (name, key) = (names().3, key());
        put(&shelf.store, &name, &key, b"first", 5).await;
        let mut writer = BlobWriter::create(&shelf.store, &name, &key).await.unwrap();
        writer.push(b"second").await.unwrap();
        assert!(writer.finish().await.is_err());
        assert_eq!(all(&shelf.store, &name, &key, 5).await.unwrap(), b"first");
    }
}

/// What backup and restore do with one blob.
#[tokio::test]
async fn saved_and_loaded_as_stored() {
    use poststelle_store::backup;
    let dir = tempfile::tempdir().unwrap();
    for shelf in bed::shelves() {
        for size in [0, 100, MIB, 9 * MIB + 5] {
            let (name, key) = (names().3, key());
            put(&shelf.store, &name, &key, &octets(size), MIB).await;
            let sealed = chunked::sealed_len(size as u64, chunked::DEFAULT_CHUNK_SIZE).unwrap();
            let path = dir.path().join(format!("{}-{size}/x/y", shelf.name));
            let digest = backup::save_blob(&shelf.store, &name, sealed, &path).await.unwrap();
            assert_eq!(backup::digest_file(&path).await.unwrap(), (sealed, digest.clone()), "{}", shelf.name);
            shelf.store.delete(&name).await.unwrap();
            let changed = backup::load_blob(&shelf.store, &name, &path, &"0".repeat(64)).await;
            assert!(matches!(changed, Err(StoreError::Corrupt { .. })), "{}: {changed:?}", shelf.name);
            assert!(
                shelf.store.list(name.split('/').next().unwrap()).await.unwrap().is_empty(),
                "{}",
                shelf.name
            );
            assert_eq!(backup::load_blob(&shelf.store, &name, &path, &digest).await.unwrap(), sealed);
            assert!(
                all(&shelf.store, &name, &key, size).await.unwrap() == octets(size),
                "{} {size}",
                shelf.name
            );
        }
        let gone = backup::save_blob(&shelf.store, &names().3, 32, &dir.path().join("gone")).await;
        assert!(matches!(gone, Err(StoreError::NotFound(_))), "{}: {gone:?}", shelf.name);
        assert!(!dir.path().join("gone").exists());
    }
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// The body of [`memory_stays_constant`], in a process of its own.
#[tokio::test]
#[ignore = "started by memory_stays_constant"]
async fn write_and_read_200_mib() {
    let store_name = std::env::var("POSTSTELLE_TEST_SHELF").unwrap();
    let shelf = bed::shelves().into_iter().find(|s| s.name == store_name).unwrap();
    let (name, key) = (names().3, key());
    let piece = octets(64 * 1024);
    put(&shelf.store, &names().3, &key, &octets(9 * MIB), MIB).await;
    let before = resident();
    let mut peak = before;
    let mut writer = BlobWriter::create(&shelf.store, &name, &key).await.unwrap();
    let mut hash = DualHasher::new();
    for _ in 0..200 * 16 {
        writer.push(&piece).await.unwrap();
        hash.update(&piece);
        peak = peak.max(resident());
    }
    let (len, digests) = writer.finish().await.unwrap();
    peak = peak.max(resident());
    let expected = hash.finish().sha256_hex();
    assert_eq!((len, digests.sha256_hex()), (200 * MIB as u64, expected.clone()));
    let mut reader = BlobReader::open(shelf.store.clone(), name.clone(), &key, len).await.unwrap();
    let (mut at, mut hash) = (0, DualHasher::new());
    while at < len {
        let piece = reader.at(at).await.unwrap();
        hash.update(&piece);
        at += piece.len() as u64;
        peak = peak.max(resident());
    }
    assert_eq!(hash.finish().sha256_hex(), expected);
    shelf.store.delete(&name).await.unwrap();
    println!("GROWTH {}", (peak - before) / MIB as u64);
}

#[test]
fn memory_stays_constant() {
    for shelf in ["disk", "s3"] {
        if shelf == "s3" && std::env::var_os("POSTSTELLE_TEST_S3").is_none() {
            continue;
        }
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["blobs::write_and_read_200_mib", "--exact", "--ignored", "--nocapture"])
            .env("POSTSTELLE_TEST_SHELF", shelf)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(run.status.success(), "{shelf}: {text}\n{}", String::from_utf8_lossy(&run.stderr));
        let growth = text
            .split("GROWTH ")
            .nth(1)
            .and_then(|t| t.split_whitespace().next())
            .unwrap()
            .parse::<u64>()
            .unwrap();
        println!("{shelf}: {growth} MiB for a blob of 200 MiB");
        assert!(growth <= 32, "{shelf}: {growth} MiB");
    }
}
