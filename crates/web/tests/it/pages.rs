// SPDX-License-Identifier: EUPL-1.2
//! What people see.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use poststelle_model::Role;
use poststelle_model::people::{Grant, Place};

use crate::bed::{Bed, ask, hostile_mail, person, who};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_the_list_and_on_its_page() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    assert!(bed.see("/nachrichten", &cookie).await.text().contains("Hier ist noch keine Nachricht"));
    let id = bed.mail(&bed.a, &hostile_mail()).await;
    let list = bed.see("/nachrichten", &cookie).await.text();
    assert!(list.contains("&#60;script&#62;alert(1)&#60;/script&#62; Müller &#38; Söhne"), "{list}");
    assert!(list.contains("angekommen"), "{list}");
    assert!(!list.contains("<script>alert") && !list.contains("<img"));

    let path = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let page = bed.see(&path, &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    let html = page.text();
    for shown in [
        "<h2 class=\"kern-heading-medium\" id=\"zeitleiste\">Zeitleiste</h2>",
        "Bestandteile",
        "Guten Tag",
        "&lt;iframe&gt;",
        "Bilder wurden entfernt",
        ">Bauantrag Müller.pdf</a>",
        "Alle Anhänge speichern",
        "Original speichern",
        "Eingegangen",
        "Klärungskorb",
        "Warum diese Verteilung?",
        "Keine Regel hat ein Ziel bestimmt",
        "Name beim Absender: ../../Bauantrag Müller.pdf",
    ] {
        assert!(html.contains(shown), "{shown} fehlt in {html}");
    }
    for never in
        ["<script>alert", "evil.example/x.png", "document.location", "<iframe", " style=\"", "javascript:"]
    {
        assert!(!html.contains(never), "{never} in {html}");
    }
    assert_eq!(html.matches("<h1").count(), 1);
    assert_eq!(html.matches("<main").count(), 1);
    assert!(html.contains("<html lang=\"de\"") && html.contains("Söhne – Poststelle</title>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_and_choosing() {
    let bed = Bed::new().await;
    let mut last = None;
    for i in 0..31 {
        let mail = format!("From: x@example.org\r\nSubject: Nummer {i:02}\r\n\r\nText {i}\r\n");
        last = Some(bed.mail(&bed.a, mail.as_bytes()).await);
    }
    let third = bed.hub.add_tenant("cehagen", "Gemeinde Cehagen", &who()).await.unwrap();
    bed.hub.give_mandate(third, bed.a.administration, &who()).await.unwrap();
    let both = person(&bed.hub, "amt", "Amt für zwei", Some(bed.a.administration)).await;
    for tenant in [bed.a.tenant, third] {
        bed.hub
            .grant(both, Grant { role: Role::Clerk, place: Place::Tenant { tenant } }, &who())
            .await
            .unwrap();
    }
    let (cookie, _) = bed.session(both).await;
    let first = bed.see("/nachrichten", &cookie).await.text();
    assert!(
        first.contains("<select") && first.contains("Gemeinde Adorf") && first.contains("Gemeinde Cehagen")
    );
    assert!(first.contains("Nummer 30") && first.contains("Nummer 01") && !first.contains("Nummer 00"));
    let mut links = first.split("href=\"").filter_map(|p| p.split('"').next());
    let older = links.find(|l| l.contains("vor=")).unwrap().replace("&#38;", "&");
    assert!(older.starts_with("/nachrichten?mandant="), "{older:?}");
    let second = bed.see(&older, &cookie).await.text();
    assert!(
        second.contains("Nummer 00") && !second.contains("Nummer 01") && second.contains("Zu den neuesten")
    );
    let other = bed.see(&format!("/nachrichten?mandant={third}"), &cookie).await.text();
    assert!(other.contains("Hier ist noch keine Nachricht"));
    // Old pages do not change.
    assert!(first.contains("data-url=\"/neues?stand=") && !second.contains("data-url"), "{second}");
    let plain = bed.see(&format!("/nachrichten/{}/{}", bed.a.tenant, last.unwrap()), &cookie).await.text();
    assert!(plain.contains("<div class=\"pst-text\">Text 30</div>"), "{plain}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_the_house_and_no_mail() {
    let bed = Bed::new().await;
    bed.mail(&bed.a, &hostile_mail()).await;
    let (cookie, _) = bed.session(bed.operator).await;
    assert_eq!(bed.see("/", &cookie).await.header("location"), "/betrieb");
    let page = bed.see("/betrieb", &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    let html = page.text();
    for shown in ["Alles in Ordnung", "Kanäle", "Warteschlangen", "Gemeinde Adorf", "E-Mail", "0.1.0", "test"]
    {
        assert!(html.contains(shown), "{shown} fehlt in {html}");
    }
    assert!(!html.contains("Müller"));
    assert!(bed.see("/nachrichten", &cookie).await.text().contains("keine Nachrichten freigegeben"));
    let balance = bed.see("/api/v1/balance", &cookie).await.json();
    assert_eq!(balance["ok"], true, "{balance}");
    assert_eq!(balance["lines"][0]["accepted"], 1);
    assert_eq!(bed.see("/api/v1/status", &cookie).await.json()["blind"], false);
    // A clerk does not.
    let (clerk, _) = bed.session(bed.a.clerk).await;
    assert_eq!(bed.see("/betrieb", &clerk).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bed.see("/api/v1/status", &clerk).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bed.see("/api/v1/balance", &clerk).await.json()["code"], "PST-WEB-0004");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_pages_and_problems() {
    let bed = Bed::new().await;
    let page = bed.get("/gibt-es-nicht", &[]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().contains("Das gibt es hier nicht"));
    assert!(!page.header("x-request-id").is_empty());
    let problem = bed.get("/api/v1/gibt-es-nicht", &[]).await;
    assert_eq!(problem.header("content-type"), "application/problem+json");
    assert_eq!(problem.json()["code"], "PST-API-0002");
    let method = bed.get("/abmelden", &[]).await;
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(method.text().contains("PST-WEB-0005") && method.header("allow").contains("POST"));
    let big =
        bed.post("/anmelden", "192.0.2.1", &[], &format!("login=a&password={}", "x".repeat(70_000))).await;
    assert_eq!(big.status, StatusCode::PAYLOAD_TOO_LARGE);
    let help = bed.get("/hilfe", &[]).await;
    assert!(help.status == StatusCode::OK && help.text().contains("Was ist die Poststelle?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn static_files_are_kept_by_browsers() {
    let bed = Bed::new().await;
    let html = bed.get("/anmelden", &[]).await.text();
    let mut seen = 0;
    for address in html
        .split("href=\"")
        .skip(1)
        .filter_map(|p| p.split('"').next())
        .filter(|a| a.starts_with("/static/"))
    {
        let file = bed.get(address, &[]).await;
        assert_eq!(file.status, StatusCode::OK, "{address}");
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
        assert!(
            ["text/css; charset=utf-8", "image/svg+xml"].contains(&file.header("content-type")),
            "{address}"
        );
        seen += 1;
    }
    assert!(seen >= 2);
    let old = bed.get("/static/0123/poststelle.css", &[]).await;
    assert_eq!((old.status, old.header("cache-control")), (StatusCode::OK, "no-cache"));
    assert_eq!(bed.get("/static/0123/../Cargo.toml", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_told_how_it_goes() {
    let bed = Bed::new().await;
    assert_eq!(bed.get("/health/live", &[]).await.json()["status"], "ok");
    let ready = bed.get("/health/ready", &[]).await;
    assert_eq!(ready.status, StatusCode::OK, "{}", ready.text());
    assert_eq!(ready.json()["components"].as_array().unwrap().len(), 3);
    bed.mail(&bed.a, b"From: a@b.example\r\n\r\nx\r\n").await;
    let numbers = bed.get("/metrics", &[]).await.text();
    assert!(numbers.contains("poststelle_messages_accepted_total{channel=\"mail\"} 1"), "{numbers}");
    assert!(numbers.contains("poststelle_component_up{component=\"database\"} 1"));
    let known = [poststelle_hub::scrape::NODE, poststelle_hub::scrape::SHARED];
    for (name, kind, help) in known.into_iter().flatten() {
        let name = name.trim_end_matches("_total");
        assert!(numbers.contains(&format!("# HELP {name} {help}.")), "{name} is not in {numbers}");
        assert!(numbers.contains(&format!("# TYPE {name} {kind}")), "{name} is not in {numbers}");
    }
    assert!(numbers.contains(
        "poststelle_http_request_seconds_count{method=\"GET\",route=\"/health/ready\",status=\"2xx\"} 1"
    ));
}

/// What a page costs does not grow with what is on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_costs_few_statements() {
    let bed = Bed::new().await;
    let narrow = person(&bed.hub, "schmal", "Nur ein Postfach", Some(bed.a.administration)).await;
    let place = Place::Mailbox { tenant: bed.a.tenant, mailbox: bed.a.mailbox };
    bed.hub.grant(narrow, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
    // A node of its own: no worker counts along.
    let node = bed.second_node().await;
    let cost = async |who: poststelle_model::PrincipalId, path: &str| {
        let (cookie, _) = bed.session(who).await;
        let request = || Request::get(path).header("cookie", &cookie).body(Body::empty()).unwrap();
        // The first time the reading is recorded, and keys are fetched.
        assert_eq!(ask(&node.router, request()).await.status, StatusCode::OK, "{path}");
        let before = node.hub.db().statements();
        let page = ask(&node.router, request()).await;
        (node.hub.db().statements() - before, page.text())
    };
    let plain = bed.mail(&bed.a, b"From: a@b.example\r\nSubject: x\r\n\r\nText\r\n").await;
    let list = "/nachrichten";
    let message = format!("/nachrichten/{}/{plain}", bed.a.tenant);
    let few = [
        cost(bed.a.clerk, list).await.0,
        cost(narrow, list).await.0,
        cost(bed.a.clerk, &message).await.0,
        cost(narrow, &message).await.0,
    ];
    assert_eq!(
        few,
        [6, 6, 24, 26],
        "of the last two three for sheet, quarantine, and what was won from parts"
    );
    let mut last = bed.mail(&bed.a, &hostile_mail()).await;
    for _ in 0..35 {
        last = bed.mail(&bed.a, &hostile_mail()).await;
    }
    let message = format!("/nachrichten/{}/{last}", bed.a.tenant);
    for how in ["original", "teile/1", "anhaenge.zip"] {
        let (cookie, _) = bed.session(bed.a.clerk).await;
        bed.see(&format!("{message}/{how}"), &cookie).await;
    }
    let many = [
        cost(bed.a.clerk, list).await,
        cost(narrow, list).await,
        cost(bed.a.clerk, &message).await,
        cost(narrow, &message).await,
    ];
    assert!(many[0].1.matches("angekommen").count() >= 30, "thirty lines with their states");
    assert_eq!(many.map(|m| m.0), few);
}
