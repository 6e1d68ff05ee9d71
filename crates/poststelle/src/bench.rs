// SPDX-License-Identifier: EUPL-1.2
//! `bench accept|flow` (and what `bench fairness` shares with them): measures with everything durable and evidenced, prints one JSON object.
//!
//! Hub and load generator share this process, so `cpu_seconds` and
//! `peak_rss_bytes` include the generator's share.

pub mod clerks;
pub mod pages;
mod stock;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use poststelle_hub::Hub;
use poststelle_hub::metrics::OutcomeLabel;
use poststelle_model::{Action, ChannelKind, Rule, RuleId, Who};
use poststelle_store::{Scope, evidence};
use poststelle_world::letters::fixed::Fixed;
use poststelle_world::load::send_many;
use serde_json::json;
use tokio::time::Instant;

use crate::admin;
use crate::config::Config;
use crate::house::{self, Role};
use crate::telemetry::Telemetry;

#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// How many mails.
    #[arg(long, default_value_t = 5000)]
    pub(crate) messages: u64,
    /// Size of each, bytes.
    #[arg(long, default_value_t = 100 * 1024)]
    pub(crate) size: usize,
    /// Attachments of each.
    #[arg(long, default_value_t = 2)]
    pub(crate) attachments: usize,
    /// SMTP connections at the same time.
    #[arg(long, default_value_t = 24)]
    pub(crate) connections: usize,
    /// Folder for everything; must be empty or absent.
    #[arg(long)]
    dir: PathBuf,
    /// `sqlite:///file` or `postgres://…`; SQLite in the folder when absent.
    #[arg(long)]
    database: Option<String>,
    /// Jobs in work at once.
    #[arg(long, default_value_t = 64)]
    parallel: u64,
    /// `http://host:port` of a collector that takes traces (OTLP over HTTP), to see what they cost.
    #[arg(long, default_value = "")]
    otlp_endpoint: String,
}

pub(crate) async fn settle(args: &BenchArgs) -> Result<(Config, Arc<Hub>, Telemetry)> {
    std::fs::create_dir_all(&args.dir)?;
    let dir = args.dir.canonicalize()?;
    let hot = dir.join("uebergabe");
    std::fs::create_dir_all(&hot)?;
    let url = args.database.clone().unwrap_or_else(|| format!("sqlite://{}", dir.join("bench.db").display()));
    let text = format!(
        "node = 'bench'\ndomain = 'bench.example'\ndata = '{}'\n[database]\nurl = '{url}'\n[web]\nlisten = '127.0.0.1:0'\n\
         [smtp]\nlisten = '127.0.0.1:0'\n[limits]\nparallel = {}\n[timers]\ncanary_seconds = 0\n\
         [telemetry]\notlp_endpoint = '{}'\n",
        dir.display(),
        args.parallel,
        args.otlp_endpoint
    );
    let config = Config::parse(&text, std::iter::empty())?;
    let telemetry = crate::telemetry::start_with_traces("warn", &config)?;
    admin::migrate_quietly(&config).await?;
    let hub = house::hub(&config, Duration::ZERO, false).await?;
    let who = Who::house("bench");
    let tenant = hub.add_tenant("bench", "Messung", &who).await?;
    let mailbox = hub.add_mailbox(tenant, "Poststelle", &who).await?;
    hub.add_address(tenant, mailbox, ChannelKind::Mail, "poststelle@bench.example", &who).await?;
    let folder =
        hub.add_connector(tenant, "hot_folder", "Ordner", &json!({ "path": hot }), None, &who).await?;
    let rules = [
        ("Frist", "msg.urgent && msg.subject.contains('Frist')", Action::Priority),
        ("Gericht", "msg.sender_domain == 'gericht.example'", Action::ToClearing),
        (
            "Bauantrag",
            "msg.subject.contains('Bauantrag') && msg.attachments.size() > 0",
            Action::ToConnector { connector: folder },
        ),
    ];
    for (position, (name, condition, action)) in rules.into_iter().enumerate() {
        let rule = Rule {
            tenant,
            id: RuleId::new(hub.ids()),
            position: i64::try_from(position)?,
            name: name.to_owned(),
            condition: condition.to_owned(),
            actions: vec![action],
            active: true,
            version: 1,
        };
        hub.put_rule(&rule, &who).await?;
    }
    Ok((config, hub, telemetry))
}

/// SMTP in until 250.
pub async fn accept(args: BenchArgs) -> Result<ExitCode> {
    let (config, hub, telemetry) = settle(&args).await?;
    let running =
        house::start(&config, hub, Role::Ingress, house::Doors::open(&config, Role::Ingress).await?)?;
    let smtp = running.smtp.context("no SMTP door")?;
    let mail = Fixed::new(args.size, args.attachments, &["poststelle@bench.example"]);
    let size = mail.size();
    let report = send_many(smtp, args.messages, args.connections, move |n| mail.shot(n)).await?;
    if report.accepted != args.messages {
        bail!("only {} of {} mails were accepted", report.accepted, args.messages);
    }
    println!(
        "{}",
        json!({
            "name": "accept", "messages": args.messages, "message_bytes": size, "seconds": round(report.seconds),
            "messages_per_second": round(report.per_second),
            "first_tenth_per_second": round(report.first_tenth_per_second),
            "last_tenth_per_second": round(report.last_tenth_per_second),
            "peak_rss_bytes": peak_rss(), "cpu_seconds": round(cpu_seconds()),
        })
    );
    running.stop().await;
    telemetry.stop().await;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// When a tenth, nine tenths and all of the mails were handed over to the hot folder.
pub(crate) struct Tenths {
    messages: u64,
    first: (u64, Duration),
    ninth: (u64, Duration),
    done: Duration,
}

impl Tenths {
    /// Waits until `messages` mails were handed over, from `began` on.
    pub(crate) async fn of(hub: &Hub, messages: u64, began: Instant) -> Result<Self> {
        let (mut first, mut ninth) = (None, None);
        loop {
            let (count, elapsed) = (handed_over(hub), began.elapsed());
            if count >= messages / 10 && first.is_none() {
                first = Some((count, elapsed));
            }
            if count >= messages - messages / 10 && ninth.is_none() {
                ninth = Some((count, elapsed));
            }
            if count >= messages
                && let (Some(first), Some(ninth)) = (first, ninth)
            {
                return Ok(Self { messages, first, ninth, done: elapsed });
            }
            if elapsed > Duration::from_secs(1800) {
                bail!("only {count} of {messages} mails were handed over within half an hour");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The object every bench prints.
    pub(crate) fn told(&self, name: &str, size: usize, cpu: f64) -> serde_json::Value {
        let rate = |from: (u64, Duration), to: (u64, Duration)| {
            round((to.0 - from.0) as f64 / (to.1.as_secs_f64() - from.1.as_secs_f64()).max(1e-9))
        };
        let (start, end) = ((0, Duration::ZERO), (self.messages, self.done));
        json!({
            "name": name, "messages": self.messages, "message_bytes": size, "seconds": round(self.done.as_secs_f64()),
            "messages_per_second": rate(start, end),
            "first_tenth_per_second": rate(start, self.first), "last_tenth_per_second": rate(self.ninth, end),
            "peak_rss_bytes": peak_rss(), "cpu_seconds": round(cpu),
        })
    }
}

/// Packages in the hot folder so far.
pub(crate) fn handed_over(hub: &Hub) -> u64 {
    let label = OutcomeLabel { channel: "hot_folder".into(), outcome: "accepted".into() };
    hub.metrics().attempts.get_or_create(&label).get()
}

/// Everything evidenced: how long the log needs to catch up.
pub(crate) async fn log_lag(hub: &Hub) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let mut tx = hub.db().read(Scope::System).await?;
        if evidence::open_tenants(&mut tx).await?.is_empty() {
            return Ok(began.elapsed());
        }
        tx.rollback().await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// SMTP in, rules, hot folder.
pub async fn flow(args: BenchArgs) -> Result<ExitCode> {
    let (config, hub, telemetry) = settle(&args).await?;
    let running =
        house::start(&config, Arc::clone(&hub), Role::All, house::Doors::open(&config, Role::All).await?)?;
    let smtp = running.smtp.context("no SMTP door")?;
    let mail = Fixed::new(args.size, args.attachments, &["poststelle@bench.example"]);
    let size = mail.size();
    let began = Instant::now();
    let (messages, connections) = (args.messages, args.connections);
    let load =
        tokio::spawn(async move { send_many(smtp, messages, connections, move |n| mail.shot(n)).await });
    let tenths = Tenths::of(&hub, messages, began).await?;
    let report = load.await??;
    let cpu = cpu_seconds();
    let lag = log_lag(&hub).await?;
    let balance = hub.balance().await?;
    if !balance.ok || report.accepted != messages {
        bail!("accepted {}, balance {:?}", report.accepted, balance.mismatches);
    }
    let mut told = tenths.told("flow", size, cpu);
    told["accept_per_second"] = round(report.per_second).into();
    told["log_lag_seconds"] = round(lag.as_secs_f64()).into();
    println!("{told}");
    running.stop().await;
    telemetry.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Largest resident memory of this process so far, bytes.
fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Processor time of this process so far, seconds.
pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, r)| r);
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}
