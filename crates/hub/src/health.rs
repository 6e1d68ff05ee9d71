// SPDX-License-Identifier: EUPL-1.2
//! How the house feels: what works, what does not and since when, who must act.
//!
//! Kept in memory, so that the status page can speak even when the database is gone.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use poststelle_model::{Reason, Timestamp};

/// A part of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// SQL.
    Database,
    /// Blobs.
    Blobs,
    /// Clock against the database's.
    Clock,
}

impl Component {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Database, Self::Blobs, Self::Clock];

    /// The word in APIs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Blobs => "blobs",
            Self::Clock => "clock",
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// What, and who must act.
    pub reason: Reason,
}

/// The troubles of a node.
#[derive(Debug, Default)]
pub struct Health {
    troubles: Mutex<BTreeMap<Component, Trouble>>,
    lanes: Mutex<BTreeMap<String, Lane>>,
}

/// A circuit breaker: one per target lane.
#[derive(Debug, Clone, Default)]
struct Lane {
    failures: u32,
    closed_until: Timestamp,
    reason: Option<Reason>,
}

/// Failures in a row that open the breaker.
const BREAKER_FAILURES: u32 = 5;
/// Longest pause of an open breaker.
const BREAKER_MAX: Duration = Duration::from_secs(300);

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Health {
    /// Notes that a component fails; true when that is new.
    pub fn fails(&self, component: Component, reason: Reason, now: Timestamp) -> bool {
        let mut troubles = locked(&self.troubles);
        let new = !troubles.contains_key(&component);
        let since = troubles.get(&component).map_or(now, |t| t.since);
        troubles.insert(component, Trouble { since, reason });
        new
    }

    /// Notes that a component works; true when it did not before.
    pub fn works(&self, component: Component) -> bool {
        locked(&self.troubles).remove(&component).is_some()
    }

    /// All troubles.
    #[must_use]
    pub fn troubles(&self) -> Vec<(Component, Trouble)> {
        locked(&self.troubles).iter().map(|(c, t)| (*c, t.clone())).collect()
    }

    /// Why nothing can be kept now: database or blobs are in trouble. A wrong clock is told, but stops nothing.
    #[must_use]
    pub fn closed(&self) -> Option<Reason> {
        let troubles = locked(&self.troubles);
        troubles.iter().find(|(c, _)| **c != Component::Clock).map(|(_, t)| t.reason.clone())
    }

    /// A call to the target of `lane` failed; gives the pause when the breaker is open now.
    pub fn lane_fails(&self, lane: &str, reason: Reason, now: Timestamp) -> Option<Duration> {
        let mut lanes = locked(&self.lanes);
        let state = lanes.entry(lane.to_owned()).or_default();
        state.failures = state.failures.saturating_add(1);
        state.reason = Some(reason);
        if state.failures < BREAKER_FAILURES {
            return None;
        }
        let pause =
            Duration::from_secs(2u64.saturating_pow(state.failures - BREAKER_FAILURES + 1)).min(BREAKER_MAX);
        state.closed_until = now.plus(pause);
        Some(pause)
    }

    /// A call to the target of `lane` was answered; true when its breaker was open.
    pub fn lane_works(&self, lane: &str) -> bool {
        locked(&self.lanes).remove(lane).is_some_and(|l| l.failures >= BREAKER_FAILURES)
    }

    /// How many calls to the target of `lane` may run now, of at most `parallel`: none while its breaker is open,
    /// one to probe it afterwards.
    #[must_use]
    pub fn lane_allows(&self, lane: &str, parallel: usize, now: Timestamp) -> usize {
        match locked(&self.lanes).get(lane) {
            Some(l) if l.failures >= BREAKER_FAILURES => usize::from(l.closed_until <= now),
            _ => parallel,
        }
    }

    /// Lanes whose breaker is open: (lane, until, why).
    #[must_use]
    pub fn open_lanes(&self) -> Vec<(String, Timestamp, Option<Reason>)> {
        locked(&self.lanes)
            .iter()
            .filter(|(_, l)| l.failures >= BREAKER_FAILURES)
            .map(|(name, l)| (name.clone(), l.closed_until, l.reason.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poststelle_model::Fault;

    #[test]
    fn breaker_opens_probes_and_closes() {
        let health = Health::default();
        let now = Timestamp(0);
        let reason = || Reason::new("PST-TEST-0001", Fault::Remote);
        for _ in 0..4 {
            assert_eq!(health.lane_fails("x", reason(), now), None);
            assert_eq!(health.lane_allows("x", 8, now), 8);
        }
        assert_eq!(health.lane_fails("x", reason(), now), Some(Duration::from_secs(2)));
        assert_eq!(health.lane_allows("x", 8, now), 0);
        assert_eq!(health.lane_allows("x", 8, now.plus(Duration::from_secs(2))), 1);
        assert_eq!(health.lane_allows("y", 8, now), 8);
        assert!(health.lane_works("x"));
        assert_eq!(health.lane_allows("x", 8, now), 8);
    }
}
