// SPDX-License-Identifier: EUPL-1.2
//! What the inspection station leaves behind: sheets, findings, octets won from parts.
//!
//! Guarantees: a version of a sheet is written once and never changed; a finding, once written, stays as it is.

use poststelle_model::{BlobId, Finding, MessageId, TenantId, Timestamp};

use crate::bulk::args;
use crate::db::{StoreError, Tx, int, parse, text};
use crate::sql;

/// One version of the sheet of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSheet {
    /// Version, from 1.
    pub version: i64,
    /// Its JSON.
    pub sheet: String,
    /// SHA-256 of the JSON, hexadecimal.
    pub sha256: String,
    /// When.
    pub created_at: Timestamp,
}

/// Octets won from a part, by decrypting it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// Where they lie; sealed under the message's key.
    pub blob: BlobId,
    /// Number of the part they were won from.
    pub part: i64,
    /// Octets.
    pub size: i64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// When.
    pub created_at: Timestamp,
}

/// Adds sheets.
///
/// # Errors
/// [`StoreError::Exists`] when a message has one of that version (a lost lease).
pub async fn insert_sheets(
    tx: &mut Tx,
    new: &[(TenantId, MessageId, StoredSheet)],
) -> Result<(), StoreError> {
    tx.allow_all(new.iter().map(|n| n.0))?;
    let row = |(tenant, id, s): &(TenantId, MessageId, StoredSheet)| {
        args![*tenant, *id, s.version, s.sheet.as_str(), s.sha256.as_str(), s.created_at]
    };
    sql::SHEETS_IN.run(tx, new.iter().map(row).collect()).await?;
    Ok(())
}

/// Adds findings; one that is there already stays as it is.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_findings(tx: &mut Tx, new: &[(TenantId, MessageId, Finding)]) -> Result<(), StoreError> {
    tx.allow_all(new.iter().map(|n| n.0))?;
    let row = |(tenant, id, f): &(TenantId, MessageId, Finding)| {
        args![*tenant, *id, f.name.as_str(), f.source.as_str(), f.version.as_str(), f.body.as_str(), f.at]
    };
    sql::FINDINGS_IN.run(tx, new.iter().map(row).collect()).await?;
    Ok(())
}

/// Adds octets won from parts.
///
/// # Errors
/// [`StoreError::Exists`] when they are there already (a lost lease).
pub async fn insert_derived(tx: &mut Tx, new: &[(TenantId, MessageId, Derived)]) -> Result<(), StoreError> {
    tx.allow_all(new.iter().map(|n| n.0))?;
    let row = |(tenant, id, d): &(TenantId, MessageId, Derived)| {
        args![*tenant, *id, d.blob, d.part, d.size, d.sha256.as_str(), d.created_at]
    };
    sql::DERIVED_IN.run(tx, new.iter().map(row).collect()).await?;
    Ok(())
}

/// The sheet of a message: the newest, or that of `version`.
///
/// # Errors
/// When the database does not answer.
pub async fn sheet(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    version: Option<i64>,
) -> Result<Option<StoredSheet>, StoreError> {
    tx.allow(tenant)?;
    let Some(r) = tx.one(sql::SHEET_GET, args![tenant, message, version.unwrap_or(0)]).await? else {
        return Ok(None);
    };
    Ok(Some(StoredSheet {
        version: int(&r, 0)?,
        sheet: text(&r, 1)?,
        sha256: text(&r, 2)?,
        created_at: Timestamp(int(&r, 3)?),
    }))
}

/// All versions of the sheet of a message, oldest first: version, SHA-256, time.
///
/// # Errors
/// When the database does not answer.
pub async fn versions(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
) -> Result<Vec<(i64, String, Timestamp)>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::SHEET_VERSIONS, args![tenant, message]).await?;
    rows.iter().map(|r| Ok((int(r, 0)?, text(r, 1)?, Timestamp(int(r, 2)?)))).collect()
}

/// All findings about a message, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn findings(tx: &mut Tx, tenant: TenantId, message: MessageId) -> Result<Vec<Finding>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::FINDINGS, args![tenant, message]).await?;
    rows.iter()
        .map(|r| {
            Ok(Finding {
                name: text(r, 0)?,
                source: text(r, 1)?,
                version: text(r, 2)?,
                body: text(r, 3)?,
                at: Timestamp(int(r, 4)?),
            })
        })
        .collect()
}

/// All octets won from parts of a message.
///
/// # Errors
/// When the database does not answer.
pub async fn derived(tx: &mut Tx, tenant: TenantId, message: MessageId) -> Result<Vec<Derived>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::DERIVED, args![tenant, message]).await?;
    rows.iter()
        .map(|r| {
            Ok(Derived {
                blob: parse(r, 0, "derived.blob_id")?,
                part: int(r, 1)?,
                size: int(r, 2)?,
                sha256: text(r, 3)?,
                created_at: Timestamp(int(r, 4)?),
            })
        })
        .collect()
}

/// Does the message name this blob: as its original, or as won from one of its parts?
///
/// # Errors
/// When the database does not answer.
pub async fn names_blob(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    blob: BlobId,
) -> Result<bool, StoreError> {
    tx.allow(tenant)?;
    Ok(tx.one(sql::BLOB_NAMED, args![tenant, message, blob]).await?.is_some())
}

/// Says that the inspection of a message has got the next version.
///
/// # Errors
/// [`StoreError::Conflict`] when it is not at the version before.
pub async fn set_version(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    version: i64,
) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    match tx.run(sql::INSPECTION_VERSION, args![version, tenant, message]).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(format!("inspection of message {message}"))),
    }
}
