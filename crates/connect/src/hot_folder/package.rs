// SPDX-License-Identifier: EUPL-1.2
//! Building one package: octets come in asynchronously, are written and hashed off the runtime.
//!
//! Guarantees: memory stays below about 2 MiB whatever the size of the message or the number of its parts; a
//! message up to 1 MiB is written in a single blocking task. Each file is hashed from the very octets written
//! and compared with the recorded digest; a mismatch ends the build. Existing files are never overwritten.
//! Does not: make anything visible, nor durable beyond its files' data where the file system needs that.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::StreamExt;
use poststelle_crypto::DualHasher;
use poststelle_crypto::digest::{hex, sha256_of_parts};
use poststelle_hub::channel::{IdempotencyKey, Octets, Outgoing};
use poststelle_model::{Ids, Part, Timestamp};

use super::fault::Trouble;
use super::name;
use super::place::{Durable, Place, Record, sync_dir, system_time};
use super::{Probe, Step};
use crate::sheet::{PartRow, Sheet, is_mail};

/// Octets gathered before they are written.
const GATHER: usize = 1024 * 1024;
/// Steps gathered before they are done.
const GATHER_STEPS: usize = 4096;
/// Parts asked for at once.
const PAGE: usize = 1000;
/// Files longer than this are synced by themselves, so that a group's sync stays short.
const LONG: u64 = 1024 * 1024;

/// Builds under way in this process: the sweep leaves them alone.
pub(crate) type Active = Arc<Mutex<HashSet<String>>>;

/// A build registered as under way.
#[derive(Debug)]
pub(crate) struct Registered {
    active: Active,
    /// Its name under `bau`.
    pub build: String,
}

impl Registered {
    fn new(active: &Active, build: String) -> Self {
        active.lock().unwrap_or_else(PoisonError::into_inner).insert(build.clone());
        Self { active: Arc::clone(active), build }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.build);
    }
}

/// One thing to do on disk.
enum Op {
    /// Begins a file; `part` and `sha256` say what it must turn out to be (empty = not recorded).
    Open { file: String, part: Option<i64>, sha256: String },
    /// Its next octets.
    Data(Bytes),
    /// Its end: compare.
    Close,
    /// Next octets of `message.json`.
    Sheet(Vec<u8>),
}

/// A file being written.
struct Current {
    file: File,
    part: Option<i64>,
    sha256: String,
    written: u64,
    /// Written, not hashed yet.
    pieces: Vec<Bytes>,
    /// Only for files that come in several gatherings.
    hasher: Option<DualHasher>,
}

/// The blocking side of a build.
pub(crate) struct Disk {
    /// The folder.
    pub place: Arc<Place>,
    /// Name of the key.
    pub key: String,
    /// Name under `bau`.
    pub registered: Registered,
    dir: PathBuf,
    current: Option<Current>,
    sheet: Option<File>,
    files: u64,
    probe: Option<Arc<dyn Probe>>,
}

/// What is known about a key when a call begins.
pub(crate) enum Start {
    /// The ledger has it: at most the last steps are missing.
    Known(Arc<Place>, Record),
    /// To be built.
    Fresh(Disk),
}

impl Disk {
    /// Looks into the ledger and, if the key is new, creates a build folder. Blocking.
    pub fn begin(
        place: Place,
        key: String,
        ids: &dyn Ids,
        active: &Active,
        probe: Option<Arc<dyn Probe>>,
    ) -> Result<Start, Trouble> {
        let place = Arc::new(place);
        if let Some(record) = place.record(&key)? {
            return Ok(Start::Known(place, record));
        }
        let mut tries = 0;
        let (registered, dir) = loop {
            let registered = Registered::new(active, format!("{key}.{}", ids.next().simple()));
            let dir = place.builds.join(&registered.build);
            match fs::create_dir(&dir) {
                Ok(()) => break (registered, dir),
                // Ids repeat when a test restarts its source.
                Err(e) if e.kind() == ErrorKind::AlreadyExists && tries < 1000 => tries += 1,
                Err(e) => return Err(e.into()),
            }
        };
        let disk = Self { place, key, registered, dir, current: None, sheet: None, files: 0, probe };
        fs::create_dir(disk.dir.join("teile"))?;
        disk.step(Step::Begun)?;
        Ok(Start::Fresh(disk))
    }

    fn step(&self, step: Step) -> Result<(), Trouble> {
        match &self.probe {
            Some(probe) if !probe.go_on(step, &self.key) => Err(Trouble::Stopped(step)),
            _ => Ok(()),
        }
    }

    /// Does what was gathered. Blocking.
    fn apply(&mut self, ops: Vec<Op>) -> Result<(), Trouble> {
        for op in ops {
            match op {
                Op::Open { file, part, sha256 } => {
                    let file = File::create_new(self.dir.join(file))?;
                    self.current =
                        Some(Current { file, part, sha256, written: 0, pieces: Vec::new(), hasher: None });
                }
                Op::Data(piece) => {
                    if let Some(current) = &mut self.current {
                        current.file.write_all(&piece)?;
                        current.written += piece.len() as u64;
                        current.pieces.push(piece);
                    }
                }
                Op::Close => {
                    if let Some(current) = self.current.take() {
                        current.close(self.place.durable)?;
                        self.files += 1;
                        self.step(Step::File)?;
                    }
                }
                Op::Sheet(text) => {
                    if self.sheet.is_none() {
                        self.sheet = Some(File::create_new(self.dir.join("message.json"))?);
                        self.files += 1;
                    }
                    if let Some(sheet) = &mut self.sheet {
                        sheet.write_all(&text)?;
                    }
                }
            }
        }
        if let Some(current) = &mut self.current {
            current.hash_now();
        }
        Ok(())
    }

    /// Ends the build: the slip for the ledger, and syncs where no group sync can do it. Blocking.
    fn finish(&mut self, mut record: Record, at: Timestamp) -> Result<(), Trouble> {
        let each = self.place.durable == Durable::Each;
        if let Some(sheet) = self.sheet.take()
            && each
        {
            sheet.sync_all()?;
        }
        record.build.clone_from(&self.registered.build);
        record.files = self.files;
        let mut slip = File::create_new(self.place.slip(&record.build))?;
        slip.write_all(&serde_json::to_vec(&record).map_err(std::io::Error::from)?)?;
        slip.set_modified(system_time(at))?;
        if each {
            slip.sync_all()?;
            for dir in [&self.dir.join("teile"), &self.dir] {
                sync_dir(dir)?;
            }
        }
        self.step(Step::Written)
    }
}

impl Current {
    /// Hashes what was written, so that it can be let go.
    fn hash_now(&mut self) {
        let hasher = self.hasher.get_or_insert_default();
        for piece in self.pieces.drain(..) {
            hasher.update(&piece);
        }
    }

    /// Compares the digest and closes.
    fn close(mut self, durable: Durable) -> Result<(), Trouble> {
        let found = if self.hasher.is_some() {
            self.hash_now();
            self.hasher.take().unwrap_or_default().finish().sha256
        } else {
            let pieces: Vec<&[u8]> = self.pieces.iter().map(AsRef::as_ref).collect();
            sha256_of_parts(&pieces)
        };
        let found = hex(&found);
        if !self.sha256.is_empty() && !self.sha256.eq_ignore_ascii_case(&found) {
            return Err(Trouble::Digest { part: self.part, expected: self.sha256, found });
        }
        match durable {
            Durable::Each => self.file.sync_all()?,
            Durable::Whole if self.written > LONG => self.file.sync_data()?,
            Durable::Whole => {}
        }
        Ok(())
    }
}

/// The asynchronous side: gathers steps and hands them to the disk in large pieces.
struct Gatherer {
    /// On its way to a blocking task while `None`.
    disk: Option<Disk>,
    ops: Vec<Op>,
    octets: usize,
    rows: Vec<u8>,
}

impl Gatherer {
    async fn push(&mut self, op: Op) -> Result<(), Trouble> {
        self.octets += match &op {
            Op::Data(piece) => piece.len(),
            Op::Sheet(text) => text.len(),
            _ => 0,
        };
        self.ops.push(op);
        if self.octets >= GATHER || self.ops.len() >= GATHER_STEPS {
            let ops = std::mem::take(&mut self.ops);
            self.octets = 0;
            self.on_disk(move |disk| disk.apply(ops)).await?;
        }
        Ok(())
    }

    async fn file(&mut self, open: Op, mut octets: Octets) -> Result<(), Trouble> {
        self.push(open).await?;
        while let Some(piece) = octets.next().await {
            self.push(Op::Data(piece.map_err(Trouble::Content)?)).await?;
        }
        self.push(Op::Close).await
    }

    async fn row(&mut self, text: &[u8]) -> Result<(), Trouble> {
        self.rows.extend_from_slice(text);
        if self.rows.len() >= GATHER / 8 {
            let rows = std::mem::take(&mut self.rows);
            self.push(Op::Sheet(rows)).await?;
        }
        Ok(())
    }

    /// Runs `work` off the runtime. A build that failed is discarded there, too.
    async fn on_disk(
        &mut self,
        work: impl FnOnce(&mut Disk) -> Result<(), Trouble> + Send + 'static,
    ) -> Result<(), Trouble> {
        let Some(mut disk) = self.disk.take() else { return Err(Trouble::Interrupted) };
        let joined = tokio::task::spawn_blocking(move || match work(&mut disk) {
            Ok(()) => Ok(disk),
            Err(trouble) => {
                if !matches!(trouble, Trouble::Stopped(_)) {
                    disk.place.discard(&disk.key, &disk.registered.build);
                }
                Err(trouble)
            }
        });
        self.disk = Some(joined.await.map_err(|_| Trouble::Interrupted)??);
        Ok(())
    }
}

/// Writes the whole package; it is complete on disk, but not yet visible nor durable.
pub(crate) async fn build(
    disk: Disk,
    out: &Outgoing,
    key: &IdempotencyKey,
    folder: String,
    now: Timestamp,
) -> Result<(Disk, Record), Trouble> {
    let mut gather = Gatherer { disk: Some(disk), ops: Vec::new(), octets: 0, rows: Vec::new() };
    match fill(&mut gather, out, key).await {
        Ok(()) => {}
        Err(trouble) => {
            // The octets ran out: the build is of no use any more.
            if gather.disk.is_some() {
                let _ = gather.on_disk(|_| Err(Trouble::Interrupted)).await;
            }
            return Err(trouble);
        }
    }
    let mut record = Record {
        version: 1,
        build: String::new(),
        folder,
        message: out.message.id,
        sha256: out.message.sha256.clone(),
        files: 0,
        at: now.rfc3339(),
    };
    let (ops, slip) = (std::mem::take(&mut gather.ops), record.clone());
    gather
        .on_disk(move |disk| {
            disk.apply(ops)?;
            disk.finish(slip, now)
        })
        .await?;
    let disk = gather.disk.take().ok_or(Trouble::Interrupted)?;
    record.build.clone_from(&disk.registered.build);
    record.files = disk.files;
    Ok((disk, record))
}

/// Original, parts and sheet, in this order.
async fn fill(gather: &mut Gatherer, out: &Outgoing, key: &IdempotencyKey) -> Result<(), Trouble> {
    let file = if is_mail(&out.message) { "original.eml" } else { "original.bin" };
    // What holds something that is held back stays out, and the sheet says so.
    let file = if out.content.is_incomplete() { "" } else { file };
    if !file.is_empty() {
        let open = Op::Open { file: file.to_owned(), part: None, sha256: out.message.sha256.clone() };
        gather.file(open, out.content.original().await.map_err(Trouble::Content)?).await?;
    }

    let mut head = json(&Sheet::new(out, key, file, Some(out.attempt)))?;
    head.pop();
    head.extend_from_slice(b",\"parts\":[");
    gather.row(&head).await?;
    let mut offset = 0;
    loop {
        let page = out.content.parts(offset).await.map_err(Trouble::Content)?;
        for part in &page {
            one_part(gather, out, part, offset == 0 && part.n == page.first().map_or(0, |p| p.n)).await?;
        }
        offset += i64::try_from(page.len()).unwrap_or(i64::MAX / 2);
        if page.len() < PAGE {
            break;
        }
    }
    gather.row(b"\n]}\n").await?;
    let rows = std::mem::take(&mut gather.rows);
    gather.push(Op::Sheet(rows)).await
}

async fn one_part(gather: &mut Gatherer, out: &Outgoing, part: &Part, first: bool) -> Result<(), Trouble> {
    let held = out.content.is_held(part);
    let file = (part.leaf && !held).then(|| format!("teile/{}", name::part_file(part.n, &part.name)));
    if let Some(file) = &file {
        let open = Op::Open { file: file.clone(), part: Some(part.n), sha256: part.sha256.clone() };
        gather.file(open, out.content.part(part).await.map_err(Trouble::Content)?).await?;
    }
    gather.row(if first { b"\n" } else { b",\n" }).await?;
    gather.row(&json(&PartRow::new(part, file, held))?).await
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Trouble> {
    Ok(serde_json::to_vec(value).map_err(std::io::Error::from)?)
}
