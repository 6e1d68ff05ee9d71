// SPDX-License-Identifier: EUPL-1.2
//! ASiC containers (ETSI EN 319 162-1): a ZIP file with files and the signatures on them.
//!
//! Guarantees: which files are covered by a signature and which are not is said by name; digests of every
//! `ASiCManifest` are checked; two files of one name, and files beyond the caps, are never passed over. Does not:
//! verify evidence records (they are named), unpack the files for others.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::time::Duration;

use poststelle_crypto::signature::algorithm::Hash;
use poststelle_crypto::signature::cms::{self, Detached};
use poststelle_crypto::signature::setting::Setting;
use poststelle_crypto::signature::xml::{self, External, digest_named};
use poststelle_crypto::signature::{
    Format, Indication, Judgement, Material, Report, Scope, SubIndication, Verdict, timestamp_report,
    unreadable,
};
use poststelle_crypto::xml::{Caps as XmlCaps, DSIG, Document, text};

use crate::caps::Caps;
use crate::octets::Spool;
use crate::sheet::Note;
use crate::unpack::{self, Budget, Container};

/// Namespace of the manifests.
const ASIC: &str = "http://uri.etsi.org/02918/v1.2.1#";
const SIMPLE: &str = "application/vnd.etsi.asic-s+zip";
const EXTENDED: &str = "application/vnd.etsi.asic-e+zip";
/// Most files in `META-INF` that are read.
const SIGNATURES: usize = 50;

/// Which kind of container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ASiC-S: one file.
    Simple,
    /// ASiC-E: several.
    Extended,
}

/// What is said of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asic {
    /// Which kind.
    pub kind: Kind,
    /// Reports of all signatures and time-stamps; [`Scope::Some`] names the files.
    pub judgement: Judgement,
    /// Files that at least one unbroken signature covers.
    pub covered: Vec<String>,
    /// Files that none does.
    pub uncovered: Vec<String>,
    /// `asic-evidence-record`, `asic-duplicate-names`, `asic-uncovered-files`, `asic-no-signature`, `asic-unreadable-file`.
    pub notes: Vec<Note>,
}

/// The members of the container by their names; `None` = not readable, or beyond the caps.
struct Files {
    members: BTreeMap<String, Option<Vec<u8>>>,
    /// Names that occur twice.
    doubled: bool,
}

impl Files {
    fn read(file: &[u8], caps: &Caps) -> io::Result<Self> {
        let spool = Spool::of(&std::env::temp_dir(), file)?;
        let container = Container { spool: &spool, kind: unpack::Kind::Zip, name: "ASiC", depth: 1 };
        // All of them are held at once.
        let caps = Caps { unpacked_bytes: caps.unpacked_bytes.min(2 * caps.whole_bytes), ..caps.clone() };
        let mut files = Self { members: BTreeMap::new(), doubled: false };
        // No clock here: every octet is counted, and the caller bounds the whole check in time.
        let mut budget = Budget::new(&caps, || Duration::ZERO);
        unpack::unpack(container, &caps, &mut budget, &mut |member, content| {
            let mut octets = Vec::new();
            let whole = content.read_to_end(&mut octets).is_ok() && content.failure().is_none();
            files.doubled |= files.members.insert(member.raw.clone(), whole.then_some(octets)).is_some();
            Ok(())
        })?;
        Ok(files)
    }

    /// The octets of a file; `None` = not there, or beyond the caps.
    fn octets(&self, name: &str) -> Option<&[u8]> {
        self.members.get(name)?.as_deref()
    }

    fn data(&self) -> impl Iterator<Item = &String> {
        self.members.keys().filter(|n| !n.starts_with("META-INF/") && *n != "mimetype" && !n.ends_with('/'))
    }
}

/// Judges a container; `None` = it is none.
#[must_use]
pub fn verify(file: &[u8], caps: &Caps, setting: &Setting<'_>) -> Option<Asic> {
    if !file.starts_with(b"PK\x03\x04") || file.len() as u64 > caps.whole_bytes {
        return None;
    }
    let mut asic = Asic {
        kind: Kind::Extended,
        judgement: Judgement::default(),
        covered: Vec::new(),
        uncovered: Vec::new(),
        notes: Vec::new(),
    };
    let Ok(files) = Files::read(file, caps) else {
        asic.notes.push(Note::new("asic-unreadable-file"));
        return Some(asic);
    };
    asic.kind = kind(&files)?;
    if files.doubled {
        // A reader may take the other one of two files with one name: nothing here can be trusted.
        asic.notes.push(Note::new("asic-duplicate-names"));
    }
    let mut covered: BTreeSet<String> = BTreeSet::new();
    for name in files.members.keys().filter(|n| n.starts_with("META-INF/")).take(SIGNATURES) {
        let lower = name.to_ascii_lowercase();
        if lower.contains("evidencerecord") && (lower.ends_with(".ers") || lower.ends_with(".xml")) {
            asic.notes.push(Note::new("asic-evidence-record").with("name", name));
            continue;
        }
        let judge = if lower.contains("signature") && lower.ends_with(".xml") {
            xades
        } else if lower.contains("signature") && lower.ends_with(".p7s") {
            cades
        } else if lower.contains("timestamp") && lower.ends_with(".tst") {
            stamp
        } else {
            continue;
        };
        let Some(octets) = files.octets(name) else {
            asic.notes.push(Note::new("asic-unreadable-file").with("name", name));
            continue;
        };
        let mut judged = judge(&files, asic.kind, name, octets, setting);
        for report in &mut judged.reports {
            if files.doubled {
                let verdict = Verdict::failed(SubIndication::FormatFailure, "two files of one name");
                report.lower(&verdict);
            }
            if report.verdict.indication != Indication::TotalFailed
                && let Scope::Some { what } = &report.scope
            {
                covered.extend(what.iter().map(|uri| local(uri)));
            }
        }
        asic.judgement.reports.append(&mut judged.reports);
        asic.judgement.wanted.append(&mut judged.wanted);
    }
    asic.judgement.wanted.sort();
    asic.judgement.wanted.dedup();
    for name in files.data() {
        let list = if covered.contains(name) { &mut asic.covered } else { &mut asic.uncovered };
        list.push(name.clone());
    }
    if asic.judgement.reports.is_empty() {
        asic.notes.push(Note::new("asic-no-signature"));
    } else if !asic.uncovered.is_empty() {
        asic.notes.push(Note::new("asic-uncovered-files").with("count", asic.uncovered.len()));
    }
    Some(asic)
}

/// By `mimetype`, else by what is there (EN 319 162-1 §4.3.3.1, §4.4.3.1).
fn kind(files: &Files) -> Option<Kind> {
    let declared =
        files.octets("mimetype").map_or_else(String::new, |m| String::from_utf8_lossy(m).into_owned());
    let signed = |name: &String| {
        let name = name.to_ascii_lowercase();
        name.starts_with("meta-inf/")
            && ["signature", "timestamp", "evidencerecord", "asicmanifest"]
                .iter()
                .any(|part| name.contains(part))
    };
    match declared.trim() {
        SIMPLE => Some(Kind::Simple),
        EXTENDED => Some(Kind::Extended),
        // Java archives are signed in META-INF too, but never with these names.
        _ if files.members.keys().any(|n| n.contains("ASiCManifest")) => Some(Kind::Extended),
        "" if files.members.keys().any(signed)
            && !files.members.keys().any(|n| n == "META-INF/MANIFEST.MF") =>
        {
            Some(if files.data().count() == 1 { Kind::Simple } else { Kind::Extended })
        }
        _ => None,
    }
}

fn xades(files: &Files, _: Kind, _: &str, octets: &[u8], setting: &Setting<'_>) -> Judgement {
    let outside = |uri: &str| files.octets(&local(uri)).map(|o| External::Octets(o.to_vec()));
    let mut judgement = xml::verify(octets, &outside, setting);
    if judgement.reports.is_empty() {
        let verdict = Verdict::failed(SubIndication::FormatFailure, "no signature in it");
        judgement.reports.push(unreadable(Format::Xades, verdict, setting));
    }
    judgement
}

/// What a CAdES signature or time-stamp of the container covers: octets, the files behind them, and what is wrong with
/// those.
struct Covered<'f> {
    octets: &'f [u8],
    names: Vec<String>,
    wrong: Option<Verdict>,
}

/// ASiC-S signs the one file, ASiC-E a manifest that names this signature.
fn covered<'a>(files: &'a Files, kind: Kind, name: &str) -> Result<Covered<'a>, Verdict> {
    let missing = |what: &str| Verdict::indeterminate(SubIndication::SignedDataNotFound, what);
    let caps = XmlCaps::default();
    let manifests = files
        .members
        .keys()
        .filter(|n| n.starts_with("META-INF/") && n.contains("ASiC") && n.ends_with(".xml"));
    for manifest in manifests.take(SIGNATURES) {
        let Some(octets) = files.octets(manifest) else { continue };
        let Ok(characters) = text(octets, &caps) else { continue };
        let Ok(doc) = Document::read(&characters, &caps) else { continue };
        let reference = doc.child(doc.root(), ASIC, "SigReference").and_then(|r| doc.attribute(r, "URI"));
        if !doc.is(doc.root(), ASIC, "ASiCManifest") || reference.map(local).as_deref() != Some(name) {
            continue;
        }
        let (mut names, mut wrong) = (Vec::new(), None);
        for node in doc.elements(doc.root()).into_iter().filter(|n| doc.is(*n, ASIC, "DataObjectReference")) {
            let uri = local(doc.attribute(node, "URI").unwrap_or(""));
            let method = doc.child(node, DSIG, "DigestMethod").and_then(|m| doc.attribute(m, "Algorithm"));
            let value = doc.child(node, DSIG, "DigestValue").map(|v| doc.content(v));
            match (method.and_then(digest_named), value, files.octets(&uri)) {
                (Some(hash), Some(value), Some(octets)) if hash.digest(octets) == base64(&value) => {
                    names.push(uri);
                    if hash == Hash::Sha1 {
                        wrong.get_or_insert(Verdict::indeterminate(
                            SubIndication::CryptoConstraintsFailureNoPoe,
                            "the manifest uses SHA-1",
                        ));
                    }
                }
                (Some(_), Some(_), Some(_)) => {
                    wrong = Some(Verdict::failed(
                        SubIndication::HashFailure,
                        format!("digest of {uri} is wrong"),
                    ));
                }
                (_, _, None) => {
                    wrong.get_or_insert(missing(&format!("{uri} is not in the container")));
                }
                _ => {
                    let what = "a digest in the manifest is not understood";
                    wrong.get_or_insert(Verdict::indeterminate(SubIndication::SigConstraintsFailure, what));
                }
            }
        }
        return Ok(Covered { octets, names, wrong });
    }
    match (kind, files.data().collect::<Vec<_>>().as_slice()) {
        (Kind::Simple, [one]) => {
            let octets = files.octets(one).ok_or_else(|| missing("the file is beyond the caps"))?;
            Ok(Covered { octets, names: vec![(*one).clone()], wrong: None })
        }
        (Kind::Simple, _) => Err(Verdict::failed(SubIndication::FormatFailure, "not exactly one file in it")),
        (Kind::Extended, _) => Err(missing("no manifest names this signature")),
    }
}

fn cades(files: &Files, kind: Kind, name: &str, octets: &[u8], setting: &Setting<'_>) -> Judgement {
    match covered(files, kind, name) {
        Err(verdict) => {
            Judgement { reports: vec![unreadable(Format::Cades, verdict, setting)], wanted: Vec::new() }
        }
        Ok(covered) => {
            let mut judgement = cms::verify(octets, Detached::Content(covered.octets), setting);
            // Some programs sign the one file of the manifest instead of the manifest. That covers this file all the same.
            if let ([name], true) = (covered.names.as_slice(), broken(&judgement))
                && let Some(file) = files.octets(name)
            {
                let other = cms::verify(octets, Detached::Content(file), setting);
                if !broken(&other) {
                    judgement = other;
                    for report in &mut judgement.reports {
                        report.notes.push("asic-manifest-not-signed".into());
                    }
                }
            }
            for report in &mut judgement.reports {
                take_over(report, &covered);
            }
            judgement
        }
    }
}

fn broken(judgement: &Judgement) -> bool {
    judgement.reports.iter().all(|r| r.verdict.indication == Indication::TotalFailed)
}

fn stamp(files: &Files, kind: Kind, name: &str, octets: &[u8], setting: &Setting<'_>) -> Judgement {
    match covered(files, kind, name) {
        Err(verdict) => {
            Judgement { reports: vec![unreadable(Format::TimeStamp, verdict, setting)], wanted: Vec::new() }
        }
        Ok(covered) => {
            let (mut report, wanted) = timestamp_report(
                octets,
                "content",
                &|hash| Some(hash.digest(covered.octets)),
                &Material::default(),
                setting,
            );
            take_over(&mut report, &covered);
            Judgement { reports: vec![report], wanted }
        }
    }
}

fn take_over(report: &mut Report, covered: &Covered<'_>) {
    report.scope = Scope::Some { what: covered.names.clone() };
    if let Some(wrong) = &covered.wrong {
        report.lower(wrong);
    }
}

/// The name behind an address in a container: percent signs read, relative to the root.
fn local(uri: &str) -> String {
    let mut octets = Vec::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                octets.push(byte);
                rest = &after[2..];
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    let name = String::from_utf8_lossy(&octets).into_owned();
    name.trim_start_matches("./").trim_start_matches('/').to_owned()
}

fn base64(text: &str) -> Vec<u8> {
    poststelle_crypto::signature::xml::decoded(text).unwrap_or_default()
}
