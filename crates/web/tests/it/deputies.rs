// SPDX-License-Identifier: EUPL-1.2
//! Who stands in for whom: on the days it says, for the roles it may, and no further.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use poststelle_model::people::{Grant, Place};
use poststelle_model::{Event, PrincipalId, Role, Subject, TenantId};
use poststelle_store::administration::{self, Deputy};
use poststelle_store::{Scope, access, evidence};

use crate::bed::{Bed, ask, person, who};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn grant(bed: &Bed, id: PrincipalId, role: Role, tenant: TenantId) {
    bed.hub.grant(id, Grant { role, place: Place::Tenant { tenant } }, &who()).await.unwrap();
}

async fn roles(bed: &Bed, id: PrincipalId) -> Vec<(Role, Option<TenantId>)> {
    let mut tx = bed.hub.db().read(Scope::System).await.unwrap();
    let access = access::access(&mut tx, id, bed.hub.clock().now()).await.unwrap();
    access.grants.iter().map(|g| (g.role, g.place.tenant())).collect()
}

async fn deputies(bed: &Bed, id: PrincipalId) -> Vec<Deputy> {
    let mut tx = bed.hub.db().read(Scope::System).await.unwrap();
    administration::deputies_of(&mut tx, id, bed.hub.clock().now()).await.unwrap()
}

async fn post(bed: &Bed, session: &(String, String), path: &str, form: &str) -> crate::bed::Answer {
    let form = format!("csrf={}&{form}", session.1);
    bed.post(path, "192.0.2.9", &[("cookie", &session.0)], &form).await
}

/// It is Monday, 2 March 2026, 09:00 in Berlin.
#[tokio::test(flavor = "multi_thread")]
async fn a_deputy_works_on_the_days_and_not_before_or_after() {
    let bed = Bed::new().await;
    let home = Some(bed.a.administration);
    let petra = person(&bed.hub, "petra", "Petra Postmann", home).await;
    let dora = person(&bed.hub, "dora", "Dora Dienst", home).await;
    grant(&bed, petra, Role::Clerk, bed.a.tenant).await;
    let mail = bed.mail(&bed.a, b"From: a@b.example\r\nSubject: Bauantrag\r\n\r\nText\r\n").await;
    let message = format!("/nachrichten/{}/{mail}", bed.a.tenant);

    // Petra takes it on and says that she will be away on Wednesday and Thursday.
    let session = bed.session(petra).await;
    let item = bed.hub.message_view_unchecked(bed.a.tenant, mail).await.unwrap().desk_items.remove(0);
    let act = format!("/vorgaenge/{}/{}", bed.a.tenant, item.delivery);
    assert_eq!(
        post(&bed, &session, &act, "version=1&schritt=uebernehmen").await.status,
        StatusCode::SEE_OTHER
    );
    let form = |wer: PrincipalId, von: &str, bis: &str| format!("wer={wer}&von={von}&bis={bis}");
    let konto = "/konto/vertretung";
    for (form, status) in [
        (form(dora, "2026-03-01", "2026-03-04"), StatusCode::UNPROCESSABLE_ENTITY),
        (form(dora, "2026-03-04", "2026-03-03"), StatusCode::UNPROCESSABLE_ENTITY),
        (form(dora, "2026-03-04", "2031-03-03"), StatusCode::UNPROCESSABLE_ENTITY),
        (form(petra, "2026-03-04", "2026-03-05"), StatusCode::UNPROCESSABLE_ENTITY),
        (form(bed.b.clerk, "2026-03-04", "2026-03-05"), StatusCode::UNPROCESSABLE_ENTITY),
        (form(dora, "2026-03-04", "2026-03-05"), StatusCode::SEE_OTHER),
        (form(dora, "2026-03-04", "2026-03-05"), StatusCode::SEE_OTHER),
        (form(bed.a.clerk, "2026-03-05", "2026-03-06"), StatusCode::CONFLICT),
    ] {
        let answer = post(&bed, &session, konto, &form).await;
        assert_eq!(answer.status, status, "{form}: {}", answer.text());
    }
    let page = bed.see("/konto", &session.0).await.text();
    assert_eq!(page.matches("04.03.2026 bis 05.03.2026: Dora Dienst</p>").count(), 1, "{page}");

    // Not before.
    bed.clock.advance(DAY);
    let deputy = bed.session(dora).await;
    assert_eq!(bed.see(&message, &deputy.0).await.status, StatusCode::NOT_FOUND);
    assert!(roles(&bed, dora).await.is_empty());

    // On the day she sees what lies there, what Petra has, and works on it in her own name.
    bed.clock.advance(DAY);
    let deputy = bed.session(dora).await;
    let place = bed.see("/arbeit", &deputy.0).await.header("location").to_owned();
    let desk = bed.see(&place, &deputy.0).await.text();
    assert!(desk.contains("Sie vertreten Petra Postmann (bis 05.03.2026)."), "{desk}");
    let mine = bed.see(&format!("{place}?liste=meine"), &deputy.0).await.text();
    assert!(!mine.contains("Bauantrag"), "{mine}");
    let list = bed.see(&format!("{place}?liste=vertretung"), &deputy.0).await.text();
    assert!(list.contains("Bauantrag") && list.contains("Petra Postmann"), "{list}");
    assert!(!bed.see(&place, &session.0).await.text().contains("liste=vertretung"), "only for a deputy");
    assert_eq!(bed.see(&message, &deputy.0).await.status, StatusCode::OK);

    // Handing over to somebody who is away is asked about, and her deputy offered.
    let third = bed.session(bed.a.clerk).await;
    let page = bed.see(&message, &third.0).await.text();
    assert!(!page.contains(&format!("value=\"{petra}\"")), "she has it");
    let taken = post(&bed, &third, &act, "version=2&schritt=uebernehmen").await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER);
    let page = bed.see(&message, &third.0).await.text();
    let named = "Petra Postmann (abwesend bis 05.03.2026, Vertretung: Dora Dienst)";
    assert!(page.contains(named), "{page}");
    let to_petra = format!("version=3&schritt=weitergeben&an={petra}");
    let asked = post(&bed, &third, &act, &to_petra).await;
    assert_eq!(asked.status, StatusCode::OK);
    let asked = asked.text();
    assert!(asked.contains("Noch ist nichts weitergegeben") && asked.contains(&format!("value=\"{dora}\"")));
    let to_dora = format!("version=3&schritt=weitergeben&trotzdem=ja&an={dora}");
    assert_eq!(post(&bed, &third, &act, &to_dora).await.status, StatusCode::SEE_OTHER);
    let back = format!("version=4&schritt=weitergeben&trotzdem=ja&an={petra}");
    assert_eq!(post(&bed, &deputy, &act, &back).await.status, StatusCode::SEE_OTHER, "all the same");
    assert_eq!(post(&bed, &deputy, &act, "version=5&schritt=erledigen").await.status, StatusCode::SEE_OTHER);

    // Until the last minute of the last day, in Berlin; then it is over with the next request.
    bed.clock.advance(DAY + Duration::from_secs(14 * 3600 + 3599));
    let late = bed.session(dora).await;
    assert_eq!(bed.see(&message, &late.0).await.status, StatusCode::OK);
    bed.clock.advance(Duration::from_secs(1));
    assert_eq!(bed.see(&message, &late.0).await.status, StatusCode::NOT_FOUND);
    assert!(!bed.see("/arbeit", &late.0).await.text().contains("Sie vertreten"));

    // It stands in Petra's own chain, once.
    let mut tx = bed.hub.db().read(Scope::System).await.unwrap();
    let chain = evidence::chain(&mut tx, TenantId::SYSTEM, &Subject::principal(petra)).await.unwrap();
    let set =
        chain.iter().filter(|e| e.kind() == Some(Event::Changed) && e.body.contains("\"deputy\"")).count();
    assert_eq!(set, 1, "{chain:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deputy_gets_no_more_than_clerks_and_auditors_have() {
    let bed = Bed::new().await;
    let (a, b) = (bed.a.tenant, bed.b.tenant);
    let home = Some(bed.a.administration);
    let ids = ["petra", "dora", "emil"];
    let mut people = Vec::new();
    for login in ids {
        people.push(person(&bed.hub, login, login, home).await);
    }
    let [petra, dora, emil] = people[..] else { unreachable!() };
    grant(&bed, petra, Role::Clerk, a).await;
    grant(&bed, petra, Role::TenantAdmin, a).await;
    // Without a mandate of her Administration this role rests, for a deputy too.
    grant(&bed, petra, Role::Clerk, b).await;
    let away = async |who: PrincipalId, deputy: PrincipalId| {
        let session = bed.session(who).await;
        let form = format!("wer={deputy}&von=2026-03-02&bis=2026-03-03");
        let answer = post(&bed, &session, "/konto/vertretung", &form).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    };
    away(petra, dora).await;
    assert_eq!(roles(&bed, dora).await, [(Role::Clerk, Some(a))]);
    let session = bed.session(dora).await;
    assert_eq!(bed.see(&format!("/verwaltung/{a}"), &session.0).await.status, StatusCode::NOT_FOUND);
    // A deputy passes nothing on but her own; without any she has nothing to leave.
    let form = format!("wer={emil}&von=2026-03-02&bis=2026-03-03");
    let nothing = post(&bed, &session, "/konto/vertretung", &form).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(nothing.text().contains("keine Rolle, die eine Vertretung"), "{}", nothing.text());
    grant(&bed, dora, Role::Auditor, a).await;
    away(dora, emil).await;
    assert_eq!(roles(&bed, emil).await, [(Role::Auditor, Some(a))]);
    let own = Grant { role: Role::Auditor, place: Place::Tenant { tenant: a } };
    bed.hub.revoke(dora, own, &who()).await.unwrap();
    assert!(roles(&bed, emil).await.is_empty());
    // A change of Amt ends it, as it ends the roles themselves.
    bed.clock.advance(Duration::from_secs(1));
    bed.hub.give_mandate(a, bed.b.administration, &who()).await.unwrap();
    assert!(roles(&bed, dora).await.is_empty() && roles(&bed, petra).await.is_empty());
    bed.clock.advance(Duration::from_secs(1));
    bed.hub.give_mandate(a, bed.a.administration, &who()).await.unwrap();
    assert_eq!(roles(&bed, dora).await.len(), 1);
    // Who is locked out leaves nothing.
    let house = who();
    let mut edit = bed.hub.edit(&house).await.unwrap();
    edit.set_active(petra, false).await.unwrap();
    edit.commit().await.unwrap();
    assert!(roles(&bed, dora).await.is_empty());
    let mut edit = bed.hub.edit(&house).await.unwrap();
    edit.set_active(petra, true).await.unwrap();
    edit.commit().await.unwrap();

    // An administrator sees it, ends it, sets it; what is ended twice is ended.
    let vera = person(&bed.hub, "vera", "Vera Verwaltung", home).await;
    grant(&bed, vera, Role::TenantAdmin, a).await;
    let admin = bed.session(vera).await;
    let here = format!("/verwaltung/{a}/personen/{petra}");
    let refused = post(&bed, &admin, &here, "schritt=sperren").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "she has a role at B, which is not in these hands");
    bed.hub
        .revoke(petra, Grant { role: Role::Clerk, place: Place::Tenant { tenant: b } }, &who())
        .await
        .unwrap();
    let page = bed.see(&here, &admin.0).await.text();
    let own = deputies(&bed, petra).await.remove(0);
    assert!(page.contains(&own.id.to_string()), "{page}");
    for _ in 0..2 {
        let ended = post(&bed, &admin, &here, &format!("schritt=vertretung-ende&wer={}", own.id)).await;
        assert_eq!(ended.header("location"), format!("{here}?hinweis=vertretung-ende"));
    }
    assert!(roles(&bed, dora).await.is_empty());
    let set = format!("schritt=vertretung&wer={dora}&von=2026-03-02&bis=2026-03-02");
    assert_eq!(post(&bed, &admin, &here, &set).await.status, StatusCode::SEE_OTHER);
    assert_eq!(roles(&bed, dora).await, [(Role::Clerk, Some(a))]);
    let told = bed.see(&format!("/verwaltung/{a}/aenderungen"), &admin.0).await.text();
    let sentence = "Vera Verwaltung hat eingetragen: dora vertritt petra vom 02.03.2026 bis 02.03.2026.";
    assert!(
        told.contains(sentence) && told.contains("die Vertretung von petra durch dora beendet"),
        "{told}"
    );
    // Somebody else's is not there.
    let stranger = bed.session(bed.b.clerk).await;
    let id = deputies(&bed, petra).await.remove(0).id;
    let end = format!("/konto/vertretung/{id}/beenden");
    assert_eq!(post(&bed, &stranger, &end, "").await.status, StatusCode::NOT_FOUND);
    let own = bed.session(petra).await;
    assert_eq!(post(&bed, &own, &end, "").await.status, StatusCode::SEE_OTHER);
    assert!(roles(&bed, dora).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_leave_one_deputy_and_standing_in_costs_no_statement() {
    let bed = Bed::new().await;
    let home = Some(bed.a.administration);
    let petra = person(&bed.hub, "petra", "Petra Postmann", home).await;
    let dora = person(&bed.hub, "dora", "Dora Dienst", home).await;
    grant(&bed, petra, Role::Clerk, bed.a.tenant).await;
    let session = bed.session(petra).await;
    let form = |who: PrincipalId| format!("wer={who}&von=2026-03-02&bis=2026-03-03");
    let (to_dora, to_clerk) = (form(dora), form(bed.a.clerk));
    let (one, other) = tokio::join!(
        post(&bed, &session, "/konto/vertretung", &to_dora),
        post(&bed, &session, "/konto/vertretung", &to_clerk)
    );
    let mut both = [one.status, other.status];
    both.sort_unstable();
    assert_eq!(both, [StatusCode::SEE_OTHER, StatusCode::CONFLICT]);
    assert_eq!(deputies(&bed, petra).await.len(), 1);

    let mail = bed.mail(&bed.a, b"From: a@b.example\r\nSubject: x\r\n\r\nText\r\n").await;
    let place = bed.see("/arbeit", &session.0).await.header("location").to_owned();
    let node = bed.second_node().await;
    let cost = async |who: PrincipalId| {
        let (cookie, _) = bed.session(who).await;
        let mut costs = Vec::new();
        for path in [place.clone(), format!("/nachrichten/{}/{mail}", bed.a.tenant)] {
            let request = || Request::get(&path).header("cookie", &cookie).body(Body::empty()).unwrap();
            // The first time the reading is recorded, and keys are fetched.
            assert_eq!(ask(&node.router, request()).await.status, StatusCode::OK, "{path}");
            let before = node.hub.db().statements();
            ask(&node.router, request()).await;
            costs.push(node.hub.db().statements() - before);
        }
        costs
    };
    let deputy = deputies(&bed, petra).await.remove(0).deputy;
    assert_eq!(cost(deputy).await, cost(petra).await);
}
