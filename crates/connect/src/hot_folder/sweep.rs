// SPDX-License-Identifier: EUPL-1.2
//! Forgetting what is long over: old ledger entries and abandoned builds.
//!
//! Guarantees: a ledger entry whose build still waits to become visible stays, whatever its age; builds under
//! way in this process stay. Does not: touch packages; they belong to the consumer.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, UNIX_EPOCH};

use poststelle_model::Timestamp;

use super::package::Active;
use super::place::record;

/// How long ledger entries and abandoned builds are kept: 30 days.
pub const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Ledger entries.
    pub ledger: u64,
    /// Builds and slips.
    pub builds: u64,
}

/// Removes what is older than [`KEEP`] at `now`. Blocking.
pub(super) fn sweep(root: &Path, now: Timestamp, active: &Active) -> io::Result<Swept> {
    let work = root.join(".poststelle");
    let (builds, ledger) = (work.join("bau"), work.join("uebergeben"));
    let old = |meta: &Metadata| {
        let modified = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        modified.is_some_and(|at| {
            Duration::from_micros(u64::try_from(now.0).unwrap_or(0)).saturating_sub(at) > KEEP
        })
    };
    let mut swept = Swept::default();
    for entry in list(&ledger)? {
        let entry = entry?;
        let Some(key) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if !entry.metadata().is_ok_and(|meta| meta.is_file() && old(&meta)) {
            continue;
        }
        let waits = match record(&ledger, &key) {
            Ok(Some(record)) => builds.join(record.build).try_exists()?,
            _ => false,
        };
        if !waits {
            fs::remove_file(entry.path())?;
            swept.ledger += 1;
        }
    }
    for entry in list(&builds)? {
        let entry = entry?;
        let Some(file) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let build = file.strip_suffix(".beleg").unwrap_or(&file);
        let key = build.split('.').next().unwrap_or_default();
        let wins = matches!(record(&ledger, key), Ok(Some(record)) if record.build == build);
        let busy = active.lock().unwrap_or_else(PoisonError::into_inner).contains(build);
        if wins || busy || !entry.metadata().is_ok_and(|meta| old(&meta)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
        swept.builds += 1;
    }
    Ok(swept)
}

/// The entries of a folder; none when it is missing.
fn list(dir: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<fs::DirEntry>>>> {
    match fs::read_dir(dir) {
        Ok(entries) => Ok(Box::new(entries)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
        Err(e) => Err(e),
    }
}
