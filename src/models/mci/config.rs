//! The description of a FastViT tower.

use serde::{Deserialize, Serialize};

use crate::models::Error;
use crate::models::settings::{OpenSettings, Sizes, valid_eps, within};

/// Channels of an attention head.
const HEAD_WIDTH: usize = 32;

/// A FastViT tower in MobileCLIP's form (MCi0 to MCi4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MciConfig {
    /// Side of the square input in pixels. The first stage has maps of a quarter of it, each further stage maps of
    /// half the size of the stage before.
    pub image_size: usize,
    /// The stages; each has twice the channels of the one before.
    pub stages: Vec<MciStage>,
    /// Hidden channels of the squeeze-and-excitation after the last stage.
    pub squeeze_width: usize,
    /// Epsilon of the LayerNorms before attention.
    pub norm_eps: f64,
}

/// A stage of a FastViT tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MciStage {
    /// Channels.
    pub channels: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// The token mixer of the blocks.
    pub mixer: Mixer,
    /// Attention heads; 0 without attention.
    pub heads: usize,
    /// Whether a LayerNorm precedes attention (a BatchNorm is folded into the weights).
    pub attention_norm: bool,
    /// Channels of the hidden layer of the MLP.
    pub mlp_width: usize,
    /// Whether a 7 × 7 convolution adds positions before the first block.
    pub position_encoding: bool,
    /// Hidden channels of the squeeze-and-excitation in the downsampling before the stage, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub squeeze_width: Option<usize>,
}

/// Token mixers of FastViT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mixer {
    /// A 3 × 3 depthwise convolution with the residual folded in.
    RepMixer,
    /// Multi-head attention over all pixels.
    Attention,
}

impl MciConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        within("image_size", self.image_size, 1..=4096)?;
        within("number of stages", self.stages.len(), 1..=8)?;
        within("image_size of this many stages", self.image_size, 1 << (self.stages.len() + 1)..=4096)?;
        within("squeeze_width", self.squeeze_width, 1..=65_536)?;
        for (i, stage) in self.stages.iter().enumerate() {
            within("channels", stage.channels, 1..=16_384)?;
            if i > 0 && stage.channels != 2 * self.stages[i - 1].channels {
                return Err(Error::Config(format!("stage {i} does not have twice the channels of the one before")));
            }
            if i == 0 && stage.squeeze_width.is_some() {
                return Err(Error::Config("stage 0 has a squeeze_width but no downsampling in front of it".into()));
            }
            stage.validate(i)?;
        }
        valid_eps(self.norm_eps)
    }

    pub(crate) fn open_settings(&mut self) -> OpenSettings<'_> {
        OpenSettings {
            image_size: Some(&mut self.image_size),
            norm_eps: Some(&mut self.norm_eps),
            fixed_head_width: Some(HEAD_WIDTH),
            ..OpenSettings::default()
        }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes::default()
    }

    /// The kind of tower, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        "a FastViT"
    }

    /// A short description, for messages.
    pub(crate) fn summary(&self) -> String {
        let stage = |stage: &MciStage| format!("{} blocks of {} channels", stage.blocks, stage.channels);
        // The number of stages comes from a file.
        let stages: Vec<String> = self.stages.iter().take(8).map(stage).collect();
        format!("another FastViT ({})", stages.join(", "))
    }
}

impl MciStage {
    fn validate(&self, i: usize) -> Result<(), Error> {
        within("blocks", self.blocks, 0..=1024)?;
        within("mlp_width", self.mlp_width, 1..=131_072)?;
        if let Some(width) = self.squeeze_width {
            within("squeeze_width", width, 1..=65_536)?;
        }
        match self.mixer {
            Mixer::Attention => {
                let (channels, heads) = (self.channels, self.heads);
                if !channels.is_multiple_of(HEAD_WIDTH) {
                    return Err(Error::Config(format!(
                        "its attention over {channels} channels, which is no multiple of {HEAD_WIDTH}, is not supported"
                    )));
                }
                within("heads of an attention stage", heads, channels / HEAD_WIDTH..=channels / HEAD_WIDTH)?;
            }
            Mixer::RepMixer => {
                within("heads of a stage without attention", self.heads, 0..=0)?;
                if self.attention_norm {
                    return Err(Error::Config(format!("stage {i} has an attention_norm but no attention")));
                }
            }
        }
        Ok(())
    }
}
