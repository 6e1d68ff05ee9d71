// SPDX-License-Identifier: EUPL-1.2
//! The one place with `unsafe`: calls of AWS-LC that its safe interface lacks (Brainpool curves, `id-RSASSA-PSS` keys,
//! OAEP with another mask digest, raw RSA, 3DES and AES-192 for reading, key wrap with 192 bits).
//!
//! Guarantees: every pointer given to C comes from a slice or a live owned handle and is given with its length; every
//! handle is freed once by its owner; output buffers are as long as the documentation of the call demands, and are cut
//! to what it says it wrote; refusals become `None` or `false` and the error queue of the thread is emptied.
//! Does not: decide anything about trust.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys as c;
use zeroize::Zeroizing;

use crate::signature::algorithm::{Hash, Scheme};

/// Largest RSA modulus we compute with: larger ones only cost time.
const RSA_BITS: c_int = 16_384;

/// The digest's description lives as long as the program.
fn md(hash: Hash) -> *const c::EVP_MD {
    // SAFETY: these functions take nothing and return pointers to static data.
    unsafe {
        match hash {
            Hash::Sha1 => c::EVP_sha1(),
            Hash::Sha224 => c::EVP_sha224(),
            Hash::Sha256 => c::EVP_sha256(),
            Hash::Sha384 => c::EVP_sha384(),
            Hash::Sha512 => c::EVP_sha512(),
            Hash::Sha3_256 => c::EVP_sha3_256(),
            Hash::Sha3_384 => c::EVP_sha3_384(),
            Hash::Sha3_512 => c::EVP_sha3_512(),
        }
    }
}

/// Did the call say yes? Empties the error queue when not.
fn yes(returned: c_int) -> Option<()> {
    if returned == 1 {
        return Some(());
    }
    // SAFETY: works on the thread's own queue.
    unsafe { c::ERR_clear_error() };
    None
}

/// An owned EVP_PKEY.
struct Key(NonNull<c::EVP_PKEY>);

// SAFETY: AWS-LC documents that an EVP_PKEY may be used from several threads at once as long as none changes it; we
// change none after it was made.
unsafe impl Send for Key {}
// SAFETY: as above.
unsafe impl Sync for Key {}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: we own exactly this one reference.
        unsafe { c::EVP_PKEY_free(self.0.as_ptr()) };
    }
}

impl Key {
    fn parse(der: &[u8], with: unsafe extern "C" fn(*mut c::CBS) -> *mut c::EVP_PKEY) -> Option<Self> {
        let mut cbs = c::CBS { data: der.as_ptr(), len: der.len() };
        // SAFETY: `cbs` points to a live slice of its length; the result is owned by us or null.
        let key = NonNull::new(unsafe { with(&raw mut cbs) });
        let Some(key) = key else {
            yes(0)?;
            return None;
        };
        let key = Self(key);
        // SAFETY: live handle.
        let bits = unsafe { c::EVP_PKEY_bits(key.0.as_ptr()) };
        (cbs.len == 0 && bits <= RSA_BITS).then_some(key)
    }

    fn kind(&self) -> c_int {
        // SAFETY: live handle.
        unsafe { c::EVP_PKEY_id(self.0.as_ptr()) }
    }

    /// Longest output of an operation with this key.
    fn size(&self) -> usize {
        // SAFETY: live handle.
        usize::try_from(unsafe { c::EVP_PKEY_size(self.0.as_ptr()) }).unwrap_or(0)
    }

    fn context(&self) -> Option<Context<'_>> {
        // SAFETY: live handle; the context takes its own reference.
        let context = NonNull::new(unsafe { c::EVP_PKEY_CTX_new(self.0.as_ptr(), ptr::null_mut()) })?;
        Some(Context(context, std::marker::PhantomData))
    }
}

/// An owned EVP_PKEY_CTX over a key.
struct Context<'a>(NonNull<c::EVP_PKEY_CTX>, std::marker::PhantomData<&'a Key>);

impl Drop for Context<'_> {
    fn drop(&mut self) {
        // SAFETY: we own it.
        unsafe { c::EVP_PKEY_CTX_free(self.0.as_ptr()) };
    }
}

impl Context<'_> {
    /// Sets digest and padding; the context was initialised for signing or verifying.
    fn set_scheme(&self, scheme: Scheme) -> Option<()> {
        let at = self.0.as_ptr();
        // SAFETY: live context, static digests.
        unsafe {
            match scheme {
                Scheme::RsaPkcs1(hash) => {
                    yes(c::EVP_PKEY_CTX_set_rsa_padding(at, c::RSA_PKCS1_PADDING))?;
                    yes(c::EVP_PKEY_CTX_set_signature_md(at, md(hash)))
                }
                Scheme::RsaPss { hash, mask, salt } => {
                    yes(c::EVP_PKEY_CTX_set_rsa_padding(at, c::RSA_PKCS1_PSS_PADDING))?;
                    yes(c::EVP_PKEY_CTX_set_signature_md(at, md(hash)))?;
                    yes(c::EVP_PKEY_CTX_set_rsa_mgf1_md(at, md(mask)))?;
                    yes(c::EVP_PKEY_CTX_set_rsa_pss_saltlen(at, c_int::try_from(salt).ok()?))
                }
                Scheme::Ecdsa(hash) => yes(c::EVP_PKEY_CTX_set_signature_md(at, md(hash))),
                Scheme::Ed25519 => None,
            }
        }
    }

    fn set_oaep(&self, hash: Hash, mask: Hash, label: &[u8]) -> Option<()> {
        let at = self.0.as_ptr();
        // SAFETY: live context, static digests; set0 takes ownership of memory that OPENSSL_memdup allocated, and only
        // when it says yes.
        unsafe {
            yes(c::EVP_PKEY_CTX_set_rsa_padding(at, c::RSA_PKCS1_OAEP_PADDING))?;
            yes(c::EVP_PKEY_CTX_set_rsa_oaep_md(at, md(hash)))?;
            yes(c::EVP_PKEY_CTX_set_rsa_mgf1_md(at, md(mask)))?;
            if !label.is_empty() {
                let copy = c::OPENSSL_memdup(label.as_ptr().cast(), label.len());
                if copy.is_null() {
                    return None;
                }
                if yes(c::EVP_PKEY_CTX_set0_rsa_oaep_label(at, copy.cast(), label.len())).is_none() {
                    c::OPENSSL_free(copy);
                    return None;
                }
            }
            Some(())
        }
    }
}

/// May a key of this kind be used with this scheme?
fn fits(kind: c_int, scheme: Scheme) -> bool {
    match scheme {
        Scheme::RsaPkcs1(_) => kind == c::EVP_PKEY_RSA,
        Scheme::RsaPss { .. } => kind == c::EVP_PKEY_RSA || kind == c::EVP_PKEY_RSA_PSS,
        Scheme::Ecdsa(_) => kind == c::EVP_PKEY_EC,
        Scheme::Ed25519 => kind == c::EVP_PKEY_ED25519,
    }
}

/// A public key.
pub(crate) struct PublicKey(Key);

impl PublicKey {
    /// From DER of a SubjectPublicKeyInfo; explicit curve parameters and RSA above 16,384 bits are refused.
    pub fn from_spki(spki: &[u8]) -> Option<Self> {
        Key::parse(spki, c::EVP_parse_public_key).map(Self)
    }

    /// Does the signature fit the digest? Not for Ed25519.
    pub fn verify_digest(&self, scheme: Scheme, digest: &[u8], signature: &[u8]) -> bool {
        let run = || {
            if !fits(self.0.kind(), scheme) {
                return None;
            }
            let context = self.0.context()?;
            // SAFETY: live context; slices with their lengths.
            yes(unsafe { c::EVP_PKEY_verify_init(context.0.as_ptr()) })?;
            context.set_scheme(scheme)?;
            yes(unsafe {
                c::EVP_PKEY_verify(
                    context.0.as_ptr(),
                    signature.as_ptr(),
                    signature.len(),
                    digest.as_ptr(),
                    digest.len(),
                )
            })
        };
        run().is_some()
    }

    /// Does the Ed25519 signature fit the data?
    pub fn verify_ed25519(&self, data: &[u8], signature: &[u8]) -> bool {
        let run = || {
            if !fits(self.0.kind(), Scheme::Ed25519) {
                return None;
            }
            let digest = DigestContext::new()?;
            // SAFETY: live handles; null digest as Ed25519 demands; slices with their lengths.
            unsafe {
                yes(c::EVP_DigestVerifyInit(
                    digest.0.as_ptr(),
                    ptr::null_mut(),
                    ptr::null(),
                    ptr::null_mut(),
                    self.0.0.as_ptr(),
                ))?;
                yes(c::EVP_DigestVerify(
                    digest.0.as_ptr(),
                    signature.as_ptr(),
                    signature.len(),
                    data.as_ptr(),
                    data.len(),
                ))
            }
        };
        run().is_some()
    }

    /// RSAES-OAEP (RFC 8017 §7.1) without label.
    pub fn oaep(&self, hash: Hash, mask: Hash, plain: &[u8]) -> Option<Vec<u8>> {
        if self.0.kind() != c::EVP_PKEY_RSA {
            return None;
        }
        let context = self.0.context()?;
        // SAFETY: live context.
        yes(unsafe { c::EVP_PKEY_encrypt_init(context.0.as_ptr()) })?;
        context.set_oaep(hash, mask, &[])?;
        let mut out = vec![0; self.0.size()];
        let mut len = out.len();
        // SAFETY: `out` has the size of the modulus, the longest output; `len` says so.
        yes(unsafe {
            c::EVP_PKEY_encrypt(
                context.0.as_ptr(),
                out.as_mut_ptr(),
                &raw mut len,
                plain.as_ptr(),
                plain.len(),
            )
        })?;
        out.truncate(len);
        Some(out)
    }

    /// A new key on the same curve.
    pub fn ephemeral(&self) -> Option<PrivateKey> {
        if self.0.kind() != c::EVP_PKEY_EC {
            return None;
        }
        let context = self.0.context()?;
        let mut made = ptr::null_mut();
        // SAFETY: live context over a key with a curve, which the new key takes; we own the result.
        unsafe {
            yes(c::EVP_PKEY_keygen_init(context.0.as_ptr()))?;
            yes(c::EVP_PKEY_keygen(context.0.as_ptr(), &raw mut made))?;
        }
        NonNull::new(made).map(Key).map(PrivateKey)
    }
}

/// An owned EVP_MD_CTX.
struct DigestContext(NonNull<c::EVP_MD_CTX>);

impl DigestContext {
    fn new() -> Option<Self> {
        // SAFETY: takes nothing; we own the result.
        NonNull::new(unsafe { c::EVP_MD_CTX_new() }).map(Self)
    }
}

impl Drop for DigestContext {
    fn drop(&mut self) {
        // SAFETY: we own it.
        unsafe { c::EVP_MD_CTX_free(self.0.as_ptr()) };
    }
}

/// A private key; wiped by AWS-LC when dropped.
pub(crate) struct PrivateKey(Key);

impl PrivateKey {
    /// From DER of PKCS#8 (RFC 5208), not encrypted.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        Key::parse(der, c::EVP_parse_private_key).map(Self)
    }

    /// DER of its SubjectPublicKeyInfo.
    pub fn spki(&self) -> Option<Vec<u8>> {
        let mut out = ptr::null_mut();
        // SAFETY: live handle; with a null pointer the call allocates and gives the length.
        let len = unsafe { c::i2d_PUBKEY(self.0.0.as_ptr(), &raw mut out) };
        let len = usize::try_from(len).ok().filter(|_| !out.is_null())?;
        // SAFETY: the call wrote `len` octets there; freed by its allocator after copying.
        let octets = unsafe { std::slice::from_raw_parts(out, len) }.to_vec();
        unsafe { c::OPENSSL_free(out.cast()) };
        Some(octets)
    }

    /// Signs a digest. Not for Ed25519.
    pub fn sign_digest(&self, scheme: Scheme, digest: &[u8]) -> Option<Vec<u8>> {
        if !fits(self.0.kind(), scheme) {
            return None;
        }
        let context = self.0.context()?;
        // SAFETY: live context.
        yes(unsafe { c::EVP_PKEY_sign_init(context.0.as_ptr()) })?;
        context.set_scheme(scheme)?;
        let mut out = vec![0; self.0.size()];
        let mut len = out.len();
        // SAFETY: `out` has the longest length of a signature; `len` says so.
        yes(unsafe {
            c::EVP_PKEY_sign(
                context.0.as_ptr(),
                out.as_mut_ptr(),
                &raw mut len,
                digest.as_ptr(),
                digest.len(),
            )
        })?;
        out.truncate(len);
        Some(out)
    }

    /// Signs data with Ed25519.
    pub fn sign_ed25519(&self, data: &[u8]) -> Option<Vec<u8>> {
        if !fits(self.0.kind(), Scheme::Ed25519) {
            return None;
        }
        let digest = DigestContext::new()?;
        let mut out = vec![0; 64];
        let mut len = out.len();
        // SAFETY: as in `verify_ed25519`; a signature has 64 octets.
        unsafe {
            yes(c::EVP_DigestSignInit(
                digest.0.as_ptr(),
                ptr::null_mut(),
                ptr::null(),
                ptr::null_mut(),
                self.0.0.as_ptr(),
            ))?;
            yes(c::EVP_DigestSign(
                digest.0.as_ptr(),
                out.as_mut_ptr(),
                &raw mut len,
                data.as_ptr(),
                data.len(),
            ))?;
        }
        out.truncate(len);
        Some(out)
    }

    /// RSA without padding: as long as the modulus.
    pub fn rsa_raw(&self, cipher: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.decrypt(cipher, |context| {
            // SAFETY: live context.
            yes(unsafe { c::EVP_PKEY_CTX_set_rsa_padding(context.0.as_ptr(), c::RSA_NO_PADDING) })
        })
    }

    /// RSAES-OAEP (RFC 8017 §7.1).
    pub fn oaep(&self, hash: Hash, mask: Hash, label: &[u8], cipher: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.decrypt(cipher, |context| context.set_oaep(hash, mask, label))
    }

    fn decrypt(
        &self,
        cipher: &[u8],
        padding: impl Fn(&Context<'_>) -> Option<()>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        if self.0.kind() != c::EVP_PKEY_RSA {
            return None;
        }
        let context = self.0.context()?;
        // SAFETY: live context.
        yes(unsafe { c::EVP_PKEY_decrypt_init(context.0.as_ptr()) })?;
        padding(&context)?;
        let mut out = Zeroizing::new(vec![0; self.0.size()]);
        let mut len = out.len();
        // SAFETY: `out` has the size of the modulus, the longest output; `len` says so.
        yes(unsafe {
            c::EVP_PKEY_decrypt(
                context.0.as_ptr(),
                out.as_mut_ptr(),
                &raw mut len,
                cipher.as_ptr(),
                cipher.len(),
            )
        })?;
        out.truncate(len);
        Some(out)
    }

    /// ECDH with a key on the same curve: the x coordinate.
    pub fn agree(&self, peer: &PublicKey) -> Option<Zeroizing<Vec<u8>>> {
        if self.0.kind() != c::EVP_PKEY_EC || peer.0.kind() != c::EVP_PKEY_EC {
            return None;
        }
        let context = self.0.context()?;
        let mut out = Zeroizing::new(vec![0; 128]);
        let mut len = out.len();
        // SAFETY: live handles; AWS-LC checked that the peer's point lies on its curve when it parsed it, and refuses
        // another curve; 128 octets hold any x coordinate (66).
        unsafe {
            yes(c::EVP_PKEY_derive_init(context.0.as_ptr()))?;
            yes(c::EVP_PKEY_derive_set_peer(context.0.as_ptr(), peer.0.0.as_ptr()))?;
            yes(c::EVP_PKEY_derive(context.0.as_ptr(), out.as_mut_ptr(), &raw mut len))?;
        }
        out.truncate(len);
        Some(out)
    }
}

/// Block ciphers in CBC mode with the padding of RFC 5652 §6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cbc {
    /// AES with 128 bits.
    Aes128,
    /// AES with 192 bits.
    Aes192,
    /// AES with 256 bits.
    Aes256,
    /// Triple DES with three keys; for reading only.
    TripleDes,
}

impl Cbc {
    /// Octets of its key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
        }
    }

    /// Octets of its block and initial vector.
    pub const fn block(self) -> usize {
        if matches!(self, Self::TripleDes) { 8 } else { 16 }
    }

    fn cipher(self) -> *const c::EVP_CIPHER {
        // SAFETY: takes nothing, returns static data.
        unsafe {
            match self {
                Self::Aes128 => c::EVP_aes_128_cbc(),
                Self::Aes192 => c::EVP_aes_192_cbc(),
                Self::Aes256 => c::EVP_aes_256_cbc(),
                Self::TripleDes => c::EVP_des_ede3_cbc(),
            }
        }
    }

    /// Decrypts and takes the padding off; `None` for wrong lengths or padding.
    pub fn decrypt(self, key: &[u8], iv: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        self.run(key, iv, data, 0)
    }

    /// Pads and encrypts.
    pub fn encrypt(self, key: &[u8], iv: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        self.run(key, iv, data, 1)
    }

    fn run(self, key: &[u8], iv: &[u8], data: &[u8], encrypt: c_int) -> Option<Vec<u8>> {
        if key.len() != self.key_len() || iv.len() != self.block() {
            return None;
        }
        let len = c_int::try_from(data.len()).ok()?;
        // SAFETY: we own the context; key and iv have the lengths the cipher reads; `out` is one block longer than the
        // input, the most that Update and Final write together.
        unsafe {
            let context = NonNull::new(c::EVP_CIPHER_CTX_new())?;
            let mut out = vec![0; data.len() + self.block()];
            let (mut first, mut last) = (0, 0);
            let done = yes(c::EVP_CipherInit_ex(
                context.as_ptr(),
                self.cipher(),
                ptr::null_mut(),
                key.as_ptr(),
                iv.as_ptr(),
                encrypt,
            ))
            .and_then(|()| {
                yes(c::EVP_CipherUpdate(
                    context.as_ptr(),
                    out.as_mut_ptr(),
                    &raw mut first,
                    data.as_ptr(),
                    len,
                ))
            })
            .and_then(|()| usize::try_from(first).ok())
            .filter(|first| *first <= data.len() + self.block())
            .and_then(|first| {
                yes(c::EVP_CipherFinal_ex(context.as_ptr(), out.as_mut_ptr().add(first), &raw mut last))?;
                Some(first + usize::try_from(last).ok()?)
            });
            c::EVP_CIPHER_CTX_free(context.as_ptr());
            out.truncate(done?);
            Some(out)
        }
    }
}

/// AES-GCM with 128, 192 or 256 bits by the length of the key; tag of 12 to 16 octets behind the cipher text.
pub(crate) fn gcm(
    encrypt: bool,
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    data: &[u8],
    tag: usize,
) -> Option<Vec<u8>> {
    // SAFETY: static descriptions; the context is ours; key has the length that belongs to it; `out` is as long as the
    // call may write, and it says how much it wrote.
    unsafe {
        let aead = match key.len() {
            16 => c::EVP_aead_aes_128_gcm(),
            24 => c::EVP_aead_aes_192_gcm(),
            32 => c::EVP_aead_aes_256_gcm(),
            _ => return None,
        };
        if !(12..=16).contains(&tag) {
            return None;
        }
        let Some(context) = NonNull::new(c::EVP_AEAD_CTX_new(aead, key.as_ptr(), key.len(), tag)) else {
            yes(0)?;
            return None;
        };
        let call = if encrypt { c::EVP_AEAD_CTX_seal } else { c::EVP_AEAD_CTX_open };
        let mut out = vec![0; data.len() + tag];
        let mut len = 0;
        let done = yes(call(
            context.as_ptr(),
            out.as_mut_ptr(),
            &raw mut len,
            out.len(),
            nonce.as_ptr(),
            nonce.len(),
            data.as_ptr(),
            data.len(),
            aad.as_ptr(),
            aad.len(),
        ));
        c::EVP_AEAD_CTX_free(context.as_ptr());
        done?;
        out.truncate(len);
        Some(out)
    }
}

/// AES key wrap (RFC 3394) of a key of 16 to 64 octets.
pub(crate) fn wrap(kek: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    if !(16..=64).contains(&key.len()) || !key.len().is_multiple_of(8) {
        return None;
    }
    let mut schedule = std::mem::MaybeUninit::<c::AES_KEY>::uninit();
    let mut out = vec![0; key.len() + 8];
    // SAFETY: the schedule is filled before use; a null iv means the standard one; `out` is 8 octets longer than `key`.
    let len = unsafe {
        if c::AES_set_encrypt_key(kek.as_ptr(), key_bits(kek)?, schedule.as_mut_ptr()) != 0 {
            return None;
        }
        c::AES_wrap_key(schedule.as_ptr(), ptr::null(), out.as_mut_ptr(), key.as_ptr(), key.len())
    };
    (usize::try_from(len).ok() == Some(out.len())).then_some(out)
}

/// The reverse of [`wrap`]; `None` when it does not fit.
pub(crate) fn unwrap(kek: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !(24..=72).contains(&wrapped.len()) || !wrapped.len().is_multiple_of(8) {
        return None;
    }
    let mut schedule = std::mem::MaybeUninit::<c::AES_KEY>::uninit();
    let mut out = Zeroizing::new(vec![0; wrapped.len() - 8]);
    // SAFETY: as in `wrap`; `out` is 8 octets shorter than `wrapped`.
    let len = unsafe {
        if c::AES_set_decrypt_key(kek.as_ptr(), key_bits(kek)?, schedule.as_mut_ptr()) != 0 {
            return None;
        }
        c::AES_unwrap_key(schedule.as_ptr(), ptr::null(), out.as_mut_ptr(), wrapped.as_ptr(), wrapped.len())
    };
    (usize::try_from(len).ok() == Some(out.len())).then_some(out)
}

/// Bits of an AES key; `None` for a length AES has not.
fn key_bits(key: &[u8]) -> Option<u32> {
    matches!(key.len(), 16 | 24 | 32).then_some(key.len() as u32 * 8)
}
