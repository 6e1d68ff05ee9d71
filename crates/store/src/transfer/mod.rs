// SPDX-License-Identifier: EUPL-1.2
//! A tenant moves: export into one file, import into another installation.
//!
//! Guarantees: the file is one consistent state; without the passphrase it opens nothing, neither mail nor
//! subjects, addresses or names; every part that was changed, cut, exchanged or left out is noticed; an import
//! is there whole or not at all; both sides work in constant memory. What the hub proved stays proved: chains,
//! log and checkpoints travel unchanged, the caller checks them on [`Pending::tx`] before [`Pending::commit`].
//! Does not: stop the source, carry accounts, passwords, API tokens or sessions, or follow folders and web
//! addresses: connectors arrive switched off. Open jobs travel and go on at the new place.
//!
//! # Format, version 1
//!
//! A tar file (POSIX ustar) with these entries, in this order:
//!
//! ```text
//! manifest.json            in clear: format, version, schema, program, time, tenant id, Argon2id salt and cost,
//!                          tenant key and archive key, both wrapped by the key of the passphrase
//! tables/tenants/000001    sealed; so are all parts of tables
//! tables/addresses/000001
//! index/000001             sealed: which blobs follow: name, size, SHA-256, wrapped key of the message
//! blobs/TENANT/SHARD/MESSAGE.BLOB   as stored: sealed under the message's key
//! …                        index and blobs in turn
//! tables/TABLE/000001 …    all other tables of the tenant
//! end                      sealed: how many rows of each table, blobs and parts, SHA-256 of manifest.json
//! ```
//!
//! A sealed entry is a blob as of [`poststelle_crypto::chunked`] under a key derived from the archive key and the
//! entry's name. Inside are JSON lines, one object per row, column names as keys, texts and whole numbers as values.
//! `people` holds id, name and kind of those whom evidence names; `grants` is for reading only.

mod archive;
mod export;
mod import;
mod tables;

use std::collections::BTreeMap;

use poststelle_crypto::digest::{hex, unhex};
use poststelle_crypto::keys::PassphraseKey;
use poststelle_crypto::password::Cost;
use poststelle_model::{MessageId, TenantId};
use serde_json::{Map, Value as Json, json};

use crate::db::StoreError;

pub use export::{Export, export};
pub use import::{Import, Pending, import};
pub(crate) use tables::built;

/// Version of the format written here.
pub const VERSION: i64 = 1;
const FORMAT: &str = "poststelle-tenant-export";
const MANIFEST: &str = "manifest.json";
const END: &str = "end";
/// Plain octets of one part of a table, about.
const PART: usize = 1024 * 1024;
/// A part above this is not read.
const PART_MAX: u64 = 64 * 1024 * 1024;
/// Blobs of one index.
const INDEX: i64 = 100;
/// Shortest passphrase, characters.
pub const PASSPHRASE_MIN: usize = 12;
/// What the passphrase costs: 64 MiB, three passes.
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

/// Why a tenant could not be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The store of this side.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Reading or writing the file.
    #[error("file: {0}")]
    Io(#[from] std::io::Error),
    /// Not an export, or one this program does not read.
    #[error("format: {0}")]
    Format(String),
    /// The passphrase does not open the file (or its head was changed).
    #[error("the passphrase does not open the file")]
    Passphrase,
    /// The passphrase is too short to protect a file.
    #[error("the passphrase has fewer than {PASSPHRASE_MIN} characters")]
    ShortPassphrase,
    /// The file is not as it was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// Something of the tenant is here already.
    #[error("already here: {0}")]
    Exists(String),
    /// Another import of the same tenant runs.
    #[error("another import of this tenant is under way")]
    Busy,
}

impl From<poststelle_crypto::CryptoError> for TransferError {
    fn from(error: poststelle_crypto::CryptoError) -> Self {
        Self::Store(error.into())
    }
}

fn damaged<T>(what: impl Into<String>) -> Result<T, TransferError> {
    Err(TransferError::Damaged(what.into()))
}

/// What was carried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows of each table.
    pub rows: BTreeMap<String, u64>,
    /// Blobs.
    pub blobs: u64,
    /// Their octets as stored.
    pub octets: u64,
    /// Messages whose octets were missing or damaged at the source: their rows and proofs travel all the same.
    pub damaged: Vec<MessageId>,
    /// Roles at the source, for whoever grants them anew: (sign-in name, name, role, place).
    pub grants: Vec<[String; 4]>,
}

/// Tells how far it is: what, and how many of it.
pub type Progress<'p> = &'p mut (dyn FnMut(&str, u64) + Send);

/// The head of the file.
struct Manifest {
    schema: i64,
    program: String,
    created: String,
    tenant: TenantId,
    export: String,
    salt: [u8; 16],
    cost: Cost,
    tenant_key: String,
    archive_key: String,
}

impl Manifest {
    fn to_json(&self) -> String {
        let value = json!({
            "format": FORMAT,
            "version": VERSION,
            "schema": self.schema,
            "program": self.program,
            "created": self.created,
            "tenant": self.tenant.to_string(),
            "export": self.export,
            "kdf": {
                "name": "argon2id", "salt": hex(&self.salt),
                "memory_kib": self.cost.memory_kib, "passes": self.cost.passes, "lanes": self.cost.lanes,
            },
            "tenant_key": self.tenant_key,
            "archive_key": self.archive_key,
        });
        format!("{value:#}\n")
    }

    fn parse(octets: &[u8]) -> Result<Self, TransferError> {
        let no = |what: &str| TransferError::Format(what.to_owned());
        let value: Json = serde_json::from_slice(octets).map_err(|_| no("manifest.json is not JSON"))?;
        if value.get("format").and_then(Json::as_str) != Some(FORMAT) {
            return Err(no("this is not the export of a tenant"));
        }
        match value.get("version").and_then(Json::as_i64) {
            Some(VERSION) => {}
            other => return Err(no(&format!("version {} is not known here", other.unwrap_or(0)))),
        }
        let text = |name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
        let kdf = value.get("kdf").cloned().unwrap_or_default();
        let number = |name: &str| kdf.get(name).and_then(Json::as_u64).and_then(|n| u32::try_from(n).ok());
        let read = || {
            Some(Self {
                schema: value.get("schema")?.as_i64()?,
                program: text("program")?,
                created: text("created")?,
                tenant: text("tenant")?.parse().ok()?,
                export: text("export")?,
                salt: unhex(kdf.get("salt")?.as_str()?).ok()?,
                cost: Cost {
                    memory_kib: number("memory_kib")?,
                    passes: number("passes")?,
                    lanes: number("lanes")?,
                },
                tenant_key: text("tenant_key")?,
                archive_key: text("archive_key")?,
            })
        };
        read().ok_or_else(|| no("manifest.json lacks a field"))
    }
}

/// Derives the key on a thread of its own: it takes a while.
async fn passphrase_key(
    passphrase: &[u8],
    salt: [u8; 16],
    cost: Cost,
) -> Result<PassphraseKey, TransferError> {
    let passphrase = zeroize::Zeroizing::new(passphrase.to_vec());
    let derived = tokio::task::spawn_blocking(move || PassphraseKey::derive(&passphrase, &salt, cost)).await;
    Ok(derived.map_err(|e| StoreError::Config(e.to_string()))??)
}

fn text(row: &Map<String, Json>, name: &str) -> Result<String, TransferError> {
    match row.get(name) {
        Some(Json::String(text)) => Ok(text.clone()),
        _ => damaged(format!("a row lacks {name}")),
    }
}

fn number(row: &Map<String, Json>, name: &str) -> Result<i64, TransferError> {
    row.get(name).and_then(Json::as_i64).map_or_else(|| damaged(format!("a row lacks {name}")), Ok)
}
