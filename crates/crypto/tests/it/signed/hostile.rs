// SPDX-License-Identifier: EUPL-1.2
//! Seeds of the fuzz targets, changed in thousands of ways: no panic, and nobody unknown ever passes.

use std::path::Path;

use poststelle_crypto::signature::setting::{Setting, Trust};
use poststelle_crypto::signature::xml::External;
use poststelle_crypto::signature::{Judgement, jws, pdf, xml};

use super::{NOW, at};

/// The same changes in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    fn change(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut out = seed.to_vec();
        for _ in 0..=self.below(3) {
            let (at, length) = (self.below(out.len()), self.below(40));
            let end = (at + length).min(out.len());
            match self.below(5) {
                0 if at < out.len() => out[at] = self.below(256) as u8,
                1 => drop(out.drain(at..end)),
                2 => {
                    let piece = out[at..end].to_vec();
                    let to = self.below(out.len());
                    out.splice(to..to, piece);
                }
                3 => out.truncate(at),
                _ if at < out.len() && out[at].is_ascii_digit() => out[at] = b'0' + self.below(10) as u8,
                _ => {}
            }
        }
        out
    }
}

fn all(target: &str, rounds: usize, judge: impl Fn(&[u8], &Setting<'_>) -> Judgement) {
    let trust = Trust::default();
    let setting = at(&trust, NOW);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut reports = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!judge(&seed, &setting).reports.is_empty(), "the seed reaches the verifier");
        for _ in 0..rounds {
            let judgement = judge(&dice.change(&seed), &setting);
            assert!(judgement.reports.iter().all(|r| !r.verdict.is_passed()));
            reports += judgement.reports.len();
        }
    }
    assert!(reports > 0);
}

#[test]
fn changed_xml_never_passes() {
    all("xml_signature", 1_000, |octets, setting| {
        xml::verify(octets, &|_| Some(External::Octets(b"Bescheid".to_vec())), setting)
    });
}

#[test]
fn changed_pdf_never_passes() {
    all("pdf_signature", 1_000, pdf::verify);
}

#[test]
fn changed_jws_never_passes() {
    all("jws", 1_000, |octets, setting| jws::verify(octets, Some(b"Bescheid"), setting));
}
