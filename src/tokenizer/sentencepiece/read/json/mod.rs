//! `tokenizer.json` of the library `tokenizers`: a model between steps that normalise, split and surround a text.
//!
//! Source: tokenizers 0.13 to 0.23. Every field is used, of no effect on ids, or refused by its name.

mod bpe;
mod steps;
mod tables;

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::model::{FileError, Model, Piece, Value as Worth, shown};
use super::super::rules::Rules;
use super::super::store::{Bounds, MAX_IDS};
use super::super::trie::Class;
use tables::{Merges, Vocabulary};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    /// Each call of transformers sets it anew.
    #[serde(default, rename = "truncation")]
    _truncation: serde::de::IgnoredAny,
    /// As `truncation`, but it may name the id that fills up.
    #[serde(default, deserialize_with = "crate::bounded_json::value")]
    padding: Value,
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default, deserialize_with = "crate::bounded_json::value")]
    normalizer: Value,
    #[serde(default, deserialize_with = "crate::bounded_json::value")]
    pre_tokenizer: Value,
    #[serde(default, deserialize_with = "crate::bounded_json::value")]
    post_processor: Value,
    /// How ids become text.
    #[serde(default, rename = "decoder")]
    _decoder: serde::de::IgnoredAny,
    model: Spec,
}

/// A token that is looked for before the model sees a text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

/// A model: the fields of all types, because the type may come after the pieces.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(default)]
    r#type: Option<String>,
    vocab: Vocabulary,
    #[serde(default)]
    merges: Option<Merges>,
    #[serde(default)]
    unk_id: Option<u32>,
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    dropout: Option<f64>,
    #[serde(default)]
    alpha: Option<f64>,
    #[serde(default)]
    nbest_size: Option<u64>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    ignore_merges: bool,
    /// About the time that it takes.
    #[serde(default, rename = "cache_capacity")]
    _cache_capacity: serde::de::IgnoredAny,
}

/// Refuses a setting by its name.
fn refused(field: &str, why: &str) -> FileError {
    FileError::new(format!("{field}: {why}"))
}

/// The ids of pieces by their names.
type Ids<'a> = HashMap<&'a str, u32>;

/// Reads a file.
pub(super) fn read(text: &[u8]) -> Result<Model, FileError> {
    let file: File = serde_json::from_slice(text)
        // The message quotes names from the file.
        .map_err(|error| FileError::new(error.to_string().escape_debug().to_string()))?;
    if file.version != "1.0" {
        return Err(refused("version", "only 1.0 is known; update clippie-rs"));
    }
    let Spec { dropout, alpha, nbest_size, .. } = file.model;
    if dropout.is_some_and(|rate| rate != 0.0) || alpha.is_some() || nbest_size.is_some() {
        return Err(refused("model.dropout", "it asks for random pieces"));
    }
    let affixes = [&file.model.continuing_subword_prefix, &file.model.end_of_word_suffix];
    if affixes.into_iter().flatten().any(|affix| !affix.is_empty()) {
        return Err(refused("model.end_of_word_suffix", "a model with affixes is not one of SentencePiece"));
    }
    let is_bpe = match (file.model.r#type.as_deref(), &file.model.vocab) {
        (Some("BPE") | None, Vocabulary::Ids(_)) => true,
        (Some("Unigram") | None, Vocabulary::Scores(_)) => false,
        (kind, _) => {
            let kind = shown(kind.unwrap_or(""));
            return Err(refused(
                "model.type",
                &format!("{kind} with this vocabulary is not supported: only Unigram and BPE are"),
            ));
        }
    };
    let rules = Rules::TOKENIZERS
        .with(Rules::BPE, is_bpe)
        .with(Rules::BYTE_FALLBACK, file.model.byte_fallback)
        .with(Rules::FUSE_UNKNOWN, file.model.fuse_unk || !is_bpe);
    let normalized = steps::normalizer(&file.normalizer, rules)?;
    let rules = steps::pre_tokenizer(&file.pre_tokenizer, normalized.rules)?;

    let mut pieces = pieces(&file.model)?;
    let user = add(&mut pieces, &file.added_tokens)?;
    let ids = ids(&pieces)?;
    let unknown = unknown(&file.model, is_bpe, &ids)?;
    let bounds = Bounds { pad: steps::padding(&file.padding, &ids)?, ..steps::post_processor(&file.post_processor)? };
    let values = if is_bpe { Some(bpe::ranks(&file.model, &pieces, &ids)?) } else { None };
    for (piece, value) in pieces.iter_mut().zip(values.into_iter().flatten()) {
        piece.value = value;
    }
    let scores =
        pieces.iter().filter_map(|piece| if let Worth::Score(score) = piece.value { Some(score) } else { None });
    let lowest = if is_bpe { 0.0 } else { scores.map(f64::from).fold(f64::INFINITY, f64::min) };
    let model = Model {
        rules,
        user,
        unknown,
        unknown_score: lowest - f64::from(super::spiece::UNKNOWN_PENALTY),
        max_score: 0.0,
        bounds,
        charsmap: normalized.charsmap,
        pieces,
    };
    model.check()?;
    Ok(model)
}

/// The pieces of the model by their ids.
fn pieces(spec: &Spec) -> Result<Vec<Piece>, FileError> {
    let is_byte = |text: &str| spec.byte_fallback && text.len() == 6 && text.starts_with("<0x") && text.ends_with('>');
    let class = |text: &str| if is_byte(text) { Class::Byte } else { Class::Normal };
    let mut pieces = Vec::new();
    match &spec.vocab {
        Vocabulary::Scores(list) => {
            if spec.merges.is_some() || spec.unk_token.is_some() || spec.ignore_merges {
                return Err(refused("model.merges", "a Unigram model has none"));
            }
            for (text, score) in list {
                let narrow = *score as f32;
                if f64::from(narrow) != *score {
                    let why = format!(
                        "the score {score} of {} is no number of 32 bits, as SentencePiece has them",
                        shown(text)
                    );
                    return Err(refused("model.vocab", &why));
                }
                let class = if text.is_empty() { Class::None } else { class(text) };
                pieces.push(Piece { text: text.clone(), class, value: Worth::Score(narrow) });
            }
        }
        Vocabulary::Ids(list) => {
            if spec.unk_id.is_some() {
                return Err(refused("model.unk_id", "a BPE model has none"));
            }
            if spec.ignore_merges {
                return Err(refused("model.ignore_merges", "it is not supported"));
            }
            for (text, id) in list.iter().filter(|(text, _)| !text.is_empty()) {
                set(&mut pieces, *id, Piece { text: text.clone(), class: class(text), value: Worth::Nothing })?;
            }
        }
    }
    Ok(pieces)
}

/// Puts a piece at its id.
fn set(pieces: &mut Vec<Piece>, id: u32, piece: Piece) -> Result<(), FileError> {
    let at = id as usize;
    if at >= MAX_IDS {
        return Err(FileError::new(format!(
            "the piece {} has the id {id}: ids below {MAX_IDS} are supported",
            shown(&piece.text)
        )));
    }
    if at >= pieces.len() {
        pieces.resize(at + 1, Piece { text: String::new(), class: Class::None, value: Worth::Nothing });
    }
    match pieces.get_mut(at) {
        Some(slot) if slot.class == Class::None => {
            *slot = piece;
            Ok(())
        }
        _ => Err(FileError::new(format!("two pieces have the id {id}"))),
    }
}

/// Adds the tokens that are looked for before the model: special ones are no text, the ids of the others are returned.
fn add(pieces: &mut Vec<Piece>, tokens: &[Added]) -> Result<Vec<u32>, FileError> {
    let known: HashMap<String, u32> = {
        let ids = ids(pieces)?;
        let of_tokens =
            tokens.iter().filter_map(|token| ids.get(token.content.as_str()).map(|&id| (token.content.clone(), id)));
        of_tokens.collect()
    };
    let mut user = Vec::new();
    for token in tokens.iter().filter(|token| !token.content.is_empty()) {
        let name = || shown(&token.content);
        match known.get(&token.content) {
            Some(&id) if id != token.id => {
                return Err(refused(
                    "added_tokens",
                    &format!("{} has the id {}, but {id} in the model", name(), token.id),
                ));
            }
            Some(&id) if token.special => {
                if let Some(piece) = pieces.get_mut(id as usize) {
                    piece.class = Class::Control;
                }
            }
            Some(_) => {}
            None => {
                let piece = Piece { text: token.content.clone(), class: Class::Control, value: Worth::Nothing };
                let there = pieces.get(token.id as usize).is_some_and(|there| there.text == token.content);
                if !there {
                    set(pieces, token.id, piece)?;
                }
            }
        }
        if token.special {
            continue;
        }
        let settings = [
            (token.single_word, "single_word"),
            (token.lstrip, "lstrip"),
            (token.rstrip, "rstrip"),
            (token.normalized, "normalized"),
        ];
        if let Some((_, setting)) = settings.into_iter().find(|(on, _)| *on) {
            return Err(refused("added_tokens", &format!("{} has {setting}, which is not supported", name())));
        }
        user.push(token.id);
    }
    Ok(user)
}

/// Ids by name; refuses two pieces with one name.
fn ids(pieces: &[Piece]) -> Result<Ids<'_>, FileError> {
    let mut ids = HashMap::with_capacity(pieces.len());
    for (id, piece) in (0..).zip(pieces).filter(|(_, piece)| piece.class != Class::None) {
        if ids.insert(piece.text.as_str(), id).is_some() {
            return Err(FileError::new(format!("it has the piece {} twice", shown(&piece.text))));
        }
    }
    Ok(ids)
}

/// Id of what is unknown.
fn unknown(spec: &Spec, is_bpe: bool, ids: &Ids<'_>) -> Result<u32, FileError> {
    if !is_bpe {
        return spec.unk_id.ok_or_else(|| refused("model.unk_id", "it is missing"));
    }
    let name = spec.unk_token.as_deref().ok_or_else(|| refused("model.unk_token", "it is missing"))?;
    ids.get(name).copied().ok_or_else(|| refused("model.unk_token", &format!("{} is no piece", shown(name))))
}
