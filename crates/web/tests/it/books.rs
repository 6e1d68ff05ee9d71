// SPDX-License-Identifier: EUPL-1.2
//! The books: everything in its period, page by page, as CSV without formulas, and only for who may read all of it.

use std::time::Duration;

use axum::http::StatusCode;
use poststelle_model::Role;
use poststelle_model::people::{Grant, Place};

use crate::bed::{Bed, person, who};

fn mail(subject: &str) -> Vec<u8> {
    format!("From: \"=cmd()\" <erna@aussen.example>\r\nTo: post@adorf.example\r\nSubject: {subject}\r\n\r\nText\r\n")
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_period_words_and_page() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let book = format!("/buecher/{}/eingang", bed.a.tenant);
    let see = async |query: &str| bed.see(&format!("{book}{query}"), &cookie).await.text();
    assert!(see("").await.contains("Dazu steht nichts im Buch"));
    // 22:59:59 and 23:00:00 UTC lie on two days in Berlin.
    bed.clock.advance(Duration::from_secs(15 * 3600 - 1));
    bed.mail(&bed.a, &mail("Abends")).await;
    bed.clock.advance(Duration::from_secs(1));
    bed.mail(&bed.a, &mail("Nachts")).await;
    bed.mail(&bed.b, &mail("Anderswo")).await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let see = async |query: &str| bed.see(&format!("{book}{query}"), &cookie).await.text();
    for (query, evening, night) in [
        ("", true, true),
        ("?von=2026-03-03", false, true),
        ("?bis=2026-03-02", true, false),
        ("?von=2026-03-02&bis=2026-03-03", true, true),
        ("?von=2026-03-04", false, false),
        ("?q=nach", false, true),
        ("?q=erna&bis=2026-03-02", true, false),
    ] {
        let page = see(query).await;
        assert_eq!(
            (page.contains(">Abends<"), page.contains(">Nachts<")),
            (evening, night),
            "{query}: {page}"
        );
        assert!(!page.contains("Anderswo"), "{query}");
    }
    assert!(see("?von=gestern").await.contains("PST-WEB-0020"));
    assert_eq!(bed.see(&format!("{book}?vor=x"), &cookie).await.status, StatusCode::NOT_FOUND);
    let none = bed.see(&format!("/buecher/{}/ausgang", bed.a.tenant), &cookie).await.text();
    assert!(none.contains("Postausgangsbuch") && none.contains("Dazu steht nichts im Buch"));
    assert_eq!(
        bed.see(&format!("/buecher/{}/anders", bed.a.tenant), &cookie).await.status,
        StatusCode::NOT_FOUND
    );

    // All at the same moment: pages still hold each once.
    let mut all = Vec::new();
    for n in 0..60 {
        all.push(bed.mail(&bed.a, &mail(&format!("Viele {n}"))).await);
    }
    let first = see("?q=viele").await;
    let next =
        first.split("href=\"").filter_map(|h| h.split('"').next()).find(|h| h.contains("vor=")).unwrap();
    let second = bed.see(&next.replace("&#38;", "&"), &cookie).await.text();
    let on = |page: &str, id| page.contains(&format!("id=\"m-{id}\""));
    assert_eq!(all.iter().filter(|id| on(&first, **id)).count(), 50);
    assert!(all.iter().all(|id| on(&first, *id) != on(&second, *id)), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spreadsheet_gets_all_of_it_and_no_formula() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    bed.mail(&bed.a, &mail("=HYPERLINK(\"http://evil.example\";\"klick\")")).await;
    for n in 0..520 {
        bed.accept(&bed.a, &mail(&format!("Zeile {n}"))).await;
    }
    let answer = bed.see(&format!("/buecher/{}/eingang/csv", bed.a.tenant), &cookie).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "text/csv; charset=utf-8"));
    assert!(
        answer
            .header("content-disposition")
            .starts_with("attachment; filename=\"Posteingangsbuch-2026-03-02.csv\"")
    );
    let text = answer.text();
    let lines: Vec<&str> = text.strip_prefix('\u{feff}').unwrap().split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 522, "a head and every message, over more than one read");
    assert!(lines[0].starts_with("\"Datum\";\"Uhrzeit\";\"Absender\""));
    assert!(lines.iter().all(|l| l.matches("\";\"").count() == 11 || l.contains("HYPERLINK")), "{text}");
    let last = lines[521];
    assert!(last.contains(";\"'=HYPERLINK(\"\"http://evil.example\"\";\"\"klick\"\")\";"), "{last}");
    assert!(
        last.contains(";\"'=cmd() (erna@aussen.example)\";") && last.contains("\"02.03.2026\";\"09:00:00\""),
        "{last}"
    );
    let some = bed.see(&format!("/buecher/{}/eingang/csv?q=hyperlink", bed.a.tenant), &cookie).await.text();
    assert_eq!(some.split_terminator("\r\n").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_for_who_may_read_all_of_a_tenant() {
    let bed = Bed::new().await;
    bed.mail(&bed.a, &mail("Geheim")).await;
    let narrow = person(&bed.hub, "schmal", "Nur ein Postfach", Some(bed.a.administration)).await;
    let place = Place::Mailbox { tenant: bed.a.tenant, mailbox: bed.a.mailbox };
    bed.hub.grant(narrow, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
    for who in [narrow, bed.b.clerk, bed.operator] {
        let (cookie, _) = bed.session(who).await;
        for path in ["eingang", "ausgang", "eingang/csv"] {
            let answer = bed.see(&format!("/buecher/{}/{path}", bed.a.tenant), &cookie).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        }
        assert!(!bed.see("/buecher", &cookie).await.text().contains("Gemeinde Adorf"));
    }
    let (cookie, _) = bed.session(bed.a.clerk).await;
    assert!(bed.see("/buecher", &cookie).await.text().contains("Gemeinde Adorf"));
    assert!(
        bed.see(&format!("/buecher/{}/eingang", bed.a.tenant), &cookie).await.text().contains(">Geheim<")
    );
}
