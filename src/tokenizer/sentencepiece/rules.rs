//! How a text becomes pieces: the settings of a tokenizer that its pieces do not show.

/// The program whose ids are given. Both read the same models, and their ids differ for a few unusual texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `sentencepiece`, for models that come as its file.
    SentencePiece,
    /// `tokenizers`, for models that come as `tokenizer.json`: the rules of a charsmap apply within grapheme clusters, the
    /// shortest first; user-defined pieces are looked for before anything else; unigram scores are summed in double
    /// precision, word by word.
    Tokenizers,
}

/// Which symbols are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// The pieces with the highest sum of scores.
    Unigram,
    /// Neighbours are merged, the best piece first.
    Bpe,
}

/// Settings; each is a bit of the stored form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules(pub u32);

impl Rules {
    /// Neighbours are merged, else unigram.
    pub const BPE: Rules = Rules(1);
    /// The ids of `tokenizers`, else those of `sentencepiece`.
    pub const TOKENIZERS: Rules = Rules(1 << 1);
    /// A character that is no piece becomes the pieces of its bytes.
    pub const BYTE_FALLBACK: Rules = Rules(1 << 2);
    /// Unknown neighbours give one id.
    pub const FUSE_UNKNOWN: Rules = Rules(1 << 3);
    /// A space before the text.
    pub const DUMMY_PREFIX: Rules = Rules(1 << 4);
    /// Spaces at both ends are dropped, and runs become one (sentencepiece).
    pub const REMOVE_EXTRA_SPACES: Rules = Rules(1 << 5);
    /// No piece has a space after anything but spaces, so that words are independent.
    pub const WORDS: Rules = Rules(1 << 6);

    // What follows is for `tokenizers`, in the order in which it is done.
    /// Lower case, each character by itself.
    pub const LOWERCASE: Rules = Rules(1 << 7);
    /// White space at the beginning is dropped.
    pub const STRIP_LEFT: Rules = Rules(1 << 8);
    /// White space at the end is dropped.
    pub const STRIP_RIGHT: Rules = Rules(1 << 9);
    /// Two or more spaces become one.
    pub const COLLAPSE: Rules = Rules(1 << 10);
    /// Spaces become U+2581.
    pub const ESCAPE: Rules = Rules(1 << 11);
    /// White space separates words and is dropped.
    pub const SPLIT_WHITESPACE: Rules = Rules(1 << 12);
    /// Spaces become U+2581 in each word; a prefix if `DUMMY_PREFIX` is set.
    pub const METASPACE: Rules = Rules(1 << 13);
    /// The prefix is only for the first part of a text that user-defined pieces cut.
    pub const PREFIX_FIRST: Rules = Rules(1 << 14);
    /// Each U+2581 begins a word.
    pub const SPLIT_METASPACE: Rules = Rules(1 << 15);

    const ALL: u32 = (1 << 16) - 1;

    /// Rules from a file; `None` if there are any that this program does not know.
    pub fn of(bits: u32) -> Option<Rules> {
        (bits & !Self::ALL == 0).then_some(Rules(bits))
    }

    pub fn has(self, rule: Rules) -> bool {
        self.0 & rule.0 == rule.0
    }

    #[cfg(any(feature = "import", test))]
    #[must_use]
    pub fn with(self, rule: Rules, on: bool) -> Rules {
        if on { Rules(self.0 | rule.0) } else { Rules(self.0 & !rule.0) }
    }

    pub fn algorithm(self) -> Algorithm {
        if self.has(Rules::BPE) { Algorithm::Bpe } else { Algorithm::Unigram }
    }

    pub fn reference(self) -> Reference {
        if self.has(Rules::TOKENIZERS) { Reference::Tokenizers } else { Reference::SentencePiece }
    }
}
