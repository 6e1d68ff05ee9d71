// SPDX-License-Identifier: EUPL-1.2
//! What was done to a tenant's rules and connectors, from their evidence chains, in German words.
//!
//! Guarantees: everything in the chain is told, newest first, [`LINES`] at most; what this program does not know is
//! told as a change. Secrets are not in the chains and so not here.

use std::collections::BTreeMap;

use poststelle_model::{Access, ConnectorId, Event, PrincipalId, Role, Subject, TenantId};
use poststelle_store::evidence::{self, Entry};
use poststelle_store::{Scope, access};
use serde_json::Value;

use crate::hub::Hub;
use crate::texts;
use crate::view::ViewError;
use crate::words::principal;

/// Lines told.
pub const LINES: usize = 100;

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When, in Europe/Berlin.
    pub when: String,
    /// Who.
    pub who: String,
    /// What.
    pub text: String,
}

impl Hub {
    /// What was done to the rules of a tenant and their draft.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the tenant is not for these eyes.
    pub async fn rules_told(&self, access: &Access, tenant: TenantId) -> Result<Vec<Told>, ViewError> {
        self.told(access, tenant, &Subject::rules(tenant), |entry, _| {
            of_rules(entry.kind() == Some(Event::Created), &body(entry))
        })
        .await
    }

    /// What was done to a connector.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the tenant is not for these eyes.
    pub async fn target_told(
        &self,
        access: &Access,
        tenant: TenantId,
        id: ConnectorId,
    ) -> Result<Vec<Told>, ViewError> {
        self.told(access, tenant, &Subject::connector(id), of_connector).await
    }

    async fn told(
        &self,
        asking: &Access,
        tenant: TenantId,
        subject: &Subject,
        words: impl Fn(&Entry, Option<&Entry>) -> String,
    ) -> Result<Vec<Told>, ViewError> {
        if !asking.has(Role::TenantAdmin, tenant) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let chain = evidence::chain(&mut tx, tenant, subject).await?;
        let start = chain.len().saturating_sub(LINES);
        let mut people: Vec<PrincipalId> =
            chain.iter().skip(start).filter_map(|e| principal(&e.who)).collect();
        people.sort_unstable();
        people.dedup();
        let names: BTreeMap<PrincipalId, String> = access::names(&mut tx, &people).await?;
        tx.rollback().await?;
        let line = |(i, entry): (usize, &Entry)| Told {
            when: entry.at.berlin(),
            who: match principal(&entry.who) {
                Some(id) => names.get(&id).cloned().unwrap_or_else(|| "ein Konto".to_owned()),
                None => "Einrichtung der Poststelle".to_owned(),
            },
            text: words(entry, i.checked_sub(1).and_then(|i| chain.get(i))),
        };
        let mut told: Vec<Told> = chain.iter().enumerate().skip(start).map(line).collect();
        told.reverse();
        Ok(told)
    }
}

fn body(entry: &Entry) -> Value {
    serde_json::from_str(&entry.body).unwrap_or_default()
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What an event of the rules' chain did; `created`: its kind.
pub(crate) fn of_rules(created: bool, body: &Value) -> String {
    if let Some(number) = body.get("released").and_then(Value::as_i64) {
        return texts::say("rules-did-released", &[("release", &number.to_string())]);
    }
    let act = text(body, "act");
    let key = format!("rules-did-{act}{}", if text(body, "on") == "false" { "-not" } else { "" });
    if !act.is_empty() && texts::has(&key) {
        return texts::say(&key, &[("rule", text(body, "rule")), ("release", text(body, "release"))]);
    }
    let version = body.get("version").and_then(Value::as_i64).unwrap_or(0).to_string();
    let key = if created { "rules-did-new" } else { "rules-did-changed" };
    texts::say(key, &[("rule", text(body, "name")), ("version", &version)])
}

fn of_connector(entry: &Entry, before: Option<&Entry>) -> String {
    let (body, before) = (body(entry), before.map(body));
    if entry.kind() == Some(Event::Created) {
        return texts::say("connector-did-created", &[("name", text(&body, "name"))]);
    }
    let before = before.unwrap_or_default();
    let moved = |name: &str, default: Value| {
        let old = before.get(name).cloned().unwrap_or(default);
        body.get(name).is_some_and(|new| *new != old)
    };
    let mut words = Vec::new();
    if moved("name", Value::Null) {
        words.push(texts::say("connector-did-renamed", &[("name", text(&body, "name"))]));
    }
    if moved("config", Value::Null) {
        words.push(texts::say("connector-did-config", &[]));
    }
    if body.get("new_secret") == Some(&Value::Bool(true)) {
        words.push(texts::say("connector-did-secret", &[]));
    }
    if moved("active", Value::Bool(true)) {
        let on = body.get("active") == Some(&Value::Bool(true));
        words.push(texts::say(if on { "connector-did-on" } else { "connector-did-off" }, &[]));
    }
    if words.is_empty() { texts::say("connector-did-saved", &[]) } else { words.join(" ") }
}
