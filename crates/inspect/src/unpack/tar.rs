// SPDX-License-Identifier: EUPL-1.2
//! tar: ustar, pax, GNU, v7, read by the `tar` crate.
//!
//! Guarantees: long names and pax headers are read under an allowance of their own, because the crate keeps them whole
//! in memory; links and devices are noted and never followed.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use tar::{Archive, EntryType};

use super::{Found, Stop, Unpacking, guarded};
use crate::codes;
use crate::octets::Reader;
use crate::sheet::Note;

/// Octets of headers before one member.
const HEADERS: u64 = 256 * 1024;

pub(super) fn open(unpacking: &mut Unpacking<'_, '_>) -> Result<(), Stop> {
    let allowance = Rc::new(Cell::new(HEADERS));
    let source = Allowed { reader: unpacking.container.spool.reader(), left: Rc::clone(&allowance) };
    let mut archive = Archive::new(source);
    let mut entries = archive.entries()?;
    loop {
        allowance.set(HEADERS);
        let crashed = || Stop::Noted(Note::new(codes::UNPACK_CRASHED));
        let mut entry = match guarded(|| entries.next()).ok_or_else(crashed)? {
            // POSIX ends an archive with blocks of zeros; without one it was cut between two members.
            None if HEADERS - allowance.get() < 512 => {
                return Err(Stop::Noted(Note::new(codes::UNPACK_DAMAGED)));
            }
            None => return Ok(()),
            Some(entry) => entry?,
        };
        let (path, kind, size) = guarded(|| {
            let path = entry.path_bytes().into_owned();
            (path, entry.header().entry_type(), entry.size())
        })
        .ok_or_else(crashed)?;
        let refused = match kind {
            EntryType::Directory => {
                unpacking.count_member()?;
                continue;
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => None,
            EntryType::Symlink | EntryType::Link => Some(Note::new(codes::MEMBER_LINK)),
            _ => Some(Note::new(codes::MEMBER_SPECIAL)),
        };
        // The content is counted by the one reader.
        allowance.set(u64::MAX);
        let drain = refused.is_none();
        let exact = kind != EntryType::GNUSparse;
        unpacking.member(
            Found { path: &path, size: Some(size), exact, refused, drain, ..Found::default() },
            &mut entry,
        )?;
        if unpacking.is_stopped() {
            return Ok(());
        }
    }
}

/// Gives no more than allowed.
struct Allowed {
    reader: Reader,
    left: Rc<Cell<u64>>,
}

impl Read for Allowed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(out)?;
        let left = self.left.get().checked_sub(n as u64);
        self.left.set(left.ok_or_else(|| io::Error::other("headers are too long"))?);
        Ok(n)
    }
}
