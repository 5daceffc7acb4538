//! The layers of an XLM-RoBERTa text tower, in the order of the file.

use super::config::XlmRobertaConfig;
use super::forward::{Block, XlmRoberta};
use crate::layers::Attention;
use crate::models::Error;
use crate::models::layer::LinearSpec;
use crate::models::scope::Scope;
use crate::models::token_embedding::TokenEmbedding;

impl XlmRoberta {
    /// The scale of the queries is folded into the weights. The norms keep their affine parts: what they give is both
    /// the input of the next layer and the residual.
    pub(crate) fn load(scope: &mut Scope<'_>, config: &XlmRobertaConfig, embed_dim: usize) -> Result<Self, Error> {
        let (w, h, eps) = (config.blocks.width, config.blocks.mlp_width, config.blocks.norm_eps);
        let embedding = TokenEmbedding::load(scope, config.vocab_size, config.context_length, w, config.pad_id)?;
        let embedding_norm = scope.norm("ln_embedding", w, eps)?;
        let mut blocks = Vec::new();
        for i in 0..config.blocks.layers {
            let mut block = scope.child(format_args!("blocks.{i}"));
            blocks.push(Block {
                qkv: block.linear("qkv", LinearSpec::qkv(w, config.blocks.heads).quantised())?,
                out: block.linear("out", LinearSpec::new(w, w).quantised())?,
                attention_norm: block.norm("ln_attention", w, eps)?,
                mlp: block.mlp(LinearSpec::new(w, h).quantised(), config.blocks.activation.into())?,
                mlp_norm: block.norm("ln_mlp", w, eps)?,
            });
        }
        Ok(XlmRoberta {
            embedding,
            embedding_norm,
            blocks,
            attention: Attention::new(w, config.blocks.heads, false),
            hidden: scope.linear("proj_hidden", LinearSpec::new(w, config.projection_width).without_bias())?,
            proj: scope.linear("proj", LinearSpec::new(config.projection_width, embed_dim).without_bias())?,
            config: config.clone(),
        })
    }
}
