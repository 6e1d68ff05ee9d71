// SPDX-License-Identifier: EUPL-1.2
//! The desk: two clerks of an Amt and the mail of two villages.

use axum::http::StatusCode;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{DeskState, Event, MessageId, PrincipalId, Role, Subject, TenantId};
use poststelle_store::desk::DeskItem;
use poststelle_store::{Scope, evidence};

use crate::bed::{Answer, Bed, person, who};

const MAIL: &[u8] =
    b"From: \"Erna Erfunden\" <erna@aussen.example>\r\nSubject: Frage zur Hecke\r\n\r\nText\r\n";

struct Clerk {
    id: PrincipalId,
    cookie: String,
    csrf: String,
}

impl Clerk {
    async fn of(bed: &Bed, login: &str, name: &str, tenants: &[TenantId]) -> Self {
        let id = person(&bed.hub, login, name, Some(bed.a.administration)).await;
        for tenant in tenants {
            let place = Place::Tenant { tenant: *tenant };
            bed.hub.grant(id, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
        }
        let (cookie, csrf) = bed.session(id).await;
        Self { id, cookie, csrf }
    }

    async fn does(&self, bed: &Bed, item: &DeskItem, form: &str) -> Answer {
        let form = format!("csrf={}&version={}&{form}", self.csrf, item.version);
        let path = format!("/vorgaenge/{}/{}", item.tenant, item.delivery);
        bed.post(&path, "192.0.2.1", &[("cookie", &self.cookie)], &form).await
    }
}

async fn item(bed: &Bed, tenant: TenantId, message: MessageId) -> DeskItem {
    let view = bed.hub.message_view_unchecked(tenant, message).await.unwrap();
    assert_eq!(view.desk_items.len(), 1, "{:?}", view.desk_items);
    view.desk_items.into_iter().next().unwrap()
}

async fn acts(bed: &Bed, message: MessageId) -> Vec<String> {
    let mut tx = bed.hub.db().read(Scope::Tenant(bed.a.tenant)).await.unwrap();
    let chain = evidence::chain(&mut tx, bed.a.tenant, &Subject::message(message)).await.unwrap();
    chain
        .iter()
        .filter(|e| e.kind() == Some(Event::DeskWork))
        .map(|e| {
            let body: serde_json::Value = serde_json::from_str(&e.body).unwrap();
            body["act"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clerks_share_a_desk_and_see_what_the_other_does() {
    let bed = Bed::new().await;
    let village = bed.hub.add_tenant("cedorf", "Gemeinde Cedorf", &who()).await.unwrap();
    bed.hub.give_mandate(village, bed.a.administration, &who()).await.unwrap();
    let both = [bed.a.tenant, village];
    let ada = Clerk::of(&bed, "ada", "Ada Ahorn", &both).await;
    let bea = Clerk::of(&bed, "bea", "Bea Buche", &both).await;
    let only = Clerk::of(&bed, "cora", "Cora Ceder", &[village]).await;
    let id = bed.mail(&bed.a, MAIL).await;
    let first = item(&bed, bed.a.tenant, id).await;

    // A desk for each village, and the numbers of both.
    let desks = bed.see("/arbeit", &ada.cookie).await.text();
    assert!(desks.contains("Klärungskorb Gemeinde Adorf") && desks.contains("Klärungskorb Gemeinde Cedorf"));
    let desk = format!("/arbeit/{}", first.desk);
    let list = bed.see(&desk, &ada.cookie).await.text();
    assert!(
        list.contains("Frage zur Hecke") && list.contains("Neu (1)") && list.contains("niemandem"),
        "{list}"
    );
    // With one desk only, straight to it; and no other desk is there.
    assert!(bed.see("/arbeit", &only.cookie).await.header("location").starts_with("/arbeit/"));
    assert_eq!(bed.see(&desk, &only.cookie).await.status, StatusCode::NOT_FOUND);
    assert_eq!(only.does(&bed, &first, "schritt=uebernehmen").await.status, StatusCode::NOT_FOUND);

    let page = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let taken = ada.does(&bed, &first, "schritt=uebernehmen").await;
    assert_eq!(taken.header("location"), format!("{page}?hinweis=vorgang"), "{}", taken.text());
    let claimed = item(&bed, bed.a.tenant, id).await;
    assert_eq!((claimed.standing.state, claimed.standing.owner), (DeskState::Claimed, Some(ada.id)));
    // The colleague still has the old page: she is told, nothing is overwritten.
    let late = bea.does(&bed, &first, "schritt=erledigen").await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(
        late.text().contains("inzwischen geändert") && late.text().contains("in Bearbeitung"),
        "{}",
        late.text()
    );
    assert_eq!(item(&bed, bed.a.tenant, id).await, claimed);
    let list = bed.see(&desk, &bea.cookie).await.text();
    assert!(
        list.contains("Frage zur Hecke") && list.contains("Ada Ahorn"),
        "read by one is seen by all: {list}"
    );
    assert!(bed.see(&format!("{desk}?liste=meine"), &ada.cookie).await.text().contains("Frage zur Hecke"));
    assert!(!bed.see(&format!("{desk}?liste=meine"), &bea.cookie).await.text().contains("Frage zur Hecke"));

    // Only one's own last step can be taken back.
    assert_eq!(bea.does(&bed, &claimed, "schritt=rueckgaengig").await.status, StatusCode::CONFLICT);
    ada.does(&bed, &claimed, &format!("schritt=weitergeben&an={}", bea.id)).await;
    let handed = item(&bed, bed.a.tenant, id).await;
    assert_eq!(handed.standing.owner, Some(bea.id));
    ada.does(&bed, &handed, "schritt=rueckgaengig").await;
    let back = item(&bed, bed.a.tenant, id).await;
    assert_eq!(back.standing, claimed.standing);
    assert!(!bed.see(&page, &ada.cookie).await.text().contains("rückgängig machen"), "undone once");

    // Not to somebody who may not see this mail; not to yesterday.
    for (form, code) in [
        (format!("schritt=weitergeben&an={}", only.id), "PST-DESK-0003"),
        ("schritt=weitergeben&an=x".to_owned(), "PST-DESK-0003"),
        ("schritt=zurueckstellen&bis=2020-01-01".to_owned(), "PST-DESK-0004"),
        ("schritt=zurueckstellen&bis=9999-12-31".to_owned(), "PST-DESK-0004"),
        ("schritt=zurueckstellen&bis=morgen".to_owned(), "PST-DESK-0004"),
        ("schritt=aufnehmen".to_owned(), "PST-DESK-0002"),
    ] {
        let refused = ada.does(&bed, &back, &form).await;
        assert!(
            refused.status.is_client_error() && refused.text().contains(code),
            "{form}: {}",
            refused.text()
        );
    }
    assert_eq!(item(&bed, bed.a.tenant, id).await, back);

    bea.does(&bed, &back, "schritt=zurueckstellen&bis=2026-03-09").await;
    let waits = item(&bed, bed.a.tenant, id).await;
    assert_eq!((waits.standing.state, waits.standing.owner), (DeskState::Waiting, Some(ada.id)));
    let laid = bed.see(&format!("{desk}?liste=zurueckgestellt"), &bea.cookie).await.text();
    assert!(laid.contains("zurückgestellt bis 09.03.2026"), "{laid}");
    ada.does(&bed, &waits, "schritt=erledigen").await;
    assert!(!bed.see(&desk, &ada.cookie).await.text().contains("Frage zur Hecke"));
    assert!(bed.see(&format!("{desk}?liste=erledigt"), &bea.cookie).await.text().contains("Frage zur Hecke"));
    let done = item(&bed, bed.a.tenant, id).await;
    bea.does(&bed, &done, "schritt=aufnehmen").await;
    assert_eq!(item(&bed, bed.a.tenant, id).await.standing.owner, Some(bea.id));
    assert_eq!(acts(&bed, id).await, ["claim", "hand_over", "undo", "wait", "finish", "reopen"]);
    let told = bed.see(&page, &ada.cookie).await.text();
    assert!(told.contains("Ada Ahorn hat die Nachricht an Bea Buche weitergegeben."), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_stay_in_the_house_and_auditors_only_look() {
    let bed = Bed::new().await;
    let ada = Clerk::of(&bed, "ada", "Ada Ahorn", &[bed.a.tenant]).await;
    let audit = person(&bed.hub, "pruef", "Paul Prüfer", Some(bed.a.administration)).await;
    let place = Place::Tenant { tenant: bed.a.tenant };
    bed.hub.grant(audit, Grant { role: Role::Auditor, place }, &who()).await.unwrap();
    let (reads, reads_csrf) = bed.session(audit).await;
    let id = bed.mail(&bed.a, MAIL).await;
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let note = async |cookie: &str, form: String| {
        bed.post(&format!("{base}/vermerke"), "192.0.2.1", &[("cookie", cookie)], &form).await
    };
    let form = format!("csrf={}&text=Nachbar+%3Cb%3Eruft%3C%2Fb%3E+an", ada.csrf);
    assert_eq!(note(&ada.cookie, form).await.status, StatusCode::SEE_OTHER);
    let page = bed.see(&base, &reads).await.text();
    assert!(page.contains("Nachbar &#60;b&#62;ruft&#60;/b&#62; an") && page.contains("Ada Ahorn"), "{page}");
    assert!(!page.contains("schritt") && !page.contains("Vermerk speichern"), "an auditor changes nothing");
    assert_eq!(note(&reads, format!("csrf={reads_csrf}&text=x")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(note(&ada.cookie, "csrf=falsch&text=x".to_owned()).await.status, StatusCode::FORBIDDEN);
    for bad in [String::new(), "+".repeat(10), "x".repeat(20_000)] {
        let answer = note(&ada.cookie, format!("csrf={}&text={bad}", ada.csrf)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text().contains("PST-DESK-0005"));
    }
    let item = item(&bed, bed.a.tenant, id).await;
    let path = format!("/vorgaenge/{}/{}", item.tenant, item.delivery);
    let form = format!("csrf={reads_csrf}&version=1&schritt=uebernehmen");
    assert_eq!(
        bed.post(&path, "192.0.2.1", &[("cookie", &reads)], &form).await.status,
        StatusCode::FORBIDDEN
    );
}
