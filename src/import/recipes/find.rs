//! Finds the model in a checkpoint: the prefix of its names, its layout, its towers.
//!
//! Programs that train models put prefixes before every name (`module.`, `_orig_mod.`, `model.`), in any nesting, and
//! keep copies and heads of their own beside the model. So prefixes are not listed anywhere: whatever precedes a name
//! that a layout is known by is tried, and the model is where a layout is complete. Everything else is left out only if
//! the options say so. What such programs put within names, around one tower or block, is left out by `convert`.

use std::collections::{BTreeSet, HashSet};

use super::names::{Checklist, Rest};
use super::source::Source;
use super::{LAYOUTS, Mapped, SourceLayout, Target, has_no_blocks, timm};
use crate::import::checkpoint::Checkpoint;
use crate::import::error::{Error, printable};
use crate::import::options::ConvertOptions;
use crate::models::config::ModelConfig;
use crate::models::{Layer, layers};

/// Maximum number of prefixes that are tried, and of layouts that are recognised.
const MAX_PREFIXES: usize = 256;
const MAX_CANDIDATES: usize = 16;
/// Work to compare the parts of a name with all anchors, for each byte of it.
const ANCHOR_WORK: u64 = 16;
/// Work to map a tensor.
const MAP_WORK: u64 = 1000;

/// Recognises the layout of a checkpoint and maps its tensors.
pub(in crate::import) fn map(checkpoint: &Checkpoint, options: &ConvertOptions) -> Result<Mapped, Error> {
    if let Some(info) = checkpoint.tensors().find(|info| info.name.split('.').any(|part| part.starts_with("lora_"))) {
        return adapter(checkpoint, &format!("its tensor `{}` is of a LoRA adapter", printable(info.name)));
    }
    if let Some(reason) = checkpoint.tensors().find_map(|info| naflex(info.name, info.shape)) {
        return unsupported(checkpoint, reason);
    }
    let found = prefixes(checkpoint)?;
    let prefixes = match &options.prefix {
        Some(prefix) => BTreeSet::from([chosen(checkpoint, prefix, &found)?]),
        None => found.clone(),
    };
    let candidates = candidates(checkpoint, &prefixes)?;
    let mut complete = candidates.iter().filter(|candidate| candidate.is_complete());
    if let (Some(first), Some(second)) = (complete.next(), complete.next()) {
        let all: Vec<String> = [first, second].into_iter().chain(complete).map(Candidate::describe).collect();
        return unsupported(
            checkpoint,
            &format!("it holds several models, with the prefixes {}; choose one with --prefix", all.join(", ")),
        );
    }
    // The only complete one, else the one that most tensors belong to: what it lacks is the reason.
    let best = candidates.into_iter().max_by_key(|candidate| (candidate.is_complete(), candidate.names.found().len()));
    match best {
        Some(best) => best.finish(checkpoint, options, &found),
        None => unknown(checkpoint),
    }
}

/// Whatever precedes a name that a layout is known by, up to a dot.
fn prefixes(checkpoint: &Checkpoint) -> Result<BTreeSet<String>, Error> {
    let mut prefixes = BTreeSet::new();
    for info in checkpoint.tensors() {
        let work = (info.name.len() as u64).saturating_mul(ANCHOR_WORK);
        checkpoint.budget().work(work).map_err(|exhausted| Error::exhausted(exhausted, checkpoint.path()))?;
        let starts = std::iter::once(0).chain(info.name.match_indices('.').map(|(dot, _)| dot + 1));
        for start in starts {
            let (prefix, rest) = info.name.split_at(start);
            let is_anchor = |anchor: &&str| match anchor.ends_with('.') {
                true => rest.starts_with(anchor),
                false => rest == *anchor,
            };
            if LAYOUTS.iter().flat_map(|layout| layout.anchors).any(is_anchor) && !prefixes.contains(prefix) {
                prefixes.insert(prefix.to_owned());
            }
        }
        if prefixes.len() > MAX_PREFIXES {
            return unsupported(checkpoint, &format!("parts of models begin at more than {MAX_PREFIXES} prefixes"));
        }
    }
    Ok(prefixes)
}

/// The prefix that the options give, with the dot that they may omit.
fn chosen(checkpoint: &Checkpoint, prefix: &str, found: &BTreeSet<String>) -> Result<String, Error> {
    let full = if prefix.is_empty() || prefix.ends_with('.') { prefix.to_owned() } else { format!("{prefix}.") };
    if checkpoint.starting_with(&full).next().is_some() {
        return Ok(full);
    }
    let known: Vec<String> = candidates(checkpoint, found)?.iter().map(Candidate::describe).collect();
    let known = match known.as_slice() {
        [] => "it holds no model of a known layout".to_owned(),
        [alone] if alone.starts_with(&quoted("")) => {
            "the names of its model have no prefix; leave --prefix out".to_owned()
        }
        known => format!("the prefixes of models in it are {}", known.join(", ")),
    };
    Err(Error::Option {
        reason: format!(
            "--prefix {}: no tensor of {} has a name that starts so; {known}",
            printable(prefix),
            checkpoint.path().display()
        ),
    })
}

fn quoted(prefix: &str) -> String {
    if prefix.is_empty() { "\"\"".to_owned() } else { format!("`{}`", printable(prefix)) }
}

/// A layout at a prefix, with its tensors.
struct Candidate<'a> {
    layout: SourceLayout,
    timm: bool,
    names: Checklist<'a>,
    draft: ModelConfig,
    sources: Vec<(Layer, Source)>,
    logit_scale: Option<String>,
    logit_bias: Option<String>,
    sigmoid: bool,
    /// The draft has no layers.
    refused: Option<String>,
    /// A layer that the layout does not have.
    without_source: Option<String>,
}

/// The layouts at `prefixes`, without those whose tensors all belong to another one: a tower is not a model of its own
/// where the whole model is.
fn candidates<'a>(checkpoint: &'a Checkpoint, prefixes: &BTreeSet<String>) -> Result<Vec<Candidate<'a>>, Error> {
    let mut all = Vec::new();
    for prefix in prefixes {
        let names = Checklist::new(checkpoint, prefix);
        let Some(mut recipe) = LAYOUTS.iter().find_map(|layout| (layout.recognise)(&names)) else {
            continue;
        };
        let work = (checkpoint.tensors().count() as u64).saturating_mul(MAP_WORK);
        checkpoint.budget().work(work).map_err(|exhausted| Error::exhausted(exhausted, checkpoint.path()))?;
        if all.len() >= MAX_CANDIDATES {
            return unsupported(
                checkpoint,
                &format!("it holds more than {MAX_CANDIDATES} models or parts of models; choose one with --prefix"),
            );
        }
        all.push(Candidate::new(names, &mut *recipe));
    }
    let found: Vec<HashSet<&str>> = all.iter().map(|candidate| candidate.names.found()).collect();
    let is_part = |i: usize| {
        found.iter().enumerate().any(|(other, all)| {
            let mine = &found[i];
            // Of equal ones, the first remains.
            i != other && (mine.len(), other) < (all.len(), i) && mine.is_subset(all)
        })
    };
    let parts: Vec<bool> = (0..all.len()).map(is_part).collect();
    drop(found);
    let mut parts = parts.into_iter();
    all.retain(|_| parts.next() != Some(true));
    Ok(all)
}

impl<'a> Candidate<'a> {
    fn new(mut names: Checklist<'a>, recipe: &mut dyn super::Recipe) -> Self {
        let draft = recipe.draft(&mut names);
        let mut sources = Vec::new();
        let (mut refused, mut without_source) = (None, None);
        match layers(&draft) {
            Err(error) => refused = Some(error.to_string()),
            Ok(layers) => {
                for layer in layers {
                    match recipe.source(&mut names, &Target::new(&layer)) {
                        Some(source) => sources.push((layer, source)),
                        None => without_source = without_source.or(Some(layer.path)),
                    }
                }
            }
        }
        // One tower alone has nothing to scale.
        let is_whole = draft.image.is_some() && draft.text.is_some();
        let logit_scale = (is_whole || names.has("logit_scale")).then(|| names.take_number("logit_scale"));
        let sigmoid = recipe.is_sigmoid();
        let logit_bias = (sigmoid && (is_whole || names.has("logit_bias"))).then(|| names.take_number("logit_bias"));
        let (layout, timm) = (recipe.layout(), names.has_prefix(timm::TRUNK));
        Candidate { layout, timm, names, draft, sources, logit_scale, logit_bias, sigmoid, refused, without_source }
    }

    fn is_complete(&self) -> bool {
        let is_supported = self.refused.is_none() && self.without_source.is_none() && !has_no_blocks(&self.draft);
        self.names.is_complete() && is_supported
    }

    /// Its prefix and towers.
    fn describe(&self) -> String {
        let towers = match (&self.draft.image, &self.draft.text) {
            (Some(_), None) => " (image tower)",
            (None, Some(_)) => " (text tower)",
            _ => "",
        };
        format!("{}{towers}", quoted(self.names.prefix()))
    }

    /// Reports all errors; without any, returns the model.
    ///
    /// `prefixes` are those of all models and parts of models in the checkpoint.
    fn finish(
        self,
        checkpoint: &Checkpoint,
        options: &ConvertOptions,
        prefixes: &BTreeSet<String>,
    ) -> Result<Mapped, Error> {
        let Candidate {
            layout,
            timm,
            names,
            draft,
            sources,
            logit_scale,
            logit_bias,
            sigmoid,
            refused,
            without_source,
        } = self;
        if let Some(reason) = refused {
            return unsupported(checkpoint, &reason);
        }
        let prefix = names.prefix().to_owned();
        let Rest { ignored, unknown, mut extra, outside } = names.rest();
        let mut left_out = Vec::new();
        if options.prefix.is_some() {
            // A prefix that was chosen excludes everything without it, and other models whose prefix is longer.
            let is_longer = |other: &&String| other.len() > prefix.len() && other.starts_with(&prefix);
            let longer: Vec<&String> = prefixes.iter().filter(is_longer).collect();
            let is_other = |name: &mut String| longer.iter().any(|other| name.starts_with(other.as_str()));
            left_out.extend(extra.extract_if(.., is_other));
            left_out.extend(outside);
        } else {
            extra.extend(outside);
        }
        if options.ignore_extra {
            left_out.append(&mut extra);
        }
        if names.is_complete()
            && draft.image.is_none()
            && let Some(kind) = unsupported_tower(extra.iter().map(String::as_str))
        {
            return unsupported(checkpoint, &format!("{kind}; add --ignore-extra for its other tower alone"));
        }
        names.finish(layout.as_str(), unknown, extra)?;
        if has_no_blocks(&draft) {
            return unsupported(checkpoint, "a tower or stage of it has no blocks");
        }
        // Reported last: tensors that are missing or left over say more about the checkpoint.
        if let Some(path) = without_source {
            return unsupported(checkpoint, &format!("the {layout} layout has no `{path}`"));
        }
        Ok(Mapped {
            layout,
            prefix,
            timm,
            draft,
            layers: sources,
            logit_scale,
            logit_bias,
            sigmoid,
            ignored,
            extra: left_out,
        })
    }
}

/// Refuses a checkpoint that no recipe recognises; the message names its kind if that is known.
fn unknown<T>(checkpoint: &Checkpoint) -> Result<T, Error> {
    if let Some(kind) = unsupported_tower(checkpoint.tensors().map(|info| info.name)) {
        return unsupported(checkpoint, kind);
    }
    let folder = checkpoint.path().parent();
    if folder.is_some_and(|folder| folder.join("adapter_config.json").is_file()) {
        return adapter(checkpoint, "it is an adapter, as adapter_config.json beside it says");
    }
    let mut listed = checkpoint.tensors().map(|info| format!("`{}`", printable(info.name)));
    let some: Vec<String> = listed.by_ref().take(3).collect();
    let rest = listed.count();
    unsupported(
        checkpoint,
        &format!(
            "its tensors ({}{}) are of no known layout; CLIP vision transformers of OpenAI, open_clip and \
             Hugging Face, ResNets of OpenAI and open_clip, MobileCLIP of open_clip and Apple, SigLIP of open_clip and \
             Hugging Face, Perception Encoder of open_clip and Meta, and text towers of XLM-RoBERTa and NLLB of open_clip \
             are supported",
            some.join(", "),
            if rest == 0 { String::new() } else { format!(" and {rest} more") }
        ),
    )
}

/// Why SigLIP 2's models of any image size are refused, if a tensor shows one: their patches are embedded by a matrix.
fn naflex(name: &str, shape: &[usize]) -> Option<&'static str> {
    let hugging_face = name.ends_with("vision_model.embeddings.patch_embedding.weight") && shape.len() == 2;
    (hugging_face || name.ends_with("visual.trunk.embeds.proj.weight")).then_some(
        "it is a NaFlex model of SigLIP 2, which takes images of any shape and is not supported; a model of a fixed size \
         is, such as siglip2-b-16-256",
    )
}

/// The kind of an image tower that is known but not supported, from the names of its tensors.
fn unsupported_tower<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    names
        .any(|name| name.contains(timm::TRUNK))
        .then_some("its image tower is one of timm's that neither MobileCLIP nor SigLIP nor Perception Encoder has")
}

/// Refuses changes to a model that are stored without the model.
fn adapter<T>(checkpoint: &Checkpoint, what: &str) -> Result<T, Error> {
    let reason = format!(
        "{what}, not a model; load it on its base model with PEFT, merge both with `merge_and_unload()`, save the \
         result with `save_pretrained()` and convert that"
    );
    unsupported(checkpoint, &reason)
}

fn unsupported<T>(checkpoint: &Checkpoint, reason: &str) -> Result<T, Error> {
    Err(Error::Unsupported { path: checkpoint.path().to_owned(), reason: reason.to_owned() })
}
