// SPDX-License-Identifier: EUPL-1.2
//! The station itself: takes a message part by part through all checks and writes the sheet.
//!
//! Guarantees: what an outside source said is kept as a [`Finding`] and never asked twice, so the same message with the
//! same findings gives the same sheet; a part that cannot be checked is a line that says so. Does not: store anything;
//! octets come through [`Source`].

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use poststelle_model::{Clock, Finding, Findings, HoldCause, Part, Timestamp};
use serde_json::json;

use crate::caps::Caps;
use crate::conclusion;
use crate::law::Law;
use crate::scan::{Answer, Scanner};
use crate::sheet::{
    Check, CheckKind, MessageFacts, Note, PartLine, PartVerdict, SCHEMA, Sheet, Source as Asked,
};

/// Octets as they come.
pub type Octets = BoxStream<'static, Result<Bytes, SourceError>>;

/// The octets could not be had: nothing is said about the message, the whole inspection is tried again later.
#[derive(Debug, thiserror::Error)]
#[error("octets of the message could not be read: {0}")]
pub struct SourceError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Gives the octets of the message being inspected.
#[async_trait]
pub trait Source: Send + Sync {
    /// All of it, as it came.
    async fn whole(&self) -> Result<Octets, SourceError>;
    /// One part, decoded.
    async fn part(&self, part: &Part) -> Result<Octets, SourceError>;
}

/// What is to be inspected.
#[derive(Debug, Clone)]
pub struct Subject<'s> {
    /// Which message.
    pub message: MessageFacts,
    /// Version of this inspection, from 1.
    pub version: i64,
    /// Its parts in document order.
    pub parts: &'s [Part],
    /// Parts that belong to the text people read: they are shown cleaned and never run.
    pub body: &'s [i64],
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
}

/// The inspection station of a node.
pub struct Station {
    /// How much of a message is opened.
    pub caps: Caps,
    /// Who scans for malware; `None` = nobody is set up.
    pub scanner: Option<Arc<dyn Scanner>>,
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
    pub asked: Vec<Asked>,
    pub scans: bool,
}

impl Station {
    /// A station without a scanner, with the caps of the house; it knows no law.
    #[must_use]
    pub fn plain(folder: &std::path::Path) -> Self {
        Self {
            caps: Caps::default(),
            scanner: None,
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
        let mut walk = Walk { station: self, subject, source, clock, findings, asked: Vec::new(), scans };
        walk.run(at, by).await
    }
}

impl Walk<'_> {
    async fn run(&mut self, at: Timestamp, by: String) -> Result<Inspected, SourceError> {
        let octets = self.source.whole().await?;
        let whole = self.malware("whole", octets).await?;
        let mut lines = Vec::with_capacity(self.subject.parts.len());
        let mut omitted = 0;
        let mut holds = Vec::new();
        for part in self.subject.parts.iter().filter(|p| p.leaf) {
            let (line, hold) = self.part(part).await?;
            holds.extend(hold.map(|(cause, note)| (part.n, cause, note)));
            if lines.len() < self.station.caps.lines {
                lines.push(line);
            } else {
                omitted += 1;
            }
        }
        self.hold_rest(&whole, &mut lines, &mut holds);
        self.asked.sort();
        self.asked.dedup();
        let mut sheet = Sheet {
            schema: SCHEMA.to_owned(),
            version: self.subject.version,
            inspected_at: at.rfc3339(),
            inspected_by: by,
            message: self.subject.message.clone(),
            conclusion: conclusion::draw(self.subject, &whole, &lines, &self.station.law, at),
            sources: std::mem::take(&mut self.asked),
            parts: lines,
            omitted,
            changed: Vec::new(),
        };
        if let Some(before) = self.subject.before {
            sheet.changed = conclusion::changes(before, &sheet);
        }
        Ok(Inspected { sheet, holds })
    }

    /// The whole is infected, but no single part of it: then nothing but the text is given out.
    fn hold_rest(&self, whole: &Scan, lines: &mut [PartLine], holds: &mut Vec<(i64, HoldCause, Note)>) {
        let Scan::Answered { answer: Answer::Infected { signature }, .. } = whole else { return };
        if holds.iter().any(|h| h.1 == HoldCause::Infected) {
            return;
        }
        let note = Note::new("malware-whole").with("signature", signature);
        let files = lines.iter().filter_map(|l| l.part).filter(|n| !self.subject.body.contains(n)).count();
        for line in lines.iter_mut() {
            let Some(n) = line.part else { continue };
            if files == 0 || !self.subject.body.contains(&n) {
                line.verdict = PartVerdict::Held;
                line.notes.push(note.clone());
                holds.retain(|h| h.0 != n);
                holds.push((n, HoldCause::Infected, note.clone()));
            }
        }
    }

    async fn part(&mut self, part: &Part) -> Result<(PartLine, Option<(HoldCause, Note)>), SourceError> {
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
        };
        if self.subject.suspects.contains(&part.n) {
            line.verdict = PartVerdict::Unchecked;
            line.checks.push(self.check(CheckKind::Open, Note::new("crashed")));
            return Ok((line, Some((HoldCause::Indeterminate, Note::new("crashed")))));
        }
        let octets = self.source.part(part).await?;
        let scan = self.malware(&part.path, octets).await?;
        let hold = scan.hold(self.subject.body.contains(&part.n));
        line.checks.push(scan.check());
        conclusion::judge(&mut line, hold.is_some());
        Ok((line, hold))
    }

    fn check(&self, kind: CheckKind, outcome: Note) -> Check {
        Check { kind, by: self.station.by.clone(), outcome }
    }

    /// Asks the scanner about these octets, unless it is known what it said.
    pub(crate) async fn malware(&mut self, what: &str, octets: Octets) -> Result<Scan, SourceError> {
        if !self.scans {
            return Ok(Scan::NotScanned);
        }
        let name = format!("{}/malware/{what}", self.subject.version);
        if self.findings.get(&name).is_none() {
            let Some(scanner) = &self.station.scanner else { return Ok(Scan::NotScanned) };
            let answer = scanner.scan(octets).await.map_err(|e| SourceError(Box::new(e)))?;
            let version = scanner.version().await.unwrap_or_default();
            self.findings.keep(Finding {
                name: name.clone(),
                source: scanner.name().to_owned(),
                version,
                body: serde_json::to_string(&answer).unwrap_or_default(),
                at: self.clock.now(),
            });
        }
        let Some(finding) = self.findings.get(&name) else { return Ok(Scan::NotScanned) };
        self.asked.push(Asked {
            kind: "scanner".to_owned(),
            name: finding.source.clone(),
            version: finding.version.clone(),
        });
        Ok(Scan::Answered {
            by: format!("{} {}", finding.source, finding.version).trim().to_owned(),
            answer: serde_json::from_str(&finding.body)
                .unwrap_or(Answer::Indeterminate { reason: "scanner-garbage".to_owned() }),
        })
    }
}

/// What is known about malware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scan {
    /// Nobody is set up to scan.
    NotScanned,
    /// The scanner was asked.
    Answered {
        /// Name and version.
        by: String,
        /// What it said.
        answer: Answer,
    },
}

impl Scan {
    /// The line of the sheet.
    pub fn check(&self) -> Check {
        let (by, outcome) = match self {
            Self::NotScanned => (String::new(), Note::new("not-scanned")),
            Self::Answered { by, answer } => (
                by.clone(),
                match answer {
                    Answer::Clean => Note::new("ok"),
                    Answer::Infected { signature } => Note::new("malware").with("signature", signature),
                    Answer::Indeterminate { reason } => Note::new(reason),
                },
            ),
        };
        Check { kind: CheckKind::Malware, by, outcome }
    }

    /// Is the part held back for it? The text people read is shown cleaned, so only what was recognised holds it.
    pub fn hold(&self, is_body: bool) -> Option<(HoldCause, Note)> {
        let Self::Answered { answer, .. } = self else { return None };
        let note = self.check().outcome;
        match answer {
            Answer::Clean => None,
            Answer::Infected { .. } => Some((HoldCause::Infected, note)),
            Answer::Indeterminate { .. } => (!is_body).then_some((HoldCause::Indeterminate, note)),
        }
    }
}
