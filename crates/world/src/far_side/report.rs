// SPDX-License-Identifier: EUPL-1.2
//! Delivery reports of a far side: ordered by the local part of a recipient, sent to the reverse path.
//!
//! Guarantees: no report to the null path, none against `NOTIFY`; a report answered "later" is tried again a
//! few times. Sources: RFC 3461 §5, RFC 3464.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use poststelle_mail::dsn;
use poststelle_mail::mime::Mailbox;
use poststelle_mail::smtp::client::{Connection, Fate, Mail};
use poststelle_mail::smtp::server::Envelope;
use poststelle_mail::smtp::{Address, Notify, Recipient};
use tokio::sync::{mpsc, watch};

use super::Shared;
use crate::letters::MORNING;
use crate::load::{client, route};

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportAction {
    /// Arrived.
    Delivered,
    /// Failed for good.
    Failed,
    /// Not yet.
    Delayed,
}

impl ReportAction {
    /// What the local part asks for.
    #[must_use]
    pub fn of(local: &str) -> Option<Self> {
        let local = local.to_lowercase();
        let words =
            [("zustellbar", Self::Delivered), ("unbekannt", Self::Failed), ("verzoegert", Self::Delayed)];
        words.into_iter().find(|(word, _)| local.starts_with(word)).map(|(_, action)| action)
    }
}

/// A report that was handed back, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSent {
    /// What it says.
    pub action: ReportAction,
    /// About whom.
    pub recipient: String,
    /// To whom.
    pub to: String,
    /// Envelope id of the mail it is about.
    pub envid: String,
    /// Whether the server took it.
    pub accepted: bool,
}

/// A report to be sent.
pub(crate) struct Order {
    action: ReportAction,
    recipient: String,
    original: Option<String>,
    to: Address,
    envid: Option<String>,
    head: Bytes,
}

/// The reports a mail asks for.
pub(super) fn orders(envelope: &Envelope, head: &Bytes) -> Vec<Order> {
    let Some(to) = &envelope.mail_from else { return Vec::new() };
    envelope
        .recipients
        .iter()
        .filter_map(|r| {
            let action = ReportAction::of(r.address.local())?;
            let wanted = match r.notify {
                None => action == ReportAction::Failed,
                Some(Notify::Never) => false,
                Some(Notify::On { success, failure, delay }) => match action {
                    ReportAction::Delivered => success,
                    ReportAction::Failed => failure,
                    ReportAction::Delayed => delay,
                },
            };
            wanted.then(|| Order {
                action,
                recipient: r.address.to_string(),
                original: r.orcpt.as_ref().map(|o| o.address.clone()),
                to: to.clone(),
                envid: envelope.envid.clone(),
                head: head.clone(),
            })
        })
        .collect()
}

/// Tries in all for one report, and the pause between them.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// Sends reports as they are ordered, once it is known where to.
pub(super) async fn send_all(
    shared: Weak<Shared>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    mut server: watch::Receiver<Option<SocketAddr>>,
) {
    let mut n = 0_u64;
    let mut open = None;
    while let Some(order) = orders.recv().await {
        n += 1;
        let Ok(to) = server.wait_for(Option::is_some).await.map(|s| *s) else { return };
        let accepted = match (to, octets(&order, n)) {
            (Some(to), Some(octets)) => send(to, &order, &octets, &mut open).await,
            _ => false,
        };
        let Some(shared) = shared.upgrade() else { return };
        note(&shared, order, accepted);
    }
}

fn note(shared: &Arc<Shared>, order: Order, accepted: bool) {
    {
        let mut state = shared.state();
        state.owed = state.owed.saturating_sub(1);
        if accepted {
            state.counts.reports += 1;
        } else {
            state.counts.reports_failed += 1;
        }
        state.sent.push(ReportSent {
            action: order.action,
            recipient: order.recipient,
            to: order.to.to_string(),
            envid: order.envid.unwrap_or_default(),
            accepted,
        });
    }
    shared.wake();
}

async fn send(server: SocketAddr, order: &Order, octets: &[u8], open: &mut Option<Connection>) -> bool {
    let Ok(client) = client("eingang.example") else { return false };
    let mail = Mail {
        recipients: vec![Recipient::new(order.to.clone())],
        size: Some(octets.len() as u64),
        ..Mail::default()
    };
    for _ in 0..TRIES {
        let connection = match open.take() {
            Some(connection) => Some(connection),
            None => client.connect(&route(server)).await.ok(),
        };
        let Some(mut connection) = connection else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let mut body = octets;
        let report = connection.send(&mail, &mut body).await;
        *open = Some(connection).filter(Connection::is_usable);
        match report.outcome.fate() {
            Fate::Accepted => return true,
            Fate::Rejected => return false,
            // A lost answer may make a second report: reports are harmless when repeated.
            Fate::TryLater | Fate::Unclear => tokio::time::sleep(PAUSE).await,
        }
    }
    false
}

fn octets(order: &Order, n: u64) -> Option<Vec<u8>> {
    let domain = order.recipient.rsplit_once('@').map_or("eingang.example", |(_, d)| d);
    let (action, status, said) = match order.action {
        ReportAction::Delivered => (dsn::Action::Delivered, (2, 1, 5), "250 2.1.5 zugestellt"),
        ReportAction::Failed => (dsn::Action::Failed, (5, 1, 1), "550 5.1.1 Empfaenger unbekannt"),
        ReportAction::Delayed => (dsn::Action::Delayed, (4, 4, 1), "450 4.4.1 keine Antwort vom Zielserver"),
    };
    let (class, subject, detail) = status;
    let notice = dsn::Notice {
        from: Mailbox {
            name: Some("Mail Delivery System".to_owned()),
            address: format!("MAILER-DAEMON@{domain}"),
        },
        to: Mailbox { name: None, address: order.to.to_string() },
        message_id: format!("bericht.{n}@{domain}"),
        date: MORNING.0 / 1_000_000 + i64::try_from(n).unwrap_or(0),
        original_message_id: None,
        german: "Dies ist ein Bericht über die Zustellung Ihrer Nachricht.".to_owned(),
        english: "This is a report about the delivery of your message.".to_owned(),
        report: dsn::Report {
            original_envelope_id: order.envid.clone(),
            reporting_mta: Some(domain.to_owned()),
            arrival_date: None,
            recipients: vec![dsn::Recipient {
                final_recipient: Some(order.recipient.clone()),
                original_recipient: order.original.clone(),
                action: Some(action),
                status: Some(dsn::Status { class, subject, detail }),
                remote_mta: None,
                diagnostic_code: Some(said.to_owned()),
                last_attempt: None,
                will_retry_until: None,
            }],
            cut: None,
        },
        original_header: order.head.to_vec(),
    };
    let mut out = Vec::new();
    notice.write_to(&dsn::Caps::default(), &mut out).ok()?;
    Some(out)
}
