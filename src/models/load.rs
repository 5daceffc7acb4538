//! Tensors by the names that `.clippie` files use.

use super::Error;
use crate::layers::Linear;
use crate::weights::{Layout, TensorView, WeightsFile};

/// A place in the tree of names, such as `image.blocks.3`.
pub(super) struct Scope<'a> {
    weights: &'a WeightsFile,
    path: String,
}

impl<'a> Scope<'a> {
    pub(super) fn new(weights: &'a WeightsFile, tower: &str) -> Self {
        Scope { weights, path: tower.to_owned() }
    }

    pub(super) fn child(&self, name: impl std::fmt::Display) -> Scope<'a> {
        Scope { weights: self.weights, path: format!("{}.{name}", self.path) }
    }

    /// A row-major tensor.
    pub(super) fn rows(&self, name: &str, shape: &[usize]) -> Result<TensorView, Error> {
        Ok(self.weights.tensor(&format!("{}.{name}", self.path), Layout::Rows, shape)?)
    }

    /// `name.weight` and `name.bias` of a linear layer.
    pub(super) fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, Error> {
        let weight = self.panels(name, "weight", &[inputs, outputs])?;
        let bias = self.panels(name, "bias", &[outputs])?;
        Ok(Linear::new(weight, Some(bias), inputs, outputs))
    }

    /// `name.weight` of a linear layer without bias.
    pub(super) fn linear_without_bias(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, Error> {
        Ok(Linear::new(self.panels(name, "weight", &[inputs, outputs])?, None, inputs, outputs))
    }

    fn panels(&self, name: &str, part: &str, shape: &[usize]) -> Result<TensorView, Error> {
        Ok(self.weights.tensor(&format!("{}.{name}.{part}", self.path), Layout::Panels16, shape)?)
    }
}
