//! Reads the codes of facsimile data: runs, modes and ends of lines.

use std::sync::LazyLock;

use super::super::super::decode_error::DecodeError;
use super::tables::{BLACK, BLACK_LONG, Code, LONGER, WHITE, WHITE_LONG};

/// The longest code of a run in bits.
const LONGEST: usize = 13;

/// By the next [`LONGEST`] bits: the length of the run and of its code; zeros if no code starts so.
struct Runs(Box<[(u16, u8)]>);

static WHITE_RUNS: LazyLock<Runs> = LazyLock::new(|| Runs::new(&WHITE, &WHITE_LONG));
static BLACK_RUNS: LazyLock<Runs> = LazyLock::new(|| Runs::new(&BLACK, &BLACK_LONG));

impl Runs {
    fn new(short: &[Code], long: &[Code]) -> Runs {
        let short = short.iter().zip(0u16..);
        let long = long.iter().chain(&LONGER).zip((64u16..).step_by(64));
        let mut runs = vec![(0, 0); 1 << LONGEST];
        for (&(code, length), run) in short.chain(long) {
            let free = LONGEST - usize::from(length);
            let first = usize::from(code) << free;
            runs[first..first + (1 << free)].fill((run, length));
        }
        Runs(runs.into_boxed_slice())
    }
}

/// How a part of a two-dimensional row is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The run goes on under the next run above.
    Pass,
    /// Two runs follow.
    Horizontal,
    /// The run ends so many columns to the right of a transition above.
    Vertical(isize),
}

/// A reader of bits, the most significant first.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next bit.
    at: usize,
}

impl<'a> Bits<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Bits { data, at: 0 }
    }

    /// The number of bits read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Skips to a multiple of `bits` bits.
    pub fn align(&mut self, bits: usize) {
        self.at = self.at.next_multiple_of(bits);
    }

    /// Returns the next `count` (up to 16) bits; zeros after the end.
    fn peek(&self, count: usize) -> usize {
        let start = self.at / 8;
        let mut window = 0;
        for i in 0..3 {
            window = window << 8 | self.data.get(start + i).map_or(0, |&byte| usize::from(byte));
        }
        window >> (24 - self.at % 8 - count) & ((1 << count) - 1)
    }

    /// Skips bits that must be there.
    fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        if self.at + count > self.data.len() * 8 {
            return Err(DecodeError::Truncated);
        }
        self.at += count;
        Ok(())
    }

    /// Reads up to 16 bits.
    pub fn take(&mut self, count: usize) -> Result<usize, DecodeError> {
        let bits = self.peek(count);
        self.skip(count)?;
        Ok(bits)
    }

    /// The error for bits that are no code.
    fn no_code(&self) -> DecodeError {
        if self.at + LONGEST > self.data.len() * 8 {
            return DecodeError::Truncated;
        }
        DecodeError::damaged("a code of a run is not valid")
    }

    /// Reads the codes of a run: any number of long ones and a final one. Returns its length, which may exceed `limit`
    /// by one code.
    pub fn run(&mut self, black: bool, limit: usize) -> Result<usize, DecodeError> {
        let Runs(runs) = if black { &*BLACK_RUNS } else { &*WHITE_RUNS };
        let mut total = 0;
        while total <= limit {
            let (run, length) = runs[self.peek(LONGEST)];
            if length == 0 {
                return Err(self.no_code());
            }
            self.skip(usize::from(length))?;
            total += usize::from(run);
            if run < 64 {
                break;
            }
        }
        Ok(total)
    }

    /// Reads the code of a mode.
    pub fn mode(&mut self) -> Result<Mode, DecodeError> {
        let bits = self.peek(7);
        let (length, mode) = match bits {
            0b1000000.. => (1, Mode::Vertical(0)),
            0b0110000.. => (3, Mode::Vertical(1)),
            0b0100000.. => (3, Mode::Vertical(-1)),
            0b0010000.. => (3, Mode::Horizontal),
            0b0001000.. => (4, Mode::Pass),
            0b0000110.. => (6, Mode::Vertical(2)),
            0b0000100.. => (6, Mode::Vertical(-2)),
            0b0000011 => (7, Mode::Vertical(3)),
            0b0000010 => (7, Mode::Vertical(-3)),
            0b0000001 => return Err(DecodeError::unsupported("uncompressed parts of facsimile data")),
            _ => return Err(self.no_code()),
        };
        self.skip(length)?;
        Ok(mode)
    }

    /// Reads an end-of-line code: at least eleven zeros, which may be many, and a one.
    pub fn end_of_line(&mut self) -> Result<(), DecodeError> {
        const ZEROS: usize = 11;
        if self.peek(ZEROS) != 0 {
            return Err(DecodeError::damaged("a row does not start with the end-of-line code"));
        }
        self.skip(ZEROS)?;
        while !self.at.is_multiple_of(8) {
            if self.take(1)? == 1 {
                return Ok(());
            }
        }
        let zeros = self.data[self.at / 8..].iter().take_while(|&&byte| byte == 0).count();
        self.at += zeros * 8;
        while self.take(1)? == 0 {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A code of `run` pixels, as a string of bits.
    pub(crate) fn code(codes: &[Code], index: usize) -> String {
        let (code, length) = codes[index];
        format!("{code:0width$b}", width = usize::from(length))
    }

    #[test]
    fn no_code_starts_another() {
        for (short, long) in [(&WHITE, &WHITE_LONG), (&BLACK, &BLACK_LONG)] {
            let all: Vec<String> =
                [&short[..], long, &LONGER].iter().flat_map(|codes| (0..codes.len()).map(|i| code(codes, i))).collect();
            assert_eq!(all.len(), 104);
            for (i, a) in all.iter().enumerate() {
                // Eight zeros or more start the end-of-line code.
                assert!(!a.starts_with("00000000") && !"00000000000".starts_with(a.as_str()), "{a}");
                for (j, b) in all.iter().enumerate() {
                    assert!(i == j || !b.starts_with(a.as_str()), "{a} starts {b}");
                }
            }
        }
    }

    #[test]
    fn bits_end_where_the_data_ends() {
        let mut bits = Bits::new(&[0b1010_0101, 0xff]);
        assert_eq!((bits.take(3), bits.take(9)), (Ok(0b101), Ok(0b0_0101_1111)));
        assert_eq!(
            (bits.take(5), bits.take(4), bits.take(1)),
            (Err(DecodeError::Truncated), Ok(15), Err(DecodeError::Truncated))
        );
        assert_eq!(Bits::new(&[]).run(true, 5), Err(DecodeError::Truncated));
        assert_eq!(Bits::new(&[]).mode(), Err(DecodeError::Truncated));
        assert_eq!(Bits::new(&[0; 3]).end_of_line(), Err(DecodeError::Truncated));
        assert!(matches!(Bits::new(&[0; 3]).run(true, 5), Err(DecodeError::Damaged(_))));
    }

    #[test]
    fn ends_of_lines_may_have_any_number_of_zeros() {
        for zeros in 11..60usize {
            for before in 0..8 {
                let mut digits = "1".repeat(before) + &"0".repeat(zeros) + "1";
                let length = digits.len();
                digits += &"0".repeat(digits.len().next_multiple_of(8) - digits.len());
                let data: Vec<u8> =
                    digits.as_bytes().chunks(8).map(|c| c.iter().fold(0, |sum, d| sum << 1 | (d - b'0'))).collect();
                let mut bits = Bits::new(&data);
                bits.take(before).unwrap();
                bits.end_of_line().unwrap();
                assert_eq!(bits.position(), length);
            }
        }
    }
}
