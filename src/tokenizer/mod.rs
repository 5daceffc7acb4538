//! Converts text to the token ids of text towers, exactly as the reference libraries.
//!
//! Two steps: clean the text (`clean`), and encode it by CLIP's own tokenizer (`clip`, open_clip's `SimpleTokenizer`) or
//! by pieces that come with a model (`sentencepiece`). Nothing is built at run time: CLIP's vocabulary is compiled in, and
//! pieces are used as they lie in a mapped file, so the first call is as fast as any: a microsecond or two for a caption.
//! The Unicode tables (`unicode`) are those of the reference, not those of the Rust toolchain, so an update of either
//! never changes an embedding.
//!
//! A weights file names its tokenizer by a [`TokenizerConfig`]; any other is refused. Otherwise this module does not know
//! models.
//!
//! # Intended differences from the references
//!
//! - The names of special tokens in a text, such as `</s>`, are ordinary characters also where `tokenizers` turns them
//!   into the tokens.
//! - The words `<start_of_text>` and `<end_of_text>` in a text are ordinary characters. open_clip turns them into the
//!   special tokens, so a caption could end itself early and the embedding would ignore the rest. Here no text yields
//!   the ids [`START`] and [`END`].
//! - Repair of text crafted to need thousands of rounds (kilobytes of `&amp;amp;amp;...`) stops after a bounded amount
//!   of work, which no text under 4,096 bytes reaches. The reference takes hours.
//! - A numeric HTML reference of more than 4,300 digits is U+FFFD. The reference raises an exception.

mod clean;
mod clip;
mod config;
mod error;
#[cfg(feature = "import")]
mod file;
mod languages;
mod sentencepiece;
mod unicode;
mod unicode_tables;

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "import")]
pub(crate) use clip::Published;
pub use clip::vocab::{END, START, VOCAB_SIZE};
pub use config::{Clean, TokenizerConfig};
pub use error::Error;
#[cfg(feature = "import")]
pub use file::TokenizerFile;

use clip::vocab;
use sentencepiece::Bounds;

/// Revision of CLIP's ids, part of every weights file and of every embedding's fingerprint.
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

/// A tokenizer. It has no state: calls from any number of threads are independent. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    clean: Clean,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Clip,
    SentencePiece(Pieces),
}

/// A stored tokenizer, and what surrounds its texts.
#[derive(Clone)]
struct Pieces {
    bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    config: Arc<TokenizerConfig>,
    bounds: Bounds,
    ids: usize,
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("ids", &self.ids).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

static LOWER: Tokenizer = Tokenizer { clean: Clean::Lower, kind: Kind::Clip };
static WHITESPACE: Tokenizer = Tokenizer { clean: Clean::Whitespace, kind: Kind::Clip };
static CANONICALIZE: Tokenizer = Tokenizer { clean: Clean::Canonicalize, kind: Kind::Clip };

impl Tokenizer {
    /// The tokenizer of every CLIP and MobileCLIP model: 49,408 tokens, lower case.
    pub fn clip() -> &'static Tokenizer {
        &LOWER
    }

    /// The tokenizer that a weights file names, of those that come with this program.
    ///
    /// # Errors
    /// [`Error::UnknownKind`], [`Error::Revision`] or [`Error::Data`] if this program has another one.
    pub fn of(config: &TokenizerConfig) -> Result<&'static Tokenizer, Error> {
        config.check_clip()?;
        match config.clean {
            Clean::Lower => Ok(&LOWER),
            Clean::Whitespace => Ok(&WHITESPACE),
            Clean::Canonicalize => Ok(&CANONICALIZE),
            clean => Err(Error::Config(format!("CLIP's tokenizer has no cleaning {:?}", clean.as_str()))),
        }
    }

    /// The tokenizer whose pieces are these bytes of a weights file, which names it by `config`.
    ///
    /// `bytes` is the stored form that [`TokenizerFile`] writes, at a multiple of 4 in memory. This
    /// reads 128 of them, whatever the number of pieces: use `bytes` in place, mapped. Damage beyond them gives wrong ids
    /// and is found by the checksum of the tensor, never here.
    ///
    /// # Errors
    /// [`Error::UnknownKind`] or [`Error::Revision`] for a tokenizer of another kind or revision; [`Error::Config`] for
    /// bytes that are no stored tokenizer.
    #[cfg_attr(not(feature = "import"), doc = "", allow(rustdoc::broken_intra_doc_links))]
    pub fn stored(bytes: Arc<dyn AsRef<[u8]> + Send + Sync>, config: &TokenizerConfig) -> Result<Tokenizer, Error> {
        config.check_sentencepiece()?;
        let (bounds, ids) = match sentencepiece::open((*bytes).as_ref()) {
            Ok(view) => (view.bounds(), view.ids()),
            Err(damage) => return Err(Error::Config(damage.to_string())),
        };
        let pieces = Pieces { bytes, config: Arc::new(config.clone()), bounds, ids };
        Ok(Tokenizer { clean: config.clean, kind: Kind::SentencePiece(pieces) })
    }

    /// The same tokenizer for texts of a language: its token comes first, instead of the one of the file.
    ///
    /// `language` is its name in FLORES-200, such as `deu_Latn`, or its code of ISO 639-1, such as `de`. Of the models, NLLB
    /// has languages.
    ///
    /// # Errors
    /// [`Error::UnknownLanguage`] if there is no such token.
    pub fn with_language(&self, language: &str) -> Result<Tokenizer, Error> {
        let id = match (&self.kind, languages::name(language)) {
            (Kind::SentencePiece(pieces), Some(name)) => pieces.with(|view| view.special_id(name)).flatten(),
            (Kind::SentencePiece(_), None) | (Kind::Clip, _) => None,
        };
        let Some(id) = id else { return Err(Error::UnknownLanguage { language: language.to_owned() }) };
        let mut tokenizer = self.clone();
        if let Kind::SentencePiece(pieces) = &mut tokenizer.kind {
            pieces.bounds.start = Some(id);
        }
        Ok(tokenizer)
    }

    /// The same tokenizer for texts as they are: `ftfy`'s repair and HTML entities are left out of the cleaning. For ids
    /// beside those of programs that use the library `tokenizers` alone, such as Immich's machine-learning service; texts
    /// that need no repair have the same ids.
    ///
    /// ```
    /// use clippie_rs::tokenizer::Tokenizer;
    ///
    /// let plain = Tokenizer::clip().without_repair();
    /// assert_eq!(plain.encode("A  dog")?, Tokenizer::clip().encode("a dog")?);
    /// assert_ne!(plain.encode("Tom&amp;Jerry")?, Tokenizer::clip().encode("Tom&amp;Jerry")?);
    /// # Ok::<(), clippie_rs::tokenizer::Error>(())
    /// ```
    #[must_use]
    pub fn without_repair(&self) -> Tokenizer {
        let mut tokenizer = self.clone();
        tokenizer.clean = self.clean.without_repair();
        if let Kind::SentencePiece(pieces) = &mut tokenizer.kind {
            pieces.config = Arc::new(TokenizerConfig::clone(&pieces.config).with_clean(tokenizer.clean));
        }
        tokenizer
    }

    /// Kind, revision, data and cleaning of this tokenizer, as weights files name it.
    pub fn config(&self) -> TokenizerConfig {
        match &self.kind {
            Kind::Clip => TokenizerConfig::clip().with_clean(self.clean),
            Kind::SentencePiece(pieces) => TokenizerConfig::clone(&pieces.config),
        }
    }

    /// Whether its pieces come with the model.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self.kind, Kind::SentencePiece(_))
    }

    /// Whether the ids are those of a token embedding with `rows` rows: one for each id, and a few for tokens that were
    /// added later, which no text has. A file of pieces may list such tokens, too, without rows for them.
    pub(crate) fn serves(&self, rows: usize) -> bool {
        match &self.kind {
            Kind::Clip => (VOCAB_SIZE..=VOCAB_SIZE + MAX_ADDED).contains(&rows),
            Kind::SentencePiece(pieces) => serves(pieces.ids, rows),
        }
    }

    /// Number of ids, special tokens included; ids are in `0..vocab_size`.
    pub fn vocab_size(&self) -> usize {
        match &self.kind {
            Kind::Clip => VOCAB_SIZE,
            Kind::SentencePiece(pieces) => pieces.ids,
        }
    }

    fn bounds(&self) -> Bounds {
        match &self.kind {
            Kind::Clip => Bounds { start: Some(START), end: Some(END), pad: Some(vocab::PAD) },
            Kind::SentencePiece(pieces) => pieces.bounds,
        }
    }

    /// Id of the token before every text.
    pub fn start_id(&self) -> Option<u32> {
        self.bounds().start
    }

    /// Id of the token after every text; CLIP's text towers pool here.
    pub fn end_id(&self) -> Option<u32> {
        self.bounds().end
    }

    /// Id that fills unused token positions. [`Tokenizer::tokenize`] never pads.
    pub fn pad_id(&self) -> Option<u32> {
        self.bounds().pad
    }

    /// Encodes a text without start and end token and without limit. An empty text has no ids.
    ///
    /// CLIP's ids are in `0..START`. Accepts any text; time and memory are proportional to its length (times the logarithm
    /// of its longest word, for CLIP's).
    ///
    /// # Errors
    ///
    /// [`Error::Memory`]: up to 30 bytes of memory for a byte of text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.encode_until(text, usize::MAX)
    }

    /// Encodes a text for a model: start token, the text, end token, as far as the model has them; at most
    /// `context_length` ids, not padded.
    ///
    /// # Errors
    ///
    /// [`Error::ContextTooShort`] if `context_length` cannot hold start and end; [`Error::TooLong`] if the text has
    /// more tokens and `overflow` is [`Overflow::Refuse`]; [`Error::Memory`] as for [`Tokenizer::encode`].
    pub fn tokenize(&self, text: &str, context_length: usize, overflow: Overflow) -> Result<Vec<u32>, Error> {
        let Bounds { start, end, .. } = self.bounds();
        let around = usize::from(start.is_some()) + usize::from(end.is_some());
        let room = match context_length.checked_sub(around) {
            Some(room) => room,
            None => return Err(Error::ContextTooShort { context_length }),
        };
        let mut ids = match overflow {
            Overflow::Truncate => self.encode_until(text, room)?,
            Overflow::Refuse => self.encode(text)?,
        };
        if ids.len() > room {
            if overflow == Overflow::Refuse {
                return Err(Error::TooLong { tokens: ids.len() + around, context_length });
            }
            ids.truncate(room);
        }
        if let Some(start) = start {
            ids.insert(0, start);
        }
        ids.extend(end);
        Ok(ids)
    }

    /// Encodes a text until there are `enough` ids, to save the work for ids that are truncated anyway.
    fn encode_until(&self, text: &str, enough: usize) -> Result<Vec<u32>, Error> {
        memory_for(text)?;
        let cleaned = clean::clean(text, self.clean);
        Ok(match &self.kind {
            Kind::Clip => clip::encode_until(&cleaned, enough)?,
            Kind::SentencePiece(pieces) => {
                let mut ids = Vec::new();
                pieces.with(|view| sentencepiece::encode(view, &cleaned, enough, &mut ids));
                ids
            }
        })
    }
}

impl Pieces {
    /// Does something with the stored form. Opening it reads 128 bytes, and succeeds because it did so before.
    fn with<T>(&self, work: impl FnOnce(&sentencepiece::View<'_>) -> T) -> Option<T> {
        sentencepiece::open((*self.bytes).as_ref()).ok().map(|view| work(&view))
    }
}

/// Whether there is memory to clean a text, which takes some copies of it. Those are made step by step, by code that ends the
/// process without memory, so it is asked for before, for texts whose copies are of account.
fn memory_for(text: &str) -> Result<(), Error> {
    const OF_ACCOUNT: usize = 16 << 20;
    const COPIES: usize = 4;
    let bytes = text.len();
    if bytes < OF_ACCOUNT {
        return Ok(());
    }
    let mut copies = Vec::<u8>::new();
    copies.try_reserve_exact(bytes.saturating_mul(COPIES)).map_err(|_| Error::Memory { bytes })
}

/// Whether so many pieces are those of a token embedding with `rows` rows.
fn serves(pieces: usize, rows: usize) -> bool {
    pieces.abs_diff(rows) <= MAX_ADDED
}

#[cfg(test)]
mod tests;
