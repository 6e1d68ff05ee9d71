// SPDX-License-Identifier: EUPL-1.2
//! A tenant in the hands of its administrator: people, desks, mailboxes, deputies, and what was changed.
//!
//! Guarantees: nothing here reaches beyond the tenant: people are those of an Administration with its mandate and those
//! with a role in it; roles are given and taken in it alone, never that of an operator. What concerns a whole account
//! (password, second factor, lock, name, deputy) needs the administration of every tenant the account has a role in.
//! Nobody locks themselves out. What was decided by somebody's roles is written before these roles can change.
//! Every change is an [`Edit`](crate::directory::Edit) with its evidence; asked twice, it is done once.

mod changes;
mod deputies;
mod people;
mod places;

use poststelle_model::{Access, Fault, Reason, Role, TenantId, Who};
use poststelle_store::StoreError;
use poststelle_store::tenants::Tenant;

pub use self::changes::{CHANGE_KINDS, ChangeLine};
pub use self::deputies::OwnDeputies;
pub use self::people::{NewPerson, PersonView, ROLES, TOKEN_DAYS};
pub use self::places::Places;
use crate::change::CommitError;
use crate::directory::DirectoryError;
use crate::hub::Hub;
use crate::view::ViewError;

/// Why a change was refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Not there or not for these hands, or the store.
    #[error(transparent)]
    View(#[from] ViewError),
    /// What was asked for is not possible.
    #[error("refused: {0:?}")]
    Refused(Reason),
    /// Somebody changed the same meanwhile.
    #[error("changed meanwhile")]
    Changed,
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) | StoreError::Exists(_) => Self::Changed,
            StoreError::NotFound(_) => Self::View(ViewError::NotFound),
            error => Self::View(error.into()),
        }
    }
}

impl From<DirectoryError> for AdminError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Store(error) => error.into(),
            DirectoryError::Evidence(error) if error.is_conflict() => Self::Changed,
            DirectoryError::Evidence(error) => Self::View(CommitError::from(error).into()),
            DirectoryError::Invalid(_) => refused("PST-ADMIN-0001"),
        }
    }
}

fn refused(code: &'static str) -> AdminError {
    AdminError::Refused(Reason::new(code, Fault::Sender))
}

/// A tenant and who administers it.
pub struct Administered<'a> {
    hub: &'a Hub,
    access: &'a Access,
    /// Which.
    pub tenant: Tenant,
}

impl Hub {
    /// A tenant for who administers it.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] for everybody else.
    pub async fn administer<'a>(
        &'a self,
        access: &'a Access,
        tenant: TenantId,
    ) -> Result<Administered<'a>, ViewError> {
        let tenant = self.administered(access, tenant).await?;
        Ok(Administered { hub: self, access, tenant })
    }
}

impl Administered<'_> {
    fn who(&self) -> Who {
        Who::Principal { id: self.access.principal }
    }

    fn administers(&self, tenant: TenantId) -> bool {
        self.access.has(Role::TenantAdmin, tenant)
    }
}
