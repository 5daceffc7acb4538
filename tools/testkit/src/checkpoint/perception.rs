//! Perception Encoder (PE-Core): the published models by name, tiny ones of other sizes, and their tensors.
//!
//! Names of tensors are open_clip's, with an image tower of timm. Sizes are those of open_clip's `PE-Core-*.json` and
//! timm's `eva.py`.

use super::model::{Architecture, Model, TowerSize};
use super::tensor::{Kind, Tensor};
use super::timm::List;
use super::vit::{self, weight};

/// Sizes of a Perception Encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct PerceptionSize {
    /// Length of the embeddings.
    pub embed_dim: usize,
    /// Side of the input in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Whether a class token precedes the patches.
    pub class_token: bool,
    /// The image tower's blocks.
    pub image: TowerSize,
    /// timm's name of the image tower, or of the one it is a small copy of.
    pub timm_name: &'static str,
    /// Whether the projection of the image tower has a bias of its own. Meta's layout has no such tensor, and it is zero
    /// in what open_clip publishes.
    pub has_bias: bool,
    /// Number of token positions.
    pub context_length: usize,
    /// Rows of the token embedding.
    pub vocab_size: usize,
    /// The text tower's blocks.
    pub text: TowerSize,
}

impl PerceptionSize {
    /// Whole patches per side.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Tokens of an image.
    pub fn tokens(&self) -> usize {
        self.grid() * self.grid() + usize::from(self.class_token)
    }
}

/// The published models.
pub fn published() -> Vec<Model> {
    let giant = TowerSize { width: 1536, layers: 50, heads: 16, mlp_ratio: 8960.5 / 1536.0 };
    let (tiny, small) = (TowerSize::openai(192, 12), TowerSize::openai(384, 12));
    let (base, large) = (TowerSize::openai(768, 12), TowerSize::openai(1024, 24));
    [
        ("pe-core-t-16-384", "PE-Core-T16-384", "vit_pe_core_tiny_patch16_384", tiny, (384, 16), 512, 32),
        ("pe-core-s-16-384", "PE-Core-S16-384", "vit_pe_core_small_patch16_384", small, (384, 16), 512, 32),
        ("pe-core-b-16-224", "PE-Core-B16-224", "vit_pe_core_base_patch16_224", base, (224, 16), 1024, 32),
        ("pe-core-l-14-336", "PE-Core-L14-336", "vit_pe_core_large_patch14_336", large, (336, 14), 1024, 32),
        ("pe-core-g-14-448", "PE-Core-G14-448", "vit_pe_core_gigantic_patch14_448", giant, (448, 14), 1280, 72),
    ]
    .into_iter()
    .map(|(name, archive, timm_name, image, (image_size, patch_size), embed_dim, context_length)| {
        let size = PerceptionSize {
            embed_dim,
            image_size,
            patch_size,
            class_token: embed_dim != 1280,
            image,
            timm_name,
            has_bias: false,
            context_length,
            vocab_size: 49_408,
            // As wide as the embeddings are long.
            text: TowerSize::openai(embed_dim, if embed_dim == 512 { 12 } else { 24 }),
        };
        model(name, archive, size)
    })
    .collect()
}

/// Models small enough to generate, convert and run within a test, of sizes that fit no tile.
pub fn tiny() -> Vec<Model> {
    let tower = |width, layers, heads, mlp_ratio| TowerSize { width, layers, heads, mlp_ratio };
    [
        // Heads of 80 channels, of 20 in the pooling; hidden channels that are no multiple of anything. The image is as wide as
        // its patches: without a configuration, nothing would tell of more pixels.
        (
            "tiny-perception",
            PerceptionSize {
                embed_dim: 48,
                image_size: 28,
                patch_size: 7,
                class_token: true,
                image: tower(160, 3, 2, 2.7362),
                timm_name: "vit_pe_core_large_patch14_336",
                has_bias: false,
                context_length: 16,
                vocab_size: 90,
                text: tower(64, 2, 1, 4.0),
            },
        ),
        // Heads of 96 channels and no class token, as in the largest.
        (
            "tiny-perception-giant",
            PerceptionSize {
                embed_dim: 24,
                image_size: 24,
                patch_size: 8,
                class_token: false,
                image: tower(192, 2, 2, 1120.5 / 192.0),
                timm_name: "vit_pe_core_gigantic_patch14_448",
                has_bias: true,
                context_length: 20,
                vocab_size: 64,
                text: tower(72, 2, 3, 2.0),
            },
        ),
        // Heads of 20 channels, five pairs of each axis, of 5 in the pooling.
        (
            "tiny-perception-narrow",
            PerceptionSize {
                embed_dim: 56,
                image_size: 20,
                patch_size: 4,
                class_token: true,
                image: tower(40, 2, 2, 3.0),
                timm_name: "vit_pe_core_tiny_patch16_384",
                has_bias: false,
                context_length: 12,
                vocab_size: 70,
                text: tower(40, 2, 2, 4.0),
            },
        ),
    ]
    .into_iter()
    .map(|(name, size)| model(name, name, size))
    .collect()
}

fn model(name: &str, archive: &str, size: PerceptionSize) -> Model {
    Model {
        name: name.to_owned(),
        archive: archive.to_owned(),
        architecture: Architecture::Perception(size),
        quick_gelu: false,
        mean: [0.5; 3],
        std: [0.5; 3],
        interpolation: "bilinear",
    }
}

/// All tensors, in the order of open_clip's state dict.
pub fn tensors(size: &PerceptionSize) -> Vec<Tensor> {
    let image = &size.image;
    let (width, hidden, patch) = (image.width, image.mlp_width(), size.patch_size);
    let mut all = List(vec![Tensor::single("logit_scale", &[], Kind::LogitScale)]);
    if size.class_token {
        all.add("visual.trunk.cls_token", &[1, 1, width], Kind::Embedding);
    }
    all.add("visual.trunk.pos_embed", &[1, size.tokens(), width], Kind::Position);
    all.add("visual.trunk.patch_embed.proj.weight", &[width, 3, patch, patch], weight(3 * patch * patch));
    vit::norm(&mut all.0, "visual.trunk.norm_pre", width);
    all.blocks(image.layers, width, hidden);
    all.pool(width, 4 * width);
    all.add("visual.trunk.head.weight", &[size.embed_dim, width], weight(width));
    all.add("visual.trunk.head.bias", &[size.embed_dim], if size.has_bias { Kind::Bias } else { Kind::Zero });

    let text = size.text.width;
    all.add("text.positional_embedding", &[size.context_length, text], Kind::Position);
    all.add("text.text_projection", &[text, size.embed_dim], weight(text));
    all.add("text.token_embedding.weight", &[size.vocab_size, text], Kind::Embedding);
    let mut blocks = Vec::new();
    vit::blocks(&mut blocks, "text.transformer", &size.text);
    all.0.extend(blocks.into_iter().map(|tensor| Tensor { half: false, ..tensor }));
    vit::norm(&mut all.0, "text.ln_final", text);
    all.0
}
