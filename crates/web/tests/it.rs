// SPDX-License-Identifier: EUPL-1.2
//! Pages and API against a real hub on SQLite: sign-in, walls, intake, downloads, troubles.

// Helper functions of tests are test code too; the configured exception covers only `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "it/account.rs"]
mod account;
#[path = "it/admin_api.rs"]
mod admin_api;
#[path = "it/admin_people.rs"]
mod admin_people;
#[path = "it/admin_rules.rs"]
mod admin_rules;
#[path = "it/admin_targets.rs"]
mod admin_targets;
#[path = "it/alarms.rs"]
mod alarms;
#[path = "it/bed.rs"]
mod bed;
#[path = "it/books.rs"]
mod books;
#[path = "it/deputies.rs"]
mod deputies;
#[path = "it/desk.rs"]
mod desk;
#[path = "it/downloads.rs"]
mod downloads;
#[path = "it/inspection.rs"]
mod inspection;
#[path = "it/intake.rs"]
mod intake;
#[path = "it/live.rs"]
mod live;
#[path = "it/log.rs"]
mod log;
#[path = "it/openapi.rs"]
mod openapi;
#[path = "it/pages.rs"]
mod pages;
#[path = "it/preview.rs"]
mod preview;
#[path = "it/readable.rs"]
mod readable;
#[path = "it/reading.rs"]
mod reading;
#[path = "it/resume.rs"]
mod resume;
#[path = "it/search.rs"]
mod search;
#[path = "it/secrets.rs"]
mod secrets;
#[path = "it/sending.rs"]
mod sending;
#[path = "it/sign_in.rs"]
mod sign_in;
#[path = "it/strangers.rs"]
mod strangers;
#[path = "it/text_blocks.rs"]
mod text_blocks;
#[path = "it/texts.rs"]
mod texts;
#[path = "it/trouble.rs"]
mod trouble;
#[path = "it/walls.rs"]
mod walls;
#[path = "it/writing.rs"]
mod writing;
