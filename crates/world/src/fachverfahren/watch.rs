// SPDX-License-Identifier: EUPL-1.2
//! A specialist application that watches a hot folder.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::package::{Package, check};

/// What an application does with a package it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Leaves it where it is.
    Leave,
    /// Removes it.
    Remove,
    /// Moves it to `erledigt/`.
    Move,
}

/// What an application has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Packages taken.
    pub taken: u64,
    /// Octets in them.
    pub octets: u64,
    /// Packages whose key had been seen before.
    pub duplicates: u64,
    /// Packages that were not whole: (folder, why).
    pub broken: Vec<(String, String)>,
}

#[derive(Default)]
struct Seen {
    tally: Tally,
    packages: Vec<Package>,
    /// How often each key came.
    keys: HashMap<String, u64>,
    /// Folders that stay where they are.
    done: HashSet<String>,
}

struct Shared {
    name: String,
    path: PathBuf,
    take: Take,
    seen: Mutex<Seen>,
    changed: watch::Sender<u64>,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is there now; gives how much. Blocking.
    fn scan(&self) -> io::Result<u64> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let hidden = name.starts_with('.') || name == "erledigt";
            if !hidden && entry.file_type()?.is_dir() && !self.seen().done.contains(&name) {
                names.push(name);
            }
        }
        names.sort();
        for name in &names {
            let folder = self.path.join(name);
            let checked = check(&folder);
            let fine = checked.is_ok();
            {
                let mut seen = self.seen();
                match checked {
                    Ok(package) => seen.count(package),
                    Err(error) => seen.tally.broken.push((name.clone(), error.to_string())),
                }
                // A broken one stays and is not looked at again: somebody must see it.
                if !fine || self.take == Take::Leave {
                    seen.done.insert(name.clone());
                }
            }
            if fine {
                self.put_away(&folder, name)?;
            }
        }
        if !names.is_empty() {
            self.changed.send_modify(|n| *n += 1);
        }
        Ok(names.len() as u64)
    }

    fn put_away(&self, folder: &Path, name: &str) -> io::Result<()> {
        match self.take {
            Take::Leave => Ok(()),
            Take::Remove => fs::remove_dir_all(folder),
            Take::Move => {
                let place = self.path.join("erledigt");
                fs::create_dir_all(&place)?;
                fs::rename(folder, place.join(name))
            }
        }
    }
}

impl Seen {
    fn count(&mut self, package: Package) {
        let times = self.keys.entry(package.delivery.idempotency_key.clone()).or_default();
        *times += 1;
        if *times > 1 {
            self.tally.duplicates += 1;
        }
        self.tally.taken += 1;
        self.tally.octets += package.octets;
        self.packages.push(package);
    }
}

/// A specialist application with a hot folder.
pub struct Application {
    shared: Arc<Shared>,
    task: Option<JoinHandle<()>>,
}

/// How often a watching application looks.
const LOOK: Duration = Duration::from_millis(50);

impl Application {
    /// An application that looks only when asked: [`Application::scan`].
    #[must_use]
    pub fn new(name: &str, path: &Path, take: Take) -> Self {
        let shared = Shared {
            name: name.to_owned(),
            path: path.to_owned(),
            take,
            seen: Mutex::default(),
            changed: watch::channel(0).0,
        };
        Self { shared: Arc::new(shared), task: None }
    }

    /// An application that watches its folder until it is dropped.
    #[must_use]
    pub fn watch(name: &str, path: &Path, take: Take) -> Self {
        let mut application = Self::new(name, path, take);
        let shared = Arc::clone(&application.shared);
        application.task = Some(tokio::spawn(async move {
            let mut look = tokio::time::interval(LOOK);
            look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                look.tick().await;
                let shared = Arc::clone(&shared);
                let scanned = tokio::task::spawn_blocking(move || shared.scan()).await;
                if let Ok(Err(error)) = scanned {
                    tracing::debug!(%error, "hot folder cannot be read");
                }
            }
        }));
        application
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Takes what is there now; gives how many packages that were. Blocking.
    ///
    /// # Errors
    /// When the folder cannot be read or a package not be put away.
    pub fn scan(&self) -> io::Result<u64> {
        self.shared.scan()
    }

    /// What it has seen.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.shared.seen().tally.clone()
    }

    /// All packages taken, in order.
    #[must_use]
    pub fn packages(&self) -> Vec<Package> {
        self.shared.seen().packages.clone()
    }

    /// How often each message came, by its id.
    #[must_use]
    pub fn messages(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for package in &self.shared.seen().packages {
            *all.entry(package.message.clone()).or_default() += 1;
        }
        all
    }

    /// Waits until `n` packages were taken in all; false when `timeout` passes first. Only while watching.
    pub async fn wait_for(&self, n: u64, timeout: Duration) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let wait = async {
            loop {
                changed.borrow_and_update();
                if self.shared.seen().tally.taken >= n {
                    return true;
                }
                if changed.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(timeout, wait).await.unwrap_or(false)
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}
