// SPDX-License-Identifier: EUPL-1.2
//! Lists of messages: pages of lines, newest first, and how the deliveries on a page stand.
//!
//! Guarantees: a page costs two statements, whatever is on it and however little of it somebody may see.

use std::collections::HashMap;

use poststelle_model::{
    ChannelKind, DeliveryState, DeskId, Direction, MailboxId, MessageId, TenantId, Timestamp,
};
use sqlx::any::AnyRow;

use crate::bulk::{Value, args, list, padded};
use crate::db::{StoreError, Tx, int, parse, text};
use crate::messages::channel;
use crate::sql;

/// A line of the message list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: MessageId,
    /// In or out.
    pub direction: Direction,
    /// Channel.
    pub channel: ChannelKind,
    /// Bytes.
    pub size: i64,
    /// Envelope sender.
    pub envelope_sender: String,
    /// Accepted.
    pub accepted_at: Timestamp,
    /// Subject; empty before processing.
    pub subject: String,
    /// Author's display name.
    pub sender_name: String,
    /// Author's address.
    pub sender_address: String,
    /// Urgent.
    pub urgent: bool,
    /// Has been processed.
    pub processed: bool,
    /// Number of attachments.
    pub attachments: i64,
}

/// Sorts after every id under any collation ("~" would come first under most national ones).
pub(crate) const AFTER_ALL_IDS: &str = "z";

/// One page of a tenant's messages, newest first, older than `before` (`None` = from the newest).
///
/// # Errors
/// When the database does not answer.
pub async fn page(
    tx: &mut Tx,
    tenant: TenantId,
    before: Option<MessageId>,
    limit: i64,
) -> Result<Vec<Line>, StoreError> {
    tx.allow(tenant)?;
    let (sql, args) = page_parts(tenant, None, before, limit);
    run(tx, tenant, sql, args).await
}

/// As [`page`], of the messages that lie in one of `boxes` or on one of `desks`.
///
/// # Errors
/// When the database does not answer.
pub async fn page_within(
    tx: &mut Tx,
    tenant: TenantId,
    boxes: &[MailboxId],
    desks: &[DeskId],
    before: Option<MessageId>,
    limit: i64,
) -> Result<Vec<Line>, StoreError> {
    tx.allow(tenant)?;
    let (sql, args) = page_parts(tenant, Some((boxes, desks)), before, limit);
    run(tx, tenant, sql, args).await
}

/// The statement of a page and its values; `within` as of [`page_within`].
pub(crate) fn page_parts(
    tenant: TenantId,
    within: Option<(&[MailboxId], &[DeskId])>,
    before: Option<MessageId>,
    limit: i64,
) -> (String, Vec<Value>) {
    let before = before.map_or_else(|| AFTER_ALL_IDS.to_owned(), |id| id.to_string());
    let mut args = args![tenant, before, limit.clamp(1, 500)];
    let Some((boxes, desks)) = within else { return (sql::MESSAGE_PAGE.to_owned(), args) };
    let width = places(boxes, desks, &mut args);
    (page_within_sql(width), args)
}

/// Puts boxes and desks at the end of `args`, both filled up to the width given back.
pub(crate) fn places(boxes: &[MailboxId], desks: &[DeskId], args: &mut Vec<Value>) -> usize {
    let (first, width) = (args.len(), boxes.len().max(desks.len()).next_power_of_two());
    args.extend(boxes.iter().map(|b| Value::from(*b)));
    args.resize(first + width, Value::from(""));
    args.extend(desks.iter().map(|d| Value::from(*d)));
    args.resize(first + 2 * width, Value::from(""));
    width
}

pub(crate) async fn run(
    tx: &mut Tx,
    tenant: TenantId,
    sql: String,
    args: Vec<Value>,
) -> Result<Vec<Line>, StoreError> {
    let rows = tx.all_text(sql, args).await?;
    lines(tenant, &rows)
}

pub(crate) fn page_within_sql(width: usize) -> String {
    sql::MESSAGE_PAGE.replace("id < $2", &format!("id < $2 AND {}", within_sql(4, width)))
}

/// That a message lies in one of `width` boxes or on one of as many desks, given from parameter `first` on.
pub(crate) fn within_sql(first: usize, width: usize) -> String {
    format!(
        "(EXISTS (SELECT 1 FROM message_mailboxes b WHERE b.tenant_id = messages.tenant_id \
         AND b.message_id = messages.id AND b.mailbox_id IN {}) \
         OR EXISTS (SELECT 1 FROM desk_items d WHERE d.tenant_id = messages.tenant_id \
         AND d.message_id = messages.id AND d.desk_id IN {}))",
        list(first, width),
        list(first + width, width)
    )
}

/// States of the deliveries of many messages; a message without deliveries is absent.
///
/// # Errors
/// When the database does not answer.
pub async fn states(
    tx: &mut Tx,
    tenant: TenantId,
    messages: &[MessageId],
) -> Result<HashMap<MessageId, Vec<DeliveryState>>, StoreError> {
    tx.allow(tenant)?;
    let mut states: HashMap<MessageId, Vec<DeliveryState>> = HashMap::with_capacity(messages.len());
    for chunk in messages.chunks(256) {
        let (width, ids) = padded(chunk.iter().map(|m| [Value::from(*m)]));
        let mut args = args![tenant];
        args.extend(ids);
        for r in tx.all_text(states_sql(width), args).await? {
            let word = text(&r, 1)?;
            let state = DeliveryState::parse(&word)
                .ok_or(StoreError::Corrupt { what: "deliveries.state", value: word })?;
            states.entry(parse(&r, 0, "deliveries.message_id")?).or_default().push(state);
        }
    }
    Ok(states)
}

pub(crate) fn states_sql(width: usize) -> String {
    let list = list(2, width);
    format!("SELECT message_id, state FROM deliveries WHERE tenant_id = $1 AND message_id IN {list}")
}

fn lines(tenant: TenantId, rows: &[AnyRow]) -> Result<Vec<Line>, StoreError> {
    rows.iter().map(|r| line(tenant, r)).collect()
}

/// Reads a line from the first twelve columns of a row.
pub(crate) fn line(tenant: TenantId, r: &AnyRow) -> Result<Line, StoreError> {
    let transport: poststelle_model::message::Transport =
        serde_json::from_str(&text(r, 4)?).unwrap_or_default();
    Ok(Line {
        tenant,
        id: parse(r, 0, "messages.id")?,
        direction: Direction::parse(&text(r, 1)?),
        channel: channel(&text(r, 2)?)?,
        size: int(r, 3)?,
        envelope_sender: transport.sender,
        accepted_at: Timestamp(int(r, 5)?),
        subject: text(r, 6)?,
        sender_name: text(r, 7)?,
        sender_address: text(r, 8)?,
        urgent: int(r, 9)? != 0,
        processed: int(r, 10)? > 0,
        attachments: int(r, 11)?,
    })
}
