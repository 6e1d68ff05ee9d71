// SPDX-License-Identifier: EUPL-1.2
//! Setting a delivery going again: a page that says what will happen, and the button.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_hub::view::{DeliveryView, ViewError};
use poststelle_model::{DeliveryId, DeliveryState, Target};
use serde::Deserialize;

use super::message::subject;
use super::{Frame, page};
use crate::download::ids;
use crate::error::Refusal;
use crate::session::Person;
use crate::web::Web;

#[derive(Template)]
#[template(path = "resume.html")]
struct ResumePage {
    frame: Frame,
    csrf: String,
    base: String,
    here: String,
    tenant: String,
    subject: String,
    view: DeliveryView,
    since: String,
    days: u64,
    rejected: bool,
    mail: bool,
}

/// The form's fields.
#[derive(Deserialize)]
pub(crate) struct Fields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    version: i64,
}

type DeliveryPath = Path<(String, String, String)>;

/// Address of the page for a delivery of the message at `base`.
pub(crate) fn path(base: &str, delivery: DeliveryId) -> String {
    format!("{base}/uebergaben/{delivery}/fortsetzen")
}

/// `GET /nachrichten/{tenant}/{id}/uebergaben/{delivery}/fortsetzen`.
pub(crate) async fn ask(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id, delivery)): DeliveryPath,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &id)?;
    let delivery: DeliveryId = delivery.parse().map_err(|_| Refusal::not_found())?;
    let message = web.hub().message_view(&person.signed.access, tenant, id).await?;
    let subject = subject(&message);
    let view = message.deliveries.into_iter().find(|d| d.delivery.id == delivery);
    let view = view.ok_or_else(Refusal::not_found)?;
    if !message.handles {
        return Err(ViewError::ReadOnly.into());
    }
    let base = format!("/nachrichten/{tenant}/{id}");
    if !view.resumable {
        return Ok(Redirect::to(&format!("{base}?hinweis=unveraendert")).into_response());
    }
    let template = ResumePage {
        frame: Frame::new("Übergabe fortsetzen", "/nachrichten", Some(&person)),
        csrf: person.signed.csrf.clone(),
        here: path(&base, delivery),
        base,
        tenant: message.tenant.name,
        subject,
        since: view.delivery.changed_at.berlin(),
        days: web.hub().limits().expiry.as_secs().div_ceil(24 * 3600),
        rejected: view.delivery.state == DeliveryState::Rejected,
        mail: matches!(view.delivery.target, Target::Mail { .. }),
        view,
    };
    Ok(page(StatusCode::OK, &template))
}

/// `POST /nachrichten/{tenant}/{id}/uebergaben/{delivery}/fortsetzen`. Once more changes nothing.
pub(crate) async fn submit(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id, delivery)): DeliveryPath,
    Form(fields): Form<Fields>,
) -> Result<Redirect, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let (tenant, id) = ids(&tenant, &id)?;
    let delivery = delivery.parse().map_err(|_| Refusal::not_found())?;
    let done = web.hub().resume(&person.signed.access, tenant, id, delivery, fields.version).await?;
    let word = if done.resumed { "fortgesetzt" } else { "unveraendert" };
    Ok(Redirect::to(&format!("/nachrichten/{tenant}/{id}?hinweis={word}")))
}
