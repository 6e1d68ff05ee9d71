// SPDX-License-Identifier: EUPL-1.2
//! The world against a whole hub: SQLite and files in a temporary folder, everything on loopback.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "it/house.rs"]
mod house;

#[path = "it/conformance.rs"]
mod conformance;
#[path = "it/day.rs"]
mod day;
#[path = "it/direct.rs"]
mod direct;
#[path = "it/doubt.rs"]
mod doubt;
#[path = "it/far_side.rs"]
mod far_side;
#[path = "it/limits.rs"]
mod limits;
#[path = "it/oracle.rs"]
mod oracle;
#[path = "it/scanner.rs"]
mod scanner;
#[path = "it/threads.rs"]
mod threads;
#[path = "it/webhook.rs"]
mod webhook;
