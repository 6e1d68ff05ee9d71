// SPDX-License-Identifier: EUPL-1.2
//! Routing rules of the demo: what each tenant does with which mail.
//!
//! Mail no rule places goes to the Klärungskorb, as it shall be seen in the demo.

use poststelle_model::{Action, ConnectorId, DeskId};

use super::data::{BUILDING, FORWARDING_TENANT, FORWARDS, RESIDENTS};

/// A rule to be: name, condition, actions.
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) condition: String,
    pub(super) actions: Vec<Action>,
}

/// Whom rules may name.
pub(super) struct Targets<'a> {
    pub(super) desks: &'a [(String, DeskId)],
    pub(super) connectors: &'a [(String, ConnectorId)],
    /// Where building matters are also announced.
    pub(super) webhook: Option<ConnectorId>,
}

impl Targets<'_> {
    fn desk(&self, name: &str) -> Option<DeskId> {
        self.desks.iter().find(|(n, _)| n == name).map(|(_, id)| *id)
    }

    /// The first of these desks that exists.
    fn to(&self, names: &[&str]) -> Option<Action> {
        names.iter().find_map(|name| self.desk(name)).map(|desk| Action::ToDesk { desk })
    }

    fn application(&self, name: &str) -> Option<Action> {
        let found = self.connectors.iter().find(|(n, _)| n == name);
        found.map(|(_, id)| Action::ToConnector { connector: *id })
    }
}

/// The rules of one tenant, in order.
pub(super) fn rules(slug: &str, t: &Targets<'_>) -> Vec<Planned> {
    let mut all: Vec<(&str, String, Vec<Option<Action>>)> = vec![
        (
            "Eilige Post",
            "msg.urgent || msg.subject.startsWith(\"EILT\")".to_owned(),
            vec![Some(Action::Priority)],
        ),
        (
            "Gerichtspost",
            "msg.sender_domain.endsWith(\".justiz.example\") \
             || msg.subject.matches(\"[0-9]+ [A-Z] [0-9]+/[0-9][0-9]\")"
                .to_owned(),
            vec![Some(Action::Priority), t.to(&["Rechtsamt", "Ordnungsamt", "Poststelle"])],
        ),
    ];
    if slug == FORWARDING_TENANT {
        for (word, name, address) in FORWARDS {
            let action = Action::ToAddress { address: address.to_owned() };
            all.push((name, format!("msg.subject.contains(\"{word}\")"), vec![Some(action)]));
        }
    }
    let building =
        "msg.subject.contains(\"Bauantrag\") || msg.subject.contains(\"Bauvoranfrage\")".to_owned();
    let residents = "msg.subject.contains(\"Ummeldung\") || msg.subject.contains(\"Geburtsurkunde\") \
         || msg.recipients.exists(r, r.startsWith(\"meldebehoerde@\"))"
        .to_owned();
    let copy = t.desk("Bauamt").map(|desk| Action::CopyToDesk { desk });
    let build_desk = t.to(&["Bauamt", "Poststelle"]);
    let building_actions = match t.application(BUILDING) {
        None => vec![build_desk.clone()],
        Some(application) => {
            let webhook = t.webhook.map(|connector| Action::ToConnector { connector });
            vec![copy, Some(application), webhook]
        }
    };
    all.extend([
        ("Bauanträge", building, building_actions),
        (
            "Melde- und Personenstandssachen",
            residents,
            vec![t.application(RESIDENTS).or_else(|| t.to(&["Standesamt", "Bürgerbüro", "Poststelle"]))],
        ),
        (
            "Bauleitplanung",
            "msg.subject.contains(\"B-Plan\") || msg.recipients.exists(r, r.startsWith(\"bauamt@\"))".to_owned(),
            vec![build_desk],
        ),
        (
            "Rechnungen und Abgaben",
            "msg.subject.startsWith(\"Rechnung\") || msg.subject.contains(\"steuer\") \
             || msg.recipients.exists(r, r.startsWith(\"rechnung@\"))"
                .to_owned(),
            vec![t.to(&["Kämmerei", "Poststelle"])],
        ),
        (
            "Widersprüche und Fristen",
            "msg.subject.contains(\"Widerspruch\") || msg.subject.contains(\"Fristverlängerung\")".to_owned(),
            vec![t.to(&["Rechtsamt", "Poststelle"])],
        ),
        (
            "Ordnungswidrigkeiten",
            "msg.subject.contains(\"Ordnungswidrigkeit\") || msg.recipients.exists(r, r.startsWith(\"ordnungsamt@\"))"
                .to_owned(),
            vec![t.to(&["Ordnungsamt", "Poststelle"])],
        ),
    ]);
    all.into_iter()
        .map(|(name, condition, actions)| Planned {
            name: name.to_owned(),
            condition,
            actions: actions.into_iter().flatten().collect(),
        })
        .filter(|planned| !planned.actions.is_empty())
        .collect()
}
