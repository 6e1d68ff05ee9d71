// SPDX-License-Identifier: EUPL-1.2
//! `bench clerks`: many people with their desk open at the same time, mail coming in, and how long they wait.
//!
//! Each holds a session and has the desk open as a browser does: asks for news (`/neues`), fetches the page again when
//! there is some, waits two seconds, asks again. Now and then each opens a message and takes it on or settles it. Of
//! every mail it is known when it was acknowledged, and of every desk when a page first showed it.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use poststelle_world::clerk::{Clerk, all_between, between};
use poststelle_world::letters::fixed::Fixed;
use poststelle_world::load::{Load, Shot};
use poststelle_world::seed::Seed;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::pages::{PagesArgs, Scene, Times};
use super::round;

#[derive(Debug, clap::Args)]
pub struct ClerksArgs {
    #[command(flatten)]
    stock: PagesArgs,
    /// How many people work at once, 100 at most.
    #[arg(long, default_value_t = 100)]
    clerks: usize,
    /// Mails a second.
    #[arg(long, default_value_t = 20)]
    rate: u64,
    /// How long, seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// What `neues.js` waits after it showed news.
const GAP: Duration = Duration::from_secs(2);

/// What all of them measure together.
#[derive(Default)]
struct Board {
    desk: Mutex<Times>,
    message: Mutex<Times>,
    act: Mutex<Times>,
    seen: Mutex<Times>,
    /// When a mail was acknowledged, by its id; taken away by who sees it first.
    sent: Mutex<HashMap<String, Instant>>,
    asked: AtomicU64,
    news: AtomicU64,
    acts: AtomicU64,
    lost: AtomicU64,
    failed: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs it and prints one JSON object.
pub async fn run(args: ClerksArgs) -> Result<ExitCode> {
    crate::telemetry::start("warn");
    let scene = Scene::open(&args.stock).await?;
    let staff: Vec<_> = scene.stock.clerks.iter().skip(4).take(args.clerks).cloned().collect();
    if staff.len() < args.clerks {
        bail!("this stock has {} people", staff.len());
    }
    let mut people = Vec::new();
    for clerk in &staff {
        people.push((scene.sign_in(&clerk.login).await?, clerk.desk.to_string()));
    }
    let (before, _) = scene.memory();
    let board = Arc::new(Board::default());
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let mut all = JoinSet::new();
    for (n, (clerk, desk)) in people.into_iter().enumerate() {
        let desk = format!("{}/arbeit/{desk}", scene.base);
        all.spawn(work(clerk, scene.base.clone(), desk, n as u64, until, Arc::clone(&board)));
    }
    let mails: Vec<Shot> = scene
        .stock
        .addresses
        .iter()
        .enumerate()
        .map(|(n, a)| Fixed::new(30 * 1024, 1, &[a.as_str()]).shot(n as u64))
        .collect();
    let mut every = tokio::time::interval(Duration::from_micros(1_000_000 / args.rate.max(1)));
    let mut mailing = JoinSet::new();
    let mut sent = 0_usize;
    let mut most = before;
    while Instant::now() < until {
        every.tick().await;
        let shot = mails.get(sent % mails.len()).context("no address")?.clone();
        sent += 1;
        let (smtp, board) = (scene.node.smtp, Arc::clone(&board));
        mailing.spawn(async move {
            let Ok(load) = Load::new(smtp) else { return };
            let hears = Arc::clone(&board);
            let load = load.concurrency(1).seen(move |_, outcome| {
                if let poststelle_mail::smtp::client::Outcome::Accepted { reply } = outcome {
                    let id = reply.text.to_string().rsplit(' ').next().unwrap_or_default().to_owned();
                    locked(&hears.sent).insert(id, Instant::now());
                }
            });
            load.run(1, move |_| shot.clone()).await;
        });
        while mailing.try_join_next().is_some() {}
        most = most.max(scene.memory().0);
    }
    while all.join_next().await.is_some() {}
    while mailing.join_next().await.is_some() {}
    let (after, peak) = scene.memory();
    let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
    let mut both = Times::default();
    both.join(&locked(&board.desk));
    both.join(&locked(&board.message));
    println!(
        "{}",
        json!({
            "name": "clerks", "messages": scene.stock.messages, "tenants": scene.stock.tenants, "clerks": args.clerks,
            "seconds": args.seconds, "mails_sent": sent, "mails_per_second": round(sent as f64 / args.seconds as f64),
            "pages": both.told(), "desk": locked(&board.desk).told(), "message": locked(&board.message).told(),
            "act": locked(&board.act).told(), "acknowledged_to_shown": locked(&board.seen).told(),
            "questions": count(&board.asked), "news": count(&board.news), "acts": count(&board.acts),
            "acts_too_late": count(&board.lost), "failed": count(&board.failed),
            "rss_before_bytes": before, "rss_most_bytes": most, "rss_after_bytes": after, "peak_rss_bytes": peak,
        })
    );
    scene.close().await?;
    Ok(if count(&board.failed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One person until the end.
async fn work(clerk: Clerk, base: String, desk: String, n: u64, until: Instant, board: Arc<Board>) {
    let mut chance = Seed::new(n);
    let mut page = String::new();
    // Nobody comes to work in the same second.
    tokio::time::sleep(Duration::from_millis(chance.below(3000))).await;
    while Instant::now() < until {
        let stand =
            between(&page, "data-url=\"", "\"").map(|u| u.replace("&amp;", "&").replace("&#38;", "&"));
        let news = match stand {
            None => true,
            Some(url) => {
                board.asked.fetch_add(1, Ordering::Relaxed);
                match clerk.see(&format!("{base}{url}")).await {
                    Ok(answer) if answer.status == 200 => true,
                    Ok(answer) if answer.status == 204 => false,
                    _ => {
                        board.failed.fetch_add(1, Ordering::Relaxed);
                        false
                    }
                }
            }
        };
        if !news {
            continue;
        }
        board.news.fetch_add(1, Ordering::Relaxed);
        match clerk.see(&desk).await {
            Ok(answer) if answer.status == 200 => {
                locked(&board.desk).add(answer.took);
                page = answer.text;
                let mut sent = locked(&board.sent);
                for id in
                    all_between(&page, "href=\"/nachrichten/", "?").iter().filter_map(|h| h.split('/').nth(1))
                {
                    if let Some(at) = sent.remove(id) {
                        locked(&board.seen).add(at.elapsed());
                    }
                }
            }
            _ => {
                board.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        if chance.chance(20) && open_and_act(&clerk, &base, &page, &mut chance, &board).await.is_none() {
            board.failed.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(GAP).await;
    }
}

/// Opens a message of the list and does something with it; `None` when a page did not come as it should.
async fn open_and_act(clerk: &Clerk, base: &str, list: &str, chance: &mut Seed, board: &Board) -> Option<()> {
    let hrefs = all_between(list, "href=\"/nachrichten/", "\"");
    // What came in really has octets to show: it lies on top.
    let href = hrefs.get(usize::try_from(chance.below(hrefs.len().min(10) as u64)).ok()?)?;
    let page = clerk.see(&format!("{base}/nachrichten/{}", href.replace("&amp;", "&"))).await.ok()?;
    if page.status != 200 {
        return None;
    }
    locked(&board.message).add(page.took);
    let form = between(&page.text, "<section class=\"pst-work", "</section>")?;
    let action = between(form, "action=\"", "\"")?;
    let version = between(form, "name=\"version\" value=\"", "\"")?;
    let step = if form.contains("value=\"uebernehmen\"") { "uebernehmen" } else { "erledigen" };
    let answer =
        clerk.fill(&format!("{base}{action}"), &[("version", version), ("schritt", step)]).await.ok()?;
    locked(&board.act).add(answer.took);
    match answer.status {
        303 => board.acts.fetch_add(1, Ordering::Relaxed),
        // Somebody was faster, and this one is told.
        409 => board.lost.fetch_add(1, Ordering::Relaxed),
        _ => return None,
    };
    Some(())
}
