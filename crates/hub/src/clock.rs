// SPDX-License-Identifier: EUPL-1.2
//! The one place that reads the wall clock and draws ids.

use poststelle_model::{Clock, Ids, Timestamp};
use uuid::Uuid;

/// The node's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the injected clock comes from")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX / 4))
    }
}

/// A clock that is wrong by a fixed span. For tests of clock skew (`--clock-skew`).
#[derive(Debug, Clone, Copy)]
pub struct SkewedClock(pub i64);

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0.saturating_add(self.0))
    }
}

/// UUIDv7 from the operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is where the injected ids come from")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}
