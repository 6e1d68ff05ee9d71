// SPDX-License-Identifier: EUPL-1.2
//! Quarantine: what people see of held parts and do about them.
//!
//! Guarantees: a release takes two people, the second may be of the Administration or an operator; every act is
//! evidence in the message's own chain, in the same commit, with the reason given. Operators see that something is held
//! and what was found, never the mail.

use poststelle_inspect::sheet::Note;
use poststelle_model::quarantine::{HoldAct, HoldRefusal, after};
use poststelle_model::{Access, HoldState, MessageId, PrincipalId, TenantId, Who};
use poststelle_store::desk::NOTE_CAP;
use poststelle_store::quarantine::{self, Hold};
use poststelle_store::tenants::{self, Tenant};
use poststelle_store::{Scope, StoreError, access, messages};

use super::check_again::decided;
use crate::change::{Change, CommitError};
use crate::hub::Hub;
use crate::view::ViewError;

/// Held parts shown at once.
const PAGE: i64 = 200;

/// A held part on the overview.
#[derive(Debug, Clone)]
pub struct HeldLine {
    /// How it stands.
    pub hold: Hold,
    /// What was found.
    pub note: Note,
    /// Name of the part; empty for who may not read the message.
    pub name: String,
    /// Subject of the message; empty for who may not read it.
    pub subject: String,
    /// Name of who wants it released; empty = nobody.
    pub proposed_by: String,
    /// May who looks read the message?
    pub reads: bool,
    /// May who looks propose, decline, close?
    pub handles: bool,
    /// May who looks be the second person?
    pub agrees: bool,
}

/// What a person wants with a held part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldWish {
    /// Release it.
    Propose,
    /// Agree to the release.
    Agree,
    /// Not release it.
    Decline,
    /// Close it for good.
    Close,
}

impl HoldWish {
    /// The word in evidence and addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Agree => "agree",
            Self::Decline => "decline",
            Self::Close => "close",
        }
    }

    /// Reads it.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Propose, Self::Agree, Self::Decline, Self::Close].into_iter().find(|w| w.as_str() == word)
    }
}

/// Why an act was refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Not for these eyes or hands, or the store.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The same person cannot be the second one.
    #[error("the second person must be another one")]
    SamePerson,
    /// Somebody was faster.
    #[error("changed meanwhile")]
    Late(HoldState),
    /// A reason is needed.
    #[error("no reason given, or a longer one than {NOTE_CAP} octets")]
    NoWords,
}

impl From<StoreError> for HoldError {
    fn from(error: StoreError) -> Self {
        Self::View(error.into())
    }
}

impl Hub {
    /// Tenants whose quarantine `access` may look at, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn quarantine_tenants(&self, access: &Access) -> Result<Vec<Tenant>, StoreError> {
        let mut tx = self.db.read(Scope::System).await?;
        if access.is_operator() {
            return tenants::all(&mut tx).await;
        }
        let mut ids = access.reading_tenants();
        ids.extend(access.administered_tenants());
        ids.sort_unstable();
        ids.dedup();
        tenants::of_ids(&mut tx, &ids).await
    }

    /// What is held in a tenant and waits, newest first, as far as `access` may know.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the tenant is not for these eyes at all.
    pub async fn quarantine(
        &self,
        access: &Access,
        tenant: TenantId,
        before: Option<MessageId>,
    ) -> Result<Vec<HeldLine>, ViewError> {
        let oversees = oversees(access, tenant);
        if !oversees && !access.reading_tenants().contains(&tenant) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let holds = quarantine::open(&mut tx, tenant, before, PAGE).await?;
        tx.rollback().await?;
        let mut lines = Vec::with_capacity(holds.len());
        for hold in holds {
            if let Some(line) = self.held_line(access, hold, oversees).await? {
                lines.push(line);
            }
        }
        Ok(lines)
    }

    async fn held_line(
        &self,
        access: &Access,
        hold: Hold,
        oversees: bool,
    ) -> Result<Option<HeldLine>, ViewError> {
        let (reads, handles) = match self.authorise(access, hold.tenant, hold.message).await {
            Ok(allowed) => (true, allowed.handles),
            Err(ViewError::NotFound) if oversees => (false, false),
            Err(ViewError::NotFound) => return Ok(None),
            Err(other) => return Err(other),
        };
        let mut tx = self.db.read(Scope::Tenant(hold.tenant)).await?;
        let (mut name, mut subject) = (String::new(), String::new());
        if reads {
            let found = messages::parts(&mut tx, hold.tenant, hold.message, hold.part, 1).await?;
            name = found.into_iter().next().map(|p| p.name).unwrap_or_default();
            let known = messages::inspection(&mut tx, hold.tenant, hold.message).await?;
            subject = known.map(|i| i.subject).unwrap_or_default();
        }
        let people: Vec<PrincipalId> = hold.proposed_by.into_iter().collect();
        let names = access::names(&mut tx, &people).await?;
        Ok(Some(HeldLine {
            note: serde_json::from_str(&hold.note).unwrap_or_default(),
            proposed_by: hold.proposed_by.and_then(|p| names.get(&p).cloned()).unwrap_or_default(),
            agrees: hold.state == HoldState::Proposed
                && hold.proposed_by != Some(access.principal)
                && (handles || oversees),
            name,
            subject,
            reads,
            handles,
            hold,
        }))
    }

    /// How a part of a message is held, for who may know; `None` = it never was.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the message is not for these eyes.
    pub async fn held_part(
        &self,
        access: &Access,
        tenant: TenantId,
        message: MessageId,
        part: i64,
    ) -> Result<Option<HeldLine>, ViewError> {
        let oversees = oversees(access, tenant);
        if !oversees {
            self.authorise(access, tenant, message).await?;
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let holds = quarantine::of_message(&mut tx, tenant, message).await?;
        tx.rollback().await?;
        match holds.into_iter().find(|h| h.part == part) {
            Some(hold) => self.held_line(access, hold, oversees).await,
            None => Ok(None),
        }
    }

    /// Does what a person wants with a held part, if it still stands as in `version`. Proposing and closing need words.
    ///
    /// # Errors
    /// [`HoldError`]; nothing was changed then.
    pub async fn hold_act(
        &self,
        access: &Access,
        (tenant, message, part): (TenantId, MessageId, i64),
        wish: HoldWish,
        words: &str,
        version: i64,
    ) -> Result<HoldState, HoldError> {
        let line = self.held_part(access, tenant, message, part).await?.ok_or(ViewError::NotFound)?;
        let permitted = match wish {
            HoldWish::Agree => line.handles || oversees(access, tenant),
            HoldWish::Propose | HoldWish::Decline | HoldWish::Close => line.handles,
        };
        if !permitted {
            return Err(HoldError::View(ViewError::ReadOnly));
        }
        let words = words.trim();
        let needs_words = matches!(wish, HoldWish::Propose | HoldWish::Close);
        if words.len() > NOTE_CAP || (needs_words && words.is_empty()) {
            return Err(HoldError::NoWords);
        }
        let hold = line.hold;
        let who = access.principal;
        let act = match wish {
            HoldWish::Propose => HoldAct::Propose(who),
            HoldWish::Agree => HoldAct::Agree(who),
            HoldWish::Decline => HoldAct::Decline,
            HoldWish::Close => HoldAct::Close,
        };
        let state = match after(hold.state, hold.cause, hold.proposed_by, act) {
            _ if hold.version != version => return Err(HoldError::Late(hold.state)),
            Ok(state) => state,
            Err(HoldRefusal::SamePerson) => return Err(HoldError::SamePerson),
            Err(HoldRefusal::Late) => return Err(HoldError::Late(hold.state)),
        };
        let now = self.clock.now();
        let next = Hold {
            state,
            proposed_by: match state {
                HoldState::Proposed => Some(who),
                HoldState::Held => None,
                HoldState::Released | HoldState::Closed => hold.proposed_by,
            },
            words: words.to_owned(),
            decided_by: (!state.is_open()).then_some(who),
            changed_at: now,
            ..hold
        };
        let mut change = Change {
            evidence: vec![decided(&next, &Who::Principal { id: who }, wish.as_str())],
            hold_updates: vec![next.clone()],
            ..Change::default()
        };
        if !state.is_open() {
            let (stored, _) = self.whole_content(tenant, message).await?;
            let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
            let mut all = quarantine::of_message(&mut tx, tenant, message).await?;
            tx.rollback().await?;
            all.iter_mut().filter(|h| h.part == part).for_each(|h| h.clone_from(&next));
            self.complete(&stored, &all, now, &mut change).await?;
        }
        self.commit_hold(change, (tenant, message, part)).await?;
        Ok(state)
    }

    /// Inspects a message once more because a person wants it; gives the version of its sheet.
    ///
    /// # Errors
    /// [`HoldError`]; nothing was changed then.
    pub async fn check_now(
        &self,
        access: &Access,
        tenant: TenantId,
        message: MessageId,
    ) -> Result<i64, HoldError> {
        if !self.authorise(access, tenant, message).await?.handles {
            return Err(HoldError::View(ViewError::ReadOnly));
        }
        let mut change = Change::default();
        let who = Who::Principal { id: access.principal };
        self.look_again(tenant, message, (&who, 1), true, &mut change).await?;
        let version = change.versions.first().map_or(1, |v| v.2);
        self.commit_hold(change, (tenant, message, 0)).await?;
        Ok(version)
    }

    async fn commit_hold(
        &self,
        change: Change,
        (tenant, message, part): (TenantId, MessageId, i64),
    ) -> Result<(), HoldError> {
        match self.committer.commit(change).await {
            Ok(()) => Ok(()),
            Err(CommitError::Store(StoreError::Conflict(_) | StoreError::Exists(_))) => {
                let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
                let holds = quarantine::of_message(&mut tx, tenant, message).await?;
                let state = holds.iter().find(|h| h.part == part).map_or(HoldState::Held, |h| h.state);
                Err(HoldError::Late(state))
            }
            Err(error) => Err(HoldError::View(error.into())),
        }
    }
}

/// Who may be the second person without reading the mail.
fn oversees(access: &Access, tenant: TenantId) -> bool {
    access.is_operator() || access.administered_tenants().contains(&tenant)
}
