//! Embeddings of texts, kept in the library because texts are asked for again.

use super::error::Error;
use super::store::{ModelRow, Store};
use crate::clip::TextEncoder;

/// The unit embedding of a text: the kept one, else a new one, which is kept where the library can be written.
pub(super) fn embedding(store: &Store, model: &ModelRow, encoder: &TextEncoder, text: &str) -> Result<Vec<f32>, Error> {
    if let Some(kept) = store.text(model, text)? {
        return Ok(kept);
    }
    let vector = encoder.encode_one(text)?;
    if !store.is_read_only() {
        match store.put_text(model, text, &vector) {
            // A search goes on where only keeping fails.
            Err(Error::Full { .. } | Error::ReadOnly { .. } | Error::Busy { .. }) | Ok(()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(vector)
}
