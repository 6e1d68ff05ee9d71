// SPDX-License-Identifier: EUPL-1.2
//! A page hears within seconds that something happened, of its own tenants and its own message alone.

use std::time::Duration;

use axum::http::StatusCode;
use poststelle_hub::watch::{Timers, Watch};
use poststelle_model::MessageId;

use crate::bed::{Answer, Bed, hostile_mail};

/// The address at which a page asks for news.
fn question(page: &str) -> String {
    let url = page.split("data-url=\"").nth(1).unwrap_or_else(|| panic!("no question in {page}"));
    url.split('"').next().unwrap().replace("&#38;", "&")
}

/// Mail comes and gets its place in the log.
async fn comes(bed: &Bed, to_b: bool) -> MessageId {
    let id = bed.mail(if to_b { &bed.b } else { &bed.a }, &hostile_mail()).await;
    sequenced(bed).await;
    id
}

async fn sequenced(bed: &Bed) {
    Watch::new(bed.hub.clone(), Timers::default()).sequence_all().await.unwrap();
}

/// Asks, and while the answer is awaited does `meanwhile`.
async fn hears(bed: &Bed, url: &str, cookie: &str, meanwhile: impl Future<Output = ()>) -> Answer {
    tokio::join!(bed.see(url, cookie), meanwhile).0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_hears_of_its_tenants_alone() {
    let bed = Bed::new().await;
    comes(&bed, false).await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let (stranger, _) = bed.session(bed.b.clerk).await;
    let ask = question(&bed.see("/nachrichten", &cookie).await.text());
    let foreign = question(&bed.see("/nachrichten", &stranger).await.text());
    let answer = hears(&bed, &ask, &cookie, async {
        comes(&bed, false).await;
    })
    .await;
    assert_eq!(answer.status, StatusCode::OK);
    let stand = answer.json()["stand"].as_i64().unwrap();
    assert!(ask != format!("/neues?stand={stand}"));
    // The other tenant's page is asked at the same time and hears nothing for as long as it may wait.
    let (own, other) = tokio::join!(bed.see("/neues", &cookie), bed.see(&foreign, &stranger),);
    assert_eq!(own.status, StatusCode::OK);
    assert_eq!((other.status, other.text().as_str()), (StatusCode::NO_CONTENT, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_hears_of_itself() {
    let bed = Bed::new().await;
    let id = comes(&bed, false).await;
    let (cookie, csrf) = bed.session(bed.a.clerk).await;
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let ask = question(&bed.see(&base, &cookie).await.text());
    let note = async {
        // Other mail of the tenant does not concern it.
        comes(&bed, false).await;
        let body = format!("csrf={csrf}&text=Akte+liegt+vor");
        let noted = bed.post(&format!("{base}/vermerke"), "192.0.2.1", &[("cookie", &cookie)], &body).await;
        assert_eq!(noted.status, StatusCode::SEE_OTHER, "{}", noted.text());
        sequenced(&bed).await;
    };
    let before: i64 = ask.split("stand=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
    let answer = hears(&bed, &ask, &cookie, note).await;
    assert_eq!((answer.status, answer.json()["stand"].as_i64()), (StatusCode::OK, Some(before + 1)));

    // Nobody else hears of it, and who is not signed in hears nothing at all.
    let (stranger, _) = bed.session(bed.b.clerk).await;
    assert_eq!(bed.see(&ask, &stranger).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.get(&ask, &[]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bed.get("/neues", &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_does_not_keep_a_session_alive() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let by_itself = [("cookie", cookie.as_str()), ("x-poststelle-live", "1")];
    let hours = |n: u64| Duration::from_secs(n * 3600);
    bed.clock.advance(hours(5));
    assert_eq!(bed.get("/neues", &by_itself).await.status, StatusCode::OK);
    assert_eq!(bed.get("/nachrichten", &by_itself).await.status, StatusCode::OK);
    bed.clock.advance(hours(4));
    assert_eq!(bed.get("/neues", &by_itself).await.status, StatusCode::UNAUTHORIZED);
    // A person at the same page does.
    let (cookie, _) = bed.session(bed.a.clerk).await;
    bed.clock.advance(hours(5));
    assert_eq!(bed.see("/nachrichten", &cookie).await.status, StatusCode::OK);
    bed.clock.advance(hours(4));
    assert_eq!(bed.see("/nachrichten", &cookie).await.status, StatusCode::OK);
}
