//! The stored form of a tokenizer: bytes that are used where they lie, in a mapped file.
//!
//! Opening looks at the 128 bytes of the header and at no others; nothing is built, copied or read ahead. All numbers are
//! little-endian. The bytes must begin at a multiple of 4 in memory; tensors of a weights file begin at multiples of 64.
//!
//! | offset | content |
//! |---|---|
//! | 0 | magic: `PIECES\r\n` |
//! | 8 | u32: version of the form, 1 |
//! | 12 | u32: [`Rules`] |
//! | 16 | u32: number of ids |
//! | 20 | u32: id of what is unknown |
//! | 24, 28, 32 | u32 each: id before a text, id after it, id that fills up; 4294967295 if there is none |
//! | 36 | u32: longest piece, in bytes |
//! | 40 | f64: score of an unknown character |
//! | 48 | f32: highest score |
//! | 52 | u32: units of the trie of all pieces |
//! | 56 | u32: units of the trie of user-defined pieces |
//! | 60 | u32: bytes of the charsmap |
//! | 64 | zeros up to 128 |
//!
//! Then, each at a multiple of 64 with zeros before it: the trie of all pieces; that of user-defined pieces ([`Unit`], two
//! u32 each); for each id an f32, its score (unigram), or a u32, its rank among merges (BPE, 4294967295 if nothing merges
//! to it); with byte fallback the 256 ids of bytes, u32 (4294967295 for a byte that is a piece as a character); the
//! charsmap as published. Zeros fill up to a multiple of 64 at the end.
//! Damage beyond the header gives wrong ids and nothing worse; the checksum of the tensor shows it.

use super::charsmap::Charsmap;
use super::rules::{Algorithm, Reference, Rules};
use super::trie::{Class, ID_BITS, Trie, Unit};

pub(super) const MAGIC: [u8; 8] = *b"PIECES\r\n";
pub(super) const VERSION: u32 = 1;
/// Bytes of the header.
pub(super) const HEADER: usize = 128;
/// Sections begin at multiples of this.
pub(super) const ALIGN: usize = 64;
/// No id, and the rank of what does not merge.
pub(crate) const NONE: u32 = u32::MAX;
/// Most bytes of a piece. It bounds the work for each byte of a text; those of published models have up to 93.
pub(super) const MAX_PIECE: usize = 256;
/// Most ids.
pub(super) const MAX_IDS: usize = 1 << ID_BITS;

/// Why bytes are no stored tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// Another magic or version.
    #[error("it is of another version")]
    Version,
    /// A length or a number that cannot be.
    #[error("its {0} cannot be right")]
    Field(&'static str),
    /// Bytes that do not begin at a multiple of 4.
    #[error("its bytes are not aligned")]
    Alignment,
}

/// Ids around a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub start: Option<u32>,
    pub end: Option<u32>,
    pub pad: Option<u32>,
}

/// A stored tokenizer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(super) rules: Rules,
    pub(super) ids: usize,
    pub(super) unknown: u32,
    pub(super) bounds: Bounds,
    pub(super) unknown_score: f64,
    pub(super) max_score: f32,
    pub(super) pieces: Trie<'a>,
    pub(super) user: Trie<'a>,
    /// Bits of the scores, or ranks.
    pub(super) values: &'a [u32],
    /// Ids of bytes; empty without byte fallback.
    pub(super) bytes: &'a [u32],
    pub(super) charsmap: Charsmap<'a>,
}

/// Numbers of the header, from an offset on.
struct Header<'a>(&'a [u8]);

impl Header<'_> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    fn number(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    fn id(&self, at: usize) -> Option<u32> {
        Some(self.number(at)).filter(|&id| id != NONE)
    }
}

/// Takes sections from the front.
struct Sections<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Sections<'a> {
    fn next(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], Damage> {
        let start = self.at.next_multiple_of(ALIGN);
        let end = start.checked_add(len).ok_or(Damage::Field(what))?;
        self.at = end;
        self.bytes.get(start..end).ok_or(Damage::Field(what))
    }

    fn numbers<T: bytemuck::AnyBitPattern>(&mut self, count: usize, what: &'static str) -> Result<&'a [T], Damage> {
        let len = count.checked_mul(size_of::<T>()).ok_or(Damage::Field(what))?;
        bytemuck::try_cast_slice(self.next(len, what)?).map_err(|_| Damage::Alignment)
    }
}

/// Opens a stored tokenizer, in well under a microsecond for any number of pieces.
pub(crate) fn open(bytes: &[u8]) -> Result<View<'_>, Damage> {
    let header = Header(bytes.get(..HEADER).ok_or(Damage::Field("length"))?);
    if header.array(0) != MAGIC || header.number(8) != VERSION {
        return Err(Damage::Version);
    }
    if header.0.iter().skip(64).any(|&byte| byte != 0) {
        return Err(Damage::Version);
    }
    let rules = Rules::of(header.number(12)).ok_or(Damage::Version)?;
    let ids = header.number(16) as usize;
    let unknown = header.number(20);
    let bounds = Bounds { start: header.id(24), end: header.id(28), pad: header.id(32) };
    let around = [bounds.start, bounds.end, bounds.pad];
    if ids > MAX_IDS || around.iter().flatten().chain([&unknown]).any(|&id| id as usize >= ids) {
        return Err(Damage::Field("number of ids"));
    }
    if header.number(36) as usize > MAX_PIECE {
        return Err(Damage::Field("longest piece"));
    }
    let mut sections = Sections { bytes, at: HEADER };
    let pieces: &[Unit] = sections.numbers(header.number(52) as usize, "trie")?;
    let user: &[Unit] = sections.numbers(header.number(56) as usize, "trie of user-defined pieces")?;
    let values = sections.numbers(ids, "scores")?;
    let of_bytes = if rules.has(Rules::BYTE_FALLBACK) { 256 } else { 0 };
    let of_bytes = sections.numbers(of_bytes, "ids of bytes")?;
    let charsmap = sections.next(header.number(60) as usize, "charsmap")?;
    if sections.at.next_multiple_of(ALIGN) != bytes.len() {
        return Err(Damage::Field("length"));
    }
    Ok(View {
        rules,
        ids,
        unknown,
        bounds,
        unknown_score: f64::from_le_bytes(header.array(40)),
        max_score: f32::from_le_bytes(header.array(48)),
        pieces: Trie::new(pieces),
        user: Trie::new(user),
        values,
        bytes: of_bytes,
        charsmap: Charsmap::new(charsmap).ok_or(Damage::Field("charsmap"))?,
    })
}

impl View<'_> {
    /// Number of ids.
    pub fn ids(&self) -> usize {
        self.ids
    }

    /// Ids around a text.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The id of a special token by its name.
    pub fn special_id(&self, name: &str) -> Option<u32> {
        let found = self.pieces.get(name.as_bytes());
        (found.class() == Class::Control).then(|| found.id()).filter(|&id| (id as usize) < self.ids)
    }

    pub(super) fn reference(&self) -> Reference {
        self.rules.reference()
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.rules.algorithm()
    }

    pub(super) fn score(&self, id: u32) -> f32 {
        self.values.get(id as usize).map_or(f32::NEG_INFINITY, |&bits| f32::from_bits(bits))
    }

    pub(super) fn rank(&self, id: u32) -> u32 {
        self.values.get(id as usize).copied().unwrap_or(NONE)
    }
}
