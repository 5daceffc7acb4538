//! The description of a ResNet.

use serde::{Deserialize, Serialize};

use crate::models::Error;
use crate::models::settings::{OpenSettings, Sizes, within};

/// Factor by which the maps of the last stage are smaller than the image.
const REDUCTION: usize = 32;
/// Stages of every ResNet.
const STAGES: usize = 4;
/// Output channels of a bottleneck, for each channel inside.
pub(super) const EXPANSION: usize = 4;

/// A ResNet in CLIP's form: a stem of three convolutions, four stages of anti-aliased bottlenecks, attention pooling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ResnetConfig {
    /// Side of the square input in pixels, a multiple of 32.
    pub image_size: usize,
    /// Channels of the stem's output and inside the bottlenecks of the first stage; each further stage has twice as
    /// many. Even.
    pub width: usize,
    /// Bottlenecks of each of the four stages.
    pub blocks: Vec<usize>,
    /// Heads of the attention pooling.
    pub heads: usize,
}

impl ResnetConfig {
    /// A ResNet of these sizes.
    pub fn new(image_size: usize, width: usize, blocks: Vec<usize>, heads: usize) -> Self {
        ResnetConfig { image_size, width, blocks, heads }
    }

    /// Pixels per side of the last maps.
    pub fn grid(&self) -> usize {
        self.image_size / REDUCTION
    }

    /// Channels of the last maps.
    pub fn last_width(&self) -> usize {
        self.width.saturating_mul(EXPANSION << (STAGES - 1))
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        within("image_size", self.image_size, REDUCTION..=4096)?;
        within("width", self.width, 2..=1024)?;
        if !self.image_size.is_multiple_of(REDUCTION) || !self.width.is_multiple_of(2) {
            return Err(Error::Config(format!(
                "a ResNet for images of {} pixels with a width of {} is not supported: the first must be a multiple of \
                 {REDUCTION}, the second even",
                self.image_size, self.width
            )));
        }
        within("number of stages", self.blocks.len(), STAGES..=STAGES)?;
        for &blocks in &self.blocks {
            within("blocks of a stage", blocks, 1..=1024)?;
        }
        within("heads", self.heads, 1..=self.last_width())?;
        if !self.last_width().is_multiple_of(self.heads) {
            return Err(Error::Config(format!(
                "{} channels are no multiple of {} heads",
                self.last_width(),
                self.heads
            )));
        }
        Ok(())
    }

    pub(crate) fn open_settings(&mut self) -> OpenSettings<'_> {
        let width = self.last_width();
        OpenSettings {
            image_size: Some(&mut self.image_size),
            heads: Some((&mut self.heads, width)),
            ..OpenSettings::default()
        }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes { width: Some(self.width), patch_size: Some(REDUCTION), grid: Some(self.grid()), ..Sizes::default() }
    }

    /// The kind of tower, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        "a ResNet"
    }

    /// A short description, for messages.
    pub(crate) fn summary(&self) -> String {
        // The number of stages comes from a file.
        let blocks: Vec<String> = self.blocks.iter().take(8).map(usize::to_string).collect();
        format!("a ResNet of width {} with {} blocks", self.width, blocks.join(", "))
    }
}
