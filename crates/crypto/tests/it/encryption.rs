// SPDX-License-Identifier: EUPL-1.2
//! Encrypted messages to and from `openssl cms`.

use poststelle_crypto::cms::{ContentCipher, Options, ToSign, decrypt, encrypt, recipients, sign};
use poststelle_crypto::error::CryptoError;
use poststelle_crypto::identity::{DecryptionKey, FileIdentity};
use poststelle_crypto::signature::SubIndication;
use poststelle_crypto::signature::algorithm::{Hash, Scheme};
use poststelle_crypto::signature::cms::{Detached, verify};

use crate::pki::{P256, Pki, RSA};

const CONTENT: &[u8] = b"Content-Type: text/plain\r\n\r\nvertraulich\r\n";

fn ec(curve: &str) -> String {
    P256.replace("P-256", curve)
}

pub fn identity(pki: &Pki, name: &str) -> FileIdentity {
    FileIdentity::from_pem(&pki.read(&format!("{name}.key")), &pki.read(&format!("{name}.pem"))).unwrap()
}

#[test]
fn what_openssl_encrypts_opens() {
    let Some(pki) = Pki::new() else { return };
    pki.write("content", CONTENT);
    pki.issue("rsa", RSA, "recipient");
    for curve in ["P-256", "P-384", "P-521", "brainpoolP256r1"] {
        pki.issue(curve, &ec(curve), "recipient");
    }
    pki.issue("other", RSA, "recipient");
    let oaep = "-keyopt rsa_padding_mode:oaep";
    let mut cases: Vec<(&str, String, &str)> = Vec::new();
    for (flag, name) in [
        ("-aes-128-cbc", "AES-128-CBC"),
        ("-aes-192-cbc", "AES-192-CBC"),
        ("-aes-256-cbc", "AES-256-CBC"),
        ("-des3", "3DES-CBC"),
        ("-aes-128-gcm", "AES-128-GCM"),
        ("-aes-192-gcm", "AES-192-GCM"),
        ("-aes-256-gcm", "AES-256-GCM"),
    ] {
        for padding in [
            String::new(),
            oaep.to_owned(),
            format!("{oaep} -keyopt rsa_oaep_md:sha256"),
            format!("{oaep} -keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:sha1"),
            format!("{oaep} -keyopt rsa_oaep_md:sha512 -keyopt rsa_mgf1_md:sha256"),
        ] {
            cases.push(("rsa", format!("{flag} -recip rsa.pem {padding}"), name));
        }
        cases.push(("rsa", format!("{flag} -keyid -recip other.pem -recip rsa.pem"), name));
        // With 3DES openssl wraps the key by 3DES too unless told otherwise; we read AES key wrap only.
        let flag = if flag == "-des3" { "-des3 -aes128-wrap" } else { flag };
        for curve in ["P-256", "P-384", "P-521", "brainpoolP256r1"] {
            for kdf in ["", "-keyopt ecdh_kdf_md:sha256", "-keyopt ecdh_kdf_md:sha512 -keyid"] {
                if kdf.ends_with("-keyid") {
                    cases.push((curve, format!("{flag} -keyid -recip {curve}.pem"), name));
                } else {
                    cases.push((curve, format!("{flag} -recip {curve}.pem {kdf}"), name));
                }
            }
        }
    }
    for (key, options, cipher) in &cases {
        for stream in ["", "-stream"] {
            pki.openssl(&format!(
                "cms -encrypt -binary -in content -outform DER -out out {options} {stream}"
            ));
            let made = pki.read("out");
            let key = identity(&pki, key);
            let opened = decrypt(&made, &[&key]).unwrap_or_else(|e| panic!("{options} {stream}: {e}"));
            assert_eq!(opened.content, CONTENT, "{options} {stream}");
            assert_eq!(opened.cipher, *cipher);
            assert_eq!(opened.authenticated, cipher.ends_with("GCM"));
        }
    }
}

#[test]
fn openssl_opens_what_we_encrypt() {
    let Some(pki) = Pki::new() else { return };
    pki.issue("rsa", RSA, "recipient");
    let mut names = vec!["rsa"];
    for curve in ["P-256", "P-384", "P-521", "brainpoolP256r1"] {
        pki.issue(curve, &ec(curve), "recipient");
        names.push(curve);
    }
    let all: Vec<_> = names.iter().map(|name| pki.certificate(name)).collect();
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc] {
        let made = encrypt(CONTENT, &all, cipher).unwrap();
        pki.write("made", &made);
        assert_eq!(recipients(&made).unwrap().len(), names.len());
        for name in &names {
            let opened = pki.openssl(&format!(
                "cms -decrypt -binary -inform DER -in made -recip {name}.pem -inkey {name}.key"
            ));
            assert_eq!(opened.as_bytes(), CONTENT, "{name}");
            assert_eq!(decrypt(&made, &[&identity(&pki, name)]).unwrap().content, CONTENT);
        }
    }
    pki.issue("signer", RSA, "signer");
    assert!(matches!(
        encrypt(CONTENT, &[pki.certificate("signer")], ContentCipher::Aes256Gcm),
        Err(CryptoError::KeyUnusable { .. })
    ));
}

#[test]
fn damaged_messages_and_foreign_keys_are_told_apart() {
    let Some(pki) = Pki::new() else { return };
    pki.write("content", CONTENT);
    pki.issue("rsa", RSA, "recipient");
    pki.issue("other", RSA, "recipient");
    let (key, other) = (identity(&pki, "rsa"), identity(&pki, "other"));
    let keys: [&dyn DecryptionKey; 1] = [&key];
    let made = encrypt(CONTENT, &[pki.certificate("rsa")], ContentCipher::Aes256Gcm).unwrap();
    match decrypt(&made, &[&other]) {
        Err(CryptoError::NoRecipient { recipients }) => {
            assert_eq!(recipients.len(), 1);
            assert!(recipients[0].contains("CN=issuer"), "{recipients:?}");
        }
        other => panic!("{other:?}"),
    }
    for at in 0..made.len() {
        let mut flipped = made.clone();
        flipped[at] ^= 0x10;
        if let Ok(opened) = decrypt(&flipped, &keys) {
            // Only what GCM does not cover and nobody reads: versions, the type's label.
            assert_eq!(opened.content, CONTENT, "octet {at}");
        }
    }
    // With PKCS #1 v1.5 a broken padding is indistinguishable from a broken content.
    pki.openssl("cms -encrypt -binary -aes-256-gcm -in content -outform DER -out v15 -recip rsa.pem");
    let v15 = pki.read("v15");
    let encrypted = v15.windows(4).position(|w| w == [0x04, 0x82, 0x01, 0x00]).unwrap();
    let mut key_broken = v15.clone();
    key_broken[encrypted + 100] ^= 1;
    let mut content_broken = v15.clone();
    *content_broken.last_mut().unwrap() ^= 1;
    for broken in [&key_broken, &content_broken] {
        assert!(matches!(decrypt(broken, &keys), Err(CryptoError::Undecryptable)));
    }
    assert!(matches!(decrypt(b"0\x03\x02\x01\x00", &keys), Err(CryptoError::CmsFormat { .. })));
}

#[test]
fn openssl_verifies_what_we_sign() {
    let Some(pki) = Pki::new() else { return };
    pki.write("content", CONTENT);
    let pss = Scheme::RsaPss { hash: Hash::Sha512, mask: Hash::Sha512, salt: 64 };
    for (name, key, scheme) in [
        ("rsa", RSA.to_owned(), None),
        ("rsa", RSA.to_owned(), Some(pss)),
        ("p256", P256.to_owned(), None),
        ("p384", ec("P-384"), None),
        ("p521", ec("P-521"), None),
        ("bp256", ec("brainpoolP256r1"), None),
        ("bp512", ec("brainpoolP512r1"), None),
    ] {
        if !pki.file(&format!("{name}.pem")).exists() {
            pki.issue(name, &key, "signer");
        }
        let signer = identity(&pki, name);
        let options = Options { scheme, claimed_at: Some(pki.now() - 1800), stamp: None, lists: &[] };
        pki.write("attached", &sign(ToSign::Attached(CONTENT), &signer, options).unwrap());
        pki.write("detached", &sign(ToSign::Detached(CONTENT), &signer, options).unwrap());
        let verify = "cms -verify -cades -binary -inform DER -CAfile chain.pem -out verified";
        pki.openssl(&format!("{verify} -in attached"));
        assert_eq!(pki.read("verified"), CONTENT);
        pki.openssl(&format!("{verify} -in detached -content content"));
        pki.write("wrong", b"anderes");
        assert!(!pki.openssl_says(&format!("{verify} -in detached -content wrong")), "{name}");
    }
}

#[test]
fn our_ed25519_signatures_pass_with_us() {
    // No foreign program here makes or takes CMS with Ed25519: openssl 3.0 cannot.
    let Some(pki) = Pki::new() else { return };
    pki.issue("ed", "-algorithm ED25519", "signer");
    let made = sign(ToSign::Detached(CONTENT), &identity(&pki, "ed"), Options::default()).unwrap();
    let (trust, known) = (pki.trust(), pki.lists());
    let setting = crate::pki::setting(&trust, &known, pki.now());
    let judgement = verify(&made, Detached::Content(CONTENT), &setting);
    assert!(judgement.reports[0].verdict.is_passed(), "{:?}", judgement.reports);
    assert_eq!(judgement.reports[0].algorithm, "Ed25519");
    let judgement = verify(&made, Detached::Content(b"anderes"), &setting);
    assert_eq!(judgement.reports[0].verdict.sub, Some(SubIndication::HashFailure));
}
