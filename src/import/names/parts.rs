//! The parts of a model as the canonical description has them, each with the names of the checkpoint's tensors
//! that make it up.

/// Names of tensors of the checkpoint.
pub(in crate::import) type Names = Vec<String>;

/// A model's tensors.
#[derive(Clone, Debug)]
pub(in crate::import) struct Parts {
    /// One number: the natural logarithm of the logit scale.
    pub logit_scale: String,
    pub image: VitParts,
    pub text: TextParts,
}

/// A vision transformer's tensors.
#[derive(Clone, Debug)]
pub(in crate::import) struct VitParts {
    /// `[width, 3, patch, patch]`, no bias.
    pub patch: Linear,
    /// `[width]`
    pub class_embedding: String,
    /// `[1 + grid * grid, width]`
    pub position: String,
    pub ln_pre: Norm,
    pub blocks: Vec<Block>,
    pub ln_post: Norm,
    /// `width` to `embed_dim`, no bias.
    pub proj: Linear,
}

/// A text transformer's tensors.
#[derive(Clone, Debug)]
pub(in crate::import) struct TextParts {
    /// `[vocab_size, width]`
    pub token_embedding: String,
    /// `[context_length, width]`
    pub position: String,
    pub blocks: Vec<Block>,
    pub ln_final: Norm,
    /// `width` to `embed_dim`, no bias.
    pub proj: Linear,
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

/// What the shapes of a checkpoint's tensors tell of its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct Shapes {
    pub embed_dim: usize,
    pub image: VitShapes,
    pub text: TextShapes,
}

/// See [`Shapes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct VitShapes {
    pub patch_size: usize,
    /// Patches a side.
    pub grid: usize,
    pub blocks: BlockShapes,
}

/// See [`Shapes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct TextShapes {
    pub context_length: usize,
    pub vocab_size: usize,
    pub blocks: BlockShapes,
}

/// See [`Shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::import) struct BlockShapes {
    pub width: usize,
    pub layers: usize,
    pub mlp_width: usize,
}
