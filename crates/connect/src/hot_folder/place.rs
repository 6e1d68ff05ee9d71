// SPDX-License-Identifier: EUPL-1.2
//! The folder itself: layout, ledger, and how its file system is told to make things durable.
//!
//! ```text
//! <path>/20261122-081530_musterdorf_0190…/      a package: appears complete, by one rename
//! <path>/.poststelle/bau/<key>.<attempt>/       a package being built
//! <path>/.poststelle/bau/<key>.<attempt>.beleg  its ledger entry, not yet in force
//! <path>/.poststelle/uebergeben/<key>           ledger: this key belongs to this build, for ever
//! ```
//!
//! Guarantees: the ledger entry of a key is set at most once (a hard link fails when the name exists), so of
//! several attempts, even at the same time on several nodes, exactly one build can ever become visible.
//! Does not: protect against somebody else changing `.poststelle`; it is created for its owner only (0700).

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use poststelle_model::{MessageId, Timestamp};
use serde::{Deserialize, Serialize};

use super::fault::Trouble;

/// One opened folder.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where packages appear.
    pub root: PathBuf,
    /// Where they are built.
    pub builds: PathBuf,
    /// Who was handed over.
    pub ledger: PathBuf,
    /// The open folder: errors of writing back since it was opened are reported through it.
    pub handle: File,
    /// Device of the file system.
    pub device: u64,
    /// Order of opening within this process.
    pub opened: u64,
    /// How to make things durable.
    pub durable: Durable,
}

/// How to make things durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    /// `syncfs`: one call for everything written so far (local Linux file systems).
    Whole,
    /// `fsync` of each file and folder (network mounts, other systems).
    Each,
}

/// A ledger entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Version of the form.
    pub version: u32,
    /// Folder under `bau` that is, or was, the package.
    pub build: String,
    /// Its final name.
    pub folder: String,
    /// Which message.
    pub message: MessageId,
    /// Digest of the original.
    pub sha256: String,
    /// Number of files.
    pub files: u64,
    /// When it was built.
    pub at: String,
}

impl Place {
    /// Opens the folder and creates the work folders where missing.
    pub fn open(root: &Path, opened: u64) -> Result<Self, Trouble> {
        let handle = Self::handle(root)?;
        let device = handle.metadata()?.dev();
        let work = root.join(".poststelle");
        let place = Self {
            root: root.to_owned(),
            builds: work.join("bau"),
            ledger: work.join("uebergeben"),
            durable: durable(&handle),
            device,
            opened,
            handle,
        };
        let mut created = false;
        for dir in [&work, &place.builds, &place.ledger] {
            created |= own_dir(dir)?;
        }
        if created && place.durable == Durable::Each {
            for dir in [&work, &place.root] {
                sync_dir(dir)?;
            }
        }
        Ok(place)
    }

    /// Opens the folder only; nothing is created.
    pub fn handle(root: &Path) -> Result<File, Trouble> {
        let meta = fs::metadata(root).map_err(|e| match e.kind() {
            ErrorKind::NotFound => Trouble::Missing,
            ErrorKind::NotADirectory => Trouble::NotAFolder,
            _ => Trouble::Io(e),
        })?;
        if !meta.is_dir() {
            return Err(Trouble::NotAFolder);
        }
        Ok(File::open(root)?)
    }

    /// The ledger entry of a key.
    pub fn record(&self, key: &str) -> io::Result<Option<Record>> {
        record(&self.ledger, key)
    }

    /// Links `<build>.beleg` into the ledger. `false` when the key has an entry already.
    pub fn enter(&self, key: &str, build: &str) -> io::Result<bool> {
        let slip = self.slip(build);
        match fs::hard_link(&slip, self.ledger.join(key)) {
            Ok(()) => {
                // In force now; the slip is only a second name.
                let _ = fs::remove_file(&slip);
                Ok(true)
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Name of a ledger entry that is not yet in force.
    pub fn slip(&self, build: &str) -> PathBuf {
        self.builds.join(format!("{build}.beleg"))
    }

    /// Lets the build become visible. `false` when it is not there any more: somebody did it before.
    pub fn publish(&self, key: &str, record: &Record) -> Result<bool, Trouble> {
        let to = self.root.join(&record.folder);
        let Err(error) = fs::rename(self.builds.join(&record.build), &to) else { return Ok(true) };
        match error.kind() {
            ErrorKind::NotFound => match self.record(key)? {
                Some(_) => Ok(false),
                None => Err(Trouble::Missing),
            },
            ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory => {
                Err(Trouble::Taken)
            }
            ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::PermissionDenied
            | ErrorKind::CrossesDevices => Err(Trouble::Io(error)),
            // A network file system may have done it and lost the answer.
            _ => Err(Trouble::Visible(error)),
        }
    }

    /// Removes one build and its slip. Missing ones do not matter.
    pub fn remove_build(&self, build: &str) {
        let _ = fs::remove_dir_all(self.builds.join(build));
        let _ = fs::remove_file(self.slip(build));
    }

    /// Removes all builds of a key whose place in the ledger is taken by `winner`: they can never win.
    pub fn remove_losers(&self, key: &str, winner: &str) {
        let Ok(entries) = fs::read_dir(&self.builds) else { return };
        let prefix = format!("{key}.");
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(&prefix) && name != winner {
                let _ = if entry.file_type().is_ok_and(|t| t.is_dir()) {
                    fs::remove_dir_all(entry.path())
                } else {
                    fs::remove_file(entry.path())
                };
            }
        }
    }

    /// After a failure: removes an own build unless the ledger names it.
    pub fn discard(&self, key: &str, build: &str) {
        match self.record(key) {
            Ok(None) => self.remove_build(build),
            Ok(Some(record)) if record.build != build => self.remove_build(build),
            _ => {}
        }
    }

    /// Can the file system do all that is needed? Leaves nothing behind.
    pub fn probe(&self, name: &str) -> Result<(), Trouble> {
        let (file, link) = (self.slip(name), self.ledger.join(format!("{name}.probe")));
        let done = (|| {
            File::create_new(&file)?;
            fs::hard_link(&file, &link).map_err(Trouble::NoLinks)
        })();
        let _ = fs::remove_file(&link);
        let _ = fs::remove_file(&file);
        match done {
            Err(Trouble::NoLinks(e))
                if matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
            {
                Err(Trouble::Io(e))
            }
            other => other,
        }
    }
}

/// The ledger entry of a key in a ledger folder.
pub(crate) fn record(ledger: &Path, key: &str) -> io::Result<Option<Record>> {
    match fs::read(ledger.join(key)) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text).map_err(io::Error::from)?)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A moment as the file system counts it.
pub(crate) fn system_time(at: Timestamp) -> std::time::SystemTime {
    std::time::UNIX_EPOCH + at.since(Timestamp(0))
}

/// Creates a folder for its owner only; `true` when it was missing. Neither links nor files are followed.
fn own_dir(dir: &Path) -> Result<bool, Trouble> {
    match fs::symlink_metadata(dir) {
        Ok(meta) if meta.is_dir() => Ok(false),
        Ok(_) => Err(Trouble::BadWorkFolder),
        Err(e) if e.kind() == ErrorKind::NotFound => match DirBuilder::new().mode(0o700).create(dir) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(true),
            Err(e) => Err(e.into()),
        },
        Err(e) => Err(e.into()),
    }
}

/// Where `syncfs` is known to write everything and to report errors (Linux 5.8 and later).
#[cfg(target_os = "linux")]
fn durable(handle: &File) -> Durable {
    /// ext2–4, XFS, Btrfs, F2FS, ZFS, bcachefs, tmpfs, overlay.
    const LOCAL: [u64; 8] =
        [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1, 0xca45_1a4e, 0x0102_1994, 0x794c_7630];
    match rustix::fs::fstatfs(handle) {
        Ok(stat) if LOCAL.iter().any(|known| u64::try_from(stat.f_type) == Ok(*known)) => Durable::Whole,
        _ => Durable::Each,
    }
}

#[cfg(not(target_os = "linux"))]
fn durable(_: &File) -> Durable {
    Durable::Each
}

/// Makes everything on the file system of `handle` durable.
#[cfg(target_os = "linux")]
pub(crate) fn sync_whole(handle: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(handle)?)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_whole(handle: &File) -> io::Result<()> {
    handle.sync_all()
}
