// SPDX-License-Identifier: EUPL-1.2
//! Sending: once, later, after a second look, by a program, and what happens when it fails.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use futures::{StreamExt, stream};
use poststelle_hub::watch::{Timers, Watch};
use poststelle_hub::writing::{Origin, Submitted, Typed, Upload, WriteError};
use poststelle_model::people::{Grant, Place};
use poststelle_model::{DeliveryState, Direction, DraftId, DraftState, MessageId, Role, TenantId};
use poststelle_store::drafts::DraftWrite;
use poststelle_store::{Scope, drafts};

use crate::bed::{Bed, Does, person, until, who};
use crate::writing::{MAIL, Writer, field, message_of, messages_of, octets};

#[tokio::test(flavor = "multi_thread")]
async fn sent_once_however_often_it_is_asked_for() {
    let bed = Bed::new().await;
    let ada = Writer::of(&bed, &bed.a).await;
    let (tenant, access) = (bed.a.tenant, ada.access(&bed).await);
    let hub = &bed.hub;
    let typed = Typed {
        recipients: "erna@aussen.example".to_owned(),
        subject: "Bescheid".to_owned(),
        ..Typed::default()
    };
    let begin = async || {
        let draft = hub.begin_draft(&access, tenant, Origin::Box(bed.a.mailbox)).await.unwrap();
        hub.save_draft(&access, tenant, draft.id, 1, &typed).await.unwrap()
    };
    // Two at once, on two nodes.
    let draft = begin().await;
    let other = bed.second_node().await;
    let (one, two) = tokio::join!(
        hub.send_draft(&access, tenant, draft.id, draft.version, None),
        other.hub.send_draft(&access, tenant, draft.id, draft.version, None)
    );
    assert!(one.is_ok() || two.is_ok(), "{one:?} {two:?}");
    for lost in [&one, &two].into_iter().filter_map(|r| r.as_ref().err()) {
        assert!(matches!(lost, WriteError::Changed(_)), "{lost:?}");
    }
    // The answer to the commit was lost: the same is asked again.
    let again = hub.send_draft(&access, tenant, draft.id, draft.version, None).await.unwrap();
    let Submitted::Sent(first) = again else { panic!("{again:?}") };
    assert_eq!(messages_of(&bed, tenant).await, [(first, Direction::Out)]);

    // A node that died after the wish was committed: the job goes on.
    let draft = begin().await;
    let soon = hub.clock().now().plus(Duration::from_secs(600));
    let waits = hub.send_draft(&access, tenant, draft.id, draft.version, Some(soon)).await.unwrap();
    assert_eq!(waits, Submitted::Waits);
    assert_eq!(messages_of(&bed, tenant).await.len(), 1, "not before its time");
    bed.clock.advance(Duration::from_secs(601));
    let sent = become_message(&bed, tenant, draft.id).await;
    let all = messages_of(&bed, tenant).await;
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all.contains(&(sent, Direction::Out)));
    // Whatever jobs are left find nothing to do.
    bed.clock.advance(Duration::from_secs(3600));
    bed.mail(&bed.a, MAIL).await;
    assert_eq!(messages_of(&bed, tenant).await.len(), 3);
    let balance = bed.see("/api/v1/balance", &bed.session(bed.operator).await.0).await.json();
    assert_eq!(balance["ok"], true, "{balance}");
}

/// Waits until the engine sent a draft.
async fn become_message(bed: &Bed, tenant: TenantId, id: DraftId) -> MessageId {
    until(async || {
        let mut tx = bed.hub.db().read(Scope::Tenant(tenant)).await.unwrap();
        let draft = drafts::get(&mut tx, tenant, id).await.unwrap().unwrap();
        draft.message.ok_or_else(|| format!("draft {id} was not sent"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn later_and_taken_back() {
    let bed = Bed::new().await;
    let ada = Writer::of(&bed, &bed.a).await;
    let question = bed.mail(&bed.a, MAIL).await;
    let tenant = bed.a.tenant;
    let draft = ada.begins(&bed, tenant, question, "antwort").await;
    let fields = |at: &'static str| {
        [
            ("version", "1"),
            ("an", "erna@aussen.example"),
            ("betreff", "AW: Hecke"),
            ("text", "Ja"),
            ("zeitpunkt", at),
        ]
    };
    for bad in ["", "gestern", "2026-03-02T08:59", "2029-01-01T00:00"] {
        let version = field(&bed.see(&draft, &ada.cookie).await.text(), "version").to_owned();
        let mut fields = fields(bad).to_vec();
        fields[0].1 = &version;
        fields.push(("schritt", "spaeter"));
        let refused = ada.posts(&bed, &draft, &fields, &[]).await;
        assert!(refused.text().contains("PST-DRAFT-0013"), "{bad}: {}", refused.text());
    }
    let mut fields = fields("2026-03-02T10:30").to_vec();
    fields[0].1 = "2";
    fields.push(("schritt", "spaeter"));
    let waits = ada.posts(&bed, &draft, &fields, &[]).await;
    assert_eq!(waits.header("location"), format!("{draft}?hinweis=wartet"), "{}", waits.text());
    let html = bed.see(&draft, &ada.cookie).await.text();
    assert!(html.contains("02.03.2026, 10:30 Uhr") && html.contains("Zurückholen"), "{html}");
    assert!(bed.see("/entwuerfe", &ada.cookie).await.text().contains("wartet auf den Versand"));
    // Nothing can be changed meanwhile.
    let version = field(&html, "version").to_owned();
    let late =
        ada.posts(&bed, &draft, &[("version", &version), ("text", "anders")], &[("a.pdf", b"x")]).await;
    assert!(late.status == StatusCode::CONFLICT && late.text().contains("PST-DRAFT-0011"), "{}", late.text());
    let back = ada.posts(&bed, &draft, &[("version", &version), ("schritt", "zurueckholen")], &[]).await;
    assert_eq!(back.header("location"), format!("{draft}?hinweis=zurueckgeholt"), "{}", back.text());
    bed.clock.advance(Duration::from_secs(7200));
    bed.mail(&bed.a, MAIL).await;
    let html = bed.see(&draft, &ada.cookie).await.text();
    assert!(html.contains(">\nJa</textarea>"), "a draft again: {html}");
    assert!(messages_of(&bed, tenant).await.iter().all(|m| m.1 == Direction::In));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_comes_back_to_the_desk_it_was_written_from() {
    let bed = Bed::new().await;
    Writer::of(&bed, &bed.a).await;
    let tenant = bed.a.tenant;
    let desk = bed.hub.add_desk(bed.a.administration, "Bauamt", &[tenant], &who()).await.unwrap();
    let narrow = person(&bed.hub, "bau", "Benno Bau", Some(bed.a.administration)).await;
    let place = Place::Desk { tenant, desk };
    bed.hub.grant(narrow, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
    let (cookie, csrf) = bed.session(narrow).await;
    let benno = Writer { id: narrow, cookie, csrf };
    let access = benno.access(&bed).await;
    *bed.far.does.lock().unwrap() = Does::Refuses;
    let hub = &bed.hub;
    let draft = hub.begin_draft(&access, tenant, Origin::Box(bed.a.mailbox)).await.unwrap();
    assert_eq!((draft.desk, draft.state), (Some(desk), DraftState::Open));
    let path = format!("/entwuerfe/{tenant}/{}", draft.id);
    let fields = [
        ("version", "1"),
        ("an", "erna@aussen.example"),
        ("betreff", "Bescheid"),
        ("text", "Ja"),
        ("schritt", "senden"),
    ];
    let id = message_of(&benno.posts(&bed, &path, &fields, &[]).await);
    let item = until(async || {
        let view = hub.message_view_unchecked(tenant, id).await.unwrap();
        let refused = view.deliveries.iter().any(|d| d.delivery.state == DeliveryState::Rejected);
        if refused { Ok(view.desk_items.into_iter().next()) } else { Err("nothing was refused".to_owned()) }
    })
    .await;
    assert_eq!(item.unwrap().desk, desk, "not the clearing desk");
    // Said in words, not by colour alone: on the desk, in the list of what was sent, on the page.
    let list = bed.see(&format!("/arbeit/{desk}"), &benno.cookie).await.text();
    assert!(list.contains("Bescheid") && list.contains("Versand: bitte prüfen"), "{list}");
    let list = bed.see("/entwuerfe", &benno.cookie).await.text();
    assert!(list.contains("kern-badge--danger") && list.contains("abgelehnt"), "{list}");
    let page = bed.see(&format!("/nachrichten/{tenant}/{id}"), &benno.cookie).await;
    assert!(page.status == StatusCode::OK && page.text().contains("abgelehnt"), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn four_eyes_see_what_leaves() {
    let bed = Bed::new().await;
    let ada = Writer::of(&bed, &bed.a).await;
    let tenant = bed.a.tenant;
    let by = who();
    let mut edit = bed.hub.edit(&by).await.unwrap();
    edit.set_four_eyes(tenant, bed.a.mailbox, true).await.unwrap();
    edit.commit().await.unwrap();
    let colleague = person(&bed.hub, "bea", "Bea Buche", Some(bed.a.administration)).await;
    let place = Place::Tenant { tenant };
    bed.hub.grant(colleague, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
    let (cookie, csrf) = bed.session(colleague).await;
    let bea = Writer { id: colleague, cookie, csrf };
    let far = Writer::of(&bed, &bed.b).await;
    let question = bed.mail(&bed.a, MAIL).await;
    let draft = ada.begins(&bed, tenant, question, "antwort").await;
    let send = async |version: &str| {
        let fields = [
            ("version", version),
            ("an", "erna@aussen.example"),
            ("betreff", "Bescheid"),
            ("text", "Ja"),
            ("schritt", "senden"),
        ];
        ada.posts(&bed, &draft, &fields, &[("Plan.pdf", b"Plan")]).await
    };
    let step = async |writer: &Writer, step: &str| {
        let html = bed.see(&draft, &writer.cookie).await.text();
        let version =
            if html.contains("name=\"version\"") { field(&html, "version").to_owned() } else { "1".into() };
        writer.posts(&bed, &draft, &[("version", &version), ("schritt", step)], &[]).await
    };
    let asks = send("1").await;
    assert_eq!(asks.header("location"), format!("{draft}?hinweis=freigabe"), "{}", asks.text());
    assert_eq!(messages_of(&bed, tenant).await.len(), 1, "nothing leaves yet");
    // Not by oneself, not by others.
    let own = step(&ada, "freigeben").await;
    assert!(own.text().contains("PST-DRAFT-0016"), "{}", own.text());
    assert_eq!(step(&far, "freigeben").await.status, StatusCode::NOT_FOUND);
    assert!(!bed.see("/entwuerfe", &far.cookie).await.text().contains("Bescheid"));
    // The second person sees all of it, and gives it back or lets it go.
    let list = bed.see("/entwuerfe", &bea.cookie).await.text();
    assert!(list.contains("Von Ihnen freizugeben") && list.contains("Bescheid"), "{list}");
    let html = bed.see(&draft, &bea.cookie).await.text();
    assert!(html.contains("Geschrieben von Karla Klerk") && html.contains("Plan.pdf"), "{html}");
    let file =
        html.split("href=\"").filter_map(|p| p.split('"').next()).find(|h| h.ends_with("/datei")).unwrap();
    assert_eq!(bed.see(file, &bea.cookie).await.octets, b"Plan");
    assert_eq!(step(&bea, "zurueckgeben").await.header("location"), "/entwuerfe?hinweis=zurueckgegeben");
    assert_eq!(bed.see(&draft, &bea.cookie).await.status, StatusCode::NOT_FOUND, "it is its author's again");
    let html = bed.see(&draft, &ada.cookie).await.text();
    assert!(html.contains("PST-DRAFT-0017"), "{html}");
    let version = field(&html, "version").to_owned();
    send(&version).await;
    // Its author can take it back as long as nobody released it.
    let back = step(&ada, "zurueckholen").await;
    assert_eq!(back.header("location"), format!("{draft}?hinweis=zurueckgeholt"), "{}", back.text());
    let version = field(&bed.see(&draft, &ada.cookie).await.text(), "version").to_owned();
    send(&version).await;
    let id = message_of(&step(&bea, "freigeben").await);
    bed.processed(tenant, id).await;
    let html = bed.see(&format!("/nachrichten/{tenant}/{id}"), &ada.cookie).await.text();
    assert!(html.contains("Bea Buche hat die Nachricht zum Versand freigegeben"), "{html}");
    let view = bed.hub.message_view_unchecked(tenant, id).await.unwrap();
    assert_eq!(view.timeline[0].who, "Karla Klerk", "the author hands it in");
    assert!(view.timeline[0].text.contains("geht aus von post@adorf.example"), "{}", view.timeline[0].text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_writes_too() {
    let bed = Bed::new().await;
    Writer::of(&bed, &bed.a).await;
    let tenant = bed.a.tenant;
    let token = crate::bed::service(&bed.hub, tenant, "schreibt", Role::Clerk).await;
    let ask = async |method: &str, path: &str, body: serde_json::Value| {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/drafts{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        bed.ask(request).await
    };
    use serde_json::json;
    let question = bed.mail(&bed.a, MAIL).await;
    let bad =
        ask("POST", "", json!({ "tenant": tenant, "mailbox": bed.a.mailbox, "reply_to": question })).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let begun = ask("POST", "", json!({ "tenant": tenant, "reply_to": question })).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text());
    let path = format!("/{tenant}/{}", begun.json()["id"].as_str().unwrap());
    assert_eq!(begun.header("location"), format!("/api/v1/drafts{path}"));
    let text = "ü".repeat(30_000);
    let said = json!({ "version": 1, "recipients": "erna@aussen.example", "subject": "AW", "text": text });
    let saved = ask("PUT", &path, said.clone()).await.json();
    assert_eq!((&saved["version"], &saved["kind"]), (&json!(2), &json!("reply")));
    let late = ask("PUT", &path, json!({ "version": 1, "text": "x" })).await;
    assert_eq!((late.status, &late.json()["code"]), (StatusCode::CONFLICT, &json!("PST-DRAFT-0001")));
    let request = Request::post(format!("/api/v1/drafts{path}/parts"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/pdf")
        .header("x-poststelle-name", "Plan%20M%C3%BCller.pdf")
        .body(Body::from(octets(2000)))
        .unwrap();
    assert_eq!(bed.ask(request).await.json()["version"], 3);
    let whole = ask("GET", &path, json!({})).await.json();
    assert_eq!(whole["text"], json!(text));
    assert_eq!(
        (&whole["parts"][0]["name"], &whole["from"]),
        (&json!("Plan Müller.pdf"), &json!("post@adorf.example"))
    );
    let early =
        ask("POST", &format!("{path}/send"), json!({ "version": 3, "at": "2020-01-01T00:00:00Z" })).await;
    assert_eq!(early.json()["code"], "PST-DRAFT-0013");
    let later = json!({ "version": 3, "at": "2026-03-03T08:00:00Z" });
    assert_eq!(ask("POST", &format!("{path}/send"), later).await.json()["state"], "sending");
    let back = ask("POST", &format!("{path}/withdraw"), json!({ "version": 4 })).await.json();
    assert_eq!((&back["state"], &back["version"]), (&json!("open"), &json!(5)));
    let sent = ask("POST", &format!("{path}/send"), json!({ "version": 5 })).await.json();
    assert_eq!(sent["state"], "sent");
    assert_eq!(ask("POST", &format!("{path}/send"), json!({ "version": 5 })).await.json(), sent, "once");
    let list = ask("GET", "", json!({})).await.json();
    assert_eq!(list["drafts"][0]["message"], sent["message"]);
    assert_eq!(messages_of(&bed, tenant).await.len(), 2);
    // A client that reads only cannot begin one.
    let request = Request::post("/api/v1/drafts")
        .header("authorization", format!("Bearer {}", bed.a.reader))
        .header("content-type", "application/json")
        .body(Body::from(json!({ "tenant": tenant, "reply_to": question }).to_string()))
        .unwrap();
    assert_eq!(bed.ask(request).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_leaves_drafts_alone() {
    let bed = Bed::new().await;
    let ada = Writer::of(&bed, &bed.a).await;
    let (tenant, access, hub) = (bed.a.tenant, ada.access(&bed).await, &bed.hub);
    let draft = hub.begin_draft(&access, tenant, Origin::Box(bed.a.mailbox)).await.unwrap();
    let upload = Upload { name: "Plan.pdf".to_owned(), media_type: "application/pdf".to_owned() };
    let plan = stream::iter([Ok(Bytes::from_static(b"Plan"))]).boxed();
    let draft = hub.attach(&access, tenant, draft.id, &upload, plan).await.unwrap();
    // Long after every upload has ended.
    bed.clock.advance(Duration::from_secs(400 * 86_400));
    let watch = Watch::new(Arc::clone(hub), Timers::default());
    assert_eq!((watch.sweep().await.unwrap(), bed.blobs()), (0, 1));
    let part = hub.draft_view(&access, tenant, draft.id).await.unwrap().parts.remove(0);
    let (_, mut octets) = hub.attachment_octets(&access, tenant, draft.id, part.id).await.unwrap();
    assert_eq!(octets.next().await.unwrap().unwrap(), "Plan");
    // What no draft names any more goes: here the row was lost, not the blob.
    let mut tx = hub.db().begin(Scope::Tenant(tenant)).await.unwrap();
    for write in [DraftWrite::Clear(tenant, draft.id), DraftWrite::Delete(tenant, draft.id, draft.version)] {
        drafts::apply(&mut tx, &write).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!((watch.sweep().await.unwrap(), bed.blobs()), (1, 0));
}
