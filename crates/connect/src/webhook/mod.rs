// SPDX-License-Identifier: EUPL-1.2
//! The webhook: tells a specialist application about a message; it fetches the octets over the REST API.
//!
//! Guarantees: one POST per attempt with the same id and the same body under one idempotency key, signed with
//! the connector's secret (Standard Webhooks: `Webhook-Id`, `Webhook-Timestamp`, `Webhook-Signature`); only
//! public addresses are called unless operator and settings both allow more (see [`guard`]); what may have
//! arrived is `Unclear`, and the hub asks again with the same key.
//! Does not: follow redirects, use a proxy, or know whether the far side fetched anything.
//!
//! Settings: `{ "url": "https://…", "part_base_url": "https://hub.example/api/v1", "timeout_seconds": 30,
//! "allow_private": false }`. Sources: CloudEvents 1.0, Standard Webhooks, draft-ietf-httpapi-idempotency-key.

pub mod answer;
mod client;
pub mod event;
mod fault;
pub mod guard;
pub mod sign;

use std::time::Duration;

use async_trait::async_trait;
use poststelle_crypto::token::MacKey;
use poststelle_hub::channel::{
    Channel, ChannelError, Confirms, Cx, Descriptor, IdempotencyKey, Outgoing, SendOutcome,
};
use poststelle_model::{Fault, Reason};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;

pub use self::client::Options;
use self::client::{Guarded, build};
pub use self::fault::CODES;
use self::fault::{outcome, refused, settings};

/// Longest time-out a connector may set, seconds.
pub const MAX_TIMEOUT: u64 = 120;

/// Settings of one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whom to call; `https`, or `http` with `allow_private`.
    pub url: String,
    /// Address of the REST API, to build links to parts.
    pub part_base_url: String,
    /// Time for the whole call, 1 to [`MAX_TIMEOUT`].
    #[serde(default = "thirty")]
    pub timeout_seconds: u64,
    /// May the target be internal? Counts only where the operator permits it.
    #[serde(default)]
    pub allow_private: bool,
}

const fn thirty() -> u64 {
    30
}

/// Checked settings.
struct Target {
    url: Url,
    host: String,
    base: String,
    timeout: Duration,
    allow_private: bool,
}

/// The channel. One value serves all webhooks.
pub struct Webhook {
    guarded: Guarded,
    open: Guarded,
    permit_private: bool,
}

impl Webhook {
    /// Builds both clients.
    ///
    /// # Errors
    /// When the system's TLS roots cannot be used.
    pub fn new(options: &Options) -> Result<Self, ChannelError> {
        let broken = |error: reqwest::Error| {
            ChannelError::never(Reason::new("PST-WEBHOOK-1005", Fault::Operator).with("detail", error))
        };
        Ok(Self {
            guarded: build(options, false).map_err(broken)?,
            open: build(options, true).map_err(broken)?,
            permit_private: options.permit_private,
        })
    }

    fn client(&self, target: &Target) -> &Guarded {
        if target.allow_private { &self.open } else { &self.guarded }
    }

    /// Reads and checks the settings.
    fn target(&self, config: &serde_json::Value) -> Result<Target, ChannelError> {
        let config = Config::deserialize(config).map_err(|e| settings(&e))?;
        let allow_private = config.allow_private && self.permit_private;
        let url = Url::parse(&config.url).map_err(|e| settings(&format!("url: {e}")))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let wrong = |detail: &str| {
            let shown = format!("{}://{host}", url.scheme());
            ChannelError::never(
                Reason::new("PST-WEBHOOK-1002", Fault::Tenant).with("url", shown).with("detail", detail),
            )
        };
        if !matches!((url.scheme(), allow_private), ("https", _) | ("http", true)) {
            return Err(wrong("scheme must be https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("no user or password in the address"));
        }
        let base = Url::parse(&config.part_base_url).map_err(|e| settings(&format!("part_base_url: {e}")))?;
        if !matches!(base.scheme(), "https" | "http") || base.query().is_some() || base.fragment().is_some() {
            return Err(settings(&"part_base_url must be http(s) without query"));
        }
        if !(1..=MAX_TIMEOUT).contains(&config.timeout_seconds) {
            return Err(settings(&format!("timeout_seconds must be 1 to {MAX_TIMEOUT}")));
        }
        let target = Target {
            host,
            base: base.as_str().trim_end_matches('/').to_owned(),
            timeout: Duration::from_secs(config.timeout_seconds),
            allow_private,
            url,
        };
        self.client(&target).guard.literal(&target.host).map_err(|e| refused(&e))?;
        Ok(target)
    }
}

impl Webhook {
    /// One signed call; `id` is its idempotency key.
    async fn post(
        &self,
        cx: &Cx,
        target: &Target,
        secret: Option<&[u8]>,
        id: &str,
        body: Vec<u8>,
        attempt: i64,
    ) -> Result<SendOutcome, ChannelError> {
        let key = usable(secret)?;
        let value = HeaderValue::from_str(id).map_err(|e| settings(&e))?;
        let now = cx.clock.now();
        let timestamp = now.0.div_euclid(1_000_000);
        let request = self
            .client(target)
            .client
            .post(target.url.clone())
            .timeout(target.timeout.min(cx.time_left()))
            .header(CONTENT_TYPE, event::MEDIA_TYPE)
            .header("Idempotency-Key", value.clone())
            .header("Webhook-Id", value)
            .header("Webhook-Timestamp", timestamp)
            .header("Webhook-Signature", sign::signature(&key, id, timestamp, &body))
            .header("Poststelle-Attempt", attempt)
            .body(body);
        match request.send().await {
            Ok(response) => answer::read(response, &target.host, now).await,
            Err(error) => outcome(error, &target.host),
        }
    }
}

/// The key of a secret, when it is long enough.
fn usable(secret: Option<&[u8]>) -> Result<MacKey, ChannelError> {
    let poor = || ChannelError::never(Reason::new("PST-WEBHOOK-1004", Fault::Tenant));
    secret.and_then(|secret| sign::key(secret).ok()).ok_or_else(poor)
}

#[async_trait]
impl Channel for Webhook {
    fn describe(&self) -> Descriptor {
        Descriptor {
            name: "webhook",
            title: "Webhook",
            // Only the event travels.
            max_size: 1 << 40,
            confirms: Confirms::AtOnce,
            idempotent: true,
            parallel: 8,
        }
    }

    /// Settings, name, address, connection and TLS; any HTTP answer to a HEAD will do.
    async fn check(&self, cx: &Cx, config: &serde_json::Value) -> Result<(), ChannelError> {
        let target = self.target(config)?;
        let timeout = target.timeout.min(cx.time_left());
        let request = self.client(&target).client.head(target.url.clone()).timeout(timeout);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match outcome(error, &target.host)? {
                SendOutcome::Unclear { reason, .. } | SendOutcome::Rejected { reason, .. } => {
                    Err(ChannelError::later(reason))
                }
                SendOutcome::Accepted { .. } => Ok(()),
            },
        }
    }

    async fn admits(
        &self,
        _: &str,
        config: &serde_json::Value,
        secret: Option<&[u8]>,
    ) -> Result<(), ChannelError> {
        self.target(config)?;
        secret.map_or(Ok(()), |secret| usable(Some(secret)).map(|_| ()))
    }

    /// A signed event of type [`event::PROBE`], which carries no message; it is repeated nowhere.
    async fn probe(
        &self,
        cx: &Cx,
        config: &serde_json::Value,
        secret: Option<&[u8]>,
    ) -> Result<(), ChannelError> {
        let target = self.target(config)?;
        let id = format!("probe-{}", cx.ids.next());
        let body = event::probe(&id, cx.tenant, &target.base, &cx.clock.now().rfc3339());
        match self.post(cx, &target, secret, &id, body, 1).await? {
            SendOutcome::Accepted { .. } => Ok(()),
            SendOutcome::Rejected { reason, .. } => Err(ChannelError::never(reason)),
            SendOutcome::Unclear { reason, .. } => Err(ChannelError::later(reason)),
        }
    }

    async fn send(&self, cx: &Cx, out: &Outgoing, key: &IdempotencyKey) -> Result<SendOutcome, ChannelError> {
        let target = self.target(&out.config)?;
        let body = event::body(out, key, &target.base).await?;
        let secret = out.secret.as_ref().map(|secret| secret.as_slice());
        self.post(cx, &target, secret, &key.0, body, out.attempt).await
    }
}
