// SPDX-License-Identifier: EUPL-1.2
//! Attachments of a draft: added whole or piece by piece, taken away, copied from a message that is passed on.
//!
//! Guarantees: octets go sealed into the blob store as they come, never through SQL; an upload goes on where it
//! stopped, on any node; number and size of attachments are capped before they are taken.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use poststelle_crypto::keys::BlobKey;
use poststelle_model::{Access, BlobId, DraftId, DraftPartId, DraftState, Part, TenantId};
use poststelle_store::blob::{BlobReader, BlobWriter};
use poststelle_store::drafts::{self, Draft, DraftPart, DraftWrite, Piece};
use poststelle_store::{Scope, StoreError};

use super::{PARTS_CAP, WriteError, refused};
use crate::change::{Change, CommitError};
use crate::channel::ChannelError;
use crate::content::{Content, StoredContent, store_error};
use crate::hub::Hub;
use crate::view::ViewError;

/// A file to be attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its name as the person's computer calls it.
    pub name: String,
    /// Its media type as the browser calls it.
    pub media_type: String,
}

/// Octets as they come.
type Octets<'a> = BoxStream<'a, Result<bytes::Bytes, ChannelError>>;

/// Tries of a change that does not depend on what was typed meanwhile.
const TRIES: usize = 5;

impl Hub {
    /// Most octets of all attachments of one draft together: encoded they must fit into a message.
    #[must_use]
    pub const fn attachments_cap(&self) -> u64 {
        self.limits.message_bytes / 10 * 7
    }

    /// Attaches a file of which all octets are at hand; gives the draft as it is then.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn attach(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        upload: &Upload,
        octets: Octets<'_>,
    ) -> Result<Draft, WriteError> {
        let (draft, room) = self.room(access, tenant, id).await?;
        let (piece, size) = self.store_piece(&draft, 0, room, octets).await?;
        let part = self.new_part(upload, size);
        let changed =
            self.change_parts(access, tenant, id, |draft| attached(draft, &part, Some(&piece))).await;
        if changed.is_err() {
            self.forget(tenant, &[piece]).await;
        }
        changed
    }

    /// Announces a file that comes piece by piece.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn announce(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        upload: &Upload,
        size: u64,
    ) -> Result<(Draft, DraftPartId), WriteError> {
        let (_, room) = self.room(access, tenant, id).await?;
        if size > room {
            return Err(self.too_large());
        }
        let part = self.new_part(upload, i64::try_from(size).unwrap_or(i64::MAX));
        let draft = self.change_parts(access, tenant, id, |draft| attached(draft, &part, None)).await?;
        Ok((draft, part.id))
    }

    /// How much of an attachment is here.
    ///
    /// # Errors
    /// [`ViewError::NotFound`].
    pub async fn attachment(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        part: DraftPartId,
    ) -> Result<DraftPart, ViewError> {
        let draft = self.own_draft(access, tenant, id).await?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let parts = drafts::parts(&mut tx, tenant, draft.id).await?;
        parts.into_iter().find(|p| p.id == part).ok_or(ViewError::NotFound)
    }

    /// An attachment with its octets, for those who see the draft.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not there, not whole or not for these eyes.
    pub async fn attachment_octets(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        part: DraftPartId,
    ) -> Result<(DraftPart, Octets<'static>), ViewError> {
        self.seen_draft(access, tenant, id).await?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let parts = drafts::parts(&mut tx, tenant, id).await?;
        let whole = |p: &DraftPart| p.id == part && p.stored == p.size;
        let found = parts.into_iter().find(whole).ok_or(ViewError::NotFound)?;
        let pieces = drafts::pieces(&mut tx, tenant, part).await?;
        tx.rollback().await?;
        let tenant_key = self.keys.tenant(&self.db, tenant).await?;
        let mut all: VecDeque<(String, BlobKey, u64)> = VecDeque::new();
        for piece in pieces {
            let length = u64::try_from(piece.size).unwrap_or(0);
            all.push_back((Piece::name(tenant, piece.id), piece.key(&tenant_key, tenant)?, length));
        }
        let store = Arc::clone(&self.blobs);
        let octets = stream::try_unfold((all, None::<(BlobReader, u64)>), move |(mut left, mut open)| {
            let store = Arc::clone(&store);
            async move {
                loop {
                    if let Some((mut reader, at)) = open.take() {
                        let octets = reader.at(at).await?;
                        if !octets.is_empty() {
                            let next = at + octets.len() as u64;
                            return Ok::<_, StoreError>(Some((octets, (left, Some((reader, next))))));
                        }
                    }
                    let Some((name, key, length)) = left.pop_front() else { return Ok(None) };
                    open = Some((BlobReader::open(Arc::clone(&store), name, &key, length).await?, 0));
                }
            }
        });
        Ok((found, octets.map_err(|e| store_error(&e)).boxed()))
    }

    /// Adds the octets from `offset` on; gives how much is here then.
    ///
    /// # Errors
    /// [`WriteError::Refused`] when `offset` is not where it goes on, or more comes than was announced.
    pub async fn append(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        part: DraftPartId,
        offset: u64,
        octets: Octets<'_>,
    ) -> Result<DraftPart, WriteError> {
        let found = self.attachment(access, tenant, id, part).await?;
        let stored = u64::try_from(found.stored).unwrap_or(0);
        let elsewhere = || WriteError::Refused(refused("PST-DRAFT-0012").with("offset", stored));
        if stored != offset {
            return Err(elsewhere());
        }
        let draft = self.writable(access, tenant, id).await?;
        let left = u64::try_from(found.size - found.stored).unwrap_or(0);
        let (piece, size) = self.store_piece(&draft, found.stored, left, octets).await?;
        if size == 0 {
            self.forget(tenant, &[piece]).await;
            return Ok(found);
        }
        let write = DraftWrite::Append(tenant, part, piece.clone());
        let change = Change { drafts: vec![write], ..Change::default() };
        match self.committer.commit(change).await {
            Ok(()) => Ok(DraftPart { stored: found.stored + size, ..found }),
            Err(error) => {
                if !matches!(error, CommitError::Unsure(_)) {
                    self.forget(tenant, &[piece]).await;
                }
                match error {
                    // Another upload of the same file was faster.
                    CommitError::Store(StoreError::Exists(_)) => Err(elsewhere()),
                    CommitError::Store(StoreError::NotFound(_)) => Err(ViewError::NotFound.into()),
                    error => Err(ViewError::from(error).into()),
                }
            }
        }
    }

    /// Takes an attachment away; gives the draft as it is then.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn detach(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        part: DraftPartId,
    ) -> Result<Draft, WriteError> {
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let pieces = drafts::pieces(&mut tx, tenant, part).await?;
        tx.rollback().await?;
        self.attachment(access, tenant, id, part).await?;
        let changed = self
            .change_parts(access, tenant, id, |draft| vec![DraftWrite::Detach(tenant, draft.id, part)])
            .await?;
        self.forget(tenant, &pieces).await;
        Ok(changed)
    }

    /// A draft being written, in whatever version.
    async fn writable(&self, access: &Access, tenant: TenantId, id: DraftId) -> Result<Draft, WriteError> {
        let draft = self.own_draft(access, tenant, id).await?;
        if draft.state == DraftState::Open { Ok(draft) } else { Err(WriteError::NotNow(draft.state)) }
    }

    /// A draft being written, and how many octets may still be attached.
    async fn room(&self, access: &Access, tenant: TenantId, id: DraftId) -> Result<(Draft, u64), WriteError> {
        let draft = self.writable(access, tenant, id).await?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let parts = drafts::parts(&mut tx, tenant, id).await?;
        if parts.len() >= PARTS_CAP {
            return Err(WriteError::Refused(refused("PST-DRAFT-0007").with("cap", PARTS_CAP)));
        }
        let used = parts.iter().map(|p| u64::try_from(p.size).unwrap_or(0)).sum::<u64>();
        Ok((draft, self.attachments_cap().saturating_sub(used)))
    }

    fn too_large(&self) -> WriteError {
        WriteError::Refused(refused("PST-DRAFT-0008").with("cap", self.attachments_cap() / 1_000_000))
    }

    fn new_part(&self, upload: &Upload, size: i64) -> DraftPart {
        let media_type = upload.media_type.trim().to_ascii_lowercase();
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+/".contains(&b);
        let known = media_type.len() <= 127 && media_type.bytes().all(token) && media_type.contains('/');
        let media_type = if known { media_type } else { "application/octet-stream".to_owned() };
        DraftPart {
            id: DraftPartId::new(self.ids()),
            name: self.letters.file_name(&upload.name, &media_type),
            media_type,
            size,
            created_at: self.clock.now(),
            stored: 0,
        }
    }

    /// Seals and stores octets as one piece, at most `cap`.
    async fn store_piece(
        &self,
        draft: &Draft,
        start: i64,
        cap: u64,
        mut octets: Octets<'_>,
    ) -> Result<(Piece, i64), WriteError> {
        let tenant = draft.tenant;
        let tenant_key = self.keys.tenant(&self.db, tenant).await?;
        let id = BlobId::new(self.ids());
        let (key, wrapped) = self.keys.create_message(&tenant_key, tenant, Piece::owner(id))?;
        let key = key.derive_blob_key(id.uuid().as_bytes()).map_err(StoreError::from)?;
        let name = Piece::name(tenant, id);
        let mut writer = BlobWriter::create(&self.blobs, &name, &key).await.map_err(|e| self.noticed(e))?;
        loop {
            let failed = match octets.next().await {
                None => break,
                Some(Err(error)) => WriteError::Refused(error.reason),
                Some(Ok(piece)) if writer.len() + piece.len() as u64 > cap => self.too_large(),
                Some(Ok(piece)) => match writer.push(&piece).await {
                    Ok(()) => continue,
                    Err(error) => self.noticed(error).into(),
                },
            };
            writer.abort().await;
            return Err(failed);
        }
        let (length, digests) = writer.finish().await.map_err(|e| self.noticed(e))?;
        let size = i64::try_from(length).unwrap_or(i64::MAX);
        Ok((Piece { id, start, size, sha256: digests.sha256_hex(), wrapped }, size))
    }

    /// Changes the attachments of a draft whatever was typed meanwhile: its version grows, so that nobody sends it
    /// without having seen them.
    async fn change_parts(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        writes: impl Fn(&Draft) -> Vec<DraftWrite>,
    ) -> Result<Draft, WriteError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let draft = self.writable(access, tenant, id).await?;
            let changed = Draft { changed_at: self.clock.now(), ..draft };
            let mut all = writes(&changed);
            all.insert(0, DraftWrite::Update(changed.clone()));
            match self.write(Change { drafts: all, ..Change::default() }, &changed).await {
                Ok(()) => return Ok(Draft { version: changed.version + 1, ..changed }),
                Err(WriteError::Changed(_)) if tries < TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Copies the attachments of a message into a draft that passes it on; gives what is to be committed.
    pub(super) async fn copy_parts(
        &self,
        draft: &Draft,
        content: &StoredContent,
    ) -> Result<Vec<DraftWrite>, WriteError> {
        let failed = |e: ChannelError| WriteError::Refused(e.reason);
        let parts = content.parts(0).await.map_err(failed)?;
        let enclosed = |p: &&Part| p.n > 0 && !p.leaf && p.declared.starts_with("message/");
        let mails: Vec<String> = parts.iter().filter(enclosed).map(|p| format!("{}.", p.path)).collect();
        // What lies in an enclosed mail comes with it.
        let inside = |p: &Part| mails.iter().any(|m| p.path.starts_with(m));
        let files: Vec<&Part> =
            parts.iter().filter(|p| (p.is_attachment() || enclosed(p)) && !inside(p)).collect();
        if files.len() > PARTS_CAP {
            return Err(WriteError::Refused(refused("PST-DRAFT-0007").with("cap", PARTS_CAP)));
        }
        let mut writes = Vec::new();
        let mut room = self.attachments_cap();
        for part in files {
            let octets = content.part(part).await.map_err(failed)?;
            let (piece, size) = self.store_piece(draft, 0, room, octets).await?;
            room = room.saturating_sub(u64::try_from(size).unwrap_or(0));
            let upload = Upload { name: part.name.clone(), media_type: part.declared.clone() };
            let new = self.new_part(&upload, size);
            writes.extend(attached(draft, &new, Some(&piece)));
        }
        Ok(writes)
    }

    /// All pieces of all attachments of a draft.
    pub(super) async fn pieces_of(&self, draft: &Draft) -> Result<Vec<Piece>, StoreError> {
        let mut tx = self.db.read(Scope::Tenant(draft.tenant)).await?;
        let mut all = Vec::new();
        for part in drafts::parts(&mut tx, draft.tenant, draft.id).await? {
            all.extend(drafts::pieces(&mut tx, draft.tenant, part.id).await?);
        }
        Ok(all)
    }
}

/// A new attachment with its octets, if they are here.
fn attached(draft: &Draft, part: &DraftPart, piece: Option<&Piece>) -> Vec<DraftWrite> {
    let mut writes = vec![DraftWrite::Attach(draft.tenant, draft.id, part.clone())];
    // An empty file has no piece.
    let filled = piece.filter(|p| p.size > 0);
    writes.extend(filled.map(|p| DraftWrite::Append(draft.tenant, part.id, p.clone())));
    writes
}
