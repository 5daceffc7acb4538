//! The layers of a FastViT tower, in the order of the file.
//!
//! Branches, BatchNorms, LayerScales and residuals of convolutions are folded into the weights.

use super::config::{MciConfig, MciStage, Mixer};
use super::forward::{Block, BlockMixer, Downsample, Mci, Stage};
use crate::layers::{StridedStem, Window};
use crate::models::Error;
use crate::models::conv_mlp::ConvMlp;
use crate::models::layer::{LinearSpec, NormKind};
use crate::models::scope::Scope;

impl Mci {
    pub(crate) fn load(scope: &mut Scope<'_>, config: &MciConfig, embed_dim: usize) -> Result<Self, Error> {
        let (Some(first), Some(last)) = (config.stages.first(), config.stages.last()) else {
            return Err(Error::Config("it has no stages".into()));
        };
        let stem = load_stem(&mut scope.child("stem"), first.channels)?;
        let mut stages = Vec::new();
        for (i, stage) in config.stages.iter().enumerate() {
            stages.push(Stage::load(&mut scope.child(format_args!("stages.{i}")), stage, i > 0)?);
        }
        let doubled = last.channels.saturating_mul(2);
        let mut end = scope.child("final");
        Ok(Mci {
            stem,
            stages,
            last: end.depthwise("dw", Window::square(3, 1, last.channels, 2))?,
            squeeze: end.squeeze_excite(doubled, config.squeeze_width)?,
            proj: scope.linear("proj", LinearSpec::new(doubled, embed_dim).even_first_inputs())?,
            config: config.clone(),
        })
    }
}

/// Loads a stem of `c` channels.
fn load_stem(stem: &mut Scope<'_>, c: usize) -> Result<StridedStem, Error> {
    let conv = stem.linear("0", LinearSpec::conv(3, [3, 3], c).always_f32())?;
    let depthwise = stem.depthwise("1", Window::square(3, 2, c, 1))?;
    Ok(StridedStem::new(conv, depthwise, stem.linear("2", LinearSpec::new(c, c).always_f32())?))
}

impl Stage {
    fn load(scope: &mut Scope<'_>, config: &MciStage, downsampled: bool) -> Result<Self, Error> {
        let c = config.channels;
        let downsample = match downsampled {
            true => Some(Downsample::load(&mut scope.child("downsample"), config)?),
            false => None,
        };
        let position = match config.position_encoding {
            true => Some(scope.depthwise("position", Window::square(7, 1, c, 1))?),
            false => None,
        };
        let mut blocks = Vec::new();
        for j in 0..config.blocks {
            let mut block = scope.child(format_args!("blocks.{j}"));
            let mixer = match config.mixer {
                Mixer::RepMixer => BlockMixer::Rep(block.depthwise("mixer", Window::square(3, 1, c, 1))?),
                Mixer::Attention => {
                    let norm = if config.attention_norm { NormKind::Layer } else { NormKind::Batch };
                    let qkv = block.linear("qkv", LinearSpec::qkv(c, config.heads).quantised().after(norm))?;
                    BlockMixer::Attention { qkv, out: block.linear("out", LinearSpec::new(c, c).quantised())? }
                }
            };
            let mlp = ConvMlp::load(&mut block.child("ffn"), Window::square(7, 1, c, 1), config.mlp_width)?;
            blocks.push(Block { mixer, mlp });
        }
        Ok(Stage { downsample, position, blocks, config: config.clone() })
    }
}

impl Downsample {
    fn load(scope: &mut Scope<'_>, config: &MciStage) -> Result<Self, Error> {
        let c = config.channels;
        Ok(Downsample {
            dw: scope.depthwise("dw", Window::square(7, 2, c / 2, 2))?,
            squeeze: match config.squeeze_width {
                Some(width) => Some(scope.squeeze_excite(c, width)?),
                None => None,
            },
            // In no file of integers: the branch that passes its input on makes one weight of an output far larger than the
            // others, which 8 bits then tell apart by few steps.
            pw: scope.linear("pw", LinearSpec::new(c, c).even_first_inputs())?,
        })
    }
}
