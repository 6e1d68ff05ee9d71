// SPDX-License-Identifier: EUPL-1.2
//! From what one signature says to its report, whatever its format: certificate chain at the times that count, time-stamps,
//! strength (EN 319 102-1 §5.3–5.5).
//!
//! Guarantees: the verdict that counts is that at the best proven time: the earliest good signature time-stamp, else the
//! receipt by the hub; a broken signature never reaches the chain. Does not: compute digests or look into formats.

use super::algorithm::Scheme;
use super::chain::{self, Material, Outcome, Usage};
use super::setting::{Setting, When};
use super::{
    CertificateFacts, Format, Indication, Report, Scope, SubIndication, TimeStampFacts, UnixTime, Verdict,
    Wanted,
};
use crate::certificate::Certificate;

/// What a verifier of one format found out about one signature.
#[derive(Debug, Clone)]
pub struct Findings {
    /// Format.
    pub format: Format,
    /// `B`, `T`, `LT`, `LTA`, or empty.
    pub level: String,
    /// Digests, signature value and the format's own rules: `Ok` when all of that is good.
    pub integrity: Result<(), Verdict>,
    /// Who signed, if the certificate is there.
    pub signer: Option<Certificate>,
    /// What came with it.
    pub material: Material,
    /// How it is signed; `None` = not known.
    pub scheme: Option<Scheme>,
    /// The time it claims.
    pub claimed_at: Option<UnixTime>,
    /// Time-stamps over the signature (`signature`, `document`, `archive`: made after it) and over the content
    /// (`content`: made before it), already judged.
    pub timestamps: Vec<TimeStampFacts>,
    /// What it covers.
    pub scope: Scope,
    /// Codes for the expert.
    pub notes: Vec<String>,
}

impl Findings {
    /// The report, and what is missing to say more.
    #[must_use]
    pub fn assess(self, setting: &Setting<'_>) -> (Report, Vec<Wanted>) {
        let good = |kinds: &[&str]| {
            let of_kind = |t: &&TimeStampFacts| kinds.contains(&t.kind.as_str()) && t.verdict.is_passed();
            self.timestamps.iter().filter(of_kind).map(|t| t.at).collect::<Vec<_>>()
        };
        let proven = good(&["signature", "document", "archive"]).into_iter().min();
        let earliest = good(&["content"]).into_iter().max();
        let latest = proven.unwrap_or(setting.received).min(setting.received);

        let mut wanted = Vec::new();
        let mut report = Report {
            format: self.format,
            level: self.level.clone(),
            verdict: Verdict::passed(),
            at_claimed: None,
            at_received: None,
            at_present: None,
            signer: self.signer.as_ref().map(Certificate::facts),
            chain: vec![],
            anchor: String::new(),
            quality: String::new(),
            claimed_at: self.claimed_at,
            proven_at: proven,
            algorithm: self.scheme.map_or_else(String::new, |scheme| scheme.to_string()),
            scope: self.scope.clone(),
            timestamps: self.timestamps.clone(),
            revocations: vec![],
            notes: self.notes.clone(),
        };
        if let Err(verdict) = &self.integrity {
            report.verdict = verdict.clone();
            // What is broken is broken at any time.
            return (report, wanted);
        }
        let Some(signer) = &self.signer else {
            report.verdict = Verdict::indeterminate(
                SubIndication::NoSigningCertificateFound,
                "the signer's certificate is not there",
            );
            return (report, wanted);
        };
        if earliest.is_some_and(|earliest| earliest > latest) {
            report.verdict = Verdict::indeterminate(
                SubIndication::TimestampOrderFailure,
                "a time-stamp on the content is younger than one on the signature",
            );
            return (report, wanted);
        }
        // The same moment is judged once: often receipt, check and proven time are one.
        let mut judged: Vec<(When, Verdict, Outcome)> = Vec::new();
        let mut judge = |when: When| {
            if let Some((_, verdict, outcome)) = judged.iter().find(|(then, ..)| *then == when) {
                return (verdict.clone(), outcome.clone());
            }
            let outcome = chain::judge(signer, &self.material, when, Usage::Signature, setting);
            for want in &outcome.wanted {
                if !wanted.contains(want) {
                    wanted.push(want.clone());
                }
            }
            let strong =
                self.scheme.map(|s| setting.trust.policy.algorithms.check(s, signer.key(), when.latest));
            let verdict = match strong {
                Some(Err(weak)) if outcome.verdict.is_passed() => weak,
                _ => outcome.verdict.clone(),
            };
            judged.push((when, verdict.clone(), outcome.clone()));
            (verdict, outcome)
        };
        let (verdict, outcome) = judge(When { earliest, latest });
        report.verdict = verdict;
        report.at_claimed = self.claimed_at.map(|at| judge(When::at(at)).0);
        report.at_received = Some(judge(When { earliest, latest: setting.received }).0);
        report.at_present = Some(judge(When { earliest, latest: setting.now }).0);
        if self.claimed_at.is_some_and(|at| at > setting.received) {
            report.notes.push("claimed-after-receipt".to_owned());
        }
        fill(&mut report, &outcome);
        (report, wanted)
    }
}

/// Takes chain, anchor, revocation and quality over.
fn fill(report: &mut Report, outcome: &Outcome) {
    report.chain = outcome.chain.iter().skip(1).map(Certificate::facts).collect();
    report.revocations.clone_from(&outcome.revocations);
    report.notes.extend(outcome.notes.iter().cloned());
    let Some(anchor) = &outcome.anchor else { return };
    report.anchor.clone_from(&anchor.source);
    report.quality = report.signer.as_ref().map_or_else(String::new, |signer| {
        let qualified_service = anchor.service.ends_with("/Svctype/CA/QC");
        quality(signer, qualified_service, report.verdict.indication).to_owned()
    });
}

/// Kind of signature by eIDAS. Only a trusted list makes something qualified, and only a verdict that is not negative.
fn quality(signer: &CertificateFacts, qualified_service: bool, indication: Indication) -> &'static str {
    if indication == Indication::TotalFailed {
        return "";
    }
    let has = |statement: &str| signer.statements.iter().any(|s| s == statement);
    let seal = has("QcType:eseal");
    if !qualified_service || !has("QcCompliance") || has("QcType:web") {
        return "ADES";
    }
    match (seal, has("QcSSCD")) {
        (true, true) => "QSEAL",
        (true, false) => "ADES_SEAL_QC",
        (false, true) => "QES",
        (false, false) => "ADES_QC",
    }
}
