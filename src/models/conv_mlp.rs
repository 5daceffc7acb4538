//! FastViT's feed-forward part: a depthwise convolution, two linear layers, a residual.

use super::Error;
use super::load::Scope;
use crate::kernels::depthwise::{Maps, Window};
use crate::kernels::math::Activation;
use crate::layers::{Depthwise, Exec, Mlp};

/// `x += fc2(gelu(fc1(dw(x))))`; BatchNorm and LayerScale lie in the weights.
pub(super) struct ConvMlp {
    dw: Depthwise, // 7 × 7, or 1 × 11 along tokens
    mlp: Mlp,
}

impl ConvMlp {
    pub(super) fn load(scope: &Scope<'_>, window: Window, hidden: usize) -> Result<Self, Error> {
        Ok(ConvMlp { dw: scope.depthwise("dw", window)?, mlp: scope.mlp(window.channels, hidden, Activation::Gelu)? })
    }

    /// Hidden channels.
    pub(super) fn hidden(&self) -> usize {
        self.mlp.hidden()
    }

    /// `x [images, height, width, C]`; `y` is scratch of the same size, `wide` of `pixels · hidden`.
    pub(super) fn forward(
        &self,
        exec: Exec,
        x: &mut [f32],
        (images, height, width): (usize, usize, usize),
        y: &mut [f32],
        wide: &mut [f32],
    ) {
        self.dw.forward(exec, Maps { data: x, images, height, width }, None, y);
        self.mlp.forward(exec, y, x, wide);
    }
}
