//! Register tiles: a few rows of activations by one or two panels of weights.

use std::ops::Range;

use super::super::simd::{Kernel, Simd};
use super::{Epilogue, Finish, Lhs, PANEL, Rhs};

/// Floats of the largest tile of any instruction set.
const LARGEST_TILE: usize = 14 * 2 * PANEL;

/// All rows by a range of panels, on the calling thread.
pub(super) struct Tile<'a> {
    pub(super) a: Lhs<'a>,
    pub(super) w: Rhs<'a>,
    pub(super) epilogue: Epilogue<'a>,
    pub(super) out: *mut f32,
    pub(super) out_stride: usize,
    pub(super) panels: Range<usize>,
}

impl Kernel for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let mut panel = self.panels.start;
        while panel < self.panels.end {
            let wide = S::TILE_PANELS == 2 && panel + 2 <= self.panels.end;
            let count = if wide { 2 } else { 1 };
            let columns = (count * PANEL).min(self.w.n - panel * PANEL);
            // The panels stay in the nearest cache while the rows go by, in tiles of balanced height: 50 rows
            // are 13 + 13 + 12 + 12, not 14 + 14 + 14 + 8.
            let tiles = self.a.rows.div_ceil(S::TILE_ROWS);
            let mut row = 0;
            for t in 0..tiles {
                let rows = (self.a.rows - row).div_ceil(tiles - t);
                // SAFETY: `gemm` asserted that all slices reach as far as their shapes say, and row and panel
                // stay below those shapes; tasks have disjoint panels, so nobody else writes these columns.
                unsafe { self.one(s, row, rows, panel, wide, columns) }
                row += rows;
            }
            panel += count;
        }
    }
}

impl Tile<'_> {
    /// Rows `row .. row + rows` by the panels from `panel`.
    ///
    /// # Safety
    /// The sizes that `gemm` asserts; `rows ≤ TILE_ROWS`; `columns` valid columns from `16 · panel`.
    #[inline(always)]
    unsafe fn one<S: Simd>(&self, s: S, row: usize, rows: usize, panel: usize, wide: bool, columns: usize) {
        // SAFETY: within the slices, as the caller promises.
        unsafe {
            let place = Place {
                a: self.a.data.as_ptr().add(row * self.a.stride),
                a_stride: self.a.stride,
                w: self.w.data.as_ptr().add(panel * self.w.panel_stride),
                k: self.a.k,
                k_stride: self.w.k_stride,
                panel_stride: self.w.panel_stride,
                bias: self.epilogue.bias.map(|bias| bias.as_ptr().add(panel * PANEL)),
                accumulate: self.epilogue.finish == Finish::Accumulate,
            };
            let out = self.out.add(row * self.out_stride + panel * PANEL);
            let width = if wide { 2 * PANEL } else { PANEL };
            if columns == width {
                dispatch(s, rows, wide, &place, out, self.out_stride);
                self.activate(s, rows, width, out, self.out_stride);
            } else {
                // The last panel is not full: its tile is made beside the output and its valid part copied.
                let mut beside = [0.0f32; LARGEST_TILE];
                let tile = beside.as_mut_ptr();
                if place.accumulate {
                    for r in 0..rows {
                        tile.add(r * width).copy_from_nonoverlapping(out.add(r * self.out_stride), columns);
                    }
                }
                dispatch(s, rows, wide, &place, tile, width);
                self.activate(s, rows, width, tile, width);
                for r in 0..rows {
                    out.add(r * self.out_stride).copy_from_nonoverlapping(tile.add(r * width), columns);
                }
            }
        }
    }

    /// The activation over a tile that was just stored and still lies in the nearest cache.
    ///
    /// # Safety
    /// `rows` rows of `width` writable floats, `stride` apart.
    #[inline(always)]
    unsafe fn activate<S: Simd>(&self, s: S, rows: usize, width: usize, out: *mut f32, stride: usize) {
        if let Finish::Activate(activation) = self.epilogue.finish {
            for r in 0..rows {
                for c in (0..width).step_by(S::LANES) {
                    // SAFETY: r < rows and c + LANES ≤ width.
                    unsafe {
                        let at = out.add(r * stride + c);
                        s.store(at, activation.apply(s, s.load(at)));
                    }
                }
            }
        }
    }
}

/// Where a register tile finds its operands.
struct Place {
    a: *const f32,
    a_stride: usize,
    w: *const f32,
    k: usize,
    k_stride: usize,
    panel_stride: usize,
    bias: Option<*const f32>,
    accumulate: bool,
}

/// Picks the tile with as many rows and panels as needed.
///
/// # Safety
/// See [`registers`].
#[inline(always)]
unsafe fn dispatch<S: Simd>(s: S, rows: usize, wide: bool, place: &Place, out: *mut f32, stride: usize) {
    macro_rules! rows {
        ($vectors:literal: $($n:literal)*) => {
            match rows {
                // SAFETY: the caller's promise is passed on.
                $($n if $n <= S::TILE_ROWS => unsafe { registers::<S, $n, $vectors>(s, place, out, stride) },)*
                _ => unreachable!("tiles have 1 to {} rows", S::TILE_ROWS),
            }
        };
    }
    match (S::LANES, wide) {
        (16, true) => rows!(2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (16, false) => rows!(1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (8, _) => rows!(2: 1 2 3 4 5 6),
        _ => rows!(4: 1 2 3 4 5 6),
    }
}

/// `ROWS` rows by `VECTORS` vectors of columns, held in registers over the whole of `k`.
///
/// # Safety
/// `place.a` has `ROWS` rows of `k` readable floats, `place.w` and `place.bias` the columns of the tile, `out`
/// `ROWS` rows of as many writable floats `stride` apart (readable floats too, if `accumulate`).
#[inline(always)]
unsafe fn registers<S: Simd, const ROWS: usize, const VECTORS: usize>(
    s: S,
    place: &Place,
    out: *mut f32,
    stride: usize,
) {
    let per_panel = PANEL / S::LANES;
    let column = |v: usize| (v / per_panel) * place.panel_stride + (v % per_panel) * S::LANES;
    let mut sums = [[s.splat(0.0); VECTORS]; ROWS];
    // SAFETY: offsets stay below the sizes that the caller promises.
    unsafe {
        let mut w = place.w;
        for p in 0..place.k {
            let mut columns = [s.splat(0.0); VECTORS];
            for (v, column_values) in columns.iter_mut().enumerate() {
                *column_values = s.load(w.add(column(v)));
            }
            for (r, row_sums) in sums.iter_mut().enumerate() {
                let a = s.splat(*place.a.add(r * place.a_stride + p));
                for v in 0..VECTORS {
                    row_sums[v] = s.mul_add(a, columns[v], row_sums[v]);
                }
            }
            w = w.wrapping_add(place.k_stride);
        }
        for (r, row_sums) in sums.iter().enumerate() {
            for (v, &sum) in row_sums.iter().enumerate() {
                let at = out.add(r * stride + v * S::LANES);
                let mut value = sum;
                if let Some(bias) = place.bias {
                    value = s.add(value, s.load(bias.add(v * S::LANES)));
                }
                if place.accumulate {
                    value = s.add(value, s.load(at));
                }
                s.store(at, value);
            }
        }
    }
}
