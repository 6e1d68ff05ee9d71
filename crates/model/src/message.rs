// SPDX-License-Identifier: EUPL-1.2
//! Messages: one unit of mail, immutable once accepted.

use serde::{Deserialize, Serialize};

use crate::ids::{BlobId, ConversationId, MailboxId, MessageId, TenantId};
use crate::time::Timestamp;

/// Which way a message goes, seen from the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From outside to the tenant.
    In,
    /// From the tenant to outside.
    Out,
}

impl Direction {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        if word == "out" { Self::Out } else { Self::In }
    }
}

/// The channels the house knows. A new one is a new word here and a module in `channels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// E-mail over SMTP.
    Mail,
    /// The REST intake.
    Rest,
}

impl ChannelKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Mail, Self::Rest];

    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Rest => "rest",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What the transport said about a message: kept beside the octets, never inside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transport {
    /// Sender as the transport names it (SMTP reverse path; empty = null path).
    #[serde(default)]
    pub sender: String,
    /// Recipients of this tenant as the transport names them.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Far side: address and port, or the API client.
    #[serde(default)]
    pub peer: String,
    /// What the far side called itself (HELO).
    #[serde(default)]
    pub helo: String,
    /// TLS version and cipher; empty = none.
    #[serde(default)]
    pub tls: String,
    /// Envelope id the far side gave (RFC 3461 ENVID).
    #[serde(default)]
    pub envelope_id: String,
    /// Media type when the transport says it (HTTP); empty = `message/rfc822`.
    #[serde(default)]
    pub media_type: String,
    /// Line ends other than CRLF occurred.
    #[serde(default)]
    pub bare_line_ends: bool,
}

/// One message as accepted. Nothing of it ever changes; its thread is found when it is processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Whose mail it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: MessageId,
    /// In or out.
    pub direction: Direction,
    /// Over which channel it came, or by which it leaves.
    pub channel: ChannelKind,
    /// First box addressed; `None` for strays.
    pub mailbox: Option<MailboxId>,
    /// Id the far side gave it; empty when the channel has none (SMTP).
    pub foreign_id: String,
    /// An earlier message with the same foreign id but other octets.
    pub conflicts_with: Option<MessageId>,
    /// The message it answers, if that is here too.
    pub in_reply_to: Option<MessageId>,
    /// Its thread, if it answers something; the first message of a thread gives it its id.
    pub conversation: Option<ConversationId>,
    /// The octets.
    pub blob: BlobId,
    /// Their length, bytes.
    pub size: i64,
    /// Their SHA-256, hexadecimal.
    pub sha256: String,
    /// Their SHA-512, hexadecimal.
    pub sha512: String,
    /// What the transport said.
    pub transport: Transport,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}
