//! Linear layers, `y = x · W + b`, with packed weights.

use std::ops::Range;

use super::{Exec, Int8Weights};
use crate::kernels::gemm::{Epilogue, Finish, Lhs, Prefetch, Rhs, gemm};
use crate::kernels::int8::Weights;
use crate::kernels::strides::Strides;
use crate::kernels::{Element, Out};
use crate::tensor::{Half, PANEL};
use crate::weights::TensorView;

/// A linear layer from `inputs` to `outputs` channels.
pub(crate) struct Linear {
    weight: Packed,           // [inputs, outputs] in panels of 16 columns
    bias: Option<TensorView>, // [outputs], padded to whole panels
    apart: Option<Box<Apart>>,
    inputs: usize,
    outputs: usize,
}

/// What other weights contain and these do not, because they are a checkpoint's own in half precision.
struct Apart {
    gains: TensorView, // [inputs]
    query_scale: f32,
}

/// Packed weights of any element type: one variant for each type that kernels multiply.
pub(crate) enum Packed {
    F32(TensorView),
    F16(TensorView<Half>),
    I8(Int8Weights),
}

impl From<Int8Weights> for Packed {
    fn from(weights: Int8Weights) -> Packed {
        Packed::I8(weights)
    }
}

impl From<TensorView> for Packed {
    fn from(weight: TensorView) -> Packed {
        Packed::F32(weight)
    }
}

impl From<TensorView<Half>> for Packed {
    fn from(weight: TensorView<Half>) -> Packed {
        Packed::F16(weight)
    }
}

/// Evaluates an expression for weights of any element type.
macro_rules! of_any {
    ($kind:ident, $weights:expr; $name:ident => $value:expr) => {
        match $weights {
            $kind::F32($name) => $value,
            $kind::F16($name) => $value,
        }
    };
}
pub(super) use of_any;

/// [`Packed`] weights as the operand of a kernel. Kernels with several of them match on their types.
pub(super) enum Operand<'a> {
    F32(Rhs<'a, f32>),
    F16(Rhs<'a, Half>),
}

impl Linear {
    /// The layer with these weights; their lengths must be those of packed `[inputs, outputs]` and `[outputs]`.
    pub(crate) fn new(weight: impl Into<Packed>, bias: Option<TensorView>, inputs: usize, outputs: usize) -> Self {
        let weight = weight.into();
        let padded = outputs.div_ceil(PANEL) * PANEL;
        match &weight {
            Packed::F32(weight) => assert_eq!(weight.len(), padded * inputs),
            Packed::F16(weight) => assert_eq!(weight.len(), padded * inputs),
            Packed::I8(weights) => {
                assert_eq!(weights.weight.len(), padded * inputs.next_multiple_of(4));
                assert_eq!((weights.scales.len(), weights.sums.len()), (padded, padded));
                assert!(weights.gains.as_ref().is_none_or(|gains| gains.len() == inputs));
            }
        }
        assert!(bias.as_ref().is_none_or(|bias| bias.len() == padded));
        Linear { weight, bias, apart: None, inputs, outputs }
    }

    /// The layer without the factors of the norm before it, `gains [inputs]`, and the scale of its queries, if it has any,
    /// in its weights.
    pub(crate) fn with_gains(self, gains: TensorView, query_scale: f32) -> Self {
        assert_eq!(gains.len(), self.inputs);
        Linear { apart: Some(Box::new(Apart { gains, query_scale })), ..self }
    }

    /// A layer of these sizes that has no weights and must not run, for a walk that only lists a model's layers.
    pub(crate) fn unloaded(inputs: usize, outputs: usize) -> Self {
        Linear { weight: Packed::F32(TensorView::unloaded()), bias: None, apart: None, inputs, outputs }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// What the inputs must have been multiplied with, by the norm before the layer. Weights of integers have gains that
    /// their product multiplies itself.
    pub(crate) fn gains(&self) -> Option<&[f32]> {
        self.apart.as_ref().map(|apart| &*apart.gains)
    }

    /// What the scores of the queries must be multiplied with.
    pub(crate) fn query_scale(&self) -> f32 {
        self.apart.as_ref().map_or(1.0, |apart| apart.query_scale)
    }

    /// Computes contiguous rows `x [rows, inputs]` to `out [rows, outputs]`, `out_stride` apart.
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

    /// Like [`Linear::forward`], with any layouts of the rows.
    pub(crate) fn forward_strided(
        &self,
        exec: Exec<'_>,
        x: (&[f32], Strides),
        rows: usize,
        finish: Finish,
        out: (&mut [f32], Strides),
    ) {
        self.columns(exec, x, rows, 0..self.outputs, finish, out);
    }

    /// Like [`Linear::forward_strided`], for some of the output columns, which must begin at a multiple of 16; column
    /// `columns.start` is written to column 0 of `out`.
    pub(crate) fn columns(
        &self,
        exec: Exec<'_>,
        x: (&[f32], Strides),
        rows: usize,
        columns: Range<usize>,
        finish: Finish,
        out: (&mut [f32], Strides),
    ) {
        match &self.weight {
            Packed::F32(weight) => self.multiply(exec, weight, x, rows, columns, finish, out),
            Packed::F16(weight) => self.multiply(exec, weight, x, rows, columns, finish, out),
            Packed::I8(weights) => {
                assert_eq!(columns.start % PANEL, 0);
                let first = columns.start / PANEL;
                let bias = self.bias.as_ref().map(|bias| &bias[first * PANEL..]);
                let a = Lhs { data: x.0, strides: x.1, rows, k: self.inputs };
                let w = weights.operand(self.inputs, self.outputs).columns(first, columns.len());
                exec.multiply_integers(a, w, Epilogue { bias, finish }, Out::new(out.0, out.1));
            }
        }
    }

    /// The product of some of the inputs with their rows of the weights, without the bias: `x [rows, inputs.len()]` to
    /// `out [rows, outputs]`.
    pub(crate) fn part(
        &self,
        exec: Exec<'_>,
        (x, strides): (&[f32], Strides),
        rows: usize,
        inputs: Range<usize>,
        out: (&mut [f32], Strides),
    ) {
        assert!(inputs.end <= self.inputs);
        let k = inputs.len();
        of_any!(Operand, self.operand(); w => gemm(
            exec.isa,
            exec.team,
            Lhs { data: x, strides, rows, k },
            Rhs { data: &w.data[inputs.start * w.k_stride..], k, ..w },
            Epilogue { bias: None, finish: Finish::Store },
            exec.prefetch,
            Out::new(out.0, out.1),
        ))
    }

    #[expect(clippy::too_many_arguments, reason = "the operands of a product")]
    fn multiply<W: Element>(
        &self,
        exec: Exec<'_>,
        weight: &[W],
        (x, strides): (&[f32], Strides),
        rows: usize,
        columns: Range<usize>,
        finish: Finish,
        out: (&mut [f32], Strides),
    ) {
        assert_eq!(columns.start % PANEL, 0);
        let first = columns.start / PANEL;
        let weight = &weight[first * PANEL * self.inputs..];
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
        match &self.weight {
            Packed::F32(weight) => Prefetch::new(weight, self.inputs),
            Packed::F16(weight) => Prefetch::new(weight, self.inputs),
            Packed::I8(weights) => weights.operand(self.inputs, self.outputs).prefetch(),
        }
    }

    /// The weights as the operand of a kernel.
    ///
    /// Panics if they are integers: the walk over the layers loads those for products of rows alone.
    pub(super) fn operand(&self) -> Operand<'_> {
        match &self.weight {
            Packed::F32(weight) => Operand::F32(Rhs::packed(weight, self.inputs, self.outputs)),
            Packed::F16(weight) => Operand::F16(Rhs::packed(weight, self.inputs, self.outputs)),
            Packed::I8(_) => unreachable!("only linear layers of blocks are loaded as integers"),
        }
    }

    /// The weights, if they are integers.
    pub(super) fn integers(&self) -> Option<Weights<'_>> {
        match &self.weight {
            Packed::I8(weights) => Some(weights.operand(self.inputs, self.outputs)),
            Packed::F32(_) | Packed::F16(_) => None,
        }
    }

    /// The weights of a layer whose kernel takes floats alone.
    ///
    /// Panics if they are something else: the walk over the layers loads no other type there.
    pub(super) fn floats(&self) -> Rhs<'_, f32> {
        match self.operand() {
            Operand::F32(weight) => weight,
            Operand::F16(_) => unreachable!("a first layer was loaded in another precision"),
        }
    }

    /// The bias, padded to whole panels.
    pub(super) fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }
}
