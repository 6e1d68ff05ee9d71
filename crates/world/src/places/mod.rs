// SPDX-License-Identifier: EUPL-1.2
//! The places of the demo: Ämter, towns and a district of Mecklenburg-Vorpommern, who works there, and what
//! becomes of their mail.
//!
//! Guarantees: names of authorities are real, people are invented, mail domains end in `.example`;
//! [`settle`] creates what is missing and leaves alone what is there. Does not: claim that any of these
//! authorities uses this program. Passwords come from a seed and are for demonstration only.

pub mod data;
mod rules;
mod settle;

use std::path::PathBuf;

use poststelle_model::{AdministrationId, ConnectorId, DeskId, TenantId};
use serde::Serialize;

pub use settle::{SettleError, Settlement, WebhookSite, settle};

/// One authority that is founded.
#[derive(Debug, Clone, Serialize)]
pub struct SettledTenant {
    /// Short name.
    pub slug: String,
    /// Name.
    pub name: String,
    /// Id.
    pub id: TenantId,
    /// Who works for it.
    pub administration: AdministrationId,
    /// Domain of its addresses.
    pub domain: String,
    /// Its mail addresses, the Poststelle first.
    pub addresses: Vec<String>,
    /// Its desks by name, the Klärungskorb included.
    pub desks: Vec<(String, DeskId)>,
}

/// Somebody who can sign in.
#[derive(Debug, Clone, Serialize)]
pub struct Login {
    /// Sign-in name.
    pub login: String,
    /// Password, for demonstration.
    pub password: String,
    /// Name.
    pub name: String,
    /// What they do, in German.
    pub role: String,
    /// Short name of their Administration; empty for operators.
    pub administration: String,
}

/// A hot folder some specialist application watches.
#[derive(Debug, Clone, Serialize)]
pub struct Handover {
    /// Whose mail.
    pub tenant: TenantId,
    /// Short name of the tenant.
    pub slug: String,
    /// Name of the application.
    pub name: String,
    /// The folder; it exists.
    pub path: PathBuf,
    /// The connector.
    pub connector: ConnectorId,
}

/// A token for the REST intake.
#[derive(Debug, Clone, Serialize)]
pub struct IntakeToken {
    /// For whom.
    pub tenant: TenantId,
    /// Short name of the tenant.
    pub slug: String,
    /// The token: new with each [`settle`], valid for 30 days.
    pub token: String,
}

/// The demo as it stands in the hub.
#[derive(Debug, Clone, Serialize)]
pub struct Settled {
    /// Authorities.
    pub tenants: Vec<SettledTenant>,
    /// People.
    pub logins: Vec<Login>,
    /// Hot folders.
    pub folders: Vec<Handover>,
    /// REST intake of one tenant.
    pub intake: IntakeToken,
}

impl Settled {
    /// A tenant by its short name.
    #[must_use]
    pub fn tenant(&self, slug: &str) -> Option<&SettledTenant> {
        self.tenants.iter().find(|t| t.slug == slug)
    }

    /// A sign-in by its name.
    #[must_use]
    pub fn login(&self, login: &str) -> Option<&Login> {
        self.logins.iter().find(|l| l.login == login)
    }

    /// The folder of an application of a tenant.
    #[must_use]
    pub fn folder(&self, slug: &str, name: &str) -> Option<&Handover> {
        self.folders.iter().find(|f| f.slug == slug && f.name == name)
    }
}

impl SettledTenant {
    /// Its main address.
    #[must_use]
    pub fn poststelle(&self) -> String {
        format!("poststelle@{}", self.domain)
    }

    /// A desk by its name.
    #[must_use]
    pub fn desk(&self, name: &str) -> Option<DeskId> {
        self.desks.iter().find(|(n, _)| n == name).map(|(_, id)| *id)
    }
}
