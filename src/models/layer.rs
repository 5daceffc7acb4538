//! What a layer is: the sizes and orders that determine its tensors in a weights file.
//!
//! Knows neither files nor checkpoints; [`Scope`](super::scope::Scope) loads layers, the importer makes them.

use crate::layers::PANEL;
use crate::weights::{Dtype, Layout, TensorSpec, Tower};

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
    /// `{path}.weight` and, with a bias, `{path}.bias`, both in panels; in a file of 8 bits perhaps
    /// [`Layer::int8_tensors`].
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
    /// Whether the weights are integers in a file of 8 bits.
    pub(crate) quantised: bool,
    /// The norm directly before the layer. Its offsets are folded into the bias; see [`LinearSpec::has_gains`] for its
    /// factors.
    pub(crate) norm: Option<NormKind>,
}

/// The kind of a norm whose factors and offsets a linear layer takes over at conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// It normalises without factors and offsets before the layer.
    Layer,
    /// Nothing of it is left: its statistics are constant.
    Batch,
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
            quantised: false,
            norm: None,
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

    /// Weights that are integers in a file of 8 bits.
    pub(crate) fn quantised(self) -> Self {
        LinearSpec { quantised: true, ..self }
    }

    /// A layer directly after a norm.
    pub(crate) fn after(self, norm: NormKind) -> Self {
        LinearSpec { norm: Some(norm), ..self }
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

    /// Whether the factors of the norm before the layer are a tensor of their own, `{path}.gains`, beside weights of this
    /// type; else they are folded into the weights.
    ///
    /// Integers need it, because trained factors are small where inputs are large: with them, weights have few steps left
    /// for most inputs of a row. Halves without them are those of a checkpoint of halves, to the bit.
    pub(crate) fn has_gains(&self, weight: Dtype) -> bool {
        match weight {
            Dtype::I8 => self.norm.is_some(),
            Dtype::F16 => self.norm == Some(NormKind::Layer),
            Dtype::F32 | Dtype::U32 => false,
        }
    }

    /// The scale of queries that is folded into weights of this type: of halves with gains, attention scales the scores.
    pub(crate) fn folded_query_scale(&self, weight: Dtype) -> Option<(usize, f64)> {
        self.query_scale.filter(|_| weight != Dtype::F16 || !self.has_gains(weight))
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

    /// A tensor of the layer.
    fn tensor(&self, suffix: &str, dtype: Dtype, layout: Layout, shape: &[usize]) -> TensorSpec {
        let name = format!("{}{suffix}", self.path);
        TensorSpec { name, tower: self.tower, dtype, layout, shape: shape.to_vec() }
    }

    /// The tensors of the layer in the order of a file of 8 bits, if its weights are integers there: the integers, the scale
    /// and the sum of each output, the factors of the norm before the layer, the bias.
    pub(crate) fn int8_tensors(&self) -> Option<Vec<TensorSpec>> {
        let LayerKind::Linear(spec) = &self.kind else { return None };
        if !spec.quantised {
            return None;
        }
        let (inputs, outputs) = (spec.inputs(), spec.outputs);
        let of_outputs = |suffix| self.tensor(suffix, Dtype::F32, Layout::Panels16, &[outputs]);
        let gains = self.gains(spec, Dtype::I8);
        let weight = self.tensor(".weight", Dtype::I8, Layout::Quads16, &[inputs, outputs]);
        let bias = spec.bias.then(|| of_outputs(".bias"));
        Some([weight, of_outputs(".scales"), of_outputs(".sums")].into_iter().chain(gains).chain(bias).collect())
    }

    /// The tensors of the layer in the order of a file of half precision, if its weights are rounded there: the weights, the
    /// factors of the norm before the layer, the bias.
    pub(crate) fn half_tensors(&self) -> Option<Vec<TensorSpec>> {
        let LayerKind::Linear(spec) = &self.kind else { return None };
        if spec.always_f32 {
            return None;
        }
        let mut tensors = self.tensors();
        if let [weight, ..] = tensors.as_mut_slice() {
            weight.dtype = Dtype::F16;
        }
        tensors.splice(1..1, self.gains(spec, Dtype::F16));
        Some(tensors)
    }

    fn gains(&self, spec: &LinearSpec, weight: Dtype) -> Option<TensorSpec> {
        spec.has_gains(weight).then(|| self.tensor(".gains", Dtype::F32, Layout::Rows, &[spec.inputs()]))
    }

    /// The layer's tensors in the order of the file, with `f32` elements.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let tensor = |suffix: &str, layout, shape: &[usize]| self.tensor(suffix, Dtype::F32, layout, shape);
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
