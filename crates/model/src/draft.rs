// SPDX-License-Identifier: EUPL-1.2
//! The life of a draft: what it is made from, and where it stands until it is a message.
//!
//! ```text
//! Open ⇄ Sending ─► Sent
//!   ⇅       ▲
//!  Release ─┘   (where a second person must look)
//! ```

use serde::{Deserialize, Serialize};

/// What a draft is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftKind {
    /// Nothing.
    New,
    /// A message it answers.
    Reply,
    /// A message it passes on.
    Forward,
}

impl DraftKind {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Reply => "reply",
            Self::Forward => "forward",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::New, Self::Reply, Self::Forward].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Where a draft stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftState {
    /// Being written.
    Open,
    /// Its author wants it sent; a second person must look first.
    Release,
    /// It is to be sent, now or at a set time; it can be taken back until then.
    Sending,
    /// It is a message.
    Sent,
}

impl DraftState {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Release => "release",
            Self::Sending => "sending",
            Self::Sent => "sent",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::Release, Self::Sending, Self::Sent]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}
