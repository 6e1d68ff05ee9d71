// SPDX-License-Identifier: EUPL-1.2
//! Signing in: local accounts, sessions, API tokens; steps beyond the password: [`crate::accounts`]. The seam for OpenID Connect is [`SignIn`].
//!
//! Guarantees: an unknown name costs as much time as a wrong password; after
//! repeated failures an account is locked for a while; cookies and tokens are
//! stored as hashes; rights are read anew with every request.

use std::time::Duration;

use async_trait::async_trait;
use poststelle_crypto::digest::hex;
use poststelle_crypto::token::Token;
use poststelle_evidence::NewEvidence;
use poststelle_model::{Access, Event, PrincipalId, Subject, TenantId, Timestamp, Who};
use poststelle_store::accounts::{self, WaitsFor};
use poststelle_store::{Scope, StoreError, access};
use serde_json::json;

use crate::hub::Hub;
use crate::watch::proof_error;

/// Failures in a row that lock an account.
pub(crate) const LOCK_AFTER: i64 = 5;
/// For how long.
pub(crate) const LOCK_FOR: Duration = Duration::from_secs(300);
/// A session ends after this long without use.
pub const SESSION_IDLE: Duration = Duration::from_secs(8 * 3600);

/// A way to prove who one is. Local passwords now; OpenID Connect is another implementation.
#[async_trait]
pub trait SignIn: Send + Sync {
    /// The principal behind these credentials; `None` when they are wrong.
    async fn check(&self, hub: &Hub, login: &str, secret: &str) -> Result<Option<PrincipalId>, StoreError>;
}

/// Local accounts with Argon2id.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalAccounts;

#[async_trait]
impl SignIn for LocalAccounts {
    async fn check(&self, hub: &Hub, login: &str, secret: &str) -> Result<Option<PrincipalId>, StoreError> {
        let login = login.trim().to_lowercase();
        let now = hub.clock.now();
        let mut tx = hub.db.read(Scope::System).await?;
        let row = access::by_login(&mut tx, &login).await?;
        tx.rollback().await?;
        let stored = row.as_ref().map(|r| r.password_hash.clone()).filter(|h| !h.is_empty());
        let fits = fits(secret, stored).await?;
        let Some(row) = row else { return Ok(None) };
        if !row.active || row.locked_until > now {
            return Ok(None);
        }
        if row.failures > 0 || !fits {
            let mut tx = hub.db.begin(Scope::System).await?;
            if fits {
                access::clear_failures(&mut tx, row.id).await?;
            } else {
                access::count_failure(&mut tx, row.id, LOCK_AFTER, now.plus(LOCK_FOR)).await?;
            }
            tx.commit().await?;
        }
        Ok(fits.then_some(row.id))
    }
}

/// Is this the password of the stored hash? Without one it takes as long and is not.
pub(crate) async fn fits(secret: &str, stored: Option<String>) -> Result<bool, StoreError> {
    let secret = secret.to_owned();
    let fits = tokio::task::spawn_blocking(move || {
        poststelle_crypto::password::verify_or_dummy(secret.as_bytes(), stored.as_deref())
    });
    Ok(fits.await.map_err(|e| StoreError::Config(e.to_string()))??)
}

/// A fresh session.
#[derive(Debug)]
pub struct NewSession {
    /// Goes into the cookie, nowhere else.
    pub token: Token,
    /// Goes into every changing form.
    pub csrf: String,
    /// Ends.
    pub expires_at: Timestamp,
    /// What it still needs before it opens anything.
    pub waits_for: WaitsFor,
}

/// Somebody signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Name on screen.
    pub name: String,
    /// What they may.
    pub access: Access,
    /// Token of changing forms; empty for API tokens.
    pub csrf: String,
    /// The tenant an API token is bound to.
    pub bound_to: Option<TenantId>,
}

impl Hub {
    /// Who is behind a cookie, with rights as of now. `used`: a person did something, which keeps the session alive; a
    /// page that asks by itself does not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session(&self, token: &str, used: bool) -> Result<Option<SignedIn>, StoreError> {
        let Ok(token) = Token::parse(token) else { return Ok(None) };
        let hash = hex(&token.lookup_hash());
        let now = self.clock.now();
        let mut tx = self.db.read(Scope::System).await?;
        let session = accounts::session(&mut tx, &hash, now).await?;
        let Some(session) = session.filter(|s| s.waits_for == WaitsFor::Nothing) else { return Ok(None) };
        let Some(row) = access::by_id(&mut tx, session.principal).await? else { return Ok(None) };
        let rights = access::access(&mut tx, session.principal, now).await?;
        tx.rollback().await?;
        if !row.active {
            return Ok(None);
        }
        if used && now.since(session.seen_at) > Duration::from_secs(60) {
            let touch = async {
                let mut tx = self.db.begin(Scope::System).await?;
                accounts::touch(&mut tx, &hash, now, now.plus(SESSION_IDLE)).await?;
                tx.commit().await
            };
            // A disk that takes no writes must not keep people from reading.
            if let Err(error) = touch.await {
                let _ = self.noticed(error);
            }
        }
        Ok(Some(SignedIn { name: row.name, access: rights, csrf: session.csrf, bound_to: None }))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn close_session(&self, token: &str) -> Result<(), StoreError> {
        let Ok(token) = Token::parse(token) else { return Ok(()) };
        let mut tx = self.db.begin(Scope::System).await?;
        accounts::close(&mut tx, &hex(&token.lookup_hash())).await?;
        tx.commit().await
    }

    /// A new API token for a principal, bound to one tenant. Shown once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn create_token(
        &self,
        principal: PrincipalId,
        tenant: TenantId,
        name: &str,
        valid: Duration,
        who: &Who,
    ) -> Result<Token, StoreError> {
        let token = Token::generate()?;
        let now = self.clock.now();
        let mut tx = self.db.begin(Scope::System).await?;
        let hash = hex(&token.lookup_hash());
        access::insert_token(&mut tx, &hash, principal, tenant, name, now, now.plus(valid)).await?;
        let body = json!({ "token": name, "until": now.plus(valid).rfc3339() });
        let news = NewEvidence::new(tenant, Subject::principal(principal), Event::Changed, who.clone(), body);
        poststelle_evidence::append(&mut tx, now, &[news]).await.map_err(proof_error)?;
        tx.commit().await?;
        Ok(token)
    }

    /// Who is behind an API token. Rights outside the tenant it is bound to are cut away.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn api_token(&self, token: &str) -> Result<Option<SignedIn>, StoreError> {
        let Ok(token) = Token::parse(token) else { return Ok(None) };
        let now = self.clock.now();
        let mut tx = self.db.read(Scope::System).await?;
        let Some((principal, tenant)) = access::token(&mut tx, &hex(&token.lookup_hash()), now).await? else {
            return Ok(None);
        };
        let Some(row) = access::by_id(&mut tx, principal).await?.filter(|r| r.active) else {
            return Ok(None);
        };
        let mut rights = access::access(&mut tx, principal, now).await?;
        rights.grants.retain(|g| g.place.tenant() == Some(tenant));
        Ok(Some(SignedIn { name: row.name, access: rights, csrf: String::new(), bound_to: Some(tenant) }))
    }
}
