// SPDX-License-Identifier: EUPL-1.2
//! Proof files (C2SP tlog-proof): entry index, inclusion proof and signed checkpoint in one text.
//!
//! Guarantees: [`TlogProof::verify`] carries out the steps of the specification: origin and log signature,
//! witnesses' signatures, inclusion under the signed root. One spelling per proof.
//! Does not: compute the leaf hash of an application's entry (step 1; see [`crate::merkle::leaf_hash`]), nor trust
//! the `extra` data: nobody signed it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{self, OpenedCheckpoint};
use crate::error::{ProofError, Result};
use crate::merkle::{Hash, check_size, decode_hash, encode_hash, parse_decimal, verify_inclusion};
use crate::note::{MAX_NOTE_BYTES, SignedNote, VerifierKey};

/// Largest `extra` data, in bytes.
pub const MAX_EXTRA_BYTES: usize = 64 * 1024;
/// Most hashes of an inclusion proof.
pub const MAX_PATH: usize = 63;
/// Largest proof file read, in bytes.
pub const MAX_BYTES: usize = MAX_NOTE_BYTES + 96 * 1024;
const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// A proof that an entry is in a log. Nothing in it is proven before [`TlogProof::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    extra: Option<Vec<u8>>,
    index: u64,
    path: Vec<Hash>,
    checkpoint: SignedNote,
}

impl TlogProof {
    /// A proof from its pieces.
    ///
    /// # Errors
    /// [`ProofError::TlogProofFormat`] when the path is too long or `extra` is empty or too long,
    /// [`ProofError::TreeSize`] for an impossible index.
    pub fn new(extra: Option<Vec<u8>>, index: u64, path: Vec<Hash>, checkpoint: SignedNote) -> Result<Self> {
        let wrong = |reason| ProofError::TlogProofFormat { reason };
        check_size(index)?;
        if path.len() > MAX_PATH {
            return Err(wrong("the inclusion proof is too long"));
        }
        if extra.as_ref().is_some_and(|extra| extra.is_empty() || extra.len() > MAX_EXTRA_BYTES) {
            return Err(wrong("the extra data are empty or too long"));
        }
        Ok(Self { extra, index, path, checkpoint })
    }

    /// Reads a proof file.
    ///
    /// # Errors
    /// [`ProofError::TooLarge`], [`ProofError::TlogProofFormat`], and as [`SignedNote::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |reason| ProofError::TlogProofFormat { reason };
        if bytes.len() > MAX_BYTES {
            return Err(ProofError::TooLarge { what: "proof file", len: bytes.len(), max: MAX_BYTES });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or_else(|| wrong("the checkpoint is missing"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(wrong("the first line names another format"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra")) {
            Some(line) => {
                let encoded =
                    line.strip_prefix("extra ").ok_or_else(|| wrong("the extra line is malformed"))?;
                if encoded.len() > MAX_EXTRA_BYTES.div_ceil(3) * 4 {
                    return Err(wrong("the extra data are empty or too long"));
                }
                Some(STANDARD.decode(encoded).map_err(|_| wrong("the extra data are not base64"))?)
            }
            None => None,
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(parse_decimal)
            .ok_or_else(|| wrong("the index line is missing or malformed"))?;
        let path = lines
            .take(MAX_PATH + 1)
            .map(|line| decode_hash(line).ok_or_else(|| wrong("a hash is not base64 of 32 bytes")))
            .collect::<Result<Vec<_>>>()?;
        Self::new(extra, index, path, SignedNote::parse(note.as_bytes())?)
    }

    /// The proof file: what [`TlogProof::parse`] reads.
    pub fn format(&self) -> String {
        let mut out = format!("{FIRST_LINE}\n");
        if let Some(extra) = &self.extra {
            out.push_str("extra ");
            STANDARD.encode_string(extra, &mut out);
            out.push('\n');
        }
        out.push_str(&format!("index {}\n", self.index));
        for hash in &self.path {
            out.push_str(&encode_hash(hash));
            out.push('\n');
        }
        out.push('\n');
        out.push_str(&self.checkpoint.format());
        out
    }

    /// Opaque data that nobody signed.
    pub fn unverified_extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Zero-based index of the entry.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The inclusion proof, from the leaf's sibling upwards.
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// The checkpoint, not verified.
    pub fn checkpoint(&self) -> &SignedNote {
        &self.checkpoint
    }

    /// Verifies that the log with this origin and key contains the leaf at [`TlogProof::index`]. The caller judges
    /// whether the verified witnesses in the answer are enough.
    ///
    /// # Errors
    /// As [`checkpoint::open`] and [`verify_inclusion`].
    pub fn verify(
        &self,
        leaf: &Hash,
        origin: &str,
        log_key: &VerifierKey,
        witnesses: &[VerifierKey],
    ) -> Result<OpenedCheckpoint> {
        let opened = checkpoint::open(self.checkpoint.format().as_bytes(), origin, log_key, witnesses)?;
        let (size, root) = (opened.checkpoint.size(), opened.checkpoint.root());
        verify_inclusion(leaf, self.index, size, &self.path, root)?;
        Ok(opened)
    }
}
