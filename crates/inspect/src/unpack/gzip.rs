// SPDX-License-Identifier: EUPL-1.2
//! gzip (RFC 1952): one member, made of one or several streams.
//!
//! Guarantees: what follows the last stream is noted, not read. A `.tgz` gives its tar as the one member.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use super::{Found, Stop, Unpacking};
use crate::codes;
use crate::octets::Reader;
use crate::sheet::Note;

pub(super) fn open(unpacking: &mut Unpacking<'_, '_>) -> Result<(), Stop> {
    let container = unpacking.container;
    let mut streams = Streams { decoder: Some(GzDecoder::new(container.spool.reader())), trailing: false };
    let header = streams.decoder.as_ref().and_then(GzDecoder::header);
    let inner = header.and_then(flate2::GzHeader::filename).map(<[u8]>::to_vec).unwrap_or_default();
    let name = if inner.is_empty() { without_suffix(container.name) } else { inner };
    unpacking.member(Found { path: &name, drain: true, ..Found::default() }, &mut streams)?;
    if streams.trailing {
        unpacking.say(Note::new(codes::CONTAINER_JUNK));
    }
    Ok(())
}

/// `plan.dwg.gz` → `plan.dwg`, `akte.tgz` → `akte.tar`.
fn without_suffix(name: &str) -> Vec<u8> {
    let lower = name.to_ascii_lowercase();
    let stem = |cut: usize| name.get(..name.len() - cut).unwrap_or(name).to_owned();
    if lower.ends_with(".tgz") {
        format!("{}.tar", stem(4)).into_bytes()
    } else if lower.ends_with(".gz") {
        stem(3).into_bytes()
    } else {
        name.as_bytes().to_vec()
    }
}

struct Streams {
    /// `None` after the last.
    decoder: Option<GzDecoder<Reader>>,
    trailing: bool,
}

impl Read for Streams {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let n = decoder.read(out)?;
            if n > 0 || out.is_empty() {
                return Ok(n);
            }
            let Some(mut rest) = self.decoder.take().map(GzDecoder::into_inner) else { break };
            let next = rest.fill_buf()?;
            if next.starts_with(b"\x1f\x8b") || next == b"\x1f" {
                self.decoder = Some(GzDecoder::new(rest));
            } else {
                // Tapes are filled up with zeros; that is no junk.
                self.trailing = next.iter().any(|b| *b != 0);
            }
        }
        Ok(0)
    }
}
