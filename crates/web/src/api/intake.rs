// SPDX-License-Identifier: EUPL-1.2
//! `POST /api/v1/messages`: hands one message in.
//!
//! Guarantees: the answer 201 follows the commit of message and evidence, never earlier; what is refused, breaks off
//! or loses its client leaves nothing; the body is streamed, constant memory; a size over the cap is refused before
//! the body is read when it is announced. The work runs in a task of its own, so a client that goes away cannot stop it
//! half-way.
//!
//! `Idempotency-Key` is the client's own: two clients of a tenant with the same key do not meet. Same key and same
//! octets give the first answer again (200, `repeated`); same key, other octets are a new message that names the
//! earlier one (`conflicts_with`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequestParts, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use poststelle_hub::accept::Abandoned;
use poststelle_hub::people::SignedIn;
use poststelle_hub::{AcceptError, Accepted, Hub, NewIntake, texts};
use poststelle_model::message::Transport;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{ChannelKind, Direction, Fault, MailboxId, Reason, Role, TenantId, Who};
use poststelle_store::{Scope, messages, tenants};
use serde::Serialize;
use tracing::Instrument;
use utoipa::ToSchema;

use super::openapi::{IntakeRefusals, Refusals};
use crate::error::Refusal;
use crate::guard;
use crate::session::Client;
use crate::text;
use crate::web::Web;

/// Longest idempotency key.
const KEY_CAP: usize = 200;
/// Longest media type with parameters.
const TYPE_CAP: usize = 255;
/// Longest silence of a client within its body.
const SILENCE: Duration = Duration::from_secs(60);
/// Which box it is for.
const MAILBOX: HeaderName = HeaderName::from_static("x-poststelle-mailbox");
/// What the client calls the sender.
const SENDER: HeaderName = HeaderName::from_static("x-poststelle-sender");
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What became of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Answer {
    tenant: String,
    message: String,
    repeated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflicts_with: Option<String>,
}

/// What the headers say.
struct Said {
    mailbox: Option<MailboxId>,
    key: String,
    media_type: String,
    sender: String,
    length: Option<u64>,
}

/// The house can keep something. Asked first: the token is in a database that may not answer.
pub(crate) struct Open;

impl FromRequestParts<Web> for Open {
    type Rejection = Refusal;

    async fn from_request_parts(_: &mut Parts, web: &Web) -> Result<Self, Refusal> {
        Ok(web.hub().door(ChannelKind::Rest).map(|()| Self)?)
    }
}

/// Hands a message in. 201 follows the commit of message and evidence, never earlier.
#[utoipa::path(
    post, path = "/api/v1/messages", operation_id = "hand_in", security(("token" = [])),
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Same key and same octets: the first answer again", max_length = 200),
        ("X-Poststelle-Mailbox" = Option<String>, Header, description = "Which mailbox it is for", format = "uuid"),
        ("X-Poststelle-Sender" = Option<String>, Header, description = "What the client calls the sender"),
    ),
    request_body(content = Value, content_type = "message/rfc822", description = "The octets; any media type"),
    responses(
        (status = 201, description = "Accepted for good", body = Answer),
        (status = 200, description = "Was accepted before under this key", body = Answer),
        Refusals, IntakeRefusals
    )
)]
pub(crate) async fn take(
    State(web): State<Web>,
    _: Open,
    Client(signed): Client,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let tenant = signed.bound_to.ok_or_else(|| Refusal::forbidden("PST-API-0005"))?;
    let said = said(&headers)?;
    if !may_hand_in(&signed, tenant, said.mailbox) {
        return Err(Refusal::forbidden("PST-API-0005"));
    }
    let cap = web.hub().limits().message_bytes;
    if said.length.is_some_and(|length| length > cap) {
        return Err(AcceptError::TooLarge { cap }.into());
    }
    let mailbox = mailbox(web.hub(), tenant, said.mailbox).await?;
    let principal = signed.access.principal;
    let new = NewIntake {
        channel: ChannelKind::Rest,
        direction: Direction::In,
        addressed: BTreeMap::from([(tenant, mailbox.into_iter().collect())]),
        recipients: BTreeMap::from([(tenant, said.mailbox.iter().map(ToString::to_string).collect())]),
        transport: Transport {
            sender: said.sender,
            peer: peer(&signed, guard::address(&web, &headers, &extensions)),
            media_type: said.media_type,
            ..Transport::default()
        },
        foreign_id: if said.key.is_empty() { String::new() } else { format!("{principal}:{}", said.key) },
        announced: said.length,
        who: Who::Principal { id: principal },
    };
    let keyed = !new.foreign_id.is_empty();
    let hub = web.shared_hub();
    let stream = body.into_data_stream();
    let length = said.length;
    let accepted = tokio::spawn(async move { store(&hub, new, stream, length).await }.in_current_span())
        .await
        .map_err(|_| {
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Reason::new("PST-WEB-0007", Fault::Operator))
        })??;
    answer(web.hub(), &accepted, keyed).await
}

async fn answer(hub: &Hub, accepted: &Accepted, keyed: bool) -> Result<Response, Refusal> {
    let mut conflicts_with = None;
    if keyed && !accepted.repeated {
        // It is accepted whatever happens now: an error here must not look like a refusal.
        if let Ok(mut tx) = hub.db().read(Scope::Tenant(accepted.tenant)).await
            && let Ok(Some(message)) = messages::get(&mut tx, accepted.tenant, accepted.message).await
        {
            conflicts_with = message.conflicts_with.map(|m| m.to_string());
        }
    }
    let place = format!("/api/v1/messages/{}/{}", accepted.tenant, accepted.message);
    let status = if accepted.repeated { StatusCode::OK } else { StatusCode::CREATED };
    let answer = Answer {
        tenant: accepted.tenant.to_string(),
        message: accepted.message.to_string(),
        repeated: accepted.repeated,
        conflicts_with,
    };
    let mut answer = (status, Json(answer)).into_response();
    if let Ok(place) = HeaderValue::from_str(&place) {
        answer.headers_mut().insert(LOCATION, place);
    }
    Ok(answer)
}

fn bad(detail: &str) -> Refusal {
    Refusal::bad(StatusCode::BAD_REQUEST, "PST-API-0003", texts::say(detail, &[]))
}

fn said(headers: &HeaderMap) -> Result<Said, Refusal> {
    let text = |name: &HeaderName| -> Result<Option<&str>, Refusal> {
        let mut values = headers.get_all(name).iter();
        let first = values.next();
        if values.next().is_some() {
            return Err(bad("detail-header-twice"));
        }
        first.map(|v| v.to_str().map_err(|_| bad("detail-header-text"))).transpose()
    };
    if text(&CONTENT_ENCODING)?.is_some_and(|e| !e.eq_ignore_ascii_case("identity")) {
        return Err(Refusal::wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "PST-API-0006"));
    }
    let media_type = text(&CONTENT_TYPE)?.unwrap_or("message/rfc822").trim().to_owned();
    if !is_media_type(&media_type) {
        return Err(Refusal::wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "PST-API-0006"));
    }
    let key = text(&KEY)?;
    if key.is_some_and(|k| {
        k.is_empty() || k.len() > KEY_CAP || !k.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    }) {
        return Err(bad("detail-idempotency-key"));
    }
    let mailbox = text(&MAILBOX)?.map(str::parse).transpose().map_err(|_| bad("detail-mailbox"))?;
    let sender = headers.get(&SENDER).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let length = text(&CONTENT_LENGTH)?.map(str::parse).transpose().map_err(|_| bad("detail-unreadable"))?;
    if length == Some(0) {
        return Err(Refusal::wrong(StatusCode::UNPROCESSABLE_ENTITY, "PST-API-0007"));
    }
    Ok(Said {
        mailbox,
        key: key.unwrap_or_default().to_owned(),
        media_type,
        sender: text::line(&sender.unwrap_or_default(), 300),
        length,
    })
}

/// `type/subtype` with printable parameters.
fn is_media_type(text: &str) -> bool {
    let token =
        |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    let kind = text.split(';').next().unwrap_or_default().trim();
    text.len() <= TYPE_CAP
        && kind.split_once('/').is_some_and(|(a, b)| token(a) && token(b))
        && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}

fn may_hand_in(signed: &SignedIn, tenant: TenantId, mailbox: Option<MailboxId>) -> bool {
    let access = &signed.access;
    let in_box = mailbox.is_some_and(|mailbox| {
        access.grants.contains(&Grant { role: Role::Intake, place: Place::Mailbox { tenant, mailbox } })
    });
    access.has(Role::Intake, tenant) || access.has(Role::TenantAdmin, tenant) || in_box
}

/// The box named, if it is one of this tenant's; none named: its only box, if there is just one.
async fn mailbox(
    hub: &Hub,
    tenant: TenantId,
    named: Option<MailboxId>,
) -> Result<Option<MailboxId>, Refusal> {
    let mut tx = hub.db().read(Scope::Tenant(tenant)).await?;
    let boxes: Vec<MailboxId> =
        tenants::mailboxes(&mut tx, tenant).await?.into_iter().filter(|b| b.2).map(|b| b.0).collect();
    match (named, boxes.as_slice()) {
        (Some(id), _) if boxes.contains(&id) => Ok(Some(id)),
        (Some(_), _) => Err(Refusal::wrong(StatusCode::UNPROCESSABLE_ENTITY, "PST-API-0009")),
        (None, [only]) => Ok(Some(*only)),
        (None, _) => Ok(None),
    }
}

/// Name of the client and where it called from.
fn peer(signed: &SignedIn, address: Option<IpAddr>) -> String {
    let name = text::line(&signed.name, 100);
    address.map_or_else(|| name.clone(), |address| format!("{name} ({address})"))
}

async fn store(
    hub: &Arc<Hub>,
    new: NewIntake,
    mut body: BodyDataStream,
    length: Option<u64>,
) -> Result<Accepted, Refusal> {
    let mut intake = hub.accept(new).await?;
    let mut seen: u64 = 0;
    loop {
        let piece = match tokio::time::timeout(SILENCE, body.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                intake.abort(hub, Abandoned::BrokenOff).await;
                return Err(Refusal::wrong(StatusCode::BAD_REQUEST, "PST-API-0008"));
            }
            Err(_) => {
                intake.abort(hub, Abandoned::TooSlow).await;
                return Err(Refusal::wrong(StatusCode::REQUEST_TIMEOUT, "PST-API-0008"));
            }
        };
        seen += piece.len() as u64;
        if let Err(error) = intake.push(hub, &piece).await {
            intake.abort(hub, Abandoned::Refused).await;
            return Err(error.into());
        }
    }
    // A connection that ended early can look like an orderly end.
    if length.is_some_and(|length| length != seen) {
        intake.abort(hub, Abandoned::BrokenOff).await;
        return Err(Refusal::wrong(StatusCode::BAD_REQUEST, "PST-API-0008"));
    }
    if seen == 0 {
        intake.abort(hub, Abandoned::Empty).await;
        return Err(Refusal::wrong(StatusCode::UNPROCESSABLE_ENTITY, "PST-API-0007"));
    }
    let accepted = intake.finish(hub).await?;
    accepted.into_iter().next().ok_or_else(Refusal::no_database)
}

#[cfg(test)]
mod tests {
    use super::is_media_type;

    #[test]
    fn media_types() {
        for good in [
            "message/rfc822",
            "application/xml; charset=\"utf-8\"",
            "multipart/form-data; boundary=x",
            "a/b+c",
        ] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in ["", "text", "/x", "x/", "a b/c", "text/plain\u{7f}", "text/plain; x=\u{e4}"] {
            assert!(!is_media_type(bad), "{bad}");
        }
    }
}
