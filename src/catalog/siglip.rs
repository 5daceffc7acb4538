//! The towers of SigLIP and SigLIP 2.
//!
//! Sources of the sizes: open_clip 3.3.0, `model_configs/ViT-*-SigLIP*.json`; timm 1.0.31, `vision_transformer.py`
//! (`vit_*_siglip_*`). The parameters are those of the published listings; compute counts the matrix products of timm's
//! form, in which keys and values of the pooling are computed for every token.

use super::architectures::{Architecture, Text, Trunk};
use crate::models::config::{
    Activation, ImageConfig, ImagePooling, TextConfig, TextPooling, TextTransformerConfig, TransformerConfig, VitConfig,
};

/// Sizes of a stack of blocks.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) mlp_width: usize,
}

const B: Size = Size { width: 768, layers: 12, heads: 12, mlp_width: 3072 };
const L: Size = Size { width: 1024, layers: 24, heads: 16, mlp_width: 4096 };
const SO400M: Size = Size { width: 1152, layers: 27, heads: 16, mlp_width: 4304 };
const GIANT: Size = Size { width: 1536, layers: 40, heads: 16, mlp_width: 6144 };

/// Rows of the token embeddings: T5's English vocabulary, mT5's, Gemma's.
const T5: usize = 32_000;
const MT5: usize = 250_000;
const GEMMA: usize = 256_000;

/// Declares the trunk `vit_{name}_siglip_{image_size}` of timm, and the list of all.
macro_rules! trunks {
    ($($constant:ident: $timm:literal, $size:ident, $patch:literal, $image_size:literal, $activation:ident;)*) => {
        $(pub(super) const $constant: Image = Image {
            trunk: Trunk {
                timm: $timm,
                apple: None,
                activation: Activation::$activation,
                timm_pool: "map",
                build: || vit($size, $patch, $image_size),
            },
            parameters: image_parameters($size, $patch, $image_size),
            gmac: image_gmac($size, $patch, $image_size),
            width: $size.width,
        };)*
        /// Every image tower.
        pub(super) const TRUNKS: [&Trunk; 16] = [$(&$constant.trunk),*];
    };
}

/// An image tower and what it costs.
pub(super) struct Image {
    trunk: Trunk,
    parameters: u64,
    gmac: f64,
    width: usize,
}

impl Image {
    /// A model of this image tower and a text tower.
    pub(super) const fn with_text(&'static self, text: &Text) -> Architecture {
        Architecture::of_trunk(&self.trunk, text, self.width, self.parameters, self.gmac)
    }
}

// The original computes every GELU by tanh; timm does in some.
trunks! {
    B_16_224: "vit_base_patch16_siglip_224", B, 16, 224, Gelu;
    B_16_256: "vit_base_patch16_siglip_256", B, 16, 256, Gelu;
    B_16_384: "vit_base_patch16_siglip_384", B, 16, 384, Gelu;
    B_16_512: "vit_base_patch16_siglip_512", B, 16, 512, Gelu;
    B_32_256: "vit_base_patch32_siglip_256", B, 32, 256, GeluTanh;
    L_16_256: "vit_large_patch16_siglip_256", L, 16, 256, Gelu;
    L_16_384: "vit_large_patch16_siglip_384", L, 16, 384, Gelu;
    L_16_512: "vit_large_patch16_siglip_512", L, 16, 512, GeluTanh;
    SO_14_224: "vit_so400m_patch14_siglip_224", SO400M, 14, 224, Gelu;
    // The grid of 378 and 384 pixels is the same: of 384, the last six rows and columns are unused.
    SO_14_378: "vit_so400m_patch14_siglip_378", SO400M, 14, 378, Gelu;
    SO_14_384: "vit_so400m_patch14_siglip_384", SO400M, 14, 384, Gelu;
    SO_16_256: "vit_so400m_patch16_siglip_256", SO400M, 16, 256, GeluTanh;
    SO_16_384: "vit_so400m_patch16_siglip_384", SO400M, 16, 384, GeluTanh;
    SO_16_512: "vit_so400m_patch16_siglip_512", SO400M, 16, 512, GeluTanh;
    G_16_256: "vit_giantopt_patch16_siglip_256", GIANT, 16, 256, GeluTanh;
    G_16_384: "vit_giantopt_patch16_siglip_384", GIANT, 16, 384, GeluTanh;
}

/// Declares an architecture: image tower, text tower, rows of the token embedding, positions, length of the embeddings.
macro_rules! architectures {
    ($($constant:ident: $image:ident, $text:ident, $rows:ident, $context:literal, $projection:literal;)*) => {
        $(pub(super) const $constant: Architecture = Architecture::of_trunk(
            &$image.trunk,
            &Text {
                build: || text($text, $rows, $context, $projection),
                parameters: text_parameters($text, $rows, $context, $projection, $image.width),
            },
            $image.width,
            $image.parameters,
            $image.gmac,
        );)*
    };
}

architectures! {
    SIGLIP_B_16_224: B_16_224, B, T5, 64, true;
    SIGLIP_B_16_256: B_16_256, B, T5, 64, true;
    SIGLIP_B_16_384: B_16_384, B, T5, 64, true;
    SIGLIP_B_16_512: B_16_512, B, T5, 64, true;
    SIGLIP_B_16_I18N_256: B_16_256, B, MT5, 64, true;
    SIGLIP_L_16_256: L_16_256, L, T5, 64, true;
    SIGLIP_L_16_384: L_16_384, L, T5, 64, true;
    SIGLIP_SO400M_14_224: SO_14_224, SO400M, T5, 16, true;
    SIGLIP_SO400M_14_384: SO_14_384, SO400M, T5, 64, true;
    SIGLIP_SO400M_16_I18N_256: SO_16_256, SO400M, MT5, 64, false;
    SIGLIP2_B_32_256: B_32_256, B, GEMMA, 64, true;
    SIGLIP2_B_16_224: B_16_224, B, GEMMA, 64, true;
    SIGLIP2_B_16_256: B_16_256, B, GEMMA, 64, true;
    SIGLIP2_B_16_384: B_16_384, B, GEMMA, 64, true;
    SIGLIP2_B_16_512: B_16_512, B, GEMMA, 64, true;
    SIGLIP2_L_16_256: L_16_256, L, GEMMA, 64, true;
    SIGLIP2_L_16_384: L_16_384, L, GEMMA, 64, true;
    SIGLIP2_L_16_512: L_16_512, L, GEMMA, 64, true;
    SIGLIP2_SO400M_14_224: SO_14_224, SO400M, GEMMA, 64, true;
    SIGLIP2_SO400M_14_378: SO_14_378, SO400M, GEMMA, 64, true;
    SIGLIP2_SO400M_16_256: SO_16_256, SO400M, GEMMA, 64, true;
    SIGLIP2_SO400M_16_384: SO_16_384, SO400M, GEMMA, 64, true;
    SIGLIP2_SO400M_16_512: SO_16_512, SO400M, GEMMA, 64, true;
    SIGLIP2_GOPT_16_256: G_16_256, SO400M, GEMMA, 64, true;
    SIGLIP2_GOPT_16_384: G_16_384, SO400M, GEMMA, 64, true;
}

fn blocks(size: Size) -> TransformerConfig {
    let Size { width, layers, heads, mlp_width } = size;
    TransformerConfig { width, layers, heads, mlp_width, activation: Activation::Gelu, norm_eps: 1e-6 }
}

fn vit(size: Size, patch_size: usize, image_size: usize) -> ImageConfig {
    ImageConfig::Vit(VitConfig {
        image_size,
        patch_size,
        class_token: false,
        pre_norm: false,
        rotary: false,
        stem: None,
        blocks: blocks(size),
        pooling: ImagePooling::Attention,
    })
}

fn text(size: Size, vocab_size: usize, context_length: usize, projection: bool) -> TextConfig {
    TextConfig::Transformer(TextTransformerConfig {
        context_length,
        vocab_size,
        causal: false,
        // That of Gemma's vocabulary; T5's pads with its end of text.
        pad_id: if vocab_size == GEMMA { 0 } else { 1 },
        mask_padding: false,
        blocks: blocks(size),
        pooling: TextPooling::LastPosition,
        projection,
    })
}

/// Parameters of the blocks and the norm after them.
pub(super) const fn block_parameters(Size { width, layers, mlp_width, .. }: Size) -> u64 {
    let block = 4 * width * width + 4 * width + mlp_parameters(width, mlp_width) + 4 * width;
    (layers * block + 2 * width) as u64
}

const fn mlp_parameters(width: usize, mlp_width: usize) -> usize {
    2 * width * mlp_width + mlp_width + width
}

const fn image_parameters(size: Size, patch: usize, image_size: usize) -> u64 {
    let (width, grid) = (size.width, image_size / patch);
    let patches = (3 * patch * patch + 1) * width + grid * grid * width;
    // The latent query, four linear layers, a norm, an MLP.
    let pool = width + 4 * (width * width + width) + 2 * width + mlp_parameters(width, size.mlp_width);
    block_parameters(size) + (patches + pool) as u64
}

const fn text_parameters(size: Size, rows: usize, context: usize, projection: bool, embed_dim: usize) -> u64 {
    let width = size.width;
    let projection = if projection { (width + 1) * embed_dim } else { 0 };
    block_parameters(size) + ((rows + context) * width + projection) as u64
}

const fn image_gmac(size: Size, patch: usize, image_size: usize) -> f64 {
    // More than a `usize` of 32 bits holds.
    let [width, layers, mlp_width] = [size.width as u64, size.layers as u64, size.mlp_width as u64];
    let [patch, grid] = [patch as u64, (image_size / patch) as u64];
    let tokens = grid * grid;
    let token = 4 * width * width + 2 * width * mlp_width + 2 * tokens * width;
    let pool = 2 * tokens * width * width + 2 * tokens * width + 2 * width * width + 2 * width * mlp_width;
    (tokens * width * 3 * patch * patch + layers * tokens * token + pool) as f64 / 1e9
}
