//! Prefix codes: how a file states them, and the tables that decode them.
//!
//! A code is a list of lengths, from which its words follow: shorter ones first, in the order of symbols. Its table has
//! two levels, so that it is not much larger than the code: the first is indexed with the next eight bits, the second with
//! those that follow. Knows no pixels.

use super::super::super::decode_error::DecodeError;
use super::bits::Bits;
use super::memory::Memory;

/// Symbols of the largest alphabet: levels of green, lengths of copies, and places in the largest cache.
pub(super) const MAX_SYMBOLS: usize = 256 + 24 + (1 << 11);

/// Bits of the longest word.
const LONGEST: usize = 15;

/// Bits that index the first level of a table.
const FIRST_LEVEL: usize = 8;

/// More entries than the tables of a group have. (The largest code of 2328 symbols has 2704.)
const MAX_TABLES: usize = 1 << 13;

/// Lengths of words are coded themselves: with lengths of up to seven bits, stated in this order. Symbols from 16 on
/// repeat a length.
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Place of the table of a code among those of its group.
#[derive(Clone, Copy, Default)]
pub(super) struct Code {
    start: u16,
    /// Bits of an index into the first level, all set.
    mask: u16,
}

impl Code {
    /// Reads a symbol. At least 15 bits must be available.
    #[inline(always)]
    pub fn symbol(self, tables: &[u16], bits: &mut Bits<'_>) -> usize {
        let start = usize::from(self.start);
        let mut entry = tables[start + (bits.peek() & usize::from(self.mask))];
        let length = usize::from(entry & 15);
        if length > FIRST_LEVEL {
            let index = bits.peek() >> FIRST_LEVEL & ((1 << (length - FIRST_LEVEL)) - 1);
            entry = tables[start + usize::from(entry >> 4) + index];
        }
        bits.skip(u32::from(entry & 15));
        usize::from(entry >> 4)
    }

    /// Returns the symbol of a code that has one symbol, which takes no bits.
    pub fn only_symbol(self, tables: &[u16]) -> Option<usize> {
        (self.mask == 0).then(|| usize::from(tables[usize::from(self.start)] >> 4))
    }
}

/// Reads codes; keeps the tables of a group until it is complete.
pub(super) struct CodeReader {
    lengths: [u8; MAX_SYMBOLS],
    sorted: [u16; MAX_SYMBOLS],
    tables: Vec<u16>,
}

impl CodeReader {
    pub fn new(memory: Memory<'_>) -> Result<Self, DecodeError> {
        let tables = memory.reserve(MAX_TABLES)?;
        Ok(CodeReader { lengths: [0; MAX_SYMBOLS], sorted: [0; MAX_SYMBOLS], tables })
    }

    /// Returns the tables of the codes that were read since the last call of [`CodeReader::clear`].
    pub fn tables(&self) -> &[u16] {
        &self.tables
    }

    pub fn clear(&mut self) {
        self.tables.clear();
    }

    /// Reads the code of an alphabet of `symbols` and builds its table.
    pub fn read(&mut self, symbols: usize, bits: &mut Bits<'_>) -> Result<Code, DecodeError> {
        let CodeReader { lengths, sorted, tables } = self;
        let lengths = &mut lengths[..symbols];
        lengths.fill(0);
        if bits.flag() {
            let two = bits.flag();
            let width = if bits.flag() { 8 } else { 1 };
            let first = bits.number(width);
            let second = if two { bits.number(8) } else { first };
            for symbol in [first, second] {
                lengths.get_mut(symbol).into_iter().for_each(|length| *length = 1);
            }
        } else {
            read_lengths(lengths, sorted, tables, bits)?;
        }
        if bits.ran_out() {
            return Err(DecodeError::Truncated);
        }
        append(lengths, sorted, tables)
    }
}

/// Reads the length of each word.
fn read_lengths(
    lengths: &mut [u8],
    sorted: &mut [u16],
    tables: &mut Vec<u16>,
    bits: &mut Bits<'_>,
) -> Result<(), DecodeError> {
    let mut own = [0; ORDER.len()];
    let stated = 4 + bits.number(4);
    ORDER.iter().take(stated).for_each(|&symbol| own[symbol] = bits.number(3) as u8);
    let start = tables.len();
    let code = append(&own, sorted, tables)?;
    let mut left = lengths.len();
    if bits.flag() {
        let width = 2 + 2 * bits.number(3);
        left = 2 + bits.number(width as u32);
        if left > lengths.len() {
            return Err(DecodeError::damaged("a prefix code has more symbols than its alphabet"));
        }
    }
    let (mut at, mut last) = (0, 8);
    while at < lengths.len() && left > 0 {
        left -= 1;
        bits.fill();
        let (length, count) = match code.symbol(tables, bits) {
            16 => (last, 3 + bits.number(2)),
            17 => (0, 3 + bits.number(3)),
            18 => (0, 11 + bits.number(7)),
            length => (length as u8, 1),
        };
        if length != 0 {
            last = length;
        }
        let repeated = lengths.get_mut(at..at + count);
        repeated.ok_or(DecodeError::damaged("a prefix code has more symbols than its alphabet"))?.fill(length);
        at += count;
    }
    tables.truncate(start);
    Ok(())
}

/// Appends the table of the code with these lengths.
///
/// An entry is a symbol and, in its four low bits, the length of its word. Where words are longer than the first level,
/// it is the place of a second level and the bits of the longest of these words.
fn append(lengths: &[u8], sorted: &mut [u16], tables: &mut Vec<u16>) -> Result<Code, DecodeError> {
    let mut counts = [0usize; LONGEST + 1];
    lengths.iter().for_each(|&length| counts[usize::from(length)] += 1);
    counts[0] = 0;
    let start = tables.len();
    let code = |mask: usize| Code { start: start as u16, mask: mask as u16 };

    let mut next = [0; LONGEST + 1];
    (1..=LONGEST).for_each(|length| next[length] = next[length - 1] + counts[length - 1]);
    for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
        let next = &mut next[usize::from(length)];
        sorted[*next] = symbol as u16;
        *next += 1;
    }
    let sorted = &sorted[..next[LONGEST]];
    if let [only] = sorted {
        extend(tables, 1)?[0] = only << 4;
        return Ok(code(0));
    }
    // Words are complete if they use up all numbers of 15 bits, of which a shorter word stands for several.
    let share = |length: usize| 1 << (LONGEST - length);
    if (1..=LONGEST).map(|length| counts[length] * share(length)).sum::<usize>() != share(0) {
        return Err(DecodeError::damaged("a prefix code is not complete"));
    }

    let length = |symbol: u16| usize::from(lengths[usize::from(symbol)]);
    let entry = |value: usize, length: usize| (value << 4 | length) as u16;
    let longest = sorted.last().map_or(0, |&symbol| length(symbol));
    let first_level = extend(tables, 1 << longest.min(FIRST_LEVEL))?;
    let (short, mut long) = sorted.split_at(counts[..=FIRST_LEVEL].iter().sum());
    // The next word, as the first of its numbers of 15 bits.
    let mut word = 0;
    for &symbol in short {
        let length = length(symbol);
        fill(first_level, reversed(word), length, entry(usize::from(symbol), length));
        word += share(length);
    }
    while let Some(&first) = long.first() {
        // The words that begin with the same bits: those before the next multiple.
        let end = word | (share(FIRST_LEVEL) - 1);
        let mut index_bits = length(first) - FIRST_LEVEL;
        let mut last = word;
        let mut count = 0;
        while last <= end && count < long.len() {
            let length = length(long[count]);
            index_bits = length - FIRST_LEVEL;
            last += share(length);
            count += 1;
        }
        let place = tables.len() - start;
        tables[start + reversed(word) % (1 << FIRST_LEVEL)] = entry(place, FIRST_LEVEL + index_bits);
        let second_level = extend(tables, 1 << index_bits)?;
        let (now, later) = long.split_at(count);
        for &symbol in now {
            let length = length(symbol);
            fill(second_level, reversed(word) >> FIRST_LEVEL, length - FIRST_LEVEL, entry(usize::from(symbol), length));
            word += share(length);
        }
        long = later;
    }
    Ok(code((1 << longest.min(FIRST_LEVEL)) - 1))
}

/// Returns the bits of a number of 15 bits in the order of the file.
fn reversed(word: usize) -> usize {
    usize::from((word as u16).reverse_bits() >> 1)
}

/// Sets the entries whose index begins with a word of `length` bits.
fn fill(level: &mut [u16], word: usize, length: usize, entry: u16) {
    level.iter_mut().skip(word).step_by(1 << length).for_each(|place| *place = entry);
}

/// Appends a level of `len` entries. Nothing is allocated; there is always room, see [`MAX_TABLES`].
fn extend(tables: &mut Vec<u16>, len: usize) -> Result<&mut [u16], DecodeError> {
    let start = tables.len();
    if len > tables.capacity() - start {
        return Err(DecodeError::damaged("a prefix code is too large"));
    }
    tables.resize(start + len, 0);
    Ok(&mut tables[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the lengths of a random complete code of `used` symbols of an alphabet.
    fn lengths(used: usize, alphabet: usize, random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
        let mut depths = vec![0u8];
        while depths.len() < used {
            // The last leaf again and again makes a deep tree.
            let place = if random(2) == 0 { depths.len() - 1 } else { random(depths.len()) };
            if usize::from(depths[place]) < LONGEST {
                depths[place] += 1;
                depths.push(depths[place]);
            }
        }
        let mut lengths = vec![0; alphabet];
        for depth in depths {
            let mut symbol = random(alphabet);
            while lengths[symbol] != 0 {
                symbol = (symbol + 1) % alphabet;
            }
            lengths[symbol] = depth;
        }
        lengths
    }

    fn random() -> impl FnMut(usize) -> usize {
        let mut state = 0x2545_f491u32;
        move |below| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as usize % below
        }
    }

    fn table(lengths: &[u8]) -> Result<(Code, Vec<u16>), DecodeError> {
        let mut tables = Vec::with_capacity(MAX_TABLES);
        append(lengths, &mut [0; MAX_SYMBOLS], &mut tables).map(|code| (code, tables))
    }

    #[test]
    fn every_word_stands_for_its_symbol() {
        let mut random = random();
        let mut largest = 0;
        for (used, alphabet) in
            [(2, 2), (3, 19), (19, 19), (40, 40), (100, 256), (256, 256), (280, 280), (700, 2328), (2328, 2328)]
        {
            for _ in 0..20 {
                let lengths = lengths(used, alphabet, &mut random);
                let (code, tables) = table(&lengths).unwrap();
                largest = largest.max(tables.len());
                // Words in their order, each the one before and one, extended with zeros.
                let mut word = 0u32;
                for length in 1..=LONGEST as u32 {
                    for symbol in (0..alphabet).filter(|&symbol| u32::from(lengths[symbol]) == length) {
                        let data = word.reverse_bits() >> (32 - length) | 0xffff_ffff << length;
                        let data = data.to_le_bytes();
                        let mut bits = Bits::new(&data);
                        bits.fill();
                        let before = bits.count();
                        assert_eq!(code.symbol(&tables, &mut bits), symbol);
                        assert_eq!(before - bits.count(), length);
                        word += 1;
                    }
                    word <<= 1;
                }
            }
        }
        assert!(largest < 3000, "{largest}");
    }

    #[test]
    fn codes_that_are_not_complete_are_refused() {
        let mut random = random();
        for _ in 0..100 {
            let mut lengths = lengths(2 + random(50), 256, &mut random);
            assert!(table(&lengths).is_ok());
            let used: Vec<usize> = (0..256).filter(|&symbol| lengths[symbol] > 0).collect();
            let symbol = used[random(used.len())];
            let length = lengths[symbol];
            lengths[symbol] = if length < 15 { length + 1 } else { length - 1 };
            assert!(table(&lengths).is_err());
            lengths[symbol] = 0;
            // One symbol alone takes no bits, whatever its length.
            assert_eq!(table(&lengths).is_ok(), used.len() == 2);
        }
        assert!(table(&[0; 40]).is_err());
        let (code, tables) = table(&[0, 0, 9, 0]).unwrap();
        assert_eq!(code.only_symbol(&tables), Some(2));
    }
}
