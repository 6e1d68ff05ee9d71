// SPDX-License-Identifier: EUPL-1.2
//! What pages, API and CLI read: message lists, one message with its timeline, the status of the house.
//!
//! Guarantees: every read of mail takes an [`Access`] and gives "not found" for
//! what it does not allow, so that nobody learns that something exists; times are
//! given as stored, words come from [`crate::texts`].

use std::collections::BTreeMap;

use poststelle_model::{
    Access, DeliveryState, DeskId, Event, Message, MessageId, Part, PrincipalId, Reason, Subject, Target,
    TenantId, Timestamp,
};
use poststelle_store::balance::{Counts, Mismatch};
use poststelle_store::desk::DeskLine;
use poststelle_store::evidence::{Alarm, Entry};
use poststelle_store::messages::{Delivery, Inspection, Line, Receipt};
use poststelle_store::tenants::{Connector, Desk, Tenant};
use poststelle_store::{Scope, StoreError, access, balance, desk, evidence, jobs, messages, tenants};
use serde::Serialize;

use crate::health::{Component, Trouble};
use crate::hub::Hub;
use crate::routing::Explanation;
use crate::texts;

/// Why something was not shown.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// Not there, or not for these eyes.
    #[error("not found")]
    NotFound,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One message with everything a page shows.
#[derive(Debug, Clone)]
pub struct MessageView {
    /// Whose.
    pub tenant: Tenant,
    /// The message.
    pub message: Message,
    /// What was found out; `None` before processing.
    pub inspection: Option<Inspection>,
    /// Which rule hit and why.
    pub explanation: Explanation,
    /// The first 1,000 parts.
    pub parts: Vec<Part>,
    /// Are there more?
    pub more_parts: bool,
    /// Its deliveries with words.
    pub deliveries: Vec<DeliveryView>,
    /// What far sides gave us.
    pub receipts: Vec<Receipt>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineLine>,
    /// What is waiting now, why, until when, who must act; empty = nothing waits.
    pub waiting: Vec<Waiting>,
}

/// A delivery in words.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    /// As stored.
    pub delivery: Delivery,
    /// Where to, in words.
    pub target: String,
    /// State in words.
    pub state: String,
    /// Sentence of its reason; empty = none.
    pub sentence: String,
    /// Who must act; empty = nobody.
    pub who: String,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimelineLine {
    /// When, microseconds UTC.
    pub at: Timestamp,
    /// When, in Europe/Berlin.
    pub when: String,
    /// Name of the event.
    pub event: String,
    /// What happened, in words.
    pub title: String,
    /// More words; may be empty.
    pub text: String,
    /// Who did it, in words.
    pub who: String,
    /// Stable code of the reason; empty = none.
    pub code: String,
}

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// What: `processing` or the target in words.
    pub what: String,
    /// Why, one sentence.
    pub why: String,
    /// Next automatic try in Europe/Berlin; empty = none.
    pub next: String,
    /// Given up at, in Europe/Berlin; empty = never.
    pub until: String,
    /// Who must act, in words.
    pub who: String,
}

/// The house at a glance, for operators.
#[derive(Debug, Clone, Default)]
pub struct StatusView {
    /// Troubled components of this node.
    pub troubles: Vec<(Component, Trouble)>,
    /// Open alarms.
    pub alarms: Vec<Alarm>,
    /// Jobs per kind: (kind, count, earliest due).
    pub queues: Vec<(String, i64, Timestamp)>,
    /// Channels: (title, stable name).
    pub channels: Vec<(String, String)>,
    /// Counts per tenant, channel, direction.
    pub counts: Vec<Counts>,
    /// What does not add up.
    pub mismatches: Vec<Mismatch>,
    /// Names of tenants.
    pub tenants: BTreeMap<TenantId, String>,
    /// The database could not be asked: only `troubles` is told.
    pub blind: bool,
}

/// The balance: listed = accepted = delivered + open + parked + failed.
#[derive(Debug, Clone, Serialize)]
pub struct Balance {
    /// Does everything add up?
    pub ok: bool,
    /// Per tenant, channel and direction.
    pub lines: Vec<BalanceLine>,
    /// What does not add up: (kind, tenant, id).
    pub mismatches: Vec<(String, String, String)>,
}

/// One line of the balance.
#[derive(Debug, Clone, Serialize)]
pub struct BalanceLine {
    /// Short name of the tenant.
    pub tenant: String,
    /// Channel.
    pub channel: String,
    /// `in` or `out`.
    pub direction: String,
    /// Acknowledged to the far side, counted from the evidence (all channels of the tenant together).
    pub listed_in_tenant: i64,
    /// Message rows.
    pub accepted: i64,
    /// Done.
    pub delivered: i64,
    /// In work.
    pub open: i64,
    /// Waiting for a person.
    pub parked: i64,
    /// Ended without reaching the target.
    pub failed: i64,
}

impl Hub {
    /// Tenants the principal may read, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn visible_tenants(&self, access: &Access) -> Result<Vec<Tenant>, StoreError> {
        let allowed = access.reading_tenants();
        let mut tx = self.db.read(Scope::System).await?;
        Ok(tenants::all(&mut tx).await?.into_iter().filter(|t| allowed.contains(&t.id)).collect())
    }

    /// One page of a tenant's messages, newest first, older than `before`; only what `access` allows.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the tenant is not visible at all.
    pub async fn message_page(
        &self,
        access: &Access,
        tenant: TenantId,
        before: Option<MessageId>,
        limit: i64,
    ) -> Result<Vec<Line>, ViewError> {
        if !access.reading_tenants().contains(&tenant) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let whole = access.may_read(tenant, &[], &[]);
        let mut lines = Vec::new();
        let mut before = before;
        let limit = limit.clamp(1, 200);
        loop {
            let page = messages::page(&mut tx, tenant, before, limit).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            let full = page.len() < usize::try_from(limit).unwrap_or(0);
            for line in page {
                if whole || self.may_see(&mut tx, access, tenant, line.id).await? {
                    lines.push(line);
                }
            }
            if full || lines.len() >= usize::try_from(limit).unwrap_or(0) {
                break;
            }
        }
        lines.truncate(usize::try_from(limit).unwrap_or(0));
        Ok(lines)
    }

    async fn may_see(
        &self,
        tx: &mut poststelle_store::Tx,
        access: &Access,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<bool, StoreError> {
        if access.may_read(tenant, &[], &[]) {
            return Ok(true);
        }
        let boxes = messages::mailboxes(tx, tenant, id).await?;
        let desks = desk::desks_of(tx, tenant, id).await?;
        Ok(access.may_read(tenant, &boxes, &desks))
    }

    /// Items of a desk for one tenant, newest first.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the desk is not for these eyes.
    pub async fn desk_page(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DeskId,
        before: Option<poststelle_model::DeliveryId>,
        limit: i64,
    ) -> Result<Vec<DeskLine>, ViewError> {
        if !access.may_read(tenant, &[], &[id]) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        Ok(desk::page(&mut tx, tenant, id, before, limit).await?)
    }

    /// Is this message for these eyes? Call before giving out its octets.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not, or not there.
    pub async fn authorise(&self, access: &Access, tenant: TenantId, id: MessageId) -> Result<(), ViewError> {
        if !access.reading_tenants().contains(&tenant) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let there = messages::exists(&mut tx, tenant, id).await?;
        if there && self.may_see(&mut tx, access, tenant, id).await? {
            Ok(())
        } else {
            Err(ViewError::NotFound)
        }
    }

    /// One message for these eyes.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not there or not for these eyes.
    pub async fn message_view(
        &self,
        access: &Access,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<MessageView, ViewError> {
        self.authorise(access, tenant, id).await?;
        self.message_view_unchecked(tenant, id).await
    }

    /// One message without asking who looks: for the operator's command line on the host itself.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not there.
    pub async fn message_view_unchecked(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<MessageView, ViewError> {
        let mut tx = self.db.read(Scope::System).await?;
        let names: BTreeMap<PrincipalId, String> = access::names(&mut tx).await?.into_iter().collect();
        tx.enter(Scope::Tenant(tenant)).await?;
        let row = tenants::get(&mut tx, tenant).await?.ok_or(ViewError::NotFound)?;
        let message = messages::get(&mut tx, tenant, id).await?.ok_or(ViewError::NotFound)?;
        let inspection = messages::inspection(&mut tx, tenant, id).await?;
        let mut parts = messages::parts(&mut tx, tenant, id, 0, 1001).await?;
        let more_parts = parts.len() > 1000;
        parts.truncate(1000);
        let deliveries = messages::deliveries(&mut tx, tenant, id).await?;
        let receipts = messages::receipts(&mut tx, tenant, id).await?;
        let chain = evidence::chain(&mut tx, tenant, &Subject::message(id)).await?;
        let desks = tenants::desks(&mut tx, tenant).await?;
        let connectors = tenants::connectors(&mut tx, tenant).await?;
        tx.rollback().await?;
        let explanation =
            inspection.as_ref().and_then(|i| serde_json::from_str(&i.explanation).ok()).unwrap_or_default();
        let words = Words { desks: &desks, connectors: &connectors, names: &names };
        let deliveries: Vec<DeliveryView> = deliveries.into_iter().map(|d| words.delivery(d)).collect();
        let timeline = chain.iter().map(|e| words.line(e)).collect();
        let mut waiting: Vec<Waiting> = deliveries.iter().filter_map(|d| words.waiting(d)).collect();
        if inspection.is_none() {
            waiting.push(Waiting {
                what: "Prüfung und Verteilung".to_owned(),
                why: "Die Nachricht ist angenommen und wird gleich geprüft und verteilt.".to_owned(),
                next: String::new(),
                until: String::new(),
                who: texts::say("fault-nobody", &[]),
            });
        }
        Ok(MessageView {
            tenant: row,
            message,
            inspection,
            explanation,
            parts,
            more_parts,
            deliveries,
            receipts,
            timeline,
            waiting,
        })
    }

    /// The house at a glance. Speaks even when the database is gone.
    pub async fn status(&self) -> StatusView {
        let mut view = StatusView { troubles: self.health.troubles(), ..StatusView::default() };
        let mut channels: Vec<(String, String)> = self
            .channels
            .values()
            .map(|c| (c.describe().title.to_owned(), c.describe().name.to_owned()))
            .collect();
        channels.sort();
        view.channels = channels;
        let read = async {
            let mut tx = self.db.read(Scope::System).await?;
            view.alarms = evidence::open_alarms(&mut tx).await?;
            view.queues = jobs::counts(&mut tx).await?;
            view.counts = balance::counts(&mut tx).await?;
            view.mismatches = balance::mismatches(&mut tx).await?;
            view.tenants = tenants::all(&mut tx).await?.into_iter().map(|t| (t.id, t.name)).collect();
            Ok::<(), StoreError>(())
        };
        if let Err(error) = read.await {
            let error = self.noticed(error);
            tracing::warn!(%error, "status without database");
            view.blind = true;
            view.troubles = self.health.troubles();
        }
        view
    }

    /// Counts everything.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn balance(&self) -> Result<Balance, StoreError> {
        let mut tx = self.db.read(Scope::System).await?;
        let counts = balance::counts(&mut tx).await?;
        let listed: BTreeMap<TenantId, i64> = balance::listed(&mut tx).await?.into_iter().collect();
        let wrong = balance::mismatches(&mut tx).await?;
        let names: BTreeMap<TenantId, String> =
            tenants::all(&mut tx).await?.into_iter().map(|t| (t.id, t.slug)).collect();
        let name = |id: TenantId| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        let mut accepted: BTreeMap<TenantId, i64> = BTreeMap::new();
        for c in &counts {
            *accepted.entry(c.tenant).or_default() += c.accepted;
        }
        let mut mismatches: Vec<(String, String, String)> =
            wrong.into_iter().map(|m| (m.kind.to_owned(), name(m.tenant), m.id)).collect();
        for (tenant, listed) in &listed {
            let accepted = accepted.get(tenant).copied().unwrap_or(0);
            if *listed != accepted {
                mismatches.push((
                    "count".to_owned(),
                    name(*tenant),
                    format!("listed {listed}, accepted {accepted}"),
                ));
            }
        }
        let lines: Vec<BalanceLine> = counts
            .into_iter()
            .map(|c| BalanceLine {
                tenant: name(c.tenant),
                channel: c.channel.as_str().to_owned(),
                direction: c.direction.as_str().to_owned(),
                listed_in_tenant: listed.get(&c.tenant).copied().unwrap_or(0),
                accepted: c.accepted,
                delivered: c.delivered,
                open: c.open,
                parked: c.parked,
                failed: c.failed,
            })
            .collect();
        for l in &lines {
            if l.accepted != l.delivered + l.open + l.parked + l.failed {
                let what = format!("{} {}", l.channel, l.direction);
                mismatches.push(("sum".to_owned(), l.tenant.clone(), what));
            }
        }
        Ok(Balance { ok: mismatches.is_empty(), lines, mismatches })
    }
}

struct Words<'a> {
    desks: &'a [Desk],
    connectors: &'a [Connector],
    names: &'a BTreeMap<PrincipalId, String>,
}

impl Words<'_> {
    fn target(&self, target: &Target) -> String {
        match target {
            Target::Desk { desk } => self
                .desks
                .iter()
                .find(|d| d.id == *desk)
                .map_or_else(|| "Arbeitskorb".to_owned(), |d| format!("Arbeitskorb „{}“", d.name)),
            Target::Connector { connector } => self
                .connectors
                .iter()
                .find(|c| c.id == *connector)
                .map_or_else(|| "Übergabeziel".to_owned(), |c| format!("Übergabeziel „{}“", c.name)),
            Target::Mail { address } => format!("E-Mail an {address}"),
            Target::Receipt { of } if of == "canary" => "Kontrolle des Kanals".to_owned(),
            Target::Receipt { .. } => "Rückmeldung zu einer eigenen Sendung".to_owned(),
        }
    }

    fn delivery(&self, delivery: Delivery) -> DeliveryView {
        let sentence = delivery.reason.as_ref().map(texts::sentence).unwrap_or_default();
        let who = match (&delivery.reason, delivery.state) {
            (_, DeliveryState::Confirmed | DeliveryState::Accepted) | (None, _) => String::new(),
            (Some(reason), _) => texts::who_acts(reason.fault),
        };
        DeliveryView {
            target: self.target(&delivery.target),
            state: texts::say(&format!("state-{}", delivery.state.as_str()), &[]),
            sentence,
            who,
            delivery,
        }
    }

    fn waiting(&self, view: &DeliveryView) -> Option<Waiting> {
        let d = &view.delivery;
        if !(d.state.is_open() || d.state == DeliveryState::Parked) {
            return None;
        }
        let time = |t: Timestamp| if t.0 <= 0 || t >= Timestamp::NEVER { String::new() } else { t.berlin() };
        Some(Waiting {
            what: view.target.clone(),
            why: if view.sentence.is_empty() {
                "Die Übergabe ist vorgesehen und beginnt von selbst.".to_owned()
            } else {
                view.sentence.clone()
            },
            next: if d.state == DeliveryState::Parked { String::new() } else { time(d.next_attempt) },
            until: time(d.expires_at),
            who: d
                .reason
                .as_ref()
                .map_or_else(|| texts::say("fault-nobody", &[]), |r| texts::who_acts(r.fault)),
        })
    }

    fn line(&self, entry: &Entry) -> TimelineLine {
        let body: serde_json::Value = serde_json::from_str(&entry.body).unwrap_or_default();
        let field = |name: &str| body.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let target = Target::parse(field("target")).map(|t| self.target(&t)).unwrap_or_default();
        let code = field("code").to_owned();
        let sentence = if code.is_empty() {
            String::new()
        } else {
            let mut reason = Reason {
                code: poststelle_model::Code::new(""),
                fault: poststelle_model::Fault::Nobody,
                params: BTreeMap::new(),
            };
            if let Some(params) = body.get("params").and_then(serde_json::Value::as_object) {
                for (k, v) in params {
                    reason = reason.with(k, v.as_str().unwrap_or_default());
                }
            }
            let args: Vec<(&str, &str)> =
                reason.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            texts::say(&code, &args)
        };
        let text = match entry.kind() {
            Some(Event::ReceivedFromNonERDS | Event::SubmissionAcceptance) => {
                let tls = if field("tls").is_empty() { "unverschlüsselt" } else { field("tls") };
                let from = if field("sender").is_empty() { "leerem Absender" } else { field("sender") };
                let repeated = if field("conflicts_with").is_empty() {
                    ""
                } else {
                    " Achtung: Unter derselben Kennung kam schon einmal ein anderer Inhalt."
                };
                format!("Von {from}, über {} ({tls}).{repeated}", field("peer"))
            }
            Some(Event::Processed) => {
                let parts = body.get("parts").and_then(serde_json::Value::as_i64).unwrap_or(0);
                if body.get("clearing").and_then(serde_json::Value::as_bool) == Some(true) {
                    format!("{parts} Bestandteile gefunden. {}: an den Klärungskorb.", field("rule"))
                } else {
                    format!("{parts} Bestandteile gefunden. Zugeordnet nach „{}“.", field("rule"))
                }
            }
            Some(Event::Deferred | Event::Unclear) => {
                let next = field("next");
                let next = Timestamp::parse_rfc3339(next)
                    .map_or(String::new(), |t| format!(" Nächster Versuch: {}.", t.berlin()));
                format!("{target}: {sentence}{next}")
            }
            Some(Event::SenderNotified) => format!("Mitteilung an {} gesandt.", field("recipient")),
            _ if !sentence.is_empty() && !target.is_empty() => format!("{target}: {sentence}"),
            _ if !sentence.is_empty() => sentence,
            _ => target,
        };
        TimelineLine {
            at: entry.at,
            when: entry.at.berlin(),
            event: entry.event.clone(),
            title: texts::say(&format!("event-{}", entry.event), &[]),
            text,
            who: self.who(&entry.who),
            code,
        }
    }

    fn who(&self, who: &str) -> String {
        match who.split_once(':') {
            Some(("principal", id)) => id
                .parse()
                .ok()
                .and_then(|id: PrincipalId| self.names.get(&id).cloned())
                .unwrap_or_else(|| "ein Konto".to_owned()),
            _ => "Poststelle".to_owned(),
        }
    }
}
