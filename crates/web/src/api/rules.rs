// SPDX-License-Identifier: EUPL-1.2
//! `/api/v1/tenants/{tenant}/rules`: a tenant's rules as on the pages; for tokens of a service that administers it.
//!
//! Guarantees: what is put is the draft; only a release makes it true. A change names the version it was made from and
//! is refused (409) when that is not the present one.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use poststelle_hub::rules::{RulesView, Step};
use poststelle_model::{Action, MessageId, Rule, RuleId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::{JsonRefusals, Refusals};
use crate::error::Refusal;
use crate::pages::tenant_id;
use crate::session::{Caller, Client};
use crate::web::Web;

/// A rule.
#[derive(Serialize, ToSchema)]
#[schema(as = Rule)]
pub(crate) struct Out {
    id: String,
    name: String,
    /// CEL.
    condition: String,
    /// `{"do": "to_desk", "desk": …}`, `to_connector`, `to_address`, `copy_to_desk`, `priority`, `to_clearing`.
    #[schema(value_type = Vec<Object>)]
    actions: Vec<Action>,
    active: bool,
    version: i64,
}

fn out(rules: &[Rule]) -> Vec<Out> {
    rules
        .iter()
        .map(|r| Out {
            id: r.id.to_string(),
            name: r.name.clone(),
            condition: r.condition.clone(),
            actions: r.actions.clone(),
            active: r.active,
            version: r.version,
        })
        .collect()
}

/// The rules of a tenant, in order.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rules {
    /// Number of the release in force; 0 = nothing was ever released.
    released: i64,
    /// In force.
    rules: Vec<Out>,
    /// Version of what is prepared; a change names it.
    version: i64,
    /// Prepared.
    #[serde(skip_serializing_if = "Option::is_none")]
    draft: Option<Vec<Out>>,
    /// What the draft would change, in German.
    differences: Vec<String>,
    two_persons: bool,
    /// The draft waits for a second person.
    proposed: bool,
}

fn rules(view: RulesView) -> Rules {
    Rules {
        released: view.released,
        rules: out(&view.rules),
        version: view.set.version,
        draft: view.set.draft.as_deref().map(out),
        differences: view.differences,
        two_persons: view.set.two_persons,
        proposed: view.set.proposed_by.is_some(),
    }
}

/// The rules in force and what is prepared.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/rules", operation_id = "rules",
    params(("tenant" = String, Path, format = "uuid")),
    responses((status = 200, description = "The rules", body = Rules), Refusals)
)]
pub(crate) async fn show(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let view = web.hub().rules_view(&signed.access, tenant_id(&tenant)?).await?;
    Ok(Json(rules(view)).into_response())
}

/// A rule to be prepared.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewRule)]
pub(crate) struct In {
    /// Of a rule that is there; none = a new one.
    id: Option<String>,
    name: String,
    condition: String,
    #[schema(value_type = Vec<Object>)]
    actions: Vec<Action>,
    #[serde(default = "yes")]
    active: bool,
}

pub(super) const fn yes() -> bool {
    true
}

/// All rules as they are to be, in order.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Wanted {
    version: i64,
    rules: Vec<In>,
}

/// Prepares all rules anew.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/rules", operation_id = "prepare_rules", security(("token" = [])),
    params(("tenant" = String, Path, format = "uuid")), request_body = Wanted,
    responses((status = 200, description = "What is prepared now", body = Rules), Refusals, JsonRefusals)
)]
pub(crate) async fn prepare(
    State(web): State<Web>,
    Client(signed): Client,
    Path(tenant): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<Response, Refusal> {
    let tenant = tenant_id(&tenant)?;
    let rule = |r: In| -> Result<Rule, Refusal> {
        let id = match r.id {
            Some(id) => id.parse().map_err(|_| Refusal::not_found())?,
            None => RuleId::new(web.hub().ids()),
        };
        let (name, condition, actions, active) = (r.name, r.condition, r.actions, r.active);
        Ok(Rule { tenant, id, position: 0, name, condition, actions, active, version: 0 })
    };
    let all: Vec<Rule> = wanted.rules.into_iter().map(rule).collect::<Result<_, _>>()?;
    web.hub().prepare_rules(&signed.access, tenant, wanted.version, Step::Replace(all)).await?;
    let view = web.hub().rules_view(&signed.access, tenant).await?;
    Ok(Json(rules(view)).into_response())
}

/// What the draft is tried on: one message, or the ones received last.
#[derive(Deserialize, ToSchema)]
#[schema(as = RuleTrialOn)]
pub(crate) struct On {
    message: Option<String>,
    /// 1 to 200.
    latest: Option<i64>,
}

/// A message tried.
#[derive(Serialize, ToSchema)]
#[schema(as = RuleTrialLine)]
pub(crate) struct Line {
    message: String,
    /// Where it went, in German.
    went: Vec<String>,
    /// Where it would go, in German.
    would: Vec<String>,
    /// The rule that places it; empty = none.
    rule: String,
}

/// What a trial found.
#[derive(Serialize, ToSchema)]
#[schema(as = RuleTrial)]
pub(crate) struct Tried {
    tried: usize,
    same: usize,
    /// Of one message: that one. Of many: those that would go elsewhere.
    messages: Vec<Line>,
}

/// Tries the draft (or the rules in force); moves nothing. One message tried counts as read.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/rules/test", operation_id = "test_rules", security(("token" = [])),
    params(("tenant" = String, Path, format = "uuid")), request_body = On,
    responses((status = 200, description = "What the trial found", body = Tried), Refusals, JsonRefusals)
)]
pub(crate) async fn test(
    State(web): State<Web>,
    Client(signed): Client,
    Path(tenant): Path<String>,
    Json(on): Json<On>,
) -> Result<Response, Refusal> {
    let tenant = tenant_id(&tenant)?;
    let tried = match on.message {
        Some(id) => {
            let id: MessageId = id.parse().map_err(|_| Refusal::not_found())?;
            let t = web.hub().try_rules(&signed.access, tenant, id).await?;
            let hit = t.asked.iter().rev().find(|a| a.hit).map(|a| a.rule.clone());
            let line =
                Line { message: id.to_string(), went: t.went, would: t.would, rule: hit.unwrap_or_default() };
            Tried { tried: 1, same: usize::from(t.same), messages: vec![line] }
        }
        None => {
            let t = web.hub().try_rules_on_many(&signed.access, tenant, on.latest.unwrap_or(50)).await?;
            let line = |m: poststelle_hub::rules::Moved| Line {
                message: m.message.to_string(),
                went: m.old,
                would: m.new,
                rule: m.because,
            };
            Tried { tried: t.tried, same: t.same, messages: t.moved.into_iter().map(line).collect() }
        }
    };
    Ok(Json(tried).into_response())
}

/// What is released: the draft of this version, after this release.
#[derive(Deserialize, ToSchema)]
#[schema(as = RuleReleaseOf)]
pub(crate) struct Of {
    version: i64,
    released: i64,
}

/// The number of a release.
#[derive(Serialize, ToSchema)]
#[schema(as = RuleReleased)]
pub(crate) struct Released {
    released: i64,
}

/// Makes the draft true.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/rules/release", operation_id = "release_rules", security(("token" = [])),
    params(("tenant" = String, Path, format = "uuid")), request_body = Of,
    responses((status = 201, description = "Released", body = Released), Refusals, JsonRefusals)
)]
pub(crate) async fn release(
    State(web): State<Web>,
    Client(signed): Client,
    Path(tenant): Path<String>,
    Json(of): Json<Of>,
) -> Result<Response, Refusal> {
    let tenant = tenant_id(&tenant)?;
    let released = web.hub().release_rules(&signed.access, tenant, of.version, of.released).await?;
    Ok((StatusCode::CREATED, Json(Released { released })).into_response())
}

/// A release.
#[derive(Serialize, ToSchema)]
#[schema(as = RuleRelease)]
pub(crate) struct Past {
    version: i64,
    released_at: String,
    released_by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    proposed_by: String,
    /// What it changed, in German.
    differences: Vec<String>,
    rules: Vec<Out>,
}

/// Releases, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = RuleHistory)]
pub(crate) struct History {
    releases: Vec<Past>,
}

/// The last hundred releases.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/rules/history", operation_id = "rule_history",
    params(("tenant" = String, Path, format = "uuid")),
    responses((status = 200, description = "The releases", body = History), Refusals)
)]
pub(crate) async fn history(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let (_, all) = web.hub().rule_history(&signed.access, tenant_id(&tenant)?).await?;
    let releases = all
        .into_iter()
        .map(|r| Past {
            version: r.release.version,
            released_at: r.release.released_at.rfc3339(),
            released_by: r.by,
            proposed_by: r.proposed_by,
            differences: r.differences,
            rules: out(&r.release.rules),
        })
        .collect();
    Ok(Json(History { releases }).into_response())
}
