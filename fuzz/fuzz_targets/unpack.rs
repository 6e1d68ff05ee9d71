// SPDX-License-Identifier: EUPL-1.2
//! Containers of every kind: no panic of ours, caps kept, paths safe and distinct.
#![no_main]

use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use poststelle_inspect::Caps;
use poststelle_inspect::octets::Spool;
use poststelle_inspect::unpack::{Budget, Container, Kind, unpack};

const KINDS: [Kind; 5] = [Kind::Zip, Kind::Tar, Kind::Gzip, Kind::SevenZip, Kind::Pdf];

fuzz_target!(|data: &[u8]| {
    let Ok(spool) = Spool::of(&std::env::temp_dir(), data) else { return };
    let caps = Caps {
        unpacked_bytes: 300_000,
        members: 50,
        path_bytes: 100,
        dictionary_bytes: 1 << 20,
        whole_bytes: 1 << 20,
        ..Caps::default()
    };
    // What it looks like, and what it does not: the first octet picks a second kind.
    let picked = KINDS[usize::from(data.first().copied().unwrap_or_default()) % KINDS.len()];
    for kind in Kind::of(spool.detected()).into_iter().chain([picked]) {
        let mut budget = Budget::new(&caps, || Duration::ZERO);
        let (mut total, mut paths) = (0u64, BTreeSet::new());
        let container = Container { spool: &spool, kind, name: "a.gz", depth: 1 };
        let outcome = unpack(container, &caps, &mut budget, &mut |member, content| {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = content.read(&mut piece) {
                total += n as u64;
            }
            assert!(!member.path.starts_with('/') && !member.path.split('/').any(|c| c.is_empty() || c == ".."));
            assert!(member.path.ends_with(&member.name) && !member.path.contains(['\\', '\0', '\u{202e}']));
            assert!(paths.insert(member.path.to_lowercase()), "{} twice", member.path);
            Ok(())
        });
        let outcome = outcome.expect("the caller never fails");
        assert!(total <= caps.unpacked_bytes && outcome.members <= caps.members);
        let known = |code: &str| poststelle_inspect::codes::ALL.contains(&code);
        assert!(outcome.notes.iter().all(|n| known(&n.code)));
    }
});
