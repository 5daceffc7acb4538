//! The bits of a lossless picture, least significant first.
//!
//! Behind the end of the data there are zeros, so that a symbol is read without asking for the end; whoever reads asks
//! [`Bits::ran_out`] afterwards, before much is done with what was read.

pub(super) struct Bits<'a> {
    /// Bytes that are not yet in `window`.
    rest: &'a [u8],
    /// The next bits; the first is the lowest.
    window: u64,
    /// How many bits of `window` are there, at most 63.
    count: u32,
    /// How many bits were added behind the end of the data.
    added: u32,
}

impl<'a> Bits<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Bits { rest: data, window: 0, count: 0, added: 0 }
    }

    /// Bits that [`Bits::fill`] makes available.
    pub const FILLED: u32 = 56;

    /// Makes at least [`Bits::FILLED`] bits available to [`Bits::peek`] and [`Bits::skip`].
    #[inline(always)]
    pub fn fill(&mut self) {
        match self.rest.first_chunk() {
            Some(&bytes) => {
                // Bits above `count` may be there already; they are the same.
                self.window |= u64::from_le_bytes(bytes) << self.count;
                self.rest = &self.rest[((63 - self.count as usize) / 8) & 7..];
                self.count |= 56;
            }
            None => self.fill_at_the_end(),
        }
    }

    #[cold]
    fn fill_at_the_end(&mut self) {
        while self.count < Self::FILLED {
            match self.rest.split_first() {
                Some((&byte, rest)) => {
                    self.window |= u64::from(byte) << self.count;
                    self.rest = rest;
                }
                None => self.added = self.added.saturating_add(8),
            }
            self.count += 8;
        }
    }

    /// Returns the bits that are there, and more above them that have no meaning.
    #[inline(always)]
    pub fn peek(&self) -> usize {
        self.window as usize
    }

    /// How many bits are there.
    #[inline(always)]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Passes over bits that are there.
    #[inline(always)]
    pub fn skip(&mut self, count: u32) {
        debug_assert!(count <= self.count);
        self.window >>= count & 63;
        self.count = self.count.wrapping_sub(count);
    }

    /// Reads a number of up to 24 bits.
    #[inline(always)]
    pub fn number(&mut self, bits: u32) -> usize {
        if self.count < bits {
            self.fill();
        }
        let number = self.peek() & ((1 << bits) - 1);
        self.skip(bits);
        number
    }

    /// Reads a bit.
    #[inline(always)]
    pub fn flag(&mut self) -> bool {
        self.number(1) == 1
    }

    /// Whether more bits were read than there are.
    pub fn ran_out(&self) -> bool {
        self.added > self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_to_the_last_bit() {
        let data: Vec<u8> = (0..40u32).map(|i| (i * i * 7 + 13) as u8).collect();
        let bit = |at: usize| usize::from(data[at / 8] >> (at % 8) & 1);
        for width in 1..=24 {
            let mut bits = Bits::new(&data);
            let mut at = 0;
            while at + width <= data.len() * 8 {
                let expected: usize = (0..width).map(|i| bit(at + i) << i).sum();
                assert_eq!(bits.number(width as u32), expected, "{width} bits at {at}");
                at += width;
                assert!(!bits.ran_out());
            }
            let left = data.len() * 8 - at;
            let expected: usize = (0..left).map(|i| bit(at + i) << i).sum();
            assert_eq!(bits.number(left as u32), expected);
            assert!(!bits.ran_out());
            assert_eq!(bits.number(1), 0);
            assert!(bits.ran_out());
            (0..100).for_each(|_| assert_eq!(bits.number(24), 0));
            assert!(bits.ran_out());
        }
    }
}
