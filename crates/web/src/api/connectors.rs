// SPDX-License-Identifier: EUPL-1.2
//! `/api/v1/tenants/{tenant}/connectors`: where messages are handed over to, as on the pages.
//!
//! Guarantees: a secret goes in and never comes out; a change names the version it was made from and is refused (409)
//! when that is not the present one.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use poststelle_hub::targets::{TargetText, TargetView};
use poststelle_hub::texts;
use poststelle_model::{ConnectorId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::openapi::{JsonRefusals, Refusals};
use crate::error::Refusal;
use crate::pages::tenant_id;
use crate::session::{Caller, Client};
use crate::web::Web;

/// A connector and how it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Connector)]
pub(crate) struct Out {
    id: String,
    kind: String,
    name: String,
    #[schema(value_type = Object)]
    config: Value,
    has_secret: bool,
    active: bool,
    /// This node leaves it alone until then, after failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    resting_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_delivery: Option<String>,
    waiting: i64,
    parked: i64,
    version: i64,
}

fn out(view: TargetView) -> Out {
    let c = view.connector;
    Out {
        id: c.id.to_string(),
        kind: c.kind,
        name: c.name,
        config: view.config,
        has_secret: !c.wrapped_secret.is_empty(),
        active: c.active,
        resting_until: view.resting.map(|(until, _)| until.rfc3339()),
        last_delivery: (view.last > Timestamp(0)).then(|| view.last.rfc3339()),
        waiting: view.waiting,
        parked: view.parked,
        version: c.version,
    }
}

/// The connectors of a tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct Connectors {
    connectors: Vec<Out>,
}

/// Whose connector and which one.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes a path")]
pub(crate) struct ConnectorIds {
    /// The tenant.
    #[param(format = "uuid")]
    tenant: String,
    /// The connector.
    #[param(format = "uuid")]
    connector: String,
}

/// The connectors by name.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/connectors", operation_id = "connectors",
    params(("tenant" = String, Path, format = "uuid")),
    responses((status = 200, description = "The connectors", body = Connectors), Refusals)
)]
pub(crate) async fn list(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let (_, all) = web.hub().targets(&signed.access, tenant_id(&tenant)?).await?;
    Ok(Json(Connectors { connectors: all.into_iter().map(out).collect() }).into_response())
}

/// What a connector is to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewConnector)]
pub(crate) struct New {
    /// `hot_folder` or `webhook`.
    kind: String,
    name: String,
    #[schema(value_type = Object)]
    config: Value,
    secret: Option<String>,
    #[serde(default = "super::rules::yes")]
    active: bool,
}

async fn one(
    web: &Web,
    signed: &poststelle_hub::people::SignedIn,
    tenant: TenantId,
    id: ConnectorId,
) -> Result<Out, Refusal> {
    let (_, all) = web.hub().targets(&signed.access, tenant).await?;
    all.into_iter().find(|v| v.connector.id == id).map(out).ok_or_else(Refusal::not_found)
}

/// Adds a connector.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/connectors", operation_id = "add_connector", security(("token" = [])),
    params(("tenant" = String, Path, format = "uuid")), request_body = New,
    responses((status = 201, description = "The connector", body = Out), Refusals, JsonRefusals)
)]
pub(crate) async fn add(
    State(web): State<Web>,
    Client(signed): Client,
    Path(tenant): Path<String>,
    Json(new): Json<New>,
) -> Result<Response, Refusal> {
    let tenant = tenant_id(&tenant)?;
    let text = TargetText {
        name: new.name,
        kind: new.kind,
        config: new.config,
        secret: new.secret.map(String::into_bytes),
        active: new.active,
    };
    let id = web.hub().add_target(&signed.access, tenant, &text).await?;
    Ok((StatusCode::CREATED, Json(one(&web, &signed, tenant, id).await?)).into_response())
}

/// A change of a connector; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = ConnectorChange)]
pub(crate) struct Changed {
    version: i64,
    name: Option<String>,
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    secret: Option<String>,
    active: Option<bool>,
}

/// Changes a connector.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/connectors/{connector}", operation_id = "change_connector",
    security(("token" = [])), params(ConnectorIds), request_body = Changed,
    responses((status = 200, description = "The connector", body = Out), Refusals, JsonRefusals)
)]
pub(crate) async fn change(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, connector)): Path<(String, String)>,
    Json(new): Json<Changed>,
) -> Result<Response, Refusal> {
    let tenant = tenant_id(&tenant)?;
    let id: ConnectorId = connector.parse().map_err(|_| Refusal::not_found())?;
    let old = web.hub().target(&signed.access, tenant, id).await?;
    let text = TargetText {
        name: new.name.unwrap_or(old.name),
        kind: old.kind,
        config: new.config.unwrap_or_else(|| serde_json::from_str(&old.config).unwrap_or_default()),
        secret: new.secret.map(String::into_bytes),
        active: new.active.unwrap_or(old.active),
    };
    web.hub().change_target(&signed.access, tenant, id, new.version, &text).await?;
    Ok(Json(one(&web, &signed, tenant, id).await?).into_response())
}

/// What a trial found.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectorCheck)]
pub(crate) struct Checked {
    works: bool,
    /// Why not: a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Why not, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Really tries a connector: a probe in the folder, or a signed probe to the address.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/connectors/{connector}/check", operation_id = "check_connector",
    security(("token" = [])), params(ConnectorIds),
    responses((status = 200, description = "What the trial found", body = Checked), Refusals)
)]
pub(crate) async fn check(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, connector)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let id: ConnectorId = connector.parse().map_err(|_| Refusal::not_found())?;
    let found = web.hub().probe_target(&signed.access, tenant_id(&tenant)?, id).await?;
    let code = found.as_ref().map(|r| r.code.as_str().to_owned());
    Ok(Json(Checked { works: found.is_none(), code, detail: found.as_ref().map(texts::sentence) })
        .into_response())
}
