// SPDX-License-Identifier: EUPL-1.2
//! ZIP (APPNOTE.TXT 6.3.10): the central directory decides, the local headers must agree.
//!
//! Guarantees: the number of members is checked at the end record, before any is read; the directory is read as a
//! stream and kept small; two members never share octets (overlapping ones are refused but the first, which is what
//! makes a flat zip bomb flat); size and CRC-32 are checked. Stored and deflated members are read, others noted.
//! Does not: use the `zip` crate, which keeps the whole directory, drops members of equal name and cannot show where
//! the two headers of a member contradict each other.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::{Found, Stop, Unpacking};
use crate::codes;
use crate::octets::{Reader, Spool};
use crate::sheet::Note;

const END_LEN: usize = 22;
const COMMENT_MAX: u64 = 65_535;
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const DESCRIPTOR: u16 = 1 << 3;
const UNIX: u8 = 3;
const MODE_TYPE: u32 = 0o170_000;
const MODE_LINK: u32 = 0o120_000;

/// Where the central directory lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Directory {
    start: u64,
    size: u64,
    entries: u64,
    /// Octets before the archive, which its offsets do not know.
    shift: u64,
    /// Octets after it.
    trailing: u64,
}

#[derive(Debug)]
struct Entry {
    /// At most the cap of a path and one more.
    name: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
    is_link: bool,
    /// Where the content begins; set from the local header.
    data: u64,
    notes: Vec<Note>,
    refused: Option<Note>,
}

pub(super) fn open(unpacking: &mut Unpacking<'_, '_>) -> Result<(), Stop> {
    let spool = unpacking.container.spool;
    let mut reader = spool.reader();
    let directory = find(&mut reader, spool.len())?.ok_or(Stop::Noted(Note::new(codes::UNPACK_DAMAGED)))?;
    if directory.entries > unpacking.budget.members_left() {
        let note = Note::new(codes::CAP_MEMBERS).with("cap", unpacking.caps.members);
        return Err(Stop::Noted(note.with("count", directory.entries)));
    }
    if directory.shift > 0 || directory.trailing > 0 {
        unpacking.say(Note::new(codes::CONTAINER_JUNK));
    }
    let mut entries = match list(&mut reader, directory, unpacking) {
        Ok(entries) => entries,
        Err(Listing { read, stop }) => {
            unpacking.say(stop);
            read
        }
    };
    if entries.len() as u64 != directory.entries {
        unpacking.say(Note::new(codes::ZIP_DISAGREES));
    }
    for entry in &mut entries {
        check_local(&mut reader, directory.shift, entry);
    }
    refuse_overlaps(&mut entries, directory.start);
    let first = entries.iter().map(|e| e.offset).min();
    if first.is_some_and(|first| first > directory.shift) {
        unpacking.say(Note::new(codes::CONTAINER_JUNK));
    }
    for code in [codes::ZIP_DISAGREES, codes::ZIP_OVERLAP] {
        if entries.iter().any(|e| e.notes.iter().chain(&e.refused).any(|n| n.code == code)) {
            unpacking.say(Note::new(code));
        }
    }
    for entry in entries {
        give(unpacking, &mut reader, entry)?;
    }
    Ok(())
}

fn give(unpacking: &mut Unpacking<'_, '_>, reader: &mut Reader, entry: Entry) -> Result<(), Stop> {
    if entry.name.ends_with(b"/") && entry.size == 0 {
        return unpacking.count_member();
    }
    let refused = entry.refused.or_else(|| match () {
        () if entry.is_link => Some(Note::new(codes::MEMBER_LINK)),
        () if entry.flags & ENCRYPTED != 0 => Some(Note::new(codes::MEMBER_ENCRYPTED)),
        () if !matches!(entry.method, 0 | 8) => {
            Some(Note::new(codes::UNPACK_METHOD).with("method", entry.method))
        }
        () => None,
    });
    if refused.is_none() {
        reader.seek(SeekFrom::Start(entry.data))?;
    }
    let packed = reader.by_ref().take(entry.packed);
    let inner: &mut dyn Read =
        if entry.method == 8 { &mut DeflateDecoder::new(packed) } else { &mut { packed } };
    let mut source = Checked { inner, crc: Crc::new(), len: 0, want: (entry.size, entry.crc) };
    let found = Found {
        path: &entry.name,
        size: Some(entry.size),
        exact: true,
        packed: Some(entry.packed),
        refused,
        notes: entry.notes,
        drain: false,
    };
    unpacking.member(found, &mut source).map(|_| ())
}

/// Ends only where the directory says, with the CRC-32 it says.
struct Checked<'a> {
    inner: &'a mut dyn Read,
    crc: Crc,
    len: u64,
    want: (u64, u32),
}

impl Read for Checked<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.crc.update(out.get(..n).unwrap_or_default());
        self.len += n as u64;
        let ended = n == 0 && !out.is_empty();
        if self.len > self.want.0 || ended && (self.len, self.crc.sum()) != self.want {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(n)
    }
}

/// §4.3.16, §4.3.14: the last end record, and where it points.
fn find(reader: &mut Reader, len: u64) -> io::Result<Option<Directory>> {
    let tail_start = len.saturating_sub(COMMENT_MAX + END_LEN as u64);
    reader.seek(SeekFrom::Start(tail_start))?;
    let mut tail = Vec::new();
    reader.by_ref().take(COMMENT_MAX + END_LEN as u64).read_to_end(&mut tail)?;
    let mut fallback = None;
    for at in (0..=tail.len().saturating_sub(END_LEN)).rev() {
        let Some(record) = tail.get(at..).filter(|r| r.starts_with(b"PK\x05\x06") && r.len() >= END_LEN)
        else {
            continue;
        };
        let end = tail_start + at as u64;
        let after = (record.len() - END_LEN) as u64;
        let Some(trailing) = after.checked_sub(u64::from(u16_at(record, 20))) else { continue };
        let Some(directory) = directory(reader, record, end, trailing)? else { continue };
        if trailing == 0 {
            return Ok(Some(directory));
        }
        fallback = fallback.or(Some(directory));
    }
    Ok(fallback)
}

fn directory(reader: &mut Reader, record: &[u8], end: u64, trailing: u64) -> io::Result<Option<Directory>> {
    let mut entries = u64::from(u16_at(record, 10));
    let mut size = u64::from(u32_at(record, 12));
    let mut offset = u64::from(u32_at(record, 16));
    let mut before = end;
    if (entries == 0xffff || size == 0xffff_ffff || offset == 0xffff_ffff)
        && let Some((at, record)) = zip64(reader, end)?
    {
        entries = u64_at(&record, 32);
        size = u64_at(&record, 40);
        offset = u64_at(&record, 48);
        before = at;
    }
    let Some(start) = before.checked_sub(size) else { return Ok(None) };
    let Some(shift) = start.checked_sub(offset) else { return Ok(None) };
    if size > 0 {
        let mut magic = [0; 4];
        reader.seek(SeekFrom::Start(start))?;
        reader.read_exact(&mut magic)?;
        if magic != *b"PK\x01\x02" {
            return Ok(None);
        }
    } else if entries > 0 {
        return Ok(None);
    }
    Ok(Some(Directory { start, size, entries, shift, trailing }))
}

/// §4.3.15: the record of ZIP64 and its place, found through the locator before `end`.
fn zip64(reader: &mut Reader, end: u64) -> io::Result<Option<(u64, [u8; 56])>> {
    let Some(locator_at) = end.checked_sub(20) else { return Ok(None) };
    let mut locator = [0; 20];
    reader.seek(SeekFrom::Start(locator_at))?;
    reader.read_exact(&mut locator)?;
    if !locator.starts_with(b"PK\x06\x07") {
        return Ok(None);
    }
    // Junk before the archive moves it; without extensible data it stands right before the locator.
    for at in [u64_at(&locator, 8), locator_at.saturating_sub(56)] {
        let mut record = [0; 56];
        if at.checked_add(56).is_some_and(|e| e <= locator_at) {
            reader.seek(SeekFrom::Start(at))?;
            reader.read_exact(&mut record)?;
            if record.starts_with(b"PK\x06\x06") {
                return Ok(Some((at, record)));
            }
        }
    }
    Ok(None)
}

/// What could be read of a directory before it broke.
struct Listing {
    read: Vec<Entry>,
    stop: Note,
}

/// Does it end as a ZIP file, whatever it begins as?
pub(crate) fn is_zip_file(spool: &Spool) -> bool {
    find(&mut spool.reader(), spool.len()).is_ok_and(|d| d.is_some_and(|d| d.trailing == 0 && d.entries > 0))
}

/// §4.3.12.
fn list(
    reader: &mut Reader,
    directory: Directory,
    unpacking: &Unpacking<'_, '_>,
) -> Result<Vec<Entry>, Listing> {
    let name_cap = unpacking.caps.path_bytes + 1;
    let mut read = Vec::new();
    let damaged = || Note::new(codes::UNPACK_DAMAGED);
    if reader.seek(SeekFrom::Start(directory.start)).is_err() {
        return Err(Listing { read, stop: damaged() });
    }
    let mut stream = reader.take(directory.size);
    loop {
        match stream.fill_buf() {
            Ok([]) => return Ok(read),
            Ok(_) if read.len() as u64 >= unpacking.budget.members_left() => {
                let stop = Note::new(codes::CAP_MEMBERS).with("cap", unpacking.caps.members);
                return Err(Listing { read, stop });
            }
            Ok(_) => {}
            Err(_) => return Err(Listing { read, stop: damaged() }),
        }
        match entry(&mut stream, name_cap, directory.shift) {
            Ok(Some(entry)) => read.push(entry),
            // A digital signature of the directory (§4.3.13) is no member.
            Ok(None) if !read.is_empty() => return Ok(read),
            Ok(None) | Err(_) => return Err(Listing { read, stop: damaged() }),
        }
    }
}

fn entry(stream: &mut impl Read, name_cap: usize, shift: u64) -> io::Result<Option<Entry>> {
    let mut head = [0; 46];
    stream.read_exact(&mut head)?;
    if !head.starts_with(b"PK\x01\x02") {
        return Ok(None);
    }
    let lens = [28, 30, 32].map(|at| usize::from(u16_at(&head, at)));
    let [name_len, extra_len, comment_len] = lens;
    let mut rest = vec![0; name_len + extra_len + comment_len];
    stream.read_exact(&mut rest)?;
    let (name, rest) = rest.split_at(name_len);
    let extra = rest.get(..extra_len).unwrap_or_default();
    let mut wide = zip64_extra(extra);
    let mut wide_or = |narrow: u32| if narrow == u32::MAX { wide.next() } else { Some(u64::from(narrow)) };
    let size = wide_or(u32_at(&head, 24));
    let packed = wide_or(u32_at(&head, 20));
    let offset = wide_or(u32_at(&head, 42));
    let (Some(size), Some(packed), Some(offset)) = (size, packed, offset) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let mode = u32_at(&head, 38) >> 16;
    Ok(Some(Entry {
        // The end of a name that is too long: what the cut keeps.
        name: name.get(name_len.saturating_sub(name_cap)..).unwrap_or_default().to_vec(),
        flags: u16_at(&head, 8),
        method: u16_at(&head, 10),
        crc: u32_at(&head, 16),
        packed,
        size,
        offset: offset.saturating_add(shift),
        is_link: head.get(5) == Some(&UNIX) && mode & MODE_TYPE == MODE_LINK,
        data: 0,
        notes: Vec::new(),
        refused: None,
    }))
}

/// §4.5.3: the 64-bit values, in their order.
fn zip64_extra(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut found: &[u8] = &[];
    while extra.len() >= 4 {
        let len = usize::from(u16_at(extra, 2));
        let Some(field) = extra.get(4..4 + len) else { break };
        if u16_at(extra, 0) == 1 {
            found = field;
            break;
        }
        extra = extra.get(4 + len..).unwrap_or_default();
    }
    found.chunks_exact(8).map(|value| u64_at(value, 0))
}

/// §4.3.7: finds the content, and whether both headers say the same.
fn check_local(reader: &mut Reader, shift: u64, entry: &mut Entry) {
    let mut head = [0; 30];
    let read = entry.offset >= shift
        && reader.seek(SeekFrom::Start(entry.offset)).and_then(|_| reader.read_exact(&mut head)).is_ok();
    if !read || !head.starts_with(b"PK\x03\x04") {
        entry.refused = Some(Note::new(codes::UNPACK_DAMAGED));
        entry.data = entry.offset;
        return;
    }
    let (name_len, extra_len) = (u16_at(&head, 26), u16_at(&head, 28));
    entry.data = entry.offset.saturating_add(30 + u64::from(name_len) + u64::from(extra_len));
    let mut name = vec![0; usize::from(name_len)];
    let name_agrees = reader.read_exact(&mut name).is_ok()
        && name.get(name.len().saturating_sub(entry.name.len())..) == Some(entry.name.as_slice());
    let flags = u16_at(&head, 6);
    let narrow = |at: usize, wide: u64| u32_at(&head, at) == u32::MAX || u64::from(u32_at(&head, at)) == wide;
    let sizes_agree = flags & DESCRIPTOR != 0
        || narrow(18, entry.packed) && narrow(22, entry.size) && u32_at(&head, 14) == entry.crc;
    let flags_agree =
        (flags ^ entry.flags) & (ENCRYPTED | DESCRIPTOR) == 0 && u16_at(&head, 8) == entry.method;
    if !(name_agrees && sizes_agree && flags_agree) {
        entry.notes.push(Note::new(codes::ZIP_DISAGREES));
    }
}

/// Of members that share octets only the first in the file is kept; none may reach into the directory.
fn refuse_overlaps(entries: &mut [Entry], directory: u64) {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|at| entries.get(*at).map(|e| e.offset));
    let mut free = 0;
    for at in order {
        let Some(entry) = entries.get_mut(at).filter(|e| e.refused.is_none()) else { continue };
        let end = entry.data.saturating_add(entry.packed);
        if entry.offset < free || end > directory {
            entry.refused = Some(Note::new(codes::ZIP_OVERLAP));
        } else {
            free = end;
        }
    }
}

fn u16_at(octets: &[u8], at: usize) -> u16 {
    octets.get(at..).and_then(|o| o.first_chunk()).map_or(0, |b| u16::from_le_bytes(*b))
}

fn u32_at(octets: &[u8], at: usize) -> u32 {
    octets.get(at..).and_then(|o| o.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

fn u64_at(octets: &[u8], at: usize) -> u64 {
    octets.get(at..).and_then(|o| o.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}
