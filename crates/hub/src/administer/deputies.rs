// SPDX-License-Identifier: EUPL-1.2
//! Who stands in for whom, by calendar (Europe/Berlin). Set by who will be away, or by an administrator.
//!
//! Guarantees: one deputy at a time, of the same Administration; what a deputy may is worked out with every request
//! ([`poststelle_store::access::rights`]), so that beginning, end and change hold at once; a deputy passes nothing on.

use std::time::Duration;

use poststelle_model::people::Grant;
use poststelle_model::{Access, AdministrationId, DeputyId, PrincipalId, Role, Timestamp, Who};
use poststelle_store::administration::{self, Deputy};
use poststelle_store::{Scope, access};

use super::{AdminError, Administered, refused};
use crate::directory::Edit;
use crate::hub::Hub;
use crate::view::ViewError;

/// How far ahead somebody may be represented.
const LONGEST: Duration = Duration::from_secs(2 * 366 * 24 * 3600);

/// What one's own account shows of it.
#[derive(Debug, Clone, Default)]
pub struct OwnDeputies {
    /// Now and later.
    pub deputies: Vec<Deputy>,
    /// Who could stand in, by name.
    pub colleagues: Vec<(PrincipalId, String)>,
}

impl Hub {
    /// Who stands in for this person, and who could; nobody for who has no roles to leave.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn own_deputies(&self, access: &Access) -> Result<OwnDeputies, AdminError> {
        let me = access.principal;
        let mut tx = self.db.read(Scope::System).await?;
        let Some(home) = access::by_id(&mut tx, me).await?.and_then(|row| row.administration) else {
            return Ok(OwnDeputies::default());
        };
        let mut colleagues = administration::people_at_home(&mut tx, home).await?;
        colleagues.retain(|(id, _)| *id != me && !access.reading_tenants().is_empty());
        Ok(OwnDeputies {
            deputies: administration::deputies_of(&mut tx, me, self.clock.now()).await?,
            colleagues,
        })
    }

    /// Lets a colleague stand in for oneself, from the first to the last day (`YYYY-MM-DD`).
    ///
    /// # Errors
    /// [`AdminError::Refused`].
    pub async fn set_own_deputy(
        &self,
        access: &Access,
        deputy: PrincipalId,
        days: (&str, &str),
    ) -> Result<(), AdminError> {
        let me = access.principal;
        if access.reading_tenants().is_empty() {
            return Err(refused("PST-ADMIN-0012"));
        }
        let mut edit = self.edit(&Who::Principal { id: me }).await?;
        let tx = edit.tx().await?;
        administration::hold(tx, me).await?;
        let home = access::by_id(tx, me).await?.and_then(|row| row.administration);
        self.deputise(edit, me, home, deputy, days).await
    }

    /// Ends an own one; what is over already is ended too.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not one's own.
    pub async fn end_own_deputy(&self, access: &Access, id: DeputyId) -> Result<(), AdminError> {
        let mut edit = self.edit(&Who::Principal { id: access.principal }).await?;
        let row = administration::get_deputy(edit.tx().await?, id).await?;
        let row = row.filter(|row| row.principal == access.principal);
        let row = row.ok_or(AdminError::View(ViewError::NotFound))?;
        if edit.end_deputy(&row).await? {
            edit.commit().await?;
        }
        Ok(())
    }

    /// Writes it for somebody whose row is held.
    async fn deputise(
        &self,
        mut edit: Edit<'_>,
        principal: PrincipalId,
        home: Option<AdministrationId>,
        deputy: PrincipalId,
        (first, last): (&str, &str),
    ) -> Result<(), AdminError> {
        let now = self.clock.now();
        let today = Timestamp::start_of_day(&now.in_berlin("%Y-%m-%d")).unwrap_or(now);
        let (Some(begins_at), Some(ends_at)) = (Timestamp::start_of_day(first), Timestamp::end_of_day(last))
        else {
            return Err(refused("PST-ADMIN-0011"));
        };
        if begins_at < today || ends_at <= begins_at || ends_at > now.plus(LONGEST) {
            return Err(refused("PST-ADMIN-0011"));
        }
        let tx = edit.tx().await?;
        let colleagues = match home {
            Some(home) => administration::people_at_home(tx, home).await?,
            None => Vec::new(),
        };
        let passes = |g: &Grant| matches!(g.role, Role::Clerk | Role::Auditor) && g.place.tenant().is_some();
        if !access::grants_of(tx, principal).await?.iter().any(passes) {
            return Err(refused("PST-ADMIN-0023"));
        }
        if deputy == principal || colleagues.iter().all(|(id, _)| *id != deputy) {
            return Err(refused("PST-ADMIN-0012"));
        }
        for known in administration::deputies_of(tx, principal, now).await? {
            if (known.deputy, known.begins_at, known.ends_at) == (deputy, begins_at, ends_at) {
                return Ok(());
            }
            if known.begins_at < ends_at && begins_at < known.ends_at {
                return Err(refused("PST-ADMIN-0013"));
            }
        }
        let id = DeputyId::new(self.ids());
        edit.add_deputy(id, (principal, deputy), (begins_at, ends_at)).await?;
        Ok(edit.commit().await?)
    }
}

impl Administered<'_> {
    /// Who stands in for those in sight, now and later.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn deputies(&self) -> Result<Vec<Deputy>, AdminError> {
        let mut tx = self.hub.db.read(Scope::System).await?;
        Ok(administration::deputies(&mut tx, self.tenant.id, self.hub.clock.now()).await?)
    }

    /// Who could stand in for somebody in sight, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn colleagues(
        &self,
        id: PrincipalId,
        home: Option<AdministrationId>,
    ) -> Result<Vec<(PrincipalId, String)>, AdminError> {
        let Some(home) = home else { return Ok(Vec::new()) };
        let mut tx = self.hub.db.read(Scope::System).await?;
        let mut all = administration::people_at_home(&mut tx, home).await?;
        all.retain(|(other, _)| *other != id);
        Ok(all)
    }

    /// Lets `deputy` stand in for somebody in sight, from the first to the last day (`YYYY-MM-DD`). A deputy works in
    /// every tenant of the one who is away: so all of them must be in these hands.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn set_deputy(
        &self,
        id: PrincipalId,
        deputy: PrincipalId,
        days: (&str, &str),
    ) -> Result<(), AdminError> {
        let (edit, row, _) = self.take_account(id).await?;
        self.hub.deputise(edit, id, row.administration, deputy, days).await
    }

    /// Ends it; what is over already is ended too.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn end_deputy(&self, id: DeputyId) -> Result<(), AdminError> {
        let mut tx = self.hub.db.read(Scope::System).await?;
        let row = administration::get_deputy(&mut tx, id).await?;
        let row = row.ok_or(AdminError::View(ViewError::NotFound))?;
        tx.rollback().await?;
        let (mut edit, ..) = self.take_account(row.principal).await?;
        if edit.end_deputy(&row).await? {
            edit.commit().await?;
        }
        Ok(())
    }
}
