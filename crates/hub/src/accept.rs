// SPDX-License-Identifier: EUPL-1.2
//! Accept: the first durable step. *No evidence, no acknowledgement.*
//!
//! Guarantees: [`Intake::finish`] returns after the octets are synced and one
//! transaction {message, evidence, job} is committed, for every tenant addressed.
//! Before that nothing is there; a failure in between leaves at most an orphan
//! blob that the sweep removes. Same foreign id and same digest → the same answer
//! again; same foreign id, other octets → a new message, marked.

use std::collections::BTreeMap;
use std::time::Duration;

use poststelle_crypto::digest::Digests;
use poststelle_evidence::NewEvidence;
use poststelle_model::message::Transport;
use poststelle_model::{
    BlobId, ChannelKind, Direction, Event, Fault, JobId, MailboxId, Message, MessageId, Reason, Retry,
    Subject, TenantId, Who,
};
use poststelle_store::blob::{self, BlobWriter};
use poststelle_store::jobs::NewJob;
use poststelle_store::messages::{self, NewMessage};
use poststelle_store::{Scope, StoreError};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use crate::change::{Change, CommitError};
use crate::health::Component;
use crate::hub::Hub;
use crate::metrics::ChannelLabel;
use crate::trace;

/// Version of the payload of `process` jobs.
pub const PROCESS_VERSION: i64 = 1;

/// What is to be accepted.
#[derive(Debug, Clone)]
pub struct NewIntake {
    /// Channel.
    pub channel: ChannelKind,
    /// In, or out when a principal of ours hands it in for others.
    pub direction: Direction,
    /// Tenants and their boxes addressed; a stray has the system tenant and no box.
    pub addressed: BTreeMap<TenantId, Vec<MailboxId>>,
    /// Recipients of each tenant, as the transport names them.
    pub recipients: BTreeMap<TenantId, Vec<String>>,
    /// What the transport said (its `recipients` is filled per tenant).
    pub transport: Transport,
    /// Id the far side gave it; empty when the channel has none.
    pub foreign_id: String,
    /// Announced size, if any.
    pub announced: Option<u64>,
    /// Who hands it in.
    pub who: Who,
}

/// Why something was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Too much at once: try again later.
    #[error("too much in work")]
    Busy,
    /// Larger than the cap.
    #[error("larger than {cap} bytes")]
    TooLarge {
        /// The cap.
        cap: u64,
    },
    /// Too many tenants in one transaction.
    #[error("more than {cap} tenants in one transaction")]
    TooManyTenants {
        /// The cap.
        cap: usize,
    },
    /// Database or blobs are in trouble: what comes now could not be kept.
    #[error("closed: {0}")]
    Closed(Reason),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The commit.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl AcceptError {
    /// The reason with its stable code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Busy => Reason::new("PST-ACCEPT-0001", Fault::Nobody),
            Self::TooLarge { cap } => Reason::new("PST-ACCEPT-0002", Fault::Sender).with("cap", cap),
            Self::TooManyTenants { cap } => Reason::new("PST-ACCEPT-0003", Fault::Sender).with("cap", cap),
            Self::Closed(reason) => reason.clone(),
            Self::Store(e) => e.reason(),
            Self::Commit(e) => e.store().map_or_else(
                || Reason::new("PST-ACCEPT-0004", Fault::Operator).with("detail", e),
                StoreError::reason,
            ),
        }
    }

    /// What kind of reason this is, in one word for metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::TooLarge { .. } => "too_large",
            Self::TooManyTenants { .. } => "too_many_tenants",
            Self::Closed(_) | Self::Store(_) | Self::Commit(_) => "store",
        }
    }

    /// Can the sender try again?
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::TooLarge { .. } | Self::TooManyTenants { .. } => Retry::Never,
            _ => Retry::Later,
        }
    }
}

/// Why an intake was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abandoned {
    /// We refused octets.
    Refused,
    /// The sender went away or sent less than it announced.
    BrokenOff,
    /// The sender was too slow.
    TooSlow,
    /// More than the transport takes.
    TooLarge,
    /// Nothing at all was sent.
    Empty,
    /// The house is closing.
    Closing,
}

impl Abandoned {
    /// In one word for metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::BrokenOff => "broken_off",
            Self::TooSlow => "too_slow",
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::Closing => "closing",
        }
    }
}

/// One accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub message: MessageId,
    /// It was here already: the same answer again.
    pub repeated: bool,
}

struct Lane {
    tenant: TenantId,
    message: MessageId,
    blob: BlobId,
    wrapped: String,
    writer: BlobWriter,
    span: tracing::Span,
}

/// A message being taken in.
pub struct Intake {
    new: NewIntake,
    lanes: Vec<Lane>,
    cap: u64,
    seen: u64,
    refused: Option<&'static str>,
    along: Change,
    _budget: OwnedSemaphorePermit,
}

/// Memory one intake and tenant holds, KiB: a block of plain and one of sealed octets.
const SHARE_KIB: u64 = 2560;

impl Hub {
    /// Begins to take a message in.
    ///
    /// # Errors
    /// [`AcceptError::Busy`] when the byte budget is used up, [`AcceptError::Closed`] while the watch has not seen a
    /// troubled database or blob store work again, or when the store cannot take it.
    pub async fn accept(&self, new: NewIntake) -> Result<Intake, AcceptError> {
        let channel = new.channel;
        self.begin(new).await.inspect_err(|error| self.metrics.refuse(channel, error.word()))
    }

    /// Can anything be kept now? For doors that would otherwise ask much of a database that does not answer.
    ///
    /// # Errors
    /// [`AcceptError::Closed`].
    pub fn door(&self, channel: ChannelKind) -> Result<(), AcceptError> {
        let closed = self.health.closed();
        closed
            .map_or(Ok(()), |reason| Err(AcceptError::Closed(reason)))
            .inspect_err(|error| self.metrics.refuse(channel, error.word()))
    }

    async fn begin(&self, new: NewIntake) -> Result<Intake, AcceptError> {
        if let Some(reason) = self.health.closed() {
            return Err(AcceptError::Closed(reason));
        }
        let cap = self.limits.message_bytes;
        if new.announced.is_some_and(|size| size > cap) {
            return Err(AcceptError::TooLarge { cap });
        }
        let tenants = new.addressed.len();
        if tenants > self.limits.tenants_per_transaction {
            return Err(AcceptError::TooManyTenants { cap: self.limits.tenants_per_transaction });
        }
        let share = new.announced.map_or(SHARE_KIB, |size| (2 * size / 1024 + 128).min(SHARE_KIB));
        let share = u32::try_from(share * tenants as u64).unwrap_or(u32::MAX);
        let share = share.min(u32::try_from(self.limits.intake_kib).unwrap_or(u32::MAX));
        let budget = self.budget_share(share, self.limits.intake_wait).await?;
        let mut lanes = Vec::with_capacity(tenants);
        for tenant in new.addressed.keys().copied() {
            let key = self.keys.tenant(&self.db, tenant).await.map_err(|e| self.noticed(e))?;
            let (message, blob) = (MessageId::new(self.ids()), BlobId::new(self.ids()));
            let (message_key, wrapped) = self.keys.create_message(&key, tenant, message)?;
            let blob_key = message_key.derive_blob_key(blob.uuid().as_bytes()).map_err(StoreError::from)?;
            let name = blob::name(tenant, message, blob);
            let writer =
                BlobWriter::create(&self.blobs, &name, &blob_key).await.map_err(|e| self.noticed(e))?;
            let span = trace::accept(&new, tenant, message);
            lanes.push(Lane { tenant, message, blob, wrapped, writer, span });
        }
        Ok(Intake { new, lanes, cap, seen: 0, refused: None, along: Change::default(), _budget: budget })
    }

    async fn budget_share(&self, share: u32, wait: Duration) -> Result<OwnedSemaphorePermit, AcceptError> {
        let permit = std::sync::Arc::clone(&self.budget).acquire_many_owned(share);
        match tokio::time::timeout(wait, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(AcceptError::Busy),
        }
    }

    /// Notes what a store error says about the house, and hands it on.
    pub(crate) fn noticed(&self, error: StoreError) -> StoreError {
        self.notice_outage(&error);
        error
    }

    /// Notes what a store error says about the house.
    pub(crate) fn notice_outage(&self, error: &StoreError) {
        let component = if error.is_database_outage() {
            Component::Database
        } else if error.is_blob_outage() {
            Component::Blobs
        } else {
            return;
        };
        if self.health.fails(component, error.reason(), self.clock.now()) {
            tracing::error!(component = component.as_str(), %error, "component fails");
        }
    }
}

impl Intake {
    /// Ids the messages will have.
    pub fn ids(&self) -> impl Iterator<Item = (TenantId, MessageId)> + '_ {
        self.lanes.iter().map(|l| (l.tenant, l.message))
    }

    /// Commits this with the messages; nothing of it when they were here already.
    pub fn along(&mut self, change: Change) {
        self.along = change;
    }

    /// What the transport said, for what is known only at the end.
    pub const fn transport_mut(&mut self) -> &mut Transport {
        &mut self.new.transport
    }

    /// Takes the next octets.
    ///
    /// # Errors
    /// [`AcceptError::TooLarge`] above the cap; store errors.
    pub async fn push(&mut self, hub: &Hub, octets: &[u8]) -> Result<(), AcceptError> {
        let pushed = self.add(hub, octets).await;
        if let Err(error) = &pushed {
            self.refused = Some(error.word());
        }
        pushed
    }

    async fn add(&mut self, hub: &Hub, octets: &[u8]) -> Result<(), AcceptError> {
        self.seen += octets.len() as u64;
        if self.seen > self.cap {
            return Err(AcceptError::TooLarge { cap: self.cap });
        }
        for lane in &mut self.lanes {
            lane.writer.push(octets).await.map_err(|e| hub.noticed(e))?;
        }
        Ok(())
    }

    /// Gives it up; nothing stays.
    pub async fn abort(self, hub: &Hub, why: Abandoned) {
        hub.metrics.refuse(self.new.channel, self.refused.unwrap_or(why.word()));
        for lane in self.lanes {
            lane.span.record("outcome", "aborted");
            lane.writer.abort().await;
        }
    }

    /// Makes it durable: the only place from which an acknowledgement may follow.
    ///
    /// # Errors
    /// Nothing may be acknowledged then.
    pub async fn finish(self, hub: &Hub) -> Result<Vec<Accepted>, AcceptError> {
        let channel = self.new.channel;
        self.commit(hub).await.inspect_err(|error| hub.metrics.refuse(channel, error.word()))
    }

    async fn commit(self, hub: &Hub) -> Result<Vec<Accepted>, AcceptError> {
        let now = hub.clock.now();
        let channel = self.new.channel;
        let mut change = self.along;
        let mut accepted = Vec::with_capacity(self.lanes.len());
        let mut size = 0;
        let mut spans = Vec::with_capacity(self.lanes.len());
        for lane in self.lanes {
            let (length, digests) = lane.writer.finish().await.map_err(|e| hub.noticed(e))?;
            trace::stored(&lane.span, length);
            size = length;
            let sha256 = digests.sha256_hex();
            let mut conflicts_with = None;
            if !self.new.foreign_id.is_empty() {
                let mut tx = hub.db.read(Scope::Tenant(lane.tenant)).await.map_err(|e| hub.noticed(e))?;
                let earlier =
                    messages::by_foreign_id(&mut tx, lane.tenant, channel, &self.new.foreign_id).await?;
                if let Some((message, _)) = earlier.iter().find(|(_, digest)| *digest == sha256) {
                    let name = blob::name(lane.tenant, lane.message, lane.blob);
                    hub.blobs.delete(&name).await?;
                    trace::repeated(&lane.span, *message);
                    accepted.push(Accepted { tenant: lane.tenant, message: *message, repeated: true });
                    continue;
                }
                conflicts_with = earlier.first().map(|(message, _)| *message);
            }
            let mailboxes = self.new.addressed.get(&lane.tenant).cloned().unwrap_or_default();
            let mut transport = self.new.transport.clone();
            transport.recipients = self.new.recipients.get(&lane.tenant).cloned().unwrap_or_default();
            let message = Message {
                tenant: lane.tenant,
                id: lane.message,
                direction: self.new.direction,
                channel,
                mailbox: mailboxes.first().copied(),
                foreign_id: self.new.foreign_id.clone(),
                conflicts_with,
                in_reply_to: None,
                conversation: None,
                blob: lane.blob,
                size: i64::try_from(length).unwrap_or(i64::MAX),
                sha256,
                sha512: digests.sha512_hex(),
                transport,
                accepted_at: now,
            };
            // First of its chain, whatever goes along.
            change.evidence.insert(0, accepted_evidence(&message, &self.new.who, &digests));
            change.jobs.push(NewJob {
                id: JobId::new(hub.ids()),
                tenant: lane.tenant,
                lane: "process".to_owned(),
                kind: "process".to_owned(),
                version: PROCESS_VERSION,
                subject: lane.message.to_string(),
                payload: "{}".to_owned(),
                delay: Duration::ZERO,
                created_at: now,
            });
            change.messages.push(NewMessage { message, wrapped_key: lane.wrapped, mailboxes });
            spans.push(lane.span);
            accepted.push(Accepted { tenant: lane.tenant, message: lane.message, repeated: false });
        }
        let fresh = change.messages.len() as u64;
        let young: Vec<(Message, String)> =
            change.messages.iter().map(|m| (m.message.clone(), m.wrapped_key.clone())).collect();
        if fresh > 0 {
            let ids: Vec<(TenantId, MessageId)> =
                change.messages.iter().map(|m| (m.message.tenant, m.message.id)).collect();
            if let Err(error) = hub.committer.commit(change).await {
                // A commit whose answer was lost may have happened: then it is accepted all the same.
                if !(error.is_exists() && all_there(hub, &ids).await) {
                    if let Some(error) = error.store() {
                        hub.notice_outage(error);
                    }
                    // Else a full database would fill the blob store with what nobody may ever read.
                    if error.is_refusal() {
                        for (message, _) in &young {
                            let name = blob::name(message.tenant, message.id, message.blob);
                            let _ = hub.blobs.delete(&name).await;
                        }
                    }
                    let error = AcceptError::from(error);
                    spans.iter().for_each(|span| trace::failed(span, &error.reason()));
                    return Err(error);
                }
            }
        }
        for span in spans {
            span.record("outcome", "accepted");
        }
        for (message, wrapped) in young {
            hub.recent.accepted(message, &wrapped);
        }
        let label = ChannelLabel { channel: channel.as_str().into() };
        let repeated = accepted.iter().filter(|a| a.repeated).count() as u64;
        hub.metrics.repeated.get_or_create(&label).inc_by(repeated);
        hub.metrics.accepted.get_or_create(&label).inc_by(fresh);
        hub.metrics.accepted_bytes.get_or_create(&label).inc_by(size * fresh);
        Ok(accepted)
    }
}

async fn all_there(hub: &Hub, ids: &[(TenantId, MessageId)]) -> bool {
    for (tenant, id) in ids {
        let Ok(mut tx) = hub.db.read(Scope::Tenant(*tenant)).await else { return false };
        if !matches!(messages::exists(&mut tx, *tenant, *id).await, Ok(true)) {
            return false;
        }
    }
    true
}

fn accepted_evidence(message: &Message, who: &Who, digests: &Digests) -> NewEvidence {
    let event = match (message.channel, message.direction) {
        (ChannelKind::Mail, Direction::In) => Event::ReceivedFromNonERDS,
        _ => Event::SubmissionAcceptance,
    };
    NewEvidence::new(
        message.tenant,
        Subject::message(message.id),
        event,
        who.clone(),
        json!({
            "channel": message.channel.as_str(),
            "direction": message.direction.as_str(),
            "size": message.size,
            "sha256": digests.sha256_hex(),
            "sha512": digests.sha512_hex(),
            "sender": message.transport.sender,
            "recipients": message.transport.recipients,
            "peer": message.transport.peer,
            "tls": message.transport.tls,
            "foreign_id": message.foreign_id,
            "conflicts_with": message.conflicts_with.map(|m| m.to_string()).unwrap_or_default(),
        }),
    )
}
