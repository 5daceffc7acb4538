//! A map of bounded size that forgets what was not used for the longest time. Every operation takes constant time.
//!
//! The entries are a doubly linked list in a vector, from the most to the least recently used; a hash map leads from
//! keys to their places in it.

use std::collections::HashMap;
use std::sync::Arc;

/// No place in the list.
const NONE: usize = usize::MAX;

/// Bytes of an entry beside its key and row: the list, the map, and two headers of shared slices.
const OVERHEAD: usize = 160;

/// Keys to rows of numbers.
#[derive(Debug)]
pub(super) struct Lru {
    places: HashMap<Arc<str>, usize>,
    nodes: Vec<Node>,
    /// Places of `nodes` that are not in the list.
    free: Vec<usize>,
    /// The most and the least recently used.
    first: usize,
    last: usize,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Node {
    key: Arc<str>,
    row: Arc<[f32]>,
    before: usize,
    after: usize,
}

/// Memory of an entry.
fn cost(key: &str, row: &[f32]) -> usize {
    OVERHEAD.saturating_add(key.len()).saturating_add(size_of_val(row))
}

impl Lru {
    pub fn new(max_entries: usize, max_bytes: usize) -> Lru {
        Lru {
            places: HashMap::new(),
            nodes: Vec::new(),
            free: Vec::new(),
            first: NONE,
            last: NONE,
            bytes: 0,
            max_entries,
            max_bytes,
        }
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Memory of all entries.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn clear(&mut self) {
        *self = Lru::new(self.max_entries, self.max_bytes);
    }

    /// The row of a key, which becomes the most recently used one.
    pub fn get(&mut self, key: &str) -> Option<Arc<[f32]>> {
        let place = *self.places.get(key)?;
        self.unlink(place);
        self.link_first(place);
        self.nodes.get(place).map(|node| Arc::clone(&node.row))
    }

    /// Adds an entry as the most recently used one and drops others while the bounds are exceeded. One that exceeds
    /// them alone is not kept.
    pub fn insert(&mut self, key: &str, row: Arc<[f32]>) {
        self.remove(key);
        let bytes = cost(key, &row);
        if self.max_entries == 0 || bytes > self.max_bytes {
            return;
        }
        while self.len() >= self.max_entries || self.bytes > self.max_bytes - bytes {
            let Some(oldest) = self.nodes.get(self.last).map(|node| Arc::clone(&node.key)) else { break };
            self.remove(&oldest);
        }
        let key: Arc<str> = key.into();
        let node = Node { key: Arc::clone(&key), row, before: NONE, after: NONE };
        let place = match self.free.pop() {
            Some(place) => {
                self.nodes[place] = node;
                place
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        self.places.insert(key, place);
        self.bytes += bytes;
        self.link_first(place);
    }

    fn remove(&mut self, key: &str) {
        let Some(place) = self.places.remove(key) else { return };
        self.unlink(place);
        let node = &mut self.nodes[place];
        self.bytes -= cost(&node.key, &node.row);
        (node.key, node.row) = (Arc::from(""), Arc::from([]));
        self.free.push(place);
    }

    /// All entries, from the least recently used.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<[f32]>)> {
        let mut place = self.last;
        std::iter::from_fn(move || {
            let node = self.nodes.get(place)?;
            place = node.before;
            Some((&*node.key, &node.row))
        })
    }

    fn link_first(&mut self, place: usize) {
        let second = std::mem::replace(&mut self.first, place);
        (self.nodes[place].before, self.nodes[place].after) = (NONE, second);
        match self.nodes.get_mut(second) {
            Some(node) => node.before = place,
            None => self.last = place,
        }
    }

    fn unlink(&mut self, place: usize) {
        let Node { before, after, .. } = self.nodes[place];
        match self.nodes.get_mut(before) {
            Some(node) => node.after = after,
            None => self.first = after,
        }
        match self.nodes.get_mut(after) {
            Some(node) => node.before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: usize) -> Arc<[f32]> {
        vec![value as f32; 1 + value % 3].into()
    }

    /// The naive version: a vector from the least to the most recently used.
    #[derive(Default)]
    struct Naive(Vec<(String, Arc<[f32]>)>);

    impl Naive {
        fn get(&mut self, key: &str) -> Option<Arc<[f32]>> {
            let at = self.0.iter().position(|(known, _)| known == key)?;
            let entry = self.0.remove(at);
            self.0.push(entry.clone());
            Some(entry.1)
        }

        fn bytes(&self) -> usize {
            self.0.iter().map(|(key, row)| cost(key, row)).sum()
        }

        fn insert(&mut self, key: &str, row: Arc<[f32]>, max_entries: usize, max_bytes: usize) {
            self.0.retain(|(known, _)| known != key);
            if max_entries == 0 || cost(key, &row) > max_bytes {
                return;
            }
            self.0.push((key.to_owned(), row));
            while self.0.len() > max_entries || self.bytes() > max_bytes {
                self.0.remove(0);
            }
        }
    }

    #[test]
    fn it_forgets_what_the_naive_version_forgets() {
        let mut state = 1u64;
        let mut dice = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for (max_entries, max_bytes) in [(0, 1 << 20), (1, 1 << 20), (5, 1 << 20), (100, 10 * OVERHEAD), (100, 100)] {
            let (mut lru, mut naive) = (Lru::new(max_entries, max_bytes), Naive::default());
            for step in 0..3000 {
                let key = "k".repeat(dice(17));
                if dice(2) == 0 {
                    assert_eq!(lru.get(&key), naive.get(&key));
                } else {
                    lru.insert(&key, row(step));
                    naive.insert(&key, row(step), max_entries, max_bytes);
                }
                assert_eq!((lru.len(), lru.bytes()), (naive.0.len(), naive.bytes()));
                let entries: Vec<_> = lru.iter().map(|(key, row)| (key.to_owned(), Arc::clone(row))).collect();
                assert_eq!(entries, naive.0);
                assert!(lru.nodes.len() <= max_entries.max(1));
            }
            lru.clear();
            assert_eq!((lru.len(), lru.bytes(), lru.iter().count()), (0, 0, 0));
            lru.insert("k", row(1));
            assert_eq!(lru.get("k").is_some(), max_entries > 0 && max_bytes > OVERHEAD);
        }
    }
}
