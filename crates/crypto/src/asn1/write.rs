// SPDX-License-Identifier: EUPL-1.2
//! Writing DER (X.690 §10): small functions that put octets together.
//!
//! Guarantees: minimal lengths, sorted sets, unsigned numbers with the leading zero they need. Does not: check schemas.

use super::{Oid, tag};

/// Octets of identifier and length for a content of this length.
#[must_use]
pub(super) const fn header_len(length: usize) -> usize {
    if length < 0x80 { 2 } else { 2 + (usize::BITS as usize - length.leading_zeros() as usize).div_ceil(8) }
}

/// Appends identifier and length.
pub fn header(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    if length < 0x80 {
        out.push(length as u8);
        return;
    }
    let digits = length.to_be_bytes();
    let skip = digits.iter().take_while(|d| **d == 0).count();
    out.push(0x80 | (digits.len() - skip) as u8);
    out.extend_from_slice(digits.get(skip..).unwrap_or_default());
}

/// One element.
#[must_use]
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    header(&mut out, tag, content.len());
    out.extend_from_slice(content);
    out
}

/// An element of elements.
#[must_use]
pub fn of(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    header(&mut out, tag, parts.iter().map(|p| p.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// SEQUENCE.
#[must_use]
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    of(tag::SEQUENCE, parts)
}

/// SET OF, sorted.
#[must_use]
pub fn set(parts: &[&[u8]]) -> Vec<u8> {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    of(tag::SET, &sorted)
}

/// OBJECT IDENTIFIER.
#[must_use]
pub fn oid(oid: Oid) -> Vec<u8> {
    element(tag::OID, oid.as_bytes())
}

/// OCTET STRING.
#[must_use]
pub fn octets(content: &[u8]) -> Vec<u8> {
    element(tag::OCTET_STRING, content)
}

/// BIT STRING of whole octets.
#[must_use]
pub fn bits(content: &[u8]) -> Vec<u8> {
    of(tag::BIT_STRING, &[&[0], content])
}

/// INTEGER, not negative, from big-endian octets.
#[must_use]
pub fn unsigned(octets: &[u8]) -> Vec<u8> {
    let skip = octets.iter().take_while(|b| **b == 0).count();
    let digits = octets.get(skip..).unwrap_or_default();
    match digits.first() {
        None => element(tag::INTEGER, &[0]),
        Some(first) if first & 0x80 != 0 => of(tag::INTEGER, &[&[0], digits]),
        Some(_) => element(tag::INTEGER, digits),
    }
}

/// INTEGER.
#[must_use]
pub fn small(value: u32) -> Vec<u8> {
    unsigned(&value.to_be_bytes())
}

/// NULL.
pub const NULL: &[u8] = &[tag::NULL, 0];

/// BOOLEAN TRUE.
pub const TRUE: &[u8] = &[tag::BOOLEAN, 1, 0xff];

/// AlgorithmIdentifier with these parameters (DER), or none when empty.
#[must_use]
pub fn algorithm(which: Oid, parameters: &[u8]) -> Vec<u8> {
    sequence(&[&oid(which), parameters])
}
