// SPDX-License-Identifier: EUPL-1.2
//! Looking at pictures and PDF documents without saving them.
//!
//! Guarantees: what is shown is a picture by its content, never HTML or SVG, and goes out sealed (nothing runs, nothing
//! loads). PDF never reaches the browser: its pages are drawn to pictures by a process of their own, which gets nothing
//! but the document, opens no file, and has little memory and time; what it cannot do in them, or dies of, is "keine
//! Vorschau" and nothing else.
//! Not: that a page looks exactly as elsewhere. What counts is the original.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_syntax::Pdf;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings};
use poststelle_hub::content::Content;
use poststelle_hub::reading::Reading;
use poststelle_hub::view::Allowed;
use poststelle_model::Part;
use poststelle_store::{Scope, messages};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::download::{SEALED, file_name, ids};
use crate::error::Refusal;
use crate::pages::{Frame, page};
use crate::session::Person;
use crate::web::Web;

/// Pictures that browsers draw and that cannot act.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const PDF: &str = "application/pdf";
/// Largest part that is shown, bytes.
const CAP: i64 = 20 * 1024 * 1024;
/// Pages of a document that are shown.
const PAGES: u32 = 500;
/// Largest picture of a page, bytes.
const PICTURE: u64 = 16 * 1024 * 1024;
/// Widest and highest picture of a page, pixels.
const PIXELS: (f32, f32) = (1240.0, 3000.0);
/// Longest drawing of a page.
const TIME: Duration = Duration::from_secs(15);
/// The same in seconds of computing.
const COMPUTING: u64 = 10;
/// Memory for it, bytes.
const MEMORY: u64 = 1 << 30;
/// Documents drawn at once on a node.
pub(crate) const AT_ONCE: usize = 2;

/// Is there something to look at?
pub(crate) fn can(part: &Part) -> bool {
    part.leaf && part.size <= CAP && (PICTURES.contains(&part.detected.as_str()) || part.detected == PDF)
}

#[derive(Template)]
#[template(path = "look.html")]
struct LookPage {
    frame: Frame,
    message: String,
    name: String,
    download: String,
    picture: String,
    /// What the picture is, for those who do not see it.
    alternative: String,
    /// Why there is none; empty = there is.
    trouble: String,
    number: u32,
    count: u32,
    before: String,
    next: String,
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    seite: String,
}

impl Asked {
    fn page(&self) -> Result<u32, Refusal> {
        match self.seite.as_str() {
            "" => Ok(1),
            text => text.parse().ok().filter(|n| (1..=PAGES).contains(n)).ok_or_else(Refusal::not_found),
        }
    }
}

type PartPath = Path<(String, String, String)>;

/// The part of a path, if it is for these eyes and can be looked at.
async fn part(
    web: &Web,
    person: &Person,
    path: &(String, String, String),
) -> Result<(Allowed, Part), Refusal> {
    let n: i64 = path.2.parse().ok().filter(|n| *n >= 0).ok_or_else(Refusal::not_found)?;
    let (tenant, id) = ids(&path.0, &path.1)?;
    let allowed = web.hub().authorise(&person.signed.access, tenant, id).await?;
    let mut tx = web.hub().db().read(Scope::Tenant(tenant)).await?;
    let found = messages::parts(&mut tx, tenant, id, n, 1).await?;
    drop(tx);
    let part = found.into_iter().find(|p| p.n == n).ok_or_else(Refusal::not_found)?;
    if can(&part) {
        Ok((allowed, part))
    } else {
        Err(Refusal::wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "PST-WEB-0010"))
    }
}

/// `GET /nachrichten/{tenant}/{id}/teile/{n}/ansehen`.
pub(crate) async fn look(
    State(web): State<Web>,
    person: Person,
    Path(path): PartPath,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let number = asked.page()?;
    let (allowed, part) = part(&web, &person, &path).await?;
    let message = format!("/nachrichten/{}/{}", path.0, path.1);
    let own = format!("{message}/teile/{}", part.n);
    let name = file_name(&part);
    let (mut count, mut trouble) = (1, String::new());
    if part.detected == PDF {
        let octets = octets(&web, &allowed, &part).await?;
        match draw(&web, octets, 0).await {
            Some((pages, _)) if number <= pages => count = pages,
            Some(_) => return Err(Refusal::not_found()),
            None => trouble = Refusal::wrong(StatusCode::UNPROCESSABLE_ENTITY, "PST-WEB-0011").sentence(),
        }
    } else if number > 1 {
        return Err(Refusal::not_found());
    }
    let at = |n: u32| {
        if (1..=count.min(PAGES)).contains(&n) { format!("{own}/ansehen?seite={n}") } else { String::new() }
    };
    let template = LookPage {
        frame: Frame::new(name.clone(), "/nachrichten", Some(&person)),
        picture: if part.detected == PDF {
            format!("{own}/vorschau?seite={number}")
        } else {
            format!("{own}/vorschau")
        },
        alternative: if part.detected == PDF {
            format!("Seite {number} von {name}")
        } else {
            format!("Bild {name}")
        },
        download: own.clone(),
        before: at(number - 1),
        next: at(number + 1),
        message,
        name,
        trouble,
        number,
        count,
    };
    Ok(page(StatusCode::OK, &template))
}

/// `GET /nachrichten/{tenant}/{id}/teile/{n}/vorschau`.
pub(crate) async fn picture(
    State(web): State<Web>,
    person: Person,
    Path(path): PartPath,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let number = asked.page()?;
    let (allowed, part) = part(&web, &person, &path).await?;
    let octets = octets(&web, &allowed, &part).await?;
    if let Some(kind) = PICTURES.iter().find(|k| **k == part.detected) {
        return Ok(sealed(octets, kind));
    }
    match draw(&web, octets, number).await {
        Some((_, picture)) if !picture.is_empty() => Ok(sealed(picture, "image/png")),
        _ => Err(Refusal::wrong(StatusCode::UNPROCESSABLE_ENTITY, "PST-WEB-0011")),
    }
}

fn sealed(octets: Vec<u8>, kind: &'static str) -> Response {
    let mut answer = Body::from(octets).into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SEALED));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    answer
}

/// The octets of a part; that they were taken is evidence first.
async fn octets(web: &Web, allowed: &Allowed, part: &Part) -> Result<Vec<u8>, Refusal> {
    let (_, content) = web.hub().read(allowed, Reading::Part).await?;
    let mut stream = content.part(part).await?;
    let mut out = Vec::new();
    while let Some(piece) = stream.next().await {
        out.extend_from_slice(&piece?);
        if i64::try_from(out.len()).is_ok_and(|n| n > CAP) {
            return Err(Refusal::wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "PST-WEB-0010"));
        }
    }
    Ok(out)
}

/// Has a page drawn: number of pages and picture; page 0 only counts. `None` when it did not work, whatever the reason.
async fn draw(web: &Web, octets: Vec<u8>, number: u32) -> Option<(u32, Vec<u8>)> {
    let (program, arguments) = web.config().pdf.split_first()?;
    let _permit = web.drawings().acquire().await.ok()?;
    let work = async {
        let mut child = Command::new(program)
            .args(arguments)
            .arg(number.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        let give = async move {
            // It may have seen enough, or have died: its answer tells.
            let _ = input.write_all(&octets).await;
        };
        let mut answer = Vec::new();
        let mut output = output.take(PICTURE);
        let (_, read) = tokio::join!(give, output.read_to_end(&mut answer));
        // Whoever says more than allowed does not wait for us to listen.
        drop(output);
        read?;
        Ok::<_, std::io::Error>(child.wait().await?.success().then_some(answer))
    };
    let answer = match tokio::time::timeout(TIME, work).await {
        Ok(Ok(answer)) => answer?,
        Ok(Err(error)) => {
            tracing::warn!(%error, "no process for a preview");
            return None;
        }
        Err(_) => {
            tracing::info!("a preview took too long");
            return None;
        }
    };
    let end = answer.iter().position(|b| *b == b'\n')?;
    let pages = std::str::from_utf8(answer.get(..end)?).ok()?.parse().ok()?;
    Some((pages, answer.get(end + 1..)?.to_vec()))
}

/// The command that draws: this program itself.
#[must_use]
pub fn command() -> Vec<OsString> {
    std::env::current_exe().map(|own| vec![own.into(), "pdf-page".into()]).unwrap_or_default()
}

/// What the process of its own does: gives up what it does not need, reads a PDF document from `input` and writes the
/// number of its pages, a line end, and page `number` as PNG; page 0 only counts.
///
/// # Errors
/// A sentence, when the document cannot be read or drawn. It may also not return at all, panic, or end the process.
pub fn pdf_page(number: u32, input: impl Read, mut output: impl Write) -> Result<(), String> {
    for (resource, cap) in [
        (Resource::As, MEMORY),
        (Resource::Cpu, COMPUTING),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        // Input, output and errors are open; nothing else will be.
        (Resource::Nofile, 3),
    ] {
        let limit = Rlimit { current: Some(cap), maximum: Some(cap) };
        setrlimit(resource, limit).map_err(|e| e.to_string())?;
    }
    let mut octets = Vec::new();
    let cap = u64::try_from(CAP).unwrap_or(0);
    input.take(cap).read_to_end(&mut octets).map_err(|e| e.to_string())?;
    let pdf = Pdf::new(octets).map_err(|e| format!("{e:?}"))?;
    let pages = pdf.pages();
    let mut answer = format!("{}\n", pages.len()).into_bytes();
    if let Some(index) = number.checked_sub(1) {
        let page = usize::try_from(index).ok().and_then(|i| pages.get(i)).ok_or("no such page")?;
        let (width, height) = page.render_dimensions();
        if !(width >= 1.0 && height >= 1.0) {
            return Err("a page without extent".to_owned());
        }
        let scale = (PIXELS.0 / width).min(PIXELS.1 / height);
        let pixmap = hayro::render(
            page,
            &RenderCache::new(),
            &InterpreterSettings::default(),
            &RenderSettings::default(),
            &PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE },
        );
        answer.extend(pixmap.into_png().map_err(|e| e.to_string())?);
    }
    output.write_all(&answer).and_then(|()| output.flush()).map_err(|e| e.to_string())
}
