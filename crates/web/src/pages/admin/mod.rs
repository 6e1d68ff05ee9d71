// SPDX-License-Identifier: EUPL-1.2
//! Administration of a tenant: who may come here, and where its parts are.
//!
//! Guarantees: [`administered`] is the one door, for pages and API alike; whoever does not administer a tenant gets the
//! answer of one that is not there. The menu shows the way only to those for whom there is one.

pub(crate) mod changes;
mod fields;
pub(crate) mod people;
pub(crate) mod places;
pub(crate) mod rule;
pub(crate) mod rules;
pub(crate) mod targets;
pub(crate) mod trial;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_hub::administer::Administered;
use poststelle_hub::people::SignedIn;
use poststelle_store::tenants::Tenant;
use serde::Deserialize;

use super::{Frame, page};
use crate::error::Refusal;
use crate::session::Person;
use crate::web::Web;

/// The menu's entry.
pub(crate) const MENU: &str = "/verwaltung";

/// Parts of the administration that are there: path below the tenant, name, what is done there.
const SECTIONS: &[(&str, &str, &str)] = &[
    ("personen", "Personen und Dienste", "Konten, Rollen, erste Passwörter, Vertretungen, Zugangstoken"),
    ("koerbe", "Arbeitskörbe", "wo gearbeitet wird, wer dort arbeitet und wessen Post dorthin kommt"),
    ("postfaecher", "Postfächer", "Postfächer mit ihren Adressen; Freigabe durch eine zweite Person"),
    (
        "regeln",
        "Regeln",
        "welche Post in welchen Arbeitskorb oder an welches Ziel geht; ändern, prüfen, freigeben",
    ),
    (
        "ziele",
        "Ziele",
        "Fachverfahren und Ordner, an die Nachrichten übergeben werden; einrichten und prüfen",
    ),
    ("aenderungen", "Änderungen", "wer wann was geändert hat"),
];

/// The tenant an address names, for who administers it; for everybody else it is not there.
pub(crate) async fn administered(web: &Web, signed: &SignedIn, tenant: &str) -> Result<Tenant, Refusal> {
    let tenant = tenant.parse().map_err(|_| Refusal::not_found())?;
    Ok(web.hub().administered(&signed.access, tenant).await?)
}

/// The same with what an administrator does there.
pub(crate) async fn in_hand<'a>(
    web: &'a Web,
    signed: &'a SignedIn,
    tenant: &str,
) -> Result<Administered<'a>, Refusal> {
    let tenant = tenant.parse().map_err(|_| Refusal::not_found())?;
    Ok(web.hub().administer(&signed.access, tenant).await?)
}

/// The notice an address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Said {
    #[serde(default)]
    pub(crate) hinweis: String,
    /// Of a role just taken back, to give it again.
    #[serde(default)]
    pub(crate) rolle: String,
    #[serde(default)]
    pub(crate) ort: String,
}

/// The title of a page on which something was refused says so first.
pub(crate) fn shown(title: &str, refusal: Option<&Refusal>) -> String {
    if refusal.is_some() { format!("Fehler – {title}") } else { title.to_owned() }
}

#[derive(Template)]
#[template(path = "admin_tenants.html")]
struct TenantsPage {
    frame: Frame,
    tenants: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "admin.html")]
struct OverviewPage {
    frame: Frame,
    several: bool,
    tenant: Tenant,
    sections: &'static [(&'static str, &'static str, &'static str)],
}

/// `GET /verwaltung`: the tenants this person administers; with one only, straight to it.
pub(crate) async fn tenants(State(web): State<Web>, person: Person) -> Result<Response, Refusal> {
    let tenants = web.hub().administered_tenants(&person.signed.access).await?;
    if let [only] = tenants.as_slice() {
        return Ok(Redirect::to(&format!("{MENU}/{}", only.id)).into_response());
    }
    let template = TenantsPage {
        frame: Frame::new("Verwaltung", MENU, Some(&person)),
        tenants: tenants.into_iter().map(|t| (format!("{MENU}/{}", t.id), t.name)).collect(),
    };
    Ok(page(StatusCode::OK, &template))
}

/// `GET /verwaltung/{tenant}`.
pub(crate) async fn overview(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let tenant = administered(&web, &person.signed, &tenant).await?;
    let template = OverviewPage {
        frame: Frame::new(format!("Verwaltung – {}", tenant.name), MENU, Some(&person)),
        several: person.signed.access.administered_tenants().len() > 1,
        tenant,
        sections: SECTIONS,
    };
    Ok(page(StatusCode::OK, &template))
}
