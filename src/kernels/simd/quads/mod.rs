//! Tiles of products of 8-bit integers, summed in 32 bits: one file for each instruction set.
//!
//! Weights lie in panels of sixteen columns by quads, four steps of k: `[K / 4][16][4]`. The four bytes of a column meet
//! the four bytes of a row in one lane of 32 bits, as instructions for dot products want them; a vector of 64 bytes is
//! a panel, one of 32 half of it, one of 16 four columns. Sums of integers are exact, so every instruction set gives
//! the same.

#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
pub(super) mod amx;
#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
pub(super) mod avx2;
#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
pub(super) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
pub(super) mod sse;

use crate::tensor::PANEL;
pub(crate) use crate::tensor::QUAD;

/// Bytes of the weights of a quad in a panel.
pub(crate) const QUAD_BYTES: usize = PANEL * QUAD;

/// Rows of the largest tile of any instruction set.
pub(crate) const MOST_ROWS: usize = 32;
/// Panels of that tile.
pub(crate) const MOST_PANELS: usize = 2;

/// How an instruction set multiplies integers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuadShape {
    /// Rows of a tile, at most [`MOST_ROWS`].
    pub(crate) rows: usize,
    /// Panels of a tile, at most [`MOST_PANELS`].
    pub(crate) panels: usize,
    /// What is added to every integer of the activations: 128 where the instructions take them without a sign, else 0. The
    /// sums begin with that much less, times the sum of the column's weights.
    pub(crate) offset: u8,
    /// Whether the integers of a row are split in two parts, or signed, by [`super::Simd::split_row`].
    pub(crate) split: bool,
    /// Whether every tile must have as many rows as [`super::Simd::begin_quads`] announced.
    pub(crate) fixed: bool,
}

/// A row after [`super::Simd::split_row`]: the first parts of its quads lie where the integers were, the second parts of
/// those that have one here. Either part of a step is multiplied as the step would be. Rows that are signed: see [`SIGNED`].
#[cfg_attr(any(not(target_arch = "x86_64"), fuzzing), allow(dead_code, reason = "only AVX2 splits rows"))]
pub(crate) struct SplitRow<'a> {
    /// Integers in -127 ..= 127, whole blocks of 64; the first parts.
    pub(crate) steps: &'a mut [i8],
    /// Second parts, four bytes each; room for all quads.
    pub(crate) parts: &'a mut [i32],
    /// Which quads these belong to.
    pub(crate) quads: &'a mut [u16],
}

/// How a split row begins and ends: `[start, count]`, what its sums begin with and how many second parts it has. Lies
/// [`SPLIT_AT`] bytes after [`QuadTile::rest`]; the parts [`SPLIT_PARTS`] bytes after it, the quads as many bytes after
/// these as the row has steps.
pub(crate) type Split = [i32; 2];

/// See [`Split`].
pub(crate) const SPLIT_AT: usize = 4;
/// See [`Split`].
pub(crate) const SPLIT_PARTS: usize = 64;

/// The count of second parts of a row that is signed instead of split: its steps are magnitudes, and every quad has a second
/// part, the signs of its steps as bytes of ones where they are negative.
#[cfg_attr(any(not(target_arch = "x86_64"), fuzzing), allow(dead_code, reason = "only AVX2 splits rows"))]
pub(crate) const SIGNED: i32 = -1;

/// Bytes of the longest row, whole blocks of 64, that AVX2 signs. Up to here that is the faster way on both processors that were
/// measured: MobileCLIP-S2's feed-forward part with 80 channels takes 29 % less time on a Zen 4, 21 % less on a Xeon. On the
/// Xeon rows of 320 and 960 steps gain from being split already, on the Zen 4 those of 960 and more
/// (docs/tuning-log.md).
#[cfg_attr(any(not(target_arch = "x86_64"), fuzzing), allow(dead_code, reason = "only AVX2 splits rows"))]
pub(crate) const MOST_SIGNED: usize = 256;

/// A tile: some rows of bytes, some panels of weights, and as many sums.
pub(crate) struct QuadTile {
    /// The first row: integers plus [`QuadShape::offset`], with as many zeros, plus that, after them that they are whole
    /// blocks of 64 bytes.
    a: *const u8,
    /// Bytes from one row to the next.
    a_stride: usize,
    /// Bytes of a row: what [`Split`] says of it follows, if the set splits rows.
    #[cfg_attr(any(not(target_arch = "x86_64"), fuzzing), allow(dead_code, reason = "only AVX2 splits rows"))]
    rest: usize,
    /// The first panel.
    w: *const i8,
    /// Bytes from one panel to the next.
    w_panel: usize,
    /// Quads of steps.
    quads: usize,
    /// What the sums of each column begin with: sixteen for each panel.
    starts: *const i32,
    /// Sums, `[rows][panels · 16]`.
    sums: *mut i32,
    rows: usize,
    panels: usize,
    #[cfg_attr(
        any(not(target_arch = "x86_64"), fuzzing),
        allow(dead_code, reason = "only tiles in assembly prefetch")
    )]
    fetch: QuadFetch,
}

/// What a tile prefetches while it multiplies: the weights that come next, and those of the panel after them. Plain
/// numbers, because nothing is read through them.
#[derive(Clone, Copy)]
#[cfg_attr(any(not(target_arch = "x86_64"), fuzzing), allow(dead_code, reason = "only tiles in assembly prefetch"))]
pub(crate) struct QuadFetch {
    /// An address, any number.
    pub(crate) next: usize,
    /// Bytes from one prefetch, of each quad, to the next.
    pub(crate) pace: usize,
}

impl QuadTile {
    /// A tile of `a`, its bytes from row to row and of a row; of `w` and its bytes from panel to panel; of
    /// `quads` steps each; with `starts`, sixteen for each panel, and `sums`, as many for each row and panel.
    ///
    /// # Safety
    /// While the tile is in use, the operands must be readable and the sums exclusively accessible, for so many rows and
    /// panels; whole blocks of 64 bytes of every row, as integers plus [`QuadShape::offset`]; with
    /// what follows split rows where [`QuadShape::split`] says so.
    #[inline(always)]
    pub(crate) unsafe fn new(
        (a, a_stride, rest): (*const u8, usize, usize),
        (w, w_panel): (*const i8, usize),
        quads: usize,
        (rows, panels): (usize, usize),
        starts: *const i32,
        sums: *mut i32,
        fetch: QuadFetch,
    ) -> QuadTile {
        QuadTile { a, a_stride, rest, w, w_panel, quads, starts, sums, rows, panels, fetch }
    }
}

/// The tile for every instruction set, and what the others are tested against.
///
/// # Safety
/// The operands must be readable and the sums writable as [`QuadTile`] says; `a` has signed bytes.
#[inline(always)]
pub(super) unsafe fn plain(t: &QuadTile) {
    for r in 0..t.rows {
        for panel in 0..t.panels {
            // SAFETY: the caller promises sixteen numbers for every panel, and for every row and panel of the sums.
            let mut sums = unsafe { t.starts.add(panel * PANEL).cast::<[i32; PANEL]>().read_unaligned() };
            for quad in 0..t.quads {
                // SAFETY: the caller promises whole quads of rows and panels.
                let (a, w) = unsafe {
                    let a = t.a.add(r * t.a_stride + quad * QUAD).cast::<[i8; QUAD]>().read_unaligned();
                    let w = t.w.add(panel * t.w_panel + quad * QUAD_BYTES);
                    (a, w.cast::<[[i8; QUAD]; PANEL]>().read_unaligned())
                };
                for (sum, column) in sums.iter_mut().zip(w) {
                    for (a, w) in a.into_iter().zip(column) {
                        *sum = sum.wrapping_add(i32::from(a) * i32::from(w));
                    }
                }
            }
            // SAFETY: as above.
            unsafe { t.sums.add((r * t.panels + panel) * PANEL).cast::<[i32; PANEL]>().write_unaligned(sums) }
        }
    }
}
