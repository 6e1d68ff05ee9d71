// SPDX-License-Identifier: EUPL-1.2
//! Finding mail: everything one may read and nothing else, by pages and by API.

use axum::http::StatusCode;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{MessageId, Role};

use crate::bed::{Bed, hostile_mail, person, service, who};

fn mail(subject: &str, text: &str) -> Vec<u8> {
    format!(
        "From: \"Erna Erfunden\" <erna@aussen.example>\r\nTo: post@adorf.example\r\nSubject: {subject}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

/// Is the message a hit on this page?
fn hit(page: &str, id: MessageId) -> bool {
    page.contains(&format!("id=\"m-{id}\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clerk_finds_what_is_in_subject_sender_names_and_text() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let hedge = bed.mail(&bed.a, &mail("Frage zur Hecke", "Az. 63.2/2026-0815, Herr Möller")).await;
    let hostile = bed.mail(&bed.a, &hostile_mail()).await;
    bed.mail(&bed.b, &mail("Hecke geheim", "Möller")).await;
    let find = async |q: &str| bed.see(&format!("/suche?q={q}"), &cookie).await.text();
    for q in [
        "hecke",
        "HEC",
        "erna+hecke",
        "moeller",
        "M%C3%B6ller",
        "63.2/2026-0815",
        "erna@aussen.example",
        "post@adorf",
    ] {
        assert!(hit(&find(q).await, hedge), "{q}");
        assert!(!hit(&find(q).await, hostile) || q == "post@adorf", "{q}");
    }
    // A hit leads back to the search, and to nothing else.
    let page = find("hecke").await;
    let link = page.split("href=\"").find(|h| h.contains("von=")).unwrap().split('"').next().unwrap();
    let opened = bed.see(link, &cookie).await.text();
    assert!(opened.contains("href=\"/suche?q=hecke\""), "{link}: {opened}");
    let base = link.split('?').next().unwrap();
    for elsewhere in
        ["https:%2F%2Fevil.example", "%2F%2Fevil.example", "javascript:x", "%2Fsuche%22%3E%3Cb%3E"]
    {
        let opened = bed.see(&format!("{base}?von={elsewhere}"), &cookie).await.text();
        assert!(
            !opened.contains("evil.example\"") && opened.contains("href=\"/nachrichten?mandant="),
            "{elsewhere}"
        );
    }
    // Words of HTML mail and names of files, as a person sees them; nothing of scripts.
    for q in ["guten+tag", "bauantrag+mueller.pdf", "evil@example.org", "%22Guten+Tag%22"] {
        assert!(hit(&find(q).await, hostile), "{q}");
    }
    for q in ["geheim", "document.location", "hecken", "%22Hecke+zur%22"] {
        let page = find(q).await;
        assert!(page.contains("Nichts gefunden"), "{q}: {page}");
    }
    // What is typed comes back escaped, and is no query language.
    let page = find("%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert!(page.contains("&#34;&#62;&#60;script&#62;") && !page.contains("<script>alert"), "{page}");
    assert!(find("").await.contains("name=\"q\"") && !find("").await.contains("Nichts gefunden"));
    assert!(find("%25_-*").await.contains("kein Wort"));
    assert_eq!(bed.see("/suche?q=%ff", &cookie).await.status, StatusCode::OK);
    assert_eq!(bed.see("/suche?q=x&mandant=y", &cookie).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_all_ones_tenants_and_page_by_page() {
    let bed = Bed::new().await;
    let village = bed.hub.add_tenant("cedorf", "Gemeinde Cedorf", &who()).await.unwrap();
    bed.hub.give_mandate(village, bed.a.administration, &who()).await.unwrap();
    let mailbox = bed.hub.add_mailbox(village, "Post", &who()).await.unwrap();
    let both = person(&bed.hub, "beide", "Berta Beide", Some(bed.a.administration)).await;
    for tenant in [bed.a.tenant, village] {
        let place = Place::Tenant { tenant };
        bed.hub.grant(both, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
    }
    let (cookie, _) = bed.session(both).await;
    let there = crate::bed::Side {
        tenant: village,
        mailbox,
        administration: bed.a.administration,
        clerk: both,
        intake: String::new(),
        reader: String::new(),
    };
    let mut all = Vec::new();
    for n in 0..17 {
        all.push(bed.mail(&bed.a, &mail(&format!("Hecke {n}"), "x")).await);
        all.push(bed.mail(&there, &mail(&format!("Hecke {n}"), "x")).await);
    }
    let first = bed.see("/suche?q=hecke", &cookie).await.text();
    let hits = |page: &str| all.iter().filter(|id| hit(page, **id)).count();
    assert_eq!(hits(&first), 30);
    assert!(first.contains("Gemeinde Cedorf") && first.contains("Gemeinde Adorf"));
    let next =
        first.split("href=\"").filter_map(|h| h.split('"').next()).find(|h| h.contains("vor=")).unwrap();
    let second = bed.see(&next.replace("&#38;", "&").replace("&amp;", "&"), &cookie).await.text();
    assert_eq!(hits(&second), 4, "{next}");
    assert!(all.iter().all(|id| hit(&first, *id) != hit(&second, *id)), "each once");
    let one = bed.see(&format!("/suche?q=hecke&mandant={village}"), &cookie).await.text();
    assert_eq!(hits(&one), 17);
    assert_eq!(
        bed.see(&format!("/suche?q=hecke&mandant={}", bed.b.tenant), &cookie).await.status,
        StatusCode::NOT_FOUND
    );
    let (other, _) = bed.session(bed.b.clerk).await;
    assert_eq!(hits(&bed.see("/suche?q=hecke", &other).await.text()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_one_box_finds_what_lies_there() {
    let bed = Bed::new().await;
    let id = bed.mail(&bed.a, &mail("Hecke", "x")).await;
    let other_box = bed.hub.add_mailbox(bed.a.tenant, "Bauamt", &who()).await.unwrap();
    for (login, mailbox, sees) in [("eins", bed.a.mailbox, true), ("zwei", other_box, false)] {
        let narrow = person(&bed.hub, login, "Nur ein Postfach", Some(bed.a.administration)).await;
        let place = Place::Mailbox { tenant: bed.a.tenant, mailbox };
        bed.hub.grant(narrow, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
        let (cookie, _) = bed.session(narrow).await;
        assert_eq!(hit(&bed.see("/suche?q=hecke", &cookie).await.text(), id), sees, "{login}");
    }
    // Nobody is asked for their mail who may read none.
    let (operator, _) = bed.session(bed.operator).await;
    let page = bed.see("/suche?q=hecke", &operator).await.text();
    assert!(page.contains("keine Nachrichten freigegeben") && !hit(&page, id));
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_find_too() {
    let bed = Bed::new().await;
    let id = bed.mail(&bed.a, &mail("Hecke", "x")).await;
    bed.mail(&bed.b, &mail("Hecke", "x")).await;
    let ask = async |token: &str, query: &str| {
        bed.get(&format!("/api/v1/search?{query}"), &[("authorization", &format!("Bearer {token}"))]).await
    };
    let found = ask(&bed.a.reader, "q=hecke&limit=1").await.json();
    assert_eq!(found["messages"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["messages"][0]["id"], id.to_string());
    let rest = ask(&bed.a.reader, &format!("q=hecke&before={id}")).await.json();
    assert_eq!((rest["messages"].as_array().unwrap().len(), rest["next"].is_null()), (0, true));
    let wordless = ask(&bed.a.reader, "q=%25").await;
    assert_eq!(
        (wordless.status, wordless.json()["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("PST-API-0003"))
    );
    let foreign = ask(&bed.a.reader, &format!("q=hecke&tenant={}", bed.b.tenant)).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert_eq!(ask(&bed.a.intake, "q=hecke").await.status, StatusCode::NOT_FOUND, "may hand in, not read");
    let clerk = service(&bed.hub, bed.a.tenant, "liest", Role::Clerk).await;
    assert_eq!(ask(&clerk, "q=hecke").await.json()["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_finds_the_same() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let mut all = Vec::new();
    for n in 0..60 {
        all.push(bed.mail(&bed.a, &mail(&format!("Hecke {n}"), "Text mit Müllabfuhr")).await);
    }
    let hostile = bed.mail(&bed.a, &hostile_mail()).await;
    let pages = async || {
        let mut pages = Vec::new();
        for q in ["hecke+5", "muellab", "bauantrag", "guten", "erna"] {
            pages.push(bed.see(&format!("/suche?q={q}"), &cookie).await.text());
        }
        pages
    };
    let before = pages().await;
    assert!(hit(&before[2], hostile) && hit(&before[1], all[59]));
    let told = std::sync::Mutex::new(Vec::new());
    let count = bed.hub.rebuild_search(bed.a.tenant, |n| told.lock().unwrap().push(n)).await.unwrap();
    assert_eq!((count, told.into_inner().unwrap()), (61, vec![50, 61]));
    assert_eq!(pages().await, before);
}
