// SPDX-License-Identifier: EUPL-1.2
//! The wall between tenants: every route, asked by everybody who must not know, with a foreign tenant's ids in every
//! place that takes one.
//!
//! The routes come from the router's own table; what a route takes stands in [`CASES`], and a route or a path
//! parameter that is missing there fails the test. All that is planted in the foreign tenant carries [`MARK`]; it must
//! not come through, nor any id that was not in the request. What is foreign and what does not
//! exist get the same answer, and nothing of the foreign tenant changes.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use poststelle_model::Role;
use poststelle_model::people::{Grant, Place};
use uuid::Uuid;

use crate::bed::{Answer, Bed, hostile_mail, person, who};
use crate::strangers::{Caller, Kind, MARK, World};

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Path(&'static str),
    Query(&'static str),
    Header(&'static str),
    Form(&'static str),
    Json(&'static str),
}

/// One route and what it takes beside its path.
struct Case {
    method: &'static str,
    path: &'static str,
    takes: &'static [(At, Kind)],
    /// `form`, `json`, `mail` or nothing.
    body: &'static str,
}

const fn case(method: &'static str, path: &'static str) -> Case {
    Case { method, path, takes: &[], body: "" }
}

const CASES: &[Case] = &[
    case("get", "/"),
    case("get", "/anmelden"),
    Case { takes: &[(At::Form("login"), Kind::Login)], body: "form", ..case("post", "/anmelden") },
    case("get", "/anmelden/code"),
    Case { body: "form", ..case("post", "/anmelden/code") },
    Case { body: "form", ..case("post", "/abmelden") },
    case("get", "/konto"),
    case("get", "/konto/passwort"),
    Case { body: "form", ..case("post", "/konto/passwort") },
    Case { body: "form", ..case("post", "/konto/sitzungen/{session}/beenden") },
    case("get", "/konto/zweiter-faktor"),
    Case { body: "form", ..case("post", "/konto/zweiter-faktor") },
    Case { body: "form", ..case("post", "/konto/zweiter-faktor/entfernen") },
    Case { takes: &[(At::Form("wer"), Kind::Colleague)], body: "form", ..case("post", "/konto/vertretung") },
    Case { body: "form", ..case("post", "/konto/vertretung/{deputy}/beenden") },
    case("get", "/arbeit"),
    Case {
        takes: &[(At::Query("mandant"), Kind::Tenant), (At::Query("vor"), Kind::Cursor)],
        ..case("get", "/arbeit/{desk}")
    },
    Case { body: "form", ..case("post", "/vorgaenge/{tenant}/{item}") },
    // In this order, after the desk and before anything is taken out: what the owner's page proposes the owner's
    // program agrees to; then it is given out.
    case("get", "/quarantaene"),
    case("get", "/quarantaene/{tenant}/{id}/{held}"),
    Case { body: "form", ..case("post", "/quarantaene/{tenant}/{id}/{held}") },
    case("get", "/api/v1/tenants/{tenant}/quarantine"),
    case("get", "/api/v1/messages/{tenant}/{id}/parts/{n}/hold"),
    Case { body: "json", ..case("post", "/api/v1/messages/{tenant}/{id}/parts/{n}/hold") },
    Case {
        takes: &[(At::Query("mandant"), Kind::Tenant), (At::Query("vor"), Kind::Cursor)],
        ..case("get", "/nachrichten")
    },
    Case { body: "form", ..case("post", "/nachrichten/{tenant}/{id}/vermerke") },
    case("get", "/nachrichten/{tenant}/{id}"),
    case("get", "/nachrichten/{tenant}/{id}/original"),
    case("get", "/nachrichten/{tenant}/{id}/teile/{n}"),
    case("get", "/nachrichten/{tenant}/{id}/anhaenge.zip"),
    case("get", "/nachrichten/{tenant}/{id}/uebergaben/{delivery}/fortsetzen"),
    Case { body: "form", ..case("post", "/nachrichten/{tenant}/{id}/uebergaben/{delivery}/fortsetzen") },
    case("get", "/nachrichten/{tenant}/{id}/pruefprotokoll"),
    case("get", "/nachrichten/{tenant}/{id}/pruefprotokoll/json"),
    case("get", "/nachrichten/{tenant}/{id}/pruefprotokoll/pdf"),
    Case { body: "form", ..case("post", "/nachrichten/{tenant}/{id}/pruefen") },
    case("get", "/api/v1/messages/{tenant}/{id}/sheet"),
    case("post", "/api/v1/messages/{tenant}/{id}/checks"),
    case("get", "/buecher"),
    Case { takes: &[(At::Query("q"), Kind::Word)], ..case("get", "/buecher/{tenant}/{book}") },
    Case { takes: &[(At::Query("q"), Kind::Word)], ..case("get", "/buecher/{tenant}/{book}/csv") },
    case("get", "/nachrichten/{tenant}/{id}/teile/{picture}/ansehen"),
    case("get", "/nachrichten/{tenant}/{id}/teile/{picture}/vorschau"),
    Case {
        takes: &[
            (At::Query("mandant"), Kind::Tenant),
            (At::Query("vor"), Kind::Cursor),
            (At::Query("q"), Kind::Word),
        ],
        ..case("get", "/suche")
    },
    Case {
        takes: &[(At::Query("mandant"), Kind::Tenant), (At::Query("nachricht"), Kind::Message)],
        ..case("get", "/neues")
    },
    Case { body: "form", ..case("post", "/nachrichten/{tenant}/{id}/entwurf") },
    case("get", "/schreiben"),
    Case { takes: &[(At::Form("von"), Kind::Sender)], body: "form", ..case("post", "/schreiben") },
    case("get", "/entwuerfe"),
    // In the order in which the owner does it: each step makes a new version.
    case("get", "/entwuerfe/{tenant}/{draft}"),
    Case { body: "multipart", ..case("post", "/entwuerfe/{tenant}/{draft}") },
    Case { body: "file", ..case("post", "/entwuerfe/{tenant}/{draft}/anlagen") },
    case("get", "/entwuerfe/{tenant}/{draft}/anlagen/{part}"),
    Case { body: "octets", ..case("put", "/entwuerfe/{tenant}/{draft}/anlagen/{part}") },
    case("get", "/entwuerfe/{tenant}/{draft}/anlagen/{part}/datei"),
    case("get", "/entwuerfe/{tenant}/{draft}/loeschen"),
    Case { body: "form", ..case("post", "/entwuerfe/{tenant}/{draft}/loeschen") },
    case("get", "/betrieb"),
    Case { body: "form", ..case("post", "/betrieb/alarme/{alarm}/kenntnis") },
    case("get", "/verwaltung"),
    case("get", "/verwaltung/{tenant}"),
    case("get", "/verwaltung/{tenant}/personen"),
    Case { body: "form", ..case("post", "/verwaltung/{tenant}/personen") },
    case("get", "/verwaltung/{tenant}/personen/{person}"),
    Case { body: "form", ..case("post", "/verwaltung/{tenant}/personen/{person}") },
    case("get", "/verwaltung/{tenant}/koerbe"),
    Case { body: "form", ..case("post", "/verwaltung/{tenant}/koerbe") },
    Case { body: "form", ..case("post", "/verwaltung/{tenant}/koerbe/{korb}") },
    case("get", "/verwaltung/{tenant}/postfaecher"),
    Case { body: "form", ..case("post", "/verwaltung/{tenant}/postfaecher") },
    Case { body: "form", ..case("post", "/verwaltung/{tenant}/postfaecher/{postfach}") },
    case("get", "/verwaltung/{tenant}/aenderungen"),
    case("get", "/verwaltung/{tenant}/aenderungen/csv"),
    // In the order in which the owner does it: each step makes a new version.
    Case {
        takes: &[(At::Query("nachricht"), Kind::Message)],
        ..case("get", "/verwaltung/{tenant}/regeln/pruefen")
    },
    case("get", "/verwaltung/{tenant}/regeln/verlauf"),
    case("get", "/verwaltung/{tenant}/regeln/{rule}"),
    Case {
        takes: &[(At::Form("aktion"), Kind::Action)],
        body: "form",
        ..case("post", "/verwaltung/{tenant}/regeln/{rule}")
    },
    case("get", "/verwaltung/{tenant}/regeln"),
    Case {
        takes: &[(At::Form("regel"), Kind::Rule)],
        body: "form",
        ..case("post", "/verwaltung/{tenant}/regeln")
    },
    case("get", "/verwaltung/{tenant}/ziele"),
    case("get", "/verwaltung/{tenant}/ziele/{connector}"),
    Case { body: "form", ..case("post", "/verwaltung/{tenant}/ziele/{connector}") },
    Case { body: "form", ..case("post", "/verwaltung/{tenant}/ziele/{connector}/pruefen") },
    case("get", "/betrieb/regeln"),
    case("get", "/hilfe"),
    case("get", "/health/live"),
    case("get", "/health/ready"),
    case("get", "/metrics"),
    case("get", "/static/{digest}/{*name}"),
    case("get", "/api/v1/openapi.json"),
    Case {
        takes: &[(At::Query("tenant"), Kind::Tenant), (At::Query("before"), Kind::Cursor)],
        ..case("get", "/api/v1/messages")
    },
    Case {
        takes: &[
            (At::Header("x-poststelle-mailbox"), Kind::Mailbox),
            (At::Header("idempotency-key"), Kind::Key),
        ],
        body: "mail",
        ..case("post", "/api/v1/messages")
    },
    case("get", "/api/v1/messages/{tenant}/{id}"),
    case("get", "/api/v1/messages/{tenant}/{id}/timeline"),
    case("get", "/api/v1/messages/{tenant}/{id}/original"),
    case("get", "/api/v1/messages/{tenant}/{id}/parts/{n}"),
    Case { body: "json", ..case("post", "/api/v1/messages/{tenant}/{id}/deliveries/{delivery}/resume") },
    Case {
        takes: &[
            (At::Query("tenant"), Kind::Tenant),
            (At::Query("before"), Kind::Cursor),
            (At::Query("q"), Kind::Word),
        ],
        ..case("get", "/api/v1/search")
    },
    case("get", "/api/v1/drafts"),
    Case {
        takes: &[(At::Json("tenant"), Kind::Tenant), (At::Json("mailbox"), Kind::Mailbox)],
        body: "json",
        ..case("post", "/api/v1/drafts")
    },
    // Again in the order in which an owner does it.
    case("get", "/api/v1/drafts/{tenant}/{draft}"),
    Case { body: "json", ..case("put", "/api/v1/drafts/{tenant}/{draft}") },
    Case { body: "octets", ..case("post", "/api/v1/drafts/{tenant}/{draft}/parts") },
    case("delete", "/api/v1/drafts/{tenant}/{draft}/parts/{part}"),
    Case { body: "json", ..case("post", "/api/v1/drafts/{tenant}/{draft}/send") },
    Case { body: "json", ..case("post", "/api/v1/drafts/{tenant}/{draft}/withdraw") },
    case("delete", "/api/v1/drafts/{tenant}/{draft}"),
    case("get", "/api/v1/tenants/{tenant}/text-blocks"),
    Case { body: "json", ..case("post", "/api/v1/tenants/{tenant}/text-blocks") },
    Case { body: "json", ..case("put", "/api/v1/tenants/{tenant}/text-blocks/{block}") },
    case("delete", "/api/v1/tenants/{tenant}/text-blocks/{block}"),
    case("get", "/textbausteine"),
    case("get", "/textbausteine/{tenant}"),
    case("get", "/textbausteine/{tenant}/{block}"),
    Case { body: "form", ..case("post", "/textbausteine/{tenant}/{block}") },
    Case { body: "form", ..case("post", "/textbausteine/{tenant}") },
    case("get", "/api/v1/tenants/{tenant}/people"),
    Case { body: "json", ..case("post", "/api/v1/tenants/{tenant}/people") },
    case("get", "/api/v1/tenants/{tenant}/people/{person}"),
    Case { body: "json", ..case("put", "/api/v1/tenants/{tenant}/people/{person}") },
    case("post", "/api/v1/tenants/{tenant}/people/{person}/password"),
    case("delete", "/api/v1/tenants/{tenant}/people/{person}/second-factor"),
    Case { body: "json", ..case("put", "/api/v1/tenants/{tenant}/people/{person}/grants") },
    case("get", "/api/v1/tenants/{tenant}/people/{person}/tokens"),
    Case { body: "json", ..case("post", "/api/v1/tenants/{tenant}/people/{person}/tokens") },
    case("delete", "/api/v1/tenants/{tenant}/people/{person}/tokens/{name}"),
    case("get", "/api/v1/tenants/{tenant}/deputies"),
    Case {
        takes: &[(At::Json("person"), Kind::Person), (At::Json("deputy"), Kind::Colleague)],
        body: "json",
        ..case("post", "/api/v1/tenants/{tenant}/deputies")
    },
    case("delete", "/api/v1/tenants/{tenant}/deputies/{deputy}"),
    case("get", "/api/v1/tenants/{tenant}/desks"),
    Case { body: "json", ..case("post", "/api/v1/tenants/{tenant}/desks") },
    Case { body: "json", ..case("put", "/api/v1/tenants/{tenant}/desks/{desk}") },
    case("get", "/api/v1/tenants/{tenant}/mailboxes"),
    Case { body: "json", ..case("post", "/api/v1/tenants/{tenant}/mailboxes") },
    Case { body: "json", ..case("put", "/api/v1/tenants/{tenant}/mailboxes/{mailbox}") },
    Case { body: "json", ..case("post", "/api/v1/tenants/{tenant}/mailboxes/{mailbox}/addresses") },
    case("get", "/api/v1/tenants/{tenant}/changes"),
    case("get", "/api/v1/tenants/{tenant}/rules"),
    Case { body: "json", ..case("put", "/api/v1/tenants/{tenant}/rules") },
    Case {
        takes: &[(At::Json("message"), Kind::Message)],
        body: "json",
        ..case("post", "/api/v1/tenants/{tenant}/rules/test")
    },
    Case { body: "json", ..case("post", "/api/v1/tenants/{tenant}/rules/release") },
    case("get", "/api/v1/tenants/{tenant}/rules/history"),
    case("get", "/api/v1/tenants/{tenant}/connectors"),
    Case { body: "json", ..case("post", "/api/v1/tenants/{tenant}/connectors") },
    Case { body: "json", ..case("put", "/api/v1/tenants/{tenant}/connectors/{connector}") },
    case("post", "/api/v1/tenants/{tenant}/connectors/{connector}/check"),
    case("get", "/api/v1/balance"),
    case("get", "/api/v1/status"),
    case("get", "/api/v1/tenants/{tenant}/log/checkpoint"),
    case("get", "/api/v1/tenants/{tenant}/log/tile/{*path}"),
];

/// What the operator oversees: held parts, never the mail.
const OVERSEEN: [&str; 3] = ["/quarantaene", "/hold", "/quarantine"];

/// What a path parameter takes; `None` = nothing of a tenant, and these values are tried.
fn of_parameter(path: &str, name: &str) -> Result<Kind, &'static [&'static str]> {
    Ok(match name {
        "draft" if path.starts_with("/api/") => Kind::ApiDraft,
        "part" if path.starts_with("/api/") => Kind::ApiDraftPart,
        "person" if path.contains("/tokens") => Kind::Service,
        "person" => Kind::Person,
        "deputy" => Kind::Deputy,
        "korb" => Kind::Korb,
        "desk" if path.starts_with("/api/") => Kind::Korb,
        "postfach" | "mailbox" => Kind::Mailbox,
        "name" => return Err(&["erstes"]),
        "tenant" => Kind::Tenant,
        "id" => Kind::Message,
        "delivery" => Kind::Delivery,
        "item" => Kind::Item,
        "block" if path.starts_with("/api/") => Kind::ApiTextBlock,
        "block" => Kind::TextBlock,
        "desk" => Kind::Desk,
        "draft" => Kind::Draft,
        "part" => Kind::DraftPart,
        "alarm" => Kind::Alarm,
        "rule" => Kind::Rule,
        "connector" => Kind::Connector,
        "n" if path.ends_with("/hold") => return Err(&["2", "99"]),
        "held" => return Err(&["2", "99"]),
        "n" => return Err(&["1", "99"]),
        "session" => return Err(&["0123456789abcdef"]),
        "book" => return Err(&["eingang", "ausgang"]),
        "picture" => return Err(&["3", "99"]),
        "digest" => return Err(&["0123"]),
        "*name" => return Err(&["poststelle.css"]),
        "*path" => return Err(&["0/000.p/1", "entries/000.p/1"]),
        other => panic!("say what the parameter {{{other}}} takes"),
    })
}

fn parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('{').skip(1).map(|p| p.split('}').next().unwrap())
}

/// Whose value stands in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Own,
    Foreign,
    /// Left out; places in a path cannot be.
    None,
}

impl World {
    /// The request of a case with these values in its places: `places[i]` is (where, kind, index of the value).
    fn request(
        &self,
        case: &Case,
        fixed: &str,
        places: &[(At, Kind, usize)],
        caller: &Caller,
    ) -> Request<Body> {
        let encode = |text: &str| text.replace('&', "%26").replace(' ', "%20");
        let mut path = case.path.to_owned();
        let mut query = Vec::new();
        if case.method == "delete" {
            let version = if case.path.contains("text-blocks") { 2 } else { self.draft_version + 5 };
            query.push(format!("version={version}"));
        }
        let mut members = self.members_for(case.path);
        // Nobody is signed out: their session is still needed.
        let csrf = if case.path == "/abmelden" { "falsch".to_owned() } else { caller.csrf.clone() };
        let mut form = vec![format!("csrf={csrf}")];
        // An item as it was laid down; a delivery as it stands.
        let version = self.version_for(case.path);
        match case.path.starts_with("/vorgaenge/") {
            true => form.push("version=1&schritt=uebernehmen&text=Vermerk".to_owned()),
            false => form.push(format!("version={version}&text=Vermerk")),
        }
        if case.path == "/anmelden" {
            form.push("password=falsch-geraten".to_owned());
        }
        let mut request = Request::builder();
        for (at, kind, which) in places {
            let value = self.value(*kind, *which);
            match at {
                At::Path(name) => path = path.replace(&format!("{{{name}}}"), value),
                At::Query(name) => query.push(format!("{name}={}", encode(value))),
                At::Header(name) => request = request.header(*name, value),
                At::Form(name) => form.push(format!("{name}={}", encode(value))),
                At::Json(name) => members.push(format!("\"{name}\":\"{value}\"")),
            }
        }
        form.push(self.fields_for(case.path));
        for name in parameters(case.path) {
            path = path.replace(&format!("{{{name}}}"), fixed);
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        for (name, value) in &caller.headers {
            request = request.header(*name, value);
        }
        request = request.header("x-csrf-token", csrf.as_str()).header("upload-offset", "0");
        let (kind, body) = match case.body {
            "form" => ("application/x-www-form-urlencoded", form.join("&")),
            "json" => ("application/json", format!("{{{}}}", members.join(","))),
            "file" => ("application/json", "{\"name\":\"Plan.pdf\",\"size\":5}".to_owned()),
            "octets" => ("application/octet-stream", "12345".to_owned()),
            "multipart" => {
                let fields =
                    [("csrf", csrf.as_str()), ("version", &version.to_string()), ("betreff", "Vermerk")];
                let field = |(name, value): (&str, &str)| {
                    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                };
                ("multipart/form-data; boundary=b", fields.map(field).concat() + "--b--\r\n")
            }
            "mail" => ("message/rfc822", "From: a@b.example\r\nSubject: x\r\n\r\nx\r\n".to_owned()),
            _ => {
                return request
                    .method(case.method.to_uppercase().as_str())
                    .uri(path)
                    .body(Body::empty())
                    .unwrap();
            }
        };
        let request =
            request.method(case.method.to_uppercase().as_str()).uri(path).header("content-type", kind);
        request.body(Body::from(body)).unwrap()
    }

    /// Nothing of the foreign tenant in an answer to a request that named `places`.
    fn holds(&self, what: &str, caller: &Caller, answer: &Answer, places: &[(At, Kind, usize)]) {
        let told = format!("{:?}\n{}", answer.headers, answer.text());
        assert!(!answer.status.is_server_error(), "{what}: {told}");
        // What was asked with may be said again; and the operator may know which tenants there are.
        let asked: Vec<&str> = places.iter().map(|(_, kind, which)| self.value(*kind, *which)).collect();
        let mut words = told.clone();
        for value in &asked {
            words = words.replace(value, "");
        }
        assert!(!words.to_lowercase().contains(MARK), "{what}: {told}");
        for id in &self.ids {
            let may = caller.name == "the operator" && *id == self.bed.b.tenant.to_string();
            assert!(may || !words.contains(id), "{what} tells {id}: {told}");
        }
    }
}

/// All ways to fill the places of a case with own and foreign values, at least one of them foreign.
fn fillings(places: &[(At, Kind)]) -> Vec<Vec<Whose>> {
    let mut all = vec![Vec::new()];
    for (at, _) in places {
        let choices: &[Whose] = match at {
            At::Path(_) => &[Whose::Own, Whose::Foreign],
            _ => &[Whose::Own, Whose::Foreign, Whose::None],
        };
        let longer = |filling: &Vec<Whose>, choice: &Whose| {
            let mut filling = filling.clone();
            filling.push(*choice);
            filling
        };
        all = all.iter().flat_map(|f| choices.iter().map(move |c| longer(f, c))).collect();
    }
    all.retain(|f| f.contains(&Whose::Foreign));
    all
}

/// The answer without what may differ: ids, whichever they are.
fn likeness(world: &World, answer: &Answer) -> (StatusCode, Vec<(String, String)>, String) {
    let plain = |text: &str| {
        let mut text = text.to_owned();
        for values in world.values.values() {
            for value in &values[1..] {
                text = text.replace(value, "ID");
            }
        }
        without_ids(&text)
    };
    let headers = answer.headers.iter().filter(|(name, _)| *name != "x-request-id");
    let headers = headers.map(|(n, v)| (n.to_string(), plain(&String::from_utf8_lossy(v.as_bytes()))));
    (answer.status, headers.filter(|(n, _)| n != "content-length").collect(), plain(&answer.text()))
}

/// Every UUID becomes `ID`: new messages get fresh ones.
fn without_ids(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        match rest.get(..36) {
            Some(word) if word.as_bytes()[8] == b'-' && Uuid::parse_str(word).is_ok() => {
                out.push_str("ID");
                rest = &rest[36..];
            }
            _ => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_or_touches_anything_through_the_wall() {
    let mut known: Vec<(&str, &str)> = CASES.iter().map(|c| (c.method, c.path)).collect();
    let mut routes = poststelle_web::ROUTES.to_vec();
    known.sort_unstable();
    routes.sort_unstable();
    assert_eq!(known, routes, "every route has its case");

    let world = World::new().await;
    let before = world.rows().await;
    assert!(before.iter().any(|r| r.contains("Zebra-Bauantrag")) && before.len() > 30, "{before:#?}");
    let mut asked = 0;
    for case in CASES {
        let mut places: Vec<(At, Kind)> = Vec::new();
        let mut fixed: &[&str] = &[""];
        for name in parameters(case.path) {
            match of_parameter(case.path, name) {
                Ok(kind) => places.push((At::Path(name), kind)),
                Err(values) => fixed = values,
            }
        }
        places.extend(case.takes);
        for caller in &world.callers {
            // Guessing passwords is limited by name; one stranger tells as much as all.
            if case.path == "/anmelden" && case.method == "post" && caller.name != "nobody" {
                continue;
            }
            // Of what is held the operator may know that it is, and what was found; `inspection` tells what more not.
            if caller.name == "the operator" && OVERSEEN.iter().any(|p| case.path.contains(p)) {
                continue;
            }
            // All alarms are the operator's.
            if caller.name == "the operator" && places.iter().any(|p| p.1 == Kind::Alarm) {
                continue;
            }
            for fixed in fixed {
                for filling in fillings(&places) {
                    let filled = |foreign: usize| -> Vec<(At, Kind, usize)> {
                        let chosen = places.iter().zip(&filling).filter(|(_, whose)| **whose != Whose::None);
                        chosen
                            .map(|((at, kind), w)| (*at, *kind, if *w == Whose::Own { 0 } else { foreign }))
                            .collect()
                    };
                    let (theirs, nobodys) = (filled(1), filled(2));
                    let what = format!("{} {} {filling:?} by {}", case.method, case.path, caller.name);
                    let there = world.bed.ask(world.request(case, fixed, &theirs, caller)).await;
                    let absent = world.bed.ask(world.request(case, fixed, &nobodys, caller)).await;
                    world.holds(&what, caller, &there, &theirs);
                    assert_eq!(likeness(&world, &there), likeness(&world, &absent), "{what}");
                    // A key or a cursor of others means nothing; any other foreign id is refused.
                    let harmless = theirs.iter().all(|(_, kind, which)| {
                        *which == 0 || matches!(kind, Kind::Key | Kind::Cursor | Kind::Word)
                    });
                    let refused = there.status.is_client_error()
                        || there.status == StatusCode::SEE_OTHER
                            && there.header("location").starts_with("/anmelden");
                    assert!(harmless || refused, "{what}: {} {}", there.status, there.text());
                    asked += 2;
                }
                if places.is_empty() {
                    let answer = world.bed.ask(world.request(case, fixed, &[], caller)).await;
                    world.holds(
                        &format!("{} {} by {}", case.method, case.path, caller.name),
                        caller,
                        &answer,
                        &[],
                    );
                    asked += 1;
                }
            }
        }
        // Methods that a route does not have, and HEAD where it has GET.
        let theirs: Vec<(At, Kind, usize)> = places.iter().map(|(at, kind)| (*at, *kind, 1)).collect();
        let has = |m: &str| CASES.iter().any(|c| c.path == case.path && c.method == m);
        for method in ["get", "post", "put", "patch", "delete", "head"].into_iter().filter(|m| !has(m)) {
            let case = Case { method, ..self::case(method, case.path) };
            for caller in &world.callers {
                let answer = world.bed.ask(world.request(&case, fixed[0], &theirs, caller)).await;
                let what = format!("{method} {} by {}", case.path, caller.name);
                world.holds(&what, caller, &answer, &theirs);
                let none = method != "head" || !has("get");
                assert_eq!(
                    answer.status == StatusCode::METHOD_NOT_ALLOWED,
                    none,
                    "{what}: {}",
                    answer.status
                );
                asked += 1;
            }
        }
    }
    println!("{asked} requests by {} callers", world.callers.len());
    assert_eq!(world.rows().await, before, "nothing of theirs changed");

    // The owners themselves do see it: what was looked for is there to be found.
    let mut seen = String::new();
    for case in CASES.iter().filter(|c| c.path.contains("{tenant}")) {
        let owner = &world.owners[usize::from(case.path.starts_with("/api"))];
        let mut fixed = "1";
        let mut places = Vec::new();
        for name in parameters(case.path) {
            match of_parameter(case.path, name) {
                Ok(kind) => places.push((At::Path(name), kind, 1)),
                Err(values) => fixed = values[0],
            }
        }
        let bodies = case.takes.iter().filter(|(at, _)| matches!(at, At::Json(_) | At::Form(_)));
        places.extend(bodies.map(|(at, kind)| (*at, *kind, 1)));
        let answer = world.bed.ask(world.request(case, fixed, &places, owner)).await;
        let good = answer.status.is_success() || answer.header("location").contains("hinweis=");
        assert!(good, "{} {}: {} {}", case.method, case.path, answer.status, answer.text());
        seen.push_str(&answer.text());
    }
    for planted in [
        "Zebra-Bauantrag",
        "Zebra-Entwurf",
        "zebra.pdf",
        "Zacharias Zebra",
        "zebra@geheim.example",
        "zebra.txt",
        "Zebraziel",
        "Zoe Zebra",
        "Zenta Zebra",
        "Zebrakorb",
        "zweites-zebra@zebra.example",
    ] {
        assert!(seen.contains(planted), "{planted} is nowhere");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_is_a_wall_too() {
    let bed = Bed::new().await;
    let id = bed.mail(&bed.a, &hostile_mail()).await;
    let other_box = bed.hub.add_mailbox(bed.a.tenant, "Bauamt", &who()).await.unwrap();
    let narrow = person(&bed.hub, "schmal", "Nur ein Postfach", Some(bed.a.administration)).await;
    let place = Place::Mailbox { tenant: bed.a.tenant, mailbox: other_box };
    bed.hub.grant(narrow, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
    let (cookie, _) = bed.session(narrow).await;
    let list = bed.see("/nachrichten", &cookie).await.text();
    assert!(list.contains("Hier ist noch keine Nachricht"), "{list}");
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);
    for path in ["", "/original", "/teile/1", "/teile/2/ansehen", "/teile/2/vorschau", "/anhaenge.zip"] {
        assert_eq!(bed.see(&format!("{base}{path}"), &cookie).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // The log tells about all mail of the tenant: not for somebody with one box.
    let log = format!("/api/v1/tenants/{}/log/checkpoint", bed.a.tenant);
    assert_eq!(bed.see(&log, &cookie).await.status, StatusCode::NOT_FOUND);
    // A role taken back is gone with the next request.
    let (clerk, _) = bed.session(bed.a.clerk).await;
    assert_eq!(bed.see(&base, &clerk).await.status, StatusCode::OK);
    let grant = Grant { role: Role::Clerk, place: Place::Tenant { tenant: bed.a.tenant } };
    bed.hub.revoke(bed.a.clerk, grant, &who()).await.unwrap();
    assert_eq!(bed.see(&base, &clerk).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_id_is_not_there() {
    let bed = Bed::new().await;
    let (clerk, _) = bed.session(bed.a.clerk).await;
    for bad in ["/nachrichten/x/y", "/nachrichten/%00/%0d%0a", "/nachrichten/../../etc/passwd"] {
        assert_eq!(bed.see(bad, &clerk).await.status, StatusCode::NOT_FOUND, "{bad}");
    }
    assert_eq!(bed.see("/nachrichten/%ff/%ff", &clerk).await.status, StatusCode::BAD_REQUEST);
    let anonymous = bed.get("/api/v1/messages", &[]).await;
    assert_eq!(anonymous.header("www-authenticate"), "Bearer realm=\"poststelle\"");
    assert_eq!(
        (anonymous.status, anonymous.json()["code"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("PST-API-0001"))
    );
}
