// SPDX-License-Identifier: EUPL-1.2
//! Numbers for Prometheus that are looked up when somebody asks, and the text of `/metrics`.
//!
//! Guarantees: without a database the node's own numbers are still told; what is not known is left out, never 0.
//! What the house shares ([`Shared`]) every node tells alike: take the maximum, not the sum.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use poststelle_model::Timestamp;
use poststelle_store::jobs::JobState;
use poststelle_store::{Scope, StoreError, evidence, jobs};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::health::Component;
use crate::hub::Hub;
use crate::metrics::{labels, numbers};

labels! {
    /// What jobs wait in line for.
    LaneLabel {
        /// `process`, `connector`, `mail`.
        lane
    }
    /// Jobs of a lane in one state.
    JobLabel {
        /// `process`, `connector`, `mail`.
        lane,
        /// `waiting`, `leased`, `scheduled`.
        state
    }
    /// A part of the house.
    ComponentLabel {
        /// Its word.
        component
    }
    /// The program.
    BuildLabel {
        /// Its version.
        version
    }
}

type Seconds = Gauge<f64, AtomicU64>;

numbers! {
    /// What a node knows of itself.
    Node, NODE;
    /// Version.
    build: Family<BuildLabel, Gauge> = Family::default(),
        gauge "poststelle_build_info" "Immer 1; Fassung des Programms als Merkmal";
    /// Parts that work.
    up: Family<ComponentLabel, Gauge> = Family::default(),
        gauge "poststelle_component_up" "1, wenn der Teil der Poststelle auf diesem Knoten arbeitet";
    /// Open breakers.
    breakers: Family<LaneLabel, Gauge> = Family::default(),
        gauge "poststelle_node_breakers_open" "Ziele, die dieser Knoten nach Fehlern vorerst nicht anspricht, je Art";
    /// Memory for intakes.
    budget: Gauge = Gauge::default(),
        gauge "poststelle_node_intake_budget_bytes" "Arbeitsspeicher, den Einlieferungen zusammen belegen dürfen";
    /// Memory taken by intakes.
    used: Gauge = Gauge::default(),
        gauge "poststelle_node_intake_budget_used_bytes" "davon belegt";
    /// Most jobs in work.
    slots: Gauge = Gauge::default(),
        gauge "poststelle_node_jobs_limit" "Höchstzahl von Aufträgen, an denen dieser Knoten zugleich arbeitet";
    /// SMTP sessions.
    sessions: Gauge = Gauge::default(),
        gauge "poststelle_smtp_sessions_open" "Offene SMTP-Verbindungen dieses Knotens";
    /// Processor time.
    cpu: Counter<f64, AtomicU64> = Counter::default(),
        counter "process_cpu_seconds_total" "Verbrauchte Rechenzeit des Prozesses";
    /// Resident memory.
    resident: Gauge = Gauge::default(),
        gauge "process_resident_memory_bytes" "Arbeitsspeicher des Prozesses";
    /// Open files.
    files: Gauge = Gauge::default(),
        gauge "process_open_fds" "Offene Dateien und Verbindungen des Prozesses";
    /// Start.
    started: Gauge = Gauge::default(),
        gauge "process_start_time_seconds" "Start des Prozesses, Sekunden seit 1970";
}

numbers! {
    /// What all nodes share.
    Shared, SHARED;
    /// Jobs.
    jobs: Family<JobLabel, Gauge> = Family::default(),
        gauge "poststelle_jobs"
        "Aufträge der ganzen Poststelle: waiting ist fällig, leased in Arbeit, scheduled später fällig";
    /// Oldest waiting job.
    oldest: Family<LaneLabel, Seconds> = Family::default(),
        gauge "poststelle_jobs_oldest_waiting_seconds" "So lange wartet der älteste fällige Auftrag schon auf einen Arbeiter";
    /// Evidence without a place.
    entries: Gauge = Gauge::default(),
        gauge "poststelle_log_entries_waiting" "Nachweise, die noch keinen Platz im Protokoll haben";
    /// Age of the oldest of it.
    lag: Seconds = Seconds::default(),
        gauge "poststelle_log_lag_seconds" "Alter des ältesten Nachweises, den noch kein Prüfpunkt umfasst";
    /// Open alarms.
    alarms: Gauge = Gauge::default(),
        gauge "poststelle_alarms_open" "Offene Alarme";
}

/// The kinds of lanes there are.
const LANES: [&str; 3] = ["process", "connector", "mail"];

/// The kind of a lane `<tenant>/<kind>[:<target>]`.
fn kind(lane: &str) -> Option<&'static str> {
    let below = lane.split_once('/')?.1;
    let kind = below.split(':').next()?;
    LANES.into_iter().find(|k| *k == kind)
}

fn lane(of: &'static str) -> LaneLabel {
    LaneLabel { lane: of.into() }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Hub {
    /// The text of `/metrics` (OpenMetrics 1.0); the database has `patience` to answer.
    pub async fn numbers(&self, patience: Duration) -> String {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        let shared = tokio::time::timeout(patience, self.shared_numbers()).await;
        let shared = shared.ok().and_then(Result::ok);
        self.node_numbers(shared.is_some()).register(&mut registry);
        if let Some(shared) = shared {
            shared.register(&mut registry);
        }
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }

    fn node_numbers(&self, database: bool) -> Node {
        let node = Node::default();
        node.build.get_or_create(&BuildLabel { version: env!("CARGO_PKG_VERSION").into() }).set(1);
        let troubles = self.health.troubles();
        for component in Component::ALL {
            let ok = (database || component != Component::Database)
                && !troubles.iter().any(|(c, _)| *c == component);
            node.up
                .get_or_create(&ComponentLabel { component: component.as_str().into() })
                .set(i64::from(ok));
        }
        let open = self.health.open_lanes();
        for of in LANES {
            let n = open.iter().filter(|(name, _, _)| kind(name) == Some(of)).count();
            node.breakers.get_or_create(&lane(of)).set(count(n));
        }
        let (all, free) = (self.limits.intake_kib, self.budget.available_permits());
        node.budget.set(count(all * 1024));
        node.used.set(count(all.saturating_sub(free) * 1024));
        node.slots.set(count(self.limits.parallel));
        node.sessions.set(count(self.sessions.get().map_or(0, |open| open())));
        node.started.set(self.started.0 / 1_000_000);
        of_process(&node);
        node
    }

    async fn shared_numbers(&self) -> Result<Shared, StoreError> {
        let mut tx = self.db.read(Scope::System).await?;
        let now = tx.now().await?;
        let (found, alarms) = (jobs::states(&mut tx).await?, evidence::open_alarms(&mut tx).await?.len());
        let (entries, first) = evidence::waiting(&mut tx).await?;
        tx.rollback().await?;
        let shared = Shared::default();
        let mut counts: BTreeMap<(&str, JobState), i64> = BTreeMap::new();
        let mut oldest: BTreeMap<&str, Duration> = BTreeMap::new();
        for line in &found {
            let Some(of) = kind(&line.lane) else { continue };
            *counts.entry((of, line.state)).or_default() += line.count;
            if line.state == JobState::Waiting {
                let age = oldest.entry(of).or_default();
                *age = (*age).max(now.since(line.first));
            }
        }
        for of in LANES {
            for state in JobState::ALL {
                let label = JobLabel { lane: of.into(), state: state.as_str().into() };
                shared.jobs.get_or_create(&label).set(counts.get(&(of, state)).copied().unwrap_or(0));
            }
            let age = oldest.get(of).copied().unwrap_or_default();
            shared.oldest.get_or_create(&lane(of)).set(age.as_secs_f64());
        }
        shared.entries.set(entries);
        shared.lag.set(first.map_or(0.0, |at: Timestamp| now.since(at).as_secs_f64()));
        shared.alarms.set(count(alarms));
        Ok(shared)
    }
}

/// What Linux tells of this process; elsewhere nothing.
fn of_process(node: &Node) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in brackets; the 12th and 13th are ticks of 10 ms, the 22nd pages of 4 KiB.
    let rest: Vec<&str> =
        stat.rsplit_once(')').map_or_else(Vec::new, |(_, r)| r.split_whitespace().collect());
    let number = |at: usize| rest.get(at).and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
    node.cpu.inc_by(f64::from(number(11)) / 100.0 + f64::from(number(12)) / 100.0);
    node.resident.set(i64::from(number(21)) * 4096);
    node.files.set(std::fs::read_dir("/proc/self/fd").map_or(0, |dir| count(dir.count())));
}
