// SPDX-License-Identifier: EUPL-1.2
//! Conditions of rules: whatever somebody writes compiles or is refused, within time, memory and a small stack.
//!
//! A panic inside the language is caught by the hub and is no finding; an overflowing stack cannot be caught.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_hub::routing::{SOURCE_CAP, check, compile};

/// Half of what a worker thread of the product has.
const STACK: usize = 2 << 20;

fuzz_target!(
    init: {
        std::panic::set_hook(Box::new(|_| {}));
    },
    |source: String| {
        let checked = std::thread::Builder::new().stack_size(STACK).spawn(move || {
            let checked = check(&source);
            let compiled = compile(&source);
            source.len() <= SOURCE_CAP && (checked.is_err() || compiled.is_ok()) || checked.is_err()
        });
        // The hook above silences panics, so a broken promise ends the program by itself.
        if !matches!(checked.map(std::thread::JoinHandle::join), Ok(Ok(true))) {
            std::process::abort();
        }
    }
);
