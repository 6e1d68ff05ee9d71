// SPDX-License-Identifier: EUPL-1.2
//! Checkpoints (C2SP tlog-checkpoint): the signed size and root of a log.
//!
//! Guarantees: one spelling per checkpoint; [`open`] believes a checkpoint only when the log's own key signed it
//! and the origin is the expected one. A checkpoint of size 0 must carry the root of the empty tree.
//! Does not: see to it that a log never signs two checkpoints that contradict each other. The signer keeps the
//! last one and verifies consistency before signing; witnesses and copies held by others reveal a breach.

use crate::error::{ProofError, Result};
use crate::merkle::{Hash, check_size, decode_hash, empty_root, encode_hash, parse_decimal};
use crate::note::{self, NoteSigner, SignedNote, VerifiedSignature, VerifierKey};

/// Longest origin, in bytes.
pub const MAX_ORIGIN_BYTES: usize = 1024;
/// Most extension lines.
pub const MAX_EXTENSIONS: usize = 32;
/// Longest extension line, in bytes.
pub const MAX_EXTENSION_BYTES: usize = 4096;

/// Size and root of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// A checkpoint without extension lines, whose use is not recommended.
    ///
    /// # Errors
    /// [`ProofError::CheckpointFormat`] for an unusable origin or a wrong empty root, [`ProofError::TreeSize`].
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Self> {
        Self::with_extensions(origin, size, root, Vec::new())
    }

    /// A checkpoint with extension lines.
    ///
    /// # Errors
    /// As [`Checkpoint::new`], and [`ProofError::CheckpointFormat`] for unusable extension lines.
    pub fn with_extensions(origin: &str, size: u64, root: Hash, extensions: Vec<String>) -> Result<Self> {
        let wrong = |reason| ProofError::CheckpointFormat { reason };
        check_size(size)?;
        if !is_line(origin, MAX_ORIGIN_BYTES) {
            return Err(wrong("the origin is empty, too long or holds a control character"));
        }
        if size == 0 && root != empty_root() {
            return Err(wrong("the root of the empty tree is another one"));
        }
        if extensions.len() > MAX_EXTENSIONS
            || !extensions.iter().all(|line| is_line(line, MAX_EXTENSION_BYTES))
        {
            return Err(wrong("there are too many extension lines, or one is empty, too long or not text"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// Unique name of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree of that size.
    pub fn root(&self) -> &Hash {
        &self.root
    }

    /// Opaque lines after the root.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// The text that is signed.
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\n{}\n{}\n", self.origin, self.size, encode_hash(&self.root));
        for line in &self.extensions {
            out.push_str(line);
            out.push('\n');
        }
        out
    }

    /// Reads the text of a note that was verified before.
    ///
    /// # Errors
    /// [`ProofError::CheckpointFormat`], [`ProofError::TreeSize`].
    pub fn from_text(text: &str) -> Result<Self> {
        let wrong = |reason| ProofError::CheckpointFormat { reason };
        let body = text.strip_suffix('\n').ok_or_else(|| wrong("its last line is cut off"))?;
        let mut lines = body.split('\n');
        let origin = lines.next().ok_or_else(|| wrong("the origin is missing"))?;
        let size = lines.next().ok_or_else(|| wrong("the size is missing"))?;
        let size = parse_decimal(size).ok_or_else(|| wrong("the size is not a plain decimal number"))?;
        let root = lines.next().ok_or_else(|| wrong("the root is missing"))?;
        let root = decode_hash(root).ok_or_else(|| wrong("the root is not base64 of 32 bytes"))?;
        let extensions: Vec<String> = lines.take(MAX_EXTENSIONS + 1).map(str::to_owned).collect();
        Self::with_extensions(origin, size, root, extensions)
    }

    /// Signs the checkpoint. The key name should be the origin.
    ///
    /// # Errors
    /// As [`NoteSigner::sign`] and [`SignedNote::new`].
    pub fn sign(&self, signers: &[&NoteSigner]) -> Result<SignedNote> {
        let text = self.to_text();
        let signatures = signers.iter().map(|signer| signer.sign(&text)).collect::<Result<Vec<_>>>()?;
        SignedNote::new(&text, signatures)
    }
}

fn is_line(text: &str, max: usize) -> bool {
    !text.is_empty() && text.len() <= max && !text.chars().any(|c| c < ' ')
}

/// A checkpoint that its log signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedCheckpoint {
    /// Size and root.
    pub checkpoint: Checkpoint,
    /// Verified signatures of the given witnesses, with the time of each cosignature.
    pub witnesses: Vec<VerifiedSignature>,
}

/// Reads a signed checkpoint and verifies it: the origin is `origin`, the log's key signed it, and every signature
/// of a given witness is genuine. How many witnesses are enough is for the caller to say.
///
/// # Errors
/// As [`SignedNote::parse`] and [`note::open`]; [`ProofError::NoLogSignature`] when only witnesses signed,
/// [`ProofError::CheckpointFormat`], [`ProofError::WrongOrigin`].
pub fn open(
    signed: &[u8],
    origin: &str,
    log_key: &VerifierKey,
    witnesses: &[VerifierKey],
) -> Result<OpenedCheckpoint> {
    let note = SignedNote::parse(signed)?;
    let mut trusted = vec![log_key.clone()];
    trusted.extend_from_slice(witnesses);
    let opened = note::open(&note, &trusted)?;
    if !opened.is_signed_by(log_key) {
        return Err(ProofError::NoLogSignature);
    }
    let checkpoint = Checkpoint::from_text(&opened.text)?;
    if checkpoint.origin != origin {
        return Err(ProofError::WrongOrigin);
    }
    let witnesses = opened.signed_by.into_iter().filter(|signature| signature.key != *log_key).collect();
    Ok(OpenedCheckpoint { checkpoint, witnesses })
}
