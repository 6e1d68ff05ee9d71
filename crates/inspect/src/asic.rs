// SPDX-License-Identifier: EUPL-1.2
//! ASiC containers (ETSI EN 319 162-1): a ZIP file with files and the signatures on them.
//!
//! Guarantees: which files are covered by a signature and which are not is said by name; digests of every
//! `ASiCManifest` are checked; two files of one name, and files beyond the caps, are never passed over. Does not:
//! verify evidence records (they are named), unpack the files for others.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{Cursor, Read as _};

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
use crate::sheet::Note;

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

/// A capped look into the ZIP file.
struct Files<'f> {
    archive: RefCell<zip::ZipArchive<Cursor<&'f [u8]>>>,
    names: Vec<String>,
    left: Cell<u64>,
    each: u64,
    ratio: u64,
}

impl Files<'_> {
    /// The octets of a file; `None` = not there, or beyond the caps.
    fn octets(&self, name: &str) -> Option<Vec<u8>> {
        let mut archive = self.archive.borrow_mut();
        let file = archive.by_name(name).ok()?;
        let most = self
            .each
            .min(self.left.get())
            .min(file.compressed_size().saturating_mul(self.ratio).max(1024 * 1024));
        let mut octets = Vec::new();
        file.take(most + 1).read_to_end(&mut octets).ok()?;
        let length = octets.len() as u64;
        self.left.set(self.left.get().saturating_sub(length));
        (length <= most).then_some(octets)
    }

    fn data(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter(|n| !n.starts_with("META-INF/") && *n != "mimetype" && !n.ends_with('/'))
    }
}

/// Judges a container; `None` = it is none.
#[must_use]
pub fn verify(file: &[u8], caps: &Caps, setting: &Setting<'_>) -> Option<Asic> {
    if !file.starts_with(b"PK\x03\x04") || file.len() as u64 > caps.whole_bytes {
        return None;
    }
    let entries = entries(file)?;
    if u64::from(entries) > caps.members {
        return None;
    }
    let archive = zip::ZipArchive::new(Cursor::new(file)).ok()?;
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let files = Files {
        archive: RefCell::new(archive),
        left: Cell::new(caps.unpacked_bytes.min(8 * caps.whole_bytes)),
        each: caps.whole_bytes,
        ratio: caps.ratio,
        names,
    };
    let kind = kind(&files)?;
    let mut asic = Asic {
        kind,
        judgement: Judgement::default(),
        covered: Vec::new(),
        uncovered: Vec::new(),
        notes: Vec::new(),
    };
    if files.names.len() != usize::from(entries) {
        // A reader may take the other one of two files with one name: nothing here can be trusted.
        asic.notes.push(Note::new("asic-duplicate-names"));
    }
    let mut inside: Vec<&String> = files.names.iter().filter(|n| n.starts_with("META-INF/")).collect();
    inside.sort();
    let mut covered: BTreeSet<String> = BTreeSet::new();
    for name in inside.into_iter().take(SIGNATURES) {
        let lower = name.to_ascii_lowercase();
        if lower.contains("evidencerecord") && (lower.ends_with(".ers") || lower.ends_with(".xml")) {
            asic.notes.push(Note::new("asic-evidence-record").with("name", name));
            continue;
        }
        let judged = if lower.contains("signature") && lower.ends_with(".xml") {
            files.octets(name).map(|octets| xades(&files, &octets, setting))
        } else if lower.contains("signature") && lower.ends_with(".p7s") {
            files.octets(name).map(|octets| cades(&files, kind, name, &octets, setting))
        } else if lower.contains("timestamp") && lower.ends_with(".tst") {
            files.octets(name).map(|octets| stamp(&files, kind, name, &octets, setting))
        } else {
            continue;
        };
        let Some(mut judged) = judged else {
            asic.notes.push(Note::new("asic-unreadable-file").with("name", name));
            continue;
        };
        for report in &mut judged.reports {
            if !asic.notes.is_empty() && asic.notes.iter().any(|n| n.code == "asic-duplicate-names") {
                lower_to(report, Verdict::failed(SubIndication::FormatFailure, "two files of one name"));
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
    asic.covered.sort();
    asic.uncovered.sort();
    if asic.judgement.reports.is_empty() {
        asic.notes.push(Note::new("asic-no-signature"));
    } else if !asic.uncovered.is_empty() {
        asic.notes.push(Note::new("asic-uncovered-files").with("count", asic.uncovered.len()));
    }
    Some(asic)
}

/// Entries by the end of the central directory: the reader of the archive keeps one of two with the same name.
fn entries(file: &[u8]) -> Option<u16> {
    let tail = file.get(file.len().saturating_sub(66_000)..)?;
    let at = tail.windows(4).rposition(|w| w == b"PK\x05\x06")?;
    let count = tail.get(at + 10..at + 12)?;
    Some(u16::from_le_bytes([count[0], count[1]]))
}

/// By `mimetype`, else by what is there (EN 319 162-1 §4.3.3.1, §4.4.3.1).
fn kind(files: &Files<'_>) -> Option<Kind> {
    let declared = if files.names.iter().any(|n| n == "mimetype") {
        String::from_utf8(files.octets("mimetype")?).unwrap_or_default()
    } else {
        String::new()
    };
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
        _ if files.names.iter().any(|n| n.contains("ASiCManifest")) => Some(Kind::Extended),
        "" if files.names.iter().any(|n| signed(n))
            && !files.names.iter().any(|n| n == "META-INF/MANIFEST.MF") =>
        {
            Some(if files.data().count() == 1 { Kind::Simple } else { Kind::Extended })
        }
        _ => None,
    }
}

fn xades(files: &Files<'_>, octets: &[u8], setting: &Setting<'_>) -> Judgement {
    let outside = |uri: &str| files.octets(&local(uri)).map(External::Octets);
    let mut judgement = xml::verify(octets, &outside, setting);
    if judgement.reports.is_empty() {
        let verdict = Verdict::failed(SubIndication::FormatFailure, "no signature in it");
        judgement.reports.push(unreadable(Format::Xades, verdict, setting));
    }
    judgement
}

/// What a CAdES signature or time-stamp of the container covers: octets, the files behind them, and what is wrong with
/// those.
struct Covered {
    octets: Vec<u8>,
    names: Vec<String>,
    wrong: Option<Verdict>,
}

/// ASiC-S signs the one file, ASiC-E a manifest that names this signature.
fn covered(files: &Files<'_>, kind: Kind, name: &str) -> Result<Covered, Verdict> {
    let missing = |what: &str| Verdict::indeterminate(SubIndication::SignedDataNotFound, what);
    let caps = XmlCaps::default();
    let manifests = files
        .names
        .iter()
        .filter(|n| n.starts_with("META-INF/") && n.contains("ASiC") && n.ends_with(".xml"));
    for manifest in manifests.take(SIGNATURES) {
        let Some(octets) = files.octets(manifest) else { continue };
        let Ok(characters) = text(&octets, &caps) else { continue };
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
                (Some(hash), Some(value), Some(octets)) if hash.digest(&octets) == base64(&value) => {
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

fn cades(files: &Files<'_>, kind: Kind, name: &str, octets: &[u8], setting: &Setting<'_>) -> Judgement {
    match covered(files, kind, name) {
        Err(verdict) => {
            Judgement { reports: vec![unreadable(Format::Cades, verdict, setting)], wanted: Vec::new() }
        }
        Ok(covered) => {
            let mut judgement = cms::verify(octets, Detached::Content(&covered.octets), setting);
            // Some programs sign the one file of the manifest instead of the manifest. That covers this file all the same.
            if let ([name], true) = (covered.names.as_slice(), broken(&judgement))
                && let Some(file) = files.octets(name)
            {
                let other = cms::verify(octets, Detached::Content(&file), setting);
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

fn stamp(files: &Files<'_>, kind: Kind, name: &str, octets: &[u8], setting: &Setting<'_>) -> Judgement {
    match covered(files, kind, name) {
        Err(verdict) => {
            Judgement { reports: vec![unreadable(Format::TimeStamp, verdict, setting)], wanted: Vec::new() }
        }
        Ok(covered) => {
            let (mut report, wanted) = timestamp_report(
                octets,
                "content",
                &|hash| Some(hash.digest(&covered.octets)),
                &Material::default(),
                setting,
            );
            take_over(&mut report, &covered);
            Judgement { reports: vec![report], wanted }
        }
    }
}

fn take_over(report: &mut Report, covered: &Covered) {
    report.scope = Scope::Some { what: covered.names.clone() };
    if let Some(wrong) = &covered.wrong {
        lower_to(report, wrong.clone());
    }
}

/// What is wrong with the container comes before what is not known of the chain.
fn lower_to(report: &mut Report, verdict: Verdict) {
    let rank = |i: Indication| match i {
        Indication::TotalPassed => 0,
        Indication::Indeterminate => 1,
        Indication::TotalFailed => 2,
    };
    if rank(verdict.indication) >= rank(report.verdict.indication) {
        report.verdict = verdict;
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
