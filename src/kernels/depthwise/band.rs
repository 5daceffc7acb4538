//! A band of a depthwise convolution: groups of outputs whose sums stay in registers.

use std::ops::Range;

use super::super::output::Out;
use super::super::simd::{Kernel, Simd};
use super::{Convolution, MAX_TAPS};
use crate::tensor::PANEL;

/// Outputs along x that are computed together. Their sums, a row of seven taps and an input just fit in 16 registers,
/// and the widths of the models' maps are multiples of it.
const OUTPUTS: usize = 8;

/// Some rows of sixteen output channels of one image, for the calling thread.
pub(in super::super) struct Band<'a> {
    convolution: Convolution<'a>,
    out: Out<'a>,
    image: usize,
    block: usize,
    rows: Range<usize>,
    width: usize,
    height: usize,
}

impl<'a> Band<'a> {
    /// The output `rows` of channel block `block` of an image. Writes no other floats of `out`, which has the rows of
    /// all images.
    ///
    /// Panics if a slice is too short for its sizes or the convolution is not one that models have.
    #[inline]
    pub(in super::super) fn new(
        convolution: Convolution<'a>,
        out: Out<'a>,
        image: usize,
        block: usize,
        rows: Range<usize>,
    ) -> Band<'a> {
        let (height, width) = convolution.check(&out);
        assert!(image < convolution.maps.images && block < convolution.window.outputs().div_ceil(PANEL));
        assert!(rows.end <= height, "a band outside of the output");
        Band { convolution, out, image, block, rows, width, height }
    }
}

impl Kernel for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        match (self.convolution.window.kernel_width, self.convolution.window.stride) {
            (3, 1) => self.rows::<S, 3, 1>(s),
            (3, 2) => self.rows::<S, 3, 2>(s),
            (7, 1) => self.rows::<S, 7, 1>(s),
            (7, 2) => self.rows::<S, 7, 2>(s),
            (11, 1) => self.rows::<S, 11, 1>(s),
            (width, stride) => unreachable!("no convolution with {width} taps and stride {stride}"),
        }
    }
}

/// The taps and the bias of a block of sixteen channels; zeros for channels that do not exist.
struct Taps {
    taps: [[f32; PANEL]; MAX_TAPS],
    bias: [f32; PANEL],
}

impl Band<'_> {
    /// Output channels of this block.
    fn outputs(&self) -> usize {
        PANEL.min(self.convolution.window.outputs() - self.block * PANEL)
    }

    fn taps(&self) -> Taps {
        let Convolution { window, taps, bias, .. } = self.convolution;
        let (first, len, all) = (self.block * PANEL, self.outputs(), window.outputs());
        let mut copy = Taps { taps: [[0.0; PANEL]; MAX_TAPS], bias: [0.0; PANEL] };
        copy.bias[..len].copy_from_slice(&bias[first..][..len]);
        let count = window.kernel_height * window.kernel_width;
        for (tap, row) in copy.taps.iter_mut().take(count).zip(taps.chunks_exact(all)) {
            tap[..len].copy_from_slice(&row[first..][..len]);
        }
        copy
    }

    #[inline(always)]
    fn rows<S: Simd, const K: usize, const STRIDE: usize>(&self, s: S) {
        let Convolution { window, maps, .. } = self.convolution;
        if window.multiplier == 2 && !window.channels.is_multiple_of(PANEL) {
            return self.one_by_one(s);
        }
        let taps = self.taps();
        // With a multiplier, the second copy of the inputs begins with a whole block.
        let input = self.block % window.channels.div_ceil(PANEL);
        for lane in (0..self.outputs()).step_by(S::LANES) {
            let mut y = self.rows.start;
            while y < self.rows.end {
                // Two rows share most of their inputs, if the registers hold the sums and taps of both.
                let two = S::REGISTERS >= 32 && STRIDE == 1 && K <= 7 && window.kernel_height > 1;
                let rows = if two && y + 2 <= self.rows.end { 2 } else { 1 };
                for x in (0..self.width).step_by(OUTPUTS) {
                    let first = (x * STRIDE) as isize - window.pad_x as isize;
                    let inner = first >= 0 && first as usize + (OUTPUTS - 1) * STRIDE + K <= maps.width;
                    let place = Place { y, x, channel: input * PANEL + lane, lane };
                    // SAFETY: the rows belong to this band and x to the output; all sixteen channels of the block are
                    // readable in every pixel (`new`). A group is inner if all columns that it reads exist, and then
                    // all its outputs do.
                    unsafe {
                        match (rows, inner) {
                            (2, true) => self.group::<S, K, STRIDE, 2, true>(s, &taps, place),
                            (2, false) => self.group::<S, K, STRIDE, 2, false>(s, &taps, place),
                            (_, true) => self.group::<S, K, STRIDE, 1, true>(s, &taps, place),
                            (_, false) => self.group::<S, K, STRIDE, 1, false>(s, &taps, place),
                        }
                    }
                }
                y += rows;
            }
        }
    }

    /// `ROWS` rows of [`OUTPUTS`] outputs of a vector of channels.
    ///
    /// # Safety
    /// The position must be inside this band, with `ROWS` rows from y on; `INNER` only if all columns that the group
    /// reads exist.
    #[inline(always)]
    unsafe fn group<S: Simd, const K: usize, const STRIDE: usize, const ROWS: usize, const INNER: bool>(
        &self,
        s: S,
        taps: &Taps,
        Place { y, x, channel, lane }: Place,
    ) {
        let Convolution { window: w, maps, activation, .. } = &self.convolution;
        // Input columns of this group that exist, as bits; column i is `x · STRIDE + i − pad_x`.
        let mut exist = 0u32;
        for i in 0..(OUTPUTS - 1) * STRIDE + K {
            let column = (x * STRIDE + i).checked_sub(w.pad_x);
            exist |= u32::from(column.is_some_and(|column| column < maps.width)) << i;
        }
        let top = (y * STRIDE) as isize - w.pad_y as isize;
        let left = (x * STRIDE) as isize - w.pad_x as isize;
        let height = (ROWS - 1) * STRIDE + w.kernel_height;
        let existing = top.min(0).unsigned_abs()..height.min((maps.height as isize - top).max(0) as usize);
        let (column, line) = (maps.strides.row(), maps.width * maps.strides.row());
        let first = maps.strides.at(self.image * maps.height * maps.width, channel);
        let corner = maps.data.as_ptr().wrapping_add(first);
        let corner = corner.wrapping_offset(top * line as isize + left * column as isize);

        // SAFETY: rows of `existing` and columns of `exist` are inside of the map, the others are not read; the window
        // has as many taps as were copied; the outputs that are written exist.
        unsafe {
            let bias = s.load(taps.bias.as_ptr().add(lane));
            let mut sums = [[bias; OUTPUTS]; ROWS];
            for r in existing {
                let input = Input { at: corner.wrapping_add(r.wrapping_mul(line)), column, exist };
                let taps = taps.taps.as_ptr().wrapping_add(r.wrapping_mul(K)).cast::<f32>().wrapping_add(lane);
                let below = taps.wrapping_sub(STRIDE * K * PANEL);
                if ROWS == 1 || r < STRIDE {
                    [sums[0]] = input.accumulate::<S, K, STRIDE, 1, INNER>(s, [taps], [sums[0]]);
                } else if r >= w.kernel_height {
                    [sums[1]] = input.accumulate::<S, K, STRIDE, 1, INNER>(s, [below], [sums[1]]);
                } else {
                    let both = [sums[0], sums[1]];
                    [sums[0], sums[1]] = input.accumulate::<S, K, STRIDE, 2, INNER>(s, [taps, below], both);
                }
            }
            let count = OUTPUTS.min(self.width - x);
            let lanes = S::LANES.min(self.outputs() - lane);
            for (j, row) in sums.iter().enumerate() {
                let pixel = (self.image * self.height + y + j) * self.width + x;
                let at = self.out.at(pixel, self.block * PANEL).wrapping_add(lane);
                for (i, sum) in row.iter().enumerate() {
                    if INNER || i < count {
                        let value = match activation {
                            Some(activation) => activation.apply(s, *sum),
                            None => *sum,
                        };
                        let at = at.wrapping_add(i.wrapping_mul(self.out.strides().row()));
                        if lanes == S::LANES {
                            s.store(at, value);
                        } else {
                            let mut vector = [0.0f32; PANEL];
                            s.store(vector.as_mut_ptr(), value);
                            at.copy_from_nonoverlapping(vector.as_ptr(), lanes);
                        }
                    }
                }
            }
        }
    }

    /// Computes the band one output at a time: for two outputs per channel if sixteen outputs do not read sixteen
    /// contiguous channels.
    #[inline(always)]
    fn one_by_one<S: Simd>(&self, s: S) {
        let Convolution { window: w, maps, taps, bias, activation } = &self.convolution;
        for (y, x) in self.rows.clone().flat_map(|y| (0..self.width).map(move |x| (y, x))) {
            for o in self.block * PANEL..self.block * PANEL + self.outputs() {
                let mut sum = s.splat(bias[o]);
                for (ky, kx) in (0..w.kernel_height).flat_map(|ky| (0..w.kernel_width).map(move |kx| (ky, kx))) {
                    let row = (y * w.stride + ky).checked_sub(w.pad_y).filter(|row| *row < maps.height);
                    let column = (x * w.stride + kx).checked_sub(w.pad_x).filter(|x| *x < maps.width);
                    if let (Some(row), Some(column)) = (row, column) {
                        let pixel = (self.image * maps.height + row) * maps.width + column;
                        let value = maps.data[maps.strides.at(pixel, o % w.channels)];
                        let tap = taps[(ky * w.kernel_width + kx) * w.outputs() + o];
                        sum = s.mul_add(s.splat(value), s.splat(tap), sum);
                    }
                }
                if let Some(activation) = activation {
                    sum = activation.apply(s, sum);
                }
                let mut lanes = [0.0f32; PANEL];
                let pixel = (self.image * self.height + y) * self.width + x;
                // SAFETY: sixteen floats hold any vector; the output exists and belongs to this band.
                unsafe {
                    s.store(lanes.as_mut_ptr(), sum);
                    *self.out.at(pixel, o) = lanes[0];
                }
            }
        }
    }
}

/// The first output of a group.
#[derive(Clone, Copy)]
struct Place {
    y: usize,
    x: usize,
    /// The first input channel.
    channel: usize,
    /// The first channel within the block of outputs.
    lane: usize,
}

/// The columns of a row of inputs that a group of outputs reads.
#[derive(Clone, Copy)]
struct Input {
    /// Address of column 0, which need not exist.
    at: *const f32,
    /// Floats from column to column.
    column: usize,
    /// Columns that exist, as bits.
    exist: u32,
}

impl Input {
    /// Multiplies every column with its taps and adds the products to the sums of `N` rows of outputs. Columns that do
    /// not exist are zeros; with `INNER` all exist.
    ///
    /// # Safety
    /// The existing columns and `K` taps of each row, sixteen floats apart, must be readable.
    #[inline(always)]
    unsafe fn accumulate<S: Simd, const K: usize, const STRIDE: usize, const N: usize, const INNER: bool>(
        self,
        s: S,
        taps: [*const f32; N],
        mut sums: [[S::F; OUTPUTS]; N],
    ) -> [[S::F; OUTPUTS]; N] {
        let mut rows = [[s.splat(0.0); K]; N];
        for (row, taps) in rows.iter_mut().zip(taps) {
            for (kx, tap) in row.iter_mut().enumerate() {
                // SAFETY: tap kx < K.
                *tap = unsafe { s.load(taps.wrapping_add(kx * PANEL)) };
            }
        }
        // Unrolled by hand: a loop that the compiler does not unroll would keep sums and taps in memory.
        macro_rules! columns {
            ($($i:literal)*) => {
                $(if $i < (OUTPUTS - 1) * STRIDE + K && (INNER || self.exist >> $i & 1 == 1) {
                    // SAFETY: the column exists.
                    let value = unsafe { s.load(self.at.wrapping_add(self.column.wrapping_mul($i))) };
                    sums = multiply::<S, $i, K, STRIDE, N>(s, value, &rows, sums);
                })*
            };
        }
        columns!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20);
        sums
    }
}

/// Adds column `I` of a group to the sums of the outputs whose windows contain it: it is tap kx of output
/// (I − kx) / STRIDE.
#[inline(always)]
fn multiply<S: Simd, const I: usize, const K: usize, const STRIDE: usize, const N: usize>(
    s: S,
    value: S::F,
    taps: &[[S::F; K]; N],
    mut sums: [[S::F; OUTPUTS]; N],
) -> [[S::F; OUTPUTS]; N] {
    for (taps, sums) in taps.iter().zip(&mut sums) {
        for (j, sum) in sums.iter_mut().enumerate() {
            if I >= j * STRIDE && I - j * STRIDE < K {
                *sum = s.mul_add(value, taps[I - j * STRIDE], *sum);
            }
        }
    }
    sums
}
