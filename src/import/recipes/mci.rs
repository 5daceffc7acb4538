//! The FastViT towers of MobileCLIP (MCi0 to MCi4), under timm's names or Apple's.

use super::Target;
use super::convs::{self, Convs, PartNames, Size, conv};
use super::names::Checklist;
use super::source::{Affine, Branch, Conv, Kernel, Order, Source};
use crate::models::config::{ImageConfig, MciConfig, MciStage, Mixer};

/// Channels of an attention head in every FastViT.
const HEAD_WIDTH: usize = 32;

/// Names and form of the modules of a tower.
pub(super) struct MciTower {
    part_names: &'static PartNames,
    /// Prefix of the stem's three convolutions, which a number follows.
    stem: String,
    stages: Vec<StageNames>,
    last: String,
    /// The layers of the last squeeze-and-excitation.
    squeeze: [String; 2],
    head: Head,
    /// Whether convolutions are folded into one branch each.
    folded: bool,
    /// Whether the first two convolutions of the stem have a branch of 1 x 1.
    stem_scale: bool,
}

/// Names of the modules of a stage.
#[derive(Default)]
struct StageNames {
    downsample: Option<String>,
    position: Option<String>,
    /// Prefix of the blocks, which a number follows.
    blocks: String,
    /// The norm before attention, in stages with attention.
    attention: Option<AttentionNorm>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AttentionNorm {
    Batch,
    Layer,
}

/// The projection to embeddings.
enum Head {
    /// A linear layer with a bias, `[embed_dim, channels]`.
    Linear(String),
    /// A matrix `[channels, embed_dim]`.
    Matrix(String),
}

impl MciTower {
    /// The tower under timm's names.
    pub(super) fn timm(names: &Checklist<'_>) -> Self {
        let trunk = "visual.trunk";
        let stages = names.count_blocks(&format!("{trunk}.stages."));
        let stage = |i: usize| {
            let stage = format!("{trunk}.stages.{i}");
            let position = format!("{stage}.pos_emb");
            StageNames {
                downsample: (i > 0).then(|| format!("{stage}.downsample.proj")),
                position: Some(position).filter(|position| names.has_prefix(&format!("{position}."))),
                blocks: format!("{stage}.blocks."),
                attention: None,
            }
        };
        MciTower {
            part_names: &convs::TIMM,
            stem: format!("{trunk}.stem."),
            stages: (0..stages).map(stage).collect(),
            last: format!("{trunk}.final_conv"),
            squeeze: ["fc1", "fc2"].map(|layer| format!("{trunk}.final_conv.se.{layer}")),
            head: Head::Linear(format!("{trunk}.head.fc")),
            folded: false,
            stem_scale: false,
        }
    }

    /// The tower under Apple's names.
    pub(super) fn apple(names: &Checklist<'_>) -> Self {
        let model = "image_encoder.model";
        // Apple numbers downsamplings, positions and stages in one sequence.
        let network = format!("{model}.network.");
        let mut stages = Vec::new();
        let mut stage = StageNames::default();
        for i in 0..names.count_blocks(&network) {
            let name = format!("{network}{i}");
            if names.has_prefix(&format!("{name}.proj.")) {
                stage.downsample = Some(name + ".proj");
            } else if names.has_prefix(&format!("{name}.pe.")) || names.has_prefix(&format!("{name}.reparam_conv.")) {
                stage.position = Some(name);
            } else {
                stage.blocks = name + ".";
                stages.push(std::mem::take(&mut stage));
            }
        }
        MciTower {
            part_names: &convs::APPLE,
            stem: format!("{model}.patch_embed."),
            stages,
            last: format!("{model}.conv_exp"),
            squeeze: ["reduce", "expand"].map(|layer| format!("{model}.conv_exp.se.{layer}")),
            head: Head::Matrix(format!("{model}.head.proj")),
            folded: false,
            stem_scale: false,
        }
    }

    /// Infers the tower from names and shapes, and the length of the embeddings.
    pub(super) fn draft(&mut self, names: &mut Checklist<'_>) -> (ImageConfig, usize) {
        let [first, second] = [0, 1].map(|i| format!("{}{i}", self.stem));
        let mut convs = Convs::new(names, self.part_names, &first);
        self.folded = convs.folded;
        let weight = convs.full_weight(&first);
        let [mut channels, ..] = convs.names.probe(&weight, [0, 3, 3, 3]);
        let scale = |stem: &String| convs.names.has_prefix(&format!("{stem}.{}.", self.part_names.scale));
        self.stem_scale = scale(&first) || scale(&second);

        let mut stages = Vec::new();
        for (i, places) in self.stages.iter_mut().enumerate() {
            if i > 0 {
                channels = channels.saturating_mul(2);
            }
            stages.push(places.draft(&mut convs, channels));
        }
        let outputs = channels.saturating_mul(2);
        let [squeeze_width, ..] = convs.names.probe(&format!("{}.weight", self.squeeze[0]), [0, outputs, 1, 1]);
        let embed_dim = self.head.probe(convs.names, outputs);
        (ImageConfig::Mci(MciConfig { image_size: 0, stages, squeeze_width, norm_eps: 1e-5 }), embed_dim)
    }

    /// The tensors that make a layer of the tower.
    pub(super) fn source(&self, names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
        let mut convs = Convs { names, part_names: self.part_names, folded: self.folded };
        let size = target.size;
        Some(Source::Conv(match target.path.get(1..)? {
            ["stem", i @ ("0" | "1")] => convs.branches(&format!("{}{i}", self.stem), size, self.stem_scale, false),
            ["stem", i] => convs.branches(&format!("{}{i}", self.stem), size, false, true),
            ["stages", i, rest @ ..] => {
                let stage = self.stages.get(i.parse::<usize>().ok()?)?;
                return stage.source(&mut convs, rest, target);
            }
            ["final", "dw"] => convs.branches(&self.last, size, true, false),
            ["final", "squeeze", layer] => convs.biased(&self.squeeze[usize::from(*layer == "fc2")], size),
            ["proj"] => self.head.take(convs.names, size),
            _ => return None,
        }))
    }
}

impl StageNames {
    fn draft(&mut self, convs: &mut Convs<'_, '_>, channels: usize) -> MciStage {
        let blocks = convs.names.count_blocks(&self.blocks);
        let mlp_width = convs.probe_mlp(&format!("{}0", self.blocks), channels);
        let has = |module: &str| convs.names.has_within(&self.blocks, module);
        self.attention = (has(".token_mixer.qkv.") || has(".token_mixer.proj."))
            .then(|| if has(".norm.running_") { AttentionNorm::Batch } else { AttentionNorm::Layer });
        let squeeze_width = self.downsample.as_ref().and_then(|name| {
            convs.names.has_prefix(&format!("{name}.0.se.")).then(|| {
                let [hidden, ..] = convs.names.probe(&format!("{name}.0.se.fc1.weight"), [0, channels, 1, 1]);
                hidden
            })
        });
        MciStage {
            channels,
            blocks,
            mixer: if self.attention.is_some() { Mixer::Attention } else { Mixer::RepMixer },
            heads: if self.attention.is_some() { channels / HEAD_WIDTH } else { 0 },
            attention_norm: self.attention == Some(AttentionNorm::Layer),
            mlp_width,
            position_encoding: self.position.is_some(),
            squeeze_width,
        }
    }

    fn source(&self, convs: &mut Convs<'_, '_>, path: &[&str], target: &Target<'_>) -> Option<Source> {
        let size = target.size;
        Some(Source::Conv(match path {
            ["downsample", rest @ ..] => {
                let name = self.downsample.as_ref()?;
                match rest {
                    ["dw"] => convs.large(&format!("{name}.0"), size),
                    ["squeeze", layer] => convs.biased(&format!("{name}.0.se.{layer}"), size),
                    ["pw"] => convs.branches(&format!("{name}.1"), size, false, true),
                    _ => return None,
                }
            }
            ["position"] => convs.position(self.position.as_ref()?, size),
            ["blocks", j, rest @ ..] => return self.block_source(convs, &format!("{}{j}", self.blocks), rest, target),
            _ => return None,
        }))
    }

    fn block_source(
        &self,
        convs: &mut Convs<'_, '_>,
        block: &str,
        path: &[&str],
        target: &Target<'_>,
    ) -> Option<Source> {
        let token_mixer = format!("{block}.token_mixer");
        Some(match path {
            ["mixer"] => Source::Conv(convs.mixer(&token_mixer, target.size, true)),
            ["qkv"] => {
                let norm = format!("{block}.norm");
                let norm = Some(match self.attention? {
                    AttentionNorm::Batch => Affine::Batch(convs.batch_norm(&norm, target.inputs)),
                    AttentionNorm::Layer => Affine::Layer(convs.names.take_norm(&norm, target.inputs)),
                });
                let linear = convs.names.take_unbiased(&format!("{token_mixer}.qkv.weight"), target);
                Source::Linear { linear, norm, layer_scale: None }
            }
            ["out"] => {
                let linear = convs.names.take_linear(&format!("{token_mixer}.proj"), target);
                Source::scaled(linear, convs.factor(&format!("{block}.layer_scale_1"), target.outputs))
            }
            ["ffn", "dw"] => Source::Conv(convs.mlp_conv(block, target.size)),
            ["ffn", "fc1"] => Source::linear(convs.mlp_linear(block, "fc1", target.inputs, target.outputs)),
            ["ffn", "fc2"] => {
                let scale = if self.attention.is_some() { "layer_scale_2" } else { "layer_scale" };
                let linear = convs.mlp_linear(block, "fc2", target.inputs, target.outputs);
                Source::scaled(linear, convs.factor(&format!("{block}.{scale}"), target.outputs))
            }
            _ => return None,
        })
    }
}

impl Head {
    /// Infers the number of outputs of the head from its shape.
    fn probe(&self, names: &mut Checklist<'_>, inputs: usize) -> usize {
        match self {
            Head::Linear(name) => {
                let [embed_dim, _] = names.probe(&format!("{name}.weight"), [0, inputs]);
                embed_dim
            }
            Head::Matrix(name) => {
                let [_, embed_dim] = names.probe(name, [inputs, 0]);
                embed_dim
            }
        }
    }

    fn take(&self, names: &mut Checklist<'_>, size: Size) -> Conv {
        let [outputs, inputs, ..] = size;
        let (weight, order, bias) = match self {
            Head::Linear(name) => {
                let bias = names.take(format!("{name}.bias"), &[outputs]);
                (names.take(format!("{name}.weight"), &[outputs, inputs]), Order::OutIn, Some(bias))
            }
            Head::Matrix(name) => (names.take(name.clone(), &[inputs, outputs]), Order::InOut, None),
        };
        let weight = Some(Kernel { name: weight, order, sides: [1, 1] });
        conv(size, vec![Branch { weight, bias, norm: None, negative: false }])
    }
}
