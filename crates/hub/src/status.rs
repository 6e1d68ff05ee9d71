// SPDX-License-Identifier: EUPL-1.2
//! The house at a glance, for operators: troubles, alarms, targets not called, queues, the balance. No content of mail.
//!
//! Guarantees: speaks even when the database is gone; an operator may take note only of alarms that do not end by
//! themselves, and that is evidence.

use std::collections::BTreeMap;

use poststelle_evidence::NewEvidence;
use poststelle_model::{AlarmId, Event, Reason, Subject, TenantId, Timestamp, Who};
use poststelle_store::balance::{Counts, Mismatch};
use poststelle_store::evidence::Alarm;
use poststelle_store::{Scope, StoreError, balance, evidence, jobs, tenants};
use serde::Serialize;
use serde_json::json;

use crate::health::{Component, Trouble};
use crate::hub::Hub;
use crate::words;

/// The house at a glance, for operators.
#[derive(Debug, Clone, Default)]
pub struct StatusView {
    /// Troubled components of this node.
    pub troubles: Vec<(Component, Trouble)>,
    /// Open alarms.
    pub alarms: Vec<Alarm>,
    /// Targets that are not called at present.
    pub lanes: Vec<LaneView>,
    /// Jobs per kind: (kind, count, earliest due).
    pub queues: Vec<(String, i64, Timestamp)>,
    /// Channels: (title, stable name).
    pub channels: Vec<(String, String)>,
    /// Counts per tenant, channel, direction.
    pub counts: Vec<Counts>,
    /// What does not add up.
    pub mismatches: Vec<Mismatch>,
    /// Names of tenants.
    pub tenants: BTreeMap<TenantId, String>,
    /// The database could not be asked: only `troubles` is told.
    pub blind: bool,
}

/// A target that this node does not call at present.
#[derive(Debug, Clone)]
pub struct LaneView {
    /// As stored: `<tenant>/<target>`.
    pub lane: String,
    /// Whose.
    pub tenant: Option<TenantId>,
    /// What, in words.
    pub target: String,
    /// Not before.
    pub until: Timestamp,
    /// Why.
    pub reason: Option<Reason>,
}

/// The balance: listed = accepted = delivered + open + parked + failed.
#[derive(Debug, Clone, Serialize)]
pub struct Balance {
    /// Does everything add up?
    pub ok: bool,
    /// Per tenant, channel and direction.
    pub lines: Vec<BalanceLine>,
    /// What does not add up: (kind, tenant, id).
    pub mismatches: Vec<(String, String, String)>,
}

/// One line of the balance.
#[derive(Debug, Clone, Serialize)]
pub struct BalanceLine {
    /// Short name of the tenant.
    pub tenant: String,
    /// Channel.
    pub channel: String,
    /// `in` or `out`.
    pub direction: String,
    /// Acknowledged to the far side, counted from the evidence (all channels of the tenant together).
    pub listed_in_tenant: i64,
    /// Message rows.
    pub accepted: i64,
    /// Done.
    pub delivered: i64,
    /// In work.
    pub open: i64,
    /// Waiting for a person.
    pub parked: i64,
    /// Ended without reaching the target.
    pub failed: i64,
}

impl Hub {
    /// What this node knows by itself, without the database.
    #[must_use]
    pub fn blind_status(&self) -> StatusView {
        let mut channels: Vec<(String, String)> = self
            .channels
            .values()
            .map(|c| (c.describe().title.to_owned(), c.describe().name.to_owned()))
            .collect();
        channels.sort();
        let lane = |(lane, until, reason): (String, Timestamp, Option<Reason>)| LaneView {
            tenant: words::lane_tenant(&lane),
            target: words::lane(&lane),
            lane,
            until,
            reason,
        };
        StatusView {
            troubles: self.health.troubles(),
            lanes: self.health.open_lanes().into_iter().map(lane).collect(),
            channels,
            blind: true,
            ..StatusView::default()
        }
    }

    /// The house at a glance. Speaks even when the database is gone.
    pub async fn status(&self) -> StatusView {
        let mut view = StatusView { blind: false, ..self.blind_status() };
        let read = async {
            let mut tx = self.db.read(Scope::System).await?;
            view.alarms = evidence::open_alarms(&mut tx).await?;
            for shown in &mut view.lanes {
                shown.target = words::named_lane(&mut tx, &shown.lane).await?;
            }
            view.queues = jobs::counts(&mut tx).await?;
            view.counts = balance::counts(&mut tx).await?;
            view.mismatches = balance::mismatches(&mut tx).await?;
            view.tenants = tenants::all(&mut tx).await?.into_iter().map(|t| (t.id, t.name)).collect();
            Ok::<(), StoreError>(())
        };
        if let Err(error) = read.await {
            let error = self.noticed(error);
            tracing::warn!(%error, "status without database");
            view.blind = true;
            view.troubles = self.health.troubles();
        }
        view
    }

    /// Counts everything.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn balance(&self) -> Result<Balance, StoreError> {
        let mut tx = self.db.read(Scope::System).await?;
        let counts = balance::counts(&mut tx).await?;
        let listed: BTreeMap<TenantId, i64> = balance::listed(&mut tx).await?.into_iter().collect();
        let wrong = balance::mismatches(&mut tx).await?;
        let names: BTreeMap<TenantId, String> =
            tenants::all(&mut tx).await?.into_iter().map(|t| (t.id, t.slug)).collect();
        let name = |id: TenantId| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        let mut accepted: BTreeMap<TenantId, i64> = BTreeMap::new();
        for c in &counts {
            *accepted.entry(c.tenant).or_default() += c.accepted;
        }
        let mut mismatches: Vec<(String, String, String)> =
            wrong.into_iter().map(|m| (m.kind.to_owned(), name(m.tenant), m.id)).collect();
        for (tenant, listed) in &listed {
            let accepted = accepted.get(tenant).copied().unwrap_or(0);
            if *listed != accepted {
                mismatches.push((
                    "count".to_owned(),
                    name(*tenant),
                    format!("listed {listed}, accepted {accepted}"),
                ));
            }
        }
        let lines: Vec<BalanceLine> = counts
            .into_iter()
            .map(|c| BalanceLine {
                tenant: name(c.tenant),
                channel: c.channel.as_str().to_owned(),
                direction: c.direction.as_str().to_owned(),
                listed_in_tenant: listed.get(&c.tenant).copied().unwrap_or(0),
                accepted: c.accepted,
                delivered: c.delivered,
                open: c.open,
                parked: c.parked,
                failed: c.failed,
            })
            .collect();
        for l in &lines {
            if l.accepted != l.delivered + l.open + l.parked + l.failed {
                let what = format!("{} {}", l.channel, l.direction);
                mismatches.push(("sum".to_owned(), l.tenant.clone(), what));
            }
        }
        Ok(Balance { ok: mismatches.is_empty(), lines, mismatches })
    }

    /// A person takes note of an alarm, which ends it; false when it had ended before.
    ///
    /// # Errors
    /// [`AlarmError`].
    pub async fn acknowledge(&self, id: AlarmId, who: &Who) -> Result<bool, AlarmError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(Scope::System).await?;
        let (alarm, open) = evidence::alarm(&mut tx, id).await?.ok_or(AlarmError::NotFound)?;
        if !can_acknowledge(&alarm.topic) {
            return Err(AlarmError::EndsByItself);
        }
        if !open {
            return Ok(false);
        }
        evidence::clear_alarm(&mut tx, alarm.tenant, &alarm.topic, now).await?;
        let body = json!({
            "alarm": id.to_string(),
            "topic": alarm.topic,
            "code": alarm.reason.as_ref().map(|r| r.code.as_str()).unwrap_or_default(),
            "raised_at": alarm.raised_at.rfc3339(),
        });
        let subject = Subject::tenant(alarm.tenant);
        let news = NewEvidence::new(alarm.tenant, subject, Event::Acknowledged, who.clone(), body);
        poststelle_evidence::append(&mut tx, now, &[news]).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Alarms that a person ends by taking note. All others end when their cause does.
const ACKNOWLEDGEABLE: [&str; 1] = ["restored"];

/// May an alarm on `topic` be ended by taking note?
#[must_use]
pub fn can_acknowledge(topic: &str) -> bool {
    ACKNOWLEDGEABLE.contains(&topic)
}

/// Why an alarm was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AlarmError {
    /// There is no such alarm.
    #[error("no such alarm")]
    NotFound,
    /// It ends when its cause does, not before.
    #[error("this alarm ends by itself")]
    EndsByItself,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Evidence.
    #[error(transparent)]
    Evidence(#[from] poststelle_evidence::EvidenceError),
}
