// SPDX-License-Identifier: EUPL-1.2
//! Octets of a stored message and of its parts, streamed in blocks of at most 1 MiB.
//!
//! A part is a range of the original plus its transfer encoding; decoding is the
//! business of the message's format, so it comes in through [`Opener`].

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use poststelle_crypto::keys::{BlobKey, MessageKey};
use poststelle_model::message::Transport;
use poststelle_model::part::Encoding;
use poststelle_model::{BlobId, Fault, Message, Part, Reason, Timestamp};
use poststelle_store::StoreError;
use poststelle_store::blob::{BlobReader, BlobStore};

use crate::channel::{ChannelError, Octets};

/// Octets of one message.
#[async_trait]
pub trait Content: Send + Sync {
    /// The whole, as it came.
    async fn original(&self) -> Result<Octets, ChannelError>;
    /// The first octets of the whole, at most `most`, and none of what is held.
    async fn head(&self, most: u64) -> Result<Octets, ChannelError>;
    /// One part, decoded.
    async fn part(&self, part: &Part) -> Result<Octets, ChannelError>;
    /// All parts in order, in pages of at most 1,000 from `offset`.
    async fn parts(&self, offset: i64) -> Result<Vec<Part>, ChannelError>;
    /// Is this part, or something in it, held back? Then [`Content::part`] refuses it.
    fn is_held(&self, _part: &Part) -> bool {
        false
    }
    /// Is anything held back? Then [`Content::original`] refuses the whole.
    fn is_incomplete(&self) -> bool {
        false
    }
}

/// Knows one message format: finds parts, reads reports, decodes.
pub trait Opener: Send + Sync {
    /// Does it know this media type (`message/rfc822`, `multipart/form-data` …)?
    fn knows(&self, media_type: &str) -> bool;
    /// Begins to open a message.
    fn open(&self, transport: &Transport) -> Box<dyn Opening>;
    /// A decoder for one part.
    fn decoder(&self, encoding: Encoding) -> Box<dyn Decode>;
    /// Text of decoded octets in `charset`; unknown characters become U+FFFD.
    fn text(&self, charset: &str, octets: &[u8]) -> String;
    /// Reads a delivery report (DSN) from the octets of its machine-readable part.
    fn report(&self, octets: &[u8]) -> Vec<Report>;
}

/// One message being opened. Octets are pushed in order, in pieces of any size.
pub trait Opening: Send {
    /// Takes the next piece.
    fn push(&mut self, octets: &[u8]);
    /// All seen.
    fn finish(self: Box<Self>) -> Opened;
}

/// Decodes one part.
pub trait Decode: Send {
    /// Takes the next piece, appends what is ready.
    fn push(&mut self, octets: &[u8], out: &mut Vec<u8>);
    /// All seen.
    fn finish(&mut self, out: &mut Vec<u8>);
}

/// What a format found in a message.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// The tree, in order; part 0 is the whole.
    pub parts: Vec<Part>,
    /// Subject.
    pub subject: String,
    /// Author's display name.
    pub sender_name: String,
    /// Author's address.
    pub sender_address: String,
    /// Recipients in the headers, as shown.
    pub recipients: String,
    /// Date header.
    pub sent_at: Timestamp,
    /// Message-ID without brackets.
    pub header_id: String,
    /// Message-IDs it answers, nearest first.
    pub answers: Vec<String>,
    /// Sent by a machine.
    pub automatic: bool,
    /// Sender marked it urgent.
    pub urgent: bool,
    /// Headers for rules: lower-case name → values, capped.
    pub headers: Vec<(String, String)>,
    /// Number of the part that holds a delivery report.
    pub report_part: Option<i64>,
    /// Defects of the whole.
    pub defects: Vec<String>,
}

/// One recipient's line of a delivery report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Envelope id we gave (our delivery id), if the far side kept it.
    pub envelope_id: String,
    /// Whom it is about.
    pub recipient: String,
    /// What happened.
    pub action: ReportAction,
    /// RFC 3463 status, `5.1.1`.
    pub status: String,
    /// The far side's words.
    pub diagnostic: String,
}

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportAction {
    /// Arrived.
    Delivered,
    /// Failed for good.
    Failed,
    /// Still trying.
    Delayed,
    /// Passed on to a system that does not report: end unknown.
    Relayed,
}

/// The stored octets of a message.
pub struct StoredContent {
    pub(crate) store: Arc<dyn BlobStore>,
    pub(crate) key: MessageKey,
    /// Short name of its tenant.
    pub(crate) slug: String,
    /// Lengths of what was won from its parts just now, before it is committed.
    pub(crate) fresh: std::sync::Mutex<HashMap<BlobId, u64>>,
    pub(crate) message: Message,
    pub(crate) db: poststelle_store::Db,
    pub(crate) opener: Arc<dyn Opener>,
    /// Octets kept from readers and targets.
    pub(crate) closed: Vec<ClosedRange>,
    /// Its parts, when this node just found them.
    pub(crate) parts: Option<Arc<[Part]>>,
    /// A reader at rest between two small reads: the original and ten thousand small parts share its blocks.
    pub(crate) resting: tokio::sync::Mutex<Option<BlobReader>>,
}

/// Octets of a part that is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedRange {
    /// Number of the part.
    pub part: i64,
    /// Where its octets lie; `None` = in the original.
    pub blob: Option<BlobId>,
    /// First octet.
    pub start: i64,
    /// One past the last.
    pub end: i64,
}

/// Code of the refusal to give out what was not inspected yet.
const UNINSPECTED: &str = "PST-INSPECT-0006";

/// Code of the refusal to give out what is held.
pub const HELD: &str = "PST-INSPECT-0001";

/// Up to this size octets are handed on in one piece, bytes.
const SMALL: u64 = 1024 * 1024;

pub(crate) fn store_error(error: &StoreError) -> ChannelError {
    ChannelError { retry: error.retry(), reason: error.reason(), after: None }
}

impl StoredContent {
    /// A reader over the original.
    ///
    /// # Errors
    /// When the blob cannot be read.
    pub async fn reader(&self) -> Result<BlobReader, StoreError> {
        let len = u64::try_from(self.message.size).unwrap_or(0);
        self.reader_of(self.message.blob, len).await
    }

    async fn reader_of(&self, blob: BlobId, len: u64) -> Result<BlobReader, StoreError> {
        let name = poststelle_store::blob::name(self.message.tenant, self.message.id, blob);
        BlobReader::open(Arc::clone(&self.store), name, &self.blob_key(blob)?, len).await
    }

    /// The key of one of its blobs.
    pub(crate) fn blob_key(&self, blob: BlobId) -> Result<BlobKey, StoreError> {
        Ok(self.key.derive_blob_key(blob.uuid().as_bytes())?)
    }

    /// Remembers octets that were just won from a part.
    pub(crate) fn remember(&self, blob: BlobId, len: u64) {
        self.fresh.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(blob, len);
    }

    /// Octets of a part in what was won from another one.
    async fn won(&self, blob: BlobId, start: u64, end: u64) -> Result<Octets, ChannelError> {
        let known = self.fresh.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&blob).copied();
        let find = async {
            let len = match known {
                Some(len) => len,
                None => {
                    let (tenant, id) = (self.message.tenant, self.message.id);
                    let mut tx = self.db.read(poststelle_store::Scope::Tenant(tenant)).await?;
                    let all = poststelle_store::inspection::derived(&mut tx, tenant, id).await?;
                    let found = all.into_iter().find(|d| d.blob == blob);
                    let found = found.ok_or_else(|| StoreError::NotFound(format!("blob {blob}")))?;
                    let len = u64::try_from(found.size).unwrap_or(0);
                    self.remember(blob, len);
                    len
                }
            };
            self.reader_of(blob, len).await.map(|reader| (reader, len))
        };
        let (reader, len) = find.await.map_err(|e| store_error(&e))?;
        Ok(Self::range(reader, start.min(len), end.min(len)))
    }

    fn closed_in(&self, blob: Option<BlobId>, start: i64, end: i64) -> Option<&ClosedRange> {
        self.closed.iter().find(|c| c.blob == blob && c.start < end && start < c.end)
    }

    /// Refuses octets that hold something which is held back: a mail as a whole holds what its parts hold.
    fn open_to_readers(&self, blob: Option<BlobId>, start: i64, end: i64) -> Result<(), ChannelError> {
        match self.closed_in(blob, start, end) {
            None => Ok(()),
            Some(closed) if closed.part < 0 => {
                Err(ChannelError::later(Reason::new(UNINSPECTED, Fault::Nobody)))
            }
            Some(closed) => {
                Err(ChannelError::never(Reason::new(HELD, Fault::Tenant).with("part", closed.part)))
            }
        }
    }

    /// Octets `start..end` of the original: a short range in one piece from the resting reader, a long one streamed.
    async fn octets(&self, start: u64, end: u64) -> Result<Octets, ChannelError> {
        if end - start > SMALL {
            return Ok(Self::range(self.reader().await.map_err(|e| store_error(&e))?, start, end));
        }
        let mut resting = self.resting.lock().await;
        let mut reader = match resting.take() {
            Some(reader) => reader,
            None => self.reader().await.map_err(|e| store_error(&e))?,
        };
        let octets = reader.range(start..end).await.map_err(|e| store_error(&e))?;
        *resting = Some(reader);
        Ok(stream::iter([Ok(Bytes::from(octets))]).boxed())
    }

    /// Octets `start..end` of the original.
    fn range(reader: BlobReader, start: u64, end: u64) -> BoxStream<'static, Result<Bytes, ChannelError>> {
        stream::unfold(Some((reader, start)), move |state| async move {
            let (mut reader, offset) = state?;
            if offset >= end {
                return None;
            }
            match reader.at(offset).await {
                Ok(piece) if piece.is_empty() => None,
                Ok(piece) => {
                    let take = piece.len().min(usize::try_from(end - offset).unwrap_or(usize::MAX));
                    Some((Ok(piece.slice(..take)), Some((reader, offset + take as u64))))
                }
                Err(e) => Some((Err(store_error(&e)), None)),
            }
        })
        .boxed()
    }
}

#[async_trait]
impl Content for StoredContent {
    async fn original(&self) -> Result<Octets, ChannelError> {
        self.open_to_readers(None, 0, self.message.size)?;
        self.octets(0, u64::try_from(self.message.size).unwrap_or(0)).await
    }

    async fn head(&self, most: u64) -> Result<Octets, ChannelError> {
        let held = self.closed.iter().filter(|c| c.blob.is_none()).map(|c| c.start).min();
        let end = held.unwrap_or(self.message.size).min(self.message.size);
        self.octets(0, u64::try_from(end).unwrap_or(0).min(most)).await
    }

    async fn part(&self, part: &Part) -> Result<Octets, ChannelError> {
        self.open_to_readers(part.blob, part.start, part.start.saturating_add(part.len))?;
        let start = u64::try_from(part.start).unwrap_or(0);
        let end = start.saturating_add(u64::try_from(part.len).unwrap_or(0));
        if part.blob.is_none() && end > u64::try_from(self.message.size).unwrap_or(0) {
            let reason = Reason::new("PST-HUB-0002", Fault::Operator).with("part", part.n);
            return Err(ChannelError::never(reason));
        }
        let raw = match part.blob {
            Some(blob) => self.won(blob, start, end).await?,
            None => self.octets(start, end).await?,
        };
        if part.encoding == Encoding::Identity {
            return Ok(raw);
        }
        let decoder = self.opener.decoder(part.encoding);
        let decoded = stream::unfold(Some((raw, decoder)), |state| async move {
            let (mut raw, mut decoder) = state?;
            let mut out = Vec::new();
            loop {
                match raw.next().await {
                    Some(Ok(piece)) => {
                        decoder.push(&piece, &mut out);
                        if !out.is_empty() {
                            return Some((Ok(Bytes::from(out)), Some((raw, decoder))));
                        }
                    }
                    Some(Err(e)) => return Some((Err(e), None)),
                    None => {
                        decoder.finish(&mut out);
                        return (!out.is_empty()).then(|| (Ok(Bytes::from(out)), None));
                    }
                }
            }
        });
        Ok(decoded.boxed())
    }

    fn is_held(&self, part: &Part) -> bool {
        self.closed_in(part.blob, part.start, part.start.saturating_add(part.len)).is_some()
    }

    fn is_incomplete(&self) -> bool {
        !self.closed.is_empty()
    }

    async fn parts(&self, offset: i64) -> Result<Vec<Part>, ChannelError> {
        if let Some(parts) = &self.parts {
            let skip = usize::try_from(offset).unwrap_or(usize::MAX);
            return Ok(parts.iter().skip(skip).take(1000).cloned().collect());
        }
        let load = async {
            let mut tx = self.db.read(poststelle_store::Scope::Tenant(self.message.tenant)).await?;
            poststelle_store::messages::parts(&mut tx, self.message.tenant, self.message.id, offset, 1000)
                .await
        };
        load.await.map_err(|e: StoreError| store_error(&e))
    }
}
