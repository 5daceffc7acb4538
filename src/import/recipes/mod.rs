//! From a checkpoint's names to the canonical layers of a model.
//!
//! Each layout has a recipe: it recognises its checkpoints, drafts the model from names and shapes, and lists for each
//! canonical layer the tensors of the checkpoint that make it. Only this module knows tensor names of other projects.
//! Every tensor is accounted for: one that is missing, wrongly shaped or left over is an error that names it. A
//! checkpoint may hold one tower alone.

mod apple;
mod blocks;
mod convs;
mod find;
mod huggingface;
mod mci;
mod multilingual;
mod names;
mod native;
mod perception;
mod resnet;
pub(in crate::import) mod siglip;
pub(super) mod source;
mod timm;

use std::fmt;

use crate::models::config::{
    Activation, ImageConfig, ImagePooling, ModelConfig, TextConfig, TextPooling, TextTransformerConfig,
    TransformerConfig, VitConfig,
};
use crate::models::{Layer, LayerKind};
use names::Checklist;
use source::Source;

pub(super) use find::map;

/// All layouts, in the order in which they are tried: text towers of transformers before the image towers that they
/// share with others, SigLIP's and Perception Encoder's before those whose names they share, timm's before the text tower
/// that it shares with the native one.
const LAYOUTS: &[Layout] = &[
    multilingual::LAYOUT,
    siglip::OPEN_CLIP,
    siglip::HUGGING_FACE,
    perception::OPEN_CLIP,
    perception::META,
    timm::LAYOUT,
    native::LAYOUT,
    huggingface::LAYOUT,
    apple::LAYOUT,
];

/// Rows of the token embeddings of MetaCLIP 2: XLM-V's vocabulary, and mT5's in three countings.
const XLM_V_ROWS: usize = 901_629;
const MT5_ROWS: [usize; 3] = [250_000, 250_100, 250_112];

/// How a layout is found.
struct Layout {
    /// Names that every checkpoint of the layout has, at least one for each tower; with a dot at the end, starts of
    /// names. Whatever precedes one is tried as the prefix of all names. Two for a tower, so that the message about a
    /// checkpoint without one of them is complete.
    anchors: &'static [&'static str],
    /// Returns the recipe of the layout if the checkpoint has the names that only this layout has.
    recognise: fn(&Checklist<'_>) -> Option<Box<dyn Recipe>>,
}

/// Maps the checkpoints of a layout to canonical layers.
trait Recipe {
    /// The layout of this recipe.
    fn layout(&self) -> SourceLayout;

    /// Whether the model was trained with a sigmoid, and so has a bias of its logits.
    fn is_sigmoid(&self) -> bool {
        false
    }

    /// Infers the model from names and shapes. Other settings hold placeholders; see `models::config::OpenSettings`. A
    /// shape that cannot be inferred is recorded, and the draft continues with ones.
    fn draft(&mut self, names: &mut Checklist<'_>) -> ModelConfig;

    /// The tensors that make a canonical layer of the draft; `None` if the layout does not have such a layer.
    fn source(&self, names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source>;
}

/// The naming scheme of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceLayout {
    /// OpenAI's archives: native names and the buffers `input_resolution`, `context_length` and `vocab_size`.
    OpenAi,
    /// open_clip: native names without those buffers for its own image towers, timm's names for the image towers of
    /// MobileCLIP, SigLIP and Perception Encoder, transformers' names for text towers of XLM-RoBERTa and NLLB.
    OpenClip,
    /// Hugging Face transformers' `CLIPModel`, `MetaClip2Model` and `SiglipModel`.
    HuggingFace,
    /// Apple's `ml-mobileclip`.
    Apple,
    /// Meta's `perception_models`: native names, with the names of its own pooling.
    Perception,
}

impl SourceLayout {
    /// The name of the layout in weights files.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceLayout::OpenAi => "openai",
            SourceLayout::OpenClip => "open_clip",
            SourceLayout::HuggingFace => "huggingface",
            SourceLayout::Apple => "apple",
            SourceLayout::Perception => "perception_models",
        }
    }
}

impl fmt::Display for SourceLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A canonical layer in the form that recipes use.
pub(super) struct Target<'l> {
    /// Its path, split at the dots: `["image", "blocks", "3", "qkv"]`.
    path: Vec<&'l str>,
    /// Inputs of a linear layer, elements per window of a dense convolution, channels of a depthwise one.
    inputs: usize,
    outputs: usize,
    /// Sizes of a convolution: outputs, inputs per output, height and width of the kernel.
    size: convs::Size,
    /// Shape of a tensor that is stored unchanged.
    shape: Vec<usize>,
}

impl<'l> Target<'l> {
    fn new(layer: &'l Layer) -> Self {
        let path = layer.path.split('.').collect();
        match &layer.kind {
            LayerKind::Linear(spec) => {
                let [height, width] = spec.kernel;
                let size = [spec.outputs, spec.channels, height, width];
                Target { path, inputs: spec.inputs(), outputs: spec.outputs, size, shape: Vec::new() }
            }
            LayerKind::Depthwise(spec) => {
                let ([height, width], outputs) = (spec.kernel, spec.outputs());
                Target { path, inputs: spec.inputs, outputs, size: [outputs, 1, height, width], shape: Vec::new() }
            }
            &LayerKind::Queries { width, .. } => {
                Target { path, inputs: width, outputs: width, size: [0; 4], shape: Vec::new() }
            }
            LayerKind::Rows(shape) => Target { path, inputs: 0, outputs: 0, size: [0; 4], shape: shape.clone() },
            LayerKind::Table(rows, width) => {
                Target { path, inputs: 0, outputs: 0, size: [0; 4], shape: vec![*rows, *width] }
            }
        }
    }
}

/// A checkpoint with all its tensors mapped.
pub(super) struct Mapped {
    pub layout: SourceLayout,
    /// What precedes the names of its tensors.
    pub prefix: String,
    /// Whether the image tower has timm's names.
    pub timm: bool,
    /// The model, inferred from names and shapes. Other settings hold placeholders.
    pub draft: ModelConfig,
    /// The canonical layers in the order of the file, each with the tensors that make it.
    pub layers: Vec<(Layer, Source)>,
    /// The tensor with the natural logarithm of the logit scale; one tower alone may lack it.
    pub logit_scale: Option<String>,
    /// The tensor with the bias of the logits of a model that was trained with a sigmoid.
    pub logit_bias: Option<String>,
    /// Whether the model was trained with a sigmoid: SigLIP.
    pub sigmoid: bool,
    /// Tensors that are not weights.
    pub ignored: Vec<String>,
    /// Tensors in no tower, which the options leave out.
    pub extra: Vec<String>,
}

impl Mapped {
    /// Whether the text tower is one of transformers: XLM-RoBERTa or NLLB.
    pub fn has_own_text(&self) -> bool {
        match &self.draft.text {
            Some(TextConfig::XlmRoberta(_)) => true,
            Some(TextConfig::Transformer(text)) => text.mask_padding,
            Some(TextConfig::Hybrid(_)) | None => false,
        }
    }

    /// The last id of a text of MetaCLIP 2, whose vocabulary shows in the size of the token embedding.
    pub fn end_of_pieces(&self) -> Option<u32> {
        match self.draft.text.as_ref().map(TextConfig::vocab_size) {
            Some(XLM_V_ROWS) => Some(2),
            Some(rows) if MT5_ROWS.contains(&rows) && !self.sigmoid => Some(1),
            _ => None,
        }
    }
}

fn has_no_blocks(draft: &ModelConfig) -> bool {
    let image = match &draft.image {
        Some(ImageConfig::Mci(mci)) => mci.stages.is_empty() || mci.stages.iter().any(|stage| stage.blocks == 0),
        Some(ImageConfig::Resnet(resnet)) => resnet.blocks.contains(&0),
        Some(image) => image.sizes().layers == Some(0),
        None => false,
    };
    image || draft.text.as_ref().is_some_and(|text| text.sizes().layers == Some(0))
}

// --- drafts

/// Transformer blocks of these sizes; settings that tensors do not determine hold placeholders.
fn draft_blocks(width: usize, layers: usize, mlp_width: usize) -> TransformerConfig {
    TransformerConfig { width, layers, heads: 1, mlp_width, activation: Activation::Gelu, norm_eps: 1e-5 }
}

/// A vision transformer without a stem.
fn draft_vit(patch_size: usize, grid: usize, pre_norm: bool, blocks: TransformerConfig) -> VitConfig {
    VitConfig {
        image_size: grid.saturating_mul(patch_size),
        patch_size,
        class_token: true,
        pre_norm,
        rotary: false,
        stem: None,
        blocks,
        pooling: ImagePooling::ClassToken,
    }
}

/// CLIP's text transformer.
fn draft_text(context_length: usize, vocab_size: usize, blocks: TransformerConfig) -> TextConfig {
    TextConfig::Transformer(TextTransformerConfig {
        context_length,
        vocab_size,
        causal: true,
        pad_id: 0,
        mask_padding: false,
        blocks,
        pooling: TextPooling::LargestId,
        projection: true,
    })
}

/// Side of the patches of the convolution `name`, `[width, 3, side, side]`.
fn square_patch(names: &mut Checklist<'_>, name: &str, width: usize) -> usize {
    let [_, _, _, side] = names.probe(name, [width, 3, 0, 0]);
    side
}

/// Patches per side, from the number of tokens with positions, class token included: `1 + grid * grid`.
///
/// `name` is the tensor of the positions, `found` its shape; `shape` returns the shape for a number of tokens.
fn grid(
    names: &mut Checklist<'_>,
    name: &str,
    tokens: usize,
    shape: impl Fn(usize) -> Vec<usize>,
    found: &[usize],
) -> usize {
    let grid = tokens.saturating_sub(1).isqrt();
    // All ones means that the shape could not be inferred.
    if positions(grid) != tokens || (grid == 0 && found.iter().any(|&side| side > 1)) {
        names.record_misshapen(name, &shape(positions(grid.max(1))), found);
    }
    grid
}

/// Number of patches and class token.
fn positions(grid: usize) -> usize {
    grid.saturating_mul(grid).saturating_add(1)
}

#[cfg(all(test, repository))]
pub(super) mod tests;
