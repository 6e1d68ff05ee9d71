// SPDX-License-Identifier: EUPL-1.2
//! One message: summary, what waits, text, parts, timeline, hand-overs, receipts, why it went where it went.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::StreamExt;
use poststelle_hub::content::Content;
use poststelle_hub::inspecting;
use poststelle_hub::readable::{body_parts, from_html};
use poststelle_hub::texts;
use poststelle_hub::view::{DeliveryView, ListLine, MessageView, NoteView, SeenView, TimelineLine, Waiting};
use poststelle_inspect::face::Block;
use poststelle_inspect::sheet::PartVerdict;
use poststelle_model::{DeliveryState, Direction, HoldState, Part, Timestamp};
use poststelle_store::messages::Line;
use serde::Deserialize;

use super::desk::{self, Panel};
use super::live::Live;
use super::messages::{Row, colour, in_words, standing};
use super::sheet::{self, Shown};
use super::{Frame, books, page, quarantine, resume};
use crate::download::{MessagePath, file_name, ids, is_enclosed_mail, is_file};
use crate::error::Refusal;
use crate::session::Person;
use crate::web::Web;
use crate::{html, preview, text};

/// Decoded octets of the body that are shown.
const BODY_CAP: usize = 256 * 1024;

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    frame: Frame,
    base: String,
    list: String,
    tenant: String,
    subject: String,
    facts: Vec<Fact>,
    technical: Vec<Fact>,
    urgent: bool,
    state: String,
    colour: &'static str,
    conflict: String,
    waiting: Vec<Wait>,
    body: Body,
    defects: Vec<String>,
    /// What the inspection says first.
    verdicts: Vec<Shown>,
    /// Names of parts that were held and are released by now.
    released: String,
    /// Where the sheet is; empty = there is none.
    sheet: String,
    files: Vec<File>,
    more_parts: bool,
    attachments: bool,
    timeline: Vec<Moment>,
    deliveries: Vec<Handover>,
    receipts: Vec<Slip>,
    asked: Vec<Asked>,
    placed: Vec<Placed>,
    clearing: bool,
    processed: bool,
    live: Live,
    /// What became of what the person just did; empty = nothing was done.
    notice: String,
    csrf: String,
    /// Where it lies and what the person can do there.
    panels: Vec<Panel>,
    notes: Vec<NoteView>,
    handles: bool,
    /// For paper: what a stamp would say.
    stamp: Vec<Fact>,
    stamp_title: &'static str,
    seen: Vec<SeenView>,
    /// The other messages of the conversation.
    conversation: Vec<Row>,
    /// Can it be answered?
    incoming: bool,
    /// It went to others too.
    several: bool,
}

struct Fact {
    key: &'static str,
    value: String,
    href: String,
}

/// The body as shown: as text or, cleaned, as HTML.
#[derive(Default)]
struct Body {
    text: String,
    /// Cleaned by [`crate::html`]: goes into the page as it is.
    html: String,
    /// Address and name of the other way to show it; empty = there is none.
    other: Option<(String, &'static str)>,
    /// What a reader must know about it; empty = nothing.
    note: String,
}

struct File {
    href: String,
    /// Where it can be looked at; empty = nowhere.
    look: String,
    name: String,
    kind: String,
    size: String,
    /// The inspection's word about it, and its colour; empty = there is none.
    verdict: String,
    colour: &'static str,
    /// Where it is decided about; empty = it is not held.
    held: String,
    /// Inside which part; empty = at the top.
    inside: String,
    remarks: Vec<String>,
}

struct Moment {
    machine_time: String,
    line: TimelineLine,
}

struct Handover {
    view: DeliveryView,
    colour: &'static str,
    since: String,
    next: String,
    /// Where a person sets it going again; empty = not for these hands, or nothing waits.
    resume: String,
}

struct Wait {
    view: Waiting,
    /// As of [`Handover`].
    resume: String,
}

struct Slip {
    title: String,
    when: String,
    body: String,
    carried_by: String,
}

struct Asked {
    name: String,
    word: &'static str,
    error: String,
}

struct Placed {
    because: String,
    target: String,
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Wanted {
    #[serde(default)]
    hinweis: String,
    /// Path of the desk or the search the person came from.
    #[serde(default)]
    von: String,
    /// `text` or `html`, when the message has both.
    #[serde(default)]
    ansicht: String,
}

/// `GET /nachrichten/{tenant}/{id}`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id)): MessagePath,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &id)?;
    let view = web.hub().message_view(&person.signed.access, tenant, id).await?;
    let base = format!("/nachrichten/{tenant}/{id}");
    let body = read_body(&web, &view, &base, &wanted.ansicht).await;
    let live = Live::message(tenant, id, view.timeline.len()).at(base.as_str());
    let subject = subject(&view);
    let states: Vec<DeliveryState> = view.deliveries.iter().map(|d| d.delivery.state).collect();
    let (state, colour) = standing(view.inspection.is_some(), &states);
    let mut panels = Vec::with_capacity(view.desk_items.len());
    for item in &view.desk_items {
        panels.push(desk::panel(&web, &person, &view, item).await?);
    }
    let template = MessagePage {
        csrf: person.signed.csrf.clone(),
        panels,
        notes: view.notes.clone(),
        handles: view.handles,
        stamp: stamp(&view),
        stamp_title: if view.message.direction == Direction::Out {
            "Ausgangsvermerk"
        } else {
            "Eingangsvermerk"
        },
        seen: view.seen.clone(),
        conversation: view.conversation.iter().map(in_conversation).collect(),
        incoming: view.message.direction == Direction::In,
        several: view.inspection.as_ref().is_some_and(|i| i.recipients.matches('@').count() > 1),
        frame: Frame::new(subject.clone(), "/nachrichten", Some(&person)),
        list: back(&wanted.von, &tenant),
        tenant: view.tenant.name.clone(),
        subject,
        facts: facts(&view),
        technical: technical(&view),
        urgent: view.inspection.as_ref().is_some_and(|i| i.urgent),
        state,
        colour,
        conflict: view
            .message
            .conflicts_with
            .map(|o| format!("/nachrichten/{tenant}/{o}"))
            .unwrap_or_default(),
        body,
        defects: view
            .inspection
            .as_ref()
            .map(|i| i.defects.iter().map(|d| texts::defect(d)).collect())
            .unwrap_or_default(),
        verdicts: view.sheet.as_ref().map(|s| sheet::shown(inspecting::first_words(s))).unwrap_or_default(),
        released: released(&view),
        sheet: if view.sheet.is_some() { sheet::path(&base) } else { String::new() },
        files: files(&view, &base),
        more_parts: view.more_parts,
        attachments: view.more_parts || view.parts.iter().any(is_file),
        timeline: view
            .timeline
            .iter()
            .map(|l| Moment { machine_time: l.at.rfc3339(), line: l.clone() })
            .collect(),
        asked: view.explanation.asked.iter().map(asked).collect(),
        placed: placed(&view),
        clearing: view.explanation.clearing,
        processed: view.inspection.is_some(),
        receipts: receipts(&view),
        waiting: view.waiting.iter().map(|w| wait(w, &view, &base)).collect(),
        deliveries: view.deliveries.into_iter().map(|d| handover(d, view.handles, &base)).collect(),
        live,
        notice: match wanted.hinweis.as_str() {
            word @ ("fortgesetzt" | "unveraendert" | "vorgang" | "vermerk" | "gesendet") => {
                texts::say(&format!("notice-{word}"), &[])
            }
            _ => String::new(),
        },
        base,
    };
    Ok(page(StatusCode::OK, &template))
}

/// Back to the desk or the search the person came from (and to nowhere else), or to the tenant's list.
fn back(from: &str, tenant: &poststelle_model::TenantId) -> String {
    if from.starts_with("/suche?") && from.len() < 2000 {
        return from.to_owned();
    }
    match from.strip_prefix("/arbeit/").and_then(|id| id.parse::<poststelle_model::DeskId>().ok()) {
        Some(desk) => format!("/arbeit/{desk}"),
        None => format!("/nachrichten?mandant={tenant}"),
    }
}

/// The subject as shown.
pub(crate) fn subject(view: &MessageView) -> String {
    match view.inspection.as_ref().map(|i| text::line(&i.subject, 300)) {
        Some(subject) if !subject.is_empty() => subject,
        Some(_) => "(ohne Betreff)".to_owned(),
        None => "(noch nicht geprüft)".to_owned(),
    }
}

fn fact(key: &'static str, value: impl Into<String>) -> Fact {
    Fact { key, value: value.into(), href: String::new() }
}

fn facts(view: &MessageView) -> Vec<Fact> {
    let message = &view.message;
    let out = message.direction == Direction::Out;
    let mut facts =
        vec![fact(if out { "Übergeben zum Versand" } else { "Eingang" }, message.accepted_at.berlin())];
    if let Some(inspection) = &view.inspection {
        let sender = text::sender(&inspection.sender_name, &inspection.sender_address);
        let sender = if sender.is_empty() { "nicht angegeben".to_owned() } else { sender };
        facts.push(fact(if out { "Absender" } else { "Absender (eigene Angabe, nicht geprüft)" }, sender));
        if !inspection.recipients.is_empty() {
            facts.push(fact("Empfänger", text::line(&inspection.recipients, 1000)));
        }
        if inspection.sent_at > Timestamp(0) {
            facts.push(fact("Datum des Absenders", inspection.sent_at.berlin()));
        }
        if inspection.automatic {
            facts.push(fact("Art", "automatisch erzeugte Nachricht"));
        }
    }
    facts.push(fact("Kanal", books::channel(message.channel)));
    if !view.mailbox.is_empty() {
        facts.push(fact("Postfach", text::line(&view.mailbox, 200)));
    }
    facts.push(fact("Größe", text::size(message.size)));
    if let Some(earlier) = message.in_reply_to {
        facts.push(Fact {
            key: "Antwort auf",
            value: "frühere Nachricht öffnen".to_owned(),
            href: format!("/nachrichten/{}/{earlier}", message.tenant),
        });
    }
    facts
}

/// What stands on paper above a printed message, as a stamp of the post room would say it.
fn stamp(view: &MessageView) -> Vec<Fact> {
    let message = &view.message;
    let out = message.direction == Direction::Out;
    let mailbox = if view.mailbox.is_empty() { "–".to_owned() } else { text::line(&view.mailbox, 200) };
    let sender = view.inspection.as_ref().map(|i| text::sender(&i.sender_name, &i.sender_address));
    let sender =
        sender.filter(|s| !s.is_empty()).unwrap_or_else(|| text::line(&message.transport.sender, 400));
    let files = view.parts.iter().filter(|p| is_file(p)).count();
    vec![
        fact(if out { "Zum Versand übergeben am" } else { "Eingegangen am" }, message.accepted_at.berlin()),
        fact("Mandant", text::line(&view.tenant.name, 200)),
        fact("Postfach", mailbox),
        fact("Kanal", books::channel(message.channel)),
        fact("Absender (eigene Angabe)", sender),
        fact("Kennung der Nachricht", message.id.to_string()),
        fact("SHA-256", message.sha256.clone()),
        fact("Anlagen", format!("{}{files}", if view.more_parts { "mehr als " } else { "" })),
    ]
}

fn in_conversation(line: &Line) -> Row {
    in_words(ListLine { line: line.clone(), states: Vec::new() })
}

fn technical(view: &MessageView) -> Vec<Fact> {
    let message = &view.message;
    let t = &message.transport;
    let mut facts = vec![fact("Kennung der Nachricht", message.id.to_string())];
    let sender = if t.sender.is_empty() { "(leer)".to_owned() } else { text::line(&t.sender, 400) };
    facts.push(fact("Absender laut Übertragung", sender));
    if !t.recipients.is_empty() {
        facts.push(fact("Empfänger laut Übertragung", text::line(&t.recipients.join(", "), 2000)));
    }
    for (key, value) in [
        ("Gegenstelle", &t.peer),
        ("Name der Gegenstelle", &t.helo),
        ("Verschlüsselung", &t.tls),
        ("Kennung der Gegenstelle", &message.foreign_id),
    ] {
        if !value.is_empty() {
            facts.push(fact(key, text::line(value, 400)));
        }
    }
    if let Some(id) = view.inspection.as_ref().map(|i| &i.header_id).filter(|id| !id.is_empty()) {
        facts.push(fact("Message-ID", text::line(id, 400)));
    }
    facts.push(fact("SHA-256", message.sha256.clone()));
    facts.push(fact("SHA-512", message.sha512.clone()));
    facts
}

/// What the sheet still calls held, though people have let it go.
fn released(view: &MessageView) -> String {
    let lines = || view.sheet.iter().flat_map(|s| &s.parts);
    let held = |part: i64| lines().any(|l| l.part == Some(part) && l.verdict == PartVerdict::Held);
    let holds = view.holds.iter().filter(|h| h.state == HoldState::Released && held(h.part));
    let names = holds.filter_map(|h| view.parts.iter().find(|p| p.n == h.part).map(|p| p.name.as_str()));
    names.collect::<Vec<_>>().join(", ")
}

fn files(view: &MessageView, base: &str) -> Vec<File> {
    let name_of = |n: i64| view.parts.iter().find(|p| p.n == n);
    view.parts
        .iter()
        .filter(|p| p.leaf || is_enclosed_mail(p))
        .map(|p| {
            let mut remarks: Vec<String> = p.defects.iter().map(|d| texts::defect(d)).collect();
            let line = view.sheet.as_ref().and_then(|s| s.parts.iter().find(|l| l.part == Some(p.n)));
            let notes = line.map(|l| l.notes.as_slice()).unwrap_or_default();
            remarks.extend(notes.iter().filter(|n| n.code != "form").map(inspecting::words));
            remarks.extend(line.iter().flat_map(|l| &l.signatures).map(inspecting::one_line));
            let hold = view.holds.iter().find(|h| h.part == p.n);
            let closed = hold.is_some_and(|h| h.state.is_closed_to_readers());
            let verdict = match (hold, line) {
                (Some(hold), _) => texts::say(&format!("hold-state-{}", hold.state.as_str()), &[]),
                (None, Some(line)) => inspecting::verdict(line.verdict),
                (None, None) => String::new(),
            };
            if !p.detected.is_empty() && !same_kind(&p.declared, &p.detected) {
                remarks.push(format!(
                    "Angegeben als {}, dem Inhalt nach {}.",
                    text::kind(&p.declared),
                    text::kind(&p.detected)
                ));
            }
            let raw = text::line(&p.raw_name, 255);
            if !raw.is_empty() && raw != p.name {
                remarks.push(format!("Name beim Absender: {raw}"));
            }
            // The nearest enclosing mail, if it is not the message itself.
            let mut parent = name_of(p.parent);
            let mut steps = 0;
            while let Some(up) = parent.filter(|u| !is_enclosed_mail(u) && steps < 64) {
                parent = name_of(up.parent);
                steps += 1;
            }
            File {
                held: hold.map(|h| quarantine::path(h.tenant, h.message, h.part)).unwrap_or_default(),
                colour: match (closed, line.map(|l| l.verdict)) {
                    (true, _) => "danger",
                    (_, Some(PartVerdict::Good)) => "success",
                    (_, Some(PartVerdict::Unchecked)) => "warning",
                    _ => "info",
                },
                verdict,
                href: if closed { String::new() } else { format!("{base}/teile/{}", p.n) },
                look: if !closed && preview::can(p) {
                    format!("{base}/teile/{}/ansehen", p.n)
                } else {
                    String::new()
                },
                name: file_name(p),
                kind: text::kind(if p.detected.is_empty() { &p.declared } else { &p.detected }),
                size: text::size(if p.leaf { p.size } else { p.len }),
                inside: parent.filter(|u| is_enclosed_mail(u)).map(file_name).unwrap_or_default(),
                remarks,
            }
        })
        .collect()
}

/// Does the content look like what was declared? Only clear contradictions count.
fn same_kind(declared: &str, detected: &str) -> bool {
    let generic = |t: &str| {
        t.is_empty() || t == "application/octet-stream" || t == "application/zip" || t == "text/plain"
    };
    declared == detected
        || generic(declared)
        || generic(detected)
        || declared.split('/').next() == detected.split('/').next() && declared.starts_with("text/")
        || declared.ends_with("xml") && detected.ends_with("xml")
        || declared.replace("x-", "") == detected.replace("x-", "")
}

fn receipts(view: &MessageView) -> Vec<Slip> {
    view.receipts
        .iter()
        .map(|r| {
            let key = format!("receipt-{}", r.kind);
            Slip {
                title: if texts::has(&key) { texts::say(&key, &[]) } else { text::line(&r.kind, 60) },
                when: r.created_at.berlin(),
                body: text::block(&r.body),
                carried_by: r
                    .carried_by
                    .map(|m| format!("/nachrichten/{}/{m}", view.message.tenant))
                    .unwrap_or_default(),
            }
        })
        .collect()
}

fn asked(a: &poststelle_hub::routing::Asked) -> Asked {
    Asked {
        name: text::line(&a.name, 200),
        word: if !a.error.is_empty() {
            "konnte nicht geprüft werden"
        } else if a.hit {
            "trifft zu"
        } else {
            "trifft nicht zu"
        },
        error: text::line(&a.error, 300),
    }
}

fn placed(view: &MessageView) -> Vec<Placed> {
    view.explanation
        .placed
        .iter()
        .map(|p| Placed {
            because: text::line(&p.because, 200),
            target: view
                .deliveries
                .iter()
                .find(|d| d.delivery.target == p.target)
                .map_or_else(|| p.target.to_string(), |d| d.target.clone()),
        })
        .collect()
}

fn wait(waiting: &Waiting, view: &MessageView, base: &str) -> Wait {
    let found = view.deliveries.iter().find(|d| Some(d.delivery.id) == waiting.delivery);
    let resumable = found.filter(|d| d.resumable && view.handles);
    Wait {
        view: waiting.clone(),
        resume: resumable.map(|d| resume::path(base, d.delivery.id)).unwrap_or_default(),
    }
}

fn handover(view: DeliveryView, handles: bool, base: &str) -> Handover {
    let d = &view.delivery;
    Handover {
        resume: if handles && view.resumable { resume::path(base, d.id) } else { String::new() },
        colour: colour(d.state),
        since: d.changed_at.berlin(),
        next: if d.state.is_open() && d.next_attempt > Timestamp(0) && d.next_attempt < Timestamp::NEVER {
            d.next_attempt.berlin()
        } else {
            String::new()
        },
        view,
    }
}

async fn read_body(web: &Web, view: &MessageView, base: &str, wanted: &str) -> Body {
    if view.inspection.is_none() {
        return Body::default();
    }
    let (plain, html) = (body_parts(&view.parts, "text/plain"), body_parts(&view.parts, "text/html"));
    let other = (plain.is_some() && html.is_some()).then(|| match wanted {
        "html" => (format!("{base}#text"), "Nur den Text zeigen"),
        _ => (format!("{base}?ansicht=html#text"), "Mit Gestaltung zeigen"),
    });
    let chosen = if wanted == "html" { html.or(plain) } else { plain.or(html) };
    let Some(part) = chosen else {
        return Body { note: "Die Nachricht enthält keinen Text.".to_owned(), ..Body::default() };
    };
    let (octets, cut) = match octets(web, view, part).await {
        Ok(found) => found,
        Err(refusal) => return Body { note: refusal.sentence(), ..Body::default() },
    };
    let Some(opener) = web.hub().opener(&view.message.transport.media_type) else { return Body::default() };
    let text = opener.text(&part.charset, &octets);
    let mut body = Body { other, ..Body::default() };
    if part.declared == "text/html" {
        let cleaned = {
            let text = text.clone();
            // A parser of foreign text: away from the others, and a panic there is not one here.
            tokio::task::spawn_blocking(move || html::clean(&text)).await.ok().flatten()
        };
        match cleaned {
            Some(clean) => {
                body.html = clean.html;
                body.note.push_str(&texts::say("body-html", &[]));
                if clean.pictures {
                    body.note.push(' ');
                    body.note.push_str(&texts::say("body-pictures", &[]));
                }
            }
            None => {
                body.text = from_html(&text);
                body.note.push_str(&texts::say("body-words", &[]));
            }
        }
    } else {
        body.text = text::block(&text);
    }
    if cut {
        body.note.push(' ');
        body.note.push_str(&texts::say("body-cut", &[]));
    }
    body.note = body.note.trim().to_owned();
    body
}

/// The first [`BODY_CAP`] octets of a part, and whether there are more.
pub(crate) async fn octets(web: &Web, view: &MessageView, part: &Part) -> Result<(Vec<u8>, bool), Refusal> {
    let (_, content) = web.hub().content(view.message.tenant, view.message.id).await?;
    let mut stream = content.part(part).await?;
    let mut out = Vec::new();
    while let Some(piece) = stream.next().await {
        out.extend_from_slice(&piece?);
        if out.len() > BODY_CAP {
            out.truncate(BODY_CAP);
            return Ok((out, true));
        }
    }
    Ok((out, false))
}
