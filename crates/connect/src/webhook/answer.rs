// SPDX-License-Identifier: EUPL-1.2
//! What the far side's answer means.
//!
//! | status | meaning |
//! |---|---|
//! | 2xx | accepted |
//! | 409 | accepted: the far side knows this key already |
//! | 408, 425, 429, 5xx | later, `Retry-After` is honoured up to a day |
//! | 3xx | refused: redirects are not followed |
//! | other 4xx | refused for good |
//!
//! Guarantees: the status line decides; a body that is too long, broken or late only shortens the receipt. At
//! most [`MAX_RECEIPT`] octets are read and kept.

use std::time::Duration;

use poststelle_hub::channel::{ChannelError, ReceiptText, SendOutcome};
use poststelle_model::{Fault, Reason, Timestamp};
use reqwest::Response;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};

/// Octets of an answer kept as receipt, head included.
pub const MAX_RECEIPT: usize = 64 * 1024;
/// Longest wait a far side may ask for.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);
/// Headers kept.
const KEPT: [&str; 9] = [
    "date",
    "server",
    "content-type",
    "content-length",
    "location",
    "retry-after",
    "webhook-id",
    "x-request-id",
    "x-correlation-id",
];

/// Reads the answer.
pub(crate) async fn read(
    mut response: Response,
    host: &str,
    now: Timestamp,
) -> Result<SendOutcome, ChannelError> {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut octets = Vec::new();
    while octets.len() < MAX_RECEIPT {
        match response.chunk().await {
            Ok(Some(piece)) => {
                let room = MAX_RECEIPT - octets.len();
                octets.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
            }
            Ok(None) | Err(_) => break,
        }
    }
    drop(response);
    let receipt = Some(receipt(status, &headers, &octets));
    let new = |code, fault| Reason::new(code, fault).with("host", host).with("status", status);
    match status {
        200..=299 | 409 => Ok(SendOutcome::Accepted { receipt, foreign_id: foreign_id(&octets) }),
        408 | 425 | 429 | 500.. => {
            let code = if status < 500 { "PST-WEBHOOK-2004" } else { "PST-WEBHOOK-2005" };
            let mut error = ChannelError::later(new(code, Fault::Remote).with("said", said(&octets)));
            error.after = retry_after(&headers, now);
            Err(error)
        }
        _ => {
            let reason = match status {
                300..=399 => {
                    new("PST-WEBHOOK-3004", Fault::Tenant).with("location", text(&headers, LOCATION.as_str()))
                }
                401 | 403 => new("PST-WEBHOOK-3002", Fault::Tenant),
                404 | 405 | 410 => new("PST-WEBHOOK-3003", Fault::Tenant),
                _ => new("PST-WEBHOOK-3001", Fault::Remote),
            };
            Ok(SendOutcome::Rejected { reason: reason.with("said", said(&octets)), receipt })
        }
    }
}

/// Status, chosen headers and body, together at most [`MAX_RECEIPT`].
fn receipt(status: u16, headers: &HeaderMap, octets: &[u8]) -> ReceiptText {
    let mut body = format!("HTTP {status}\n");
    if status == 409 {
        body.push_str("note: the far side knew this key already\n");
    }
    for name in KEPT {
        let value = text(headers, name);
        if !value.is_empty() {
            body.push_str(&format!("{name}: {value}\n"));
        }
    }
    body.push('\n');
    body.push_str(&String::from_utf8_lossy(octets));
    let mut end = body.len().min(MAX_RECEIPT);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    body.truncate(end);
    ReceiptText { kind: "http-response", body }
}

/// A header as text, cut to 500 characters; empty when missing.
fn text(headers: &HeaderMap, name: &str) -> String {
    let value =
        headers.get(name).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).unwrap_or_default();
    value.chars().filter(|c| !c.is_control()).take(500).collect()
}

/// The far side's own id: `id` of a JSON object, text or number.
fn foreign_id(octets: &[u8]) -> String {
    let Ok(serde_json::Value::Object(answer)) = serde_json::from_slice(octets) else { return String::new() };
    let id = match answer.get("id") {
        Some(serde_json::Value::String(id)) => id.clone(),
        Some(serde_json::Value::Number(id)) => id.to_string(),
        _ => String::new(),
    };
    id.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The first words of the body.
fn said(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets.get(..400).unwrap_or(octets)).chars().take(200).collect()
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER.as_str());
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(value).ok()?;
            Timestamp(at.timestamp().as_microsecond()).since(now)
        }
    };
    Some(wait.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn waits() {
        let now = Timestamp(1_795_335_330_000_000); // 2026-11-22T08:15:30Z
        let wait = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            retry_after(&headers, now)
        };
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Sun, 22 Nov 2026 08:16:30 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(wait("Sun, 22 Nov 2020 08:16:30 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999999"), Some(MAX_WAIT));
        assert_eq!(wait("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_receipt_stays_small_whatever_the_octets() {
        let text = receipt(200, &HeaderMap::new(), &vec![0xff; MAX_RECEIPT]);
        assert!(text.body.len() <= MAX_RECEIPT && text.body.len() > MAX_RECEIPT - 8);
        assert_eq!(foreign_id(br#"{"id": 17}"#), "17");
        assert_eq!(foreign_id(br#"{"id": "a\u0000b"}"#), "ab");
        assert_eq!(foreign_id(b"ok"), "");
    }
}
