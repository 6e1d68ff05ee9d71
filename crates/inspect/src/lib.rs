// SPDX-License-Identifier: EUPL-1.2
//! The inspection station: opens, unpacks, scans and verifies every part of a message, and writes the sheet that says so.
//!
//! Guarantees: every parser works under caps; what crosses a cap, crashes or cannot be read is a line on the sheet
//! ("nicht prüfbar"), never an error that stops the rest; an unreachable scanner never means clean; octets leave memory
//! only sealed. Does not: decide routing, write the database, keep anything between two messages.

pub mod asic;
pub mod caps;
pub mod codes;
mod conclusion;
pub mod face;
pub mod law;
mod malware;
mod members;
pub mod notes;
pub mod octets;
pub mod pdf;
pub mod scan;
pub mod sheet;
mod signatures;
pub mod station;
pub mod unpack;

pub use caps::Caps;
pub use law::Law;
pub use sheet::Sheet;
pub use station::Station;
