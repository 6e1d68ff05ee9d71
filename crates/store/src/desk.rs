// SPDX-License-Identifier: EUPL-1.2
//! Desk items: the working state of a message at a desk. A projection, rebuildable from deliveries and evidence.
//!
//! Guarantees: an item changes only by compare-and-swap on its version, so that of two people acting at once one is
//! told; how it stood before the last change is kept with it.

use std::collections::HashMap;

use poststelle_model::{
    DeliveryId, DeskId, DeskState, MessageId, NoteId, PrincipalId, Standing, TenantId, Timestamp,
};
use sqlx::any::AnyRow;

use crate::bulk::args;
use crate::db::{StoreError, Tx, int, parse, parse_opt, text};
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
    /// How it stands.
    pub standing: Standing,
    /// Urgent.
    pub urgent: bool,
    /// When it came.
    pub created_at: Timestamp,
    /// Grows with each change.
    pub version: i64,
    /// Changed last; 0 = never.
    pub changed_at: Timestamp,
    /// By whom.
    pub changed_by: Option<PrincipalId>,
    /// How it stood before that.
    pub before: Option<Standing>,
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
    /// One's own letter: it lies there because it could not be sent as it should.
    pub out: bool,
}

/// Which items of a desk are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only of this state; `None` = all that are not done.
    pub state: Option<DeskState>,
    /// Only of this person.
    pub owner: Option<PrincipalId>,
    /// Only urgent ones.
    pub urgent: bool,
}

/// How much lies on a desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Nobody has it.
    pub new: i64,
    /// In work.
    pub claimed: i64,
    /// Laid aside.
    pub waiting: i64,
    /// Of these, the asking person's.
    pub mine: i64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self {
            new: self.new + more.new,
            claimed: self.claimed + more.claimed,
            waiting: self.waiting + more.waiting,
            mine: self.mine + more.mine,
        }
    }
}

/// A note of one's own house on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// Who wrote it.
    pub by: PrincipalId,
    /// Plain text.
    pub text: String,
    /// When.
    pub created_at: Timestamp,
}

/// Longest note, bytes.
pub const NOTE_CAP: usize = 16 * 1024;

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
                i.standing.state.as_str(),
                i.standing.owner,
                i.standing.due_at,
                i.urgent,
                i.created_at,
                i.version,
                i.changed_at,
                i.changed_by,
                before_text(i.before)
            ]
        })
        .collect();
    sql::DESK_ITEMS_IN.run(tx, rows).await?;
    Ok(())
}

fn before_text(before: Option<Standing>) -> String {
    before.and_then(|b| serde_json::to_string(&b).ok()).unwrap_or_default()
}

/// Reads an item from the first twelve columns of a row.
fn item(tenant: TenantId, r: &AnyRow) -> Result<DeskItem, StoreError> {
    let state = text(r, 3)?;
    let before = text(r, 11)?;
    Ok(DeskItem {
        tenant,
        delivery: parse(r, 0, "desk_items.delivery_id")?,
        desk: parse(r, 1, "desk_items.desk_id")?,
        message: parse(r, 2, "desk_items.message_id")?,
        standing: Standing {
            state: DeskState::parse(&state)
                .ok_or(StoreError::Corrupt { what: "desk_items.state", value: state })?,
            owner: parse_opt(r, 4, "desk_items.owner")?,
            due_at: Timestamp(int(r, 5)?),
        },
        urgent: int(r, 6)? != 0,
        created_at: Timestamp(int(r, 7)?),
        version: int(r, 8)?,
        changed_at: Timestamp(int(r, 9)?),
        changed_by: parse_opt(r, 10, "desk_items.changed_by")?,
        before: serde_json::from_str(&before).ok(),
    })
}

/// One item.
///
/// # Errors
/// When the database does not answer.
pub async fn get(tx: &mut Tx, tenant: TenantId, id: DeliveryId) -> Result<Option<DeskItem>, StoreError> {
    tx.allow(tenant)?;
    tx.one(sql::DESK_ITEM, args![tenant, id]).await?.map(|r| item(tenant, &r)).transpose()
}

/// Items of a message, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_message(tx: &mut Tx, tenant: TenantId, id: MessageId) -> Result<Vec<DeskItem>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::DESK_ITEMS_OF_MESSAGE, args![tenant, id]).await?;
    rows.iter().map(|r| item(tenant, r)).collect()
}

/// Writes how an item stands now, if nobody changed it since it was read (`version` is the version read).
///
/// # Errors
/// [`StoreError::Conflict`] when somebody did.
pub async fn update(tx: &mut Tx, i: &DeskItem) -> Result<(), StoreError> {
    tx.allow(i.tenant)?;
    let args = args![
        i.desk,
        i.standing.state.as_str(),
        i.standing.owner,
        i.standing.due_at,
        i.changed_at,
        i.changed_by,
        before_text(i.before),
        i.tenant,
        i.delivery,
        i.version
    ];
    match tx.run(sql::DESK_UPDATE, args).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(format!("desk item {}", i.delivery))),
    }
}

/// One page of a desk's items for one tenant, newest first, older than `before`.
///
/// # Errors
/// When the database does not answer.
pub async fn page(
    tx: &mut Tx,
    tenant: TenantId,
    desk: DeskId,
    filter: Filter,
    before: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<DeskLine>, StoreError> {
    tx.allow(tenant)?;
    let before = before.map_or_else(|| crate::lines::AFTER_ALL_IDS.to_owned(), |id| id.to_string());
    let mut args = args![tenant, desk, before, limit.clamp(1, 500)];
    if let Some(state) = filter.state {
        args.push(state.as_str().into());
    }
    if let Some(owner) = filter.owner {
        args.push(owner.into());
    }
    let rows = tx.all_text(page_sql(filter), args).await?;
    rows.iter()
        .map(|r| {
            Ok(DeskLine {
                item: item(tenant, r)?,
                subject: text(r, 12)?,
                sender_name: text(r, 13)?,
                sender_address: text(r, 14)?,
                out: text(r, 15)? == "out",
            })
        })
        .collect()
}

/// Every text [`page`] may run, with a name.
pub(crate) fn built() -> Vec<(String, String)> {
    let owners = [None, Some(PrincipalId::from_uuid(TenantId::SYSTEM.uuid()))];
    let mut all = Vec::new();
    for state in [None, Some(DeskState::New)] {
        for owner in owners {
            for urgent in [false, true] {
                all.push((format!("DESK_PAGE {}", all.len()), page_sql(Filter { state, owner, urgent })));
            }
        }
    }
    all
}

/// The page is cut before anything is joined. `state <> 'done'` lets both databases use the partial index of what is
/// open.
fn page_sql(filter: Filter) -> String {
    let mut which = String::from("tenant_id = $1 AND desk_id = $2 AND delivery_id < $3");
    let mut next = 5;
    if filter.state.is_some() {
        which.push_str(&format!(" AND state = ${next}"));
        next += 1;
    } else {
        which.push_str(" AND state <> 'done'");
    }
    if filter.owner.is_some() {
        which.push_str(&format!(" AND owner = ${next}"));
    }
    if filter.urgent {
        which.push_str(" AND urgent = 1");
    }
    format!(
        "SELECT d.delivery_id, d.desk_id, d.message_id, d.state, d.owner, d.due_at, d.urgent, d.created_at, d.version, \
         d.changed_at, d.changed_by, d.before, COALESCE(i.subject, ''), COALESCE(i.sender_name, ''), \
         COALESCE(i.sender_address, ''), COALESCE((SELECT m.direction FROM messages m \
         WHERE m.tenant_id = d.tenant_id AND m.id = d.message_id), '') \
         FROM (SELECT * FROM desk_items WHERE {which} ORDER BY delivery_id DESC LIMIT $4) d \
         LEFT JOIN inspections i ON i.tenant_id = d.tenant_id AND i.message_id = d.message_id \
         ORDER BY d.delivery_id DESC"
    )
}

/// How much of a tenant's mail lies on each desk, and how much of it `me` has; a desk with nothing open is absent.
///
/// # Errors
/// When the database does not answer.
pub async fn counts(
    tx: &mut Tx,
    tenant: TenantId,
    me: PrincipalId,
) -> Result<HashMap<DeskId, Counts>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::DESK_COUNTS, args![tenant, me]).await?;
    rows.iter()
        .map(|r| {
            let counts =
                Counts { new: int(r, 1)?, claimed: int(r, 2)?, waiting: int(r, 3)?, mine: int(r, 4)? };
            Ok((parse(r, 0, "desk_items.desk_id")?, counts))
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

/// Adds a note to a message.
///
/// # Errors
/// When the database does not answer.
pub async fn add_note(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    note: &Note,
) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    let args = args![tenant, note.id, message, note.by, note.text.as_str(), note.created_at];
    tx.run(sql::NOTE_INSERT, args).await?;
    Ok(())
}

/// Notes on a message, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn notes(tx: &mut Tx, tenant: TenantId, message: MessageId) -> Result<Vec<Note>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::NOTES_OF_MESSAGE, args![tenant, message]).await?;
    rows.iter()
        .map(|r| {
            Ok(Note {
                id: parse(r, 0, "notes.id")?,
                by: parse(r, 1, "notes.principal_id")?,
                text: text(r, 2)?,
                created_at: Timestamp(int(r, 3)?),
            })
        })
        .collect()
}
