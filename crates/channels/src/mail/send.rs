// SPDX-License-Identifier: EUPL-1.2
//! SMTP out: one delivery, one recipient, the dialogue kept as receipt.
//!
//! Guarantees: the Message-ID is the same in every attempt; a lost answer after the
//! last octet is "unclear", never "failed"; the return path names the delivery, so
//! a report finds its way back. Routes come from configuration; where there is none and the house sends by itself,
//! the DNS tells the servers of a domain.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use poststelle_hub::channel::{
    Channel, ChannelError, Confirms, Cx, Descriptor, IdempotencyKey, Outgoing, ReceiptText, SendOutcome,
};
use poststelle_mail::smtp::client::{
    Cause, Client, ClientTls, Dns, Exchange, Mail, NoExchange, Outcome, Report, Route, Timeouts, Tls,
};
use poststelle_mail::smtp::{Address, BodyType, Notify, Orcpt, Recipient, Ret};
use poststelle_model::{Direction, Fault, Reason, Target};
use tokio_util::io::StreamReader;

/// Where mail goes: by domain, else to the relay.
#[derive(Debug, Clone, Default)]
pub struct MailRoutes {
    /// Server of a domain (lower case).
    pub domains: BTreeMap<String, Route>,
    /// Server of all other domains.
    pub relay: Option<Route>,
}

impl MailRoutes {
    fn of(&self, domain: &str) -> Option<&Route> {
        self.domains.get(&domain.to_ascii_lowercase()).or(self.relay.as_ref())
    }
}

/// How mail goes to domains without a route: straight to the servers the DNS names.
#[derive(Debug, Clone)]
pub struct Direct {
    /// Who is asked.
    pub dns: Dns,
    /// Port of those servers.
    pub port: u16,
}

/// Sends mail.
pub struct MailChannel {
    client: Client,
    routes: MailRoutes,
    direct: Option<Direct>,
    domain: String,
    max_size: u64,
}

impl MailChannel {
    /// A channel that calls itself `domain` and sends by `routes`.
    #[must_use]
    pub fn new(domain: &str, tls: ClientTls, routes: MailRoutes, max_size: u64) -> Self {
        let timeouts = Timeouts {
            connect: Duration::from_secs(15),
            greeting: Duration::from_secs(60),
            command: Duration::from_secs(60),
            mail: Duration::from_secs(60),
            rcpt: Duration::from_secs(60),
            data: Duration::from_secs(60),
            end: Duration::from_secs(240),
            ..Timeouts::default()
        };
        Self {
            client: Client::new(domain, tls).with_timeouts(timeouts),
            routes,
            direct: None,
            domain: domain.to_owned(),
            max_size,
        }
    }

    /// Sends straight where no route is given.
    #[must_use]
    pub fn directly(mut self, direct: Direct) -> Self {
        self.direct = Some(direct);
        self
    }

    /// With other time-outs.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.client = self.client.with_timeouts(timeouts);
        self
    }

    async fn exchanges(&self, cx: &Cx, direct: &Direct, domain: &str) -> Result<Vec<Exchange>, NoExchange> {
        let mut draw = || cx.ids.next().as_u64_pair().1;
        direct.dns.exchanges(domain, &self.domain, &mut draw).await
    }

    fn first_lines(&self, cx: &Cx, out: &Outgoing) -> String {
        let mut lines = String::new();
        if out.message.direction == Direction::In {
            let helo: String =
                out.message.transport.helo.chars().filter(char::is_ascii_graphic).take(100).collect();
            let peer = out.message.transport.peer.rsplit_once(':').map_or("", |(ip, _)| ip);
            lines.push_str(&format!(
                "Received: from {} ([{peer}]) by {} with ESMTP id {}; {}\r\n",
                if helo.is_empty() { "unknown" } else { &helo },
                self.domain,
                out.message.id,
                mail_date(out.message.accepted_at)
            ));
        }
        if out.header_id.is_empty() {
            lines.push_str(&format!("Message-ID: <{}@{}>\r\n", out.delivery, self.domain));
        }
        let _ = cx;
        lines
    }
}

fn mail_date(at: poststelle_model::Timestamp) -> String {
    at.in_berlin("%a, %d %b %Y %H:%M:%S %z")
}

#[async_trait]
impl Channel for MailChannel {
    fn describe(&self) -> Descriptor {
        Descriptor {
            name: "mail",
            title: "E-Mail (SMTP)",
            max_size: self.max_size,
            confirms: Confirms::ByReceipt,
            idempotent: false,
            parallel: 16,
        }
    }

    async fn check(&self, cx: &Cx, _config: &serde_json::Value) -> Result<(), ChannelError> {
        for route in self.routes.relay.iter().chain(self.routes.domains.values()) {
            match self.client.connect(route).await {
                Ok(connection) => connection.quit().await,
                Err(failure) => {
                    let reason = Reason::new("PST-MAIL-4003", Fault::Operator)
                        .with("host", &route.host)
                        .with("detail", describe(&failure.outcome));
                    return Err(ChannelError::later(reason));
                }
            }
        }
        if let Some(direct) = &self.direct
            && let Err(NoExchange::Later(detail)) = self.exchanges(cx, direct, &self.domain).await
        {
            let reason = Reason::new("PST-MAIL-4006", Fault::Operator)
                .with("domain", &self.domain)
                .with("detail", detail);
            return Err(ChannelError::later(reason));
        }
        Ok(())
    }

    async fn send(
        &self,
        cx: &Cx,
        out: &Outgoing,
        _key: &IdempotencyKey,
    ) -> Result<SendOutcome, ChannelError> {
        let reject = |reason| Ok(SendOutcome::Rejected { reason, receipt: None });
        let Target::Mail { address } = &out.target else {
            return reject(
                Reason::new("PST-MAIL-5003", Fault::Tenant).with("address", out.target.to_string()),
            );
        };
        let Ok(to) = Address::parse(address) else {
            return reject(Reason::new("PST-MAIL-5003", Fault::Tenant).with("address", address));
        };
        if out.defects.iter().any(|d| d == "mail-loop") {
            return reject(Reason::new("PST-MAIL-5002", Fault::Tenant));
        }
        let size = u64::try_from(out.message.size).unwrap_or(0);
        let way = match (self.routes.of(to.domain()), &self.direct) {
            (Some(route), _) => Way::Route(route),
            (None, Some(direct)) => match self.exchanges(cx, direct, to.domain()).await {
                Ok(exchanges) => Way::Direct(direct.port, exchanges),
                Err(NoExchange::Later(detail)) => {
                    let reason = Reason::new("PST-MAIL-4006", Fault::Remote)
                        .with("domain", to.domain())
                        .with("detail", detail);
                    return Err(ChannelError::later(reason));
                }
                Err(why) => return reject(nowhere(&why).with("domain", to.domain())),
            },
            (None, None) => {
                let reason = Reason::new("PST-MAIL-4002", Fault::Operator).with("domain", to.domain());
                return Err(ChannelError::later(reason));
            }
        };
        let first = self.first_lines(cx, out);
        let mut original = out.content.original().await?;
        let head = original.next().await.transpose()?.unwrap_or_default();
        let eight_bit = size > head.len() as u64 || !head.is_ascii();
        // A notice of ours has the null path: a failure of it must not make another one.
        let null_path = out.message.direction == Direction::Out && out.message.transport.sender.is_empty();
        let mail = Mail {
            mail_from: if null_path { None } else { Address::parse(&out.return_path).ok() },
            recipients: vec![Recipient {
                notify: Some(if null_path {
                    Notify::Never
                } else {
                    Notify::On { success: true, failure: true, delay: true }
                }),
                orcpt: to.is_ascii().then(|| Orcpt { kind: "rfc822".to_owned(), address: address.clone() }),
                address: to,
            }],
            ret: Some(Ret::Hdrs),
            envid: Some(out.delivery.to_string()),
            body: if eight_bit { BodyType::EightBitMime } else { BodyType::SevenBit },
            smtputf8: false,
            size: Some(size + first.len() as u64),
        };
        let body = stream::iter([Ok(bytes::Bytes::from(first)), Ok(head)]).chain(original);
        let body = body.map_err(|e: ChannelError| std::io::Error::other(e.to_string()));
        let mut body = StreamReader::new(Box::pin(body));
        let connected = match &way {
            Way::Route(route) => self.client.connect(route).await,
            Way::Direct(port, exchanges) => {
                // Time must be left for the message itself.
                let patience = cx.time_left() / 3;
                self.client.reach(exchanges, *port, Tls::OpportunisticStartTls, patience).await
            }
        };
        let report = match connected {
            Ok(mut connection) => {
                let report = connection.send(&mail, &mut body).await;
                connection.quit().await;
                report
            }
            Err(failure) => Report::from_failure(*failure, &mail),
        };
        let host = report.dialogue.host.clone();
        let receipt = Some(ReceiptText { kind: "smtp-dialogue", body: report.dialogue.to_string() });
        let said = describe(&report.outcome);
        match report.outcome {
            Outcome::Accepted { reply } => {
                let foreign_id = queue_id(&reply.text);
                Ok(SendOutcome::Accepted { receipt, foreign_id })
            }
            Outcome::Rejected(_) => {
                let reason = Reason::new("PST-MAIL-5005", Fault::Remote)
                    .with("recipient", address)
                    .with("detail", said);
                Ok(SendOutcome::Rejected { reason, receipt })
            }
            Outcome::Unclear(_) => {
                let reason =
                    Reason::new("PST-MAIL-4005", Fault::Remote).with("host", host).with("detail", said);
                Ok(SendOutcome::Unclear { reason, receipt })
            }
            Outcome::TryLater(why) => {
                let (code, fault) = match why.cause {
                    Cause::Source(_) => ("PST-STORE-0002", Fault::Operator),
                    Cause::Unresolved(_) | Cause::Unreachable(_) => ("PST-MAIL-4003", Fault::Remote),
                    _ => ("PST-MAIL-4004", Fault::Remote),
                };
                let reason = Reason::new(code, fault).with("host", host).with("detail", said);
                Err(ChannelError::later(reason))
            }
        }
    }
}

/// Where one mail goes.
enum Way<'a> {
    Route(&'a Route),
    Direct(u16, Vec<Exchange>),
}

/// Why a domain can never get mail, as it is now.
fn nowhere(why: &NoExchange) -> Reason {
    let (code, fault) = match why {
        NoExchange::NullMx => ("PST-MAIL-5006", Fault::Sender),
        NoExchange::NoDomain => ("PST-MAIL-5007", Fault::Sender),
        NoExchange::NoServer | NoExchange::Later(_) => ("PST-MAIL-5008", Fault::Sender),
        NoExchange::Ourselves => ("PST-MAIL-5009", Fault::Operator),
        NoExchange::Forbidden { .. } => ("PST-MAIL-5010", Fault::Remote),
    };
    Reason::new(code, fault).with("detail", why)
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { reply } => reply.to_string(),
        Outcome::Rejected(why) | Outcome::TryLater(why) | Outcome::Unclear(why) => match &why.cause {
            Cause::Reply(reply) => reply.to_string(),
            _ => why.to_string(),
        },
    }
}

/// The far side's queue id, as most servers tell it: `queued as XYZ`.
fn queue_id(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let at = lower.find(" as ").map(|i| i + 4).or_else(|| lower.find("id=").map(|i| i + 3));
    at.and_then(|i| text.get(i..))
        .and_then(|t| t.split_whitespace().next())
        .unwrap_or_default()
        .chars()
        .take(100)
        .collect()
}
