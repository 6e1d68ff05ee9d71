// SPDX-License-Identifier: EUPL-1.2
//! Tenants, Administrations, people, mailboxes, desks, connectors, rules: what people change.
//!
//! Guarantees: every change is audited as evidence in the same transaction, with
//! its [`Who`]; secrets are stored sealed or hashed, never in evidence.
//! Many changes at once go through [`Edit`]; the functions here are edits of one.

mod edit;
mod guard;

use poststelle_evidence::EvidenceError;
use poststelle_model::people::Grant;
use poststelle_model::{
    AdministrationId, ChannelKind, ConnectorId, DeskId, MailboxId, PrincipalId, Rule, TenantId, Who,
};
use poststelle_store::tenants::{self, Connector};
use poststelle_store::{Scope, StoreError};
use serde_json::Value;

pub use self::edit::{Edit, NewPrincipal};
use crate::hub::Hub;

/// Fewest characters of a password.
pub const PASSWORD_MIN: usize = 12;
/// Most actions of a rule.
pub const ACTIONS: usize = 20;

/// Why a change was refused.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Evidence.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// What was entered cannot be used; one English sentence.
    #[error("{0}")]
    Invalid(String),
}

fn invalid<T>(what: impl Into<String>) -> Result<T, DirectoryError> {
    Err(DirectoryError::Invalid(what.into()))
}

/// Is this a short name: 1 to 40 of `a-z`, `0-9` and `-`, not beginning with `-`?
#[must_use]
pub fn slug_fits(slug: &str) -> bool {
    (1..=40).contains(&slug.len())
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !slug.starts_with('-')
}

/// Is this a name: 1 to 200 characters, no control characters?
#[must_use]
pub fn name_fits(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= 200 && !name.chars().any(char::is_control)
}

/// Is this a sign-in name: 1 to 100 characters, no blanks, no control characters, no `~` at its beginning?
#[must_use]
pub fn login_fits(login: &str) -> bool {
    (1..=100).contains(&login.chars().count())
        && !login.starts_with('~')
        && !login.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// Can this be an address on `channel`?
#[must_use]
pub fn address_fits(channel: ChannelKind, identifier: &str) -> bool {
    let plain = !identifier.is_empty()
        && identifier.len() <= 320
        && !identifier.chars().any(|c| c.is_whitespace() || c.is_control());
    let split =
        identifier.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    plain && (channel != ChannelKind::Mail || split)
}

impl Hub {
    /// Kinds of connectors this house knows.
    #[must_use]
    pub fn connector_kinds(&self) -> Vec<&'static str> {
        let mut kinds: Vec<_> = self.channels.keys().copied().filter(|kind| *kind != "mail").collect();
        kinds.sort_unstable();
        kinds
    }

    /// Founds the system tenant when it is not there yet: owner of strays and canaries.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn found_system(&self) -> Result<(), DirectoryError> {
        let mut tx = self.db.read(Scope::System).await?;
        let there = tenants::get(&mut tx, TenantId::SYSTEM).await?.is_some();
        tx.rollback().await?;
        if there {
            return Ok(());
        }
        let mut edit = self.edit(&Who::house("setup")).await?;
        match edit.add_tenant(TenantId::SYSTEM, DeskId::new(self.ids()), "system", "System").await {
            // Two nodes starting at once: the other one did it.
            Err(DirectoryError::Store(StoreError::Exists(_))) => return Ok(()),
            other => other?,
        }
        let mailbox = MailboxId::new(self.ids());
        edit.add_mailbox(TenantId::SYSTEM, mailbox, "System").await?;
        for local in ["postmaster", "abuse", "kontrolle"] {
            let address = format!("{local}@{}", self.domain);
            edit.add_address(TenantId::SYSTEM, mailbox, ChannelKind::Mail, &address).await?;
        }
        edit.commit().await
    }

    /// Founds a tenant with its key, its log and its clearing desk.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the short name is taken.
    pub async fn add_tenant(&self, slug: &str, name: &str, who: &Who) -> Result<TenantId, DirectoryError> {
        let id = TenantId::new(self.ids());
        let mut edit = self.edit(who).await?;
        edit.add_tenant(id, DeskId::new(self.ids()), slug, name).await?;
        edit.commit().await?;
        Ok(id)
    }

    /// Adds an Administration.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the short name is taken.
    pub async fn add_administration(
        &self,
        slug: &str,
        name: &str,
        who: &Who,
    ) -> Result<AdministrationId, DirectoryError> {
        let id = AdministrationId::new(self.ids());
        let mut edit = self.edit(who).await?;
        edit.add_administration(id, slug, name).await?;
        edit.commit().await?;
        Ok(id)
    }

    /// Gives an Administration the mandate for a tenant from now on; an earlier mandate ends. Mail and proofs stay.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn give_mandate(
        &self,
        tenant: TenantId,
        administration: AdministrationId,
        who: &Who,
    ) -> Result<(), DirectoryError> {
        let mut edit = self.edit(who).await?;
        edit.give_mandate(tenant, administration).await?;
        edit.commit().await
    }

    /// Adds a person or service.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the sign-in name is taken, [`DirectoryError::Invalid`] for a short password.
    pub async fn add_principal(
        &self,
        login: &str,
        name: &str,
        kind: &str,
        administration: Option<AdministrationId>,
        password: Option<&str>,
        who: &Who,
    ) -> Result<PrincipalId, DirectoryError> {
        let password_hash = match password {
            None => String::new(),
            Some(password) => hash_password(password).await?,
        };
        let id = PrincipalId::new(self.ids());
        let (login, name, kind) = (login.to_owned(), name.to_owned(), kind.to_owned());
        let mut edit = self.edit(who).await?;
        edit.add_principal(NewPrincipal {
            id,
            login,
            name,
            kind,
            administration,
            password_hash,
            must_change: false,
        })
        .await?;
        edit.commit().await?;
        Ok(id)
    }

    /// Grants a role.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn grant(&self, principal: PrincipalId, grant: Grant, who: &Who) -> Result<(), DirectoryError> {
        let mut edit = self.edit(who).await?;
        edit.set_grant(principal, grant, true).await?;
        edit.commit().await
    }

    /// Takes a role back; in force with the next request.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revoke(
        &self,
        principal: PrincipalId,
        grant: Grant,
        who: &Who,
    ) -> Result<(), DirectoryError> {
        let mut edit = self.edit(who).await?;
        edit.set_grant(principal, grant, false).await?;
        edit.commit().await
    }

    /// Adds a mailbox.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_mailbox(
        &self,
        tenant: TenantId,
        name: &str,
        who: &Who,
    ) -> Result<MailboxId, DirectoryError> {
        let id = MailboxId::new(self.ids());
        let mut edit = self.edit(who).await?;
        edit.add_mailbox(tenant, id, name).await?;
        edit.commit().await?;
        Ok(id)
    }

    /// Adds an address to a mailbox.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when it belongs to somebody already.
    pub async fn add_address(
        &self,
        tenant: TenantId,
        mailbox: MailboxId,
        channel: ChannelKind,
        identifier: &str,
        who: &Who,
    ) -> Result<(), DirectoryError> {
        let mut edit = self.edit(who).await?;
        edit.add_address(tenant, mailbox, channel, identifier).await?;
        edit.commit().await
    }

    /// Adds a desk of an Administration that serves `tenants`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_desk(
        &self,
        administration: AdministrationId,
        name: &str,
        tenants: &[TenantId],
        who: &Who,
    ) -> Result<DeskId, DirectoryError> {
        let id = DeskId::new(self.ids());
        let mut edit = self.edit(who).await?;
        edit.add_desk(administration, id, name, tenants).await?;
        edit.commit().await?;
        Ok(id)
    }

    /// Adds a connector. `secret` is sealed by the tenant's key.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] for an unknown kind.
    pub async fn add_connector(
        &self,
        tenant: TenantId,
        kind: &str,
        name: &str,
        config: &Value,
        secret: Option<&[u8]>,
        who: &Who,
    ) -> Result<ConnectorId, DirectoryError> {
        let row = Connector {
            tenant,
            id: ConnectorId::new(self.ids()),
            kind: kind.to_owned(),
            name: name.to_owned(),
            config: config.to_string(),
            wrapped_secret: String::new(),
            active: true,
            version: 1,
        };
        let mut edit = self.edit(who).await?;
        edit.add_connector(&row, secret).await?;
        edit.commit().await?;
        Ok(row.id)
    }

    /// Writes a rule after checking its condition; `rule.version` is the version after the change, 1 for a new one.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] names what is wrong with the condition; [`StoreError::Conflict`] when somebody
    /// changed the rule meanwhile.
    pub async fn put_rule(&self, rule: &Rule, who: &Who) -> Result<(), DirectoryError> {
        let mut edit = self.edit(who).await?;
        edit.put_rule(rule).await?;
        edit.commit().await
    }
}

/// Hashes a password of at least [`PASSWORD_MIN`] characters on a thread of its own.
///
/// # Errors
/// [`DirectoryError::Invalid`] when it is too short.
pub async fn hash_password(password: &str) -> Result<String, DirectoryError> {
    if password.chars().count() < PASSWORD_MIN {
        return invalid(format!("a password has at least {PASSWORD_MIN} characters"));
    }
    let password = password.to_owned();
    tokio::task::spawn_blocking(move || poststelle_crypto::password::hash(password.as_bytes()))
        .await
        .map_err(|e| StoreError::Config(e.to_string()))?
        .map_err(|e| StoreError::from(e).into())
}
