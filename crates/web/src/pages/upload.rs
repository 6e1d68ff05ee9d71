// SPDX-License-Identifier: EUPL-1.2
//! Attachments that come piece by piece, for the script of the page: announce a file, ask how far it is, go on there.
//! Without the script files come with the form ([`super::draft`]).

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use poststelle_hub::channel::ChannelError;
use poststelle_hub::writing::Upload;
use poststelle_model::{DraftPartId, Fault, Reason};
use poststelle_store::drafts::DraftPart;
use serde::{Deserialize, Serialize};

use super::drafts::{DraftPath, ids};
use crate::error::Refusal;
use crate::session::Person;
use crate::web::Web;
use crate::{download, text};

/// Longest silence of a browser within a file.
const SILENCE: Duration = Duration::from_secs(60);

/// Octets as the hub takes them: a browser that goes away or falls silent breaks off.
pub(crate) fn octets<'a, E: Send + 'a>(
    from: impl Stream<Item = Result<Bytes, E>> + Send + 'a,
) -> BoxStream<'a, Result<Bytes, ChannelError>> {
    let from = Box::pin(from);
    stream::unfold(Some(from), |from| async move {
        let mut from = from?;
        match tokio::time::timeout(SILENCE, from.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(from))),
            Ok(Some(Err(_))) | Err(_) => {
                let reason = Reason::new("PST-API-0008", Fault::Sender);
                Some((Err(ChannelError::never(reason)), None))
            }
        }
    })
    .boxed()
}

/// A file to come.
#[derive(Deserialize)]
pub(crate) struct Announced {
    name: String,
    #[serde(default)]
    media_type: String,
    size: u64,
}

#[derive(Serialize)]
struct Far {
    /// Address of the file.
    href: String,
    /// Octets that are here.
    offset: i64,
    /// Octets it has.
    size: i64,
    /// Version of the draft; 0 = as before.
    version: i64,
}

/// A script sends the token of the session in a header.
fn check_csrf(person: &Person, headers: &HeaderMap) -> Result<(), Refusal> {
    person.check_csrf(headers.get("x-csrf-token").and_then(|v| v.to_str().ok()).unwrap_or_default())
}

/// `POST /entwuerfe/{tenant}/{draft}/anlagen`.
pub(crate) async fn announce(
    State(web): State<Web>,
    person: Person,
    Path((tenant, draft)): DraftPath,
    headers: HeaderMap,
    Json(file): Json<Announced>,
) -> Result<Response, Refusal> {
    check_csrf(&person, &headers)?;
    let (tenant, id) = ids(&tenant, &draft)?;
    let upload = Upload { name: file.name, media_type: file.media_type };
    let access = &person.signed.access;
    let (draft, part) = web.hub().announce(access, tenant, id, &upload, file.size).await?;
    let far = Far {
        href: format!("/entwuerfe/{tenant}/{id}/anlagen/{part}"),
        offset: 0,
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        version: draft.version,
    };
    Ok((StatusCode::CREATED, Json(far)).into_response())
}

type PartPath = Path<(String, String, String)>;

fn far(path: String, part: &DraftPart) -> Response {
    Json(Far { href: path, offset: part.stored, size: part.size, version: 0 }).into_response()
}

/// `GET /entwuerfe/{tenant}/{draft}/anlagen/{part}`: how far it is.
pub(crate) async fn state(
    State(web): State<Web>,
    person: Person,
    Path((tenant, draft, part)): PartPath,
) -> Result<Response, Refusal> {
    let path = format!("/entwuerfe/{tenant}/{draft}/anlagen/{part}");
    let (tenant, id) = ids(&tenant, &draft)?;
    let part: DraftPartId = part.parse().map_err(|_| Refusal::not_found())?;
    Ok(far(path, &web.hub().attachment(&person.signed.access, tenant, id, part).await?))
}

/// `GET /entwuerfe/{tenant}/{draft}/anlagen/{part}/datei`: its octets, as a file to save.
pub(crate) async fn file(
    State(web): State<Web>,
    person: Person,
    Path((tenant, draft, part)): PartPath,
) -> Result<Response, Refusal> {
    let (tenant, id) = ids(&tenant, &draft)?;
    let part: DraftPartId = part.parse().map_err(|_| Refusal::not_found())?;
    let (part, octets) = web.hub().attachment_octets(&person.signed.access, tenant, id, part).await?;
    let name = text::line(&part.name, 255);
    Ok(download::file(download::body(octets), "application/octet-stream", &name, Some(part.size)))
}

/// `PUT /entwuerfe/{tenant}/{draft}/anlagen/{part}`: the octets from `Upload-Offset` on.
pub(crate) async fn append(
    State(web): State<Web>,
    person: Person,
    Path((tenant, draft, part)): PartPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    check_csrf(&person, &headers)?;
    let path = format!("/entwuerfe/{tenant}/{draft}/anlagen/{part}");
    let (tenant, id) = ids(&tenant, &draft)?;
    let part: DraftPartId = part.parse().map_err(|_| Refusal::not_found())?;
    let offset = headers.get("upload-offset").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let offset = offset.ok_or_else(|| Refusal::of_status(StatusCode::BAD_REQUEST))?;
    let octets = octets(body.into_data_stream());
    Ok(far(path, &web.hub().append(&person.signed.access, tenant, id, part, offset, octets).await?))
}
