//! The parts of a model as the canonical description has them, each with the names of the checkpoint's tensors
//! that make it up.

/// Names of tensors of the checkpoint.
pub(in crate::import) type Names = Vec<String>;

/// A model's tensors.
#[derive(Clone, Debug)]
pub(in crate::import) struct Parts {
    /// One number: the natural logarithm of the logit scale.
    pub logit_scale: String,
    pub image: ImageParts,
    pub text: TextParts,
}

/// An image tower's tensors.
#[derive(Clone, Debug)]
pub(in crate::import) enum ImageParts {
    Vit(VitParts),
    Mci(MciParts),
}

/// A vision transformer's tensors.
#[derive(Clone, Debug)]
pub(in crate::import) struct VitParts {
    pub stem: StemParts,
    /// `[width]`
    pub class_embedding: String,
    /// `[1 + grid * grid, width]`; behind a convolutional stem `[grid * grid, width]`, the class token has none.
    pub position: String,
    pub ln_pre: Option<Norm>,
    pub blocks: Vec<Block>,
    pub ln_post: Norm,
    /// `width` to `embed_dim`.
    pub proj: Linear,
}

/// What makes patches.
#[derive(Clone, Debug)]
pub(in crate::import) enum StemParts {
    /// `[width, 3, patch, patch]`, no bias.
    Patch(Linear),
    /// 4 x 4, 2 x 2 and 2 x 2, without overlap.
    Convs([Conv; 3]),
}

/// A FastViT tower's tensors.
#[derive(Clone, Debug)]
pub(in crate::import) struct MciParts {
    /// 3 x 3, depthwise 3 x 3, 1 x 1.
    pub stem: [Conv; 3],
    pub stages: Vec<StageParts>,
    /// Depthwise 3 x 3 with twice as many outputs as inputs.
    pub last: Conv,
    pub squeeze: SqueezeParts,
    /// 1 x 1
    pub proj: Conv,
}

/// A stage of a FastViT tower and the downsampling in front of it.
#[derive(Clone, Debug)]
pub(in crate::import) struct StageParts {
    pub downsample: Option<DownsampleParts>,
    /// Depthwise 7 x 7, the residual in its centre.
    pub position: Option<Conv>,
    pub blocks: Vec<MciBlock>,
}

/// See [`StageParts`].
#[derive(Clone, Debug)]
pub(in crate::import) struct DownsampleParts {
    /// Depthwise 7 x 7 with twice as many outputs as inputs.
    pub dw: Conv,
    pub squeeze: Option<SqueezeParts>,
    /// 1 x 1
    pub pw: Conv,
}

/// Squeeze and excitation: 1 x 1 convolutions to fewer channels and back.
#[derive(Clone, Debug)]
pub(in crate::import) struct SqueezeParts {
    pub fc1: Conv,
    pub fc2: Conv,
}

/// A block of a FastViT tower.
#[derive(Clone, Debug)]
pub(in crate::import) struct MciBlock {
    pub mixer: MixerParts,
    pub mlp: ConvMlpParts,
}

/// What mixes the pixels of a block.
#[derive(Clone, Debug)]
pub(in crate::import) enum MixerParts {
    /// Depthwise 3 x 3, the residual in its centre.
    Rep(Conv),
    Attention {
        norm: Affine,
        qkv: Linear,
        out: Linear,
        /// Factor of each of `out`'s outputs.
        scale: String,
    },
}

/// An MLP behind a depthwise convolution.
#[derive(Clone, Debug)]
pub(in crate::import) struct ConvMlpParts {
    pub dw: Conv,
    pub fc1: Linear,
    pub fc2: Linear,
    /// Factor of each of `fc2`'s outputs.
    pub scale: String,
}

/// A text tower's tensors.
#[derive(Clone, Debug)]
pub(in crate::import) struct TextParts {
    /// `[vocab_size, width]`
    pub token_embedding: String,
    /// `[context_length, width]`
    pub position: String,
    pub blocks: Vec<Block>,
    /// The blocks of convolutions before and after those of the transformer.
    pub mixers: Option<[TextMixer; 2]>,
    pub ln_final: Norm,
    /// `width` to `embed_dim`, no bias.
    pub proj: Linear,
}

/// A RepMixer block along the tokens.
#[derive(Clone, Debug)]
pub(in crate::import) struct TextMixer {
    /// Depthwise, the residual in its centre.
    pub mixer: Conv,
    pub mlp: ConvMlpParts,
}

/// A pre-norm transformer block's tensors.
#[derive(Clone, Debug)]
pub(in crate::import) struct Block {
    pub ln_1: Norm,
    /// `width` to `3 * width`: queries, keys, values, each heads-major.
    pub qkv: Linear,
    pub out: Linear,
    pub ln_2: Norm,
    pub fc1: Linear,
    pub fc2: Linear,
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

/// What the shapes of a checkpoint's tensors tell of its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct Shapes {
    pub embed_dim: usize,
    pub image: ImageShapes,
    pub text: TextShapes,
}

/// See [`Shapes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) enum ImageShapes {
    Vit(VitShapes),
    Mci(MciShapes),
}

/// See [`Shapes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct VitShapes {
    /// Channels between the convolutions of a stem, if there is one.
    pub stem: Option<usize>,
    pub pre_norm: bool,
    pub patch_size: usize,
    /// Patches a side.
    pub grid: usize,
    pub blocks: BlockShapes,
}

/// See [`Shapes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct MciShapes {
    pub stages: Vec<StageShapes>,
    /// Hidden channels of the last squeeze and excitation.
    pub squeeze: usize,
}

/// See [`Shapes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct StageShapes {
    pub channels: usize,
    pub blocks: usize,
    pub mlp_width: usize,
    pub mixer: MixerShapes,
    /// Hidden channels of the squeeze and excitation in front.
    pub squeeze: Option<usize>,
    pub position: bool,
}

/// See [`StageShapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::import) enum MixerShapes {
    Rep,
    /// Attention behind a BatchNorm.
    BatchAttention,
    /// Attention behind a LayerNorm.
    LayerAttention,
}

/// See [`Shapes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct TextShapes {
    pub context_length: usize,
    pub vocab_size: usize,
    pub blocks: BlockShapes,
    /// Taps of the convolutions along the tokens, if there are any.
    pub kernel: Option<usize>,
}

/// See [`Shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::import) struct BlockShapes {
    pub width: usize,
    pub layers: usize,
    pub mlp_width: usize,
}
