// SPDX-License-Identifier: EUPL-1.2
//! The one error of this crate.
//!
//! Guarantees: each variant says what was wrong and what to do, carries a stable code, says whose fault it
//! is and whether trying again can help. No text contains key material, tokens, passwords or plaintext.
//! Does not: hold the German sentence for the screen; that is keyed by [`CryptoError::code`] elsewhere.

use std::path::PathBuf;

/// Result of every fallible function of this crate.
pub type Result<T, E = CryptoError> = std::result::Result<T, E>;

/// Who has to act when an error occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The operator of the installation: a key file, its permissions, the disk, the machine.
    Operator,
    /// The stored data is damaged, incomplete or belongs to something else.
    Data,
    /// The person or program that presented the input.
    Caller,
    /// The hub itself: a defect that the makers must repair.
    Hub,
}

/// What can go wrong with keys, blobs, passwords, tokens and signatures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The random generator of the operating system gave nothing.
    #[error("the system's random generator failed; try again, then check the operating system")]
    Random,
    /// The root key file does not exist.
    #[error(
        "root key file {path} does not exist; restore it from its safe copy, or create one for a new installation"
    )]
    KeyFileMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A root key file is to be created where a file already is.
    #[error(
        "root key file {path} already exists and is not overwritten; move it away first if it is really obsolete"
    )]
    KeyFileExists {
        /// The existing file.
        path: PathBuf,
    },
    /// Others than the owner may read or write the root key file.
    #[error(
        "root key file {path} has mode {mode:04o} and is accessible to group or others; run: chmod 600 {path}"
    )]
    KeyFilePermissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The root key file is not one line `poststelle-root-key-v1 <base64>`.
    #[error("root key file {path} is not a root key: {reason}; restore it from its safe copy")]
    KeyFileFormat {
        /// The file.
        path: PathBuf,
        /// What was found wrong, without content.
        reason: &'static str,
    },
    /// Reading or writing the root key file failed.
    #[error("root key file {path}: {source}")]
    KeyFileIo {
        /// The file.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// A wrapped key or sealed secret is not in the expected text form.
    #[error(
        "wrapped key or secret is malformed: {reason}; the stored value is damaged, restore it from the backup"
    )]
    WrappedFormat {
        /// What was found wrong.
        reason: &'static str,
    },
    /// A wrapped key or sealed secret was made by a newer version.
    #[error("wrapped key or secret has an unknown version; it was written by a newer version of the hub")]
    WrappedVersion,
    /// Unwrapping failed: other key, other context, or damaged.
    #[error(
        "wrapped key or secret cannot be opened: it was wrapped under another key or for another owner, or is damaged"
    )]
    WrongKeyOrContext,
    /// An identifier used to bind a key is empty, too long or contains a separator.
    #[error("identifier cannot be used to bind a key: it is empty, longer than 256 bytes or contains ':'")]
    ContextFormat,
    /// A secret is larger than what may be sealed as text.
    #[error("secret of {len} bytes exceeds the cap of {max} bytes; store it as a blob")]
    SecretTooLarge {
        /// Its size in bytes.
        len: usize,
        /// The cap in bytes.
        max: usize,
    },
    /// The first bytes of a blob are not a blob header.
    #[error("blob header is not valid: {reason}; the file is damaged or not a sealed blob")]
    BlobHeader {
        /// What was found wrong.
        reason: &'static str,
    },
    /// The blob was written by a newer version.
    #[error("blob format version {found} is unknown; it was written by a newer version of the hub")]
    BlobVersion {
        /// The version byte.
        found: u8,
    },
    /// A sealed blob cannot have this length.
    #[error(
        "no sealed blob has a length of {len} bytes; the file was cut or extended, restore it from the backup"
    )]
    BlobLength {
        /// The length in bytes.
        len: u64,
    },
    /// A chunk does not decrypt.
    #[error(
        "chunk {chunk} of the blob does not decrypt: damaged, cut, moved or sealed under another key; restore it from the backup"
    )]
    BlobDamaged {
        /// Zero-based chunk index.
        chunk: u32,
    },
    /// A blob would need more chunks than its counter can count.
    #[error("blob is too large for its chunk size; choose a larger chunk size")]
    BlobTooLarge,
    /// The range lies outside the plaintext.
    #[error("range {start}..{end} lies outside the blob of {len} bytes")]
    RangeOutside {
        /// First byte asked for.
        start: u64,
        /// One past the last byte asked for.
        end: u64,
        /// Length of the plaintext.
        len: u64,
    },
    /// The chunk size is outside the allowed bounds.
    #[error("chunk size {size} is outside {min}..={max} bytes")]
    ChunkSize {
        /// The size asked for.
        size: u32,
        /// Smallest allowed.
        min: u32,
        /// Largest allowed.
        max: u32,
    },
    /// The password is longer than the cap.
    #[error("password is longer than {max} bytes; choose a shorter one")]
    PasswordTooLong {
        /// The cap in bytes.
        max: usize,
    },
    /// The stored password hash is not an Argon2 PHC string.
    #[error("stored password hash is not a valid Argon2id string; set a new password for this person")]
    PasswordHashFormat,
    /// The parameters of a password hash are outside the caps.
    #[error("password hash parameters are outside the caps; set a new password for this person")]
    PasswordCost,
    /// The text is not a token of ours.
    #[error("token is malformed; it must be the text that was issued, unchanged")]
    TokenFormat,
    /// A keyed check value does not match.
    #[error("authentication code does not match: the data was changed or signed with another key")]
    MacMismatch,
    /// A key for authentication codes is too short.
    #[error("key for authentication codes must have at least {min} bytes")]
    MacKeyTooShort {
        /// The least number of bytes.
        min: usize,
    },
    /// A note signature does not verify.
    #[error("Ed25519 signature does not verify: the text was changed or signed with another key")]
    SignatureMismatch,
    /// Bytes are not an Ed25519 key.
    #[error("bytes are not an Ed25519 private key in PKCS#8; restore the key from the backup")]
    SigningKeyFormat,
    /// Text is not hexadecimal of the expected length.
    #[error("text is not hexadecimal of {expected} bytes")]
    HexFormat {
        /// Bytes expected.
        expected: usize,
    },
    /// Octets are not the CMS object they should be.
    #[error("encrypted or signed object is not well formed: {reason}; ask the sender to send it again")]
    CmsFormat {
        /// What was found wrong, without content.
        reason: &'static str,
    },
    /// A message is encrypted for others only.
    #[error("message is not encrypted for any key of this mailbox but for: {}; import that key, or ask the sender to use the current certificate", recipients.join(", "))]
    NoRecipient {
        /// Issuer and serial number or key identifier of those it is for, at most 20.
        recipients: Vec<String>,
    },
    /// Encrypted with an algorithm we do not read.
    #[error(
        "message is encrypted with algorithm {algorithm}, which is not supported; ask the sender to use AES"
    )]
    CipherUnknown {
        /// Its name or identifier.
        algorithm: String,
    },
    /// The message does not decrypt with the key it names; nothing more is said, so that nobody learns by trying.
    #[error("message does not decrypt: it is damaged, or was encrypted for another key of the same name")]
    Undecryptable,
    /// A private key or a certificate cannot be used for this.
    #[error("key cannot be used: {reason}; import a key and certificate that fit")]
    KeyUnusable {
        /// Why, without content.
        reason: &'static str,
    },
    /// A document cannot take a signature.
    #[error("document cannot be signed: {reason}; sign it detached, or convert it first")]
    NotSignable {
        /// Why, without content.
        reason: String,
    },
    /// A token behind PKCS#11 gave no answer.
    #[error("key token does not answer: {reason}; check the token, its module and its PIN")]
    Token {
        /// What the module said.
        reason: String,
    },
    /// A primitive refused what it must accept.
    #[error("internal fault in {what}; please report this defect")]
    Internal {
        /// The operation.
        what: &'static str,
    },
}

impl CryptoError {
    /// The stable code, e.g. `PST-CRYPTO-1004`. Codes are never reused for another meaning.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Random => "PST-CRYPTO-1001",
            Self::KeyFileMissing { .. } => "PST-CRYPTO-1101",
            Self::KeyFileExists { .. } => "PST-CRYPTO-1102",
            Self::KeyFilePermissions { .. } => "PST-CRYPTO-1103",
            Self::KeyFileFormat { .. } => "PST-CRYPTO-1104",
            Self::KeyFileIo { .. } => "PST-CRYPTO-1105",
            Self::WrappedFormat { .. } => "PST-CRYPTO-1201",
            Self::WrappedVersion => "PST-CRYPTO-1202",
            Self::WrongKeyOrContext => "PST-CRYPTO-1203",
            Self::ContextFormat => "PST-CRYPTO-1204",
            Self::SecretTooLarge { .. } => "PST-CRYPTO-1205",
            Self::BlobHeader { .. } => "PST-CRYPTO-1301",
            Self::BlobVersion { .. } => "PST-CRYPTO-1302",
            Self::BlobLength { .. } => "PST-CRYPTO-1303",
            Self::BlobDamaged { .. } => "PST-CRYPTO-1304",
            Self::BlobTooLarge => "PST-CRYPTO-1305",
            Self::RangeOutside { .. } => "PST-CRYPTO-1306",
            Self::ChunkSize { .. } => "PST-CRYPTO-1307",
            Self::PasswordTooLong { .. } => "PST-CRYPTO-1401",
            Self::PasswordHashFormat => "PST-CRYPTO-1402",
            Self::PasswordCost => "PST-CRYPTO-1403",
            Self::TokenFormat => "PST-CRYPTO-1501",
            Self::MacMismatch => "PST-CRYPTO-1502",
            Self::MacKeyTooShort { .. } => "PST-CRYPTO-1503",
            Self::SignatureMismatch => "PST-CRYPTO-1601",
            Self::SigningKeyFormat => "PST-CRYPTO-1602",
            Self::HexFormat { .. } => "PST-CRYPTO-1701",
            Self::CmsFormat { .. } => "PST-CRYPTO-1801",
            Self::NoRecipient { .. } => "PST-CRYPTO-1802",
            Self::CipherUnknown { .. } => "PST-CRYPTO-1803",
            Self::Undecryptable => "PST-CRYPTO-1804",
            Self::KeyUnusable { .. } => "PST-CRYPTO-1805",
            Self::Token { .. } => "PST-CRYPTO-1806",
            Self::NotSignable { .. } => "PST-CRYPTO-1807",
            Self::Internal { .. } => "PST-CRYPTO-1901",
        }
    }

    /// Whether the same call may succeed later without anybody acting.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Random | Self::KeyFileIo { .. } | Self::Token { .. })
    }

    /// Who has to act.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Random
            | Self::KeyFileMissing { .. }
            | Self::KeyFileExists { .. }
            | Self::KeyFilePermissions { .. }
            | Self::KeyFileFormat { .. }
            | Self::KeyFileIo { .. }
            | Self::WrappedVersion
            | Self::NoRecipient { .. }
            | Self::KeyUnusable { .. }
            | Self::Token { .. }
            | Self::BlobVersion { .. } => Fault::Operator,
            Self::WrappedFormat { .. }
            | Self::WrongKeyOrContext
            | Self::BlobHeader { .. }
            | Self::BlobLength { .. }
            | Self::BlobDamaged { .. }
            | Self::PasswordHashFormat
            | Self::PasswordCost
            | Self::SigningKeyFormat => Fault::Data,
            Self::RangeOutside { .. }
            | Self::CmsFormat { .. }
            | Self::CipherUnknown { .. }
            | Self::Undecryptable
            | Self::NotSignable { .. }
            | Self::PasswordTooLong { .. }
            | Self::TokenFormat
            | Self::MacMismatch
            | Self::SignatureMismatch
            | Self::HexFormat { .. } => Fault::Caller,
            Self::ContextFormat
            | Self::SecretTooLarge { .. }
            | Self::BlobTooLarge
            | Self::ChunkSize { .. }
            | Self::MacKeyTooShort { .. }
            | Self::Internal { .. } => Fault::Hub,
        }
    }
}
