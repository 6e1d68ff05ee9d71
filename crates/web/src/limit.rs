// SPDX-License-Identifier: EUPL-1.2
//! Counts tries per key in a fixed window. In memory of one node: it slows guessing down, the account lock in the
//! database ends it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use poststelle_model::Timestamp;

/// Most keys remembered at once.
const KEYS: usize = 10_000;

/// At most `limit` tries per key and window.
pub(crate) struct Limiter {
    limit: u32,
    window: Duration,
    seen: Mutex<HashMap<String, (Timestamp, u32)>>,
}

impl Limiter {
    pub(crate) fn new(limit: u32, window: Duration) -> Self {
        Self { limit, window, seen: Mutex::default() }
    }

    /// Takes one try.
    ///
    /// # Errors
    /// The time to wait when there is none left.
    pub(crate) fn take(&self, key: &str, now: Timestamp) -> Result<(), Duration> {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if seen.len() >= KEYS && !seen.contains_key(key) {
            seen.retain(|_, (start, _)| now.since(*start) < self.window);
            if seen.len() >= KEYS
                && let Some(oldest) = seen.iter().min_by_key(|(_, (start, _))| *start).map(|(k, _)| k.clone())
            {
                seen.remove(&oldest);
            }
        }
        let (start, count) = seen.entry(key.to_owned()).or_insert((now, 0));
        if now.since(*start) >= self.window {
            (*start, *count) = (now, 0);
        }
        if *count >= self.limit {
            return Err(self.window.saturating_sub(now.since(*start)).max(Duration::from_secs(1)));
        }
        *count += 1;
        Ok(())
    }

    /// Gives a try back: it was none.
    pub(crate) fn give_back(&self, key: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, count)) = seen.get_mut(key) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_waits_and_forgets() {
        let limiter = Limiter::new(2, Duration::from_secs(60));
        let start = Timestamp(0);
        assert_eq!(limiter.take("a", start), Ok(()));
        assert_eq!(limiter.take("a", start), Ok(()));
        let later = start.plus(Duration::from_secs(20));
        assert_eq!(limiter.take("a", later), Err(Duration::from_secs(40)));
        assert_eq!(limiter.take("b", later), Ok(()));
        limiter.give_back("a");
        assert_eq!(limiter.take("a", later), Ok(()));
        assert_eq!(limiter.take("a", start.plus(Duration::from_secs(60))), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = Limiter::new(1, Duration::from_secs(60));
        for i in 0..(KEYS + 50) {
            assert!(limiter.take(&i.to_string(), Timestamp(i64::try_from(i).unwrap())).is_ok());
        }
        assert!(limiter.seen.lock().unwrap().len() <= KEYS);
    }
}
