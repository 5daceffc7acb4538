//! The symbol decoder (section 8.2): arithmetic decoding with distributions that adapt.
//!
//! A distribution of N symbols is an array of N + 1 numbers: 32768 less the cumulative frequency, for each symbol, and how
//! often it was used. So the last but one is zero.

/// Decodes the symbols of a tile. After the end of its bytes it goes on with zeros, as the specification does.
pub struct Symbols<'a> {
    rest: &'a [u8],
    /// The uppermost 16 bits are `SymbolValue`; below are the next bits of the stream, inverted.
    window: u64,
    /// `SymbolRange`.
    range: u32,
    /// Bits of the window that are filled below the uppermost 16.
    filled: i32,
    /// Distributions change.
    adapts: bool,
}

impl<'a> Symbols<'a> {
    pub fn new(bytes: &'a [u8], adapts: bool) -> Self {
        // The value begins with 15 bits, of which the first is below the uppermost.
        let mut symbols = Symbols { rest: bytes, window: 0, range: 1 << 15, filled: -15, adapts };
        symbols.fill();
        symbols
    }

    #[inline]
    fn fill(&mut self) {
        // Bits are put below those that are filled; a byte that does not fit whole is put again the next time.
        if let Some(&bytes) = self.rest.first_chunk::<8>() {
            let inverted = !u64::from_be_bytes(bytes);
            self.window |= inverted >> (16 + self.filled);
            let count = (48 - self.filled) >> 3;
            self.rest = &self.rest[count as usize..];
            self.filled += 8 * count;
            return;
        }
        while self.filled <= 40 {
            let byte = match self.rest.split_first() {
                Some((&byte, rest)) => {
                    self.rest = rest;
                    byte
                }
                None => 0,
            };
            self.window |= u64::from(!byte) << (40 - self.filled);
            self.filled += 8;
        }
    }

    /// Takes the symbol whose part of the range is from `low` to `high`.
    #[inline]
    fn take(&mut self, low: u32, high: u32) {
        let range = high - low;
        let shift = range.leading_zeros() as i32 - 16;
        self.window = (self.window - (u64::from(low) << 48)) << shift;
        self.range = range << shift;
        self.filled -= shift;
        if self.filled < 0 {
            self.fill();
        }
    }

    /// `S()`, with a distribution of `L - 1` symbols.
    #[inline]
    pub fn symbol<const L: usize>(&mut self, cdf: &mut [u16; L]) -> usize {
        let count = const { L - 1 };
        let value = (self.window >> 48) as u32;
        let scale = self.range >> 8;
        let mut high = self.range;
        let mut low = 0;
        let mut symbol = 0;
        while symbol < count - 1 {
            low = ((scale * u32::from(cdf[symbol] >> 6)) >> 1) + 4 * (count - 1 - symbol) as u32;
            if value >= low {
                break;
            }
            high = low;
            low = 0;
            symbol += 1;
        }
        self.take(low, high);
        if self.adapts {
            adapt(cdf, symbol);
        }
        symbol
    }

    /// A symbol that is 0 or 1.
    #[inline]
    pub fn flag(&mut self, cdf: &mut [u16; 3]) -> bool {
        let value = (self.window >> 48) as u32;
        let split = (((self.range >> 8) * u32::from(cdf[0] >> 6)) >> 1) + 4;
        let set = value < split;
        if set {
            self.take(0, split);
        } else {
            self.take(split, self.range);
        }
        if self.adapts {
            adapt(cdf, usize::from(set));
        }
        set
    }

    /// A symbol that is 0 or 1 with a distribution that is made for it and does not change: `first` is 32768 less the
    /// frequency of zero.
    pub fn flag_of(&mut self, first: u16) -> bool {
        let adapts = std::mem::replace(&mut self.adapts, false);
        let set = self.flag(&mut [first, 0, 0]);
        self.adapts = adapts;
        set
    }

    /// `L(1)`: both values are as probable.
    #[inline]
    pub fn bit(&mut self) -> u32 {
        let value = (self.window >> 48) as u32;
        let split = ((self.range >> 8) << 7) + 4;
        let set = value < split;
        if set {
            self.take(0, split);
        } else {
            self.take(split, self.range);
        }
        u32::from(set)
    }

    /// `L(n)`.
    pub fn literal(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |value, _| value << 1 | self.bit())
    }

    /// `NS(n)`: a number below `count`, which is not zero.
    pub fn below(&mut self, count: u32) -> u32 {
        let width = count.max(1).ilog2() + 1;
        let short = (1 << width) - count;
        let value = self.literal(width - 1);
        if value < short { value } else { (value << 1) - short + self.bit() }
    }

    /// `decode_signed_subexp_with_ref_bool`: a number from `low` to `high`, both included, near `reference`.
    pub fn near(&mut self, low: i32, high: i32, k: u32, reference: i32) -> i32 {
        let count = high + 1 - low;
        let reference = reference - low;
        let value = self.subexp(count, k);
        low + match 2 * reference <= count {
            true => recentred(reference, value),
            false => count - 1 - recentred(count - 1 - reference, value),
        }
    }

    /// `decode_subexp_bool`.
    fn subexp(&mut self, count: i32, k: u32) -> i32 {
        let mut start = 0;
        let mut bits = k;
        loop {
            let size = 1 << bits;
            if count <= start + 3 * size {
                return self.below((count - start) as u32) as i32 + start;
            }
            if self.bit() == 0 {
                return self.literal(bits) as i32 + start;
            }
            // The second part is as long as the first.
            bits = if start == 0 { k } else { bits + 1 };
            start += size;
        }
    }
}

/// `inverse_recenter`.
fn recentred(reference: i32, value: i32) -> i32 {
    if value > 2 * reference {
        value
    } else if value & 1 != 0 {
        reference - ((value + 1) >> 1)
    } else {
        reference + (value >> 1)
    }
}

/// Makes a symbol more probable, the more the less often the distribution was used.
#[inline]
fn adapt<const L: usize>(cdf: &mut [u16; L], symbol: usize) {
    let count = const { L - 1 };
    let used = cdf[count];
    let rate = 3 + u32::from(used > 15) + u32::from(used > 31) + count.ilog2().min(2);
    for (index, value) in cdf[..count - 1].iter_mut().enumerate() {
        if index < symbol {
            *value += (32768 - *value) >> rate;
        } else {
            *value -= *value >> rate;
        }
    }
    cdf[count] = used + u16::from(used < 32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 8.2 as it is written, bit by bit.
    struct Naive<'a> {
        bytes: &'a [u8],
        position: usize,
        value: u32,
        range: u32,
    }

    impl<'a> Naive<'a> {
        fn new(bytes: &'a [u8]) -> Self {
            let mut naive = Naive { bytes, position: 0, value: 0, range: 1 << 15 };
            let start = naive.bits(15);
            naive.value = ((1 << 15) - 1) ^ start;
            naive
        }

        fn bits(&mut self, count: u32) -> u32 {
            (0..count).fold(0, |value, _| {
                let byte = self.bytes.get(self.position / 8).copied().unwrap_or(0);
                let bit = byte >> (7 - self.position % 8) & 1;
                self.position += 1;
                value << 1 | u32::from(bit)
            })
        }

        fn symbol(&mut self, cdf: &mut [u32]) -> usize {
            let count = cdf.len() - 1;
            let (mut cur, mut prev) = (self.range, 0);
            let mut symbol = 0;
            for (index, value) in cdf[..count].iter().enumerate() {
                prev = cur;
                symbol = index;
                cur = (((self.range >> 8) * ((32768 - value) >> 6)) >> 1) + 4 * (count - index - 1) as u32;
                if self.value >= cur {
                    break;
                }
            }
            self.range = prev - cur;
            self.value -= cur;
            let shift = 15 - self.range.ilog2();
            self.range <<= shift;
            let new = self.bits(shift);
            self.value = new ^ (((self.value + 1) << shift) - 1);
            let rate = 3 + u32::from(cdf[count] > 15) + u32::from(cdf[count] > 31) + count.ilog2().min(2);
            for (index, value) in cdf[..count - 1].iter_mut().enumerate() {
                if index < symbol {
                    *value -= *value >> rate;
                } else {
                    *value += (32768 - *value) >> rate;
                }
            }
            cdf[count] += u32::from(cdf[count] < 32);
            symbol
        }
    }

    #[test]
    fn symbols_are_those_of_the_specification() {
        let mut state = 1u32;
        let bytes: Vec<u8> = (0..3000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        for length in [0, 1, 2, 7, 8, 9, 100, 3000] {
            let bytes = &bytes[..length];
            let (mut symbols, mut naive) = (Symbols::new(bytes, true), Naive::new(bytes));
            let mut two = [12_000, 0, 0];
            let mut two_naive = [32768 - 12_000, 32768, 0];
            let mut five = [30_000, 20_000, 5_000, 1_000, 0, 0];
            let mut five_naive = [2768, 12_768, 27_768, 31_768, 32768, 0];
            let mut sixteen: [u16; 17] = std::array::from_fn(|index| 30_000u16.saturating_sub(2_000 * index as u16));
            let mut sixteen_naive: [u32; 17] = sixteen.map(|value| 32768 - u32::from(value));
            (sixteen[15], sixteen_naive[15]) = (0, 32768);
            (sixteen[16], sixteen_naive[16]) = (0, 0);
            for turn in 0..2000 {
                assert_eq!(usize::from(symbols.flag(&mut two)), naive.symbol(&mut two_naive), "{length} {turn}");
                assert_eq!(symbols.symbol(&mut five), naive.symbol(&mut five_naive), "{length} {turn}");
                assert_eq!(symbols.symbol(&mut sixteen), naive.symbol(&mut sixteen_naive), "{length} {turn}");
                assert_eq!(symbols.bit() as usize, naive.symbol(&mut [1 << 14, 1 << 15, 0]), "{length} {turn}");
            }
        }
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let bytes: Vec<u8> = (0..=255u8).cycle().map(|byte| byte.wrapping_mul(73)).take(4000).collect();
        let mut symbols = Symbols::new(&bytes, false);
        for turn in 0..1000 {
            let reference = turn % 128 - 96;
            assert!((-96..=31).contains(&symbols.near(-96, 31, 4, reference.clamp(-96, 31))));
            assert!(symbols.below(5) < 5);
        }
    }
}
