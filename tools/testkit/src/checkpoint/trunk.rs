//! The tensors of a MobileCLIP model in the form in which it is trained, with all branches: open_clip's names for the
//! text, timm's for the image tower, Apple's for the hybrid text tower, which only Apple has.
//!
//! Knows the architectures and their names, but no files. Lists are in the order of open_clip's state dict.

use super::mobileclip::{ImageTower, MciSize, MciStage, MobileClipSize, Offer, TextTower};
use super::model::TowerSize;
use super::tensor::{Kind, Tensor};
use super::vit::{self, ATTENTION_GAIN};

// Random running statistics do not normalise activations: at gains of 1, they grow a hundredfold over forty blocks, and
// attention becomes so sharp that f32 deviates 1e-3 from f64. With these gains the standard deviation stays between 0.5
// and 4 from MCi0 to MCi4, embeddings of two images have cosines of 0.92 to 0.98, and f32 stays within 2e-7 of f64.
const STEM_GAIN: f64 = 0.9;
const DOWNSAMPLE_GAIN: f64 = 0.85;
const POINTWISE_GAIN: f64 = 0.8;
const MIXER_GAIN: f64 = 0.3;
const POSITION_GAIN: f64 = 0.5;
const SECOND_LINEAR_GAIN: f64 = 0.5;

/// All tensors, in the order of the state dict.
pub fn tensors(size: &MobileClipSize) -> Vec<Tensor> {
    let mut list = List(vec![Tensor::single("logit_scale", &[], Kind::LogitScale)]);
    match &size.image {
        ImageTower::Mci(mci) => list.mci(mci, size),
        ImageTower::StemVit { stem_width, blocks } => list.stem_vit(*stem_width, blocks, size),
        ImageTower::Vit { patch_size, blocks } => list.vit(*patch_size, blocks, size),
    }
    list.text(size);
    list.0
}

/// Tensors so far.
struct List(Vec<Tensor>);

impl List {
    fn add(&mut self, name: String, shape: &[usize], kind: Kind) {
        self.0.push(Tensor::single(name, shape, kind));
    }

    /// `{name}.weight` of a linear layer or convolution.
    fn weight(&mut self, name: &str, shape: &[usize], gain: f64) {
        let fan_in = shape.iter().skip(1).product();
        self.add(format!("{name}.weight"), shape, Kind::Weight { fan_in, gain });
    }

    /// A linear layer or convolution of a convolutional tower, with a bias.
    fn biased(&mut self, name: &str, shape: &[usize], gain: f64) {
        self.weight(name, shape, gain);
        self.add(format!("{name}.bias"), &shape[..1], Kind::ConvBias);
    }

    /// A linear layer of a transformer, with a bias.
    fn linear(&mut self, name: &str, outputs: usize, inputs: usize, gain: f64) {
        self.weight(name, &[outputs, inputs], gain);
        self.add(format!("{name}.bias"), &[outputs], Kind::Bias);
    }

    /// A LayerNorm of a transformer.
    fn norm(&mut self, name: &str, width: usize) {
        vit::norm(&mut self.0, name, width);
    }

    /// Weight and bias of a norm within a convolutional tower.
    fn conv_norm(&mut self, name: &str, channels: usize) {
        self.add(format!("{name}.weight"), &[channels], Kind::NormWeight);
        self.add(format!("{name}.bias"), &[channels], Kind::ConvNormBias);
    }

    fn batch_norm(&mut self, name: &str, channels: usize) {
        self.conv_norm(name, channels);
        self.add(format!("{name}.running_mean"), &[channels], Kind::RunningMean);
        self.add(format!("{name}.running_var"), &[channels], Kind::RunningVariance);
    }

    /// A convolution without bias and its BatchNorm.
    fn conv_bn(&mut self, name: &str, shape: &[usize], gain: f64) {
        self.weight(&format!("{name}.conv"), shape, gain);
        self.batch_norm(&format!("{name}.bn"), shape[0]);
    }

    fn squeeze(&mut self, name: &str, channels: usize, hidden: usize) {
        self.biased(&format!("{name}.fc1"), &[hidden, channels, 1, 1], 1.0);
        self.biased(&format!("{name}.fc2"), &[channels, hidden, 1, 1], 1.0);
    }

    fn mci(&mut self, mci: &MciSize, size: &MobileClipSize) {
        let trunk = "visual.trunk";
        let channels = mci.stages.first().map_or(0, |stage| stage.channels);
        for (i, inputs) in [(0, 3), (1, 1)] {
            let name = format!("{trunk}.stem.{i}");
            self.conv_bn(&format!("{name}.conv_kxk.0"), &[channels, inputs, 3, 3], STEM_GAIN);
            if mci.stem_scale {
                self.conv_bn(&format!("{name}.conv_scale"), &[channels, inputs, 1, 1], STEM_GAIN);
            }
        }
        self.batch_norm(&format!("{trunk}.stem.2.identity"), channels);
        self.conv_bn(&format!("{trunk}.stem.2.conv_kxk.0"), &[channels, channels, 1, 1], STEM_GAIN);

        for (i, stage) in mci.stages.iter().enumerate() {
            let name = format!("{trunk}.stages.{i}");
            if i > 0 {
                self.downsample(&format!("{name}.downsample.proj"), stage);
            }
            if stage.position {
                self.biased(&format!("{name}.pos_emb.pos_enc"), &[stage.channels, 1, 7, 7], POSITION_GAIN);
            }
            for j in 0..stage.blocks {
                let block = format!("{name}.blocks.{j}");
                if stage.attention {
                    self.attention_block(&block, stage, mci.layer_norm);
                } else {
                    self.mixer_block(&block, stage);
                }
            }
        }

        let name = format!("{trunk}.final_conv");
        let outputs = 2 * mci.last_channels();
        self.squeeze(&format!("{name}.se"), outputs, mci.squeeze());
        self.conv_bn(&format!("{name}.conv_kxk.0"), &[outputs, 1, 3, 3], 1.0);
        self.conv_bn(&format!("{name}.conv_scale"), &[outputs, 1, 1, 1], 1.0);
        self.head(&format!("{trunk}.head.fc"), outputs, size, Kind::ConvBias);
    }

    fn downsample(&mut self, name: &str, stage: &MciStage) {
        let channels = stage.channels;
        self.conv_bn(&format!("{name}.0.large_conv"), &[channels, 1, 7, 7], DOWNSAMPLE_GAIN);
        self.conv_bn(&format!("{name}.0.small_conv"), &[channels, 1, 3, 3], DOWNSAMPLE_GAIN);
        if let Some(hidden) = stage.squeeze {
            self.squeeze(&format!("{name}.0.se"), channels, hidden);
        }
        self.batch_norm(&format!("{name}.1.identity"), channels);
        self.conv_bn(&format!("{name}.1.conv_kxk.0"), &[channels, channels, 1, 1], POINTWISE_GAIN);
    }

    fn mixer_block(&mut self, name: &str, stage: &MciStage) {
        let channels = stage.channels;
        let mixer = format!("{name}.token_mixer");
        self.batch_norm(&format!("{mixer}.norm.identity"), channels);
        self.batch_norm(&format!("{mixer}.mixer.identity"), channels);
        self.conv_bn(&format!("{mixer}.mixer.conv_kxk.0"), &[channels, 1, 3, 3], MIXER_GAIN);
        self.conv_bn(&format!("{mixer}.mixer.conv_scale"), &[channels, 1, 1, 1], MIXER_GAIN);
        self.add(format!("{mixer}.layer_scale.gamma"), &[channels, 1, 1], Kind::LayerScale);
        self.mlp(name, stage);
        self.add(format!("{name}.layer_scale.gamma"), &[channels, 1, 1], Kind::LayerScale);
    }

    fn attention_block(&mut self, name: &str, stage: &MciStage, layer_norm: bool) {
        let channels = stage.channels;
        if layer_norm {
            self.conv_norm(&format!("{name}.norm"), channels);
        } else {
            self.batch_norm(&format!("{name}.norm"), channels);
        }
        self.weight(&format!("{name}.token_mixer.qkv"), &[3 * channels, channels], ATTENTION_GAIN);
        self.biased(&format!("{name}.token_mixer.proj"), &[channels, channels], 1.0);
        self.add(format!("{name}.layer_scale_1.gamma"), &[channels, 1, 1], Kind::LayerScale);
        self.mlp(name, stage);
        self.add(format!("{name}.layer_scale_2.gamma"), &[channels, 1, 1], Kind::LayerScale);
    }

    fn mlp(&mut self, name: &str, stage: &MciStage) {
        let channels = stage.channels;
        let hidden = stage.mlp_ratio * channels;
        self.conv_bn(&format!("{name}.mlp.conv"), &[channels, 1, 7, 7], 1.0);
        self.biased(&format!("{name}.mlp.fc1"), &[hidden, channels, 1, 1], 1.0);
        self.biased(&format!("{name}.mlp.fc2"), &[channels, hidden, 1, 1], SECOND_LINEAR_GAIN);
    }

    fn stem_vit(&mut self, stem: usize, blocks: &TowerSize, size: &MobileClipSize) {
        let trunk = "visual.trunk";
        let width = blocks.width;
        let tokens = size.grid() * size.grid();
        self.add(format!("{trunk}.cls_token"), &[1, 1, width], Kind::Embedding);
        self.add(format!("{trunk}.pos_embed"), &[1, tokens, width], Kind::Position);
        self.conv_bn(&format!("{trunk}.patch_embed.backbone.0"), &[stem, 3, 4, 4], 1.0);
        self.conv_bn(&format!("{trunk}.patch_embed.backbone.1"), &[stem, stem, 2, 2], 1.0);
        self.biased(&format!("{trunk}.patch_embed.backbone.2.conv"), &[width, stem, 2, 2], 1.0);
        self.trunk_blocks(trunk, blocks);
        self.head(&format!("{trunk}.head"), width, size, Kind::Bias);
    }

    fn vit(&mut self, patch: usize, blocks: &TowerSize, size: &MobileClipSize) {
        let trunk = "visual.trunk";
        let width = blocks.width;
        let tokens = size.grid() * size.grid() + 1;
        self.add(format!("{trunk}.cls_token"), &[1, 1, width], Kind::Embedding);
        self.add(format!("{trunk}.pos_embed"), &[1, tokens, width], Kind::Position);
        self.weight(&format!("{trunk}.patch_embed.proj"), &[width, 3, patch, patch], 1.0);
        self.norm(&format!("{trunk}.norm_pre"), width);
        self.trunk_blocks(trunk, blocks);
        self.head(&format!("{trunk}.head"), width, size, Kind::Bias);
    }

    /// timm's transformer blocks and final norm.
    fn trunk_blocks(&mut self, trunk: &str, blocks: &TowerSize) {
        let width = blocks.width;
        for i in 0..blocks.layers {
            let name = format!("{trunk}.blocks.{i}");
            self.norm(&format!("{name}.norm1"), width);
            self.linear(&format!("{name}.attn.qkv"), 3 * width, width, ATTENTION_GAIN);
            self.linear(&format!("{name}.attn.proj"), width, width, 1.0);
            self.norm(&format!("{name}.norm2"), width);
            self.linear(&format!("{name}.mlp.fc1"), blocks.mlp_width(), width, 1.0);
            self.linear(&format!("{name}.mlp.fc2"), width, blocks.mlp_width(), 1.0);
        }
        self.norm(&format!("{trunk}.norm"), width);
    }

    /// The projection to embeddings, whose bias is zero where Apple's layout of the model has none.
    fn head(&mut self, name: &str, inputs: usize, size: &MobileClipSize, bias: Kind) {
        self.weight(name, &[size.embed_dim, inputs], 1.0);
        let bias = match size.offer {
            Offer::Apple => return,
            Offer::Both => Kind::Zero,
            Offer::OpenClip | Offer::OpenClipNames => bias,
        };
        self.add(format!("{name}.bias"), &[size.embed_dim], bias);
    }

    fn text(&mut self, size: &MobileClipSize) {
        let width = size.text_blocks().width;
        let projection = vit::weight(width);
        self.add("text.positional_embedding".to_owned(), &[size.context_length, width], Kind::Position);
        self.add("text.text_projection".to_owned(), &[width, size.embed_dim], projection);
        self.add("text.token_embedding.weight".to_owned(), &[size.vocab_size, width], Kind::Embedding);
        match &size.text {
            TextTower::Transformer { blocks, .. } => {
                let mut all = Vec::new();
                vit::blocks(&mut all, "text.transformer", blocks);
                self.0.extend(all.into_iter().map(|tensor| Tensor { half: false, ..tensor }));
            }
            TextTower::Hybrid { kernel, blocks } => {
                let name = "text_encoder.transformer";
                self.text_mixer(&format!("{name}.0"), *kernel, blocks);
                for i in 1..=blocks.layers {
                    self.text_block(&format!("{name}.{i}"), blocks);
                }
                self.text_mixer(&format!("{name}.{}", blocks.layers + 1), *kernel, blocks);
            }
        }
        self.norm("text.ln_final", width);
    }

    /// A RepMixer block of the hybrid text tower, which has no 1x1 branch.
    fn text_mixer(&mut self, name: &str, kernel: usize, blocks: &TowerSize) {
        let (width, hidden) = (blocks.width, blocks.mlp_width());
        let mixer = format!("{name}.token_mixer");
        self.add(format!("{name}.layer_scale"), &[width, 1, 1], Kind::LayerScale);
        self.add(format!("{mixer}.layer_scale"), &[width, 1, 1], Kind::LayerScale);
        self.batch_norm(&format!("{mixer}.norm.rbr_skip"), width);
        self.batch_norm(&format!("{mixer}.mixer.rbr_skip"), width);
        self.conv_bn(&format!("{mixer}.mixer.rbr_conv.0"), &[width, 1, 1, kernel], 1.0);
        self.conv_bn(&format!("{name}.convffn.conv"), &[width, 1, 1, kernel], 1.0);
        self.biased(&format!("{name}.convffn.fc1"), &[hidden, width, 1, 1], 1.0);
        self.biased(&format!("{name}.convffn.fc2"), &[width, hidden, 1, 1], 1.0);
    }

    /// A transformer block under Apple's names.
    fn text_block(&mut self, name: &str, blocks: &TowerSize) {
        let (width, hidden) = (blocks.width, blocks.mlp_width());
        self.norm(&format!("{name}.pre_norm_mha.0"), width);
        self.linear(&format!("{name}.pre_norm_mha.1.qkv_proj"), 3 * width, width, ATTENTION_GAIN);
        self.linear(&format!("{name}.pre_norm_mha.1.out_proj"), width, width, 1.0);
        self.norm(&format!("{name}.pre_norm_ffn.0"), width);
        self.linear(&format!("{name}.pre_norm_ffn.1"), hidden, width, 1.0);
        self.linear(&format!("{name}.pre_norm_ffn.4"), width, hidden, 1.0);
    }
}
