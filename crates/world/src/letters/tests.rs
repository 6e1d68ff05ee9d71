// SPDX-License-Identifier: EUPL-1.2
//! Letters against the splitter of the mail library.

use poststelle_mail::mime::{Caps, Root, Split, Splitter};

use super::*;

fn split(octets: &[u8]) -> Split {
    let mut splitter = Splitter::new(Root::Message, Caps::default());
    splitter.push(octets);
    splitter.finish()
}

/// Every attachment is found with its name and its octets, in order.
fn check(letter: &Letter) {
    let found = split(&letter.octets);
    let leaves: Vec<_> =
        found.parts.iter().filter(|p| p.sha256.is_some()).map(|p| (p.raw_name.clone(), p.sha256)).collect();
    let mut at = 0;
    for attached in &letter.attachments {
        let next = leaves.iter().skip(at).position(|(_, d)| d.is_some_and(|d| hex(&d) == attached.sha256));
        let next = next.unwrap_or_else(|| panic!("letter {}: {:?} not found", letter.n, attached.name)) + at;
        let name = leaves[next].0.clone().unwrap_or_default();
        assert_eq!(name, attached.name, "letter {} {:?}", letter.n, letter.kind);
        at = next + 1;
    }
}

#[test]
fn letters_are_read_back() {
    let mut letters = Letters::new(1).max_size(300_000);
    let mut kinds = std::collections::HashSet::new();
    for _ in 0..200 {
        let letter = letters.next(&["poststelle@waren-mueritz.example"]);
        check(&letter);
        kinds.insert(letter.kind);
        let subject = split(&letter.octets).header.summary().subject.unwrap_or_default();
        assert_eq!(subject, letter.subject);
    }
    assert_eq!(kinds.len(), 4);
}

#[test]
fn hostile_names_are_read_back() {
    let letter = Letters::new(5).hostile(&["a@b.example"]);
    assert_eq!(letter.attachments.len(), 22);
    check(&letter);
}

#[test]
fn the_same_seed_gives_the_same_letters() {
    let row = |seed| {
        let mut letters = Letters::new(seed).max_size(50_000);
        (0..20).map(|_| letters.next(&["a@b.example"]).sha256()).collect::<Vec<_>>()
    };
    assert_eq!(row(9), row(9));
    assert_ne!(row(9), row(10));
}

#[test]
fn sizes_have_a_median_and_a_tail() {
    let mut letters = Letters::new(2);
    let mut sizes: Vec<usize> = (0..400).map(|_| letters.size()).collect();
    sizes.sort_unstable();
    assert!((50_000..120_000).contains(&sizes[200]), "{}", sizes[200]);
    assert!(sizes[399] > 1_000_000);
    let wish = Wish { size: Some(500_000), ..Wish::default() };
    let letter = letters.wished(&["a@b.example"], &wish);
    assert!((450_000..560_000).contains(&letter.octets.len()), "{}", letter.octets.len());
}

#[test]
fn malformed_mail_never_stops_the_splitter() {
    let mut letters = Letters::new(3);
    for how in Malformed::ALL {
        let letter = letters.malformed(how, &["a@b.example"]);
        let found = split(&letter.octets);
        assert!(!found.parts.is_empty(), "{how:?}");
        assert_eq!(found.len, letter.octets.len() as u64);
    }
}
