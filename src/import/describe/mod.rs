//! The configuration of a checkpoint's model.
//!
//! Names and shapes of tensors give a draft ([`Mapped::draft`]). Its open settings and the preprocessing come from
//! flags, a known name, configuration files and the layout, in this order; the first source that states a setting wins.
//! A setting that no source states is an error that names the flags to use. Claims of any source about sizes must agree
//! with the draft. Each field of a configuration file has a rule in [`tables`]; one without is refused.
//!
//! Knows no architecture: a draft states its own sizes and open settings.

mod apple;
mod facts;
mod huggingface;
mod json;
mod layouts;
mod named;
mod open_clip;
mod pieces;
mod pipeline;
mod processor;
mod resolve;
mod sidecars;
mod siglip;
mod tables;
mod tokenizer;
mod transformers;
mod vocabulary;
mod words;

use std::path::Path;

#[cfg(fuzzing)]
pub(super) use sidecars::fuzz;

use super::checkpoint::Checkpoint;
use super::error::{COMMAND_LINE, Error};
use super::options::ConvertOptions;
use super::recipes::Mapped;
use crate::models;
use crate::models::config::{ImageConfig, ModelConfig, OpenSettings, TextConfig};
use crate::preprocess::PreprocessConfig;
use crate::tokenizer::{Clean, Tokenizer, TokenizerConfig};
use crate::weights::Tower;
use facts::{Facts, Heads};
use pieces::Family;
use resolve::Sources;
use sidecars::Texts;

/// The model of a checkpoint.
#[derive(Debug)]
pub(super) struct Described {
    pub config: ModelConfig,
    pub preprocess: PreprocessConfig,
    /// `None` for a model whose text tower takes ids alone.
    pub tokenizer: Option<TokenizerConfig>,
    /// The tokenizer for the weights file, if its pieces come with the model.
    pub pieces: Option<Vec<u32>>,
    pub model_name: Option<String>,
}

/// Describes the model of a checkpoint. `folder` may hold its configuration files.
pub(super) fn describe(
    checkpoint: &Checkpoint,
    mapped: &Mapped,
    (logit_scale, logit_bias): (f32, Option<f32>),
    folder: Option<&Path>,
    options: &ConvertOptions,
) -> Result<Described, Error> {
    let path = checkpoint.path();
    let draft = &mapped.draft;
    let sources = Sources { path, all: sources(mapped, folder, options)? };
    for source in &sources.all {
        source.check_family(path, mapped.sigmoid)?;
        source.check(path, draft)?;
    }

    let mut config = draft.clone();
    config.logit_scale = logit_scale;
    config.logit_bias = logit_bias;
    let kind = config.image.as_ref().map_or("absent", ImageConfig::kind);
    let image = config.image.as_mut().map(ImageConfig::open_settings).unwrap_or_default();
    let text = config.text.as_mut().map(TextConfig::open_settings).unwrap_or_default();
    let unused = unused_option(options, &image, kind);
    let resolved = sources.resolve(&image, &text, layouts::example(mapped))?;
    sources.fill(Tower::Image, image, &resolved)?;
    unused?;
    sources.fill(Tower::Text, text, &resolved)?;

    let model_name = sources.first(|facts| facts.model_name.clone());
    let model_name = model_name.or_else(|| named::recognise(mapped.layout, draft).map(str::to_owned));
    let preprocess = resolved.preprocess;
    let clean = sources.first(|facts| facts.clean);
    let rows = config.text.as_ref().map_or(0, TextConfig::vocab_size);
    let (tokenizer, pieces) = match Family::of(mapped) {
        None => {
            vocabulary::warn(path, &config);
            (Some(TokenizerConfig::clip().with_clean(clean.unwrap_or(Clean::Lower))), None)
        }
        Some(_) if options.without_tokenizer => (None, None),
        Some(family) => {
            let named = options.config.as_deref();
            let stored = pieces::read(family, rows, path, clean, named, &sidecars::folders(named, folder))?;
            (Some(stored.config), Some(stored.words))
        }
    };
    match config.validate() {
        Ok(()) => Ok(Described { config, preprocess, tokenizer, pieces, model_name }),
        Err(models::Error::Config(reason)) => sources.undetermined(format!("its model cannot be run: {reason}")),
        Err(error) => sources.undetermined(error.to_string()),
    }
}

/// Every source of settings, by precedence.
fn sources(mapped: &Mapped, folder: Option<&Path>, options: &ConvertOptions) -> Result<Vec<Facts>, Error> {
    let mut all = vec![flags(options)];
    if let Some(name) = &options.model {
        all.push(named::facts(name)?);
    }
    // Texts are read with the vocabulary only by a text tower that has its rows.
    let texts = match (Family::of(mapped), mapped.draft.text.as_ref().map(TextConfig::vocab_size)) {
        (Some(family), _) => Texts::Pieces(family),
        (None, Some(rows)) if Tokenizer::clip().serves(rows) => Texts::Clip,
        (None, None) if mapped.sigmoid => Texts::Absent,
        (None, _) => Texts::Unknown,
    };
    all.extend(sidecars::read(options.config.as_deref(), folder, mapped.layout, texts)?);
    all.push(layouts::facts(mapped));
    if mapped.draft.image.is_none() {
        all.push(layouts::without_image());
    }
    Ok(all)
}

fn flags(options: &ConvertOptions) -> Facts {
    let mut facts = Facts::new(COMMAND_LINE);
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

/// Refuses a flag for a setting that an image tower of this kind does not have.
fn unused_option(options: &ConvertOptions, open: &OpenSettings<'_>, kind: &str) -> Result<(), Error> {
    let refuse = |flag: &str, why: String| {
        Err(Error::Option { reason: format!("{flag} does not apply: the image tower is {kind}{why}; leave it out") })
    };
    if options.image_heads.is_some() && open.heads.is_none() {
        let why = open.fixed_head_width.map(|width| format!(", whose heads have {width} channels"));
        return refuse("--image-heads", why.unwrap_or_default());
    }
    if options.stem_padding.is_some() && open.stem_padding.is_none() {
        return refuse("--stem-padding", String::new());
    }
    Ok(())
}

#[cfg(all(test, repository))]
mod tests;
