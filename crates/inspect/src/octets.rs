// SPDX-License-Identifier: EUPL-1.2
//! The octets of one part, for readers that need `Read + Seek`.
//!
//! Guarantees: up to [`MEMORY_BYTES`] stay in memory; more lies in a temporary file without a name, sealed with a
//! fresh random key that is only in memory ([`poststelle_crypto::chunked`]), so plaintext never reaches a disk and
//! nothing is left after a crash. A spool needs at most [`MEMORY_BYTES`] plus a few chunks, a reader one chunk, however
//! large the content. Length, SHA-256 and media type are computed while it is filled.
//! Does not: bound the length; that is the business of whoever fills it ([`crate::unpack`]).

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use poststelle_crypto::CryptoError;
use poststelle_crypto::chunked::{DEFAULT_CHUNK_SIZE, Header, Opener, Sealer};
use poststelle_crypto::digest::{Sha256, hex};
use poststelle_crypto::keys::{BlobKey, MessageKey};
use poststelle_mail::mime::Detector;

/// Octets kept in memory: 1 MiB.
pub const MEMORY_BYTES: usize = 1024 * 1024;
/// Octets sealed and written at once.
const STEP: usize = 256 * 1024;

/// A spool that is being filled.
pub struct Filling {
    folder: PathBuf,
    state: State,
    len: u64,
    sha256: Sha256,
    detector: Detector,
}

enum State {
    Memory(Vec<u8>),
    Sealed(Box<SealedFile>),
}

struct SealedFile {
    file: File,
    key: BlobKey,
    header: Header,
    sealer: Sealer,
    out: Vec<u8>,
    written: u64,
}

impl SealedFile {
    fn create(folder: &Path) -> io::Result<Self> {
        let key = MessageKey::generate()
            .and_then(|key| key.derive_blob_key(b"poststelle/inspect/spool"))
            .map_err(crypto)?;
        let header = Header::generate(DEFAULT_CHUNK_SIZE).map_err(crypto)?;
        let sealer = Sealer::new(&key, header);
        Ok(Self { file: tempfile::tempfile_in(folder)?, key, header, sealer, out: Vec::new(), written: 0 })
    }

    fn push(&mut self, octets: &[u8]) -> io::Result<()> {
        for step in octets.chunks(STEP) {
            self.sealer.push(step, &mut self.out).map_err(crypto)?;
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.out)?;
        self.written += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }
}

fn crypto(error: CryptoError) -> io::Error {
    io::Error::other(error)
}

impl Filling {
    /// An empty one; `folder` takes the sealed file if it comes to one.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            state: State::Memory(Vec::new()),
            len: 0,
            sha256: Sha256::new(),
            detector: Detector::default(),
        }
    }

    /// The next octets.
    ///
    /// # Errors
    /// When the temporary file cannot be made or written (full disk), or the system gives no random key.
    pub fn push(&mut self, octets: &[u8]) -> io::Result<()> {
        if octets.is_empty() {
            return Ok(());
        }
        self.len += octets.len() as u64;
        self.sha256.update(octets);
        self.detector.push(octets);
        match &mut self.state {
            State::Memory(held) if held.len() + octets.len() <= MEMORY_BYTES => {
                held.extend_from_slice(octets);
                Ok(())
            }
            State::Memory(held) => {
                let mut sealed = Box::new(SealedFile::create(&self.folder)?);
                sealed.push(held)?;
                sealed.push(octets)?;
                self.state = State::Sealed(sealed);
                Ok(())
            }
            State::Sealed(sealed) => sealed.push(octets),
        }
    }

    /// Octets so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Nothing yet?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Ends it.
    ///
    /// # Errors
    /// As [`Filling::push`].
    pub fn finish(self) -> io::Result<Spool> {
        let place = match self.state {
            State::Memory(mut held) => {
                held.shrink_to_fit();
                Place::Memory(held)
            }
            State::Sealed(sealed) => {
                let mut sealed = *sealed;
                let sealer = std::mem::replace(&mut sealed.sealer, Sealer::new(&sealed.key, sealed.header));
                sealer.finish(&mut sealed.out).map_err(crypto)?;
                sealed.flush()?;
                let opener = Opener::new(&sealed.key, &sealed.header.to_bytes()).map_err(crypto)?;
                Place::Sealed { file: sealed.file, opener, len: sealed.written }
            }
        };
        let detected = self.detector.finish().unwrap_or_default();
        Ok(Spool(Arc::new(Inner { place, len: self.len, sha256: self.sha256.finish(), detected })))
    }
}

/// The octets of one part, complete. Clones share them.
#[derive(Clone)]
pub struct Spool(Arc<Inner>);

struct Inner {
    place: Place,
    len: u64,
    sha256: [u8; 32],
    detected: &'static str,
}

enum Place {
    Memory(Vec<u8>),
    Sealed { file: File, opener: Opener, len: u64 },
}

impl Spool {
    /// All that `from` gives, at most `cap` octets.
    ///
    /// # Errors
    /// Those of `from`, those of [`Filling::push`], and [`io::ErrorKind::FileTooLarge`] above the cap.
    pub fn read_from(folder: &Path, cap: u64, from: &mut dyn Read) -> io::Result<Self> {
        let mut filling = Filling::new(folder);
        let mut piece = vec![0; 64 * 1024];
        loop {
            match from.read(&mut piece) {
                Ok(0) => return filling.finish(),
                Ok(n) => filling.push(piece.get(..n).unwrap_or_default())?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            if filling.len() > cap {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
    }

    /// Octets that are in memory anyway.
    ///
    /// # Errors
    /// As [`Filling::push`].
    pub fn of(folder: &Path, octets: &[u8]) -> io::Result<Self> {
        let mut filling = Filling::new(folder);
        filling.push(octets)?;
        filling.finish()
    }

    /// Length in octets.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// No octets?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// SHA-256 of the octets.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.0.sha256
    }

    /// SHA-256 of the octets, 64 hexadecimal digits.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        hex(&self.0.sha256)
    }

    /// Media type by content; empty = not recognised.
    #[must_use]
    pub fn detected(&self) -> &'static str {
        self.0.detected
    }

    /// Does it lie in a file (sealed)?
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        matches!(self.0.place, Place::Sealed { .. })
    }

    /// Reads from the beginning. Readers are independent of each other.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader { spool: self.clone(), at: 0, chunk: Vec::new(), chunk_start: 0, chunk_len: 0 }
    }

    /// All octets at once, for parsers that need them whole; `None` above `cap`.
    ///
    /// # Errors
    /// Those of the file.
    pub fn whole(&self, cap: u64) -> io::Result<Option<Vec<u8>>> {
        if self.len() > cap {
            return Ok(None);
        }
        let mut out = Vec::with_capacity(usize::try_from(self.len()).unwrap_or_default());
        self.reader().read_to_end(&mut out)?;
        Ok(Some(out))
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool")
            .field("len", &self.0.len)
            .field("on_disk", &self.is_on_disk())
            .finish_non_exhaustive()
    }
}

/// Reads a [`Spool`]; holds one opened chunk.
pub struct Reader {
    spool: Spool,
    at: u64,
    chunk: Vec<u8>,
    chunk_start: u64,
    chunk_len: usize,
}

impl Reader {
    /// Opens the chunk that holds the octet at `self.at`, which lies before the end.
    fn open(&mut self) -> io::Result<()> {
        let Place::Sealed { file, opener, len } = &self.spool.0.place else { return Ok(()) };
        let span = opener.chunk_range(self.at..self.at + 1, *len).map_err(crypto)?;
        let size = usize::try_from(span.cipher.end - span.cipher.start).map_err(io::Error::other)?;
        self.chunk_len = 0;
        self.chunk.resize(size, 0);
        file.read_exact_at(&mut self.chunk, span.cipher.start)?;
        self.chunk_len =
            opener.open_chunk(span.first, span.is_last(span.first), &mut self.chunk).map_err(crypto)?.len();
        self.chunk_start = self.at - span.skip as u64;
        Ok(())
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.spool.len() {
            return Ok(&[]);
        }
        if self.spool.is_on_disk()
            && !(self.chunk_start..self.chunk_start + self.chunk_len as u64).contains(&self.at)
        {
            self.open()?;
        }
        let (octets, start) = match &self.spool.0.place {
            Place::Memory(octets) => (octets.as_slice(), 0),
            Place::Sealed { .. } => (self.chunk.get(..self.chunk_len).unwrap_or_default(), self.chunk_start),
        };
        let skip = usize::try_from(self.at - start).map_err(io::Error::other)?;
        Ok(octets.get(skip..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.at.saturating_add(amount as u64);
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let n = ready.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..n), ready.get(..n)) {
            to.copy_from_slice(from);
        }
        self.consume(n);
        Ok(n)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.spool.len().checked_add_signed(by),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poststelle_crypto::chunked::HEADER_LEN;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8 ^ (i / 65_536) as u8).collect()
    }

    #[test]
    fn gives_back_what_was_pushed_however_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        for len in [0, 1, 65_536, MEMORY_BYTES, MEMORY_BYTES + 1, 3 * MEMORY_BYTES + 77] {
            let octets = pattern(len);
            for step in [4_093, 65_536, usize::MAX] {
                let mut filling = Filling::new(folder.path());
                octets.chunks(step).for_each(|piece| filling.push(piece).unwrap());
                let spool = filling.finish().unwrap();
                assert_eq!(spool.len(), len as u64);
                assert_eq!(spool.is_on_disk(), len > MEMORY_BYTES);
                assert_eq!(spool.sha256(), poststelle_crypto::digest::sha256(&octets));
                assert!(spool.whole(len as u64).unwrap() == Some(octets.clone()), "{len} by {step}");
                assert!(len == 0 || spool.whole(len as u64 - 1).unwrap().is_none());
                let mut reader = spool.reader();
                for at in [0, len / 3, len.saturating_sub(5), len] {
                    reader.seek(SeekFrom::Start(at as u64)).unwrap();
                    let mut rest = Vec::new();
                    reader.read_to_end(&mut rest).unwrap();
                    assert!(rest == octets[at..], "{len} from {at}");
                }
                assert!(reader.seek(SeekFrom::Current(-(len as i64) - 1)).is_err());
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn no_plaintext_reaches_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let secret = b"Geheime Mitteilung an das Amt. ".repeat(60_000);
        let spool = Spool::of(folder.path(), &secret).unwrap();
        let Place::Sealed { file, len, .. } = &spool.0.place else { panic!("in memory") };
        assert!(*len > secret.len() as u64);
        let mut sealed = vec![0; usize::try_from(*len).unwrap()];
        file.read_exact_at(&mut sealed, 0).unwrap();
        assert!(!sealed.windows(8).any(|w| w == b"Geheime "));
        // Nor does a changed file open.
        file.write_all_at(&[sealed[HEADER_LEN] ^ 1], HEADER_LEN as u64).unwrap();
        assert!(spool.whole(u64::MAX).is_err());
    }
}
