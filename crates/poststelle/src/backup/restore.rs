// SPDX-License-Identifier: EUPL-1.2
//! `restore`: into an empty installation, with a new epoch of every log.
//!
//! Order: everything is checked, then the blobs, then the database. On SQLite the database gets its name last, so
//! a restore that was broken off leaves no installation that looks whole.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use poststelle_crypto::keys::{RootKey, TenantKey};
use poststelle_evidence::NewEvidence;
use poststelle_hub::clock::{SystemClock, SystemIds};
use poststelle_model::{AlarmId, Clock, Event, Fault, Reason, Subject, TenantId, Timestamp, Who};
use poststelle_proof::checkpoint;
use poststelle_proof::note::VerifierKey;
use poststelle_store::blob::{self, BlobStore};
use poststelle_store::{Db, DbConfig, Scope, StoreError, backup as store, evidence, migrate};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::task::JoinSet;

use super::{BLOB_LIST, FORMAT, FileDigest, MANIFEST, Manifest, PARALLEL, POSTGRES, SQLITE, VERSION};
use crate::config::Config;
use crate::house;
use crate::transfer::sync_folder_of;

/// What became of one tenant's log.
#[derive(Debug, Serialize)]
struct Epoch {
    tenant: String,
    messages: i64,
    entries: i64,
    /// Size of the last checkpoint in the backup; 0 = none.
    checkpoint: i64,
    /// Size of the newest checkpoint known from elsewhere.
    known: Option<i64>,
    /// Entries that are proven to be missing.
    missing: Option<i64>,
}

/// `restore`.
pub async fn restore(config: &Config, dir: &Path, known: &[PathBuf], as_json: bool) -> Result<ExitCode> {
    let manifest = read_manifest(dir)?;
    let sqlite = config.database_url().starts_with("sqlite://");
    if (manifest.database == "sqlite") != sqlite {
        bail!(
            "die Sicherung ist von einer Datenbank {}, die Konfiguration nennt eine andere; Mandanten ziehen mit \
             „tenant export“ und „tenant import“ um",
            manifest.database
        );
    }
    for file in &manifest.files {
        if ![SQLITE, POSTGRES, BLOB_LIST].contains(&file.name.as_str()) {
            bail!("die Sicherung nennt eine unbekannte Datei {:?}", file.name);
        }
        let found = store::digest_file(&dir.join(&file.name)).await;
        if !found.is_ok_and(|f| f == (file.size, file.sha256.clone())) {
            bail!("{} fehlt oder wurde verändert; nichts wurde wiederhergestellt", file.name);
        }
    }
    let key = config.root_key();
    let root = RootKey::load_file(&key).with_context(|| {
        format!("der Wurzelschlüssel gehört vorher nach {}; er ist nicht in der Sicherung", key.display())
    })?;
    let check = &manifest.key_check;
    if TenantKey::from_wrapped(&root, &check.tenant, &check.wrapped_key).is_err() {
        bail!("der Wurzelschlüssel {} gehört nicht zu dieser Sicherung", key.display());
    }
    let known = read_known(known, &manifest)?;
    let blobs = house::blobs(config)?;
    must_be_empty(config, &blobs, sqlite).await?;

    let (count, octets) = match load_blobs(&blobs, dir, &manifest).await {
        Ok(loaded) => loaded,
        Err(error) => {
            clear(&blobs).await?;
            return Err(error.context("nichts wurde wiederhergestellt"));
        }
    };
    let epochs = if sqlite {
        restore_sqlite(config, dir, &manifest, &known).await
    } else {
        restore_postgres(config, dir, &manifest, &known).await
    };
    let epochs = match epochs {
        Ok(epochs) => epochs,
        Err(error) => {
            clear(&blobs).await?;
            return Err(error.context("nicht wiederhergestellt"));
        }
    };
    tell(&manifest, count, octets, &epochs, as_json)?;
    Ok(ExitCode::SUCCESS)
}

fn read_manifest(dir: &Path) -> Result<Manifest> {
    let path = dir.join(MANIFEST);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} ist keine vollständige Sicherung: {MANIFEST} fehlt", dir.display()))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{} ist beschädigt", path.display()))?;
    if value["format"] != FORMAT {
        bail!("{} ist keine Sicherung einer Poststelle", dir.display());
    }
    if value["version"] != VERSION {
        bail!("die Sicherung hat die Fassung {}, dieses Programm liest {VERSION}", value["version"]);
    }
    let manifest: Manifest =
        serde_json::from_value(value).with_context(|| format!("{} ist beschädigt", path.display()))?;
    if manifest.schema > migrate::wanted() {
        bail!(
            "die Sicherung hat den Datenbank-Stand {}, dieses Programm kennt {}",
            manifest.schema,
            migrate::wanted()
        );
    }
    Ok(manifest)
}

fn sqlite_path(config: &Config) -> Result<PathBuf> {
    let url = config.database_url();
    let path = url.strip_prefix("sqlite://").and_then(|p| p.split('?').next()).context("database.url")?;
    Ok(PathBuf::from(path))
}

async fn must_be_empty(config: &Config, blobs: &Arc<dyn BlobStore>, sqlite: bool) -> Result<()> {
    if sqlite {
        let path = sqlite_path(config)?;
        if path.exists() {
            bail!(
                "die Datenbank {} gibt es schon; wiederhergestellt wird nur in eine leere Installation",
                path.display()
            );
        }
    } else {
        let db = Db::open(&DbConfig { connections: 2, ..DbConfig::new(&config.owner_url()) }).await?;
        let have = migrate::current(&db).await?;
        db.close().await;
        if have > 0 {
            bail!("die Datenbank ist nicht leer; wiederhergestellt wird nur in eine leere Installation");
        }
    }
    if blobs.list("").await?.iter().any(|b| blob::parse_name(&b.name).is_some()) {
        bail!("die Ablage der Inhalte ist nicht leer; wiederhergestellt wird nur in eine leere Installation");
    }
    Ok(())
}

/// Removes what a restore into an empty store left.
async fn clear(blobs: &Arc<dyn BlobStore>) -> Result<()> {
    for object in blobs.list("").await? {
        if blob::parse_name(&object.name).is_some() {
            blobs.delete(&object.name).await?;
        }
    }
    Ok(())
}

async fn load_blobs(blobs: &Arc<dyn BlobStore>, dir: &Path, manifest: &Manifest) -> Result<(u64, u64)> {
    let list = tokio::fs::File::open(dir.join(BLOB_LIST)).await?;
    let mut lines = BufReader::new(list).lines();
    let mut tasks: JoinSet<Result<(u64, u64)>> = JoinSet::new();
    let loaded = load_listed(blobs, dir, &mut lines, &mut tasks).await;
    // What was begun comes to its end before anybody clears up.
    while tasks.join_next().await.is_some() {}
    let (count, octets) = loaded?;
    if (count, octets) != (manifest.blobs, manifest.blob_octets) {
        bail!("{count} Inhalte statt {}", manifest.blobs);
    }
    Ok((count, octets))
}

async fn load_listed(
    blobs: &Arc<dyn BlobStore>,
    dir: &Path,
    lines: &mut Lines<BufReader<tokio::fs::File>>,
    tasks: &mut JoinSet<Result<(u64, u64)>>,
) -> Result<(u64, u64)> {
    let (mut count, mut octets) = (0, 0);
    let mut tally = |done: Result<Result<(u64, u64)>, tokio::task::JoinError>| -> Result<()> {
        let (size, expected) = done??;
        if size != expected {
            bail!("ein Inhalt hat eine andere Länge als in der Liste");
        }
        count += 1;
        octets += size;
        if count % 5000 == 0 {
            eprintln!("  Inhalte: {count}");
        }
        Ok(())
    };
    while let Some(line) = lines.next_line().await? {
        let file: FileDigest =
            serde_json::from_str(&line).with_context(|| format!("{BLOB_LIST} ist beschädigt"))?;
        if blob::parse_name(&file.name).is_none() || file.name.split('/').any(|p| p == "..") {
            bail!("{BLOB_LIST} nennt einen unmöglichen Namen: {:?}", file.name);
        }
        if tasks.len() >= PARALLEL
            && let Some(done) = tasks.join_next().await
        {
            tally(done)?;
        }
        let (blobs, path) = (Arc::clone(blobs), dir.join("blobs").join(&file.name));
        tasks.spawn(async move {
            let size = store::load_blob(&blobs, &file.name, &path, &file.sha256)
                .await
                .with_context(|| format!("der Inhalt {} fehlt oder wurde verändert", file.name))?;
            Ok((size, file.size))
        });
    }
    while let Some(done) = tasks.join_next().await {
        tally(done)?;
    }
    Ok((count, octets))
}

async fn restore_sqlite(
    config: &Config,
    dir: &Path,
    manifest: &Manifest,
    known: &Known,
) -> Result<Vec<Epoch>> {
    let path = sqlite_path(config)?;
    let partial = path.with_extension("restore");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let result = async {
        tokio::fs::copy(dir.join(SQLITE), &partial).await?;
        let db = Db::open(&DbConfig::new(&format!("sqlite://{}", partial.display()))).await?;
        migrate::migrate(&db, None).await?;
        let epochs = open_epochs(&db, manifest, known).await?;
        db.close().await;
        let wal = partial.with_extension("restore-wal");
        if std::fs::metadata(&wal).is_ok_and(|m| m.len() > 0) {
            bail!("{} wurde nicht geleert", wal.display());
        }
        std::fs::File::open(&partial)?.sync_all()?;
        std::fs::rename(&partial, &path)?;
        sync_folder_of(&path)?;
        Ok(epochs)
    };
    let result = result.await;
    if result.is_err() {
        for name in ["restore", "restore-wal", "restore-shm"] {
            let _ = std::fs::remove_file(path.with_extension(name));
        }
    }
    result
}

async fn restore_postgres(
    config: &Config,
    dir: &Path,
    manifest: &Manifest,
    known: &Known,
) -> Result<Vec<Epoch>> {
    store::restore_postgres(&config.owner_url(), &dir.join(POSTGRES)).await?;
    let finish = async {
        house::migrate_database(config).await?;
        let db = house::database(config).await?;
        let epochs = open_epochs(&db, manifest, known).await?;
        db.close().await;
        Ok::<_, anyhow::Error>(epochs)
    };
    finish
        .await
        .context("die Datenbank ist eingespielt, aber nicht freigegeben: sie leeren und noch einmal beginnen")
}

/// Opens a new epoch of every log in one transaction, and says what may be lost.
async fn open_epochs(db: &Db, manifest: &Manifest, known: &Known) -> Result<Vec<Epoch>> {
    let created = Timestamp::parse_rfc3339(&manifest.created).context("Zeit der Sicherung")?;
    let now = SystemClock.now();
    let mut tx = db.begin(Scope::System).await?;
    let states = store::states(&mut tx).await?;
    let (mut epochs, mut news, mut lost) = (Vec::new(), Vec::new(), 0);
    for state in &states {
        let id = state.tenant.id;
        let size = state.checkpoint.as_ref().map_or(0, |c| c.size);
        let mut body = serde_json::json!({
            "backup_at": manifest.created,
            "checkpoint_size": size,
            "checkpoint_root": state.checkpoint.as_ref().map_or("", |c| &c.root),
            "entries": state.entries,
        });
        let (mut seen, mut missing) = (None, None);
        if let Some((known_size, root)) = known.get(&id).cloned() {
            if let Some(ours) = store::checkpoint_root(&mut tx, id, known_size).await?
                && ours != root
            {
                bail!(
                    "der bekannte Prüfpunkt {known_size} von {} passt nicht zur Sicherung",
                    state.tenant.slug
                );
            }
            // All entries of the backup came into the log before any later one.
            let gone = (known_size - state.entries).max(0);
            body["known_size"] = known_size.into();
            body["missing"] = gone.into();
            (seen, missing) = (Some(known_size), Some(gone));
            lost += gone;
        }
        news.push(NewEvidence::new(id, Subject::tenant(id), Event::EpochOpened, Who::house("restore"), body));
        epochs.push(Epoch {
            tenant: state.tenant.slug.clone(),
            messages: state.messages,
            entries: state.entries,
            checkpoint: size,
            known: seen,
            missing,
        });
    }
    poststelle_evidence::append(&mut tx, now, &news).await?;
    let mut reason = Reason::new("PST-HUB-0007", Fault::Operator).with("at", created.berlin());
    if lost > 0 {
        reason = reason.with("missing", lost);
    }
    let alarm = AlarmId::new(&SystemIds);
    evidence::raise_alarm(&mut tx, TenantId::SYSTEM, alarm, "restored", &reason, now).await?;
    store::end_all_holds(&mut tx, now).await?;
    tx.commit().await?;
    Ok(epochs)
}

/// Size and root of the newest known checkpoint of each tenant.
type Known = HashMap<TenantId, (i64, String)>;

/// The newest checkpoint of each tenant in the given files: signed notes, one each.
fn read_known(files: &[PathBuf], manifest: &Manifest) -> Result<Known> {
    let mut newest = Known::new();
    for path in files {
        let note = std::fs::read(path).with_context(|| format!("Prüfpunkt {}", path.display()))?;
        let fits = manifest.tenants.iter().find_map(|t| {
            let key = VerifierKey::parse(&t.note_vkey).ok()?;
            let opened = checkpoint::open(&note, &t.log_origin, &key, &[]).ok()?;
            Some((t.id.parse().ok()?, opened.checkpoint))
        });
        let Some((id, found)) = fits else {
            bail!("{} ist von keinem Mandanten dieser Sicherung unterschrieben", path.display());
        };
        let size = i64::try_from(found.size()).map_err(|_| StoreError::Config("size".to_owned()))?;
        let entry = newest.entry(id).or_insert((0, String::new()));
        if size > entry.0 {
            *entry = (size, poststelle_crypto::digest::hex(found.root()));
        }
    }
    Ok(newest)
}

fn tell(manifest: &Manifest, blobs: u64, octets: u64, epochs: &[Epoch], as_json: bool) -> Result<()> {
    if as_json {
        let value = serde_json::json!({
            "backup_at": manifest.created, "messages": manifest.messages, "blobs": blobs, "blob_octets": octets,
            "missing_blobs": manifest.missing_blobs, "tenants": serde_json::to_value(epochs)?,
        });
        println!("{value}");
        return Ok(());
    }
    let at = Timestamp::parse_rfc3339(&manifest.created)
        .map_or_else(|| manifest.created.clone(), Timestamp::berlin);
    println!(
        "Wiederhergestellt auf den Stand von {at}: {} Nachrichten, {blobs} Inhalte ({octets} Bytes)",
        manifest.messages
    );
    for e in epochs {
        let loss = match (e.known, e.missing) {
            (Some(known), Some(0)) => format!("; bis zum bekannten Prüfpunkt {known} fehlt nichts"),
            (Some(known), Some(missing)) => {
                format!("; bekannt ist der Prüfpunkt {known}: {missing} Einträge FEHLEN")
            }
            _ => String::new(),
        };
        println!(
            "  {}: {} Nachrichten, {} Nachweise, Prüfpunkt {}{loss}",
            e.tenant, e.messages, e.entries, e.checkpoint
        );
    }
    for name in &manifest.missing_blobs {
        println!("ACHTUNG: Der Inhalt {name} fehlte schon vor der Sicherung.");
    }
    println!(
        "Was danach angenommen wurde, kann fehlen. Ein neuer Abschnitt des Protokolls ist eröffnet und ein Alarm gesetzt. \
         Aufträge von damals laufen wieder an: Übergaben können sich wiederholen, unter demselben Schlüssel."
    );
    Ok(())
}
