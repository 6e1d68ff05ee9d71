// SPDX-License-Identifier: EUPL-1.2
//! Counting: per channel and tenant, listed = accepted = delivered + open + parked + failed, with the ids that do not add up.

use poststelle_model::{ChannelKind, Direction, TenantId};

use crate::db::{StoreError, Tx, int, parse, text};
use crate::sql;

/// Counts of one tenant on one channel in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Whose.
    pub tenant: TenantId,
    /// Channel.
    pub channel: ChannelKind,
    /// Direction.
    pub direction: Direction,
    /// Message rows.
    pub accepted: i64,
    /// All deliveries done.
    pub delivered: i64,
    /// Being processed or delivered.
    pub open: i64,
    /// A person must act.
    pub parked: i64,
    /// Ended without reaching the target; the sender or a desk was told.
    pub failed: i64,
}

/// Something that does not add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Whose.
    pub tenant: TenantId,
    /// `unproven`, `lost`, `stuck_message`, `stuck_delivery`, `itemless`.
    pub kind: &'static str,
    /// Id of the message (or evidence subject).
    pub id: String,
}

/// Per tenant, channel and direction.
///
/// # Errors
/// When the database does not answer.
pub async fn counts(tx: &mut Tx) -> Result<Vec<Counts>, StoreError> {
    let rows = tx.all(sql::BALANCE_DELIVERIES, vec![]).await?;
    let mut counts = Vec::with_capacity(rows.len());
    for r in &rows {
        let word = text(r, 1)?;
        counts.push(Counts {
            tenant: parse(r, 0, "messages.tenant_id")?,
            channel: ChannelKind::parse(&word)
                .ok_or(StoreError::Corrupt { what: "messages.channel", value: word })?,
            direction: Direction::parse(&text(r, 2)?),
            accepted: 0,
            delivered: int(r, 3)?,
            open: int(r, 4)?,
            parked: int(r, 5)?,
            failed: int(r, 6)?,
        });
    }
    for r in &tx.all(sql::BALANCE_COUNTS, vec![]).await? {
        let tenant = parse(r, 0, "messages.tenant_id")?;
        let (channel, direction) = (text(r, 1)?, Direction::parse(&text(r, 2)?));
        let found = counts
            .iter_mut()
            .find(|c| c.tenant == tenant && c.channel.as_str() == channel && c.direction == direction);
        if let Some(c) = found {
            c.accepted = int(r, 3)?;
        }
    }
    Ok(counts)
}

/// First evidence entries of messages per tenant: what was acknowledged to the far side.
///
/// # Errors
/// When the database does not answer.
pub async fn listed(tx: &mut Tx) -> Result<Vec<(TenantId, i64)>, StoreError> {
    let mut listed: Vec<(TenantId, i64)> = Vec::new();
    for r in &tx.all(sql::BALANCE_LISTED, vec![]).await? {
        let (tenant, count) = (parse(r, 0, "evidence.tenant_id")?, int(r, 2)?);
        match listed.last_mut() {
            Some(last) if last.0 == tenant => last.1 += count,
            _ => listed.push((tenant, count)),
        }
    }
    Ok(listed)
}

/// Everything that does not add up, at most 1,000 of each kind.
///
/// # Errors
/// When the database does not answer.
pub async fn mismatches(tx: &mut Tx) -> Result<Vec<Mismatch>, StoreError> {
    let mut found = Vec::new();
    for (kind, sql) in [
        ("unproven", sql::BALANCE_UNPROVEN),
        ("lost", sql::BALANCE_LOST),
        ("stuck_message", sql::BALANCE_STUCK_MESSAGES),
        ("stuck_delivery", sql::BALANCE_STUCK_DELIVERIES),
        ("itemless", sql::BALANCE_ITEMLESS),
    ] {
        for r in &tx.all(sql, vec![]).await? {
            found.push(Mismatch { tenant: parse(r, 0, "tenant_id")?, kind, id: text(r, 1)? });
        }
    }
    Ok(found)
}
