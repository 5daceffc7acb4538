//! Depthwise convolutions of feature maps.
//!
//! A vector of channels is computed for several neighbouring outputs at once: each input is loaded once and meets
//! every tap that it belongs to, and the taps of a row of the window stay in registers. The window slides over one
//! block of sixteen channels after the other, so that its rows stay in the nearest cache. Every output is one chain
//! of multiply-adds over its window, row by row, so its bits depend on the map alone.

use std::ops::Range;

use super::Isa;
use super::gemm::{Out, PANEL};
use super::math::Activation;
use super::parallel::Parallelism;
use super::simd::{Kernel, Simd};
use super::strides::Strides;

/// Outputs along x that are computed together: with 16 registers these, one row of seven taps and an input just
/// fit, and the widths of the models' maps are multiples of it.
const OUTPUTS: usize = 8;

/// Taps of the largest window.
const MOST_TAPS: usize = 49;

/// The sizes of a depthwise convolution. Output column j of `channels · multiplier` reads input channel
/// `j mod channels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Rows of the window, each with `kernel_width` taps.
    pub(crate) kernel_height: usize,
    /// 3, 7 or 11.
    pub(crate) kernel_width: usize,
    /// 1 or 2, along both axes.
    pub(crate) stride: usize,
    /// Zeros above and below.
    pub(crate) pad_y: usize,
    /// Zeros on the left and the right.
    pub(crate) pad_x: usize,
    /// Input channels.
    pub(crate) channels: usize,
    /// Output channels for each input channel: 1 or 2.
    pub(crate) multiplier: usize,
}

impl Window {
    /// A square window that keeps the centre: padding is half the kernel.
    pub(crate) fn square(kernel: usize, stride: usize, channels: usize, multiplier: usize) -> Self {
        Window {
            kernel_height: kernel,
            kernel_width: kernel,
            stride,
            pad_y: kernel / 2,
            pad_x: kernel / 2,
            channels,
            multiplier,
        }
    }

    /// A window along a sequence, as a map of one row.
    pub(crate) fn line(kernel: usize, channels: usize) -> Self {
        Window {
            kernel_height: 1,
            kernel_width: kernel,
            stride: 1,
            pad_y: 0,
            pad_x: kernel / 2,
            channels,
            multiplier: 1,
        }
    }

    /// Height and width of the output for an input of this height and width.
    pub(crate) fn output(&self, height: usize, width: usize) -> (usize, usize) {
        (
            (height + 2 * self.pad_y - self.kernel_height) / self.stride + 1,
            (width + 2 * self.pad_x - self.kernel_width) / self.stride + 1,
        )
    }

    fn outputs(&self) -> usize {
        self.channels * self.multiplier
    }
}

/// Feature maps: `images · height · width` rows of channels.
#[derive(Clone, Copy)]
pub(crate) struct Maps<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) strides: Strides,
    pub(crate) images: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// `out = activation(window(maps) + bias)` with `taps [kernel_height · kernel_width, outputs]` and
/// `bias [outputs]`. Behind its last element the map needs as many readable floats as fill sixteen channels.
///
/// Panics where a slice is too short for its sizes, or the kernel width is not one that models have.
#[expect(clippy::too_many_arguments, reason = "the operands of a convolution")]
pub(crate) fn depthwise(
    isa: Isa,
    par: Parallelism,
    window: Window,
    maps: Maps<'_>,
    taps: &[f32],
    bias: &[f32],
    activation: Option<Activation>,
    out: Out<'_>,
) {
    let (height, width) = window.output(maps.height, maps.width);
    let outputs = window.outputs();
    let Out { data: out, strides } = out;
    assert!([3, 7, 11].contains(&window.kernel_width) && [1, 2].contains(&window.stride));
    assert!(window.kernel_height * window.kernel_width <= MOST_TAPS && [1, 2].contains(&window.multiplier));
    let extent = maps.strides.extent(maps.images * maps.height * maps.width, window.channels.next_multiple_of(PANEL));
    assert!(maps.data.len() >= extent, "maps shorter than stated");
    assert!(taps.len() >= window.kernel_height * window.kernel_width * outputs && bias.len() >= outputs);
    assert!(out.len() >= strides.extent(maps.images * height * width, outputs), "output too short");
    let (row, block) = (strides.row, strides.block);
    assert!(row >= outputs || row == PANEL && block >= row * maps.images * height * width, "outputs overlap");

    // Tasks are blocks of sixteen output channels of an image, cut into bands of rows if there are too few: an even
    // number of rows, as two are computed together.
    let blocks = outputs.div_ceil(PANEL);
    let pairs = height.div_ceil(2);
    let bands = match par.threads() {
        1 => 1,
        threads => (4 * threads).div_ceil(maps.images.max(1) * blocks).min(pairs),
    };
    let shared = Shared(out.as_mut_ptr());
    par.run(maps.images * blocks * bands, |task| {
        let (image, block, band) = (task / blocks / bands, task / bands % blocks, task % bands);
        let rows = 2 * (pairs * band / bands)..height.min(2 * (pairs * (band + 1) / bands));
        let out = shared.get();
        isa.run(Band { window, maps, taps, bias, activation, out, strides, image, block, rows, width, height });
    });
}

#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: tasks write disjoint rows of the output, which an exclusive borrow outlives.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn get(self) -> *mut f32 {
        self.0
    }
}

/// Some rows of sixteen output channels of one image.
struct Band<'a> {
    window: Window,
    maps: Maps<'a>,
    taps: &'a [f32],
    bias: &'a [f32],
    activation: Option<Activation>,
    out: *mut f32,
    strides: Strides,
    image: usize,
    block: usize,
    rows: Range<usize>,
    width: usize,
    height: usize,
}

impl Kernel for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        match (self.window.kernel_width, self.window.stride) {
            (3, 1) => self.rows::<S, 3, 1>(s),
            (3, 2) => self.rows::<S, 3, 2>(s),
            (7, 1) => self.rows::<S, 7, 1>(s),
            (7, 2) => self.rows::<S, 7, 2>(s),
            (11, 1) => self.rows::<S, 11, 1>(s),
            _ => unreachable!("asserted by `depthwise`"),
        }
    }
}

/// The taps of a block of sixteen channels, and its bias; zeros where channels end.
struct Taps {
    taps: [[f32; PANEL]; MOST_TAPS],
    bias: [f32; PANEL],
}

impl Band<'_> {
    /// Output channels of this block.
    fn outputs(&self) -> usize {
        PANEL.min(self.window.outputs() - self.block * PANEL)
    }

    fn taps(&self) -> Taps {
        let (first, len, all) = (self.block * PANEL, self.outputs(), self.window.outputs());
        let mut copy = Taps { taps: [[0.0; PANEL]; MOST_TAPS], bias: [0.0; PANEL] };
        copy.bias[..len].copy_from_slice(&self.bias[first..][..len]);
        let count = self.window.kernel_height * self.window.kernel_width;
        for (tap, row) in copy.taps.iter_mut().take(count).zip(self.taps.chunks_exact(all)) {
            tap[..len].copy_from_slice(&row[first..][..len]);
        }
        copy
    }

    #[inline(always)]
    fn rows<S: Simd, const K: usize, const STRIDE: usize>(&self, s: S) {
        if self.window.multiplier == 2 && !self.window.channels.is_multiple_of(PANEL) {
            return self.scattered(s);
        }
        let taps = self.taps();
        // With a multiplier the second copy of the inputs begins at a block of its own.
        let input = self.block % self.window.channels.div_ceil(PANEL);
        for lane in (0..self.outputs()).step_by(S::LANES) {
            let mut y = self.rows.start;
            while y < self.rows.end {
                // Two rows share most of their inputs, where registers hold the sums and taps of both.
                let two = S::REGISTERS >= 32 && STRIDE == 1 && K <= 7 && self.window.kernel_height > 1;
                let rows = if two && y + 2 <= self.rows.end { 2 } else { 1 };
                for x in (0..self.width).step_by(OUTPUTS) {
                    let first = (x * STRIDE) as isize - self.window.pad_x as isize;
                    let inner = first >= 0 && first as usize + (OUTPUTS - 1) * STRIDE + K <= self.maps.width;
                    let place = Place { y, x, channel: input * PANEL + lane, lane };
                    // SAFETY: the rows belong to this task and x lies in the output; sixteen floats of the block
                    // are readable everywhere (asserted by `depthwise`). A group is inner if all columns that it
                    // reads exist.
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
    /// See the call.
    #[inline(always)]
    unsafe fn group<S: Simd, const K: usize, const STRIDE: usize, const ROWS: usize, const INNER: bool>(
        &self,
        s: S,
        taps: &Taps,
        Place { y, x, channel, lane }: Place,
    ) {
        let w = &self.window;
        // Input columns of this group that exist, as bits; column i is `x · STRIDE + i − pad_x`.
        let mut exist = 0u32;
        for i in 0..(OUTPUTS - 1) * STRIDE + K {
            let column = (x * STRIDE + i).checked_sub(w.pad_x);
            exist |= u32::from(column.is_some_and(|column| column < self.maps.width)) << i;
        }
        let top = (y * STRIDE) as isize - w.pad_y as isize;
        let left = (x * STRIDE) as isize - w.pad_x as isize;
        let height = (ROWS - 1) * STRIDE + w.kernel_height;
        let existing = top.min(0).unsigned_abs()..height.min((self.maps.height as isize - top).max(0) as usize);
        let (column, line) = (self.maps.strides.row, self.maps.width * self.maps.strides.row);
        let first = self.maps.strides.at(self.image * self.maps.height * self.maps.width, channel);
        let corner = self.maps.data.as_ptr().wrapping_add(first);
        let corner = corner.wrapping_offset(top * line as isize + left * column as isize);

        // SAFETY: rows of `existing` and columns of `exist` lie in the map, the others are not read; the window has
        // as many taps as were copied; the outputs that are written exist.
        unsafe {
            let bias = s.load(taps.bias.as_ptr().add(lane));
            let mut sums = [[bias; OUTPUTS]; ROWS];
            for r in existing {
                let input = Input { at: corner.wrapping_add(r.wrapping_mul(line)), column, exist };
                let taps = taps.taps.as_ptr().wrapping_add(r.wrapping_mul(K)).cast::<f32>().wrapping_add(lane);
                let below = taps.wrapping_sub(STRIDE * K * PANEL);
                if ROWS == 1 || r < STRIDE {
                    [sums[0]] = input.meet::<S, K, STRIDE, 1, INNER>(s, [taps], [sums[0]]);
                } else if r >= w.kernel_height {
                    [sums[1]] = input.meet::<S, K, STRIDE, 1, INNER>(s, [below], [sums[1]]);
                } else {
                    let both = [sums[0], sums[1]];
                    [sums[0], sums[1]] = input.meet::<S, K, STRIDE, 2, INNER>(s, [taps, below], both);
                }
            }
            let count = OUTPUTS.min(self.width - x);
            let lanes = S::LANES.min(self.outputs() - lane);
            for (j, row) in sums.iter().enumerate() {
                let pixel = (self.image * self.height + y + j) * self.width + x;
                let at = self.out.wrapping_add(self.strides.at(pixel, self.block * PANEL) + lane);
                for (i, sum) in row.iter().enumerate() {
                    if INNER || i < count {
                        let value = match self.activation {
                            Some(activation) => activation.apply(s, *sum),
                            None => *sum,
                        };
                        let at = at.wrapping_add(i.wrapping_mul(self.strides.row));
                        if lanes == S::LANES {
                            s.store(at, value);
                        } else {
                            let mut beside = [0.0f32; PANEL];
                            s.store(beside.as_mut_ptr(), value);
                            at.copy_from_nonoverlapping(beside.as_ptr(), lanes);
                        }
                    }
                }
            }
        }
    }

    /// All of it one output at a time: for two outputs a channel where sixteen outputs are not sixteen channels.
    #[inline(always)]
    fn scattered<S: Simd>(&self, s: S) {
        let w = &self.window;
        for (y, x) in self.rows.clone().flat_map(|y| (0..self.width).map(move |x| (y, x))) {
            for o in self.block * PANEL..self.block * PANEL + self.outputs() {
                let mut sum = s.splat(self.bias[o]);
                for (ky, kx) in (0..w.kernel_height).flat_map(|ky| (0..w.kernel_width).map(move |kx| (ky, kx))) {
                    let row = (y * w.stride + ky).checked_sub(w.pad_y).filter(|row| *row < self.maps.height);
                    let column = (x * w.stride + kx).checked_sub(w.pad_x).filter(|x| *x < self.maps.width);
                    if let (Some(row), Some(column)) = (row, column) {
                        let pixel = (self.image * self.maps.height + row) * self.maps.width + column;
                        let value = self.maps.data[self.maps.strides.at(pixel, o % w.channels)];
                        let tap = self.taps[(ky * w.kernel_width + kx) * w.outputs() + o];
                        sum = s.mul_add(s.splat(value), s.splat(tap), sum);
                    }
                }
                if let Some(activation) = self.activation {
                    sum = activation.apply(s, sum);
                }
                let mut lanes = [0.0f32; PANEL];
                let pixel = (self.image * self.height + y) * self.width + x;
                // SAFETY: sixteen floats hold any vector; the output exists and belongs to this task.
                unsafe {
                    s.store(lanes.as_mut_ptr(), sum);
                    *self.out.add(self.strides.at(pixel, o)) = lanes[0];
                }
            }
        }
    }
}

/// Where a group of outputs begins.
#[derive(Clone, Copy)]
struct Place {
    y: usize,
    x: usize,
    /// The first input channel.
    channel: usize,
    /// The first channel within the block of outputs.
    lane: usize,
}

/// A piece of a row of inputs: the columns that a group of outputs reads.
#[derive(Clone, Copy)]
struct Input {
    /// Where column 0 is, or would be.
    at: *const f32,
    /// Floats from column to column.
    column: usize,
    /// Columns that exist, as bits.
    exist: u32,
}

impl Input {
    /// Adds every column, times the taps that it meets, to the sums of `N` rows of outputs. Columns that do not
    /// exist are zeros; with `INNER` all exist.
    ///
    /// # Safety
    /// The existing columns and `K` taps of each row, sixteen floats apart, must be readable.
    #[inline(always)]
    unsafe fn meet<S: Simd, const K: usize, const STRIDE: usize, const N: usize, const INNER: bool>(
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
        // Written out, since a loop that the compiler leaves as one would keep sums and taps in memory.
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

/// Adds column `I` of a group to the sums of the outputs that see it: it is tap kx of output (I − kx) / STRIDE.
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

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::super::strides::blocked_len;
    use super::*;

    /// Rounding of up to 49 products of values below one.
    const TOLERANCE: f64 = 1e-5;

    fn check(isa: Isa, window: Window, images: usize, height: usize, width: usize, activation: Option<Activation>) {
        let (pixels, channels) = (images * height * width, window.channels);
        let mut data = reference::noise("maps", pixels * channels, 1.0);
        let blocks = reference::block(&data, pixels, channels, channels);
        data.resize(data.len() + PANEL, f32::NAN);
        let taps = reference::noise("taps", window.kernel_height * window.kernel_width * window.outputs(), 1.0);
        let bias = reference::noise("bias", window.outputs(), 1.0);
        let (h, w) = window.output(height, width);
        let (rows, outputs) = (images * h * w, window.outputs());
        let maps = Maps { data: &data, strides: Strides::rows(channels), images, height, width };
        let exact = reference::depthwise(window, maps, &taps, &bias, activation);
        let run = |par, maps, strides: Strides| {
            let mut out = vec![f32::NAN; blocked_len(rows, outputs)];
            depthwise(isa, par, window, maps, &taps, &bias, activation, Out { data: &mut out, strides });
            (0..rows * outputs).map(|i| out[strides.at(i / outputs, i % outputs)]).collect::<Vec<_>>()
        };
        let serial = run(Parallelism::Serial, maps, Strides::rows(outputs));
        for (i, (v, e)) in serial.iter().zip(&exact).enumerate() {
            assert!((f64::from(*v) - e).abs() <= TOLERANCE, "{isa:?} {window:?} {height}x{width} at {i}: {v} {e}");
        }
        let blocked = Maps { data: &blocks, strides: Strides::blocked(pixels), ..maps };
        for par in [Parallelism::Serial, Parallelism::Threads] {
            assert_eq!(serial, run(par, maps, Strides::rows(outputs)));
            assert_eq!(serial, run(par, blocked, Strides::blocked(rows)));
        }
    }

    #[test]
    fn equals_the_plain_version() {
        for isa in Isa::available() {
            for (kernel, stride, multiplier) in [(3, 1, 1), (3, 2, 1), (7, 1, 1), (7, 2, 2), (3, 1, 2)] {
                for channels in [1, 5, 16, 24, 33] {
                    for (height, width) in [(1, 1), (2, 3), (5, 5), (8, 8), (13, 6), (16, 16)] {
                        let window = Window::square(kernel, stride, channels, multiplier);
                        check(isa, window, 2, height, width, None);
                    }
                }
            }
            check(isa, Window::square(7, 2, 80, 2), 1, 32, 32, Some(Activation::Gelu));
            for channels in [8, 40, 64] {
                check(isa, Window::line(11, channels), 3, 1, 77, None);
                check(isa, Window::line(11, channels), 1, 1, 4, None);
            }
        }
    }
}
