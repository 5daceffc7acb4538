//! Token embeddings with other rows than CLIP's vocabulary has tokens.

use std::path::Path;

use crate::models::config::{ModelConfig, TextConfig};
use crate::tokenizer::{Tokenizer, VOCAB_SIZE};

/// Says what texts the model takes if its token embedding is not that of CLIP's vocabulary.
pub(super) fn warn(checkpoint: &Path, config: &ModelConfig) {
    let Some(rows) = config.text.as_ref().map(TextConfig::vocab_size).filter(|&rows| rows != VOCAB_SIZE) else {
        return;
    };
    let path = checkpoint.display();
    if Tokenizer::clip().serves(rows) {
        let added = rows - VOCAB_SIZE;
        tracing::warn!(
            "the token embedding of {path} has {added} rows more than CLIP's vocabulary has tokens; texts use the \
             tokens of CLIP alone"
        );
    } else {
        tracing::warn!(
            "the token embedding of {path} has {rows} rows and CLIP's vocabulary {VOCAB_SIZE} tokens; the model takes \
             photos, and ids that a program gives, but no text"
        );
    }
}
