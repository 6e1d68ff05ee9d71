// SPDX-License-Identifier: EUPL-1.2
//! Electronic mail as a protocol: message format (MIME), delivery status notifications, composing, SMTP.
//!
//! Guarantees: every parser here streams or has caps, never panics on hostile input and names the cap it
//! hit. Nothing in this crate knows the hub: it turns octets into facts and facts into octets.
//! Not here: S/MIME, DKIM, IMAP, and any decision about what a message is *for*.
//!
//! * [`mime`]: push-style splitter, part content decoding, header view (RFC 5322, 2045-2049, 2231, 2047)
//! * [`name`]: safe file names for parts
//! * [`dsn`]: delivery status notifications, read and written (RFC 3464, 6522)
//! * [`build`]: streaming composer for outgoing messages
//! * [`smtp`]: SMTP server and client sessions (RFC 5321)

pub mod build;
pub mod dsn;
pub mod mime;
pub mod name;
pub mod smtp;
