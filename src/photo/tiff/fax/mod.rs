//! Facsimile coding of black and white: modified Huffman, ITU-T T.4 (group 3, one- and two-dimensional) and T.6
//! (group 4).
//!
//! A row is decoded to its transitions, the columns at which the colour changes, and then written as bits, one for
//! black. Data that violates the recommendations is an error: what other decoders make of it is not defined. Knows no
//! TIFF.

mod codes;
mod tables;

use super::super::decode_error::DecodeError;
use crate::budget::Budget;
use codes::{Bits, Mode};

/// A variant of the coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Runs alone; each row starts at a multiple of `align` bits.
    Runs { align: usize },
    /// T.4: each row follows an end-of-line code; with `two_dimensional`, a bit tells how the row is coded.
    Group3 { two_dimensional: bool },
    /// T.6: each row is coded by its differences from the row above.
    Group4,
}

/// Work per byte of coded data: up to eight codes of some nanoseconds each.
const WORK_PER_BYTE: u64 = 40;

/// Work per row, however short it is: its transitions, its bits, the end of its line.
const WORK_PER_ROW: u64 = 150;

/// Decodes rows of `width` pixels to `out`, whose rows have whole bytes; bits are one for black.
pub(super) fn decode(
    data: &[u8],
    coding: Coding,
    width: usize,
    out: &mut [u8],
    budget: &Budget,
) -> Result<(), DecodeError> {
    let memory = 2 * size_of::<u32>() as u64 * width as u64;
    budget.memory(memory)?;
    let mut bits = Bits::new(data);
    let mut above = Row::new(width)?;
    let mut row = Row::new(width)?;
    for pixels in out.chunks_exact_mut(width.div_ceil(8)) {
        let start = bits.position();
        row.clear();
        match coding {
            Coding::Runs { align } => {
                row.runs(&mut bits)?;
                bits.align(align);
            }
            Coding::Group3 { two_dimensional } => {
                bits.end_of_line()?;
                if two_dimensional && bits.take(1)? == 0 {
                    row.differences(&mut bits, &above)?;
                } else {
                    row.runs(&mut bits)?;
                }
            }
            Coding::Group4 => row.differences(&mut bits, &above)?,
        }
        row.write(pixels);
        budget.work(((bits.position() - start) / 8) as u64 * WORK_PER_BYTE + pixels.len() as u64 + WORK_PER_ROW)?;
        std::mem::swap(&mut above, &mut row);
    }
    budget.give_back(memory);
    Ok(())
}

/// A row as its transitions.
struct Row {
    width: usize,
    /// Columns where the colour changes, ascending, the first from white to black. At most one for each pixel.
    transitions: Vec<u32>,
}

impl Row {
    /// A white row.
    fn new(width: usize) -> Result<Row, DecodeError> {
        let mut transitions = Vec::new();
        transitions.try_reserve_exact(width).map_err(|_| DecodeError::out_of_memory(width, 1))?;
        Ok(Row { width, transitions })
    }

    fn clear(&mut self) {
        self.transitions.clear();
    }

    /// Adds a change of colour. Two at the same column cancel each other out; one at the end of the row has no effect.
    fn change(&mut self, column: usize) {
        if self.transitions.last() == Some(&(column as u32)) {
            self.transitions.pop();
        } else if column < self.width {
            self.transitions.push(column as u32);
        }
    }

    /// Decodes a row of alternating runs, white first.
    fn runs(&mut self, bits: &mut Bits<'_>) -> Result<(), DecodeError> {
        let (mut column, mut black) = (0, false);
        while column < self.width {
            column = self.after_run(bits, column, black)?;
            self.change(column);
            black = !black;
        }
        Ok(())
    }

    /// Decodes a run that starts at `column` and returns the column after it.
    fn after_run(&self, bits: &mut Bits<'_>, column: usize, black: bool) -> Result<usize, DecodeError> {
        let end = column + bits.run(black, self.width - column)?;
        if end > self.width {
            return Err(DecodeError::damaged("a run is longer than its row"));
        }
        Ok(end)
    }

    /// Decodes a row of differences from the row above.
    fn differences(&mut self, bits: &mut Bits<'_>, above: &Row) -> Result<(), DecodeError> {
        // The column up to which the row is decoded, and the colour of the next run.
        let (mut column, mut black) = (0, false);
        // Whether `column` is still before the first pixel, so that a transition above that pixel is to the right of it.
        let mut first = true;
        let mut next = 0;
        while column < self.width {
            // The first transition above and to the right of `column` that changes to the other colour, and the one
            // after it.
            while next > 0 && above.is_right(next - 1, column, first) {
                next -= 1;
            }
            while !above.is_right(next, column, first) || (next % 2 == 1) != black {
                next += 1;
            }
            let (near, far) = (above.at(next), above.at(next + 1));
            match bits.mode()? {
                Mode::Pass => column = far,
                Mode::Horizontal => {
                    let middle = self.after_run(bits, column, black)?;
                    self.change(middle);
                    column = self.after_run(bits, middle, !black)?;
                    self.change(column);
                }
                Mode::Vertical(offset) => {
                    let to = near.checked_add_signed(offset).filter(|to| (column..=self.width).contains(to));
                    column = to.ok_or(DecodeError::damaged("a transition is out of order"))?;
                    self.change(column);
                    black = !black;
                }
            }
            first = false;
        }
        Ok(())
    }

    /// Returns a transition; those after the last are at the end of the row.
    fn at(&self, index: usize) -> usize {
        self.transitions.get(index).map_or(self.width, |&column| column as usize)
    }

    /// Whether a transition is to the right of `column`, or not to the left of it if `column` is the first pixel.
    fn is_right(&self, index: usize, column: usize, first: bool) -> bool {
        let at = self.at(index);
        at > column || first && at == column || at == self.width
    }

    /// Writes the row as bits.
    fn write(&self, pixels: &mut [u8]) {
        pixels.fill(0);
        for i in (0..self.transitions.len()).step_by(2) {
            let (start, end) = (self.at(i), self.at(i + 1));
            let (first, last) = (start / 8, end / 8);
            let (head, tail) = (0xffu8 >> (start % 8), !(0xffu8 >> (end % 8)));
            if first == last {
                pixels[first] |= head & tail;
                continue;
            }
            pixels[first] |= head;
            pixels[first + 1..last].fill(0xff);
            // The end of a row may be that of its bytes.
            if tail != 0 {
                pixels[last] |= tail;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tables::{BLACK, BLACK_LONG, Code, LONGER, WHITE, WHITE_LONG};
    use super::*;
    use crate::cancel::CancelToken;

    /// Writes codes, the most significant bit first.
    #[derive(Default)]
    struct Encoder {
        bits: Vec<bool>,
    }

    impl Encoder {
        fn push(&mut self, digits: &str) {
            self.bits.extend(digits.bytes().map(|digit| digit == b'1'));
        }

        fn code(&mut self, (code, length): Code) {
            self.push(&format!("{code:0width$b}", width = usize::from(length)));
        }

        fn run(&mut self, mut length: usize, black: bool) {
            let (short, long) = if black { (&BLACK, &BLACK_LONG) } else { (&WHITE, &WHITE_LONG) };
            while length > 2560 {
                self.code(LONGER[12]);
                length -= 2560;
            }
            if length >= 64 {
                self.code([&long[..], &LONGER].concat()[length / 64 - 1]);
            }
            self.code(short[length % 64]);
        }

        /// A row as alternating runs.
        fn runs(&mut self, row: &[bool]) {
            let (mut at, mut black) = (0, false);
            while at < row.len() {
                let end = next(row, at, black);
                self.run(end - at, black);
                (at, black) = (end, !black);
            }
        }

        /// A row by its differences from the row above (T.6, 2.2).
        fn differences(&mut self, row: &[bool], above: &[bool]) {
            let width = row.len();
            let colour = |row: &[bool], at: Option<usize>| at.is_some_and(|at| row[at]);
            // The first transition after a pixel (none before the first one) to a colour.
            let to = |row: &[bool], after: Option<usize>, black: bool| {
                let first = after.map_or(0, |after| after + 1);
                (first..width).find(|&at| row[at] == black && colour(row, at.checked_sub(1)) != black).unwrap_or(width)
            };
            let (mut a0, mut black) = (None, false);
            while a0.is_none_or(|a0| a0 < width) {
                let a1 = next(row, a0.unwrap_or(0), black);
                let b1 = to(above, a0, !black);
                let b2 = if b1 < width { next(above, b1, !black) } else { width };
                if b2 < a1 {
                    self.push("0001");
                    a0 = Some(b2);
                } else if a1.abs_diff(b1) <= 3 {
                    let codes = ["0000010", "000010", "010", "1", "011", "000011", "0000011"];
                    self.push(codes[a1 + 3 - b1]);
                    (a0, black) = (Some(a1), !black);
                } else {
                    let a2 = next(row, a1, !black);
                    self.push("001");
                    self.run(a1 - a0.unwrap_or(0), black);
                    self.run(a2 - a1, !black);
                    a0 = Some(a2);
                }
            }
        }

        fn align(&mut self, bits: usize) {
            self.bits.resize(self.bits.len().next_multiple_of(bits), false);
        }

        fn bytes(mut self) -> Vec<u8> {
            self.align(8);
            self.bits.chunks(8).map(|bits| bits.iter().fold(0, |sum, &bit| sum << 1 | u8::from(bit))).collect()
        }
    }

    /// The end of a run that starts at `at` and has this colour; it may be empty.
    fn next(row: &[bool], at: usize, black: bool) -> usize {
        (at..row.len()).find(|&i| row[i] != black).unwrap_or(row.len())
    }

    fn encode(rows: &[Vec<bool>], coding: Coding) -> Vec<u8> {
        let mut encoder = Encoder::default();
        let mut above = vec![false; rows[0].len()];
        for (i, row) in rows.iter().enumerate() {
            match coding {
                Coding::Runs { align } => {
                    encoder.runs(row);
                    encoder.align(align);
                }
                Coding::Group3 { two_dimensional } => {
                    // Some rows have more zeros than they need.
                    encoder.push(&"0".repeat(i % 5 * 3));
                    encoder.push("000000000001");
                    let plain = !two_dimensional || i % 4 == 0;
                    if two_dimensional {
                        encoder.push(if plain { "1" } else { "0" });
                    }
                    if plain { encoder.runs(row) } else { encoder.differences(row, &above) }
                }
                Coding::Group4 => encoder.differences(row, &above),
            }
            above.clone_from(row);
        }
        encoder.bytes()
    }

    const CODINGS: [Coding; 5] = [
        Coding::Runs { align: 8 },
        Coding::Runs { align: 16 },
        Coding::Group3 { two_dimensional: false },
        Coding::Group3 { two_dimensional: true },
        Coding::Group4,
    ];

    fn decoded(data: &[u8], coding: Coding, width: usize, height: usize) -> Result<Vec<u8>, DecodeError> {
        let mut out = vec![0xaa; width.div_ceil(8) * height];
        let budget = Budget::photo(data.len(), &crate::budget::Limits::new(), &CancelToken::new());
        decode(data, coding, width, &mut out, &budget).map(|()| out)
    }

    fn check(rows: &[Vec<bool>]) {
        let width = rows[0].len();
        let packed: Vec<u8> = rows
            .iter()
            .flat_map(|row| {
                row.chunks(8).map(|bits| (0..8).map(|i| u8::from(bits.get(i) == Some(&true)) << (7 - i)).sum())
            })
            .collect();
        for coding in CODINGS {
            let data = encode(rows, coding);
            let result = decoded(&data, coding, width, rows.len());
            assert!(result == Ok(packed.clone()), "{coding:?}, {width} x {}", rows.len());
        }
    }

    /// A generator of numbers below a limit; the same in each run.
    fn random() -> impl FnMut(usize) -> usize {
        let mut state = 0x2545_f491u32;
        move |below| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as usize % below
        }
    }

    #[test]
    fn runs_of_every_length_and_colour() {
        for (before, black) in [(0, true), (0, false), (1, true), (3, false)] {
            let row = |length: usize| {
                let mut row = vec![!black; before];
                row.extend(vec![black; length]);
                row.resize(5300, !black);
                row
            };
            let rows: Vec<Vec<bool>> = (0..200).chain((200..5300).step_by(63)).map(row).collect();
            check(&rows);
            // Rows that end with the run.
            (1..70).chain([64 * 27, 1792, 2560, 2561, 2624, 5120]).for_each(|length| check(&[vec![black; length]]));
        }
    }

    #[test]
    fn rows_of_noise_and_rows_that_differ_a_little() {
        let mut random = random();
        for width in [1, 2, 3, 7, 8, 9, 31, 64, 100, 1000] {
            let mut row = vec![false; width];
            let mut rows = Vec::new();
            for i in 0..60 {
                match i % 6 {
                    0 => row.iter_mut().for_each(|pixel| *pixel = random(2) == 1),
                    1 => row.rotate_left(random(4) % width),
                    2 => row.rotate_right(random(4) % width),
                    3 => row.iter_mut().for_each(|pixel| *pixel = random(20) == 0),
                    4 => (0..3).for_each(|_| row[random(width)] ^= true),
                    _ => row[random(width)..].fill(random(2) == 1),
                }
                rows.push(row.clone());
            }
            check(&rows);
        }
    }

    #[test]
    fn damaged_and_truncated_data_is_an_error_or_other_pixels() {
        let mut random = random();
        let rows: Vec<Vec<bool>> = (0..20).map(|_| (0..90).map(|_| random(3) == 0).collect()).collect();
        for coding in CODINGS {
            let data = encode(&rows, coding);
            for end in 0..data.len() - 2 {
                assert!(decoded(&data[..end], coding, 90, 20).is_err(), "{coding:?} cut at {end} of {}", data.len());
            }
            let mut errors = 0;
            for bit in 0..data.len() * 8 {
                let mut damaged = data.clone();
                damaged[bit / 8] ^= 0x80 >> (bit % 8);
                errors += usize::from(decoded(&damaged, coding, 90, 20).is_err());
            }
            assert!(errors > 100, "{coding:?}: {errors}");
            for width in [1, 89, 91, 10_000] {
                let _ = decoded(&data, coding, width, 20);
            }
        }
        for _ in 0..2000 {
            let noise: Vec<u8> = (0..40).map(|_| random(256) as u8).collect();
            CODINGS.iter().for_each(|&coding| drop(decoded(&noise, coding, 1 + random(200), 9)));
        }
    }

    #[test]
    fn extensions_and_misfits_are_refused() {
        let bytes = |digits: &str| {
            let mut encoder = Encoder::default();
            encoder.push(digits);
            encoder.push("00000000");
            encoder.bytes()
        };
        // Uncompressed mode.
        assert!(matches!(decoded(&bytes("0000001111"), Coding::Group4, 8, 1), Err(DecodeError::Unsupported(_))));
        // A white run of ten in a row of eight.
        let long = bytes("00111");
        assert!(matches!(decoded(&long, Coding::Runs { align: 8 }, 8, 1), Err(DecodeError::Damaged(_))));
        // A transition to the left of the row, and a code that does not exist.
        assert!(matches!(decoded(&bytes("001011100100000010"), Coding::Group4, 8, 2), Err(DecodeError::Damaged(_))));
        assert!(matches!(decoded(&bytes("000000000001"), Coding::Group4, 8, 1), Err(DecodeError::Damaged(_))));
        // A row without its end-of-line code.
        let runs = Coding::Group3 { two_dimensional: false };
        assert!(matches!(decoded(&bytes("10011"), runs, 8, 1), Err(DecodeError::Damaged(_))));
    }

    /// Many codes of no pixels cannot cost more than their bytes; a file may name the same bytes for every part.
    #[test]
    fn work_is_drawn_for_codes_without_pixels() {
        let mut encoder = Encoder::default();
        for _ in 0..200_000 {
            encoder.run(0, false);
            encoder.run(0, true);
        }
        encoder.run(8, false);
        let data = encoder.bytes();
        let budget = Budget::photo(0, &crate::budget::Limits::new(), &CancelToken::new());
        let mut rows = 0;
        let error = loop {
            match decode(&data, Coding::Runs { align: 8 }, 8, &mut [0], &budget) {
                Ok(()) => rows += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, DecodeError::Exhausted(crate::budget::Exhausted::Work));
        assert!(rows < 100, "{rows}");
    }
}
