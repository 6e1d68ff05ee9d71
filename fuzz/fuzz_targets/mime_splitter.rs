// SPDX-License-Identifier: EUPL-1.2
//! The MIME splitter and the header view: no panic, nothing outside the input, the same however it is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poststelle_crypto::digest::sha256;
use poststelle_mail::mime::{Caps, Decoder, Kind, Root, Split, Splitter};

fn split(root: &Root, caps: &Caps, input: &[u8], step: usize) -> Split {
    let mut splitter = Splitter::new(root.clone(), caps.clone());
    for piece in input.chunks(step) {
        splitter.push(piece);
    }
    splitter.finish()
}

// The first two octets choose root, caps and the size of the pieces.
fuzz_target!(|data: &[u8]| {
    let [choice, step, input @ ..] = data else { return };
    let root = match choice & 1 {
        0 => Root::Message,
        _ => Root::Entity { content_type: "multipart/form-data; boundary=\"a b\"".to_owned() },
    };
    let mut caps = Caps::default();
    if choice & 2 != 0 {
        caps = Caps {
            max_depth: 4,
            max_parts: 6,
            max_header_bytes: 200,
            max_headers: 3,
            max_name_bytes: 10,
            max_retained_bytes: 300,
            max_head_bytes: 20,
            ..caps
        };
    }
    let whole = split(&root, &caps, input, input.len().max(1));
    assert_eq!(split(&root, &caps, input, usize::from(*step) + 1), whole);
    assert_eq!(whole.len, input.len() as u64);
    assert!(!whole.parts.is_empty() && whole.parts.len() <= caps.max_parts as usize);
    for (i, part) in whole.parts.iter().enumerate() {
        assert_eq!(part.n as usize, i);
        assert!(part.header.start <= part.header.end && part.header.end == part.body.start);
        assert!(part.body.start <= part.body.end && part.body.end <= whole.len);
        if let Some(parent) = part.parent {
            let parent = &whole.parts[parent as usize];
            assert!(parent.body.start <= part.header.start && part.body.end <= parent.body.end);
        }
        assert_eq!(part.sha256.is_some(), part.kind == Kind::Leaf);
        if part.kind == Kind::Leaf {
            let (mut decoder, mut content) = (Decoder::new(part.encoding), Vec::new());
            decoder.push(&input[part.body.start as usize..part.body.end as usize], &mut content);
            decoder.finish(&mut content);
            assert_eq!(content.len() as u64, part.decoded_len);
            assert_eq!(Some(sha256(&content)), part.sha256);
        }
    }
    let _ = whole.header.summary();
    for field in whole.header.fields() {
        let _ = field.text();
    }
});
