// SPDX-License-Identifier: EUPL-1.2
//! People and services of a tenant: list, one of them, and what is done with an account.
//!
//! Guarantees: a first password and a token are shown on the answer to the form that made them, nowhere else; what was
//! refused leaves the person on the page they came from, with the sentence.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_hub::administer::{Administered, NewPerson, PersonView, Places, ROLES};
use poststelle_hub::texts;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{PrincipalId, Role, TenantId};
use poststelle_store::administration::Deputy;
use serde::Deserialize;

use super::{MENU, Said, in_hand, shown};
use crate::error::Refusal;
use crate::pages::{Choice, Frame, page};
use crate::session::Person;
use crate::text;
use crate::web::Web;

struct Row {
    href: String,
    name: String,
    login: String,
    service: bool,
    roles: Vec<String>,
    state: &'static str,
    colour: &'static str,
    away: String,
}

#[derive(Template)]
#[template(path = "admin_people.html")]
struct PeoplePage {
    frame: Frame,
    csrf: String,
    tenant: String,
    back: String,
    base: String,
    people: Vec<Row>,
    roles: Vec<(&'static str, String)>,
    login: String,
    name: String,
    notice: &'static str,
    error: String,
}

/// The state of an account in words; the colour says the same.
fn state(view: &PersonView, now: poststelle_model::Timestamp) -> (&'static str, &'static str) {
    if !view.row.active {
        ("gesperrt", "danger")
    } else if view.row.locked_until > now {
        ("kurz gesperrt nach falschen Eingaben", "warning")
    } else if !view.backed {
        ("Rollen ruhen: kein Mandat", "warning")
    } else if view.row.must_change {
        ("noch nicht angemeldet", "info")
    } else {
        ("aktiv", "success")
    }
}

pub(crate) fn role_word(role: Role) -> String {
    texts::say(&format!("role-{}", role.as_str()), &[])
}

/// A place in words.
pub(crate) fn place_word(place: Place, places: &Places) -> String {
    let (scope, name) = match place {
        Place::Installation => ("installation", ""),
        Place::Tenant { .. } => ("tenant", ""),
        Place::Desk { desk, .. } => {
            ("desk", places.desks.iter().find(|d| d.id == desk).map_or("?", |d| &d.name))
        }
        Place::Mailbox { mailbox, .. } => {
            ("mailbox", places.mailboxes.iter().find(|m| m.id == mailbox).map_or("?", |m| &m.name))
        }
    };
    texts::say(&format!("change-place-{scope}"), &[("name", name)])
}

/// A place as forms carry it.
fn place_value(place: Place) -> String {
    match place {
        Place::Installation => String::new(),
        Place::Tenant { .. } => "mandant".to_owned(),
        Place::Desk { desk, .. } => format!("korb:{desk}"),
        Place::Mailbox { mailbox, .. } => format!("postfach:{mailbox}"),
    }
}

fn read_place(tenant: TenantId, text: &str) -> Result<Place, Refusal> {
    match text.split_once(':') {
        None if text == "mandant" => Ok(Place::Tenant { tenant }),
        Some(("korb", id)) => Ok(Place::Desk { tenant, desk: id.parse().map_err(|_| Refusal::not_found())? }),
        Some(("postfach", id)) => {
            Ok(Place::Mailbox { tenant, mailbox: id.parse().map_err(|_| Refusal::not_found())? })
        }
        _ => Err(Refusal::not_found()),
    }
}

/// Whose absence it is, in words; empty = they are here.
fn away(deputies: &[Deputy], id: PrincipalId, now: poststelle_model::Timestamp) -> String {
    let found = deputies.iter().find(|d| d.principal == id && d.begins_at <= now);
    found.map_or_else(String::new, |d| format!("vertreten durch {}, {}", d.deputy_name, days(d)))
}

/// The last day counts whole.
pub(crate) fn last_day(d: &Deputy) -> String {
    d.ends_at.minus(std::time::Duration::from_secs(1)).in_berlin("%d.%m.%Y")
}

pub(crate) fn days(d: &Deputy) -> String {
    format!("{} bis {}", d.begins_at.in_berlin("%d.%m.%Y"), last_day(d))
}

async fn people_page(
    web: &Web,
    person: &Person,
    hand: &Administered<'_>,
    typed: (&str, &str),
    notice: &'static str,
    refusal: Option<Refusal>,
) -> Result<Response, Refusal> {
    let now = web.now();
    let places = hand.places().await?;
    let deputies = hand.deputies().await?;
    let base = format!("{MENU}/{}/personen", hand.tenant.id);
    let people = hand.people().await?.into_iter().map(|p| {
        let (state, colour) = state(&p, now);
        Row {
            href: format!("{base}/{}", p.row.id),
            name: text::line(&p.row.name, 80),
            login: text::line(&p.row.login, 100),
            service: p.row.kind == "service",
            roles: p
                .grants
                .iter()
                .map(|g| format!("{} {}", role_word(g.role), place_word(g.place, &places)))
                .collect(),
            state,
            colour,
            away: away(&deputies, p.row.id, now),
        }
    });
    let people = people.collect();
    let title = "Personen und Dienste";
    let template = PeoplePage {
        frame: Frame::new(shown(title, refusal.as_ref()), MENU, Some(person)),
        csrf: person.signed.csrf.clone(),
        tenant: hand.tenant.name.clone(),
        people,
        roles: ROLES.iter().map(|r| (r.as_str(), role_word(*r))).collect(),
        login: typed.0.to_owned(),
        name: typed.1.to_owned(),
        notice,
        error: refusal.as_ref().map(Refusal::sentence).unwrap_or_default(),
        back: format!("{MENU}/{}", hand.tenant.id),
        base,
    };
    Ok(page(refusal.map_or(StatusCode::OK, |r| r.status), &template))
}

/// `GET /verwaltung/{tenant}/personen`.
pub(crate) async fn list(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    people_page(&web, &person, &hand, ("", ""), "", None).await
}

/// The form of somebody new.
#[derive(Deserialize)]
pub(crate) struct NewFields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    login: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    art: String,
    #[serde(default)]
    rolle: String,
}

#[derive(Template)]
#[template(path = "admin_secret.html")]
struct SecretPage {
    frame: Frame,
    /// What it is: `password` or `token`.
    token: bool,
    name: String,
    login: String,
    secret: String,
    back: String,
}

fn secret_page(person: &Person, token: bool, of: (&str, &str), secret: String, back: String) -> Response {
    let title = if token { "Neues Zugangstoken" } else { "Erstes Passwort" };
    let template = SecretPage {
        frame: Frame::new(title, MENU, Some(person)),
        token,
        name: text::line(of.0, 80),
        login: text::line(of.1, 100),
        secret,
        back,
    };
    page(StatusCode::OK, &template)
}

/// `POST /verwaltung/{tenant}/personen`.
pub(crate) async fn add(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
    Form(fields): Form<NewFields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    let role = match fields.rolle.as_str() {
        "" => None,
        word => Some(Role::parse(word).ok_or_else(Refusal::not_found)?),
    };
    let service = fields.art == "dienst";
    let new = NewPerson { login: fields.login.clone(), name: fields.name.clone(), service, role };
    let _place = web.checks().acquire().await;
    match hand.add_person(&new).await {
        Ok((id, password)) => {
            let back = format!("{MENU}/{}/personen/{id}", hand.tenant.id);
            Ok(match password {
                Some(password) => secret_page(
                    &person,
                    false,
                    (&fields.name, &fields.login.trim().to_lowercase()),
                    password,
                    back,
                ),
                None => Redirect::to(&format!("{back}?hinweis=angelegt")).into_response(),
            })
        }
        Err(error) => {
            let refusal = Refusal::here(error)?;
            people_page(&web, &person, &hand, (&fields.login, &fields.name), "", Some(refusal)).await
        }
    }
}

struct GrantRow {
    words: String,
    role: &'static str,
    place: String,
    /// One's own administration stays.
    fixed: bool,
}

struct TokenLine {
    name: String,
    until: String,
    over: bool,
}

struct DeputyLine {
    id: String,
    words: String,
}

#[derive(Template)]
#[template(path = "admin_person.html")]
struct PersonPage {
    frame: Frame,
    csrf: String,
    tenant: String,
    list: String,
    here: String,
    name: String,
    login: String,
    service: bool,
    own: bool,
    active: bool,
    locked: bool,
    second_factor: bool,
    state: &'static str,
    colour: &'static str,
    version: i64,
    elsewhere: bool,
    backed: bool,
    /// Why the account as a whole is not for these hands; empty = it is.
    closed: String,
    grants: Vec<GrantRow>,
    roles: Vec<(&'static str, String)>,
    places: Vec<(String, String)>,
    tokens: Vec<TokenLine>,
    deputies: Vec<DeputyLine>,
    colleagues: Vec<Choice>,
    today: String,
    /// A role just taken back: role, place, in words.
    undo: Option<(&'static str, String, String)>,
    notice: &'static str,
    error: String,
}

async fn person_page(
    web: &Web,
    person: &Person,
    hand: &Administered<'_>,
    id: PrincipalId,
    (notice, undo): (&'static str, Option<Grant>),
    refusal: Option<Refusal>,
) -> Result<Response, Refusal> {
    let now = web.now();
    let view = hand.person(id).await?;
    let places = hand.places().await?;
    let service = view.row.kind == "service";
    let tokens = if service { hand.tokens(id).await? } else { Vec::new() };
    let deputies = if service { Vec::new() } else { hand.deputies().await? };
    let open = view.closed.is_none();
    let colleagues =
        if service || !open { Vec::new() } else { hand.colleagues(id, view.row.administration).await? };
    let (state, colour) = state(&view, now);
    let tenant = hand.tenant.id;
    let mut choices = vec![("mandant".to_owned(), place_word(Place::Tenant { tenant }, &places))];
    for desk in places.desks.iter().filter(|d| d.tenants.contains(&tenant)) {
        let place = Place::Desk { tenant, desk: desk.id };
        choices.push((place_value(place), place_word(place, &places)));
    }
    for mailbox in &places.mailboxes {
        let place = Place::Mailbox { tenant, mailbox: mailbox.id };
        choices.push((place_value(place), place_word(place, &places)));
    }
    let list = format!("{MENU}/{tenant}/personen");
    let template = PersonPage {
        frame: Frame::new(shown(&text::line(&view.row.name, 80), refusal.as_ref()), MENU, Some(person)),
        csrf: person.signed.csrf.clone(),
        tenant: hand.tenant.name.clone(),
        here: format!("{list}/{id}"),
        list,
        name: text::line(&view.row.name, 200),
        login: text::line(&view.row.login, 100),
        service,
        own: view.own,
        active: view.row.active,
        locked: view.row.locked_until > now,
        second_factor: view.row.second_factor,
        state,
        colour,
        version: view.row.version,
        elsewhere: view.elsewhere,
        backed: view.backed,
        closed: view.closed.map(|code| texts::say(code, &[])).unwrap_or_default(),
        grants: view
            .grants
            .iter()
            .map(|g| GrantRow {
                words: format!("{} {}", role_word(g.role), place_word(g.place, &places)),
                role: g.role.as_str(),
                place: place_value(g.place),
                fixed: view.own && g.role == Role::TenantAdmin,
            })
            .collect(),
        roles: ROLES
            .iter()
            .filter(|r| service || **r != Role::Intake)
            .map(|r| (r.as_str(), role_word(*r)))
            .collect(),
        places: choices,
        tokens: tokens
            .into_iter()
            .map(|t| TokenLine {
                name: text::line(&t.name, 200),
                until: t.expires_at.in_berlin("%d.%m.%Y"),
                over: t.expires_at <= now,
            })
            .collect(),
        deputies: deputies
            .iter()
            .filter(|d| d.principal == id)
            .map(|d| DeputyLine {
                id: d.id.to_string(),
                words: format!("{}: {}", days(d), text::line(&d.deputy_name, 80)),
            })
            .collect(),
        colleagues: colleagues
            .into_iter()
            .map(|(id, name)| Choice { id: id.to_string(), name: text::line(&name, 80), chosen: false })
            .collect(),
        today: now.in_berlin("%Y-%m-%d"),
        undo: undo.filter(|g| !view.grants.contains(g)).map(|g| {
            let words = format!("{} {}", role_word(g.role), place_word(g.place, &places));
            (g.role.as_str(), place_value(g.place), words)
        }),
        notice,
        error: refusal.as_ref().map(Refusal::sentence).unwrap_or_default(),
    };
    Ok(page(refusal.map_or(StatusCode::OK, |r| r.status), &template))
}

/// `GET /verwaltung/{tenant}/personen/{person}`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id)): Path<(String, String)>,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    let id = id.parse().map_err(|_| Refusal::not_found())?;
    let notice = match said.hinweis.as_str() {
        "angelegt" => "Der Dienst ist angelegt. Er kommt herein, sobald er ein Zugangstoken hat.",
        "name" => "Der Name ist geändert.",
        "sperren" => "Das Konto ist gesperrt. Alle Sitzungen sind beendet, Zugangstoken gelten nicht mehr.",
        "oeffnen" => "Das Konto ist entsperrt.",
        "faktor" => "Der zweite Faktor ist entfernt. Zum Anmelden genügt das Passwort.",
        "rolle-geben" => "Die Rolle ist vergeben. Sie gilt ab dem nächsten Aufruf.",
        "rolle-nehmen" => "Die Rolle ist entzogen. Sie gilt ab dem nächsten Aufruf nicht mehr.",
        "vertretung" => "Die Vertretung ist eingetragen.",
        "vertretung-ende" => "Die Vertretung ist beendet.",
        "token-nehmen" => "Das Zugangstoken gilt nicht mehr.",
        _ => "",
    };
    let undo = if said.hinweis == "rolle-nehmen" {
        let place = read_place(hand.tenant.id, &said.ort).ok();
        Role::parse(&said.rolle).zip(place).map(|(role, place)| Grant { role, place })
    } else {
        None
    };
    person_page(&web, &person, &hand, id, (notice, undo), None).await
}

/// What is done with somebody.
#[derive(Deserialize)]
pub(crate) struct Fields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    schritt: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: i64,
    #[serde(default)]
    rolle: String,
    #[serde(default)]
    ort: String,
    #[serde(default)]
    wer: String,
    #[serde(default)]
    von: String,
    #[serde(default)]
    bis: String,
    #[serde(default)]
    tage: String,
}

/// `POST /verwaltung/{tenant}/personen/{person}`.
pub(crate) async fn act(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id)): Path<(String, String)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    let id: PrincipalId = id.parse().map_err(|_| Refusal::not_found())?;
    let here = format!("{MENU}/{}/personen/{id}", hand.tenant.id);
    let other = || fields.wer.parse().map_err(|_| Refusal::not_found());
    let done = match fields.schritt.as_str() {
        "passwort" => {
            let _place = web.checks().acquire().await;
            match hand.new_password(id).await {
                Ok(password) => {
                    let view = hand.person(id).await?;
                    let of = (view.row.name.as_str(), view.row.login.as_str());
                    return Ok(secret_page(&person, false, of, password, here));
                }
                Err(error) => Err(error),
            }
        }
        "token" => match hand.new_token(id, &fields.name, fields.tage.parse().unwrap_or(0)).await {
            Ok(token) => {
                let view = hand.person(id).await?;
                let of = (fields.name.as_str(), view.row.login.as_str());
                return Ok(secret_page(&person, true, of, token, here));
            }
            Err(error) => Err(error),
        },
        "name" => hand.rename_person(id, &fields.name, fields.version).await,
        "sperren" => hand.set_active(id, false).await,
        "oeffnen" => hand.set_active(id, true).await,
        "faktor" => hand.drop_second_factor(id).await,
        "rolle-geben" | "rolle-nehmen" => {
            let role = Role::parse(&fields.rolle).ok_or_else(Refusal::not_found)?;
            let grant = Grant { role, place: read_place(hand.tenant.id, &fields.ort)? };
            match hand.set_grant(id, grant, fields.schritt == "rolle-geben").await {
                // With the last role here the person is out of sight.
                Ok(false) => {
                    let list = format!("{MENU}/{}/personen?hinweis=rolle-nehmen", hand.tenant.id);
                    return Ok(Redirect::to(&list).into_response());
                }
                other => other.map(|_| ()),
            }
        }
        "vertretung" => hand.set_deputy(id, other()?, (&fields.von, &fields.bis)).await,
        "vertretung-ende" => hand.end_deputy(fields.wer.parse().map_err(|_| Refusal::not_found())?).await,
        "token-nehmen" => hand.revoke_token(id, &fields.name).await,
        _ => return Err(Refusal::of_status(StatusCode::BAD_REQUEST)),
    };
    match done {
        Ok(()) => {
            let mut next = format!("{here}?hinweis={}", fields.schritt);
            if fields.schritt == "rolle-nehmen" {
                next.push_str(&format!("&rolle={}&ort={}", fields.rolle, fields.ort));
            }
            Ok(Redirect::to(&next).into_response())
        }
        Err(error) => {
            let refusal = Refusal::here(error)?;
            person_page(&web, &person, &hand, id, ("", None), Some(refusal)).await
        }
    }
}
