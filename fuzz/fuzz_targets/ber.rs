// SPDX-License-Identifier: EUPL-1.2
//! BER to DER: no panic, and what came out comes out again unchanged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_crypto::asn1::{Reader, normalise};

fuzz_target!(|data: &[u8]| {
    if let Ok(normal) = normalise(data) {
        assert!(normal.read <= data.len());
        let again = normalise(&normal.der).expect("DER is BER");
        assert_eq!(again.der, normal.der);
        assert_eq!(again.read, normal.der.len());
        let mut reader = Reader::new(&normal.der);
        reader.next_node().expect("DER is readable");
        assert!(reader.is_empty());
    }
});
