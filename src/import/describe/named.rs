//! The settings that a known name stands for, and the known name of a checkpoint.

use super::facts::{Facts, Quantity};
use crate::catalog::{self, Model};
use crate::import::error::{Error, printable};
use crate::import::recipes::SourceLayout;
use crate::models::config::{ImageConfig, ModelConfig, TextConfig};

/// What a known name states.
pub(super) fn facts(name: &str) -> Result<Facts, Error> {
    if let Some(model) = catalog::find(name) {
        return Ok(of_model(model));
    }
    let names: Vec<&str> = catalog::models().iter().map(|model| model.name).collect();
    let reason = format!("model `{}` is not known; known are {}", printable(name), names.join(", "));
    Err(Error::Option { reason })
}

/// The known model of a checkpoint, if its layout and shapes identify one.
pub(super) fn recognise(layout: SourceLayout, draft: &ModelConfig) -> Option<&'static str> {
    // One tower alone belongs to several models.
    if draft.image.is_none() || draft.text.is_none() {
        return None;
    }
    let mut candidates = catalog::models().iter().filter(|model| model.is_unique_in(layout.as_str()));
    candidates.find(|model| of_model(model).agrees(draft)).map(|model| model.name)
}

/// A name states activation, direction of attention and preprocessing. Heads, epsilons and the stem's padding are
/// left to the layout: some models are published in two definitions.
fn of_model(model: &Model) -> Facts {
    let ModelConfig { embed_dim, image, text, .. } = model.config();
    let mut facts = Facts::new(format!("model `{}`", model.name));
    facts.model_name = Some(model.name.to_owned());
    // SigLIP's differ between the layouts in which it is published.
    if !model.is_sigmoid() {
        facts.set_activation(model.activation);
        facts.preprocess = model.preprocess().into();
    }
    facts.sigmoid = Some(model.is_sigmoid());
    if let Some(image) = image {
        claim_image(&mut facts, model, image);
    }
    if let Some(text) = text {
        claim_text(&mut facts, text, embed_dim);
    }
    facts
}

fn claim_image(facts: &mut Facts, model: &Model, image: ImageConfig) {
    const TOWER: &str = "the image tower";
    if let Some(trunk) = model.trunk() {
        facts.claim_trunk(TOWER, trunk);
        return;
    }
    let sizes = image.sizes();
    facts.claim("patch_size", Quantity::PatchSize, sizes.patch_size);
    facts.claim("image_size", Quantity::ImageSize, Some(image.image_size()));
    facts.claim("image width", Quantity::ImageWidth, sizes.width);
    facts.claim("image layers", Quantity::ImageLayers, sizes.layers);
    facts.claim_image_tower(TOWER, image);
}

fn claim_text(facts: &mut Facts, mut text: TextConfig, embed_dim: usize) {
    let sizes = text.sizes();
    facts.claim("text width", Quantity::TextWidth, sizes.width);
    facts.claim("text layers", Quantity::TextLayers, sizes.layers);
    facts.claim("context_length", Quantity::ContextLength, Some(text.context_length()));
    facts.claim("vocab_size", Quantity::VocabSize, Some(text.vocab_size()));
    facts.claim("embed_dim", Quantity::EmbedDim, Some(embed_dim));
    facts.claim("text convolutions", Quantity::TextKernel, Some(sizes.text_kernel.unwrap_or(0)));
    facts.causal = text.open_settings().causal.copied();
}
