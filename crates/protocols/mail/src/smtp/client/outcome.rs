// SPDX-License-Identifier: EUPL-1.2
//! What became of a hand-over, per message and per recipient (RFC 5321 §4.2.1, §4.5.3.1.10).
//!
//! Guarantees: every failure names the stage and the cause; replies are the far side's own words.

use super::{Dialogue, Mail};
use crate::smtp::{Address, Reply};
use std::fmt;

/// What became of the message as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The far side took responsibility for at least one recipient; see [`Report::recipients`].
    Accepted {
        /// Its answer to the message, usually with its queue id.
        reply: Reply,
    },
    /// Refused for good: trying again unchanged is pointless.
    Rejected(Reason),
    /// The far side does not have it; later it may work.
    TryLater(Reason),
    /// The far side may have it: the end of the message was sent, no readable answer came.
    Unclear(Reason),
}

/// [`Outcome`] without its reasons, per recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Taken.
    Accepted,
    /// Refused for good.
    Rejected,
    /// Not taken now.
    TryLater,
    /// May have been taken.
    Unclear,
}

/// Where and why it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Where.
    pub stage: Stage,
    /// Why.
    pub cause: Cause,
}

/// Steps of a hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Stage {
    Resolve,
    Connect,
    Tls,
    Greeting,
    Hello,
    Auth,
    Reset,
    Mail,
    Recipient,
    Data,
    Body,
    /// After the final dot.
    End,
}

/// Why a step did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The far side said so.
    #[error("{0}")]
    Reply(Reply),
    /// No answer, or no progress, within the step's time-out.
    #[error("timed out")]
    TimedOut,
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The far side does not speak SMTP, or too much of it.
    #[error("not an SMTP reply: {0}")]
    Garbage(String),
    /// No address for the host.
    #[error("cannot resolve: {0}")]
    Unresolved(String),
    /// No address answered.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The handshake failed, or TLS is required and was not offered.
    #[error("TLS: {0}")]
    Tls(String),
    /// Our own body source failed.
    #[error("cannot read the message: {0}")]
    Source(String),
    /// The server lacks an extension this message needs.
    #[error("the server does not offer {0}")]
    Missing(&'static str),
    /// The message is larger than the server says it takes.
    #[error("message of {size} octets exceeds the server's limit of {limit} octets")]
    TooBig {
        /// Size of the message.
        size: u64,
        /// The server's limit.
        limit: u64,
    },
    /// The body holds a line with a single dot between bare line ends: lax servers would take what follows
    /// for commands.
    #[error("the message imitates an end of message with bare line ends")]
    UnsafeBody,
    /// A password would have to be sent in clear.
    #[error("authentication would need TLS")]
    AuthInClear,
    /// There is nobody to send to.
    #[error("no recipients")]
    NoRecipients,
    /// The connection object was used after it had failed.
    #[error("the connection is used up")]
    UsedUp,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.stage, self.cause)
    }
}

impl Outcome {
    /// Without reasons.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Accepted { .. } => Fate::Accepted,
            Self::Rejected(_) => Fate::Rejected,
            Self::TryLater(_) => Fate::TryLater,
            Self::Unclear(_) => Fate::Unclear,
        }
    }

    /// The reply that decided, if it was one.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Accepted { reply } => Some(reply),
            Self::Rejected(r) | Self::TryLater(r) | Self::Unclear(r) => match &r.cause {
                Cause::Reply(reply) => Some(reply),
                _ => None,
            },
        }
    }

    /// A failure before anything was decided about the message.
    pub(super) fn later(stage: Stage, cause: Cause) -> Self {
        Self::TryLater(Reason { stage, cause })
    }

    /// A negative reply about the message: 5xx is for good.
    pub(super) fn refused(stage: Stage, reply: Reply) -> Self {
        let permanent = reply.is_permanent();
        let reason = Reason { stage, cause: Cause::Reply(reply) };
        if permanent { Self::Rejected(reason) } else { Self::TryLater(reason) }
    }
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientReport {
    /// Who.
    pub address: Address,
    /// What became of it, the end of the message considered.
    pub fate: Fate,
    /// Answer to its RCPT; `None` when it was not reached.
    pub reply: Option<Reply>,
}

/// Whether notifications were asked for, and whether the server will hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DsnWish {
    /// The envelope asked for nothing.
    None,
    /// Asked, and the server offers DSN.
    Passed,
    /// Asked, but the server does not offer DSN (or it was not reached): nothing was passed on.
    NotSupported,
}

/// Everything about one hand-over.
#[derive(Debug, Clone)]
pub struct Report {
    /// The message as a whole.
    pub outcome: Outcome,
    /// Each recipient, in the order of the envelope.
    pub recipients: Vec<RecipientReport>,
    /// What became of the notification wishes.
    pub dsn: DsnWish,
    /// What was said.
    pub dialogue: Dialogue,
}

/// No connection came about.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Always [`Outcome::TryLater`].
    pub outcome: Outcome,
    /// What was said.
    pub dialogue: Dialogue,
}

impl Report {
    /// A report for a message whose connection did not come about.
    pub fn from_failure(failure: Failure, mail: &Mail) -> Self {
        let fate = failure.outcome.fate();
        let recipients = mail
            .recipients
            .iter()
            .map(|r| RecipientReport { address: r.address.clone(), fate, reply: None })
            .collect();
        let dsn = if mail.wants_dsn() { DsnWish::NotSupported } else { DsnWish::None };
        Self { outcome: failure.outcome, recipients, dsn, dialogue: failure.dialogue }
    }
}

/// What a negative answer to RCPT means for this recipient. 552 without a better code is "too many
/// recipients" of old servers and temporary (RFC 5321 §4.5.3.1.10).
pub(super) fn recipient_fate(reply: &Reply) -> Fate {
    let too_many = reply.code == 552 && matches!(reply.enhanced, None | Some((_, 5, 3)));
    if reply.is_success() {
        Fate::Accepted
    } else if reply.is_permanent() && !too_many {
        Fate::Rejected
    } else {
        Fate::TryLater
    }
}
