// SPDX-License-Identifier: EUPL-1.2
//! A day in the life of the demo, played against a running hub and accounted for to the last mail.
//!
//! Guarantees: every mail sent is followed to where it ended (desk, hot folder, other server, refusal) and
//! compared by digest; whatever does not add up is named in [`DayReport::unexpected`]. Does not: set up the hub,
//! or wait longer than [`Day::patience`] for it to come to rest.

mod account;
mod ledger;
mod script;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use poststelle_hub::Hub;
use serde::Serialize;

use crate::fachverfahren::{Application, Take, WebhookSite};
use crate::far_side::FarSide;
use crate::pki::Pki;
use crate::places::{Handover, Settled};

/// Everything the day plays with.
pub struct World {
    /// The hub under play, its engine running.
    pub hub: Arc<Hub>,
    /// Its SMTP server.
    pub smtp: SocketAddr,
    /// Its REST intake; without it that step goes to the hub directly.
    pub web: Option<SocketAddr>,
    /// Mail servers of others; the hub relays to it.
    pub far: Arc<FarSide>,
    /// Authorities and people.
    pub settled: Settled,
    /// Specialist applications and their folders.
    pub applications: Vec<(Handover, Application)>,
    /// The far side of a webhook, if there is one.
    pub webhook: Option<Arc<WebhookSite>>,
    /// Who signs and encrypts; the hub trusts and scans. Without it the inspection is not played.
    pub pki: Option<Arc<Pki>>,
}

impl World {
    /// A world around `hub`: every hot folder gets an application that watches it, the far side reports to the
    /// hub's SMTP server.
    #[must_use]
    pub fn around(hub: Arc<Hub>, smtp: SocketAddr, far: Arc<FarSide>, settled: Settled, take: Take) -> Self {
        far.reports_to(smtp);
        let watch = |folder: &Handover| {
            let name = format!("{} ({})", folder.name, folder.slug);
            (folder.clone(), Application::watch(&name, &folder.path, take))
        };
        let applications = settled.folders.iter().map(watch).collect();
        Self { hub, smtp, web: None, far, settled, applications, webhook: None, pki: None }
    }

    /// With the REST intake at this address.
    #[must_use]
    pub const fn with_web(mut self, web: SocketAddr) -> Self {
        self.web = Some(web);
        self
    }

    /// With the far side of a webhook.
    #[must_use]
    pub fn with_webhook(mut self, site: Arc<WebhookSite>) -> Self {
        self.webhook = Some(site);
        self
    }

    /// With certificates the hub trusts.
    #[must_use]
    pub fn with_pki(mut self, pki: Arc<Pki>) -> Self {
        self.pki = Some(pki);
        self
    }

    /// The application that watches `path`.
    #[must_use]
    pub fn application(&self, path: &Path) -> Option<&Application> {
        self.applications.iter().find(|(folder, _)| folder.path == path).map(|(_, application)| application)
    }
}

/// What is going on, for whoever watches.
#[derive(Debug, Clone, Serialize)]
pub struct Progress {
    /// Step, in German.
    pub step: &'static str,
    /// More, in German; may be empty.
    pub detail: String,
}

/// Hears of progress.
pub type Listener = Arc<dyn Fn(&Progress) + Send + Sync>;

/// How the day goes.
#[derive(Clone)]
pub struct Day {
    /// Everything follows from it.
    pub seed: u64,
    /// Letters of the morning.
    pub letters: u64,
    /// Longest letter of the morning, octets.
    pub max_size: usize,
    /// Attachment of the one big mail, octets.
    pub big: u64,
    /// Longest wait for the hub to come to rest.
    pub patience: Duration,
    /// Pause between steps, so that people can watch.
    pub pause: Duration,
    /// Hears of progress.
    pub progress: Option<Listener>,
}

impl Default for Day {
    fn default() -> Self {
        Self {
            seed: 1,
            letters: 40,
            max_size: 1_000_000,
            big: 20_000_000,
            patience: Duration::from_secs(120),
            pause: Duration::ZERO,
            progress: None,
        }
    }
}

impl Day {
    pub(crate) fn tell(&self, step: &'static str, detail: impl Into<String>) {
        if let Some(listener) = &self.progress {
            listener(&Progress { step, detail: detail.into() });
        }
    }
}

/// The balance of a day.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DayReport {
    /// Everything is accounted for.
    pub ok: bool,
    /// Mails tried, refused ones included.
    pub sent: u64,
    /// Mails the hub took over.
    pub accepted: u64,
    /// Messages they became: one for each tenant addressed.
    pub messages: u64,
    /// Mails refused as they should be (unknown recipient, too large).
    pub refused_expected: u64,
    /// What was not as it should be, in English, one line each.
    pub unexpected: Vec<String>,
    /// Items on desks.
    pub on_desks: u64,
    /// Of these in a Klärungskorb.
    pub in_clearing: u64,
    /// Marked urgent.
    pub urgent: u64,
    /// Packages handed to specialist applications, whole and right.
    pub handed_over: u64,
    /// Packages that came twice.
    pub packages_twice: u64,
    /// Events a webhook kept.
    pub webhook_events: u64,
    /// Hand-overs to other mail servers that were taken.
    pub forwarded: u64,
    /// Of these reported as arrived.
    pub forwarded_confirmed: u64,
    /// Of these reported as failed; they lie in the Klärungskorb.
    pub forwarded_failed: u64,
    /// Hand-overs that needed more than one attempt.
    pub retried: u64,
    /// Mails other servers have twice, because an answer was lost.
    pub possibly_twice: u64,
    /// Reports other servers sent back.
    pub dsn_sent: u64,
    /// Reports folded into the message they belong to.
    pub dsn_folded: u64,
    /// Notices senders got without asking.
    pub notices: u64,
    /// A repeated REST call got the first answer again.
    pub rest_repeated: bool,
    /// Deliveries still open at the end.
    pub open: u64,
    /// The hub's own balance adds up.
    pub balance_ok: bool,
    /// Octets of the mails taken over.
    pub octets: u64,
    /// How long it took.
    pub seconds: f64,
}

/// Plays the day and accounts for it.
pub async fn play(day: Day, world: &World) -> DayReport {
    let began = tokio::time::Instant::now();
    let mut ledger = script::run(&day, world).await;
    day.tell("Abschluss", "Warten, bis alles übergeben ist");
    account::rest(&day, world, &mut ledger).await;
    let mut report = account::account(world, &ledger).await;
    report.seconds = began.elapsed().as_secs_f64();
    report.ok = report.unexpected.is_empty() && report.balance_ok && report.open == 0;
    day.tell("Bilanz", if report.ok { "alles nachgewiesen" } else { "es fehlt etwas" });
    report
}
