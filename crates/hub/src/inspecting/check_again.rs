// SPDX-License-Identifier: EUPL-1.2
//! Looking at a message once more: by itself as long as the scanner gave no answer, or because a person wants it.
//!
//! Guarantees: each look that says something new is a new version of the sheet, naming what changed; the one before
//! stays. What was held only for want of an answer is released by a clean one, and then the message is completed:
//! the desk has it again, the targets get the rest, what waits to be sent goes on.

use std::time::Duration;

use poststelle_evidence::NewEvidence;
use poststelle_inspect::Sheet;
use poststelle_inspect::sheet::Note;
use poststelle_model::quarantine::{HoldAct, after};
use poststelle_model::{
    DeliveryEvent, DeliveryState, DeskState, Event, Fault, HoldCause, HoldState, JobId, Message, MessageId,
    Reason, RuleId, Standing, Subject, Target, TargetKind, TenantId, Timestamp, Who,
};
use poststelle_store::desk::{self, DeskItem};
use poststelle_store::jobs::{Job, NewJob};
use poststelle_store::messages::{self, Delivery};
use poststelle_store::quarantine::{self, Hold};
use poststelle_store::{Scope, StoreError, inspection};
use serde_json::json;

use super::{About, RETRACE};
use crate::change::Change;
use crate::content::HELD;
use crate::hub::Hub;

/// Version of the payload of `check` jobs.
pub const CHECK_VERSION: i64 = 1;
/// First pause before the scanner is asked again; doubles up to [`LONGEST_PAUSE`].
pub(crate) const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);
/// Code of deliveries of which a part was closed for good.
const CLOSED: &str = "PST-INSPECT-0007";
/// Code of deliveries that wait for a held part.
pub(crate) const WAITS: &str = "PST-INSPECT-0002";

impl Hub {
    /// The job that asks the scanner again about a message.
    pub(crate) fn check_job(&self, tenant: TenantId, message: MessageId, delay: Duration) -> NewJob {
        NewJob {
            id: JobId::new(self.ids()),
            tenant,
            lane: "process".to_owned(),
            kind: "check".to_owned(),
            version: CHECK_VERSION,
            subject: message.to_string(),
            payload: "{}".to_owned(),
            delay,
            created_at: self.clock.now(),
        }
    }

    /// What one claimed `check` job wants to commit.
    ///
    /// # Errors
    /// Store errors: the job stays and is tried again.
    pub(crate) async fn check_again(&self, job: &Job) -> Result<Change, StoreError> {
        let id = job
            .subject
            .parse()
            .map_err(|_| StoreError::Corrupt { what: "jobs.subject", value: job.subject.clone() })?;
        let mut change = Change { fence: Some(job.fence()), ..Change::default() };
        // It ends nodes, whatever it is: people can ask for another look.
        if job.attempts > self.limits.crashes {
            return Ok(change);
        }
        let house = Who::house("inspect");
        let waits = self.look_again(job.tenant, id, (&house, job.attempts), false, &mut change).await?;
        if let Some(since) = waits {
            let pause = self.clock.now().since(since).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            change.jobs.push(self.check_job(job.tenant, id, pause));
        }
        Ok(change)
    }

    /// Inspects a message once more. Writes a new sheet when it says something new, or when `anyway`. Gives since when
    /// it waits for the scanner, if it still does.
    pub(super) async fn look_again(
        &self,
        tenant: TenantId,
        id: MessageId,
        (who, attempt): (&Who, i64),
        anyway: bool,
        change: &mut Change,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let holds = quarantine::of_message(&mut tx, tenant, id).await?;
        let stored = inspection::sheet(&mut tx, tenant, id, None).await?;
        let known = messages::inspection(&mut tx, tenant, id).await?;
        let mut parts = Vec::new();
        loop {
            let offset = i64::try_from(parts.len()).unwrap_or(i64::MAX);
            let page = messages::parts(&mut tx, tenant, id, offset, 1000).await?;
            let last = page.len() < 1000;
            parts.extend(page);
            if last {
                break;
            }
        }
        tx.rollback().await?;
        let Some(known) = known else { return Ok(None) };
        let before: Option<Sheet> = stored.as_ref().and_then(|s| serde_json::from_str(&s.sheet).ok());
        let (message, content) = self.whole_content(tenant, id).await?;
        let version = known.version + 1;
        let about = About { sender: (&known.sender_name, &known.sender_address), parts: &parts };
        let mut findings = self.findings(tenant, id).await?;
        let looked = self
            .inspect(&message, &content, &about, (version, attempt), before.as_ref(), &mut findings)
            .await?;
        let inspected = &looked.inspected;
        let now = self.clock.now();
        let mut all = Vec::with_capacity(holds.len());
        let mut released = Vec::new();
        for hold in holds {
            let found = inspected.holds.iter().find(|h| h.0 == hold.part);
            let next = next(&hold, found, inspected.cleared.contains(&hold.part), now);
            if next.state != hold.state && next.state == HoldState::Released {
                change.evidence.push(decided(&next, who, "found_clean"));
                released.push(next.part);
            } else if next.cause != hold.cause || next.state != hold.state {
                change.evidence.push(decided(&next, who, "recognised"));
            }
            if next != hold {
                change.hold_updates.push(next.clone());
            }
            all.push(next);
        }
        for (part, cause, note) in &inspected.holds {
            if !all.iter().any(|h| h.part == *part) {
                self.hold(tenant, id, *part, (*cause, note), now, change);
                all.extend(change.holds.last().cloned());
            }
        }
        let new_words = anyway || !inspected.sheet.changed.is_empty() || !released.is_empty();
        let won = !inspected.won.is_empty();
        if new_words {
            self.write_sheet(&message, &looked, &findings, (who, now), change)?;
            change.versions.push((tenant, id, version));
        }
        if won && new_words {
            change.parts.push((tenant, id, inspected.won.clone()));
            self.recent.forget(id);
        }
        if !released.is_empty() || won {
            self.complete(&message, &all, now, change).await?;
        }
        if inspected.lacks_key {
            return Ok(Some(message.accepted_at));
        }
        Ok(all
            .iter()
            .filter(|h| h.state.is_open() && h.cause == HoldCause::Indeterminate)
            .map(|h| h.held_at)
            .min())
    }

    /// Draws a stored version of a sheet once more from the message and the findings it was drawn from: nobody outside is
    /// asked. Under the same program and trust it is the very same text.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such version.
    pub async fn retrace(&self, tenant: TenantId, id: MessageId, version: i64) -> Result<String, StoreError> {
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let missing = || StoreError::NotFound(format!("sheet {version} of message {id}"));
        let known = messages::inspection(&mut tx, tenant, id).await?.ok_or_else(missing)?;
        let drawn = inspection::sheet(&mut tx, tenant, id, Some(version)).await?.ok_or_else(missing)?;
        let before = inspection::sheet(&mut tx, tenant, id, Some(version - 1)).await?;
        let mut parts = messages::parts(&mut tx, tenant, id, 0, 100_000).await?;
        let later = inspection::derived(&mut tx, tenant, id).await?;
        let later: Vec<_> =
            later.into_iter().filter(|d| d.created_at > drawn.created_at).map(|d| d.blob).collect();
        parts.retain(|p| p.blob.is_none_or(|b| !later.contains(&b)));
        tx.rollback().await?;
        let before: Option<Sheet> =
            before.filter(|_| version > 1).and_then(|s| serde_json::from_str(&s.sheet).ok());
        let (message, content) = self.whole_content(tenant, id).await?;
        let about = About { sender: (&known.sender_name, &known.sender_address), parts: &parts };
        let mut findings = self.findings(tenant, id).await?;
        let looked = self
            .inspect(&message, &content, &about, (version, RETRACE), before.as_ref(), &mut findings)
            .await?;
        looked.inspected.sheet.to_json().map_err(|e| StoreError::Config(e.to_string()))
    }

    /// Something held was let go: the desk sees the message again; when nothing is held any more, targets that had to do
    /// without get the rest, and what waited to be sent goes on.
    pub(super) async fn complete(
        &self,
        message: &Message,
        holds: &[Hold],
        now: Timestamp,
        change: &mut Change,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.read(Scope::Tenant(message.tenant)).await?;
        let deliveries = messages::deliveries(&mut tx, message.tenant, message.id).await?;
        let items = desk::of_message(&mut tx, message.tenant, message.id).await?;
        tx.rollback().await?;
        for item in items {
            let standing = match item.standing.state {
                DeskState::Done => Standing { state: DeskState::New, ..item.standing },
                _ => item.standing,
            };
            if standing != item.standing {
                change.evidence.push(NewEvidence::new(
                    message.tenant,
                    Subject::message(message.id),
                    Event::DeskWork,
                    Who::house("inspect"),
                    json!({ "act": "reopen", "delivery": item.delivery.to_string(), "desk": item.desk.to_string() }),
                ));
            }
            change.desk_updates.push(DeskItem {
                before: None,
                standing,
                changed_at: now,
                changed_by: None,
                ..item
            });
        }
        if holds.iter().any(|h| h.state.is_open()) {
            return Ok(());
        }
        let closed = holds.iter().any(|h| h.state == HoldState::Closed);
        let mut supplied: Vec<Target> = Vec::new();
        for delivery in deliveries {
            let began = matches!(
                delivery.state,
                DeliveryState::Accepted | DeliveryState::Confirmed | DeliveryState::Unclear
            );
            if waits(&delivery) && closed {
                self.never_goes(delivery, now, change);
            } else if waits(&delivery) {
                self.let_go(delivery, now, change);
            } else if began
                && delivery.target.kind() == TargetKind::Connector
                && !supplied.contains(&delivery.target)
            {
                supplied.push(delivery.target.clone());
                self.supplement(message, delivery.target, now, change);
            }
        }
        Ok(())
    }

    /// A part of it was closed for good: as it is it does not leave the house, and who wrote it is told.
    fn never_goes(&self, mut delivery: Delivery, now: Timestamp, change: &mut Change) {
        let reason = Reason::new(CLOSED, Fault::Tenant);
        change.evidence.push(parked(&delivery, &reason));
        delivery.changed_at = now;
        delivery.reason = Some(reason);
        change.updates.push(delivery);
    }

    /// A delivery of ours that waits until nothing of its message is held any more.
    pub(crate) fn park_for_hold(&self, mut delivery: Delivery, change: &mut Change) {
        let reason = Reason::new(WAITS, Fault::Tenant);
        change.evidence.push(parked(&delivery, &reason));
        delivery.state = DeliveryState::Parked;
        delivery.next_attempt = Timestamp(0);
        delivery.reason = Some(reason);
        change.deliveries.push(delivery);
    }

    /// A delivery that waited for a held part goes on.
    fn let_go(&self, mut delivery: Delivery, now: Timestamp, change: &mut Change) {
        let Ok(planned) = delivery.state.after(DeliveryEvent::Resume) else { return };
        delivery.state = planned;
        delivery.next_attempt = now;
        delivery.changed_at = now;
        delivery.expires_at = now.plus(self.limits.expiry);
        delivery.reason = None;
        change.jobs.push(self.deliver_job(&delivery, Duration::ZERO));
        change.updates.push(delivery);
    }

    /// The same target once more, now with what was held. An id of its own stands for the rule: each release is one more
    /// hand-over.
    fn supplement(&self, message: &Message, target: Target, now: Timestamp, change: &mut Change) {
        let delivery = self.new_delivery(message, Some(RuleId::new(self.ids())), target, now);
        self.start_delivery(delivery, false, "Nachlieferung freigegebener Bestandteile", change);
    }
}

/// Does the delivery wait for a held part?
fn waits(delivery: &Delivery) -> bool {
    let held = |r: &Reason| [WAITS, HELD].contains(&r.code.as_str());
    delivery.state == DeliveryState::Parked && delivery.reason.as_ref().is_some_and(held)
}

/// The evidence that a delivery waits.
fn parked(delivery: &Delivery, reason: &Reason) -> NewEvidence {
    NewEvidence::new(
        delivery.tenant,
        Subject::message(delivery.message),
        Event::Parked,
        Who::house("inspect"),
        json!({
            "delivery": delivery.id.to_string(),
            "target": delivery.target.to_string(),
            "code": reason.code.as_str(),
            "fault": reason.fault.as_str(),
        }),
    )
}

/// How a held part stands after another look, which found `found`.
fn next(hold: &Hold, found: Option<&(i64, HoldCause, Note)>, cleared: bool, now: Timestamp) -> Hold {
    let mut next = hold.clone();
    // What people decided stays; what only a scanner let go another answer takes back.
    let by_people = !hold.state.is_open() && hold.decided_by.is_some();
    if by_people || (hold.state == HoldState::Released && found.is_none_or(|f| f.1 != HoldCause::Infected)) {
        return next;
    }
    match found {
        Some((_, cause, note)) => {
            // What was recognised once stays recognised, whatever a silent scanner says later.
            if hold.cause == HoldCause::Indeterminate || *cause == HoldCause::Infected {
                next.cause = *cause;
                next.note = serde_json::to_string(note).unwrap_or_default();
            }
            // A wish to release was made before this was known.
            if *cause == HoldCause::Infected && hold.cause != HoldCause::Infected {
                next.state = HoldState::Held;
                next.proposed_by = None;
            }
        }
        None if cleared => {
            let clean = after(hold.state, hold.cause, hold.proposed_by, HoldAct::FoundClean);
            next.state = clean.unwrap_or(hold.state);
        }
        // Nobody said anything about it.
        None => {}
    }
    if next.state == HoldState::Released {
        next.proposed_by = None;
    }
    if next != *hold {
        next.changed_at = now;
    }
    next
}

/// The evidence of a decision about a held part.
pub(super) fn decided(hold: &Hold, who: &Who, act: &str) -> NewEvidence {
    NewEvidence::new(
        hold.tenant,
        Subject::message(hold.message),
        Event::HoldChanged,
        who.clone(),
        json!({ "part": hold.part, "act": act, "state": hold.state.as_str(), "words": hold.words }),
    )
}
