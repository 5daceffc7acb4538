//! Squeeze-and-excitation: channels scaled by gates that depend on the whole map.
//!
//! Source: Hu et al., "Squeeze-and-Excitation Networks" (2018): mean, linear, ReLU, linear, sigmoid, product.

use super::{Exec, Linear};
use crate::kernels::gemm::Finish;
use crate::kernels::math::Activation;
use crate::kernels::pool;

/// `C` channels squeezed to `S`.
pub(crate) struct SqueezeExcite {
    fc1: Linear, // [C, S]
    fc2: Linear, // [S, C]
}

impl SqueezeExcite {
    pub(crate) fn new(fc1: Linear, fc2: Linear) -> Self {
        SqueezeExcite { fc1, fc2 }
    }

    /// Floats of scratch for `images` images.
    pub(crate) fn scratch(&self, images: usize) -> usize {
        images * (self.fc1.inputs() + self.fc1.outputs())
    }

    /// Computes `maps = activation(maps · sigmoid(fc2(relu(fc1(mean(maps))))))` for maps in blocks: `pixels` rows of
    /// `C` channels for each image.
    pub(crate) fn forward(
        &self,
        exec: Exec<'_>,
        maps: &mut [f32],
        (images, pixels): (usize, usize),
        activation: Activation,
        scratch: &mut [f32],
    ) {
        let (channels, squeezed) = (self.fc1.inputs(), self.fc1.outputs());
        let (gates, hidden) = scratch.split_at_mut(images * channels);
        pool::mean(exec.isa, exec.team, maps, (images, pixels), channels, gates);
        self.fc1.forward(exec, gates, images, Finish::Activate(Activation::Relu), hidden, squeezed);
        self.fc2.forward(exec, hidden, images, Finish::Activate(Activation::Sigmoid), gates, channels);
        pool::scale(exec.isa, exec.team, maps, (images, pixels), channels, gates, activation);
    }
}
