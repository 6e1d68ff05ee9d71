// SPDX-License-Identifier: EUPL-1.2
//! The pieces of backup and restore: a consistent copy of the database while nodes work, and the blobs it names.
//!
//! Guarantees: the copy is one state of the database; every blob that state names is copied after it, so a blob
//! that comes later is harmless and none is missing; what is written is synced. On PostgreSQL the programs
//! `pg_dump` and `pg_restore` do the work, under the snapshot of the transaction that names the blobs.
//! Does not: hold the root key, or encrypt: whoever has the backup reads subjects and senders.

use std::path::Path;
use std::sync::Arc;

use poststelle_crypto::chunked::{self, DEFAULT_CHUNK_SIZE};
use poststelle_crypto::digest::DualHasher;
use poststelle_model::{BlobId, MessageId, TenantId, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::blob::{self, BlobStore};
use crate::bulk::args;
use crate::db::{Db, Dialect, StoreError, Tx, int, parse, text};
use crate::evidence::{self, Checkpoint};
use crate::sql;
use crate::tenants::{self, Tenant};

/// How far a tenant was at the backup.
#[derive(Debug, Clone)]
pub struct State {
    /// Who.
    pub tenant: Tenant,
    /// Its messages.
    pub messages: i64,
    /// Entries of its evidence, with and without a place in the log.
    pub entries: i64,
    /// Its newest signed state.
    pub checkpoint: Option<Checkpoint>,
}

/// The states of all tenants. System scope.
///
/// # Errors
/// When the database does not answer.
pub async fn states(tx: &mut Tx) -> Result<Vec<State>, StoreError> {
    let mut states = Vec::new();
    for tenant in tenants::all(tx).await? {
        let checkpoint = evidence::last_checkpoint(tx, tenant.id).await?;
        states.push(State { tenant, messages: 0, entries: 0, checkpoint });
    }
    for (sql, entries) in [(sql::BACKUP_MESSAGES, false), (sql::BACKUP_ENTRIES, true)] {
        for row in &tx.all(sql, vec![]).await? {
            let (id, count): (TenantId, i64) = (parse(row, 0, "tenant_id")?, int(row, 1)?);
            if let Some(state) = states.iter_mut().find(|s| s.tenant.id == id) {
                *(if entries { &mut state.entries } else { &mut state.messages }) = count;
            }
        }
    }
    Ok(states)
}

/// The root of the checkpoint of exactly this size, if there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn checkpoint_root(tx: &mut Tx, tenant: TenantId, size: i64) -> Result<Option<String>, StoreError> {
    tx.one(sql::CHECKPOINT_ROOT, args![tenant, size]).await?.map(|r| text(&r, 0)).transpose()
}

/// Ends what belonged to the nodes and people of before a restore: leases, held jobs, sessions begun until `at`.
///
/// # Errors
/// When the database does not answer.
pub async fn end_all_holds(tx: &mut Tx, at: Timestamp) -> Result<(), StoreError> {
    tx.run(sql::LEASE_END_ALL, vec![]).await?;
    tx.run(sql::JOB_FREE_ALL, vec![]).await?;
    tx.run(sql::SESSION_END_ALL, args![at]).await?;
    Ok(())
}

/// Names and sealed sizes of the next blobs after `after`, which moves on; empty at the end. System scope.
///
/// # Errors
/// When the database does not answer.
pub async fn blob_page(
    tx: &mut Tx,
    after: &mut Option<(TenantId, MessageId, BlobId)>,
    limit: i64,
) -> Result<Vec<(String, u64)>, StoreError> {
    let (tenant, message, blob) =
        after.map_or_else(Default::default, |a| (a.0.to_string(), a.1.to_string(), a.2.to_string()));
    let mut found = Vec::new();
    for row in &tx.all(sql::BACKUP_BLOBS, args![tenant, message, blob, limit]).await? {
        let (tenant, message): (TenantId, MessageId) =
            (parse(row, 0, "messages.tenant_id")?, parse(row, 1, "messages.id")?);
        let id: BlobId = parse(row, 2, "messages.blob_id")?;
        let size = u64::try_from(int(row, 3)?).unwrap_or(0);
        found.push((blob::name(tenant, message, id), chunked::sealed_len(size, DEFAULT_CHUNK_SIZE)?));
        *after = Some((tenant, message, id));
    }
    Ok(found)
}

fn file_error(error: &std::io::Error, path: &Path) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Blob(format!("{}: {error}", path.display())),
    }
}

/// Copies a blob as stored into a file, synced; gives its SHA-256.
///
/// # Errors
/// [`StoreError::NotFound`] when it is not there, else of store or file.
pub async fn save_blob(
    store: &Arc<dyn BlobStore>,
    name: &str,
    sealed: u64,
    path: &Path,
) -> Result<String, StoreError> {
    let fault = |e: std::io::Error| file_error(&e, path);
    let first = store.read(name, 0..sealed.min(BLOCK)).await?;
    if let Some(dir) = path.parent() {
        tokio::fs::create_dir_all(dir).await.map_err(fault)?;
    }
    let mut file = tokio::fs::File::create(path).await.map_err(fault)?;
    let mut hasher = DualHasher::new();
    let mut octets = first;
    let mut at = 0;
    loop {
        hasher.update(&octets);
        file.write_all(&octets).await.map_err(fault)?;
        at += octets.len() as u64;
        if at >= sealed {
            break;
        }
        octets = store.read(name, at..(at + BLOCK).min(sealed)).await?;
    }
    file.sync_all().await.map_err(fault)?;
    Ok(hasher.finish().sha256_hex())
}

const BLOCK: u64 = 1024 * 1024;

/// Copies a file back into the store under `name`, if it is what was saved.
///
/// # Errors
/// [`StoreError::Corrupt`] when its length or digest differs: nothing is stored then.
pub async fn load_blob(
    store: &Arc<dyn BlobStore>,
    name: &str,
    path: &Path,
    digest: &str,
) -> Result<u64, StoreError> {
    let fault = |e: std::io::Error| file_error(&e, path);
    let mut file = tokio::fs::File::open(path).await.map_err(fault)?;
    let mut upload = store.create(name).await?;
    let (mut hasher, mut size) = (DualHasher::new(), 0);
    let copied = async {
        loop {
            let mut octets = Vec::with_capacity(usize::try_from(BLOCK).unwrap_or(0));
            (&mut file).take(BLOCK).read_to_end(&mut octets).await.map_err(fault)?;
            if octets.is_empty() {
                return Ok(());
            }
            hasher.update(&octets);
            size += octets.len() as u64;
            upload.write(octets).await?;
        }
    };
    let result: Result<(), StoreError> = copied.await;
    let found = hasher.finish().sha256_hex();
    if result.is_ok() && found == digest {
        upload.finish().await?;
        return Ok(size);
    }
    upload.abort().await;
    result?;
    Err(StoreError::Corrupt { what: "blob of the backup", value: name.to_owned() })
}

/// SHA-256 and size of a file.
///
/// # Errors
/// When it cannot be read.
pub async fn digest_file(path: &Path) -> Result<(u64, String), StoreError> {
    let fault = |e: std::io::Error| file_error(&e, path);
    let mut file = tokio::fs::File::open(path).await.map_err(fault)?;
    let (mut hasher, mut buffer) = (DualHasher::new(), vec![0; 1 << 20]);
    loop {
        let n = file.read(&mut buffer).await.map_err(fault)?;
        if n == 0 {
            return Ok((hasher.len(), hasher.finish().sha256_hex()));
        }
        hasher.update(buffer.get(..n).unwrap_or_default());
    }
}

/// Writes a consistent copy of a SQLite database into `path`, which must not exist, synced.
///
/// # Errors
/// [`StoreError::Config`] on another database, else of database or disk.
pub async fn copy_sqlite(db: &Db, path: &Path) -> Result<(), StoreError> {
    if db.dialect() != Dialect::Sqlite {
        return Err(StoreError::Config("not a SQLite database".to_owned()));
    }
    let target = path.to_string_lossy().replace('\'', "''");
    db.outside(format!("VACUUM INTO '{target}'")).await?;
    let fault = |e: std::io::Error| file_error(&e, path);
    tokio::fs::File::open(path).await.map_err(fault)?.sync_all().await.map_err(fault)
}

/// PostgreSQL: names the snapshot of this transaction for [`dump_postgres`]; keep the transaction open until then.
///
/// # Errors
/// When the database does not answer.
pub async fn snapshot(tx: &mut Tx) -> Result<String, StoreError> {
    let row = tx.one("SELECT pg_export_snapshot()", vec![]).await?;
    row.map_or_else(|| Err(StoreError::NotFound("snapshot".to_owned())), |r| text(&r, 0))
}

/// Runs `pg_dump` under `snapshot` into `path`. `url` is that of the tables' owner.
///
/// # Errors
/// [`StoreError::Config`] when the program is missing or refuses; its words are in the error.
pub async fn dump_postgres(url: &str, snapshot: &str, path: &Path) -> Result<(), StoreError> {
    let mut command = client("pg_dump", url)?;
    command.args([
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        "--enable-row-security",
        "--no-password",
    ]);
    command.arg(format!("--snapshot={snapshot}")).arg(format!("--file={}", path.display()));
    run(command, "pg_dump").await?;
    let fault = |e: std::io::Error| file_error(&e, path);
    tokio::fs::File::open(path).await.map_err(fault)?.sync_all().await.map_err(fault)
}

/// Runs `pg_restore` from `path` into the empty database of `url`, in one transaction.
///
/// # Errors
/// As [`dump_postgres`]; nothing is there then.
pub async fn restore_postgres(url: &str, path: &Path) -> Result<(), StoreError> {
    let mut command = client("pg_restore", url)?;
    command.args([
        "--no-owner",
        "--no-privileges",
        "--exit-on-error",
        "--single-transaction",
        "--no-password",
    ]);
    command.arg(format!("--dbname={}", address(url)?.path().trim_start_matches('/'))).arg(path);
    run(command, "pg_restore").await
}

fn address(url: &str) -> Result<url::Url, StoreError> {
    url::Url::parse(url).map_err(|e| StoreError::Config(format!("address of the database: {e}")))
}

/// A client program of PostgreSQL; what it needs to sign in stands in its environment, never in its arguments.
fn client(program: &str, url: &str) -> Result<tokio::process::Command, StoreError> {
    let url = address(url)?;
    let mut command = tokio::process::Command::new(program);
    command.env("PGOPTIONS", "-c app.tenant=*").env("PGDATABASE", url.path().trim_start_matches('/'));
    command.env("LC_ALL", "C").kill_on_drop(true).stdin(std::process::Stdio::null());
    for (name, value) in [("PGUSER", url.username()), ("PGPASSWORD", url.password().unwrap_or_default())] {
        if !value.is_empty() {
            command.env(name, decode(value));
        }
    }
    if let Some(host) = url.host_str() {
        command.env("PGHOST", decode(host.trim_matches(['[', ']'])));
    }
    if let Some(port) = url.port() {
        command.env("PGPORT", port.to_string());
    }
    for (name, value) in url.query_pairs() {
        let variable = match name.as_ref() {
            "sslmode" => "PGSSLMODE",
            "sslrootcert" => "PGSSLROOTCERT",
            "sslcert" => "PGSSLCERT",
            "sslkey" => "PGSSLKEY",
            "host" => "PGHOST",
            _ => continue,
        };
        command.env(variable, value.as_ref());
    }
    Ok(command)
}

/// Undoes `%41` in user names and passwords.
fn decode(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let byte = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

async fn run(mut command: tokio::process::Command, program: &str) -> Result<(), StoreError> {
    let output = command.output().await.map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => StoreError::Config(format!(
            "{program} is not installed; it belongs to the client programs of PostgreSQL"
        )),
        _ => StoreError::Config(format!("{program}: {e}")),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(StoreError::Config(format!("{program}: {}", words.trim().chars().take(1000).collect::<String>())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_any_kind() {
        assert_eq!(decode("a%40b%3Ac%25"), "a@b:c%");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%C3%BC"), "ü");
        assert!(client("pg_dump", "not an address").is_err());
    }
}
