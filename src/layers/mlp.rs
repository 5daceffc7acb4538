//! Two linear layers with an activation in between, added to the residual.

use super::linear::Operand;
use super::{Exec, Linear};
use crate::kernels::Out;
use crate::kernels::gemm::{FeedForward, Finish, Lhs, feed_forward};
use crate::kernels::int8;
use crate::kernels::math::Activation;
use crate::kernels::strides::{Strides, blocked_len};
use crate::tensor::Half;

/// Floats of weights up to which tiles of rows go through both layers at once. Every tile reads all weights, so they
/// must stay in the cache, too.
const FUSED_WEIGHTS: usize = 1 << 19;

/// Both layers for tiles, by the element type of their weights.
enum Fused<'a> {
    F32(FeedForward<'a, f32>),
    F16(FeedForward<'a, Half>),
    I8(int8::FeedForward<'a>),
}

/// `x += fc2(activation(fc1(input)))`
pub(crate) struct Mlp {
    fc1: Linear, // [W, H]
    fc2: Linear, // [H, W]
    activation: Activation,
}

impl Mlp {
    pub(crate) fn new(fc1: Linear, fc2: Linear, activation: Activation) -> Self {
        Mlp { fc1, fc2, activation }
    }

    /// Floats of scratch for `rows` rows.
    pub(crate) fn scratch(&self, exec: Exec<'_>, rows: usize) -> usize {
        match self.fused() {
            Some(Fused::F32(weights)) => weights.scratch(rows, exec.team),
            Some(Fused::F16(weights)) => weights.scratch(rows, exec.team),
            Some(Fused::I8(weights)) => weights.scratch(rows, exec.team),
            None => blocked_len(rows, self.fc1.outputs()),
        }
    }

    /// Adds the result for `input [rows, W]` to `x [rows, W]`; `hidden` is [`Mlp::scratch`]. The next weights are
    /// prefetched only if the layers run one after the other.
    pub(crate) fn forward(
        &self,
        exec: Exec<'_>,
        input: (&[f32], Strides),
        rows: usize,
        x: (&mut [f32], Strides),
        hidden: &mut [f32],
    ) {
        let (isa, team) = (exec.isa, exec.team);
        let a = Lhs { data: input.0, strides: input.1, rows, k: self.fc1.inputs() };
        match self.fused() {
            Some(Fused::F32(weights)) => feed_forward(isa, team, a, weights, Out::new(x.0, x.1), hidden),
            Some(Fused::F16(weights)) => feed_forward(isa, team, a, weights, Out::new(x.0, x.1), hidden),
            Some(Fused::I8(weights)) => int8::feed_forward(isa, team, a, weights, Out::new(x.0, x.1), hidden),
            None => {
                let blocked = Strides::blocked(rows);
                let activate = Finish::Activate(self.activation);
                let first = exec.prefetching(&self.fc2);
                self.fc1.forward_strided(first, input, rows, activate, (&mut *hidden, blocked));
                self.fc2.forward_strided(exec, (hidden, blocked), rows, Finish::Accumulate, x);
            }
        }
    }

    /// The layer whose weights are read first.
    pub(crate) fn first(&self) -> &Linear {
        &self.fc1
    }

    /// Both layers, if they are small enough for tiles.
    fn fused(&self) -> Option<Fused<'_>> {
        if self.fc1.inputs() * self.fc1.outputs() + self.fc2.inputs() * self.fc2.outputs() > FUSED_WEIGHTS {
            return None;
        }
        let activation = self.activation;
        let (first, second) = (self.fc1.bias(), self.fc2.bias());
        match (self.fc1.integers(), self.fc2.integers()) {
            (Some(fc1), Some(fc2)) => {
                return Some(Fused::I8(int8::FeedForward { first: (fc1, first), activation, second: (fc2, second) }));
            }
            (None, None) => {}
            // A file may have each of its matrices in another type.
            _ => return None,
        }
        match (self.fc1.operand(), self.fc2.operand()) {
            (Operand::F32(fc1), Operand::F32(fc2)) => {
                Some(Fused::F32(FeedForward { first: (fc1, first), activation, second: (fc2, second) }))
            }
            (Operand::F16(fc1), Operand::F16(fc2)) => {
                Some(Fused::F16(FeedForward { first: (fc1, first), activation, second: (fc2, second) }))
            }
            _ => None,
        }
    }
}
