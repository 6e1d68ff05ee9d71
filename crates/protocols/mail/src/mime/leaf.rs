// SPDX-License-Identifier: EUPL-1.2
//! What is computed over the content of one leaf while it goes by.
//!
//! Guarantees: constant memory; everything is over the *decoded* content.

use poststelle_crypto::digest::Sha256;

use super::decode::Decoder;
use super::detect::Detector;
use super::{Defect, Encoding};

/// Decodes, hashes and looks at one leaf.
pub(super) struct Leaf {
    decoder: Decoder,
    facts: Facts,
}

struct Facts {
    hasher: Sha256,
    detector: Detector,
    len: u64,
}

/// What is known when the leaf has ended.
pub(super) struct Content {
    pub(super) sha256: [u8; 32],
    pub(super) len: u64,
    pub(super) head: Vec<u8>,
    pub(super) detected: Option<&'static str>,
    pub(super) defect: Option<Defect>,
}

impl Leaf {
    pub(super) fn new(encoding: Encoding) -> Self {
        let facts = Facts { hasher: Sha256::new(), detector: Detector::default(), len: 0 };
        Self { decoder: Decoder::new(encoding), facts }
    }

    /// The next octets of the body; `scratch` is working space whose content does not matter.
    pub(super) fn push(&mut self, octets: &[u8], scratch: &mut Vec<u8>) {
        if self.decoder.is_identity() {
            self.facts.push(octets);
        } else {
            scratch.clear();
            self.decoder.push(octets, scratch);
            self.facts.push(scratch);
        }
    }

    pub(super) fn finish(mut self, scratch: &mut Vec<u8>) -> Content {
        scratch.clear();
        self.decoder.finish(scratch);
        self.facts.push(scratch);
        let Facts { hasher, detector, len } = self.facts;
        let head = detector.head().to_vec();
        let detected = detector.finish();
        Content { sha256: hasher.finish(), len, head, detected, defect: self.decoder.defect() }
    }
}

impl Facts {
    fn push(&mut self, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        self.detector.push(octets);
        self.len += octets.len() as u64;
        self.hasher.update(octets);
    }
}
