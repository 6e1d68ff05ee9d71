// SPDX-License-Identifier: EUPL-1.2
//! ASiC containers: the samples of the BSI's test bed as their names say, and forged ones.

use std::path::{Path, PathBuf};

use poststelle_crypto::signature::setting::{Setting, Trust};
use poststelle_crypto::signature::{Format, Indication, Scope, SubIndication};
use poststelle_inspect::Caps;
use poststelle_inspect::asic::{Asic, Kind, verify};

use super::{bed, forge};

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
    let all = bed::open(file, "a.asice", &bed::caps());
    let files: Vec<_> = all.outs.into_iter().flat_map(|o| change(&o.member.raw, o.octets)).collect();
    let files: Vec<_> = files.iter().map(|(name, octets)| (name.as_str(), octets.as_slice())).collect();
    forge::zip(&files)
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
    for first in [true, false] {
        let forged = rewrite(&good, |name, octets| {
            let mut files = vec![(name.to_owned(), octets)];
            if name == "test-01.txt" {
                files.insert(usize::from(first), (name.to_owned(), b"falsch".to_vec()));
            }
            files
        });
        let asic = judge(&forged).unwrap();
        assert!(asic.notes.iter().any(|n| n.code == "asic-duplicate-names"), "{asic:?}");
        assert!(!asic.judgement.reports.is_empty());
        let failed =
            |r: &poststelle_crypto::signature::Report| r.verdict.indication == Indication::TotalFailed;
        assert!(asic.judgement.reports.iter().all(failed), "{asic:?}");
        // Whatever time is asked about.
        for report in &asic.judgement.reports {
            let times = [&report.at_claimed, &report.at_received, &report.at_present].into_iter().flatten();
            assert!(times.clone().count() > 0, "{report:?}");
            assert!(times.into_iter().all(|v| v.indication == Indication::TotalFailed), "{report:?}");
            assert_eq!(report.quality, "");
        }
        assert!(asic.covered.is_empty());
    }
}

#[test]
fn other_archives_are_none() {
    assert!(judge(b"PK\x03\x04").is_none());
    assert!(judge(b"").is_none());
    assert!(judge(&forge::zip(&[("a.txt", b"a")])).is_none());
    // A signed Java archive is no container.
    let java: &[(&str, &[u8])] =
        &[("META-INF/MANIFEST.MF", b""), ("META-INF/SIGNATURE.SF", b""), ("META-INF/SIGNATURE.RSA", b"")];
    assert!(judge(&forge::zip(java)).is_none());
}
