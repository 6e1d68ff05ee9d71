// SPDX-License-Identifier: EUPL-1.2
//! How much of a message the station opens. What lies beyond is delivered all the same and marked "nicht prüfbar".

use std::time::Duration;

/// Caps of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Octets unpacked from all containers of one message.
    pub unpacked_bytes: u64,
    /// Octets unpacked for one octet packed, once more than 1 MiB came out of a container.
    pub ratio: u64,
    /// Members of all containers of one message.
    pub members: u64,
    /// Containers inside containers.
    pub depth: u32,
    /// Octets of one member's path.
    pub path_bytes: usize,
    /// Largest file given to a parser that needs it whole (PDF, XML, CMS), bytes.
    pub whole_bytes: u64,
    /// Memory for the dictionaries of one decoder, bytes.
    pub dictionary_bytes: u64,
    /// Time for all checks of one part.
    pub part_time: Duration,
    /// Lines on one sheet; the rest is counted.
    pub lines: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            unpacked_bytes: 1024 * 1024 * 1024,
            ratio: 200,
            members: 10_000,
            depth: 5,
            path_bytes: 1024,
            whole_bytes: 32 * 1024 * 1024,
            dictionary_bytes: 64 * 1024 * 1024,
            part_time: Duration::from_secs(60),
            lines: 5_000,
        }
    }
}
