// SPDX-License-Identifier: EUPL-1.2
//! Changes of the directory that belong together: one transaction, one [`Who`], one commit.
//!
//! Guarantees: all of it or nothing is there; every change has its evidence in the same transaction; an edit
//! that is dropped leaves nothing. Ids are given by the caller, so that a plan can name what is not there yet.
//! Does not: judge whether a change is wise, or wait for another edit of the same thing (a conflict is an error).

mod administer;
mod rules;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use poststelle_crypto::keys::TenantKey;
use poststelle_evidence::NewEvidence;
use poststelle_model::people::Grant;
use poststelle_model::{
    AdministrationId, ChannelKind, DeskId, Event, MailboxId, PrincipalId, Subject, TenantId, Timestamp, Who,
};
use poststelle_store::access::{self, Principal};
use poststelle_store::accounts;
use poststelle_store::administration;
use poststelle_store::tenants::{self, Connector, Desk, Tenant};
use poststelle_store::{Scope, StoreError, Tx};
use serde_json::{Value, json};

use super::{DirectoryError, address_fits, invalid, login_fits, name_fits, slug_fits};
use crate::hub::Hub;

/// A person or service to be added.
#[derive(Debug, Clone)]
pub struct NewPrincipal {
    /// Its id.
    pub id: PrincipalId,
    /// Sign-in name; kept in lower case.
    pub login: String,
    /// Name on screen.
    pub name: String,
    /// `person` or `service`.
    pub kind: String,
    /// Where the person works.
    pub administration: Option<AdministrationId>,
    /// From [`super::hash_password`]; empty = cannot sign in by password.
    pub password_hash: String,
    /// Somebody else knows the password: the first sign-in asks for an own one.
    pub must_change: bool,
}

/// Changes under way. [`Edit::commit`] makes them true; dropping takes them back.
pub struct Edit<'h> {
    hub: &'h Hub,
    tx: Tx,
    who: Who,
    news: Vec<NewEvidence>,
    founded: HashMap<TenantId, Arc<TenantKey>>,
    /// Tenants whose rules change.
    ruled: BTreeSet<TenantId>,
}

fn check_name(name: &str) -> Result<(), DirectoryError> {
    if name_fits(name) { Ok(()) } else { invalid("a name has 1 to 200 characters and no control characters") }
}

fn check_slug(slug: &str) -> Result<(), DirectoryError> {
    if slug_fits(slug) {
        Ok(())
    } else {
        invalid(format!("short name {slug:?}: 1 to 40 of a-z, 0-9 and -, not beginning with -"))
    }
}

impl Hub {
    /// Begins changes in the name of `who`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn edit(&self, who: &Who) -> Result<Edit<'_>, DirectoryError> {
        let tx = self.db.begin(Scope::System).await?;
        Ok(Edit {
            hub: self,
            tx,
            who: who.clone(),
            news: Vec::new(),
            founded: HashMap::new(),
            ruled: BTreeSet::new(),
        })
    }

    /// The secret of a connector in clear; `None` when it has none.
    ///
    /// # Errors
    /// When the key does not fit.
    pub async fn connector_secret(&self, c: &Connector) -> Result<Option<Vec<u8>>, StoreError> {
        if c.wrapped_secret.is_empty() {
            return Ok(None);
        }
        let key = self.keys.tenant(&self.db, c.tenant).await?;
        Ok(Some(key.open_secret(&purpose(c), &c.wrapped_secret)?.to_vec()))
    }
}

fn purpose(c: &Connector) -> String {
    format!("connector-{}", c.id)
}

impl Edit<'_> {
    /// The transaction, to read what the changes are based on. Its scope is the whole house.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tx(&mut self) -> Result<&mut Tx, StoreError> {
        self.tx.enter(Scope::System).await?;
        Ok(&mut self.tx)
    }

    fn prove(&mut self, tenant: TenantId, subject: Subject, event: Event, body: Value) {
        self.news.push(NewEvidence::new(tenant, subject, event, self.who.clone(), body));
    }

    /// Makes all changes true, with their evidence.
    ///
    /// # Errors
    /// When somebody changed the same things meanwhile or the database does not answer; nothing is there then.
    pub async fn commit(mut self) -> Result<(), DirectoryError> {
        self.keep_releases(None).await?;
        self.tx.enter(Scope::System).await?;
        poststelle_evidence::append(&mut self.tx, self.hub.clock.now(), &self.news).await?;
        Ok(self.tx.commit().await?)
    }

    /// Founds a tenant with its key, its log and its clearing desk.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the short name is taken.
    pub async fn add_tenant(
        &mut self,
        id: TenantId,
        clearing_desk: DeskId,
        slug: &str,
        name: &str,
    ) -> Result<(), DirectoryError> {
        check_slug(slug)?;
        check_name(name)?;
        let now = self.hub.clock.now();
        let (key, wrapped_key) = self.hub.keys.create_tenant(id)?;
        // The origin is a pseudonym: it goes into public checkpoints.
        let log_origin = format!("{}/log/{}", self.hub.domain, id.uuid().simple());
        let (wrapped_note_key, note_vkey) = poststelle_evidence::create_note_key(&key, &log_origin)?;
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
        self.tx.enter(Scope::System).await?;
        tenants::insert(&mut self.tx, &row).await?;
        let desk = Desk {
            id: clearing_desk,
            administration: None,
            name: "Klärungskorb".to_owned(),
            kind: "clearing".to_owned(),
        };
        tenants::insert_desk(&mut self.tx, &desk, &[id], now).await?;
        let body = json!({ "slug": slug, "name": name, "vkey": note_vkey, "clearing_desk": clearing_desk.to_string() });
        self.prove(id, Subject::tenant(id), Event::Created, body);
        self.founded.insert(id, key);
        Ok(())
    }

    /// Gives a tenant another name on screen.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rename_tenant(&mut self, id: TenantId, name: &str) -> Result<(), DirectoryError> {
        check_name(name)?;
        self.tx.enter(Scope::Tenant(id)).await?;
        tenants::rename(&mut self.tx, id, name).await?;
        self.prove(id, Subject::tenant(id), Event::Changed, json!({ "field": "name", "name": name }));
        Ok(())
    }

    /// Adds an Administration.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the short name is taken.
    pub async fn add_administration(
        &mut self,
        id: AdministrationId,
        slug: &str,
        name: &str,
    ) -> Result<(), DirectoryError> {
        check_slug(slug)?;
        check_name(name)?;
        self.tx.enter(Scope::System).await?;
        tenants::insert_administration(&mut self.tx, id, slug, name, self.hub.clock.now()).await?;
        let body = json!({ "slug": slug, "name": name });
        self.prove(TenantId::SYSTEM, Subject::administration(id), Event::Created, body);
        Ok(())
    }

    /// Gives an Administration another name on screen.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rename_administration(
        &mut self,
        id: AdministrationId,
        name: &str,
    ) -> Result<(), DirectoryError> {
        check_name(name)?;
        self.tx.enter(Scope::System).await?;
        tenants::rename_administration(&mut self.tx, id, name).await?;
        let body = json!({ "field": "name", "name": name });
        self.prove(TenantId::SYSTEM, Subject::administration(id), Event::Changed, body);
        Ok(())
    }

    /// Gives an Administration the mandate for a tenant from now on; an earlier mandate ends. Mail and proofs stay.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn give_mandate(
        &mut self,
        tenant: TenantId,
        administration: AdministrationId,
    ) -> Result<(), DirectoryError> {
        self.tx.enter(Scope::Tenant(tenant)).await?;
        tenants::give_mandate(&mut self.tx, tenant, administration, self.hub.clock.now()).await?;
        let body = json!({ "administration": administration.to_string(), "field": "mandate" });
        self.prove(tenant, Subject::tenant(tenant), Event::Changed, body);
        Ok(())
    }

    /// Adds a person or service.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the sign-in name is taken.
    pub async fn add_principal(&mut self, new: NewPrincipal) -> Result<(), DirectoryError> {
        if !login_fits(&new.login) {
            return invalid("a sign-in name has 1 to 100 characters, no blanks and no ~ at its beginning");
        }
        check_name(&new.name)?;
        let row = Principal {
            id: new.id,
            login: new.login.to_lowercase(),
            kind: new.kind,
            name: new.name,
            administration: new.administration,
            password_hash: new.password_hash,
            active: true,
            failures: 0,
            locked_until: Timestamp(0),
            must_change: new.must_change,
            wrapped_totp: String::new(),
        };
        self.tx.enter(Scope::System).await?;
        access::insert(&mut self.tx, &row, self.hub.clock.now()).await?;
        let body = json!({ "login": row.login, "name": row.name, "kind": row.kind });
        self.prove(TenantId::SYSTEM, Subject::principal(row.id), Event::Created, body);
        Ok(())
    }

    /// Changes name and Administration of a person or service.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn change_principal(
        &mut self,
        id: PrincipalId,
        name: &str,
        administration: Option<AdministrationId>,
    ) -> Result<(), DirectoryError> {
        check_name(name)?;
        self.tx.enter(Scope::System).await?;
        access::change(&mut self.tx, id, name, administration).await?;
        let home = administration.map(|a| a.to_string()).unwrap_or_default();
        let body = json!({ "name": name, "administration": home });
        self.prove(TenantId::SYSTEM, Subject::principal(id), Event::Changed, body);
        Ok(())
    }

    /// Sets a password (from [`super::hash_password`]) for somebody, who has to choose an own one at the next sign-in,
    /// and ends all sessions; failed sign-ins are forgotten.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_password(&mut self, id: PrincipalId, hash: &str) -> Result<(), DirectoryError> {
        self.tx.enter(Scope::System).await?;
        access::set_password(&mut self.tx, id, hash, true).await?;
        accounts::close_all(&mut self.tx, id, "").await?;
        self.prove(TenantId::SYSTEM, Subject::principal(id), Event::Changed, json!({ "field": "password" }));
        Ok(())
    }

    /// Takes the second factor away (a lost telephone) and ends all sessions; true when there was one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn drop_second_factor(&mut self, id: PrincipalId) -> Result<bool, DirectoryError> {
        self.tx.enter(Scope::System).await?;
        let row = access::by_id(&mut self.tx, id).await?;
        if row.is_none_or(|row| row.wrapped_totp.is_empty()) {
            return Ok(false);
        }
        accounts::set_second_factor(&mut self.tx, id, "", 0, &[]).await?;
        accounts::close_all(&mut self.tx, id, "").await?;
        let body = json!({ "field": "second_factor", "on": false });
        self.prove(TenantId::SYSTEM, Subject::principal(id), Event::Changed, body);
        Ok(true)
    }

    /// Shuts an account out, with all its sessions and tokens, or lets it in again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_active(&mut self, id: PrincipalId, active: bool) -> Result<(), DirectoryError> {
        self.tx.enter(Scope::System).await?;
        access::set_active(&mut self.tx, id, active).await?;
        if !active {
            accounts::close_all(&mut self.tx, id, "").await?;
        }
        let body = json!({ "field": "active", "active": active });
        self.prove(TenantId::SYSTEM, Subject::principal(id), Event::Changed, body);
        Ok(())
    }

    /// Grants a role (`on`) or takes it back; in force with the next request.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_grant(
        &mut self,
        principal: PrincipalId,
        grant: Grant,
        on: bool,
    ) -> Result<(), DirectoryError> {
        self.tx.enter(Scope::System).await?;
        // Who decides something by the roles of an account holds its row.
        administration::hold(&mut self.tx, principal).await?;
        if on {
            access::grant(&mut self.tx, principal, grant).await?;
        } else {
            access::revoke(&mut self.tx, principal, grant).await?;
        }
        let body = json!({
            "granted": on,
            "role": grant.role.as_str(),
            "place": serde_json::to_value(grant.place).unwrap_or_default(),
        });
        let tenant = grant.place.tenant().unwrap_or(TenantId::SYSTEM);
        self.prove(tenant, Subject::principal(principal), Event::Changed, body);
        Ok(())
    }

    /// Takes the API tokens of this name back; gives how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revoke_tokens(&mut self, principal: PrincipalId, name: &str) -> Result<u64, DirectoryError> {
        self.tx.enter(Scope::System).await?;
        let rows = access::tokens_of(&mut self.tx, principal).await?;
        for row in rows.iter().filter(|r| r.name == name) {
            let body = json!({ "token": name, "revoked": true });
            self.prove(row.tenant, Subject::principal(principal), Event::Changed, body);
        }
        Ok(access::remove_tokens(&mut self.tx, principal, name).await?)
    }

    /// Adds a mailbox.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_mailbox(
        &mut self,
        tenant: TenantId,
        id: MailboxId,
        name: &str,
    ) -> Result<(), DirectoryError> {
        check_name(name)?;
        self.tx.enter(Scope::Tenant(tenant)).await?;
        tenants::insert_mailbox(&mut self.tx, tenant, id, name, self.hub.clock.now()).await?;
        self.prove(tenant, Subject::mailbox(id), Event::Created, json!({ "name": name }));
        Ok(())
    }

    /// Says whether a second person must release what leaves from a mailbox.
    ///
    /// # Errors
    /// When the mailbox is not there or the database does not answer.
    pub async fn set_four_eyes(
        &mut self,
        tenant: TenantId,
        id: MailboxId,
        on: bool,
    ) -> Result<(), DirectoryError> {
        self.tx.enter(Scope::Tenant(tenant)).await?;
        tenants::set_four_eyes(&mut self.tx, tenant, id, on).await?;
        self.prove(tenant, Subject::mailbox(id), Event::Changed, json!({ "four_eyes": on }));
        Ok(())
    }

    /// Adds an address to a mailbox.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when it belongs to somebody already.
    pub async fn add_address(
        &mut self,
        tenant: TenantId,
        mailbox: MailboxId,
        channel: ChannelKind,
        identifier: &str,
    ) -> Result<(), DirectoryError> {
        if !address_fits(channel, identifier) {
            return invalid(format!("not an address for this channel: {identifier:.80}"));
        }
        self.tx.enter(Scope::Tenant(tenant)).await?;
        tenants::insert_address(&mut self.tx, channel, identifier, tenant, mailbox).await?;
        let body = json!({ "address": identifier.to_lowercase(), "channel": channel.as_str() });
        self.prove(tenant, Subject::mailbox(mailbox), Event::Changed, body);
        Ok(())
    }

    /// Lays an address from one mailbox of a tenant into another.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is no longer there.
    pub async fn move_address(
        &mut self,
        tenant: TenantId,
        (from, to): (MailboxId, MailboxId),
        channel: ChannelKind,
        identifier: &str,
    ) -> Result<(), DirectoryError> {
        self.tx.enter(Scope::Tenant(tenant)).await?;
        tenants::move_address(&mut self.tx, channel, identifier, tenant, to).await?;
        for (mailbox, end, other) in [(from, "moved_to", to), (to, "moved_from", from)] {
            let body = json!({
                "address": identifier.to_lowercase(), "channel": channel.as_str(), end: other.to_string(),
            });
            self.prove(tenant, Subject::mailbox(mailbox), Event::Changed, body);
        }
        Ok(())
    }

    /// Adds a desk of an Administration that serves `tenants`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_desk(
        &mut self,
        administration: AdministrationId,
        id: DeskId,
        name: &str,
        tenants: &[TenantId],
    ) -> Result<(), DirectoryError> {
        check_name(name)?;
        let desk = Desk {
            id,
            administration: Some(administration),
            name: name.to_owned(),
            kind: "normal".to_owned(),
        };
        self.tx.enter(Scope::System).await?;
        tenants::insert_desk(&mut self.tx, &desk, tenants, self.hub.clock.now()).await?;
        // Of a desk that serves nobody yet the house itself keeps the proof.
        let nobody = [TenantId::SYSTEM];
        for tenant in if tenants.is_empty() { &nobody } else { tenants } {
            let body = json!({ "name": name, "administration": administration.to_string() });
            self.prove(*tenant, Subject::desk(id), Event::Created, body);
        }
        Ok(())
    }

    /// Lets a desk serve a further tenant (`on`) or no longer serve it; what lies there stays.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_desk_tenant(
        &mut self,
        desk: DeskId,
        tenant: TenantId,
        on: bool,
    ) -> Result<(), DirectoryError> {
        self.tx.enter(Scope::Tenant(tenant)).await?;
        if on {
            tenants::serve_desk(&mut self.tx, desk, tenant).await?;
        } else {
            tenants::unserve_desk(&mut self.tx, desk, tenant).await?;
        }
        self.prove(tenant, Subject::desk(desk), Event::Changed, json!({ "field": "tenants", "serves": on }));
        Ok(())
    }

    async fn sealed(&mut self, c: &Connector, secret: &[u8]) -> Result<String, DirectoryError> {
        let key = match self.founded.get(&c.tenant) {
            Some(key) => Arc::clone(key),
            None => self.hub.keys.tenant(&self.hub.db, c.tenant).await?,
        };
        Ok(key.seal_secret(&purpose(c), secret).map_err(StoreError::from)?)
    }

    /// Adds a connector. `secret` is sealed by the tenant's key.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] for an unknown kind.
    pub async fn add_connector(
        &mut self,
        c: &Connector,
        secret: Option<&[u8]>,
    ) -> Result<(), DirectoryError> {
        check_name(&c.name)?;
        if !self.hub.connector_kinds().contains(&c.kind.as_str()) {
            return invalid(format!("unknown kind of connector: {:.40}", c.kind));
        }
        let mut row = c.clone();
        if let Some(secret) = secret {
            row.wrapped_secret = self.sealed(c, secret).await?;
        }
        self.tx.enter(Scope::Tenant(c.tenant)).await?;
        tenants::insert_connector(&mut self.tx, &row).await?;
        let body = json!({ "name": c.name, "kind": c.kind, "config": config(c) });
        self.prove(c.tenant, Subject::connector(c.id), Event::Created, body);
        Ok(())
    }

    /// Changes name, settings and state of a connector, and its secret when one is given; `c.version` is the version read.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody changed it meanwhile.
    pub async fn change_connector(
        &mut self,
        c: &Connector,
        secret: Option<&[u8]>,
    ) -> Result<(), DirectoryError> {
        check_name(&c.name)?;
        let mut row = c.clone();
        if let Some(secret) = secret {
            row.wrapped_secret = self.sealed(c, secret).await?;
        }
        self.tx.enter(Scope::Tenant(c.tenant)).await?;
        tenants::change_connector(&mut self.tx, &row).await?;
        let body = json!({ "name": c.name, "config": config(c), "active": c.active, "new_secret": secret.is_some() });
        self.prove(c.tenant, Subject::connector(c.id), Event::Changed, body);
        Ok(())
    }
}

fn config(c: &Connector) -> Value {
    serde_json::from_str(&c.config).unwrap_or_default()
}
