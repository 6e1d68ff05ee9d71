// SPDX-License-Identifier: EUPL-1.2
//! Drafts, their attachments and the pieces these are stored in.
//!
//! Guarantees: a draft changes only by compare-and-swap on its version, so that two windows never overwrite each other
//! silently; pieces of an attachment follow each other without gap or overlap. The text passes here sealed only.

use poststelle_crypto::keys::BlobKey;
use poststelle_model::{
    BlobId, DeskId, DraftId, DraftKind, DraftPartId, DraftState, MailboxId, MessageId, PrincipalId, Reason,
    TenantId, Timestamp,
};
use sqlx::any::AnyRow;

use crate::blob;
use crate::bulk::args;
use crate::db::{StoreError, Tx, int, parse, parse_opt, text};
use crate::keys::Keys;
use crate::sql;

/// What is not yet a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Whose mail it will be.
    pub tenant: TenantId,
    /// Its id.
    pub id: DraftId,
    /// Who writes it.
    pub owner: PrincipalId,
    /// The box it leaves from.
    pub mailbox: MailboxId,
    /// What it is made from.
    pub kind: DraftKind,
    /// The message it answers or passes on.
    pub answers: Option<MessageId>,
    /// Message-IDs of the thread it goes on, oldest first.
    pub thread: Vec<String>,
    /// Recipients as typed.
    pub recipients: String,
    /// Recipients of copies as typed.
    pub copies: String,
    /// Subject.
    pub subject: String,
    /// The text, sealed by the tenant's key; empty = none.
    pub body: String,
    /// Where it stands.
    pub state: DraftState,
    /// Why it could not be sent, if that was tried.
    pub reason: Option<Reason>,
    /// When it is to be sent; 0 = not decided.
    pub send_at: Timestamp,
    /// The desk it was written from.
    pub desk: Option<DeskId>,
    /// The message it became.
    pub message: Option<MessageId>,
    /// The second person who released it, where one must.
    pub released_by: Option<PrincipalId>,
    /// Begun.
    pub created_at: Timestamp,
    /// Changed last.
    pub changed_at: Timestamp,
    /// Grows with each change.
    pub version: i64,
}

/// An attachment of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftPart {
    /// Its id.
    pub id: DraftPartId,
    /// Its safe name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its whole length, bytes.
    pub size: i64,
    /// Added when.
    pub created_at: Timestamp,
    /// How much of it is here, bytes.
    pub stored: i64,
}

/// Some octets of an attachment: a blob of its own, under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its blob.
    pub id: BlobId,
    /// Where it begins in the attachment, bytes.
    pub start: i64,
    /// Its length, bytes.
    pub size: i64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// Its key, wrapped by the tenant's.
    pub wrapped: String,
}

impl Piece {
    /// What stands in for the message in the name of a piece's blob and in its key.
    #[must_use]
    pub const fn owner(id: BlobId) -> MessageId {
        MessageId::from_uuid(id.uuid())
    }

    /// The name of its blob.
    #[must_use]
    pub fn name(tenant: TenantId, id: BlobId) -> String {
        blob::name(tenant, Self::owner(id), id)
    }

    /// The key of its blob.
    ///
    /// # Errors
    /// When the wrapped key was changed or belongs elsewhere.
    pub fn key(
        &self,
        tenant_key: &poststelle_crypto::keys::TenantKey,
        tenant: TenantId,
    ) -> Result<BlobKey, StoreError> {
        Keys::blob_key(tenant_key, tenant, Self::owner(self.id), &self.wrapped, self.id)
    }
}

/// One change of a draft, as part of a larger commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftWrite {
    /// A new one.
    Insert(Draft),
    /// As it stands now; `version` is the version read.
    Update(Draft),
    /// A new attachment.
    Attach(TenantId, DraftId, DraftPart),
    /// More octets of an attachment.
    Append(TenantId, DraftPartId, Piece),
    /// An attachment goes.
    Detach(TenantId, DraftId, DraftPartId),
    /// All attachments go: it is a message now.
    Clear(TenantId, DraftId),
    /// It goes itself, as read in this version.
    Delete(TenantId, DraftId, i64),
}

impl DraftWrite {
    /// Whose rows it touches.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        match self {
            Self::Insert(d) | Self::Update(d) => d.tenant,
            Self::Attach(t, ..)
            | Self::Append(t, ..)
            | Self::Detach(t, ..)
            | Self::Clear(t, _)
            | Self::Delete(t, ..) => *t,
        }
    }
}

fn conflict(id: DraftId) -> StoreError {
    StoreError::Conflict(format!("draft {id}"))
}

/// Writes one change.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody changed the draft since it was read; [`StoreError::Exists`] when these octets
/// are there already.
pub async fn apply(tx: &mut Tx, write: &DraftWrite) -> Result<(), StoreError> {
    tx.allow(write.tenant())?;
    match write {
        DraftWrite::Insert(d) => {
            tx.run(sql::DRAFT_INSERT, row(d)).await?;
        }
        DraftWrite::Update(d) => {
            let args = args![
                d.recipients.as_str(),
                d.copies.as_str(),
                d.subject.as_str(),
                d.body.as_str(),
                d.state.as_str(),
                reason(d),
                d.send_at,
                d.message,
                d.released_by,
                d.changed_at,
                d.tenant,
                d.id,
                d.version
            ];
            if tx.run(sql::DRAFT_UPDATE, args).await? != 1 {
                return Err(conflict(d.id));
            }
        }
        DraftWrite::Attach(tenant, draft, p) => {
            let args =
                args![*tenant, p.id, *draft, p.name.as_str(), p.media_type.as_str(), p.size, p.created_at];
            tx.run(sql::DRAFT_PART_INSERT, args).await?;
        }
        DraftWrite::Append(tenant, part, p) => {
            if tx.run(sql::DRAFT_PART_HOLD, args![*tenant, *part]).await? != 1 {
                return Err(StoreError::NotFound(format!("attachment {part}")));
            }
            let args = args![*tenant, p.id, *part, p.start, p.size, p.sha256.as_str(), p.wrapped.as_str()];
            match tx.run(sql::DRAFT_PIECE_INSERT, args).await {
                Err(StoreError::Database(e)) => return Err(StoreError::from_insert(e, "piece")),
                other => other?,
            };
        }
        DraftWrite::Detach(tenant, draft, part) => {
            tx.run(sql::DRAFT_PIECES_DELETE, args![*tenant, *part]).await?;
            if tx.run(sql::DRAFT_PART_DELETE, args![*tenant, *part, *draft]).await? != 1 {
                return Err(conflict(*draft));
            }
        }
        DraftWrite::Clear(tenant, draft) => {
            tx.run(sql::DRAFT_PIECES_CLEAR, args![*tenant, *draft]).await?;
            tx.run(sql::DRAFT_PARTS_DELETE, args![*tenant, *draft]).await?;
        }
        DraftWrite::Delete(tenant, draft, version) => {
            if tx.run(sql::DRAFT_DELETE, args![*tenant, *draft, *version]).await? != 1 {
                return Err(conflict(*draft));
            }
        }
    }
    Ok(())
}

fn reason(d: &Draft) -> String {
    d.reason.as_ref().map(Reason::to_json).unwrap_or_default()
}

fn row(d: &Draft) -> Vec<crate::Value> {
    args![
        d.tenant,
        d.id,
        d.owner,
        d.mailbox,
        d.kind.as_str(),
        d.answers,
        d.thread.join(" "),
        d.recipients.as_str(),
        d.copies.as_str(),
        d.subject.as_str(),
        d.body.as_str(),
        d.state.as_str(),
        reason(d),
        d.send_at,
        d.desk,
        d.message,
        d.released_by,
        d.created_at,
        d.changed_at,
        d.version
    ]
}

fn draft(tenant: TenantId, r: &AnyRow) -> Result<Draft, StoreError> {
    let (kind, state) = (text(r, 3)?, text(r, 10)?);
    Ok(Draft {
        tenant,
        id: parse(r, 0, "drafts.id")?,
        owner: parse(r, 1, "drafts.principal_id")?,
        mailbox: parse(r, 2, "drafts.mailbox_id")?,
        kind: DraftKind::parse(&kind).ok_or(StoreError::Corrupt { what: "drafts.kind", value: kind })?,
        answers: parse_opt(r, 4, "drafts.answers")?,
        thread: text(r, 5)?.split_whitespace().map(str::to_owned).collect(),
        recipients: text(r, 6)?,
        copies: text(r, 7)?,
        subject: text(r, 8)?,
        body: text(r, 9)?,
        state: DraftState::parse(&state).ok_or(StoreError::Corrupt { what: "drafts.state", value: state })?,
        reason: serde_json::from_str(&text(r, 11)?).ok(),
        send_at: Timestamp(int(r, 12)?),
        desk: parse_opt(r, 13, "drafts.desk_id")?,
        message: parse_opt(r, 14, "drafts.message_id")?,
        released_by: parse_opt(r, 15, "drafts.released_by")?,
        created_at: Timestamp(int(r, 16)?),
        changed_at: Timestamp(int(r, 17)?),
        version: int(r, 18)?,
    })
}

/// One draft.
///
/// # Errors
/// When the database does not answer.
pub async fn get(tx: &mut Tx, tenant: TenantId, id: DraftId) -> Result<Option<Draft>, StoreError> {
    tx.allow(tenant)?;
    tx.one(sql::DRAFT_GET, args![tenant, id]).await?.map(|r| draft(tenant, &r)).transpose()
}

/// What somebody wrote for a tenant, changed last first; without the texts.
///
/// # Errors
/// When the database does not answer.
pub async fn of(
    tx: &mut Tx,
    tenant: TenantId,
    owner: PrincipalId,
    limit: i64,
) -> Result<Vec<Draft>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::DRAFTS_OF, args![tenant, owner, limit.clamp(1, 500)]).await?;
    rows.iter().map(|r| draft(tenant, r)).collect()
}

/// What waits in a tenant for a second person, changed last first; without the texts.
///
/// # Errors
/// When the database does not answer.
pub async fn to_release(tx: &mut Tx, tenant: TenantId, limit: i64) -> Result<Vec<Draft>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::DRAFTS_TO_RELEASE, args![tenant, limit.clamp(1, 500)]).await?;
    rows.iter().map(|r| draft(tenant, r)).collect()
}

/// The desk a message was written from, if it was.
///
/// # Errors
/// When the database does not answer.
pub async fn desk_of(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
) -> Result<Option<DeskId>, StoreError> {
    tx.allow(tenant)?;
    match tx.one(sql::DRAFT_DESK, args![tenant, message]).await? {
        Some(row) => parse_opt(&row, 0, "drafts.desk_id"),
        None => Ok(None),
    }
}

/// Attachments of a draft, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn parts(tx: &mut Tx, tenant: TenantId, id: DraftId) -> Result<Vec<DraftPart>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::DRAFT_PARTS, args![tenant, id]).await?;
    rows.iter()
        .map(|r| {
            Ok(DraftPart {
                id: parse(r, 0, "draft_parts.id")?,
                name: text(r, 1)?,
                media_type: text(r, 2)?,
                size: int(r, 3)?,
                created_at: Timestamp(int(r, 4)?),
                stored: int(r, 5)?,
            })
        })
        .collect()
}

/// Pieces of an attachment in order.
///
/// # Errors
/// When the database does not answer.
pub async fn pieces(tx: &mut Tx, tenant: TenantId, part: DraftPartId) -> Result<Vec<Piece>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::DRAFT_PIECES, args![tenant, part]).await?;
    rows.iter()
        .map(|r| {
            Ok(Piece {
                id: parse(r, 0, "draft_pieces.id")?,
                start: int(r, 1)?,
                size: int(r, 2)?,
                sha256: text(r, 3)?,
                wrapped: text(r, 4)?,
            })
        })
        .collect()
}

/// Does a draft need this blob?
///
/// # Errors
/// When the database does not answer.
pub async fn has_piece(tx: &mut Tx, tenant: TenantId, id: BlobId) -> Result<bool, StoreError> {
    tx.allow(tenant)?;
    Ok(tx.one(sql::DRAFT_PIECE_EXISTS, args![tenant, id]).await?.is_some())
}
