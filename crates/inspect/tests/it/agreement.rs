// SPDX-License-Identifier: EUPL-1.2
//! The table of agreement: some hundred signatures made by others (`scripts/signatures`), judged by EU DSS and by us.
//!
//! Holds: what DSS does not pass, we never pass; what is good, both pass; where we are stricter is listed here. A missing
//! program is reported as `SKIPPED`; with `POSTSTELLE_REQUIRE_ORACLES=1` it is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use poststelle_crypto::certificate::Certificate;
use poststelle_crypto::signature::cms::{self, Detached};
use poststelle_crypto::signature::pdf;
use poststelle_crypto::signature::xml::{self, External};
use poststelle_crypto::signature::{Anchor, Judgement, Known, Setting, Trust, UnixTime, Wanted};
use poststelle_inspect::{Caps, asic};

/// What DSS passes and we do not, and why that is meant.
const STRICTER: &[(&str, &str)] = &[
    ("falscher-zweck", "a certificate for servers only does not sign documents (RFC 5280, 4.2.1.12)"),
    ("alte-sperrliste", "a revocation list whose next one is overdue says nothing about now"),
    ("etwas-angehaengt", "octets behind the signed revision of a PDF that no revision accounts for"),
];

/// Signatures by these are good in every family.
const GOOD: &[&str] = &["gut", "gut-ec", "gut-ec384"];

struct Case {
    id: String,
    family: String,
    state: String,
    format: String,
    file: PathBuf,
    content: Option<PathBuf>,
}

/// Indication and sub-indication.
type Said = (String, String);

fn script(name: &str, arguments: &[&str], folder: &Path) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(root.join("scripts").join(name)).args(arguments).arg(folder).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    if output.status.code() == Some(77) {
        assert_ne!(std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref(), Ok("1"), "{said}");
        println!("{}", said.trim());
        return None;
    }
    assert!(output.status.success(), "{name}: {said}{}", String::from_utf8_lossy(&output.stderr));
    Some(said)
}

fn cases(folder: &Path) -> Vec<Case> {
    let list = std::fs::read_to_string(folder.join("list.tsv")).unwrap();
    list.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [id, family, state, format, file, content] = fields[..] else { panic!("{line}") };
            Case {
                id: id.to_owned(),
                family: family.to_owned(),
                // Which of the good signatures was damaged does not matter to the reader of the table.
                state: state.split('.').next().unwrap().to_owned(),
                format: format.to_owned(),
                file: folder.join(file),
                content: (!content.is_empty()).then(|| folder.join(content)),
            }
        })
        .collect()
}

fn foreign(said: &str) -> BTreeMap<String, Vec<Said>> {
    let mut verdicts: BTreeMap<String, Vec<Said>> = BTreeMap::new();
    for line in said.lines() {
        let verdict: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| verdict[name].as_str().unwrap_or_default().to_owned();
        let one = verdicts.entry(text("id")).or_default();
        if text("indication") != "NONE" {
            one.push((text("indication").replace('_', "-"), text("sub")));
        }
    }
    verdicts
}

/// Everything from outside lies in the folder, as for DSS: one revocation list for each issuer, nothing else.
fn answer(folder: &Path, wanted: &Wanted, at: UnixTime) -> Known {
    let octets = match wanted {
        Wanted::Crl { url } => {
            std::fs::read(folder.join("crls").join(url.rsplit('/').next().unwrap())).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    Known { wanted: wanted.clone(), at, octets }
}

fn judged(folder: &Path, case: &Case, trust: &Trust, at: UnixTime) -> Vec<Said> {
    let octets = std::fs::read(&case.file).unwrap();
    let content = case.content.as_ref().map(|path| std::fs::read(path).unwrap());
    let once = |setting: &Setting<'_>| -> Judgement {
        match case.format.as_str() {
            "cms" => {
                let outside = content.as_deref().map_or(Detached::None, Detached::Content);
                cms::verify(&octets, outside, setting)
            }
            "xml" => {
                // A signature knows what lies beside it by its name.
                let beside =
                    case.content.as_ref().and_then(|path| path.file_name()?.to_str()).unwrap_or_default();
                let outside = |uri: &str| {
                    (uri == beside).then(|| External::Octets(content.clone().unwrap_or_default()))
                };
                xml::verify(&octets, &outside, setting)
            }
            "pdf" => pdf::verify(&octets, setting),
            "asic" => {
                asic::verify(&octets, &Caps::default(), setting).map(|all| all.judgement).unwrap_or_default()
            }
            other => panic!("no format {other}"),
        }
    };
    let mut known: Vec<Known> = Vec::new();
    loop {
        let judgement = once(&Setting { trust, received: at, now: at, known: &known });
        let before = known.len();
        for wanted in &judgement.wanted {
            if known.iter().all(|one| one.wanted != *wanted) {
                known.push(answer(folder, wanted, at));
            }
        }
        if known.len() == before {
            let said = |report: &poststelle_crypto::signature::Report| {
                let sub = report.verdict.sub.map_or("", |sub| sub.as_str());
                (report.verdict.indication.as_str().to_owned(), sub.to_owned())
            };
            return judgement.reports.iter().map(said).collect();
        }
    }
}

fn passed(verdicts: &[Said]) -> usize {
    verdicts.iter().filter(|(indication, _)| indication == "TOTAL-PASSED").count()
}

fn shown(verdicts: &[Said]) -> String {
    match verdicts {
        [] => "no signature".to_owned(),
        many => many
            .iter()
            .map(
                |(indication, sub)| {
                    if sub.is_empty() { indication.clone() } else { format!("{indication}/{sub}") }
                },
            )
            .collect::<Vec<_>>()
            .join(" + "),
    }
}

#[test]
fn we_pass_nothing_that_eu_dss_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if script("signatures", &[], folder).is_none() {
        return;
    }
    let Some(said) = script("oracle", &["dss"], folder) else { return };
    let theirs = foreign(&said);
    let at: UnixTime = std::fs::read_to_string(folder.join("time")).unwrap().trim().parse().unwrap();
    let anchor = std::fs::read(folder.join("anchors/wurzel.pem")).unwrap();
    let trust = Trust {
        anchors: Certificate::all_from(&anchor)
            .into_iter()
            .map(|one| Anchor::of_operator(one, "test"))
            .collect(),
        ..Trust::default()
    };
    assert_eq!(trust.anchors.len(), 1);

    // State and both verdicts → in how many families, and which.
    let mut table: BTreeMap<(String, String, String), Vec<String>> = BTreeMap::new();
    let (mut judged_by_both, mut same, mut same_reason) = (0, 0, 0);
    let (mut too_generous, mut too_strict, mut not_good) = (Vec::new(), Vec::new(), Vec::new());
    let mut families = BTreeSet::new();
    for case in cases(folder) {
        let ours = judged(folder, &case, &trust, at);
        let theirs = &theirs[&case.id];
        judged_by_both += 1;
        families.insert(case.family.clone());
        let indications =
            |said: &[Said]| said.iter().map(|(indication, _)| indication.clone()).collect::<Vec<_>>();
        same += usize::from(indications(&ours) == indications(theirs));
        same_reason += usize::from(ours == *theirs);
        let line = format!("{}: DSS {}, we {}", case.id, shown(theirs), shown(&ours));
        if passed(&ours) > passed(theirs) {
            too_generous.push(line.clone());
        }
        if passed(&ours) < passed(theirs) && !STRICTER.iter().any(|(state, _)| *state == case.state) {
            too_strict.push(line.clone());
        }
        if GOOD.contains(&case.state.as_str()) && (passed(&ours), passed(theirs)) != (1, 1) {
            not_good.push(line);
        }
        table.entry((case.state, shown(theirs), shown(&ours))).or_default().push(case.family);
    }
    let mut text = format!("{:<24} {:>3}  {:<54} {}\n", "state", "n", "EU DSS", "we");
    for ((state, theirs, ours), families) in &table {
        let ours = if ours == theirs { "same" } else { ours };
        writeln!(text, "{state:<24} {:>3}  {theirs:<54} {ours}", families.len()).unwrap();
    }
    println!("{text}");
    println!(
        "{judged_by_both} signatures of {} families: same indication {same}, same sub-indication {same_reason}; \
         passed by us and not by DSS: {}",
        families.len(),
        too_generous.len()
    );
    for (state, why) in STRICTER {
        println!("stricter on purpose: {state}: {why}");
    }
    if let Ok(place) = std::env::var("ARTIFACTS") {
        std::fs::write(Path::new(&place).join("agreement.txt"), &text).unwrap();
    }
    assert!(judged_by_both >= 200, "only {judged_by_both} signatures were judged by both");
    assert!(too_generous.is_empty(), "we pass what DSS does not:\n{}", too_generous.join("\n"));
    assert!(not_good.is_empty(), "good signatures did not pass:\n{}", not_good.join("\n"));
    assert!(too_strict.is_empty(), "DSS passes what we do not:\n{}", too_strict.join("\n"));
}
