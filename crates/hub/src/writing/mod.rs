// SPDX-License-Identifier: EUPL-1.2
//! Writing: a draft is begun, saved, given attachments, and becomes a message.
//!
//! Guarantees: a draft is its author's alone, as long as they may write for its box; an answer leaves as the tenant and
//! from the box its question came to; of two windows one is told what the other did; text and attachments are sealed at
//! rest; that a draft was begun, sent, taken back or thrown away is evidence in the same commit. Single saves are not:
//! what counts is what is sent.

mod begin;
mod blocks;
mod parts;
mod send;

use poststelle_evidence::NewEvidence;
use poststelle_model::{
    Access, DeliveryState, DraftId, DraftState, Event, Fault, MailboxId, MessageId, Reason, Subject,
    TenantId, Who,
};
use poststelle_store::drafts::{self, Draft, DraftPart, DraftWrite, Piece};
use poststelle_store::{Scope, StoreError, messages, tenants};
use serde_json::json;

use crate::accept::AcceptError;
use crate::change::{Change, CommitError};
use crate::hub::Hub;
use crate::view::ViewError;

pub use begin::above_quotation;
pub use blocks::{BLOCK_NAME_CAP, BLOCK_TEXT_CAP, BLOCKS_CAP, Filling, filled};
pub use parts::Upload;
pub use send::{SEND_VERSION, Submitted};

/// Longest text, bytes: what can be sealed in one.
pub const TEXT_CAP: usize = 64 * 1024;
/// Longest line of recipients as typed, bytes.
pub const LINE_CAP: usize = 16 * 1024;
/// Longest subject, bytes.
pub const SUBJECT_CAP: usize = 500;
/// Most recipients, copies included.
pub const RECIPIENTS_CAP: usize = 100;
/// Most attachments.
pub const PARTS_CAP: usize = 100;
/// Drafts of one tenant on a list.
const LIST: i64 = 100;

/// Why something was not done; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Not for these eyes or hands, or the store.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Somebody changed the draft meanwhile, mostly the same person in another window; it stands like this now.
    #[error("changed meanwhile")]
    Changed(Box<Draft>),
    /// It is being sent, or is sent.
    #[error("not now")]
    NotNow(DraftState),
    /// What is wrong, and with what.
    #[error("{0}")]
    Refused(Reason),
    /// It could not be taken in now.
    #[error(transparent)]
    Accept(#[from] AcceptError),
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::View(error.into())
    }
}

pub(crate) fn refused(code: &'static str) -> Reason {
    Reason::new(code, Fault::Sender)
}

/// What a draft is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nothing: it leaves from this box.
    Box(MailboxId),
    /// A message to be answered.
    Reply(MessageId),
    /// A message to be passed on.
    Forward(MessageId),
}

/// What a person types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// Recipients.
    pub recipients: String,
    /// Recipients of copies.
    pub copies: String,
    /// Subject.
    pub subject: String,
    /// Text.
    pub text: String,
}

/// A draft with everything a page shows.
#[derive(Debug, Clone)]
pub struct DraftView {
    /// The draft.
    pub draft: Draft,
    /// Its text.
    pub text: String,
    /// Its attachments.
    pub parts: Vec<DraftPart>,
    /// Name of the tenant.
    pub tenant: String,
    /// Name of the box it leaves from.
    pub mailbox: String,
    /// The address it leaves from; empty = the box has none.
    pub address: String,
    /// Name of its author, when somebody else looks at it to release it.
    pub author: Option<String>,
}

/// A line of a person's list.
#[derive(Debug, Clone)]
pub struct DraftLine {
    /// The draft.
    pub draft: Draft,
    /// Name of the tenant.
    pub tenant: String,
    /// How the deliveries of the message it became stand.
    pub states: Vec<DeliveryState>,
    /// Was that message processed?
    pub processed: bool,
}

/// A box to write from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Whose.
    pub tenant: TenantId,
    /// Name of the tenant.
    pub name: String,
    /// The box.
    pub mailbox: MailboxId,
    /// Its name.
    pub mailbox_name: String,
    /// Its address.
    pub address: String,
}

impl Hub {
    /// The boxes with an address a person may write from, by tenant and name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn senders(&self, access: &Access) -> Result<Vec<Sender>, StoreError> {
        let allowed = access.writing_tenants();
        let mut all = Vec::new();
        for tenant in self.visible_tenants(access).await?.into_iter().filter(|t| allowed.contains(&t.id)) {
            let mut tx = self.db.read(Scope::Tenant(tenant.id)).await?;
            let addresses = tenants::addresses(&mut tx, tenant.id).await?;
            for (mailbox, mailbox_name, active) in tenants::mailboxes(&mut tx, tenant.id).await? {
                let address = addresses.iter().find(|a| a.0 == "mail" && a.2 == mailbox);
                let Some(address) = address.filter(|_| active && access.may_write(tenant.id, mailbox)) else {
                    continue;
                };
                all.push(Sender {
                    tenant: tenant.id,
                    name: tenant.name.clone(),
                    mailbox,
                    mailbox_name,
                    address: address.1.clone(),
                });
            }
        }
        Ok(all)
    }

    async fn seal(&self, draft: &Draft, text: &str) -> Result<String, StoreError> {
        if text.is_empty() {
            return Ok(String::new());
        }
        let key = self.keys.tenant(&self.db, draft.tenant).await?;
        Ok(key.seal_secret(&format!("draft:{}", draft.id), text.as_bytes())?)
    }

    async fn unseal(&self, draft: &Draft) -> Result<String, StoreError> {
        if draft.body.is_empty() {
            return Ok(String::new());
        }
        let key = self.keys.tenant(&self.db, draft.tenant).await?;
        let text = key.open_secret(&format!("draft:{}", draft.id), &draft.body)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// A draft for its author, as long as they may write for its box.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not there or not theirs.
    pub async fn own_draft(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
    ) -> Result<Draft, ViewError> {
        let draft = self.seen_draft(access, tenant, id).await?;
        if draft.owner == access.principal { Ok(draft) } else { Err(ViewError::NotFound) }
    }

    /// As [`Self::own_draft`], still being written and as in `version`.
    async fn open_draft(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        version: i64,
    ) -> Result<Draft, WriteError> {
        let draft = self.own_draft(access, tenant, id).await?;
        standing(draft, version, |state| state == DraftState::Open)
    }

    /// A draft for its author, or for a second person who may release it.
    async fn seen_draft(&self, access: &Access, tenant: TenantId, id: DraftId) -> Result<Draft, ViewError> {
        if !access.writing_tenants().contains(&tenant) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let draft = drafts::get(&mut tx, tenant, id).await?.ok_or(ViewError::NotFound)?;
        let own = draft.owner == access.principal || draft.state == DraftState::Release;
        if own && access.may_write(tenant, draft.mailbox) { Ok(draft) } else { Err(ViewError::NotFound) }
    }

    /// A draft with its text and attachments, for its author or a second person who may release it.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not there or not for these eyes.
    pub async fn draft_view(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
    ) -> Result<DraftView, ViewError> {
        let draft = self.seen_draft(access, tenant, id).await?;
        let author = if draft.owner == access.principal {
            None
        } else {
            let names = self.names([draft.owner]).await?;
            Some(names.get(&draft.owner).cloned().unwrap_or_else(|| "ein Konto".to_owned()))
        };
        let text = self.unseal(&draft).await?;
        let name = self.tenant(tenant).await?.name.clone();
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let parts = drafts::parts(&mut tx, tenant, id).await?;
        let boxes = tenants::mailboxes(&mut tx, tenant).await?;
        let mailbox = boxes.into_iter().find(|b| b.0 == draft.mailbox).map(|b| b.1).unwrap_or_default();
        tx.rollback().await?;
        let address = self.sender_address(&draft).await?.unwrap_or_default();
        Ok(DraftView { draft, text, parts, tenant: name, mailbox, address, author })
    }

    /// What a person writes and wrote last and what waits for them to release it, changed last first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn drafts_of(&self, access: &Access) -> Result<Vec<DraftLine>, StoreError> {
        let allowed = access.writing_tenants();
        let mut lines = Vec::new();
        for tenant in self.visible_tenants(access).await?.into_iter().filter(|t| allowed.contains(&t.id)) {
            let mut tx = self.db.read(Scope::Tenant(tenant.id)).await?;
            let mut found = drafts::of(&mut tx, tenant.id, access.principal, LIST).await?;
            let waiting = drafts::to_release(&mut tx, tenant.id, LIST).await?;
            found.extend(waiting.into_iter().filter(|d| d.owner != access.principal));
            found.retain(|d| access.may_write(tenant.id, d.mailbox));
            let sent: Vec<MessageId> = found.iter().filter_map(|d| d.message).collect();
            let mut states = if sent.is_empty() {
                Default::default()
            } else {
                messages::states(&mut tx, tenant.id, &sent).await?
            };
            for draft in found {
                let states = draft.message.and_then(|m| states.remove(&m)).unwrap_or_default();
                let processed = !states.is_empty();
                lines.push(DraftLine { draft, tenant: tenant.name.clone(), states, processed });
            }
        }
        lines.sort_by_key(|l| std::cmp::Reverse((l.draft.changed_at, l.draft.id)));
        Ok(lines)
    }

    /// Saves what was typed, if the draft still stands as in `version`. Typing the same again changes nothing.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn save_draft(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        version: i64,
        typed: &Typed,
    ) -> Result<Draft, WriteError> {
        let draft = self.open_draft(access, tenant, id, version).await?;
        let typed = cleaned(typed)?;
        let same = draft.recipients == typed.recipients
            && draft.copies == typed.copies
            && draft.subject == typed.subject
            && self.unseal(&draft).await? == typed.text;
        if same {
            return Ok(draft);
        }
        let body = self.seal(&draft, &typed.text).await?;
        let Typed { recipients, copies, subject, .. } = typed;
        let changed_at = self.clock.now();
        let changed = Draft { recipients, copies, subject, body, changed_at, reason: None, ..draft };
        self.update(changed, Vec::new()).await
    }

    /// Throws a draft away, if it still stands as in `version`.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn delete_draft(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        version: i64,
    ) -> Result<(), WriteError> {
        let draft = self.open_draft(access, tenant, id, version).await?;
        let pieces = self.pieces_of(&draft).await?;
        let change = Change {
            drafts: vec![DraftWrite::Clear(tenant, id), DraftWrite::Delete(tenant, id, version)],
            evidence: vec![about(&draft, Event::Ended, json!({}))],
            ..Change::default()
        };
        self.write(change, &draft).await?;
        self.forget(tenant, &pieces).await;
        Ok(())
    }

    /// Writes a draft as it stands now, with what goes along.
    async fn update(&self, draft: Draft, evidence: Vec<NewEvidence>) -> Result<Draft, WriteError> {
        let change =
            Change { drafts: vec![DraftWrite::Update(draft.clone())], evidence, ..Change::default() };
        self.write(change, &draft).await?;
        Ok(Draft { version: draft.version + 1, ..draft })
    }

    /// Commits; [`WriteError::Changed`] when somebody was faster.
    async fn write(&self, change: Change, draft: &Draft) -> Result<(), WriteError> {
        match self.committer.commit(change).await {
            Ok(()) => Ok(()),
            Err(CommitError::Store(StoreError::Conflict(_) | StoreError::NotFound(_))) => {
                let mut tx = self.db.read(Scope::Tenant(draft.tenant)).await?;
                let now = drafts::get(&mut tx, draft.tenant, draft.id).await?;
                Err(now.map_or(WriteError::View(ViewError::NotFound), |d| WriteError::Changed(Box::new(d))))
            }
            Err(error) => Err(ViewError::from(error).into()),
        }
    }

    /// Removes blobs nothing names any more; what stays is swept later.
    async fn forget(&self, tenant: TenantId, pieces: &[Piece]) {
        for piece in pieces {
            let _ = self.blobs.delete(&Piece::name(tenant, piece.id)).await;
        }
    }
}

/// The draft, if it stands as in `version` and in a state that fits.
fn standing(draft: Draft, version: i64, fits: impl Fn(DraftState) -> bool) -> Result<Draft, WriteError> {
    if !fits(draft.state) {
        return Err(WriteError::NotNow(draft.state));
    }
    if draft.version == version { Ok(draft) } else { Err(WriteError::Changed(Box::new(draft))) }
}

/// Evidence of what the author did with a draft.
fn about(draft: &Draft, event: Event, body: serde_json::Value) -> NewEvidence {
    let who = Who::Principal { id: draft.owner };
    NewEvidence::new(draft.tenant, Subject::draft(draft.id), event, who, body)
}

/// What was typed, in the form in which it is kept.
fn cleaned(typed: &Typed) -> Result<Typed, WriteError> {
    let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
    let one_line = |text: &str| {
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
    };
    let typed = Typed {
        recipients: lines(&typed.recipients).trim().to_owned(),
        copies: lines(&typed.copies).trim().to_owned(),
        subject: one_line(&typed.subject),
        text: lines(&typed.text).chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect(),
    };
    let too_long = |code, cap: usize| Err(WriteError::Refused(refused(code).with("cap", cap)));
    if typed.recipients.len() > LINE_CAP || typed.copies.len() > LINE_CAP {
        return too_long("PST-DRAFT-0014", LINE_CAP);
    }
    if typed.subject.len() > SUBJECT_CAP {
        return too_long("PST-DRAFT-0015", SUBJECT_CAP);
    }
    if typed.text.len() > TEXT_CAP {
        return too_long("PST-DRAFT-0006", TEXT_CAP);
    }
    Ok(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_is_cleaned_and_capped() {
        let typed = |text: &str, subject: &str| Typed {
            text: text.to_owned(),
            subject: subject.to_owned(),
            ..Typed::default()
        };
        let clean = cleaned(&typed("a\r\nb\u{0}\u{7}\tc", "x\r\nBcc: y")).unwrap();
        assert_eq!((clean.text.as_str(), clean.subject.as_str()), ("a\nb\tc", "x  Bcc: y"));
        assert!(cleaned(&typed(&"x".repeat(TEXT_CAP), "")).is_ok());
        for bad in [typed(&"x".repeat(TEXT_CAP + 1), ""), typed("", &"x".repeat(SUBJECT_CAP + 1))] {
            assert!(matches!(cleaned(&bad), Err(WriteError::Refused(_))));
        }
    }
}
