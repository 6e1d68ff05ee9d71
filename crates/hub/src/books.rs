// SPDX-License-Identifier: EUPL-1.2
//! The books of a tenant for those who may read all of its mail.

use std::collections::HashMap;

use poststelle_model::{Access, MailboxId, MessageId, TenantId};
use poststelle_store::books::{self, BookLine, Place, Span};
use poststelle_store::tenants::Tenant;
use poststelle_store::{Scope, StoreError, messages, tenants};

use crate::hub::Hub;
use crate::view::{ListLine, ViewError};

/// A line of a book with all that is shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookEntry {
    /// As in the list.
    pub line: ListLine,
    /// Recipients in the headers.
    pub recipients: String,
    /// SHA-256 of the original.
    pub sha256: String,
    /// Name of the mailbox; empty when it has none.
    pub mailbox: String,
}

impl Hub {
    /// Tenants whose books are for these eyes, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn book_tenants(&self, access: &Access) -> Result<Vec<Tenant>, StoreError> {
        let mut tenants = self.visible_tenants(access).await?;
        tenants.retain(|t| access.may_read(t.id, &[], &[]));
        Ok(tenants)
    }

    /// Names of a tenant's mailboxes, for [`Self::book_page`].
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the book is not for these eyes.
    pub async fn book_boxes(
        &self,
        access: &Access,
        tenant: TenantId,
    ) -> Result<HashMap<MailboxId, String>, ViewError> {
        if !access.may_read(tenant, &[], &[]) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let boxes = tenants::mailboxes(&mut tx, tenant).await?;
        Ok(boxes.into_iter().map(|(id, name, _)| (id, name)).collect())
    }

    /// One page of a book, newest first.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the book is not for these eyes.
    pub async fn book_page(
        &self,
        access: &Access,
        tenant: TenantId,
        span: &Span,
        boxes: &HashMap<MailboxId, String>,
        before: Option<Place>,
        limit: i64,
    ) -> Result<Vec<BookEntry>, ViewError> {
        if !access.may_read(tenant, &[], &[]) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let lines = books::page(&mut tx, tenant, span, before, limit).await?;
        let ids: Vec<MessageId> = lines.iter().map(|l| l.line.id).collect();
        let mut states = messages::states(&mut tx, tenant, &ids).await?;
        let entry = |BookLine { line, recipients, sha256, mailbox }| BookEntry {
            line: ListLine { states: states.remove(&line.id).unwrap_or_default(), line },
            recipients,
            sha256,
            mailbox: mailbox.and_then(|m| boxes.get(&m).cloned()).unwrap_or_default(),
        };
        Ok(lines.into_iter().map(entry).collect())
    }
}
