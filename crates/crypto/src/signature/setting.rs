// SPDX-License-Identifier: EUPL-1.2
//! Under which conditions a signature is judged: whom we trust, when, by which rules, with which facts from outside.
//!
//! Guarantees: nothing here is read from a clock or a network. Default end dates of algorithms follow ETSI TS 119 312;
//! they are configuration, the operator may change them.

use super::algorithm::{Hash, Key, Scheme};
use super::{Known, SubIndication, UnixTime, Verdict};
use crate::asn1::{Oid, oid};
use crate::certificate::Certificate;

/// A certificate we trust because the operator or a trusted list says so.
#[derive(Debug, Clone)]
pub struct Anchor {
    /// The certificate; an issuer's or the signer's own.
    pub certificate: Certificate,
    /// Name of the source, shown to people: file of the operator, trusted list of a state.
    pub source: String,
    /// Trusted from; `None` = always.
    pub since: Option<UnixTime>,
    /// Trusted until, that second not included; `None` = still.
    pub until: Option<UnixTime>,
    /// Type of the service in the trusted list (URI); empty = not from one.
    pub service: String,
    /// Certificates below it are judged by the chain model: each issuer must have been valid when it issued, not when
    /// the signature was made. Certificates may also demand that themselves.
    pub chain_model: bool,
}

impl Anchor {
    /// Trusted by the operator, without limits.
    #[must_use]
    pub fn of_operator(certificate: Certificate, source: &str) -> Self {
        Self {
            certificate,
            source: source.to_owned(),
            since: None,
            until: None,
            service: String::new(),
            chain_model: false,
        }
    }
}

/// Whom we trust and by which rules.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Where chains may end.
    pub anchors: Vec<Anchor>,
    /// Issuers we know without trusting them.
    pub intermediates: Vec<Certificate>,
    /// The rules.
    pub policy: Policy,
}

/// Rules of validation.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Until when which algorithm counts.
    pub algorithms: Algorithms,
    /// Purposes (extended key usage) that fit a signature on documents, if a certificate names any.
    pub purposes: Vec<Oid>,
    /// A signature passes even if nothing can be learned about revocation; noted as `revocation-unknown`.
    pub may_be_offline: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            algorithms: Algorithms::default(),
            purposes: vec![
                oid::EMAIL_PROTECTION,
                oid::DOCUMENT_SIGNING,
                oid::MICROSOFT_DOCUMENT_SIGNING,
                oid::ADOBE_DOCUMENT_SIGNING,
                oid::CLIENT_AUTH,
            ],
            may_be_offline: false,
        }
    }
}

/// Until when which algorithm counts (that second not included). What is not listed never counts.
#[derive(Debug, Clone)]
pub struct Algorithms {
    /// Digests.
    pub hashes: Vec<(Hash, UnixTime)>,
    /// RSA from so many bits; the longest that fits decides.
    pub rsa: Vec<(u32, UnixTime)>,
    /// Curves from so many bits; likewise.
    pub curves: Vec<(u32, UnixTime)>,
}

/// Without end.
pub const FOREVER: UnixTime = UnixTime::MAX;

impl Default for Algorithms {
    fn default() -> Self {
        Self {
            hashes: vec![
                (Hash::Sha1, 1_325_376_000),   // 2012-01-01
                (Hash::Sha224, 1_861_920_000), // 2029-01-01
                (Hash::Sha256, FOREVER),
                (Hash::Sha384, FOREVER),
                (Hash::Sha512, FOREVER),
                (Hash::Sha3_256, FOREVER),
                (Hash::Sha3_384, FOREVER),
                (Hash::Sha3_512, FOREVER),
            ],
            rsa: vec![(1024, 1_199_145_600), (1536, 1_262_304_000), (1900, 1_861_920_000), (3000, FOREVER)],
            curves: vec![(256, FOREVER)],
        }
    }
}

impl Algorithms {
    /// Does scheme and key count at that time?
    ///
    /// # Errors
    /// The verdict when not.
    pub fn check(&self, scheme: Scheme, key: Key, at: UnixTime) -> Result<(), Verdict> {
        let of_size = |table: &[(u32, UnixTime)], bits: u32| {
            table
                .iter()
                .filter(|(least, _)| *least <= bits)
                .map(|(_, until)| *until)
                .max()
                .unwrap_or(UnixTime::MIN)
        };
        if let Some(hash) = scheme.hash() {
            self.check_hash(hash, at)?;
        }
        let until = match key {
            Key::Rsa { bits, .. } => of_size(&self.rsa, bits),
            Key::Ec { bits, .. } => of_size(&self.curves, bits),
            Key::Ed25519 => FOREVER,
            Key::Other => UnixTime::MIN,
        };
        if at >= until { Err(weak(&key.to_string())) } else { Ok(()) }
    }

    /// Does the digest count at that time?
    ///
    /// # Errors
    /// The verdict when not.
    pub fn check_hash(&self, hash: Hash, at: UnixTime) -> Result<(), Verdict> {
        let until = self.hashes.iter().find(|(h, _)| *h == hash).map_or(UnixTime::MIN, |(_, until)| *until);
        if at >= until { Err(weak(hash.name())) } else { Ok(()) }
    }
}

fn weak(what: &str) -> Verdict {
    Verdict::indeterminate(
        SubIndication::CryptoConstraintsFailureNoPoe,
        format!("{what} is no longer sufficient"),
    )
}

/// All conditions together.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Whom we trust.
    pub trust: &'a Trust,
    /// When the hub received the object: proven by its own evidence, so nothing in it was signed later.
    pub received: UnixTime,
    /// When it is judged.
    pub now: UnixTime,
    /// What was fetched from outside so far.
    pub known: &'a [Known],
}

/// What is known about the time of signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    /// Proven to be made after that.
    pub earliest: Option<UnixTime>,
    /// Proven to be made before that.
    pub latest: UnixTime,
}

impl When {
    /// Exactly then.
    #[must_use]
    pub const fn at(time: UnixTime) -> Self {
        Self { earliest: Some(time), latest: time }
    }

    /// Not later than that, perhaps long before.
    #[must_use]
    pub const fn by(time: UnixTime) -> Self {
        Self { earliest: None, latest: time }
    }
}
