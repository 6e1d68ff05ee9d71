// SPDX-License-Identifier: EUPL-1.2
//! Inspection within the process step: the station looks at every part, its sheet and what it holds back go into the
//! step's one transaction.
//!
//! Guarantees: what outside sources said is written with the sheet that was drawn from it, so a step run again either
//! finds both or neither; a sheet is written even when the content cannot be opened; a part whose check ended the
//! program is found by its mark, left out, and the rest goes on.

mod check_again;
mod keys;
mod quarantine;
mod sheets;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use futures::StreamExt;
use poststelle_crypto::digest::{hex, sha256};
use poststelle_crypto::identity::DecryptionKey;
use poststelle_evidence::NewEvidence;
use poststelle_inspect::octets::Spool;
use poststelle_inspect::scan::octets_of;
use poststelle_inspect::sheet::{MessageFacts, Note, PartLine};
use poststelle_inspect::station::{Inspected, Octets, Source, SourceError};
use poststelle_inspect::{Sheet, station};
use poststelle_model::message::Transport;
use poststelle_model::{
    BlobId, Encoding, Event, Finding, Findings, HoldCause, HoldState, Message, MessageId, Part, Subject,
    TenantId, Timestamp, Who,
};
use poststelle_store::blob::{self, BlobWriter};
use poststelle_store::inspection::{self, Derived, StoredSheet};
use poststelle_store::quarantine::Hold;
use poststelle_store::{Scope, StoreError};
use serde_json::json;

pub use check_again::CHECK_VERSION;
pub(crate) use check_again::FIRST_PAUSE;
pub use keys::{KeyFolder, MailboxKeys, NoKeys};
pub use quarantine::{HeldLine, HoldError, HoldWish};
pub use sheets::{SheetView, face, first_words, one_line, verdict, words};

use crate::change::Change;
use crate::channel::ChannelError;
use crate::content::{Content, Opened, StoredContent};
use crate::hub::Hub;
use crate::readable;

/// Gives the station the octets of a stored message, held parts included, and keeps what it wins from them.
struct Stored<'h> {
    hub: &'h Hub,
    message: &'h Message,
    content: &'h StoredContent,
    version: i64,
    /// Which claim of the job this is; from the second on each part is marked before it is touched.
    attempt: i64,
    won: Mutex<Vec<Derived>>,
}

fn unreadable(error: ChannelError) -> SourceError {
    SourceError(Box::new(error))
}

fn stored(error: StoreError) -> SourceError {
    SourceError(Box::new(error))
}

fn octets(found: Result<crate::channel::Octets, ChannelError>) -> Result<Octets, SourceError> {
    Ok(found.map_err(unreadable)?.map(|piece| piece.map_err(unreadable)).boxed())
}

#[async_trait]
impl Source for Stored<'_> {
    async fn whole(&self) -> Result<Octets, SourceError> {
        octets(self.content.original().await)
    }

    async fn part(&self, part: &Part) -> Result<Octets, SourceError> {
        octets(self.content.part(part).await)
    }

    async fn entity(&self, part: &Part) -> Result<Octets, SourceError> {
        let whole = Part {
            start: part.header.max(0),
            len: part.start.saturating_add(part.len).saturating_sub(part.header.max(0)),
            encoding: Encoding::Identity,
            ..part.clone()
        };
        octets(self.content.part(&whole).await)
    }

    async fn derive(&self, of: &Part, octets: &Spool, first: i64) -> Result<Vec<Part>, SourceError> {
        let (derived, opened) =
            self.hub.derive(self.message, self.content, of.n, octets).await.map_err(stored)?;
        let blob = derived.blob;
        self.won.lock().unwrap_or_else(PoisonError::into_inner).push(derived);
        let below = |p: Part| Part {
            n: first + p.n,
            parent: if p.parent < 0 { of.n } else { first + p.parent },
            path: format!("{}.{}", of.path, p.path),
            blob: Some(blob),
            ..p
        };
        Ok(opened.parts.into_iter().map(below).collect())
    }

    fn keys(&self) -> Vec<Arc<dyn DecryptionKey>> {
        self.hub.mailbox_keys.keys(&self.content.slug)
    }

    fn body(&self, parts: &[Part]) -> Vec<i64> {
        readable::written(parts).map(|p| p.n).collect()
    }

    async fn begins(&self, part: &Part) -> Result<(), SourceError> {
        if self.attempt < CAREFUL || self.attempt == RETRACE {
            return Ok(());
        }
        let mark = Finding {
            name: format!("{}/began/{:04}/{:08}", self.version, self.attempt, part.n),
            source: "station".to_owned(),
            version: String::new(),
            body: String::new(),
            at: self.hub.clock.now(),
        };
        let findings = vec![(self.message.tenant, self.message.id, mark)];
        let marked = self.hub.committer.commit(Change { findings, ..Change::default() }).await;
        marked.map_err(|e| SourceError(Box::new(e)))
    }
}

/// From this claim on each part is marked before it is touched: what died then shows the part it died at.
const CAREFUL: i64 = 2;

/// Stands for the claim that once succeeded, when its sheet is drawn again.
const RETRACE: i64 = i64::MAX;

/// Parts at which a claim ended twice: the last mark of each claim but the present one.
fn suspects(findings: &Findings, version: i64, attempt: i64) -> Vec<i64> {
    let prefix = format!("{version}/began/");
    let mut last: BTreeMap<i64, i64> = BTreeMap::new();
    for name in findings.names(&prefix) {
        let mark = name.strip_prefix(&prefix).and_then(|m| m.split_once('/'));
        let Some((Ok(claim), Ok(part))) = mark.map(|(c, p)| (c.parse::<i64>(), p.parse::<i64>())) else {
            continue;
        };
        if claim < attempt {
            last.insert(claim, part);
        }
    }
    // The last claim that left marks is the one that came through.
    if attempt == RETRACE {
        last.pop_last();
    }
    let mut ends: Vec<i64> = last.into_values().collect();
    ends.sort_unstable();
    let mut twice: Vec<i64> = ends.windows(2).filter(|w| w[0] == w[1]).map(|w| w[0]).collect();
    twice.dedup();
    twice
}

/// An inspection with what it won from parts.
pub(crate) struct Looked {
    pub inspected: Inspected,
    pub derived: Vec<Derived>,
}

/// What is known of the message besides its parts.
pub(crate) struct About<'a> {
    pub sender: (&'a str, &'a str),
    pub parts: &'a [Part],
}

impl<'a> About<'a> {
    pub fn of(opened: &'a Opened) -> Self {
        Self { sender: (&opened.sender_name, &opened.sender_address), parts: &opened.parts }
    }
}

impl Hub {
    /// Lets the station look at a message.
    pub(crate) async fn inspect(
        &self,
        message: &Message,
        content: &StoredContent,
        about: &About<'_>,
        (version, attempt): (i64, i64),
        before: Option<&Sheet>,
        findings: &mut Findings,
    ) -> Result<Looked, StoreError> {
        let mut suspects = suspects(findings, version, attempt);
        // What ended the program once stays suspect at every later look.
        let crashed = |l: &&PartLine| l.checks.iter().any(|c| c.outcome.code == "crashed");
        suspects.extend(before.iter().flat_map(|s| &s.parts).filter(crashed).filter_map(|l| l.part));
        let subject = station::Subject {
            message: message_facts(message),
            accepted_at: message.accepted_at,
            version,
            parts: about.parts,
            sender: about.sender,
            suspects: &suspects,
            before,
        };
        let source = Stored { hub: self, message, content, version, attempt, won: Mutex::default() };
        let began = Instant::now();
        let inspected = self.station.inspect(&subject, &source, self.clock.as_ref(), findings).await;
        let inspected = inspected.map_err(|e| StoreError::Unreadable(e.to_string()))?;
        self.metrics.inspection(
            inspected.sheet.conclusion.danger.as_str(),
            inspected.holds.iter().map(|h| h.1.as_str()),
            began.elapsed(),
        );
        let derived = source.won.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Looked { inspected, derived })
    }

    /// Keeps octets won from a part in a blob of their own, under the message's key, and opens them as mail.
    async fn derive(
        &self,
        message: &Message,
        content: &StoredContent,
        part: i64,
        octets: &Spool,
    ) -> Result<(Derived, Opened), StoreError> {
        let blob = BlobId::new(self.ids());
        let name = blob::name(message.tenant, message.id, blob);
        let mut writer = BlobWriter::create(&self.blobs, &name, &content.blob_key(blob)?).await?;
        let opener = self.opener("message/rfc822");
        let opener =
            opener.ok_or_else(|| StoreError::Config("no message format is configured".to_owned()))?;
        let mut opening = Some(opener.open(&Transport::default()));
        let mut pieces = octets_of(octets);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|e| StoreError::Unreadable(e.to_string()))?;
            writer.push(&piece).await?;
            // A parser of foreign octets: a panic there is a finding, not the end.
            opening = opening.take().and_then(|mut o| {
                catch_unwind(AssertUnwindSafe(move || {
                    o.push(&piece);
                    o
                }))
                .ok()
            });
        }
        let (size, digests) = writer.finish().await?;
        let opened = opening.and_then(|o| catch_unwind(AssertUnwindSafe(move || o.finish())).ok());
        content.remember(blob, size);
        let derived = Derived {
            blob,
            part,
            size: i64::try_from(size).unwrap_or(i64::MAX),
            sha256: digests.sha256_hex(),
            created_at: self.clock.now(),
        };
        Ok((derived, opened.unwrap_or_default()))
    }

    /// Puts a sheet with all that belongs to it into a change.
    pub(crate) fn write_sheet(
        &self,
        message: &Message,
        looked: &Looked,
        findings: &Findings,
        (who, now): (&Who, Timestamp),
        change: &mut Change,
    ) -> Result<(), StoreError> {
        let (tenant, id) = (message.tenant, message.id);
        let inspected = &looked.inspected;
        change.derived.extend(looked.derived.iter().cloned().map(|d| (tenant, id, d)));
        let sheet = &inspected.sheet;
        let text = sheet.to_json().map_err(|e| StoreError::Config(e.to_string()))?;
        let digest = hex(&sha256(text.as_bytes()));
        change.findings.extend(findings.fresh().into_iter().map(|f| (tenant, id, f)));
        let conclusion = &sheet.conclusion;
        change.evidence.push(NewEvidence::new(
            tenant,
            Subject::message(id),
            Event::Inspected,
            who.clone(),
            json!({
                "version": sheet.version,
                "sheet_sha256": digest,
                "danger": conclusion.danger.as_str(),
                "completeness": conclusion.completeness.as_str(),
                "written_form": conclusion.written_form.verdict.as_str(),
                "sender": conclusion.sender.assurance.as_str(),
                "changed": sheet.changed.len(),
            }),
        ));
        change.sheets.push((
            tenant,
            id,
            StoredSheet { version: sheet.version, sheet: text, sha256: digest, created_at: now },
        ));
        Ok(())
    }

    /// A part is held back from now on.
    pub(crate) fn hold(
        &self,
        tenant: TenantId,
        message: MessageId,
        part: i64,
        (cause, note): (HoldCause, &Note),
        now: Timestamp,
        change: &mut Change,
    ) {
        let next_check = match cause {
            HoldCause::Infected => Timestamp(0),
            HoldCause::Indeterminate => now.plus(check_again::FIRST_PAUSE),
        };
        change.evidence.push(NewEvidence::new(
            tenant,
            Subject::message(message),
            Event::HeldBack,
            Who::house("inspect"),
            json!({ "part": part, "cause": cause.as_str(), "note": note.code, "params": note.params }),
        ));
        change.holds.push(Hold {
            tenant,
            message,
            part,
            cause,
            note: serde_json::to_string(note).unwrap_or_default(),
            state: HoldState::Held,
            next_check,
            proposed_by: None,
            words: String::new(),
            decided_by: None,
            held_at: now,
            changed_at: now,
            version: 1,
        });
    }

    /// What outside sources said about a message so far.
    pub(crate) async fn findings(
        &self,
        tenant: TenantId,
        message: MessageId,
    ) -> Result<Findings, StoreError> {
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        Ok(Findings::of(inspection::findings(&mut tx, tenant, message).await?))
    }
}

fn message_facts(message: &Message) -> MessageFacts {
    MessageFacts {
        tenant: message.tenant.to_string(),
        id: message.id.to_string(),
        direction: message.direction.as_str().to_owned(),
        channel: message.channel.as_str().to_owned(),
        accepted_at: message.accepted_at.rfc3339(),
        size: message.size,
        sha256: message.sha256.clone(),
        sha512: message.sha512.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(marks: &[(i64, i64)]) -> Findings {
        let mark = |(claim, part): &(i64, i64)| Finding {
            name: format!("1/began/{claim:04}/{part:08}"),
            source: String::new(),
            version: String::new(),
            body: String::new(),
            at: Timestamp(0),
        };
        Findings::of(marks.iter().map(mark).collect())
    }

    #[test]
    fn a_part_is_suspect_when_two_claims_ended_at_it() {
        let once = marked(&[(2, 1), (2, 4)]);
        assert_eq!(suspects(&once, 1, 3), Vec::<i64>::new(), "once may be chance");
        let twice = marked(&[(2, 1), (2, 4), (3, 1), (3, 4)]);
        assert_eq!(suspects(&twice, 1, 4), [4]);
        assert_eq!(suspects(&twice, 1, 3), Vec::<i64>::new(), "the present claim has not ended");
        assert_eq!(suspects(&twice, 2, 4), Vec::<i64>::new(), "another inspection");
        let elsewhere = marked(&[(2, 1), (3, 1), (3, 2)]);
        assert_eq!(suspects(&elsewhere, 1, 4), Vec::<i64>::new());
        // The claim that came through left its last mark too.
        let through = marked(&[(2, 4), (3, 1), (3, 4)]);
        assert_eq!(suspects(&through, 1, RETRACE), Vec::<i64>::new());
    }
}
