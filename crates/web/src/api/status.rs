// SPDX-License-Identifier: EUPL-1.2
//! For operators: the balance and the status, as on their page. No content of mail.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use poststelle_hub::texts;
use poststelle_model::Fault;
use serde::Serialize;
use serde_json::json;

use super::openapi::Refusals;
use crate::error::Refusal;
use crate::pages::operator::{self, Note};
use crate::session::{self, Caller};
use crate::web::Web;

#[derive(Serialize)]
struct Concern {
    about: String,
    code: String,
    sentence: String,
    who: String,
    since: String,
}

/// Listed = accepted = delivered + open + parked, and what does not add up. For operators.
#[utoipa::path(
    get, path = "/api/v1/balance", operation_id = "balance",
    responses((status = 200, description = "The balance", body = Object), Refusals)
)]
pub(crate) async fn balance(State(web): State<Web>, Caller(signed): Caller) -> Result<Response, Refusal> {
    session::operator(&signed)?;
    Ok(Json(web.hub().balance().await?).into_response())
}

/// What is wrong now, and who must act. For operators.
#[utoipa::path(
    get, path = "/api/v1/status", operation_id = "status",
    responses((status = 200, description = "The status", body = Object), Refusals)
)]
pub(crate) async fn status(State(web): State<Web>, Caller(signed): Caller) -> Result<Response, Refusal> {
    session::operator(&signed)?;
    let view = operator::status(&web).await;
    let concern = |note: Note, since: String| Concern {
        about: note.about,
        code: note.code,
        sentence: note.sentence,
        who: note.who,
        since,
    };
    let troubles: Vec<Concern> = view
        .troubles
        .iter()
        .map(|(c, t)| concern(operator::note(c.as_str().to_owned(), &t.reason, t.since), t.since.rfc3339()))
        .collect();
    let alarms: Vec<Concern> = view
        .alarms
        .iter()
        .map(|a| match &a.reason {
            Some(reason) => {
                concern(operator::note(a.tenant.to_string(), reason, a.raised_at), a.raised_at.rfc3339())
            }
            None => Concern {
                about: a.tenant.to_string(),
                code: String::new(),
                sentence: a.topic.clone(),
                who: texts::who_acts(Fault::Operator),
                since: a.raised_at.rfc3339(),
            },
        })
        .collect();
    let channels: Vec<_> =
        view.channels.iter().map(|(title, name)| json!({ "name": name, "title": title })).collect();
    let queues: Vec<_> = view
        .queues
        .iter()
        .map(|(kind, count, due)| json!({ "kind": kind, "count": count, "earliest": due.rfc3339() }))
        .collect();
    let build = &web.config().build;
    let body = json!({
        "node": build.node,
        "version": build.version,
        "blind": view.blind,
        "troubles": troubles,
        "alarms": alarms,
        "channels": channels,
        "queues": queues,
        "mismatches": view.mismatches.len(),
    });
    Ok(Json(body).into_response())
}
