// SPDX-License-Identifier: EUPL-1.2
//! SignedData (RFC 5652 §5) taken apart, without judging anything.
//!
//! Guarantees: signed attributes are kept as they lie in the object; caps hold (1,000 certificates, 100 signers, 100
//! attributes). Takes DER: [`crate::asn1::normalise`] first.

use std::borrow::Cow;

use crate::asn1::{Algorithm, Malformed, Node, Oid, Read, Reader, oid, tag};
use crate::certificate::{Certificate, Name};
use crate::signature::Material;
use crate::signature::algorithm::{Hash, Scheme};

/// A SignedData.
pub struct SignedData<'a> {
    /// Type of the content.
    pub content_type: Oid,
    /// The content; `None` = detached.
    pub content: Option<Cow<'a, [u8]>>,
    /// Certificates and revocation facts that came with it.
    pub material: Material,
    /// Who signed.
    pub signers: Vec<SignerInfo<'a>>,
    /// Did it carry revocation facts?
    pub has_revocations: bool,
}

/// Which certificate the signer's is.
#[derive(Debug, Clone)]
pub enum SignerId {
    /// By issuer and serial number.
    Issuer(Name, Vec<u8>),
    /// By key identifier.
    Key(Vec<u8>),
}

impl SignerId {
    /// Reads IssuerAndSerialNumber or the key identifier under the tag [0].
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(node: &Node<'_>) -> Read<Self> {
        match node.tag {
            tag::SEQUENCE => {
                let mut reader = node.reader();
                let issuer = Name::read(&reader.expect(tag::SEQUENCE)?)?;
                Ok(Self::Issuer(issuer, reader.integer()?.to_vec()))
            }
            0x80 => Ok(Self::Key(node.content.to_vec())),
            // Some wrap the OCTET STRING.
            0xa0 => Ok(Self::Key(node.reader().octets()?.to_vec())),
            _ => Err(Malformed("identifier of a certificate")),
        }
    }

    /// Is it that certificate?
    #[must_use]
    pub fn is(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Issuer(issuer, serial) => serial == certificate.serial() && issuer == certificate.issuer(),
            Self::Key(id) => match &certificate.extensions().subject_key_id {
                Some(key) => key == id,
                None => *id == Hash::Sha1.digest(certificate.key_octets()),
            },
        }
    }
}

impl std::fmt::Display for SignerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Issuer(issuer, serial) => write!(f, "{issuer}; serial {}", crate::digest::hex(serial)),
            Self::Key(id) => write!(f, "key {}", crate::digest::hex(id)),
        }
    }
}

/// An attribute: its type and values.
pub type Attribute<'a> = (Oid, Vec<Node<'a>>);

/// A SignerInfo.
pub struct SignerInfo<'a> {
    /// Whose.
    pub id: SignerId,
    /// Digest of the content; `None` = one we do not know.
    pub digest: Option<Hash>,
    /// The signed attributes as they lie there, under [0]; `None` = there are none.
    pub signed_octets: Option<&'a [u8]>,
    /// Signed attributes.
    pub signed: Vec<Attribute<'a>>,
    /// How it is signed; `None` = in a way we do not know.
    pub scheme: Option<Scheme>,
    /// The signature value.
    pub value: &'a [u8],
    /// Attributes added later.
    pub unsigned: Vec<Attribute<'a>>,
}

impl<'a> SignedData<'a> {
    /// Reads a ContentInfo with SignedData.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(der: &'a [u8]) -> Read<Self> {
        let mut outer = Reader::only(der, tag::SEQUENCE)?.reader();
        if outer.oid()? != oid::SIGNED_DATA {
            return Err(Malformed("not signed data"));
        }
        let mut reader = outer.expect(tag::constructed(0))?.reader().sequence()?;
        reader.integer()?;
        reader.expect(tag::SET)?;
        let mut encapsulated = reader.sequence()?;
        let content_type = encapsulated.oid()?;
        let content = match encapsulated.optional(tag::constructed(0))? {
            Some(node) => {
                let inner = node.reader().next_node()?;
                // PKCS #7 v1.5 had other types than OCTET STRING here, and signed their content.
                Some(if inner.tag == 0x24 { inner.joined()? } else { inner.content.into() })
            }
            None => None,
        };
        let mut material = Material::default();
        if let Some(node) = reader.optional(tag::constructed(0))? {
            let found = node.reader().all(1000)?;
            material.certificates =
                found.iter().filter_map(|n| Certificate::from_der(n.whole).ok()).collect();
        }
        let mut has_revocations = false;
        if let Some(node) = reader.optional(tag::constructed(1))? {
            for node in node.reader().all(100)? {
                has_revocations = true;
                if node.tag == tag::SEQUENCE {
                    material.crls.push(node.whole.to_vec());
                } else if node.tag == tag::constructed(1) {
                    let mut other = node.reader();
                    if other.oid()? == oid::OTHER_REVOCATION_OCSP {
                        material.ocsps.push(other.rest().to_vec());
                    }
                }
            }
        }
        let infos = reader.expect(tag::SET)?.reader().all(100)?;
        let signers = infos.iter().map(SignerInfo::read).collect::<Read<Vec<_>>>()?;
        Ok(Self { content_type, content, material, signers, has_revocations })
    }
}

impl<'a> SignerInfo<'a> {
    fn read(node: &Node<'a>) -> Read<Self> {
        let mut reader = node.tagged(tag::SEQUENCE)?.reader();
        reader.integer()?;
        let id = SignerId::read(&reader.next_node()?)?;
        let digest = Hash::of(Algorithm::read(reader.sequence()?)?.oid);
        let attributes = reader.optional(tag::constructed(0))?;
        let scheme = Scheme::read(&Algorithm::read(reader.sequence()?)?, digest)?;
        let value = reader.octets()?;
        let unsigned = match reader.optional(tag::constructed(1))? {
            Some(node) => read_attributes(node.reader())?,
            None => vec![],
        };
        Ok(Self {
            id,
            digest,
            signed_octets: attributes.map(|node| node.whole),
            signed: match attributes {
                Some(node) => read_attributes(node.reader())?,
                None => vec![],
            },
            scheme,
            value,
            unsigned,
        })
    }

    /// The one value of a signed attribute that must occur once; `None` = it does not occur, or not so.
    #[must_use]
    pub fn signed_value(&self, which: Oid) -> Option<Node<'a>> {
        let mut found = self.signed.iter().filter(|(oid, _)| *oid == which);
        match (found.next(), found.next()) {
            (Some((_, values)), None) if values.len() == 1 => values.first().copied(),
            _ => None,
        }
    }

    /// All values of an attribute added later.
    pub fn unsigned_values(&self, which: Oid) -> impl Iterator<Item = Node<'a>> + '_ {
        self.unsigned
            .iter()
            .filter(move |(oid, _)| *oid == which)
            .flat_map(|(_, values)| values.iter().copied())
    }

    /// What the signature value is over when there are signed attributes: their SET.
    #[must_use]
    pub fn signed_set(&self) -> Option<Vec<u8>> {
        let mut set = self.signed_octets?.to_vec();
        if let Some(first) = set.first_mut() {
            *first = tag::SET;
        }
        Some(set)
    }
}

/// Reads attributes (RFC 5652 §5.3).
fn read_attributes(reader: Reader<'_>) -> Read<Vec<Attribute<'_>>> {
    let nodes = reader.all(100)?;
    nodes
        .iter()
        .map(|node| {
            let mut attribute = node.tagged(tag::SEQUENCE)?.reader();
            Ok((attribute.oid()?, attribute.expect(tag::SET)?.reader().all(100)?))
        })
        .collect()
}

/// Could these octets be a SET of attributes? Then a signature without attributes over them may be one whose attributes
/// were made its content.
#[must_use]
pub(crate) fn look_like_attributes(content: &[u8]) -> bool {
    Reader::only(content, tag::SET).and_then(|node| read_attributes(node.reader())).is_ok_and(|attributes| {
        attributes.iter().any(|(which, _)| *which == oid::MESSAGE_DIGEST || *which == oid::CONTENT_TYPE)
    })
}
