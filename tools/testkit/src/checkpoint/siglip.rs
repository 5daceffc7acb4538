//! SigLIP and SigLIP 2: the published models by name, tiny ones of other sizes, and their tensors.
//!
//! Names of tensors are open_clip's, with an image tower of timm. Sizes are those of open_clip's `ViT-*-SigLIP*.json` and
//! timm's `vision_transformer.py`.

use super::model::{Architecture, Model, TowerSize};
use super::tensor::{Kind, Tensor};
use super::timm::List;
use super::vit::{self, weight};

/// Sizes of a SigLIP; its embeddings are as long as a token of an image is wide.
#[derive(Clone, Debug, PartialEq)]
pub struct SiglipSize {
    /// Side of the input in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// The image tower's blocks.
    pub image: TowerSize,
    /// timm's name of the image tower, or of the one it is a small copy of.
    pub timm_name: &'static str,
    /// Number of token positions.
    pub context_length: usize,
    /// Rows of the token embedding.
    pub vocab_size: usize,
    /// The text tower's blocks.
    pub text: TowerSize,
    /// Whether the text tower has a projection.
    pub projection: bool,
    /// Whether open_clip computes the GELU of the text tower by tanh: that of SigLIP 2. transformers does for all.
    pub text_tanh: bool,
}

impl SiglipSize {
    /// Whole patches per side.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Whether the vocabulary is Gemma's: SigLIP 2.
    pub fn has_gemma(&self) -> bool {
        self.vocab_size == 256_000
    }

    /// The id that fills texts.
    pub fn pad_id(&self) -> u32 {
        if self.has_gemma() { 0 } else { 1 }
    }
}

/// The published models.
pub fn published() -> Vec<Model> {
    const T5: usize = 32_000;
    const MT5: usize = 250_000;
    const GEMMA: usize = 256_000;
    [
        ("siglip-b-16-224", "vit_base_patch16_siglip_224", T5),
        ("siglip-b-16-256", "vit_base_patch16_siglip_256", T5),
        ("siglip-b-16-384", "vit_base_patch16_siglip_384", T5),
        ("siglip-b-16-512", "vit_base_patch16_siglip_512", T5),
        ("siglip-b-i18n-256", "vit_base_patch16_siglip_256", MT5),
        ("siglip-l-16-256", "vit_large_patch16_siglip_256", T5),
        ("siglip-l-16-384", "vit_large_patch16_siglip_384", T5),
        ("siglip-so400m-14-224", "vit_so400m_patch14_siglip_224", T5),
        ("siglip-so400m-14-384", "vit_so400m_patch14_siglip_384", T5),
        ("siglip-so400m-i18n-256", "vit_so400m_patch16_siglip_256", MT5),
        ("siglip2-b-32-256", "vit_base_patch32_siglip_256", GEMMA),
        ("siglip2-b-16-224", "vit_base_patch16_siglip_224", GEMMA),
        ("siglip2-b-16-256", "vit_base_patch16_siglip_256", GEMMA),
        ("siglip2-b-16-384", "vit_base_patch16_siglip_384", GEMMA),
        ("siglip2-b-16-512", "vit_base_patch16_siglip_512", GEMMA),
        ("siglip2-l-16-256", "vit_large_patch16_siglip_256", GEMMA),
        ("siglip2-l-16-384", "vit_large_patch16_siglip_384", GEMMA),
        ("siglip2-l-16-512", "vit_large_patch16_siglip_512", GEMMA),
        ("siglip2-so400m-14-224", "vit_so400m_patch14_siglip_224", GEMMA),
        ("siglip2-so400m-14-378", "vit_so400m_patch14_siglip_378", GEMMA),
        ("siglip2-so400m-16-256", "vit_so400m_patch16_siglip_256", GEMMA),
        ("siglip2-so400m-16-384", "vit_so400m_patch16_siglip_384", GEMMA),
        ("siglip2-so400m-16-512", "vit_so400m_patch16_siglip_512", GEMMA),
        ("siglip2-gopt-16-256", "vit_giantopt_patch16_siglip_256", GEMMA),
        ("siglip2-gopt-16-384", "vit_giantopt_patch16_siglip_384", GEMMA),
    ]
    .into_iter()
    .map(|(name, timm_name, vocab_size)| {
        // The name of the image tower ends with patch and image size.
        let numbers = timm_name.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty() && *part != "400");
        let numbers: Vec<usize> = numbers.filter_map(|number| number.parse().ok()).collect();
        let [patch_size, image_size] = numbers[..] else { panic!("{timm_name}") };
        let so400m = TowerSize { width: 1152, layers: 27, heads: 16, mlp_ratio: 3.7362 };
        let (image, text) = match name.split('-').nth(1) {
            Some("b") => (TowerSize::openai(768, 12), TowerSize::openai(768, 12)),
            Some("l") => (TowerSize::openai(1024, 24), TowerSize::openai(1024, 24)),
            Some("gopt") => (TowerSize { width: 1536, layers: 40, heads: 16, mlp_ratio: 4.0 }, so400m),
            _ => (so400m.clone(), so400m),
        };
        let size = SiglipSize {
            image_size,
            patch_size,
            image,
            timm_name,
            context_length: if name == "siglip-so400m-14-224" { 16 } else { 64 },
            vocab_size,
            text,
            projection: name != "siglip-so400m-i18n-256",
            text_tanh: vocab_size == GEMMA,
        };
        model(name, size)
    })
    .collect()
}

/// Models small enough to generate, convert and run within a test, of sizes that fit no tile.
pub fn tiny() -> Vec<Model> {
    let tower = |width, layers, heads, mlp_ratio| TowerSize { width, layers, heads, mlp_ratio };
    vec![
        // Heads of 72 channels, hidden channels and an image side that are no multiples of anything, two pixels unused.
        model(
            "tiny-siglip",
            SiglipSize {
                image_size: 30,
                patch_size: 7,
                image: tower(144, 3, 2, 2.7362),
                timm_name: "vit_so400m_patch14_siglip_224",
                context_length: 16,
                vocab_size: 90,
                text: tower(72, 3, 1, 3.7362),
                projection: true,
                text_tanh: true,
            },
        ),
        // Heads of 96 channels in the image tower, of 24 in the text tower.
        model(
            "tiny-siglip-giant",
            SiglipSize {
                image_size: 24,
                patch_size: 8,
                image: tower(192, 2, 2, 4.0),
                timm_name: "vit_giantopt_patch16_siglip_256",
                context_length: 20,
                vocab_size: 64,
                text: tower(72, 2, 3, 2.0),
                projection: true,
                text_tanh: false,
            },
        ),
        // No projection in the text tower; heads of 20 channels.
        model(
            "tiny-siglip-bare",
            SiglipSize {
                image_size: 20,
                patch_size: 4,
                image: tower(40, 2, 2, 4.0),
                timm_name: "vit_so400m_patch16_siglip_256",
                context_length: 12,
                vocab_size: 70,
                text: tower(40, 2, 2, 3.0),
                projection: false,
                text_tanh: false,
            },
        ),
    ]
}

fn model(name: &str, size: SiglipSize) -> Model {
    Model {
        name: name.to_owned(),
        archive: name.to_owned(),
        architecture: Architecture::Siglip(size),
        quick_gelu: false,
        mean: [0.5; 3],
        std: [0.5; 3],
        interpolation: "bicubic",
    }
}

/// All tensors, in the order of open_clip's state dict.
pub fn tensors(size: &SiglipSize) -> Vec<Tensor> {
    let image = &size.image;
    let (width, hidden) = (image.width, image.mlp_width());
    let tokens = size.grid() * size.grid();
    let mut all = List(vec![
        Tensor::single("logit_scale", &[], Kind::LogitScale),
        Tensor::single("logit_bias", &[], Kind::LogitBias),
        Tensor::single("visual.trunk.pos_embed", &[1, tokens, width], Kind::Position),
    ]);
    let patch = size.patch_size;
    all.add("visual.trunk.patch_embed.proj.weight", &[width, 3, patch, patch], weight(3 * patch * patch));
    all.add("visual.trunk.patch_embed.proj.bias", &[width], Kind::Bias);
    all.blocks(image.layers, width, hidden);
    all.pool(width, hidden);

    let text = size.text.width;
    all.add("text.positional_embedding", &[size.context_length, text], Kind::Position);
    all.add("text.token_embedding.weight", &[size.vocab_size, text], Kind::Embedding);
    let mut blocks = Vec::new();
    vit::blocks(&mut blocks, "text.transformer", &size.text);
    all.0.extend(blocks.into_iter().map(|tensor| Tensor { half: false, ..tensor }));
    vit::norm(&mut all.0, "text.ln_final", text);
    if size.projection {
        all.linear("text.text_projection", width, text, 1.0);
    }
    all.0
}
