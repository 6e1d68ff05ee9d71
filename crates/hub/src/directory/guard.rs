// SPDX-License-Identifier: EUPL-1.2
//! Who may administer what.
//!
//! Guarantees: a tenant one does not administer is as if it were not there.

use poststelle_model::{Access, Role, TenantId};
use poststelle_store::tenants::{self, Tenant};
use poststelle_store::{Scope, StoreError};

use crate::hub::Hub;
use crate::view::ViewError;

impl Hub {
    /// Tenants the principal administers, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn administered_tenants(&self, access: &Access) -> Result<Vec<Tenant>, StoreError> {
        let mine = access.administered_tenants();
        let mut tx = self.db.read(Scope::System).await?;
        Ok(tenants::all(&mut tx).await?.into_iter().filter(|t| mine.contains(&t.id)).collect())
    }

    /// A tenant the principal administers.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it does not, or there is no such tenant.
    pub async fn administered(&self, access: &Access, tenant: TenantId) -> Result<Tenant, ViewError> {
        if !access.has(Role::TenantAdmin, tenant) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        tenants::get(&mut tx, tenant).await?.ok_or(ViewError::NotFound)
    }
}
