// SPDX-License-Identifier: EUPL-1.2
//! Cryptographic message syntax (RFC 5652).

use crate::asn1::{Malformed, Read, Reader, normalise, oid, tag};
use crate::certificate::Certificate;

/// The certificates of a SignedData.
///
/// # Errors
/// When it is none.
pub fn certificates(octets: &[u8]) -> Read<Vec<Certificate>> {
    let normal = normalise(octets)?;
    let mut outer = Reader::only(&normal.der, tag::SEQUENCE)?.reader();
    if outer.oid()? != oid::SIGNED_DATA {
        return Err(Malformed("not signed data"));
    }
    let mut reader = outer.expect(tag::constructed(0))?.reader().sequence()?;
    reader.integer()?;
    reader.expect(tag::SET)?;
    reader.expect(tag::SEQUENCE)?;
    let Some(node) = reader.optional(tag::constructed(0))? else { return Ok(vec![]) };
    Ok(node.reader().all(1000)?.iter().filter_map(|node| Certificate::from_der(node.whole).ok()).collect())
}
