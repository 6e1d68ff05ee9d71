// SPDX-License-Identifier: EUPL-1.2
//! Keys in SoftHSM: signing for openssl, opening what openssl encrypted.

use std::path::PathBuf;
use std::process::Command;

use poststelle_crypto::cms::{Options, ToSign, decrypt, sign};
use poststelle_crypto::error::CryptoError;
use poststelle_crypto::identity::pkcs11::{Place, TokenIdentity};
use poststelle_crypto::signature::algorithm::{Hash, Scheme};

use crate::pki::{P256, Pki, RSA, has};

const PIN: &str = "987654";
const CONTENT: &[u8] = b"aus dem Token";

/// SoftHSM reads its configuration from the environment of the process; a test that needs it runs alone in a process of
/// its own: this test starts itself again with the variable set.
#[test]
fn keys_in_softhsm_sign_and_open() {
    const INSIDE: &str = "POSTSTELLE_TEST_IN_SOFTHSM";
    if std::env::var_os(INSIDE).is_some() {
        return;
    }
    if !has("softhsm2-util", "--version") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("softhsm2.conf");
    std::fs::create_dir(dir.path().join("tokens")).unwrap();
    std::fs::write(&conf, format!("directories.tokendir = {}\n", dir.path().join("tokens").display()))
        .unwrap();
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "token::inside_softhsm", "--nocapture", "--ignored"])
        .env("SOFTHSM2_CONF", &conf)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "started by keys_in_softhsm_sign_and_open with the configuration of SoftHSM"]
fn inside_softhsm() {
    let Some(pki) = Pki::new() else { return };
    let softhsm = |arguments: &str| {
        let out = Command::new("softhsm2-util")
            .args(arguments.split_whitespace())
            .current_dir(pki.path())
            .output()
            .unwrap();
        assert!(out.status.success(), "{arguments}: {}", String::from_utf8_lossy(&out.stderr));
    };
    softhsm(&format!("--init-token --free --label hub --so-pin 12345678 --pin {PIN}"));
    pki.write("content", CONTENT);
    let keys = [
        ("rsa", RSA, "signer", "01"),
        ("ec", P256, "signer", "02"),
        ("rsabox", RSA, "recipient", "03"),
        ("ecbox", P256, "recipient", "04"),
    ];
    for (name, key, extensions, id) in keys {
        pki.issue(name, key, extensions);
        softhsm(&format!("--import {name}.key --token hub --label {name} --id {id} --pin {PIN}"));
    }
    let place = |key: &str| Place {
        module: ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"]
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.exists())
            .unwrap(),
        token: "hub".to_owned(),
        key: key.to_owned(),
    };
    allow_derivation(&place("ecbox"));
    let open = |name: &str| {
        TokenIdentity::open(place(name), PIN, &[pki.certificate(name), pki.issuer.clone()]).unwrap()
    };
    let pss = Scheme::RsaPss { hash: Hash::Sha256, mask: Hash::Sha256, salt: 32 };
    for (name, scheme) in [("rsa", None), ("rsa", Some(pss)), ("ec", None)] {
        let signer = open(name);
        // Several threads share the identity, not a session.
        std::thread::scope(|scope| {
            for n in 0..4 {
                let (signer, pki) = (&signer, &pki);
                scope.spawn(move || {
                    let options = Options { scheme, ..Options::default() };
                    let made = sign(ToSign::Detached(CONTENT), signer, options).unwrap();
                    pki.write(&format!("made{n}"), &made);
                    pki.openssl(&format!(
                        "cms -verify -cades -binary -inform DER -CAfile root.pem -in made{n} -content content -out verified{n}"
                    ));
                });
            }
        });
    }
    for options in [
        "-recip rsabox.pem",
        "-recip rsabox.pem -keyopt rsa_padding_mode:oaep",
        "-recip rsabox.pem -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256",
        "-recip rsabox.pem -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha512 -keyopt rsa_mgf1_md:sha256",
        "-recip ecbox.pem",
    ] {
        pki.openssl(&format!(
            "cms -encrypt -binary -aes-256-gcm -in content -outform DER -out sealed {options}"
        ));
        let key = open(if options.contains("ecbox") { "ecbox" } else { "rsabox" });
        let opened = decrypt(&pki.read("sealed"), &[&key]).unwrap_or_else(|e| panic!("{options}: {e}"));
        assert_eq!(opened.content, CONTENT, "{options}");
        let mut broken = pki.read("sealed");
        let at = broken
            .windows(4)
            .position(|w| w == [0x04, 0x82, 0x01, 0x00])
            .map_or(broken.len() - 1, |at| at + 90);
        broken[at] ^= 1;
        assert!(matches!(decrypt(&broken, &[&key]), Err(CryptoError::Undecryptable)), "{options}");
    }
    // A certificate of another key is noticed before a signature leaves.
    let wrong = TokenIdentity::open(place("rsa"), PIN, &[pki.certificate("rsabox")]).unwrap();
    assert!(matches!(
        sign(ToSign::Detached(CONTENT), &wrong, Options::default()),
        Err(CryptoError::KeyUnusable { .. })
    ));
    for (place, pin) in [
        (place("missing"), PIN),
        (Place { token: "missing".to_owned(), ..place("rsa") }, PIN),
        (Place { module: "/missing.so".into(), ..place("rsa") }, PIN),
    ] {
        assert!(matches!(
            TokenIdentity::open(place, pin, &[pki.certificate("rsa")]),
            Err(CryptoError::Token { .. })
        ));
    }
}

/// softhsm2-util imports keys for signing only; others set this when they make the key.
fn allow_derivation(place: &Place) {
    use cryptoki::object::{Attribute, ObjectClass};
    let module = cryptoki::context::Pkcs11::new(&place.module).unwrap();
    let flags = cryptoki::context::CInitializeFlags::OS_LOCKING_OK;
    module.initialize(cryptoki::context::CInitializeArgs::new(flags)).unwrap();
    let slot = module.get_slots_with_token().unwrap().remove(0);
    let session = module.open_rw_session(slot).unwrap();
    session
        .login(cryptoki::session::UserType::User, Some(&cryptoki::types::AuthPin::from(PIN.to_owned())))
        .unwrap();
    let template =
        [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(place.key.clone().into_bytes())];
    let key = session.find_objects(&template).unwrap().remove(0);
    session.update_attributes(key, &[Attribute::Derive(true)]).unwrap();
    session.close().unwrap();
    module.finalize().unwrap();
}
