// SPDX-License-Identifier: EUPL-1.2
//! Death between any two steps: the package becomes visible exactly once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use poststelle_connect::hot_folder::{HotFolder, Probe, Step};
use poststelle_hub::channel::{Channel, Cx, Outgoing, Reconciled, SendOutcome};

use crate::fake::{builds, consume, cx, everyday, folder, key, outgoing, visible};

/// Dies the n-th time it passes a step.
pub struct Dying {
    step: Step,
    left: AtomicI64,
}

impl Dying {
    pub fn at(step: Step) -> Arc<Self> {
        Self::nth(step, 1)
    }

    pub fn nth(step: Step, n: i64) -> Arc<Self> {
        Arc::new(Self { step, left: AtomicI64::new(n) })
    }
}

impl Probe for Dying {
    fn go_on(&self, step: Step, _: &str) -> bool {
        step != self.step || self.left.fetch_sub(1, Ordering::SeqCst) != 1
    }
}

/// Takes everything; how many.
fn take(path: &Path) -> usize {
    let packages = visible(path);
    for package in &packages {
        consume(package);
        std::fs::remove_dir_all(package).unwrap();
    }
    packages.len()
}

/// One attempt that dies; the ledger must tell the truth about it.
async fn die(cx: &Cx, out: &Outgoing, path: &Path, step: Step, n: i64, eager: bool) -> usize {
    let channel = HotFolder::new().with_probe(Dying::nth(step, n));
    let sent = channel.send(cx, out, &key(out)).await;
    match &sent {
        Err(e) => assert_eq!(e.reason.code.as_str(), "PST-HOTFOLDER-9001"),
        // The point was not passed: an earlier attempt had come further.
        Ok(outcome) => assert!(matches!(outcome, SendOutcome::Accepted { .. }), "{outcome:?}"),
    }
    let before = visible(path).len();
    let arrived = matches!(channel.reconcile(cx, out, &key(out)).await.unwrap(), Reconciled::Arrived { .. });
    assert!(arrived || before == 0, "visible, but the ledger denies it ({step:?})");
    if eager { take(path) } else { 0 }
}

#[tokio::test]
async fn exactly_once_over_two_crashes_at_any_point() {
    let points: Vec<(Step, i64)> =
        Step::ALL.into_iter().map(|step| (step, 1)).chain([(Step::File, 2), (Step::File, 4)]).collect();
    let dir = tempfile::tempdir().unwrap();
    for eager in [true, false] {
        for (first, n) in &points {
            for (second, m) in &points {
                let path = dir.path().join(format!("{eager}-{first:?}{n}-{second:?}{m}"));
                std::fs::create_dir(&path).unwrap();
                let (cx, mut out) = (cx(), outgoing(everyday(), folder(&path)));
                let mut taken = die(&cx, &out, &path, *first, *n, eager).await;
                (out.attempt, out.maybe_repeated) = (2, true);
                taken += die(&cx, &out, &path, *second, *m, eager).await;
                out.attempt = 3;
                for _ in 0..2 {
                    let sent = HotFolder::new().send(&cx, &out, &key(&out)).await.unwrap();
                    assert!(matches!(sent, SendOutcome::Accepted { .. }));
                    taken += if eager { take(&path) } else { 0 };
                }
                taken += take(&path);
                assert_eq!(
                    (taken, builds(&path).len()),
                    (1, 0),
                    "{first:?} {n}, {second:?} {m}, eager {eager}"
                );
            }
        }
    }
}

/// The hub drops a call at its deadline, whatever it is doing just then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once_when_calls_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (mut dropped, rounds) = (0, 60);
    for round in 0..rounds {
        let path = dir.path().join(round.to_string());
        std::fs::create_dir(&path).unwrap();
        let (cx, mut out) = (cx(), outgoing(everyday(), folder(&path)));
        let channel = HotFolder::new();
        let mut taken = 0;
        for attempt in 1..=3 {
            out.attempt = attempt;
            let span = std::time::Duration::from_micros(round * 100);
            dropped +=
                i32::from(tokio::time::timeout(span, channel.send(&cx, &out, &key(&out))).await.is_err());
            taken += take(&path);
        }
        out.attempt = 4;
        // A dropped call may still be at work and lose its build to this one; both are fine.
        while channel.send(&cx, &out, &key(&out)).await.is_err() {}
        taken += take(&path);
        assert_eq!((taken, visible(&path).len()), (1, 0), "round {round}");
    }
    assert!(dropped > 20, "{dropped} calls dropped");
}
