//! Models with a vision transformer and a text transformer: their tensors as open_clip names them, the published sizes, and
//! tiny ones of awkward sizes.
//!
//! Knows the architecture and its names, but no files. Half precision follows OpenAI's `convert_weights`: linear
//! layers, convolutions, attention and both projections.

use super::model::{Model, TowerSize, VitSize};
use super::tensor::{Kind, Tensor};

/// Gain of the joint projection to queries, keys and values.
///
/// At 1, random attention is so uniform that all images have similar embeddings (ViT-L/14: cosine 0.98, every key below
/// 0.3); at 2, rounding is amplified so much that f32 deviates 2e-6 from f64. At 1.5 heads select keys (cosine 0.92,
/// keys up to 0.9) and f32 stays within 3e-7.
pub const ATTENTION_GAIN: f64 = 1.5;

/// A weight that preserves the standard deviation of its inputs.
pub fn weight(fan_in: usize) -> Kind {
    Kind::Weight { fan_in, gain: 1.0 }
}

/// All tensors, in the order of open_clip's state dict.
pub fn tensors(size: &VitSize) -> Vec<Tensor> {
    let image = &size.image;
    let text = &size.text;
    let patch = size.patch_size;
    let positions = size.grid() * size.grid() + 1;

    let mut all = vec![
        Tensor::single("positional_embedding", &[size.context_length, text.width], Kind::Position),
        Tensor::half("text_projection", &[text.width, size.embed_dim], weight(text.width)),
        Tensor::single("logit_scale", &[], Kind::LogitScale),
        Tensor::single("visual.class_embedding", &[image.width], Kind::Embedding),
        Tensor::single("visual.positional_embedding", &[positions, image.width], Kind::Position),
        Tensor::half("visual.proj", &[image.width, size.embed_dim], weight(image.width)),
        Tensor::half("visual.conv1.weight", &[image.width, 3, patch, patch], weight(3 * patch * patch)),
    ];
    norm(&mut all, "visual.ln_pre", image.width);
    blocks(&mut all, "visual.transformer", image);
    norm(&mut all, "visual.ln_post", image.width);
    blocks(&mut all, "transformer", text);
    all.push(Tensor::single("token_embedding.weight", &[size.vocab_size, text.width], Kind::Embedding));
    norm(&mut all, "ln_final", text.width);
    all
}

/// Weight and bias of a LayerNorm.
pub fn norm(all: &mut Vec<Tensor>, name: &str, width: usize) {
    all.push(Tensor::single(format!("{name}.weight"), &[width], Kind::NormWeight));
    all.push(Tensor::single(format!("{name}.bias"), &[width], Kind::NormBias));
}

/// Weight and bias; `name` ends with the separator.
fn linear(all: &mut Vec<Tensor>, name: &str, outputs: usize, inputs: usize, gain: f64) {
    let kind = Kind::Weight { fan_in: inputs, gain };
    all.push(Tensor::half(format!("{name}weight"), &[outputs, inputs], kind));
    all.push(Tensor::half(format!("{name}bias"), &[outputs], Kind::Bias));
}

/// Transformer blocks, `{name}.resblocks.{i}.…`.
pub fn blocks(all: &mut Vec<Tensor>, name: &str, tower: &TowerSize) {
    let width = tower.width;
    let hidden = tower.mlp_width();
    for i in 0..tower.layers {
        let block = format!("{name}.resblocks.{i}");
        norm(all, &format!("{block}.ln_1"), width);
        let joint = format!("{block}.attn.in_proj_");
        linear(all, &joint, 3 * width, width, ATTENTION_GAIN);
        linear(all, &format!("{block}.attn.out_proj."), width, width, 1.0);
        norm(all, &format!("{block}.ln_2"), width);
        linear(all, &format!("{block}.mlp.c_fc."), hidden, width, 1.0);
        linear(all, &format!("{block}.mlp.c_proj."), width, hidden, 1.0);
    }
}

/// The published models of OpenAI's architecture with vision transformers.
pub fn published() -> Vec<Model> {
    const B_32: &str = "ViT-B-32";
    const B_16: &str = "ViT-B-16";
    const L_14: &str = "ViT-L-14";
    const L_14_336: &str = "ViT-L-14-336px";
    const B_32_256: &str = "ViT-B-32-256";
    const B_16_PLUS: &str = "ViT-B-16-plus-240";
    const TINY_8M_16: &str = "TinyCLIP-ViT-8M-16-Text-3M";
    const TINY_39M_16: &str = "TinyCLIP-ViT-39M-16-Text-19M";
    const TINY_40M_32: &str = "TinyCLIP-ViT-40M-32-Text-19M";
    const TINY_61M_32: &str = "TinyCLIP-ViT-61M-32-Text-29M";
    const H_14: &str = "ViT-H-14";
    const H_14_378: &str = "ViT-H-14-378";
    const G_14: &str = "ViT-g-14";
    const BIG_G_14: &str = "ViT-bigG-14";
    [
        // name, architecture, QuickGELU
        ("vit-b-32-openai", B_32, true),
        ("vit-b-16-openai", B_16, true),
        ("vit-l-14-openai", L_14, true),
        ("vit-l-14-336-openai", L_14_336, true),
        ("vit-b-32-laion400m-e32", B_32, true),
        ("vit-b-32-laion2b", B_32, false),
        ("vit-b-16-laion2b", B_16, false),
        ("vit-l-14-laion2b", L_14, false),
        ("vit-b-32-datacomp-xl", B_32, false),
        ("vit-b-16-datacomp-xl", B_16, false),
        ("vit-l-14-datacomp-xl", L_14, false),
        ("vit-b-32-laion400m-e31", B_32, true),
        ("vit-b-16-laion400m-e31", B_16, false),
        ("vit-b-16-laion400m-e32", B_16, false),
        ("vit-b-16-plus-240-laion400m-e31", B_16_PLUS, false),
        ("vit-b-16-plus-240-laion400m-e32", B_16_PLUS, false),
        ("vit-l-14-laion400m-e31", L_14, false),
        ("vit-l-14-laion400m-e32", L_14, false),
        ("vit-b-32-256-datacomp", B_32_256, false),
        ("tinyclip-vit-8m-16", TINY_8M_16, false),
        ("tinyclip-vit-39m-16", TINY_39M_16, false),
        ("tinyclip-vit-40m-32", TINY_40M_32, false),
        ("tinyclip-vit-61m-32", TINY_61M_32, false),
        ("vit-h-14-laion2b", H_14, false),
        ("vit-g-14-laion2b-s12b", G_14, false),
        ("vit-g-14-laion2b-s34b", G_14, false),
        ("vit-bigg-14-laion2b", BIG_G_14, false),
        ("vit-b-16-dfn2b", B_16, true),
        ("vit-l-14-dfn2b", L_14, true),
        ("vit-l-14-dfn2b-39b", L_14, false),
        ("vit-h-14-dfn5b", H_14, true),
        ("vit-h-14-378-dfn5b", H_14_378, true),
        ("vit-b-32-metaclip-400m", B_32, true),
        ("vit-b-16-metaclip-400m", B_16, true),
        ("vit-l-14-metaclip-400m", L_14, true),
        ("vit-b-32-metaclip-fullcc", B_32, true),
        ("vit-b-16-metaclip-fullcc", B_16, true),
        ("vit-l-14-metaclip-fullcc", L_14, true),
        ("vit-h-14-metaclip-fullcc", H_14, true),
        ("vit-h-14-metaclip-altogether", H_14, false),
        ("vit-bigg-14-metaclip-fullcc", BIG_G_14, true),
    ]
    .into_iter()
    .map(|(name, archive, quick_gelu)| {
        let size = match archive {
            B_32 => base(32),
            B_16 => base(16),
            L_14 => large(224),
            L_14_336 => large(336),
            B_32_256 => VitSize { image_size: 256, ..base(32) },
            B_16_PLUS => VitSize {
                embed_dim: 640,
                image_size: 240,
                image: TowerSize::openai(896, 12),
                text: TowerSize::openai(640, 12),
                ..base(16)
            },
            TINY_8M_16 => distilled(16, (256, 10), (256, 3)),
            TINY_39M_16 => distilled(16, (512, 12), (512, 6)),
            TINY_40M_32 => distilled(32, (512, 12), (512, 6)),
            TINY_61M_32 => distilled(32, (640, 12), (512, 9)),
            H_14 => huge(224, (1280, 32), 4.0),
            H_14_378 => huge(378, (1280, 32), 4.0),
            G_14 => huge(224, (1408, 40), 4.3637),
            _ => VitSize { embed_dim: 1280, text: TowerSize::openai(1280, 32), ..huge(224, (1664, 48), 4.9231) },
        };
        let mut model = Model { archive: archive.to_owned(), ..Model::custom(name, size, quick_gelu) };
        // The only weights in this table that were trained with other statistics.
        if name == "vit-l-14-laion2b" {
            model.mean = [0.5; 3];
            model.std = [0.5; 3];
        }
        model
    })
    .collect()
}

/// Models of OpenAI's architecture small enough to generate, convert and run within a test, of sizes that fit no tile.
pub fn tiny() -> Vec<Model> {
    let tower = |width, layers, heads, mlp_ratio| TowerSize { width, layers, heads, mlp_ratio };
    vec![
        // OpenAI's proportions, so the archive determines the configuration.
        Model::custom(
            "tiny-openai",
            VitSize {
                embed_dim: 32,
                image_size: 24,
                patch_size: 8,
                image: TowerSize::openai(128, 2),
                context_length: 11,
                vocab_size: 90,
                causal: true,
                text: TowerSize::openai(64, 2),
            },
            true,
        ),
        // Widths that are no multiples of 16, heads of 8 channels.
        Model::custom(
            "tiny-quick",
            VitSize {
                embed_dim: 20,
                image_size: 28,
                patch_size: 7,
                image: tower(40, 3, 5, 4.0),
                context_length: 9,
                vocab_size: 64,
                causal: true,
                text: tower(40, 3, 5, 4.0),
            },
            true,
        ),
        // An image side that is no multiple of the patch size, heads of 24 channels, other MLPs, GELU with erf.
        Model::custom(
            "tiny-floor",
            VitSize {
                embed_dim: 20,
                image_size: 30,
                patch_size: 7,
                image: tower(72, 3, 3, 2.5),
                context_length: 12,
                vocab_size: 100,
                causal: true,
                text: tower(48, 2, 2, 3.0),
            },
            false,
        ),
        // The heads of H/14, g/14 and bigG/14, which are 80, 88 and 104 channels wide, and the MLPs of the last two.
        heads("tiny-huge", 80, 4.0),
        heads("tiny-giant", 88, 4.3637),
        heads("tiny-gigantic", 104, 4.9231),
        // Text attended in both directions, an odd embedding, a single head.
        Model::custom(
            "tiny-bidirectional",
            VitSize {
                embed_dim: 33,
                image_size: 20,
                patch_size: 4,
                image: tower(24, 2, 1, 4.0),
                context_length: 20,
                vocab_size: 128,
                causal: false,
                text: tower(72, 3, 9, 2.0),
            },
            false,
        ),
    ]
}

/// Two heads of this width in the image tower.
fn heads(name: &str, head_width: usize, mlp_ratio: f64) -> Model {
    let size = VitSize {
        embed_dim: 24,
        image_size: 28,
        patch_size: 7,
        image: TowerSize { width: 2 * head_width, layers: 2, heads: 2, mlp_ratio },
        context_length: 10,
        vocab_size: 70,
        causal: true,
        text: TowerSize::openai(64, 2),
    };
    Model::custom(name, size, false)
}

/// TinyCLIP: width and layers of the image tower and of the text tower.
fn distilled(patch_size: usize, image: (usize, usize), text: (usize, usize)) -> VitSize {
    let tower = |(width, layers)| TowerSize::openai(width, layers);
    VitSize { image: tower(image), text: tower(text), ..base(patch_size) }
}

/// ViT-B with the given patch size.
fn base(patch_size: usize) -> VitSize {
    VitSize {
        embed_dim: 512,
        image_size: 224,
        patch_size,
        image: TowerSize::openai(768, 12),
        context_length: 77,
        vocab_size: 49408,
        causal: true,
        text: TowerSize::openai(512, 12),
    }
}

/// An image tower of 16 heads, whatever its width, with H/14's text tower.
fn huge(image_size: usize, (width, layers): (usize, usize), mlp_ratio: f64) -> VitSize {
    VitSize {
        embed_dim: 1024,
        image: TowerSize { width, layers, heads: 16, mlp_ratio },
        text: TowerSize::openai(1024, 24),
        ..large(image_size)
    }
}

/// ViT-L/14 with the given input size.
fn large(image_size: usize) -> VitSize {
    VitSize {
        embed_dim: 768,
        image_size,
        patch_size: 14,
        image: TowerSize::openai(1024, 24),
        context_length: 77,
        vocab_size: 49408,
        causal: true,
        text: TowerSize::openai(768, 12),
    }
}
