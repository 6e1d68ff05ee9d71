// SPDX-License-Identifier: EUPL-1.2
//! PDF signatures of pyHanko judged by us, and the attacks of Mladenov et al. ("1 Trillion Dollar Refund", 2019) and
//! Mainka et al. ("Shadow Attacks", 2021) as named tests.

use std::process::Command;

use poststelle_crypto::signature::pdf::verify;
use poststelle_crypto::signature::{Format, Indication, Judgement, Report, Scope};

use super::{NOW, Pki, at, must, peer, python, short};

/// A PDF with one page, a text field, a hidden second content and a comment.
pub fn document() -> Vec<u8> {
    build(&[
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] /DA (/F1 10 Tf) /DR << /Font << /F1 5 0 R >> >> >> >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> /Annots [6 0 R] >>",
        "<< /Length 51 >>\nstream\nBT /F1 18 Tf 20 100 Td (Sie erhalten 10 Euro) Tj ET\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (Ort) /V (Schwerin) /Rect [10 10 100 30] /P 3 0 R >>",
        "<< /Length 52 >>\nstream\nBT /F1 18 Tf 20 100 Td (Sie zahlen 1000 Euro.) Tj ET\nendstream",
    ])
}

pub fn build(objects: &[&str]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.extend(format!("{} 0 obj\n{object}\nendobj\n", number + 1).bytes());
    }
    let start = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for place in places {
        file.extend(format!("{place:010} 00000 n \n").bytes());
    }
    let size = objects.len() + 1;
    file.extend(format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").bytes());
    file
}

/// Appends a revision that replaces or adds objects.
pub fn update(file: &[u8], objects: &[(u32, &str)]) -> Vec<u8> {
    let mut out = file.to_vec();
    let text = String::from_utf8_lossy(file);
    let previous: usize =
        text.rsplit("startxref").next().unwrap().split_whitespace().next().unwrap().parse().unwrap();
    if !out.ends_with(b"\n") {
        out.push(b'\n');
    }
    let mut table = String::new();
    let size = 200;
    for (number, object) in objects {
        table += &format!("{number} 1\n{:010} 00000 n \n", out.len());
        out.extend(format!("{number} 0 obj\n{object}\nendobj\n").bytes());
    }
    let start = out.len();
    let trailer = format!(
        "xref\n{table}trailer\n<< /Size {size} /Root {} 0 R /Prev {previous} >>\nstartxref\n{start}\n%%EOF\n",
        root(file)
    );
    out.extend(trailer.bytes());
    out
}

fn root(file: &[u8]) -> u32 {
    let document = lopdf::Document::load_mem(file).unwrap();
    document.trailer.get(b"Root").unwrap().as_reference().unwrap().0
}

pub struct Bed {
    pub pki: Pki,
    python: std::path::PathBuf,
}

impl Bed {
    pub fn new() -> Option<Self> {
        let python = python("pyhanko")?;
        Some(Self { pki: Pki::new(&rcgen::PKCS_RSA_SHA256), python })
    }

    pub fn sign(&self, file: &[u8], field: &str, level: &str, options: &[&str]) -> Vec<u8> {
        let (source, target) = (self.pki.write("in.pdf", file), self.pki.path("out.pdf"));
        let mut sign = Command::new(&self.python);
        sign.arg(peer("pdf_peer.py")).arg("sign").arg(source).arg(&target);
        sign.args(["key.pem", "cert.pem", "root.pem"].map(|name| self.pki.path(name))).args([field, level]);
        must(sign.args(options));
        std::fs::read(target).unwrap()
    }

    pub fn judge(&self, file: &[u8]) -> Judgement {
        let trust = self.pki.trust();
        verify(file, &at(&trust, NOW + 400 * 86_400))
    }

    fn one(&self, file: &[u8]) -> Report {
        let mut judgement = self.judge(file);
        assert_eq!(judgement.reports.len(), 1, "{judgement:?}");
        judgement.reports.remove(0)
    }

    /// The signature of pyHanko with the file changed: never passed, and the change is named.
    pub fn refused(&self, file: &[u8], code: &str) {
        let report = &self.judge(file).reports[0];
        assert_ne!(report.verdict.indication, Indication::TotalPassed, "{report:?}");
        let Scope::Revision { changes, .. } = &report.scope else { panic!("{report:?}") };
        assert!(changes.iter().any(|c| c == code), "{changes:?}");
    }
}

pub fn replace(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = file.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
    [&file[..at], to.as_bytes(), &file[at + from.len()..]].concat()
}

#[test]
fn what_pyhanko_signs_is_judged_good() {
    let Some(bed) = Bed::new() else { return };
    for (level, format, expected) in
        [("B", Format::Pades, "B"), ("T", Format::Pades, "T"), ("legacy", Format::Pdf, "")]
    {
        let report = bed.one(&bed.sign(&document(), "Eins", level, &[]));
        assert_eq!(report.verdict.indication, Indication::TotalPassed, "{level}: {report:?}");
        assert_eq!((report.format, report.scope.clone()), (format, Scope::Whole));
        if level != "legacy" {
            assert_eq!(report.level, expected, "{report:?}");
        }
        assert_eq!(report.proven_at.is_some(), level == "T");
    }
    let judgement = bed.judge(&bed.sign(&document(), "Eins", "LTA", &[]));
    assert_eq!(short(&judgement), ["TOTAL-PASSED", "TOTAL-PASSED"], "{judgement:?}");
    assert_eq!(judgement.reports[1].format, Format::TimeStamp);
    let Scope::Revision { changes, .. } = &judgement.reports[0].scope else { panic!("{judgement:?}") };
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn a_second_signature_leaves_the_first_good() {
    let Some(bed) = Bed::new() else { return };
    let once = bed.sign(&document(), "Eins", "B", &[]);
    let twice = bed.sign(&once, "Zwei", "B", &[]);
    let judgement = bed.judge(&twice);
    assert_eq!(short(&judgement), ["TOTAL-PASSED", "TOTAL-PASSED"], "{judgement:?}");
    assert!(judgement.reports[0].notes.contains(&"later-signature-added".to_owned()));
    assert_eq!(judgement.reports[1].scope, Scope::Whole);
    // A certified document that permits nothing is another matter.
    let certified = bed.sign(&document(), "Eins", "B", &["docmdp=1"]);
    assert_eq!(short(&bed.judge(&certified)), ["TOTAL-PASSED"]);
    let form = update(
        &certified,
        &[(8, "<< /Type /Annot /Subtype /Widget /FT /Tx /T (Neu) /Rect [0 0 1 1] /P 3 0 R >>")],
    );
    assert_eq!(
        bed.judge(&form).reports[0].verdict.indication,
        Indication::TotalPassed,
        "unreachable objects change nothing"
    );
}

#[test]
fn changed_octets_break_the_signature() {
    let Some(bed) = Bed::new() else { return };
    let signed = bed.sign(&document(), "Eins", "B", &[]);
    let report = bed.one(&replace(&signed, "10 Euro", "90 Euro"));
    assert_eq!(report.verdict.indication, Indication::TotalFailed, "{report:?}");
}

#[test]
fn isa_incremental_saving_replaces_the_content() {
    let Some(bed) = Bed::new() else { return };
    let signed = bed.sign(&document(), "Eins", "B", &[]);
    let forged = "<< /Length 51 >>\nstream\nBT /F1 18 Tf 20 100 Td (Sie erhalten 90 Euro) Tj ET\nendstream";
    bed.refused(&update(&signed, &[(4, forged)]), "page-content-changed");
    let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 7 0 R /Resources << /Font << /F1 5 0 R >> >> /Annots [6 0 R] >>";
    bed.refused(&update(&signed, &[(3, page)]), "page-content-changed");
    let pages = "<< /Type /Pages /Kids [3 0 R 3 0 R] /Count 2 >>";
    assert_ne!(
        bed.judge(&update(&signed, &[(2, pages)])).reports[0].verdict.indication,
        Indication::TotalPassed
    );
}

#[test]
fn isa_appended_octets_without_a_cross_reference() {
    let Some(bed) = Bed::new() else { return };
    let mut file = bed.sign(&document(), "Eins", "B", &[]);
    file.extend_from_slice(b"\n4 0 obj\n<< /Length 4 >>\nstream\nBoes\nendstream\nendobj\n");
    bed.refused(&file, "octets-appended");
    let mut file = bed.sign(&document(), "Eins", "B", &[]);
    file.extend_from_slice(
        b"\n4 0 obj\n<< /Length 0 >>\nstream\n\nendstream\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n",
    );
    bed.refused(&file, "octets-appended");
}

#[test]
fn shadow_hide_an_overlay_is_taken_away() {
    let Some(bed) = Bed::new() else { return };
    // Prepared: an annotation covers the text; after signing it is removed.
    let covered = replace(&document(), "/Annots [6 0 R]", "/Annots [8 0 R]");
    let covered =
        update(&covered, &[(8, "<< /Type /Annot /Subtype /Square /Rect [0 0 300 200] /P 3 0 R >>")]);
    let signed = bed.sign(&covered, "Eins", "B", &[]);
    assert_eq!(short(&bed.judge(&signed)), ["TOTAL-PASSED"]);
    let empty = "<< /Type /Annot /Subtype /Square /Rect [0 0 0 0] /P 3 0 R >>";
    bed.refused(&update(&signed, &[(8, empty)]), "annotation-changed");
}

#[test]
fn shadow_replace_a_field_gets_another_face() {
    let Some(bed) = Bed::new() else { return };
    let signed = bed.sign(&document(), "Eins", "B", &[]);
    let face = "<< /Type /Annot /Subtype /Widget /FT /Tx /T (Ort) /V (Schwerin) /Rect [10 10 100 30] /P 3 0 R /AP << /N 7 0 R >> >>";
    bed.refused(&update(&signed, &[(6, face)]), "field-appearance-changed");
    let moved =
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (Ort) /V (Schwerin) /Rect [10 10 300 200] /P 3 0 R >>";
    bed.refused(&update(&signed, &[(6, moved)]), "field-changed");
    let font = "<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>";
    bed.refused(&update(&signed, &[(5, font)]), "page-content-changed");
    // Filling the form is what forms are for.
    let filled =
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (Ort) /V (Parchim) /Rect [10 10 100 30] /P 3 0 R >>";
    let report = &bed.judge(&update(&signed, &[(6, filled)])).reports[0];
    assert_eq!(report.verdict.indication, Indication::TotalPassed, "{report:?}");
    assert!(report.notes.contains(&"later-form-filled".to_owned()));
}

#[test]
fn shadow_hide_and_replace_another_catalogue() {
    let Some(bed) = Bed::new() else { return };
    let signed = bed.sign(&document(), "Eins", "B", &[]);
    let old = format!("/Root {} 0 R", root(&signed));
    let mut forged = update(
        &signed,
        &[(60, "<< /Type /Catalog /Pages 61 0 R >>"), (61, "<< /Type /Pages /Kids [] /Count 0 >>")],
    );
    let at = forged.windows(old.len()).rposition(|w| w == old.as_bytes()).unwrap();
    let new = format!("{:width$}", "/Root 60 0 R", width = old.len());
    forged.splice(at..at + old.len(), new.bytes());
    let judgement = bed.judge(&forged);
    assert!(
        judgement.reports.iter().all(|r| r.verdict.indication != Indication::TotalPassed),
        "{judgement:?}"
    );
}

#[test]
fn usf_ranges_and_values_that_are_missing_or_odd() {
    let Some(bed) = Bed::new() else { return };
    let signed = bed.sign(&document(), "Eins", "B", &[]);
    let text = String::from_utf8_lossy(&signed).into_owned();
    let range = &text[text.find("/ByteRange").unwrap()..];
    let range = &range[..=range.find(']').unwrap()];
    let numbers: Vec<usize> = range[range.find('[').unwrap() + 1..range.len() - 1]
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    let (gap, second, length) = (numbers[1], numbers[2], numbers[3]);
    for odd in [
        "/ByteRange []".to_owned(),
        "/ByteRange null".to_owned(),
        "/ByteRange [0 0 0 0]".to_owned(),
        format!("/ByteRange [0 {gap} {second}]"),
        format!("/ByteRange [0 {gap} {second} -{length}]"),
        format!("/ByteRange [1 {gap} {second} {length}]"),
        format!("/ByteRange [0 {gap} {gap} {length}]"),
        format!("/ByteRange [0 {gap} 99999999 {length}]"),
    ] {
        let forged = replace(&signed, range, &format!("{odd:width$}", width = range.len()));
        let judgement = bed.judge(&forged);
        assert!(!judgement.reports.is_empty(), "{odd}");
        assert!(judgement.reports.iter().all(|r| r.verdict.indication != Indication::TotalPassed), "{odd}");
    }
    let gone = replace(&signed, range, &" ".repeat(range.len()));
    assert_ne!(bed.one(&gone).verdict.indication, Indication::TotalPassed);
    let contents = replace(&signed, "/Contents <", "/Contenta <");
    assert_ne!(bed.one(&contents).verdict.indication, Indication::TotalPassed);
    let value = std::str::from_utf8(&signed[gap..second]).unwrap();
    for (empty, name) in [
        (format!("<{}>", "0".repeat(value.len() - 2)), "zeros"),
        (format!("<>{}", " ".repeat(value.len() - 2)), "nothing"),
    ] {
        assert_ne!(
            bed.one(&replace(&signed, value, &empty)).verdict.indication,
            Indication::TotalPassed,
            "{name}"
        );
    }
}

#[test]
fn swa_the_gap_is_moved_to_hold_more_than_the_value() {
    let Some(bed) = Bed::new() else { return };
    let signed = bed.sign(&document(), "Eins", "B", &[]);
    let text = String::from_utf8_lossy(&signed).into_owned();
    let range = &text[text.find("/ByteRange").unwrap()..];
    let range = range[..=range.find(']').unwrap()].to_owned();
    let numbers: Vec<usize> = range[range.find('[').unwrap() + 1..range.len() - 1]
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    // The second signed part moves back; forged objects take its place in the gap.
    let forged = b"\n4 0 obj\n<< /Length 4 >>\nstream\nBoes\nendstream\nendobj\n";
    let file = signed.iter().copied();
    let mut out: Vec<u8> = file.clone().take(numbers[2]).collect();
    out.extend_from_slice(forged);
    out.extend(file.skip(numbers[2]));
    let moved = format!("/ByteRange [0 {} {} {}]", numbers[1], numbers[2] + forged.len(), numbers[3]);
    let out = replace(&out, &range, &format!("{moved:width$}", width = range.len()));
    let judgement = bed.judge(&out);
    assert!(!judgement.reports.is_empty());
    assert!(
        judgement.reports.iter().all(|r| r.verdict.indication != Indication::TotalPassed),
        "{judgement:?}"
    );
}

#[test]
fn files_without_signatures_and_files_that_are_none() {
    let pki = Pki::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let trust = pki.trust();
    assert!(verify(&document(), &at(&trust, NOW)).reports.is_empty());
    assert!(verify(b"kein PDF", &at(&trust, NOW)).reports.is_empty());
    assert_eq!(verify(b"%PDF-1.7\n/ByteRange", &at(&trust, NOW)).reports.len(), 1);
}
