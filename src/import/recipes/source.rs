//! How a canonical layer is made from a checkpoint's tensors: their names, their order, what is folded.

/// Names of tensors of the checkpoint.
pub(in crate::import) type Names = Vec<String>;

/// The tensors that make one canonical layer.
#[derive(Clone, Debug)]
pub(in crate::import) enum Source {
    /// A linear layer and what is folded into it.
    Linear {
        linear: Linear,
        /// The norm before it.
        norm: Option<Affine>,
        /// Tensor with a factor for each output.
        layer_scale: Option<String>,
    },
    /// A convolution, dense or depthwise.
    Conv(Conv),
    /// One tensor, unchanged.
    Rows(String),
    /// The first rows of one tensor and the others of another of the same shape.
    SplitRows { first: String, rows: usize, rest: String },
    /// One tensor, each element multiplied by a factor.
    ScaledRows { name: String, factor: f64 },
    /// The positions from row `skip` on, and what is added to each: the bias of the convolution that embeds patches, or
    /// the embedding of the type of all tokens.
    BiasedPositions { position: String, skip: usize, bias: String },
    /// The computed positions of M2M100 from position `first` on.
    Sinusoids { first: usize },
    /// The constant queries of attention pooling, multiplied with the weights of the keys.
    PoolQueries {
        /// `[width]`: what `query` makes the queries of all heads of.
        latent: String,
        query: Linear,
        keys: Linear,
        /// The norm before the keys.
        norm: Norm,
    },
    /// The class token and the positions of an image tower.
    ClassAndPositions {
        /// `[width]`
        class: String,
        /// `[tokens, width]`; `[patches, width]` where the class token has no position.
        position: String,
        class_has_position: bool,
    },
}

impl Source {
    /// A linear layer with nothing folded in.
    pub(super) fn linear(linear: Linear) -> Self {
        Source::Linear { linear, norm: None, layer_scale: None }
    }

    /// A linear layer after a LayerNorm.
    pub(super) fn normed(norm: Norm, linear: Linear) -> Self {
        Source::Linear { linear, norm: Some(Affine::Layer(norm)), layer_scale: None }
    }

    /// A linear layer with a factor for each output.
    pub(super) fn scaled(linear: Linear, layer_scale: String) -> Self {
        Source::Linear { linear, norm: None, layer_scale: Some(layer_scale) }
    }
}

/// Weight and bias of a LayerNorm, `[width]` each.
#[derive(Clone, Debug)]
pub(in crate::import) struct Norm {
    pub weight: String,
    pub bias: String,
}

/// A linear layer: `y[n] = bias[n] + sum_k x[k] * w(k, n)`.
#[derive(Clone, Debug)]
pub(in crate::import) struct Linear {
    /// Tensors of the weight. With [`Order::OutIn`] they are concatenated along the outputs.
    pub weight: Names,
    pub order: Order,
    /// Tensors of the bias, concatenated; empty without a bias.
    pub bias: Names,
    /// Inputs.
    pub k: usize,
    /// Outputs.
    pub n: usize,
    /// Outputs of the tensors before the first that is used.
    pub skip: usize,
}

/// Order of the dimensions of a linear layer's weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::import) enum Order {
    /// `[n, k]`, where `k` may be several dimensions.
    OutIn,
    /// `[k, n]`
    InOut,
}

/// The per-channel scale and shift of a norm.
#[derive(Clone, Debug)]
pub(in crate::import) enum Affine {
    /// Of a LayerNorm, which computes its statistics from its input.
    Layer(Norm),
    /// Of a BatchNorm, whose statistics are stored.
    Batch(BatchNorm),
}

/// A BatchNorm's tensors, `[channels]` each.
#[derive(Clone, Debug)]
pub(in crate::import) struct BatchNorm {
    pub weight: String,
    pub bias: String,
    pub mean: String,
    pub variance: String,
}

/// A convolution in its trained form: `residual + scale * sum of branches`.
#[derive(Clone, Debug)]
pub(in crate::import) struct Conv {
    pub outputs: usize,
    /// Inputs per output; 1 in a depthwise convolution.
    pub inputs: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    pub branches: Vec<Branch>,
    /// Tensor with a factor for each output of the branches.
    pub scale: Option<String>,
    /// Whether the input itself is added.
    pub residual: bool,
}

/// A part of a [`Conv`]: a convolution, a norm, or a convolution and then a norm.
#[derive(Clone, Debug)]
pub(in crate::import) struct Branch {
    /// Without a kernel, the branch passes its input on.
    pub weight: Option<Kernel>,
    pub bias: Option<String>,
    pub norm: Option<BatchNorm>,
    /// Whether it is subtracted.
    pub negative: bool,
}

/// A convolution's weight, `[outputs, inputs, height, width]`; a 1 x 1 kernel may also be `[inputs, outputs]`.
#[derive(Clone, Debug)]
pub(in crate::import) struct Kernel {
    pub name: String,
    pub order: Order,
    /// Height and width; a kernel smaller than the [`Conv`]'s is placed in its centre.
    pub sides: [usize; 2],
}
