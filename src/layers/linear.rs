//! `y = x · W + b` with packed weights.

use std::ops::Range;

use super::Exec;
use crate::kernels::gemm::{Epilogue, Finish, Lhs, PANEL, Rhs, gemm};
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

    #[expect(clippy::too_many_arguments, reason = "the operands of a product, each with its stride")]
    /// `x [rows, inputs]` with rows `stride` apart, to `out [rows, outputs]` with rows `out_stride` apart.
    pub(crate) fn forward(
        &self,
        exec: Exec,
        x: &[f32],
        rows: usize,
        stride: usize,
        finish: Finish,
        out: &mut [f32],
        out_stride: usize,
    ) {
        self.columns(exec, x, rows, stride, 0..self.outputs, finish, out, out_stride);
    }

    /// The same for some of the output columns, which must begin at a multiple of 16; column `columns.start` is
    /// written to column 0 of `out`.
    #[expect(clippy::too_many_arguments, reason = "the operands of a product, each with its stride")]
    pub(crate) fn columns(
        &self,
        exec: Exec,
        x: &[f32],
        rows: usize,
        stride: usize,
        columns: Range<usize>,
        finish: Finish,
        out: &mut [f32],
        out_stride: usize,
    ) {
        assert_eq!(columns.start % PANEL, 0);
        let first = columns.start / PANEL;
        let weight = &self.weight[first * PANEL * self.inputs..];
        let bias = self.bias.as_ref().map(|bias| &bias[first * PANEL..]);
        gemm(
            exec.isa,
            exec.par,
            Lhs { data: x, stride, rows, k: self.inputs },
            Rhs::packed(weight, self.inputs, columns.len()),
            Epilogue { bias, finish },
            out,
            out_stride,
        );
    }
}
