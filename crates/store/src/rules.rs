// SPDX-License-Identifier: EUPL-1.2
//! The rule set of a tenant: its draft, and every set that was ever released.
//!
//! Guarantees: draft and setting change only by compare-and-swap on their version, which never begins anew; a release
//! gets the next number and is never changed. The rules in force are in [`crate::tenants::rules`].

use poststelle_model::{MessageId, PrincipalId, Rule, TenantId, Timestamp};
use sqlx::any::AnyRow;

use crate::bulk::args;
use crate::db::{StoreError, Tx, int, parse, parse_opt, text};
use crate::sql;

/// What is prepared for a tenant's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    /// Whose.
    pub tenant: TenantId,
    /// A release needs a second person.
    pub two_persons: bool,
    /// The rules as they are to be; `None` = nothing is prepared.
    pub draft: Option<Vec<Rule>>,
    /// The release the draft was made from.
    pub base: i64,
    /// Who changed it last.
    pub changed_by: Option<PrincipalId>,
    /// When.
    pub changed_at: Timestamp,
    /// Who laid it before a second person.
    pub proposed_by: Option<PrincipalId>,
    /// Grows by one with each change; 0 = never touched.
    pub version: i64,
}

/// A set of rules as it was released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Whose.
    pub tenant: TenantId,
    /// Number, from 1.
    pub version: i64,
    /// All rules, in order.
    pub rules: Vec<Rule>,
    /// Who released it: [`poststelle_model::Who::to_text`].
    pub released_by: String,
    /// Who had proposed it; `None` = nobody had to.
    pub proposed_by: Option<PrincipalId>,
    /// When.
    pub released_at: Timestamp,
}

/// A received message with how the rules decided then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub id: MessageId,
    /// Bytes.
    pub size: i64,
    /// When it came.
    pub accepted_at: Timestamp,
    /// Subject.
    pub subject: String,
    /// Author's address.
    pub sender: String,
    /// JSON of the explanation.
    pub explanation: String,
}

fn rules(what: &'static str, value: String) -> Result<Vec<Rule>, StoreError> {
    serde_json::from_str(&value).map_err(|_| StoreError::Corrupt { what, value })
}

/// What is prepared for a tenant's rules.
///
/// # Errors
/// When the database does not answer.
pub async fn set(tx: &mut Tx, tenant: TenantId) -> Result<RuleSet, StoreError> {
    tx.allow(tenant)?;
    let Some(r) = tx.one(sql::RULE_SET_GET, args![tenant]).await? else {
        return Ok(RuleSet {
            tenant,
            two_persons: false,
            draft: None,
            base: 0,
            changed_by: None,
            changed_at: Timestamp(0),
            proposed_by: None,
            version: 0,
        });
    };
    let draft = text(&r, 1)?;
    Ok(RuleSet {
        tenant,
        two_persons: int(&r, 0)? != 0,
        draft: if draft.is_empty() { None } else { Some(rules("rule_sets.draft", draft)?) },
        base: int(&r, 2)?,
        changed_by: parse_opt(&r, 3, "rule_sets.changed_by")?,
        changed_at: Timestamp(int(&r, 4)?),
        proposed_by: parse_opt(&r, 5, "rule_sets.proposed_by")?,
        version: int(&r, 6)?,
    })
}

/// Writes what is prepared; `set.version` is the version after the change.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody changed it since it was read.
pub async fn put_set(tx: &mut Tx, set: &RuleSet) -> Result<(), StoreError> {
    tx.allow(set.tenant)?;
    let draft =
        set.draft.as_ref().map(|rules| serde_json::to_string(rules).unwrap_or_default()).unwrap_or_default();
    let touched = tx
        .run(
            sql::RULE_SET_PUT,
            args![
                set.tenant,
                set.two_persons,
                draft,
                set.base,
                set.changed_by,
                set.changed_at,
                set.proposed_by,
                set.version
            ],
        )
        .await?;
    if touched == 1 { Ok(()) } else { Err(StoreError::Conflict(format!("rule set of {}", set.tenant))) }
}

/// Tenants whose draft waits for a second person: (tenant, name). System scope.
///
/// # Errors
/// When the database does not answer.
pub async fn proposed(tx: &mut Tx) -> Result<Vec<(TenantId, String)>, StoreError> {
    let rows = tx.all(sql::RULE_SETS_PROPOSED, vec![]).await?;
    rows.iter().map(|r| Ok((parse(r, 0, "tenants.id")?, text(r, 1)?))).collect()
}

/// Takes a rule out of those in force.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody changed it since it was read.
pub async fn remove(tx: &mut Tx, rule: &Rule) -> Result<(), StoreError> {
    tx.allow(rule.tenant)?;
    match tx.run(sql::RULE_DELETE, args![rule.tenant, rule.id, rule.version]).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(format!("rule {}", rule.id))),
    }
}

/// Number of the last release; 0 = there was none.
///
/// # Errors
/// When the database does not answer.
pub async fn last_release(tx: &mut Tx, tenant: TenantId) -> Result<i64, StoreError> {
    tx.allow(tenant)?;
    tx.one(sql::RULE_RELEASE_LAST, args![tenant]).await?.map_or(Ok(0), |r| int(&r, 0))
}

/// Keeps a release.
///
/// # Errors
/// [`StoreError::Exists`] when somebody else released one with this number.
pub async fn insert_release(tx: &mut Tx, release: &Release) -> Result<(), StoreError> {
    tx.allow(release.tenant)?;
    let rules = serde_json::to_string(&release.rules).unwrap_or_default();
    let done = tx
        .run(
            sql::RULE_RELEASE_INSERT,
            args![
                release.tenant,
                release.version,
                rules,
                release.released_by.as_str(),
                release.proposed_by,
                release.released_at
            ],
        )
        .await;
    match done {
        Err(StoreError::Database(e)) => {
            Err(StoreError::from_insert(e, &format!("release {} of {}", release.version, release.tenant)))
        }
        other => other.map(|_| ()),
    }
}

fn release(tenant: TenantId, r: &AnyRow) -> Result<Release, StoreError> {
    Ok(Release {
        tenant,
        version: int(r, 0)?,
        rules: rules("rule_releases.rules", text(r, 1)?)?,
        released_by: text(r, 2)?,
        proposed_by: parse_opt(r, 3, "rule_releases.proposed_by")?,
        released_at: Timestamp(int(r, 4)?),
    })
}

/// Releases before number `before`, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn releases(
    tx: &mut Tx,
    tenant: TenantId,
    before: i64,
    limit: i64,
) -> Result<Vec<Release>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::RULE_RELEASES, args![tenant, before, limit]).await?;
    rows.iter().map(|r| release(tenant, r)).collect()
}

/// Messages received last, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn received(tx: &mut Tx, tenant: TenantId, limit: i64) -> Result<Vec<Received>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::RULE_TRIALS, args![tenant, limit]).await?;
    rows.iter()
        .map(|r| {
            Ok(Received {
                id: parse(r, 0, "messages.id")?,
                size: int(r, 1)?,
                accepted_at: Timestamp(int(r, 2)?),
                subject: text(r, 3)?,
                sender: text(r, 4)?,
                explanation: text(r, 5)?,
            })
        })
        .collect()
}
