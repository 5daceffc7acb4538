//! The layers of a vision transformer, in the order of the file.

use super::config::{ConvStem as StemConfig, ImagePooling, VitConfig};
use super::conv_stem::ConvStem;
use super::forward::{Head, Stem, Vit};
use crate::layers::{AttentionPool, LayerNorm, TurnShape};
use crate::models::Error;
use crate::models::layer::{LinearSpec, NormKind};
use crate::models::scope::Scope;
use crate::models::transformer::Transformer;
use crate::models::transformer::config::TransformerConfig;

impl Vit {
    pub(crate) fn load(scope: &mut Scope<'_>, config: &VitConfig, embed_dim: usize) -> Result<Self, Error> {
        let (w, p) = (config.blocks.width, config.patch_size);
        Ok(Vit {
            stem: match &config.stem {
                None => Stem::Patch(scope.linear("patch", LinearSpec::conv(3, [p, p], w).without_bias())?),
                Some(stem) => Stem::Conv(Box::new(ConvStem::load(&mut scope.child("stem"), stem, w)?)),
            },
            position: scope.rows("position", &[config.tokens(), w])?,
            ln_pre: match config.pre_norm {
                true => Some(scope.norm("ln_pre", w, config.blocks.norm_eps)?),
                false => None,
            },
            transformer: {
                let shape = TurnShape {
                    width: w,
                    heads: config.blocks.heads,
                    grid: config.grid(),
                    class_token: config.class_token,
                };
                let rotary = config.rotary.then(|| scope.rotary(shape));
                Transformer::load(scope, &config.blocks, false, rotary)?
            },
            head: match config.pooling.attention(&config.blocks) {
                None => Head::Class(scope.linear("proj", LinearSpec::new(w, embed_dim).after(NormKind::Layer))?),
                Some(sizes) => Head::Attention {
                    pool: Box::new(pool(&mut scope.child("pool"), config, sizes)?),
                    proj: match config.pooling {
                        ImagePooling::ProjectedAttention { .. } => {
                            Some(scope.linear("proj", LinearSpec::new(w, embed_dim))?)
                        }
                        _ => None,
                    },
                },
            },
            config: config.clone(),
        })
    }
}

/// Loads the attention pooling. The affine parts of the norms come with the layers after them; the queries and their scale
/// are folded into the weights.
fn pool(scope: &mut Scope<'_>, config: &VitConfig, (heads, mlp_width): (usize, usize)) -> Result<AttentionPool, Error> {
    let TransformerConfig { width, activation, norm_eps, .. } = config.blocks;
    Ok(AttentionPool {
        heads,
        queries: scope.queries("queries", width, heads)?,
        values: scope.linear("values", LinearSpec::new(width, width).after(NormKind::Layer))?,
        out: scope.linear("out", LinearSpec::new(width, width))?,
        norm: LayerNorm::new(width, norm_eps),
        mlp: scope.mlp(LinearSpec::new(width, mlp_width).after(NormKind::Layer), activation.into())?,
    })
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
