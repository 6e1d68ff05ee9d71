// SPDX-License-Identifier: EUPL-1.2
//! What lies in containers: each member gets its line, its scan, its format notes, its signatures, and is opened in turn.
//!
//! Guarantees: one budget for the whole message; a member that cannot be read does not stop the others. Members stay
//! where they are: they are looked at, not stored.

use poststelle_crypto::digest::hex;
use tokio::sync::mpsc;

use crate::malware::Scan;
use crate::octets::Spool;
use crate::scan::Answer;
use crate::sheet::{CheckKind, Note, PartLine, PartVerdict};
use crate::station::{SourceError, Walk};
use crate::unpack::{self, Budget, Container, Kind, Member, Outcome};
use crate::{codes, conclusion, notes};

/// Octets of containers in a container that may wait in memory to be opened.
const WAITING: u64 = 16 * 1024 * 1024;

/// A member on its way from the reader to the checks.
struct Found {
    member: Member,
    content: Result<Spool, Note>,
}

impl Walk<'_> {
    /// Format notes of a file.
    pub(crate) async fn look(&self, line: &mut PartLine, spool: &Spool, name: &str) {
        let (spool, caps) = (spool.clone(), self.station.caps.clone());
        let (detected, declared) = (line.detected.clone(), line.declared.clone());
        let name = if name.is_empty() { line.name.clone() } else { name.to_owned() };
        let looked =
            tokio::task::spawn_blocking(move || notes::look(&spool, &detected, &declared, &name, &caps))
                .await;
        line.notes.extend(looked.unwrap_or_else(|_| vec![Note::new(codes::UNPACK_CRASHED)]));
        line.checks.push(self.check(CheckKind::Format, Note::new("ok")));
    }

    /// Lines of everything in a container, depth first, each with what the scanner said of it.
    pub(crate) async fn members(
        &mut self,
        line: &mut PartLine,
        spool: &Spool,
        depth: u32,
    ) -> Result<Vec<(PartLine, Scan)>, SourceError> {
        let Some(kind) = Kind::of(&line.detected) else { return Ok(Vec::new()) };
        let Some(mut budget) = self.budget.take() else { return Ok(Vec::new()) };
        let (out, mut found) = mpsc::channel::<Found>(1);
        let (container, caps) = (spool.clone(), self.station.caps.clone());
        let (folder, name) = (self.station.folder.clone(), line.name.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let of = Container { spool: &container, kind, name: &name, depth };
            let outcome = unpack::unpack(of, &caps, &mut budget, &mut |member, content| {
                let content = match Spool::read_from(&folder, u64::MAX, content) {
                    Ok(spool) => Ok(spool),
                    // Not the member's fault but our disk's: the whole inspection is tried again.
                    Err(error) => Err(content.failure().cloned().ok_or(error)?),
                };
                let sent = out.blocking_send(Found { member: member.clone(), content });
                sent.map_err(|_| std::io::ErrorKind::BrokenPipe.into())
            });
            (budget, outcome)
        });
        // Members are taken out of the reader's hands one by one; nested containers wait until it is through, so that
        // one budget serves all.
        let (mut taken, mut waiting) = (Vec::new(), 0);
        while let Some(Found { member, content }) = found.recv().await {
            let (mut inner, scan, mut nested) = self.member(line, member, content).await?;
            waiting += nested.as_ref().filter(|s| !s.is_on_disk()).map_or(0, Spool::len);
            if waiting > WAITING && nested.take().is_some() {
                let note = Note::new(codes::CAP_MEMORY).with("cap", WAITING);
                inner.checks.push(self.check(CheckKind::Unpack, note));
            }
            taken.push((inner, scan, nested));
        }
        let (budget, outcome) = reading.await.unwrap_or_else(|_| {
            let outcome = Outcome { notes: vec![Note::new(codes::UNPACK_CRASHED)], members: 0 };
            (Budget::new(&self.station.caps, || std::time::Duration::ZERO), Ok(outcome))
        });
        self.budget = Some(budget);
        let outcome = outcome?;
        // A PDF without files in it was opened as well, but nobody needs to know.
        if kind != Kind::Pdf || outcome.members > 0 || !outcome.notes.is_empty() {
            let bad = outcome.notes.iter().find(|n| is_incomplete(&n.code)).cloned();
            line.checks.push(self.check(CheckKind::Unpack, bad.unwrap_or_else(|| Note::new("ok"))));
        }
        line.notes.extend(outcome.notes);
        let mut all = Vec::new();
        for (mut inner, scan, nested) in taken {
            let inside = match nested {
                Some(spool) => Box::pin(self.members(&mut inner, &spool, depth + 1)).await?,
                None => Vec::new(),
            };
            conclusion::judge(&mut inner, false);
            if scan.answer().is_some_and(|a| *a != Answer::Clean) {
                inner.verdict = PartVerdict::Held;
            }
            all.push((inner, scan));
            all.extend(inside);
        }
        Ok(all)
    }

    /// One member: its line, its scan, and its octets if it is a container itself.
    async fn member(
        &mut self,
        of: &PartLine,
        member: Member,
        content: Result<Spool, Note>,
    ) -> Result<(PartLine, Scan, Option<Spool>), SourceError> {
        let mut line = PartLine {
            part: None,
            path: format!("{}/{}", of.path, member.path),
            name: member.name,
            declared: String::new(),
            detected: String::new(),
            size: i64::try_from(member.size.unwrap_or(0)).unwrap_or(i64::MAX),
            sha256: String::new(),
            verdict: PartVerdict::Good,
            checks: Vec::new(),
            notes: member.notes,
            signatures: Vec::new(),
            signed_by: of.signed_by.clone(),
        };
        let spool = match content {
            Ok(spool) => spool,
            Err(note) => {
                line.checks.push(self.check(CheckKind::Open, note));
                return Ok((line, Scan::NotScanned, None));
            }
        };
        line.size = i64::try_from(spool.len()).unwrap_or(i64::MAX);
        line.sha256 = hex(&spool.sha256());
        unpack::media_type(spool.detected(), &line.name).clone_into(&mut line.detected);
        let scan = self.malware_of(&line.path.clone(), &spool).await?;
        line.checks.push(scan.check());
        self.look(&mut line, &spool, "").await;
        self.verify_file(&mut line, &spool).await;
        let nested = Kind::of(&line.detected).map(|_| spool);
        Ok((line, scan, nested))
    }
}

/// Does this note say that not all of it was seen?
fn is_incomplete(code: &str) -> bool {
    code.starts_with("cap-") || code.starts_with("unpack-") || code == codes::MEMBER_ENCRYPTED
}
