// SPDX-License-Identifier: EUPL-1.2
//! `POST /api/v1/messages/{tenant}/{id}/deliveries/{delivery}/resume`: sets a waiting or failed delivery going again.
//!
//! Guarantees: for a token with a role that handles mail; asked again with the same `version` it changes nothing and
//! says how the delivery stands, so a lost answer may simply be asked for again.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::{JsonRefusals, Refusals};
use super::read::MessageIds;
use crate::download::ids;
use crate::error::Refusal;
use crate::session::Client;
use crate::web::Web;

/// What is asked.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Wish {
    /// The delivery's version as it was read.
    version: i64,
}

/// How the delivery stands now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Stands {
    /// It was set going again by this call.
    resumed: bool,
    state: &'static str,
    version: i64,
}

/// Sets a waiting or failed delivery going again. Asked again with the same version it changes nothing.
#[utoipa::path(
    post, path = "/api/v1/messages/{tenant}/{id}/deliveries/{delivery}/resume", operation_id = "resume",
    security(("token" = [])),
    params(MessageIds, ("delivery" = String, Path, description = "The delivery", format = "uuid")),
    request_body = Wish,
    responses((status = 200, description = "How it stands", body = Stands), Refusals, JsonRefusals)
)]
pub(crate) async fn resume(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, id, delivery)): Path<(String, String, String)>,
    Json(wish): Json<Wish>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &id)?;
    let delivery = delivery.parse().map_err(|_| Refusal::not_found())?;
    let done = web.hub().resume(&signed.access, tenant, id, delivery, wish.version).await?;
    let stands = Stands { resumed: done.resumed, state: done.state.as_str(), version: done.version };
    Ok(Json(stands).into_response())
}
