//! SentencePiece's own file: `spiece.model`, `tokenizer.model`, `sentencepiece.bpe.model`.
//!
//! Source: `sentencepiece_model.proto` of google/sentencepiece. Every field is used, known to be of no effect on ids, or
//! refused by its number.

use super::super::model::{FileError, Model, Piece, Value as Worth, shown};
use super::super::rules::{Algorithm, Rules};
use super::super::store::{Bounds, MAX_IDS};
use super::super::trie::Class;
use super::protobuf::{Broken, Fields, Value};

/// Score of an unknown character below the lowest of a piece (`kUnkPenalty`).
pub(super) const UNKNOWN_PENALTY: f32 = 10.0;

/// Fields of the training: what was read, how, and how much, and names and ids that the pieces show as well.
const TRAINING: [u32; 47] = [
    1, 2, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25, 26, 30, 31, 32, 33, 34, 36, 40, 41,
    42, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 8, 9, 27, 28, 29,
];

impl From<Broken> for FileError {
    fn from(_: Broken) -> FileError {
        FileError::new("it is damaged or no SentencePiece model; download it again")
    }
}

/// A field of another type than it should be.
fn mistyped(name: &str) -> FileError {
    FileError::new(format!("its field {name} has the wrong type; download it again"))
}

fn unknown(message: &str, number: u32) -> FileError {
    FileError::new(format!("its field {number} of {message} is not known; update clippie-rs"))
}

fn flag(value: Value<'_>, name: &str) -> Result<bool, FileError> {
    match value {
        Value::Varint(value) => Ok(value != 0),
        _ => Err(mistyped(name)),
    }
}

/// A number that may be negative: -1 stands for none.
fn id(value: Value<'_>, name: &str) -> Result<Option<u32>, FileError> {
    match value {
        Value::Varint(value) => Ok(u32::try_from(value).ok().filter(|&id| id <= i32::MAX as u32)),
        _ => Err(mistyped(name)),
    }
}

fn bytes<'a>(value: Value<'a>, name: &str) -> Result<&'a [u8], FileError> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(mistyped(name)),
    }
}

struct Trainer {
    algorithm: Algorithm,
    byte_fallback: bool,
    /// Id that fills up.
    pad: Option<u32>,
}

fn trainer(message: &[u8]) -> Result<Trainer, FileError> {
    let mut trainer = Trainer { algorithm: Algorithm::Unigram, byte_fallback: false, pad: None };
    for field in Fields::of(message) {
        match field? {
            (3, Value::Varint(1)) => trainer.algorithm = Algorithm::Unigram,
            (3, Value::Varint(2)) => trainer.algorithm = Algorithm::Bpe,
            (3, _) => {
                return Err(FileError::new("it is a model of words or characters: only unigram and BPE are supported"));
            }
            (24, value) if flag(value, "treat_whitespace_as_suffix")? => {
                return Err(FileError::new("treat_whitespace_as_suffix is set, which is not supported"));
            }
            (24, _) => {}
            (35, value) => trainer.byte_fallback = flag(value, "byte_fallback")?,
            (43, value) => trainer.pad = id(value, "pad_id")?,
            (number, _) if TRAINING.contains(&number) => {}
            (number, _) => return Err(unknown("trainer_spec", number)),
        }
    }
    Ok(trainer)
}

struct Normalizer<'a> {
    charsmap: &'a [u8],
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
}

fn normalizer(message: &[u8]) -> Result<Normalizer<'_>, FileError> {
    let mut spec = Normalizer { charsmap: &[], add_dummy_prefix: true, remove_extra_whitespaces: true };
    for field in Fields::of(message) {
        match field? {
            (2, value) => spec.charsmap = bytes(value, "precompiled_charsmap")?,
            (3, value) => spec.add_dummy_prefix = flag(value, "add_dummy_prefix")?,
            (4, value) => spec.remove_extra_whitespaces = flag(value, "remove_extra_whitespaces")?,
            (5, value) if !flag(value, "escape_whitespaces")? => {
                return Err(FileError::new("escape_whitespaces is off, which is not supported"));
            }
            // The name of the rules, and the text that they were compiled from.
            (1 | 5 | 6, _) => {}
            (number, _) => return Err(unknown("normalizer_spec", number)),
        }
    }
    Ok(spec)
}

fn piece(message: &[u8]) -> Result<Piece, FileError> {
    let (mut text, mut score, mut class) = ("", 0.0, Class::Normal);
    for field in Fields::of(message) {
        match field? {
            (1, value) => {
                let bytes = bytes(value, "piece")?;
                text = std::str::from_utf8(bytes).map_err(|_| FileError::new("one of its pieces is not UTF-8"))?;
            }
            (2, Value::Fixed32(bits)) => score = f32::from_le_bytes(bits),
            (2, _) => return Err(mistyped("score")),
            (3, Value::Varint(number)) => {
                class = match number {
                    1 => Class::Normal,
                    2 | 3 => Class::Control,
                    4 => Class::UserDefined,
                    5 => Class::Unused,
                    6 => Class::Byte,
                    _ => {
                        return Err(FileError::new(format!(
                            "the piece {} is of a type that is not known; update clippie-rs",
                            shown(text)
                        )));
                    }
                };
            }
            (3, _) => return Err(mistyped("type")),
            (number, _) => return Err(unknown("pieces", number)),
        }
    }
    Ok(Piece { text: text.to_owned(), class, value: Worth::Score(score) })
}

/// Whether a piece is the one for what is unknown.
fn is_unknown(message: &[u8]) -> bool {
    Fields::of(message).any(|field| field == Ok((3, Value::Varint(2))))
}

/// Reads a model. It says which tokens it has for the start and the end, but not which a text gets: none, as from
/// `sentencepiece`.
pub(super) fn read(file: &[u8]) -> Result<Model, FileError> {
    let mut pieces = Vec::new();
    let mut of_unknown = Vec::new();
    let mut training = trainer(&[])?;
    let mut normalization = normalizer(&[])?;
    for field in Fields::of(file) {
        match field? {
            (1, value) => {
                let message = bytes(value, "pieces")?;
                if pieces.len() == MAX_IDS {
                    return Err(FileError::new(format!("it has more than {MAX_IDS} pieces")));
                }
                if is_unknown(message) {
                    of_unknown.push(pieces.len() as u32);
                }
                pieces.push(piece(message)?);
            }
            (2, value) => training = trainer(bytes(value, "trainer_spec")?)?,
            (3, value) => normalization = normalizer(bytes(value, "normalizer_spec")?)?,
            // Texts to test the program with, and how ids become text.
            (4 | 5, _) => {}
            (number, _) => return Err(unknown("the model", number)),
        }
    }
    let &[unknown] = of_unknown.as_slice() else {
        return Err(FileError::new(format!("it has {} pieces for what is unknown, not one", of_unknown.len())));
    };
    let pad = training.pad.filter(|&id| pieces.get(id as usize).is_some_and(|piece| piece.class == Class::Control));
    let bounds = Bounds { start: None, end: None, pad };
    // `max_score_` begins with `FLT_MIN`, which is the smallest positive number, and scores are negative.
    let (mut lowest, mut highest) = (f32::MAX, f32::MIN_POSITIVE);
    for piece in pieces.iter().filter(|piece| piece.class == Class::Normal) {
        if let Worth::Score(score) = piece.value {
            (lowest, highest) = (lowest.min(score), highest.max(score));
        }
    }
    let user = (0..).zip(&pieces).filter(|(_, piece)| piece.class == Class::UserDefined).map(|(id, _)| id).collect();
    let rules = Rules::FUSE_UNKNOWN
        .with(Rules::BPE, training.algorithm == Algorithm::Bpe)
        .with(Rules::BYTE_FALLBACK, training.byte_fallback)
        .with(Rules::DUMMY_PREFIX, normalization.add_dummy_prefix)
        .with(Rules::REMOVE_EXTRA_SPACES, normalization.remove_extra_whitespaces);
    let model = Model {
        rules,
        user,
        unknown,
        unknown_score: f64::from(lowest - UNKNOWN_PENALTY),
        max_score: highest,
        bounds,
        charsmap: normalization.charsmap.to_vec(),
        pieces,
    };
    model.check()?;
    Ok(model)
}
