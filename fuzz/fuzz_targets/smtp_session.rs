// SPDX-License-Identifier: EUPL-1.2
//! The SMTP server session: no panic, no endless loop, one command line at most held back, caps kept.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_mail::smtp::server::fuzz_session;

fuzz_target!(|data: &[u8]| fuzz_session(data));
