// SPDX-License-Identifier: EUPL-1.2
//! The last steps of many hand-overs together: one sync serves all that wait.
//!
//! ```text
//! written ─sync─► ledger entry ─sync─► rename ─sync─► accepted
//! ```
//!
//! Guarantees: the content is durable before the ledger names it, the ledger before the package becomes
//! visible, the package's name before the call is answered. Entries in different phases share each sync; a
//! single hand-over pays three, many at once pay less than one each. A failed sync fails only those who
//! waited for it, and each hears whether its package may be visible.
//! A sync of the whole file system also waits for what others wrote there (a backup, say). When that takes
//! long, the group asks for files to be synced one by one for a while ([`Group::calm`]).
//! Does not: keep a thread while nothing waits. There is one group per file system, so that a mount that
//! hangs holds up only its own.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::fault::Trouble;
use super::package::Registered;
use super::place::{Durable, Place, Record, sync_dir, sync_whole};
use super::{Probe, Step};

/// What has been done already; the sync after it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The package is written.
    Content,
    /// The ledger entry is set.
    Ledger,
    /// The package has its final name.
    Visible,
}

/// One hand-over on its last steps.
pub(crate) struct Entry {
    phase: Phase,
    place: Arc<Place>,
    key: String,
    record: Record,
    /// Our own build; `None` when the ledger had the key already.
    own: Option<Registered>,
    probe: Option<Arc<dyn Probe>>,
    reply: oneshot::Sender<Result<Record, Trouble>>,
}

/// Those who share syncs.
#[derive(Default)]
pub(crate) struct Group(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    entries: Vec<Entry>,
    running: bool,
    noise: Noise,
}

/// How long syncs of the whole file system take.
#[derive(Default)]
struct Noise {
    /// Sliding mean, seconds.
    mean: f64,
    /// Until then files are synced one by one.
    until: Option<Instant>,
}

/// Above this mean, seconds, syncing files one by one is the better way, although it costs twice the CPU time.
const NOISY: f64 = 0.02;

impl Noise {
    fn heard(&mut self, took: Duration, now: Instant) {
        self.mean += (took.as_secs_f64() - self.mean) / 8.0;
        if self.mean > NOISY {
            // The longer it took, the longer we stay away; then the mean starts anew.
            self.until = Some(now + (took * 200).clamp(Duration::from_secs(5), Duration::from_secs(600)));
            self.mean = 0.0;
        }
    }
}

/// Clears the flag also when the loop panics, so that the next call starts a new one.
struct Running<'a>(&'a Group);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.lock().running = false;
    }
}

impl Group {
    /// Takes a hand-over through its last steps. `own` is the build just written, if any.
    pub async fn finish(
        self: &Arc<Self>,
        place: Arc<Place>,
        key: String,
        record: Record,
        own: Option<Registered>,
        probe: Option<Arc<dyn Probe>>,
    ) -> Result<Record, Trouble> {
        let (reply, answer) = oneshot::channel();
        let phase = if own.is_some() { Phase::Content } else { Phase::Ledger };
        let start = {
            let mut waiting = self.lock();
            waiting.entries.push(Entry { phase, place, key, record, own, probe, reply });
            !std::mem::replace(&mut waiting.running, true)
        };
        if start {
            let group = Arc::clone(self);
            tokio::task::spawn_blocking(move || group.run());
        }
        // Without an answer nobody knows how far it came.
        answer.await.unwrap_or_else(|_| Err(Trouble::Visible(io::Error::other("interrupted"))))
    }

    /// Is a sync of the whole file system the better way just now?
    pub fn calm(&self) -> bool {
        self.lock().noise.until.is_none_or(|until| Instant::now() >= until)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let running = Running(self);
        let mut going: Vec<Entry> = Vec::new();
        loop {
            {
                let mut waiting = self.lock();
                going.append(&mut waiting.entries);
                if going.is_empty() {
                    // Under the lock: whoever comes next starts a new loop.
                    waiting.running = false;
                    drop(waiting);
                    std::mem::forget(running);
                    return;
                }
            }
            let start = Instant::now();
            let synced = sync(&going);
            if matches!(synced, Ok(Durable::Whole)) {
                let now = Instant::now();
                // What counts is the price for each: a slow sync that serves many is a good one.
                let shared = u32::try_from(going.len()).unwrap_or(u32::MAX).max(1);
                self.lock().noise.heard((now - start) / shared, now);
            }
            let failed = synced.err();
            going = going.into_iter().filter_map(|entry| entry.go_on(failed.as_ref())).collect();
        }
    }
}

/// Makes durable what all entries wait for; says how.
fn sync(entries: &[Entry]) -> io::Result<Durable> {
    let whole = entries.iter().filter(|entry| entry.place.durable == Durable::Whole);
    if let Some(oldest) = whole.min_by_key(|entry| entry.place.opened) {
        // The handle opened first has seen every error since; one file system, one call for all.
        return sync_whole(&oldest.place.handle).map(|()| Durable::Whole);
    }
    let mut dirs = Vec::new();
    for entry in entries {
        match entry.phase {
            // What is inside the build was synced there.
            Phase::Content => dirs.push(&entry.place.builds),
            Phase::Ledger => dirs.push(&entry.place.ledger),
            Phase::Visible => dirs.extend([&entry.place.root, &entry.place.builds]),
        }
    }
    dirs.sort_unstable();
    dirs.dedup();
    dirs.into_iter().try_for_each(|dir| sync_dir(dir)).map(|()| Durable::Each)
}

impl Entry {
    /// The next step after a sync; `None` when it is over.
    fn go_on(mut self, failed: Option<&io::Error>) -> Option<Self> {
        match self.step(failed) {
            Ok(false) => Some(self),
            Ok(true) => {
                let _ = self.reply.send(Ok(self.record));
                None
            }
            Err(trouble) => {
                if let (Some(own), false) = (&self.own, matches!(trouble, Trouble::Stopped(_))) {
                    self.place.discard(&self.key, &own.build);
                }
                let _ = self.reply.send(Err(trouble));
                None
            }
        }
    }

    fn step(&mut self, failed: Option<&io::Error>) -> Result<bool, Trouble> {
        if let Some(error) = failed {
            // Errors of the system do not clone; number and kind are what counts.
            let error =
                error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            return Err(if self.phase == Phase::Visible {
                Trouble::Visible(error)
            } else {
                Trouble::Io(error)
            });
        }
        match self.phase {
            Phase::Content => {
                self.probe(Step::ContentSynced)?;
                if !self.place.enter(&self.key, &self.record.build)? {
                    // Another attempt was first; help it to its end.
                    self.record = self.place.record(&self.key)?.ok_or(Trouble::Interrupted)?;
                }
                self.phase = Phase::Ledger;
                self.probe(Step::LedgerWritten)?;
                Ok(false)
            }
            Phase::Ledger => {
                self.probe(Step::LedgerSynced)?;
                self.place.publish(&self.key, &self.record)?;
                self.phase = Phase::Visible;
                self.probe(Step::Renamed)?;
                Ok(false)
            }
            Phase::Visible => {
                self.probe(Step::RenameSynced)?;
                Ok(true)
            }
        }
    }

    fn probe(&self, step: Step) -> Result<(), Trouble> {
        match &self.probe {
            Some(probe) if !probe.go_on(step, &self.key) => Err(Trouble::Stopped(step)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_neighbour_is_avoided_for_a_while() {
        let (mut noise, now) = (Noise::default(), Instant::now());
        for _ in 0..1000 {
            noise.heard(Duration::from_millis(10), now);
        }
        noise.heard(Duration::from_millis(80), now);
        assert!(noise.until.is_none(), "one slow sync is no noise");
        noise.heard(Duration::from_secs(2), now);
        assert_eq!(noise.until, Some(now + Duration::from_secs(400)));
        for _ in 0..14 {
            noise.heard(Duration::from_millis(24), now);
        }
        assert_eq!(noise.until, Some(now + Duration::from_secs(5)));
    }
}
