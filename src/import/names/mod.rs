//! From a checkpoint's names to the parts of a model.
//!
//! One file per layout; this one tells them apart. Nothing outside this module knows a foreign name. Every
//! tensor is accounted for: one that is missing, wrongly shaped or left over is an error that names it.

mod huggingface;
mod native;
pub(super) mod parts;
mod taker;

use std::fmt;

use super::checkpoint::Checkpoint;
use super::error::Error;
use parts::{Parts, Shapes};
use taker::Taker;

pub use taker::{Mismatch, Misshapen};

/// Buffers that OpenAI's archives hold beside the weights.
const OPENAI_BUFFERS: [&str; 3] = ["input_resolution", "context_length", "vocab_size"];

/// The naming scheme of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceLayout {
    /// As OpenAI published its models: native names and the buffers `input_resolution`, `context_length` and
    /// `vocab_size`.
    OpenAi,
    /// open_clip's native vision transformers: the same names without those buffers.
    OpenClip,
    /// Hugging Face transformers' `CLIPModel`.
    HuggingFace,
}

impl SourceLayout {
    /// As it is written into weights files.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceLayout::OpenAi => "openai",
            SourceLayout::OpenClip => "open_clip",
            SourceLayout::HuggingFace => "huggingface",
        }
    }
}

impl fmt::Display for SourceLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A checkpoint whose tensors all have their place.
pub(super) struct Mapped {
    pub layout: SourceLayout,
    pub parts: Parts,
    pub shapes: Shapes,
    /// Tensors that are no weights.
    pub ignored: Vec<String>,
}

/// Recognises the layout of a checkpoint and maps its tensors.
pub(super) fn map(checkpoint: &Checkpoint) -> Result<Mapped, Error> {
    let layout = detect(checkpoint)?;
    let mut taker = Taker::new(checkpoint);
    let (parts, shapes) = match layout {
        SourceLayout::OpenAi | SourceLayout::OpenClip => native::take(&mut taker),
        SourceLayout::HuggingFace => huggingface::take(&mut taker),
    };
    let ignored = taker.finish(layout.as_str())?;
    if shapes.image.blocks.layers == 0 || shapes.text.blocks.layers == 0 {
        return unsupported(checkpoint, "a tower of it has no transformer blocks");
    }
    Ok(Mapped { layout, parts, shapes, ignored })
}

/// Tells layouts apart by names that only they have.
fn detect(checkpoint: &Checkpoint) -> Result<SourceLayout, Error> {
    let has = |name: &str| checkpoint.info(name).is_some();
    let has_prefix = |prefix: &str| checkpoint.tensors().any(|info| info.name.starts_with(prefix));
    if has("visual.conv1.weight") && !has("visual.layer1.0.conv1.weight") {
        let openai = OPENAI_BUFFERS.iter().any(|buffer| has(buffer));
        return Ok(if openai { SourceLayout::OpenAi } else { SourceLayout::OpenClip });
    }
    if has("vision_model.embeddings.patch_embedding.weight") {
        return Ok(SourceLayout::HuggingFace);
    }
    if has("visual.layer1.0.conv1.weight") {
        return unsupported(checkpoint, "it is a CLIP ModifiedResNet (RN50 and the like), which is not supported yet");
    }
    if has_prefix("visual.trunk.") {
        return unsupported(
            checkpoint,
            "its image tower is one of timm (MobileCLIP in open_clip form), which is not supported yet",
        );
    }
    if has_prefix("image_encoder.model.") || has_prefix("text_encoder.transformer.") {
        return unsupported(checkpoint, "it is an Apple MobileCLIP checkpoint, which is not supported yet");
    }
    let mut names = checkpoint.tensors().map(|info| format!("`{}`", super::error::printable(info.name)));
    let some: Vec<String> = names.by_ref().take(3).collect();
    let rest = names.count();
    unsupported(
        checkpoint,
        &format!(
            "its tensors ({}{}) are of no known layout; OpenAI, open_clip and Hugging Face CLIP vision \
             transformers are supported",
            some.join(", "),
            if rest == 0 { String::new() } else { format!(" and {rest} more") }
        ),
    )
}

fn unsupported<T>(checkpoint: &Checkpoint, reason: &str) -> Result<T, Error> {
    Err(Error::Unsupported { path: checkpoint.path().to_owned(), reason: reason.to_owned() })
}

/// Side of the patches that the convolution `name`, `[width, 3, side, side]`, looks at.
fn square_patch(taker: &mut Taker<'_>, name: &str, width: usize) -> usize {
    let [_, _, _, side] = taker.probe(name, [width, 3, 0, 0]);
    side
}

/// Patches a side, from the positions `name`, `[1 + grid * grid, width]`.
fn grid(taker: &mut Taker<'_>, name: &str, width: usize) -> usize {
    let [tokens, found_width] = taker.probe(name, [0, width]);
    let grid = (tokens - 1).isqrt();
    if grid * grid != tokens - 1 || (grid == 0 && found_width > 1) {
        let nearest = grid.max(1);
        taker.misprobe(name, &[nearest * nearest + 1, width], &[tokens, found_width]);
    }
    grid
}

#[cfg(test)]
mod tests;
