// SPDX-License-Identifier: EUPL-1.2
//! The sequencer: one lease per tenant; gives committed entries their gap-free place and signs the new state.

use std::time::Duration;

use poststelle_crypto::digest::{hex, unhex};
use poststelle_crypto::keys::TenantKey;
use poststelle_crypto::note::NoteKeyPair;
use poststelle_model::{TenantId, Timestamp};
use poststelle_proof::checkpoint::Checkpoint;
use poststelle_proof::merkle::Frontier;
use poststelle_proof::note::NoteSigner;
use poststelle_store::tenants::Tenant;
use poststelle_store::{Db, Scope, evidence, jobs};

use crate::EvidenceError;

/// Entries placed in one go.
const BATCH: i64 = 4096;
/// How long a silent sequencer keeps its lease.
const LEASE: Duration = Duration::from_secs(15);

/// A new note key for a tenant's log: (sealed form for the tenant row, verifier key).
///
/// # Errors
/// When the random generator fails.
pub fn create_note_key(tenant_key: &TenantKey, origin: &str) -> Result<(String, String), EvidenceError> {
    let pair = NoteKeyPair::generate()?;
    let sealed = tenant_key.seal_secret("note-key", &pair.to_pkcs8()?)?;
    let signer = NoteSigner::new(origin, pair)?;
    Ok((sealed, signer.verifier().format()))
}

/// The signer of a tenant's log.
///
/// # Errors
/// When the key does not fit the tenant.
pub fn signer(tenant: &Tenant, tenant_key: &TenantKey) -> Result<NoteSigner, EvidenceError> {
    let pkcs8 = tenant_key.open_secret("note-key", &tenant.wrapped_note_key)?;
    Ok(NoteSigner::new(&tenant.log_origin, NoteKeyPair::from_pkcs8(&pkcs8)?)?)
}

/// Places the waiting entries of `tenant`, at most 4,096, and signs a checkpoint. `None`: nothing to do, or
/// another node is at it.
///
/// # Errors
/// When the database fails; nothing is placed then. A conflict means that the lease was lost: harmless.
pub async fn sequence(
    db: &Db,
    tenant: TenantId,
    signer: &NoteSigner,
    holder: &str,
    now: Timestamp,
) -> Result<Option<i64>, EvidenceError> {
    let mut tx = db.begin(Scope::System).await?;
    let Some(lease) = jobs::take_lease(&mut tx, &format!("sequencer:{tenant}"), holder, LEASE).await? else {
        return Ok(None);
    };
    tx.enter(Scope::Tenant(tenant)).await?;
    let last = evidence::last_checkpoint(&mut tx, tenant).await?;
    if last.as_ref().is_some_and(|c| c.fence > lease.fence) {
        return Ok(None);
    }
    let open = evidence::open(&mut tx, tenant, BATCH).await?;
    if open.is_empty() {
        tx.commit().await?;
        return Ok(None);
    }
    let (first, mut frontier) = match &last {
        None => (0, Frontier::new()),
        Some(c) => (c.size, Frontier::from_text(&c.frontier)?),
    };
    let mut places = Vec::with_capacity(open.len());
    for (subject, n, hash) in open {
        frontier.append(&unhex(&hash)?)?;
        places.push((subject, n));
    }
    let size = first + i64::try_from(places.len()).unwrap_or(i64::MAX);
    evidence::place(&mut tx, tenant, first, &places).await?;
    let root = frontier.root();
    let origin = signer.verifier().name().to_owned();
    let note = Checkpoint::new(&origin, frontier.size(), root)?.sign(&[signer])?;
    let row = evidence::Checkpoint {
        size,
        root: hex(&root),
        frontier: frontier.to_text(),
        note: note.format(),
        fence: lease.fence,
        created_at: now,
    };
    evidence::insert_checkpoint(&mut tx, tenant, &row).await?;
    tx.commit().await?;
    Ok(Some(size))
}
