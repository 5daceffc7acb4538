//! Depthwise convolutions of feature maps.
//!
//! A vector of channels is computed for several neighbouring outputs at once: each input is loaded once and meets
//! every tap that it belongs to, and the taps of a row of the window stay in registers. The window slides over one
//! block of sixteen channels after the other, so that its rows stay in the nearest cache. Every output is one chain
//! of multiply-adds over its window, row by row, so its bits depend on the map alone.

mod band;

use super::Isa;
use super::gemm::{Out, PANEL};
use super::math::Activation;
use super::strides::Strides;
use super::team::{Shared, Team};
pub(super) use band::Band;

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
    team: Team<'_>,
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

    // Tasks are blocks of sixteen output channels of an image, cut into bands of rows for the groups of the team or
    // if there are too few: an even number of rows, as two are computed together.
    let blocks = outputs.div_ceil(PANEL);
    let pairs = height.div_ceil(2);
    let images = maps.images.max(1);
    let groups = team.row_groups(images * height * width);
    let apart = if images.is_multiple_of(groups) { 1 } else { groups };
    let bands = team.tasks().div_ceil(images * blocks).next_multiple_of(apart).min(pairs);
    let shared = Shared::new(out);
    team.run(maps.images * blocks * bands, |task| {
        let (image, band, block) = (task / blocks / bands, task / blocks % bands, task % blocks);
        let rows = 2 * (pairs * band / bands)..height.min(2 * (pairs * (band + 1) / bands));
        let out = shared.get();
        isa.run(Band { window, maps, taps, bias, activation, out, strides, image, block, rows, width, height });
    });
}

#[cfg(test)]
mod tests {
    use super::super::Crew;
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
            depthwise(isa, team, window, maps, &taps, &bias, activation, Out { data: &mut out, strides });
            (0..rows * outputs).map(|i| out[strides.at(i / outputs, i % outputs)]).collect::<Vec<_>>()
        };
        let serial = run(Team::ALONE, maps, Strides::rows(outputs));
        for (i, (v, e)) in serial.iter().zip(&exact).enumerate() {
            assert!((f64::from(*v) - e).abs() <= TOLERANCE, "{isa:?} {window:?} {height}x{width} at {i}: {v} {e}");
        }
        let blocked = Maps { data: &blocks, strides: Strides::blocked(pixels), ..maps };
        for team in [Team::ALONE, Crew::eager().team()] {
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
}
