// SPDX-License-Identifier: EUPL-1.2
//! What was sent, what was answered, and what should become of it.

use poststelle_mail::smtp::client::Outcome;
use poststelle_model::MessageId;

use crate::letters::{Kind, Letter, Protected};

/// What should become of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expect {
    /// Taken over and placed somewhere.
    Placed,
    /// Taken over, placed, and its sheet says what is true.
    Inspected(Protected),
    /// Taken over and placed in the Klärungskorb.
    Clearing,
    /// Taken over, marked urgent, placed.
    Urgent,
    /// Taken over and handed to a specialist application.
    Application,
    /// Taken over and sent on, at the end in this state (word of the model).
    Forwarded(&'static str),
    /// Refused with this code.
    Refused(u16),
}

/// One mail of the day.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) what: String,
    pub(super) to: Vec<String>,
    pub(super) expect: Expect,
    /// SHA-256 of the mail; empty where transport may change octets.
    pub(super) sha256: String,
    /// SHA-256 of its attachments.
    pub(super) attachments: Vec<String>,
    pub(super) size: u64,
    /// The code it was answered with; 0 = none.
    pub(super) code: u16,
    pub(super) said: String,
    pub(super) ids: Vec<MessageId>,
}

impl Entry {
    pub(super) fn of(letter: &Letter, expect: Expect) -> Self {
        let unchanged = letter.octets.ends_with(b"\r\n");
        // What is found in broken mail is a matter of reading it; its octets are not.
        let readable = !matches!(letter.kind, Kind::Malformed(_));
        let attachments = letter.attachments.iter().map(|a| a.sha256.clone());
        Self {
            what: format!("letter {} ({:?}) {:?}", letter.n, letter.kind, letter.subject),
            to: letter.to.clone(),
            expect,
            sha256: if unchanged { letter.sha256() } else { String::new() },
            attachments: if readable { attachments.collect() } else { Vec::new() },
            size: letter.octets.len() as u64,
            code: 0,
            said: String::new(),
            ids: Vec::new(),
        }
    }

    pub(super) fn answered(&mut self, outcome: &Outcome) {
        match outcome.reply() {
            Some(reply) => {
                self.code = reply.code;
                self.said = reply.text.to_string();
            }
            None => self.said = format!("{outcome:?}"),
        }
        if matches!(outcome, Outcome::Accepted { .. }) {
            self.ids = self.said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        }
    }
}

/// Everything of the day.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) entries: Vec<Entry>,
    pub(super) unexpected: Vec<String>,
    pub(super) rest_repeated: bool,
    /// Mails the far side had before.
    pub(super) far_before: usize,
    pub(super) reports_before: usize,
    /// Packages each application had before.
    pub(super) packages_before: Vec<usize>,
    pub(super) events_before: usize,
}
