// SPDX-License-Identifier: EUPL-1.2
//! What an outside source said during an inspection: kept with source, version and time, and asked only once.

use std::collections::BTreeMap;

use crate::time::Timestamp;

/// One answer of an outside source (scanner, responder, clock) to one question about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The question, unique within the message; begins with the version of the inspection.
    pub name: String,
    /// Who was asked.
    pub source: String,
    /// In which version, or with which state of its data.
    pub version: String,
    /// The answer, JSON.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

/// The findings of one message: what is known is not asked again.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    known: BTreeMap<String, Finding>,
    new: Vec<String>,
}

impl Findings {
    /// With what was stored.
    #[must_use]
    pub fn of(stored: Vec<Finding>) -> Self {
        let known = stored.into_iter().map(|f| (f.name.clone(), f)).collect();
        Self { known, new: Vec::new() }
    }

    /// The answer to a question, if it is known.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Finding> {
        self.known.get(name)
    }

    /// Keeps an answer; one that is known already stays as it is.
    pub fn keep(&mut self, finding: Finding) {
        if !self.known.contains_key(&finding.name) {
            self.new.push(finding.name.clone());
            self.known.insert(finding.name.clone(), finding);
        }
    }

    /// The names that begin with `prefix`, in order.
    pub fn names<'f>(&'f self, prefix: &'f str) -> impl Iterator<Item = &'f str> + 'f {
        self.known.keys().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }

    /// What was not stored yet, in the order it came.
    #[must_use]
    pub fn fresh(&self) -> Vec<Finding> {
        self.new.iter().filter_map(|name| self.known.get(name)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_one_answer() {
        let finding = |body: &str| Finding {
            name: "1/clock".to_owned(),
            source: "clock".to_owned(),
            version: String::new(),
            body: body.to_owned(),
            at: Timestamp(1),
        };
        let mut findings = Findings::default();
        findings.keep(finding("a"));
        findings.keep(finding("b"));
        assert_eq!(findings.get("1/clock").map(|f| f.body.as_str()), Some("a"));
        assert_eq!(findings.fresh(), [finding("a")]);
        assert_eq!(Findings::of(vec![finding("a")]).fresh(), []);
    }
}
