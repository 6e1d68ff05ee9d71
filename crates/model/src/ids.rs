// SPDX-License-Identifier: EUPL-1.2
//! Identifiers: globally unique 128-bit values (UUIDv7, RFC 9562), one type per thing.
//!
//! A tenant can move between installations, so no id is ever a counter. The
//! text form (36 characters, lower case) sorts by creation time.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Source of new ids; injected so that tests are repeatable.
pub trait Ids: Send + Sync {
    /// A fresh id, greater than all this source gave before.
    fn next(&self) -> Uuid;
}

/// Ids from a seed: the n-th id is always the same. For tests and demos.
#[derive(Debug)]
pub struct SeededIds(Mutex<(u64, u64)>);

impl SeededIds {
    /// `seed` separates the ids of two sources.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(Mutex::new((seed, 0)))
    }
}

impl Ids for SeededIds {
    fn next(&self) -> Uuid {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.1 += 1;
        let mut tail = [0u8; 10];
        for (i, byte) in state.0.to_be_bytes().iter().chain([0, 0].iter()).enumerate() {
            if let Some(slot) = tail.get_mut(i) {
                *slot = *byte;
            }
        }
        uuid::Builder::from_unix_timestamp_millis(state.1, &tail).into_uuid()
    }
}

/// An id text that is not a UUID.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not an id (36 characters, hexadecimal with hyphens): {0:.60}")]
pub struct BadId(String);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id.
            pub fn new(ids: &dyn Ids) -> Self {
                Self(ids.next())
            }
            /// Wraps a raw value.
            #[must_use]
            pub const fn from_uuid(value: Uuid) -> Self {
                Self(value)
            }
            /// The raw value.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.hyphenated())
            }
        }
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Uuid::try_parse(text).map(Self).map_err(|_| BadId(text.chars().take(60).collect()))
            }
        }
    )+};
}

ids! {
    /// A legal entity whose mail it is.
    TenantId,
    /// An Amt, a town, a district: who works.
    AdministrationId,
    /// A person or a service.
    PrincipalId,
    /// An addressable box of a tenant.
    MailboxId,
    /// A place where people work.
    DeskId,
    /// One immutable message.
    MessageId,
    /// One hand-over of one message to one target.
    DeliveryId,
    /// A configured hand-over (hot folder, webhook).
    ConnectorId,
    /// A routing rule.
    RuleId,
    /// One stored byte string.
    BlobId,
    /// One unit of durable work.
    JobId,
    /// What the far side gave us.
    ReceiptId,
    /// A thread of messages.
    ConversationId,
    /// Something that needs a person's eye.
    AlarmId,
    /// A note of one's own house on a message.
    NoteId,
    /// What is not yet a message.
    DraftId,
    /// An attachment of a draft.
    DraftPartId,
    /// A text that is written again and again.
    TextBlockId,
}

impl TenantId {
    /// The system tenant: owns strays, canaries and what no tenant claims.
    pub const SYSTEM: Self = Self(Uuid::nil());

    /// Is this the system tenant?
    #[must_use]
    pub const fn is_system(self) -> bool {
        self.0.is_nil()
    }
}
