// SPDX-License-Identifier: EUPL-1.2
//! What a person reads on the page of a message: text, cleaned HTML, the stamp for paper, the conversation.

use axum::http::StatusCode;
use poststelle_model::Role;
use poststelle_model::people::{Grant, Place};

use crate::bed::{Bed, hostile_mail, person, who};

fn html_mail(html: &str, plain: Option<&str>) -> Vec<u8> {
    let text = |p: &str| format!("--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{p}\r\n");
    format!(
        "From: a@b.example\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
         {}--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--b--\r\n",
        plain.map(text).unwrap_or_default()
    )
    .into_bytes()
}

/// What stands in the place for the body.
fn body(page: &str) -> &str {
    page.split("id=\"text\"").nth(1).unwrap().split("</section>").next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn html_is_shown_without_what_acts_or_loads() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let see = async |id| {
        let answer = bed.see(&format!("/nachrichten/{}/{id}", bed.a.tenant), &cookie).await;
        assert_eq!(answer.status, StatusCode::OK);
        let policy = answer.header("content-security-policy").to_owned();
        assert!(policy.contains("script-src 'self'") && policy.contains("img-src 'self' data:"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        answer.text()
    };
    let page = see(bed.mail(&bed.a, &hostile_mail()).await).await;
    let shown = body(&page);
    assert!(shown.contains("<p>Guten Tag</p>") && shown.contains("&lt;iframe&gt;"), "{shown}");
    assert!(shown.contains("Bilder wurden entfernt"), "{shown}");
    assert!(
        !page.contains("document.location") && !shown.contains("evil.example") && !shown.contains("<img"),
        "{page}"
    );

    let html = "<h1>Titel</h1><p onclick=x>Sehr <b>geehrte</b><form action=/abmelden method=post><button>OK</button></form>\
        <a href=\"https://ziel.example/?a=1\">hier</a> <a href=\"javascript:x\">da</a></main></div><div id=inhalt>";
    let page = see(bed.mail(&bed.a, &html_mail(html, None)).await).await;
    let shown = body(&page);
    assert!(
        shown.contains("<a href=\"https://ziel.example/?a=1\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">hier</a>"),
        "{shown}"
    );
    for bad in ["<form", "<button", "javascript", "onclick", "<h1", "id=inhalt"] {
        assert!(!shown.contains(bad), "{bad}: {shown}");
    }
    assert_eq!(page.matches("<h1").count(), 1);
    assert!(!shown.contains("Bilder wurden entfernt"));
    // Where links lead is written behind them by the style sheet.
    let sheet = include_str!("../../assets/poststelle.css");
    assert!(sheet.contains(".pst-mail a::after { content: \" [\" attr(href) \"]\""));

    // Too many elements: words only. Cut off: said.
    let nested = format!("{}tief{}", "<b>".repeat(9000), "</b>".repeat(9000));
    let page = see(bed.mail(&bed.a, &html_mail(&nested, None)).await).await;
    assert!(body(&page).contains("zu verschachtelt") && body(&page).contains("tief"), "{}", body(&page));
    let long = "<p>Wort</p>\r\n".repeat(30_000);
    let page = see(bed.mail(&bed.a, &html_mail(&long, None)).await).await;
    assert!(body(&page).contains("hier gekürzt"));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_comes_first_and_html_on_demand() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let id = bed.mail(&bed.a, &html_mail("<p>Nur <b>hier</b></p>", Some("Zeile <1>\r\nZeile 2"))).await;
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let page = bed.see(&base, &cookie).await.text();
    assert!(
        body(&page).contains("Zeile &#60;1&#62;\nZeile 2") && body(&page).contains("Mit Gestaltung zeigen")
    );
    assert!(!body(&page).contains("Nur <b>"));
    let page = bed.see(&format!("{base}?ansicht=html"), &cookie).await.text();
    assert!(body(&page).contains("<p>Nur <b>hier</b></p>") && body(&page).contains("Nur den Text zeigen"));
}

#[tokio::test(flavor = "multi_thread")]
async fn paper_says_what_a_stamp_would() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let id = bed.mail(&bed.a, &hostile_mail()).await;
    let page = bed.see(&format!("/nachrichten/{}/{id}", bed.a.tenant), &cookie).await.text();
    let stamp = page.split("class=\"pst-stamp\"").nth(1).unwrap().split("</section>").next().unwrap();
    let message = bed.hub.message_view_unchecked(bed.a.tenant, id).await.unwrap().message;
    for (key, value) in [
        ("Eingegangen am", "02.03.2026, 09:00:00 Uhr"),
        ("Mandant", "Gemeinde Adorf"),
        ("Postfach", "Post"),
        ("Kanal", "E-Mail"),
        ("Absender (eigene Angabe)", "evil@example.org"),
        ("Kennung der Nachricht", &id.to_string()),
        ("SHA-256", &message.sha256),
        ("Anlagen", "2"),
    ] {
        let line = stamp.split("<div>").find(|l| l.contains(&format!("<dt>{key}</dt>"))).expect(key);
        assert!(line.contains(value), "{key}: {line}");
    }
    assert!(stamp.contains("Eingangsvermerk"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_shown_as_far_as_one_may_read() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let mail = |id: &str, answers: &str, subject: &str| {
        format!(
            "From: \"Erna Erfunden\" <erna@aussen.example>\r\nSubject: {subject}\r\nMessage-ID: <{id}@aussen.example>\r\n\
             In-Reply-To: <{answers}@aussen.example>\r\n\r\nText\r\n"
        )
        .into_bytes()
    };
    let first = bed.mail(&bed.a, &mail("eins", "nichts", "Erste Frage")).await;
    let second = bed.mail(&bed.a, &mail("zwei", "eins", "Zweite Frage")).await;
    let third = bed.mail(&bed.a, &mail("drei", "zwei", "Dritte Frage")).await;
    bed.mail(&bed.b, &mail("vier", "eins", "Anderswo")).await;
    for (id, others) in [(first, [second, third]), (second, [first, third]), (third, [first, second])] {
        let page = bed.see(&format!("/nachrichten/{}/{id}", bed.a.tenant), &cookie).await.text();
        let list = page.split("id=\"schriftwechsel\"").nth(1).unwrap().split("</section>").next().unwrap();
        assert_eq!(list.matches("<li>").count(), 2, "{list}");
        assert!(others.iter().all(|o| list.contains(&format!("/{o}\""))), "{list}");
        assert!(!page.contains("Anderswo"));
    }
    // Who may read one of them sees only that one.
    let desk = bed.hub.add_desk(bed.a.administration, "Bauamt", &[bed.a.tenant], &who()).await.unwrap();
    let narrow = person(&bed.hub, "schmal", "Nur ein Korb", Some(bed.a.administration)).await;
    let place = Place::Desk { tenant: bed.a.tenant, desk };
    bed.hub.grant(narrow, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
    let (narrow, _) = bed.session(narrow).await;
    let mut tx = bed.hub.db().begin(poststelle_store::Scope::Tenant(bed.a.tenant)).await.unwrap();
    let mut item = poststelle_store::desk::of_message(&mut tx, bed.a.tenant, second).await.unwrap().remove(0);
    item.desk = desk;
    poststelle_store::desk::update(&mut tx, &item).await.unwrap();
    tx.commit().await.unwrap();
    let page = bed.see(&format!("/nachrichten/{}/{second}", bed.a.tenant), &narrow).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text().contains("schriftwechsel"), "{}", page.text());
    assert!(page.text().contains("Karla Klerk, zuletzt"));
}
