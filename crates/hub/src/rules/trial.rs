// SPDX-License-Identifier: EUPL-1.2
//! Rules tried on messages that came: where they would go, and where they went.
//!
//! Guarantees: nothing is moved or changed; a message tried by itself counts as read and stands so in its timeline
//! before anything is said of it. A trial of many tells what lists tell (subject and sender); when conditions ask
//! texts, that is told among what was done to the rules. It reads at most [`OCTETS`] octets, ends in time, and says how
//! far it came.

use std::sync::Arc;
use std::time::Duration;

use poststelle_evidence::NewEvidence;
use poststelle_model::{
    Access, Direction, Event, Message, MessageId, Role, Rule, Subject, Target, TenantId, Who,
};
use poststelle_store::{Scope, StoreError, messages, rules, tenants};
use serde_json::json;

use super::words::Places;
use super::wrong::in_words;
use super::{RulesError, condition, places};
use crate::change::Change;
use crate::hub::Hub;
use crate::process::facts;
use crate::readable;
use crate::reading::Reading;
use crate::routing::{self, Explanation, Facts, RuleSet, TEXT_CAP};
use crate::view::ViewError;

/// Most messages of one trial.
pub const TRIALS: i64 = 200;
/// Octets one trial reads.
pub const OCTETS: i64 = 256 * 1024 * 1024;

/// A trial takes no longer; conditions can be slow.
const LONGEST: Duration = Duration::from_secs(20);

/// How one rule fared in a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedLine {
    /// Its name.
    pub rule: String,
    /// Was it asked at all? An earlier one may have placed the message.
    pub asked: bool,
    /// Did it hit?
    pub hit: bool,
    /// Why it could not be asked; empty = it could.
    pub error: String,
    /// Its lines, and whether each holds.
    pub lines: Vec<(String, bool)>,
    /// What it does.
    pub actions: String,
}

/// One message tried.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Which.
    pub message: MessageId,
    /// What the conditions saw.
    pub facts: Facts,
    /// Came in?
    pub received: bool,
    /// The rules, in order.
    pub asked: Vec<AskedLine>,
    /// Where it would go.
    pub would: Vec<String>,
    /// Nobody claims it.
    pub clearing: bool,
    /// Would be marked urgent.
    pub urgent: bool,
    /// Where it went.
    pub went: Vec<String>,
    /// Is that the same?
    pub same: bool,
}

/// A message that would go elsewhere.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Which.
    pub message: MessageId,
    /// When it came, in Europe/Berlin.
    pub when: String,
    /// Subject.
    pub subject: String,
    /// Author's address.
    pub sender: String,
    /// Where it went.
    pub old: Vec<String>,
    /// Where it would go.
    pub new: Vec<String>,
    /// The rule that places it; empty = none.
    pub because: String,
}

/// Many messages tried.
#[derive(Debug, Clone, Default)]
pub struct Trials {
    /// Messages tried.
    pub tried: usize,
    /// Of these, how many would go where they went.
    pub same: usize,
    /// Messages the rules are not asked for, or that could not be opened.
    pub aside: usize,
    /// Older ones were left out: too many octets.
    pub cut: bool,
    /// Those that would go elsewhere, newest first.
    pub moved: Vec<Moved>,
}

impl Hub {
    /// The draft of a tenant (or its rules), compiled, with its names.
    async fn trial_rules(
        &self,
        access: &Access,
        tenant: TenantId,
    ) -> Result<(Vec<Rule>, Arc<RuleSet>, Places), RulesError> {
        if !access.has(Role::TenantAdmin, tenant) {
            return Err(ViewError::NotFound.into());
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let set = rules::set(&mut tx, tenant).await?;
        let rules = match set.draft {
            Some(draft) => draft,
            None => tenants::rules(&mut tx, tenant).await?,
        };
        let places = places(&mut tx, tenant).await?;
        tx.rollback().await?;
        let rows = rules.clone();
        let compiled = tokio::task::spawn_blocking(move || Arc::new(RuleSet::new(rows)))
            .await
            .map_err(|e| StoreError::Config(format!("rules: {e}")))?;
        Ok((rules, compiled, places))
    }

    /// Messages received last: what a trial may be made with.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the tenant is not for these eyes.
    pub async fn latest_received(
        &self,
        access: &Access,
        tenant: TenantId,
        limit: i64,
    ) -> Result<Vec<rules::Received>, RulesError> {
        if !access.has(Role::TenantAdmin, tenant) {
            return Err(ViewError::NotFound.into());
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        Ok(rules::received(&mut tx, tenant, limit).await?)
    }

    /// Tries the draft on one message.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when there is no such message of this tenant.
    pub async fn try_rules(
        &self,
        access: &Access,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<Trial, RulesError> {
        let (rules, compiled, places) = self.trial_rules(access, tenant).await?;
        let allowed = self.authorise(access, tenant, id).await?;
        self.record(&allowed, Reading::Seen).await?;
        let (message, facts) = self.trial_facts(tenant, id, compiled.wants_text).await?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let went = messages::deliveries(&mut tx, tenant, id).await?;
        tx.rollback().await?;
        let clearing = self.tenant(tenant).await?.clearing_desk;
        let (explanation, urgent) = compiled.route(&facts, clearing);
        let asked = rules.iter().filter(|r| r.active).map(|rule| {
            let asked = explanation.asked.iter().find(|a| a.rule == rule.id);
            let lines = condition::Condition::read(&rule.condition).map(|c| c.lines).unwrap_or_default();
            let holds = |line: &condition::Line| {
                line.cel().is_some_and(|cel| routing::holds(&cel, &facts) == Ok(true))
            };
            AskedLine {
                rule: rule.name.clone(),
                asked: asked.is_some(),
                hit: asked.is_some_and(|a| a.hit),
                error: asked.map(|a| in_words(&a.error)).unwrap_or_default(),
                lines: lines.iter().map(|l| (l.words(), holds(l))).collect(),
                actions: places.actions(rule),
            }
        });
        let asked = asked.collect();
        let mut old: Vec<Target> = went.into_iter().map(|d| d.target).collect();
        old.dedup();
        let new = targets(&explanation);
        Ok(Trial {
            message: id,
            received: message.direction == Direction::In,
            asked,
            would: new.iter().map(|t| places.target(t)).collect(),
            clearing: explanation.clearing,
            urgent,
            went: old.iter().map(|t| places.target(t)).collect(),
            same: is_same(&old, &new),
            facts,
        })
    }

    /// Tries the draft on the `n` messages received last, at most [`TRIALS`].
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the tenant is not for these eyes.
    pub async fn try_rules_on_many(
        &self,
        access: &Access,
        tenant: TenantId,
        n: i64,
    ) -> Result<Trials, RulesError> {
        let (_, compiled, places) = self.trial_rules(access, tenant).await?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let received = rules::received(&mut tx, tenant, n.clamp(1, TRIALS)).await?;
        tx.rollback().await?;
        let clearing = self.tenant(tenant).await?.clearing_desk;
        // What conditions find in texts tells of texts: that they were asked is told too.
        if compiled.wants_text {
            let body = json!({ "act": "try", "latest": received.len() });
            let who = Who::Principal { id: access.principal };
            let news = NewEvidence::new(tenant, Subject::rules(tenant), Event::Changed, who, body);
            let change = Change { evidence: vec![news], ..Change::default() };
            self.committer.commit(change).await.map_err(ViewError::from)?;
        }
        let began = std::time::Instant::now();
        let (mut out, mut octets) = (Trials::default(), 0_i64);
        for message in received {
            let then: Explanation = serde_json::from_str(&message.explanation).unwrap_or_default();
            let old = targets(&then);
            octets = octets.saturating_add(message.size);
            if octets > OCTETS || began.elapsed() > LONGEST {
                out.cut = true;
                break;
            }
            let by_rules = !old.iter().any(|t| matches!(t, Target::Receipt { .. }));
            let tried = if by_rules {
                self.trial_facts(tenant, message.id, compiled.wants_text).await.ok()
            } else {
                None
            };
            let Some((_, facts)) = tried else {
                out.aside += 1;
                continue;
            };
            let (explanation, _) = compiled.route(&facts, clearing);
            let new = targets(&explanation);
            out.tried += 1;
            if is_same(&old, &new) {
                out.same += 1;
                continue;
            }
            let because = explanation.placed.iter().rfind(|p| p.rule.is_some()).map(|p| p.because.clone());
            out.moved.push(Moved {
                message: message.id,
                when: message.accepted_at.berlin(),
                subject: message.subject,
                sender: message.sender,
                old: old.iter().map(|t| places.target(t)).collect(),
                new: new.iter().map(|t| places.target(t)).collect(),
                because: because.unwrap_or_default(),
            });
        }
        Ok(out)
    }

    /// What conditions see of a message, worked out anew from its octets.
    async fn trial_facts(
        &self,
        tenant: TenantId,
        id: MessageId,
        wants_text: bool,
    ) -> Result<(Message, Facts), StoreError> {
        let (message, content) = self.content(tenant, id).await?;
        let opened = self.open(&message, &content).await?;
        let mut facts = facts(&message, &opened);
        if wants_text {
            facts.text = readable::cut(Self::body_text(&content, &opened.parts).await?, TEXT_CAP);
        }
        Ok((message, facts))
    }
}

fn targets(explanation: &Explanation) -> Vec<Target> {
    explanation.placed.iter().map(|p| p.target.clone()).collect()
}

fn is_same(old: &[Target], new: &[Target]) -> bool {
    let sorted = |targets: &[Target]| {
        let mut targets = targets.to_vec();
        targets.sort();
        targets.dedup();
        targets
    };
    sorted(old) == sorted(new)
}
