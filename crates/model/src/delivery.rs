// SPDX-License-Identifier: EUPL-1.2
//! The life of a delivery as a total function: *queued ≠ sent ≠ delivered ≠ read*.
//!
//! ```text
//! Planned ─► Sending ─► Accepted ─► Confirmed
//!    ▲          │  ▲
//!    │          │  └── Deferred (next attempt) ─► Expired
//!    │          ├────► Unclear  (the far side may have it)
//!    └ Parked ◄─┴────► Rejected
//! ```

use serde::{Deserialize, Serialize};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Decided, not begun.
    Planned,
    /// Intent recorded; the effect may have begun.
    Sending,
    /// Not now; another try is due.
    Deferred,
    /// The far side may have it; being cleared up.
    Unclear,
    /// The far side took it over.
    Accepted,
    /// The far side confirmed that it arrived where it should.
    Confirmed,
    /// The far side refused for good.
    Rejected,
    /// Its time ran out.
    Expired,
    /// A person must act.
    Parked,
}

/// What happens to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryEvent {
    /// A worker begins (or begins again after a crash, with the same key).
    Begin,
    /// The far side took it over.
    Accept,
    /// The far side confirmed arrival.
    Confirm,
    /// Try again later.
    Defer,
    /// No answer after the last octet.
    LoseTrack,
    /// Final refusal.
    Reject,
    /// Its time ran out.
    Expire,
    /// A person must act.
    Park,
    /// A person sets it going again.
    Resume,
}

/// An event that has no place in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a delivery that is {from:?} cannot {event:?}")]
pub struct Illegal {
    /// The state.
    pub from: DeliveryState,
    /// The event.
    pub event: DeliveryEvent,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Planned,
        Self::Sending,
        Self::Deferred,
        Self::Unclear,
        Self::Accepted,
        Self::Confirmed,
        Self::Rejected,
        Self::Expired,
        Self::Parked,
    ];

    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sending => "sending",
            Self::Deferred => "deferred",
            Self::Unclear => "unclear",
            Self::Accepted => "accepted",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Parked => "parked",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Does the hub still owe work on it (a job must exist)?
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Planned | Self::Sending | Self::Deferred | Self::Unclear)
    }

    /// Is it with the far side?
    #[must_use]
    pub const fn is_delivered(self) -> bool {
        matches!(self, Self::Accepted | Self::Confirmed)
    }

    /// Did it fail for good?
    #[must_use]
    pub const fn is_failed(self) -> bool {
        matches!(self, Self::Rejected | Self::Expired)
    }

    /// The state after `event`.
    ///
    /// # Errors
    /// [`Illegal`] when the event has no place here; the state stays.
    pub const fn after(self, event: DeliveryEvent) -> Result<Self, Illegal> {
        use DeliveryEvent as E;
        use DeliveryState as S;
        Ok(match (self, event) {
            (S::Planned | S::Sending | S::Deferred | S::Unclear, E::Begin) => S::Sending,
            (S::Sending | S::Unclear | S::Accepted | S::Deferred | S::Parked | S::Expired, E::Accept) => {
                S::Accepted
            }
            // A late receipt wins over what we believed, except over an earlier confirmation.
            (
                S::Sending
                | S::Unclear
                | S::Accepted
                | S::Confirmed
                | S::Deferred
                | S::Parked
                | S::Expired
                | S::Planned,
                E::Confirm,
            ) => S::Confirmed,
            (S::Planned | S::Sending | S::Deferred, E::Defer) => S::Deferred,
            // What may have arrived stays unclear while we cannot ask.
            (S::Unclear, E::Defer) | (S::Sending | S::Unclear, E::LoseTrack) => S::Unclear,
            (
                S::Planned | S::Sending | S::Deferred | S::Unclear | S::Accepted | S::Parked | S::Rejected,
                E::Reject,
            ) => S::Rejected,
            (S::Planned | S::Sending | S::Deferred, E::Expire) => S::Expired,
            // Never "expired" while the far side may have it: a person decides.
            (S::Unclear, E::Expire)
            | (S::Planned | S::Sending | S::Deferred | S::Unclear | S::Parked, E::Park) => S::Parked,
            (S::Parked | S::Rejected | S::Expired, E::Resume) => S::Planned,
            (from, event) => return Err(Illegal { from, event }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVENTS: [DeliveryEvent; 9] = [
        DeliveryEvent::Begin,
        DeliveryEvent::Accept,
        DeliveryEvent::Confirm,
        DeliveryEvent::Defer,
        DeliveryEvent::LoseTrack,
        DeliveryEvent::Reject,
        DeliveryEvent::Expire,
        DeliveryEvent::Park,
        DeliveryEvent::Resume,
    ];

    proptest! {
        /// Whatever happens: nothing becomes "delivered" without the far side's word, nothing that may
        /// have arrived expires silently, and a confirmation is never lost.
        #[test]
        fn invariants(events in proptest::collection::vec(0usize..9, 0..60)) {
            let mut state = DeliveryState::Planned;
            let mut begun = false;
            for event in events.into_iter().map(|i| EVENTS[i]) {
                let Ok(next) = state.after(event) else { continue };
                begun |= event == DeliveryEvent::Begin;
                if next == DeliveryState::Accepted && state != DeliveryState::Accepted {
                    prop_assert_eq!(event, DeliveryEvent::Accept);
                    // A late word may also come for what waits or was given up.
                    let late = matches!(
                        state,
                        DeliveryState::Parked | DeliveryState::Expired | DeliveryState::Deferred
                    );
                    prop_assert!(begun || late);
                }
                if next == DeliveryState::Confirmed && state != DeliveryState::Confirmed {
                    prop_assert_eq!(event, DeliveryEvent::Confirm);
                }
                if next == DeliveryState::Expired {
                    prop_assert_ne!(state, DeliveryState::Unclear);
                }
                if state == DeliveryState::Confirmed {
                    prop_assert_eq!(next, DeliveryState::Confirmed);
                }
                state = next;
            }
        }

        /// Every open state has a way on by itself and a way to a person.
        #[test]
        fn no_dead_end(i in 0usize..9) {
            let state = DeliveryState::ALL[i];
            if state.is_open() {
                prop_assert!(state.after(DeliveryEvent::Begin).is_ok());
                prop_assert_eq!(state.after(DeliveryEvent::Park), Ok(DeliveryState::Parked));
            }
            if state == DeliveryState::Parked || state.is_failed() {
                prop_assert_eq!(state.after(DeliveryEvent::Resume), Ok(DeliveryState::Planned));
            }
        }
    }
}
