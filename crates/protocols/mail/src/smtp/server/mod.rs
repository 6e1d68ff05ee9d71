// SPDX-License-Identifier: EUPL-1.2
//! SMTP server: sessions that receive mail and hand it to a [`Receiver`] (RFC 5321).
//!
//! Guarantees: a message is acknowledged only with the reply its [`Sink::finish`] gave; a sink that was
//! opened is ended exactly once, by `finish` or by `abort` (except when the task itself is torn down after
//! the drain deadline, or the receiver panics: then it is dropped); only CRLF `.` CRLF ends DATA; commands
//! must end in CRLF; whatever a peer pipelined behind STARTTLS is thrown away unread (RFC 3207 §4.2). A slow
//! session never holds up another one.
//! Not guaranteed: that the sender address is honest, or that the peer heard our last reply.
//!
//! Layers: [`Session`] is the protocol without I/O; [`serve`] drives one session over a byte stream;
//! [`Server::run`] accepts connections under caps and shuts down gracefully.

mod auth;
mod command;
mod config;
mod data;
mod driver;
mod fuzz;
mod listen;
mod session;

pub use config::{AuthPolicy, Config, Limits, MinRate, Timeouts};
pub use data::{Seen, Unstuff, Unstuffed};
pub use driver::{Phase, serve};
pub use fuzz::fuzz_session;
pub use listen::{Mode, Server, TlsReload, fixed_tls};
pub use session::{Ask, Session, Step};

use super::{Address, BodyType, Recipient, Reply, Ret, TlsInfo};
use async_trait::async_trait;
use bytes::Bytes;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a receiver says to a step: go on, or this reply (4xx or 5xx; anything else is sent as 451).
/// A reply with code 421 also ends the session.
pub type Verdict = Result<(), Reply>;

/// The program behind the server: one per server, asked at every step of every session.
///
/// Calls for one session come one after the other; different sessions call concurrently. A call that
/// takes long delays only its own session.
#[async_trait]
pub trait Receiver: Send + Sync {
    /// A connection came in (for implicit TLS: after the handshake). `Err` refuses it (421 or 554).
    async fn connect(&self, peer: &Peer) -> Verdict {
        let _ = peer;
        Ok(())
    }

    /// Checks a user name and password. `Ok(None)` means they are wrong.
    async fn authenticate(
        &self,
        peer: &Peer,
        user: &str,
        password: &SecretString,
    ) -> Result<Option<Identity>, Unavailable> {
        let _ = (peer, user, password);
        Ok(None)
    }

    /// MAIL came: `envelope` has no recipients yet. `Err` refuses the sender.
    async fn mail(&self, envelope: &Envelope) -> Verdict {
        let _ = envelope;
        Ok(())
    }

    /// RCPT came: `envelope` holds what was accepted before. `Err` refuses this recipient
    /// (550 5.1.1 unknown, 451 4.3.0 later, 452 too many).
    async fn recipient(&self, envelope: &Envelope, recipient: &Recipient) -> Verdict;

    /// DATA came with at least one accepted recipient. `Ok` opens the way for the octets (354 is sent);
    /// `Err` refuses the message before a single octet of it was sent (e.g. 452 4.3.1).
    async fn data(&self, envelope: Envelope) -> Result<Box<dyn Sink>, Reply>;
}

/// Where the octets of one message go.
#[async_trait]
pub trait Sink: Send {
    /// The next octets, dot-unstuffed, otherwise exactly as sent, CRLF before the final dot included.
    /// Awaiting is back-pressure: nothing more is read from the peer meanwhile. Chunks are views into a
    /// read buffer of up to 64 KiB that lives as long as one of them does: copy what must stay long.
    ///
    /// # Errors
    /// A reply (4xx or 5xx): the rest of the message is read and dropped, [`Sink::abort`] is called with
    /// [`Abort::Refused`] and the reply answers the message.
    async fn write(&mut self, chunk: Bytes) -> Result<(), Reply>;

    /// The message is complete. The reply is the answer the peer gets: 250 only once it is committed.
    async fn finish(self: Box<Self>, seen: Seen) -> Reply;

    /// The message will not be completed: forget it.
    async fn abort(self: Box<Self>, why: Abort);
}

/// Why a message ended without [`Sink::finish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// The connection was lost or closed by the peer.
    Lost,
    /// The peer was too slow: no data within the time-out, below the minimum rate, or over the whole cap.
    TimedOut,
    /// The message grew beyond the size cap.
    TooBig,
    /// The sink itself refused in [`Sink::write`].
    Refused,
    /// The server is shutting down and its drain time is over.
    Shutdown,
}

/// The user directory cannot be asked now: the peer gets 454 4.7.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("authentication is not available now")]
pub struct Unavailable;

/// Who a session was authenticated as: whatever text the receiver wants to find again in the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(pub String);

/// The far side of a session, as known at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Number of the session, unique within one [`Server`].
    pub session: u64,
    /// Address and port of the peer.
    pub address: SocketAddr,
    /// Address and port it connected to.
    pub local: SocketAddr,
    /// What it called itself in EHLO or HELO; unverified, printable.
    pub helo: Option<String>,
    /// Whether it said EHLO.
    pub esmtp: bool,
    /// The TLS layer, if there is one.
    pub tls: Option<TlsInfo>,
    /// Who it authenticated as.
    pub identity: Option<Identity>,
}

/// One message's envelope (RFC 5321 §2.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The far side; shared by all messages of a session.
    pub peer: Arc<Peer>,
    /// Number of the message within its session, from 1.
    pub transaction: u32,
    /// Reverse path; `None` is the null path `<>` of reports.
    pub mail_from: Option<Address>,
    /// Accepted recipients in the order given; repeated ones are repeated.
    pub recipients: Vec<Recipient>,
    /// Declared size in octets (SIZE), if any.
    pub size: Option<u64>,
    /// Declared body type.
    pub body: BodyType,
    /// SMTPUTF8 was asked for.
    pub smtputf8: bool,
    /// RET.
    pub ret: Option<Ret>,
    /// ENVID, decoded.
    pub envid: Option<String>,
}
