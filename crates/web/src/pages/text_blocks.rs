// SPDX-License-Identifier: EUPL-1.2
//! Texts written again and again: the list, and the page of one.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_hub::texts;
use poststelle_hub::writing::{BLOCK_NAME_CAP, BLOCK_TEXT_CAP, WriteError};
use poststelle_model::{TenantId, TextBlockId};
use poststelle_store::text_blocks::TextBlock;
use serde::Deserialize;

use super::drafts::Asked;
use super::{Frame, page};
use crate::error::Refusal;
use crate::session::Person;
use crate::text;
use crate::web::Web;

#[derive(Template)]
#[template(path = "text_blocks.html")]
struct ListPage {
    frame: Frame,
    notice: String,
    tenants: Vec<OfTenant>,
}

struct OfTenant {
    id: String,
    name: String,
    blocks: Vec<Row>,
}

struct Row {
    href: String,
    name: String,
    begins: String,
    changed: String,
}

/// `GET /textbausteine`.
pub(crate) async fn list(
    State(web): State<Web>,
    person: Person,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let (hub, access) = (web.hub(), &person.signed.access);
    let writing = access.writing_tenants();
    let mut tenants = Vec::new();
    for tenant in hub.visible_tenants(access).await?.into_iter().filter(|t| writing.contains(&t.id)) {
        let blocks = hub.text_blocks(access, tenant.id).await?;
        let names = hub.names(blocks.iter().map(|b| b.changed_by)).await?;
        let row = |b: &TextBlock| Row {
            href: format!("/textbausteine/{}/{}", tenant.id, b.id),
            name: text::line(&b.name, 120),
            begins: text::line(&b.text, 100),
            changed: format!(
                "{}, {}",
                b.changed_at.in_berlin("%d.%m.%Y"),
                names.get(&b.changed_by).map_or_else(|| "ein Konto".to_owned(), |n| text::line(n, 80))
            ),
        };
        let blocks = blocks.iter().map(row).collect();
        tenants.push(OfTenant { id: tenant.id.to_string(), name: tenant.name, blocks });
    }
    let template = ListPage {
        frame: Frame::new("Textbausteine", "/entwuerfe", Some(&person)),
        notice: notice(&asked.hinweis),
        tenants,
    };
    Ok(page(StatusCode::OK, &template))
}

fn notice(word: &str) -> String {
    match word {
        "baustein" | "baustein-geloescht" => texts::say(&format!("notice-{word}"), &[]),
        _ => String::new(),
    }
}

#[derive(Template)]
#[template(path = "text_block.html")]
struct OnePage {
    frame: Frame,
    csrf: String,
    tenant: String,
    here: String,
    title: &'static str,
    name: String,
    text: String,
    /// 0 = it is not there yet.
    version: i64,
    name_cap: usize,
    text_cap: usize,
    refusal: String,
    code: String,
}

impl OnePage {
    fn new(person: &Person, tenant: String, here: String, version: i64) -> Self {
        let title = if version == 0 { "Neuer Textbaustein" } else { "Textbaustein ändern" };
        Self {
            frame: Frame::new(title, "/entwuerfe", Some(person)),
            csrf: person.signed.csrf.clone(),
            tenant,
            here,
            title,
            name: String::new(),
            text: String::new(),
            version,
            name_cap: BLOCK_NAME_CAP,
            text_cap: BLOCK_TEXT_CAP,
            refusal: String::new(),
            code: String::new(),
        }
    }
}

/// The tenant of an address, for somebody who may write for it.
async fn tenant(web: &Web, person: &Person, id: &str) -> Result<(TenantId, String), Refusal> {
    let id: TenantId = id.parse().map_err(|_| Refusal::not_found())?;
    if !person.signed.access.writing_tenants().contains(&id) {
        return Err(Refusal::not_found());
    }
    Ok((id, web.hub().tenant(id).await?.name.clone()))
}

/// `GET /textbausteine/{tenant}`: the form of a new one.
pub(crate) async fn fresh(
    State(web): State<Web>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (id, name) = tenant(&web, &person, &id).await?;
    Ok(page(StatusCode::OK, &OnePage::new(&person, name, format!("/textbausteine/{id}"), 0)))
}

/// The form.
#[derive(Deserialize)]
pub(crate) struct Fields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    version: i64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    schritt: String,
}

/// `POST /textbausteine/{tenant}`: adds one.
pub(crate) async fn add(
    State(web): State<Web>,
    person: Person,
    Path(id): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let (id, name) = tenant(&web, &person, &id).await?;
    let done = web.hub().put_text_block(&person.signed.access, id, None, &fields.name, &fields.text).await;
    let written = done.map(|_| "baustein");
    answer(written, OnePage::new(&person, name, format!("/textbausteine/{id}"), 0), fields)
}

/// `GET /textbausteine/{tenant}/{block}`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path((id, block)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (id, name) = tenant(&web, &person, &id).await?;
    let block: TextBlockId = block.parse().map_err(|_| Refusal::not_found())?;
    let block = web.hub().text_block(&person.signed.access, id, block).await?;
    let mut template =
        OnePage::new(&person, name, format!("/textbausteine/{id}/{}", block.id), block.version);
    (template.name, template.text) = (block.name, block.text);
    Ok(page(StatusCode::OK, &template))
}

/// `POST /textbausteine/{tenant}/{block}`: changes it or takes it away.
pub(crate) async fn change(
    State(web): State<Web>,
    person: Person,
    Path((id, block)): Path<(String, String)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let (id, name) = tenant(&web, &person, &id).await?;
    let block: TextBlockId = block.parse().map_err(|_| Refusal::not_found())?;
    let (hub, access) = (web.hub(), &person.signed.access);
    let done = if fields.schritt == "loeschen" {
        hub.delete_text_block(access, id, block, fields.version).await.map(|()| "baustein-geloescht")
    } else {
        let seen = Some((block, fields.version));
        hub.put_text_block(access, id, seen, &fields.name, &fields.text).await.map(|_| "baustein")
    };
    answer(done, OnePage::new(&person, name, format!("/textbausteine/{id}/{block}"), fields.version), fields)
}

/// Back to the list, or the page again with what was typed and what was wrong.
fn answer(
    done: Result<&'static str, WriteError>,
    mut template: OnePage,
    fields: Fields,
) -> Result<Response, Refusal> {
    match done {
        Ok(word) => Ok(Redirect::to(&format!("/textbausteine?hinweis={word}")).into_response()),
        Err(error @ WriteError::Refused(_)) => {
            let refusal = Refusal::from(error);
            (template.name, template.text) = (fields.name, fields.text);
            template.refusal = refusal.sentence();
            template.code = refusal.reason.code.as_str().to_owned();
            Ok(page(refusal.status, &template))
        }
        Err(error) => Err(error.into()),
    }
}
