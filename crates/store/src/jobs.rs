// SPDX-License-Identifier: EUPL-1.2
//! The job table: durable work with lease and fencing token.
//!
//! A lane (`<tenant>/<what>`) is the unit of fairness and of circuit breaking.
//! `available_at` is when a job may be claimed: its due time, or the end of its
//! lease while somebody holds it. All times are the database's.

use std::time::Duration;

use poststelle_model::{JobId, TenantId, Timestamp};

use crate::bulk::{Value, args, padded, pairs};
use crate::db::{StoreError, Tx, int, parse, text};
use crate::sql;

/// Work to be done later.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Whose.
    pub tenant: TenantId,
    /// What it waits in line with, below the tenant: `process`, or the lane of a target.
    pub lane: String,
    /// Which step.
    pub kind: String,
    /// Version of the payload's form.
    pub version: i64,
    /// Id of the message or delivery it works on.
    pub subject: String,
    /// JSON.
    pub payload: String,
    /// Due this long after the commit.
    pub delay: Duration,
    /// Created.
    pub created_at: Timestamp,
}

/// A claimed job: the lease must be held when its outcome is committed.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose.
    pub tenant: TenantId,
    /// Its lane.
    pub lane: String,
    /// Which step.
    pub kind: String,
    /// Version of the payload's form.
    pub version: i64,
    /// Id of the message or delivery it works on.
    pub subject: String,
    /// JSON.
    pub payload: String,
    /// How often it was claimed, this time included.
    pub attempts: i64,
    /// Created.
    pub created_at: Timestamp,
    /// Fencing token of this claim.
    pub token: String,
}

/// Proof of holding a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fence {
    /// Which job.
    pub job: JobId,
    /// The token of the claim.
    pub token: String,
}

impl Job {
    /// Proof of holding it.
    #[must_use]
    pub fn fence(&self) -> Fence {
        Fence { job: self.id, token: self.token.clone() }
    }
}

/// The full lane text.
#[must_use]
pub fn lane(tenant: TenantId, below: &str) -> String {
    format!("{tenant}/{below}")
}

/// Adds jobs. `now` is the database's.
///
/// # Errors
/// When the database refuses.
pub async fn insert(tx: &mut Tx, now: Timestamp, jobs: &[NewJob]) -> Result<(), StoreError> {
    let rows = jobs
        .iter()
        .map(|j| {
            args![
                j.id,
                j.tenant,
                lane(j.tenant, &j.lane),
                j.kind.as_str(),
                j.version,
                j.subject.as_str(),
                j.payload.as_str(),
                now.plus(j.delay),
                "",
                0i64,
                j.created_at
            ]
        })
        .collect();
    sql::JOBS_IN.run(tx, rows).await?;
    Ok(())
}

/// Lanes with due work, and how long until the next one is due (`None` = no job at all).
///
/// # Errors
/// When the database does not answer.
pub async fn due_lanes(tx: &mut Tx) -> Result<(Vec<String>, Option<Duration>), StoreError> {
    let mut due = Vec::new();
    let mut next: Option<Duration> = None;
    for row in tx.all(sql::JOB_LANES, vec![]).await? {
        let wait = int(&row, 1)?;
        if wait <= 0 {
            due.push(text(&row, 0)?);
        } else {
            let wait = Duration::from_micros(u64::try_from(wait).unwrap_or(0));
            next = Some(next.map_or(wait, |n| n.min(wait)));
        }
    }
    Ok((due, next))
}

/// Takes up to `max` due jobs of `lane` for `lease`.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(
    tx: &mut Tx,
    lane: &str,
    token: &str,
    lease: Duration,
    max: i64,
) -> Result<Vec<Job>, StoreError> {
    let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX / 8);
    let rows = tx.all(sql::JOB_CLAIM, args![token, lease, lane, max]).await?;
    rows.iter()
        .map(|row| {
            Ok(Job {
                id: parse(row, 0, "jobs.id")?,
                tenant: parse(row, 1, "jobs.tenant_id")?,
                lane: text(row, 2)?,
                kind: text(row, 3)?,
                version: int(row, 4)?,
                subject: text(row, 5)?,
                payload: text(row, 6)?,
                attempts: int(row, 7)?,
                created_at: Timestamp(int(row, 8)?),
                token: token.to_owned(),
            })
        })
        .collect()
}

/// Prolongs the leases of held jobs.
///
/// # Errors
/// When the database does not answer.
pub async fn renew(tx: &mut Tx, fences: &[Fence], lease: Duration) -> Result<u64, StoreError> {
    let until = tx.now().await?.plus(lease);
    let mut held = 0;
    for chunk in fences.chunks(128) {
        let (width, mut args) = padded(chunk.iter().map(fence));
        args.insert(0, until.into());
        held += tx.run_text(renew_sql(width), args).await?;
    }
    Ok(held)
}

fn fence(f: &Fence) -> [Value; 2] {
    [Value::from(f.job), Value::from(f.token.as_str())]
}

pub(crate) fn renew_sql(width: usize) -> String {
    format!("UPDATE jobs SET available_at = $1 WHERE (id, lease_token) IN (VALUES {})", pairs(width, 2))
}

pub(crate) fn finish_sql(width: usize) -> String {
    format!(
        "DELETE FROM jobs WHERE (id, lease_token) IN (VALUES {}) RETURNING id, lease_token",
        pairs(width, 1)
    )
}

/// Gives a held job back whose effect was not begun, due after `delay`.
///
/// # Errors
/// When the database does not answer.
pub async fn release(tx: &mut Tx, fence: &Fence, delay: Duration) -> Result<bool, StoreError> {
    let delay = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX / 8);
    Ok(tx.run(sql::JOB_RELEASE, args![delay, fence.job, fence.token.as_str()]).await? == 1)
}

/// Removes held jobs; gives back those whose lease was still ours. All others are lost leases.
///
/// # Errors
/// When the database does not answer.
pub async fn finish(tx: &mut Tx, fences: &[Fence]) -> Result<Vec<Fence>, StoreError> {
    let mut held = Vec::with_capacity(fences.len());
    for chunk in fences.chunks(128) {
        let (width, args) = padded(chunk.iter().map(fence));
        for row in tx.all_text(finish_sql(width), args).await? {
            held.push(Fence { job: parse(&row, 0, "jobs.id")?, token: text(&row, 1)? });
        }
    }
    Ok(held)
}

/// Makes the unclaimed jobs of `subject` due now ("try again at once").
///
/// # Errors
/// When the database does not answer.
pub async fn hasten(tx: &mut Tx, tenant: TenantId, subject: &str) -> Result<u64, StoreError> {
    tx.allow(tenant)?;
    tx.run(sql::JOB_HASTEN, args![tenant, subject]).await
}

/// How many jobs work on `subject`.
///
/// # Errors
/// When the database does not answer.
pub async fn count_for(tx: &mut Tx, tenant: TenantId, subject: &str) -> Result<i64, StoreError> {
    tx.allow(tenant)?;
    tx.one(sql::JOB_OF_SUBJECT, args![tenant, subject]).await?.map_or(Ok(0), |r| int(&r, 0))
}

/// Jobs per kind: (kind, count, earliest due).
///
/// # Errors
/// When the database does not answer.
pub async fn counts(tx: &mut Tx) -> Result<Vec<(String, i64, Timestamp)>, StoreError> {
    let rows = tx.all(sql::JOB_COUNTS, vec![]).await?;
    rows.iter().map(|r| Ok((text(r, 0)?, int(r, 1)?, Timestamp(int(r, 2)?)))).collect()
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobState {
    /// Due, and nobody has it.
    Waiting,
    /// A node works on it.
    Leased,
    /// Due later.
    Scheduled,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Leased, Self::Scheduled];

    /// The word in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Scheduled => "scheduled",
        }
    }
}

/// Jobs of one lane in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneState {
    /// The lane.
    pub lane: String,
    /// The state.
    pub state: JobState,
    /// How many.
    pub count: i64,
    /// Earliest of them: due, or end of its lease.
    pub first: Timestamp,
}

/// How jobs stand, lane by lane.
///
/// # Errors
/// When the database does not answer.
pub async fn states(tx: &mut Tx) -> Result<Vec<LaneState>, StoreError> {
    let mut found = Vec::new();
    for row in tx.all(sql::JOB_STATES, vec![]).await? {
        let word = text(&row, 1)?;
        let state = JobState::ALL.into_iter().find(|s| s.as_str() == word);
        let state = state.ok_or(StoreError::Corrupt { what: "jobs.state", value: word })?;
        found.push(LaneState {
            lane: text(&row, 0)?,
            state,
            count: int(&row, 2)?,
            first: Timestamp(int(&row, 3)?),
        });
    }
    Ok(found)
}

/// A named lease over several nodes (sequencer, timers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Grows with every change of holder; writers compare it.
    pub fence: i64,
}

/// Takes or prolongs the lease `name` for `holder`; `None` when another holds it.
///
/// # Errors
/// When the database does not answer.
pub async fn take_lease(
    tx: &mut Tx,
    name: &str,
    holder: &str,
    span: Duration,
) -> Result<Option<Lease>, StoreError> {
    let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX / 8);
    if tx.run(sql::LEASE_TAKE, args![name, holder, span]).await? == 0 {
        return Ok(None);
    }
    let row = tx.one(sql::LEASE_GET, args![name]).await?;
    match row {
        Some(row) if text(&row, 0)? == holder => Ok(Some(Lease { fence: int(&row, 1)? })),
        _ => Ok(None),
    }
}

/// Gives the lease `name` up.
///
/// # Errors
/// When the database does not answer.
pub async fn drop_lease(tx: &mut Tx, name: &str, holder: &str) -> Result<(), StoreError> {
    tx.run(sql::LEASE_DROP, args![name, holder]).await?;
    Ok(())
}
