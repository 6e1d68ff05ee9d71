// SPDX-License-Identifier: EUPL-1.2
//! One connection to a server: writing commands, reading replies, keeping the log (RFC 5321 §4.2, §4.5.3.2).
//!
//! Guarantees: every write and every whole reply has a deadline; reply lines and their number are capped;
//! whatever comes instead of a reply is [`Cause::Garbage`], never a guess. Credentials are logged as `***`.

use super::dialogue::{Dialogue, Speaker};
use super::outcome::Cause;
use super::{Mail, Timeouts};
use crate::smtp::{Io, Reply, TlsInfo};
use bytes::BytesMut;
use memchr::memchr;
use std::borrow::Cow;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

/// Longest reply line; RFC 5321 §4.5.3.1.5 says 512, some say more.
const LINE_MAX: usize = 4096;
/// Most lines of one reply.
const LINES_MAX: usize = 256;

/// What the server offered in its EHLO answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features {
    /// PIPELINING.
    pub pipelining: bool,
    /// SIZE; `Some(0)` means no fixed limit.
    pub size: Option<u64>,
    /// 8BITMIME.
    pub eight_bit_mime: bool,
    /// SMTPUTF8.
    pub smtputf8: bool,
    /// DSN.
    pub dsn: bool,
    /// STARTTLS.
    pub starttls: bool,
    /// AUTH PLAIN.
    pub auth_plain: bool,
    /// AUTH LOGIN.
    pub auth_login: bool,
}

impl Features {
    pub(super) fn from_reply(reply: &Reply) -> Self {
        let mut features = Self::default();
        for line in reply.text.split('\n').skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => features.pipelining = true,
                "SIZE" => features.size = Some(words.next().and_then(|w| w.parse().ok()).unwrap_or(0)),
                "8BITMIME" => features.eight_bit_mime = true,
                "SMTPUTF8" => features.smtputf8 = true,
                "DSN" => features.dsn = true,
                "STARTTLS" => features.starttls = true,
                "AUTH" => {
                    for word in words {
                        features.auth_plain |= word.eq_ignore_ascii_case("PLAIN");
                        features.auth_login |= word.eq_ignore_ascii_case("LOGIN");
                    }
                }
                _ => {}
            }
        }
        features
    }
}

/// An open connection, good for several messages one after the other.
///
/// Dropping it closes it without QUIT; a message under way is then not delivered.
pub struct Connection {
    pub(super) io: Box<dyn Io>,
    pub(super) buf: BytesMut,
    pub(super) timeouts: Timeouts,
    pub(super) features: Features,
    pub(super) dialogue: Dialogue,
    /// Lines of the dialogue that belong to the connection, not to a message.
    pub(super) preamble: usize,
    began: Instant,
    /// The far side may still be within a transaction.
    pub(super) needs_reset: bool,
    pub(super) usable: bool,
    /// A hand-over is under way; stays set when its future was dropped.
    pub(super) busy: bool,
}

impl Connection {
    pub(super) fn new(io: Box<dyn Io>, timeouts: Timeouts, dialogue: Dialogue, began: Instant) -> Self {
        Self {
            io,
            buf: BytesMut::new(),
            timeouts,
            features: Features::default(),
            preamble: 0,
            dialogue,
            began,
            needs_reset: false,
            usable: true,
            busy: false,
        }
    }

    /// Whether another message can be sent; false after any failure of the connection, and after a
    /// [`Connection::send`] that was dropped before its end.
    pub fn is_usable(&self) -> bool {
        self.usable && !self.busy
    }

    /// What the server offered.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The TLS layer.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.dialogue.tls.as_ref()
    }

    /// What was said before the first message, and about the latest one.
    pub fn dialogue(&self) -> &Dialogue {
        &self.dialogue
    }

    /// Says QUIT and waits shortly for the answer.
    pub async fn quit(mut self) {
        if self.is_usable() && self.command("QUIT", self.timeouts.quit).await.is_ok() {
            let _ = timeout(self.timeouts.quit, self.io.shutdown()).await;
        }
    }

    pub(super) fn log(&mut self, speaker: Speaker, text: &str) {
        self.dialogue.push(self.began.elapsed(), speaker, text);
    }

    /// Sends one command, reads its reply.
    pub(super) async fn command(&mut self, line: &str, limit: Duration) -> Result<Reply, Cause> {
        self.log(Speaker::Client, line);
        self.send_octets(format!("{line}\r\n").as_bytes()).await?;
        self.reply(limit).await
    }

    /// Sends octets, all of them, within the block time-out.
    pub(super) async fn send_octets(&mut self, octets: &[u8]) -> Result<(), Cause> {
        let io = &mut self.io;
        let sent = timeout(self.timeouts.block, async move {
            io.write_all(octets).await?;
            io.flush().await
        });
        let cause = match sent.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Cause::Lost(error.to_string()),
            Err(_) => Cause::TimedOut,
        };
        Err(self.broken(cause))
    }

    /// Reads one reply. A failure makes the connection unusable, and so does 421.
    pub(super) async fn reply(&mut self, limit: Duration) -> Result<Reply, Cause> {
        let deadline = Instant::now() + limit;
        let mut code = 0;
        let mut enhanced = None;
        let mut text = String::new();
        for n in 0..LINES_MAX {
            let line = match self.line(deadline).await {
                Ok(line) => line,
                Err(cause) => return Err(self.broken(cause)),
            };
            self.log(Speaker::Server, &line);
            let Some(parsed) = ReplyLine::parse(&line).filter(|l| n == 0 || l.code == code) else {
                let start: String = line.chars().take(80).collect();
                return Err(self.broken(Cause::Garbage(start)));
            };
            if n == 0 {
                code = parsed.code;
                enhanced = parsed.enhanced;
            } else {
                text.push('\n');
            }
            text.push_str(parsed.text);
            if parsed.last {
                if code == 421 {
                    self.usable = false;
                }
                return Ok(Reply { code, enhanced, text: Cow::Owned(text) });
            }
        }
        Err(self.broken(Cause::Garbage(format!("more than {LINES_MAX} lines"))))
    }

    /// Reads one line, without its end. Bare LF is let pass: a reply cannot smuggle anything.
    async fn line(&mut self, deadline: Instant) -> Result<String, Cause> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr(b'\n', self.buf.get(searched..).unwrap_or_default()) {
                let line = self.buf.split_to(searched + at + 1);
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
            searched = self.buf.len();
            if searched > LINE_MAX {
                return Err(Cause::Garbage(format!("line longer than {LINE_MAX} octets")));
            }
            self.buf.reserve(1024);
            match timeout_at(deadline, self.io.read_buf(&mut self.buf)).await {
                Err(_) => return Err(Cause::TimedOut),
                Ok(Ok(0)) => return Err(Cause::Lost("closed by the server".into())),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(Cause::Lost(error.to_string())),
            }
        }
    }

    pub(super) fn broken(&mut self, cause: Cause) -> Cause {
        if self.usable {
            self.usable = false;
            let text = cause.to_string();
            self.log(Speaker::Remark, &text);
        }
        cause
    }
}

impl Mail {
    /// Whether the envelope asks for notifications.
    pub fn wants_dsn(&self) -> bool {
        self.ret.is_some()
            || self.envid.is_some()
            || self.recipients.iter().any(|r| r.notify.is_some() || r.orcpt.is_some())
    }
}

struct ReplyLine<'a> {
    code: u16,
    last: bool,
    enhanced: Option<(u8, u16, u16)>,
    text: &'a str,
}

impl<'a> ReplyLine<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (digits, rest) = line.split_at_checked(3)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let code: u16 = digits.parse().ok().filter(|c| (200..600).contains(c))?;
        let (last, text) = match rest.as_bytes().first() {
            None => (true, rest),
            Some(b' ') => (true, rest.get(1..)?),
            Some(b'-') => (false, rest.get(1..)?),
            Some(_) => return None,
        };
        let word = text.split(' ').next().unwrap_or_default();
        let enhanced = parse_enhanced(word).filter(|e| u16::from(e.0) == code / 100);
        let text = if enhanced.is_some() { text.get(word.len()..)?.trim_start() } else { text };
        Some(Self { code, last, enhanced, text })
    }
}

fn parse_enhanced(word: &str) -> Option<(u8, u16, u16)> {
    let mut parts = word.split('.');
    let number = |p: Option<&str>| {
        p.filter(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))?.parse::<u16>().ok()
    };
    let (class, subject, detail) = (number(parts.next())?, number(parts.next())?, number(parts.next())?);
    if parts.next().is_some() {
        return None;
    }
    Some((u8::try_from(class).ok().filter(|c| matches!(c, 2 | 4 | 5))?, subject, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_lines() {
        let l = ReplyLine::parse("250-2.1.5 ok then").unwrap();
        assert_eq!((l.code, l.last, l.enhanced, l.text), (250, false, Some((2, 1, 5)), "ok then"));
        let l = ReplyLine::parse("550 5.1.1").unwrap();
        assert_eq!((l.last, l.enhanced, l.text), (true, Some((5, 1, 1)), ""));
        let l = ReplyLine::parse("250 10.0.0.1 hello").unwrap();
        assert_eq!((l.enhanced, l.text), (None, "10.0.0.1 hello"));
        assert!(ReplyLine::parse("220").is_some());
        for bad in ["", "25", "abc", "250x", "199 no", "600 no", "+50 no", "2é0 x"] {
            assert!(ReplyLine::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn features() {
        let text = "mx\nPIPELINING\nsize 1000\nAUTH CRAM-MD5 plain\n8BITMIME\nX-UNKNOWN y";
        let f = Features::from_reply(&Reply::plain(250, text));
        assert!(f.pipelining && f.auth_plain && !f.auth_login && f.eight_bit_mime && !f.dsn);
        assert_eq!(f.size, Some(1000));
    }
}
