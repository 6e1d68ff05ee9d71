// SPDX-License-Identifier: EUPL-1.2
//! The inspection sheet on screen, as JSON and as PDF; looking at a message once more.
//!
//! Guarantees: page and PDF are made from one document; the JSON is the very text that is stored and proven.

use askama::Template;
use axum::Form;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_hub::inspecting::{self, SheetView};
use poststelle_hub::texts;
use poststelle_inspect::face::{Block, Tone};
use poststelle_inspect::pdf::{self, Embedded};
use poststelle_model::Timestamp;
use serde::Deserialize;

use super::{Frame, OwnForm, page};
use crate::download::{MessagePath, file, ids};
use crate::error::Refusal;
use crate::session::Person;
use crate::web::Web;

#[derive(Template)]
#[template(path = "sheet.html")]
struct SheetPage {
    frame: Frame,
    base: String,
    csrf: String,
    title: String,
    about: String,
    blocks: Vec<Shown>,
    versions: Vec<Version>,
    version: i64,
    notice: String,
}

struct Version {
    number: i64,
    when: String,
    href: String,
}

/// A block with what a template needs beside it.
pub(crate) struct Shown {
    pub(crate) block: Block,
    /// Unique on the page; heads tables.
    pub(crate) id: String,
    pub(crate) tone: &'static str,
    pub(crate) icon: &'static str,
}

/// Blocks as a template shows them.
pub(crate) fn shown(blocks: Vec<Block>) -> Vec<Shown> {
    let one = |(n, block): (usize, Block)| {
        let (tone, icon) = match &block {
            Block::Alert { tone, .. } => look(*tone),
            _ => ("info", "info"),
        };
        Shown { block, id: format!("teil-{n}"), tone, icon }
    };
    blocks.into_iter().enumerate().map(one).collect()
}

/// Colour and icon of a tone.
pub(crate) const fn look(tone: Tone) -> (&'static str, &'static str) {
    match tone {
        Tone::Success => ("success", "success"),
        Tone::Info => ("info", "info"),
        Tone::Warning => ("warning", "warning"),
        Tone::Danger => ("danger", "danger"),
    }
}

/// Which version is wanted.
#[derive(Deserialize, Default)]
pub(crate) struct Wanted {
    #[serde(default)]
    fassung: String,
    #[serde(default)]
    hinweis: String,
}

/// Address of the sheet of the message at `base`.
pub(crate) fn path(base: &str) -> String {
    format!("{base}/pruefprotokoll")
}

async fn view(
    web: &Web,
    person: &Person,
    tenant: &str,
    id: &str,
    version: &str,
) -> Result<SheetView, Refusal> {
    let (tenant, id) = ids(tenant, id)?;
    let version = super::optional(version)?;
    Ok(web.hub().sheet(&person.signed.access, tenant, id, version).await?)
}

/// `GET /nachrichten/{tenant}/{id}/pruefprotokoll`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id)): MessagePath,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let view = view(&web, &person, &tenant, &id, &wanted.fassung).await?;
    let base = format!("/nachrichten/{tenant}/{id}");
    let face = inspecting::face(&view.sheet, &view.sha256);
    let template = SheetPage {
        frame: Frame::new("Prüfprotokoll", "/nachrichten", Some(&person)),
        csrf: person.signed.csrf.clone(),
        title: face.title,
        about: face.about,
        blocks: shown(face.blocks),
        versions: view
            .versions
            .iter()
            .map(|(number, at)| Version {
                number: *number,
                when: at.berlin(),
                href: format!("{}?fassung={number}", path(&base)),
            })
            .collect(),
        version: view.sheet.version,
        notice: if wanted.hinweis == "check" { texts::say("hold-done-check", &[]) } else { String::new() },
        base,
    };
    Ok(page(StatusCode::OK, &template))
}

/// Name of the file a sheet is saved under.
fn name(view: &SheetView, ending: &str) -> String {
    let at = Timestamp::parse_rfc3339(&view.sheet.message.accepted_at).unwrap_or_default();
    format!("Pruefprotokoll-{}-{}.{ending}", at.in_berlin("%Y-%m-%d-%H%M%S"), view.sheet.version)
}

/// `GET /nachrichten/{tenant}/{id}/pruefprotokoll/json`.
pub(crate) async fn json(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id)): MessagePath,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let view = view(&web, &person, &tenant, &id, &wanted.fassung).await?;
    let (name, size) = (name(&view, "json"), i64::try_from(view.json.len()).ok());
    Ok(file(Body::from(view.json), "application/octet-stream", &name, size))
}

/// `GET /nachrichten/{tenant}/{id}/pruefprotokoll/pdf`: the page on paper, with the JSON inside.
pub(crate) async fn paper(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id)): MessagePath,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let view = view(&web, &person, &tenant, &id, &wanted.fassung).await?;
    let (json_name, pdf_name) = (name(&view, "json"), name(&view, "pdf"));
    let made = tokio::task::spawn_blocking(move || {
        let at = Timestamp::parse_rfc3339(&view.sheet.inspected_at).unwrap_or_default();
        let embedded = Embedded {
            name: &json_name,
            media_type: "application/json",
            octets: view.json.as_bytes(),
            description: "Das Prüfprotokoll, wie es gespeichert und nachgewiesen ist",
        };
        let face = inspecting::face(&view.sheet, &view.sha256);
        pdf::pdf(&face, &[embedded], at.0.div_euclid(1_000_000), &view.sheet.message.id)
    });
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "no PDF of a sheet");
        Refusal::of_status(StatusCode::INTERNAL_SERVER_ERROR)
    };
    let octets = made.await.map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
    let size = i64::try_from(octets.len()).ok();
    Ok(file(Body::from(octets), "application/octet-stream", &pdf_name, size))
}

/// `POST /nachrichten/{tenant}/{id}/pruefen`: looks at the message once more.
pub(crate) async fn check(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id)): MessagePath,
    Form(fields): Form<OwnForm>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let (tenant, id) = ids(&tenant, &id)?;
    web.hub().check_now(&person.signed.access, tenant, id).await?;
    let base = format!("/nachrichten/{tenant}/{id}");
    Ok(Redirect::to(&format!("{}?hinweis=check", path(&base))).into_response())
}
