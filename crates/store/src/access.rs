// SPDX-License-Identifier: EUPL-1.2
//! People and services: accounts, granted roles, API tokens. Sessions and second factors: [`crate::accounts`].
//!
//! Secrets are stored as hashes only. A person's grant counts while the person's
//! Administration holds a mandate for the tenant: a change of Amt needs no clean-up.

use std::collections::BTreeMap;

use poststelle_model::people::{Grant, Place};
use poststelle_model::{Access, AdministrationId, PrincipalId, Role, TenantId, Timestamp};
use sqlx::any::AnyRow;

use crate::bulk::{Value, args, list, padded};
use crate::db::{StoreError, Tx, int, parse, parse_opt, text};
use crate::sql;

/// An account.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Its id.
    pub id: PrincipalId,
    /// Sign-in name.
    pub login: String,
    /// `person` or `service`.
    pub kind: String,
    /// Name on screen.
    pub name: String,
    /// Where the person works.
    pub administration: Option<AdministrationId>,
    /// Argon2id, PHC form; empty = cannot sign in by password.
    pub password_hash: String,
    /// May sign in.
    pub active: bool,
    /// Failed sign-ins in a row.
    pub failures: i64,
    /// No sign-in before.
    pub locked_until: Timestamp,
    /// Somebody else set the password: it opens nothing but the form for an own one.
    pub must_change: bool,
    /// Secret of the second factor, sealed under the house's key; empty = none.
    pub wrapped_totp: String,
}

/// Adds an account.
///
/// # Errors
/// [`StoreError::Exists`] when the sign-in name is taken.
pub async fn insert(tx: &mut Tx, p: &Principal, at: Timestamp) -> Result<(), StoreError> {
    tx.run(
        sql::PRINCIPAL_INSERT,
        args![
            p.id,
            p.login.as_str(),
            p.kind.as_str(),
            p.name.as_str(),
            p.administration,
            p.password_hash.as_str(),
            at,
            p.must_change
        ],
    )
    .await
    .map_err(|e| match e {
        StoreError::Database(e) => StoreError::from_insert(e, &format!("login {}", p.login)),
        other => other,
    })?;
    Ok(())
}

fn principal(r: &AnyRow) -> Result<Principal, StoreError> {
    Ok(Principal {
        id: parse(r, 0, "principals.id")?,
        login: text(r, 1)?,
        kind: text(r, 2)?,
        name: text(r, 3)?,
        administration: parse_opt(r, 4, "principals.administration_id")?,
        password_hash: text(r, 5)?,
        active: int(r, 6)? != 0,
        failures: int(r, 7)?,
        locked_until: Timestamp(int(r, 8)?),
        must_change: int(r, 9)? != 0,
        wrapped_totp: text(r, 10)?,
    })
}

/// The account with this sign-in name.
///
/// # Errors
/// When the database does not answer.
pub async fn by_login(tx: &mut Tx, login: &str) -> Result<Option<Principal>, StoreError> {
    tx.one(sql::PRINCIPAL_BY_LOGIN, args![login]).await?.map(|r| principal(&r)).transpose()
}

/// One account.
///
/// # Errors
/// When the database does not answer.
pub async fn by_id(tx: &mut Tx, id: PrincipalId) -> Result<Option<Principal>, StoreError> {
    tx.one(sql::PRINCIPAL_BY_ID, args![id]).await?.map(|r| principal(&r)).transpose()
}

/// All accounts by sign-in name; names kept for timelines alone are not among them.
///
/// # Errors
/// When the database does not answer.
pub async fn all(tx: &mut Tx) -> Result<Vec<Principal>, StoreError> {
    tx.all(sql::PRINCIPAL_ALL, vec![]).await?.iter().map(principal).collect()
}

/// Changes name and Administration of an account.
///
/// # Errors
/// When the database does not answer.
pub async fn change(
    tx: &mut Tx,
    id: PrincipalId,
    name: &str,
    administration: Option<AdministrationId>,
) -> Result<(), StoreError> {
    tx.run(sql::PRINCIPAL_CHANGE, args![name, administration, id]).await?;
    Ok(())
}

/// Lets an account in again or shuts it out; failures are forgotten.
///
/// # Errors
/// When the database does not answer.
pub async fn set_active(tx: &mut Tx, id: PrincipalId, active: bool) -> Result<(), StoreError> {
    tx.run(sql::PRINCIPAL_ACTIVE, args![active, id]).await?;
    Ok(())
}

/// Counts a failed sign-in; from `limit` failures on the account is locked until `until`.
///
/// # Errors
/// When the database does not answer.
pub async fn count_failure(
    tx: &mut Tx,
    id: PrincipalId,
    limit: i64,
    until: Timestamp,
) -> Result<(), StoreError> {
    tx.run(sql::PRINCIPAL_FAILURE, args![limit, until, id]).await?;
    Ok(())
}

/// A sign-in succeeded.
///
/// # Errors
/// When the database does not answer.
pub async fn clear_failures(tx: &mut Tx, id: PrincipalId) -> Result<(), StoreError> {
    tx.run(sql::PRINCIPAL_SUCCESS, args![id]).await?;
    Ok(())
}

/// Sets a password hash; `must_change`: it is not the person's own.
///
/// # Errors
/// When the database does not answer.
pub async fn set_password(
    tx: &mut Tx,
    id: PrincipalId,
    hash: &str,
    must_change: bool,
) -> Result<(), StoreError> {
    tx.run(sql::PRINCIPAL_PASSWORD, args![hash, must_change, id]).await?;
    Ok(())
}

/// Names of people and services, for timelines.
///
/// # Errors
/// When the database does not answer.
pub async fn names(tx: &mut Tx, of: &[PrincipalId]) -> Result<BTreeMap<PrincipalId, String>, StoreError> {
    let mut names = BTreeMap::new();
    for chunk in of.chunks(128) {
        let (width, args) = padded(chunk.iter().map(|id| [Value::from(*id)]));
        for row in tx.all_text(names_sql(width), args).await? {
            names.insert(parse(&row, 0, "principals.id")?, text(&row, 1)?);
        }
    }
    Ok(names)
}

pub(crate) fn names_sql(width: usize) -> String {
    format!("SELECT id, name FROM principals WHERE id IN {}", list(1, width))
}

fn place_columns(place: Place) -> (&'static str, String, String) {
    match place {
        Place::Installation => ("installation", String::new(), String::new()),
        Place::Tenant { tenant } => ("tenant", tenant.to_string(), String::new()),
        Place::Desk { tenant, desk } => ("desk", tenant.to_string(), desk.to_string()),
        Place::Mailbox { tenant, mailbox } => ("mailbox", tenant.to_string(), mailbox.to_string()),
    }
}

/// Grants a role.
///
/// # Errors
/// When the database does not answer.
pub async fn grant(tx: &mut Tx, principal: PrincipalId, grant: Grant) -> Result<(), StoreError> {
    let (place, tenant, object) = place_columns(grant.place);
    tx.run(sql::GRANT_INSERT, args![principal, grant.role.as_str(), place, tenant, object]).await?;
    Ok(())
}

/// Takes a role back; true when it was there.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke(tx: &mut Tx, principal: PrincipalId, grant: Grant) -> Result<bool, StoreError> {
    let (place, tenant, object) = place_columns(grant.place);
    Ok(tx.run(sql::GRANT_DELETE, args![principal, grant.role.as_str(), place, tenant, object]).await? == 1)
}

pub(crate) fn granted(r: &AnyRow) -> Result<Grant, StoreError> {
    let role = text(r, 0)?;
    let role = Role::parse(&role).ok_or(StoreError::Corrupt { what: "grants.role", value: role })?;
    let place = match text(r, 1)?.as_str() {
        "installation" => Place::Installation,
        "tenant" => Place::Tenant { tenant: parse(r, 2, "grants.tenant_id")? },
        "desk" => {
            Place::Desk { tenant: parse(r, 2, "grants.tenant_id")?, desk: parse(r, 3, "grants.object_id")? }
        }
        "mailbox" => Place::Mailbox {
            tenant: parse(r, 2, "grants.tenant_id")?,
            mailbox: parse(r, 3, "grants.object_id")?,
        },
        other => return Err(StoreError::Corrupt { what: "grants.place", value: other.to_owned() }),
    };
    Ok(Grant { role, place })
}

/// All grants, backed by a mandate or not.
///
/// # Errors
/// When the database does not answer.
pub async fn grants(tx: &mut Tx) -> Result<Vec<(PrincipalId, Grant)>, StoreError> {
    let rows = tx.all(sql::GRANTS_ALL, vec![]).await?;
    rows.iter().map(|r| Ok((parse(r, 4, "grants.principal_id")?, granted(r)?))).collect()
}

/// All grants of one account, backed by a mandate or not.
///
/// # Errors
/// When the database does not answer.
pub async fn grants_of(tx: &mut Tx, principal: PrincipalId) -> Result<Vec<Grant>, StoreError> {
    tx.all(sql::GRANTS_OF, args![principal]).await?.iter().map(granted).collect()
}

/// Somebody who works for a tenant.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Name on screen.
    pub name: String,
    /// Own roles there.
    pub access: Access,
    /// Away now.
    pub away: Option<Away>,
}

/// Who stands in for somebody who is away, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// The deputy.
    pub deputy: PrincipalId,
    /// Their name.
    pub deputy_name: String,
    /// Back at this moment.
    pub until: Timestamp,
}

/// Active people with roles in a tenant that a mandate backs at `now`, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn people_of(tx: &mut Tx, tenant: TenantId, now: Timestamp) -> Result<Vec<Worker>, StoreError> {
    let mut people: Vec<Worker> = Vec::new();
    for r in tx.all(sql::GRANTS_OF_TENANT, args![tenant, now]).await? {
        let principal: PrincipalId = parse(&r, 4, "principals.id")?;
        match people.last_mut() {
            Some(worker) if worker.access.principal == principal => worker.access.grants.push(granted(&r)?),
            _ => {
                let deputy: Option<PrincipalId> = parse_opt(&r, 6, "deputies.deputy_id")?;
                let (deputy_name, until) = (text(&r, 7)?, Timestamp(int(&r, 8)?));
                people.push(Worker {
                    name: text(&r, 5)?,
                    access: Access { principal, grants: vec![granted(&r)?] },
                    away: deputy.map(|deputy| Away { deputy, deputy_name, until }),
                });
            }
        }
    }
    Ok(people)
}

/// Somebody who is away and leaves roles to the one who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Represented {
    /// Who is away.
    pub id: PrincipalId,
    /// Their name.
    pub name: String,
    /// Back at this moment.
    pub until: Timestamp,
}

/// Roles somebody stands in for, now or later: what an account reaches beyond its own.
///
/// # Errors
/// When the database does not answer.
pub async fn deputed_grants(
    tx: &mut Tx,
    deputy: PrincipalId,
    now: Timestamp,
) -> Result<Vec<Grant>, StoreError> {
    tx.all(sql::DEPUTED_GRANTS, args![deputy, now]).await?.iter().map(granted).collect()
}

/// What a principal may at `now`: grants of active accounts that a mandate backs, their own and those of whom they
/// stand in for; and who that is.
///
/// # Errors
/// When the database does not answer.
pub async fn rights(
    tx: &mut Tx,
    principal: PrincipalId,
    now: Timestamp,
) -> Result<(Access, Vec<Represented>), StoreError> {
    let (mut grants, mut represents): (Vec<Grant>, Vec<Represented>) = (Vec::new(), Vec::new());
    for r in tx.all(sql::GRANTS_BACKED, args![principal, now]).await? {
        let grant = granted(&r)?;
        if !grants.contains(&grant) {
            grants.push(grant);
        }
        let away: Option<PrincipalId> = parse_opt(&r, 4, "deputies.principal_id")?;
        if let Some(id) = away.filter(|id| represents.iter().all(|known| known.id != *id)) {
            represents.push(Represented { id, name: text(&r, 5)?, until: Timestamp(int(&r, 6)?) });
        }
    }
    Ok((Access { principal, grants }, represents))
}

/// As [`rights`], without who is away.
///
/// # Errors
/// When the database does not answer.
pub async fn access(tx: &mut Tx, principal: PrincipalId, now: Timestamp) -> Result<Access, StoreError> {
    Ok(rights(tx, principal, now).await?.0)
}

/// An API token as people may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// The tenant it is bound to.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// Made.
    pub created_at: Timestamp,
    /// Ends.
    pub expires_at: Timestamp,
}

/// Adds an API token; `hash` is the SHA-256 of its text.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_token(
    tx: &mut Tx,
    hash: &str,
    principal: PrincipalId,
    tenant: TenantId,
    name: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    tx.run(sql::TOKEN_INSERT, args![hash, principal, tenant, name, now, expires_at]).await?;
    Ok(())
}

/// Whose token this is: (principal, tenant it is bound to).
///
/// # Errors
/// When the database does not answer.
pub async fn token(
    tx: &mut Tx,
    hash: &str,
    now: Timestamp,
) -> Result<Option<(PrincipalId, TenantId)>, StoreError> {
    let row = tx.one(sql::TOKEN_GET, args![hash, now]).await?;
    row.map(|r| Ok((parse(&r, 0, "tokens.principal_id")?, parse(&r, 1, "tokens.tenant_id")?))).transpose()
}

/// Tokens of a principal, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn tokens_of(tx: &mut Tx, principal: PrincipalId) -> Result<Vec<TokenRow>, StoreError> {
    let rows = tx.all(sql::TOKENS_OF, args![principal]).await?;
    rows.iter()
        .map(|r| {
            Ok(TokenRow {
                tenant: parse(r, 0, "tokens.tenant_id")?,
                name: text(r, 1)?,
                created_at: Timestamp(int(r, 2)?),
                expires_at: Timestamp(int(r, 3)?),
            })
        })
        .collect()
}

/// Is there a valid token of this name for this tenant?
///
/// # Errors
/// When the database does not answer.
pub async fn has_token(
    tx: &mut Tx,
    principal: PrincipalId,
    tenant: TenantId,
    name: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = tx.one(sql::TOKEN_COUNT, args![principal, tenant, name, now]).await?;
    Ok(row.map_or(Ok(0), |r| int(&r, 0))? > 0)
}

/// Removes the tokens of this name for one tenant; gives how many there were.
///
/// # Errors
/// When the database does not answer.
pub async fn remove_tokens_in(
    tx: &mut Tx,
    principal: PrincipalId,
    tenant: TenantId,
    name: &str,
) -> Result<u64, StoreError> {
    tx.run(sql::TOKEN_DELETE_IN, args![principal, tenant, name]).await
}

/// Removes the tokens of this name; gives how many there were.
///
/// # Errors
/// When the database does not answer.
pub async fn remove_tokens(tx: &mut Tx, principal: PrincipalId, name: &str) -> Result<u64, StoreError> {
    tx.run(sql::TOKEN_DELETE, args![principal, name]).await
}
