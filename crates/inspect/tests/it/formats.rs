// SPDX-License-Identifier: EUPL-1.2
//! What is noticed in files, and that nothing is noticed in harmless ones.

use poststelle_inspect::Caps;
use poststelle_inspect::codes::{self, *};
use poststelle_inspect::notes::{is_outlook_message, look};
use poststelle_inspect::octets::Spool;

use crate::bed::{oracle, python, run};
use crate::forge::{compound, pdf, stream, zip, zlib};

fn notes(octets: &[u8], declared: &str, name: &str) -> Vec<poststelle_inspect::sheet::Note> {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::of(folder.path(), octets).unwrap();
    look(&spool, spool.detected(), declared, name, &Caps::default())
}

fn codes_of(octets: &[u8], declared: &str, name: &str) -> Vec<String> {
    notes(octets, declared, name).into_iter().map(|n| n.code).collect()
}

#[test]
fn names_and_declarations() {
    let pdf = pdf(&[b"<< /Type /Catalog >>".to_vec()], "");
    let program = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff";
    let cases: &[(&[u8], &str, &str, &[&str])] = &[
        (&pdf, "application/pdf", "Antrag.pdf", &[]),
        (&pdf, "application/octet-stream", "Antrag", &[]),
        (&pdf, "image/png", "Antrag.pdf", &[TYPE_DECLARED]),
        (&pdf, "application/pdf", "Antrag.docx", &[TYPE_NAME]),
        (program, "application/pdf", "Antrag.pdf", &[EXECUTABLE, TYPE_NAME, TYPE_DECLARED]),
        (program, "", "Antrag.pdf.exe", &[NAME_DOUBLE_EXTENSION, EXECUTABLE]),
        (b"echo hallo", "text/plain", "los.bat", &[EXECUTABLE]),
        (b"echo hallo", "text/plain", "Antrag\u{202e}txt.bat", &[NAME_BIDI, EXECUTABLE]),
        (b"Guten Tag", "text/plain; charset=utf-8", "Brief.v2.txt", &[]),
        (b"a;b;c", "text/csv", "Liste.csv", &[]),
        (b"<xbau/>", "application/xml", "xbau.xml", &[]),
    ];
    for (octets, declared, name, want) in cases {
        assert_eq!(codes_of(octets, declared, name), *want, "{declared} {name}");
    }
}

#[test]
fn pdf_notes() {
    let font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>";
    let xmp = b"<x:xmpmeta><rdf:Description pdfaid:part=\"3\" pdfaid:conformance=\"B\"/></x:xmpmeta>";
    let catalogue = |more: &str| format!("<< /Type /Catalog {more} >>").into_bytes();
    type Case<'a> = (Vec<Vec<u8>>, &'a str, &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (vec![catalogue("")], "", &[]),
        (vec![catalogue("/OpenAction [3 0 R /Fit]")], "", &[]),
        (vec![catalogue("/OpenAction 2 0 R"), b"<< /S /GoTo /D [3 0 R /Fit] >>".to_vec()], "", &[]),
        (
            vec![catalogue("/OpenAction 2 0 R"), b"<< /S /JavaScript /JS (app.alert(1)) >>".to_vec()],
            "",
            &[PDF_JAVASCRIPT, PDF_OPEN_ACTION],
        ),
        (vec![catalogue("/AA << /WC << /S /Launch /F (x.exe) >> >>")], "", &[PDF_LAUNCH, PDF_OPEN_ACTION]),
        (
            vec![catalogue("/Names << /JavaScript 2 0 R >>"), b"<< /Names [] >>".to_vec()],
            "",
            &[PDF_JAVASCRIPT],
        ),
        (vec![catalogue("/AcroForm << /XFA (x) >>")], "", &[PDF_XFA]),
        (vec![catalogue("/A << /S /URI /URI (https://example.org) >>")], "", &[PDF_EXTERNAL]),
        (vec![catalogue(""), font.into()], "", &[PDF_FONTS]),
        (vec![catalogue("/Metadata 2 0 R"), stream("/Type /Metadata", xmp)], "", &[PDF_A]),
        (vec![catalogue("")], "/Encrypt 2 0 R", &[PDF_ENCRYPTED]),
        (
            vec![
                catalogue(""),
                b"<< /Type /Filespec /F (a.txt) /EF << /F 3 0 R >> >>".to_vec(),
                stream("", b"abc"),
            ],
            "",
            &[PDF_EMBEDDED],
        ),
    ];
    for (objects, trailer, want) in cases {
        let file = pdf(objects, trailer);
        assert_eq!(codes_of(&file, "application/pdf", "a.pdf"), *want, "{}", objects[0].escape_ascii());
    }
    // The same inside an object stream, where a search for words finds nothing.
    let inner = b"4 0 << /S /JavaScript /JS (app.alert(1)) >>";
    let hidden = stream("/Type /ObjStm /N 1 /First 4 /Filter /FlateDecode", &zlib(inner));
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (n, object) in [catalogue(""), hidden].iter().enumerate() {
        places.push(file.len() as u16);
        file.extend([format!("{} 0 obj\n", n + 1).as_bytes(), object, b"\nendobj\n"].concat());
    }
    let at = file.len() as u16;
    let mut rows = vec![0, 0, 0, 0];
    for place in places.iter().chain([&at]) {
        rows.extend([1, (place >> 8) as u8, *place as u8, 0]);
    }
    rows.extend([2, 0, 2, 0]);
    let xref = stream("/Type /XRef /Size 5 /W [1 2 1] /Root 1 0 R", &rows);
    file.extend(
        [b"3 0 obj\n".as_slice(), &xref, format!("\nendobj\nstartxref\n{at}\n%%EOF").as_bytes()].concat(),
    );
    assert_eq!(codes_of(&file, "", "a.pdf"), [PDF_JAVASCRIPT]);
    let claim = notes(&pdf(&[catalogue("/Metadata 2 0 R"), stream("", xmp)], ""), "", "a.pdf");
    assert_eq!(claim[0].params["claim"], "PDF/A-3b");
    assert_eq!(codes_of(b"%PDF-1.7\nkaputt", "", "a.pdf"), [FORMAT_DAMAGED]);
}

#[test]
fn office_notes() {
    let rels = |kind: &str, target: &str| {
        let base = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        format!(
            "<Relationships><Relationship Id='r' Type='{base}/{kind}' Target='{target}' TargetMode='External'/></Relationships>"
        )
    };
    let document: &[u8] = b"<w:document xmlns:w='w'><w:t>Guten Tag</w:t></w:document>";
    let with = |more: &[(&str, &[u8])]| {
        zip(&[&[("[Content_Types].xml", &b"<Types/>"[..]), ("d:word/document.xml", document)], more].concat())
    };
    let dde = b"<w:p xmlns:w='w'><w:instrText>DDEA</w:instrText><w:r/><w:instrText>UTO c:\\\\x \"y\"</w:instrText></w:p>";
    let cases: &[(Vec<u8>, &[&str])] = &[
        (with(&[]), &[]),
        (with(&[("word/_rels/document.xml.rels", rels("hyperlink", "https://example.org").as_bytes())]), &[]),
        (with(&[("word/vbaProject.bin", b"x")]), &[OFFICE_MACROS]),
        (
            with(&[(
                "d:word/_rels/settings.xml.rels",
                rels("attachedTemplate", "http://x/y.dotm").as_bytes(),
            )]),
            &[OFFICE_TEMPLATE],
        ),
        (
            with(&[("word/_rels/document.xml.rels", rels("image", "http://x/y.png").as_bytes())]),
            &[OFFICE_EXTERNAL],
        ),
        (with(&[("word/embeddings/oleObject1.bin", b"x")]), &[OFFICE_OBJECT]),
        (with(&[("d:word/header1.xml", dde)]), &[OFFICE_DDE]),
        (
            with(&[("word/footer1.xml", b"<a><w:fldSimple xmlns:w='w' w:instr=' DDE x y'/></a>")]),
            &[OFFICE_DDE],
        ),
    ];
    for (octets, want) in cases {
        assert_eq!(codes_of(octets, "", "Brief.docx"), *want);
    }
    let found = notes(&cases[3].0, "", "Brief.docx");
    assert_eq!(found[0].params["target"], "http://x/y.dotm");
    let odt = zip(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("META-INF/manifest.xml", b"<m:manifest xmlns:m='m'><m:encryption-data/></m:manifest>"),
        ("Basic/Standard/Modul1.xml", b"<x/>"),
    ]);
    assert_eq!(codes_of(&odt, "", "Brief.odt"), [OFFICE_ENCRYPTED, OFFICE_MACROS]);
}

#[test]
fn compound_files() {
    let cases: &[(&[&str], &str, &[&str])] = &[
        (&["WordDocument", "1Table"], "a.doc", &[]),
        (&["WordDocument", "Macros", "_VBA_PROJECT", "dir", "x"], "a.doc", &[OFFICE_MACROS]),
        (&["Workbook", "MBD00012345"], "a.xls", &[OFFICE_OBJECT]),
        (&["EncryptionInfo", "EncryptedPackage"], "a.docx", &[OFFICE_ENCRYPTED]),
        (&["__properties_version1.0", "__substg1.0_0037001F"], "a.msg", &[OUTLOOK_MESSAGE]),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (names, name, want) in cases {
        let file = compound(names);
        assert_eq!(codes_of(&file, "", name), *want, "{names:?}");
        let spool = Spool::of(folder.path(), &file).unwrap();
        assert_eq!(is_outlook_message(&spool), *name == "a.msg");
        // What we forge a foreign reader of compound files takes too.
        if oracle("7z") {
            std::fs::write(folder.path().join(name), &file).unwrap();
            run(folder.path(), "7z", &["l", "-tCompound", name]);
        }
        // Cut off, and with a directory that goes round in circles.
        assert_eq!(codes_of(&file[..600], "", name), [FORMAT_DAMAGED]);
        let mut circle = file.clone();
        circle[516..520].copy_from_slice(&1u32.to_le_bytes());
        assert!(codes_of(&circle, "", name).contains(&FORMAT_DAMAGED.to_owned()));
    }
}

#[test]
fn markup_and_polyglots() {
    let archive = zip(&[("a.txt", b"abc")]);
    let page = b"<!DOCTYPE html><html><p>Guten Tag</p></html>".to_vec();
    let pdf = pdf(&[b"<< /Type /Catalog >>".to_vec()], "");
    let script = b"<html><SCRIPT>alert(1)</SCRIPT></html>".to_vec();
    let late = [b"<html>".to_vec(), b" ".repeat(2_000_000), b"<p onload='x()'>".to_vec()].concat();
    let wide: Vec<u8> =
        "\u{feff}<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a/>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
    let cases: &[(Vec<u8>, &str, &[&str])] = &[
        (page.clone(), "a.html", &[]),
        (script, "a.html", &[HTML_SCRIPT]),
        (late, "a.html", &[HTML_SCRIPT]),
        (b"<svg xmlns='s'><path/></svg>".to_vec(), "a.svg", &[]),
        (b"<?xml version='1.0'?><svg xmlns='s'><script>x()</script></svg>".to_vec(), "a.svg", &[SVG_SCRIPT]),
        (b"<?xml version='1.0'?><!DOCTYPE a SYSTEM 'x'><a/>".to_vec(), "a.xml", &[XML_DTD]),
        (wide, "a.xml", &[XML_DTD]),
        ([page, archive.clone()].concat(), "a.html", &[POLYGLOT]),
        ([pdf.clone(), archive.clone()].concat(), "a.pdf", &[POLYGLOT]),
        ([b"GIF89a".to_vec(), pdf.clone()].concat(), "a.gif", &[POLYGLOT]),
        (zip(&[("a.pdf", &pdf)]), "a.zip", &[]),
        (archive, "a.zip", &[]),
    ];
    for (octets, name, want) in cases {
        assert_eq!(codes_of(octets, "", name), *want, "{name} {}", octets[..20].escape_ascii());
    }
}

#[test]
fn protected_archives_are_named() {
    if !(oracle("7z") && oracle("python3")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    python(folder.path(), "open('a.txt', 'w').write('abc')");
    run(folder.path(), "7z", &["a", "-tzip", "-psecret", "a.zip", "a.txt"]);
    let octets = std::fs::read(folder.path().join("a.zip")).unwrap();
    assert_eq!(codes_of(&octets, "application/zip", "a.zip"), [codes::ZIP_ENCRYPTED]);
}
