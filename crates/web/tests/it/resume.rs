// SPDX-License-Identifier: EUPL-1.2
//! What waits for a person is set going again by one, once.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use poststelle_model::people::{Grant, Place};
use poststelle_model::{DeliveryState, Event, MessageId, Role, Subject};
use poststelle_store::messages::Delivery;
use poststelle_store::{Scope, evidence};

use crate::bed::{Answer, Bed, Does, person, service, who};

const MAIL: &[u8] = b"From: a@b.example\r\nSubject: Bauantrag\r\n\r\nText\r\n";

/// A message of A with a delivery that stands so.
async fn waiting(bed: &Bed, does: Does, state: DeliveryState) -> (MessageId, Delivery) {
    *bed.far.does.lock().unwrap() = does;
    bed.connector(&bed.a, "Bauamt", "Bauantrag").await;
    let id = bed.accept(&bed.a, MAIL).await;
    (id, bed.stands(bed.a.tenant, id, state).await)
}

async fn events(bed: &Bed, id: MessageId, kind: Event) -> Vec<evidence::Entry> {
    let mut tx = bed.hub.db().read(Scope::Tenant(bed.a.tenant)).await.unwrap();
    let chain = evidence::chain(&mut tx, bed.a.tenant, &Subject::message(id)).await.unwrap();
    chain.into_iter().filter(|e| e.kind() == Some(kind)).collect()
}

async fn wish(bed: &Bed, id: MessageId, delivery: &Delivery, headers: &[(&str, &str)], body: &str) -> Answer {
    let path = format!("/api/v1/messages/{}/{id}/deliveries/{}/resume", bed.a.tenant, delivery.id);
    let mut request = Request::post(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    bed.ask(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_person_with_a_page_before() {
    let bed = Bed::new().await;
    let (id, delivery) = waiting(&bed, Does::NeedsAPerson, DeliveryState::Parked).await;
    let auditor = person(&bed.hub, "pruefer", "Paula Prüferin", Some(bed.a.administration)).await;
    let place = Place::Tenant { tenant: bed.a.tenant };
    bed.hub.grant(auditor, Grant { role: Role::Auditor, place }, &who()).await.unwrap();
    let (cookie, csrf) = bed.session(bed.a.clerk).await;
    let (reads, reads_csrf) = bed.session(auditor).await;
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let path = format!("{base}/uebergaben/{}/fortsetzen", delivery.id);

    let html = bed.see(&base, &cookie).await.text();
    assert!(html.contains("Wartet: Übergabeziel „Bauamt“") && html.contains(&path), "{html}");
    assert_eq!(html.matches(&path).count(), 2, "where it waits, and beside the delivery");
    assert!(!bed.see(&base, &reads).await.text().contains("fortsetzen"), "an auditor changes nothing");
    let refused = bed.see(&path, &reads).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text().contains("PST-API-0010"));
    let page = bed.see(&path, &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    for words in [
        "Übergabeziel „Bauamt“",
        "endgültig abgelehnt",
        "gleich noch einmal",
        "bis zu 5 Tage",
        "Klärungskorb",
    ] {
        assert!(page.text().contains(words), "{words} fehlt in {}", page.text());
    }
    assert!(!page.text().contains("schon angekommen"), "nothing was sent yet");

    let post =
        async |cookie: &str, form: &str| bed.post(&path, "192.0.2.1", &[("cookie", cookie)], form).await;
    let form = format!("csrf={csrf}&version={}", delivery.version);
    let version = format!("version={}", delivery.version);
    assert_eq!(post(&cookie, &version).await.status, StatusCode::FORBIDDEN, "without the form's token");
    let theirs = format!("csrf={reads_csrf}&{version}");
    assert_eq!(post(&cookie, &theirs).await.status, StatusCode::FORBIDDEN, "with another session's token");
    assert_eq!(post(&reads, &theirs).await.status, StatusCode::FORBIDDEN, "without the right");
    assert_eq!(bed.stands(bed.a.tenant, id, DeliveryState::Parked).await, delivery, "nothing happened");

    *bed.far.does.lock().unwrap() = Does::Takes;
    let done = post(&cookie, &form).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_eq!(done.header("location"), format!("{base}?hinweis=fortgesetzt"));
    bed.stands(bed.a.tenant, id, DeliveryState::Confirmed).await;
    // Pressed again, by the same or by a colleague who still had the page: nothing happens.
    for _ in 0..2 {
        assert_eq!(post(&cookie, &form).await.header("location"), format!("{base}?hinweis=unveraendert"));
    }
    let shown = bed.see(&format!("{base}?hinweis=unveraendert"), &cookie).await.text();
    assert!(shown.contains("Es wurde nichts geändert") && shown.contains("Übergabe fortgesetzt"), "{shown}");
    assert!(!shown.contains(&path), "nothing waits any more");
    assert_eq!(bed.see(&path, &cookie).await.header("location"), format!("{base}?hinweis=unveraendert"));
    let resumed = events(&bed, id, Event::Resumed).await;
    assert_eq!(resumed.len(), 1);
    assert_eq!(resumed[0].who, format!("principal:{}", bed.a.clerk));
    assert_eq!(*bed.far.calls.lock().unwrap(), [(1, false), (2, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_program_and_never_twice() {
    let bed = Bed::new().await;
    let (id, delivery) = waiting(&bed, Does::Refuses, DeliveryState::Rejected).await;
    let clerk = format!("Bearer {}", service(&bed.hub, bed.a.tenant, "fach", Role::Clerk).await);
    let clerk = [("authorization", clerk.as_str())];
    let reader = format!("Bearer {}", bed.a.reader);
    let (session, _) = bed.session(bed.a.clerk).await;
    let body = format!("{{\"version\":{}}}", delivery.version);
    let read = wish(&bed, id, &delivery, &[("authorization", &reader)], &body).await;
    assert_eq!((read.status, read.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("PST-API-0010")));
    // A session changes nothing through the API.
    let person = wish(&bed, id, &delivery, &[("cookie", &session)], &body).await;
    assert_eq!(person.status, StatusCode::UNAUTHORIZED);
    for bad in ["", "{}", "{\"version\":\"1\"}", "[]"] {
        let answer = wish(&bed, id, &delivery, &clerk, bad).await;
        assert!(answer.status.is_client_error() && answer.json()["code"] == "PST-API-0003", "{bad}");
    }
    let api = format!("/api/v1/messages/{}/{id}", bed.a.tenant);
    let told = bed.get(&api, &clerk).await.json();
    let told = told["deliveries"].as_array().unwrap().iter().find(|d| d["id"] == delivery.id.to_string());
    assert_eq!(
        told.map(|d| (&d["resumable"], &d["version"])),
        Some((&true.into(), &delivery.version.into()))
    );

    let calls = futures::future::join_all((0..8).map(|_| wish(&bed, id, &delivery, &clerk, &body))).await;
    let said: Vec<_> = calls.iter().map(|c| (c.status, c.json()["resumed"].as_bool())).collect();
    assert!(said.iter().all(|s| s.0 == StatusCode::OK), "{said:?}");
    assert_eq!(said.iter().filter(|s| s.1 == Some(true)).count(), 1, "{said:?}");
    let again = bed.stands(bed.a.tenant, id, DeliveryState::Rejected).await;
    assert_eq!(again.attempts, 2);
    assert_eq!(events(&bed, id, Event::Resumed).await.len(), 1);
    // An old version is not a new wish; the new one is.
    let late = wish(&bed, id, &delivery, &clerk, &body).await.json();
    assert_eq!((&late["resumed"], &late["state"]), (&false.into(), &"rejected".into()));
    let body = format!("{{\"version\":{}}}", again.version);
    assert_eq!(wish(&bed, id, &again, &clerk, &body).await.json()["resumed"], true);
}

/// What may have arrived is cleared up first and marked as possibly repeated; and it gets time anew.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_stays_in_doubt() {
    let bed = Bed::new().await;
    let (id, _) = waiting(&bed, Does::Vanishes, DeliveryState::Unclear).await;
    bed.clock.advance(Duration::from_secs(6 * 24 * 3600));
    let parked = bed.stands(bed.a.tenant, id, DeliveryState::Parked).await;
    let (cookie, csrf) = bed.session(bed.a.clerk).await;
    let path = format!("/nachrichten/{}/{id}/uebergaben/{}/fortsetzen", bed.a.tenant, parked.id);
    let page = bed.see(&path, &cookie).await.text();
    assert!(page.contains("Die Nachricht kann schon angekommen sein"), "{page}");
    bed.far.calls.lock().unwrap().clear();
    *bed.far.does.lock().unwrap() = Does::Takes;
    let form = format!("csrf={csrf}&version={}", parked.version);
    let done = bed.post(&path, "192.0.2.1", &[("cookie", &cookie)], &form).await;
    assert!(done.header("location").ends_with("hinweis=fortgesetzt"));
    let arrived = bed.stands(bed.a.tenant, id, DeliveryState::Confirmed).await;
    assert!(
        bed.far.calls.lock().unwrap().iter().all(|(_, repeated)| *repeated),
        "marked as possibly repeated"
    );
    assert!(arrived.expires_at > parked.expires_at, "it had time anew");
    assert_eq!(arrived.reason.unwrap().code.as_str(), "PST-DELIVER-0004");
}
