// SPDX-License-Identifier: EUPL-1.2
//! Opens containers: ZIP, tar, gzip, 7z and the files attached to a PDF.
//!
//! Guarantees: one reader counts everything that comes out ([`Content`]), against the budget of the whole message
//! ([`Budget`]: octets, members) and the caps of the container (ratio, depth, path, time); a crossed cap is a note that
//! names it. Members that cannot be had (encrypted, links, unknown methods, damaged) are given with their note, and
//! the others go on. Names are safe and distinct; nothing is ever written under a name of an archive. A panic of a
//! foreign parser is caught and noted. Memory: the directory of the container, one decoder, no content.
//! Does not: look into members (the caller fills a [`crate::octets::Spool`] and calls again, one level deeper), take
//! mails apart (they are given as `message/rfc822`), try passwords.

mod gzip;
mod name;
mod pdf;
mod seven;
mod tar;
mod zip;

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::caps::Caps;
use crate::codes;
use crate::octets::Spool;
use crate::sheet::Note;

pub(crate) use name::is_bidi;
pub(crate) use zip::is_zip_file;

/// Octets a container may give before its ratio counts.
const RATIO_FREE: u64 = 1024 * 1024;

/// What kind of container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// APPNOTE.TXT 6.3.10, ASiC containers included.
    Zip,
    /// POSIX.1-2017 pax, ustar, GNU tar.
    Tar,
    /// RFC 1952.
    Gzip,
    /// 7zFormat.txt of 7-Zip.
    SevenZip,
    /// ISO 32000-2 §7.11.4, embedded files.
    Pdf,
}

impl Kind {
    /// The kind of a media type found by content; `None` for what is no container or is one document (Office files).
    #[must_use]
    pub fn of(detected: &str) -> Option<Self> {
        Some(match detected {
            "application/zip" | "application/vnd.etsi.asic-e+zip" | "application/vnd.etsi.asic-s+zip" => {
                Self::Zip
            }
            "application/x-tar" => Self::Tar,
            "application/gzip" => Self::Gzip,
            "application/x-7z-compressed" => Self::SevenZip,
            "application/pdf" => Self::Pdf,
            _ => return None,
        })
    }
}

/// Media type of a member: by content, but a text named `.eml` is a mail.
#[must_use]
pub fn media_type<'a>(detected: &'a str, name: &str) -> &'a str {
    let mail = name.rsplit_once('.').is_some_and(|(_, e)| e.eq_ignore_ascii_case("eml"));
    if mail && detected == "text/plain" { "message/rfc822" } else { detected }
}

/// What may still come out of all containers of one message.
pub struct Budget {
    bytes: u64,
    members: u64,
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl Budget {
    /// The whole budget; `clock` gives the time since any fixed moment.
    #[must_use]
    pub fn new(caps: &Caps, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { bytes: caps.unpacked_bytes, members: caps.members, clock: Box::new(clock) }
    }

    /// Octets left.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        self.bytes
    }

    /// Members left.
    #[must_use]
    pub fn members_left(&self) -> u64 {
        self.members
    }
}

/// What is to be opened.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    /// Its octets.
    pub spool: &'a Spool,
    /// What it is.
    pub kind: Kind,
    /// Its name, safe.
    pub name: &'a str,
    /// How deep: 1 = a part of the message itself.
    pub depth: u32,
}

/// A member of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Safe path below the container, `/` between safe names; distinct within the container.
    pub path: String,
    /// Its last component.
    pub name: String,
    /// The name as the container gives it, readable, cut.
    pub raw: String,
    /// Octets, as the container claims.
    pub size: Option<u64>,
    /// What is to be said of its name and its place; of its content see [`Content::failure`].
    pub notes: Vec<Note>,
}

/// The octets of one member, counted.
pub struct Content<'a> {
    source: &'a mut dyn Read,
    budget: &'a mut Budget,
    caps: &'a Caps,
    tally: &'a mut Tally,
    packed: Option<u64>,
    /// Ends nowhere else.
    exact: Option<u64>,
    out: u64,
    failure: Option<Note>,
}

/// What came out of one container.
struct Tally {
    packed: u64,
    out: u64,
    until: Duration,
    /// The cap that ends the container.
    stopped: Option<Note>,
}

impl Content<'_> {
    /// Why the content is not there or not complete; `None` while all is well.
    #[must_use]
    pub fn failure(&self) -> Option<&Note> {
        self.failure.as_ref()
    }

    /// The budget, for a caller who opens this member within the call.
    pub fn budget(&mut self) -> &mut Budget {
        self.budget
    }

    fn fail(&mut self, note: Note) -> io::Error {
        let text = note.code.clone();
        self.failure.get_or_insert(note);
        io::Error::other(text)
    }

    fn stop(&mut self, note: Note) -> io::Error {
        self.tally.stopped = Some(note.clone());
        self.fail(note)
    }

    fn count(&mut self, n: u64) -> io::Result<()> {
        self.out += n;
        self.budget.bytes = self.budget.bytes.saturating_sub(n);
        let over = |out: u64, packed: u64| out > RATIO_FREE && out > packed.saturating_mul(self.caps.ratio);
        if self.packed.is_some_and(|packed| over(self.out, packed)) {
            // What this one claimed is not held against the others.
            return Err(self.fail(Note::new(codes::CAP_RATIO).with("cap", self.caps.ratio)));
        }
        if over(self.tally.out + self.out, self.tally.packed) {
            return Err(self.stop(Note::new(codes::CAP_RATIO).with("cap", self.caps.ratio)));
        }
        Ok(())
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(failure) = &self.failure {
            return Err(io::Error::other(failure.code.clone()));
        }
        if buf.is_empty() {
            return Ok(0);
        }
        if (self.budget.clock)() > self.tally.until {
            let note = Note::new(codes::CAP_TIME).with("cap", self.caps.part_time.as_secs());
            return Err(self.stop(note));
        }
        // With nothing left, one more octet shows whether the member ends here.
        let most =
            usize::try_from(self.budget.bytes.max(1)).unwrap_or(usize::MAX).min(buf.len()).min(64 * 1024);
        let room = buf.get_mut(..most).unwrap_or_default();
        match guarded(|| self.source.read(room)) {
            Some(Ok(0)) if self.exact.is_some_and(|size| size != self.out) => {
                Err(self.fail(Note::new(codes::UNPACK_DAMAGED)))
            }
            Some(Ok(0)) => Ok(0),
            Some(Ok(_)) if self.budget.bytes == 0 => {
                Err(self.stop(Note::new(codes::CAP_BYTES).with("cap", self.caps.unpacked_bytes)))
            }
            Some(Ok(n)) => {
                self.count(n as u64)?;
                Ok(n)
            }
            Some(Err(e)) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            Some(Err(_)) => Err(self.fail(Note::new(codes::UNPACK_DAMAGED))),
            None => Err(self.fail(Note::new(codes::UNPACK_CRASHED))),
        }
    }
}

/// Calls a foreign parser; `None` when it panicked.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// What became of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What is to be said of the container itself.
    pub notes: Vec<Note>,
    /// Members given to the caller.
    pub members: u64,
}

/// Called for each member, in the order of the container. An error without [`Content::failure`] ends everything.
pub type Each<'a> = dyn FnMut(&Member, &mut Content<'_>) -> io::Result<()> + 'a;

/// Opens a container and gives each member to `each`. Whatever is wrong with the container is a note.
///
/// # Errors
/// Those of `each` alone.
pub fn unpack(
    container: Container<'_>,
    caps: &Caps,
    budget: &mut Budget,
    each: &mut Each<'_>,
) -> io::Result<Outcome> {
    let until = (budget.clock)().saturating_add(caps.part_time);
    let tally = Tally { packed: container.spool.len(), out: 0, until, stopped: None };
    let names = name::Names::new(caps.path_bytes);
    let mut unpacking =
        Unpacking { container, caps, budget, each, names, tally, outcome: Outcome::default() };
    if container.depth > caps.depth {
        unpacking.say(Note::new(codes::CAP_DEPTH).with("cap", caps.depth));
        return Ok(unpacking.outcome);
    }
    let end = match container.kind {
        Kind::Zip => zip::open(&mut unpacking),
        Kind::Tar => tar::open(&mut unpacking),
        Kind::Gzip => gzip::open(&mut unpacking),
        Kind::SevenZip => seven::open(&mut unpacking),
        Kind::Pdf => pdf::open(&mut unpacking),
    };
    match end {
        Ok(()) => {}
        Err(Stop::Own(error)) => return Err(error),
        Err(Stop::Noted(note)) => unpacking.say(note),
    }
    if let Some(note) = unpacking.tally.stopped.take() {
        unpacking.say(note);
    }
    Ok(unpacking.outcome)
}

/// Why a container ends early.
enum Stop {
    /// The caller said so.
    Own(io::Error),
    /// A cap, or nothing more can be read.
    Noted(Note),
}

impl From<io::Error> for Stop {
    /// An error of the container's own structure.
    fn from(_: io::Error) -> Self {
        Self::Noted(Note::new(codes::UNPACK_DAMAGED))
    }
}

/// What a reader of one format knows of a member.
#[derive(Default)]
struct Found<'a> {
    path: &'a [u8],
    size: Option<u64>,
    /// The size is right, or the member is damaged.
    exact: bool,
    /// Octets of its packed form.
    packed: Option<u64>,
    /// Why its content cannot be had.
    refused: Option<Note>,
    notes: Vec<Note>,
    /// Must be read to its end, to find the next.
    drain: bool,
}

struct Unpacking<'a, 'e> {
    container: Container<'a>,
    caps: &'a Caps,
    budget: &'a mut Budget,
    each: &'a mut Each<'e>,
    names: name::Names,
    tally: Tally,
    outcome: Outcome,
}

impl Unpacking<'_, '_> {
    fn say(&mut self, note: Note) {
        if !self.outcome.notes.contains(&note) {
            self.outcome.notes.push(note);
        }
    }

    /// Counts a member, be it only a folder.
    fn count_member(&mut self) -> Result<(), Stop> {
        if (self.budget.clock)() > self.tally.until {
            return Err(Stop::Noted(Note::new(codes::CAP_TIME).with("cap", self.caps.part_time.as_secs())));
        }
        match self.budget.members.checked_sub(1) {
            Some(left) => {
                self.budget.members = left;
                Ok(())
            }
            None => Err(Stop::Noted(Note::new(codes::CAP_MEMBERS).with("cap", self.caps.members))),
        }
    }

    /// Gives one member to the caller; true when nothing was wrong with its content as far as it was read.
    fn member(&mut self, found: Found<'_>, source: &mut dyn Read) -> Result<bool, Stop> {
        self.count_member()?;
        let number = u32::try_from(self.outcome.members + 1).unwrap_or(u32::MAX);
        let (path, name, mut notes) = self.names.take(found.path, number);
        notes.extend(found.notes);
        let member = Member {
            path,
            name,
            raw: name::readable(found.path, self.caps.path_bytes),
            size: found.size,
            notes,
        };
        self.outcome.members += 1;
        let mut content = Content {
            source,
            budget: self.budget,
            caps: self.caps,
            failure: found.refused.or_else(|| self.tally.stopped.clone()),
            tally: &mut self.tally,
            packed: found.packed,
            exact: found.size.filter(|_| found.exact),
            out: 0,
        };
        let answer = (self.each)(&member, &mut content);
        if found.drain && answer.is_ok() && content.failure.is_none() {
            let mut piece = [0; 8 * 1024];
            while content.read(&mut piece).is_ok_and(|n| n > 0) {}
        }
        let (failed, out) = (content.failure.is_some(), content.out);
        if !failed {
            self.tally.out += out;
        }
        match answer {
            Err(error) if !failed => Err(Stop::Own(error)),
            _ => Ok(!failed),
        }
    }

    /// Has a cap ended the container?
    fn is_stopped(&self) -> bool {
        self.tally.stopped.is_some()
    }
}

/// How many files are embedded in a PDF.
pub(crate) fn embedded_files(document: &lopdf::Document) -> usize {
    pdf::embedded(document).len()
}
