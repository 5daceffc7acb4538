//! The layers of a text transformer, in the order of the file.

use super::config::TextTransformerConfig;
use super::forward::{Head, TextTransformer};
use crate::models::Error;
use crate::models::layer::{LinearSpec, NormKind};
use crate::models::scope::Scope;
use crate::models::token_embedding::TokenEmbedding;
use crate::models::transformer::Transformer;

impl TextTransformer {
    pub(crate) fn load(scope: &mut Scope<'_>, config: &TextTransformerConfig, embed_dim: usize) -> Result<Self, Error> {
        let d = config.blocks.width;
        Ok(TextTransformer {
            embedding: TokenEmbedding::load(scope, config.vocab_size, config.context_length, d, config.pad_id)?,
            transformer: Transformer::load(scope, &config.blocks, config.causal, None)?,
            head: match config.projection {
                true => Head::Projection(scope.linear("proj", LinearSpec::new(d, embed_dim).after(NormKind::Layer))?),
                false => Head::Norm(scope.norm("ln_final", d, config.blocks.norm_eps)?),
            },
            config: config.clone(),
        })
    }
}
