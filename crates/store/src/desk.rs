// SPDX-License-Identifier: EUPL-1.2
//! Desk items: the working state of a message at a desk. A projection, rebuildable from deliveries.

use poststelle_model::{DeliveryId, DeskId, MessageId, TenantId, Timestamp};

use crate::bulk::args;
use crate::db::{StoreError, Tx, int, parse, text};
use crate::sql;

/// The working state of one message at one desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskItem {
    /// Whose mail.
    pub tenant: TenantId,
    /// The delivery that laid it there.
    pub delivery: DeliveryId,
    /// Which desk.
    pub desk: DeskId,
    /// Which message.
    pub message: MessageId,
    /// `new`, `claimed`, `waiting`, `done`.
    pub state: String,
    /// Who has it; empty = nobody.
    pub owner: String,
    /// Due; 0 = no deadline.
    pub due_at: Timestamp,
    /// Urgent.
    pub urgent: bool,
    /// When it came.
    pub created_at: Timestamp,
    /// Grows with each change.
    pub version: i64,
}

/// An item with what a list shows of its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskLine {
    /// The item.
    pub item: DeskItem,
    /// Subject.
    pub subject: String,
    /// Author's display name.
    pub sender_name: String,
    /// Author's address.
    pub sender_address: String,
}

/// Inserts items.
///
/// # Errors
/// [`StoreError::Exists`] when a delivery has its item already.
pub async fn insert(tx: &mut Tx, new: &[DeskItem]) -> Result<(), StoreError> {
    tx.allow_all(new.iter().map(|i| i.tenant))?;
    let rows = new
        .iter()
        .map(|i| {
            args![
                i.tenant,
                i.delivery,
                i.desk,
                i.message,
                i.state.as_str(),
                i.owner.as_str(),
                i.due_at,
                i.urgent,
                i.created_at,
                i.version
            ]
        })
        .collect();
    sql::DESK_ITEMS_IN.run(tx, rows).await?;
    Ok(())
}

/// One page of a desk's items for one tenant, newest first, older than `before`.
///
/// # Errors
/// When the database does not answer.
pub async fn page(
    tx: &mut Tx,
    tenant: TenantId,
    desk: DeskId,
    before: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<DeskLine>, StoreError> {
    tx.allow(tenant)?;
    let before = before.map_or_else(|| crate::lines::AFTER_ALL_IDS.to_owned(), |id| id.to_string());
    let rows = tx.all(sql::DESK_PAGE, args![tenant, desk, before, limit.clamp(1, 500)]).await?;
    rows.iter()
        .map(|r| {
            Ok(DeskLine {
                item: DeskItem {
                    tenant,
                    delivery: parse(r, 0, "desk_items.delivery_id")?,
                    desk,
                    message: parse(r, 1, "desk_items.message_id")?,
                    state: text(r, 2)?,
                    owner: text(r, 3)?,
                    due_at: Timestamp(int(r, 4)?),
                    urgent: int(r, 5)? != 0,
                    created_at: Timestamp(int(r, 6)?),
                    version: int(r, 7)?,
                },
                subject: text(r, 8)?,
                sender_name: text(r, 9)?,
                sender_address: text(r, 10)?,
            })
        })
        .collect()
}

/// Desks on which a message lies.
///
/// # Errors
/// When the database does not answer.
pub async fn desks_of(tx: &mut Tx, tenant: TenantId, message: MessageId) -> Result<Vec<DeskId>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::DESKS_OF_MESSAGE, args![tenant, message]).await?;
    rows.iter().map(|r| parse(r, 0, "desk_items.desk_id")).collect()
}
