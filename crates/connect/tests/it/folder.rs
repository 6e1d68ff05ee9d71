// SPDX-License-Identifier: EUPL-1.2
//! What a consumer finds in the hot folder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use poststelle_connect::hot_folder::HotFolder;
use poststelle_hub::channel::{Channel, Cx, Outgoing, Reconciled, SendOutcome};
use poststelle_model::ManualClock;

use crate::fake::{self, NOW, builds, consume, cx, everyday, folder, key, memory, outgoing, visible};

pub async fn accepted(channel: &HotFolder, cx: &Cx, out: &Outgoing) -> String {
    match channel.send(cx, out, &key(out)).await.unwrap() {
        SendOutcome::Accepted { receipt, foreign_id } => {
            let receipt = receipt.unwrap();
            assert_eq!(receipt.kind, "hot-folder");
            assert!(receipt.body.contains(&foreign_id));
            foreign_id
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_package_is_complete_and_comes_once() {
    for each in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut channel = HotFolder::new();
        if each {
            channel = channel.syncing_each();
        }
        let (cx, out) = (cx(), outgoing(everyday(), folder(dir.path())));
        channel.check(&cx, &out.config).await.unwrap();
        assert_eq!(channel.reconcile(&cx, &out, &key(&out)).await.unwrap(), Reconciled::NotThere);

        let name = accepted(&channel, &cx, &out).await;
        assert_eq!(name, format!("20261122-081530_musterdorf_{}", out.delivery));
        let packages = visible(dir.path());
        assert_eq!(packages, [dir.path().join(&name)]);
        assert!(builds(dir.path()).is_empty());
        let sheet = consume(&packages[0]);
        for (field, value) in [
            ("/message", out.message.id.to_string()),
            ("/tenant", out.message.tenant.to_string()),
            ("/tenant_name", "musterdorf".to_owned()),
            ("/channel", "mail".to_owned()),
            ("/direction", "in".to_owned()),
            ("/accepted_at", "2026-11-22T08:15:30.123456Z".to_owned()),
            ("/envelope/sender", "buerger@example.org".to_owned()),
            ("/envelope/recipients/0", "bauamt@musterdorf.example".to_owned()),
            ("/subject", out.subject.clone()),
            ("/sender", out.sender.clone()),
            ("/because", "Bauanträge".to_owned()),
            ("/defects/0", "bare-lf".to_owned()),
            ("/header_id", "abc@example.org".to_owned()),
            ("/original/file", "original.eml".to_owned()),
            ("/original/media_type", "message/rfc822".to_owned()),
            ("/original/sha512", out.message.sha512.clone()),
            ("/delivery/id", out.delivery.to_string()),
            ("/delivery/idempotency_key", out.delivery.to_string()),
            ("/parts/2/file", "teile/02_Antrag.pdf".to_owned()),
            ("/parts/2/raw_name", "Antrag.pdf".to_owned()),
        ] {
            assert_eq!(sheet.pointer(field).and_then(|v| v.as_str()), Some(value.as_str()), "{field}");
        }
        assert_eq!((&sheet["urgent"], &sheet["delivery"]["attempt"]), (&true.into(), &1.into()));
        assert!(sheet["parts"][0]["file"].is_null());

        // Again, with the package still there and then gone: nothing new.
        assert_eq!(accepted(&channel, &cx, &out).await, name);
        std::fs::remove_dir_all(&packages[0]).unwrap();
        assert_eq!(accepted(&HotFolder::new(), &cx, &out).await, name);
        assert!(visible(dir.path()).is_empty());
        assert!(matches!(
            channel.reconcile(&cx, &out, &key(&out)).await.unwrap(),
            Reconciled::Arrived { foreign_id, .. } if foreign_id == name
        ));
    }
}

#[tokio::test]
async fn hostile_names_survive_safely() {
    let long = format!("{}.pdf", "ä".repeat(126));
    assert_eq!(long.len(), 256);
    let names = [
        "M\u{fc}ller.pdf",
        "Mu\u{308}ller.pdf",
        "../../../etc/passwd",
        "/etc/passwd",
        "..\\..\\autoexec.bat",
        "..",
        ".",
        "CON",
        "con.txt",
        "\u{1f4b6}\u{1f3e0}.png",
        "Anlage.",
        "Anlage ",
        "a\u{0}b",
        "zeile\r\numbruch",
        "rechnung\u{202e}fdp.exe",
        long.as_str(),
        &"x".repeat(255),
        "gleich.txt",
        "gleich.txt",
        "GLEICH.TXT",
        "",
        ".versteckt",
    ];
    let parts: Vec<(&str, &str, Vec<u8>)> =
        names.iter().enumerate().map(|(i, n)| (*n, *n, format!("octets {i}").into_bytes())).collect();
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("ziel");
    std::fs::create_dir(&target).unwrap();
    let (cx, out) = (cx(), outgoing(memory(&parts), folder(&target)));
    accepted(&HotFolder::new(), &cx, &out).await;
    let sheet = consume(&visible(&target)[0]);
    let rows = sheet["parts"].as_array().unwrap();
    assert_eq!(rows.len(), names.len() + 1);
    for (row, name) in rows.iter().skip(1).zip(names) {
        assert_eq!(row["raw_name"].as_str(), Some(name), "what was sent stays readable");
        let file = row["file"].as_str().unwrap().strip_prefix("teile/").unwrap();
        assert!(
            file.len() <= 240 && !file.contains(['/', '\\', '\0']) && !file.ends_with(['.', ' ']),
            "{file:?}"
        );
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing beside the folder");
}

#[tokio::test]
async fn what_is_no_mail_and_has_no_parts() {
    let dir = tempfile::tempdir().unwrap();
    let mut content = memory(&[]);
    content.original = Bytes::new();
    let mut out = outgoing(content, folder(dir.path()));
    out.message.transport.media_type = "application/pdf".to_owned();
    out.tenant_slug = "../böse Stadt".to_owned();
    let name = accepted(&HotFolder::new(), &cx(), &out).await;
    assert!(name.starts_with("20261122-081530_---b-se-stadt_"), "{name}");
    let sheet = consume(&visible(dir.path())[0]);
    assert_eq!(sheet["original"]["file"], "original.bin");
    assert_eq!(sheet["original"]["media_type"], "application/pdf");
}

/// A consumer that takes everything the moment it appears never sees half a package.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_see_partial_packages() {
    const COUNT: usize = 160;
    let dir = tempfile::tempdir().unwrap();
    let (path, stop) = (dir.path().to_owned(), Arc::new(AtomicBool::new(false)));
    let consumer = std::thread::spawn({
        let (path, stop) = (path.clone(), Arc::clone(&stop));
        move || {
            let mut seen = Vec::new();
            loop {
                let last = stop.load(Ordering::SeqCst);
                for package in visible(&path) {
                    let sheet = consume(&package);
                    std::fs::remove_dir_all(&package).unwrap();
                    seen.push(sheet["delivery"]["id"].as_str().unwrap().to_owned());
                }
                if last {
                    return seen;
                }
                std::thread::yield_now();
            }
        }
    });
    let (channel, cx) = (Arc::new(HotFolder::new()), cx());
    let mut expected = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..COUNT {
        let out = outgoing(everyday(), folder(&path));
        expected.push(out.delivery.to_string());
        let (channel, cx) = (Arc::clone(&channel), cx.clone());
        tasks.spawn(async move { accepted(&channel, &cx, &out).await });
        if i % 16 == 15 {
            while tasks.join_next().await.transpose().unwrap().is_some() {}
        }
    }
    while tasks.join_next().await.transpose().unwrap().is_some() {}
    stop.store(true, Ordering::SeqCst);
    let mut seen = consumer.join().unwrap();
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
    assert!(builds(&path).is_empty());
}

/// Two nodes work on the same key at the same time, the consumer takes what appears: once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_one_package() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let cx = cx();
        let mut first = outgoing(everyday(), folder(dir.path()));
        first.maybe_repeated = true;
        let first = Arc::new(first);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let (cx, out) = (cx.clone(), Arc::clone(&first));
            let path = dir.path().to_owned();
            tasks.spawn(async move {
                // A loser may find its build cleared away by the winner; then it asks again.
                let node = HotFolder::new();
                while node.send(&cx, &out, &key(&out)).await.is_err() {}
                let taken = visible(&path);
                taken
                    .iter()
                    .filter(|package| std::fs::rename(package, path.join(".genommen")).is_ok())
                    .count()
            });
        }
        let mut taken = 0;
        while let Some(count) = tasks.join_next().await.transpose().unwrap() {
            taken += count;
        }
        assert_eq!((taken, visible(dir.path()).len(), builds(dir.path()).len()), (1, 0, 0));
    }
}

#[tokio::test]
async fn the_sweep_forgets_only_what_is_old() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(NOW));
    let mut cx = cx();
    cx.clock = Arc::clone(&clock) as Arc<dyn poststelle_model::Clock>;
    let (channel, out) = (HotFolder::new(), outgoing(everyday(), folder(dir.path())));
    assert_eq!(channel.sweep(&cx, &out.config).await.unwrap(), Default::default());
    accepted(&channel, &cx, &out).await;
    clock.advance(Duration::from_secs(29 * 24 * 3600));
    assert_eq!(channel.sweep(&cx, &out.config).await.unwrap().ledger, 0);
    clock.advance(Duration::from_secs(2 * 24 * 3600));
    assert_eq!(channel.sweep(&cx, &out.config).await.unwrap().ledger, 1);
    assert_eq!(visible(dir.path()).len(), 1, "packages belong to the consumer");
    assert_eq!(channel.reconcile(&cx, &out, &key(&out)).await.unwrap(), Reconciled::NotThere);

    // An abandoned build goes, one whose ledger entry says it must still appear stays.
    let probe = crate::crash::Dying::at(poststelle_connect::hot_folder::Step::Written);
    let dying = HotFolder::new().with_probe(probe);
    dying.send(&cx, &out, &key(&out)).await.unwrap_err();
    let waiting = outgoing(fake::everyday(), folder(dir.path()));
    let dying = HotFolder::new()
        .with_probe(crate::crash::Dying::at(poststelle_connect::hot_folder::Step::LedgerSynced));
    dying.send(&cx, &waiting, &key(&waiting)).await.unwrap_err();
    assert_eq!(builds(dir.path()).len(), 3, "build, slip, waiting build");
    clock.advance(Duration::from_secs(100 * 365 * 24 * 3600));
    let swept = channel.sweep(&cx, &out.config).await.unwrap();
    assert_eq!((swept.ledger, swept.builds), (0, 2));
    accepted(&channel, &cx, &waiting).await;
    assert_eq!(visible(dir.path()).len(), 2);
}
