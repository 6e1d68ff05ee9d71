// SPDX-License-Identifier: EUPL-1.2
//! Safe file names: what the module promises holds for every input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_mail::name::{MAX_BYTES, safe_file_name, unique};

fuzz_target!(|data: &str| {
    let safe = |raw: &str| safe_file_name(Some(raw), "application/pdf", 7);
    let name = safe(data);
    assert!(!name.is_empty() && name.len() <= MAX_BYTES);
    assert!(!name.starts_with(['.', ' ']) && !name.ends_with(['.', ' ']));
    assert!(!name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|', '\u{202e}']));
    assert!(!name.chars().any(char::is_control));
    assert_eq!(safe(&name), name);
    let names: Vec<String> = data.split('\n').take(50).map(safe).collect();
    let count = names.len();
    let mut out = unique(names);
    assert!(out.iter().all(|n| n.len() <= MAX_BYTES));
    out.sort();
    out.dedup();
    assert_eq!(out.len(), count);
});
