//! A region of a product: blocks that fit the caches, cut into tiles that fit the registers.
//!
//! Within a block a pair of panels meets all rows before the next pair comes, and the tiles on the way fetch that
//! next pair: weights arrive from memory while arithmetic goes on.

use std::ops::Range;

use super::super::math::Activation;
use super::super::simd::{Kernel, Simd, Tile};
use super::super::strides::Strides;
use super::{Coming, Epilogue, Finish, Lhs, PANEL, Rhs};

/// Floats of the largest tile of any instruction set.
const LARGEST_TILE: usize = 14 * 2 * PANEL;

/// Steps of k in a block: a pair of panels then takes a tenth of an L2 cache of 1 MiB.
const K_BLOCK: usize = 768;

/// Floats of `a` in a block: every pair of panels reads them, so they should stay in L2.
const A_BLOCK: usize = 128 * K_BLOCK;

/// Floats of `a` that are near enough to be read by every pair of panels in turn: three quarters of such a cache.
const A_NEAR: usize = 256 * K_BLOCK;

/// Floats between what a single tile reads and what it fetches. Ten rows on weights from memory, 512 × 1536, an Intel
/// Xeon of 2023: 300 µs without, 277 at 256 floats, 239 at 512, 242 at 1024, 252 at 2048, 275 at 8192.
const AHEAD: usize = 768;

/// What is added where there is no bias.
static NO_BIAS: [f32; 2 * PANEL] = [0.0; 2 * PANEL];

/// Some rows by some panels, on the calling thread.
pub(in super::super) struct Region<'a> {
    pub(super) a: Lhs<'a>,
    pub(super) w: Rhs<'a>,
    pub(super) epilogue: Epilogue<'a>,
    pub(super) out: *mut f32,
    pub(super) strides: Strides,
    pub(super) rows: Range<usize>,
    pub(super) panels: Range<usize>,
    pub(super) coming: Option<Coming<'a>>,
}

impl Kernel for Region<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        // Where blocks of k end must follow from k alone.
        let k = self.a.k;
        let blocks = k.div_ceil(K_BLOCK).max(1);
        let steps = k.div_ceil(blocks).next_multiple_of(PANEL);
        let pairs = self.panels.len().div_ceil(S::TILE_PANELS);
        for rows in balanced(self.rows.clone(), (A_BLOCK / steps.max(1)).max(S::TILE_ROWS)) {
            // If all of `a` is near, a pair of panels goes through all blocks, since its weights then follow each
            // other in memory; if not, a block of `a` meets all pairs.
            let near = rows.len() * k <= A_NEAR;
            let visit = |i: usize| {
                let (pair, b) = if near { (i / blocks, i % blocks) } else { (i % pairs, i / pairs) };
                (self.panels.start + pair * S::TILE_PANELS, b)
            };
            let end = pairs * blocks;
            for i in 0..end {
                let (panel, b) = visit(i);
                // Behind the last pair are the weights of the next task.
                let (next_panel, next_b) = visit(i + 1);
                let last = b + 1 == blocks;
                let coming = self.coming.filter(|_| i + 1 == end && rows.end == self.rows.end);
                let block = Block {
                    region: &self,
                    rows: rows.clone(),
                    steps: b * steps..((b + 1) * steps).min(k),
                    next: match coming {
                        Some(coming) => (coming.weights.as_ptr(), coming.panel_stride),
                        None => (self.weights_at(next_panel, next_b * steps), self.w.panel_stride),
                    },
                    then: (near && !last && self.a.strides.row == PANEL).then(|| self.activations_at((b + 1) * steps)),
                    add: b > 0 || self.epilogue.finish == Finish::Accumulate,
                    bias: self.epilogue.bias.filter(|_| last),
                    activation: match self.epilogue.finish {
                        Finish::Activate(activation) if last => Some(activation),
                        _ => None,
                    },
                };
                // SAFETY: `gemm` asserted that all slices reach as far as their shapes say, and the region lies
                // within those; tasks have disjoint regions, so nobody else touches this part of the output.
                unsafe { block.run(s, panel) }
            }
        }
    }
}

impl<'a> Region<'a> {
    /// All rows by all panels.
    pub(in super::super) fn whole(
        a: Lhs<'a>,
        w: Rhs<'a>,
        epilogue: Epilogue<'a>,
        out: *mut f32,
        strides: Strides,
    ) -> Region<'a> {
        Region { a, w, epilogue, out, strides, rows: 0..a.rows, panels: 0..w.n.div_ceil(PANEL), coming: None }
    }

    /// Where the weights of a panel from a step of k on are, or would be.
    #[inline(always)]
    fn weights_at(&self, panel: usize, step: usize) -> *const f32 {
        let offset = panel.wrapping_mul(self.w.panel_stride).wrapping_add(step.wrapping_mul(self.w.k_stride));
        self.w.data.as_ptr().wrapping_add(offset)
    }

    /// Where the activations from a step of k on are, or would be.
    #[inline(always)]
    fn activations_at(&self, step: usize) -> *const f32 {
        self.a.data.as_ptr().wrapping_add(self.a.strides.at(0, step))
    }
}

/// Consecutive ranges of at most `most` whose lengths differ by one at most: 50 rows in tiles of 14 are
/// 13 + 13 + 12 + 12, not 14 + 14 + 14 + 8.
#[inline(always)]
pub(in super::super) fn balanced(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = range.len().div_ceil(most);
    (0..count).map(move |i| range.start + range.len() * i / count..range.start + range.len() * (i + 1) / count)
}

/// What a tile fetches; see [`Tile`].
#[derive(Clone, Copy)]
struct Ahead {
    next: *const f32,
    also: usize,
    streams: bool,
}

/// Some rows of a region by a block of k.
struct Block<'a> {
    region: &'a Region<'a>,
    rows: Range<usize>,
    steps: Range<usize>,
    /// The pair of panels that will be read after this block: where the first is, and the floats to the second.
    next: (*const f32, usize),
    /// The activations that the next block reads, if they lie in blocks of channels and may be in another core's cache.
    then: Option<*const f32>,
    /// Whether the sums are added to what the output holds.
    add: bool,
    bias: Option<&'a [f32]>,
    activation: Option<Activation>,
}

impl Block<'_> {
    /// The rows by the panel from `panel`, or the pair of them.
    ///
    /// # Safety
    /// The sizes that `gemm` asserts; nobody else touches these rows and panels of the output.
    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, panel: usize) {
        let Region { w, panels, .. } = self.region;
        let tiles = self.rows.len().div_ceil(S::TILE_ROWS);
        let count = S::TILE_PANELS.min(panels.end - panel);
        let columns = (count * PANEL).min(w.n - panel * PANEL);
        for (t, rows) in balanced(self.rows.clone(), S::TILE_ROWS).enumerate() {
            // SAFETY: as the caller promises; the tile lies within the block.
            unsafe { self.tile(s, rows, panel, count, columns, self.ahead(panel, t, tiles)) }
        }
    }

    /// What tile `t` of `tiles` fetches of the next pair of panels: a quarter, so that memory is asked at an even
    /// pace, or a half if there are too few tiles; beside a quarter, as much of the activations. A single tile reads
    /// as fast as memory gives, and fetches what it reads itself soon.
    #[inline(always)]
    fn ahead(&self, panel: usize, t: usize, tiles: usize) -> Ahead {
        let ((next, stride), quarter) = (self.next, self.steps.len() * PANEL / 2);
        let here = self.region.weights_at(panel, self.steps.start);
        let (next, also) = match tiles {
            1 => (here.wrapping_add(AHEAD), self.region.w.panel_stride),
            2 | 3 => (next.wrapping_add((t % 2).wrapping_mul(stride)), quarter),
            _ if t < 4 => {
                let next = next.wrapping_add((t / 2).wrapping_mul(stride).wrapping_add(t % 2 * quarter));
                let then = self.then.map_or(next, |then| then.wrapping_add(t * quarter));
                (next, (then as usize).wrapping_sub(next as usize) / size_of::<f32>())
            }
            _ => (here, 0),
        };
        Ahead { next, also, streams: tiles == 1 }
    }

    /// Some rows by `count` panels, of which `columns` columns exist.
    ///
    /// # Safety
    /// See [`Block::run`].
    #[inline(always)]
    unsafe fn tile<S: Simd>(&self, s: S, rows: Range<usize>, panel: usize, count: usize, columns: usize, ahead: Ahead) {
        let Region { a, w, out, strides, .. } = self.region;
        let (width, height) = (count * PANEL, rows.len());
        // SAFETY: within the slices, as the caller promises.
        unsafe {
            let mut tile = Tile {
                a: a.data.as_ptr().add(a.strides.at(rows.start, self.steps.start)),
                a_stride: a.strides.row,
                a_jump: 4 * (a.strides.block - PANEL),
                w: self.region.weights_at(panel, self.steps.start),
                k: self.steps.len(),
                w_stride: w.k_stride,
                w_panel: w.panel_stride,
                next: ahead.next,
                also: ahead.also,
                streams: ahead.streams,
                bias: self.bias.map_or(NO_BIAS.as_ptr(), |bias| bias.as_ptr().add(panel * PANEL)),
                out: out.add(strides.at(rows.start, panel * PANEL)),
                out_stride: strides.row,
                out_panel: strides.block,
                add: self.add,
            };
            if columns == width {
                dispatch(s, height, count, &tile);
                self.activate(s, height, count, &tile);
            } else {
                // The last panel is not full: its tile is made beside the output and its valid part copied.
                let mut beside = [0.0f32; LARGEST_TILE];
                let place = Strides::rows(width);
                let out = std::mem::replace(&mut tile.out, beside.as_mut_ptr());
                (tile.out_stride, tile.out_panel) = (place.row, place.block);
                let pieces = || {
                    let piece = |c: usize| (c, PANEL.min(columns - c));
                    (0..height).flat_map(move |r| (0..columns).step_by(PANEL).map(move |c| (r, piece(c))))
                };
                if self.add {
                    for (r, (c, len)) in pieces() {
                        tile.out.add(place.at(r, c)).copy_from_nonoverlapping(out.add(strides.at(r, c)), len);
                    }
                }
                dispatch(s, height, count, &tile);
                self.activate(s, height, count, &tile);
                for (r, (c, len)) in pieces() {
                    out.add(strides.at(r, c)).copy_from_nonoverlapping(tile.out.add(place.at(r, c)), len);
                }
            }
        }
    }

    /// The activation over a tile that was just stored and still lies in the nearest cache.
    ///
    /// # Safety
    /// The output of the tile: `rows` rows of `panels` panels.
    #[inline(always)]
    unsafe fn activate<S: Simd>(&self, s: S, rows: usize, panels: usize, tile: &Tile) {
        if let Some(activation) = self.activation {
            for r in 0..rows {
                for panel in 0..panels {
                    let row = tile.out.wrapping_add(r.wrapping_mul(tile.out_stride));
                    let row = row.wrapping_add(panel.wrapping_mul(tile.out_panel));
                    for c in (0..PANEL).step_by(S::LANES) {
                        // SAFETY: c + LANES ≤ 16, and sixteen floats of every row and panel are writable.
                        unsafe { s.store(row.add(c), activation.apply(s, s.load(row.add(c)))) }
                    }
                }
            }
        }
    }
}

/// Picks the tile with as many rows and panels as needed.
///
/// # Safety
/// See [`Simd::tile`].
#[inline(always)]
unsafe fn dispatch<S: Simd>(s: S, rows: usize, panels: usize, tile: &Tile) {
    macro_rules! rows {
        ($vectors:literal: $($n:literal)*) => {
            match rows {
                // SAFETY: the caller's promise is passed on.
                $($n if $n <= S::TILE_ROWS => unsafe { s.tile::<$n, $vectors>(tile) },)*
                _ => unreachable!("tiles have 1 to {} rows", S::TILE_ROWS),
            }
        };
    }
    match (S::LANES, panels) {
        (16, 2) => rows!(2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (16, _) => rows!(1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (8, _) => rows!(2: 1 2 3 4 5 6),
        _ => rows!(4: 1 2 3 4 5 6),
    }
}
