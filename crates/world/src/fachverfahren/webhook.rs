// SPDX-License-Identifier: EUPL-1.2
//! The far side of a webhook: verifies the signature, knows keys it has seen, goes wrong on demand.
//!
//! Guarantees: what is wrong with a call is answered 400 or 401 and counted, a key seen before with the same
//! body is answered 409 without counting it as new. Written from the Standard Webhooks text, not from our
//! sender. Does not: compare the time-stamp with a clock, or fetch the parts.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poststelle_crypto::token::MacKey;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Largest body taken.
const BODY_CAP: usize = 16 * 1024 * 1024;

/// Something that goes wrong at the far side of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookFault {
    /// This status; nothing is kept.
    Status(u16),
    /// 503 with `Retry-After` in seconds; nothing is kept.
    RetryAfter(u32),
    /// The event is kept; the answer never comes (until [`WebhookSite::heal`]).
    KeepsSilent,
    /// The event is kept and answered 500.
    KeepsAndFails,
}

/// One event kept.
#[derive(Debug, Clone)]
pub struct Called {
    /// Its idempotency key.
    pub key: String,
    /// Value of `Webhook-Timestamp`.
    pub timestamp: i64,
    /// The event.
    pub event: Value,
    /// How often it came, this time included.
    pub times: u64,
}

#[derive(Default)]
struct Seen {
    order: Vec<String>,
    calls: HashMap<String, (Called, Bytes)>,
    refused: Vec<String>,
    requests: u64,
    faults: VecDeque<WebhookFault>,
    always: Option<WebhookFault>,
}

struct Shared {
    key: MacKey,
    seen: Mutex<Seen>,
    changed: watch::Sender<u64>,
    healed: watch::Sender<u64>,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A far side of webhooks on loopback.
pub struct WebhookSite {
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl WebhookSite {
    /// Starts on a free port; `secret` as the connector has it (`whsec_<base64>` or plain, 16 octets at least).
    ///
    /// # Errors
    /// When the port cannot be opened or the secret is too short.
    pub async fn start(secret: &[u8]) -> io::Result<Self> {
        let decoded = secret.strip_prefix(b"whsec_").and_then(|text| STANDARD.decode(text).ok());
        let key = MacKey::new(decoded.as_deref().unwrap_or(secret)).map_err(io::Error::other)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            key,
            seen: Mutex::default(),
            changed: watch::channel(0).0,
            healed: watch::channel(0).0,
        });
        let routes = Router::new()
            .route("/ereignis", post(take))
            .layer(DefaultBodyLimit::max(BODY_CAP))
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::warn!(%error, "webhook site ended");
            }
        });
        Ok(Self { addr, shared, task })
    }

    /// What to call.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/ereignis", self.addr)
    }

    /// The next calls go wrong, one fault each.
    pub fn breaks(&self, faults: &[WebhookFault]) {
        self.shared.seen().faults.extend(faults);
    }

    /// Every call goes wrong until [`WebhookSite::heal`].
    pub fn breaks_always(&self, fault: WebhookFault) {
        self.shared.seen().always = Some(fault);
    }

    /// All is well again.
    pub fn heal(&self) {
        {
            let mut seen = self.shared.seen();
            seen.faults.clear();
            seen.always = None;
        }
        self.shared.healed.send_modify(|n| *n += 1);
    }

    /// Events kept, in order, each once.
    #[must_use]
    pub fn events(&self) -> Vec<Called> {
        let seen = self.shared.seen();
        seen.order.iter().filter_map(|key| seen.calls.get(key)).map(|(called, _)| called.clone()).collect()
    }

    /// Calls in all.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.seen().requests
    }

    /// Why calls were refused: wrong signature, missing key and so on.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.shared.seen().refused.clone()
    }

    /// Waits until `n` events are kept; false when `timeout` passes first.
    pub async fn wait_for(&self, n: usize, timeout: Duration) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let wait = async {
            loop {
                changed.borrow_and_update();
                if self.shared.seen().order.len() >= n {
                    return true;
                }
                if changed.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(timeout, wait).await.unwrap_or(false)
    }
}

impl Drop for WebhookSite {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let fault = {
        let mut seen = shared.seen();
        seen.requests += 1;
        seen.faults.pop_front().or(seen.always)
    };
    match fault {
        Some(WebhookFault::Status(status)) => {
            return StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        }
        Some(WebhookFault::RetryAfter(seconds)) => {
            let later = [(header::RETRY_AFTER, seconds.to_string())];
            return (StatusCode::SERVICE_UNAVAILABLE, later).into_response();
        }
        _ => {}
    }
    let kept = match verify(&shared.key, &headers, &body) {
        Ok((key, timestamp, event)) => keep(&shared, key, timestamp, event, &body),
        Err((status, why)) => {
            shared.seen().refused.push(why.to_owned());
            return (status, why).into_response();
        }
    };
    shared.changed.send_modify(|n| *n += 1);
    match fault {
        Some(WebhookFault::KeepsAndFails) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(WebhookFault::KeepsSilent) => {
            let _ = shared.healed.subscribe().changed().await;
            kept.into_response()
        }
        _ => kept.into_response(),
    }
}

fn keep(shared: &Shared, key: String, timestamp: i64, event: Value, body: &Bytes) -> StatusCode {
    let mut seen = shared.seen();
    let seen = &mut *seen;
    if let Some((called, earlier)) = seen.calls.get_mut(&key) {
        called.times += 1;
        if earlier != body {
            seen.refused.push(format!("key {key} came with another body"));
            return StatusCode::UNPROCESSABLE_ENTITY;
        }
        return StatusCode::CONFLICT;
    }
    seen.order.push(key.clone());
    let called = Called { key: key.clone(), timestamp, event, times: 1 };
    seen.calls.insert(key, (called, body.clone()));
    StatusCode::ACCEPTED
}

type Wrong = (StatusCode, &'static str);

/// Key, time and event of a call that is as it should be.
fn verify(key: &MacKey, headers: &HeaderMap, body: &[u8]) -> Result<(String, i64, Value), Wrong> {
    let bad = |why| (StatusCode::BAD_REQUEST, why);
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let id = text("webhook-id").ok_or(bad("Webhook-Id is missing"))?;
    let idempotency = text("idempotency-key").ok_or(bad("Idempotency-Key is missing"))?;
    if idempotency != id {
        return Err(bad("Idempotency-Key and Webhook-Id differ"));
    }
    let timestamp = text("webhook-timestamp").ok_or(bad("Webhook-Timestamp is missing"))?;
    let seconds: i64 = timestamp.parse().map_err(|_| bad("Webhook-Timestamp is no number"))?;
    let signatures =
        text("webhook-signature").ok_or((StatusCode::UNAUTHORIZED, "Webhook-Signature is missing"))?;
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let right = signatures
        .split(' ')
        .filter_map(|one| one.strip_prefix("v1,"))
        .filter_map(|text| STANDARD.decode(text).ok())
        .any(|tag| key.verify(&signed, &tag).is_ok());
    if !right {
        return Err((StatusCode::UNAUTHORIZED, "wrong signature"));
    }
    let event: Value = serde_json::from_slice(body).map_err(|_| bad("the body is no JSON"))?;
    if event.get("specversion").and_then(Value::as_str) != Some("1.0")
        || event.get("id").and_then(Value::as_str) != Some(id)
    {
        return Err(bad("not a CloudEvent with this id"));
    }
    Ok((id.to_owned(), seconds, event))
}
