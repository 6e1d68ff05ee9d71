// SPDX-License-Identifier: EUPL-1.2
//! A tenant's connectors under people's hands: how they stand, setting them up, trying them.
//!
//! Guarantees: who does not administer the tenant gets the answer of one that is not there; settings are kept only
//! when the channel admits them (addresses and folders stay within what the operator allows); a secret goes in and
//! never comes out; a change names the version it was made from and is refused when that is not the present one.

use std::time::Duration;

use poststelle_model::{
    Access, ConnectorId, DeliveryState, Fault, Reason, Role, Target, TenantId, Timestamp, Who,
};
use poststelle_store::tenants::{self, Connector, Tenant};
use poststelle_store::{Scope, StoreError, Tx};
use serde_json::Value;

use crate::channel::{Channel, Cx};
use crate::directory::{DirectoryError, name_fits};
use crate::hub::Hub;
use crate::view::ViewError;

/// Longest trial of a target.
const PROBE: Duration = Duration::from_secs(20);

/// Why something about connectors was not done.
#[derive(Debug, thiserror::Error)]
pub enum TargetsError {
    /// Not there, or not for these eyes; the store.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Writing it.
    #[error(transparent)]
    Directory(DirectoryError),
    /// Somebody changed it since it was read.
    #[error("changed meanwhile")]
    Changed,
    /// Refused, and why.
    #[error("{0}")]
    Refused(Reason),
}

impl From<DirectoryError> for TargetsError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Store(StoreError::Conflict(_)) => Self::Changed,
            DirectoryError::Evidence(e) if e.is_conflict() => Self::Changed,
            other => Self::Directory(other),
        }
    }
}

impl From<StoreError> for TargetsError {
    fn from(error: StoreError) -> Self {
        Self::View(error.into())
    }
}

fn refused<T>(code: &'static str) -> Result<T, TargetsError> {
    Err(TargetsError::Refused(Reason::new(code, Fault::Sender)))
}

/// A connector and how it stands.
#[derive(Debug, Clone)]
pub struct TargetView {
    /// As stored.
    pub connector: Connector,
    /// Its settings.
    pub config: Value,
    /// Until when this node leaves it alone after failures, and why.
    pub resting: Option<(Timestamp, Option<Reason>)>,
    /// Last successful hand-over; 0 = none.
    pub last: Timestamp,
    /// Deliveries under way to it.
    pub waiting: i64,
    /// Deliveries that wait for a person.
    pub parked: i64,
}

/// What a connector is to be.
#[derive(Debug, Clone)]
pub struct TargetText {
    /// Name on screen.
    pub name: String,
    /// `hot_folder`, `webhook`; fixed once it is there.
    pub kind: String,
    /// Settings of that kind.
    pub config: Value,
    /// A new secret; `None` = as it is.
    pub secret: Option<Vec<u8>>,
    /// Off = deliveries wait.
    pub active: bool,
}

impl Hub {
    /// Connectors of a tenant and how they stand.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when the tenant is not for these eyes.
    pub async fn targets(
        &self,
        access: &Access,
        tenant: TenantId,
    ) -> Result<(Tenant, Vec<TargetView>), TargetsError> {
        administers(access, tenant)?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let row = tenants::get(&mut tx, tenant).await?.ok_or(ViewError::NotFound)?;
        let connectors = tenants::connectors(&mut tx, tenant).await?;
        let standing = tenants::connector_standing(&mut tx, tenant).await?;
        tx.rollback().await?;
        let open = self.health.open_lanes();
        let views = connectors.into_iter().map(|connector| {
            let target = Target::Connector { connector: connector.id }.to_string();
            let lane = format!("{tenant}/{target}");
            let mut view = TargetView {
                config: serde_json::from_str(&connector.config).unwrap_or_default(),
                resting: open.iter().find(|(l, ..)| *l == lane).map(|(_, until, why)| (*until, why.clone())),
                last: Timestamp(0),
                waiting: 0,
                parked: 0,
                connector,
            };
            for (_, state, count, at) in standing.iter().filter(|(t, ..)| *t == target) {
                match DeliveryState::parse(state) {
                    Some(DeliveryState::Accepted | DeliveryState::Confirmed) => {
                        view.last = view.last.max(*at);
                    }
                    Some(DeliveryState::Parked) => view.parked += count,
                    Some(state) if state.is_open() => view.waiting += count,
                    _ => {}
                }
            }
            view
        });
        Ok((row, views.collect()))
    }

    /// Adds a connector.
    ///
    /// # Errors
    /// [`TargetsError::Refused`] when the settings cannot be used or are not allowed.
    pub async fn add_target(
        &self,
        access: &Access,
        tenant: TenantId,
        text: &TargetText,
    ) -> Result<ConnectorId, TargetsError> {
        administers(access, tenant)?;
        self.admit(tenant, text).await?;
        if text.kind == "webhook" && text.secret.is_none() {
            return refused("PST-CONNECTOR-0005");
        }
        let connector = Connector {
            tenant,
            id: ConnectorId::new(self.ids()),
            kind: text.kind.clone(),
            name: text.name.trim().to_owned(),
            config: text.config.to_string(),
            wrapped_secret: String::new(),
            active: text.active,
            version: 1,
        };
        let mut edit = self.edit(&Who::Principal { id: access.principal }).await?;
        named_once(edit.tx().await?, &connector).await?;
        edit.add_connector(&connector, text.secret.as_deref()).await?;
        edit.commit().await?;
        Ok(connector.id)
    }

    /// Changes a connector; `seen` is the version it was made from.
    ///
    /// # Errors
    /// [`TargetsError::Changed`] when somebody was faster, [`TargetsError::Refused`] as for a new one.
    pub async fn change_target(
        &self,
        access: &Access,
        tenant: TenantId,
        id: ConnectorId,
        seen: i64,
        text: &TargetText,
    ) -> Result<(), TargetsError> {
        let old = self.target(access, tenant, id).await?;
        let config = text.config.to_string();
        let same: bool = serde_json::from_str::<Value>(&old.config).is_ok_and(|c| c == text.config);
        let text = TargetText { kind: old.kind.clone(), ..text.clone() };
        // What the operator once set up may be renamed or switched off by the tenant as it stands.
        if same && text.secret.is_none() {
            if !name_fits(&text.name) {
                return refused("PST-CONNECTOR-0001");
            }
        } else {
            self.admit(tenant, &text).await?;
        }
        let config = if same { old.config.clone() } else { config };
        let new = Connector {
            name: text.name.trim().to_owned(),
            config,
            active: text.active,
            version: seen,
            ..old
        };
        let mut edit = self.edit(&Who::Principal { id: access.principal }).await?;
        named_once(edit.tx().await?, &new).await?;
        edit.change_connector(&new, text.secret.as_deref()).await?;
        edit.commit().await?;
        Ok(())
    }

    /// One connector.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not there or not for these eyes.
    pub async fn target(
        &self,
        access: &Access,
        tenant: TenantId,
        id: ConnectorId,
    ) -> Result<Connector, TargetsError> {
        administers(access, tenant)?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        Ok(tenants::get_connector(&mut tx, tenant, id).await?.ok_or(ViewError::NotFound)?)
    }

    /// Really tries a connector as it is kept; `Ok(Some)` is why it does not work.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when it is not there or not for these eyes.
    pub async fn probe_target(
        &self,
        access: &Access,
        tenant: TenantId,
        id: ConnectorId,
    ) -> Result<Option<Reason>, TargetsError> {
        let connector = self.target(access, tenant, id).await?;
        let channel = self.kind(&connector.kind)?;
        let secret = self.connector_secret(&connector).await?;
        let config = serde_json::from_str(&connector.config).unwrap_or_default();
        let cx = Cx { deadline: self.clock.now().plus(PROBE), ..self.cx(tenant) };
        let tried = tokio::time::timeout(PROBE, channel.probe(&cx, &config, secret.as_deref())).await;
        Ok(match tried {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.reason),
            Err(_) => Some(Reason::new("PST-CONNECTOR-0004", Fault::Remote).with("seconds", PROBE.as_secs())),
        })
    }

    fn kind(&self, kind: &str) -> Result<&dyn Channel, TargetsError> {
        match self.channels.get(kind) {
            Some(channel) if kind != "mail" => Ok(channel.as_ref()),
            _ => refused("PST-CONNECTOR-0002"),
        }
    }

    async fn admit(&self, tenant: TenantId, text: &TargetText) -> Result<(), TargetsError> {
        if !name_fits(&text.name) {
            return refused("PST-CONNECTOR-0001");
        }
        let channel = self.kind(&text.kind)?;
        let slug = self.tenant(tenant).await?.slug.clone();
        channel
            .admits(&slug, &text.config, text.secret.as_deref())
            .await
            .map_err(|error| TargetsError::Refused(error.reason))
    }
}

/// Names are how files and people tell connectors apart.
async fn named_once(tx: &mut Tx, new: &Connector) -> Result<(), TargetsError> {
    tx.enter(Scope::Tenant(new.tenant)).await?;
    let there = tenants::connectors(tx, new.tenant).await?;
    if there.iter().any(|c| c.id != new.id && c.name == new.name) {
        let reason = Reason::new("PST-CONNECTOR-0006", Fault::Sender).with("name", &new.name);
        return Err(TargetsError::Refused(reason));
    }
    Ok(())
}

fn administers(access: &Access, tenant: TenantId) -> Result<(), ViewError> {
    if access.has(Role::TenantAdmin, tenant) { Ok(()) } else { Err(ViewError::NotFound) }
}
