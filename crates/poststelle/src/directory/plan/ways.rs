// SPDX-License-Identifier: EUPL-1.2
//! Connectors and rules.

use poststelle_connect::webhook;
use poststelle_hub::directory::{ACTIONS as MOST_ACTIONS, address_fits};
use poststelle_hub::routing;
use poststelle_model::{Action, ChannelKind, ConnectorId, Rule, RuleId};
use poststelle_store::tenants::Connector;
use secrecy::{ExposeSecret, SecretString};

use super::{Kind, Planner, Seen, Step, Tenant, listed};
use crate::directory::file::{self, ACTIONS};

impl Planner<'_> {
    pub(super) fn connectors(&mut self) {
        let basis = self.basis;
        for t in &basis.there.tenants {
            for c in &t.connectors {
                self.connectors.insert((t.id, c.name.clone()), c.id);
            }
        }
        let mut seen = Seen::new();
        for t in &basis.file.tenants {
            let Some(tenant) = self.tenants.get(t.slug.get_ref()).cloned() else { continue };
            for c in &t.connectors {
                self.check_name(&c.name, "tenant.connector.name");
                let shown = format!("{} / {}", t.slug.get_ref(), c.name.get_ref());
                if self.once(&mut seen, &c.name, shown.clone(), "tenant.connector.name") {
                    self.connector(&tenant, c, shown);
                }
            }
        }
    }

    fn connector(&mut self, tenant: &Tenant, written: &file::Connector, shown: String) {
        let basis = self.basis;
        let (name, kind) = (written.name.get_ref(), written.kind.get_ref());
        if !basis.kinds.contains(&kind.as_str()) {
            let problem =
                format!("diese Art gibt es nicht: {kind:?}; erlaubt sind: {}", basis.kinds.join(", "));
            return self.mistake(written.kind.span(), "tenant.connector.kind", problem);
        }
        let config = serde_json::to_value(written.config.get_ref()).unwrap_or_default();
        let there: Vec<&Connector> = basis
            .there
            .tenant(tenant.id)
            .map(|t| t.connectors.iter().filter(|c| c.name == *name).collect())
            .unwrap_or_default();
        let known = match there.as_slice() {
            [] => None,
            [one] => Some(*one),
            _ => {
                let problem =
                    format!("{shown} gibt es in der Datenbank mehrfach; das lässt sich hier nicht ändern");
                return self.mistake(written.name.span(), "tenant.connector.name", problem);
            }
        };
        let old_secret = known.and_then(|k| basis.secrets.get(&k.id)).map(Vec::as_slice);
        let secret = self.secret(written, old_secret, &shown);
        let (mut words, mut steps) = (Vec::new(), Vec::new());
        match known {
            None => {
                let id = ConnectorId::new(basis.ids);
                self.connectors.insert((tenant.id, name.clone()), id);
                words.push(kind.clone());
                if !written.active {
                    words.push("ausgeschaltet".to_owned());
                }
                let row = Connector {
                    tenant: tenant.id,
                    id,
                    kind: kind.clone(),
                    name: name.clone(),
                    config: config.to_string(),
                    wrapped_secret: String::new(),
                    active: written.active,
                    version: 1,
                };
                steps.push(Step::AddConnector { row, secret });
            }
            Some(known) => {
                if known.kind != *kind {
                    let problem = format!(
                        "{shown} ist ein {}; die Art eines Übergabeziels ändert sich nicht, bitte ein neues mit anderem Namen anlegen",
                        known.kind
                    );
                    return self.mistake(written.kind.span(), "tenant.connector.kind", problem);
                }
                let old: serde_json::Value = serde_json::from_str(&known.config).unwrap_or_default();
                if old != config {
                    words.push(format!("Einstellungen: {old} → {config}"));
                }
                if known.active != written.active {
                    words.push(if written.active { "eingeschaltet" } else { "ausgeschaltet" }.to_owned());
                }
                if secret.is_some() {
                    words.push("neues Geheimnis".to_owned());
                }
                if !words.is_empty() {
                    let row =
                        Connector { config: config.to_string(), active: written.active, ..known.clone() };
                    steps.push(Step::ChangeConnector { row, secret });
                }
            }
        }
        self.done(Kind::Connector, shown, known.is_none(), written.config.span(), words, steps);
    }

    /// The secret the file points to; `None` when there is nothing new to store.
    fn secret(&mut self, written: &file::Connector, old: Option<&[u8]>, shown: &str) -> Option<SecretString> {
        let wants = written.kind.get_ref() == "webhook";
        let (secret, at, field) = match (&written.secret_env, &written.secret_file) {
            (None, None) => {
                if wants && old.is_none() {
                    let problem = "ein Webhook braucht ein Geheimnis: secret_env = \"NAME\" (Umgebungsvariable) oder secret_file = \"DATEI\"";
                    self.mistake(written.name.span(), "tenant.connector", problem);
                }
                return None;
            }
            (Some(_), Some(file)) => {
                let problem = "entweder secret_env oder secret_file, nicht beides";
                self.mistake(file.span(), "tenant.connector.secret_file", problem);
                return None;
            }
            (Some(name), None) => {
                let field = "tenant.connector.secret_env";
                match std::env::var(name.get_ref()) {
                    Ok(value) => (SecretString::from(value), name.span(), field),
                    Err(_) if old.is_some() => {
                        let words = format!(
                            "Übergabeziel {shown}: die Umgebungsvariable {} ist nicht gesetzt; das gespeicherte Geheimnis bleibt.",
                            name.get_ref()
                        );
                        self.out.notices.push(words);
                        return None;
                    }
                    Err(_) => {
                        let problem = format!("die Umgebungsvariable {} ist nicht gesetzt", name.get_ref());
                        self.mistake(name.span(), field, problem);
                        return None;
                    }
                }
            }
            (None, Some(path)) => {
                let field = "tenant.connector.secret_file";
                (self.read(path, field)?, path.span(), field)
            }
        };
        if !wants {
            let problem = format!("{} braucht kein Geheimnis", written.kind.get_ref());
            self.mistake(at, field, problem);
            return None;
        }
        if webhook::sign::key(secret.expose_secret().as_bytes()).is_err() {
            self.mistake(at, field, "das Geheimnis ist zu kurz: mindestens 16 Zeichen");
            return None;
        }
        (old != Some(secret.expose_secret().as_bytes())).then_some(secret)
    }

    pub(super) fn rules(&mut self) {
        let basis = self.basis;
        for t in &basis.file.tenants {
            let slug = t.slug.get_ref();
            let Some(tenant) = self.tenants.get(slug).cloned() else { continue };
            let mut seen = Seen::new();
            let mut after: Vec<Rule> = Vec::new();
            for (number, r) in (1..).zip(&t.rules) {
                self.check_name(&r.name, "tenant.rule.name");
                if self.once(&mut seen, &r.name, r.name.get_ref().clone(), "tenant.rule.name") {
                    after.extend(self.rule(&tenant, slug, r, 10 * number));
                }
            }
            for pair in places(&after) {
                self.out.notices.push(format!("{slug}: die Regeln {pair} haben denselben Platz (position); welche zuerst gefragt wird, ist nicht festgelegt."));
            }
        }
        self.rules_that_stay();
    }

    fn rule(&mut self, tenant: &Tenant, slug: &str, written: &file::Rule, position: i64) -> Option<Rule> {
        let basis = self.basis;
        let name = written.name.get_ref();
        let shown = format!("{slug} / {name}");
        let there: Vec<&Rule> = basis
            .there
            .tenant(tenant.id)
            .map(|t| t.rules.iter().filter(|r| r.name == *name).collect())
            .unwrap_or_default();
        let known = match there.as_slice() {
            [] => None,
            [one] => Some(*one),
            _ => {
                let problem =
                    format!("{shown} gibt es in der Datenbank mehrfach; das lässt sich hier nicht ändern");
                self.mistake(written.name.span(), "tenant.rule.name", problem);
                return None;
            }
        };
        let condition = written.condition.get_ref();
        if known.is_none_or(|k| k.condition != *condition)
            && let Err(bad) = routing::check(condition)
        {
            self.mistake(written.condition.span(), "tenant.rule.condition", bad_condition(&bad));
        }
        let list = written.actions.get_ref();
        if list.is_empty() || list.len() > MOST_ACTIONS {
            let problem = format!("eine Regel hat 1 bis {MOST_ACTIONS} Aktionen");
            self.mistake(written.actions.span(), "tenant.rule.actions", problem);
        }
        let actions: Vec<Action> = list.iter().filter_map(|a| self.action(tenant, a)).collect();
        if actions.len() != list.len() {
            return None;
        }
        let rule = Rule {
            tenant: tenant.id,
            id: known.map_or_else(|| RuleId::new(basis.ids), |k| k.id),
            position: written.position.unwrap_or(position),
            name: name.clone(),
            condition: condition.clone(),
            actions,
            active: written.active,
            version: known.map_or(1, |k| k.version + 1),
        };
        let (mut words, mut steps) = (Vec::new(), Vec::new());
        match known {
            None => {
                words.push(format!("Platz {}", rule.position));
                if !rule.active {
                    words.push("ausgeschaltet".to_owned());
                }
            }
            Some(k) => {
                if k.position != rule.position {
                    words.push(format!("Platz {} → {}", k.position, rule.position));
                }
                if k.condition != rule.condition {
                    words.push(format!("Bedingung: {} → {}", k.condition, rule.condition));
                }
                if k.actions != rule.actions {
                    words.push("Aktionen".to_owned());
                }
                if k.active != rule.active {
                    words.push(if rule.active { "eingeschaltet" } else { "ausgeschaltet" }.to_owned());
                }
            }
        }
        if !words.is_empty() {
            steps.push(Step::PutRule(rule.clone()));
            if rule.active {
                self.reaches(tenant, &rule, Some(written));
            }
        }
        self.done(Kind::Rule, shown, known.is_none(), written.name.span(), words, steps);
        Some(rule)
    }

    fn action(&mut self, tenant: &Tenant, written: &file::Action) -> Option<Action> {
        let word = written.does.get_ref().as_str();
        let Some((_, needs)) = ACTIONS.iter().find(|(w, _)| *w == word) else {
            let allowed: Vec<&str> = ACTIONS.iter().map(|(w, _)| *w).collect();
            let problem =
                format!("diese Aktion gibt es nicht: {word:?}; erlaubt sind: {}", allowed.join(", "));
            self.mistake(written.does.span(), "tenant.rule.actions.do", problem);
            return None;
        };
        let given =
            [("desk", &written.desk), ("connector", &written.connector), ("address", &written.address)];
        for (field, value) in given {
            match value {
                Some(value) if field != *needs => {
                    let path = format!("tenant.rule.actions.{field}");
                    self.mistake(value.span(), &path, format!("{word} hat kein Feld {field}"));
                    return None;
                }
                None if field == *needs => {
                    let problem = format!("{word} braucht {field} = \"…\"");
                    self.mistake(written.does.span(), "tenant.rule.actions", problem);
                    return None;
                }
                _ => {}
            }
        }
        Some(match word {
            "to_desk" | "copy_to_desk" => {
                let desk = self.desk(tenant, written.desk.as_ref()?, "tenant.rule.actions.desk")?;
                if word == "to_desk" { Action::ToDesk { desk } } else { Action::CopyToDesk { desk } }
            }
            "to_connector" => {
                let name = written.connector.as_ref()?;
                let found = self.connectors.get(&(tenant.id, name.get_ref().clone())).copied();
                let Some(connector) = found else {
                    let mine = self.connectors.keys().filter(|(t, _)| *t == tenant.id).map(|(_, n)| n);
                    let problem = format!(
                        "das Übergabeziel {:?} gibt es hier nicht; vorhanden sind: {}",
                        name.get_ref(),
                        listed(mine)
                    );
                    self.mistake(name.span(), "tenant.rule.actions.connector", problem);
                    return None;
                };
                Action::ToConnector { connector }
            }
            "to_address" => {
                let address = written.address.as_ref()?;
                if !address_fits(ChannelKind::Mail, address.get_ref()) {
                    let problem = format!("{:?} ist keine E-Mail-Adresse", address.get_ref());
                    self.mistake(address.span(), "tenant.rule.actions.address", problem);
                    return None;
                }
                Action::ToAddress { address: address.get_ref().clone() }
            }
            "priority" => Action::Priority,
            _ => Action::ToClearing,
        })
    }

    /// Rules that stay as they are must still reach people after desks and mandates changed.
    fn rules_that_stay(&mut self) {
        let basis = self.basis;
        let put: Vec<RuleId> = self
            .out
            .items
            .iter()
            .flat_map(|i| &i.steps)
            .filter_map(|s| if let Step::PutRule(r) = s { Some(r.id) } else { None })
            .collect();
        for t in &basis.there.tenants {
            let Some(tenant) = self.tenants.get(&t.slug).cloned() else { continue };
            let written = basis.file.tenants.iter().find(|x| *x.slug.get_ref() == t.slug);
            for rule in t.rules.iter().filter(|r| r.active && !put.contains(&r.id)) {
                let line = written.and_then(|w| w.rules.iter().find(|r| *r.name.get_ref() == rule.name));
                self.reaches(&tenant, rule, line);
            }
        }
    }

    /// Does a desk of this rule serve the tenant, and is it a desk of the Administration with the mandate?
    fn reaches(&mut self, tenant: &Tenant, rule: &Rule, written: Option<&file::Rule>) {
        let slug = self.tenant_slug(tenant.id);
        for action in &rule.actions {
            let (Action::ToDesk { desk } | Action::CopyToDesk { desk }) = action else { continue };
            let Some(found) = self.desks.iter().find(|d| d.id == *desk).cloned() else { continue };
            let serves = self.serves(*desk, tenant);
            let mandated = found.administration.is_none() || found.administration == tenant.mandate;
            if serves && mandated {
                continue;
            }
            let desk = found
                .administration
                .map_or(found.name.clone(), |a| format!("{} / {}", self.slug_of(a), found.name));
            let problem = if serves {
                format!(
                    "die Regel {slug} / {} legt Post in den Arbeitskorb {desk}, aber dessen Verwaltung hat kein Mandat für {slug}",
                    rule.name
                )
            } else {
                format!(
                    "die Regel {slug} / {} legt Post in den Arbeitskorb {desk}, der {slug} nicht dient (administration.desk.tenants)",
                    rule.name
                )
            };
            if !tenant.moved && !found.left.contains(&tenant.id) && !self.put(rule) {
                self.out.notices.push(format!("Achtung: {problem}."));
                continue;
            }
            let at = written.map(|w| w.name.span()).or_else(|| self.place_of(&slug)).unwrap_or(0..0);
            self.mistake(
                at,
                "tenant.rule",
                format!("{problem}; bitte die Regel in der Datei auf einen anderen Arbeitskorb stellen"),
            );
        }
    }

    fn put(&self, rule: &Rule) -> bool {
        let there = self.basis.there.tenant(rule.tenant);
        !there.is_some_and(|t| t.rules.contains(rule))
    }

    fn place_of(&self, slug: &str) -> Option<std::ops::Range<usize>> {
        self.basis.file.tenants.iter().find(|t| t.slug.get_ref() == slug).map(|t| t.slug.span())
    }
}

/// Names of rules that share a place.
fn places(rules: &[Rule]) -> Vec<String> {
    let mut all = Vec::new();
    for (i, a) in rules.iter().enumerate() {
        for b in rules.iter().skip(i + 1).filter(|b| b.position == a.position && a.active && b.active) {
            all.push(format!("„{}“ und „{}“", a.name, b.name));
        }
    }
    all
}

fn bad_condition(bad: &routing::BadCondition) -> String {
    use routing::BadCondition as B;
    match bad {
        B::TooLong(bytes) => {
            format!("die Bedingung hat {bytes} Bytes; höchstens {} sind erlaubt", routing::SOURCE_CAP)
        }
        B::Syntax(what) => format!("keine gültige Bedingung (CEL): {what}"),
        B::TooDeep(depth) => format!(
            "exists, all und filter sind {depth}-fach geschachtelt; höchstens {} sind erlaubt",
            routing::COMPREHENSION_CAP
        ),
        B::TooLarge(levels) => {
            format!("die Bedingung hat {levels} Ebenen; höchstens {} sind erlaubt", routing::LEVEL_CAP)
        }
        B::Builds => "map gibt es in Bedingungen nicht; exists, all und filter genügen".to_owned(),
        B::Walks(count) => format!(
            "exists, all oder filter gehen eine Liste von {count} Einträgen durch, die in der Bedingung steht; höchstens {} \
             sind erlaubt",
            routing::WALK_CAP
        ),
        B::DryRun(what) => {
            format!(
                "die Bedingung scheitert an einer Beispielnachricht: {what}; zu sehen ist allein msg mit seinen Feldern"
            )
        }
    }
}
