//! From a checkpoint's names to the parts of a model.
//!
//! One file per layout; this one tells them apart. Nothing outside this module knows a foreign name. Every
//! tensor is accounted for: one that is missing, wrongly shaped or left over is an error that names it.

mod apple;
mod convs;
mod huggingface;
mod mci;
mod native;
pub(super) mod parts;
mod taker;
mod timm;

use std::fmt;

use super::checkpoint::Checkpoint;
use super::error::Error;
use parts::{ImageShapes, Linear, Order, Parts, Shapes, StemParts};
use taker::Taker;

pub use taker::{Mismatch, Misshapen};

/// Buffers that OpenAI's archives hold beside the weights.
const OPENAI_BUFFERS: [&str; 3] = ["input_resolution", "context_length", "vocab_size"];

/// Where open_clip has image towers of timm.
const TIMM: &str = "visual.trunk.";

/// The naming scheme of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceLayout {
    /// As OpenAI published its models: native names and the buffers `input_resolution`, `context_length` and
    /// `vocab_size`.
    OpenAi,
    /// open_clip: the same names without those buffers for its own vision transformers, timm's names for the
    /// image towers of MobileCLIP.
    OpenClip,
    /// Hugging Face transformers' `CLIPModel`.
    HuggingFace,
    /// Apple's `ml-mobileclip`.
    Apple,
}

impl SourceLayout {
    /// As it is written into weights files.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceLayout::OpenAi => "openai",
            SourceLayout::OpenClip => "open_clip",
            SourceLayout::HuggingFace => "huggingface",
            SourceLayout::Apple => "apple",
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
    /// Whether the image tower has timm's names.
    pub timm: bool,
    pub parts: Parts,
    pub shapes: Shapes,
    /// Tensors that are no weights.
    pub ignored: Vec<String>,
}

/// Recognises the layout of a checkpoint and maps its tensors.
pub(super) fn map(checkpoint: &Checkpoint) -> Result<Mapped, Error> {
    let layout = detect(checkpoint)?;
    let mut taker = Taker::new(checkpoint);
    let timm = layout == SourceLayout::OpenClip && taker.has_prefix(TIMM);
    let (parts, shapes) = match layout {
        SourceLayout::OpenClip if timm => timm::take(&mut taker),
        SourceLayout::Apple => apple::take(&mut taker),
        SourceLayout::OpenAi | SourceLayout::OpenClip => native::take(&mut taker),
        SourceLayout::HuggingFace => huggingface::take(&mut taker),
    };
    let ignored = taker.finish(layout.as_str())?;
    let is_empty = match &shapes.image {
        ImageShapes::Vit(vit) => vit.blocks.layers == 0,
        ImageShapes::Mci(mci) => mci.stages.is_empty() || mci.stages.iter().any(|stage| stage.blocks == 0),
    };
    if is_empty || shapes.text.blocks.layers == 0 {
        return unsupported(checkpoint, "a tower or stage of it has no blocks");
    }
    Ok(Mapped { layout, timm, parts, shapes, ignored })
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
    if has_prefix(timm::MCI) || has_prefix(timm::STEM_VIT) || has("visual.trunk.patch_embed.proj.weight") {
        return Ok(SourceLayout::OpenClip);
    }
    if has_prefix(apple::MCI) || has_prefix(apple::STEM_VIT) {
        return Ok(SourceLayout::Apple);
    }
    if has_prefix(TIMM) {
        return unsupported(checkpoint, "its image tower is one of timm's that MobileCLIP does not have");
    }
    let mut names = checkpoint.tensors().map(|info| format!("`{}`", super::error::printable(info.name)));
    let some: Vec<String> = names.by_ref().take(3).collect();
    let rest = names.count();
    unsupported(
        checkpoint,
        &format!(
            "its tensors ({}{}) are of no known layout; CLIP vision transformers of OpenAI, open_clip and \
             Hugging Face and MobileCLIP of open_clip and Apple are supported",
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

/// The convolution that makes patches.
fn take_patch(taker: &mut Taker<'_>, name: &str, width: usize, side: usize) -> StemParts {
    StemParts::Patch(Linear {
        weight: vec![taker.take(name.into(), &[width, 3, side, side])],
        order: Order::OutIn,
        bias: Vec::new(),
        k: side.saturating_mul(side).saturating_mul(3),
        n: width,
    })
}

/// Patches a side, from the `tokens` that have positions, the class token among them: `1 + grid * grid`.
///
/// `name` is the positions' tensor, `found` its shape, and `shape` gives the one for a number of tokens.
fn grid(
    taker: &mut Taker<'_>,
    name: &str,
    tokens: usize,
    shape: impl Fn(usize) -> Vec<usize>,
    found: &[usize],
) -> usize {
    let grid = tokens.saturating_sub(1).isqrt();
    // All ones means that there was nothing to see.
    if positions(grid) != tokens || (grid == 0 && found.iter().any(|&side| side > 1)) {
        taker.misprobe(name, &shape(positions(grid.max(1))), found);
    }
    grid
}

/// Patches and class token.
fn positions(grid: usize) -> usize {
    grid.saturating_mul(grid).saturating_add(1)
}

#[cfg(all(test, repository))]
pub(super) mod tests;
