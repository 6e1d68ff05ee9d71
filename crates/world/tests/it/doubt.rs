// SPDX-License-Identifier: EUPL-1.2
//! What may have arrived stays in doubt until it is cleared up.

use std::time::Duration;

use poststelle_hub::Limits;
use poststelle_model::{DeliveryState, Who};
use poststelle_store::{Scope, jobs};

use crate::house::{self, House, Settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_died_leaves_a_doubt_that_a_dead_server_does_not_clear() {
    let limits = Limits {
        backoff_first: Duration::from_millis(50),
        backoff_max: Duration::from_millis(100),
        ..Limits::default()
    };
    let settings = Settings { limits, max_out: 1_000_000, call: Duration::from_secs(2) };
    let house = House::open(settings).await;
    let tenant = house.hub.add_tenant("adorf", "Adorf", &Who::house("test")).await.unwrap();
    house.far.go_away().await;
    let id = house.submit(tenant, &["eins@aussen.example"]).await;
    let reaches = async |wanted: DeliveryState| {
        house::until(20, async || {
            let view = house.hub.message_view_unchecked(tenant, id).await.unwrap();
            let found = view.deliveries.iter().find(|d| d.delivery.target.to_string().starts_with("mail:"));
            let found = found.ok_or("no delivery yet")?;
            let state = found.delivery.state;
            if state == wanted { Ok(found.clone()) } else { Err(format!("{state:?}, not {wanted:?}")) }
        })
        .await
    };
    reaches(DeliveryState::Deferred).await;
    // Another worker takes it, and is never heard of again.
    house::until(20, async || {
        let mut tx = house.hub.db().begin(Scope::System).await.unwrap();
        let lane = jobs::lane(tenant, "mail:aussen.example");
        let taken = jobs::claim(&mut tx, &lane, "dead:1", Duration::ZERO, 1).await.unwrap();
        tx.commit().await.unwrap();
        if taken.is_empty() { Err("the other worker finds nothing to do".to_owned()) } else { Ok(()) }
    })
    .await;
    reaches(DeliveryState::Unclear).await;
    house.far.come_back().await.unwrap();
    let arrived = reaches(DeliveryState::Accepted).await;
    assert_eq!(arrived.delivery.reason.unwrap().code.as_str(), "PST-DELIVER-0004");
    house.close().await;
}
