// SPDX-License-Identifier: EUPL-1.2
//! What all handlers share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use poststelle_crypto::digest::sha256;
use poststelle_hub::Hub;
use poststelle_hub::people::{SignIn, SignedIn};
use poststelle_model::Timestamp;
use tokio::sync::Semaphore;

use crate::limit::Limiter;
use crate::preview::AT_ONCE;

/// What this program is; shown on the operator's page and in `/health/ready`.
#[derive(Debug, Clone, Default)]
pub struct BuildInfo {
    /// Version, `0.1.0`.
    pub version: String,
    /// Revision it was built from; empty = unknown.
    pub revision: String,
    /// Name of this node.
    pub node: String,
}

/// What the binary plugs in.
pub struct WebConfig {
    /// The house.
    pub hub: Arc<Hub>,
    /// How people prove who they are.
    pub sign_in: Arc<dyn SignIn>,
    /// Cookies only over TLS (`Secure`, `__Host-`): true wherever a proxy in front speaks TLS.
    pub secure_cookies: bool,
    /// Proxies whose `X-Forwarded-For` is believed; empty = none.
    pub proxies: Vec<IpAddr>,
    /// What this program is.
    pub build: BuildInfo,
    /// Requests one API token may make within a minute; more are told to wait.
    pub api_per_minute: u32,
    /// Draws a page of a PDF document ([`crate::preview::pdf_page`]): program and arguments; empty = nobody does.
    pub pdf: Vec<std::ffi::OsString>,
}

/// Failed sign-ins from one address within [`WINDOW`].
const PER_ADDRESS: u32 = 30;
/// Failed sign-ins for one name within [`WINDOW`].
const PER_LOGIN: u32 = 10;
/// Window of both.
const WINDOW: Duration = Duration::from_secs(300);
/// Password checks at once; each takes about 19 MiB.
const CHECKS: usize = 4;
/// How long an operator who was verified may see the status page while sessions cannot be read.
const OPERATOR_KEPT: Duration = Duration::from_secs(600);
/// Most operators remembered.
const OPERATORS_CAP: usize = 200;

struct Shared {
    config: WebConfig,
    by_address: Limiter,
    by_login: Limiter,
    by_token: Limiter,
    checks: Semaphore,
    drawings: Semaphore,
    operators: Mutex<HashMap<[u8; 32], (Timestamp, SignedIn)>>,
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub(crate) struct Web(Arc<Shared>);

impl Web {
    pub(crate) fn new(config: WebConfig) -> Self {
        Self(Arc::new(Shared {
            by_address: Limiter::new(PER_ADDRESS, WINDOW),
            by_login: Limiter::new(PER_LOGIN, WINDOW),
            by_token: Limiter::new(config.api_per_minute.max(1), Duration::from_secs(60)),
            checks: Semaphore::new(CHECKS),
            drawings: Semaphore::new(AT_ONCE),
            operators: Mutex::default(),
            config,
        }))
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.0.config.hub
    }

    pub(crate) fn shared_hub(&self) -> Arc<Hub> {
        Arc::clone(&self.0.config.hub)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.hub().clock().now()
    }

    pub(crate) fn config(&self) -> &WebConfig {
        &self.0.config
    }

    pub(crate) fn by_address(&self) -> &Limiter {
        &self.0.by_address
    }

    pub(crate) fn by_login(&self) -> &Limiter {
        &self.0.by_login
    }

    pub(crate) fn by_token(&self) -> &Limiter {
        &self.0.by_token
    }

    pub(crate) fn drawings(&self) -> &Semaphore {
        &self.0.drawings
    }

    pub(crate) fn checks(&self) -> &Semaphore {
        &self.0.checks
    }

    /// Remembers an operator just verified against the database.
    pub(crate) fn remember_operator(&self, token: &str, signed: &SignedIn) {
        let now = self.now();
        let mut kept = self.operators();
        kept.retain(|_, (at, _)| now.since(*at) < OPERATOR_KEPT);
        if kept.len() < OPERATORS_CAP {
            kept.insert(sha256(token.as_bytes()), (now, signed.clone()));
        }
    }

    /// The operator behind a cookie, if verified within the last ten minutes. Only for the status page.
    pub(crate) fn remembered_operator(&self, token: &str) -> Option<SignedIn> {
        let now = self.now();
        let kept = self.operators();
        let (at, signed) = kept.get(&sha256(token.as_bytes()))?;
        (now.since(*at) < OPERATOR_KEPT).then(|| signed.clone())
    }

    /// Forgets a session: it ended, or the person is no longer an operator.
    pub(crate) fn forget_operator(&self, token: &str) {
        self.operators().remove(&sha256(token.as_bytes()));
    }

    fn operators(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], (Timestamp, SignedIn)>> {
        self.0.operators.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
