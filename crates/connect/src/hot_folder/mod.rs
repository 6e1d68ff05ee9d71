// SPDX-License-Identifier: EUPL-1.2
//! The hot folder: one complete package per message, taken by whoever watches the folder.
//!
//! ```text
//! <path>/20261122-081530_musterdorf_<delivery>/
//!     original.eml      the octets as they came (original.bin when it is no mail)
//!     teile/01_<name>   every leaf part, decoded
//!     message.json      what is known about it: crate::sheet
//! ```
//!
//! Guarantees: a package appears by one rename, complete and durable, its files equal to the recorded
//! digests. Under one idempotency key a package becomes visible exactly once, also when the consumer removes
//! it at once, when the process or the machine dies between any two steps, and when two nodes work on the
//! same key (see the ledger in `place`). `Accepted` is said only when all of that is durable. The name of a
//! package depends on stored facts (moment of acceptance in UTC, tenant, delivery), not on the attempt.
//! Memory does not depend on the size of the message nor on the number of its parts.
//! Does not: create the folder itself (a missing mount must not fill the disk below it), read what consumers
//! leave there, or survive somebody removing `.poststelle`. Consumers ignore names that begin with a dot.
//!
//! Settings: `{ "path": "/srv/uebergabe/bauamt" }`.

mod commit;
mod fault;
pub mod name;
mod package;
mod place;
mod sweep;

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use poststelle_hub::channel::{
    Channel, ChannelError, Confirms, Cx, Descriptor, IdempotencyKey, Outgoing, ReceiptText, Reconciled,
    SendOutcome,
};
use poststelle_model::{Fault, Reason};
use serde::Deserialize;

use self::commit::Group;
pub use self::fault::CODES;
use self::fault::Trouble;
use self::package::{Active, Disk, Start, build};
use self::place::{Durable, Place, Record, record};
pub use self::sweep::{KEEP, Swept};

/// A point between two steps of a hand-over, for fault tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The build folder exists.
    Begun,
    /// One file of the package is written (once per file).
    File,
    /// All is written, nothing synced.
    Written,
    /// The content is durable.
    ContentSynced,
    /// The ledger names the build.
    LedgerWritten,
    /// The ledger is durable.
    LedgerSynced,
    /// The package is visible.
    Renamed,
    /// Its name is durable; only the answer is missing.
    RenameSynced,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Begun,
        Self::File,
        Self::Written,
        Self::ContentSynced,
        Self::LedgerWritten,
        Self::LedgerSynced,
        Self::Renamed,
        Self::RenameSynced,
    ];
}

/// Stops hand-overs between steps as if the process had died there. For fault tests.
pub trait Probe: Send + Sync {
    /// `false` = die here.
    fn go_on(&self, step: Step, key: &str) -> bool;
}

/// Settings of one hot folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Absolute path of the folder; it must exist.
    pub path: PathBuf,
}

/// The channel. One value serves all folders; see the module.
#[derive(Default)]
pub struct HotFolder {
    roots: Vec<PathBuf>,
    probe: Option<Arc<dyn Probe>>,
    each: bool,
    opened: AtomicU64,
    active: Active,
    groups: Arc<Groups>,
}

impl HotFolder {
    /// Folders may lie anywhere.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Folders must lie in one of `roots`, links resolved: where tenants write their own settings, nobody
    /// shall reach the rest of the disk. No roots = anywhere.
    #[must_use]
    pub fn within(roots: Vec<PathBuf>) -> Self {
        Self { roots, ..Self::default() }
    }

    /// With a probe between the steps.
    #[must_use]
    pub fn with_probe(mut self, probe: Arc<dyn Probe>) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Syncs each file and folder by itself also where one call for the whole file system would do (which is
    /// chosen for local Linux file systems): slower, but a busy neighbour on the same disk costs nothing.
    #[must_use]
    pub fn syncing_each(mut self) -> Self {
        self.each = true;
        self
    }

    /// Removes ledger entries older than [`KEEP`] and abandoned builds of the same age. A delivery whose
    /// outcome is still open must not be that old: its key would be forgotten.
    ///
    /// # Errors
    /// When the settings are wrong or the folder cannot be read.
    pub async fn sweep(&self, cx: &Cx, config: &serde_json::Value) -> Result<Swept, ChannelError> {
        let (path, now, active) = (settings(config)?, cx.clock.now(), Arc::clone(&self.active));
        let (roots, root) = (self.roots.clone(), path.clone());
        off_runtime(&path, move || {
            within(&roots, &root)?;
            Ok(sweep::sweep(&root, now, &active)?)
        })
        .await
    }

    fn opened(&self) -> u64 {
        self.opened.fetch_add(1, Ordering::Relaxed)
    }

    async fn hand_over(
        &self,
        cx: &Cx,
        out: &Outgoing,
        key: &IdempotencyKey,
        root: &Path,
    ) -> Result<Record, Refused> {
        let folder = name::package(&out.message, &out.tenant_slug, &out.delivery.to_string());
        let file_key = name::key(&key.0);
        let start = {
            let (roots, root, opened) = (self.roots.clone(), root.to_owned(), self.opened());
            let (key, ids) = (file_key.clone(), Arc::clone(&cx.ids));
            let (active, probe) = (Arc::clone(&self.active), self.probe.clone());
            let (groups, each) = (Arc::clone(&self.groups), self.each);
            tokio::task::spawn_blocking(move || {
                within(&roots, &root)?;
                let mut place = Place::open(&root, opened)?;
                if each || !groups.of(place.device).calm() {
                    place.durable = Durable::Each;
                }
                Ok::<_, Refused>(Disk::begin(place, key, ids.as_ref(), &active, probe)?)
            })
            .await
            .map_err(|_| Trouble::Interrupted)??
        };
        let repeated = out.attempt > 1 || out.maybe_repeated;
        let (place, record, own) = match start {
            Start::Known(place, record) => (place, record, None),
            Start::Fresh(disk) => {
                let (disk, record) = build(disk, out, key, folder, cx.clock.now()).await?;
                (disk.place, record, Some(disk.registered))
            }
        };
        let mine = own.as_ref().map(|own| own.build.clone());
        let group = self.groups.of(place.device);
        let done =
            group.finish(Arc::clone(&place), file_key.clone(), record, own, self.probe.clone()).await?;
        if repeated || mine.is_some_and(|mine| mine != done.build) {
            let winner = done.build.clone();
            let _ = tokio::task::spawn_blocking(move || place.remove_losers(&file_key, &winner)).await;
        }
        Ok(done)
    }
}

/// One group per file system.
#[derive(Default)]
struct Groups(Mutex<HashMap<u64, Arc<Group>>>);

impl Groups {
    fn of(&self, device: u64) -> Arc<Group> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(groups.entry(device).or_default())
    }
}

/// Trouble with the folder, or a refusal that already has its words.
enum Refused {
    Trouble(Trouble),
    Error(ChannelError),
}

impl<T: Into<Trouble>> From<T> for Refused {
    fn from(trouble: T) -> Self {
        Self::Trouble(trouble.into())
    }
}

impl Refused {
    fn into_error(self, path: &Path) -> ChannelError {
        match self {
            Self::Trouble(trouble) => trouble.into_error(path),
            Self::Error(error) => error,
        }
    }
}

async fn off_runtime<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, ChannelError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|refused| refused.into_error(path)),
        Err(_) => Err(Trouble::Interrupted.into_error(path)),
    }
}

/// Reads the settings.
fn settings(config: &serde_json::Value) -> Result<PathBuf, ChannelError> {
    let wrong = |detail: &dyn std::fmt::Display| {
        ChannelError::never(Reason::new("PST-HOTFOLDER-1001", Fault::Tenant).with("detail", detail))
    };
    let Config { path } = Config::deserialize(config).map_err(|e| wrong(&e))?;
    if !path.is_absolute() {
        return Err(wrong(&format!("path {} is not absolute", path.display())));
    }
    if path.components().any(|c| c == Component::ParentDir) {
        return Err(wrong(&format!("path {} contains ..", path.display())));
    }
    Ok(path)
}

/// Does the folder stay within a root, and there within the first folder on the way to it, which is a tenant's own? A
/// link leads neither out of the root nor to a neighbour. Blocking.
fn within(roots: &[PathBuf], path: &Path) -> Result<(), Refused> {
    let own = |root: &PathBuf| {
        let first = path.strip_prefix(root).ok().and_then(|rest| rest.components().next());
        first.map_or_else(|| root.clone(), |first| root.join(first))
    };
    allowed(roots, path)?;
    allowed(&roots.iter().map(own).collect::<Vec<_>>(), path)
}

/// Is the folder one that may be used? Blocking.
fn allowed(roots: &[PathBuf], path: &Path) -> Result<(), Refused> {
    if roots.is_empty() {
        return Ok(());
    }
    let real = path.canonicalize().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Trouble::Missing,
        std::io::ErrorKind::NotADirectory => Trouble::NotAFolder,
        _ => Trouble::Io(e),
    })?;
    if roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| real.starts_with(root)) {
        return Ok(());
    }
    let reason = Reason::new("PST-HOTFOLDER-1004", Fault::Operator).with("path", path.display());
    Err(Refused::Error(ChannelError::never(reason)))
}

fn receipt(record: &Record) -> ReceiptText {
    let Record { folder, message, sha256, files, at, .. } = record;
    let body =
        format!("folder: {folder}\nmessage: {message}\nsha256: {sha256}\nfiles: {files}\nbuilt: {at}\n");
    ReceiptText { kind: "hot-folder", body }
}

#[async_trait]
impl Channel for HotFolder {
    fn describe(&self) -> Descriptor {
        Descriptor {
            name: "hot_folder",
            title: "Ordnerübergabe",
            max_size: 1 << 40,
            confirms: Confirms::AtOnce,
            idempotent: true,
            parallel: 64,
        }
    }

    async fn tidy(&self, cx: &Cx, config: &serde_json::Value) -> Result<(), ChannelError> {
        self.sweep(cx, config).await.map(|_| ())
    }

    async fn check(&self, cx: &Cx, config: &serde_json::Value) -> Result<(), ChannelError> {
        let path = settings(config)?;
        let (roots, root, opened) = (self.roots.clone(), path.clone(), self.opened());
        let probe = cx.ids.next().simple().to_string();
        off_runtime(&path, move || {
            within(&roots, &root)?;
            Ok(Place::open(&root, opened)?.probe(&probe)?)
        })
        .await
    }

    /// A tenant names folders below `<root>/<its short name>` only, so that none reaches another's; without roots
    /// only the operator sets folders up.
    async fn admits(
        &self,
        tenant_slug: &str,
        config: &serde_json::Value,
        _: Option<&[u8]>,
    ) -> Result<(), ChannelError> {
        let path = settings(config)?;
        if self.roots.is_empty() {
            let reason = Reason::new("PST-HOTFOLDER-1007", Fault::Operator).with("path", path.display());
            return Err(ChannelError::never(reason));
        }
        let own: Vec<PathBuf> = self.roots.iter().map(|root| root.join(tenant_slug)).collect();
        let root = path.clone();
        off_runtime(&path, move || {
            let outside = || {
                let places: Vec<String> = own.iter().map(|o| o.display().to_string()).collect();
                let reason = Reason::new("PST-HOTFOLDER-1008", Fault::Tenant).with("path", root.display());
                Refused::Error(ChannelError::never(reason.with("allowed", places.join(", "))))
            };
            // Before anything is looked at: what is there elsewhere is nobody's business.
            if !own.iter().any(|own| root.starts_with(own)) {
                return Err(outside());
            }
            Place::handle(&root)?;
            allowed(&own, &root).map_err(|_| outside())
        })
        .await
    }

    async fn send(&self, cx: &Cx, out: &Outgoing, key: &IdempotencyKey) -> Result<SendOutcome, ChannelError> {
        let path = settings(&out.config)?;
        match self.hand_over(cx, out, key, &path).await {
            Ok(record) => {
                Ok(SendOutcome::Accepted { receipt: Some(receipt(&record)), foreign_id: record.folder })
            }
            Err(Refused::Trouble(trouble)) => trouble.into_outcome(&path),
            Err(Refused::Error(error)) => Err(error),
        }
    }

    /// The ledger knows: an entry whose build is gone was handed over. An entry whose build still waits is
    /// not visible yet; sending again lets it appear.
    async fn reconcile(
        &self,
        _: &Cx,
        out: &Outgoing,
        key: &IdempotencyKey,
    ) -> Result<Reconciled, ChannelError> {
        let path = settings(&out.config)?;
        let (roots, root, key) = (self.roots.clone(), path.clone(), name::key(&key.0));
        off_runtime(&path, move || {
            within(&roots, &root)?;
            Place::handle(&root)?;
            let work = root.join(".poststelle");
            let Some(record) = record(&work.join("uebergeben"), &key)? else {
                return Ok(Reconciled::NotThere);
            };
            if work.join("bau").join(&record.build).try_exists()? {
                return Ok(Reconciled::NotThere);
            }
            Ok(Reconciled::Arrived { receipt: Some(receipt(&record)), foreign_id: record.folder })
        })
        .await
    }
}
