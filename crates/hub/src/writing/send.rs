// SPDX-License-Identifier: EUPL-1.2
//! A draft becomes a message: the wish is committed first, with a job; then the letter is written and taken in like any
//! message, and the draft is "sent" in the same commit.
//!
//! Guarantees: once, however often and wherever it is tried: the draft's version and its name as foreign id decide. The
//! same wish gives the same octets. A node that dies in between leaves a job that goes on. Nothing typed reaches a
//! header unread; what is wrong is refused before, with its name.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufWriter, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use poststelle_crypto::keys::BlobKey;
use poststelle_evidence::NewEvidence;
use poststelle_model::message::Transport;
use poststelle_model::{
    Access, ChannelKind, Direction, DraftId, DraftKind, DraftState, Event, JobId, MessageId, Subject,
    TenantId, Timestamp, Who,
};
use poststelle_store::blob::{BlobReader, BlobStore};
use poststelle_store::drafts::{self, Draft, DraftWrite, Piece};
use poststelle_store::jobs::{Job, NewJob};
use poststelle_store::{Scope, StoreError, messages, tenants};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::{RECIPIENTS_CAP, WriteError, about, refused, standing};
use crate::accept::{Abandoned, AcceptError, NewIntake};
use crate::change::Change;
use crate::hub::Hub;
use crate::letters::{Correspondent, Enclosure, Letter};
use crate::view::ViewError;

/// Version of the payload of `send` jobs.
pub const SEND_VERSION: i64 = 1;
/// Who asked sends; after this long somebody else does.
const RESCUE: Duration = Duration::from_secs(60);
/// Longest somebody may let a letter wait.
const LONGEST_WAIT: Duration = Duration::from_secs(366 * 24 * 3600);
/// Octets of a letter handed on at once.
const BLOCK: usize = 256 * 1024;

/// What became of the wish to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// It is this message.
    Sent(MessageId),
    /// It will be, by itself.
    Waits,
    /// When a second person has released it.
    Asks,
}

impl Hub {
    /// Sends a draft, now or at `at`, if it still stands as in `version`. Asking again gives the same message again.
    ///
    /// # Errors
    /// [`WriteError`]: nothing was sent then, and nothing will be.
    pub async fn send_draft(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        version: i64,
        at: Option<Timestamp>,
    ) -> Result<Submitted, WriteError> {
        let draft = match self.open_draft(access, tenant, id, version).await {
            Err(WriteError::NotNow(_)) => return self.already(tenant, id).await,
            other => other?,
        };
        let now = self.clock.now();
        if at.is_some_and(|at| at <= now || at > now.plus(LONGEST_WAIT)) {
            return Err(WriteError::Refused(refused("PST-DRAFT-0013")));
        }
        self.check(&draft).await?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let asks = tenants::four_eyes(&mut tx, tenant, draft.mailbox).await?;
        tx.rollback().await?;
        if asks {
            let (state, send_at) = (DraftState::Release, at.unwrap_or_default());
            let asking = Draft { state, send_at, changed_at: now, reason: None, ..draft };
            let news = about(&asking, Event::Changed, json!({ "act": "ask" }));
            self.update(asking, vec![news]).await?;
            return Ok(Submitted::Asks);
        }
        let send_at = at.unwrap_or(now);
        let wish = Draft { state: DraftState::Sending, send_at, changed_at: now, reason: None, ..draft };
        let body = json!({ "act": "send", "at": send_at.rfc3339() });
        let news = about(&wish, Event::Changed, body);
        self.submit_wish(wish, news).await
    }

    /// Commits the wish to send with its job; sends at once what is due.
    async fn submit_wish(&self, wish: Draft, news: NewEvidence) -> Result<Submitted, WriteError> {
        let (tenant, id, now) = (wish.tenant, wish.id, self.clock.now());
        let later = wish.send_at > now;
        let delay = if later { wish.send_at.since(now) } else { RESCUE };
        let change = Change {
            drafts: vec![DraftWrite::Update(wish.clone())],
            evidence: vec![news],
            jobs: vec![self.send_job_for(&wish, delay)],
            ..Change::default()
        };
        self.write(change, &wish).await?;
        if later {
            return Ok(Submitted::Waits);
        }
        match self.dispatch(tenant, id).await {
            Ok(sent) => Ok(sent.map_or(Submitted::Waits, Submitted::Sent)),
            Err(WriteError::Refused(reason)) => Err(WriteError::Refused(reason)),
            Err(error) => {
                // The wish is committed: the job goes on.
                tracing::warn!(%error, draft = %id, "sending goes on later");
                Ok(Submitted::Waits)
            }
        }
    }

    /// Releases what somebody else wrote, or gives it back to them, if it still stands as in `version`.
    ///
    /// # Errors
    /// [`WriteError::Refused`] for one's own; else as [`Self::send_draft`].
    pub async fn release_draft(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        version: i64,
        release: bool,
    ) -> Result<Submitted, WriteError> {
        let draft = self.seen_draft(access, tenant, id).await?;
        if draft.state == DraftState::Release && draft.owner == access.principal {
            return Err(WriteError::Refused(refused("PST-DRAFT-0016")));
        }
        let draft = standing(draft, version, |state| state == DraftState::Release)?;
        let now = self.clock.now();
        let who = Who::Principal { id: access.principal };
        let news =
            |act| NewEvidence::new(tenant, Subject::draft(id), Event::Changed, who, json!({ "act": act }));
        if !release {
            let reason = Some(refused("PST-DRAFT-0017"));
            let back =
                Draft { state: DraftState::Open, reason, send_at: Timestamp(0), changed_at: now, ..draft };
            self.update(back, vec![news("give_back")]).await?;
            return Ok(Submitted::Asks);
        }
        self.check(&draft).await?;
        let released_by = Some(access.principal);
        let send_at = draft.send_at.max(now);
        let wish = Draft { state: DraftState::Sending, send_at, changed_at: now, released_by, ..draft };
        self.submit_wish(wish, news("release")).await
    }

    async fn already(&self, tenant: TenantId, id: DraftId) -> Result<Submitted, WriteError> {
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let draft = drafts::get(&mut tx, tenant, id).await?.ok_or(ViewError::NotFound)?;
        Ok(match (draft.message, draft.state) {
            (Some(message), _) => Submitted::Sent(message),
            (None, DraftState::Release) => Submitted::Asks,
            _ => Submitted::Waits,
        })
    }

    /// Takes back what waits to be sent, if it still stands as in `version`.
    ///
    /// # Errors
    /// [`WriteError`]; [`WriteError::NotNow`] when it is sent already.
    pub async fn withdraw_draft(
        &self,
        access: &Access,
        tenant: TenantId,
        id: DraftId,
        version: i64,
    ) -> Result<Draft, WriteError> {
        let draft = self.own_draft(access, tenant, id).await?;
        let draft = standing(draft, version, |s| matches!(s, DraftState::Sending | DraftState::Release))?;
        let changed_at = self.clock.now();
        let (state, send_at) = (DraftState::Open, Timestamp(0));
        let open = Draft { state, send_at, released_by: None, changed_at, ..draft };
        let news = about(&open, Event::Changed, json!({ "act": "withdraw" }));
        self.update(open, vec![news]).await
    }

    fn send_job_for(&self, draft: &Draft, delay: Duration) -> NewJob {
        NewJob {
            id: JobId::new(self.ids()),
            tenant: draft.tenant,
            lane: "process".to_owned(),
            kind: "send".to_owned(),
            version: SEND_VERSION,
            subject: draft.id.to_string(),
            payload: "{}".to_owned(),
            delay,
            created_at: self.clock.now(),
        }
    }

    /// Works on one claimed `send` job.
    ///
    /// # Errors
    /// When it can be tried again: the job stays.
    pub(crate) async fn send_job(&self, job: &Job) -> Result<Change, AcceptError> {
        let done = Change { fence: Some(job.fence()), ..Change::default() };
        let id: DraftId = job
            .subject
            .parse()
            .map_err(|_| StoreError::Corrupt { what: "jobs.subject", value: job.subject.clone() })?;
        match self.dispatch(job.tenant, id).await {
            // Somebody else did it, or took it back.
            Ok(_) | Err(WriteError::Refused(_) | WriteError::Changed(_) | WriteError::NotNow(_)) => Ok(done),
            Err(WriteError::View(ViewError::NotFound | ViewError::ReadOnly)) => Ok(done),
            Err(WriteError::View(ViewError::Store(error))) => Err(error.into()),
            Err(WriteError::View(ViewError::Commit(error))) => Err(error.into()),
            Err(WriteError::Accept(error)) => Err(error),
        }
    }

    /// Sends a draft whose time has come; `None` when it has not, or the wish was taken back.
    ///
    /// What cannot be sent as it is becomes a draft again that says why.
    async fn dispatch(&self, tenant: TenantId, id: DraftId) -> Result<Option<MessageId>, WriteError> {
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let found = drafts::get(&mut tx, tenant, id).await?;
        tx.rollback().await?;
        let Some(draft) = found else { return Ok(None) };
        if draft.state != DraftState::Sending || draft.send_at > self.clock.now() {
            return Ok(draft.message);
        }
        let outcome = match self.check(&draft).await {
            Ok((from, to, copies)) => self.take_in(&draft, from, to, copies).await,
            Err(error) => Err(error),
        };
        let error = match outcome {
            Ok(message) => return Ok(Some(message)),
            Err(error) => error,
        };
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let now = drafts::get(&mut tx, tenant, id).await?;
        tx.rollback().await?;
        if let Some(message) = now.and_then(|d| d.message) {
            return Ok(Some(message));
        }
        let reason = match error {
            WriteError::Refused(reason) => reason,
            WriteError::Accept(error @ AcceptError::TooLarge { .. }) => error.reason(),
            error => return Err(error),
        };
        let changed_at = self.clock.now();
        let (state, why) = (DraftState::Open, Some(reason.clone()));
        let open = Draft { state, reason: why, released_by: None, changed_at, ..draft };
        let body = json!({ "act": "refused", "code": reason.code.as_str(), "params": reason.params });
        let news = NewEvidence::new(tenant, Subject::draft(id), Event::Changed, Who::house("send"), body);
        self.update(open, vec![news]).await?;
        Err(WriteError::Refused(reason))
    }

    /// The address a draft leaves from: the one its question came to, else the first of its box.
    pub(super) async fn sender_address(&self, draft: &Draft) -> Result<Option<String>, StoreError> {
        let mut tx = self.db.read(Scope::Tenant(draft.tenant)).await?;
        let active = tenants::mailboxes(&mut tx, draft.tenant).await?;
        if !active.iter().any(|b| b.0 == draft.mailbox && b.2) {
            return Ok(None);
        }
        let all = tenants::addresses(&mut tx, draft.tenant).await?;
        let own: Vec<String> =
            all.into_iter().filter(|a| a.0 == "mail" && a.2 == draft.mailbox).map(|a| a.1).collect();
        if own.len() > 1
            && let Some(answers) = draft.answers
            && let Some(message) = messages::get(&mut tx, draft.tenant, answers).await?
        {
            let asked: Vec<String> = message.transport.recipients.iter().map(|r| r.to_lowercase()).collect();
            if let Some(same) = own.iter().find(|a| asked.contains(a)) {
                return Ok(Some(same.clone()));
            }
        }
        Ok(own.into_iter().next())
    }

    /// Can it be sent as it is? Gives sender, recipients and recipients of copies.
    async fn check(
        &self,
        draft: &Draft,
    ) -> Result<(Correspondent, Vec<Correspondent>, Vec<Correspondent>), WriteError> {
        let no = |code| WriteError::Refused(refused(code));
        let address = self.sender_address(draft).await?.ok_or_else(|| no("PST-DRAFT-0010"))?;
        let name = self.tenant(draft.tenant).await?.name.clone();
        let read = |text: &str| {
            self.letters.recipients(text).map_err(|bad| {
                let shown: String = bad.chars().filter(|c| !c.is_control()).take(100).collect();
                WriteError::Refused(refused("PST-DRAFT-0002").with("address", shown))
            })
        };
        let to = read(&draft.recipients)?;
        let mut copies = read(&draft.copies)?;
        copies.retain(|c| !to.iter().any(|t| t.address.eq_ignore_ascii_case(&c.address)));
        if to.is_empty() {
            return Err(no("PST-DRAFT-0003"));
        }
        if to.len() + copies.len() > RECIPIENTS_CAP {
            return Err(WriteError::Refused(refused("PST-DRAFT-0004").with("cap", RECIPIENTS_CAP)));
        }
        if draft.subject.is_empty() {
            return Err(no("PST-DRAFT-0005"));
        }
        let mut tx = self.db.read(Scope::Tenant(draft.tenant)).await?;
        let parts = drafts::parts(&mut tx, draft.tenant, draft.id).await?;
        if let Some(part) = parts.iter().find(|p| p.stored != p.size) {
            return Err(WriteError::Refused(refused("PST-DRAFT-0009").with("name", &part.name)));
        }
        Ok((Correspondent { name, address }, to, copies))
    }

    /// Writes the letter and takes it in; the draft is sent with the same commit.
    async fn take_in(
        &self,
        draft: &Draft,
        from: Correspondent,
        to: Vec<Correspondent>,
        copies: Vec<Correspondent>,
    ) -> Result<MessageId, WriteError> {
        let (tenant, who) = (draft.tenant, Who::Principal { id: draft.owner });
        let pieces = self.pieces_of(draft).await?;
        let all: Vec<String> = to.iter().chain(&copies).map(|c| c.address.clone()).collect();
        let new = NewIntake {
            channel: ChannelKind::Mail,
            direction: Direction::Out,
            addressed: BTreeMap::from([(tenant, vec![draft.mailbox])]),
            recipients: BTreeMap::from([(tenant, all)]),
            transport: Transport { sender: from.address.clone(), ..Transport::default() },
            foreign_id: format!("draft:{}", draft.id),
            announced: None,
            who: who.clone(),
        };
        let letter = Letter {
            id: draft.id.to_string(),
            at: draft.send_at,
            from,
            to,
            copies,
            subject: draft.subject.clone(),
            text: self.unseal(draft).await?,
            thread: draft.thread.clone(),
            answers: draft.kind == DraftKind::Reply,
            enclosures: self.enclosures(draft).await?,
        };
        let mut intake = self.accept(new).await?;
        let Some((_, message)) = intake.ids().next() else { return Err(ViewError::NotFound.into()) };
        let letters = Arc::clone(&self.letters);
        let (out, mut blocks) = mpsc::channel::<Bytes>(2);
        let writing = tokio::task::spawn_blocking(move || {
            let mut out = BufWriter::with_capacity(BLOCK, Pipe(out));
            letters.write(letter, &mut out)?;
            out.flush()
        });
        while let Some(block) = blocks.recv().await {
            if let Err(error) = intake.push(self, &block).await {
                intake.abort(self, Abandoned::Refused).await;
                return Err(error.into());
            }
        }
        let written = writing.await.map_err(|e| e.to_string()).and_then(|w| w.map_err(|e| e.to_string()));
        if let Err(error) = written {
            intake.abort(self, Abandoned::BrokenOff).await;
            return Err(StoreError::Blob(format!("letter {}: {error}", draft.id)).into());
        }
        let sent = Draft {
            state: DraftState::Sent,
            message: Some(message),
            body: String::new(),
            changed_at: self.clock.now(),
            ..draft.clone()
        };
        let body = json!({ "act": "sent", "message": message.to_string() });
        let mut evidence = vec![about(&sent, Event::Ended, body)];
        if let Some(answers) = draft.answers {
            let body = json!({ "act": draft.kind.as_str(), "sent": message.to_string() });
            evidence.push(NewEvidence::new(tenant, Subject::message(answers), Event::DeskWork, who, body));
        }
        if let Some(second) = draft.released_by {
            let (subject, who) = (Subject::message(message), Who::Principal { id: second });
            evidence.push(NewEvidence::new(
                tenant,
                subject,
                Event::DeskWork,
                who,
                json!({ "act": "release_out" }),
            ));
        }
        let drafts = vec![DraftWrite::Update(sent), DraftWrite::Clear(tenant, draft.id)];
        intake.along(Change { drafts, evidence, ..Change::default() });
        let accepted = intake.finish(self).await?;
        self.forget(tenant, &pieces).await;
        accepted.first().map(|a| a.message).ok_or_else(|| ViewError::NotFound.into())
    }

    /// What is attached, to be read as it is written.
    async fn enclosures(&self, draft: &Draft) -> Result<Vec<Enclosure>, StoreError> {
        let tenant = draft.tenant;
        let key = self.keys.tenant(&self.db, tenant).await?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let mut all = Vec::new();
        for part in drafts::parts(&mut tx, tenant, draft.id).await? {
            let mut left = VecDeque::new();
            for piece in drafts::pieces(&mut tx, tenant, part.id).await? {
                let length = u64::try_from(piece.size).unwrap_or(0);
                left.push_back((Piece::name(tenant, piece.id), piece.key(&key, tenant)?, length));
            }
            let octets = Pieces {
                store: Arc::clone(&self.blobs),
                handle: Handle::current(),
                left,
                open: None,
                block: Bytes::new(),
            };
            all.push(Enclosure { name: part.name, media_type: part.media_type, octets: Box::new(octets) });
        }
        Ok(all)
    }
}

/// What a blocking writer hands to a task.
struct Pipe(mpsc::Sender<Bytes>);

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let gone = |_| std::io::Error::other("nobody takes the letter any more");
        self.0.blocking_send(Bytes::copy_from_slice(octets)).map_err(gone)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The octets of an attachment, for a thread that may block.
struct Pieces {
    store: Arc<dyn BlobStore>,
    handle: Handle,
    left: VecDeque<(String, BlobKey, u64)>,
    open: Option<(BlobReader, u64)>,
    block: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.block.is_empty() {
            let failed = |e: StoreError| std::io::Error::other(e.to_string());
            if let Some((reader, at)) = &mut self.open {
                self.block = self.handle.block_on(reader.at(*at)).map_err(failed)?;
                *at += self.block.len() as u64;
                if self.block.is_empty() {
                    self.open = None;
                }
                continue;
            }
            let Some((name, key, length)) = self.left.pop_front() else { return Ok(0) };
            let reader = BlobReader::open(Arc::clone(&self.store), name, &key, length);
            self.open = Some((self.handle.block_on(reader).map_err(failed)?, 0));
        }
        let n = self.block.len().min(out.len());
        self.block.copy_to_slice(out.get_mut(..n).unwrap_or_default());
        Ok(n)
    }
}
