// SPDX-License-Identifier: EUPL-1.2
//! Reading a message is proved: whoever opens one or takes octets out of it stands in its timeline.
//!
//! Guarantees: the evidence is committed before anything of the message is given out; when it cannot be, nothing is
//! given out. Of one reader, message and way of reading there is one entry an hour; two nodes asked at the same
//! moment may write one each. Lists (subject and sender of many messages) are not recorded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use poststelle_evidence::NewEvidence;
use poststelle_model::{Event, Message, MessageId, PrincipalId, Subject, TenantId, Timestamp, Who};
use poststelle_store::{Scope, evidence};
use serde_json::{Value, json};

use crate::change::Change;
use crate::content::StoredContent;
use crate::hub::Hub;
use crate::view::{Allowed, ViewError};

/// How a message is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// Its page or its description was opened.
    Seen,
    /// The original was taken.
    Original,
    /// Single parts were taken.
    Part,
    /// All attachments were taken.
    Attachments,
}

impl Reading {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Seen, Self::Original, Self::Part, Self::Attachments];

    /// The word in the evidence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Original => "original",
            Self::Part => "part",
            Self::Attachments => "attachments",
        }
    }
}

/// One entry stands for this long.
const WINDOW: Duration = Duration::from_secs(3600);
/// Entries remembered by a node; what is forgotten is looked up in the chain.
const CAP: usize = 8192;
/// Readers of different messages do not wait for each other, mostly.
const GATES: usize = 64;

type Key = (PrincipalId, TenantId, MessageId, Reading);

/// What this node knows to be recorded.
pub(crate) struct Readings {
    known: Mutex<HashMap<Key, Timestamp>>,
    gates: [tokio::sync::Mutex<()>; GATES],
}

impl Default for Readings {
    fn default() -> Self {
        Self { known: Mutex::default(), gates: std::array::from_fn(|_| tokio::sync::Mutex::default()) }
    }
}

impl Readings {
    fn is_known(&self, key: &Key, now: Timestamp) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).is_some_and(|at| now.since(*at) < WINDOW)
    }

    fn remember(&self, key: Key, at: Timestamp, now: Timestamp) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CAP {
            known.retain(|_, at| now.since(*at) < WINDOW);
        }
        if known.len() >= CAP {
            known.clear();
        }
        known.insert(key, at);
    }

    fn gate(&self, message: MessageId) -> &tokio::sync::Mutex<()> {
        let [.., last] = message.uuid().into_bytes();
        &self.gates[usize::from(last) % GATES]
    }
}

impl Hub {
    /// The octets of a message for somebody who may read it; that they were taken is evidence first.
    ///
    /// # Errors
    /// When the evidence cannot be written or the message not be opened.
    pub async fn read(&self, allowed: &Allowed, how: Reading) -> Result<(Message, StoredContent), ViewError> {
        self.record(allowed, how).await?;
        Ok(self.content(allowed.tenant, allowed.message).await?)
    }

    /// Records a reading, unless an entry of the last hour says it already.
    pub(crate) async fn record(&self, allowed: &Allowed, how: Reading) -> Result<(), ViewError> {
        let Allowed { tenant, message, principal, .. } = *allowed;
        let key = (principal, tenant, message, how);
        if self.readings.is_known(&key, self.clock.now()) {
            return Ok(());
        }
        let _gate = self.readings.gate(message).lock().await;
        let now = self.clock.now();
        if self.readings.is_known(&key, now) {
            return Ok(());
        }
        let (subject, who) = (Subject::message(message), Who::Principal { id: principal });
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let event = Event::ContentAccessTracking;
        let found = evidence::since(&mut tx, tenant, &subject, event, &who, now.minus(WINDOW)).await?;
        tx.rollback().await?;
        let there = found.iter().find(|(_, body)| {
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            body.get("how").and_then(Value::as_str) == Some(how.as_str())
        });
        if let Some((at, _)) = there {
            self.readings.remember(key, *at, now);
            return Ok(());
        }
        let news = NewEvidence::new(tenant, subject, event, who, json!({ "how": how.as_str() }));
        self.committer.commit(Change { evidence: vec![news], ..Change::default() }).await?;
        self.readings.remember(key, now, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poststelle_model::ids::SeededIds;

    #[test]
    fn memory_is_bounded_and_ends() {
        let (readings, ids) = (Readings::default(), SeededIds::new(7));
        let key = |how| (PrincipalId::new(&ids), TenantId::new(&ids), MessageId::new(&ids), how);
        let first = key(Reading::Seen);
        let start = Timestamp(0);
        readings.remember(first, start, start);
        assert!(readings.is_known(&first, start.plus(WINDOW - Duration::from_secs(1))));
        assert!(!readings.is_known(&first, start.plus(WINDOW)));
        assert!(!readings.is_known(&(first.0, first.1, first.2, Reading::Original), start));
        for _ in 0..CAP + 10 {
            readings.remember(key(Reading::Part), start, start);
        }
        assert!(readings.known.lock().unwrap().len() <= CAP);
    }
}
