//! The configuration of a checkpoint's model: what its tensors do not tell comes from flags, a known name,
//! configuration files or the layout, in this order, and what nobody tells is an error.
//!
//! Every source's claims about shapes are compared with the tensors, whichever source wins.

mod beside;
mod facts;
mod huggingface;
mod json;
mod known;
mod open_clip;

use std::path::Path;

use super::checkpoint::Checkpoint;
use super::error::Error;
use super::names::parts::{BlockShapes, Shapes};
use super::names::{Mapped, SourceLayout};
use super::options::ConvertOptions;
use crate::models;
use crate::models::config::{
    Activation, ImageConfig, ModelConfig, TextConfig, TextTransformerConfig, TransformerConfig, VitConfig,
};
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};
use facts::{Facts, Heads, TowerFacts};

pub use known::known_models;

/// Epsilon of every LayerNorm of these layouts unless a configuration says otherwise.
const NORM_EPS: f64 = 1e-5;
/// Channels of an attention head in every published model of these layouts.
const HEAD_WIDTH: usize = 64;

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
    let sources = Sources { path, all: sources(mapped.layout, folder, options)? };
    for source in &sources.all {
        source.check(path, shapes)?;
    }

    let (image_act, text_act, preprocess) = sources.settle(shapes)?;
    let image = ImageConfig::Vit(VitConfig {
        image_size: preprocess.image_size,
        patch_size: shapes.image.patch_size,
        pre_norm: true,
        blocks: sources.blocks("image", &shapes.image.blocks, image_act, |facts| &facts.image)?,
    });
    let text = TextConfig::Transformer(TextTransformerConfig {
        context_length: shapes.text.context_length,
        vocab_size: shapes.text.vocab_size,
        causal: sources.first(|facts| facts.causal).unwrap_or(true),
        blocks: sources.blocks("text", &shapes.text.blocks, text_act, |facts| &facts.text)?,
    });
    let model_name = match sources.first(|facts| facts.model_name.clone()) {
        Some(name) => Some(name),
        None if mapped.layout == SourceLayout::OpenAi => known::openai_name(shapes),
        None => None,
    };
    let config = ModelConfig { embed_dim: shapes.embed_dim, logit_scale, image: Some(image), text: Some(text) };
    match config.validate() {
        Ok(()) => Ok(Described { config, preprocess, model_name }),
        Err(models::Error::Config(reason)) => sources.undetermined(format!("its model cannot be run: {reason}")),
        Err(error) => sources.undetermined(error.to_string()),
    }
}

/// Every source, the one that wins first.
fn sources(layout: SourceLayout, folder: Option<&Path>, options: &ConvertOptions) -> Result<Vec<Facts>, Error> {
    let mut all = vec![flags(options)];
    if let Some(name) = &options.model {
        all.push(known::facts(name)?);
    }
    all.extend(match (&options.config, folder) {
        (Some(config), _) => beside::named(config)?,
        (None, Some(folder)) => beside::found(folder, layout)?,
        (None, None) => Vec::new(),
    });
    if layout == SourceLayout::OpenAi {
        all.push(known::openai());
    }
    Ok(all)
}

fn flags(options: &ConvertOptions) -> Facts {
    let mut facts = Facts::new("the command line");
    facts.image.activation = options.activation;
    facts.text.activation = options.activation;
    facts.image.heads = options.image_heads.map(Heads::Count);
    facts.text.heads = options.text_heads.map(Heads::Count);
    facts.preprocess.mean = options.mean;
    facts.preprocess.std = options.std;
    facts.preprocess.interpolation = options.interpolation;
    facts.preprocess.resize = options.resize;
    facts
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

    /// The activations of both towers and the preprocessing, or the flags that would settle them.
    fn settle(&self, shapes: &Shapes) -> Result<(Activation, Activation, PreprocessConfig), Error> {
        let image = self.first(|facts| facts.image.activation);
        let text = self.first(|facts| facts.text.activation);
        let mean = self.first(|facts| facts.preprocess.mean);
        let std = self.first(|facts| facts.preprocess.std);
        let interpolation: Option<Interpolation> = self.first(|facts| facts.preprocess.interpolation);
        let resize: Option<ResizeMode> = self.first(|facts| facts.preprocess.resize);
        let (Some(image), Some(text), Some(mean), Some(std), Some(interpolation), Some(resize)) =
            (image, text, mean, std, interpolation, resize)
        else {
            let flags = [
                (image.is_none() || text.is_none(), "activation", "--activation gelu|quick_gelu"),
                (mean.is_none(), "mean", "--mean R,G,B"),
                (std.is_none(), "standard deviation", "--std R,G,B"),
                (interpolation.is_none(), "interpolation", "--interpolation bilinear|bicubic"),
                (resize.is_none(), "resize mode", "--resize shortest|squash"),
            ];
            let open = || flags.iter().filter(|(open, ..)| *open);
            return self.undetermined(format!(
                "the tensors do not tell the {} that the model was trained with; give --model NAME (such as \
                 vit-b-32-openai), --config FILE, or {}",
                and(open().map(|flag| flag.1).collect()),
                open().map(|flag| flag.2).collect::<Vec<_>>().join(" "),
            ));
        };
        let whole_patches = shapes.image.grid.saturating_mul(shapes.image.patch_size);
        let image_size = self.first(Facts::image_size).unwrap_or(whole_patches);
        let preprocess = PreprocessConfig { image_size, resize, interpolation, mean, std };
        match preprocess.validate() {
            Ok(()) => Ok((image, text, preprocess)),
            Err(error) => self.undetermined(error.to_string()),
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
        let norm_eps = self.first(|facts| of(facts).norm_eps).unwrap_or(NORM_EPS);
        if !(norm_eps.is_finite() && norm_eps > 0.0) {
            return self.undetermined(format!("the {tower} tower's norm epsilon of {norm_eps} is not above zero"));
        }
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

#[cfg(test)]
mod tests;
