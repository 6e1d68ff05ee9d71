// SPDX-License-Identifier: EUPL-1.2
//! Chains that must not pass, and the chain model; certificates made by `openssl x509`.

use poststelle_crypto::certificate::Certificate;
use poststelle_crypto::cms::{Options, ToSign, sign};
use poststelle_crypto::signature::cms::{Detached, verify};
use poststelle_crypto::signature::revocation::is_readable;
use poststelle_crypto::signature::{
    Anchor, Indication, Known, Setting, SubIndication, Trust, Verdict, Wanted,
};

use crate::encryption::identity;
use crate::pki::{P256, Pki, setting};

const CONTENT: &[u8] = b"Bescheid";

/// A key and a certificate issued by any other one, for so many days.
fn issue_under(pki: &Pki, by: &str, name: &str, extensions: &str, more: &str) {
    if !pki.file(&format!("{name}.key")).exists() {
        pki.openssl(&format!("genpkey {P256} -out {name}.key"));
    }
    pki.openssl(&format!("req -new -key {name}.key -out {name}.csr -subj /CN={name}/O=Test"));
    pki.openssl(&format!(
        "x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -extfile ca.cnf -extensions {extensions} \
         -out {name}.pem {more}"
    ));
}

/// Trusts root; knows everybody; nothing is learned about revocation and need not.
fn offline(pki: &Pki, intermediates: &[&str]) -> Trust {
    let mut trust = Trust::default();
    trust.anchors.push(Anchor::of_operator(pki.root.clone(), "Test"));
    trust.intermediates = intermediates.iter().map(|name| pki.certificate(name)).collect();
    trust.policy.may_be_offline = true;
    trust
}

/// The places were asked and gave nothing.
fn nothing(pki: &Pki) -> Vec<Known> {
    ["issuer.crl", "root.crl"]
        .map(|name| Known {
            wanted: Wanted::Crl { url: format!("http://crl.example/{name}") },
            at: pki.now(),
            octets: vec![],
        })
        .to_vec()
}

fn judge(pki: &Pki, signer: &str, setting: &Setting<'_>) -> Verdict {
    let made = sign(ToSign::Detached(CONTENT), &identity(pki, signer), Options::default()).unwrap();
    verify(&made, Detached::Content(CONTENT), setting).reports.remove(0).verdict
}

#[test]
fn constraints_of_issuers_hold() {
    let Some(pki) = Pki::new() else { return };
    issue_under(&pki, "root", "constrained", "constrained", "-set_serial 10 -days 300");
    issue_under(&pki, "constrained", "outside", "signer", "-set_serial 11 -days 100");
    issue_under(&pki, "issuer", "deeper", "root", "-set_serial 12 -days 300");
    issue_under(&pki, "deeper", "deep", "signer", "-set_serial 13 -days 100");
    issue_under(&pki, "issuer", "leaf", "signer", "-set_serial 14 -days 100");
    issue_under(&pki, "leaf", "forged", "signer", "-set_serial 15 -days 100");
    issue_under(&pki, "issuer", "old", "signer", "-set_serial 16 -days 100 -sha1");
    issue_under(&pki, "root", "excluding", "excluding", "-set_serial 17 -days 300");
    issue_under(&pki, "excluding", "excluded", "signer", "-set_serial 18 -days 100");
    issue_under(&pki, "root", "explicit", "explicit", "-set_serial 19 -days 300");
    issue_under(&pki, "explicit", "policy", "with_policy", "-set_serial 20 -days 100");
    issue_under(&pki, "explicit", "other", "other_policy", "-set_serial 21 -days 100");
    issue_under(&pki, "explicit", "none", "qualified", "-set_serial 22 -days 100");
    let all = ["issuer", "constrained", "deeper", "leaf", "excluding", "explicit"];
    let trust = offline(&pki, &all);
    let known = nothing(&pki);
    let setting = setting(&trust, &known, pki.now());
    assert!(judge(&pki, "leaf", &setting).is_passed());
    let verdict = judge(&pki, "policy", &setting);
    assert!(verdict.is_passed(), "{verdict:?}");
    for (name, word) in [
        ("outside", "outside what"),
        ("deep", "too long"),
        ("forged", "not an issuer"),
        ("excluded", "excluded by"),
        ("other", "policy is required"),
        ("none", "policy is required"),
    ] {
        let verdict = judge(&pki, name, &setting);
        assert_eq!(verdict.indication, Indication::Indeterminate);
        assert_eq!(verdict.sub, Some(SubIndication::ChainConstraintsFailure), "{name}: {verdict:?}");
        assert!(verdict.detail.contains(word), "{name}: {}", verdict.detail);
    }
    let verdict = judge(&pki, "old", &setting);
    assert_eq!(verdict.sub, Some(SubIndication::CryptoConstraintsFailureNoPoe), "{verdict:?}");
    // Without permission to be offline the same chain stays open.
    let mut strict = trust.clone();
    strict.policy.may_be_offline = false;
    let verdict = judge(&pki, "leaf", &Setting { trust: &strict, ..setting });
    assert_eq!(verdict.sub, Some(SubIndication::TryLater));
    // An anchor counts only while its source says so.
    let mut ended = trust.clone();
    ended.anchors[0].until = Some(pki.now() - 1);
    let verdict = judge(&pki, "leaf", &Setting { trust: &ended, ..setting });
    assert_eq!(verdict.sub, Some(SubIndication::ChainConstraintsFailure));
    // Another certificate of the same name is no issuer.
    pki.openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout fake.key -out fake.pem -days 9 -subj /CN=root/O=Test",
    );
    let mut fake = trust.clone();
    fake.anchors = vec![Anchor::of_operator(pki.certificate("fake"), "fake")];
    let verdict = judge(&pki, "leaf", &Setting { trust: &fake, ..setting });
    assert_eq!(verdict.sub, Some(SubIndication::NoCertificateChainFound));
}

#[test]
fn the_chain_model_asks_when_the_certificate_was_issued() {
    let Some(pki) = Pki::new() else { return };
    issue_under(&pki, "root", "brief", "root", "-set_serial 20 -days 1");
    issue_under(&pki, "brief", "signer", "signer", "-set_serial 21 -days 100");
    let mut trust = offline(&pki, &["brief"]);
    let known = nothing(&pki);
    let later = pki.now() + 2 * 86_400;
    let shell = judge(&pki, "signer", &setting(&trust, &known, later));
    assert_eq!(shell.sub, Some(SubIndication::OutOfBoundsNoPoe), "{shell:?}");
    trust.anchors[0].chain_model = true;
    let chain = judge(&pki, "signer", &setting(&trust, &known, later));
    assert!(chain.is_passed(), "{chain:?}");
    // A certificate may demand it without the anchor.
    trust.anchors[0].chain_model = false;
    issue_under(&pki, "brief", "chained", "chained", "-set_serial 23 -days 100");
    let chain = judge(&pki, "chained", &setting(&trust, &known, later));
    assert!(chain.is_passed(), "{chain:?}");
    trust.anchors[0].chain_model = true;
    // The signer itself must still be valid.
    let chain = judge(&pki, "signer", &setting(&trust, &known, later + 200 * 86_400));
    assert_eq!(chain.sub, Some(SubIndication::OutOfBoundsNoPoe), "{chain:?}");
}

#[test]
fn the_signer_names_its_certificate() {
    let Some(pki) = Pki::new() else { return };
    issue_under(&pki, "issuer", "twin", "signer", "-set_serial 30 -days 100");
    pki.write("content", CONTENT);
    let bare = |options: &str| {
        pki.openssl(&format!(
            "cms -sign -binary -nocerts -in content -signer twin.pem -inkey twin.key -outform DER -out bare {options}"
        ));
        pki.read("bare")
    };
    let made = bare("-cades");
    let first = pki.certificate("twin");
    issue_under(&pki, "issuer", "twin", "signer", "-set_serial 30 -days 200");
    let second: Certificate = pki.certificate("twin");
    assert_ne!(first, second);
    let mut trust = offline(&pki, &["issuer"]);
    let known = nothing(&pki);
    // Same issuer, number and key, and still not the certificate that was named.
    for (certificate, expected) in [(first, None), (second, Some(SubIndication::NoSigningCertificateFound))] {
        trust.intermediates.truncate(1);
        trust.intermediates.push(certificate);
        let setting = setting(&trust, &known, pki.now());
        let verdict = verify(&made, Detached::Content(CONTENT), &setting).reports.remove(0).verdict;
        assert_eq!(verdict.sub, expected, "{verdict:?}");
    }
    // Without any certificate nothing can be said.
    trust.intermediates.truncate(1);
    let setting = setting(&trust, &known, pki.now());
    let made = bare("");
    let report = verify(&made, Detached::Content(CONTENT), &setting).reports.remove(0);
    assert_eq!(report.verdict.sub, Some(SubIndication::NoSigningCertificateFound));
    assert_eq!(report.signer, None);
    let report = verify(&made, Detached::Content(b"anderes"), &setting).reports.remove(0);
    assert_eq!(report.verdict.sub, Some(SubIndication::HashFailure), "even without the key");
}

#[test]
fn only_a_trusted_list_makes_a_signature_qualified() {
    let Some(pki) = Pki::new() else { return };
    issue_under(&pki, "issuer", "qualified", "qualified", "-set_serial 40 -days 100");
    let made = sign(ToSign::Detached(CONTENT), &identity(&pki, "qualified"), Options::default()).unwrap();
    let known = nothing(&pki);
    let mut trust = offline(&pki, &["issuer"]);
    let report = |trust: &Trust| {
        verify(&made, Detached::Content(CONTENT), &setting(trust, &known, pki.now())).reports.remove(0)
    };
    let by_operator = report(&trust);
    assert!(by_operator.verdict.is_passed(), "{:?}", by_operator.verdict);
    assert_eq!(by_operator.quality, "ADES");
    let signer = by_operator.signer.unwrap();
    assert_eq!(signer.statements, ["QcCompliance", "QcSSCD", "QcType:esign"]);
    assert_eq!((signer.name.as_str(), signer.organisation.as_str()), ("qualified", "Test"));
    assert_eq!(signer.key, "EC P-256");
    trust.anchors[0].service = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC".to_owned();
    assert_eq!(report(&trust).quality, "QES");
    assert!(by_operator.notes.contains(&"revocation-unknown".to_owned()));
}

#[test]
fn a_list_of_another_distribution_point_says_nothing() {
    let Some(pki) = Pki::new() else { return };
    issue_under(&pki, "issuer", "placed", "by_directory", "-set_serial 50 -days 100");
    issue_under(&pki, "issuer", "url", "signer", "-set_serial 51 -days 100");
    issue_under(&pki, "issuer", "nowhere", "with_ocsp", "-set_serial 52 -days 100");
    let placed = pki.certificate("placed");
    let (url, nowhere) = (pki.certificate("url"), pki.certificate("nowhere"));
    for (point, expected) in [
        ("idp_same", [true, true, false]),
        ("idp_other", [false; 3]),
        ("idp_directory", [true, false, false]),
        ("idp_other_directory", [false; 3]),
        ("idp_relative", [false; 3]),
    ] {
        pki.openssl(&format!("ca -config ca.cnf -gencrl -crlexts {point} -out {point}.pem"));
        let list = pki.read(&format!("{point}.pem"));
        let usable =
            [&placed, &url, &nowhere].map(|certificate| is_readable(&list, certificate, &pki.issuer));
        assert_eq!(usable, expected, "{point}");
    }
    // A list about everything is about everybody.
    let all = pki.read("issuer.crl");
    assert!([&placed, &url, &nowhere].iter().all(|certificate| is_readable(&all, certificate, &pki.issuer)));
}

#[test]
fn of_several_certificates_the_one_that_fits_is_used() {
    let Some(pki) = Pki::new() else { return };
    issue_under(&pki, "issuer", "twin", "signer", "-set_serial 60 -days 100");
    pki.write("content", CONTENT);
    let bare = |options: &str| {
        pki.openssl(&format!(
            "cms -sign -binary -nocerts -in content -signer twin.pem -inkey twin.key -outform DER -out bare {options}"
        ));
        pki.read("bare")
    };
    let (plain, named) = (bare(""), bare("-cades"));
    let genuine = pki.certificate("twin");
    // The same issuer and number for another key.
    std::fs::remove_file(pki.file("twin.key")).unwrap();
    issue_under(&pki, "issuer", "twin", "signer", "-set_serial 60 -days 100");
    let other = pki.certificate("twin");
    let mut trust = offline(&pki, &["issuer"]);
    let known = nothing(&pki);
    let mut report = |signed: &[u8], these: &[&Certificate]| {
        trust.intermediates.truncate(1);
        trust.intermediates.extend(these.iter().map(|c| (*c).clone()));
        verify(signed, Detached::Content(CONTENT), &setting(&trust, &known, pki.now())).reports.remove(0)
    };
    for signed in [&plain, &named] {
        for these in [[&other, &genuine], [&genuine, &other]] {
            let report = report(signed, &these);
            assert!(report.verdict.is_passed(), "{:?}", report.verdict);
        }
    }
    assert_eq!(report(&plain, &[&other]).verdict.sub, Some(SubIndication::SigCryptoFailure));
    let unnamed = report(&named, &[&other]);
    assert_eq!(unnamed.verdict.sub, Some(SubIndication::NoSigningCertificateFound), "{:?}", unnamed.verdict);
    assert_eq!(unnamed.signer, None);
}
