// SPDX-License-Identifier: EUPL-1.2
//! What the SMTP tests share: a receiver that remembers, a server on loopback, certificates, fault servers.
#![allow(clippy::unwrap_used)]

use async_trait::async_trait;
use bytes::Bytes;
use poststelle_mail::smtp::client::{Client, ClientTls, Mail, Route, Tls};
use poststelle_mail::smtp::server::{
    Abort, Config, Envelope, Identity, Mode, Peer, Phase, Receiver, Seen, Server, Sink, TlsReload,
    Unavailable, Verdict, fixed_tls, serve,
};
use poststelle_mail::smtp::{Address, Io, Recipient, Reply};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// A message that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    pub envelope: Envelope,
    pub octets: Vec<u8>,
    pub seen: Seen,
}

/// Remembers everything. Words in addresses and bodies make it refuse: see the methods.
#[derive(Default)]
pub struct Recorder {
    pub taken: Mutex<Vec<Taken>>,
    pub aborted: Mutex<Vec<Abort>>,
    pub hold: Option<Arc<tokio::sync::Semaphore>>,
}

impl Recorder {
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    pub fn only(&self) -> Taken {
        let taken = self.taken();
        assert_eq!(taken.len(), 1, "exactly one message");
        taken.into_iter().next().unwrap()
    }

    pub fn aborted(&self) -> Vec<Abort> {
        self.aborted.lock().unwrap().clone()
    }
}

/// [`Receiver`] over a shared [`Recorder`].
#[derive(Clone)]
pub struct Office(pub Arc<Recorder>);

#[async_trait]
impl Receiver for Office {
    async fn authenticate(
        &self,
        _: &Peer,
        user: &str,
        password: &SecretString,
    ) -> Result<Option<Identity>, Unavailable> {
        if user == "broken" {
            return Err(Unavailable);
        }
        Ok((user == "amt" && password.expose_secret() == "geheim").then(|| Identity("principal-1".into())))
    }

    async fn mail(&self, envelope: &Envelope) -> Verdict {
        match envelope.mail_from.as_ref().map(Address::local) {
            Some("spammer") => Err(Reply::new(550, (5, 7, 1), "not you")),
            Some("odd") => Err(Reply::ok("this is no refusal")),
            _ => Ok(()),
        }
    }

    async fn recipient(&self, _: &Envelope, recipient: &Recipient) -> Verdict {
        match recipient.address.local() {
            "unknown" => Err(Reply::new(550, (5, 1, 1), "no such mailbox")),
            "later" => Err(Reply::new(451, (4, 3, 0), "try later")),
            "bye" => Err(Reply::new(421, (4, 3, 2), "going away")),
            _ => Ok(()),
        }
    }

    async fn data(&self, envelope: Envelope) -> Result<Box<dyn Sink>, Reply> {
        if envelope.mail_from.as_ref().map(Address::local) == Some("full") {
            return Err(Reply::new(452, (4, 3, 1), "no room now"));
        }
        Ok(Box::new(Tray { recorder: Arc::clone(&self.0), envelope, octets: Vec::new() }))
    }
}

struct Tray {
    recorder: Arc<Recorder>,
    envelope: Envelope,
    octets: Vec<u8>,
}

#[async_trait]
impl Sink for Tray {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Reply> {
        if chunk.windows(6).any(|w| w == b"REFUSE") {
            return Err(Reply::new(554, (5, 6, 0), "not like this"));
        }
        self.octets.extend_from_slice(&chunk);
        Ok(())
    }

    async fn finish(self: Box<Self>, seen: Seen) -> Reply {
        if let Some(hold) = &self.recorder.hold {
            hold.acquire().await.unwrap().forget();
        }
        if self.octets.windows(4).any(|w| w == b"FAIL") {
            return Reply::new(451, (4, 3, 0), "could not commit");
        }
        let mut taken = self.recorder.taken.lock().unwrap();
        taken.push(Taken { envelope: self.envelope, octets: self.octets, seen });
        Reply::ok(format!("queued as {}", taken.len()))
    }

    async fn abort(self: Box<Self>, why: Abort) {
        self.recorder.aborted.lock().unwrap().push(why);
    }
}

pub fn somebody() -> Peer {
    let address: SocketAddr = ([127, 0, 0, 1], 40000).into();
    Peer { session: 1, address, local: address, helo: None, esmtp: false, tls: None, identity: None }
}

/// A session over a pipe in memory.
pub struct Talk {
    pub io: DuplexStream,
    pub recorder: Arc<Recorder>,
    pub phase: watch::Sender<Phase>,
    pub task: JoinHandle<()>,
    buf: Vec<u8>,
}

impl Talk {
    pub fn start(config: Config) -> Self {
        Self::start_with(config, Arc::default())
    }

    pub fn start_with(config: Config, recorder: Arc<Recorder>) -> Self {
        let (io, far) = tokio::io::duplex(16 * 1024);
        let (phase, watch) = watch::channel(Phase::Running);
        let office = Office(Arc::clone(&recorder));
        let task = tokio::spawn(async move {
            serve(Box::new(far), somebody(), &office, Arc::new(config), None, watch).await;
        });
        Self { io, recorder, phase, task, buf: Vec::new() }
    }

    pub async fn say(&mut self, octets: impl AsRef<[u8]>) {
        self.io.write_all(octets.as_ref()).await.unwrap();
    }

    /// Reads one whole reply.
    pub async fn hear(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let Some(at) = self.buf.iter().position(|&b| b == b'\n') else {
                let mut more = [0; 4096];
                let n = self.io.read(&mut more).await.unwrap();
                assert!(n > 0, "closed after {reply:?}");
                self.buf.extend_from_slice(&more[..n]);
                continue;
            };
            let line: Vec<u8> = self.buf.drain(..=at).collect();
            let line = String::from_utf8(line).unwrap();
            assert!(line.ends_with("\r\n") && line.len() <= 512, "{line:?}");
            reply.push_str(&line);
            if line.as_bytes()[3] == b' ' {
                return reply;
            }
        }
    }

    /// Says something and expects replies beginning with these words.
    pub async fn turn(&mut self, octets: impl AsRef<[u8]>, want: &[&str]) {
        self.say(octets).await;
        for want in want {
            let got = self.hear().await;
            assert!(got.starts_with(want), "wanted {want}, got {got}");
        }
    }

    /// Greeting, EHLO, MAIL, RCPT, DATA.
    pub async fn until_data(&mut self) {
        self.turn("", &["220 "]).await;
        self.turn("EHLO me\r\n", &["250"]).await;
        self.turn("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", &["250", "250", "354"]).await;
    }

    /// Reads to the end of the connection.
    pub async fn rest(&mut self) -> String {
        let mut rest = std::mem::take(&mut self.buf);
        self.io.read_to_end(&mut rest).await.unwrap();
        String::from_utf8(rest).unwrap()
    }
}

/// Sends all of it at once, as a pipelining client would, and gives all replies.
pub async fn transcript(config: Config, wire: impl AsRef<[u8]>) -> (Vec<String>, Arc<Recorder>) {
    let talk = Talk::start(config);
    let (mut read, mut write) = tokio::io::split(talk.io);
    let wire = wire.as_ref().to_vec();
    let writing = tokio::spawn(async move {
        // The session may close before it has read everything.
        let _ = write.write_all(&wire).await;
        let _ = write.shutdown().await;
    });
    let mut all = Vec::new();
    read.read_to_end(&mut all).await.unwrap();
    writing.await.unwrap();
    talk.task.await.unwrap();
    let all = String::from_utf8(all).unwrap();
    let last = all.split_terminator("\r\n").filter(|l| l.as_bytes().get(3) == Some(&b' '));
    (last.map(str::to_owned).collect(), talk.recorder)
}

/// The codes of replies.
pub fn codes(replies: &[String]) -> Vec<u16> {
    replies.iter().map(|r| r[..3].parse().unwrap()).collect()
}

/// A self-signed certificate for localhost and 127.0.0.1.
pub struct Certificate {
    pub server: TlsReload,
    pub client: ClientTls,
    pub der: CertificateDer<'static>,
    pub pem: String,
}

pub fn certificate() -> Certificate {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let der = key.cert.der().clone();
    let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], secret)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der.clone()).unwrap();
    Certificate {
        server: fixed_tls(Arc::new(server)),
        client: ClientTls::new(roots, None).unwrap(),
        der,
        pem: key.cert.pem(),
    }
}

/// A server on loopback; stops when asked or dropped.
pub struct Running {
    pub address: SocketAddr,
    pub recorder: Arc<Recorder>,
    pub server: Server,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    pub async fn start(config: Config, tls: Option<TlsReload>, mode: Mode) -> Self {
        Self::start_with(config, tls, mode, Arc::default()).await
    }

    pub async fn start_with(
        config: Config,
        tls: Option<TlsReload>,
        mode: Mode,
        recorder: Arc<Recorder>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(config, Arc::new(Office(Arc::clone(&recorder))), tls);
        let (stop, stopped) = oneshot::channel();
        let running = server.clone();
        let task = tokio::spawn(async move {
            running
                .run(listener, mode, async {
                    let _ = stopped.await;
                })
                .await
        });
        Self { address, recorder, server, stop: Some(stop), task }
    }

    pub fn signal_stop(&mut self) {
        drop(self.stop.take());
    }

    pub async fn stop(mut self) {
        self.signal_stop();
        self.task.await.unwrap().unwrap();
    }

    pub fn route(&self, tls: Tls) -> Route {
        route(self.address, tls)
    }
}

pub fn route(address: SocketAddr, tls: Tls) -> Route {
    Route { host: "127.0.0.1".into(), port: address.port(), tls, auth: None }
}

pub fn client() -> Client {
    Client::new("client.example", ClientTls::new(rustls::RootCertStore::empty(), None).unwrap())
}

pub fn mail(from: &str, to: &[&str]) -> Mail {
    Mail {
        mail_from: (!from.is_empty()).then(|| from.parse().unwrap()),
        recipients: to.iter().map(|t| Recipient::new(t.parse().unwrap())).collect(),
        ..Mail::default()
    }
}

/// What a fault server does upon a line (or upon the greeting, or upon the end of DATA).
#[derive(Debug, Clone)]
pub enum Act {
    Say(&'static str),
    SayOwned(String),
    /// Says it and closes.
    SayAndClose(&'static str),
    Close,
    Hang,
    /// Says 354, then closes after this many octets of the body.
    CutBody(usize),
}

/// A server that does what it is told. The function gets `GREETING`, the command, or `DOT`.
pub async fn fault(mut act: impl FnMut(&str) -> Act + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            faulty(Box::new(stream), &mut act).await;
        }
    });
    address
}

/// The same over any stream, once.
pub async fn faulty(mut io: Box<dyn Io>, act: &mut (impl FnMut(&str) -> Act + Send)) {
    let mut buf: Vec<u8> = Vec::new();
    let mut event = "GREETING".to_owned();
    loop {
        let mut in_data = None;
        match act(&event) {
            Act::Say(text) => {
                io.write_all(text.as_bytes()).await.unwrap();
                if text.starts_with("354") {
                    in_data = Some(usize::MAX);
                }
            }
            Act::SayOwned(text) => {
                if io.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Act::SayAndClose(text) => return io.write_all(text.as_bytes()).await.unwrap(),
            Act::Close => return,
            Act::Hang => std::future::pending().await,
            Act::CutBody(n) => {
                io.write_all(b"354 go\r\n").await.unwrap();
                in_data = Some(n);
            }
        }
        let end: &[u8] = if in_data.is_some() { b"\r\n.\r\n" } else { b"\r\n" };
        let at = loop {
            if let Some(at) = buf.windows(end.len()).position(|w| w == end) {
                break at;
            }
            if in_data.is_some_and(|cut| buf.len() >= cut) {
                return;
            }
            let mut more = [0; 4096];
            match io.read(&mut more).await {
                Ok(0) | Err(_) => return,
                Ok(n) => buf.extend_from_slice(&more[..n]),
            }
        };
        let line: Vec<u8> = buf.drain(..at + end.len()).collect();
        event = if in_data.is_some() {
            "DOT".into()
        } else {
            String::from_utf8_lossy(&line).trim_end().to_owned()
        };
    }
}

/// Connects in clear and reads the greeting's line.
pub async fn raw(address: SocketAddr) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        match stream.read_u8().await {
            Ok(b) => line.push(b),
            Err(_) => break,
        }
    }
    (stream, String::from_utf8(line).unwrap())
}
