// SPDX-License-Identifier: EUPL-1.2
//! Reads one package of a hot folder and checks it as a careful consumer would.
//!
//! Guarantees: [`check`] says yes only when `message.json` can be read, every file it names is there with the
//! size and SHA-256 it states, and nothing else lies in the folder. Memory does not depend on the size of
//! files. Does not: change anything.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path};

use poststelle_crypto::DualHasher;
use poststelle_crypto::digest::hex;
use serde::Deserialize;

/// What `message.json` says, as far as the demo needs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Package {
    /// Version of the form.
    pub version: u32,
    /// Id of the message.
    pub message: String,
    /// Id of the tenant.
    pub tenant: String,
    /// Short name of the tenant.
    pub tenant_name: String,
    /// Channel it came by.
    pub channel: String,
    /// Message-ID; empty = none.
    pub header_id: String,
    /// Subject.
    pub subject: String,
    /// Author as the headers say.
    pub sender: String,
    /// Marked urgent.
    pub urgent: bool,
    /// Rule that sent it here.
    pub because: String,
    /// Defects of the whole.
    pub defects: Vec<String>,
    /// The octets as they came.
    pub original: PackageOriginal,
    /// This hand-over.
    pub delivery: PackageDelivery,
    /// Its parts.
    pub parts: Vec<PackagePart>,
    /// Name of the folder; not in the file.
    #[serde(skip)]
    pub folder: String,
    /// Octets of all files but `message.json`; not in the file.
    #[serde(skip)]
    pub octets: u64,
}

/// The original.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PackageOriginal {
    /// Its file.
    pub file: String,
    /// Octets.
    pub size: u64,
    /// SHA-256.
    pub sha256: String,
}

/// The hand-over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PackageDelivery {
    /// Id.
    pub id: String,
    /// Who has seen it has the message.
    pub idempotency_key: String,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PackagePart {
    /// Number.
    pub n: i64,
    /// Has octets of its own.
    pub leaf: bool,
    /// Its file; none for inner nodes.
    pub file: Option<String>,
    /// Safe name.
    pub name: String,
    /// Name as sent.
    pub raw_name: String,
    /// Declared media type.
    pub media_type: String,
    /// Octets.
    pub size: u64,
    /// SHA-256.
    pub sha256: String,
}

/// Why a package is not whole.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file cannot be read.
    #[error("{file}: {source}")]
    Read {
        /// Which.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// `message.json` cannot be understood.
    #[error("message.json: {0}")]
    Sheet(#[from] serde_json::Error),
    /// A file differs from what the sheet says.
    #[error("{file}: the sheet says {said}, the file has {found}")]
    Differs {
        /// Which.
        file: String,
        /// What the sheet says.
        said: String,
        /// What was found.
        found: String,
    },
    /// A name that leads out of the package.
    #[error("{0:?} is not a plain name inside the package")]
    Name(String),
    /// A file the sheet does not name.
    #[error("{0} lies there and the sheet does not name it")]
    Unknown(String),
}

/// Reads and checks the package in `folder`. Blocking.
///
/// # Errors
/// The first thing that is not as it should be.
pub fn check(folder: &Path) -> Result<Package, PackageError> {
    let read = |file: &str| {
        let file = file.to_owned();
        move |source| PackageError::Read { file, source }
    };
    let sheet = fs::read(folder.join("message.json")).map_err(read("message.json"))?;
    let mut package: Package = serde_json::from_slice(&sheet)?;
    package.folder = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut named: Vec<(&str, u64, &str)> =
        vec![(&package.original.file, package.original.size, &package.original.sha256)];
    for part in &package.parts {
        if let Some(file) = &part.file {
            named.push((file, part.size, &part.sha256));
        }
    }
    let mut expected: BTreeSet<String> = BTreeSet::from(["message.json".to_owned()]);
    let mut octets = 0;
    for (file, size, sha256) in named {
        plain(file)?;
        let (found_size, found) = digest(&folder.join(file)).map_err(read(file))?;
        if found_size != size {
            return Err(differs(file, &size, &found_size));
        }
        if found != sha256 {
            return Err(differs(file, &sha256, &found));
        }
        octets += size;
        if !expected.insert(file.to_owned()) {
            return Err(differs(file, &"one part", &"two parts"));
        }
    }
    for file in files(folder, "").map_err(read("the folder"))? {
        if !expected.contains(&file) {
            return Err(PackageError::Unknown(file));
        }
    }
    package.octets = octets;
    Ok(package)
}

fn differs(file: &str, said: &dyn ToString, found: &dyn ToString) -> PackageError {
    PackageError::Differs { file: file.to_owned(), said: said.to_string(), found: found.to_string() }
}

/// One name, or one name below `teile`.
fn plain(file: &str) -> Result<(), PackageError> {
    let components: Vec<_> = Path::new(file).components().collect();
    let fine = match components.as_slice() {
        [Component::Normal(_)] => true,
        [Component::Normal(first), Component::Normal(_)] => *first == "teile",
        _ => false,
    };
    if fine && !file.contains('\\') { Ok(()) } else { Err(PackageError::Name(file.to_owned())) }
}

fn files(folder: &Path, before: &str) -> io::Result<Vec<String>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder.join(before))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if before.is_empty() { name } else { format!("{before}/{name}") };
        if entry.file_type()?.is_dir() {
            all.extend(files(folder, &name)?);
        } else {
            all.push(name);
        }
    }
    Ok(all)
}

fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = DualHasher::new();
    let mut block = vec![0; 256 * 1024];
    loop {
        match file.read(&mut block)? {
            0 => break,
            n => hasher.update(block.get(..n).unwrap_or_default()),
        }
    }
    Ok((hasher.len(), hex(&hasher.finish().sha256)))
}
