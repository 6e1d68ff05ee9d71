// SPDX-License-Identifier: EUPL-1.2
//! From the lines of a sheet to its first words: from whom and how sure, complete or not, dangerous or not, and whether
//! the written form is kept.

use poststelle_crypto::signature::{Format, Indication, Report, Scope};
use poststelle_model::Timestamp;

use crate::codes;
use crate::law::Law;
use crate::malware::Scan;
use crate::scan::Answer;
use crate::sheet::{
    Assurance, CheckKind, Completeness, Conclusion, Danger, Note, PartLine, PartVerdict, Sender, Sheet,
};
use crate::station::Subject;

/// Outcomes of checks that say nothing is wrong.
const FINE: [&str; 2] = ["ok", "not-scanned"];
/// Notes that ask for care before a file is opened.
const SUSPICIOUS: &[&str] = &[
    codes::EXECUTABLE,
    codes::OFFICE_MACROS,
    codes::NAME_DOUBLE_EXTENSION,
    codes::NAME_BIDI,
    codes::POLYGLOT,
    codes::TYPE_NAME,
];
/// Notes that only tell what was done.
const HARMLESS: [&str; 3] = ["decrypted", "signed-content", codes::PDF_EMBEDDED];

/// Gives a line its one word.
pub(crate) fn judge(line: &mut PartLine, held: bool) {
    line.verdict = if held {
        PartVerdict::Held
    } else if line.checks.iter().any(|c| !FINE.contains(&c.outcome.code.as_str())) {
        PartVerdict::Unchecked
    } else if line.notes.iter().any(|n| !HARMLESS.contains(&n.code.as_str()))
        || line.signatures.iter().any(|s| !s.verdict.is_passed())
    {
        PartVerdict::Noted
    } else {
        PartVerdict::Good
    };
}

/// The conclusion of a sheet.
pub(crate) fn draw(
    subject: &Subject<'_>,
    (whole, body): (&Scan, &[i64]),
    (lines, omitted): (&[PartLine], u64),
    law: &Law,
    at: Timestamp,
) -> Conclusion {
    let sender = sender(subject, body, lines);
    Conclusion {
        written_form: law.written_form(&subject.message, lines, omitted, at),
        sender,
        completeness: if lines.iter().any(|l| l.verdict == PartVerdict::Held) {
            Completeness::Held
        } else if omitted > 0 || lines.iter().any(|l| l.verdict == PartVerdict::Unchecked) {
            Completeness::Unreadable
        } else {
            Completeness::Complete
        },
        danger: danger(whole, lines, omitted),
    }
}

fn danger(whole: &Scan, lines: &[PartLine], omitted: u64) -> Danger {
    let found = |code: &str| {
        lines.iter().any(|l| l.checks.iter().map(|c| &c.outcome).chain(&l.notes).any(|n| n.code == code))
    };
    let answer = whole.answer();
    if matches!(answer, Some(Answer::Infected { .. })) || found("malware") {
        Danger::Infected
    } else if matches!(answer, Some(Answer::Indeterminate { .. }))
        || lines.iter().any(|l| l.verdict == PartVerdict::Held)
    {
        Danger::Indeterminate
    } else if omitted > 0 || SUSPICIOUS.iter().any(|c| found(c)) || lines.iter().any(is_partly_seen) {
        Danger::Suspicious
    } else if answer.is_none() {
        Danger::NotScanned
    } else {
        Danger::Clean
    }
}

/// Something of which not everything was seen: what is clean about it is only the outside.
fn is_partly_seen(line: &PartLine) -> bool {
    let opens = |kind| matches!(kind, CheckKind::Open | CheckKind::Decrypt | CheckKind::Unpack);
    line.checks.iter().any(|c| opens(c.kind) && c.outcome.code != "ok")
}

/// A good signature that covers the whole of what it stands on.
pub(crate) fn vouches(report: &Report) -> bool {
    report.format != Format::TimeStamp
        && report.verdict.indication == Indication::TotalPassed
        && covers_all(&report.scope)
}

fn covers_all(scope: &Scope) -> bool {
    match scope {
        Scope::Whole => true,
        Scope::Some { .. } => false,
        Scope::Revision { changes, .. } => changes.is_empty(),
    }
}

/// Who vouches for the sender: a good signature over what was written. One on an attachment is somebody's, but says
/// nothing about who sent it.
fn sender(subject: &Subject<'_>, body: &[i64], lines: &[PartLine]) -> Sender {
    let (name, address) = subject.sender;
    let claimed = match (name.trim(), address.trim()) {
        ("", address) => address.to_owned(),
        (name, "") => name.to_owned(),
        (name, address) => format!("{name} <{address}>"),
    };
    let written: Vec<&str> = lines
        .iter()
        .filter(|l| l.part.is_some_and(|n| body.contains(&n)))
        .flat_map(|l| l.signed_by.iter().map(String::as_str))
        .collect();
    let signer = |over: bool| {
        lines
            .iter()
            .filter(|l| written.contains(&l.path.as_str()) == over)
            .flat_map(|l| &l.signatures)
            .filter(|s| vouches(s))
            .find_map(|s| s.signer.as_ref().map(|c| (s, c)))
    };
    let (proven, assurance) = match (signer(true), signer(false)) {
        (Some((report, certificate)), _) => {
            let same = certificate.emails.is_empty()
                || certificate.emails.iter().any(|e| e.eq_ignore_ascii_case(address.trim()));
            let assurance = match report.quality.as_str() {
                _ if !same => Assurance::SignedByOther,
                "QES" | "QSEAL" => Assurance::Qualified,
                _ => Assurance::Signed,
            };
            (certificate.name.clone(), assurance)
        }
        (None, Some((_, certificate))) => (certificate.name.clone(), Assurance::SignedByOther),
        (None, None) => (String::new(), Assurance::Claimed),
    };
    Sender { claimed, proven, assurance }
}

/// What is different from the version before, one note for each part and conclusion.
pub(crate) fn changes(before: &Sheet, now: &Sheet) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut differs = |what: &str, was: &str, is: &str| {
        if was != is {
            notes.push(Note::new("changed").with("what", what).with("was", was).with("is", is));
        }
    };
    differs("danger", before.conclusion.danger.as_str(), now.conclusion.danger.as_str());
    differs("completeness", before.conclusion.completeness.as_str(), now.conclusion.completeness.as_str());
    differs(
        "written_form",
        before.conclusion.written_form.verdict.as_str(),
        now.conclusion.written_form.verdict.as_str(),
    );
    differs("sender", before.conclusion.sender.assurance.as_str(), now.conclusion.sender.assurance.as_str());
    for line in &now.parts {
        let was = before.parts.iter().find(|l| l.path == line.path).map_or("", |l| l.verdict.as_str());
        differs(&format!("part {}", line.path), was, line.verdict.as_str());
    }
    notes
}
