//! Image towers of every architecture behind one enum: with the list of modules, the only file that a new one changes.

use serde::{Deserialize, Serialize};

use super::Error;
use super::mci::{Mci, MciConfig};
use super::resnet::{Resnet, ResnetConfig};
use super::scope::Scope;
use super::settings::{OpenSettings, Sizes};
use super::vit::config::ImagePooling;
use super::vit::{Vit, VitConfig};
use crate::layers::Exec;
use crate::tensor::{Arena, NoScratch};

/// The descriptions of image towers, for `models::config`.
pub(super) mod configs {
    pub use super::ImageConfig;
    pub use crate::models::mci::config::{MciConfig, MciStage, Mixer};
    pub use crate::models::resnet::config::ResnetConfig;
    pub use crate::models::vit::config::{ConvStem, ImagePooling, VitConfig};
}

/// The architecture of an image tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ImageConfig {
    /// Vision transformer with a class token.
    Vit(VitConfig),
    /// FastViT in MobileCLIP's form: convolutions, then attention (MCi0 to MCi4).
    Mci(MciConfig),
    /// CLIP's ResNet: bottlenecks and attention pooling (RN50 to RN50x64).
    Resnet(ResnetConfig),
}

/// Calls the same method on the configuration of any architecture.
macro_rules! each {
    ($config:expr, $inner:ident => $call:expr) => {
        match $config {
            ImageConfig::Vit($inner) => $call,
            ImageConfig::Mci($inner) => $call,
            ImageConfig::Resnet($inner) => $call,
        }
    };
}

impl ImageConfig {
    /// Side of the square input in pixels.
    pub fn image_size(&self) -> usize {
        each!(self, config => config.image_size)
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        each!(self, config => config.validate())
    }

    /// The length of the embeddings of a tower that does not project them: the width of its tokens.
    pub(super) fn fixed_embed_dim(&self) -> Option<usize> {
        match self {
            ImageConfig::Vit(vit) if vit.pooling == ImagePooling::Attention => Some(vit.blocks.width),
            ImageConfig::Vit(_) | ImageConfig::Mci(_) | ImageConfig::Resnet(_) => None,
        }
    }

    /// Settings that cannot be inferred from the tensors.
    pub(crate) fn open_settings(&mut self) -> OpenSettings<'_> {
        each!(self, config => config.open_settings())
    }

    pub(crate) fn sizes(&self) -> Sizes {
        each!(self, config => config.sizes())
    }

    /// Whether the two towers differ at most in settings that cannot be inferred from tensors.
    pub(crate) fn has_same_tensors(&self, other: &ImageConfig) -> bool {
        // The image size is such a setting; the grid of a position table is not.
        if self.sizes() != other.sizes() {
            return false;
        }
        let (mut adapted, mut other) = (self.clone(), other.clone());
        adapted.open_settings().copy_from(other.open_settings());
        adapted == other
    }

    /// The kind of tower, for messages: "the image tower is ...".
    pub(crate) fn kind(&self) -> &'static str {
        each!(self, config => config.kind())
    }

    /// A short description, for messages.
    pub(crate) fn summary(&self) -> String {
        each!(self, config => config.summary())
    }
}

/// An image tower of any architecture.
pub(crate) enum ImageTower {
    Vit(Vit),
    Mci(Mci),
    Resnet(Resnet),
}

impl ImageTower {
    /// Walks over the layers of the tower; `scope` loads or lists them.
    pub(crate) fn load(scope: &mut Scope<'_>, config: &ImageConfig, embed_dim: usize) -> Result<Self, Error> {
        Ok(match config {
            ImageConfig::Vit(config) => ImageTower::Vit(Vit::load(scope, config, embed_dim)?),
            ImageConfig::Mci(config) => ImageTower::Mci(Mci::load(scope, config, embed_dim)?),
            ImageConfig::Resnet(config) => ImageTower::Resnet(Resnet::load(scope, config, embed_dim)?),
        })
    }

    /// Size of a pass for one image, in rows of activations.
    pub(crate) fn rows(&self) -> usize {
        match self {
            ImageTower::Vit(vit) => vit.tokens(),
            ImageTower::Mci(mci) => mci.rows(),
            ImageTower::Resnet(resnet) => resnet.rows(),
        }
    }

    /// Computes `out [images, embed_dim]`, not normalised, from normalised `pixels [images, 3, S, S]`.
    pub(crate) fn forward(
        &self,
        exec: Exec<'_>,
        pixels: &[f32],
        images: usize,
        arena: &mut Arena,
        out: &mut [f32],
    ) -> Result<(), NoScratch> {
        match self {
            ImageTower::Vit(vit) => vit.stages(exec, pixels, images, arena, out, |_, _| {}),
            ImageTower::Mci(mci) => mci.stages(exec, pixels, images, arena, out, |_, _| {}),
            ImageTower::Resnet(resnet) => resnet.stages(exec, pixels, images, arena, out, |_, _, _| {}),
        }
    }
}
