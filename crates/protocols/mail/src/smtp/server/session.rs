// SPDX-License-Identifier: EUPL-1.2
//! The server's side of SMTP as a state machine without I/O (RFC 5321 §3, §4.1.4).
//!
//! Guarantees: whatever octets come in, no panic and no unbounded buffer: at most one command line is
//! held; replies come in the order of commands; a command line must end in CRLF and hold no control
//! characters, or it is refused without being executed; nothing that was said before a TLS handshake is
//! remembered after it.
//! Not here: I/O, time, and every decision that is the receiver's: for these [`Session::step`] returns an
//! [`Ask`] and waits for the matching `answer_…` call.

use super::command::{self, Command, Mail};
use super::config::Config;
use super::data::{Seen, Unstuff};
use super::{Envelope, Peer, Verdict};
use crate::smtp::{Recipient, Reply, TlsInfo};
use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use secrecy::{SecretString, zeroize::Zeroize};
use std::sync::Arc;

/// What the driver must do next.
#[derive(Debug)]
pub enum Step {
    /// Send the output, read more octets into the buffer, call [`Session::step`] again.
    Read,
    /// Ask the receiver and give its answer back.
    Ask(Ask),
    /// Message octets for the sink.
    Data(Bytes),
    /// The message outgrew the cap: abort the sink. The session reads and drops the rest.
    TooBig,
    /// The message is complete: finish the sink, then [`Session::answer_message`].
    EndOfData(Seen),
    /// Send the output, forget the buffer, do the TLS handshake, then [`Session::tls_started`].
    StartTls,
    /// Send the output and close.
    Close,
}

/// A question to the receiver.
#[derive(Debug)]
pub enum Ask {
    /// Is this password right? Answer with [`Session::answer_auth`].
    Auth {
        /// User name.
        user: String,
        /// Password.
        password: SecretString,
    },
    /// Is [`Session::envelope`]'s sender welcome? Answer with [`Session::answer_mail`].
    Mail,
    /// Is this recipient welcome? Answer with [`Session::answer_recipient`].
    Recipient(Recipient),
    /// Will the message be taken? Take it with [`Session::take_envelope`], answer with [`Session::answer_data`].
    Data,
}

#[derive(Debug)]
pub(super) enum State {
    Command,
    AuthPlain,
    AuthLoginUser,
    AuthLoginPassword(String),
    /// Waiting for an `answer_…`.
    Asked,
    Data(Box<Unstuff>, Body),
    Closed,
}

#[derive(Debug)]
pub(super) enum Body {
    /// Octets go to the sink.
    Deliver,
    /// Octets are dropped, this reply answers the message.
    Drain(Reply),
    /// The end was seen, the last octets were given out.
    Ended(Seen),
}

/// One SMTP session of the server.
#[derive(Debug)]
pub struct Session {
    pub(super) config: Arc<Config>,
    pub(super) peer: Arc<Peer>,
    tls_offered: bool,
    pub(super) state: State,
    pub(super) envelope: Option<Envelope>,
    out: Vec<u8>,
    transactions: u32,
    errors: u32,
    refused: u32,
    idle_commands: u32,
    pub(super) auth_failures: u32,
    /// Within a command line that is too long: everything up to LF is dropped.
    skipping: bool,
}

impl Session {
    /// A session that has not greeted yet; `tls_offered`: STARTTLS is available.
    pub fn new(config: Arc<Config>, peer: Peer, tls_offered: bool) -> Self {
        Self {
            config,
            peer: Arc::new(peer),
            tls_offered,
            state: State::Command,
            envelope: None,
            out: Vec::new(),
            transactions: 0,
            errors: 0,
            refused: 0,
            idle_commands: 0,
            auth_failures: 0,
            skipping: false,
        }
    }

    /// Replies that wait to be sent; the driver sends and clears them.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// The far side as known now.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// The envelope being built.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// The envelope, for handing it over after [`Ask::Data`].
    pub fn take_envelope(&mut self) -> Option<Envelope> {
        self.envelope.take()
    }

    /// Whether the next octets belong to a message.
    pub fn in_data(&self) -> bool {
        matches!(self.state, State::Data(..))
    }

    /// Greets, or refuses the connection.
    pub fn greet(&mut self, verdict: Verdict) {
        match verdict {
            Ok(()) => {
                let text = format!("{} {}", self.config.hostname, self.config.banner);
                self.say(&Reply::plain(220, text));
            }
            Err(reply) => {
                self.say(&refusal(reply));
                self.state = State::Closed;
            }
        }
    }

    /// Says 421 and closes at the next step.
    pub fn close_with(&mut self, reply: &Reply) {
        self.say(reply);
        self.state = State::Closed;
    }

    /// Works on what was received.
    pub fn step(&mut self, buf: &mut BytesMut) -> Step {
        loop {
            match &mut self.state {
                State::Closed => return Step::Close,
                State::Asked => return Step::Read,
                State::Data(..) => match self.data(buf) {
                    Some(step) => return step,
                    None => continue,
                },
                State::Command | State::AuthPlain | State::AuthLoginUser | State::AuthLoginPassword(_) => {}
            }
            let Some(mut line) = self.line(buf) else {
                if matches!(self.state, State::Closed) {
                    continue;
                }
                return Step::Read;
            };
            let text = std::str::from_utf8(&line).unwrap_or_default();
            let step = match std::mem::replace(&mut self.state, State::Command) {
                State::Command => self.command(text),
                other => self.auth_line(other, text.trim_end()),
            };
            // It may have held a password.
            line.as_mut().zeroize();
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Takes one acceptable command line off the buffer, CRLF included.
    fn line(&mut self, buf: &mut BytesMut) -> Option<BytesMut> {
        loop {
            let Some(lf) = memchr(b'\n', buf) else {
                if self.skipping || buf.len() >= self.config.limits.line {
                    self.skipping = true;
                    buf.clear();
                }
                return None;
            };
            let line = buf.split_to(lf + 1);
            let fault = if self.skipping || line.len() > self.config.limits.line {
                self.skipping = false;
                format!("line too long (limit {} octets)", self.config.limits.line)
            } else {
                match line.strip_suffix(b"\r\n") {
                    None => "commands must end in CRLF".to_owned(),
                    Some(text) if text.iter().any(|&b| b < 0x20 || b == 0x7f) => {
                        "control characters".to_owned()
                    }
                    Some(text) if std::str::from_utf8(text).is_err() => "not UTF-8".to_owned(),
                    Some(_) => return Some(line),
                }
            };
            // It also ends a running AUTH exchange.
            self.state = State::Command;
            self.fault(&Reply::new(500, (5, 5, 2), fault));
            if matches!(self.state, State::Closed) {
                return None;
            }
        }
    }

    fn command(&mut self, line: &str) -> Option<Step> {
        let command = match command::parse(line) {
            Ok(command) => command,
            Err(reply) => {
                self.count_command();
                self.fault(&reply);
                return None;
            }
        };
        if !matches!(command, Command::Rcpt(_)) && !self.count_command() {
            return None;
        }
        match command {
            Command::Hello { host, esmtp } => self.hello(host, esmtp),
            Command::StartTls => return self.starttls(),
            Command::AuthPlain(initial) => return self.auth(State::AuthPlain, initial.as_ref()),
            Command::AuthLogin(initial) => return self.auth(State::AuthLoginUser, initial.as_ref()),
            Command::AuthOther => self.fault(&Reply::new(504, (5, 5, 4), "mechanism not offered")),
            Command::Mail(mail) => return self.mail(mail),
            Command::Rcpt(recipient) => return self.rcpt(recipient),
            Command::Data => return self.ask_data(),
            Command::Rset => {
                self.envelope = None;
                self.say(&Reply::ok("reset"));
            }
            Command::Noop => self.say(&Reply::ok("ok")),
            Command::Vrfy => self.say(&Reply::new(252, (2, 5, 2), "cannot verify, send it and see")),
            Command::Help => self.say(&Reply::new(214, (2, 0, 0), HELP)),
            Command::Quit => self.close_with(&Reply::new(221, (2, 0, 0), "bye")),
            Command::NotImplemented => self.fault(&Reply::new(502, (5, 5, 1), "command not implemented")),
            Command::Http => self.close_with(&Reply::new(421, (4, 7, 0), "this is not a web server")),
        }
        None
    }

    fn hello(&mut self, host: String, esmtp: bool) {
        let peer = Arc::make_mut(&mut self.peer);
        peer.helo = Some(host);
        peer.esmtp = esmtp;
        self.envelope = None;
        if !esmtp {
            let text = self.config.hostname.clone();
            self.say(&Reply::plain(250, text));
            return;
        }
        let mut text = format!(
            "{}\nPIPELINING\nSIZE {}\n8BITMIME\nSMTPUTF8\nENHANCEDSTATUSCODES\nDSN",
            self.config.hostname, self.config.limits.message_size
        );
        if self.tls_offered && self.peer.tls.is_none() {
            text.push_str("\nSTARTTLS");
        }
        if self.auth_allowed() {
            text.push_str("\nAUTH PLAIN LOGIN");
        }
        self.say(&Reply::plain(250, text));
    }

    fn starttls(&mut self) -> Option<Step> {
        if self.peer.tls.is_some() {
            self.fault(&Reply::new(503, (5, 5, 1), "TLS is already active"));
        } else if !self.tls_offered {
            self.fault(&Reply::new(502, (5, 5, 1), "TLS is not offered"));
        } else {
            self.say(&Reply::new(220, (2, 0, 0), "ready for TLS"));
            self.state = State::Asked;
            return Some(Step::StartTls);
        }
        None
    }

    /// The handshake is done: everything said before is forgotten (RFC 3207 §4.2).
    pub fn tls_started(&mut self, info: TlsInfo) {
        let peer = Arc::make_mut(&mut self.peer);
        peer.tls = Some(info);
        peer.helo = None;
        peer.esmtp = false;
        peer.identity = None;
        self.envelope = None;
        self.state = State::Command;
    }

    fn mail(&mut self, mail: Mail) -> Option<Step> {
        let cap = self.config.limits.message_size;
        let refused = if self.peer.helo.is_none() {
            Some(Reply::new(503, (5, 5, 1), "EHLO first"))
        } else if self.config.require_tls && self.peer.tls.is_none() {
            Some(Reply::new(530, (5, 7, 0), "STARTTLS first"))
        } else if self.config.require_auth && self.peer.identity.is_none() {
            Some(Reply::new(530, (5, 7, 0), "authenticate first"))
        } else if self.envelope.is_some() {
            Some(Reply::new(503, (5, 5, 1), "a message is already under way, RSET first"))
        } else if mail.from.as_ref().is_some_and(|a| !a.is_ascii()) && !mail.smtputf8 {
            Some(Reply::new(553, (5, 6, 7), "this address needs SMTPUTF8"))
        } else {
            match mail.size {
                Some(size) if size > cap => Some(too_big(size, cap)),
                _ => None,
            }
        };
        if let Some(reply) = refused {
            self.fault(&reply);
            return None;
        }
        self.envelope = Some(Envelope {
            peer: Arc::clone(&self.peer),
            transaction: self.transactions.wrapping_add(1),
            mail_from: mail.from,
            recipients: Vec::new(),
            size: mail.size,
            body: mail.body,
            smtputf8: mail.smtputf8,
            ret: mail.ret,
            envid: mail.envid,
        });
        self.state = State::Asked;
        Some(Step::Ask(Ask::Mail))
    }

    /// Answers [`Ask::Mail`].
    pub fn answer_mail(&mut self, verdict: Verdict) {
        self.state = State::Command;
        match verdict {
            Ok(()) => {
                self.transactions = self.transactions.wrapping_add(1);
                self.say(&Reply::new(250, (2, 1, 0), "sender ok"));
            }
            Err(reply) => {
                self.envelope = None;
                self.refuse(reply);
            }
        }
    }

    fn rcpt(&mut self, recipient: Recipient) -> Option<Step> {
        let cap = self.config.limits.recipients;
        let refused = match &self.envelope {
            None => Some(Reply::new(503, (5, 5, 1), "MAIL first")),
            Some(e) if e.recipients.len() >= cap => {
                self.say(&Reply::new(452, (4, 5, 3), format!("too many recipients (limit {cap})")));
                return None;
            }
            Some(e) if !recipient.address.is_ascii() && !e.smtputf8 => {
                Some(Reply::new(553, (5, 6, 7), "this address needs SMTPUTF8"))
            }
            Some(_) => None,
        };
        if let Some(reply) = refused {
            self.fault(&reply);
            return None;
        }
        self.state = State::Asked;
        Some(Step::Ask(Ask::Recipient(recipient)))
    }

    /// Answers [`Ask::Recipient`].
    pub fn answer_recipient(&mut self, recipient: Recipient, verdict: Verdict) {
        self.state = State::Command;
        match (verdict, &mut self.envelope) {
            (Ok(()), Some(envelope)) => {
                envelope.recipients.push(recipient);
                self.say(&Reply::new(250, (2, 1, 5), "recipient ok"));
            }
            (Ok(()), None) => self.fault(&Reply::new(503, (5, 5, 1), "MAIL first")),
            (Err(reply), _) => {
                self.refuse(reply);
                self.refused += 1;
                let cap = self.config.limits.refused_recipients;
                if self.refused > cap && !matches!(self.state, State::Closed) {
                    self.close_with(&Reply::new(
                        421,
                        (4, 7, 0),
                        format!("too many refused recipients (limit {cap})"),
                    ));
                }
            }
        }
    }

    fn ask_data(&mut self) -> Option<Step> {
        match &self.envelope {
            None => self.fault(&Reply::new(503, (5, 5, 1), "MAIL first")),
            Some(e) if e.recipients.is_empty() => {
                self.fault(&Reply::new(554, (5, 5, 1), "no valid recipients"));
            }
            Some(_) => {
                self.state = State::Asked;
                return Some(Step::Ask(Ask::Data));
            }
        }
        None
    }

    /// Answers [`Ask::Data`]: the octets may come, or not.
    pub fn answer_data(&mut self, verdict: Verdict) {
        self.envelope = None;
        self.state = State::Command;
        match verdict {
            Ok(()) => {
                self.say(&Reply::plain(354, "end with CRLF.CRLF"));
                self.state = State::Data(Box::default(), Body::Deliver);
            }
            Err(reply) => self.refuse(reply),
        }
    }

    /// The sink refused: the rest of the message is dropped, then this reply is sent.
    pub fn refuse_data(&mut self, reply: Reply) {
        match &mut self.state {
            // The last octets were just refused: the answer is due at once.
            State::Data(_, Body::Ended(_)) => {
                self.state = State::Command;
                self.refuse(reply);
            }
            State::Data(_, body) => *body = Body::Drain(refusal(reply)),
            _ => {}
        }
    }

    /// Answers the message after [`Step::EndOfData`].
    pub fn answer_message(&mut self, reply: Reply) {
        self.state = State::Command;
        if reply.is_success() {
            self.errors = 0;
            self.refused = 0;
            self.idle_commands = 0;
            self.say(&reply);
        } else {
            self.refuse(reply);
        }
    }

    /// Reads message octets; `None`: look at the state again.
    fn data(&mut self, buf: &mut BytesMut) -> Option<Step> {
        let State::Data(unstuff, body) = &mut self.state else {
            return None;
        };
        if let Body::Ended(seen) = body {
            let seen = *seen;
            self.state = State::Asked;
            return Some(Step::EndOfData(seen));
        }
        let done = unstuff.pass(buf);
        let chunk = buf.split_to(done.keep);
        buf.advance(done.consumed.saturating_sub(done.keep));
        let seen = unstuff.seen();
        let cap = self.config.limits.message_size;
        if matches!(body, Body::Deliver) {
            if seen.octets > cap {
                *body = Body::Drain(too_big(seen.octets, cap));
                if done.end {
                    self.end_drained();
                }
                return Some(Step::TooBig);
            }
            if done.end {
                *body = Body::Ended(seen);
            }
            if !chunk.is_empty() {
                return Some(Step::Data(chunk.freeze()));
            }
            return if done.end { None } else { Some(Step::Read) };
        }
        if done.end {
            self.end_drained();
            return None;
        }
        // Enough patience with somebody who does not stop.
        if seen.octets > cap.saturating_mul(2).saturating_add(1 << 20) {
            self.end_drained();
            self.state = State::Closed;
            return None;
        }
        Some(Step::Read)
    }

    fn end_drained(&mut self) {
        if let State::Data(_, Body::Drain(reply)) = std::mem::replace(&mut self.state, State::Command) {
            self.refuse(reply);
        }
    }

    /// A reply to something the peer did wrong; too many of them end the session.
    pub(super) fn fault(&mut self, reply: &Reply) {
        self.errors += 1;
        let cap = self.config.limits.errors;
        if self.errors > cap {
            self.close_with(&Reply::new(421, (4, 7, 0), format!("too many errors (limit {cap})")));
        } else {
            self.say(reply);
        }
    }

    /// Counts a command; false when there were too many and the session is over.
    fn count_command(&mut self) -> bool {
        self.idle_commands += 1;
        let cap = self.config.limits.idle_commands;
        let fine = self.idle_commands <= cap;
        if !fine {
            self.close_with(&Reply::new(
                421,
                (4, 7, 0),
                format!("too many commands without mail (limit {cap})"),
            ));
        }
        fine
    }

    /// Sends a receiver's refusal; 421 also closes.
    fn refuse(&mut self, reply: Reply) {
        let reply = refusal(reply);
        self.say(&reply);
        if reply.code == 421 {
            self.state = State::Closed;
        }
    }

    pub(super) fn say(&mut self, reply: &Reply) {
        if !matches!(self.state, State::Closed) {
            reply.write_to(&mut self.out, true);
        }
    }
}

const HELP: &str = "EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY HELP QUIT";

/// A refusal must be 4xx or 5xx; anything else a receiver says is its mistake, not the peer's.
fn refusal(reply: Reply) -> Reply {
    if reply.is_transient() || reply.is_permanent() {
        reply
    } else {
        Reply::new(451, (4, 3, 0), "internal error, try later")
    }
}

fn too_big(size: u64, cap: u64) -> Reply {
    Reply::new(552, (5, 3, 4), format!("message of {size} octets exceeds the size limit of {cap} octets"))
}
