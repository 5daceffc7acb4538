//! The operands of a register tile of a product, and the tile for every instruction set; those in assembly are beside it.

#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
pub(super) mod avx2;
#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
pub(super) mod avx512;

use super::super::strides::Strides;
use super::{Element, Simd};
use crate::tensor::PANEL;

/// The operands of a register tile: some rows of `a`, each of `k` steps; for every step the columns of one or two
/// panels of `w`; as many rows and columns of the output. Strides are in elements unless stated otherwise.
#[repr(C)]
pub(crate) struct Tile<W> {
    a: *const f32,
    a_stride: usize,
    /// Bytes from the end of sixteen steps of a row to the next sixteen; 0 where a row is contiguous.
    a_jump: usize,
    w: *const W,
    k: usize,
    /// From one step to the next.
    w_stride: usize,
    /// From one panel to the next.
    w_panel: usize,
    #[cfg_attr(
        any(not(target_arch = "x86_64"), fuzzing),
        allow(dead_code, reason = "only tiles in assembly prefetch")
    )]
    fetch: Fetch,
    /// Added to every row.
    bias: *const f32,
    out: *mut f32,
    out_stride: usize,
    out_panel: usize,
    /// Whether the sums are added to the output.
    add: bool,
    /// Where the tile keeps its columns as floats: of every step, those of all panels; null: nowhere.
    keep: *mut f32,
}

/// The prefetches of a tile: for every two steps, a cache line from `first` on and, of a pair of panels, one `second`
/// bytes further.
///
/// These go to L2. On some processors (AMD's Zen 4) such a prefetch is lost if the page's address is not in the TLB,
/// whereas one to L1 finds the address. So every sixteen steps, one line a page ahead is prefetched to L1. With weights
/// from memory, products of 50 rows run at 93 to 95 % of the peak with it and at 76 to 81 without (AVX-512; kernel
/// benches, "transformer/vit-b-32 streamed").
///
/// Addresses are plain numbers, because nothing is read through them.
#[derive(Clone, Copy)]
#[repr(C)]
#[cfg_attr(any(not(target_arch = "x86_64"), fuzzing), allow(dead_code, reason = "only tiles in assembly prefetch"))]
pub(crate) struct Fetch {
    pub(crate) first: usize,
    pub(crate) second: usize,
    /// Two lines from each place instead, as fast as the tile reads.
    pub(crate) streams: bool,
}

impl<W: Element> Tile<W> {
    /// A tile with `a` and its layout; `w` with the strides of its steps and panels; `k` steps; the bias of its panels;
    /// the output and its layout, to which the sums are added if `add`.
    ///
    /// # Safety
    /// While the tile is in use, the operands must be readable and the output exclusively accessible, for the rows and
    /// panels with which [`Element::tile`] is called, whole panels of sixteen columns each.
    #[inline(always)]
    pub(in super::super) unsafe fn new(
        (a, a_strides): (*const f32, Strides),
        (w, w_stride, w_panel): (*const W, usize, usize),
        k: usize,
        bias: *const f32,
        (out, out_strides): (*mut f32, Strides),
        add: bool,
        fetch: Fetch,
    ) -> Tile<W> {
        Tile {
            a,
            a_stride: a_strides.row(),
            a_jump: size_of::<f32>() * (a_strides.block() - PANEL),
            w,
            k,
            w_stride,
            w_panel,
            fetch,
            bias,
            out,
            out_stride: out_strides.row(),
            out_panel: out_strides.block(),
            add,
            keep: std::ptr::null_mut(),
        }
    }

    /// This tile, which also keeps its columns as floats at `keep`, for other tiles of the same weights: those of the
    /// panels of a step, then of the next step. Null keeps nothing.
    ///
    /// # Safety
    /// But for null, so many floats must be exclusively accessible while the tile is in use, and the steps of a panel must
    /// follow each other.
    #[inline(always)]
    pub(in super::super) unsafe fn keeping(self, keep: *mut f32) -> Tile<W> {
        Tile { keep, ..self }
    }

    /// Whether the tile keeps its columns: never those that are floats already.
    #[inline(always)]
    pub(in super::super) fn keeps(&self) -> bool {
        !W::IS_FLOAT && !self.keep.is_null()
    }

    /// Keeps the columns of `panels` panels, and returns the tile that reads them instead.
    ///
    /// # Safety
    /// The tile must be one of [`Tile::keeping`], for so many panels.
    #[inline(always)]
    pub(super) unsafe fn kept<S: Simd>(&self, s: S, panels: usize) -> Tile<f32> {
        for step in 0..self.k {
            for panel in 0..panels {
                let from = self
                    .w
                    .wrapping_add(step.wrapping_mul(self.w_stride))
                    .wrapping_add(panel.wrapping_mul(self.w_panel));
                for c in (0..PANEL).step_by(S::LANES) {
                    // SAFETY: the caller promises sixteen columns of all panels and steps, and room for as many floats.
                    unsafe {
                        s.store(self.keep.add((step * panels + panel) * PANEL + c), W::load(s, from.wrapping_add(c)))
                    }
                }
            }
        }
        Tile {
            a: self.a,
            a_stride: self.a_stride,
            a_jump: self.a_jump,
            w: self.keep,
            k: self.k,
            w_stride: panels * PANEL,
            w_panel: PANEL,
            fetch: self.fetch,
            bias: self.bias,
            out: self.out,
            out_stride: self.out_stride,
            out_panel: self.out_panel,
            add: self.add,
            keep: std::ptr::null_mut(),
        }
    }
}

/// The tile of [`Element::tile`] for every instruction set and element type.
///
/// # Safety
/// See [`Element::tile`].
#[inline(always)]
pub(super) unsafe fn by_vectors<S: Simd, W: Element, const ROWS: usize, const VECTORS: usize>(s: S, t: &Tile<W>) {
    // SAFETY: what the caller promises; offsets are those of rows and columns of the tile. They wrap instead of
    // being checked for overflow, because this is the innermost loop.
    unsafe {
        let mut sums = [[s.splat(0.0); VECTORS]; ROWS];
        let per_panel = 16 / S::LANES;
        let column = |v: usize, panel: usize| (v / per_panel).wrapping_mul(panel) + v % per_panel * S::LANES;
        let (mut a, mut w) = (t.a, t.w);
        let mut left = t.k;
        while left > 0 {
            let steps = left.min(16);
            for p in 0..steps {
                let mut columns = [s.splat(0.0); VECTORS];
                for (v, column_values) in columns.iter_mut().enumerate() {
                    *column_values = W::load(s, w.wrapping_add(column(v, t.w_panel)));
                }
                for (r, row_sums) in sums.iter_mut().enumerate() {
                    let a = s.splat(*a.wrapping_add(r.wrapping_mul(t.a_stride)).add(p));
                    for v in 0..VECTORS {
                        row_sums[v] = s.mul_add(a, columns[v], row_sums[v]);
                    }
                }
                w = w.wrapping_add(t.w_stride);
            }
            a = a.wrapping_add(steps).wrapping_byte_add(t.a_jump);
            left -= steps;
        }
        for (r, row_sums) in sums.iter().enumerate() {
            let out = t.out.wrapping_add(r.wrapping_mul(t.out_stride));
            for (v, &sum) in row_sums.iter().enumerate() {
                let at = out.wrapping_add(column(v, t.out_panel));
                let mut value = s.add(sum, s.load(t.bias.add(v * S::LANES)));
                if t.add {
                    value = s.add(value, s.load(at));
                }
                s.store(at, value);
            }
        }
    }
}

/// Bytes from one step of the weights to the next.
#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
fn stride<W>(t: &Tile<W>) -> usize {
    t.w_stride.wrapping_mul(size_of::<W>())
}
