// SPDX-License-Identifier: EUPL-1.2
//! A little PKI for the demo: a root, a citizen who signs, an authority that is written to in secret.
//!
//! Guarantees: what is made lies in the folders the house reads (trusted certificates, keys of the tenant) and is the same
//! at the next start; the citizen's signatures carry the root's revocation list, so that nothing must be fetched. Does not:
//! protect anything. Every key lies open beside the demo's data.

use std::io;
use std::path::{Path, PathBuf};

use poststelle_crypto::certificate::{Certificate, pem};
use poststelle_crypto::cms::{self, ContentCipher, Options, ToSign};
use poststelle_crypto::error::CryptoError;
use poststelle_crypto::identity::FileIdentity;
use poststelle_model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};

/// The citizen: name and address.
pub const CITIZEN: (&str, &str) = ("Erika Beispielhaft", "erika.beispielhaft@buerger.example");

/// Why there is no PKI.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Files.
    #[error("files of the demo's certificates: {0}")]
    Io(#[from] io::Error),
    /// Making it.
    #[error("making the demo's certificates: {0}")]
    Made(#[from] rcgen::Error),
    /// Reading it back.
    #[error("reading the demo's certificates: {0}")]
    Read(#[from] CryptoError),
}

/// Where the PKI lies.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folder of the trusted certificates.
    pub trust: PathBuf,
    /// Folder of the tenant's keys.
    pub keys: PathBuf,
    /// Folder for what belongs to the citizen.
    pub outside: PathBuf,
    /// Address of the authority.
    pub address: String,
}

/// The citizen's key, and whom she writes to in secret.
#[derive(Debug)]
pub struct Pki {
    citizen: FileIdentity,
    lists: Vec<Vec<u8>>,
    mailbox: Certificate,
}

impl Pki {
    /// Reads the PKI, or makes it when one of its files is not there.
    ///
    /// # Errors
    /// See [`PkiError`].
    pub fn at(places: &Places) -> Result<Self, PkiError> {
        let root = places.trust.join("Demo-Zertifizierungsstelle.pem");
        let mailbox = places.keys.join("poststelle.pem");
        let citizen = places.outside.join("buergerin.pem");
        let list = places.outside.join("sperrliste.pem");
        if ![&root, &mailbox, &citizen, &list].into_iter().all(|p| p.exists()) {
            for folder in [&places.trust, &places.keys, &places.outside] {
                std::fs::create_dir_all(folder)?;
            }
            let made = Made::new(&places.address)?;
            std::fs::write(&root, made.root)?;
            write_private(&mailbox, &made.mailbox)?;
            write_private(&citizen, &made.citizen)?;
            std::fs::write(&list, made.list)?;
        }
        let read = |path: &Path| std::fs::read(path);
        let (citizen, mailbox) = (read(&citizen)?, read(&mailbox)?);
        let mailbox = Certificate::all_from(&mailbox).into_iter().next();
        Ok(Self {
            citizen: FileIdentity::from_pem(&citizen, &citizen)?,
            lists: pem::blocks(&read(&list)?, 1).into_iter().map(|b| b.octets.to_vec()).collect(),
            mailbox: mailbox.ok_or(CryptoError::KeyUnusable { reason: "no certificate in the file" })?,
        })
    }

    /// The citizen's detached signature.
    ///
    /// # Errors
    /// When her key cannot sign.
    pub fn sign(&self, octets: &[u8], at: Timestamp) -> Result<Vec<u8>, CryptoError> {
        let claimed_at = Some(at.0.div_euclid(1_000_000));
        cms::sign(
            ToSign::Detached(octets),
            &self.citizen,
            Options { claimed_at, lists: &self.lists, ..Options::default() },
        )
    }

    /// Encrypts for the authority.
    ///
    /// # Errors
    /// When its certificate is not for that.
    pub fn encrypt(&self, octets: &[u8]) -> Result<Vec<u8>, CryptoError> {
        cms::encrypt(octets, std::slice::from_ref(&self.mailbox), ContentCipher::Aes256Gcm)
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// PEM of everything.
struct Made {
    root: String,
    mailbox: String,
    citizen: String,
    list: String,
}

impl Made {
    fn new(address: &str) -> Result<Self, rcgen::Error> {
        let key = || KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256);
        let mut root = params("Demo-Zertifizierungsstelle");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = CertifiedIssuer::self_signed(root, key()?)?;
        let leaf = |name: &str, address: &str, usages: Vec<KeyUsagePurpose>| {
            let key = key()?;
            let mut leaf = params(name);
            leaf.key_usages = usages;
            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
            leaf.subject_alt_names = vec![SanType::Rfc822Name(address.try_into()?)];
            let certificate = leaf.signed_by(&key, &root)?;
            Ok::<_, rcgen::Error>(format!("{}{}", key.serialize_pem(), certificate.pem()))
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2024, 1, 1),
            next_update: rcgen::date_time_ymd(2040, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let signs = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        Ok(Self {
            mailbox: leaf("Poststelle", address, vec![KeyUsagePurpose::KeyAgreement])?,
            citizen: leaf(CITIZEN.0, CITIZEN.1, signs)?,
            list: list.signed_by(&root)?.pem()?,
            root: root.pem(),
        })
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params
}
