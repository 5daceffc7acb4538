//! Tensors of timm's image towers that several models have: blocks, and pooling by attention.

use super::tensor::{Kind, Tensor};
use super::vit::{self, ATTENTION_GAIN};

/// Tensors so far.
pub(super) struct List(pub Vec<Tensor>);

impl List {
    pub fn add(&mut self, name: &str, shape: &[usize], kind: Kind) {
        self.0.push(Tensor::single(name, shape, kind));
    }

    pub fn linear(&mut self, name: &str, outputs: usize, inputs: usize, gain: f64) {
        self.add(&format!("{name}.weight"), &[outputs, inputs], Kind::Weight { fan_in: inputs, gain });
        self.add(&format!("{name}.bias"), &[outputs], Kind::Bias);
    }

    /// The blocks of `visual.trunk` and the norm after them; `hidden` is the width of their MLPs.
    pub fn blocks(&mut self, layers: usize, width: usize, hidden: usize) {
        for i in 0..layers {
            let name = format!("visual.trunk.blocks.{i}");
            vit::norm(&mut self.0, &format!("{name}.norm1"), width);
            self.linear(&format!("{name}.attn.qkv"), 3 * width, width, ATTENTION_GAIN);
            self.linear(&format!("{name}.attn.proj"), width, width, 1.0);
            vit::norm(&mut self.0, &format!("{name}.norm2"), width);
            self.linear(&format!("{name}.mlp.fc1"), hidden, width, 1.0);
            self.linear(&format!("{name}.mlp.fc2"), width, hidden, 1.0);
        }
        vit::norm(&mut self.0, "visual.trunk.norm", width);
    }

    /// Its pooling by a latent query; `hidden` is the width of the MLP.
    pub fn pool(&mut self, width: usize, hidden: usize) {
        let pool = "visual.trunk.attn_pool";
        self.add(&format!("{pool}.latent"), &[1, 1, width], Kind::Embedding);
        self.linear(&format!("{pool}.q"), width, width, ATTENTION_GAIN);
        self.linear(&format!("{pool}.kv"), 2 * width, width, ATTENTION_GAIN);
        self.linear(&format!("{pool}.proj"), width, width, 1.0);
        vit::norm(&mut self.0, &format!("{pool}.norm"), width);
        self.linear(&format!("{pool}.mlp.fc1"), hidden, width, 1.0);
        self.linear(&format!("{pool}.mlp.fc2"), width, hidden, 1.0);
    }
}
