// SPDX-License-Identifier: EUPL-1.2
//! `person` and `token`: what an operator does for one account on the host itself.
//!
//! Guarantees: a password is read without echo and never an argument; a token or made-up password is shown once and
//! stored as a hash; every change is evidence that names who acted.
//! Does not: ask who sits at the keyboard. Whoever reaches database and root key is the operator.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use poststelle_hub::Hub;
use poststelle_hub::directory::{DirectoryError, PASSWORD_MIN, hash_password};
use poststelle_model::{Role, TenantId, Who};
use poststelle_store::access::{self, Principal};
use poststelle_store::{Scope, tenants};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::ConfigArg;
use crate::config::Config;
use crate::house;

/// Longest a token may be valid, days.
const TOKEN_DAYS: u32 = 3650;

/// Who acts on the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Acting {
    /// Sign-in name of the person with the role operator who does this; left out = the user of this machine.
    #[arg(long, value_name = "LOGIN")]
    operator: Option<String>,
}

impl Acting {
    /// How evidence names whoever acts.
    pub async fn who(&self, hub: &Hub) -> Result<Who> {
        let Some(login) = &self.operator else {
            let user = ["SUDO_USER", "LOGNAME", "USER"].iter().find_map(|name| std::env::var(name).ok());
            let user: String = user
                .unwrap_or_default()
                .chars()
                .filter(|c| c.is_alphanumeric() || "._-@".contains(*c))
                .take(64)
                .collect();
            return Ok(Who::house(&format!(
                "command line ({})",
                if user.is_empty() { "unknown" } else { &user }
            )));
        };
        let mut tx = hub.db().read(Scope::System).await?;
        let row = access::by_login(&mut tx, &login.to_lowercase()).await?;
        let Some(row) = row else { bail!("--operator: es gibt niemanden mit dem Anmeldenamen {login:?}") };
        let rights = access::access(&mut tx, row.id, hub.clock().now()).await?;
        if !rights.is_operator() {
            bail!("--operator: {login} hat die Rolle operator nicht oder ist gesperrt");
        }
        Ok(Who::Principal { id: row.id })
    }
}

#[derive(Debug, Subcommand)]
pub enum PersonCommand {
    /// Sets a new password (asked for, or a line on standard input) and ends all sessions; the person chooses an own
    /// one at the next sign-in.
    Password {
        #[command(flatten)]
        config: ConfigArg,
        /// Sign-in name.
        login: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Takes the second factor away (telephone and recovery codes are lost) and ends all sessions.
    DropSecondFactor {
        #[command(flatten)]
        config: ConfigArg,
        /// Sign-in name.
        login: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Shuts an account out at once: password, sessions and tokens.
    Lock {
        #[command(flatten)]
        config: ConfigArg,
        /// Sign-in name.
        login: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Lets a locked account in again, also one locked by failed sign-ins.
    Unlock {
        #[command(flatten)]
        config: ConfigArg,
        /// Sign-in name.
        login: String,
        #[command(flatten)]
        acting: Acting,
    },
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Makes an API token for a service and shows it once.
    New {
        #[command(flatten)]
        config: ConfigArg,
        /// Sign-in name of the service.
        login: String,
        /// What people call the token.
        #[arg(long)]
        name: String,
        /// Short name of the tenant the token is bound to; needed when the service has roles in several.
        #[arg(long)]
        tenant: Option<String>,
        /// Valid for so many days.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=i64::from(TOKEN_DAYS)))]
        days: u32,
        #[command(flatten)]
        acting: Acting,
        #[arg(long)]
        json: bool,
    },
    /// Lists the tokens of a service.
    List {
        #[command(flatten)]
        config: ConfigArg,
        /// Sign-in name of the service.
        login: String,
        #[arg(long)]
        json: bool,
    },
    /// Takes a token back at once.
    Revoke {
        #[command(flatten)]
        config: ConfigArg,
        /// Sign-in name of the service.
        login: String,
        /// What people call the token.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        acting: Acting,
    },
}

/// `person …`.
pub async fn run(command: PersonCommand) -> Result<ExitCode> {
    match command {
        PersonCommand::Password { config, login, acting } => {
            let (hub, row) = account(&config, &login).await?;
            let who = acting.who(&hub).await?;
            let hash = hash_password(ask(&row.login)?.expose_secret()).await.map_err(in_words)?;
            let mut edit = hub.edit(&who).await?;
            edit.set_password(row.id, &hash).await?;
            edit.commit().await?;
            println!(
                "{}: neues Passwort gesetzt, alle Sitzungen beendet. Bei der nächsten Anmeldung ist ein eigenes zu wählen.",
                row.login
            );
        }
        PersonCommand::DropSecondFactor { config, login, acting } => {
            let (hub, row) = account(&config, &login).await?;
            let who = acting.who(&hub).await?;
            let mut edit = hub.edit(&who).await?;
            if !edit.drop_second_factor(row.id).await? {
                bail!("{}: es ist kein zweiter Faktor eingerichtet", row.login);
            }
            edit.commit().await?;
            println!("{}: zweiter Faktor entfernt, alle Sitzungen beendet.", row.login);
        }
        PersonCommand::Lock { config, login, acting } => set_active(&config, &login, false, &acting).await?,
        PersonCommand::Unlock { config, login, acting } => set_active(&config, &login, true, &acting).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `token …`.
pub async fn run_token(command: TokenCommand) -> Result<ExitCode> {
    match command {
        TokenCommand::New { config, login, name, tenant, days, acting, json } => {
            let (hub, row) = service(&config, &login).await?;
            let who = acting.who(&hub).await?;
            let (tenant, token) = new_token(&hub, &row, &name, tenant.as_deref(), days, &who).await?;
            if json {
                let shown = token.expose_secret();
                println!(
                    "{}",
                    json!({ "login": row.login, "name": name, "tenant": tenant, "days": days, "token": shown })
                );
            } else {
                println!("Token „{name}“ für {} beim Mandanten {tenant}, gültig {days} Tage.", row.login);
                println!("Nur dieses eine Mal zu sehen:\n\n  {}", token.expose_secret());
            }
        }
        TokenCommand::List { config, login, json } => {
            let (hub, row) = service(&config, &login).await?;
            list_tokens(&hub, &row, json).await?;
        }
        TokenCommand::Revoke { config, login, name, acting } => {
            let (hub, row) = service(&config, &login).await?;
            let who = acting.who(&hub).await?;
            let mut edit = hub.edit(&who).await?;
            if edit.revoke_tokens(row.id, &name).await? == 0 {
                bail!("{} hat kein Token „{name}“; „token list {0}“ zeigt, was es gibt", row.login);
            }
            edit.commit().await?;
            println!("{}: Token „{name}“ gilt nicht mehr.", row.login);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn account(config: &ConfigArg, login: &str) -> Result<(std::sync::Arc<Hub>, Principal)> {
    let hub = house::hub(&Config::load(&config.config)?, Duration::ZERO, false).await?;
    let mut tx = hub.db().read(Scope::System).await?;
    let row = access::by_login(&mut tx, &login.to_lowercase()).await?;
    tx.rollback().await?;
    // A name kept for timelines alone is nobody's account.
    let Some(row) = row.filter(|r| !r.login.starts_with('~')) else {
        bail!("es gibt niemanden mit dem Anmeldenamen {login:?}; „directory show“ zeigt alle")
    };
    Ok((hub, row))
}

async fn service(config: &ConfigArg, login: &str) -> Result<(std::sync::Arc<Hub>, Principal)> {
    let (hub, row) = account(config, login).await?;
    if row.kind != "service" {
        bail!("{} ist eine Person; Token haben nur Dienste", row.login);
    }
    Ok((hub, row))
}

async fn set_active(config: &ConfigArg, login: &str, active: bool, acting: &Acting) -> Result<()> {
    let (hub, row) = account(config, login).await?;
    let who = acting.who(&hub).await?;
    let mut edit = hub.edit(&who).await?;
    edit.set_active(row.id, active).await?;
    edit.commit().await?;
    let words = if active {
        "kann sich wieder anmelden"
    } else {
        "ist gesperrt; Sitzungen und Token gelten nicht mehr"
    };
    println!("{} {words}.", row.login);
    Ok(())
}

async fn new_token(
    hub: &Hub,
    row: &Principal,
    name: &str,
    tenant: Option<&str>,
    days: u32,
    who: &Who,
) -> Result<(String, SecretString)> {
    if !poststelle_hub::directory::name_fits(name) {
        bail!("--name: 1 bis 200 Zeichen, keine Steuerzeichen");
    }
    let now = hub.clock().now();
    let mut tx = hub.db().read(Scope::System).await?;
    if access::tokens_of(&mut tx, row.id).await?.iter().any(|t| t.name == name && t.expires_at > now) {
        bail!(
            "{} hat schon ein Token „{name}“; bitte einen anderen Namen wählen oder es zurücknehmen",
            row.login
        );
    }
    let rights = access::access(&mut tx, row.id, now).await?;
    let all = tenants::all(&mut tx).await?;
    tx.rollback().await?;
    let mut mine: Vec<TenantId> = rights.grants.iter().filter_map(|g| g.place.tenant()).collect();
    mine.sort_unstable();
    mine.dedup();
    let mut choices: Vec<(TenantId, String)> =
        all.into_iter().filter(|t| mine.contains(&t.id)).map(|t| (t.id, t.slug)).collect();
    let listed = choices.iter().map(|c| c.1.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(slug) = tenant {
        choices.retain(|c| c.1 == slug);
    }
    let [(id, slug)] = choices.as_slice() else {
        if listed.is_empty() {
            bail!("{} hat bei keinem Mandanten eine Rolle; ein Token könnte nichts", row.login);
        }
        bail!("ein Token gilt für einen Mandanten: --tenant mit einem von: {listed}");
    };
    let valid = Duration::from_secs(u64::from(days) * 24 * 3600);
    let token = hub.create_token(row.id, *id, name, valid, who).await?;
    Ok((slug.clone(), SecretString::from(token.reveal())))
}

async fn list_tokens(hub: &Hub, row: &Principal, as_json: bool) -> Result<()> {
    let mut tx = hub.db().read(Scope::System).await?;
    let tokens = access::tokens_of(&mut tx, row.id).await?;
    let all = tenants::all(&mut tx).await?;
    let slug = |id| all.iter().find(|t| t.id == id).map_or("–", |t| t.slug.as_str());
    let now = hub.clock().now();
    if as_json {
        let list: Vec<_> = tokens
            .iter()
            .map(|t| {
                json!({
                    "name": t.name, "tenant": slug(t.tenant), "created_at": t.created_at.rfc3339(),
                    "expires_at": t.expires_at.rfc3339(), "expired": t.expires_at <= now,
                })
            })
            .collect();
        println!("{}", serde_json::Value::Array(list));
        return Ok(());
    }
    if tokens.is_empty() {
        println!("{} hat kein Token.", row.login);
    }
    for t in &tokens {
        let end = if t.expires_at <= now { "abgelaufen am" } else { "gültig bis" };
        println!("{:<30} {:<24} {end} {}", t.name, slug(t.tenant), t.expires_at.berlin());
    }
    Ok(())
}

fn in_words(error: DirectoryError) -> anyhow::Error {
    match error {
        DirectoryError::Invalid(_) => anyhow::anyhow!("ein Passwort hat mindestens {PASSWORD_MIN} Zeichen"),
        other => other.into(),
    }
}

/// A password made by the house.
pub fn initial_password() -> Result<SecretString> {
    Ok(SecretString::from(poststelle_hub::directory::initial_password()?))
}

/// A new password: asked for twice without echo at a terminal, else the first line of standard input.
fn ask(login: &str) -> Result<SecretString> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return line();
    }
    let _quiet = Quiet::new()?;
    let prompt = |words: &str| -> Result<SecretString> {
        eprint!("{words}: ");
        std::io::stderr().flush()?;
        let text = line()?;
        eprintln!();
        // Ctrl-C is a character while nothing is echoed.
        if text.expose_secret().chars().any(char::is_control) {
            bail!("abgebrochen; nichts wurde geändert");
        }
        Ok(text)
    };
    let first = prompt(&format!("Neues Passwort für {login}"))?;
    if first.expose_secret() != prompt("Noch einmal")?.expose_secret() {
        bail!("die beiden Eingaben sind verschieden; nichts wurde geändert");
    }
    Ok(first)
}

fn line() -> Result<SecretString> {
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text).context("Passwort von der Standardeingabe")?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

/// A terminal that neither echoes nor ends the program, which could not mend it then; as before when dropped.
struct Quiet(rustix::termios::Termios);

impl Quiet {
    fn new() -> Result<Self> {
        let before = tcgetattr(std::io::stdin()).context("Terminal")?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet).context("Terminal")?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Does anybody run this installation?
pub async fn has_operator(hub: &Hub) -> Result<bool> {
    let mut tx = hub.db().read(Scope::System).await?;
    let active: Vec<_> = access::all(&mut tx).await?.into_iter().filter(|p| p.active).map(|p| p.id).collect();
    let grants = access::grants(&mut tx).await?;
    Ok(grants.iter().any(|(id, g)| g.role == Role::Operator && active.contains(id)))
}
