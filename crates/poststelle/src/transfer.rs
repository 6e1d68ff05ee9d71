// SPDX-License-Identifier: EUPL-1.2
//! `tenant export` and `tenant import`: a tenant moves to another installation with all mail and all proofs.
//!
//! Guarantees: before an imported tenant becomes visible all its blobs, chains, the log and the newest checkpoint
//! were checked; after any refusal nothing of it is there. Format and limits: `poststelle_store::transfer`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use poststelle_crypto::keys::RootKey;
use poststelle_evidence::NewEvidence;
use poststelle_hub::clock::{SystemClock, SystemIds};
use poststelle_model::{Clock, Event, Ids, Subject, TenantId, Who};
use poststelle_store::blob::BlobStore;
use poststelle_store::keys::Keys;
use poststelle_store::transfer::{self, Export, Import, PASSPHRASE_MIN, Report, TransferError};
use poststelle_store::{Db, Scope, migrate, tenants};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::ConfigArg;
use crate::config::Config;
use crate::house;

/// Where the passphrase may stand when no file is given.
const PASSPHRASE: &str = "POSTSTELLE_EXPORT_PASSPHRASE";

#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Writes everything of a tenant into one file, protected by a passphrase, while the nodes go on working.
    Export {
        #[command(flatten)]
        config: ConfigArg,
        /// Short name of the tenant.
        tenant: String,
        /// New file.
        file: PathBuf,
        /// File with the passphrase; otherwise it is taken from POSTSTELLE_EXPORT_PASSPHRASE.
        #[arg(long)]
        passphrase_file: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Takes a tenant in from such a file, whole or not at all.
    Import {
        #[command(flatten)]
        config: ConfigArg,
        /// The file.
        file: PathBuf,
        /// File with the passphrase; otherwise it is taken from POSTSTELLE_EXPORT_PASSPHRASE.
        #[arg(long)]
        passphrase_file: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
}

/// `tenant …`.
pub async fn run(command: TenantCommand) -> Result<ExitCode> {
    match command {
        TenantCommand::Export { config, tenant, file, passphrase_file, json } => {
            let passphrase = passphrase(passphrase_file.as_deref())?;
            export(&Config::load(&config.config)?, &tenant, &file, &passphrase, json).await
        }
        TenantCommand::Import { config, file, passphrase_file, json } => {
            let passphrase = passphrase(passphrase_file.as_deref())?;
            import(&Config::load(&config.config)?, &file, &passphrase, json).await
        }
    }
}

fn passphrase(file: Option<&Path>) -> Result<SecretString> {
    let text = match file {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("Passwortsatz {}", path.display()))?
        }
        None => std::env::var(PASSPHRASE).with_context(|| {
            format!("es fehlt der Passwortsatz: --passphrase-file DATEI oder {PASSPHRASE}")
        })?,
    };
    let text = SecretString::from(text.trim_end_matches(['\r', '\n']));
    if text.expose_secret().chars().count() < PASSPHRASE_MIN {
        bail!("der Passwortsatz hat weniger als {PASSPHRASE_MIN} Zeichen");
    }
    Ok(text)
}

/// Database, blobs and keys of an installation that is up to date.
pub async fn parts(config: &Config) -> Result<(Db, Arc<dyn BlobStore>, Keys)> {
    let db = house::database(config).await?;
    let have = migrate::current(&db).await?;
    if have != migrate::wanted() {
        bail!(
            "die Datenbank hat Stand {have}, dieses Programm braucht {}: erst „poststelle migrate“",
            migrate::wanted()
        );
    }
    let root = RootKey::load_file(&config.root_key())?;
    Ok((db, house::blobs(config)?, Keys::new(Arc::new(root))))
}

/// What went wrong, and what to do.
fn in_words(error: TransferError) -> anyhow::Error {
    match error {
        TransferError::Passphrase => {
            anyhow::anyhow!("der Passwortsatz öffnet die Datei nicht; nichts wurde übernommen")
        }
        TransferError::ShortPassphrase => {
            anyhow::anyhow!("der Passwortsatz hat weniger als {PASSPHRASE_MIN} Zeichen")
        }
        TransferError::Damaged(what) => {
            anyhow::anyhow!(
                "die Datei ist nicht so, wie sie geschrieben wurde ({what}); nichts wurde übernommen"
            )
        }
        TransferError::Format(what) => anyhow::anyhow!("diese Datei wird hier nicht gelesen: {what}"),
        TransferError::Exists(what) => {
            anyhow::anyhow!("das gibt es hier schon: {what}; nichts wurde übernommen")
        }
        TransferError::Busy => {
            anyhow::anyhow!(
                "dieser Mandant wird gerade schon übernommen; nach einem Abbruch zwei Minuten warten"
            )
        }
        TransferError::Io(error) => anyhow::anyhow!("Datei: {error}"),
        TransferError::Store(error) => error.into(),
    }
}

/// Speaks on the terminal's second line now and then.
fn progress() -> impl FnMut(&str, u64) + Send {
    let (mut last, mut shown) = (String::new(), 0);
    move |what: &str, count: u64| {
        if what != last || count >= shown + 10_000 {
            eprintln!("  {what}: {count}");
            what.clone_into(&mut last);
            shown = count;
        }
    }
}

async fn prove(db: &Db, tenant: TenantId, body: serde_json::Value) -> Result<()> {
    let new = NewEvidence::new(tenant, Subject::tenant(tenant), Event::Changed, Who::house("operator"), body);
    for _ in 0..5 {
        let mut tx = db.begin(Scope::Tenant(tenant)).await?;
        match poststelle_evidence::append(&mut tx, SystemClock.now(), std::slice::from_ref(&new)).await {
            Ok(_) => return Ok(tx.commit().await?),
            Err(error) if error.is_conflict() => tx.rollback().await?,
            Err(error) => return Err(error.into()),
        }
    }
    bail!("der Nachweis konnte nicht geschrieben werden; bitte noch einmal")
}

async fn export(
    config: &Config,
    slug: &str,
    file: &Path,
    passphrase: &SecretString,
    as_json: bool,
) -> Result<ExitCode> {
    let (db, blobs, keys) = parts(config).await?;
    let mut tx = db.read(Scope::System).await?;
    let all = tenants::all(&mut tx).await?;
    tx.rollback().await?;
    let Some(tenant) = all.iter().find(|t| t.slug == slug) else {
        bail!("es gibt keinen Mandanten {slug:?}")
    };
    if tenant.id.is_system() {
        bail!("der Mandant „system“ gehört zur Installation und zieht nicht um");
    }
    if file.exists() {
        bail!("{} gibt es schon", file.display());
    }
    let partial = file.with_extension("partial");
    let what = Export {
        tenant: tenant.id,
        id: SystemIds.next().to_string(),
        at: SystemClock.now(),
        program: env!("CARGO_PKG_VERSION"),
        passphrase: passphrase.expose_secret(),
    };
    // Who hands everything of a tenant out leaves a trace, also in the file itself.
    prove(&db, tenant.id, json!({ "field": "export", "export": what.id })).await?;
    let out = tokio::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .await;
    let out = out.with_context(|| format!("Datei {}", partial.display()))?;
    let out = tokio::io::BufWriter::with_capacity(1 << 20, out);
    let result = transfer::export(&db, &blobs, &keys, &what, out, &mut progress()).await;
    let report = match result {
        Ok((report, out)) => {
            out.into_inner().sync_all().await?;
            report
        }
        Err(error) => {
            let _ = tokio::fs::remove_file(&partial).await;
            return Err(in_words(error));
        }
    };
    tokio::fs::rename(&partial, file).await.with_context(|| format!("Datei {}", file.display()))?;
    sync_folder_of(file)?;
    if as_json {
        println!(
            "{}",
            json!({ "tenant": slug, "export": what.id, "file": file, "report": report_json(&report) })
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} geschrieben: {}", file.display(), in_short(&report));
    say_damaged(&report);
    println!(
        "Ohne den Passwortsatz ist die Datei nicht lesbar. Vor der Übernahme am neuen Ort diesen Mandanten hier abschalten: \
         offene Aufträge reisen mit und gehen dort weiter."
    );
    Ok(ExitCode::SUCCESS)
}

async fn import(config: &Config, file: &Path, passphrase: &SecretString, as_json: bool) -> Result<ExitCode> {
    let (db, blobs, keys) = parts(config).await?;
    let input = tokio::fs::File::open(file).await.with_context(|| format!("Datei {}", file.display()))?;
    let input = tokio::io::BufReader::with_capacity(1 << 20, input);
    let holder = SystemIds.next().to_string();
    let to = Import {
        db: &db,
        blobs: &blobs,
        keys: &keys,
        passphrase: passphrase.expose_secret(),
        holder: &holder,
    };
    let mut pending = transfer::import(&to, input, &mut progress()).await.map_err(in_words)?;
    let (tenant, slug) = (pending.tenant, pending.slug.clone());
    let checked = check(&mut pending).await;
    let verified = match checked {
        Ok(verified) => verified,
        Err(error) => {
            pending.abort(&to).await.map_err(in_words)?;
            return Err(error.context("nichts wurde übernommen"));
        }
    };
    let report = pending.commit().await.map_err(in_words)?;
    let hub = house::hub(config, Duration::ZERO, false).await?;
    if let Err(error) = hub.rebuild_search(tenant, |_| {}).await {
        eprintln!("Die Suche ist noch unvollständig ({error}): poststelle search rebuild --tenant {slug}");
    }
    let mut tx = db.read(Scope::System).await?;
    let waiting: Vec<String> = {
        tx.enter(Scope::Tenant(tenant)).await?;
        tenants::connectors(&mut tx, tenant).await?.into_iter().map(|c| c.name).collect()
    };
    if as_json {
        println!(
            "{}",
            json!({
                "tenant": slug, "chains": verified.chains, "entries": verified.entries, "checkpoint": verified.checkpoint,
                "inactive_connectors": waiting, "report": report_json(&report),
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("Mandant {slug} übernommen: {}", in_short(&report));
    println!(
        "Geprüft: {} Ketten mit {} Einträgen, Protokoll bis {}",
        verified.chains, verified.entries, verified.checkpoint
    );
    say_damaged(&report);
    let jobs = report.rows.get("jobs").copied().unwrap_or(0);
    println!(
        "{jobs} offene Aufträge gehen hier weiter; die alte Installation darf diesen Mandanten nicht mehr bearbeiten."
    );
    if !waiting.is_empty() {
        println!("Abgeschaltet, bis Ordner und Adressen hier stimmen: {}", waiting.join(", "));
    }
    if !report.grants.is_empty() {
        println!("Konten, Kennwörter und API-Schlüssel reisen nicht mit. Dort hatten Rollen:");
        for [login, name, role, place] in &report.grants {
            println!("  {login} ({name}): {role}, {place}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks chains and log on the rows not yet visible, and notes the arrival in the tenant's own chain.
async fn check(pending: &mut transfer::Pending) -> Result<poststelle_evidence::Verified> {
    let tenant = pending.tenant;
    let body =
        json!({ "field": "installation", "export": pending.export, "exported_at": pending.exported_at });
    let tx = pending.tx();
    tx.enter(Scope::Tenant(tenant)).await?;
    let verified = poststelle_evidence::verify_within(tx, tenant).await?;
    if !verified.faults.is_empty() {
        let first: Vec<String> =
            verified.faults.iter().take(5).map(|f| format!("{}: {}", f.place, f.what)).collect();
        bail!("{} Nachweise passen nicht: {}", verified.faults.len(), first.join("; "));
    }
    let new = NewEvidence::new(tenant, Subject::tenant(tenant), Event::Changed, Who::house("operator"), body);
    poststelle_evidence::append(tx, SystemClock.now(), &[new]).await?;
    Ok(verified)
}

fn in_short(report: &Report) -> String {
    let rows = |table: &str| report.rows.get(table).copied().unwrap_or(0);
    format!(
        "{} Nachrichten, {} Inhalte ({} Bytes), {} Nachweise",
        rows("messages"),
        report.blobs,
        report.octets,
        rows("evidence")
    )
}

fn say_damaged(report: &Report) {
    for id in &report.damaged {
        println!(
            "ACHTUNG: Der Inhalt der Nachricht {id} fehlte oder war beschädigt; ihre Nachweise sind da."
        );
    }
}

fn report_json(report: &Report) -> serde_json::Value {
    let damaged: Vec<String> = report.damaged.iter().map(ToString::to_string).collect();
    let grants: Vec<_> = report
        .grants
        .iter()
        .map(|[login, name, role, place]| json!({ "login": login, "name": name, "role": role, "place": place }))
        .collect();
    json!({ "rows": report.rows, "blobs": report.blobs, "octets": report.octets, "damaged": damaged, "grants": grants })
}

/// Makes a name in a folder durable.
pub fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)
        .and_then(|f| f.sync_all())
        .with_context(|| format!("Ordner {}", folder.display()))
}
