// SPDX-License-Identifier: EUPL-1.2
//! A tenant's log for whoever checks it: checkpoint, tiles and entry bundles in the formats of C2SP tlog-checkpoint
//! and tlog-tiles. For people and programs who may read all of the tenant's mail.
//!
//! Guarantees: only what the newest checkpoint covers is given out; a tile's octets never change. Tiles are computed
//! from the rows of the log, nothing is stored twice.
//! Weak: a tile of level 2 and above reads all entries below it (65,536 and more); there is no cache yet.

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use poststelle_crypto::digest::unhex;
use poststelle_hub::people::SignedIn;
use poststelle_model::{Fault, Reason, TenantId};
use poststelle_proof::merkle::{Frontier, Hash};
use poststelle_proof::tile::{BundleId, TILE_WIDTH, TileId, bundle_bytes, tile_bytes};
use poststelle_store::{Scope, Tx, evidence};

use super::openapi::Refusals;
use crate::error::Refusal;
use crate::session::Caller;
use crate::web::Web;

/// Rows read at once.
const STEP: u64 = 1024;
/// Most entries one tile may stand for: 256 tiles of level 1.
const ENTRIES_CAP: u64 = TILE_WIDTH * TILE_WIDTH * TILE_WIDTH;

/// The tenant, for somebody who may read all of it.
fn readable(signed: &SignedIn, tenant: &str) -> Result<TenantId, Refusal> {
    let tenant: TenantId = tenant.parse().map_err(|_| Refusal::not_found())?;
    if signed.access.may_read(tenant, &[], &[]) { Ok(tenant) } else { Err(Refusal::not_found()) }
}

fn corrupt() -> Refusal {
    Refusal::new(
        axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        Reason::new("PST-STORE-0007", Fault::Operator),
    )
}

/// The newest checkpoint of a tenant's log (C2SP tlog-checkpoint).
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/log/checkpoint", operation_id = "checkpoint",
    params(("tenant" = String, Path, description = "The tenant", format = "uuid")),
    responses((status = 200, description = "A signed note", body = String, content_type = "text/plain"), Refusals)
)]
pub(crate) async fn checkpoint(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let tenant = readable(&signed, &tenant)?;
    let mut tx = web.hub().db().read(Scope::Tenant(tenant)).await?;
    let newest = evidence::last_checkpoint(&mut tx, tenant).await?.ok_or_else(Refusal::not_found)?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], newest.note).into_response())
}

/// A tile or a bundle of entries (C2SP tlog-tiles); the path may hold slashes.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/log/tile/{path}", operation_id = "tile",
    params(
        ("tenant" = String, Path, description = "The tenant", format = "uuid"),
        ("path" = String, Path, description = "As in tlog-tiles, from the level on"),
    ),
    responses(
        (status = 200, description = "Octets", body = Value, content_type = "application/octet-stream"), Refusals
    )
)]
pub(crate) async fn tile(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path((tenant, path)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let tenant = readable(&signed, &tenant)?;
    let path = format!("tile/{path}");
    let mut tx = web.hub().db().read(Scope::Tenant(tenant)).await?;
    let newest = evidence::last_checkpoint(&mut tx, tenant).await?.ok_or_else(Refusal::not_found)?;
    let size = u64::try_from(newest.size).unwrap_or(0);
    let octets = if path.starts_with("tile/entries/") {
        let id = BundleId::parse(&path).map_err(|_| Refusal::not_found())?;
        entries(&mut tx, tenant, id, size).await?
    } else {
        let id = TileId::parse(&path).map_err(|_| Refusal::not_found())?;
        hashes(&mut tx, tenant, id, size).await?
    };
    let headers =
        [(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, "private, max-age=86400, immutable")];
    Ok((headers, octets).into_response())
}

/// First and last-but-one entry of `width` subtrees of `span` entries from subtree `index * 256` on, if all are there.
fn covered(index: u64, width: u16, span: u64, size: u64) -> Option<(u64, u64)> {
    let first = index.checked_mul(TILE_WIDTH)?.checked_mul(span)?;
    let end = first.checked_add(u64::from(width).checked_mul(span)?)?;
    (end <= size).then_some((first, end))
}

async fn entries(tx: &mut Tx, tenant: TenantId, id: BundleId, size: u64) -> Result<Vec<u8>, Refusal> {
    let (first, end) = covered(id.index, id.width, 1, size).ok_or_else(Refusal::not_found)?;
    let mut found = Vec::with_capacity(usize::from(id.width));
    read(tx, tenant, first, end, |envelope, _| {
        found.push(envelope);
        Ok(())
    })
    .await?;
    bundle_bytes(&found).map_err(|_| corrupt())
}

async fn hashes(tx: &mut Tx, tenant: TenantId, id: TileId, size: u64) -> Result<Vec<u8>, Refusal> {
    let span = TILE_WIDTH.checked_pow(u32::from(id.level)).ok_or_else(Refusal::not_found)?;
    let (first, end) = covered(id.index, id.width, span, size).ok_or_else(Refusal::not_found)?;
    if end - first > ENTRIES_CAP {
        return Err(Refusal::not_found());
    }
    let mut out: Vec<Hash> = Vec::with_capacity(usize::from(id.width));
    let (mut tree, mut inside) = (Frontier::new(), 0u64);
    read(tx, tenant, first, end, |_, leaf| {
        if span == 1 {
            out.push(leaf);
            return Ok(());
        }
        tree.append(&leaf).map_err(|_| corrupt())?;
        inside += 1;
        if inside == span {
            out.push(tree.root());
            (tree, inside) = (Frontier::new(), 0);
        }
        Ok(())
    })
    .await?;
    tile_bytes(&out).map_err(|_| corrupt())
}

/// Hands entries `first..end` on in order: envelope and leaf hash. All must be there.
async fn read(
    tx: &mut Tx,
    tenant: TenantId,
    first: u64,
    end: u64,
    mut take: impl FnMut(String, Hash) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let place = |n: u64| i64::try_from(n).map_err(|_| corrupt());
    let mut pos = first;
    while pos < end {
        let stop = (pos + STEP).min(end);
        for (at, _, _, envelope, _, hash) in evidence::range(tx, tenant, place(pos)?, place(stop)?).await? {
            if at != place(pos)? {
                return Err(corrupt());
            }
            take(envelope, unhex(&hash).map_err(|_| corrupt())?)?;
            pos += 1;
        }
        if pos != stop {
            return Err(corrupt());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::covered;

    #[test]
    fn only_what_the_checkpoint_covers() {
        assert_eq!(covered(0, 5, 1, 5), Some((0, 5)));
        assert_eq!(covered(0, 6, 1, 5), None);
        assert_eq!(covered(1, 1, 1, 257), Some((256, 257)));
        assert_eq!(covered(0, 1, 256, 256), Some((0, 256)));
        assert_eq!(covered(u64::MAX, 1, 256, u64::MAX), None);
    }
}
