// SPDX-License-Identifier: EUPL-1.2
//! `backup` and `restore`.
//!
//! Guarantees: a backup is one state of the database and every blob it names, taken while nodes work; a folder
//! without `manifest.json` is no backup, and the manifest holds digests of everything. A restore goes into an
//! empty installation only, checks every digest, and names what may be lost: each tenant's log gets an entry
//! `EpochOpened` with the last checkpoint of the backup, the operator an alarm, and with a newer checkpoint at
//! hand the number of entries that are missing. Does not: contain the root key, or encrypt the database.
//!
//! ```text
//! manifest.json      format, version, time, schema, tenants with their last checkpoints, files with SHA-256
//! database.sqlite    or database.pgdump (custom format of pg_dump)
//! blobs.jsonl        one line per blob: name, size, SHA-256 of the octets as stored
//! blobs/NAME         octets as stored
//! ```

mod restore;
mod save;

use serde::{Deserialize, Serialize};

pub use restore::restore;
pub use save::backup;

const FORMAT: &str = "poststelle-backup";
const VERSION: u32 = 1;
const MANIFEST: &str = "manifest.json";
const BLOB_LIST: &str = "blobs.jsonl";
const SQLITE: &str = "database.sqlite";
const POSTGRES: &str = "database.pgdump";
/// Blobs copied at once.
const PARALLEL: usize = 8;
/// Blobs asked for at once.
const PAGE: i64 = 500;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    format: String,
    version: u32,
    program: String,
    /// RFC 3339.
    created: String,
    /// `sqlite` or `postgres`.
    database: String,
    schema: i64,
    /// A tenant's wrapped key: shows whether a root key fits.
    key_check: KeyCheck,
    tenants: Vec<TenantState>,
    messages: i64,
    blobs: u64,
    blob_octets: u64,
    /// Blobs that were not there at the time of the backup.
    missing_blobs: Vec<String>,
    files: Vec<FileDigest>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeyCheck {
    tenant: String,
    wrapped_key: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct TenantState {
    id: String,
    slug: String,
    name: String,
    log_origin: String,
    note_vkey: String,
    messages: i64,
    entries: i64,
    checkpoint: Option<CheckpointState>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct CheckpointState {
    size: i64,
    root: String,
    note: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct FileDigest {
    name: String,
    size: u64,
    sha256: String,
}
