// SPDX-License-Identifier: EUPL-1.2
//! PEM (RFC 7468): labelled base64 in text.
//!
//! Guarantees: text between the blocks is passed over; a block that is no base64 is left out. Does not: decrypt.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// One block.
pub struct Block {
    /// What stands after BEGIN.
    pub label: String,
    /// What it holds; wiped when dropped, for it may be a key.
    pub octets: Zeroizing<Vec<u8>>,
}

/// The first `cap` blocks.
#[must_use]
pub fn blocks(text: &[u8], cap: usize) -> Vec<Block> {
    let mut out = Vec::new();
    let mut open: Option<(String, Zeroizing<Vec<u8>>)> = None;
    for line in text.split(|b| *b == b'\n') {
        let line = line.trim_ascii();
        if let Some(label) = line.strip_prefix(b"-----BEGIN ").and_then(|l| l.strip_suffix(b"-----")) {
            open = Some((String::from_utf8_lossy(label).into_owned(), Zeroizing::new(Vec::new())));
        } else if line.starts_with(b"-----END ") {
            if let Some((label, digits)) = open.take()
                && let Ok(octets) = STANDARD.decode(&*digits)
            {
                out.push(Block { label, octets: Zeroizing::new(octets) });
            }
            if out.len() >= cap {
                break;
            }
        } else if let Some((_, digits)) = &mut open {
            digits.extend_from_slice(line);
        }
    }
    out
}

/// One block as text.
#[must_use]
pub fn write(label: &str, octets: &[u8]) -> String {
    let digits = STANDARD.encode(octets);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in digits.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}
