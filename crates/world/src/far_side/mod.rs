// SPDX-License-Identifier: EUPL-1.2
//! Mail servers of others, on loopback: they take mail, go wrong on demand, and report back.
//!
//! One [`FarSide`] answers for all domains. Faults are set per address, per domain or for all. Recipients whose
//! local part begins with `zustellbar`, `unbekannt` or `verzoegert` make it send a delivery report (delivered,
//! failed, delayed) to the reverse path, through the server given with [`FarSide::reports_to`].
//!
//! Guarantees: what was answered with 250 is in [`FarSide::received`]; waiting is woken, never timed. Does not:
//! use the wall clock (reports carry a fixed date), keep anything on disk, or speak TLS.

mod fault;
mod report;
mod session;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use poststelle_mail::smtp::server::{Config, Phase};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use fault::Faults;
pub use fault::{Fault, Step};
pub use report::{ReportAction, ReportSent};

/// How much is kept of each mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Everything.
    Whole,
    /// All but the octets; digest and size are known.
    Facts,
    /// Only how many.
    Count,
}

/// One mail the far side has.
#[derive(Debug, Clone)]
pub struct Received {
    /// Number, from 1, in the order of arrival.
    pub n: u64,
    /// Name the sender gave itself.
    pub helo: String,
    /// Reverse path; empty = null path.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Envelope id.
    pub envid: String,
    /// The octets; empty unless kept.
    pub octets: Bytes,
    /// Their SHA-256, hexadecimal; empty when only counted.
    pub sha256: String,
    /// How many.
    pub size: u64,
    /// Message-ID without brackets; empty = none.
    pub message_id: String,
    /// Whether the sender could hear the 250: not when the connection was cut on purpose.
    pub acknowledged: bool,
}

/// Counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Mails kept or counted.
    pub received: u64,
    /// Their octets.
    pub octets: u64,
    /// Times a fault took effect.
    pub faults: u64,
    /// Reports handed back.
    pub reports: u64,
    /// Reports the server did not take.
    pub reports_failed: u64,
}

pub(crate) struct Shared {
    keep: Keep,
    state: Mutex<State>,
    faults: Faults,
    changed: watch::Sender<u64>,
    reports: mpsc::UnboundedSender<report::Order>,
    server: watch::Sender<Option<SocketAddr>>,
    config: Arc<Config>,
}

#[derive(Default)]
struct State {
    mails: Vec<Received>,
    counts: Counts,
    sent: Vec<ReportSent>,
    /// Reports ordered and not yet sent or failed.
    owed: u64,
}

/// Mail servers of others.
pub struct FarSide {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<Accepting>>,
    reporter: JoinHandle<()>,
}

struct Accepting {
    task: JoinHandle<()>,
    stop: watch::Sender<Phase>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    fn keep(&self, mut mail: Received) {
        {
            let mut state = self.state();
            state.counts.received += 1;
            state.counts.octets += mail.size;
            mail.n = state.counts.received;
            if self.keep != Keep::Count {
                state.mails.push(mail);
            }
        }
        self.wake();
    }

    /// The fault that takes effect for this address in this step, if any.
    fn fault(&self, address: &str, step: Step) -> Option<Fault> {
        let fault = self.faults.take(address, step)?;
        self.state().counts.faults += 1;
        self.wake();
        Some(fault)
    }
}

impl FarSide {
    /// A far side that keeps every mail, on a free port of loopback.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn start() -> io::Result<Self> {
        Self::keeping(Keep::Whole, 100 * 1024 * 1024).await
    }

    /// A far side that keeps this much of each mail and takes mails up to `max_size` octets.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn keeping(keep: Keep, max_size: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let mut config = Config { hostname: "eingang.example".to_owned(), ..Config::default() };
        config.limits.connections = 10_000;
        config.limits.connections_per_peer = 10_000;
        config.limits.idle_commands = u32::MAX;
        config.limits.message_size = max_size;
        let (reports, orders) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            keep,
            state: Mutex::default(),
            faults: Faults::default(),
            changed: watch::channel(0).0,
            reports,
            server: watch::channel(None).0,
            config: Arc::new(config),
        });
        let reporter =
            tokio::spawn(report::send_all(Arc::downgrade(&shared), orders, shared.server.subscribe()));
        let far = Self { addr, shared, accepting: Mutex::default(), reporter };
        far.open(listener);
        Ok(far)
    }

    fn open(&self, listener: TcpListener) {
        let (stop, phase) = watch::channel(Phase::Running);
        let task = tokio::spawn(accept(listener, Arc::clone(&self.shared), phase));
        *self.accepting() = Some(Accepting { task, stop });
    }

    fn accepting(&self) -> MutexGuard<'_, Option<Accepting>> {
        self.accepting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Reports go through this server (our hub); before that they wait.
    pub fn reports_to(&self, server: SocketAddr) {
        self.shared.server.send_replace(Some(server));
    }

    /// Sets a fault for `whom`: an address, a domain, or `*`; in force until [`FarSide::heal`].
    pub fn breaks(&self, whom: &str, fault: Fault) {
        self.shared.faults.set(whom, fault, None);
    }

    /// Sets a fault for the next `times` occasions.
    pub fn breaks_times(&self, whom: &str, fault: Fault, times: u32) {
        self.shared.faults.set(whom, fault, Some(times));
    }

    /// Ends the faults of `whom`; those that hang go on.
    pub fn heal(&self, whom: &str) {
        self.shared.faults.clear(whom);
        self.shared.wake();
    }

    /// Closes the port: connections are refused, sessions end.
    pub async fn go_away(&self) {
        let accepting = self.accepting().take();
        if let Some(accepting) = accepting {
            accepting.stop.send_replace(Phase::Stopping);
            accepting.task.abort();
            let _ = accepting.task.await;
        }
    }

    /// Opens the same port again.
    ///
    /// # Errors
    /// When somebody else has it by now.
    pub async fn come_back(&self) -> io::Result<()> {
        let listener = TcpListener::bind(self.addr).await?;
        self.open(listener);
        Ok(())
    }

    /// All mails kept, in the order of arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.state().mails.clone()
    }

    /// Forgets the mails kept; counters stay.
    pub fn forget(&self) {
        self.shared.state().mails.clear();
    }

    /// Counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.state().counts
    }

    /// Reports handed back so far.
    #[must_use]
    pub fn reports(&self) -> Vec<ReportSent> {
        self.shared.state().sent.clone()
    }

    /// Waits until `n` mails have arrived in all; false when `timeout` passes first.
    pub async fn wait_for(&self, n: u64, timeout: Duration) -> bool {
        self.wait_until(timeout, |far| far.counts().received >= n).await
    }

    /// Waits until no report is owed any more.
    pub async fn wait_reported(&self, timeout: Duration) -> bool {
        self.wait_until(timeout, |far| far.shared.state().owed == 0).await
    }

    /// Waits until `ready`; asked again whenever something changes. False when `timeout` passes first.
    pub async fn wait_until(&self, timeout: Duration, ready: impl Fn(&Self) -> bool) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let wait = async {
            loop {
                changed.borrow_and_update();
                if ready(self) {
                    return true;
                }
                if changed.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(timeout, wait).await.unwrap_or(false)
    }

    /// Ends everything.
    pub async fn stop(self) {
        self.go_away().await;
        self.reporter.abort();
    }
}

impl Drop for FarSide {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting().take() {
            accepting.task.abort();
        }
        self.reporter.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, phase: watch::Receiver<Phase>) {
    let mut sessions = JoinSet::new();
    let mut n = 0;
    loop {
        tokio::select! {
            Some(_) = sessions.join_next() => {}
            accepted = listener.accept() => {
                let Ok((stream, peer)) = accepted else {
                    // No descriptors left: others must end first.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                n += 1;
                shared.state().counts.connections += 1;
                sessions.spawn(session::serve(stream, peer, n, Arc::clone(&shared), phase.clone()));
            }
        }
    }
}
