//! The description of a vision transformer.

use serde::{Deserialize, Serialize};

use crate::layers::MAX_ROTARY_HEAD;
use crate::models::Error;
use crate::models::settings::{OpenSettings, Sizes, within};
use crate::models::transformer::config::TransformerConfig;

/// A vision transformer: patches, class token, pre-norm blocks, pooling of the tokens to an embedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VitConfig {
    /// Side of the square input in pixels.
    pub image_size: usize,
    /// Side of a square patch in pixels; the grid has `floor(image_size / patch_size)` patches per side.
    pub patch_size: usize,
    /// Whether a learned token precedes the patches.
    pub class_token: bool,
    /// Whether a LayerNorm precedes the first block.
    pub pre_norm: bool,
    /// Whether the queries and keys of patches turn with their row and column (rotary positions) in every block, besides
    /// the learned positions. Heads then have a multiple of four channels, at most 256. Absent for `false`.
    #[serde(skip_serializing_if = "is_false", default)]
    pub rotary: bool,
    /// The convolutions that embed patches; if absent, one convolution of the patch size does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stem: Option<ConvStem>,
    /// The blocks.
    pub blocks: TransformerConfig,
    /// How the tokens are pooled.
    pub pooling: ImagePooling,
}

/// How the tokens of an image become its embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ImagePooling {
    /// The class token, after a LayerNorm and a projection.
    ClassToken,
    /// A learned query attends to all tokens after a LayerNorm, with as many heads as the blocks; an MLP of the blocks'
    /// hidden width follows (SigLIP). The embedding is as long as a token is wide.
    Attention,
    /// The same with heads and an MLP of its own, and a projection with a bias (Perception Encoder).
    ProjectedAttention {
        /// Attention heads; divides the width.
        heads: usize,
        /// Channels of the hidden layer of the MLP.
        mlp_width: usize,
    },
}

impl ImagePooling {
    /// Heads and hidden channels of pooling by attention after blocks of this shape.
    pub(super) fn attention(self, blocks: &TransformerConfig) -> Option<(usize, usize)> {
        match self {
            ImagePooling::ClassToken => None,
            ImagePooling::Attention => Some((blocks.heads, blocks.mlp_width)),
            ImagePooling::ProjectedAttention { heads, mlp_width } => Some((heads, mlp_width)),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Three convolutions that embed a patch of 16 × 16 pixels: 4 × 4, 2 × 2 and 2 × 2, each with its size as stride.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConvStem {
    /// Channels of the first two convolutions.
    pub width: usize,
    /// Zero padding of the first convolution: 0 in timm's definition of MobileCLIP-B, 1 in Apple's.
    pub padding: usize,
}

impl VitConfig {
    /// Patches per side.
    pub fn grid(&self) -> usize {
        self.image_size.checked_div(self.patch_size).unwrap_or(0)
    }

    /// Number of tokens of an image: the class token, if there is one, and the patches.
    pub fn tokens(&self) -> usize {
        self.grid().saturating_mul(self.grid()).saturating_add(usize::from(self.class_token))
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        within("image_size", self.image_size, 1..=4096)?;
        within("patch_size", self.patch_size, 1..=self.image_size)?;
        within("number of image tokens", self.tokens(), 2..=65_536)?;
        if !self.class_token && self.pooling == ImagePooling::ClassToken {
            return Err(Error::Config("a vision transformer that pools its class token has none".into()));
        }
        if let Some(stem) = &self.stem {
            if !self.class_token {
                return Err(Error::Config("a convolutional stem without a class token is not supported".into()));
            }
            within("patch_size of a convolutional stem", self.patch_size, 16..=16)?;
            within("width of the stem", stem.width, 1..=16_384)?;
            within("padding of the stem", stem.padding, 0..=1)?;
        }
        self.blocks.validate(self.tokens())?;
        let TransformerConfig { width, heads, .. } = self.blocks;
        if let ImagePooling::ProjectedAttention { heads, mlp_width } = self.pooling {
            within("heads of the pooling", heads, 1..=width)?;
            within("mlp_width of the pooling", mlp_width, 1..=131_072)?;
            if !width.is_multiple_of(heads) {
                return Err(Error::Config(format!("width {width} is not a multiple of the pooling's {heads} heads")));
            }
        }
        if self.rotary {
            let head = width / heads;
            within("width of a head with rotary positions", head, 4..=MAX_ROTARY_HEAD)?;
            if !head.is_multiple_of(4) {
                return Err(Error::Config(format!(
                    "heads of {head} channels cannot have rotary positions of two axes; their width must be a multiple of 4"
                )));
            }
        }
        Ok(())
    }

    pub(crate) fn open_settings(&mut self) -> OpenSettings<'_> {
        OpenSettings {
            image_size: Some(&mut self.image_size),
            stem_padding: self.stem.as_mut().map(|stem| &mut stem.padding),
            ..self.blocks.open_settings()
        }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes { patch_size: Some(self.patch_size), grid: Some(self.grid()), ..self.blocks.sizes() }
    }

    /// The kind of tower, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match (&self.stem, self.pooling) {
            (Some(_), _) => "a vision transformer with convolutional stem",
            (None, ImagePooling::ClassToken) => "a vision transformer without convolutional stem",
            (None, ImagePooling::Attention) => "a vision transformer with attention pooling",
            (None, ImagePooling::ProjectedAttention { .. }) => "a vision transformer with projected attention pooling",
        }
    }

    /// A short description, for messages.
    pub(crate) fn summary(&self) -> String {
        let stem = match (&self.stem, self.pooling) {
            (Some(_), _) => "a convolutional stem",
            (None, ImagePooling::ClassToken) => "no convolutional stem",
            (None, ImagePooling::Attention) => "attention pooling",
            (None, ImagePooling::ProjectedAttention { .. }) => "projected attention pooling",
        };
        let TransformerConfig { width, layers, .. } = self.blocks;
        format!("a vision transformer of width {width} with {layers} layers and {stem}")
    }
}
