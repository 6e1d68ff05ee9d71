// SPDX-License-Identifier: EUPL-1.2
//! Reading the file into another installation.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use poststelle_crypto::chunked::{self, DEFAULT_CHUNK_SIZE, HEADER_LEN};
use poststelle_crypto::digest::{DualHasher, hex, sha256};
use poststelle_crypto::keys::{MessageKey, TenantKey};
use poststelle_model::{ChannelKind, TenantId};
use serde_json::{Map, Value as Json};
use tokio::io::AsyncRead;

use super::archive::Reader;
use super::tables;
use super::{
    END, MANIFEST, Manifest, PART, PART_MAX, Progress, Report, TransferError, damaged, number, text,
};
use crate::blob::{self, BlobStore};
use crate::bulk::{Value, args};
use crate::db::{Db, Scope, StoreError, Tx};
use crate::jobs;
use crate::keys::Keys;
use crate::{sql, tenants};

type Row = Map<String, Json>;

/// Where to import.
pub struct Import<'i> {
    /// Database.
    pub db: &'i Db,
    /// Blobs.
    pub blobs: &'i Arc<dyn BlobStore>,
    /// Keys of this installation: the tenant's key is wrapped anew.
    pub keys: &'i Keys,
    /// Opens the file.
    pub passphrase: &'i str,
    /// Name of this process, unique.
    pub holder: &'i str,
}

/// Everything is written, nothing is visible yet.
pub struct Pending {
    tx: Tx,
    lease: (String, String),
    /// Whose.
    pub tenant: TenantId,
    /// Short name.
    pub slug: String,
    /// Id of the export.
    pub export: String,
    /// When it was exported, RFC 3339.
    pub exported_at: String,
    /// What was carried.
    pub report: Report,
}

impl Pending {
    /// The transaction that holds the rows: check chains and log here, and add to them what must be said.
    pub const fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// Makes the tenant visible: from here on it lives here.
    ///
    /// # Errors
    /// When the database could not.
    pub async fn commit(mut self) -> Result<Report, TransferError> {
        self.tx.enter(Scope::System).await?;
        jobs::drop_lease(&mut self.tx, &self.lease.0, &self.lease.1).await?;
        self.tx.commit().await?;
        Ok(self.report)
    }

    /// Takes everything back.
    ///
    /// # Errors
    /// When database or blob store do not answer.
    pub async fn abort(self, to: &Import<'_>) -> Result<(), TransferError> {
        self.tx.rollback().await?;
        clear(to, self.tenant).await?;
        release(to, &self.lease).await
    }
}

/// How long a silent import keeps others away.
const LEASE: Duration = Duration::from_secs(120);
/// Addresses of a tenant that are kept in memory at once.
const EARLY_MAX: usize = 200_000;

/// Reads an export. Nothing of it is visible before [`Pending::commit`]; after an error nothing stays.
///
/// # Errors
/// [`TransferError`]; each says what is wrong.
pub async fn import<R: AsyncRead + Unpin + Send>(
    to: &Import<'_>,
    input: R,
    progress: Progress<'_>,
) -> Result<Pending, TransferError> {
    let mut reader = Reader::new(input);
    let Some((name, _)) = reader.next().await? else { return damaged("the file is empty") };
    if name != MANIFEST {
        return Err(TransferError::Format("this is not the export of a tenant".to_owned()));
    }
    let head = reader.rest(64 * 1024).await?;
    let manifest = Manifest::parse(&head)?;
    let here = crate::migrate::wanted();
    if manifest.schema != here {
        return Err(TransferError::Format(format!(
            "the file was written by version {} with schema {}, this program has schema {here}",
            manifest.program, manifest.schema
        )));
    }
    let (tenant, owner) = (manifest.tenant, manifest.tenant.to_string());
    let outer = super::passphrase_key(to.passphrase.as_bytes(), manifest.salt, manifest.cost).await?;
    let wrong = |_| TransferError::Passphrase;
    let tenant_key = TenantKey::from_wrapped(&outer, &owner, &manifest.tenant_key).map_err(wrong)?;
    let key =
        MessageKey::from_wrapped(&outer, &owner, &manifest.export, &manifest.archive_key).map_err(wrong)?;

    let lease = (format!("import:{tenant}"), to.holder.to_owned());
    hold(to, &lease).await?;
    let mut importer = Importer {
        to,
        reader,
        key,
        tenant,
        tenant_key,
        lease,
        report: Report::default(),
        early: Vec::new(),
        expected: VecDeque::new(),
        numbers: HashMap::new(),
        parts: 0,
        administrations: HashMap::new(),
        fence: 0,
        slug: String::new(),
        stored: false,
    };
    match importer.run(&hex(&sha256(&head)), progress).await {
        Ok(tx) => Ok(Pending {
            tx,
            lease: importer.lease,
            tenant,
            slug: importer.slug,
            export: manifest.export,
            exported_at: manifest.created,
            report: importer.report,
        }),
        Err(error) => {
            if importer.stored {
                clear(to, tenant).await?;
            }
            release(to, &importer.lease).await?;
            Err(error)
        }
    }
}

async fn hold(to: &Import<'_>, lease: &(String, String)) -> Result<(), TransferError> {
    let mut tx = to.db.begin(Scope::System).await?;
    if jobs::take_lease(&mut tx, &lease.0, &lease.1, LEASE).await?.is_none() {
        return Err(TransferError::Busy);
    }
    tx.commit().await?;
    Ok(())
}

async fn release(to: &Import<'_>, lease: &(String, String)) -> Result<(), TransferError> {
    let mut tx = to.db.begin(Scope::System).await?;
    jobs::drop_lease(&mut tx, &lease.0, &lease.1).await?;
    tx.commit().await?;
    Ok(())
}

/// Removes all blobs of a tenant that is not here: what an import left.
async fn clear(to: &Import<'_>, tenant: TenantId) -> Result<(), TransferError> {
    for object in to.blobs.list(&tenant.to_string()).await? {
        to.blobs.delete(&object.name).await?;
    }
    Ok(())
}

struct Importer<'i, R> {
    to: &'i Import<'i>,
    reader: Reader<R>,
    key: MessageKey,
    tenant: TenantId,
    tenant_key: TenantKey,
    lease: (String, String),
    report: Report,
    /// Tenant and addresses: read first, written last.
    early: Vec<(&'static tables::Table, Row)>,
    /// Blobs the last index announced.
    expected: VecDeque<Row>,
    /// Parts seen of each table.
    numbers: HashMap<String, u32>,
    parts: u64,
    /// Administrations that have another id here.
    administrations: HashMap<String, String>,
    /// Greatest fence of a checkpoint.
    fence: i64,
    slug: String,
    stored: bool,
}

impl<R: AsyncRead + Unpin + Send> Importer<'_, R> {
    async fn run(&mut self, manifest_sha256: &str, progress: Progress<'_>) -> Result<Tx, TransferError> {
        let mut tx: Option<Tx> = None;
        loop {
            let Some((name, size)) = self.reader.next().await? else {
                return damaged("its end is missing");
            };
            let kind = name.split('/').next().unwrap_or_default();
            if kind == "blobs" {
                let Some(blob) = self.expected.pop_front().filter(|_| tx.is_none()) else {
                    return damaged(format!("{name} was not announced"));
                };
                self.blob(&name, size, &blob).await?;
                continue;
            }
            if !self.expected.is_empty() {
                return damaged(format!("{} is missing", text(&self.expected[0], "name")?));
            }
            let plain = self.open(&name).await?;
            match kind {
                END if name == END => {
                    self.check_end(&plain, manifest_sha256)?;
                    let mut tx = match tx {
                        Some(tx) => tx,
                        None => self.begin().await?,
                    };
                    self.finish(&mut tx).await?;
                    return Ok(tx);
                }
                "index" => {
                    self.in_order("index", &name)?;
                    self.check_room().await?;
                    hold(self.to, &self.lease).await?;
                    progress("blobs", self.report.blobs);
                    self.expected = rows(&plain)?.into();
                }
                "tables" => {
                    let table = name.split('/').nth(1).unwrap_or_default().to_owned();
                    let Some(table) = tables::find(&table) else {
                        return damaged(format!("unknown table {table}"));
                    };
                    self.in_order(table.name, &name)?;
                    let rows = rows(&plain)?;
                    *self.report.rows.entry(table.name.to_owned()).or_default() += rows.len() as u64;
                    if matches!(table.name, "tenants" | "addresses") {
                        self.early.extend(rows.into_iter().map(|row| (table, row)));
                        if self.early.len() > EARLY_MAX {
                            return damaged("too many addresses");
                        }
                        continue;
                    }
                    if tx.is_none() {
                        self.check_room().await?;
                        tx = Some(self.begin().await?);
                    }
                    if let Some(tx) = &mut tx {
                        self.insert(tx, table, rows).await?;
                    }
                    progress(table.name, self.report.rows.get(table.name).copied().unwrap_or(0));
                }
                _ => return damaged(format!("unknown entry {name:.80}")),
            }
        }
    }

    /// Parts of one kind are numbered without gap.
    fn in_order(&mut self, kind: &str, name: &str) -> Result<(), TransferError> {
        let seen = self.numbers.entry(kind.to_owned()).or_default();
        *seen += 1;
        self.parts += 1;
        let expected =
            if kind == "index" { format!("index/{seen:06}") } else { format!("tables/{kind}/{seen:06}") };
        if name == expected { Ok(()) } else { damaged(format!("{expected} is missing")) }
    }

    async fn open(&mut self, name: &str) -> Result<Vec<u8>, TransferError> {
        let sealed = self.reader.rest(PART_MAX).await?;
        let key = self.key.derive_blob_key(name.as_bytes())?;
        chunked::open(&key, &sealed).map_err(|_| TransferError::Damaged(format!("{name:.80} was changed")))
    }

    /// Refuses what would collide with something here, before anything is written.
    async fn check_room(&mut self) -> Result<(), TransferError> {
        if self.stored {
            return Ok(());
        }
        let mut tx = self.to.db.read(Scope::System).await?;
        let all = tenants::all(&mut tx).await?;
        let Some((_, row)) = self.early.iter().find(|(t, _)| t.name == "tenants") else {
            return damaged("the row of the tenant is missing");
        };
        self.slug = text(row, "slug")?;
        if text(row, "id")? != self.tenant.to_string() {
            return damaged("the row of the tenant belongs to another");
        }
        if all.iter().any(|t| t.id == self.tenant) {
            return Err(TransferError::Exists(format!("tenant {} ({})", self.slug, self.tenant)));
        }
        if all.iter().any(|t| t.slug == self.slug) {
            return Err(TransferError::Exists(format!("another tenant with the short name {}", self.slug)));
        }
        for (_, row) in self.early.iter().filter(|(t, _)| t.name == "addresses") {
            let (channel, identifier) = (text(row, "channel")?, text(row, "identifier")?);
            let Some(kind) = ChannelKind::parse(&channel) else {
                return damaged(format!("unknown channel {channel}"));
            };
            if let Some((owner, _)) = tenants::resolve_address(&mut tx, kind, &identifier).await? {
                let owner =
                    all.iter().find(|t| t.id == owner).map_or_else(|| owner.to_string(), |t| t.slug.clone());
                return Err(TransferError::Exists(format!("address {identifier} (tenant {owner})")));
            }
        }
        drop(tx);
        clear(self.to, self.tenant).await?;
        self.stored = true;
        Ok(())
    }

    /// Stores one blob and proves on the way that it is what its message recorded.
    async fn blob(&mut self, entry: &str, sealed: u64, row: &Row) -> Result<(), TransferError> {
        let name = text(row, "name")?;
        let size = u64::try_from(number(row, "size")?).unwrap_or(0);
        if entry != format!("blobs/{name}") || sealed != chunked::sealed_len(size, DEFAULT_CHUNK_SIZE)? {
            return damaged(format!("{name} is missing or has another length"));
        }
        let Some((tenant, message, id)) = blob::parse_name(&name).filter(|n| n.0 == self.tenant) else {
            return damaged(format!("{name} belongs elsewhere"));
        };
        let changed = |_| TransferError::Damaged(format!("{name} was changed"));
        let key =
            Keys::blob_key(&self.tenant_key, tenant, message, &text(row, "wrapped")?, id).map_err(changed)?;
        let mut upload = self.to.blobs.create(&name).await?;
        let stored = async {
            let mut out = vec![0; HEADER_LEN];
            self.reader.exact(&mut out).await?;
            let changed = |_| TransferError::Damaged(format!("{name} was changed"));
            let opener = chunked::Opener::new(&key, &out).map_err(changed)?;
            let (mut left, mut index, mut hasher) = (sealed - HEADER_LEN as u64, 0u32, DualHasher::new());
            let mut chunk = Vec::new();
            while left > 0 {
                let take = left.min(opener.sealed_chunk_len() as u64);
                left -= take;
                chunk.resize(usize::try_from(take).unwrap_or(0), 0);
                self.reader.exact(&mut chunk).await?;
                out.extend_from_slice(&chunk);
                hasher.update(opener.open_chunk(index, left == 0, &mut chunk).map_err(changed)?);
                index = index.saturating_add(1);
                if out.len() >= PART {
                    upload.write(std::mem::take(&mut out)).await?;
                }
            }
            if hasher.finish().sha256_hex() != text(row, "sha256")? {
                return damaged(format!("{name} is not what its message recorded"));
            }
            upload.write(out).await?;
            Ok(())
        };
        if let Err(error) = stored.await {
            upload.abort().await;
            return Err(error);
        }
        upload.finish().await?;
        self.report.blobs += 1;
        self.report.octets += sealed;
        Ok(())
    }

    fn check_end(&mut self, plain: &[u8], manifest_sha256: &str) -> Result<(), TransferError> {
        let Ok(end) = serde_json::from_slice::<Json>(plain) else { return damaged("its end cannot be read") };
        let rows: BTreeMap<String, u64> =
            end.get("rows").cloned().and_then(|r| serde_json::from_value(r).ok()).unwrap_or_default();
        let damaged_ids = end.get("damaged").and_then(Json::as_array).cloned().unwrap_or_default();
        self.report.damaged = damaged_ids.iter().filter_map(|id| id.as_str()?.parse().ok()).collect();
        for (table, count) in &rows {
            if *count != self.report.rows.remove(table).unwrap_or(0) {
                return damaged(format!("rows of {table} are missing"));
            }
        }
        if let Some(table) = self.report.rows.keys().next() {
            return damaged(format!("rows of {table} were added"));
        }
        let of = |table| rows.get(table).copied().unwrap_or(0);
        let keys: u64 = of("message_keys") + of("derived") + of("draft_pieces");
        if end.get("parts").and_then(Json::as_u64) != Some(self.parts)
            || end.get("blobs").and_then(Json::as_u64) != Some(self.report.blobs)
            || self.report.blobs + self.report.damaged.len() as u64 != keys
        {
            return damaged("parts are missing");
        }
        self.report.rows = rows;
        if end.get("manifest_sha256").and_then(Json::as_str) != Some(manifest_sha256) {
            return damaged("manifest.json was changed");
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<Tx, TransferError> {
        let mut tx = self.to.db.begin(Scope::System).await?;
        // Within the transaction: nobody else begins, or clears our blobs away, before it ends.
        if jobs::take_lease(&mut tx, &self.lease.0, &self.lease.1, LEASE).await?.is_none() {
            return Err(TransferError::Busy);
        }
        let early = std::mem::take(&mut self.early);
        for (table, row) in early {
            self.insert(&mut tx, table, vec![row]).await?;
        }
        Ok(tx)
    }

    async fn insert(
        &mut self,
        tx: &mut Tx,
        table: &'static tables::Table,
        rows: Vec<Row>,
    ) -> Result<(), TransferError> {
        let mut ready = Vec::with_capacity(rows.len());
        for mut row in rows {
            if row.get("tenant_id").is_some_and(|t| t.as_str() != Some(self.tenant.to_string().as_str())) {
                return damaged(format!("a row of {} belongs to another tenant", table.name));
            }
            match table.name {
                "tenants" => {
                    let wrapped = self.to.keys.wrap_tenant(self.tenant, &self.tenant_key)?;
                    row.insert("wrapped_key".to_owned(), wrapped.into());
                }
                "administrations" => {
                    let here = tenants::administrations(tx).await?;
                    let (id, slug) = (text(&row, "id")?, text(&row, "slug")?);
                    if let Some((other, ..)) = here.iter().find(|a| a.1 == slug || a.0.to_string() == id) {
                        self.administrations.insert(id, other.to_string());
                        continue;
                    }
                }
                "people" => {
                    let id = text(&row, "id")?;
                    // Kept for the names in timelines: nobody can sign in with it.
                    let args = args![id.as_str(), format!("~{id}"), text(&row, "kind")?, text(&row, "name")?];
                    tx.run(sql::PRINCIPAL_REMEMBER, args).await?;
                    continue;
                }
                "grants" => {
                    let word = |name: &str| text(&row, name);
                    self.report.grants.push([word("login")?, word("name")?, word("role")?, word("place")?]);
                    continue;
                }
                "mandates" | "desks" => {
                    let id = text(&row, "administration_id")?;
                    if let Some(here) = self.administrations.get(&id) {
                        row.insert("administration_id".to_owned(), here.as_str().into());
                    }
                }
                "connectors" => {
                    row.insert("active".to_owned(), 0.into());
                }
                "jobs" => {
                    row.insert("lease_token".to_owned(), "".into());
                }
                "checkpoints" => self.fence = self.fence.max(number(&row, "fence")?),
                _ => {}
            }
            let mut values = Vec::new();
            for name in table.names() {
                values.push(match row.remove(name) {
                    Some(Json::String(text)) => Value::Text(text),
                    Some(Json::Number(n)) if n.is_i64() => Value::Int(n.as_i64().unwrap_or(0)),
                    _ => return damaged(format!("a row of {} lacks {name}", table.name)),
                });
            }
            ready.push(values);
        }
        if let Some(insert) = &table.insert {
            match insert.run(tx, ready).await {
                Err(StoreError::Exists(what)) => {
                    return Err(TransferError::Exists(format!("a row of {what}")));
                }
                other => other?,
            };
        }
        Ok(())
    }

    /// The log goes on here with a greater fence than any node of the source had.
    async fn finish(&mut self, tx: &mut Tx) -> Result<(), TransferError> {
        tx.run(sql::LEASE_PUT, args![format!("sequencer:{}", self.tenant), self.fence.saturating_add(1)])
            .await?;
        Ok(())
    }
}

fn rows(plain: &[u8]) -> Result<Vec<Row>, TransferError> {
    plain
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            serde_json::from_slice(line)
                .map_err(|_| TransferError::Damaged("a row cannot be read".to_owned()))
        })
        .collect()
}
