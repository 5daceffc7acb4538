//! The layers of a stack of transformer blocks, in the order of the file.

use super::config::TransformerConfig;
use super::forward::{Block, Transformer};
use crate::layers::{Attention, LayerNorm, Rotary};
use crate::models::Error;
use crate::models::layer::{LinearSpec, NormKind};
use crate::models::scope::Scope;

impl Transformer {
    /// Loads the blocks below `scope`. The affine parts of the norms and the scale of the queries come with the linear
    /// layers. With `rotary`, every sequence is an image.
    pub(in crate::models) fn load(
        scope: &mut Scope<'_>,
        config: &TransformerConfig,
        causal: bool,
        rotary: Option<Rotary>,
    ) -> Result<Self, Error> {
        let (w, h) = (config.width, config.mlp_width);
        let qkv = match rotary {
            Some(_) => LinearSpec::qkv(w, config.heads).in_pairs(w / config.heads),
            None => LinearSpec::qkv(w, config.heads),
        };
        let qkv = qkv.quantised().after(NormKind::Layer);
        let fc1 = LinearSpec::new(w, h).quantised().after(NormKind::Layer);
        let mut blocks = Vec::new();
        for i in 0..config.layers {
            let mut block = scope.child(format_args!("blocks.{i}"));
            blocks.push(Block {
                qkv: block.linear("qkv", qkv)?,
                out: block.linear("out", LinearSpec::new(w, w).quantised())?,
                mlp: block.mlp(fc1, config.activation.into())?,
            });
        }
        let attention = Attention::new(w, config.heads, causal);
        Ok(Transformer { blocks, attention, rotary, norm: LayerNorm::new(w, config.norm_eps), width: w })
    }
}
