// SPDX-License-Identifier: EUPL-1.2
//! Whether a message keeps the written form (Schriftform): a dated table per jurisdiction, not code.
//!
//! Guarantees: what is not known for sure is "zu prüfen", never "gewahrt" and never "nicht gewahrt" by guess; the sheet
//! names the law it went by. It does not replace a lawyer: forms demanded by special law are not in the table.

use poststelle_crypto::signature::Indication;
use poststelle_model::Timestamp;
use serde::Deserialize;

use crate::conclusion::vouches;
use crate::sheet::{FormVerdict, MessageFacts, PartLine, PartVerdict, WrittenForm};

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// `DE-MV`, `DE` …
    jurisdiction: String,
    /// Name of the provision.
    law: String,
    /// In force from, `2024-01-01`.
    from: String,
    /// In force until, that day not included; empty = still.
    until: String,
    /// What keeps the form: `qes` …
    keeps: Vec<String>,
    /// Where it is written.
    #[serde(rename = "source")]
    _source: String,
}

/// The table for one jurisdiction; the default knows no law, so that every form is to be checked by a person.
#[derive(Debug, Clone, Default)]
pub struct Law {
    entries: Vec<Entry>,
}

/// The table as the product ships it.
const TABLE: &str = include_str!("../data/schriftform.json");

/// Why there is no law to go by.
#[derive(Debug, thiserror::Error)]
pub enum LawError {
    /// Not the form of the table.
    #[error("table of the written form cannot be read: {0}")]
    Format(#[from] serde_json::Error),
    /// No line for it.
    #[error("the table of the written form knows no jurisdiction {0}; it knows DE-MV and DE")]
    Unknown(String),
}

impl Law {
    /// The lines of a jurisdiction.
    ///
    /// # Errors
    /// [`LawError::Unknown`].
    pub fn of(jurisdiction: &str) -> Result<Self, LawError> {
        let mut entries: Vec<Entry> = serde_json::from_str(TABLE)?;
        entries.retain(|e| e.jurisdiction == jurisdiction);
        if entries.is_empty() {
            return Err(LawError::Unknown(jurisdiction.to_owned()));
        }
        Ok(Self { entries })
    }

    fn at(&self, day: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.from.as_str() <= day && (e.until.is_empty() || day < e.until.as_str()))
    }

    /// The verdict over a message, by the law of the day it was accepted.
    pub(crate) fn written_form(
        &self,
        message: &MessageFacts,
        lines: &[PartLine],
        omitted: u64,
        now: Timestamp,
    ) -> WrittenForm {
        let today = now.rfc3339();
        let day = message.accepted_at.get(..10).or_else(|| today.get(..10)).unwrap_or_default();
        let Some(entry) = self.at(day) else {
            return WrittenForm {
                verdict: FormVerdict::ToBeChecked,
                reason: "no-law".to_owned(),
                law: String::new(),
            };
        };
        let qualified = |l: &PartLine| l.signatures.iter().any(|s| s.quality == "QES" && vouches(s));
        let signed = |l: &PartLine| {
            qualified(l) || lines.iter().any(|by| l.signed_by.contains(&by.path) && qualified(by))
        };
        let documents = || lines.iter().filter(|l| l.part.is_some());
        let signatures = || lines.iter().flat_map(|l| &l.signatures);
        let unseen = omitted > 0 || lines.iter().any(|l| l.verdict == PartVerdict::Unchecked);
        let (verdict, reason) = if entry.keeps.iter().any(|k| k == "qes") && lines.iter().any(qualified) {
            // Which document had to be signed, a program cannot know when there are several.
            if documents().all(signed) {
                (FormVerdict::Kept, "qes")
            } else {
                (FormVerdict::ToBeChecked, "qes-some")
            }
        } else if unseen {
            (FormVerdict::ToBeChecked, "unseen")
        } else if signatures().next().is_none() {
            (FormVerdict::NotKept, "no-signature")
        } else if signatures().all(|s| s.verdict.indication == Indication::TotalFailed) {
            (FormVerdict::NotKept, "signature-broken")
        } else {
            (FormVerdict::ToBeChecked, "signature-unclear")
        };
        WrittenForm { verdict, reason: reason.to_owned(), law: entry.law.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_dated() {
        let law = Law::of("DE").unwrap();
        assert!(law.at("2023-12-31").is_none());
        assert_eq!(law.at("2024-01-01").map(|e| e.law.as_str()), Some("§ 3a VwVfG"));
        assert!(matches!(Law::of("XX"), Err(LawError::Unknown(_))));
    }
}
