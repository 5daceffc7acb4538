//! The tensors of a model with a vision transformer and a text transformer, as open_clip names them.
//!
//! Knows the architecture and its names, but no files. Half precision follows OpenAI's `convert_weights`: linear
//! layers, convolutions, attention and both projections.

use super::model::{TowerSize, VitSize};
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
