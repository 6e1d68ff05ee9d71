// SPDX-License-Identifier: EUPL-1.2
//! `POST /api/v1/messages/{tenant}/{id}/deliveries/{delivery}/resume`: sets a waiting or failed delivery going again.
//!
//! Guarantees: for a token with a role that handles mail; asked again with the same `version` it changes nothing and
//! says how the delivery stands, so a lost answer may simply be asked for again.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::download::ids;
use crate::error::Refusal;
use crate::session::Client;
use crate::web::Web;

/// What is asked.
#[derive(Deserialize)]
pub(crate) struct Wish {
    /// The delivery's version as it was read.
    version: i64,
}

/// `POST …/resume`.
pub(crate) async fn resume(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, id, delivery)): Path<(String, String, String)>,
    Json(wish): Json<Wish>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &id)?;
    let delivery = delivery.parse().map_err(|_| Refusal::not_found())?;
    let done = web.hub().resume(&signed.access, tenant, id, delivery, wish.version).await?;
    let body = json!({ "resumed": done.resumed, "state": done.state.as_str(), "version": done.version });
    Ok(Json(body).into_response())
}
