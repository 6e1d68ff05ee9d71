// SPDX-License-Identifier: EUPL-1.2
//! ASiC containers: the samples of the BSI's test bed as their names say, and forged ones.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use poststelle_crypto::signature::setting::{Setting, Trust};
use poststelle_crypto::signature::{Format, Indication, Scope, SubIndication};
use poststelle_inspect::Caps;
use poststelle_inspect::asic::{Asic, Kind, verify};

/// 2026-06-01.
const NOW: i64 = 1_780_272_000;

fn judge(file: &[u8]) -> Option<Asic> {
    let trust = Trust::default();
    verify(file, &Caps::default(), &Setting { trust: &trust, received: NOW, now: NOW, known: &[] })
}

fn samples() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = std::env::var_os("POSTSTELLE_STANDARDS")
        .map_or_else(|| root.join("../shared/standards"), |p| root.join(PathBuf::from(p)));
    if path.is_dir() {
        return Some(path.join("evidence/tr-esor-testbed"));
    }
    assert_ne!(
        std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref(),
        Ok("1"),
        "the standards samples are required"
    );
    println!("SKIPPED: the standards samples are missing");
    None
}

/// Its anchors are not ours, so *OK* means: intact, and no chain found. *NOK* must be broken.
#[test]
fn containers_of_the_test_bed() {
    let Some(samples) = samples() else { return };
    let good = [
        ("ASIC_S_CADES_OK.asics", Kind::Simple, Format::Cades, 1, 0),
        ("ASIC_S_XADES_OK.asics", Kind::Simple, Format::Xades, 1, 0),
        ("ASIC_E_CADES_OK.asice", Kind::Extended, Format::Cades, 2, 0),
        ("ASIC_E_XADES_OK.asice", Kind::Extended, Format::Xades, 1, 0),
        ("ASIC_E_TST_OK.asice", Kind::Extended, Format::TimeStamp, 2, 0),
    ];
    for (name, kind, format, covered, uncovered) in good {
        let asic = judge(&std::fs::read(samples.join(name)).unwrap()).unwrap();
        assert_eq!(asic.kind, kind, "{name}");
        let [report] = asic.judgement.reports.as_slice() else { panic!("{name}: {asic:?}") };
        assert_eq!(report.format, format, "{name}");
        assert_eq!(report.verdict.indication, Indication::Indeterminate, "{name}: {report:?}");
        assert_eq!(report.verdict.sub, Some(SubIndication::NoCertificateChainFound), "{name}: {report:?}");
        assert_eq!((asic.covered.len(), asic.uncovered.len()), (covered, uncovered), "{name}: {asic:?}");
    }
    for name in [
        "ASIC_S_CADES_NOK.asics",
        "ASIC_S_XADES_NOK.asics",
        "ASIC_E_CADES_NOK.asice",
        "ASIC_E_XADES_NOK.asice",
        "ASIC_E_TST_NOK.asice",
    ] {
        let asic = judge(&std::fs::read(samples.join(name)).unwrap()).unwrap();
        let verdicts: Vec<_> = asic.judgement.reports.iter().map(|r| r.verdict.clone()).collect();
        assert!(!verdicts.is_empty(), "{name}");
        assert!(verdicts.iter().all(|v| v.indication == Indication::TotalFailed), "{name}: {verdicts:?}");
        assert!(asic.covered.is_empty(), "{name}: {asic:?}");
    }
    for name in ["ASIC_S_ER_OK.asics", "ASIC_S_ER_NOK.asics"] {
        let asic = judge(&std::fs::read(samples.join(name)).unwrap()).unwrap();
        assert!(asic.notes.iter().any(|n| n.code == "asic-evidence-record"), "{name}");
        assert!(asic.judgement.reports.is_empty() && asic.covered.is_empty(), "{name}");
    }
}

/// Its signature is over the file the manifest names, not over the manifest: noted, and true of that file only.
#[test]
fn a_package_whose_manifest_is_not_signed() {
    let Some(samples) = samples() else { return };
    let asic = judge(&std::fs::read(samples.join("ASIC_AIP_LXAIP_OK_SIG_OK.asice")).unwrap()).unwrap();
    assert_eq!(asic.kind, Kind::Extended);
    let [report] = asic.judgement.reports.as_slice() else { panic!("{asic:?}") };
    assert_eq!(report.verdict.sub, Some(SubIndication::NoCertificateChainFound), "{report:?}");
    assert_eq!(report.scope, Scope::Some { what: vec!["dummy-data.txt".into()] });
    assert!(report.notes.contains(&"asic-manifest-not-signed".to_owned()));
    assert_eq!(asic.covered, ["dummy-data.txt"]);
    assert_eq!(asic.uncovered.len(), 6, "{:?}", asic.uncovered);
}

/// A container with the files of another, changed.
fn rewrite(file: &[u8], change: impl Fn(&str, Vec<u8>) -> Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(file)).unwrap();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut octets = Vec::new();
        std::io::copy(&mut entry, &mut octets).unwrap();
        for (name, octets) in change(&name, octets) {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(&octets).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn files_that_were_changed_or_added() {
    let Some(samples) = samples() else { return };
    let good = std::fs::read(samples.join("ASIC_E_CADES_OK.asice")).unwrap();
    let changed = rewrite(&good, |name, mut octets| {
        if name == "test-01.txt" {
            octets.push(b'!');
        }
        vec![(name.to_owned(), octets)]
    });
    let asic = judge(&changed).unwrap();
    assert_eq!(asic.judgement.reports[0].verdict.sub, Some(SubIndication::HashFailure), "{asic:?}");

    let added = rewrite(&good, |name, octets| {
        let mut files = vec![(name.to_owned(), octets)];
        if name == "mimetype" {
            files.push(("rechnung.txt".into(), b"1000 Euro".to_vec()));
        }
        files
    });
    let asic = judge(&added).unwrap();
    assert_eq!(asic.uncovered, ["rechnung.txt"]);
    assert!(asic.notes.iter().any(|n| n.code == "asic-uncovered-files"));
    assert_eq!(asic.covered.len(), 2);

    let gone =
        rewrite(
            &good,
            |name, octets| {
                if name == "test-01.txt" { Vec::new() } else { vec![(name.to_owned(), octets)] }
            },
        );
    let asic = judge(&gone).unwrap();
    assert_eq!(asic.judgement.reports[0].verdict.sub, Some(SubIndication::SignedDataNotFound), "{asic:?}");
}

#[test]
fn two_files_of_one_name_are_never_good() {
    let Some(samples) = samples() else { return };
    let good = std::fs::read(samples.join("ASIC_E_CADES_OK.asice")).unwrap();
    // A second file under a name of the same length, renamed in the finished archive.
    let doubled = rewrite(&good, |name, octets| {
        let mut files = vec![(name.to_owned(), octets)];
        if name == "mimetype" {
            files.push(("test-XX.txt".into(), b"falsch".to_vec()));
        }
        files
    });
    let text: Vec<u8> = doubled.windows(11).map(|w| w[0]).collect();
    let mut forged = doubled.clone();
    for at in 0..text.len() {
        if doubled[at..].starts_with(b"test-XX.txt") {
            forged[at..at + 11].copy_from_slice(b"test-01.txt");
        }
    }
    assert_ne!(forged, doubled);
    match judge(&forged) {
        None => {}
        Some(asic) => {
            assert!(
                asic.judgement.reports.iter().all(|r| r.verdict.indication == Indication::TotalFailed),
                "{asic:?}"
            );
        }
    }
}

#[test]
fn other_archives_are_none() {
    assert!(judge(b"PK\x03\x04").is_none());
    assert!(judge(b"").is_none());
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("a.txt", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(b"a").unwrap();
    assert!(judge(&writer.finish().unwrap().into_inner()).is_none());
}
