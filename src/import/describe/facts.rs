//! What one source of configuration says, and whether the tensors agree.

use std::path::Path;

use super::trunk::{self, Trunk};
use crate::import::error::Error;
use crate::import::names::parts::{BlockShapes, ImageShapes, Shapes};
use crate::models::config::Activation;
use crate::preprocess::{Interpolation, ResizeMode};

/// What one source says; everything may be left open.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The flag or file, for messages.
    pub source: String,
    /// Known name of the model.
    pub model_name: Option<String>,
    pub image: TowerFacts,
    pub text: TowerFacts,
    pub causal: Option<bool>,
    /// Zeros around the image in a convolutional stem.
    pub stem_padding: Option<usize>,
    /// Name of the field, and the image tower that it names.
    pub trunk: Option<(String, &'static Trunk)>,
    pub preprocess: PreprocessFacts,
    /// What the tensors must confirm.
    pub claims: Vec<Claim>,
}

/// See [`Facts`].
#[derive(Clone, Debug, Default)]
pub(super) struct TowerFacts {
    pub activation: Option<Activation>,
    pub heads: Option<Heads>,
    pub norm_eps: Option<f64>,
}

/// How many attention heads a tower has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heads {
    /// So many.
    Count(usize),
    /// As many as fit the tower's width.
    Width(usize),
}

/// See [`Facts`].
#[derive(Clone, Debug, Default)]
pub(super) struct PreprocessFacts {
    pub mean: Option<[f64; 3]>,
    pub std: Option<[f64; 3]>,
    pub interpolation: Option<Interpolation>,
    pub resize: Option<ResizeMode>,
}

/// A number that the tensors tell too.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// Name of the field in its source.
    pub field: String,
    pub about: About,
    pub value: usize,
}

/// What a [`Claim`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    EmbedDim,
    /// Side of the image; need not be a multiple of the patch.
    ImageSize,
    PatchSize,
    ImageWidth,
    ImageLayers,
    ImageMlp,
    ContextLength,
    VocabSize,
    TextWidth,
    TextLayers,
    TextMlp,
    /// Taps of the convolutions along the tokens; 0 for none.
    TextKernel,
}

impl Facts {
    pub(super) fn new(source: impl Into<String>) -> Facts {
        Facts { source: source.into(), ..Facts::default() }
    }

    /// Adds a claim, if there is one.
    pub(super) fn claim(&mut self, field: impl Into<String>, about: About, value: Option<usize>) {
        if let Some(value) = value {
            self.claims.push(Claim { field: field.into(), about, value });
        }
    }

    /// The claimed side of the image.
    pub(super) fn image_size(&self) -> Option<usize> {
        let claim = self.claims.iter().find(|claim| claim.about == About::ImageSize).map(|claim| claim.value);
        claim.or(self.trunk.as_ref().map(|(_, trunk)| trunk.image_size))
    }

    /// Whether the tensors confirm every claim.
    pub(super) fn agrees(&self, shapes: &Shapes) -> bool {
        self.trunk.as_ref().is_none_or(|(_, trunk)| trunk.shapes() == shapes.image)
            && self.claims.iter().all(|claim| claim.about.judge(claim.value, shapes).0)
    }

    /// Fails at the first claim that the tensors of the checkpoint at `path` deny.
    pub(super) fn check(&self, path: &Path, shapes: &Shapes) -> Result<(), Error> {
        let contradiction = |field: &str, claimed: String, found: String| {
            let (path, claimant, field) = (path.to_owned(), self.source.clone(), field.to_owned());
            Err(Error::Contradiction { path, claimant, field, claimed, found })
        };
        if let Some((field, trunk)) = &self.trunk
            && trunk.shapes() != shapes.image
        {
            return contradiction(field, trunk.timm.to_owned(), trunk::summary(&shapes.image));
        }
        for Claim { field, about, value } in &self.claims {
            let (agrees, found) = about.judge(*value, shapes);
            if !agrees {
                return contradiction(field, value.to_string(), found);
            }
        }
        Ok(())
    }
}

impl About {
    /// Whether the tensors agree, and what they say.
    fn judge(self, value: usize, shapes: &Shapes) -> (bool, String) {
        let text = &shapes.text;
        let found = match self {
            About::EmbedDim => shapes.embed_dim,
            About::ImageSize | About::PatchSize | About::ImageWidth | About::ImageLayers | About::ImageMlp => {
                return self.judge_image(value, &shapes.image);
            }
            About::TextKernel => text.kernel.unwrap_or(0),
            About::ContextLength => text.context_length,
            About::VocabSize => text.vocab_size,
            About::TextWidth => text.blocks.width,
            About::TextLayers => text.blocks.layers,
            About::TextMlp => text.blocks.mlp_width,
        };
        (value == found, found.to_string())
    }

    fn judge_image(self, value: usize, shapes: &ImageShapes) -> (bool, String) {
        let vit = match shapes {
            ImageShapes::Vit(vit) => vit,
            // Convolutions fit any size.
            ImageShapes::Mci(_) => return (self == About::ImageSize, trunk::summary(shapes)),
        };
        let BlockShapes { width, layers, mlp_width } = vit.blocks;
        let found = match self {
            About::ImageSize => {
                let (grid, patch) = (vit.grid, vit.patch_size);
                let agrees = value.checked_div(patch) == Some(grid);
                return (agrees, format!("{} ({grid} patches of {patch} a side)", grid.saturating_mul(patch)));
            }
            About::PatchSize => vit.patch_size,
            About::ImageWidth => width,
            About::ImageLayers => layers,
            _ => mlp_width,
        };
        (value == found, found.to_string())
    }
}
