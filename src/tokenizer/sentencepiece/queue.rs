//! Places in the order in which their pairs are merged: by rank, then from the left.
//!
//! A list of places for each rank, and sets of bits that tell the first rank with a list. Each operation takes constant
//! time, unless pairs come up whose rank is below one that is already being worked on. Those wait in a heap; models whose
//! pieces rank above their parts, as trained ones do, have none.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Most ranks for each pair with which counting pays: it looks at every rank.
const FEW: usize = 16;

/// Number of places that are looked at in advance.
pub(super) const AHEAD: usize = 16;

/// The end of a list.
const END: u32 = u32::MAX;

pub(super) struct Queue {
    /// First entry of each rank.
    heads: Vec<u32>,
    /// Place and next entry.
    entries: Vec<(u32, u32)>,
    /// Ranks with a list, one bit each; then words of the level before with any bit, and so on up to one word.
    levels: Vec<Vec<u64>>,
    /// Places of the rank in work, the leftmost last.
    current: Vec<u32>,
    /// The rank in work.
    rank: u32,
    /// Pairs that come before the rest of `current`.
    urgent: BinaryHeap<Reverse<(u32, u32)>>,
    /// The first places of all, by rank and from the left, and where those of each rank begin and end.
    first: Vec<u32>,
    ranges: Vec<[u32; 2]>,
}

impl Queue {
    /// A queue for ranks below `ranks`.
    pub fn new(ranks: usize) -> Queue {
        let mut levels = Vec::new();
        let mut len = ranks.max(1);
        loop {
            len = len.div_ceil(64);
            levels.push(vec![0; len]);
            if len == 1 {
                break;
            }
        }
        let heads = vec![END; ranks];
        let (first, ranges) = (Vec::new(), vec![[0, 0]; ranks]);
        Queue {
            heads,
            entries: Vec::new(),
            levels,
            current: Vec::new(),
            rank: 0,
            urgent: BinaryHeap::new(),
            first,
            ranges,
        }
    }

    /// Begins with these ranks and places, which come from left to right. Lists are long then, and sorting them by counting
    /// keeps the places of each in neighbouring memory.
    pub fn fill(&mut self, pairs: impl Iterator<Item = (u32, u32)> + Clone) {
        self.clear();
        if pairs.clone().count() < self.heads.len() / FEW {
            return pairs.for_each(|(rank, place)| self.push(rank, place));
        }
        for (rank, _) in pairs.clone() {
            if let Some([_, end]) = self.ranges.get_mut(rank as usize) {
                *end += 1;
                self.set(rank);
            }
        }
        let mut total = 0;
        for [start, end] in self.ranges.iter_mut().filter(|[_, end]| *end > 0) {
            let count = *end;
            // The end moves as places come in.
            (*start, *end) = (total, total);
            total += count;
        }
        self.first.resize(total as usize, 0);
        for (rank, place) in pairs {
            if let Some([_, end]) = self.ranges.get_mut(rank as usize) {
                if let Some(slot) = self.first.get_mut(*end as usize) {
                    *slot = place;
                }
                *end += 1;
            }
        }
    }

    /// Some places that come up soon, if nothing gets in between: to be looked at all at once, so that the processor waits
    /// for their memory once and not for one after the other.
    pub fn soon(&self) -> &[u32] {
        self.current.last_chunk::<AHEAD>().map_or(self.current.as_slice(), |places| places)
    }

    /// Empties the queue.
    pub fn clear(&mut self) {
        while self.take_list().is_some() {}
        self.current.clear();
        self.urgent.clear();
        self.entries.clear();
        self.first.clear();
    }

    pub fn push(&mut self, rank: u32, place: u32) {
        let is_in_work = !self.current.is_empty() || !self.urgent.is_empty();
        if is_in_work && rank <= self.rank {
            return self.urgent.push(Reverse((rank, place)));
        }
        let Some(head) = self.heads.get_mut(rank as usize) else { return };
        let entry = self.entries.len() as u32;
        self.entries.push((place, *head));
        *head = entry;
        self.set(rank);
    }

    /// Notes that a rank has places.
    fn set(&mut self, rank: u32) {
        let mut at = rank as usize;
        for level in &mut self.levels {
            let (word, bit) = (at / 64, at % 64);
            let Some(bits) = level.get_mut(word) else { return };
            let was = std::mem::replace(bits, *bits | 1 << bit);
            if was != 0 {
                return;
            }
            at = word;
        }
    }

    /// The next rank and place. A place may come up again after its pair has changed.
    pub fn pop(&mut self) -> Option<(u32, u32)> {
        if self.current.is_empty() && self.urgent.is_empty() {
            self.rank = self.take_list()?;
        }
        let listed = self.current.last().map(|&place| (self.rank, place));
        match self.urgent.peek() {
            Some(&Reverse(urgent)) if listed.is_none_or(|listed| urgent < listed) => {
                self.urgent.pop();
                Some(urgent)
            }
            _ => {
                self.current.pop();
                listed
            }
        }
    }

    /// Moves the list of the first rank to `current`.
    fn take_list(&mut self) -> Option<u32> {
        let mut at = 0;
        for level in self.levels.iter().rev() {
            let word = *level.get(at)?;
            if word == 0 {
                return None;
            }
            at = at * 64 + word.trailing_zeros() as usize;
        }
        let rank = at;
        for level in &mut self.levels {
            let word = level.get_mut(at / 64)?;
            *word &= !(1 << (at % 64));
            if *word != 0 {
                break;
            }
            at /= 64;
        }
        let mut entry = std::mem::replace(self.heads.get_mut(rank)?, END);
        self.current.clear();
        let [start, end] = std::mem::take(self.ranges.get_mut(rank)?);
        let first = self.first.get(start as usize..end as usize).unwrap_or_default();
        self.current.extend(first.iter().rev());
        while let Some(&(place, next)) = self.entries.get(entry as usize) {
            self.current.push(place);
            entry = next;
        }
        // Most lists are sorted already: the last place comes first.
        self.current.sort_unstable_by_key(|&place| Reverse(place));
        Some(rank as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_a_heap() {
        for ranks in [1_u32, 5, 64, 65, 5000, 300_000] {
            let mut queue = Queue::new(ranks as usize);
            for round in 0..3 {
                let mut heap = BinaryHeap::new();
                let mut seed = round * 77 + ranks;
                let mut next = |below: u32| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 8) % below
                };
                for step in 0..20_000 {
                    if step % 5 < 3 && step < 12_000 {
                        let entry = (next(ranks), next(500));
                        queue.push(entry.0, entry.1);
                        heap.push(Reverse(entry));
                    } else {
                        assert_eq!(queue.pop(), heap.pop().map(|Reverse(entry)| entry));
                    }
                }
                // Many at once are as one after the other.
                let pairs: Vec<(u32, u32)> = (0..3000).map(|place| (next(ranks), place)).collect();
                queue.fill(pairs.iter().copied());
                let mut heap: BinaryHeap<_> = pairs.into_iter().map(Reverse).collect();
                for place in 3000..6000 {
                    assert_eq!(queue.pop(), heap.pop().map(|Reverse(entry)| entry));
                    if place % 3 == 0 {
                        let entry = (next(ranks), place);
                        queue.push(entry.0, entry.1);
                        heap.push(Reverse(entry));
                    }
                }
                // What is left over does not reach the next round.
                queue.push(0, 1);
                queue.push(ranks - 1, 1);
                queue.clear();
                assert_eq!(queue.pop(), None);
            }
        }
    }
}
