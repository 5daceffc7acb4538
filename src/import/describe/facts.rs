//! The settings that one source states, and its claims about sizes, which the tensors must confirm.

use std::path::Path;

use crate::catalog::Trunk;
use crate::import::error::Error;
use crate::models::config::{Activation, ImageConfig, ModelConfig, Sizes, TextConfig, TextPooling};
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};
use crate::tokenizer::Clean;
use crate::weights::Tower;

/// What one source states. Every field may be absent.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The flag or file, for messages.
    pub source: String,
    /// Known name of the model.
    pub model_name: Option<String>,
    pub image: TowerFacts,
    pub text: TowerFacts,
    pub causal: Option<bool>,
    /// Whether the model was trained with a sigmoid, as SigLIP.
    pub sigmoid: Option<bool>,
    /// The pooled token of a text, if the draft does not tell it.
    pub pooling: Option<TextPooling>,
    /// How texts are cleaned before they become ids.
    pub clean: Option<Clean>,
    /// Zero padding of the first convolution of a stem.
    pub stem_padding: Option<usize>,
    pub preprocess: PreprocessFacts,
    /// In the order in which they are checked.
    claims: Vec<Claim>,
}

/// Open settings of a tower.
#[derive(Clone, Debug, Default)]
pub(super) struct TowerFacts {
    pub activation: Option<Activation>,
    pub heads: Option<Heads>,
    pub norm_eps: Option<f64>,
}

/// The number of attention heads of a tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heads {
    Count(usize),
    /// Channels of a head.
    Width(usize),
}

/// Preparation of photos.
#[derive(Clone, Debug, Default)]
pub(super) struct PreprocessFacts {
    pub mean: Option<[f64; 3]>,
    pub std: Option<[f64; 3]>,
    pub interpolation: Option<Interpolation>,
    pub resize: Option<ResizeMode>,
}

/// A statement that the tensors confirm or deny.
#[derive(Clone, Debug)]
struct Claim {
    /// Name of the field in its source.
    field: String,
    what: Claimed,
}

#[derive(Clone, Debug)]
enum Claimed {
    Size(Quantity, usize),
    /// A size that must not be larger.
    AtMost(Quantity, usize),
    /// The image tower is this one, regardless of its open settings.
    ImageTower(Box<ImageConfig>),
    /// The text tower has a projection, or has none.
    TextProjection(bool),
}

/// A size that tensors determine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
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
    /// Kernel size of the convolutions along the tokens; 0 for none.
    TextKernel,
}

impl From<PreprocessConfig> for PreprocessFacts {
    /// Everything but the image size, which is a claim.
    fn from(config: PreprocessConfig) -> Self {
        let PreprocessConfig { mean, std, interpolation, resize, image_size: _ } = config;
        PreprocessFacts { mean: Some(mean), std: Some(std), interpolation: Some(interpolation), resize: Some(resize) }
    }
}

impl Facts {
    pub(super) fn new(source: impl Into<String>) -> Facts {
        Facts { source: source.into(), ..Facts::default() }
    }

    pub(super) fn tower(&self, tower: Tower) -> &TowerFacts {
        match tower {
            Tower::Image => &self.image,
            Tower::Text => &self.text,
        }
    }

    /// Sets the activation of both towers.
    pub(super) fn set_activation(&mut self, activation: Activation) {
        self.image.activation = Some(activation);
        self.text.activation = Some(activation);
    }

    /// Adds a claim about a size, if the source states it.
    pub(super) fn claim(&mut self, field: impl Into<String>, quantity: Quantity, value: Option<usize>) {
        if let Some(value) = value {
            self.claims.push(Claim { field: field.into(), what: Claimed::Size(quantity, value) });
        }
    }

    /// Adds the claim that a size is at most this, if the source states it.
    pub(super) fn claim_at_most(&mut self, field: impl Into<String>, quantity: Quantity, value: Option<usize>) {
        if let Some(value) = value {
            self.claims.push(Claim { field: field.into(), what: Claimed::AtMost(quantity, value) });
        }
    }

    /// Adds the claim that the image tower is this one.
    pub(super) fn claim_image_tower(&mut self, field: impl Into<String>, image: ImageConfig) {
        self.claims.push(Claim { field: field.into(), what: Claimed::ImageTower(Box::new(image)) });
    }

    /// Adds the claim that the image tower is a published one. It is checked first: another tower explains every
    /// other contradiction.
    pub(super) fn claim_trunk(&mut self, field: impl Into<String>, trunk: &Trunk) {
        let what = Claimed::ImageTower(Box::new(trunk.config()));
        self.claims.insert(0, Claim { field: field.into(), what });
    }

    /// Adds the claim that the text tower has a projection, or has none.
    pub(super) fn claim_text_projection(&mut self, field: impl Into<String>, projection: bool) {
        self.claims.push(Claim { field: field.into(), what: Claimed::TextProjection(projection) });
    }

    /// The side of the image in pixels: as stated, or that of the claimed tower.
    pub(super) fn image_size(&self) -> Option<usize> {
        let stated = self.claims.iter().find_map(|claim| match claim.what {
            Claimed::Size(Quantity::ImageSize, size) => Some(size),
            _ => None,
        });
        stated.or_else(|| {
            self.claims.iter().find_map(|claim| match &claim.what {
                Claimed::ImageTower(image) => Some(image.image_size()),
                Claimed::Size(..) | Claimed::AtMost(..) | Claimed::TextProjection(_) => None,
            })
        })
    }

    /// Whether the tensors confirm every claim.
    pub(super) fn agrees(&self, draft: &ModelConfig) -> bool {
        self.claims.iter().all(|claim| !claim.what.applies(draft) || claim.what.compare(draft).is_ok())
    }

    /// Fails if the source describes a model of another family than that of the checkpoint at `path`.
    pub(super) fn check_family(&self, path: &Path, sigmoid: bool) -> Result<(), Error> {
        let name = |sigmoid: bool| if sigmoid { "SigLIP" } else { "CLIP" };
        match self.sigmoid {
            Some(claimed) if claimed != sigmoid => Err(Error::Contradiction {
                path: path.to_owned(),
                claimant: self.source.clone(),
                field: "kind of model".to_owned(),
                claimed: name(claimed).to_owned(),
                found: name(sigmoid).to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Fails at the first claim that the tensors of the checkpoint at `path` deny.
    pub(super) fn check(&self, path: &Path, draft: &ModelConfig) -> Result<(), Error> {
        for Claim { field, what } in self.claims.iter().filter(|claim| claim.what.applies(draft)) {
            what.compare(draft).map_err(|found| Error::Contradiction {
                path: path.to_owned(),
                claimant: self.source.clone(),
                field: field.clone(),
                claimed: what.display(),
                found,
            })?;
        }
        Ok(())
    }
}

impl Claimed {
    /// Whether the claim is about a tower that the checkpoint has. One tower alone is often published with the
    /// configuration of both.
    fn applies(&self, draft: &ModelConfig) -> bool {
        match self {
            Claimed::ImageTower(_) => draft.image.is_some(),
            Claimed::TextProjection(_) => draft.text.is_some(),
            Claimed::Size(quantity, _) | Claimed::AtMost(quantity, _) => match quantity.tower() {
                Some(Tower::Image) => draft.image.is_some(),
                Some(Tower::Text) => draft.text.is_some(),
                None => true,
            },
        }
    }

    /// The claim, for messages.
    fn display(&self) -> String {
        match self {
            Claimed::Size(_, value) | Claimed::AtMost(_, value) => value.to_string(),
            Claimed::ImageTower(image) => summary(Some(image)),
            Claimed::TextProjection(projection) => projection_name(*projection).to_owned(),
        }
    }

    /// Compares with the draft; the error is the value of the tensors.
    fn compare(&self, draft: &ModelConfig) -> Result<(), String> {
        let image = draft.image.as_ref();
        let agrees = match self {
            Claimed::Size(quantity, value) => return quantity.compare(*value, draft),
            Claimed::AtMost(quantity, value) => match quantity.find(draft) {
                Some(found) if found > *value => return Err(found.to_string()),
                _ => return Ok(()),
            },
            Claimed::TextProjection(claimed) => {
                let found = !matches!(&draft.text, Some(TextConfig::Transformer(text)) if !text.projection);
                return if found == *claimed { Ok(()) } else { Err(projection_name(found).to_owned()) };
            }
            Claimed::ImageTower(claimed) => image.is_none_or(|image| image.has_same_tensors(claimed)),
        };
        if agrees { Ok(()) } else { Err(summary(image)) }
    }
}

impl Quantity {
    /// See [`Claimed::compare`].
    fn compare(self, value: usize, draft: &ModelConfig) -> Result<(), String> {
        let image = draft.image.as_ref().map(ImageConfig::sizes).unwrap_or_default();
        match self.find(draft) {
            _ if self == Quantity::ImageSize => compare_image_size(value, image),
            Some(found) if found == value => Ok(()),
            Some(found) => Err(found.to_string()),
            None if self.tower() == Some(Tower::Image) => Err(summary(draft.image.as_ref())),
            None => Err("a text tower without it".to_owned()),
        }
    }

    /// The value of the tensors, if they have one.
    fn find(self, draft: &ModelConfig) -> Option<usize> {
        let image = draft.image.as_ref().map(ImageConfig::sizes).unwrap_or_default();
        let text = draft.text.as_ref().map(TextConfig::sizes).unwrap_or_default();
        match self {
            Quantity::EmbedDim => Some(draft.embed_dim),
            Quantity::ImageSize => None,
            Quantity::PatchSize => image.patch_size,
            Quantity::ImageWidth => image.width,
            Quantity::ImageLayers => image.layers,
            Quantity::ImageMlp => image.mlp_width,
            Quantity::ContextLength => draft.text.as_ref().map(TextConfig::context_length),
            Quantity::VocabSize => draft.text.as_ref().map(TextConfig::vocab_size),
            Quantity::TextWidth => text.width,
            Quantity::TextLayers => text.layers,
            Quantity::TextMlp => text.mlp_width,
            Quantity::TextKernel => Some(text.text_kernel.unwrap_or(0)),
        }
    }

    /// The tower that has it, if not both do.
    fn tower(self) -> Option<Tower> {
        match self {
            Quantity::EmbedDim => None,
            Quantity::ImageSize
            | Quantity::PatchSize
            | Quantity::ImageWidth
            | Quantity::ImageLayers
            | Quantity::ImageMlp => Some(Tower::Image),
            Quantity::ContextLength
            | Quantity::VocabSize
            | Quantity::TextWidth
            | Quantity::TextLayers
            | Quantity::TextMlp
            | Quantity::TextKernel => Some(Tower::Text),
        }
    }
}

/// Any size agrees with a tower without a position table.
fn compare_image_size(value: usize, image: Sizes) -> Result<(), String> {
    let (Some(patch), Some(grid)) = (image.patch_size, image.grid) else { return Ok(()) };
    match value.checked_div(patch) == Some(grid) {
        true => Ok(()),
        false => Err(format!("{} ({grid} patches of {patch} a side)", grid.saturating_mul(patch))),
    }
}

fn projection_name(projection: bool) -> &'static str {
    if projection { "linear" } else { "none" }
}

/// An image tower in a few words: its published name, if it has one.
fn summary(image: Option<&ImageConfig>) -> String {
    match image {
        None => "no image tower".to_owned(),
        Some(image) => Trunk::of_config(image).map_or_else(|| image.summary(), |trunk| trunk.timm.to_owned()),
    }
}
