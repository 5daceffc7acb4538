//! The pieces with the highest sum of scores: Viterbi over the characters of a text.
//!
//! Source: `EncodeOptimized` in sentencepiece's `unigram_model.cc`. Sums are rounded exactly as there, because texts such
//! as `aaaa` have many ways whose sums differ in rounding alone: `sentencepiece` 0.2.3 rounds each sum to f32 before it
//! compares, `tokenizers` keeps f64.

use std::ops::Range;

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

impl<S: Score> Node<S> {
    const NOTHING: Node<S> = Node { score: S::ZERO, id: UNKNOWN, len: 0 };
}

/// Id of an unknown character.
const UNKNOWN: u32 = u32::MAX;
/// Mark in a length, while ways are followed back.
const MARK: u32 = 1 << 31;
/// Bytes after which it is first looked for pieces that are certain; most texts are shorter.
const FIRST_LOOK: usize = 2048;
/// Nodes that are made at a time.
const NODES: usize = 4096;

/// Memory that is used again for the next word.
pub(super) struct Lattice<S> {
    nodes: Vec<Node<S>>,
    /// The last node that anything was written to.
    furthest: usize,
    /// Pieces of the best way, last first: end, id.
    best: Vec<(usize, u32)>,
    /// Sum of the scores of everything before.
    before: S,
}

impl<S: Score> Lattice<S> {
    pub fn new() -> Lattice<S> {
        Lattice { nodes: Vec::new(), furthest: 0, best: Vec::new(), before: S::ZERO }
    }

    /// Begins a sum anew.
    pub fn restart(&mut self) {
        self.before = S::ZERO;
    }

    /// Encodes text whose ends no piece crosses, adding to the sum of what came before. Ends early when the sink is full.
    pub fn encode(&mut self, view: &View<'_>, text: &[u8], sink: &mut Sink<'_, '_>) {
        // Only what the last word used, which for most words is little.
        for node in self.nodes.iter_mut().take(self.furthest + 1) {
            *node = Node::NOTHING;
        }
        self.furthest = 0;
        self.node(0).score = self.before;
        // The end of the pieces that were given out, and where to look for more that are certain.
        let (mut given, mut look_at) = (0, if sink.can_fill() { FIRST_LOOK } else { usize::MAX });
        let mut start = 0;
        while start < text.len() {
            if start >= look_at {
                let settled = self.settled(given, start);
                self.give(text, given..settled, sink);
                if sink.is_full() {
                    return;
                }
                // Looking costs what lies between: twice as much next time, if nothing was certain.
                look_at = start + (start - settled).max(FIRST_LOOK);
                given = settled;
            }
            let till_here = self.node(start).score.wide();
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
        self.before = self.node(text.len()).score;
        self.give(text, given..text.len(), sink);
    }

    /// The node at a position. There are nodes up to the furthest that was asked for, and some more.
    fn node(&mut self, at: usize) -> &mut Node<S> {
        if at >= self.nodes.len() {
            self.nodes.resize((at + 1).next_multiple_of(NODES), Node::NOTHING);
        }
        &mut self.nodes[at]
    }

    /// Keeps a piece if it is better than the last one that ends at the same place.
    fn offer(&mut self, start: usize, len: usize, sum: f64, id: u32) {
        let score = S::narrow(sum);
        self.furthest = self.furthest.max(start + len);
        let node = self.node(start + len);
        if node.len == 0 || score.wide() > node.score.wide() {
            *node = Node { score, id, len: len as u32 };
        }
    }

    /// The last position up to `start` that every way through the text goes through, whatever follows: all pieces that
    /// begin before `start` were offered, none that begins there. Positions up to `given` are known to be such.
    ///
    /// A way crosses `start` by one of the nodes from there on that are filled already: its first one has the piece that
    /// it ends with now, because a better one would begin at `start` or later. So all ways share what the ways back from
    /// these nodes share.
    fn settled(&mut self, given: usize, start: usize) -> usize {
        // Ways back that have not met, each marked at the next position to look at.
        let mut ways = 0;
        for at in start..=self.furthest {
            let len = self.nodes[at].len;
            if len > 0 {
                ways += self.mark(at - len as usize);
            }
        }
        for at in (given..start).rev() {
            let node = &mut self.nodes[at];
            if node.len & MARK != 0 {
                node.len &= !MARK;
                if ways == 1 || at == given {
                    return at;
                }
                let before = at - node.len as usize;
                ways = ways - 1 + self.mark(before);
            }
        }
        given
    }

    /// Marks a position; returns how many were not marked before.
    fn mark(&mut self, at: usize) -> usize {
        let node = &mut self.nodes[at];
        let is_new = node.len & MARK == 0;
        node.len |= MARK;
        usize::from(is_new)
    }

    /// Gives out the best pieces between two positions of the best way.
    fn give(&mut self, text: &[u8], range: Range<usize>, sink: &mut Sink<'_, '_>) {
        self.best.clear();
        let mut end = range.end;
        while end > range.start {
            let Node { id, len, .. } = *self.node(end);
            if len == 0 {
                break;
            }
            self.best.push((end, id));
            end -= len as usize;
        }
        let mut start = range.start;
        for &(end, id) in self.best.iter().rev() {
            match id {
                UNKNOWN => sink.unknown(text.get(start..end).unwrap_or_default()),
                id => sink.piece(id),
            }
            start = end;
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
