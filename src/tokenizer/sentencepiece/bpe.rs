//! Merges neighbours, the best piece first and the leftmost first among equals.
//!
//! Source: `SampleEncode` in sentencepiece's `bpe_model.cc`. Two neighbours merge if both together are a piece, whatever
//! they were made of; the piece's score decides. The merges of a `tokenizer.json` list the ways to make each piece one
//! after the other, so that the place of a piece among them says the same. User-defined pieces never merge.

use std::collections::HashMap;

use super::queue::{AHEAD, Queue};
use super::rules::Reference;
use super::sink::Sink;
use super::store::{NONE, View};
use super::trie::{Class, Found};
use super::unigram::char_len;

/// Most symbols for which all pairs are searched for the best before each merge.
const SHORT: usize = 48;
/// Mark in a length: never merges.
const FROZEN: u16 = 1 << 15;

/// A symbol, stored at its first byte; what is not the first byte of a symbol has no length.
#[derive(Clone, Copy)]
struct Symbol {
    /// Where the trie is after it; no state if its text begins no piece.
    state: u32,
    piece: Found,
    /// Rank of its pair with the next symbol.
    rank: u32,
    /// Length in bytes, with [`FROZEN`].
    len: u16,
    /// Length of the symbol before it.
    before: u16,
}

/// Not a first byte.
const GONE: Symbol = Symbol { state: NONE, piece: Found::NOTHING, rank: NONE, len: 0, before: 0 };

/// Memory that is used again for the next word.
pub(super) struct Merger {
    symbols: Vec<Symbol>,
    queue: Option<Queue>,
    /// For pieces that are not given out: how long the left part was when it was last looked up.
    splits: HashMap<u32, usize>,
}

impl Merger {
    pub fn new() -> Merger {
        Merger { symbols: Vec::new(), queue: None, splits: HashMap::new() }
    }

    /// Encodes text whose ends no piece crosses.
    pub fn encode(&mut self, view: &View<'_>, text: &[u8], sink: &mut Sink<'_, '_>) {
        let mut word = Word { view, text, symbols: &mut self.symbols, splits: &mut self.splits };
        let count = word.begin();
        if count <= SHORT {
            word.merge_short();
        } else {
            let queue = self.queue.get_or_insert_with(|| Queue::new(view.ids));
            word.merge_long(queue);
        }
        word.finish(sink);
    }
}

struct Word<'w> {
    view: &'w View<'w>,
    text: &'w [u8],
    symbols: &'w mut Vec<Symbol>,
    splits: &'w mut HashMap<u32, usize>,
}

impl Word<'_> {
    fn symbol(&self, at: usize) -> Symbol {
        self.symbols.get(at).copied().unwrap_or(GONE)
    }

    fn len(&self, at: usize) -> usize {
        usize::from(self.symbol(at).len & !FROZEN)
    }

    fn bytes(&self, at: usize, len: usize) -> &[u8] {
        self.text.get(at..at + len).unwrap_or_default()
    }

    /// Splits the text into characters and user-defined pieces; returns how many.
    fn begin(&mut self) -> usize {
        self.symbols.clear();
        self.symbols.resize(self.text.len(), GONE);
        let is_theirs = self.view.reference() == Reference::Tokenizers;
        let (mut at, mut before, mut count) = (0, 0, 0);
        while at < self.text.len() {
            let rest = self.text.get(at..).unwrap_or_default();
            let user = if is_theirs { None } else { self.view.user.longest(rest) };
            let (len, state, piece, frozen) = match user {
                Some((len, found)) => (len, NONE, found, true),
                None => {
                    let len = char_len(self.text, at);
                    match self.view.pieces.walk(self.view.pieces.root(), self.bytes(at, len)) {
                        // `tokenizers` merges ids, and what is unknown has none of its own.
                        Some((state, found)) => (len, state, found, is_theirs && found.class() != Class::Normal),
                        None => (len, NONE, Found::NOTHING, is_theirs),
                    }
                }
            };
            let mark = if frozen { FROZEN } else { 0 };
            if let Some(symbol) = self.symbols.get_mut(at) {
                *symbol = Symbol { state, piece, rank: NONE, len: len as u16 | mark, before };
            }
            before = len as u16;
            at += len;
            count += 1;
        }
        let mut at = 0;
        while at < self.text.len() {
            self.look_up(at);
            at += self.len(at).max(1);
        }
        count
    }

    /// What the symbol at `at` and the next one are together: state, piece, length.
    fn pair(&self, at: usize) -> Option<(u32, Found, usize)> {
        let left = self.symbol(at);
        let second = at + self.len(at);
        let right = self.symbol(second);
        if left.state == NONE || right.len == 0 || (left.len | right.len) & FROZEN != 0 {
            return None;
        }
        let (state, piece) = self.view.pieces.walk(left.state, self.bytes(second, usize::from(right.len)))?;
        Some((state, piece, usize::from(left.len) + usize::from(right.len)))
    }

    /// Finds the rank of a pair.
    fn look_up(&mut self, at: usize) -> u32 {
        let found = self.pair(at).map(|(_, piece, _)| piece);
        let rank = match found.map(Found::class) {
            Some(Class::Normal | Class::UserDefined) => found.map_or(NONE, |piece| self.view.rank(piece.id())),
            Some(Class::Unused) => {
                let id = found.map_or(NONE, Found::id);
                self.splits.insert(id, self.len(at));
                self.view.rank(id)
            }
            _ => NONE,
        };
        if let Some(symbol) = self.symbols.get_mut(at) {
            symbol.rank = rank;
        }
        rank
    }

    /// Merges the symbol at `at` with the next one; returns the places whose pairs have changed.
    fn merge(&mut self, at: usize) -> [Option<usize>; 2] {
        let Some((state, piece, len)) = self.pair(at) else {
            // Only with a damaged file.
            if let Some(symbol) = self.symbols.get_mut(at) {
                symbol.rank = NONE;
            }
            return [None, None];
        };
        let second = at + self.len(at);
        if let Some(symbol) = self.symbols.get_mut(second) {
            *symbol = GONE;
        }
        if let Some(symbol) = self.symbols.get_mut(at) {
            (symbol.state, symbol.piece, symbol.len) = (state, piece, len as u16);
        }
        if let Some(symbol) = self.symbols.get_mut(at + len) {
            symbol.before = len as u16;
        }
        let before = usize::from(self.symbol(at).before);
        [(before > 0).then(|| at - before), Some(at)]
    }

    fn merge_short(&mut self) {
        loop {
            let (mut best, mut place, mut at) = (NONE, 0, 0);
            while at < self.text.len() {
                let symbol = self.symbol(at);
                if symbol.rank < best {
                    (best, place) = (symbol.rank, at);
                }
                at += usize::from(symbol.len & !FROZEN).max(1);
            }
            if best == NONE {
                return;
            }
            for at in self.merge(place).into_iter().flatten() {
                self.look_up(at);
            }
        }
    }

    fn merge_long(&mut self, queue: &mut Queue) {
        // What is no symbol has no rank.
        let pairs = (0..).zip(self.symbols.iter()).filter(|(_, symbol)| symbol.rank != NONE);
        queue.fill(pairs.map(|(at, symbol)| (symbol.rank, at)));
        // Merges of one rank are far from each other in a long word.
        let mut looked_at = 0_u32;
        while let Some((rank, at)) = queue.pop() {
            let at = at as usize;
            if looked_at.is_multiple_of(AHEAD as u32) {
                let ranks = queue.soon().iter().map(|&at| self.symbol(at as usize).rank);
                std::hint::black_box(ranks.fold(0, |all, rank| all ^ rank));
            }
            looked_at = looked_at.wrapping_add(1);
            if self.symbol(at).rank != rank {
                continue;
            }
            for at in self.merge(at).into_iter().flatten() {
                let rank = self.look_up(at);
                if rank != NONE {
                    queue.push(rank, at as u32);
                }
            }
        }
    }

    fn finish(&self, sink: &mut Sink<'_, '_>) {
        let mut at = 0;
        while at < self.text.len() {
            let len = self.len(at).max(1);
            self.give(self.symbol(at).piece, at, len, sink);
            at += len;
        }
    }

    fn give(&self, piece: Found, at: usize, len: usize, sink: &mut Sink<'_, '_>) {
        match piece.class() {
            Class::Normal | Class::UserDefined => sink.piece(piece.id()),
            // A piece that is not given out is taken apart again.
            Class::Unused => match self.splits.get(&piece.id()) {
                Some(&left) if left > 0 && left < len => {
                    for (at, len) in [(at, left), (at + left, len - left)] {
                        self.give(self.view.pieces.get(self.bytes(at, len)), at, len, sink);
                    }
                }
                _ => sink.piece(piece.id()),
            },
            Class::None | Class::Control | Class::Byte => sink.unknown(self.bytes(at, len)),
        }
    }
}
