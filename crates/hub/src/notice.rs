// SPDX-License-Identifier: EUPL-1.2
//! Notices to senders: written by a protocol, sent like any message.

use poststelle_model::{Message, Timestamp};

/// Why a notice is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whom it could not be delivered to, as the sender knows it.
    pub recipient: String,
    /// One German sentence that says why.
    pub sentence: String,
    /// RFC 3463 status, `4.4.7` for expired, `5.0.0` for refused.
    pub status: String,
    /// When the message was accepted.
    pub accepted_at: Timestamp,
    /// When we gave up.
    pub given_up_at: Timestamp,
}

/// A notice ready to be accepted as an outgoing message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its octets.
    pub octets: Vec<u8>,
    /// To whom.
    pub recipient: String,
}

/// Writes notices.
pub trait Notices: Send + Sync {
    /// A notice of failure to the sender of `message`; `None` when none may be sent (null path, sent by a machine).
    fn failure(
        &self,
        message: &Message,
        header_id: &str,
        automatic: bool,
        failure: &Failure,
    ) -> Option<Notice>;

    /// A canary message from and to an address of the house.
    fn canary(&self, id: &str, address: &str, at: Timestamp) -> Notice;
}
