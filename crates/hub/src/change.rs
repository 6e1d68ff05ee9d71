// SPDX-License-Identifier: EUPL-1.2
//! What one step wants to commit, as data; and the committer that gathers many of them into one transaction.
//!
//! Guarantees: a change is applied whole or not at all; a change whose lease is
//! lost is dropped before anything of it is written; when a gathered batch fails,
//! its changes are tried one by one, so one bad change never takes others with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use poststelle_evidence::{EvidenceError, NewEvidence};
use poststelle_model::{Clock, Finding, MessageId, Part, TenantId};
use poststelle_store::desk::{DeskItem, Note};
use poststelle_store::drafts::{self, DraftWrite};
use poststelle_store::inspection::{Derived, StoredSheet};
use poststelle_store::jobs::{Fence, NewJob};
use poststelle_store::messages::{self, Delivery, Inspection, NewMessage, Receipt};
use poststelle_store::quarantine::Hold;
use poststelle_store::threads::{self, Thread};
use poststelle_store::{Db, Scope, StoreError, Tx, desk, inspection, jobs, quarantine, search};
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;

/// Everything one step writes. All of it belongs to `tenants` named in its rows.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The job this change finishes: its lease must still be held.
    pub fence: Option<Fence>,
    /// New messages.
    pub messages: Vec<NewMessage>,
    /// Messages whose thread was found.
    pub threads: Vec<(TenantId, MessageId, Thread)>,
    /// New inspections.
    pub inspections: Vec<(TenantId, MessageId, Inspection)>,
    /// Their parts.
    pub parts: Vec<(TenantId, MessageId, Vec<Part>)>,
    /// New sheets of inspections.
    pub sheets: Vec<(TenantId, MessageId, StoredSheet)>,
    /// What outside sources said.
    pub findings: Vec<(TenantId, MessageId, Finding)>,
    /// Octets won from parts.
    pub derived: Vec<(TenantId, MessageId, Derived)>,
    /// Messages whose inspection has a new version.
    pub versions: Vec<(TenantId, MessageId, i64)>,
    /// Parts held back.
    pub holds: Vec<Hold>,
    /// Changed held parts; `version` is the version read.
    pub hold_updates: Vec<Hold>,
    /// What can be found of messages from now on.
    pub search: Vec<search::Entry>,
    /// New deliveries.
    pub deliveries: Vec<Delivery>,
    /// Changed deliveries; `version` is the version read.
    pub updates: Vec<Delivery>,
    /// New receipts.
    pub receipts: Vec<Receipt>,
    /// New desk items.
    pub desk_items: Vec<DeskItem>,
    /// Changed desk items; `version` is the version read.
    pub desk_updates: Vec<DeskItem>,
    /// New notes.
    pub notes: Vec<(TenantId, MessageId, Note)>,
    /// Changed drafts, in this order.
    pub drafts: Vec<DraftWrite>,
    /// Events to be proved.
    pub evidence: Vec<NewEvidence>,
    /// Work that follows.
    pub jobs: Vec<NewJob>,
}

/// Why a change was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else holds the job now: the change is void, nothing is lost.
    #[error("lease lost")]
    LostLease,
    /// Evidence could not be written.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// So ended the second try; the first one ended without an answer and may have succeeded.
    #[error("{0}; an earlier try may have succeeded")]
    Unsure(Box<Self>),
    /// The house is closing.
    #[error("shutting down")]
    Closed,
}

impl CommitError {
    /// The store's error, if that is what it is.
    #[must_use]
    pub fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(e) | Self::Evidence(EvidenceError::Store(e)) => Some(e),
            Self::Unsure(e) => e.store(),
            _ => None,
        }
    }

    /// A unique key was there already.
    #[must_use]
    pub fn is_exists(&self) -> bool {
        matches!(self.store(), Some(StoreError::Exists(_)))
    }

    /// Did the database fail, and is it certain that nothing of the change is there, now or later?
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Store(e) | Self::Evidence(EvidenceError::Store(e)) => {
                e.is_database_outage() && !e.is_doubtful()
            }
            _ => false,
        }
    }
}

struct Waiting {
    change: Change,
    reply: oneshot::Sender<Result<(), CommitError>>,
}

/// Gathers changes. Cheap to clone.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
}

/// Most changes in one transaction.
const GATHER: usize = 100;
/// Longest wait for company.
const COMPANY: Duration = Duration::from_millis(5);
/// Tries of one change that meets another's append to the same chain.
const CONFLICT_TRIES: usize = 5;

impl Committer {
    /// Starts the committer of a node.
    #[must_use]
    pub fn start(db: Db, clock: Arc<dyn Clock>, wake: Arc<tokio::sync::Notify>, metrics: Metrics) -> Self {
        let (queue, waiting) = mpsc::channel(4 * GATHER);
        tokio::spawn(run(db, clock, wake, metrics, waiting));
        Self { queue }
    }

    /// Commits a change; returns when it is durable.
    ///
    /// # Errors
    /// [`CommitError`]; nothing of the change is there then. After a lost connection within a commit it is not
    /// known: the caller must answer "temporary failure" and may not delete what the change refers to.
    pub async fn commit(&self, change: Change) -> Result<(), CommitError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Waiting { change, reply }).await.map_err(|_| CommitError::Closed)?;
        answer.await.map_err(|_| CommitError::Closed)?
    }
}

async fn run(
    db: Db,
    clock: Arc<dyn Clock>,
    wake: Arc<tokio::sync::Notify>,
    metrics: Metrics,
    mut waiting: mpsc::Receiver<Waiting>,
) {
    while let Some(first) = waiting.recv().await {
        let mut batch = vec![first];
        let company = tokio::time::sleep(COMPANY);
        tokio::pin!(company);
        while batch.len() < GATHER {
            tokio::select! {
                biased;
                next = waiting.recv() => match next {
                    Some(next) => batch.push(next),
                    None => break,
                },
                () = &mut company => break,
            }
        }
        let follows = batch.iter().any(|w| !w.change.jobs.is_empty());
        let changes: Vec<&Change> = batch.iter().map(|w| &w.change).collect();
        let began = Instant::now();
        let result = together(&db, clock.as_ref(), &changes).await;
        metrics.commit.observe(began.elapsed().as_secs_f64());
        match result {
            Ok(held) => {
                metrics.committed.inc_by(held.iter().filter(|held| **held).count() as u64);
                for (w, held) in batch.into_iter().zip(held) {
                    let _ = w.reply.send(if held { Ok(()) } else { Err(CommitError::LostLease) });
                }
            }
            Err(error) => {
                tracing::debug!(%error, changes = batch.len(), "gathered commit failed, trying one by one");
                let doubtful = error.store().is_some_and(StoreError::is_doubtful);
                // What could not even begin has been waited for; what was cut off gets one more chance.
                let mut silent = error.store().is_some_and(StoreError::is_silence) && !doubtful;
                for w in batch {
                    let result = if silent {
                        Err(StoreError::silent().into())
                    } else {
                        alone(&db, clock.as_ref(), &w.change).await
                    };
                    silent |= result.as_ref().is_err_and(|e| e.store().is_some_and(StoreError::is_silence));
                    let result = result.map_err(|e| match e {
                        e if doubtful && e.store().is_some() => CommitError::Unsure(Box::new(e)),
                        e => e,
                    });
                    let _ = w.reply.send(result);
                }
                // A database that does not answer is waited for once: those who came meanwhile waited with the rest.
                while silent && let Ok(w) = waiting.try_recv() {
                    let _ = w.reply.send(Err(StoreError::silent().into()));
                }
            }
        }
        if follows {
            wake.notify_one();
        }
    }
}

/// One change in a transaction of its own, repeated when it meets another's append to the same chain.
async fn alone(db: &Db, clock: &dyn Clock, change: &Change) -> Result<(), CommitError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match together(db, clock, &[change]).await {
            Ok(held) => return if held == [true] { Ok(()) } else { Err(CommitError::LostLease) },
            Err(CommitError::Evidence(e)) if e.is_conflict() && tries < CONFLICT_TRIES => {}
            Err(e) => return Err(e),
        }
    }
}

/// All changes in one transaction; tells of each whether its lease was held.
async fn together(db: &Db, clock: &dyn Clock, changes: &[&Change]) -> Result<Vec<bool>, CommitError> {
    let mut tx = db.begin(Scope::System).await?;
    let fences: Vec<Fence> = changes.iter().filter_map(|c| c.fence.clone()).collect();
    let held_fences = if fences.is_empty() { Vec::new() } else { jobs::finish(&mut tx, &fences).await? };
    let held: Vec<bool> =
        changes.iter().map(|c| c.fence.as_ref().is_none_or(|f| held_fences.contains(f))).collect();
    let live: Vec<&Change> = changes.iter().zip(&held).filter(|(_, held)| **held).map(|(c, _)| *c).collect();
    apply(&mut tx, clock, &live).await?;
    tx.commit().await?;
    Ok(held)
}

async fn apply(tx: &mut Tx, clock: &dyn Clock, changes: &[&Change]) -> Result<(), CommitError> {
    let mut tenants: Vec<TenantId> = changes.iter().flat_map(|c| c.tenants()).collect();
    tenants.sort_unstable();
    tenants.dedup();
    for tenant in tenants {
        tx.enter(Scope::Tenant(tenant)).await?;
        macro_rules! rows {
            ($field:ident, $row:ident => $of:expr) => {
                changes
                    .iter()
                    .flat_map(|c| c.$field.iter())
                    .filter(|$row| $of == tenant)
                    .cloned()
                    .collect::<Vec<_>>()
            };
        }
        messages::insert(tx, &rows!(messages, m => m.message.tenant)).await?;
        threads::join(tx, &rows!(threads, t => t.0)).await?;
        messages::insert_inspections(tx, &rows!(inspections, i => i.0)).await?;
        messages::insert_parts(tx, &rows!(parts, p => p.0)).await?;
        inspection::insert_sheets(tx, &rows!(sheets, s => s.0)).await?;
        inspection::insert_findings(tx, &rows!(findings, f => f.0)).await?;
        inspection::insert_derived(tx, &rows!(derived, d => d.0)).await?;
        for (tenant, message, version) in rows!(versions, v => v.0) {
            inspection::set_version(tx, tenant, message, version).await?;
        }
        quarantine::insert(tx, &rows!(holds, h => h.tenant)).await?;
        for hold in rows!(hold_updates, h => h.tenant) {
            quarantine::update(tx, &hold).await?;
        }
        search::insert(tx, &rows!(search, e => e.tenant)).await?;
        messages::insert_deliveries(tx, &rows!(deliveries, d => d.tenant)).await?;
        messages::update_deliveries(tx, &rows!(updates, d => d.tenant)).await?;
        messages::insert_receipts(tx, &rows!(receipts, r => r.tenant)).await?;
        desk::insert(tx, &rows!(desk_items, i => i.tenant)).await?;
        for item in rows!(desk_updates, i => i.tenant) {
            desk::update(tx, &item).await?;
        }
        for (tenant, message, note) in rows!(notes, n => n.0) {
            desk::add_note(tx, tenant, message, &note).await?;
        }
        for write in rows!(drafts, w => w.tenant()) {
            drafts::apply(tx, &write).await?;
        }
        let evidence = rows!(evidence, e => e.tenant);
        if !evidence.is_empty() {
            poststelle_evidence::append(tx, clock.now(), &evidence).await?;
        }
    }
    tx.enter(Scope::System).await?;
    let new_jobs: Vec<NewJob> = changes.iter().flat_map(|c| c.jobs.iter().cloned()).collect();
    if !new_jobs.is_empty() {
        let now = tx.now().await?;
        jobs::insert(tx, now, &new_jobs).await?;
    }
    Ok(())
}

impl Change {
    fn tenants(&self) -> impl Iterator<Item = TenantId> + '_ {
        let of_messages = self.messages.iter().map(|m| m.message.tenant);
        let of_rest = self.evidence.iter().map(|e| e.tenant);
        let of_work = self.deliveries.iter().chain(&self.updates).map(|d| d.tenant);
        let of_drafts = self.drafts.iter().map(DraftWrite::tenant);
        let of_receipts = self.receipts.iter().map(|r| r.tenant);
        let of_updates = self.hold_updates.iter().map(|h| h.tenant);
        let of_findings = self.findings.iter().map(|f| f.0);
        of_messages
            .chain(of_updates)
            .chain(of_findings)
            .chain(of_rest)
            .chain(of_work)
            .chain(of_receipts)
            .chain(of_drafts)
    }
}
