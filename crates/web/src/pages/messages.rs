// SPDX-License-Identifier: EUPL-1.2
//! The list of a tenant's messages, newest first.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use poststelle_hub::texts;
use poststelle_hub::view::ListLine;
use poststelle_model::{DeliveryState, Direction, MessageId, TenantId};
use poststelle_store::messages::Line;
use poststelle_store::tenants::Tenant;
use serde::Deserialize;

use super::live::Live;
use super::{Choice, Frame, optional, page};
use crate::error::Refusal;
use crate::session::Person;
use crate::text;
use crate::web::Web;

/// Messages on one page.
const PAGE: i64 = 30;

#[derive(Template)]
#[template(path = "messages.html")]
struct MessagesPage {
    frame: Frame,
    tenants: Vec<Choice>,
    tenant_name: String,
    lines: Vec<Row>,
    /// Address of the next older page; empty = none.
    older: String,
    /// Address of the newest page; empty = this is it.
    newest: String,
    live: Live,
}

/// One line.
pub(crate) struct Row {
    pub(crate) href: String,
    pub(crate) id: String,
    pub(crate) when: String,
    pub(crate) machine_time: String,
    pub(crate) sender: String,
    pub(crate) subject: String,
    pub(crate) attachments: i64,
    pub(crate) urgent: bool,
    pub(crate) out: bool,
    pub(crate) state: String,
    pub(crate) colour: &'static str,
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    mandant: String,
    #[serde(default)]
    vor: String,
}

/// `GET /nachrichten`.
pub(crate) async fn list(
    State(web): State<Web>,
    person: Person,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let access = &person.signed.access;
    let live = if asked.vor.is_empty() { Live::list(web.hub(), access).await? } else { Live::none() };
    let tenants = web.hub().visible_tenants(access).await?;
    let chosen = choose(&tenants, &asked.mandant)?;
    let before = optional::<MessageId>(&asked.vor)?;
    let mut lines = Vec::new();
    let (mut older, mut newest, mut here) = (String::new(), String::new(), "/nachrichten".to_owned());
    if let Some(tenant) = chosen {
        let mut found = web.hub().message_page(access, tenant.id, before, PAGE + 1).await?;
        let more = found.len() > usize::try_from(PAGE).unwrap_or(0);
        found.truncate(usize::try_from(PAGE).unwrap_or(0));
        let first = format!("/nachrichten?mandant={}", tenant.id);
        here = match before {
            Some(id) => format!("{first}&vor={id}"),
            None => first.clone(),
        };
        if let Some(last) = found.last().filter(|_| more) {
            older = format!("{first}&vor={}", last.line.id);
        }
        if before.is_some() {
            newest = first;
        }
        lines = found.into_iter().map(in_words).collect();
    }
    let template = MessagesPage {
        frame: Frame::new("Nachrichten", "/nachrichten", Some(&person)),
        tenant_name: chosen.map(|t| t.name.clone()).unwrap_or_default(),
        tenants: tenants.iter().map(|t| Choice::new(t, chosen.map(|c| c.id))).collect(),
        lines,
        older,
        newest,
        live: live.at(here),
    };
    Ok(page(StatusCode::OK, &template))
}

/// The tenant asked for, else the first; a tenant that is not visible does not exist.
fn choose<'a>(tenants: &'a [Tenant], asked: &str) -> Result<Option<&'a Tenant>, Refusal> {
    if asked.is_empty() {
        return Ok(tenants.first());
    }
    let id: TenantId = asked.parse().map_err(|_| Refusal::not_found())?;
    tenants.iter().find(|t| t.id == id).map(Some).ok_or_else(Refusal::not_found)
}

pub(crate) fn in_words(ListLine { line, states }: ListLine) -> Row {
    let (state, colour) = standing(line.processed, &states);
    Row {
        href: format!("/nachrichten/{}/{}", line.tenant, line.id),
        id: line.id.to_string(),
        when: line.accepted_at.in_berlin("%d.%m.%Y, %H:%M Uhr"),
        machine_time: line.accepted_at.rfc3339(),
        sender: sender(&line),
        subject: match text::line(&line.subject, 200) {
            subject if !subject.is_empty() => subject,
            _ if line.processed => "(ohne Betreff)".to_owned(),
            _ => "(noch nicht geprüft)".to_owned(),
        },
        attachments: line.attachments,
        urgent: line.urgent,
        out: line.direction == Direction::Out,
        state,
        colour,
    }
}

fn sender(line: &Line) -> String {
    let address = if line.sender_address.is_empty() { &line.envelope_sender } else { &line.sender_address };
    match text::sender(&line.sender_name, address) {
        sender if sender.is_empty() => "(ohne Absender)".to_owned(),
        sender => sender,
    }
}

/// Where a message stands: the delivery that needs most attention speaks for all.
pub(crate) fn standing(processed: bool, states: &[DeliveryState]) -> (String, &'static str) {
    use DeliveryState as S;
    const ORDER: [DeliveryState; 9] = [
        S::Parked,
        S::Rejected,
        S::Expired,
        S::Unclear,
        S::Deferred,
        S::Sending,
        S::Planned,
        S::Accepted,
        S::Confirmed,
    ];
    if !processed {
        return (texts::say("state-unprocessed", &[]), "info");
    }
    let Some(worst) = ORDER.into_iter().find(|s| states.contains(s)) else {
        return (texts::say("state-none", &[]), "info");
    };
    (texts::say(&format!("state-{}", worst.as_str()), &[]), colour(worst))
}

/// The colour of a state; the word beside it says the same.
pub(crate) const fn colour(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Parked | DeliveryState::Rejected | DeliveryState::Expired => "danger",
        DeliveryState::Unclear | DeliveryState::Deferred => "warning",
        DeliveryState::Sending | DeliveryState::Planned => "info",
        DeliveryState::Accepted | DeliveryState::Confirmed => "success",
    }
}
