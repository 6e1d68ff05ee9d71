// SPDX-License-Identifier: EUPL-1.2
//! Writing the file.

use std::sync::Arc;

use poststelle_crypto::chunked::{self, DEFAULT_CHUNK_SIZE};
use poststelle_crypto::digest::{DualHasher, hex, sha256};
use poststelle_crypto::keys::{MessageKey, TenantKey};
use poststelle_model::{BlobId, MessageId, TenantId, Timestamp};
use serde_json::{Map, Value as Json, json};
use tokio::io::AsyncWrite;

use super::archive::Writer;
use super::tables::{self, ADDRESSES, TENANT, Table};
use super::{
    COST, END, INDEX, MANIFEST, Manifest, PART, PASSPHRASE_MIN, Progress, Report, TransferError, VERSION,
};
use crate::blob::{self, BlobReader, BlobStore};
use crate::bulk::args;
use crate::db::{Db, Scope, StoreError, Tx, int, parse, text};
use crate::keys::Keys;

/// What is to be exported.
pub struct Export<'e> {
    /// Whose.
    pub tenant: TenantId,
    /// Id of this export, a fresh UUID.
    pub id: String,
    /// Now.
    pub at: Timestamp,
    /// Version of the program.
    pub program: &'e str,
    /// Protects the file: at least [`PASSPHRASE_MIN`] characters.
    pub passphrase: &'e str,
}

struct Exporter<W> {
    out: Writer<W>,
    key: MessageKey,
    report: Report,
    parts: u64,
}

/// Writes everything of a tenant into `out`: one consistent state, while the hub goes on working.
///
/// # Errors
/// [`TransferError::ShortPassphrase`]; store and file errors. What was written until then is no export.
pub async fn export<W: AsyncWrite + Unpin + Send>(
    db: &Db,
    blobs: &Arc<dyn BlobStore>,
    keys: &Keys,
    what: &Export<'_>,
    out: W,
    progress: Progress<'_>,
) -> Result<(Report, W), TransferError> {
    if what.passphrase.chars().count() < PASSPHRASE_MIN {
        return Err(TransferError::ShortPassphrase);
    }
    let tenant = what.tenant;
    let tenant_key = keys.tenant(db, tenant).await?;
    let salt = poststelle_crypto::random::array()?;
    let outer = super::passphrase_key(what.passphrase.as_bytes(), salt, COST).await?;
    let archive_key = MessageKey::generate()?;
    let manifest = Manifest {
        schema: crate::migrate::wanted(),
        program: what.program.to_owned(),
        created: what.at.rfc3339(),
        tenant,
        export: what.id.clone(),
        salt,
        cost: COST,
        tenant_key: tenant_key.wrapped_by(&outer, &tenant.to_string())?,
        archive_key: archive_key.wrapped_by(&outer, &tenant.to_string(), &what.id)?,
    };
    let manifest = manifest.to_json();
    let mut tx = db.read(Scope::Tenant(tenant)).await?;
    let mut exporter =
        Exporter { out: Writer::new(out, what.at), key: archive_key, report: Report::default(), parts: 0 };
    exporter.out.entry(MANIFEST, manifest.as_bytes()).await?;
    exporter.table(&mut tx, tenant, &TENANT, progress).await?;
    exporter.table(&mut tx, tenant, &ADDRESSES, progress).await?;
    exporter.blobs(&mut tx, tenant, &tenant_key, blobs, progress).await?;
    for table in tables::later() {
        exporter.table(&mut tx, tenant, table, progress).await?;
    }
    tx.rollback().await?;
    let end = json!({
        "version": VERSION,
        "rows": exporter.report.rows,
        "blobs": exporter.report.blobs,
        "damaged": exporter.report.damaged.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "parts": exporter.parts,
        "manifest_sha256": hex(&sha256(manifest.as_bytes())),
    });
    exporter.sealed(END, end.to_string().as_bytes()).await?;
    Ok((exporter.report, exporter.out.finish().await?))
}

impl<W: AsyncWrite + Unpin + Send> Exporter<W> {
    async fn sealed(&mut self, name: &str, plain: &[u8]) -> Result<(), TransferError> {
        let key = self.key.derive_blob_key(name.as_bytes())?;
        self.out.entry(name, &chunked::seal(&key, plain)?).await
    }

    async fn table(
        &mut self,
        tx: &mut Tx,
        tenant: TenantId,
        table: &'static Table,
        progress: Progress<'_>,
    ) -> Result<(), TransferError> {
        let (mut after, mut part, mut number, mut count) = (table.start(), Vec::new(), 0u32, 0u64);
        loop {
            let rows = table.page(tx, tenant, &mut after).await?;
            for row in &rows {
                count += 1;
                if table.name == "grants" {
                    let word = |name: &str| super::text(row, name);
                    self.report.grants.push([word("login")?, word("name")?, word("role")?, word("place")?]);
                }
                push_line(&mut part, row)?;
                if part.len() >= PART {
                    number += 1;
                    self.part(table.name, number, &mut part).await?;
                    progress(table.name, count);
                }
            }
            if rows.is_empty() {
                break;
            }
        }
        if !part.is_empty() {
            self.part(table.name, number + 1, &mut part).await?;
        }
        self.report.rows.insert(table.name.to_owned(), count);
        progress(table.name, count);
        Ok(())
    }

    async fn part(&mut self, table: &str, number: u32, part: &mut Vec<u8>) -> Result<(), TransferError> {
        self.sealed(&format!("tables/{table}/{number:06}"), part).await?;
        self.parts += 1;
        part.clear();
        Ok(())
    }

    async fn blobs(
        &mut self,
        tx: &mut Tx,
        tenant: TenantId,
        tenant_key: &TenantKey,
        store: &Arc<dyn BlobStore>,
        progress: Progress<'_>,
    ) -> Result<(), TransferError> {
        let (mut after, mut number) = ((String::new(), String::new()), 0u32);
        loop {
            let rows =
                tx.all(tables::BLOBS, args![tenant, after.0.as_str(), after.1.as_str(), INDEX]).await?;
            let (mut index, mut names) = (Vec::new(), Vec::new());
            for row in &rows {
                let message: MessageId = parse(row, 0, "messages.id")?;
                let id: BlobId = parse(row, 1, "messages.blob_id")?;
                let (size, digest, wrapped) = (int(row, 2)?, text(row, 3)?, text(row, 4)?);
                after = (message.to_string(), id.to_string());
                let name = blob::name(tenant, message, id);
                let size = u64::try_from(size).unwrap_or(0);
                let key = Keys::blob_key(tenant_key, tenant, message, &wrapped, id);
                let sound = match key {
                    Ok(key) => is_sound(store, &name, &key, size, &digest).await?,
                    Err(_) => false,
                };
                if !sound {
                    self.report.damaged.push(message);
                    continue;
                }
                let line = json!({ "name": name, "size": size, "sha256": digest, "wrapped": wrapped });
                push_line(&mut index, line.as_object().unwrap_or(&Map::new()))?;
                names.push((name, size));
            }
            if rows.is_empty() {
                return Ok(());
            }
            number += 1;
            self.sealed(&format!("index/{number:06}"), &index).await?;
            self.parts += 1;
            for (name, size) in names {
                self.blob(store, &name, size).await?;
            }
            progress("blobs", self.report.blobs);
        }
    }

    async fn blob(&mut self, store: &Arc<dyn BlobStore>, name: &str, size: u64) -> Result<(), TransferError> {
        let sealed = chunked::sealed_len(size, DEFAULT_CHUNK_SIZE)?;
        self.out.begin(&format!("blobs/{name}"), sealed).await?;
        let mut at = 0;
        while at < sealed {
            let octets = store.read(name, at..(at + PART as u64).min(sealed)).await?;
            self.out.data(&octets).await?;
            at += octets.len() as u64;
        }
        self.report.blobs += 1;
        self.report.octets += sealed;
        Ok(())
    }
}

fn push_line(part: &mut Vec<u8>, row: &Map<String, Json>) -> Result<(), TransferError> {
    serde_json::to_writer(&mut *part, row).map_err(|e| StoreError::Config(e.to_string()))?;
    part.push(b'\n');
    Ok(())
}

/// Is the blob there and what its message recorded? An outage of the store is an error, not damage.
async fn is_sound(
    store: &Arc<dyn BlobStore>,
    name: &str,
    key: &poststelle_crypto::keys::BlobKey,
    size: u64,
    digest: &str,
) -> Result<bool, TransferError> {
    let read = async {
        let mut reader = BlobReader::open(Arc::clone(store), name.to_owned(), key, size).await?;
        let (mut at, mut hasher) = (0, DualHasher::new());
        while at < size {
            let piece = reader.at(at).await?;
            hasher.update(&piece);
            at += piece.len() as u64;
        }
        Ok::<_, StoreError>(hasher.finish().sha256_hex() == digest)
    };
    match read.await {
        Ok(sound) => Ok(sound),
        Err(StoreError::Crypto(_) | StoreError::NotFound(_)) => Ok(false),
        // Too short reads as an error of the store; ask whether it answers at all.
        Err(error) => match store.check().await {
            Ok(()) => Ok(false),
            Err(_) => Err(error.into()),
        },
    }
}
