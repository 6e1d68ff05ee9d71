// SPDX-License-Identifier: EUPL-1.2
//! What people changed in a tenant, in words: from the evidence of its people, desks, mailboxes, rules and connectors.
//!
//! Guarantees: nothing is told that is not proved; a name that is not known any more becomes a general word, never an
//! id; a change this program knows no words for is told in general ones, not left out. Changes of an account as a whole
//! stand in the house's own log: those of people in sight are told too.

use std::collections::{BTreeMap, BTreeSet};

use poststelle_model::{PrincipalId, Role, Subject, TenantId, Timestamp};
use poststelle_store::administration::{self, ChangePlace, ChangeRow};
use poststelle_store::{Scope, access, tenants};
use serde_json::Value;

use super::{AdminError, Administered};
use crate::texts;
use crate::told;
use crate::words::principal;

/// Kinds of things that change: kind of [`Subject`].
pub const CHANGE_KINDS: [&str; 6] = ["principal", "desk", "mailbox", "rules", "connector", "tenant"];

/// One change in words.
#[derive(Debug, Clone)]
pub struct ChangeLine {
    /// Its place in the order.
    pub place: ChangePlace,
    /// When.
    pub at: Timestamp,
    /// What was changed: one of [`CHANGE_KINDS`].
    pub kind: String,
    /// Who did it.
    pub who: String,
    /// A German sentence.
    pub sentence: String,
}

/// Names of what a sentence may speak of.
#[derive(Default)]
struct Names {
    people: BTreeMap<PrincipalId, String>,
    /// Only they are named in lines of the house's log: others may have acted for another tenant.
    in_sight: BTreeSet<PrincipalId>,
    /// By id: mailboxes, desks, connectors, Administrations.
    things: BTreeMap<String, String>,
}

impl Administered<'_> {
    /// Changes, newest first, before `place`; `kind` is one of [`CHANGE_KINDS`], empty = all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn changes(
        &self,
        kind: &str,
        place: &ChangePlace,
        limit: i64,
    ) -> Result<Vec<ChangeLine>, AdminError> {
        let (now, tenant) = (self.hub.clock.now(), self.tenant.id);
        let mut tx = self.hub.db.read(Scope::System).await?;
        // Somebody has a chain here and one in the house's log: their places are the odd and the even numbers.
        let of_tenant = ChangePlace { n: place.n / 2, ..place.clone() };
        let found = administration::changes(&mut tx, tenant, kind, &of_tenant, limit).await?;
        let mut rows: Vec<ChangeRow> =
            found.into_iter().map(|row| ChangeRow { n: row.n.saturating_mul(2) + 1, ..row }).collect();
        let mut in_sight: BTreeSet<PrincipalId> = BTreeSet::new();
        if kind.is_empty() || kind == "principal" {
            let people = administration::people(&mut tx, tenant, now).await?;
            in_sight.extend(people.iter().map(|p| p.id));
            let subjects: Vec<Subject> = people.iter().map(|p| Subject::principal(p.id)).collect();
            let of_house = ChangePlace { n: place.n.saturating_add(1) / 2, ..place.clone() };
            let own =
                administration::changes_of(&mut tx, TenantId::SYSTEM, &subjects, &of_house, limit).await?;
            rows.extend(own.into_iter().map(|row| ChangeRow { n: row.n.saturating_mul(2), ..row }));
            rows.sort_by(|a, b| (b.at, b.subject.as_str(), b.n).cmp(&(a.at, a.subject.as_str(), a.n)));
            rows.truncate(usize::try_from(limit).unwrap_or(0));
        }
        let bodies: Vec<Value> =
            rows.iter().map(|r| serde_json::from_str(&r.body).unwrap_or_default()).collect();
        let mut ids: Vec<PrincipalId> = Vec::new();
        for (row, body) in rows.iter().zip(&bodies) {
            ids.extend(principal(&row.who));
            ids.extend(of_subject(row));
            ids.extend(field(body, "deputy").parse::<PrincipalId>());
        }
        ids.sort_unstable();
        ids.dedup();
        let people = access::names(&mut tx, &ids).await?;
        let mut names = Names { people, in_sight, ..Names::default() };
        for (id, name, _) in tenants::mailboxes(&mut tx, tenant).await? {
            names.things.insert(id.to_string(), name);
        }
        for desk in administration::desks(&mut tx, tenant, now).await? {
            names.things.insert(desk.id.to_string(), desk.name);
        }
        for connector in tenants::connectors(&mut tx, tenant).await? {
            names.things.insert(connector.id.to_string(), connector.name);
        }
        for (id, _, name) in tenants::administrations(&mut tx).await? {
            names.things.insert(id.to_string(), name);
        }
        Ok(rows.iter().zip(&bodies).map(|(row, body)| names.line(row, body)).collect())
    }
}

fn of_subject(row: &ChangeRow) -> Option<PrincipalId> {
    row.subject.as_str().strip_prefix("principal:")?.parse().ok()
}

fn field<'b>(body: &'b Value, name: &str) -> &'b str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn day(text: &str) -> String {
    Timestamp::parse_rfc3339(text).map_or_else(|| "–".to_owned(), |t| t.in_berlin("%d.%m.%Y"))
}

impl Names {
    fn line(&self, row: &ChangeRow, body: &Value) -> ChangeLine {
        let who = match principal(&row.who) {
            Some(id) => self.person(Some(id), row),
            None => texts::say("change-house", &[]),
        };
        let (kind, id) = row.subject.as_str().split_once(':').unwrap_or(("", ""));
        ChangeLine {
            place: ChangePlace { at: row.at, subject: row.subject.as_str().to_owned(), n: row.n },
            at: row.at,
            kind: kind.to_owned(),
            sentence: self.sentence(kind, id, row, body, &who),
            who,
        }
    }

    fn person(&self, id: Option<PrincipalId>, row: &ChangeRow) -> String {
        let of_house = row.n % 2 == 0;
        let id = id.filter(|id| !of_house || self.in_sight.contains(id));
        let known = id.and_then(|id| self.people.get(&id)).cloned();
        known.unwrap_or_else(|| texts::say("change-somebody", &[]))
    }

    /// A thing by its id: as it is called now, else as its evidence calls it.
    fn thing(&self, id: &str, body: &Value) -> String {
        let known = self.things.get(id).cloned();
        known.unwrap_or_else(|| match field(body, "name") {
            "" => "?".to_owned(),
            name => name.to_owned(),
        })
    }

    fn place(&self, body: &Value) -> String {
        let place = body.get("place").cloned().unwrap_or_default();
        let scope = field(&place, "scope");
        let id = field(&place, scope);
        let name = self.things.get(id).map_or("?", String::as_str);
        texts::say(&format!("change-place-{scope}"), &[("name", name)])
    }

    fn sentence(&self, kind: &str, id: &str, row: &ChangeRow, body: &Value, who: &str) -> String {
        let created = row.event == "Created";
        let on = |name: &str| body.get(name).and_then(Value::as_bool);
        let yes = |name: &str| if on(name) == Some(true) { "on" } else { "off" };
        let (key, name, more) = match kind {
            "principal" => {
                let name = self.person(of_subject(row), row);
                let own = principal(&row.who).is_some_and(|w| Some(w) == of_subject(row));
                let (key, more) = self.account(created, own, body, row);
                (key, name, more)
            }
            "mailbox" => {
                let name = self.thing(id, body);
                let more = vec![("address", field(body, "address").to_owned())];
                let key = if created {
                    "mailbox-new".to_owned()
                } else if on("four_eyes").is_some() {
                    format!("mailbox-four-eyes-{}", yes("four_eyes"))
                } else if field(body, "address").is_empty() {
                    "mailbox-name".to_owned()
                } else if field(body, "moved_to").is_empty() {
                    "mailbox-address".to_owned()
                } else {
                    "mailbox-address-gone".to_owned()
                };
                (key, name, more)
            }
            "desk" => {
                let key = match (created, field(body, "field")) {
                    (true, _) => "desk-new".to_owned(),
                    (_, "tenants") => format!("desk-serves-{}", yes("serves")),
                    _ => "desk-name".to_owned(),
                };
                (key, self.thing(id, body), vec![])
            }
            "rules" => ("rules".to_owned(), told::of_rules(created, body), vec![]),
            "connector" => {
                let key = if created { "connector-new" } else { "connector-changed" };
                (key.to_owned(), self.thing(id, body), vec![])
            }
            "tenant" => match field(body, "field") {
                _ if created => ("tenant-new".to_owned(), field(body, "name").to_owned(), vec![]),
                "text_block" => {
                    let key = if field(body, "act") == "deleted" { "text-gone" } else { "text-written" };
                    (key.to_owned(), field(body, "name").to_owned(), vec![])
                }
                "name" => ("tenant-name".to_owned(), field(body, "name").to_owned(), vec![]),
                "mandate" => {
                    ("tenant-mandate".to_owned(), self.thing(field(body, "administration"), body), vec![])
                }
                _ => ("tenant".to_owned(), String::new(), vec![]),
            },
            _ => ("other".to_owned(), String::new(), vec![]),
        };
        let mut args = vec![("who", who), ("name", name.as_str())];
        // As it was called then; the present name stands beside it.
        args.push(("called", field(body, "name")));
        args.extend(more.iter().map(|(k, v)| (*k, v.as_str())));
        texts::say(&format!("change-{key}"), &args)
    }

    fn account(
        &self,
        created: bool,
        own: bool,
        body: &Value,
        row: &ChangeRow,
    ) -> (String, Vec<(&'static str, String)>) {
        let on = |name: &str| body.get(name).and_then(Value::as_bool);
        let text = |name: &str| field(body, name).to_owned();
        if created {
            let kind = if field(body, "kind") == "service" { "service" } else { "person" };
            return (format!("{kind}-new"), vec![("login", text("login"))]);
        }
        if let Some(granted) = on("granted") {
            let role = Role::parse(field(body, "role")).map_or("", Role::as_str);
            let role = texts::say(&format!("role-{role}"), &[]);
            let key = if granted { "role-given" } else { "role-taken" };
            return (key.to_owned(), vec![("role", role), ("place", self.place(body))]);
        }
        if !field(body, "token").is_empty() {
            let key = if on("revoked") == Some(true) { "token-gone" } else { "token-new" };
            return (key.to_owned(), vec![("token", text("token")), ("until", day(field(body, "until")))]);
        }
        let side = if own { "own" } else { "other" };
        match field(body, "field") {
            "password" => (format!("password-{side}"), vec![]),
            "second_factor" => {
                let key = if on("on") == Some(true) {
                    "factor-on".to_owned()
                } else {
                    format!("factor-off-{side}")
                };
                (key, vec![])
            }
            "active" => {
                let key = if on("active") == Some(true) { "unlocked" } else { "locked" };
                (key.to_owned(), vec![])
            }
            "session" => ("session".to_owned(), vec![]),
            "deputy" => {
                let deputy = self.person(field(body, "deputy").parse().ok(), row);
                let last = Timestamp::parse_rfc3339(field(body, "until"))
                    .map(|t| t.minus(std::time::Duration::from_secs(3600)).in_berlin("%d.%m.%Y"));
                let days = vec![
                    ("deputy", deputy),
                    ("from", day(field(body, "from"))),
                    ("until", last.unwrap_or_default()),
                ];
                (if on("on") == Some(true) { "deputy-on" } else { "deputy-off" }.to_owned(), days)
            }
            _ => ("account-name".to_owned(), vec![]),
        }
    }
}
