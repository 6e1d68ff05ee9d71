// SPDX-License-Identifier: EUPL-1.2
//! Desks and mailboxes of a tenant.

use poststelle_model::{Action, ChannelKind, DeskId, MailboxId, TenantId};
use poststelle_store::administration::{self, DeskRow, MailboxRow};
use poststelle_store::{Scope, StoreError, desk, tenants};

use super::{AdminError, Administered, refused};
use crate::directory::{DirectoryError, address_fits, name_fits};
use crate::view::ViewError;

/// Where mail of a tenant lies.
#[derive(Debug, Clone)]
pub struct Places {
    /// Its mailboxes by name.
    pub mailboxes: Vec<MailboxRow>,
    /// Their addresses: (channel, identifier, mailbox).
    pub addresses: Vec<(String, String, MailboxId)>,
    /// Desks that serve it, and all others of the Administration with its mandate.
    pub desks: Vec<DeskRow>,
}

impl Administered<'_> {
    /// Its mailboxes and desks.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn places(&self) -> Result<Places, AdminError> {
        let tenant = self.tenant.id;
        let mut tx = self.hub.db.read(Scope::System).await?;
        Ok(Places {
            mailboxes: administration::mailboxes(&mut tx, tenant).await?,
            addresses: tenants::addresses(&mut tx, tenant).await?,
            desks: administration::desks(&mut tx, tenant, self.hub.clock.now()).await?,
        })
    }

    /// Is this desk's name for these hands? A clearing desk keeps its name.
    #[must_use]
    pub fn may_rename(&self, desk: &DeskRow) -> bool {
        desk.kind != "clearing" && desk.tenants.iter().all(|t| self.administers(*t))
    }

    async fn desk(&self, id: DeskId) -> Result<DeskRow, AdminError> {
        let found = self.places().await?.desks.into_iter().find(|d| d.id == id);
        found.ok_or(AdminError::View(ViewError::NotFound))
    }

    /// Adds a desk of the Administration with the mandate that serves this tenant.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn add_desk(&self, name: &str) -> Result<DeskId, AdminError> {
        let (name, now, tenant) = (name.trim(), self.hub.clock.now(), self.tenant.id);
        if !name_fits(name) {
            return Err(refused("PST-ADMIN-0001"));
        }
        let id = DeskId::new(self.hub.ids());
        let mut edit = self.hub.edit(&self.who()).await?;
        administration::hold_tenant(edit.tx().await?, tenant).await?;
        let mandates = tenants::mandates(edit.tx().await?, tenant).await?;
        let home = mandates.iter().find(|m| m.from <= now && m.until > now);
        let home = home.ok_or_else(|| refused("PST-ADMIN-0010"))?.administration;
        // The same name twice, and be it by a second click, helps nobody.
        let desks = administration::desks(edit.tx().await?, tenant, now).await?;
        if desks.iter().any(|d| d.name == name) {
            return Err(refused("PST-ADMIN-0018"));
        }
        edit.add_desk(home, id, name, &[tenant]).await?;
        edit.commit().await?;
        Ok(id)
    }

    /// Gives a desk another name, if it stands as in `version`.
    ///
    /// # Errors
    /// [`AdminError`]; all tenants it serves must be in these hands.
    pub async fn rename_desk(&self, id: DeskId, name: &str, version: i64) -> Result<(), AdminError> {
        let name = name.trim();
        let row = self.desk(id).await?;
        if !name_fits(name) {
            return Err(refused("PST-ADMIN-0001"));
        }
        if !self.may_rename(&row) {
            return Err(refused("PST-ADMIN-0014"));
        }
        if row.name == name {
            return Ok(());
        }
        let mut edit = self.hub.edit(&self.who()).await?;
        administration::hold_tenant(edit.tx().await?, self.tenant.id).await?;
        let desks = administration::desks(edit.tx().await?, self.tenant.id, self.hub.clock.now()).await?;
        if desks.iter().any(|d| d.name == name) {
            return Err(refused("PST-ADMIN-0018"));
        }
        edit.rename_desk(id, name, version, &row.tenants).await?;
        Ok(edit.commit().await?)
    }

    /// Lets a desk serve this tenant or no longer serve it. Not while something open lies there or a rule leads there:
    /// nobody would see it any more.
    ///
    /// # Errors
    /// [`AdminError`]; the clearing desk always serves.
    pub async fn set_desk_serves(&self, id: DeskId, on: bool) -> Result<(), AdminError> {
        let row = self.desk(id).await?;
        if row.tenants.contains(&self.tenant.id) == on {
            return Ok(());
        }
        if row.kind == "clearing" {
            return Err(refused("PST-ADMIN-0014"));
        }
        let mut edit = self.hub.edit(&self.who()).await?;
        if !on {
            let (tenant, tx) = (self.tenant.id, edit.tx().await?);
            let counts = desk::counts(tx, tenant, self.access.principal).await?;
            let open = counts.get(&id).is_some_and(|c| c.new + c.claimed + c.waiting > 0);
            let leads = |a: &Action| matches!(a, Action::ToDesk { desk } | Action::CopyToDesk { desk } if *desk == id);
            let rules = tenants::rules(tx, tenant).await?;
            if open || rules.iter().filter(|r| r.active).any(|r| r.actions.iter().any(leads)) {
                return Err(refused("PST-ADMIN-0021"));
            }
        }
        edit.set_desk_tenant(id, self.tenant.id, on).await?;
        Ok(edit.commit().await?)
    }

    async fn mailbox(&self, id: MailboxId) -> Result<MailboxRow, AdminError> {
        let found = self.places().await?.mailboxes.into_iter().find(|m| m.id == id);
        found.ok_or(AdminError::View(ViewError::NotFound))
    }

    /// Adds a mailbox.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn add_mailbox(&self, name: &str) -> Result<MailboxId, AdminError> {
        let (name, tenant) = (name.trim(), self.tenant.id);
        if !name_fits(name) {
            return Err(refused("PST-ADMIN-0001"));
        }
        let id = MailboxId::new(self.hub.ids());
        let mut edit = self.hub.edit(&self.who()).await?;
        administration::hold_tenant(edit.tx().await?, tenant).await?;
        let boxes = tenants::mailboxes(edit.tx().await?, tenant).await?;
        if boxes.iter().any(|m| m.1 == name) {
            return Err(refused("PST-ADMIN-0018"));
        }
        edit.add_mailbox(tenant, id, name).await?;
        edit.commit().await?;
        Ok(id)
    }

    /// Gives a mailbox another name, if it stands as in `version`.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn rename_mailbox(&self, id: MailboxId, name: &str, version: i64) -> Result<(), AdminError> {
        let name = name.trim();
        let row = self.mailbox(id).await?;
        if !name_fits(name) {
            return Err(refused("PST-ADMIN-0001"));
        }
        if row.name == name {
            return Ok(());
        }
        let mut edit = self.hub.edit(&self.who()).await?;
        administration::hold_tenant(edit.tx().await?, self.tenant.id).await?;
        let boxes = tenants::mailboxes(edit.tx().await?, self.tenant.id).await?;
        if boxes.iter().any(|m| m.1 == name) {
            return Err(refused("PST-ADMIN-0018"));
        }
        edit.rename_mailbox(self.tenant.id, id, name, version).await?;
        Ok(edit.commit().await?)
    }

    /// Says whether a second person must release what leaves from a mailbox.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn set_four_eyes(&self, id: MailboxId, on: bool) -> Result<(), AdminError> {
        if self.mailbox(id).await?.four_eyes == on {
            return Ok(());
        }
        let mut edit = self.hub.edit(&self.who()).await?;
        edit.set_four_eyes(self.tenant.id, id, on).await?;
        Ok(edit.commit().await?)
    }

    /// Adds an address to a mailbox; the mailbox's own already: nothing happens.
    ///
    /// # Errors
    /// [`AdminError`]; an address belongs to one mailbox in the whole house.
    pub async fn add_address(&self, id: MailboxId, address: &str) -> Result<(), AdminError> {
        let address = address.trim();
        self.mailbox(id).await?;
        if !address_fits(ChannelKind::Mail, address) {
            return Err(refused("PST-ADMIN-0008"));
        }
        let mut edit = self.hub.edit(&self.who()).await?;
        let owner: Option<(TenantId, MailboxId)> =
            tenants::resolve_address(edit.tx().await?, ChannelKind::Mail, address).await?;
        if owner == Some((self.tenant.id, id)) {
            return Ok(());
        }
        if owner.is_some() {
            return Err(refused("PST-ADMIN-0009"));
        }
        // The first address of a domain comes from who runs the house: a domain may be another tenant's.
        let domain = |a: &str| a.rsplit_once('@').map(|(_, d)| d.to_lowercase());
        let own = tenants::addresses(edit.tx().await?, self.tenant.id).await?;
        if own.iter().all(|a| domain(&a.1) != domain(address)) {
            return Err(refused("PST-ADMIN-0020"));
        }
        match edit.add_address(self.tenant.id, id, ChannelKind::Mail, address).await {
            Err(DirectoryError::Store(StoreError::Exists(_))) => return Err(refused("PST-ADMIN-0009")),
            other => other?,
        }
        Ok(edit.commit().await?)
    }
}
