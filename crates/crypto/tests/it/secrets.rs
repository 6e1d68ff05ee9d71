// SPDX-License-Identifier: EUPL-1.2
//! Passwords, tokens, authentication codes, note signatures.

use poststelle_crypto::CryptoError;
use poststelle_crypto::digest::{hex, unhex};
use poststelle_crypto::note::{NoteKeyPair, verify};
use poststelle_crypto::password::{self, Cost, PASSWORD_MAX};
use poststelle_crypto::token::{MacKey, Token, constant_time_eq};

const CHEAP: Cost = Cost { memory_kib: 16, passes: 1, lanes: 1 };

#[test]
fn passwords() {
    let stored = password::hash(b"Gr\xc3\xbc\xc3\x9fe aus Anklam").unwrap();
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
    assert!(password::verify(b"Gr\xc3\xbc\xc3\x9fe aus Anklam", &stored).unwrap());
    assert!(!password::verify(b"Gruesse aus Anklam", &stored).unwrap());
    assert!(!password::needs_rehash(&stored));
    assert!(password::verify_or_dummy(b"Gr\xc3\xbc\xc3\x9fe aus Anklam", Some(&stored)).unwrap());
    assert!(!password::verify_or_dummy(b"x", None).unwrap());

    let cheap = password::hash_with(CHEAP, b"x").unwrap();
    assert_ne!(cheap, password::hash_with(CHEAP, b"x").unwrap(), "the salt is random");
    assert!(password::verify(b"x", &cheap).unwrap());
    assert!(password::needs_rehash(&cheap));
}

#[test]
fn password_hash_of_another_implementation() {
    // Made with the C reference implementation: 64 KiB, three passes, one lane.
    let stored =
        "$argon2id$v=19$m=64,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$XeeXZAxxzl4dvhftF7p9JJrbwg2wMEYOhL1MMlEBhE4";
    assert!(password::verify(b"correct horse", stored).unwrap());
    assert!(!password::verify(b"correct horsf", stored).unwrap());
}

#[test]
fn password_caps() {
    let long = vec![b'a'; PASSWORD_MAX + 1];
    assert!(matches!(password::hash_with(CHEAP, &long), Err(CryptoError::PasswordTooLong { .. })));
    let stored = password::hash_with(CHEAP, &long[..PASSWORD_MAX]).unwrap();
    assert!(password::verify(&long[..PASSWORD_MAX], &stored).unwrap());
    assert!(!password::verify(&long, &stored).unwrap(), "the tail is not cut off silently");
    assert!(!password::verify_or_dummy(&long, None).unwrap());

    for (m, t, p) in [("4194304", "2", "1"), ("19456", "4000000", "1"), ("19456", "2", "1000")] {
        let expensive = format!(
            "$argon2id$v=19$m={m},t={t},p={p}$c29tZXNhbHQ$RdescudvJCsgt3ub+b/dWRWJTmaaVObGAAAAAAAAAAA"
        );
        assert!(matches!(password::verify(b"x", &expensive), Err(CryptoError::PasswordCost)));
    }
    let long = format!("$argon2id$v=19$m=16,t=1,p=1${}", "A".repeat(1000));
    for wrong in [
        "",
        "x",
        "$argon2id$",
        "$argon2i$v=19$m=16,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b/dWRWJTmaaVObGAAAAAAAAAAA",
        "$argon2id$v=16$m=16,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b/dWRWJTmaaVObGAAAAAAAAAAA",
        "$argon2id$v=19$m=16,t=1,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=16,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub",
        "$2b$12$abcdefghijklmnopqrstuv",
        &long,
    ] {
        assert!(matches!(password::verify(b"x", wrong), Err(CryptoError::PasswordHashFormat)), "{wrong}");
        assert!(password::needs_rehash(wrong));
    }
}

#[test]
fn tokens() {
    let token = Token::generate().unwrap();
    assert_eq!(token.reveal().len(), 43);
    assert_ne!(token.reveal(), Token::generate().unwrap().reveal());
    let again = Token::parse(token.reveal()).unwrap();
    assert_eq!(again.lookup_hash(), token.lookup_hash());
    assert_eq!(token.lookup_hash(), poststelle_crypto::digest::sha256(token.reveal().as_bytes()));
    assert_eq!(format!("{token:?}"), "Token(redacted)");

    let padded = format!("{}=", "A".repeat(42));
    // The last character of 43 carries two bits that must be zero.
    let not_canonical = format!("{}B", "A".repeat(42));
    for wrong in ["", "A", &padded, &not_canonical, &"A".repeat(44), &"+".repeat(43), &"ä".repeat(21)] {
        assert!(matches!(Token::parse(wrong), Err(CryptoError::TokenFormat)), "{wrong}");
    }
}

#[test]
fn authentication_codes() {
    // RFC 4231, test case 1 and 3 (shortest keys this crate takes: 16 bytes).
    let key = MacKey::new(&[0x0b; 20]).unwrap();
    let tag = key.sign(b"Hi There");
    assert_eq!(hex(&tag), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    let other = MacKey::new(&[0xaa; 20]).unwrap();
    assert_eq!(
        hex(&other.sign(&[0xdd; 50])),
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
    );
    key.verify(b"Hi There", &tag).unwrap();
    for (data, tag) in [(&b"Hi there"[..], &tag[..]), (b"Hi There", &tag[..31]), (b"Hi There", b"")] {
        assert!(matches!(key.verify(data, tag), Err(CryptoError::MacMismatch)));
    }
    assert!(other.verify(b"Hi There", &tag).is_err());
    assert!(matches!(MacKey::new(&[1; 15]), Err(CryptoError::MacKeyTooShort { min: 16 })));
    let random = MacKey::generate().unwrap();
    random.verify(b"x", &random.sign(b"x")).unwrap();
}

#[test]
fn authentication_codes_over_fields() {
    let key = MacKey::generate().unwrap();
    let tag = key.sign_parts(&[b"bounce", b"0190", b"7"]);
    for len in 16..=32 {
        key.verify_parts(&[b"bounce", b"0190", b"7"], &tag[..len]).unwrap();
    }
    let mut longer = tag.to_vec();
    longer.push(0);
    assert!(key.verify_parts(&[b"bounce", b"0190", b"7"], &tag[..15]).is_err());
    assert!(key.verify_parts(&[b"bounce", b"0190", b"7"], &longer).is_err());
    assert!(key.verify_parts(&[b"bounce", b"01907"], &tag).is_err());
    assert!(key.verify_parts(&[b"bounce", b"019", b"07"], &tag).is_err());
    assert!(key.verify_parts(&[b"bounce0190", b"", b"7"], &tag).is_err());
    assert!(constant_time_eq(b"a", b"a") && !constant_time_eq(b"a", b"b") && !constant_time_eq(b"a", b"ab"));
}

#[test]
fn note_keys() {
    // RFC 8032, 7.1, test 2.
    let seed = unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
    let key = NoteKeyPair::from_seed(&seed).unwrap();
    let public = unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c").unwrap();
    assert_eq!(key.public_key(), public);
    let signature = key.sign(&[0x72]).unwrap();
    assert_eq!(
        hex(&signature),
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    );
    verify(&public, &[0x72], &signature).unwrap();
    assert!(matches!(verify(&public, &[0x73], &signature), Err(CryptoError::SignatureMismatch)));
    assert!(verify(&public, &[0x72], &signature[..63]).is_err());
    assert!(verify(&public, &[0x72], &[]).is_err());
    assert!(verify(&[0xff; 32], &[0x72], &signature).is_err());
    for at in 0..64 {
        let mut tampered = signature;
        tampered[at] ^= 1;
        assert!(verify(&public, &[0x72], &tampered).is_err(), "at {at}");
    }
}

#[test]
fn note_keys_survive_storage() {
    let key = NoteKeyPair::generate().unwrap();
    let stored = key.to_pkcs8().unwrap();
    let again = NoteKeyPair::from_pkcs8(&stored).unwrap();
    assert_eq!(again.public_key(), key.public_key());
    assert_eq!(again.sign(b"x").unwrap(), key.sign(b"x").unwrap());
    assert!(!format!("{key:?}").contains(&hex(&stored[16..48])));
    for cut in 0..stored.len() {
        assert!(NoteKeyPair::from_pkcs8(&stored[..cut]).is_err());
    }
}
