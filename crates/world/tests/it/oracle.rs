// SPDX-License-Identifier: EUPL-1.2
//! Letters read by Python's email package: another reader finds the same attachments. A missing Python is
//! reported as `SKIPPED`; with `POSTSTELLE_REQUIRE_ORACLES=1` it is a failure.

use std::process::Command;

use poststelle_world::letters::{Fixed, Letters, many_parts};
use serde_json::Value;

const READER: &str = r#"
import email, email.policy, hashlib, io, json, sys, zipfile
found = []
for path in sys.argv[1:]:
    with open(path, "rb") as f:
        mail = email.message_from_binary_file(f, policy=email.policy.compat32)
    digests, defects = [], len(mail.defects)
    for part in mail.walk():
        defects += len(part.defects)
        if part.is_multipart() or part.get_content_maintype() == "multipart":
            continue
        octets = part.get_payload(decode=True)
        digests.append(hashlib.sha256(octets).hexdigest())
        if octets[:4] == b"PK\x03\x04":
            assert zipfile.ZipFile(io.BytesIO(octets)).testzip() is None
    found.append({"digests": digests, "defects": defects})
print(json.dumps(found))
"#;

#[test]
fn python_finds_the_same_attachments() {
    if !Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success()) {
        assert!(std::env::var_os("POSTSTELLE_REQUIRE_ORACLES").is_none(), "python3 is required");
        println!("SKIPPED: python3 is not there, letters not read by another program");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut letters = Letters::new(12).max_size(150_000);
    let mut expected: Vec<Vec<String>> = Vec::new();
    let mut paths = Vec::new();
    let mut keep = |octets: &[u8], digests: Vec<String>| {
        let path = dir.path().join(format!("{}.eml", paths.len()));
        std::fs::write(&path, octets).unwrap();
        paths.push(path);
        expected.push(digests);
    };
    for _ in 0..60 {
        let letter = letters.next(&["poststelle@waren-mueritz.example"]);
        keep(&letter.octets, letter.attachments.iter().map(|a| a.sha256.clone()).collect());
    }
    keep(&Fixed::new(100_000, 2, &["a@b.example"]).octets(1), Vec::new());
    keep(&many_parts(100, 100, "a@b.example"), Vec::new());
    let read = Command::new("python3").arg("-c").arg(READER).args(&paths).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let found: Vec<Value> = serde_json::from_slice(&read.stdout).unwrap();
    for (n, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found["defects"], 0, "letter {n}");
        let digests: Vec<&str> =
            found["digests"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        for digest in expected {
            assert!(digests.contains(&digest.as_str()), "letter {n}: {digest} is missing");
        }
    }
}
