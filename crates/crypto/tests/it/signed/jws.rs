// SPDX-License-Identifier: EUPL-1.2
//! JWS: values made by openssl, and what must not pass.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as URL};
use poststelle_crypto::certificate::Certificate;
use poststelle_crypto::signature::algorithm::ecdsa_to_plain;
use poststelle_crypto::signature::jws::verify;

use super::{NOW, Pki, at, must, program, short};

/// Signs with the openssl program.
fn token(pki: &Pki, alg: &str, more: &str, payload: &[u8]) -> Option<[String; 3]> {
    let openssl = program("openssl")?;
    let certificate = Certificate::all_from(pki.certificate.as_bytes()).remove(0);
    let header = format!(r#"{{"alg":"{alg}","x5c":["{}"]{more}}}"#, STANDARD.encode(certificate.der()));
    let (header, payload) = (URL.encode(header), URL.encode(payload));
    let input = pki.write("input", format!("{header}.{payload}"));
    let mut sign = Command::new(openssl);
    sign.args(["dgst", if alg.ends_with("512") { "-sha512" } else { "-sha256" }]);
    if alg.starts_with("PS") {
        sign.args(["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]);
    }
    let value = must(sign.arg("-sign").arg(pki.path("key.pem")).arg(input));
    let value = if alg.starts_with("ES") { ecdsa_to_plain(&value, 32).unwrap() } else { value };
    Some([header, payload, URL.encode(value)])
}

#[test]
fn what_openssl_signs_is_judged_good() {
    for (alg, key) in [
        ("RS256", &rcgen::PKCS_RSA_SHA256),
        ("RS512", &rcgen::PKCS_RSA_SHA256),
        ("PS256", &rcgen::PKCS_RSA_SHA256),
        ("PS512", &rcgen::PKCS_RSA_SHA256),
        ("ES256", &rcgen::PKCS_ECDSA_P256_SHA256),
    ] {
        let pki = Pki::new(key);
        let trust = pki.trust();
        let judge =
            |token: &str, content: Option<&[u8]>| short(&verify(token.as_bytes(), content, &at(&trust, NOW)));
        let Some([header, payload, value]) = token(&pki, alg, "", b"{\"a\":1}") else { return };
        assert_eq!(judge(&format!("{header}.{payload}.{value}"), None), ["TOTAL-PASSED"], "{alg}");
        let json = format!(
            r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{value}"}}]}}"#
        );
        assert_eq!(judge(&json, None), ["TOTAL-PASSED"], "{alg}");
        let flat = format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{value}"}}"#);
        assert_eq!(judge(&flat, None), ["TOTAL-PASSED"], "{alg}");
        let detached = format!("{header}..{value}");
        assert_eq!(judge(&detached, Some(b"{\"a\":1}")), ["TOTAL-PASSED"], "{alg}");
        assert_eq!(judge(&detached, None), ["INDETERMINATE/SIGNED_DATA_NOT_FOUND"], "{alg}");
        assert_eq!(judge(&detached, Some(b"{\"a\":2}")), ["TOTAL-FAILED/SIG_CRYPTO_FAILURE"], "{alg}");
        let other = URL.encode(b"{\"a\":9}");
        assert_eq!(
            judge(&format!("{header}.{other}.{value}"), None),
            ["TOTAL-FAILED/SIG_CRYPTO_FAILURE"],
            "{alg}"
        );
    }
}

#[test]
fn none_and_keyed_hashes_and_unknown_critical_headers_never_pass() {
    let pki = Pki::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let trust = pki.trust();
    let judge = |token: &str| short(&verify(token.as_bytes(), None, &at(&trust, NOW)));
    let with = |header: &str| format!("{}.{}.", URL.encode(header), URL.encode("{}"));
    assert_eq!(judge(&with(r#"{"alg":"none"}"#)), ["TOTAL-FAILED/FORMAT_FAILURE"]);
    assert_eq!(judge(&with(r#"{}"#)), ["TOTAL-FAILED/FORMAT_FAILURE"]);
    assert_eq!(judge(&with(r#"{"alg":"HS256"}"#)), ["INDETERMINATE/SIG_CONSTRAINTS_FAILURE"]);
    assert_eq!(judge(&with(r#"{"alg":"ES256","alg":"none"}"#)), ["TOTAL-FAILED/FORMAT_FAILURE"]);
    assert_eq!(judge(&with(r#"{"alg":"ES256"}"#)), ["INDETERMINATE/NO_SIGNING_CERTIFICATE_FOUND"]);
    assert_eq!(judge("a.b"), ["TOTAL-FAILED/FORMAT_FAILURE"]);
    let Some([header, payload, value]) = token(&pki, "ES256", r#","crit":["exp"],"exp":1"#, b"{}") else {
        return;
    };
    assert_eq!(judge(&format!("{header}.{payload}.{value}")), ["INDETERMINATE/SIG_CONSTRAINTS_FAILURE"]);
}

#[test]
fn a_payload_inside_and_another_beside_are_not_the_same() {
    let pki = Pki::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let trust = pki.trust();
    let judge =
        |token: &str, content: &[u8]| short(&verify(token.as_bytes(), Some(content), &at(&trust, NOW)));
    let Some([header, payload, value]) = token(&pki, "ES256", "", b"{\"a\":1}") else { return };
    let token = format!("{header}.{payload}.{value}");
    assert_eq!(judge(&token, b"{\"a\":1}"), ["TOTAL-PASSED"]);
    assert_eq!(judge(&token, b"{\"a\":2}"), ["TOTAL-FAILED/HASH_FAILURE"]);
}
