// SPDX-License-Identifier: EUPL-1.2
//! The station itself: takes a message part by part through all checks and writes the sheet.
//!
//! Guarantees: what an outside source said is kept as a [`Finding`] and never asked twice, so the same message with the
//! same findings gives the same sheet; a part that cannot be checked is a line that says so. Does not: store anything;
//! octets come through [`Source`], and what is decrypted goes back through it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use poststelle_crypto::identity::DecryptionKey;
use poststelle_crypto::signature::Report;
use poststelle_crypto::signature::setting::Trust;
use poststelle_model::{Clock, Finding, Findings, HoldCause, Part, Timestamp};
use serde_json::json;

use crate::caps::Caps;
use crate::conclusion;
use crate::law::Law;
use crate::malware::Scan;
use crate::octets::{Filling, Spool};
use crate::scan::{Answer, Scanner};
use crate::sheet::{
    Check, CheckKind, MessageFacts, Note, PartLine, PartVerdict, SCHEMA, Sheet, Source as Asked,
};
use crate::unpack::Budget;

/// Octets as they come.
pub type Octets = BoxStream<'static, Result<Bytes, SourceError>>;

/// The octets could not be had: nothing is said about the message, the whole inspection is tried again later.
#[derive(Debug, thiserror::Error)]
#[error("octets of the message could not be read: {0}")]
pub struct SourceError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl From<std::io::Error> for SourceError {
    fn from(error: std::io::Error) -> Self {
        Self(Box::new(error))
    }
}

/// Gives the octets of the message being inspected, and takes what was won from them.
#[async_trait]
pub trait Source: Send + Sync {
    /// All of it, as it came.
    async fn whole(&self) -> Result<Octets, SourceError>;
    /// One part, decoded.
    async fn part(&self, part: &Part) -> Result<Octets, SourceError>;
    /// One part with its header, as it stands in the message (what RFC 1847 signs).
    async fn entity(&self, part: &Part) -> Result<Octets, SourceError>;
    /// Keeps what was decrypted out of `of`, or what its opaque signature holds, and opens it: its parts in document
    /// order, numbered from `first`, the first of them below `of`.
    async fn derive(&self, of: &Part, octets: &Spool, first: i64) -> Result<Vec<Part>, SourceError>;
    /// Keys of the boxes the message was addressed to.
    fn keys(&self) -> Vec<Arc<dyn DecryptionKey>>;
    /// Which of these parts belong to the text people read.
    fn body(&self, parts: &[Part]) -> Vec<i64>;
    /// A part is about to be checked.
    async fn begins(&self, part: &Part) -> Result<(), SourceError>;
}

/// What is to be inspected.
#[derive(Debug, Clone)]
pub struct Subject<'s> {
    /// Which message.
    pub message: MessageFacts,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Version of this inspection, from 1.
    pub version: i64,
    /// Its parts in document order; those won from others at an earlier inspection follow.
    pub parts: &'s [Part],
    /// The sender as it says itself: name and address.
    pub sender: (&'s str, &'s str),
    /// Parts not to be touched: checking them ended the program before.
    pub suspects: &'s [i64],
    /// The sheet of the version before.
    pub before: Option<&'s Sheet>,
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The sheet.
    pub sheet: Sheet,
    /// Parts to be held back, and why.
    pub holds: Vec<(i64, HoldCause, Note)>,
    /// Parts won by this inspection.
    pub won: Vec<Part>,
    /// Parts the scanner found nothing in, at this very inspection.
    pub cleared: Vec<i64>,
    /// Something is encrypted for a key that is not here.
    pub lacks_key: bool,
}

/// The inspection station of a node.
pub struct Station {
    /// How much of a message is opened.
    pub caps: Caps,
    /// Who scans for malware; `None` = nobody is set up.
    pub scanner: Option<Arc<dyn Scanner>>,
    /// Whose signatures are trusted.
    pub trust: Arc<Trust>,
    /// Where octets above the memory cap lie while they are looked at, sealed.
    pub folder: PathBuf,
    /// Which program this is, for the sheet.
    pub by: String,
    /// When the written form is kept.
    pub law: Law,
}

/// One inspection under way.
pub(crate) struct Walk<'w> {
    pub station: &'w Station,
    pub subject: &'w Subject<'w>,
    pub source: &'w dyn Source,
    pub clock: &'w dyn Clock,
    pub findings: &'w mut Findings,
    pub at: Timestamp,
    pub asked: Vec<Asked>,
    pub scans: bool,
    /// All parts, with those won on the way.
    pub parts: Vec<Part>,
    pub won: Vec<Part>,
    pub lines: Vec<PartLine>,
    pub omitted: u64,
    pub holds: Vec<(i64, HoldCause, Note)>,
    pub budget: Option<Budget>,
    pub lacks_key: bool,
    pub cleared: Vec<i64>,
    /// Parts that belong to the text people read: they are shown cleaned and never run.
    pub body: Vec<i64>,
    /// How many times octets were won to come to a part.
    pub levels: HashMap<i64, u32>,
    /// Verdicts that wait for the line they stand on, by part.
    pub pending: HashMap<i64, Vec<Report>>,
    /// Parts that are covered by a signature on the line with this path.
    pub covered: HashMap<i64, String>,
}

impl Station {
    /// A station without scanner and trust, with the caps of the house; it knows no law.
    #[must_use]
    pub fn plain(folder: &std::path::Path) -> Self {
        Self {
            caps: Caps::default(),
            scanner: None,
            trust: Arc::default(),
            folder: folder.to_owned(),
            by: concat!("poststelle ", env!("CARGO_PKG_VERSION")).to_owned(),
            law: Law::default(),
        }
    }

    /// Inspects a message.
    ///
    /// # Errors
    /// [`SourceError`] when its octets cannot be read.
    pub async fn inspect(
        &self,
        subject: &Subject<'_>,
        source: &dyn Source,
        clock: &dyn Clock,
        findings: &mut Findings,
    ) -> Result<Inspected, SourceError> {
        let setting = format!("{}/setting", subject.version);
        if findings.get(&setting).is_none() {
            findings.keep(Finding {
                name: setting.clone(),
                source: "station".to_owned(),
                version: self.by.clone(),
                body: json!({ "scans": self.scanner.is_some() }).to_string(),
                at: clock.now(),
            });
        }
        let (at, by, scans) = findings.get(&setting).map_or_else(
            || (clock.now(), self.by.clone(), self.scanner.is_some()),
            |f| (f.at, f.version.clone(), f.body.contains("true")),
        );
        let began = Instant::now();
        let walk = Walk {
            station: self,
            subject,
            source,
            clock,
            findings,
            at,
            asked: Vec::new(),
            scans,
            parts: subject.parts.to_vec(),
            won: Vec::new(),
            lines: Vec::new(),
            omitted: 0,
            holds: Vec::new(),
            budget: Some(Budget::new(&self.caps, move || began.elapsed())),
            lacks_key: false,
            cleared: Vec::new(),
            body: source.body(subject.parts),
            levels: HashMap::new(),
            pending: HashMap::new(),
            covered: HashMap::new(),
        };
        walk.run(by).await
    }
}

/// Media types by content nothing is said about beyond malware: no reader of ours opens them.
fn is_plain(part: &Part) -> bool {
    let kind = if part.detected.is_empty() { part.declared.as_str() } else { part.detected.as_str() };
    matches!(kind, "text/plain" | "text/csv" | "text/calendar" | "text/vcard" | "message/delivery-status")
        && !part.is_attachment()
}

/// How bad an answer is.
const fn badness(answer: &Answer) -> u8 {
    match answer {
        Answer::Clean => 0,
        Answer::Indeterminate { .. } => 1,
        Answer::Infected { .. } => 2,
    }
}

impl Walk<'_> {
    async fn run(mut self, by: String) -> Result<Inspected, SourceError> {
        let whole = if self.scans {
            let octets = self.source.whole().await?;
            self.malware("whole", octets).await?
        } else {
            Scan::NotScanned
        };
        // Grows while it is walked: what is won from a part follows.
        let mut next = 0;
        while let Some(part) = self.parts.get(next).cloned() {
            next += 1;
            if part.leaf {
                self.part(&part).await?;
            } else if part.declared == "multipart/signed" {
                self.signed(&part).await?;
            }
        }
        self.beside().await?;
        self.hold_rest(&whole);
        self.asked.sort();
        self.asked.dedup();
        let mut sheet = Sheet {
            schema: SCHEMA.to_owned(),
            version: self.subject.version,
            inspected_at: self.at.rfc3339(),
            inspected_by: by,
            message: self.subject.message.clone(),
            conclusion: conclusion::draw(
                self.subject,
                (&whole, &self.body),
                (&self.lines, self.omitted),
                &self.station.law,
                self.at,
            ),
            sources: self.asked,
            parts: self.lines,
            omitted: self.omitted,
            changed: Vec::new(),
        };
        if let Some(before) = self.subject.before {
            sheet.changed = conclusion::changes(before, &sheet);
        }
        Ok(Inspected {
            sheet,
            holds: self.holds,
            won: self.won,
            cleared: self.cleared,
            lacks_key: self.lacks_key,
        })
    }

    /// The whole is infected, but no single part of it: then nothing but the text is given out.
    fn hold_rest(&mut self, whole: &Scan) {
        let Some(Answer::Infected { signature }) = whole.answer() else { return };
        if self.holds.iter().any(|h| h.1 == HoldCause::Infected) {
            return;
        }
        let note = Note::new("malware-whole").with("signature", signature);
        let body = &self.body;
        let files = self.lines.iter().filter_map(|l| l.part).any(|n| !body.contains(&n));
        for line in &mut self.lines {
            let Some(n) = line.part else { continue };
            if !files || !body.contains(&n) {
                line.verdict = PartVerdict::Held;
                line.notes.push(note.clone());
                self.holds.retain(|h| h.0 != n);
                self.holds.push((n, HoldCause::Infected, note.clone()));
            }
        }
    }

    /// Checks a leaf; what lies in it follows on the sheet.
    async fn part(&mut self, part: &Part) -> Result<(), SourceError> {
        let mut line = PartLine {
            part: Some(part.n),
            path: part.path.clone(),
            name: part.name.clone(),
            declared: part.declared.clone(),
            detected: part.detected.clone(),
            size: part.size,
            sha256: part.sha256.clone(),
            verdict: PartVerdict::Good,
            checks: Vec::new(),
            notes: part.defects.iter().map(|d| Note::new("form").with("defect", d)).collect(),
            signatures: Vec::new(),
            signed_by: self.covered.get(&part.n).cloned().into_iter().collect(),
        };
        // What ended the program before is scanned from afar, but no reader of ours touches it again.
        let suspect = self.subject.suspects.contains(&part.n);
        if suspect {
            line.checks.push(self.check(CheckKind::Open, Note::new("crashed")));
        }
        self.source.begins(part).await?;
        if !self.scans && is_plain(part) {
            line.checks.push(Scan::NotScanned.check());
            self.finish(line, None, Vec::new());
            return Ok(());
        }
        let octets = self.source.part(part).await?;
        let spool = self.spool(octets).await?;
        let mut scan = self.malware_of(&part.path, &spool).await?;
        let mut inside = Vec::new();
        if !is_plain(part) && !suspect {
            self.look(&mut line, &spool, &part.raw_name).await;
            self.verify(&mut line, part, &spool).await?;
            inside = self.members(&mut line, &spool, 1).await?;
        }
        // The worst of what was said about it and what lies in it.
        if let Some(worst) = inside.iter().filter_map(|(_, s)| s.answer()).max_by_key(|a| badness(a))
            && scan.answer().is_some_and(|own| badness(worst) > badness(own))
        {
            scan = scan.with(worst.clone());
        }
        if scan.answer() == Some(&Answer::Clean) {
            self.cleared.push(part.n);
        }
        let hold = scan.hold(self.body.contains(&part.n));
        line.checks.insert(0, scan.check());
        self.finish(line, hold, inside.into_iter().map(|(l, _)| l).collect());
        Ok(())
    }

    pub(crate) fn finish(
        &mut self,
        mut line: PartLine,
        hold: Option<(HoldCause, Note)>,
        inside: Vec<PartLine>,
    ) {
        conclusion::judge(&mut line, hold.is_some());
        if let (Some(n), Some((cause, note))) = (line.part, hold) {
            self.holds.push((n, cause, note));
        }
        for line in std::iter::once(line).chain(inside) {
            // What can be held or signed is never left out.
            if line.part.is_some() || self.lines.len() < self.station.caps.lines {
                self.lines.push(line);
            } else {
                self.omitted += 1;
            }
        }
    }

    pub(crate) fn check(&self, kind: CheckKind, outcome: Note) -> Check {
        Check { kind, by: self.station.by.clone(), outcome }
    }

    /// The octets of a part at rest.
    pub(crate) async fn spool(&self, mut octets: Octets) -> Result<Spool, SourceError> {
        let mut filling = Filling::new(&self.station.folder);
        while let Some(piece) = octets.next().await {
            filling.push(&piece?)?;
        }
        Ok(filling.finish()?)
    }
}
