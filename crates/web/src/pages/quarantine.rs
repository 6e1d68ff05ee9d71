// SPDX-License-Identifier: EUPL-1.2
//! Quarantine: what is held back, why, and the way out by two people.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_hub::inspecting::{self, HeldLine, HoldError, HoldWish};
use poststelle_hub::texts;
use poststelle_model::{HoldState, TenantId};
use serde::Deserialize;

use super::{Frame, page};
use crate::download::ids;
use crate::error::Refusal;
use crate::session::Person;
use crate::text;
use crate::web::Web;

#[derive(Template)]
#[template(path = "quarantine.html")]
struct ListPage {
    frame: Frame,
    tenants: Vec<Tenant>,
    any: bool,
}

struct Tenant {
    name: String,
    id: String,
    lines: Vec<Line>,
}

struct Line {
    href: String,
    message: String,
    name: String,
    subject: String,
    /// Why it is held; empty when `found` says it.
    cause: String,
    found: String,
    state: String,
    since: String,
    waits_for_me: bool,
}

#[derive(Template)]
#[template(path = "held.html")]
struct HeldPage {
    frame: Frame,
    csrf: String,
    here: String,
    line: Line,
    tenant: String,
    proposed_by: String,
    words: String,
    /// When the scanner is asked again by itself; empty = not.
    next: String,
    version: i64,
    handles: bool,
    agrees: bool,
    held: bool,
    proposed: bool,
    notice: String,
    refused: String,
    typed: String,
}

/// Where a held part is decided about.
pub(crate) fn path(tenant: TenantId, message: impl std::fmt::Display, part: i64) -> String {
    format!("/quarantaene/{tenant}/{message}/{part}")
}

fn line(held: &HeldLine) -> Line {
    let hold = &held.hold;
    let name = text::line(&held.name, 200);
    let found = inspecting::words(&held.note);
    let cause = texts::say(&format!("hold-cause-{}", hold.cause.as_str()), &[]);
    Line {
        href: path(hold.tenant, hold.message, hold.part),
        message: if held.reads {
            format!("/nachrichten/{}/{}", hold.tenant, hold.message)
        } else {
            String::new()
        },
        name: if name.is_empty() { format!("Bestandteil {}", hold.part) } else { name },
        subject: text::line(&held.subject, 300),
        // Nothing is said twice.
        cause: if found.starts_with(&cause) { String::new() } else { cause },
        found,
        state: texts::say(&format!("hold-state-{}", hold.state.as_str()), &[]),
        since: hold.held_at.berlin(),
        waits_for_me: held.agrees,
    }
}

/// `GET /quarantaene`.
pub(crate) async fn list(State(web): State<Web>, person: Person) -> Result<Response, Refusal> {
    let access = &person.signed.access;
    let mut tenants = Vec::new();
    for tenant in web.hub().quarantine_tenants(access).await? {
        let held = web.hub().quarantine(access, tenant.id, None).await?;
        if !held.is_empty() {
            let lines = held.iter().map(line).collect();
            tenants.push(Tenant { name: tenant.name.clone(), id: tenant.id.to_string(), lines });
        }
    }
    let template = ListPage {
        frame: Frame::new("Quarantäne", "/quarantaene", Some(&person)),
        any: !tenants.is_empty(),
        tenants,
    };
    Ok(page(StatusCode::OK, &template))
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Said {
    #[serde(default)]
    hinweis: String,
}

type HeldPath = Path<(String, String, String)>;

async fn held(
    web: &Web,
    person: &Person,
    (tenant, id, part): (&str, &str, &str),
) -> Result<HeldLine, Refusal> {
    let (tenant, id) = ids(tenant, id)?;
    let part = part.parse().map_err(|_| Refusal::not_found())?;
    let found = web.hub().held_part(&person.signed.access, tenant, id, part).await?;
    found.ok_or_else(Refusal::not_found)
}

async fn held_page(
    web: &Web,
    person: &Person,
    held: &HeldLine,
    notice: String,
    refused: Option<(&Refusal, &str)>,
) -> Result<Response, Refusal> {
    let hold = &held.hold;
    let row = web.hub().tenant(hold.tenant).await?;
    let title = super::admin::shown("Bestandteil in Quarantäne", refused.map(|r| r.0));
    let template = HeldPage {
        frame: Frame::new(title, "/quarantaene", Some(person)),
        csrf: person.signed.csrf.clone(),
        here: path(hold.tenant, hold.message, hold.part),
        line: line(held),
        tenant: row.name.clone(),
        proposed_by: text::line(&held.proposed_by, 80),
        words: text::block(&hold.words),
        next: if hold.state.is_open() && hold.next_check.0 > 0 {
            hold.next_check.berlin()
        } else {
            String::new()
        },
        version: hold.version,
        handles: held.handles,
        agrees: held.agrees,
        held: hold.state == HoldState::Held,
        proposed: hold.state == HoldState::Proposed,
        notice,
        refused: refused.map(|r| r.0.sentence()).unwrap_or_default(),
        typed: refused.map(|r| r.1.to_owned()).unwrap_or_default(),
    };
    Ok(page(refused.map_or(StatusCode::OK, |r| r.0.status), &template))
}

/// `GET /quarantaene/{tenant}/{message}/{part}`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id, part)): HeldPath,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    let found = held(&web, &person, (&tenant, &id, &part)).await?;
    let notice = match HoldWish::parse(&said.hinweis) {
        Some(wish) => texts::say(&format!("hold-done-{}", wish.as_str()), &[]),
        None => String::new(),
    };
    held_page(&web, &person, &found, notice, None).await
}

/// The form's fields.
#[derive(Deserialize)]
pub(crate) struct Fields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    art: String,
    #[serde(default)]
    grund: String,
    #[serde(default)]
    version: i64,
}

/// `POST /quarantaene/{tenant}/{message}/{part}`.
pub(crate) async fn act(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id, part)): HeldPath,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let found = held(&web, &person, (&tenant, &id, &part)).await?;
    let wish = HoldWish::parse(&fields.art)
        .ok_or_else(|| Refusal::bad(StatusCode::BAD_REQUEST, "PST-API-0003", "art"))?;
    let hold = &found.hold;
    let of = (hold.tenant, hold.message, hold.part);
    let done = web.hub().hold_act(&person.signed.access, of, wish, &fields.grund, fields.version).await;
    match done {
        Ok(_) => {
            let here = path(hold.tenant, hold.message, hold.part);
            Ok(Redirect::to(&format!("{here}?hinweis={}", wish.as_str())).into_response())
        }
        Err(HoldError::View(error)) => Err(error.into()),
        Err(error) => {
            let refusal = Refusal::from(error);
            let now = held(&web, &person, (&tenant, &id, &part)).await?;
            held_page(&web, &person, &now, String::new(), Some((&refusal, &fields.grund))).await
        }
    }
}
