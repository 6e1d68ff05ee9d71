// SPDX-License-Identifier: EUPL-1.2
//! A stock of mail as a state has it after three years: written straight into the database, rows by the thousand.
//!
//! Guarantees: rows are as the house writes them (chains and logs verify, the balance adds up); tenants have mail by
//! Zipf's law; an Amt with six Gemeinden shares a desk. Not: octets. What pages open is mail that really came in.

use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result};
use poststelle_crypto::digest::{hex, sha256};
use poststelle_hub::Hub;
use poststelle_hub::directory::NewPrincipal;
use poststelle_hub::watch::{Timers, Watch};
use poststelle_model::message::Transport;
use poststelle_model::part::Encoding;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{
    AdministrationId, ChannelKind, Clock, DeliveryState, DeskId, DeskState, Direction, Event, MailboxId,
    Message, MessageId, Part, PrincipalId, Role, Standing, Subject, Target, TenantId, Timestamp, Who,
};
use poststelle_proof::checkpoint::Checkpoint as LogCheckpoint;
use poststelle_proof::merkle::{Frontier, leaf_hash};
use poststelle_store::desk::{self, DeskItem};
use poststelle_store::evidence::{self, Checkpoint, Entry};
use poststelle_store::keys::Keys;
use poststelle_store::messages::{self, Delivery, Inspection, NewMessage};
use poststelle_store::search;
use poststelle_store::{Scope, Tx, tenants};
use poststelle_world::seed::Seed;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// The password of everybody in the stock.
pub(crate) const PASSWORD: &str = "ein-langes-Passwort";
/// Messages of one transaction.
const BATCH: usize = 4096;
/// Messages that are put in the order of tenants before they are written.
const SLICE: usize = 65_536;
/// The newest hour is left for mail that really comes.
const HOUR_US: i64 = 3_600_000_000;
/// How far back the stock goes.
const SPAN_US: i64 = 3 * 365 * 24 * 3600 * 1_000_000;
/// Gemeinden of the Amt.
const VILLAGES: usize = 6;
/// Tenants of the person who sees many.
const MANY: usize = 60;

/// Somebody who works with the stock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Clerk {
    pub(crate) login: String,
    pub(crate) desk: DeskId,
    pub(crate) tenants: Vec<TenantId>,
}

/// What the benches need to know of a stock; kept beside it, so that it can be used again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stock {
    pub(crate) messages: u64,
    pub(crate) tenants: usize,
    pub(crate) seconds: f64,
    /// Messages of the largest tenant, and of one Gemeinde.
    pub(crate) largest: u64,
    pub(crate) village: u64,
    /// A clerk of the largest tenant, the two of the Amt, one who sees many tenants, then as many as asked for.
    pub(crate) clerks: Vec<Clerk>,
    /// Addresses that reach the desks of these people.
    pub(crate) addresses: Vec<String>,
}

/// One tenant of the stock.
struct Home {
    tenant: TenantId,
    mailbox: MailboxId,
    desk: DeskId,
    address: String,
    owners: Vec<PrincipalId>,
    frontier: Frontier,
    size: i64,
    count: u64,
}

/// An id of a moment, as they sort.
fn id<T: FromStr>(ms: i64, chance: &mut Seed) -> Result<T> {
    let (a, b) = (chance.number(), chance.number());
    let text = format!(
        "{:08x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
        ms >> 16,
        ms & 0xffff,
        a & 0xfff,
        (a >> 12) & 0xfff,
        b & 0xffff_ffff_ffff
    );
    text.parse().ok().context("id")
}

/// Words as mail has them: few very often, most of them seldom.
struct Words(Vec<String>);

/// Words that stand in a tenth of the mail each.
pub(crate) const FREQUENT: [&str; 6] =
    ["Bescheid", "Antrag", "Grundstück", "Unterlagen", "Gemeinde", "Frist"];

impl Words {
    fn new(chance: &mut Seed) -> Self {
        let heads =
            ["Bau", "Stra", "Ge", "Ver", "Wasser", "Wald", "Haus", "Steu", "Kreis", "Amts", "Feu", "Schul"];
        let middles = ["gen", "ßen", "län", "mer", "ord", "wal", "hin", "tel", "ber", "rich", "sam", "nut"];
        let tails = [
            "ung", "heit", "amt", "plan", "satz", "recht", "gang", "stelle", "schaft", "werk", "lage", "zeit",
        ];
        let mut all: Vec<String> = FREQUENT.iter().map(|w| (*w).to_owned()).collect();
        for n in 0..30_000_u64 {
            let word = format!(
                "{}{}{}{}",
                chance.word(&heads),
                chance.word(&middles),
                chance.word(&middles),
                chance.word(&tails)
            );
            all.push(if n < 2000 { word } else { format!("{word}{}", chance.word(&tails)) });
        }
        Self(all)
    }

    fn one(&self, chance: &mut Seed) -> &str {
        // A draw below a draw below a draw: near the front most of the time.
        let far = chance.below(self.0.len() as u64) + 1;
        let near = chance.below(far) + 1;
        let at = chance.below(near);
        self.0.get(usize::try_from(at).unwrap_or(0)).map_or("", String::as_str)
    }

    fn text(&self, chance: &mut Seed, words: u64) -> String {
        let mut out = String::new();
        for _ in 0..words {
            out.push_str(self.one(chance));
            out.push(' ');
        }
        out
    }
}

/// What one batch of the stock writes.
#[derive(Default)]
struct Rows {
    messages: Vec<NewMessage>,
    inspections: Vec<(TenantId, MessageId, Inspection)>,
    parts: Vec<(TenantId, MessageId, Vec<Part>)>,
    search: Vec<search::Entry>,
    deliveries: Vec<Delivery>,
    items: Vec<DeskItem>,
    evidence: Vec<Entry>,
}

impl Rows {
    async fn write(self, tx: &mut Tx) -> Result<()> {
        messages::insert(tx, &self.messages).await?;
        messages::insert_inspections(tx, &self.inspections).await?;
        messages::insert_parts(tx, &self.parts).await?;
        search::insert(tx, &self.search).await?;
        messages::insert_deliveries(tx, &self.deliveries).await?;
        desk::insert(tx, &self.items).await?;
        evidence::insert(tx, &self.evidence).await?;
        Ok(())
    }
}

/// Founds tenants and people and writes the mail.
pub(crate) async fn make(
    hub: &Arc<Hub>,
    keys: &Keys,
    messages: u64,
    tenants: usize,
    clerks: usize,
) -> Result<Stock> {
    let began = tokio::time::Instant::now();
    let mut chance = Seed::new(42);
    let (mut places, people, addresses) = found(hub, tenants.max(MANY + VILLAGES + 1), clerks).await?;
    let weights: Vec<f64> = (1..=places.len()).map(|n| 1.0 / n as f64).collect();
    let sums: Vec<f64> = weights
        .iter()
        .scan(0.0, |sum, w| {
            *sum += w;
            Some(*sum)
        })
        .collect();
    let total = sums.last().copied().unwrap_or(1.0);
    let now = poststelle_hub::clock::SystemClock.now();
    let first = now.0 - SPAN_US;
    let (send, mut ready) = mpsc::channel::<Rows>(2);
    let maker = tokio::task::spawn_blocking(move || -> Result<Vec<Home>> {
        let words = Words::new(&mut chance);
        let step = (SPAN_US - HOUR_US) / i64::try_from(messages)?;
        for begin in (0..messages).step_by(SLICE) {
            let end = messages.min(begin + SLICE as u64);
            let mut drawn: Vec<(usize, u64)> = (begin..end)
                .map(|n| {
                    let at = chance.below(1 << 40) as f64 / (1_u64 << 40) as f64 * total;
                    (sums.partition_point(|s| *s <= at).min(places.len() - 1), n)
                })
                .collect();
            // One tenant after the other: an index is filled leaf by leaf.
            drawn.sort_unstable();
            for batch in drawn.chunks(BATCH) {
                let mut rows = Rows::default();
                for (which, n) in batch {
                    let at = first + step * i64::try_from(*n)?;
                    let place = places.get_mut(*which).context("tenant")?;
                    message(place, *n, messages, at, &words, &mut chance, &mut rows)?;
                }
                if send.blocking_send(rows).is_err() {
                    return Ok(places);
                }
            }
        }
        Ok(places)
    });
    while let Some(rows) = ready.recv().await {
        let mut tx = hub.db().begin(Scope::System).await?;
        rows.write(&mut tx).await?;
        tx.commit().await?;
    }
    let places = maker.await??;
    let mut tx = hub.db().begin(Scope::System).await?;
    for place in &places {
        let tenant = hub.tenant(place.tenant).await?;
        let signer = poststelle_evidence::signer(&tenant, &*keys.tenant(hub.db(), place.tenant).await?)?;
        let root = place.frontier.root();
        let note = LogCheckpoint::new(&tenant.log_origin, place.frontier.size(), root)?.sign(&[&signer])?;
        let row = Checkpoint {
            size: place.size,
            root: hex(&root),
            frontier: place.frontier.to_text(),
            note: note.format(),
            fence: 0,
            created_at: now,
        };
        evidence::insert_checkpoint(&mut tx, place.tenant, &row).await?;
    }
    tx.commit().await?;
    let count = |at: usize| places.get(at).map_or(0, |p| p.count);
    Ok(Stock {
        messages,
        tenants: places.len(),
        seconds: began.elapsed().as_secs_f64(),
        largest: count(0),
        village: count(village(places.len(), 0)),
        clerks: people,
        addresses,
    })
}

/// Rank of a Gemeinde of the Amt.
fn village(tenants: usize, n: usize) -> usize {
    tenants / 7 + n
}

async fn found(hub: &Arc<Hub>, count: usize, clerks: usize) -> Result<(Vec<Home>, Vec<Clerk>, Vec<String>)> {
    let who = Who::house("bench");
    let ids = hub.ids();
    let mut places = Vec::new();
    let office = || AdministrationId::new(ids);
    let (city, amt) = (office(), office());
    let mut edit = hub.edit(&who).await?;
    for (id, slug, name) in [(city, "stadt", "Stadt Großmuster"), (amt, "amt", "Amt Sechsdorf")] {
        edit.add_administration(id, slug, name).await?;
    }
    edit.commit().await?;
    let villages: Vec<usize> = (0..VILLAGES).map(|n| village(count, n)).collect();
    let mut all: Vec<TenantId> = Vec::new();
    for chunk in (0..count).collect::<Vec<_>>().chunks(50) {
        let mut edit = hub.edit(&who).await?;
        for n in chunk {
            let (tenant, desk, mailbox) = (TenantId::new(ids), DeskId::new(ids), MailboxId::new(ids));
            let name =
                if *n == 0 { "Stadt Großmuster".to_owned() } else { format!("Gemeinde Musterdorf {n}") };
            edit.add_tenant(tenant, desk, &format!("m{n}"), &name).await?;
            edit.add_mailbox(tenant, mailbox, "Poststelle").await?;
            let address = format!("post@m{n}.example");
            edit.add_address(tenant, mailbox, ChannelKind::Mail, &address).await?;
            if villages.contains(n) {
                edit.give_mandate(tenant, amt).await?;
            } else if *n < MANY {
                edit.give_mandate(tenant, city).await?;
            }
            all.push(tenant);
            let (frontier, owners) = (Frontier::new(), Vec::new());
            places.push(Home { tenant, mailbox, desk, address, owners, frontier, size: 0, count: 0 });
        }
        edit.commit().await?;
    }
    let village_tenants: Vec<TenantId> = villages.iter().filter_map(|n| all.get(*n).copied()).collect();
    let shared: Vec<TenantId> =
        all.iter().copied().take(MANY).filter(|t| !village_tenants.contains(t)).collect();
    let city_tenant = all.first().copied().context("tenant")?;
    let city_desk = places.first().context("tenant")?.desk;
    let amt_desk = DeskId::new(ids);
    let mut edit = hub.edit(&who).await?;
    edit.add_desk(amt, amt_desk, "Poststelle des Amtes", &village_tenants).await?;
    // Without rules all mail of the Gemeinden lands there.
    for tenant in &village_tenants {
        tenants::set_clearing_desk(edit.tx().await?, *tenant, amt_desk).await?;
    }
    let hash = poststelle_hub::directory::hash_password(PASSWORD).await?;
    let mut people = Vec::new();
    let named = ["gross", "amt1", "amt2", "viele"].map(str::to_owned);
    for (n, login) in named.into_iter().chain((0..clerks).map(|n| format!("kraft{n}"))).enumerate() {
        let (administration, tenants, desk, role) = match (n, n % 2) {
            (0, _) => (city, vec![city_tenant], city_desk, Role::Clerk),
            (1 | 2, _) => (amt, village_tenants.clone(), amt_desk, Role::Clerk),
            (3, _) => (city, shared.clone(), city_desk, Role::Auditor),
            (_, 0) => (city, vec![city_tenant], city_desk, Role::Clerk),
            _ => (amt, village_tenants.clone(), amt_desk, Role::Clerk),
        };
        let id = PrincipalId::new(ids);
        edit.add_principal(NewPrincipal {
            id,
            login: login.clone(),
            name: format!("Kraft {login}"),
            kind: "person".to_owned(),
            administration: Some(administration),
            password_hash: hash.clone(),
            must_change: false,
        })
        .await?;
        for tenant in &tenants {
            edit.set_grant(id, Grant { role, place: Place::Tenant { tenant: *tenant } }, true).await?;
        }
        if n < 3 {
            for place in places.iter_mut().filter(|p| tenants.contains(&p.tenant)) {
                place.desk = desk;
                place.owners.push(id);
            }
        }
        people.push(Clerk { login, desk, tenants });
    }
    edit.commit().await?;
    // What was founded gets its place in the logs; the stock goes on from there.
    Watch::new(Arc::clone(hub), Timers::default()).sequence_all().await?;
    for place in &mut places {
        let mut tx = hub.db().read(Scope::Tenant(place.tenant)).await?;
        let last = evidence::last_checkpoint(&mut tx, place.tenant).await?.context("checkpoint")?;
        place.frontier = Frontier::from_text(&last.frontier)?;
        place.size = last.size;
    }
    let reach = |n: usize| places.get(n).map(|p| p.address.clone());
    let addresses = std::iter::once(0).chain(villages).filter_map(reach).collect();
    Ok((places, people, addresses))
}

/// One message with everything that hangs on it.
fn message(
    place: &mut Home,
    n: u64,
    of: u64,
    at: i64,
    words: &Words,
    chance: &mut Seed,
    rows: &mut Rows,
) -> Result<()> {
    let tenant = place.tenant;
    place.count += 1;
    let ms = at / 1000;
    let id: MessageId = id(ms, chance)?;
    let out = chance.chance(15);
    let accepted_at = Timestamp(at);
    let file = format!(
        "{:02}.{}/{}-{:05}",
        chance.between(10, 65),
        chance.between(1, 9),
        2024 + n * 3 / of,
        chance.below(40_000)
    );
    let subject = format!("{} {} Az. {file}", words.one(chance), words.one(chance));
    let stranger =
        format!("{}.{}@aussen{}.example", words.one(chance), words.one(chance), chance.below(5000));
    let stranger = stranger.to_lowercase();
    let (from, to) = if out { (&place.address, &stranger) } else { (&stranger, &place.address) };
    let text = {
        let count = chance.between(20, 90);
        words.text(chance, count)
    };
    let size = i64::try_from(chance.between(4_000, 900_000))?;
    let digest = hex(&sha256(id.to_string().as_bytes()));
    let blob = self::id(ms, chance)?;
    rows.messages.push(NewMessage {
        message: Message {
            tenant,
            id,
            direction: if out { Direction::Out } else { Direction::In },
            channel: ChannelKind::Mail,
            mailbox: Some(place.mailbox),
            foreign_id: String::new(),
            conflicts_with: None,
            in_reply_to: None,
            conversation: None,
            blob,
            size,
            sha256: digest.clone(),
            sha512: format!("{digest}{digest}"),
            transport: Transport {
                sender: from.clone(),
                recipients: vec![to.clone()],
                peer: "192.0.2.17:48211".to_owned(),
                helo: "mail.aussen.example".to_owned(),
                tls: "TLSv1.3 TLS13_AES_256_GCM_SHA384".to_owned(),
                ..Transport::default()
            },
            accepted_at,
        },
        wrapped_key: format!("1.{digest}{digest}"),
        mailboxes: vec![place.mailbox],
    });
    rows.inspections.push((
        tenant,
        id,
        Inspection {
            version: 1,
            subject: subject.clone(),
            sender_name: format!("{} {}", words.one(chance), words.one(chance)),
            sender_address: from.clone(),
            recipients: to.clone(),
            sent_at: accepted_at,
            header_id: format!("{n}@aussen.example"),
            automatic: false,
            urgent: chance.chance(3),
            defects: Vec::new(),
            explanation: String::from("{}"),
            created_at: accepted_at,
        },
    ));
    let files = chance.below(4);
    let part = |n: i64, leaf: bool, name: String| Part {
        n,
        parent: if n == 0 { -1 } else { 0 },
        path: n.to_string(),
        leaf,
        blob: None,
        header: -1,
        start: 800 * n,
        len: 700,
        encoding: Encoding::Base64,
        declared: if n == 0 {
            "multipart/mixed"
        } else if n == 1 {
            "text/plain"
        } else {
            "application/pdf"
        }
        .to_owned(),
        detected: String::new(),
        charset: "utf-8".to_owned(),
        raw_name: name.clone(),
        name,
        disposition: if n > 1 { "attachment".to_owned() } else { String::new() },
        size: 500,
        sha256: digest.clone(),
        defects: Vec::new(),
    };
    let mut parts = vec![part(0, false, String::new()), part(1, true, String::new())];
    for f in 0..files {
        parts.push(part(2 + i64::try_from(f)?, true, format!("{}.pdf", words.one(chance))));
    }
    rows.parts.push((tenant, id, parts));
    rows.search.push(search::Entry {
        tenant,
        message: id,
        texts: vec![subject, from.clone(), to.clone(), text],
    });
    work(place, n, of, id, out, accepted_at, &stranger, chance, rows)
}

/// Delivery, desk item and chain of a message.
fn work(
    place: &mut Home,
    n: u64,
    of: u64,
    message: MessageId,
    out: bool,
    at: Timestamp,
    stranger: &str,
    chance: &mut Seed,
    rows: &mut Rows,
) -> Result<()> {
    let tenant = place.tenant;
    let delivery = id(at.0 / 1000, chance)?;
    let target =
        if out { Target::Mail { address: stranger.to_owned() } } else { Target::Desk { desk: place.desk } };
    rows.deliveries.push(Delivery {
        tenant,
        id: delivery,
        message,
        rule: None,
        target: target.clone(),
        state: if out { DeliveryState::Accepted } else { DeliveryState::Confirmed },
        reason: None,
        foreign_id: String::new(),
        attempts: i64::from(out),
        next_attempt: Timestamp(0),
        expires_at: Timestamp(at.0 + 5 * 24 * 3_600_000_000),
        created_at: at,
        changed_at: at,
        version: 1 + i64::from(out),
    });
    let house = |room: &str| Who::house(room).to_text();
    let facts = format!("\"delivery\":\"{delivery}\",\"target\":\"{target}\"");
    let mut chain = vec![
        (
            if out { Event::SubmissionAcceptance } else { Event::ReceivedFromNonERDS },
            house("smtp"),
            "\"size\":1".to_owned(),
        ),
        (Event::Processed, house("process"), "\"parts\":3".to_owned()),
        (if out { Event::RelayToNonERDS } else { Event::ContentConsignment }, house("deliver"), facts),
    ];
    if !out {
        // What came in the last tenth of the time may still be open; older mail is settled.
        let open = n * 10 > of * 9 && chance.chance(30);
        let owner = match place.owners.len() {
            0 => None,
            len => place.owners.get(usize::try_from(chance.below(len as u64))?).copied(),
        };
        let state = match (open, chance.below(10)) {
            (false, _) => DeskState::Done,
            (true, 0..=4) => DeskState::New,
            (true, 5..=7) => DeskState::Claimed,
            _ => DeskState::Waiting,
        };
        let owner = owner.filter(|_| state != DeskState::New);
        let state = if owner.is_none() && state != DeskState::Done { DeskState::New } else { state };
        let changed = state != DeskState::New;
        rows.items.push(DeskItem {
            tenant,
            delivery,
            desk: place.desk,
            message,
            standing: Standing { state, owner, due_at: Timestamp(0) },
            urgent: chance.chance(3),
            created_at: at,
            version: 1 + i64::from(changed),
            changed_at: if changed { at } else { Timestamp(0) },
            changed_by: owner,
            before: None,
        });
        if let Some(owner) = owner {
            let who = Who::Principal { id: owner }.to_text();
            let body =
                format!("\"act\":\"finish\",\"delivery\":\"{delivery}\",\"state\":\"{}\"", state.as_str());
            chain.push((Event::DeskWork, who, body));
        }
    }
    let mut previous = String::new();
    for (k, (event, who, facts)) in chain.into_iter().enumerate() {
        let at = Timestamp(at.0 + i64::try_from(k)?);
        // As canonical JSON has it: names in order.
        let salt = hex(&sha256(&chance.number().to_be_bytes()));
        let mut fields: Vec<String> =
            facts.split(",\"").map(|f| f.trim_start_matches('"').to_owned()).collect();
        fields.push(format!("salt\":\"{salt}\""));
        fields.push(format!("who\":\"{who}\""));
        fields.sort_unstable();
        let body = format!("{{{}}}", fields.iter().map(|f| format!("\"{f}")).collect::<Vec<_>>().join(","));
        let envelope = format!(
            "{{\"c\":\"{}\",\"ev\":\"{}\",\"n\":{k},\"prev\":\"{previous}\",\"s\":\"{}\",\"t\":\"{}\",\"v\":1}}",
            hex(&sha256(body.as_bytes())),
            event.as_str(),
            Subject::message(message),
            at.rfc3339(),
        );
        let leaf = leaf_hash(envelope.as_bytes());
        place.frontier.append(&leaf)?;
        let pos = place.size;
        place.size += 1;
        previous = hex(&leaf);
        rows.evidence.push(Entry {
            tenant,
            subject: Subject::message(message),
            n: i64::try_from(k)?,
            event: event.as_str().to_owned(),
            at,
            who,
            envelope,
            body,
            hash: previous.clone(),
            pos,
        });
    }
    Ok(())
}
