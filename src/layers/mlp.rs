//! Two linear layers with an activation between them, added to what they came from.

use super::{Exec, Linear};
use crate::kernels::gemm::{FeedForward, Finish, Lhs, feed_forward};
use crate::kernels::math::Activation;
use crate::kernels::strides::{Strides, blocked_len};
use crate::kernels::{Out, Team};

/// Floats of weights up to which tiles of rows go through both layers: the weights must stay in the cache, too, as
/// every tile reads all of them.
const NEAR_WEIGHTS: usize = 1 << 19;

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
    pub(crate) fn scratch(&self, rows: usize, team: Team<'_>) -> usize {
        match self.near() {
            Some(_) => FeedForward::scratch(self.fc1.outputs(), rows, team),
            None => blocked_len(rows, self.fc1.outputs()),
        }
    }

    /// `input [rows, W]`; `x [rows, W]` is added to; `hidden` is [`Mlp::scratch`]. The weights that come next are
    /// fetched ahead only where the layers go one after the other.
    pub(crate) fn forward(
        &self,
        exec: Exec<'_>,
        input: (&[f32], Strides),
        rows: usize,
        x: (&mut [f32], Strides),
        hidden: &mut [f32],
    ) {
        match self.near() {
            Some(weights) => {
                let input = Lhs { data: input.0, strides: input.1, rows, k: self.fc1.inputs() };
                feed_forward(exec.isa, exec.team, input, weights, Out::new(x.0, x.1), hidden);
            }
            None => {
                let between = Strides::blocked(rows);
                self.fc1.between(
                    exec.before(&self.fc2),
                    input,
                    rows,
                    Finish::Activate(self.activation),
                    (&mut *hidden, between),
                );
                self.fc2.between(exec, (hidden, between), rows, Finish::Accumulate, x);
            }
        }
    }

    /// The layer whose weights are the first to be read.
    pub(crate) fn first(&self) -> &Linear {
        &self.fc1
    }

    /// Both layers, if they are small enough for tiles.
    fn near(&self) -> Option<FeedForward<'_>> {
        if self.fc1.inputs() * self.fc1.outputs() + self.fc2.inputs() * self.fc2.outputs() > NEAR_WEIGHTS {
            return None;
        }
        Some(FeedForward { first: self.fc1.parts(), activation: self.activation, second: self.fc2.parts() })
    }
}
