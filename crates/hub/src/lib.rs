// SPDX-License-Identifier: EUPL-1.2
//! The way of a message: accept, process, deliver. Knows traits, not protocols.
//!
//! Guarantees: only three durable steps, each one transaction; nothing is
//! acknowledged before it is committed with its evidence; nothing is ever
//! dropped. The protocols come in through [`channel::Channel`], the formats
//! through [`content::Opener`]; both are wired in the binary.

pub mod accept;
pub mod accounts;
pub mod administer;
pub mod books;
pub mod bounce;
pub mod change;
pub mod channel;
pub mod clock;
pub mod content;
mod deliver;
pub mod desk;
pub mod directory;
pub mod engine;
pub mod health;
pub mod hub;
pub mod inspecting;
pub mod letters;
mod live;
mod measured;
pub mod metrics;
pub mod net;
pub mod notice;
pub mod people;
mod process;
pub mod readable;
pub mod reading;
mod recent;
pub mod resume;
pub mod routing;
pub mod rules;
pub mod scrape;
pub mod search;
pub mod status;
pub mod targets;
pub mod texts;
pub mod told;
pub mod trace;
pub mod view;
pub mod watch;
mod words;
pub mod writing;

pub use accept::{AcceptError, Accepted, Intake, NewIntake};
pub use engine::Engine;
pub use hub::{Hub, Limits, Parts};
