//! The canonical tensors of a model in the order of the file, and how each is made of the checkpoint's.

use super::checkpoint::Checkpoint;
use super::error::Error;
use super::fold::conv::{self, Reorder};
use super::fold::{self, Fold, NormRef};
use super::names::parts::{
    Block, Conv, ConvMlpParts, ImageParts, Linear, MciBlock, MciParts, MixerParts, Norm, Parts, SqueezeParts,
    StageParts, StemParts, TextParts, VitParts,
};
use crate::models::config::{ImageConfig, ModelConfig, TextConfig, TransformerConfig, VitConfig};
use crate::weights::{Dtype, Layout, TensorSpec, Tower};

/// One or two canonical tensors that are made together.
pub(super) struct Job<'a> {
    weight: TensorSpec,
    /// The bias that comes out with the weight.
    bias: Option<TensorSpec>,
    make: Make<'a>,
}

/// How the tensors of a [`Job`] are made.
#[derive(Clone, Copy)]
enum Make<'a> {
    Linear(&'a Linear, Fold<'a>),
    Dense { conv: &'a Conv, reorder: Reorder, channels_last: bool },
    Depthwise(&'a Conv, Reorder),
    Rows(&'a str),
    ImagePositions { class: &'a str, position: &'a str, class_has_position: bool },
}

/// Takes a finished tensor.
pub(super) type Sink<'s> = dyn FnMut(&TensorSpec, &[f32]) -> Result<(), Error> + 's;

impl Job<'_> {
    pub(super) fn specs(&self) -> impl Iterator<Item = &TensorSpec> {
        std::iter::once(&self.weight).chain(&self.bias)
    }

    /// Makes the tensors and hands them to `sink` in the order of the file; `buffer` is scratch.
    pub(super) fn run(&self, checkpoint: &Checkpoint, buffer: &mut Vec<f32>, sink: &mut Sink<'_>) -> Result<(), Error> {
        let bias = match self.make {
            Make::Linear(linear, fold) => fold::linear(checkpoint, linear, fold, buffer)?,
            Make::Dense { conv, reorder, channels_last } => {
                conv::dense(checkpoint, conv, reorder, channels_last, buffer)?
            }
            Make::Depthwise(conv, reorder) => conv::depthwise(checkpoint, conv, reorder, buffer)?,
            Make::Rows(name) => {
                fold::rows(checkpoint, name, buffer)?;
                Vec::new()
            }
            Make::ImagePositions { class, position, class_has_position } => {
                fold::image_positions(checkpoint, class, position, class_has_position, buffer)?;
                Vec::new()
            }
        };
        sink(&self.weight, buffer)?;
        match &self.bias {
            Some(spec) => sink(spec, &bias),
            None => Ok(()),
        }
    }
}

/// The canonical tensors in the order of the file.
pub(super) fn jobs<'a>(checkpoint: &Checkpoint, parts: &'a Parts, config: &ModelConfig) -> Result<Vec<Job<'a>>, Error> {
    let mut jobs = Jobs { tower: Tower::Image, jobs: Vec::new() };
    match (&parts.image, &config.image) {
        (ImageParts::Vit(parts), Some(ImageConfig::Vit(config))) => jobs.push_vit(parts, config),
        (ImageParts::Mci(parts), Some(ImageConfig::Mci(config))) => {
            let heads: Vec<usize> = config.stages.iter().map(|stage| stage.heads).collect();
            jobs.push_mci(parts, &heads);
        }
        _ => {}
    }
    jobs.tower = Tower::Text;
    let (context_length, vocab_size, blocks) = match &config.text {
        Some(TextConfig::Transformer(text)) => (text.context_length, text.vocab_size, &text.blocks),
        Some(TextConfig::Hybrid(text)) => (text.context_length, text.vocab_size, &text.blocks),
        None => return Ok(jobs.jobs),
    };
    // Lookup tables are read row by row, so that a smaller type costs nothing where it loses nothing.
    let halves = fold::fits_halves(checkpoint, &parts.text.token_embedding)?;
    let dtype = if halves { Dtype::F16 } else { Dtype::F32 };
    jobs.push_text(&parts.text, blocks, (vocab_size, dtype), context_length);
    Ok(jobs.jobs)
}

/// The input of a convolution with twice as many outputs as inputs is in order, its output is not.
const FIRST: Reorder = Reorder { inputs: false, outputs: true };
const LAST: Reorder = Reorder { inputs: true, outputs: false };

fn norm(norm: &Norm) -> Fold<'_> {
    Fold { norm: Some(NormRef::Layer(norm)), ..Fold::default() }
}

fn layer_scale(name: &str) -> Fold<'_> {
    Fold { layer_scale: Some(name), ..Fold::default() }
}

/// Factor of the queries' outputs.
fn query_scale(width: usize, heads: usize) -> Option<(usize, f64)> {
    Some((width, (width as f64 / heads as f64).sqrt().recip()))
}

struct Jobs<'a> {
    tower: Tower,
    jobs: Vec<Job<'a>>,
}

impl<'a> Jobs<'a> {
    fn spec(&self, name: &str, layout: Layout, shape: Vec<usize>) -> TensorSpec {
        let name = format!("{}.{name}", self.tower.name());
        TensorSpec { name, tower: self.tower, dtype: Dtype::F32, layout, shape }
    }

    fn push(&mut self, name: &str, shape: Vec<usize>, make: Make<'a>) {
        self.jobs.push(Job { weight: self.spec(name, Layout::Rows, shape), bias: None, make });
    }

    fn push_linear(&mut self, name: &str, linear: &'a Linear, fold: Fold<'a>, bias: bool) {
        let weight = self.spec(&format!("{name}.weight"), Layout::Panels16, vec![linear.k, linear.n]);
        let bias = bias.then(|| self.spec(&format!("{name}.bias"), Layout::Panels16, vec![linear.n]));
        self.jobs.push(Job { weight, bias, make: Make::Linear(linear, fold) });
    }

    fn push_dense(&mut self, name: &str, conv: &'a Conv, reorder: Reorder, channels_last: bool) {
        let k = conv.inputs * conv.kernel[0] * conv.kernel[1];
        let weight = self.spec(&format!("{name}.weight"), Layout::Panels16, vec![k, conv.outputs]);
        let bias = Some(self.spec(&format!("{name}.bias"), Layout::Panels16, vec![conv.outputs]));
        self.jobs.push(Job { weight, bias, make: Make::Dense { conv, reorder, channels_last } });
    }

    fn push_depthwise(&mut self, name: &str, conv: &'a Conv, reorder: Reorder) {
        let taps = conv.kernel[0] * conv.kernel[1];
        let weight = self.spec(&format!("{name}.weight"), Layout::Rows, vec![taps, conv.outputs]);
        let bias = Some(self.spec(&format!("{name}.bias"), Layout::Rows, vec![conv.outputs]));
        self.jobs.push(Job { weight, bias, make: Make::Depthwise(conv, reorder) });
    }

    fn push_vit(&mut self, parts: &'a VitParts, config: &VitConfig) {
        let width = config.blocks.width;
        match &parts.stem {
            StemParts::Patch(patch) => self.push_linear("patch", patch, Fold::default(), false),
            StemParts::Convs([first, second, third]) => {
                // The first looks at pixels, which are stored channel by channel.
                self.push_dense("stem.0", first, Reorder::default(), false);
                self.push_dense("stem.1", second, Reorder::default(), true);
                self.push_dense("stem.2", third, Reorder::default(), true);
            }
        }
        let class_has_position = matches!(parts.stem, StemParts::Patch(_));
        let (class, position) = (&parts.class_embedding, &parts.position);
        let make = Make::ImagePositions { class, position, class_has_position };
        self.push("position", vec![config.tokens(), width], make);
        if let Some(ln_pre) = &parts.ln_pre {
            self.push("ln_pre.weight", vec![width], Make::Rows(&ln_pre.weight));
            self.push("ln_pre.bias", vec![width], Make::Rows(&ln_pre.bias));
        }
        self.push_blocks(&parts.blocks, &config.blocks);
        self.push_linear("proj", &parts.proj, norm(&parts.ln_post), true);
    }

    /// `heads` are those of each stage.
    fn push_mci(&mut self, parts: &'a MciParts, heads: &[usize]) {
        let [first, second, third] = &parts.stem;
        self.push_dense("stem.0", first, Reorder::default(), false);
        self.push_depthwise("stem.1", second, Reorder::default());
        self.push_dense("stem.2", third, Reorder::default(), false);
        for (i, (stage, heads)) in parts.stages.iter().zip(heads).enumerate() {
            self.push_stage(&format!("stages.{i}"), stage, *heads);
        }
        self.push_depthwise("final.dw", &parts.last, FIRST);
        self.push_squeeze("final.squeeze", &parts.squeeze);
        self.push_dense("proj", &parts.proj, LAST, false);
    }

    fn push_stage(&mut self, name: &str, stage: &'a StageParts, heads: usize) {
        if let Some(downsample) = &stage.downsample {
            self.push_depthwise(&format!("{name}.downsample.dw"), &downsample.dw, FIRST);
            if let Some(squeeze) = &downsample.squeeze {
                self.push_squeeze(&format!("{name}.downsample.squeeze"), squeeze);
            }
            self.push_dense(&format!("{name}.downsample.pw"), &downsample.pw, LAST, false);
        }
        if let Some(position) = &stage.position {
            self.push_depthwise(&format!("{name}.position"), position, Reorder::default());
        }
        for (j, block) in stage.blocks.iter().enumerate() {
            self.push_mci_block(&format!("{name}.blocks.{j}"), block, heads);
        }
    }

    fn push_mci_block(&mut self, name: &str, block: &'a MciBlock, heads: usize) {
        match &block.mixer {
            MixerParts::Rep(mixer) => self.push_depthwise(&format!("{name}.mixer"), mixer, Reorder::default()),
            MixerParts::Attention { norm, qkv, out, scale } => {
                let fold = Fold { norm: Some(norm.into()), scale: query_scale(qkv.k, heads), layer_scale: None };
                self.push_linear(&format!("{name}.qkv"), qkv, fold, true);
                self.push_linear(&format!("{name}.out"), out, layer_scale(scale), true);
            }
        }
        self.push_mlp(name, &block.mlp);
    }

    fn push_mlp(&mut self, name: &str, mlp: &'a ConvMlpParts) {
        self.push_depthwise(&format!("{name}.ffn.dw"), &mlp.dw, Reorder::default());
        self.push_linear(&format!("{name}.ffn.fc1"), &mlp.fc1, Fold::default(), true);
        self.push_linear(&format!("{name}.ffn.fc2"), &mlp.fc2, layer_scale(&mlp.scale), true);
    }

    fn push_squeeze(&mut self, name: &str, squeeze: &'a SqueezeParts) {
        self.push_dense(&format!("{name}.fc1"), &squeeze.fc1, LAST, false);
        // Hidden channels are in order.
        self.push_dense(&format!("{name}.fc2"), &squeeze.fc2, FIRST, false);
    }

    /// `(vocab_size, dtype)` are those of the token embedding.
    fn push_text(
        &mut self,
        parts: &'a TextParts,
        config: &TransformerConfig,
        (vocab_size, dtype): (usize, Dtype),
        context_length: usize,
    ) {
        let width = config.width;
        self.push("token_embedding", vec![vocab_size, width], Make::Rows(&parts.token_embedding));
        if let Some(table) = self.jobs.last_mut() {
            table.weight.dtype = dtype;
        }
        self.push("position", vec![context_length, width], Make::Rows(&parts.position));
        let (first, last) = match &parts.mixers {
            Some([first, last]) => (Some(first), Some(last)),
            None => (None, None),
        };
        if let Some(first) = first {
            self.push_depthwise("first.mixer", &first.mixer, Reorder::default());
            self.push_mlp("first", &first.mlp);
        }
        self.push_blocks(&parts.blocks, config);
        if let Some(last) = last {
            self.push_depthwise("last.mixer", &last.mixer, Reorder::default());
            self.push_mlp("last", &last.mlp);
        }
        self.push_linear("proj", &parts.proj, norm(&parts.ln_final), true);
    }

    fn push_blocks(&mut self, blocks: &'a [Block], config: &TransformerConfig) {
        let scale = query_scale(config.width, config.heads);
        for (i, block) in blocks.iter().enumerate() {
            let at = |part: &str| format!("blocks.{i}.{part}");
            let qkv = Fold { norm: Some(NormRef::Layer(&block.ln_1)), scale, layer_scale: None };
            self.push_linear(&at("qkv"), &block.qkv, qkv, true);
            self.push_linear(&at("out"), &block.out, Fold::default(), true);
            self.push_linear(&at("fc1"), &block.fc1, norm(&block.ln_2), true);
            self.push_linear(&at("fc2"), &block.fc2, Fold::default(), true);
        }
    }
}
