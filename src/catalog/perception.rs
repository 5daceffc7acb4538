//! The towers of Perception Encoder (PE-Core).
//!
//! Sources of the sizes: open_clip 3.3.0, `model_configs/PE-Core-*.json`; timm 1.0.31, `eva.py` (`vit_pe_core_*`). The
//! parameters are those of the published listings; compute counts the matrix products of timm's form, in which keys and
//! values of the pooling are computed for every token.

use super::architectures::{Architecture, Text, Trunk, VOCAB_SIZE};
use super::siglip::{Size, block_parameters};
use crate::models::config::{
    Activation, ImageConfig, ImagePooling, TextConfig, TextPooling, TextTransformerConfig, TransformerConfig, VitConfig,
};

const T: Size = Size { width: 192, layers: 12, heads: 3, mlp_width: 768 };
const S: Size = Size { width: 384, layers: 12, heads: 6, mlp_width: 1536 };
const B: Size = Size { width: 768, layers: 12, heads: 12, mlp_width: 3072 };
const L: Size = Size { width: 1024, layers: 24, heads: 16, mlp_width: 4096 };
/// Heads of 96 channels.
const G: Size = Size { width: 1536, layers: 50, heads: 16, mlp_width: 8960 };

const SMALL_TEXT: Size = Size { width: 512, layers: 12, heads: 8, mlp_width: 2048 };
const TEXT: Size = Size { width: 1024, layers: 24, heads: 16, mlp_width: 4096 };
const LARGE_TEXT: Size = Size { width: 1280, layers: 24, heads: 20, mlp_width: 5120 };

/// Heads of the pooling, whatever the size.
const POOL_HEADS: usize = 8;

/// Patches of an image, and whether a class token precedes them.
#[derive(Clone, Copy)]
struct Input {
    patch_size: usize,
    image_size: usize,
    class_token: bool,
}

impl Input {
    const fn tokens(self) -> usize {
        let grid = self.image_size / self.patch_size;
        grid * grid + self.class_token as usize
    }
}

/// Declares an architecture: timm's image tower, its size and input, the text tower and its positions, the length of the
/// embeddings; and the list of all image towers.
macro_rules! architectures {
    ($($constant:ident, $trunk:ident: $timm:literal, $size:ident, $patch_size:literal, $image_size:literal, $class_token:literal,
       $text:ident, $context:literal, $embed_dim:literal;)*) => {
        $(
            const $trunk: Trunk = Trunk {
                timm: $timm,
                apple: None,
                activation: Activation::Gelu,
                timm_pool: "map",
                build: || vit($size, Input { patch_size: $patch_size, image_size: $image_size, class_token: $class_token }),
            };
            pub(super) const $constant: Architecture = {
                let input = Input { patch_size: $patch_size, image_size: $image_size, class_token: $class_token };
                Architecture::of_trunk(
                    &$trunk,
                    &Text {
                        build: || text($text, $context),
                        parameters: text_parameters($text, $context, $embed_dim),
                    },
                    $embed_dim,
                    image_parameters($size, input, $embed_dim),
                    image_gmac($size, input, $embed_dim),
                )
            };
        )*
        /// Every image tower.
        pub(super) const TRUNKS: [&Trunk; 5] = [$(&$trunk),*];
    };
}

architectures! {
    PE_CORE_T_16_384, TRUNK_T: "vit_pe_core_tiny_patch16_384", T, 16, 384, true, SMALL_TEXT, 32, 512;
    PE_CORE_S_16_384, TRUNK_S: "vit_pe_core_small_patch16_384", S, 16, 384, true, SMALL_TEXT, 32, 512;
    PE_CORE_B_16_224, TRUNK_B: "vit_pe_core_base_patch16_224", B, 16, 224, true, TEXT, 32, 1024;
    PE_CORE_L_14_336, TRUNK_L: "vit_pe_core_large_patch14_336", L, 14, 336, true, TEXT, 32, 1024;
    PE_CORE_G_14_448, TRUNK_G: "vit_pe_core_gigantic_patch14_448", G, 14, 448, false, LARGE_TEXT, 72, 1280;
}

fn blocks(size: Size) -> TransformerConfig {
    let Size { width, layers, heads, mlp_width } = size;
    TransformerConfig { width, layers, heads, mlp_width, activation: Activation::Gelu, norm_eps: 1e-5 }
}

fn vit(size: Size, input: Input) -> ImageConfig {
    let Input { patch_size, image_size, class_token } = input;
    ImageConfig::Vit(VitConfig {
        image_size,
        patch_size,
        class_token,
        pre_norm: true,
        rotary: true,
        stem: None,
        blocks: blocks(size),
        pooling: ImagePooling::ProjectedAttention { heads: POOL_HEADS, mlp_width: 4 * size.width },
    })
}

fn text(size: Size, context_length: usize) -> TextConfig {
    TextConfig::Transformer(TextTransformerConfig {
        context_length,
        vocab_size: VOCAB_SIZE,
        causal: true,
        pad_id: 0,
        mask_padding: false,
        blocks: blocks(size),
        pooling: TextPooling::LargestId,
        projection: true,
    })
}

const fn image_parameters(size: Size, input: Input, embed_dim: usize) -> u64 {
    let width = size.width;
    let patches = 3 * input.patch_size * input.patch_size * width + input.tokens() * width;
    let class_token = if input.class_token { width } else { 0 };
    // The latent query, four linear layers, a norm, an MLP; the norm before the blocks; the projection.
    let pool = width + 4 * (width * width + width) + 2 * width + 8 * width * width + 5 * width;
    block_parameters(size) + (patches + class_token + 2 * width + pool + (width + 1) * embed_dim) as u64
}

const fn text_parameters(size: Size, context: usize, embed_dim: usize) -> u64 {
    block_parameters(size) + ((VOCAB_SIZE + context + embed_dim) * size.width) as u64
}

const fn image_gmac(size: Size, input: Input, embed_dim: usize) -> f64 {
    // More than a `usize` of 32 bits holds.
    let [width, layers, mlp_width] = [size.width as u64, size.layers as u64, size.mlp_width as u64];
    let [tokens, patch, embed_dim] = [input.tokens() as u64, input.patch_size as u64, embed_dim as u64];
    let patches = (tokens - input.class_token as u64) * width * 3 * patch * patch;
    let token = 4 * width * width + 2 * width * mlp_width + 2 * tokens * width;
    let pool = 2 * tokens * width * width + 2 * tokens * width + 10 * width * width + width * embed_dim;
    (patches + layers * tokens * token + pool) as f64 / 1e9
}
