// SPDX-License-Identifier: EUPL-1.2
//! Cryptographic message syntax (RFC 5652): its parts. Signatures are judged by [`crate::signature::cms`].

pub mod enveloped;
pub mod make;
pub mod signed;

use crate::asn1::{Malformed, Read, normalise};
use crate::certificate::Certificate;

pub use enveloped::{Opened, decrypt, recipients};
pub use make::{ContentCipher, Options, ToSign, encrypt, sign};
pub use signed::SignedData;

/// Makes DER of one CMS object. Zeros and blanks after it are passed over (PDF fills up with zeros, mail adds lines).
///
/// # Errors
/// When it is no BER, or other octets follow.
pub fn normal(octets: &[u8]) -> Read<std::borrow::Cow<'_, [u8]>> {
    let normal = normalise(octets)?;
    let after = octets.get(normal.read..).unwrap_or_default();
    if after.iter().all(|b| matches!(b, 0 | b' ' | b'\t' | b'\r' | b'\n')) {
        Ok(normal.der)
    } else {
        Err(Malformed("octets after the end"))
    }
}

/// The certificates of a SignedData; also one without any signer (`.p7c`).
///
/// # Errors
/// When it is none.
pub fn certificates(octets: &[u8]) -> Read<Vec<Certificate>> {
    Ok(SignedData::read(&normal(octets)?)?.material.certificates)
}

/// The content of a SignedData, if it is attached.
///
/// # Errors
/// When it is none.
pub fn content(octets: &[u8]) -> Read<Option<Vec<u8>>> {
    Ok(SignedData::read(&normal(octets)?)?.content.map(std::borrow::Cow::into_owned))
}
