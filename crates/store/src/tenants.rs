// SPDX-License-Identifier: EUPL-1.2
//! Tenants, Administrations with mandates, mailboxes, desks, connectors, rules.

use poststelle_model::{
    AdministrationId, ChannelKind, ConnectorId, DeskId, MailboxId, Rule, TenantId, Timestamp,
};
use sqlx::any::AnyRow;

use crate::bulk::{Value, args, list, padded};
use crate::db::{StoreError, Tx, int, parse, parse_opt, text};
use crate::sql;

/// A tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Short name for folders and addresses: `a-z0-9-`.
    pub slug: String,
    /// Name on screen.
    pub name: String,
    /// Origin line of its log: a pseudonym.
    pub log_origin: String,
    /// Its key, wrapped by the root key.
    pub wrapped_key: String,
    /// Its note key (PKCS#8), sealed by its key.
    pub wrapped_note_key: String,
    /// Verifier key of its log (C2SP vkey).
    pub note_vkey: String,
    /// Where everything lands that nobody claims.
    pub clearing_desk: DeskId,
    /// Founded.
    pub created_at: Timestamp,
}

/// A configured hand-over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: ConnectorId,
    /// `hot_folder` or `webhook`.
    pub kind: String,
    /// Name on screen.
    pub name: String,
    /// Settings, JSON.
    pub config: String,
    /// Its secret, sealed by the tenant key; empty = none.
    pub wrapped_secret: String,
    /// Off = deliveries wait.
    pub active: bool,
    /// Grows with each change.
    pub version: i64,
}

/// A desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desk {
    /// Its id.
    pub id: DeskId,
    /// Whose people work there.
    pub administration: Option<AdministrationId>,
    /// Name on screen.
    pub name: String,
    /// `normal` or `clearing`.
    pub kind: String,
}

/// A mandate: an Administration works for a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mandate {
    /// Who works.
    pub administration: AdministrationId,
    /// Its name.
    pub name: String,
    /// From.
    pub from: Timestamp,
    /// Until.
    pub until: Timestamp,
}

/// A named setting of the installation.
///
/// # Errors
/// When the database does not answer.
pub async fn setting(tx: &mut Tx, name: &str) -> Result<Option<String>, StoreError> {
    tx.one(sql::SETTING_GET, args![name]).await?.map(|r| text(&r, 0)).transpose()
}

/// Writes a setting of the installation.
///
/// # Errors
/// When the database does not answer.
pub async fn put_setting(tx: &mut Tx, name: &str, value: &str) -> Result<(), StoreError> {
    tx.run(sql::SETTING_PUT, args![name, value]).await?;
    Ok(())
}

async fn add(tx: &mut Tx, sql: &'static str, args: Vec<crate::Value>, what: &str) -> Result<(), StoreError> {
    match tx.run(sql, args).await {
        Err(StoreError::Database(e)) => Err(StoreError::from_insert(e, what)),
        other => other.map(|_| ()),
    }
}

/// Adds a tenant.
///
/// # Errors
/// [`StoreError::Exists`] when id or short name is taken.
pub async fn insert(tx: &mut Tx, t: &Tenant) -> Result<(), StoreError> {
    add(
        tx,
        sql::TENANT_INSERT,
        args![
            t.id,
            t.slug.as_str(),
            t.name.as_str(),
            t.log_origin.as_str(),
            t.wrapped_key.as_str(),
            t.wrapped_note_key.as_str(),
            t.note_vkey.as_str(),
            t.clearing_desk,
            t.created_at
        ],
        &format!("tenant {}", t.slug),
    )
    .await
}

fn tenant(r: &AnyRow) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: parse(r, 0, "tenants.id")?,
        slug: text(r, 1)?,
        name: text(r, 2)?,
        log_origin: text(r, 3)?,
        wrapped_key: text(r, 4)?,
        wrapped_note_key: text(r, 5)?,
        note_vkey: text(r, 6)?,
        clearing_desk: parse(r, 7, "tenants.clearing_desk")?,
        created_at: Timestamp(int(r, 8)?),
    })
}

/// One tenant.
///
/// # Errors
/// When the database does not answer.
pub async fn get(tx: &mut Tx, id: TenantId) -> Result<Option<Tenant>, StoreError> {
    tx.allow(id)?;
    tx.one(sql::TENANT_BY_ID, args![id]).await?.map(|r| tenant(&r)).transpose()
}

/// All tenants by name.
///
/// # Errors
/// When the database does not answer.
pub async fn all(tx: &mut Tx) -> Result<Vec<Tenant>, StoreError> {
    tx.all(sql::TENANT_ALL, vec![]).await?.iter().map(tenant).collect()
}

/// Those of the tenants that are there, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn of_ids(tx: &mut Tx, ids: &[TenantId]) -> Result<Vec<Tenant>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(128) {
        let (width, args) = padded(chunk.iter().map(|id| [Value::from(*id)]));
        for row in tx.all_text(of_ids_sql(width), args).await? {
            found.push(tenant(&row)?);
        }
    }
    found.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    Ok(found)
}

pub(crate) fn of_ids_sql(width: usize) -> String {
    format!(
        "SELECT id, slug, name, log_origin, wrapped_key, wrapped_note_key, note_vkey, clearing_desk, created_at, version \
         FROM tenants WHERE id IN {}",
        list(1, width)
    )
}

/// Gives a tenant another name on screen; its short name stays.
///
/// # Errors
/// When the database does not answer.
pub async fn rename(tx: &mut Tx, id: TenantId, name: &str) -> Result<(), StoreError> {
    tx.allow(id)?;
    tx.run(sql::TENANT_RENAME, args![name, id]).await?;
    Ok(())
}

/// Adds an Administration.
///
/// # Errors
/// [`StoreError::Exists`] when id or short name is taken.
pub async fn insert_administration(
    tx: &mut Tx,
    id: AdministrationId,
    slug: &str,
    name: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    add(tx, sql::ADMINISTRATION_INSERT, args![id, slug, name, at], slug).await
}

/// Gives an Administration another name on screen.
///
/// # Errors
/// When the database does not answer.
pub async fn rename_administration(tx: &mut Tx, id: AdministrationId, name: &str) -> Result<(), StoreError> {
    tx.run(sql::ADMINISTRATION_RENAME, args![name, id]).await?;
    Ok(())
}

/// All Administrations: (id, short name, name).
///
/// # Errors
/// When the database does not answer.
pub async fn administrations(tx: &mut Tx) -> Result<Vec<(AdministrationId, String, String)>, StoreError> {
    let rows = tx.all(sql::ADMINISTRATION_ALL, vec![]).await?;
    rows.iter().map(|r| Ok((parse(r, 0, "administrations.id")?, text(r, 1)?, text(r, 2)?))).collect()
}

/// Gives an Administration the mandate for a tenant from `from` on; earlier mandates end there.
/// Mail, rules and proofs stay where they are: only who may work changes.
///
/// # Errors
/// When the database does not answer.
pub async fn give_mandate(
    tx: &mut Tx,
    tenant: TenantId,
    administration: AdministrationId,
    from: Timestamp,
) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    tx.run(sql::MANDATE_END, args![from, tenant]).await?;
    add(tx, sql::MANDATE_INSERT, args![tenant, administration, from, Timestamp::NEVER], "mandate").await
}

/// Mandates of a tenant, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn mandates(tx: &mut Tx, tenant: TenantId) -> Result<Vec<Mandate>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::MANDATES_OF_TENANT, args![tenant]).await?;
    rows.iter()
        .map(|r| {
            Ok(Mandate {
                administration: parse(r, 0, "mandates.administration_id")?,
                name: text(r, 1)?,
                from: Timestamp(int(r, 2)?),
                until: Timestamp(int(r, 3)?),
            })
        })
        .collect()
}

/// Adds a mailbox.
///
/// # Errors
/// [`StoreError::Exists`] when the id is taken.
pub async fn insert_mailbox(
    tx: &mut Tx,
    tenant: TenantId,
    id: MailboxId,
    name: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    add(tx, sql::MAILBOX_INSERT, args![tenant, id, name, at], "mailbox").await
}

/// Mailboxes of a tenant: (id, name, active).
///
/// # Errors
/// When the database does not answer.
pub async fn mailboxes(tx: &mut Tx, tenant: TenantId) -> Result<Vec<(MailboxId, String, bool)>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::MAILBOXES, args![tenant]).await?;
    rows.iter().map(|r| Ok((parse(r, 0, "mailboxes.id")?, text(r, 1)?, int(r, 2)? != 0))).collect()
}

/// Must a second person release what leaves from this mailbox?
///
/// # Errors
/// When the database does not answer.
pub async fn four_eyes(tx: &mut Tx, tenant: TenantId, id: MailboxId) -> Result<bool, StoreError> {
    tx.allow(tenant)?;
    let row = tx.one(sql::MAILBOX_FOUR_EYES, args![tenant, id]).await?;
    Ok(row.map_or(Ok(0), |r| int(&r, 0))? != 0)
}

/// Says whether a second person must release what leaves from a mailbox.
///
/// # Errors
/// [`StoreError::NotFound`] when there is no such mailbox.
pub async fn set_four_eyes(tx: &mut Tx, tenant: TenantId, id: MailboxId, on: bool) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    match tx.run(sql::MAILBOX_SET_FOUR_EYES, args![on, tenant, id]).await? {
        1 => Ok(()),
        _ => Err(StoreError::NotFound(format!("mailbox {id}"))),
    }
}

/// Adds an address. Identifiers are stored in lower case.
///
/// # Errors
/// [`StoreError::Exists`] when it belongs to a mailbox already, of whichever tenant.
pub async fn insert_address(
    tx: &mut Tx,
    channel: ChannelKind,
    identifier: &str,
    tenant: TenantId,
    mailbox: MailboxId,
) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    let identifier = identifier.to_lowercase();
    add(tx, sql::ADDRESS_INSERT, args![channel.as_str(), identifier.as_str(), tenant, mailbox], &identifier)
        .await
}

/// Lays an address into another mailbox of the same tenant.
///
/// # Errors
/// [`StoreError::Conflict`] when it is no longer the tenant's.
pub async fn move_address(
    tx: &mut Tx,
    channel: ChannelKind,
    identifier: &str,
    tenant: TenantId,
    mailbox: MailboxId,
) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    let touched = tx
        .run(sql::ADDRESS_MOVE, args![mailbox, channel.as_str(), identifier.to_lowercase(), tenant])
        .await?;
    if touched == 1 { Ok(()) } else { Err(StoreError::Conflict(format!("address {identifier}"))) }
}

/// Whose address this is. System scope: it is asked before the tenant is known.
///
/// # Errors
/// When the database does not answer.
pub async fn resolve_address(
    tx: &mut Tx,
    channel: ChannelKind,
    identifier: &str,
) -> Result<Option<(TenantId, MailboxId)>, StoreError> {
    let row = tx.one(sql::ADDRESS_GET, args![channel.as_str(), identifier.to_lowercase()]).await?;
    row.map(|r| Ok((parse(&r, 0, "addresses.tenant_id")?, parse(&r, 1, "addresses.mailbox_id")?))).transpose()
}

/// Addresses of a tenant: (channel, identifier, mailbox).
///
/// # Errors
/// When the database does not answer.
pub async fn addresses(
    tx: &mut Tx,
    tenant: TenantId,
) -> Result<Vec<(String, String, MailboxId)>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::ADDRESSES_OF_TENANT, args![tenant]).await?;
    rows.iter().map(|r| Ok((text(r, 0)?, text(r, 1)?, parse(r, 2, "addresses.mailbox_id")?))).collect()
}

/// Adds a desk that serves `tenants`.
///
/// # Errors
/// [`StoreError::Exists`] when the id is taken.
pub async fn insert_desk(
    tx: &mut Tx,
    desk: &Desk,
    tenants: &[TenantId],
    at: Timestamp,
) -> Result<(), StoreError> {
    add(
        tx,
        sql::DESK_INSERT,
        args![desk.id, desk.administration, desk.name.as_str(), desk.kind.as_str(), at],
        "desk",
    )
    .await?;
    for tenant in tenants {
        serve_desk(tx, desk.id, *tenant).await?;
    }
    Ok(())
}

/// Lets a desk serve a further tenant.
///
/// # Errors
/// When the database does not answer.
pub async fn serve_desk(tx: &mut Tx, desk: DeskId, tenant: TenantId) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    tx.run(sql::DESK_TENANT_INSERT, args![tenant, desk]).await?;
    Ok(())
}

/// Lets a desk no longer serve a tenant. What lies there stays.
///
/// # Errors
/// When the database does not answer.
pub async fn unserve_desk(tx: &mut Tx, desk: DeskId, tenant: TenantId) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    tx.run(sql::DESK_TENANT_DELETE, args![tenant, desk]).await?;
    Ok(())
}

fn desk(r: &AnyRow) -> Result<Desk, StoreError> {
    Ok(Desk {
        id: parse(r, 0, "desks.id")?,
        administration: parse_opt(r, 1, "desks.administration_id")?,
        name: text(r, 2)?,
        kind: text(r, 3)?,
    })
}

/// Desks that serve a tenant.
///
/// # Errors
/// When the database does not answer.
pub async fn desks(tx: &mut Tx, tenant: TenantId) -> Result<Vec<Desk>, StoreError> {
    tx.allow(tenant)?;
    tx.all(sql::DESKS_OF_TENANT, args![tenant]).await?.iter().map(desk).collect()
}

/// All desks of the installation by name.
///
/// # Errors
/// When the database does not answer.
pub async fn all_desks(tx: &mut Tx) -> Result<Vec<Desk>, StoreError> {
    tx.all(sql::DESK_ALL, vec![]).await?.iter().map(desk).collect()
}

/// Sets the desk that takes what nobody claims.
///
/// # Errors
/// When the database does not answer.
pub async fn set_clearing_desk(tx: &mut Tx, tenant: TenantId, desk: DeskId) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    tx.run(sql::TENANT_CLEARING, args![desk, tenant]).await?;
    Ok(())
}

/// Adds a connector.
///
/// # Errors
/// [`StoreError::Exists`] when the id is taken.
pub async fn insert_connector(tx: &mut Tx, c: &Connector) -> Result<(), StoreError> {
    tx.allow(c.tenant)?;
    add(
        tx,
        sql::CONNECTOR_INSERT,
        args![
            c.tenant,
            c.id,
            c.kind.as_str(),
            c.name.as_str(),
            c.config.as_str(),
            c.wrapped_secret.as_str(),
            c.active
        ],
        "connector",
    )
    .await
}

fn connector(tenant: TenantId, r: &AnyRow) -> Result<Connector, StoreError> {
    Ok(Connector {
        tenant,
        id: parse(r, 0, "connectors.id")?,
        kind: text(r, 1)?,
        name: text(r, 2)?,
        config: text(r, 3)?,
        wrapped_secret: text(r, 4)?,
        active: int(r, 5)? != 0,
        version: int(r, 6)?,
    })
}

/// Connectors of a tenant by name.
///
/// # Errors
/// When the database does not answer.
pub async fn connectors(tx: &mut Tx, tenant: TenantId) -> Result<Vec<Connector>, StoreError> {
    tx.allow(tenant)?;
    tx.all(sql::CONNECTORS, args![tenant]).await?.iter().map(|r| connector(tenant, r)).collect()
}

/// One connector.
///
/// # Errors
/// When the database does not answer.
pub async fn get_connector(
    tx: &mut Tx,
    tenant: TenantId,
    id: ConnectorId,
) -> Result<Option<Connector>, StoreError> {
    tx.allow(tenant)?;
    tx.one(sql::CONNECTOR_GET, args![tenant, id]).await?.map(|r| connector(tenant, &r)).transpose()
}

/// Changes name, settings, secret and state of a connector; `c.version` is the version read.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody changed it since it was read.
pub async fn change_connector(tx: &mut Tx, c: &Connector) -> Result<(), StoreError> {
    tx.allow(c.tenant)?;
    let touched = tx
        .run(
            sql::CONNECTOR_CHANGE,
            args![
                c.config.as_str(),
                c.wrapped_secret.as_str(),
                c.active,
                c.tenant,
                c.id,
                c.version,
                c.name.as_str()
            ],
        )
        .await?;
    if touched == 1 { Ok(()) } else { Err(StoreError::Conflict(format!("connector {}", c.id))) }
}

/// How the deliveries to a tenant's connectors stand: (target, state, how many, changed last).
///
/// # Errors
/// When the database does not answer.
pub async fn connector_standing(
    tx: &mut Tx,
    tenant: TenantId,
) -> Result<Vec<(String, String, i64, Timestamp)>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::CONNECTOR_STANDING, args![tenant]).await?;
    rows.iter().map(|r| Ok((text(r, 0)?, text(r, 1)?, int(r, 2)?, Timestamp(int(r, 3)?)))).collect()
}

/// Writes a rule; `rule.version` is the version after the change.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody changed it since it was read.
pub async fn put_rule(tx: &mut Tx, rule: &Rule) -> Result<(), StoreError> {
    tx.allow(rule.tenant)?;
    let touched = tx
        .run(
            sql::RULE_INSERT,
            args![
                rule.tenant,
                rule.id,
                rule.position,
                rule.name.as_str(),
                rule.condition.as_str(),
                serde_json::to_string(&rule.actions).unwrap_or_default(),
                rule.active,
                rule.version
            ],
        )
        .await?;
    if touched == 1 { Ok(()) } else { Err(StoreError::Conflict(format!("rule {}", rule.id))) }
}

/// Rules of a tenant in order.
///
/// # Errors
/// When the database does not answer.
pub async fn rules(tx: &mut Tx, tenant: TenantId) -> Result<Vec<Rule>, StoreError> {
    tx.allow(tenant)?;
    let rows = tx.all(sql::RULES, args![tenant]).await?;
    rows.iter()
        .map(|r| {
            let actions = text(r, 4)?;
            Ok(Rule {
                tenant,
                id: parse(r, 0, "rules.id")?,
                position: int(r, 1)?,
                name: text(r, 2)?,
                condition: text(r, 3)?,
                actions: serde_json::from_str(&actions)
                    .map_err(|_| StoreError::Corrupt { what: "rules.actions", value: actions })?,
                active: int(r, 5)? != 0,
                version: int(r, 6)?,
            })
        })
        .collect()
}
