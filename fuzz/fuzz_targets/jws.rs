// SPDX-License-Identifier: EUPL-1.2
//! Judging JSON Web Signatures: no panic, and nobody we do not know ever passes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_crypto::signature::setting::{Setting, Trust};
use poststelle_crypto::signature::jws::verify;

fuzz_target!(|data: &[u8]| {
    let trust = Trust::default();
    let setting = Setting { trust: &trust, received: 1_780_272_000, now: 1_780_272_000, known: &[] };
    let judgement = verify(data, Some(b"Bescheid"), &setting);
    assert!(judgement.reports.iter().all(|report| !report.verdict.is_passed()));
});
