// SPDX-License-Identifier: EUPL-1.2
//! What the verifiers of XML, PDF and JWS share while they collect their [`Findings`].
//!
//! Guarantees: a broken part outweighs an unknown one, whatever the order in which they are found. Does not: judge.

use super::algorithm::Hash;
use super::assess::Findings;
use super::chain::Material;
use super::setting::Setting;
use super::{Format, Judgement, Report, Scope, SubIndication, TimeStampFacts, Verdict, Wanted};
use crate::certificate::Certificate;
use crate::timestamp;

/// Findings with nothing found yet, and nothing wrong.
pub(super) fn blank(format: Format) -> Findings {
    Findings {
        format,
        level: String::new(),
        integrity: Ok(()),
        signer: None,
        material: Material::default(),
        scheme: None,
        claimed_at: None,
        timestamps: Vec::new(),
        scope: Scope::Some { what: Vec::new() },
        notes: Vec::new(),
    }
}

/// One more thing that is wrong.
pub(super) fn against(integrity: &mut Result<(), Verdict>, verdict: Verdict) {
    let failed = |v: &Verdict| v.indication == super::Indication::TotalFailed;
    let outweighed = integrity.as_ref().err().is_none_or(|before| failed(&verdict) && !failed(before));
    if outweighed {
        *integrity = Err(verdict);
    }
}

/// The report of something that cannot be read as a signature, or whose signed octets are not there.
#[must_use]
pub fn unreadable(format: Format, verdict: Verdict, setting: &Setting<'_>) -> Report {
    Findings { integrity: Err(verdict), ..blank(format) }.assess(setting).0
}

/// The report; digests of content count like the digest of the signature.
pub(super) fn conclude(findings: Findings, hashes: &[Hash], setting: &Setting<'_>) -> (Report, Vec<Wanted>) {
    let (mut report, wanted) = findings.assess(setting);
    let at = report.proven_at.unwrap_or(setting.received).min(setting.received);
    for hash in hashes {
        if let Err(weak) = setting.trust.policy.algorithms.check_hash(*hash, at)
            && report.verdict.is_passed()
        {
            report.lower(&weak);
        }
    }
    (report, wanted)
}

/// The report of a time-stamp (RFC 3161) that takes the place of a signature. `kind` as in [`TimeStampFacts::kind`].
#[must_use]
pub fn timestamp_report(
    token: &[u8],
    kind: &str,
    imprint: &dyn Fn(Hash) -> Option<Vec<u8>>,
    material: &Material,
    setting: &Setting<'_>,
) -> (Report, Vec<Wanted>) {
    let judged = timestamp::verify_with(token, imprint, material, setting);
    let facts = TimeStampFacts { kind: kind.to_owned(), ..judged.facts };
    let mut report = unreadable(Format::TimeStamp, facts.verdict.clone(), setting);
    report.signer = judged.chain.first().map(Certificate::facts);
    report.chain = judged.chain.iter().skip(1).map(Certificate::facts).collect();
    report.proven_at = facts.verdict.is_passed().then_some(facts.at);
    report.timestamps = vec![facts];
    (report, judged.wanted)
}

/// Adds one report.
pub(super) fn add(judgement: &mut Judgement, report: Report, wanted: Vec<Wanted>) {
    judgement.reports.push(report);
    judgement.wanted.extend(wanted);
    judgement.wanted.sort();
    judgement.wanted.dedup();
}

/// *Not known*, because the rules of the format or ours say so.
pub(super) fn constraint(what: impl Into<String>) -> Verdict {
    Verdict::indeterminate(SubIndication::SigConstraintsFailure, what)
}

/// *Broken*: not of the format.
pub(super) fn malformed(what: impl Into<String>) -> Verdict {
    Verdict::failed(SubIndication::FormatFailure, what)
}

/// *Not known*: what is signed is not there.
pub(super) fn missing(what: impl Into<String>) -> Verdict {
    Verdict::indeterminate(SubIndication::SignedDataNotFound, what)
}
