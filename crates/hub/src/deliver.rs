// SPDX-License-Identifier: EUPL-1.2
//! Deliver: the third durable step. Intent (the committed claim), effect, outcome.
//!
//! Guarantees: the effect carries the same key in every attempt; an outcome that
//! was not recorded is found again as "interrupted" and cleared up before anything
//! is sent twice, as far as the channel can tell. What fails for good lands on the
//! clearing desk and, for forwarded mail, the sender is told unprompted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use poststelle_evidence::NewEvidence;
use poststelle_model::{
    ChannelKind, DeliveryEvent, DeliveryId, DeliveryState, Direction, Event, Fault, Reason, ReceiptId, Retry,
    Subject, Target, TenantId, Timestamp, Who,
};
use poststelle_store::jobs::{Job, NewJob};
use poststelle_store::messages::{self, Delivery, Receipt};
use poststelle_store::{Scope, StoreError};
use serde_json::json;

use crate::accept::{AcceptError, NewIntake};
use crate::change::Change;
use crate::channel::{
    Channel, ChannelError, Confirms, Cx, IdempotencyKey, Outgoing, ReceiptText, Reconciled, SendOutcome,
};
use crate::hub::Hub;
use crate::notice::Failure;
use crate::routing::Explanation;

/// Version of the payload of `notice` jobs.
pub const NOTICE_VERSION: i64 = 1;

enum Verdict {
    Outcome(SendOutcome),
    Failed(ChannelError),
}

impl Hub {
    /// Works on one claimed `deliver` job; `delivery` is its row as read under the claim.
    ///
    /// # Errors
    /// Store errors: the job stays and is tried again.
    pub(crate) async fn deliver(&self, job: &Job, delivery: Option<Delivery>) -> Result<Change, StoreError> {
        let tenant = job.tenant;
        let done = || Change { fence: Some(job.fence()), ..Change::default() };
        let Some(mut delivery) = delivery else {
            return Err(StoreError::NotFound(format!("delivery {}", job.subject)));
        };
        if !delivery.state.is_open() {
            return Ok(done());
        }
        let inspection = match self.recent.get(delivery.message).and_then(|k| k.opened) {
            Some((inspection, _)) => inspection,
            None => {
                // Not processed here: what is remembered of its acceptance lacks the thread.
                self.recent.forget(delivery.message);
                let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
                Arc::new(messages::inspection(&mut tx, tenant, delivery.message).await?.unwrap_or_default())
            }
        };
        let connector = match &delivery.target {
            Target::Connector { connector } => self.connector(tenant, *connector).await?,
            _ => None,
        };
        let now = self.clock.now();
        if now >= delivery.expires_at {
            let reason =
                delivery.reason.clone().unwrap_or_else(|| Reason::new("PST-DELIVER-0001", Fault::Remote));
            return self.ended(job, delivery, DeliveryEvent::Expire, reason, None).await;
        }
        let (name, config, secret) = match (&delivery.target, &connector) {
            (Target::Mail { .. }, _) => ("mail".to_owned(), serde_json::Value::Null, None),
            (_, Some(c)) if c.active => {
                let config = serde_json::from_str(&c.config).unwrap_or(serde_json::Value::Null);
                let secret = self.connector_secret(c).await?.map(Arc::new);
                (c.kind.clone(), config, secret)
            }
            _ => {
                let reason = Reason::new("PST-DELIVER-0002", Fault::Tenant);
                return Ok(self.deferred(job, delivery, &ChannelError::later(reason), None));
            }
        };
        let Some(channel) = self.channels.get(name.as_str()).cloned() else {
            let reason = Reason::new("PST-DELIVER-0003", Fault::Operator).with("channel", &name);
            return Ok(self.deferred(job, delivery, &ChannelError::later(reason), None));
        };
        let (message, content) = self.content(tenant, delivery.message).await?;
        let tenant_row = self.tenant(tenant).await?;
        let explanation: Explanation = serde_json::from_str(&inspection.explanation).unwrap_or_default();
        let because = explanation
            .placed
            .iter()
            .find(|p| p.target == delivery.target && p.rule == delivery.rule)
            .map(|p| p.because.clone())
            .unwrap_or_default();
        let descriptor = channel.describe();
        if u64::try_from(message.size).is_ok_and(|size| size > descriptor.max_size) {
            let reason = Reason::new("PST-DELIVER-0006", Fault::Sender)
                .with("size", message.size)
                .with("cap", descriptor.max_size)
                .with("channel", descriptor.title);
            return self.ended(job, delivery, DeliveryEvent::Reject, reason, None).await;
        }
        // Claimed before without a recorded outcome: a worker died in the middle, or lost its lease.
        let interrupted = job.attempts > 1 || delivery.state == DeliveryState::Sending;
        if interrupted && !descriptor.idempotent {
            // What may have arrived stays unclear until it is cleared up, whatever becomes of this attempt.
            delivery.state = in_doubt(delivery.state);
        }
        let doubtful = interrupted || delivery.state == DeliveryState::Unclear;
        delivery.attempts += 1;
        let key = IdempotencyKey::of(delivery.id);
        let out = Outgoing {
            delivery: delivery.id,
            target: delivery.target.clone(),
            config,
            secret,
            tenant_slug: tenant_row.slug.clone(),
            subject: inspection.subject.clone(),
            sender: inspection.sender_address.clone(),
            defects: inspection.defects.clone(),
            urgent: inspection.urgent,
            because,
            header_id: inspection.header_id.clone(),
            attempt: delivery.attempts,
            maybe_repeated: doubtful && !descriptor.idempotent,
            return_path: format!(
                "{}@{}",
                crate::bounce::local_part(&self.bounce_key().await?, tenant, delivery.id),
                self.domain
            ),
            message,
            content: Arc::new(content),
        };
        let verdict = self.call(channel.as_ref(), &out, &key, doubtful && !descriptor.idempotent).await;
        if let Verdict::Failed(error) = &verdict
            && let Some(error) = of_the_house(error)
        {
            return Err(error);
        }
        self.metrics.attempt(descriptor.name, verdict.word());
        crate::trace::attempt(descriptor.name, verdict.word());
        self.note_lane(&job.lane, &verdict);
        match verdict {
            Verdict::Outcome(SendOutcome::Accepted { receipt, foreign_id }) => {
                Ok(self.handed_over(job, delivery, &out, descriptor.confirms, receipt, foreign_id))
            }
            Verdict::Outcome(SendOutcome::Rejected { reason, receipt }) => {
                self.ended(job, delivery, DeliveryEvent::Reject, reason, receipt).await
            }
            Verdict::Outcome(SendOutcome::Unclear { reason, receipt }) => {
                Ok(self.unclear(job, delivery, &reason, receipt))
            }
            Verdict::Failed(error) if error.retry == Retry::Never => {
                self.parked(job, delivery, error.reason).await
            }
            Verdict::Failed(error) => Ok(self.deferred(job, delivery, &error, None)),
        }
    }

    async fn call(
        &self,
        channel: &dyn Channel,
        out: &Outgoing,
        key: &IdempotencyKey,
        doubtful: bool,
    ) -> Verdict {
        let cx = self.cx(out.message.tenant);
        if doubtful {
            match tokio::time::timeout(self.limits.call, channel.reconcile(&cx, out, key)).await {
                Ok(Ok(Reconciled::Arrived { receipt, foreign_id })) => {
                    return Verdict::Outcome(SendOutcome::Accepted { receipt, foreign_id });
                }
                Ok(Ok(Reconciled::NotThere | Reconciled::Unknown)) => {}
                Ok(Err(error)) => return Verdict::Failed(error),
                Err(_) => {
                    return Verdict::Failed(ChannelError::later(Reason::new(
                        "PST-DELIVER-0005",
                        Fault::Remote,
                    )));
                }
            }
        }
        match tokio::time::timeout(self.limits.call, channel.send(&cx, out, key)).await {
            Ok(Ok(outcome)) => Verdict::Outcome(outcome),
            Ok(Err(error)) => Verdict::Failed(error),
            Err(_) => Verdict::Outcome(SendOutcome::Unclear {
                reason: Reason::new("PST-DELIVER-0005", Fault::Remote),
                receipt: None,
            }),
        }
    }

    /// What a channel may reach for one tenant.
    #[must_use]
    pub fn cx(&self, tenant: TenantId) -> Cx {
        Cx {
            tenant,
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            deadline: self.clock.now().plus(self.limits.call),
        }
    }

    fn note_lane(&self, lane: &str, verdict: &Verdict) {
        let now = self.clock.now();
        match verdict {
            Verdict::Failed(e) if !matches!(e.reason.fault, Fault::Sender | Fault::Nobody) => {
                self.health.lane_fails(lane, e.reason.clone(), now);
            }
            Verdict::Outcome(SendOutcome::Unclear { reason, .. }) => {
                self.health.lane_fails(lane, reason.clone(), now);
            }
            _ => {
                self.health.lane_works(lane);
            }
        }
    }

    fn change(&self, job: &Job, delivery: Delivery, event: Event, body: serde_json::Value) -> Change {
        let mut facts = json!({
            "delivery": delivery.id.to_string(),
            "target": delivery.target.to_string(),
            "attempt": delivery.attempts,
        });
        if let (Some(facts), serde_json::Value::Object(body)) = (facts.as_object_mut(), body) {
            facts.extend(body);
        }
        Change {
            fence: Some(job.fence()),
            evidence: vec![NewEvidence::new(
                delivery.tenant,
                Subject::message(delivery.message),
                event,
                Who::house("deliver"),
                facts,
            )],
            updates: vec![delivery],
            ..Change::default()
        }
    }

    fn keep_receipt(
        &self,
        change: &mut Change,
        delivery: &Delivery,
        receipt: Option<ReceiptText>,
        now: Timestamp,
    ) {
        if let Some(receipt) = receipt {
            change.receipts.push(Receipt {
                tenant: delivery.tenant,
                id: ReceiptId::new(self.ids()),
                message: delivery.message,
                delivery: delivery.id,
                kind: receipt.kind.to_owned(),
                carried_by: None,
                body: receipt.body,
                created_at: now,
            });
        }
    }

    fn handed_over(
        &self,
        job: &Job,
        mut delivery: Delivery,
        out: &Outgoing,
        confirms: Confirms,
        receipt: Option<ReceiptText>,
        foreign_id: String,
    ) -> Change {
        let now = self.clock.now();
        let event = match confirms {
            Confirms::AtOnce => DeliveryEvent::Confirm,
            Confirms::ByReceipt => DeliveryEvent::Accept,
        };
        delivery.state = begun(delivery.state).and_then(|s| s.after(event).ok()).unwrap_or(delivery.state);
        delivery.reason = out.maybe_repeated.then(|| Reason::new("PST-DELIVER-0004", Fault::Nobody));
        delivery.foreign_id = foreign_id;
        delivery.next_attempt = Timestamp(0);
        delivery.changed_at = now;
        let event = match (&delivery.target, confirms) {
            (Target::Mail { .. }, _) => Event::RelayToNonERDS,
            _ => Event::ContentConsignment,
        };
        let digest = receipt
            .as_ref()
            .map(|r| poststelle_crypto::digest::hex(&poststelle_crypto::digest::sha256(r.body.as_bytes())));
        let body = json!({
            "because": out.because,
            "foreign_id": delivery.foreign_id,
            "receipt_sha256": digest.unwrap_or_default(),
            "maybe_repeated": out.maybe_repeated,
        });
        let mut change = self.change(job, delivery.clone(), event, body);
        self.keep_receipt(&mut change, &delivery, receipt, now);
        self.metrics.handover.observe(now.since(out.message.accepted_at).as_secs_f64());
        change
    }

    fn unclear(
        &self,
        job: &Job,
        mut delivery: Delivery,
        reason: &Reason,
        receipt: Option<ReceiptText>,
    ) -> Change {
        let now = self.clock.now();
        let delay = self.backoff(delivery.attempts);
        delivery.state = in_doubt(delivery.state);
        delivery.next_attempt = now.plus(delay);
        delivery.changed_at = now;
        delivery.reason = Some(reason.clone());
        let follow = self.deliver_job(&delivery, delay);
        let body = json!({ "code": reason.code.as_str(), "params": reason.params, "next": delivery.next_attempt.rfc3339() });
        let mut change = self.change(job, delivery.clone(), Event::Unclear, body);
        self.keep_receipt(&mut change, &delivery, receipt, now);
        change.jobs.push(follow);
        change
    }

    fn deferred(
        &self,
        job: &Job,
        mut delivery: Delivery,
        error: &ChannelError,
        receipt: Option<ReceiptText>,
    ) -> Change {
        let now = self.clock.now();
        let delay = error
            .after
            .map_or(Duration::ZERO, |a| a.min(self.limits.backoff_max))
            .max(self.backoff(delivery.attempts));
        let was_unclear = delivery.state == DeliveryState::Unclear;
        delivery.state = delivery.state.after(DeliveryEvent::Defer).unwrap_or(delivery.state);
        // Never sleep past the end: the last try is at expiry, which then says so.
        delivery.next_attempt = Timestamp(now.plus(delay).0.min(delivery.expires_at.0.max(now.0)));
        delivery.changed_at = now;
        delivery.reason = Some(error.reason.clone());
        let follow = self.deliver_job(&delivery, delivery.next_attempt.since(now));
        let body = json!({
            "code": error.reason.code.as_str(),
            "params": error.reason.params,
            "fault": error.reason.fault.as_str(),
            "next": delivery.next_attempt.rfc3339(),
        });
        let event = if was_unclear { Event::Unclear } else { Event::Deferred };
        let mut change = self.change(job, delivery.clone(), event, body);
        self.keep_receipt(&mut change, &delivery, receipt, now);
        change.jobs.push(follow);
        change
    }

    /// A person must act: it waits visibly, on the clearing desk too.
    async fn parked(&self, job: &Job, mut delivery: Delivery, reason: Reason) -> Result<Change, StoreError> {
        let now = self.clock.now();
        delivery.state = delivery.state.after(DeliveryEvent::Park).unwrap_or(DeliveryState::Parked);
        delivery.next_attempt = Timestamp(0);
        delivery.changed_at = now;
        delivery.reason = Some(reason.clone());
        let body =
            json!({ "code": reason.code.as_str(), "params": reason.params, "fault": reason.fault.as_str() });
        let mut change = self.change(job, delivery.clone(), Event::Parked, body);
        self.fail_over(&delivery, &reason, now, &mut change).await?;
        Ok(change)
    }

    /// A final failure: refused, or its time ran out.
    async fn ended(
        &self,
        job: &Job,
        mut delivery: Delivery,
        event: DeliveryEvent,
        reason: Reason,
        receipt: Option<ReceiptText>,
    ) -> Result<Change, StoreError> {
        let now = self.clock.now();
        let from = if event == DeliveryEvent::Reject { begun(delivery.state) } else { Some(delivery.state) };
        delivery.state = from.and_then(|s| s.after(event).ok()).unwrap_or(DeliveryState::Parked);
        delivery.next_attempt = Timestamp(0);
        delivery.changed_at = now;
        delivery.reason = Some(reason.clone());
        let proof = match (delivery.state, &delivery.target) {
            (DeliveryState::Parked, _) => Event::Parked,
            (DeliveryState::Expired, _) => Event::RelayFailure,
            (_, Target::Mail { .. }) => Event::RelayRejection,
            _ => Event::ContentConsignmentFailure,
        };
        let body =
            json!({ "code": reason.code.as_str(), "params": reason.params, "fault": reason.fault.as_str() });
        let mut change = self.change(job, delivery.clone(), proof, body);
        self.keep_receipt(&mut change, &delivery, receipt, now);
        self.fail_over(&delivery, &reason, now, &mut change).await?;
        if matches!(delivery.target, Target::Mail { .. }) {
            change.jobs.push(self.notice_job(&delivery));
        }
        Ok(change)
    }

    /// What failed for good lies on the clearing desk from then on: nothing is ever dropped.
    pub(crate) async fn fail_over(
        &self,
        delivery: &Delivery,
        reason: &Reason,
        now: Timestamp,
        change: &mut Change,
    ) -> Result<(), StoreError> {
        let clearing = Target::Desk { desk: self.tenant(delivery.tenant).await?.clearing_desk };
        let mut tx = self.db.read(Scope::Tenant(delivery.tenant)).await?;
        let there = messages::deliveries(&mut tx, delivery.tenant, delivery.message).await?;
        let known = there
            .iter()
            .chain(&change.deliveries)
            .any(|d| d.rule.is_none() && d.target == clearing && d.message == delivery.message);
        if known {
            return Ok(());
        }
        let rescue = Delivery {
            tenant: delivery.tenant,
            id: DeliveryId::new(self.ids()),
            message: delivery.message,
            rule: None,
            target: clearing,
            state: DeliveryState::Planned,
            reason: Some(reason.clone()),
            foreign_id: String::new(),
            attempts: 0,
            next_attempt: now,
            expires_at: Timestamp::NEVER,
            created_at: now,
            changed_at: now,
            version: 1,
        };
        self.start_delivery(rescue, true, "Übergabe gescheitert", change);
        Ok(())
    }

    /// The job that tells the sender.
    pub(crate) fn notice_job(&self, delivery: &Delivery) -> NewJob {
        NewJob {
            kind: "notice".to_owned(),
            version: NOTICE_VERSION,
            lane: "process".to_owned(),
            ..self.deliver_job(delivery, Duration::ZERO)
        }
    }

    /// Tells the sender of forwarded mail that it failed, unprompted. Repeating it is harmless: the notice is
    /// accepted under a key of its own.
    ///
    /// # Errors
    /// Store errors: the job stays and is tried again.
    pub(crate) async fn notice(&self, job: &Job) -> Result<Change, AcceptError> {
        let mut change = Change { fence: Some(job.fence()), ..Change::default() };
        let tenant = job.tenant;
        let id: DeliveryId = job
            .subject
            .parse()
            .map_err(|_| StoreError::Corrupt { what: "jobs.subject", value: job.subject.clone() })?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let Some(delivery) = messages::get_delivery(&mut tx, tenant, id).await? else { return Ok(change) };
        let Some(message) = messages::get(&mut tx, tenant, delivery.message).await? else {
            return Ok(change);
        };
        crate::trace::about(message.id);
        let inspection = messages::inspection(&mut tx, tenant, delivery.message).await?.unwrap_or_default();
        tx.rollback().await?;
        if message.direction != Direction::In || message.channel != ChannelKind::Mail {
            return Ok(change);
        }
        let reason =
            delivery.reason.clone().unwrap_or_else(|| Reason::new("PST-DELIVER-0001", Fault::Remote));
        let failure = Failure {
            recipient: message.transport.recipients.first().cloned().unwrap_or_default(),
            sentence: crate::texts::sentence(&reason),
            status: if delivery.state == DeliveryState::Expired { "4.4.7" } else { "5.0.0" }.to_owned(),
            accepted_at: message.accepted_at,
            given_up_at: self.clock.now(),
        };
        let notice = self.notices.failure(&message, &inspection.header_id, inspection.automatic, &failure);
        if let Some(notice) = notice {
            let recipient = notice.recipient.clone();
            self.submit(tenant, &notice.octets, vec![notice.recipient], &format!("notice:{id}")).await?;
            change.evidence.push(NewEvidence::new(
                tenant,
                Subject::message(message.id),
                Event::SenderNotified,
                Who::house("notice"),
                json!({ "delivery": id.to_string(), "recipient": recipient }),
            ));
        }
        Ok(change)
    }

    /// Accepts octets of the house itself as an outgoing mail of `tenant` with the null return path.
    pub(crate) async fn submit(
        &self,
        tenant: TenantId,
        octets: &[u8],
        recipients: Vec<String>,
        key: &str,
    ) -> Result<(), AcceptError> {
        let mut intake = self
            .accept(NewIntake {
                channel: ChannelKind::Mail,
                direction: Direction::Out,
                addressed: BTreeMap::from([(tenant, Vec::new())]),
                recipients: BTreeMap::from([(tenant, recipients)]),
                transport: poststelle_model::message::Transport::default(),
                foreign_id: key.to_owned(),
                announced: Some(octets.len() as u64),
                who: Who::house("notice"),
            })
            .await?;
        intake.push(self, octets).await?;
        intake.finish(self).await?;
        Ok(())
    }

    /// Pause before attempt `attempts + 1`: doubling, ± 20 % drawn from the injected ids.
    pub(crate) fn backoff(&self, attempts: i64) -> Duration {
        let doubled = self.limits.backoff_first.saturating_mul(
            2u32.saturating_pow(u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(20)),
        );
        let base = doubled.min(self.limits.backoff_max);
        let draw = self.ids.next().as_u128() % 401;
        base.mul_f64(0.8 + f64::from(u16::try_from(draw).unwrap_or(200)) / 1000.0)
    }
}

/// The content could not be read: no fault of the target, whose other deliveries would fail likewise. The job is given
/// back and waits until the house is well.
fn of_the_house(error: &ChannelError) -> Option<StoreError> {
    match error.reason.code.as_str() {
        _ if error.retry == Retry::Never => None,
        "PST-STORE-0002" | "PST-STORE-0003" | "PST-STORE-0015" => {
            Some(StoreError::Blob(error.reason.to_string()))
        }
        code if code.starts_with("PST-STORE-") => Some(StoreError::silent()),
        _ => None,
    }
}

fn begun(state: DeliveryState) -> Option<DeliveryState> {
    state.after(DeliveryEvent::Begin).ok()
}

/// The far side may have it.
fn in_doubt(state: DeliveryState) -> DeliveryState {
    begun(state).and_then(|s| s.after(DeliveryEvent::LoseTrack).ok()).unwrap_or(state)
}

impl Verdict {
    const fn word(&self) -> &'static str {
        match self {
            Self::Outcome(SendOutcome::Accepted { .. }) => "accepted",
            Self::Outcome(SendOutcome::Rejected { .. }) => "rejected",
            Self::Outcome(SendOutcome::Unclear { .. }) => "unclear",
            Self::Failed(_) => "deferred",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_not_blamed_for_the_house() {
        let later = |code| of_the_house(&ChannelError::later(Reason::new(code, Fault::Operator)));
        assert!(later("PST-STORE-0002").is_some_and(|e| e.is_blob_outage()));
        assert!(later("PST-STORE-0001").is_some_and(|e| e.is_database_outage()));
        assert!(later("PST-HOTFOLDER-2001").is_none());
        let lost = ChannelError::never(Reason::new("PST-STORE-0009", Fault::Operator));
        assert!(of_the_house(&lost).is_none(), "a content that does not open waits for a person");
    }
}
