// SPDX-License-Identifier: EUPL-1.2
//! Names in a compound file ([MS-CFB]): what an old Office document or an Outlook message holds.
//!
//! Guarantees: reads the header, the allocation table where needed and the directory, nothing else; every chain is
//! bounded, so circles end. Does not: open streams; tell encrypted `.xls` files (their mark lies inside the stream).

use std::io::{self, Read, Seek, SeekFrom};

use crate::codes;
use crate::octets::{Reader, Spool};
use crate::sheet::Note;

/// Entries of a directory that are looked at.
const ENTRIES: usize = 20_000;
/// Special sector numbers begin here ([MS-CFB] §2.1).
const LAST_SECTOR: u32 = 0xffff_fffa;

/// Notes about a compound file.
pub(super) fn look(spool: &Spool, notes: &mut Vec<Note>) {
    let Ok(names) = names(spool) else {
        notes.push(Note::new(codes::FORMAT_DAMAGED));
        return;
    };
    let has = |wanted: &[&str]| names.iter().any(|n| wanted.contains(&n.as_str()));
    if names.iter().any(|n| n.starts_with("__substg1.0_") || n == "__properties_version1.0") {
        notes.push(Note::new(codes::OUTLOOK_MESSAGE));
    }
    if has(&["EncryptedPackage", "EncryptionInfo"]) {
        notes.push(Note::new(codes::OFFICE_ENCRYPTED));
    }
    if has(&["VBA", "_VBA_PROJECT", "_VBA_PROJECT_CUR", "Macros"]) {
        notes.push(Note::new(codes::OFFICE_MACROS));
    }
    if has(&["ObjectPool", "\u{1}Ole10Native"]) || names.iter().any(|n| n.starts_with("MBD")) {
        notes.push(Note::new(codes::OFFICE_OBJECT));
    }
}

/// Is it an Outlook message?
pub(super) fn is_message(spool: &Spool) -> bool {
    names(spool).is_ok_and(|names| names.iter().any(|n| n == "__properties_version1.0"))
}

/// §2.6: names of all storages and streams.
fn names(spool: &Spool) -> io::Result<Vec<String>> {
    let mut file = File::open(spool)?;
    let mut names = Vec::new();
    let mut sector = file.directory;
    let mut octets = vec![0; file.sector_len];
    // A chain longer than the file has sectors is a circle.
    for _ in 0..=file.sectors {
        if sector >= LAST_SECTOR || names.len() >= ENTRIES {
            return Ok(names);
        }
        file.read(sector, &mut octets)?;
        for entry in octets.chunks_exact(128) {
            let len = usize::from(u16_at(entry, 64)).min(64).saturating_sub(2);
            let units = entry.get(..len).unwrap_or_default().chunks_exact(2).map(|u| u16_at(u, 0));
            if entry.get(66).is_some_and(|kind| *kind != 0) {
                names.push(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect());
            }
        }
        sector = file.next(sector)?;
    }
    Err(io::ErrorKind::InvalidData.into())
}

struct File {
    reader: Reader,
    sector_len: usize,
    sectors: u64,
    directory: u32,
    /// Sectors of the allocation table.
    fat: Vec<u32>,
}

impl File {
    /// §2.2.
    fn open(spool: &Spool) -> io::Result<Self> {
        let mut head = [0; 512];
        let mut reader = spool.reader();
        reader.read_exact(&mut head)?;
        let sector_len = match u16_at(&head, 30) {
            9 => 512,
            12 => 4096,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let sectors = spool.len() / sector_len as u64;
        let mut file = Self { reader, sector_len, sectors, directory: u32_at(&head, 48), fat: Vec::new() };
        let table = head.get(76..).unwrap_or_default();
        file.fat.extend(table.chunks_exact(4).map(|n| u32_at(n, 0)).filter(|n| *n < LAST_SECTOR));
        let mut next = u32_at(&head, 68);
        let mut octets = vec![0; sector_len];
        for _ in 0..=sectors {
            if next >= LAST_SECTOR || file.fat.len() as u64 > sectors {
                return Ok(file);
            }
            file.read(next, &mut octets)?;
            let (numbers, link) = octets.split_at(sector_len - 4);
            file.fat.extend(numbers.chunks_exact(4).map(|n| u32_at(n, 0)).filter(|n| *n < LAST_SECTOR));
            next = u32_at(link, 0);
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    fn read(&mut self, sector: u32, into: &mut [u8]) -> io::Result<()> {
        self.reader.seek(SeekFrom::Start((u64::from(sector) + 1) * self.sector_len as u64))?;
        self.reader.read_exact(into)
    }

    /// §2.3: the sector after this one.
    fn next(&mut self, sector: u32) -> io::Result<u32> {
        let per_sector = self.sector_len / 4;
        let index = usize::try_from(sector).map_err(io::Error::other)?;
        let table = self.fat.get(index / per_sector).ok_or(io::ErrorKind::InvalidData)?;
        let at = (u64::from(*table) + 1) * self.sector_len as u64 + (index % per_sector) as u64 * 4;
        let mut number = [0; 4];
        self.reader.seek(SeekFrom::Start(at))?;
        self.reader.read_exact(&mut number)?;
        Ok(u32::from_le_bytes(number))
    }
}

fn u16_at(octets: &[u8], at: usize) -> u16 {
    octets.get(at..).and_then(|o| o.first_chunk()).map_or(0, |b| u16::from_le_bytes(*b))
}

fn u32_at(octets: &[u8], at: usize) -> u32 {
    octets.get(at..).and_then(|o| o.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}
