// SPDX-License-Identifier: EUPL-1.2
//! `/api/v1/tenants/{tenant}/desks|mailboxes|changes`: where mail lies, and what was changed, as on the pages.
//!
//! Guarantees: as for [`super::people`].

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use poststelle_hub::administer::Administered;
use poststelle_model::{DeskId, MailboxId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::openapi::{JsonRefusals, Refusals};
use super::people::OfTenant;
use crate::error::Refusal;
use crate::pages::admin::changes::{kind, place, place_text};
use crate::pages::admin::in_hand;
use crate::session::{Caller, Client};
use crate::web::Web;

/// A desk that serves the tenant, or could.
#[derive(Serialize, ToSchema)]
#[schema(as = Desk)]
pub(crate) struct DeskOut {
    id: String,
    name: String,
    /// `normal` or `clearing`.
    kind: String,
    /// Mail of this tenant comes there.
    serves: bool,
    /// It can be renamed with this token.
    renames: bool,
    version: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Desks {
    desks: Vec<DeskOut>,
}

async fn all_desks(hand: &Administered<'_>) -> Result<Vec<DeskOut>, Refusal> {
    let desks = hand.places().await?.desks;
    let out = |d| DeskOut::of(hand, d);
    Ok(desks.into_iter().map(out).collect())
}

impl DeskOut {
    fn of(hand: &Administered<'_>, d: poststelle_store::administration::DeskRow) -> Self {
        Self {
            id: d.id.to_string(),
            serves: d.tenants.contains(&hand.tenant.id),
            renames: hand.may_rename(&d),
            name: d.name,
            kind: d.kind,
            version: d.version,
        }
    }
}

/// Desks that serve the tenant, and all others of the Administration with its mandate.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/desks", operation_id = "desks", params(OfTenant),
    responses((status = 200, description = "The desks", body = Desks), Refusals)
)]
pub(crate) async fn desks(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    Ok(Json(Desks { desks: all_desks(&hand).await? }).into_response())
}

/// Something with a name.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Named {
    /// Not yet used here.
    name: String,
}

/// What was added.
#[derive(Serialize, ToSchema)]
pub(crate) struct AddedPlace {
    id: String,
}

/// Adds a desk of the Administration with the mandate that serves this tenant.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/desks", operation_id = "add_desk", security(("token" = [])),
    params(OfTenant), request_body = Named,
    responses((status = 201, description = "Added", body = AddedPlace), Refusals, JsonRefusals)
)]
pub(crate) async fn add_desk(
    State(web): State<Web>,
    Client(signed): Client,
    Path(tenant): Path<String>,
    Json(new): Json<Named>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let id = hand.add_desk(&new.name).await?.to_string();
    Ok((StatusCode::CREATED, Json(AddedPlace { id })).into_response())
}

/// What changes of a desk; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = DeskChange)]
pub(crate) struct DeskChange {
    /// With the `version` it was read in.
    name: Option<String>,
    version: Option<i64>,
    /// Does mail of this tenant come there? What lies there stays.
    serves: Option<bool>,
}

/// Changes a desk.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/desks/{desk}", operation_id = "change_desk", security(("token" = [])),
    params(OfTenant, ("desk" = String, Path, description = "The desk", format = "uuid")), request_body = DeskChange,
    responses((status = 200, description = "All desks, as they are now", body = Desks), Refusals, JsonRefusals)
)]
pub(crate) async fn change_desk(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, desk)): Path<(String, String)>,
    Json(change): Json<DeskChange>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let id: DeskId = desk.parse().map_err(|_| Refusal::not_found())?;
    if hand.places().await?.desks.iter().all(|d| d.id != id) {
        return Err(Refusal::not_found());
    }
    if let Some(name) = &change.name {
        hand.rename_desk(id, name, change.version.unwrap_or(0)).await?;
    }
    if let Some(serves) = change.serves {
        hand.set_desk_serves(id, serves).await?;
    }
    Ok(Json(Desks { desks: all_desks(&hand).await? }).into_response())
}

/// A mailbox with what is set for it.
#[derive(Serialize, ToSchema)]
#[schema(as = Mailbox)]
pub(crate) struct MailboxOut {
    id: String,
    name: String,
    addresses: Vec<String>,
    /// A second person must release what leaves.
    four_eyes: bool,
    version: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Mailboxes {
    mailboxes: Vec<MailboxOut>,
}

async fn all_mailboxes(hand: &Administered<'_>) -> Result<Vec<MailboxOut>, Refusal> {
    let places = hand.places().await?;
    let addresses = &places.addresses;
    let out = |m: poststelle_store::administration::MailboxRow| MailboxOut {
        id: m.id.to_string(),
        addresses: addresses.iter().filter(|a| a.2 == m.id).map(|a| a.1.clone()).collect(),
        name: m.name,
        four_eyes: m.four_eyes,
        version: m.version,
    };
    Ok(places.mailboxes.into_iter().map(out).collect())
}

/// Mailboxes with their addresses, by name.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/mailboxes", operation_id = "mailboxes", params(OfTenant),
    responses((status = 200, description = "The mailboxes", body = Mailboxes), Refusals)
)]
pub(crate) async fn mailboxes(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    Ok(Json(Mailboxes { mailboxes: all_mailboxes(&hand).await? }).into_response())
}

/// Adds a mailbox.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/mailboxes", operation_id = "add_mailbox", security(("token" = [])),
    params(OfTenant), request_body = Named,
    responses((status = 201, description = "Added", body = AddedPlace), Refusals, JsonRefusals)
)]
pub(crate) async fn add_mailbox(
    State(web): State<Web>,
    Client(signed): Client,
    Path(tenant): Path<String>,
    Json(new): Json<Named>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let id = hand.add_mailbox(&new.name).await?.to_string();
    Ok((StatusCode::CREATED, Json(AddedPlace { id })).into_response())
}

/// What changes of a mailbox; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = MailboxChange)]
pub(crate) struct MailboxChange {
    /// With the `version` it was read in.
    name: Option<String>,
    version: Option<i64>,
    four_eyes: Option<bool>,
}

/// Changes a mailbox.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/mailboxes/{mailbox}", operation_id = "change_mailbox",
    security(("token" = [])),
    params(OfTenant, ("mailbox" = String, Path, description = "The mailbox", format = "uuid")),
    request_body = MailboxChange,
    responses((status = 200, description = "All mailboxes, as they are now", body = Mailboxes), Refusals, JsonRefusals)
)]
pub(crate) async fn change_mailbox(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, mailbox)): Path<(String, String)>,
    Json(change): Json<MailboxChange>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let id: MailboxId = mailbox.parse().map_err(|_| Refusal::not_found())?;
    if hand.places().await?.mailboxes.iter().all(|m| m.id != id) {
        return Err(Refusal::not_found());
    }
    if let Some(name) = &change.name {
        hand.rename_mailbox(id, name, change.version.unwrap_or(0)).await?;
    }
    if let Some(on) = change.four_eyes {
        hand.set_four_eyes(id, on).await?;
    }
    Ok(Json(Mailboxes { mailboxes: all_mailboxes(&hand).await? }).into_response())
}

/// An address to add.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewAddress {
    /// An e-mail address that belongs to no mailbox in the house.
    address: String,
}

/// Adds an address to a mailbox; its own already: nothing happens.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/mailboxes/{mailbox}/addresses", operation_id = "add_address",
    security(("token" = [])),
    params(OfTenant, ("mailbox" = String, Path, description = "The mailbox", format = "uuid")),
    request_body = NewAddress,
    responses((status = 200, description = "All mailboxes, as they are now", body = Mailboxes), Refusals, JsonRefusals)
)]
pub(crate) async fn add_address(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, mailbox)): Path<(String, String)>,
    Json(new): Json<NewAddress>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    hand.add_address(mailbox.parse().map_err(|_| Refusal::not_found())?, &new.address).await?;
    Ok(Json(Mailboxes { mailboxes: all_mailboxes(&hand).await? }).into_response())
}

/// Which changes.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// `principal`, `desk`, `mailbox`, `rules`, `connector` or `tenant`; all when left out.
    kind: Option<String>,
    /// `next` of the page before.
    before: Option<String>,
    /// Lines, 1 to 200; 50 when left out.
    limit: Option<i64>,
}

/// Something somebody changed.
#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
pub(crate) struct ChangeOut {
    time: String,
    /// What was changed: one of the kinds, and its id.
    subject: String,
    who: String,
    /// A German sentence.
    sentence: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Changes {
    changes: Vec<ChangeOut>,
    /// Give it as `before` for the next page; absent = that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What people changed, newest first.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/changes", operation_id = "changes", params(OfTenant, Asked),
    responses((status = 200, description = "A page", body = Changes), Refusals)
)]
pub(crate) async fn changes(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path(tenant): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let limit = asked.limit.unwrap_or(50).clamp(1, 200);
    let from = place(asked.before.as_deref().unwrap_or_default())?;
    let lines = hand.changes(kind(asked.kind.as_deref().unwrap_or_default())?, &from, limit).await?;
    let full = i64::try_from(lines.len()).is_ok_and(|n| n == limit);
    let next = lines.last().filter(|_| full).map(|l| place_text(&l.place));
    let changes = lines.into_iter().map(|l| ChangeOut {
        time: l.at.rfc3339(),
        subject: l.place.subject,
        who: l.who,
        sentence: l.sentence,
    });
    Ok(Json(Changes { changes: changes.collect(), next }).into_response())
}
