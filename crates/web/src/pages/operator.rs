// SPDX-License-Identifier: EUPL-1.2
//! The operator's page: what is wrong in one sentence and who must act, channels, queues, balance, alarms.
//!
//! Guarantees: it answers when the database is gone. Sessions cannot be read then, so it knows operators who were
//! verified within the last ten minutes; no other page does.

use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Redirect, Response};
use poststelle_hub::health::{Component, Trouble};
use poststelle_hub::status::{StatusView, can_acknowledge};
use poststelle_hub::texts;

use poststelle_model::{AlarmId, ChannelKind, Direction, Fault, Reason, TenantId, Timestamp, Who};

use super::{Frame, OwnForm, page};
use crate::error::Refusal;
use crate::session::{Person, operator, token_of};
use crate::text;
use crate::web::{BuildInfo, Web};

/// Longest wait for the database before the page goes on without it.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Template)]
#[template(path = "operator.html")]
struct OperatorPage {
    frame: Frame,
    csrf: String,
    troubles: Vec<Note>,
    alarms: Vec<Note>,
    lanes: Vec<Note>,
    channels: Vec<(String, String)>,
    queues: Vec<Queue>,
    counts: Vec<Count>,
    mismatches: Vec<Mismatch>,
    blind: bool,
    remembered: bool,
    now: String,
    build: BuildInfo,
}

/// One sentence with its circumstances.
pub(crate) struct Note {
    pub(crate) about: String,
    pub(crate) sentence: String,
    pub(crate) since: String,
    pub(crate) who: String,
    pub(crate) code: String,
    /// Where a person says that they took note; empty = it ends by itself.
    pub(crate) acknowledge: String,
}

struct Queue {
    kind: String,
    count: i64,
    due: String,
}

struct Count {
    tenant: String,
    channel: &'static str,
    direction: &'static str,
    accepted: i64,
    delivered: i64,
    open: i64,
    parked: i64,
    failed: i64,
    fits: bool,
}

struct Mismatch {
    tenant: String,
    kind: String,
    id: String,
}

/// `GET /betrieb`.
pub(crate) async fn show(State(web): State<Web>, headers: HeaderMap, uri: Uri) -> Result<Response, Refusal> {
    let asked = tokio::time::timeout(PATIENCE, Person::verified(&web, &headers)).await;
    let (person, remembered) = match asked {
        Ok(Ok(Some(person))) => (person, false),
        Ok(Ok(None)) => return Err(Refusal::sign_in(uri.path())),
        Ok(Err(_)) | Err(_) => {
            let token = token_of(&web, &headers).ok_or_else(Refusal::no_database)?;
            let signed = web.remembered_operator(&token).ok_or_else(Refusal::no_database)?;
            (Person { signed, token }, true)
        }
    };
    operator(&person.signed)?;
    let status = status(&web).await;
    Ok(page(StatusCode::OK, &in_words(&web, &person, &status, remembered)))
}

/// `POST /betrieb/alarme/{alarm}/kenntnis`: ends an alarm that does not end by itself. Once more changes nothing.
pub(crate) async fn acknowledge(
    State(web): State<Web>,
    person: Person,
    Path(alarm): Path<String>,
    Form(fields): Form<OwnForm>,
) -> Result<Redirect, Refusal> {
    person.check_csrf(&fields.csrf)?;
    operator(&person.signed)?;
    let alarm: AlarmId = alarm.parse().map_err(|_| Refusal::not_found())?;
    web.hub().acknowledge(alarm, &Who::Principal { id: person.signed.access.principal }).await?;
    Ok(Redirect::to("/betrieb"))
}

/// The status, or what this node knows by itself when the database does not answer in time.
pub(crate) async fn status(web: &Web) -> StatusView {
    let mut view = match tokio::time::timeout(PATIENCE, web.hub().status()).await {
        Ok(view) => view,
        Err(_) => web.hub().blind_status(),
    };
    // Even before the watch notices it.
    if view.blind && !view.troubles.iter().any(|(c, _)| *c == Component::Database) {
        let reason = Reason::new("PST-STORE-0001", Fault::Operator);
        view.troubles.insert(0, (Component::Database, Trouble { since: web.now(), reason }));
    }
    view
}

/// A reason as a note.
pub(crate) fn note(about: String, reason: &Reason, since: Timestamp) -> Note {
    Note {
        about,
        sentence: texts::sentence(reason),
        since: since.berlin(),
        who: texts::who_acts(reason.fault),
        code: reason.code.as_str().to_owned(),
        acknowledge: String::new(),
    }
}

fn in_words(web: &Web, person: &Person, status: &StatusView, remembered: bool) -> OperatorPage {
    let name = |id: TenantId| status.tenants.get(&id).cloned().unwrap_or_else(|| id.to_string());
    let troubles = status
        .troubles
        .iter()
        .map(|(component, t)| {
            note(texts::say(&format!("component-{}", component.as_str()), &[]), &t.reason, t.since)
        })
        .collect();
    // A target this node does not call is told once, below, with what it knows of it.
    let told = |topic: &str| {
        topic.strip_prefix("target:").is_some_and(|target| status.lanes.iter().any(|l| l.lane == target))
    };
    let alarms = status
        .alarms
        .iter()
        .filter(|a| !told(&a.topic))
        .map(|a| {
            let mut note = match &a.reason {
                Some(reason) => note(name(a.tenant), reason, a.raised_at),
                None => Note {
                    about: name(a.tenant),
                    sentence: text::line(&a.topic, 200),
                    since: a.raised_at.berlin(),
                    who: texts::who_acts(Fault::Operator),
                    code: String::new(),
                    acknowledge: String::new(),
                },
            };
            if can_acknowledge(&a.topic) {
                note.acknowledge = format!("/betrieb/alarme/{}/kenntnis", a.id);
            }
            note
        })
        .collect();
    let lanes = status
        .lanes
        .iter()
        .map(|lane| {
            let target = text::line(&lane.target, 300);
            let target = lane.tenant.map_or_else(|| target.clone(), |t| format!("{target} ({})", name(t)));
            let reason = lane.reason.as_ref();
            Note {
                sentence: texts::say(
                    "PST-HUB-0005",
                    &[("lane", target.as_str()), ("until", &lane.until.berlin())],
                ),
                about: target,
                since: reason.map(texts::sentence).unwrap_or_default(),
                who: reason.map(|r| texts::who_acts(r.fault)).unwrap_or_default(),
                code: reason.map(|r| r.code.as_str().to_owned()).unwrap_or_default(),
                acknowledge: String::new(),
            }
        })
        .collect();
    let queues = status
        .queues
        .iter()
        .map(|(kind, count, due)| {
            let key = format!("queue-{kind}");
            Queue {
                kind: if texts::has(&key) { texts::say(&key, &[]) } else { kind.clone() },
                count: *count,
                due: due.berlin(),
            }
        })
        .collect();
    let counts = status
        .counts
        .iter()
        .map(|c| Count {
            tenant: name(c.tenant),
            channel: match c.channel {
                ChannelKind::Mail => "E-Mail",
                ChannelKind::Rest => "Schnittstelle",
            },
            direction: if c.direction == Direction::In { "Eingang" } else { "Ausgang" },
            accepted: c.accepted,
            delivered: c.delivered,
            open: c.open,
            parked: c.parked,
            failed: c.failed,
            fits: c.accepted == c.delivered + c.open + c.parked + c.failed,
        })
        .collect();
    let mismatches = status
        .mismatches
        .iter()
        .map(|m| Mismatch {
            tenant: name(m.tenant),
            kind: texts::say(&format!("mismatch-{}", m.kind), &[]),
            id: m.id.clone(),
        })
        .collect();
    OperatorPage {
        frame: Frame::new("Betrieb", "/betrieb", Some(person)),
        csrf: person.signed.csrf.clone(),
        troubles,
        alarms,
        lanes,
        channels: status.channels.clone(),
        queues,
        counts,
        mismatches,
        blind: status.blind,
        remembered,
        now: web.now().berlin(),
        build: web.config().build.clone(),
    }
}
