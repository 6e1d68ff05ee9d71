// SPDX-License-Identifier: EUPL-1.2
//! Root key file, wrapping, binding to owners.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use poststelle_crypto::CryptoError;
use poststelle_crypto::keys::{KeyEncryption, MessageKey, RootKey, SECRET_MAX, TenantKey};

use crate::{fixed_message_key, fixed_tenant_key};

/// Wrapped under 32 times 0x42 for `tenant:t-1` by another implementation of AES-GCM; holds bytes 0 to 31.
const FOREIGN_WRAPPED: &str =
    "v1.AAECAwQFBgcICQoLBd-T3rUp9AyVD04Y3dBVNCKM3Hm0XPT-C4A6PIYJo-CRU7IBWM7c-nqqTpkxBI1F";
const FOREIGN_ROOT: &str = "poststelle-root-key-v1 QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

fn write_key(dir: &tempfile::TempDir, text: &str) -> std::path::PathBuf {
    let path = dir.path().join("root.key");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn root_key_file_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("root.key");
    assert!(matches!(RootKey::load_file(&path), Err(CryptoError::KeyFileMissing { .. })));
    let root = RootKey::load_or_create_file(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("poststelle-root-key-v1 ") && text.ends_with("=\n") && text.lines().count() == 1
    );

    let wrapped = root.wrap(b"x", &[7; 32]).unwrap();
    for again in [RootKey::load_file(&path).unwrap(), RootKey::load_or_create_file(&path).unwrap()] {
        assert_eq!(*again.unwrap(b"x", &wrapped).unwrap(), [7; 32]);
    }
    assert!(matches!(RootKey::create_file(&path), Err(CryptoError::KeyFileExists { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "an existing key is never overwritten");
}

#[test]
fn root_key_file_must_be_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = write_key(&dir, FOREIGN_ROOT);
    for mode in [0o640, 0o604, 0o620, 0o660, 0o644, 0o610] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = RootKey::load_file(&path).unwrap_err();
        assert!(matches!(error, CryptoError::KeyFilePermissions { mode: m, .. } if m == mode), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    RootKey::load_file(&path).unwrap();
}

#[test]
fn root_key_file_must_be_well_formed() {
    let dir = tempfile::tempdir().unwrap();
    let long = "A".repeat(5000);
    for wrong in [
        "",
        "\n",
        "poststelle-root-key-v1",
        "poststelle-root-key-v1 ",
        "poststelle-root-key-v2 QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=",
        "poststelle-root-key-v1 QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQg==",
        "poststelle-root-key-v1 QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQg==",
        "poststelle-root-key-v1 QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=\n\n",
        "poststelle-root-key-v1  QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=",
        "poststelle-root-key-v1 QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk!=",
        &long,
    ] {
        let error = RootKey::load_file(&write_key(&dir, wrong)).unwrap_err();
        assert!(matches!(error, CryptoError::KeyFileFormat { .. }), "{wrong:?}: {error}");
        assert!(!error.to_string().contains("QkJC"), "no key material in the text");
    }
    for right in [FOREIGN_ROOT.to_owned(), format!("{FOREIGN_ROOT}\n"), format!("{FOREIGN_ROOT}\r\n")] {
        RootKey::load_file(&write_key(&dir, &right)).unwrap();
    }
    assert!(matches!(RootKey::load_file(dir.path()), Err(CryptoError::KeyFileFormat { .. })));
}

#[test]
fn opens_what_another_implementation_wrapped() {
    let dir = tempfile::tempdir().unwrap();
    let root = RootKey::load_file(&write_key(&dir, FOREIGN_ROOT)).unwrap();
    let expected: [u8; 32] = std::array::from_fn(|i| i as u8);
    assert_eq!(*root.unwrap(b"tenant:t-1", FOREIGN_WRAPPED).unwrap(), expected);
    TenantKey::from_wrapped(&root, "t-1", FOREIGN_WRAPPED).unwrap();
    assert!(matches!(
        TenantKey::from_wrapped(&root, "t-2", FOREIGN_WRAPPED),
        Err(CryptoError::WrongKeyOrContext)
    ));
}

#[test]
fn whole_hierarchy_is_bound_to_its_owners() {
    let root = RootKey::generate().unwrap();
    let tenant = TenantKey::generate().unwrap();
    let wrapped_tenant = tenant.wrapped_by(&root, "t").unwrap();
    let tenant = TenantKey::from_wrapped(&root, "t", &wrapped_tenant).unwrap();
    let message = MessageKey::generate().unwrap();
    let wrapped = message.wrapped_by(&tenant, "t", "m").unwrap();
    assert_ne!(wrapped, message.wrapped_by(&tenant, "t", "m").unwrap(), "the nonce is random");

    let again = MessageKey::from_wrapped(&tenant, "t", "m", &wrapped).unwrap();
    let sealed = poststelle_crypto::chunked::seal(&message.derive_blob_key(b"b").unwrap(), b"x").unwrap();
    let opened = poststelle_crypto::chunked::open(&again.derive_blob_key(b"b").unwrap(), &sealed).unwrap();
    assert_eq!(opened, b"x");

    let stranger = TenantKey::generate().unwrap();
    for result in [
        MessageKey::from_wrapped(&tenant, "t", "n", &wrapped),
        MessageKey::from_wrapped(&tenant, "u", "m", &wrapped),
        MessageKey::from_wrapped(&stranger, "t", "m", &wrapped),
    ] {
        assert!(matches!(result, Err(CryptoError::WrongKeyOrContext)));
    }
    assert!(TenantKey::from_wrapped(&RootKey::generate().unwrap(), "t", &wrapped_tenant).is_err());
    assert!(TenantKey::from_wrapped(&tenant, "t", &wrapped).is_err(), "kinds are not interchangeable");
}

#[test]
fn identifiers_cannot_smuggle_separators() {
    let root = RootKey::generate().unwrap();
    let key = MessageKey::generate().unwrap();
    let long = "x".repeat(257);
    for (tenant, message) in [("a:b", "c"), ("a", "b:c"), ("", "c"), ("a", ""), ("a", long.as_str())] {
        assert!(matches!(key.wrapped_by(&root, tenant, message), Err(CryptoError::ContextFormat)));
    }
}

#[test]
fn every_change_of_a_wrapped_key_is_noticed() {
    let root = RootKey::generate().unwrap();
    let wrapped = root.wrap(b"a", &[1; 32]).unwrap();
    for at in 0..wrapped.len() {
        let mut bytes = wrapped.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(root.unwrap(b"a", std::str::from_utf8(&bytes).unwrap()).is_err(), "at {at}");
        assert!(root.unwrap(b"a", &wrapped[..at]).is_err(), "cut at {at}");
    }
    assert!(root.unwrap(b"a", &format!("{wrapped}A")).is_err());
    assert!(root.unwrap(b"a", &format!("{wrapped}AAAA")).is_err());
    assert!(matches!(
        root.unwrap(b"a", &wrapped.replacen("v1.", "v2.", 1)),
        Err(CryptoError::WrappedVersion)
    ));
    for wrong in ["", "v1", "v1.", "v1.AAAA", "1.AAAA", "v.AAAA", "vx.AAAA", "ü1.AAAA"] {
        assert!(matches!(root.unwrap(b"a", wrong), Err(CryptoError::WrappedFormat { .. })), "{wrong}");
    }
    let huge = format!("v1.{}", "A".repeat(200_000));
    assert!(matches!(root.unwrap(b"a", &huge), Err(CryptoError::WrappedFormat { .. })));
}

#[test]
fn small_secrets() {
    let tenant = TenantKey::generate().unwrap();
    for secret in [&b""[..], b"geheim", &vec![9; SECRET_MAX]] {
        let sealed = tenant.seal_secret("webhook", secret).unwrap();
        assert!(sealed.starts_with("s1."));
        assert_eq!(tenant.open_secret("webhook", &sealed).unwrap().as_slice(), secret);
        assert!(matches!(tenant.open_secret("imap", &sealed), Err(CryptoError::WrongKeyOrContext)));
    }
    assert!(matches!(
        tenant.seal_secret("webhook", &vec![0; SECRET_MAX + 1]),
        Err(CryptoError::SecretTooLarge { .. })
    ));
    // A secret of 32 bytes is still no key, even when the mark is changed.
    let sealed = tenant.seal_secret("a", &[1; 32]).unwrap().replacen("s1.", "v1.", 1);
    assert!(matches!(tenant.unwrap(b"a", &sealed), Err(CryptoError::WrongKeyOrContext)));
}

#[test]
fn derived_authentication_keys() {
    // Computed with another implementation of HKDF and HMAC from the key bytes 0 to 31.
    let key = fixed_tenant_key().mac_key("bounce").unwrap();
    assert_eq!(
        poststelle_crypto::digest::hex(&key.sign(b"hello")),
        "97d1c604ff1562987f0bd1416068dfa4a380351286b2aadac44e9351c1043dbc"
    );
    assert_eq!(
        poststelle_crypto::digest::hex(&key.sign_parts(&[b"ab", b"c"])),
        "3d5850860c5dd3fff9db162a966c74bf694209c963a306ae90f17a5deef6164a"
    );
    assert_ne!(key.sign(b"hello"), fixed_tenant_key().mac_key("csrf").unwrap().sign(b"hello"));
}

#[test]
fn nothing_secret_is_printed() {
    let message = fixed_message_key();
    let texts = [
        format!("{message:?}"),
        format!("{:?}", fixed_tenant_key()),
        format!("{:?}", RootKey::generate().unwrap()),
        format!("{:?}", message.derive_blob_key(b"b").unwrap()),
        format!("{:?}", fixed_tenant_key().mac_key("x").unwrap()),
    ];
    for text in texts {
        assert!(text.ends_with("Key(redacted)"), "{text}");
    }
}

#[test]
fn a_passphrase_opens_only_with_its_salt_and_cost() {
    use poststelle_crypto::keys::PassphraseKey;
    use poststelle_crypto::password::Cost;
    let cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
    let key = |phrase: &[u8], salt, cost| PassphraseKey::derive(phrase, salt, cost).unwrap();
    let tenant = TenantKey::generate().unwrap();
    let wrapped = tenant.wrapped_by(&key(b"lange genug", &[1; 16], cost), "t").unwrap();
    assert!(TenantKey::from_wrapped(&key(b"lange genug", &[1; 16], cost), "t", &wrapped).is_ok());
    let other = Cost { passes: 2, ..cost };
    for wrong in [
        key(b"lange genuG", &[1; 16], cost),
        key(b"lange genug", &[2; 16], cost),
        key(b"lange genug", &[1; 16], other),
    ] {
        assert!(TenantKey::from_wrapped(&wrong, "t", &wrapped).is_err());
        assert_eq!(format!("{wrong:?}"), "PassphraseKey(redacted)");
    }
    assert!(TenantKey::from_wrapped(&key(b"lange genug", &[1; 16], cost), "u", &wrapped).is_err());
    let costly = Cost { memory_kib: 1 << 30, ..cost };
    assert!(PassphraseKey::derive(b"lange genug", &[1; 16], costly).is_err());
}
