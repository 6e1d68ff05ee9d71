// SPDX-License-Identifier: EUPL-1.2
//! SMTP client: hands one message over and says exactly how far that went (RFC 5321 §3, §4.5.3.2).
//!
//! Guarantees: the outcome is one of four, never guessed. [`Outcome::Accepted`] and [`Outcome::Rejected`] are
//! words of the far side; [`Outcome::TryLater`] means it cannot have the message; [`Outcome::Unclear`] means the
//! whole final CRLF `.` CRLF left this program and no readable answer came back. (A write that failed or timed
//! out cannot have carried the end: the kernel, and under TLS the last record, did not take all of it, and the
//! connection is then dropped without flushing.) Parameters are sent only where the server offered them. The body is
//! streamed with constant memory and reaches the far side octet for octet, a final CRLF added when missing.
//! [`Dialogue`] keeps what was said, without body and without passwords.
//! [`Dns`] finds the servers of a domain, [`Client::reach`] takes the first that answers.
//! Not here: queueing, retry, connection pools. 5xx answers before MAIL (greeting, EHLO, STARTTLS,
//! AUTH) are about the connection, not about the message: they are `TryLater`.

mod connect;
mod connection;
mod dialogue;
mod handover;
mod mx;
mod outcome;
mod stuff;
mod tls;

pub use connection::{Connection, Features};
pub use dialogue::{Dialogue, Line, Speaker};
pub use mx::{ADDRESSES, Dns, Exchange, HOSTS, NoExchange};
pub use outcome::{Cause, DsnWish, Failure, Fate, Outcome, Reason, RecipientReport, Report, Stage};
pub use stuff::{Stuff, Unsafe};
pub use tls::{ClientTls, Identity};

use super::{Address, BodyType, Recipient, Ret};
use async_trait::async_trait;
use secrecy::SecretString;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncRead;

/// Where to hand over to.
#[derive(Debug, Clone)]
pub struct Route {
    /// Host name or IP address; also the name the certificate must show.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Use of TLS.
    pub tls: Tls,
    /// Credentials, if the server wants them.
    pub auth: Option<Credentials>,
}

/// Use of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// None at all.
    None,
    /// STARTTLS when offered, whatever certificate is shown (the verdict is kept in the dialogue); in clear
    /// otherwise, also when the handshake fails (RFC 7435).
    OpportunisticStartTls,
    /// STARTTLS with a certificate that verifies, or nothing.
    RequireStartTls,
    /// TLS from the first octet with a certificate that verifies (RFC 8314).
    Implicit,
}

/// User name and password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: SecretString,
    /// Send them without TLS too. For loopback and tests.
    pub allow_clear: bool,
}

/// Envelope of an outgoing message.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    /// Reverse path; `None` is the null path of reports.
    pub mail_from: Option<Address>,
    /// Recipients, at least one.
    pub recipients: Vec<Recipient>,
    /// RET wish.
    pub ret: Option<Ret>,
    /// ENVID, not encoded.
    pub envid: Option<String>,
    /// What the body is. 8-bit is refused for servers without 8BITMIME; nothing is converted.
    pub body: BodyType,
    /// The header needs SMTPUTF8 (addresses that need it are noticed without this).
    pub smtputf8: bool,
    /// Octets of the body, if known: sent as SIZE and checked against the server's limit.
    pub size: Option<u64>,
}

/// Time-outs, one per step (RFC 5321 §4.5.3.2).
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// Name lookup.
    pub resolve: Duration,
    /// TCP connection, per address.
    pub connect: Duration,
    /// TLS handshake.
    pub handshake: Duration,
    /// Greeting.
    pub greeting: Duration,
    /// Answer to EHLO, STARTTLS, AUTH, RSET.
    pub command: Duration,
    /// Answer to MAIL.
    pub mail: Duration,
    /// Answer to each RCPT.
    pub rcpt: Duration,
    /// Answer to DATA.
    pub data: Duration,
    /// Sending one block of the body, and any command.
    pub block: Duration,
    /// Reading one block from our own body source.
    pub source: Duration,
    /// Answer to the final dot.
    pub end: Duration,
    /// Answer to QUIT; its loss costs nothing.
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |m: u64| Duration::from_secs(m * 60);
        Self {
            resolve: Duration::from_secs(30),
            connect: Duration::from_secs(30),
            handshake: minutes(1),
            greeting: minutes(5),
            command: minutes(5),
            mail: minutes(5),
            rcpt: minutes(5),
            data: minutes(2),
            block: minutes(3),
            source: minutes(1),
            end: minutes(10),
            quit: Duration::from_secs(5),
        }
    }
}

/// Turns a host into addresses; the place for policy about where connections may go.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// Addresses in the order they shall be tried.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// What all outgoing connections share. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    helo: String,
    tls: ClientTls,
    timeouts: Timeouts,
    resolver: Arc<dyn Resolver>,
}

impl Client {
    /// A client that calls itself `helo` (our DNS name; anything but letters, digits and `.-_:[]` is dropped).
    pub fn new(helo: &str, tls: ClientTls) -> Self {
        let fine = |c: &char| c.is_alphanumeric() || ".-_:[]".contains(*c);
        let helo: String = helo.chars().filter(fine).take(255).collect();
        let helo = if helo.is_empty() { "localhost".to_owned() } else { helo };
        Self { helo, tls, timeouts: Timeouts::default(), resolver: Arc::new(SystemResolver) }
    }

    /// With other time-outs.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// With another resolver.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Connects, hands one message over and says goodbye.
    pub async fn send(
        &self,
        route: &Route,
        mail: &Mail,
        body: &mut (dyn AsyncRead + Send + Unpin),
    ) -> Report {
        let mut connection = match self.connect(route).await {
            Ok(connection) => connection,
            Err(failure) => return Report::from_failure(*failure, mail),
        };
        let report = connection.send(mail, body).await;
        connection.quit().await;
        report
    }
}
