// SPDX-License-Identifier: EUPL-1.2
//! Time as the house counts it: microseconds since 1970-01-01T00:00:00Z.
//!
//! The wall clock is never read here; [`Clock`] is injected. Legal calendars
//! are in Europe/Berlin, so the screen form is given there.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A moment, microseconds UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The far future: "never".
    pub const NEVER: Self = Self(i64::MAX / 4);

    /// `self + span`, saturating.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX / 4)))
    }

    /// `self - span`, saturating.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX / 4)))
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with microseconds, e.g. `2026-11-22T08:15:30.123456Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_microsecond(self.0)
            .map_or_else(|_| "9999-12-31T23:59:59.999999Z".to_owned(), |t| format!("{t:.6}"))
    }

    /// Reads an RFC 3339 text.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_microsecond()))
    }

    /// The beginning of a day in Europe/Berlin, from `YYYY-MM-DD`.
    #[must_use]
    pub fn start_of_day(date: &str) -> Option<Self> {
        let date: jiff::civil::Date = date.parse().ok()?;
        let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
        date.to_zoned(zone).ok().map(|z| Self(z.timestamp().as_microsecond()))
    }

    /// The end of a day in Europe/Berlin, which is the beginning of the next, from `YYYY-MM-DD`.
    #[must_use]
    pub fn end_of_day(date: &str) -> Option<Self> {
        let date: jiff::civil::Date = date.parse().ok()?;
        Self::start_of_day(&date.tomorrow().ok()?.to_string())
    }

    /// A moment in Europe/Berlin, from `YYYY-MM-DDThh:mm`.
    #[must_use]
    pub fn parse_local(text: &str) -> Option<Self> {
        let moment: jiff::civil::DateTime = text.parse().ok()?;
        let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
        moment.to_zoned(zone).ok().map(|z| Self(z.timestamp().as_microsecond()))
    }

    /// Screen form in Europe/Berlin, e.g. `22.11.2026, 09:15:30 Uhr`.
    #[must_use]
    pub fn berlin(self) -> String {
        self.in_berlin("%d.%m.%Y, %H:%M:%S Uhr")
    }

    /// A `strftime` form in Europe/Berlin; "–" when out of range.
    #[must_use]
    pub fn in_berlin(self, format: &str) -> String {
        let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
        jiff::Timestamp::from_microsecond(self.0)
            .map_or_else(|_| "–".to_owned(), |t| t.to_zoned(zone).strftime(format).to_string())
    }
}

/// The clock a node believes in; injected.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// A clock that moves only when told. For tests and simulated days.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Starts at `at`.
    #[must_use]
    pub const fn new(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.0))
    }

    /// Moves on by `span`.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_micros()).unwrap_or(0), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let t = Timestamp(1_795_335_330_123_456);
        assert_eq!(t.rfc3339(), "2026-11-22T08:15:30.123456Z");
        assert_eq!(t.berlin(), "22.11.2026, 09:15:30 Uhr");
        // The night in which the clocks go forward has one hour less.
        let (begin, end) = (Timestamp::start_of_day("2026-03-29"), Timestamp::end_of_day("2026-03-29"));
        assert_eq!(end.unwrap().since(begin.unwrap()), Duration::from_secs(23 * 3600));
        assert_eq!(Timestamp::end_of_day("2026-02-30"), None);
        assert_eq!(t.plus(Duration::from_secs(1)).since(t), Duration::from_secs(1));
        assert_eq!(t.since(t.plus(Duration::from_secs(1))), Duration::ZERO);
    }
}
