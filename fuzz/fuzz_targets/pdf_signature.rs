// SPDX-License-Identifier: EUPL-1.2
//! Judging PDF signatures: no panic, and nobody we do not know ever passes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_crypto::signature::setting::{Setting, Trust};
use poststelle_crypto::signature::pdf::verify;

fuzz_target!(|data: &[u8]| {
    let trust = Trust::default();
    let setting = Setting { trust: &trust, received: 1_780_272_000, now: 1_780_272_000, known: &[] };
    let judgement = verify(data, &setting);
    assert!(judgement.reports.iter().all(|report| !report.verdict.is_passed()));
});
