// SPDX-License-Identifier: EUPL-1.2
//! Signature algorithms: reading their identifiers (RFC 4055, 5754, 5758, 8410) and checking a value against a key.
//!
//! Guarantees: a check needs only the digest of the data, so large content can be hashed while it streams (Ed25519
//! excepted, which signs the data itself: RFC 8419); digest and mask digest of RSASSA-PSS may differ; a key restricted
//! to parameters (RFC 4055 §1.2) is refused for others. Does not: judge strength, see [`super::setting::Algorithms`].

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::asn1::{Algorithm, Node, Oid, Read, Reader, oid, small, tag, write};
use crate::ffi;

/// A digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Hash {
    #[serde(rename = "SHA-1")]
    Sha1,
    #[serde(rename = "SHA-224")]
    Sha224,
    #[serde(rename = "SHA-256")]
    Sha256,
    #[serde(rename = "SHA-384")]
    Sha384,
    #[serde(rename = "SHA-512")]
    Sha512,
    #[serde(rename = "SHA3-256")]
    Sha3_256,
    #[serde(rename = "SHA3-384")]
    Sha3_384,
    #[serde(rename = "SHA3-512")]
    Sha3_512,
}

impl Hash {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// Its identifier.
    #[must_use]
    pub const fn oid(self) -> Oid {
        match self {
            Self::Sha1 => oid::SHA1,
            Self::Sha224 => oid::SHA224,
            Self::Sha256 => oid::SHA256,
            Self::Sha384 => oid::SHA384,
            Self::Sha512 => oid::SHA512,
            Self::Sha3_256 => oid::SHA3_256,
            Self::Sha3_384 => oid::SHA3_384,
            Self::Sha3_512 => oid::SHA3_512,
        }
    }

    /// Its name, `SHA-256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha3_256 => "SHA3-256",
            Self::Sha3_384 => "SHA3-384",
            Self::Sha3_512 => "SHA3-512",
        }
    }

    /// Which digest has this identifier.
    #[must_use]
    pub fn of(oid: Oid) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.oid() == oid)
    }

    fn engine(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
            Self::Sha3_256 => &digest::SHA3_256,
            Self::Sha3_384 => &digest::SHA3_384,
            Self::Sha3_512 => &digest::SHA3_512,
        }
    }

    /// Digest of these octets.
    #[must_use]
    pub fn digest(self, octets: &[u8]) -> Vec<u8> {
        digest::digest(self.engine(), octets).as_ref().to_vec()
    }

    /// Starts a digest over a stream.
    #[must_use]
    pub fn hasher(self) -> Hasher {
        Hasher(digest::Context::new(self.engine()))
    }
}

/// A digest in the making.
#[derive(Clone)]
pub struct Hasher(digest::Context);

impl Hasher {
    /// Adds the next octets.
    pub fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    /// The digest.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

/// How a signature value is made of a digest and a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    RsaPkcs1(Hash),
    /// RSASSA-PSS (RFC 8017 §8.1).
    RsaPss {
        /// Digest of the data.
        hash: Hash,
        /// Digest of the mask.
        mask: Hash,
        /// Length of the salt, octets.
        salt: u32,
    },
    /// ECDSA; the value is SEQUENCE { r, s } (RFC 3279 §2.2.3). JWS has them plain: [`ecdsa_from_plain`].
    Ecdsa(Hash),
    /// Ed25519 over the data itself (RFC 8032).
    Ed25519,
}

impl Scheme {
    /// Reads an AlgorithmIdentifier. `digest` says which digest where the identifier does not (CMS with
    /// `rsaEncryption` or `id-ecPublicKey`).
    ///
    /// # Errors
    /// When parameters are not well formed. `Ok(None)` = an algorithm we do not know.
    pub fn read(algorithm: &Algorithm<'_>, digest: Option<Hash>) -> Read<Option<Self>> {
        use Hash::{Sha1, Sha3_256, Sha3_384, Sha3_512, Sha224, Sha256, Sha384, Sha512};
        Ok(match algorithm.oid {
            oid::RSA => digest.map(Self::RsaPkcs1),
            oid::RSA_SHA1 => Some(Self::RsaPkcs1(Sha1)),
            oid::RSA_SHA224 => Some(Self::RsaPkcs1(Sha224)),
            oid::RSA_SHA256 => Some(Self::RsaPkcs1(Sha256)),
            oid::RSA_SHA384 => Some(Self::RsaPkcs1(Sha384)),
            oid::RSA_SHA512 => Some(Self::RsaPkcs1(Sha512)),
            oid::RSA_SHA3_256 => Some(Self::RsaPkcs1(Sha3_256)),
            oid::RSA_SHA3_384 => Some(Self::RsaPkcs1(Sha3_384)),
            oid::RSA_SHA3_512 => Some(Self::RsaPkcs1(Sha3_512)),
            oid::RSA_PSS => Self::read_pss(algorithm.parameters.as_ref())?,
            oid::EC => digest.map(Self::Ecdsa),
            oid::ECDSA_SHA1 => Some(Self::Ecdsa(Sha1)),
            oid::ECDSA_SHA224 => Some(Self::Ecdsa(Sha224)),
            oid::ECDSA_SHA256 => Some(Self::Ecdsa(Sha256)),
            oid::ECDSA_SHA384 => Some(Self::Ecdsa(Sha384)),
            oid::ECDSA_SHA512 => Some(Self::Ecdsa(Sha512)),
            oid::ECDSA_SHA3_256 => Some(Self::Ecdsa(Sha3_256)),
            oid::ECDSA_SHA3_384 => Some(Self::Ecdsa(Sha3_384)),
            oid::ECDSA_SHA3_512 => Some(Self::Ecdsa(Sha3_512)),
            oid::ED25519 => Some(Self::Ed25519),
            _ => None,
        })
    }

    /// RSASSA-PSS-params (RFC 4055 §3.1); everything missing means SHA-1 and 20.
    fn read_pss(parameters: Option<&Node<'_>>) -> Read<Option<Self>> {
        let (mut hash, mut mask, mut salt) = (Some(Hash::Sha1), Some(Hash::Sha1), 20);
        if let Some(node) = parameters {
            let mut reader = node.tagged(tag::SEQUENCE)?.reader();
            if let Some(node) = reader.optional(tag::constructed(0))? {
                hash = Hash::of(Algorithm::read(node.reader().sequence()?)?.oid);
            }
            if let Some(node) = reader.optional(tag::constructed(1))? {
                mask = read_mask(node.reader().sequence()?)?;
            }
            if let Some(node) = reader.optional(tag::constructed(2))? {
                salt = small(node.reader().integer()?)?;
            }
        }
        Ok(match (hash, mask) {
            (Some(hash), Some(mask)) if salt <= 512 => Some(Self::RsaPss { hash, mask, salt }),
            _ => None,
        })
    }

    /// Its AlgorithmIdentifier.
    #[must_use]
    pub fn to_der(self) -> Vec<u8> {
        use Hash::{Sha1, Sha3_256, Sha3_384, Sha3_512, Sha224, Sha256, Sha384, Sha512};
        match self {
            Self::RsaPkcs1(hash) => {
                let oid = match hash {
                    Sha1 => oid::RSA_SHA1,
                    Sha224 => oid::RSA_SHA224,
                    Sha256 => oid::RSA_SHA256,
                    Sha384 => oid::RSA_SHA384,
                    Sha512 => oid::RSA_SHA512,
                    Sha3_256 => oid::RSA_SHA3_256,
                    Sha3_384 => oid::RSA_SHA3_384,
                    Sha3_512 => oid::RSA_SHA3_512,
                };
                write::algorithm(oid, write::NULL)
            }
            Self::RsaPss { hash, mask, salt } => {
                let hash = write::of(tag::constructed(0), &[&write::algorithm(hash.oid(), write::NULL)]);
                let mask = write::algorithm(oid::MGF1, &write::algorithm(mask.oid(), write::NULL));
                let mask = write::of(tag::constructed(1), &[&mask]);
                let salt = write::of(tag::constructed(2), &[&write::small(salt)]);
                write::algorithm(oid::RSA_PSS, &write::sequence(&[&hash, &mask, &salt]))
            }
            Self::Ecdsa(hash) => {
                let oid = match hash {
                    Sha1 => oid::ECDSA_SHA1,
                    Sha224 => oid::ECDSA_SHA224,
                    Sha256 => oid::ECDSA_SHA256,
                    Sha384 => oid::ECDSA_SHA384,
                    Sha512 => oid::ECDSA_SHA512,
                    Sha3_256 => oid::ECDSA_SHA3_256,
                    Sha3_384 => oid::ECDSA_SHA3_384,
                    Sha3_512 => oid::ECDSA_SHA3_512,
                };
                write::algorithm(oid, &[])
            }
            Self::Ed25519 => write::algorithm(oid::ED25519, &[]),
        }
    }

    /// The digest of the data; `None` = the data itself is signed.
    #[must_use]
    pub const fn hash(self) -> Option<Hash> {
        match self {
            Self::RsaPkcs1(hash) | Self::Ecdsa(hash) | Self::RsaPss { hash, .. } => Some(hash),
            Self::Ed25519 => None,
        }
    }
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RsaPkcs1(hash) => write!(f, "RSASSA-PKCS1-v1_5 with {}", hash.name()),
            Self::RsaPss { hash, mask, .. } if hash == mask => write!(f, "RSASSA-PSS with {}", hash.name()),
            Self::RsaPss { hash, mask, .. } => {
                write!(f, "RSASSA-PSS with {} and MGF1 with {}", hash.name(), mask.name())
            }
            Self::Ecdsa(hash) => write!(f, "ECDSA with {}", hash.name()),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// Digest of a MaskGenAlgorithm's content (RFC 4055 §2.1), if it is MGF1 with one we know.
///
/// # Errors
/// When it is not well formed.
pub(crate) fn read_mask(reader: Reader<'_>) -> Read<Option<Hash>> {
    let mask = Algorithm::read(reader)?;
    let Some(parameters) = mask.parameters else { return Ok(Some(Hash::Sha1)) };
    let inner = Algorithm::read(parameters.tagged(tag::SEQUENCE)?.reader())?;
    Ok(Hash::of(inner.oid).filter(|_| mask.oid == oid::MGF1))
}

/// What was signed.
#[derive(Debug, Clone, Copy)]
pub enum Signed<'a> {
    /// The data.
    Data(&'a [u8]),
    /// Its digest under the scheme's hash; not for Ed25519.
    Digest(&'a [u8]),
}

/// Does `value` fit key (DER of SubjectPublicKeyInfo), scheme and data? Everything unfit is `false`.
#[must_use]
pub fn verify_raw(spki: &[u8], scheme: Scheme, signed: Signed<'_>, value: &[u8]) -> bool {
    let Some(key) = ffi::PublicKey::from_spki(spki) else { return false };
    match (scheme.hash(), signed) {
        (Some(hash), Signed::Data(data)) => key.verify_digest(scheme, &hash.digest(data), value),
        (Some(_), Signed::Digest(digest)) => key.verify_digest(scheme, digest, value),
        (None, Signed::Data(data)) => key.verify_ed25519(data, value),
        (None, Signed::Digest(_)) => false,
    }
}

/// The plain `r || s` of JWS and XML-DSig (RFC 7518 §3.4) as the SEQUENCE that [`verify_raw`] takes.
#[must_use]
pub fn ecdsa_from_plain(plain: &[u8]) -> Vec<u8> {
    let (r, s) = plain.split_at(plain.len() / 2);
    write::sequence(&[&write::unsigned(r), &write::unsigned(s)])
}

/// The reverse of [`ecdsa_from_plain`]: each number with `width` octets (32 for P-256).
///
/// # Errors
/// When it is no SEQUENCE of two numbers of that width.
pub fn ecdsa_to_plain(der: &[u8], width: usize) -> Read<Vec<u8>> {
    let mut reader = Reader::only(der, tag::SEQUENCE)?.reader();
    let mut out = Vec::with_capacity(width * 2);
    for _ in 0..2 {
        let number = reader.integer()?;
        let skip = number.iter().take_while(|b| **b == 0).count();
        let number = number.get(skip..).unwrap_or_default();
        let fill = width.checked_sub(number.len()).ok_or(crate::asn1::Malformed("number too long"))?;
        out.resize(out.len() + fill, 0);
        out.extend_from_slice(number);
    }
    reader.end()?;
    Ok(out)
}

/// What kind of key this is, from its SubjectPublicKeyInfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// RSA; also `id-RSASSA-PSS`.
    Rsa {
        /// Length of the modulus, bits.
        bits: u32,
        /// For RSASSA-PSS only.
        pss_only: bool,
    },
    /// On a curve.
    Ec {
        /// The curve's name: `P-256`, `brainpoolP256r1`.
        curve: &'static str,
        /// Size of its field, bits.
        bits: u32,
    },
    /// Ed25519.
    Ed25519,
    /// Another one.
    Other,
}

impl Key {
    /// Of a DER SubjectPublicKeyInfo; what cannot be read is [`Key::Other`].
    #[must_use]
    pub fn of(spki: &[u8]) -> Self {
        Self::read(spki).unwrap_or(Self::Other)
    }

    fn read(spki: &[u8]) -> Read<Self> {
        let mut reader = Reader::only(spki, tag::SEQUENCE)?.reader();
        let algorithm = Algorithm::read(reader.sequence()?)?;
        let key = reader.expect(tag::BIT_STRING)?.bits()?;
        Ok(match algorithm.oid {
            oid::RSA | oid::RSA_PSS => {
                let modulus = Reader::only(key, tag::SEQUENCE)?.reader().integer()?;
                let skip = modulus.iter().take_while(|b| **b == 0).count();
                let digits = modulus.get(skip..).unwrap_or_default();
                let unused = digits.first().map_or(0, |b| b.leading_zeros());
                let bits = u32::try_from(digits.len() * 8).unwrap_or(u32::MAX).saturating_sub(unused);
                Self::Rsa { bits, pss_only: algorithm.oid == oid::RSA_PSS }
            }
            oid::EC => {
                let curve = match algorithm.parameters {
                    Some(node) if node.tag == tag::OID => Oid::from_content(node.content)?,
                    _ => return Ok(Self::Other),
                };
                match curve {
                    oid::P256 => Self::Ec { curve: "P-256", bits: 256 },
                    oid::P384 => Self::Ec { curve: "P-384", bits: 384 },
                    oid::P521 => Self::Ec { curve: "P-521", bits: 521 },
                    oid::BRAINPOOL_P256R1 => Self::Ec { curve: "brainpoolP256r1", bits: 256 },
                    oid::BRAINPOOL_P384R1 => Self::Ec { curve: "brainpoolP384r1", bits: 384 },
                    oid::BRAINPOOL_P512R1 => Self::Ec { curve: "brainpoolP512r1", bits: 512 },
                    _ => Self::Other,
                }
            }
            oid::ED25519 => Self::Ed25519,
            _ => Self::Other,
        })
    }

    /// The scheme we sign with under this key; `None` = none.
    #[must_use]
    pub const fn scheme(self) -> Option<Scheme> {
        match self {
            Self::Rsa { pss_only: false, .. } => Some(Scheme::RsaPkcs1(Hash::Sha256)),
            Self::Rsa { .. } => Some(Scheme::RsaPss { hash: Hash::Sha256, mask: Hash::Sha256, salt: 32 }),
            Self::Ec { bits: 0..=256, .. } => Some(Scheme::Ecdsa(Hash::Sha256)),
            Self::Ec { bits: 257..=384, .. } => Some(Scheme::Ecdsa(Hash::Sha384)),
            Self::Ec { .. } => Some(Scheme::Ecdsa(Hash::Sha512)),
            Self::Ed25519 => Some(Scheme::Ed25519),
            Self::Other => None,
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rsa { bits, pss_only: false } => write!(f, "RSA {bits}"),
            Self::Rsa { bits, .. } => write!(f, "RSA-PSS {bits}"),
            Self::Ec { curve, .. } => write!(f, "EC {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other => f.write_str("other"),
        }
    }
}
