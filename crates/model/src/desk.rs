// SPDX-License-Identifier: EUPL-1.2
//! The working state of a message at a desk as a total function.
//!
//! ```text
//!         claim / hand over            done
//!   New ───────────────────► Claimed ───────► Done
//!    ▲  ◄─────────────────── │  ▲ ▲             │
//!    │        release        │  │ └── reopen ───┘
//!    │                  wait ▼  │ claim
//!    └────── release ────── Waiting
//! ```
//!
//! It says nothing about the mail itself: whatever happens at a desk, message and deliveries stay as they are.

use serde::{Deserialize, Serialize};

use crate::ids::PrincipalId;
use crate::time::Timestamp;

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeskState {
    /// Nobody has it.
    New,
    /// Somebody works on it.
    Claimed,
    /// Somebody has it and waits for something, until a day.
    Waiting,
    /// Settled.
    Done,
}

/// What a person does with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum DeskAct {
    /// Takes it on.
    Claim,
    /// Gives it back to all.
    Release,
    /// Gives it to somebody.
    HandOver {
        /// To whom.
        to: PrincipalId,
    },
    /// Lays it aside until a day; it shows itself again then.
    Wait {
        /// Until when.
        until: Timestamp,
    },
    /// Settles it.
    Finish,
    /// Takes up again what was settled.
    Reopen,
}

/// What changes with each act: kept once more as it was before, so that the last act can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Standing {
    /// State.
    pub state: DeskState,
    /// Who has it.
    pub owner: Option<PrincipalId>,
    /// When it shows itself again, or is due; 0 = no day.
    pub due_at: Timestamp,
}

/// An act that has no place in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an item that is {from:?} cannot {act:?}")]
pub struct NotNow {
    /// The state.
    pub from: DeskState,
    /// The act.
    pub act: DeskAct,
}

impl DeskState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::New, Self::Claimed, Self::Waiting, Self::Done];

    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Claimed => "claimed",
            Self::Waiting => "waiting",
            Self::Done => "done",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl DeskAct {
    /// The word in evidence and addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Release => "release",
            Self::HandOver { .. } => "hand_over",
            Self::Wait { .. } => "wait",
            Self::Finish => "finish",
            Self::Reopen => "reopen",
        }
    }
}

impl Standing {
    /// As a delivery lays it on a desk.
    pub const NEW: Self = Self { state: DeskState::New, owner: None, due_at: Timestamp(0) };

    /// How it stands after `who` did `act`. Taking what a colleague has is allowed and leaves a trace: nobody must
    /// wait for somebody who is ill.
    ///
    /// # Errors
    /// [`NotNow`] when the act has no place here; nothing changes.
    pub const fn after(self, who: PrincipalId, act: DeskAct) -> Result<Self, NotNow> {
        use DeskState as S;
        let (state, owner, due_at) = match (self.state, act) {
            (S::New | S::Claimed | S::Waiting, DeskAct::Claim) | (S::Done, DeskAct::Reopen) => {
                (S::Claimed, Some(who), Timestamp(0))
            }
            (S::Claimed | S::Waiting, DeskAct::Release) => (S::New, None, Timestamp(0)),
            (S::New | S::Claimed | S::Waiting, DeskAct::HandOver { to }) => {
                (S::Claimed, Some(to), Timestamp(0))
            }
            (S::New | S::Claimed | S::Waiting, DeskAct::Wait { until }) => {
                let owner = match self.owner {
                    Some(owner) => owner,
                    None => who,
                };
                (S::Waiting, Some(owner), until)
            }
            (S::New | S::Claimed | S::Waiting, DeskAct::Finish) => {
                let owner = match self.owner {
                    Some(owner) => owner,
                    None => who,
                };
                (S::Done, Some(owner), Timestamp(0))
            }
            (from, act) => return Err(NotNow { from, act }),
        };
        Ok(Self { state, owner, due_at })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::SeededIds;

    #[test]
    fn words_come_back() {
        for state in DeskState::ALL {
            assert_eq!(DeskState::parse(state.as_str()), Some(state));
        }
        assert_eq!(DeskState::parse("fetched"), None);
    }

    proptest! {
        #[test]
        fn whoever_is_not_new_has_an_owner(acts in proptest::collection::vec(0..6u8, 0..40)) {
            let ids = SeededIds::new(3);
            let (ada, bea) = (PrincipalId::new(&ids), PrincipalId::new(&ids));
            let mut standing = Standing::NEW;
            for act in acts {
                let act = match act {
                    0 => DeskAct::Claim,
                    1 => DeskAct::Release,
                    2 => DeskAct::HandOver { to: bea },
                    3 => DeskAct::Wait { until: Timestamp(9) },
                    4 => DeskAct::Finish,
                    _ => DeskAct::Reopen,
                };
                let before = standing;
                match standing.after(ada, act) {
                    Ok(next) => standing = next,
                    Err(refused) => prop_assert_eq!(refused.from, before.state),
                }
                prop_assert_eq!(standing.owner.is_none(), standing.state == DeskState::New);
                prop_assert_eq!(standing.due_at > Timestamp(0), standing.state == DeskState::Waiting);
                // Nothing is a dead end.
                let way_on = if standing.state == DeskState::Done { DeskAct::Reopen } else { DeskAct::Finish };
                prop_assert!(standing.after(ada, way_on).is_ok());
            }
        }
    }
}
