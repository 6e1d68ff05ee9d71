// SPDX-License-Identifier: EUPL-1.2
//! Integration tests of the inspection station.

// Helper functions of tests are test code too; the configured exception covers only `#[test]` functions.
#![allow(clippy::unwrap_used)]

mod asic;
