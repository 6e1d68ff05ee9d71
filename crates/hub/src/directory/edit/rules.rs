// SPDX-License-Identifier: EUPL-1.2
//! Rules in an edit: single ones, whole sets, and what is prepared.
//!
//! Guarantees: whichever way the rules in force change, the whole set is kept as a release with the next number in the
//! same transaction; what was in force before the first release is kept as well.

use poststelle_model::{Event, PrincipalId, Rule, Subject, TenantId};
use poststelle_store::rules::{self, Release, RuleSet};
use poststelle_store::{Scope, StoreError, tenants};
use serde_json::{Value, json};

use super::super::{ACTIONS, DirectoryError, invalid};
use super::{Edit, check_name};
use crate::routing;

/// Room between two rules, so that a file can put one between.
const STEP: i64 = 10;

impl Edit<'_> {
    /// Writes a rule after checking its condition; `rule.version` is the version after the change, 1 for a new one.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] names what is wrong with the condition; [`StoreError::Conflict`] when somebody
    /// changed the rule meanwhile.
    pub async fn put_rule(&mut self, rule: &Rule) -> Result<(), DirectoryError> {
        check_name(&rule.name)?;
        if rule.actions.is_empty() || rule.actions.len() > ACTIONS {
            return invalid(format!("a rule has 1 to {ACTIONS} actions"));
        }
        if let Err(bad) = routing::check(&rule.condition) {
            return invalid(bad.to_string());
        }
        self.keep_before(rule.tenant).await?;
        tenants::put_rule(&mut self.tx, rule).await?;
        let event = if rule.version == 1 { Event::Created } else { Event::Changed };
        let body = serde_json::to_value(rule).unwrap_or_default();
        self.prove(rule.tenant, Subject::rules(rule.tenant), event, body);
        Ok(())
    }

    /// Makes `wanted` the rules of a tenant, in this order; `seen` is the release they are to follow. Gives the number
    /// of the new release.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another release came first; [`DirectoryError::Invalid`] for a bad rule.
    pub async fn release_rules(
        &mut self,
        tenant: TenantId,
        wanted: &[Rule],
        seen: i64,
        proposed_by: Option<PrincipalId>,
    ) -> Result<i64, DirectoryError> {
        self.tx.enter(Scope::Tenant(tenant)).await?;
        if rules::last_release(&mut self.tx, tenant).await? != seen {
            return Err(StoreError::Conflict(format!("release {seen} of {tenant}")).into());
        }
        let there = tenants::rules(&mut self.tx, tenant).await?;
        for (rule, position) in wanted.iter().zip((1..).map(|n| n * STEP)) {
            let now = there.iter().find(|r| r.id == rule.id);
            let version = now.map_or(rule.version, |r| r.version);
            let next = Rule { tenant, position, version, ..rule.clone() };
            if now != Some(&next) {
                self.put_rule(&Rule { version: version + 1, ..next }).await?;
            }
        }
        self.keep_before(tenant).await?;
        let mut removed = Vec::new();
        for rule in there.iter().filter(|r| !wanted.iter().any(|w| w.id == r.id)) {
            rules::remove(&mut self.tx, rule).await?;
            removed.push(json!({ "rule": rule.id.to_string(), "name": rule.name }));
        }
        self.keep_releases(proposed_by).await?;
        let number = rules::last_release(&mut self.tx, tenant).await?;
        let body = json!({
            "released": number,
            "before": seen,
            "removed": removed,
            "proposed_by": proposed_by.map(|p| p.to_string()).unwrap_or_default(),
        });
        self.prove(tenant, Subject::rules(tenant), Event::Changed, body);
        Ok(number)
    }

    /// Writes what is prepared; `what` says in the evidence what was done.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody changed it meanwhile.
    pub async fn put_rule_set(&mut self, set: &RuleSet, what: Value) -> Result<(), DirectoryError> {
        self.tx.enter(Scope::Tenant(set.tenant)).await?;
        rules::put_set(&mut self.tx, set).await?;
        self.prove(set.tenant, Subject::rules(set.tenant), Event::Changed, what);
        Ok(())
    }

    /// The rules of a tenant are about to change.
    async fn keep_before(&mut self, tenant: TenantId) -> Result<(), DirectoryError> {
        self.tx.enter(Scope::Tenant(tenant)).await?;
        if !self.ruled.insert(tenant) || rules::last_release(&mut self.tx, tenant).await? > 0 {
            return Ok(());
        }
        let before = tenants::rules(&mut self.tx, tenant).await?;
        if !before.is_empty() {
            self.keep(tenant, before, "house:setup".to_owned(), None).await?;
        }
        Ok(())
    }

    async fn keep(
        &mut self,
        tenant: TenantId,
        rules: Vec<Rule>,
        released_by: String,
        proposed_by: Option<PrincipalId>,
    ) -> Result<(), DirectoryError> {
        let version = rules::last_release(&mut self.tx, tenant).await? + 1;
        let released_at = self.hub.clock.now();
        let release = Release { tenant, version, rules, released_by, proposed_by, released_at };
        Ok(rules::insert_release(&mut self.tx, &release).await?)
    }

    /// Keeps the rules of every tenant whose rules changed.
    pub(super) async fn keep_releases(
        &mut self,
        proposed_by: Option<PrincipalId>,
    ) -> Result<(), DirectoryError> {
        for tenant in std::mem::take(&mut self.ruled) {
            self.tx.enter(Scope::Tenant(tenant)).await?;
            let now = tenants::rules(&mut self.tx, tenant).await?;
            self.keep(tenant, now, self.who.to_text(), proposed_by).await?;
        }
        Ok(())
    }
}
