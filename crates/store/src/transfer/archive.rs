// SPDX-License-Identifier: EUPL-1.2
//! The tar file as a stream: entries in, entries out, nothing held back.

use poststelle_model::Timestamp;
use tar::{EntryType, Header};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{TransferError, damaged};

const BLOCK: u64 = 512;

fn padding(size: u64) -> usize {
    usize::try_from((BLOCK - size % BLOCK) % BLOCK).unwrap_or(0)
}

/// Writes entries.
pub(super) struct Writer<W> {
    out: W,
    at: Timestamp,
    open: u64,
    size: u64,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(out: W, at: Timestamp) -> Self {
        Self { out, at, open: 0, size: 0 }
    }

    /// Begins an entry of exactly `size` octets.
    pub(super) async fn begin(&mut self, name: &str, size: u64) -> Result<(), TransferError> {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(size);
        header.set_mtime(u64::try_from(self.at.0 / 1_000_000).unwrap_or(0));
        header.set_cksum();
        self.out.write_all(header.as_bytes()).await?;
        (self.open, self.size) = (size, size);
        Ok(())
    }

    /// Octets of the entry begun.
    pub(super) async fn data(&mut self, octets: &[u8]) -> Result<(), TransferError> {
        let Some(open) = self.open.checked_sub(octets.len() as u64) else {
            return damaged("an entry is longer than announced");
        };
        self.open = open;
        self.out.write_all(octets).await?;
        if open == 0 {
            self.out.write_all(&[0; 512][..padding(self.size)]).await?;
        }
        Ok(())
    }

    /// A whole entry.
    pub(super) async fn entry(&mut self, name: &str, octets: &[u8]) -> Result<(), TransferError> {
        self.begin(name, octets.len() as u64).await?;
        self.data(octets).await
    }

    /// Ends the archive.
    pub(super) async fn finish(mut self) -> Result<W, TransferError> {
        self.out.write_all(&[0; 1024]).await?;
        self.out.flush().await?;
        Ok(self.out)
    }
}

/// Reads entries.
pub(super) struct Reader<R> {
    input: R,
    left: u64,
    pad: usize,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, left: 0, pad: 0 }
    }

    async fn fill(&mut self, octets: &mut [u8]) -> Result<(), TransferError> {
        match self.input.read_exact(octets).await {
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => damaged("the file ends too early"),
            Err(e) => Err(e.into()),
            Ok(_) => Ok(()),
        }
    }

    /// The next entry: name and size. The one before must have been read to its end.
    pub(super) async fn next(&mut self) -> Result<Option<(String, u64)>, TransferError> {
        let mut block = [0u8; 512];
        if self.left > 0 {
            return damaged("an entry is longer than it should be");
        }
        let mut pad = [0u8; 512];
        let pad = pad.get_mut(..self.pad).unwrap_or_default();
        self.fill(pad).await?;
        self.pad = 0;
        self.fill(&mut block).await?;
        if block == [0; 512] {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block);
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) })
            .sum();
        if header.cksum().ok() != Some(sum)
            || header.as_ustar().is_none()
            || header.entry_type() != EntryType::Regular
        {
            return damaged("the head of an entry cannot be read");
        }
        let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
        let Ok(size) = header.entry_size() else { return damaged("the size of an entry cannot be read") };
        self.left = size;
        self.pad = padding(size);
        Ok(Some((name, size)))
    }

    /// Octets of the entry: as many as asked for.
    pub(super) async fn exact(&mut self, octets: &mut [u8]) -> Result<(), TransferError> {
        let Some(left) = self.left.checked_sub(octets.len() as u64) else {
            return damaged("an entry is shorter than it should be");
        };
        self.left = left;
        self.fill(octets).await
    }

    /// The whole rest of the entry, at most `cap` octets.
    pub(super) async fn rest(&mut self, cap: u64) -> Result<Vec<u8>, TransferError> {
        if self.left > cap {
            return damaged(format!("an entry of {} octets, at most {cap} are read", self.left));
        }
        let mut octets = vec![0; usize::try_from(self.left).unwrap_or(0)];
        self.exact(&mut octets).await?;
        Ok(octets)
    }
}
