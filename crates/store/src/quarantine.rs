// SPDX-License-Identifier: EUPL-1.2
//! Parts that are held back.
//!
//! Guarantees: a part is held once; its state changes only by compare-and-swap on its version.

use poststelle_model::{BlobId, HoldCause, HoldState, MessageId, PrincipalId, TenantId, Timestamp};
use sqlx::any::AnyRow;

use crate::bulk::args;
use crate::db::{StoreError, Tx, int, parse, parse_opt, text};
use crate::sql;

/// One part that is or was held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Whose.
    pub tenant: TenantId,
    /// Of which message.
    pub message: MessageId,
    /// Number of the part.
    pub part: i64,
    /// Why.
    pub cause: HoldCause,
    /// What exactly was found: JSON of the inspection's note.
    pub note: String,
    /// Where it stands.
    pub state: HoldState,
    /// When the scanner is asked again by itself; 0 = not.
    pub next_check: Timestamp,
    /// Who wants it released.
    pub proposed_by: Option<PrincipalId>,
    /// The last reason a person gave.
    pub words: String,
    /// Who released or closed it.
    pub decided_by: Option<PrincipalId>,
    /// Since when it is held.
    pub held_at: Timestamp,
    /// Last change.
    pub changed_at: Timestamp,
    /// Grows with each change.
    pub version: i64,
}

fn hold(tenant: TenantId, r: &AnyRow) -> Result<Hold, StoreError> {
    let corrupt = |what, value: String| StoreError::Corrupt { what, value };
    let (cause, state) = (text(r, 2)?, text(r, 4)?);
    Ok(Hold {
        tenant,
        message: parse(r, 0, "quarantine.message_id")?,
        part: int(r, 1)?,
        cause: HoldCause::parse(&cause).ok_or_else(|| corrupt("quarantine.cause", cause))?,
        note: text(r, 3)?,
        state: HoldState::parse(&state).ok_or_else(|| corrupt("quarantine.state", state))?,
        next_check: Timestamp(int(r, 5)?),
        proposed_by: parse_opt(r, 6, "quarantine.proposed_by")?,
        words: text(r, 7)?,
        decided_by: parse_opt(r, 8, "quarantine.decided_by")?,
        held_at: Timestamp(int(r, 9)?),
        changed_at: Timestamp(int(r, 10)?),
        version: int(r, 11)?,
    })
}

/// Holds parts back.
///
/// # Errors
/// [`StoreError::Exists`] when one is held already (a lost lease).
pub async fn insert(tx: &mut Tx, new: &[Hold]) -> Result<(), StoreError> {
    tx.allow_all(new.iter().map(|h| h.tenant))?;
    let row = |h: &Hold| {
        args![
            h.tenant,
            h.message,
            h.part,
            h.cause.as_str(),
            h.note.as_str(),
            h.state.as_str(),
            h.next_check,
            h.proposed_by,
            h.words.as_str(),
            h.decided_by,
            h.held_at,
            h.changed_at,
            h.version
        ]
    };
    sql::QUARANTINE_IN.run(tx, new.iter().map(row).collect()).await?;
    Ok(())
}

/// Writes the new state of a held part, if nobody changed it since it was read (`version` is the version read).
///
/// # Errors
/// [`StoreError::Conflict`] when somebody did.
pub async fn update(tx: &mut Tx, h: &Hold) -> Result<(), StoreError> {
    tx.allow(h.tenant)?;
    let args = args![
        h.cause.as_str(),
        h.note.as_str(),
        h.state.as_str(),
        h.next_check,
        h.proposed_by,
        h.words.as_str(),
        h.decided_by,
        h.changed_at,
        h.tenant,
        h.message,
        h.part,
        h.version
    ];
    match tx.run(sql::QUARANTINE_UPDATE, args).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(format!("held part {} of message {}", h.part, h.message))),
    }
}

/// What is or was held back of a message, by part.
///
/// # Errors
/// When the database does not answer.
pub async fn of_message(tx: &mut Tx, tenant: TenantId, message: MessageId) -> Result<Vec<Hold>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::QUARANTINE_OF, args![tenant, message]).await?;
    rows.iter().map(|r| hold(tenant, r)).collect()
}

/// What waits in a tenant, newest message first, at most `limit` before the message `before` (empty text = from the start).
///
/// # Errors
/// When the database does not answer.
pub async fn open(
    tx: &mut Tx,
    tenant: TenantId,
    before: Option<MessageId>,
    limit: i64,
) -> Result<Vec<Hold>, StoreError> {
    tx.allow(tenant)?;
    let before = before.map_or_else(|| "~".to_owned(), |m| m.to_string());
    let rows = tx.all(sql::QUARANTINE_OPEN, args![tenant, before, limit]).await?;
    rows.iter().map(|r| hold(tenant, r)).collect()
}

/// Parts of a message that are kept from readers, and where their octets lie: number, blob (`None` = the original),
/// start, length.
///
/// # Errors
/// When the database does not answer.
pub async fn closed(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
) -> Result<Vec<(i64, Option<BlobId>, i64, i64)>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::QUARANTINE_CLOSED, args![tenant, message]).await?;
    rows.iter().map(|r| Ok((int(r, 0)?, parse_opt(r, 1, "parts.blob_id")?, int(r, 2)?, int(r, 3)?))).collect()
}

/// Where the part lies that a blob was won from: blob (`None` = the original), start, length.
///
/// # Errors
/// When the database does not answer.
pub async fn source_of(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    blob: BlobId,
) -> Result<Option<(Option<BlobId>, i64, i64)>, StoreError> {
    tx.allow(tenant)?;
    let found = tx.one(sql::DERIVED_SOURCE, args![tenant, message, blob]).await?;
    found.map(|r| Ok((parse_opt(&r, 0, "parts.blob_id")?, int(&r, 1)?, int(&r, 2)?))).transpose()
}
