// SPDX-License-Identifier: EUPL-1.2
//! Static files, embedded by `build.rs`.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::error::Refusal;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/static_files.rs"));
}

/// Is this file embedded?
pub(crate) fn has(name: &str) -> bool {
    embedded::FILES.iter().any(|(n, _, _)| *n == name)
}

/// The address of a file.
fn address(name: &str) -> String {
    format!("/static/{}/{name}", embedded::DIGEST)
}

/// Style sheets of every page, in order. Without KERN-UX our own plain style takes its place.
pub(crate) fn styles() -> Vec<String> {
    let names: &[&str] = if has("kern.min.css") {
        &["fonts.css", "kern.min.css", "poststelle.css"]
    } else {
        &["schlicht.css", "poststelle.css"]
    };
    names.iter().filter(|n| has(n)).map(|n| address(n)).collect()
}

/// The picture in the tab of the browser.
pub(crate) fn icon() -> String {
    address("poststelle.svg")
}

/// The script for the page on which people write.
pub(crate) fn writing_script() -> String {
    address("schreiben.js")
}

/// The script that shows what is new.
pub(crate) fn live_script() -> String {
    address("neues.js")
}

/// `GET /static/{digest}/{name}`: an old digest (a page of the node before) gets today's file, not to be kept.
pub(crate) async fn file(Path((digest, name)): Path<(String, String)>) -> Result<Response, Refusal> {
    let (_, kind, octets) =
        embedded::FILES.iter().find(|(n, _, _)| *n == name).ok_or_else(Refusal::not_found)?;
    let keep = if digest == embedded::DIGEST { "public, max-age=31536000, immutable" } else { "no-cache" };
    Ok(([(CONTENT_TYPE, *kind), (CACHE_CONTROL, keep)], *octets).into_response())
}
