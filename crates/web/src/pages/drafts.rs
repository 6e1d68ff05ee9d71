// SPDX-License-Identifier: EUPL-1.2
//! Writing, around the letter itself: one's own drafts and what was sent, beginning one, throwing one away.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use poststelle_hub::texts;
use poststelle_hub::writing::{DraftLine, Origin};
use poststelle_model::{DraftId, DraftState, MailboxId, TenantId};
use poststelle_store::drafts::Draft;
use serde::Deserialize;

use super::messages::standing;
use super::{Frame, page};
use crate::download::MessagePath;
use crate::error::Refusal;
use crate::session::Person;
use crate::text;
use crate::web::Web;

/// Path of a draft, as text: what is no id is simply not there.
pub(crate) type DraftPath = Path<(String, String)>;

/// The ids of a path.
pub(crate) fn ids(tenant: &str, draft: &str) -> Result<(TenantId, DraftId), Refusal> {
    match (tenant.parse(), draft.parse()) {
        (Ok(tenant), Ok(draft)) => Ok((tenant, draft)),
        _ => Err(Refusal::not_found()),
    }
}

#[derive(Template)]
#[template(path = "drafts.html")]
struct DraftsPage {
    frame: Frame,
    notice: String,
    lists: Vec<List>,
}

struct List {
    id: &'static str,
    title: &'static str,
    empty: &'static str,
    when: &'static str,
    lines: Vec<Row>,
}

struct Row {
    href: String,
    subject: String,
    recipients: String,
    tenant: String,
    when: String,
    state: String,
    colour: &'static str,
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    pub(crate) hinweis: String,
}

/// The sentence of a notice in the address.
pub(crate) fn notice(word: &str) -> String {
    match word {
        "angelegt" | "gespeichert" | "angehaengt" | "entfernt" | "wartet" | "zurueckgeholt" | "geloescht"
        | "freigabe" | "zurueckgegeben" | "eingefuegt" => texts::say(&format!("notice-{word}"), &[]),
        _ => String::new(),
    }
}

/// The subject as shown.
pub(crate) fn subject(draft: &Draft) -> String {
    match text::line(&draft.subject, 200) {
        subject if subject.is_empty() => "(ohne Betreff)".to_owned(),
        subject => subject,
    }
}

fn row(line: &DraftLine) -> Row {
    let draft = &line.draft;
    let (state, colour) = match (draft.state, &draft.reason) {
        (DraftState::Open, None) => ("Entwurf".to_owned(), "info"),
        (DraftState::Open, Some(_)) => ("nicht gesendet".to_owned(), "danger"),
        (DraftState::Release, _) => ("wartet auf Freigabe".to_owned(), "warning"),
        (DraftState::Sending, _) => ("wartet auf den Versand".to_owned(), "warning"),
        (DraftState::Sent, _) => standing(line.processed, &line.states),
    };
    let when = if draft.state == DraftState::Sending { draft.send_at } else { draft.changed_at };
    Row {
        href: match draft.message {
            Some(message) => format!("/nachrichten/{}/{message}", draft.tenant),
            None => format!("/entwuerfe/{}/{}", draft.tenant, draft.id),
        },
        subject: subject(draft),
        recipients: match text::line(&draft.recipients, 120) {
            to if to.is_empty() => "(noch niemand)".to_owned(),
            to => to,
        },
        tenant: line.tenant.clone(),
        when: when.in_berlin("%d.%m.%Y, %H:%M Uhr"),
        state,
        colour,
    }
}

/// `GET /entwuerfe`.
pub(crate) async fn list(
    State(web): State<Web>,
    person: Person,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let all = web.hub().drafts_of(&person.signed.access).await?;
    let me = person.signed.access.principal;
    let lines = |which: &[DraftState]| {
        let own = all.iter().filter(|l| l.draft.owner == me && which.contains(&l.draft.state));
        own.map(row).collect::<Vec<_>>()
    };
    let mut lists = Vec::new();
    let others: Vec<Row> = all.iter().filter(|l| l.draft.owner != me).map(row).collect();
    if !others.is_empty() {
        lists.push(List {
            id: "freigabe",
            title: "Von Ihnen freizugeben",
            empty: "",
            when: "Geändert",
            lines: others,
        });
    }
    lists.extend([
        List {
            id: "entwuerfe",
            title: "Entwürfe",
            empty: "Sie haben keinen Entwurf.",
            when: "Geändert",
            lines: lines(&[DraftState::Open]),
        },
        List {
            id: "wartend",
            title: "Wartet auf den Versand",
            empty: "Es wartet nichts auf den Versand.",
            when: "Zeitpunkt",
            lines: lines(&[DraftState::Release, DraftState::Sending]),
        },
        List {
            id: "gesendet",
            title: "Gesendet",
            empty: "Sie haben von hier noch nichts gesendet.",
            when: "Gesendet",
            lines: lines(&[DraftState::Sent]),
        },
    ]);
    let frame = Frame::new("Schreiben", "/entwuerfe", Some(&person));
    Ok(page(StatusCode::OK, &DraftsPage { frame, notice: notice(&asked.hinweis), lists }))
}

#[derive(Template)]
#[template(path = "write.html")]
struct StartPage {
    frame: Frame,
    csrf: String,
    /// Value and name.
    senders: Vec<(String, String)>,
}

/// `GET /schreiben`.
pub(crate) async fn start(State(web): State<Web>, person: Person) -> Result<Response, Refusal> {
    let senders = web.hub().senders(&person.signed.access).await?;
    let template = StartPage {
        frame: Frame::new("Neue Nachricht", "/entwuerfe", Some(&person)),
        csrf: person.signed.csrf.clone(),
        senders: senders
            .iter()
            .map(|s| {
                let name = format!("{} · {} ({})", s.name, s.mailbox_name, s.address);
                (format!("{}/{}", s.tenant, s.mailbox), text::line(&name, 200))
            })
            .collect(),
    };
    Ok(page(StatusCode::OK, &template))
}

/// The form of a new letter.
#[derive(Deserialize)]
pub(crate) struct StartFields {
    #[serde(default)]
    csrf: String,
    /// Tenant and box.
    #[serde(default)]
    von: String,
}

fn to_draft(draft: &Draft) -> Redirect {
    Redirect::to(&format!("/entwuerfe/{}/{}?hinweis=angelegt", draft.tenant, draft.id))
}

/// `POST /schreiben`.
pub(crate) async fn begin(
    State(web): State<Web>,
    person: Person,
    Form(fields): Form<StartFields>,
) -> Result<Redirect, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let (tenant, mailbox) = fields.von.split_once('/').ok_or_else(Refusal::not_found)?;
    let tenant: TenantId = tenant.parse().map_err(|_| Refusal::not_found())?;
    let mailbox: MailboxId = mailbox.parse().map_err(|_| Refusal::not_found())?;
    let access = &person.signed.access;
    Ok(to_draft(&web.hub().begin_draft(access, tenant, Origin::Box(mailbox)).await?))
}

/// The form on a message's page.
#[derive(Deserialize)]
pub(crate) struct AnswerFields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    art: String,
}

/// `POST /nachrichten/{tenant}/{id}/entwurf`: answers a message or passes it on.
pub(crate) async fn answer(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id)): MessagePath,
    Form(fields): Form<AnswerFields>,
) -> Result<Redirect, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let (tenant, id) = crate::download::ids(&tenant, &id)?;
    let origin = match fields.art.as_str() {
        "weiterleitung" => Origin::Forward(id),
        _ => Origin::Reply(id),
    };
    Ok(to_draft(&web.hub().begin_draft(&person.signed.access, tenant, origin).await?))
}

#[derive(Template)]
#[template(path = "draft_delete.html")]
struct DeletePage {
    frame: Frame,
    csrf: String,
    here: String,
    back: String,
    subject: String,
    version: i64,
    files: usize,
}

/// `GET /entwuerfe/{tenant}/{draft}/loeschen`.
pub(crate) async fn ask_delete(
    State(web): State<Web>,
    person: Person,
    Path((tenant, draft)): DraftPath,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &draft)?;
    let view = web.hub().draft_view(&person.signed.access, tenant, id).await?;
    let back = format!("/entwuerfe/{tenant}/{id}");
    let template = DeletePage {
        frame: Frame::new("Entwurf löschen", "/entwuerfe", Some(&person)),
        csrf: person.signed.csrf.clone(),
        here: format!("{back}/loeschen"),
        back,
        subject: subject(&view.draft),
        version: view.draft.version,
        files: view.parts.len(),
    };
    Ok(page(StatusCode::OK, &template))
}

/// The form of the question.
#[derive(Deserialize)]
pub(crate) struct DeleteFields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    version: i64,
}

/// `POST /entwuerfe/{tenant}/{draft}/loeschen`.
pub(crate) async fn delete(
    State(web): State<Web>,
    person: Person,
    Path((tenant, draft)): DraftPath,
    Form(fields): Form<DeleteFields>,
) -> Result<Redirect, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let (tenant, id) = ids(&tenant, &draft)?;
    web.hub().delete_draft(&person.signed.access, tenant, id, fields.version).await?;
    Ok(Redirect::to("/entwuerfe?hinweis=geloescht"))
}
