// SPDX-License-Identifier: EUPL-1.2
//! Signed and encrypted CMS objects: no panic, and nothing passes for somebody who trusts nobody.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_crypto::cms::{certificates, content, decrypt, recipients};
use poststelle_crypto::signature::cms::{Detached, digests_needed, verify};
use poststelle_crypto::signature::{Setting, Trust};
use poststelle_crypto::timestamp;

fuzz_target!(|data: &[u8]| {
    let trust = Trust::default();
    let setting = Setting { trust: &trust, received: 1_795_000_000, now: 1_795_000_000, known: &[] };
    for detached in [Detached::None, Detached::Content(b"Bescheid")] {
        let judgement = verify(data, detached, &setting);
        assert!(judgement.reports.iter().all(|report| !report.verdict.is_passed()));
    }
    let judged = timestamp::verify(data, &|hash| Some(hash.digest(b"")), &setting);
    assert!(!judged.facts.verdict.is_passed());
    let _ = (digests_needed(data), certificates(data), content(data), recipients(data));
    assert!(decrypt(data, &[]).is_err());
});
