// SPDX-License-Identifier: EUPL-1.2
//! The engine of a worker node: claims jobs fairly, runs them, keeps their leases.
//!
//! Guarantees: fair between tenants (round robin, a share each) and between lanes
//! of a tenant; a lane with an open breaker or at its limit is not claimed; a job
//! of a kind or version this program does not know is left to newer nodes; on
//! shutdown nothing new is claimed and running jobs get time to end. Wake-up by
//! notification, truth by polling.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use poststelle_model::{DeliveryId, Target, TenantId};
use poststelle_store::jobs::{self, Fence, Job};
use poststelle_store::messages::{self, Delivery};
use poststelle_store::{Scope, StoreError};
use tokio::sync::{Semaphore, watch};
use tracing::Instrument;

use crate::accept::{AcceptError, PROCESS_VERSION};
use crate::change::{Change, CommitError};
use crate::deliver::NOTICE_VERSION;
use crate::hub::Hub;
use crate::inspecting::CHECK_VERSION;
use crate::process::DELIVER_VERSION;
use crate::trace;
use crate::writing::SEND_VERSION;

/// How often we look even when nobody wakes us.
const POLL: Duration = Duration::from_secs(1);
/// Share of the node one tenant may hold at most, in eighths.
const TENANT_EIGHTHS: usize = 6;
/// How long running jobs may take to end on shutdown.
const GRACE: Duration = Duration::from_secs(20);

struct Running {
    /// Jobs in work per lane.
    lanes: HashMap<String, usize>,
    fences: HashSet<Fence>,
}

/// Runs jobs until told to stop.
pub struct Engine {
    hub: Arc<Hub>,
    slots: Arc<Semaphore>,
    running: Arc<Mutex<Running>>,
    rounds: AtomicU64,
    cursor: Mutex<String>,
}

fn tenant_of(lane: &str) -> &str {
    lane.split_once('/').map_or(lane, |(tenant, _)| tenant)
}

impl Engine {
    /// An engine on `hub`.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        let slots = Arc::new(Semaphore::new(hub.limits.parallel));
        let running = Running { lanes: HashMap::new(), fences: HashSet::new() };
        Self {
            hub,
            slots,
            running: Arc::new(Mutex::new(running)),
            rounds: AtomicU64::new(0),
            cursor: Mutex::default(),
        }
    }

    /// Runs until `stop` says true.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let beat = tokio::spawn(Arc::clone(&self).heartbeat(stop.clone()));
        while !*stop.borrow() {
            let wait = match self.round().await {
                Ok(wait) => wait,
                Err(error) => {
                    let error = self.hub.noticed(error);
                    tracing::warn!(%error, "claiming jobs failed");
                    POLL
                }
            };
            if wait.is_zero() {
                continue;
            }
            tokio::select! {
                () = self.hub.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
                _ = stop.changed() => {}
            }
        }
        let all = u32::try_from(self.hub.limits.parallel).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(GRACE, self.slots.acquire_many(all)).await;
        beat.abort();
    }

    /// One look at the table. Gives how long to wait before the next.
    async fn round(self: &Arc<Self>) -> Result<Duration, StoreError> {
        let free = self.slots.available_permits();
        // A few free slots are not worth a transaction while much is running: one will be freed and wake us.
        if free == 0 || (free < self.hub.limits.parallel / 8 && free < 8) {
            return Ok(POLL);
        }
        let mut tx = self.hub.db.read(Scope::System).await?;
        let (due, next) = jobs::due_lanes(&mut tx).await?;
        tx.rollback().await?;
        let mut lanes = Vec::with_capacity(due.len());
        for lane in due {
            let parallel = self.lane_parallel(&lane).await?;
            lanes.push((lane, parallel));
        }
        let plan = self.plan(lanes, free);
        if plan.is_empty() {
            return Ok(next.unwrap_or(POLL).min(POLL).max(Duration::from_millis(1)));
        }
        let token = format!("{}:{}", self.hub.node, self.hub.ids.next().simple());
        self.rounds.fetch_add(1, Ordering::Relaxed);
        let mut claimed = Vec::new();
        let mut tx = self.hub.db.begin(Scope::System).await?;
        for (lane, max) in plan {
            let max = i64::try_from(max).unwrap_or(1);
            claimed.extend(jobs::claim(&mut tx, &lane, &token, self.hub.limits.lease, max).await?);
        }
        // Under the leases just taken, and for all of them at once.
        let planned: Vec<(TenantId, DeliveryId)> = claimed
            .iter()
            .filter(|job| job.kind == "deliver")
            .filter_map(|job| Some((job.tenant, job.subject.parse().ok()?)))
            .collect();
        let deliveries = messages::deliveries_by_id(&mut tx, &planned).await?;
        tx.commit().await?;
        let mut deliveries: HashMap<String, Delivery> =
            deliveries.into_iter().map(|d| (d.id.to_string(), d)).collect();
        let any = !claimed.is_empty();
        for job in claimed {
            let delivery = deliveries.remove(&job.subject).filter(|d| d.tenant == job.tenant);
            self.start(job, delivery);
        }
        Ok(if any { Duration::ZERO } else { Duration::from_millis(5) })
    }

    /// Which lanes get how many of the free slots: tenants in turn, then the lanes of each in turn.
    fn plan(&self, due: Vec<(String, usize)>, free: usize) -> Vec<(String, usize)> {
        let now = self.hub.clock.now();
        let running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut tenants: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
        let cap = self.tenant_parallel();
        let mut held: HashMap<&str, usize> = HashMap::new();
        for (lane, n) in &running.lanes {
            *held.entry(tenant_of(lane)).or_default() += n;
        }
        for (lane, parallel) in due {
            let busy = running.lanes.get(&lane).copied().unwrap_or(0);
            let room = self.hub.health.lane_allows(&lane, parallel, now).saturating_sub(busy);
            if room > 0 {
                tenants.entry(tenant_of(&lane).to_owned()).or_default().push((lane, room));
            }
        }
        let mut cursor = self.cursor.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut order: Vec<String> = tenants.keys().cloned().collect();
        let turn = order.iter().position(|t| t.as_str() > cursor.as_str()).unwrap_or(0);
        order.rotate_left(turn);
        let mut grants: BTreeMap<String, usize> = BTreeMap::new();
        let mut left = free;
        // One slot after the other, tenant by tenant, so that a single job never waits behind many.
        while left > 0 {
            let mut gave = false;
            for tenant in &order {
                let taken: usize = tenants
                    .get(tenant)
                    .map_or(0, |lanes| lanes.iter().filter_map(|(lane, _)| grants.get(lane)).sum());
                if left == 0 || held.get(tenant.as_str()).copied().unwrap_or(0) + taken >= cap {
                    continue;
                }
                let Some(lanes) = tenants.get_mut(tenant) else { continue };
                let poorest = lanes
                    .iter()
                    .filter(|(lane, room)| grants.get(lane).copied().unwrap_or(0) < *room)
                    .min_by_key(|(lane, _)| grants.get(lane).copied().unwrap_or(0));
                if let Some((lane, _)) = poorest {
                    *grants.entry(lane.clone()).or_default() += 1;
                    left -= 1;
                    gave = true;
                    tenant.clone_into(&mut cursor);
                }
            }
            if !gave {
                break;
            }
        }
        grants.into_iter().collect()
    }

    fn tenant_parallel(&self) -> usize {
        (self.hub.limits.parallel * TENANT_EIGHTHS / 8).max(1)
    }

    /// How many jobs of a lane may run here at once: as many as the channel lets at one target, at most half the node.
    async fn lane_parallel(&self, lane: &str) -> Result<usize, StoreError> {
        let hub = &self.hub;
        let (tenant, target) = lane.split_once('/').unwrap_or_default();
        let kind = match (tenant.parse(), Target::parse(target)) {
            (Ok(_), Some(Target::Mail { .. })) => "mail".to_owned(),
            (Ok(tenant), Some(Target::Connector { connector })) => {
                hub.connector(tenant, connector).await?.map(|c| c.kind.clone()).unwrap_or_default()
            }
            _ => return Ok(self.tenant_parallel()),
        };
        let most = hub.channels.get(kind.as_str()).map_or(1, |channel| channel.describe().parallel);
        Ok(most.min(hub.limits.parallel / 2).max(1))
    }

    fn start(self: &Arc<Self>, job: Job, delivery: Option<Delivery>) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return };
        {
            let mut running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *running.lanes.entry(job.lane.clone()).or_default() += 1;
            running.fences.insert(job.fence());
        }
        let working = self.hub.metrics.working(&job.kind);
        working.inc();
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            let span = trace::job(&job);
            let result = engine.work(&job, delivery).instrument(span.clone()).await;
            {
                let mut running = engine.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if let Some(n) = running.lanes.get_mut(&job.lane) {
                    *n -= 1;
                    if *n == 0 {
                        running.lanes.remove(&job.lane);
                    }
                }
                running.fences.remove(&job.fence());
            }
            if let Err(error) = result {
                trace::failed(&span, &error.reason());
                engine.give_back(&job, &error).await;
            }
            drop(span);
            working.dec();
            drop(slot);
            engine.hub.wake.notify_one();
        });
    }

    async fn work(&self, job: &Job, delivery: Option<Delivery>) -> Result<(), AcceptError> {
        let hub = &self.hub;
        let change: Change = match (job.kind.as_str(), job.version) {
            ("process", v) if v <= PROCESS_VERSION => hub.process(job).await?,
            ("deliver", v) if v <= DELIVER_VERSION => hub.deliver(job, delivery).await?,
            ("notice", v) if v <= NOTICE_VERSION => hub.notice(job).await?,
            ("check", v) if v <= CHECK_VERSION => hub.check_again(job).await?,
            ("send", v) if v <= SEND_VERSION => hub.send_job(job).await?,
            _ => return self.unknown(job).await,
        };
        let outcome = trace::planned(&job.kind, &change);
        let processed = job.kind == "process";
        let opened = change
            .inspections
            .first()
            .zip(change.parts.first())
            .map(|(i, p)| (i.1, i.2.clone(), p.2.clone()));
        let thread = change.threads.first().map(|t| t.2);
        match hub.committer.commit(change).await {
            Ok(()) => {
                if let Some((id, inspection, parts)) = opened {
                    hub.recent.processed(id, thread, &inspection, &parts);
                }
                outcome.into_iter().for_each(trace::outcome);
                if processed {
                    hub.metrics.processed.inc();
                    let took = hub.clock.now().since(job.created_at);
                    hub.metrics.processing.observe(took.as_secs_f64());
                }
                Ok(())
            }
            // Somebody else did or does it: nothing of ours was written.
            Err(CommitError::LostLease) => {
                hub.metrics.lost_leases.inc();
                trace::outcome("lost");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A kind or version of a newer program: left to newer nodes.
    async fn unknown(&self, job: &Job) -> Result<(), AcceptError> {
        tracing::warn!(kind = job.kind, version = job.version, "unknown job left to newer nodes");
        let mut tx = self.hub.db.begin(Scope::System).await?;
        jobs::release(&mut tx, &job.fence(), Duration::from_secs(30)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The step itself failed (database, blobs): the job stays and is due again after a pause.
    async fn give_back(&self, job: &Job, error: &AcceptError) {
        tracing::warn!(kind = job.kind, subject = job.subject, %error, "job given back");
        let pause = self.hub.backoff(job.attempts.min(4)).min(Duration::from_secs(30)) / 8;
        let release = async {
            let mut tx = self.hub.db.begin(Scope::System).await?;
            jobs::release(&mut tx, &job.fence(), pause).await?;
            tx.commit().await
        };
        if let Err(error) = release.await {
            // Then the lease runs out by itself.
            let _ = self.hub.noticed(error);
        }
        let store = match error {
            AcceptError::Store(error) => Some(error),
            AcceptError::Commit(error) => error.store(),
            _ => None,
        };
        if let Some(error) = store {
            self.hub.notice_outage(error);
        }
    }

    async fn heartbeat(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let every = self.hub.limits.lease / 3;
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = stop.changed() => {}
            }
            let fences: Vec<Fence> = {
                let running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                running.fences.iter().cloned().collect()
            };
            if fences.is_empty() {
                if *stop.borrow() {
                    return;
                }
                continue;
            }
            let renew = async {
                let mut tx = self.hub.db.begin(Scope::System).await?;
                jobs::renew(&mut tx, &fences, self.hub.limits.lease).await?;
                tx.commit().await
            };
            if let Err(error) = renew.await {
                tracing::warn!(%error, "leases not renewed");
            }
        }
    }
}
