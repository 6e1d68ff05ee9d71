// SPDX-License-Identifier: EUPL-1.2
//! The words of an SMTP envelope that server and client share (RFC 5321 §2.3.1, RFC 3461 §4, RFC 6152).
//!
//! Plain data. Guarantees: [`Orcpt`] and ENVID values are decoded and printable when they come from the
//! server session. Not guaranteed: that an address exists.

use super::Address;

/// One recipient with its delivery-notification wishes (RFC 3461 §4.1, §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Where to.
    pub address: Address,
    /// `NOTIFY`; `None` when the sender did not say (then a failure report is due, §4.1).
    pub notify: Option<Notify>,
    /// `ORCPT`.
    pub orcpt: Option<Orcpt>,
}

impl Recipient {
    /// A recipient without notification wishes.
    pub fn new(address: Address) -> Self {
        Self { address, notify: None, orcpt: None }
    }
}

/// `NOTIFY` (RFC 3461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// No report at all.
    Never,
    /// Reports on these occasions; at least one is set.
    On {
        /// Report delivery.
        success: bool,
        /// Report failure.
        failure: bool,
        /// Report delay.
        delay: bool,
    },
}

/// Original recipient (RFC 3461 §4.2): address type and decoded address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orcpt {
    /// Address type in lower case, usually `rfc822`, or `utf-8` (RFC 6533).
    pub kind: String,
    /// The address, decoded.
    pub address: String,
}

/// `RET`: what a failure report shall carry (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header only.
    Hdrs,
}

/// `BODY` (RFC 6152).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyType {
    /// Declared or assumed 7-bit.
    #[default]
    SevenBit,
    /// Declared 8-bit MIME.
    EightBitMime,
}
