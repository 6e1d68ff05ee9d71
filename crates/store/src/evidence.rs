// SPDX-License-Identifier: EUPL-1.2
//! Rows of the proof: evidence entries, their places in the log, checkpoints. The meaning is in `poststelle-evidence`.

use poststelle_model::AlarmId;
use poststelle_model::{Event, Reason, Subject, TenantId, Timestamp, Who};

use sqlx::any::AnyRow;

use crate::bulk::{Value, args, list, padded};
use crate::db::{StoreError, Tx, int, parse, text};
use crate::sql;

/// A stored entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub tenant: TenantId,
    /// Whose life.
    pub subject: Subject,
    /// Number in its chain, from 0.
    pub n: i64,
    /// What happened (name of [`Event`]).
    pub event: String,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub who: String,
    /// Public envelope, canonical JSON: kept for ever.
    pub envelope: String,
    /// Private body, canonical JSON; empty after deletion.
    pub body: String,
    /// RFC 6962 leaf hash of the envelope, hexadecimal.
    pub hash: String,
    /// Place in the tenant's log; -1 = not yet.
    pub pos: i64,
}

impl Entry {
    /// The event, if this program knows it.
    #[must_use]
    pub fn kind(&self) -> Option<Event> {
        Event::parse(&self.event)
    }
}

/// End of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Number of the last entry.
    pub n: i64,
    /// Its time.
    pub at: Timestamp,
    /// Its hash.
    pub hash: String,
}

/// The ends of several chains of one tenant; chains not begun are absent.
///
/// # Errors
/// When the database does not answer.
pub async fn heads(
    tx: &mut Tx,
    tenant: TenantId,
    subjects: &[Subject],
) -> Result<std::collections::HashMap<Subject, Head>, StoreError> {
    tx.allow(tenant)?;
    let mut heads = std::collections::HashMap::with_capacity(subjects.len());
    for chunk in subjects.chunks(128) {
        let (width, subjects) = padded(chunk.iter().map(|s| [Value::from(s.as_str())]));
        let mut args = args![tenant];
        args.extend(subjects);
        for row in tx.all_text(heads_sql(width), args).await? {
            heads.insert(
                Subject::from_text(&text(&row, 0)?),
                Head { n: int(&row, 1)?, at: Timestamp(int(&row, 2)?), hash: text(&row, 3)? },
            );
        }
    }
    Ok(heads)
}

pub(crate) fn heads_sql(width: usize) -> String {
    format!(
        "SELECT e.subject, e.n, e.at, e.hash FROM evidence e WHERE e.tenant_id = $1 AND e.subject IN {} AND \
         e.n = (SELECT MAX(x.n) FROM evidence x WHERE x.tenant_id = e.tenant_id AND x.subject = e.subject)",
        list(2, width)
    )
}

/// Inserts entries. The primary key (tenant, subject, n) is the compare-and-swap on the chain's head.
///
/// # Errors
/// [`StoreError::Exists`] when somebody appended first.
pub async fn insert(tx: &mut Tx, entries: &[Entry]) -> Result<(), StoreError> {
    tx.allow_all(entries.iter().map(|e| e.tenant))?;
    let rows = entries
        .iter()
        .map(|e| {
            args![
                e.tenant,
                e.subject.as_str(),
                e.n,
                e.event.as_str(),
                e.at,
                e.who.as_str(),
                e.envelope.as_str(),
                e.body.as_str(),
                e.hash.as_str(),
                e.pos
            ]
        })
        .collect();
    sql::EVIDENCE_IN.run(tx, rows).await?;
    Ok(())
}

/// The chain of a subject, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn chain(tx: &mut Tx, tenant: TenantId, subject: &Subject) -> Result<Vec<Entry>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::EVIDENCE_OF, args![tenant, subject.as_str()]).await?;
    rows.iter()
        .map(|r| {
            Ok(Entry {
                tenant,
                subject: subject.clone(),
                n: int(r, 0)?,
                event: text(r, 1)?,
                at: Timestamp(int(r, 2)?),
                who: text(r, 3)?,
                envelope: text(r, 4)?,
                body: text(r, 5)?,
                hash: text(r, 6)?,
                pos: int(r, 7)?,
            })
        })
        .collect()
}

/// What `who` did to a subject after `after`: times and bodies of entries of one kind, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn since(
    tx: &mut Tx,
    tenant: TenantId,
    subject: &Subject,
    event: Event,
    who: &Who,
    after: Timestamp,
) -> Result<Vec<(Timestamp, String)>, StoreError> {
    tx.allow(tenant)?;
    let args = args![tenant, subject.as_str(), event.as_str(), who.to_text(), after];
    let rows = tx.all(sql::EVIDENCE_SINCE, args).await?;
    rows.iter().map(|r| Ok((Timestamp(int(r, 0)?), text(r, 1)?))).collect()
}

/// Subjects of a tenant in order, after `after`.
///
/// # Errors
/// When the database does not answer.
pub async fn subjects(
    tx: &mut Tx,
    tenant: TenantId,
    after: &str,
    limit: i64,
) -> Result<Vec<Subject>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::EVIDENCE_SUBJECTS, args![tenant, after, limit]).await?;
    rows.iter().map(|r| Ok(Subject::from_text(&text(r, 0)?))).collect()
}

/// Tenants with entries that have no place in the log yet.
///
/// # Errors
/// When the database does not answer.
pub async fn open_tenants(tx: &mut Tx) -> Result<Vec<TenantId>, StoreError> {
    let rows = tx.all(sql::EVIDENCE_OPEN_TENANTS, vec![]).await?;
    rows.iter().map(|r| parse(r, 0, "evidence.tenant_id")).collect()
}

/// How many entries have no place in the log yet, of all tenants, and the time of the oldest.
///
/// # Errors
/// When the database does not answer.
pub async fn waiting(tx: &mut Tx) -> Result<(i64, Option<Timestamp>), StoreError> {
    let Some(row) = tx.one(sql::EVIDENCE_WAITING, vec![]).await? else { return Ok((0, None)) };
    let count = int(&row, 0)?;
    Ok((count, (count > 0).then_some(Timestamp(int(&row, 1)?))))
}

/// Entries without a place: (subject, n, hash), by time.
///
/// # Errors
/// When the database does not answer.
pub async fn open(
    tx: &mut Tx,
    tenant: TenantId,
    limit: i64,
) -> Result<Vec<(Subject, i64, String)>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::EVIDENCE_OPEN, args![tenant, limit]).await?;
    rows.iter().map(|r| Ok((Subject::from_text(&text(r, 0)?), int(r, 1)?, text(r, 2)?))).collect()
}

/// Gives entries their places, in the order given, from `first` on.
///
/// # Errors
/// [`StoreError::Conflict`] when one of them has a place already.
pub async fn place(
    tx: &mut Tx,
    tenant: TenantId,
    first: i64,
    entries: &[(Subject, i64)],
) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    let mut pos = first;
    for chunk in entries.chunks(PLACED) {
        // One statement for a full chunk; the rest singly, so that only two texts exist.
        if chunk.len() == PLACED {
            let mut args = args![tenant];
            for (subject, n) in chunk {
                args.extend(args![subject.as_str(), *n, pos]);
                pos += 1;
            }
            if tx.run_text(place_many(), args).await? != PLACED as u64 {
                return Err(StoreError::Conflict("evidence.pos".to_owned()));
            }
        } else {
            for (subject, n) in chunk {
                if tx.run(sql::EVIDENCE_PLACE, args![pos, tenant, subject.as_str(), *n]).await? != 1 {
                    return Err(StoreError::Conflict("evidence.pos".to_owned()));
                }
                pos += 1;
            }
        }
    }
    Ok(())
}

/// Entries placed by one statement.
const PLACED: usize = 64;

pub(crate) fn place_many() -> String {
    let rows: Vec<String> = (0..PLACED)
        .map(|i| {
            let at = 2 + 3 * i;
            format!("($1, ${at}, CAST(${} AS BIGINT), CAST(${} AS BIGINT))", at + 1, at + 2)
        })
        .collect();
    format!(
        "WITH v(t, s, n, p) AS (VALUES {}) UPDATE evidence SET pos = v.p FROM v \
         WHERE evidence.tenant_id = v.t AND evidence.subject = v.s AND evidence.n = v.n AND evidence.pos < 0",
        rows.join(", ")
    )
}

/// Placed entries `from..to`: (pos, subject, n, envelope, body, hash).
///
/// # Errors
/// When the database does not answer.
pub async fn range(
    tx: &mut Tx,
    tenant: TenantId,
    from: i64,
    to: i64,
) -> Result<Vec<(i64, Subject, i64, String, String, String)>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::EVIDENCE_RANGE, args![tenant, from, to]).await?;
    rows.iter()
        .map(|r| {
            Ok((
                int(r, 0)?,
                Subject::from_text(&text(r, 1)?),
                int(r, 2)?,
                text(r, 3)?,
                text(r, 4)?,
                text(r, 5)?,
            ))
        })
        .collect()
}

/// A signed state of a tenant's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of entries.
    pub size: i64,
    /// RFC 6962 root, hexadecimal.
    pub root: String,
    /// Compact range to go on from.
    pub frontier: String,
    /// Signed note (C2SP tlog-checkpoint).
    pub note: String,
    /// Fence of the sequencer that wrote it.
    pub fence: i64,
    /// When.
    pub created_at: Timestamp,
}

/// The newest checkpoint.
///
/// # Errors
/// When the database does not answer.
pub async fn last_checkpoint(tx: &mut Tx, tenant: TenantId) -> Result<Option<Checkpoint>, StoreError> {
    tx.allow(tenant)?;
    let Some(r) = tx.one(sql::CHECKPOINT_LAST, args![tenant]).await? else { return Ok(None) };
    Ok(Some(Checkpoint {
        size: int(&r, 0)?,
        root: text(&r, 1)?,
        frontier: text(&r, 2)?,
        note: text(&r, 3)?,
        fence: int(&r, 4)?,
        created_at: Timestamp(int(&r, 5)?),
    }))
}

/// How long the log of every tenant is. Scope: the whole house.
///
/// # Errors
/// When the database does not answer.
pub async fn log_sizes(tx: &mut Tx) -> Result<std::collections::HashMap<TenantId, i64>, StoreError> {
    let rows = tx.all(sql::LOG_SIZES, vec![]).await?;
    rows.iter().map(|r| Ok((parse(r, 0, "tenants.id")?, int(r, 1)?))).collect()
}

/// Adds a checkpoint; (tenant, size) is unique, so two sequencers never sign two roots of one size.
///
/// # Errors
/// [`StoreError::Exists`] when one of that size is there.
pub async fn insert_checkpoint(tx: &mut Tx, tenant: TenantId, c: &Checkpoint) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    tx.run(
        sql::CHECKPOINT_INSERT,
        args![tenant, c.size, c.root.as_str(), c.frontier.as_str(), c.note.as_str(), c.fence, c.created_at],
    )
    .await
    .map_err(|e| match e {
        StoreError::Database(e) => StoreError::from_insert(e, "checkpoint"),
        other => other,
    })?;
    Ok(())
}

/// An open alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Whose; the system tenant's concern the operator.
    pub tenant: TenantId,
    /// Its id.
    pub id: AlarmId,
    /// What it is about; one open alarm per topic.
    pub topic: String,
    /// What to say.
    pub reason: Option<Reason>,
    /// Since when.
    pub raised_at: Timestamp,
}

/// Raises an alarm, or renews the words of the open one on the same topic.
///
/// # Errors
/// When the database does not answer.
pub async fn raise_alarm(
    tx: &mut Tx,
    tenant: TenantId,
    id: AlarmId,
    topic: &str,
    reason: &Reason,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    tx.run(sql::ALARM_RAISE, args![tenant, id, topic, reason.to_json(), at]).await?;
    Ok(())
}

/// Ends an alarm, if there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn clear_alarm(
    tx: &mut Tx,
    tenant: TenantId,
    topic: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    tx.allow(tenant)?;
    Ok(tx.run(sql::ALARM_CLEAR, args![at, tenant, topic]).await? > 0)
}

fn row_of_alarm(r: &AnyRow) -> Result<Alarm, StoreError> {
    Ok(Alarm {
        tenant: parse(r, 0, "alarms.tenant_id")?,
        id: parse(r, 1, "alarms.id")?,
        topic: text(r, 2)?,
        reason: serde_json::from_str(&text(r, 3)?).ok(),
        raised_at: Timestamp(int(r, 4)?),
    })
}

/// All open alarms.
///
/// # Errors
/// When the database does not answer.
pub async fn open_alarms(tx: &mut Tx) -> Result<Vec<Alarm>, StoreError> {
    tx.all(sql::ALARMS_OPEN, vec![]).await?.iter().map(row_of_alarm).collect()
}

/// One alarm, and whether it is open. System scope: the operator's.
///
/// # Errors
/// When the database does not answer.
pub async fn alarm(tx: &mut Tx, id: AlarmId) -> Result<Option<(Alarm, bool)>, StoreError> {
    let row = tx.one(sql::ALARM_GET, args![id]).await?;
    row.map(|r| Ok((row_of_alarm(&r)?, int(&r, 5)? == 0))).transpose()
}
