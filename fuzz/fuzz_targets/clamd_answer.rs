// SPDX-License-Identifier: EUPL-1.2
//! Answers of a scanner: clean is one sentence and no other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_inspect::scan::{Answer, parse_answer};

fuzz_target!(|data: &[u8]| {
    match parse_answer(data) {
        Answer::Clean => assert_eq!(data, b"stream: OK\0"),
        Answer::Infected { signature } => {
            assert!(data.ends_with(b" FOUND\0") && !signature.is_empty() && signature.chars().count() <= 300);
            assert!(!signature.chars().any(char::is_control));
        }
        Answer::Indeterminate { reason } => assert!(reason.code.starts_with("scanner-")),
    }
});
