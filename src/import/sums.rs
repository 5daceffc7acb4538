//! Compares the entries of an archive with the checksums that it declares. Knows no tensors.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use flate2::Crc;

use super::listing::Sum;

/// The uncompressed entries of a file that declare a checksum.
#[derive(Default)]
pub(super) struct Sums {
    /// In the order of their places, each with whether it was looked at.
    entries: Vec<(Sum, AtomicBool)>,
    /// Bytes that were looked at.
    looked_at: AtomicUsize,
}

impl Sums {
    pub(super) fn new(mut sums: Vec<Sum>) -> Sums {
        sums.sort_by_key(|sum| sum.bytes.start);
        let entries = sums.into_iter().map(|sum| (sum, AtomicBool::new(false))).collect();
        Sums { entries, looked_at: AtomicUsize::new(0) }
    }

    /// Compares the entry that byte `at` of the file `bytes` belongs to, the first time. Returns it if it differs.
    ///
    /// Costs no more than one look at the file in all: the entries of a hostile archive overlap.
    pub(super) fn differing(&self, bytes: &[u8], at: usize) -> Option<&Sum> {
        let after = self.entries.partition_point(|(sum, _)| sum.bytes.start <= at);
        let (sum, seen) = self.entries.get(after.checked_sub(1)?)?;
        let entry = bytes.get(sum.bytes.clone()).filter(|_| sum.bytes.contains(&at))?;
        if seen.swap(true, Ordering::Relaxed) {
            return None;
        }
        let before = self.looked_at.fetch_add(entry.len(), Ordering::Relaxed);
        if before.saturating_add(entry.len()) > bytes.len() {
            return None;
        }
        let mut crc = Crc::new();
        crc.update(entry);
        (crc.sum() != sum.crc).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc(bytes: &[u8]) -> u32 {
        let mut crc = Crc::new();
        crc.update(bytes);
        crc.sum()
    }

    #[test]
    fn an_entry_is_compared_once() {
        let bytes = b"..whole--broken.";
        let sum = |name: &str, bytes, crc| Sum { name: name.to_owned(), bytes, crc };
        let sums = Sums::new(vec![sum("b", 9..15, crc(b"before")), sum("a", 2..7, crc(b"whole"))]);
        let differing = |at: usize| sums.differing(bytes, at).map(|sum| sum.name.as_str());
        for at in [0, 2, 6, 7, 8, 15, 99] {
            assert_eq!(differing(at), None, "{at}");
        }
        assert_eq!((differing(12), differing(12)), (Some("b"), None));
    }

    #[test]
    fn overlapping_entries_cost_no_more_than_the_file() {
        let bytes = [7; 100];
        let sums = Sums::new((0..50).map(|i| Sum { name: i.to_string(), bytes: i..100, crc: 1 }).collect());
        let found = (0..50).filter(|&at| sums.differing(&bytes, at).is_some()).count();
        assert_eq!(found, 1);
    }
}
