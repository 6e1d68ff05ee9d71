// SPDX-License-Identifier: EUPL-1.2
//! `bench crash`: two whole nodes under repeated SIGKILL, mail coming in all the time.
//!
//! What was answered with 250 must be there afterwards, exactly once at its desk
//! or in its hot folder; calls to a webhook may be repeated, under the same key,
//! at most as often as jobs were in flight when a node was killed. Meanwhile [`clerks`]
//! work at the pages of both nodes; what they were told must be true ([`verdict`]).

mod clerks;
mod ledger;
mod verdict;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clerks::{Office, Worker};
use ledger::Ledger;
use poststelle_crypto::digest::{hex, sha256};
use poststelle_hub::Hub;
use poststelle_mail::smtp::client::{Client, ClientTls, Mail, Outcome, Route, Timeouts, Tls};
use poststelle_mail::smtp::{Address, Recipient};
use poststelle_model::people::{Grant, Place};
use poststelle_model::{
    Action, ChannelKind, Direction, MailboxId, MessageId, PrincipalId, Role, Rule, RuleId, TenantId, Who,
};
use poststelle_store::{Scope, desk, jobs, messages, migrate, tenants};
use poststelle_world::far_side::FarSide;
use poststelle_world::scanner::Mimic;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::{admin, house};

#[derive(Debug, clap::Args)]
pub struct CrashArgs {
    /// How often a node is killed.
    #[arg(long, default_value_t = 60)]
    kills: u64,
    /// `sqlite:///file` or `postgres://…` (a fresh database is created beside it).
    #[arg(long)]
    database: Option<String>,
    /// Folder for everything; must be empty or absent.
    #[arg(long)]
    dir: PathBuf,
    /// Mails sent at the same time.
    #[arg(long, default_value_t = 4)]
    senders: u64,
    /// Clerks at work at the same time.
    #[arg(long, default_value_t = 6)]
    clerks: usize,
}

/// Jobs one node may hold: what a kill can make it repeat.
const IN_FLIGHT: u64 = 32;

/// One node: its process and its doors.
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) smtp: SocketAddr,
    pub(crate) web: SocketAddr,
}

/// The doors of both nodes, as they are now.
#[derive(Debug, Clone, Copy)]
struct Doors {
    smtp: [SocketAddr; 2],
    web: [SocketAddr; 2],
}

impl Doors {
    const fn of([a, b]: &[Node; 2]) -> Self {
        Self { smtp: [a.smtp, b.smtp], web: [a.web, b.web] }
    }
}

struct Tally {
    acknowledged: Mutex<BTreeSet<u64>>,
    /// SHA-256 of each mail.
    sums: Mutex<BTreeMap<u64, String>>,
    sent: AtomicU64,
    calls: Mutex<HashMap<String, u64>>,
    packages: Mutex<HashMap<String, u64>>,
    /// Nothing more is sent.
    stop: AtomicBool,
    /// Nothing more is handed over.
    done: AtomicBool,
}

/// Runs the test and prints one JSON object; exit 1 when anything was lost or came twice.
pub async fn run(args: CrashArgs) -> Result<ExitCode> {
    crate::telemetry::start("warn");
    std::fs::create_dir_all(&args.dir)?;
    let dir = args.dir.canonicalize()?;
    let url = match &args.database {
        None => format!("sqlite://{}", dir.join("crash.db").display()),
        Some(url) if url.starts_with("postgres") => {
            migrate::create_database(url, &format!("crash_{}", std::process::id())).await?
        }
        Some(url) => match url.strip_prefix("sqlite:") {
            Some(path) => format!("sqlite://{}", path.trim_start_matches("//")),
            None => bail!("--database must be sqlite:… or postgres://…"),
        },
    };
    let tally = Arc::new(Tally {
        acknowledged: Mutex::default(),
        sums: Mutex::default(),
        sent: AtomicU64::new(0),
        calls: Mutex::default(),
        packages: Mutex::default(),
        stop: AtomicBool::new(false),
        done: AtomicBool::new(false),
    });
    let hook = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let hook_address = hook.local_addr()?;
    let hook_task = tokio::spawn(webhook(hook, Arc::clone(&tally)));
    let config_path = dir.join("poststelle.toml");
    let far = FarSide::start().await?;
    let scanner = Mimic::start().await?;
    std::fs::write(&config_path, settings(&dir, &url, far.addr(), scanner.address()))?;
    let config = Config::load(&config_path)?;
    admin::migrate_quietly(&config).await?;
    let hub = house::hub(&config, Duration::ZERO, false).await?;
    let hot = dir.join("uebergabe");
    std::fs::create_dir_all(&hot)?;
    let (tenant, mailbox) = settle(&hub, &hot, hook_address).await?;
    let people = staff(&hub, tenant, args.clerks).await?;
    let ledger = Arc::new(Ledger::default());
    let consumer = std::thread::spawn({
        let (hot, tally) = (hot.clone(), Arc::clone(&tally));
        move || consume(&hot, &tally)
    });
    let mut nodes = [start_node(&config_path).await?, start_node(&config_path).await?];
    let (doors, open) = watch::channel(Doors::of(&nodes));
    let (calm, calmed) = watch::channel(false);
    let closing = Arc::new(AtomicBool::new(false));
    let office = Office { tenant, desk: hub.tenant(tenant).await?.clearing_desk, mailbox };
    let mut staff = JoinSet::new();
    for (n, id) in people.iter().enumerate() {
        let worker = Worker::new(*id, login(n), office, open.clone(), Arc::clone(&ledger))?;
        staff.spawn(worker.work(Arc::clone(&closing), calmed.clone()));
    }
    let senders: Vec<_> =
        (0..args.senders).map(|n| tokio::spawn(send(n, open.clone(), Arc::clone(&tally)))).collect();
    let mut kills = 0;
    let mut draw = 0x9e37_79b9_7f4a_7c15_u64;
    while kills < args.kills {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        // The pause is the point of the test: kills come at times nobody chose.
        tokio::time::sleep(Duration::from_millis(120 + draw % 330)).await;
        let Some(node) = nodes.get_mut(usize::from(draw & 1 << 40 != 0)) else { continue };
        node.child.kill().await?;
        kills += 1;
        *node = start_node(&config_path).await?;
        doors.send_replace(Doors::of(&nodes));
    }
    closing.store(true, Ordering::SeqCst);
    calm.send_replace(true);
    tally.stop.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await?;
    }
    while let Some(over) = staff.join_next().await {
        over?;
    }
    verdict::hasten(&hub, tenant, &people).await?;
    let settled = wait_until_done(&hub, Duration::from_secs(120)).await?;
    for mut node in nodes {
        node.child.kill().await?;
    }
    tally.done.store(true, Ordering::SeqCst);
    tokio::task::spawn_blocking(move || consumer.join())
        .await?
        .map_err(|_| anyhow::anyhow!("consumer failed"))?;
    hook_task.abort();
    let mut report = judge(&hub, tenant, &tally, kills, settled).await?;
    let sums = tally.sums.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let book = std::mem::take(&mut *ledger.book());
    let verdict = verdict::judge(&hub, tenant, &people, &book, &far.received(), &sums).await?;
    report["clerks"] = verdict.numbers;
    report["clerks_wrong"] = verdict.wrong.len().into();
    report["clerks_first_wrong"] = verdict.wrong.iter().take(10).cloned().collect();
    println!("{report}");
    let good = report["lost"] == 0
        && report["duplicates"] == 0
        && report["verified"] == true
        && report["balance_ok"] == true
        && verdict.wrong.is_empty();
    let repeated = report["repeated_calls"].as_u64().unwrap_or(u64::MAX);
    Ok(if good && repeated <= kills * IN_FLIGHT { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn settings(dir: &Path, url: &str, far: SocketAddr, scanner: SocketAddr) -> String {
    format!(
        "node = 'crash'\ndomain = 'crash.example'\ndata = '{}'\n[database]\nurl = '{url}'\n[web]\nlisten = '127.0.0.1:0'\n\
         [smtp]\nlisten = '127.0.0.1:0'\n[mail]\nrelay = '{far}'\nrelay_tls = 'none'\n[connect]\ninternal_webhooks = true\n[inspect]\nclamd = '{scanner}'\n\
         [limits]\nlease_ms = 1500\nparallel = {IN_FLIGHT}\nbackoff_first_ms = 200\nbackoff_max_ms = 1000\ncrashes = 1000\n\
         [timers]\nsequence_ms = 200\nprobe_ms = 500\ncanary_seconds = 0\n",
        dir.display()
    )
}

fn login(n: usize) -> String {
    format!("kraft{n}")
}

/// The Administration and its people.
async fn staff(hub: &Hub, tenant: TenantId, clerks: usize) -> Result<Vec<PrincipalId>> {
    let who = Who::house("crash");
    let office = hub.add_administration("absturz", "Amt Absturz", &who).await?;
    hub.give_mandate(tenant, office, &who).await?;
    let mut people = Vec::new();
    for n in 0..clerks {
        let name = format!("Kraft {n}");
        let id =
            hub.add_principal(&login(n), &name, "person", Some(office), Some(clerks::PASSWORD), &who).await?;
        hub.grant(id, Grant { role: Role::Clerk, place: Place::Tenant { tenant } }, &who).await?;
        people.push(id);
    }
    Ok(people)
}

async fn settle(hub: &Hub, hot: &Path, hook: SocketAddr) -> Result<(TenantId, MailboxId)> {
    let who = Who::house("crash");
    let tenant = hub.add_tenant("crash", "Absturzprobe", &who).await?;
    let mailbox = hub.add_mailbox(tenant, "Poststelle", &who).await?;
    hub.add_address(tenant, mailbox, ChannelKind::Mail, "poststelle@crash.example", &who).await?;
    let folder =
        hub.add_connector(tenant, "hot_folder", "Ordner", &json!({ "path": hot }), None, &who).await?;
    let config = json!({
        "url": format!("http://{hook}/hook"), "allow_private": true, "timeout_seconds": 10,
        "part_base_url": "http://127.0.0.1/api/v1",
    });
    let secret = b"whsec-crash-crash-crash-crash-crash";
    let hook = hub.add_connector(tenant, "webhook", "Aufruf", &config, Some(secret), &who).await?;
    for (position, word, action) in [
        (1, "ordner", Action::ToConnector { connector: folder }),
        (2, "aufruf", Action::ToConnector { connector: hook }),
    ] {
        let rule = Rule {
            tenant,
            id: RuleId::new(hub.ids()),
            position,
            name: word.to_owned(),
            condition: format!("msg.subject.contains('{word}')"),
            actions: vec![action],
            active: true,
            version: 1,
        };
        hub.put_rule(&rule, &who).await?;
    }
    Ok((tenant, mailbox))
}

/// Starts a node and waits for its doors.
pub(crate) async fn start_node(config: &Path) -> Result<Node> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg("--config")
        .arg(config)
        .env("POSTSTELLE_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().context("no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let find = async {
        let mut web = None;
        while let Some(line) = lines.next_line().await? {
            if let Some(address) = line.strip_prefix("poststelle: http://") {
                web = Some(address.parse::<SocketAddr>()?);
            }
            if let (Some(address), Some(web)) = (line.strip_prefix("smtp: "), web) {
                return Ok((address.parse::<SocketAddr>()?, web));
            }
        }
        bail!("a node ended before it was ready")
    };
    let (smtp, web) =
        tokio::time::timeout(Duration::from_secs(60), find).await.context("a node did not get ready")??;
    Ok(Node { child, smtp, web })
}

fn kind(n: u64) -> &'static str {
    match n % 3 {
        0 => "korb",
        1 => "ordner",
        _ => "aufruf",
    }
}

async fn send(lane: u64, doors: watch::Receiver<Doors>, tally: Arc<Tally>) {
    let Ok(tls) = ClientTls::new(rustls::RootCertStore::empty(), None) else { return };
    let quick = Duration::from_secs(10);
    let timeouts = Timeouts {
        connect: Duration::from_secs(1),
        greeting: quick,
        command: quick,
        end: quick,
        ..Timeouts::default()
    };
    let client = Client::new("absender.example", tls).with_timeouts(timeouts);
    let (Ok(from), Ok(to)) = (Address::parse("a@aussen.example"), Address::parse("poststelle@crash.example"))
    else {
        return;
    };
    while !tally.stop.load(Ordering::SeqCst) {
        let n = tally.sent.fetch_add(1, Ordering::SeqCst);
        let [a, b] = doors.borrow().smtp;
        let door = if (n + lane).is_multiple_of(2) { a } else { b };
        let route = Route { host: door.ip().to_string(), port: door.port(), tls: Tls::None, auth: None };
        let mail = Mail {
            mail_from: Some(from.clone()),
            recipients: vec![Recipient::new(to.clone())],
            ..Mail::default()
        };
        let text = format!(
            "From: a@aussen.example\r\nTo: poststelle@crash.example\r\nSubject: crash-{n:08}-{}\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nText {n}\r\n--x\r\nContent-Type: application/pdf; \
             name=anlage.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--x--\r\n",
            kind(n),
            "QUJDREVGR0hJSktMTU5PUA==\r\n".repeat(100)
        );
        let sum = hex(&sha256(text.as_bytes()));
        tally.sums.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(n, sum);
        let report = client.send(&route, &mail, &mut text.as_bytes()).await;
        if matches!(report.outcome, Outcome::Accepted { .. }) {
            tally.acknowledged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(n);
        } else {
            // The node is being started again: let the others have the processor.
            tokio::task::yield_now().await;
        }
    }
}

/// A webhook's far side: counts how often each key comes.
async fn webhook(listener: tokio::net::TcpListener, tally: Arc<Tally>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let tally = Arc::clone(&tally);
        tokio::spawn(async move {
            let mut seen = Vec::new();
            let mut buffer = [0u8; 8192];
            loop {
                let Ok(n) = stream.read(&mut buffer).await else { return };
                if n == 0 {
                    return;
                }
                seen.extend_from_slice(buffer.get(..n).unwrap_or_default());
                let Some(head) = seen.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
                let header = String::from_utf8_lossy(seen.get(..head).unwrap_or_default()).into_owned();
                let field = |name: &str| {
                    header.lines().find_map(|l| {
                        let (k, v) = l.split_once(':')?;
                        k.eq_ignore_ascii_case(name).then(|| v.trim().to_owned())
                    })
                };
                let length: usize = field("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
                if seen.len() < head + 4 + length {
                    continue;
                }
                seen.drain(..head + 4 + length);
                let key = field("idempotency-key").unwrap_or_default();
                *tally
                    .calls
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .entry(key)
                    .or_default() += 1;
                let answer =
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// A specialist application that takes every package away at once.
fn consume(hot: &Path, tally: &Tally) {
    loop {
        // A job of a killed node may wait for its lease: only when nothing is in work, one look at an untouched folder
        // is the last.
        let done = tally.done.load(Ordering::SeqCst);
        let mut took = false;
        for entry in std::fs::read_dir(hot).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let complete =
                entry.path().join("message.json").exists() && entry.path().join("original.eml").exists();
            let key = if complete { name } else { format!("incomplete {name}") };
            *tally
                .packages
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .entry(key)
                .or_default() += 1;
            let _ = std::fs::remove_dir_all(entry.path());
            took = true;
        }
        if done && !took {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

async fn wait_until_done(hub: &Hub, limit: Duration) -> Result<bool> {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        let mut tx = hub.db().read(Scope::System).await?;
        let open: i64 = jobs::counts(&mut tx).await?.iter().map(|c| c.1).sum();
        let unplaced = poststelle_store::evidence::open_tenants(&mut tx).await?.len();
        tx.rollback().await?;
        if open == 0 && unplaced == 0 {
            return Ok(true);
        }
        if tokio::time::Instant::now() > deadline {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn judge(
    hub: &Hub,
    tenant: TenantId,
    tally: &Tally,
    kills: u64,
    settled: bool,
) -> Result<serde_json::Value> {
    let mut found: BTreeMap<u64, Vec<MessageId>> = BTreeMap::new();
    let mut tx = hub.db().read(Scope::Tenant(tenant)).await?;
    let (mut before, mut places, mut unplaced) = (None, 0u64, 0u64);
    let (mut lost, mut twice) = (0u64, 0u64);
    let mut strange: Vec<String> = Vec::new();
    let clearing = tenants::get(&mut tx, tenant).await?.context("tenant")?.clearing_desk;
    let packages = tally.packages.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let calls = tally.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    loop {
        let page = messages::page(&mut tx, tenant, before, 500).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        for line in page.into_iter().filter(|l| l.direction == Direction::In) {
            let Some(n) = line.subject.split('-').nth(1).and_then(|n| n.parse().ok()) else {
                // Accepted, and no step wrote its subject: nobody worked on it.
                unplaced += 1;
                strange.push(format!("{} processed={}", line.id, line.processed));
                continue;
            };
            found.entry(n).or_default().push(line.id);
            let deliveries = messages::deliveries(&mut tx, tenant, line.id).await?;
            let Some(delivery) = deliveries.first() else {
                unplaced += 1;
                continue;
            };
            twice += deliveries.len() as u64 - 1;
            let id = delivery.id.to_string();
            let times = match kind(n) {
                "korb" => {
                    desk::desks_of(&mut tx, tenant, line.id).await?.iter().filter(|d| **d == clearing).count()
                        as u64
                }
                "ordner" => packages.iter().filter(|(name, _)| name.contains(&id)).map(|(_, n)| n).sum(),
                _ => u64::from(calls.contains_key(&id)),
            };
            places += times;
            lost += u64::from(times == 0);
            twice += times.saturating_sub(1);
        }
    }
    tx.rollback().await?;
    let acknowledged = tally.acknowledged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let absent = acknowledged.iter().filter(|n| !found.contains_key(n)).count() as u64;
    twice += found.values().filter(|ids| ids.len() > 1).count() as u64;
    let incomplete = packages.keys().filter(|k| k.starts_with("incomplete")).count();
    let repeated: u64 = calls.values().map(|n| n - 1).sum();
    let (proofs, verified) = admin::verify_all(hub).await?;
    let balance = hub.balance().await?;
    Ok(json!({
        "name": "crash", "database": format!("{:?}", hub.db().dialect()), "kills": kills, "in_flight": IN_FLIGHT,
        "sent": tally.sent.load(Ordering::SeqCst), "accepted": acknowledged.len(), "stored": found.len(),
        "lost": lost + absent + unplaced, "acknowledged_but_absent": absent, "duplicates": twice,
        "handed_over": places, "incomplete_packages": incomplete, "repeated_calls": repeated, "settled": settled,
        "verified": verified && incomplete == 0 && settled, "balance_ok": balance.ok, "mismatches": balance.mismatches, "unprocessed": strange,
        "faults": proofs["tenants"].as_array().into_iter().flatten().flat_map(|t| t["faults"].as_array().cloned().unwrap_or_default()).take(10).collect::<Vec<_>>(),
    }))
}
