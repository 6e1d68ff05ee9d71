// SPDX-License-Identifier: EUPL-1.2
//! Messages, their inspection, parts, deliveries and receipts.

use poststelle_model::part::Encoding;
use poststelle_model::{
    ChannelKind, DeliveryId, DeliveryState, Direction, MailboxId, Message, MessageId, Part, Reason,
    ReceiptId, RuleId, Target, TenantId, Timestamp,
};
use sqlx::any::AnyRow;

use crate::bulk::{Value, args, list, padded, pairs};
use crate::db::{StoreError, Tx, int, parse, parse_opt, text};
use crate::sql;

pub use crate::lines::{Line, page, page_within, states};

/// A message with its wrapped key and boxes, as accept writes it.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The message.
    pub message: Message,
    /// Its key, wrapped by the tenant's.
    pub wrapped_key: String,
    /// All boxes of this tenant it was addressed to.
    pub mailboxes: Vec<MailboxId>,
}

/// What the process step found out about the whole message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Grows with each re-check.
    pub version: i64,
    /// Subject line.
    pub subject: String,
    /// Display name of the author.
    pub sender_name: String,
    /// Address of the author.
    pub sender_address: String,
    /// Recipients in the headers.
    pub recipients: String,
    /// Date header; 0 = none.
    pub sent_at: Timestamp,
    /// Message-ID without angle brackets; empty = none.
    pub header_id: String,
    /// Sent by a machine (RFC 3834).
    pub automatic: bool,
    /// A rule or the sender marked it urgent.
    pub urgent: bool,
    /// Defects of its form, short codes.
    pub defects: Vec<String>,
    /// Which rule hit and why: JSON of [`hub`'s] routing explanation.
    pub explanation: String,
    /// When.
    pub created_at: Timestamp,
}

/// One hand-over of one message to one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: DeliveryId,
    /// Of which message.
    pub message: MessageId,
    /// Planned by which rule; `None` = by the house (clearing, notice, reply).
    pub rule: Option<RuleId>,
    /// Where to.
    pub target: Target,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why it stands there, if there is something to say.
    pub reason: Option<Reason>,
    /// The far side's id.
    pub foreign_id: String,
    /// Tries so far.
    pub attempts: i64,
    /// Next try; 0 = none planned.
    pub next_attempt: Timestamp,
    /// When we give up.
    pub expires_at: Timestamp,
    /// Planned when.
    pub created_at: Timestamp,
    /// Last change.
    pub changed_at: Timestamp,
    /// Grows with each change: compare-and-swap.
    pub version: i64,
}

/// What the far side gave us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: ReceiptId,
    /// About which message.
    pub message: MessageId,
    /// About which delivery.
    pub delivery: DeliveryId,
    /// `smtp-dialogue`, `dsn`, `http-response`, `hot-folder`.
    pub kind: String,
    /// The message that carried it.
    pub carried_by: Option<MessageId>,
    /// Its text, at most 64 KiB.
    pub body: String,
    /// When it came.
    pub created_at: Timestamp,
}

/// Inserts messages with keys and boxes.
///
/// # Errors
/// [`StoreError::Exists`] when a foreign id with the same octets is there already.
pub async fn insert(tx: &mut Tx, new: &[NewMessage]) -> Result<(), StoreError> {
    let mut messages = Vec::with_capacity(new.len());
    let mut keys = Vec::with_capacity(new.len());
    let mut boxes = Vec::new();
    for n in new {
        let m = &n.message;
        tx.allow(m.tenant)?;
        messages.push(args![
            m.tenant,
            m.id,
            m.direction.as_str(),
            m.channel.as_str(),
            m.mailbox,
            m.foreign_id.as_str(),
            m.conflicts_with,
            m.in_reply_to,
            m.conversation,
            m.blob,
            m.size,
            m.sha256.as_str(),
            m.sha512.as_str(),
            serde_json::to_string(&m.transport).unwrap_or_default(),
            m.accepted_at
        ]);
        keys.push(args![m.tenant, m.id, n.wrapped_key.as_str()]);
        for mailbox in &n.mailboxes {
            boxes.push(args![m.tenant, m.id, *mailbox]);
        }
    }
    sql::MESSAGES_IN.run(tx, messages).await?;
    sql::KEYS_IN.run(tx, keys).await?;
    sql::MESSAGE_MAILBOXES_IN.run(tx, boxes).await?;
    Ok(())
}

fn message(tenant: TenantId, row: &AnyRow) -> Result<Message, StoreError> {
    Ok(Message {
        tenant,
        id: parse(row, 0, "messages.id")?,
        direction: Direction::parse(&text(row, 1)?),
        channel: channel(&text(row, 2)?)?,
        mailbox: parse_opt(row, 3, "messages.mailbox_id")?,
        foreign_id: text(row, 4)?,
        conflicts_with: parse_opt(row, 5, "messages.conflicts_with")?,
        in_reply_to: parse_opt(row, 6, "messages.in_reply_to")?,
        conversation: parse_opt(row, 7, "messages.conversation_id")?,
        blob: parse(row, 8, "messages.blob_id")?,
        size: int(row, 9)?,
        sha256: text(row, 10)?,
        sha512: text(row, 11)?,
        transport: serde_json::from_str(&text(row, 12)?)
            .map_err(|e| StoreError::Corrupt { what: "messages.transport", value: e.to_string() })?,
        accepted_at: Timestamp(int(row, 13)?),
    })
}

pub(crate) fn channel(word: &str) -> Result<ChannelKind, StoreError> {
    ChannelKind::parse(word)
        .ok_or_else(|| StoreError::Corrupt { what: "messages.channel", value: word.to_owned() })
}

/// One message.
///
/// # Errors
/// When the database does not answer.
pub async fn get(tx: &mut Tx, tenant: TenantId, id: MessageId) -> Result<Option<Message>, StoreError> {
    tx.allow(tenant)?;
    tx.one(sql::MESSAGE_GET, args![tenant, id]).await?.map(|r| message(tenant, &r)).transpose()
}

/// Messages with this foreign id, oldest first, with their SHA-256.
///
/// # Errors
/// When the database does not answer.
pub async fn by_foreign_id(
    tx: &mut Tx,
    tenant: TenantId,
    channel: ChannelKind,
    foreign_id: &str,
) -> Result<Vec<(MessageId, String)>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::MESSAGE_FOREIGN, args![tenant, channel.as_str(), foreign_id]).await?;
    rows.iter().map(|r| Ok((parse(r, 0, "messages.id")?, text(r, 1)?))).collect()
}

/// Is there such a message?
///
/// # Errors
/// When the database does not answer.
pub async fn exists(tx: &mut Tx, tenant: TenantId, id: MessageId) -> Result<bool, StoreError> {
    tx.allow(tenant)?;
    Ok(tx.one(sql::MESSAGE_EXISTS, args![tenant, id]).await?.is_some())
}

/// The wrapped key of a message; `None` after deletion.
///
/// # Errors
/// When the database does not answer.
pub async fn wrapped_key(tx: &mut Tx, tenant: TenantId, id: MessageId) -> Result<Option<String>, StoreError> {
    tx.allow(tenant)?;
    tx.one(sql::MESSAGE_KEY, args![tenant, id]).await?.map(|r| text(&r, 0)).transpose()
}

/// Boxes a message was addressed to.
///
/// # Errors
/// When the database does not answer.
pub async fn mailboxes(tx: &mut Tx, tenant: TenantId, id: MessageId) -> Result<Vec<MailboxId>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::MESSAGE_MAILBOXES, args![tenant, id]).await?;
    rows.iter().map(|r| parse(r, 0, "message_mailboxes.mailbox_id")).collect()
}

/// Inserts inspections.
///
/// # Errors
/// [`StoreError::Exists`] when a message has one already (a lost lease).
pub async fn insert_inspections(
    tx: &mut Tx,
    new: &[(TenantId, MessageId, Inspection)],
) -> Result<(), StoreError> {
    tx.allow_all(new.iter().map(|i| i.0))?;
    let rows = new
        .iter()
        .map(|(tenant, id, i)| {
            args![
                *tenant,
                *id,
                i.version,
                i.subject.as_str(),
                i.sender_name.as_str(),
                i.sender_address.as_str(),
                i.recipients.as_str(),
                i.sent_at,
                i.header_id.as_str(),
                i.automatic,
                i.urgent,
                i.defects.join(" "),
                i.explanation.as_str(),
                i.created_at
            ]
        })
        .collect();
    sql::INSPECTIONS_IN.run(tx, rows).await?;
    Ok(())
}

/// The inspection of a message; `None` before it was processed.
///
/// # Errors
/// When the database does not answer.
pub async fn inspection(
    tx: &mut Tx,
    tenant: TenantId,
    id: MessageId,
) -> Result<Option<Inspection>, StoreError> {
    tx.allow(tenant)?;
    let Some(r) = tx.one(sql::INSPECTION_GET, args![tenant, id]).await? else { return Ok(None) };
    Ok(Some(Inspection {
        version: int(&r, 0)?,
        subject: text(&r, 1)?,
        sender_name: text(&r, 2)?,
        sender_address: text(&r, 3)?,
        recipients: text(&r, 4)?,
        sent_at: Timestamp(int(&r, 5)?),
        header_id: text(&r, 6)?,
        automatic: int(&r, 7)? != 0,
        urgent: int(&r, 8)? != 0,
        defects: text(&r, 9)?.split_whitespace().map(str::to_owned).collect(),
        explanation: text(&r, 10)?,
        created_at: Timestamp(int(&r, 11)?),
    }))
}

/// Inserts parts.
///
/// # Errors
/// [`StoreError::Exists`] when they are there already (a lost lease).
pub async fn insert_parts(tx: &mut Tx, new: &[(TenantId, MessageId, Vec<Part>)]) -> Result<(), StoreError> {
    tx.allow_all(new.iter().map(|p| p.0))?;
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for (tenant, id, parts) in new {
        for p in parts {
            rows.push(args![
                *tenant,
                *id,
                p.n,
                p.parent,
                p.path.as_str(),
                p.leaf,
                p.start,
                p.len,
                p.encoding.as_str(),
                p.declared.as_str(),
                p.detected.as_str(),
                p.charset.as_str(),
                p.raw_name.as_str(),
                p.name.as_str(),
                p.disposition.as_str(),
                p.size,
                p.sha256.as_str(),
                p.defects.join(" "),
                p.blob,
                p.header
            ]);
            if rows.len() >= 2048 {
                sql::PARTS_IN.run(tx, std::mem::take(&mut rows)).await?;
            }
        }
    }
    sql::PARTS_IN.run(tx, rows).await?;
    Ok(())
}

/// Parts of a message in order, a page of at most `limit` from `offset`.
///
/// # Errors
/// When the database does not answer.
pub async fn parts(
    tx: &mut Tx,
    tenant: TenantId,
    id: MessageId,
    offset: i64,
    limit: i64,
) -> Result<Vec<Part>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::PARTS, args![tenant, id, limit, offset]).await?;
    rows.iter()
        .map(|r| {
            Ok(Part {
                n: int(r, 0)?,
                parent: int(r, 1)?,
                path: text(r, 2)?,
                leaf: int(r, 3)? != 0,
                start: int(r, 4)?,
                len: int(r, 5)?,
                encoding: Encoding::parse(&text(r, 6)?),
                declared: text(r, 7)?,
                detected: text(r, 8)?,
                charset: text(r, 9)?,
                raw_name: text(r, 10)?,
                name: text(r, 11)?,
                disposition: text(r, 12)?,
                size: int(r, 13)?,
                sha256: text(r, 14)?,
                defects: text(r, 15)?.split_whitespace().map(str::to_owned).collect(),
                blob: parse_opt(r, 16, "parts.blob_id")?,
                header: int(r, 17)?,
            })
        })
        .collect()
}

/// Inserts planned deliveries.
///
/// # Errors
/// [`StoreError::Exists`] when message, rule and target are planned already (a lost lease).
pub async fn insert_deliveries(tx: &mut Tx, new: &[Delivery]) -> Result<(), StoreError> {
    tx.allow_all(new.iter().map(|d| d.tenant))?;
    let rows = new
        .iter()
        .map(|d| {
            args![
                d.tenant,
                d.id,
                d.message,
                d.rule,
                d.target.to_string(),
                d.state.as_str(),
                d.reason.as_ref().map(Reason::to_json).unwrap_or_default(),
                d.foreign_id.as_str(),
                d.attempts,
                d.next_attempt,
                d.expires_at,
                d.created_at,
                d.changed_at,
                d.version
            ]
        })
        .collect();
    sql::DELIVERIES_IN.run(tx, rows).await?;
    Ok(())
}

/// Writes the new states of deliveries if nobody changed them since they were read (`version` is the version read).
///
/// # Errors
/// [`StoreError::Conflict`] when somebody did; the transaction must be taken back then.
pub async fn update_deliveries(tx: &mut Tx, changed: &[Delivery]) -> Result<(), StoreError> {
    tx.allow_all(changed.iter().map(|d| d.tenant))?;
    let mut left = changed;
    while let Some((chunk, rest)) =
        left.split_at_checked(crate::bulk::step(left.len())).filter(|(c, _)| !c.is_empty())
    {
        left = rest;
        let mut args = Vec::with_capacity(chunk.len() * UPDATED.len());
        for d in chunk {
            args.extend(args![
                d.tenant,
                d.id,
                d.version,
                d.state.as_str(),
                d.reason.as_ref().map(Reason::to_json).unwrap_or_default(),
                d.foreign_id.as_str(),
                d.attempts,
                d.next_attempt,
                d.expires_at,
                d.changed_at
            ]);
        }
        if tx.run_text(update_sql(chunk.len()), args).await? != chunk.len() as u64 {
            let which = chunk.first().map(|d| d.id.to_string()).unwrap_or_default();
            return Err(StoreError::Conflict(format!("delivery {which} or one changed with it")));
        }
    }
    Ok(())
}

/// Columns of [`update_sql`] and their types; the first three are the key and the version read.
const UPDATED: [(&str, &str); 10] = [
    ("tenant_id", "TEXT"),
    ("id", "TEXT"),
    ("version", "BIGINT"),
    ("state", "TEXT"),
    ("reason", "TEXT"),
    ("foreign_id", "TEXT"),
    ("attempts", "BIGINT"),
    ("next_attempt", "BIGINT"),
    ("expires_at", "BIGINT"),
    ("changed_at", "BIGINT"),
];

/// One UPDATE for `rows` deliveries. The first row tells PostgreSQL the types of all.
pub(crate) fn update_sql(rows: usize) -> String {
    let first = UPDATED.iter().enumerate().map(|(i, (_, kind))| format!("CAST(${} AS {kind})", i + 1));
    let mut values = format!("({})", first.collect::<Vec<_>>().join(","));
    for row in 1..rows {
        values.push_str(", ");
        values.push_str(&list(row * UPDATED.len() + 1, UPDATED.len()));
    }
    let set = UPDATED.iter().enumerate().skip(3).map(|(i, (name, _))| format!("{name} = v.column{}", i + 1));
    format!(
        "UPDATE deliveries SET {}, version = deliveries.version + 1 FROM (VALUES {values}) AS v \
         WHERE deliveries.tenant_id = v.column1 AND deliveries.id = v.column2 AND deliveries.version = v.column3",
        set.collect::<Vec<_>>().join(", ")
    )
}

/// Deliveries named by (tenant, id), in no order; what is not there is left out.
///
/// # Errors
/// When the database does not answer.
pub async fn deliveries_by_id(
    tx: &mut Tx,
    ids: &[(TenantId, DeliveryId)],
) -> Result<Vec<Delivery>, StoreError> {
    tx.allow_all(ids.iter().map(|i| i.0))?;
    let mut found = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(128) {
        let (width, args) = padded(chunk.iter().map(|(tenant, id)| [Value::from(*tenant), Value::from(*id)]));
        for row in tx.all_text(by_id_sql(width), args).await? {
            found.push(delivery(parse(&row, 13, "deliveries.tenant_id")?, &row)?);
        }
    }
    Ok(found)
}

pub(crate) fn by_id_sql(width: usize) -> String {
    format!(
        "SELECT id, message_id, rule_id, target, state, reason, foreign_id, attempts, next_attempt, expires_at, \
         created_at, changed_at, version, tenant_id FROM deliveries WHERE (tenant_id, id) IN (VALUES {})",
        pairs(width, 1)
    )
}

fn delivery(tenant: TenantId, r: &AnyRow) -> Result<Delivery, StoreError> {
    let (target, state, reason) = (text(r, 3)?, text(r, 4)?, text(r, 5)?);
    Ok(Delivery {
        tenant,
        id: parse(r, 0, "deliveries.id")?,
        message: parse(r, 1, "deliveries.message_id")?,
        rule: parse_opt(r, 2, "deliveries.rule_id")?,
        target: Target::parse(&target)
            .ok_or(StoreError::Corrupt { what: "deliveries.target", value: target })?,
        state: DeliveryState::parse(&state)
            .ok_or(StoreError::Corrupt { what: "deliveries.state", value: state })?,
        reason: serde_json::from_str(&reason).ok(),
        foreign_id: text(r, 6)?,
        attempts: int(r, 7)?,
        next_attempt: Timestamp(int(r, 8)?),
        expires_at: Timestamp(int(r, 9)?),
        created_at: Timestamp(int(r, 10)?),
        changed_at: Timestamp(int(r, 11)?),
        version: int(r, 12)?,
    })
}

/// All deliveries of a message.
///
/// # Errors
/// When the database does not answer.
pub async fn deliveries(tx: &mut Tx, tenant: TenantId, id: MessageId) -> Result<Vec<Delivery>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::DELIVERIES_OF_MESSAGE, args![tenant, id]).await?;
    rows.iter().map(|r| delivery(tenant, r)).collect()
}

/// One delivery.
///
/// # Errors
/// When the database does not answer.
pub async fn get_delivery(
    tx: &mut Tx,
    tenant: TenantId,
    id: DeliveryId,
) -> Result<Option<Delivery>, StoreError> {
    tx.allow(tenant)?;
    tx.one(sql::DELIVERY_GET, args![tenant, id]).await?.map(|r| delivery(tenant, &r)).transpose()
}

/// Longest receipt text kept, bytes.
pub const RECEIPT_CAP: usize = 64 * 1024;

/// Inserts receipts.
///
/// # Errors
/// When the database refuses.
pub async fn insert_receipts(tx: &mut Tx, new: &[Receipt]) -> Result<(), StoreError> {
    tx.allow_all(new.iter().map(|r| r.tenant))?;
    let rows = new
        .iter()
        .map(|r| {
            let mut cut = r.body.len().min(RECEIPT_CAP);
            while !r.body.is_char_boundary(cut) {
                cut -= 1;
            }
            let body = r.body.get(..cut).unwrap_or_default();
            args![r.tenant, r.id, r.message, r.delivery, r.kind.as_str(), r.carried_by, body, r.created_at]
        })
        .collect();
    sql::RECEIPTS_IN.run(tx, rows).await?;
    Ok(())
}

/// Receipts of a message, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn receipts(tx: &mut Tx, tenant: TenantId, id: MessageId) -> Result<Vec<Receipt>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::RECEIPTS_OF_MESSAGE, args![tenant, id]).await?;
    rows.iter()
        .map(|r| {
            Ok(Receipt {
                tenant,
                id: parse(r, 0, "receipts.id")?,
                message: id,
                delivery: parse(r, 1, "receipts.delivery_id")?,
                kind: text(r, 2)?,
                carried_by: parse_opt(r, 3, "receipts.carried_by")?,
                body: text(r, 4)?,
                created_at: Timestamp(int(r, 5)?),
            })
        })
        .collect()
}
