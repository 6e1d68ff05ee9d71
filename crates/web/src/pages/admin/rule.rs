// SPDX-License-Identifier: EUPL-1.2
//! `/verwaltung/{tenant}/regeln/{rule}`: one rule of the draft as a form, without a script or in CEL.
//!
//! Guarantees: what was typed stays in the form when it is refused; a condition of lines becomes CEL, one written by
//! hand stays as it is. Saving changes the draft alone.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_hub::rules::condition::{self, COMPARISONS, Condition, Joined, Line};
use poststelle_hub::rules::{RulesView, Step};
use poststelle_model::{Action, Fault, Reason, Rule, RuleId, TenantId};

use super::MENU;
use super::fields::Fields;
use crate::error::Refusal;
use crate::pages::tenant_id;
use crate::pages::{Frame, page};
use crate::session::Person;
use crate::web::Web;

/// Empty lines offered beside those that are filled.
const SPARE: usize = 2;
/// Most lines of a form.
const LINES: usize = 40;

/// What stands in the form.
#[derive(Debug, Clone, Default)]
struct Typed {
    name: String,
    active: bool,
    by_hand: bool,
    any: bool,
    lines: Vec<(String, String)>,
    cel: String,
    actions: Vec<String>,
    addresses: String,
}

/// An action to tick.
struct Offer {
    value: String,
    words: String,
    ticked: bool,
}

/// Comparisons of one field.
struct Group {
    field: &'static str,
    all: Vec<(&'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "admin_rule.html")]
struct RulePage {
    frame: Frame,
    csrf: String,
    here: String,
    rules: String,
    tenant: String,
    new: bool,
    error: String,
    version: i64,
    typed: Typed,
    lines: Vec<(usize, String, String)>,
    more: usize,
    groups: Vec<Group>,
    places: Vec<Offer>,
    copies: Vec<Offer>,
    urgent: bool,
}

impl Typed {
    fn of(rule: &Rule) -> Self {
        // What has more lines than the form stays an expression: nothing of it may fall off.
        let read = Condition::read(&rule.condition).filter(|c| c.lines.len() <= LINES);
        let mut actions = Vec::new();
        let mut addresses = Vec::new();
        for action in &rule.actions {
            match action {
                Action::ToAddress { address } => addresses.push(address.as_str()),
                other => actions.push(word(other)),
            }
        }
        Self {
            name: rule.name.clone(),
            active: rule.active,
            by_hand: read.is_none(),
            any: read.as_ref().is_some_and(|c| c.joined == Joined::Or),
            lines: read
                .map(|c| c.lines)
                .unwrap_or_default()
                .into_iter()
                .map(|l| (l.comparison.key.to_owned(), l.value))
                .collect(),
            cel: rule.condition.clone(),
            actions,
            addresses: addresses.join(", "),
        }
    }

    fn read(fields: &Fields) -> Self {
        Self {
            name: fields.one("name").to_owned(),
            active: fields.one("aktiv") == "ja",
            by_hand: fields.one("art") == "cel",
            any: fields.one("verknuepfung") == "oder",
            lines: fields
                .all("feld")
                .zip(fields.all("wert"))
                .filter(|(field, _)| !field.is_empty())
                .take(LINES)
                .map(|(field, value)| (field.to_owned(), value.to_owned()))
                .collect(),
            cel: fields.one("cel").to_owned(),
            actions: fields.all("aktion").map(str::to_owned).collect(),
            addresses: fields.one("adressen").to_owned(),
        }
    }

    fn condition(&self) -> Result<String, Refusal> {
        if self.by_hand {
            return Ok(self.cel.trim().to_owned());
        }
        let wrong = |line: usize| {
            let reason = Reason::new("PST-RULE-0014", Fault::Sender).with("line", line + 1);
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason)
        };
        let lines: Result<Vec<Line>, Refusal> = self
            .lines
            .iter()
            .enumerate()
            .map(|(i, (key, value))| {
                let comparison = condition::comparison(key).ok_or_else(|| wrong(i))?;
                Ok(Line { comparison, value: value.clone() })
            })
            .collect();
        let joined = if self.any { Joined::Or } else { Joined::And };
        let lines = lines?;
        if lines.is_empty() {
            return Err(wrong(0));
        }
        Condition { joined, lines }.cel().map_err(wrong)
    }

    fn actions(&self) -> Result<Vec<Action>, Refusal> {
        let ticked = self.actions.iter().map(|word| action(word).ok_or_else(Refusal::not_found));
        let mut all: Vec<Action> = ticked.collect::<Result<_, _>>()?;
        let addresses = self.addresses.split([',', ';', ' ', '\n', '\r']).filter(|a| !a.is_empty());
        all.extend(addresses.map(|a| Action::ToAddress { address: a.to_lowercase() }));
        Ok(all)
    }
}

/// The word of an action in the form.
fn word(action: &Action) -> String {
    match action {
        Action::ToDesk { desk } => format!("desk:{desk}"),
        Action::ToConnector { connector } => format!("connector:{connector}"),
        Action::ToAddress { address } => format!("mail:{address}"),
        Action::CopyToDesk { desk } => format!("copy:{desk}"),
        Action::Priority => "priority".to_owned(),
        Action::ToClearing => "clearing".to_owned(),
    }
}

fn action(word: &str) -> Option<Action> {
    Some(match word.split_once(':') {
        None if word == "priority" => Action::Priority,
        None if word == "clearing" => Action::ToClearing,
        Some(("desk", id)) => Action::ToDesk { desk: id.parse().ok()? },
        Some(("connector", id)) => Action::ToConnector { connector: id.parse().ok()? },
        Some(("copy", id)) => Action::CopyToDesk { desk: id.parse().ok()? },
        _ => return None,
    })
}

/// The rule an address names in what is shown; `None` = a new one.
fn named(view: &RulesView, rule: &str) -> Result<Option<Rule>, Refusal> {
    if !view.administers {
        return Err(Refusal::not_found());
    }
    if rule == "neu" {
        return Ok(None);
    }
    let id: RuleId = rule.parse().map_err(|_| Refusal::not_found())?;
    view.shown().iter().find(|r| r.id == id).cloned().map(Some).ok_or_else(Refusal::not_found)
}

fn form(
    person: &Person,
    view: &RulesView,
    rule: &str,
    typed: Typed,
    rows: usize,
    version: i64,
    refused: Option<&Refusal>,
) -> Response {
    let error = refused.map(Refusal::sentence).unwrap_or_default();
    let what = if rule == "neu" { "Neue Regel" } else { "Regel ändern" };
    let title = format!("{}{what} – {}", if error.is_empty() { "" } else { "Fehler – " }, view.tenant.name);
    let tick = |value: String, words: String| Offer { ticked: typed.actions.contains(&value), value, words };
    let desks = &view.places.desks;
    let mut places: Vec<Offer> =
        desks.iter().map(|d| tick(format!("desk:{}", d.id), format!("Arbeitskorb „{}“", d.name))).collect();
    places.extend(view.places.connectors.iter().map(|c| {
        let off = if c.active { "" } else { " (ausgeschaltet)" };
        tick(format!("connector:{}", c.id), format!("Ziel „{}“{off}", c.name))
    }));
    places.push(tick("clearing".to_owned(), "Klärungskorb, mit dieser Regel als Grund".to_owned()));
    let copies = desks
        .iter()
        .map(|d| tick(format!("copy:{}", d.id), format!("Kopie in den Arbeitskorb „{}“", d.name)))
        .collect();
    let mut groups: Vec<Group> = Vec::new();
    for c in COMPARISONS {
        match groups.last_mut().filter(|g| g.field == c.field) {
            Some(group) => group.all.push((c.key, c.words)),
            None => groups.push(Group { field: c.field, all: vec![(c.key, c.words)] }),
        }
    }
    let count = rows.max(typed.lines.len() + SPARE).min(LINES);
    let empty = (String::new(), String::new());
    let lines = typed.lines.iter().chain(std::iter::repeat(&empty)).take(count).enumerate();
    let lines = lines.map(|(i, (field, value))| (i + 1, field.clone(), value.clone())).collect();
    let template = RulePage {
        frame: Frame::new(title, MENU, Some(person)),
        csrf: person.signed.csrf.clone(),
        here: format!("{MENU}/{}/regeln/{rule}", view.tenant.id),
        rules: format!("{MENU}/{}/regeln", view.tenant.id),
        tenant: view.tenant.name.clone(),
        new: rule == "neu",
        error,
        version,
        lines,
        more: count + 3,
        groups,
        places,
        copies,
        urgent: typed.actions.iter().any(|a| a == "priority"),
        typed,
    };
    page(refused.map_or(StatusCode::OK, |r| r.status), &template)
}

/// `GET /verwaltung/{tenant}/regeln/{rule}`; `neu` is a new one.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path((tenant, rule)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let view = web.hub().rules_view(&person.signed.access, tenant_id(&tenant)?).await?;
    let typed = match named(&view, &rule)? {
        Some(rule) => Typed::of(&rule),
        None => Typed { active: true, ..Typed::default() },
    };
    let version = view.set.version;
    Ok(form(&person, &view, &rule, typed, 0, version, None))
}

/// `POST /verwaltung/{tenant}/regeln/{rule}`.
pub(crate) async fn save(
    State(web): State<Web>,
    person: Person,
    Path((tenant, rule)): Path<(String, String)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    let fields = fields.own(&person)?;
    let tenant = tenant_id(&tenant)?;
    let seen = fields.number("version")?;
    let access = &person.signed.access;
    let view = web.hub().rules_view(access, tenant).await?;
    let typed = Typed::read(&fields);
    let old = match named(&view, &rule) {
        // It was there when the form was opened: say so instead of "not found".
        Err(_) if view.administers && seen != view.set.version => None,
        other => other?,
    };
    if fields.one("schritt") == "zeilen" {
        let rows = fields.one("zeilen").parse().unwrap_or(0);
        return Ok(form(&person, &view, &rule, typed, rows, seen, None));
    }
    match put(&web, &person, tenant, seen, old, &typed).await {
        Ok(()) => Ok(Redirect::to(&format!("{MENU}/{tenant}/regeln?hinweis=entwurf")).into_response()),
        Err(refusal) if matches!(refusal.status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY) => {
            // After a conflict the form goes on from the present state: who saves again has read the sentence. What was
            // wrong otherwise says nothing about what others did meanwhile.
            let version = if refusal.status == StatusCode::CONFLICT { view.set.version } else { seen };
            Ok(form(&person, &view, &rule, typed, 0, version, Some(&refusal)))
        }
        Err(refusal) => Err(refusal),
    }
}

async fn put(
    web: &Web,
    person: &Person,
    tenant: TenantId,
    seen: i64,
    old: Option<Rule>,
    typed: &Typed,
) -> Result<(), Refusal> {
    let rule = Rule {
        tenant,
        id: old.as_ref().map_or_else(|| RuleId::new(web.hub().ids()), |r| r.id),
        position: old.as_ref().map_or(0, |r| r.position),
        version: 0,
        name: typed.name.clone(),
        condition: typed.condition()?,
        actions: typed.actions()?,
        active: typed.active,
    };
    web.hub().prepare_rules(&person.signed.access, tenant, seen, Step::Put(rule)).await?;
    Ok(())
}
