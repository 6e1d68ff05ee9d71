// SPDX-License-Identifier: EUPL-1.2
//! The reader of delivery status notifications: no panic, caps kept.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_mail::dsn::{Caps, parse};

fuzz_target!(|data: &[u8]| {
    let caps = Caps { max_status_bytes: 2_000, max_recipients: 5, max_value_bytes: 50, ..Caps::default() };
    if let Ok(report) = parse(data, &caps) {
        assert!(!report.recipients.is_empty() && report.recipients.len() <= caps.max_recipients);
        for recipient in &report.recipients {
            let text = [&recipient.final_recipient, &recipient.diagnostic_code, &recipient.remote_mta];
            assert!(text.into_iter().flatten().all(|t| t.len() <= caps.max_value_bytes));
        }
    }
    let _ = parse(data, &Caps::default());
});
