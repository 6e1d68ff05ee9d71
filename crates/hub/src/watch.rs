// SPDX-License-Identifier: EUPL-1.2
//! Watch: what runs on timers beside the way of a message: sequencer, canary,
//! balance, recovery of troubled components, sweeps.
//!
//! Guarantees: each task runs on one node at a time (lease); a task that fails is
//! tried again at its next turn and never stops the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use poststelle_model::{AlarmId, Fault, Reason, TenantId, Timestamp};
use poststelle_proof::note::NoteSigner;
use poststelle_store::{Scope, StoreError, balance, evidence, jobs, tenants};
use tokio::sync::watch;
use tracing::Instrument;

use crate::health::Component;
use crate::hub::Hub;
use crate::trace;
use crate::words;

/// How often things are looked at.
#[derive(Debug, Clone)]
pub struct Timers {
    /// Places in the log and checkpoints.
    pub sequence: Duration,
    /// Troubled components, breakers, clock.
    pub probe: Duration,
    /// Counting.
    pub balance: Duration,
    /// A canary through every channel; zero = none.
    pub canary: Duration,
    /// Alarm when a canary did not come back within this.
    pub canary_limit: Duration,
    /// Orphan blobs, and what channels keep of hand-overs long over.
    pub sweep: Duration,
    /// Only blobs older than the longest upload are swept.
    pub sweep_age: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            sequence: Duration::from_secs(1),
            probe: Duration::from_secs(2),
            balance: Duration::from_secs(300),
            canary: Duration::from_secs(300),
            canary_limit: Duration::from_secs(120),
            sweep: Duration::from_secs(3600),
            sweep_age: Duration::from_secs(24 * 3600),
        }
    }
}

/// Lease of a timed task.
const LEASE: Duration = Duration::from_secs(30);
/// Setting that remembers the canary under way: `<id> <sent> <returned>`.
const CANARY: &str = "canary.mail";

/// The timed tasks of a node.
pub struct Watch {
    hub: Arc<Hub>,
    timers: Timers,
    signers: Mutex<HashMap<TenantId, Arc<NoteSigner>>>,
}

impl Watch {
    /// Timed tasks on `hub`.
    #[must_use]
    pub fn new(hub: Arc<Hub>, timers: Timers) -> Self {
        Self { hub, timers, signers: Mutex::default() }
    }

    /// Only looks whether troubled components work again: for nodes that do no work beside their doors.
    pub async fn probe_only(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(error) = self.probe().await {
                let error = self.hub.noticed(error);
                tracing::warn!(%error, "probe failed");
            }
            tokio::select! {
                () = tokio::time::sleep(self.timers.probe) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Runs until `stop` says true.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let tick = self.timers.sequence.min(self.timers.probe).max(Duration::from_millis(50));
        let start = self.hub.clock.now();
        let mut last: HashMap<&'static str, Timestamp> =
            HashMap::from([("balance", start), ("sweep", start)]);
        while !*stop.borrow() {
            let now = self.hub.clock.now();
            let tasks: [(&'static str, Duration); 5] = [
                ("sequence", self.timers.sequence),
                ("probe", self.timers.probe),
                ("canary", self.timers.canary),
                ("balance", self.timers.balance),
                ("sweep", self.timers.sweep),
            ];
            for (name, every) in tasks {
                let due = last.get(name).is_none_or(|at| now.since(*at) >= every);
                if every.is_zero() || !due {
                    continue;
                }
                last.insert(name, now);
                let result = match name {
                    "sequence" => self.sequence_all().await.map(|_| ()),
                    "probe" => self.probe().await,
                    "canary" => self.canary().await,
                    "balance" => self.balance().await,
                    _ => self.sweep().await.and(self.tidy().await),
                };
                if let Err(error) = result {
                    let error = self.hub.noticed(error);
                    tracing::warn!(task = name, %error, "timed task failed");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(tick) => {}
                _ = stop.changed() => {}
            }
        }
    }

    async fn signer(&self, tenant: TenantId) -> Result<Arc<NoteSigner>, StoreError> {
        let known =
            self.signers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&tenant).cloned();
        if let Some(signer) = known {
            return Ok(signer);
        }
        let row = self.hub.tenant(tenant).await?;
        let key = self.hub.keys.tenant(&self.hub.db, tenant).await?;
        let signer = poststelle_evidence::signer(&row, &key).map_err(proof_error)?;
        let signer = Arc::new(signer);
        self.signers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(tenant, Arc::clone(&signer));
        Ok(signer)
    }

    /// Gives all waiting evidence its place and signs checkpoints; gives how many checkpoints were signed.
    ///
    /// # Errors
    /// Store errors; what is placed stays placed.
    pub async fn sequence_all(&self) -> Result<u64, StoreError> {
        let mut tx = self.hub.db.read(Scope::System).await?;
        let open = evidence::open_tenants(&mut tx).await?;
        tx.rollback().await?;
        let mut signed = 0;
        for tenant in open {
            let signer = self.signer(tenant).await?;
            loop {
                let now = self.hub.clock.now();
                let span = trace::sequence(tenant);
                let placing =
                    poststelle_evidence::sequence(&self.hub.db, tenant, &signer, &self.hub.node, now);
                let placed = placing.instrument(span.clone()).await;
                trace::sequenced(&span, placed.as_ref().ok().copied().flatten());
                match placed {
                    Ok(Some(_)) => signed += 1,
                    Ok(None) => break,
                    Err(e) if e.is_conflict() => break,
                    Err(e) => return Err(proof_error(e)),
                }
            }
        }
        Ok(signed)
    }

    /// Looks whether troubled components work again, tells the clock's distance, raises and clears target alarms.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let health = &self.hub.health;
        let troubled: Vec<Component> = health.troubles().into_iter().map(|(c, _)| c).collect();
        if troubled.contains(&Component::Blobs) && self.hub.blobs.check().await.is_ok() {
            health.works(Component::Blobs);
            tracing::info!("blob store works again");
        }
        if troubled.contains(&Component::Database) {
            self.hub.db.check().await?;
            health.works(Component::Database);
            tracing::info!("database works again");
        }
        let mut tx = self.hub.db.begin(Scope::System).await?;
        let there = tx.now().await?;
        let now = self.hub.clock.now();
        let apart = (there.0 - now.0).unsigned_abs() / 1_000_000;
        if apart >= 5 {
            let reason = Reason::new("PST-HUB-0006", Fault::Operator).with("seconds", apart);
            health.fails(Component::Clock, reason, now);
        } else {
            health.works(Component::Clock);
        }
        let open: HashMap<String, (Timestamp, Option<Reason>)> =
            health.open_lanes().into_iter().map(|(l, u, r)| (format!("target:{l}"), (u, r))).collect();
        for alarm in evidence::open_alarms(&mut tx).await? {
            // Another node may still fail to reach the target: its alarm is its own while it renews it.
            let renewed = |r: &Reason| r.params.get("seen").and_then(|s| s.parse().ok()).unwrap_or(0);
            let foreign = alarm.reason.as_ref().is_some_and(|r| {
                r.params.get("node") != Some(&self.hub.node)
                    && there.since(Timestamp(renewed(r))) < 10 * self.timers.probe
            });
            if alarm.topic.starts_with("target:") && !open.contains_key(&alarm.topic) && !foreign {
                evidence::clear_alarm(&mut tx, alarm.tenant, &alarm.topic, now).await?;
            }
        }
        for (topic, (until, why)) in &open {
            let tenant = words::lane_tenant(topic.trim_start_matches("target:"));
            let fault = why.as_ref().map_or(Fault::Remote, |r| r.fault);
            let reason = Reason::new("PST-HUB-0005", fault)
                .with("lane", words::named_lane(&mut tx, topic.trim_start_matches("target:")).await?)
                .with("until", until.berlin())
                .with("node", &self.hub.node)
                .with("seen", there.0);
            let id = AlarmId::new(self.hub.ids());
            evidence::raise_alarm(&mut tx, tenant.unwrap_or(TenantId::SYSTEM), id, topic, &reason, now)
                .await?;
        }
        tx.commit().await
    }

    /// Sends a canary through the mail channel, or raises an alarm when the last one did not come back.
    async fn canary(&self) -> Result<(), StoreError> {
        let hub = &self.hub;
        let mut tx = hub.db.begin(Scope::System).await?;
        if jobs::take_lease(&mut tx, "watch:canary", &hub.node, LEASE).await?.is_none() {
            return Ok(());
        }
        // The one under way may have been sent by a node whose clock is wrong.
        let now = tx.now().await?;
        let last = tenants::setting(&mut tx, CANARY).await?.unwrap_or_default();
        if let Some((_, sent)) = last.split_once(' ') {
            let sent = Timestamp(sent.parse().unwrap_or(now.0));
            // The one under way counts until it is back or its time is over: only then follows the next.
            if now.since(sent) < self.timers.canary_limit {
                return tx.commit().await;
            }
            let reason = Reason::new("PST-HUB-0003", Fault::Operator).with("since", sent.berlin());
            let alarm = AlarmId::new(hub.ids());
            evidence::raise_alarm(&mut tx, TenantId::SYSTEM, alarm, "canary:mail", &reason, now).await?;
        }
        let id = hub.ids.next().to_string();
        tenants::put_setting(&mut tx, CANARY, &format!("{id} {}", now.0)).await?;
        tx.commit().await?;
        let address = format!("kontrolle@{}", hub.domain);
        let notice = hub.notices.canary(&id, &address, now);
        let key = format!("canary:{id}");
        if let Err(error) = hub.submit(TenantId::SYSTEM, &notice.octets, vec![notice.recipient], &key).await {
            tracing::warn!(%error, "canary not sent");
        }
        Ok(())
    }

    /// Counts, and raises an alarm when the balance does not add up.
    async fn balance(&self) -> Result<(), StoreError> {
        let hub = &self.hub;
        let now = hub.clock.now();
        let mut tx = hub.db.begin(Scope::System).await?;
        if jobs::take_lease(&mut tx, "watch:balance", &hub.node, LEASE).await?.is_none() {
            return Ok(());
        }
        let wrong = balance::mismatches(&mut tx).await?;
        if wrong.is_empty() {
            evidence::clear_alarm(&mut tx, TenantId::SYSTEM, "balance", now).await?;
        } else {
            let reason = Reason::new("PST-HUB-0004", Fault::Operator).with("count", wrong.len());
            let id = AlarmId::new(hub.ids());
            evidence::raise_alarm(&mut tx, TenantId::SYSTEM, id, "balance", &reason, now).await?;
        }
        tx.commit().await
    }

    /// Removes blobs that no message and no draft names and that are older than the longest upload; gives how many.
    ///
    /// # Errors
    /// Store errors; what is removed stays removed.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let hub = &self.hub;
        let before = hub.clock.now().minus(self.timers.sweep_age);
        let mut removed = 0;
        for object in hub.blobs.list("").await? {
            let Some((tenant, message, blob)) = poststelle_store::blob::parse_name(&object.name) else {
                continue;
            };
            if object.modified >= before.0 {
                continue;
            }
            let mut tx = hub.db.read(Scope::Tenant(tenant)).await?;
            let needed = poststelle_store::inspection::names_blob(&mut tx, tenant, message, blob).await?
                || poststelle_store::drafts::has_piece(&mut tx, tenant, blob).await?;
            if !needed {
                hub.blobs.delete(&object.name).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Lets every channel forget what is long over at each of its targets; a target that fails does not stop the others.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        let hub = &self.hub;
        let mut tx = hub.db.begin(Scope::System).await?;
        if jobs::take_lease(&mut tx, "watch:tidy", &hub.node, LEASE).await?.is_none() {
            return Ok(());
        }
        let all = tenants::all(&mut tx).await?;
        tx.commit().await?;
        for tenant in all {
            let mut tx = hub.db.read(Scope::Tenant(tenant.id)).await?;
            let connectors = tenants::connectors(&mut tx, tenant.id).await?;
            tx.rollback().await?;
            for connector in connectors.into_iter().filter(|c| c.active) {
                let Some(channel) = hub.channels.get(connector.kind.as_str()) else { continue };
                let config = serde_json::from_str(&connector.config).unwrap_or(serde_json::Value::Null);
                if let Err(error) = channel.tidy(&hub.cx(tenant.id), &config).await {
                    tracing::warn!(connector = %connector.id, %error, "target not tidied");
                }
            }
        }
        Ok(())
    }
}

/// A failed proof as what the store said of it.
pub(crate) fn proof_error(error: poststelle_evidence::EvidenceError) -> StoreError {
    match error {
        poststelle_evidence::EvidenceError::Store(e) => e,
        poststelle_evidence::EvidenceError::Crypto(e) => e.into(),
        poststelle_evidence::EvidenceError::Proof(e) => StoreError::Config(e.to_string()),
    }
}

impl Hub {
    /// A canary came back: the alarm ends, the next one counts anew.
    pub(crate) fn canary_returned(&self, id: &str) {
        let (db, clock, id) = (self.db.clone(), Arc::clone(&self.clock), id.to_owned());
        tokio::spawn(async move {
            let note = async {
                let mut tx = db.begin(Scope::System).await?;
                let last = tenants::setting(&mut tx, CANARY).await?.unwrap_or_default();
                if last.split(' ').next() == Some(id.as_str()) {
                    tenants::put_setting(&mut tx, CANARY, "").await?;
                    evidence::clear_alarm(&mut tx, TenantId::SYSTEM, "canary:mail", clock.now()).await?;
                }
                tx.commit().await
            };
            if let Err(error) = note.await {
                tracing::warn!(%error, "canary's return not noted");
            }
        });
    }
}
