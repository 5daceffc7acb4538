//! The layers of a vision transformer, in the order of the file.

use super::config::{ConvStem as StemConfig, VitConfig};
use super::conv_stem::ConvStem;
use super::forward::{Stem, Vit};
use crate::models::Error;
use crate::models::scope::{LinearSpec, Scope};
use crate::models::transformer::Transformer;

impl Vit {
    pub(crate) fn load(scope: &mut Scope<'_>, config: &VitConfig, embed_dim: usize) -> Result<Self, Error> {
        let (w, p) = (config.blocks.width, config.patch_size);
        Ok(Vit {
            stem: match &config.stem {
                None => Stem::Patch(scope.linear("patch", LinearSpec::conv(3, [p, p], w).without_bias())?),
                Some(stem) => Stem::Conv(ConvStem::load(&mut scope.child("stem"), stem, w)?),
            },
            position: scope.rows("position", &[config.tokens(), w])?,
            ln_pre: match config.pre_norm {
                true => Some(scope.norm("ln_pre", w, config.blocks.norm_eps)?),
                false => None,
            },
            transformer: Transformer::load(scope, &config.blocks, false)?,
            proj: scope.linear("proj", LinearSpec::new(w, embed_dim))?,
            config: config.clone(),
        })
    }
}

impl ConvStem {
    /// Loads the stem. The BatchNorms are folded into the weights.
    fn load(stem: &mut Scope<'_>, config: &StemConfig, width: usize) -> Result<Self, Error> {
        let s = config.width;
        Ok(ConvStem {
            first: stem.linear("0", LinearSpec::conv(3, [4, 4], s))?,
            second: stem.linear("1", LinearSpec::conv(s, [2, 2], s).channels_last())?,
            third: stem.linear("2", LinearSpec::conv(s, [2, 2], width).channels_last())?,
            padding: config.padding,
        })
    }
}
