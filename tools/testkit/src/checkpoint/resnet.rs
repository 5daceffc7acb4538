//! CLIP's ResNets: the published models by name, tiny ones of other sizes, and their tensors.
//!
//! Names of tensors are OpenAI's, which open_clip kept. Sizes are those of open_clip's `RN*.json`.

use super::model::{Architecture, Model, OPENAI_MEAN, OPENAI_STD, TowerSize};
use super::tensor::{Kind, Tensor};
use super::vit::{self, ATTENTION_GAIN, weight};

/// Gain of convolutions that ReLU follows: it halves the second moment.
pub const RELU_GAIN: f64 = 1.4;

/// Gain of the last convolution of a bottleneck, so that maps stay of one size through dozens of residuals.
pub const RESIDUAL_GAIN: f64 = 0.5;

/// Sizes of a ResNet with a text transformer.
#[derive(Clone, Debug, PartialEq)]
pub struct ResnetSize {
    /// Length of the embeddings.
    pub embed_dim: usize,
    /// Side of the input in pixels, a multiple of 32.
    pub image_size: usize,
    /// Channels after the stem.
    pub width: usize,
    /// Bottlenecks of each stage.
    pub layers: [usize; 4],
    /// Number of token positions.
    pub context_length: usize,
    /// Rows of the token embedding; the last two are the start and the end token.
    pub vocab_size: usize,
    /// The text tower's blocks.
    pub text: TowerSize,
}

impl ResnetSize {
    /// Pixels per side of the last maps.
    pub fn grid(&self) -> usize {
        self.image_size / 32
    }
}

/// The published models.
pub fn published() -> Vec<Model> {
    let size = |archive: &str| {
        let (embed_dim, image_size, width, layers, text) = match archive {
            "RN50" => (1024, 224, 64, [3, 4, 6, 3], 512),
            "RN101" => (512, 224, 64, [3, 4, 23, 3], 512),
            "RN50x4" => (640, 288, 80, [4, 6, 10, 6], 640),
            "RN50x16" => (768, 384, 96, [6, 8, 18, 8], 768),
            _ => (1024, 448, 128, [3, 15, 36, 10], 1024),
        };
        let text = TowerSize::openai(text, 12);
        ResnetSize { embed_dim, image_size, width, layers, context_length: 77, vocab_size: 49408, text }
    };
    [
        ("rn50-openai", "RN50"),
        ("rn101-openai", "RN101"),
        ("rn50x4-openai", "RN50x4"),
        ("rn50x16-openai", "RN50x16"),
        ("rn50x64-openai", "RN50x64"),
        ("rn50-yfcc15m", "RN50"),
        ("rn101-yfcc15m", "RN101"),
        ("rn50-cc12m", "RN50"),
    ]
    .into_iter()
    .map(|(name, archive)| model(name, archive, size(archive)))
    .collect()
}

/// Models small enough to generate, convert and run within a test, of sizes that fit no tile.
pub fn tiny() -> Vec<Model> {
    let text = TowerSize::openai(64, 2);
    vec![
        // Channels that are no multiples of 16, an odd grid.
        model(
            "tiny-resnet",
            "tiny-resnet",
            ResnetSize {
                embed_dim: 20,
                image_size: 96,
                width: 12,
                layers: [1, 2, 1, 1],
                context_length: 11,
                vocab_size: 90,
                text: text.clone(),
            },
        ),
        // More than one block in the first and the last stage, an odd number of channels in the stem.
        model(
            "tiny-resnet-odd",
            "tiny-resnet-odd",
            ResnetSize {
                embed_dim: 33,
                image_size: 64,
                width: 18,
                layers: [2, 1, 1, 2],
                context_length: 9,
                vocab_size: 64,
                text,
            },
        ),
    ]
}

fn model(name: &str, archive: &str, size: ResnetSize) -> Model {
    Model {
        name: name.to_owned(),
        archive: archive.to_owned(),
        architecture: Architecture::Resnet(size),
        quick_gelu: true,
        mean: OPENAI_MEAN,
        std: OPENAI_STD,
        interpolation: "bicubic",
    }
}

/// All tensors, in the order of open_clip's state dict.
pub fn tensors(size: &ResnetSize) -> Vec<Tensor> {
    let (text, w) = (&size.text, size.width);
    let mut all = vec![
        Tensor::single("positional_embedding", &[size.context_length, text.width], Kind::Position),
        Tensor::half("text_projection", &[text.width, size.embed_dim], weight(text.width)),
        Tensor::single("logit_scale", &[], Kind::LogitScale),
    ];
    // The first has the gain of the patches of a vision transformer, whose name it has.
    for (i, inputs, outputs, gain) in [(1, 3, w / 2, 1.0), (2, w / 2, w / 2, RELU_GAIN), (3, w / 2, w, RELU_GAIN)] {
        convolution(&mut all, &format!("visual.conv{i}"), [outputs, inputs, 3, 3], gain);
        batch_norm(&mut all, &format!("visual.bn{i}"), outputs);
    }
    let mut inputs = w;
    for (stage, &blocks) in size.layers.iter().enumerate() {
        let planes = w << stage;
        for j in 0..blocks {
            let block = format!("visual.layer{}.{j}", stage + 1);
            let outputs = 4 * planes;
            for (i, shape, gain) in [
                (1, [planes, inputs, 1, 1], RELU_GAIN),
                (2, [planes, planes, 3, 3], RELU_GAIN),
                (3, [outputs, planes, 1, 1], RESIDUAL_GAIN),
            ] {
                convolution(&mut all, &format!("{block}.conv{i}"), shape, gain);
                batch_norm(&mut all, &format!("{block}.bn{i}"), shape[0]);
            }
            if j == 0 {
                convolution(&mut all, &format!("{block}.downsample.0"), [outputs, inputs, 1, 1], 1.0);
                batch_norm(&mut all, &format!("{block}.downsample.1"), outputs);
            }
            inputs = outputs;
        }
    }
    let positions = size.grid() * size.grid() + 1;
    all.push(Tensor::single("visual.attnpool.positional_embedding", &[positions, inputs], Kind::Position));
    for (part, outputs, gain) in
        [("k", inputs, ATTENTION_GAIN), ("q", inputs, ATTENTION_GAIN), ("v", inputs, 1.0), ("c", size.embed_dim, 1.0)]
    {
        let kind = Kind::Weight { fan_in: inputs, gain };
        all.push(Tensor::half(format!("visual.attnpool.{part}_proj.weight"), &[outputs, inputs], kind));
        all.push(Tensor::half(format!("visual.attnpool.{part}_proj.bias"), &[outputs], Kind::Bias));
    }
    vit::blocks(&mut all, "transformer", text);
    all.push(Tensor::single("token_embedding.weight", &[size.vocab_size, text.width], Kind::Embedding));
    vit::norm(&mut all, "ln_final", text.width);
    all
}

fn convolution(all: &mut Vec<Tensor>, name: &str, shape: [usize; 4], gain: f64) {
    let kind = Kind::Weight { fan_in: shape[1] * shape[2] * shape[3], gain };
    all.push(Tensor::half(format!("{name}.weight"), &shape, kind));
}

fn batch_norm(all: &mut Vec<Tensor>, name: &str, channels: usize) {
    for (part, kind) in [
        ("weight", Kind::NormWeight),
        ("bias", Kind::ConvNormBias),
        ("running_mean", Kind::RunningMean),
        ("running_var", Kind::RunningVariance),
    ] {
        all.push(Tensor::single(format!("{name}.{part}"), &[channels], kind));
    }
}
