// SPDX-License-Identifier: EUPL-1.2
//! Nothing in a list or a count may grow with the square of the mail.

use std::time::{Duration, Instant};

use poststelle_model::{DeliveryState, Subject};
use poststelle_store::{Scope, Tx, balance, desk, evidence, jobs, messages};

use crate::bed;

/// Fills a tenant with `count` processed and delivered messages.
async fn fill(
    bed: &bed::Bed,
    slug: &str,
    count: usize,
) -> (poststelle_model::TenantId, poststelle_model::DeskId) {
    let (tenant, mailbox, desk_id) = bed::tenant(&bed.db, slug).await;
    for _ in 0..count / 1000 {
        let new: Vec<_> = (0..1000).map(|_| bed::message(tenant, mailbox, "", "x")).collect();
        let deliveries: Vec<_> = new
            .iter()
            .map(|m| messages::Delivery {
                state: DeliveryState::Confirmed,
                ..bed::delivery(tenant, m.message.id, desk_id)
            })
            .collect();
        let items: Vec<_> = deliveries.iter().map(|d| bed::item(tenant, d.id, desk_id, d.message)).collect();
        let inspections: Vec<_> = new
            .iter()
            .map(|m| (tenant, m.message.id, messages::Inspection { version: 1, ..Default::default() }))
            .collect();
        let entries: Vec<_> = new
            .iter()
            .flat_map(|m| (0..3).map(|n| bed::entry(tenant, &Subject::message(m.message.id), n)))
            .collect();
        let mut tx = bed.db.begin(Scope::System).await.unwrap();
        messages::insert(&mut tx, &new).await.unwrap();
        messages::insert_inspections(&mut tx, &inspections).await.unwrap();
        messages::insert_deliveries(&mut tx, &deliveries).await.unwrap();
        desk::insert(&mut tx, &items).await.unwrap();
        evidence::insert(&mut tx, &entries).await.unwrap();
        tx.commit().await.unwrap();
    }
    (tenant, desk_id)
}

async fn took(what: &str, run: impl Future<Output = ()>) -> Duration {
    let start = Instant::now();
    run.await;
    let took = start.elapsed();
    println!("{what}: {took:?}");
    took
}

async fn measure(
    tx: &mut Tx,
    tenant: poststelle_model::TenantId,
    desk_id: poststelle_model::DeskId,
) -> [Duration; 5] {
    [
        took("message page", async {
            assert_eq!(messages::page(tx, tenant, None, 50).await.unwrap().len(), 50);
        })
        .await,
        took("desk page", async {
            assert_eq!(
                desk::page(tx, tenant, desk_id, desk::Filter::default(), None, 50).await.unwrap().len(),
                50
            );
        })
        .await,
        took("balance counts", async { assert!(!balance::counts(tx).await.unwrap().is_empty()) }).await,
        took("balance mismatches", async { assert!(balance::mismatches(tx).await.unwrap().is_empty()) })
            .await,
        took("due lanes", async { assert!(!jobs::due_lanes(tx).await.unwrap().0.is_empty()) }).await,
    ]
}

async fn all(count: usize, page: Duration, whole: Duration) {
    for bed in bed::databases().await {
        println!("{} with {count} messages", bed.name);
        let (tenant, desk_id) = fill(&bed, "adorf", count).await;
        let mut tx = bed.db.begin(Scope::System).await.unwrap();
        let now = tx.now().await.unwrap();
        for chunk in 0..count / 1000 {
            let lane = format!("target-{}", chunk % 20);
            let new: Vec<_> =
                (0..1000).map(|i| bed::job(tenant, &lane, &i.to_string(), Duration::ZERO)).collect();
            jobs::insert(&mut tx, now, &new).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut tx = bed.db.read(Scope::System).await.unwrap();
        let [message_page, desk_page, counts, mismatches, lanes] = measure(&mut tx, tenant, desk_id).await;
        assert!(
            message_page < page && desk_page < page && lanes < page,
            "{}: a page looks at one page",
            bed.name
        );
        assert!(counts < whole && mismatches < whole, "{}: counting looks at each row once", bed.name);
    }
}

#[tokio::test]
async fn lists_and_counts_at_5_000_messages() {
    all(5_000, Duration::from_secs(1), Duration::from_secs(5)).await;
}

#[tokio::test]
#[ignore = "some minutes: by hand and in the long run"]
async fn lists_and_counts_at_100_000_messages() {
    all(100_000, Duration::from_secs(1), Duration::from_secs(20)).await;
}
