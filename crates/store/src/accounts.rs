// SPDX-License-Identifier: EUPL-1.2
//! What an account has beside its password: sessions, a second factor with recovery codes.
//!
//! Guarantees: a step of the second factor and a recovery code count once, whoever asks at the same time; only
//! hashes and wrapped secrets are stored.

use poststelle_model::{PrincipalId, Timestamp};

use crate::bulk::args;
use crate::db::{StoreError, Tx, int, parse, text};
use crate::sql;

/// What a session still needs before it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// Nothing: it is open.
    Nothing,
    /// A code of the second factor.
    Code,
    /// A password of the person's own.
    Password,
}

impl WaitsFor {
    const ALL: [Self; 3] = [Self::Nothing, Self::Code, Self::Password];

    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Code => "code",
            Self::Password => "password",
        }
    }

    pub(crate) fn parse(word: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|w| w.as_str() == word);
        found.ok_or_else(|| StoreError::Corrupt { what: "sessions.waits_for", value: word.to_owned() })
    }
}

/// A session to be opened; `hash` is the SHA-256 of its token.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Hash of the token.
    pub hash: String,
    /// Who.
    pub principal: PrincipalId,
    /// Token every changing form must carry.
    pub csrf: String,
    /// Ends.
    pub expires_at: Timestamp,
    /// What the browser calls itself.
    pub agent: String,
    /// What it still needs.
    pub waits_for: WaitsFor,
}

/// A session as read by the hash of its token.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who.
    pub principal: PrincipalId,
    /// Token every changing form must carry.
    pub csrf: String,
    /// Last use.
    pub seen_at: Timestamp,
    /// Ends.
    pub expires_at: Timestamp,
    /// What the browser calls itself.
    pub agent: String,
    /// What it still needs.
    pub waits_for: WaitsFor,
}

/// A session as its owner may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// Hash of the token.
    pub hash: String,
    /// Opened.
    pub created_at: Timestamp,
    /// Last use.
    pub seen_at: Timestamp,
    /// What the browser calls itself.
    pub agent: String,
}

/// Opens a session and forgets those that ended.
///
/// # Errors
/// When the database does not answer.
pub async fn open(tx: &mut Tx, new: &NewSession, now: Timestamp) -> Result<(), StoreError> {
    tx.run(sql::SESSION_SWEEP, args![now]).await?;
    let values = args![
        new.hash.as_str(),
        new.principal,
        new.csrf.as_str(),
        now,
        new.expires_at,
        new.agent.as_str(),
        new.waits_for.as_str()
    ];
    tx.run(sql::SESSION_INSERT, values).await?;
    Ok(())
}

/// A live session, open or waiting.
///
/// # Errors
/// When the database does not answer.
pub async fn session(tx: &mut Tx, hash: &str, now: Timestamp) -> Result<Option<Session>, StoreError> {
    let Some(r) = tx.one(sql::SESSION_GET, args![hash, now]).await? else { return Ok(None) };
    Ok(Some(Session {
        principal: parse(&r, 0, "sessions.principal_id")?,
        csrf: text(&r, 1)?,
        seen_at: Timestamp(int(&r, 2)?),
        expires_at: Timestamp(int(&r, 3)?),
        agent: text(&r, 4)?,
        waits_for: WaitsFor::parse(&text(&r, 5)?)?,
    }))
}

/// Prolongs a session.
///
/// # Errors
/// When the database does not answer.
pub async fn touch(tx: &mut Tx, hash: &str, now: Timestamp, expires_at: Timestamp) -> Result<(), StoreError> {
    tx.run(sql::SESSION_SEEN, args![now, expires_at, hash]).await?;
    Ok(())
}

/// Ends a session; true when it was there.
///
/// # Errors
/// When the database does not answer.
pub async fn close(tx: &mut Tx, hash: &str) -> Result<bool, StoreError> {
    Ok(tx.run(sql::SESSION_DELETE, args![hash]).await? == 1)
}

/// Ends all sessions of a principal but the one of this hash (empty: all).
///
/// # Errors
/// When the database does not answer.
pub async fn close_all(tx: &mut Tx, principal: PrincipalId, but: &str) -> Result<(), StoreError> {
    tx.run(sql::SESSION_END_OF, args![principal, but]).await?;
    Ok(())
}

/// The open sessions of a principal, last used first.
///
/// # Errors
/// When the database does not answer.
pub async fn sessions(
    tx: &mut Tx,
    principal: PrincipalId,
    now: Timestamp,
) -> Result<Vec<OpenSession>, StoreError> {
    let rows = tx.all(sql::SESSIONS_OF, args![principal, now]).await?;
    let session = |r| {
        Ok(OpenSession {
            hash: text(r, 0)?,
            created_at: Timestamp(int(r, 1)?),
            seen_at: Timestamp(int(r, 2)?),
            agent: text(r, 3)?,
        })
    };
    rows.iter().map(session).collect()
}

/// Sets the wrapped secret of the second factor, with `step` as the last one used, and the hashes of fresh recovery
/// codes; empty = no second factor any more.
///
/// # Errors
/// When the database does not answer.
pub async fn set_second_factor(
    tx: &mut Tx,
    principal: PrincipalId,
    wrapped: &str,
    step: i64,
    codes: &[String],
) -> Result<(), StoreError> {
    tx.run(sql::TOTP_SET, args![wrapped, step, principal]).await?;
    tx.run(sql::RECOVERY_CLEAR, args![principal]).await?;
    for hash in codes {
        tx.run(sql::RECOVERY_INSERT, args![principal, hash.as_str()]).await?;
    }
    Ok(())
}

/// Uses a step of the second factor; false when it, or a later one, was used before.
///
/// # Errors
/// When the database does not answer.
pub async fn use_step(tx: &mut Tx, principal: PrincipalId, step: i64) -> Result<bool, StoreError> {
    Ok(tx.run(sql::TOTP_USE, args![step, principal]).await? == 1)
}

/// Uses a recovery code up; false when there is none with this hash.
///
/// # Errors
/// When the database does not answer.
pub async fn use_recovery(tx: &mut Tx, principal: PrincipalId, hash: &str) -> Result<bool, StoreError> {
    Ok(tx.run(sql::RECOVERY_USE, args![principal, hash]).await? == 1)
}

/// How many recovery codes are left.
///
/// # Errors
/// When the database does not answer.
pub async fn recovery_left(tx: &mut Tx, principal: PrincipalId) -> Result<i64, StoreError> {
    tx.one(sql::RECOVERY_LEFT, args![principal]).await?.map_or(Ok(0), |r| int(&r, 0))
}
