//! A depthwise convolution with its taps.

use super::Exec;
use crate::kernels::depthwise::{Maps, Window, depthwise};
use crate::kernels::math::Activation;
use crate::weights::TensorView;

/// Taps `[kernel_height · kernel_width, outputs]` and a bias `[outputs]`.
pub(crate) struct Depthwise {
    taps: TensorView,
    bias: TensorView,
    window: Window,
}

impl Depthwise {
    pub(crate) fn new(taps: TensorView, bias: TensorView, window: Window) -> Self {
        Depthwise { taps, bias, window }
    }

    /// `maps [images, height, width, channels]` to `out [images, h, w, outputs]`; returns h and w.
    pub(crate) fn forward(
        &self,
        exec: Exec,
        maps: Maps<'_>,
        activation: Option<Activation>,
        out: &mut [f32],
    ) -> (usize, usize) {
        depthwise(exec.isa, exec.par, self.window, maps, &self.taps, &self.bias, activation, out);
        self.window.output(maps.height, maps.width)
    }
}
