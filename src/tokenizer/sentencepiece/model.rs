//! A tokenizer as files publish it, whichever file it was.

use super::charsmap::Charsmap;
use super::rules::Rules;
use super::store::{Bounds, MAX_IDS, MAX_PIECE};
use super::trie::Class;

/// Why a file gives no tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FileError(String);

impl FileError {
    /// Text from a file goes through [`shown`] first.
    pub fn new(reason: impl Into<String>) -> FileError {
        FileError(reason.into())
    }
}

/// A name of a file for a message: short, without control characters.
pub(super) fn shown(name: &str) -> String {
    let mut out: String = name.chars().take(40).flat_map(char::escape_debug).collect();
    if name.chars().nth(40).is_some() {
        out.push('…');
    }
    format!("\"{out}\"")
}

/// A piece; its place in the list is its id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(super) text: String,
    /// [`Class::None`] for an id without piece.
    pub(super) class: Class,
    pub(super) value: Value,
}

/// What decides between pieces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// Higher is better.
    Score(f32),
    /// Lower is better: the place among merges.
    Rank(u32),
    /// Nothing merges to it.
    Nothing,
}

/// Pieces and settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    pub(super) rules: Rules,
    pub(super) pieces: Vec<Piece>,
    /// Pieces that are taken whole.
    pub(super) user: Vec<u32>,
    pub(super) unknown: u32,
    pub(super) unknown_score: f64,
    pub(super) max_score: f32,
    pub(super) bounds: Bounds,
    pub(super) charsmap: Vec<u8>,
}

impl Model {
    /// Number of ids.
    pub fn ids(&self) -> usize {
        self.pieces.len()
    }

    /// Sets the ids around texts.
    #[must_use]
    pub fn with_bounds(mut self, bounds: Bounds) -> Model {
        self.bounds = bounds;
        self
    }

    /// The id of a piece by its name, whatever its kind.
    pub fn id(&self, name: &str) -> Option<u32> {
        let found = self.pieces.iter().position(|piece| piece.class != Class::None && piece.text == name);
        found.and_then(|id| u32::try_from(id).ok())
    }

    /// Renumbers the pieces of a SentencePiece file as fairseq does for XLM-RoBERTa, XLM-V and NLLB: `<s>`, `<pad>`,
    /// `</s>`, `<unk>`, the pieces of the file but its first three, then tokens that no text has.
    ///
    /// # Errors
    /// A file that does not begin with `<unk>`, `<s>` and `</s>`.
    pub fn fairseq(mut self, added: &[&str]) -> Result<Model, FileError> {
        let names = ["<unk>", "<s>", "</s>"];
        let begins = self.pieces.iter().zip(names).filter(|(piece, name)| piece.text == *name).count();
        if begins != names.len() || self.pieces.iter().any(|piece| piece.text == "<pad>") {
            return Err(FileError::new(
                "its pieces are not those of a model that fairseq renumbers: it does not begin with <unk>, <s> and </s>",
            ));
        }
        let control = |name: &str| Piece { text: name.to_owned(), class: Class::Control, value: Value::Score(0.0) };
        let mut pieces: Vec<Piece> = ["<s>", "<pad>", "</s>", "<unk>"].map(control).into();
        pieces.extend(self.pieces.drain(3..));
        pieces.extend(added.iter().map(|name| control(name)));
        self.pieces = pieces;
        self.user.iter_mut().for_each(|id| *id += 1);
        self.unknown = 3;
        self.bounds = Bounds { start: Some(0), end: Some(2), pad: Some(1) };
        self.check()?;
        Ok(self)
    }

    /// Refuses what no stored form can hold.
    pub(super) fn check(&self) -> Result<(), FileError> {
        if self.pieces.is_empty() || self.pieces.len() > MAX_IDS {
            return Err(FileError::new(format!("it has {} pieces: 1 to {MAX_IDS} are supported", self.pieces.len())));
        }
        let ids = [Some(self.unknown), self.bounds.start, self.bounds.end, self.bounds.pad];
        if let Some(id) = ids.into_iter().flatten().find(|&id| id as usize >= self.pieces.len()) {
            return Err(FileError::new(format!("it names the id {id}, but has {} pieces", self.pieces.len())));
        }
        for Piece { text, class, value } in &self.pieces {
            if text.is_empty() && *class != Class::None {
                return Err(FileError::new("one of its pieces is empty"));
            }
            if text.len() > MAX_PIECE && !matches!(class, Class::None | Class::Control) {
                return Err(FileError::new(format!(
                    "the piece {} has {} bytes: at most {MAX_PIECE} are supported",
                    shown(text),
                    text.len()
                )));
            }
            if matches!(value, Value::Score(score) if !score.is_finite()) {
                return Err(FileError::new(format!("the score of the piece {} is not a number", shown(text))));
            }
        }
        match Charsmap::new(&self.charsmap) {
            Some(map) if std::str::from_utf8(map.texts()).is_ok() => Ok(()),
            _ => Err(FileError::new("its precompiled_charsmap is damaged")),
        }
    }
}
