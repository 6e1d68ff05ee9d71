// SPDX-License-Identifier: EUPL-1.2
//! `directory apply`: makes the directory what a file says.
//!
//! Guarantees: nothing is written when anything in the file is wrong; all changes of one run are one transaction with
//! their evidence; what somebody changed between checking and writing ends the run without a change.
//! Does not: delete anything, or show a password twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use poststelle_hub::Hub;
use poststelle_hub::channel::Cx;
use poststelle_hub::directory::{DirectoryError, Edit, NewPrincipal, hash_password};
use poststelle_hub::texts;
use poststelle_model::{ChannelKind, ConnectorId, PrincipalId, Retry, Who};
use poststelle_store::{Scope, StoreError, tenants};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::file::{self, File, Mistake};
use super::plan::{Basis, Kind, Password, Plan, Step};
use super::there::There;
use crate::config::Config;
use crate::house;
use crate::person::{self, Acting};

/// Setting that takes turns between two runs: when the directory was last written.
const APPLIED: &str = "directory_applied";

/// Longest wait for a connector's far side.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything a run says.
struct Report {
    dry: bool,
    plan: Plan,
    passwords: Vec<(String, SecretString)>,
}

/// Runs `directory apply`.
pub async fn run(
    config: &Config,
    path: &Path,
    dry: bool,
    acting: &Acting,
    as_json: bool,
) -> Result<ExitCode> {
    let text = std::fs::read_to_string(path).with_context(|| format!("die Datei {}", path.display()))?;
    let hub = house::hub(config, Duration::ZERO, false).await?;
    let who = acting.who(&hub).await?;
    let outcome = match File::read(&text) {
        Err(mistake) => Err(vec![mistake]),
        Ok(file) => apply(&hub, &file, &text, path, dry, &who).await?,
    };
    Ok(match outcome {
        Ok(report) => {
            super::say(&if as_json {
                format!(
                    "{}
",
                    report.json()
                )
            } else {
                report.text()
            })?;
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            if as_json {
                println!("{}", json!({ "dry_run": dry, "applied": false, "mistakes": mistakes }));
            }
            refuse(path, &mistakes);
            ExitCode::FAILURE
        }
    })
}

async fn apply(
    hub: &Hub,
    file: &File,
    text: &str,
    path: &Path,
    dry: bool,
    who: &Who,
) -> Result<Result<Report, Vec<Mistake>>> {
    let mut tx = hub.db().read(Scope::System).await?;
    let there = There::read(&mut tx, hub.clock().now()).await?;
    tx.rollback().await?;
    let mut secrets: BTreeMap<ConnectorId, Vec<u8>> = BTreeMap::new();
    for connector in there.tenants.iter().flat_map(|t| &t.connectors) {
        if let Some(secret) = hub.connector_secret(connector).await? {
            secrets.insert(connector.id, secret);
        }
    }
    let basis = Basis {
        file,
        text,
        dir: path.parent().unwrap_or(Path::new("")),
        there: &there,
        secrets: &secrets,
        kinds: &hub.connector_kinds(),
        domain: hub.domain(),
        ids: hub.ids(),
    };
    let mut plan = match basis.plan() {
        Ok(plan) => plan,
        Err(mistakes) => return Ok(Err(mistakes)),
    };
    let mistakes = reach(hub, &mut plan, text).await;
    if !mistakes.is_empty() {
        return Ok(Err(mistakes));
    }
    let mut passwords = Vec::new();
    if !dry && !plan.items.is_empty() {
        // Hashing takes its time: before the transaction, not in it.
        let mut hashes: BTreeMap<PrincipalId, String> = BTreeMap::new();
        for step in plan.items.iter().flat_map(|i| &i.steps) {
            let Step::AddPrincipal { id, login, password, .. } = step else { continue };
            let password = match password {
                Password::None => continue,
                Password::Given(password) => password.clone(),
                Password::Made => {
                    let made = person::initial_password()?;
                    passwords.push((login.clone(), made.clone()));
                    made
                }
            };
            hashes.insert(*id, hash_password(password.expose_secret()).await?);
        }
        write(hub, &plan, &there, hashes, who).await?;
    }
    Ok(Ok(Report { dry, plan, passwords }))
}

/// Asks new and changed connectors. Settings nobody can work with are mistakes; a far side that is away is not.
async fn reach(hub: &Hub, plan: &mut Plan, text: &str) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for item in &plan.items {
        let rows = item.steps.iter().filter_map(|step| match step {
            Step::AddConnector { row, .. } | Step::ChangeConnector { row, .. } => Some(row),
            _ => None,
        });
        for row in rows {
            let config = serde_json::from_str(&row.config).unwrap_or_default();
            let Some(channel) = hub.channel(&row.kind) else { continue };
            let cx = Cx { deadline: hub.clock().now().plus(PATIENCE), ..hub.cx(row.tenant) };
            let Err(error) = channel.check(&cx, &config).await else { continue };
            let sentence = texts::sentence(&error.reason);
            if error.retry == Retry::Never {
                let line = file::line(text, item.at.start);
                mistakes.push(Mistake {
                    line,
                    field: "tenant.connector.config".to_owned(),
                    problem: sentence,
                });
            } else {
                plan.notices.push(format!("Übergabeziel {}: {sentence}", item.thing.name));
            }
        }
    }
    mistakes
}

/// Writes the plan: all of it, on exactly what it was made from.
async fn write(
    hub: &Hub,
    plan: &Plan,
    there: &There,
    mut hashes: BTreeMap<PrincipalId, String>,
    who: &Who,
) -> Result<()> {
    let mut edit = hub.edit(who).await?;
    let now = hub.clock().now();
    // The row of this setting is what a second run waits for; after that it sees what we did.
    tenants::put_setting(edit.tx().await?, APPLIED, &now.rfc3339()).await?;
    if There::read(edit.tx().await?, now).await? != *there {
        bail!(
            "das Verzeichnis wurde gerade von jemand anderem geändert; nichts wurde geändert, bitte noch einmal"
        );
    }
    for step in plan.items.iter().flat_map(|i| &i.steps) {
        let hash = match step {
            Step::AddPrincipal { id, .. } => hashes.remove(id).unwrap_or_default(),
            _ => String::new(),
        };
        take(&mut edit, step.clone(), hash).await.map_err(in_words)?;
    }
    edit.commit().await.map_err(in_words)
}

fn in_words(error: DirectoryError) -> anyhow::Error {
    match error {
        DirectoryError::Store(StoreError::Exists(what) | StoreError::Conflict(what)) => anyhow::anyhow!(
            "jemand anderes hat gerade dasselbe geändert ({what}); nichts wurde geändert, bitte noch einmal"
        ),
        other => other.into(),
    }
}

async fn take(edit: &mut Edit<'_>, step: Step, password_hash: String) -> Result<(), DirectoryError> {
    const MAIL: ChannelKind = ChannelKind::Mail;
    let in_clear =
        |secret: &Option<SecretString>| secret.as_ref().map(|s| s.expose_secret().as_bytes().to_vec());
    match step {
        Step::AddAdministration { id, slug, name } => edit.add_administration(id, &slug, &name).await,
        Step::RenameAdministration { id, name } => edit.rename_administration(id, &name).await,
        Step::AddTenant { id, clearing, slug, name } => edit.add_tenant(id, clearing, &slug, &name).await,
        Step::RenameTenant { id, name } => edit.rename_tenant(id, &name).await,
        Step::GiveMandate { tenant, administration } => edit.give_mandate(tenant, administration).await,
        Step::AddDesk { administration, id, name, tenants } => {
            edit.add_desk(administration, id, &name, &tenants).await
        }
        Step::SetDeskTenant { desk, tenant, on } => edit.set_desk_tenant(desk, tenant, on).await,
        Step::AddMailbox { tenant, id, name } => edit.add_mailbox(tenant, id, &name).await,
        Step::AddAddress { tenant, mailbox, address } => {
            edit.add_address(tenant, mailbox, MAIL, &address).await
        }
        Step::MoveAddress { tenant, from, to, address } => {
            edit.move_address(tenant, (from, to), MAIL, &address).await
        }
        Step::AddConnector { row, secret } => edit.add_connector(&row, in_clear(&secret).as_deref()).await,
        Step::ChangeConnector { row, secret } => {
            edit.change_connector(&row, in_clear(&secret).as_deref()).await
        }
        Step::PutRule(rule) => edit.put_rule(&rule).await,
        Step::AddPrincipal { id, login, name, kind, administration, .. } => {
            let kind = kind.to_owned();
            let must_change = !password_hash.is_empty();
            let new = NewPrincipal { id, login, name, kind, administration, password_hash, must_change };
            edit.add_principal(new).await
        }
        Step::ChangePrincipal { id, name, administration } => {
            edit.change_principal(id, &name, administration).await
        }
        Step::SetGrant { principal, grant, on } => edit.set_grant(principal, grant, on).await,
    }
}

impl Report {
    fn json(&self) -> serde_json::Value {
        let items = |new: bool| -> Vec<_> {
            let of = self.plan.items.iter().filter(|i| i.new == new);
            of.map(|i| json!({ "kind": i.thing.kind, "name": i.thing.name, "what": i.words })).collect()
        };
        let passwords: Vec<_> = self
            .passwords
            .iter()
            .map(|(login, password)| json!({ "login": login, "password": password.expose_secret() }))
            .collect();
        json!({
            "dry_run": self.dry, "applied": !self.dry, "created": items(true), "changed": items(false),
            "unchanged": self.plan.unchanged, "not_in_file": self.plan.not_in_file,
            "notices": self.plan.notices, "passwords": passwords,
        })
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        let of = |new: bool| self.plan.items.iter().filter(move |i| i.new == new);
        let titles = if self.dry { ["Würde anlegen", "Würde ändern"] } else { ["Angelegt", "Geändert"] };
        for (new, title) in [true, false].into_iter().zip(titles) {
            if of(new).next().is_some() {
                lines.push(format!("{title} ({}):", of(new).count()));
            }
            for item in of(new) {
                let words = item.words.join("; ");
                let colon = if words.is_empty() { "" } else { ": " };
                lines.push(format!("  {} {}{colon}{words}", item.thing.kind.german(), item.thing.name));
            }
        }
        if self.plan.items.is_empty() {
            lines.push("Nichts zu tun: alles ist schon so, wie die Datei es beschreibt.".to_owned());
        }
        lines.push(format!("Unverändert: {}", self.plan.unchanged.len()));
        let left = &self.plan.not_in_file;
        if !left.is_empty() {
            lines.push(format!("Nicht in der Datei, bleibt wie es ist ({}):", left.len()));
            lines.extend(left.iter().map(|thing| format!("  {} {}", thing.kind.german(), thing.name)));
        }
        lines.extend(self.plan.notices.iter().map(|notice| format!("Hinweis: {notice}")));
        if !self.passwords.is_empty() {
            lines.push("\nErste Passwörter, nur dieses eine Mal zu sehen:".to_owned());
            let shown =
                self.passwords.iter().map(|(login, p)| format!("  {login:<30} {}", p.expose_secret()));
            lines.extend(shown);
        }
        for item in of(true).filter(|i| i.thing.kind == Kind::Service && !self.dry) {
            let login = &item.thing.name;
            lines.push(format!("Zugang für den Dienst {login}: poststelle token new {login} --name …"));
        }
        lines.join("\n") + "\n"
    }
}

fn refuse(path: &Path, mistakes: &[Mistake]) {
    for mistake in mistakes {
        let field = if mistake.field.is_empty() { String::new() } else { format!("{}: ", mistake.field) };
        eprintln!("{}, Zeile {}: {field}{}", path.display(), mistake.line, mistake.problem);
    }
    eprintln!("Nichts wurde geändert.");
}
