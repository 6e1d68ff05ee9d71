// SPDX-License-Identifier: EUPL-1.2
//! Deliveries, evidence and lanes in German words.
//!
//! Guarantees: pure; a name that is not known any more becomes a general word, never an id.

use std::collections::BTreeMap;

use poststelle_model::{
    ConnectorId, DeliveryEvent, DeliveryState, Event, PrincipalId, Reason, Target, TenantId, Timestamp,
};
use poststelle_store::evidence::Entry;
use poststelle_store::messages::Delivery;
use poststelle_store::tenants::{self, Connector, Desk};
use poststelle_store::{StoreError, Tx};

use crate::inspecting;
use crate::resume::may_have_arrived;
use crate::texts;
use crate::view::{DeliveryView, TimelineLine, Waiting};

/// Names for the words of one message.
pub(crate) struct Words<'a> {
    pub chain: &'a [Entry],
    pub desks: &'a [Desk],
    pub connectors: &'a [Connector],
    pub names: &'a BTreeMap<PrincipalId, String>,
}

impl Words<'_> {
    fn target(&self, target: &Target) -> String {
        match target {
            Target::Desk { desk } => self
                .desks
                .iter()
                .find(|d| d.id == *desk)
                .map_or_else(|| "Arbeitskorb".to_owned(), |d| format!("Arbeitskorb „{}“", d.name)),
            Target::Connector { connector } => self
                .connectors
                .iter()
                .find(|c| c.id == *connector)
                .map_or_else(|| "Übergabeziel".to_owned(), |c| format!("Übergabeziel „{}“", c.name)),
            Target::Mail { address } => format!("E-Mail an {address}"),
            Target::Receipt { of } if of == "canary" => "Kontrolle des Kanals".to_owned(),
            Target::Receipt { .. } => "Rückmeldung zu einer eigenen Sendung".to_owned(),
        }
    }

    pub fn delivery(&self, delivery: Delivery) -> DeliveryView {
        let sentence = delivery.reason.as_ref().map(texts::sentence).unwrap_or_default();
        let who = match (&delivery.reason, delivery.state) {
            (_, DeliveryState::Confirmed | DeliveryState::Accepted) | (None, _) => String::new(),
            (Some(reason), _) => texts::who_acts(reason.fault),
        };
        DeliveryView {
            target: self.target(&delivery.target),
            state: texts::say(&format!("state-{}", delivery.state.as_str()), &[]),
            sentence,
            who,
            resumable: delivery.state.after(DeliveryEvent::Resume).is_ok(),
            doubtful: may_have_arrived(self.chain, delivery.id),
            delivery,
        }
    }

    pub fn waiting(&self, view: &DeliveryView) -> Option<Waiting> {
        let d = &view.delivery;
        if !(d.state.is_open() || d.state == DeliveryState::Parked) {
            return None;
        }
        let time = |t: Timestamp| if t.0 <= 0 || t >= Timestamp::NEVER { String::new() } else { t.berlin() };
        Some(Waiting {
            what: view.target.clone(),
            delivery: Some(d.id),
            why: if view.sentence.is_empty() {
                "Die Übergabe ist vorgesehen und beginnt von selbst.".to_owned()
            } else {
                view.sentence.clone()
            },
            next: if d.state == DeliveryState::Parked { String::new() } else { time(d.next_attempt) },
            until: time(d.expires_at),
            who: d
                .reason
                .as_ref()
                .map_or_else(|| texts::say("fault-nobody", &[]), |r| texts::who_acts(r.fault)),
        })
    }

    pub fn line(&self, entry: &Entry) -> TimelineLine {
        let body: serde_json::Value = serde_json::from_str(&entry.body).unwrap_or_default();
        let field = |name: &str| body.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let target = Target::parse(field("target")).map(|t| self.target(&t)).unwrap_or_default();
        let code = field("code").to_owned();
        let sentence = if code.is_empty() {
            String::new()
        } else {
            let mut reason = Reason {
                code: poststelle_model::Code::new(""),
                fault: poststelle_model::Fault::Nobody,
                params: BTreeMap::new(),
            };
            if let Some(params) = body.get("params").and_then(serde_json::Value::as_object) {
                for (k, v) in params {
                    reason = reason.with(k, v.as_str().unwrap_or_default());
                }
            }
            let args: Vec<(&str, &str)> =
                reason.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            texts::say(&code, &args)
        };
        let text = match entry.kind() {
            Some(Event::SubmissionAcceptance) if field("foreign_id").starts_with("draft:") => {
                texts::say("written-here", &[("who", &self.who(&entry.who)), ("sender", field("sender"))])
            }
            Some(Event::ReceivedFromNonERDS | Event::SubmissionAcceptance) => {
                let tls = if field("tls").is_empty() { "unverschlüsselt" } else { field("tls") };
                let from = if field("sender").is_empty() { "leerem Absender" } else { field("sender") };
                let repeated = if field("conflicts_with").is_empty() {
                    ""
                } else {
                    " Achtung: Unter derselben Kennung kam schon einmal ein anderer Inhalt."
                };
                format!("Von {from}, über {} ({tls}).{repeated}", field("peer"))
            }
            Some(Event::Processed) => {
                let parts = body.get("parts").and_then(serde_json::Value::as_i64).unwrap_or(0);
                if body.get("clearing").and_then(serde_json::Value::as_bool) == Some(true) {
                    format!("{parts} Bestandteile gefunden. {}: an den Klärungskorb.", field("rule"))
                } else {
                    format!("{parts} Bestandteile gefunden. Zugeordnet nach „{}“.", field("rule"))
                }
            }
            Some(Event::Deferred | Event::Unclear) => {
                let next = field("next");
                let next = Timestamp::parse_rfc3339(next)
                    .map_or(String::new(), |t| format!(" Nächster Versuch: {}.", t.berlin()));
                format!("{target}: {sentence}{next}")
            }
            Some(Event::ContentAccessTracking) => {
                texts::say(&format!("reading-{}", field("how")), &[("who", &self.who(&entry.who))])
            }
            Some(Event::DeskWork) => {
                let owner = self.name(field("owner"));
                let until = Timestamp::parse_rfc3339(field("until")).map_or(String::new(), |t| t.berlin());
                texts::say(
                    &format!("desk-did-{}", field("act")),
                    &[("who", &self.who(&entry.who)), ("owner", &owner), ("until", &until)],
                )
            }
            Some(Event::Inspected) => {
                let version = body.get("version").and_then(serde_json::Value::as_i64).unwrap_or(1);
                let words = |kind: &str, of: &str| texts::say(&format!("{kind}-{}", field(of)), &[]);
                texts::say(
                    if version > 1 { "inspected-again" } else { "inspected" },
                    &[
                        ("version", &version.to_string()),
                        ("danger", &format!("{}.", words("danger", "danger"))),
                        ("form", &format!("{}.", words("form-verdict", "written_form"))),
                    ],
                )
            }
            Some(Event::HeldBack) => {
                let mut note = poststelle_inspect::sheet::Note::new(field("note"));
                let params = body.get("params").cloned().unwrap_or_default();
                note.params = serde_json::from_value(params).unwrap_or_default();
                texts::say("held-back", &[("part", &part(&body)), ("why", &inspecting::words(&note))])
            }
            Some(Event::HoldChanged) => texts::say(
                &format!("hold-did-{}", field("act")),
                &[("who", &self.who(&entry.who)), ("part", &part(&body)), ("words", field("words"))],
            ),
            Some(Event::SenderNotified) => format!("Mitteilung an {} gesandt.", field("recipient")),
            _ if !sentence.is_empty() && !target.is_empty() => format!("{target}: {sentence}"),
            _ if !sentence.is_empty() => sentence,
            _ => target,
        };
        TimelineLine {
            at: entry.at,
            when: entry.at.berlin(),
            event: entry.event.clone(),
            title: texts::say(&format!("event-{}", entry.event), &[]),
            text,
            who: self.who(&entry.who),
            code,
        }
    }

    fn name(&self, id: &str) -> String {
        let known = id.parse().ok().and_then(|id: PrincipalId| self.names.get(&id));
        known.cloned().unwrap_or_else(|| "ein Konto".to_owned())
    }

    fn who(&self, who: &str) -> String {
        match principal(who) {
            Some(id) => self.names.get(&id).cloned().unwrap_or_else(|| "ein Konto".to_owned()),
            None => "Poststelle".to_owned(),
        }
    }
}

/// The number of the part an entry speaks of.
fn part(body: &serde_json::Value) -> String {
    body.get("part").and_then(serde_json::Value::as_i64).unwrap_or(0).to_string()
}

/// The principal who did something, if it was one.
pub(crate) fn principal(who: &str) -> Option<PrincipalId> {
    who.strip_prefix("principal:")?.parse().ok()
}

/// The tenant of a lane `<tenant>/<target>`.
pub(crate) fn lane_tenant(lane: &str) -> Option<TenantId> {
    lane.split_once('/')?.0.parse().ok()
}

fn lane_connector(lane: &str) -> Option<ConnectorId> {
    lane.split_once('/')?.1.strip_prefix("connector:")?.parse().ok()
}

/// The target of a lane in words, as far as the lane itself tells.
pub(crate) fn lane(lane: &str) -> String {
    let target = lane.split_once('/').map_or(lane, |(_, target)| target);
    match target.split_once(':') {
        Some(("mail", domain)) => format!("„E-Mail an {domain}“"),
        Some(("connector", _)) => "„Übergabeziel“".to_owned(),
        _ => format!("„{target}“"),
    }
}

/// The target of a lane in words, with the name of its connector.
pub(crate) async fn named_lane(tx: &mut Tx, text: &str) -> Result<String, StoreError> {
    if let (Some(tenant), Some(connector)) = (lane_tenant(text), lane_connector(text))
        && let Some(found) = tenants::get_connector(tx, tenant, connector).await?
    {
        return Ok(format!("„{}“", found.name));
    }
    Ok(lane(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_speak() {
        let tenant = "0190a5c0-0000-7000-8000-000000000001";
        assert_eq!(lane(&format!("{tenant}/mail:aussen.example")), "„E-Mail an aussen.example“");
        let connector = format!("{tenant}/connector:0190a5c0-0000-7000-8000-000000000002");
        assert_eq!(lane(&connector), "„Übergabeziel“");
        assert!(lane_tenant(&connector).is_some() && lane_connector(&connector).is_some());
        assert_eq!(lane_tenant("x"), None);
    }
}
