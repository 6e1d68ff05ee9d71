// SPDX-License-Identifier: EUPL-1.2
//! Certificates, revocation lists and answers of responders: no panic; nobody but the issuer can say anything.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use poststelle_crypto::certificate::Certificate;
use poststelle_crypto::signature::{Material, Setting, Trust, Usage, When, chain, revocation};

/// A certificate nobody can sign lists for: its key is thrown away.
static KNOWN: LazyLock<Certificate> =
    LazyLock::new(|| Certificate::all_from(include_bytes!("../corpus/certificate/seed.pem")).remove(0));

fuzz_target!(|data: &[u8]| {
    for certificate in Certificate::all_from(data) {
        let _ = (certificate.facts(), certificate.subject().to_string(), certificate.issuer_and_serial());
        assert_eq!(Certificate::from_der(certificate.der()).as_ref(), Ok(&certificate));
        let trust = Trust::default();
        let setting = Setting { trust: &trust, received: 0, now: 0, known: &[] };
        let material = Material { certificates: vec![certificate.clone(), KNOWN.clone()], ..Material::default() };
        let outcome = chain::judge(&certificate, &material, When::by(0), Usage::Signature, &setting);
        assert!(!outcome.verdict.is_passed());
    }
    // Octets the fuzzer can reach by change alone are never signed by that key.
    let _ = revocation::is_readable(data, &KNOWN, &KNOWN);
});
