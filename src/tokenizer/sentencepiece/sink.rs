//! Where ids go: the last step, which turns what is unknown into ids.

use super::rules::Rules;
use super::store::View;

/// Ids of a text, as they are found.
pub(super) struct Sink<'a, 'o> {
    view: &'a View<'a>,
    ids: &'o mut Vec<u32>,
    /// Number of ids that are enough.
    enough: usize,
    after_unknown: bool,
}

impl<'a, 'o> Sink<'a, 'o> {
    pub fn new(view: &'a View<'a>, ids: &'o mut Vec<u32>, enough: usize) -> Self {
        Sink { view, ids, enough, after_unknown: false }
    }

    /// Whether there is a number of ids that is enough.
    pub fn can_fill(&self) -> bool {
        self.enough < usize::MAX
    }

    /// Whether further ids would be cut off.
    pub fn is_full(&self) -> bool {
        self.ids.len() >= self.enough
    }

    pub fn piece(&mut self, id: u32) {
        self.after_unknown = false;
        self.push(id);
    }

    /// Text that is no piece.
    pub fn unknown(&mut self, text: &[u8]) {
        if self.view.rules.has(Rules::BYTE_FALLBACK) {
            for &byte in text {
                let id = self.view.bytes.get(usize::from(byte)).copied().unwrap_or(self.view.unknown);
                self.push(id);
            }
        } else if !(self.after_unknown && self.view.rules.has(Rules::FUSE_UNKNOWN)) {
            self.push(self.view.unknown);
        }
        self.after_unknown = true;
    }

    /// Separates what is unknown before from what is unknown after.
    pub fn separate(&mut self) {
        self.after_unknown = false;
    }

    /// Damaged files have ids beyond the last.
    fn push(&mut self, id: u32) {
        self.ids.push(if (id as usize) < self.view.ids { id } else { self.view.unknown });
    }
}
