// SPDX-License-Identifier: EUPL-1.2
//! The hub on the web: pages for people, `/api/v1` for programs, health and numbers for machines.
//!
//! Guarantees: pages are German, whole without JavaScript and free of foreign
//! content; every answer carries security headers and a request id; every refusal
//! is a page or an RFC 9457 problem with a stable code and a German sentence; what
//! somebody may not see looks exactly like what is not there; a message is
//! acknowledged only after its commit. Nothing is decided here about mail: all
//! rights are asked from [`poststelle_model::Access`] through the hub.
//!
//! Not here: TLS (a proxy in front speaks it), administration pages.

mod api;
mod assets;
mod download;
mod error;
mod guard;
mod html;
mod limit;
mod pages;
pub mod preview;
mod probe;
mod routes;
mod serve;
mod session;
mod text;
mod web;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;

pub use api::openapi::text as openapi;
pub use routes::ROUTES;
pub use serve::serve;
pub use web::{BuildInfo, WebConfig};

use web::Web;

/// Longest form, bytes.
const FORM_CAP: usize = 64 * 1024;

/// All routes, with what is around every request.
pub fn router(config: WebConfig) -> Router {
    guarded(routes::all(), config)
}

/// `/health` and `/metrics` alone, for a door that only monitoring reaches.
pub fn machines(config: WebConfig) -> Router {
    guarded(routes::machines(), config)
}

fn guarded(routes: Router<Web>, config: WebConfig) -> Router {
    let web = Web::new(config);
    routes
        // Handed-in messages are streamed under the hub's own cap: they are no form.
        .layer(DefaultBodyLimit::max(FORM_CAP))
        .layer(middleware::from_fn_with_state(web.clone(), guard::around))
        .with_state(web)
}
