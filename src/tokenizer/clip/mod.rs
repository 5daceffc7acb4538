//! CLIP's own tokenizer: split into words, runs of punctuation and single digits (`split`), then byte pairs (`bpe`) with
//! the compiled-in vocabulary (`vocab`). Nothing is read or built at run time.

mod bpe;
#[cfg(feature = "import")]
mod published;
mod split;
pub(super) mod vocab;

use super::error::Error;
#[cfg(feature = "import")]
pub(crate) use published::Published;

/// Encodes the pieces of a cleaned text until there are `enough` ids, to save the work for ids that are truncated
/// anyway.
pub(super) fn encode_until(cleaned: &str, enough: usize) -> Result<Vec<u32>, Error> {
    let mut ids = Vec::with_capacity(80.min(cleaned.len() + 2));
    for piece in split::pieces(cleaned) {
        if ids.len() >= enough {
            break;
        }
        bpe::encode(piece, &mut ids).map_err(|_| Error::Memory { bytes: piece.len() })?;
    }
    Ok(ids)
}
