// SPDX-License-Identifier: EUPL-1.2
//! Rules and what differs between two sets of them, in German words.
//!
//! Guarantees: pure; a desk or connector that is not there any more is called so, never by its id.

use poststelle_model::{Action, Rule, RuleId, Target};
use poststelle_store::tenants::{Connector, Desk};

use super::condition;

/// Names of what rules point at.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Desks that serve the tenant.
    pub desks: Vec<Desk>,
    /// Its connectors.
    pub connectors: Vec<Connector>,
}

impl Places {
    fn desk(&self, id: poststelle_model::DeskId) -> String {
        let known = self.desks.iter().find(|d| d.id == id);
        known.map_or_else(
            || "Arbeitskorb, den es hier nicht mehr gibt".to_owned(),
            |d| format!("Arbeitskorb „{}“", d.name),
        )
    }

    /// A target in words.
    #[must_use]
    pub fn target(&self, target: &Target) -> String {
        match target {
            Target::Desk { desk } => self.desk(*desk),
            Target::Connector { connector } => {
                let known = self.connectors.iter().find(|c| c.id == *connector);
                known.map_or_else(
                    || "Ziel, das es hier nicht mehr gibt".to_owned(),
                    |c| format!("Ziel „{}“{}", c.name, if c.active { "" } else { " (ausgeschaltet)" }),
                )
            }
            Target::Mail { address } => format!("E-Mail an {address}"),
            Target::Receipt { .. } => "Rückmeldung zu einer eigenen Sendung".to_owned(),
        }
    }

    /// An action in words.
    #[must_use]
    pub fn action(&self, action: &Action) -> String {
        match action {
            Action::ToDesk { desk } => format!("in den {}", self.desk(*desk)),
            Action::ToConnector { connector } => {
                format!("an das {}", self.target(&Target::Connector { connector: *connector }))
            }
            Action::ToAddress { address } => format!("als E-Mail an {address}"),
            Action::CopyToDesk { desk } => format!("Kopie in den {}", self.desk(*desk)),
            Action::Priority => "als eilig kennzeichnen".to_owned(),
            Action::ToClearing => "in den Klärungskorb".to_owned(),
        }
    }

    /// All actions of a rule in words.
    #[must_use]
    pub fn actions(&self, rule: &Rule) -> String {
        rule.actions.iter().map(|a| self.action(a)).collect::<Vec<_>>().join(", ")
    }
}

/// The rule `id` of a set.
#[must_use]
pub fn find(rules: &[Rule], id: RuleId) -> Option<&Rule> {
    rules.iter().find(|r| r.id == id)
}

/// The same rule, whatever its version and place.
#[must_use]
pub fn same(a: &Rule, b: &Rule) -> bool {
    let key = |r: &Rule| {
        let mut actions: Vec<String> = r.actions.iter().map(|a| format!("{a:?}")).collect();
        actions.sort_unstable();
        (r.id, r.name.clone(), r.condition.clone(), actions, r.active)
    };
    key(a) == key(b)
}

/// What differs between two sets, a sentence each; empty = nothing.
#[must_use]
pub fn differences(old: &[Rule], new: &[Rule], places: &Places) -> Vec<String> {
    let mut out = Vec::new();
    for rule in new {
        match find(old, rule.id) {
            None => out.push(format!(
                "Neue Regel „{}“{}: wenn {}, dann {}.",
                rule.name,
                if rule.active { "" } else { " (ausgeschaltet)" },
                condition::in_words(&rule.condition),
                places.actions(rule)
            )),
            Some(was) => out.extend(changes(was, rule, places)),
        }
    }
    out.extend(
        old.iter().filter(|r| find(new, r.id).is_none()).map(|r| format!("Regel „{}“ entfällt.", r.name)),
    );
    let kept = |of: &[Rule], other: &[Rule]| -> Vec<RuleId> {
        of.iter().map(|r| r.id).filter(|id| find(other, *id).is_some()).collect()
    };
    if kept(old, new) != kept(new, old) {
        let order: Vec<String> = new.iter().map(|r| format!("„{}“", r.name)).collect();
        out.push(format!("Neue Reihenfolge: {}.", order.join(", ")));
    }
    out
}

fn changes(was: &Rule, is: &Rule, places: &Places) -> Vec<String> {
    if same(was, is) {
        return Vec::new();
    }
    let mut words = Vec::new();
    if was.name != is.name {
        words.push(format!("heißt jetzt „{}“", is.name));
    }
    if was.active != is.active {
        words.push(if is.active { "wird eingeschaltet" } else { "wird ausgeschaltet" }.to_owned());
    }
    if was.condition != is.condition {
        let (old, new) = (condition::in_words(&was.condition), condition::in_words(&is.condition));
        words.push(format!("Bedingung bisher: {old}; neu: {new}"));
    }
    let (old, new) = (places.actions(was), places.actions(is));
    if old != new {
        words.push(format!("Aktion bisher: {old}; neu: {new}"));
    }
    if words.is_empty() && was.actions != is.actions {
        words.push("zeigt auf ein anderes Ziel gleichen Namens".to_owned());
    }
    if words.is_empty() {
        Vec::new()
    } else {
        vec![format!("Regel „{}“: {}.", was.name, words.join("; "))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poststelle_model::{DeskId, SeededIds, TenantId};

    #[test]
    fn every_difference_is_said_and_nothing_else() {
        let ids = SeededIds::new(5);
        let (tenant, desk) = (TenantId::new(&ids), DeskId::new(&ids));
        let places = Places {
            desks: vec![Desk {
                id: desk,
                administration: None,
                name: "Bauamt".to_owned(),
                kind: "normal".to_owned(),
            }],
            connectors: Vec::new(),
        };
        let rule = |name: &str| Rule {
            tenant,
            id: RuleId::new(&ids),
            position: 0,
            name: name.to_owned(),
            condition: "msg.urgent".to_owned(),
            actions: vec![Action::ToDesk { desk }],
            active: true,
            version: 1,
        };
        let old = vec![rule("Eins"), rule("Zwei"), rule("Drei")];
        assert!(differences(&old, &old, &places).is_empty());
        let mut new = vec![old[1].clone(), old[0].clone(), rule("Vier")];
        new[1].active = false;
        new[1].actions = vec![Action::ToClearing, Action::Priority];
        let said = differences(&old, &new, &places);
        assert_eq!(
            said,
            [
                "Regel „Eins“: wird ausgeschaltet; Aktion bisher: in den Arbeitskorb „Bauamt“; neu: in den Klärungskorb, als eilig kennzeichnen.",
                "Neue Regel „Vier“: wenn Vom Absender als eilig markiert, dann in den Arbeitskorb „Bauamt“.",
                "Regel „Drei“ entfällt.",
                "Neue Reihenfolge: „Zwei“, „Eins“, „Vier“.",
            ]
        );
    }
}
