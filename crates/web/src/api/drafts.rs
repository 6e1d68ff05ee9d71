// SPDX-License-Identifier: EUPL-1.2
//! `/api/v1/drafts`: writes letters, one's own as on the pages.
//!
//! Guarantees: a draft is that of the principal behind the token; a change names the version it was made from, and is
//! refused (409) when that is not the present one; asked again to send, the same message is the answer.

use axum::Json;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use poststelle_hub::texts;
use poststelle_hub::writing::{DraftLine, DraftView, LINE_CAP, Origin, Submitted, TEXT_CAP, Typed, Upload};
use poststelle_model::{DraftId, DraftPartId, TenantId, Timestamp};
use poststelle_store::drafts::Draft;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::openapi::{JsonRefusals, Refusals};
use crate::error::Refusal;
use crate::pages::drafts::{DraftPath, ids};
use crate::pages::upload::octets;
use crate::session::{Caller, Client};
use crate::web::Web;

/// Name of an attached file, percent-encoded UTF-8.
const NAME: HeaderName = HeaderName::from_static("x-poststelle-name");
/// Longest JSON of a draft: each byte of text may need six.
const JSON_CAP: usize = 6 * TEXT_CAP + 4 * LINE_CAP;

#[derive(Serialize, ToSchema)]
#[schema(as = DraftSummary)]
pub(crate) struct Summary {
    tenant: String,
    id: String,
    mailbox: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<String>,
    state: &'static str,
    recipients: String,
    copies: String,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_at: Option<String>,
    /// The message it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Why it could not be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    changed_at: String,
    version: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Draft)]
pub(crate) struct Whole {
    #[serde(flatten)]
    summary: Summary,
    from: String,
    text: String,
    parts: Vec<PartOut>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DraftPart)]
pub(crate) struct PartOut {
    id: String,
    name: String,
    media_type: String,
    size: i64,
    stored: i64,
}

fn summary(d: &Draft) -> Summary {
    Summary {
        tenant: d.tenant.to_string(),
        id: d.id.to_string(),
        mailbox: d.mailbox.to_string(),
        kind: d.kind.as_str(),
        answers: d.answers.map(|m| m.to_string()),
        state: d.state.as_str(),
        recipients: d.recipients.clone(),
        copies: d.copies.clone(),
        subject: d.subject.clone(),
        send_at: (d.send_at > Timestamp(0)).then(|| d.send_at.rfc3339()),
        message: d.message.map(|m| m.to_string()),
        reason: d.reason.as_ref().map(texts::sentence),
        changed_at: d.changed_at.rfc3339(),
        version: d.version,
    }
}

/// A page of drafts.
#[derive(Serialize, ToSchema)]
pub(crate) struct Drafts {
    drafts: Vec<Summary>,
}

/// Whose draft and which one.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes a path")]
pub(crate) struct DraftIds {
    /// The tenant.
    #[param(format = "uuid")]
    tenant: String,
    /// The draft.
    #[param(format = "uuid")]
    draft: String,
}

/// One's own, and what waits for release by somebody else; changed last first.
#[utoipa::path(
    get, path = "/api/v1/drafts", operation_id = "drafts",
    responses((status = 200, description = "The drafts", body = Drafts), Refusals)
)]
pub(crate) async fn list(State(web): State<Web>, Caller(signed): Caller) -> Result<Response, Refusal> {
    let all: Vec<DraftLine> = web.hub().drafts_of(&signed.access).await?;
    let drafts: Vec<Summary> = all.iter().map(|l| summary(&l.draft)).collect();
    Ok(Json(Drafts { drafts }).into_response())
}

/// A draft with its text.
#[utoipa::path(
    get, path = "/api/v1/drafts/{tenant}/{draft}", operation_id = "draft", params(DraftIds),
    responses((status = 200, description = "The draft", body = Whole), Refusals)
)]
pub(crate) async fn one(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path((tenant, draft)): DraftPath,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &draft)?;
    let DraftView { draft, text, parts, address, .. } =
        web.hub().draft_view(&signed.access, tenant, id).await?;
    let parts = parts
        .into_iter()
        .map(|p| PartOut {
            id: p.id.to_string(),
            name: p.name,
            media_type: p.media_type,
            size: p.size,
            stored: p.stored,
        })
        .collect();
    Ok(Json(Whole { summary: summary(&draft), from: address, text, parts }).into_response())
}

/// What a new draft is made from: exactly one of the three.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewDraft)]
pub(crate) struct New {
    tenant: String,
    mailbox: Option<String>,
    reply_to: Option<String>,
    forward: Option<String>,
}

/// Begins a new letter, an answer or a forward.
#[utoipa::path(
    post, path = "/api/v1/drafts", operation_id = "begin_draft", security(("token" = [])), request_body = New,
    responses((status = 201, description = "The draft", body = Summary), Refusals, JsonRefusals)
)]
pub(crate) async fn begin(
    State(web): State<Web>,
    Client(signed): Client,
    Json(new): Json<New>,
) -> Result<Response, Refusal> {
    let absent = |_| Refusal::not_found();
    let tenant: TenantId = new.tenant.parse().map_err(absent)?;
    let origin = match (&new.mailbox, &new.reply_to, &new.forward) {
        (Some(mailbox), None, None) => Origin::Box(mailbox.parse().map_err(absent)?),
        (None, Some(message), None) => Origin::Reply(message.parse().map_err(absent)?),
        (None, None, Some(message)) => Origin::Forward(message.parse().map_err(absent)?),
        _ => return Err(bad()),
    };
    let draft = web.hub().begin_draft(&signed.access, tenant, origin).await?;
    let mut answer = (StatusCode::CREATED, Json(summary(&draft))).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/drafts/{tenant}/{}", draft.id)) {
        answer.headers_mut().insert(LOCATION, place);
    }
    Ok(answer)
}

fn bad() -> Refusal {
    Refusal::bad(StatusCode::BAD_REQUEST, "PST-API-0003", texts::say("detail-unreadable", &[]))
}

/// JSON longer than a form may be.
async fn long<T: DeserializeOwned>(web: &Web, mut request: Request) -> Result<T, Refusal> {
    DefaultBodyLimit::max(JSON_CAP).apply(&mut request);
    Json::from_request(request, web)
        .await
        .map(|Json(value)| value)
        .map_err(|e| Refusal::of_status(e.status()))
}

/// What a draft is to say.
#[derive(Deserialize, ToSchema)]
#[schema(as = DraftText)]
pub(crate) struct Said {
    version: i64,
    #[serde(default)]
    recipients: String,
    #[serde(default)]
    copies: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: String,
}

/// Saves what a draft is to say.
#[utoipa::path(
    put, path = "/api/v1/drafts/{tenant}/{draft}", operation_id = "save_draft", security(("token" = [])),
    params(DraftIds), request_body = Said,
    responses((status = 200, description = "The draft", body = Summary), Refusals, JsonRefusals)
)]
pub(crate) async fn save(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, draft)): DraftPath,
    request: Request,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &draft)?;
    let Said { version, recipients, copies, subject, text } = long(&web, request).await?;
    let typed = Typed { recipients, copies, subject, text };
    let draft = web.hub().save_draft(&signed.access, tenant, id, version, &typed).await?;
    Ok(Json(summary(&draft)).into_response())
}

/// What a change was made from.
#[derive(Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Seen {
    /// The version it was made from.
    pub(crate) version: i64,
}

/// Deletes a draft that was not sent.
#[utoipa::path(
    delete, path = "/api/v1/drafts/{tenant}/{draft}", operation_id = "delete_draft", security(("token" = [])),
    params(DraftIds, Seen), responses((status = 204, description = "It is gone"), Refusals, JsonRefusals)
)]
pub(crate) async fn delete(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, draft)): DraftPath,
    Query(seen): Query<Seen>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &draft)?;
    web.hub().delete_draft(&signed.access, tenant, id, seen.version).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Attaches the body as a file.
#[utoipa::path(
    post, path = "/api/v1/drafts/{tenant}/{draft}/parts", operation_id = "attach", security(("token" = [])),
    params(
        DraftIds,
        ("X-Poststelle-Name" = Option<String>, Header, description = "Name of the file, percent-encoded UTF-8"),
    ),
    request_body(content = Value, content_type = "application/octet-stream", description = "The octets; any media type"),
    responses((status = 201, description = "The draft", body = Summary), Refusals, JsonRefusals)
)]
pub(crate) async fn attach(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, draft)): DraftPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &draft)?;
    let text = |name: &HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let upload = Upload { name: unpercent(text(&NAME)), media_type: text(&CONTENT_TYPE).to_owned() };
    let octets = octets(body.into_data_stream());
    let draft = web.hub().attach(&signed.access, tenant, id, &upload, octets).await?;
    Ok((StatusCode::CREATED, Json(summary(&draft))).into_response())
}

/// Percent-encoded UTF-8; what is none stays as it is.
fn unpercent(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = rest.get(1..3).filter(|_| *first == b'%');
        let value =
            code.and_then(|c| std::str::from_utf8(c).ok()).and_then(|c| u8::from_str_radix(c, 16).ok());
        out.push(value.unwrap_or(*first));
        rest = if value.is_some() { rest.get(3..).unwrap_or_default() } else { after };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Takes a file off again.
#[utoipa::path(
    delete, path = "/api/v1/drafts/{tenant}/{draft}/parts/{part}", operation_id = "detach", security(("token" = [])),
    params(DraftIds, ("part" = String, Path, description = "The file", format = "uuid")),
    responses((status = 200, description = "The draft", body = Summary), Refusals, JsonRefusals)
)]
pub(crate) async fn detach(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, draft, part)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &draft)?;
    let part: DraftPartId = part.parse().map_err(|_| Refusal::not_found())?;
    let draft = web.hub().detach(&signed.access, tenant, id, part).await?;
    Ok(Json(summary(&draft)).into_response())
}

/// When it is to be sent; absent = now.
#[derive(Deserialize, ToSchema)]
#[schema(as = SendWish)]
pub(crate) struct Wish {
    version: i64,
    /// RFC 3339.
    #[schema(format = "date-time")]
    at: Option<String>,
}

/// What became of a wish to send.
#[derive(Serialize, ToSchema)]
pub(crate) struct Outcome {
    tenant: String,
    draft: String,
    /// `sent`, `sending` (waits for its time or for the house), `release` (waits for a second person).
    state: &'static str,
    /// The message it became.
    message: Option<String>,
}

fn outcome(tenant: TenantId, id: DraftId, done: Submitted) -> Response {
    let (state, message) = match done {
        Submitted::Sent(message) => ("sent", Some(message.to_string())),
        Submitted::Waits => ("sending", None),
        Submitted::Asks => ("release", None),
    };
    Json(Outcome { tenant: tenant.to_string(), draft: id.to_string(), state, message }).into_response()
}

/// Sends a draft, now or later. Asked again, the same message is the answer.
#[utoipa::path(
    post, path = "/api/v1/drafts/{tenant}/{draft}/send", operation_id = "send_draft", security(("token" = [])),
    params(DraftIds), request_body = Wish,
    responses((status = 200, description = "What became of it", body = Outcome), Refusals, JsonRefusals)
)]
pub(crate) async fn send(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, draft)): DraftPath,
    Json(wish): Json<Wish>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &draft)?;
    let at = wish.at.as_deref().map(|at| Timestamp::parse_rfc3339(at).ok_or_else(bad)).transpose()?;
    let done = web.hub().send_draft(&signed.access, tenant, id, wish.version, at).await?;
    Ok(outcome(tenant, id, done))
}

/// Takes a letter back that waits for its time or for release.
#[utoipa::path(
    post, path = "/api/v1/drafts/{tenant}/{draft}/withdraw", operation_id = "withdraw_draft",
    security(("token" = [])), params(DraftIds), request_body = Seen,
    responses((status = 200, description = "The draft", body = Summary), Refusals, JsonRefusals)
)]
pub(crate) async fn withdraw(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, draft)): DraftPath,
    Json(seen): Json<Seen>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &draft)?;
    let draft = web.hub().withdraw_draft(&signed.access, tenant, id, seen.version).await?;
    Ok(Json(summary(&draft)).into_response())
}

#[cfg(test)]
mod tests {
    use super::unpercent;

    #[test]
    fn names_in_a_header() {
        assert_eq!(unpercent("Plan%20M%C3%BCller.pdf"), "Plan Müller.pdf");
        for same in ["100%.pdf", "%zz", "%", "%C3", ""] {
            assert_eq!(unpercent(same), same);
        }
    }
}
