// SPDX-License-Identifier: EUPL-1.2
//! The key hierarchy: root key, tenant key, message key, blob key.
//!
//! Guarantees: keys are 32 random bytes, wiped when dropped, redacted in `Debug`. A wrapped key is AES-256-GCM
//! (NIST SP 800-38D) with a random 96-bit nonce and is bound to its owner through the associated data, so a
//! row copied to another tenant or message does not open. Blob keys are derived by HKDF-SHA256 (RFC 5869), so
//! no two blobs share a nonce space.
//! Does not: rotate keys by itself, or forget: destroying a message means deleting its wrapped key from every
//! copy. Random nonces allow about 2^32 wrappings per wrapping key (SP 800-38D, 8.3).
//!
//! Text forms: root key file `poststelle-root-key-v1 <base64>`; wrapped keys `v1.<base64url>`, sealed secrets
//! `s1.<base64url>`, both of nonce, ciphertext and tag.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::error::{CryptoError, Result};
use crate::password::Cost;
use crate::random;
use crate::token::MacKey;

/// Length of every key of the hierarchy in bytes.
pub const KEY_LEN: usize = 32;
/// Largest secret that [`TenantKey::seal_secret`] takes, in bytes.
pub const SECRET_MAX: usize = 64 * 1024;
const TAG_LEN: usize = 16;
const FILE_PREFIX: &str = "poststelle-root-key-v1 ";
/// A key file is about 70 bytes; more is not read.
const FILE_MAX: u64 = 256;
const IDENTIFIER_MAX: usize = 256;
const KEY_MARK: &str = "v1.";
const SECRET_MARK: &str = "s1.";
/// First bytes of the associated data: a sealed secret never opens as a wrapped key, nor the reverse.
const KEY_DOMAIN: &[u8] = b"poststelle/key/v1\0";
const SECRET_DOMAIN: &[u8] = b"poststelle/secret/v1\0";

/// Something that wraps keys: the root key in memory today, a PKCS#11 token later.
pub trait KeyEncryption: Send + Sync {
    /// Wraps a key. `aad` names the owner and must be given again to unwrap.
    ///
    /// # Errors
    /// [`CryptoError::Random`] or [`CryptoError::Internal`].
    fn wrap(&self, aad: &[u8], key: &[u8; KEY_LEN]) -> Result<String>;

    /// Opens what [`KeyEncryption::wrap`] made.
    ///
    /// # Errors
    /// [`CryptoError::WrappedFormat`], [`CryptoError::WrappedVersion`], or [`CryptoError::WrongKeyOrContext`].
    fn unwrap(&self, aad: &[u8], wrapped: &str) -> Result<Zeroizing<[u8; KEY_LEN]>>;
}

macro_rules! secret_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(Zeroizing<[u8; KEY_LEN]>);

        impl $name {
            /// A new random key.
            ///
            /// # Errors
            /// [`CryptoError::Random`] when the system gives no random bytes.
            pub fn generate() -> Result<Self> {
                let mut key = Zeroizing::new([0u8; KEY_LEN]);
                random::fill(key.as_mut_slice())?;
                Ok(Self(key))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

secret_key! {
    /// Wraps the tenant keys. One per installation, kept in a file of its own, never in the database.
    RootKey
}
secret_key! {
    /// Wraps the message keys of one tenant and seals its small secrets.
    TenantKey
}
secret_key! {
    /// The key of one message; its blob keys are derived from it. Destroying its wrapped form deletes the message.
    MessageKey
}

/// The key of one blob, see [`MessageKey::derive_blob_key`] and [`crate::chunked`].
///
/// Cloning shares the key, it does not copy it; it is wiped with the last clone.
#[derive(Clone)]
pub struct BlobKey(Arc<LessSafeKey>);

impl BlobKey {
    pub(crate) fn aead(&self) -> &LessSafeKey {
        &self.0
    }
}

impl fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobKey(redacted)")
    }
}

impl RootKey {
    /// Creates a new root key and its file with mode 0600. The file is on disk when this returns.
    ///
    /// # Errors
    /// [`CryptoError::KeyFileExists`] when there is a file, [`CryptoError::KeyFileIo`] when it cannot be written.
    pub fn create_file(path: &Path) -> Result<Self> {
        let io = |source| CryptoError::KeyFileIo { path: path.to_owned(), source };
        let key = Self::generate()?;
        let mut line = Zeroizing::new(String::with_capacity(FILE_MAX as usize));
        line.push_str(FILE_PREFIX);
        STANDARD.encode_string(key.0.as_slice(), &mut line);
        line.push('\n');

        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => CryptoError::KeyFileExists { path: path.to_owned() },
            _ => io(error),
        })?;
        file.write_all(line.as_bytes()).map_err(io)?;
        file.sync_all().map_err(io)?;
        sync_parent(path).map_err(io)?;
        Ok(key)
    }

    /// Loads the root key. The check for foreign access is made on the opened file, not on its name.
    ///
    /// # Errors
    /// [`CryptoError::KeyFileMissing`], [`CryptoError::KeyFilePermissions`] when group or others have any access,
    /// [`CryptoError::KeyFileFormat`], [`CryptoError::KeyFileIo`].
    pub fn load_file(path: &Path) -> Result<Self> {
        let io = |source| CryptoError::KeyFileIo { path: path.to_owned(), source };
        let wrong = |reason| CryptoError::KeyFileFormat { path: path.to_owned(), reason };
        let file = File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => CryptoError::KeyFileMissing { path: path.to_owned() },
            _ => io(error),
        })?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(wrong("it is not a regular file"));
        }
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
            if mode & 0o077 != 0 {
                return Err(CryptoError::KeyFilePermissions { path: path.to_owned(), mode });
            }
        }
        let mut text = Zeroizing::new(Vec::with_capacity(FILE_MAX as usize + 1));
        file.take(FILE_MAX + 1).read_to_end(&mut text).map_err(io)?;
        if text.len() as u64 > FILE_MAX {
            return Err(wrong("it is longer than one line"));
        }
        let line = std::str::from_utf8(&text).map_err(|_| wrong("it is not text"))?;
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let encoded = line
            .strip_prefix(FILE_PREFIX)
            .ok_or_else(|| wrong("the line does not begin as a root key does"))?;
        Ok(Self(decode_key(encoded).ok_or_else(|| wrong("the key is not base64 of 32 bytes"))?))
    }

    /// Loads the root key, or creates it when there is no file.
    ///
    /// Only for a new installation: where tenant keys are stored already, a missing file must stop the hub, for a
    /// fresh root key opens none of them.
    ///
    /// # Errors
    /// As [`RootKey::load_file`] and [`RootKey::create_file`].
    pub fn load_or_create_file(path: &Path) -> Result<Self> {
        match Self::load_file(path) {
            Err(CryptoError::KeyFileMissing { .. }) => match Self::create_file(path) {
                // Another process was faster; its key is the key.
                Err(CryptoError::KeyFileExists { .. }) => Self::load_file(path),
                other => other,
            },
            other => other,
        }
    }
}

impl KeyEncryption for RootKey {
    fn wrap(&self, aad: &[u8], key: &[u8; KEY_LEN]) -> Result<String> {
        seal_text(&self.0, KEY_MARK, &[KEY_DOMAIN, aad], key)
    }

    fn unwrap(&self, aad: &[u8], wrapped: &str) -> Result<Zeroizing<[u8; KEY_LEN]>> {
        open_key(&self.0, aad, wrapped)
    }
}

impl KeyEncryption for TenantKey {
    fn wrap(&self, aad: &[u8], key: &[u8; KEY_LEN]) -> Result<String> {
        seal_text(&self.0, KEY_MARK, &[KEY_DOMAIN, aad], key)
    }

    fn unwrap(&self, aad: &[u8], wrapped: &str) -> Result<Zeroizing<[u8; KEY_LEN]>> {
        open_key(&self.0, aad, wrapped)
    }
}

/// A key made from a passphrase by Argon2id: wraps what travels in a file between two installations.
///
/// Whoever has the file can try passphrases at the price of the cost, so the passphrase must be a long one.
pub struct PassphraseKey(Zeroizing<[u8; KEY_LEN]>);

impl PassphraseKey {
    /// The key of `passphrase` with the salt and cost written into the file.
    ///
    /// # Errors
    /// [`CryptoError::PasswordTooLong`], or [`CryptoError::PasswordCost`] for a cost outside the caps.
    pub fn derive(passphrase: &[u8], salt: &[u8; 16], cost: Cost) -> Result<Self> {
        crate::password::derive_key(cost, passphrase, salt).map(Self)
    }
}

impl fmt::Debug for PassphraseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassphraseKey(redacted)")
    }
}

impl KeyEncryption for PassphraseKey {
    fn wrap(&self, aad: &[u8], key: &[u8; KEY_LEN]) -> Result<String> {
        seal_text(&self.0, KEY_MARK, &[KEY_DOMAIN, aad], key)
    }

    fn unwrap(&self, aad: &[u8], wrapped: &str) -> Result<Zeroizing<[u8; KEY_LEN]>> {
        open_key(&self.0, aad, wrapped)
    }
}

impl TenantKey {
    /// The key wrapped by the root, bound to `tenant:<id>`.
    ///
    /// # Errors
    /// [`CryptoError::ContextFormat`] for an unusable id, else as [`KeyEncryption::wrap`].
    pub fn wrapped_by(&self, root: &dyn KeyEncryption, tenant: &str) -> Result<String> {
        root.wrap(context("tenant", &[tenant])?.as_bytes(), &self.0)
    }

    /// Opens what [`TenantKey::wrapped_by`] made for the same tenant.
    ///
    /// # Errors
    /// [`CryptoError::ContextFormat`] for an unusable id, else as [`KeyEncryption::unwrap`].
    pub fn from_wrapped(root: &dyn KeyEncryption, tenant: &str, wrapped: &str) -> Result<Self> {
        root.unwrap(context("tenant", &[tenant])?.as_bytes(), wrapped).map(Self)
    }

    /// Seals a small secret of the tenant (private key, web hook secret, password of a remote mailbox) as text.
    /// `purpose` is bound to it and must be given again.
    ///
    /// # Errors
    /// [`CryptoError::SecretTooLarge`] above 64 KiB, [`CryptoError::Random`].
    pub fn seal_secret(&self, purpose: &str, secret: &[u8]) -> Result<String> {
        if secret.len() > SECRET_MAX {
            return Err(CryptoError::SecretTooLarge { len: secret.len(), max: SECRET_MAX });
        }
        seal_text(&self.0, SECRET_MARK, &[SECRET_DOMAIN, purpose.as_bytes()], secret)
    }

    /// Opens what [`TenantKey::seal_secret`] made for the same purpose.
    ///
    /// # Errors
    /// [`CryptoError::WrappedFormat`], [`CryptoError::WrappedVersion`], [`CryptoError::WrongKeyOrContext`].
    pub fn open_secret(&self, purpose: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>> {
        open_text(&self.0, SECRET_MARK, &[SECRET_DOMAIN, purpose.as_bytes()], sealed)
    }

    /// A key for authentication codes, derived for one purpose (`"bounce"`, `"csrf"`); the same purpose always
    /// gives the same key.
    ///
    /// # Errors
    /// [`CryptoError::Internal`] when the derivation fails.
    pub fn mac_key(&self, purpose: &str) -> Result<MacKey> {
        let secret = derive(&self.0, b"poststelle/mac/v1\0", purpose.as_bytes())?;
        MacKey::new(secret.as_slice())
    }
}

impl MessageKey {
    /// The key wrapped by its tenant's key, bound to `message:<tenant>:<message>`.
    ///
    /// # Errors
    /// [`CryptoError::ContextFormat`] for an unusable id, else as [`KeyEncryption::wrap`].
    pub fn wrapped_by(&self, tenant_key: &dyn KeyEncryption, tenant: &str, message: &str) -> Result<String> {
        tenant_key.wrap(context("message", &[tenant, message])?.as_bytes(), &self.0)
    }

    /// Opens what [`MessageKey::wrapped_by`] made for the same tenant and message.
    ///
    /// # Errors
    /// [`CryptoError::ContextFormat`] for an unusable id, else as [`KeyEncryption::unwrap`].
    pub fn from_wrapped(
        tenant_key: &dyn KeyEncryption,
        tenant: &str,
        message: &str,
        wrapped: &str,
    ) -> Result<Self> {
        tenant_key.unwrap(context("message", &[tenant, message])?.as_bytes(), wrapped).map(Self)
    }

    /// The key of one blob of this message.
    ///
    /// # Errors
    /// [`CryptoError::Internal`] when the derivation fails.
    pub fn derive_blob_key(&self, blob_id: &[u8]) -> Result<BlobKey> {
        let secret = derive(&self.0, b"poststelle/blob/v1\0", blob_id)?;
        aead(&secret).map(|key| BlobKey(Arc::new(key)))
    }
}

/// The key of one blob of a message, see [`MessageKey::derive_blob_key`].
///
/// # Errors
/// [`CryptoError::Internal`] when the derivation fails.
pub fn derive_blob_key(message_key: &MessageKey, blob_id: &[u8]) -> Result<BlobKey> {
    message_key.derive_blob_key(blob_id)
}

/// `kind:part:part`. Separators inside parts are refused, so no two owners share one text.
fn context(kind: &str, parts: &[&str]) -> Result<String> {
    let mut out = kind.to_owned();
    for part in parts {
        if part.is_empty() || part.len() > IDENTIFIER_MAX || part.contains(':') {
            return Err(CryptoError::ContextFormat);
        }
        out.push(':');
        out.push_str(part);
    }
    Ok(out)
}

fn derive(key: &[u8; KEY_LEN], domain: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>> {
    let fault = |_| CryptoError::Internal { what: "HKDF-SHA256" };
    let mut out = Zeroizing::new([0u8; KEY_LEN]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, domain)
        .extract(key)
        .expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .map_err(fault)?;
    Ok(out)
}

fn aead(key: &[u8; KEY_LEN]) -> Result<LessSafeKey> {
    let key =
        UnboundKey::new(&AES_256_GCM, key).map_err(|_| CryptoError::Internal { what: "AES-256 key" })?;
    Ok(LessSafeKey::new(key))
}

fn seal_text(key: &[u8; KEY_LEN], mark: &str, aad: &[&[u8]], plain: &[u8]) -> Result<String> {
    let nonce: [u8; NONCE_LEN] = random::array()?;
    let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + TAG_LEN));
    body.extend_from_slice(plain);
    aead(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad.concat()), &mut *body)
        .map_err(|_| CryptoError::Internal { what: "AES-256-GCM sealing" })?;
    let mut raw = nonce.to_vec();
    raw.extend_from_slice(&body);
    let mut out = mark.to_owned();
    URL_SAFE_NO_PAD.encode_string(raw, &mut out);
    Ok(out)
}

fn open_text(key: &[u8; KEY_LEN], mark: &str, aad: &[&[u8]], text: &str) -> Result<Zeroizing<Vec<u8>>> {
    let wrong = |reason| CryptoError::WrappedFormat { reason };
    let Some(encoded) = text.strip_prefix(mark) else {
        let first = mark.get(..1).unwrap_or_default();
        let version =
            text.strip_prefix(first).and_then(|rest| rest.split_once('.')).map(|(version, _)| version);
        return Err(match version {
            Some(v) if !v.is_empty() && v.len() < 4 && v.bytes().all(|b| b.is_ascii_digit()) => {
                CryptoError::WrappedVersion
            }
            _ => wrong("the mark of the version is missing"),
        });
    };
    if encoded.len() > (SECRET_MAX + NONCE_LEN + TAG_LEN) * 4 / 3 + 4 {
        return Err(wrong("it is too long"));
    }
    let raw = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| wrong("it is not base64url"))?;
    let Some((nonce, body)) = raw.split_first_chunk::<NONCE_LEN>() else {
        return Err(wrong("it is too short"));
    };
    if body.len() < TAG_LEN {
        return Err(wrong("it is too short"));
    }
    let mut body = Zeroizing::new(body.to_vec());
    let plain = aead(key)?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad.concat()), &mut body)
        .map_err(|_| CryptoError::WrongKeyOrContext)?
        .len();
    body.truncate(plain);
    Ok(body)
}

fn open_key(key: &[u8; KEY_LEN], aad: &[u8], wrapped: &str) -> Result<Zeroizing<[u8; KEY_LEN]>> {
    let plain = open_text(key, KEY_MARK, &[KEY_DOMAIN, aad], wrapped)?;
    let bytes = <&[u8; KEY_LEN]>::try_from(plain.as_slice())
        .map_err(|_| CryptoError::WrappedFormat { reason: "it does not hold 32 bytes" })?;
    Ok(Zeroizing::new(*bytes))
}

fn decode_key(encoded: &str) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let mut buffer = Zeroizing::new([0u8; KEY_LEN + 4]);
    let len = STANDARD.decode_slice(encoded, buffer.as_mut_slice()).ok()?;
    let bytes: &[u8; KEY_LEN] = buffer.get(..len)?.try_into().ok()?;
    Some(Zeroizing::new(*bytes))
}

/// Makes the new name durable; without it a power cut can lose a file whose content was synced.
fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
