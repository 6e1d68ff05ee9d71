// SPDX-License-Identifier: EUPL-1.2
//! Blobs: octets at rest, encrypted, on disk or in an S3 store.
//!
//! Guarantees: [`BlobWriter::finish`] returns after the octets and their name are
//! synced (disk) or acknowledged (S3); reading detects any change, cut or swap.
//! Constant memory: one block of 1 MiB per reader and writer. Names say which
//! message a blob belongs to, so that orphans are found without another table.

mod disk;
mod s3;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use poststelle_crypto::chunked::{self, DEFAULT_CHUNK_SIZE, HEADER_LEN, Header, Opener, Sealer};
use poststelle_crypto::digest::{Digests, DualHasher};
use poststelle_crypto::keys::BlobKey;
use poststelle_model::{BlobId, MessageId, TenantId};

use crate::db::StoreError;

pub use disk::DiskStore;
pub use s3::{S3Config, S3Store};

/// Where sealed octets lie.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Begins a new object; nothing is there before [`Upload::finish`].
    async fn create(&self, name: &str) -> Result<Box<dyn Upload>, StoreError>;
    /// Octets `range` of an object.
    async fn read(&self, name: &str, range: Range<u64>) -> Result<Bytes, StoreError>;
    /// Removes an object; absent is fine.
    async fn delete(&self, name: &str) -> Result<(), StoreError>;
    /// Names and sizes below a prefix, with the age of each in seconds.
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError>;
    /// Can we write and read?
    async fn check(&self) -> Result<(), StoreError>;
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Name.
    pub name: String,
    /// Sealed size, bytes.
    pub size: u64,
    /// Last written, microseconds since 1970.
    pub modified: i64,
}

/// An object being written.
#[async_trait]
pub trait Upload: Send {
    /// Adds octets.
    async fn write(&mut self, octets: Vec<u8>) -> Result<(), StoreError>;
    /// Makes it durable under its name.
    async fn finish(self: Box<Self>) -> Result<(), StoreError>;
    /// Gives it up.
    async fn abort(self: Box<Self>);
}

/// The name of a message's blob: `<tenant>/<shard>/<message>.<blob>`.
#[must_use]
pub fn name(tenant: TenantId, message: MessageId, blob: BlobId) -> String {
    let text = blob.to_string();
    // The tail of a version-7 id is random; its head is the time and would fill one directory at a time.
    let shard = text.get(text.len().saturating_sub(2)..).unwrap_or("00");
    format!("{tenant}/{shard}/{message}.{blob}")
}

/// Reads a blob's name.
#[must_use]
pub fn parse_name(name: &str) -> Option<(TenantId, MessageId, BlobId)> {
    let mut pieces = name.split('/');
    let tenant = pieces.next()?.parse().ok()?;
    let (message, blob) = pieces.nth(1)?.split_once('.')?;
    Some((tenant, message.parse().ok()?, blob.parse().ok()?))
}

/// Seals, hashes and stores a stream.
pub struct BlobWriter {
    sealer: Sealer,
    hasher: DualHasher,
    upload: Box<dyn Upload>,
    out: Vec<u8>,
}

/// Sealed octets are handed on in blocks of about this size.
const BLOCK: usize = 1024 * 1024;

impl BlobWriter {
    /// Begins the blob `name`.
    ///
    /// # Errors
    /// When the store cannot take a new object.
    pub async fn create(store: &Arc<dyn BlobStore>, name: &str, key: &BlobKey) -> Result<Self, StoreError> {
        let header = Header::generate(DEFAULT_CHUNK_SIZE)?;
        Ok(Self {
            sealer: Sealer::new(key, header),
            hasher: DualHasher::new(),
            upload: store.create(name).await?,
            out: Vec::new(),
        })
    }

    /// Adds octets.
    ///
    /// # Errors
    /// When the store cannot take them.
    pub async fn push(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(octets);
        self.sealer.push(octets, &mut self.out)?;
        if self.out.len() >= BLOCK {
            self.upload.write(std::mem::take(&mut self.out)).await?;
        }
        Ok(())
    }

    /// Octets so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.hasher.len()
    }

    /// Nothing so far?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hasher.is_empty()
    }

    /// Makes the blob durable; gives its length and digests.
    ///
    /// # Errors
    /// When the store could not.
    pub async fn finish(mut self) -> Result<(u64, Digests), StoreError> {
        self.sealer.finish(&mut self.out)?;
        self.upload.write(self.out).await?;
        self.upload.finish().await?;
        Ok((self.hasher.len(), self.hasher.finish()))
    }

    /// Gives it up; nothing stays.
    pub async fn abort(self) {
        self.upload.abort().await;
    }
}

/// Reads a sealed blob from any place.
pub struct BlobReader {
    store: Arc<dyn BlobStore>,
    name: String,
    opener: Opener,
    sealed_len: u64,
    len: u64,
    block_start: u64,
    block: Bytes,
}

impl BlobReader {
    /// Opens the blob `name` whose octets are `len` long.
    ///
    /// # Errors
    /// When it is not there, or its header is not ours.
    pub async fn open(
        store: Arc<dyn BlobStore>,
        name: String,
        key: &BlobKey,
        len: u64,
    ) -> Result<Self, StoreError> {
        let sealed_len = chunked::sealed_len(len, DEFAULT_CHUNK_SIZE)?;
        let first = store.read(&name, 0..sealed_len.min(Self::sealed_block())).await?;
        let opener = Opener::new(key, &first)?;
        let mut reader = Self { store, name, opener, sealed_len, len, block_start: 0, block: Bytes::new() };
        let body = first.slice(HEADER_LEN.min(first.len())..);
        reader.open_block(0, body)?;
        Ok(reader)
    }

    const fn sealed_block() -> u64 {
        (HEADER_LEN + BLOCK / DEFAULT_CHUNK_SIZE as usize * (DEFAULT_CHUNK_SIZE as usize + chunked::TAG_LEN))
            as u64
    }

    fn open_block(&mut self, first: u32, sealed: Bytes) -> Result<(), StoreError> {
        let step = self.opener.sealed_chunk_len();
        let mut sealed: Vec<u8> = sealed.into();
        let mut plain = Vec::with_capacity(sealed.len());
        let chunks = sealed.len().div_ceil(step);
        let before = u64::from(first) * step as u64 + HEADER_LEN as u64;
        let ends = before + sealed.len() as u64 >= self.sealed_len;
        for (i, chunk) in sealed.chunks_mut(step).enumerate() {
            let index = first.saturating_add(u32::try_from(i).unwrap_or(u32::MAX));
            plain.extend_from_slice(self.opener.open_chunk(index, ends && i + 1 == chunks, chunk)?);
        }
        self.block_start = u64::from(first) * u64::from(DEFAULT_CHUNK_SIZE);
        self.block = plain.into();
        Ok(())
    }

    /// Length of the octets.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// No octets at all?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Octets from `offset` on, at most one block; empty at the end.
    ///
    /// # Errors
    /// When the store does not answer or the blob was changed.
    pub async fn at(&mut self, offset: u64) -> Result<Bytes, StoreError> {
        if offset >= self.len {
            return Ok(Bytes::new());
        }
        let end = self.block_start + self.block.len() as u64;
        if offset < self.block_start || offset >= end {
            let size = u64::from(DEFAULT_CHUNK_SIZE);
            let first = offset / size;
            let step = self.opener.sealed_chunk_len() as u64;
            let start = HEADER_LEN as u64 + first * step;
            let stop = (start + BLOCK as u64 / size * step).min(self.sealed_len);
            let sealed = self.store.read(&self.name, start..stop).await?;
            self.open_block(u32::try_from(first).unwrap_or(u32::MAX), sealed)?;
        }
        let skip = usize::try_from(offset - self.block_start).unwrap_or(usize::MAX);
        Ok(self.block.slice(skip.min(self.block.len())..))
    }

    /// Octets `range` in memory; for small ranges only.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub async fn range(&mut self, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let mut out = Vec::new();
        let mut offset = range.start;
        while offset < range.end.min(self.len) {
            let piece = self.at(offset).await?;
            let take = piece.len().min(usize::try_from(range.end - offset).unwrap_or(usize::MAX));
            out.extend_from_slice(piece.get(..take).unwrap_or_default());
            offset += take as u64;
        }
        Ok(out)
    }
}
