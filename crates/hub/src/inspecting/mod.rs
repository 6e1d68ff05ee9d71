// SPDX-License-Identifier: EUPL-1.2
//! Inspection within the process step: the station looks at every part, its sheet and what it holds back go into the
//! step's one transaction.
//!
//! Guarantees: what outside sources said is written with the sheet that was drawn from it, so a step run again either
//! finds both or neither; a sheet is written even when the content cannot be opened; a part whose check ended the
//! program is found by its mark, left out, and the rest goes on.

mod check_again;
mod quarantine;
mod sheets;

use async_trait::async_trait;
use futures::StreamExt;
use poststelle_crypto::digest::{hex, sha256};
use poststelle_evidence::NewEvidence;
use poststelle_inspect::sheet::{MessageFacts, Note};
use poststelle_inspect::station::{Inspected, Octets, Source, SourceError};
use poststelle_inspect::{Sheet, station};
use poststelle_model::{
    Event, Findings, HoldCause, HoldState, Message, MessageId, Part, Subject, TenantId, Timestamp, Who,
};
use poststelle_store::inspection::{self, StoredSheet};
use poststelle_store::quarantine::Hold;
use poststelle_store::{Scope, StoreError};
use serde_json::json;

pub use check_again::CHECK_VERSION;
pub(crate) use check_again::FIRST_PAUSE;
pub use quarantine::{HeldLine, HoldError, HoldWish};
pub use sheets::{SheetView, face, first_words, one_line, verdict, words};

use crate::change::Change;
use crate::channel::ChannelError;
use crate::content::{Content, Opened, StoredContent};
use crate::hub::Hub;
use crate::readable;

/// Gives the station the octets of a stored message, held parts included.
struct Stored<'c>(&'c StoredContent);

fn unreadable(error: ChannelError) -> SourceError {
    SourceError(Box::new(error))
}

fn octets(found: Result<crate::channel::Octets, ChannelError>) -> Result<Octets, SourceError> {
    Ok(found.map_err(unreadable)?.map(|piece| piece.map_err(unreadable)).boxed())
}

#[async_trait]
impl Source for Stored<'_> {
    async fn whole(&self) -> Result<Octets, SourceError> {
        octets(self.0.original().await)
    }

    async fn part(&self, part: &Part) -> Result<Octets, SourceError> {
        octets(self.0.part(part).await)
    }
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
        version: i64,
        before: Option<&Sheet>,
        findings: &mut Findings,
    ) -> Result<Inspected, StoreError> {
        let body: Vec<i64> = readable::written(about.parts).map(|p| p.n).collect();
        let subject = station::Subject {
            message: message_facts(message),
            version,
            parts: about.parts,
            body: &body,
            sender: about.sender,
            suspects: &[],
            before,
        };
        let source = Stored(content);
        let inspected = self.station.inspect(&subject, &source, self.clock.as_ref(), findings).await;
        inspected.map_err(|e| StoreError::Unreadable(e.to_string()))
    }

    /// Puts a sheet with all that belongs to it into a change.
    pub(crate) fn write_sheet(
        &self,
        message: &Message,
        inspected: &Inspected,
        findings: &Findings,
        now: Timestamp,
        change: &mut Change,
    ) -> Result<(), StoreError> {
        let (tenant, id) = (message.tenant, message.id);
        let sheet = &inspected.sheet;
        let text = sheet.to_json().map_err(|e| StoreError::Config(e.to_string()))?;
        let digest = hex(&sha256(text.as_bytes()));
        change.findings.extend(findings.fresh().into_iter().map(|f| (tenant, id, f)));
        let conclusion = &sheet.conclusion;
        change.evidence.push(NewEvidence::new(
            tenant,
            Subject::message(id),
            Event::Inspected,
            Who::house("inspect"),
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
