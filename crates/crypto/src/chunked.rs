// SPDX-License-Identifier: EUPL-1.2
//! Blobs at rest: seekable AES-256-GCM in chunks.
//!
//! Guarantees: a changed, cut, extended, reordered or exchanged chunk does not open; a chunk of another blob,
//! or of an earlier writing of the same blob, does not open. Nothing is released before its tag was checked.
//! Any byte range can be read by fetching the chunks that cover it. The empty plaintext is one empty chunk.
//! Does not: hide the length. A reader of a middle range sees a cut of the *end* only if it compares
//! [`Opener::plain_len`] with the length kept in the database; reading the last chunk always reveals it.
//!
//! ```text
//! header  = "PSTB" | version 1 (1 byte) | chunk size (u32, big-endian) | nonce prefix (7 random bytes)
//! chunk i = AES-256-GCM(key, nonce = prefix | i (u32, big-endian) | last (0 or 1), aad = header) | tag (16 bytes)
//! ```
//! Every chunk but the last holds exactly *chunk size* bytes of plaintext; the last one holds 1 to *chunk
//! size* bytes, 0 only if it is also the first. The construction is STREAM (Hoang, Reyhanitabar, Rogaway,
//! Vizár 2015). Key: [`crate::keys::MessageKey::derive_blob_key`], one per blob.

use std::fmt;
use std::ops::Range;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use zeroize::Zeroizing;

use crate::error::{CryptoError, Result};
use crate::keys::BlobKey;
use crate::random;

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 16;
/// Length of the tag after each chunk in bytes.
pub const TAG_LEN: usize = 16;
/// Chunk size that [`seal`] uses and callers should use: 64 KiB.
pub const DEFAULT_CHUNK_SIZE: u32 = 64 * 1024;
/// Smallest chunk size: 1 KiB.
pub const MIN_CHUNK_SIZE: u32 = 1024;
/// Largest chunk size: 16 MiB. It caps what a hostile header can make a reader allocate.
pub const MAX_CHUNK_SIZE: u32 = 16 * 1024 * 1024;
const MAGIC: [u8; 4] = *b"PSTB";
const VERSION: u8 = 1;
const PREFIX_LEN: usize = 7;
/// Chunk indices are 32 bits wide.
const MAX_CHUNKS: u64 = 1 << 32;

/// The parsed header: what a reader must know to seek.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    chunk_size: u32,
    prefix: [u8; PREFIX_LEN],
}

impl Header {
    /// A header with a fresh random nonce prefix.
    ///
    /// # Errors
    /// [`CryptoError::ChunkSize`] outside the bounds, [`CryptoError::Random`].
    pub fn generate(chunk_size: u32) -> Result<Self> {
        check_chunk_size(chunk_size)?;
        Ok(Self { chunk_size, prefix: random::array()? })
    }

    /// Reads a header; bytes after it are ignored.
    ///
    /// # Errors
    /// [`CryptoError::BlobHeader`] or [`CryptoError::BlobVersion`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |reason| CryptoError::BlobHeader { reason };
        let Some(([m0, m1, m2, m3, version, c0, c1, c2, c3, prefix @ ..], _)) =
            bytes.split_first_chunk::<HEADER_LEN>()
        else {
            return Err(wrong("it is too short"));
        };
        if [*m0, *m1, *m2, *m3] != MAGIC {
            return Err(wrong("it does not begin with PSTB"));
        }
        if *version != VERSION {
            return Err(CryptoError::BlobVersion { found: *version });
        }
        let chunk_size = u32::from_be_bytes([*c0, *c1, *c2, *c3]);
        check_chunk_size(chunk_size).map_err(|_| wrong("its chunk size is outside the bounds"))?;
        Ok(Self { chunk_size, prefix: *prefix })
    }

    /// The header as it stands at the start of the blob.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let [m0, m1, m2, m3] = MAGIC;
        let [c0, c1, c2, c3] = self.chunk_size.to_be_bytes();
        let [p0, p1, p2, p3, p4, p5, p6] = self.prefix;
        [m0, m1, m2, m3, VERSION, c0, c1, c2, c3, p0, p1, p2, p3, p4, p5, p6]
    }

    /// Bytes of plaintext in every chunk but the last.
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    fn nonce(&self, index: u32, last: bool) -> Nonce {
        let [p0, p1, p2, p3, p4, p5, p6] = self.prefix;
        let [i0, i1, i2, i3] = index.to_be_bytes();
        let nonce: [u8; NONCE_LEN] = [p0, p1, p2, p3, p4, p5, p6, i0, i1, i2, i3, u8::from(last)];
        Nonce::assume_unique_for_key(nonce)
    }
}

fn check_chunk_size(size: u32) -> Result<()> {
    if (MIN_CHUNK_SIZE..=MAX_CHUNK_SIZE).contains(&size) {
        return Ok(());
    }
    Err(CryptoError::ChunkSize { size, min: MIN_CHUNK_SIZE, max: MAX_CHUNK_SIZE })
}

/// Length of the sealed form of `plain_len` bytes.
///
/// # Errors
/// [`CryptoError::BlobTooLarge`] when the chunk counter would not suffice.
pub fn sealed_len(plain_len: u64, chunk_size: u32) -> Result<u64> {
    check_chunk_size(chunk_size)?;
    let chunks = plain_len.div_ceil(u64::from(chunk_size)).max(1);
    if chunks > MAX_CHUNKS {
        return Err(CryptoError::BlobTooLarge);
    }
    Ok(HEADER_LEN as u64 + plain_len + chunks * TAG_LEN as u64)
}

/// Seals a stream that arrives in pieces of any size.
///
/// The sealed bytes, header included, are appended to the `out` of each call. Whole chunks go from the piece to
/// `out` without an intermediate copy; at most one chunk of plaintext is held back.
pub struct Sealer {
    key: BlobKey,
    header: Header,
    header_bytes: [u8; HEADER_LEN],
    header_written: bool,
    next: u64,
    plain_len: u64,
    held: Zeroizing<Vec<u8>>,
}

impl Sealer {
    /// Starts a blob. Each blob, and each new writing of one, needs its own `header`.
    pub fn new(key: &BlobKey, header: Header) -> Self {
        Self {
            key: key.clone(),
            header,
            header_bytes: header.to_bytes(),
            header_written: false,
            next: 0,
            plain_len: 0,
            held: Zeroizing::new(Vec::new()),
        }
    }

    /// Plaintext bytes taken so far.
    pub fn plain_len(&self) -> u64 {
        self.plain_len
    }

    /// Takes the next piece and appends what is ready to `out`.
    ///
    /// # Errors
    /// [`CryptoError::BlobTooLarge`] when the chunk counter is used up; the blob must then be given up.
    pub fn push(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.write_header(out);
        let size = self.header.chunk_size as usize;
        self.plain_len = self.plain_len.saturating_add(plain.len() as u64);
        let mut rest = plain;
        if !self.held.is_empty() {
            let room = size.saturating_sub(self.held.len());
            let (head, tail) = rest.split_at(room.min(rest.len()));
            self.hold(head);
            rest = tail;
            // A full chunk stays held until more data shows that it is not the last one.
            if rest.is_empty() {
                return Ok(());
            }
            let held = std::mem::replace(&mut self.held, Zeroizing::new(Vec::new()));
            self.seal_chunk(&held, false, out)?;
            self.held = held;
            self.held.clear();
        }
        out.reserve(rest.len() + (rest.len() / size + 1) * TAG_LEN);
        while rest.len() > size {
            let (chunk, tail) = rest.split_at(size);
            self.seal_chunk(chunk, false, out)?;
            rest = tail;
        }
        self.hold(rest);
        Ok(())
    }

    /// Ends the blob and appends its last chunk to `out`. Without this call the blob does not open.
    ///
    /// # Errors
    /// [`CryptoError::BlobTooLarge`] when the chunk counter is used up.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<()> {
        self.write_header(out);
        let held = std::mem::replace(&mut self.held, Zeroizing::new(Vec::new()));
        self.seal_chunk(&held, true, out)
    }

    fn write_header(&mut self, out: &mut Vec<u8>) {
        if !self.header_written {
            out.extend_from_slice(&self.header_bytes);
            self.header_written = true;
        }
    }

    fn hold(&mut self, plain: &[u8]) {
        if !plain.is_empty() && self.held.capacity() == 0 {
            // Reserved once: growing would leave unwiped copies of plaintext behind.
            self.held.reserve_exact(self.header.chunk_size as usize);
        }
        self.held.extend_from_slice(plain);
    }

    fn seal_chunk(&mut self, plain: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        let fault = CryptoError::Internal { what: "AES-256-GCM sealing" };
        let index = u32::try_from(self.next).map_err(|_| CryptoError::BlobTooLarge)?;
        let start = out.len();
        out.resize(start + plain.len() + TAG_LEN, 0);
        let Some((body, tag)) = out.get_mut(start..).and_then(|room| room.split_at_mut_checked(plain.len()))
        else {
            return Err(fault);
        };
        self.key
            .aead()
            .seal_out_of_place_scatter(
                self.header.nonce(index, last),
                Aad::from(self.header_bytes),
                plain,
                body,
                &[],
                tag,
            )
            .map_err(|_| fault)?;
        self.next += 1;
        Ok(())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("header", &self.header)
            .field("plain_len", &self.plain_len)
            .finish_non_exhaustive()
    }
}

/// The chunks that cover a range of the plaintext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkSpan {
    /// Bytes of the sealed blob to fetch: whole chunks with their tags.
    pub cipher: Range<u64>,
    /// Index of the first chunk in that range.
    pub first: u32,
    /// Number of chunks in that range, at least 1.
    pub count: u64,
    /// Whether the final chunk of the range is the last one of the blob.
    pub ends_blob: bool,
    /// Bytes to drop from the front of the opened plaintext.
    pub skip: usize,
    /// Bytes of plaintext to keep after that.
    pub take: u64,
}

impl ChunkSpan {
    /// Whether the chunk `index` is the last one of the blob, for [`Opener::open_chunk`].
    pub fn is_last(&self, index: u32) -> bool {
        self.ends_blob && u64::from(index) + 1 == u64::from(self.first) + self.count
    }
}

/// Opens chunks of one blob in any order.
pub struct Opener {
    key: BlobKey,
    header: Header,
    header_bytes: [u8; HEADER_LEN],
}

impl Opener {
    /// Reads the header from the first bytes of the sealed blob. It is proven genuine by the first chunk opened.
    ///
    /// # Errors
    /// As [`Header::parse`].
    pub fn new(key: &BlobKey, first_bytes: &[u8]) -> Result<Self> {
        let header = Header::parse(first_bytes)?;
        Ok(Self { key: key.clone(), header, header_bytes: header.to_bytes() })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes of a full chunk in the sealed blob, tag included.
    pub fn sealed_chunk_len(&self) -> usize {
        self.header.chunk_size as usize + TAG_LEN
    }

    /// Length of the plaintext of a sealed blob of `cipher_len` bytes, header included.
    ///
    /// # Errors
    /// [`CryptoError::BlobLength`] when no blob has that length.
    pub fn plain_len(&self, cipher_len: u64) -> Result<u64> {
        let wrong = || CryptoError::BlobLength { len: cipher_len };
        let body = cipher_len.checked_sub(HEADER_LEN as u64).ok_or_else(wrong)?;
        let chunks = body.div_ceil(self.sealed_chunk_len() as u64).max(1);
        if chunks > MAX_CHUNKS {
            return Err(wrong());
        }
        let plain = body.checked_sub(chunks * TAG_LEN as u64).ok_or_else(wrong)?;
        // The last chunk may be empty only when it is the first one too.
        if plain.div_ceil(u64::from(self.header.chunk_size)).max(1) != chunks {
            return Err(wrong());
        }
        Ok(plain)
    }

    /// The chunks that cover `plain` (first byte inclusive, end exclusive) in a sealed blob of `cipher_len`
    /// bytes. An empty range names the chunk it lies in, so that even it is read from genuine data.
    ///
    /// # Errors
    /// [`CryptoError::BlobLength`], or [`CryptoError::RangeOutside`] when the range is reversed or ends after the
    /// plaintext.
    pub fn chunk_range(&self, plain: Range<u64>, cipher_len: u64) -> Result<ChunkSpan> {
        let len = self.plain_len(cipher_len)?;
        let Range { start, end } = plain;
        if start > end || end > len {
            return Err(CryptoError::RangeOutside { start, end, len });
        }
        let size = u64::from(self.header.chunk_size);
        let sealed = self.sealed_chunk_len() as u64;
        let chunks = len.div_ceil(size).max(1);
        let first = (start / size).min(chunks - 1);
        let last = if end > start { (end - 1) / size } else { first };
        let base = HEADER_LEN as u64;
        let too_large = |_| CryptoError::BlobTooLarge;
        Ok(ChunkSpan {
            cipher: base + first * sealed..(base + (last + 1) * sealed).min(cipher_len),
            first: u32::try_from(first).map_err(too_large)?,
            count: last - first + 1,
            ends_blob: last + 1 == chunks,
            skip: usize::try_from(start - first * size).map_err(too_large)?,
            take: end - start,
        })
    }

    /// Opens one chunk in place; `cipher` is the whole chunk with its tag. After an error its content is void.
    ///
    /// # Errors
    /// [`CryptoError::BlobDamaged`] when the chunk is not exactly what was sealed at this place.
    pub fn open_chunk<'c>(&self, index: u32, is_last: bool, cipher: &'c mut [u8]) -> Result<&'c [u8]> {
        let damaged = CryptoError::BlobDamaged { chunk: index };
        let full = self.sealed_chunk_len();
        let least = if index == 0 { TAG_LEN } else { TAG_LEN + 1 };
        let length_fits = if is_last { (least..=full).contains(&cipher.len()) } else { cipher.len() == full };
        if !length_fits {
            return Err(damaged);
        }
        match self.key.aead().open_in_place(
            self.header.nonce(index, is_last),
            Aad::from(self.header_bytes),
            cipher,
        ) {
            Ok(plain) => Ok(plain),
            Err(_) => Err(damaged),
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Seals a small plaintext that is in memory anyway.
///
/// # Errors
/// [`CryptoError::Random`].
pub fn seal(key: &BlobKey, plain: &[u8]) -> Result<Vec<u8>> {
    let header = Header::generate(DEFAULT_CHUNK_SIZE)?;
    let mut out = Vec::new();
    let mut sealer = Sealer::new(key, header);
    sealer.push(plain, &mut out)?;
    sealer.finish(&mut out)?;
    Ok(out)
}

/// Opens a whole sealed blob that is in memory anyway.
///
/// # Errors
/// As [`Opener::new`], [`Opener::plain_len`] and [`Opener::open_chunk`].
pub fn open(key: &BlobKey, sealed: &[u8]) -> Result<Vec<u8>> {
    let opener = Opener::new(key, sealed)?;
    let plain_len = opener.plain_len(sealed.len() as u64)?;
    let span = opener.chunk_range(0..plain_len, sealed.len() as u64)?;
    let body = sealed.get(HEADER_LEN..).unwrap_or_default();
    let mut out = Vec::with_capacity(body.len().saturating_sub(TAG_LEN));
    let mut chunk = Zeroizing::new(Vec::with_capacity(opener.sealed_chunk_len().min(body.len())));
    // `plain_len` bounds the number of chunks to 2^32.
    for (index, cipher) in (span.first..=u32::MAX).zip(body.chunks(opener.sealed_chunk_len())) {
        chunk.clear();
        chunk.extend_from_slice(cipher);
        out.extend_from_slice(opener.open_chunk(index, span.is_last(index), &mut chunk)?);
    }
    Ok(out)
}
