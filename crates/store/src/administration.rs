// SPDX-License-Identifier: EUPL-1.2
//! What a tenant's administrators look at and change: people with all their roles, desks and mailboxes with their
//! versions, deputies, the changes people made.
//!
//! Guarantees: who is no longer in sight of a tenant is not found through it; names change by compare-and-swap.
//! Does not: decide who may; that is `poststelle-hub`'s.

use std::collections::BTreeMap;

use poststelle_model::people::Grant;
use poststelle_model::{
    AdministrationId, DeputyId, DeskId, MailboxId, PrincipalId, Subject, TenantId, Timestamp,
};
use sqlx::any::AnyRow;

use crate::access::granted;
use crate::bulk::{Value, args, list, padded};
use crate::db::{StoreError, Tx, int, parse, parse_opt, text};
use crate::sql;

/// An account in sight of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
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
    /// May sign in.
    pub active: bool,
    /// No sign-in before.
    pub locked_until: Timestamp,
    /// Has a password of somebody else's.
    pub must_change: bool,
    /// Has a second factor.
    pub second_factor: bool,
    /// Grows with each change of account or roles.
    pub version: i64,
}

fn seen(r: &AnyRow) -> Result<Seen, StoreError> {
    Ok(Seen {
        id: parse(r, 0, "principals.id")?,
        login: text(r, 1)?,
        kind: text(r, 2)?,
        name: text(r, 3)?,
        administration: parse_opt(r, 4, "principals.administration_id")?,
        active: int(r, 5)? != 0,
        locked_until: Timestamp(int(r, 6)?),
        must_change: int(r, 7)? != 0,
        second_factor: !text(r, 8)?.is_empty(),
        version: int(r, 9)?,
    })
}

/// People and services in sight of a tenant, by kind and name.
///
/// # Errors
/// When the database does not answer.
pub async fn people(tx: &mut Tx, tenant: TenantId, now: Timestamp) -> Result<Vec<Seen>, StoreError> {
    tx.all(sql::ADMIN_PEOPLE, args![tenant, now]).await?.iter().map(seen).collect()
}

/// One of them.
///
/// # Errors
/// When the database does not answer.
pub async fn person(
    tx: &mut Tx,
    tenant: TenantId,
    id: PrincipalId,
    now: Timestamp,
) -> Result<Option<Seen>, StoreError> {
    tx.one(sql::ADMIN_PERSON, args![tenant, now, id]).await?.map(|r| seen(&r)).transpose()
}

/// All grants of all of them, of whichever tenant.
///
/// # Errors
/// When the database does not answer.
pub async fn grants(
    tx: &mut Tx,
    tenant: TenantId,
    now: Timestamp,
) -> Result<BTreeMap<PrincipalId, Vec<Grant>>, StoreError> {
    let mut all: BTreeMap<PrincipalId, Vec<Grant>> = BTreeMap::new();
    for r in tx.all(sql::ADMIN_GRANTS, args![tenant, now]).await? {
        all.entry(parse(&r, 4, "grants.principal_id")?).or_default().push(granted(&r)?);
    }
    Ok(all)
}

/// Takes an account's row until the commit: what is decided by its roles stays true so long. False when there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn hold(tx: &mut Tx, id: PrincipalId) -> Result<bool, StoreError> {
    Ok(tx.run(sql::PRINCIPAL_HOLD, args![id]).await? == 1)
}

/// As [`hold`], without a version of its own.
///
/// # Errors
/// When the database does not answer.
pub async fn hold_still(tx: &mut Tx, id: PrincipalId) -> Result<(), StoreError> {
    tx.run(sql::PRINCIPAL_HOLD_STILL, args![id]).await?;
    Ok(())
}

/// Holds a tenant's row until the commit: of two who look whether a name is free, the second waits.
///
/// # Errors
/// When the database does not answer.
pub async fn hold_tenant(tx: &mut Tx, id: TenantId) -> Result<(), StoreError> {
    tx.run(sql::TENANT_HOLD, args![id]).await?;
    Ok(())
}

/// A mailbox with what is set for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxRow {
    /// Its id.
    pub id: MailboxId,
    /// Name on screen.
    pub name: String,
    /// Takes mail.
    pub active: bool,
    /// A second person must release what leaves.
    pub four_eyes: bool,
    /// Grows with each change.
    pub version: i64,
}

/// Mailboxes of a tenant by name.
///
/// # Errors
/// When the database does not answer.
pub async fn mailboxes(tx: &mut Tx, tenant: TenantId) -> Result<Vec<MailboxRow>, StoreError> {
    tx.allow(tenant)?;
    let row = |r: &AnyRow| {
        Ok(MailboxRow {
            id: parse(r, 0, "mailboxes.id")?,
            name: text(r, 1)?,
            active: int(r, 2)? != 0,
            four_eyes: int(r, 3)? != 0,
            version: int(r, 4)?,
        })
    };
    tx.all(sql::ADMIN_MAILBOXES, args![tenant]).await?.iter().map(row).collect()
}

/// Gives a mailbox another name, if nobody changed it since `version`.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody did.
pub async fn rename_mailbox(
    tx: &mut Tx,
    tenant: TenantId,
    id: MailboxId,
    name: &str,
    version: i64,
) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    match tx.run(sql::MAILBOX_RENAME, args![name, tenant, id, version]).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(format!("mailbox {id}"))),
    }
}

/// A desk with the tenants it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskRow {
    /// Its id.
    pub id: DeskId,
    /// Whose people work there; `None` = a tenant's clearing desk.
    pub administration: Option<AdministrationId>,
    /// Name on screen.
    pub name: String,
    /// `normal` or `clearing`.
    pub kind: String,
    /// Grows with each change.
    pub version: i64,
    /// Whose mail comes there.
    pub tenants: Vec<TenantId>,
}

/// Desks that serve a tenant and those of the Administrations with its mandate, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn desks(tx: &mut Tx, tenant: TenantId, now: Timestamp) -> Result<Vec<DeskRow>, StoreError> {
    let mut serves: BTreeMap<DeskId, Vec<TenantId>> = BTreeMap::new();
    for r in tx.all(sql::ADMIN_DESK_TENANTS, args![tenant, now]).await? {
        let tenant = parse(&r, 1, "desk_tenants.tenant_id")?;
        serves.entry(parse(&r, 0, "desk_tenants.desk_id")?).or_default().push(tenant);
    }
    let rows = tx.all(sql::ADMIN_DESKS, args![tenant, now]).await?;
    rows.iter()
        .map(|r| {
            let id = parse(r, 0, "desks.id")?;
            Ok(DeskRow {
                id,
                administration: parse_opt(r, 1, "desks.administration_id")?,
                name: text(r, 2)?,
                kind: text(r, 3)?,
                version: int(r, 4)?,
                tenants: serves.remove(&id).unwrap_or_default(),
            })
        })
        .collect()
}

/// Gives a desk another name, if nobody changed it since `version`.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody did.
pub async fn rename_desk(tx: &mut Tx, id: DeskId, name: &str, version: i64) -> Result<(), StoreError> {
    match tx.run(sql::DESK_RENAME, args![name, id, version]).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(format!("desk {id}"))),
    }
}

/// Days in which somebody stands in for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deputy {
    /// Its id.
    pub id: DeputyId,
    /// Who is away.
    pub principal: PrincipalId,
    /// Their name.
    pub principal_name: String,
    /// Who stands in.
    pub deputy: PrincipalId,
    /// Their name.
    pub deputy_name: String,
    /// From.
    pub begins_at: Timestamp,
    /// Until, this moment not included.
    pub ends_at: Timestamp,
}

fn deputy(r: &AnyRow) -> Result<Deputy, StoreError> {
    Ok(Deputy {
        id: parse(r, 0, "deputies.id")?,
        principal: parse(r, 1, "deputies.principal_id")?,
        principal_name: text(r, 2)?,
        deputy: parse(r, 3, "deputies.deputy_id")?,
        deputy_name: text(r, 4)?,
        begins_at: Timestamp(int(r, 5)?),
        ends_at: Timestamp(int(r, 6)?),
    })
}

/// Active people of an Administration by name: (id, name).
///
/// # Errors
/// When the database does not answer.
pub async fn people_at_home(
    tx: &mut Tx,
    administration: AdministrationId,
) -> Result<Vec<(PrincipalId, String)>, StoreError> {
    let rows = tx.all(sql::PEOPLE_AT_HOME, args![administration]).await?;
    rows.iter().map(|r| Ok((parse(r, 0, "principals.id")?, text(r, 1)?))).collect()
}

/// Lets somebody stand in. That nobody else does in these days is the caller's to see, under [`hold`].
///
/// # Errors
/// When the database does not answer.
pub async fn insert_deputy(
    tx: &mut Tx,
    id: DeputyId,
    (principal, deputy): (PrincipalId, PrincipalId),
    (begins_at, ends_at): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.run(sql::DEPUTY_INSERT, args![id, principal, deputy, begins_at, ends_at, now]).await?;
    Ok(())
}

/// Who stands in for somebody, now and later.
///
/// # Errors
/// When the database does not answer.
pub async fn deputies_of(
    tx: &mut Tx,
    principal: PrincipalId,
    now: Timestamp,
) -> Result<Vec<Deputy>, StoreError> {
    tx.all(sql::DEPUTIES_OF, args![principal, now]).await?.iter().map(deputy).collect()
}

/// Who stands in for those in sight of a tenant, now and later.
///
/// # Errors
/// When the database does not answer.
pub async fn deputies(tx: &mut Tx, tenant: TenantId, now: Timestamp) -> Result<Vec<Deputy>, StoreError> {
    tx.all(sql::DEPUTIES_SEEN, args![tenant, now]).await?.iter().map(deputy).collect()
}

/// One.
///
/// # Errors
/// When the database does not answer.
pub async fn get_deputy(tx: &mut Tx, id: DeputyId) -> Result<Option<Deputy>, StoreError> {
    tx.one(sql::DEPUTY_GET, args![id]).await?.map(|r| deputy(&r)).transpose()
}

/// Ends it now; false when it was over already.
///
/// # Errors
/// When the database does not answer.
pub async fn end_deputy(tx: &mut Tx, id: DeputyId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.run(sql::DEPUTY_END, args![now, id]).await? == 1)
}

/// Something people changed, as its evidence tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// Whose life.
    pub subject: Subject,
    /// Number in its chain.
    pub n: i64,
    /// `Created`, `Changed` or `Ended`.
    pub event: String,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub who: String,
    /// Canonical JSON; empty after deletion.
    pub body: String,
}

/// A place in the order of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePlace {
    /// When.
    pub at: Timestamp,
    /// Whose life.
    pub subject: String,
    /// Number in its chain; what mixes two chains of one subject numbers them anew.
    pub n: i64,
}

impl ChangePlace {
    /// Behind all.
    #[must_use]
    pub const fn end() -> Self {
        Self { at: Timestamp::NEVER, subject: String::new(), n: 0 }
    }
}

fn change(r: &AnyRow) -> Result<ChangeRow, StoreError> {
    Ok(ChangeRow {
        subject: Subject::from_text(&text(r, 0)?),
        n: int(r, 1)?,
        event: text(r, 2)?,
        at: Timestamp(int(r, 3)?),
        who: text(r, 4)?,
        body: text(r, 5)?,
    })
}

/// What people changed in a tenant, newest first, before `place`; `kind` is a kind of [`Subject`], empty = all.
///
/// # Errors
/// When the database does not answer.
pub async fn changes(
    tx: &mut Tx,
    tenant: TenantId,
    kind: &str,
    place: &ChangePlace,
    limit: i64,
) -> Result<Vec<ChangeRow>, StoreError> {
    tx.allow(tenant)?;
    let like = if kind.is_empty() { "%".to_owned() } else { format!("{kind}:%") };
    let args = args![tenant, like, place.at, place.subject.as_str(), place.n, limit];
    tx.all(sql::EVIDENCE_CHANGES, args).await?.iter().map(change).collect()
}

/// The same of these subjects alone.
///
/// # Errors
/// When the database does not answer.
pub async fn changes_of(
    tx: &mut Tx,
    tenant: TenantId,
    subjects: &[Subject],
    place: &ChangePlace,
    limit: i64,
) -> Result<Vec<ChangeRow>, StoreError> {
    tx.allow(tenant)?;
    let mut all = Vec::new();
    for chunk in subjects.chunks(128) {
        let mut args = args![tenant, place.at, place.subject.as_str(), place.n, limit];
        let (width, subjects) = padded(chunk.iter().map(|s| [Value::from(s.as_str())]));
        args.extend(subjects);
        for row in tx.all_text(changes_of_sql(width), args).await? {
            all.push(change(&row)?);
        }
    }
    Ok(all)
}

pub(crate) fn changes_of_sql(width: usize) -> String {
    format!(
        "SELECT subject, n, event, at, who, body FROM evidence WHERE tenant_id = $1 AND event IN ('Created', 'Changed', 'Ended') \
         AND (at, subject, n) < ($2, $3, $4) AND subject IN {} ORDER BY at DESC, subject DESC, n DESC LIMIT $5",
        list(6, width)
    )
}
