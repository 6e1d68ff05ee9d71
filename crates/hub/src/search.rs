// SPDX-License-Identifier: EUPL-1.2
//! Finding messages by their words: what is put into the index, who finds what, and making it anew.
//!
//! Guarantees: a message becomes findable in the same commit that lays it down; nobody finds what they may not read.
//! Looking for something is not recorded, as lists are not; opening a hit is ([`crate::reading`]).

use poststelle_model::{Access, Message, MessageId, TenantId};
use poststelle_store::search::{self, Entry, Query};
use poststelle_store::{Scope, StoreError, messages};

use crate::content::Opened;
use crate::hub::Hub;
use crate::readable;
use crate::routing::TEXT_CAP;
use crate::view::{ListLine, ViewError};

/// Names of attachments that can be found.
const NAMES: usize = 200;
/// Longest of the short texts, bytes.
const SHORT: usize = 4096;
/// Messages made findable in one commit of a rebuild.
const BATCH: i64 = 50;

/// What can be found of a message.
pub(crate) fn entry(message: &Message, opened: &Opened, text: &str) -> Entry {
    let mut texts = vec![
        opened.subject.clone(),
        opened.sender_name.clone(),
        opened.sender_address.clone(),
        message.transport.sender.clone(),
        opened.recipients.clone(),
        message.transport.recipients.join(" "),
    ];
    let names = opened.parts.iter().filter(|p| p.is_attachment() && !p.raw_name.is_empty());
    texts.extend(names.take(NAMES).map(|p| p.name.clone()));
    let mut texts: Vec<String> = texts.into_iter().map(|t| readable::cut(t, SHORT)).collect();
    texts.push(readable::cut(text.to_owned(), TEXT_CAP));
    texts.retain(|t| !t.is_empty());
    Entry { tenant: message.tenant, message: message.id, texts }
}

impl Hub {
    /// Hits in the mail of `tenants` that is for these eyes, newest first, older than `before`.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when none of `tenants` is visible.
    pub async fn search(
        &self,
        access: &Access,
        tenants: &[TenantId],
        query: &Query,
        before: Option<MessageId>,
        limit: i64,
    ) -> Result<Vec<ListLine>, ViewError> {
        let visible = access.reading_tenants();
        let allowed: Vec<TenantId> = tenants.iter().copied().filter(|t| visible.contains(t)).collect();
        if allowed.is_empty() {
            return Err(ViewError::NotFound);
        }
        let limit = limit.clamp(1, 201);
        let mut lines = Vec::new();
        // One look for each tenant, under its own scope: the wall stays where it is.
        for tenant in allowed {
            let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
            let (boxes, desks) = access.reading_places(tenant);
            let whole = access.may_read(tenant, &[], &[]);
            let within = (!whole).then_some((boxes.as_slice(), desks.as_slice()));
            lines.extend(search::page(&mut tx, tenant, query, within, before, limit).await?);
        }
        lines.sort_by_key(|l| std::cmp::Reverse(l.id));
        lines.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        self.with_states(lines).await.map_err(Into::into)
    }

    /// Adds the states of their deliveries to lines of any tenants.
    async fn with_states(&self, lines: Vec<messages::Line>) -> Result<Vec<ListLine>, StoreError> {
        let mut tenants: Vec<TenantId> = lines.iter().map(|l| l.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        let mut states = std::collections::HashMap::new();
        for tenant in tenants {
            let ids: Vec<MessageId> = lines.iter().filter(|l| l.tenant == tenant).map(|l| l.id).collect();
            let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
            states.extend(messages::states(&mut tx, tenant, &ids).await?);
        }
        let whole =
            |line: messages::Line| ListLine { states: states.remove(&line.id).unwrap_or_default(), line };
        Ok(lines.into_iter().map(whole).collect())
    }

    /// Makes the mail of a tenant findable anew, newest first, while the house works on; gives how many messages that
    /// were. `told` is called after each batch with the number so far.
    ///
    /// # Errors
    /// When the store does not answer. A message whose content cannot be read is found by what the house knows of it.
    pub async fn rebuild_search(&self, tenant: TenantId, told: impl Fn(u64)) -> Result<u64, StoreError> {
        let (mut before, mut count) = (None, 0);
        loop {
            let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
            let lines = messages::page(&mut tx, tenant, before, BATCH).await?;
            tx.rollback().await?;
            let Some(last) = lines.last() else { return Ok(count) };
            before = Some(last.id);
            let mut entries = Vec::new();
            for line in lines.iter().filter(|l| l.processed) {
                entries.extend(self.known_words(tenant, line.id).await?);
            }
            let mut tx = self.db.begin(Scope::Tenant(tenant)).await?;
            for entry in &entries {
                search::remove(&mut tx, tenant, entry.message).await?;
            }
            search::insert(&mut tx, &entries).await?;
            tx.commit().await?;
            count += entries.len() as u64;
            told(count);
        }
    }

    async fn known_words(&self, tenant: TenantId, id: MessageId) -> Result<Option<Entry>, StoreError> {
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let Some(message) = messages::get(&mut tx, tenant, id).await? else { return Ok(None) };
        let inspection = messages::inspection(&mut tx, tenant, id).await?.unwrap_or_default();
        let parts = messages::parts(&mut tx, tenant, id, 0, 1000).await?;
        tx.rollback().await?;
        let text = match self.content(tenant, id).await {
            Ok((_, content)) => Self::body_text(&content, &parts).await,
            Err(error) => Err(error),
        };
        let text = text.unwrap_or_else(|error| {
            tracing::warn!(message = %id, %error, "no text for the search");
            String::new()
        });
        let opened = Opened {
            parts,
            subject: inspection.subject,
            sender_name: inspection.sender_name,
            sender_address: inspection.sender_address,
            recipients: inspection.recipients,
            ..Opened::default()
        };
        Ok(Some(entry(&message, &opened, &text)))
    }
}
