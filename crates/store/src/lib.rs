// SPDX-License-Identifier: EUPL-1.2
//! SQL, blobs and keys at rest.
//!
//! Guarantees: one SQL text for SQLite and PostgreSQL ([`sql`]), every statement
//! inside a [`Tx`] that names its [`Scope`] first; on PostgreSQL row-level
//! security is the second wall. Nothing is acknowledged as stored before it is
//! synced. Payloads never pass through SQL. It knows no protocol and decides nothing.

pub mod access;
pub mod accounts;
pub mod administration;
pub mod backup;
pub mod balance;
pub mod blob;
pub mod books;
mod bulk;
mod db;
pub mod desk;
pub mod drafts;
mod error;
pub mod evidence;
pub mod inspection;
pub mod jobs;
pub mod keys;
mod lines;
pub mod messages;
pub mod migrate;
pub mod quarantine;
pub mod rules;
pub mod search;
pub mod sql;
pub mod tenants;
pub mod text_blocks;
pub mod threads;
pub mod transfer;

pub use bulk::Value;
pub use db::{Db, DbConfig, Dialect, Scope, Tx};
pub use error::StoreError;
