// SPDX-License-Identifier: EUPL-1.2
//! Keys at work: root → tenant → message. Destroying a message's wrapped key is its deletion.
//!
//! Guarantees: unwrapped tenant keys stay in this process only; nothing here is logged.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use poststelle_crypto::keys::{BlobKey, KeyEncryption, MessageKey, TenantKey};
use poststelle_model::{BlobId, MessageId, TenantId};

use crate::db::{Db, Scope, StoreError};
use crate::tenants;

/// Unwraps tenant keys once and keeps them.
pub struct Keys {
    root: Arc<dyn KeyEncryption>,
    tenants: RwLock<HashMap<TenantId, Arc<TenantKey>>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(redacted)")
    }
}

impl Keys {
    /// Keys under `root`.
    #[must_use]
    pub fn new(root: Arc<dyn KeyEncryption>) -> Self {
        Self { root, tenants: RwLock::new(HashMap::new()) }
    }

    /// A new tenant key in wrapped form.
    ///
    /// # Errors
    /// When the root key or the random generator fails.
    pub fn create_tenant(&self, tenant: TenantId) -> Result<(Arc<TenantKey>, String), StoreError> {
        let key = TenantKey::generate()?;
        let wrapped = key.wrapped_by(self.root.as_ref(), &tenant.to_string())?;
        Ok((Arc::new(key), wrapped))
    }

    /// Wraps an existing tenant key under this installation's root (import).
    ///
    /// # Errors
    /// When the root key fails.
    pub fn wrap_tenant(&self, tenant: TenantId, key: &TenantKey) -> Result<String, StoreError> {
        Ok(key.wrapped_by(self.root.as_ref(), &tenant.to_string())?)
    }

    /// The key of a tenant.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown tenant, crypto errors when the root key does not fit.
    pub async fn tenant(&self, db: &Db, tenant: TenantId) -> Result<Arc<TenantKey>, StoreError> {
        if let Some(key) = self.tenants.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&tenant)
        {
            return Ok(Arc::clone(key));
        }
        let mut tx = db.read(Scope::System).await?;
        let row = tenants::get(&mut tx, tenant)
            .await?
            .ok_or_else(|| StoreError::NotFound(format!("tenant {tenant}")))?;
        let key =
            Arc::new(TenantKey::from_wrapped(self.root.as_ref(), &tenant.to_string(), &row.wrapped_key)?);
        self.tenants
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(tenant, Arc::clone(&key));
        Ok(key)
    }

    /// A fresh message key and its wrapped form.
    ///
    /// # Errors
    /// When the random generator fails.
    pub fn create_message(
        &self,
        tenant_key: &TenantKey,
        tenant: TenantId,
        message: MessageId,
    ) -> Result<(MessageKey, String), StoreError> {
        let key = MessageKey::generate()?;
        let wrapped = key.wrapped_by(tenant_key, &tenant.to_string(), &message.to_string())?;
        Ok((key, wrapped))
    }

    /// The key of a stored message.
    ///
    /// # Errors
    /// When the wrapped key was changed or belongs elsewhere.
    pub fn message_key(
        tenant_key: &TenantKey,
        tenant: TenantId,
        message: MessageId,
        wrapped: &str,
    ) -> Result<MessageKey, StoreError> {
        Ok(MessageKey::from_wrapped(tenant_key, &tenant.to_string(), &message.to_string(), wrapped)?)
    }

    /// The blob key of a stored message.
    ///
    /// # Errors
    /// When the wrapped key was changed or belongs elsewhere.
    pub fn blob_key(
        tenant_key: &TenantKey,
        tenant: TenantId,
        message: MessageId,
        wrapped: &str,
        blob: BlobId,
    ) -> Result<BlobKey, StoreError> {
        let key = Self::message_key(tenant_key, tenant, message, wrapped)?;
        Ok(key.derive_blob_key(blob.uuid().as_bytes())?)
    }
}
