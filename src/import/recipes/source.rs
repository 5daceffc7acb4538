//! How one canonical layer is made of a checkpoint's tensors: their names, their order, what is folded.

/// Names of tensors of the checkpoint.
pub(in crate::import) type Names = Vec<String>;

/// The tensors that make one canonical layer.
#[derive(Clone, Debug)]
pub(in crate::import) enum Source {
    /// A linear layer, with what is folded into it.
    Linear {
        linear: Linear,
        /// The norm in front of it.
        norm: Option<Affine>,
        /// Tensor with a factor for each output.
        layer_scale: Option<String>,
    },
    /// A convolution, dense or depthwise.
    Conv(Conv),
    /// One tensor as it is.
    Rows(String),
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
    /// A linear layer into which nothing is folded.
    pub(super) fn linear(linear: Linear) -> Self {
        Source::Linear { linear, norm: None, layer_scale: None }
    }

    /// A linear layer with a LayerNorm in front.
    pub(super) fn normed(norm: Norm, linear: Linear) -> Self {
        Source::Linear { linear, norm: Some(Affine::Layer(norm)), layer_scale: None }
    }

    /// A linear layer whose outputs have a factor each.
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
    /// Tensors of the weight. Those of [`Order::OutIn`] follow each other along the outputs.
    pub weight: Names,
    pub order: Order,
    /// Tensors of the bias, one after another; none for no bias.
    pub bias: Names,
    /// Inputs.
    pub k: usize,
    /// Outputs.
    pub n: usize,
}

/// Order of the dimensions of a linear layer's weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::import) enum Order {
    /// `[n, k]`, the `k` possibly spread over several dimensions.
    OutIn,
    /// `[k, n]`
    InOut,
}

/// Weight and bias of a norm that works channel by channel once its statistics are known.
#[derive(Clone, Debug)]
pub(in crate::import) enum Affine {
    /// Of a LayerNorm, whose statistics are those of its input.
    Layer(Norm),
    /// Of a BatchNorm, whose statistics are known.
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

/// A convolution as the sum of what it was trained as: `residual + scale * sum of branches`.
#[derive(Clone, Debug)]
pub(in crate::import) struct Conv {
    pub outputs: usize,
    /// Inputs that an output sees; a depthwise convolution's see one.
    pub inputs: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    pub branches: Vec<Branch>,
    /// Factor of each output of the branches.
    pub scale: Option<String>,
    /// Whether the input itself is added.
    pub residual: bool,
}

/// A part of a [`Conv`]: a convolution, a norm, or one behind the other.
#[derive(Clone, Debug)]
pub(in crate::import) struct Branch {
    /// Without, the input is passed on.
    pub weight: Option<Kernel>,
    pub bias: Option<String>,
    pub norm: Option<BatchNorm>,
    /// Whether it is subtracted from the others.
    pub negative: bool,
}

/// A convolution's weight, `[outputs, inputs, height, width]` or, of 1 x 1, also `[inputs, outputs]`.
#[derive(Clone, Debug)]
pub(in crate::import) struct Kernel {
    pub name: String,
    pub order: Order,
    /// Height and width; what is smaller than the [`Conv`]'s is in its centre.
    pub sides: [usize; 2],
}
