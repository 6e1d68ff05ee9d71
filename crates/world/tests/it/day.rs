// SPDX-License-Identifier: EUPL-1.2
//! The demo's places can be settled twice, and its day adds up.

use std::sync::Arc;
use std::time::Duration;

use poststelle_hub::Limits;
use poststelle_hub::people::{LocalAccounts, SignIn};
use poststelle_world::day::{Day, World, play};
use poststelle_world::fachverfahren::{Take, WebhookSite};
use poststelle_world::places::{self, Settlement};

use crate::house::{House, Settings};

fn settings() -> Settings {
    let limits = Limits {
        message_bytes: 50_000_000,
        backoff_first: Duration::from_millis(200),
        backoff_max: Duration::from_secs(2),
        ..Limits::default()
    };
    Settings { limits, max_out: 50_000_000, call: Duration::from_secs(10) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_are_settled_once() {
    let house = House::open(settings()).await;
    let first = places::settle(&house.hub, house.dir.path()).await.unwrap();
    let second = places::settle(&house.hub, house.dir.path()).await.unwrap();
    let ids = |s: &places::Settled| s.tenants.iter().map(|t| (t.slug.clone(), t.id)).collect::<Vec<_>>();
    assert_eq!(ids(&first), ids(&second));
    assert_eq!(first.tenants.len(), 14);
    assert!(first.folders.iter().all(|f| f.path.is_dir()));
    let folders = |s: &places::Settled| s.folders.iter().map(|f| f.connector).collect::<Vec<_>>();
    assert_eq!(folders(&first), folders(&second));
    let waren = first.tenant("waren-mueritz").unwrap();
    assert_eq!(waren.poststelle(), "poststelle@waren-mueritz.example");
    assert!(waren.desk("Klärungskorb").is_some() && waren.desk("Bauamt").is_some());
    let login = first.login("betrieb").unwrap();
    let who = LocalAccounts.check(&house.hub, &login.login, &login.password).await.unwrap();
    assert!(who.is_some());
    let signed = house.hub.api_token(&second.intake.token).await.unwrap().unwrap();
    assert_eq!(signed.bound_to, Some(second.intake.tenant));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_day_adds_up() {
    let house = House::open(settings()).await;
    let secret = b"demo-geheimnis-0123456789".to_vec();
    let site = Arc::new(WebhookSite::start(&secret).await.unwrap());
    let webhook =
        places::WebhookSite { url: site.url(), part_base_url: "http://127.0.0.1:1/api/v1".into(), secret };
    let settlement = Settlement { seed: 1, dir: house.dir.path().to_owned(), webhook: Some(webhook) };
    let settled = settlement.settle(&house.hub).await.unwrap();
    let mut world = World::around(house.hub.clone(), house.smtp, house.far.clone(), settled, Take::Move)
        .with_webhook(site);
    for seed in [1, 2, 3] {
        let day = Day { seed, letters: 30, max_size: 300_000, big: 5_000_000, ..Day::default() };
        let report = play(day, &world).await;
        println!("{}", serde_json::to_string_pretty(&report).unwrap());
        assert!(report.ok, "{:#?}", report.unexpected);
        assert_eq!(report.refused_expected, 3);
        assert!(report.rest_repeated && report.dsn_folded >= 4 && report.in_clearing >= 2);
    }
    // Without the applications nobody has the packages: the day must say so.
    world.applications.clear();
    let day = Day { letters: 1, big: 100_000, patience: Duration::from_secs(5), ..Day::default() };
    let report = play(day, &world).await;
    assert!(!report.ok && report.unexpected.iter().any(|u| u.contains("no application has the package")));
    drop(world);
    house.close().await;
}
