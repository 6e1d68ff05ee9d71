// SPDX-License-Identifier: EUPL-1.2
//! The letter being written: one form for fields, files and what to do with them. Whole without script; the script saves
//! by itself and uploads files piece by piece ([`super::upload`]).
//!
//! Guarantees: what was typed is on the page again whatever was refused; files are streamed; of two windows one is told.

use askama::Template;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::ACCEPT;
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_hub::texts;
use poststelle_hub::writing::{
    DraftView, Filling, LINE_CAP, SUBJECT_CAP, Submitted, TEXT_CAP, Typed, Upload, WriteError,
    above_quotation, filled,
};
use poststelle_model::{DraftId, DraftKind, DraftPartId, DraftState, TenantId, TextBlockId, Timestamp};
use serde_json::json;

use super::drafts::{Asked, DraftPath, ids, notice};
use super::{Frame, page, upload};
use crate::assets;
use crate::error::Refusal;
use crate::session::Person;
use crate::text;
use crate::web::Web;

#[derive(Template)]
#[template(path = "draft.html")]
struct DraftPage {
    frame: Frame,
    script: String,
    csrf: String,
    here: String,
    title: &'static str,
    tenant: String,
    from: String,
    version: i64,
    typed: Typed,
    parts: Vec<File>,
    cap: String,
    notice: String,
    /// What went wrong, in a sentence.
    refusal: String,
    code: String,
    /// Somebody else's state is stored.
    conflict: bool,
    /// What it waits for, in a sentence.
    waits: Option<String>,
    /// Who wrote it, when somebody else is to release it.
    author: Option<String>,
    answered: String,
    /// Texts to choose from: id and name.
    blocks: Vec<(String, String)>,
    text_cap: usize,
    soonest: String,
}

struct File {
    id: String,
    name: String,
    size: String,
    /// How much is here, when it is not all.
    part: String,
}

/// `GET /entwuerfe/{tenant}/{draft}`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path((tenant, draft)): DraftPath,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &draft)?;
    let view = web.hub().draft_view(&person.signed.access, tenant, id).await?;
    if let Some(message) = view.draft.message {
        return Ok(Redirect::to(&format!("/nachrichten/{tenant}/{message}")).into_response());
    }
    let mut template = template(&web, &person, view);
    template.blocks = blocks(&web, &person, tenant).await?;
    template.notice = notice(&asked.hinweis);
    Ok(page(StatusCode::OK, &template))
}

fn template(web: &Web, person: &Person, view: DraftView) -> DraftPage {
    let DraftView { draft, text, parts, tenant, mailbox, address, author } = view;
    let title = match draft.kind {
        DraftKind::New => "Neue Nachricht",
        DraftKind::Reply => "Antwort",
        DraftKind::Forward => "Weiterleitung",
    };
    let from = if address.is_empty() { mailbox } else { format!("{mailbox} ({address})") };
    let when = |at: Timestamp| at.in_berlin("%d.%m.%Y, %H:%M Uhr");
    DraftPage {
        frame: Frame::new(title, "/entwuerfe", Some(person)),
        script: assets::writing_script(),
        csrf: person.signed.csrf.clone(),
        here: format!("/entwuerfe/{}/{}", draft.tenant, draft.id),
        title,
        tenant,
        from: text::line(&from, 200),
        version: draft.version,
        parts: parts
            .into_iter()
            .map(|p| File {
                id: p.id.to_string(),
                name: text::line(&p.name, 255),
                size: text::size(p.size),
                part: if p.stored == p.size { String::new() } else { text::size(p.stored) },
            })
            .collect(),
        cap: text::size(i64::try_from(web.hub().attachments_cap()).unwrap_or(i64::MAX)),
        notice: String::new(),
        refusal: draft.reason.as_ref().map(texts::sentence).unwrap_or_default(),
        code: draft.reason.as_ref().map(|r| r.code.as_str().to_owned()).unwrap_or_default(),
        conflict: false,
        waits: match draft.state {
            DraftState::Sending => Some(format!("Die Nachricht wird am {} gesendet.", when(draft.send_at))),
            DraftState::Release if draft.send_at > Timestamp(0) => Some(format!(
                "Eine zweite Person muss die Nachricht freigeben; gesendet wird sie am {}.",
                when(draft.send_at)
            )),
            DraftState::Release => {
                Some("Eine zweite Person muss die Nachricht freigeben, dann wird sie gesendet.".to_owned())
            }
            DraftState::Open | DraftState::Sent => None,
        },
        author: author.map(|a| text::line(&a, 80)),
        answered: draft.answers.map(|m| format!("/nachrichten/{}/{m}", draft.tenant)).unwrap_or_default(),
        blocks: Vec::new(),
        text_cap: TEXT_CAP,
        soonest: web.now().plus(std::time::Duration::from_secs(300)).in_berlin("%Y-%m-%dT%H:%M"),
        typed: Typed { recipients: draft.recipients, copies: draft.copies, subject: draft.subject, text },
    }
}

/// The tenant's texts to choose from.
async fn blocks(web: &Web, person: &Person, tenant: TenantId) -> Result<Vec<(String, String)>, Refusal> {
    let blocks = web.hub().text_blocks(&person.signed.access, tenant).await?;
    Ok(blocks.into_iter().map(|b| (b.id.to_string(), text::line(&b.name, 120))).collect())
}

/// What is to be done.
enum Step {
    /// Puts a text in.
    Block(TextBlockId),
    Save,
    Attach,
    Detach(DraftPartId),
    Send(Option<Timestamp>),
    Withdraw,
    Release(bool),
}

/// What came with the form.
#[derive(Default)]
struct Form {
    csrf: String,
    version: Option<i64>,
    typed: Typed,
    step: String,
    at: String,
    block: String,
}

/// Longest form: the files, and as much again for fields and edges as would be far too long.
fn form_cap(web: &Web) -> usize {
    usize::try_from(web.hub().limits().message_bytes).unwrap_or(usize::MAX)
}

fn unreadable<E>(_: E) -> Refusal {
    Refusal::of_status(StatusCode::BAD_REQUEST)
}

/// A field as text, at most `cap` bytes.
async fn value(mut field: Field<'_>, cap: usize) -> Result<String, Refusal> {
    let mut octets = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(unreadable)? {
        if octets.len() + piece.len() > cap {
            return Err(Refusal::of_status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        octets.extend_from_slice(&piece);
    }
    String::from_utf8(octets).map_err(unreadable)
}

/// `POST /entwuerfe/{tenant}/{draft}`.
pub(crate) async fn submit(
    State(web): State<Web>,
    person: Person,
    Path((tenant, draft)): DraftPath,
    mut request: Request,
) -> Result<Response, Refusal> {
    let by_script = request.headers().get(ACCEPT).is_some_and(|a| a == "application/json");
    let (tenant, id) = ids(&tenant, &draft)?;
    DefaultBodyLimit::max(form_cap(&web)).apply(&mut request);
    let mut parts = Multipart::from_request(request, &web).await.map_err(unreadable)?;
    let mut form = Form::default();
    let done = work(&web, &person, tenant, id, &mut form, &mut parts).await;
    let refusal = match done {
        Ok(Done::Saved(version, word)) if by_script => {
            let when = web.now().in_berlin("%H:%M Uhr");
            return Ok(axum::Json(json!({ "version": version, "when": when, "done": word })).into_response());
        }
        Ok(Done::Saved(_, word)) => {
            return Ok(Redirect::to(&format!("/entwuerfe/{tenant}/{id}?hinweis={word}")).into_response());
        }
        Ok(Done::Sent(Submitted::Waits)) => {
            return Ok(Redirect::to(&format!("/entwuerfe/{tenant}/{id}?hinweis=wartet")).into_response());
        }
        Ok(Done::Sent(Submitted::Asks)) => {
            return Ok(Redirect::to(&format!("/entwuerfe/{tenant}/{id}?hinweis=freigabe")).into_response());
        }
        Ok(Done::GivenBack) => {
            return Ok(Redirect::to("/entwuerfe?hinweis=zurueckgegeben").into_response());
        }
        Ok(Done::Sent(Submitted::Sent(message))) => {
            let there = format!("/nachrichten/{tenant}/{message}?hinweis=gesendet");
            return Ok(Redirect::to(&there).into_response());
        }
        Err(Failed::Wrong(refusal)) => return Err(refusal),
        Err(Failed::Write(error @ (WriteError::View(_) | WriteError::Accept(_)))) => return Err(error.into()),
        Err(Failed::Write(error)) if by_script => return Err(error.into()),
        Err(Failed::Write(error)) => error,
    };
    // Nothing typed is lost: it stands on the page again, with what was wrong.
    let conflict = matches!(refusal, WriteError::Changed(_));
    let refusal = Refusal::from(refusal);
    let view = web.hub().draft_view(&person.signed.access, tenant, id).await?;
    let open = view.draft.state == DraftState::Open;
    let mut template = template(&web, &person, view);
    template.blocks = blocks(&web, &person, tenant).await?;
    if open {
        template.typed = form.typed;
    }
    template.conflict = conflict;
    template.code = refusal.reason.code.as_str().to_owned();
    template.refusal = refusal.sentence();
    Ok(page(refusal.status, &template))
}

enum Failed {
    /// The form itself.
    Wrong(Refusal),
    /// What it asked for.
    Write(WriteError),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Wrong(refusal)
    }
}

impl<E: Into<WriteError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Write(error.into())
    }
}

enum Done {
    Saved(i64, &'static str),
    Sent(Submitted),
    GivenBack,
}

async fn work(
    web: &Web,
    person: &Person,
    tenant: TenantId,
    id: DraftId,
    form: &mut Form,
    parts: &mut Multipart,
) -> Result<Done, Failed> {
    let (hub, access) = (web.hub(), &person.signed.access);
    let mut saved = None;
    let mut attached = false;
    while let Some(field) = parts.next_field().await.map_err(unreadable)? {
        match field.name().unwrap_or_default().to_owned().as_str() {
            "csrf" => form.csrf = value(field, 200).await?,
            "version" => form.version = value(field, 20).await?.parse().ok(),
            "an" => form.typed.recipients = value(field, 2 * LINE_CAP).await?,
            "kopie" => form.typed.copies = value(field, 2 * LINE_CAP).await?,
            "betreff" => form.typed.subject = value(field, 4 * SUBJECT_CAP).await?,
            // Line ends come as two octets each.
            "text" => form.typed.text = value(field, 4 * TEXT_CAP).await?,
            "schritt" => form.step = value(field, 100).await?,
            "zeitpunkt" => form.at = value(field, 40).await?,
            "baustein" => form.block = value(field, 40).await?,
            "datei" if field.file_name().is_some_and(|n| !n.is_empty()) => {
                // The fields stand before the files; what they say counts first.
                if saved.is_none() {
                    save(web, person, tenant, id, form).await?;
                }
                let upload = Upload {
                    name: field.file_name().unwrap_or_default().to_owned(),
                    media_type: field.content_type().unwrap_or_default().to_owned(),
                };
                let draft = hub.attach(access, tenant, id, &upload, upload::octets(field)).await?;
                saved = Some(draft.version);
                attached = true;
            }
            _ => {}
        }
    }
    person.check_csrf(&form.csrf)?;
    let step = step(form)?;
    if let Step::Withdraw = step {
        let draft = hub.withdraw_draft(access, tenant, id, form.version.unwrap_or(0)).await?;
        return Ok(Done::Saved(draft.version, "zurueckgeholt"));
    }
    if let Step::Release(release) = step {
        let done = hub.release_draft(access, tenant, id, form.version.unwrap_or(0), release).await?;
        return Ok(if release { Done::Sent(done) } else { Done::GivenBack });
    }
    if let Step::Block(block) = step {
        let block = hub.text_block(access, tenant, block).await.map_err(WriteError::from)?;
        let with = Filling {
            tenant: hub.tenant(tenant).await?.name.clone(),
            name: person.signed.name.clone(),
            subject: form.typed.subject.trim().to_owned(),
            date: web.now().in_berlin("%d.%m.%Y"),
        };
        form.typed.text =
            above_quotation(&form.typed.text.replace("\r\n", "\n"), &filled(&block.text, &with));
        // What came with the files was saved without it.
        form.version = saved.take().or(form.version);
    }
    let version = match saved {
        Some(version) => version,
        None => save(web, person, tenant, id, form).await?,
    };
    match step {
        Step::Send(at) => Ok(Done::Sent(hub.send_draft(access, tenant, id, version, at).await?)),
        Step::Detach(part) => {
            let draft = hub.detach(access, tenant, id, part).await?;
            Ok(Done::Saved(draft.version, "entfernt"))
        }
        Step::Block(_) => Ok(Done::Saved(version, "eingefuegt")),
        Step::Attach if attached => Ok(Done::Saved(version, "angehaengt")),
        _ => Ok(Done::Saved(version, "gespeichert")),
    }
}

fn step(form: &Form) -> Result<Step, Refusal> {
    Ok(match form.step.split_once(':').unwrap_or((form.step.as_str(), "")) {
        ("" | "speichern", _) => Step::Save,
        ("anhaengen", _) => Step::Attach,
        ("entfernen", part) => Step::Detach(part.parse().map_err(|_| Refusal::not_found())?),
        ("einfuegen", _) => Step::Block(form.block.parse().map_err(|_| Refusal::not_found())?),
        ("senden", _) => Step::Send(None),
        // What is no time is refused as one that is not ahead.
        ("spaeter", _) => Step::Send(Some(Timestamp::parse_local(&form.at).unwrap_or(Timestamp(0)))),
        ("zurueckholen", _) => Step::Withdraw,
        ("freigeben", _) => Step::Release(true),
        ("zurueckgeben", _) => Step::Release(false),
        _ => return Err(Refusal::of_status(StatusCode::BAD_REQUEST)),
    })
}

/// Saves the fields; gives the version then. A draft that is sent already counts as saved when sending it is asked
/// again.
async fn save(web: &Web, person: &Person, tenant: TenantId, id: DraftId, form: &Form) -> Result<i64, Failed> {
    person.check_csrf(&form.csrf)?;
    let access = &person.signed.access;
    let version = form.version.ok_or_else(|| unreadable(()))?;
    match web.hub().save_draft(access, tenant, id, version, &form.typed).await {
        Ok(draft) => Ok(draft.version),
        Err(WriteError::NotNow(_)) if form.step == "senden" => Ok(version),
        Err(error) => Err(error.into()),
    }
}
