//! Published tokenizer files: what is made of them for a weights file, and a tokenizer to use at once.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Tokenizer;
use super::config::{Clean, TokenizerConfig};
use super::error::Error;
use super::sentencepiece::{self, Bounds, FileError, Model};
use crate::files::open_regular;

/// A tokenizer with pieces as its authors publish it: a SentencePiece model (`spiece.model`, `tokenizer.model`,
/// `sentencepiece.bpe.model`), or a `tokenizer.json` with a Unigram or BPE model that was converted from one.
///
/// ```no_run
/// use clippie_rs::tokenizer::TokenizerFile;
///
/// let tokenizer = TokenizerFile::read("tokenizer.json".as_ref())?.tokenizer()?;
/// println!("{:?}", tokenizer.encode("a dog on a beach")?);
/// # Ok::<(), clippie_rs::tokenizer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenizerFile {
    path: std::path::PathBuf,
    model: Model,
    clean: Clean,
}

/// Bytes at a multiple of 4.
struct Words(Vec<u32>);

impl AsRef<[u8]> for Words {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

impl TokenizerFile {
    /// Most bytes of a file that are read.
    const MAX_BYTES: u64 = sentencepiece::MAX_FILE as u64;

    /// Reads a file of either format.
    ///
    /// The ids around texts are those that a `tokenizer.json` states; a SentencePiece model states none, and has the ids
    /// alone until [`TokenizerFile::with_bounds`] sets others.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be read, is damaged, or asks for anything that is not supported, which the
    /// message names.
    pub fn read(path: &Path) -> Result<TokenizerFile, Error> {
        let refused = |reason: String| Error::File { path: path.to_owned(), reason };
        let mut bytes = Vec::new();
        let file = open_regular(path).map_err(|error| refused(error.to_string()))?;
        file.take(Self::MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| refused(error.to_string()))?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the content of a file; `path` is for messages.
    ///
    /// # Errors
    /// See [`TokenizerFile::read`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<TokenizerFile, Error> {
        match sentencepiece::read(bytes) {
            Ok(model) => Ok(TokenizerFile { path: path.to_owned(), model, clean: Clean::None }),
            Err(error) => Err(Error::File { path: path.to_owned(), reason: error.to_string() }),
        }
    }

    fn refused(&self, error: &FileError) -> Error {
        Error::File { path: self.path.clone(), reason: error.to_string() }
    }

    /// Sets how texts are cleaned; [`Clean::None`] without this.
    #[must_use]
    pub fn with_clean(self, clean: Clean) -> TokenizerFile {
        TokenizerFile { clean, ..self }
    }

    /// Sets the ids before and after each text, and the one that fills unused positions.
    ///
    /// # Errors
    /// [`Error::File`] for an id that no piece has; when the tokenizer is made.
    #[must_use]
    pub fn with_bounds(self, start: Option<u32>, end: Option<u32>, pad: Option<u32>) -> TokenizerFile {
        TokenizerFile { model: self.model.with_bounds(Bounds { start, end, pad }), ..self }
    }

    /// Renumbers the pieces of a SentencePiece model as fairseq does for XLM-RoBERTa, XLM-V and NLLB, with `added` tokens
    /// at the end; texts then begin with `<s>` and end with `</s>`. In a `tokenizer.json`, ids are final already.
    ///
    /// # Errors
    /// [`Error::File`] for a model that does not begin with `<unk>`, `<s>` and `</s>`.
    pub fn fairseq(self, added: &[&str]) -> Result<TokenizerFile, Error> {
        match self.model.clone().fairseq(added) {
            Ok(model) => Ok(TokenizerFile { model, ..self }),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// See [`Tokenizer::serves`].
    pub(crate) fn serves(&self, rows: usize) -> bool {
        super::serves(self.vocab_size(), rows)
    }

    /// Number of ids.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.model.ids()
    }

    /// The id of a piece by its name, special ones included.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<u32> {
        self.model.id(name)
    }

    /// Makes the stored form for a weights file, which [`Tokenizer::stored`] opens, and the configuration that names it.
    ///
    /// # Errors
    /// [`Error::File`] if pieces contradict each other.
    pub fn store(&self) -> Result<(Vec<u8>, TokenizerConfig), Error> {
        let bytes = sentencepiece::build(&self.model).map_err(|error| self.refused(&error))?;
        let sum = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((bytes, TokenizerConfig::sentencepiece(sum, self.clean)))
    }

    /// Makes a tokenizer to use at once, in memory.
    ///
    /// # Errors
    /// See [`TokenizerFile::store`].
    pub fn tokenizer(&self) -> Result<Tokenizer, Error> {
        let (bytes, config) = self.store()?;
        // The form is a multiple of 64 bytes long.
        let (words, _) = bytes.as_chunks::<4>();
        let words = words.iter().map(|word| u32::from_ne_bytes(*word)).collect();
        Tokenizer::stored(Arc::new(Words(words)), &config)
    }
}
