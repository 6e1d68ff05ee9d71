// SPDX-License-Identifier: EUPL-1.2
//! Load: many mails over few SMTP connections, each used for many mails, with the rates measured.
//!
//! Guarantees: every mail counts in exactly one of accepted, refused, later and unclear; a connection that
//! broke is replaced; the body of a mail is not copied before it goes to the network. Does not: keep what was
//! sent. Whoever must compare asks for every answer with [`Load::seen`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use poststelle_mail::smtp::client::{
    Client, ClientTls, Connection, Fate, Mail, Outcome, Route, Timeouts, Tls,
};
use poststelle_mail::smtp::{Address, BodyType, Recipient};
use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

/// One mail ready to be sent: envelope and octets in two pieces, the second of which may be shared.
#[derive(Debug, Clone)]
pub struct Shot {
    /// Reverse path; empty = null path.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// First octets.
    pub head: Vec<u8>,
    /// The rest.
    pub body: Bytes,
    /// Octets above 127 occur.
    pub eight_bit: bool,
}

impl Shot {
    /// A mail in one piece.
    #[must_use]
    pub fn new(from: &str, to: &[&str], octets: Vec<u8>) -> Self {
        let eight_bit = !octets.is_ascii();
        let to = to.iter().map(|t| (*t).to_owned()).collect();
        Self { from: from.to_owned(), to, head: Vec::new(), body: octets.into(), eight_bit }
    }

    /// Octets in all.
    #[must_use]
    pub fn size(&self) -> usize {
        self.head.len() + self.body.len()
    }

    fn mail(&self) -> Mail {
        Mail {
            mail_from: Address::parse(&self.from).ok(),
            recipients: self.to.iter().filter_map(|t| Address::parse(t).ok()).map(Recipient::new).collect(),
            body: if self.eight_bit { BodyType::EightBitMime } else { BodyType::SevenBit },
            size: Some(self.size() as u64),
            ..Mail::default()
        }
    }
}

/// What a run of mails came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LoadReport {
    /// Mails tried.
    pub sent: u64,
    /// Taken over by the far side.
    pub accepted: u64,
    /// Refused for good.
    pub refused: u64,
    /// Still answered "later", or not reachable, after the last try.
    pub later: u64,
    /// No answer after the last octet.
    pub unclear: u64,
    /// Octets of the mails accepted.
    pub octets: u64,
    /// Connections opened.
    pub connections: u64,
    /// From the first to the last answer.
    pub seconds: f64,
    /// Accepted mails in a second, over all.
    pub per_second: f64,
    /// The same over the first tenth of the mails.
    pub first_tenth_per_second: f64,
    /// The same over the last tenth.
    pub last_tenth_per_second: f64,
}

type Seen = dyn Fn(u64, &Outcome) + Send + Sync;

/// A load generator for one server.
#[derive(Clone)]
pub struct Load {
    client: Client,
    route: Route,
    concurrency: usize,
    tries: u32,
    pause: Duration,
    seen: Option<Arc<Seen>>,
}

/// The settings of TLS could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no TLS settings: {0}")]
pub struct NoTls(#[from] rustls::Error);

/// A client for loopback: no TLS, short waits.
pub(crate) fn client(helo: &str) -> Result<Client, NoTls> {
    let seconds = Duration::from_secs;
    let timeouts = Timeouts {
        connect: seconds(5),
        greeting: seconds(20),
        command: seconds(20),
        mail: seconds(20),
        rcpt: seconds(20),
        data: seconds(40),
        end: seconds(120),
        ..Timeouts::default()
    };
    Ok(Client::new(helo, ClientTls::new(rustls::RootCertStore::empty(), None)?).with_timeouts(timeouts))
}

/// The way to a server on loopback.
pub(crate) fn route(addr: SocketAddr) -> Route {
    Route { host: addr.ip().to_string(), port: addr.port(), tls: Tls::None, auth: None }
}

impl Load {
    /// A generator of 8 connections without second tries.
    ///
    /// # Errors
    /// [`NoTls`].
    pub fn new(addr: SocketAddr) -> Result<Self, NoTls> {
        Ok(Self {
            client: client("absender.example")?,
            route: route(addr),
            concurrency: 8,
            tries: 1,
            pause: Duration::ZERO,
            seen: None,
        })
    }

    /// With so many connections at once.
    #[must_use]
    pub const fn concurrency(mut self, connections: usize) -> Self {
        self.concurrency = connections;
        self
    }

    /// A mail answered "later" or not answered at all is sent up to `tries` times in all, `pause` apart: as
    /// mail servers do. After a lost answer this can make a second copy.
    #[must_use]
    pub const fn tries(mut self, tries: u32, pause: Duration) -> Self {
        self.tries = tries;
        self.pause = pause;
        self
    }

    /// Every last answer is told: number of the mail and what became of it.
    #[must_use]
    pub fn seen(mut self, seen: impl Fn(u64, &Outcome) + Send + Sync + 'static) -> Self {
        self.seen = Some(Arc::new(seen));
        self
    }

    /// Sends the mails numbered 0 to `n`-1 that `maker` makes.
    pub async fn run(&self, n: u64, maker: impl Fn(u64) -> Shot + Send + Sync + 'static) -> LoadReport {
        let run = Arc::new(Run { n, began: Instant::now(), ..Run::default() });
        let maker = Arc::new(maker);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..self.concurrency.max(1) {
            let (load, run, maker) = (self.clone(), Arc::clone(&run), Arc::clone(&maker));
            tasks.spawn(async move {
                let mut open = None;
                loop {
                    let number = run.next.fetch_add(1, Relaxed);
                    if number >= n {
                        break;
                    }
                    let shot = maker(number);
                    let outcome = load.one(&shot, &mut open, &run.connections).await;
                    run.count(&outcome, shot.size() as u64);
                    if let Some(seen) = &load.seen {
                        seen(number, &outcome);
                    }
                }
                if let Some(connection) = open {
                    connection.quit().await;
                }
            });
        }
        while tasks.join_next().await.is_some() {}
        run.report()
    }

    /// One mail, over an open connection when there is one.
    async fn one(&self, shot: &Shot, open: &mut Option<Connection>, opened: &AtomicU64) -> Outcome {
        let mail = shot.mail();
        let mut left = self.tries.max(1);
        loop {
            left -= 1;
            let outcome = match self.connection(open, opened).await {
                Err(outcome) => outcome,
                Ok(mut connection) => {
                    let mut octets = shot.head.as_slice().chain(shot.body.as_ref());
                    let report = connection.send(&mail, &mut octets).await;
                    *open = Some(connection).filter(Connection::is_usable);
                    report.outcome
                }
            };
            if left == 0 || !matches!(outcome.fate(), Fate::TryLater | Fate::Unclear) {
                return outcome;
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    async fn connection(
        &self,
        open: &mut Option<Connection>,
        opened: &AtomicU64,
    ) -> Result<Connection, Outcome> {
        if let Some(connection) = open.take() {
            return Ok(connection);
        }
        opened.fetch_add(1, Relaxed);
        self.client.connect(&self.route).await.map_err(|failure| failure.outcome)
    }
}

/// Sends `n` mails of `maker` to `addr` over `concurrency` connections.
///
/// # Errors
/// [`NoTls`].
pub async fn send_many(
    addr: SocketAddr,
    n: u64,
    concurrency: usize,
    maker: impl Fn(u64) -> Shot + Send + Sync + 'static,
) -> Result<LoadReport, NoTls> {
    Ok(Load::new(addr)?.concurrency(concurrency).run(n, maker).await)
}

struct Run {
    n: u64,
    began: Instant,
    next: AtomicU64,
    answered: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    later: AtomicU64,
    unclear: AtomicU64,
    octets: AtomicU64,
    connections: AtomicU64,
    /// Microseconds at the end of the first tenth, at the begin of the last, at the last answer.
    first: AtomicU64,
    last: AtomicU64,
    end: AtomicU64,
}

impl Default for Run {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self {
            n: 0,
            began: Instant::now(),
            next: zero(),
            answered: zero(),
            accepted: zero(),
            refused: zero(),
            later: zero(),
            unclear: zero(),
            octets: zero(),
            connections: zero(),
            first: zero(),
            last: zero(),
            end: zero(),
        }
    }
}

impl Run {
    fn tenth(&self) -> u64 {
        (self.n / 10).max(1)
    }

    fn count(&self, outcome: &Outcome, size: u64) {
        match outcome.fate() {
            Fate::Accepted => {
                self.accepted.fetch_add(1, Relaxed);
                self.octets.fetch_add(size, Relaxed);
            }
            Fate::Rejected => {
                self.refused.fetch_add(1, Relaxed);
            }
            Fate::TryLater => {
                self.later.fetch_add(1, Relaxed);
            }
            Fate::Unclear => {
                self.unclear.fetch_add(1, Relaxed);
            }
        }
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let answered = self.answered.fetch_add(1, Relaxed) + 1;
        if answered == self.tenth() {
            self.first.store(now, Relaxed);
        }
        if answered == self.n - self.tenth() {
            self.last.store(now, Relaxed);
        }
        self.end.fetch_max(now, Relaxed);
    }

    #[allow(clippy::cast_precision_loss)]
    fn report(&self) -> LoadReport {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let rate = |count: u64, micros: u64| if micros == 0 { 0.0 } else { count as f64 / seconds(micros) };
        let (first, last, end) = (self.first.load(Relaxed), self.last.load(Relaxed), self.end.load(Relaxed));
        let accepted = self.accepted.load(Relaxed);
        LoadReport {
            sent: self.answered.load(Relaxed),
            accepted,
            refused: self.refused.load(Relaxed),
            later: self.later.load(Relaxed),
            unclear: self.unclear.load(Relaxed),
            octets: self.octets.load(Relaxed),
            connections: self.connections.load(Relaxed),
            seconds: seconds(end),
            per_second: rate(accepted, end),
            first_tenth_per_second: rate(self.tenth(), first),
            last_tenth_per_second: rate(self.tenth(), end.saturating_sub(last)),
        }
    }
}
