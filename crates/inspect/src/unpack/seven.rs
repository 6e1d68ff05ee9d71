// SPDX-License-Identifier: EUPL-1.2
//! 7z, decoded by `sevenz-rust2`.
//!
//! Guarantees: the header's size, and what a packed header claims to need, are checked before the crate sees it; so are
//! the dictionaries of each block and the number of members. The repair of archives without a start header is not
//! tried: it guesses at every octet. Memory: the header ([`HEADER_BYTES`]; for a hostile one that claims as many
//! members as octets about a hundred times that, for a moment) and the dictionaries of one block.

use std::io::{Read, Seek, SeekFrom};

use sevenz_rust2::{Archive, ArchiveEntry, Block, BlockDecoder, Error, Password};

use super::{Found, Stop, Unpacking, guarded};
use crate::codes;
use crate::octets::Reader;
use crate::sheet::Note;

/// Largest header, packed and unpacked: enough for 10,000 members with usual names.
const HEADER_BYTES: u64 = 1024 * 1024;
const LZMA: &[u8] = &[3, 1, 1];
const LZMA2: &[u8] = &[0x21];
const AES: &[u8] = &[6, 0xf1, 7, 1];

fn damaged() -> Stop {
    Stop::Noted(Note::new(codes::UNPACK_DAMAGED))
}

pub(super) fn open(unpacking: &mut Unpacking<'_, '_>) -> Result<(), Stop> {
    let mut reader = unpacking.container.spool.reader();
    if !check_header(&mut reader, unpacking.caps.dictionary_bytes)? {
        return Ok(());
    }
    let none = Password::empty();
    let archive = guarded(|| Archive::read(&mut reader, &none))
        .ok_or(Stop::Noted(Note::new(codes::UNPACK_CRASHED)))?
        .map_err(|e| Stop::Noted(note_of(&e)))?;
    if archive.files.len() as u64 > unpacking.budget.members_left() {
        let note = Note::new(codes::CAP_MEMBERS).with("cap", unpacking.caps.members);
        return Err(Stop::Noted(note.with("count", archive.files.len())));
    }
    for (index, block) in archive.blocks.iter().enumerate() {
        let decoder = BlockDecoder::new(1, index, &archive, &none, &mut reader);
        let entries = decoder.entries().to_vec();
        let mut given = 0;
        let mut refused = refusal(block, unpacking.caps.dictionary_bytes);
        if refused.is_none() {
            let mut stop = None;
            let end = guarded(|| {
                decoder.for_each_entries(&mut |entry: &ArchiveEntry, content: &mut dyn Read| {
                    given += 1;
                    match give(unpacking, entry, None, content) {
                        // What is left unread would be read by the crate without caps.
                        Ok(whole) => Ok(whole && !unpacking.is_stopped()),
                        Err(error) => {
                            stop = Some(error);
                            Ok(false)
                        }
                    }
                })
            });
            if let Some(stop) = stop {
                return Err(stop);
            }
            refused = Some(match end {
                None => Note::new(codes::UNPACK_CRASHED),
                Some(Err(error)) => note_of(&error),
                Some(Ok(_)) => {
                    unpacking.tally.stopped.clone().unwrap_or_else(|| Note::new(codes::UNPACK_DAMAGED))
                }
            });
        }
        // A solid block ends with its first broken member.
        for entry in entries.iter().skip(given) {
            give(unpacking, entry, refused.clone(), &mut std::io::empty())?;
        }
    }
    let without_block =
        archive.files.iter().zip(&archive.stream_map.file_block_index).filter(|(_, b)| b.is_none());
    for (entry, _) in without_block {
        give(unpacking, entry, None, &mut std::io::empty())?;
    }
    Ok(())
}

fn give(
    unpacking: &mut Unpacking<'_, '_>,
    entry: &ArchiveEntry,
    refused: Option<Note>,
    content: &mut dyn Read,
) -> Result<bool, Stop> {
    if entry.is_directory {
        return unpacking.count_member().map(|()| true);
    }
    // The upper half holds the mode of Unix when bit 15 says so.
    let mode = (entry.windows_attributes & 0x8000 != 0).then_some(entry.windows_attributes >> 16);
    let refused = refused.or_else(|| match mode.map(|m| m & 0o170_000) {
        _ if entry.is_anti_item => Some(Note::new(codes::MEMBER_SPECIAL)),
        Some(0o120_000) => Some(Note::new(codes::MEMBER_LINK)),
        _ => None,
    });
    let drain = entry.has_stream;
    let found = Found {
        path: entry.name.as_bytes(),
        size: Some(entry.size),
        exact: true,
        refused,
        drain,
        ..Found::default()
    };
    unpacking.member(found, content)
}

/// Why a block cannot be read.
fn refusal(block: &Block, cap: u64) -> Option<Note> {
    let mut memory = 0u64;
    for coder in &block.coders {
        if coder.encoder_method_id() == AES {
            return Some(Note::new(codes::MEMBER_ENCRYPTED));
        }
        memory = memory.saturating_add(dictionary(coder.encoder_method_id(), coder.properties()));
    }
    (memory > cap).then(|| Note::new(codes::CAP_MEMORY).with("cap", cap))
}

/// Octets of the dictionary of one coder.
fn dictionary(method: &[u8], properties: &[u8]) -> u64 {
    match (method, properties) {
        (LZMA, [_, d0, d1, d2, d3, ..]) => u64::from(u32::from_le_bytes([*d0, *d1, *d2, *d3])),
        (LZMA2, [bits, ..]) if *bits >= 40 => u64::from(u32::MAX),
        (LZMA2, [bits, ..]) => (2 | u64::from(bits & 1)) << (bits / 2 + 11),
        _ => 0,
    }
}

fn note_of(error: &Error) -> Note {
    match error {
        Error::UnsupportedCompressionMethod(method) => Note::new(codes::UNPACK_METHOD).with("method", method),
        Error::PasswordRequired | Error::MaybeBadPassword(_) => Note::new(codes::MEMBER_ENCRYPTED),
        _ => Note::new(codes::UNPACK_DAMAGED),
    }
}

/// 7zFormat.txt, "Signature Header": checks the header's place and, when it is packed, what unpacking it would need.
/// False for an archive without any member.
fn check_header(reader: &mut Reader, dictionary_cap: u64) -> Result<bool, Stop> {
    let mut start = [0; 32];
    reader.read_exact(&mut start)?;
    let number =
        |at: usize| start.get(at..).and_then(|o| o.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b));
    let (offset, size) = (number(12), number(20));
    if start.get(8..12) == Some(&[0; 4]) {
        return Err(damaged());
    }
    if size == 0 {
        return Ok(false);
    }
    if size > HEADER_BYTES {
        return Err(Stop::Noted(Note::new(codes::CAP_MEMORY).with("cap", HEADER_BYTES)));
    }
    reader.seek(SeekFrom::Start(32u64.checked_add(offset).ok_or_else(damaged)?))?;
    let mut header = vec![0; usize::try_from(size).unwrap_or_default()];
    reader.read_exact(&mut header)?;
    if header.first() == Some(&0x17) {
        let packed = Packed::read(header.get(1..).unwrap_or_default()).ok_or_else(damaged)?;
        if packed.encrypted {
            return Err(Stop::Noted(Note::new(codes::MEMBER_ENCRYPTED)));
        }
        if packed.size > HEADER_BYTES || packed.dictionary > dictionary_cap {
            return Err(Stop::Noted(Note::new(codes::CAP_MEMORY).with("cap", HEADER_BYTES)));
        }
    }
    reader.seek(SeekFrom::Start(0))?;
    Ok(true)
}

/// What a packed header claims: one pack stream, one folder, as every writer does.
struct Packed {
    encrypted: bool,
    /// Sum of the dictionaries.
    dictionary: u64,
    /// Largest unpacked size any coder claims.
    size: u64,
}

impl Packed {
    fn read(octets: &[u8]) -> Option<Self> {
        let mut at = Numbers(octets);
        at.expect(0x06)?;
        at.number()?;
        at.expect(1)?;
        at.expect(0x09)?;
        at.number()?;
        let mut next = at.octet()?;
        if next == 0x0a {
            at.expect(1)?;
            at.take(4)?;
            next = at.octet()?;
        }
        (next == 0).then_some(())?;
        at.expect(0x07)?;
        at.expect(0x0b)?;
        at.expect(1)?;
        at.expect(0)?;
        let coders = at.octet()?;
        (1..=4).contains(&coders).then_some(())?;
        let mut packed = Self { encrypted: false, dictionary: 0, size: 0 };
        for _ in 0..coders {
            let flags = at.octet()?;
            // Coders with several streams are not for headers.
            (flags & 0xd0 == 0).then_some(())?;
            let method = at.take(usize::from(flags & 0x0f))?;
            let properties = match flags & 0x20 {
                0 => &[][..],
                _ => {
                    let len = usize::try_from(at.number()?).ok()?;
                    at.take(len)?
                }
            };
            packed.encrypted |= method == AES;
            packed.dictionary = packed.dictionary.saturating_add(dictionary(method, properties));
        }
        for _ in 1..coders {
            at.number()?;
            at.number()?;
        }
        at.expect(0x0c)?;
        for _ in 0..coders {
            packed.size = packed.size.max(at.number()?);
        }
        Some(packed)
    }
}

/// 7zFormat.txt, "7z data types".
struct Numbers<'a>(&'a [u8]);

impl<'a> Numbers<'a> {
    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, octet: u8) -> Option<()> {
        (self.octet()? == octet).then_some(())
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    /// The leading ones of the first octet count the octets that follow, low first; its other bits are the highest.
    fn number(&mut self) -> Option<u64> {
        let first = self.octet()?;
        let more = first.leading_ones();
        let mut value = 0;
        for i in 0..more {
            value |= u64::from(self.octet()?) << (8 * i);
        }
        let high = u64::from(first) & (0x7f_u64 >> more);
        Some(if more < 8 { value | high << (8 * more) } else { value })
    }
}
