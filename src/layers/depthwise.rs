//! A depthwise convolution with its weights.

use super::Exec;
use crate::kernels::Out;
use crate::kernels::depthwise::{Convolution, Maps, Window, depthwise};
use crate::kernels::math::Activation;
use crate::kernels::strides::Strides;
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

    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// Taps and bias.
    pub(super) fn weights(&self) -> (&[f32], &[f32]) {
        (&self.taps, &self.bias)
    }

    /// Convolves `maps` to `out`; returns height and width of the output.
    pub(crate) fn forward(
        &self,
        exec: Exec<'_>,
        maps: Maps<'_>,
        activation: Option<Activation>,
        out: (&mut [f32], Strides),
    ) -> (usize, usize) {
        let convolution = Convolution { window: self.window, maps, taps: &self.taps, bias: &self.bias, activation };
        depthwise(exec.isa, exec.team, convolution, Out::new(out.0, out.1));
        self.window.output(maps.height, maps.width)
    }
}
