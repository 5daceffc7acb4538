//! Encodes one piece of text by byte pairs.
//!
//! The rule: merge the pair of neighbours with the lowest rank, at all its occurrences from left to right; repeat until
//! no pair merges. Each token has one pair only, and ranks higher than its halves (the tests of `vocab` prove both), so
//! merging one occurrence at a time, lowest rank first, then leftmost, gives the same tokens. Long words are merged
//! rank by rank, at about 50 ns per byte for any length.

use super::vocab;
use std::collections::{BTreeMap, TryReserveError};

/// No token, or the rank of a pair that does not merge; above every id.
const NONE: u16 = u16::MAX;

/// Maximum length in bytes for the quadratic algorithm, which scans all pairs for each merge. Measured on English: 25
/// ns per byte at 8 and 24 bytes and 34 at 32, against 110, 127 and 146 rank by rank, which is as fast above 100 bytes.
const SHORT: usize = 64;

/// Appends the ids of a piece; an empty piece has none.
///
/// # Errors
/// No memory, of which a long piece takes up to 27 bytes for each of its own.
pub(super) fn encode(piece: &str, ids: &mut Vec<u32>) -> Result<(), TryReserveError> {
    let bytes = piece.as_bytes();
    if bytes.len() <= SHORT {
        ids.try_reserve(bytes.len())?;
        short(bytes, ids);
        Ok(())
    } else {
        long(bytes, ids)
    }
}

fn rank(left: u16, right: u16) -> u16 {
    vocab::merge(left, right).unwrap_or(NONE)
}

fn symbols(bytes: &[u8]) -> impl Iterator<Item = u16> {
    let last = bytes.len().wrapping_sub(1);
    bytes.iter().enumerate().map(move |(i, &b)| vocab::byte_id(b, i == last))
}

fn short(bytes: &[u8], ids: &mut Vec<u32>) {
    // (token, rank of its pair with the next one)
    let mut parts = [(NONE, NONE); SHORT];
    for (part, symbol) in parts.iter_mut().zip(symbols(bytes)) {
        part.0 = symbol;
    }
    let mut len = bytes.len().min(SHORT);
    for i in 1..len {
        parts[i - 1].1 = rank(parts[i - 1].0, parts[i].0);
    }
    while len > 1 {
        // The rank of the last part is always NONE.
        let Some((at, &(_, lowest))) = parts[..len].iter().enumerate().min_by_key(|(_, p)| p.1) else {
            break;
        };
        if lowest == NONE || at + 1 >= len {
            break;
        }
        parts.copy_within(at + 2..len, at + 1);
        len -= 1;
        let next = if at + 1 < len { rank(lowest, parts[at + 1].0) } else { NONE };
        parts[at] = (lowest, next);
        if at > 0 {
            parts[at - 1].1 = rank(parts[at - 1].0, lowest);
        }
    }
    ids.extend(parts[..len].iter().map(|&(token, _)| u32::from(token)));
}

/// A chain of tokens over the bytes of a long piece. The id of a token is stored at its first byte, its length at its
/// first and last byte. That finds both neighbours with three bytes of memory per byte of text.
struct Chain {
    tokens: Vec<u16>,
    lengths: Vec<u8>,
}

impl Chain {
    fn token(&self, at: usize) -> u16 {
        self.tokens.get(at).copied().unwrap_or(NONE)
    }

    fn length(&self, at: usize) -> usize {
        self.lengths.get(at).copied().map_or(0, usize::from)
    }

    /// Rank of the pair of the token at `at` and the next one.
    fn rank(&self, at: usize) -> u16 {
        match (self.token(at), self.token(at + self.length(at))) {
            (NONE, _) | (_, NONE) => NONE,
            (left, right) => rank(left, right),
        }
    }

    /// Merges the token at `at` with the next one.
    fn merge(&mut self, at: usize, token: u16) {
        let second = at + self.length(at);
        let length = second - at + self.length(second);
        if let Some(slot) = self.tokens.get_mut(second) {
            *slot = NONE;
        }
        if let Some(slot) = self.tokens.get_mut(at) {
            *slot = token;
        }
        // Tokens of the vocabulary are far shorter than 255 bytes.
        for end in [at, at + length - 1] {
            if let Some(slot) = self.lengths.get_mut(end) {
                *slot = length as u8;
            }
        }
    }
}

fn long(bytes: &[u8], ids: &mut Vec<u32>) -> Result<(), TryReserveError> {
    let mut chain = Chain { tokens: Vec::new(), lengths: Vec::new() };
    chain.tokens.try_reserve_exact(bytes.len())?;
    chain.tokens.extend(symbols(bytes));
    chain.lengths.try_reserve_exact(bytes.len())?;
    chain.lengths.resize(bytes.len(), 1);
    // Start of each pair by rank. Some entries are stale, because an earlier merge took one half of the pair. New pairs
    // rank higher than the merge that creates them, so the entries of the lowest rank are complete.
    let mut pairs: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    let queue = |pairs: &mut BTreeMap<u16, Vec<usize>>, chain: &Chain, at: usize| -> Result<(), TryReserveError> {
        let rank = chain.rank(at);
        if rank != NONE {
            let starts = pairs.entry(rank).or_default();
            starts.try_reserve(1)?;
            starts.push(at);
        }
        Ok(())
    };
    for at in 0..bytes.len() {
        queue(&mut pairs, &chain, at)?;
    }
    while let Some((lowest, mut starts)) = pairs.pop_first() {
        starts.sort_unstable();
        for at in starts {
            if chain.rank(at) != lowest {
                continue;
            }
            chain.merge(at, lowest);
            if let Some(last) = at.checked_sub(1) {
                queue(&mut pairs, &chain, at - chain.length(last))?;
            }
            queue(&mut pairs, &chain, at)?;
        }
    }
    let tokens = chain.tokens.iter().filter(|&&token| token != NONE);
    ids.try_reserve(tokens.clone().count())?;
    ids.extend(tokens.map(|&token| u32::from(token)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule as written: one pass over the whole word for each merge.
    fn reference(bytes: &[u8]) -> Vec<u32> {
        let mut word: Vec<u16> = symbols(bytes).collect();
        loop {
            let lowest = word.windows(2).map(|p| rank(p[0], p[1])).min().unwrap_or(NONE);
            if lowest == NONE {
                return word.into_iter().map(u32::from).collect();
            }
            let mut next = Vec::new();
            let mut i = 0;
            while i < word.len() {
                if i + 1 < word.len() && rank(word[i], word[i + 1]) == lowest {
                    next.push(lowest);
                    i += 2;
                } else {
                    next.push(word[i]);
                    i += 1;
                }
            }
            word = next;
        }
    }

    #[test]
    fn both_algorithms_match_the_reference() {
        let mut state = 1u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        for round in 0..4000 {
            let alphabet: &[u8] = match round % 4 {
                0 => b"ab",
                1 => b"aeinorst",
                2 => b"abcdefghijklmnopqrstuvwxyz'!.-_=*",
                _ => &[0xe3, 0x81, 0x82, 0x83, 0xf0, 0x9f, 0x98, 0x80, 0xc3, 0xa9],
            };
            let length = random(if round % 2 == 0 { SHORT + 1 } else { 120 });
            let bytes: Vec<u8> = (0..length).map(|_| alphabet[random(alphabet.len())]).collect();
            let expected = reference(&bytes);
            let mut ids = Vec::new();
            long(&bytes, &mut ids).unwrap();
            assert_eq!(ids, expected, "{bytes:?}");
            if bytes.len() <= SHORT {
                ids.clear();
                short(&bytes, &mut ids);
                assert_eq!(ids, expected, "{bytes:?}");
            }
        }
    }
}
