// SPDX-License-Identifier: EUPL-1.2
//! Keys that encrypted mail is opened with: PEM files, one folder for each tenant.
//!
//! Guarantees: a key that cannot be read is a line in the log and does not hinder the others; nothing of a tenant's
//! folder is looked at for another. Keys are read anew each time something encrypted comes, so an import works at once.

use std::path::PathBuf;
use std::sync::Arc;

use poststelle_crypto::identity::{DecryptionKey, FileIdentity};

/// Most files of one folder that are read.
const FILES: usize = 100;
/// Largest file that is read, bytes.
const BYTES: u64 = 256 * 1024;

/// Gives the keys of a tenant.
pub trait MailboxKeys: Send + Sync {
    /// All keys of the tenant called `slug`.
    fn keys(&self, slug: &str) -> Vec<Arc<dyn DecryptionKey>>;
}

/// No keys at all.
pub struct NoKeys;

impl MailboxKeys for NoKeys {
    fn keys(&self, _slug: &str) -> Vec<Arc<dyn DecryptionKey>> {
        Vec::new()
    }
}

/// `FOLDER/SLUG/*.pem`: each with a private key (PKCS#8) and its certificate.
pub struct KeyFolder {
    /// The folder.
    pub folder: PathBuf,
}

impl MailboxKeys for KeyFolder {
    fn keys(&self, slug: &str) -> Vec<Arc<dyn DecryptionKey>> {
        if slug.is_empty() || !slug.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Vec::new();
        }
        let Ok(entries) = std::fs::read_dir(self.folder.join(slug)) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "pem"))
            .collect();
        files.sort();
        let read = |path: &PathBuf| -> Option<Arc<dyn DecryptionKey>> {
            let fits = std::fs::metadata(path).is_ok_and(|m| m.len() <= BYTES);
            let octets = fits.then(|| std::fs::read(path).ok()).flatten().map(zeroize::Zeroizing::new)?;
            match FileIdentity::from_pem(&octets, &octets) {
                Ok(identity) => Some(Arc::new(identity)),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "key file left out");
                    None
                }
            }
        };
        files.iter().take(FILES).filter_map(read).collect()
    }
}
