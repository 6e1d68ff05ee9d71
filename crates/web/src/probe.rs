// SPDX-License-Identifier: EUPL-1.2
//! For machines: is the process alive, may it get work, numbers for Prometheus.
//!
//! Not guarded: nothing here names a tenant, a person or a message.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use poststelle_hub::health::{Component, Trouble};
use poststelle_hub::texts;
use poststelle_model::{Fault, Reason};
use poststelle_store::Scope;
use serde::Serialize;
use serde_json::json;

use crate::web::Web;

/// Longest wait for the database.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct ComponentState {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    code: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sentence: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    who: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    since: String,
}

/// `GET /health/live`: the process answers.
pub(crate) async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

async fn database(web: &Web) -> Result<(), Reason> {
    let ask = async {
        let mut tx = web.hub().db().read(Scope::System).await?;
        tx.now().await
    };
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.reason()),
        Err(_) => Err(Reason::new("PST-STORE-0001", Fault::Operator)),
    }
}

/// `GET /health/ready`: may this node get work? 503 while the house itself is in trouble.
pub(crate) async fn ready(State(web): State<Web>) -> Response {
    let mut troubles = web.hub().health().troubles();
    if let Err(reason) = database(&web).await
        && !troubles.iter().any(|(c, _)| *c == Component::Database)
    {
        troubles.push((Component::Database, Trouble { since: web.now(), reason }));
    }
    let components: Vec<ComponentState> = Component::ALL
        .into_iter()
        .map(|component| {
            let trouble = troubles.iter().find(|(c, _)| *c == component).map(|(_, t)| t);
            ComponentState {
                name: component.as_str(),
                ok: trouble.is_none(),
                code: trouble.map(|t| t.reason.code.as_str().to_owned()).unwrap_or_default(),
                sentence: trouble.map(|t| texts::sentence(&t.reason)).unwrap_or_default(),
                who: trouble.map(|t| texts::who_acts(t.reason.fault)).unwrap_or_default(),
                since: trouble.map(|t| t.since.rfc3339()).unwrap_or_default(),
            }
        })
        .collect();
    // A skewed clock is told, but a node that serves with one is better than none.
    let ready = components.iter().all(|c| c.ok || c.name == Component::Clock.as_str());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let build = &web.config().build;
    let body = json!({
        "status": if ready { "ready" } else { "not_ready" },
        "node": build.node,
        "version": build.version,
        "components": components,
    });
    (status, Json(body)).into_response()
}

/// `GET /metrics`: OpenMetrics text. Without a database the node's own numbers are still told.
pub(crate) async fn metrics(State(web): State<Web>) -> Response {
    let text = web.hub().numbers(PATIENCE).await;
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}
