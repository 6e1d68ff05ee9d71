// SPDX-License-Identifier: EUPL-1.2
//! Signature wrapping: the eight shapes of Somorovsky et al. ("On Breaking SAML", 2012). In each one a foreign verifier
//! that only asks "is the signature good?" is satisfied, while the reader sees other content. Ours says what is covered:
//! the forged content never is, and the whole document never is.

use poststelle_crypto::signature::xml::verify;
use poststelle_crypto::signature::{Indication, Scope, SubIndication};

use super::{NOW, Pki, at, must, program, short};

/// An assertion `Id="echt"` that is signed, its signature inside it.
struct Shape {
    pki: Pki,
    assertion: String,
    signature: String,
}

impl Shape {
    fn new() -> Option<Self> {
        let xmlsec1 = program("xmlsec1")?;
        let pki = Pki::new(&rcgen::PKCS_RSA_SHA256);
        let exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
        let form = format!(
            r##"<Assertion xmlns="urn:a" Id="echt"><Subject>Erika</Subject><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{exclusive}"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><ds:Reference URI="#echt"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="{exclusive}"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo></ds:Signature></Assertion>"##
        );
        let form = pki.write("form.xml", form);
        let key = format!("{},{}", pki.path("key.pem").display(), pki.path("cert.pem").display());
        let mut sign = std::process::Command::new(xmlsec1);
        sign.args(["--sign", "--id-attr:Id", "Assertion", "--privkey-pem", &key, "--output"]);
        must(sign.arg(pki.path("signed.xml")).arg(form));
        let signed = std::fs::read_to_string(pki.path("signed.xml")).unwrap();
        let assertion = signed.split_once("?>").unwrap().1.trim().to_owned();
        let from = assertion.find("<ds:Signature ").unwrap();
        let to = assertion.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
        Some(Self { pki, signature: assertion[from..to].to_owned(), assertion })
    }

    /// The signed assertion without its signature.
    fn bare(&self) -> String {
        self.assertion.replace(&self.signature, "")
    }

    fn with(&self, inside: &str) -> String {
        format!(r#"<Assertion xmlns="urn:a" Id="falsch"><Subject>Mallory</Subject>{inside}</Assertion>"#)
    }

    /// The signature with something put before its end.
    fn signature_around(&self, inside: &str) -> String {
        self.signature.replace("</ds:Signature>", &format!("{inside}</ds:Signature>"))
    }

    /// Never the whole, never the forged part.
    fn contained(&self, forged: &str) {
        let trust = self.pki.trust();
        let judgement = verify(forged.as_bytes(), &super::xml::nothing, &at(&trust, NOW));
        assert_eq!(judgement.reports.len(), 1, "{forged}");
        let report = &judgement.reports[0];
        if report.verdict.indication == Indication::TotalPassed {
            let Scope::Some { what } = &report.scope else { panic!("covers {:?}", report.scope) };
            assert!(what.iter().all(|w| w.ends_with("#echt")), "{what:?}");
        }
        assert_ne!(report.scope, Scope::Whole);
    }

    fn refused(&self, forged: &str, sub: SubIndication) {
        self.contained(forged);
        let trust = self.pki.trust();
        let judgement = verify(forged.as_bytes(), &super::xml::nothing, &at(&trust, NOW));
        assert_eq!(judgement.reports[0].verdict.sub, Some(sub), "{judgement:?}");
    }
}

fn response(inside: &str) -> String {
    format!("<Response>{inside}</Response>")
}

#[test]
fn the_genuine_one_passes() {
    let Some(shape) = Shape::new() else { return };
    let trust = shape.pki.trust();
    let judge = |text: &str| verify(text.as_bytes(), &super::xml::nothing, &at(&trust, NOW));
    let alone = judge(&shape.assertion);
    assert_eq!(short(&alone), ["TOTAL-PASSED"]);
    assert_eq!(alone.reports[0].scope, Scope::Whole);
    let inside = judge(&response(&shape.assertion));
    assert_eq!(inside.reports[0].scope, Scope::Some { what: vec!["/Response/Assertion#echt".into()] });
}

#[test]
fn xsw1_original_below_the_signature_of_a_forged_root() {
    let Some(shape) = Shape::new() else { return };
    shape.refused(&shape.with(&shape.signature_around(&shape.bare())), SubIndication::FormatFailure);
}

#[test]
fn xsw2_original_beside_the_signature_in_a_forged_root() {
    let Some(shape) = Shape::new() else { return };
    shape.contained(&shape.with(&format!("{}{}", shape.bare(), shape.signature)));
}

#[test]
fn xsw3_forged_sibling_before_the_original() {
    let Some(shape) = Shape::new() else { return };
    shape.contained(&response(&format!("{}{}", shape.with(""), shape.assertion)));
}

#[test]
fn xsw4_original_as_child_of_the_forged() {
    let Some(shape) = Shape::new() else { return };
    shape.contained(&response(&shape.with(&shape.assertion)));
}

#[test]
fn xsw5_signature_in_the_forged_and_original_at_the_end() {
    let Some(shape) = Shape::new() else { return };
    shape.contained(&response(&format!("{}{}", shape.with(&shape.signature), shape.bare())));
}

#[test]
fn xsw6_original_in_the_signature_in_the_forged() {
    let Some(shape) = Shape::new() else { return };
    let forged = response(&shape.with(&shape.signature_around(&shape.bare())));
    shape.refused(&forged, SubIndication::FormatFailure);
}

#[test]
fn xsw7_forged_in_an_extension_with_the_same_id() {
    let Some(shape) = Shape::new() else { return };
    let forged = shape.with("").replace("falsch", "echt");
    let forged = response(&format!("<Extensions>{forged}</Extensions>{}", shape.assertion));
    shape.refused(&forged, SubIndication::FormatFailure);
}

#[test]
fn xsw8_original_in_an_object_of_the_signature_in_the_forged() {
    let Some(shape) = Shape::new() else { return };
    let object = format!("<ds:Object>{}</ds:Object>", shape.bare());
    shape.contained(&response(&shape.with(&shape.signature_around(&object))));
}

#[test]
fn base64_of_a_document_covers_no_markup() {
    let Some(shape) = Shape::new() else { return };
    // A reference that digests only text would let every element be renamed.
    let forged = shape.assertion.replace(
        r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>"#,
        r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#base64"/>"#,
    );
    assert_ne!(forged, shape.assertion);
    shape.contained(&forged);
}
