//! Depthwise convolutions of feature maps.
//!
//! A vector of channels is computed for several neighbouring outputs at once: each input is loaded once and multiplied
//! with all its taps, and the taps of a row of the window stay in registers. The window slides over one block of
//! sixteen channels after the other, so that its rows stay in L1. Every output is one chain of multiply-adds over its
//! window, row by row, so its bits depend only on the map.

mod band;

use super::Isa;
use super::math::Activation;
use super::output::Out;
use super::strides::Strides;
use super::team::Team;
use crate::tensor::PANEL;
pub(super) use band::Band;

/// Taps of the largest window.
const MAX_TAPS: usize = 49;

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
    /// Zero padding above and below.
    pub(crate) pad_y: usize,
    /// Zero padding on the left and the right.
    pub(crate) pad_x: usize,
    /// Input channels.
    pub(crate) channels: usize,
    /// Output channels for each input channel: 1 or 2.
    pub(crate) multiplier: usize,
}

impl Window {
    /// A square window with half the kernel as padding.
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

    /// A window along a sequence, which is a map of one row.
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
        let along = |size: usize, pad: usize, kernel: usize| {
            let places = (size + 2 * pad).checked_sub(kernel);
            places.map_or(0, |places| places / self.stride + 1)
        };
        (along(height, self.pad_y, self.kernel_height), along(width, self.pad_x, self.kernel_width))
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

/// A depthwise convolution with its operands.
#[derive(Clone, Copy)]
pub(crate) struct Convolution<'a> {
    pub(crate) window: Window,
    /// All channels of the last block must be readable, also those that do not exist.
    pub(crate) maps: Maps<'a>,
    /// `[kernel_height · kernel_width, outputs]`
    pub(crate) taps: &'a [f32],
    /// `[outputs]`
    pub(crate) bias: &'a [f32],
    pub(crate) activation: Option<Activation>,
}

impl Convolution<'_> {
    /// Asserts that all operands are as long as their sizes say and that the window is one that [`Band`] computes;
    /// returns height and width of the output.
    fn check(&self, out: &Out<'_>) -> (usize, usize) {
        let Convolution { window, maps, taps, bias, .. } = self;
        assert!([3, 7, 11].contains(&window.kernel_width) && [1, 2].contains(&window.stride));
        assert!(window.kernel_height.saturating_mul(window.kernel_width) <= MAX_TAPS);
        assert!([1, 2].contains(&window.multiplier));
        let (height, width) = window.output(maps.height, maps.width);
        let rows = |height: usize, width: usize| maps.images.saturating_mul(height).saturating_mul(width);
        let channels = window.channels.next_multiple_of(PANEL);
        let extent = maps.strides.extent(rows(maps.height, maps.width), channels);
        assert!(maps.data.len() >= extent, "maps shorter than stated");
        let (count, outputs) = (window.kernel_height * window.kernel_width, window.outputs());
        assert!(taps.len() >= count.saturating_mul(outputs) && bias.len() >= outputs, "taps shorter than stated");
        out.check(rows(height, width), outputs);
        (height, width)
    }
}

/// Computes `out = activation(window(maps) + bias)`.
///
/// Panics if a slice is too short for its sizes or the window is not one that models have.
pub(crate) fn depthwise(isa: Isa, team: Team<'_>, convolution: Convolution<'_>, out: Out<'_>) {
    let (height, width) = convolution.check(&out);
    let Convolution { window, maps, .. } = convolution;
    // Tasks are blocks of sixteen output channels of an image, split into bands of rows for the groups of the team or
    // if there are too few: an even number of rows, as two are computed together.
    let blocks = window.outputs().div_ceil(PANEL);
    let pairs = height.div_ceil(2);
    let images = maps.images.max(1);
    let groups = team.row_groups(images * height * width);
    let multiple = if images.is_multiple_of(groups) { 1 } else { groups };
    let bands = team.tasks().div_ceil(images * blocks).next_multiple_of(multiple).min(pairs);
    let (strides, shared) = (out.strides(), out.share());
    team.run(maps.images * blocks * bands, |task| {
        let (image, band, block) = (task / blocks / bands, task / blocks % bands, task % blocks);
        let rows = 2 * (pairs * band / bands)..height.min(2 * (pairs * (band + 1) / bands));
        // SAFETY: tasks differ in the image, the block of channels or the rows; a band writes its own only, and rows of
        // the output do not overlap (checked).
        let out = unsafe { shared.out(strides) };
        isa.run(Band::new(convolution, out, image, block, rows));
    });
}

#[cfg(test)]
mod tests {
    use super::super::Workers;
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
        let run = |team: Team<'_>, maps, strides: Strides| {
            let mut out = vec![f32::NAN; blocked_len(rows, outputs)];
            let convolution = Convolution { window, maps, taps: &taps, bias: &bias, activation };
            depthwise(isa, team, convolution, Out::new(&mut out, strides));
            (0..rows * outputs).map(|i| out[strides.at(i / outputs, i % outputs)]).collect::<Vec<_>>()
        };
        let serial = run(Team::SERIAL, maps, Strides::rows(outputs));
        for (i, (v, e)) in serial.iter().zip(&exact).enumerate() {
            assert!((f64::from(*v) - e).abs() <= TOLERANCE, "{isa:?} {window:?} {height}x{width} at {i}: {v} {e}");
        }
        let blocked = Maps { data: &blocks, strides: Strides::blocked(pixels), ..maps };
        for team in [Team::SERIAL, Workers::without_delay().team()] {
            assert_eq!(serial, run(team, maps, Strides::rows(outputs)));
            assert_eq!(serial, run(team, blocked, Strides::blocked(rows)));
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

    #[test]
    fn short_operands_are_refused() {
        let (data, taps, bias) = (vec![0.0; 4 * 4 * 16], vec![0.0; 9 * 10], vec![0.0; 10]);
        let refused =
            |data: &[f32], taps: &[f32], bias: &[f32], len: usize, window: Window, block: usize, end: usize| {
                let mut out = vec![0.0; len];
                let maps = Maps { data, strides: Strides::blocked(16), images: 1, height: 4, width: 4 };
                let convolution = Convolution { window, maps, taps, bias, activation: None };
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    _ = Band::new(convolution, Out::new(&mut out, Strides::rows(10)), 0, block, 0..end);
                }))
                .is_err()
            };
        let window = Window::square(3, 1, 10, 1);
        assert!(!refused(&data, &taps, &bias, 160, window, 0, 4));
        assert!(refused(&data[1..], &taps, &bias, 160, window, 0, 4));
        assert!(refused(&data, &taps[1..], &bias, 160, window, 0, 4));
        assert!(refused(&data, &taps, &bias[1..], 160, window, 0, 4));
        assert!(refused(&data, &taps, &bias, 159, window, 0, 4));
        assert!(refused(&data, &taps, &bias, 160, window, 1, 4));
        assert!(refused(&data, &taps, &bias, 160, window, 0, 5));
        assert!(refused(&data, &taps, &bias, 160, Window { kernel_width: 5, ..window }, 0, 4));
        assert!(refused(&data, &taps, &bias, 160, Window { kernel_height: 50, ..window }, 0, 4));
    }
}
