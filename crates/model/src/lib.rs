// SPDX-License-Identifier: EUPL-1.2
//! The words of the house: tenants, messages, parts, deliveries, evidence, rules.
//!
//! Guarantees: no I/O, no wall clock, no randomness of its own; every state
//! machine is a total function. What needs time or ids takes [`Clock`] or
//! [`Ids`]. It does not store, send or render anything.

pub mod delivery;
pub mod desk;
pub mod draft;
pub mod evidence;
pub mod fault;
pub mod finding;
pub mod ids;
pub mod message;
pub mod part;
pub mod people;
pub mod quarantine;
pub mod rule;
pub mod time;

pub use delivery::{DeliveryEvent, DeliveryState};
pub use desk::{DeskAct, DeskState, Standing};
pub use draft::{DraftKind, DraftState};
pub use evidence::{Event, Subject};
pub use fault::{Code, Fault, Reason, Retry};
pub use finding::{Finding, Findings};
pub use ids::*;
pub use message::{ChannelKind, Direction, Message};
pub use part::{Encoding, Part};
pub use people::{Access, Role, Who};
pub use quarantine::{HoldCause, HoldState};
pub use rule::{Action, Rule, Target, TargetKind};
pub use time::{Clock, ManualClock, Timestamp};
