//! Reads published files to a [`Model`].

mod json;
mod protobuf;
mod spiece;

use super::model::{FileError, Model};

/// Largest file, in bytes. Gemma's `tokenizer.json` has 34 MB.
pub(crate) const MAX_FILE: usize = 1 << 27;

/// Reads a SentencePiece model or a `tokenizer.json`, whichever the bytes are.
pub(crate) fn read(file: &[u8]) -> Result<Model, FileError> {
    if file.len() > MAX_FILE {
        return Err(FileError::new(format!("it has {} bytes: no tokenizer has more than {MAX_FILE}", file.len())));
    }
    // A model begins with a piece: 0x0a, the same byte as a line feed, and a length.
    let text = file.trim_ascii_start();
    match text.first() {
        Some(b'{') if text.len() == file.len() || file.first() != Some(&b'\n') => json::read(text),
        _ => spiece::read(file),
    }
}
