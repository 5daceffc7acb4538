//! Resolves every open setting by the precedence of its sources.

use std::path::Path;

use super::facts::{Facts, Heads};
use crate::import::error::Error;
use crate::models::config::{Activation, OpenSettings};
use crate::preprocess::PreprocessConfig;
use crate::weights::Tower;

/// Epsilon of every LayerNorm unless a source states another.
const NORM_EPS: f64 = 1e-5;
/// Channels of an attention head unless a source states another.
const HEAD_WIDTH: usize = 64;

/// All sources by precedence.
pub(super) struct Sources<'a> {
    /// The checkpoint, for messages.
    pub path: &'a Path,
    pub all: Vec<Facts>,
}

/// Settings without a default. Those that the towers do not have may be absent.
pub(super) struct Resolved {
    image_activation: Option<Activation>,
    text_activation: Option<Activation>,
    causal: Option<bool>,
    pub preprocess: PreprocessConfig,
}

impl Sources<'_> {
    /// The fact of the first source that has it.
    pub(super) fn first<T>(&self, fact: impl Fn(&Facts) -> Option<T>) -> Option<T> {
        self.all.iter().find_map(fact)
    }

    /// Resolves the settings without a default. If no source states one, fails with the flags to give; `example` is a
    /// model name for that message.
    pub(super) fn resolve(
        &self,
        image: &OpenSettings<'_>,
        text: &OpenSettings<'_>,
        example: &str,
    ) -> Result<Resolved, Error> {
        let image_activation = self.first(|facts| facts.image.activation);
        let text_activation = self.first(|facts| facts.text.activation);
        let causal = self.first(|facts| facts.causal);
        let drafted = image.image_size.as_deref().copied().filter(|&size| size > 0);
        let image_size = self.first(Facts::image_size).or(drafted);
        let mean = self.first(|facts| facts.preprocess.mean);
        let std = self.first(|facts| facts.preprocess.std);
        let interpolation = self.first(|facts| facts.preprocess.interpolation);
        let resize = self.first(|facts| facts.preprocess.resize);

        let is_activation_open = (image.activation.is_some() && image_activation.is_none())
            || (text.activation.is_some() && text_activation.is_none());
        let is_causal_open = text.causal.is_some() && causal.is_none();
        let (false, false, Some(image_size), Some(mean), Some(std), Some(interpolation), Some(resize)) =
            (is_activation_open, is_causal_open, image_size, mean, std, interpolation, resize)
        else {
            let flags = [
                (is_activation_open, "activation", Some("--activation gelu|gelu_tanh|quick_gelu")),
                (is_causal_open, "direction of attention over text", None),
                (image_size.is_none(), "image size", None),
                (mean.is_none(), "mean", Some("--mean R,G,B")),
                (std.is_none(), "standard deviation", Some("--std R,G,B")),
                (interpolation.is_none(), "interpolation", Some("--interpolation bilinear|bicubic")),
                (resize.is_none(), "resize mode", Some("--resize shortest|squash")),
            ];
            let open = || flags.iter().filter(|(open, ..)| *open);
            let names = and(open().map(|flag| flag.1).collect());
            // Flags are no remedy unless there is one for every open setting.
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
            Ok(()) => Ok(Resolved { image_activation, text_activation, causal, preprocess }),
            Err(error) => self.undetermined(error.to_string()),
        }
    }

    /// Fills in the open settings of a tower.
    pub(super) fn fill(&self, tower: Tower, open: OpenSettings<'_>, resolved: &Resolved) -> Result<(), Error> {
        let activation = match tower {
            Tower::Image => resolved.image_activation,
            Tower::Text => resolved.text_activation,
        };
        if let Some(norm_eps) = open.norm_eps {
            *norm_eps = self.norm_eps(tower)?;
        }
        if let Some((heads, width)) = open.heads {
            *heads = self.heads(tower, width)?;
        }
        if let Some(padding) = open.stem_padding {
            *padding = self.first(|facts| facts.stem_padding).unwrap_or(0);
        }
        if let Some(image_size) = open.image_size {
            *image_size = resolved.preprocess.image_size;
        }
        // `resolve` has refused open settings that no source states.
        if let (Some(open), Some(activation)) = (open.activation, activation) {
            *open = activation;
        }
        if let (Some(open), Some(causal)) = (open.causal, resolved.causal) {
            *open = causal;
        }
        if let (Some(open), Some(pooling)) = (open.pooling, self.first(|facts| facts.pooling)) {
            *open = pooling;
        }
        Ok(())
    }

    fn norm_eps(&self, tower: Tower) -> Result<f64, Error> {
        let eps = self.first(|facts| facts.tower(tower).norm_eps).unwrap_or(NORM_EPS);
        match eps.is_finite() && eps > 0.0 {
            true => Ok(eps),
            false => self.undetermined(format!("the {} tower's norm epsilon of {eps} is not above zero", tower.name())),
        }
    }

    fn heads(&self, tower: Tower, width: usize) -> Result<usize, Error> {
        let name = tower.name();
        let Some((source, heads)) = self.all.iter().find_map(|facts| Some((facts, facts.tower(tower).heads?))) else {
            return match width.is_multiple_of(HEAD_WIDTH) {
                true => Ok(width / HEAD_WIDTH),
                false => self.undetermined(format!(
                    "the tensors do not tell how many attention heads the {name} tower has, and its width of \
                     {width} is no multiple of {HEAD_WIDTH}; give --{name}-heads N or --config FILE"
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
                field: format!("the {name} tower's {what}"),
                claimed: divisor.to_string(),
                found: format!("a width of {width}, which is no multiple"),
            });
        }
        Ok(match heads {
            Heads::Count(count) => count,
            Heads::Width(head_width) => width / head_width,
        })
    }

    pub(super) fn undetermined<T>(&self, reason: String) -> Result<T, Error> {
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
