//! Keeps what was used last, in bounded memory.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use axum::body::Bytes;

/// Bytes that are kept: about a thousand thumbnails of a page.
const MOST_BYTES: usize = 16 << 20;

/// Memory of an entry beside its bytes.
const OVERHEAD: usize = 256;

/// The entries that were used last, at most [`MOST_BYTES`] together.
#[derive(Debug)]
pub(super) struct Recent<K> {
    entries: HashMap<K, (u64, Bytes)>,
    /// Keys by when they were used last.
    order: BTreeMap<u64, K>,
    clock: u64,
    bytes: usize,
}

impl<K> Default for Recent<K> {
    fn default() -> Self {
        Recent { entries: HashMap::new(), order: BTreeMap::new(), clock: 0, bytes: 0 }
    }
}

impl<K: Copy + Eq + Hash> Recent<K> {
    pub fn get(&mut self, key: &K) -> Option<Bytes> {
        let (used, bytes) = self.entries.get_mut(key)?;
        self.order.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.order.insert(self.clock, *key);
        Some(bytes.clone())
    }

    pub fn put(&mut self, key: K, bytes: Bytes) {
        let size = bytes.len() + OVERHEAD;
        if size > MOST_BYTES {
            return;
        }
        self.remove(&key);
        while self.bytes + size > MOST_BYTES
            && let Some((_, oldest)) = self.order.first_key_value()
        {
            let oldest = *oldest;
            self.remove(&oldest);
        }
        self.clock += 1;
        self.bytes += size;
        self.order.insert(self.clock, key);
        self.entries.insert(key, (self.clock, bytes));
    }

    fn remove(&mut self, key: &K) {
        if let Some((used, bytes)) = self.entries.remove(key) {
            self.order.remove(&used);
            self.bytes -= bytes.len() + OVERHEAD;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes() {
        let mut recent = Recent::default();
        let quarter = || Bytes::from(vec![0; MOST_BYTES / 4 - OVERHEAD]);
        (0..4).for_each(|key| recent.put(key, quarter()));
        assert!(recent.get(&0).is_some());
        recent.put(4, quarter());
        let there: Vec<bool> = (0..5).map(|key| recent.get(&key).is_some()).collect();
        assert_eq!(there, [true, false, true, true, true]);
        recent.put(4, quarter());
        assert_eq!((recent.entries.len(), recent.order.len(), recent.bytes), (4, 4, MOST_BYTES));
        recent.put(9, Bytes::from(vec![0; MOST_BYTES]));
        assert!(recent.get(&9).is_none() && recent.entries.len() == 4);
        recent.put(5, Bytes::from(vec![0; MOST_BYTES - OVERHEAD]));
        assert_eq!((recent.entries.len(), recent.order.len(), recent.bytes), (1, 1, MOST_BYTES));
    }
}
