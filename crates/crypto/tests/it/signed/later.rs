// SPDX-License-Identifier: EUPL-1.2
//! What a later revision of a signed PDF may not show: overlays by signature fields, buttons, and objects that are
//! fields and page content at once.

use lopdf::{Dictionary, Document, Object, ObjectId};
use poststelle_crypto::signature::Indication;

use super::pdf::{Bed, build, document, replace, update};
use super::{Pki, short};

const PAGE_SIZED: &str = "/Rect [0 0 300 200] /AP << /N 7 0 R >>";

/// The catalogue and the first page with one more field and annotation, for an update.
fn with_field(file: &[u8], number: u32) -> Vec<(u32, String)> {
    let doc = Document::load_mem(file).unwrap();
    let root = doc.trailer.get(b"Root").unwrap().as_reference().unwrap();
    let mut catalog = doc.catalog().unwrap().clone();
    let form = catalog.get(b"AcroForm").unwrap();
    let mut form = doc.dereference(form).unwrap().1.as_dict().unwrap().clone();
    add(&doc, &mut form, b"Fields", number);
    catalog.set("AcroForm", form);
    let page = *doc.get_pages().get(&1).unwrap();
    let mut first = doc.get_dictionary(page).unwrap().clone();
    add(&doc, &mut first, b"Annots", number);
    vec![(root.0, format!("{catalog:?}")), (page.0, format!("{first:?}"))]
}

fn add(doc: &Document, to: &mut Dictionary, key: &[u8], number: u32) {
    let mut list = doc.dereference(to.get(key).unwrap()).unwrap().1.as_array().unwrap().clone();
    list.push(Object::Reference((number, 0)));
    to.set(key, list);
}

/// A revision with one more field, drawn on the page, and what it needs.
fn added(file: &[u8], field: &str, more: &[(u32, &str)]) -> Vec<u8> {
    let mut objects = with_field(file, 90);
    objects.push((90, format!("<< /Type /Annot /Subtype /Widget /T (Neu) /P 3 0 R {field} >>")));
    objects.extend(more.iter().map(|(number, object)| (*number, (*object).to_owned())));
    let objects: Vec<(u32, &str)> = objects.iter().map(|(n, o)| (*n, o.as_str())).collect();
    update(file, &objects)
}

/// The first filled signature field and its dictionary.
fn signature_field(file: &[u8]) -> (ObjectId, Dictionary) {
    let doc = Document::load_mem(file).unwrap();
    let filled = |o: &Object| matches!(o, Object::Dictionary(d) if d.has(b"V") && d.get(b"FT").ok() == Some(&Object::Name(b"Sig".to_vec())));
    let (id, object) = doc.objects.iter().find(|(_, o)| filled(o)).unwrap();
    (*id, object.as_dict().unwrap().clone())
}

fn first(bed: &Bed, file: &[u8]) -> Indication {
    bed.judge(file).reports[0].verdict.indication
}

#[test]
fn an_added_signature_field_may_not_cover_the_page() {
    let Some(bed) = Bed::new() else { return };
    let signed = bed.sign(&document(), "Eins", "B", &[]);
    // Without a value it is no signature at all, seen or not.
    for place in [PAGE_SIZED, "/Rect [0 0 0 0]"] {
        bed.refused(&added(&signed, &format!("/FT /Sig {place}"), &[]), "signature-field-added");
    }
    // A value that is worth nothing, and the value of the signature that is there already.
    let dummy = "<< /Type /Sig /SubFilter /ETSI.CAdES.detached /Contents <3000> /ByteRange [0 1 2 3] >>";
    bed.refused(
        &added(&signed, &format!("/FT /Sig /V 91 0 R {PAGE_SIZED}"), &[(91, dummy)]),
        "signature-shown",
    );
    let (_, own) = signature_field(&signed);
    let again = format!("/FT /Sig /V {:?} {PAGE_SIZED}", own.get(b"V").unwrap());
    bed.refused(&added(&signed, &again, &[]), "signature-shown");
    // No stranger may show anything, who is known may.
    let mut stranger = Bed::new().unwrap();
    stranger.pki = Pki::new(&rcgen::PKCS_RSA_SHA256);
    let box_ = ["box=0,0,300,200"];
    bed.refused(&stranger.sign(&signed, "Zwei", "B", &box_), "signature-shown");
    let known = bed.judge(&bed.sign(&signed, "Zwei", "B", &box_));
    assert_eq!(short(&known), ["TOTAL-PASSED", "TOTAL-PASSED"], "{known:?}");
    // A stranger's signature that shows nothing takes nothing away.
    assert_eq!(first(&bed, &stranger.sign(&signed, "Zwei", "B", &[])), Indication::TotalPassed);
}

#[test]
fn the_face_of_a_signature_stays_as_it_was_signed() {
    let Some(bed) = Bed::new() else { return };
    let signed = bed.sign(&document(), "Eins", "B", &["box=10,40,100,80"]);
    assert_eq!(first(&bed, &signed), Indication::TotalPassed);
    let (id, field) = signature_field(&signed);
    for (key, value) in [("AP", "<< /N 7 0 R >>"), ("MK", "<< /BG [1 0 0] >>"), ("AS", "/An")] {
        let mut changed = field.clone();
        changed.set(key, Object::Name(b"HIER".to_vec()));
        let text = format!("{changed:?}").replace("/HIER", value);
        bed.refused(&update(&signed, &[(id.0, &text)]), "signature-appearance-changed");
    }
}

#[test]
fn a_certified_file_takes_only_a_good_time_stamp() {
    let Some(bed) = Bed::new() else { return };
    let certified = bed.sign(&document(), "Eins", "B", &["docmdp=1"]);
    let dummy = "<< /Type /DocTimeStamp /SubFilter /ETSI.RFC3161 /Contents <3000> /ByteRange [0 1 2 3] >>";
    for place in [PAGE_SIZED, "/Rect [0 0 0 0]"] {
        let forged = added(&certified, &format!("/FT /Sig /V 91 0 R {place}"), &[(91, dummy)]);
        bed.refused(&forged, "time-stamp-added");
    }
    let good = bed.judge(&bed.sign(&document(), "Eins", "LTA", &["docmdp=1"]));
    assert_eq!(short(&good), ["TOTAL-PASSED", "TOTAL-PASSED"], "{good:?}");
}

#[test]
fn a_button_gets_no_other_face() {
    let Some(bed) = Bed::new() else { return };
    let field = "/Subtype /Widget /FT /Tx /T (Ort) /V (Schwerin)";
    let button = "/Subtype /Widget /FT /Btn /T (Ort) /Ff 65536";
    let file = String::from_utf8_lossy(&document()).into_owned();
    assert!(file.contains(field));
    // The same length keeps the cross-reference right.
    let button = format!("{button:width$}", width = field.len());
    let signed = bed.sign(&replace(&document(), field, &button), "Eins", "B", &[]);
    let face = format!("<< /Type /Annot {button} /Rect [10 10 100 30] /P 3 0 R /AP << /N 7 0 R >> >>");
    bed.refused(&update(&signed, &[(6, &face)]), "field-appearance-changed");
}

#[test]
fn page_content_that_is_a_field_as_well_may_not_change() {
    let Some(bed) = Bed::new() else { return };
    // The XObject resources of the page are a text field too: its value is what the page draws.
    let field = |value: u32| format!("<< /FT /Tx /T (Ort) /V {value} 0 R >>");
    let form = "<< /Type /XObject /Subtype /Form /BBox [0 0 300 200] /Length 0 >>\nstream\n\nendstream";
    let file = build(&[
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] >> >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R /Resources << /XObject 6 0 R >> /Annots [] >>",
        "<< /Length 5 >>\nstream\n/V Do\nendstream",
        form,
        &field(5),
    ]);
    let signed = bed.sign(&file, "Eins", "B", &[]);
    assert_eq!(short(&bed.judge(&signed)), ["TOTAL-PASSED"]);
    let other = "<< /Type /XObject /Subtype /Form /BBox [0 0 300 200] /Length 4 >>\nstream\nBoes\nendstream";
    bed.refused(&update(&signed, &[(6, &field(91)), (91, other)]), "page-content-changed");
}

#[test]
fn a_field_that_was_not_shown_stays_hidden() {
    let Some(bed) = Bed::new() else { return };
    let hidden = replace(&document(), "/Annots [6 0 R]", "/Annots [     ]");
    let signed = bed.sign(&hidden, "Eins", "B", &[]);
    let doc = Document::load_mem(&signed).unwrap();
    let mut page = doc.get_dictionary((3, 0)).unwrap().clone();
    add(&doc, &mut page, b"Annots", 6);
    bed.refused(&update(&signed, &[(3, &format!("{page:?}"))]), "annotation-added");
}

#[test]
fn a_verdict_taken_back_is_taken_back_for_every_time() {
    let Some(bed) = Bed::new() else { return };
    let signed = bed.sign(&document(), "Eins", "legacy", &[]);
    let before = bed.judge(&signed).reports.remove(0);
    assert_eq!(before.quality, "ADES");
    assert!(before.at_received.is_some_and(|v| v.is_passed()) && before.at_present.is_some());
    let forged = "<< /Length 4 >>\nstream\nBoes\nendstream";
    let report = bed.judge(&update(&signed, &[(4, forged)])).reports.remove(0);
    assert!(!report.verdict.is_passed());
    assert_eq!(report.quality, "");
    for verdict in [report.at_claimed, report.at_received, report.at_present].into_iter().flatten() {
        assert!(!verdict.is_passed(), "{verdict:?}");
    }
}
