// SPDX-License-Identifier: EUPL-1.2
//! Checking chains and logs from their rows alone.

use poststelle_crypto::digest::{hex, sha256};
use poststelle_model::{Subject, TenantId};
use poststelle_proof::checkpoint;
use poststelle_proof::merkle::{self, Frontier};
use poststelle_proof::note::VerifierKey;
use poststelle_store::evidence::{self, Entry};
use poststelle_store::{Db, Scope, Tx, tenants};
use serde_json::Value;

use crate::EvidenceError;

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: subject and number, or place in the log.
    pub place: String,
    /// What.
    pub what: &'static str,
}

/// What was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Chains.
    pub chains: u64,
    /// Entries in them.
    pub entries: u64,
    /// Entries with a place in the log.
    pub placed: u64,
    /// Size of the newest checkpoint.
    pub checkpoint: u64,
    /// All that does not fit; empty = everything does.
    pub faults: Vec<Fault>,
}

/// Checks one chain: numbers without gap, hashes, links, order of times, commitments to bodies still there.
#[must_use]
pub fn verify_chain(entries: &[Entry]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut previous: Option<&Entry> = None;
    for (i, e) in entries.iter().enumerate() {
        let mut fault = |what| faults.push(Fault { place: format!("{} #{}", e.subject, e.n), what });
        if usize::try_from(e.n) != Ok(i) {
            fault("number out of order");
        }
        if hex(&merkle::leaf_hash(e.envelope.as_bytes())) != e.hash {
            fault("hash does not fit the envelope");
        }
        let Ok(envelope) = serde_json::from_str::<Value>(&e.envelope) else {
            fault("envelope is not JSON");
            continue;
        };
        let field = |name: &str| envelope.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if field("s") != e.subject.as_str() || envelope.get("n").and_then(Value::as_i64) != Some(e.n) {
            fault("envelope belongs elsewhere");
        }
        if field("ev") != e.event || field("t") != e.at.rfc3339() {
            fault("row differs from the envelope");
        }
        if field("prev") != previous.map(|p| p.hash.clone()).unwrap_or_default() {
            fault("link to the previous entry is broken");
        }
        if previous.is_some_and(|p| p.at >= e.at) {
            fault("time runs backwards");
        }
        if !e.body.is_empty() && field("c") != hex(&sha256(e.body.as_bytes())) {
            fault("body does not fit its commitment");
        }
        previous = Some(e);
    }
    faults
}

/// Checks all chains and the whole log of a tenant.
///
/// # Errors
/// When the database does not answer; what does not fit is in [`Verified::faults`].
pub async fn verify_tenant(db: &Db, tenant: TenantId) -> Result<Verified, EvidenceError> {
    let mut tx = db.read(Scope::Tenant(tenant)).await?;
    verify_within(&mut tx, tenant).await
}

/// As [`verify_tenant`], on what `tx` sees: an import is checked before it becomes visible.
///
/// # Errors
/// When the database does not answer; what does not fit is in [`Verified::faults`].
pub async fn verify_within(tx: &mut Tx, tenant: TenantId) -> Result<Verified, EvidenceError> {
    let mut report = Verified::default();
    let mut after = String::new();
    loop {
        let subjects: Vec<Subject> = evidence::subjects(tx, tenant, &after, 500).await?;
        let Some(last) = subjects.last() else { break };
        last.as_str().clone_into(&mut after);
        for subject in subjects {
            let chain = evidence::chain(tx, tenant, &subject).await?;
            report.chains += 1;
            report.entries += chain.len() as u64;
            report.placed += chain.iter().filter(|e| e.pos >= 0).count() as u64;
            report.faults.extend(verify_chain(&chain));
        }
    }
    let Some(newest) = evidence::last_checkpoint(tx, tenant).await? else { return Ok(report) };
    report.checkpoint = u64::try_from(newest.size).unwrap_or(0);
    let mut frontier = Frontier::new();
    let mut pos = 0;
    while pos < newest.size {
        let rows = evidence::range(tx, tenant, pos, (pos + 1000).min(newest.size)).await?;
        if rows.is_empty() {
            break;
        }
        for (at, _, _, envelope, _, _) in rows {
            if at != pos {
                report.faults.push(Fault { place: format!("log {pos}"), what: "gap in the log" });
                return Ok(report);
            }
            frontier.append(&merkle::leaf_hash(envelope.as_bytes()))?;
            pos += 1;
        }
    }
    let mut fault = |what| report.faults.push(Fault { place: format!("checkpoint {}", newest.size), what });
    if pos != newest.size {
        fault("entries are missing from the log");
    }
    if hex(&frontier.root()) != newest.root {
        fault("root does not fit the entries");
    }
    let row = tenants::get(tx, tenant).await?;
    let opened = row.and_then(|row| {
        let key = VerifierKey::parse(&row.note_vkey).ok()?;
        checkpoint::open(newest.note.as_bytes(), &row.log_origin, &key, &[]).ok()
    });
    match opened {
        None => fault("signature does not fit the tenant's key"),
        Some(opened)
            if opened.checkpoint.size() != report.checkpoint
                || hex(opened.checkpoint.root()) != newest.root =>
        {
            fault("signed state differs from the stored one");
        }
        Some(_) => {}
    }
    Ok(report)
}
