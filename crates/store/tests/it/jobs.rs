// SPDX-License-Identifier: EUPL-1.2
//! The job table: claim by lane, leases by the database's clock, fences.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use poststelle_model::{JobId, ManualClock, TenantId};
use poststelle_store::jobs::{self, Fence, JobState, NewJob};
use poststelle_store::{Db, Scope};

use crate::bed::{self, TestIds, job};

const LEASE: Duration = Duration::from_secs(60);

async fn insert(db: &Db, new: &[NewJob]) {
    let mut tx = db.begin(Scope::System).await.unwrap();
    let now = tx.now().await.unwrap();
    jobs::insert(&mut tx, now, new).await.unwrap();
    tx.commit().await.unwrap();
}

async fn claim(db: &Db, lane: &str, token: &str, max: i64) -> Vec<jobs::Job> {
    let mut tx = db.begin(Scope::System).await.unwrap();
    let got = jobs::claim(&mut tx, lane, token, LEASE, max).await.unwrap();
    tx.commit().await.unwrap();
    got
}

async fn due(db: &Db) -> (Vec<String>, Option<Duration>) {
    let mut tx = db.read(Scope::System).await.unwrap();
    jobs::due_lanes(&mut tx).await.unwrap()
}

async fn finish(db: &Db, fences: &[Fence]) -> Vec<Fence> {
    let mut tx = db.begin(Scope::System).await.unwrap();
    let held = jobs::finish(&mut tx, fences).await.unwrap();
    tx.commit().await.unwrap();
    held
}

#[tokio::test]
async fn lanes_are_claimed_apart_and_oldest_first() {
    for bed in bed::databases().await {
        let clock = Arc::new(ManualClock::new(bed::THEN));
        let db = bed.db.clone().with_clock(clock.clone());
        let (a, b) = (TenantId::new(&TestIds), TenantId::new(&TestIds));
        let old = job(a, "process", "m1", Duration::ZERO);
        insert(&db, std::slice::from_ref(&old)).await;
        clock.advance(Duration::from_secs(1));
        let many: Vec<NewJob> =
            (0..300).map(|i| job(a, "process", &format!("m{i}"), Duration::ZERO)).collect();
        insert(&db, &many).await;
        let later = job(b, "desk", "d1", Duration::from_secs(30));
        insert(&db, &[job(b, "process", "m9", Duration::ZERO), later.clone()]).await;

        let (lanes, next) = due(&db).await;
        let (la, lb) = (jobs::lane(a, "process"), jobs::lane(b, "process"));
        assert_eq!(HashSet::from_iter(lanes), HashSet::from([la.clone(), lb.clone()]), "{}", bed.name);
        assert_eq!(next, Some(Duration::from_secs(30)), "{}", bed.name);

        let first = claim(&db, &la, "t1", 1).await;
        assert_eq!(first.iter().map(|j| j.id).collect::<Vec<_>>(), [old.id], "{}", bed.name);
        assert_eq!((first[0].attempts, first[0].tenant, first[0].token.as_str()), (1, a, "t1"));
        assert_eq!(claim(&db, &la, "t2", 250).await.len(), 250, "{}: never more than asked for", bed.name);
        assert_eq!(claim(&db, &la, "t3", 250).await.len(), 50, "{}", bed.name);
        assert!(claim(&db, &la, "t4", 250).await.is_empty(), "{}: all are held", bed.name);
        assert_eq!(
            claim(&db, &lb, "t5", 250).await.len(),
            1,
            "{}: one tenant never takes from another",
            bed.name
        );
        assert!(claim(&db, &jobs::lane(b, "desk"), "t6", 9).await.is_empty(), "{}: not due yet", bed.name);
        clock.advance(Duration::from_secs(30));
        assert_eq!(claim(&db, &jobs::lane(b, "desk"), "t7", 9).await[0].id, later.id, "{}", bed.name);
    }
}

#[tokio::test]
async fn a_lost_lease_finishes_nothing() {
    for bed in bed::databases().await {
        let clock = Arc::new(ManualClock::new(bed::THEN));
        let db = bed.db.clone().with_clock(clock.clone());
        let tenant = TenantId::new(&TestIds);
        insert(&db, &[job(tenant, "process", "m", Duration::ZERO)]).await;
        let lane = jobs::lane(tenant, "process");
        let slow = claim(&db, &lane, "slow", 9).await[0].fence();
        clock.advance(LEASE + Duration::from_millis(1));
        let fast = claim(&db, &lane, "fast", 9).await;
        assert_eq!((fast.len(), fast[0].attempts), (1, 2), "{}: the lease ran out", bed.name);

        assert!(finish(&db, std::slice::from_ref(&slow)).await.is_empty(), "{}", bed.name);
        let mut tx = db.begin(Scope::System).await.unwrap();
        assert!(!jobs::release(&mut tx, &slow, Duration::ZERO).await.unwrap(), "{}", bed.name);
        assert_eq!(
            jobs::renew(&mut tx, std::slice::from_ref(&slow), LEASE).await.unwrap(),
            0,
            "{}",
            bed.name
        );
        assert_eq!(
            jobs::count_for(&mut tx, tenant, "m").await.unwrap(),
            1,
            "{}: nothing was removed",
            bed.name
        );
        tx.commit().await.unwrap();
        // An expired lease that nobody took over is still ours.
        clock.advance(2 * LEASE);
        let held = finish(&db, &[slow, fast[0].fence()]).await;
        assert_eq!(held, [fast[0].fence()], "{}", bed.name);
    }
}

#[tokio::test]
async fn leases_are_renewed_and_given_back() {
    for bed in bed::databases().await {
        let clock = Arc::new(ManualClock::new(bed::THEN));
        let db = bed.db.clone().with_clock(clock.clone());
        let tenant = TenantId::new(&TestIds);
        let lane = jobs::lane(tenant, "process");
        let new: Vec<NewJob> =
            (0..131).map(|i| job(tenant, "process", &format!("m{i}"), Duration::ZERO)).collect();
        insert(&db, &new).await;
        let held: Vec<Fence> = claim(&db, &lane, "mine", 200).await.iter().map(jobs::Job::fence).collect();
        clock.advance(LEASE / 2);
        let mut tx = db.begin(Scope::System).await.unwrap();
        assert_eq!(jobs::renew(&mut tx, &held, LEASE).await.unwrap(), 131, "{}", bed.name);
        tx.commit().await.unwrap();
        clock.advance(LEASE / 2 + Duration::from_secs(1));
        assert!(claim(&db, &lane, "other", 200).await.is_empty(), "{}: renewed", bed.name);

        let mut tx = db.begin(Scope::System).await.unwrap();
        assert!(jobs::release(&mut tx, &held[0], Duration::from_secs(5)).await.unwrap());
        // Nobody asks for it while its pause runs, until somebody says "at once".
        assert_eq!(jobs::hasten(&mut tx, tenant, &new[1].subject).await.unwrap(), 0, "{}: held", bed.name);
        tx.commit().await.unwrap();
        assert!(claim(&db, &lane, "other", 200).await.is_empty());
        let subject = new.iter().find(|j| j.id == held[0].job).unwrap().subject.clone();
        let mut tx = db.begin(Scope::System).await.unwrap();
        assert_eq!(jobs::hasten(&mut tx, tenant, &subject).await.unwrap(), 1);
        tx.commit().await.unwrap();
        let again = claim(&db, &lane, "other", 200).await;
        assert_eq!(
            (again.len(), again[0].attempts),
            (1, 1),
            "{}: given back does not count as a try",
            bed.name
        );
        assert_eq!(finish(&db, &held[1..]).await.len(), 130, "{}", bed.name);
    }
}

#[tokio::test]
async fn padding_finds_each_fence_once() {
    for bed in bed::databases().await {
        for count in [1usize, 2, 3, 5, 64, 127, 128, 129, 257] {
            let tenant = TenantId::new(&TestIds);
            let new: Vec<NewJob> =
                (0..count).map(|i| job(tenant, "x", &format!("m{i}"), Duration::ZERO)).collect();
            insert(&bed.db, &new).await;
            let got = claim(&bed.db, &jobs::lane(tenant, "x"), "t", 1000).await;
            assert_eq!(got.len(), count, "{}", bed.name);
            let mut fences: Vec<Fence> = got.iter().map(jobs::Job::fence).collect();
            // One that never was, one with the token of somebody else.
            fences.insert(0, Fence { job: JobId::new(&TestIds), token: "t".to_owned() });
            let foreign = Fence { job: fences[1].job, token: "u".to_owned() };
            fences.push(foreign.clone());
            let held = finish(&bed.db, &fences).await;
            assert_eq!(held.len(), count, "{} {count}", bed.name);
            assert!(!held.contains(&foreign) && !held.contains(&fences[0]));
            assert!(finish(&bed.db, &fences).await.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_claimers_never_get_the_same_job() {
    for bed in bed::databases().await {
        let tenant = TenantId::new(&TestIds);
        let new: Vec<NewJob> = (0..2000)
            .map(|i| job(tenant, if i % 2 == 0 { "a" } else { "b" }, &format!("m{i}"), Duration::ZERO))
            .collect();
        insert(&bed.db, &new).await;
        let mut workers = tokio::task::JoinSet::new();
        for worker in 0..4 {
            let db = bed.db.clone();
            workers.spawn(async move {
                let mut mine: Vec<JobId> = Vec::new();
                for round in 0.. {
                    let (lanes, next) = due(&db).await;
                    if lanes.is_empty() {
                        // All that is left is held by another worker, whose lease is longer than this test.
                        assert!(next.is_none_or(|n| n > LEASE / 2));
                        break;
                    }
                    for lane in lanes {
                        let got = claim(&db, &lane, &format!("{worker}-{round}"), 10).await;
                        assert!(got.len() <= 10, "more than the limit: {}", got.len());
                        let fences: Vec<Fence> = got.iter().map(jobs::Job::fence).collect();
                        assert_eq!(finish(&db, &fences).await.len(), got.len());
                        mine.extend(got.iter().map(|j| j.id));
                    }
                }
                mine
            });
        }
        let mut all = Vec::new();
        while let Some(mine) = workers.join_next().await {
            all.extend(mine.unwrap());
        }
        let distinct: HashSet<JobId> = all.iter().copied().collect();
        assert_eq!((all.len(), distinct.len()), (2000, 2000), "{}", bed.name);
        assert_eq!(distinct, new.iter().map(|j| j.id).collect(), "{}", bed.name);
        assert_eq!(due(&bed.db).await, (vec![], None), "{}", bed.name);
    }
}

#[tokio::test]
async fn lease_times_are_the_databases() {
    for bed in bed::databases().await {
        // A node whose clock is a day ahead claims nothing early and cannot break a lease: nobody asks its clock.
        let tenant = TenantId::new(&TestIds);
        insert(
            &bed.db,
            &[job(tenant, "x", "now", Duration::ZERO), job(tenant, "x", "soon", Duration::from_secs(3600))],
        )
        .await;
        let got = claim(&bed.db, &jobs::lane(tenant, "x"), "t", 10).await;
        assert_eq!(got.iter().map(|j| j.subject.as_str()).collect::<Vec<_>>(), ["now"], "{}", bed.name);
        let (_, next) = due(&bed.db).await;
        let next = next.unwrap();
        assert!(next > LEASE - Duration::from_secs(20) && next <= LEASE, "{}: {next:?}", bed.name);
        let mut tx = bed.db.begin(Scope::System).await.unwrap();
        let (one, two) = (tx.now().await.unwrap(), tx.now().await.unwrap());
        assert!(
            two >= one && two.since(one) < Duration::from_secs(10),
            "{}: the clock goes on within a transaction",
            bed.name
        );
    }
}

#[tokio::test]
async fn named_leases_are_held_by_one() {
    for bed in bed::databases().await {
        let clock = Arc::new(ManualClock::new(bed::THEN));
        let db = bed.db.clone().with_clock(clock.clone());
        let take = async |holder: &str| {
            let mut tx = db.begin(Scope::System).await.unwrap();
            let lease = jobs::take_lease(&mut tx, "sequencer:x", holder, LEASE).await.unwrap();
            tx.commit().await.unwrap();
            lease.map(|l| l.fence)
        };
        assert_eq!(take("a").await, Some(1), "{}", bed.name);
        assert_eq!(take("b").await, None);
        assert_eq!(take("a").await, Some(1), "prolonged: the same fence");
        clock.advance(LEASE + Duration::from_millis(1));
        assert_eq!(take("b").await, Some(2), "another holder: a greater fence");
        assert_eq!(take("a").await, None);
        let mut tx = db.begin(Scope::System).await.unwrap();
        jobs::drop_lease(&mut tx, "sequencer:x", "a").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(take("a").await, None, "only the holder gives it up");
        let mut tx = db.begin(Scope::System).await.unwrap();
        jobs::drop_lease(&mut tx, "sequencer:x", "b").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(take("a").await, Some(3));
    }
}

#[tokio::test]
async fn jobs_are_told_apart_by_lane_and_state() {
    for bed in bed::databases().await {
        let clock = Arc::new(ManualClock::new(bed::THEN));
        let db = bed.db.clone().with_clock(clock.clone());
        let a = TenantId::new(&TestIds);
        let (lane, other) = (jobs::lane(a, "process"), jobs::lane(a, "mail:x.example"));
        let many: Vec<NewJob> = (0..5).map(|i| job(a, "process", &format!("m{i}"), Duration::ZERO)).collect();
        insert(&db, &many).await;
        insert(&db, &[job(a, "mail:x.example", "d1", Duration::from_secs(30))]).await;
        claim(&db, &lane, "token", 2).await;
        clock.advance(Duration::from_secs(10));
        let states = || async {
            let mut tx = db.read(Scope::System).await.unwrap();
            let found = jobs::states(&mut tx).await.unwrap().into_iter();
            let of_us = found.filter(|s| s.lane.starts_with(&a.to_string()));
            let mut of_us: Vec<_> = of_us.map(|s| (s.lane, s.state, s.count, s.first)).collect();
            of_us.sort();
            of_us
        };
        let then = bed::THEN;
        let mut want = vec![
            (lane.clone(), JobState::Waiting, 3, then),
            (lane.clone(), JobState::Leased, 2, then.plus(LEASE)),
            (other.clone(), JobState::Scheduled, 1, then.plus(Duration::from_secs(30))),
        ];
        want.sort();
        assert_eq!(states().await, want, "{}", bed.name);
        // Nobody renewed: what was held is waiting again.
        clock.advance(LEASE);
        let waiting =
            [(lane, JobState::Waiting, 5, then), (other, JobState::Waiting, 1, then.plus(LEASE / 2))];
        let mut waiting = waiting.to_vec();
        waiting.sort();
        assert_eq!(states().await, waiting, "{}", bed.name);
    }
}
