// SPDX-License-Identifier: EUPL-1.2
//! The one integration binary: the program itself, started as an operator starts it.

// Helper functions of tests are test code too; the configured exception covers only `#[test]` functions.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "it/backup.rs"]
mod backup;
#[path = "it/place.rs"]
mod place;
#[path = "it/preview.rs"]
mod preview;
#[path = "it/setup/mod.rs"]
mod setup;
#[path = "it/transfer.rs"]
mod transfer;
