//! Two linear layers with an activation between them, added to what they came from.

use rayon::prelude::*;

use super::{Exec, Linear};
use crate::kernels::Parallelism;
use crate::kernels::gemm::Finish;
use crate::kernels::math::Activation;

/// Rows that go through both layers before the next ones do, so that their hidden values are still near.
const ROWS: usize = 112;

/// Floats of weights up to which that pays: they must stay near, too, as every tile of rows reads all of them.
const NEAR_WEIGHTS: usize = 1 << 18;

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

    /// Hidden channels.
    pub(crate) fn hidden(&self) -> usize {
        self.fc1.outputs()
    }

    /// `input [rows, W]`; `x [rows, W]` is added to; `hidden` is scratch for `rows · H` floats.
    pub(crate) fn forward(&self, exec: Exec, input: &[f32], x: &mut [f32], hidden: &mut [f32]) {
        let (w, h) = (self.fc1.inputs(), self.fc1.outputs());
        let rows = x.len() / w;
        let tiles = |exec: Exec, input: &[f32], x: &mut [f32], hidden: &mut [f32]| {
            let rows = x.len() / w;
            self.fc1.forward(exec, input, rows, w, Finish::Activate(self.activation), hidden, h);
            self.fc2.forward(exec, hidden, rows, h, Finish::Accumulate, x, w);
        };
        if 2 * w * h > NEAR_WEIGHTS {
            return tiles(exec, input, x, hidden);
        }
        // Many rows: threads take rows. Few: they share the columns of each product.
        let serial = Exec { par: Parallelism::Serial, ..exec };
        match exec.par {
            Parallelism::Threads if rows >= 2 * ROWS * exec.par.threads() => input[..rows * w]
                .par_chunks(ROWS * w)
                .zip(x.par_chunks_mut(ROWS * w))
                .zip(hidden.par_chunks_mut(ROWS * h))
                .for_each(|((input, x), hidden)| tiles(serial, input, x, hidden)),
            Parallelism::Threads => tiles(exec, input, x, hidden),
            Parallelism::Serial => {
                for (input, x) in input[..rows * w].chunks(ROWS * w).zip(x.chunks_mut(ROWS * w)) {
                    tiles(exec, input, x, hidden);
                }
            }
        }
    }
}
