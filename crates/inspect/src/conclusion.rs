// SPDX-License-Identifier: EUPL-1.2
//! From the lines of a sheet to its first words: from whom and how sure, complete or not, dangerous or not, and whether
//! the written form is kept.

use poststelle_crypto::signature::{Indication, Report, Scope};
use poststelle_model::Timestamp;

use crate::codes;
use crate::law::Law;
use crate::malware::Scan;
use crate::scan::Answer;
use crate::sheet::{Assurance, Completeness, Conclusion, Danger, Note, PartLine, PartVerdict, Sender, Sheet};
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
    whole: &Scan,
    lines: &[PartLine],
    law: &Law,
    at: Timestamp,
) -> Conclusion {
    let sender = sender(subject, lines);
    Conclusion {
        written_form: law.written_form(&subject.message, &sender, lines, at),
        sender,
        completeness: if lines.iter().any(|l| l.verdict == PartVerdict::Held) {
            Completeness::Held
        } else if lines.iter().any(|l| l.verdict == PartVerdict::Unchecked) {
            Completeness::Unreadable
        } else {
            Completeness::Complete
        },
        danger: danger(whole, lines),
    }
}

fn danger(whole: &Scan, lines: &[PartLine]) -> Danger {
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
    } else if SUSPICIOUS.iter().any(|c| found(c)) {
        Danger::Suspicious
    } else if answer.is_none() {
        Danger::NotScanned
    } else {
        Danger::Clean
    }
}

/// Signatures that vouch for what a person reads: good ones that cover the whole of their part.
pub(crate) fn vouching(lines: &[PartLine]) -> impl Iterator<Item = &Report> {
    lines
        .iter()
        .flat_map(|l| &l.signatures)
        .filter(|s| s.verdict.indication == Indication::TotalPassed && covers_all(&s.scope))
}

fn covers_all(scope: &Scope) -> bool {
    match scope {
        Scope::Whole => true,
        Scope::Some { .. } => false,
        Scope::Revision { changes, .. } => changes.is_empty(),
    }
}

fn sender(subject: &Subject<'_>, lines: &[PartLine]) -> Sender {
    let (name, address) = subject.sender;
    let claimed = match (name.trim(), address.trim()) {
        ("", address) => address.to_owned(),
        (name, "") => name.to_owned(),
        (name, address) => format!("{name} <{address}>"),
    };
    let best = vouching(lines).max_by_key(|s| matches!(s.quality.as_str(), "QES" | "QSEAL"));
    let Some(signer) = best.and_then(|s| s.signer.as_ref().map(|c| (s, c))) else {
        return Sender { claimed, proven: String::new(), assurance: Assurance::Claimed };
    };
    let (report, certificate) = signer;
    let same = certificate.emails.is_empty()
        || certificate.emails.iter().any(|e| e.eq_ignore_ascii_case(address.trim()));
    Sender {
        claimed,
        proven: certificate.name.clone(),
        assurance: match report.quality.as_str() {
            "QES" | "QSEAL" => Assurance::Qualified,
            _ if same => Assurance::Signed,
            _ => Assurance::SignedByOther,
        },
    }
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
