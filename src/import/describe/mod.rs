//! The configuration of a checkpoint's model: what its tensors do not tell comes from flags, a known name,
//! configuration files or the layout, in this order, and what nobody tells is an error.
//!
//! Every source's claims about shapes are compared with the tensors, whichever source wins.

mod apple;
mod beside;
mod facts;
mod huggingface;
mod json;
mod known;
mod open_clip;
mod trunk;

use std::path::Path;

use super::checkpoint::Checkpoint;
use super::error::Error;
use super::names::parts::{BlockShapes, ImageShapes, MciShapes, MixerShapes, StageShapes, VitShapes};
use super::names::{Mapped, SourceLayout};
use super::options::ConvertOptions;
use crate::models;
use crate::models::config::{
    Activation, ConvStem, ImageConfig, MciConfig, MciStage, Mixer, ModelConfig, TextConfig, TextHybridConfig,
    TextTransformerConfig, TransformerConfig, VitConfig,
};
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};
use facts::{Facts, Heads, TowerFacts};

pub use known::{known_models, known_preprocess};

/// Epsilon of every LayerNorm of these layouts unless a configuration says otherwise.
const NORM_EPS: f64 = 1e-5;
/// Channels of an attention head in every published model of these layouts.
const HEAD_WIDTH: usize = 64;
/// Channels of an attention head in every FastViT.
const MCI_HEAD_WIDTH: usize = 32;

/// What a checkpoint's model is.
#[derive(Debug)]
pub(super) struct Described {
    pub config: ModelConfig,
    pub preprocess: PreprocessConfig,
    pub model_name: Option<String>,
}

/// Describes the model of a checkpoint, whose configuration files may lie in `folder`.
pub(super) fn describe(
    checkpoint: &Checkpoint,
    mapped: &Mapped,
    logit_scale: f32,
    folder: Option<&Path>,
    options: &ConvertOptions,
) -> Result<Described, Error> {
    let path = checkpoint.path();
    let shapes = &mapped.shapes;
    let sources = Sources { path, all: sources(mapped, folder, options)? };
    for source in &sources.all {
        source.check(path, shapes)?;
    }

    let Settled { image_activation, text_activation, causal, preprocess } = sources.settle(mapped)?;
    let image = match &shapes.image {
        ImageShapes::Vit(vit) => sources.vit(vit, image_activation, preprocess.image_size)?,
        ImageShapes::Mci(mci) => sources.mci(mci, preprocess.image_size)?,
    };
    unused_options(options, &shapes.image)?;
    let (context_length, vocab_size) = (shapes.text.context_length, shapes.text.vocab_size);
    let blocks = sources.blocks("text", &shapes.text.blocks, text_activation, |facts| &facts.text)?;
    let text = match shapes.text.kernel {
        Some(kernel_size) => TextConfig::Hybrid(TextHybridConfig { context_length, vocab_size, kernel_size, blocks }),
        None => TextConfig::Transformer(TextTransformerConfig { context_length, vocab_size, causal, blocks }),
    };
    let model_name = sources.first(|facts| facts.model_name.clone()).or_else(|| match mapped.layout {
        SourceLayout::OpenAi => known::openai_name(shapes),
        SourceLayout::Apple => known::apple_name(shapes),
        SourceLayout::OpenClip | SourceLayout::HuggingFace => None,
    });
    let config = ModelConfig { embed_dim: shapes.embed_dim, logit_scale, image: Some(image), text: Some(text) };
    match config.validate() {
        Ok(()) => Ok(Described { config, preprocess, model_name }),
        Err(models::Error::Config(reason)) => sources.undetermined(format!("its model cannot be run: {reason}")),
        Err(error) => sources.undetermined(error.to_string()),
    }
}

/// Every source, the one that wins first.
fn sources(mapped: &Mapped, folder: Option<&Path>, options: &ConvertOptions) -> Result<Vec<Facts>, Error> {
    let mut all = vec![flags(options)];
    if let Some(name) = &options.model {
        all.push(known::facts(name)?);
    }
    all.extend(match (&options.config, folder) {
        (Some(config), _) => beside::named(config)?,
        (None, Some(folder)) => beside::found(folder, mapped.layout)?,
        (None, None) => Vec::new(),
    });
    all.extend(known::layout(mapped));
    Ok(all)
}

fn flags(options: &ConvertOptions) -> Facts {
    let mut facts = Facts::new("the command line");
    facts.image.activation = options.activation;
    facts.text.activation = options.activation;
    facts.image.heads = options.image_heads.map(Heads::Count);
    facts.text.heads = options.text_heads.map(Heads::Count);
    facts.image.norm_eps = options.norm_eps;
    facts.stem_padding = options.stem_padding;
    facts.preprocess.mean = options.mean;
    facts.preprocess.std = options.std;
    facts.preprocess.interpolation = options.interpolation;
    facts.preprocess.resize = options.resize;
    facts
}

/// Refuses what has nothing to apply to.
fn unused_options(options: &ConvertOptions, image: &ImageShapes) -> Result<(), Error> {
    let (flag, what) = match image {
        ImageShapes::Mci(_) if options.image_heads.is_some() => {
            ("--image-heads", "a FastViT, whose heads have 32 channels")
        }
        ImageShapes::Mci(_) if options.stem_padding.is_some() => ("--stem-padding", "a FastViT"),
        ImageShapes::Vit(vit) if options.stem_padding.is_some() && vit.stem.is_none() => {
            ("--stem-padding", "a vision transformer without convolutional stem")
        }
        _ => return Ok(()),
    };
    Err(Error::Option { reason: format!("{flag} does not apply: the image tower is {what}; leave it out") })
}

/// What the tensors do not tell, settled.
struct Settled {
    image_activation: Activation,
    text_activation: Activation,
    causal: bool,
    preprocess: PreprocessConfig,
}

/// All sources, the one that wins first.
struct Sources<'a> {
    path: &'a Path,
    all: Vec<Facts>,
}

impl Sources<'_> {
    fn first<T>(&self, fact: impl Fn(&Facts) -> Option<T>) -> Option<T> {
        self.all.iter().find_map(fact)
    }

    /// What the tensors do not tell, or the flags that would settle it.
    fn settle(&self, mapped: &Mapped) -> Result<Settled, Error> {
        let image = self.first(|facts| facts.image.activation);
        let text = self.first(|facts| facts.text.activation);
        let mean = self.first(|facts| facts.preprocess.mean);
        let std = self.first(|facts| facts.preprocess.std);
        let interpolation: Option<Interpolation> = self.first(|facts| facts.preprocess.interpolation);
        let resize: Option<ResizeMode> = self.first(|facts| facts.preprocess.resize);
        // All text towers but some of MobileCLIP's are causal.
        let causal = self.first(|facts| facts.causal).or((!mapped.timm).then_some(true));
        let image_size = self.first(Facts::image_size).or(match &mapped.shapes.image {
            ImageShapes::Vit(vit) => Some(vit.grid.saturating_mul(vit.patch_size)),
            ImageShapes::Mci(_) => None,
        });
        let (
            Some(image_activation),
            Some(text_activation),
            Some(causal),
            Some(image_size),
            Some(mean),
            Some(std),
            Some(interpolation),
            Some(resize),
        ) = (image, text, causal, image_size, mean, std, interpolation, resize)
        else {
            let flags = [
                (image.is_none() || text.is_none(), "activation", Some("--activation gelu|quick_gelu")),
                (causal.is_none(), "direction of attention over text", None),
                (image_size.is_none(), "image size", None),
                (mean.is_none(), "mean", Some("--mean R,G,B")),
                (std.is_none(), "standard deviation", Some("--std R,G,B")),
                (interpolation.is_none(), "interpolation", Some("--interpolation bilinear|bicubic")),
                (resize.is_none(), "resize mode", Some("--resize shortest|squash")),
            ];
            let open = || flags.iter().filter(|(open, ..)| *open);
            let names = and(open().map(|flag| flag.1).collect());
            let example = if mapped.timm { "mobileclip2-s0" } else { "vit-b-32-openai" };
            // Where there is no flag for everything, flags alone do not help.
            let remedy = match open().map(|flag| flag.2).collect::<Option<Vec<_>>>() {
                Some(flags) => format!("--model NAME (such as {example}), --config FILE, or {}", flags.join(" ")),
                None => format!("--model NAME (such as {example}) or --config FILE"),
            };
            return self.undetermined(format!(
                "the tensors do not tell the {names} that the model was trained with; give {remedy}"
            ));
        };
        let preprocess = PreprocessConfig { image_size, resize, interpolation, mean, std };
        match preprocess.validate() {
            Ok(()) => Ok(Settled { image_activation, text_activation, causal, preprocess }),
            Err(error) => self.undetermined(error.to_string()),
        }
    }

    fn vit(&self, shapes: &VitShapes, activation: Activation, image_size: usize) -> Result<ImageConfig, Error> {
        let padding = self.first(|facts| facts.stem_padding).unwrap_or(0);
        Ok(ImageConfig::Vit(VitConfig {
            image_size,
            patch_size: shapes.patch_size,
            pre_norm: shapes.pre_norm,
            stem: shapes.stem.map(|width| ConvStem { width, padding }),
            blocks: self.blocks("image", &shapes.blocks, activation, |facts| &facts.image)?,
        }))
    }

    fn mci(&self, shapes: &MciShapes, image_size: usize) -> Result<ImageConfig, Error> {
        let stages: Result<Vec<MciStage>, Error> = shapes.stages.iter().map(|stage| self.mci_stage(stage)).collect();
        let (stages, squeeze_width) = (stages?, shapes.squeeze);
        Ok(ImageConfig::Mci(MciConfig {
            image_size,
            stages,
            squeeze_width,
            norm_eps: self.eps("image", |facts| &facts.image)?,
        }))
    }

    fn mci_stage(&self, shapes: &StageShapes) -> Result<MciStage, Error> {
        let StageShapes { channels, blocks, mlp_width, mixer, squeeze, position } = *shapes;
        let heads = match mixer {
            MixerShapes::Rep => 0,
            _ if channels.is_multiple_of(MCI_HEAD_WIDTH) => channels / MCI_HEAD_WIDTH,
            _ => {
                return self.undetermined(format!(
                    "its attention over {channels} channels, which is no multiple of {MCI_HEAD_WIDTH}, is not supported"
                ));
            }
        };
        Ok(MciStage {
            channels,
            blocks,
            mixer: if mixer == MixerShapes::Rep { Mixer::RepMixer } else { Mixer::Attention },
            heads,
            attention_norm: mixer == MixerShapes::LayerAttention,
            mlp_width,
            position_encoding: position,
            squeeze_width: squeeze,
        })
    }

    fn eps(&self, tower: &str, of: impl Fn(&Facts) -> &TowerFacts) -> Result<f64, Error> {
        let eps = self.first(|facts| of(facts).norm_eps).unwrap_or(NORM_EPS);
        match eps.is_finite() && eps > 0.0 {
            true => Ok(eps),
            false => self.undetermined(format!("the {tower} tower's norm epsilon of {eps} is not above zero")),
        }
    }

    fn blocks(
        &self,
        tower: &str,
        shapes: &BlockShapes,
        activation: Activation,
        of: impl Fn(&Facts) -> &TowerFacts,
    ) -> Result<TransformerConfig, Error> {
        let BlockShapes { width, layers, mlp_width } = *shapes;
        let norm_eps = self.eps(tower, &of)?;
        let heads = self.heads(tower, width, of)?;
        Ok(TransformerConfig { width, layers, heads, mlp_width, activation, norm_eps })
    }

    fn heads(&self, tower: &str, width: usize, of: impl Fn(&Facts) -> &TowerFacts) -> Result<usize, Error> {
        let Some((source, heads)) = self.all.iter().find_map(|facts| Some((facts, of(facts).heads?))) else {
            return match width.is_multiple_of(HEAD_WIDTH) {
                true => Ok(width / HEAD_WIDTH),
                false => self.undetermined(format!(
                    "the tensors do not tell how many attention heads the {tower} tower has, and its width of \
                     {width} is no multiple of {HEAD_WIDTH}; give --{tower}-heads N or --config FILE"
                )),
            };
        };
        let (divisor, what) = match heads {
            Heads::Count(count) => (count, "attention heads"),
            Heads::Width(width) => (width, "width of an attention head"),
        };
        if divisor == 0 || !width.is_multiple_of(divisor) {
            return Err(Error::Contradiction {
                path: self.path.to_owned(),
                claimant: source.source.clone(),
                field: format!("the {tower} tower's {what}"),
                claimed: divisor.to_string(),
                found: format!("a width of {width}, which is no multiple"),
            });
        }
        Ok(match heads {
            Heads::Count(count) => count,
            Heads::Width(head_width) => width / head_width,
        })
    }

    fn undetermined<T>(&self, reason: String) -> Result<T, Error> {
        Err(Error::Undetermined { path: self.path.to_owned(), reason })
    }
}

/// `a`, `a and b`, `a, b and c`.
fn and(words: Vec<&str>) -> String {
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(all(test, repository))]
mod tests;
