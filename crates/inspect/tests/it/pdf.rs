// SPDX-License-Identifier: EUPL-1.2
//! The sheet on paper: read back by poppler, judged by veraPDF, the same octets each time.
//!
//! A missing program is reported as `SKIPPED`; with `POSTSTELLE_REQUIRE_ORACLES=1` it is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use proptest::prelude::*;

use poststelle_inspect::face::{Block, Face, Tone};
use poststelle_inspect::pdf::{Embedded, PdfError, pdf};

const AT: i64 = 1_795_000_000;
const JSON: &[u8] = br#"{"schema":"poststelle-pruefprotokoll-1","name":"M\u00fcller"}"#;

fn embedded() -> [Embedded<'static>; 1] {
    [Embedded {
        name: "pruefprotokoll.json",
        media_type: "application/json",
        octets: JSON,
        description: "Prüfprotokoll, maschinenlesbar",
    }]
}

/// Everything a face can hold, with what is awkward: long words, empty cells, ragged rows, characters without a shape.
fn face(rows: usize) -> Face {
    let hash = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c".repeat(2);
    Face {
        title: "Prüfprotokoll".to_owned(),
        about: "Nachricht von Jörg Müßig, eingegangen über beBPo".to_owned(),
        blocks: vec![
            Block::Alert {
                tone: Tone::Danger,
                title: "Schadsoftware gefunden".to_owned(),
                text: "Die Datei bleibt in Verwahrung.".to_owned(),
            },
            Block::Alert { tone: Tone::Success, title: "Vollständig".to_owned(), text: String::new() },
            Block::Heading { level: 3, text: "Zu tief".to_owned() },
            Block::Heading { level: 2, text: "Nachricht".to_owned() },
            Block::Facts(vec![
                ("Absender".to_owned(), "Jörg Müßig".to_owned()),
                ("SHA-512".to_owned(), hash.clone()),
                ("Aktenzeichen".to_owned(), String::new()),
            ]),
            Block::Text("Erste Zeile\nzweite Zeile mit \u{202E}gnp.exe und 日本 und e\u{301}".to_owned()),
            Block::List(vec!["Eins".to_owned(), "Zwei und ein langer Satz ".repeat(20)]),
            Block::Heading { level: 3, text: "Bestandteile".to_owned() },
            Block::Table {
                caption: "Bestandteile der Nachricht".to_owned(),
                head: ["Stelle", "Name", "Größe", "SHA-256", "Urteil"].map(str::to_owned).to_vec(),
                rows: (0..rows)
                    .map(|n| match n {
                        3 => vec!["4".to_owned(), String::new()],
                        4 => (0..9).map(|n| n.to_string()).collect(),
                        5 => vec!["6".to_owned(), "hoch ".repeat(700)],
                        _ => vec![
                            format!("1.{}", n + 1),
                            format!("Anlage {n} – Übersicht.pdf"),
                            format!("{} KB", n * 7),
                            hash[..64].to_owned(),
                            "unauffällig".to_owned(),
                        ],
                    })
                    .collect(),
            },
        ],
    }
}

fn missing(program: &str) {
    assert_ne!(std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref(), Ok("1"), "{program} is required");
    println!("SKIPPED: {program} is not installed");
}

fn run(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            // Poppler prints titles of headings as the UTF-16 they are.
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(_) => {
            missing(program);
            None
        }
    }
}

fn written(folder: &Path, name: &str, octets: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, octets).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_same_face_gives_the_same_octets() {
    let face = face(40);
    let once = pdf(&face, &embedded(), AT, "01890000-0000-7000-8000-000000000001").unwrap();
    assert_eq!(once, pdf(&face, &embedded(), AT, "01890000-0000-7000-8000-000000000001").unwrap());
    assert_ne!(once, pdf(&face, &embedded(), AT + 1, "01890000-0000-7000-8000-000000000001").unwrap());
}

#[test]
fn a_file_that_cannot_be_embedded_is_named() {
    let [file] = embedded();
    let twice = pdf(&face(1), &[file, file], AT, "x").unwrap_err();
    assert!(matches!(twice, PdfError::Embedded(name) if name == "pruefprotokoll.json"));
    let nameless = pdf(&face(1), &[Embedded { media_type: "json", ..file }], AT, "x").unwrap_err();
    assert!(matches!(nameless, PdfError::Embedded(_)));
}

#[test]
fn poppler_reads_text_facts_and_the_embedded_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "sheet.pdf", &pdf(&face(60), &embedded(), AT, "urn:uuid:1").unwrap());
    let Some(text) = run("pdftotext", &["-layout", &path, "-"]) else { return };
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "Gefahr: Schadsoftware gefunden",
        "Jörg Müßig",
        "In Ordnung: Vollständig",
        "\u{FFFD}gnp.exe und \u{FFFD}\u{FFFD} und é",
        "Für 3 Zeichen hat die Schrift",
        "unauffällig",
        "urn:uuid:1",
        "Seite 2 von",
    ] {
        assert!(flat.contains(expected), "{expected} is not in: {flat}");
    }
    assert!(
        flat.replace(' ', "").contains("4·5·6·7·8"),
        "what is beyond the head is joined into the last cell: {flat}"
    );
    // The head of the table stands again on the next page.
    assert!(flat.matches("Stelle Name Größe").count() >= 2, "{flat}");

    let facts = run("pdfinfo", &[&path]).unwrap();
    for expected in ["Title:           Prüfprotokoll", "Tagged:          yes", "2026-11-18"] {
        let date = run("pdfinfo", &["-isodates", &path]).unwrap();
        assert!(facts.contains(expected) || date.contains(expected), "{expected} is not in: {facts}{date}");
    }
    let structure = run("pdfinfo", &["-struct", &path]).unwrap();
    let names: Vec<&str> =
        structure.lines().map(|line| line.trim().split([' ', ':']).next().unwrap()).collect();
    for name in
        ["H1", "H2", "H3", "Table", "Caption", "THead", "TBody", "TR", "TH", "TD", "L", "LI", "Lbl", "LBody"]
    {
        assert!(names.contains(&name), "{name} is not in: {structure}");
    }
    let (rows, cells) =
        (names.iter().filter(|n| **n == "TR").count(), names.iter().filter(|n| **n == "TD").count());
    assert_eq!((rows, cells), (61, 60 * 4), "every row is there once and has all its cells");

    let saved = folder.path().join("saved.json");
    run("pdfdetach", &["-save", "1", "-o", saved.to_str().unwrap(), &path]).unwrap();
    assert_eq!(std::fs::read(saved).unwrap(), JSON);
}

#[test]
fn verapdf_finds_it_compliant() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<(String, bool)> = [
        ("full.pdf", pdf(&face(60), &embedded(), AT, "urn:uuid:2").unwrap(), true),
        ("empty.pdf", pdf(&Face::default(), &[], AT, "").unwrap(), true),
        ("hostile.pdf", pdf(&hostile(), &embedded(), AT, "a\u{1}b<&>\u{FFFE}\n\u{202E}c").unwrap(), true),
        // What is cut short is not compliant: the judge looks.
        ("broken.pdf", untagged(&pdf(&face(2), &embedded(), AT, "urn:uuid:3").unwrap()), false),
    ]
    .into_iter()
    .map(|(name, octets, good)| (written(folder.path(), name, &octets), good))
    .collect();
    let output = Command::new(root.join("scripts/oracle"))
        .arg("verapdf")
        .args(files.iter().map(|(path, _)| PathBuf::from(path)))
        .output()
        .unwrap();
    if output.status.code() == Some(77) {
        return missing("veraPDF (scripts/tools fetches it)");
    }
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let verdicts: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(verdicts.len(), 2 * files.len(), "{text}");
    for (n, verdict) in verdicts.iter().enumerate() {
        let (path, good) = &files[n / 2];
        assert_eq!(verdict["file"], path.as_str());
        // Without its tags a file keeps PDF/A-3b and breaks PDF/UA-1.
        let expected = *good || n % 2 == 0;
        assert_eq!(verdict["compliant"], expected, "{verdict}");
    }
}

/// Nothing but what breaks careless writers.
fn hostile() -> Face {
    let bad =
        "\0\u{1B}\u{FEFF}\u{FFFE}\u{FFFF}\u{202E}\u{E000}\u{1F4A9}\u{65E5}<&>\"()\\\r\n\t\u{301}\u{AD}%";
    let text = || bad.repeat(3);
    Face {
        title: text(),
        about: text(),
        blocks: vec![
            Block::Heading { level: 9, text: text() },
            Block::Heading { level: 0, text: text() },
            Block::Heading { level: 2, text: String::new() },
            Block::Text(text()),
            Block::Text(String::new()),
            Block::Alert { tone: Tone::Info, title: text(), text: text() },
            Block::Facts(vec![(text(), text()), (String::new(), String::new())]),
            Block::List(vec![text(), String::new()]),
            Block::List(Vec::new()),
            Block::Table { caption: String::new(), head: Vec::new(), rows: Vec::new() },
            Block::Table {
                caption: text(),
                head: vec![text(); 20],
                rows: vec![vec![text(); 20], Vec::new()],
            },
            Block::Table {
                caption: String::new(),
                head: Vec::new(),
                rows: vec![vec!["a".to_owned(), text()]],
            },
        ],
    }
}

/// The same file, its structure tree unreachable.
fn untagged(octets: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    let name = b"/StructTreeRoot ";
    let at = octets.windows(name.len()).position(|window| window == name).unwrap();
    octets[at + 1] = b'X';
    octets
}

#[test]
fn a_thousand_rows_take_less_than_two_seconds() {
    let face = face(1_000);
    let begun = Instant::now();
    let octets = pdf(&face, &embedded(), AT, "urn:uuid:4").unwrap();
    let taken = begun.elapsed();
    println!("1,000 rows: {taken:?}, {} bytes", octets.len());
    assert!(taken.as_secs_f64() < 2.0, "{taken:?}");
    assert!(octets.len() < 4_000_000, "{} bytes", octets.len());
}

#[test]
fn what_is_too_long_is_cut_and_says_so() {
    let huge = Face {
        title: "x".repeat(10_000),
        about: String::new(),
        blocks: vec![Block::Text("wort ".repeat(50_000)); 120],
    };
    let octets = pdf(&huge, &[], AT, "urn:uuid:5").unwrap();
    assert!(octets.len() < 20_000_000, "{} bytes", octets.len());
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "huge.pdf", &octets);
    if let Some(text) = run("pdftotext", &[&path, "-"]) {
        assert!(text.contains("Achtung: Gekürzt"), "the end says that something is missing");
        assert!(text.contains('…'));
    }
}

fn block() -> impl Strategy<Value = Block> {
    let text = || {
        prop_oneof![".{0,40}", "\\PC{0,200}", "[a-z]{200,400}", Just("\0\u{FEFF}\u{FFFE}\n\r\n".to_owned())]
    };
    let texts = move |n| proptest::collection::vec(text(), 0..n);
    prop_oneof![
        (any::<u8>(), text()).prop_map(|(level, text)| Block::Heading { level, text }),
        text().prop_map(Block::Text),
        (text(), text()).prop_map(|(title, text)| Block::Alert { tone: Tone::Warning, title, text }),
        proptest::collection::vec((text(), text()), 0..5).prop_map(Block::Facts),
        texts(5).prop_map(Block::List),
        (text(), texts(15), proptest::collection::vec(texts(15), 0..6))
            .prop_map(|(caption, head, rows)| Block::Table { caption, head, rows }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever a face holds, the writer's own validation of both standards lets it pass.
    #[test]
    fn no_face_is_refused(title in "\\PC{0,60}", about in ".{0,60}", blocks in proptest::collection::vec(block(), 0..8),
                          identifier in ".{0,200}") {
        let octets = pdf(&Face { title, about, blocks }, &embedded(), AT, &identifier);
        prop_assert!(octets.is_ok(), "{:?}", octets.err());
    }
}
