//! The pieces with the highest sum of scores: Viterbi over the characters of a text.
//!
//! Source: `EncodeOptimized` in sentencepiece's `unigram_model.cc`. Sums are rounded exactly as there, because texts such
//! as `aaaa` have many ways whose sums differ in rounding alone: `sentencepiece` 0.2.3 rounds each sum to f32 before it
//! compares, `tokenizers` keeps f64.

use super::sink::Sink;
use super::store::View;
use super::trie::Class;

/// A sum of scores, as the reference keeps it.
pub(super) trait Score: Copy {
    const ZERO: Self;
    fn wide(self) -> f64;
    fn narrow(sum: f64) -> Self;
}

impl Score for f32 {
    const ZERO: f32 = 0.0;

    fn wide(self) -> f64 {
        f64::from(self)
    }

    fn narrow(sum: f64) -> f32 {
        sum as f32
    }
}

impl Score for f64 {
    const ZERO: f64 = 0.0;

    fn wide(self) -> f64 {
        self
    }

    fn narrow(sum: f64) -> f64 {
        sum
    }
}

/// The best pieces that end at a position.
#[derive(Clone, Copy)]
struct Node<S> {
    score: S,
    id: u32,
    /// Length of the last piece; 0 if nothing ends here.
    len: u32,
}

/// Id of an unknown character.
const UNKNOWN: u32 = u32::MAX;

/// Memory that is used again for the next word.
pub(super) struct Lattice<S> {
    nodes: Vec<Node<S>>,
    /// Pieces of the best way, last first: end, id.
    best: Vec<(usize, u32)>,
    /// Sum of the scores of everything before.
    before: S,
}

impl<S: Score> Lattice<S> {
    pub fn new() -> Lattice<S> {
        Lattice { nodes: Vec::new(), best: Vec::new(), before: S::ZERO }
    }

    /// Begins a sum anew.
    pub fn restart(&mut self) {
        self.before = S::ZERO;
    }

    /// Encodes text whose ends no piece crosses, adding to the sum of what came before.
    pub fn encode(&mut self, view: &View<'_>, text: &[u8], sink: &mut Sink<'_, '_>) {
        let nothing = Node { score: S::ZERO, id: UNKNOWN, len: 0 };
        self.nodes.clear();
        self.nodes.resize(text.len() + 1, nothing);
        if let Some(first) = self.nodes.first_mut() {
            first.score = self.before;
        }
        let mut start = 0;
        while start < text.len() {
            let till_here = self.nodes.get(start).map_or(0.0, |node| node.score.wide());
            let char_len = char_len(text, start);
            let mut is_single = false;
            let mut state = view.pieces.root();
            for (at, &byte) in text.iter().enumerate().skip(start) {
                let Some((next, found)) = view.pieces.step(state, byte) else { break };
                state = next;
                let len = at + 1 - start;
                let score = match found.class() {
                    Class::Normal => f64::from(view.score(found.id())),
                    // Always better than several pieces. The product is one of f32, the difference one of f64.
                    Class::UserDefined => f64::from(len as f32 * view.max_score) - 0.1,
                    Class::None | Class::Control | Class::Byte | Class::Unused => continue,
                };
                self.offer(start, len, score + till_here, found.id());
                is_single |= len == char_len;
            }
            if !is_single {
                self.offer(start, char_len, view.unknown_score + till_here, UNKNOWN);
            }
            start += char_len;
        }
        self.before = self.nodes.last().map_or(self.before, |node| node.score);
        self.best.clear();
        let mut end = text.len();
        while let Some(&Node { id, len, .. }) = self.nodes.get(end).filter(|node| node.len > 0) {
            self.best.push((end, id));
            end -= len as usize;
        }
        let mut start = 0;
        for &(end, id) in self.best.iter().rev() {
            match id {
                UNKNOWN => sink.unknown(text.get(start..end).unwrap_or_default()),
                id => sink.piece(id),
            }
            start = end;
        }
    }

    /// Keeps a piece if it is better than the last one that ends at the same place.
    fn offer(&mut self, start: usize, len: usize, sum: f64, id: u32) {
        let score = S::narrow(sum);
        if let Some(node) = self.nodes.get_mut(start + len)
            && (node.len == 0 || score.wide() > node.score.wide())
        {
            *node = Node { score, id, len: len as u32 };
        }
    }
}

/// Length of the character at `at`, by its first byte, and at most up to the end.
pub(super) fn char_len(text: &[u8], at: usize) -> usize {
    let len = match text.get(at) {
        Some(0xf0..) => 4,
        Some(0xe0..) => 3,
        Some(0xc0..) => 2,
        _ => 1,
    };
    len.min(text.len() - at)
}
