// SPDX-License-Identifier: EUPL-1.2
//! Scanning for malware: what the station asks a scanner, and ClamAV's daemon as the one that answers.
//!
//! Guarantees: *clean* is said only after a whole, well-formed `stream: OK` to all octets; everything else (no
//! connection, time-outs, half answers, too large, errors) is *indeterminate* with its reason. At most
//! [`Settings::connections`] scans at a time; the octets stream. After a failure nobody connects until a delay has
//! passed, then one probe goes first ([`Clamd`]), so a dead scanner costs no time and gets no storm.
//! Does not: keep connections (one scan, one connection: setting one up on the same host takes less than the shortest
//! scan, and nothing of an old scan can be taken for an answer to a new one); judge content itself.
//!
//! Protocol: clamd(8), commands `zPING`, `zVERSION`, `zINSTREAM`.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::codes;
use crate::octets::Spool;
use crate::sheet::Note;

/// Longest answer that is read, octets.
const ANSWER_BYTES: usize = 4096;
/// Octets of one chunk.
const CHUNK_BYTES: usize = 256 * 1024;
/// How long a version is believed.
const VERSION_AGE: Duration = Duration::from_secs(60);
/// Delay after the first failure; doubled with each further one.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// What a scanner says of one content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Scanned to the end, nothing found.
    Clean,
    /// Something was found.
    Infected {
        /// Its name, as the scanner calls it.
        signature: String,
    },
    /// Not known.
    Indeterminate {
        /// Why: one of `scanner-…` of [`crate::codes`].
        reason: Note,
    },
}

impl Answer {
    fn unknown(code: &str) -> Self {
        Self::Indeterminate { reason: Note::new(code) }
    }
}

/// Why a scanner could not be asked for its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// No connection. Retry later; the operator must look.
    #[error("the scanner cannot be reached")]
    Unreachable,
    /// No answer in time. Retry later.
    #[error("the scanner does not answer in time")]
    Timeout,
    /// An answer that is none.
    #[error("the scanner gives no usable answer")]
    Answer,
}

impl ScanError {
    /// Code of the sentence.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreachable => codes::SCANNER_UNREACHABLE,
            Self::Timeout => codes::SCANNER_TIMEOUT,
            Self::Answer => codes::SCANNER_ANSWER,
        }
    }
}

/// Octets to be scanned.
pub type Octets<'a> = BoxStream<'a, io::Result<Bytes>>;

/// Somebody who knows malware.
#[async_trait]
pub trait Scanner: Send + Sync {
    /// Product, version and state of its signatures.
    async fn version(&self) -> Result<String, ScanError>;
    /// Scans one content. Never fails: what goes wrong is [`Answer::Indeterminate`].
    async fn scan(&self, octets: Octets<'_>) -> Answer;
}

/// The octets of a spool as a stream.
#[must_use]
pub fn octets_of(spool: &Spool) -> Octets<'static> {
    let reader = Some(spool.reader());
    stream::unfold(reader, |reader| async move {
        let mut reader = reader?;
        // The next piece is one `pread` and one AES-GCM opening of 64 KiB: not worth a thread of its own.
        let piece = io::BufRead::fill_buf(&mut reader).map(Bytes::copy_from_slice);
        match piece {
            Ok(piece) if piece.is_empty() => None,
            Ok(piece) => {
                io::BufRead::consume(&mut reader, piece.len());
                Some((Ok(piece), Some(reader)))
            }
            Err(e) => Some((Err(e), None)),
        }
    })
    .boxed()
}

/// Where a daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port`.
    Tcp(String),
    /// Path of a socket.
    Unix(PathBuf),
}

/// How to use a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub address: Address,
    /// Scans at a time.
    pub connections: usize,
    /// For setting up a connection.
    pub connect: Duration,
    /// For taking one chunk.
    pub chunk: Duration,
    /// For one scan from its first octet to the answer.
    pub whole: Duration,
    /// Octets it takes at most; not above its `StreamMaxLength`.
    pub stream_max: u64,
}

impl Settings {
    /// Usual values: 4 connections, 5 s, 30 s, 120 s, 100 MB (the daemon's own default).
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            connections: 4,
            connect: Duration::from_secs(5),
            chunk: Duration::from_secs(30),
            whole: Duration::from_secs(120),
            stream_max: 100 * 1024 * 1024,
        }
    }
}

/// ClamAV's daemon.
pub struct Clamd {
    settings: Settings,
    permits: Semaphore,
    health: Mutex<Health>,
    version: Mutex<Option<(Instant, String)>>,
}

/// How the last conversations went.
#[derive(Debug, Default)]
struct Health {
    failures: u32,
    /// Nobody connects before.
    until: Option<Instant>,
    /// Somebody is finding out.
    probing: bool,
}

/// What health allows.
enum Leave {
    Go,
    /// Go, after asking for a sign of life.
    Probe,
    Wait,
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl Clamd {
    /// A daemon that was not spoken to yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let permits = Semaphore::new(settings.connections.clamp(1, 1000));
        Self { settings, permits, health: Mutex::default(), version: Mutex::default() }
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self) -> Leave {
        let mut health = self.health();
        match health.until {
            None => Leave::Go,
            Some(until) if health.probing || Instant::now() < until => Leave::Wait,
            Some(_) => {
                health.probing = true;
                Leave::Probe
            }
        }
    }

    fn went_well(&self) {
        *self.health() = Health::default();
    }

    fn went_wrong(&self) {
        let mut health = self.health();
        let delay = FIRST_DELAY.saturating_mul(1 << health.failures.min(6)).min(LONGEST_DELAY);
        health.failures = health.failures.saturating_add(1);
        health.until = Some(Instant::now() + delay);
        health.probing = false;
    }

    async fn connect(&self) -> Result<Box<dyn Wire>, ScanError> {
        let connect = async {
            Ok::<Box<dyn Wire>, io::Error>(match &self.settings.address {
                Address::Tcp(address) => Box::new(TcpStream::connect(address).await?),
                Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            })
        };
        match timeout(self.settings.connect, connect).await {
            Ok(Ok(wire)) => Ok(wire),
            Ok(Err(_)) => Err(ScanError::Unreachable),
            Err(_) => Err(ScanError::Timeout),
        }
    }

    /// One command without octets; the answer without its end mark.
    async fn ask(&self, command: &[u8]) -> Result<Vec<u8>, ScanError> {
        let mut wire = self.connect().await?;
        let talk = async {
            wire.write_all(command).await?;
            read_answer(&mut wire).await
        };
        match timeout(self.settings.chunk, talk).await {
            Ok(Ok(answer)) => match answer.split_last() {
                Some((0, line)) if !line.is_empty() => Ok(line.to_vec()),
                _ => Err(ScanError::Answer),
            },
            Ok(Err(_)) => Err(ScanError::Answer),
            Err(_) => Err(ScanError::Timeout),
        }
    }

    /// Waits its turn, and for a sign of life after failures.
    async fn admit(&self) -> Result<(), ScanError> {
        match self.leave() {
            Leave::Go => Ok(()),
            Leave::Wait => Err(ScanError::Unreachable),
            Leave::Probe => {
                let probe = Probe(self);
                let answer = self.ask(b"zPING\0").await;
                std::mem::forget(probe);
                match answer {
                    Ok(pong) if pong == b"PONG" => {
                        self.went_well();
                        Ok(())
                    }
                    other => {
                        self.went_wrong();
                        Err(other.err().unwrap_or(ScanError::Answer))
                    }
                }
            }
        }
    }

    async fn converse(&self, mut octets: Octets<'_>) -> Answer {
        let mut wire = match self.connect().await {
            Ok(wire) => wire,
            Err(e) => return Answer::unknown(e.code()),
        };
        match self.send(&mut wire, &mut octets).await {
            Ok(()) => {}
            // A daemon that has enough says so and closes; its word is worth more than our broken pipe.
            Err(Broken::Pipe) => {
                return match timeout(self.settings.chunk, read_answer(&mut wire)).await {
                    Ok(Ok(answer)) => match parse_answer(&answer) {
                        // Nothing is clean that was not sent to its end.
                        Answer::Clean => Answer::unknown(codes::SCANNER_ANSWER),
                        other => other,
                    },
                    _ => Answer::unknown(codes::SCANNER_UNREACHABLE),
                };
            }
            Err(Broken::Code(code)) => return Answer::unknown(code),
        }
        match read_answer(&mut wire).await {
            Ok(answer) => parse_answer(&answer),
            Err(_) => Answer::unknown(codes::SCANNER_ANSWER),
        }
    }

    async fn send(&self, wire: &mut dyn Wire, octets: &mut Octets<'_>) -> Result<(), Broken> {
        self.write(wire, b"zINSTREAM\0").await?;
        let mut sent = 0u64;
        while let Some(piece) = octets.next().await {
            let piece = piece.map_err(|_| Broken::Code(codes::SCANNER_INPUT))?;
            sent = sent.saturating_add(piece.len() as u64);
            if sent > self.settings.stream_max {
                return Err(Broken::Code(codes::SCANNER_SIZE));
            }
            // An empty chunk would be the end.
            for chunk in piece.chunks(CHUNK_BYTES) {
                let len = u32::try_from(chunk.len()).map_err(|_| Broken::Code(codes::SCANNER_INPUT))?;
                self.write(wire, &len.to_be_bytes()).await?;
                self.write(wire, chunk).await?;
            }
        }
        self.write(wire, &[0; 4]).await
    }

    async fn write(&self, wire: &mut dyn Wire, octets: &[u8]) -> Result<(), Broken> {
        match timeout(self.settings.chunk, wire.write_all(octets)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Broken::Pipe),
            Err(_) => Err(Broken::Code(codes::SCANNER_TIMEOUT)),
        }
    }
}

enum Broken {
    Pipe,
    Code(&'static str),
}

/// A probe that is dropped half-way (its caller gave up) leaves the next try to somebody else.
struct Probe<'a>(&'a Clamd);

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.0.health().probing = false;
    }
}

#[async_trait]
impl Scanner for Clamd {
    async fn version(&self) -> Result<String, ScanError> {
        let known = self.version.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, version)) = known
            && at.elapsed() <= VERSION_AGE
        {
            return Ok(version);
        }
        let _permit = self.permits.acquire().await.map_err(|_| ScanError::Unreachable)?;
        self.admit().await?;
        let answer = self.ask(b"zVERSION\0").await.and_then(|octets| {
            let text = String::from_utf8(octets).map_err(|_| ScanError::Answer)?;
            let fits = text.len() <= 300 && !text.chars().any(char::is_control);
            fits.then_some(text).ok_or(ScanError::Answer)
        });
        match &answer {
            Ok(version) => {
                self.went_well();
                let now = (Instant::now(), version.clone());
                *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
            }
            Err(_) => self.went_wrong(),
        }
        answer
    }

    async fn scan(&self, octets: Octets<'_>) -> Answer {
        let Ok(_permit) = self.permits.acquire().await else {
            return Answer::unknown(codes::SCANNER_UNREACHABLE);
        };
        if let Err(e) = self.admit().await {
            return Answer::unknown(e.code());
        }
        let answer = match timeout(self.settings.whole, self.converse(octets)).await {
            Ok(answer) => answer,
            Err(_) => Answer::unknown(codes::SCANNER_TIMEOUT),
        };
        match &answer {
            Answer::Indeterminate { reason } => match reason.code.as_str() {
                codes::SCANNER_UNREACHABLE | codes::SCANNER_TIMEOUT | codes::SCANNER_ANSWER => {
                    self.went_wrong();
                }
                // The scanner is well; this content is not for it.
                _ => {}
            },
            _ => self.went_well(),
        }
        answer
    }
}

/// Up to and including the end mark, or to the end of the connection.
async fn read_answer(wire: &mut dyn Wire) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut piece = [0; 512];
    loop {
        let n = wire.read(&mut piece).await?;
        answer.extend_from_slice(piece.get(..n).unwrap_or_default());
        if n == 0 || answer.contains(&0) || answer.len() > ANSWER_BYTES {
            return Ok(answer);
        }
    }
}

/// What an answer to `zINSTREAM` means: exactly one, complete, ended by its mark.
#[must_use]
pub fn parse_answer(answer: &[u8]) -> Answer {
    let nonsense = || Answer::unknown(codes::SCANNER_ANSWER);
    let Some((0, line)) = answer.split_last() else { return nonsense() };
    let Ok(line) = std::str::from_utf8(line) else { return nonsense() };
    if line.chars().any(char::is_control) || line.len() > ANSWER_BYTES {
        return nonsense();
    }
    if line == "stream: OK" {
        return Answer::Clean;
    }
    if let Some(signature) = line.strip_prefix("stream: ").and_then(|l| l.strip_suffix(" FOUND")) {
        let signature: String = signature.trim().chars().take(300).collect();
        return if signature.is_empty() { nonsense() } else { Answer::Infected { signature } };
    }
    match line.strip_suffix(" ERROR") {
        Some(text) if text.contains("size limit exceeded") => Answer::unknown(codes::SCANNER_SIZE),
        Some(text) => {
            Answer::Indeterminate { reason: Note::new(codes::SCANNER_ERROR).with("detail", text.trim()) }
        }
        None => nonsense(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let reason = |octets: &[u8]| match parse_answer(octets) {
            Answer::Indeterminate { reason } => reason.code,
            other => panic!("{other:?}"),
        };
        assert_eq!(parse_answer(b"stream: OK\0"), Answer::Clean);
        let found = Answer::Infected { signature: "Eicar-Test-Signature.UNOFFICIAL".into() };
        assert_eq!(parse_answer(b"stream: Eicar-Test-Signature.UNOFFICIAL FOUND\0"), found);
        for nonsense in [
            &b""[..],
            b"\0",
            b"stream: OK",
            b"stream: O\0",
            b"stream: OK\n\0",
            b"stream: OK\0\0",
            b"stream: OK\0stream: OK\0",
            b"stream: X FOUND\0stream: OK\0",
            b"stream:  FOUND\0",
            b"stream: X FOUND",
            b"OK\0",
            b"PONG\0",
            b"HTTP/1.1 200 OK\r\n\r\n\0",
            b"stream: \xff FOUND\0",
        ] {
            assert_eq!(reason(nonsense), codes::SCANNER_ANSWER, "{}", nonsense.escape_ascii());
        }
        assert_eq!(reason(b"INSTREAM size limit exceeded. ERROR\0"), codes::SCANNER_SIZE);
        assert_eq!(reason(b"stream: Can't allocate memory ERROR\0"), codes::SCANNER_ERROR);
        assert_eq!(reason(b"UNKNOWN COMMAND ERROR\0"), codes::SCANNER_ERROR);
    }
}
