// SPDX-License-Identifier: EUPL-1.2
//! Signature of a webhook call (Standard Webhooks, scheme `v1`).
//!
//! Guarantees: the signature covers id, time and body, so none can be exchanged; secrets in the form
//! `whsec_<base64>` are decoded as the scheme asks, anything else is the key as it stands.
//! Does not: stop replays; the far side compares `Webhook-Timestamp` with its clock and remembers the id.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poststelle_crypto::CryptoError;
use poststelle_crypto::token::MacKey;

/// The key from a connector's secret.
///
/// # Errors
/// [`CryptoError`] when it is too short (16 bytes after decoding).
pub fn key(secret: &[u8]) -> Result<MacKey, CryptoError> {
    let decoded = secret.strip_prefix(b"whsec_").and_then(|text| STANDARD.decode(text).ok());
    MacKey::new(decoded.as_deref().unwrap_or(secret))
}

/// Value of `Webhook-Signature`: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
#[must_use]
pub fn signature(key: &MacKey, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    format!("v1,{}", STANDARD.encode(key.sign(&signed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with an independent implementation (Python's hmac).
    #[test]
    fn fixed_vector() {
        let key = key(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("key");
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert!(super::key(b"short").is_err());
    }
}
