// SPDX-License-Identifier: EUPL-1.2
//! One's own account: sessions seen and ended, a password of one's own, a second factor (TOTP, RFC 6238).
//!
//! Guarantees: a password alone opens nothing while a second factor is set or the password is somebody else's; each
//! step a session makes gives it a new token; a code counts once, whoever asks at the same time; wrong codes lock the
//! account as wrong passwords do; every change is evidence of the account. Not here: passkeys.

use std::time::Duration;

use poststelle_crypto::digest::{hex, sha256};
use poststelle_crypto::random;
use poststelle_crypto::token::Token;
use poststelle_evidence::NewEvidence;
use poststelle_model::{Event, PrincipalId, Subject, TenantId, Timestamp, Who};
use poststelle_store::access::Principal;
use poststelle_store::accounts::{self, Session, WaitsFor};
use poststelle_store::{Scope, StoreError, Tx, access};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::directory::{PASSWORD_MIN, hash_password};
use crate::hub::Hub;
use crate::people::{LOCK_AFTER, LOCK_FOR, NewSession, SESSION_IDLE, fits};
use crate::watch::proof_error;

/// A session that is not through yet ends after this.
pub const STEP_IDLE: Duration = Duration::from_secs(600);
/// Recovery codes handed out with a second factor.
pub const RECOVERY_CODES: usize = 8;
/// Longest code typed.
const CODE_MAX: usize = 64;

/// Why a change of one's own account was refused.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session ended, or waits for something else.
    #[error("no such session")]
    NoSession,
    /// The password given is not the account's.
    #[error("wrong password")]
    WrongPassword,
    /// The new password is too short, the old one, or holds the sign-in name.
    #[error("the new password is no good")]
    PoorPassword,
    /// The code is wrong, or was used before.
    #[error("wrong code")]
    WrongCode,
    /// Too many wrong tries.
    #[error("locked")]
    Locked,
}

/// A session that waits for a step.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Who.
    pub principal: PrincipalId,
    /// Name on screen.
    pub name: String,
    /// Token of its forms.
    pub csrf: String,
    /// For what.
    pub waits_for: WaitsFor,
}

/// A session as its owner sees it.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// What the page calls it; not the token.
    pub id: String,
    /// It is the one that asks.
    pub own: bool,
    /// Opened.
    pub created_at: Timestamp,
    /// Last use.
    pub seen_at: Timestamp,
    /// What the browser calls itself.
    pub agent: String,
}

/// An account as its owner sees it.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// Sign-in name.
    pub login: String,
    /// Open sessions, last used first.
    pub sessions: Vec<SessionView>,
    /// A second factor is set.
    pub second_factor: bool,
    /// Recovery codes left.
    pub recovery_left: i64,
}

/// A second factor offered, not set yet.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The secret in base32, to be typed into the app.
    pub secret: String,
    /// The secret sealed; comes back with the first code.
    pub sealed: String,
}

/// Recovery codes as they are shown once: groups of four, joined by `-`.
fn grouped(code: &str) -> String {
    let groups: Vec<&str> = code.as_bytes().chunks(4).filter_map(|c| std::str::from_utf8(c).ok()).collect();
    groups.join("-")
}

/// What people type of a code: without blanks and dashes, in upper case.
fn typed(code: &str) -> String {
    code.chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .flat_map(char::to_uppercase)
        .take(CODE_MAX)
        .collect()
}

fn totp(secret: &[u8]) -> Result<Totp, StoreError> {
    let secret = Secret::new(secret.to_vec().into_boxed_slice());
    Builder::new().with_secret(secret).build().map_err(|e| StoreError::Config(e.to_string()))
}

fn id_of(hash: &str) -> String {
    hash.chars().take(16).collect()
}

impl Hub {
    /// Opens a session for a principal whose password fitted; audited once nothing more is needed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open_session(&self, principal: PrincipalId, agent: &str) -> Result<NewSession, StoreError> {
        let mut tx = self.db.begin(Scope::System).await?;
        let row = access::by_id(&mut tx, principal).await?;
        let row = row.ok_or_else(|| StoreError::NotFound(format!("principal {principal}")))?;
        let waits_for = match (row.wrapped_totp.is_empty(), row.must_change) {
            (false, _) => WaitsFor::Code,
            (true, true) => WaitsFor::Password,
            (true, false) => WaitsFor::Nothing,
        };
        let session = self.open_at(&mut tx, principal, agent, waits_for).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// May this account work where nothing but a password can be given (SMTP)? A service always; a person with a
    /// password of their own and without a second factor.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn password_suffices(&self, principal: PrincipalId) -> Result<bool, StoreError> {
        let mut tx = self.db.read(Scope::System).await?;
        let row = access::by_id(&mut tx, principal).await?;
        Ok(row.is_some_and(|row| row.kind == "service" || !row.must_change && row.wrapped_totp.is_empty()))
    }

    async fn open_at(
        &self,
        tx: &mut Tx,
        principal: PrincipalId,
        agent: &str,
        waits_for: WaitsFor,
    ) -> Result<NewSession, StoreError> {
        let now = self.clock.now();
        let token = Token::generate()?;
        let open = waits_for == WaitsFor::Nothing;
        let new = accounts::NewSession {
            hash: hex(&token.lookup_hash()),
            principal,
            csrf: Token::generate()?.reveal().to_owned(),
            expires_at: now.plus(if open { SESSION_IDLE } else { STEP_IDLE }),
            agent: agent.chars().filter(|c| !c.is_control()).take(200).collect(),
            waits_for,
        };
        accounts::open(tx, &new, now).await?;
        if open {
            self.prove(tx, principal, Event::SignedIn, json!({ "agent": new.agent })).await?;
        }
        Ok(NewSession { token, csrf: new.csrf, expires_at: new.expires_at, waits_for })
    }

    async fn prove(
        &self,
        tx: &mut Tx,
        principal: PrincipalId,
        event: Event,
        body: Value,
    ) -> Result<(), StoreError> {
        let who = Who::Principal { id: principal };
        let news = NewEvidence::new(TenantId::SYSTEM, Subject::principal(principal), event, who, body);
        let proved = poststelle_evidence::append(tx, self.clock.now(), &[news]).await;
        proved.map(|_| ()).map_err(proof_error)
    }

    /// Who is behind a cookie whose session still waits for a step.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn waiting(&self, token: &str) -> Result<Option<Waiting>, StoreError> {
        let (session, row) = match self.step(token).await {
            Ok((_, session, row)) => (session, row),
            Err(AccountError::Store(e)) => return Err(e),
            Err(_) => return Ok(None),
        };
        let (principal, csrf, waits_for) = (session.principal, session.csrf, session.waits_for);
        Ok((waits_for != WaitsFor::Nothing).then_some(Waiting { principal, name: row.name, csrf, waits_for }))
    }

    /// The session behind a cookie, open or waiting, with its account.
    async fn step(&self, token: &str) -> Result<(String, Session, Principal), AccountError> {
        let Ok(token) = Token::parse(token) else { return Err(AccountError::NoSession) };
        let hash = hex(&token.lookup_hash());
        let mut tx = self.db.read(Scope::System).await?;
        let session = accounts::session(&mut tx, &hash, self.clock.now()).await?;
        let session = session.ok_or(AccountError::NoSession)?;
        let row = access::by_id(&mut tx, session.principal).await?.filter(|row| row.active);
        Ok((hash, session, row.ok_or(AccountError::NoSession)?))
    }

    /// A code of the second factor, or a recovery code: the session goes on, under a new token.
    ///
    /// # Errors
    /// [`AccountError::NoSession`], [`AccountError::WrongCode`], [`AccountError::Locked`].
    pub async fn prove_code(&self, token: &str, code: &str) -> Result<NewSession, AccountError> {
        let (hash, session, row) = self.step(token).await?;
        if session.waits_for != WaitsFor::Code {
            return Err(AccountError::NoSession);
        }
        let next = if row.must_change { WaitsFor::Password } else { WaitsFor::Nothing };
        let mut tx = self.use_code(&row, code).await?;
        // Of two who come with the same cookie one goes on.
        if !accounts::close(&mut tx, &hash).await? {
            return Err(AccountError::NoSession);
        }
        let session = self.open_at(&mut tx, row.id, &session.agent, next).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// Uses a code up; gives the transaction in which it counts.
    async fn use_code(&self, row: &Principal, code: &str) -> Result<Tx, AccountError> {
        let now = self.clock.now();
        if row.locked_until > now {
            return Err(AccountError::Locked);
        }
        let code = typed(code);
        let key = self.keys.tenant(&self.db, TenantId::SYSTEM).await?;
        let secret = key.open_secret(&purpose(row.id), &row.wrapped_totp).map_err(StoreError::from)?;
        let step = totp(&secret)?.check(&code, seconds(now));
        let mut tx = self.db.begin(Scope::System).await?;
        let counts = match step.and_then(|step| i64::try_from(step).ok()) {
            Some(step) => accounts::use_step(&mut tx, row.id, step).await?,
            None => accounts::use_recovery(&mut tx, row.id, &hex(&sha256(code.as_bytes()))).await?,
        };
        if counts {
            access::clear_failures(&mut tx, row.id).await?;
            return Ok(tx);
        }
        access::count_failure(&mut tx, row.id, LOCK_AFTER, now.plus(LOCK_FOR)).await?;
        tx.commit().await?;
        Err(AccountError::WrongCode)
    }

    /// Sets a password of one's own and ends all other sessions. A session that waited for it goes on under a new
    /// token.
    ///
    /// # Errors
    /// [`AccountError`]; nothing was changed then.
    pub async fn change_password(
        &self,
        token: &str,
        old: &str,
        new: &str,
    ) -> Result<NewSession, AccountError> {
        let (hash, session, row) = self.step(token).await?;
        if session.waits_for == WaitsFor::Code {
            return Err(AccountError::NoSession);
        }
        if new == old
            || new.chars().count() < PASSWORD_MIN
            || new.len() > 1024
            || new.to_lowercase().contains(&row.login)
        {
            return Err(AccountError::PoorPassword);
        }
        let now = self.clock.now();
        if row.locked_until > now {
            return Err(AccountError::Locked);
        }
        if !fits(old, Some(row.password_hash.clone())).await? {
            let mut tx = self.db.begin(Scope::System).await?;
            access::count_failure(&mut tx, row.id, LOCK_AFTER, now.plus(LOCK_FOR)).await?;
            tx.commit().await?;
            return Err(AccountError::WrongPassword);
        }
        let new = hash_password(new).await.map_err(|e| StoreError::Config(e.to_string()))?;
        let mut tx = self.db.begin(Scope::System).await?;
        if !accounts::close(&mut tx, &hash).await? {
            return Err(AccountError::NoSession);
        }
        access::set_password(&mut tx, row.id, &new, false).await?;
        accounts::close_all(&mut tx, row.id, "").await?;
        self.prove(&mut tx, row.id, Event::Changed, json!({ "field": "password" })).await?;
        let session = self.open_at(&mut tx, row.id, &session.agent, WaitsFor::Nothing).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// The account behind a cookie.
    ///
    /// # Errors
    /// [`AccountError::NoSession`]; the store.
    pub async fn account(&self, token: &str) -> Result<AccountView, AccountError> {
        let (hash, session, row) = self.step(token).await?;
        if session.waits_for != WaitsFor::Nothing {
            return Err(AccountError::NoSession);
        }
        let mut tx = self.db.read(Scope::System).await?;
        let rows = accounts::sessions(&mut tx, row.id, self.clock.now()).await?;
        let recovery_left = accounts::recovery_left(&mut tx, row.id).await?;
        let sessions = rows.into_iter().map(|s| SessionView {
            id: id_of(&s.hash),
            own: s.hash == hash,
            created_at: s.created_at,
            seen_at: s.seen_at,
            agent: s.agent,
        });
        let second_factor = !row.wrapped_totp.is_empty();
        Ok(AccountView { login: row.login, sessions: sessions.collect(), second_factor, recovery_left })
    }

    /// Ends another session of one's own; false when it is not there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_session(&self, principal: PrincipalId, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.begin(Scope::System).await?;
        let rows = accounts::sessions(&mut tx, principal, self.clock.now()).await?;
        let Some(session) = rows.iter().find(|s| id_of(&s.hash) == id) else { return Ok(false) };
        let ended = accounts::close(&mut tx, &session.hash).await?;
        let body = json!({ "field": "session", "agent": session.agent });
        self.prove(&mut tx, principal, Event::Changed, body).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Offers a second factor: a fresh secret, kept nowhere here.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn offer_second_factor(&self, principal: PrincipalId) -> Result<Offer, StoreError> {
        let secret = random::array::<20>()?;
        let key = self.keys.tenant(&self.db, TenantId::SYSTEM).await?;
        let sealed = key.seal_secret(&purpose(principal), &secret)?;
        let secret = Secret::new(secret.to_vec().into_boxed_slice()).to_base32();
        Ok(Offer { secret, sealed })
    }

    /// The offer once more, from its sealed secret.
    ///
    /// # Errors
    /// [`AccountError::WrongCode`] when it was made for somebody else.
    async fn offered(&self, principal: PrincipalId, sealed: &str) -> Result<Totp, AccountError> {
        let key = self.keys.tenant(&self.db, TenantId::SYSTEM).await?;
        let secret = key.open_secret(&purpose(principal), sealed).map_err(|_| AccountError::WrongCode)?;
        Ok(totp(&secret)?)
    }

    /// Sets an offered second factor, proved by its first code, and ends all other sessions; gives the recovery
    /// codes, shown once.
    ///
    /// # Errors
    /// [`AccountError::WrongCode`] when the code is not the secret's.
    pub async fn set_second_factor(
        &self,
        token: &str,
        sealed: &str,
        code: &str,
    ) -> Result<Vec<String>, AccountError> {
        let (hash, session, row) = self.step(token).await?;
        if session.waits_for != WaitsFor::Nothing || !row.wrapped_totp.is_empty() {
            return Err(AccountError::NoSession);
        }
        let step = self.offered(row.id, sealed).await?.check(&typed(code), seconds(self.clock.now()));
        let step = step.and_then(|s| i64::try_from(s).ok()).ok_or(AccountError::WrongCode)?;
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            let octets = random::array::<10>().map_err(StoreError::from)?;
            codes.push(Secret::new(octets.to_vec().into_boxed_slice()).to_base32());
        }
        let hashes: Vec<String> = codes.iter().map(|c| hex(&sha256(c.as_bytes()))).collect();
        let mut tx = self.db.begin(Scope::System).await?;
        accounts::set_second_factor(&mut tx, row.id, sealed, step, &hashes).await?;
        accounts::close_all(&mut tx, row.id, &hash).await?;
        self.prove(&mut tx, row.id, Event::Changed, json!({ "field": "second_factor", "on": true })).await?;
        tx.commit().await?;
        Ok(codes.iter().map(|c| grouped(c)).collect())
    }

    /// Takes one's own second factor away; needs a code of it.
    ///
    /// # Errors
    /// [`AccountError::WrongCode`], [`AccountError::Locked`].
    pub async fn end_second_factor(&self, token: &str, code: &str) -> Result<(), AccountError> {
        let (_, session, row) = self.step(token).await?;
        if session.waits_for != WaitsFor::Nothing || row.wrapped_totp.is_empty() {
            return Err(AccountError::NoSession);
        }
        let mut tx = self.use_code(&row, code).await?;
        accounts::set_second_factor(&mut tx, row.id, "", 0, &[]).await?;
        self.prove(&mut tx, row.id, Event::Changed, json!({ "field": "second_factor", "on": false })).await?;
        Ok(tx.commit().await?)
    }
}

/// What the secret of a second factor is sealed for.
fn purpose(principal: PrincipalId) -> String {
    format!("second-factor:{principal}")
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.0 / 1_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B (SHA-1), last six of eight digits.
    #[test]
    fn codes_of_the_standard() {
        let totp = totp(b"12345678901234567890").unwrap();
        for (at, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(totp.check(code, at), Some(at / 30), "{at}");
        }
        assert_eq!(totp.check("287082", 59 + 90), None);
    }

    #[test]
    fn codes_as_people_type_them() {
        assert_eq!(grouped("ABCDEFGHIJKLMNOP"), "ABCD-EFGH-IJKL-MNOP");
        assert_eq!(typed(" abcd-EFGH ijkl-mnop\n"), "ABCDEFGHIJKLMNOP");
        assert_eq!(typed("123 456"), "123456");
        assert_eq!(typed(&"9".repeat(1000)).len(), CODE_MAX);
    }
}
