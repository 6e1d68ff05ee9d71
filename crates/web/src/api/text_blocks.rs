// SPDX-License-Identifier: EUPL-1.2
//! `/api/v1/tenants/{tenant}/text-blocks`: texts written again and again.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use poststelle_model::{TenantId, TextBlockId};
use poststelle_store::text_blocks::TextBlock;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::drafts::Seen;
use super::openapi::{JsonRefusals, Refusals};
use crate::error::Refusal;
use crate::pages::tenant_id;
use crate::session::{Caller, Client};
use crate::web::Web;

/// A text.
#[derive(Serialize, ToSchema)]
#[schema(as = TextBlock)]
pub(crate) struct Block {
    #[schema(format = "uuid")]
    id: String,
    name: String,
    /// With its placeholders: `{Datum}`, `{Betreff}`, `{Mandant}`, `{Name}`.
    text: String,
    version: i64,
    #[schema(format = "date-time")]
    changed_at: String,
}

fn told(block: TextBlock) -> Block {
    Block {
        id: block.id.to_string(),
        name: block.name,
        text: block.text,
        version: block.version,
        changed_at: block.changed_at.rfc3339(),
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = TextBlocks)]
pub(crate) struct Blocks {
    text_blocks: Vec<Block>,
}

/// What a text is to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewTextBlock)]
pub(crate) struct Wanted {
    name: String,
    text: String,
}

/// What a text is to be, and the version it was made from.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChangedTextBlock)]
pub(crate) struct Changed {
    name: String,
    text: String,
    version: i64,
}

/// Whose text and which one.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes a path")]
pub(crate) struct BlockIds {
    /// The tenant.
    #[param(format = "uuid")]
    tenant: String,
    /// The text.
    #[param(format = "uuid")]
    block: String,
}

fn ids((tenant, block): (String, String)) -> Result<(TenantId, TextBlockId), Refusal> {
    Ok((tenant_id(&tenant)?, block.parse().map_err(|_| Refusal::not_found())?))
}

/// All texts of a tenant one may write for, by name.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/text-blocks", operation_id = "text_blocks",
    params(("tenant" = String, Path, description = "The tenant", format = "uuid")),
    responses((status = 200, description = "The texts", body = Blocks), Refusals)
)]
pub(crate) async fn list(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let blocks = web.hub().text_blocks(&signed.access, tenant_id(&tenant)?).await?;
    Ok(Json(Blocks { text_blocks: blocks.into_iter().map(told).collect() }).into_response())
}

/// Adds a text.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/text-blocks", operation_id = "add_text_block", security(("token" = [])),
    params(("tenant" = String, Path, description = "The tenant", format = "uuid")), request_body = Wanted,
    responses((status = 201, description = "The text", body = Block), Refusals, JsonRefusals)
)]
pub(crate) async fn add(
    State(web): State<Web>,
    Client(signed): Client,
    Path(tenant): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<Response, Refusal> {
    let tenant = tenant_id(&tenant)?;
    let block = web.hub().put_text_block(&signed.access, tenant, None, &wanted.name, &wanted.text).await?;
    Ok((StatusCode::CREATED, Json(told(block))).into_response())
}

/// Changes a text.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/text-blocks/{block}", operation_id = "change_text_block",
    security(("token" = [])), params(BlockIds), request_body = Changed,
    responses((status = 200, description = "The text", body = Block), Refusals, JsonRefusals)
)]
pub(crate) async fn change(
    State(web): State<Web>,
    Client(signed): Client,
    Path(path): Path<(String, String)>,
    Json(wanted): Json<Changed>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(path)?;
    let seen = Some((id, wanted.version));
    let block = web.hub().put_text_block(&signed.access, tenant, seen, &wanted.name, &wanted.text).await?;
    Ok(Json(told(block)).into_response())
}

/// Takes a text away.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}/text-blocks/{block}", operation_id = "delete_text_block",
    security(("token" = [])), params(BlockIds, Seen),
    responses((status = 204, description = "It is gone"), Refusals, JsonRefusals)
)]
pub(crate) async fn delete(
    State(web): State<Web>,
    Client(signed): Client,
    Path(path): Path<(String, String)>,
    Query(seen): Query<Seen>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(path)?;
    web.hub().delete_text_block(&signed.access, tenant, id, seen.version).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
