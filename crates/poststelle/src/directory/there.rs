// SPDX-License-Identifier: EUPL-1.2
//! What the database has of the directory, read in one view.
//!
//! Guarantees: two reads compare equal exactly when nothing a directory file can change lies between them.
//! Does not: hold passwords, secrets in clear, or anything of the mail.

use std::collections::{BTreeMap, BTreeSet};

use poststelle_model::people::Grant;
use poststelle_model::{
    AdministrationId, ChannelKind, DeskId, MailboxId, PrincipalId, Rule, TenantId, Timestamp,
};
use poststelle_store::tenants::Connector;
use poststelle_store::{StoreError, Tx, access, tenants};

/// The directory as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct There {
    pub administrations: Vec<Administration>,
    /// All, the house's own among them.
    pub tenants: Vec<Tenant>,
    /// Without the clearing desks.
    pub desks: Vec<Desk>,
    pub principals: Vec<Principal>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administration {
    pub id: AdministrationId,
    pub slug: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub slug: String,
    pub name: String,
    pub clearing: DeskId,
    /// Who holds the mandate now.
    pub mandate: Option<AdministrationId>,
    pub mailboxes: Vec<(MailboxId, String)>,
    /// Boxes whose letters a second person releases.
    pub four_eyes: BTreeSet<MailboxId>,
    pub addresses: Vec<(ChannelKind, String, MailboxId)>,
    pub connectors: Vec<Connector>,
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desk {
    pub id: DeskId,
    pub administration: Option<AdministrationId>,
    pub name: String,
    pub tenants: BTreeSet<TenantId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub id: PrincipalId,
    pub login: String,
    /// `person` or `service`.
    pub kind: String,
    pub name: String,
    pub administration: Option<AdministrationId>,
    pub active: bool,
    pub grants: BTreeSet<Grant>,
}

impl There {
    /// Reads it all; `tx` must see the whole house.
    pub async fn read(tx: &mut Tx, now: Timestamp) -> Result<Self, StoreError> {
        let mut there = Self::default();
        for (id, slug, name) in tenants::administrations(tx).await? {
            there.administrations.push(Administration { id, slug, name });
        }
        let mut served: BTreeMap<DeskId, BTreeSet<TenantId>> = BTreeMap::new();
        for row in tenants::all(tx).await? {
            let id = row.id;
            for desk in tenants::desks(tx, id).await? {
                served.entry(desk.id).or_default().insert(id);
            }
            let mandates = tenants::mandates(tx, id).await?;
            let in_force = mandates.iter().rev().find(|m| m.from <= now && m.until > now);
            let mailboxes = tenants::mailboxes(tx, id).await?;
            let mut four_eyes = BTreeSet::new();
            for (mailbox, ..) in &mailboxes {
                if tenants::four_eyes(tx, id, *mailbox).await? {
                    four_eyes.insert(*mailbox);
                }
            }
            let mut addresses = Vec::new();
            for (channel, identifier, mailbox) in tenants::addresses(tx, id).await? {
                let channel = ChannelKind::parse(&channel)
                    .ok_or(StoreError::Corrupt { what: "addresses.channel", value: channel })?;
                addresses.push((channel, identifier, mailbox));
            }
            there.tenants.push(Tenant {
                id,
                slug: row.slug,
                name: row.name,
                clearing: row.clearing_desk,
                mandate: in_force.map(|m| m.administration),
                mailboxes: mailboxes.into_iter().map(|(id, name, _)| (id, name)).collect(),
                four_eyes,
                addresses,
                connectors: tenants::connectors(tx, id).await?,
                rules: tenants::rules(tx, id).await?,
            });
        }
        for desk in tenants::all_desks(tx).await?.into_iter().filter(|d| d.kind != "clearing") {
            let tenants = served.remove(&desk.id).unwrap_or_default();
            there.desks.push(Desk {
                id: desk.id,
                administration: desk.administration,
                name: desk.name,
                tenants,
            });
        }
        let mut grants: BTreeMap<PrincipalId, BTreeSet<Grant>> = BTreeMap::new();
        for (principal, grant) in access::grants(tx).await? {
            grants.entry(principal).or_default().insert(grant);
        }
        for p in access::all(tx).await? {
            there.principals.push(Principal {
                id: p.id,
                login: p.login,
                kind: p.kind,
                name: p.name,
                administration: p.administration,
                active: p.active,
                grants: grants.remove(&p.id).unwrap_or_default(),
            });
        }
        Ok(there)
    }

    pub fn tenant(&self, id: TenantId) -> Option<&Tenant> {
        self.tenants.iter().find(|t| t.id == id)
    }

    pub fn administration(&self, id: AdministrationId) -> Option<&Administration> {
        self.administrations.iter().find(|a| a.id == id)
    }
}
