// SPDX-License-Identifier: EUPL-1.2
//! Keys in a token behind PKCS#11 (v2.40): smart card, HSM, SoftHSM.
//!
//! Guarantees: a module is loaded and initialised once per process (doing it twice at the same time crashes some); a
//! session is used by one thread at a time and thrown away after an error; a signature that does not fit the certificate
//! never leaves (a wrong pair of key and certificate, or a faulty token). Does not: create keys or set PINs; Ed25519.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::{DecryptionKey, Signer, oaep};
use crate::asn1::{Reader, tag, write};
use crate::certificate::Certificate;
use crate::error::{CryptoError, Result};
use crate::signature::algorithm::{Hash, Scheme, Signed, ecdsa_from_plain, verify_raw};

/// All modules of this process by path.
static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

fn module(path: &Path) -> Result<Pkcs11> {
    // Held while the module initialises: two at once crash some modules.
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(path).map_err(|error| told(&error))?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(told(&error)),
    }
    modules.insert(path.to_owned(), module.clone());
    Ok(module)
}

fn told(error: &Error) -> CryptoError {
    CryptoError::Token { reason: error.to_string() }
}

/// Which key in which token.
#[derive(Debug, Clone)]
pub struct Place {
    /// The module's library.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// Label of the private key.
    pub key: String,
}

/// A certificate with its key in a token.
pub struct TokenIdentity {
    module: Pkcs11,
    slot: Slot,
    place: Place,
    pin: AuthPin,
    idle: Mutex<Vec<(Session, ObjectHandle)>>,
    certificate: Certificate,
    chain: Vec<Certificate>,
}

impl TokenIdentity {
    /// Opens the token; the first of the certificates is the key's, the others its issuers.
    ///
    /// # Errors
    /// When the module, the token, the PIN or the key is not there.
    pub fn open(place: Place, pin: &str, certificates: &[Certificate]) -> Result<Self> {
        let missing = |what: &str| CryptoError::Token { reason: format!("no {what} with that label") };
        let (certificate, chain) = certificates
            .split_first()
            .ok_or(CryptoError::KeyUnusable { reason: "no certificate for the key" })?;
        let module = module(&place.module)?;
        let slots = module.get_slots_with_token().map_err(|error| told(&error))?;
        let labelled =
            |slot: &Slot| module.get_token_info(*slot).is_ok_and(|info| info.label() == place.token);
        let slot = slots.into_iter().find(labelled).ok_or_else(|| missing("token"))?;
        let identity = Self {
            slot,
            module,
            pin: AuthPin::from(pin.to_owned()),
            idle: Mutex::new(vec![]),
            certificate: certificate.clone(),
            chain: chain.to_vec(),
            place,
        };
        let first = identity.session()?;
        identity.idle().push(first);
        Ok(identity)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Session, ObjectHandle)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new session, logged in, with the key found.
    fn session(&self) -> Result<(Session, ObjectHandle)> {
        let session = self.module.open_rw_session(self.slot).map_err(|error| told(&error))?;
        match session.login(UserType::User, Some(&self.pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(told(&error)),
        }
        let template = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Label(self.place.key.clone().into_bytes()),
        ];
        let found = session.find_objects(&template).map_err(|error| told(&error))?;
        let key = found.first().ok_or(CryptoError::Token { reason: "no key with that label".to_owned() })?;
        Ok((session, *key))
    }

    /// Runs something in a session; the session is kept when it went well, or when the token only said no.
    fn with<T>(&self, run: impl Fn(&Session, ObjectHandle) -> Result<T, Error>) -> Result<T, Failure> {
        let idle = self.idle().pop();
        let (session, key) = match idle {
            Some(idle) => idle,
            None => self.session().map_err(Failure::Broken)?,
        };
        match run(&session, key) {
            Ok(value) => {
                self.idle().push((session, key));
                Ok(value)
            }
            Err(Error::Pkcs11(
                refused @ (RvError::EncryptedDataInvalid
                | RvError::EncryptedDataLenRange
                | RvError::MechanismInvalid
                | RvError::MechanismParamInvalid
                | RvError::ArgumentsBad
                | RvError::FunctionNotSupported
                | RvError::DataInvalid
                | RvError::DataLenRange
                // What SoftHSM says of a wrong padding; a token that is broken says DeviceError.
                | RvError::GeneralError),
                _,
            )) => Err(Failure::Refused(refused)),
            Err(error) => Err(Failure::Broken(told(&error))),
        }
    }
}

/// Why a call gave nothing.
enum Failure {
    /// The token said no to this call.
    Refused(RvError),
    /// It does not work.
    Broken(CryptoError),
}

impl Failure {
    fn error(self) -> CryptoError {
        match self {
            Self::Refused(why) => CryptoError::Token { reason: why.to_string() },
            Self::Broken(error) => error,
        }
    }
}

/// Refused = `None`.
fn unless_refused<T>(result: Result<T, Failure>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Refused(_)) => Ok(None),
        Err(Failure::Broken(error)) => Err(error),
    }
}

impl std::fmt::Debug for TokenIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenIdentity({:?}, {:?})", self.place, self.certificate)
    }
}

/// Digest and mask of PKCS#11 for a hash; SHA-3 is not among them.
const fn names(hash: Hash) -> Option<(MechanismType, PkcsMgfType)> {
    Some(match hash {
        Hash::Sha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        Hash::Sha224 => (MechanismType::SHA224, PkcsMgfType::MGF1_SHA224),
        Hash::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        Hash::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
        Hash::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
        _ => return None,
    })
}

impl Signer for TokenIdentity {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    fn sign(&self, scheme: Scheme, data: &[u8]) -> Result<Vec<u8>> {
        let unfit = CryptoError::KeyUnusable { reason: "token cannot sign with this algorithm" };
        let Some(hash) = scheme.hash() else { return Err(unfit) };
        let digest = hash.digest(data);
        let (mechanism, input) = match scheme {
            Scheme::RsaPkcs1(hash) => {
                let info =
                    write::sequence(&[&write::algorithm(hash.oid(), write::NULL), &write::octets(&digest)]);
                (Mechanism::RsaPkcs, info)
            }
            Scheme::RsaPss { hash, mask, salt } => {
                let (Some((hash_alg, _)), Some((_, mgf))) = (names(hash), names(mask)) else {
                    return Err(unfit);
                };
                (
                    Mechanism::RsaPkcsPss(PkcsPssParams { hash_alg, mgf, s_len: u64::from(salt).into() }),
                    digest,
                )
            }
            Scheme::Ecdsa(_) => (Mechanism::Ecdsa, digest),
            Scheme::Ed25519 => return Err(unfit),
        };
        let value =
            self.with(|session, key| session.sign(&mechanism, key, &input)).map_err(Failure::error)?;
        let value = if matches!(scheme, Scheme::Ecdsa(_)) { ecdsa_from_plain(&value) } else { value };
        if verify_raw(self.certificate.spki(), scheme, Signed::Data(data), &value) {
            Ok(value)
        } else {
            Err(CryptoError::KeyUnusable { reason: "key in the token does not belong to the certificate" })
        }
    }
}

impl DecryptionKey for TokenIdentity {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn rsa_raw(&self, cipher: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let plain = self.with(|session, key| session.decrypt(&Mechanism::RsaX509, key, cipher));
        Ok(unless_refused(plain)?.map(|plain| {
            // Some tokens leave leading zeros out.
            let mut block = Zeroizing::new(vec![0; cipher.len().saturating_sub(plain.len())]);
            block.extend_from_slice(&Zeroizing::new(plain));
            block
        }))
    }

    /// By the token, or, where it does not know these digests (SoftHSM knows only SHA-1), by raw RSA and our own decoding.
    fn oaep(
        &self,
        hash: Hash,
        mask: Hash,
        label: &[u8],
        cipher: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>> {
        if let (Some((hash_alg, _)), Some((_, mgf))) = (names(hash), names(mask)) {
            let source = if label.is_empty() {
                PkcsOaepSource::empty()
            } else {
                PkcsOaepSource::data_specified(label)
            };
            let mechanism = Mechanism::RsaPkcsOaep(PkcsOaepParams::new(hash_alg, mgf, source));
            match self.with(|session, key| session.decrypt(&mechanism, key, cipher)) {
                Ok(plain) => return Ok(Some(Zeroizing::new(plain))),
                Err(Failure::Refused(
                    RvError::MechanismInvalid | RvError::MechanismParamInvalid | RvError::ArgumentsBad,
                )) => {}
                Err(Failure::Refused(_)) => return Ok(None),
                Err(Failure::Broken(error)) => return Err(error),
            }
        }
        Ok(self.rsa_raw(cipher)?.and_then(|block| oaep::decode(&block, hash, mask, label)))
    }

    fn agree(&self, peer: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let point = || {
            let mut reader = Reader::only(peer, tag::SEQUENCE)?.reader();
            reader.sequence()?;
            reader.expect(tag::BIT_STRING)?.bits()
        };
        let Ok(point) = point() else { return Ok(None) };
        let len = point.len().saturating_sub(1) / 2;
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
            Attribute::Token(false),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
            Attribute::ValueLen((len as u64).into()),
        ];
        let secret = self.with(|session, key| {
            let mechanism = Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(EcKdf::null(), point));
            let derived = session.derive_key(&mechanism, key, &template)?;
            let read = session.get_attributes(derived, &[AttributeType::Value]);
            session.destroy_object(derived)?;
            read
        });
        let found = unless_refused(secret)?.unwrap_or_default();
        Ok(found.into_iter().find_map(|attribute| match attribute {
            Attribute::Value(value) if value.len() == len => Some(Zeroizing::new(value)),
            _ => None,
        }))
    }
}
