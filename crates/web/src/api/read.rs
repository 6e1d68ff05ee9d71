// SPDX-License-Identifier: EUPL-1.2
//! Reading messages.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use poststelle_hub::people::SignedIn;
use poststelle_hub::routing::Explanation;
use poststelle_hub::texts;
use poststelle_hub::view::{DeliveryView, ListLine, MessageView, TimelineLine, Waiting};
use poststelle_model::{MessageId, Part, Reason, TenantId};
use poststelle_store::messages::Inspection;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::openapi::Refusals;
use crate::download::{MessagePath, ids};
use crate::error::Refusal;
use crate::session::Caller;
use crate::web::Web;

/// Lines of a page when nothing is asked.
const PAGE: i64 = 50;
/// Most lines of a page.
const PAGE_CAP: i64 = 200;

/// What the address may carry.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Whose; may be left out when the client reads one tenant only.
    #[param(format = "uuid")]
    tenant: Option<String>,
    /// `next` of the page before.
    #[param(format = "uuid")]
    before: Option<String>,
    /// Lines, 1 to 200; 50 when left out.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Page {
    messages: Vec<Summary>,
    /// Give it as `before` for the next page; absent = that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MessageSummary)]
pub(crate) struct Summary {
    tenant: String,
    id: String,
    direction: &'static str,
    channel: &'static str,
    size: i64,
    accepted_at: String,
    processed: bool,
    subject: String,
    sender_name: String,
    sender_address: String,
    envelope_sender: String,
    urgent: bool,
    attachments: i64,
    /// One for each delivery.
    states: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct Whole {
    tenant: TenantOut,
    message: MessageOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    inspection: Option<InspectionOut>,
    /// Which rule hit, and why.
    #[schema(value_type = Object)]
    explanation: Explanation,
    #[schema(value_type = Vec<Object>)]
    parts: Vec<Part>,
    more_parts: bool,
    deliveries: Vec<DeliveryOut>,
    receipts: Vec<ReceiptOut>,
    timeline: Vec<Entry>,
    #[schema(value_type = Vec<Object>)]
    waiting: Vec<Waiting>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TenantOut {
    id: String,
    slug: String,
    name: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MessageOut {
    id: String,
    direction: &'static str,
    channel: &'static str,
    mailbox: Option<String>,
    foreign_id: String,
    conflicts_with: Option<String>,
    in_reply_to: Option<String>,
    size: i64,
    sha256: String,
    sha512: String,
    #[schema(value_type = Object)]
    transport: poststelle_model::message::Transport,
    accepted_at: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct InspectionOut {
    version: i64,
    subject: String,
    sender_name: String,
    sender_address: String,
    recipients: String,
    sent_at: Option<String>,
    header_id: String,
    automatic: bool,
    urgent: bool,
    defects: Vec<String>,
    created_at: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryOut {
    id: String,
    rule: Option<String>,
    target: String,
    target_name: String,
    state: &'static str,
    state_name: String,
    #[schema(value_type = Option<Object>)]
    reason: Option<Reason>,
    sentence: String,
    who: String,
    /// Can it be set going again? Then name this `version`.
    resumable: bool,
    version: i64,
    foreign_id: String,
    attempts: i64,
    next_attempt: Option<String>,
    expires_at: Option<String>,
    created_at: String,
    changed_at: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ReceiptOut {
    id: String,
    delivery: String,
    kind: String,
    carried_by: Option<String>,
    body: String,
    created_at: String,
}

/// A line of the timeline with its time for programs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Entry {
    time: String,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    line: TimelineLine,
}

/// What happened, and what is waited for.
#[derive(Serialize, ToSchema)]
pub(crate) struct Timeline {
    timeline: Vec<Entry>,
    #[schema(value_type = Vec<Object>)]
    waiting: Vec<Waiting>,
}

/// Whose message and which one.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes a path")]
pub(crate) struct MessageIds {
    /// The tenant.
    #[param(format = "uuid")]
    tenant: String,
    /// The message.
    #[param(format = "uuid")]
    id: String,
}

fn asked_tenant(signed: &SignedIn, asked: Option<&str>) -> Result<TenantId, Refusal> {
    let readable = signed.access.reading_tenants();
    match (asked, signed.bound_to, readable.as_slice()) {
        (Some(text), _, _) => text.parse().map_err(|_| Refusal::not_found()),
        (None, Some(tenant), _) => Ok(tenant),
        (None, None, [tenant]) => Ok(*tenant),
        (None, None, []) => Err(Refusal::not_found()),
        (None, None, _) => {
            let detail = texts::say("detail-tenant", &[]);
            Err(Refusal::bad(StatusCode::BAD_REQUEST, "PST-API-0003", detail))
        }
    }
}

/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/messages", operation_id = "messages", params(Asked),
    responses((status = 200, description = "A page", body = Page), Refusals)
)]
pub(crate) async fn list(
    State(web): State<Web>,
    Caller(signed): Caller,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let tenant = asked_tenant(&signed, asked.tenant.as_deref())?;
    let (before, limit) = window(asked.before.as_deref(), asked.limit)?;
    let lines = web.hub().message_page(&signed.access, tenant, before, limit).await?;
    Ok(page(lines, limit))
}

/// Where a page begins and how long it is.
fn window(before: Option<&str>, limit: Option<i64>) -> Result<(Option<MessageId>, i64), Refusal> {
    let before = before.map(str::parse).transpose().map_err(|_| Refusal::not_found())?;
    Ok((before, limit.unwrap_or(PAGE).clamp(1, PAGE_CAP)))
}

/// A page of at most `limit` lines; a full one may have a next one.
fn page(lines: Vec<ListLine>, limit: i64) -> Response {
    let full = i64::try_from(lines.len()).is_ok_and(|n| n == limit);
    let next = lines.last().filter(|_| full).map(|l| l.line.id.to_string());
    Json(Page { messages: lines.into_iter().map(summary).collect(), next }).into_response()
}

/// What a search may carry.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Sought {
    /// All words must be there, the last one may be a beginning; quotes for a phrase. At least one letter or digit.
    q: Option<String>,
    /// Whose; of all that the client may read when left out.
    #[param(format = "uuid")]
    tenant: Option<String>,
    /// `next` of the page before.
    #[param(format = "uuid")]
    before: Option<String>,
    /// Lines, 1 to 200; 50 when left out.
    limit: Option<i64>,
}

/// Hits in the messages of one tenant, or of all that the client may read; newest first.
#[utoipa::path(
    get, path = "/api/v1/search", operation_id = "search", params(Sought),
    responses((status = 200, description = "A page of hits", body = Page), Refusals)
)]
pub(crate) async fn search(
    State(web): State<Web>,
    Caller(signed): Caller,
    Query(sought): Query<Sought>,
) -> Result<Response, Refusal> {
    let mut tenants = signed.access.reading_tenants();
    if let Some(text) = &sought.tenant {
        let tenant: TenantId = text.parse().map_err(|_| Refusal::not_found())?;
        tenants.retain(|t| *t == tenant);
    } else if let Some(bound) = signed.bound_to {
        tenants.retain(|t| *t == bound);
    }
    if tenants.is_empty() {
        return Err(Refusal::not_found());
    }
    let (before, limit) = window(sought.before.as_deref(), sought.limit)?;
    let query =
        poststelle_store::search::Query::parse(sought.q.as_deref().unwrap_or_default()).ok_or_else(|| {
            Refusal::bad(StatusCode::BAD_REQUEST, "PST-API-0003", texts::say("detail-words", &[]))
        })?;
    let lines = web.hub().search(&signed.access, &tenants, &query, before, limit).await?;
    Ok(page(lines, limit))
}

/// A message as it stands; the look is evidence.
#[utoipa::path(
    get, path = "/api/v1/messages/{tenant}/{id}", operation_id = "message", params(MessageIds),
    responses((status = 200, description = "The message", body = Whole), Refusals)
)]
pub(crate) async fn one(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path((tenant, id)): MessagePath,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &id)?;
    let view = web.hub().message_view(&signed.access, tenant, id).await?;
    Ok(Json(whole(view)).into_response())
}

/// What happened to a message, and what it waits for.
#[utoipa::path(
    get, path = "/api/v1/messages/{tenant}/{id}/timeline", operation_id = "timeline", params(MessageIds),
    responses((status = 200, description = "The timeline", body = Timeline), Refusals)
)]
pub(crate) async fn timeline(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path((tenant, id)): MessagePath,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &id)?;
    let view = web.hub().message_view(&signed.access, tenant, id).await?;
    Ok(Json(Timeline { timeline: entries(view.timeline), waiting: view.waiting }).into_response())
}

fn summary(ListLine { line, states }: ListLine) -> Summary {
    Summary {
        tenant: line.tenant.to_string(),
        id: line.id.to_string(),
        direction: line.direction.as_str(),
        channel: line.channel.as_str(),
        size: line.size,
        accepted_at: line.accepted_at.rfc3339(),
        processed: line.processed,
        subject: line.subject,
        sender_name: line.sender_name,
        sender_address: line.sender_address,
        envelope_sender: line.envelope_sender,
        urgent: line.urgent,
        attachments: line.attachments,
        states: states.into_iter().map(poststelle_model::DeliveryState::as_str).collect(),
    }
}

fn entries(timeline: Vec<TimelineLine>) -> Vec<Entry> {
    timeline.into_iter().map(|line| Entry { time: line.at.rfc3339(), line }).collect()
}

fn time(at: poststelle_model::Timestamp) -> Option<String> {
    (at.0 > 0 && at < poststelle_model::Timestamp::NEVER).then(|| at.rfc3339())
}

fn whole(view: MessageView) -> Whole {
    let message = view.message;
    Whole {
        tenant: TenantOut { id: view.tenant.id.to_string(), slug: view.tenant.slug, name: view.tenant.name },
        message: MessageOut {
            id: message.id.to_string(),
            direction: message.direction.as_str(),
            channel: message.channel.as_str(),
            mailbox: message.mailbox.map(|m| m.to_string()),
            foreign_id: message.foreign_id,
            conflicts_with: message.conflicts_with.map(|m| m.to_string()),
            in_reply_to: message.in_reply_to.map(|m| m.to_string()),
            size: message.size,
            sha256: message.sha256,
            sha512: message.sha512,
            transport: message.transport,
            accepted_at: message.accepted_at.rfc3339(),
        },
        inspection: view.inspection.map(inspection),
        explanation: view.explanation,
        parts: view.parts,
        more_parts: view.more_parts,
        deliveries: view.deliveries.into_iter().map(delivery).collect(),
        receipts: view
            .receipts
            .into_iter()
            .map(|r| ReceiptOut {
                id: r.id.to_string(),
                delivery: r.delivery.to_string(),
                kind: r.kind,
                carried_by: r.carried_by.map(|m| m.to_string()),
                body: r.body,
                created_at: r.created_at.rfc3339(),
            })
            .collect(),
        timeline: entries(view.timeline),
        waiting: view.waiting,
    }
}

fn inspection(i: Inspection) -> InspectionOut {
    InspectionOut {
        version: i.version,
        subject: i.subject,
        sender_name: i.sender_name,
        sender_address: i.sender_address,
        recipients: i.recipients,
        sent_at: time(i.sent_at),
        header_id: i.header_id,
        automatic: i.automatic,
        urgent: i.urgent,
        defects: i.defects,
        created_at: i.created_at.rfc3339(),
    }
}

fn delivery(view: DeliveryView) -> DeliveryOut {
    let d = view.delivery;
    DeliveryOut {
        id: d.id.to_string(),
        rule: d.rule.map(|r| r.to_string()),
        target: d.target.to_string(),
        target_name: view.target,
        state: d.state.as_str(),
        state_name: view.state,
        reason: d.reason,
        sentence: view.sentence,
        who: view.who,
        resumable: view.resumable,
        version: d.version,
        foreign_id: d.foreign_id,
        attempts: d.attempts,
        next_attempt: time(d.next_attempt),
        expires_at: time(d.expires_at),
        created_at: d.created_at.rfc3339(),
        changed_at: d.changed_at.rfc3339(),
    }
}
