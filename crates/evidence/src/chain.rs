// SPDX-License-Identifier: EUPL-1.2
//! Appending to the chains of subjects.

use std::collections::HashMap;

use poststelle_crypto::digest::{hex, sha256};
use poststelle_model::{Event, Subject, TenantId, Timestamp, Who};
use poststelle_proof::{jcs, merkle};
use poststelle_store::Tx;
use poststelle_store::evidence::{self, Entry, Head};
use serde_json::{Map, Value, json};

use crate::EvidenceError;

/// An event to be proved.
#[derive(Debug, Clone)]
pub struct NewEvidence {
    /// Whose.
    pub tenant: TenantId,
    /// Whose life.
    pub subject: Subject,
    /// What happened.
    pub event: Event,
    /// Who did it.
    pub who: Who,
    /// What else to keep: strings, whole numbers, booleans, lists and objects of these.
    pub body: Map<String, Value>,
}

impl NewEvidence {
    /// An event with the fields of `body` (a JSON object; anything else is kept under `value`).
    #[must_use]
    pub fn new(tenant: TenantId, subject: Subject, event: Event, who: Who, body: Value) -> Self {
        let body = match body {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        Self { tenant, subject, event, who, body }
    }
}

/// Appends `news` in order, reading the heads of their chains once. `now` is the node's clock.
///
/// # Errors
/// [`EvidenceError::is_conflict`] when somebody appended to one of the chains first.
pub async fn append(tx: &mut Tx, now: Timestamp, news: &[NewEvidence]) -> Result<Vec<Entry>, EvidenceError> {
    let mut by_tenant: HashMap<TenantId, Vec<Subject>> = HashMap::new();
    for new in news {
        by_tenant.entry(new.tenant).or_default().push(new.subject.clone());
    }
    let mut heads: HashMap<(TenantId, Subject), Head> = HashMap::new();
    for (tenant, mut subjects) in by_tenant {
        subjects.sort_unstable();
        subjects.dedup();
        for (subject, head) in evidence::heads(tx, tenant, &subjects).await? {
            heads.insert((tenant, subject), head);
        }
    }
    let mut entries = Vec::with_capacity(news.len());
    for new in news {
        let key = (new.tenant, new.subject.clone());
        let entry = entry(new, heads.get(&key), now)?;
        heads.insert(key, Head { n: entry.n, at: entry.at, hash: entry.hash.clone() });
        entries.push(entry);
    }
    evidence::insert(tx, &entries).await?;
    Ok(entries)
}

fn entry(new: &NewEvidence, head: Option<&Head>, now: Timestamp) -> Result<Entry, EvidenceError> {
    let (n, at, previous) = match head {
        None => (0, now, String::new()),
        // Event time = max(now, previous + 1 µs): a clock that jumps back cannot turn the order round.
        Some(head) => (head.n + 1, Timestamp(now.0.max(head.at.0 + 1)), head.hash.clone()),
    };
    let who = new.who.to_text();
    let mut body = new.body.clone();
    body.insert("who".to_owned(), Value::String(who.clone()));
    if at > now {
        body.insert("clock_behind_us".to_owned(), json!(at.0 - now.0));
    }
    let salt: [u8; 32] = poststelle_crypto::random::array()?;
    body.insert("salt".to_owned(), Value::String(hex(&salt)));
    let body = jcs::to_string(&Value::Object(body))?;
    let envelope = jcs::to_string(&json!({
        "v": 1,
        "s": new.subject.as_str(),
        "n": n,
        "t": at.rfc3339(),
        "ev": new.event.as_str(),
        "prev": previous,
        "c": hex(&sha256(body.as_bytes())),
    }))?;
    let hash = hex(&merkle::leaf_hash(envelope.as_bytes()));
    Ok(Entry {
        tenant: new.tenant,
        subject: new.subject.clone(),
        n,
        event: new.event.as_str().to_owned(),
        at,
        who,
        envelope,
        body,
        hash,
        pos: -1,
    })
}
