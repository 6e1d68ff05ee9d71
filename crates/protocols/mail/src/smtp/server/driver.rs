// SPDX-License-Identifier: EUPL-1.2
//! Drives one [`Session`] over a byte stream: reads, writes, waits, asks the receiver (RFC 5321 §4.5.3.2).
//!
//! Guarantees: every wait for the peer has a deadline; a command's deadline does not move when single octets
//! trickle in; replies to pipelined commands leave in one write; an idle session holds a buffer of 2 KiB, one
//! in DATA of 64 KiB. Octets that arrived in clear behind STARTTLS are dropped before the handshake.
//! Not guaranteed: that a peer which does not read gets its last reply.

use super::config::Config;
use super::listen::TlsReload;
use super::session::{Ask, Session, Step};
use super::{Abort, Peer, Receiver, Sink};
use crate::smtp::{Io, Reply, TlsInfo};
use bytes::BytesMut;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::field::Empty;
use tracing::{Instrument, Span, trace_span};

/// Buffer while waiting for commands.
const COMMAND_BUFFER: usize = 2048;
/// Buffer while reading a message.
const DATA_BUFFER: usize = 64 * 1024;
/// After an enforced end: time for the peer to take our last reply before a reset could destroy it.
const LINGER: Duration = Duration::from_secs(2);

/// Where the server as a whole stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Normal work.
    Running,
    /// No new commands; messages under way may end.
    Draining,
    /// Messages under way are aborted.
    Stopping,
}

/// Serves one session until its end. The stream is plain, or already TLS when `peer.tls` says so; `tls`
/// makes STARTTLS available.
pub async fn serve(
    io: Box<dyn Io>,
    peer: Peer,
    receiver: &dyn Receiver,
    config: Arc<Config>,
    tls: Option<TlsReload>,
    phase: watch::Receiver<Phase>,
) {
    let session = Session::new(Arc::clone(&config), peer, tls.is_some());
    let mut wire = Wire { io, buf: BytesMut::new(), config, phase };
    let mut running = Running { session, sink: None, message: Span::none() };
    let number = running.session.peer().session;
    let span = trace_span!(target: "trace", "smtp session", session = number, outcome = Empty);
    let end = running.work(&mut wire, receiver, tls).instrument(span.clone()).await;
    span.record("outcome", end.as_str());
    if let (Some(sink), Some(why)) = (running.sink.take(), end.abort()) {
        sink.abort(why).await;
    }
    tracing::debug!(session = running.session.peer().session, ?end, "smtp session ended");
    wire.close(&mut running.session, end).await;
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Said by the session: QUIT or an enforced end; its output explains it.
    Said,
    /// The connection is gone.
    Lost,
    /// The peer was too slow.
    TimedOut,
    /// The server shuts down.
    Shutdown,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Said => "said",
            Self::Lost => "lost",
            Self::TimedOut => "timed_out",
            Self::Shutdown => "shutdown",
        }
    }

    fn abort(self) -> Option<Abort> {
        match self {
            Self::Said => Some(Abort::TooBig),
            Self::Lost => Some(Abort::Lost),
            Self::TimedOut => Some(Abort::TimedOut),
            Self::Shutdown => Some(Abort::Shutdown),
        }
    }
}

struct Running {
    session: Session,
    sink: Option<Box<dyn Sink>>,
    /// Span of the message under way, from DATA to its answer.
    message: Span,
}

impl Running {
    async fn work(&mut self, wire: &mut Wire, receiver: &dyn Receiver, tls: Option<TlsReload>) -> End {
        let verdict = receiver.connect(self.session.peer()).await;
        self.session.greet(verdict);
        let mut patience = Patience::new(wire.config.timeouts.command);
        loop {
            match self.session.step(&mut wire.buf) {
                Step::Read => {
                    if let Err(end) = wire.read(&mut self.session, &mut patience).await {
                        return end;
                    }
                }
                Step::Data(chunk) => {
                    if let Some(sink) = &mut self.sink
                        && let Err(reply) = sink.write(chunk).await
                    {
                        self.message.record("reply", reply.code);
                        self.session.refuse_data(reply);
                        self.abort(Abort::Refused).await;
                    }
                }
                Step::TooBig => self.abort(Abort::TooBig).await,
                Step::EndOfData(seen) => {
                    let reply = match self.sink.take() {
                        Some(sink) => sink.finish(seen).instrument(self.message.clone()).await,
                        None => Reply::new(451, (4, 3, 0), "internal error, try later"),
                    };
                    std::mem::replace(&mut self.message, Span::none()).record("reply", reply.code);
                    self.session.answer_message(reply);
                }
                Step::Ask(ask) => self.ask(ask, receiver).await,
                Step::StartTls => {
                    if let Err(end) = wire.start_tls(&mut self.session, tls.as_ref()).await {
                        return end;
                    }
                    patience = Patience::new(wire.config.timeouts.command);
                }
                Step::Close => return End::Said,
            }
        }
    }

    async fn ask(&mut self, ask: Ask, receiver: &dyn Receiver) {
        let session = &mut self.session;
        match ask {
            Ask::Auth { user, password } => {
                let answer = receiver.authenticate(session.peer(), &user, &password).await;
                session.answer_auth(answer);
            }
            Ask::Mail => {
                let verdict = match session.envelope() {
                    Some(envelope) => receiver.mail(envelope).await,
                    None => Ok(()),
                };
                session.answer_mail(verdict);
            }
            Ask::Recipient(recipient) => {
                let verdict = match session.envelope() {
                    Some(envelope) => receiver.recipient(envelope, &recipient).await,
                    None => Ok(()),
                };
                session.answer_recipient(recipient, verdict);
            }
            Ask::Data => {
                let Some(envelope) = session.take_envelope() else {
                    return session.answer_data(Err(Reply::new(503, (5, 5, 1), "MAIL first")));
                };
                let (transaction, recipients) = (envelope.transaction, envelope.recipients.len());
                let span = trace_span!(target: "trace", "smtp data", transaction, recipients, reply = Empty);
                match receiver.data(envelope).instrument(span.clone()).await {
                    Ok(sink) => {
                        self.sink = Some(sink);
                        self.message = span;
                        session.answer_data(Ok(()));
                    }
                    Err(reply) => {
                        span.record("reply", reply.code);
                        session.answer_data(Err(reply));
                    }
                }
            }
        }
    }

    async fn abort(&mut self, why: Abort) {
        if let Some(sink) = self.sink.take() {
            sink.abort(why).await;
        }
        self.message = Span::none();
    }
}

/// How long the peer may still take.
struct Patience {
    /// End of waiting for the command under way.
    command: Instant,
    /// The message under way.
    data: Option<DataPatience>,
}

struct DataPatience {
    waited: Duration,
    octets: u64,
}

impl Patience {
    fn new(command: Duration) -> Self {
        Self { command: Instant::now() + command, data: None }
    }
}

struct Wire {
    io: Box<dyn Io>,
    buf: BytesMut,
    config: Arc<Config>,
    phase: watch::Receiver<Phase>,
}

impl Wire {
    /// Sends what is to be said, then waits for more octets.
    async fn read(&mut self, session: &mut Session, patience: &mut Patience) -> Result<(), End> {
        let times = &self.config.timeouts;
        let in_data = session.in_data();
        if !session.output().is_empty() {
            // Something was answered: the next wait is a new one.
            flush(&mut self.io, session, times.write).await?;
            patience.command = Instant::now() + times.command;
        }
        let stop = if in_data { Phase::Stopping } else { Phase::Draining };
        let before = Instant::now();
        let deadline = if in_data {
            let data = patience.data.get_or_insert(DataPatience { waited: Duration::ZERO, octets: 0 });
            let left = times.data_total.saturating_sub(data.waited);
            before + left.min(times.data_block)
        } else {
            patience.data = None;
            patience.command
        };
        self.make_room(in_data);
        let got = tokio::select! {
            biased;
            got = timeout_at(deadline, self.io.read_buf(&mut self.buf)) => got,
            _ = self.phase.wait_for(|p| *p >= stop) => return Err(End::Shutdown),
        };
        match got {
            Err(_) => return Err(End::TimedOut),
            Ok(Err(_) | Ok(0)) => return Err(End::Lost),
            Ok(Ok(n)) => {
                let Some(data) = &mut patience.data else { return Ok(()) };
                data.waited += before.elapsed();
                data.octets += u64::try_from(n).unwrap_or(u64::MAX);
                if let Some(rate) = self.config.min_rate
                    && data.waited > rate.grace
                    && data.octets < rate.bytes_per_second.saturating_mul(data.waited.as_secs())
                {
                    return Err(End::TimedOut);
                }
            }
        }
        Ok(())
    }

    fn make_room(&mut self, in_data: bool) {
        if in_data {
            if self.buf.capacity() - self.buf.len() < DATA_BUFFER / 4 {
                self.buf.reserve(DATA_BUFFER);
            }
        } else if self.buf.is_empty() {
            if self.buf.capacity() != COMMAND_BUFFER {
                // An idle session shall not keep the big buffer.
                self.buf = BytesMut::with_capacity(COMMAND_BUFFER);
            }
        } else {
            self.buf.reserve(COMMAND_BUFFER / 2);
        }
    }

    async fn start_tls(&mut self, session: &mut Session, tls: Option<&TlsReload>) -> Result<(), End> {
        flush(&mut self.io, session, self.config.timeouts.write).await?;
        // RFC 3207 §4.2: what came in clear behind STARTTLS does not exist.
        self.buf = BytesMut::new();
        let config = tls.map(|t| Arc::clone(&t.borrow())).ok_or(End::Lost)?;
        let plain = std::mem::replace(&mut self.io, Box::new(tokio::io::empty()));
        let shaking = accept_tls(plain, config);
        let (io, info) = match timeout(self.config.timeouts.handshake, shaking).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => {
                tracing::debug!(session = session.peer().session, %error, "TLS handshake failed");
                return Err(End::Lost);
            }
            Err(_) => return Err(End::TimedOut),
        };
        self.io = io;
        session.tls_started(info);
        Ok(())
    }

    /// Says the last words and closes, so that they arrive.
    async fn close(&mut self, session: &mut Session, end: End) {
        match end {
            End::Lost => return,
            End::Said => {}
            End::TimedOut => session.close_with(&Reply::new(421, (4, 4, 2), "too slow, closing")),
            End::Shutdown => session.close_with(&Reply::new(421, (4, 3, 2), "shutting down, try again")),
        }
        let limit = self.config.timeouts.write.min(LINGER * 5);
        if flush(&mut self.io, session, limit).await.is_err() {
            return;
        }
        let io = &mut self.io;
        let _ = timeout(LINGER, async move {
            io.shutdown().await?;
            let mut rest = vec![0; 16 * 1024];
            for _ in 0..1024 {
                if io.read(&mut rest).await? == 0 {
                    break;
                }
            }
            Ok::<_, std::io::Error>(())
        })
        .await;
    }
}

/// Does the server's side of a handshake.
pub(super) async fn accept_tls(
    io: Box<dyn Io>,
    config: Arc<rustls::ServerConfig>,
) -> std::io::Result<(Box<dyn Io>, TlsInfo)> {
    let stream = tokio_rustls::TlsAcceptor::from(config).accept(io).await?;
    let state = stream.get_ref().1;
    let shown = match state.peer_certificates() {
        Some(_) => Ok(()),
        None => Err("no client certificate".to_owned()),
    };
    let info = TlsInfo::new(state, state.server_name().map(str::to_owned), shown);
    Ok((Box::new(stream), info))
}

async fn flush(io: &mut Box<dyn Io>, session: &mut Session, limit: Duration) -> Result<(), End> {
    let out = session.output();
    if out.is_empty() {
        return Ok(());
    }
    let sent = timeout(limit, async {
        io.write_all(out).await?;
        io.flush().await
    })
    .await;
    if out.capacity() > 4096 {
        *out = Vec::new();
    } else {
        out.clear();
    }
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Lost),
        Err(_) => Err(End::TimedOut),
    }
}
