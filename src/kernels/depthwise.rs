//! Depthwise convolutions of feature maps with channels innermost.
//!
//! A vector of channels is computed for several neighbouring outputs at once: each input is loaded once and meets
//! every tap that it belongs to, and the taps of a row of the window stay in registers. Every output is one chain
//! of multiply-adds over its window, row by row, so its bits depend on the map alone.

use std::ops::Range;

use super::Isa;
use super::math::Activation;
use super::parallel::Parallelism;
use super::simd::{Kernel, Simd};

/// Outputs along x that are computed together: with 16 registers, these, one row of seven taps and an input fit.
const OUTPUTS: usize = 6;

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

/// Feature maps `[images, height, width, channels]`.
#[derive(Clone, Copy)]
pub(crate) struct Maps<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) images: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// `out [images, h, w, outputs] = activation(window(maps) + bias)` with `taps [kernel_height · kernel_width,
/// outputs]` and `bias [outputs]`.
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
    out: &mut [f32],
) {
    let (height, width) = window.output(maps.height, maps.width);
    let outputs = window.outputs();
    assert!([3, 7, 11].contains(&window.kernel_width) && [1, 2].contains(&window.stride));
    assert!(maps.data.len() >= maps.images * maps.height * maps.width * window.channels, "maps shorter than stated");
    assert!(taps.len() >= window.kernel_height * window.kernel_width * outputs && bias.len() >= outputs);
    assert!(out.len() >= maps.images * height * width * outputs, "output too short");

    // Tasks are bands of rows of an image; each goes through the channels one vector at a time, so that the rows
    // of a window stay in the nearest cache while it slides down.
    let bands = if par.threads() == 1 { 1 } else { (4 * par.threads()).div_ceil(maps.images.max(1)).min(height) };
    let shared = Shared(out.as_mut_ptr());
    par.run(maps.images * bands, |task| {
        let (image, band) = (task / bands, task % bands);
        let rows = height * band / bands..height * (band + 1) / bands;
        isa.run(Band { window, maps, taps, bias, activation, out: shared.get(), image, rows, width, height });
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

/// Some rows of the output of one image.
struct Band<'a> {
    window: Window,
    maps: Maps<'a>,
    taps: &'a [f32],
    bias: &'a [f32],
    activation: Option<Activation>,
    out: *mut f32,
    image: usize,
    rows: Range<usize>,
    width: usize,
    height: usize,
}

impl Kernel for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        match (self.window.kernel_width, self.window.stride) {
            (3, 1) => self.channels::<S, 3, 1>(s),
            (3, 2) => self.channels::<S, 3, 2>(s),
            (7, 1) => self.channels::<S, 7, 1>(s),
            (7, 2) => self.channels::<S, 7, 2>(s),
            (11, 1) => self.channels::<S, 11, 1>(s),
            _ => unreachable!("asserted by `depthwise`"),
        }
    }
}

impl Band<'_> {
    #[inline(always)]
    fn channels<S: Simd, const K: usize, const STRIDE: usize>(&self, s: S) {
        let Window { channels, multiplier, .. } = self.window;
        for copy in 0..multiplier {
            let mut c = 0;
            while c + S::LANES <= channels {
                for y in self.rows.clone() {
                    // SAFETY: LANES channels from c exist in every input, output, tap and bias; `depthwise`
                    // asserted the lengths; these rows belong to this task.
                    unsafe { self.row::<S, K, STRIDE>(s, y, c, copy * channels + c) }
                }
                c += S::LANES;
            }
            for c in c..channels {
                for y in self.rows.clone() {
                    self.row_scalar(s, y, c, copy * channels + c);
                }
            }
        }
    }

    /// One row of outputs for the input channels from `c` and the output channels from `o`.
    ///
    /// # Safety
    /// See the call.
    #[inline(always)]
    unsafe fn row<S: Simd, const K: usize, const STRIDE: usize>(&self, s: S, y: usize, c: usize, o: usize) {
        let w = &self.window;
        let outputs = w.outputs();
        let map = self.image * self.maps.height * self.maps.width * w.channels;
        // SAFETY: indices are bounded by the loops below: input rows and columns are checked against the map,
        // output columns against its width.
        unsafe {
            let bias = s.load(self.bias.as_ptr().add(o));
            let mut x = 0;
            while x < self.width {
                let count = OUTPUTS.min(self.width - x);
                let mut sums = [bias; OUTPUTS];
                for ky in 0..w.kernel_height {
                    let Some(row) = (y * STRIDE + ky).checked_sub(w.pad_y).filter(|row| *row < self.maps.height) else {
                        continue;
                    };
                    let row = self.maps.data.as_ptr().add(map + row * self.maps.width * w.channels + c);
                    let mut taps = [bias; K];
                    for (kx, tap) in taps.iter_mut().enumerate() {
                        *tap = s.load(self.taps.as_ptr().add((ky * K + kx) * outputs + o));
                    }
                    // Input column i of the group belongs to tap kx of output (i − kx) / STRIDE. Outputs past the
                    // end of the row are computed from zeros and not stored.
                    for i in 0..(OUTPUTS - 1) * STRIDE + K {
                        let Some(column) = (x * STRIDE + i).checked_sub(w.pad_x).filter(|x| *x < self.maps.width)
                        else {
                            continue;
                        };
                        let value = s.load(row.add(column * w.channels));
                        for (j, sum) in sums.iter_mut().enumerate() {
                            if i >= j * STRIDE && i - j * STRIDE < K {
                                *sum = s.mul_add(value, taps[i - j * STRIDE], *sum);
                            }
                        }
                    }
                }
                let at = self.out.add(((self.image * self.height + y) * self.width + x) * outputs + o);
                for (j, sum) in sums.iter().enumerate().take(count) {
                    let value = match self.activation {
                        Some(activation) => activation.apply(s, *sum),
                        None => *sum,
                    };
                    s.store(at.add(j * outputs), value);
                }
                x += count;
            }
        }
    }

    /// The same for one channel, where fewer than a vector are left.
    #[inline(always)]
    fn row_scalar<S: Simd>(&self, s: S, y: usize, c: usize, o: usize) {
        let w = &self.window;
        let outputs = w.outputs();
        let map = &self.maps.data[self.image * self.maps.height * self.maps.width * w.channels..];
        for x in 0..self.width {
            // Lanes that are not used hold zeros; the first goes through the same operations as a vector's lane.
            let mut sum = s.splat(self.bias[o]);
            for ky in 0..w.kernel_height {
                for kx in 0..w.kernel_width {
                    let row = (y * w.stride + ky).checked_sub(w.pad_y).filter(|row| *row < self.maps.height);
                    let column = (x * w.stride + kx).checked_sub(w.pad_x).filter(|x| *x < self.maps.width);
                    if let (Some(row), Some(column)) = (row, column) {
                        let value = s.splat(map[(row * self.maps.width + column) * w.channels + c]);
                        sum = s.mul_add(value, s.splat(self.taps[(ky * w.kernel_width + kx) * outputs + o]), sum);
                    }
                }
            }
            if let Some(activation) = self.activation {
                sum = activation.apply(s, sum);
            }
            let mut lanes = [0.0f32; 16];
            // SAFETY: sixteen floats hold any vector; the output index is within the length that `depthwise`
            // asserted, and the row belongs to this task.
            unsafe {
                s.store(lanes.as_mut_ptr(), sum);
                *self.out.add(((self.image * self.height + y) * self.width + x) * outputs + o) = lanes[0];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    /// Rounding of up to 49 products of values below one.
    const TOLERANCE: f64 = 1e-5;

    fn check(isa: Isa, window: Window, images: usize, height: usize, width: usize, activation: Option<Activation>) {
        let data = reference::noise("maps", images * height * width * window.channels, 1.0);
        let taps = reference::noise("taps", window.kernel_height * window.kernel_width * window.outputs(), 1.0);
        let bias = reference::noise("bias", window.outputs(), 1.0);
        let (h, w) = window.output(height, width);
        let maps = Maps { data: &data, images, height, width };
        let exact = reference::depthwise(window, maps, &taps, &bias, activation);
        let mut serial = vec![f32::NAN; images * h * w * window.outputs()];
        depthwise(isa, Parallelism::Serial, window, maps, &taps, &bias, activation, &mut serial);
        for (i, (v, e)) in serial.iter().zip(&exact).enumerate() {
            assert!((f64::from(*v) - e).abs() <= TOLERANCE, "{isa:?} {window:?} {height}x{width} at {i}: {v} {e}");
        }
        let mut threads = vec![f32::NAN; serial.len()];
        depthwise(isa, Parallelism::Threads, window, maps, &taps, &bias, activation, &mut threads);
        assert_eq!(serial, threads);
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
