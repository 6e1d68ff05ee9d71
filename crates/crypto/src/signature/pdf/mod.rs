// SPDX-License-Identifier: EUPL-1.2
//! Signatures in PDF: ISO 32000-2 §12.8 (`adbe.pkcs7.detached`, `adbe.pkcs7.sha1`) and PAdES (ETSI EN 319 142,
//! `ETSI.CAdES.detached`, `ETSI.RFC3161`).
//!
//! Guarantees: every signature field is reported; a signature counts only when its range is exactly a revision without
//! its own value ([`range`]) and the value belongs to that field in that revision; what later revisions changed is said
//! ([`changes`]), and when it is more than the standard permits the signature is not *passed*. Certificates and
//! revocation facts of the DSS are used, document time-stamps prove the time of what they cover. Does not: decrypt,
//! check `adbe.x509.rsa_sha1`, compare how pages look, or notice how another reader repairs a damaged file.

mod changes;
mod range;
mod read;
mod sign;

pub use sign::{About, sign};

use std::ops::ControlFlow;

use lopdf::{Document, Object};

use self::changes::{Changes, Later, between};
use self::range::Range;
use self::read::{Field, dss, fields, load, locked, permitted};
use super::algorithm::Hash;
use super::chain::Material;
use super::cms::{self, Beside, Detached};
use super::gather::{add, constraint, malformed, timestamp_report, unreadable};
use super::setting::Setting;
use super::{Format, Indication, Judgement, Report, Scope, SubIndication, TimeStampFacts, Verdict, Wanted};

/// Largest file, octets.
pub const BYTES: usize = 32 * 1024 * 1024;
/// Most signatures of one file.
const SIGNATURES: usize = 50;
/// Octets of all revisions read for one file.
const READ: usize = 512 * 1024 * 1024;

/// One signature with its place in the file.
struct Place<'d> {
    field: &'d Field,
    range: Range,
    contents: Vec<u8>,
}

/// Judges every signature of a file, in the order in which they were made. No signature = no report; a file that is no
/// readable PDF has none either, unless it is full of marks of signatures.
#[must_use]
pub fn verify(file: &[u8], setting: &Setting<'_>) -> Judgement {
    let mut judgement = Judgement::default();
    let marked = || file.windows(10).any(|window| window == b"/ByteRange");
    let now = match load(file) {
        Ok(now) => now,
        Err(verdict) => {
            if marked() {
                judgement.reports.push(unreadable(Format::Pdf, verdict, setting));
            }
            return judgement;
        }
    };
    let found = fields(&now);
    if found.is_empty() && marked() {
        let what = "the file has marks of a signature, but no field leads to one";
        judgement.reports.push(unreadable(
            Format::Pdf,
            Verdict::indeterminate(SubIndication::FormatFailure, what),
            setting,
        ));
        return judgement;
    }
    if found.len() > SIGNATURES {
        let verdict = Verdict::indeterminate(SubIndication::FormatFailure, "too many signatures");
        judgement.reports.push(unreadable(Format::Pdf, verdict, setting));
        return judgement;
    }
    let (material, has_revocations) = dss(&now);
    let mut places = Vec::new();
    let mut broken = Vec::new();
    for field in &found {
        match range::read(file, &field.value) {
            Ok((range, contents)) => places.push(Place { field, range, contents }),
            Err(what) => broken.push(what),
        }
    }
    places.sort_by_key(|place| place.range.end);
    let revisions = Revisions { file, now: &now, left: std::cell::Cell::new(READ) };

    // The last time-stamp first: each one proves the time of all that lies below it.
    let mut stamps: Vec<(usize, TimeStampFacts)> = Vec::new();
    let mut reports: Vec<(usize, Report, Vec<Wanted>)> = Vec::new();
    for (index, place) in places.iter().enumerate().rev() {
        let later = stamps.iter().filter(|(end, _)| *end > place.range.end).map(|(_, facts)| facts.clone());
        let beside = Beside { material: material.clone(), timestamps: later.collect() };
        let (mut report, wanted) = one(file, place, &beside, setting);
        if report.format == Format::TimeStamp {
            stamps.extend(report.timestamps.first().map(|facts| (place.range.end, facts.clone())));
        }
        if report.level == "T" && has_revocations {
            report.level = if beside.timestamps.is_empty() { "LT" } else { "LTA" }.into();
        }
        if report.level == "B" && !beside.timestamps.is_empty() {
            report.level = if has_revocations { "LT" } else { "T" }.into();
        }
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let above = reports.iter().filter(|(of, ..)| places[*of].range.end > place.range.end);
        let above: Vec<Later<'_>> = above
            .map(|(of, report, _)| Later {
                value: &places[*of].field.value,
                good: report.verdict.is_passed(),
            })
            .collect();
        revisions.examine(place, number, &above, &mut report);
        reports.push((index, report, wanted));
    }
    for (_, report, wanted) in reports.into_iter().rev() {
        add(&mut judgement, report, wanted);
    }
    for what in broken {
        judgement.reports.push(unreadable(Format::Pdf, malformed(what), setting));
    }
    judgement
}

/// Signature value and chain.
fn one(file: &[u8], place: &Place<'_>, beside: &Beside, setting: &Setting<'_>) -> (Report, Vec<Wanted>) {
    let pieces = place.range.pieces(file);
    let digest = |hash: Hash| {
        let mut hasher = hash.hasher();
        for piece in pieces {
            hasher.update(piece);
        }
        hasher.finish()
    };
    let value = range::unpadded(&place.contents);
    let kind = place.field.value.get(b"SubFilter").and_then(Object::as_name).unwrap_or_default();
    let judged = match kind {
        b"ETSI.RFC3161" => {
            return timestamp_report(
                value,
                "document",
                &|hash| Some(digest(hash)),
                &beside.material,
                setting,
            );
        }
        b"adbe.pkcs7.detached" | b"ETSI.CAdES.detached" => {
            if !matches!(crate::cms::content(value), Ok(None)) {
                let verdict = malformed("the value is not detached");
                return (unreadable(Format::Pdf, verdict, setting), Vec::new());
            }
            let digests: Vec<_> =
                cms::digests_needed(value).into_iter().map(|hash| (hash, digest(hash))).collect();
            cms::verify_with(value, Detached::Digests(&digests), beside, setting)
        }
        b"adbe.pkcs7.sha1" => {
            // The signed content is the SHA-1 of the range (ISO 32000-1 §12.8.3.3.1).
            let mut judged = cms::verify_with(value, Detached::None, beside, setting);
            let inside = crate::cms::content(value).ok().flatten();
            if inside.as_deref() != Some(digest(Hash::Sha1).as_slice()) {
                for report in &mut judged.reports {
                    let what = "the file is not what was signed";
                    report.lower(&Verdict::failed(SubIndication::HashFailure, what));
                }
            } else if let Err(weak) = setting.trust.policy.algorithms.check_hash(Hash::Sha1, setting.received)
            {
                for report in judged.reports.iter_mut().filter(|r| r.verdict.is_passed()) {
                    report.lower(&weak);
                }
            }
            judged
        }
        other => {
            let name: String = String::from_utf8_lossy(other).chars().take(60).collect();
            let verdict = constraint(format!("sub-filter {name:?} is not judged here"));
            return (unreadable(Format::Pdf, verdict, setting), Vec::new());
        }
    };
    let wanted = judged.wanted;
    let mut reports = judged.reports.into_iter();
    match (reports.next(), reports.next()) {
        (Some(mut report), None) => {
            report.format = if kind == b"ETSI.CAdES.detached" { Format::Pades } else { Format::Pdf };
            (report, wanted)
        }
        (Some(_), Some(_)) => {
            (unreadable(Format::Pdf, malformed("several signers in one signature"), setting), wanted)
        }
        (None, _) => (unreadable(Format::Pdf, malformed("no signer in the signature"), setting), wanted),
    }
}

/// The file and its revisions.
struct Revisions<'d> {
    file: &'d [u8],
    now: &'d Document,
    left: std::cell::Cell<usize>,
}

impl Revisions<'_> {
    /// Says what came after a signature, and takes *passed* back where it was too much.
    fn examine(&self, place: &Place<'_>, number: u32, later: &[Later<'_>], report: &mut Report) {
        let rest = self.file.get(place.range.end..).unwrap_or(&[]);
        let changes = if rest.trim_ascii().is_empty() {
            if report.verdict.indication != Indication::TotalFailed {
                report.scope = Scope::Whole;
            }
            None
        } else {
            match self.changes(place, later) {
                ControlFlow::Continue(changes) => Some(changes),
                ControlFlow::Break(verdict) => {
                    report.lower(&verdict);
                    Some(Changes::default())
                }
            }
        };
        let Some(changes) = changes else { return };
        report.notes.extend(changes.permitted.iter().map(|code| format!("later-{code}")));
        if !changes.forbidden.is_empty() {
            let codes: Vec<_> = changes.forbidden.iter().copied().collect();
            report.lower(&constraint(format!("changed after it was signed: {}", codes.join(", "))));
        }
        report.scope = Scope::Revision {
            number,
            end: place.range.end as u64,
            size: self.file.len() as u64,
            changes: changes.forbidden.iter().map(|code| (*code).to_owned()).collect(),
        };
    }

    fn changes(&self, place: &Place<'_>, later: &[Later<'_>]) -> ControlFlow<Verdict, Changes> {
        let cap = || ControlFlow::Break(constraint("cap crossed: revisions of the file"));
        match self.left.get().checked_sub(place.range.end) {
            Some(left) => self.left.set(left),
            None => return cap(),
        }
        let revision = self.file.get(..place.range.end).unwrap_or(&[]);
        let then = match load(revision) {
            Ok(then) => then,
            Err(_) => {
                return ControlFlow::Break(constraint("the signed revision is no readable PDF of its own"));
            }
        };
        let before = fields(&then);
        let own = before.iter().find(|f| f.same_value(place.field));
        let Some(own) = own else {
            return ControlFlow::Break(constraint("the signature is not part of the revision it covers"));
        };
        let mut changes = between(&then, self.now, permitted(&then, &before), &locked(&then, own), later);
        if read::last_xref(self.file).is_none_or(|at| at < place.range.end) {
            // Octets behind the revision that no cross-reference leads to: some readers find objects there all the same.
            changes.forbidden.insert("octets-appended");
        }
        ControlFlow::Continue(changes)
    }
}
