// SPDX-License-Identifier: EUPL-1.2
//! `bench pages`: how long every page and every list of the API takes over a large stock of mail, over real HTTP on
//! connections kept open, while the node does all its other work.
//!
//! The node is a process of its own: its memory is the memory told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use poststelle_crypto::keys::RootKey;
use poststelle_store::keys::Keys;
use poststelle_store::{Scope, jobs};
use poststelle_world::clerk::{Clerk, all_between, between, escaped};
use poststelle_world::letters::fixed::Fixed;
use poststelle_world::load::send_many;
use poststelle_world::seed::Seed;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::round;
use super::stock::{self, FREQUENT, Stock};
use crate::config::Config;
use crate::crash::{Node, start_node};
use crate::{admin, house};

#[derive(Debug, clap::Args)]
pub struct PagesArgs {
    /// How many messages lie there.
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) messages: u64,
    /// Of how many tenants.
    #[arg(long, default_value_t = 700)]
    pub(super) tenants: usize,
    /// How often each page is opened.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Folder for everything; empty or absent, or of an earlier run: its stock is used again then.
    #[arg(long)]
    pub(super) dir: PathBuf,
    /// `postgres://…` of an empty database; SQLite in the folder when absent.
    #[arg(long)]
    pub(super) database: Option<String>,
}

/// Mails that really come in at each address, for the pages that show what is in one.
const REAL: u64 = 100;
/// People besides the named ones: for `bench clerks`.
const STAFF: usize = 100;

/// A stock and the node that serves it.
pub(super) struct Scene {
    pub(super) stock: Stock,
    pub(super) node: Node,
    pub(super) base: String,
    pub(super) config: Config,
    pub(super) pid: u32,
}

impl Scene {
    /// Makes the stock, or finds it, and starts a node on it.
    pub(super) async fn open(args: &PagesArgs) -> Result<Self> {
        std::fs::create_dir_all(&args.dir)?;
        let dir = args.dir.canonicalize()?;
        let url =
            args.database.clone().unwrap_or_else(|| format!("sqlite://{}", dir.join("bench.db").display()));
        let path = dir.join("poststelle.toml");
        std::fs::write(
            &path,
            format!(
                "node = 'bench'\ndomain = 'bench.example'\ndata = '{}'\n[database]\nurl = '{url}'\n[web]\n\
                 listen = '127.0.0.1:0'\n[smtp]\nlisten = '127.0.0.1:0'\n[timers]\ncanary_seconds = 0\n",
                dir.display()
            ),
        )?;
        let config = Config::load(&path)?;
        let kept = dir.join("bestand.json");
        let fresh = !kept.exists();
        admin::migrate_quietly(&config).await?;
        if fresh {
            let hub = house::hub(&config, Duration::ZERO, false).await?;
            let keys = Keys::new(Arc::new(RootKey::load_file(&config.root_key())?));
            let stock = stock::make(&hub, &keys, args.messages, args.tenants, STAFF).await?;
            hub.db().close().await;
            std::fs::write(&kept, serde_json::to_string_pretty(&stock)?)?;
        }
        let stock: Stock = serde_json::from_str(&std::fs::read_to_string(&kept)?)?;
        let node = start_node(&path).await?;
        let pid = node.child.id().context("process")?;
        let scene = Self { base: format!("http://{}", node.web), stock, node, config, pid };
        if fresh {
            scene.receive().await?;
        }
        Ok(scene)
    }

    /// Lets mail really come in, and waits until it lies on its desks.
    async fn receive(&self) -> Result<()> {
        let mails: Vec<Fixed> =
            self.stock.addresses.iter().map(|a| Fixed::new(60 * 1024, 2, &[a.as_str()])).collect();
        for mail in mails {
            let report = send_many(self.node.smtp, REAL, 8, move |n| mail.shot(n)).await?;
            if report.accepted != REAL {
                bail!("only {} of {REAL} mails were accepted", report.accepted);
            }
        }
        let db = house::database(&self.config).await?;
        loop {
            let mut tx = db.read(Scope::System).await?;
            let open: i64 = jobs::counts(&mut tx).await?.iter().map(|c| c.1).sum();
            tx.rollback().await?;
            if open == 0 {
                db.close().await;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Memory of the node, bytes: now and at most so far.
    pub(super) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name));
            line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
                * 1024
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// A browser of one of the people, signed in.
    pub(super) async fn sign_in(&self, login: &str) -> Result<Clerk> {
        let mut clerk = Clerk::new()?;
        if !clerk.sign_in(&self.base, login, stock::PASSWORD).await? {
            bail!("{login} cannot sign in");
        }
        Ok(clerk)
    }

    /// Ends the node.
    pub(super) async fn close(mut self) -> Result<()> {
        self.node.child.kill().await?;
        Ok(())
    }
}

/// Times of one kind of page.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<f64>);

impl Times {
    pub(super) fn add(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64() * 1000.0);
    }

    pub(super) fn join(&mut self, more: &Self) {
        self.0.extend(&more.0);
    }

    /// The value that `percent` of them do not exceed, milliseconds.
    pub(super) fn share(&self, percent: usize) -> f64 {
        let mut all = self.0.clone();
        all.sort_by(f64::total_cmp);
        round(all.get((all.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or_default())
    }

    pub(super) fn told(&self) -> Value {
        json!({
            "n": self.0.len(), "p50_ms": self.share(50), "p95_ms": self.share(95), "p99_ms": self.share(99),
            "max_ms": self.share(100),
        })
    }
}

/// A moment within the stock, as ids sort.
fn somewhen(chance: &mut Seed) -> String {
    let (from, to) = (1_700_000_000_000_u64, 1_795_000_000_000);
    let ms = chance.between(from, to);
    format!("{:08x}-{:04x}-7000-8000-000000000000", ms >> 16, ms & 0xffff)
}

/// Questions as people ask them: kind and words.
fn questions(chance: &mut Seed) -> [(&'static str, String); 5] {
    let one = |chance: &mut Seed| chance.word(&FREQUENT).to_owned();
    let file = format!(
        "{:02}.{}/202{}-{:05}",
        chance.between(10, 65),
        chance.between(1, 9),
        chance.between(4, 6),
        chance.below(40_000)
    );
    [
        ("frequent", one(chance)),
        ("rare", format!("aussen{}", chance.below(5000))),
        ("file", file),
        ("two", format!("{} {}", one(chance), one(chance))),
        ("beginning", chance.word(&["bau", "ver", "haus"]).to_owned()),
    ]
}

async fn opened(times: &mut BTreeMap<String, Times>, clerk: &Clerk, name: &str, url: &str) -> Result<String> {
    let answer = clerk.see(url).await?;
    // Who has one desk only is led straight to it.
    if answer.status != 200 && !answer.location.starts_with("/arbeit/") {
        bail!("{url}: {}", answer.status);
    }
    times.entry(name.to_owned()).or_default().add(answer.took);
    Ok(answer.text)
}

/// Opens everything `rounds` times and tells the times.
pub async fn run(args: PagesArgs) -> Result<ExitCode> {
    crate::telemetry::start("warn");
    let began = Instant::now();
    let scene = Scene::open(&args).await?;
    let made = began.elapsed();
    let base = scene.base.clone();
    let mut chance = Seed::new(7);
    let mut times: BTreeMap<String, Times> = BTreeMap::new();
    for (who, at) in [("gross", 0), ("amt", 1), ("viele", 3)] {
        let person = scene.stock.clerks.get(at).context("clerk")?.clone();
        let clerk = scene.sign_in(&person.login).await?;
        if who != "viele" {
            for tenant in person.tenants.iter().take(1) {
                drafts(&clerk, &base, &tenant.to_string()).await?;
            }
        }
        let first = clerk.see(&format!("{base}/arbeit/{}?liste=neu", person.desk)).await?;
        let hrefs: Vec<String> =
            all_between(&first.text, "href=\"/nachrichten/", "?").into_iter().map(str::to_owned).collect();
        // What is opened first fills caches; it is told, not counted.
        for round in 0..=args.rounds {
            if round == 1 {
                times.retain(|name, _| !name.starts_with(who));
            }
            let tenant = person.tenants.get(round % person.tenants.len()).context("tenant")?;
            let deep = somewhen(&mut chance);
            let desk = format!("{base}/arbeit/{}", person.desk);
            let mut pages = vec![
                ("desks".to_owned(), format!("{base}/arbeit")),
                ("messages".to_owned(), format!("{base}/nachrichten?mandant={tenant}")),
                ("messages-deep".to_owned(), format!("{base}/nachrichten?mandant={tenant}&vor={deep}")),
                ("books".to_owned(), format!("{base}/buecher")),
                ("book".to_owned(), format!("{base}/buecher/{tenant}/eingang")),
                (
                    "book-out".to_owned(),
                    format!("{base}/buecher/{tenant}/ausgang?von=2025-01-01&bis=2025-06-30"),
                ),
                ("account".to_owned(), format!("{base}/konto")),
                ("drafts".to_owned(), format!("{base}/entwuerfe")),
                ("api-messages".to_owned(), format!("{base}/api/v1/messages?tenant={tenant}&limit=50")),
                (
                    "api-messages-deep".to_owned(),
                    format!("{base}/api/v1/messages?tenant={tenant}&limit=200&before={deep}"),
                ),
                ("api-drafts".to_owned(), format!("{base}/api/v1/drafts")),
            ];
            for list in ["offen", "neu", "meine", "zurueckgestellt", "erledigt"] {
                pages.push((format!("desk-{list}"), format!("{desk}?liste={list}")));
                pages.push((format!("desk-{list}-deep"), format!("{desk}?liste={list}&vor={deep}")));
            }
            if who == "amt" {
                pages.push(("desk-one-tenant".to_owned(), format!("{desk}?liste=offen&mandant={tenant}")));
            }
            for (kind, words) in questions(&mut chance) {
                let words = escaped(&words);
                pages.push((format!("search-{kind}"), format!("{base}/suche?q={words}")));
                if kind == "frequent" {
                    pages.push((
                        "book-search".to_owned(),
                        format!("{base}/buecher/{tenant}/eingang?q={words}"),
                    ));
                    pages.push(("api-search".to_owned(), format!("{base}/api/v1/search?q={words}")));
                }
            }
            if let Some(href) = hrefs.get(round % hrefs.len().max(1)) {
                pages.push(("message".to_owned(), format!("{base}/nachrichten/{href}")));
            }
            for (name, url) in pages {
                opened(&mut times, &clerk, &format!("{who}/{name}"), &url).await?;
            }
            let csv = format!("{base}/buecher/{tenant}/eingang/csv?von=2025-01-01&bis=2025-01-31");
            opened(&mut times, &clerk, &format!("{who}/book-csv-month"), &csv).await?;
        }
    }
    let (now, most) = scene.memory();
    let mut pages = Times::default();
    let mut searches = Times::default();
    let mut slow = Vec::new();
    for (name, each) in &times {
        let search = name.contains("search");
        if search { &mut searches } else { &mut pages }.0.extend(&each.0);
        if (search && each.share(95) > 300.0) || (!search && !name.contains("csv") && each.share(99) > 50.0) {
            slow.push(name.clone());
        }
    }
    let told = json!({
        "name": "pages", "messages": scene.stock.messages, "tenants": scene.stock.tenants,
        "largest": scene.stock.largest, "village": scene.stock.village,
        "stock_seconds": round(scene.stock.seconds), "opened_after_seconds": round(made.as_secs_f64()),
        "database": args.database.as_ref().map_or("SQLite", |_| "PostgreSQL"),
        "database_bytes": size(&args.dir.join("bench.db")),
        "rss_bytes": now, "peak_rss_bytes": most,
        "pages_p99_ms": worst(&times, 99, false), "search_p95_ms": worst(&times, 95, true),
        "all_pages": pages.told(), "all_searches": searches.told(), "over_target": slow,
        "pages": times.iter().map(|(name, t)| (name.clone(), t.told())).collect::<BTreeMap<_, _>>(),
    });
    println!("{told}");
    scene.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// The slowest kind of page (of search) at this share.
fn worst(times: &BTreeMap<String, Times>, percent: usize, search: bool) -> f64 {
    let of = times.iter().filter(|(n, _)| n.contains("search") == search && !n.contains("csv"));
    of.map(|(_, t)| t.share(percent)).fold(0.0, f64::max)
}

fn size(database: &Path) -> u64 {
    let of = |suffix: &str| {
        let mut path = database.as_os_str().to_owned();
        path.push(suffix);
        std::fs::metadata(PathBuf::from(path)).map_or(0, |m| m.len())
    };
    of("") + of("-wal")
}

/// Some drafts, so that the list is not empty.
async fn drafts(clerk: &Clerk, base: &str, tenant: &str) -> Result<()> {
    let page = clerk.see(&format!("{base}/schreiben")).await?;
    let mark = format!("value=\"{tenant}/");
    let mailbox = between(&page.text, &mark, "\"").context("no box to write from")?.to_owned();
    for _ in 0..20 {
        clerk.fill(&format!("{base}/schreiben"), &[("von", &format!("{tenant}/{mailbox}"))]).await?;
    }
    Ok(())
}
