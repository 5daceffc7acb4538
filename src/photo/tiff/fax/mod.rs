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
        budget.work(((bits.position() - start) / 8) as u64 * WORK_PER_BYTE + pixels.len() as u64 + 20)?;
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
