//! SentencePiece: pieces with scores, found by the best sum (unigram) or by merging (BPE).
//!
//! `store` is the form in which a weights file holds a tokenizer, and what encodes texts: `normalize` or `pipeline`, then
//! `unigram` or `bpe`. `read` reads published files to a [`Model`], and `build` makes the stored form of it. Exact to
//! `sentencepiece` 0.2.3 for models of its own format, and to `tokenizers` 0.23.3 for those of a `tokenizer.json`.
//!
//! # Intended differences
//!
//! - The names of special tokens (`<s>`, `</s>`, `<pad>`) in a text are text, as in `sentencepiece`. `tokenizers` turns
//!   them into the tokens.
//!
//! Time and memory are proportional to the length of a text, whatever it is: at most so many steps for each byte as the
//! longest piece has bytes, and as a rule a few.

mod bpe;
#[cfg(feature = "import")]
mod build;
#[cfg(any(feature = "import", test))]
mod build_trie;
mod charsmap;
#[cfg(feature = "import")]
mod model;
mod normalize;
mod pipeline;
mod queue;
#[cfg(feature = "import")]
mod read;
mod rules;
mod sink;
mod store;
mod trie;
mod unigram;

#[cfg(all(test, feature = "import"))]
mod tests;

#[cfg(feature = "import")]
pub(crate) use build::build;
#[cfg(feature = "import")]
pub(crate) use model::{FileError, Model};
#[cfg(feature = "import")]
pub(crate) use read::{MAX_FILE, read};
pub(crate) use store::{Bounds, View, open};

use bpe::Merger;
use rules::{Algorithm, Reference, Rules};
use sink::Sink;
use unigram::{Lattice, Score};

/// Appends the ids of a text, without those around it; stops some time after there are `enough` in all.
pub(crate) fn encode(view: &View<'_>, text: &str, enough: usize, ids: &mut Vec<u32>) {
    let mut sink = Sink::new(view, ids, enough);
    match (view.reference(), view.algorithm()) {
        (Reference::SentencePiece, Algorithm::Unigram) => sentencepiece(view, text, &mut sink, Lattice::<f32>::new()),
        (Reference::SentencePiece, Algorithm::Bpe) => sentencepiece(view, text, &mut sink, Merger::new()),
        (Reference::Tokenizers, Algorithm::Unigram) => tokenizers(view, text, &mut sink, Lattice::<f64>::new()),
        (Reference::Tokenizers, Algorithm::Bpe) => tokenizers(view, text, &mut sink, Merger::new()),
    }
}

/// What turns text into pieces.
trait Encoder {
    /// Encodes text whose ends no piece crosses.
    fn encode(&mut self, view: &View<'_>, text: &[u8], sink: &mut Sink<'_, '_>);

    /// What follows does not depend on what came before.
    fn restart(&mut self);
}

impl<S: Score> Encoder for Lattice<S> {
    fn encode(&mut self, view: &View<'_>, text: &[u8], sink: &mut Sink<'_, '_>) {
        self.encode(view, text, sink);
    }

    fn restart(&mut self) {
        self.restart();
    }
}

impl Encoder for Merger {
    fn encode(&mut self, view: &View<'_>, text: &[u8], sink: &mut Sink<'_, '_>) {
        self.encode(view, text, sink);
    }

    fn restart(&mut self) {}
}

/// Bytes of a text that are normalised at first: more than most texts have.
const FIRST_PART: usize = 4096;

fn sentencepiece(view: &View<'_>, text: &str, sink: &mut Sink<'_, '_>, mut encoder: impl Encoder) {
    let mut normalizer = normalize::Normalizer::new(view, text);
    // Words are encoded as soon as the next one begins, so that not all of a long text is read if ids are enough.
    let mut ready = Vec::new();
    let mut part = if sink.can_fill() { FIRST_PART } else { text.len() };
    loop {
        let is_all = normalizer.read(part, &mut ready);
        let mut taken = 0;
        let mut words = normalize::words(&ready, view.rules.has(Rules::WORDS)).peekable();
        while let Some(word) = words.next() {
            if !is_all && words.peek().is_none() {
                break;
            }
            if sink.is_full() {
                return;
            }
            encoder.encode(view, word, sink);
            taken += word.len();
        }
        if is_all {
            return;
        }
        // A word that goes on is looked at again: read as much again as it has.
        drop(words);
        ready.drain(..taken);
        part = ready.len().max(FIRST_PART);
    }
}

fn tokenizers(view: &View<'_>, text: &str, sink: &mut Sink<'_, '_>, mut encoder: impl Encoder) {
    let mut is_first = true;
    for part in pipeline::parts(view, text) {
        if sink.is_full() {
            return;
        }
        match part {
            pipeline::Part::Piece(piece) => sink.piece(piece.id()),
            pipeline::Part::Text(text) => {
                let text = pipeline::normalize(view, text);
                pipeline::words(view.rules, &text, is_first, |word| {
                    sink.separate();
                    encoder.restart();
                    for word in normalize::words(word.as_bytes(), view.rules.has(Rules::WORDS)) {
                        if sink.is_full() {
                            break;
                        }
                        encoder.encode(view, word, sink);
                    }
                    !sink.is_full()
                });
                sink.separate();
            }
        }
        is_first = false;
    }
}
