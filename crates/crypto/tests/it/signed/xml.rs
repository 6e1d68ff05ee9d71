// SPDX-License-Identifier: EUPL-1.2
//! XML-DSig against xmlsec1 and libxmlsec: canonicalisation × address × scheme, and what must not pass.

use std::process::Command;

use poststelle_crypto::signature::xml::{External, verify};
use poststelle_crypto::signature::{Format, Indication, Scope, SubIndication};

use super::{NOW, Pki, at, must, peer, program, python, short};

const C14N: [(&str, &str); 6] = [
    ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "1.0"),
    ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments", "1.0 with comments"),
    ("http://www.w3.org/2006/12/xml-c14n11", "1.1"),
    ("http://www.w3.org/2006/12/xml-c14n11#WithComments", "1.1 with comments"),
    ("http://www.w3.org/2001/10/xml-exc-c14n#", "exclusive"),
    ("http://www.w3.org/2001/10/xml-exc-c14n#WithComments", "exclusive with comments"),
];

pub fn nothing(_: &str) -> Option<External> {
    None
}

/// A document with much that canonicalisation can get wrong, and a template for a signature.
pub fn template(c14n: &str, method: &str, uri: &str) -> String {
    let enveloped = if uri.is_empty() {
        r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>"#
    } else {
        ""
    };
    format!(
        r##"<?xml version="1.0" encoding="UTF-8"?>
<!-- davor --><s:Envelope xmlns:s="urn:s" xmlns:unused="urn:u" xmlns="urn:default" b="2" a="1" xml:lang="de">
<s:Header><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{c14n}"/><ds:SignatureMethod Algorithm="{method}"/><ds:Reference URI="{uri}"><ds:Transforms>{enveloped}<ds:Transform Algorithm="{c14n}"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo></ds:Signature></s:Header>
<s:Body Id="body" z:q="1" xmlns:z="urn:z" xmlns:y='urn:y' y:p="&quot;&#13;&#10;&#9;ä"><plain xmlns="">Größe &amp; &lt;Maß&gt; &#13;
<!-- Kommentar --><![CDATA[<roh> & ]]><leer/><z:n xmlns:z="urn:z2" z:a="'"/></plain></s:Body></s:Envelope>"##
    )
}

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const RSA_PSS: &str = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1";
const ECDSA: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";

fn check(signed: &[u8], pki: &Pki, uri: &str, what: &str) {
    let trust = pki.trust();
    let judgement = verify(signed, &nothing, &at(&trust, NOW));
    assert_eq!(short(&judgement), ["TOTAL-PASSED"], "{what}: {judgement:?}");
    let report = &judgement.reports[0];
    assert_eq!(report.format, Format::XmlDsig);
    assert_eq!(report.signer.as_ref().unwrap().name, "Erika Prüferin");
    let expected =
        if uri.is_empty() { Scope::Whole } else { Scope::Some { what: vec!["/Envelope/Body#body".into()] } };
    assert_eq!(report.scope, expected, "{what}");

    let text = String::from_utf8(signed.to_vec()).unwrap();
    let changed = text.replace("Größe", "Grösse");
    assert_ne!(text, changed);
    let judgement = verify(changed.as_bytes(), &nothing, &at(&trust, NOW));
    assert_eq!(short(&judgement), ["TOTAL-FAILED/HASH_FAILURE"], "{what}");
}

#[test]
fn what_libxmlsec_signs_is_judged_good() {
    let Some(python) = python("xmlsec") else { return };
    let kinds =
        [(&rcgen::PKCS_RSA_SHA256, vec![RSA_SHA256, RSA_PSS]), (&rcgen::PKCS_ECDSA_P256_SHA256, vec![ECDSA])];
    for (key, methods) in kinds {
        let pki = Pki::new(key);
        for (c14n, name) in C14N {
            for uri in ["", "#body"] {
                for method in &methods {
                    let form = pki.write("form.xml", template(c14n, method, uri));
                    let mut sign = Command::new(&python);
                    sign.arg(peer("xml_peer.py")).arg("sign").arg(form);
                    must(sign.arg(pki.path("key.pem")).arg(pki.path("cert.pem")).arg(pki.path("signed.xml")));
                    let signed = std::fs::read(pki.path("signed.xml")).unwrap();
                    check(&signed, &pki, uri, &format!("{name} {uri:?} {method}"));
                }
            }
        }
    }
}

#[test]
fn what_xmlsec1_signs_is_judged_good() {
    let Some(xmlsec1) = program("xmlsec1") else { return };
    let pki = Pki::new(&rcgen::PKCS_RSA_SHA256);
    for (c14n, name) in C14N {
        for uri in ["", "#body"] {
            let form = pki.write("form.xml", template(c14n, RSA_SHA256, uri));
            let key = format!("{},{}", pki.path("key.pem").display(), pki.path("cert.pem").display());
            let mut sign = Command::new(xmlsec1);
            sign.args(["--sign", "--id-attr:Id", "Body", "--privkey-pem", &key, "--output"]);
            must(sign.arg(pki.path("signed.xml")).arg(form));
            let signed = std::fs::read(pki.path("signed.xml")).unwrap();
            check(&signed, &pki, uri, &format!("{name} {uri:?}"));
        }
    }
}

/// A signed document to break.
pub fn signed(pki: &Pki, uri: &str) -> Option<String> {
    let xmlsec1 = program("xmlsec1")?;
    let form = pki.write("form.xml", template(C14N[4].0, RSA_SHA256, uri));
    let key = format!("{},{}", pki.path("key.pem").display(), pki.path("cert.pem").display());
    let mut sign = Command::new(xmlsec1);
    sign.args(["--sign", "--id-attr:Id", "Body", "--privkey-pem", &key, "--output"]);
    must(sign.arg(pki.path("signed.xml")).arg(form));
    Some(std::fs::read_to_string(pki.path("signed.xml")).unwrap())
}

#[test]
fn what_is_not_a_signature_of_somebody_never_passes() {
    let pki = Pki::new(&rcgen::PKCS_RSA_SHA256);
    let trust = pki.trust();
    let Some(good) = signed(&pki, "") else { return };
    let judge = |text: &str| verify(text.as_bytes(), &nothing, &at(&trust, NOW));
    assert_eq!(short(&judge(&good)), ["TOTAL-PASSED"]);

    let value = good.split("<ds:SignatureValue>").nth(1).unwrap();
    let broken = good.replace(&value[..8], "AAAAAAAA");
    assert_eq!(short(&judge(&broken)), ["TOTAL-FAILED/SIG_CRYPTO_FAILURE"]);

    let hmac = good.replace(RSA_SHA256, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256");
    assert_eq!(short(&judge(&hmac)), ["INDETERMINATE/SIG_CONSTRAINTS_FAILURE"]);

    let far = good.replace(r#"URI="""#, r#"URI="https://example.org/x.xml""#);
    assert_eq!(judge(&far).reports[0].verdict.sub, Some(SubIndication::SigCryptoFailure));
    let gone = good.replace(r#"URI="""#, r##"URI="#weg""##);
    assert_ne!(judge(&gone).reports[0].verdict.indication, Indication::TotalPassed);

    let xpath = good.replace(
        r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>"#,
        r#"<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>true()</ds:XPath></ds:Transform>"#,
    );
    assert_ne!(xpath, good);
    assert_ne!(judge(&xpath).reports[0].verdict.indication, Indication::TotalPassed);

    let keyless =
        good.split("<ds:KeyInfo>").next().unwrap().to_owned() + good.split("</ds:KeyInfo>").nth(1).unwrap();
    assert_eq!(short(&judge(&keyless)), ["INDETERMINATE/NO_SIGNING_CERTIFICATE_FOUND"]);

    let stranger = Pki::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let other = stranger.trust();
    let judgement = verify(good.as_bytes(), &nothing, &at(&other, NOW));
    assert_eq!(short(&judgement), ["INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND"]);

    // 2041: the certificate has ended, nothing proves the time.
    let late = verify(good.as_bytes(), &nothing, &at(&trust, 2_240_000_000));
    assert_eq!(late.reports[0].verdict.indication, Indication::Indeterminate);
}

#[test]
fn caps_hold() {
    let pki = Pki::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let trust = pki.trust();
    let judge = |text: &str| verify(text.as_bytes(), &nothing, &at(&trust, NOW));
    let mark = r#"<x xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>"#;
    let deep = format!("{}{mark}{}", "<a>".repeat(5_000), "</a>".repeat(5_000));
    assert_eq!(short(&judge(&deep)), ["INDETERMINATE/FORMAT_FAILURE"]);
    let bomb = format!(r#"<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;{mark}</a>"#);
    assert_eq!(short(&judge(&bomb)), ["TOTAL-FAILED/FORMAT_FAILURE"]);
    let attributes: String = (0..2_000).map(|n| format!(" a{n}=\"\"")).collect();
    assert_eq!(short(&judge(&format!("<a{attributes}>{mark}</a>"))), ["INDETERMINATE/FORMAT_FAILURE"]);
    assert!(judge("<a/>").reports.is_empty());
    assert!(judge("kein XML").reports.is_empty());
}

#[test]
fn a_target_that_its_transforms_take_away_is_not_covered() {
    let Some(xmlsec1) = program("xmlsec1") else { return };
    let pki = Pki::new(&rcgen::PKCS_RSA_SHA256);
    let trust = pki.trust();
    for uri in ["#inhalt", ""] {
        let form = format!(
            r##"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{0}"/><ds:SignatureMethod Algorithm="{RSA_SHA256}"/><ds:Reference URI="{uri}"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="{0}"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo><ds:Object Id="inhalt">10 Euro</ds:Object></ds:Signature>"##,
            C14N[4].0
        );
        let form = pki.write("form.xml", form);
        let key = format!("{},{}", pki.path("key.pem").display(), pki.path("cert.pem").display());
        let mut sign = Command::new(xmlsec1);
        sign.args(["--sign", "--id-attr:Id", "Object", "--privkey-pem", &key, "--output"]);
        must(sign.arg(pki.path("signed.xml")).arg(form));
        let signed = std::fs::read_to_string(pki.path("signed.xml")).unwrap();
        for text in [signed.clone(), signed.replace("10 Euro", "90 Euro")] {
            let judgement = verify(text.as_bytes(), &nothing, &at(&trust, NOW));
            assert_eq!(short(&judgement), ["INDETERMINATE/SIG_CONSTRAINTS_FAILURE"], "{uri:?} {judgement:?}");
        }
    }
}

#[test]
fn an_object_nobody_signed_makes_the_document_not_whole() {
    use poststelle_crypto::identity::FileIdentity;
    use poststelle_crypto::signature::xml::sign_enveloped;
    let pki = Pki::new(&rcgen::PKCS_RSA_SHA256);
    let trust = pki.trust();
    let identity = FileIdentity::from_pem(pki.key.as_bytes(), pki.certificate.as_bytes()).unwrap();
    let options =
        poststelle_crypto::cms::Options { scheme: None, claimed_at: Some(NOW), stamp: None, lists: &[] };
    let signed = String::from_utf8(sign_enveloped(b"<a>10 Euro</a>", &identity, options).unwrap()).unwrap();
    let scope = |text: &str| {
        let judgement = verify(text.as_bytes(), &nothing, &at(&trust, NOW));
        assert_eq!(short(&judgement), ["TOTAL-PASSED"], "{judgement:?}");
        let report = &judgement.reports[0];
        (report.scope.clone(), report.notes.contains(&"object-not-covered".to_owned()))
    };
    assert_eq!(scope(&signed), (Scope::Whole, false));
    let end = "</ds:Object>";
    assert_eq!(signed.matches(end).count(), 1, "{signed}");
    for forged in
        ["<b>90 Euro</b></ds:Object>", "90 Euro</ds:Object>", "</ds:Object><ds:Object>90 Euro</ds:Object>"]
    {
        let what = Scope::Some { what: vec!["/a".into()] };
        assert_eq!(scope(&signed.replace(end, forged)), (what, true), "{forged}");
    }
}
