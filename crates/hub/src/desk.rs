// SPDX-License-Identifier: EUPL-1.2
//! Working at a desk: claim, hand over, lay aside, settle, take back; notes of one's own house.
//!
//! Guarantees: whatever happens here, message and deliveries stay as they are; of two people acting at once one is
//! told what the other did; each act is evidence in the message's own chain, in the same commit; a colleague can
//! take over what somebody has, so that nothing waits for a person who is ill. One's own last act can be taken back
//! as long as nobody went on from it.

use poststelle_evidence::NewEvidence;
use poststelle_model::{
    Access, DeliveryId, DeskAct, DeskId, DeskState, Event, MessageId, NoteId, PrincipalId, Subject, TenantId,
    Timestamp, Who,
};
use poststelle_store::desk::{self, Counts, DeskItem, DeskLine, Filter, NOTE_CAP, Note};
use poststelle_store::{Scope, StoreError, access, tenants};
use serde_json::json;

use crate::change::{Change, CommitError};
use crate::hub::Hub;
use crate::view::ViewError;

/// Why an act was refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Not for these eyes or hands, or the store.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Somebody changed the item meanwhile.
    #[error("changed meanwhile by {by}")]
    Changed {
        /// How it stands now.
        item: Box<DeskItem>,
        /// Name of who did it; empty = the house itself.
        by: String,
    },
    /// The act has no place in the item's state.
    #[error("not now")]
    NotNow(DeskState),
    /// The person it should go to may not see this mail, or is not active.
    #[error("not allowed to see this mail")]
    NotTheirs,
    /// The day to wait for is not ahead, or further than a year.
    #[error("not a day ahead")]
    NotAhead,
    /// Empty, or longer than [`NOTE_CAP`].
    #[error("empty or too long")]
    NoNote,
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        Self::View(error.into())
    }
}

/// A desk a person may work at, with the tenants whose mail they may see there.
#[derive(Debug, Clone)]
pub struct Workplace {
    /// The desk.
    pub desk: tenants::Desk,
    /// Whose mail.
    pub tenants: Vec<tenants::Tenant>,
    /// How much lies there, all tenants together.
    pub counts: Counts,
}

/// Somebody who can take an item over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colleague {
    /// Who.
    pub id: PrincipalId,
    /// Name on screen.
    pub name: String,
}

/// The longest somebody may lay an item aside.
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(366 * 24 * 3600);

impl Hub {
    /// The desks a person may work at or look at, by name, with what lies there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn workplaces(&self, access: &Access) -> Result<Vec<Workplace>, StoreError> {
        let mut places: Vec<Workplace> = Vec::new();
        for tenant in self.visible_tenants(access).await? {
            let mut tx = self.db.read(Scope::Tenant(tenant.id)).await?;
            let counts = desk::counts(&mut tx, tenant.id, access.principal).await?;
            for desk in tenants::desks(&mut tx, tenant.id).await? {
                if !access.may_read(tenant.id, &[], &[desk.id]) {
                    continue;
                }
                let more = counts.get(&desk.id).copied().unwrap_or_default();
                let at = places.iter().position(|p| p.desk.id == desk.id).unwrap_or(places.len());
                if at == places.len() {
                    places.push(Workplace { desk, tenants: Vec::new(), counts: Counts::default() });
                }
                if let Some(place) = places.get_mut(at) {
                    place.tenants.push(tenant.clone());
                    place.counts = place.counts.plus(more);
                }
            }
        }
        places.sort_by(|a, b| (&a.desk.name, a.desk.id).cmp(&(&b.desk.name, b.desk.id)));
        Ok(places)
    }

    /// Items of a desk, newest first, of those of `tenants` whose mail there is for these eyes.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the desk is not for these eyes for any of them.
    pub async fn desk_page(
        &self,
        access: &Access,
        tenants: &[TenantId],
        id: DeskId,
        filter: Filter,
        before: Option<DeliveryId>,
        limit: i64,
    ) -> Result<Vec<DeskLine>, ViewError> {
        let allowed: Vec<TenantId> =
            tenants.iter().copied().filter(|t| access.may_read(*t, &[], &[id])).collect();
        if allowed.is_empty() {
            return Err(ViewError::NotFound);
        }
        let limit = limit.clamp(1, 200);
        let mut lines = Vec::new();
        // One look for each tenant, under its own scope: the wall stays where it is.
        for tenant in allowed {
            let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
            lines.extend(desk::page(&mut tx, tenant, id, filter, before, limit).await?);
        }
        lines.sort_by_key(|l| std::cmp::Reverse(l.item.delivery));
        lines.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(lines)
    }

    /// An item for somebody who may work on it.
    async fn handled_item(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DeliveryId,
    ) -> Result<DeskItem, ViewError> {
        if !access.reading_tenants().contains(&tenant) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let item = desk::get(&mut tx, tenant, id).await?.ok_or(ViewError::NotFound)?;
        tx.rollback().await?;
        let allowed = self.authorise(access, tenant, item.message).await?;
        if allowed.handles { Ok(item) } else { Err(ViewError::ReadOnly) }
    }

    /// As [`Self::handled_item`], if it still stands as in `version`.
    async fn item_as_in(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DeliveryId,
        version: i64,
    ) -> Result<DeskItem, DeskError> {
        let item = self.handled_item(access, tenant, id).await?;
        if item.version == version { Ok(item) } else { Err(self.changed(item).await?) }
    }

    /// Tells who was faster.
    async fn changed(&self, item: DeskItem) -> Result<DeskError, StoreError> {
        let names = self.names(item.changed_by).await?;
        Ok(DeskError::Changed { item: Box::new(item), by: names.into_values().next().unwrap_or_default() })
    }

    /// Does `act` with an item, if it still stands as in `version`.
    ///
    /// # Errors
    /// [`DeskError`]; nothing was changed then.
    pub async fn desk_act(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DeliveryId,
        act: DeskAct,
        version: i64,
    ) -> Result<DeskItem, DeskError> {
        let item = self.item_as_in(access, tenant, id, version).await?;
        let now = self.clock.now();
        match act {
            DeskAct::HandOver { to } => self.must_handle(to, &item, now).await?,
            DeskAct::Wait { until } if until <= now || until > now.plus(LONGEST_WAIT) => {
                return Err(DeskError::NotAhead);
            }
            _ => {}
        }
        let standing =
            item.standing.after(access.principal, act).map_err(|refused| DeskError::NotNow(refused.from))?;
        let changed = DeskItem { before: Some(item.standing), standing, ..item };
        self.write_item(access, changed, act.as_str()).await
    }

    /// Takes back one's own last act, if nobody went on from it.
    ///
    /// # Errors
    /// [`DeskError::NotNow`] when there is nothing of one's own to take back.
    pub async fn desk_undo(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DeliveryId,
        version: i64,
    ) -> Result<DeskItem, DeskError> {
        let item = self.item_as_in(access, tenant, id, version).await?;
        let Some(standing) = item.before.filter(|_| can_undo(&item, access.principal)) else {
            return Err(DeskError::NotNow(item.standing.state));
        };
        self.write_item(access, DeskItem { standing, before: None, ..item }, "undo").await
    }

    /// Writes what was read as it stands now; [`DeskError::Changed`] when somebody was faster.
    async fn write_item(
        &self,
        access: &Access,
        mut item: DeskItem,
        word: &str,
    ) -> Result<DeskItem, DeskError> {
        let (tenant, id) = (item.tenant, item.delivery);
        item.changed_at = self.clock.now();
        item.changed_by = Some(access.principal);
        let body = json!({
            "act": word,
            "delivery": id.to_string(),
            "desk": item.desk.to_string(),
            "state": item.standing.state.as_str(),
            "owner": item.standing.owner.map(|o| o.to_string()).unwrap_or_default(),
            "until": if item.standing.due_at > Timestamp(0) { item.standing.due_at.rfc3339() } else { String::new() },
        });
        let who = Who::Principal { id: access.principal };
        let news = NewEvidence::new(tenant, Subject::message(item.message), Event::DeskWork, who, body);
        let change = Change { desk_updates: vec![item.clone()], evidence: vec![news], ..Change::default() };
        match self.committer.commit(change).await {
            Ok(()) => {
                item.version += 1;
                Ok(item)
            }
            Err(CommitError::Store(StoreError::Conflict(_))) => {
                let item = self.handled_item(access, tenant, id).await?;
                Err(self.changed(item).await?)
            }
            Err(error) => Err(DeskError::View(error.into())),
        }
    }

    /// May `who` work on this item too?
    async fn must_handle(&self, who: PrincipalId, item: &DeskItem, now: Timestamp) -> Result<(), DeskError> {
        let mut tx = self.db.read(Scope::System).await?;
        let rights = access::access(&mut tx, who, now).await?;
        let active = access::by_id(&mut tx, who).await?.is_some_and(|row| row.active);
        tx.rollback().await?;
        match self.authorise(&rights, item.tenant, item.message).await {
            Ok(allowed) if active && allowed.handles => Ok(()),
            Ok(_) | Err(ViewError::NotFound) => Err(DeskError::NotTheirs),
            Err(error) => Err(error.into()),
        }
    }

    /// People who may work on a desk's mail of `tenant`, by name: to whom an item can be handed over.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn colleagues(&self, tenant: TenantId, id: DeskId) -> Result<Vec<Colleague>, StoreError> {
        let now = self.clock.now();
        let mut tx = self.db.read(Scope::System).await?;
        let people = access::people_of(&mut tx, tenant, now).await?;
        let handles = |access: &Access| access.may_handle(tenant, &[], &[id]);
        Ok(people
            .into_iter()
            .filter(|(_, access)| handles(access))
            .map(|(name, access)| Colleague { id: access.principal, name })
            .collect())
    }

    /// Writes a note of one's own house on a message.
    ///
    /// # Errors
    /// [`DeskError::NoNote`]; as for reading and handling.
    pub async fn add_note(
        &self,
        access: &Access,
        tenant: TenantId,
        message: MessageId,
        text: &str,
    ) -> Result<(), DeskError> {
        let text = text.trim();
        if text.is_empty() || text.len() > NOTE_CAP {
            return Err(DeskError::NoNote);
        }
        let allowed = self.authorise(access, tenant, message).await?;
        if !allowed.handles {
            return Err(ViewError::ReadOnly.into());
        }
        let note = Note {
            id: NoteId::new(self.ids()),
            by: access.principal,
            text: text.to_owned(),
            created_at: self.clock.now(),
        };
        let digest = poststelle_crypto::digest::hex(&poststelle_crypto::digest::sha256(text.as_bytes()));
        let body = json!({ "note": note.id.to_string(), "sha256": digest });
        let who = Who::Principal { id: access.principal };
        let news = NewEvidence::new(tenant, Subject::message(message), Event::Noted, who, body);
        let change =
            Change { notes: vec![(tenant, message, note)], evidence: vec![news], ..Change::default() };
        self.committer.commit(change).await.map_err(|e| DeskError::View(e.into()))
    }
}

/// Is there something of `who`'s own to take back?
#[must_use]
pub fn can_undo(item: &DeskItem, who: PrincipalId) -> bool {
    item.before.is_some() && item.changed_by == Some(who)
}
