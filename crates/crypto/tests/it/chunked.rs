// SPDX-License-Identifier: EUPL-1.2
//! Sealed blobs: known answers, seeking, every kind of damage.

use poststelle_crypto::CryptoError;
use poststelle_crypto::chunked::{
    DEFAULT_CHUNK_SIZE, HEADER_LEN, Header, MIN_CHUNK_SIZE, Opener, Sealer, TAG_LEN, open, seal, sealed_len,
};
use poststelle_crypto::digest::{hex, sha256};
use poststelle_crypto::keys::{BlobKey, MessageKey};
use proptest::prelude::*;

use crate::fixed_message_key;

const SIZE: usize = MIN_CHUNK_SIZE as usize;
const SEALED: usize = SIZE + TAG_LEN;
/// Chunk size 1024 and a fixed nonce prefix.
const HEADER: &[u8; HEADER_LEN] = b"PSTB\x01\0\0\x04\0\xa1\xa2\xa3\xa4\xa5\xa6\xa7";

fn key() -> BlobKey {
    fixed_message_key().derive_blob_key(b"blob-7").unwrap()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + 3) as u8).collect()
}

fn seal_small(key: &BlobKey, pieces: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sealer = Sealer::new(key, Header::parse(HEADER).unwrap());
    for piece in pieces {
        sealer.push(piece, &mut out).unwrap();
    }
    assert_eq!(sealer.plain_len(), pieces.iter().map(|p| p.len() as u64).sum::<u64>());
    sealer.finish(&mut out).unwrap();
    out
}

#[test]
fn same_bytes_as_another_implementation() {
    // Computed with another implementation of HKDF-SHA256 and AES-256-GCM from the message key 0 to 31.
    let short = seal_small(&key(), &[b"Guten Tag"]);
    assert_eq!(
        hex(&short),
        "505354420100000400a1a2a3a4a5a6a7f107b04ad6c422799a872a77558adea49f75f1e28584456725"
    );
    let long = seal_small(&key(), &[&pattern(2500)]);
    assert_eq!(long.len(), 2564);
    assert_eq!(hex(&sha256(&long)), "25f17680ea8f9d2a3f7b9eca1b8ed8c7925ed90d7ca5b0b04dfc034a1d3fa49b");
    assert_eq!(open(&key(), &long).unwrap(), pattern(2500));
}

#[test]
fn lengths_around_the_chunk_borders() {
    let key = key();
    for len in [0, 1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE - 1, 2 * SIZE, 2 * SIZE + 1, 5 * SIZE] {
        let plain = pattern(len);
        let sealed = seal_small(&key, &[&plain]);
        assert_eq!(sealed.len() as u64, sealed_len(len as u64, MIN_CHUNK_SIZE).unwrap());
        assert_eq!(Opener::new(&key, &sealed).unwrap().plain_len(sealed.len() as u64).unwrap(), len as u64);
        assert_eq!(open(&key, &sealed).unwrap(), plain, "{len}");
    }
    assert_eq!(open(&key, &seal_small(&key, &[])).unwrap(), b"");
    assert_eq!(open(&key, &seal(&key, &pattern(200_000)).unwrap()).unwrap(), pattern(200_000));
}

#[test]
fn only_possible_lengths_have_a_plaintext() {
    let key = key();
    let opener = Opener::new(&key, HEADER).unwrap();
    let mut expected = std::collections::HashMap::new();
    for plain in 0..=(3 * SIZE as u64) {
        expected.insert(sealed_len(plain, MIN_CHUNK_SIZE).unwrap(), plain);
    }
    for cipher_len in 0..(3 * SEALED + HEADER_LEN) as u64 {
        match expected.get(&cipher_len) {
            Some(plain) => assert_eq!(opener.plain_len(cipher_len).unwrap(), *plain),
            None => assert!(matches!(opener.plain_len(cipher_len), Err(CryptoError::BlobLength { .. }))),
        }
    }
    assert!(opener.plain_len(u64::MAX).is_err());
    assert!(matches!(sealed_len(u64::MAX, MIN_CHUNK_SIZE), Err(CryptoError::BlobTooLarge)));
    assert!(matches!(sealed_len((1 << 42) + 1, MIN_CHUNK_SIZE), Err(CryptoError::BlobTooLarge)));
    assert!(sealed_len(1 << 42, MIN_CHUNK_SIZE).is_ok());
}

#[test]
fn headers() {
    let key = key();
    for at in 0..6 {
        let mut header = *HEADER;
        header[at] ^= 0x80;
        assert!(Header::parse(&header).is_err(), "byte {at}");
        assert!(Header::parse(&HEADER[..at]).is_err());
    }
    assert!(matches!(
        Header::parse(b"PSTB\x02\0\0\x04\0\0\0\0\0\0\0\0"),
        Err(CryptoError::BlobVersion { found: 2 })
    ));
    assert!(Opener::new(&key, b"PSTB").is_err());
    assert_eq!(Header::parse(HEADER).unwrap().to_bytes(), *HEADER);
    for size in [0, MIN_CHUNK_SIZE - 1, 16 * 1024 * 1024 + 1, u32::MAX] {
        assert!(matches!(Header::generate(size), Err(CryptoError::ChunkSize { .. })));
    }
    let header = Header::generate(DEFAULT_CHUNK_SIZE).unwrap();
    assert_eq!(header.chunk_size(), 65536);
    assert_ne!(header, Header::generate(DEFAULT_CHUNK_SIZE).unwrap(), "the nonce prefix is random");
}

#[test]
fn every_flipped_bit_cut_and_extension_is_noticed() {
    let key = key();
    let sealed = seal_small(&key, &[&pattern(2 * SIZE + 10)]);
    for at in 0..sealed.len() {
        let mut tampered = sealed.clone();
        tampered[at] ^= 1 << (at % 8);
        assert!(open(&key, &tampered).is_err(), "flipped {at}");
        assert!(open(&key, &sealed[..at]).is_err(), "cut to {at}");
    }
    for extra in 1..=(SEALED + 1) {
        let mut longer = sealed.clone();
        longer.resize(sealed.len() + extra, 0);
        assert!(open(&key, &longer).is_err(), "extended by {extra}");
    }
}

#[test]
fn chunks_keep_their_place_and_their_blob() {
    let key = key();
    let sealed = seal_small(&key, &[&pattern(3 * SIZE)]);
    let chunk = |blob: &[u8], i: usize| blob[HEADER_LEN + i * SEALED..HEADER_LEN + (i + 1) * SEALED].to_vec();
    let joined = |chunks: &[Vec<u8>]| [HEADER.to_vec(), chunks.concat()].concat();
    let (a, b, c) = (chunk(&sealed, 0), chunk(&sealed, 1), chunk(&sealed, 2));

    assert!(open(&key, &joined(&[a.clone(), b.clone(), c.clone()])).is_ok());
    assert!(open(&key, &joined(&[b.clone(), a.clone(), c.clone()])).is_err(), "reordered");
    assert!(open(&key, &joined(&[a.clone(), c.clone()])).is_err(), "one dropped");
    assert!(open(&key, &joined(&[a.clone(), b.clone()])).is_err(), "cut at a border");
    assert!(open(&key, &joined(&[a.clone(), b.clone(), b.clone(), c.clone()])).is_err(), "one doubled");
    assert!(
        open(&key, &joined(&[a.clone(), b.clone(), c.clone(), c.clone()])).is_err(),
        "extended at a border"
    );

    // The same key and another writing (header), another blob of the message, another message.
    let mut other = Vec::new();
    let mut sealer = Sealer::new(&key, Header::generate(MIN_CHUNK_SIZE).unwrap());
    sealer.push(&pattern(3 * SIZE), &mut other).unwrap();
    sealer.finish(&mut other).unwrap();
    assert!(open(&key, &joined(&[a.clone(), chunk(&other, 1), c.clone()])).is_err());
    let sibling = fixed_message_key().derive_blob_key(b"blob-8").unwrap();
    assert!(open(&key, &joined(&[a, chunk(&seal_small(&sibling, &[&pattern(3 * SIZE)]), 1), c])).is_err());
    assert!(open(&sibling, &sealed).is_err());
    assert!(open(&MessageKey::generate().unwrap().derive_blob_key(b"blob-7").unwrap(), &sealed).is_err());
}

#[test]
fn unfinished_blobs_do_not_open() {
    let key = key();
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&key, Header::parse(HEADER).unwrap());
    sealer.push(&pattern(3 * SIZE), &mut out).unwrap();
    assert_eq!(out.len(), HEADER_LEN + 2 * SEALED, "the third chunk may be the last and is held");
    drop(sealer);
    assert!(open(&key, &out).is_err());
}

#[test]
fn the_flag_of_the_last_chunk_is_bound() {
    let key = key();
    let sealed = seal_small(&key, &[&pattern(2 * SIZE)]);
    let opener = Opener::new(&key, &sealed).unwrap();
    let (first, last) = sealed[HEADER_LEN..].split_at(SEALED);
    for (index, is_last, chunk, right) in [
        (0, false, first, true),
        (0, true, first, false),
        (1, true, last, true),
        (1, false, last, false),
        (0, true, last, false),
    ] {
        let mut chunk = chunk.to_vec();
        let result = opener.open_chunk(index, is_last, &mut chunk);
        assert_eq!(result.is_ok(), right, "{index} {is_last}");
        if let Err(error) = result {
            assert!(matches!(error, CryptoError::BlobDamaged { chunk } if chunk == index));
        }
    }
    for len in [0, 1, 15, 16, SEALED - 1, SEALED + 1] {
        assert!(opener.open_chunk(1, true, &mut vec![0; len]).is_err());
        assert!(opener.open_chunk(0, false, &mut vec![0; len]).is_err());
    }
}

#[test]
fn ranges_outside_are_refused() {
    let key = key();
    let sealed = seal_small(&key, &[&pattern(1500)]);
    let opener = Opener::new(&key, &sealed).unwrap();
    let len = sealed.len() as u64;
    #[allow(clippy::reversed_empty_ranges)]
    for range in [0..1501, 1501..1501, 5..4, 0..u64::MAX, u64::MAX..u64::MAX] {
        assert!(matches!(opener.chunk_range(range, len), Err(CryptoError::RangeOutside { len: 1500, .. })));
    }
    assert!(matches!(opener.chunk_range(0..1, 3), Err(CryptoError::BlobLength { len: 3 })));
    let span = opener.chunk_range(1500..1500, len).unwrap();
    assert_eq!((span.first, span.count, span.ends_blob, span.skip, span.take), (1, 1, true, 476, 0));
    let empty = seal_small(&key, &[]);
    let span = opener.chunk_range(0..0, empty.len() as u64).unwrap();
    assert_eq!((span.cipher, span.first, span.count, span.ends_blob), (16..32, 0, 1, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_do_not_matter(len in 0..5 * SIZE, cuts in proptest::collection::vec(0..2 * SIZE, 0..12)) {
        let plain = pattern(len);
        let mut rest = plain.as_slice();
        let mut pieces = Vec::new();
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            pieces.push(head);
            rest = tail;
        }
        pieces.push(rest);
        prop_assert_eq!(seal_small(&key(), &pieces), seal_small(&key(), &[&plain]));
    }

    #[test]
    fn any_range_can_be_read(len in 0..6 * SIZE, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let key = key();
        let plain = pattern(len);
        let sealed = seal_small(&key, &[&plain]);
        let (a, b) = (a.index(len + 1), b.index(len + 1));
        let (start, end) = (a.min(b), a.max(b));
        let opener = Opener::new(&key, &sealed[..HEADER_LEN]).unwrap();
        let span = opener.chunk_range(start as u64..end as u64, sealed.len() as u64).unwrap();
        let mut fetched = sealed[span.cipher.start as usize..span.cipher.end as usize].to_vec();
        let mut read = Vec::new();
        let mut chunks = 0;
        for (index, chunk) in (span.first..).zip(fetched.chunks_mut(opener.sealed_chunk_len())) {
            read.extend_from_slice(opener.open_chunk(index, span.is_last(index), chunk).unwrap());
            chunks += 1;
        }
        prop_assert_eq!(chunks, span.count);
        prop_assert_eq!(&read[span.skip..span.skip + span.take as usize], &plain[start..end]);
    }

    #[test]
    fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let _ = open(&key(), &bytes);
        let mut with_header = HEADER.to_vec();
        with_header.extend(bytes);
        prop_assert!(open(&key(), &with_header).is_err());
    }
}

/// Prints megabytes per second; run with `--release -- --ignored --nocapture throughput`.
#[test]
#[ignore = "measures, proves nothing"]
fn throughput() {
    let key = key();
    let plain = pattern(64 * 1024 * 1024);
    let rounds = 8;
    let rate =
        |started: std::time::Instant| (plain.len() * rounds) as f64 / 1e6 / started.elapsed().as_secs_f64();
    for piece in [8 * 1024, 64 * 1024, 1024 * 1024] {
        let mut out = Vec::with_capacity(piece + 2 * 65536 + 64);
        let started = std::time::Instant::now();
        for _ in 0..rounds {
            let mut sealer = Sealer::new(&key, Header::generate(DEFAULT_CHUNK_SIZE).unwrap());
            for part in plain.chunks(piece) {
                out.clear();
                sealer.push(part, &mut out).unwrap();
            }
            sealer.finish(&mut out).unwrap();
        }
        println!("seal, pieces of {piece} bytes: {:.0} MB/s", rate(started));
    }
    let sealed = seal(&key, &plain).unwrap();
    let opener = Opener::new(&key, &sealed).unwrap();
    let whole = opener.chunk_range(0..plain.len() as u64, sealed.len() as u64).unwrap();
    let mut buffer = Vec::with_capacity(opener.sealed_chunk_len());
    let started = std::time::Instant::now();
    for _ in 0..rounds {
        for (index, chunk) in (0..).zip(sealed[HEADER_LEN..].chunks(opener.sealed_chunk_len())) {
            buffer.clear();
            buffer.extend_from_slice(chunk);
            opener.open_chunk(index, whole.is_last(index), &mut buffer).unwrap();
        }
    }
    println!("open, with one copy: {:.0} MB/s", rate(started));
    let started = std::time::Instant::now();
    for _ in 0..rounds {
        let mut hasher = poststelle_crypto::DualHasher::new();
        hasher.update(&plain);
        hasher.finish();
    }
    println!("SHA-256 and SHA-512: {:.0} MB/s", rate(started));
}
