// SPDX-License-Identifier: EUPL-1.2
//! `directory show`: what is there, as a directory file.
//!
//! Guarantees: what it prints, `directory apply` reads and finds nothing to do. Does not: show secrets, passwords or
//! the house's own tenant.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{Action as Does, ChannelKind, DeskId};
use poststelle_store::Scope;
use toml::Spanned;

use super::file::{
    Action, Administration, Connector, Desk, File, Mailbox, Person, Role, Rule, Service, Tenant, Text,
};
use super::plan::CLEARING;
use super::there::{self, There};
use crate::config::Config;
use crate::house;

/// Runs `directory show`.
pub async fn run(config: &Config, as_json: bool) -> Result<ExitCode> {
    let hub = house::hub(config, Duration::ZERO, false).await?;
    let mut tx = hub.db().read(Scope::System).await?;
    let there = There::read(&mut tx, hub.clock().now()).await?;
    tx.rollback().await?;
    let file = written(&there);
    super::say(&if as_json {
        format!(
            "{}
",
            serde_json::to_string_pretty(&file)?
        )
    } else {
        text(&file)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn at<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// What is there as a file would say it.
pub fn written(there: &There) -> File {
    let slug = |id| there.administration(id).map(|a| at(a.slug.clone()));
    let tenant_slug = |id| there.tenant(id).map(|t| at(t.slug.clone()));
    let administrations = there.administrations.iter().map(|a| Administration {
        slug: at(a.slug.clone()),
        name: at(a.name.clone()),
        desks: there
            .desks
            .iter()
            .filter(|d| d.administration == Some(a.id))
            .map(|d| Desk {
                name: at(d.name.clone()),
                tenants: d.tenants.iter().filter_map(|t| tenant_slug(*t)).collect(),
            })
            .collect(),
    });
    let tenants = there.tenants.iter().filter(|t| !t.id.is_system()).map(|t| Tenant {
        slug: at(t.slug.clone()),
        name: at(t.name.clone()),
        administration: t.mandate.and_then(slug),
        mailboxes: t.mailboxes.iter().map(|m| mailbox(t, m)).collect(),
        connectors: t.connectors.iter().map(connector).collect(),
        rules: t
            .rules
            .iter()
            .map(|r| Rule {
                name: at(r.name.clone()),
                position: Some(r.position),
                condition: at(r.condition.clone()),
                actions: at(r.actions.iter().map(|a| action(there, t, a)).collect()),
                active: r.active,
            })
            .collect(),
    });
    let of = |kind: &'static str| there.principals.iter().filter(move |p| p.kind == kind);
    let roles = |p: &there::Principal| {
        let mut all: Vec<Role> = Vec::new();
        for role in p.grants.iter().filter_map(|g| role(there, *g)) {
            match all
                .iter_mut()
                .find(|r| r.role == role.role && r.desk == role.desk && r.mailbox == role.mailbox)
            {
                Some(same) => same.tenants.extend(role.tenants),
                None => all.push(role),
            }
        }
        all
    };
    File {
        administrations: administrations.collect(),
        tenants: tenants.collect(),
        people: of("person")
            .map(|p| Person {
                login: at(p.login.clone()),
                name: at(p.name.clone()),
                administration: p.administration.and_then(slug),
                roles: roles(p),
                password_file: None,
                locked: !p.active,
            })
            .collect(),
        services: of("service")
            .map(|p| Service {
                login: at(p.login.clone()),
                name: at(p.name.clone()),
                roles: roles(p),
                locked: !p.active,
            })
            .collect(),
    }
}

fn mailbox(t: &there::Tenant, (id, name): &(poststelle_model::MailboxId, String)) -> Mailbox {
    let mine =
        t.addresses.iter().filter(|(channel, _, mailbox)| *channel == ChannelKind::Mail && mailbox == id);
    Mailbox {
        name: at(name.clone()),
        addresses: mine.map(|(_, address, _)| at(address.clone())).collect(),
        four_eyes: t.four_eyes.contains(id).then_some(true),
    }
}

fn connector(c: &poststelle_store::tenants::Connector) -> Connector {
    let config: serde_json::Value = serde_json::from_str(&c.config).unwrap_or_default();
    Connector {
        name: at(c.name.clone()),
        kind: at(c.kind.clone()),
        config: at(toml::Table::try_from(config).unwrap_or_default()),
        secret_env: None,
        secret_file: None,
        active: c.active,
    }
}

/// The word a desk is found by, seen from a tenant.
fn desk(there: &There, tenant: &there::Tenant, id: DeskId) -> Text {
    if id == tenant.clearing {
        return at(CLEARING.to_owned());
    }
    let Some(desk) = there.desks.iter().find(|d| d.id == id) else { return at(id.to_string()) };
    let home = desk.administration.and_then(|a| there.administration(a));
    at(match home {
        Some(home) if desk.administration != tenant.mandate => format!("{}/{}", home.slug, desk.name),
        _ => desk.name.clone(),
    })
}

fn action(there: &There, tenant: &there::Tenant, action: &Does) -> Action {
    let mut out = Action { does: at(String::new()), desk: None, connector: None, address: None };
    let word = match action {
        Does::ToDesk { desk: id } => {
            out.desk = Some(desk(there, tenant, *id));
            "to_desk"
        }
        Does::CopyToDesk { desk: id } => {
            out.desk = Some(desk(there, tenant, *id));
            "copy_to_desk"
        }
        Does::ToConnector { connector } => {
            let found = tenant.connectors.iter().find(|c| c.id == *connector);
            out.connector = Some(at(found.map_or_else(|| connector.to_string(), |c| c.name.clone())));
            "to_connector"
        }
        Does::ToAddress { address } => {
            out.address = Some(at(address.clone()));
            "to_address"
        }
        Does::Priority => "priority",
        Does::ToClearing => "to_clearing",
    };
    out.does = at(word.to_owned());
    out
}

fn role(there: &There, grant: Grant) -> Option<Role> {
    let mut out =
        Role { role: at(grant.role.as_str().to_owned()), tenants: Vec::new(), desk: None, mailbox: None };
    let Some(id) = grant.place.tenant() else { return Some(out) };
    // A role at a tenant that is gone is nobody's.
    let tenant = there.tenant(id)?;
    out.tenants.push(at(tenant.slug.clone()));
    match grant.place {
        Place::Desk { desk: id, .. } => out.desk = Some(desk(there, tenant, id)),
        Place::Mailbox { mailbox, .. } => {
            out.mailbox =
                tenant.mailboxes.iter().find(|(id, _)| *id == mailbox).map(|(_, name)| at(name.clone()));
        }
        Place::Installation | Place::Tenant { .. } => {}
    }
    Some(out)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(texts: &[Text]) -> String {
    let all: Vec<String> = texts.iter().map(|t| quoted(t.get_ref())).collect();
    format!("[{}]", all.join(", "))
}

fn inline(fields: &[(&str, String)]) -> String {
    let all: Vec<String> = fields.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{{ {} }}", all.join(", "))
}

/// The TOML text of a file.
pub fn text(file: &File) -> String {
    let mut out = String::from(
        "# Verzeichnis, ausgegeben von „poststelle directory show“. Geheimnisse und Passwörter stehen nicht darin.\n",
    );
    let mut put = |line: std::fmt::Arguments<'_>| {
        let _ = out.write_fmt(line);
        out.push('\n');
    };
    for a in &file.administrations {
        put(format_args!(
            "\n[[administration]]\nslug = {}\nname = {}",
            quoted(a.slug.get_ref()),
            quoted(a.name.get_ref())
        ));
        for d in &a.desks {
            put(format_args!(
                "\n[[administration.desk]]\nname = {}\ntenants = {}",
                quoted(d.name.get_ref()),
                list(&d.tenants)
            ));
        }
    }
    for t in &file.tenants {
        put(format_args!(
            "\n[[tenant]]\nslug = {}\nname = {}",
            quoted(t.slug.get_ref()),
            quoted(t.name.get_ref())
        ));
        if let Some(a) = &t.administration {
            put(format_args!("administration = {}", quoted(a.get_ref())));
        }
        for m in &t.mailboxes {
            put(format_args!(
                "\n[[tenant.mailbox]]\nname = {}\naddresses = {}",
                quoted(m.name.get_ref()),
                list(&m.addresses)
            ));
            if let Some(on) = m.four_eyes {
                put(format_args!("four_eyes = {on}"));
            }
        }
        for c in &t.connectors {
            put(format_args!(
                "\n[[tenant.connector]]\nname = {}\nkind = {}\nconfig = {}",
                quoted(c.name.get_ref()),
                quoted(c.kind.get_ref()),
                toml::Value::Table(c.config.get_ref().clone())
            ));
            if !c.active {
                put(format_args!("active = false"));
            }
        }
        for r in &t.rules {
            put(format_args!("\n[[tenant.rule]]\nname = {}", quoted(r.name.get_ref())));
            if let Some(position) = r.position {
                put(format_args!("position = {position}"));
            }
            put(format_args!("condition = {}\nactions = [", quoted(r.condition.get_ref())));
            for a in r.actions.get_ref() {
                let mut fields = vec![("do", quoted(a.does.get_ref()))];
                for (name, value) in [("desk", &a.desk), ("connector", &a.connector), ("address", &a.address)]
                {
                    fields.extend(value.iter().map(|v| (name, quoted(v.get_ref()))));
                }
                put(format_args!("  {},", inline(&fields)));
            }
            put(format_args!("]"));
            if !r.active {
                put(format_args!("active = false"));
            }
        }
    }
    let principal =
        |table: &str, login: &Text, name: &Text, home: Option<&Text>, all: &[Role], locked: bool| {
            let mut out = format!(
                "\n[[{table}]]\nlogin = {}\nname = {}\n",
                quoted(login.get_ref()),
                quoted(name.get_ref())
            );
            if let Some(home) = home {
                let _ = writeln!(out, "administration = {}", quoted(home.get_ref()));
            }
            let _ = writeln!(out, "roles = [");
            for r in all {
                let mut fields = vec![("role", quoted(r.role.get_ref()))];
                if !r.tenants.is_empty() {
                    fields.push(("tenants", list(&r.tenants)));
                }
                for (name, value) in [("desk", &r.desk), ("mailbox", &r.mailbox)] {
                    fields.extend(value.iter().map(|v| (name, quoted(v.get_ref()))));
                }
                let _ = writeln!(out, "  {},", inline(&fields));
            }
            out + if locked { "]\n# gesperrt (person unlock)" } else { "]" }
        };
    for p in &file.people {
        put(format_args!(
            "{}",
            principal("person", &p.login, &p.name, p.administration.as_ref(), &p.roles, p.locked)
        ));
    }
    for s in &file.services {
        put(format_args!("{}", principal("service", &s.login, &s.name, None, &s.roles, s.locked)));
    }
    out
}
