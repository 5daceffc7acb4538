//! `y = x · W + b` with packed weights.

use std::ops::Range;

use super::Exec;
use crate::kernels::Out;
use crate::kernels::gemm::{Epilogue, Finish, Lhs, PANEL, Prefetch, Rhs, gemm};
use crate::kernels::strides::Strides;
use crate::weights::TensorView;

/// A linear layer from `inputs` to `outputs` channels.
pub(crate) struct Linear {
    weight: TensorView,       // [inputs, outputs] in panels of 16 columns
    bias: Option<TensorView>, // [outputs], padded to whole panels
    inputs: usize,
    outputs: usize,
}

impl Linear {
    /// The layer with these weights; their lengths must be those of packed `[inputs, outputs]` and `[outputs]`.
    pub(crate) fn new(weight: TensorView, bias: Option<TensorView>, inputs: usize, outputs: usize) -> Self {
        let padded = outputs.div_ceil(PANEL) * PANEL;
        assert_eq!(weight.len(), padded * inputs);
        assert!(bias.as_ref().is_none_or(|bias| bias.len() == padded));
        Linear { weight, bias, inputs, outputs }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `x [rows, inputs]`, which lie in one piece each, to `out [rows, outputs]`, `out_stride` apart.
    pub(crate) fn forward(
        &self,
        exec: Exec<'_>,
        x: &[f32],
        rows: usize,
        finish: Finish,
        out: &mut [f32],
        out_stride: usize,
    ) {
        let strides = Strides::rows(self.inputs);
        self.columns(exec, (x, strides), rows, 0..self.outputs, finish, (out, Strides::rows(out_stride)));
    }

    /// The same between rows that lie in any way.
    pub(crate) fn between(
        &self,
        exec: Exec<'_>,
        x: (&[f32], Strides),
        rows: usize,
        finish: Finish,
        out: (&mut [f32], Strides),
    ) {
        self.columns(exec, x, rows, 0..self.outputs, finish, out);
    }

    /// The same for some of the output columns, which must begin at a multiple of 16; column `columns.start` is
    /// written to column 0 of `out`.
    pub(crate) fn columns(
        &self,
        exec: Exec<'_>,
        (x, strides): (&[f32], Strides),
        rows: usize,
        columns: Range<usize>,
        finish: Finish,
        out: (&mut [f32], Strides),
    ) {
        assert_eq!(columns.start % PANEL, 0);
        let first = columns.start / PANEL;
        let weight = &self.weight[first * PANEL * self.inputs..];
        let bias = self.bias.as_ref().map(|bias| &bias[first * PANEL..]);
        gemm(
            exec.isa,
            exec.team,
            Lhs { data: x, strides, rows, k: self.inputs },
            Rhs::packed(weight, self.inputs, columns.len()),
            Epilogue { bias, finish },
            exec.prefetch,
            Out::new(out.0, out.1),
        );
    }

    /// The weights, for prefetching.
    pub(super) fn prefetch(&self) -> Prefetch {
        Prefetch::new(&self.weight, self.inputs)
    }

    /// The weights and the bias, as kernels take them.
    pub(super) fn parts(&self) -> (Rhs<'_>, Option<&[f32]>) {
        (Rhs::packed(&self.weight, self.inputs, self.outputs), self.bias.as_deref())
    }
}
