// SPDX-License-Identifier: EUPL-1.2
//! The inspection sheet of a message, another look at it, and what is held back.
//!
//! Guarantees: the sheet is given as it is stored and proven; an act on a held part names the version it was read in,
//! so a lost answer may be asked for again without harm.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use poststelle_hub::inspecting::{HeldLine, HoldWish};
use poststelle_model::MessageId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::openapi::{JsonRefusals, Refusals};
use super::read::MessageIds;
use crate::download::ids;
use crate::error::Refusal;
use crate::pages::{optional, tenant_id};
use crate::session::{Caller, Client};
use crate::web::Web;

/// Which version of a sheet.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// From 1; without it the newest.
    #[param(value_type = Option<i64>, minimum = 1)]
    #[serde(default)]
    version: String,
}

/// The inspection sheet of a message (Prüfprotokoll), the very octets that are stored and proven.
#[utoipa::path(
    get, path = "/api/v1/messages/{tenant}/{id}/sheet", operation_id = "sheet", params(MessageIds, Which),
    responses((status = 200, description = "The sheet, schema `poststelle-pruefprotokoll-1`", body = Value), Refusals)
)]
pub(crate) async fn sheet(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path((tenant, id)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &id)?;
    let version = optional(&which.version)?;
    let view = web.hub().sheet(&signed.access, tenant, id, version).await?;
    Ok(([(CONTENT_TYPE, "application/json")], view.json).into_response())
}

/// The version a look gave.
#[derive(Serialize, ToSchema)]
pub(crate) struct Looked {
    /// Version of the new sheet.
    version: i64,
}

/// Inspects a message once more: scanner and responders are asked again; gives a new version of the sheet.
#[utoipa::path(
    post, path = "/api/v1/messages/{tenant}/{id}/checks", operation_id = "check_message", security(("token" = [])),
    params(MessageIds), responses((status = 200, description = "Done", body = Looked), Refusals)
)]
pub(crate) async fn check(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &id)?;
    let version = web.hub().check_now(&signed.access, tenant, id).await?;
    Ok(Json(Looked { version }).into_response())
}

/// A part that is or was held back.
#[derive(Serialize, ToSchema)]
pub(crate) struct Held {
    #[schema(value_type = String, format = "uuid")]
    message: MessageId,
    part: i64,
    /// Its name; empty when the message is not for these eyes.
    name: String,
    /// `infected` or `indeterminate`.
    cause: &'static str,
    /// What was found: code and parameters, as on the sheet.
    #[schema(value_type = Object)]
    note: poststelle_inspect::sheet::Note,
    /// `held`, `proposed`, `released` or `closed`.
    state: &'static str,
    /// The last reason a person gave.
    words: String,
    /// Since when, RFC 3339 UTC.
    held_at: String,
    version: i64,
}

impl From<HeldLine> for Held {
    fn from(line: HeldLine) -> Self {
        let hold = line.hold;
        Self {
            message: hold.message,
            part: hold.part,
            name: line.name,
            cause: hold.cause.as_str(),
            note: line.note,
            state: hold.state.as_str(),
            words: hold.words,
            held_at: hold.held_at.rfc3339(),
            version: hold.version,
        }
    }
}

type PartPath = Path<(String, String, String)>;

/// How a part is held; 404 when it never was.
#[utoipa::path(
    get, path = "/api/v1/messages/{tenant}/{id}/parts/{n}/hold", operation_id = "hold",
    params(MessageIds, ("n" = u32, Path, description = "Number of the part")),
    responses((status = 200, description = "How it is held", body = Held), Refusals)
)]
pub(crate) async fn hold(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path((tenant, id, n)): PartPath,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &id)?;
    let n = n.parse().map_err(|_| Refusal::not_found())?;
    let held = web.hub().held_part(&signed.access, tenant, id, n).await?.ok_or_else(Refusal::not_found)?;
    Ok(Json(Held::from(held)).into_response())
}

/// What is wanted with a held part.
#[derive(Deserialize, ToSchema)]
#[schema(as = HoldDecision)]
pub(crate) struct Decision {
    /// `propose` (a release), `agree` (as the second person), `decline`, `close` (for good).
    act: String,
    /// The reason; needed for `propose` and `close`.
    #[serde(default)]
    words: String,
    /// Version as it was read.
    version: i64,
}

/// How it stands now.
#[derive(Serialize, ToSchema)]
#[schema(as = HoldStands)]
pub(crate) struct Stands {
    state: &'static str,
}

/// Proposes, agrees to or declines the release of a held part, or closes it for good.
#[utoipa::path(
    post, path = "/api/v1/messages/{tenant}/{id}/parts/{n}/hold", operation_id = "decide_hold",
    security(("token" = [])), params(MessageIds, ("n" = u32, Path, description = "Number of the part")),
    request_body = Decision, responses((status = 200, description = "How it stands", body = Stands), Refusals, JsonRefusals)
)]
pub(crate) async fn decide(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, id, n)): PartPath,
    Json(decision): Json<Decision>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &id)?;
    let n = n.parse().map_err(|_| Refusal::not_found())?;
    let wish = HoldWish::parse(&decision.act).ok_or_else(|| {
        Refusal::bad(
            axum::http::StatusCode::UNPROCESSABLE_ENTITY,
            "PST-API-0003",
            "act: propose, agree, decline, close",
        )
    })?;
    let of = (tenant, id, n);
    let state = web.hub().hold_act(&signed.access, of, wish, &decision.words, decision.version).await?;
    Ok(Json(Stands { state: state.as_str() }).into_response())
}

/// Where a page of the quarantine begins.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Only messages before this one.
    #[param(value_type = Option<String>, format = "uuid")]
    #[serde(default)]
    before: String,
}

/// Held parts of a tenant that wait.
#[derive(Serialize, ToSchema)]
pub(crate) struct Quarantine {
    /// Newest message first, at most 200.
    held: Vec<Held>,
}

/// What waits in quarantine in a tenant.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/quarantine", operation_id = "quarantine",
    params(("tenant" = String, Path, description = "The tenant", format = "uuid"), Page),
    responses((status = 200, description = "What waits", body = Quarantine), Refusals)
)]
pub(crate) async fn quarantine(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path(tenant): Path<String>,
    Query(page): Query<Page>,
) -> Result<Response, Refusal> {
    let tenant = tenant_id(&tenant)?;
    let before = optional(&page.before)?;
    let held = web.hub().quarantine(&signed.access, tenant, before).await?;
    Ok(Json(Quarantine { held: held.into_iter().map(Held::from).collect() }).into_response())
}
