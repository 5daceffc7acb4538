//! Ranks of pieces from the merges of a BPE model.
//!
//! A file that was converted from SentencePiece lists all ways to put each piece together, piece after piece. Then the
//! pieces have an order, and a pair merges if both together are a piece. Other files are refused.

use super::super::super::model::{FileError, Piece, Value as Worth, shown};
use super::super::super::trie::Class;
use super::{Ids, Spec, refused};

/// The place of each piece among those that merges make.
pub(super) fn ranks(spec: &Spec, pieces: &[Piece], ids: &Ids<'_>) -> Result<Vec<Worth>, FileError> {
    let merges = spec.merges.as_ref().ok_or_else(|| refused("model.merges", "they are missing"))?;
    let mut ranks = vec![Worth::Nothing; pieces.len()];
    // Number of merges that make each piece.
    let mut made = vec![0_u32; pieces.len()];
    let (mut last, mut next) = (None, 0);
    for (both, left) in merges.iter() {
        let right = both.get(left.len()..).unwrap_or_default();
        let find = |name: &str| {
            ids.get(name)
                .map(|&id| id as usize)
                .ok_or_else(|| refused("model.merges", &format!("{} is no piece", shown(name))))
        };
        let (id, left, right) = (find(both)?, find(left)?, find(right)?);
        if last != Some(id) {
            match ranks.get_mut(id) {
                Some(rank @ Worth::Nothing) => *rank = Worth::Rank(next),
                _ => {
                    return Err(refused(
                        "model.merges",
                        &format!("those of {} are not one after the other", shown(both)),
                    ));
                }
            }
            (last, next) = (Some(id), next + 1);
        }
        if is_text(pieces, left)
            && is_text(pieces, right)
            && let Some(made) = made.get_mut(id)
        {
            *made += 1;
        }
    }
    for ((piece, rank), made) in pieces.iter().zip(&ranks).zip(made) {
        if *rank == Worth::Nothing {
            continue;
        }
        let text = piece.text.as_str();
        let is = |name: &str| ids.get(name).is_some_and(|&id| is_text(pieces, id as usize));
        let ways = text.char_indices().skip(1).filter(|&(at, _)| {
            let (left, right) = text.split_at_checked(at).unwrap_or_default();
            is(left) && is(right)
        });
        if ways.count() != made as usize {
            let why =
                format!("they are not all that make {}, so that the model is not one of SentencePiece", shown(text));
            return Err(refused("model.merges", &why));
        }
    }
    Ok(ranks)
}

/// Whether a piece can be a part of another.
fn is_text(pieces: &[Piece], id: usize) -> bool {
    pieces.get(id).is_some_and(|piece| piece.class == Class::Normal)
}
