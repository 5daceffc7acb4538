//! The layers of a stack of transformer blocks, in the order of the file.

use super::config::TransformerConfig;
use super::forward::{Block, Transformer};
use crate::layers::{Attention, LayerNorm};
use crate::models::Error;
use crate::models::scope::{LinearSpec, Scope};

impl Transformer {
    /// Loads the blocks below `scope`. The affine parts of the norms and the scale of the queries are folded into the
    /// weights.
    pub(in crate::models) fn load(
        scope: &mut Scope<'_>,
        config: &TransformerConfig,
        causal: bool,
    ) -> Result<Self, Error> {
        let (w, h) = (config.width, config.mlp_width);
        let mut blocks = Vec::new();
        for i in 0..config.layers {
            let mut block = scope.child(format_args!("blocks.{i}"));
            blocks.push(Block {
                qkv: block.linear("qkv", LinearSpec::qkv(w, config.heads))?,
                out: block.linear("out", LinearSpec::new(w, w))?,
                mlp: block.mlp(w, h, config.activation.into())?,
            });
        }
        let attention = Attention::new(w, config.heads, causal);
        Ok(Transformer { blocks, attention, norm: LayerNorm::new(w, config.norm_eps), width: w })
    }
}
