// SPDX-License-Identifier: EUPL-1.2
//! One message over an open connection: MAIL, RCPT, DATA, body, end (RFC 5321 §3.3, RFC 2920 §3.1, RFC 3461).
//!
//! Guarantees: the final dot is sent only after the whole body; the verdict follows the table in the module
//! documentation of [`client`](super). With PIPELINING, MAIL, RCPTs and DATA go out together, in windows small
//! enough that neither side's buffers can lock up. Not here: connecting.

use super::Mail;
use super::connection::Connection;
use super::dialogue::Speaker;
use super::outcome::{Cause, DsnWish, Fate, Outcome, Reason, RecipientReport, Report, Stage, recipient_fate};
use super::stuff::Stuff;
use crate::smtp::{BodyType, Notify, Recipient, Reply, Ret, xtext_encode};
use bytes::BytesMut;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// Most commands sent before their replies are read.
const WINDOW: usize = 100;
/// Body octets per block.
const BLOCK: usize = 64 * 1024;
/// After a broken write: time to find the reply that explains it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Ends the hand-over with an outcome.
type Done<T> = Result<T, Outcome>;

impl Connection {
    /// Hands one message over. The connection stays usable unless [`Connection::is_usable`] says otherwise.
    ///
    /// Whoever drops the future before its end does not learn the outcome and must take it for
    /// [`Outcome::Unclear`]; the connection is then used up.
    pub async fn send(&mut self, mail: &Mail, body: &mut (dyn AsyncRead + Send + Unpin)) -> Report {
        self.dialogue.lines.truncate(self.preamble);
        self.dialogue.left_out = 0;
        let mut replies: Vec<Option<Reply>> = vec![None; mail.recipients.len()];
        let outcome = if self.is_usable() {
            self.busy = true;
            let handed_over = self.hand_over(mail, body, &mut replies).await;
            self.busy = false;
            handed_over.map_or_else(|outcome| outcome, |reply| Outcome::Accepted { reply })
        } else {
            Outcome::later(Stage::Mail, Cause::UsedUp)
        };
        let fate = outcome.fate();
        let recipients = mail.recipients.iter().zip(replies).map(|(recipient, reply)| {
            let fate = match &reply {
                Some(reply) if !reply.is_success() => recipient_fate(reply),
                _ => fate,
            };
            RecipientReport { address: recipient.address.clone(), fate, reply }
        });
        let dsn = match mail.wants_dsn() {
            false => DsnWish::None,
            true if self.features.dsn => DsnWish::Passed,
            true => DsnWish::NotSupported,
        };
        Report { outcome, recipients: recipients.collect(), dsn, dialogue: self.dialogue.clone() }
    }

    async fn hand_over(
        &mut self,
        mail: &Mail,
        body: &mut (dyn AsyncRead + Send + Unpin),
        replies: &mut [Option<Reply>],
    ) -> Done<Reply> {
        self.check(mail).map_err(|cause| Outcome::Rejected(Reason { stage: Stage::Mail, cause }))?;
        if self.needs_reset {
            let limit = self.timeouts.command;
            let reply = self.command("RSET", limit).await.map_err(|e| Outcome::later(Stage::Reset, e))?;
            if !reply.is_success() {
                self.usable = false;
                return Err(Outcome::later(Stage::Reset, Cause::Reply(reply)));
            }
        }
        self.needs_reset = true;
        self.envelope(mail, replies).await?;
        let sent = self.body(body).await;
        let octets = match sent {
            Ok(octets) => octets,
            Err(outcome) => {
                // Within DATA there is no way back but closing.
                self.usable = false;
                return Err(outcome);
            }
        };
        self.log(Speaker::Remark, &format!("message of {octets} octets sent, end included"));
        let reply = match self.reply(self.timeouts.end).await {
            Ok(reply) => reply,
            Err(cause) => return Err(Outcome::Unclear(Reason { stage: Stage::End, cause })),
        };
        self.needs_reset = false;
        match reply.code {
            200..300 => Ok(reply),
            400..600 => Err(Outcome::refused(Stage::End, reply)),
            _ => {
                self.usable = false;
                Err(Outcome::Unclear(Reason { stage: Stage::End, cause: Cause::Reply(reply) }))
            }
        }
    }

    /// What can be known before a word is said.
    fn check(&self, mail: &Mail) -> Result<(), Cause> {
        let f = &self.features;
        if mail.recipients.is_empty() {
            return Err(Cause::NoRecipients);
        }
        if needs_utf8(mail) && !f.smtputf8 {
            return Err(Cause::Missing("SMTPUTF8"));
        }
        if mail.body == BodyType::EightBitMime && !f.eight_bit_mime {
            return Err(Cause::Missing("8BITMIME"));
        }
        match (mail.size, f.size) {
            (Some(size), Some(limit)) if limit > 0 && size > limit => Err(Cause::TooBig { size, limit }),
            _ => Ok(()),
        }
    }

    /// MAIL, RCPT and DATA; `Ok` when the server waits for the body.
    async fn envelope(&mut self, mail: &Mail, replies: &mut [Option<Reply>]) -> Done<()> {
        let last = mail.recipients.len() + 1;
        let window = if self.features.pipelining { WINDOW } else { 1 };
        let mut next = 0;
        let mut accepted = 0_usize;
        // Commands: 0 is MAIL, 1..last are RCPT, last is DATA.
        while next <= last {
            let end = (next + window).min(last + 1);
            if next == last && accepted == 0 {
                break;
            }
            let mut wire = String::new();
            for n in next..end {
                let line = match n.checked_sub(1).map(|i| mail.recipients.get(i)) {
                    None => self.mail_line(mail),
                    Some(Some(recipient)) => self.rcpt_line(recipient),
                    Some(None) => "DATA".to_owned(),
                };
                self.log(Speaker::Client, &line);
                wire.push_str(&line);
                wire.push_str("\r\n");
            }
            let stage = stage_of(next, last);
            if let Err(cause) = self.send_octets(wire.as_bytes()).await {
                return Err(self.last_words(stage, cause).await);
            }
            let mut refused = None;
            for n in next..end {
                let stage = stage_of(n, last);
                let limit = match stage {
                    Stage::Mail => self.timeouts.mail,
                    Stage::Recipient => self.timeouts.rcpt,
                    _ => self.timeouts.data,
                };
                let reply = match self.reply(limit).await {
                    Ok(reply) => reply,
                    Err(cause) => return Err(refused.unwrap_or_else(|| Outcome::later(stage, cause))),
                };
                if reply.code == 421 {
                    return Err(refused.unwrap_or_else(|| Outcome::refused(stage, reply)));
                }
                match stage {
                    Stage::Mail if !reply.is_success() => refused = Some(self.unexpected(stage, reply)),
                    Stage::Mail => {}
                    Stage::Recipient => {
                        accepted += usize::from(reply.is_success());
                        // After a refused MAIL the answers to RCPT mean nothing.
                        if let Some(slot) = n.checked_sub(1).and_then(|i| replies.get_mut(i))
                            && refused.is_none()
                        {
                            *slot = Some(reply);
                        }
                    }
                    _ if reply.code == 354 => {
                        if refused.is_some() || accepted == 0 {
                            // It waits for a body nobody will get: closing is the safe way out.
                            self.usable = false;
                            break;
                        }
                        return Ok(());
                    }
                    _ if accepted > 0 && refused.is_none() => refused = Some(self.unexpected(stage, reply)),
                    _ => {}
                }
            }
            if let Some(outcome) = refused {
                return Err(outcome);
            }
            next = end;
        }
        Err(nobody(replies))
    }

    /// A reply that is neither yes nor no is no base for going on.
    fn unexpected(&mut self, stage: Stage, reply: Reply) -> Outcome {
        if !reply.is_transient() && !reply.is_permanent() {
            self.usable = false;
        }
        Outcome::refused(stage, reply)
    }

    /// Streams the body and its end. `Ok` means the end was handed to the network as a whole; an error means
    /// it was not.
    async fn body(&mut self, body: &mut (dyn AsyncRead + Send + Unpin)) -> Done<u64> {
        let failed = |cause| Outcome::later(Stage::Body, cause);
        let unsafe_body = |_| Outcome::Rejected(Reason { stage: Stage::Body, cause: Cause::UnsafeBody });
        let mut stuff = Stuff::default();
        let mut octets = 0;
        let mut buf = BytesMut::with_capacity(BLOCK);
        loop {
            buf.clear();
            let mut ended = false;
            while buf.len() < BLOCK && !ended {
                match timeout(self.timeouts.source, body.read_buf(&mut buf)).await {
                    Ok(Ok(n)) => ended = n == 0,
                    Ok(Err(error)) => return Err(failed(self.broken(Cause::Source(error.to_string())))),
                    Err(_) => return Err(failed(self.broken(Cause::Source("timed out".into())))),
                }
                if buf.capacity() == buf.len() {
                    break;
                }
            }
            octets += u64::try_from(buf.len()).unwrap_or(u64::MAX);
            let stuffed = stuff.pass(&buf).map_err(unsafe_body)?;
            let end = if ended { stuff.end().map_err(unsafe_body)? } else { b"" };
            let sent = match (stuffed, end.is_empty()) {
                (Some(mut out), _) => {
                    out.extend_from_slice(end);
                    self.send_octets(&out).await
                }
                (None, false) => {
                    buf.extend_from_slice(end);
                    self.send_octets(&buf).await
                }
                (None, true) => self.send_octets(&buf).await,
            };
            if let Err(cause) = sent {
                return Err(self.last_words(Stage::Body, cause).await);
            }
            if ended {
                return Ok(octets);
            }
        }
    }

    /// A write broke. Perhaps the server said why before it closed.
    async fn last_words(&mut self, stage: Stage, cause: Cause) -> Outcome {
        if matches!(cause, Cause::Lost(_))
            && let Ok(reply) = self.reply(LAST_WORDS).await
            && (reply.is_transient() || reply.is_permanent())
        {
            return Outcome::refused(stage, reply);
        }
        Outcome::later(stage, cause)
    }

    fn mail_line(&self, mail: &Mail) -> String {
        let f = &self.features;
        let from = mail.mail_from.as_ref().map_or("", |a| a.as_str());
        let mut line = format!("MAIL FROM:<{from}>");
        if let Some(size) = mail.size.filter(|_| f.size.is_some()) {
            let _ = write!(line, " SIZE={size}");
        }
        if f.eight_bit_mime && mail.body == BodyType::EightBitMime {
            line.push_str(" BODY=8BITMIME");
        }
        if f.smtputf8 && needs_utf8(mail) {
            line.push_str(" SMTPUTF8");
        }
        if f.dsn {
            match mail.ret {
                Some(Ret::Full) => line.push_str(" RET=FULL"),
                Some(Ret::Hdrs) => line.push_str(" RET=HDRS"),
                None => {}
            }
            if let Some(envid) = &mail.envid {
                let _ = write!(line, " ENVID={}", xtext_encode(envid));
            }
        }
        line
    }

    fn rcpt_line(&self, recipient: &Recipient) -> String {
        let mut line = format!("RCPT TO:<{}>", recipient.address);
        if !self.features.dsn {
            return line;
        }
        match recipient.notify {
            None => {}
            Some(Notify::Never) => line.push_str(" NOTIFY=NEVER"),
            Some(Notify::On { success, failure, delay }) => {
                let words = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
                let words: Vec<_> = words.iter().filter(|w| w.0).map(|w| w.1).collect();
                if !words.is_empty() {
                    let _ = write!(line, " NOTIFY={}", words.join(","));
                }
            }
        }
        if let Some(orcpt) = &recipient.orcpt {
            let kind: String =
                orcpt.kind.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            let _ = write!(line, " ORCPT={kind};{}", xtext_encode(&orcpt.address));
        }
        line
    }
}

fn needs_utf8(mail: &Mail) -> bool {
    mail.smtputf8
        || mail.mail_from.as_ref().is_some_and(|a| !a.is_ascii())
        || mail.recipients.iter().any(|r| !r.address.is_ascii())
}

fn stage_of(n: usize, last: usize) -> Stage {
    match n {
        0 => Stage::Mail,
        n if n == last => Stage::Data,
        _ => Stage::Recipient,
    }
}

/// Every recipient was refused: for good only if all of them were.
fn nobody(replies: &[Option<Reply>]) -> Outcome {
    let worst = |fate| replies.iter().flatten().find(|r| recipient_fate(r) == fate).cloned();
    let reason = |reply| Reason { stage: Stage::Recipient, cause: Cause::Reply(reply) };
    match (worst(Fate::TryLater), worst(Fate::Rejected)) {
        (Some(reply), _) => Outcome::TryLater(reason(reply)),
        (None, Some(reply)) => Outcome::Rejected(reason(reply)),
        (None, None) => Outcome::later(Stage::Recipient, Cause::NoRecipients),
    }
}
