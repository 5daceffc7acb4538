//! The layers of a tower by their canonical names, in the order of the file.
//!
//! Each architecture walks over its layers once, in `tensors.rs` of its folder, and requests each from a [`Scope`].
//! With a weights file the scope loads them; without one it lists them ([`layers`](super::layers)). The writer, the importer and the
//! checks of a file use that list, so no second description exists.

use super::Error;
use super::layer::{DepthwiseSpec, Layer, LayerKind, LinearSpec};
use super::loading::Loading;
use crate::layers::{Activation, Depthwise, LayerNorm, Linear, Mlp, Rotary, SqueezeExcite, TurnShape, Window};
use crate::weights::{Layout, TableView, TensorView, Tower};

/// Where layers come from.
pub(crate) enum Source {
    /// Loads them from a weights file.
    File(Loading),
    /// Lists them; the layers that the walk builds have no weights and must not run.
    List(Vec<Layer>),
}

/// A place in the tree of names, such as `image.blocks.3`.
pub(crate) struct Scope<'a> {
    source: &'a mut Source,
    tower: Tower,
    path: String,
}

impl<'a> Scope<'a> {
    pub(super) fn root(source: &'a mut Source, tower: Tower) -> Self {
        Scope { source, tower, path: tower.name().to_owned() }
    }

    pub(super) fn child(&mut self, name: impl std::fmt::Display) -> Scope<'_> {
        Scope { path: self.at(name), source: self.source, tower: self.tower }
    }

    fn at(&self, name: impl std::fmt::Display) -> String {
        format!("{}.{name}", self.path)
    }

    /// Requests a row-major tensor.
    pub(super) fn rows(&mut self, name: &str, shape: &[usize]) -> Result<TensorView, Error> {
        let path = self.at(name);
        match self.source {
            Source::File(file) => file.tensor(path, Layout::Rows, shape),
            Source::List(_) => {
                self.list(path, LayerKind::Rows(shape.to_vec()));
                Ok(TensorView::unloaded())
            }
        }
    }

    /// The rotary positions of a tower. They are no tensor; those of a walk that only lists layers are not computed.
    pub(super) fn rotary(&self, shape: TurnShape) -> Rotary {
        match self.source {
            Source::File(_) => Rotary::new(shape),
            Source::List(_) => Rotary::unloaded(shape),
        }
    }

    /// Requests a LayerNorm with an affine part that is not folded: `name.weight` and `name.bias`.
    pub(super) fn norm(&mut self, name: &str, width: usize, eps: f64) -> Result<LayerNorm, Error> {
        let mut norm = self.child(name);
        let (factors, offsets) = (norm.rows("weight", &[width])?, norm.rows("bias", &[width])?);
        Ok(LayerNorm::with_affine(width, eps, factors, offsets))
    }

    /// Requests a lookup table.
    pub(super) fn table(&mut self, name: &str, rows: usize, width: usize) -> Result<TableView, Error> {
        let path = self.at(name);
        match self.source {
            Source::File(file) => file.table(path, rows, width),
            Source::List(_) => {
                self.list(path, LayerKind::Table(rows, width));
                Ok(TableView::unloaded())
            }
        }
    }

    /// Requests a linear layer.
    pub(super) fn linear(&mut self, name: &str, spec: LinearSpec) -> Result<Linear, Error> {
        let path = self.at(name);
        let (inputs, outputs) = (spec.inputs(), spec.outputs);
        match self.source {
            Source::File(file) => {
                let weight = file.linear(&path, &spec)?;
                let bias = || file.tensor(format!("{path}.bias"), Layout::Panels16, &[outputs]);
                let bias = spec.bias.then(bias).transpose()?;
                let linear = Linear::new(weight, bias, inputs, outputs);
                Ok(match file.gains(&path, &spec)? {
                    Some(gains) => linear.with_gains(gains, spec.query_scale.map_or(1.0, |(_, scale)| scale as f32)),
                    None => linear,
                })
            }
            Source::List(_) => {
                self.list(path, LayerKind::Linear(spec));
                Ok(Linear::unloaded(inputs, outputs))
            }
        }
    }

    /// Requests the constant queries of attention pooling.
    pub(super) fn queries(&mut self, name: &str, width: usize, heads: usize) -> Result<Linear, Error> {
        let path = self.at(name);
        match self.source {
            Source::File(file) => {
                let weight = file.matrix(format!("{path}.weight"), &[width, heads], false)?;
                Ok(Linear::new(weight, None, width, heads))
            }
            Source::List(_) => {
                self.list(path, LayerKind::Queries { width, heads });
                Ok(Linear::unloaded(width, heads))
            }
        }
    }

    /// Requests `fc1` and `fc2`, to so many channels as the first layer has outputs and back. The second is quantised if the
    /// first is.
    pub(super) fn mlp(&mut self, first: LinearSpec, activation: Activation) -> Result<Mlp, Error> {
        let second = LinearSpec { quantised: first.quantised, ..LinearSpec::new(first.outputs, first.inputs()) };
        Ok(Mlp::new(self.linear("fc1", first)?, self.linear("fc2", second)?, activation))
    }

    /// Requests `squeeze.fc1` and `squeeze.fc2` for channels that are stored even ones first.
    pub(super) fn squeeze_excite(&mut self, channels: usize, squeezed: usize) -> Result<SqueezeExcite, Error> {
        let mut squeeze = self.child("squeeze");
        let fc1 = squeeze.linear("fc1", LinearSpec::new(channels, squeezed).even_first_inputs())?;
        let fc2 = squeeze.linear("fc2", LinearSpec::new(squeezed, channels).even_first_outputs())?;
        Ok(SqueezeExcite::new(fc1, fc2))
    }

    /// Requests a depthwise convolution: `name.weight [taps, channels]` and `name.bias`.
    pub(super) fn depthwise(&mut self, name: &str, window: Window) -> Result<Depthwise, Error> {
        let path = self.at(name);
        let kernel = [window.kernel_height, window.kernel_width];
        let spec = DepthwiseSpec { kernel, inputs: window.channels, doubles: window.multiplier == 2 };
        match self.source {
            Source::File(file) => {
                let outputs = spec.outputs();
                let taps = file.tensor(format!("{path}.weight"), Layout::Rows, &[kernel[0] * kernel[1], outputs])?;
                let bias = file.tensor(format!("{path}.bias"), Layout::Rows, &[outputs])?;
                Ok(Depthwise::new(taps, bias, window))
            }
            Source::List(_) => {
                self.list(path, LayerKind::Depthwise(spec));
                Ok(Depthwise::new(TensorView::unloaded(), TensorView::unloaded(), window))
            }
        }
    }

    fn list(&mut self, path: String, kind: LayerKind) {
        if let Source::List(layers) = self.source {
            layers.push(Layer { path, tower: self.tower, kind });
        }
    }
}
