// SPDX-License-Identifier: EUPL-1.2
//! Extensions of certificates: RFC 5280 §4.2, RFC 6960 §4.2.2.2.1, EN 319 412-5, the validity model of CommonPKI.
//!
//! Guarantees: an extension that occurs twice or is not well formed makes the certificate unreadable; critical ones
//! that nobody here judges are listed in [`Extensions::unknown_critical`].

use crate::asn1::{Malformed, Node, Oid, Read, Reader, oid, small, tag};

/// A GeneralName: its context number and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneralName {
    /// 1 e-mail, 2 DNS, 4 directory name, 6 URI, 7 address …
    pub kind: u8,
    /// Its content; of a directory name the DER of the name.
    pub content: Vec<u8>,
}

impl GeneralName {
    /// Reads one.
    #[must_use]
    pub fn read(node: &Node<'_>) -> Self {
        Self { kind: node.tag & 0x1f, content: node.content.to_vec() }
    }

    /// As text, for e-mail, DNS and URI.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// Permitted and excluded subtrees (RFC 5280 §4.2.1.10).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameConstraints {
    /// Names must lie below one of these, per kind.
    pub permitted: Vec<GeneralName>,
    /// Names must not lie below these.
    pub excluded: Vec<GeneralName>,
}

/// What the extensions of a certificate say.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    /// Is it an issuer's?
    pub ca: bool,
    /// How many issuers may follow.
    pub path_len: Option<u32>,
    /// Bits of the key usage, bit 0 = digitalSignature; `None` = not said.
    pub key_usage: Option<u16>,
    /// Purposes; `None` = not said.
    pub purposes: Option<Vec<Oid>>,
    /// Is the extension of purposes critical?
    pub purposes_critical: bool,
    /// Identifier of its key.
    pub subject_key_id: Option<Vec<u8>>,
    /// Identifier of the issuer's key.
    pub authority_key_id: Option<Vec<u8>>,
    /// Other names of the subject.
    pub alternative_names: Vec<GeneralName>,
    /// Constraints for names in certificates below.
    pub name_constraints: Option<NameConstraints>,
    /// Policies it was issued under.
    pub policies: Vec<Oid>,
    /// An explicit policy is needed after so many certificates.
    pub explicit_policy: Option<u32>,
    /// "Any policy" counts no longer after so many certificates.
    pub inhibit_any_policy: Option<u32>,
    /// Pairs of policies that this issuer holds for equal.
    pub policy_mappings: Vec<(Oid, Oid)>,
    /// Names of its distribution points, of every kind.
    pub crl_points: Vec<GeneralName>,
    /// Where its revocation lists lie.
    pub crl_urls: Vec<String>,
    /// Where its responder is.
    pub ocsp_urls: Vec<String>,
    /// Where its issuer's certificate lies.
    pub issuer_urls: Vec<String>,
    /// A responder's certificate that need not be asked about.
    pub no_check: bool,
    /// Must be judged by the chain model.
    pub chain_model: bool,
    /// Statements about qualification, as [`crate::signature::CertificateFacts::statements`].
    pub statements: Vec<String>,
    /// Critical extensions nobody here judges.
    pub unknown_critical: Vec<Oid>,
}

/// Bits of the key usage (RFC 5280 §4.2.1.3).
pub mod usage {
    #![allow(missing_docs)]
    pub const DIGITAL_SIGNATURE: u16 = 1;
    pub const NON_REPUDIATION: u16 = 1 << 1;
    pub const KEY_ENCIPHERMENT: u16 = 1 << 2;
    pub const DATA_ENCIPHERMENT: u16 = 1 << 3;
    pub const KEY_AGREEMENT: u16 = 1 << 4;
    pub const CERT_SIGN: u16 = 1 << 5;
    pub const CRL_SIGN: u16 = 1 << 6;
}

impl Extensions {
    /// Reads the SEQUENCE's content.
    ///
    /// # Errors
    /// When one occurs twice or is not well formed.
    pub fn read(reader: Reader<'_>) -> Read<Self> {
        let mut out = Self::default();
        let mut seen = Vec::new();
        for node in reader.all(100)? {
            let mut extension = node.tagged(tag::SEQUENCE)?.reader();
            let which = extension.oid()?;
            let critical = match extension.optional(tag::BOOLEAN)? {
                Some(node) => node.boolean()?,
                None => false,
            };
            let value = extension.octets()?;
            extension.end()?;
            if seen.contains(&which) {
                return Err(Malformed("extension occurs twice"));
            }
            seen.push(which);
            if !out.take(which, critical, value)? && critical {
                out.unknown_critical.push(which);
            }
        }
        Ok(out)
    }

    /// Takes one over; `false` = not known.
    fn take(&mut self, which: Oid, critical: bool, value: &[u8]) -> Read<bool> {
        match which {
            oid::BASIC_CONSTRAINTS => {
                let mut reader = Reader::only(value, tag::SEQUENCE)?.reader();
                if let Some(node) = reader.optional(tag::BOOLEAN)? {
                    self.ca = node.boolean()?;
                }
                self.path_len = reader.optional(tag::INTEGER)?.map(|node| small(node.content)).transpose()?;
            }
            oid::KEY_USAGE => self.key_usage = Some(Reader::only(value, tag::BIT_STRING)?.flags()?),
            oid::EXTENDED_KEY_USAGE => {
                self.purposes = Some(oids(value)?);
                self.purposes_critical = critical;
            }
            oid::SUBJECT_KEY_ID => {
                self.subject_key_id = Some(Reader::only(value, tag::OCTET_STRING)?.content.to_vec());
            }
            oid::AUTHORITY_KEY_ID => {
                let mut reader = Reader::only(value, tag::SEQUENCE)?.reader();
                self.authority_key_id = reader.optional(tag::context(0))?.map(|node| node.content.to_vec());
            }
            oid::SUBJECT_ALT_NAME => self.alternative_names = general_names(value)?,
            oid::NAME_CONSTRAINTS => {
                let mut reader = Reader::only(value, tag::SEQUENCE)?.reader();
                let mut constraints = NameConstraints::default();
                if let Some(node) = reader.optional(tag::constructed(0))? {
                    constraints.permitted = subtrees(&node)?;
                }
                if let Some(node) = reader.optional(tag::constructed(1))? {
                    constraints.excluded = subtrees(&node)?;
                }
                self.name_constraints = Some(constraints);
            }
            oid::CERTIFICATE_POLICIES => {
                for node in Reader::only(value, tag::SEQUENCE)?.reader().all(100)? {
                    self.policies.push(node.tagged(tag::SEQUENCE)?.reader().oid()?);
                }
            }
            oid::POLICY_MAPPINGS => {
                for node in Reader::only(value, tag::SEQUENCE)?.reader().all(100)? {
                    let mut pair = node.tagged(tag::SEQUENCE)?.reader();
                    self.policy_mappings.push((pair.oid()?, pair.oid()?));
                }
            }
            oid::POLICY_CONSTRAINTS => {
                let mut reader = Reader::only(value, tag::SEQUENCE)?.reader();
                self.explicit_policy =
                    reader.optional(tag::context(0))?.map(|node| small(node.content)).transpose()?;
            }
            oid::INHIBIT_ANY_POLICY => {
                self.inhibit_any_policy = Some(small(Reader::only(value, tag::INTEGER)?.content)?);
            }
            oid::CRL_DISTRIBUTION_POINTS => {
                for node in Reader::only(value, tag::SEQUENCE)?.reader().all(100)? {
                    let mut point = node.tagged(tag::SEQUENCE)?.reader();
                    let Some(name) = point.optional(tag::constructed(0))? else { continue };
                    if let Some(full) = name.reader().optional(tag::constructed(0))? {
                        self.crl_points.extend(names(&full)?);
                        self.crl_urls.extend(urls(&full)?);
                    }
                }
            }
            oid::AUTHORITY_INFO => {
                for node in Reader::only(value, tag::SEQUENCE)?.reader().all(100)? {
                    let mut access = node.tagged(tag::SEQUENCE)?.reader();
                    let method = access.oid()?;
                    let place = GeneralName::read(&access.next_node()?);
                    match (method, place.kind) {
                        (oid::OCSP, 6) => self.ocsp_urls.push(place.text()),
                        (oid::CA_ISSUERS, 6) => self.issuer_urls.push(place.text()),
                        _ => {}
                    }
                }
            }
            oid::OCSP_NO_CHECK => self.no_check = true,
            oid::VALIDITY_MODEL => {
                let mut reader = Reader::only(value, tag::SEQUENCE)?.reader();
                self.chain_model = reader.oid()? == oid::VALIDITY_MODEL_CHAIN;
            }
            oid::QC_STATEMENTS => {
                for node in Reader::only(value, tag::SEQUENCE)?.reader().all(100)? {
                    let mut statement = node.tagged(tag::SEQUENCE)?.reader();
                    match statement.oid()? {
                        oid::QC_COMPLIANCE => self.statements.push("QcCompliance".to_owned()),
                        oid::QC_SSCD => self.statements.push("QcSSCD".to_owned()),
                        oid::QC_TYPE => {
                            for kind in oids(statement.rest())? {
                                let kind = match kind {
                                    oid::QC_ESIGN => "esign".to_owned(),
                                    oid::QC_ESEAL => "eseal".to_owned(),
                                    oid::QC_WEB => "web".to_owned(),
                                    other => other.to_string(),
                                };
                                self.statements.push(format!("QcType:{kind}"));
                            }
                        }
                        _ => {}
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// E-mail addresses among the alternative names.
    pub fn emails(&self) -> impl Iterator<Item = String> + '_ {
        self.alternative_names.iter().filter(|name| name.kind == 1).map(GeneralName::text)
    }

    /// May its key be used for one of these? Also when nothing is said.
    #[must_use]
    pub fn allows_usage(&self, any_of: u16) -> bool {
        self.key_usage.is_none_or(|usage| usage & any_of != 0)
    }

    /// May it be used for one of these purposes? Also when nothing is said.
    #[must_use]
    pub fn allows_purpose(&self, any_of: &[Oid]) -> bool {
        self.purposes.as_ref().is_none_or(|purposes| {
            purposes.iter().any(|purpose| *purpose == oid::ANY_PURPOSE || any_of.contains(purpose))
        })
    }
}

fn oids(value: &[u8]) -> Read<Vec<Oid>> {
    let nodes = Reader::only(value, tag::SEQUENCE)?.reader().all(100)?;
    nodes.iter().map(|node| Oid::from_content(node.tagged(tag::OID)?.content)).collect()
}

fn general_names(value: &[u8]) -> Read<Vec<GeneralName>> {
    Ok(Reader::only(value, tag::SEQUENCE)?.reader().all(1000)?.iter().map(GeneralName::read).collect())
}

fn subtrees(node: &Node<'_>) -> Read<Vec<GeneralName>> {
    let nodes = node.reader().all(1000)?;
    nodes
        .iter()
        .map(|node| Ok(GeneralName::read(&node.tagged(tag::SEQUENCE)?.reader().next_node()?)))
        .collect()
}

/// All names in a [0].
pub(crate) fn names(names: &Node<'_>) -> Read<Vec<GeneralName>> {
    Ok(names.reader().all(100)?.iter().map(GeneralName::read).collect())
}

/// Web addresses among the names in a [0]; others (LDAP) are left out.
fn urls(names: &Node<'_>) -> Read<Vec<String>> {
    Ok(names
        .reader()
        .all(100)?
        .iter()
        .filter(|node| node.tag == tag::context(6))
        .map(|node| String::from_utf8_lossy(node.content).into_owned())
        .filter(|url| url.starts_with("http://") || url.starts_with("https://"))
        .collect())
}
