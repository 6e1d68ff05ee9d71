// SPDX-License-Identifier: EUPL-1.2
//! Texts written again and again: kept per tenant, put into a letter above what it quotes.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use poststelle_model::ChannelKind;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{Role, Subject};
use poststelle_store::{Scope, evidence};

use crate::bed::{Answer, Bed, person, who};
use crate::writing::field;

async fn sends(bed: &Bed, path: &str, cookie: &str, body: &str) -> Answer {
    bed.post(path, "192.0.2.1", &[("cookie", cookie)], body).await
}

/// The address of the text of that name, from the list.
async fn place_of(bed: &Bed, cookie: &str, name: &str) -> String {
    let list = bed.see("/textbausteine", cookie).await.text();
    let before = list.split(&format!("\">{name}</a>")).next().unwrap();
    assert!(before.len() < list.len(), "{name} is not in {list}");
    before.rsplit("href=\"").next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_written_once_and_used_by_all() {
    let bed = Bed::new().await;
    let tenant = bed.a.tenant;
    bed.hub
        .add_address(tenant, bed.a.mailbox, ChannelKind::Mail, "post@adorf.example", &who())
        .await
        .unwrap();
    let (cookie, csrf) = bed.session(bed.a.clerk).await;
    let here = format!("/textbausteine/{tenant}");
    let text = "Guten+Tag%2C%0D%0A%0D%0Awir+haben+%7BBetreff%7D+am+%7BDatum%7D+erhalten.%0D%0A%0D%0A%7BName%7D%2C+%7BMandant%7D";
    let form = format!("csrf={csrf}&name=Eingangsbest%C3%A4tigung&text={text}");
    let added = sends(&bed, &here, &cookie, &form).await;
    assert_eq!(added.header("location"), "/textbausteine?hinweis=baustein", "{}", added.text());

    // Of the same name there is one; what was typed is on the page again.
    let again = sends(&bed, &here, &cookie, &form).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text().contains("PST-TEXT-0004") && again.text().contains("wir haben {Betreff}"));
    for (wrong, code) in [("name=&text=x", "PST-TEXT-0001"), ("name=x&text=+%0D%0A", "PST-TEXT-0002")] {
        let refused = sends(&bed, &here, &cookie, &format!("csrf={csrf}&{wrong}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text().contains(code), "{}", refused.text());
    }

    // A colleague puts it into an answer: above the quotation, with what belongs there.
    let colleague = person(&bed.hub, "vertretung", "Vera Vertretung", Some(bed.a.administration)).await;
    let role = Grant { role: Role::Clerk, place: Place::Tenant { tenant } };
    bed.hub.grant(colleague, role, &who()).await.unwrap();
    let (hers, her_csrf) = bed.session(colleague).await;
    let mail = b"From: erna@aussen.example\r\nTo: post@adorf.example\r\nSubject: Hecke\r\n\r\nDarf ich?\r\n";
    let id = bed.mail(&bed.a, mail).await;
    let begun = sends(
        &bed,
        &format!("/nachrichten/{tenant}/{id}/entwurf"),
        &hers,
        &format!("csrf={her_csrf}&art=antwort"),
    )
    .await;
    let draft = begun.header("location").split('?').next().unwrap().to_owned();
    let page = bed.see(&draft, &hers).await.text();
    assert!(page.contains("Eingangsbestätigung</option>"), "{page}");
    let block = place_of(&bed, &hers, "Eingangsbestätigung").await;
    let block = block.rsplit('/').next().unwrap().to_owned();
    let quoted = page.split("rows=\"16\"").nth(1).unwrap().split('>').skip(1).collect::<Vec<_>>().join(">");
    let quoted = quoted.split("</textarea>").next().unwrap().trim_start_matches('\n').replace("&#62;", ">");
    assert!(quoted.contains("> Darf ich?"), "{quoted}");
    let parts = [
        ("csrf", her_csrf.as_str()),
        ("version", field(&page, "version")),
        ("an", "erna@aussen.example"),
        ("betreff", "AW: Hecke"),
        ("text", &quoted),
        ("baustein", &block),
        ("schritt", "einfuegen"),
    ];
    let part = |(name, value): (&str, &str)| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = parts.map(part).concat() + "--b--\r\n";
    let request = Request::post(&draft)
        .header("cookie", &hers)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Body::from(body))
        .unwrap();
    let put = bed.ask(request).await;
    assert!(put.header("location").ends_with("hinweis=eingefuegt"), "{}", put.text());
    let page = bed.see(&draft, &hers).await.text();
    let expected =
        "Guten Tag,\n\nwir haben AW: Hecke am 02.03.2026 erhalten.\n\nVera Vertretung, Gemeinde Adorf\n\nAm ";
    assert!(page.contains(expected), "{page}");
    assert!(page.contains("&#62; Darf ich?"), "{page}");

    // Of two who change it, one is told; and it goes for good, with evidence.
    let one = place_of(&bed, &cookie, "Eingangsbestätigung").await;
    let change = format!("csrf={her_csrf}&version=1&name=Eingang&text=Danke");
    assert_eq!(sends(&bed, &one, &hers, &change).await.status, StatusCode::SEE_OTHER);
    let late = sends(&bed, &one, &cookie, &format!("csrf={csrf}&version=1&name=Anders&text=Anders")).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text().contains("PST-TEXT-0005") && late.text().contains("value=\"Anders\""));
    let gone = sends(&bed, &one, &cookie, &format!("csrf={csrf}&version=2&schritt=loeschen")).await;
    assert_eq!(gone.header("location"), "/textbausteine?hinweis=baustein-geloescht");
    assert_eq!(bed.see(&one, &cookie).await.status, StatusCode::NOT_FOUND);
    let mut tx = bed.hub.db().read(Scope::Tenant(tenant)).await.unwrap();
    let chain = evidence::chain(&mut tx, tenant, &Subject::tenant(tenant)).await.unwrap();
    let of_blocks = chain.iter().filter(|e| e.body.contains("\"text_block\"")).count();
    assert_eq!(of_blocks, 3, "written, changed, deleted");
}
