// SPDX-License-Identifier: EUPL-1.2
//! Tests that need a process of their own: SIGKILL, peak memory, speed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use poststelle_connect::hot_folder::HotFolder;
use poststelle_crypto::DualHasher;
use poststelle_hub::channel::{Channel, ChannelError, Octets, SendOutcome};
use poststelle_hub::content::Content;
use poststelle_model::{DeliveryId, Part};

use crate::fake::{self, builds, consume, cx, everyday, folder, key, outgoing, outgoing_of, row, visible};

/// Runs one of the ignored tests below in a new process.
fn child(test: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1", test])
        .env("POSTSTELLE_TEST_DIR", dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn child_dir() -> Option<std::path::PathBuf> {
    std::env::var_os("POSTSTELLE_TEST_DIR").map(Into::into)
}

/// Hands over deliveries 0 to `COUNT`, four at a time, over and over until killed or done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by killed_again_and_again"]
async fn child_hands_over() {
    let Some(dir) = child_dir() else { return };
    let (channel, cx) = (Arc::new(HotFolder::new()), cx());
    let numbers: Vec<u128> = (0..COUNT).collect();
    stream::iter(numbers)
        .for_each_concurrent(4, |i| {
            let (channel, cx, dir) = (Arc::clone(&channel), cx.clone(), dir.clone());
            async move {
                let mut out = outgoing(everyday(), folder(&dir));
                out.delivery = DeliveryId::from_uuid(uuid::Uuid::from_u128(i + 1));
                out.maybe_repeated = true;
                let sent = channel.send(&cx, &out, &key(&out)).await.unwrap();
                assert!(matches!(sent, SendOutcome::Accepted { .. }));
                println!("done {i}");
            }
        })
        .await;
    println!("all");
}

/// Deliveries of the kill test.
const COUNT: u128 = 150;

/// The worker is killed at unforeseen moments, the consumer takes everything at once: each exactly once.
#[test]
fn killed_again_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut take = || {
        for package in visible(dir.path()) {
            let sheet = consume(&package);
            std::fs::remove_dir_all(&package).unwrap();
            *taken.entry(sheet["delivery"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    };
    let (mut kills, mut finished) = (0, false);
    while !finished {
        let mut worker = child("child::child_hands_over", dir.path());
        let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        // Each life goes a little further than what was done before.
        for (seen, line) in
            lines.map_while(Result::ok).filter(|l| l.contains("done") || l == "all").enumerate()
        {
            take();
            finished |= line == "all";
            if seen >= kills * 4 + kills % 3 {
                worker.kill().unwrap();
                break;
            }
        }
        worker.wait().unwrap();
        take();
        kills += 1;
    }
    assert!(kills > 20, "{kills} lives");
    assert_eq!(taken.len() as u128, COUNT);
    assert!(taken.values().all(|times| *times == 1), "{taken:?}");
    assert!(builds(dir.path()).is_empty());
    println!("killed {} times, {COUNT} packages, each once", kills - 1);
}

/// Octets made up as they are asked for.
struct Endless {
    parts: i64,
    size: usize,
    sha256: String,
}

const BLOCK: usize = 256 * 1024;

fn zeros(size: usize) -> Octets {
    static ZEROS: [u8; BLOCK] = [0; BLOCK];
    let blocks = (0..size).step_by(BLOCK);
    stream::iter(blocks.map(move |at| Ok(Bytes::from_static(&ZEROS[..BLOCK.min(size - at)])))).boxed()
}

#[async_trait]
impl Content for Endless {
    async fn head(&self, _most: u64) -> Result<Octets, ChannelError> {
        self.original().await
    }

    async fn original(&self) -> Result<Octets, ChannelError> {
        Ok(zeros(self.size))
    }
    async fn part(&self, _: &Part) -> Result<Octets, ChannelError> {
        Ok(zeros(self.size))
    }
    async fn parts(&self, offset: i64) -> Result<Vec<Part>, ChannelError> {
        let rows = (offset..self.parts.min(offset + 1000)).map(|n| {
            let mut part = row(n, &"n".repeat(200), &"n".repeat(200), b"", true);
            (part.size, part.sha256) = (i64::try_from(self.size).unwrap(), self.sha256.clone());
            part
        });
        Ok(rows.collect())
    }
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
#[ignore = "run by memory_does_not_depend_on_size"]
async fn child_large() {
    let Some(dir) = child_dir() else { return };
    let channel = HotFolder::new();
    let out = outgoing(everyday(), folder(&dir));
    channel.send(&cx(), &out, &key(&out)).await.unwrap();
    for (parts, size) in [(1, 200_000_000), (10_000, 100)] {
        let mut hasher = DualHasher::new();
        let mut octets = zeros(size);
        while let Some(piece) = octets.next().await {
            hasher.update(&piece.unwrap());
        }
        let sha256 = hasher.finish().sha256_hex();
        let before = peak();
        let content = Arc::new(Endless { parts, size, sha256: sha256.clone() });
        let mut out = outgoing_of(content, i64::try_from(size).unwrap(), folder(&dir));
        out.message.sha256 = sha256;
        let start = Instant::now();
        let name = match channel.send(&cx(), &out, &key(&out)).await.unwrap() {
            SendOutcome::Accepted { foreign_id, .. } => foreign_id,
            other => panic!("{other:?}"),
        };
        let grown = peak() - before;
        println!("{parts} parts of {size} bytes: {grown} bytes more, {:?}", start.elapsed());
        assert!(grown < 16 << 20, "{grown} bytes more");
        let files = std::fs::read_dir(dir.join(&name).join("teile")).unwrap().count();
        assert_eq!(i64::try_from(files).unwrap(), parts);
        let sheet: serde_json::Value =
            serde_json::from_slice(&std::fs::read(dir.join(&name).join("message.json")).unwrap()).unwrap();
        assert_eq!(i64::try_from(sheet["parts"].as_array().unwrap().len()).unwrap(), parts);
    }
}

#[test]
fn memory_does_not_depend_on_size() {
    let dir = tempfile::tempdir().unwrap();
    let done = child("child::child_large", dir.path()).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{text}");
    println!("{text}");
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

/// Packages per second with 16 at a time: `cargo test --release -p poststelle-connect -- --ignored
/// --nocapture packages_per_second`.
#[test]
#[ignore = "a measurement"]
fn packages_per_second() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let base = std::env::var_os("POSTSTELLE_TEST_DIR").map_or_else(std::env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(base).unwrap();
    let (count, parallel) = (8_000, 16);
    let config = folder(dir.path());
    let content = Arc::new(fake::memory(&[
        ("", "nachricht.txt", vec![b't'; 2_000]),
        ("Antrag.pdf", "Antrag.pdf", vec![b'p'; 48_000]),
        ("Lageplan.png", "Lageplan.png", vec![b'g'; 25_000]),
    ]));
    let original = Bytes::from(vec![b'o'; 100_000]);
    let content = Arc::new(fake::Memory {
        original: original.clone(),
        parts: content.parts.clone(),
        octets: content.octets.clone(),
        piece: 64 * 1024,
        broken: None,
    });
    let sha256 = poststelle_crypto::Digests::of(&original).sha256_hex();
    let mut channel = HotFolder::new();
    if std::env::var_os("POSTSTELLE_TEST_EACH").is_some() {
        channel = channel.syncing_each();
    }
    let cx = cx();
    let start = Instant::now();
    runtime.block_on(async {
        stream::iter(0..count)
            .for_each_concurrent(parallel, |_| {
                let mut out = outgoing_of(Arc::clone(&content) as Arc<dyn Content>, 100_000, config.clone());
                out.message.sha256.clone_from(&sha256);
                let (channel, cx) = (&channel, &cx);
                async move {
                    channel.send(cx, &out, &key(&out)).await.unwrap();
                }
            })
            .await;
    });
    let seconds = start.elapsed().as_secs_f64();
    let per_second = f64::from(count) / seconds;
    let cpu = cpu_seconds();
    println!(
        "{{\"name\":\"hot_folder\",\"messages\":{count},\"parallel\":{parallel},\"seconds\":{seconds:.3},\"messages_per_second\":{per_second:.0},\"cpu_seconds\":{cpu:.2}}}"
    );
    assert_eq!(visible(dir.path()).len(), usize::try_from(count).unwrap());
}
