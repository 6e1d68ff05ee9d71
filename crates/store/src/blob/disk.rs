// SPDX-License-Identifier: EUPL-1.2
//! Blobs as files. A file counts only when its content and its directory are synced.
//!
//! Small blobs are one blocking call (create, write, sync, sync directory); many
//! such calls at once share the journal commits of the file system.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::{BlobStore, Listed, Upload};
use crate::db::StoreError;

/// Blobs below one directory.
#[derive(Debug, Clone)]
pub struct DiskStore {
    root: PathBuf,
    known: Arc<Mutex<HashSet<PathBuf>>>,
}

/// What a check writes, bytes: as much as an ordinary mail.
const CHECK: usize = 1024 * 1024;

fn io(error: &std::io::Error, path: &Path) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full,
        std::io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        std::io::ErrorKind::NotFound => StoreError::NotFound(format!("blob {}", path.display())),
        _ => StoreError::Blob(format!("{}: {error}", path.display())),
    }
}

fn sync_dir(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Blob(format!("worker: {e}")))?
}

impl DiskStore {
    /// Blobs below `root`, which is created when absent.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(root).map_err(|e| io(&e, root))?;
        Ok(Self { root: root.to_path_buf(), known: Arc::default() })
    }

    fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        let plain =
            name.split('/').all(|p| !p.is_empty() && p != "." && p != ".." && !p.contains(['\\', '\0']));
        if plain {
            Ok(self.root.join(name))
        } else {
            Err(StoreError::Blob(format!("bad blob name {name:?}")))
        }
    }

    /// Makes the directory of `path` durable once per process.
    fn prepare(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let dir = path.parent().unwrap_or(&self.root).to_path_buf();
        if self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains(&dir) {
            return Ok(dir);
        }
        std::fs::create_dir_all(&dir).map_err(|e| io(&e, &dir))?;
        let mut up: Option<&Path> = Some(&dir);
        while let Some(place) = up.filter(|p| p.starts_with(&self.root)) {
            sync_dir(place).map_err(|e| io(&e, place))?;
            up = place.parent();
        }
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(dir.clone());
        Ok(dir)
    }
}

struct DiskUpload {
    store: DiskStore,
    path: PathBuf,
    /// Held back until the first spill: a small blob is one blocking call.
    pending: Vec<u8>,
    file: Option<File>,
}

impl DiskUpload {
    fn create(store: &DiskStore, path: &Path) -> Result<File, StoreError> {
        store.prepare(path)?;
        OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| io(&e, path))
    }

    fn write_all(file: &mut File, path: &Path, octets: &[u8]) -> Result<(), StoreError> {
        file.write_all(octets).map_err(|e| {
            let _ = std::fs::remove_file(path);
            io(&e, path)
        })
    }
}

#[async_trait]
impl Upload for DiskUpload {
    async fn write(&mut self, octets: Vec<u8>) -> Result<(), StoreError> {
        if self.file.is_none() && self.pending.is_empty() {
            self.pending = octets;
            return Ok(());
        }
        let (store, path) = (self.store.clone(), self.path.clone());
        let (file, pending) = (self.file.take(), std::mem::take(&mut self.pending));
        self.file = Some(
            blocking(move || {
                let mut file = match file {
                    Some(file) => file,
                    None => Self::create(&store, &path)?,
                };
                Self::write_all(&mut file, &path, &pending)?;
                Self::write_all(&mut file, &path, &octets)?;
                Ok(file)
            })
            .await?,
        );
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        blocking(move || {
            let mut file = match self.file {
                Some(file) => file,
                None => Self::create(&self.store, &self.path)?,
            };
            Self::write_all(&mut file, &self.path, &self.pending)?;
            file.sync_all().map_err(|e| {
                let _ = std::fs::remove_file(&self.path);
                io(&e, &self.path)
            })?;
            let dir = self.path.parent().unwrap_or(&self.store.root);
            sync_dir(dir).map_err(|e| io(&e, dir))
        })
        .await
    }

    async fn abort(self: Box<Self>) {
        if self.file.is_some() {
            let path = self.path;
            let _ = blocking(move || std::fs::remove_file(&path).map_err(|e| io(&e, &path))).await;
        }
    }
}

#[async_trait]
impl BlobStore for DiskStore {
    async fn create(&self, name: &str) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(DiskUpload {
            path: self.path(name)?,
            store: self.clone(),
            pending: Vec::new(),
            file: None,
        }))
    }

    async fn read(&self, name: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        let path = self.path(name)?;
        blocking(move || {
            let mut file = File::open(&path).map_err(|e| io(&e, &path))?;
            if range.start > 0 {
                file.seek(SeekFrom::Start(range.start)).map_err(|e| io(&e, &path))?;
            }
            let want = range.end.saturating_sub(range.start);
            let mut octets = Vec::with_capacity(usize::try_from(want).unwrap_or(0));
            file.take(want).read_to_end(&mut octets).map_err(|e| io(&e, &path))?;
            if (octets.len() as u64) < want {
                return Err(StoreError::Blob(format!("{}: shorter than recorded", path.display())));
            }
            Ok(Bytes::from(octets))
        })
        .await
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name)?;
        blocking(move || match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io(&e, &path)),
            _ => Ok(()),
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        blocking(move || {
            let mut found = Vec::new();
            let mut open = vec![root.clone()];
            while let Some(dir) = open.pop() {
                for entry in std::fs::read_dir(&dir).map_err(|e| io(&e, &dir))? {
                    let entry = entry.map_err(|e| io(&e, &dir))?;
                    let path = entry.path();
                    let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
                    let meta = match entry.metadata() {
                        // Given up or removed since the folder was read: a listing must not fail for that.
                        Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                        other => other.map_err(|e| io(&e, &path))?,
                    };
                    if meta.is_dir() {
                        if name.starts_with(&prefix) || prefix.starts_with(&name) {
                            open.push(path);
                        }
                    } else if name.starts_with(&prefix) {
                        let modified = meta
                            .modified()
                            .ok()
                            .and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok())
                            .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(0));
                        found.push(Listed { name, size: meta.len(), modified });
                    }
                }
            }
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        })
        .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let path = self.root.join(".check");
        blocking(move || {
            // Written anew and taken away again: a file that stays has its room also on a full disk.
            let written = File::create(&path)
                .and_then(|mut file| file.write_all(&vec![0; CHECK]).and_then(|()| file.sync_all()))
                .map_err(|e| io(&e, &path));
            std::fs::remove_file(&path).map_err(|e| io(&e, &path)).and(written)
        })
        .await
    }
}
