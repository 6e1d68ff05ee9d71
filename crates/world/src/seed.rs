// SPDX-License-Identifier: EUPL-1.2
//! Chance from a seed: xoshiro256** (Blackman and Vigna), seeded by SplitMix64.
//!
//! Guarantees: the same seed gives the same row on every machine. Does not: give anything secret.

/// A source of numbers that only look like chance.
#[derive(Debug, Clone)]
pub struct Seed([u64; 4]);

impl Seed {
    /// A source; different seeds give different rows.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut mix = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self([mix(), mix(), mix(), mix()])
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= t;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        u64::try_from((u128::from(self.number()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them. Lists of the house are never empty; an empty one gives `None`.
    pub fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> Option<&'a T> {
        let at = self.below(list.len() as u64);
        list.get(usize::try_from(at).unwrap_or(0)).copied()
    }

    /// One of these words; empty when there is none.
    pub fn word<'a>(&mut self, list: &[&'a str]) -> &'a str {
        self.pick(list).unwrap_or_default()
    }

    /// From the open interval 0 to 1.
    #[allow(clippy::cast_precision_loss)]
    pub fn fraction(&mut self) -> f64 {
        ((self.number() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Log-normal: `median · e^(sigma · N(0,1))`.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        let (u, v) = (self.fraction(), self.fraction());
        let normal = (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos();
        median * (sigma * normal).exp()
    }

    /// Fills `out` with octets nothing can compress.
    pub fn fill(&mut self, out: &mut [u8]) {
        for piece in out.chunks_mut(8) {
            let number = self.number().to_le_bytes();
            for (slot, octet) in piece.iter_mut().zip(number) {
                *slot = octet;
            }
        }
    }

    /// `len` octets nothing can compress.
    pub fn octets(&mut self, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.fill(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_row() {
        let row = |seed| {
            let mut s = Seed::new(seed);
            (0..4).map(|_| s.number()).collect::<Vec<_>>()
        };
        assert_eq!(row(1), row(1));
        assert_ne!(row(1), row(2));
        // First output of xoshiro256** for the SplitMix64 seed 0, as in the reference implementation.
        assert_eq!(Seed::new(0).number(), 0x99ec_5f36_cb75_f2b4);
    }

    #[test]
    fn shapes() {
        let mut s = Seed::new(7);
        assert!((0..1000).all(|_| (3..=5).contains(&s.between(3, 5))));
        assert_eq!(s.below(0), 0);
        assert_eq!(s.octets(13).len(), 13);
        let mut sizes: Vec<f64> = (0..2001).map(|_| s.log_normal(80_000.0, 1.5)).collect();
        sizes.sort_by(f64::total_cmp);
        let median = sizes[1000];
        assert!((60_000.0..105_000.0).contains(&median), "{median}");
        assert!(sizes[1999] > 1_000_000.0 && sizes[1] < 5_000.0);
    }
}
