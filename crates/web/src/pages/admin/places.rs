// SPDX-License-Identifier: EUPL-1.2
//! Desks and mailboxes of a tenant.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_hub::administer::{AdminError, Administered};
use poststelle_model::people::Place;
use poststelle_model::{DeskId, MailboxId};
use serde::Deserialize;

use super::people::role_word;
use super::{MENU, Said, in_hand, shown};
use crate::error::Refusal;
use crate::pages::{Frame, page};
use crate::session::Person;
use crate::text;
use crate::web::Web;

struct DeskLine {
    id: String,
    name: String,
    clearing: bool,
    version: i64,
    serves: bool,
    renames: bool,
    /// Other tenants in these hands whose mail comes there.
    also: Vec<String>,
    /// How many further tenants.
    more: usize,
    workers: Vec<String>,
}

#[derive(Template)]
#[template(path = "admin_desks.html")]
struct DesksPage {
    frame: Frame,
    csrf: String,
    tenant: String,
    back: String,
    base: String,
    desks: Vec<DeskLine>,
    notice: &'static str,
    error: String,
}

struct BoxLine {
    id: String,
    name: String,
    four_eyes: bool,
    version: i64,
    addresses: Vec<String>,
}

#[derive(Template)]
#[template(path = "admin_mailboxes.html")]
struct MailboxesPage {
    frame: Frame,
    csrf: String,
    tenant: String,
    back: String,
    base: String,
    mailboxes: Vec<BoxLine>,
    notice: &'static str,
    error: String,
}

/// The forms of both pages.
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
    adresse: String,
}

/// To where one came from, with a notice; what was refused is shown there.
fn back(done: Result<(), AdminError>, place: &str, word: &str) -> Result<Result<Response, Refusal>, Refusal> {
    match done {
        Ok(()) => Ok(Ok(Redirect::to(&format!("{place}?hinweis={word}")).into_response())),
        Err(error) => Ok(Err(Refusal::here(error)?)),
    }
}

async fn desks_page(
    web: &Web,
    person: &Person,
    hand: &Administered<'_>,
    notice: &'static str,
    refusal: Option<Refusal>,
) -> Result<Response, Refusal> {
    let here = hand.tenant.id;
    let places = hand.places().await?;
    let people = hand.people().await?;
    let mine = web.hub().administered_tenants(&person.signed.access).await?;
    let desks = places.desks.iter().map(|d| {
        let others: Vec<_> = d.tenants.iter().filter(|t| **t != here).collect();
        let also: Vec<String> =
            mine.iter().filter(|t| others.contains(&&t.id)).map(|t| t.name.clone()).collect();
        let works = |p: &&poststelle_hub::administer::PersonView| {
            p.grants.iter().any(|g| g.place == Place::Desk { tenant: here, desk: d.id })
        };
        DeskLine {
            id: d.id.to_string(),
            name: text::line(&d.name, 200),
            clearing: d.kind == "clearing",
            version: d.version,
            serves: d.tenants.contains(&here),
            renames: hand.may_rename(d),
            more: others.len().saturating_sub(also.len()),
            also,
            workers: people
                .iter()
                .filter(works)
                .map(|p| {
                    let roles =
                        p.grants.iter().filter(|g| g.place == Place::Desk { tenant: here, desk: d.id });
                    let roles: Vec<String> = roles.map(|g| role_word(g.role)).collect();
                    format!("{} ({})", text::line(&p.row.name, 80), roles.join(", "))
                })
                .collect(),
        }
    });
    let back = format!("{MENU}/{here}");
    let template = DesksPage {
        frame: Frame::new(shown("Arbeitskörbe", refusal.as_ref()), MENU, Some(person)),
        csrf: person.signed.csrf.clone(),
        tenant: hand.tenant.name.clone(),
        desks: desks.collect(),
        base: format!("{back}/koerbe"),
        back,
        notice,
        error: refusal.as_ref().map(Refusal::sentence).unwrap_or_default(),
    };
    Ok(page(refusal.map_or(StatusCode::OK, |r| r.status), &template))
}

/// `GET /verwaltung/{tenant}/koerbe`.
pub(crate) async fn desks(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    let notice = match said.hinweis.as_str() {
        "neu" => "Der Arbeitskorb ist angelegt.",
        "name" => "Der Arbeitskorb ist umbenannt.",
        "dient" => "In den Arbeitskorb kommt jetzt auch Post dieses Mandanten.",
        "dient-nicht" => {
            "In den Arbeitskorb kommt keine neue Post dieses Mandanten mehr. Was darin liegt, bleibt."
        }
        _ => "",
    };
    desks_page(&web, &person, &hand, notice, None).await
}

/// `POST /verwaltung/{tenant}/koerbe`.
pub(crate) async fn add_desk(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    let done = hand.add_desk(&fields.name).await.map(|_| ());
    match back(done, &format!("{MENU}/{}/koerbe", hand.tenant.id), "neu")? {
        Ok(answer) => Ok(answer),
        Err(refusal) => desks_page(&web, &person, &hand, "", Some(refusal)).await,
    }
}

/// `POST /verwaltung/{tenant}/koerbe/{korb}`.
pub(crate) async fn desk(
    State(web): State<Web>,
    person: Person,
    Path((tenant, desk)): Path<(String, String)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    let id: DeskId = desk.parse().map_err(|_| Refusal::not_found())?;
    let done = match fields.schritt.as_str() {
        "name" => hand.rename_desk(id, &fields.name, fields.version).await,
        "dient" => hand.set_desk_serves(id, true).await,
        "dient-nicht" => hand.set_desk_serves(id, false).await,
        _ => return Err(Refusal::of_status(StatusCode::BAD_REQUEST)),
    };
    match back(done, &format!("{MENU}/{}/koerbe", hand.tenant.id), &fields.schritt)? {
        Ok(answer) => Ok(answer),
        Err(refusal) => desks_page(&web, &person, &hand, "", Some(refusal)).await,
    }
}

async fn mailboxes_page(
    person: &Person,
    hand: &Administered<'_>,
    notice: &'static str,
    refusal: Option<Refusal>,
) -> Result<Response, Refusal> {
    let places = hand.places().await?;
    let back = format!("{MENU}/{}", hand.tenant.id);
    let template = MailboxesPage {
        frame: Frame::new(shown("Postfächer", refusal.as_ref()), MENU, Some(person)),
        csrf: person.signed.csrf.clone(),
        tenant: hand.tenant.name.clone(),
        mailboxes: places
            .mailboxes
            .iter()
            .map(|m| BoxLine {
                id: m.id.to_string(),
                name: text::line(&m.name, 200),
                four_eyes: m.four_eyes,
                version: m.version,
                addresses: places
                    .addresses
                    .iter()
                    .filter(|a| a.2 == m.id)
                    .map(|a| text::line(&a.1, 320))
                    .collect(),
            })
            .collect(),
        base: format!("{back}/postfaecher"),
        back,
        notice,
        error: refusal.as_ref().map(Refusal::sentence).unwrap_or_default(),
    };
    Ok(page(refusal.map_or(StatusCode::OK, |r| r.status), &template))
}

/// `GET /verwaltung/{tenant}/postfaecher`.
pub(crate) async fn mailboxes(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    let notice = match said.hinweis.as_str() {
        "neu" => "Das Postfach ist angelegt. Es braucht noch eine Adresse.",
        "name" => "Das Postfach ist umbenannt.",
        "adresse" => "Die Adresse gehört jetzt zum Postfach. Post an sie wird sofort angenommen.",
        "vier-augen" => "Was das Postfach verlässt, gibt jetzt eine zweite Person frei.",
        "zwei-augen" => "Was das Postfach verlässt, braucht keine zweite Person mehr.",
        _ => "",
    };
    mailboxes_page(&person, &hand, notice, None).await
}

/// `POST /verwaltung/{tenant}/postfaecher`.
pub(crate) async fn add_mailbox(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    let done = hand.add_mailbox(&fields.name).await.map(|_| ());
    match back(done, &format!("{MENU}/{}/postfaecher", hand.tenant.id), "neu")? {
        Ok(answer) => Ok(answer),
        Err(refusal) => mailboxes_page(&person, &hand, "", Some(refusal)).await,
    }
}

/// `POST /verwaltung/{tenant}/postfaecher/{postfach}`.
pub(crate) async fn mailbox(
    State(web): State<Web>,
    person: Person,
    Path((tenant, mailbox)): Path<(String, String)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    let id: MailboxId = mailbox.parse().map_err(|_| Refusal::not_found())?;
    let done = match fields.schritt.as_str() {
        "name" => hand.rename_mailbox(id, &fields.name, fields.version).await,
        "adresse" => hand.add_address(id, &fields.adresse).await,
        "vier-augen" => hand.set_four_eyes(id, true).await,
        "zwei-augen" => hand.set_four_eyes(id, false).await,
        _ => return Err(Refusal::of_status(StatusCode::BAD_REQUEST)),
    };
    match back(done, &format!("{MENU}/{}/postfaecher", hand.tenant.id), &fields.schritt)? {
        Ok(answer) => Ok(answer),
        Err(refusal) => mailboxes_page(&person, &hand, "", Some(refusal)).await,
    }
}
