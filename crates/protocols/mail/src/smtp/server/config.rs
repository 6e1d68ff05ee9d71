// SPDX-License-Identifier: EUPL-1.2
//! Settings of the server: caps, time-outs and policy, with safe defaults.
//!
//! Guarantees: `Config::default()` refuses plain-text passwords and follows the times of
//! RFC 5321 §4.5.3.2. Not checked: that a combination makes sense.

use std::time::Duration;

/// Settings of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name in greeting and EHLO answer; should be the host's DNS name.
    pub hostname: String,
    /// Text after the name in the greeting.
    pub banner: String,
    /// When AUTH is offered.
    pub auth: AuthPolicy,
    /// Refuse MAIL without TLS (530 5.7.0).
    pub require_tls: bool,
    /// Refuse MAIL without authentication (530 5.7.0): submission (RFC 6409).
    pub require_auth: bool,
    /// Caps.
    pub limits: Limits,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// Slowest body that is tolerated; `None` leaves it to the time-outs.
    pub min_rate: Option<MinRate>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            banner: "ESMTP".into(),
            auth: AuthPolicy::UnderTls,
            require_tls: false,
            require_auth: false,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            min_rate: None,
        }
    }
}

/// When AUTH is offered and accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthPolicy {
    /// Never.
    Off,
    /// Only under TLS.
    UnderTls,
    /// Also without TLS: passwords travel in the clear. For loopback and tests.
    Always,
}

/// Caps. A refusal names the cap it comes from.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest command line in octets, CRLF included.
    pub line: usize,
    /// Recipients per message (then 452 4.5.3).
    pub recipients: usize,
    /// Largest message in octets after dot-unstuffing (552 5.3.4); advertised as SIZE.
    pub message_size: u64,
    /// Errors (syntax, sequence) without a message accepted in between, then 421.
    pub errors: u32,
    /// Recipients refused without a message accepted in between, then 421.
    pub refused_recipients: u32,
    /// Commands without a message accepted in between (RCPT not counted), then 421.
    pub idle_commands: u32,
    /// Failed authentications per session: the last one is answered with 421.
    pub auth_failures: u32,
    /// Connections at the same time (421).
    pub connections: usize,
    /// Connections at the same time from one IPv4 address or one IPv6 /64 (421).
    pub connections_per_peer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 4096,
            recipients: 1000,
            message_size: 100 * 1024 * 1024,
            errors: 20,
            refused_recipients: 200,
            idle_commands: 200,
            auth_failures: 3,
            connections: 2000,
            connections_per_peer: 100,
        }
    }
}

/// Time-outs; all but `drain` are about the peer only: time spent in the receiver is never counted.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// TLS handshake.
    pub handshake: Duration,
    /// Waiting for a command (RFC 5321 §4.5.3.2.7).
    pub command: Duration,
    /// Waiting for the next octets within DATA.
    pub data_block: Duration,
    /// Waiting within one DATA altogether.
    pub data_total: Duration,
    /// Writing a reply to a peer that does not read.
    pub write: Duration,
    /// After shutdown was asked for: time for running messages to end.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |m: u64| Duration::from_secs(m * 60);
        Self {
            handshake: minutes(1),
            command: minutes(5),
            data_block: minutes(3),
            data_total: minutes(60),
            write: minutes(5),
            drain: Duration::from_secs(30),
        }
    }
}

/// Slowest body that is tolerated.
#[derive(Debug, Clone, Copy)]
pub struct MinRate {
    /// Octets per second, over the time spent waiting for the peer.
    pub bytes_per_second: u64,
    /// Not judged before this much waiting.
    pub grace: Duration,
}
