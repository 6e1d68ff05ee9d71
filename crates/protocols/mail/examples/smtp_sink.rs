// SPDX-License-Identifier: EUPL-1.2
//! Takes every message, keeps none, prints the rate once a second: for measuring senders and the server itself.
//!
//! `smtp_sink [LISTEN] [tls]` (default 127.0.0.1:0); `tls` offers STARTTLS with a certificate made on the spot.
//! The address is printed first; ends on Ctrl-C.
#![allow(clippy::print_stdout)]

use async_trait::async_trait;
use bytes::Bytes;
use poststelle_mail::smtp::server::{
    Abort, Config, Envelope, Mode, Receiver, Seen, Server, Sink, TlsReload, Verdict, fixed_tls,
};
use poststelle_mail::smtp::{Recipient, Reply};
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[derive(Default)]
struct Counts {
    messages: AtomicU64,
    octets: AtomicU64,
}

struct Office(Arc<Counts>);
struct Hole(Arc<Counts>);

#[async_trait]
impl Receiver for Office {
    async fn recipient(&self, _: &Envelope, _: &Recipient) -> Verdict {
        Ok(())
    }
    async fn data(&self, _: Envelope) -> Result<Box<dyn Sink>, Reply> {
        Ok(Box::new(Hole(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl Sink for Hole {
    async fn write(&mut self, _: Bytes) -> Result<(), Reply> {
        Ok(())
    }
    async fn finish(self: Box<Self>, seen: Seen) -> Reply {
        self.0.messages.fetch_add(1, Relaxed);
        self.0.octets.fetch_add(seen.octets, Relaxed);
        Reply::ok("gone")
    }
    async fn abort(self: Box<Self>, _: Abort) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("{}", listener.local_addr()?);
    let tls = if std::env::args().nth(2).as_deref() == Some("tls") { Some(tls()?) } else { None };
    let counts = Arc::new(Counts::default());
    let mut config = Config::default();
    config.limits.connections = 100_000;
    config.limits.connections_per_peer = 100_000;
    let server = Server::new(config, Arc::new(Office(Arc::clone(&counts))), tls);
    let watching = server.clone();
    tokio::spawn(async move {
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = counts.messages.load(Relaxed);
            if now != before {
                let (open, octets) = (watching.open_sessions(), counts.octets.load(Relaxed));
                println!("{} messages/s, {now} messages, {octets} octets, {open} sessions", now - before);
            }
            before = now;
        }
    });
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    Ok(server.run(listener, Mode::StartTls, stop).await?)
}

fn tls() -> Result<TlsReload, Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    Ok(fixed_tls(Arc::new(config)))
}
