// SPDX-License-Identifier: EUPL-1.2
//! People and services with their roles.

use std::collections::BTreeSet;

use poststelle_hub::directory::{PASSWORD_MIN, login_fits};
use poststelle_model::people::{Grant, Place};
use poststelle_model::{AdministrationId, PrincipalId, Role, TenantId};
use secrecy::{ExposeSecret, SecretString};

use super::{Kind, Password, Planner, Seen, Step, Text};
use crate::directory::file;
use crate::directory::there::Principal;

/// The word for a role on screen.
pub fn german(role: Role) -> &'static str {
    match role {
        Role::Operator => "Betrieb",
        Role::TenantAdmin => "Verwaltung des Mandanten",
        Role::Clerk => "Sachbearbeitung",
        Role::Auditor => "Revision",
        Role::Intake => "Einlieferung",
    }
}

/// Somebody as written, person or service.
struct Written<'f> {
    kind: Kind,
    login: &'f Text,
    name: &'f Text,
    administration: Option<AdministrationId>,
    roles: &'f [file::Role],
    password: Password,
}

impl Planner<'_> {
    pub(super) fn principals(&mut self) {
        let basis = self.basis;
        let operates = |p: &&Principal| p.active && p.grants.iter().any(|g| g.role == Role::Operator);
        self.operators = basis.there.principals.iter().filter(operates).map(|p| p.id).collect();
        let had = !self.operators.is_empty();
        let mut seen = Seen::new();
        for p in &basis.file.people {
            let administration =
                p.administration.as_ref().map(|a| self.administration(a, "person.administration"));
            let password = self.password(p);
            // An unknown Administration is named already: no second mistake because of it.
            if administration == Some(None) {
                continue;
            }
            let administration = administration.flatten();
            let written = Written {
                kind: Kind::Person,
                login: &p.login,
                name: &p.name,
                administration,
                roles: &p.roles,
                password,
            };
            self.principal(&written, &mut seen);
        }
        for s in &basis.file.services {
            let known = basis.there.principals.iter().find(|x| x.login == s.login.get_ref().to_lowercase());
            let written = Written {
                kind: Kind::Service,
                login: &s.login,
                name: &s.name,
                administration: known.and_then(|k| k.administration),
                roles: &s.roles,
                password: Password::None,
            };
            self.principal(&written, &mut seen);
        }
        if had && self.operators.is_empty() {
            let last = basis.file.people.iter().find(|p| {
                let login = p.login.get_ref().to_lowercase();
                basis.there.principals.iter().any(|k| k.login == login && operates(&k))
            });
            let at = last.map_or(0..0, |p| p.login.span());
            let problem = "danach hätte niemand mehr die Rolle operator; mindestens eine nicht gesperrte Person muss sie behalten";
            self.mistake(at, "person.roles", problem);
        }
    }

    fn password(&mut self, written: &file::Person) -> Password {
        let Some(path) = &written.password_file else { return Password::Made };
        let login = written.login.get_ref().to_lowercase();
        if self.basis.there.principals.iter().any(|p| p.login == login) {
            return Password::None; // the first password is long set
        }
        let fits = |text: &SecretString| text.expose_secret().chars().count() >= PASSWORD_MIN;
        match self.read(path, "person.password_file") {
            Some(text) if fits(&text) => Password::Given(text),
            Some(_) => {
                let problem = format!("das Passwort hat weniger als {PASSWORD_MIN} Zeichen");
                self.mistake(path.span(), "person.password_file", problem);
                Password::None
            }
            None => Password::None,
        }
    }

    fn principal(&mut self, w: &Written<'_>, seen: &mut Seen) {
        let basis = self.basis;
        let (table, word) = match w.kind {
            Kind::Service => ("service", "Dienst"),
            _ => ("person", "Person"),
        };
        let login = w.login.get_ref().to_lowercase();
        let field = format!("{table}.login");
        if !login_fits(&login) {
            let problem = format!(
                "{:?} ist kein Anmeldename; erlaubt sind 1 bis 100 Zeichen ohne Leerzeichen, nicht mit ~ am Anfang",
                w.login.get_ref()
            );
            self.mistake(w.login.span(), &field, problem);
        }
        self.check_name(w.name, &format!("{table}.name"));
        if !self.once(seen, w.login, login.clone(), &field) {
            return;
        }
        let known = basis.there.principals.iter().find(|p| p.login == login);
        if let Some(other) = known.filter(|k| k.kind != table) {
            let is = if other.kind == "service" { "ein Dienst" } else { "eine Person" };
            let problem = format!("{login} gibt es schon, und zwar als {is}, nicht als {word}");
            self.mistake(w.login.span(), &field, problem);
            return;
        }
        let id = known.map_or_else(|| PrincipalId::new(basis.ids), |k| k.id);
        let held = known.map(|k| k.grants.clone()).unwrap_or_default();
        let wanted = self.grants(w, table, &held);
        let (mut words, mut steps) = (Vec::new(), Vec::new());
        let name = w.name.get_ref();
        match known {
            None => {
                words.push(format!("„{name}“"));
                if let Some(home) = w.administration {
                    words.push(format!("bei {}", self.slug_of(home)));
                }
                steps.push(Step::AddPrincipal {
                    id,
                    login: login.clone(),
                    name: name.clone(),
                    kind: table,
                    administration: w.administration,
                    password: w.password.clone(),
                });
            }
            Some(k) if k.name != *name || k.administration != w.administration => {
                if k.name != *name {
                    words.push(format!("Name: „{}“ → „{name}“", k.name));
                }
                if k.administration != w.administration {
                    let slug =
                        |a: Option<AdministrationId>| a.map_or("keine".to_owned(), |a| self.slug_of(a));
                    words.push(format!(
                        "Verwaltung: {} → {}",
                        slug(k.administration),
                        slug(w.administration)
                    ));
                }
                steps.push(Step::ChangePrincipal {
                    id,
                    name: name.clone(),
                    administration: w.administration,
                });
            }
            Some(_) => {}
        }
        for grant in wanted.difference(&held) {
            words.push(format!("Rolle {}", self.grant_words(*grant)));
            steps.push(Step::SetGrant { principal: id, grant: *grant, on: true });
        }
        for grant in held.difference(&wanted) {
            words.push(format!("ohne Rolle {}", self.grant_words(*grant)));
            steps.push(Step::SetGrant { principal: id, grant: *grant, on: false });
        }
        if known.is_none_or(|k| k.active) && wanted.iter().any(|g| g.role == Role::Operator) {
            self.operators.insert(id);
        } else {
            self.operators.remove(&id);
        }
        self.done(w.kind, login, known.is_none(), w.login.span(), words, steps);
    }

    /// All grants somebody shall have. What is held already may stay even where it would not be granted anew.
    fn grants(&mut self, w: &Written<'_>, table: &str, held: &BTreeSet<Grant>) -> BTreeSet<Grant> {
        let mut all = BTreeSet::new();
        for entry in w.roles {
            let field = |name: &str| format!("{table}.roles.{name}");
            let Some(role) = Role::parse(entry.role.get_ref()) else {
                let allowed: Vec<&str> = Role::ALL.iter().map(|r| r.as_str()).collect();
                let problem = format!(
                    "diese Rolle gibt es nicht: {:?}; erlaubt sind: {}",
                    entry.role.get_ref(),
                    allowed.join(", ")
                );
                self.mistake(entry.role.span(), &field("role"), problem);
                continue;
            };
            let narrow = entry.desk.is_some() || entry.mailbox.is_some();
            if role == Role::Operator {
                let grant = Grant { role, place: Place::Installation };
                if !entry.tenants.is_empty() || narrow {
                    let problem = "operator gilt für die ganze Installation: ohne tenants, desk und mailbox";
                    self.mistake(entry.role.span(), &field("role"), problem);
                } else if w.kind == Kind::Service && !held.contains(&grant) {
                    self.mistake(entry.role.span(), &field("role"), "operator können nur Personen sein");
                } else {
                    all.insert(grant);
                }
                continue;
            }
            if entry.tenants.is_empty() {
                let problem = format!("{} braucht tenants = [\"…\"]", role.as_str());
                self.mistake(entry.role.span(), &field("tenants"), problem);
            }
            if entry.desk.is_some() && entry.mailbox.is_some() {
                let problem = "entweder desk oder mailbox, nicht beides; zwei Orte sind zwei Einträge";
                self.mistake(entry.role.span(), &field("desk"), problem);
                continue;
            }
            for slug in &entry.tenants {
                for tenant in self.named(w, slug, &field("tenants")) {
                    let Some(place) = self.place(tenant, entry, table) else { continue };
                    let grant = Grant { role, place };
                    all.insert(grant);
                    let Some(problem) = self.useless(w, grant) else { continue };
                    if held.contains(&grant) {
                        let words = self.grant_words(grant);
                        self.out.notices.push(format!(
                            "{}: die Rolle {words} wirkt nicht: {problem}.",
                            w.login.get_ref()
                        ));
                    } else {
                        self.mistake(slug.span(), &format!("{table}.roles"), problem);
                    }
                }
            }
        }
        all
    }

    /// The tenants a word means.
    fn named(&mut self, w: &Written<'_>, slug: &Text, field: &str) -> Vec<TenantId> {
        if slug.get_ref() != "*" {
            return self.tenant(slug, field).map(|t| t.id).into_iter().collect();
        }
        let Some(home) = w.administration.filter(|_| w.kind == Kind::Person) else {
            let problem = "* heißt: alle Mandanten der Verwaltung der Person; hier fehlt administration";
            self.mistake(slug.span(), field, problem);
            return Vec::new();
        };
        self.tenants.values().filter(|t| t.mandate == Some(home)).map(|t| t.id).collect()
    }

    fn place(&mut self, tenant: TenantId, entry: &file::Role, table: &str) -> Option<Place> {
        let slug = self.tenant_slug(tenant);
        if let Some(desk) = &entry.desk {
            let row = self.tenants.get(&slug).cloned()?;
            let desk = self.desk(&row, desk, &format!("{table}.roles.desk"))?;
            return Some(Place::Desk { tenant, desk });
        }
        let Some(name) = &entry.mailbox else { return Some(Place::Tenant { tenant }) };
        let found = self.mailboxes.get(&(tenant, name.get_ref().clone())).copied();
        if found.is_none() {
            let mine = self.mailboxes.keys().filter(|(t, _)| *t == tenant).map(|(_, n)| n);
            let problem = format!(
                "das Postfach {:?} hat {slug} nicht; vorhanden sind: {}",
                name.get_ref(),
                super::listed(mine)
            );
            self.mistake(name.span(), &format!("{table}.roles.mailbox"), problem);
        }
        found.map(|mailbox| Place::Mailbox { tenant, mailbox })
    }

    /// Why a role would change nothing for somebody; `None` when it would.
    fn useless(&self, w: &Written<'_>, grant: Grant) -> Option<String> {
        match (grant.place, grant.role) {
            (Place::Desk { .. }, Role::TenantAdmin | Role::Intake)
            | (Place::Mailbox { .. }, Role::TenantAdmin) => {
                let what = if matches!(grant.place, Place::Desk { .. }) { "desk" } else { "mailbox" };
                return Some(format!(
                    "{} gilt nicht an einem einzelnen Ort: ohne {what}",
                    grant.role.as_str()
                ));
            }
            _ => {}
        }
        let tenant = self.tenants.values().find(|t| Some(t.id) == grant.place.tenant())?;
        let slug = self.tenant_slug(tenant.id);
        if let Place::Desk { desk, .. } = grant.place
            && !self.serves(desk, tenant)
        {
            return Some(format!(
                "der Arbeitskorb dient dem Mandanten {slug} nicht (administration.desk.tenants)"
            ));
        }
        if w.kind == Kind::Service || tenant.mandate.is_some() && tenant.mandate == w.administration {
            return None;
        }
        Some(match w.administration {
            None => "eine Person mit Rollen bei Mandanten braucht administration = \"…\"".to_owned(),
            Some(home) => format!("{} hat kein Mandat für {slug}", self.slug_of(home)),
        })
    }

    fn grant_words(&self, grant: Grant) -> String {
        let role = german(grant.role);
        let tenant = grant.place.tenant().map(|t| self.tenant_slug(t)).unwrap_or_default();
        match grant.place {
            Place::Installation => role.to_owned(),
            Place::Tenant { .. } => format!("{role} für {tenant}"),
            Place::Desk { desk, .. } => {
                let name =
                    self.tenants.get(&tenant).map_or_else(|| desk.to_string(), |t| self.desk_word(t, desk));
                format!("{role} am Arbeitskorb {name} für {tenant}")
            }
            Place::Mailbox { mailbox, .. } => {
                let name =
                    self.mailboxes.iter().find(|(_, id)| **id == mailbox).map(|((_, n), _)| n.as_str());
                format!("{role} am Postfach {} von {tenant}", name.unwrap_or("–"))
            }
        }
    }
}
