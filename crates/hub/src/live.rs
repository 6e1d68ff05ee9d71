// SPDX-License-Identifier: EUPL-1.2
//! How far things have gone, as one number each: what a page compares to know that there is something new.
//!
//! Guarantees: whatever happens to mail is evidence, and all evidence gets its place in the tenant's log, so no change
//! goes unnoticed, whichever node made it. However many pages ask, a node reads the sizes of the logs twice a second at
//! most; for a page of one message it looks further only when something happened in that tenant. Does not tell what
//! happened.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use poststelle_model::{Access, MessageId, Subject, TenantId};
use poststelle_store::{Scope, StoreError, evidence};

use crate::hub::Hub;
use crate::view::ViewError;

/// Sizes of logs are asked for again after this.
const YOUNG: Duration = Duration::from_millis(500);

type Sizes = Arc<HashMap<TenantId, i64>>;

/// What this node read last, and when.
#[derive(Debug, Default)]
pub(crate) struct LogSizes(tokio::sync::Mutex<Option<(Instant, Sizes)>>);

impl Hub {
    async fn log_sizes(&self) -> Result<Sizes, StoreError> {
        // Who comes while somebody asks gets the same answer.
        let mut kept = self.log_sizes.0.lock().await;
        if let Some((_, sizes)) = kept.as_ref().filter(|(at, _)| at.elapsed() < YOUNG) {
            return Ok(Arc::clone(sizes));
        }
        let mut tx = self.db.read(Scope::System).await?;
        let sizes = Arc::new(evidence::log_sizes(&mut tx).await?);
        *kept = Some((Instant::now(), Arc::clone(&sizes)));
        Ok(sizes)
    }

    /// Grows with everything that happens in the tenants `access` may read in; at most half a second old.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn progress(&self, access: &Access) -> Result<i64, StoreError> {
        let sizes = self.log_sizes().await?;
        Ok(access.reading_tenants().iter().filter_map(|t| sizes.get(t)).sum())
    }

    /// Grows with everything that happens in one tenant; at most half a second old. Rights are not asked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn progress_in(&self, tenant: TenantId) -> Result<i64, StoreError> {
        Ok(self.log_sizes().await?.get(&tenant).copied().unwrap_or_default())
    }

    /// Grows with everything that happens to a message for these eyes: the number of events in its timeline.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not there or not for these eyes.
    pub async fn message_progress(
        &self,
        access: &Access,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<i64, ViewError> {
        self.authorise(access, tenant, id).await?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let subject = Subject::message(id);
        let heads = evidence::heads(&mut tx, tenant, &[subject]).await?;
        Ok(heads.values().next().map_or(0, |head| head.n + 1))
    }
}
