// SPDX-License-Identifier: EUPL-1.2
//! Commands that look after an installation. On the host itself the operator sees everything; pages ask for rights.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use poststelle_crypto::keys::RootKey;
use poststelle_hub::Hub;
use poststelle_hub::view::ViewError;
use poststelle_model::{MessageId, TenantId};
use poststelle_store::{Scope, messages, tenants};
use serde_json::json;

use crate::config::Config;
use crate::house;

/// `migrate`: schema, root key, system tenant.
pub async fn migrate(config: &Config) -> Result<ExitCode> {
    let version = migrate_quietly(config).await?;
    println!("Datenbank auf Stand {version}");
    Ok(ExitCode::SUCCESS)
}

/// As `migrate`, without a closing word; gives the schema version.
pub async fn migrate_quietly(config: &Config) -> Result<i64> {
    std::fs::create_dir_all(&config.data).with_context(|| format!("folder {}", config.data.display()))?;
    let version = house::migrate_database(config).await?;
    let key = config.root_key();
    if !key.exists() {
        // A fresh key beside an old database would open nothing: better say so now.
        let db = house::database(config).await?;
        let mut tx = db.read(Scope::System).await?;
        if !tenants::all(&mut tx).await?.is_empty() {
            bail!(
                "the root key {} is missing, but the database has tenants: restore the key from its safe copy",
                key.display()
            );
        }
        RootKey::create_file(&key)?;
        eprintln!(
            "Wurzelschlüssel angelegt: {} (bitte sicher verwahren: ohne ihn ist keine Nachricht lesbar)",
            key.display()
        );
    }
    house::hub(config, Duration::ZERO, false).await?;
    Ok(version)
}

/// `doctor`: what works and what does not, each with what to do.
pub async fn doctor(path: &Path, as_json: bool) -> Result<ExitCode> {
    let mut checks: Vec<(&str, Result<String>)> = Vec::new();
    let config = Config::load(path);
    checks.push((
        "configuration",
        config.as_ref().map(|_| path.display().to_string()).map_err(|e| anyhow::anyhow!("{e:#}")),
    ));
    if let Ok(config) = &config {
        checks.push((
            "root key",
            RootKey::load_file(&config.root_key()).map(|_| "readable".to_owned()).map_err(Into::into),
        ));
        let hub = house::hub(config, Duration::ZERO, false).await;
        match hub {
            Err(error) => checks.push(("database", Err(error))),
            Ok(hub) => {
                checks.push((
                    "database",
                    Ok(format!("{:?}, schema {}", hub.db().dialect(), poststelle_store::migrate::wanted())),
                ));
                checks.push((
                    "blobs",
                    hub.blobs().check().await.map(|()| "written and synced".to_owned()).map_err(Into::into),
                ));
                checks.push(("clock", clock(&hub).await));
                for channel in hub.channels() {
                    let d = channel.describe();
                    if d.name != "mail" {
                        continue;
                    }
                    let result = channel.check(&hub.cx(TenantId::SYSTEM), &serde_json::Value::Null).await;
                    checks.push((
                        d.name,
                        result
                            .map(|()| "reachable".to_owned())
                            .map_err(|e| anyhow::anyhow!(poststelle_hub::texts::sentence(&e.reason))),
                    ));
                }
            }
        }
    }
    let bad = checks.iter().any(|(_, r)| r.is_err());
    if as_json {
        let list: Vec<_> = checks
            .iter()
            .map(|(name, r)| json!({ "check": name, "ok": r.is_ok(), "detail": r.as_ref().map_or_else(|e| format!("{e:#}"), Clone::clone) }))
            .collect();
        println!("{}", json!({ "ok": !bad, "checks": list }));
    } else {
        for (name, result) in &checks {
            match result {
                Ok(detail) => println!("gut     {name}: {detail}"),
                Err(error) => println!("FEHLER  {name}: {error:#}"),
            }
        }
    }
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn clock(hub: &Arc<Hub>) -> Result<String> {
    let mut tx = hub.db().read(Scope::System).await?;
    let apart = (tx.now().await?.0 - hub.clock().now().0).abs() / 1000;
    if apart > 5000 {
        bail!("this node and the database are {apart} ms apart; check the time source");
    }
    Ok(format!("{apart} ms apart from the database"))
}

async fn tenant_id(hub: &Hub, slug: &str) -> Result<TenantId> {
    let mut tx = hub.db().read(Scope::System).await?;
    let all = tenants::all(&mut tx).await?;
    match all.iter().find(|t| t.slug == slug) {
        Some(t) => Ok(t.id),
        None => {
            let known: Vec<&str> = all.iter().map(|t| t.slug.as_str()).collect();
            bail!("there is no tenant {slug:?}; known are: {}", known.join(", "))
        }
    }
}

/// `message list`.
pub async fn message_list(config: &Config, slug: &str, limit: i64, as_json: bool) -> Result<ExitCode> {
    let hub = house::hub(config, Duration::ZERO, false).await?;
    let tenant = tenant_id(&hub, slug).await?;
    let mut tx = hub.db().read(Scope::Tenant(tenant)).await?;
    let mut lines: Vec<messages::Line> = Vec::new();
    // The store gives a page at most.
    while let left @ 1.. = limit.saturating_sub(i64::try_from(lines.len())?) {
        let page = messages::page(&mut tx, tenant, lines.last().map(|l| l.id), left).await?;
        if page.is_empty() {
            break;
        }
        lines.extend(page);
    }
    if as_json {
        let list: Vec<_> = lines
            .iter()
            .map(|l| {
                json!({
                    "id": l.id.to_string(), "direction": l.direction.as_str(), "channel": l.channel.as_str(),
                    "accepted_at": l.accepted_at.rfc3339(), "sender": l.sender_address, "subject": l.subject,
                    "size": l.size, "attachments": l.attachments, "processed": l.processed, "urgent": l.urgent,
                })
            })
            .collect();
        println!("{}", serde_json::Value::Array(list));
    } else {
        for l in lines {
            println!(
                "{}  {}  {:>9}  {}  {}",
                l.id,
                l.accepted_at.berlin(),
                l.size,
                l.sender_address,
                l.subject
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn view(config: &Config, slug: &str, id: &str) -> Result<poststelle_hub::view::MessageView> {
    let hub = house::hub(config, Duration::ZERO, false).await?;
    let tenant = tenant_id(&hub, slug).await?;
    let id: MessageId = id.parse()?;
    match hub.message_view_unchecked(tenant, id).await {
        Err(ViewError::NotFound) => bail!("tenant {slug} has no message {id}"),
        other => Ok(other?),
    }
}

/// `message show`.
pub async fn message_show(config: &Config, slug: &str, id: &str, as_json: bool) -> Result<ExitCode> {
    let v = view(config, slug, id).await?;
    if as_json {
        let deliveries: Vec<_> = v
            .deliveries
            .iter()
            .map(|d| {
                json!({
                    "id": d.delivery.id.to_string(), "target": d.delivery.target.to_string(),
                    "state": d.delivery.state.as_str(), "attempts": d.delivery.attempts, "sentence": d.sentence, "who": d.who,
                })
            })
            .collect();
        println!(
            "{}",
            json!({ "message": v.message, "parts": v.parts, "deliveries": deliveries, "explanation": v.explanation, "waiting": v.waiting })
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} ({})", v.message.id, v.tenant.name);
    if let Some(i) = &v.inspection {
        println!("Betreff:  {}\nVon:      {} <{}>", i.subject, i.sender_name, i.sender_address);
    }
    println!(
        "Annahme:  {}\nGröße:    {} Bytes\nSHA-256:  {}",
        v.message.accepted_at.berlin(),
        v.message.size,
        v.message.sha256
    );
    for p in v.parts.iter().filter(|p| p.leaf) {
        println!("  Teil {:<8} {:<40} {:>9} Bytes  {}", p.path, p.name, p.size, p.declared);
    }
    for d in &v.deliveries {
        println!("  {}: {} {}", d.target, d.state, d.sentence);
    }
    for w in &v.waiting {
        println!("  Wartet: {} {} Nächster Versuch: {}. Zuständig: {}.", w.what, w.why, w.next, w.who);
    }
    Ok(ExitCode::SUCCESS)
}

/// `message timeline`.
pub async fn timeline(config: &Config, slug: &str, id: &str, as_json: bool) -> Result<ExitCode> {
    let v = view(config, slug, id).await?;
    if as_json {
        println!("{}", json!({ "timeline": v.timeline, "waiting": v.waiting }));
        return Ok(ExitCode::SUCCESS);
    }
    for l in &v.timeline {
        println!("{}  {} – {} ({})", l.when, l.title, l.text, l.who);
    }
    Ok(ExitCode::SUCCESS)
}

/// `balance`.
pub async fn balance(config: &Config, as_json: bool) -> Result<ExitCode> {
    let hub = house::hub(config, Duration::ZERO, false).await?;
    let balance = hub.balance().await?;
    if as_json {
        println!("{}", serde_json::to_string(&balance)?);
    } else {
        println!(
            "{:<24} {:<6} {:<4} {:>9} {:>9} {:>6} {:>6} {:>6}",
            "Mandant", "Kanal", "", "angenommen", "übergeben", "offen", "wartet", "gesch."
        );
        for l in &balance.lines {
            println!(
                "{:<24} {:<6} {:<4} {:>9} {:>9} {:>6} {:>6} {:>6}",
                l.tenant, l.channel, l.direction, l.accepted, l.delivered, l.open, l.parked, l.failed
            );
        }
        for (kind, tenant, id) in &balance.mismatches {
            println!("GEHT NICHT AUF ({kind}): {tenant} {id}");
        }
        println!("{}", if balance.ok { "Die Bilanz geht auf." } else { "Die Bilanz geht nicht auf." });
    }
    Ok(if balance.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All chains and logs: (JSON report, everything fits).
pub async fn verify_all(hub: &Hub) -> Result<(serde_json::Value, bool)> {
    let mut tx = hub.db().read(Scope::System).await?;
    let all = tenants::all(&mut tx).await?;
    tx.rollback().await?;
    let (mut list, mut fine) = (Vec::new(), true);
    for t in all {
        let v = poststelle_evidence::verify_tenant(hub.db(), t.id).await?;
        fine &= v.faults.is_empty();
        let faults: Vec<_> = v.faults.iter().map(|f| json!({ "place": f.place, "what": f.what })).collect();
        list.push(json!({
            "tenant": t.slug, "chains": v.chains, "entries": v.entries, "placed": v.placed,
            "checkpoint": v.checkpoint, "faults": faults,
        }));
    }
    Ok((json!({ "ok": fine, "tenants": list }), fine))
}

/// `verify`.
pub async fn verify(config: &Config, as_json: bool) -> Result<ExitCode> {
    let hub = house::hub(config, Duration::ZERO, false).await?;
    let (report, fine) = verify_all(&hub).await?;
    if as_json {
        println!("{report}");
    } else {
        for t in report["tenants"].as_array().into_iter().flatten() {
            println!(
                "{}: {} Ketten, {} Einträge, Protokoll bis {}",
                t["tenant"], t["chains"], t["entries"], t["checkpoint"]
            );
            for f in t["faults"].as_array().into_iter().flatten() {
                println!("  FEHLER {}: {}", f["place"], f["what"]);
            }
        }
        println!("{}", if fine { "Alle Nachweise passen." } else { "Nachweise passen nicht." });
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
