// SPDX-License-Identifier: EUPL-1.2
//! The one integration binary: hand-overs against real folders and real HTTP servers.

// Helper functions of tests are test code too; the configured exception covers only `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "it/child.rs"]
mod child;
#[path = "it/crash.rs"]
mod crash;
#[path = "it/fake.rs"]
mod fake;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/folder.rs"]
mod folder;
#[path = "it/server.rs"]
mod server;
#[path = "it/webhook.rs"]
mod webhook;

#[test]
fn codes_are_unique_and_speak() {
    let mut seen = std::collections::HashSet::new();
    for (code, sentence) in poststelle_connect::codes() {
        assert!(seen.insert(code), "{code} twice");
        assert!(code.starts_with("PST-") && sentence.ends_with('.'), "{code}");
    }
}
