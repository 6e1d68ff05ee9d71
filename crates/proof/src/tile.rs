// SPDX-License-Identifier: EUPL-1.2
//! Tiles and entry bundles (C2SP tlog-tiles): the log as immutable files.
//!
//! Guarantees: names, widths and bytes exactly as the specification says, one spelling per name; parsers take
//! exactly the expected number of hashes or entries. [`TileHashes`] turns stored tiles into a
//! [`HashSource`], so proofs need no database of tree nodes.
//! Does not: authenticate tiles. What is computed from tiles of doubtful origin must be compared with the root of
//! a signed checkpoint; proofs are verified there anyway. Does not read or write files.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ProofError, Result};
use crate::merkle::{self, Hash, HashSource, Node, ProofPlan, check_size, parse_decimal};

/// Hashes in a full tile and entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Tree levels in one tile.
const TILE_HEIGHT: u8 = 8;
const HASH_LEN: usize = 32;
/// Highest level that a path may name.
const MAX_LEVEL: u8 = 63;
/// Longest entry of a bundle, in bytes.
pub const MAX_ENTRY: usize = u16::MAX as usize;
/// Longest path read.
const MAX_PATH: usize = 128;

/// Names one tile of hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Tile level: 0 holds leaf hashes, each hash of level *n* + 1 is the root of a full tile of level *n*.
    pub level: u8,
    /// Zero-based index within the level.
    pub index: u64,
    /// Hashes in it: 256 when full, 1 to 255 when partial.
    pub width: u16,
}

/// Names one bundle of entries; it corresponds to the tile of level 0 with the same index and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId {
    /// Zero-based index.
    pub index: u64,
    /// Entries in it: 256 when full, 1 to 255 when partial.
    pub width: u16,
}

impl TileId {
    /// The path below the log's prefix, e.g. `tile/0/x001/x234/067.p/12`.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, index_path(self.index, self.width))
    }

    /// Reads a path; only the one spelling that [`TileId::path`] writes is taken.
    ///
    /// # Errors
    /// [`ProofError::TilePath`].
    pub fn parse(path: &str) -> Result<Self> {
        let (level, rest) = strip(path, "tile/")?.split_once('/').ok_or(ProofError::TilePath)?;
        let level = parse_decimal(level).and_then(|l| u8::try_from(l).ok()).filter(|l| *l <= MAX_LEVEL);
        let (index, width) = parse_index_path(rest)?;
        Ok(Self { level: level.ok_or(ProofError::TilePath)?, index, width })
    }

    /// The tile at this place in a tree of `size` entries, full or partial; `None` if it does not exist there.
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let width = hashes_at(level, size).checked_sub(index.checked_mul(TILE_WIDTH)?)?.min(TILE_WIDTH);
        let width = u16::try_from(width).ok().filter(|width| *width > 0)?;
        Some(Self { level, index, width })
    }

    /// Whether the tile is full and will never change its name again.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The bundle with the entries of this tile, for tiles of level 0.
    pub fn bundle(&self) -> Option<BundleId> {
        (self.level == 0).then_some(BundleId { index: self.index, width: self.width })
    }
}

impl BundleId {
    /// The path below the log's prefix, e.g. `tile/entries/x001/067`.
    pub fn path(&self) -> String {
        format!("tile/entries/{}", index_path(self.index, self.width))
    }

    /// Reads a path; only the one spelling that [`BundleId::path`] writes is taken.
    ///
    /// # Errors
    /// [`ProofError::TilePath`].
    pub fn parse(path: &str) -> Result<Self> {
        let (index, width) = parse_index_path(strip(path, "tile/entries/")?)?;
        Ok(Self { index, width })
    }

    /// The bundle that holds entry `index` in a tree of `size` entries.
    pub fn of_entry(index: u64, size: u64) -> Option<Self> {
        if index >= size {
            return None;
        }
        TileId::in_tree(0, index / TILE_WIDTH, size)?.bundle()
    }
}

/// Number of hashes on a tile level of a tree.
fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0)
}

/// `x001/x234/067` with `.p/<width>` when partial.
fn index_path(index: u64, width: u16) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if u64::from(width) != TILE_WIDTH {
        path.push_str(&format!(".p/{width}"));
    }
    path
}

fn strip<'a>(path: &'a str, prefix: &str) -> Result<&'a str> {
    if path.len() > MAX_PATH {
        return Err(ProofError::TilePath);
    }
    path.strip_prefix(prefix).ok_or(ProofError::TilePath)
}

fn parse_index_path(path: &str) -> Result<(u64, u16)> {
    let (groups, width) = match path.split_once(".p/") {
        Some((groups, width)) => {
            let width = parse_decimal(width).filter(|width| (1..TILE_WIDTH).contains(width));
            (groups, width.ok_or(ProofError::TilePath)?)
        }
        None => (path, TILE_WIDTH),
    };
    let mut index = 0u64;
    for group in groups.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ProofError::TilePath);
        }
        let value: u64 = digits.parse().map_err(|_| ProofError::TilePath)?;
        index = index.checked_mul(1000).and_then(|i| i.checked_add(value)).ok_or(ProofError::TilePath)?;
    }
    let width = u16::try_from(width).map_err(|_| ProofError::TilePath)?;
    // Writing it again catches what the loop let pass: a missing or surplus `x`, leading groups of zeros.
    if index_path(index, width) != path {
        return Err(ProofError::TilePath);
    }
    Ok((index, width))
}

/// All tiles of a tree of `size` entries, level by level.
pub fn tiles_in_tree(size: u64) -> impl Iterator<Item = TileId> {
    new_tiles(0, size)
}

/// The tiles that a tree of `new` entries has and one of `old` entries has not, level by level: what must be
/// written when the tree grows. Partial tiles of intermediate sizes are not among them.
pub fn new_tiles(old: u64, new: u64) -> impl Iterator<Item = TileId> {
    (0..=MAX_LEVEL).take_while(move |level| hashes_at(*level, new) > 0).flat_map(move |level| {
        let (before, after) = (hashes_at(level, old), hashes_at(level, new));
        let indices = if after > before { before / TILE_WIDTH..after.div_ceil(TILE_WIDTH) } else { 0..0 };
        indices.filter_map(move |index| TileId::in_tree(level, index, new))
    })
}

/// The tiles that hold the nodes of a plan in a tree of `size` entries.
///
/// # Errors
/// [`ProofError::MissingNode`] when a node does not exist in that tree.
pub fn tiles_of_plan(plan: &ProofPlan, size: u64) -> Result<BTreeSet<TileId>> {
    plan.nodes().map(|node| locate(node, size).map(|place| place.tile)).collect()
}

/// The bytes of a tile: its hashes, one after the other.
///
/// # Errors
/// [`ProofError::TileWidth`] when there are none or more than 256.
pub fn tile_bytes(hashes: &[Hash]) -> Result<Vec<u8>> {
    check_width(hashes.len())?;
    Ok(hashes.concat())
}

/// The hashes of a tile.
///
/// # Errors
/// [`ProofError::TileLength`] when the number of bytes does not fit the width.
pub fn parse_tile(id: TileId, bytes: &[u8]) -> Result<Vec<Hash>> {
    check_width(usize::from(id.width))?;
    let expected = usize::from(id.width) * HASH_LEN;
    if bytes.len() != expected {
        return Err(ProofError::TileLength { len: bytes.len(), expected });
    }
    Ok(bytes.as_chunks::<HASH_LEN>().0.to_vec())
}

/// Builds a tile from a source that knows the nodes at its level (`8 * level`).
///
/// # Errors
/// [`ProofError::TileWidth`], [`ProofError::MissingNode`] for places no tree has, or what the source answers.
pub fn build_tile(id: TileId, source: &dyn HashSource) -> Result<Vec<u8>> {
    check_width(usize::from(id.width))?;
    let missing = || ProofError::MissingNode { level: id.level, index: id.index };
    let level = id.level.checked_mul(TILE_HEIGHT).filter(|l| *l <= MAX_LEVEL).ok_or_else(missing)?;
    let start = id.index.checked_mul(TILE_WIDTH).ok_or_else(missing)?;
    let end = start.checked_add(u64::from(id.width)).ok_or_else(missing)?;
    let mut bytes = Vec::with_capacity(usize::from(id.width) * HASH_LEN);
    for index in start..end {
        bytes.extend_from_slice(&source.node(Node { level, index })?);
    }
    Ok(bytes)
}

/// The hash that stands for a full tile on the level above.
///
/// # Errors
/// [`ProofError::TileWidth`] when the tile is not full: partial tiles must not be hashed.
pub fn parent_hash(hashes: &[Hash]) -> Result<Hash> {
    if hashes.len() as u64 != TILE_WIDTH {
        return Err(ProofError::TileWidth { width: hashes.len() });
    }
    merkle::root_of(hashes)
}

fn check_width(width: usize) -> Result<()> {
    if (1..=TILE_WIDTH as usize).contains(&width) { Ok(()) } else { Err(ProofError::TileWidth { width }) }
}

/// Gives the bytes of tiles.
pub trait TileSource {
    /// The bytes of a tile. A source that kept only the full tile may cut it to the width asked for.
    ///
    /// # Errors
    /// [`ProofError::MissingTile`] or another reason why it cannot be given.
    fn tile(&self, id: TileId) -> Result<Vec<u8>>;
}

impl TileSource for BTreeMap<TileId, Vec<u8>> {
    fn tile(&self, id: TileId) -> Result<Vec<u8>> {
        self.get(&id).cloned().ok_or_else(|| ProofError::MissingTile { path: id.path() })
    }
}

/// A tree of known size whose nodes are computed from its tiles.
#[derive(Debug, Clone, Copy)]
pub struct TileHashes<'a, T: ?Sized> {
    tiles: &'a T,
    size: u64,
}

impl<'a, T: TileSource + ?Sized> TileHashes<'a, T> {
    /// The tree of `size` entries over these tiles.
    ///
    /// # Errors
    /// [`ProofError::TreeSize`].
    pub fn new(tiles: &'a T, size: u64) -> Result<Self> {
        check_size(size)?;
        Ok(Self { tiles, size })
    }

    /// Root of the tree.
    ///
    /// # Errors
    /// What the tile source answers.
    pub fn root(&self) -> Result<Hash> {
        merkle::root_from(self, self.size)
    }

    /// Inclusion proof of entry `index`.
    ///
    /// # Errors
    /// [`ProofError::IndexOutside`], or what the tile source answers.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>> {
        merkle::inclusion_plan(index, self.size)?.resolve(self)
    }

    /// Consistency proof from the tree of `old` entries to this one.
    ///
    /// # Errors
    /// [`ProofError::SizesReversed`], or what the tile source answers.
    pub fn consistency(&self, old: u64) -> Result<Vec<Hash>> {
        merkle::consistency_plan(old, self.size)?.resolve(self)
    }
}

impl<T: TileSource + ?Sized> HashSource for TileHashes<'_, T> {
    fn node(&self, node: Node) -> Result<Hash> {
        let place = locate(node, self.size)?;
        let hashes = parse_tile(place.tile, &self.tiles.tile(place.tile)?)?;
        let range = place.offset..place.offset + place.count;
        let missing = ProofError::MissingNode { level: node.level, index: node.index };
        merkle::root_of(hashes.get(range).ok_or(missing)?)
    }
}

struct Place {
    tile: TileId,
    offset: usize,
    count: usize,
}

/// Where the hashes are that make up a node.
fn locate(node: Node, size: u64) -> Result<Place> {
    let missing = || ProofError::MissingNode { level: node.level, index: node.index };
    let height = u32::from(node.level % TILE_HEIGHT);
    let level = node.level / TILE_HEIGHT;
    let count = 1u64 << height;
    let start = node.index.checked_mul(count).ok_or_else(missing)?;
    let end = start.checked_add(count).ok_or_else(missing)?;
    if end > hashes_at(level, size) {
        return Err(missing());
    }
    let tile = TileId::in_tree(level, start / TILE_WIDTH, size).ok_or_else(missing)?;
    Ok(Place { tile, offset: (start % TILE_WIDTH) as usize, count: count as usize })
}

/// The bytes of an entry bundle: each entry preceded by its length in two bytes, big-endian.
///
/// # Errors
/// [`ProofError::TooLarge`] for an entry above 65535 bytes, [`ProofError::TileWidth`] for none or more than 256.
pub fn bundle_bytes<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>> {
    check_width(entries.len())?;
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        let len = u16::try_from(entry.len()).map_err(|_| ProofError::TooLarge {
            what: "log entry",
            len: entry.len(),
            max: MAX_ENTRY,
        })?;
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle.
///
/// # Errors
/// [`ProofError::BundleFormat`] when the bytes do not hold exactly as many entries as the name says.
pub fn parse_bundle(id: BundleId, bytes: &[u8]) -> Result<Vec<&[u8]>> {
    check_width(usize::from(id.width))?;
    let mut entries = Vec::with_capacity(usize::from(id.width));
    let mut rest = bytes;
    while let Some((len, tail)) = rest.split_first_chunk::<2>() {
        if entries.len() == usize::from(id.width) {
            return Err(ProofError::BundleFormat { reason: "it holds more entries than its name says" });
        }
        let len = usize::from(u16::from_be_bytes(*len));
        let (entry, tail) =
            tail.split_at_checked(len).ok_or(ProofError::BundleFormat { reason: "an entry is cut off" })?;
        entries.push(entry);
        rest = tail;
    }
    if !rest.is_empty() {
        return Err(ProofError::BundleFormat { reason: "a length is cut off" });
    }
    if entries.len() != usize::from(id.width) {
        return Err(ProofError::BundleFormat { reason: "it holds fewer entries than its name says" });
    }
    Ok(entries)
}
