// SPDX-License-Identifier: EUPL-1.2
//! What people changed in a tenant, in words: on screen by pages, and as CSV.
//!
//! Guarantees: the CSV holds the newest [`CSV_CAP`] changes and says so when there are more.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use poststelle_hub::administer::{CHANGE_KINDS, ChangeLine};
use poststelle_hub::texts;
use poststelle_model::Timestamp;
use poststelle_store::administration::ChangePlace;
use serde::Deserialize;

use super::{MENU, in_hand};
use crate::error::Refusal;
use crate::pages::books::line;
use crate::pages::{Frame, page};
use crate::session::Person;
use crate::text;
use crate::web::Web;

/// Lines on one page.
const PAGE: usize = 50;
/// Most lines of a CSV.
const CSV_CAP: usize = 5000;

struct Row {
    when: String,
    machine_time: String,
    kind: String,
    sentence: String,
}

struct KindChoice {
    word: &'static str,
    name: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "admin_changes.html")]
struct ChangesPage {
    frame: Frame,
    tenant: String,
    back: String,
    path: String,
    csv: String,
    kinds: Vec<KindChoice>,
    lines: Vec<Row>,
    older: String,
    newest: String,
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    was: String,
    #[serde(default)]
    vor: String,
}

/// One of the kinds, or empty.
pub(crate) fn kind(word: &str) -> Result<&'static str, Refusal> {
    if word.is_empty() {
        return Ok("");
    }
    CHANGE_KINDS.into_iter().find(|k| *k == word).ok_or_else(Refusal::not_found)
}

pub(crate) fn kind_word(kind: &str) -> String {
    texts::say(&format!("change-kind-{kind}"), &[])
}

/// A place as addresses carry it: moment, number, subject.
pub(crate) fn place(text: &str) -> Result<ChangePlace, Refusal> {
    if text.is_empty() {
        return Ok(ChangePlace::end());
    }
    let read = || {
        let mut parts = text.splitn(3, '.');
        let (at, n, subject) = (parts.next()?, parts.next()?, parts.next()?);
        if subject.len() > 100 || subject.chars().any(char::is_control) {
            return None;
        }
        Some(ChangePlace { at: Timestamp(at.parse().ok()?), n: n.parse().ok()?, subject: subject.to_owned() })
    };
    read().ok_or_else(Refusal::not_found)
}

pub(crate) fn place_text(place: &ChangePlace) -> String {
    format!("{}.{}.{}", place.at.0, place.n, place.subject)
}

/// `GET /verwaltung/{tenant}/aenderungen`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    let (chosen, from) = (kind(&asked.was)?, place(&asked.vor)?);
    let limit = i64::try_from(PAGE + 1).unwrap_or(0);
    let mut found = hand.changes(chosen, &from, limit).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let back = format!("{MENU}/{}", hand.tenant.id);
    let path = format!("{back}/aenderungen");
    let older = found
        .last()
        .filter(|_| more)
        .map(|l| format!("{path}?was={chosen}&vor={}", text::percent(&place_text(&l.place))));
    let template = ChangesPage {
        frame: Frame::new("Änderungen", MENU, Some(&person)),
        tenant: hand.tenant.name.clone(),
        csv: format!("{path}/csv?was={chosen}"),
        kinds: CHANGE_KINDS
            .into_iter()
            .map(|word| KindChoice { word, name: kind_word(word), chosen: word == chosen })
            .collect(),
        lines: found
            .iter()
            .map(|l| Row {
                when: l.at.in_berlin("%d.%m.%Y, %H:%M Uhr"),
                machine_time: l.at.rfc3339(),
                kind: kind_word(&l.kind),
                sentence: text::line(&l.sentence, 500),
            })
            .collect(),
        older: older.unwrap_or_default(),
        newest: if asked.vor.is_empty() { String::new() } else { format!("{path}?was={chosen}") },
        path,
        back,
    };
    Ok(page(StatusCode::OK, &template))
}

/// `GET /verwaltung/{tenant}/aenderungen/csv`.
pub(crate) async fn csv(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &person.signed, &tenant).await?;
    let limit = i64::try_from(CSV_CAP + 1).unwrap_or(0);
    let mut found = hand.changes(kind(&asked.was)?, &ChangePlace::end(), limit).await?;
    let more = found.len() > CSV_CAP;
    found.truncate(CSV_CAP);
    // Spreadsheets know UTF-8 by its mark.
    let mut out = String::from("\u{feff}");
    out.push_str(&line(&["Datum", "Uhrzeit", "Was", "Wer", "Änderung"].map(str::to_owned)));
    for l in &found {
        out.push_str(&line(&cells(l)));
    }
    if more {
        out.push_str(&line(&[format!(
            "Ältere Änderungen stehen auf der Seite; hier sind die neuesten {CSV_CAP}."
        )]));
    }
    let name = format!("Aenderungen-{}.csv", web.now().in_berlin("%Y-%m-%d"));
    let mut answer = out.into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(value) = text::disposition(&name).parse() {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(answer)
}

fn cells(l: &ChangeLine) -> [String; 5] {
    [
        l.at.in_berlin("%d.%m.%Y"),
        l.at.in_berlin("%H:%M:%S"),
        kind_word(&l.kind),
        l.who.clone(),
        l.sentence.clone(),
    ]
}
