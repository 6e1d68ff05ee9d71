// SPDX-License-Identifier: EUPL-1.2
//! SMTP, both sides of it: a [`server`] that receives and a [`client`] that hands over (RFC 5321).
//!
//! Guarantees: only CRLF `.` CRLF ends a message (§4.1.1.4); nothing read before a TLS handshake is
//! believed after it (RFC 3207 §4.2); every line, count, size and wait has a cap; message bodies are
//! streamed and never whole in memory; no password reaches a log, an error or a [`client::Dialogue`].
//! Not here: routing (MX), queues, retry, DKIM/SPF, and what a message is for. This module knows no hub:
//! a receiving program plugs in through [`server::Receiver`] and [`server::Sink`].
//!
//! Extensions spoken: STARTTLS (RFC 3207), AUTH PLAIN and LOGIN (RFC 4954, 4616), SIZE (RFC 1870),
//! 8BITMIME (RFC 6152), PIPELINING (RFC 2920), SMTPUTF8 (RFC 6531), ENHANCEDSTATUSCODES (RFC 2034),
//! DSN (RFC 3461). Deliberately absent: CHUNKING/BINARYMIME (RFC 3030), VRFY answers, EXPN, ETRN.

mod address;
pub mod client;
mod envelope;
mod io;
mod reply;
pub mod server;
mod xtext;

pub use address::{Address, AddressError};
pub use envelope::{BodyType, Notify, Orcpt, Recipient, Ret};
pub use io::{Io, TlsInfo};
pub use reply::{Enhanced, Reply};
pub use xtext::{xtext_decode, xtext_encode};
