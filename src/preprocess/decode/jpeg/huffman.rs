//! Huffman codes of JPEG (ITU-T T.81, annexes C and F) and the bits they are read from.
//!
//! Knows nothing of blocks or components. Reads never fail: past the end of the entropy-coded data they
//! yield zeros, and [`BitReader::overran`] tells, so that the hot loops carry no error paths.

use super::super::problem::Problem;

/// Bits that the first look-up resolves; longer codes, under one in a hundred, take the slow way.
const FAST_BITS: u32 = 10;

/// The code of a table entry that is too long for the fast look-up.
const SLOW: u16 = 0;

/// A Huffman table.
#[derive(Clone)]
pub(super) struct Table {
    /// By the next [`FAST_BITS`] bits: `length << 8 | symbol`, or [`SLOW`].
    fast: Box<[u16; 1 << FAST_BITS]>,
    /// By the next [`FAST_BITS`] bits, for AC codes whose value also fits into them:
    /// `value << 8 | run << 4 | length of both`, or zero.
    values: Box<[i16; 1 << FAST_BITS]>,
    /// By length: one past the last code of that length, left-aligned to 16 bits.
    ends: [u32; 18],
    /// By length: what is added to a code to find its symbol.
    offsets: [i32; 18],
    symbols: Vec<u8>,
}

impl Table {
    /// A table of `counts[i]` codes of length `i + 1` and their symbols in order.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Table, Problem> {
        let mut table = Table {
            fast: Box::new([SLOW; 1 << FAST_BITS]),
            values: Box::new([0; 1 << FAST_BITS]),
            ends: [0; 18],
            offsets: [0; 18],
            symbols: symbols.to_vec(),
        };
        let mut code = 0u32;
        let mut index = 0usize;
        for length in 1..=16u32 {
            let count = u32::from(counts[length as usize - 1]);
            table.offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                let Some(&symbol) = symbols.get(index) else {
                    return Err(Problem::damaged("a huffman table is too short"));
                };
                // Codes of all ones are not allowed, but written by some encoders and read by all decoders.
                if code >> length != 0 {
                    return Err(Problem::damaged("a huffman table has too many codes"));
                }
                if length <= FAST_BITS {
                    let first = (code << (FAST_BITS - length)) as usize;
                    let entry = (length as u16) << 8 | u16::from(symbol);
                    table.fast[first..first + (1 << (FAST_BITS - length))].fill(entry);
                }
                code += 1;
                index += 1;
            }
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        table.ends[17] = u32::MAX;
        for bits in 0..1u32 << FAST_BITS {
            let entry = table.fast[bits as usize];
            let (length, run, size) = (u32::from(entry >> 8), i32::from(entry >> 4 & 15), u32::from(entry & 15));
            if entry != SLOW && size != 0 && length + size <= FAST_BITS {
                let value = extend(bits >> (FAST_BITS - length - size) & ((1 << size) - 1), size);
                if (-128..128).contains(&value) {
                    table.values[bits as usize] = (value << 8 | run << 4 | (length + size) as i32) as i16;
                }
            }
        }
        Ok(table)
    }
}

/// The value of `size` extra bits: the upper half is positive, the lower half negative (T.81, F.2.2.1).
#[inline(always)]
pub(super) fn extend(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    // Size zero shifts to a negative threshold, which leaves the zero alone.
    if size != 0 && bits < 1 << (size - 1) { bits.wrapping_sub((1 << size) - 1) } else { bits }
}

/// The bits of a scan.
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// Next byte to take; stops at a marker.
    at: usize,
    /// The next bits, from the top.
    bits: u64,
    /// How many of them are there.
    have: u32,
    /// How many of those are zeros past the end.
    padding: u32,
}

impl<'a> BitReader<'a> {
    /// Reads entropy-coded data from byte `at` on.
    pub fn new(data: &'a [u8], at: usize) -> Self {
        BitReader { data, at, bits: 0, have: 0, padding: 0 }
    }

    /// Whether bits were consumed that are not there.
    pub fn overran(&self) -> bool {
        self.padding > self.have
    }

    /// Whether the data, rather than the scan, has ended.
    pub fn at_end_of_data(&self) -> bool {
        self.at + 1 >= self.data.len()
    }

    /// The position of the marker that ends the bits, once they are used up.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Drops what is left of the last byte, and everything up to the next marker; returns the marker's
    /// code and continues after it.
    pub fn next_marker(&mut self) -> Option<u8> {
        self.bits = 0;
        self.have = 0;
        self.padding = 0;
        loop {
            let byte = *self.data.get(self.at)?;
            let next = *self.data.get(self.at + 1)?;
            match (byte, next) {
                (0xff, 0xff) => self.at += 1,
                (0xff, 1..) => {
                    self.at += 2;
                    return Some(next);
                }
                _ => self.at += 1,
            }
        }
    }

    /// Makes at least 48 bits ready.
    #[inline(always)]
    fn refill(&mut self) {
        if self.have < 48 {
            self.refill_now();
        }
    }

    #[inline(always)]
    fn refill_now(&mut self) {
        if let Some(bytes) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*bytes);
            // No byte is 0xff: eight bytes are data, as many as fit are taken at once.
            let inverted = !word;
            if inverted.wrapping_sub(0x0101_0101_0101_0101) & !inverted & 0x8080_8080_8080_8080 == 0 {
                self.bits |= word >> self.have;
                let bytes = (63 - self.have) / 8;
                self.at += bytes as usize;
                self.have += bytes * 8;
                return;
            }
        }
        self.refill_bytes();
    }

    #[cold]
    #[inline(never)]
    fn refill_bytes(&mut self) {
        // The fast way may have left bits below `have`; they are the same ones that come again.
        while self.have <= 56 {
            let byte = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                // A last byte 0xff has lost its second half.
                (Some(0xff), _) | (None, _) => {
                    self.padding += 8;
                    self.have += 8;
                    continue;
                }
                (Some(&byte), _) => {
                    self.at += 1;
                    byte
                }
            };
            self.bits |= u64::from(byte) << (56 - self.have);
            self.have += 8;
        }
    }

    #[inline(always)]
    fn peek(&self, count: u32) -> u32 {
        (self.bits >> (64 - count)) as u32
    }

    #[inline(always)]
    fn consume(&mut self, count: u32) {
        self.bits <<= count;
        self.have = self.have.wrapping_sub(count);
    }

    /// The next bit.
    #[inline(always)]
    pub fn bit(&mut self) -> bool {
        self.refill();
        let bit = self.peek(1) != 0;
        self.consume(1);
        bit
    }

    /// The next `count` bits, at most 16.
    #[inline(always)]
    pub fn take(&mut self, count: u32) -> u32 {
        if count == 0 {
            return 0;
        }
        self.refill();
        let bits = self.peek(count);
        self.consume(count);
        bits
    }

    /// The next symbol, or `None` for a code that the table does not have; 16 bits must be ready.
    #[inline(always)]
    fn symbol(&mut self, table: &Table) -> Option<u8> {
        let entry = table.fast[self.peek(FAST_BITS) as usize];
        if entry != SLOW {
            self.consume(u32::from(entry >> 8));
            return Some(entry as u8);
        }
        self.long_symbol(table)
    }

    #[cold]
    #[inline(never)]
    fn long_symbol(&mut self, table: &Table) -> Option<u8> {
        let bits = self.peek(16);
        let length = (FAST_BITS + 1..=17).find(|&length| bits < table.ends[length as usize])?;
        if length == 17 {
            return None;
        }
        self.consume(length);
        let index = (bits >> (16 - length)) as i32 + table.offsets[length as usize];
        table.symbols.get(usize::try_from(index).ok()?).copied()
    }

    /// The next difference of a DC coefficient.
    #[inline(always)]
    pub fn dc(&mut self, table: &Table) -> Option<i32> {
        self.refill();
        let size = u32::from(self.symbol(table)?);
        if size > 15 {
            return None;
        }
        if size == 0 {
            return Some(0);
        }
        let bits = self.peek(size);
        self.consume(size);
        Some(extend(bits, size))
    }

    /// The next AC symbol: `(run, value)`, where a value of zero has the size zero: 15 zeros and one more,
    /// or the end of the block (or, with a run of `r`, of `2^r` blocks and more).
    #[inline(always)]
    pub fn ac(&mut self, table: &Table) -> Option<(u32, i32)> {
        self.refill();
        let both = table.values[self.peek(FAST_BITS) as usize];
        if both != 0 {
            self.consume((both & 15) as u32);
            return Some(((both >> 4 & 15) as u32, i32::from(both >> 8)));
        }
        let symbol = self.symbol(table)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            return Some((run, 0));
        }
        // A code is at most 16 bits, a value at most 15, and 48 were ready.
        let bits = self.peek(size);
        self.consume(size);
        Some((run, extend(bits, size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl BitReader<'_> {
        fn next_symbol(&mut self, table: &Table) -> Option<u8> {
            self.refill();
            self.symbol(table)
        }
    }

    /// Codes 0, 10, 110, 1110 for the symbols 1, 2, 3, 4.
    fn table() -> Table {
        let mut counts = [0; 16];
        counts[..4].fill(1);
        Table::new(&counts, &[1, 2, 3, 4]).unwrap()
    }

    #[test]
    fn symbols_of_every_length() {
        let mut bits = BitReader::new(&[0b0101_1011, 0b1011_1111], 0);
        let read: Vec<_> = (0..4).map(|_| bits.next_symbol(&table())).collect();
        assert_eq!(read, [Some(1), Some(2), Some(3), Some(4)]);
        assert!(!bits.overran());
        assert_eq!(bits.next_symbol(&table()), None);
    }

    #[test]
    fn stuffed_bytes_count_once_and_markers_end_the_bits() {
        let data = [0xff, 0x00, 0xab, 0xff, 0xd9, 0x12];
        let mut bits = BitReader::new(&data, 0);
        assert_eq!(bits.take(16), 0xffab);
        assert!(!bits.overran());
        assert_eq!(bits.take(8), 0);
        assert!(bits.overran());
        assert_eq!(bits.next_marker(), Some(0xd9));
        assert_eq!(bits.position(), 5);
    }

    #[test]
    fn long_runs_of_bytes_are_read_in_order() {
        let data: Vec<u8> = (0..200u8).collect();
        let mut bits = BitReader::new(&data, 0);
        for byte in 0..200u32 {
            assert_eq!(bits.take(3) << 5 | bits.take(5), byte);
        }
        assert!(!bits.overran());
        bits.take(1);
        assert!(bits.overran());
    }

    #[test]
    fn values_extend_to_both_signs() {
        let values: Vec<i32> = (0..8).map(|bits| extend(bits, 3)).collect();
        assert_eq!(values, [-7, -6, -5, -4, 4, 5, 6, 7]);
        assert_eq!(extend(0, 0), 0);
        assert_eq!((extend(0, 1), extend(1, 1)), (-1, 1));
    }

    #[test]
    fn impossible_tables_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Table::new(&counts, &[1, 2, 3]).is_err());
        counts[0] = 2;
        assert!(Table::new(&counts, &[1]).is_err());
        assert!(Table::new(&counts, &[1, 2]).is_ok());
    }
}
