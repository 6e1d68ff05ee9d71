// SPDX-License-Identifier: EUPL-1.2
//! `bench fairness`: one tenant has a long queue; how soon does mail of another reach its desk?
//!
//! The queue is accepted first and worked off afterwards, rules and hot folder
//! included. Meanwhile single mails for the neighbour come in by SMTP, one every
//! 50 ms, each timed from the connection to the item on its desk.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use poststelle_hub::Hub;
use poststelle_mail::smtp::client::Outcome;
use poststelle_model::{ChannelKind, MessageId, TenantId, Who};
use poststelle_store::{Scope, desk};
use poststelle_world::letters::fixed::Fixed;
use poststelle_world::load::{Load, Shot, send_many};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::{BenchArgs, Tenths, cpu_seconds, handed_over, log_lag, round, settle};
use crate::house::{self, Doors, Role};

const NEIGHBOUR: &str = "poststelle@nachbar.example";
/// A mail for the neighbour this often.
const EVERY: Duration = Duration::from_millis(50);
/// Longest wait for one.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs it; `messages` is the length of the queue.
pub async fn run(args: BenchArgs) -> Result<ExitCode> {
    let (config, hub, telemetry) = settle(&args).await?;
    let who = Who::house("bench");
    let neighbour = hub.add_tenant("nachbar", "Nachbar", &who).await?;
    let mailbox = hub.add_mailbox(neighbour, "Poststelle", &who).await?;
    hub.add_address(neighbour, mailbox, ChannelKind::Mail, NEIGHBOUR, &who).await?;
    let running = house::start(&config, hub, Role::Ingress, Doors::open(&config, Role::Ingress).await?)?;
    let smtp = running.smtp.context("no SMTP door")?;
    let mail = Fixed::new(args.size, args.attachments, &["poststelle@bench.example"]);
    let size = mail.size();
    let queued = send_many(smtp, args.messages, args.connections, move |n| mail.shot(n)).await?;
    running.stop().await;
    if queued.accepted != args.messages {
        bail!("only {} of {} mails were accepted", queued.accepted, args.messages);
    }

    let hub = house::hub(&config, Duration::ZERO, false).await?;
    let doors = Doors::open(&config, Role::All).await?;
    let began = Instant::now();
    let running = house::start(&config, Arc::clone(&hub), Role::All, doors)?;
    let smtp = running.smtp.context("no SMTP door")?;
    let mail = Fixed::new(10 * 1024, 1, &[NEIGHBOUR]);
    let mut probes = JoinSet::new();
    let tenths = tokio::spawn({
        let hub = Arc::clone(&hub);
        async move { Tenths::of(&hub, args.messages, began).await }
    });
    let mut every = tokio::time::interval(EVERY);
    // The last twentieth is no queue to speak of.
    for n in 0.. {
        every.tick().await;
        if handed_over(&hub) >= args.messages - args.messages / 20 || tenths.is_finished() {
            break;
        }
        probes.spawn(probe(Arc::clone(&hub), smtp, neighbour, mail.shot(n)));
    }
    let mut waits = Vec::new();
    while let Some(wait) = probes.join_next().await {
        waits.push(wait??.as_secs_f64());
    }
    let mut told = tenths.await??.told("fairness", size, cpu_seconds());
    log_lag(&hub).await?;
    let balance = hub.balance().await?;
    if !balance.ok || waits.is_empty() {
        bail!("{} probes, balance {:?}", waits.len(), balance.mismatches);
    }
    waits.sort_by(f64::total_cmp);
    let share = |percent: usize| waits.get((waits.len() * percent).div_ceil(100).max(1) - 1).copied();
    told["probes"] = waits.len().into();
    for (name, value) in [("p50", share(50)), ("p95", share(95)), ("max", share(100))] {
        told[format!("{name}_seconds")] = round(value.unwrap_or_default()).into();
    }
    println!("{told}");
    running.stop().await;
    telemetry.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Sends one mail; gives the time until it lies on a desk.
async fn probe(hub: Arc<Hub>, smtp: SocketAddr, tenant: TenantId, shot: Shot) -> Result<Duration> {
    let began = Instant::now();
    let said = Arc::new(OnceLock::new());
    let hears = Arc::clone(&said);
    let load = Load::new(smtp)?.concurrency(1).seen(move |_, outcome| {
        if let Outcome::Accepted { reply } = outcome {
            let _ = hears.set(reply.text.to_string());
        }
    });
    load.run(1, move |_| shot.clone()).await;
    let said = said.get().context("a mail for the neighbour was not accepted")?;
    let id: MessageId =
        said.rsplit(' ').next().unwrap_or_default().parse().with_context(|| format!("answer {said:?}"))?;
    while began.elapsed() < PATIENCE {
        let mut tx = hub.db().read(Scope::Tenant(tenant)).await?;
        if !desk::desks_of(&mut tx, tenant, id).await?.is_empty() {
            return Ok(began.elapsed());
        }
        tx.rollback().await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bail!("message {id} did not reach a desk within {} s", PATIENCE.as_secs())
}
