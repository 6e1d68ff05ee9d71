// SPDX-License-Identifier: EUPL-1.2
//! Follows every mail of the day to where it ended.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use poststelle_hub::view::MessageView;
use poststelle_model::{DeliveryState, MessageId, Target, TenantId};
use tokio::time::{Instant, MissedTickBehavior};

use super::ledger::{Entry, Expect, Ledger};
use super::{Day, DayReport, World};
use crate::fachverfahren::Package;

/// How often the hub is asked whether it has come to rest.
const LOOK: Duration = Duration::from_millis(200);

/// Waits until nothing of the day is open and no report is owed.
pub(super) async fn rest(day: &Day, world: &World, ledger: &mut Ledger) {
    let until = Instant::now() + day.patience;
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waiting: Vec<(usize, MessageId)> = Vec::new();
    for (at, entry) in ledger.entries.iter().enumerate() {
        waiting.extend(entry.ids.iter().map(|id| (at, *id)));
    }
    loop {
        look.tick().await;
        let mut left = Vec::new();
        for (at, id) in waiting {
            let Some(entry) = ledger.entries.get(at) else { continue };
            match find(world, &entry.to, id).await {
                Some((_, view)) if settled(entry, &view) => {}
                _ => left.push((at, id)),
            }
        }
        waiting = left;
        let reported = world.far.wait_reported(Duration::ZERO).await;
        if waiting.is_empty() && reported && packages_there(world, ledger).await {
            return;
        }
        if Instant::now() >= until {
            for (at, id) in waiting {
                let what = ledger.entries.get(at).map_or("", |e| e.what.as_str());
                ledger.unexpected.push(format!("{what}: message {id} did not come to rest in time"));
            }
            return;
        }
    }
}

/// Applications look at their folders a moment after the hub is done.
async fn packages_there(world: &World, ledger: &Ledger) -> bool {
    let mut seen: HashSet<String> = HashSet::new();
    for (_, application) in &world.applications {
        seen.extend(application.messages().into_keys());
    }
    ledger
        .entries
        .iter()
        .filter(|e| e.expect == Expect::Application)
        .flat_map(|e| &e.ids)
        .all(|id| seen.contains(&id.to_string()))
}

fn settled(entry: &Entry, view: &MessageView) -> bool {
    let wanted = match entry.expect {
        Expect::Forwarded(state) => DeliveryState::parse(state),
        _ => None,
    };
    view.inspection.is_some()
        && !view.deliveries.is_empty()
        && view.deliveries.iter().all(|d| !d.delivery.state.is_open())
        && wanted.is_none_or(|wanted| {
            let to_mail =
                |d: &&poststelle_hub::view::DeliveryView| matches!(d.delivery.target, Target::Mail { .. });
            view.deliveries.iter().find(to_mail).is_some_and(|d| d.delivery.state == wanted)
        })
}

/// The message and whose it is.
async fn find(world: &World, to: &[String], id: MessageId) -> Option<(TenantId, MessageView)> {
    for tenant in &world.settled.tenants {
        let addressed = to.iter().any(|a| a.rsplit_once('@').is_some_and(|(_, d)| d == tenant.domain));
        if addressed && let Ok(view) = world.hub.message_view_unchecked(tenant.id, id).await {
            return Some((tenant.id, view));
        }
    }
    None
}

struct Account<'a> {
    world: &'a World,
    report: DayReport,
    packages: HashMap<String, Vec<Package>>,
}

impl Account<'_> {
    fn wrong(&mut self, entry: &Entry, why: impl std::fmt::Display) {
        self.report.unexpected.push(format!("{}: {why}", entry.what));
    }

    fn message(&mut self, entry: &Entry, view: &MessageView) {
        self.report.messages += 1;
        if !entry.sha256.is_empty() && view.message.sha256 != entry.sha256 {
            self.wrong(entry, "the stored octets differ");
        }
        let found: HashSet<&str> = view.parts.iter().map(|p| p.sha256.as_str()).collect();
        let missing = entry.attachments.iter().filter(|a| !found.contains(a.as_str())).count();
        if missing > 0 {
            self.wrong(entry, format_args!("{missing} attachments are not among the parts"));
        }
        let names: HashSet<&str> = view.parts.iter().map(|p| p.name.as_str()).collect();
        if names.len() < view.parts.len() || names.iter().any(|n| n.contains(['/', '\\', '\0'])) {
            self.wrong(entry, "a name on screen is not safe or not unique");
        }
        if view.inspection.as_ref().is_some_and(|i| i.urgent) {
            self.report.urgent += 1;
        } else if entry.expect == Expect::Urgent {
            self.wrong(entry, "is not marked urgent");
        }
        if entry.expect == Expect::Clearing && !view.explanation.clearing {
            self.wrong(entry, "is not in the Klärungskorb");
        }
        if let Expect::Inspected(how) = entry.expect
            && !view.sheet.as_ref().is_some_and(|sheet| how.is_seen(sheet))
        {
            let said = view.sheet.as_ref().map(|s| &s.conclusion);
            self.wrong(entry, format_args!("the sheet does not say what is true: {said:?}"));
        }
        let mut applications = 0;
        for d in &view.deliveries {
            let delivery = &d.delivery;
            self.report.retried += u64::from(delivery.attempts > 1);
            if delivery.state.is_open() {
                self.report.open += 1;
            }
            if delivery.state == DeliveryState::Parked {
                self.wrong(entry, format_args!("a delivery is parked: {}", d.sentence));
            }
            match &delivery.target {
                Target::Desk { desk } if delivery.state.is_delivered() => {
                    self.report.on_desks += 1;
                    self.report.in_clearing += u64::from(*desk == view.tenant.clearing_desk);
                }
                Target::Connector { connector } => {
                    applications += 1;
                    let folder = self.world.settled.folders.iter().any(|f| f.connector == *connector);
                    if folder && delivery.state == DeliveryState::Confirmed {
                        self.package(entry, view, &delivery.id.to_string());
                    }
                }
                Target::Mail { .. } => {
                    self.report.forwarded +=
                        u64::from(delivery.state.is_delivered() || !d.delivery.foreign_id.is_empty());
                    self.report.forwarded_confirmed += u64::from(delivery.state == DeliveryState::Confirmed);
                    self.report.forwarded_failed += u64::from(delivery.state == DeliveryState::Rejected);
                    if let Expect::Forwarded(state) = entry.expect
                        && delivery.state.as_str() != state
                    {
                        self.wrong(entry, format_args!("forwarding is {:?}, not {state}", delivery.state));
                    }
                }
                _ => {}
            }
        }
        if entry.expect == Expect::Application && applications == 0 {
            self.wrong(entry, "was not handed to an application");
        }
        self.report.dsn_folded += view.receipts.iter().filter(|r| r.kind == "dsn").count() as u64;
    }

    fn package(&mut self, entry: &Entry, view: &MessageView, delivery: &str) {
        let found = self.packages.get(delivery).map(Vec::as_slice).unwrap_or_default();
        match found {
            [] => self.wrong(entry, "confirmed, but no application has the package"),
            [package, more @ ..] => {
                self.report.packages_twice += more.len() as u64;
                if package.original.sha256 == view.message.sha256 {
                    self.report.handed_over += 1;
                } else {
                    self.wrong(entry, "the package holds another message");
                }
            }
        }
    }
}

/// Adds everything up.
pub(super) async fn account(world: &World, ledger: &Ledger) -> DayReport {
    let mut packages: HashMap<String, Vec<Package>> = HashMap::new();
    let mut broken = Vec::new();
    for ((folder, application), before) in world.applications.iter().zip(&ledger.packages_before) {
        for package in application.packages().into_iter().skip(*before) {
            packages.entry(package.delivery.id.clone()).or_default().push(package);
        }
        let tally = application.tally();
        broken.extend(tally.broken.into_iter().map(|(name, why)| format!("{}: {name}: {why}", folder.name)));
    }
    let mut account = Account { world, report: DayReport::default(), packages };
    account.report.unexpected.clone_from(&ledger.unexpected);
    account.report.unexpected.extend(broken);
    account.report.rest_repeated = ledger.rest_repeated;
    for entry in &ledger.entries {
        account.report.sent += 1;
        if let Expect::Refused(code) = entry.expect {
            if entry.code == code {
                account.report.refused_expected += 1;
            } else {
                account.wrong(entry, format_args!("expected {code}, got {} {}", entry.code, entry.said));
            }
            continue;
        }
        if entry.code != 250 {
            account.wrong(entry, format_args!("not accepted: {} {}", entry.code, entry.said));
            continue;
        }
        account.report.accepted += 1;
        account.report.octets += entry.size;
        let tenants: HashSet<&str> =
            entry.to.iter().filter_map(|a| a.rsplit_once('@')).map(|(_, d)| d).collect();
        if entry.ids.len() != tenants.len() {
            account.wrong(entry, format_args!("{} tenants, {} messages", tenants.len(), entry.ids.len()));
        }
        for id in &entry.ids {
            match find(world, &entry.to, *id).await {
                Some((_, view)) => account.message(entry, &view),
                None => account.wrong(entry, format_args!("acknowledged, but message {id} is not there")),
            }
        }
    }
    let mut report = account.report;
    let mails: Vec<_> = world.far.received().into_iter().skip(ledger.far_before).collect();
    let mut copies: BTreeMap<(String, String), u64> = BTreeMap::new();
    for mail in &mails {
        if mail.from.is_empty() {
            report.notices += 1;
        } else {
            *copies.entry((mail.message_id.clone(), mail.to.join(","))).or_default() += 1;
        }
    }
    report.possibly_twice = copies.values().filter(|n| **n > 1).count() as u64;
    let reports = world.far.reports();
    report.dsn_sent = reports.iter().skip(ledger.reports_before).filter(|r| r.accepted).count() as u64;
    if report.dsn_folded < report.dsn_sent {
        let (sent, folded) = (report.dsn_sent, report.dsn_folded);
        report.unexpected.push(format!("{sent} delivery reports were sent back, {folded} folded in"));
    }
    if let Some(site) = &world.webhook {
        report.webhook_events = site.events().len().saturating_sub(ledger.events_before) as u64;
        report.unexpected.extend(site.refused().into_iter().map(|why| format!("webhook: {why}")));
    }
    if !report.rest_repeated {
        report.unexpected.push("the repeated REST call did not get the first answer again".to_owned());
    }
    match world.hub.balance().await {
        Ok(balance) => {
            report.balance_ok = balance.ok;
            for (kind, tenant, id) in balance.mismatches {
                report.unexpected.push(format!("balance: {kind} {tenant} {id}"));
            }
        }
        Err(error) => report.unexpected.push(format!("balance: {error}")),
    }
    report
}
