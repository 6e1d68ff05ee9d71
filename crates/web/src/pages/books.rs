// SPDX-License-Identifier: EUPL-1.2
//! Posteingangs- und Postausgangsbuch of a tenant: by period and words, on screen and as CSV.
//!
//! Guarantees: the CSV is streamed page by page in constant memory; no cell of it is taken for a formula by a
//! spreadsheet; a book that cannot be read to its end breaks off the download instead of looking complete.

use std::collections::HashMap;

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use poststelle_hub::books::BookEntry;
use poststelle_model::{Access, ChannelKind, Direction, MailboxId, TenantId, Timestamp};
use poststelle_store::books::{Place, Span};
use poststelle_store::search;
use serde::Deserialize;

use super::messages::{Row, in_words, standing};
use super::{Frame, page};
use crate::error::Refusal;
use crate::session::Person;
use crate::text;
use crate::web::Web;

/// Lines on one page.
const PAGE: usize = 50;
/// Lines read at once for a download.
const CHUNK: usize = 500;

#[derive(Template)]
#[template(path = "books.html")]
struct BooksPage {
    frame: Frame,
    tenants: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "book.html")]
struct BookPage {
    frame: Frame,
    name: &'static str,
    tenant: String,
    path: String,
    csv: String,
    other: String,
    other_name: &'static str,
    out: bool,
    from: String,
    until: String,
    question: String,
    lines: Vec<Entry>,
    older: String,
    newest: String,
}

struct Entry {
    row: Row,
    channel: &'static str,
    mailbox: String,
    recipients: String,
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    von: String,
    #[serde(default)]
    bis: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    vor: String,
}

/// `GET /buecher`.
pub(crate) async fn choose(State(web): State<Web>, person: Person) -> Result<Response, Refusal> {
    let tenants = web.hub().book_tenants(&person.signed.access).await?;
    let template = BooksPage {
        frame: Frame::new("Bücher", "/buecher", Some(&person)),
        tenants: tenants.into_iter().map(|t| (format!("/buecher/{}", t.id), t.name)).collect(),
    };
    Ok(page(StatusCode::OK, &template))
}

/// A book as its address names it.
struct Book {
    tenant: TenantId,
    direction: Direction,
    span: Span,
    from: String,
    until: String,
    question: String,
}

impl Book {
    fn of(tenant: &str, word: &str, asked: &Asked) -> Result<Self, Refusal> {
        let tenant = tenant.parse().map_err(|_| Refusal::not_found())?;
        let direction = match word {
            "eingang" => Direction::In,
            "ausgang" => Direction::Out,
            _ => return Err(Refusal::not_found()),
        };
        let day = |text: &str| -> Result<Option<Timestamp>, Refusal> {
            match text {
                "" => Ok(None),
                text => Timestamp::start_of_day(text)
                    .map(Some)
                    .ok_or_else(|| Refusal::wrong(StatusCode::BAD_REQUEST, "PST-WEB-0009")),
            }
        };
        // The last day counts whole; a day has 23 to 25 hours.
        let next = |at: Timestamp| {
            let later = at.plus(std::time::Duration::from_secs(36 * 3600)).in_berlin("%Y-%m-%d");
            Timestamp::start_of_day(&later).unwrap_or(at)
        };
        let question: String = asked.q.chars().take(300).collect();
        let span = Span {
            direction,
            from: day(&asked.von)?.unwrap_or(Timestamp(0)),
            until: day(&asked.bis)?.map_or(Timestamp::NEVER, next),
            query: search::Query::parse(&question),
        };
        Ok(Self { tenant, direction, span, from: asked.von.clone(), until: asked.bis.clone(), question })
    }

    const fn word(&self) -> &'static str {
        match self.direction {
            Direction::In => "eingang",
            Direction::Out => "ausgang",
        }
    }

    fn filter(&self) -> String {
        let mut parts = Vec::new();
        for (key, value) in [("von", &self.from), ("bis", &self.until), ("q", &self.question)] {
            if !value.is_empty() {
                parts.push(format!("{key}={}", text::percent(value)));
            }
        }
        parts.join("&")
    }
}

/// A place in a book, as addresses carry it: moment and message.
fn place(text: &str) -> Option<Place> {
    let (at, id) = text.split_once('.')?;
    Some(Place { at: Timestamp(at.parse().ok()?), id: id.parse().ok()? })
}

const fn place_of(entry: &BookEntry) -> Place {
    Place { at: entry.line.line.accepted_at, id: entry.line.line.id }
}

pub(crate) const fn channel(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Mail => "E-Mail",
        ChannelKind::Rest => "Schnittstelle (REST)",
    }
}

/// `GET /buecher/{tenant}/{book}`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path((tenant, word)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let book = Book::of(&tenant, &word, &asked)?;
    let access = &person.signed.access;
    let before = match asked.vor.as_str() {
        "" => None,
        text => Some(place(text).ok_or_else(Refusal::not_found)?),
    };
    let tenants = web.hub().book_tenants(access).await?;
    let tenant = tenants.into_iter().find(|t| t.id == book.tenant).ok_or_else(Refusal::not_found)?;
    let boxes = web.hub().book_boxes(access, book.tenant).await?;
    let limit = i64::try_from(PAGE + 1).unwrap_or(0);
    let mut found = web.hub().book_page(access, book.tenant, &book.span, &boxes, before, limit).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let (path, filter) = (format!("/buecher/{}/{}", book.tenant, book.word()), book.filter());
    let older = found.last().filter(|_| more).map(place_of);
    let out = book.direction == Direction::Out;
    let (name, other, other_name) = if out {
        ("Postausgangsbuch", "eingang", "Zum Posteingangsbuch")
    } else {
        ("Posteingangsbuch", "ausgang", "Zum Postausgangsbuch")
    };
    let template = BookPage {
        frame: Frame::new(format!("{name} {}", tenant.name), "/buecher", Some(&person)),
        name,
        csv: format!("{path}/csv?{filter}"),
        other: format!("/buecher/{}/{other}?{filter}", book.tenant),
        other_name,
        older: older.map(|p| format!("{path}?{filter}&vor={}.{}", p.at.0, p.id)).unwrap_or_default(),
        newest: if before.is_some() { format!("{path}?{filter}") } else { String::new() },
        out,
        tenant: tenant.name,
        from: book.from,
        until: book.until,
        question: book.question,
        lines: found
            .into_iter()
            .map(|e| Entry {
                channel: channel(e.line.line.channel),
                mailbox: text::line(&e.mailbox, 100),
                recipients: text::line(&e.recipients, 200),
                row: in_words(e.line),
            })
            .collect(),
        path,
    };
    Ok(page(StatusCode::OK, &template))
}

/// `GET /buecher/{tenant}/{book}/csv`.
pub(crate) async fn csv(
    State(web): State<Web>,
    person: Person,
    Path((tenant, word)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let book = Book::of(&tenant, &word, &asked)?;
    let access = person.signed.access.clone();
    let boxes = web.hub().book_boxes(&access, book.tenant).await?;
    let name = match book.direction {
        Direction::In => "Posteingangsbuch",
        Direction::Out => "Postausgangsbuch",
    };
    let name = format!("{name}-{}.csv", web.now().in_berlin("%Y-%m-%d"));
    let mut answer = Body::from_stream(rows(web, access, book, boxes)).into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, axum::http::HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(value) = text::disposition(&name).parse() {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(answer)
}

/// Where the writing of a CSV stands.
enum At {
    Head,
    After(Option<Place>),
    End,
}

const HEAD: [&str; 12] = [
    "Datum",
    "Uhrzeit",
    "Absender",
    "Empfänger",
    "Postfach",
    "Betreff",
    "Kanal",
    "Anlagen",
    "Größe in Byte",
    "Stand",
    "Kennung der Nachricht",
    "SHA-256",
];

fn rows(
    web: Web,
    access: Access,
    book: Book,
    boxes: HashMap<MailboxId, String>,
) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::unfold((At::Head, web, access, book, boxes), |(at, web, access, book, boxes)| async move {
        let before = match at {
            At::Head => {
                // Spreadsheets know UTF-8 by its mark.
                let head = format!("\u{feff}{}", line(&HEAD.map(str::to_owned)));
                return Some((Ok(Bytes::from(head)), (At::After(None), web, access, book, boxes)));
            }
            At::After(before) => before,
            At::End => return None,
        };
        let limit = i64::try_from(CHUNK).unwrap_or(0);
        match web.hub().book_page(&access, book.tenant, &book.span, &boxes, before, limit).await {
            Ok(entries) => {
                let next = match entries.last().filter(|_| entries.len() == CHUNK) {
                    Some(last) => At::After(Some(place_of(last))),
                    None => At::End,
                };
                let text: String = entries.into_iter().map(|e| line(&cells(e))).collect();
                Some((Ok(Bytes::from(text)), (next, web, access, book, boxes)))
            }
            Err(error) => {
                tracing::warn!(%error, "book ended early");
                let broken = std::io::Error::other("book ended early");
                Some((Err(broken), (At::End, web, access, book, boxes)))
            }
        }
    })
}

fn cells(entry: BookEntry) -> [String; 12] {
    let BookEntry { line: whole, recipients, sha256, mailbox } = entry;
    let line = &whole.line;
    let address = if line.sender_address.is_empty() { &line.envelope_sender } else { &line.sender_address };
    [
        line.accepted_at.in_berlin("%d.%m.%Y"),
        line.accepted_at.in_berlin("%H:%M:%S"),
        text::sender(&line.sender_name, address),
        recipients,
        mailbox,
        line.subject.clone(),
        channel(line.channel).to_owned(),
        line.attachments.to_string(),
        line.size.to_string(),
        standing(line.processed, &whole.states).0,
        line.id.to_string(),
        sha256,
    ]
}

/// One line: every cell quoted, none a formula.
pub(crate) fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|c| cell(c)).collect();
    format!("{}\r\n", cells.join(";"))
}

fn cell(value: &str) -> String {
    let value = text::line(value, 2000).replace('"', "\"\"");
    // Spreadsheets look past spaces and take full-width signs for their narrow likeness.
    let formula = value.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '\'']);
    format!("\"{}{value}\"", if formula { "'" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (value, expected) in [
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("+49 385 1", "\"'+49 385 1\""),
            ("\t@SUM(A1)", "\"'@SUM(A1)\""),
            ("-1\r\n=2", "\"'-1 =2\""),
            ("a;b\"c\nd", "\"a;b\"\"c d\""),
            ("＝1+1", "\"'＝1+1\""),
            ("", "\"\""),
        ] {
            assert_eq!(cell(value), expected);
        }
    }

    #[test]
    fn places_are_read_back() {
        let id = "0195a0b0-0000-7000-8000-000000000001";
        let known = place(&format!("17.{id}")).unwrap();
        assert_eq!((known.at, known.id.to_string()), (Timestamp(17), id.to_owned()));
        for bad in ["", "17", ".", "x.y", id] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}
