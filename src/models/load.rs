//! Tensors by the names that `.clippie` files use.

use super::Error;
use crate::layers::{Activation, Depthwise, Linear, Mlp, SqueezeExcite, Window};
use crate::weights::{Layout, TableView, TensorView, WeightsFile};

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

    /// A lookup table.
    pub(super) fn table(&self, name: &str, rows: usize, width: usize) -> Result<TableView, Error> {
        Ok(self.weights.table(&format!("{}.{name}", self.path), rows, width)?)
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

    /// `fc1` and `fc2`, to `hidden` channels and back.
    pub(super) fn mlp(&self, width: usize, hidden: usize, activation: Activation) -> Result<Mlp, Error> {
        Ok(Mlp::new(self.linear("fc1", width, hidden)?, self.linear("fc2", hidden, width)?, activation))
    }

    /// `squeeze.fc1` and `squeeze.fc2`.
    pub(super) fn squeeze_excite(&self, channels: usize, squeezed: usize) -> Result<SqueezeExcite, Error> {
        let squeeze = self.child("squeeze");
        Ok(SqueezeExcite::new(squeeze.linear("fc1", channels, squeezed)?, squeeze.linear("fc2", squeezed, channels)?))
    }

    /// `name.weight` (taps, channels innermost) and `name.bias` of a depthwise convolution.
    pub(super) fn depthwise(&self, name: &str, window: Window) -> Result<Depthwise, Error> {
        let outputs = window.channels * window.multiplier;
        let taps = self.rows(&format!("{name}.weight"), &[window.kernel_height * window.kernel_width, outputs])?;
        Ok(Depthwise::new(taps, self.rows(&format!("{name}.bias"), &[outputs])?, window))
    }

    fn panels(&self, name: &str, part: &str, shape: &[usize]) -> Result<TensorView, Error> {
        Ok(self.weights.tensor(&format!("{}.{name}.{part}", self.path), Layout::Panels16, shape)?)
    }
}
