// SPDX-License-Identifier: EUPL-1.2
//! Process: the second durable step. Parts are found, rules asked, deliveries planned.
//!
//! Guarantees: repeatable; one transaction at the end {parts, inspection,
//! deliveries, evidence, jobs}. A message that crashed the step is not tried for
//! ever: it counts as "nicht prüfbar" and goes to the clearing desk, whole.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::StreamExt;
use poststelle_evidence::NewEvidence;
use poststelle_model::part::Encoding;
use poststelle_model::{
    ChannelKind, DeliveryEvent, DeliveryId, DeliveryState, Direction, Event, Fault, Findings, HoldCause,
    JobId, Message, Part, Reason, ReceiptId, RuleId, Standing, Subject, Target, TargetKind, TenantId,
    Timestamp, Who,
};
use poststelle_store::desk::DeskItem;
use poststelle_store::jobs::{Job, NewJob};
use poststelle_store::messages::{self, Delivery, Inspection, Receipt};
use poststelle_store::threads::{self, Thread};
use poststelle_store::{Scope, StoreError};
use serde_json::json;

use crate::change::Change;
use crate::content::{Content, Opened, Report, ReportAction, StoredContent};
use crate::hub::Hub;
use crate::inspecting::{About, FIRST_PAUSE};
use crate::routing::{AttachmentFacts, Explanation, Facts, Placed, TEXT_CAP};
use crate::{readable, search};

/// Version of the payload of `deliver` jobs.
pub const DELIVER_VERSION: i64 = 1;
/// Octets of a body that are looked at.
const BODY_CAP: u64 = 8 * TEXT_CAP as u64;
/// Largest report read, bytes.
const REPORT_CAP: u64 = 256 * 1024;

impl Hub {
    /// What one claimed `process` job wants to commit.
    ///
    /// # Errors
    /// Store errors: the job stays and is tried again.
    pub(crate) async fn process(&self, job: &Job) -> Result<Change, StoreError> {
        let tenant = job.tenant;
        let id = job
            .subject
            .parse()
            .map_err(|_| StoreError::Corrupt { what: "jobs.subject", value: job.subject.clone() })?;
        let (message, content) = self.whole_content(tenant, id).await?;
        let crashed = job.attempts > self.limits.crashes;
        let mut opened = if crashed { unreadable(&message) } else { self.open(&message, &content).await? };
        let now = self.clock.now();
        let mut change = Change { fence: Some(job.fence()), ..Change::default() };
        let mut findings =
            if job.attempts > 1 { self.findings(tenant, id).await? } else { Findings::default() };
        let about = About::of(&opened);
        let looked = self.inspect(&message, &content, &about, (1, job.attempts), None, &mut findings).await?;
        opened.parts.extend(looked.inspected.won.iter().cloned());
        let thread = self.thread(tenant, &opened).await?;
        change.threads.extend(thread.map(|t| (tenant, id, t)));
        let held = |n: i64| looked.inspected.holds.iter().any(|h| h.0 == n);
        let body_held = readable::body_part(&opened.parts).is_some_and(|p| held(p.n));
        let text = if crashed || body_held {
            String::new()
        } else {
            Self::body_text(&content, &opened.parts).await?
        };
        change.search.push(search::entry(&message, &opened, &text));
        let folded = self.fold_report(&message, &content, &opened, now, &mut change).await?;
        let (explanation, urgent) = if folded.is_empty() {
            self.place(&message, &opened, &text, crashed).await?
        } else {
            let placed = folded
                .into_iter()
                .map(|of| Placed {
                    rule: None,
                    because: "Rückmeldung zu einer eigenen Sendung".to_owned(),
                    target: Target::Receipt { of },
                })
                .collect();
            (Explanation { placed, ..Explanation::default() }, false)
        };
        self.write_sheet(&message, &looked, &findings, (&Who::house("inspect"), now), &mut change)?;
        for (part, cause, note) in &looked.inspected.holds {
            self.hold(tenant, id, *part, (*cause, note), now, &mut change);
        }
        let waits = change.holds.iter().any(|h| h.cause == HoldCause::Indeterminate);
        if waits || looked.inspected.lacks_key {
            change.jobs.push(self.check_job(tenant, id, FIRST_PAUSE));
        }
        self.plan(&message, &explanation, urgent, now, &mut change).await?;
        let planned: Vec<_> = change
            .deliveries
            .iter()
            .filter(|d| d.message == message.id)
            .map(|d| json!({ "delivery": d.id.to_string(), "target": d.target.to_string() }))
            .collect();
        change.evidence.insert(
            0,
            NewEvidence::new(
                tenant,
                Subject::message(id),
                Event::Processed,
                Who::house("process"),
                json!({
                    "parts": opened.parts.len(),
                    "defects": opened.defects,
                    "rule": explanation.placed.first().map(|p| p.because.clone()).unwrap_or_default(),
                    "clearing": explanation.clearing,
                    "deliveries": planned,
                    "in_reply_to": thread.map(|t| t.in_reply_to.to_string()).unwrap_or_default(),
                    "attempt": job.attempts,
                }),
            ),
        );
        change.inspections.push((
            tenant,
            id,
            Inspection {
                version: 1,
                subject: opened.subject,
                sender_name: opened.sender_name,
                sender_address: opened.sender_address,
                recipients: opened.recipients,
                sent_at: opened.sent_at,
                header_id: opened.header_id,
                automatic: opened.automatic,
                urgent,
                defects: opened.defects,
                explanation: serde_json::to_string(&explanation).unwrap_or_default(),
                created_at: now,
            },
        ));
        change.parts.push((tenant, id, opened.parts));
        Ok(change)
    }

    /// The thread of a message that answers another one of the tenant.
    async fn thread(&self, tenant: TenantId, opened: &Opened) -> Result<Option<Thread>, StoreError> {
        if opened.answers.is_empty() {
            return Ok(None);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        threads::find(&mut tx, tenant, &opened.answers).await
    }

    /// Pushes the octets through the message's format. A panic there is a finding, not the end.
    pub(crate) async fn open(
        &self,
        message: &Message,
        content: &StoredContent,
    ) -> Result<Opened, StoreError> {
        let mut reader = content.reader().await?;
        let mut opening = Some(content.opener.open(&message.transport));
        let mut offset = 0;
        loop {
            let piece = reader.at(offset).await?;
            if piece.is_empty() {
                break;
            }
            offset += piece.len() as u64;
            let pushed = opening.take().and_then(|mut o| {
                catch_unwind(AssertUnwindSafe(move || {
                    o.push(&piece);
                    o
                }))
                .ok()
            });
            if pushed.is_none() {
                return Ok(unreadable(message));
            }
            opening = pushed;
            tokio::task::consume_budget().await;
        }
        let opened = opening.and_then(|o| catch_unwind(AssertUnwindSafe(move || o.finish())).ok());
        Ok(opened.unwrap_or_else(|| unreadable(message)))
    }

    /// The body as it was written; empty when there is none.
    pub(crate) async fn body_text(content: &StoredContent, parts: &[Part]) -> Result<String, StoreError> {
        let Some(part) = readable::body_part(parts) else { return Ok(String::new()) };
        let octets = Self::read_part(content, part, BODY_CAP).await?;
        let text = content.opener.text(&part.charset, &octets);
        Ok(if part.declared == "text/html" { readable::from_html(&text) } else { text })
    }

    /// Decoded octets of a part, at most `cap` of its encoded ones.
    async fn read_part(content: &StoredContent, part: &Part, cap: u64) -> Result<Vec<u8>, StoreError> {
        if part.blob.is_some() {
            let mut octets = content.part(part).await.map_err(|e| StoreError::Unreadable(e.to_string()))?;
            let mut out = Vec::new();
            while let Some(piece) = octets.next().await {
                out.extend_from_slice(&piece.map_err(|e| StoreError::Unreadable(e.to_string()))?);
                if out.len() as u64 > cap {
                    break;
                }
            }
            return Ok(out);
        }
        let mut reader = content.reader().await?;
        let start = u64::try_from(part.start).unwrap_or(0);
        let len = u64::try_from(part.len).unwrap_or(0).min(cap);
        let raw = reader.range(start..start.saturating_add(len)).await?;
        if part.encoding == Encoding::Identity {
            return Ok(raw);
        }
        let mut decoder = content.opener.decoder(part.encoding);
        let mut out = Vec::new();
        decoder.push(&raw, &mut out);
        decoder.finish(&mut out);
        Ok(out)
    }

    /// Asks the rules; outgoing messages go to their recipients.
    async fn place(
        &self,
        message: &Message,
        opened: &Opened,
        text: &str,
        crashed: bool,
    ) -> Result<(Explanation, bool), StoreError> {
        let clearing = self.tenant(message.tenant).await?.clearing_desk;
        if message.direction == Direction::Out {
            let placed = message
                .transport
                .recipients
                .iter()
                .map(|address| Placed {
                    rule: None,
                    because: "Empfänger der Sendung".to_owned(),
                    target: Target::Mail { address: address.clone() },
                })
                .collect();
            return Ok((Explanation { placed, ..Explanation::default() }, opened.urgent));
        }
        if crashed {
            let placed = vec![Placed {
                rule: None,
                because: "Inhalt nicht prüfbar".to_owned(),
                target: Target::Desk { desk: clearing },
            }];
            return Ok((Explanation { placed, clearing: true, ..Explanation::default() }, false));
        }
        if let Some(canary) = opened.headers.iter().find(|(name, _)| name == "x-poststelle-canary")
            && message.tenant.is_system()
        {
            self.canary_returned(&canary.1);
            let placed = vec![Placed {
                rule: None,
                because: "Kontrollnachricht".to_owned(),
                target: Target::Receipt { of: "canary".to_owned() },
            }];
            return Ok((Explanation { placed, ..Explanation::default() }, false));
        }
        let rules = self.rules(message.tenant).await?;
        let mut facts = facts(message, opened);
        if rules.wants_text {
            facts.text = readable::cut(text.to_owned(), TEXT_CAP);
        }
        Ok(rules.route(&facts, clearing))
    }

    /// Turns what the rules placed into deliveries, desk items and jobs.
    async fn plan(
        &self,
        message: &Message,
        explanation: &Explanation,
        urgent: bool,
        now: Timestamp,
        change: &mut Change,
    ) -> Result<(), StoreError> {
        for placed in &explanation.placed {
            let delivery = self.new_delivery(message, placed.rule, placed.target.clone(), now);
            let as_a_whole =
                message.direction == Direction::Out || delivery.target.kind() == TargetKind::Address;
            if as_a_whole && !change.holds.is_empty() {
                self.park_for_hold(delivery, change);
            } else {
                self.start_delivery(delivery, urgent, &placed.because, change);
            }
        }
        Ok(())
    }

    /// A delivery as it begins.
    pub(crate) fn new_delivery(
        &self,
        message: &Message,
        rule: Option<RuleId>,
        target: Target,
        now: Timestamp,
    ) -> Delivery {
        Delivery {
            tenant: message.tenant,
            id: DeliveryId::new(self.ids()),
            message: message.id,
            rule,
            target,
            state: DeliveryState::Planned,
            reason: None,
            foreign_id: String::new(),
            attempts: 0,
            next_attempt: now,
            expires_at: now.plus(self.limits.expiry),
            created_at: now,
            changed_at: now,
            version: 1,
        }
    }

    /// A new delivery: what stays in the house is done in this very change, the rest becomes a job.
    pub(crate) fn start_delivery(
        &self,
        mut delivery: Delivery,
        urgent: bool,
        because: &str,
        change: &mut Change,
    ) {
        let now = delivery.created_at;
        match delivery.target.kind() {
            TargetKind::Desk | TargetKind::Receipt => {
                delivery.state = DeliveryState::Confirmed;
                delivery.next_attempt = Timestamp(0);
                if let Target::Desk { desk } = delivery.target {
                    change.desk_items.push(DeskItem {
                        tenant: delivery.tenant,
                        delivery: delivery.id,
                        desk,
                        message: delivery.message,
                        standing: Standing::NEW,
                        urgent,
                        created_at: now,
                        version: 1,
                        changed_at: Timestamp(0),
                        changed_by: None,
                        before: None,
                    });
                    change.evidence.push(NewEvidence::new(
                        delivery.tenant,
                        Subject::message(delivery.message),
                        Event::ContentConsignment,
                        Who::house("deliver"),
                        json!({ "delivery": delivery.id.to_string(), "target": delivery.target.to_string(), "because": because }),
                    ));
                }
            }
            TargetKind::Connector | TargetKind::Address => {
                change.jobs.push(self.deliver_job(&delivery, Duration::ZERO));
            }
        }
        change.deliveries.push(delivery);
    }

    pub(crate) fn deliver_job(&self, delivery: &Delivery, delay: Duration) -> NewJob {
        NewJob {
            id: JobId::new(self.ids()),
            tenant: delivery.tenant,
            lane: delivery.target.lane(),
            kind: "deliver".to_owned(),
            version: DELIVER_VERSION,
            subject: delivery.id.to_string(),
            payload: "{}".to_owned(),
            delay,
            created_at: self.clock.now(),
        }
    }

    /// Folds a delivery report into the deliveries it speaks of; gives their ids. Empty: not a report on ours.
    async fn fold_report(
        &self,
        message: &Message,
        content: &StoredContent,
        opened: &Opened,
        now: Timestamp,
        change: &mut Change,
    ) -> Result<Vec<String>, StoreError> {
        if message.direction == Direction::Out || message.channel != ChannelKind::Mail {
            return Ok(Vec::new());
        }
        let Some(part) = opened.report_part.and_then(|n| opened.parts.iter().find(|p| p.n == n)) else {
            return Ok(Vec::new());
        };
        let octets = Self::read_part(content, part, REPORT_CAP).await?;
        let reports = catch_unwind(AssertUnwindSafe(|| content.opener.report(&octets))).unwrap_or_default();
        let named: Vec<DeliveryId> = {
            let key = self.bounce_key().await?;
            let of_address = |r: &String| {
                let (local, _) = r.split_once('@')?;
                crate::bounce::parse(&key, local).filter(|(t, _)| *t == message.tenant).map(|(_, d)| d)
            };
            message.transport.recipients.iter().filter_map(of_address).collect()
        };
        let mut folded = Vec::new();
        for report in &reports {
            // Only a return address of ours is proof of relation; the ENVID alone could be anybody's guess.
            let by_envelope = report.envelope_id.parse().ok().filter(|d| named.contains(d));
            let Some(delivery) = by_envelope.or_else(|| named.first().copied()) else { continue };
            if self.fold(message, delivery, report, &octets, now, change).await? {
                folded.push(delivery.to_string());
            }
        }
        folded.sort();
        folded.dedup();
        Ok(folded)
    }

    async fn fold(
        &self,
        carrier: &Message,
        id: DeliveryId,
        report: &Report,
        octets: &[u8],
        now: Timestamp,
        change: &mut Change,
    ) -> Result<bool, StoreError> {
        let tenant = carrier.tenant;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let pending = change.updates.iter().find(|d| d.id == id).cloned();
        let Some(mut delivery) = (match pending {
            Some(d) => Some(d),
            None => messages::get_delivery(&mut tx, tenant, id).await?,
        }) else {
            return Ok(false);
        };
        drop(tx);
        let (event, evidence) = match report.action {
            ReportAction::Delivered => (DeliveryEvent::Confirm, Event::ContentConsignment),
            ReportAction::Failed => (DeliveryEvent::Reject, Event::ContentConsignmentFailure),
            // Only who has it can speak of it.
            ReportAction::Delayed | ReportAction::Relayed => (DeliveryEvent::Accept, Event::RelayToNonERDS),
        };
        let reason = Reason::new(
            match report.action {
                ReportAction::Delivered => "PST-MAIL-2001",
                ReportAction::Failed => "PST-MAIL-5001",
                ReportAction::Delayed => "PST-MAIL-4001",
                ReportAction::Relayed => "PST-MAIL-2002",
            },
            Fault::Remote,
        )
        .with("recipient", &report.recipient)
        .with("status", &report.status)
        .with("detail", &report.diagnostic);
        let next = delivery.state.after(event).ok();
        let moved = next.is_some_and(|n| n != delivery.state);
        if let Some(next) = next
            && (moved || next == DeliveryState::Accepted)
        {
            delivery.state = next;
            delivery.reason = Some(reason.clone());
            delivery.changed_at = now;
            change.updates.retain(|d| d.id != id);
            change.updates.push(delivery.clone());
        }
        change.receipts.push(Receipt {
            tenant,
            id: ReceiptId::new(self.ids()),
            message: delivery.message,
            delivery: id,
            kind: "dsn".to_owned(),
            carried_by: Some(carrier.id),
            body: String::from_utf8_lossy(octets).into_owned(),
            created_at: now,
        });
        change.evidence.push(NewEvidence::new(
            tenant,
            Subject::message(delivery.message),
            if moved { evidence } else { Event::ReceiptFolded },
            Who::house("confirm"),
            json!({
                "delivery": id.to_string(),
                "target": delivery.target.to_string(),
                "carried_by": carrier.id.to_string(),
                "carrier_sha256": carrier.sha256,
                "code": reason.code.as_str(),
                "params": reason.params,
                "fault": reason.fault.as_str(),
            }),
        ));
        if moved && delivery.state == DeliveryState::Rejected {
            self.fail_over(&delivery, &reason, now, change).await?;
            change.jobs.push(self.notice_job(&delivery));
        }
        Ok(true)
    }

    /// The key of return addresses.
    ///
    /// # Errors
    /// When the system tenant is not founded yet.
    pub async fn bounce_key(&self) -> Result<poststelle_crypto::token::MacKey, StoreError> {
        Ok(self.keys.tenant(&self.db, TenantId::SYSTEM).await?.mac_key("bounce")?)
    }
}

/// A message whose content cannot be opened: one part, kept whole, delivered all the same.
fn unreadable(message: &Message) -> Opened {
    let declared = if message.transport.media_type.is_empty() {
        "message/rfc822".to_owned()
    } else {
        message.transport.media_type.clone()
    };
    Opened {
        parts: vec![Part {
            n: 0,
            parent: -1,
            path: "0".to_owned(),
            leaf: true,
            blob: None,
            header: -1,
            start: 0,
            len: message.size,
            encoding: Encoding::Identity,
            declared,
            detected: String::new(),
            charset: String::new(),
            raw_name: String::new(),
            name: "original.eml".to_owned(),
            disposition: String::new(),
            size: message.size,
            sha256: message.sha256.clone(),
            defects: vec!["unreadable".to_owned()],
        }],
        sender_address: message.transport.sender.clone(),
        defects: vec!["unreadable".to_owned()],
        ..Opened::default()
    }
}

/// What a condition sees of a message, but for its text.
pub(crate) fn facts(message: &Message, opened: &Opened) -> Facts {
    let sender = opened.sender_address.to_lowercase();
    let mut headers = std::collections::BTreeMap::new();
    for (name, value) in &opened.headers {
        headers.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Facts {
        subject: opened.subject.clone(),
        sender_domain: sender.rsplit_once('@').map_or(String::new(), |(_, d)| d.to_owned()),
        sender,
        sender_name: opened.sender_name.clone(),
        envelope_sender: message.transport.sender.to_lowercase(),
        recipients: message.transport.recipients.iter().map(|r| r.to_lowercase()).collect(),
        channel: message.channel.as_str().to_owned(),
        size: message.size,
        automatic: opened.automatic,
        urgent: opened.urgent,
        text: String::new(),
        attachments: opened
            .parts
            .iter()
            .filter(|p| p.is_attachment())
            .take(crate::routing::ATTACHMENT_CAP)
            .map(|p| AttachmentFacts {
                name: p.name.clone(),
                media_type: p.declared.clone(),
                detected: p.detected.clone(),
                size: p.size,
            })
            .collect(),
        headers,
    }
}
