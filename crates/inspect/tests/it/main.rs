// SPDX-License-Identifier: EUPL-1.2
//! The one integration binary of the inspection station.

// Helper functions of tests are test code too; the configured exception covers only `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod agreement;
mod archives;
mod asic;
mod attacks;
mod bed;
mod forge;
mod formats;
mod pdf;
mod scanner;
