// SPDX-License-Identifier: EUPL-1.2
//! The Merkle tree of RFC 6962, section 2.1 (the same as RFC 9162 with SHA-256).
//!
//! Guarantees: leaf and node hashes are domain-separated (0x00, 0x01); [`Frontier`] appends in logarithmic space
//! and gives the root after each step; proofs are built from any [`HashSource`] and verified as RFC 9162
//! (2.1.3.2, 2.1.4.2) prescribes, with no element left over.
//! Does not: bind the tree *size* in an inclusion proof; size and root must both come from a signed checkpoint.
//! Sizes go up to 2^63 - 1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poststelle_crypto::digest::{sha256, sha256_of_parts};

use crate::error::{ProofError, Result};

/// A SHA-256 value: a leaf, a node or a root.
pub type Hash = [u8; 32];

/// Largest tree size.
pub const MAX_SIZE: u64 = i64::MAX as u64;
const FRONTIER_MARK: &str = "v1";

/// Hash of one entry: SHA-256(0x00 ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256_of_parts(&[&[0], entry])
}

/// Hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256_of_parts(&[&[1], left, right])
}

/// Root of the tree without entries: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    sha256(b"")
}

/// A complete subtree: the leaves `index * 2^level` up to `(index + 1) * 2^level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Height above the leaves, 0 for a leaf.
    pub level: u8,
    /// Zero-based index within the level.
    pub index: u64,
}

/// Gives the hashes of complete subtrees.
pub trait HashSource {
    /// The hash of a complete subtree.
    ///
    /// # Errors
    /// [`ProofError::MissingNode`] or another reason why it cannot be given.
    fn node(&self, node: Node) -> Result<Hash>;
}

impl<F: Fn(Node) -> Result<Hash>> HashSource for F {
    fn node(&self, node: Node) -> Result<Hash> {
        self(node)
    }
}

/// A source over the hashes of all leaves, for small trees: every node is computed anew.
#[derive(Debug, Clone, Copy)]
pub struct Leaves<'a>(pub &'a [Hash]);

impl HashSource for Leaves<'_> {
    fn node(&self, node: Node) -> Result<Hash> {
        let missing = || ProofError::MissingNode { level: node.level, index: node.index };
        let width = 1u64.checked_shl(u32::from(node.level)).ok_or_else(missing)?;
        let start =
            node.index.checked_mul(width).and_then(|s| usize::try_from(s).ok()).ok_or_else(missing)?;
        let end = usize::try_from(width).ok().and_then(|w| start.checked_add(w)).ok_or_else(missing)?;
        root_of(self.0.get(start..end).ok_or_else(missing)?)
    }
}

/// Root of the tree over these leaf hashes.
///
/// # Errors
/// Cannot fail for lists that fit into memory; the signature follows [`Frontier::append`].
pub fn root_of(leaves: &[Hash]) -> Result<Hash> {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.append(leaf)?;
    }
    Ok(frontier.root())
}

/// Root of the first `size` entries, from the nodes of a source.
///
/// # Errors
/// [`ProofError::TreeSize`], or what the source answers.
pub fn root_from(source: &dyn HashSource, size: u64) -> Result<Hash> {
    check_size(size)?;
    if size == 0 {
        return Ok(empty_root());
    }
    fold(source, &complete_subtrees(0, size))
}

/// The right edge of a growing tree: the roots of its complete subtrees, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf hash.
    ///
    /// # Errors
    /// [`ProofError::TreeSize`] when the tree is full.
    pub fn append(&mut self, leaf: &Hash) -> Result<()> {
        self.append_with(leaf, |_, _| {})
    }

    /// Appends one leaf hash and reports every node that is complete now: the leaf first, then upwards.
    ///
    /// # Errors
    /// [`ProofError::TreeSize`] when the tree is full.
    pub fn append_with(&mut self, leaf: &Hash, mut complete: impl FnMut(Node, &Hash)) -> Result<()> {
        check_size(self.size.saturating_add(1))?;
        let mut hash = *leaf;
        let mut node = Node { level: 0, index: self.size };
        complete(node, &hash);
        // A node with odd index completes its parent; its left sibling is the last peak.
        while node.index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            node = Node { level: node.level + 1, index: node.index >> 1 };
            complete(node, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
        Ok(())
    }

    /// Root of the tree.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// One line of text, `v1 <size> <base64>…`, for storage.
    pub fn to_text(&self) -> String {
        let mut out = format!("{FRONTIER_MARK} {}", self.size);
        for peak in &self.peaks {
            out.push(' ');
            STANDARD.encode_string(peak, &mut out);
        }
        out
    }

    /// Reads what [`Frontier::to_text`] wrote.
    ///
    /// # Errors
    /// [`ProofError::FrontierFormat`] for anything else, [`ProofError::TreeSize`].
    pub fn from_text(text: &str) -> Result<Self> {
        let wrong = |reason| ProofError::FrontierFormat { reason };
        // Mark, 19 digits and at most 63 peaks of 44 characters, each with a space.
        if text.len() > 2 + 20 + 63 * 45 {
            return Err(wrong("it is too long"));
        }
        let mut words = text.split(' ');
        if words.next() != Some(FRONTIER_MARK) {
            return Err(wrong("the version is unknown"));
        }
        let size = words.next().and_then(parse_decimal).ok_or_else(|| wrong("the size is not a number"))?;
        check_size(size)?;
        let peaks = words
            .map(|word| decode_hash(word).ok_or_else(|| wrong("a hash is not base64 of 32 bytes")))
            .collect::<Result<Vec<_>>>()?;
        if peaks.len() as u64 != u64::from(size.count_ones()) {
            return Err(wrong("the number of hashes does not fit the size"));
        }
        Ok(Self { size, peaks })
    }
}

/// Which nodes a proof consists of. Each element is one hash of the proof, made of one or more nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProofPlan {
    elements: Vec<Vec<Node>>,
}

impl ProofPlan {
    /// Every node that must be known to resolve the plan.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        self.elements.iter().flatten().copied()
    }

    /// Number of hashes of the proof.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether the proof has no hashes (a tree of one entry, two equal trees).
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The proof itself.
    ///
    /// # Errors
    /// What the source answers.
    pub fn resolve(&self, source: &dyn HashSource) -> Result<Vec<Hash>> {
        self.elements.iter().map(|nodes| fold(source, nodes)).collect()
    }
}

/// Plans PATH(index, D\[size\]) of RFC 6962, 2.1.1.
///
/// # Errors
/// [`ProofError::TreeSize`], [`ProofError::IndexOutside`].
pub fn inclusion_plan(index: u64, size: u64) -> Result<ProofPlan> {
    check_size(size)?;
    if index >= size {
        return Err(ProofError::IndexOutside { index, size });
    }
    let (mut start, mut end) = (0, size);
    let mut elements = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            elements.push(complete_subtrees(middle, end));
            end = middle;
        } else {
            elements.push(complete_subtrees(start, middle));
            start = middle;
        }
    }
    elements.reverse();
    Ok(ProofPlan { elements })
}

/// Plans PROOF(old, D\[new\]) of RFC 6962, 2.1.2. From the empty tree, and between equal sizes, it is empty.
///
/// # Errors
/// [`ProofError::TreeSize`], [`ProofError::SizesReversed`].
pub fn consistency_plan(old: u64, new: u64) -> Result<ProofPlan> {
    check_size(new)?;
    if old > new {
        return Err(ProofError::SizesReversed { old, new });
    }
    if old == 0 || old == new {
        return Ok(ProofPlan::default());
    }
    let (mut start, mut end) = (0, new);
    let mut elements = Vec::new();
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            elements.push(complete_subtrees(middle, end));
            end = middle;
        } else {
            elements.push(complete_subtrees(start, middle));
            start = middle;
        }
    }
    // While `start` is 0 the subtree reached is the old tree itself, whose root the verifier knows.
    if start != 0 {
        elements.push(complete_subtrees(start, end));
    }
    elements.reverse();
    Ok(ProofPlan { elements })
}

/// Verifies that the entry with this leaf hash is number `index` in the tree of `size` entries with this root.
///
/// # Errors
/// [`ProofError::TreeSize`], [`ProofError::IndexOutside`], [`ProofError::InclusionFalse`].
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<()> {
    check_size(size)?;
    if index >= size {
        return Err(ProofError::IndexOutside { index, size });
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::InclusionFalse);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            skip_ragged_edge(&mut at, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(ProofError::InclusionFalse) }
}

/// Verifies that the tree of `new` entries begins with all entries of the tree of `old` entries, unchanged.
///
/// # Errors
/// [`ProofError::TreeSize`], [`ProofError::SizesReversed`], [`ProofError::ConsistencyFalse`].
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<()> {
    check_size(new)?;
    if old > new {
        return Err(ProofError::SizesReversed { old, new });
    }
    let agree = |yes: bool| if yes { Ok(()) } else { Err(ProofError::ConsistencyFalse) };
    if old == new {
        return agree(proof.is_empty() && old_root == new_root && (new > 0 || *new_root == empty_root()));
    }
    if old == 0 {
        return agree(proof.is_empty() && *old_root == empty_root());
    }
    let (mut at, mut last) = (old - 1, new - 1);
    let levels = at.trailing_ones();
    at >>= levels;
    last >>= levels;
    // For a power of two the old root is the starting node itself and is not repeated in the proof.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(ProofError::ConsistencyFalse)?
    };
    if rest.is_empty() {
        return Err(ProofError::ConsistencyFalse);
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::ConsistencyFalse);
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            skip_ragged_edge(&mut at, &mut last);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    agree(last == 0 && old_hash == *old_root && new_hash == *new_root)
}

/// On the right edge a node may have no sibling for some levels; those levels have no proof element.
fn skip_ragged_edge(at: &mut u64, last: &mut u64) {
    while *at & 1 == 0 && *at != 0 {
        *at >>= 1;
        *last >>= 1;
    }
}

pub(crate) fn check_size(size: u64) -> Result<()> {
    if size > MAX_SIZE { Err(ProofError::TreeSize) } else { Ok(()) }
}

/// The largest power of two below `n`; `n` is at least 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The complete subtrees that make up the leaves `start..end`, from left to right. `start` is aligned to the first
/// of them, as it always is within the tree.
fn complete_subtrees(start: u64, end: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = start;
    while at < end {
        let level = (end - at).ilog2();
        nodes.push(Node { level: level as u8, index: at >> level });
        at += 1 << level;
    }
    nodes
}

fn fold(source: &dyn HashSource, nodes: &[Node]) -> Result<Hash> {
    let mut nodes = nodes.iter().rev();
    let Some(last) = nodes.next() else { return Ok(empty_root()) };
    let mut right = source.node(*last)?;
    for node in nodes {
        right = node_hash(&source.node(*node)?, &right);
    }
    Ok(right)
}

/// A number in the one decimal spelling that the text formats allow: no sign, no leading zero.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    if canonical && digits { text.parse().ok() } else { None }
}

/// A hash in padded standard base64.
pub(crate) fn decode_hash(text: &str) -> Option<Hash> {
    if text.len() != 44 {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// A hash in padded standard base64.
pub(crate) fn encode_hash(hash: &Hash) -> String {
    STANDARD.encode(hash)
}
