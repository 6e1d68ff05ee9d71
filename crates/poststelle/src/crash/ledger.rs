// SPDX-License-Identifier: EUPL-1.2
//! What the clerks of the crash test did and saw, as they know it themselves: the other side of the judgement.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use poststelle_model::{DeliveryId, DraftId, MessageId, PrincipalId};
use poststelle_world::clerk::{Answer, Silence};

/// How something asked for ended, for who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The answer said so.
    Done,
    /// The answer said no.
    Refused,
    /// No answer, or one that does not know either.
    Unknown,
}

impl Outcome {
    /// Of an answer to a form: done is a redirect, or what a script gets.
    pub(super) fn of(answer: &Result<Answer, Silence>) -> Self {
        match answer {
            Ok(a) if matches!(a.status, 200 | 201 | 303) && !a.location.starts_with("/anmelden") => {
                Self::Done
            }
            Ok(a) if a.status < 500 => Self::Refused,
            _ => Self::Unknown,
        }
    }
}

/// One act at a desk.
#[derive(Debug, Clone)]
pub(super) struct Act {
    pub(super) clerk: PrincipalId,
    /// The version it was asked for.
    pub(super) version: i64,
    /// Its word in the evidence.
    pub(super) word: &'static str,
    pub(super) outcome: Outcome,
}

/// How an item stood on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) version: i64,
    pub(super) state: String,
    pub(super) mine: bool,
    pub(super) clerk: PrincipalId,
}

/// A note somebody wrote.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    pub(super) message: MessageId,
    pub(super) text: String,
    pub(super) outcome: Outcome,
}

/// Where a letter stands for who writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Being written.
    Open,
    /// The wish to send it was acknowledged, for a later day.
    Later,
    /// The wish to send it was acknowledged.
    Wished,
    /// It is this message.
    Sent(MessageId),
    /// Sending it was not answered.
    Unknown,
}

/// A letter as its writer knows it.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) clerk: PrincipalId,
    pub(super) draft: DraftId,
    /// In subject and file name: nobody else's.
    pub(super) mark: String,
    /// The text that was acknowledged, or seen, last.
    pub(super) text: String,
    /// Texts sent after it without an answer.
    pub(super) maybe: Vec<String>,
    /// The attachment, when its last octet was acknowledged.
    pub(super) file: Option<Vec<u8>>,
    pub(super) fate: Fate,
    /// Outcomes of `send` and `withdraw`.
    pub(super) steps: Vec<(&'static str, Outcome)>,
}

/// Everything, of all clerks.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) acts: HashMap<DeliveryId, Vec<Act>>,
    pub(super) sights: HashMap<DeliveryId, Vec<Sight>>,
    /// No page may show an item as it was before this version.
    pub(super) floors: HashMap<DeliveryId, i64>,
    pub(super) items: HashMap<MessageId, DeliveryId>,
    pub(super) read: BTreeSet<(MessageId, PrincipalId)>,
    pub(super) notes: Vec<Noted>,
    pub(super) letters: BTreeMap<DraftId, Letter>,
    /// Letters begun without an answer.
    pub(super) begun: u64,
    pub(super) sessions: u64,
    /// What was seen to be wrong.
    pub(super) wrong: Vec<String>,
}

/// The ledger all clerks share.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Book>);

impl Ledger {
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is wrong.
    pub(super) fn wrong(&self, what: String) {
        self.book().wrong.push(what);
    }

    /// The version below which nobody may see an item any more.
    pub(super) fn floor(&self, message: MessageId) -> i64 {
        let book = self.book();
        book.items.get(&message).and_then(|d| book.floors.get(d)).copied().unwrap_or(1)
    }
}

impl Book {
    /// An item was seen, or acknowledged, in this version.
    pub(super) fn raise(&mut self, item: DeliveryId, version: i64) {
        let floor = self.floors.entry(item).or_insert(1);
        *floor = (*floor).max(version);
    }
}
