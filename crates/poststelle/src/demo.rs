// SPDX-License-Identifier: EUPL-1.2
//! `demo`: hub, outside world and sample mail on loopback; nothing to install, nothing to configure.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use poststelle_hub::Hub;
use poststelle_model::{Action, ChannelKind, Rule, RuleId, Who};
use poststelle_store::{Scope, StoreError, tenants};
use poststelle_world::day::{self, Day, World};
use poststelle_world::fachverfahren::Take;
use poststelle_world::far_side::FarSide;
use poststelle_world::letters::{Letters, Protected};
use poststelle_world::load::Load;
use poststelle_world::pki::{self, Pki};
use poststelle_world::places::{self, Settled, SettledTenant};
use poststelle_world::scanner::Mimic;
use serde_json::json;

use crate::admin;
use crate::config::Config;
use crate::house::{self, Doors, Role};

#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Folder for everything; kept between runs.
    #[arg(long, default_value = "poststelle-demo")]
    dir: PathBuf,
    /// Address of the pages; with port 0 every port is chosen by the system, otherwise SMTP is on 2525 and 4650.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// Plays a short day to its end, prints a JSON balance and ends; exit 1 when anything is unaccounted for.
    #[arg(long)]
    once: bool,
    /// `host:port` all outgoing mail goes to instead of the simulated world.
    #[arg(long)]
    smarthost: Option<String>,
    /// `unix:/path` or `host:port` of a real virus scanner (`clamd`) instead of the one of the demo, which knows the EICAR file only.
    #[arg(long)]
    clamd: Option<String>,
    /// Takes mail in and does nothing else (to measure accepting alone).
    #[arg(long, hide = true)]
    ingress_only: bool,
    /// No sample mail.
    #[arg(long)]
    quiet: bool,
    /// Another database than the SQLite file in the folder: `postgres://…`.
    #[arg(long)]
    database: Option<String>,
    /// Largest message, bytes.
    #[arg(long, default_value_t = 50 * 1024 * 1024)]
    message_bytes: u64,
    /// `http://host:port` of a collector that takes traces (OTLP over HTTP).
    #[arg(long, default_value = "")]
    otlp_endpoint: String,
}

/// The tenant with the Fachverfahren every newcomer's mail can reach.
const SHOWN: &str = "waren-mueritz";
/// Where the demo's forwarding address sends to.
const FORWARD_TO: &str = "empfang@aussen.example";

/// Runs the demo.
pub async fn run(args: DemoArgs) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.dir).with_context(|| format!("folder {}", args.dir.display()))?;
    let dir = args.dir.canonicalize()?;
    let _ = std::fs::remove_file(dir.join("demo.json"));
    let mut config = settings(&args, &dir)?;
    let telemetry = crate::telemetry::start_with_traces(if args.once { "error" } else { "warn" }, &config)?;
    let world = Arc::new(FarSide::start().await?);
    let doors = Doors::open(&config, Role::All).await?;
    let smtp = doors.smtp().context("no SMTP door")?;
    let web = doors.web().context("no web door")?;
    world.reports_to(smtp);
    let scanner = Mimic::start().await?;
    config.inspect.clamd = args.clamd.clone().unwrap_or_else(|| scanner.address().to_string());
    let pki = Arc::new(certificates(&config, &dir)?);
    config.mail.relay = args.smarthost.clone().unwrap_or_else(|| world.addr().to_string());
    config.mail.routes.insert(config.domain.clone(), smtp.to_string());
    admin::migrate_quietly(&config).await?;
    let hub = house::hub(&config, Duration::ZERO, false).await?;
    let settled = places::settle(&hub, &dir).await?;
    let shown = settled.tenant(SHOWN).with_context(|| format!("the demo has no tenant {SHOWN}"))?;
    show_ways(&hub, &settled, shown).await?;
    let smtps = doors.smtps();
    let role = if args.ingress_only { Role::Ingress } else { Role::All };
    let running = house::start(&config, Arc::clone(&hub), role, doors)?;
    let folder = settled.folders.iter().find(|f| f.slug == SHOWN).context("the demo has no hot folder")?;
    let sheet = json!({
        "web": format!("http://{web}"), "smtp": smtp.to_string(), "smtps": smtps.map(|a| a.to_string()),
        "hotfolder": folder.path, "recipient": format!("fachverfahren@{}", shown.domain),
        "forward": format!("weiterleitung@{}", shown.domain), "forward_to": FORWARD_TO,
        "limits": { "message_bytes": args.message_bytes },
        "logins": logins(&settled), "api": { "token": settled.intake.token, "tenant": settled.intake.tenant.to_string() },
    });
    if args.once {
        let report = play(&hub, (smtp, web), &settled, &world, &pki).await?;
        println!("{}", serde_json::to_string_pretty(&report)?);
        running.stop().await;
        telemetry.stop().await;
        return Ok(if report["ok"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    write_sheet(&dir, &sheet)?;
    welcome(&sheet, &settled, &dir);
    let traffic = (!args.quiet).then(|| tokio::spawn(traffic(smtp, settled.clone(), pki)));
    crate::wait_for_end().await?;
    if let Some(traffic) = traffic {
        traffic.abort();
    }
    let _ = std::fs::remove_file(dir.join("demo.json"));
    running.stop().await;
    telemetry.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn settings(args: &DemoArgs, dir: &Path) -> Result<Config> {
    let fixed = !args.listen.ends_with(":0");
    let host = args.listen.rsplit_once(':').map_or("127.0.0.1", |(h, _)| h);
    let (certificate, key) = certificate(dir)?;
    let mut config = Config {
        node: "demo".to_owned(),
        domain: "poststelle.example".to_owned(),
        data: dir.to_path_buf(),
        ..Config::default()
    };
    config.database.url = args.database.clone().unwrap_or_default();
    args.listen.clone_into(&mut config.web.listen);
    config.web.secure_cookies = false;
    config.smtp.listen = if fixed { format!("{host}:2525") } else { format!("{host}:0") };
    config.smtp.listen_tls = if fixed { format!("{host}:4650") } else { format!("{host}:0") };
    config.smtp.certificate = certificate;
    config.smtp.key = key;
    config.smtp.connections_per_peer = 1000;
    config.limits.message_bytes = args.message_bytes;
    args.otlp_endpoint.clone_into(&mut config.telemetry.otlp_endpoint);
    config.limits.backoff_first_ms = 2_000;
    config.limits.backoff_max_ms = 60_000;
    if args.once {
        config.limits.backoff_first_ms = 200;
        config.limits.backoff_max_ms = 2_000;
        config.timers.sequence_ms = 200;
    }
    config.timers.canary_seconds = if args.once { 2 } else { 60 };
    Ok(config)
}

/// A certificate of our own for loopback, made once.
fn certificate(dir: &Path) -> Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (dir.join("smtp.pem"), dir.join("smtp.key"));
    if !certificate.exists() || !key.exists() {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "poststelle.example".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).context("certificate")?;
        write_private(&key, made.signing_key.serialize_pem().as_bytes())?;
        std::fs::write(&certificate, made.cert.pem())?;
    }
    Ok((certificate, key))
}

/// Certificates of the world outside; the root and the key of the shown tenant lie where the house looks.
fn certificates(config: &Config, dir: &Path) -> Result<Pki> {
    let places = pki::Places {
        trust: config.inspect.trust(&config.data),
        keys: config.inspect.keys(&config.data).join(SHOWN),
        outside: dir.join("buergerin"),
        address: format!("poststelle@{SHOWN}.example"),
    };
    Pki::at(&places).context("certificates of the demo")
}

fn write_private(path: &Path, octets: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(octets)?;
    Ok(())
}

/// Two addresses that show the two ways out: a Fachverfahren and a forward.
async fn show_ways(hub: &Hub, settled: &Settled, shown: &SettledTenant) -> Result<()> {
    let who = Who::house("demo");
    let folder = settled.folders.iter().find(|f| f.slug == SHOWN).context("the demo has no hot folder")?;
    let mut tx = hub.db().read(Scope::Tenant(shown.id)).await?;
    let there = tenants::rules(&mut tx, shown.id).await?;
    let mailbox = tenants::mailboxes(&mut tx, shown.id).await?.first().context("no mailbox")?.0;
    tx.rollback().await?;
    let ways = [
        ("fachverfahren", "Demo: an das Fachverfahren", Action::ToConnector { connector: folder.connector }),
        ("weiterleitung", "Demo: Weiterleitung", Action::ToAddress { address: FORWARD_TO.to_owned() }),
    ];
    for (position, (local, name, action)) in ways.into_iter().enumerate() {
        if there.iter().any(|r| r.name == name) {
            continue;
        }
        let address = format!("{local}@{}", shown.domain);
        match hub.add_address(shown.id, mailbox, ChannelKind::Mail, &address, &who).await {
            Ok(()) | Err(poststelle_hub::directory::DirectoryError::Store(StoreError::Exists(_))) => {}
            Err(e) => return Err(e.into()),
        }
        let rule = Rule {
            tenant: shown.id,
            id: RuleId::new(hub.ids()),
            position: i64::try_from(position)? - 10,
            name: name.to_owned(),
            condition: format!("msg.recipients.exists(r, r == '{address}')"),
            actions: vec![action],
            active: true,
            version: 1,
        };
        hub.put_rule(&rule, &who).await?;
    }
    Ok(())
}

fn logins(settled: &Settled) -> Vec<serde_json::Value> {
    let mut list = Vec::new();
    let operator = settled.logins.iter().find(|l| l.administration.is_empty());
    let shown = settled.tenant(SHOWN).map(|t| t.administration);
    let slug = settled.tenants.iter().find(|t| Some(t.administration) == shown).map(|t| t.slug.clone());
    let clerk = settled
        .logins
        .iter()
        .find(|l| {
            !l.administration.is_empty()
                && slug
                    .as_deref()
                    .is_some_and(|s| s.contains(&l.administration) || l.administration.contains(s))
        })
        .or_else(|| settled.logins.iter().find(|l| !l.administration.is_empty()));
    let named = |login: &str| settled.logins.iter().find(|l| l.login == login);
    for (who, login) in [
        ("clerk", clerk),
        ("operator", operator),
        // Two clerks of an Amt with six tenants, and one of a town next door.
        ("amt", named("wilma.beispiel")),
        ("amt-colleague", named("jule.vorlage")),
        ("amt-admin", named("hinnerk.muster")),
        ("town", named("frauke.probe")),
    ] {
        if let Some(l) = login {
            list.push(json!({ "who": who, "login": l.login, "password": l.password }));
        }
    }
    list
}

fn write_sheet(dir: &Path, sheet: &serde_json::Value) -> Result<()> {
    let (temporary, path) = (dir.join("demo.json.neu"), dir.join("demo.json"));
    write_private(&temporary, serde_json::to_string_pretty(sheet)?.as_bytes())?;
    std::fs::rename(&temporary, &path)?;
    Ok(())
}

fn welcome(sheet: &serde_json::Value, settled: &Settled, dir: &Path) {
    let text = |name: &str| sheet[name].as_str().unwrap_or("–").to_owned();
    println!("\nDie Poststelle läuft.\n");
    println!("  Seiten       {}", text("web"));
    println!("  SMTP         {} (STARTTLS), {} (TLS)", text("smtp"), text("smtps"));
    println!("  Fachverfahren liest aus {}", text("hotfolder"));
    println!("  Daten        {}", dir.display());
    println!("\nAnmelden mit\n");
    for l in &settled.logins {
        println!("  {:<28} {:<26} {} – {}", l.login, l.password, l.name, l.role);
    }
    println!("\nEine Nachricht an das Fachverfahren schicken, zum Beispiel:\n");
    println!(
        "  swaks --server {} --from ich@buerger.example --to {} --attach @DATEI",
        text("smtp"),
        text("recipient")
    );
    println!("\nBeenden mit Strg+C.\n");
}

/// Sample mail: a letter every few seconds to somebody.
async fn traffic(smtp: SocketAddr, settled: Settled, pki: Arc<Pki>) {
    let mut letters = Letters::new(7).max_size(2 * 1024 * 1024);
    let Ok(load) = Load::new(smtp) else { return };
    let load = load.concurrency(1);
    if let Some(tenant) = settled.tenant(SHOWN) {
        for how in Protected::ALL {
            let Ok(letter) = letters.protected(how, &[&tenant.poststelle()], &pki) else { continue };
            let shot = letter.shot();
            load.run(1, move |_| shot.clone()).await;
        }
    }
    let mut turn = 0usize;
    loop {
        let Some(tenant) = settled.tenants.get(turn % settled.tenants.len().max(1)) else { return };
        let address = tenant
            .addresses
            .get(turn % tenant.addresses.len().max(1))
            .cloned()
            .unwrap_or_else(|| tenant.poststelle());
        let shot = letters.next(&[address.as_str()]).shot();
        load.run(1, move |_| shot.clone()).await;
        turn += 1;
        tokio::time::sleep(Duration::from_secs(if turn < 30 { 1 } else { 8 })).await;
    }
}

/// The scripted day, the balance of the hub and the check of all proofs in one report.
async fn play(
    hub: &Arc<Hub>,
    (smtp, web): (SocketAddr, SocketAddr),
    settled: &Settled,
    far: &Arc<FarSide>,
    pki: &Arc<Pki>,
) -> Result<serde_json::Value> {
    let world = World::around(Arc::clone(hub), smtp, Arc::clone(far), settled.clone(), Take::Leave)
        .with_web(web)
        .with_pki(Arc::clone(pki));
    let day = Day { max_size: 4_000_000, patience: Duration::from_secs(180), ..Day::default() };
    let report = day::play(day, &world).await;
    let balance = hub.balance().await?;
    let (proofs, verified) = admin::verify_all(hub).await?;
    let proved =
        proofs["tenants"].as_array().into_iter().flatten().filter_map(|t| t["placed"].as_u64()).sum::<u64>();
    Ok(json!({
        "ok": report.ok && balance.ok && verified, "day": report, "balance": balance, "verified": verified,
        "entries_proved": proved,
    }))
}
