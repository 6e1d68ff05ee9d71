// SPDX-License-Identifier: EUPL-1.2
//! SMTP in: recipients become tenants, DATA becomes an intake, 250 follows the commit.
//!
//! Guarantees: an unknown recipient is refused at RCPT (550 5.1.1), never later;
//! whatever is wrong with our store is a temporary error (4xx), so the sender keeps
//! the mail; an authenticated principal sends only in the name of its own tenants.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use poststelle_hub::accept::Abandoned;
use poststelle_hub::people::SignIn;
use poststelle_hub::{AcceptError, Hub, Intake, NewIntake, bounce};
use poststelle_mail::smtp::server::{
    Abort, Envelope, Identity, Peer, Receiver, Seen, Sink, Unavailable, Verdict,
};
use poststelle_mail::smtp::{Address, Recipient, Reply};
use poststelle_model::message::Transport;
use poststelle_model::{
    ChannelKind, Direction, MailboxId, PrincipalId, Reason, Role, TenantId, Timestamp, Who,
};
use poststelle_store::{Scope, StoreError, access, tenants};
use secrecy::{ExposeSecret, SecretString};

/// How long a resolved address is believed.
const REMEMBER: Duration = Duration::from_secs(2);
/// Most addresses remembered.
const REMEMBER_CAP: usize = 10_000;

/// Whose an address is: tenant and box; a return address has no box.
type Owner = (TenantId, Option<MailboxId>);

/// Takes mail in for the hub.
pub struct MailReceiver {
    hub: Arc<Hub>,
    sign_in: Arc<dyn SignIn>,
    resolved: Mutex<HashMap<String, (Timestamp, Option<Owner>)>>,
}

impl MailReceiver {
    /// A receiver for `hub`.
    #[must_use]
    pub fn new(hub: Arc<Hub>, sign_in: Arc<dyn SignIn>) -> Self {
        Self { hub, sign_in, resolved: Mutex::default() }
    }

    /// Whose address this is.
    async fn resolve(&self, address: &Address) -> Result<Option<Owner>, StoreError> {
        let text = format!("{}@{}", address.local_unquoted(), address.domain()).to_lowercase();
        let now = self.hub.clock().now();
        if let Some((at, found)) =
            self.resolved.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&text)
            && now.since(*at) < REMEMBER
        {
            return Ok(*found);
        }
        let found = if address.local().to_ascii_lowercase().starts_with("b-")
            && address.domain().eq_ignore_ascii_case(self.hub.domain())
        {
            let key = self.hub.bounce_key().await?;
            bounce::parse(&key, address.local()).map(|(tenant, _)| (tenant, None))
        } else {
            let mut tx = self.hub.db().read(Scope::System).await?;
            let row = tenants::resolve_address(&mut tx, ChannelKind::Mail, &text).await?;
            row.map(|(tenant, mailbox)| (tenant, Some(mailbox)))
        };
        let mut resolved = self.resolved.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if resolved.len() >= REMEMBER_CAP {
            resolved.clear();
        }
        resolved.insert(text, (now, found));
        Ok(found)
    }

    /// Refuses the recipients of one tenant too many (452): the sender brings them in a transaction of their own.
    async fn fits(&self, envelope: &Envelope, tenant: TenantId) -> Verdict {
        let cap = self.hub.limits().tenants_per_transaction;
        if envelope.recipients.len() < cap {
            return Ok(());
        }
        let mut seen = vec![tenant];
        for earlier in &envelope.recipients {
            if let Some((tenant, _)) = self.resolve(&earlier.address).await.map_err(|e| later(&e))?
                && !seen.contains(&tenant)
            {
                seen.push(tenant);
            }
        }
        if seen.len() <= cap { Ok(()) } else { Err(refusal(&AcceptError::TooManyTenants { cap })) }
    }

    /// The tenant in whose name an authenticated principal may send from this address.
    async fn may_send_as(&self, identity: &Identity, from: &Address) -> Result<Option<TenantId>, StoreError> {
        let Ok(principal) = identity.0.parse::<PrincipalId>() else { return Ok(None) };
        let Some((tenant, _)) = self.resolve(from).await? else { return Ok(None) };
        let mut tx = self.hub.db().read(Scope::System).await?;
        let rights = access::access(&mut tx, principal, self.hub.clock().now()).await?;
        let may =
            [Role::TenantAdmin, Role::Clerk, Role::Intake].into_iter().any(|role| rights.has(role, tenant));
        Ok(may.then_some(tenant))
    }
}

fn later(error: &StoreError) -> Reply {
    tracing::warn!(%error, "mail refused for now");
    closed(&error.reason())
}

fn closed(reason: &Reason) -> Reply {
    match reason.code.as_str() {
        "PST-STORE-0003" | "PST-STORE-0013" => {
            Reply::new(452, (4, 3, 1), "Insufficient system storage, try again later")
        }
        _ => Reply::new(451, (4, 3, 0), "Temporary local problem, try again later"),
    }
}

fn refusal(error: &AcceptError) -> Reply {
    match error {
        AcceptError::Busy => Reply::new(452, (4, 3, 1), "Too much mail at once, try again later"),
        AcceptError::TooLarge { cap } => {
            Reply::new(552, (5, 3, 4), format!("Message exceeds the limit of {cap} octets"))
        }
        AcceptError::TooManyTenants { cap } => Reply::new(
            452,
            (4, 5, 3),
            format!("Recipients of more than {cap} authorities, send the rest separately"),
        ),
        AcceptError::Closed(reason) => closed(reason),
        AcceptError::Store(e) => later(e),
        AcceptError::Commit(e) => e
            .store()
            .map_or_else(|| Reply::new(451, (4, 3, 0), "Temporary local problem, try again later"), later),
    }
}

#[async_trait]
impl Receiver for MailReceiver {
    async fn authenticate(
        &self,
        _peer: &Peer,
        user: &str,
        password: &SecretString,
    ) -> Result<Option<Identity>, Unavailable> {
        let checked = async {
            let Some(id) = self.sign_in.check(&self.hub, user, password.expose_secret()).await? else {
                return Ok(None);
            };
            // A mail program knows no second step.
            let suffices = self.hub.password_suffices(id).await?;
            Ok::<_, StoreError>(suffices.then(|| Identity(id.to_string())))
        };
        match checked.await {
            Ok(found) => Ok(found),
            Err(error) => {
                tracing::warn!(%error, "sign-in not possible now");
                Err(Unavailable)
            }
        }
    }

    async fn mail(&self, envelope: &Envelope) -> Verdict {
        self.counted("mail", self.may_begin(envelope).await)
    }

    async fn recipient(&self, envelope: &Envelope, recipient: &Recipient) -> Verdict {
        self.counted("recipient", self.may_address(envelope, recipient).await)
    }

    async fn data(&self, envelope: Envelope) -> Result<Box<dyn Sink>, Reply> {
        let intake = self.counted("data", self.take(envelope).await)?;
        Ok(Box::new(MailSink { hub: Arc::clone(&self.hub), intake }))
    }
}

impl MailReceiver {
    /// Counts a refusal.
    fn counted<T>(&self, step: &'static str, result: Result<T, Reply>) -> Result<T, Reply> {
        result.inspect_err(|reply| self.hub.metrics().refuse_in_dialogue(step, reply.code))
    }

    async fn may_begin(&self, envelope: &Envelope) -> Verdict {
        // At once, and not after every question to a database that does not answer has timed out.
        self.hub.door(ChannelKind::Mail).map_err(|e| refusal(&e))?;
        let Some(identity) = &envelope.peer.identity else { return Ok(()) };
        let Some(from) = &envelope.mail_from else {
            return Err(Reply::new(550, (5, 7, 1), "An authenticated sender needs an address of its own"));
        };
        match self.may_send_as(identity, from).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Reply::new(550, (5, 7, 1), "You may not send in the name of this address")),
            Err(error) => Err(later(&error)),
        }
    }

    async fn may_address(&self, envelope: &Envelope, recipient: &Recipient) -> Verdict {
        if envelope.peer.identity.is_some() {
            return Ok(());
        }
        match self.resolve(&recipient.address).await {
            Ok(Some((tenant, _))) => self.fits(envelope, tenant).await,
            Ok(None) => Err(Reply::new(550, (5, 1, 1), "Unknown recipient; this server does not relay")),
            Err(error) => Err(later(&error)),
        }
    }

    async fn take(&self, envelope: Envelope) -> Result<Intake, Reply> {
        let mut addressed: BTreeMap<TenantId, Vec<MailboxId>> = BTreeMap::new();
        let mut recipients: BTreeMap<TenantId, Vec<String>> = BTreeMap::new();
        let (direction, who) = match (&envelope.peer.identity, &envelope.mail_from) {
            (Some(identity), Some(from)) => {
                let tenant = self.may_send_as(identity, from).await.map_err(|e| later(&e))?;
                let tenant =
                    tenant.ok_or_else(|| Reply::new(550, (5, 7, 1), "You may not send in this name"))?;
                addressed.insert(tenant, Vec::new());
                let list = envelope.recipients.iter().map(|r| r.address.as_str().to_owned()).collect();
                recipients.insert(tenant, list);
                let who = identity.0.parse().map_or_else(|_| Who::house("smtp"), |id| Who::Principal { id });
                (Direction::Out, who)
            }
            _ => {
                for recipient in &envelope.recipients {
                    let found = self.resolve(&recipient.address).await.map_err(|e| later(&e))?;
                    // Gone between RCPT and DATA: the system tenant keeps it; nothing promised is dropped.
                    let (tenant, mailbox) = found.unwrap_or((TenantId::SYSTEM, None));
                    let boxes = addressed.entry(tenant).or_default();
                    if let Some(mailbox) = mailbox.filter(|m| !boxes.contains(m)) {
                        boxes.push(mailbox);
                    }
                    let list = recipients.entry(tenant).or_default();
                    let address = recipient.address.as_str().to_owned();
                    if !list.contains(&address) {
                        list.push(address);
                    }
                }
                (Direction::In, Who::house("smtp"))
            }
        };
        let peer = &envelope.peer;
        let transport = Transport {
            sender: envelope.mail_from.as_ref().map(|a| a.as_str().to_owned()).unwrap_or_default(),
            recipients: Vec::new(),
            peer: peer.address.to_string(),
            helo: peer.helo.clone().unwrap_or_default(),
            tls: peer.tls.as_ref().map(|t| format!("{} {}", t.version, t.cipher)).unwrap_or_default(),
            envelope_id: envelope.envid.clone().unwrap_or_default(),
            media_type: String::new(),
            bare_line_ends: false,
        };
        let new = NewIntake {
            channel: ChannelKind::Mail,
            direction,
            addressed,
            recipients,
            transport,
            foreign_id: String::new(),
            announced: envelope.size,
            who,
        };
        self.hub.accept(new).await.map_err(|e| refusal(&e))
    }
}

struct MailSink {
    hub: Arc<Hub>,
    intake: Intake,
}

#[async_trait]
impl Sink for MailSink {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Reply> {
        self.intake.push(&self.hub, &chunk).await.map_err(|e| refusal(&e))
    }

    async fn finish(mut self: Box<Self>, seen: Seen) -> Reply {
        self.intake.transport_mut().bare_line_ends = seen.bare_line_ends;
        match self.intake.finish(&self.hub).await {
            Ok(accepted) => {
                let ids: Vec<String> = accepted.iter().map(|a| a.message.to_string()).collect();
                Reply::new(250, (2, 0, 0), format!("Accepted as {}", ids.join(" ")))
            }
            Err(error) => refusal(&error),
        }
    }

    async fn abort(self: Box<Self>, why: Abort) {
        let why = match why {
            Abort::Lost => Abandoned::BrokenOff,
            Abort::TimedOut => Abandoned::TooSlow,
            Abort::TooBig => Abandoned::TooLarge,
            Abort::Refused => Abandoned::Refused,
            Abort::Shutdown => Abandoned::Closing,
        };
        self.intake.abort(&self.hub, why).await;
    }
}
