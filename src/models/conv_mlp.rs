//! FastViT's feed-forward part: a depthwise convolution, two linear layers, a residual.

use super::Error;
use super::layer::LinearSpec;
use super::scope::Scope;
use crate::layers::{Activation, Depthwise, Exec, Linear, Maps, Mlp, Window};

/// `x += fc2(gelu(fc1(dw(x))))`; BatchNorm and LayerScale are folded into the weights.
pub(super) struct ConvMlp {
    dw: Depthwise, // 7 × 7, or 1 × 11 along tokens
    mlp: Mlp,
}

impl ConvMlp {
    /// Loads `dw`, `fc1` and `fc2` below `scope`.
    pub(super) fn load(scope: &mut Scope<'_>, window: Window, hidden: usize) -> Result<Self, Error> {
        Ok(ConvMlp {
            dw: scope.depthwise("dw", window)?,
            mlp: scope.mlp(LinearSpec::new(window.channels, hidden).quantised(), Activation::Gelu)?,
        })
    }

    /// Floats of scratch for `rows` rows.
    pub(super) fn scratch(&self, exec: Exec<'_>, rows: usize) -> usize {
        self.mlp.scratch(exec, rows)
    }

    /// The linear layer whose weights are read first, for prefetching.
    pub(super) fn first(&self) -> &Linear {
        self.mlp.first()
    }

    /// Updates the maps `x`, whose sizes and strides are those of `like` (its data is ignored). `y` is scratch of the
    /// size of `x`, `wide` is scratch of [`ConvMlp::scratch`] floats.
    pub(super) fn forward(&self, exec: Exec<'_>, x: &mut [f32], like: Maps<'_>, y: &mut [f32], wide: &mut [f32]) {
        let (rows, strides) = (like.images * like.height * like.width, like.strides);
        self.dw.forward(exec, Maps { data: x, ..like }, None, (&mut *y, strides));
        self.mlp.forward(exec, (&*y, strides), rows, (x, strides), wide);
    }
}
