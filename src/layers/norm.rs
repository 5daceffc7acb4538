//! LayerNorm with its weights, if it has any.

use super::{Exec, Linear};
use crate::kernels::norm::{Affine, layer_norm, layer_norm_in_place};
use crate::weights::TensorView;

/// LayerNorm of rows of `W` channels.
pub(crate) struct LayerNorm {
    width: usize,
    eps: f32,
    affine: Option<(TensorView, TensorView)>, // [W] factors, [W] offsets
}

impl LayerNorm {
    /// Without factors and offsets, which the next layer has.
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

    /// Like [`LayerNorm::forward`], of a norm without factors, as the input of `next`, whose gains take their place.
    pub(crate) fn forward_before(&self, next: &Linear, exec: Exec<'_>, x: &[f32], out: &mut [f32]) {
        layer_norm(exec.isa, exec.team, x, self.width, self.eps, self.affine_before(next), out);
    }

    /// Like [`LayerNorm::forward_before`], in place.
    pub(crate) fn forward_in_place_before(&self, next: &Linear, exec: Exec<'_>, x: &mut [f32]) {
        layer_norm_in_place(exec.isa, exec.team, x, self.width, self.eps, self.affine_before(next));
    }

    fn affine(&self) -> Affine<'_> {
        match &self.affine {
            Some((factors, offsets)) => Affine::Both(factors, offsets),
            None => Affine::Folded,
        }
    }

    fn affine_before<'a>(&'a self, next: &'a Linear) -> Affine<'a> {
        match (self.affine(), next.gains()) {
            (Affine::Folded, Some(gains)) => Affine::Factors(gains),
            (affine, _) => affine,
        }
    }
}
