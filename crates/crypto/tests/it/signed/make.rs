// SPDX-License-Identifier: EUPL-1.2
//! What we sign, foreign programs accept: XAdES by xmlsec1 and libxmlsec, PAdES by pdfsig and pyHanko.

use std::process::Command;

use poststelle_crypto::cms::Options;
use poststelle_crypto::digest::sha256;
use poststelle_crypto::identity::FileIdentity;
use poststelle_crypto::signature::algorithm::{Hash, Scheme};
use poststelle_crypto::signature::pdf::{self, About};
use poststelle_crypto::signature::xml::{self, Detached, External};
use poststelle_crypto::signature::{Format, Scope};

use super::{NOW, Pki, at, must, peer, program, python, run, short};

fn identity(pki: &Pki) -> FileIdentity {
    FileIdentity::from_pem(pki.key.as_bytes(), pki.certificate.as_bytes()).unwrap()
}

fn options(scheme: Option<Scheme>) -> Options<'static> {
    Options { scheme, claimed_at: Some(NOW - 86_400), stamp: None, lists: &[] }
}

const DOCUMENT: &str =
    "<?xml version=\"1.0\"?>\n<a xmlns=\"urn:a\" xmlns:b=\"urn:b\"><b:c d='1'>Größe &amp; Maß</b:c>\n</a>\n";
const PSS: Scheme = Scheme::RsaPss { hash: Hash::Sha256, mask: Hash::Sha256, salt: 32 };

#[test]
fn xades_enveloped_is_accepted_by_xmlsec() {
    let kinds = [
        (&rcgen::PKCS_RSA_SHA256, None),
        (&rcgen::PKCS_RSA_SHA256, Some(PSS)),
        (&rcgen::PKCS_ECDSA_P256_SHA256, None),
    ];
    for (key, scheme) in kinds {
        let pki = Pki::new(key);
        let trust = pki.trust();
        let signed = xml::sign_enveloped(DOCUMENT.as_bytes(), &identity(&pki), options(scheme)).unwrap();
        let judgement = xml::verify(&signed, &super::xml::nothing, &at(&trust, NOW));
        assert_eq!(short(&judgement), ["TOTAL-PASSED"], "{judgement:?}");
        let report = &judgement.reports[0];
        assert_eq!(
            (report.format, report.level.as_str(), &report.scope),
            (Format::Xades, "B", &Scope::Whole)
        );
        assert_eq!(report.claimed_at, Some(NOW - 86_400));
        let path = pki.write("ours.xml", &signed);
        let tampered =
            pki.write("tampered.xml", String::from_utf8(signed.clone()).unwrap().replace("Größe", "Grösse"));
        if let Some(python) = python("xmlsec") {
            let verify = |path| {
                run(Command::new(&python)
                    .arg(peer("xml_peer.py"))
                    .arg("verify")
                    .arg(path)
                    .arg(pki.path("cert.pem")))
            };
            let output = verify(&path);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(!verify(&tampered).status.success());
        }
        if let Some(xmlsec1) = program("xmlsec1").filter(|_| scheme.is_none()) {
            let verify = |path| {
                let mut verify = Command::new(xmlsec1);
                verify.args(["--verify", "--id-attr:Id", "SignedProperties", "--pubkey-cert-pem"]);
                run(verify.arg(pki.path("cert.pem")).arg(path))
            };
            let output = verify(&path);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(!verify(&tampered).status.success());
        }
        assert!(xml::sign_enveloped(&signed, &identity(&pki), options(scheme)).is_err(), "signed twice");
    }
}

#[test]
fn xades_detached_is_accepted_by_xmlsec1() {
    let pki = Pki::new(&rcgen::PKCS_RSA_SHA256);
    let trust = pki.trust();
    let content = b"Der Bescheid\r\n";
    let object = Detached { uri: "bescheid.txt", media_type: "text/plain", sha256: sha256(content) };
    let signed = xml::sign_detached(&[object], &identity(&pki), options(None)).unwrap();
    let judge = |content: &'static [u8]| {
        let outside = |uri: &str| (uri == "bescheid.txt").then(|| External::Octets(content.to_vec()));
        xml::verify(&signed, &outside, &at(&trust, NOW))
    };
    assert_eq!(short(&judge(content)), ["TOTAL-PASSED"]);
    assert_eq!(judge(content).reports[0].scope, Scope::Some { what: vec!["bescheid.txt".into()] });
    assert_eq!(short(&judge(b"Ein anderer")), ["TOTAL-FAILED/HASH_FAILURE"]);
    let missing = xml::verify(&signed, &super::xml::nothing, &at(&trust, NOW));
    assert_eq!(short(&missing), ["INDETERMINATE/SIGNED_DATA_NOT_FOUND"]);
    let Some(xmlsec1) = program("xmlsec1") else { return };
    let (path, file) = (pki.write("detached.xml", &signed), pki.write("bescheid.txt", content));
    let mut verify = Command::new(xmlsec1);
    verify.args([
        "--verify",
        "--id-attr:Id",
        "SignedProperties",
        "--enabled-reference-uris",
        "empty,same-doc,local,remote",
    ]);
    verify
        .arg("--url-map:bescheid.txt")
        .arg(file)
        .arg("--pubkey-cert-pem")
        .arg(pki.path("cert.pem"))
        .arg(path);
    must(&mut verify);
}

#[test]
fn pades_is_accepted_by_pdfsig_and_pyhanko() {
    for key in [&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256] {
        let pki = Pki::new(key);
        let trust = pki.trust();
        let about = About { reason: "Prüfung", location: "Schwerin" };
        let file = super::pdf::document();
        let once = pdf::sign(&file, &identity(&pki), about, options(None)).unwrap();
        assert!(once.starts_with(&file), "the file's octets stay");
        let judge = |file: &[u8]| pdf::verify(file, &at(&trust, NOW));
        assert_eq!(short(&judge(&once)), ["TOTAL-PASSED"], "{:?}", judge(&once));
        assert_eq!(
            (judge(&once).reports[0].format, &judge(&once).reports[0].scope),
            (Format::Pades, &Scope::Whole)
        );
        let twice = pdf::sign(&once, &identity(&pki), About::default(), options(None)).unwrap();
        assert_eq!(short(&judge(&twice)), ["TOTAL-PASSED", "TOTAL-PASSED"], "{:?}", judge(&twice));
        let path = pki.write("ours.pdf", &twice);
        if let Some(pdfsig) = program("pdfsig") {
            let said = String::from_utf8(must(Command::new(pdfsig).args(["-nocert"]).arg(&path))).unwrap();
            assert_eq!(said.matches("Signature Validation: Signature is Valid.").count(), 2, "{said}");
            assert_eq!(said.matches("ETSI.CAdES.detached").count(), 2, "{said}");
        }
        if let Some(python) = python("pyhanko") {
            let mut verify = Command::new(python);
            verify.arg(peer("pdf_peer.py")).arg("verify").arg(&path).arg(pki.path("root.pem"));
            let said = String::from_utf8(must(&mut verify)).unwrap();
            let lines: Vec<_> = said.lines().collect();
            assert_eq!(lines.len(), 2, "{said}");
            assert!(
                lines.iter().all(|l| l.starts_with("True True True ENTIRE_") && l.ends_with("True")),
                "{said}"
            );
        }
    }
}

#[test]
fn pades_in_a_file_with_cross_reference_streams() {
    let Some(python) = python("pyhanko") else { return };
    let pki = Pki::new(&rcgen::PKCS_RSA_SHA256);
    let trust = pki.trust();
    // pyHanko writes the file anew with streams.
    let script = "import sys\nfrom pyhanko.pdf_utils.reader import PdfFileReader\nfrom pyhanko.pdf_utils.writer import copy_into_new_writer\nw = copy_into_new_writer(PdfFileReader(open(sys.argv[1], 'rb')))\nw.stream_xrefs = True\nw.write(open(sys.argv[2], 'wb'))";
    let (source, target) = (pki.write("a.pdf", super::pdf::document()), pki.path("b.pdf"));
    must(Command::new(&python).args(["-c", script]).arg(source).arg(&target));
    let file = std::fs::read(&target).unwrap();
    assert!(file.windows(5).any(|w| w == b"/XRef"));
    let signed = pdf::sign(&file, &identity(&pki), About::default(), options(None)).unwrap();
    let judgement = pdf::verify(&signed, &at(&trust, NOW));
    assert_eq!(short(&judgement), ["TOTAL-PASSED"], "{judgement:?}");
    let path = pki.write("ours.pdf", &signed);
    if let Some(pdfsig) = program("pdfsig") {
        let said = String::from_utf8(must(Command::new(pdfsig).args(["-nocert"]).arg(&path))).unwrap();
        assert!(said.contains("Signature is Valid."), "{said}");
        assert!(said.contains("Total document signed"), "{said}");
    }
}

/// A token of the openssl program for these octets.
fn stamped(pki: &Pki, octets: &[u8]) -> Vec<u8> {
    let config = format!(
        "[t]\nserial = {}\ndigests = sha256\ndefault_policy = 1.2.3.4\nsigner_digest = sha256\n",
        pki.path("serial").display()
    );
    let (config, data) = (pki.write("ts.cnf", config), pki.write("data", octets));
    let mut query = Command::new("openssl");
    query.args(["ts", "-query", "-sha256", "-cert", "-data"]).arg(data).arg("-out").arg(pki.path("q"));
    must(&mut query);
    let mut reply = Command::new("openssl");
    reply.args(["ts", "-reply", "-section", "t", "-config"]).arg(config).arg("-queryfile").arg(pki.path("q"));
    reply.arg("-signer").arg(pki.path("tsa.pem")).arg("-inkey").arg(pki.path("tsa-key.pem"));
    must(reply.arg("-chain").arg(pki.path("root.pem")).arg("-token_out").arg("-out").arg(pki.path("token")));
    std::fs::read(pki.path("token")).unwrap()
}

#[test]
fn xades_and_pades_with_a_time_stamp_of_openssl() {
    if program("openssl").is_none() {
        return;
    }
    let pki = Pki::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let trust = pki.trust();
    // openssl takes the machine's clock.
    let setting = at(&trust, NOW + 400 * 86_400);
    let stamp = |octets: &[u8]| Ok(stamped(&pki, octets));
    let with = Options { stamp: Some(&stamp), ..options(None) };
    let signed = xml::sign_enveloped(DOCUMENT.as_bytes(), &identity(&pki), with).unwrap();
    let judgement = xml::verify(&signed, &super::xml::nothing, &setting);
    assert_eq!(short(&judgement), ["TOTAL-PASSED"], "{judgement:?}");
    let report = &judgement.reports[0];
    assert_eq!(report.level, "T");
    assert_eq!(report.proven_at, Some(report.timestamps[0].at), "{report:?}");

    // A time-stamp on another signature proves nothing here.
    let foreign = |_: &[u8]| Ok(stamped(&pki, b"anderes"));
    let with = Options { stamp: Some(&foreign), ..options(None) };
    let signed = xml::sign_enveloped(DOCUMENT.as_bytes(), &identity(&pki), with).unwrap();
    let judgement = xml::verify(&signed, &super::xml::nothing, &setting);
    assert_eq!(judgement.reports[0].proven_at, None);
    assert!(!judgement.reports[0].timestamps[0].verdict.is_passed());

    let with = Options { stamp: Some(&stamp), ..options(None) };
    let signed = pdf::sign(&super::pdf::document(), &identity(&pki), About::default(), with).unwrap();
    let judgement = pdf::verify(&signed, &setting);
    assert_eq!(short(&judgement), ["TOTAL-PASSED"], "{judgement:?}");
    assert_eq!(judgement.reports[0].level, "T");
    assert!(judgement.reports[0].proven_at.is_some());
}
