// SPDX-License-Identifier: EUPL-1.2
//! Whoever reads a message stands in its timeline; what cannot be proved is not shown.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use poststelle_hub::Limits;
use poststelle_model::{Event, MessageId, Role, Subject};
use poststelle_store::{Scope, evidence};

use crate::bed::{Bed, Side, ask, hostile_mail, service};

/// Who read a message and how, oldest first.
async fn readings(bed: &Bed, side: &Side, id: MessageId) -> Vec<(String, String)> {
    let mut tx = bed.hub.db().read(Scope::Tenant(side.tenant)).await.unwrap();
    let chain = evidence::chain(&mut tx, side.tenant, &Subject::message(id)).await.unwrap();
    let of = |e: &evidence::Entry| {
        let body: serde_json::Value = serde_json::from_str(&e.body).unwrap();
        (e.who.clone(), body["how"].as_str().unwrap().to_owned())
    };
    chain.iter().filter(|e| e.kind() == Some(Event::ContentAccessTracking)).map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_reading_is_told_once_an_hour() {
    let bed = Bed::new().await;
    let id = bed.mail(&bed.a, &hostile_mail()).await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);
    // Lists tell no content, what is not there was not read, and what may not be read was not read either.
    let (stranger, _) = bed.session(bed.b.clerk).await;
    bed.see("/nachrichten", &cookie).await;
    for path in [&base, &format!("{base}/original")] {
        assert_eq!(bed.see(path, &stranger).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(bed.see(&format!("{base}/teile/99"), &cookie).await.status, StatusCode::NOT_FOUND);
    assert_eq!(readings(&bed, &bed.a, id).await, []);

    let page = bed.see(&base, &cookie).await.text();
    assert!(page.contains("Von Karla Klerk geöffnet."), "the very page shows it: {page}");
    for path in ["/original", "/teile/1", "/teile/2", "/anhaenge.zip", "", "/original", "?ansicht=text"] {
        assert_eq!(bed.see(&format!("{base}{path}"), &cookie).await.status, StatusCode::OK, "{path}");
    }
    let clerk = format!("principal:{}", bed.a.clerk);
    let by = |who: &str, how: &str| (who.to_owned(), how.to_owned());
    let mut expected = ["seen", "original", "part", "attachments"].map(|how| by(&clerk, how)).to_vec();
    assert_eq!(readings(&bed, &bed.a, id).await, expected);
    let page = bed.see(&base, &cookie).await.text();
    for words in ["Original von Karla Klerk gespeichert.", "Bestandteile von Karla", "Alle Anhänge von Karla"]
    {
        assert!(page.contains(words), "{words} fehlt in {page}");
    }

    // Programs likewise, under their own name.
    let bearer = format!("Bearer {}", bed.a.reader);
    let program = [("authorization", bearer.as_str())];
    let api = format!("/api/v1/messages/{}/{id}", bed.a.tenant);
    for path in ["", "/timeline", "/original", "/parts/1", "/parts/2"] {
        assert_eq!(bed.get(&format!("{api}{path}"), &program).await.status, StatusCode::OK, "{path}");
    }
    let told = readings(&bed, &bed.a, id).await;
    assert_eq!(told.len(), 7, "{told:?}");
    assert!(told[4..].iter().all(|(who, _)| *who == told[4].0 && *who != clerk), "{told:?}");
    assert!(bed.see(&base, &cookie).await.text().contains("Von Fachverfahren geöffnet."));

    // Another node knows it too; after an hour it is told anew, by whichever node is asked.
    let other = bed.second_node().await;
    let request = |path: &str| Request::get(path).header("cookie", &cookie).body(Body::empty()).unwrap();
    assert_eq!(ask(&other.router, request(&base)).await.status, StatusCode::OK);
    assert_eq!(readings(&bed, &bed.a, id).await.len(), 7);
    bed.clock.advance(Duration::from_secs(3601));
    assert_eq!(ask(&other.router, request(&base)).await.status, StatusCode::OK);
    assert_eq!(bed.see(&base, &cookie).await.status, StatusCode::OK);
    expected.extend(told[4..].iter().cloned());
    expected.push(by(&clerk, "seen"));
    assert_eq!(readings(&bed, &bed.a, id).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_one_reading() {
    let bed = Bed::new().await;
    let id = bed.mail(&bed.a, &hostile_mail()).await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let path = format!("/nachrichten/{}/{id}/original", bed.a.tenant);
    let asked = futures::future::join_all((0..20).map(|_| bed.see(&path, &cookie))).await;
    assert!(asked.iter().all(|a| a.status == StatusCode::OK));
    assert_eq!(readings(&bed, &bed.a, id).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_proved_is_not_shown() {
    let bed = Bed::build(Limits::default(), false, Duration::from_millis(200)).await;
    let id = bed.mail(&bed.a, &hostile_mail()).await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let token = service(&bed.hub, bed.a.tenant, "leserin", Role::Clerk).await;
    let bearer = format!("Bearer {token}");
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let api = format!("/api/v1/messages/{}/{id}", bed.a.tenant);
    // Somebody holds the writing side of the database: everything can be read, nothing be recorded.
    let held = bed.hub.db().begin(Scope::System).await.unwrap();
    let session = [("cookie", cookie.as_str())];
    let program = [("authorization", bearer.as_str())];
    let mut asked = Vec::new();
    for path in ["", "/original", "/teile/1", "/teile/2/ansehen", "/teile/2/vorschau", "/anhaenge.zip"] {
        asked.push((format!("{base}{path}"), &session));
    }
    for path in ["", "/timeline", "/original", "/parts/1"] {
        asked.push((format!("{api}{path}"), &program));
    }
    let answers = futures::future::join_all(asked.iter().map(|(path, who)| bed.get(path, *who))).await;
    for ((path, _), answer) in asked.iter().zip(answers) {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", answer.text());
        assert!(!answer.header("retry-after").is_empty(), "{path}");
        for content in ["Guten Tag", "Bauantrag", "Söhne", "evil"] {
            assert!(!answer.text().contains(content), "{path} shows {content}");
        }
    }
    held.rollback().await.unwrap();
    assert_eq!(bed.see(&base, &cookie).await.status, StatusCode::OK, "it recovers alone");
    assert_eq!(readings(&bed, &bed.a, id).await.len(), 1);
}
