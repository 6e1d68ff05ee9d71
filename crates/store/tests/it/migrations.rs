// SPDX-License-Identifier: EUPL-1.2
//! Migrations: repeatable, one at a time, whole or not at all.

use std::time::Duration;

use poststelle_store::{Db, DbConfig, Scope, StoreError, migrate, tenants};
use sqlx::{AnyPool, AssertSqlSafe};

use crate::bed;

async fn open(url: &str) -> Db {
    Db::open(&DbConfig { connections: 2, ..DbConfig::new(url) }).await.unwrap()
}

#[tokio::test]
async fn twice_changes_nothing() {
    for empty in bed::empties().await {
        let db = open(&empty.owner).await;
        assert_eq!(migrate::current(&db).await.unwrap(), 0, "{}", empty.name);
        assert_eq!(migrate::migrate(&db, empty.role.as_deref()).await.unwrap(), migrate::wanted());
        bed::tenant(&db, "bleibt").await;
        assert_eq!(migrate::migrate(&db, empty.role.as_deref()).await.unwrap(), migrate::wanted());
        assert_eq!(migrate::current(&db).await.unwrap(), migrate::wanted(), "{}", empty.name);
        let mut tx = db.read(Scope::System).await.unwrap();
        assert_eq!(tenants::all(&mut tx).await.unwrap().len(), 1, "{}", empty.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_at_once_run_it_once() {
    for empty in bed::empties().await {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (url, role) = (empty.owner.clone(), empty.role.clone());
            tasks.spawn(async move { migrate::migrate(&open(&url).await, role.as_deref()).await });
        }
        while let Some(result) = tasks.join_next().await {
            assert_eq!(result.unwrap().unwrap(), migrate::wanted(), "{}", empty.name);
        }
        assert_eq!(
            migrate::current(&open(&empty.url).await).await.unwrap(),
            migrate::wanted(),
            "{}",
            empty.name
        );
    }
}

#[tokio::test]
async fn ended_in_the_middle_leaves_nothing() {
    for empty in bed::empties().await {
        // The process may be gone at any moment: the run is dropped ever later, until one comes to its end.
        let (mut span, mut stopped) = (Duration::from_micros(100), 0);
        loop {
            let db = open(&empty.owner).await;
            let run = tokio::time::timeout(span, migrate::migrate(&db, empty.role.as_deref())).await;
            if let Ok(result) = run {
                assert_eq!(result.unwrap(), migrate::wanted());
                break;
            }
            db.close().await;
            let have = migrate::current(&open(&empty.owner).await).await.unwrap();
            // A commit that is on its way may still win.
            assert!(have == 0 || have == migrate::wanted(), "{}: has {have} after {span:?}", empty.name);
            if have == migrate::wanted() {
                break;
            }
            stopped += 1;
            span = span.mul_f32(1.2);
        }
        assert!(stopped > 3, "{}: only {stopped} runs were stopped", empty.name);
        assert_eq!(
            migrate::current(&open(&empty.url).await).await.unwrap(),
            migrate::wanted(),
            "{}",
            empty.name
        );
    }
}

/// Nodes of the version before go on beside new ones; nobody goes back, and nobody works on what is further ahead.
#[tokio::test]
async fn a_newer_database_is_left_alone() {
    for empty in bed::empties().await {
        let db = open(&empty.owner).await;
        let check = async || migrate::check(migrate::current(&db).await.unwrap());
        assert!(matches!(check().await, Err(StoreError::Older { have: 0, .. })), "{}", empty.name);
        migrate::migrate(&db, empty.role.as_deref()).await.unwrap();
        assert!(check().await.is_ok(), "{}", empty.name);
        let pool = AnyPool::connect(&empty.owner).await.unwrap();
        for ahead in [1, 2] {
            let newer = migrate::wanted() + ahead;
            let insert = format!("INSERT INTO schema_migrations (version, at) VALUES ({newer}, 0)");
            sqlx::query(AssertSqlSafe(insert)).execute(&pool).await.unwrap();
            assert_eq!(check().await.is_ok(), ahead == 1, "{}: {ahead} ahead", empty.name);
            let refused = migrate::migrate(&db, empty.role.as_deref()).await;
            let known = migrate::wanted();
            assert!(
                matches!(refused, Err(StoreError::Newer { have, known: k }) if have == newer && k == known),
                "{}: {refused:?}",
                empty.name
            );
        }
        assert_eq!(migrate::current(&db).await.unwrap(), migrate::wanted() + 2, "{}", empty.name);
    }
}

#[tokio::test]
async fn names_that_are_not_plain_are_refused() {
    for empty in bed::empties().await.into_iter().filter(|e| e.name == "postgres") {
        let db = open(&empty.owner).await;
        assert!(migrate::migrate(&db, Some("x; DROP TABLE tenants")).await.is_err());
        assert_eq!(migrate::current(&db).await.unwrap(), 0, "nothing of it stayed");
        assert!(migrate::create_database(&empty.owner, "a b").await.is_err());
    }
}
