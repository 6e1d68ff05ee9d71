// SPDX-License-Identifier: EUPL-1.2
//! Routing rules as data: an ordered list of name, condition (CEL source) and a closed set of actions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{ConnectorId, DeskId, RuleId, TenantId};

/// What kind of place a delivery goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A desk of this house.
    Desk,
    /// A configured connector (hot folder, webhook).
    Connector,
    /// An address on a channel.
    Address,
    /// The message it reports on: a receipt folded in.
    Receipt,
}

impl TargetKind {
    /// The word in metrics and traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desk => "desk",
            Self::Connector => "connector",
            Self::Address => "address",
            Self::Receipt => "receipt",
        }
    }
}

/// Where a delivery goes. Text form `kind:value`, unique per message and rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Target {
    /// A desk.
    Desk {
        /// Which.
        desk: DeskId,
    },
    /// A connector.
    Connector {
        /// Which.
        connector: ConnectorId,
    },
    /// An e-mail address.
    Mail {
        /// `local@domain`.
        address: String,
    },
    /// Folded into another message.
    Receipt {
        /// Id of the delivery it reports on, or `canary`.
        of: String,
    },
}

impl Target {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> TargetKind {
        match self {
            Self::Desk { .. } => TargetKind::Desk,
            Self::Connector { .. } => TargetKind::Connector,
            Self::Mail { .. } => TargetKind::Address,
            Self::Receipt { .. } => TargetKind::Receipt,
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, value) = text.split_once(':')?;
        Some(match kind {
            "desk" => Self::Desk { desk: value.parse().ok()? },
            "connector" => Self::Connector { connector: value.parse().ok()? },
            "mail" => Self::Mail { address: value.to_owned() },
            "receipt" => Self::Receipt { of: value.to_owned() },
            _ => return None,
        })
    }

    /// What one circuit breaker guards: the connector, or the domain mail goes to.
    #[must_use]
    pub fn lane(&self) -> String {
        match self {
            Self::Mail { address } => {
                format!("mail:{}", address.rsplit_once('@').map_or("", |(_, d)| d).to_ascii_lowercase())
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Desk { desk } => write!(f, "desk:{desk}"),
            Self::Connector { connector } => write!(f, "connector:{connector}"),
            Self::Mail { address } => write!(f, "mail:{address}"),
            Self::Receipt { of } => write!(f, "receipt:{of}"),
        }
    }
}

/// What a rule does. A closed set: nothing here can drop a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Lay it on a desk.
    ToDesk {
        /// Which.
        desk: DeskId,
    },
    /// Hand it to a specialist application.
    ToConnector {
        /// Which.
        connector: ConnectorId,
    },
    /// Send it on to an address on the mail channel.
    ToAddress {
        /// `local@domain`.
        address: String,
    },
    /// A further copy to a desk; the search goes on.
    CopyToDesk {
        /// Which.
        desk: DeskId,
    },
    /// Mark as urgent.
    Priority,
    /// To the clearing desk, with this rule as the reason.
    ToClearing,
}

impl Action {
    /// Does the action place the message somewhere, so that the search ends?
    #[must_use]
    pub const fn places(&self) -> bool {
        matches!(
            self,
            Self::ToDesk { .. } | Self::ToConnector { .. } | Self::ToAddress { .. } | Self::ToClearing
        )
    }
}

/// One rule of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: RuleId,
    /// Place in the order, ascending.
    pub position: i64,
    /// What people call it.
    pub name: String,
    /// CEL source, at most 4 KiB; true = hit.
    pub condition: String,
    /// What happens on a hit, in order.
    pub actions: Vec<Action>,
    /// Off = kept but not asked.
    pub active: bool,
    /// Grows by one with each change.
    pub version: i64,
}
