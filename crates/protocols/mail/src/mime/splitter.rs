// SPDX-License-Identifier: EUPL-1.2
//! The splitter: a state machine over octets (RFC 2046 §5.1, RFC 5322 §2).
//!
//! Guarantees: each octet is looked at a constant number of times and kept in a buffer of [`BUFFER`] octets
//! only until it is decided; the state is a stack of open entities (at most [`Caps::max_depth`]), one
//! header (at most [`Caps::max_header_bytes`]) and the entities found so far.
//! A delimiter is `--boundary`, perhaps `--`, blanks, and a line end, at the beginning of a line; the
//! innermost open multipart it fits is meant, and everything opened inside that one ends there. The line
//! break before a delimiter belongs to the delimiter.
//! Line ends are CRLF, LF or CR; whoever needs the difference finds it in the defects.

use memchr::memmem::Finder;

use super::describe::describe;
use super::field::{Break, Line, MAX_NAME, classify, line_break};
use super::header::Header;
use super::leaf::Leaf;
use super::{Caps, Defect, Encoding, Entity, Kind, Root, Split, note};

/// Octets buffered at most before they are worked on.
const BUFFER: usize = 64 * 1024;
/// Blanks allowed between a delimiter and its line end.
const MAX_PADDING: usize = MAX_NAME;
/// Longest `Content-Type` taken from outside.
const MAX_EXTERNAL: usize = 8 * 1024;

/// Takes a message apart while it streams by. See the module for what it guarantees.
pub struct Splitter {
    caps: Caps,
    /// Octets not decided yet; never more than [`BUFFER`].
    buf: Vec<u8>,
    /// Offset of the first of them in the input.
    at: u64,
    len: u64,
    parts: Vec<Entity>,
    stack: Vec<Frame>,
    /// Open multiparts that still wait for delimiters.
    waiting: usize,
    /// At the beginning of a line that was not yet checked for a delimiter.
    line_start: bool,
    /// The line break just before the current line.
    brk: Break,
    /// That break is content, unless a delimiter follows.
    held: bool,
    /// Inside a header line; false = a line not kept.
    mid: Option<bool>,
    /// The current header field is kept, so its continuations are.
    keeping: bool,
    header: Vec<u8>,
    fields: u32,
    root_header: Header,
    leaf: Option<Leaf>,
    scratch: Vec<u8>,
    retained: usize,
    heads: usize,
    dashes: Finder<'static>,
    /// The cap that ended the splitting.
    stopped: Option<Defect>,
    nul: bool,
    defects: Vec<Defect>,
}

struct Frame {
    n: usize,
    phase: Phase,
    /// Delimiter text of a multipart.
    boundary: Vec<u8>,
    children: u32,
    /// `multipart/digest`: parts are messages by default.
    digest: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Header,
    Leaf,
    /// A multipart before its first delimiter.
    Preamble,
    /// A multipart between delimiters; its part is the next frame.
    Parts,
    /// A multipart after its closing delimiter, which ended at this offset.
    Epilogue(u64),
    /// An embedded message; the message is the next frame.
    Message,
}

/// Answer to "is this line a delimiter?".
enum Delimiter {
    No,
    Unknown,
    Hit { level: usize, close: bool, len: usize, brk: Break },
}

impl Splitter {
    /// A splitter for one message or entity.
    #[must_use]
    pub fn new(root: Root, caps: Caps) -> Self {
        let root_header = Header::empty(&caps);
        let mut splitter = Self {
            caps,
            buf: Vec::new(),
            at: 0,
            len: 0,
            parts: Vec::new(),
            stack: Vec::new(),
            waiting: 0,
            line_start: true,
            brk: Break::None,
            held: false,
            mid: None,
            keeping: false,
            header: Vec::new(),
            fields: 0,
            root_header,
            leaf: None,
            scratch: Vec::new(),
            retained: 0,
            heads: 0,
            dashes: Finder::new(b"--"),
            stopped: None,
            nul: false,
            defects: Vec::new(),
        };
        splitter.open("1".to_owned(), None, "text/plain", 0);
        if let Root::Entity { content_type } = root {
            let value: Vec<u8> = content_type.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
            splitter.header.extend_from_slice(b"Content-Type: ");
            splitter.header.extend_from_slice(value.get(..MAX_EXTERNAL.min(value.len())).unwrap_or_default());
            splitter.end_header(0);
            splitter.root_header = Header::empty(&splitter.caps);
        }
        splitter
    }

    /// Takes the next octets of the input.
    pub fn push(&mut self, mut octets: &[u8]) {
        self.len += octets.len() as u64;
        if !self.nul && memchr::memchr(0, octets).is_some() {
            self.nul = true;
            note(&mut self.defects, Defect::Nul);
        }
        while !octets.is_empty() {
            let room = BUFFER.saturating_sub(self.buf.len()).clamp(1, octets.len());
            let (now, rest) = octets.split_at_checked(room).unwrap_or((octets, &[]));
            self.buf.extend_from_slice(now);
            octets = rest;
            self.run(false);
        }
    }

    /// The input is complete.
    #[must_use]
    pub fn finish(mut self) -> Split {
        self.run(true);
        let mut floor = self.at;
        while !self.stack.is_empty() {
            floor = self.close(self.at, floor.min(self.at), true).unwrap_or(floor);
        }
        let mut defects = self.defects;
        for part in &self.parts {
            part.defects.iter().for_each(|d| note(&mut defects, *d));
        }
        defects.sort_unstable();
        Split { parts: self.parts, header: self.root_header, defects, len: self.len }
    }

    /// Octets of memory held at the moment, roughly: buffers, header, entities. For byte budgets and tests.
    #[must_use]
    pub fn memory(&self) -> usize {
        let stack: usize = self.stack.iter().map(|f| f.boundary.capacity() + size_of::<Frame>()).sum();
        self.buf.capacity()
            + self.scratch.capacity()
            + self.header.capacity()
            + self.root_header.as_bytes().len()
            + self.parts.capacity() * size_of::<Entity>()
            + self.retained
            + self.heads
            + stack
    }

    fn run(&mut self, all: bool) {
        let buf = std::mem::take(&mut self.buf);
        let mut rest = buf.as_slice();
        while let Some(taken) = self.step(rest, all) {
            self.at += taken as u64;
            rest = rest.get(taken..).unwrap_or_default();
        }
        let keep = buf.len() - rest.len();
        self.buf = buf;
        self.buf.drain(..keep);
    }

    /// Works on the beginning of `b`; gives the octets dealt with, `None` if more input is needed.
    fn step(&mut self, b: &[u8], all: bool) -> Option<usize> {
        if b.is_empty() {
            return None;
        }
        if self.line_start {
            match self.delimiter(b, all) {
                Delimiter::Unknown => return None,
                Delimiter::Hit { level, close, len, brk } => {
                    self.hit(level, close, len, brk);
                    return Some(len);
                }
                Delimiter::No => self.line_start = false,
            }
        }
        match self.stack.last().map(|f| f.phase) {
            Some(Phase::Header) => self.header_step(b, all),
            _ => Some(self.body_step(b, all)).filter(|taken| *taken > 0),
        }
    }

    fn delimiter(&self, b: &[u8], all: bool) -> Delimiter {
        if self.waiting == 0 || b.first() != Some(&b'-') {
            return Delimiter::No;
        }
        let Some(line) = b.strip_prefix(b"--") else {
            return if b.len() == 1 && !all { Delimiter::Unknown } else { Delimiter::No };
        };
        for (level, frame) in self.stack.iter().enumerate().rev() {
            if !matches!(frame.phase, Phase::Preamble | Phase::Parts) {
                continue;
            }
            let Some(after) = line.strip_prefix(frame.boundary.as_slice()) else {
                if !all && frame.boundary.starts_with(line) {
                    return Delimiter::Unknown;
                }
                continue;
            };
            if after == b"-" && !all {
                return Delimiter::Unknown;
            }
            let (close, after) = match after.strip_prefix(b"--") {
                Some(after) => (true, after),
                None => (false, after),
            };
            let padding = after.iter().take_while(|c| matches!(c, b' ' | b'\t')).count();
            let end = after.get(padding..).unwrap_or_default();
            if padding > MAX_PADDING {
                continue;
            }
            let brk = match line_break(end, all) {
                None => return Delimiter::Unknown,
                Some(Break::None) if !end.is_empty() => continue,
                Some(brk) => brk,
            };
            let len = b.len() - end.len() + brk.len();
            return Delimiter::Hit { level, close, len, brk };
        }
        Delimiter::No
    }

    /// A delimiter line of `len` octets for the multipart at `level` begins here.
    fn hit(&mut self, level: usize, close: bool, len: usize, brk: Break) {
        let end = self.at - self.brk.len() as u64;
        let after = self.at + len as u64;
        let mut floor = end;
        while self.stack.len() > level + 1 {
            floor = self.close(end, floor, false).unwrap_or(floor);
        }
        let mut begun = None;
        if let Some(frame) = self.stack.last_mut() {
            if frame.phase == Phase::Preamble {
                self.leaf = None;
                if let Some(part) = self.parts.get_mut(frame.n) {
                    part.kind = Kind::Multipart;
                    part.preamble = (end > part.body.start).then_some(part.body.start..end);
                }
            }
            if close {
                frame.phase = Phase::Epilogue(after);
                self.waiting -= 1;
            } else {
                frame.phase = Phase::Parts;
                begun = Some(frame.digest);
            }
        }
        self.line(brk);
        self.held = false;
        if let Some(digest) = begun {
            self.begin_child(if digest { "message/rfc822" } else { "text/plain" }, after);
        }
    }

    /// A line of the structure ended with this break.
    fn line(&mut self, brk: Break) {
        self.brk = brk;
        self.line_start = true;
        match brk {
            Break::Lf => note(&mut self.defects, Defect::BareLf),
            Break::Cr => note(&mut self.defects, Defect::BareCr),
            Break::None | Break::CrLf => {}
        }
    }

    fn begin_child(&mut self, default_type: &str, at: u64) {
        let Some(parent) = self.stack.last_mut() else { return };
        parent.children += 1;
        let n = parent.n;
        let nth = parent.children;
        let Some(path) = self.parts.get(n).map(|p| format!("{}.{nth}", p.path)) else { return };
        let count = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        if count.saturating_add(1) >= self.caps.max_parts {
            self.stopped = Some(Defect::TooManyParts);
        } else if self.retained > self.caps.max_retained_bytes {
            self.stopped = Some(Defect::TooMuchStructure);
        }
        let Some(defect) = self.stopped else {
            self.open(path, u32::try_from(n).ok(), default_type, at);
            return;
        };
        // The rest, to the end of the input, is one leaf; no delimiter counts any more.
        self.open(path, u32::try_from(n).ok(), "application/octet-stream", at);
        self.waiting = 0;
        self.leaf = Some(Leaf::new(Encoding::Identity));
        if let (Some(frame), Some(part)) = (self.stack.last_mut(), self.parts.last_mut()) {
            frame.phase = Phase::Leaf;
            note(&mut part.defects, defect);
        }
    }

    /// Opens an entity whose header begins at `at`.
    fn open(&mut self, path: String, parent: Option<u32>, default_type: &str, at: u64) {
        let n = self.parts.len();
        self.retained += path.len() + default_type.len();
        self.parts.push(Entity {
            n: u32::try_from(n).unwrap_or(u32::MAX),
            parent,
            path,
            kind: Kind::Leaf,
            header: at..at,
            body: at..at,
            media_type: default_type.to_owned(),
            charset: None,
            boundary: None,
            encoding: Encoding::Identity,
            disposition: None,
            raw_name: None,
            field_name: None,
            content_id: None,
            decoded_len: 0,
            sha256: None,
            head: Box::default(),
            detected: None,
            preamble: None,
            epilogue: None,
            defects: Vec::new(),
        });
        let phase = Phase::Header;
        self.stack.push(Frame { n, phase, boundary: Vec::new(), children: 0, digest: false });
        self.header.clear();
        self.fields = 0;
        self.mid = None;
        self.keeping = false;
        self.line_start = true;
    }

    fn header_step(&mut self, b: &[u8], all: bool) -> Option<usize> {
        let keep = match self.mid {
            Some(keep) => keep,
            None => match line_break(b, all)? {
                Break::None => match classify(b, all) {
                    Line::Unknown => return None,
                    Line::Other => {
                        self.defect(Defect::UnterminatedHeader);
                        self.end_header(self.at);
                        return self.step(b, all);
                    }
                    Line::Continuation => self.keeping,
                    Line::Junk => {
                        self.defect(Defect::BadHeaderLine);
                        self.keeping = false;
                        false
                    }
                    Line::Field(_) => {
                        self.fields = self.fields.saturating_add(1);
                        self.keeping = self.fields <= self.caps.max_headers;
                        if !self.keeping {
                            self.defect(Defect::TooManyHeaders);
                        }
                        self.keeping
                    }
                },
                blank => {
                    self.line(blank);
                    self.end_header(self.at + blank.len() as u64);
                    return Some(blank.len());
                }
            },
        };
        self.mid = Some(keep);
        let end = memchr::memchr2(b'\r', b'\n', b).unwrap_or(b.len());
        let brk = line_break(b.get(end..).unwrap_or_default(), all);
        let taken = end + brk.map_or(0, Break::len);
        if keep {
            let room = self.caps.max_header_bytes.saturating_sub(self.header.len());
            self.header.extend_from_slice(b.get(..taken.min(room)).unwrap_or_default());
            if taken > room {
                self.defect(Defect::HeaderTooLong);
            }
        }
        if let Some(brk) = brk.filter(|b| *b != Break::None) {
            self.mid = None;
            self.line(brk);
        }
        (taken > 0).then_some(taken)
    }

    /// The header ends, the body begins at `body`: reads the fields and decides what the entity is.
    fn end_header(&mut self, body: u64) {
        self.mid = None;
        let depth = self.stack.len();
        let header = std::mem::take(&mut self.header);
        if depth == 1 {
            self.root_header = Header::new(&header, &self.caps);
        }
        let Some(frame) = self.stack.last_mut() else { return };
        let Some(part) = self.parts.get_mut(frame.n) else { return };
        part.header.end = body;
        part.body = body..body;
        let boundary = describe(part, &header, &self.caps);
        self.header = header;
        self.header.clear();
        self.retained += part.media_type.len() + part.content_id.as_ref().map_or(0, String::len);
        for text in [&part.charset, &part.boundary, &part.disposition, &part.raw_name, &part.field_name] {
            self.retained += text.as_ref().map_or(0, String::len);
        }
        let multipart = part.media_type.starts_with("multipart/");
        let message = matches!(part.media_type.as_str(), "message/rfc822" | "message/global");
        let deep = u32::try_from(depth).unwrap_or(u32::MAX) >= self.caps.max_depth;
        let encoded = part.encoding != Encoding::Identity;
        if encoded && (multipart || message) {
            note(&mut part.defects, Defect::EncodedContainer);
        }
        if deep && (multipart || message) {
            note(&mut part.defects, Defect::TooDeep);
        }
        // A boundary rules: an encoding declared on a multipart is an error (RFC 2045 §6.4), and its parts
        // are there to be read. A leaf kept instead is kept as it stands.
        if multipart {
            part.encoding = Encoding::Identity;
        }
        frame.phase = match boundary {
            Some(boundary) if multipart && !deep => {
                frame.digest = part.media_type == "multipart/digest";
                frame.boundary = boundary;
                self.waiting += 1;
                Phase::Preamble
            }
            _ if message && !deep && !encoded => {
                part.kind = Kind::Message;
                Phase::Message
            }
            _ => Phase::Leaf,
        };
        let phase = frame.phase;
        let encoding = part.encoding;
        self.line_start = true;
        self.held = false;
        if phase == Phase::Message {
            self.begin_child("text/plain", body);
        } else {
            self.leaf = Some(Leaf::new(encoding));
        }
    }

    /// Content, preamble or epilogue. Everything up to a place where a delimiter may begin is dealt with.
    fn body_step(&mut self, b: &[u8], all: bool) -> usize {
        if self.held {
            // The line is no delimiter, so the break before it was content.
            self.held = false;
            let brk = self.brk;
            self.content(brk.octets());
        }
        if self.waiting == 0 {
            self.content(b);
            return b.len();
        }
        let mut from = 0;
        while let Some(dashes) = self.dashes.find(b.get(from..).unwrap_or_default()) {
            let dashes = from + dashes;
            let before = b.get(..dashes).unwrap_or_default();
            let brk = if before.ends_with(b"\r\n") {
                Break::CrLf
            } else if before.ends_with(b"\n") {
                Break::Lf
            } else if before.ends_with(b"\r") {
                Break::Cr
            } else {
                // Within a line: go on at the next line, so that a line of dashes is looked at once.
                match memchr::memchr2(b'\r', b'\n', b.get(dashes..).unwrap_or_default()) {
                    Some(next) => from = dashes + next,
                    None => break,
                }
                continue;
            };
            self.content(before.get(..before.len() - brk.len()).unwrap_or_default());
            self.brk = brk;
            self.held = true;
            self.line_start = true;
            return dashes;
        }
        // What a delimiter may continue stays: a line break, or one and a single dash.
        let tail = if all {
            0
        } else {
            let line = b.strip_suffix(b"-").unwrap_or(b);
            let brk = if line.ends_with(b"\r\n") {
                2
            } else {
                usize::from(matches!(line.last(), Some(b'\r' | b'\n')))
            };
            if brk == 0 { 0 } else { brk + b.len() - line.len() }
        };
        let taken = b.len() - tail;
        self.content(b.get(..taken).unwrap_or_default());
        taken
    }

    fn content(&mut self, octets: &[u8]) {
        if let Some(leaf) = &mut self.leaf {
            leaf.push(octets, &mut self.scratch);
        }
    }

    /// Notes a defect of the innermost entity.
    fn defect(&mut self, defect: Defect) {
        if let Some(part) = self.stack.last().and_then(|f| self.parts.get_mut(f.n)) {
            note(&mut part.defects, defect);
        }
    }

    /// Ends the innermost entity at `end`, but not before `floor`, where its last part ended. Gives where it
    /// really ended; `None` if nothing was there and it is taken back.
    fn close(&mut self, end: u64, floor: u64, eof: bool) -> Option<u64> {
        let top = self.stack.len() == 1;
        let phase = self.stack.last()?.phase;
        if phase == Phase::Header {
            let start = self.parts.last()?.header.start;
            if (end <= start || self.at == start) && !top {
                // Nothing at all between two delimiters, or after the last one: no entity.
                self.stack.pop();
                if let Some(part) = self.parts.pop() {
                    self.retained -= part.path.len() + part.media_type.len();
                }
                if let Some(parent) = self.stack.last_mut() {
                    parent.children -= 1;
                }
                return None;
            }
            if !eof || self.at > start {
                self.defect(Defect::UnterminatedHeader);
            }
            self.end_header(end.max(start));
            return self.close(end, floor, eof);
        }
        let frame = self.stack.pop()?;
        if matches!(phase, Phase::Preamble | Phase::Parts) && self.stopped.is_none() {
            self.waiting -= 1;
        }
        let part = self.parts.get_mut(frame.n)?;
        let end = end.max(floor).max(part.header.start);
        part.header.end = part.header.end.min(end);
        part.body.start = part.body.start.min(end);
        part.body.end = end;
        match phase {
            Phase::Preamble => note(&mut part.defects, Defect::NoStartBoundary),
            Phase::Parts => note(&mut part.defects, self.stopped.unwrap_or(Defect::MissingCloseBoundary)),
            Phase::Epilogue(start) => part.epilogue = (end > start).then_some(start..end),
            Phase::Message if frame.children == 0 => {
                part.kind = Kind::Leaf;
                self.leaf = Some(Leaf::new(Encoding::Identity));
            }
            Phase::Header | Phase::Leaf | Phase::Message => {}
        }
        if let Some(leaf) = self.leaf.take() {
            let content = leaf.finish(&mut self.scratch);
            part.sha256 = Some(content.sha256);
            part.decoded_len = content.len;
            part.detected = content.detected;
            if self.heads + content.head.len() <= self.caps.max_head_bytes {
                self.heads += content.head.len();
                part.head = content.head.into_boxed_slice();
            }
            content.defect.into_iter().for_each(|d| note(&mut part.defects, d));
        }
        Some(end)
    }
}

#[cfg(test)]
#[path = "splitter_tests.rs"]
mod tests;
