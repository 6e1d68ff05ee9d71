// SPDX-License-Identifier: EUPL-1.2
//! Setting a delivery going again that waits for a person or has failed: the act of a person or program, proved.
//!
//! Guarantees: done once however often it is asked for with the same version; a delivery whose last try may have
//! arrived goes on as unclear, so that it is cleared up (or marked as possibly repeated) before it is sent again.

use std::time::Duration;

use poststelle_evidence::NewEvidence;
use poststelle_model::{
    Access, DeliveryEvent, DeliveryId, DeliveryState, Event, MessageId, Subject, TenantId, Timestamp, Who,
};
use poststelle_store::evidence::{self, Entry};
use poststelle_store::messages::{self, Delivery};
use poststelle_store::{Scope, StoreError};
use serde_json::{Value, json};

use crate::change::{Change, CommitError};
use crate::hub::Hub;
use crate::view::ViewError;

/// What became of the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// Set going now; false: it was not waiting (any more) as it stood in that version, nothing was done.
    pub resumed: bool,
    /// How it stands.
    pub state: DeliveryState,
    /// Grows with each change.
    pub version: i64,
}

impl Hub {
    /// A delivery of a message, for somebody who may set it going again.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when message or delivery are not there or not for these eyes, [`ViewError::ReadOnly`]
    /// when they may be seen only.
    pub async fn handled_delivery(
        &self,
        access: &Access,
        tenant: TenantId,
        message: MessageId,
        id: DeliveryId,
    ) -> Result<Delivery, ViewError> {
        let allowed = self.authorise(access, tenant, message).await?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let found = messages::get_delivery(&mut tx, tenant, id).await?.filter(|d| d.message == message);
        let delivery = found.ok_or(ViewError::NotFound)?;
        if allowed.handles { Ok(delivery) } else { Err(ViewError::ReadOnly) }
    }

    /// Sets a parked or failed delivery going again, if it still stands as in `version`.
    ///
    /// # Errors
    /// As [`Hub::handled_delivery`]; [`ViewError::Commit`] when it could not be proved: nothing was done then.
    pub async fn resume(
        &self,
        access: &Access,
        tenant: TenantId,
        message: MessageId,
        id: DeliveryId,
        version: i64,
    ) -> Result<Resumed, ViewError> {
        let mut delivery = self.handled_delivery(access, tenant, message, id).await?;
        let stands = |d: &Delivery| Resumed { resumed: false, state: d.state, version: d.version };
        let Ok(planned) = delivery.state.after(DeliveryEvent::Resume) else { return Ok(stands(&delivery)) };
        if delivery.version != version {
            return Ok(stands(&delivery));
        }
        let subject = Subject::message(message);
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let chain = evidence::chain(&mut tx, tenant, &subject).await?;
        tx.rollback().await?;
        let now = self.clock.now();
        delivery.state = if may_have_arrived(&chain, id) { lost(planned) } else { planned };
        delivery.next_attempt = now;
        delivery.changed_at = now;
        if delivery.expires_at < Timestamp::NEVER {
            delivery.expires_at = delivery.expires_at.max(now.plus(self.limits.expiry));
        }
        delivery.reason = None;
        let body = json!({ "delivery": id.to_string(), "target": delivery.target.to_string() });
        let who = Who::Principal { id: access.principal };
        let resumed = Resumed { resumed: true, state: delivery.state, version: version + 1 };
        let change = Change {
            evidence: vec![NewEvidence::new(tenant, subject, Event::Resumed, who, body)],
            jobs: vec![self.deliver_job(&delivery, Duration::ZERO)],
            updates: vec![delivery],
            ..Change::default()
        };
        match self.committer.commit(change).await {
            Ok(()) => Ok(resumed),
            // Somebody else was faster.
            Err(CommitError::Store(StoreError::Conflict(_))) => {
                Ok(stands(&self.handled_delivery(access, tenant, message, id).await?))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Begun and without an answer.
fn lost(planned: DeliveryState) -> DeliveryState {
    planned.after(DeliveryEvent::Begin).and_then(|s| s.after(DeliveryEvent::LoseTrack)).unwrap_or(planned)
}

/// Was the last thing known of this delivery that the far side may have it?
pub(crate) fn may_have_arrived(chain: &[Entry], id: DeliveryId) -> bool {
    let id = id.to_string();
    let of_it = |entry: &&Entry| {
        let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
        body.get("delivery").and_then(Value::as_str) == Some(id.as_str())
    };
    let tells = |entry: &Entry| entry.kind().filter(|e| !matches!(e, Event::Parked | Event::Resumed));
    chain.iter().rev().filter(of_it).find_map(tells) == Some(Event::Unclear)
}
