// SPDX-License-Identifier: EUPL-1.2
//! The mail channel under the suite: letters come in over SMTP, rules send them on, a [`FarSide`] behaves.

use std::time::Duration;

use async_trait::async_trait;
use poststelle_hub::Hub;
use poststelle_hub::directory::DirectoryError;
use poststelle_hub::view::MessageView;
use poststelle_mail::smtp::client::{Client, Mail, Outcome};
use poststelle_mail::smtp::{Address, BodyType, Recipient};
use poststelle_model::{Action, ChannelKind, MessageId, Rule, RuleId, TenantId, Who};
use std::net::SocketAddr;
use std::sync::Arc;

use super::{Answer, Behaviour, Copied, Subject};
use crate::far_side::{FarSide, Fault};
use crate::letters::Letter;
use crate::load::{NoTls, client, route};

/// Domain of the tenant the suite founds.
const DOMAIN: &str = "konformitaet.example";

/// The mail channel of a running hub.
pub struct MailSubject {
    hub: Arc<Hub>,
    tenant: TenantId,
    client: Client,
    smtp: SocketAddr,
    far: Arc<FarSide>,
    /// Cap of the mail channel for outgoing mail.
    max_out: u64,
    call_limit: Duration,
}

/// Why the suite could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The directory refused something.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// No client.
    #[error(transparent)]
    Tls(#[from] NoTls),
}

/// Local part on our side, address on the far side.
const fn place(behaviour: Behaviour) -> (&'static str, &'static str) {
    match behaviour {
        Behaviour::Takes => ("nimmt", "irgendwer@nimmt.example"),
        Behaviour::Confirms => ("bestaetigt", "zustellbar@bestaetigt.example"),
        Behaviour::Refuses => ("lehntab", "irgendwer@lehntab.example"),
        Behaviour::RefusesLater => ("scheitert", "unbekannt@scheitert.example"),
        Behaviour::Later => ("spaeter", "irgendwer@spaeter.example"),
        Behaviour::Absent => ("weg", "irgendwer@weg.example"),
        Behaviour::Hangs => ("haengt", "irgendwer@haengt.example"),
        Behaviour::HangsAtEnd => ("stumm", "irgendwer@stumm.example"),
        Behaviour::LosesAnswer => ("verliert", "irgendwer@verliert.example"),
    }
}

impl MailSubject {
    /// Founds a tenant with a rule for each behaviour. The hub must relay its mail to `far` and give up after its
    /// configured expiry; `max_out` and `call_limit` are those of its mail channel.
    ///
    /// # Errors
    /// [`SubjectError`].
    pub async fn found(
        hub: Arc<Hub>,
        smtp: SocketAddr,
        far: Arc<FarSide>,
        max_out: u64,
        call_limit: Duration,
    ) -> Result<Self, SubjectError> {
        let who = Who::house("conformance");
        let tenant = hub.add_tenant("konformitaet", "Amt Konformität", &who).await?;
        let mailbox = hub.add_mailbox(tenant, "Poststelle", &who).await?;
        let poststelle = format!("poststelle@{DOMAIN}");
        hub.add_address(tenant, mailbox, ChannelKind::Mail, &poststelle, &who).await?;
        for (position, behaviour) in (1..).zip(Behaviour::ALL) {
            let (local, there) = place(behaviour);
            let address = format!("{local}@{DOMAIN}");
            hub.add_address(tenant, mailbox, ChannelKind::Mail, &address, &who).await?;
            let rule = Rule {
                tenant,
                id: RuleId::new(hub.ids()),
                position,
                name: format!("Weiterleitung {local}"),
                condition: format!("\"{address}\" in msg.recipients"),
                actions: vec![Action::ToAddress { address: there.to_owned() }],
                active: true,
                version: 1,
            };
            hub.put_rule(&rule, &who).await?;
        }
        far.reports_to(smtp);
        for (behaviour, fault) in [
            (Behaviour::Refuses, Fault::RecipientRefused),
            (Behaviour::Later, Fault::RecipientLater),
            (Behaviour::Absent, Fault::RecipientCut),
            (Behaviour::Hangs, Fault::RecipientHangs),
            (Behaviour::HangsAtEnd, Fault::EndHangs),
        ] {
            far.breaks(place(behaviour).1, fault);
        }
        far.breaks_times(place(Behaviour::LosesAnswer).1, Fault::EndCutKept, 1);
        Ok(Self { hub, tenant, client: client("absender.example")?, smtp, far, max_out, call_limit })
    }

    /// Whose mail it is.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }
}

#[async_trait]
impl Subject for MailSubject {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn max_in(&self) -> u64 {
        self.hub.limits().message_bytes
    }

    fn max_out(&self) -> u64 {
        self.max_out
    }

    fn call_limit(&self) -> Duration {
        self.call_limit
    }

    fn expiry(&self) -> Duration {
        self.hub.limits().expiry
    }

    fn address(&self, behaviour: Option<Behaviour>) -> String {
        format!("{}@{DOMAIN}", behaviour.map_or("poststelle", |b| place(b).0))
    }

    fn unknown_address(&self) -> Option<String> {
        Some(format!("gibtesnicht@{DOMAIN}"))
    }

    async fn hand_in(&self, letter: &Letter) -> Answer {
        let mail = Mail {
            mail_from: Address::parse(&letter.from).ok(),
            recipients: letter.to.iter().filter_map(|t| Address::parse(t).ok()).map(Recipient::new).collect(),
            body: if letter.octets.is_ascii() { BodyType::SevenBit } else { BodyType::EightBitMime },
            // Without a size the server must find out by itself.
            size: None,
            ..Mail::default()
        };
        let mut octets = letter.octets.as_slice();
        let report = self.client.send(&route(self.smtp), &mail, &mut octets).await;
        match report.outcome {
            Outcome::Accepted { reply } => {
                Answer::Taken(reply.text.split_whitespace().filter_map(|word| word.parse().ok()).collect())
            }
            Outcome::Rejected(why) => Answer::Refused { for_good: true, said: why.to_string() },
            Outcome::TryLater(why) | Outcome::Unclear(why) => {
                Answer::Refused { for_good: false, said: why.to_string() }
            }
        }
    }

    async fn heal(&self, behaviour: Behaviour) {
        self.far.heal(place(behaviour).1);
    }

    async fn view(&self, id: MessageId) -> Option<MessageView> {
        self.hub.message_view_unchecked(self.tenant, id).await.ok()
    }

    async fn copies(&self, letter: &Letter) -> Vec<Copied> {
        let marker = letter.octets.as_slice();
        self.far
            .received()
            .into_iter()
            .filter(|m| !m.from.is_empty() && m.octets.len() >= marker.len() && m.octets.ends_with(marker))
            .map(|m| Copied { key: m.message_id, octets: m.octets.to_vec() })
            .collect()
    }

    async fn told(&self, letter: &Letter) -> Vec<String> {
        self.far
            .received()
            .into_iter()
            .filter(|m| m.from.is_empty() && m.to.contains(&letter.from))
            .map(|m| String::from_utf8_lossy(&m.octets).into_owned())
            .collect()
    }
}
