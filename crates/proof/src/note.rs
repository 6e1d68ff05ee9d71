// SPDX-License-Identifier: EUPL-1.2
//! Signed notes (C2SP signed-note) and verifier keys.
//!
//! Guarantees: parses and writes the format of the specification; a note is believed only through [`open`],
//! which checks *every* signature of a trusted key, refuses the note if one of them fails or none is there, and
//! ignores unknown ones. Signature types: Ed25519 (0x01) and time-stamped Ed25519 cosignatures (0x04,
//! C2SP tlog-cosignature) of witnesses.
//! Does not: know ML-DSA-44 (0x06) nor ECDSA (0x02); such signatures are unknown and ignored, such keys are
//! refused. Does not judge the time in a cosignature. Text of a note that was parsed but not opened proves nothing.
//!
//! Caps: [`MAX_NOTE_BYTES`], [`MAX_SIGNATURES`], [`MAX_SIGNATURE_BYTES`], [`MAX_NAME_BYTES`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poststelle_crypto::digest::{hex, sha256_of_parts, unhex};
use poststelle_crypto::note::{NoteKeyPair, PUBLIC_KEY_LEN, SIGNATURE_LEN, verify};

use crate::error::{ProofError, Result};

/// Largest note read, in bytes.
pub const MAX_NOTE_BYTES: usize = 1024 * 1024;
/// Most signatures read.
pub const MAX_SIGNATURES: usize = 64;
/// Largest signature read, in bytes, without the key id. Post-quantum signatures take up to 5000.
pub const MAX_SIGNATURE_BYTES: usize = 16 * 1024;
/// Longest key name, in bytes.
pub const MAX_NAME_BYTES: usize = 255;
const SIGNATURE_START: &str = "\u{2014} ";
const KEY_ID_LEN: usize = 4;
const TIMESTAMP_LEN: usize = 8;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Type 0x01: the note text.
    Ed25519,
    /// Type 0x04: the text of a checkpoint together with the time of a witness.
    CosignatureV1,
}

impl KeyKind {
    fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }
}

/// A signature line of a note, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub key_id: u32,
    /// The signature without the key id.
    pub signature: Vec<u8>,
}

/// A parsed note. Nothing in it is proven; see [`open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// A note from a text and its signatures.
    ///
    /// # Errors
    /// [`ProofError::NoteFormat`] when the text is empty, holds control characters or does not end with a new
    /// line, [`ProofError::KeyName`], [`ProofError::NoteSignatures`], [`ProofError::TooLarge`].
    pub fn new(text: &str, signatures: Vec<NoteSignature>) -> Result<Self> {
        check_text(text)?;
        if signatures.is_empty() {
            return Err(ProofError::NoteFormat { reason: "it has no signature" });
        }
        if signatures.len() > MAX_SIGNATURES {
            return Err(ProofError::NoteSignatures { max: MAX_SIGNATURES });
        }
        for signature in &signatures {
            check_name(&signature.name)?;
            check_signature_len(signature.signature.len())?;
        }
        let note = Self { text: text.to_owned(), signatures };
        check_len(note.format().len())?;
        Ok(note)
    }

    /// Reads a note.
    ///
    /// # Errors
    /// [`ProofError::TooLarge`], [`ProofError::NoteFormat`], [`ProofError::NoteSignatures`], [`ProofError::KeyName`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |reason| ProofError::NoteFormat { reason };
        check_len(bytes.len())?;
        let whole = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        // The text may hold empty lines itself: the last one separates it from the signatures.
        let (text, lines) = whole.rsplit_once("\n\n").ok_or_else(|| wrong("it has no signatures"))?;
        let text = whole.get(..=text.len()).ok_or_else(|| wrong("it has no signatures"))?;
        check_text(text)?;
        let lines = lines.strip_suffix('\n').ok_or_else(|| wrong("its last line is cut off"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(ProofError::NoteSignatures { max: MAX_SIGNATURES });
            }
            signatures.push(parse_signature(line)?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The note as text: what [`SignedNote::parse`] reads.
    pub fn format(&self) -> String {
        let mut out = self.text.clone();
        out.push('\n');
        for signature in &self.signatures {
            let mut raw = signature.key_id.to_be_bytes().to_vec();
            raw.extend_from_slice(&signature.signature);
            out.push_str(SIGNATURE_START);
            out.push_str(&signature.name);
            out.push(' ');
            STANDARD.encode_string(raw, &mut out);
            out.push('\n');
        }
        out
    }

    /// The text that was signed, **not verified**; it ends with a new line.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }

    /// The signatures, not verified.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The same note with one more signature, e.g. of a witness. One of the same key is replaced.
    ///
    /// # Errors
    /// As [`SignedNote::new`].
    pub fn with_signature(mut self, signature: NoteSignature) -> Result<Self> {
        self.signatures.retain(|s| s.name != signature.name || s.key_id != signature.key_id);
        self.signatures.push(signature);
        Self::new(&self.text, self.signatures)
    }
}

fn parse_signature(line: &str) -> Result<NoteSignature> {
    let wrong = |reason| ProofError::NoteFormat { reason };
    let rest =
        line.strip_prefix(SIGNATURE_START).ok_or_else(|| wrong("a signature line begins otherwise"))?;
    let (name, encoded) = rest.split_once(' ').ok_or_else(|| wrong("a signature line has no signature"))?;
    check_name(name)?;
    if encoded.len() > (MAX_SIGNATURE_BYTES + KEY_ID_LEN).div_ceil(3) * 4 {
        return Err(wrong("a signature is too long"));
    }
    let raw = STANDARD.decode(encoded).map_err(|_| wrong("a signature is not base64"))?;
    let (key_id, signature) =
        raw.split_first_chunk::<KEY_ID_LEN>().ok_or_else(|| wrong("a signature is too short"))?;
    check_signature_len(signature.len())?;
    Ok(NoteSignature {
        name: name.to_owned(),
        key_id: u32::from_be_bytes(*key_id),
        signature: signature.to_vec(),
    })
}

fn check_signature_len(len: usize) -> Result<()> {
    match len {
        0 => Err(ProofError::NoteFormat { reason: "a signature is too short" }),
        1..=MAX_SIGNATURE_BYTES => Ok(()),
        _ => Err(ProofError::NoteFormat { reason: "a signature is too long" }),
    }
}

fn check_len(len: usize) -> Result<()> {
    if len > MAX_NOTE_BYTES {
        return Err(ProofError::TooLarge { what: "signed note", len, max: MAX_NOTE_BYTES });
    }
    Ok(())
}

fn check_text(text: &str) -> Result<()> {
    if !text.ends_with('\n') {
        return Err(ProofError::NoteFormat { reason: "the text does not end with a new line" });
    }
    if text.chars().any(|c| c < ' ' && c != '\n') {
        return Err(ProofError::NoteFormat { reason: "the text holds a control character" });
    }
    check_len(text.len())
}

fn check_name(name: &str) -> Result<()> {
    let usable = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.chars().any(|c| c == '+' || c.is_whitespace() || c.is_control());
    if usable { Ok(()) } else { Err(ProofError::KeyName) }
}

fn key_id(name: &str, kind: KeyKind, public: &[u8; PUBLIC_KEY_LEN]) -> u32 {
    let [a, b, c, d, ..] = sha256_of_parts(&[name.as_bytes(), b"\n", &[kind.byte()], public]);
    u32::from_be_bytes([a, b, c, d])
}

/// What a time-stamped cosignature signs (C2SP tlog-cosignature, Ed25519 signed message).
fn cosigned_message(text: &str, timestamp: u64) -> String {
    format!("cosignature/v1\ntime {timestamp}\n{text}")
}

/// A public key that somebody trusts, with its name (a *vkey*).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    key_id: u32,
    public: [u8; PUBLIC_KEY_LEN],
}

impl VerifierKey {
    /// A verifier key of an Ed25519 public key.
    ///
    /// # Errors
    /// [`ProofError::KeyName`].
    pub fn new(name: &str, kind: KeyKind, public: [u8; PUBLIC_KEY_LEN]) -> Result<Self> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), kind, key_id: key_id(name, kind, &public), public })
    }

    /// Reads `<name>+<hex key id>+<base64 of type and key>`. The id must be the recommended one.
    ///
    /// # Errors
    /// [`ProofError::VerifierKeyFormat`], [`ProofError::VerifierKeyKind`], [`ProofError::KeyName`].
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |reason| ProofError::VerifierKeyFormat { reason };
        if text.len() > MAX_NAME_BYTES + 4096 {
            return Err(wrong("it is too long"));
        }
        let (name, rest) = text.split_once('+').ok_or_else(|| wrong("it has no '+'"))?;
        let (id, encoded) = rest.split_once('+').ok_or_else(|| wrong("it has only one '+'"))?;
        check_name(name)?;
        let id_bytes = unhex::<KEY_ID_LEN>(id)
            .ok()
            .filter(|_| !id.bytes().any(|b| b.is_ascii_uppercase()))
            .ok_or_else(|| wrong("the key id is not hexadecimal of four bytes in lower case"))?;
        let raw = STANDARD.decode(encoded).map_err(|_| wrong("the key is not base64"))?;
        let (kind, public) = raw.split_first().ok_or_else(|| wrong("the key is empty"))?;
        let kind = match kind {
            0x01 => KeyKind::Ed25519,
            0x04 => KeyKind::CosignatureV1,
            other => return Err(ProofError::VerifierKeyKind { kind: *other }),
        };
        let public = public.try_into().map_err(|_| wrong("the key has not 32 bytes"))?;
        let key = Self::new(name, kind, public)?;
        if key.key_id != u32::from_be_bytes(id_bytes) {
            return Err(wrong("the key id does not belong to name and key"));
        }
        Ok(key)
    }

    /// The key as text: what [`VerifierKey::parse`] reads.
    pub fn format(&self) -> String {
        let mut raw = vec![self.kind.byte()];
        raw.extend_from_slice(&self.public);
        format!("{}+{}+{}", self.name, hex(&self.key_id.to_be_bytes()), STANDARD.encode(raw))
    }

    /// Name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the key signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Id of the key.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The public key, encoded as RFC 8032 says.
    pub fn public_key(&self) -> &[u8; PUBLIC_KEY_LEN] {
        &self.public
    }

    fn made(&self, signature: &NoteSignature) -> bool {
        self.key_id == signature.key_id && self.name == signature.name
    }

    /// Verifies one signature; gives the time of a cosignature.
    fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>> {
        let wrong = || ProofError::SignatureFalse { name: self.name.clone() };
        match self.kind {
            KeyKind::Ed25519 => {
                verify(&self.public, text.as_bytes(), signature).map_err(|_| wrong())?;
                Ok(None)
            }
            KeyKind::CosignatureV1 => {
                let (time, signature) = signature.split_first_chunk::<TIMESTAMP_LEN>().ok_or_else(wrong)?;
                let time = u64::from_be_bytes(*time);
                if i64::try_from(time).is_err() || signature.len() != SIGNATURE_LEN {
                    return Err(wrong());
                }
                verify(&self.public, cosigned_message(text, time).as_bytes(), signature)
                    .map_err(|_| wrong())?;
                Ok(Some(time))
            }
        }
    }
}

/// A private key with its name: signs notes as type 0x01.
#[derive(Debug)]
pub struct NoteSigner {
    verifier: VerifierKey,
    pair: NoteKeyPair,
}

impl NoteSigner {
    /// A signer of this name.
    ///
    /// # Errors
    /// [`ProofError::KeyName`].
    pub fn new(name: &str, pair: NoteKeyPair) -> Result<Self> {
        Ok(Self { verifier: VerifierKey::new(name, KeyKind::Ed25519, pair.public_key())?, pair })
    }

    /// The public half, to be handed to those who verify.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a text that ends with a new line.
    ///
    /// # Errors
    /// [`ProofError::NoteFormat`] for an unusable text, [`ProofError::Crypto`].
    pub fn sign(&self, text: &str) -> Result<NoteSignature> {
        check_text(text)?;
        Ok(NoteSignature {
            name: self.verifier.name.clone(),
            key_id: self.verifier.key_id,
            signature: self.pair.sign(text.as_bytes())?.to_vec(),
        })
    }
}

/// A witness's private key with its name: cosigns checkpoints as type 0x04.
#[derive(Debug)]
pub struct Cosigner {
    verifier: VerifierKey,
    pair: NoteKeyPair,
}

impl Cosigner {
    /// A witness of this name.
    ///
    /// # Errors
    /// [`ProofError::KeyName`].
    pub fn new(name: &str, pair: NoteKeyPair) -> Result<Self> {
        Ok(Self { verifier: VerifierKey::new(name, KeyKind::CosignatureV1, pair.public_key())?, pair })
    }

    /// The public half, to be handed to those who verify.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Cosigns the text of a checkpoint. Whoever calls this states to have verified its consistency with every
    /// checkpoint of that log cosigned before. `timestamp` is in seconds since 1970.
    ///
    /// # Errors
    /// [`ProofError::NoteFormat`] for an unusable text or time, [`ProofError::Crypto`].
    pub fn cosign(&self, text: &str, timestamp: u64) -> Result<NoteSignature> {
        check_text(text)?;
        if i64::try_from(timestamp).is_err() {
            return Err(ProofError::NoteFormat { reason: "the time is beyond 2^63 - 1" });
        }
        let mut signature = timestamp.to_be_bytes().to_vec();
        signature.extend_from_slice(&self.pair.sign(cosigned_message(text, timestamp).as_bytes())?);
        Ok(NoteSignature { name: self.verifier.name.clone(), key_id: self.verifier.key_id, signature })
    }
}

/// One verified signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSignature {
    /// The trusted key that made it.
    pub key: VerifierKey,
    /// Time of a cosignature, in seconds since 1970.
    pub timestamp: Option<u64>,
}

/// A note whose text may be believed as far as its signers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedNote {
    /// The signed text; it ends with a new line.
    pub text: String,
    /// The verified signatures, one per key, in the order of the note.
    pub signed_by: Vec<VerifiedSignature>,
    /// Number of signatures of unknown keys, which were ignored.
    pub ignored: usize,
}

impl OpenedNote {
    /// Whether this key is among the verified ones.
    pub fn is_signed_by(&self, key: &VerifierKey) -> bool {
        self.signed_by.iter().any(|signature| signature.key == *key)
    }
}

/// Verifies a note against trusted keys.
///
/// # Errors
/// [`ProofError::SignatureFalse`] when any signature of a trusted key fails, [`ProofError::NoTrustedSignature`]
/// when there is none, [`ProofError::AmbiguousKey`] when two different trusted keys share name and id.
pub fn open(note: &SignedNote, trusted: &[VerifierKey]) -> Result<OpenedNote> {
    let mut signed_by: Vec<VerifiedSignature> = Vec::new();
    let mut ignored = 0;
    for signature in &note.signatures {
        let mut candidates = trusted.iter().filter(|key| key.made(signature));
        let Some(key) = candidates.next() else {
            ignored += 1;
            continue;
        };
        if candidates.any(|other| other != key) {
            return Err(ProofError::AmbiguousKey { name: key.name.clone() });
        }
        let timestamp = key.verify(&note.text, &signature.signature)?;
        if !signed_by.iter().any(|known| known.key == *key) {
            signed_by.push(VerifiedSignature { key: key.clone(), timestamp });
        }
    }
    if signed_by.is_empty() {
        return Err(ProofError::NoTrustedSignature);
    }
    Ok(OpenedNote { text: note.text.clone(), signed_by, ignored })
}
