// SPDX-License-Identifier: EUPL-1.2
//! Texts a tenant's people write again and again.
//!
//! Guarantees: a name is there once in a tenant; a text changes only by compare-and-swap on its version.

use poststelle_model::{PrincipalId, TenantId, TextBlockId, Timestamp};

use crate::bulk::args;
use crate::db::{StoreError, Tx, int, parse, text};
use crate::sql;

/// One text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextBlock {
    /// Its id.
    pub id: TextBlockId,
    /// What people call it.
    pub name: String,
    /// The text, with its placeholders.
    pub text: String,
    /// Grows with each change.
    pub version: i64,
    /// Changed last.
    pub changed_at: Timestamp,
    /// By whom.
    pub changed_by: PrincipalId,
}

/// All of a tenant, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn all(tx: &mut Tx, tenant: TenantId) -> Result<Vec<TextBlock>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::TEXT_BLOCKS, args![tenant]).await?;
    rows.iter()
        .map(|r| {
            Ok(TextBlock {
                id: parse(r, 0, "text_blocks.id")?,
                name: text(r, 1)?,
                text: text(r, 2)?,
                version: int(r, 3)?,
                changed_at: Timestamp(int(r, 4)?),
                changed_by: parse(r, 5, "text_blocks.changed_by")?,
            })
        })
        .collect()
}

fn named(block: &TextBlock) -> impl Fn(StoreError) -> StoreError + '_ {
    |error| match error {
        StoreError::Database(e) => StoreError::from_insert(e, &format!("text block {}", block.name)),
        other => other,
    }
}

/// Adds one.
///
/// # Errors
/// [`StoreError::Exists`] when there is one of that name.
pub async fn insert(tx: &mut Tx, tenant: TenantId, b: &TextBlock) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    let args = args![tenant, b.id, b.name.as_str(), b.text.as_str(), b.changed_at, b.changed_by];
    tx.run(sql::TEXT_BLOCK_INSERT, args).await.map_err(named(b))?;
    Ok(())
}

/// Changes one, if it still stands as in `b.version`.
///
/// # Errors
/// [`StoreError::Conflict`] when it does not; [`StoreError::Exists`] when there is another of that name.
pub async fn update(tx: &mut Tx, tenant: TenantId, b: &TextBlock) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    let args = args![b.name.as_str(), b.text.as_str(), b.changed_at, b.changed_by, tenant, b.id, b.version];
    match tx.run(sql::TEXT_BLOCK_UPDATE, args).await.map_err(named(b))? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(format!("text block {}", b.id))),
    }
}

/// Takes one away, if it still stands as in `version`.
///
/// # Errors
/// [`StoreError::Conflict`] when it does not.
pub async fn delete(tx: &mut Tx, tenant: TenantId, id: TextBlockId, version: i64) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    match tx.run(sql::TEXT_BLOCK_DELETE, args![tenant, id, version]).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(format!("text block {id}"))),
    }
}
