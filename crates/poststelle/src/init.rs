// SPDX-License-Identifier: EUPL-1.2
//! `init`: from an empty folder to an installation somebody can sign in to.
//!
//! Guarantees: nothing that is there is overwritten; it can be run again after an interruption and goes on where it
//! stopped; the first operator's password is shown once. Schema and root key come from `migrate`, as ever.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use poststelle_hub::directory::{NewPrincipal, hash_password};
use poststelle_model::people::{Grant, Place};
use poststelle_model::{PrincipalId, Role};
use secrecy::{ExposeSecret, SecretString};

use crate::config::Config;
use crate::person::{self, Acting};
use crate::{admin, house};

/// The example of the handbook.
const EXAMPLE: &str = include_str!("../../../docs/src/beispiele/verzeichnis.toml");

#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Folder of the installation; made when it is not there.
    dir: PathBuf,
    /// Domain of the house's own addresses and name in SMTP; needed for a new configuration.
    #[arg(long)]
    domain: Option<String>,
    /// Sign-in name of the first operator.
    #[arg(long, default_value = "betrieb")]
    login: String,
}

/// Runs `init`.
pub async fn run(args: InitArgs) -> Result<ExitCode> {
    let folder = || format!("Ordner {}", args.dir.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o750).create(&args.dir).with_context(folder)?;
    let dir = args.dir.canonicalize().with_context(folder)?;
    let path = dir.join("poststelle.toml");
    let wrote = write_new(&path, || match args.domain.as_deref().map(str::trim) {
        Some(domain) if !domain.is_empty() => Ok(configuration(domain, &dir)),
        _ => bail!("für eine neue Installation fehlt --domain, zum Beispiel --domain post.beispiel.example"),
    })?;
    let config = Config::load(&path)?;
    if let Some(domain) = args.domain.as_deref().filter(|d| !wrote && d.trim() != config.domain) {
        bail!(
            "{} nennt schon die Domäne {}, nicht {domain}; bitte dort ändern",
            path.display(),
            config.domain
        );
    }
    admin::migrate_quietly(&config).await?;
    let first = first_operator(&config, &args).await?;
    let directory = dir.join("verzeichnis.toml");
    write_new(&directory, || Ok(commented(EXAMPLE)))?;
    println!("{}: {}", path.display(), if wrote { "angelegt" } else { "war schon da und bleibt" });
    println!("Wurzelschlüssel: {}", config.root_key().display());
    match first {
        None => println!("Betrieb: eine Person mit dieser Rolle gibt es schon"),
        Some(password) => println!(
            "\nErste Anmeldung für den Betrieb, nur dieses eine Mal zu sehen:\n\n  Anmeldename  {}\n  Passwort     {}",
            args.login.to_lowercase(),
            password.expose_secret()
        ),
    }
    let (path, directory) = (path.display(), directory.display());
    println!("\nSo geht es weiter:\n");
    println!("  poststelle doctor --config {path}");
    println!(
        "  poststelle directory apply --config {path} {directory}    # vorher dort eintragen, wer und was"
    );
    println!("  poststelle serve --config {path}");
    Ok(ExitCode::SUCCESS)
}

/// Writes a file that is not there yet; false when it is.
fn write_new(path: &Path, text: impl FnOnce() -> Result<String>) -> Result<bool> {
    if path.exists() {
        return Ok(false);
    }
    let text = text()?;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("Datei {}", path.display())),
        Ok(mut file) => {
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
            Ok(true)
        }
    }
}

/// The first operator with a made-up password; `None` when somebody has the role already.
async fn first_operator(config: &Config, args: &InitArgs) -> Result<Option<SecretString>> {
    let hub = house::hub(config, Duration::ZERO, false).await?;
    if person::has_operator(&hub).await? {
        return Ok(None);
    }
    let who = Acting::default().who(&hub).await?;
    let password = person::initial_password()?;
    let id = PrincipalId::new(hub.ids());
    let new = NewPrincipal {
        id,
        login: args.login.clone(),
        name: "Betrieb".to_owned(),
        kind: "person".to_owned(),
        administration: None,
        password_hash: hash_password(password.expose_secret()).await?,
        must_change: true,
    };
    let mut edit = hub.edit(&who).await?;
    edit.add_principal(new).await.with_context(|| format!("--login {}", args.login))?;
    edit.set_grant(id, Grant { role: Role::Operator, place: Place::Installation }, true).await?;
    edit.commit().await?;
    Ok(Some(password))
}

/// Every line a comment: something to start from that changes nothing by itself. What was none has no blank after #.
fn commented(text: &str) -> String {
    let line =
        |l: &str| if l.is_empty() || l.starts_with('#') { format!("{l}\n") } else { format!("#{l}\n") };
    text.lines().map(line).collect()
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn configuration(domain: &str, dir: &Path) -> String {
    let (domain, data) = (quoted(domain), quoted(&dir.join("data").display().to_string()));
    format!(
        r#"# Einstellungen dieser Poststelle. Alle Felder: docs/src/referenz/konfiguration.md.
# Prüfen: poststelle config check --config DIESE-DATEI
# Eine Umgebungsvariable POSTSTELLE_<ABSCHNITT>_<FELD> überschreibt ein Feld; so stehen Geheimnisse nicht hier.

# Name dieses Knotens; bei mehreren Knoten auf jedem ein anderer.
node = "knoten-1"
# Eigene Adressen (postmaster@, Rückmeldungen) und Name im SMTP-Gespräch.
domain = {domain}
# Datenbank, Inhalte und Wurzelschlüssel, soweit unten nichts anderes steht.
data = {data}

[web]
# Seiten und Schnittstelle, ohne TLS: davor gehört ein Proxy, der TLS spricht.
listen = "127.0.0.1:8080"
# Nur zum Ausprobieren ohne Proxy und TLS auf diesem Rechner:
# secure_cookies = false

[smtp]
# Eingang für E-Mail. Für den Betrieb: "0.0.0.0:25" und ein Zertifikat.
listen = "127.0.0.1:2525"
# certificate = "/etc/poststelle/kette.pem"
# key = "/etc/poststelle/schluessel.pem"

[mail]
# Mailserver, der alle ausgehende Post weiterschickt:
# relay = "mailausgang.beispiel.example:25"

# PostgreSQL statt einer SQLite-Datei unter data:
# [database]
# url = "postgres://poststelle_app@db.beispiel.example/poststelle"
# owner_url = "postgres://poststelle_owner@db.beispiel.example/poststelle"
# app_role = "poststelle_app"

# In welchen Verzeichnissen Übergabeordner liegen dürfen:
# [connect]
# hot_folder_roots = ["/srv/uebergabe"]
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_configuration_is_valid_and_its_comments_too() {
        let text = configuration("post.beispiel.example", Path::new("/srv/a \"b\""));
        let config = Config::parse(&text, std::iter::empty()).unwrap();
        assert_eq!(config.domain, "post.beispiel.example");
        assert_eq!(config.data, Path::new("/srv/a \"b\"/data"));
        // What is switched off by a comment must be right when somebody switches it on.
        let all = text.replace("\n# [", "\n[");
        let on = |l: &str| {
            l.strip_prefix("# ")
                .filter(|l| l.contains(" = \"") || l.contains(" = [") || l.contains(" = false"))
                .map(str::to_owned)
        };
        let all: String = all.lines().map(|l| on(l).unwrap_or_else(|| l.to_owned()) + "\n").collect();
        let config = Config::parse(&all, std::iter::empty()).unwrap();
        assert_eq!(config.database.app_role, "poststelle_app");
        assert!(!config.web.secure_cookies);
    }

    #[test]
    fn the_commented_example_is_empty() {
        assert!(toml::from_str::<toml::Table>(&commented(EXAMPLE)).unwrap().is_empty());
        assert!(!toml::from_str::<toml::Table>(EXAMPLE).unwrap().is_empty());
    }
}
