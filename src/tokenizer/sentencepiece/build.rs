//! Makes the stored form of a model.

use std::collections::BTreeMap;

use super::build_trie::{self, Entry};
use super::model::{FileError, Model, Piece, Value, shown};
use super::normalize::SPACE;
use super::rules::{Algorithm, Rules};
use super::store::{ALIGN, HEADER, MAGIC, MAX_PIECE, NONE, VERSION};
use super::trie::{Class, Unit};

/// Writes the stored form, which [`super::open`] reads.
///
/// # Errors
/// Two pieces with one name, a missing piece for a byte, and what [`Model::check`] refuses.
pub(crate) fn build(model: &Model) -> Result<Vec<u8>, FileError> {
    model.check()?;
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(model.pieces.len());
    for (id, piece) in (0..).zip(&model.pieces) {
        // The names of longer ones are never looked up.
        if piece.class != Class::None && piece.text.len() <= MAX_PIECE {
            entries.push((piece.text.as_bytes(), piece.class, id));
        }
    }
    entries.sort_unstable();
    if let Some(twice) = entries.windows(2).find(|pair| matches!(pair, [(a, ..), (b, ..)] if a == b)) {
        let name = twice.first().map_or(String::new(), |(name, ..)| String::from_utf8_lossy(name).into_owned());
        return Err(FileError::new(format!("it has the piece {} twice", shown(&name))));
    }
    let mut user: Vec<Entry<'_>> = Vec::new();
    for &id in &model.user {
        let piece = model.pieces.get(id as usize).filter(|piece| !piece.text.is_empty());
        let piece = piece.ok_or_else(|| FileError::new("a user-defined piece is missing"))?;
        user.push((piece.text.as_bytes(), Class::UserDefined, id));
    }
    user.sort_unstable();
    user.dedup();
    let rules = model.rules.with(Rules::WORDS, model.pieces.iter().all(|piece| !has_inner_space(piece)));
    let pieces = build_trie::build(&entries);
    let user = build_trie::build(&user);
    let longest = model.pieces.iter().map(|piece| piece.text.len()).max().unwrap_or(0).min(MAX_PIECE);

    let mut out = Vec::new();
    out.extend(MAGIC);
    let id = |id: Option<u32>| id.unwrap_or(NONE);
    let bounds = model.bounds;
    let counts = [model.pieces.len(), longest, pieces.len(), user.len(), model.charsmap.len()];
    let [ids, longest, pieces_len, user_len, charsmap_len] = counts.map(|count| u32::try_from(count).unwrap_or(NONE));
    let head = [VERSION, rules.0, ids, model.unknown, id(bounds.start), id(bounds.end), id(bounds.pad), longest];
    out.extend(head.into_iter().flat_map(u32::to_le_bytes));
    out.extend(model.unknown_score.to_le_bytes());
    out.extend(model.max_score.to_le_bytes());
    out.extend([pieces_len, user_len, charsmap_len].into_iter().flat_map(u32::to_le_bytes));
    out.resize(HEADER, 0);
    section(&mut out, pieces.iter().flat_map(units));
    section(&mut out, user.iter().flat_map(units));
    section(&mut out, values(model).into_iter().flat_map(u32::to_le_bytes));
    let bytes = if rules.has(Rules::BYTE_FALLBACK) { of_bytes(model)? } else { Vec::new() };
    section(&mut out, bytes.into_iter().flat_map(u32::to_le_bytes));
    section(&mut out, model.charsmap.iter().copied());
    out.resize(out.len().next_multiple_of(ALIGN), 0);
    Ok(out)
}

fn units(unit: &Unit) -> impl Iterator<Item = u8> {
    unit.map(u32::to_le_bytes).into_iter().flatten()
}

fn section(out: &mut Vec<u8>, bytes: impl Iterator<Item = u8>) {
    out.resize(out.len().next_multiple_of(ALIGN), 0);
    out.extend(bytes);
}

/// Whether a space follows anything but a space in a piece that texts can have.
fn has_inner_space(piece: &Piece) -> bool {
    let begins = piece.text.trim_start_matches('\u{2581}');
    let counts = !matches!(piece.class, Class::None | Class::Control | Class::Byte);
    counts && begins.as_bytes().windows(SPACE.len()).any(|part| part == SPACE)
}

/// Bits of the score or the rank of each piece.
fn values(model: &Model) -> Vec<u32> {
    if model.rules.algorithm() == Algorithm::Unigram {
        return model
            .pieces
            .iter()
            .map(|piece| if let Value::Score(score) = piece.value { score } else { 0.0 }.to_bits())
            .collect();
    }
    // Scores of one value are of one rank; the leftmost pair is merged first then. The key sorts from the highest down.
    let key = |score: f32| {
        let bits = (score + 0.0).to_bits();
        if bits >> 31 == 1 { bits } else { !bits ^ 0x8000_0000 }
    };
    let mut ranks = BTreeMap::new();
    for piece in model.pieces.iter().filter(|piece| merges(piece)) {
        if let Value::Score(score) = piece.value {
            ranks.insert(key(score), 0);
        }
    }
    ranks.values_mut().zip(0..).for_each(|(rank, at)| *rank = at);
    let value = |piece: &Piece| match piece.value {
        Value::Rank(rank) => rank,
        Value::Score(score) if merges(piece) => ranks.get(&key(score)).copied().unwrap_or(NONE),
        Value::Score(_) | Value::Nothing => NONE,
    };
    model.pieces.iter().map(value).collect()
}

fn merges(piece: &Piece) -> bool {
    matches!(piece.class, Class::Normal | Class::UserDefined | Class::Unused)
}

/// Id of the piece of each byte.
fn of_bytes(model: &Model) -> Result<Vec<u32>, FileError> {
    let mut found = vec![NONE; 256];
    for (id, piece) in (0..).zip(&model.pieces).filter(|(_, piece)| piece.class == Class::Byte) {
        let byte = piece.text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>')).filter(|hex| hex.len() == 2);
        let byte = byte.and_then(|hex| usize::from_str_radix(hex, 16).ok());
        match byte.and_then(|byte| found.get_mut(byte)) {
            Some(slot) => *slot = id,
            None => return Err(FileError::new(format!("its piece {} is of no byte", shown(&piece.text)))),
        }
    }
    // Gemma's tokenizer.json has "\t" instead of <0x09>. No other character has that byte.
    let is_piece = |byte: u8| {
        let is_it = |piece: &Piece| piece.class == Class::Normal && piece.text.as_bytes() == [byte];
        byte.is_ascii() && model.pieces.iter().any(is_it)
    };
    match (0..=255).zip(&found).find(|&(byte, &id)| id == NONE && !is_piece(byte)) {
        Some((byte, _)) => Err(FileError::new(format!("it has byte_fallback but no piece <0x{byte:02X}>"))),
        None => Ok(found),
    }
}
