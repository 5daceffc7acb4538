//! The tensors of a weights file that a walk over the layers of a model loads.

use super::Error;
use super::layer::LinearSpec;
use crate::layers::{Int8Weights, Packed};
use crate::tensor::Half;
use crate::weights::{Dtype, Layout, TableView, TensorView, WeightsFile};

/// A weights file, and which of its tensors were loaded.
pub(crate) struct Loading {
    weights: WeightsFile,
    used: Vec<String>,
}

impl Loading {
    pub(super) fn new(weights: &WeightsFile) -> Self {
        Loading { weights: weights.clone(), used: Vec::new() }
    }

    /// Loads an `f32` tensor.
    pub(super) fn tensor(&mut self, name: String, layout: Layout, shape: &[usize]) -> Result<TensorView, Error> {
        let tensor = self.weights.tensor(&name, layout, shape)?;
        self.used.push(name);
        Ok(tensor)
    }

    /// Loads a lookup table.
    pub(super) fn table(&mut self, name: String, rows: usize, width: usize) -> Result<TableView, Error> {
        let table = self.weights.table(&name, rows, width)?;
        self.used.push(name);
        Ok(table)
    }

    /// Loads the weights of the linear layer `path`, in the precision in which the file has them.
    pub(super) fn linear(&mut self, path: &str, spec: &LinearSpec) -> Result<Packed, Error> {
        let (name, shape) = (format!("{path}.weight"), [spec.inputs(), spec.outputs]);
        if !spec.quantised || self.weights.dtype(&name) != Some(Dtype::I8) {
            return self.matrix(name, &shape, spec.always_f32);
        }
        let weight = self.weights.tensor_of::<i8>(&name, Layout::Quads16, &shape)?;
        self.used.push(name);
        let [inputs, outputs] = shape;
        let scales = self.tensor(format!("{path}.scales"), Layout::Panels16, &[outputs])?;
        let sums = self.tensor(format!("{path}.sums"), Layout::Panels16, &[outputs])?;
        let gains = match spec.has_gains(Dtype::I8) {
            true => Some(self.tensor(format!("{path}.gains"), Layout::Rows, &[inputs])?),
            false => None,
        };
        Ok(Int8Weights { weight, scales, sums, gains }.into())
    }

    /// Loads the factors of the norm before the linear layer `path` if the file has them beside weights in halves. Halves
    /// without them contain them.
    pub(super) fn gains(&mut self, path: &str, spec: &LinearSpec) -> Result<Option<TensorView>, Error> {
        let name = format!("{path}.gains");
        let beside_halves = self.weights.dtype(&format!("{path}.weight")) == Some(Dtype::F16);
        if !beside_halves || !spec.has_gains(Dtype::F16) || self.weights.dtype(&name).is_none() {
            return Ok(None);
        }
        self.tensor(name, Layout::Rows, &[spec.inputs()]).map(Some)
    }

    /// Loads a matrix of floats, in the precision in which the file has it.
    pub(super) fn matrix(&mut self, name: String, shape: &[usize], only_f32: bool) -> Result<Packed, Error> {
        let matrix = match self.weights.dtype(&name) {
            Some(Dtype::F16) if !only_f32 => self.weights.tensor_of::<Half>(&name, Layout::Panels16, shape)?.into(),
            _ => self.weights.tensor(&name, Layout::Panels16, shape)?.into(),
        };
        self.used.push(name);
        Ok(matrix)
    }

    /// Refuses a file with tensors that neither were loaded nor `other` names: a model with unknown parts must not run
    /// without them.
    pub(super) fn refuse_others(&self, other: Option<&str>) -> Result<(), Error> {
        if self.used.len() + usize::from(other.is_some()) != self.weights.header().tensors.len() {
            self.weights.refuse_others(self.used.iter().map(String::as_str).chain(other))?;
        }
        Ok(())
    }
}
