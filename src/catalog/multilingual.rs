//! The towers of models with multilingual text towers: XLM-RoBERTa, NLLB and MetaCLIP 2.
//!
//! Sources of the sizes: open_clip 3.3.0, `model_configs/{xlm-roberta-*,nllb-clip-*,ViT-*-worldwide*}.json`; MetaCLIP,
//! `src/mini_clip/model_configs/*-worldwide.json`; the configurations of the repositories of the text towers. Parameters
//! are counted without those that the models do not use (the pooler of XLM-RoBERTa, NLLB's decoder).

use super::architectures::{Architecture, Text};
use super::siglip::{self, Size};
use crate::models::config::{
    Activation, ImageConfig, ImagePooling, TextConfig, TextPooling, TextTransformerConfig, TransformerConfig,
    VitConfig, XlmRobertaConfig,
};

/// Token positions of every model.
const CONTEXT_LENGTH: usize = 77;
/// Rows of the token embeddings.
const XLM_R: usize = 250_002;
const NLLB: usize = 256_206;
const XLM_V: usize = 901_629;
const MT5: usize = 250_000;
/// Rows of XLM-RoBERTa's positions, of which open_clip's texts fill [`CONTEXT_LENGTH`].
const XLM_R_POSITIONS: usize = 514;

const fn size(width: usize, layers: usize) -> Size {
    Size { width, layers, heads: width / 64, mlp_width: 4 * width }
}

/// ViT-H and wider image towers have sixteen heads.
const fn wide(width: usize, layers: usize, mlp_width: usize) -> Size {
    Size { width, layers, heads: 16, mlp_width }
}

const B: Size = size(768, 12);
const H: Size = wide(1280, 32, 5120);
const BIG_G: Size = wide(1664, 48, 8192);

/// Declares architectures of image towers of open_clip: the size, patch and side of the image tower, the text tower, its
/// size and its vocabulary, the length of the embeddings and what the kind of text tower needs to know.
macro_rules! architectures {
    ($($name:ident: $image:expr, $patch:literal, $side:literal, $text:ident($($more:expr),*), $blocks:expr, $rows:ident, $embed:literal;)*) => {
        $(pub(super) const $name: Architecture = Architecture::new(
            || vit($image, $patch, $side),
            &Text {
                build: || $text::config($blocks, $rows, $($more),*),
                parameters: $text::parameters($blocks, $rows, $embed, $($more),*),
            },
            $embed,
            image_parameters($image, $patch, $side, $embed),
            image_gmac($image, $patch, $side, $embed),
        );)*
    };
}

architectures! {
    XLM_R_BASE_B_32: B, 32, 224, xlm_roberta(640), B, XLM_R, 512;
    XLM_R_LARGE_H_14: H, 14, 224, xlm_roberta(1024), size(1024, 24), XLM_R, 1024;
    NLLB_BASE_B_32: B, 32, 224, nllb(), size(1024, 12), NLLB, 512;
    NLLB_LARGE_H_14: H, 14, 224, nllb(), NLLB_LARGE, NLLB, 1024;
    META_S_16: size(384, 12), 16, 224, worldwide(2), size(384, 12), XLM_V, 384;
    META_S_16_384: size(384, 12), 16, 384, worldwide(2), size(384, 12), XLM_V, 384;
    META_M_16: size(512, 12), 16, 224, worldwide(2), size(512, 12), XLM_V, 512;
    META_M_16_384: size(512, 12), 16, 384, worldwide(2), size(512, 12), XLM_V, 512;
    META_B_32: B, 32, 224, worldwide(2), size(512, 12), XLM_V, 512;
    META_B_32_384: B, 32, 384, worldwide(2), size(512, 12), XLM_V, 512;
    META_B_16: B, 16, 224, worldwide(2), size(512, 12), XLM_V, 512;
    META_B_16_384: B, 16, 384, worldwide(2), size(512, 12), XLM_V, 512;
    META_L_14: size(1024, 24), 14, 224, worldwide(2), B, XLM_V, 768;
    META_H_14: H, 14, 224, worldwide(2), size(1024, 24), XLM_V, 1024;
    META_H_14_378: H, 14, 378, worldwide(2), size(1024, 24), XLM_V, 1024;
    META_BIG_G_14: BIG_G, 14, 224, worldwide(2), size(1280, 32), XLM_V, 1280;
    META_BIG_G_14_378: BIG_G, 14, 378, worldwide(2), size(1280, 32), XLM_V, 1280;
    META_MT5_S_16: size(384, 12), 16, 224, worldwide(1), size(384, 12), MT5, 384;
    META_MT5_M_16: size(512, 12), 16, 224, worldwide(1), size(512, 12), MT5, 512;
    META_MT5_B_32: B, 32, 224, worldwide(1), size(512, 12), MT5, 512;
}

const NLLB_LARGE: Size = Size { mlp_width: 8192, ..size(1024, 24) };

/// NLLB beside an image tower of SigLIP, whose tokens are as wide as the embeddings are long.
macro_rules! of_siglip {
    ($($name:ident: $image:ident, $blocks:expr, $embed:literal;)*) => {
        $(pub(super) const $name: Architecture = siglip::$image.with_text(&Text {
            build: || nllb::config($blocks, NLLB),
            parameters: nllb::parameters($blocks, NLLB, $embed),
        });)*
    };
}

of_siglip! {
    NLLB_BASE_SIGLIP: B_16_384, size(1024, 12), 768;
    NLLB_LARGE_SIGLIP: SO_14_384, NLLB_LARGE, 1152;
}

fn blocks(size: Size, activation: Activation) -> TransformerConfig {
    let Size { width, layers, heads, mlp_width } = size;
    TransformerConfig { width, layers, heads, mlp_width, activation, norm_eps: 1e-5 }
}

fn vit(size: Size, patch_size: usize, image_size: usize) -> ImageConfig {
    ImageConfig::Vit(VitConfig {
        image_size,
        patch_size,
        class_token: true,
        pre_norm: true,
        rotary: false,
        stem: None,
        blocks: blocks(size, Activation::Gelu),
        pooling: ImagePooling::ClassToken,
    })
}

const fn image_parameters(size: Size, patch: usize, image_size: usize, embed_dim: usize) -> u64 {
    let (width, grid) = (size.width, image_size / patch);
    // Patches, class token and positions; the norms before and after the blocks, of which `block_parameters` has one.
    let rest = 3 * patch * patch * width + width + (grid * grid + 1) * width + 2 * width + width * embed_dim;
    siglip::block_parameters(size) + rest as u64
}

const fn image_gmac(size: Size, patch: usize, image_size: usize, embed_dim: usize) -> f64 {
    // More than a `usize` of 32 bits holds.
    let [width, layers, mlp_width] = [size.width as u64, size.layers as u64, size.mlp_width as u64];
    let [patch, grid, embed_dim] = [patch as u64, (image_size / patch) as u64, embed_dim as u64];
    let tokens = grid * grid + 1;
    let token = 4 * width * width + 2 * width * mlp_width + 2 * tokens * width;
    (grid * grid * width * 3 * patch * patch + layers * tokens * token + width * embed_dim) as f64 / 1e9
}

mod xlm_roberta {
    use super::*;

    pub(super) fn config(size: Size, vocab_size: usize, projection_width: usize) -> TextConfig {
        TextConfig::XlmRoberta(XlmRobertaConfig {
            context_length: CONTEXT_LENGTH,
            vocab_size,
            pad_id: 1,
            blocks: blocks(size, Activation::Gelu),
            projection_width,
        })
    }

    /// With one row for the type of tokens; the norm after the embeddings counts as the one after the blocks.
    pub(super) const fn parameters(size: Size, rows: usize, embed_dim: usize, projection_width: usize) -> u64 {
        let width = size.width;
        let rest = (rows + XLM_R_POSITIONS + 1) * width + projection_width * (width + embed_dim);
        siglip::block_parameters(size) + rest as u64
    }
}

mod nllb {
    use super::*;

    pub(super) fn config(size: Size, vocab_size: usize) -> TextConfig {
        TextConfig::Transformer(TextTransformerConfig {
            context_length: CONTEXT_LENGTH,
            vocab_size,
            causal: false,
            pad_id: 1,
            mask_padding: true,
            blocks: blocks(size, Activation::Relu),
            pooling: TextPooling::First,
            projection: true,
        })
    }

    /// Its positions are computed.
    pub(super) const fn parameters(size: Size, rows: usize, embed_dim: usize) -> u64 {
        siglip::block_parameters(size) + ((rows + embed_dim) * size.width) as u64
    }
}

mod worldwide {
    use super::*;

    /// `end` is the last id of a text, at which it is pooled: that of XLM-V, or of mT5.
    pub(super) fn config(size: Size, vocab_size: usize, end: u32) -> TextConfig {
        TextConfig::Transformer(TextTransformerConfig {
            context_length: CONTEXT_LENGTH,
            vocab_size,
            causal: true,
            pad_id: 0,
            mask_padding: false,
            blocks: blocks(size, Activation::Gelu),
            pooling: TextPooling::Id(end),
            projection: true,
        })
    }

    pub(super) const fn parameters(size: Size, rows: usize, embed_dim: usize, _end: u32) -> u64 {
        siglip::block_parameters(size) + ((rows + CONTEXT_LENGTH + embed_dim) * size.width) as u64
    }
}
