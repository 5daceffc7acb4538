//! Converts text to the token ids of CLIP's text towers, exactly as open_clip's `SimpleTokenizer`.
//!
//! Three steps: clean the text (`clean`), split it into words, runs of punctuation and single digits (`split`), and
//! encode each piece by byte pairs (`bpe`) with the compiled-in vocabulary (`vocab`). Nothing is read or built at run
//! time, so the first call is as fast as any: a microsecond or two for a caption. The Unicode tables (`unicode`) are
//! those of the reference, not those of the Rust toolchain, so an update of either never changes an embedding.
//!
//! A weights file names its tokenizer by a [`TokenizerConfig`]; [`Tokenizer::of`] refuses any other. Otherwise this
//! module does not know models.
//!
//! # Intended differences from open_clip
//!
//! - The words `<start_of_text>` and `<end_of_text>` in a text are ordinary characters. open_clip turns them into the
//!   special tokens, so a caption could end itself early and the embedding would ignore the rest. Here no text yields
//!   the ids [`START`] and [`END`].
//! - Repair of text crafted to need thousands of rounds (kilobytes of `&amp;amp;amp;...`) stops after a bounded amount
//!   of work, which no text under 4,096 bytes reaches. The reference takes hours.
//! - A numeric HTML reference of more than 4,300 digits is U+FFFD. The reference raises an exception.

mod bpe;
mod clean;
mod config;
mod error;
#[cfg(feature = "import")]
mod published;
mod split;
mod unicode;
mod unicode_tables;
mod vocab;

pub use config::{Clean, TokenizerConfig};
pub use error::Error;
#[cfg(feature = "import")]
pub(crate) use published::Published;
pub use vocab::{END, START, VOCAB_SIZE};

/// Revision of the ids, part of every weights file and of every embedding's fingerprint.
///
/// Rises whenever the ids of any text change.
pub const REVISION: u32 = 1;

/// Handling of a text that has more tokens than the model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Keep the first tokens and end with [`END`], as open_clip does.
    Truncate,
    /// Return [`Error::TooLong`].
    Refuse,
}

/// Most rows that a token embedding may have beyond the vocabulary: tokens that somebody added, and padding to a round
/// number. A larger one is of another vocabulary.
const MAX_ADDED: usize = 4096;

/// CLIP's tokenizer. It has no state: calls from any number of threads are independent.
#[derive(Debug)]
pub struct Tokenizer {
    clean: Clean,
}

static LOWER: Tokenizer = Tokenizer { clean: Clean::Lower };
static WHITESPACE: Tokenizer = Tokenizer { clean: Clean::Whitespace };
static CANONICALIZE: Tokenizer = Tokenizer { clean: Clean::Canonicalize };

impl Tokenizer {
    /// The tokenizer of every CLIP and MobileCLIP model: 49,408 tokens, lower case.
    pub fn clip() -> &'static Tokenizer {
        &LOWER
    }

    /// The tokenizer that a weights file names.
    ///
    /// # Errors
    /// [`Error::UnknownKind`], [`Error::Revision`] or [`Error::Data`] if this program has another one.
    pub fn of(config: &TokenizerConfig) -> Result<&'static Tokenizer, Error> {
        config.check().map(|()| match config.clean {
            Clean::Lower => &LOWER,
            Clean::Whitespace => &WHITESPACE,
            Clean::Canonicalize => &CANONICALIZE,
        })
    }

    /// Kind, revision, data and cleaning of this tokenizer, as weights files name it.
    pub fn config(&self) -> TokenizerConfig {
        TokenizerConfig::clip().with_clean(self.clean)
    }

    /// Whether the ids are those of a token embedding with `rows` rows: one for each id, and a few for tokens that were
    /// added later, which no text has.
    pub(crate) fn serves(&self, rows: usize) -> bool {
        (VOCAB_SIZE..=VOCAB_SIZE + MAX_ADDED).contains(&rows)
    }

    /// Number of ids, special tokens included; ids are in `0..vocab_size`.
    pub fn vocab_size(&self) -> usize {
        VOCAB_SIZE
    }

    /// Id of the token before every text.
    pub fn start_id(&self) -> u32 {
        START
    }

    /// Id of the token after every text; CLIP's text towers pool here.
    pub fn end_id(&self) -> u32 {
        END
    }

    /// Id that fills unused token positions. [`Tokenizer::tokenize`] never pads.
    pub fn pad_id(&self) -> u32 {
        vocab::PAD
    }

    /// Encodes a text without start and end token and without limit. An empty text has no ids.
    ///
    /// Ids are in `0..START`. Accepts any text; time and memory are proportional to its length (times the logarithm of
    /// its longest word).
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.encode_until(text, usize::MAX)
    }

    /// Encodes a text for a model: [`START`], the text, [`END`]; at most `context_length` ids, not padded.
    ///
    /// # Errors
    ///
    /// [`Error::ContextTooShort`] if `context_length` cannot hold start and end; [`Error::TooLong`] if the text has
    /// more tokens and `overflow` is [`Overflow::Refuse`].
    pub fn tokenize(&self, text: &str, context_length: usize, overflow: Overflow) -> Result<Vec<u32>, Error> {
        let room = match context_length.checked_sub(2) {
            Some(room) => room,
            None => return Err(Error::ContextTooShort { context_length }),
        };
        let mut ids = match overflow {
            Overflow::Truncate => self.encode_until(text, room),
            Overflow::Refuse => self.encode(text),
        };
        if ids.len() > room {
            if overflow == Overflow::Refuse {
                return Err(Error::TooLong { tokens: ids.len() + 2, context_length });
            }
            ids.truncate(room);
        }
        ids.insert(0, START);
        ids.push(END);
        Ok(ids)
    }

    /// Encodes pieces until there are `enough` ids, to save the work for ids that are truncated anyway.
    fn encode_until(&self, text: &str, enough: usize) -> Vec<u32> {
        let cleaned = clean::clean(text, self.clean);
        let mut ids = Vec::with_capacity(80.min(cleaned.len() + 2));
        for piece in split::pieces(&cleaned) {
            if ids.len() >= enough {
                break;
            }
            bpe::encode(piece, &mut ids);
        }
        ids
    }
}

#[cfg(test)]
mod tests;
