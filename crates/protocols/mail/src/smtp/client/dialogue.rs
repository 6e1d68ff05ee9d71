// SPDX-License-Identifier: EUPL-1.2
//! The log of a conversation, kept as a receipt (demanded nowhere, useful in court).
//!
//! Guarantees: every command and reply line in order with the time since the connection began; neither body
//! octets nor credentials; lines and their number are capped. Not guaranteed: wall-clock time; the hub adds it.

use crate::smtp::TlsInfo;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Longest text kept per line, in characters.
const LINE_MAX: usize = 1000;
/// Most lines kept; what comes after is counted.
const LINES_MAX: usize = 5000;

/// What was said on a connection about one message, greeting and TLS included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dialogue {
    /// Host as asked for.
    pub host: String,
    /// Address connected to.
    pub peer: Option<SocketAddr>,
    /// Our own address on that connection.
    pub local: Option<SocketAddr>,
    /// The TLS layer.
    pub tls: Option<TlsInfo>,
    /// What was said.
    pub lines: Vec<Line>,
    /// Lines left out because of the cap.
    pub left_out: usize,
}

/// One line of a [`Dialogue`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Since the connection was begun.
    pub at: Duration,
    /// Who.
    pub speaker: Speaker,
    /// What, without line end.
    pub text: String,
}

/// Who said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// We.
    Client,
    /// The far side.
    Server,
    /// Nobody: a remark of the program (connected, TLS, octets sent, failure).
    Remark,
}

impl Dialogue {
    pub(super) fn push(&mut self, at: Duration, speaker: Speaker, text: &str) {
        if self.lines.len() >= LINES_MAX {
            self.left_out += 1;
            return;
        }
        let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        self.lines.push(Line { at, speaker, text: text.chars().take(LINE_MAX).map(clean).collect() });
    }
}

impl fmt::Display for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}", self.host)?;
        if let Some(peer) = self.peer {
            write!(f, " [{peer}]")?;
        }
        writeln!(f)?;
        if let Some(tls) = &self.tls {
            let verdict = tls.verified.as_ref().map_or_else(String::as_str, |()| "verified");
            let shown = tls.fingerprint().unwrap_or_else(|| "none".into());
            writeln!(f, "tls {} {} certificate sha256:{shown} {verdict}", tls.version, tls.cipher)?;
        }
        for line in &self.lines {
            let who = match line.speaker {
                Speaker::Client => "C:",
                Speaker::Server => "S:",
                Speaker::Remark => "--",
            };
            let at = line.at.as_secs_f64();
            writeln!(f, "{at:+.6} {who} {}", line.text)?;
        }
        if self.left_out > 0 {
            writeln!(f, "({} lines left out)", self.left_out)?;
        }
        Ok(())
    }
}
