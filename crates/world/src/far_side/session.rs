// SPDX-License-Identifier: EUPL-1.2
//! One session of a far side: the mail library's server with a receiver that goes wrong on demand.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use poststelle_crypto::DualHasher;
use poststelle_crypto::digest::hex;
use poststelle_mail::smtp::server::{Abort, Envelope, Peer, Phase, Receiver, Seen, Sink, Verdict};
use poststelle_mail::smtp::{Recipient, Reply};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::fault::{Fault, Step};
use super::wire::{Switch, Wire};
use super::{Keep, Received, Shared, report};

/// Octets of the begin of a mail that are kept in any case, for its header.
const HEAD: usize = 64 * 1024;

pub(super) async fn serve(
    stream: TcpStream,
    address: SocketAddr,
    session: u64,
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
) {
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().unwrap_or(address);
    let switch = Switch::default();
    let peer = Peer { session, address, local, helo: None, esmtp: false, tls: None, identity: None };
    let wire = Wire { stream, switch: switch.clone(), again: Vec::new() };
    let config = Arc::clone(&shared.config);
    let office = Office { shared, switch };
    poststelle_mail::smtp::server::serve(Box::new(wire), peer, &office, config, None, phase).await;
}

struct Office {
    shared: Arc<Shared>,
    switch: Switch,
}

fn later() -> Reply {
    Reply::new(450, (4, 3, 2), "System macht Pause, bitte spaeter")
}

/// Waits until the fault no longer holds for this address.
async fn healed(shared: &Shared, address: &str, fault: Fault) {
    let mut changed = shared.changed.subscribe();
    while shared.faults.holds(address, fault) {
        if changed.changed().await.is_err() {
            return;
        }
    }
}

#[async_trait]
impl Receiver for Office {
    async fn recipient(&self, _: &Envelope, recipient: &Recipient) -> Verdict {
        let address = recipient.address.as_str();
        match self.shared.fault(address, Step::Recipient) {
            Some(Fault::RecipientLater) => Err(later()),
            Some(Fault::RecipientRefused) => Err(Reply::new(550, (5, 1, 1), "Empfaenger unbekannt")),
            Some(Fault::RecipientCut) => {
                self.switch.cut();
                Err(Reply::new(421, (4, 3, 0), "weg"))
            }
            Some(fault @ Fault::RecipientHangs) => {
                healed(&self.shared, address, fault).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn data(&self, envelope: Envelope) -> Result<Box<dyn Sink>, Reply> {
        let faults =
            |step| envelope.recipients.iter().find_map(|r| self.shared.fault(r.address.as_str(), step));
        match faults(Step::Data) {
            Some(Fault::DataLater) => return Err(later()),
            Some(Fault::DataRefused) => return Err(Reply::new(554, (5, 7, 1), "Nachricht abgelehnt")),
            _ => {}
        }
        let body = faults(Step::Body);
        Ok(Box::new(Inbox {
            shared: Arc::clone(&self.shared),
            switch: self.switch.clone(),
            envelope,
            body,
            octets: BytesMut::new(),
            size: 0,
            hasher: (self.shared.keep != Keep::Count).then(DualHasher::new),
        }))
    }
}

struct Inbox {
    shared: Arc<Shared>,
    switch: Switch,
    envelope: Envelope,
    body: Option<Fault>,
    octets: BytesMut,
    size: u64,
    hasher: Option<DualHasher>,
}

impl Inbox {
    fn first(&self) -> &str {
        self.envelope.recipients.first().map_or("", |r| r.address.as_str())
    }

    /// Keeps the mail and orders the reports it asks for.
    fn keep(mut self: Box<Self>, acknowledged: bool) {
        let whole = self.octets.split().freeze();
        let head = header(&whole);
        for order in report::orders(&self.envelope, &head) {
            self.shared.state().owed += 1;
            if self.shared.reports.send(order).is_err() {
                self.shared.state().owed -= 1;
            }
        }
        let mail = Received {
            n: 0,
            helo: self.envelope.peer.helo.clone().unwrap_or_default(),
            from: self.envelope.mail_from.as_ref().map(ToString::to_string).unwrap_or_default(),
            to: self.envelope.recipients.iter().map(|r| r.address.to_string()).collect(),
            envid: self.envelope.envid.clone().unwrap_or_default(),
            octets: if self.shared.keep == Keep::Whole { whole } else { Bytes::new() },
            sha256: self.hasher.take().map(|h| hex(&h.finish().sha256)).unwrap_or_default(),
            size: self.size,
            message_id: message_id(&head),
            acknowledged,
        };
        self.shared.keep(mail);
    }
}

#[async_trait]
impl Sink for Inbox {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Reply> {
        match self.body {
            Some(Fault::BodyCut) => {
                self.switch.cut();
                return Ok(());
            }
            Some(Fault::BodySlow(pause)) => tokio::time::sleep(pause).await,
            _ => {}
        }
        self.size += chunk.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&chunk);
        }
        let room =
            if self.shared.keep == Keep::Whole { usize::MAX } else { HEAD.saturating_sub(self.octets.len()) };
        self.octets.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        Ok(())
    }

    async fn finish(self: Box<Self>, _: Seen) -> Reply {
        let done = Reply::ok("angenommen");
        let addresses = self.envelope.recipients.iter().map(|r| r.address.as_str());
        let fault = addresses.into_iter().find_map(|a| self.shared.fault(a, Step::End));
        match fault {
            Some(Fault::EndLater) => return later(),
            Some(Fault::EndRefused) => return Reply::new(554, (5, 6, 0), "Inhalt abgelehnt"),
            Some(Fault::EndCutLost) => {
                self.switch.cut();
                return done;
            }
            Some(Fault::EndCutKept) => {
                self.switch.cut();
                self.keep(false);
                return done;
            }
            Some(fault @ Fault::EndHangs) => {
                let (shared, address) = (Arc::clone(&self.shared), self.first().to_owned());
                self.keep(false);
                healed(&shared, &address, fault).await;
                return done;
            }
            Some(Fault::EndTwice) => self.switch.twice(),
            Some(Fault::EndGarbage) => {
                self.switch.garbage();
                self.keep(false);
                return done;
            }
            _ => {}
        }
        self.keep(true);
        done
    }

    async fn abort(self: Box<Self>, _: Abort) {}
}

/// The header of a mail, blank line excluded.
fn header(octets: &[u8]) -> Bytes {
    let end = octets.windows(4).position(|w| w == b"\r\n\r\n").map_or(octets.len(), |at| at + 2);
    Bytes::copy_from_slice(octets.get(..end.min(HEAD)).unwrap_or_default())
}

/// Message-ID in a header, without brackets.
fn message_id(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let line = text.lines().find(|l| l.get(..11).is_some_and(|n| n.eq_ignore_ascii_case("message-id:")));
    let value = line.and_then(|l| l.get(11..)).unwrap_or_default();
    value.trim().trim_start_matches('<').trim_end_matches('>').to_owned()
}
