// SPDX-License-Identifier: EUPL-1.2
//! What pages, API and CLI read: message lists and one message with its timeline.
//!
//! Guarantees: every read of mail takes an [`Access`] and gives "not found" for
//! what it does not allow, so that nobody learns that something exists; times are
//! given as stored, words come from [`crate::texts`].

use std::collections::BTreeMap;

use poststelle_inspect::Sheet;
use poststelle_model::{
    Access, ConversationId, DeliveryId, DeliveryState, Event, Message, MessageId, Part, PrincipalId, Subject,
    TenantId, Timestamp,
};
use poststelle_store::desk::DeskItem;
use poststelle_store::messages::{Delivery, Inspection, Line, Receipt};
use poststelle_store::quarantine::{self, Hold};
use poststelle_store::tenants::Tenant;
use poststelle_store::{
    Scope, StoreError, access, desk, evidence, inspection as inspection_store, messages, tenants, threads,
};
use serde::Serialize;

use crate::change::CommitError;
use crate::hub::Hub;
use crate::reading::Reading;
use crate::routing::Explanation;
use crate::texts;
use crate::words::{self, Words};

/// Messages of a conversation that are shown.
const CONVERSATION: i64 = 50;

/// Why something was not shown.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// Not there, or not for these eyes.
    #[error("not found")]
    NotFound,
    /// For these eyes, but not for these hands.
    #[error("may read, but not handle")]
    ReadOnly,
    /// That it is read or handled could not be proved: then it is not.
    #[error(transparent)]
    Commit(#[from] CommitError),
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
    /// Its newest inspection sheet; `None` before processing, and for what was processed before there were any.
    pub sheet: Option<Sheet>,
    /// What is or was held back of it.
    pub holds: Vec<Hold>,
    /// Which rule hit and why.
    pub explanation: Explanation,
    /// The first 1,000 parts.
    pub parts: Vec<Part>,
    /// Are there more?
    pub more_parts: bool,
    /// Its deliveries with words.
    pub deliveries: Vec<DeliveryView>,
    /// Where it lies and how it is worked on.
    pub desk_items: Vec<DeskItem>,
    /// Notes of one's own house, oldest first.
    pub notes: Vec<NoteView>,
    /// Names of all the people in this view, as screens show them.
    pub names: BTreeMap<PrincipalId, String>,
    /// What far sides gave us.
    pub receipts: Vec<Receipt>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineLine>,
    /// What is waiting now, why, until when, who must act; empty = nothing waits.
    pub waiting: Vec<Waiting>,
    /// Name of the mailbox it came to or left from; empty when it has none.
    pub mailbox: String,
    /// Who opened it, and when last; the newest first.
    pub seen: Vec<SeenView>,
    /// The other messages of its conversation that are for these eyes, newest first.
    pub conversation: Vec<Line>,
    /// May who looks set something going?
    pub handles: bool,
}

/// Somebody who opened a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenView {
    /// When last, in Europe/Berlin.
    pub when: String,
    /// Who.
    pub who: String,
}

/// A line of a list with the states of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListLine {
    /// The line.
    pub line: Line,
    /// One for each delivery.
    pub states: Vec<DeliveryState>,
}

/// A message that somebody may read: what [`Hub::authorise`] found out.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    pub(crate) tenant: TenantId,
    pub(crate) message: MessageId,
    pub(crate) principal: PrincipalId,
    pub(crate) handles: bool,
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
    /// Can a person set it going again?
    pub resumable: bool,
    /// May the far side have it from an earlier try?
    pub doubtful: bool,
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

/// A note of one's own house.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoteView {
    /// When, in Europe/Berlin.
    pub when: String,
    /// Who wrote it.
    pub who: String,
    /// Plain text.
    pub text: String,
}

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// What: `processing` or the target in words.
    pub what: String,
    /// Which delivery; absent before there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// Why, one sentence.
    pub why: String,
    /// Next automatic try in Europe/Berlin; empty = none.
    pub next: String,
    /// Given up at, in Europe/Berlin; empty = never.
    pub until: String,
    /// Who must act, in words.
    pub who: String,
}

impl Hub {
    /// Names of people, as screens show them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn names(
        &self,
        of: impl IntoIterator<Item = PrincipalId>,
    ) -> Result<BTreeMap<PrincipalId, String>, StoreError> {
        let mut ids: Vec<PrincipalId> = of.into_iter().collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        ids.sort_unstable();
        ids.dedup();
        let mut tx = self.db.read(Scope::System).await?;
        access::names(&mut tx, &ids).await
    }

    /// Tenants the principal may read, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn visible_tenants(&self, access: &Access) -> Result<Vec<Tenant>, StoreError> {
        let allowed = access.reading_tenants();
        let mut tx = self.db.read(Scope::System).await?;
        tenants::of_ids(&mut tx, &allowed).await
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
    ) -> Result<Vec<ListLine>, ViewError> {
        if !access.reading_tenants().contains(&tenant) {
            return Err(ViewError::NotFound);
        }
        let limit = limit.clamp(1, 200);
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let lines = if access.may_read(tenant, &[], &[]) {
            messages::page(&mut tx, tenant, before, limit).await?
        } else {
            let (boxes, desks) = access.reading_places(tenant);
            messages::page_within(&mut tx, tenant, &boxes, &desks, before, limit).await?
        };
        let ids: Vec<MessageId> = lines.iter().map(|l| l.id).collect();
        let mut states = messages::states(&mut tx, tenant, &ids).await?;
        let with_states = |line: Line| ListLine { states: states.remove(&line.id).unwrap_or_default(), line };
        Ok(lines.into_iter().map(with_states).collect())
    }

    /// Is this message for these eyes? What is in it gives only [`Hub::read`], which records that it was read.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not, or not there.
    pub async fn authorise(
        &self,
        access: &Access,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<Allowed, ViewError> {
        if !access.reading_tenants().contains(&tenant) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        if !messages::exists(&mut tx, tenant, id).await? {
            return Err(ViewError::NotFound);
        }
        let mut reads = access.may_read(tenant, &[], &[]);
        let mut handles = access.may_handle(tenant, &[], &[]);
        if !reads || !handles {
            let boxes = messages::mailboxes(&mut tx, tenant, id).await?;
            let desks = desk::desks_of(&mut tx, tenant, id).await?;
            reads = access.may_read(tenant, &boxes, &desks);
            handles = access.may_handle(tenant, &boxes, &desks);
        }
        if !reads {
            return Err(ViewError::NotFound);
        }
        Ok(Allowed { tenant, message: id, principal: access.principal, handles })
    }

    /// One message for these eyes; that it was opened is evidence before it is shown.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not there or not for these eyes.
    pub async fn message_view(
        &self,
        access: &Access,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<MessageView, ViewError> {
        let allowed = self.authorise(access, tenant, id).await?;
        self.record(&allowed, Reading::Seen).await?;
        let view = self.message_view_unchecked(tenant, id).await?;
        let conversation = self.conversation(access, &view.message).await?;
        Ok(MessageView { handles: allowed.handles, conversation, ..view })
    }

    /// The other messages of a message's conversation that are for these eyes.
    async fn conversation(&self, access: &Access, message: &Message) -> Result<Vec<Line>, StoreError> {
        let (tenant, id) = (message.tenant, message.id);
        let of = message.conversation.unwrap_or_else(|| ConversationId::from_uuid(id.uuid()));
        let (boxes, desks) = access.reading_places(tenant);
        let within = (!access.may_read(tenant, &[], &[])).then_some((boxes.as_slice(), desks.as_slice()));
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let mut lines = threads::conversation(&mut tx, tenant, of, within, CONVERSATION).await?;
        lines.retain(|l| l.id != id);
        Ok(lines)
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
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let row = tenants::get(&mut tx, tenant).await?.ok_or(ViewError::NotFound)?;
        let message = messages::get(&mut tx, tenant, id).await?.ok_or(ViewError::NotFound)?;
        let inspection = messages::inspection(&mut tx, tenant, id).await?;
        let mut parts = messages::parts(&mut tx, tenant, id, 0, 1001).await?;
        let more_parts = parts.len() > 1000;
        parts.truncate(1000);
        let sheet = inspection_store::sheet(&mut tx, tenant, id, None).await?;
        let holds = quarantine::of_message(&mut tx, tenant, id).await?;
        let deliveries = messages::deliveries(&mut tx, tenant, id).await?;
        let receipts = messages::receipts(&mut tx, tenant, id).await?;
        let chain = evidence::chain(&mut tx, tenant, &Subject::message(id)).await?;
        let desk_items = desk::of_message(&mut tx, tenant, id).await?;
        let notes = desk::notes(&mut tx, tenant, id).await?;
        let desks = tenants::desks(&mut tx, tenant).await?;
        let connectors = tenants::connectors(&mut tx, tenant).await?;
        let mut people: Vec<PrincipalId> = chain.iter().filter_map(|e| words::principal(&e.who)).collect();
        people.extend(desk_items.iter().filter_map(|i| i.standing.owner));
        people.extend(notes.iter().map(|n| n.by));
        people.sort_unstable();
        people.dedup();
        let names = access::names(&mut tx, &people).await?;
        let mailboxes = match message.mailbox {
            Some(_) => tenants::mailboxes(&mut tx, tenant).await?,
            None => Vec::new(),
        };
        tx.rollback().await?;
        let explanation =
            inspection.as_ref().and_then(|i| serde_json::from_str(&i.explanation).ok()).unwrap_or_default();
        let words = Words { chain: &chain, desks: &desks, connectors: &connectors, names: &names };
        let deliveries: Vec<DeliveryView> = deliveries.into_iter().map(|d| words.delivery(d)).collect();
        let timeline = chain.iter().map(|e| words.line(e)).collect();
        let mut waiting: Vec<Waiting> = deliveries.iter().filter_map(|d| words.waiting(d)).collect();
        if inspection.is_none() {
            waiting.push(Waiting {
                what: "Prüfung und Verteilung".to_owned(),
                delivery: None,
                why: "Die Nachricht ist angenommen und wird gleich geprüft und verteilt.".to_owned(),
                next: String::new(),
                until: String::new(),
                who: texts::say("fault-nobody", &[]),
            });
        }
        let seen = seen(&chain, &names);
        let message_box = message.mailbox;
        Ok(MessageView {
            tenant: row,
            message,
            inspection,
            sheet: sheet.and_then(|s| serde_json::from_str(&s.sheet).ok()),
            holds,
            explanation,
            parts,
            more_parts,
            deliveries,
            desk_items,
            notes: notes
                .into_iter()
                .map(|n| NoteView {
                    when: n.created_at.berlin(),
                    who: names.get(&n.by).cloned().unwrap_or_else(|| "ein Konto".to_owned()),
                    text: n.text,
                })
                .collect(),
            names,
            receipts,
            timeline,
            waiting,
            mailbox: mailboxes
                .into_iter()
                .find(|m| Some(m.0) == message_box)
                .map(|m| m.1)
                .unwrap_or_default(),
            seen,
            conversation: Vec::new(),
            handles: false,
        })
    }
}

/// Who opened a message, by its chain: everybody once, the newest first.
fn seen(chain: &[evidence::Entry], names: &BTreeMap<PrincipalId, String>) -> Vec<SeenView> {
    let mut known = Vec::new();
    let mut seen = Vec::new();
    for entry in chain.iter().rev().filter(|e| e.kind() == Some(Event::ContentAccessTracking)) {
        let Some(who) = words::principal(&entry.who).filter(|w| !known.contains(w)) else { continue };
        known.push(who);
        let name = names.get(&who).cloned().unwrap_or_else(|| "ein Konto".to_owned());
        seen.push(SeenView { when: entry.at.berlin(), who: name });
    }
    seen
}
