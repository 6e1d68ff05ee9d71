// SPDX-License-Identifier: EUPL-1.2
//! What administrators of a tenant change beside what a directory file says: names, tokens, deputies.
//!
//! Guarantees: as for all of [`Edit`]. Does not: judge who may; [`crate::administer`] does.

use std::time::Duration;

use poststelle_crypto::digest::hex;
use poststelle_crypto::token::Token;
use poststelle_model::{DeputyId, DeskId, Event, MailboxId, PrincipalId, Subject, TenantId, Timestamp};
use poststelle_store::{Scope, StoreError, access, administration};
use serde_json::json;

use super::{DirectoryError, Edit, check_name};

impl Edit<'_> {
    /// Gives a mailbox another name, if nobody changed it since `version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody did.
    pub async fn rename_mailbox(
        &mut self,
        tenant: TenantId,
        id: MailboxId,
        name: &str,
        version: i64,
    ) -> Result<(), DirectoryError> {
        check_name(name)?;
        self.tx.enter(Scope::Tenant(tenant)).await?;
        administration::rename_mailbox(&mut self.tx, tenant, id, name, version).await?;
        self.prove(tenant, Subject::mailbox(id), Event::Changed, json!({ "field": "name", "name": name }));
        Ok(())
    }

    /// Gives a desk another name, if nobody changed it since `version`; proved for all `tenants` it serves.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody did.
    pub async fn rename_desk(
        &mut self,
        id: DeskId,
        name: &str,
        version: i64,
        tenants: &[TenantId],
    ) -> Result<(), DirectoryError> {
        check_name(name)?;
        self.tx.enter(Scope::System).await?;
        administration::rename_desk(&mut self.tx, id, name, version).await?;
        let nobody = [TenantId::SYSTEM];
        for tenant in if tenants.is_empty() { &nobody } else { tenants } {
            self.prove(*tenant, Subject::desk(id), Event::Changed, json!({ "field": "name", "name": name }));
        }
        Ok(())
    }

    /// Makes an API token for a principal, bound to one tenant. Shown once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_token(
        &mut self,
        principal: PrincipalId,
        tenant: TenantId,
        name: &str,
        valid: Duration,
    ) -> Result<Token, DirectoryError> {
        let token = Token::generate().map_err(StoreError::from)?;
        let now = self.hub.clock.now();
        let hash = hex(&token.lookup_hash());
        self.tx.enter(Scope::System).await?;
        access::insert_token(&mut self.tx, &hash, principal, tenant, name, now, now.plus(valid)).await?;
        let body = json!({ "token": name, "until": now.plus(valid).rfc3339() });
        self.prove(tenant, Subject::principal(principal), Event::Changed, body);
        Ok(token)
    }

    /// Takes the API tokens of this name for one tenant back; gives how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revoke_tokens_in(
        &mut self,
        principal: PrincipalId,
        tenant: TenantId,
        name: &str,
    ) -> Result<u64, DirectoryError> {
        self.tx.enter(Scope::System).await?;
        let gone = access::remove_tokens_in(&mut self.tx, principal, tenant, name).await?;
        if gone > 0 {
            let body = json!({ "token": name, "revoked": true });
            self.prove(tenant, Subject::principal(principal), Event::Changed, body);
        }
        Ok(gone)
    }

    /// Lets somebody stand in for somebody.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_deputy(
        &mut self,
        id: DeputyId,
        (principal, deputy): (PrincipalId, PrincipalId),
        (begins_at, ends_at): (Timestamp, Timestamp),
    ) -> Result<(), DirectoryError> {
        self.tx.enter(Scope::System).await?;
        let now = self.hub.clock.now();
        administration::insert_deputy(&mut self.tx, id, (principal, deputy), (begins_at, ends_at), now)
            .await?;
        let body = json!({
            "field": "deputy", "deputy": deputy.to_string(), "on": true,
            "from": begins_at.rfc3339(), "until": ends_at.rfc3339(),
        });
        self.prove(TenantId::SYSTEM, Subject::principal(principal), Event::Changed, body);
        Ok(())
    }

    /// Ends it now; false when it was over already.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_deputy(&mut self, row: &administration::Deputy) -> Result<bool, DirectoryError> {
        self.tx.enter(Scope::System).await?;
        let ended = administration::end_deputy(&mut self.tx, row.id, self.hub.clock.now()).await?;
        if ended {
            let body = json!({ "field": "deputy", "deputy": row.deputy.to_string(), "on": false });
            self.prove(TenantId::SYSTEM, Subject::principal(row.principal), Event::Changed, body);
        }
        Ok(ended)
    }
}
