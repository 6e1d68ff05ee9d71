// SPDX-License-Identifier: EUPL-1.2
//! Reaching a server: lookup, TCP, greeting, EHLO, STARTTLS, AUTH (RFC 5321 §3.1, RFC 3207, RFC 4954).
//!
//! Guarantees: with TLS required, nothing but EHLO and STARTTLS is said in clear; octets that came in clear
//! behind the answer to STARTTLS end the connection (they could be an attacker's). Opportunistic TLS falls back
//! to clear on a new connection when the handshake fails, and says so in the dialogue.
//! Every failure here is [`Outcome::TryLater`]: it is about the connection, not about a message.

use super::connection::{Connection, Features};
use super::dialogue::{Dialogue, Speaker};
use super::outcome::{Cause, Failure, Outcome, Stage};
use super::{Client, Credentials, Route, Tls};
use crate::smtp::{Io, Reply, TlsInfo};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, zeroize::Zeroize};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

type Step<T> = Result<T, (Stage, Cause)>;

impl Client {
    /// Opens a connection and makes it ready for a message.
    ///
    /// # Errors
    /// [`Failure`], always meaning try later.
    pub async fn connect(&self, route: &Route) -> Result<Connection, Box<Failure>> {
        let began = Instant::now();
        let mut dialogue = Dialogue { host: route.host.clone(), ..Dialogue::default() };
        let mut tls = route.tls;
        loop {
            let io = match self.open(route, &mut dialogue, began).await {
                Ok(stream) => stream,
                Err((stage, cause)) => {
                    dialogue.push(began.elapsed(), Speaker::Remark, &cause.to_string());
                    return Err(Box::new(Failure { outcome: Outcome::later(stage, cause), dialogue }));
                }
            };
            let mut connection = Connection::new(Box::new(io), self.timeouts.clone(), dialogue, began);
            match self.prepare(&mut connection, route, tls).await {
                Ok(()) => return Ok(connection),
                Err((Stage::Tls, Cause::Tls(why))) if tls == Tls::OpportunisticStartTls => {
                    connection.log(Speaker::Remark, &format!("TLS failed ({why}), going on in clear"));
                    tls = Tls::None;
                    dialogue = connection.dialogue;
                    dialogue.tls = None;
                }
                Err((stage, cause)) => return Err(failure(connection, stage, cause)),
            }
        }
    }

    /// Makes a stream that is already connected ready for a message.
    ///
    /// # Errors
    /// As [`Client::connect`]; a failed opportunistic handshake is a failure here.
    pub async fn connect_over(&self, io: Box<dyn Io>, route: &Route) -> Result<Connection, Box<Failure>> {
        let dialogue = Dialogue { host: route.host.clone(), ..Dialogue::default() };
        let mut connection = Connection::new(io, self.timeouts.clone(), dialogue, Instant::now());
        match self.prepare(&mut connection, route, route.tls).await {
            Ok(()) => Ok(connection),
            Err((stage, cause)) => Err(failure(connection, stage, cause)),
        }
    }

    async fn open(&self, route: &Route, dialogue: &mut Dialogue, began: Instant) -> Step<TcpStream> {
        let found = timeout(self.timeouts.resolve, self.resolver.resolve(&route.host, route.port)).await;
        let addresses = match found {
            Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
            Ok(Ok(_)) => return Err((Stage::Resolve, Cause::Unresolved("no address".into()))),
            Ok(Err(error)) => return Err((Stage::Resolve, Cause::Unresolved(error.to_string()))),
            Err(_) => return Err((Stage::Resolve, Cause::TimedOut)),
        };
        let mut last = (Stage::Connect, Cause::TimedOut);
        for address in addresses {
            match timeout(self.timeouts.connect, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    note_connected(dialogue, began, address, stream.local_addr().ok());
                    return Ok(stream);
                }
                Ok(Err(error)) => last.1 = Cause::Unreachable(format!("{address}: {error}")),
                Err(_) => last.1 = Cause::TimedOut,
            }
            dialogue.push(began.elapsed(), Speaker::Remark, &format!("{address}: {}", last.1));
        }
        Err(last)
    }

    /// Everything from the first octet to being ready for MAIL.
    async fn prepare(&self, c: &mut Connection, route: &Route, tls: Tls) -> Step<()> {
        if tls == Tls::Implicit {
            self.handshake(c, route, true).await?;
        }
        let greeting = c.reply(self.timeouts.greeting).await.map_err(|e| (Stage::Greeting, e))?;
        expect(&greeting, 220, Stage::Greeting)?;
        self.hello(c).await?;
        match tls {
            Tls::RequireStartTls if !c.features.starttls => {
                return Err((Stage::Tls, Cause::Tls("STARTTLS is required and not offered".into())));
            }
            Tls::RequireStartTls => self.starttls(c, route, true).await?,
            Tls::OpportunisticStartTls if c.features.starttls => self.starttls(c, route, false).await?,
            Tls::None | Tls::Implicit | Tls::OpportunisticStartTls => {}
        }
        if let Some(credentials) = &route.auth {
            authenticate(c, credentials).await.map_err(|cause| (Stage::Auth, cause))?;
        }
        c.preamble = c.dialogue.lines.len();
        Ok(())
    }

    async fn hello(&self, c: &mut Connection) -> Step<()> {
        let stage = |cause| (Stage::Hello, cause);
        let reply = c.command(&format!("EHLO {}", self.helo), self.timeouts.command).await.map_err(stage)?;
        if reply.is_success() {
            c.features = Features::from_reply(&reply);
            return Ok(());
        }
        if matches!(reply.code, 500..=504) && c.tls().is_none() {
            let reply =
                c.command(&format!("HELO {}", self.helo), self.timeouts.command).await.map_err(stage)?;
            c.features = Features::default();
            return expect(&reply, 250, Stage::Hello);
        }
        Err((Stage::Hello, Cause::Reply(reply)))
    }

    async fn starttls(&self, c: &mut Connection, route: &Route, strict: bool) -> Step<()> {
        let reply = c.command("STARTTLS", self.timeouts.command).await.map_err(|e| (Stage::Tls, e))?;
        if reply.code != 220 {
            // Opportunistic: the server changed its mind, which is its right.
            return if strict || !c.usable { Err((Stage::Tls, Cause::Reply(reply))) } else { Ok(()) };
        }
        if !c.buf.is_empty() {
            return Err((Stage::Tls, Cause::Garbage("octets in clear behind the answer to STARTTLS".into())));
        }
        self.handshake(c, route, strict).await?;
        self.hello(c).await
    }

    async fn handshake(&self, c: &mut Connection, route: &Route, strict: bool) -> Step<()> {
        let tls = |why: String| (Stage::Tls, Cause::Tls(why));
        let host = route.host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|e| tls(e.to_string()))?;
        let config = if strict { &self.tls.strict } else { &self.tls.lenient };
        let plain = std::mem::replace(&mut c.io, Box::new(tokio::io::empty()));
        let connecting = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name.clone(), plain);
        let stream = match timeout(self.timeouts.handshake, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(tls(error.to_string())),
            Err(_) => return Err(tls("handshake timed out".into())),
        };
        let state = stream.get_ref().1;
        let verified = if strict { Ok(()) } else { self.tls.judge(state.peer_certificates(), &name) };
        let info = TlsInfo::new(state, Some(host.to_owned()), verified);
        let verdict =
            info.verified.as_ref().map_or_else(|e| format!("not verified: {e}"), |()| "verified".into());
        c.log(Speaker::Remark, &format!("{} {}, certificate {verdict}", info.version, info.cipher));
        c.dialogue.tls = Some(info);
        c.io = Box::new(stream);
        Ok(())
    }
}

fn note_connected(dialogue: &mut Dialogue, began: Instant, peer: SocketAddr, local: Option<SocketAddr>) {
    dialogue.peer = Some(peer);
    dialogue.local = local;
    dialogue.push(began.elapsed(), Speaker::Remark, &format!("connected to {peer}"));
}

fn failure(mut connection: Connection, stage: Stage, cause: Cause) -> Box<Failure> {
    if !matches!(cause, Cause::Reply(_)) {
        connection.broken(cause.clone());
    }
    Box::new(Failure { outcome: Outcome::later(stage, cause), dialogue: connection.dialogue })
}

fn expect(reply: &Reply, code: u16, stage: Stage) -> Step<()> {
    if reply.code == code { Ok(()) } else { Err((stage, Cause::Reply(reply.clone()))) }
}

async fn authenticate(c: &mut Connection, credentials: &Credentials) -> Result<(), Cause> {
    if c.tls().is_none() && !credentials.allow_clear {
        return Err(Cause::AuthInClear);
    }
    let limit = c.timeouts.command;
    let password = credentials.password.expose_secret();
    let reply = if c.features.auth_plain {
        let mut raw = format!("\0{}\0{password}", credentials.user);
        let reply = secret(c, "AUTH PLAIN ", raw.as_bytes()).await;
        raw.zeroize();
        reply?
    } else if c.features.auth_login {
        let reply = c.command("AUTH LOGIN", limit).await?;
        if reply.code != 334 {
            return Err(Cause::Reply(reply));
        }
        let reply = secret(c, "", credentials.user.as_bytes()).await?;
        if reply.code != 334 {
            return Err(Cause::Reply(reply));
        }
        secret(c, "", password.as_bytes()).await?
    } else {
        return Err(Cause::Missing("AUTH PLAIN or LOGIN"));
    };
    if reply.code == 235 { Ok(()) } else { Err(Cause::Reply(reply)) }
}

/// Sends `head` and the value in base64; the log shows only the head.
async fn secret(c: &mut Connection, head: &str, value: &[u8]) -> Result<Reply, Cause> {
    c.log(Speaker::Client, &format!("{head}***"));
    let mut line = String::with_capacity(head.len() + value.len() * 2 + 8);
    line.push_str(head);
    STANDARD.encode_string(value, &mut line);
    line.push_str("\r\n");
    let sent = c.send_octets(line.as_bytes()).await;
    line.zeroize();
    sent?;
    c.reply(c.timeouts.command).await
}
