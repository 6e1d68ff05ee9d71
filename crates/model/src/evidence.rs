// SPDX-License-Identifier: EUPL-1.2
//! Words of the proof: what kinds of events there are and whose life they belong to.
//!
//! Message events carry the names of ETSI EN 319 522 where it has one; events of
//! this house alone carry names of their own in the same style.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{
    AdministrationId, ConnectorId, DeskId, DraftId, MailboxId, MessageId, PrincipalId, TenantId,
};

/// Whose life an evidence entry belongs to. Text form `kind:id`; one chain each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject(String);

impl Subject {
    /// A message.
    #[must_use]
    pub fn message(id: MessageId) -> Self {
        Self(format!("message:{id}"))
    }
    /// A mailbox and its addresses.
    #[must_use]
    pub fn mailbox(id: MailboxId) -> Self {
        Self(format!("mailbox:{id}"))
    }
    /// A person or service, its roles and secrets.
    #[must_use]
    pub fn principal(id: PrincipalId) -> Self {
        Self(format!("principal:{id}"))
    }
    /// A draft until it is sent.
    #[must_use]
    pub fn draft(id: DraftId) -> Self {
        Self(format!("draft:{id}"))
    }
    /// A desk.
    #[must_use]
    pub fn desk(id: DeskId) -> Self {
        Self(format!("desk:{id}"))
    }
    /// A connector.
    #[must_use]
    pub fn connector(id: ConnectorId) -> Self {
        Self(format!("connector:{id}"))
    }
    /// An Administration and its mandates.
    #[must_use]
    pub fn administration(id: AdministrationId) -> Self {
        Self(format!("administration:{id}"))
    }
    /// The rules of a tenant.
    #[must_use]
    pub fn rules(id: TenantId) -> Self {
        Self(format!("rules:{id}"))
    }
    /// The tenant itself: founding, keys, epochs.
    #[must_use]
    pub fn tenant(id: TenantId) -> Self {
        Self(format!("tenant:{id}"))
    }
    /// Reads a stored text.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }
    /// The stored text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Event { $($(#[$doc])* $name),+ }

        impl Event {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// The stored name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
            /// Reads a stored name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

events! {
    /// ETSI: taken over from a system without evidence of its own (e-mail).
    ReceivedFromNonERDS,
    /// ETSI: taken over from a sender of ours (REST intake, desk).
    SubmissionAcceptance,
    /// House: parts found, rules asked, deliveries planned.
    Processed,
    /// House: every part inspected, the sheet written.
    Inspected,
    /// House: a part was held back.
    HeldBack,
    /// House: a held part was spoken for, released or closed.
    HoldChanged,
    /// House: a delivery could not go on now; says when the next try is.
    Deferred,
    /// House: the far side may have it; being cleared up.
    Unclear,
    /// House: a person must act before it goes on.
    Parked,
    /// House: a person set it going again.
    Resumed,
    /// ETSI: laid where the recipient finds it (desk, hot folder, webhook accepted).
    ContentConsignment,
    /// ETSI: final failure to lay it there.
    ContentConsignmentFailure,
    /// ETSI: the far relay took it over.
    RelayAcceptance,
    /// ETSI: the far relay refused it.
    RelayRejection,
    /// ETSI: sent on into a system without evidence (e-mail).
    RelayToNonERDS,
    /// ETSI: could not be sent on before its time ran out.
    RelayFailure,
    /// House: a receipt of the far side was folded in.
    ReceiptFolded,
    /// House: a notice about this message was sent to its sender.
    SenderNotified,
    /// ETSI: somebody looked at it.
    ContentAccessTracking,
    /// House: somebody claimed it, handed it over, laid it aside, settled it, or took that back.
    DeskWork,
    /// House: somebody wrote a note of the own house on it.
    Noted,
    /// House: something people change was created.
    Created,
    /// House: something people change was changed.
    Changed,
    /// House: something people change was ended.
    Ended,
    /// House: somebody signed in.
    SignedIn,
    /// House: an operator took note of an alarm that does not end by itself.
    Acknowledged,
    /// House: the log goes on after a restore; names the last checkpoint before it.
    EpochOpened,
}
