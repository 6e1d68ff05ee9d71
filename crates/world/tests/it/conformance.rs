// SPDX-License-Identifier: EUPL-1.2
//! The mail channel keeps what every channel must keep.

use std::time::Duration;

use poststelle_hub::Limits;
use poststelle_world::conformance::{self, mail::MailSubject};

use crate::house::{House, Settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mail_channel_passes_all_of_it() {
    let (max_out, call) = (2_000_000, Duration::from_secs(2));
    let limits = Limits {
        message_bytes: 3_000_000,
        call: Duration::from_secs(4),
        backoff_first: Duration::from_millis(100),
        backoff_max: Duration::from_secs(1),
        expiry: Duration::from_secs(10),
        ..Limits::default()
    };
    let house = House::open(Settings { limits, max_out, call }).await;
    let subject =
        MailSubject::found(house.hub.clone(), house.smtp, house.far.clone(), max_out, call).await.unwrap();
    let checks = conformance::run(&subject).await;
    for check in &checks {
        println!("{} {} — {}", if check.passed { "ok  " } else { "FAIL" }, check.name, check.detail);
    }
    let failed: Vec<_> = checks.iter().filter(|c| !c.passed).map(|c| c.name).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(checks.len(), 17);
    house.close().await;
}
