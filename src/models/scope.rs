//! The layers of a tower by their canonical names, in the order of the file.
//!
//! Each architecture walks over its layers once, in `tensors.rs` of its folder, and requests each from a [`Scope`].
//! With a weights file the scope loads them; without one it lists them ([`layers`](super::layers)). The writer, the importer and the
//! checks of a file use that list, so no second description exists.

use super::Error;
use crate::layers::{
    Activation, Depthwise, LayerNorm, Linear, Mlp, PANEL, Packed, Rotary, SqueezeExcite, TurnShape, Window,
};
use crate::tensor::Half;
use crate::weights::{Dtype, Layout, TableView, TensorSpec, TensorView, Tower, WeightsFile};

/// A layer that a weights file holds for a model, under its canonical name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layer {
    /// The path in the tree of names, such as `image.blocks.3.qkv`.
    pub(crate) path: String,
    pub(crate) tower: Tower,
    pub(crate) kind: LayerKind,
}

/// The kind of a [`Layer`], which determines its tensors.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LayerKind {
    /// `{path}.weight` and, with a bias, `{path}.bias`, both in panels.
    Linear(LinearSpec),
    /// `{path}.weight`, `[taps, channels]`, and `{path}.bias`, row-major.
    Depthwise(DepthwiseSpec),
    /// `{path}.weight`, `[width, heads]` in panels: the constant queries of attention pooling, each multiplied with the
    /// weights of its head's keys.
    Queries { width: usize, heads: usize },
    /// The tensor `{path}`, row-major, of this shape.
    Rows(Vec<usize>),
    /// The tensor `{path}`, a lookup table: number of rows, and their width.
    Table(usize, usize),
}

/// A linear layer, or a dense convolution that runs as one over gathered windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LinearSpec {
    /// Input channels; for a convolution, those of one pixel.
    pub(crate) channels: usize,
    /// Height and width of the convolution's kernel; 1 × 1 for a linear layer.
    pub(crate) kernel: [usize; 2],
    /// The order of the elements of a window.
    pub(crate) order: WindowOrder,
    pub(crate) outputs: usize,
    pub(crate) bias: bool,
    /// Number of leading outputs (the queries) that are multiplied by a factor, and the factor.
    pub(crate) query_scale: Option<(usize, f64)>,
    /// Whether input and output channels are stored even ones first; see [`DepthwiseSpec::doubles`].
    pub(crate) even_first: EvenFirst,
    /// Channels of a head, if those of queries and keys are pairs that turn: of each head, the even channels are stored
    /// first, then the odd ones.
    pub(crate) pairs_of_head: Option<usize>,
    /// Whether the weights are `f32` in a file of any precision: those of first layers, which are small and whose kernels
    /// take nothing else.
    pub(crate) always_f32: bool,
}

/// The order of the elements of a convolution's window, the outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WindowOrder {
    /// Channel, y, x.
    #[default]
    ChannelsFirst,
    /// y, x, channel.
    ChannelsLast,
    /// x, y, channel, the channels padded with zeros to whole blocks of sixteen.
    ColumnsFirst,
}

/// Whether the input and the output channels of a layer are stored even ones first, then odd ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EvenFirst {
    pub(crate) inputs: bool,
    pub(crate) outputs: bool,
}

/// A depthwise convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DepthwiseSpec {
    /// Height and width of the kernel.
    pub(crate) kernel: [usize; 2],
    pub(crate) inputs: usize,
    /// Whether it has twice as many outputs as inputs. Its even outputs are stored first, so that output `j` reads
    /// input `j mod inputs`; the inputs of the layers after it are in the same order.
    pub(crate) doubles: bool,
}

impl LinearSpec {
    /// A linear layer with a bias.
    pub(crate) fn new(inputs: usize, outputs: usize) -> Self {
        LinearSpec {
            channels: inputs,
            kernel: [1, 1],
            order: WindowOrder::default(),
            outputs,
            bias: true,
            query_scale: None,
            even_first: EvenFirst::default(),
            pairs_of_head: None,
            always_f32: false,
        }
    }

    /// A convolution with a bias whose windows are ordered channel, y, x.
    pub(crate) fn conv(channels: usize, kernel: [usize; 2], outputs: usize) -> Self {
        LinearSpec { kernel, ..LinearSpec::new(channels, outputs) }
    }

    /// Queries, keys and values of `heads` heads: `[width, 3 · width]`, the queries divided by the root of the head
    /// width.
    pub(crate) fn qkv(width: usize, heads: usize) -> Self {
        let scale = (width as f64 / heads as f64).sqrt().recip();
        LinearSpec { query_scale: Some((width, scale)), ..LinearSpec::new(width, width.saturating_mul(3)) }
    }

    /// Queries and keys whose heads of `head` channels are stored even channels first.
    pub(crate) fn in_pairs(self, head: usize) -> Self {
        LinearSpec { pairs_of_head: Some(head), ..self }
    }

    pub(crate) fn channels_last(self) -> Self {
        LinearSpec { order: WindowOrder::ChannelsLast, ..self }
    }

    pub(crate) fn columns_first(self) -> Self {
        LinearSpec { order: WindowOrder::ColumnsFirst, ..self }
    }

    /// Weights that are `f32` in a file of any precision.
    pub(crate) fn always_f32(self) -> Self {
        LinearSpec { always_f32: true, ..self }
    }

    pub(crate) fn without_bias(self) -> Self {
        LinearSpec { bias: false, ..self }
    }

    /// Input channels stored even ones first.
    pub(crate) fn even_first_inputs(self) -> Self {
        LinearSpec { even_first: EvenFirst { inputs: true, ..self.even_first }, ..self }
    }

    /// Output channels stored even ones first.
    pub(crate) fn even_first_outputs(self) -> Self {
        LinearSpec { even_first: EvenFirst { outputs: true, ..self.even_first }, ..self }
    }

    /// Rows of the packed matrix: the elements of a window.
    pub(crate) fn inputs(&self) -> usize {
        let channels = match self.order {
            WindowOrder::ChannelsFirst | WindowOrder::ChannelsLast => self.channels,
            WindowOrder::ColumnsFirst => self.channels.div_ceil(PANEL).saturating_mul(PANEL),
        };
        channels.saturating_mul(self.kernel[0]).saturating_mul(self.kernel[1])
    }
}

impl DepthwiseSpec {
    /// Only a convolution that doubles its channels stores them in another order.
    pub(crate) fn even_first(&self) -> EvenFirst {
        EvenFirst { inputs: false, outputs: self.doubles }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.inputs.saturating_mul(if self.doubles { 2 } else { 1 })
    }
}

impl Layer {
    /// Whether the layer is made of the same tensors of a checkpoint as `other`. Only the number of heads may differ,
    /// which a checkpoint does not tell.
    pub(crate) fn has_same_source(&self, other: &Layer) -> bool {
        match (&self.kind, &other.kind) {
            (LayerKind::Queries { width, .. }, LayerKind::Queries { width: other_width, .. }) => {
                width == other_width && self.path == other.path
            }
            _ => self.tensors() == other.tensors(),
        }
    }

    /// The layer's tensors in the order of the file, with `f32` elements.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let tensor = |suffix: &str, layout, shape: &[usize]| TensorSpec {
            name: format!("{}{suffix}", self.path),
            tower: self.tower,
            dtype: Dtype::F32,
            layout,
            shape: shape.to_vec(),
        };
        match &self.kind {
            LayerKind::Linear(spec) => {
                let weight = tensor(".weight", Layout::Panels16, &[spec.inputs(), spec.outputs]);
                let bias = spec.bias.then(|| tensor(".bias", Layout::Panels16, &[spec.outputs]));
                std::iter::once(weight).chain(bias).collect()
            }
            LayerKind::Depthwise(spec) => {
                let taps = spec.kernel[0] * spec.kernel[1];
                let (weight, bias) = ([taps, spec.outputs()], [spec.outputs()]);
                vec![tensor(".weight", Layout::Rows, &weight), tensor(".bias", Layout::Rows, &bias)]
            }
            LayerKind::Queries { width, heads } => vec![tensor(".weight", Layout::Panels16, &[*width, *heads])],
            LayerKind::Rows(shape) => vec![tensor("", Layout::Rows, shape)],
            LayerKind::Table(rows, width) => vec![tensor("", Layout::Rows, &[*rows, *width])],
        }
    }
}

/// Where layers come from.
pub(crate) enum Source {
    /// Loads them from a weights file; `used` counts the tensors that were loaded.
    File { weights: WeightsFile, used: usize },
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
            Source::File { weights, used } => {
                *used += 1;
                Ok(weights.tensor(&path, Layout::Rows, shape)?)
            }
            Source::List(_) => {
                self.list(path, LayerKind::Rows(shape.to_vec()));
                Ok(TensorView::unloaded())
            }
        }
    }

    /// The rotary positions of a tower. They are no tensor; those of a walk that only lists layers are not computed.
    pub(super) fn rotary(&self, shape: TurnShape) -> Rotary {
        match self.source {
            Source::File { .. } => Rotary::new(shape),
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
            Source::File { weights, used } => {
                *used += 1;
                Ok(weights.table(&path, rows, width)?)
            }
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
            Source::File { weights, used } => {
                *used += 1 + usize::from(spec.bias);
                let weight = matrix(weights, &format!("{path}.weight"), &[inputs, outputs], spec.always_f32)?;
                let bias = format!("{path}.bias");
                let bias = spec.bias.then(|| weights.tensor(&bias, Layout::Panels16, &[outputs])).transpose()?;
                Ok(Linear::new(weight, bias, inputs, outputs))
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
            Source::File { weights, used } => {
                *used += 1;
                let weight = matrix(weights, &format!("{path}.weight"), &[width, heads], false)?;
                Ok(Linear::new(weight, None, width, heads))
            }
            Source::List(_) => {
                self.list(path, LayerKind::Queries { width, heads });
                Ok(Linear::unloaded(width, heads))
            }
        }
    }

    /// Requests `fc1` and `fc2`, to `hidden` channels and back.
    pub(super) fn mlp(&mut self, width: usize, hidden: usize, activation: Activation) -> Result<Mlp, Error> {
        let fc1 = self.linear("fc1", LinearSpec::new(width, hidden))?;
        Ok(Mlp::new(fc1, self.linear("fc2", LinearSpec::new(hidden, width))?, activation))
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
            Source::File { weights, used } => {
                *used += 2;
                let outputs = spec.outputs();
                let taps =
                    weights.tensor(&format!("{path}.weight"), Layout::Rows, &[kernel[0] * kernel[1], outputs])?;
                let bias = weights.tensor(&format!("{path}.bias"), Layout::Rows, &[outputs])?;
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

/// Loads the weights of a linear layer, in the precision in which the file has them.
fn matrix(weights: &WeightsFile, name: &str, shape: &[usize], only_f32: bool) -> Result<Packed, Error> {
    Ok(match weights.dtype(name) {
        Some(Dtype::F16) if !only_f32 => weights.tensor_of::<Half>(name, Layout::Panels16, shape)?.into(),
        _ => weights.tensor(name, Layout::Panels16, shape)?.into(),
    })
}
