// SPDX-License-Identifier: EUPL-1.2
//! Search: both databases find the same, of this tenant only, and what is gone is not found.

use poststelle_model::{DeskId, MailboxId, MessageId, TenantId};
use poststelle_store::messages;
use poststelle_store::search::{self, Entry, Query};
use poststelle_store::{Scope, StoreError};
use sqlx::{AnyPool, AssertSqlSafe, Row};

use crate::bed::{self, Bed, TestIds};

async fn keep(bed: &Bed, tenant: TenantId, mailbox: MailboxId, texts: &[&str]) -> MessageId {
    let new = bed::message(tenant, mailbox, "", "x");
    let message = new.message.id;
    let texts = texts.iter().map(|t| (*t).to_owned()).collect();
    let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
    messages::insert(&mut tx, &[new]).await.unwrap();
    search::insert(&mut tx, &[Entry { tenant, message, texts }]).await.unwrap();
    tx.commit().await.unwrap();
    message
}

async fn found(bed: &Bed, tenant: TenantId, typed: &str) -> Vec<MessageId> {
    within(bed, tenant, typed, None, None, 100).await
}

async fn within(
    bed: &Bed,
    tenant: TenantId,
    typed: &str,
    places: Option<(&[MailboxId], &[DeskId])>,
    before: Option<MessageId>,
    limit: i64,
) -> Vec<MessageId> {
    let query = Query::parse(typed).unwrap();
    let mut tx = bed.db.read(Scope::Tenant(tenant)).await.unwrap();
    let lines = search::page(&mut tx, tenant, &query, places, before, limit).await.unwrap();
    lines.iter().map(|l| l.id).collect()
}

#[tokio::test]
async fn both_databases_find_the_same() {
    for bed in bed::databases().await {
        let (tenant, mailbox, _) = bed::tenant(&bed.db, "adorf").await;
        let first =
            keep(&bed, tenant, mailbox, &["Frage zur HECKE", "Müller & Söhne", "Az. 63.2/2026-0815"]).await;
        let second =
            keep(&bed, tenant, mailbox, &["Hecke alt", "zu hoch gewachsen: die Mu\u{308}hle", "Straße 5"])
                .await;
        for (typed, hits) in [
            ("hecke", vec![second, first]),
            ("hecken", vec![]),
            ("HECK", vec![second, first]),
            ("hec alt", vec![]),
            ("alt hec", vec![second]),
            ("mueller", vec![first]),
            ("MÜLLER", vec![first]),
            ("müh", vec![second]),
            ("63.2/2026-0815", vec![first]),
            ("2026-08", vec![first]),
            ("2026-63", vec![]),
            ("\"zur Hecke\"", vec![first]),
            ("\"Hecke zur\"", vec![]),
            // A phrase ends with its text.
            ("\"Hecke Müller\"", vec![]),
            ("strasse", vec![second]),
            // Nothing of this is a language.
            ("hecke OR nichts", vec![]),
            ("hecke -alt", vec![second]),
            ("(hecke", vec![second, first]),
            ("hecke' | 'x", vec![]),
            ("words : hecke", vec![]),
            ("NEAR(hecke, alt)", vec![]),
            ("h*", vec![second, first]),
        ] {
            assert_eq!(found(&bed, tenant, typed).await, hits, "{}: {typed}", bed.name);
        }
    }
}

#[tokio::test]
async fn pages_places_and_walls() {
    for bed in bed::databases().await {
        let (tenant, mailbox, desk) = bed::tenant(&bed.db, "adorf").await;
        let (other, other_box, _) = bed::tenant(&bed.db, "bdorf").await;
        let mut all = Vec::new();
        for _ in 0..5 {
            all.insert(0, keep(&bed, tenant, mailbox, &["Hecke"]).await);
            keep(&bed, other, other_box, &["Hecke geheim"]).await;
        }
        assert_eq!(found(&bed, tenant, "hecke").await, all, "{}", bed.name);
        assert_eq!(found(&bed, tenant, "geheim").await, [], "{}", bed.name);
        assert_eq!(within(&bed, tenant, "hecke", None, None, 2).await, all[..2]);
        assert_eq!(within(&bed, tenant, "hecke", None, Some(all[1]), 2).await, all[2..4]);
        let nowhere = (&[MailboxId::new(&TestIds)][..], &[DeskId::new(&TestIds)][..]);
        assert_eq!(within(&bed, tenant, "hecke", Some(nowhere), None, 9).await, [], "{}", bed.name);
        assert_eq!(within(&bed, tenant, "hecke", Some((&[mailbox], &[desk])), None, 9).await, all);
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let item = bed::item(tenant, poststelle_model::DeliveryId::new(&TestIds), desk, all[0]);
        poststelle_store::desk::insert(&mut tx, &[item]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(
            within(&bed, tenant, "hecke", Some((&[], &[desk])), None, 9).await,
            all[..1],
            "{}",
            bed.name
        );
    }
}

#[tokio::test]
async fn what_is_taken_out_is_gone_and_can_come_back() {
    for bed in bed::databases().await {
        let (tenant, mailbox, _) = bed::tenant(&bed.db, "adorf").await;
        let stays = keep(&bed, tenant, mailbox, &["Hecke"]).await;
        let goes = keep(&bed, tenant, mailbox, &["Hecke"]).await;
        let entry = Entry { tenant, message: goes, texts: vec!["Zaun".to_owned()] };
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let again = search::insert(&mut tx, std::slice::from_ref(&entry)).await;
        assert!(matches!(again, Err(StoreError::Exists(_))), "{again:?}");
        tx.rollback().await.unwrap();
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        search::remove(&mut tx, tenant, goes).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(found(&bed, tenant, "hecke").await, [stays], "{}", bed.name);
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        search::remove(&mut tx, tenant, goes).await.unwrap();
        search::insert(&mut tx, &[entry]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(found(&bed, tenant, "zaun").await, [goes], "{}", bed.name);
        assert_eq!(found(&bed, tenant, "hecke").await, [stays], "{}", bed.name);
    }
}

/// Under row-level security the index is used only because the policy itself asks for the words.
#[tokio::test]
async fn the_index_finds_it() {
    for bed in bed::databases().await.into_iter().filter(|b| b.name == "postgres") {
        let (tenant, mailbox, _) = bed::tenant(&bed.db, "adorf").await;
        keep(&bed, tenant, mailbox, &["Hecke"]).await;
        let pool = AnyPool::connect(&bed.url).await.unwrap();
        let mut tx = pool.begin().await.unwrap();
        let scope = format!(
            "SELECT set_config('app.tenant', '{tenant}', true), set_config('app.search', '''x''', true), \
             set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true)"
        );
        sqlx::query(AssertSqlSafe(scope)).execute(&mut *tx).await.unwrap();
        let plan = sqlx::query("EXPLAIN SELECT message_id FROM search").fetch_all(&mut *tx).await.unwrap();
        let steps: Vec<String> = plan.iter().map(|r| r.get(0)).collect();
        assert!(steps.iter().any(|s| s.contains("search_words")), "{steps:#?}");
    }
}

/// The `n`-th word of a language in which few words are frequent and many are rare.
fn word(n: &mut u64) -> String {
    *n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let spread = f64::from(u32::try_from(*n >> 40).unwrap()) / f64::from(1 << 24);
    // Between 0 and 20,000, mostly small.
    let rank = (20_000_f64.powf(spread) - 1.0).floor();
    let mut rest = format!("{rank:.0}").parse::<usize>().unwrap();
    let mut word = String::new();
    for _ in 0..3 {
        word.push_str(["ba", "ce", "di", "fo", "gu", "hal", "jen", "kir", "lom", "nus"][rest % 10]);
        rest /= 10;
    }
    format!("{word}{}", if rest > 0 { rest.to_string() } else { String::new() })
}

/// A fifth of all mail is one tenant's; the rest is spread.
async fn timed(count: usize, tenants: usize, cap: std::time::Duration) {
    for bed in bed::databases().await {
        let mut all = Vec::new();
        for n in 0..tenants {
            all.push(bed::tenant(&bed.db, &format!("dorf{n}")).await);
        }
        let (mut seed, began) = (1, std::time::Instant::now());
        for chunk in 0..count / 100 {
            let (tenant, mailbox, _) = all[if chunk % 5 == 0 { 0 } else { chunk % tenants }];
            let new: Vec<_> = (0..100).map(|_| bed::message(tenant, mailbox, "", "x")).collect();
            let text = |seed: &mut u64, n: usize| (0..n).map(|_| word(seed)).collect::<Vec<_>>().join(" ");
            let mut entries = Vec::new();
            for m in &new {
                let texts = vec![text(&mut seed, 6), text(&mut seed, 120)];
                entries.push(Entry { tenant, message: m.message.id, texts });
            }
            let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
            messages::insert(&mut tx, &new).await.unwrap();
            search::insert(&mut tx, &entries).await.unwrap();
            tx.commit().await.unwrap();
        }
        println!(
            "{}: {count} messages of {tenants} tenants made findable in {:?}",
            bed.name,
            began.elapsed()
        );
        for (whose, tenant) in [("the largest", all[0].0), ("another", all[1].0)] {
            for kind in ["one word", "a beginning", "two words", "a phrase"] {
                let mut times = Vec::new();
                let mut hits = 0;
                for _ in 0..50 {
                    let (a, b) = (word(&mut seed), word(&mut seed));
                    let typed = match kind {
                        "one word" => format!("\"{a}\""),
                        "a beginning" => a.chars().take(3).collect(),
                        "two words" => format!("{a} {b}"),
                        _ => format!("\"{a} {b}\""),
                    };
                    let asked = std::time::Instant::now();
                    hits += within(&bed, tenant, &typed, None, None, 31).await.len();
                    times.push(asked.elapsed());
                }
                times.sort_unstable();
                println!(
                    "{} {whose}, {kind}: p50 {:?}, p95 {:?}, {hits} hits shown",
                    bed.name, times[25], times[47]
                );
                assert!(times[47] < cap, "{} {whose}, {kind}: {:?}", bed.name, times[47]);
            }
        }
    }
}

#[tokio::test]
async fn a_search_stays_quick_at_3_000_messages() {
    timed(3_000, 10, std::time::Duration::from_millis(300)).await;
}

#[tokio::test]
#[ignore = "some minutes: by hand and in the long run"]
async fn a_search_stays_quick_at_100_000_messages() {
    timed(100_000, 70, std::time::Duration::from_secs(1)).await;
}
