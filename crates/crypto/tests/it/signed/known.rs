// SPDX-License-Identifier: EUPL-1.2
//! Samples of the BSI's TR-ESOR test bed, judged as their names say. Their anchors are not ours, so *OK* means: intact,
//! and no chain found.

use poststelle_crypto::signature::setting::Trust;
use poststelle_crypto::signature::xml::{External, verify};
use poststelle_crypto::signature::{Format, Scope};

use super::{NOW, at, short, standards};

#[test]
fn xades_of_the_test_bed() {
    let Some(standards) = standards() else { return };
    let folder = standards.join("evidence/tr-esor-testbed");
    let trust = Trust::default();
    let judge = |name: &str| {
        let file = std::fs::read(folder.join(name)).unwrap();
        let beside = |uri: &str| std::fs::read(folder.join(uri)).ok().map(External::Octets);
        verify(&file, &beside, &at(&trust, NOW))
    };
    let good = judge("002-test-document-XADES-detached.xml");
    assert_eq!(short(&good), ["INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND"], "{good:?}");
    assert_eq!(good.reports[0].format, Format::Xades);
    assert_eq!(good.reports[0].scope, Scope::Some { what: vec!["002-test-document.xml".into()] });
    assert_eq!(good.reports[0].signer.as_ref().unwrap().name, "Interoperabilitätstester TR-ESOR:PN");
    assert!(good.reports[0].claimed_at.is_some());
    let bad = judge("002-test-document-XADES-detached-NOK.xml");
    assert_eq!(short(&bad), ["TOTAL-FAILED/HASH_FAILURE"], "{bad:?}");

    let good = judge("SHA512-enveloped-test-01.xml-signed-xades-baseline-b.xml");
    assert_eq!(short(&good), ["INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND"], "{good:?}");
    assert_eq!(good.reports[0].scope, Scope::Whole);
    let bad = judge("SHA512-enveloped-test-01.xml-signed-xades-baseline-b-NOK.xml");
    assert!(short(&bad)[0].starts_with("TOTAL-FAILED"), "{bad:?}");
}

#[test]
fn pades_of_the_test_bed() {
    let Some(standards) = standards() else { return };
    let file = std::fs::read(standards.join("evidence/tr-esor-testbed/PADES_VISIBLE.pdf")).unwrap();
    let trust = Trust::default();
    let judge = |file: &[u8]| poststelle_crypto::signature::pdf::verify(file, &at(&trust, NOW));
    let good = judge(&file);
    assert_eq!(short(&good), ["INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND"], "{good:?}");
    assert_eq!((good.reports[0].format, &good.reports[0].scope), (Format::Pades, &Scope::Whole));
    let mut bad = file;
    bad[9_000] ^= 1;
    let bad = judge(&bad);
    assert!(bad.reports.iter().all(|r| r.verdict.detail.len() > 1 && !r.verdict.is_passed()), "{bad:?}");
    assert_ne!(bad, good);
}

/// An OSCI message of an EGVP export with the intermediary's signature over header, body and attachment. The published
/// sample was made anonymous, so it is broken, and just where: `libxml2` finds the same three of seven elements unchanged.
#[test]
fn osci_of_the_egvp_sample() {
    let Some(standards) = standards() else { return };
    let folder = standards.join("osci/egvp-sample");
    let message = std::fs::read_to_string(folder.join("oscicontentdata.osci")).unwrap();
    let xml = &message[message.find("<?xml").unwrap()..];
    let xml = xml[..xml.find("--MIME_boundary").unwrap()].trim_end();
    let attachment = std::fs::read(folder.join("attachments/xjustiz_nachricht.xml")).unwrap();
    let trust = Trust::default();
    let outside =
        |uri: &str| (uri == "cid:xjustiz_nachricht.xml").then(|| External::Octets(attachment.clone()));
    let judgement = verify(xml.as_bytes(), &outside, &at(&trust, NOW));
    assert_eq!(short(&judgement), ["TOTAL-FAILED/HASH_FAILURE"], "{judgement:?}");
    let report = &judgement.reports[0];
    assert_eq!(
        (report.format, report.signer.as_ref().unwrap().name.as_str()),
        (Format::XmlDsig, "governikus-intermediaer.rlp.de")
    );
    let unchanged = [
        "/Envelope/Header/NonIntermediaryCertificates#nonintermediarycertificates",
        "/Envelope/Header/IntermediaryCertificates#intermediarycertificates",
        "/Envelope/Header/RequestSignatureMandatory#RequestSignatureMandatory",
    ];
    assert_eq!(report.scope, Scope::Some { what: unchanged.map(String::from).to_vec() });
}
