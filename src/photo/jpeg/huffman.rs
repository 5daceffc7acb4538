//! Huffman codes of JPEG (ITU-T T.81, annexes C and F) and their bit reader.
//!
//! Knows no blocks or components. Reads past the end of the entropy-coded data yield zeros, and
//! [`BitReader::overran`] reports them afterwards, which keeps error paths out of the hot loops.

use super::super::decode_error::DecodeError;

/// Bits that are buffered before a symbol is read: 16 of a code and 15 of a value.
const BUFFERED: u32 = 32;

/// Bits resolved by one look-up. Longer codes, under one in a hundred, take the slow path.
const FAST_BITS: u32 = 11;

/// Marks codes that are too long for the fast look-up.
const SLOW: u32 = 0;

/// The fast look-up of a table.
type Fast = Box<[u32; 1 << FAST_BITS]>;

/// A Huffman table.
#[derive(Clone)]
pub(super) struct Table {
    /// By the next [`FAST_BITS`] bits: `value << 16 | symbol << 8 | length`, or [`SLOW`]. The value is that of an AC
    /// coefficient whose extra bits are among them, too, and the length that of both; zero if they are not.
    fast: Fast,
    /// By length: the last code of that length plus one, left-aligned to 16 bits.
    ends: [u32; 18],
    /// By length: the offset from a code to the index of its symbol.
    offsets: [i32; 18],
    symbols: Vec<u8>,
}

impl Table {
    /// Builds a table of `counts[i]` codes of length `i + 1`; `symbols` are in order of their codes.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Table, DecodeError> {
        let mut table = Table {
            fast: Box::new([SLOW; 1 << FAST_BITS]),
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
                    return Err(DecodeError::damaged("a huffman table is too short"));
                };
                // The standard forbids codes of all ones, but some encoders write them and all decoders accept them.
                if code >> length != 0 {
                    return Err(DecodeError::damaged("a huffman table has too many codes"));
                }
                if length <= FAST_BITS {
                    let first = (code << (FAST_BITS - length)) as usize;
                    let entry = u32::from(symbol) << 8 | length;
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
            let entry = &mut table.fast[bits as usize];
            let (length, size) = (*entry & 31, *entry >> 8 & 15);
            if *entry != SLOW && size != 0 && length + size <= FAST_BITS {
                let value = extend(bits >> (FAST_BITS - length - size) & ((1 << size) - 1), size);
                *entry = (value as u32) << 16 | *entry & 0xff00 | (length + size);
            }
        }
        Ok(table)
    }
}

/// Decodes `size` extra bits: the upper half of the range is positive, the lower half negative (T.81, F.2.2.1).
#[inline(always)]
pub(super) fn extend(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    // The shift needs a size above zero; zero bits decode to zero.
    if size != 0 && bits < 1 << (size - 1) { bits.wrapping_sub((1 << size) - 1) } else { bits }
}

/// Reads the bits of a scan.
///
/// Small, and never referred to by what is not inlined, so that a copy of it can live in registers.
#[derive(Clone, Copy)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    state: State,
}

#[derive(Clone, Copy)]
struct State {
    /// Offset of the next byte; stops at a marker.
    at: usize,
    /// Buffered bits, most significant first.
    bits: u64,
    /// Number of buffered bits.
    have: u32,
    /// Number of zeros appended past the end.
    padding: u32,
}

impl<'a> BitReader<'a> {
    /// Reads entropy-coded data from byte `at`.
    pub fn new(data: &'a [u8], at: usize) -> Self {
        BitReader { data, state: State { at, bits: 0, have: 0, padding: 0 } }
    }

    /// Whether bits past the end were consumed.
    pub fn overran(&self) -> bool {
        self.state.padding > self.state.have
    }

    /// Whether the file, not only the scan, has ended.
    pub fn at_end_of_data(&self) -> bool {
        self.state.at + 1 >= self.data.len()
    }

    /// Returns the offset of the marker that ends the scan, once all bits are read.
    pub fn position(&self) -> usize {
        self.state.at
    }

    /// Skips to the next marker, dropping buffered bits; returns its code and continues after it.
    pub fn next_marker(&mut self) -> Option<u8> {
        let mut at = self.state.at;
        self.state = State { at, bits: 0, have: 0, padding: 0 };
        loop {
            let byte = *self.data.get(at)?;
            let next = *self.data.get(at + 1)?;
            match (byte, next) {
                (0xff, 0xff) => at += 1,
                (0xff, 1..) => {
                    self.state.at = at + 2;
                    return Some(next);
                }
                _ => at += 1,
            }
        }
    }

    /// Buffers at least [`BUFFERED`] bits.
    #[inline(always)]
    fn refill(&mut self) {
        if self.state.have < BUFFERED {
            self.refill_now();
        }
    }

    #[inline(always)]
    fn refill_now(&mut self) {
        let State { at, bits, have, padding } = self.state;
        if let Some(bytes) = self.data.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*bytes);
            // Without a byte 0xff, all eight bytes are data: take as many as fit.
            let inverted = !word;
            if inverted.wrapping_sub(0x0101_0101_0101_0101) & !inverted & 0x8080_8080_8080_8080 == 0 {
                let bytes = (63 - have) / 8;
                self.state = State {
                    at: at.wrapping_add(bytes as usize),
                    bits: bits | word >> (have & 63),
                    have: have + bytes * 8,
                    padding,
                };
                return;
            }
        }
        self.state = refilled_by_bytes(self.data, self.state);
    }

    #[inline(always)]
    fn peek(&self, count: u32) -> u32 {
        (self.state.bits >> (64 - count)) as u32
    }

    #[inline(always)]
    fn consume(&mut self, count: u32) {
        // The mask says that the shift is less than the width, and costs nothing.
        self.state.bits <<= count & 63;
        self.state.have = self.state.have.wrapping_sub(count);
    }

    /// Reads a bit.
    #[inline(always)]
    pub fn bit(&mut self) -> bool {
        self.refill();
        let bit = self.peek(1) != 0;
        self.consume(1);
        bit
    }

    /// Reads `count` bits, at most 16.
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

    /// Reads `count` bits, at most 32: the first ones of the result, the others are any.
    #[inline(always)]
    pub fn take_first(&mut self, count: u32) -> u32 {
        self.refill();
        let bits = self.peek(32);
        self.consume(count & 63);
        bits
    }

    /// Reads a symbol, whose entry is known; `None` for a code that is not in the table. 16 bits must be buffered.
    #[inline(always)]
    fn symbol(&mut self, table: &Table, entry: u32) -> Option<u32> {
        if entry != SLOW {
            self.consume(entry & 31);
            return Some(entry >> 8 & 0xff);
        }
        let (length, symbol) = long_symbol(self.peek(16), table)?;
        self.consume(length & 31);
        Some(symbol.into())
    }

    /// Reads the difference of a DC coefficient.
    #[inline(always)]
    pub fn dc(&mut self, table: &Table) -> Option<i32> {
        self.refill();
        let entry = table.fast[self.peek(FAST_BITS) as usize];
        let value = entry as i32 >> 16;
        if value != 0 && entry >> 12 & 15 == 0 {
            self.consume(entry & 31);
            return Some(value);
        }
        if value != 0 {
            // A symbol above 15, read as if it were one of AC.
            return None;
        }
        let size = self.symbol(table, entry)?;
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

    /// Reads an AC symbol: `(run, value)`. A value of zero stands for 16 zeros (run 15), the end of the block (run 0)
    /// or, in progressive scans, the end of `2^run` or more blocks.
    #[inline(always)]
    pub fn ac(&mut self, table: &Table) -> Option<(u32, i32)> {
        self.refill();
        let entry = table.fast[self.peek(FAST_BITS) as usize];
        self.ac_of(table, entry)
    }

    /// Reads AC symbols from zigzag position `k` to `end`, at most 63, and gives `put` each coefficient with its position,
    /// which may be up to `end + 15`. Returns the position after the last one, and the run of the symbol that ended the
    /// block, if one did.
    #[inline(always)]
    pub fn ac_coefficients(
        &mut self,
        table: &Table,
        mut k: usize,
        end: usize,
        mut put: impl FnMut(usize, i32),
    ) -> Option<(usize, Option<u32>)> {
        while k <= end {
            // Whether there are enough bits cannot be predicted, so that it is cheaper to fill up each time. Of 56 bits, two
            // look-ups that find a value leave enough for any symbol.
            self.refill_now();
            for _ in 0..(56 - BUFFERED) / FAST_BITS + 1 {
                let entry = table.fast[self.peek(FAST_BITS) as usize];
                let (run, value) = self.ac_of(table, entry)?;
                if value == 0 {
                    if run < 15 {
                        return Some((k, Some(run)));
                    }
                    k += 16;
                    break;
                }
                k += run as usize;
                put(k, value);
                k += 1;
                if k > end || entry >> 16 == 0 {
                    break;
                }
            }
        }
        Some((k, None))
    }

    /// As [`BitReader::ac`], with the entry of the next bits, of which [`BUFFERED`] are at hand.
    #[inline(always)]
    fn ac_of(&mut self, table: &Table, entry: u32) -> Option<(u32, i32)> {
        let value = entry as i32 >> 16;
        // Before anything else, because the next look-up waits for it; nothing for a long code.
        self.consume(entry & 0xff);
        if value != 0 {
            return Some((entry >> 12 & 15, value));
        }
        let symbol = if entry == SLOW { self.symbol(table, SLOW)? } else { entry >> 8 & 0xff };
        let (run, size) = (symbol >> 4, symbol & 15);
        if size == 0 {
            return Some((run, 0));
        }
        // At most 16 bits of code and 15 of value, of 32 buffered ones.
        let bits = self.peek(size);
        self.consume(size);
        Some((run, extend(bits, size)))
    }
}

/// Buffers as many bits as fit, byte by byte.
#[cold]
#[inline(never)]
fn refilled_by_bytes(data: &[u8], mut state: State) -> State {
    // The fast path may leave bits below `have`; the next bytes set the same bits again.
    while state.have <= 56 {
        let byte = match (data.get(state.at), data.get(state.at + 1)) {
            (Some(0xff), Some(0)) => {
                state.at += 2;
                0xff
            }
            // A final 0xff is half of a marker or of a stuffed byte.
            (Some(0xff), _) | (None, _) => {
                state.padding += 8;
                state.have += 8;
                continue;
            }
            (Some(&byte), _) => {
                state.at += 1;
                byte
            }
        };
        state.bits |= u64::from(byte) << (56 - state.have);
        state.have += 8;
    }
    state
}

/// Finds a code of any length at the begin of 16 bits: its length and its symbol.
#[cold]
#[inline(never)]
fn long_symbol(bits: u32, table: &Table) -> Option<(u32, u8)> {
    let length = (1..=17).find(|&length| bits < table.ends[length as usize])?;
    if length == 17 {
        return None;
    }
    let index = (bits >> (16 - length)) as i32 + table.offsets[length as usize];
    Some((length, *table.symbols.get(usize::try_from(index).ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl BitReader<'_> {
        fn next_symbol(&mut self, table: &Table) -> Option<u8> {
            self.refill();
            let (length, symbol) = long_symbol(self.peek(16), table)?;
            self.consume(length);
            Some(symbol)
        }
    }

    /// Returns a table of the codes 0, 10, 110, 1110 for the symbols 1, 2, 3, 4.
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
    fn entries_agree_with_codes() {
        let table = super::super::standard_tables::get(1, 0).unwrap();
        for bits in 0..1 << FAST_BITS {
            let entry = table.fast[bits];
            let (length, symbol) = long_symbol((bits as u32) << (16 - FAST_BITS), &table).unwrap_or((17, 0));
            if length > FAST_BITS {
                assert_eq!(entry, SLOW);
                continue;
            }
            let size = u32::from(symbol & 15);
            let whole = size != 0 && length + size <= FAST_BITS;
            let value = |shift: u32| extend(bits as u32 >> shift & ((1 << size) - 1), size);
            let (length, value) = if whole { (length + size, value(FAST_BITS - length - size)) } else { (length, 0) };
            assert_eq!(entry, (value as u32) << 16 | u32::from(symbol) << 8 | length);
        }
    }

    /// Many at a time, and one after the other, on bits of which every third byte is 0xff.
    #[test]
    fn coefficients_are_those_of_single_symbols() {
        let table = super::super::standard_tables::get(1, 0).unwrap();
        let mut random = 1u32;
        let mut byte = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        };
        let data: Vec<u8> =
            (0..30_000).flat_map(|_| if byte() < 85 { vec![0xff, 0] } else { vec![byte() & 0xfe] }).collect();
        let (mut one, mut many) = (BitReader::new(&data, 0), BitReader::new(&data, 0));
        let mut symbols = 0;
        while !one.overran() {
            let (mut k, mut ended, mut expected) = (1, None, Vec::new());
            let known = loop {
                let Some((run, value)) = one.ac(&table) else { break false };
                symbols += 1;
                match (value, run) {
                    (0, 15) => k += 16,
                    (0, _) => ended = Some(run),
                    _ => {
                        k += run as usize;
                        expected.push((k, value));
                        k += 1;
                    }
                }
                if k > 63 || ended.is_some() {
                    break true;
                }
            };
            let mut found = Vec::new();
            let result = many.ac_coefficients(&table, 1, 63, |k, value| found.push((k, value)));
            assert_eq!((result, found), (known.then_some((k, ended)), expected));
            // A code that is not in the table is not consumed.
            assert_eq!(one.take(3), many.take(3));
        }
        assert!(many.overran() && symbols > 10_000);
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
    fn many_bytes_are_read_in_order() {
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
