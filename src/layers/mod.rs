//! Layers: kernels with the weights they need. They know shapes, not models and not checkpoints.
//!
//! Models use kernels only through this module: every layer runs on an [`Exec`], which holds the instruction set and
//! the threads.

mod attention;
mod attention_pool;
mod convolution;
mod depthwise;
mod int8;
mod linear;
mod mean_query_pool;
mod mlp;
mod norm;
mod pooling;
mod rotary;
mod squeeze_excite;
mod strided_stem;

pub(crate) use attention::Attention;
pub(crate) use attention_pool::AttentionPool;
pub(crate) use convolution::{Convolution, FirstConvolution};
pub(crate) use depthwise::Depthwise;
pub(crate) use int8::Int8Weights;
pub(crate) use linear::{Linear, Packed};
pub(crate) use mean_query_pool::MeanQueryPool;
pub(crate) use mlp::Mlp;
pub(crate) use norm::LayerNorm;
pub(crate) use pooling::{global_mean, halve, mean_of_rows};
pub(crate) use rotary::Rotary;
pub(crate) use squeeze_excite::SqueezeExcite;
pub(crate) use strided_stem::StridedStem;

pub(crate) use crate::kernels::attention::Span;
pub(crate) use crate::kernels::depthwise::{Maps, Window};
pub(crate) use crate::kernels::gemm::{Finish, Lines, LinesOf};
pub(crate) use crate::kernels::math::Activation;
pub(crate) use crate::kernels::rotary::{MAX_HEAD as MAX_ROTARY_HEAD, TurnShape};
pub(crate) use crate::kernels::strided_stem::Images;
pub(crate) use crate::kernels::strides::{Strides, blocked_len, unblock};
pub(crate) use crate::tensor::PANEL;

use crate::kernels::gemm::{Epilogue, Lhs, Prefetch, Rhs, gemm};
use crate::kernels::{Isa, Out, Team};
use crate::tensor::Kept;

/// How the layers of one pass run: the instruction set, the threads, what to prefetch, and memory for rows of integers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exec<'a> {
    isa: Isa,
    team: Team<'a>,
    prefetch: Option<Prefetch>,
    integers: Option<&'a Kept>,
}

impl<'a> Exec<'a> {
    pub(crate) fn new(isa: Isa, team: Team<'a>) -> Exec<'a> {
        Exec { isa, team, prefetch: None, integers: None }
    }

    /// Keeps the memory for rows of integers in `rows`, instead of allocating it for each product.
    pub(crate) fn keeping(self, rows: &'a Kept) -> Exec<'a> {
        Exec { integers: Some(rows), ..self }
    }

    /// Also prefetches the first weights of `next`, the linear layer that follows.
    pub(crate) fn prefetching(self, next: &Linear) -> Exec<'a> {
        Exec { prefetch: Some(next.prefetch()), ..self }
    }

    /// Computes `out = a · panels` for `a [rows, k]` and a matrix `[k, n]` in panels that is no weight.
    fn product(self, a: &[f32], rows: usize, (panels, k, n): (&[f32], usize, usize), out: &mut [f32]) {
        let a = Lhs { data: a, strides: Strides::rows(k), rows, k };
        let epilogue = Epilogue { bias: None, finish: Finish::Store };
        let out = Out::new(out, Strides::rows(n));
        gemm(self.isa, self.team, a, Rhs::packed(&panels[..blocked_len(k, n)], k, n), epilogue, None, out);
    }

    /// Calls `work(row, slice)` for every row of `stride` floats in `data`, of which the last may be shorter, on all
    /// threads. A task has at least `grain` rows.
    pub(crate) fn rows(self, data: &mut [f32], stride: usize, grain: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
        self.team.rows(data, stride, grain, work);
    }
}
