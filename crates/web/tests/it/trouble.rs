// SPDX-License-Identifier: EUPL-1.2
//! The database is gone: what still answers, and with which words.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn the_house_says_what_is_wrong() {
    let bed = Bed::new().await;
    let (operator, _) = bed.session(bed.operator).await;
    let (clerk, _) = bed.session(bed.a.clerk).await;
    let (late, _) = bed.session(bed.operator).await;
    assert_eq!(bed.see("/betrieb", &operator).await.status, StatusCode::OK);
    assert_eq!(bed.see("/nachrichten", &clerk).await.status, StatusCode::OK);
    bed.hub.db().close().await;

    let page = bed.see("/betrieb", &operator).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let html = page.text();
    for shown in
        ["Die Datenbank antwortet nicht", "Zuständig: Betrieb der Poststelle", "in den letzten zehn Minuten"]
    {
        assert!(html.contains(shown), "{shown} fehlt in {html}");
    }
    assert!(!html.contains("Alles in Ordnung"));
    // Only for operators seen before, only on this page, only for ten minutes.
    assert_eq!(bed.see("/betrieb", &late).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bed.see("/betrieb", &clerk).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bed.see("/nachrichten", &operator).await.status, StatusCode::SERVICE_UNAVAILABLE);
    bed.clock.advance(Duration::from_secs(601));
    assert_eq!(bed.see("/betrieb", &operator).await.status, StatusCode::SERVICE_UNAVAILABLE);

    let list = bed.see("/nachrichten", &clerk).await;
    assert_eq!(list.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(list.text().contains("es geht nichts verloren") && !list.header("retry-after").is_empty());
    for readable in ["/anmelden", "/hilfe", "/health/live"] {
        assert_eq!(bed.see(readable, &clerk).await.status, StatusCode::OK, "{readable}");
    }
    let form = "login=clerk-adorf&password=ein-langes-Passwort";
    let refused = bed.post("/anmelden", "192.0.2.1", &[], form).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.text().contains("PST-STORE-0001"));

    let ready = bed.get("/health/ready", &[]).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    let told = ready.json();
    assert_eq!(told["status"], "not_ready");
    assert_eq!(told["components"][0]["code"], "PST-STORE-0001");
    assert!(told["components"][0]["sentence"].as_str().unwrap().starts_with("Die Datenbank antwortet nicht"));
    let numbers = bed.get("/metrics", &[]).await;
    assert!(
        numbers.status == StatusCode::OK && numbers.text().contains("component_up{component=\"database\"} 0")
    );

    let request =
        Request::post("/api/v1/messages").header("authorization", format!("Bearer {}", bed.a.intake));
    let intake = bed.ask(request.body(Body::from("x")).unwrap()).await;
    assert_eq!(intake.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(intake.json()["code"], "PST-STORE-0001");
    assert!(!intake.header("retry-after").is_empty());
}
