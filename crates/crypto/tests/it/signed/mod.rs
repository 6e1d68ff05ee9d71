// SPDX-License-Identifier: EUPL-1.2
//! XML, PDF and JWS signatures: a small PKI, and foreign programs both ways.
//!
//! Foreign programs: xmlsec1, libxmlsec and pyHanko by their Python wheels, pdfsig. A missing one is reported as
//! `SKIPPED`; with `POSTSTELLE_REQUIRE_ORACLES=1` it is a failure.

mod hostile;
mod jws;
mod known;
mod later;
mod make;
mod pdf;
mod wrapping;
mod xml;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use poststelle_crypto::certificate::Certificate;
use poststelle_crypto::signature::setting::{Anchor, Policy, Setting, Trust};
use poststelle_crypto::signature::{Judgement, UnixTime};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// 2026-06-01.
pub const NOW: UnixTime = 1_780_272_000;

/// A root and somebody whose certificate it made.
pub struct Pki {
    pub root: String,
    pub certificate: String,
    pub key: String,
    pub folder: tempfile::TempDir,
}

impl Pki {
    pub fn new(algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        let root_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut root = params("Prüf-CA");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = rcgen::CertifiedIssuer::self_signed(root, root_key).unwrap();
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut signer = params("Erika Prüferin");
        signer.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        let signer = signer.signed_by(&key, &issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pki = Self { root: issuer.pem(), certificate: signer.pem(), key: key.serialize_pem(), folder };
        let stamper_key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let mut stamper = params("Prüf-Zeitstempel");
        stamper.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Extended key usage timeStamping, critical (RFC 3161 §2.3).
        let purpose = [0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
        let mut purpose = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 37], purpose.to_vec());
        purpose.set_criticality(true);
        stamper.custom_extensions = vec![purpose];
        let stamper = stamper.signed_by(&stamper_key, &issuer).unwrap();
        std::fs::write(pki.path("tsa.pem"), stamper.pem()).unwrap();
        std::fs::write(pki.path("tsa-key.pem"), stamper_key.serialize_pem()).unwrap();
        std::fs::write(pki.path("root.pem"), &pki.root).unwrap();
        std::fs::write(pki.path("cert.pem"), &pki.certificate).unwrap();
        std::fs::write(pki.path("key.pem"), &pki.key).unwrap();
        pki
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, octets: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), octets).unwrap();
        self.path(name)
    }

    /// Trusts the root; nothing is known about revocation, and that is allowed.
    pub fn trust(&self) -> Trust {
        let root = Certificate::all_from(self.root.as_bytes()).remove(0);
        Trust {
            anchors: vec![Anchor::of_operator(root, "Prüfung")],
            intermediates: vec![],
            policy: Policy { may_be_offline: true, ..Policy::default() },
        }
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params
}

pub fn at(trust: &Trust, now: UnixTime) -> Setting<'_> {
    Setting { trust, received: now, now, known: &[] }
}

/// Verdict and detail of each signature, in short.
pub fn short(judgement: &Judgement) -> Vec<String> {
    let of = |r: &poststelle_crypto::signature::Report| {
        let sub = r.verdict.sub.map_or_else(String::new, |s| format!("/{s}"));
        format!("{}{sub}", r.verdict.indication)
    };
    judgement.reports.iter().map(of).collect()
}

/// The folder of standards samples, if it is there.
pub fn standards() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = std::env::var_os("POSTSTELLE_STANDARDS")
        .map_or_else(|| root.join("../shared/standards"), |p| root.join(PathBuf::from(p)));
    there(path.is_dir(), "the standards samples").then_some(path)
}

/// Python with the wheels of scripts/requirements.txt.
pub fn python(module: &str) -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/python");
    let good = Command::new(&python)
        .args(["-c", &format!("import {module}")])
        .output()
        .is_ok_and(|o| o.status.success());
    there(good, &format!("the Python module {module}")).then_some(python)
}

pub fn program(name: &str) -> Option<&str> {
    let good =
        Command::new(name).arg("--version").output().is_ok() || Command::new(name).arg("-v").output().is_ok();
    there(good, name).then_some(name)
}

fn there(good: bool, what: &str) -> bool {
    if !good {
        assert_ne!(std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref(), Ok("1"), "{what} is required");
        println!("SKIPPED: {what} is missing");
    }
    good
}

pub fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

pub fn must(command: &mut Command) -> Vec<u8> {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

pub fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}
