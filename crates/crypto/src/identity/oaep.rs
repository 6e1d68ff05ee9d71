// SPDX-License-Identifier: EUPL-1.2
//! Decoding RSAES-OAEP (RFC 8017 §7.1.2 step 3) for tokens that give raw RSA only.
//!
//! Guarantees: one answer for every kind of fault, found without branching on secret octets until all were looked at.

use zeroize::Zeroizing;

use crate::signature::algorithm::Hash;

/// XORs MGF1 (RFC 8017 appendix B.2.1) of the seed into the octets.
fn mask_with(hash: Hash, seed: &[u8], octets: &mut [u8]) {
    let len = hash.digest(&[]).len();
    for (counter, piece) in octets.chunks_mut(len).enumerate() {
        let mut hasher = hash.hasher();
        hasher.update(seed);
        hasher.update(&(counter as u32).to_be_bytes());
        for (octet, mask) in piece.iter_mut().zip(hasher.finish()) {
            *octet ^= mask;
        }
    }
}

/// The message in a block as long as the modulus; `None` = it is none.
pub(super) fn decode(block: &[u8], hash: Hash, mask: Hash, label: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let expected = hash.digest(label);
    if block.len() < 2 * expected.len() + 2 {
        return None;
    }
    let mut block = Zeroizing::new(block.to_vec());
    let (first, rest) = block.split_first_mut()?;
    let (seed, data) = rest.split_at_mut(expected.len());
    mask_with(mask, data, seed);
    mask_with(mask, seed, data);
    let (found, padded) = data.split_at(expected.len());
    let mut wrong = *first;
    for (found, expected) in found.iter().zip(&expected) {
        wrong |= found ^ expected;
    }
    // Zeros, then a one, then the message. All octets are looked at before anything is said.
    let (mut start, mut looking) = (0usize, 0xffu8);
    for (i, octet) in padded.iter().enumerate() {
        let is_one = ((u16::from(octet ^ 1).wrapping_sub(1)) >> 8) as u8;
        let is_zero = ((u16::from(*octet).wrapping_sub(1)) >> 8) as u8;
        let here = looking & is_one;
        start |= (i + 1) & usize::from(here & 1).wrapping_neg();
        wrong |= looking & !is_one & !is_zero;
        looking &= !is_one;
    }
    wrong |= looking;
    if std::hint::black_box(wrong) != 0 {
        return None;
    }
    padded.get(start..).map(|message| Zeroizing::new(message.to_vec()))
}
