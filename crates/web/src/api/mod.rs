// SPDX-License-Identifier: EUPL-1.2
//! `/api/v1`: for programs. JSON in English words and codes, German sentences where a person will read them.
//!
//! Guarantees: additive within the version; refusals are RFC 9457 problems with a stable `code`; a foreign tenant's ids
//! and unknown ids get the same answer, octet for octet. A token reaches only the tenant it is bound to; a person's
//! session may read, never change.

mod intake;
mod log;
mod read;
mod status;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;

use crate::download;
use crate::web::Web;

/// Routes below `/api/v1`.
pub(crate) fn routes() -> Router<Web> {
    Router::new()
        // Streamed under the hub's own cap.
        .route("/messages", get(read::list).post(intake::take).layer(DefaultBodyLimit::disable()))
        .route("/messages/{tenant}/{id}", get(read::one))
        .route("/messages/{tenant}/{id}/timeline", get(read::timeline))
        .route("/messages/{tenant}/{id}/original", get(download::api_original))
        .route("/messages/{tenant}/{id}/parts/{n}", get(download::api_part))
        .route("/balance", get(status::balance))
        .route("/status", get(status::status))
        .route("/tenants/{tenant}/log/checkpoint", get(log::checkpoint))
        .route("/tenants/{tenant}/log/tile/{*path}", get(log::tile))
}
