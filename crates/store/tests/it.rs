// SPDX-License-Identifier: EUPL-1.2
//! The one integration binary: the contract of the store on both databases and both blob stores.

// Helper functions of tests are test code too; the configured exception covers only `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::disallowed_methods, reason = "raw SQL shows what the database itself refuses")]

#[path = "it/bed.rs"]
mod bed;
#[path = "it/blobs.rs"]
mod blobs;
#[path = "it/desk.rs"]
mod desk;
#[path = "it/directory.rs"]
mod directory;
#[path = "it/drafts.rs"]
mod drafts;
#[path = "it/inspection.rs"]
mod inspection;
#[path = "it/jobs.rs"]
mod jobs;
#[path = "it/migrations.rs"]
mod migrations;
#[path = "it/rows.rs"]
mod rows;
#[path = "it/rules.rs"]
mod rules;
#[path = "it/scale.rs"]
mod scale;
#[path = "it/search.rs"]
mod search;
#[path = "it/statements.rs"]
mod statements;
#[path = "it/text_blocks.rs"]
mod text_blocks;
#[path = "it/threads.rs"]
mod threads;
#[path = "it/transfer.rs"]
mod transfer;
#[path = "it/walls.rs"]
mod walls;
