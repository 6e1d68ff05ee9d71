// SPDX-License-Identifier: EUPL-1.2
//! Judging ASiC containers: no panic, every file is either covered or not, and nobody we do not know ever passes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_crypto::signature::setting::{Setting, Trust};
use poststelle_inspect::Caps;
use poststelle_inspect::asic::verify;

fuzz_target!(|data: &[u8]| {
    let trust = Trust::default();
    let setting = Setting { trust: &trust, received: 1_780_272_000, now: 1_780_272_000, known: &[] };
    let caps = Caps { unpacked_bytes: 1 << 20, whole_bytes: 1 << 18, members: 50, ..Caps::default() };
    if let Some(asic) = verify(data, &caps, &setting) {
        assert!(asic.judgement.reports.iter().all(|report| !report.verdict.is_passed()));
        assert!(asic.covered.iter().all(|name| !asic.uncovered.contains(name)));
    }
});
