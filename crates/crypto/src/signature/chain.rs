// SPDX-License-Identifier: EUPL-1.2
//! From a certificate to an anchor: building the chain and judging it (RFC 5280 §6.1, EN 319 102-1 §5.2.6).
//!
//! Guarantees: names, dates, signatures, basic constraints, key usage, purposes, path length, name constraints,
//! required policies and revocation of every certificate below the anchor; an unknown critical extension is never
//! passed over; work is capped ([`LONGEST`], [`STEPS`]). Shell model; the chain model where the anchor or the signer's
//! certificate demands it. Does not: fetch anything (see [`Outcome::wanted`]), nor check dates or revocation of the
//! anchor itself, whose trust comes from its source.

use super::revocation::{self, Status};
use super::setting::{Anchor, Setting, When};
use super::{Known, RevocationFacts, SubIndication, UnixTime, Verdict, Wanted};
use crate::asn1::{Oid, oid};
use crate::certificate::extensions::{GeneralName, usage};
use crate::certificate::{Certificate, Name};

/// Most certificates of a chain.
pub const LONGEST: usize = 10;
/// Most signatures checked while a chain is looked for.
pub const STEPS: usize = 100;

/// What the signer's certificate is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Signing documents and messages.
    Signature,
    /// Signing time-stamps: the one and critical purpose (RFC 3161 §2.3).
    TimeStamp,
    /// Anything: only the chain counts.
    Any,
}

/// What came with the signature: of use, not trusted.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// Certificates.
    pub certificates: Vec<Certificate>,
    /// Revocation lists, DER.
    pub crls: Vec<Vec<u8>>,
    /// Answers of responders, DER of OCSPResponse or BasicOCSPResponse.
    pub ocsps: Vec<Vec<u8>>,
}

impl Material {
    /// Adds what another has.
    pub fn extend(&mut self, other: &Self) {
        self.certificates.extend_from_slice(&other.certificates);
        self.crls.extend_from_slice(&other.crls);
        self.ocsps.extend_from_slice(&other.ocsps);
    }
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The verdict about the chain alone.
    pub verdict: Verdict,
    /// The signer first, the anchor last; without an anchor as far as it goes.
    pub chain: Vec<Certificate>,
    /// Where it ends.
    pub anchor: Option<Anchor>,
    /// What is known about revocation.
    pub revocations: Vec<RevocationFacts>,
    /// What is missing.
    pub wanted: Vec<Wanted>,
    /// Codes: `revocation-unknown`, `chain-model`.
    pub notes: Vec<String>,
}

/// Builds the chain of `signer` and judges it.
#[must_use]
pub fn judge(
    signer: &Certificate,
    material: &Material,
    when: When,
    usage: Usage,
    setting: &Setting<'_>,
) -> Outcome {
    let mut pool: Vec<Certificate> = Vec::new();
    let fetched = setting.known.iter().filter(|known| matches!(known.wanted, Wanted::Issuer { .. }));
    let fetched = fetched.flat_map(|known| certificates_in(&known.octets));
    let sources = material.certificates.iter().chain(&setting.trust.intermediates).cloned().chain(fetched);
    for certificate in sources.take(500) {
        if !pool.contains(&certificate) {
            pool.push(certificate);
        }
    }
    let mut search = Search {
        pool: &pool,
        material,
        when,
        usage,
        setting,
        steps: 0,
        best: None,
        longest: vec![signer.clone()],
    };
    search.extend(&mut vec![signer.clone()]);
    if let Some(best) = search.best {
        return best;
    }
    let chain = search.longest;
    let mut wanted = Vec::new();
    if let Some(last) = chain.last().filter(|last| !last.is_self_issued()) {
        let urls = last.extensions().issuer_urls.iter().filter(|url| url.starts_with("http")).take(3);
        wanted
            .extend(urls.map(|url| Wanted::Issuer { url: url.clone() }).filter(|w| !asked(setting.known, w)));
    }
    let verdict = Verdict::indeterminate(
        SubIndication::NoCertificateChainFound,
        "no chain to a trust anchor was found",
    );
    Outcome { verdict, chain, anchor: None, revocations: vec![], wanted, notes: vec![] }
}

/// Was this asked before?
pub(crate) fn asked(known: &[Known], wanted: &Wanted) -> bool {
    known.iter().any(|known| known.wanted == *wanted)
}

/// Certificates as they lie behind "caIssuers" (RFC 5280 §4.2.2.1): one, or a CMS with nothing else.
fn certificates_in(octets: &[u8]) -> Vec<Certificate> {
    match Certificate::all_from(octets) {
        found if found.is_empty() => crate::cms::certificates(octets).unwrap_or_default(),
        found => found,
    }
}

struct Search<'a> {
    pool: &'a [Certificate],
    material: &'a Material,
    when: When,
    usage: Usage,
    setting: &'a Setting<'a>,
    steps: usize,
    best: Option<Outcome>,
    longest: Vec<Certificate>,
}

impl Search<'_> {
    /// Depth first, anchors before others; `true` = a chain passed, stop.
    fn extend(&mut self, chain: &mut Vec<Certificate>) -> bool {
        let Some(last) = chain.last().cloned() else { return true };
        let anchors = &self.setting.trust.anchors;
        if let Some(anchor) = anchors.iter().find(|anchor| anchor.certificate == last)
            && self.found(chain, anchor)
        {
            return true;
        }
        if chain.len() > self.longest.len() {
            self.longest.clone_from(chain);
        }
        if chain.len() >= LONGEST || last.is_self_issued() && last.signed(&last) {
            return false;
        }
        let mut candidates: Vec<(&Certificate, Option<&Anchor>)> =
            anchors.iter().map(|anchor| (&anchor.certificate, Some(anchor))).collect();
        candidates.extend(self.pool.iter().map(|certificate| (certificate, None)));
        candidates.retain(|(certificate, _)| {
            certificate.subject() == last.issuer() && !chain.contains(certificate)
        });
        // Those whose key identifier fits come first (RFC 4158 §3.5.12).
        let wanted = last.extensions().authority_key_id.as_ref();
        candidates.sort_by_key(|(certificate, anchor)| {
            let fits = wanted.is_some() && wanted == certificate.extensions().subject_key_id.as_ref();
            (!fits, anchor.is_none())
        });
        for (candidate, anchor) in candidates {
            self.steps += 1;
            if self.steps > STEPS {
                return false;
            }
            if !candidate.signed(&last) {
                continue;
            }
            chain.push(candidate.clone());
            let done = match anchor {
                Some(anchor) => self.found(chain, anchor),
                None => self.extend(chain),
            };
            if done {
                return true;
            }
            chain.pop();
        }
        false
    }

    /// Judges a complete chain; `true` = it passed.
    fn found(&mut self, chain: &[Certificate], anchor: &Anchor) -> bool {
        let outcome = self.check(chain, anchor);
        let passed = outcome.verdict.is_passed();
        if passed || self.best.is_none() {
            self.best = Some(outcome);
        }
        passed
    }

    fn check(&self, chain: &[Certificate], anchor: &Anchor) -> Outcome {
        let chain_model = anchor.chain_model || chain.first().is_some_and(|c| c.extensions().chain_model);
        let mut outcome = Outcome {
            verdict: Verdict::passed(),
            chain: chain.to_vec(),
            anchor: Some(anchor.clone()),
            revocations: vec![],
            wanted: vec![],
            notes: vec![],
        };
        if chain_model {
            outcome.notes.push("chain-model".to_owned());
        }
        let times: Vec<When> = (0..chain.len())
            .map(|i| match i.checked_sub(1).and_then(|below| chain.get(below)) {
                Some(below) if chain_model => When::at(below.not_before()),
                _ => self.when,
            })
            .collect();
        if let Err(verdict) = self.constraints(chain, anchor, &times) {
            outcome.verdict = verdict;
            return outcome;
        }
        // From the anchor down, as a revoked issuer makes what it says of others worthless.
        for i in (0..chain.len().saturating_sub(1)).rev() {
            let (Some(certificate), Some(issuer), Some(when)) =
                (chain.get(i), chain.get(i + 1), times.get(i))
            else {
                break;
            };
            let ask = revocation::Question { certificate, issuer, at: when.latest };
            let status = revocation::status(&ask, self.material, self.setting);
            let verdict = match status {
                Status::Good(facts) => {
                    outcome.revocations.push(facts);
                    None
                }
                Status::Revoked(facts) => {
                    let since = facts.revoked_at.unwrap_or(facts.this_update);
                    outcome.revocations.push(facts);
                    Some(if i > 0 {
                        Verdict::indeterminate(
                            SubIndication::RevokedCaNoPoe,
                            format!("{} is revoked", certificate.subject()),
                        )
                    } else if when.earliest.is_some_and(|earliest| earliest >= since) {
                        Verdict::failed(SubIndication::Revoked, "signed after the certificate was revoked")
                    } else {
                        Verdict::indeterminate(
                            SubIndication::RevokedNoPoe,
                            "the certificate is revoked and nothing proves that it was signed before",
                        )
                    })
                }
                Status::Held(facts) => {
                    outcome.revocations.push(facts);
                    Some(Verdict::indeterminate(SubIndication::TryLater, "the certificate is suspended"))
                }
                Status::Unknown(wanted) => {
                    let more = !wanted.is_empty();
                    outcome.wanted.extend(wanted);
                    if self.setting.trust.policy.may_be_offline && !more {
                        outcome.notes.push("revocation-unknown".to_owned());
                        None
                    } else {
                        Some(Verdict::indeterminate(
                            SubIndication::TryLater,
                            format!("revocation of {} is not known", certificate.subject()),
                        ))
                    }
                }
            };
            if let Some(verdict) = verdict {
                // What is certain beats what is merely not known yet.
                let unknown = outcome.verdict.sub == Some(SubIndication::TryLater);
                if outcome.verdict.is_passed() || unknown {
                    outcome.verdict = verdict;
                }
            }
        }
        outcome.notes.dedup();
        outcome.wanted.dedup();
        outcome
    }

    /// Everything but revocation.
    fn constraints(&self, chain: &[Certificate], anchor: &Anchor, times: &[When]) -> Result<(), Verdict> {
        let broken =
            |detail: String| Err(Verdict::indeterminate(SubIndication::ChainConstraintsFailure, detail));
        let Some(signer) = chain.first() else { return broken("empty chain".to_owned()) };
        let latest = times.last().map_or(self.when.latest, |when| when.latest);
        if anchor.since.is_some_and(|since| latest < since)
            || anchor.until.is_some_and(|until| latest >= until)
        {
            return broken("the anchor was not trusted at that time".to_owned());
        }
        self.purpose(signer)?;
        if chain.len() == 1 {
            // The signer itself is trusted: its dates still say when it may sign.
            return dates(signer, self.when, true);
        }
        let issuers = chain.len() - 1;
        for (i, (certificate, when)) in chain.iter().zip(times).enumerate() {
            let extensions = certificate.extensions();
            if i < issuers {
                dates(certificate, *when, i == 0)?;
                let Some(scheme) = certificate.scheme() else {
                    return broken("signature algorithm of a certificate is not known".to_owned());
                };
                if let Some(issuer) = chain.get(i + 1) {
                    self.setting.trust.policy.algorithms.check(scheme, issuer.key(), when.latest)?;
                }
                if let Some(unknown) = extensions.unknown_critical.first() {
                    return broken(format!("critical extension {unknown} is not known"));
                }
            }
            if i == 0 {
                continue;
            }
            // An anchor of version 1 has no extensions and may issue all the same: the operator says so.
            let bare = i == issuers && extensions.key_usage.is_none() && extensions.subject_key_id.is_none();
            if !extensions.ca && !bare {
                return broken(format!("{} is not an issuer", certificate.subject()));
            }
            if !extensions.allows_usage(usage::CERT_SIGN) {
                return broken(format!("{} must not sign certificates", certificate.subject()));
            }
            let below = chain.get(1..i).unwrap_or_default();
            let between = below.iter().filter(|c| !c.is_self_issued()).count();
            if extensions.path_len.is_some_and(|most| between > most as usize) {
                return broken(format!("chain below {} is too long", certificate.subject()));
            }
            for (j, below) in chain.get(..i).unwrap_or_default().iter().enumerate() {
                if j == 0 || !below.is_self_issued() {
                    names(certificate, below)?;
                }
            }
        }
        policies(chain)
    }

    fn purpose(&self, signer: &Certificate) -> Result<(), Verdict> {
        let extensions = signer.extensions();
        let broken =
            |detail: &str| Err(Verdict::indeterminate(SubIndication::ChainConstraintsFailure, detail));
        let signing = usage::DIGITAL_SIGNATURE | usage::NON_REPUDIATION;
        match self.usage {
            Usage::Any => Ok(()),
            Usage::Signature if !extensions.allows_usage(signing) => {
                broken("key usage does not allow signing")
            }
            Usage::Signature if !extensions.allows_purpose(&self.setting.trust.policy.purposes) => {
                broken("extended key usage does not allow signing of documents")
            }
            Usage::TimeStamp if !extensions.allows_usage(signing) => {
                broken("key usage does not allow signing")
            }
            Usage::TimeStamp
                if extensions.purposes.as_deref() != Some(&[oid::TIME_STAMPING])
                    || !extensions.purposes_critical =>
            {
                broken("not a certificate for time-stamps only")
            }
            Usage::Signature | Usage::TimeStamp => Ok(()),
        }
    }
}

/// Is the certificate within its dates?
fn dates(certificate: &Certificate, when: When, signer: bool) -> Result<(), Verdict> {
    let name = certificate.subject();
    if when.latest < certificate.not_before() {
        return Err(if signer {
            Verdict::failed(SubIndication::NotYetValid, format!("{name} was not yet valid"))
        } else {
            Verdict::indeterminate(SubIndication::OutOfBoundsNoPoe, format!("{name} was not yet valid"))
        });
    }
    if when.latest > certificate.not_after() {
        return Err(if signer && when.earliest.is_some_and(|earliest| earliest > certificate.not_after()) {
            Verdict::failed(SubIndication::Expired, format!("{name} had expired"))
        } else {
            Verdict::indeterminate(
                SubIndication::OutOfBoundsNoPoe,
                format!("{name} has expired and nothing proves an earlier signature"),
            )
        });
    }
    Ok(())
}

/// Do the names of `below` keep the constraints of the issuer (RFC 5280 §4.2.1.10)?
fn names(issuer: &Certificate, below: &Certificate) -> Result<(), Verdict> {
    let Some(constraints) = &issuer.extensions().name_constraints else { return Ok(()) };
    let broken = |detail: String| Err(Verdict::indeterminate(SubIndication::ChainConstraintsFailure, detail));
    let mut all = below.extensions().alternative_names.clone();
    if !below.subject().is_empty() {
        all.push(GeneralName { kind: 4, content: below.subject().der().to_vec() });
    }
    let email = below.subject().value(oid::EMAIL);
    if !email.is_empty() && !all.iter().any(|name| name.kind == 1) {
        all.push(GeneralName { kind: 1, content: email.as_bytes().to_vec() });
    }
    for name in &all {
        let of_kind = |tree: &&GeneralName| tree.kind == name.kind;
        let trees = || constraints.permitted.iter().chain(&constraints.excluded).filter(of_kind);
        if trees().next().is_none() {
            continue;
        }
        if !matches!(name.kind, 1 | 2 | 4 | 6 | 7) {
            return broken("constraint for a kind of name that is not known".to_owned());
        }
        let mut permitted = constraints.permitted.iter().filter(of_kind).peekable();
        if permitted.peek().is_some() && !permitted.any(|tree| lies_below(name, tree)) {
            return broken(format!("a name of {} is outside what its issuer may name", below.subject()));
        }
        if constraints.excluded.iter().filter(of_kind).any(|tree| lies_below(name, tree)) {
            return broken(format!("a name of {} is excluded by its issuer", below.subject()));
        }
    }
    Ok(())
}

fn lies_below(name: &GeneralName, tree: &GeneralName) -> bool {
    let host_below = |host: &str, tree: &str| {
        tree.is_empty() || host == tree || host.ends_with(&format!(".{}", tree.trim_start_matches('.')))
    };
    let (text, top) = (name.text().to_lowercase(), tree.text().to_lowercase());
    match name.kind {
        1 => match text.rsplit_once('@') {
            Some((_, host)) if !top.contains('@') => {
                if top.starts_with('.') {
                    host_below(host, &top) && host != top
                } else {
                    host == top
                }
            }
            _ => text == top,
        },
        2 => host_below(&text, &top),
        4 => match (Name::from_der(&tree.content), Name::from_der(&name.content)) {
            (Ok(tree), Ok(name)) => tree.contains(&name),
            // What cannot be read is below nothing permitted; as an exclusion it is checked on readable names only.
            _ => false,
        },
        6 => {
            let host = text.split("://").nth(1).unwrap_or("").split(['/', '?', '#']).next().unwrap_or("");
            let host = host.rsplit('@').next().unwrap_or("").split(':').next().unwrap_or("");
            if top.starts_with('.') { host_below(host, &top) } else { host == top }
        }
        _ => {
            let half = tree.content.len() / 2;
            let (address, mask) = tree.content.split_at(half);
            name.content.len() == half
                && name.content.iter().zip(address).zip(mask).all(|((n, a), m)| n & m == a & m)
        }
    }
}

/// Required policies (RFC 5280 §6.1.3 d–f), kept as a set instead of a tree.
fn policies(chain: &[Certificate]) -> Result<(), Verdict> {
    /// `None` = any.
    type Set = Option<Vec<Oid>>;
    const ANY: Oid = Oid::new(&[2, 5, 29, 32, 0]);
    let mut valid: Set = None;
    let (mut explicit, mut any_allowed) = (u32::MAX, u32::MAX);
    let count = chain.len();
    for (i, certificate) in chain.iter().enumerate().rev() {
        let extensions = certificate.extensions();
        let anchor = i + 1 == count;
        if !anchor {
            let has_any = extensions.policies.contains(&ANY) && any_allowed > 0;
            let named: Vec<Oid> = extensions.policies.iter().copied().filter(|p| *p != ANY).collect();
            valid = match (valid, has_any) {
                (valid, true) => valid,
                (None, false) => Some(named),
                (Some(before), false) => Some(before.into_iter().filter(|p| named.contains(p)).collect()),
            };
            if explicit == 0 && valid.as_ref().is_some_and(Vec::is_empty) {
                return Err(Verdict::indeterminate(
                    SubIndication::ChainConstraintsFailure,
                    "a policy is required and none is valid along the chain",
                ));
            }
        }
        for policy in valid.iter_mut().flatten() {
            if let Some((_, to)) = extensions.policy_mappings.iter().find(|(from, _)| from == policy) {
                *policy = *to;
            }
        }
        if !certificate.is_self_issued() && !anchor {
            explicit = explicit.saturating_sub(u32::from(explicit != u32::MAX));
            any_allowed = any_allowed.saturating_sub(u32::from(any_allowed != u32::MAX));
        }
        explicit = explicit.min(extensions.explicit_policy.unwrap_or(u32::MAX));
        any_allowed = any_allowed.min(extensions.inhibit_any_policy.unwrap_or(u32::MAX));
    }
    Ok(())
}

/// When the signer's certificate could be used, as seconds; for messages about keys.
#[must_use]
pub fn within_dates(certificate: &Certificate, at: UnixTime) -> bool {
    (certificate.not_before()..=certificate.not_after()).contains(&at)
}
