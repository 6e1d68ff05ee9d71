// SPDX-License-Identifier: EUPL-1.2
//! Tenants, Administrations, people, mailboxes, desks, connectors, rules: what people change.
//!
//! Guarantees: every change is audited as evidence in the same transaction, with
//! its [`Who`]; secrets are stored sealed or hashed, never in evidence.

use poststelle_evidence::{EvidenceError, NewEvidence};
use poststelle_model::people::Grant;
use poststelle_model::{
    AdministrationId, ChannelKind, ConnectorId, DeskId, Event, MailboxId, PrincipalId, Rule, Subject,
    TenantId, Timestamp, Who,
};
use poststelle_store::access::{self, Principal};
use poststelle_store::tenants::{self, Connector, Desk, Tenant};
use poststelle_store::{Scope, StoreError, Tx};
use serde_json::{Value, json};

use crate::hub::Hub;
use crate::routing;

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

fn check_slug(slug: &str) -> Result<(), DirectoryError> {
    let fits = (1..=40).contains(&slug.len())
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !slug.starts_with('-');
    if fits { Ok(()) } else { invalid(format!("short name {slug:?}: 1 to 40 of a-z, 0-9 and -")) }
}

fn check_name(name: &str) -> Result<(), DirectoryError> {
    let fits = !name.trim().is_empty() && name.chars().count() <= 200 && !name.chars().any(char::is_control);
    if fits { Ok(()) } else { invalid("a name has 1 to 200 characters and no control characters") }
}

impl Hub {
    async fn prove(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        subject: Subject,
        event: Event,
        who: &Who,
        body: Value,
    ) -> Result<(), DirectoryError> {
        let new = NewEvidence::new(tenant, subject, event, who.clone(), body);
        poststelle_evidence::append(tx, self.clock.now(), &[new]).await?;
        Ok(())
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
        match self.found(TenantId::SYSTEM, "system", "System", &Who::house("setup")).await {
            // Two nodes starting at once: the other one did it.
            Err(DirectoryError::Store(StoreError::Exists(_))) => return Ok(()),
            other => other?,
        };
        let mailbox = self.add_mailbox(TenantId::SYSTEM, "System", &Who::house("setup")).await?;
        for local in ["postmaster", "abuse", "kontrolle"] {
            let address = format!("{local}@{}", self.domain);
            self.add_address(TenantId::SYSTEM, mailbox, ChannelKind::Mail, &address, &Who::house("setup"))
                .await?;
        }
        Ok(())
    }

    /// Founds a tenant with its key, its log and its clearing desk.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the short name is taken.
    pub async fn add_tenant(&self, slug: &str, name: &str, who: &Who) -> Result<TenantId, DirectoryError> {
        check_slug(slug)?;
        check_name(name)?;
        self.found(TenantId::new(self.ids()), slug, name, who).await
    }

    async fn found(
        &self,
        id: TenantId,
        slug: &str,
        name: &str,
        who: &Who,
    ) -> Result<TenantId, DirectoryError> {
        let now = self.clock.now();
        let (key, wrapped_key) = self.keys.create_tenant(id)?;
        // The origin is a pseudonym: it goes into public checkpoints.
        let log_origin = format!("{}/log/{}", self.domain, id.uuid().simple());
        let (wrapped_note_key, note_vkey) = poststelle_evidence::create_note_key(&key, &log_origin)?;
        let clearing_desk = DeskId::new(self.ids());
        let mut tx = self.db.begin(Scope::System).await?;
        let row = Tenant {
            id,
            slug: slug.to_owned(),
            name: name.to_owned(),
            log_origin,
            wrapped_key,
            wrapped_note_key,
            note_vkey: note_vkey.clone(),
            clearing_desk,
            created_at: now,
        };
        tenants::insert(&mut tx, &row).await?;
        let desk = Desk {
            id: clearing_desk,
            administration: None,
            name: "Klärungskorb".to_owned(),
            kind: "clearing".to_owned(),
        };
        tenants::insert_desk(&mut tx, &desk, &[id], now).await?;
        let body = json!({ "slug": slug, "name": name, "vkey": note_vkey, "clearing_desk": clearing_desk.to_string() });
        self.prove(&mut tx, id, Subject::tenant(id), Event::Created, who, body).await?;
        tx.commit().await?;
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
        check_slug(slug)?;
        check_name(name)?;
        let id = AdministrationId::new(self.ids());
        let mut tx = self.db.begin(Scope::System).await?;
        tenants::insert_administration(&mut tx, id, slug, name, self.clock.now()).await?;
        let body = json!({ "slug": slug, "name": name });
        self.prove(&mut tx, TenantId::SYSTEM, Subject::administration(id), Event::Created, who, body).await?;
        tx.commit().await?;
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
        let mut tx = self.db.begin(Scope::Tenant(tenant)).await?;
        tenants::give_mandate(&mut tx, tenant, administration, self.clock.now()).await?;
        let body = json!({ "administration": administration.to_string(), "field": "mandate" });
        self.prove(&mut tx, tenant, Subject::tenant(tenant), Event::Changed, who, body).await?;
        tx.commit().await?;
        Ok(())
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
        check_name(login)?;
        check_name(name)?;
        let password_hash = match password {
            None => String::new(),
            Some(p) if p.chars().count() < 12 => return invalid("a password has at least 12 characters"),
            Some(p) => hash_password(p.to_owned()).await?,
        };
        let id = PrincipalId::new(self.ids());
        let mut tx = self.db.begin(Scope::System).await?;
        let row = Principal {
            id,
            login: login.to_lowercase(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            administration,
            password_hash,
            active: true,
            failures: 0,
            locked_until: Timestamp(0),
        };
        access::insert(&mut tx, &row, self.clock.now()).await?;
        let body = json!({ "login": row.login, "name": name, "kind": kind });
        self.prove(&mut tx, TenantId::SYSTEM, Subject::principal(id), Event::Created, who, body).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Grants a role.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn grant(&self, principal: PrincipalId, grant: Grant, who: &Who) -> Result<(), DirectoryError> {
        self.set_grant(principal, grant, true, who).await
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
        self.set_grant(principal, grant, false, who).await
    }

    async fn set_grant(
        &self,
        principal: PrincipalId,
        grant: Grant,
        on: bool,
        who: &Who,
    ) -> Result<(), DirectoryError> {
        let tenant = grant.place.tenant().unwrap_or(TenantId::SYSTEM);
        let mut tx = self.db.begin(Scope::System).await?;
        if on {
            access::grant(&mut tx, principal, grant).await?;
        } else {
            access::revoke(&mut tx, principal, grant).await?;
        }
        let body = json!({
            "granted": on,
            "role": grant.role.as_str(),
            "place": serde_json::to_value(grant.place).unwrap_or_default(),
        });
        self.prove(&mut tx, tenant, Subject::principal(principal), Event::Changed, who, body).await?;
        tx.commit().await?;
        Ok(())
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
        check_name(name)?;
        let id = MailboxId::new(self.ids());
        let mut tx = self.db.begin(Scope::Tenant(tenant)).await?;
        tenants::insert_mailbox(&mut tx, tenant, id, name, self.clock.now()).await?;
        self.prove(&mut tx, tenant, Subject::mailbox(id), Event::Created, who, json!({ "name": name }))
            .await?;
        tx.commit().await?;
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
        let plain =
            !identifier.is_empty() && identifier.len() <= 320 && !identifier.chars().any(char::is_whitespace);
        if !plain || (channel == ChannelKind::Mail && !identifier.contains('@')) {
            return invalid(format!("not an address for this channel: {identifier:.80}"));
        }
        let mut tx = self.db.begin(Scope::Tenant(tenant)).await?;
        tenants::insert_address(&mut tx, channel, identifier, tenant, mailbox).await?;
        let body = json!({ "address": identifier.to_lowercase(), "channel": channel.as_str() });
        self.prove(&mut tx, tenant, Subject::mailbox(mailbox), Event::Changed, who, body).await?;
        tx.commit().await?;
        Ok(())
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
        check_name(name)?;
        let id = DeskId::new(self.ids());
        let mut tx = self.db.begin(Scope::System).await?;
        let desk = Desk {
            id,
            administration: Some(administration),
            name: name.to_owned(),
            kind: "normal".to_owned(),
        };
        poststelle_store::tenants::insert_desk(&mut tx, &desk, tenants, self.clock.now()).await?;
        for tenant in tenants {
            let body = json!({ "name": name, "administration": administration.to_string() });
            self.prove(&mut tx, *tenant, Subject::desk(id), Event::Created, who, body).await?;
        }
        tx.commit().await?;
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
        check_name(name)?;
        if !self.channels.contains_key(kind) || kind == "mail" {
            return invalid(format!("unknown kind of connector: {kind:.40}"));
        }
        let id = ConnectorId::new(self.ids());
        let wrapped_secret = match secret {
            None => String::new(),
            Some(secret) => {
                let key = self.keys.tenant(&self.db, tenant).await?;
                key.seal_secret(&format!("connector-{id}"), secret).map_err(StoreError::from)?
            }
        };
        let row = Connector {
            tenant,
            id,
            kind: kind.to_owned(),
            name: name.to_owned(),
            config: config.to_string(),
            wrapped_secret,
            active: true,
            version: 1,
        };
        let mut tx = self.db.begin(Scope::Tenant(tenant)).await?;
        tenants::insert_connector(&mut tx, &row).await?;
        let body = json!({ "name": name, "kind": kind, "config": config });
        self.prove(&mut tx, tenant, Subject::connector(id), Event::Created, who, body).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Writes a rule after checking its condition; `rule.version` is the version after the change, 1 for a new one.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] names what is wrong with the condition; [`StoreError::Conflict`] when somebody
    /// changed the rule meanwhile.
    pub async fn put_rule(&self, rule: &Rule, who: &Who) -> Result<(), DirectoryError> {
        check_name(&rule.name)?;
        if rule.actions.is_empty() || rule.actions.len() > 20 {
            return invalid("a rule has 1 to 20 actions");
        }
        if let Err(bad) = routing::check(&rule.condition) {
            return invalid(bad.to_string());
        }
        let mut tx = self.db.begin(Scope::Tenant(rule.tenant)).await?;
        tenants::put_rule(&mut tx, rule).await?;
        let event = if rule.version == 1 { Event::Created } else { Event::Changed };
        let body = serde_json::to_value(rule).unwrap_or_default();
        self.prove(&mut tx, rule.tenant, Subject::rules(rule.tenant), event, who, body).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Hashes a password on a thread of its own.
pub(crate) async fn hash_password(password: String) -> Result<String, StoreError> {
    tokio::task::spawn_blocking(move || poststelle_crypto::password::hash(password.as_bytes()))
        .await
        .map_err(|e| StoreError::Config(e.to_string()))?
        .map_err(StoreError::from)
}
