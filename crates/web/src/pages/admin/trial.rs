// SPDX-License-Identifier: EUPL-1.2
//! `/verwaltung/{tenant}/regeln/pruefen`: the draft (or the rules in force) tried on messages that came.
//!
//! Guarantees: nothing moves. A message tried by itself counts as read.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use poststelle_hub::rules::{Moved, Trial, Trials};
use poststelle_model::MessageId;
use serde::Deserialize;

use super::MENU;
use crate::error::Refusal;
use crate::pages::tenant_id;
use crate::pages::{Frame, page};
use crate::session::Person;
use crate::text;
use crate::web::Web;

/// Messages offered to be tried.
const LATEST: i64 = 10;

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    nachricht: String,
    #[serde(default)]
    anzahl: String,
}

/// One message to choose.
struct Choice {
    href: String,
    when: String,
    sender: String,
    subject: String,
}

/// A line of the trial of many.
struct Line {
    href: String,
    when: String,
    sender: String,
    subject: String,
    old: String,
    new: String,
    because: String,
}

#[derive(Template)]
#[template(path = "admin_rules_try.html")]
struct TryPage {
    frame: Frame,
    here: String,
    rules: String,
    tenant: String,
    draft: bool,
    asked: String,
    number: String,
    numbers: [&'static str; 4],
    latest: Vec<Choice>,
    trial: Option<Trial>,
    message: String,
    many: Option<Trials>,
    lines: Vec<Line>,
}

fn subject(subject: &str) -> String {
    match text::line(subject, 200) {
        subject if subject.is_empty() => "(ohne Betreff)".to_owned(),
        subject => subject,
    }
}

/// `GET /verwaltung/{tenant}/regeln/pruefen`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let tenant = tenant_id(&tenant)?;
    let access = &person.signed.access;
    let view = web.hub().rules_view(access, tenant).await?;
    if !view.administers {
        return Err(Refusal::not_found());
    }
    let here = format!("{MENU}/{tenant}/regeln/pruefen");
    // An id, or the address of the message's page as people copy it.
    let wanted = asked.nachricht.trim();
    let wanted = wanted.split('?').next().unwrap_or(wanted).rsplit('/').next().unwrap_or(wanted);
    let trial = match wanted {
        "" => None,
        id => {
            let id: MessageId = id.parse().map_err(|_| Refusal::not_found())?;
            Some(web.hub().try_rules(access, tenant, id).await?)
        }
    };
    let many = match asked.anzahl.parse::<i64>() {
        Ok(n) if trial.is_none() => Some(web.hub().try_rules_on_many(access, tenant, n).await?),
        _ => None,
    };
    let latest = web.hub().latest_received(access, tenant, LATEST).await?;
    let line = |m: &Moved| Line {
        href: format!("{here}?nachricht={}", m.message),
        when: m.when.clone(),
        sender: text::line(&m.sender, 200),
        subject: subject(&m.subject),
        old: m.old.join(", "),
        new: m.new.join(", "),
        because: m.because.clone(),
    };
    let template = TryPage {
        frame: Frame::new(format!("Regeln prüfen – {}", view.tenant.name), MENU, Some(&person)),
        rules: format!("{MENU}/{tenant}/regeln"),
        tenant: view.tenant.name.clone(),
        draft: view.set.draft.is_some(),
        asked: trial.as_ref().map(|t| t.message.to_string()).unwrap_or_default(),
        number: asked.anzahl.clone(),
        numbers: ["20", "50", "100", "200"],
        latest: latest
            .into_iter()
            .map(|m| Choice {
                href: format!("{here}?nachricht={}", m.id),
                when: m.accepted_at.berlin(),
                sender: text::line(&m.sender, 200),
                subject: subject(&m.subject),
            })
            .collect(),
        message: trial.as_ref().map(|t| format!("/nachrichten/{tenant}/{}", t.message)).unwrap_or_default(),
        lines: many.as_ref().map(|m| m.moved.iter().map(line).collect()).unwrap_or_default(),
        trial,
        many,
        here,
    };
    Ok(page(StatusCode::OK, &template))
}
