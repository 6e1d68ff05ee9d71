// SPDX-License-Identifier: EUPL-1.2
//! Texts a tenant's people write again and again, and how one gets into a letter.
//!
//! Guarantees: whoever may write for a tenant sees and changes its texts, nobody else; a name is there once; of two who
//! change one at once, one is told; each change is evidence of the tenant in the same commit.

use poststelle_evidence::NewEvidence;
use poststelle_model::{Access, Event, Subject, TenantId, TextBlockId, Timestamp, Who};
use poststelle_store::text_blocks::{self, TextBlock};
use poststelle_store::{Scope, StoreError};
use serde_json::json;

use super::{WriteError, refused};
use crate::hub::Hub;
use crate::view::ViewError;
use crate::watch::proof_error;

/// Longest name, characters.
pub const BLOCK_NAME_CAP: usize = 100;
/// Longest text, bytes.
pub const BLOCK_TEXT_CAP: usize = 16 * 1024;
/// Most texts of a tenant.
pub const BLOCKS_CAP: usize = 200;

/// Placeholders of a text and what stands there in a letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filling {
    /// `{Mandant}`
    pub tenant: String,
    /// `{Name}`: who writes.
    pub name: String,
    /// `{Betreff}`
    pub subject: String,
    /// `{Datum}`
    pub date: String,
}

/// A text with its placeholders filled; words in braces that are none stay as they are.
#[must_use]
pub fn filled(text: &str, with: &Filling) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let found = after.split_once('}').and_then(|(word, tail)| {
            let value = match word {
                "Mandant" => &with.tenant,
                "Name" => &with.name,
                "Betreff" => &with.subject,
                "Datum" => &with.date,
                _ => return None,
            };
            Some((value, tail))
        });
        match found {
            Some((value, tail)) => {
                out.push_str(value);
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

impl Hub {
    /// The texts of a tenant for somebody who may write for it, by name.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] for everybody else.
    pub async fn text_blocks(&self, access: &Access, tenant: TenantId) -> Result<Vec<TextBlock>, ViewError> {
        if !access.writing_tenants().contains(&tenant) {
            return Err(ViewError::NotFound);
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        Ok(text_blocks::all(&mut tx, tenant).await?)
    }

    /// One text.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not there or not for these eyes.
    pub async fn text_block(
        &self,
        access: &Access,
        tenant: TenantId,
        id: TextBlockId,
    ) -> Result<TextBlock, ViewError> {
        let all = self.text_blocks(access, tenant).await?;
        all.into_iter().find(|b| b.id == id).ok_or(ViewError::NotFound)
    }

    /// Writes a text: a new one, or the one with this id as it stood in this version.
    ///
    /// # Errors
    /// [`WriteError::Refused`]: empty, too long, too many, a name that is taken, or changed meanwhile.
    pub async fn put_text_block(
        &self,
        access: &Access,
        tenant: TenantId,
        seen: Option<(TextBlockId, i64)>,
        name: &str,
        text: &str,
    ) -> Result<TextBlock, WriteError> {
        let there = self.text_blocks(access, tenant).await?;
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.replace("\r\n", "\n").trim_end().to_owned();
        let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
        if name.is_empty() || name.chars().count() > BLOCK_NAME_CAP || !name.chars().all(plain) {
            return Err(WriteError::Refused(refused("PST-TEXT-0001").with("cap", BLOCK_NAME_CAP)));
        }
        if text.is_empty() || text.len() > BLOCK_TEXT_CAP || !text.chars().all(plain) {
            return Err(WriteError::Refused(refused("PST-TEXT-0002").with("cap", BLOCK_TEXT_CAP)));
        }
        if seen.is_none() && there.len() >= BLOCKS_CAP {
            return Err(WriteError::Refused(refused("PST-TEXT-0003").with("cap", BLOCKS_CAP)));
        }
        if let Some((id, _)) = seen
            && !there.iter().any(|b| b.id == id)
        {
            return Err(ViewError::NotFound.into());
        }
        let (id, version) = seen.unwrap_or_else(|| (TextBlockId::new(self.ids()), 0));
        let now = self.clock.now();
        let block = TextBlock { id, name, text, version, changed_at: now, changed_by: access.principal };
        let mut tx = self.db.begin(Scope::Tenant(tenant)).await?;
        let written = match version {
            0 => text_blocks::insert(&mut tx, tenant, &block).await,
            _ => text_blocks::update(&mut tx, tenant, &block).await,
        };
        written.map_err(told)?;
        self.prove_text_block(&mut tx, access, tenant, &block, now, "written").await?;
        tx.commit().await?;
        Ok(TextBlock { version: version + 1, ..block })
    }

    /// Takes a text away, if it still stands as in `version`.
    ///
    /// # Errors
    /// [`WriteError::Refused`] when it was changed meanwhile.
    pub async fn delete_text_block(
        &self,
        access: &Access,
        tenant: TenantId,
        id: TextBlockId,
        version: i64,
    ) -> Result<(), WriteError> {
        let block = self.text_block(access, tenant, id).await?;
        let mut tx = self.db.begin(Scope::Tenant(tenant)).await?;
        text_blocks::delete(&mut tx, tenant, id, version).await.map_err(told)?;
        let now = self.clock.now();
        self.prove_text_block(&mut tx, access, tenant, &block, now, "deleted").await?;
        Ok(tx.commit().await?)
    }

    async fn prove_text_block(
        &self,
        tx: &mut poststelle_store::Tx,
        access: &Access,
        tenant: TenantId,
        block: &TextBlock,
        now: Timestamp,
        act: &str,
    ) -> Result<(), StoreError> {
        let digest =
            poststelle_crypto::digest::hex(&poststelle_crypto::digest::sha256(block.text.as_bytes()));
        let body = json!({
            "field": "text_block",
            "act": act,
            "text_block": block.id.to_string(),
            "name": block.name,
            "sha256": digest,
        });
        let who = Who::Principal { id: access.principal };
        let news = NewEvidence::new(tenant, Subject::tenant(tenant), Event::Changed, who, body);
        poststelle_evidence::append(tx, now, &[news]).await.map_err(proof_error)?;
        Ok(())
    }
}

fn told(error: StoreError) -> WriteError {
    match error {
        StoreError::Exists(_) => WriteError::Refused(refused("PST-TEXT-0004")),
        StoreError::Conflict(_) => WriteError::Refused(refused("PST-TEXT-0005")),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_nothing_else() {
        let with = Filling {
            tenant: "Gemeinde Gallin".into(),
            name: "Wilma Beispiel".into(),
            subject: "{Datum}".into(),
            date: "02.03.2026".into(),
        };
        assert_eq!(
            filled("{Mandant}, {Datum}: {Betreff} {unbekannt} {\n{Name}", &with),
            "Gemeinde Gallin, 02.03.2026: {Datum} {unbekannt} {\nWilma Beispiel"
        );
        assert_eq!(filled("ohne", &with), "ohne");
        assert_eq!(filled("{{Name}}", &with), "{Wilma Beispiel}");
    }
}
