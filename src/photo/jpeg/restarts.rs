//! Where the restart intervals of a scan are (ITU-T T.81, F.2.2.5): they can be decoded each by itself.

/// Intervals of a scan, at most: more are read one after the other.
const MOST: usize = 1 << 20;

/// The restart intervals of a scan.
pub(super) struct Restarts {
    /// Where the data of each begins.
    starts: Vec<usize>,
    /// The marker that ends the scan.
    pub end: usize,
    /// MCUs of an interval.
    interval: usize,
}

impl Restarts {
    /// Finds the intervals of a scan of `mcus` MCUs whose data begins at `at`. `None` unless all markers are there and no
    /// others: what is wrong shows when the scan is read from its beginning.
    pub fn find(bytes: &[u8], at: usize, interval: usize, mcus: usize) -> Option<Restarts> {
        let count = mcus.div_ceil(interval.max(1));
        if interval == 0 || count > MOST {
            return None;
        }
        let (mut starts, mut at) = (vec![at], at);
        loop {
            at += marked(bytes.get(at..)?)?;
            match *bytes.get(at + 1)? {
                0 => at += 2,
                // A byte that fills.
                0xff => at += 1,
                marker @ 0xd0..=0xd7 if starts.len() < count && usize::from(marker & 7) == (starts.len() - 1) % 8 => {
                    at += 2;
                    starts.push(at);
                }
                0xd0..=0xd7 => return None,
                _ => break,
            }
        }
        (starts.len() == count).then_some(Restarts { starts, end: at, interval })
    }

    /// The interval that an MCU begins, and where its data is.
    pub fn at(&self, mcu: usize) -> Option<(usize, usize)> {
        let index = mcu / self.interval;
        self.starts.get(index).map(|&start| (index, start))
    }
}

/// Of rows of `across` MCUs, every how many begin an interval of `interval` MCUs.
pub(super) fn rows(interval: usize, across: usize) -> usize {
    let (mut divisor, mut rest) = (interval, across);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    interval / divisor.max(1)
}

/// The place of the first byte of ones, which markers begin with.
fn marked(bytes: &[u8]) -> Option<usize> {
    const LOWEST: u64 = u64::MAX / 255;
    // Eight bytes at a time: a byte of ones is a zero of the complement, from which a one borrows.
    let (words, _) = bytes.as_chunks::<8>();
    let has_none = |word: &&[u8; 8]| {
        let word = u64::from_ne_bytes(**word);
        (!word).wrapping_sub(LOWEST) & word & (LOWEST << 7) == 0
    };
    let before = words.iter().take_while(has_none).count() * 8;
    bytes.get(before..)?.iter().position(|&byte| byte == 0xff).map(|place| before + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_ones_are_found_anywhere() {
        for len in 0..40 {
            for other in [0, 1, 0x7f, 0x80, 0xfe] {
                let mut bytes = vec![other; len];
                assert_eq!(marked(&bytes), None);
                for place in (0..len).rev() {
                    bytes[place] = 0xff;
                    assert_eq!(marked(&bytes), Some(place));
                }
            }
        }
    }

    #[test]
    fn intervals_are_found_or_the_scan_is_read_in_order() {
        let scan = b"ab\xff\x00c\xff\xd0d\xff\xff\xd1\xff\xd2ef\xff\xd9";
        let found = Restarts::find(scan, 0, 3, 12).unwrap();
        assert_eq!((&*found.starts, found.end), (&[0, 7, 11, 13][..], 15));
        assert_eq!([0, 3, 6].map(|mcu| found.at(mcu)), [Some((0, 0)), Some((1, 7)), Some((2, 11))]);
        assert_eq!([1, 3, 6, 4, 5].map(|across| rows(3, across)), [3, 1, 1, 3, 3]);
        for (mcus, interval) in [(12, 0), (9, 3), (13, 3), (12, 4), (usize::MAX, 1)] {
            assert!(Restarts::find(scan, 0, interval, mcus).is_none(), "{mcus} {interval}");
        }
        assert!(Restarts::find(b"a\xff\xd1b\xff\xd9", 0, 1, 2).is_none(), "another marker");
        assert!(Restarts::find(b"a\xff\xd0b", 0, 1, 2).is_none(), "no end");
        assert!(Restarts::find(b"a\xff\xd0b\xff", 0, 1, 2).is_none(), "no end");
        assert!(Restarts::find(b"", 7, 1, 1).is_none(), "no data");
    }
}
