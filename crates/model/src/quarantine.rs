// SPDX-License-Identifier: EUPL-1.2
//! Quarantine: what happens to a part that was held back.
//!
//! Guarantees: total — every act in every state has an answer; a release by people takes two of them; nothing that
//! was released is held again, nothing that was closed comes out.

use serde::{Deserialize, Serialize};

use crate::ids::PrincipalId;

/// Where a held part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// Held back.
    Held,
    /// One person wants it released; a second must agree.
    Proposed,
    /// Given out like any other part.
    Released,
    /// Never given out.
    Closed,
}

impl HoldState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Held, Self::Proposed, Self::Released, Self::Closed];

    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Proposed => "proposed",
            Self::Released => "released",
            Self::Closed => "closed",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Are its octets kept from people and targets?
    #[must_use]
    pub const fn is_closed_to_readers(self) -> bool {
        !matches!(self, Self::Released)
    }

    /// Does it wait for somebody or something?
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Held | Self::Proposed)
    }
}

/// Why it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldCause {
    /// The scanner found something.
    Infected,
    /// The scanner gave no usable answer: it is asked again, and a clean answer releases.
    Indeterminate,
}

impl HoldCause {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Infected => "infected",
            Self::Indeterminate => "indeterminate",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Infected, Self::Indeterminate].into_iter().find(|c| c.as_str() == word)
    }
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldAct {
    /// A person wants it released.
    Propose(PrincipalId),
    /// A person agrees to the release.
    Agree(PrincipalId),
    /// A person is against the release, or takes the own wish back.
    Decline,
    /// A person closes it for good.
    Close,
    /// Scanned again: nothing found.
    FoundClean,
}

/// Why an act is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HoldRefusal {
    /// The same person cannot be the second one.
    #[error("the second person must be another one")]
    SamePerson,
    /// Not in this state.
    #[error("not possible any more")]
    Late,
}

/// The state after `act` on a part that is `state` because of `cause`, whose release `proposed_by` wants.
///
/// # Errors
/// [`HoldRefusal`].
pub fn after(
    state: HoldState,
    cause: HoldCause,
    proposed_by: Option<PrincipalId>,
    act: HoldAct,
) -> Result<HoldState, HoldRefusal> {
    match (state, act) {
        (HoldState::Held, HoldAct::Propose(_)) => Ok(HoldState::Proposed),
        (HoldState::Proposed, HoldAct::Agree(who)) if proposed_by == Some(who) => {
            Err(HoldRefusal::SamePerson)
        }
        (HoldState::Proposed, HoldAct::Agree(_)) => Ok(HoldState::Released),
        (HoldState::Proposed, HoldAct::Decline) => Ok(HoldState::Held),
        (HoldState::Held | HoldState::Proposed, HoldAct::Close) => Ok(HoldState::Closed),
        (HoldState::Held | HoldState::Proposed, HoldAct::FoundClean) => Ok(match cause {
            HoldCause::Indeterminate => HoldState::Released,
            // What one scanner once recognised only people let go.
            HoldCause::Infected => state,
        }),
        _ => Err(HoldRefusal::Late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SeededIds;

    #[test]
    fn a_release_takes_two_people() {
        let (one, two) = (PrincipalId::new(&SeededIds::new(2)), PrincipalId::new(&SeededIds::new(1)));
        let cause = HoldCause::Infected;
        let proposed = after(HoldState::Held, cause, None, HoldAct::Propose(one)).unwrap();
        assert_eq!(proposed, HoldState::Proposed);
        assert_eq!(after(proposed, cause, Some(one), HoldAct::Agree(one)), Err(HoldRefusal::SamePerson));
        assert_eq!(after(proposed, cause, Some(one), HoldAct::Agree(two)), Ok(HoldState::Released));
        assert_eq!(after(HoldState::Held, cause, None, HoldAct::Agree(two)), Err(HoldRefusal::Late));
    }

    #[test]
    fn a_clean_answer_releases_only_what_nothing_was_found_in() {
        for state in HoldState::ALL {
            let found = after(state, HoldCause::Infected, None, HoldAct::FoundClean);
            assert!(found != Ok(HoldState::Released), "{state:?}");
        }
        let clean = after(HoldState::Held, HoldCause::Indeterminate, None, HoldAct::FoundClean);
        assert_eq!(clean, Ok(HoldState::Released));
    }

    #[test]
    fn what_is_over_stays_over() {
        let who = PrincipalId::new(&SeededIds::new(1));
        let acts = [
            HoldAct::Propose(who),
            HoldAct::Agree(who),
            HoldAct::Decline,
            HoldAct::Close,
            HoldAct::FoundClean,
        ];
        for state in [HoldState::Released, HoldState::Closed] {
            for act in acts {
                assert!(after(state, HoldCause::Indeterminate, None, act).is_err(), "{state:?} {act:?}");
            }
        }
    }
}
