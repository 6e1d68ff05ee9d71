// SPDX-License-Identifier: EUPL-1.2
//! Specialist applications, simulated: one watches a hot folder ([`Application`]), one is called by webhook
//! ([`WebhookSite`]).
//!
//! Guarantees: an application takes only what [`package::check`] found whole, and counts what came twice under
//! one idempotency key. Does not: understand what is inside.

pub mod package;
mod watch;
pub mod webhook;

pub use package::{Package, PackageError, PackagePart};
pub use watch::{Application, Take, Tally};
pub use webhook::{Called, WebhookFault, WebhookSite};
