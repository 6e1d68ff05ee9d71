// SPDX-License-Identifier: EUPL-1.2
//! Sends messages as fast as the far side takes them, with this crate's client; prints one JSON object.
//!
//! `smtp_source HOST:PORT [MESSAGES] [SIZE] [CONNECTIONS] [RECIPIENT]`
//! (default 10000 messages of 100000 octets over 8 connections to `test@localhost`). TLS is used when offered.
#![allow(clippy::print_stdout)]

use poststelle_mail::smtp::client::{Client, ClientTls, Fate, Mail, Route, Tls};
use poststelle_mail::smtp::{Address, Recipient};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize, default: u64| args.get(n).map_or(Ok(default), |a| a.parse());
    let (host, port) = args.first().and_then(|a| a.rsplit_once(':')).ok_or("HOST:PORT is missing")?;
    let (messages, size, connections) = (number(1, 10_000)?, number(2, 100_000)?, number(3, 8)?);
    let to = Address::parse(args.get(4).map_or("test@localhost", String::as_str))?;
    let route = Route { host: host.into(), port: port.parse()?, tls: Tls::OpportunisticStartTls, auth: None };
    let client = Client::new("source.example", ClientTls::new(rustls::RootCertStore::empty(), None)?);
    let body = Arc::new(message(usize::try_from(size)?));
    let left = Arc::new(AtomicU64::new(messages));
    let failed = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (client, route, body) = (client.clone(), route.clone(), Arc::clone(&body));
        let (left, failed, to) = (Arc::clone(&left), Arc::clone(&failed), to.clone());
        tasks.spawn(async move {
            let mail = Mail {
                mail_from: Address::parse("source@localhost").ok(),
                recipients: vec![Recipient::new(to)],
                size: u64::try_from(body.len()).ok(),
                ..Mail::default()
            };
            let mut open = None;
            while left.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_ok() {
                let mut connection = match open.take() {
                    Some(connection) => connection,
                    None => match client.connect(&route).await {
                        Ok(connection) => connection,
                        Err(_) => {
                            failed.fetch_add(1, Relaxed);
                            continue;
                        }
                    },
                };
                let report = connection.send(&mail, &mut body.as_slice()).await;
                if report.outcome.fate() != Fate::Accepted {
                    failed.fetch_add(1, Relaxed);
                }
                open = Some(connection).filter(|c| c.is_usable());
            }
            if let Some(connection) = open {
                connection.quit().await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    let seconds = began.elapsed().as_secs_f64();
    let failed = failed.load(Relaxed);
    let sent = messages - failed;
    #[allow(clippy::cast_precision_loss)]
    let rate = sent as f64 / seconds;
    println!(
        "{{\"name\":\"smtp_source\",\"messages\":{sent},\"failed\":{failed},\"size\":{size},\
         \"connections\":{connections},\"seconds\":{seconds:.3},\"messages_per_second\":{rate:.1}}}"
    );
    Ok(())
}

/// A plausible message: header, then base64-like lines.
fn message(size: usize) -> Vec<u8> {
    let mut body =
        b"From: <source@localhost>\r\nTo: <test@localhost>\r\nSubject: measurement\r\n\r\n".to_vec();
    let mut n = 0_usize;
    while body.len() + 78 < size {
        body.extend((0..76).map(|i| {
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(n * 7 + i * 13) % 64]
        }));
        body.extend_from_slice(b"\r\n");
        n += 1;
    }
    let rest = size.saturating_sub(body.len() + 2);
    body.resize(body.len() + rest, b'=');
    body.extend_from_slice(b"\r\n");
    body
}
