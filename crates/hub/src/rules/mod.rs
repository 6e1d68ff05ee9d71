// SPDX-License-Identifier: EUPL-1.2
//! A tenant's rules under people's hands: prepared in a draft, tried, released as a whole, kept for ever.
//!
//! Guarantees: what is changed is the draft; only a release makes it true, all of it in one transaction with its
//! evidence. A change names the version it was made from and is refused when that is not the present one; where two
//! persons are needed, whoever proposed a draft does not release it, and any change takes the proposal back. Who does
//! not administer the tenant gets the answer of one that is not there; an operator sees rules only where two persons
//! are needed, to be the second one, and never a message.

pub mod condition;
mod trial;
pub mod words;
mod wrong;

use std::collections::{BTreeMap, HashMap};

use poststelle_model::{
    Access, Action, ChannelKind, Fault, PrincipalId, Reason, Role, Rule, RuleId, TenantId, Timestamp, Who,
};
use poststelle_store::rules::{self, Release, RuleSet};
use poststelle_store::tenants::{self, Tenant};
use poststelle_store::{Scope, StoreError, Tx, access};
use serde_json::json;

pub use self::trial::{AskedLine, Moved, Trial, Trials};
use self::words::Places;
pub use self::wrong::reason;
use crate::directory::{ACTIONS, DirectoryError, address_fits, name_fits};
use crate::hub::Hub;
use crate::routing;
use crate::view::ViewError;

/// Most rules of a tenant.
pub const RULES: usize = 200;
/// Releases shown.
const HISTORY: i64 = 100;

/// Why something about rules was not done.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Not there, or not for these eyes; the store.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Writing it.
    #[error(transparent)]
    Directory(DirectoryError),
    /// Somebody changed draft or rules since they were read.
    #[error("changed meanwhile")]
    Changed,
    /// Refused, and why.
    #[error("{0}")]
    Refused(Reason),
}

impl From<DirectoryError> for RulesError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Store(StoreError::Conflict(_) | StoreError::Exists(_)) => Self::Changed,
            DirectoryError::Evidence(e) if e.is_conflict() => Self::Changed,
            other => Self::Directory(other),
        }
    }
}

impl From<StoreError> for RulesError {
    fn from(error: StoreError) -> Self {
        Self::View(error.into())
    }
}

fn refused<T>(code: &'static str) -> Result<T, RulesError> {
    Err(RulesError::Refused(Reason::new(code, Fault::Sender)))
}

/// A change of what is prepared.
#[derive(Debug, Clone)]
pub enum Step {
    /// Adds a rule at the end, or changes the one with this id.
    Put(Rule),
    /// One place up or down.
    Move {
        /// Which.
        rule: RuleId,
        /// Up?
        up: bool,
    },
    /// Switches a rule on or off.
    Switch {
        /// Which.
        rule: RuleId,
        /// On?
        on: bool,
    },
    /// Takes a rule out.
    Remove {
        /// Which.
        rule: RuleId,
    },
    /// All rules anew.
    Replace(Vec<Rule>),
    /// The rules of an earlier release as draft.
    TakeBack {
        /// Its number.
        release: i64,
    },
    /// Lays the draft before a second person.
    Propose,
    /// Throws the draft away.
    Discard,
    /// From now on a release needs two persons, or no longer.
    TwoPersons(bool),
}

/// The rules of a tenant and what is prepared.
#[derive(Debug, Clone)]
pub struct RulesView {
    /// Whose.
    pub tenant: Tenant,
    /// Does who looks administer the tenant (or is the second person)?
    pub administers: bool,
    /// Who looks.
    pub principal: PrincipalId,
    /// What is prepared.
    pub set: RuleSet,
    /// Number of the release in force; 0 = never released.
    pub released: i64,
    /// In force.
    pub rules: Vec<Rule>,
    /// Names of desks and connectors.
    pub places: Places,
    /// What the draft would change; empty = nothing.
    pub differences: Vec<String>,
    /// Names of people.
    pub names: BTreeMap<PrincipalId, String>,
    /// Who changed a rule in force last, and when.
    pub changed: HashMap<RuleId, (String, Timestamp)>,
}

impl RulesView {
    /// The rules as they are to be: the draft, or those in force.
    #[must_use]
    pub fn shown(&self) -> &[Rule] {
        self.set.draft.as_deref().unwrap_or(&self.rules)
    }

    /// A person's name.
    #[must_use]
    pub fn name(&self, who: Option<PrincipalId>) -> String {
        who.and_then(|id| self.names.get(&id)).cloned().unwrap_or_else(|| "ein Konto".to_owned())
    }

    /// May who looks release the draft now?
    #[must_use]
    pub fn may_release(&self) -> bool {
        match (self.set.two_persons, self.set.proposed_by) {
            (false, _) => self.administers,
            (true, None) => false,
            (true, Some(by)) => by != self.principal,
        }
    }
}

/// A release in words.
#[derive(Debug, Clone)]
pub struct ReleaseView {
    /// As kept.
    pub release: Release,
    /// Who released it.
    pub by: String,
    /// Who had proposed it; empty = nobody had to.
    pub proposed_by: String,
    /// What it changed.
    pub differences: Vec<String>,
}

impl Hub {
    /// The tenant, and whether the asking principal administers it (or is there as the second person).
    async fn ruled(
        &self,
        tx: &mut Tx,
        access: &Access,
        tenant: TenantId,
    ) -> Result<(Tenant, bool), ViewError> {
        let administers = access.has(Role::TenantAdmin, tenant);
        let second = access.is_operator() && !tenant.is_system();
        if !(administers || second && rules::set(tx, tenant).await?.two_persons) {
            return Err(ViewError::NotFound);
        }
        let row = tenants::get(tx, tenant).await?.ok_or(ViewError::NotFound)?;
        Ok((row, administers))
    }

    /// The rules of a tenant and what is prepared.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not for these eyes.
    pub async fn rules_view(&self, access: &Access, tenant: TenantId) -> Result<RulesView, RulesError> {
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let (row, administers) = self.ruled(&mut tx, access, tenant).await?;
        let set = rules::set(&mut tx, tenant).await?;
        let releases = rules::releases(&mut tx, tenant, i64::MAX, HISTORY).await?;
        let rules = tenants::rules(&mut tx, tenant).await?;
        let places = places(&mut tx, tenant).await?;
        let mut people: Vec<PrincipalId> =
            releases.iter().filter_map(|r| principal(&r.released_by)).collect();
        people.extend(set.changed_by.into_iter().chain(set.proposed_by));
        let names = names(&mut tx, people).await?;
        tx.rollback().await?;
        let draft = set.draft.as_deref().unwrap_or(&rules);
        let differences = words::differences(&rules, draft, &places);
        let changed = rules.iter().filter_map(|rule| {
            // The oldest release that has it as it is.
            let as_is = releases
                .iter()
                .take_while(|r| words::find(&r.rules, rule.id).is_some_and(|o| words::same(o, rule)));
            let first = as_is.last()?;
            Some((rule.id, (who(&first.released_by, &names), first.released_at)))
        });
        let changed = changed.collect();
        let released = releases.first().map_or(0, |r| r.version);
        let principal = access.principal;
        Ok(RulesView {
            tenant: row,
            administers,
            principal,
            set,
            released,
            rules,
            places,
            differences,
            names,
            changed,
        })
    }

    /// Every release, newest first.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not for these eyes.
    pub async fn rule_history(
        &self,
        access: &Access,
        tenant: TenantId,
    ) -> Result<(Tenant, Vec<ReleaseView>), RulesError> {
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let (row, _) = self.ruled(&mut tx, access, tenant).await?;
        let releases = rules::releases(&mut tx, tenant, i64::MAX, HISTORY + 1).await?;
        let places = places(&mut tx, tenant).await?;
        let people = releases.iter().flat_map(|r| principal(&r.released_by).into_iter().chain(r.proposed_by));
        let names = names(&mut tx, people.collect()).await?;
        tx.rollback().await?;
        let views = releases.iter().enumerate().map(|(i, r)| {
            let before = releases.get(i + 1).map(|b| b.rules.as_slice()).unwrap_or_default();
            ReleaseView {
                by: who(&r.released_by, &names),
                proposed_by: r
                    .proposed_by
                    .map(|p| who(&Who::Principal { id: p }.to_text(), &names))
                    .unwrap_or_default(),
                differences: words::differences(before, &r.rules, &places),
                release: r.clone(),
            }
        });
        let views = views.take(usize::try_from(HISTORY).unwrap_or(0)).collect();
        Ok((row, views))
    }

    /// Changes what is prepared; `seen` is the version it was made from. Gives the version after it.
    ///
    /// # Errors
    /// [`RulesError`]; nothing is changed then.
    pub async fn prepare_rules(
        &self,
        access: &Access,
        tenant: TenantId,
        seen: i64,
        step: Step,
    ) -> Result<i64, RulesError> {
        let mut edit = self.edit(&Who::Principal { id: access.principal }).await?;
        let tx = edit.tx().await?;
        tx.enter(Scope::Tenant(tenant)).await?;
        let (_, administers) = self.ruled(tx, access, tenant).await?;
        // The second person of the house may say that one is enough again, and nothing else.
        if !administers && !matches!(step, Step::TwoPersons(false)) {
            return Err(ViewError::ReadOnly.into());
        }
        let mut set = rules::set(tx, tenant).await?;
        if set.version != seen {
            return Err(RulesError::Changed);
        }
        let (base, there) = (rules::last_release(tx, tenant).await?, tenants::rules(tx, tenant).await?);
        let places = places(tx, tenant).await?;
        let had_draft = set.draft.is_some();
        let mut rules = set.draft.take().unwrap_or_else(|| there.clone());
        let mut did = json!({ "draft": set.version + 1, "act": step.word() });
        let mut say = |key: &str, value: String| {
            if let Some(map) = did.as_object_mut() {
                map.insert(key.to_owned(), value.into());
            }
        };
        let mut keeps_proposal = false;
        let at = |rules: &[Rule], id: RuleId| {
            rules.iter().position(|r| r.id == id).ok_or(RulesError::View(ViewError::NotFound))
        };
        match step {
            Step::Put(rule) => {
                let rule = Rule { tenant, name: rule.name.trim().to_owned(), ..rule };
                check(&rule, &places)?;
                if rules.iter().any(|r| r.id != rule.id && r.name == rule.name) {
                    return Err(twice(&rule.name));
                }
                say("rule", rule.name.clone());
                match rules.iter_mut().find(|r| r.id == rule.id) {
                    Some(old) => *old = Rule { version: old.version, position: old.position, ..rule },
                    None => rules.push(Rule { version: 0, ..rule }),
                }
            }
            Step::Move { rule, up } => {
                let i = at(&rules, rule)?;
                let j = if up { i.checked_sub(1) } else { Some(i + 1).filter(|j| *j < rules.len()) };
                say("rule", rules.get(i).map(|r| r.name.clone()).unwrap_or_default());
                if let Some(j) = j {
                    rules.swap(i, j);
                }
            }
            Step::Switch { rule, on } => {
                let i = at(&rules, rule)?;
                if let Some(rule) = rules.get_mut(i) {
                    rule.active = on;
                    say("rule", rule.name.clone());
                }
            }
            Step::Remove { rule } => {
                let i = at(&rules, rule)?;
                say("rule", rules.remove(i).name);
            }
            Step::Replace(new) => {
                for (i, rule) in new.iter().enumerate() {
                    check(rule, &places)?;
                    if new.iter().skip(i + 1).any(|r| r.id == rule.id || r.name.trim() == rule.name.trim()) {
                        return Err(twice(rule.name.trim()));
                    }
                }
                let known = |id| words::find(&rules, id).or_else(|| words::find(&there, id));
                let version = |r: &Rule| known(r.id).map_or(0, |k| k.version);
                let named =
                    |r: Rule| Rule { tenant, version: version(&r), name: r.name.trim().to_owned(), ..r };
                rules = new.into_iter().map(named).collect();
            }
            Step::TakeBack { release } => {
                let found = rules::releases(edit.tx().await?, tenant, release.saturating_add(1), 1).await?;
                let found = found.into_iter().find(|r| r.version == release);
                rules = found.ok_or(RulesError::View(ViewError::NotFound))?.rules;
                say("release", release.to_string());
            }
            Step::Propose if !had_draft => return refused("PST-RULE-0010"),
            Step::Discard if !had_draft => return Ok(seen),
            Step::Propose => {
                set.proposed_by = Some(access.principal);
                keeps_proposal = true;
            }
            Step::Discard => {}
            Step::TwoPersons(on) => {
                // One person alone cannot do away with the second.
                if !on && set.two_persons && administers {
                    return refused("PST-RULE-0012");
                }
                set.two_persons = on;
                keeps_proposal = true;
                say("on", on.to_string());
            }
        }
        if rules.len() > RULES {
            return Err(RulesError::Refused(Reason::new("PST-RULE-0008", Fault::Sender).with("cap", RULES)));
        }
        if !keeps_proposal {
            set.proposed_by = None;
        }
        let drafts = match step_kind(&did) {
            "discard" => false,
            "two_persons" => had_draft,
            _ => true,
        };
        if drafts && !had_draft {
            set.base = base;
        }
        set.draft = drafts.then_some(rules);
        set.changed_by = Some(access.principal);
        set.changed_at = self.clock.now();
        set.version += 1;
        edit.put_rule_set(&set, did).await?;
        edit.commit().await?;
        Ok(set.version)
    }

    /// Makes the draft true; `seen` is its version, `released` the release it is to follow. Gives the new number.
    ///
    /// # Errors
    /// [`RulesError`]; nothing is changed then.
    pub async fn release_rules(
        &self,
        access: &Access,
        tenant: TenantId,
        seen: i64,
        released: i64,
    ) -> Result<i64, RulesError> {
        let mut edit = self.edit(&Who::Principal { id: access.principal }).await?;
        let tx = edit.tx().await?;
        tx.enter(Scope::Tenant(tenant)).await?;
        let (_, administers) = self.ruled(tx, access, tenant).await?;
        let mut set = rules::set(tx, tenant).await?;
        if set.version != seen {
            return Err(RulesError::Changed);
        }
        let Some(draft) = set.draft.take() else { return refused("PST-RULE-0010") };
        match (set.two_persons, set.proposed_by) {
            (false, _) if administers => {}
            (false, _) => return Err(ViewError::ReadOnly.into()),
            (true, None) => return refused("PST-RULE-0009"),
            (true, Some(by)) if by == access.principal => return refused("PST-RULE-0009"),
            (true, Some(_)) => is_a_person(tx, access).await?,
        }
        let places = places(tx, tenant).await?;
        for rule in &draft {
            check(rule, &places)?;
        }
        let there = tenants::rules(tx, tenant).await?;
        if words::differences(&there, &draft, &places).is_empty() {
            return refused("PST-RULE-0010");
        }
        let proposed = set.proposed_by.take().filter(|_| set.two_persons);
        let number = edit.release_rules(tenant, &draft, released, proposed).await?;
        set.changed_by = Some(access.principal);
        set.changed_at = self.clock.now();
        set.version += 1;
        edit.put_rule_set(
            &set,
            json!({ "draft": set.version, "act": "over", "release": number.to_string() }),
        )
        .await?;
        edit.commit().await?;
        Ok(number)
    }

    /// Tenants whose draft waits for a second person, for who runs the installation: (tenant, name).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn proposed_rules(&self) -> Result<Vec<(TenantId, String)>, StoreError> {
        let mut tx = self.db.read(Scope::System).await?;
        rules::proposed(&mut tx).await
    }
}

/// Two persons are two persons: a token in the hands of one of them is not the second.
async fn is_a_person(tx: &mut Tx, access: &Access) -> Result<(), RulesError> {
    let row = access::by_id(tx, access.principal).await?;
    if row.is_some_and(|row| row.kind == "person") { Ok(()) } else { refused("PST-RULE-0009") }
}

fn twice(name: &str) -> RulesError {
    RulesError::Refused(Reason::new("PST-RULE-0015", Fault::Sender).with("rule", name))
}

fn step_kind(did: &serde_json::Value) -> &str {
    did.get("act").and_then(serde_json::Value::as_str).unwrap_or_default()
}

impl Step {
    /// The word in the evidence.
    const fn word(&self) -> &'static str {
        match self {
            Self::Put(_) => "put",
            Self::Move { up: true, .. } => "up",
            Self::Move { up: false, .. } => "down",
            Self::Switch { on: true, .. } => "on",
            Self::Switch { on: false, .. } => "off",
            Self::Remove { .. } => "remove",
            Self::Replace(_) => "replace",
            Self::TakeBack { .. } => "take_back",
            Self::Propose => "propose",
            Self::Discard => "discard",
            Self::TwoPersons(_) => "two_persons",
        }
    }
}

/// Can this rule be released?
fn check(rule: &Rule, places: &Places) -> Result<(), RulesError> {
    let wrong =
        |code| Err(RulesError::Refused(Reason::new(code, Fault::Sender).with("rule", rule.name.trim())));
    if !name_fits(&rule.name) {
        return refused("PST-RULE-0006");
    }
    if rule.actions.is_empty() || rule.actions.len() > ACTIONS {
        return wrong("PST-RULE-0007");
    }
    for action in &rule.actions {
        let there = match action {
            Action::ToDesk { desk } | Action::CopyToDesk { desk } => {
                places.desks.iter().any(|d| d.id == *desk)
            }
            Action::ToConnector { connector } => places.connectors.iter().any(|c| c.id == *connector),
            Action::ToAddress { address } => address_fits(ChannelKind::Mail, address),
            Action::Priority | Action::ToClearing => true,
        };
        if !there {
            return wrong("PST-RULE-0011");
        }
    }
    routing::check(&rule.condition)
        .map_err(|bad| RulesError::Refused(reason(&bad).with("rule", rule.name.trim())))
}

async fn places(tx: &mut Tx, tenant: TenantId) -> Result<Places, StoreError> {
    Ok(Places {
        desks: tenants::desks(tx, tenant).await?,
        connectors: tenants::connectors(tx, tenant).await?,
    })
}

async fn names(
    tx: &mut Tx,
    mut people: Vec<PrincipalId>,
) -> Result<BTreeMap<PrincipalId, String>, StoreError> {
    people.sort_unstable();
    people.dedup();
    access::names(tx, &people).await
}

fn principal(who: &str) -> Option<PrincipalId> {
    crate::words::principal(who)
}

/// Who released, in words.
fn who(text: &str, names: &BTreeMap<PrincipalId, String>) -> String {
    match principal(text) {
        Some(id) => names.get(&id).cloned().unwrap_or_else(|| "ein Konto".to_owned()),
        None => "Einrichtung der Poststelle".to_owned(),
    }
}
