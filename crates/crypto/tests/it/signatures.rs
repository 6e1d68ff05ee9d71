// SPDX-License-Identifier: EUPL-1.2
//! CMS and CAdES signatures made by `openssl cms`, judged by us.

use poststelle_crypto::cms;
use poststelle_crypto::signature::algorithm::Hash;
use poststelle_crypto::signature::cms::{Detached, digests_needed, verify};
use poststelle_crypto::signature::{Format, Indication, Report, Setting, SubIndication, Wanted};

use crate::pki::{P256, Pki, RSA, setting};

fn one(octets: &[u8], detached: Detached<'_>, setting: &Setting<'_>) -> Report {
    let judgement = verify(octets, detached, setting);
    assert_eq!(judgement.reports.len(), 1);
    judgement.reports.into_iter().next().unwrap()
}

fn sub(report: &Report) -> (Indication, Option<SubIndication>) {
    (report.verdict.indication, report.verdict.sub)
}

const CONTENT: &[u8] = b"Sehr geehrte Damen und Herren,\r\nanbei der Bescheid.\r\n";

#[test]
fn openssl_signatures_of_every_algorithm_pass() {
    let Some(pki) = Pki::new() else { return };
    pki.write("content", CONTENT);
    let (trust, known) = (pki.trust(), pki.lists());
    let setting = setting(&trust, &known, pki.now());
    let ec = |curve: &str| {
        format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve} -pkeyopt ec_param_enc:named_curve")
    };
    let pss_key = format!(
        "{} -pkeyopt rsa_pss_keygen_md:sha256 -pkeyopt rsa_pss_keygen_mgf1_md:sha256",
        RSA.replace("RSA ", "RSA-PSS ")
    );
    let cases = [
        ("rsa", RSA.to_owned(), "", "RSASSA-PKCS1-v1_5 with SHA-256"),
        ("rsa", RSA.to_owned(), "-md sha512", "RSASSA-PKCS1-v1_5 with SHA-512"),
        ("rsa", RSA.to_owned(), "-keyopt rsa_padding_mode:pss", "RSASSA-PSS with SHA-256"),
        (
            "rsa",
            RSA.to_owned(),
            "-md sha512 -keyopt rsa_padding_mode:pss -keyopt rsa_mgf1_md:sha256 -keyopt rsa_pss_saltlen:20",
            "RSASSA-PSS with SHA-512 and MGF1 with SHA-256",
        ),
        ("pss", pss_key, "-keyopt rsa_padding_mode:pss", "RSASSA-PSS with SHA-256"),
        ("p256", P256.to_owned(), "", "ECDSA with SHA-256"),
        ("p384", ec("P-384"), "-md sha384", "ECDSA with SHA-384"),
        ("p521", ec("P-521"), "-md sha512", "ECDSA with SHA-512"),
        ("bp256", ec("brainpoolP256r1"), "", "ECDSA with SHA-256"),
        ("bp384", ec("brainpoolP384r1"), "-md sha384", "ECDSA with SHA-384"),
        ("bp512", ec("brainpoolP512r1"), "-md sha512", "ECDSA with SHA-512"),
    ];
    for (name, key, options, algorithm) in &cases {
        if !pki.file(&format!("{name}.pem")).exists() {
            pki.issue(name, key, "signer");
        }
        for (shape, format) in [
            ("-cades", Format::Cades),
            ("-cades -nodetach", Format::Cades),
            ("-nodetach -stream", Format::Cms),
            ("-noattr", Format::Cms),
            ("-keyid -nocerts", Format::Cms),
        ] {
            let pss = *name == "pss" || options.contains("pss");
            if pss && shape.contains("stream") {
                // openssl cannot make these.
                continue;
            }
            let case = format!("{name} {options} {shape}");
            pki.openssl(&format!(
                "cms -sign -binary -in content -signer {name}.pem -inkey {name}.key -outform DER -out out.p7s {options} {shape}"
            ));
            let made = pki.read("out.p7s");
            let mut with_signer = trust.clone();
            with_signer.intermediates.push(pki.certificate(name));
            let setting = Setting { trust: &with_signer, ..setting };
            let detached =
                if shape.contains("nodetach") { Detached::None } else { Detached::Content(CONTENT) };
            let report = one(&made, detached, &setting);
            assert!(report.verdict.is_passed(), "{case}: {:?}", report.verdict);
            assert_eq!(report.algorithm, *algorithm, "{case}");
            assert_eq!(report.format, format, "{case}");
            assert_eq!(report.anchor, "Test");
            assert_eq!(report.chain.len(), 2);
            assert_eq!(report.revocations.len(), 2);
            assert_eq!(report.claimed_at.is_some(), shape != "-noattr", "{case}");
            let wrong = one(&made, Detached::Content(b"etwas anderes"), &setting);
            assert_eq!(wrong.verdict.indication, Indication::TotalFailed, "{case}");
            if shape == "-cades" {
                let digests: Vec<(Hash, Vec<u8>)> =
                    digests_needed(&made).into_iter().map(|hash| (hash, hash.digest(CONTENT))).collect();
                assert!(one(&made, Detached::Digests(&digests), &setting).verdict.is_passed(), "{case}");
                assert_eq!(
                    sub(&one(&made, Detached::None, &setting)),
                    (Indication::Indeterminate, Some(SubIndication::SignedDataNotFound))
                );
            }
            if detached_is_inside(shape) {
                assert_eq!(cms::content(&made).unwrap().unwrap(), CONTENT, "{case}");
            }
        }
    }
}

fn detached_is_inside(shape: &str) -> bool {
    shape.contains("nodetach")
}

#[test]
fn bad_signatures_and_certificates_get_their_verdict() {
    let Some(pki) = Pki::new() else { return };
    pki.write("content", CONTENT);
    pki.issue("good", P256, "signer");
    pki.issue("server", P256, "server");
    pki.issue("unknown", P256, "unknown_critical");
    pki.issue_dated("revoked", P256, "signer", "-startdate 20240601000000Z");
    pki.issue_dated("expired", P256, "signer", "-startdate 20240601000000Z -enddate 20250601000000Z");
    pki.issue_dated("future", P256, "signer", "-startdate 20990101000000Z -enddate 20991231000000Z");
    let (trust, before) = (pki.trust(), pki.lists());
    let make = |name: &str| {
        pki.openssl(&format!(
            "cms -sign -binary -cades -in content -signer {name}.pem -inkey {name}.key -outform DER -out {name}.p7s"
        ));
        pki.read(&format!("{name}.p7s"))
    };
    let judge = |octets: &[u8], setting: &Setting<'_>| one(octets, Detached::Content(CONTENT), setting);
    let now = pki.now();
    let usual = setting(&trust, &before, now);
    let failed = Indication::TotalFailed;
    let open = Indication::Indeterminate;

    let good = make("good");
    assert!(judge(&good, &usual).verdict.is_passed());
    for (name, expected) in [
        ("server", (open, SubIndication::ChainConstraintsFailure)),
        ("unknown", (open, SubIndication::ChainConstraintsFailure)),
        ("expired", (open, SubIndication::OutOfBoundsNoPoe)),
        ("future", (failed, SubIndication::NotYetValid)),
    ] {
        let report = judge(&make(name), &usual);
        assert_eq!(sub(&report), (expected.0, Some(expected.1)), "{name}: {:?}", report.verdict);
    }
    // Received while it was valid; the list of today no longer tells of it, so revocation stays open.
    let received = 1_733_000_000;
    let report = judge(&make("expired"), &Setting { received, ..usual });
    assert_eq!(sub(&report), (open, Some(SubIndication::TryLater)));

    let revoked = make("revoked");
    assert!(judge(&revoked, &usual).verdict.is_passed());
    pki.revoke("revoked");
    let after = pki.lists();
    let report = judge(&revoked, &setting(&trust, &after, now));
    assert_eq!(sub(&report), (open, Some(SubIndication::RevokedNoPoe)));
    assert_eq!(report.revocations.iter().filter(|facts| facts.revoked_at.is_some()).count(), 1);
    let report = judge(&revoked, &Setting { received, ..setting(&trust, &after, now) });
    assert!(report.verdict.is_passed(), "revoked only after we had it: {:?}", report.verdict);
    assert_eq!(report.at_present.unwrap().sub, Some(SubIndication::RevokedNoPoe));
    assert_eq!(report.at_claimed.unwrap().sub, Some(SubIndication::Revoked));

    // Nobody to trust; nobody between; nothing known about revocation.
    let nobody = poststelle_crypto::signature::Trust::default();
    assert_eq!(
        sub(&judge(&good, &Setting { trust: &nobody, ..usual })),
        (open, Some(SubIndication::NoCertificateChainFound))
    );
    let mut gap = trust.clone();
    gap.intermediates.clear();
    assert_eq!(
        sub(&judge(&good, &Setting { trust: &gap, ..usual })),
        (open, Some(SubIndication::NoCertificateChainFound))
    );
    let judgement = verify(&good, Detached::Content(CONTENT), &Setting { known: &[], ..usual });
    assert_eq!(sub(&judgement.reports[0]), (open, Some(SubIndication::TryLater)));
    let url = |name: &str| Wanted::Crl { url: format!("http://crl.example/{name}") };
    assert_eq!(judgement.wanted, [url("root.crl"), url("issuer.crl")]);

    // A list signed by somebody else, one of another issuer, and one that is too old count as nothing.
    let mut swapped = before.clone();
    swapped[0].octets = pki.read("root.crl");
    assert_eq!(
        sub(&judge(&good, &Setting { known: &swapped, ..usual })),
        (open, Some(SubIndication::TryLater))
    );
    let mut damaged = before.clone();
    *damaged[0].octets.last_mut().unwrap() ^= 1;
    assert_eq!(
        sub(&judge(&good, &Setting { known: &damaged, ..usual })),
        (open, Some(SubIndication::TryLater))
    );
    let late = now + 40 * 86_400;
    assert_eq!(
        sub(&judge(&good, &Setting { received: late, now: late, ..usual })),
        (open, Some(SubIndication::TryLater))
    );
    assert!(
        judge(&good, &Setting { now: late, ..usual }).verdict.is_passed(),
        "the list is of the day of receipt"
    );

    // Every octet counts: no flip may pass.
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        let judgement = verify(&flipped, Detached::Content(CONTENT), &usual);
        let passed = judgement.reports.first().is_some_and(|report| report.verdict.is_passed());
        // What lies in a certificate that is not needed, or says version numbers, may change without harm.
        if passed {
            let harmless = judgement.reports[0].signer == judge(&good, &usual).signer;
            assert!(harmless, "octet {at}");
        }
    }
    assert_eq!(
        sub(&one(b"kein CMS", Detached::Content(CONTENT), &usual)),
        (failed, Some(SubIndication::FormatFailure))
    );
}

#[test]
fn certificates_only_and_several_signers() {
    let Some(pki) = Pki::new() else { return };
    pki.write("content", CONTENT);
    pki.issue("a", P256, "signer");
    pki.issue("b", P256, "signer");
    pki.openssl("crl2pkcs7 -nocrl -certfile chain.pem -outform DER -out only.p7c");
    let only = pki.read("only.p7c");
    assert_eq!(cms::certificates(&only).unwrap(), [pki.issuer.clone(), pki.root.clone()]);
    let (trust, known) = (pki.trust(), pki.lists());
    let setting = setting(&trust, &known, pki.now());
    assert!(verify(&only, Detached::None, &setting).reports.is_empty());
    pki.openssl("cms -sign -binary -in content -signer a.pem -inkey a.key -signer b.pem -inkey b.key -outform DER -out two");
    let two = verify(&pki.read("two"), Detached::Content(CONTENT), &setting);
    let names: Vec<_> = two.reports.iter().map(|r| r.signer.as_ref().unwrap().name.clone()).collect();
    assert_eq!(two.reports.len(), 2);
    assert!(names.contains(&"a".to_owned()) && names.contains(&"b".to_owned()));
    assert!(two.reports.iter().all(|report| report.verdict.is_passed()));
}

#[test]
fn samples_of_tr_esor_are_judged_as_named() {
    let folder = std::env::var("POSTSTELLE_STANDARDS")
        .map_or_else(
            |_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/standards").into(),
            std::path::PathBuf::from,
        )
        .join("evidence/tr-esor-testbed");
    if !folder.exists() {
        assert!(
            std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref() != Ok("1"),
            "{} is required",
            folder.display()
        );
        println!("SKIPPED: {} is not there", folder.display());
        return;
    }
    let trust = poststelle_crypto::signature::Trust::default();
    let setting = setting(&trust, &[], 1_795_000_000);
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let text = read("TXT_DATA.txt");
    let open = (Indication::Indeterminate, Some(SubIndication::NoCertificateChainFound));
    let good = one(&read("TXT_DATA.txt.p7s"), Detached::Content(&text), &setting);
    assert_eq!(sub(&good), open, "{:?}", good.verdict);
    let attached = one(&read("TXT_DATA.txt.p7m"), Detached::None, &setting);
    assert_eq!(sub(&attached), open, "{:?}", attached.verdict);
    let broken = one(&read("TXT_DATA_NOK.txt.p7m"), Detached::None, &setting);
    assert_eq!(broken.verdict.indication, Indication::TotalFailed, "{:?}", broken.verdict);
}
