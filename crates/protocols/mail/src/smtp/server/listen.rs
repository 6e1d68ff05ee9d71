// SPDX-License-Identifier: EUPL-1.2
//! Accepting connections under caps, and shutting down without losing a message.
//!
//! Guarantees: never more than the configured sessions, in all and per peer; a connection over a cap is told
//! 421 and costs no task; at shutdown idle sessions hear 421 at once and messages under way may end until
//! the drain time is over. Certificates are taken anew for every handshake.
//! Not here: who may connect; see [`Receiver::connect`].

use super::config::Config;
use super::driver::{Phase, accept_tls, serve};
use super::{Peer, Receiver};
use crate::smtp::{Io, Reply};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The server's TLS settings; sending a new value changes the certificate for later handshakes.
pub type TlsReload = watch::Receiver<Arc<rustls::ServerConfig>>;

/// TLS settings that never change.
pub fn fixed_tls(config: Arc<rustls::ServerConfig>) -> TlsReload {
    watch::channel(config).1
}

/// How sessions of a listener begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In clear; STARTTLS is offered when the server has TLS settings (ports 25 and 587).
    StartTls,
    /// With a TLS handshake (port 465, RFC 8314).
    ImplicitTls,
}

/// After the drain time: time for aborted sessions to clean up.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// An SMTP server: settings, receiver and caps that all its listeners share. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    receiver: Arc<dyn Receiver>,
    config: Arc<Config>,
    tls: Option<TlsReload>,
    sessions: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_peer: HashMap<IpAddr, usize>,
}

impl Server {
    /// A server with these settings. Without `tls` neither STARTTLS nor implicit TLS is available.
    pub fn new(config: Config, receiver: Arc<dyn Receiver>, tls: Option<TlsReload>) -> Self {
        let inner = Inner {
            receiver,
            config: Arc::new(config),
            tls,
            sessions: AtomicU64::new(0),
            open: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Sessions open now, over all listeners.
    pub fn open_sessions(&self) -> usize {
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// Accepts and serves until `shutdown` is ready, then drains: returns when all its sessions have ended,
    /// at the latest a few seconds after the drain time.
    ///
    /// # Errors
    /// [`Mode::ImplicitTls`] without TLS settings (`InvalidInput`). Failures of `accept` are logged and waited
    /// out (e.g. no file descriptors left).
    pub async fn run(
        &self,
        listener: TcpListener,
        mode: Mode,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        if mode == Mode::ImplicitTls && self.inner.tls.is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "implicit TLS needs TLS settings"));
        }
        let (phase, watch) = watch::channel(Phase::Running);
        let mut tasks = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(done) = tasks.join_next() => ended(done),
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => self.accept(stream, address, mode, &watch, &mut tasks),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept SMTP connections");
                        sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        drop(listener);
        phase.send_replace(Phase::Draining);
        if timeout(self.inner.config.timeouts.drain, all(&mut tasks)).await.is_err() {
            phase.send_replace(Phase::Stopping);
            let _ = timeout(STOP_GRACE, all(&mut tasks)).await;
        }
        tasks.shutdown().await;
        Ok(())
    }

    fn accept(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        mode: Mode,
        phase: &watch::Receiver<Phase>,
        tasks: &mut JoinSet<()>,
    ) {
        let Some(place) = Place::take(&self.inner, address.ip()) else {
            tracing::debug!(%address, "SMTP connection over the cap");
            return turn_away(stream, mode);
        };
        let phase = phase.clone();
        let local = stream.local_addr().unwrap_or(address);
        let _ = stream.set_nodelay(true);
        tasks.spawn(async move {
            let inner = &place.inner;
            let session = inner.sessions.fetch_add(1, Ordering::Relaxed) + 1;
            let mut peer =
                Peer { session, address, local, helo: None, esmtp: false, tls: None, identity: None };
            let mut io: Box<dyn Io> = Box::new(stream);
            if let (Mode::ImplicitTls, Some(tls)) = (mode, &inner.tls) {
                let config = Arc::clone(&tls.borrow());
                match timeout(inner.config.timeouts.handshake, accept_tls(io, config)).await {
                    Ok(Ok((stream, info))) => {
                        io = stream;
                        peer.tls = Some(info);
                    }
                    Ok(Err(error)) => {
                        return tracing::debug!(session, %address, %error, "TLS handshake failed");
                    }
                    Err(_) => return tracing::debug!(session, %address, "TLS handshake timed out"),
                }
            }
            serve(io, peer, inner.receiver.as_ref(), Arc::clone(&inner.config), inner.tls.clone(), phase)
                .await;
        });
    }
}

async fn all(tasks: &mut JoinSet<()>) {
    while let Some(done) = tasks.join_next().await {
        ended(done);
    }
}

fn ended(done: Result<(), tokio::task::JoinError>) {
    if let Err(error) = done
        && error.is_panic()
    {
        tracing::error!(%error, "SMTP session panicked");
    }
}

/// Says 421 without waiting: a fresh connection takes a line at once. TLS peers are just closed.
fn turn_away(stream: TcpStream, mode: Mode) {
    if mode == Mode::StartTls
        && let Ok(mut stream) = stream.into_std()
    {
        let mut line = Vec::new();
        Reply::new(421, (4, 7, 0), "too many connections, try later").write_to(&mut line, true);
        let _ = io::Write::write(&mut stream, &line);
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
}

/// A counted place among the open sessions.
struct Place {
    inner: Arc<Inner>,
    key: IpAddr,
}

impl Place {
    fn take(inner: &Arc<Inner>, ip: IpAddr) -> Option<Self> {
        let key = group(ip);
        let limits = &inner.config.limits;
        let mut open = inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.by_peer.get(&key).copied().unwrap_or(0);
        if open.total >= limits.connections || here >= limits.connections_per_peer {
            return None;
        }
        open.total += 1;
        open.by_peer.insert(key, here + 1);
        Some(Self { inner: Arc::clone(inner), key })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        match open.by_peer.get_mut(&self.key) {
            Some(n) if *n > 1 => *n -= 1,
            _ => {
                open.by_peer.remove(&self.key);
            }
        }
    }
}

/// One household: an IPv4 address (mapped ones too) or an IPv6 /64.
fn group(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets.iter_mut().skip(8).for_each(|o| *o = 0);
            IpAddr::from(octets)
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::group;

    #[test]
    fn peers_are_grouped() {
        let g = |s: &str| group(s.parse().unwrap()).to_string();
        assert_eq!(g("192.0.2.7"), "192.0.2.7");
        assert_eq!(g("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(g("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
