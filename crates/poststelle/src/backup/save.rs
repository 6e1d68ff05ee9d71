// SPDX-License-Identifier: EUPL-1.2
//! `backup`: database first, then the blobs it names.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use poststelle_hub::clock::SystemClock;
use poststelle_model::Clock;
use poststelle_store::blob::BlobStore;
use poststelle_store::{Db, DbConfig, Dialect, Scope, StoreError, Tx, backup as store, migrate};
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::task::JoinSet;

use super::{
    BLOB_LIST, CheckpointState, FORMAT, FileDigest, KeyCheck, MANIFEST, Manifest, PAGE, PARALLEL, POSTGRES,
    SQLITE, TenantState, VERSION,
};
use crate::config::Config;
use crate::house;
use crate::transfer::sync_folder_of;

/// `backup`.
pub async fn backup(config: &Config, dir: &Path, as_json: bool) -> Result<ExitCode> {
    let there = std::fs::read_dir(dir).map(|mut entries| entries.next().is_some());
    if there.unwrap_or(false) {
        bail!("{} ist nicht leer; jede Sicherung braucht einen Ordner für sich", dir.display());
    }
    let db = house::database(config).await?;
    let have = migrate::current(&db).await?;
    if have != migrate::wanted() {
        bail!(
            "die Datenbank hat Stand {have}, dieses Programm {}: erst „poststelle migrate“",
            migrate::wanted()
        );
    }
    let blobs = house::blobs(config)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("Ordner {}", dir.display()))?;
    let created = SystemClock.now();
    let (database, states, tally) = match db.dialect() {
        Dialect::Sqlite => {
            let path = dir.join(SQLITE);
            store::copy_sqlite(&db, &path).await?;
            // What the copy says is what the backup has, whatever happened since.
            let copy = Db::open(&DbConfig::new(&format!("sqlite://{}", path.display()))).await?;
            let mut tx = copy.read(Scope::System).await?;
            let states = store::states(&mut tx).await?;
            let tally = save_blobs(&mut tx, &blobs, dir).await?;
            tx.rollback().await?;
            copy.close().await;
            (SQLITE, states, tally)
        }
        Dialect::Postgres => {
            let mut tx = db.read(Scope::System).await?;
            let snapshot = store::snapshot(&mut tx).await?;
            store::dump_postgres(&config.owner_url(), &snapshot, &dir.join(POSTGRES)).await?;
            let states = store::states(&mut tx).await?;
            let tally = save_blobs(&mut tx, &blobs, dir).await?;
            tx.rollback().await?;
            (POSTGRES, states, tally)
        }
    };
    let mut files = Vec::new();
    for name in [database, BLOB_LIST] {
        let (size, sha256) = store::digest_file(&dir.join(name)).await?;
        files.push(FileDigest { name: name.to_owned(), size, sha256 });
    }
    let key = states.first().context("die Installation hat keinen Mandanten; erst „poststelle migrate“")?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        created: created.rfc3339(),
        database: if database == SQLITE { "sqlite" } else { "postgres" }.to_owned(),
        schema: have,
        key_check: KeyCheck {
            tenant: key.tenant.id.to_string(),
            wrapped_key: key.tenant.wrapped_key.clone(),
        },
        messages: states.iter().map(|s| s.messages).sum(),
        tenants: states.iter().map(tenant_state).collect(),
        blobs: tally.blobs,
        blob_octets: tally.octets,
        missing_blobs: tally.missing,
        files,
    };
    write_manifest(dir, &manifest)?;
    if as_json {
        println!("{}", serde_json::to_string(&manifest)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "Sicherung in {}: {} Nachrichten von {} Mandanten, {} Inhalte ({} Bytes), Stand {}",
        dir.display(),
        manifest.messages,
        manifest.tenants.len(),
        manifest.blobs,
        manifest.blob_octets,
        created.berlin()
    );
    for name in &manifest.missing_blobs {
        println!("ACHTUNG: Der Inhalt {name} fehlte schon vor der Sicherung.");
    }
    println!(
        "Der Wurzelschlüssel {} ist NICHT dabei. Ohne ihn ist keine Nachricht lesbar: getrennt von der Sicherung verwahren. \
         Die Sicherung ist nicht verschlüsselt; Betreffe und Absender stehen lesbar in der Datenbank.",
        config.root_key().display()
    );
    Ok(ExitCode::SUCCESS)
}

fn tenant_state(state: &store::State) -> TenantState {
    TenantState {
        id: state.tenant.id.to_string(),
        slug: state.tenant.slug.clone(),
        name: state.tenant.name.clone(),
        log_origin: state.tenant.log_origin.clone(),
        note_vkey: state.tenant.note_vkey.clone(),
        messages: state.messages,
        entries: state.entries,
        checkpoint: state.checkpoint.as_ref().map(|c| CheckpointState {
            size: c.size,
            root: c.root.clone(),
            note: c.note.clone(),
        }),
    }
}

#[derive(Default)]
struct Tally {
    blobs: u64,
    octets: u64,
    missing: Vec<String>,
}

/// Copies all blobs the database names, some at once, and lists them.
async fn save_blobs(tx: &mut Tx, blobs: &Arc<dyn BlobStore>, dir: &Path) -> Result<Tally> {
    let list = tokio::fs::File::create(dir.join(BLOB_LIST)).await?;
    let mut list = BufWriter::new(list);
    let (mut tally, mut after) = (Tally::default(), None);
    loop {
        let page = store::blob_page(tx, &mut after, PAGE).await?;
        if page.is_empty() {
            break;
        }
        let mut tasks: JoinSet<(String, u64, Result<String, StoreError>)> = JoinSet::new();
        for (name, size) in page {
            if tasks.len() >= PARALLEL
                && let Some(done) = tasks.join_next().await
            {
                note(&mut list, &mut tally, done?).await?;
            }
            let (blobs, path) = (Arc::clone(blobs), dir.join("blobs").join(&name));
            tasks.spawn(async move {
                let saved = store::save_blob(&blobs, &name, size, &path).await;
                (name, size, saved)
            });
        }
        while let Some(done) = tasks.join_next().await {
            note(&mut list, &mut tally, done?).await?;
        }
        eprintln!("  Inhalte: {}", tally.blobs);
    }
    list.flush().await?;
    list.into_inner().sync_all().await?;
    Ok(tally)
}

async fn note(
    list: &mut BufWriter<tokio::fs::File>,
    tally: &mut Tally,
    (name, size, saved): (String, u64, Result<String, StoreError>),
) -> Result<()> {
    match saved {
        Ok(sha256) => {
            let line = serde_json::to_string(&FileDigest { name, size, sha256 })?;
            list.write_all(line.as_bytes()).await?;
            list.write_all(b"\n").await?;
            tally.blobs += 1;
            tally.octets += size;
            Ok(())
        }
        // One lost blob must not cost the backup of all others.
        Err(StoreError::NotFound(_)) => {
            tally.missing.push(name);
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("Inhalt {name}")),
    }
}

/// The manifest comes last, under its name only when it is whole and everything before it is durable.
fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<()> {
    let (partial, path) = (dir.join("manifest.partial"), dir.join(MANIFEST));
    let mut text = serde_json::to_string_pretty(manifest)?;
    text.push('\n');
    std::fs::write(&partial, text)?;
    std::fs::File::open(&partial)?.sync_all()?;
    sync_tree(dir)?;
    std::fs::rename(&partial, &path)?;
    sync_folder_of(&path)?;
    sync_folder_of(dir)
}

/// Makes the names of all folders below durable; the files are already.
fn sync_tree(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    Ok(std::fs::File::open(dir)?.sync_all()?)
}
