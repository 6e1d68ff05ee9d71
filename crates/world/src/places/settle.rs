// SPDX-License-Identifier: EUPL-1.2
//! Brings the demo data into a hub, through the directory as people would, and only what is missing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use poststelle_hub::Hub;
use poststelle_hub::directory::DirectoryError;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{
    AdministrationId, ChannelKind, ConnectorId, DeskId, MailboxId, PrincipalId, Role, Rule, RuleId, TenantId,
    Who,
};
use poststelle_store::{Scope, StoreError, access, tenants};
use serde_json::json;

use super::data::{
    ADMINISTRATIONS, AdministrationData, BUILDING, INTAKE, INTAKE_TENANT, OPERATOR, Post, TenantData,
};
use super::rules::{Targets, rules};
use super::{Handover, IntakeToken, Login, Settled, SettledTenant};
use crate::seed::Seed;

/// How long the token of the REST intake is valid.
const TOKEN_VALID: Duration = Duration::from_secs(30 * 24 * 3600);

/// Why the demo could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The directory refused a change.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A folder could not be made.
    #[error("the folder {path} cannot be created: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A webhook of the building application of [`INTAKE_TENANT`], besides its hot folder.
#[derive(Debug, Clone)]
pub struct WebhookSite {
    /// Whom to call.
    pub url: String,
    /// Address of the REST API, for links.
    pub part_base_url: String,
    /// HMAC secret.
    pub secret: Vec<u8>,
}

/// How to settle.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Passwords follow from it.
    pub seed: u64,
    /// Hot folders are made in `<dir>/uebergabe/<tenant>/<application>`.
    pub dir: PathBuf,
    /// A webhook, too.
    pub webhook: Option<WebhookSite>,
}

/// Creates the demo in `hub`, hot folders below `dir`, passwords from a fixed seed.
///
/// # Errors
/// [`SettleError`]; calling it again goes on where it stopped.
pub async fn settle(hub: &Hub, dir: &Path) -> Result<Settled, SettleError> {
    Settlement { seed: 1, dir: dir.to_owned(), webhook: None }.settle(hub).await
}

impl Settlement {
    /// Creates what is missing.
    ///
    /// # Errors
    /// [`SettleError`]; calling it again goes on where it stopped.
    pub async fn settle(&self, hub: &Hub) -> Result<Settled, SettleError> {
        let who = Who::house("demo");
        hub.found_system().await?;
        let mut settled = Settled {
            tenants: Vec::new(),
            logins: Vec::new(),
            folders: Vec::new(),
            intake: IntakeToken { tenant: TenantId::SYSTEM, slug: String::new(), token: String::new() },
        };
        let work = Work { hub, who: &who, settlement: self };
        for data in ADMINISTRATIONS {
            work.administration(data, &mut settled).await?;
        }
        let operator = [Grant { role: Role::Operator, place: Place::Installation }];
        work.person(OPERATOR.0, OPERATOR.1, None, &operator, &mut settled).await?;
        if let Some(login) = settled.logins.last_mut() {
            "Betrieb".clone_into(&mut login.role);
        }
        if let Some(tenant) = settled.tenant(INTAKE_TENANT).cloned() {
            settled.intake = work.intake(&tenant).await?;
        }
        Ok(settled)
    }
}

struct Work<'a> {
    hub: &'a Hub,
    who: &'a Who,
    settlement: &'a Settlement,
}

impl Work<'_> {
    async fn administration(
        &self,
        data: &AdministrationData,
        settled: &mut Settled,
    ) -> Result<(), SettleError> {
        let mut tx = self.hub.db().read(Scope::System).await?;
        let known = tenants::administrations(&mut tx).await?;
        tx.rollback().await?;
        let id = match known.iter().find(|(_, slug, _)| slug == data.slug) {
            Some((id, _, _)) => *id,
            None => self.hub.add_administration(data.slug, data.name, self.who).await?,
        };
        let mut ids = Vec::new();
        for tenant in data.tenants {
            ids.push(self.tenant(tenant, id).await?);
        }
        let first = ids.first().copied().unwrap_or(TenantId::SYSTEM);
        let mut desks: Vec<(String, DeskId)> = Vec::new();
        let there = self.desks(first).await?;
        for name in data.desks {
            let found = there.iter().find(|(n, administration, _)| n == name && *administration == Some(id));
            let desk = match found {
                Some((_, _, desk)) => *desk,
                None => self.hub.add_desk(id, name, &ids, self.who).await?,
            };
            desks.push(((*name).to_owned(), desk));
        }
        for (tenant, tenant_id) in data.tenants.iter().zip(&ids) {
            let done = self.furnish(tenant, *tenant_id, id, &desks, settled).await?;
            settled.tenants.push(done);
        }
        for person in data.people {
            let grants = grants(person.post, &ids, &desks);
            self.person(person.login, person.name, Some((id, data.slug)), &grants, settled).await?;
            if let Some(login) = settled.logins.last_mut() {
                login.role = match person.post {
                    Post::Admin => "Administration".to_owned(),
                    Post::Clerk => "Sachbearbeitung".to_owned(),
                    Post::AtDesk(desk) => format!("Sachbearbeitung {desk}"),
                    Post::Auditor => "Revision".to_owned(),
                };
            }
        }
        Ok(())
    }

    async fn desks(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<(String, Option<AdministrationId>, DeskId)>, SettleError> {
        let mut tx = self.hub.db().read(Scope::Tenant(tenant)).await?;
        let all = tenants::desks(&mut tx, tenant).await?;
        Ok(all.into_iter().map(|d| (d.name, d.administration, d.id)).collect())
    }

    /// The tenant with its mandate.
    async fn tenant(
        &self,
        data: &TenantData,
        administration: AdministrationId,
    ) -> Result<TenantId, SettleError> {
        let mut tx = self.hub.db().read(Scope::System).await?;
        let found = tenants::all(&mut tx).await?.into_iter().find(|t| t.slug == data.slug).map(|t| t.id);
        tx.rollback().await?;
        let id = match found {
            Some(id) => id,
            None => self.hub.add_tenant(data.slug, data.name, self.who).await?,
        };
        let mut tx = self.hub.db().read(Scope::Tenant(id)).await?;
        let mandated = !tenants::mandates(&mut tx, id).await?.is_empty();
        tx.rollback().await?;
        if !mandated {
            self.hub.give_mandate(id, administration, self.who).await?;
        }
        Ok(id)
    }

    /// Mailboxes, addresses, connectors and rules.
    async fn furnish(
        &self,
        data: &TenantData,
        id: TenantId,
        administration: AdministrationId,
        desks: &[(String, DeskId)],
        settled: &mut Settled,
    ) -> Result<SettledTenant, SettleError> {
        let domain = format!("{}.example", data.slug);
        let mut tx = self.hub.db().read(Scope::Tenant(id)).await?;
        let boxes = tenants::mailboxes(&mut tx, id).await?;
        let known = tenants::addresses(&mut tx, id).await?;
        let connectors = tenants::connectors(&mut tx, id).await?;
        let there = tenants::rules(&mut tx, id).await?;
        tx.rollback().await?;
        let mut addresses = Vec::new();
        for mailbox in data.mailboxes {
            let found: Option<MailboxId> =
                boxes.iter().find(|(_, name, _)| name == mailbox.name).map(|b| b.0);
            let mailbox_id = match found {
                Some(mailbox_id) => mailbox_id,
                None => {
                    let fresh = MailboxId::new(self.hub.ids());
                    let mut edit = self.hub.edit(self.who).await?;
                    edit.add_mailbox(id, fresh, mailbox.name).await?;
                    if mailbox.four_eyes {
                        edit.set_four_eyes(id, fresh, true).await?;
                    }
                    edit.commit().await?;
                    fresh
                }
            };
            for local in mailbox.locals {
                let address = format!("{local}@{domain}");
                if !known.iter().any(|(a, b, _)| *a == address || *b == address) {
                    self.hub.add_address(id, mailbox_id, ChannelKind::Mail, &address, self.who).await?;
                }
                addresses.push(address);
            }
        }
        let mut applications: Vec<(String, ConnectorId)> = Vec::new();
        for name in data.applications {
            let path = self.settlement.dir.join("uebergabe").join(data.slug).join(folder_name(name));
            std::fs::create_dir_all(&path)
                .map_err(|source| SettleError::Folder { path: path.clone(), source })?;
            let connector = match connectors.iter().find(|c| c.name == *name) {
                Some(connector) => connector.id,
                None => {
                    let config = json!({ "path": path });
                    self.hub.add_connector(id, "hot_folder", name, &config, None, self.who).await?
                }
            };
            let (slug, name) = (data.slug.to_owned(), (*name).to_owned());
            applications.push((name.clone(), connector));
            settled.folders.push(Handover { tenant: id, slug, name, path, connector });
        }
        let webhook = match &self.settlement.webhook {
            Some(site) if data.slug == INTAKE_TENANT => {
                let name = format!("{BUILDING} (Webhook)");
                Some(match connectors.iter().find(|c| c.name == name) {
                    Some(connector) => connector.id,
                    None => {
                        let config = json!({
                            "url": site.url, "part_base_url": site.part_base_url,
                            "timeout_seconds": 10, "allow_private": true,
                        });
                        let secret = Some(site.secret.as_slice());
                        self.hub.add_connector(id, "webhook", &name, &config, secret, self.who).await?
                    }
                })
            }
            _ => None,
        };
        let targets = Targets { desks, connectors: &applications, webhook };
        for (position, planned) in (1..).zip(rules(data.slug, &targets)) {
            if there.iter().any(|r| r.name == planned.name) {
                continue;
            }
            let rule = Rule {
                tenant: id,
                id: RuleId::new(self.hub.ids()),
                position: position * 10,
                name: planned.name,
                condition: planned.condition,
                actions: planned.actions,
                active: true,
                version: 1,
            };
            self.hub.put_rule(&rule, self.who).await?;
        }
        let desks = self.desks(id).await?.into_iter().map(|(name, _, desk)| (name, desk)).collect();
        Ok(SettledTenant {
            slug: data.slug.to_owned(),
            name: data.name.to_owned(),
            id,
            administration,
            domain,
            addresses,
            desks,
        })
    }

    async fn person(
        &self,
        login: &str,
        name: &str,
        administration: Option<(AdministrationId, &str)>,
        grants: &[Grant],
        settled: &mut Settled,
    ) -> Result<(), SettleError> {
        let password = password(self.settlement.seed, login);
        let id = match self.principal(login).await? {
            Some(id) => id,
            None => {
                let home = administration.map(|(id, _)| id);
                self.hub.add_principal(login, name, "person", home, Some(&password), self.who).await?
            }
        };
        self.grant(id, grants).await?;
        settled.logins.push(Login {
            login: login.to_owned(),
            password,
            name: name.to_owned(),
            role: String::new(),
            administration: administration.map(|(_, slug)| slug.to_owned()).unwrap_or_default(),
        });
        Ok(())
    }

    /// Grants what is not held yet.
    async fn grant(&self, id: PrincipalId, grants: &[Grant]) -> Result<(), SettleError> {
        let mut tx = self.hub.db().read(Scope::System).await?;
        let held = access::access(&mut tx, id, self.hub.clock().now()).await?.grants;
        tx.rollback().await?;
        for grant in grants {
            if !held.contains(grant) {
                self.hub.grant(id, *grant, self.who).await?;
            }
        }
        Ok(())
    }

    async fn principal(&self, login: &str) -> Result<Option<PrincipalId>, SettleError> {
        let mut tx = self.hub.db().read(Scope::System).await?;
        Ok(access::by_login(&mut tx, login).await?.map(|p| p.id))
    }

    /// A service that may hand messages in, with a fresh token.
    async fn intake(&self, tenant: &SettledTenant) -> Result<IntakeToken, SettleError> {
        let id = match self.principal(INTAKE.0).await? {
            Some(id) => id,
            None => {
                let home = Some(tenant.administration);
                self.hub.add_principal(INTAKE.0, INTAKE.1, "service", home, None, self.who).await?
            }
        };
        let place = Place::Tenant { tenant: tenant.id };
        self.grant(id, &[Grant { role: Role::Intake, place }]).await?;
        let token = self.hub.create_token(id, tenant.id, "Vorführung", TOKEN_VALID, self.who).await?;
        Ok(IntakeToken { tenant: tenant.id, slug: tenant.slug.clone(), token: token.reveal().to_owned() })
    }
}

fn grants(post: Post, tenants: &[TenantId], desks: &[(String, DeskId)]) -> Vec<Grant> {
    let whole = |role| move |tenant: &TenantId| Grant { role, place: Place::Tenant { tenant: *tenant } };
    match post {
        Post::Admin => tenants.iter().map(whole(Role::TenantAdmin)).collect(),
        Post::Clerk => tenants.iter().map(whole(Role::Clerk)).collect(),
        Post::Auditor => tenants.iter().map(whole(Role::Auditor)).collect(),
        Post::AtDesk(name) => {
            let desk = desks.iter().find(|(n, _)| n == name).map(|(_, id)| *id);
            let place = |tenant: &TenantId| desk.map(|desk| Place::Desk { tenant: *tenant, desk });
            tenants.iter().filter_map(place).map(|place| Grant { role: Role::Clerk, place }).collect()
        }
    }
}

/// Folder of an application.
fn folder_name(application: &str) -> String {
    application.to_lowercase()
}

/// Three words and a number, the same for the same seed and name.
fn password(seed: u64, login: &str) -> String {
    const WORDS: [&str; 16] = [
        "kranich",
        "schilf",
        "heide",
        "boddenwind",
        "leuchtturm",
        "fischbroetchen",
        "kopfsteinpflaster",
        "allee",
        "backstein",
        "segelboot",
        "hering",
        "sanddorn",
        "findling",
        "moor",
        "kreide",
        "steilufer",
    ];
    let mixed = login.bytes().fold(seed, |n, b| n.wrapping_mul(0x0100_0000_01b3) ^ u64::from(b));
    let mut chance = Seed::new(mixed);
    let words: Vec<&str> = (0..3).map(|_| chance.word(&WORDS)).collect();
    format!("{}-{}", words.join("-"), chance.between(1000, 9999))
}

#[cfg(test)]
mod tests {
    use super::*;
    use poststelle_hub::routing;
    use poststelle_model::SeededIds;

    #[test]
    fn passwords_are_long_and_stable() {
        assert_eq!(password(1, "betrieb"), password(1, "betrieb"));
        assert_ne!(password(1, "betrieb"), password(2, "betrieb"));
        assert!((0..500).all(|seed| password(seed, "x").len() >= 12));
    }

    #[test]
    fn every_rule_compiles_and_places_something() {
        let ids = SeededIds::new(1);
        let mut tenants = 0;
        for administration in ADMINISTRATIONS {
            let desks: Vec<_> =
                administration.desks.iter().map(|d| ((*d).to_owned(), DeskId::new(&ids))).collect();
            for tenant in administration.tenants {
                tenants += 1;
                let connectors: Vec<_> =
                    tenant.applications.iter().map(|a| ((*a).to_owned(), ConnectorId::new(&ids))).collect();
                let targets = Targets { desks: &desks, connectors: &connectors, webhook: None };
                let rules = rules(tenant.slug, &targets);
                assert!(rules.len() >= 7);
                for rule in rules {
                    routing::check(&rule.condition).unwrap_or_else(|e| panic!("{}: {e}", rule.name));
                }
            }
        }
        assert_eq!((ADMINISTRATIONS.len(), tenants), (5, 14));
    }
}
