// SPDX-License-Identifier: EUPL-1.2
//! Octets of messages: the original, one part, all attachments as ZIP. Streamed in constant memory, always as a file
//! to save, never as something the browser shows.

use std::collections::HashSet;
use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use poststelle_hub::channel::Octets;
use poststelle_hub::content::{Content, StoredContent};
pub(crate) use poststelle_hub::readable::is_enclosed_mail;
use poststelle_hub::reading::Reading;
use poststelle_model::{Access, Encoding, Message, MessageId, Part, TenantId, Timestamp};
use poststelle_store::{Scope, messages};
use tokio::sync::mpsc;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::api::openapi::Refusals;
use crate::api::read::MessageIds;
use crate::error::Refusal;
use crate::session::{Caller, Person};
use crate::text;
use crate::web::Web;

/// Media types that may be named to a browser; all others are octets. Nothing here runs anything.
const SAFE: [&str; 8] = [
    "application/pdf",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/tiff",
    "application/zip",
    "message/rfc822",
    "application/octet-stream",
];
/// Even if a browser did show it: no scripts, no origin.
pub(crate) const SEALED: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";
/// Parts read at once.
const PAGE: i64 = 1000;

/// Path of a message, as text: what is no id is simply not there.
pub(crate) type MessagePath = Path<(String, String)>;

/// The ids of a path.
pub(crate) fn ids(tenant: &str, id: &str) -> Result<(TenantId, MessageId), Refusal> {
    match (tenant.parse(), id.parse()) {
        (Ok(tenant), Ok(id)) => Ok((tenant, id)),
        _ => Err(Refusal::not_found()),
    }
}

/// `GET /nachrichten/{tenant}/{id}/original`.
pub(crate) async fn page_original(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id)): MessagePath,
) -> Result<Response, Refusal> {
    original(&web, &person.signed.access, &tenant, &id).await
}

/// The octets as they came.
#[utoipa::path(
    get, path = "/api/v1/messages/{tenant}/{id}/original", operation_id = "original", params(MessageIds),
    responses(
        (status = 200, description = "The octets; only harmless media types are named", body = Value, content_type = "*/*"),
        Refusals
    )
)]
pub(crate) async fn api_original(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path((tenant, id)): MessagePath,
) -> Result<Response, Refusal> {
    original(&web, &signed.access, &tenant, &id).await
}

/// `GET /nachrichten/{tenant}/{id}/teile/{n}`.
pub(crate) async fn page_part(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id, n)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    part(&web, &person.signed.access, &tenant, &id, &n).await
}

/// One part, decoded.
#[utoipa::path(
    get, path = "/api/v1/messages/{tenant}/{id}/parts/{n}", operation_id = "part",
    params(MessageIds, ("n" = u32, Path, description = "Number of the part")),
    responses(
        (status = 200, description = "Its octets; only harmless media types are named", body = Value, content_type = "*/*"),
        Refusals
    )
)]
pub(crate) async fn api_part(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path((tenant, id, n)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    part(&web, &signed.access, &tenant, &id, &n).await
}

/// `GET /nachrichten/{tenant}/{id}/anhaenge.zip`.
pub(crate) async fn page_zip(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id)): MessagePath,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &id)?;
    let allowed = web.hub().authorise(&person.signed.access, tenant, id).await?;
    let mut tx = web.hub().db().read(Scope::Tenant(tenant)).await?;
    let mut first = messages::parts(&mut tx, tenant, id, 0, PAGE).await?;
    drop(tx);
    let more = first.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
    first.retain(is_file);
    if first.is_empty() && !more {
        return Err(Refusal::not_found());
    }
    let (message, content) = web.hub().read(&allowed, Reading::Attachments).await?;
    let name = format!("Anhaenge-{}.zip", message.accepted_at.in_berlin("%Y-%m-%d-%H%M%S"));
    let (out, octets) = mpsc::channel::<Result<Bytes, std::io::Error>>(2);
    let span = tracing::Span::current();
    tokio::spawn(async move {
        if let Err(error) = pack(&content, &message, &out).await {
            span.in_scope(|| tracing::warn!(error, "zip ended early"));
            // The connection breaks off: the browser shows a failed download, not a short archive.
            let _ = out.send(Err(std::io::Error::other("zip ended early"))).await;
        }
    });
    let body =
        Body::from_stream(stream::unfold(octets, |mut o| async move { o.recv().await.map(|p| (p, o)) }));
    Ok(file(body, "application/zip", &name, None))
}

async fn original(web: &Web, access: &Access, tenant: &str, id: &str) -> Result<Response, Refusal> {
    let (tenant, id) = ids(tenant, id)?;
    let allowed = web.hub().authorise(access, tenant, id).await?;
    let (message, content) = web.hub().read(&allowed, Reading::Original).await?;
    let octets = content.original().await?;
    let kind = message.transport.media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (kind, ending) = match kind.as_str() {
        "" | "message/rfc822" => ("message/rfc822", "eml"),
        "application/pdf" => ("application/pdf", "pdf"),
        "application/zip" => ("application/zip", "zip"),
        "application/json" => ("application/octet-stream", "json"),
        "application/xml" | "text/xml" => ("application/octet-stream", "xml"),
        "text/plain" => ("application/octet-stream", "txt"),
        _ => ("application/octet-stream", "bin"),
    };
    let name = format!("Nachricht-{}.{ending}", message.accepted_at.in_berlin("%Y-%m-%d-%H%M%S"));
    Ok(file(body(octets), kind, &name, Some(message.size)))
}

async fn part(web: &Web, access: &Access, tenant: &str, id: &str, n: &str) -> Result<Response, Refusal> {
    let n: i64 = n.parse().ok().filter(|n| *n >= 0).ok_or_else(Refusal::not_found)?;
    let (tenant, id) = ids(tenant, id)?;
    let allowed = web.hub().authorise(access, tenant, id).await?;
    let mut tx = web.hub().db().read(Scope::Tenant(tenant)).await?;
    // Numbers run without a gap from 0, so the place is known; the number itself decides.
    let found = messages::parts(&mut tx, tenant, id, n, 1).await?;
    drop(tx);
    let part = found.into_iter().find(|p| p.n == n).ok_or_else(Refusal::not_found)?;
    let (_, content) = web.hub().read(&allowed, Reading::Part).await?;
    let octets = content.part(&part).await?;
    let length = if part.leaf {
        Some(part.size)
    } else if part.encoding == Encoding::Identity {
        Some(part.len)
    } else {
        None
    };
    let kind = SAFE.iter().find(|k| **k == part.detected).unwrap_or(&"application/octet-stream");
    Ok(file(body(octets), kind, &file_name(&part), length))
}

pub(crate) fn body(octets: Octets) -> Body {
    Body::from_stream(octets.map(|piece| {
        piece.map_err(|error| {
            tracing::warn!(%error, "download ended early");
            std::io::Error::other("download ended early")
        })
    }))
}

pub(crate) fn file(body: Body, kind: &str, name: &str, length: Option<i64>) -> Response {
    let mut answer = body.into_response();
    let headers = answer.headers_mut();
    let mut put = |header: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(header, value);
        }
    };
    put(CONTENT_TYPE, kind);
    put(CONTENT_DISPOSITION, &text::disposition(name));
    put(CONTENT_SECURITY_POLICY, SEALED);
    if let Some(length) = length {
        put(CONTENT_LENGTH, &length.to_string());
    }
    answer
}

/// What "alle Anhänge" means: what a person calls an attachment, and mails enclosed as a whole.
pub(crate) fn is_file(part: &Part) -> bool {
    part.is_attachment() || is_enclosed_mail(part)
}

/// The name a part is saved under.
pub(crate) fn file_name(part: &Part) -> String {
    let name = text::line(&part.name, 255).replace(['/', '\\'], "_");
    if !name.is_empty() {
        name
    } else if is_enclosed_mail(part) {
        format!("Nachricht-{}.eml", part.n)
    } else {
        format!("Teil-{}.bin", part.n)
    }
}

/// What the ZIP writer has written and nobody has sent yet.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Bytes {
        Bytes::from(std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)))
    }
}

impl Write for Buffer {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

type Out = mpsc::Sender<Result<Bytes, std::io::Error>>;

/// Sends what is ready; false when nobody reads any more.
async fn send(buffer: &Buffer, out: &Out) -> bool {
    let octets = buffer.take();
    octets.is_empty() || out.send(Ok(octets)).await.is_ok()
}

/// Writes the archive: stored, not compressed; sizes follow each file, so nothing is read twice.
async fn pack(content: &StoredContent, message: &Message, out: &Out) -> Result<(), String> {
    let buffer = Buffer::default();
    let mut zip = ZipWriter::new_stream(buffer.clone());
    let mut options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o644);
    if let Some(time) = zip_time(message.accepted_at) {
        options = options.last_modified_time(time);
    }
    let mut used = HashSet::new();
    let mut offset = 0;
    loop {
        let page = content.parts(offset).await.map_err(|e| e.to_string())?;
        let count = i64::try_from(page.len()).unwrap_or(PAGE);
        for part in page.iter().filter(|p| is_file(p) && !content.is_held(p)) {
            let mut name = file_name(part);
            if !used.insert(name.to_lowercase()) {
                name = format!("{}-{name}", part.n);
                used.insert(name.to_lowercase());
            }
            zip.start_file(name, options).map_err(|e| e.to_string())?;
            let mut octets = content.part(part).await.map_err(|e| e.to_string())?;
            while let Some(piece) = octets.next().await {
                zip.write_all(&piece.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
                if !send(&buffer, out).await {
                    return Ok(());
                }
            }
        }
        offset += count;
        if count < PAGE {
            break;
        }
    }
    zip.finish().map_err(|e| e.to_string())?;
    send(&buffer, out).await;
    Ok(())
}

fn zip_time(at: Timestamp) -> Option<zip::DateTime> {
    let text = at.in_berlin("%Y %m %d %H %M %S");
    let mut numbers = text.split(' ').map_while(|n| n.parse::<u16>().ok());
    let year = numbers.next()?;
    let mut small = || numbers.next().and_then(|n| u8::try_from(n).ok());
    zip::DateTime::from_date_and_time(year, small()?, small()?, small()?, small()?, small()?).ok()
}
