// SPDX-License-Identifier: EUPL-1.2
//! Certificates (RFC 5280 §4): their octets and what they say.
//!
//! Guarantees: the octets are kept as they were signed; cloning is cheap; caps hold (64 KiB for a certificate, 100
//! extensions); a critical extension we do not judge is named, never passed over. Does not: trust anything, see
//! [`crate::signature::chain`].

pub mod extensions;
pub mod name;
pub mod pem;

use std::sync::Arc;

pub use extensions::Extensions;
pub use name::Name;

use crate::asn1::{Algorithm, Malformed, Read, Reader, tag, time, write};
use crate::digest::{hex, sha256};
use crate::signature::algorithm::{Key, Scheme, Signed, verify_raw};
use crate::signature::{CertificateFacts, UnixTime};

/// Largest certificate, octets.
pub const LARGEST: usize = 64 * 1024;

/// A certificate.
#[derive(Clone)]
pub struct Certificate(Arc<Parts>);

struct Parts {
    der: Vec<u8>,
    tbs: Vec<u8>,
    serial: Vec<u8>,
    scheme: Option<Scheme>,
    issuer: Name,
    subject: Name,
    not_before: UnixTime,
    not_after: UnixTime,
    spki: Vec<u8>,
    key: Key,
    signature: Vec<u8>,
    extensions: Extensions,
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// When it is no certificate, or above [`LARGEST`].
    pub fn from_der(der: &[u8]) -> Read<Self> {
        if der.len() > LARGEST {
            return Err(Malformed("certificate too large"));
        }
        let mut outer = Reader::only(der, tag::SEQUENCE)?.reader();
        let tbs = outer.expect(tag::SEQUENCE)?;
        let algorithm = outer.expect(tag::SEQUENCE)?;
        let signature = outer.expect(tag::BIT_STRING)?.bits()?;
        outer.end()?;

        let mut reader = tbs.reader();
        reader.optional(tag::constructed(0))?;
        let serial = reader.integer()?;
        if reader.expect(tag::SEQUENCE)?.content != algorithm.content {
            return Err(Malformed("two signature algorithms"));
        }
        let issuer = Name::read(&reader.expect(tag::SEQUENCE)?)?;
        let mut validity = reader.sequence()?;
        let not_before = time::read(&validity.next_node()?)?;
        let not_after = time::read(&validity.next_node()?)?;
        let subject = Name::read(&reader.expect(tag::SEQUENCE)?)?;
        let spki = reader.expect(tag::SEQUENCE)?.whole;
        reader.optional(tag::context(1))?;
        reader.optional(tag::context(2))?;
        let extensions = match reader.optional(tag::constructed(3))? {
            Some(node) => Extensions::read(node.reader().sequence()?)?,
            None => Extensions::default(),
        };
        reader.end()?;
        Ok(Self(Arc::new(Parts {
            tbs: tbs.whole.to_vec(),
            serial: serial.to_vec(),
            scheme: Scheme::read(&Algorithm::read(algorithm.reader())?, None)?,
            issuer,
            subject,
            not_before,
            not_after,
            spki: spki.to_vec(),
            key: Key::of(spki),
            signature: signature.to_vec(),
            extensions,
            der: der.to_vec(),
        })))
    }

    /// All certificates of a file: one in DER, or any number in PEM (at most 1,000). What is none is left out.
    #[must_use]
    pub fn all_from(octets: &[u8]) -> Vec<Self> {
        if octets.first() == Some(&tag::SEQUENCE) {
            return Self::from_der(octets).into_iter().collect();
        }
        pem::blocks(octets, 1000)
            .into_iter()
            .filter(|block| {
                matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE")
            })
            .filter_map(|block| Self::from_der(&block.octets).ok())
            .collect()
    }

    /// Its octets.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Content of its serial number, big endian.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// Who issued it.
    #[must_use]
    pub fn issuer(&self) -> &Name {
        &self.0.issuer
    }

    /// Whose it is.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.0.subject
    }

    /// Valid from.
    #[must_use]
    pub fn not_before(&self) -> UnixTime {
        self.0.not_before
    }

    /// Valid until, that second included.
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        self.0.not_after
    }

    /// DER of its SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.0.spki
    }

    /// The public key's octets alone (what key identifiers are made of).
    #[must_use]
    pub fn key_octets(&self) -> &[u8] {
        let read = || {
            let mut reader = Reader::only(self.spki(), tag::SEQUENCE)?.reader();
            reader.sequence()?;
            reader.expect(tag::BIT_STRING)?.bits()
        };
        read().unwrap_or_default()
    }

    /// What kind of key it is for.
    #[must_use]
    pub fn key(&self) -> Key {
        self.0.key
    }

    /// How it is signed; `None` = in a way we do not know.
    #[must_use]
    pub fn scheme(&self) -> Option<Scheme> {
        self.0.scheme
    }

    /// Its extensions.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// SHA-256 of its octets.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        sha256(self.der())
    }

    /// Is its name also its issuer's?
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.0.issuer == self.0.subject
    }

    /// Did the owner of this certificate's key sign that one? Looks at the signature only.
    #[must_use]
    pub fn signed(&self, other: &Self) -> bool {
        other.0.scheme.is_some_and(|scheme| {
            verify_raw(self.spki(), scheme, Signed::Data(&other.0.tbs), &other.0.signature)
        })
    }

    /// IssuerAndSerialNumber (RFC 5652 §10.2.4) of it.
    #[must_use]
    pub fn issuer_and_serial(&self) -> Vec<u8> {
        write::sequence(&[self.0.issuer.der(), &write::element(tag::INTEGER, &self.0.serial)])
    }

    /// What it says, as shown to people.
    #[must_use]
    pub fn facts(&self) -> CertificateFacts {
        let cut = |text: String| text.chars().take(300).collect::<String>();
        let extensions = self.extensions();
        CertificateFacts {
            name: cut(self.subject().short()),
            organisation: cut(self.subject().organisation().to_owned()),
            issuer: cut(self.issuer().short()),
            serial: hex(self.serial()),
            sha256: hex(&self.sha256()),
            not_before: self.not_before(),
            not_after: self.not_after(),
            key: self.key().to_string(),
            emails: extensions.emails().take(20).map(cut).collect(),
            statements: extensions.statements.clone(),
        }
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({}, {})", self.subject(), hex(self.serial()))
    }
}
