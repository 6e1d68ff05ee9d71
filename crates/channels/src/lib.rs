// SPDX-License-Identifier: EUPL-1.2
//! One module per channel: turns a protocol into what the hub knows.
//!
//! Guarantees: nothing here decides routing or writes the database; protocols
//! stay libraries that know nothing of the hub.

pub mod mail;
