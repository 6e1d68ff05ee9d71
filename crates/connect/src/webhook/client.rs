// SPDX-License-Identifier: EUPL-1.2
//! The HTTP clients of this crate: one guarded, one for internal targets.
//!
//! Guarantees: TLS by rustls on AWS-LC with the roots of the system; no redirects, no proxies, no cookies, no
//! decompression, HTTP/1.1; connecting is limited in time; names are resolved by the [`Guard`].
//! Does not: limit the whole call; each request sets its own time-out.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};

use super::guard::{Guard, Lookup, SystemLookup};

/// Longest time to connect, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Idle connections are closed after this, so that a changed address is noticed.
const IDLE: Duration = Duration::from_secs(20);

/// What the clients are built from.
#[derive(Clone)]
pub struct Options {
    /// May a connector's settings allow internal targets (`allow_private`)? A decision of the operator.
    pub permit_private: bool,
    /// Roots beside those of the system.
    pub extra_roots: Vec<Certificate>,
    /// How names become addresses.
    pub lookup: Arc<dyn Lookup>,
}

impl Default for Options {
    fn default() -> Self {
        Self { permit_private: false, extra_roots: Vec::new(), lookup: Arc::new(SystemLookup) }
    }
}

/// A client with its guard.
pub(crate) struct Guarded {
    pub guard: Guard,
    pub client: Client,
}

/// Builds one client.
pub(crate) fn build(options: &Options, allow_private: bool) -> Result<Guarded, reqwest::Error> {
    let guard = Guard::new(Arc::clone(&options.lookup), allow_private);
    let client = Client::builder()
        .user_agent(concat!("poststelle/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .https_only(!allow_private)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .http1_only()
        .dns_resolver(Arc::new(guard.clone()))
        .tls_backend_rustls()
        .tls_certs_merge(options.extra_roots.iter().cloned())
        .build()?;
    Ok(Guarded { guard, client })
}
