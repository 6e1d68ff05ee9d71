// SPDX-License-Identifier: EUPL-1.2
//! The sheet as people read it: codes become German sentences, in one order for page, paper and PDF.
//!
//! Guarantees: pure but for reading the stored sheet; every code has a sentence or is shown as what it is, never hidden;
//! *INDETERMINATE* is never called "ungültig".

use poststelle_crypto::signature::{Indication, Report, Scope as Coverage};
use poststelle_inspect::Sheet;
use poststelle_inspect::face::{Block, Face, Tone};
use poststelle_inspect::sheet::{Danger, FormVerdict, Note, PartLine, PartVerdict};
use poststelle_model::{Access, MessageId, TenantId, Timestamp};
use poststelle_store::{Scope, StoreError, inspection};

use crate::hub::Hub;
use crate::view::ViewError;
use crate::{readable, texts};

/// A stored sheet with what surrounds it.
#[derive(Debug, Clone)]
pub struct SheetView {
    /// The sheet.
    pub sheet: Sheet,
    /// As stored: the octets that are proven.
    pub json: String,
    /// Their SHA-256, hexadecimal; the evidence names it.
    pub sha256: String,
    /// All versions: number and time, oldest first.
    pub versions: Vec<(i64, Timestamp)>,
}

impl Hub {
    /// The sheet of a message, the newest or that of `version`, for these eyes.
    ///
    /// # Errors
    /// [`ViewError::NotFound`] when message, sheet or version are not there or not for these eyes.
    pub async fn sheet(
        &self,
        access: &Access,
        tenant: TenantId,
        message: MessageId,
        version: Option<i64>,
    ) -> Result<SheetView, ViewError> {
        self.authorise(access, tenant, message).await?;
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let stored =
            inspection::sheet(&mut tx, tenant, message, version).await?.ok_or(ViewError::NotFound)?;
        let versions = inspection::versions(&mut tx, tenant, message).await?;
        let sheet = serde_json::from_str(&stored.sheet)
            .map_err(|e| StoreError::Corrupt { what: "sheets.sheet", value: e.to_string() })?;
        Ok(SheetView {
            sheet,
            json: stored.sheet,
            sha256: stored.sha256,
            versions: versions.into_iter().map(|v| (v.0, v.2)).collect(),
        })
    }
}

/// A note in words.
#[must_use]
pub fn words(note: &Note) -> String {
    let key = format!("note-{}", note.code);
    let args: Vec<(&str, &str)> = note.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    if note.code == "form" {
        let code = note.params.get("defect").map_or("", String::as_str);
        return texts::defect(code);
    }
    if texts::has(&key) { texts::say(&key, &args) } else { texts::say("note", &[("code", &note.code)]) }
}

fn say(key: &str) -> String {
    texts::say(key, &[])
}

fn time(seconds: i64) -> String {
    Timestamp(seconds.saturating_mul(1_000_000)).berlin()
}

fn moment(rfc3339: &str) -> String {
    Timestamp::parse_rfc3339(rfc3339).map_or_else(|| rfc3339.to_owned(), |t| t.berlin())
}

/// The word about a part, as on badges.
#[must_use]
pub fn verdict(verdict: PartVerdict) -> String {
    say(&format!("part-{}", verdict.as_str()))
}

/// The sheet as a document.
#[must_use]
pub fn face(sheet: &Sheet, sha256: &str) -> Face {
    let mut blocks = first_words(sheet);
    if !sheet.changed.is_empty() {
        blocks.push(Block::Heading {
            level: 2,
            text: "Was sich gegenüber der vorigen Prüfung geändert hat".to_owned(),
        });
        blocks.push(Block::List(sheet.changed.iter().map(changed).collect()));
    }
    blocks.push(Block::Heading { level: 2, text: "Bestandteile".to_owned() });
    blocks.push(Block::Table {
        caption: "Was geprüft wurde und mit welchem Ergebnis".to_owned(),
        head: ["Bestandteil", "Art und Größe", "Ergebnis", "Geprüft"].map(str::to_owned).to_vec(),
        rows: sheet.parts.iter().map(row).collect(),
    });
    if sheet.omitted > 0 {
        let count = sheet.omitted.to_string();
        blocks.push(Block::Text(texts::say("sheet-omitted", &[("count", &count)])));
    }
    let signed = || sheet.parts.iter().flat_map(|p| p.signatures.iter().map(move |s| (p, s)));
    if signed().next().is_some() {
        blocks.push(Block::Heading { level: 2, text: "Unterschriften und Siegel".to_owned() });
        for (number, (part, report)) in signed().enumerate() {
            blocks.push(Block::Heading { level: 3, text: format!("{}. {}", number + 1, label(part)) });
            blocks.extend(signature(report));
        }
    }
    blocks.push(Block::Heading { level: 2, text: "Grundlagen der Prüfung".to_owned() });
    let mut facts: Vec<(String, String)> = vec![
        ("Geprüft am".to_owned(), moment(&sheet.inspected_at)),
        ("Geprüft mit".to_owned(), sheet.inspected_by.clone()),
        ("Fassung des Protokolls".to_owned(), sheet.version.to_string()),
        ("Nachricht".to_owned(), sheet.message.id.clone()),
        ("Angenommen am".to_owned(), moment(&sheet.message.accepted_at)),
        ("SHA-256 der Nachricht".to_owned(), sheet.message.sha256.clone()),
        ("SHA-512 der Nachricht".to_owned(), sheet.message.sha512.clone()),
        ("SHA-256 dieses Protokolls (JSON)".to_owned(), sha256.to_owned()),
    ];
    for source in &sheet.sources {
        let kind = say(&format!("source-{}", source.kind));
        facts.push((kind, format!("{} {}", source.name, source.version).trim().to_owned()));
    }
    blocks.push(Block::Facts(facts));
    let about = texts::say("sheet-about", &[("when", &moment(&sheet.message.accepted_at))]);
    Face { title: "Prüfprotokoll".to_owned(), about, blocks }
}

/// What a clerk must know: from whom, complete, dangerous, written form.
#[must_use]
pub fn first_words(sheet: &Sheet) -> Vec<Block> {
    let c = &sheet.conclusion;
    let form_reason = say(&format!("form-{}", c.written_form.reason));
    let law = if c.written_form.law.is_empty() {
        String::new()
    } else {
        format!(" ({})", c.written_form.law.replace("§ ", "§\u{a0}"))
    };
    let sender = texts::say(
        &format!("sheet-sender-{}", c.sender.assurance.as_str()),
        &[("claimed", &c.sender.claimed), ("proven", &c.sender.proven)],
    );
    let alert = |tone, title: String, text: String| Block::Alert { tone, title, text };
    vec![
        alert(
            match c.danger {
                Danger::Clean => Tone::Success,
                Danger::NotScanned => Tone::Info,
                Danger::Suspicious | Danger::Indeterminate => Tone::Warning,
                Danger::Infected => Tone::Danger,
            },
            say(&format!("danger-{}", c.danger.as_str())),
            say(&format!("danger-{}-text", c.danger.as_str())),
        ),
        alert(
            match c.written_form.verdict {
                FormVerdict::Kept => Tone::Success,
                FormVerdict::NotKept => Tone::Info,
                FormVerdict::ToBeChecked => Tone::Warning,
            },
            say(&format!("form-verdict-{}", c.written_form.verdict.as_str())),
            format!("{form_reason}{law}"),
        ),
        Block::Facts(vec![
            ("Absender".to_owned(), sender),
            ("Vollständigkeit".to_owned(), say(&format!("completeness-{}", c.completeness.as_str()))),
        ]),
    ]
}

fn changed(note: &Note) -> String {
    let of = |name: &str| note.params.get(name).map_or("", String::as_str);
    let word = |value: &str| {
        let what = if of("what").starts_with("part ") { "part" } else { of("what") };
        let prefix = match what {
            "written_form" => "form-verdict",
            "sender" => "assurance",
            other => other,
        };
        let key = format!("{prefix}-{value}");
        if texts::has(&key) { say(&key) } else { value.to_owned() }
    };
    let what = match of("what").strip_prefix("part ") {
        Some(path) => format!("Bestandteil {path}"),
        None => say(&format!("changed-{}", of("what"))),
    };
    if of("was").is_empty() {
        format!("{what}: {}", word(of("is")))
    } else {
        format!("{what}: bisher „{}“, jetzt „{}“", word(of("was")), word(of("is")))
    }
}

fn label(line: &PartLine) -> String {
    if line.name.is_empty() { format!("Bestandteil {}", line.path) } else { line.name.clone() }
}

fn row(line: &PartLine) -> Vec<String> {
    let kind = if line.detected.is_empty() { &line.declared } else { &line.detected };
    let mut result = vec![verdict(line.verdict)];
    result.extend(line.notes.iter().map(words));
    for report in &line.signatures {
        result.push(one_line(report));
    }
    result.extend(line.signed_by.iter().map(|path| texts::say("part-signed-by", &[("path", path)])));
    let checks: Vec<String> = line
        .checks
        .iter()
        .map(|c| {
            let by = if c.by.is_empty() { String::new() } else { format!(" ({})", c.by) };
            format!("{}: {}{by}", say(&format!("check-{}", c.kind.as_str())), words(&c.outcome))
        })
        .collect();
    // The path of what lies in a container ends with its name.
    let named = !line.name.is_empty() && line.path.ends_with(&line.name);
    let place = if named { line.path.clone() } else { format!("{} · {}", line.path, label(line)) };
    vec![
        place,
        format!("{}, {}", readable::kind(kind), readable::size(line.size)),
        result.join(" – "),
        checks.join(" – "),
    ]
}

/// A signature in one line.
#[must_use]
pub fn one_line(report: &Report) -> String {
    let who = report.signer.as_ref().map_or("unbekannt", |s| s.name.as_str());
    let key = format!("signature-{}", report.verdict.indication.as_str());
    texts::say(&key, &[("who", who), ("format", report.format.as_str())])
}

fn signature(report: &Report) -> Vec<Block> {
    // Good, but not over all of it: a person must look at what it covers.
    let partly = matches!(report.scope, Coverage::Some { .. }) || !report.notes.is_empty();
    let tone = match report.verdict.indication {
        Indication::TotalPassed if partly => Tone::Warning,
        Indication::TotalPassed => Tone::Success,
        Indication::Indeterminate => Tone::Warning,
        Indication::TotalFailed => Tone::Danger,
    };
    let reason = report.verdict.sub.map_or_else(String::new, |s| say(&format!("sub-{}", s.as_str())));
    let mut facts = Vec::new();
    let mut fact = |key: &str, value: String| {
        if !value.is_empty() {
            facts.push((key.to_owned(), value));
        }
    };
    if let Some(signer) = &report.signer {
        fact("Unterschrieben von", signer.name.clone());
        fact("Organisation", signer.organisation.clone());
        fact("Zertifikat von", signer.issuer.clone());
        fact("Gültig", format!("{} bis {}", time(signer.not_before), time(signer.not_after)));
        fact("Seriennummer", signer.serial.clone());
    }
    fact("Nach eigener Angabe unterschrieben am", report.claimed_at.map(time).unwrap_or_default());
    fact("Durch Zeitstempel belegt", report.proven_at.map(time).unwrap_or_default());
    let at = |v: &Option<poststelle_crypto::signature::Verdict>| {
        v.as_ref().map(|v| say(&format!("indication-{}", v.indication.as_str()))).unwrap_or_default()
    };
    fact("Zum angegebenen Zeitpunkt", at(&report.at_claimed));
    fact("Beim Eingang", at(&report.at_received));
    fact("Bei der Prüfung", at(&report.at_present));
    fact("Umfang", scope(&report.scope));
    fact(
        "Qualität",
        if report.quality.is_empty() {
            say("quality-unknown")
        } else {
            say(&format!("quality-{}", report.quality))
        },
    );
    fact("Vertrauensanker", report.anchor.clone());
    fact("Verfahren", format!("{} {}, {}", report.format, report.level, report.algorithm));
    fact("Hinweise für Fachleute", report.notes.join(", "));
    let expert = match report.verdict.sub {
        Some(sub) => format!("{} / {sub}: {}", report.verdict.indication, report.verdict.detail),
        None => report.verdict.indication.to_string(),
    };
    fact("Für Fachleute (EN 319 102-1)", expert);
    vec![Block::Alert { tone, title: one_line(report), text: reason }, Block::Facts(facts)]
}

fn scope(scope: &Coverage) -> String {
    match scope {
        Coverage::Whole => say("scope-whole"),
        Coverage::Some { what } => texts::say("scope-some", &[("what", &what.join(", "))]),
        Coverage::Revision { number, changes, .. } => {
            let number = number.to_string();
            if changes.is_empty() {
                texts::say("scope-revision", &[("number", &number)])
            } else {
                texts::say("scope-revision-changed", &[("number", &number), ("changes", &changes.join(", "))])
            }
        }
    }
}
