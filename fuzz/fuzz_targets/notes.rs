// SPDX-License-Identifier: EUPL-1.2
//! Notes about formats: total, the same twice, each code once and known.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_inspect::Caps;
use poststelle_inspect::codes;
use poststelle_inspect::notes::{is_outlook_message, look};
use poststelle_inspect::octets::Spool;

fuzz_target!(|data: &[u8]| {
    let Ok(spool) = Spool::of(&std::env::temp_dir(), data) else { return };
    let name = String::from_utf8_lossy(data.get(..20).unwrap_or_default());
    let caps = Caps { unpacked_bytes: 300_000, members: 50, whole_bytes: 1 << 20, ..Caps::default() };
    for (name, declared) in [(&*name, "application/pdf"), ("a.svg", ""), ("a.docx", &*name)] {
        let notes = look(&spool, spool.detected(), declared, name, &caps);
        assert_eq!(notes, look(&spool, spool.detected(), declared, name, &caps));
        for (n, note) in notes.iter().enumerate() {
            assert!(codes::ALL.contains(&note.code.as_str()), "{}", note.code);
            assert!(notes[..n].iter().all(|before| before.code != note.code));
            assert!(note.params.values().all(|v| v.chars().count() <= 300));
        }
    }
    let _ = is_outlook_message(&spool);
});
