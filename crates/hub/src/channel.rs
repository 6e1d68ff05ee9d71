// SPDX-License-Identifier: EUPL-1.2
//! The contract between the hub and everything outside: [`Channel`].
//!
//! A channel turns one protocol (mail, hot folder, webhook, later OSCI …) into
//! six verbs. It knows the hub only through [`Cx`] and [`Outgoing`]; it writes
//! no database, decides no routing and never retries by itself. Push intakes
//! (SMTP, REST) use [`crate::accept::Intake`] instead of [`Channel::poll`].
//!
//! What every channel must keep is tested by the conformance suite in `world`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use poststelle_model::{Clock, DeliveryId, Ids, Message, Part, Reason, Retry, Target, TenantId, Timestamp};

use crate::content::Content;

/// What a channel can do; shown in `doctor`, on the status page and used by the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Stable word, `mail`, `hot_folder`, `webhook`.
    pub name: &'static str,
    /// Name on screen.
    pub title: &'static str,
    /// Largest message it takes, bytes of the original; the hub offers nothing larger.
    pub max_size: u64,
    /// Does acceptance mean arrival (hot folder), or does a receipt follow (mail)?
    pub confirms: Confirms,
    /// Does the far side recognise the idempotency key, so that sending again is harmless?
    pub idempotent: bool,
    /// Most deliveries to one target at once, per tenant and node.
    pub parallel: usize,
}

/// What `Accepted` means on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirms {
    /// Taking it over is arrival: `Accepted` becomes `Confirmed` at once.
    AtOnce,
    /// A receipt may follow; without one it stays `Accepted`.
    ByReceipt,
}

/// All that a channel may reach.
#[derive(Clone)]
pub struct Cx {
    /// For whom.
    pub tenant: TenantId,
    /// Injected clock.
    pub clock: Arc<dyn Clock>,
    /// Injected ids.
    pub ids: Arc<dyn Ids>,
    /// The call must be over by then; the hub drops it otherwise and treats it as [`SendOutcome::Unclear`].
    pub deadline: Timestamp,
}

impl Cx {
    /// Time left until the deadline.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.deadline.since(self.clock.now())
    }
}

/// Names one delivery to the far side: the same through all attempts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(pub String);

impl IdempotencyKey {
    /// The key of a delivery.
    #[must_use]
    pub fn of(delivery: DeliveryId) -> Self {
        Self(delivery.to_string())
    }
}

/// One delivery to be handed over.
pub struct Outgoing {
    /// Which.
    pub delivery: DeliveryId,
    /// Where to.
    pub target: Target,
    /// Settings of the target (JSON of the connector; `null` for addresses).
    pub config: serde_json::Value,
    /// Secret of the target, if it has one (webhook HMAC key, SMTP password).
    pub secret: Option<Arc<Vec<u8>>>,
    /// The message.
    pub message: Message,
    /// Short name of the tenant (`a-z0-9-`), for folder names and addresses.
    pub tenant_slug: String,
    /// Subject line.
    pub subject: String,
    /// Author as the headers say.
    pub sender: String,
    /// Defects found, short codes.
    pub defects: Vec<String>,
    /// Marked urgent.
    pub urgent: bool,
    /// Why it goes there: name of the rule, or the house's own reason.
    pub because: String,
    /// Message-ID of the message, without angle brackets; empty = none.
    pub header_id: String,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// An earlier attempt may have arrived.
    pub maybe_repeated: bool,
    /// Address reports about this delivery shall go to (mail: the reverse path).
    pub return_path: String,
    /// Octets of the message and of its parts.
    pub content: Arc<dyn Content>,
}

/// Octets as they come.
pub type Octets = BoxStream<'static, Result<Bytes, ChannelError>>;

/// What became of a hand-over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The far side has it.
    Accepted {
        /// What it said, at most 64 KiB (SMTP dialogue, HTTP answer).
        receipt: Option<ReceiptText>,
        /// Its id there; empty = none.
        foreign_id: String,
    },
    /// Final refusal.
    Rejected {
        /// Why, and who must act.
        reason: Reason,
        /// What it said.
        receipt: Option<ReceiptText>,
    },
    /// It may have it.
    Unclear {
        /// What was seen last.
        reason: Reason,
        /// What was said so far.
        receipt: Option<ReceiptText>,
    },
}

/// What the far side gave us, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptText {
    /// `smtp-dialogue`, `http-response`, `hot-folder`.
    pub kind: &'static str,
    /// The text.
    pub body: String,
}

/// Answer to "what became of this delivery?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconciled {
    /// It is there.
    Arrived {
        /// What shows it.
        receipt: Option<ReceiptText>,
        /// Its id there.
        foreign_id: String,
    },
    /// It is certainly not there: send again.
    NotThere,
    /// The channel cannot tell.
    Unknown,
}

/// A call that came to no outcome: nothing was taken over.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct ChannelError {
    /// Can another try help?
    pub retry: Retry,
    /// Why, and who must act.
    pub reason: Reason,
    /// The far side asked to wait this long.
    pub after: Option<Duration>,
}

impl ChannelError {
    /// Worth another try.
    #[must_use]
    pub const fn later(reason: Reason) -> Self {
        Self { retry: Retry::Later, reason, after: None }
    }

    /// Never worth another try without a person's act.
    #[must_use]
    pub const fn never(reason: Reason) -> Self {
        Self { retry: Retry::Never, reason, after: None }
    }
}

/// One message found by polling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The far side's id.
    pub foreign_id: String,
    /// What [`Channel::confirm`] needs.
    pub token: String,
}

/// What one poll found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Messages there, oldest first.
    pub listed: Vec<Listed>,
    /// More are waiting.
    pub more: bool,
}

/// One protocol as the hub sees it.
#[async_trait]
pub trait Channel: Send + Sync {
    /// What it can do.
    fn describe(&self) -> Descriptor;

    /// Is the far side (or the folder) there? Changes nothing. `config` as in [`Outgoing::config`].
    async fn check(&self, cx: &Cx, config: &serde_json::Value) -> Result<(), ChannelError>;

    /// May a tenant write these settings itself? Asked before they are kept: are they readable, and do they stay
    /// within what the operator allows this tenant (named by its short name)? `secret` is a new one, if there is one.
    async fn admits(
        &self,
        tenant_slug: &str,
        config: &serde_json::Value,
        secret: Option<&[u8]>,
    ) -> Result<(), ChannelError> {
        let _ = (tenant_slug, config, secret);
        Ok(())
    }

    /// Really tries the target, with its secret, and leaves nothing there. By default as [`Channel::check`].
    async fn probe(
        &self,
        cx: &Cx,
        config: &serde_json::Value,
        secret: Option<&[u8]>,
    ) -> Result<(), ChannelError> {
        let _ = secret;
        self.check(cx, config).await
    }

    /// Hands one delivery over. Called again with the same key after a crash.
    async fn send(&self, cx: &Cx, out: &Outgoing, key: &IdempotencyKey) -> Result<SendOutcome, ChannelError>;

    /// Asks the far side what became of a delivery whose outcome is unclear.
    async fn reconcile(
        &self,
        cx: &Cx,
        out: &Outgoing,
        key: &IdempotencyKey,
    ) -> Result<Reconciled, ChannelError> {
        let _ = (cx, out, key);
        Ok(Reconciled::Unknown)
    }

    /// Forgets what is long over at one target; called now and then.
    async fn tidy(&self, cx: &Cx, config: &serde_json::Value) -> Result<(), ChannelError> {
        let _ = (cx, config);
        Ok(())
    }

    /// Lists what waits at the far side (pull channels).
    async fn poll(&self, cx: &Cx) -> Result<Batch, ChannelError> {
        let _ = cx;
        Ok(Batch::default())
    }

    /// Fetches the octets of one listed message (pull channels).
    async fn fetch(&self, cx: &Cx, listed: &Listed) -> Result<Octets, ChannelError> {
        let _ = (cx, listed);
        Err(ChannelError::never(Reason::new("PST-HUB-0001", poststelle_model::Fault::Operator)))
    }

    /// Tells the far side that a fetched message is committed here (pull channels). Never before the commit.
    async fn confirm(&self, cx: &Cx, listed: &Listed) -> Result<(), ChannelError> {
        let _ = (cx, listed);
        Ok(())
    }
}

/// A part with its octets, as [`Outgoing::content`] gives them.
pub struct PartOctets {
    /// The part.
    pub part: Part,
    /// Its decoded octets.
    pub octets: Octets,
}
