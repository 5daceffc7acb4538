//! Builds the double array of [`super::trie`].

use super::trie::{Class, Found, Unit};

/// Offsets are looked for in so many words of 64 slots before the end, and slots further ahead stay unused. With 64 the
/// arrays of the tests are 96 % full or more.
const WINDOW: usize = 64;

/// A string and its piece.
pub(super) type Entry<'a> = (&'a [u8], Class, u32);

struct Builder {
    units: Vec<Unit>,
    /// Slots in use, one bit each.
    used: Vec<u64>,
    /// Offsets in use, one bit each.
    offsets: Vec<u64>,
    /// All slots of the words before this one are in use or given up.
    first: usize,
}

impl Builder {
    fn grow(&mut self) {
        self.units.resize(self.units.len() + 256, [0, 0]);
        self.used.resize(self.used.len() + 4, 0);
        self.offsets.resize(self.offsets.len() + 4, 0);
    }

    fn is_set(bits: &[u64], at: usize) -> bool {
        bits.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn set(bits: &mut [u64], at: usize) {
        if let Some(word) = bits.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    /// An offset at which the children for these bytes are free; takes their slots.
    fn place(&mut self, bytes: &[u8]) -> u32 {
        let lead = usize::from(bytes.first().copied().unwrap_or(0));
        self.first = self.first.max(self.used.len().saturating_sub(WINDOW));
        while self.used.get(self.first) == Some(&u64::MAX) {
            self.first += 1;
        }
        let mut word = self.first;
        loop {
            if word == self.used.len() {
                self.grow();
            }
            let mut free = !self.used.get(word).copied().unwrap_or(0);
            while free != 0 {
                let slot = word * 64 + free.trailing_zeros() as usize;
                free &= free - 1;
                let offset = slot ^ lead;
                // All slots of an offset lie in its block of 256, which is there. Offset 0 means no children.
                let fits = offset != 0
                    && !Self::is_set(&self.offsets, offset)
                    && bytes.iter().all(|&byte| !Self::is_set(&self.used, offset ^ usize::from(byte)));
                if fits {
                    Self::set(&mut self.offsets, offset);
                    for &byte in bytes {
                        Self::set(&mut self.used, offset ^ usize::from(byte));
                    }
                    return offset as u32;
                }
            }
            word += 1;
        }
    }
}

/// Builds the array for strings in ascending order, none empty and none twice.
pub(super) fn build(entries: &[Entry<'_>]) -> Vec<Unit> {
    if entries.is_empty() {
        return Vec::new();
    }
    let mut builder = Builder { units: Vec::new(), used: Vec::new(), offsets: Vec::new(), first: 0 };
    builder.grow();
    // The root.
    Builder::set(&mut builder.used, 0);
    // Units whose children are still to be placed: (unit, its entries, their common length).
    let mut open = vec![(0_usize, 0..entries.len(), 0_usize)];
    let mut children: Vec<(u8, std::ops::Range<usize>)> = Vec::new();
    while let Some((unit, range, depth)) = open.pop() {
        children.clear();
        for at in range {
            // The one entry that ends here was taken when the unit was placed.
            let Some(&byte) = entries.get(at).and_then(|(bytes, ..)| bytes.get(depth)) else { continue };
            match children.last_mut() {
                Some((last, range)) if *last == byte => range.end = at + 1,
                _ => children.push((byte, at..at + 1)),
            }
        }
        if children.is_empty() {
            continue;
        }
        let bytes: Vec<u8> = children.iter().map(|(byte, _)| *byte).collect();
        let offset = builder.place(&bytes);
        if let Some(unit) = builder.units.get_mut(unit) {
            unit[0] = offset;
        }
        for (byte, range) in children.drain(..).rev() {
            let slot = offset as usize ^ usize::from(byte);
            let ends = entries.get(range.start).filter(|(bytes, ..)| bytes.len() == depth + 1);
            let (class, id) = ends.map_or((Class::None, 0), |&(_, class, id)| (class, id));
            if let Some(unit) = builder.units.get_mut(slot) {
                unit[1] = Found::unit(class, id, byte);
            }
            open.push((slot, range, depth + 1));
        }
    }
    let last = builder.units.iter().rposition(|unit| *unit != [0, 0]).unwrap_or(0);
    builder.units.truncate(last + 1);
    builder.units
}

#[cfg(test)]
mod tests {
    use super::super::trie::Trie;
    use super::*;
    use std::collections::BTreeMap;

    fn check(strings: &BTreeMap<Vec<u8>, u32>) -> Vec<Unit> {
        let entries: Vec<Entry> = strings.iter().map(|(s, &id)| (s.as_slice(), Class::Normal, id)).collect();
        let units = build(&entries);
        let trie = Trie::new(&units);
        for (string, &id) in strings {
            let found = trie.get(string);
            assert_eq!((found.class(), found.id()), (Class::Normal, id), "{string:?}");
            assert_eq!(trie.longest(string).map(|(len, found)| (len, found.id())), Some((string.len(), id)));
            for byte in [0, 1, 0x61, 0xff] {
                let mut longer = string.clone();
                longer.push(byte);
                assert_eq!(trie.get(&longer).class() == Class::Normal, strings.contains_key(&longer));
            }
            for len in 0..string.len() {
                let known = strings.contains_key(&string[..len]);
                assert_eq!(trie.get(&string[..len]).class() == Class::Normal, known);
            }
        }
        units
    }

    #[test]
    fn finds_its_strings_and_no_others() {
        check(&BTreeMap::new());
        check(&[(b"a".to_vec(), 0)].into());
        check(&[(vec![0], 3), (vec![0, 0], 4), (vec![255, 255], 5), (vec![255], 6)].into());
        check(&(0..=255u8).map(|b| (vec![b], u32::from(b))).collect());
        check(&(0..=255u8).map(|b| (vec![b'x', b, b], u32::from(b))).collect());
        let mut seed = 1_u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 16
        };
        let random: BTreeMap<Vec<u8>, u32> = (0..20_000)
            .map(|id| ((0..1 + next() % 9).map(|_| (b'a' as u32 + next() % 26) as u8).collect(), id))
            .collect();
        let units = check(&random);
        let full = units.iter().filter(|unit| unit[1] != 0).count() as f64 / units.len() as f64;
        assert!(full > 0.9, "{full}");
    }

    #[test]
    fn damaged_units_are_harmless() {
        let entries: [Entry; 3] = [(b"ab", Class::Normal, 1), (b"abc", Class::Normal, 2), (b"b", Class::Byte, 3)];
        let units = build(&entries);
        for at in 0..units.len() {
            for value in [[u32::MAX, 0x62], [0, 0x63], [u32::MAX, u32::MAX], [1 << 31, 0]] {
                let mut units = units.clone();
                units[at] = value;
                let trie = Trie::new(&units);
                for text in [&b"abc"[..], b"b", b"\0\0", b"\xff\xff"] {
                    let _ = (trie.get(text), trie.longest(text));
                }
            }
        }
    }
}
