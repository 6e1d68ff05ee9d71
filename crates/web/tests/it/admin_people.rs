// SPDX-License-Identifier: EUPL-1.2
//! A tenant's administration: who may come there, and what they do with people.

use axum::http::StatusCode;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{PrincipalId, Role, TenantId};
use poststelle_store::{Scope, access};

use crate::bed::{Answer, Bed, person, who};

/// Somebody at a form: cookie and its token.
struct Hands {
    cookie: String,
    csrf: String,
}

impl Hands {
    async fn of(bed: &Bed, who: PrincipalId) -> Self {
        let (cookie, csrf) = bed.session(who).await;
        Self { cookie, csrf }
    }

    async fn post(&self, bed: &Bed, path: &str, form: &str) -> Answer {
        let form = format!("csrf={}&{form}", self.csrf);
        bed.post(path, "192.0.2.7", &[("cookie", &self.cookie)], &form).await
    }
}

/// An administrator of a tenant, working in its Administration.
async fn admin(bed: &Bed, login: &str, tenant: TenantId) -> PrincipalId {
    let home = if tenant == bed.a.tenant { bed.a.administration } else { bed.b.administration };
    let id = person(&bed.hub, login, "Vera Verwaltung", Some(home)).await;
    let grant = Grant { role: Role::TenantAdmin, place: Place::Tenant { tenant } };
    bed.hub.grant(id, grant, &who()).await.unwrap();
    id
}

async fn id_of(bed: &Bed, login: &str) -> PrincipalId {
    let mut tx = bed.hub.db().read(Scope::System).await.unwrap();
    access::by_login(&mut tx, login).await.unwrap().unwrap().id
}

async fn rights(bed: &Bed, id: PrincipalId) -> Vec<Grant> {
    let mut tx = bed.hub.db().read(Scope::System).await.unwrap();
    access::access(&mut tx, id, bed.hub.clock().now()).await.unwrap().grants
}

fn secret(html: &str) -> String {
    html.split("id=\"geheimnis\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

fn value<'h>(html: &'h str, name: &str) -> &'h str {
    html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap().split('"').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_come_in() {
    let bed = Bed::new().await;
    let admin = person(&bed.hub, "verwaltung", "Vera Verwaltung", Some(bed.a.administration)).await;
    let grant = Grant { role: Role::TenantAdmin, place: Place::Tenant { tenant: bed.a.tenant } };
    bed.hub.grant(admin, grant, &who()).await.unwrap();
    let here = format!("/verwaltung/{}", bed.a.tenant);
    let (cookie, _) = bed.session(admin).await;
    let menu = bed.see("/verwaltung", &cookie).await;
    assert_eq!((menu.status, menu.header("location")), (StatusCode::SEE_OTHER, here.as_str()));
    let page = bed.see(&here, &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Verwaltung – Gemeinde Adorf"), "{}", page.text());
    assert!(bed.see("/hilfe", &cookie).await.text().contains("href=\"/verwaltung\""));
    // For everybody else it is not there.
    for id in [bed.a.clerk, bed.b.clerk, bed.operator] {
        let (cookie, _) = bed.session(id).await;
        assert_eq!(bed.see(&here, &cookie).await.status, StatusCode::NOT_FOUND);
        assert!(!bed.see("/hilfe", &cookie).await.text().contains("href=\"/verwaltung\""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_makes_a_person_who_then_works() {
    let bed = Bed::new().await;
    let vera = Hands::of(&bed, admin(&bed, "vera", bed.a.tenant).await).await;
    let people = format!("/verwaltung/{}/personen", bed.a.tenant);
    let form = "name=Nele+Neu&login=Nele.Neu&art=person&rolle=clerk";
    let made = vera.post(&bed, &people, form).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let password = secret(&made.text());
    // Asked again: she is there already, and no second password is made.
    let again = vera.post(&bed, &people, form).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text().contains("Diesen Anmeldenamen gibt es schon") && again.text().contains("Nele Neu"));
    let list = bed.see(&people, &vera.cookie).await.text();
    assert!(list.contains("Nele Neu") && list.contains("noch nicht angemeldet"), "{list}");
    assert!(!list.contains(&password));

    // She signs in, chooses a password of her own, and sees the desk.
    let form = format!("login=nele.neu&password={password}&weiter=%2Farbeit");
    let half = bed.post("/anmelden", "192.0.2.1", &[], &form).await;
    assert!(half.header("location").starts_with("/konto/passwort"), "{}", half.header("location"));
    let cookie = half.cookie();
    assert_eq!(bed.see("/arbeit", &cookie).await.status, StatusCode::SEE_OTHER);
    let html = bed.see(half.header("location"), &cookie).await.text();
    let csrf = value(&html, "csrf");
    let own = "neu=ein+eigener+langer+Satz&wiederholung=ein+eigener+langer+Satz&weiter=%2Farbeit";
    let form = format!("csrf={csrf}&alt={password}&{own}");
    let whole = bed.post("/konto/passwort", "192.0.2.1", &[("cookie", &cookie)], &form).await;
    let cookie = whole.cookie();
    let desk = bed.see("/arbeit", &cookie).await;
    let desk = bed.see(desk.header("location"), &cookie).await;
    assert!(desk.text().contains("Klärungskorb Gemeinde Adorf"), "{}", desk.text());

    // Taken back: gone with the next request.
    let nele = id_of(&bed, "nele.neu").await;
    let here = format!("{people}/{nele}");
    let gone = vera.post(&bed, &here, "schritt=rolle-nehmen&rolle=clerk&ort=mandant").await;
    let taken = format!("{here}?hinweis=rolle-nehmen&rolle=clerk&ort=mandant");
    assert_eq!(gone.header("location"), taken);
    let page = bed.see(&taken, &vera.cookie).await.text();
    assert!(page.contains("Rückgängig: wieder Sachbearbeitung für den ganzen Mandanten"), "{page}");
    assert!(bed.see("/arbeit", &cookie).await.text().contains("kein Arbeitskorb freigegeben"));
    let twice = vera.post(&bed, &here, "schritt=rolle-nehmen&rolle=clerk&ort=mandant").await;
    assert_eq!(twice.header("location"), taken);
    // For one mailbox alone.
    let form = format!("schritt=rolle-geben&rolle=auditor&ort=postfach:{}", bed.a.mailbox);
    vera.post(&bed, &here, &form).await;
    let place = Place::Mailbox { tenant: bed.a.tenant, mailbox: bed.a.mailbox };
    assert_eq!(rights(&bed, nele).await, [Grant { role: Role::Auditor, place }]);

    // Renamed by version, once; locked, her session is over.
    let html = bed.see(&here, &vera.cookie).await.text();
    let rename = format!("schritt=name&name=Nele+Alt&version={}", value(&html, "version"));
    for _ in 0..2 {
        let named = vera.post(&bed, &here, &rename).await;
        assert_eq!(named.header("location"), format!("{here}?hinweis=name"));
    }
    let late = rename.replace("Alt", "Anders");
    let late = vera.post(&bed, &here, &late).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text().contains("inzwischen jemand anderes") && late.text().contains("Nele Alt"));
    vera.post(&bed, &here, "schritt=sperren").await;
    assert_eq!(bed.see("/arbeit", &cookie).await.status, StatusCode::SEE_OTHER);
    assert!(bed.see(&here, &vera.cookie).await.text().contains("gesperrt"));
    vera.post(&bed, &here, "schritt=oeffnen").await;
    let fresh = secret(&vera.post(&bed, &here, "schritt=passwort").await.text());
    assert_ne!(fresh, password);

    // All of it is told in words, with who did it, and nothing secret.
    let told = bed.see(&format!("/verwaltung/{}/aenderungen", bed.a.tenant), &vera.cookie).await.text();
    for sentence in [
        "Vera Verwaltung hat das Konto von Nele Alt angelegt (Anmeldename nele.neu).",
        "Vera Verwaltung hat Nele Alt die Rolle „Sachbearbeitung“ für den ganzen Mandanten gegeben.",
        "Vera Verwaltung hat Nele Alt die Rolle „Sachbearbeitung“ für den ganzen Mandanten entzogen.",
        "die Rolle „Revision“ für das Postfach „Post“ gegeben.",
        "Vera Verwaltung hat das Konto von Nele Alt geändert: Name „Nele Alt“.",
        "Vera Verwaltung hat das Konto von Nele Alt gesperrt.",
        "Vera Verwaltung hat das Konto von Nele Alt entsperrt.",
        "Vera Verwaltung hat Nele Alt ein neues erstes Passwort gegeben.",
        "Nele Alt hat das eigene Passwort geändert.",
        "Der Betrieb hat den Mandanten „Gemeinde Adorf“ angelegt.",
    ] {
        assert!(told.contains(sentence), "{sentence}: {told}");
    }
    assert_eq!(told.matches("Sachbearbeitung“ für den ganzen Mandanten entzogen").count(), 1, "done once");
    assert!(!told.contains(&password) && !told.contains(&fresh) && !told.contains("Bestadt"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_further_than_the_tenants_in_their_hands() {
    let bed = Bed::new().await;
    let (a, b) = (bed.a.tenant, bed.b.tenant);
    let vera_id = admin(&bed, "vera", a).await;
    let vera = Hands::of(&bed, vera_id).await;
    let people = format!("/verwaltung/{a}/personen");
    // Somebody of the same Administration who works for another tenant too.
    let third = bed.hub.add_tenant("cehagen", "Gemeinde Cehagen", &who()).await.unwrap();
    bed.hub.give_mandate(third, bed.a.administration, &who()).await.unwrap();
    let both = person(&bed.hub, "beide", "Berta Beide", Some(bed.a.administration)).await;
    for tenant in [a, third] {
        let grant = Grant { role: Role::Clerk, place: Place::Tenant { tenant } };
        bed.hub.grant(both, grant, &who()).await.unwrap();
    }
    // An operator who is at home here.
    let operator = person(&bed.hub, "chefin", "Olga Ober", Some(bed.a.administration)).await;
    let runs = Grant { role: Role::Operator, place: Place::Installation };
    bed.hub.grant(operator, runs, &who()).await.unwrap();

    let page = bed.see(&format!("{people}/{both}"), &vera.cookie).await.text();
    assert!(page.contains("auch Rollen bei anderen Mandanten") && !page.contains("Cehagen"), "{page}");
    for (id, steps) in [(both, "Mandanten, die Sie nicht verwalten"), (operator, "gehört zum Betrieb")] {
        for step in ["passwort", "sperren", "faktor", "name&name=X&version=1"] {
            let refused = vera.post(&bed, &format!("{people}/{id}"), &format!("schritt={step}")).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{step}");
            assert!(refused.text().contains(steps), "{step}: {}", refused.text());
        }
        let days = format!("schritt=vertretung&wer={vera_id}&von=2026-03-02&bis=2026-03-02");
        assert_eq!(vera.post(&bed, &format!("{people}/{id}"), &days).await.status, StatusCode::FORBIDDEN);
    }
    // Nor an account that reaches there by standing in for somebody, be it tomorrow.
    let stands_in = person(&bed.hub, "steht", "Steffi Steht", Some(bed.a.administration)).await;
    let clerk = Grant { role: Role::Clerk, place: Place::Tenant { tenant: a } };
    bed.hub.grant(stands_in, clerk, &who()).await.unwrap();
    assert!(
        vera.post(&bed, &format!("{people}/{stands_in}"), "schritt=oeffnen").await.status.is_redirection()
    );
    let mut tx = bed.hub.db().read(Scope::System).await.unwrap();
    let away = access::access(&mut tx, both, bed.hub.clock().now()).await.unwrap();
    tx.rollback().await.unwrap();
    bed.hub.set_own_deputy(&away, stands_in, ("2026-03-03", "2026-03-03")).await.unwrap();
    for step in ["passwort", "faktor", "sperren"] {
        let refused = vera.post(&bed, &format!("{people}/{stands_in}"), &format!("schritt={step}")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{step}");
    }
    // With the other tenant in her hands too, she may.
    let more = Grant { role: Role::TenantAdmin, place: Place::Tenant { tenant: third } };
    bed.hub.grant(vera_id, more, &who()).await.unwrap();
    let named = vera.post(&bed, &format!("{people}/{both}"), "schritt=oeffnen").await;
    assert_eq!(named.status, StatusCode::SEE_OTHER);
    bed.hub.revoke(vera_id, more, &who()).await.unwrap();

    // Roles nobody gives here: the operator's; of a foreign tenant; at places of others.
    let there = format!("{people}/{both}");
    let foreign_desk = bed.hub.add_desk(bed.b.administration, "Fremd", &[b], &who()).await.unwrap();
    for (form, status) in [
        ("rolle=operator&ort=mandant".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        ("rolle=intake&ort=mandant".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        (format!("rolle=tenant_admin&ort=postfach:{}", bed.a.mailbox), StatusCode::UNPROCESSABLE_ENTITY),
        (format!("rolle=clerk&ort=postfach:{}", bed.b.mailbox), StatusCode::NOT_FOUND),
        (format!("rolle=clerk&ort=korb:{foreign_desk}"), StatusCode::NOT_FOUND),
        ("rolle=clerk&ort=installation".to_owned(), StatusCode::NOT_FOUND),
        ("rolle=kaiser&ort=mandant".to_owned(), StatusCode::NOT_FOUND),
    ] {
        let refused = vera.post(&bed, &there, &format!("schritt=rolle-geben&{form}")).await;
        assert_eq!(refused.status, status, "{form}: {}", refused.text());
    }
    // Nobody locks themselves out.
    let own = format!("{people}/{vera_id}");
    for form in ["schritt=sperren", "schritt=rolle-nehmen&rolle=tenant_admin&ort=mandant"] {
        let refused = vera.post(&bed, &own, form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{form}");
        assert!(refused.text().contains("nicht selbst"), "{form}");
    }
    // A foreign person is not there; nor is this tenant for a foreign administrator, a clerk, an operator.
    let foreign = format!("{people}/{}", bed.b.clerk);
    assert_eq!(bed.see(&foreign, &vera.cookie).await.status, StatusCode::NOT_FOUND);
    let role = "schritt=rolle-geben&rolle=clerk&ort=mandant";
    assert_eq!(vera.post(&bed, &foreign, role).await.status, StatusCode::NOT_FOUND);
    let bruno = admin(&bed, "bruno", b).await;
    for id in [bruno, bed.a.clerk, bed.operator] {
        let hands = Hands::of(&bed, id).await;
        for path in [people.clone(), there.clone(), format!("/verwaltung/{a}/aenderungen")] {
            assert_eq!(bed.see(&path, &hands.cookie).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(hands.post(&bed, &there, role).await.status, StatusCode::NOT_FOUND);
        let form = "name=X&login=xyz&art=person&rolle=tenant_admin";
        assert_eq!(hands.post(&bed, &people, form).await.status, StatusCode::NOT_FOUND);
    }
    // Without the form's token nothing happens.
    let bare = bed.post(&there, "192.0.2.7", &[("cookie", &vera.cookie)], "schritt=sperren").await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN);
    assert_eq!(rights(&bed, both).await.len(), 2, "nothing of all that was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn desks_mailboxes_and_services_are_set_up_on_pages() {
    let bed = Bed::new().await;
    let a = bed.a.tenant;
    let vera = Hands::of(&bed, admin(&bed, "vera", a).await).await;
    let base = format!("/verwaltung/{a}");
    // A mailbox with an address that is free.
    let boxes = format!("{base}/postfaecher");
    assert_eq!(vera.post(&bed, &boxes, "name=Bauamt").await.status, StatusCode::SEE_OTHER);
    assert_eq!(vera.post(&bed, &boxes, "name=Bauamt").await.status, StatusCode::CONFLICT, "a second click");
    let mut tx = bed.hub.db().read(Scope::Tenant(a)).await.unwrap();
    let all = poststelle_store::tenants::mailboxes(&mut tx, a).await.unwrap();
    let bau = all.iter().find(|m| m.1 == "Bauamt").unwrap().0;
    tx.rollback().await.unwrap();
    let mail = poststelle_model::ChannelKind::Mail;
    bed.hub.add_address(bed.b.tenant, bed.b.mailbox, mail, "post@bestadt.example", &who()).await.unwrap();
    let here = format!("{boxes}/{bau}");
    // The first address of a domain comes from who runs the house.
    let first = vera.post(&bed, &here, "schritt=adresse&adresse=bau%40adorf.example").await;
    assert!(first.text().contains("PST-ADMIN-0020") || first.text().contains("Die erste trägt der Betrieb"));
    bed.hub.add_address(a, bed.a.mailbox, mail, "post@adorf.example", &who()).await.unwrap();
    for (form, status) in [
        ("schritt=adresse&adresse=bau%40adorf.example", StatusCode::SEE_OTHER),
        ("schritt=adresse&adresse=BAU%40adorf.example", StatusCode::SEE_OTHER),
        ("schritt=adresse&adresse=post%40bestadt.example", StatusCode::CONFLICT),
        ("schritt=adresse&adresse=ohne", StatusCode::UNPROCESSABLE_ENTITY),
        ("schritt=vier-augen", StatusCode::SEE_OTHER),
        ("schritt=name&name=Bauaufsicht&version=2", StatusCode::SEE_OTHER),
        ("schritt=name&name=Anders&version=2", StatusCode::CONFLICT),
    ] {
        let answer = vera.post(&bed, &here, form).await;
        assert_eq!(answer.status, status, "{form}: {}", answer.text());
    }
    let foreign = format!("{boxes}/{}", bed.b.mailbox);
    assert_eq!(vera.post(&bed, &foreign, "schritt=vier-augen").await.status, StatusCode::NOT_FOUND);
    let page = bed.see(&boxes, &vera.cookie).await.text();
    assert!(page.contains("Bauaufsicht") && page.contains("bau@adorf.example"), "{page}");
    assert!(page.contains("Freigabe nicht mehr verlangen"));

    // A desk; that of another tenant's too is not renamed.
    let desks = format!("{base}/koerbe");
    assert_eq!(vera.post(&bed, &desks, "name=Ordnung").await.status, StatusCode::SEE_OTHER);
    let third = bed.hub.add_tenant("cehagen", "Gemeinde Cehagen", &who()).await.unwrap();
    bed.hub.give_mandate(third, bed.a.administration, &who()).await.unwrap();
    let shared = bed.hub.add_desk(bed.a.administration, "Amt", &[a, third], &who()).await.unwrap();
    let page = bed.see(&desks, &vera.cookie).await.text();
    assert!(page.contains("Ordnung") && page.contains("einem Mandanten, den Sie nicht verwalten"), "{page}");
    assert!(!page.contains("Cehagen"));
    let at_shared = format!("{desks}/{shared}");
    let refused = vera.post(&bed, &at_shared, "schritt=name&name=X&version=1").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(vera.post(&bed, &at_shared, "schritt=dient-nicht").await.status, StatusCode::SEE_OTHER);
    assert_eq!(vera.post(&bed, &at_shared, "schritt=dient").await.status, StatusCode::SEE_OTHER);

    // A service with a token, shown once, that opens the API until it is taken back.
    let people = format!("{base}/personen");
    let none = vera.post(&bed, &people, "name=Bauverfahren&login=bauverfahren&art=dienst&rolle=").await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    let made =
        vera.post(&bed, &people, "name=Bauverfahren&login=bauverfahren&art=dienst&rolle=auditor").await;
    let fach = made.header("location").split('?').next().unwrap().to_owned();
    let shown = vera.post(&bed, &fach, "schritt=token&name=erstes&tage=30").await;
    let bearer = format!("Bearer {}", secret(&shown.text()));
    let list = async || bed.get("/api/v1/messages", &[("authorization", &bearer)]).await.status;
    assert_eq!(list().await, StatusCode::OK);
    let twice = vera.post(&bed, &fach, "schritt=token&name=erstes&tage=30").await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(vera.post(&bed, &fach, "schritt=passwort").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    vera.post(&bed, &fach, "schritt=token-nehmen&name=erstes").await;
    assert_eq!(list().await, StatusCode::UNAUTHORIZED);

    // By kind, page by page, and as a table.
    let told = bed.see(&format!("{base}/aenderungen?was=mailbox"), &vera.cookie).await.text();
    assert!(told.contains("hat dem Postfach „Bauaufsicht“ die Adresse bau@adorf.example gegeben."), "{told}");
    assert!(told.contains("gibt eine zweite Person frei") && !told.contains("Ordnung"));
    let csv = bed.see(&format!("{base}/aenderungen/csv?was=desk"), &vera.cookie).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(csv.text().contains("Vera Verwaltung hat den Arbeitskorb „Ordnung“ angelegt."), "{}", csv.text());
    for i in 0..60 {
        vera.post(&bed, &boxes, &format!("name=Fach+{i}")).await;
    }
    let first = bed.see(&format!("{base}/aenderungen?was=mailbox"), &vera.cookie).await.text();
    let next = first.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    let second = bed.see(&next, &vera.cookie).await.text();
    let all = format!("{first}{second}");
    for i in 0..60 {
        assert_eq!(all.matches(&format!("„Fach {i}“")).count(), 1, "{i}");
    }
}

/// What a page costs does not grow with the people, desks and changes on it.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_administration_cost_few_statements() {
    let bed = Bed::new().await;
    let vera_id = admin(&bed, "vera", bed.a.tenant).await;
    let (cookie, _) = bed.session(vera_id).await;
    let node = bed.second_node().await;
    let base = format!("/verwaltung/{}", bed.a.tenant);
    let clerk = format!("/personen/{}", bed.a.clerk);
    let costs = async || {
        let mut costs = Vec::new();
        for path in ["", "/personen", &clerk, "/koerbe", "/postfaecher", "/aenderungen"] {
            let path = format!("{base}{path}");
            let request =
                || axum::http::Request::get(&path).header("cookie", &cookie).body(axum::body::Body::empty());
            crate::bed::ask(&node.router, request().unwrap()).await;
            let before = node.hub.db().statements();
            let page = crate::bed::ask(&node.router, request().unwrap()).await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            costs.push(node.hub.db().statements() - before);
        }
        costs
    };
    let few = costs().await;
    for i in 0..30 {
        let id = person(&bed.hub, &format!("p{i}"), "Jemand", Some(bed.a.administration)).await;
        let place = Place::Tenant { tenant: bed.a.tenant };
        bed.hub.grant(id, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
        bed.hub.add_desk(bed.a.administration, &format!("K{i}"), &[bed.a.tenant], &who()).await.unwrap();
        bed.hub.add_mailbox(bed.a.tenant, &format!("F{i}"), &who()).await.unwrap();
    }
    assert_eq!(costs().await, few);
    assert!(few.iter().all(|n| *n <= 25), "{few:?}");
}
