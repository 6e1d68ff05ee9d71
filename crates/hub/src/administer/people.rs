// SPDX-License-Identifier: EUPL-1.2
//! People and services of a tenant: accounts, roles, tokens.

use std::time::Duration;

use poststelle_model::people::{Grant, Place};
use poststelle_model::{AdministrationId, PrincipalId, Role};
use poststelle_store::access::{self, TokenRow};
use poststelle_store::administration::{self, Seen};
use poststelle_store::{Scope, tenants};

use super::{AdminError, Administered, refused};
use crate::directory::{Edit, NewPrincipal, hash_password, initial_password, login_fits, name_fits};
use crate::view::ViewError;

/// Roles an administrator gives.
pub const ROLES: [Role; 4] = [Role::Clerk, Role::Auditor, Role::TenantAdmin, Role::Intake];
/// Longest a token is valid, days.
pub const TOKEN_DAYS: u32 = 3650;

/// Somebody in sight of a tenant.
#[derive(Debug, Clone)]
pub struct PersonView {
    /// The account.
    pub row: Seen,
    /// Roles in this tenant.
    pub grants: Vec<Grant>,
    /// Has roles elsewhere too.
    pub elsewhere: bool,
    /// Their Administration holds the mandate, or it is a service: roles here are in force.
    pub backed: bool,
    /// Why the account as a whole is not for these hands; a code.
    pub closed: Option<&'static str>,
    /// Is it the one who looks?
    pub own: bool,
}

/// Somebody to be added.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// Sign-in name.
    pub login: String,
    /// Name on screen.
    pub name: String,
    /// A program, not a person.
    pub service: bool,
    /// First role, for the whole tenant; a service needs one.
    pub role: Option<Role>,
}

impl Administered<'_> {
    /// The Administration with the mandate now.
    async fn home(&self, edit: &mut Edit<'_>) -> Result<Option<AdministrationId>, AdminError> {
        let now = self.hub.clock.now();
        let mandates = tenants::mandates(edit.tx().await?, self.tenant.id).await?;
        Ok(mandates.into_iter().find(|m| m.from <= now && m.until > now).map(|m| m.administration))
    }

    fn view(&self, row: Seen, grants: Vec<Grant>, home: Option<AdministrationId>) -> PersonView {
        let here = |g: &Grant| g.place.tenant() == Some(self.tenant.id);
        PersonView {
            closed: self.closed(&row, home, &grants),
            elsewhere: !grants.iter().all(here),
            backed: row.kind == "service" || home.is_some() && row.administration == home,
            own: row.id == self.access.principal,
            grants: grants.into_iter().filter(here).collect(),
            row,
        }
    }

    /// Why an account that reaches this far is not for these hands as a whole. A person belongs to the Administration
    /// with the mandate: a role that rests since the mandate moved gives nobody the account.
    fn closed(&self, row: &Seen, home: Option<AdministrationId>, grants: &[Grant]) -> Option<&'static str> {
        if grants.iter().any(|g| g.place == Place::Installation) {
            return Some("PST-ADMIN-0017");
        }
        let at_home = row.kind == "service" || home.is_some() && row.administration == home;
        let mine = grants.iter().all(|g| g.place.tenant().is_some_and(|t| self.administers(t)));
        (!mine || !at_home).then_some("PST-ADMIN-0004")
    }

    /// People and services in sight, by kind and name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn people(&self) -> Result<Vec<PersonView>, AdminError> {
        let (now, tenant) = (self.hub.clock.now(), self.tenant.id);
        let mut tx = self.hub.db.read(Scope::System).await?;
        let mandates = tenants::mandates(&mut tx, tenant).await?;
        let home = mandates.iter().find(|m| m.from <= now && m.until > now).map(|m| m.administration);
        let mut grants = administration::grants(&mut tx, tenant, now).await?;
        let rows = administration::people(&mut tx, tenant, now).await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let of = grants.remove(&row.id).unwrap_or_default();
                self.view(row, of, home)
            })
            .collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when nobody in sight has this id.
    pub async fn person(&self, id: PrincipalId) -> Result<PersonView, AdminError> {
        let found = self.people().await?.into_iter().find(|p| p.row.id == id);
        found.ok_or(AdminError::View(ViewError::NotFound))
    }

    /// Begins to change somebody in sight; account and roles stay as read until the commit, and so do those of who
    /// acts: of two who take each other's role, one comes second and has none any more.
    async fn take(&self, id: PrincipalId) -> Result<(Edit<'_>, Seen, Vec<Grant>), AdminError> {
        let now = self.hub.clock.now();
        let mut edit = self.hub.edit(&self.who()).await?;
        let tx = edit.tx().await?;
        let me = self.access.principal;
        let mut both = [id, me];
        both.sort_unstable();
        for one in both {
            if one == id {
                administration::hold(tx, id).await?;
            } else {
                administration::hold_still(tx, me).await?;
            }
            if id == me {
                break;
            }
        }
        if !access::access(tx, me, now).await?.has(Role::TenantAdmin, self.tenant.id) {
            return Err(AdminError::View(ViewError::NotFound));
        }
        let row = administration::person(tx, self.tenant.id, id, now).await?;
        let row = row.ok_or(AdminError::View(ViewError::NotFound))?;
        let grants = access::grants_of(tx, id).await?;
        Ok((edit, row, grants))
    }

    /// The same, for what concerns the account as a whole.
    pub(super) async fn take_account(
        &self,
        id: PrincipalId,
    ) -> Result<(Edit<'_>, Seen, Vec<Grant>), AdminError> {
        let (mut edit, row, grants) = self.take(id).await?;
        let home = self.home(&mut edit).await?;
        // What the account reaches by standing in for others counts too, today and later.
        let mut reach = grants.clone();
        reach.extend(access::deputed_grants(edit.tx().await?, id, self.hub.clock.now()).await?);
        match self.closed(&row, home, &reach) {
            None => Ok((edit, row, grants)),
            Some(code) => Err(refused(code)),
        }
    }

    /// Adds a person of the Administration with the mandate, or a service; gives the id and, for a person, the first
    /// password, which is nowhere else.
    ///
    /// # Errors
    /// [`AdminError::Refused`] when a name cannot be used or is taken, or nobody holds the mandate.
    pub async fn add_person(&self, new: &NewPerson) -> Result<(PrincipalId, Option<String>), AdminError> {
        let (login, name) = (new.login.trim().to_lowercase(), new.name.trim().to_owned());
        if !name_fits(&name) {
            return Err(refused("PST-ADMIN-0001"));
        }
        if !login_fits(&login) {
            return Err(refused("PST-ADMIN-0002"));
        }
        let kind = if new.service { "service" } else { "person" };
        let place = Place::Tenant { tenant: self.tenant.id };
        match new.role {
            None if new.service => return Err(refused("PST-ADMIN-0006")),
            Some(role) if !gives(role, place, kind) => return Err(refused("PST-ADMIN-0006")),
            _ => {}
        }
        let password = if new.service { None } else { Some(initial_password()?) };
        let password_hash = match &password {
            Some(password) => hash_password(password).await?,
            None => String::new(),
        };
        let id = PrincipalId::new(self.hub.ids());
        let mut edit = self.hub.edit(&self.who()).await?;
        let administration = if new.service {
            None
        } else {
            Some(self.home(&mut edit).await?.ok_or_else(|| refused("PST-ADMIN-0010"))?)
        };
        if access::by_login(edit.tx().await?, &login).await?.is_some() {
            return Err(refused("PST-ADMIN-0003"));
        }
        let must_change = password.is_some();
        let (kind, new_role) = (kind.to_owned(), new.role);
        edit.add_principal(NewPrincipal {
            id,
            login,
            name,
            kind,
            administration,
            password_hash,
            must_change,
        })
        .await?;
        if let Some(role) = new_role {
            edit.set_grant(id, Grant { role, place }, true).await?;
        }
        edit.commit().await?;
        Ok((id, password))
    }

    /// Gives an account another name on screen, if it stands as in `version`.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn rename_person(&self, id: PrincipalId, name: &str, version: i64) -> Result<(), AdminError> {
        let name = name.trim();
        if !name_fits(name) {
            return Err(refused("PST-ADMIN-0001"));
        }
        let (mut edit, row, _) = self.take_account(id).await?;
        if row.name == name {
            return Ok(());
        }
        // Taking the row made a version of its own.
        if row.version != version.saturating_add(1) {
            return Err(AdminError::Changed);
        }
        edit.change_principal(id, name, row.administration).await?;
        Ok(edit.commit().await?)
    }

    /// Shuts an account out with its sessions and tokens, or lets it in again.
    ///
    /// # Errors
    /// [`AdminError`]; nobody locks themselves.
    pub async fn set_active(&self, id: PrincipalId, active: bool) -> Result<(), AdminError> {
        let (mut edit, row, _) = self.take_account(id).await?;
        if !active && id == self.access.principal {
            return Err(refused("PST-ADMIN-0005"));
        }
        if row.active == active && row.locked_until <= self.hub.clock.now() {
            return Ok(());
        }
        edit.set_active(id, active).await?;
        Ok(edit.commit().await?)
    }

    /// A new first password; gives it, and it is nowhere else.
    ///
    /// # Errors
    /// [`AdminError`]; a service has none, and one's own is changed in one's own account.
    pub async fn new_password(&self, id: PrincipalId) -> Result<String, AdminError> {
        // Hashing takes its time: before the transaction, not in it.
        let password = initial_password()?;
        let hash = hash_password(&password).await?;
        let (mut edit, row, _) = self.take_account(id).await?;
        if row.kind != "person" {
            return Err(refused("PST-ADMIN-0016"));
        }
        if id == self.access.principal {
            return Err(refused("PST-ADMIN-0019"));
        }
        edit.set_password(id, &hash).await?;
        edit.commit().await?;
        Ok(password)
    }

    /// Takes the second factor away; without one nothing happens.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn drop_second_factor(&self, id: PrincipalId) -> Result<(), AdminError> {
        let (mut edit, ..) = self.take_account(id).await?;
        // One's own needs a code of it.
        if id == self.access.principal {
            return Err(refused("PST-ADMIN-0019"));
        }
        if edit.drop_second_factor(id).await? {
            edit.commit().await?;
        }
        Ok(())
    }

    /// Gives a role in this tenant (`on`) or takes it back; as it is already: nothing happens. With the last role of a
    /// service its tokens for this tenant go. False when nobody in sight has this id any more.
    ///
    /// # Errors
    /// [`AdminError`]; nobody takes their own administration.
    pub async fn set_grant(&self, id: PrincipalId, grant: Grant, on: bool) -> Result<bool, AdminError> {
        let tenant = self.tenant.id;
        if grant.place.tenant() != Some(tenant) {
            return Err(AdminError::View(ViewError::NotFound));
        }
        let (mut edit, row, grants) = self.take(id).await?;
        if grants.contains(&grant) == on {
            return Ok(true);
        }
        let now = self.hub.clock.now();
        let here = grants.iter().filter(|g| g.place.tenant() == Some(tenant)).count();
        if on {
            // Whoever stands in for this person was chosen for the tenants of then.
            if here == 0 && !administration::deputies_of(edit.tx().await?, id, now).await?.is_empty() {
                return Err(refused("PST-ADMIN-0022"));
            }
            if !gives(grant.role, grant.place, &row.kind) {
                return Err(refused("PST-ADMIN-0006"));
            }
            let there = match grant.place {
                Place::Desk { desk, .. } => {
                    tenants::desks(edit.tx().await?, tenant).await?.iter().any(|d| d.id == desk)
                }
                Place::Mailbox { mailbox, .. } => {
                    tenants::mailboxes(edit.tx().await?, tenant).await?.iter().any(|m| m.0 == mailbox)
                }
                Place::Tenant { .. } => true,
                Place::Installation => false,
            };
            if !there {
                return Err(AdminError::View(ViewError::NotFound));
            }
        } else if id == self.access.principal && grant.role == Role::TenantAdmin {
            return Err(refused("PST-ADMIN-0005"));
        }
        edit.set_grant(id, grant, on).await?;
        if !on && here == 1 && row.kind == "service" {
            for token in access::tokens_of(edit.tx().await?, id).await? {
                if token.tenant == tenant {
                    edit.revoke_tokens_in(id, tenant, &token.name).await?;
                }
            }
        }
        let seen = administration::person(edit.tx().await?, tenant, id, now).await?.is_some();
        edit.commit().await?;
        Ok(seen)
    }

    /// API tokens of a service for this tenant, oldest first.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when nobody in sight has this id.
    pub async fn tokens(&self, id: PrincipalId) -> Result<Vec<TokenRow>, AdminError> {
        let mut tx = self.hub.db.read(Scope::System).await?;
        let seen = administration::person(&mut tx, self.tenant.id, id, self.hub.clock.now()).await?;
        if seen.is_none() {
            return Err(AdminError::View(ViewError::NotFound));
        }
        let rows = access::tokens_of(&mut tx, id).await?;
        Ok(rows.into_iter().filter(|t| t.tenant == self.tenant.id).collect())
    }

    /// A token for a service, bound to this tenant; gives it, and it is nowhere else.
    ///
    /// # Errors
    /// [`AdminError`]; the name must be free, and valid are 1 to [`TOKEN_DAYS`] days.
    pub async fn new_token(&self, id: PrincipalId, name: &str, days: u32) -> Result<String, AdminError> {
        let (name, tenant) = (name.trim(), self.tenant.id);
        if !name_fits(name) || !(1..=TOKEN_DAYS).contains(&days) {
            return Err(refused("PST-ADMIN-0015"));
        }
        let (mut edit, row, _) = self.take(id).await?;
        if row.kind != "service" {
            return Err(refused("PST-ADMIN-0016"));
        }
        if access::has_token(edit.tx().await?, id, tenant, name, self.hub.clock.now()).await? {
            return Err(refused("PST-ADMIN-0015"));
        }
        let valid = Duration::from_secs(u64::from(days) * 24 * 3600);
        let token = edit.add_token(id, tenant, name, valid).await?;
        edit.commit().await?;
        Ok(token.reveal().to_owned())
    }

    /// Takes a service's token for this tenant back; one that is not there is taken back too.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn revoke_token(&self, id: PrincipalId, name: &str) -> Result<(), AdminError> {
        if !name_fits(name) {
            return Err(refused("PST-ADMIN-0015"));
        }
        let (mut edit, ..) = self.take(id).await?;
        if edit.revoke_tokens_in(id, self.tenant.id, name).await? > 0 {
            edit.commit().await?;
        }
        Ok(())
    }
}

/// Can an administrator give this role at this place? Administrators are so for the whole tenant; only programs hand
/// in.
fn gives(role: Role, place: Place, kind: &str) -> bool {
    match (role, place) {
        (Role::Operator, _) | (_, Place::Installation) => false,
        (Role::Clerk | Role::Auditor, _) => true,
        // A token outlives the mandate under which it was made: programs that administer are the operator's to make.
        (Role::TenantAdmin, place) => kind == "person" && matches!(place, Place::Tenant { .. }),
        (Role::Intake, place) => kind == "service" && !matches!(place, Place::Desk { .. }),
    }
}

#[cfg(test)]
mod tests {
    use poststelle_model::{DeskId, MailboxId, TenantId};

    use super::*;

    #[test]
    fn an_operator_is_made_by_nobody_here() {
        let ids = poststelle_model::ids::SeededIds::new(1);
        let tenant = TenantId::new(&ids);
        let (desk, mailbox) = (DeskId::new(&ids), MailboxId::new(&ids));
        let (whole, at_desk, at_box) =
            (Place::Tenant { tenant }, Place::Desk { tenant, desk }, Place::Mailbox { tenant, mailbox });
        for place in [whole, at_desk, at_box, Place::Installation] {
            assert!(!gives(Role::Operator, place, "person") && !gives(Role::Operator, place, "service"));
            assert_eq!(gives(Role::Clerk, place, "person"), place != Place::Installation);
            assert_eq!(gives(Role::TenantAdmin, place, "person"), place == whole);
            assert!(!gives(Role::Intake, place, "person"));
        }
        assert!(!gives(Role::TenantAdmin, whole, "service"));
        assert!(gives(Role::Intake, at_box, "service") && !gives(Role::Intake, at_desk, "service"));
    }
}
