// SPDX-License-Identifier: EUPL-1.2
//! The one error of this crate.
//!
//! Guarantees: each variant says what was wrong and carries a stable code ([`ProofError::code`]). A variant is
//! either *malformed* (the bytes are not what they claim to be), *refused* (a cap, named in the text), or
//! *disproved* (well-formed, but the claim is false): see [`ProofError::disproves`]. Nothing here becomes true by
//! trying again. Does not: hold German sentences, those are keyed by code elsewhere.

use poststelle_crypto::CryptoError;

/// Result of every fallible function of this crate.
pub type Result<T, E = ProofError> = std::result::Result<T, E>;

/// What can be wrong with evidence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// A number in JSON is not an integer.
    #[error(
        "JSON holds a number with fraction or exponent; canonical evidence uses integers and strings only"
    )]
    JsonFloat,
    /// An integer is not exact in every JSON reader.
    #[error("JSON holds an integer beyond ±(2^53 - 1); write it as a string")]
    JsonInteger,
    /// JSON is nested too deeply.
    #[error("JSON is nested deeper than {max} levels")]
    JsonDepth {
        /// The cap.
        max: usize,
    },
    /// Bytes are not JSON.
    #[error("not valid JSON")]
    JsonSyntax,
    /// JSON is valid but not in canonical form.
    #[error("JSON is not in the canonical form of RFC 8785: the bytes differ from the form that was hashed")]
    JsonNotCanonical,
    /// Input is larger than the cap.
    #[error("{what} of {len} bytes exceeds the cap of {max} bytes")]
    TooLarge {
        /// What was read.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The cap in bytes.
        max: usize,
    },
    /// A tree size is above 2^63 - 1.
    #[error("tree size exceeds 2^63 - 1")]
    TreeSize,
    /// An index is not below the tree size.
    #[error("entry {index} does not exist in a tree of {size} entries")]
    IndexOutside {
        /// Zero-based index.
        index: u64,
        /// Tree size.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("a tree of {new} entries cannot extend one of {old} entries")]
    SizesReversed {
        /// Size said to be older.
        old: u64,
        /// Size said to be newer.
        new: u64,
    },
    /// A hash source does not hold a node.
    #[error("hash of level {level}, index {index} is not available")]
    MissingNode {
        /// Height above the leaves.
        level: u8,
        /// Index within the level.
        index: u64,
    },
    /// A tile source does not hold a tile.
    #[error("tile {path} is not available")]
    MissingTile {
        /// Its path.
        path: String,
    },
    /// An inclusion proof is false.
    #[error("inclusion proof is false: the entry is not at this place of the tree")]
    InclusionFalse,
    /// A consistency proof is false.
    #[error("consistency proof is false: the newer tree does not contain the older one unchanged")]
    ConsistencyFalse,
    /// A stored frontier cannot be read.
    #[error("stored tree frontier is malformed: {reason}")]
    FrontierFormat {
        /// What was found wrong.
        reason: &'static str,
    },
    /// A path does not name a tile or bundle.
    #[error("path names no tile or entry bundle")]
    TilePath,
    /// A tile has another length than its width demands.
    #[error("tile has {len} bytes where {expected} are expected")]
    TileLength {
        /// Bytes found.
        len: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// A width is not between 1 and 256.
    #[error("a tile holds 1 to 256 hashes, not {width}")]
    TileWidth {
        /// The width asked for.
        width: usize,
    },
    /// An entry bundle cannot be read.
    #[error("entry bundle is malformed: {reason}")]
    BundleFormat {
        /// What was found wrong.
        reason: &'static str,
    },
    /// A signed note cannot be read or made.
    #[error("signed note is malformed: {reason}")]
    NoteFormat {
        /// What was found wrong.
        reason: &'static str,
    },
    /// A note carries too many signatures.
    #[error("signed note carries more than {max} signatures")]
    NoteSignatures {
        /// The cap.
        max: usize,
    },
    /// A key name cannot be used.
    #[error("key name is empty, too long, or contains a space, control character or '+'")]
    KeyName,
    /// A verifier key cannot be read.
    #[error("verifier key is malformed: {reason}")]
    VerifierKeyFormat {
        /// What was found wrong.
        reason: &'static str,
    },
    /// A verifier key uses an algorithm this program does not know.
    #[error("verifier key uses signature type 0x{kind:02x}, which this program does not know")]
    VerifierKeyKind {
        /// The type byte.
        kind: u8,
    },
    /// Two trusted keys share name and id.
    #[error("two trusted keys share the name {name} and the same id; remove one of them")]
    AmbiguousKey {
        /// The shared name.
        name: String,
    },
    /// A trusted key's signature does not verify.
    #[error("signature of {name} does not verify: the text was changed")]
    SignatureFalse {
        /// Name of the key.
        name: String,
    },
    /// No trusted key signed.
    #[error("the note carries no signature of a trusted key")]
    NoTrustedSignature,
    /// The log's own signature is missing.
    #[error("the checkpoint is not signed by the key of its log")]
    NoLogSignature,
    /// A checkpoint cannot be read or made.
    #[error("checkpoint is malformed: {reason}")]
    CheckpointFormat {
        /// What was found wrong.
        reason: &'static str,
    },
    /// A checkpoint belongs to another log.
    #[error("checkpoint belongs to another log than the expected one")]
    WrongOrigin,
    /// A proof file cannot be read.
    #[error("proof file is malformed: {reason}")]
    TlogProofFormat {
        /// What was found wrong.
        reason: &'static str,
    },
    /// A primitive failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl ProofError {
    /// The stable code, e.g. `PST-PROOF-2301`. Codes are never reused for another meaning.
    pub fn code(&self) -> &'static str {
        match self {
            Self::JsonFloat => "PST-PROOF-2001",
            Self::JsonInteger => "PST-PROOF-2002",
            Self::JsonDepth { .. } => "PST-PROOF-2003",
            Self::JsonSyntax => "PST-PROOF-2004",
            Self::JsonNotCanonical => "PST-PROOF-2005",
            Self::TooLarge { .. } => "PST-PROOF-2006",
            Self::TreeSize => "PST-PROOF-2101",
            Self::IndexOutside { .. } => "PST-PROOF-2102",
            Self::SizesReversed { .. } => "PST-PROOF-2103",
            Self::MissingNode { .. } => "PST-PROOF-2104",
            Self::MissingTile { .. } => "PST-PROOF-2105",
            Self::InclusionFalse => "PST-PROOF-2106",
            Self::ConsistencyFalse => "PST-PROOF-2107",
            Self::FrontierFormat { .. } => "PST-PROOF-2108",
            Self::TilePath => "PST-PROOF-2201",
            Self::TileLength { .. } => "PST-PROOF-2202",
            Self::TileWidth { .. } => "PST-PROOF-2203",
            Self::BundleFormat { .. } => "PST-PROOF-2204",
            Self::NoteFormat { .. } => "PST-PROOF-2301",
            Self::NoteSignatures { .. } => "PST-PROOF-2302",
            Self::KeyName => "PST-PROOF-2303",
            Self::VerifierKeyFormat { .. } => "PST-PROOF-2304",
            Self::VerifierKeyKind { .. } => "PST-PROOF-2305",
            Self::AmbiguousKey { .. } => "PST-PROOF-2306",
            Self::SignatureFalse { .. } => "PST-PROOF-2307",
            Self::NoTrustedSignature => "PST-PROOF-2308",
            Self::NoLogSignature => "PST-PROOF-2401",
            Self::CheckpointFormat { .. } => "PST-PROOF-2402",
            Self::WrongOrigin => "PST-PROOF-2403",
            Self::TlogProofFormat { .. } => "PST-PROOF-2501",
            Self::Crypto(inner) => inner.code(),
        }
    }

    /// Whether well-formed evidence was found to be false, as opposed to unreadable, refused or incomplete.
    pub fn disproves(&self) -> bool {
        matches!(
            self,
            Self::InclusionFalse
                | Self::ConsistencyFalse
                | Self::SignatureFalse { .. }
                | Self::JsonNotCanonical
                | Self::WrongOrigin
        )
    }
}
