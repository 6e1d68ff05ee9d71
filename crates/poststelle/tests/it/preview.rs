// SPDX-License-Identifier: EUPL-1.2
//! The program draws a page of a PDF document for itself, and gives up without a word when it cannot.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// What `pdf-page` says to a document, and whether it says it worked.
fn drawn(page: &str, document: &[u8]) -> (bool, Vec<u8>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_poststelle"))
        .args(["pdf-page", page])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, document) = (child.stdin.take().unwrap(), document.to_vec());
    let give = std::thread::spawn(move || {
        let _ = input.write_all(&document);
    });
    let mut answer = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut answer).unwrap();
    give.join().unwrap();
    (child.wait().unwrap().success(), answer)
}

#[test]
fn a_page_becomes_a_picture() {
    // Damaged on purpose: no table of its objects; they are found all the same.
    let document = "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n\
        2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n\
        3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>\nendobj\n\
        4 0 obj\n<< /Length 29 >>\nstream\n1 0 0 rg 100 100 200 200 re f\nendstream\nendobj\n\
        trailer\n<< /Root 1 0 R /Size 5 >>\n%%EOF\n";
    let (good, answer) = drawn("1", document.as_bytes());
    assert!(good && answer.starts_with(b"1\n\x89PNG\r\n\x1a\n"), "{:?}", &answer[..answer.len().min(20)]);
    assert_eq!(drawn("0", document.as_bytes()), (true, b"1\n".to_vec()));
    assert_eq!(drawn("2", document.as_bytes()), (false, Vec::new()));
    assert_eq!(drawn("1", b"%PDF-1.4 nothing"), (false, Vec::new()));
    assert_eq!(drawn("1", b""), (false, Vec::new()));
}
