//! LayerNorm with its weights, if it has any.

use super::Exec;
use crate::kernels::norm::{Affine, layer_norm, layer_norm_in_place};
use crate::weights::TensorView;

/// LayerNorm of rows of `W` channels.
pub(crate) struct LayerNorm {
    width: usize,
    eps: f32,
    affine: Option<(TensorView, TensorView)>, // [W] factors, [W] offsets
}

impl LayerNorm {
    /// Without factors and offsets, which are folded into the next layer.
    pub(crate) fn new(width: usize, eps: f64) -> Self {
        LayerNorm { width, eps: eps as f32, affine: None }
    }

    /// With factors and offsets, `[W]` each.
    pub(crate) fn with_affine(width: usize, eps: f64, factors: TensorView, offsets: TensorView) -> Self {
        LayerNorm { affine: Some((factors, offsets)), ..LayerNorm::new(width, eps) }
    }

    /// Normalises `x [rows, W]` to `out [rows, W]`, slices of the same length.
    pub(crate) fn forward(&self, exec: Exec<'_>, x: &[f32], out: &mut [f32]) {
        layer_norm(exec.isa, exec.team, x, self.width, self.eps, self.affine(), out);
    }

    /// Like [`LayerNorm::forward`], in place.
    pub(crate) fn forward_in_place(&self, exec: Exec<'_>, x: &mut [f32]) {
        layer_norm_in_place(exec.isa, exec.team, x, self.width, self.eps, self.affine());
    }

    fn affine(&self) -> Affine<'_> {
        self.affine.as_ref().map(|(factors, offsets)| (&**factors, &**offsets))
    }
}
