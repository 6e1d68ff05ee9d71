// SPDX-License-Identifier: EUPL-1.2
//! What a consumer is told about a message: the content of `message.json` and of the webhook's `data`.
//!
//! Guarantees: [`VERSION`] changes only when a field changes its meaning or goes away; new fields may appear
//! at any time, so consumers ignore what they do not know. Times are RFC 3339 in UTC, digests lower-case
//! hexadecimal, sizes bytes. Absent values are `null` or empty, never left out.
//! Does not: contain octets, secrets, or anything of another tenant.

use poststelle_hub::channel::{IdempotencyKey, Outgoing};
use poststelle_model::{
    ConversationId, DeliveryId, Direction, MailboxId, Message, MessageId, Part, TenantId,
};
use serde::Serialize;

/// Version of the form.
pub const VERSION: u32 = 1;

/// The message; `parts` are written after it by whoever uses it.
#[derive(Debug, Serialize)]
pub struct Sheet<'a> {
    /// [`VERSION`].
    pub version: u32,
    /// Id of the message.
    pub message: MessageId,
    /// Id of the tenant.
    pub tenant: TenantId,
    /// Short name of the tenant.
    pub tenant_name: &'a str,
    /// First mailbox addressed.
    pub mailbox: Option<MailboxId>,
    /// Its thread.
    pub conversation: Option<ConversationId>,
    /// The message it answers.
    pub in_reply_to: Option<MessageId>,
    /// `in` or `out`.
    pub direction: Direction,
    /// Channel it came by, e.g. `mail`.
    pub channel: &'static str,
    /// Id the far side gave it; empty = none.
    pub foreign_id: &'a str,
    /// Message-ID without angle brackets; empty = none.
    pub header_id: &'a str,
    /// When it was accepted.
    pub accepted_at: String,
    /// What the transport said.
    pub envelope: Envelope<'a>,
    /// Subject line as shown.
    pub subject: &'a str,
    /// Author as the headers say: not proven.
    pub sender: &'a str,
    /// Marked urgent.
    pub urgent: bool,
    /// Rule that sent it here.
    pub because: &'a str,
    /// Nothing of it is held back in quarantine.
    pub complete: bool,
    /// Defects of the whole, short codes.
    pub defects: &'a [String],
    /// The octets as they came.
    pub original: Original<'a>,
    /// This hand-over.
    pub delivery: Handover<'a>,
}

/// What the transport said.
#[derive(Debug, Serialize)]
pub struct Envelope<'a> {
    /// Sender; empty = null path.
    pub sender: &'a str,
    /// Recipients of this tenant.
    pub recipients: &'a [String],
    /// TLS version and cipher; empty = none.
    pub tls: &'a str,
}

/// The octets as they came.
#[derive(Debug, Serialize)]
pub struct Original<'a> {
    /// Path inside the package, or link.
    pub file: &'a str,
    /// Media type.
    pub media_type: &'a str,
    /// Length, bytes.
    pub size: i64,
    /// SHA-256.
    pub sha256: &'a str,
    /// SHA-512.
    pub sha512: &'a str,
}

/// The hand-over.
#[derive(Debug, Serialize)]
pub struct Handover<'a> {
    /// Id of the delivery.
    pub id: DeliveryId,
    /// The same through all attempts: whoever has seen it has the message.
    pub idempotency_key: &'a str,
    /// Attempt that built this, from 1; `null` where the form must be the same at every attempt.
    pub attempt: Option<i64>,
}

/// One part.
#[derive(Debug, Serialize)]
pub struct PartRow<'a> {
    /// Number, 0 = the whole.
    pub n: i64,
    /// Number of the enclosing part, -1 = none.
    pub parent: i64,
    /// Place in the tree, `1.2`.
    pub path: &'a str,
    /// Has octets of its own.
    pub leaf: bool,
    /// Path inside the package or link; `null` for inner nodes.
    pub file: Option<String>,
    /// Safe name.
    pub name: &'a str,
    /// Name as sent; empty = none.
    pub raw_name: &'a str,
    /// Declared media type.
    pub media_type: &'a str,
    /// Media type by content; empty = unknown.
    pub detected_type: &'a str,
    /// Declared character set; empty = none.
    pub charset: &'a str,
    /// `attachment`, `inline` or empty.
    pub disposition: &'a str,
    /// Decoded length, bytes.
    pub size: i64,
    /// SHA-256 of the decoded octets; empty for inner nodes.
    pub sha256: &'a str,
    /// Defects, short codes.
    pub defects: &'a [String],
    /// Held back in quarantine: not handed over; a later hand-over brings it if it is released.
    pub held: bool,
}

impl<'a> Sheet<'a> {
    /// The sheet of a hand-over. `file` says where the original is.
    #[must_use]
    pub fn new(out: &'a Outgoing, key: &'a IdempotencyKey, file: &'a str, attempt: Option<i64>) -> Self {
        let message = &out.message;
        Self {
            version: VERSION,
            message: message.id,
            tenant: message.tenant,
            tenant_name: &out.tenant_slug,
            mailbox: message.mailbox,
            conversation: message.conversation,
            in_reply_to: message.in_reply_to,
            direction: message.direction,
            channel: message.channel.as_str(),
            foreign_id: &message.foreign_id,
            header_id: &out.header_id,
            accepted_at: message.accepted_at.rfc3339(),
            envelope: Envelope {
                sender: &message.transport.sender,
                recipients: &message.transport.recipients,
                tls: &message.transport.tls,
            },
            subject: &out.subject,
            sender: &out.sender,
            urgent: out.urgent,
            because: &out.because,
            complete: !out.content.is_incomplete(),
            defects: &out.defects,
            original: Original {
                file,
                media_type: media_type(message),
                size: message.size,
                sha256: &message.sha256,
                sha512: &message.sha512,
            },
            delivery: Handover { id: out.delivery, idempotency_key: &key.0, attempt },
        }
    }
}

impl<'a> PartRow<'a> {
    /// The row of a part; `file` as in [`PartRow::file`].
    #[must_use]
    pub fn new(part: &'a Part, file: Option<String>, held: bool) -> Self {
        Self {
            n: part.n,
            parent: part.parent,
            path: &part.path,
            leaf: part.leaf,
            file,
            name: &part.name,
            raw_name: &part.raw_name,
            media_type: &part.declared,
            detected_type: &part.detected,
            charset: &part.charset,
            disposition: &part.disposition,
            size: part.size,
            sha256: &part.sha256,
            defects: &part.defects,
            held,
        }
    }
}

/// Media type of the original.
#[must_use]
pub fn media_type(message: &Message) -> &str {
    match message.transport.media_type.as_str() {
        "" => "message/rfc822",
        said => said,
    }
}

/// Is the original a mail as a mail program opens it?
#[must_use]
pub fn is_mail(message: &Message) -> bool {
    let essence = media_type(message).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "message/rfc822" || essence == "message/global"
}
