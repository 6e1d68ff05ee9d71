// SPDX-License-Identifier: EUPL-1.2
//! Digests against the vectors of FIPS 180-4, hexadecimal text.

use poststelle_crypto::digest::{hex, sha256, sha256_of_parts, sha512, unhex};
use poststelle_crypto::{CryptoError, Digests, DualHasher, Sha256};
use proptest::prelude::*;

#[test]
fn known_answers() {
    let abc = Digests::of(b"abc");
    assert_eq!(abc.sha256_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(
        abc.sha512_hex(),
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    );
    assert_eq!(hex(&sha256(b"")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(Digests::from_hex(&abc.sha256_hex(), &abc.sha512_hex()).unwrap(), abc);
    assert!(format!("{abc:?}").contains("ba7816bf"));
}

#[test]
fn hexadecimal_text() {
    assert_eq!(unhex::<3>("00fFa0").unwrap(), [0, 255, 160]);
    for wrong in ["", "00ff", "00ffa", "00ffa0 ", "00ffg0", "+0ffa0", "00ffa0a0", "ää"] {
        assert!(matches!(unhex::<3>(wrong), Err(CryptoError::HexFormat { expected: 3 })), "{wrong}");
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(data in proptest::collection::vec(any::<u8>(), 0..70_000), cut in any::<prop::sample::Index>()) {
        let (head, tail) = data.split_at(cut.index(data.len() + 1));
        let mut hasher = DualHasher::new();
        hasher.update(head);
        hasher.update(tail);
        prop_assert_eq!(hasher.len(), data.len() as u64);
        prop_assert_eq!(hasher.is_empty(), data.is_empty());
        let both = hasher.finish();
        prop_assert_eq!(both.sha256, sha256(&data));
        prop_assert_eq!(both.sha512, sha512(&data));
        prop_assert_eq!(both.sha256, sha256_of_parts(&[head, tail]));
        let mut alone = Sha256::new();
        alone.update(head);
        alone.update(tail);
        prop_assert_eq!(both.sha256, alone.finish());
        prop_assert_eq!(unhex::<32>(&hex(&both.sha256)).unwrap(), both.sha256);
    }
}
