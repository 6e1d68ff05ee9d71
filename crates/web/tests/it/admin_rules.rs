// SPDX-License-Identifier: EUPL-1.2
//! Rules under an administrator's hands: drafted, tried, released, taken back; alone, by two, and against each other.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use poststelle_model::people::{Grant, Place};
use poststelle_model::{DeskId, MessageId, PrincipalId, Role, Subject};
use poststelle_store::{Scope, evidence};
use serde_json::{Value, json};

use crate::bed::{Answer, Bed, Side, ask, person, service, who};

pub struct Admin {
    cookie: String,
    csrf: String,
    pub id: PrincipalId,
}

pub async fn admin(bed: &Bed, side: &Side, login: &str, name: &str) -> Admin {
    let id = person(&bed.hub, login, name, Some(side.administration)).await;
    let grant = Grant { role: Role::TenantAdmin, place: Place::Tenant { tenant: side.tenant } };
    bed.hub.grant(id, grant, &who()).await.unwrap();
    signed(bed, id).await
}

async fn signed(bed: &Bed, id: PrincipalId) -> Admin {
    let (cookie, csrf) = bed.session(id).await;
    Admin { cookie, csrf, id }
}

impl Admin {
    /// Cookie and form token.
    pub fn keys(&self) -> (&str, &str) {
        (&self.cookie, &self.csrf)
    }

    pub async fn see(&self, bed: &Bed, path: &str) -> Answer {
        bed.see(path, &self.cookie).await
    }

    pub async fn post(&self, bed: &Bed, path: &str, form: &str) -> Answer {
        let form = format!("csrf={}&{form}", self.csrf);
        bed.post(path, "192.0.2.1", &[("cookie", &self.cookie)], &form).await
    }
}

fn done(answer: &Answer, word: &str) {
    let there = answer.header("location").ends_with(&format!("hinweis={word}"));
    assert!(answer.status == StatusCode::SEE_OTHER && there, "{word}: {} {}", answer.status, answer.text());
}

async fn desk(bed: &Bed, name: &str) -> DeskId {
    bed.hub.add_desk(bed.a.administration, name, &[bed.a.tenant], &who()).await.unwrap()
}

/// Where a message went, in words.
async fn went(bed: &Bed, id: MessageId) -> Vec<String> {
    let view = bed.hub.message_view_unchecked(bed.a.tenant, id).await.unwrap();
    view.deliveries.into_iter().map(|d| d.target).collect()
}

fn mail(subject: &str) -> Vec<u8> {
    format!("From: Erna <erna@buerger.example>\r\nSubject: {subject}\r\n\r\nGuten Tag\r\n").into_bytes()
}

/// A new rule of one line.
fn line(version: i64, name: &str, word: &str, desk: DeskId) -> String {
    format!(
        "version={version}&name={name}&aktiv=ja&art=zeilen&verknuepfung=und&feld=betreff-enthaelt&wert={word}\
         &feld=&wert=&aktion=desk:{desk}&adressen=&schritt=speichern"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_drafted_tried_released_and_taken_back() {
    let bed = Bed::new().await;
    let vera = admin(&bed, &bed.a, "verwaltung", "Vera Verwaltung").await;
    let bauamt = desk(&bed, "Bauamt").await;
    let base = format!("/verwaltung/{}/regeln", bed.a.tenant);
    let first = bed.mail(&bed.a, &mail("BAUANTRAG Dorfweg 3")).await;
    assert!(vera.see(&bed, &format!("/verwaltung/{}", bed.a.tenant)).await.text().contains(&base));

    // A draft changes nothing for mail.
    done(
        &vera.post(&bed, &format!("{base}/neu"), &line(0, "Bauantr%C3%A4ge", "Bauantrag", bauamt)).await,
        "entwurf",
    );
    let page = vera.see(&bed, &base).await.text();
    assert!(page.contains("Er gilt noch nicht"), "{page}");
    let said = "Neue Regel „Bauanträge“: wenn Betreff enthält „Bauantrag“, dann in den Arbeitskorb „Bauamt“.";
    assert!(page.contains(said), "{page}");
    bed.clock.advance(Duration::from_secs(3));
    let second = bed.mail(&bed.a, &mail("Bauantrag Seestraße 4")).await;
    assert!(went(&bed, second).await[0].contains("Klärung"), "{:?}", went(&bed, second).await);

    // Tried on the message that came, by its id and by the address of its page, and on the last ones.
    for named in [first.to_string(), format!("http://x/nachrichten/{}/{first}?von=a", bed.a.tenant)] {
        let tried =
            vera.see(&bed, &format!("{base}/pruefen?nachricht={}", named.replace('?', "%3F"))).await.text();
        let place = |id: &str| {
            let (_, rest) = tried.split_once(&format!("id=\"{id}\">")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        assert!(place("ginge").contains("Bauamt") && place("ging").contains("Klärung"), "{tried}");
        assert!(tried.contains("trifft zu") && tried.contains("Betreff enthält „Bauantrag“: ja"), "{tried}");
    }
    let chain = bed.hub.message_view_unchecked(bed.a.tenant, first).await.unwrap().seen;
    assert_eq!(
        chain.iter().map(|s| s.who.as_str()).collect::<Vec<_>>(),
        ["Vera Verwaltung"],
        "trying is reading"
    );
    let other = bed.mail(&bed.a, &mail("Hundesteuer")).await;
    let many = vera.see(&bed, &format!("{base}/pruefen?anzahl=50")).await.text();
    assert!(
        many.contains("<strong>2 von 3</strong>")
            && !many.contains(&format!("?nachricht={other}\">Hundesteuer</a></th>")),
        "{many}"
    );

    // Released, it holds.
    done(&vera.post(&bed, &base, "version=1&geltend=0&schritt=freigeben").await, "freigegeben");
    bed.clock.advance(Duration::from_secs(3));
    let third = bed.mail(&bed.a, &mail("Bauantrag Ringweg 5")).await;
    assert_eq!(went(&bed, third).await, ["Arbeitskorb „Bauamt“"]);
    let page = vera.see(&bed, &base).await.text();
    assert!(page.contains("Fassung 1, Vera Verwaltung am") && !page.contains("Er gilt noch nicht"), "{page}");

    // Switched off by a second release, taken back by a third.
    let rule = page.split("name=\"regel\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    done(&vera.post(&bed, &base, &format!("version=2&regel={rule}&schritt=aus")).await, "entwurf");
    done(&vera.post(&bed, &base, "version=3&geltend=1&schritt=freigeben").await, "freigegeben");
    bed.clock.advance(Duration::from_secs(3));
    let fourth = bed.mail(&bed.a, &mail("Bauantrag Kirchplatz 1")).await;
    assert!(went(&bed, fourth).await[0].contains("Klärung"));
    let past = vera.see(&bed, &format!("{base}/verlauf")).await.text();
    assert!(
        past.contains("Fassung 2 (gilt)") && past.contains("Regel „Bauanträge“: wird ausgeschaltet."),
        "{past}"
    );
    assert!(past.contains(said), "{past}");
    done(&vera.post(&bed, &base, "version=4&fassung=1&schritt=zurueck").await, "zurueck");
    let page = vera.see(&bed, &base).await.text();
    assert!(page.contains("Regel „Bauanträge“: wird eingeschaltet."), "{page}");
    done(&vera.post(&bed, &base, "version=5&geltend=2&schritt=freigeben").await, "freigegeben");
    bed.clock.advance(Duration::from_secs(3));
    let fifth = bed.mail(&bed.a, &mail("Bauantrag Am Bahnhof")).await;
    assert_eq!(went(&bed, fifth).await, ["Arbeitskorb „Bauamt“"]);

    // Taken out for good, it leaves the history as it was.
    done(&vera.post(&bed, &base, &format!("version=6&regel={rule}&schritt=entfernen")).await, "entwurf");
    done(&vera.post(&bed, &base, "version=7&geltend=3&schritt=freigeben").await, "freigegeben");
    let past = vera.see(&bed, &format!("{base}/verlauf")).await.text();
    assert!(past.contains("Fassung 4 (gilt)") && past.contains("Regel „Bauanträge“ entfällt."), "{past}");

    for said in [
        "Regel „Bauanträge“ im Entwurf geschrieben.",
        "Fassung 1 als Entwurf übernommen.",
        "Fassung 4 freigegeben.",
    ] {
        assert!(past.contains(&format!("Vera Verwaltung: {said}")), "{said}: {past}");
    }

    // All of it is evidence in her name.
    let mut tx = bed.hub.db().read(Scope::Tenant(bed.a.tenant)).await.unwrap();
    let chain = evidence::chain(&mut tx, bed.a.tenant, &Subject::rules(bed.a.tenant)).await.unwrap();
    let who = format!("principal:{}", vera.id);
    assert!(chain.len() >= 12 && chain.iter().all(|e| e.who == who), "{chain:#?}");
    let bodies: Vec<Value> = chain.iter().map(|e| serde_json::from_str(&e.body).unwrap()).collect();
    let released: Vec<i64> = bodies.iter().filter_map(|b| b["released"].as_i64()).collect();
    assert_eq!(released, [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_two_are_needed_one_is_refused() {
    let bed = Bed::new().await;
    let vera = admin(&bed, &bed.a, "verwaltung", "Vera Verwaltung").await;
    let anton = admin(&bed, &bed.a, "anton", "Anton Amtmann").await;
    let operator = signed(&bed, bed.operator).await;
    let bauamt = desk(&bed, "Bauamt").await;
    let base = format!("/verwaltung/{}/regeln", bed.a.tenant);
    assert_eq!(operator.see(&bed, &base).await.status, StatusCode::NOT_FOUND);
    done(&vera.post(&bed, &base, "version=0&schritt=zu-zweit").await, "zu-zweit");
    done(&vera.post(&bed, &format!("{base}/neu"), &line(1, "Bau", "Bau", bauamt)).await, "entwurf");
    let alone = vera.post(&bed, &base, "version=2&geltend=0&schritt=freigeben").await;
    assert!(
        alone.status == StatusCode::FORBIDDEN && alone.text().contains("nur zu zweit"),
        "{}",
        alone.text()
    );
    done(&vera.post(&bed, &base, "version=2&schritt=vorlegen").await, "vorgelegt");
    let alone = vera.post(&bed, &base, "version=3&geltend=0&schritt=freigeben").await;
    assert_eq!(alone.status, StatusCode::FORBIDDEN);
    // Nor can she do away with the second.
    let alone = vera.post(&bed, &base, "version=3&schritt=allein").await;
    assert_eq!(alone.status, StatusCode::FORBIDDEN);
    // A change takes the proposal back.
    done(&anton.post(&bed, &format!("{base}/neu"), &line(3, "Hund", "Hund", bauamt)).await, "entwurf");
    let early = anton.post(&bed, &base, "version=4&geltend=0&schritt=freigeben").await;
    assert_eq!(early.status, StatusCode::FORBIDDEN);
    done(&anton.post(&bed, &base, "version=4&schritt=vorlegen").await, "vorgelegt");
    // The operator finds it, sees rules and no more, and may be the second.
    assert!(operator.see(&bed, "/betrieb/regeln").await.text().contains(&base));
    let page = operator.see(&bed, &base).await.text();
    assert!(
        page.contains("Anton Amtmann hat ihn zur Freigabe vorgelegt") && !page.contains("Neue Regel</span>"),
        "{page}"
    );
    for path in ["/pruefen", "/neu"] {
        assert_eq!(
            operator.see(&bed, &format!("{base}{path}")).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let changed = operator.post(&bed, &base, "version=5&schritt=verwerfen").await;
    assert_eq!(changed.status, StatusCode::FORBIDDEN);
    done(&operator.post(&bed, &base, "version=5&geltend=0&schritt=freigeben").await, "freigegeben");
    let past = vera.see(&bed, &format!("{base}/verlauf")).await.text();
    assert!(past.contains("vorgelegt von Anton Amtmann, freigegeben von Olga Operator"), "{past}");
    let over = operator.post(&bed, &base, "version=6&schritt=allein").await;
    assert_eq!(over.header("location"), "/betrieb/regeln");
    assert_eq!(operator.see(&bed, &base).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_one_is_told() {
    let bed = Bed::new().await;
    let vera = admin(&bed, &bed.a, "verwaltung", "Vera Verwaltung").await;
    let anton = admin(&bed, &bed.a, "anton", "Anton Amtmann").await;
    let bauamt = desk(&bed, "Bauamt").await;
    let base = format!("/verwaltung/{}/regeln", bed.a.tenant);
    done(&vera.post(&bed, &format!("{base}/neu"), &line(0, "Bau", "Bau", bauamt)).await, "entwurf");
    let late = anton.post(&bed, &format!("{base}/neu"), &line(0, "Hund", "Hundesteuer", bauamt)).await;
    let text = late.text();
    assert!(late.status == StatusCode::CONFLICT && text.contains("Jemand anderes hat den Entwurf"), "{text}");
    assert!(text.contains("value=\"Hundesteuer\""), "what was typed is still there: {text}");
    let late = anton.post(&bed, &base, "version=0&schritt=verwerfen").await;
    assert!(
        late.status == StatusCode::CONFLICT && late.text().contains("Neue Regel „Bau“"),
        "{}",
        late.text()
    );
    // Rules that came into force meanwhile (by the operator's file) are not run over either.
    bed.connector(&bed.a, "Ablage", "Ablage").await;
    let late = vera.post(&bed, &base, "version=1&geltend=0&schritt=freigeben").await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    let page = vera.see(&bed, &base).await.text();
    assert!(page.contains("andere Regeln in Kraft getreten (Fassung 1)"), "{page}");
    assert!(page.contains("Regel „Regel für Ablage“ entfällt."), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_rule_gets_its_sentence() {
    let bed = Bed::new().await;
    let vera = admin(&bed, &bed.a, "verwaltung", "Vera Verwaltung").await;
    let bauamt = desk(&bed, "Bauamt").await;
    let foreign = bed.hub.add_desk(bed.b.administration, "Fremd", &[bed.b.tenant], &who()).await.unwrap();
    let new = format!("/verwaltung/{}/regeln/neu", bed.a.tenant);
    let form = |condition: &str, action: &str| {
        format!("version=0&name=Probe&aktiv=ja&{condition}&{action}&schritt=speichern")
    };
    let to_desk = format!("aktion=desk:{bauamt}");
    for (condition, action, said) in [
        ("art=cel&cel=msg.subject.contains(", to_desk.as_str(), "ist in Zeile 1, Stelle"),
        ("art=cel&cel=msg.betreff == 'x'", &to_desk, "betreff"),
        ("art=cel&cel=msg.size", &to_desk, "wahr oder falsch"),
        ("art=zeilen&feld=anlagen-ab&wert=viele", &to_desk, "Zeile 1 der Bedingung ist unvollständig"),
        ("art=zeilen", &to_desk, "Zeile 1 der Bedingung ist unvollständig"),
        ("art=cel&cel=true", "", "sagt nicht, was geschehen soll"),
        ("art=cel&cel=true", &format!("aktion=desk:{foreign}"), "für diesen Mandanten nicht gibt"),
        ("art=cel&cel=true", "adressen=keine-adresse", "für diesen Mandanten nicht gibt"),
    ] {
        let answer = vera.post(&bed, &new, &form(condition, action)).await;
        let text = answer.text();
        assert!(
            answer.status == StatusCode::UNPROCESSABLE_ENTITY && text.contains(said),
            "{condition}: {text}"
        );
        assert!(text.contains("value=\"Probe\""), "{text}");
    }
    // More lines on request, without a script; nothing is kept by that.
    let more = vera
        .post(&bed, &new, "version=0&name=Probe&art=zeilen&feld=eilig&wert=&zeilen=6&schritt=zeilen")
        .await;
    assert!(
        more.text().contains("id=\"feld-6\"") && more.text().contains("value=\"eilig\" selected"),
        "{}",
        more.text()
    );
    // A condition by hand stays as it is.
    let cel = "msg.urgent %26%26 (msg.automatic || msg.size > 5)";
    done(
        &vera
            .post(&bed, &new, &form(&format!("art=cel&cel={cel}"), &format!("{to_desk}&aktion=priority")))
            .await,
        "entwurf",
    );
    let twice =
        vera.post(&bed, &new, &form("art=cel&cel=true", &to_desk).replace("version=0", "version=1")).await;
    assert!(twice.text().contains("gibt es schon"), "{}", twice.text());
    let page = vera.see(&bed, &format!("/verwaltung/{}/regeln", bed.a.tenant)).await.text();
    assert!(page.contains("CEL: msg.urgent &#38;&#38; (msg.automatic || msg.size &#62; 5)"), "{page}");
    let href = page
        .split("/regeln/")
        .find(|p| p.contains("\">Probe</a>"))
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let form = vera.see(&bed, &format!("/verwaltung/{}/regeln/{href}", bed.a.tenant)).await.text();
    assert!(form.contains("value=\"cel\" checked") && form.contains("value=\"priority\" checked"), "{form}");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_see_and_do_nothing() {
    let bed = Bed::new().await;
    let strange = admin(&bed, &bed.b, "fremd", "Frieda Fremd").await;
    let base = format!("/verwaltung/{}/regeln", bed.a.tenant);
    let (clerk, csrf) = bed.session(bed.a.clerk).await;
    for path in ["", "/neu", "/pruefen?anzahl=20", "/verlauf"] {
        assert_eq!(strange.see(&bed, &format!("{base}{path}")).await.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(bed.see(&format!("{base}{path}"), &clerk).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for step in ["schritt=zu-zweit", "schritt=freigeben&geltend=0", "schritt=zurueck&fassung=1"] {
        let answer = strange.post(&bed, &base, &format!("version=0&{step}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{step}");
        let form = format!("csrf={csrf}&version=0&{step}");
        assert_eq!(
            bed.post(&base, "192.0.2.1", &[("cookie", &clerk)], &form).await.status,
            StatusCode::NOT_FOUND
        );
    }
    let vera = admin(&bed, &bed.a, "verwaltung", "Vera Verwaltung").await;
    let forged =
        bed.post(&base, "192.0.2.1", &[("cookie", &vera.cookie)], "csrf=x&version=0&schritt=zu-zweit").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_does_the_same() {
    let bed = Bed::new().await;
    let bauamt = desk(&bed, "Bauamt").await;
    let token = service(&bed.hub, bed.a.tenant, "regelwerk", Role::TenantAdmin).await;
    let base = format!("/api/v1/tenants/{}/rules", bed.a.tenant);
    let send = async |method: &str, path: String, body: Value, token: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        bed.ask(request.body(body.to_string().into()).unwrap()).await
    };
    let id = bed.mail(&bed.a, &mail("Bauantrag")).await;
    let rule = json!({
        "name": "Bau", "condition": "msg.subject.contains('Bau')", "actions": [{ "do": "to_desk", "desk": bauamt }],
    });
    let wanted = json!({ "version": 0, "rules": [rule] });
    let prepared = send("PUT", base.clone(), wanted.clone(), &token).await.json();
    assert_eq!(
        (&prepared["version"], &prepared["draft"][0]["name"]),
        (&json!(1), &json!("Bau")),
        "{prepared}"
    );
    let late = send("PUT", base.clone(), wanted, &token).await;
    assert_eq!((late.status, &late.json()["code"]), (StatusCode::CONFLICT, &json!("PST-RULE-0013")));
    let bad = json!({ "version": 1, "rules": [{ "name": "x", "condition": "msg.(", "actions": [{ "do": "priority" }] }] });
    let bad = send("PUT", base.clone(), bad, &token).await;
    assert_eq!(
        (bad.status, &bad.json()["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("PST-RULE-0002"))
    );
    let tried = send("POST", format!("{base}/test"), json!({ "message": id }), &token).await.json();
    assert_eq!(tried["messages"][0]["would"], json!(["Arbeitskorb „Bauamt“"]), "{tried}");
    assert_eq!(tried["messages"][0]["rule"], "Bau");
    let many = send("POST", format!("{base}/test"), json!({ "latest": 10 }), &token).await.json();
    assert_eq!((&many["tried"], &many["same"]), (&json!(1), &json!(0)));
    let released =
        send("POST", format!("{base}/release"), json!({ "version": 1, "released": 0 }), &token).await;
    assert_eq!((released.status, &released.json()["released"]), (StatusCode::CREATED, &json!(1)));
    let past =
        bed.get(&format!("{base}/history"), &[("authorization", &format!("Bearer {token}"))]).await.json();
    assert_eq!(past["releases"][0]["released_by"], "Fachverfahren", "{past}");
    // A token that only reads mail, or of another tenant, gets nothing.
    for other in [&bed.a.reader, &bed.b.reader, &bed.a.intake] {
        let answer =
            send("POST", format!("{base}/release"), json!({ "version": 2, "released": 1 }), other).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
}

/// Neither more rules nor more releases make these pages ask the database more often.
#[tokio::test(flavor = "multi_thread")]
async fn pages_cost_few_statements() {
    let bed = Bed::new().await;
    let vera = admin(&bed, &bed.a, "verwaltung", "Vera Verwaltung").await;
    let node = bed.second_node().await;
    let cost = async |path: &str| {
        let path = format!("/verwaltung/{}/{path}", bed.a.tenant);
        let request =
            Request::get(path).header("cookie", &vera.cookie).body(axum::body::Body::empty()).unwrap();
        let before = node.hub.db().statements();
        assert_eq!(ask(&node.router, request).await.status, StatusCode::OK);
        node.hub.db().statements() - before
    };
    let all = async || [cost("regeln").await, cost("regeln/verlauf").await, cost("ziele").await];
    bed.connector(&bed.a, "Erste", "x").await;
    all().await;
    let few = all().await;
    for name in ["Zweite", "Dritte", "Vierte"] {
        bed.connector(&bed.a, name, "x").await;
    }
    assert_eq!(all().await, few);
    assert!(few.iter().all(|n| *n <= 30), "{few:?}");
}
