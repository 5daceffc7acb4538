//! The FastViT towers of MobileCLIP (MCi0 to MCi4), in timm's words or Apple's.

use super::convs::{self, Convs, Words, conv};
use super::parts::{
    Affine, Branch, Conv, DownsampleParts, Kernel, Linear, MciBlock, MciParts, MciShapes, MixerParts, MixerShapes,
    Order, StageParts, StageShapes,
};
use super::taker::Taker;

/// Where the modules of a tower are.
struct Places {
    words: &'static Words,
    /// The stem's three convolutions are numbered behind it.
    stem: String,
    stages: Vec<StagePlaces>,
    last: String,
    /// The last squeeze and excitation's layers.
    squeeze: [String; 2],
    head: Head,
}

/// Where a stage's modules are.
#[derive(Default)]
struct StagePlaces {
    downsample: Option<String>,
    position: Option<String>,
    /// The blocks are numbered behind it.
    blocks: String,
}

/// What makes embeddings.
enum Head {
    /// A linear layer with a bias, `[embed_dim, channels]`.
    Linear(String),
    /// A matrix `[channels, embed_dim]`.
    Matrix(String),
}

/// The tower under timm's names, and the length of the embeddings.
pub(super) fn take_timm(taker: &mut Taker<'_>) -> (MciParts, MciShapes, usize) {
    let trunk = "visual.trunk";
    let stages = taker.count_blocks(&format!("{trunk}.stages."));
    let stage = |i: usize| {
        let stage = format!("{trunk}.stages.{i}");
        let position = format!("{stage}.pos_emb");
        StagePlaces {
            downsample: (i > 0).then(|| format!("{stage}.downsample.proj")),
            position: Some(position).filter(|position| taker.has_prefix(&format!("{position}."))),
            blocks: format!("{stage}.blocks."),
        }
    };
    let places = Places {
        words: &convs::TIMM,
        stem: format!("{trunk}.stem."),
        stages: (0..stages).map(stage).collect(),
        last: format!("{trunk}.final_conv"),
        squeeze: ["fc1", "fc2"].map(|layer| format!("{trunk}.final_conv.se.{layer}")),
        head: Head::Linear(format!("{trunk}.head.fc")),
    };
    places.take(taker)
}

/// The tower under Apple's names, and the length of the embeddings.
pub(super) fn take_apple(taker: &mut Taker<'_>) -> (MciParts, MciShapes, usize) {
    let model = "image_encoder.model";
    // Downsamplings, positions and the blocks of a stage are numbered in one row.
    let network = format!("{model}.network.");
    let mut stages = Vec::new();
    let mut stage = StagePlaces::default();
    for i in 0..taker.count_blocks(&network) {
        let name = format!("{network}{i}");
        if taker.has_prefix(&format!("{name}.proj.")) {
            stage.downsample = Some(name + ".proj");
        } else if taker.has_prefix(&format!("{name}.pe.")) || taker.has_prefix(&format!("{name}.reparam_conv.")) {
            stage.position = Some(name);
        } else {
            stage.blocks = name + ".";
            stages.push(std::mem::take(&mut stage));
        }
    }
    let places = Places {
        words: &convs::APPLE,
        stem: format!("{model}.patch_embed."),
        stages,
        last: format!("{model}.conv_exp"),
        squeeze: ["reduce", "expand"].map(|layer| format!("{model}.conv_exp.se.{layer}")),
        head: Head::Matrix(format!("{model}.head.proj")),
    };
    places.take(taker)
}

impl Places {
    fn take(&self, taker: &mut Taker<'_>) -> (MciParts, MciShapes, usize) {
        let mut convs = Convs::new(taker, self.words, &format!("{}0", self.stem));
        let [stem_0, stem_1, stem_2] = [0, 1, 2].map(|i| format!("{}{i}", self.stem));
        let [channels, ..] = convs.taker.probe(&convs.full_weight(&stem_0), [0, 3, 3, 3]);
        let scale = [&stem_0, &stem_1].map(|stem| convs.taker.has_prefix(&format!("{stem}.{}.", self.words.scale)));
        let scale = scale.contains(&true);
        let stem = [
            convs.branches(&stem_0, [channels, 3, 3, 3], scale, false),
            convs.branches(&stem_1, [channels, 1, 3, 3], scale, false),
            convs.branches(&stem_2, [channels, channels, 1, 1], false, true),
        ];

        let (mut stages, mut shapes) = (Vec::new(), Vec::new());
        let mut channels = channels;
        for (i, places) in self.stages.iter().enumerate() {
            if i > 0 {
                channels = channels.saturating_mul(2);
            }
            let (stage, shape) = self.take_stage(&mut convs, places, channels);
            stages.push(stage);
            shapes.push(shape);
        }

        let outputs = channels.saturating_mul(2);
        let [squeeze, ..] = convs.taker.probe(&format!("{}.weight", self.squeeze[0]), [0, outputs, 1, 1]);
        let last = convs.branches(&self.last, [outputs, 1, 3, 3], true, false);
        let [fc1, fc2] = &self.squeeze;
        let last_squeeze = convs.squeeze([fc1, fc2], outputs, squeeze);
        let (proj, embed_dim) = self.head.take(convs.taker, outputs);
        let parts = MciParts { stem, stages, last, squeeze: last_squeeze, proj };
        (parts, MciShapes { stages: shapes, squeeze }, embed_dim)
    }

    fn take_stage(&self, convs: &mut Convs<'_, '_>, places: &StagePlaces, c: usize) -> (StageParts, StageShapes) {
        let blocks = convs.taker.count_blocks(&places.blocks);
        let mlp_width = convs.probe_mlp(&format!("{}0", places.blocks), c);
        let has = |taker: &Taker<'_>, module: &str| taker.has_within(&places.blocks, module);
        let mixer = if has(convs.taker, ".token_mixer.qkv.") || has(convs.taker, ".token_mixer.proj.") {
            match has(convs.taker, ".norm.running_") {
                true => MixerShapes::BatchAttention,
                false => MixerShapes::LayerAttention,
            }
        } else {
            MixerShapes::Rep
        };

        let mut squeeze = None;
        let downsample = places.downsample.as_ref().map(|name| {
            let layers = ["fc1", "fc2"].map(|layer| format!("{name}.0.se.{layer}"));
            if convs.taker.has_prefix(&format!("{name}.0.se.")) {
                let [hidden, ..] = convs.taker.probe(&format!("{}.weight", layers[0]), [0, c, 1, 1]);
                squeeze = Some(hidden);
            }
            DownsampleParts {
                dw: convs.large(&format!("{name}.0"), [c, 1, 7, 7]),
                squeeze: squeeze.map(|hidden| convs.squeeze([&layers[0], &layers[1]], c, hidden)),
                pw: convs.branches(&format!("{name}.1"), [c, c, 1, 1], false, true),
            }
        });
        let position = places.position.as_ref().map(|name| convs.position(name, [c, 1, 7, 7]));
        let take_block = |j| take_block(convs, &format!("{}{j}", places.blocks), mixer, c, mlp_width);
        let parts = StageParts { downsample, position, blocks: (0..blocks).map(take_block).collect() };
        let position = parts.position.is_some();
        (parts, StageShapes { channels: c, blocks, mlp_width, mixer, squeeze, position })
    }
}

fn take_block(convs: &mut Convs<'_, '_>, name: &str, mixer: MixerShapes, c: usize, hidden: usize) -> MciBlock {
    let token_mixer = format!("{name}.token_mixer");
    let (mixer, scale) = match mixer {
        MixerShapes::Rep => (MixerParts::Rep(convs.mixer(&token_mixer, [c, 1, 3, 3], true)), "layer_scale"),
        MixerShapes::BatchAttention | MixerShapes::LayerAttention => {
            let norm = format!("{name}.norm");
            let norm = match mixer {
                MixerShapes::BatchAttention => Affine::Batch(convs.batch_norm(&norm, c)),
                _ => Affine::Layer(convs.taker.take_norm(&norm, c)),
            };
            let triple = c.saturating_mul(3);
            let qkv = Linear {
                weight: vec![convs.taker.take(format!("{token_mixer}.qkv.weight"), &[triple, c])],
                order: Order::OutIn,
                bias: Vec::new(),
                k: c,
                n: triple,
            };
            let out = convs.taker.take_linear(&format!("{token_mixer}.proj"), c, c);
            let scale = convs.factor(&format!("{name}.layer_scale_1"), c);
            (MixerParts::Attention { norm, qkv, out, scale }, "layer_scale_2")
        }
    };
    MciBlock { mixer, mlp: convs.mlp(name, scale, c, hidden, [7, 7]) }
}

impl Head {
    /// The head of so many inputs, and its outputs.
    fn take(&self, taker: &mut Taker<'_>, inputs: usize) -> (Conv, usize) {
        let (weight, order, bias, embed_dim) = match self {
            Head::Linear(name) => {
                let weight = format!("{name}.weight");
                let [embed_dim, _] = taker.probe(&weight, [0, inputs]);
                let bias = taker.take(format!("{name}.bias"), &[embed_dim]);
                (taker.take(weight, &[embed_dim, inputs]), Order::OutIn, Some(bias), embed_dim)
            }
            Head::Matrix(name) => {
                let [_, embed_dim] = taker.probe(name, [inputs, 0]);
                (taker.take(name.clone(), &[inputs, embed_dim]), Order::InOut, None, embed_dim)
            }
        };
        let weight = Some(Kernel { name: weight, order, sides: [1, 1] });
        let branch = Branch { weight, bias, norm: None, negative: false };
        (conv([embed_dim, inputs, 1, 1], vec![branch]), embed_dim)
    }
}
