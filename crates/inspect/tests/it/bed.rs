// SPDX-License-Identifier: EUPL-1.2
//! What the tests share: foreign programs, spools, and a station that opens everything.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use poststelle_inspect::Caps;
use poststelle_inspect::octets::{Filling, Spool};
use poststelle_inspect::sheet::Note;
use poststelle_inspect::unpack::{Budget, Container, Kind, Member, unpack};

/// Is the foreign program there? Where oracles are required, it must be.
pub fn oracle(program: &str) -> bool {
    let found =
        Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    if found.is_ok_and(|s| s.success()) {
        return true;
    }
    assert!(std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref() != Ok("1"), "{program} is required");
    println!("SKIPPED: {program} is not installed");
    false
}

/// Runs a program in a folder; it must end well.
pub fn run(folder: &Path, program: &str, args: &[&str]) {
    let out = Command::new(program).args(args).current_dir(folder).env("LC_ALL", "C.UTF-8").output().unwrap();
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Runs a Python script in a folder.
pub fn python(folder: &Path, script: &str) {
    run(folder, "python3", &["-c", script]);
}

/// One thing that came out.
#[derive(Debug, Clone)]
pub struct Out {
    /// Path through all containers.
    pub path: String,
    /// Its facts.
    pub member: Member,
    /// Octets, as far as they came.
    pub octets: Vec<u8>,
    /// How many came.
    pub len: u64,
    /// Why not all.
    pub failure: Option<String>,
}

/// All that came out of a container and the containers in it.
#[derive(Debug, Default)]
pub struct All {
    /// Members in order.
    pub outs: Vec<Out>,
    /// Path of the container, code.
    pub notes: Vec<(String, Note)>,
    /// Octets that came out in total.
    pub bytes: u64,
}

impl All {
    /// The codes about containers, sorted.
    pub fn codes(&self) -> Vec<&str> {
        let mut codes: Vec<_> = self.notes.iter().map(|(_, n)| n.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// A member by its path.
    pub fn get(&self, path: &str) -> &Out {
        self.outs
            .iter()
            .find(|o| o.path == path)
            .unwrap_or_else(|| panic!("{path} is not among {:?}", self.paths()))
    }

    /// All paths.
    pub fn paths(&self) -> Vec<&str> {
        self.outs.iter().map(|o| o.path.as_str()).collect()
    }
}

/// Caps as they are by default, but for small machines.
pub fn caps() -> Caps {
    Caps { unpacked_bytes: 64 * 1024 * 1024, ..Caps::default() }
}

/// Opens everything, level by level.
pub fn open(octets: &[u8], name: &str, caps: &Caps) -> All {
    let folder = tempfile::tempdir().unwrap();
    let start = std::time::Instant::now();
    let mut budget = Budget::new(caps, move || start.elapsed());
    let spool = Spool::of(folder.path(), octets).unwrap();
    let mut all = All::default();
    let mut todo = vec![(spool, name.to_owned(), String::new(), 1)];
    while let Some((spool, name, prefix, depth)) = todo.pop() {
        let Some(kind) = Kind::of(spool.detected()) else { continue };
        let mut inner = Vec::new();
        let container = Container { spool: &spool, kind, name: &name, depth };
        let outcome = unpack(container, caps, &mut budget, &mut |member, content| {
            let mut filling = Filling::new(folder.path());
            let mut piece = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = content.read(&mut piece) {
                filling.push(&piece[..n])?;
            }
            let failure = content.failure().map(|n| n.code.clone());
            let spool = filling.finish()?;
            all.bytes += spool.len();
            let octets = spool.whole(4 * 1024 * 1024)?.unwrap_or_default();
            let path = format!("{prefix}{}", member.path);
            let len = spool.len();
            if failure.is_none() {
                inner.push((spool, member.name.clone(), format!("{path}/"), depth + 1));
            }
            all.outs.push(Out { path, member: member.clone(), octets, len, failure });
            Ok(())
        })
        .unwrap();
        all.notes.extend(outcome.notes.into_iter().map(|n| (prefix.clone(), n)));
        todo.extend(inner.into_iter().rev());
    }
    all
}
