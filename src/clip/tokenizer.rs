//! The tokenizer of a weights file: CLIP's, which comes with this program, or the pieces that the file holds.

use std::sync::Arc;

use crate::error::Error;
use crate::tokenizer::{self, Tokenizer, TokenizerConfig};
use crate::weights::{TOKENIZER, TensorView, WeightsFile};

/// The pieces of a file, used as they are mapped.
struct Mapped(TensorView<u32>);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// Opens the tokenizer that a file names; `None` for one that names none, whose text tower, if there is one, takes ids
/// alone. Reads 128 bytes of pieces, however many there are.
pub(super) fn open(weights: &WeightsFile) -> Result<Option<Tokenizer>, Error> {
    let named = &weights.header().meta.tokenizer;
    if named.is_null() {
        return Ok(None);
    }
    let unknown = |error| Error::UnknownTokenizer { path: weights.path().to_owned(), error };
    let config = TokenizerConfig::from_json(named).map_err(unknown)?;
    if config.kind != TokenizerConfig::SENTENCEPIECE {
        return Tokenizer::of(&config).cloned().map(Some).map_err(unknown);
    }
    let entry = weights.header().tensors.iter().find(|entry| entry.spec.name == TOKENIZER);
    if entry.is_some_and(|entry| entry.sha256 != config.data_sha256) {
        let reason = "its pieces are not those that the header names".to_owned();
        return Err(unknown(tokenizer::Error::Config(reason)));
    }
    let pieces: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(Mapped(weights.tokenizer()?));
    Tokenizer::stored(pieces, &config).map(Some).map_err(unknown)
}
