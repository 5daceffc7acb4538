//! The layers of MobileCLIP-S0's text tower, in the order of the file.

use super::config::TextHybridConfig;
use super::forward::{RepMixer, TextHybrid};
use crate::layers::Window;
use crate::models::Error;
use crate::models::conv_mlp::ConvMlp;
use crate::models::layer::{LinearSpec, NormKind};
use crate::models::scope::Scope;
use crate::models::token_embedding::TokenEmbedding;
use crate::models::transformer::Transformer;

/// The id that pads every text to the context length.
const PAD_ID: u32 = 0;

impl TextHybrid {
    pub(crate) fn load(scope: &mut Scope<'_>, config: &TextHybridConfig, embed_dim: usize) -> Result<Self, Error> {
        let d = config.blocks.width;
        Ok(TextHybrid {
            embedding: TokenEmbedding::load(scope, config.vocab_size, config.context_length, d, PAD_ID)?,
            first: RepMixer::load(&mut scope.child("first"), config)?,
            transformer: Transformer::load(scope, &config.blocks, false, None)?,
            last: RepMixer::load(&mut scope.child("last"), config)?,
            proj: scope.linear("proj", LinearSpec::new(d, embed_dim).after(NormKind::Layer))?,
            config: config.clone(),
        })
    }
}

impl RepMixer {
    fn load(scope: &mut Scope<'_>, config: &TextHybridConfig) -> Result<Self, Error> {
        let window = Window::line(config.kernel_size, config.blocks.width);
        Ok(RepMixer {
            mixer: scope.depthwise("mixer", window)?,
            mlp: ConvMlp::load(&mut scope.child("ffn"), window, config.blocks.mlp_width)?,
        })
    }
}
