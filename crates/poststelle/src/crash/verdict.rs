// SPDX-License-Identifier: EUPL-1.2
//! Judges the clerks' work: what they were told against what is there.
//!
//! Every acknowledged act is in the evidence at its place, by whom it was done, and nothing else is; the items stand as
//! their last act left them and never stood otherwise on a page; drafts hold the text that was acknowledged; every
//! letter left once, or is marked as possibly repeated; all octets are what was handed in.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::TryStreamExt;
use poststelle_crypto::digest::{hex, sha256};
use poststelle_hub::Hub;
use poststelle_hub::texts;
use poststelle_model::{
    Access, Clock, DeliveryState, Direction, DraftId, DraftState, Event, MessageId, PrincipalId, Subject,
    TenantId, Who,
};
use poststelle_store::drafts::Draft;
use poststelle_store::evidence::Entry;
use poststelle_store::{Scope, Tx, access, desk, drafts, evidence, jobs, messages};
use poststelle_world::far_side::Received;
use serde_json::{Value, json};

use super::ledger::{Book, Fate, Letter, Outcome};

/// What the clerks' side of the test came to.
pub(super) struct Verdict {
    pub(super) numbers: Value,
    pub(super) wrong: Vec<String>,
}

/// Lets what waits for its job go on now: the minute a broken-off sending waits for is not what is tested.
pub(super) async fn hasten(hub: &Hub, tenant: TenantId, people: &[PrincipalId]) -> Result<()> {
    for person in people {
        let mut tx = hub.db().begin(Scope::Tenant(tenant)).await?;
        for draft in drafts::of(&mut tx, tenant, *person, 500).await? {
            tx.enter(Scope::System).await?;
            jobs::hasten(&mut tx, tenant, &draft.id.to_string()).await?;
            tx.enter(Scope::Tenant(tenant)).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// The act and how the item stood after it, as the evidence says.
struct Step {
    item: String,
    word: String,
    state: String,
    owner: String,
    who: String,
}

fn steps(chain: &[Entry]) -> Vec<Step> {
    let of = |e: &Entry| {
        let body: Value = serde_json::from_str(&e.body).unwrap_or_default();
        let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Step {
            item: field("delivery"),
            word: field("act"),
            state: field("state"),
            owner: field("owner"),
            who: e.who.clone(),
        }
    };
    chain.iter().filter(|e| e.kind() == Some(Event::DeskWork)).map(of).collect()
}

/// The word on the page begins with the word of the state.
fn shown(state: &str) -> String {
    texts::say(&format!("desk-state-{state}"), &[])
}

/// Judges; `sent` = SHA-256 of every mail that was handed in, by number.
pub(super) async fn judge(
    hub: &Hub,
    tenant: TenantId,
    people: &[PrincipalId],
    book: &Book,
    far: &[Received],
    sent: &BTreeMap<u64, String>,
) -> Result<Verdict> {
    let mut wrong = book.wrong.clone();
    let mut outgoing = Vec::new();
    let mut chains: HashMap<MessageId, Vec<Entry>> = HashMap::new();
    let mut octets = 0u64;
    let mut before = None;
    loop {
        let mut tx = hub.db().read(Scope::Tenant(tenant)).await?;
        let page = messages::page(&mut tx, tenant, before, 500).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        let mut sums: HashMap<MessageId, String> = HashMap::new();
        for line in &page {
            sums.extend(messages::get(&mut tx, tenant, line.id).await?.map(|m| (line.id, m.sha256)));
            let chain = evidence::chain(&mut tx, tenant, &Subject::message(line.id)).await?;
            items(&mut tx, tenant, line.id, &chain, book, &mut wrong).await?;
            chains.insert(line.id, chain);
            if line.direction == Direction::Out {
                outgoing.push(line.id);
            }
        }
        tx.rollback().await?;
        for line in page {
            let stored = octets_of(hub, tenant, line.id).await?;
            let sum = hex(&sha256(&stored));
            let number = line.subject.strip_prefix("crash-").and_then(|s| s.split('-').next()?.parse().ok());
            let given = number.and_then(|n: u64| sent.get(&n)).filter(|_| line.direction == Direction::In);
            if sums.get(&line.id) != Some(&sum) || given.is_some_and(|g| *g != sum) {
                wrong.push(format!("message {}: its octets are not those handed in", line.id));
            }
            octets += stored.len() as u64;
        }
    }
    readers(&chains, book, &mut wrong);
    let notes = notes(hub, tenant, book, &chains, &mut wrong).await?;
    let letters = letters(hub, tenant, people, book, far, &outgoing, &mut wrong).await?;
    let count = |outcome| book.acts.values().flatten().filter(|a| a.outcome == outcome).count();
    let numbers = json!({
        "acts": { "done": count(Outcome::Done), "refused": count(Outcome::Refused), "unanswered": count(Outcome::Unknown) },
        "pages_seen": book.sights.values().map(Vec::len).sum::<usize>(), "notes": notes, "letters": letters,
        "sessions": book.sessions, "octets_compared": octets,
    });
    Ok(Verdict { numbers, wrong })
}

/// The stored octets.
async fn octets_of(hub: &Hub, tenant: TenantId, id: MessageId) -> Result<Vec<u8>> {
    let mut reader = hub.content(tenant, id).await?.1.reader().await?;
    let mut octets = Vec::new();
    loop {
        let piece = reader.at(octets.len() as u64).await?;
        if piece.is_empty() {
            return Ok(octets);
        }
        octets.extend_from_slice(&piece);
    }
}

/// The items of a message against its chain, and both against what the clerks know.
async fn items(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    chain: &[Entry],
    book: &Book,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let steps = steps(chain);
    for item in desk::of_message(tx, tenant, message).await? {
        let id = item.delivery.to_string();
        let of: Vec<&Step> = steps.iter().filter(|s| s.item == id).collect();
        let none = Vec::new();
        let asked = book.acts.get(&item.delivery).unwrap_or(&none);
        if item.version != 1 + of.len() as i64 {
            wrong.push(format!("item {id}: version {}, {} acts in the evidence", item.version, of.len()));
        }
        for (at, step) in of.iter().enumerate() {
            let version = 1 + at as i64;
            let fits = asked.iter().any(|a| {
                a.version == version
                    && a.word == step.word
                    && Who::Principal { id: a.clerk }.to_text() == step.who
                    && a.outcome != Outcome::Refused
            });
            if !fits {
                wrong.push(format!("item {id}: {} in version {version}, which nobody was told", step.word));
            }
        }
        for act in asked.iter().filter(|a| a.outcome == Outcome::Done) {
            let step = usize::try_from(act.version - 1).ok().and_then(|at| of.get(at));
            let there = step
                .is_some_and(|s| s.word == act.word && s.who == Who::Principal { id: act.clerk }.to_text());
            if !there {
                wrong.push(format!(
                    "item {id}: {} in version {} was acknowledged and is not there",
                    act.word, act.version
                ));
            }
        }
        if let Some(last) = of.last() {
            let owner = item.standing.owner.map(|o| o.to_string()).unwrap_or_default();
            if last.state != item.standing.state.as_str() || last.owner != owner {
                wrong.push(format!("item {id}: stands otherwise than its last act says"));
            }
        }
        for sight in book.sights.get(&item.delivery).into_iter().flatten() {
            let step = usize::try_from(sight.version - 2).ok().and_then(|at| of.get(at));
            let (state, owner) = step.map_or(("new", ""), |s| (s.state.as_str(), s.owner.as_str()));
            let there = sight.version == 1 || step.is_some();
            if !there
                || !sight.state.starts_with(&shown(state))
                || sight.mine != (owner == sight.clerk.to_string())
            {
                wrong.push(format!(
                    "item {id}: a page showed version {} as {:?}, which it never was",
                    sight.version, sight.state
                ));
            }
        }
    }
    Ok(())
}

/// Who was shown a message stands in its chain.
fn readers(chains: &HashMap<MessageId, Vec<Entry>>, book: &Book, wrong: &mut Vec<String>) {
    for (message, clerk) in &book.read {
        let who = Who::Principal { id: *clerk }.to_text();
        let seen = |e: &Entry| e.kind() == Some(Event::ContentAccessTracking) && e.who == who;
        if !chains.get(message).is_some_and(|chain| chain.iter().any(seen)) {
            wrong.push(format!("message {message}: {clerk} saw it, and the evidence does not say so"));
        }
    }
}

async fn notes(
    hub: &Hub,
    tenant: TenantId,
    book: &Book,
    chains: &HashMap<MessageId, Vec<Entry>>,
    wrong: &mut Vec<String>,
) -> Result<usize> {
    let mut stored = 0;
    for (message, chain) in chains {
        let mut tx = hub.db().read(Scope::Tenant(tenant)).await?;
        let there = desk::notes(&mut tx, tenant, *message).await?;
        tx.rollback().await?;
        let proved: Vec<Value> = chain
            .iter()
            .filter(|e| e.kind() == Some(Event::Noted))
            .filter_map(|e| serde_json::from_str(&e.body).ok())
            .collect();
        for note in &there {
            let (id, sum) = (note.id.to_string(), hex(&sha256(note.text.as_bytes())));
            if !proved.iter().any(|b| b["note"] == id.as_str() && b["sha256"] == sum.as_str()) {
                wrong.push(format!("note {id}: without evidence"));
            }
        }
        if proved.len() != there.len() {
            wrong.push(format!("message {message}: {} notes, {} in the evidence", there.len(), proved.len()));
        }
        for asked in book.notes.iter().filter(|n| n.message == *message) {
            let times = there.iter().filter(|n| n.text == asked.text).count();
            let fits = match asked.outcome {
                Outcome::Done => times == 1,
                Outcome::Refused => times == 0,
                Outcome::Unknown => times <= 1,
            };
            if !fits {
                wrong.push(format!(
                    "message {message}: {:?} is there {times} times, {:?}",
                    asked.text, asked.outcome
                ));
            }
        }
        stored += there.len();
    }
    Ok(stored)
}

/// Drafts and what left.
async fn letters(
    hub: &Hub,
    tenant: TenantId,
    people: &[PrincipalId],
    book: &Book,
    far: &[Received],
    outgoing: &[MessageId],
    wrong: &mut Vec<String>,
) -> Result<Value> {
    let now = poststelle_hub::clock::SystemClock.now();
    let mut sent: BTreeMap<MessageId, DraftId> = BTreeMap::new();
    let mut unknown = 0;
    for person in people {
        let mut tx = hub.db().read(Scope::Tenant(tenant)).await?;
        let rights = access::access(&mut tx, *person, now).await?;
        let all = drafts::of(&mut tx, tenant, *person, 500).await?;
        tx.rollback().await?;
        unknown += all.iter().filter(|d| !book.letters.contains_key(&d.id)).count() as u64;
        for letter in book.letters.values().filter(|l| l.clerk == *person) {
            let Some(draft) = all.iter().find(|d| d.id == letter.draft) else {
                wrong.push(format!("{}: was begun and is not there", letter.mark));
                continue;
            };
            sent.extend(draft.message.map(|m| (m, draft.id)));
            if let Err(what) = fate(hub, &rights, letter, draft).await? {
                wrong.push(format!("{}: {what}", letter.mark));
            }
        }
    }
    if unknown > book.begun {
        wrong.push(format!("{unknown} drafts nobody began, {} were begun without an answer", book.begun));
    }
    let mut repeated = 0u64;
    for message in outgoing {
        let Some(letter) = sent.get(message).and_then(|d| book.letters.get(d)) else {
            wrong.push(format!("message {message}: left, and nobody wrote it"));
            continue;
        };
        let octets = octets_of(hub, tenant, *message).await?;
        let raw = String::from_utf8_lossy(&octets).replace("=\r\n", "");
        if !std::iter::once(&letter.text).chain(&letter.maybe).any(|t| raw.contains(t.as_str())) {
            wrong.push(format!("{}: left with another text", letter.mark));
        }
        let mut tx = hub.db().read(Scope::Tenant(tenant)).await?;
        let parts = messages::parts(&mut tx, tenant, *message, 0, 100).await?;
        let deliveries = messages::deliveries(&mut tx, tenant, *message).await?;
        tx.rollback().await?;
        if let Some(file) = &letter.file
            && !parts.iter().any(|p| p.sha256 == hex(&sha256(file)))
        {
            wrong.push(format!("{}: left without its attachment", letter.mark));
        }
        let sum = hex(&sha256(&octets));
        let came = far.iter().filter(|r| r.sha256 == sum).count() as u64;
        let marked = deliveries
            .iter()
            .any(|d| d.reason.as_ref().is_some_and(|r| r.code.as_str() == "PST-DELIVER-0004"));
        let accepted =
            deliveries.iter().any(|d| matches!(d.state, DeliveryState::Accepted | DeliveryState::Confirmed));
        repeated += came.saturating_sub(1);
        if came == 0 || !accepted || (came > 1 && !marked) {
            wrong.push(format!("{}: left {came} times, marked as repeated: {marked}", letter.mark));
        }
    }
    for (message, _) in sent.iter().filter(|(m, _)| !outgoing.contains(m)) {
        wrong.push(format!("message {message}: its draft is sent, and it is not there"));
    }
    let known: Vec<String> = {
        let mut sums = Vec::new();
        for message in outgoing {
            sums.push(hex(&sha256(&octets_of(hub, tenant, *message).await?)));
        }
        sums
    };
    for strange in far.iter().filter(|r| !known.contains(&r.sha256)) {
        wrong.push(format!("the far side has {} octets nobody sent", strange.size));
    }
    let steps = |word, outcome| {
        book.letters.values().flat_map(|l| &l.steps).filter(|s| **s == (word, outcome)).count()
    };
    Ok(json!({
        "begun": book.letters.len(), "sent": outgoing.len(), "came": far.len(), "left_twice_and_marked": repeated,
        "withdrawn": steps("withdraw", Outcome::Done),
        "unanswered": steps("send", Outcome::Unknown) + steps("withdraw", Outcome::Unknown),
    }))
}

/// Does the draft stand as its writer was told?
async fn fate(hub: &Hub, rights: &Access, letter: &Letter, draft: &Draft) -> Result<Result<(), String>> {
    let tenant = draft.tenant;
    let known = match letter.fate {
        Fate::Sent(message) => draft.message == Some(message),
        Fate::Wished => draft.state == DraftState::Sent && draft.message.is_some(),
        Fate::Open => draft.state == DraftState::Open && draft.message.is_none(),
        Fate::Later | Fate::Unknown => false,
    };
    if !known {
        return Ok(Err(format!("{:?} for its writer, {:?} in truth", letter.fate, draft.state)));
    }
    let mut tx = hub.db().read(Scope::Tenant(tenant)).await?;
    let chain = evidence::chain(&mut tx, tenant, &Subject::draft(draft.id)).await?;
    tx.rollback().await?;
    for word in ["send", "withdraw"] {
        let count = |outcome| letter.steps.iter().filter(|s| **s == (word, outcome)).count();
        let done = count(Outcome::Done);
        let of = |e: &&Entry| {
            let body: Value = serde_json::from_str(&e.body).unwrap_or_default();
            body["act"] == word
        };
        let there = chain.iter().filter(of).count();
        if there < done || there > done + count(Outcome::Unknown) {
            return Ok(Err(format!("{word}: {done} times acknowledged, {there} times in the evidence")));
        }
    }
    if draft.state != DraftState::Open {
        return Ok(Ok(()));
    }
    let view = hub.draft_view(rights, tenant, draft.id).await?;
    let written = letter.text.contains(&letter.mark);
    if written && view.text != letter.text && !letter.maybe.contains(&view.text) {
        return Ok(Err(format!("holds {:.60?}, acknowledged was {:.60?}", view.text, letter.text)));
    }
    if let Some(file) = &letter.file {
        let part = view.parts.first().context("attachment")?;
        let (_, octets) = hub.attachment_octets(rights, tenant, draft.id, part.id).await?;
        let octets: Vec<Bytes> = octets.try_collect().await.map_err(|e| anyhow::anyhow!("{}", e.reason))?;
        if octets.concat() != *file {
            return Ok(Err("its attachment is not what was uploaded".to_owned()));
        }
    }
    Ok(Ok(()))
}
