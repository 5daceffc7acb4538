//! The weights of a linear layer whose products are computed with 8-bit integers.
//!
//! The inputs are quantised on the fly, with a scale for each row; so are the weights at conversion, with a scale for each
//! output. Nothing here has been checked against hostile files but the lengths: integers may be -128, scales and sums
//! anything. The first use of a tower refuses impossible scales, sums and gains after its first pass.

use super::Exec;
use crate::kernels::Out;
use crate::kernels::gemm::{Epilogue, Lhs};
use crate::kernels::int8::{self, MOST_ROW_LEN, SCRATCH, Weights, row_len};
use crate::tensor::{AlignedBuf, Kept};
use crate::weights::TensorView;

/// Quantised weights from `inputs` to `outputs` channels.
pub(crate) struct Int8Weights {
    /// `[inputs, outputs]` in quads: `[ceil(outputs / 16)][ceil(inputs / 4)][16][4]`, zeros where there is no such element.
    pub(crate) weight: TensorView<i8>,
    /// `[outputs]`, padded with zeros to whole panels: an element is its integer times the scale of its output.
    pub(crate) scales: TensorView,
    /// `[outputs]`, padded likewise: the sum of the integers of each output, exact.
    pub(crate) sums: TensorView,
    /// `[inputs]`, not padded: what the inputs are multiplied with before they are quantised, the factors of the norm before
    /// this layer.
    pub(crate) gains: Option<TensorView>,
}

impl Int8Weights {
    /// The weights `[inputs, outputs]` as the operand of a kernel.
    pub(super) fn operand(&self, inputs: usize, outputs: usize) -> Weights<'_> {
        let Int8Weights { weight, scales, sums, gains } = self;
        Weights { data: weight, scales, sums, gains: gains.as_deref(), k: inputs, n: outputs }
    }
}

impl Exec<'_> {
    /// Computes the product of rows and weights that are integers.
    pub(super) fn multiply_integers(self, a: Lhs<'_>, w: Weights<'_>, epilogue: Epilogue<'_>, out: Out<'_>) {
        let Exec { isa, team, prefetch, integers } = self;
        let len = SCRATCH.max(row_len(a.k)).min(a.rows.saturating_mul(row_len(a.k)));
        let mut rows = integers.map(Kept::take).unwrap_or_default();
        if rows.len() < len {
            rows = AlignedBuf::try_zeros(len).unwrap_or_default();
        }
        if rows.is_empty() {
            // Without memory the product is slow, one row after the other, instead of none.
            let mut row = [0.0; MOST_ROW_LEN];
            return int8::gemm(isa, team, a, w, epilogue, prefetch, out, &mut row);
        }
        int8::gemm(isa, team, a, w, epilogue, prefetch, out, &mut rows);
        if let Some(integers) = integers {
            integers.put(rows);
        }
    }
}
