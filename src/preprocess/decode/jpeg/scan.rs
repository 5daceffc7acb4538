//! Entropy-coded scans of a JPEG file: bits to coefficients (ITU-T T.81, annexes F and G).
//!
//! Knows no samples and no colours. Coefficients are in row-major order of their block, not yet multiplied.

use super::super::problem::Problem;
use super::huffman::{BitReader, Table};
use super::segments::{Scan, Segments, ZIGZAG};

/// The coefficients of a block.
pub(super) type Block = [i16; 64];

/// One component of a scan.
#[derive(Clone, Copy)]
struct Part<'t> {
    dc: Option<&'t Table>,
    ac: Option<&'t Table>,
    /// The last first coefficient.
    prediction: i32,
}

/// The state of a scan between blocks.
pub(super) struct ScanReader<'a, 't> {
    bits: BitReader<'a>,
    parts: Vec<Part<'t>>,
    scan: Scan,
    /// Blocks that are still to come without anything new in them (progressive).
    empty_blocks: u32,
    restart_interval: usize,
    units_to_restart: usize,
    next_restart: u8,
}

/// Bits that no table explains.
fn bad_code() -> Problem {
    Problem::damaged("the image data makes no sense")
}

impl<'a, 't> ScanReader<'a, 't> {
    /// Reads a scan whose header `segments` has just read.
    pub fn new(bytes: &'a [u8], segments: &'t Segments<'_>, scan: Scan) -> Self {
        let part = |&(_, dc, ac): &(usize, usize, usize)| Part {
            dc: segments.dc[dc].as_ref(),
            ac: segments.ac[ac].as_ref(),
            prediction: 0,
        };
        ScanReader {
            bits: BitReader::new(bytes, segments.at),
            parts: scan.components.iter().map(part).collect(),
            scan,
            empty_blocks: 0,
            restart_interval: segments.restart_interval,
            units_to_restart: segments.restart_interval,
            next_restart: 0,
        }
    }

    /// To be called before each minimum coded unit: passes the restart marker that is due.
    #[inline(always)]
    pub fn unit(&mut self) -> Result<(), Problem> {
        if self.restart_interval == 0 {
            return Ok(());
        }
        if self.units_to_restart == 0 {
            self.restart()?;
        }
        self.units_to_restart -= 1;
        Ok(())
    }

    #[cold]
    fn restart(&mut self) -> Result<(), Problem> {
        self.check()?;
        match self.bits.next_marker() {
            None => return Err(Problem::Truncated),
            Some(marker) if marker == 0xd0 + self.next_restart => {}
            Some(_) => return Err(Problem::damaged("a restart marker is missing")),
        }
        self.next_restart = (self.next_restart + 1) % 8;
        self.units_to_restart = self.restart_interval;
        self.empty_blocks = 0;
        self.parts.iter_mut().for_each(|part| part.prediction = 0);
        Ok(())
    }

    /// To be called now and then: whether the bits so far were really there.
    pub fn check(&self) -> Result<(), Problem> {
        match self.bits.overran() {
            false => Ok(()),
            true if self.bits.at_end_of_data() => Err(Problem::Truncated),
            true => Err(Problem::damaged("the image data ends early")),
        }
    }

    /// Where the next segment is looked for, after the scan.
    pub fn position(&self) -> usize {
        self.bits.position()
    }

    /// Reads a block of the scan's component number `part`, all of whose coefficients are zero so far.
    /// Returns the position, in zigzag order, of the last that is not zero now.
    #[inline(always)]
    pub fn sequential(&mut self, part: usize, block: &mut Block) -> Result<usize, Problem> {
        let part = &mut self.parts[part];
        let (Some(dc), Some(ac)) = (part.dc, part.ac) else {
            return Err(no_table());
        };
        let difference = self.bits.dc(dc).ok_or_else(bad_code)?;
        part.prediction = part.prediction.wrapping_add(difference);
        block[0] = part.prediction as i16;
        let mut k = 1;
        let mut last = 0;
        while k < 64 {
            let (run, value) = self.bits.ac(ac).ok_or_else(bad_code)?;
            if value == 0 {
                if run < 15 {
                    break;
                }
                k += 16;
                continue;
            }
            k += run as usize;
            // At most 63 + 15, for which the order has places.
            block[usize::from(ZIGZAG[k])] = value as i16;
            last = k;
            k += 1;
        }
        if k > 64 { Err(bad_code()) } else { Ok(last) }
    }

    /// Reads what a progressive scan adds to a block of the scan's component number `part`.
    #[inline]
    pub fn progressive(&mut self, part: usize, block: &mut Block) -> Result<(), Problem> {
        match (self.scan.start, self.scan.high) {
            (0, 0) => self.first_dc(part, block),
            (0, _) => {
                if self.bits.bit() {
                    block[0] |= 1 << self.scan.low;
                }
                Ok(())
            }
            (_, 0) => self.first_ac(part, block),
            (_, _) => self.refine_ac(part, block),
        }
    }

    fn first_dc(&mut self, part: usize, block: &mut Block) -> Result<(), Problem> {
        let part = &mut self.parts[part];
        let difference = self.bits.dc(part.dc.ok_or_else(no_table)?).ok_or_else(bad_code)?;
        part.prediction = part.prediction.wrapping_add(difference);
        block[0] = (part.prediction << self.scan.low) as i16;
        Ok(())
    }

    fn first_ac(&mut self, part: usize, block: &mut Block) -> Result<(), Problem> {
        if self.empty_blocks > 0 {
            self.empty_blocks -= 1;
            return Ok(());
        }
        let table = self.parts[part].ac.ok_or_else(no_table)?;
        let mut k = self.scan.start;
        while k <= self.scan.end {
            let (run, value) = self.bits.ac(table).ok_or_else(bad_code)?;
            if value != 0 {
                k += run as usize;
                block[usize::from(ZIGZAG[k])] = (value << self.scan.low) as i16;
                k += 1;
            } else if run == 15 {
                k += 16;
            } else {
                self.empty_blocks = (1 << run) - 1 + self.bits.take(run);
                break;
            }
        }
        if k > 64 { Err(bad_code()) } else { Ok(()) }
    }

    fn refine_ac(&mut self, part: usize, block: &mut Block) -> Result<(), Problem> {
        let table = self.parts[part].ac.ok_or_else(no_table)?;
        let step = 1i16 << self.scan.low;
        let end = self.scan.end;
        let mut k = self.scan.start;
        if self.empty_blocks == 0 {
            while k <= end {
                let (run, value) = self.bits.ac(table).ok_or_else(bad_code)?;
                if value == 0 && run < 15 {
                    self.empty_blocks = (1 << run) + self.bits.take(run);
                    break;
                }
                if value.abs() > 1 {
                    return Err(bad_code());
                }
                // Passes `run` coefficients that are still zero, refining those that are not.
                let mut zeros = run;
                while k <= end {
                    let coefficient = &mut block[usize::from(ZIGZAG[k])];
                    if *coefficient != 0 {
                        refine(&mut self.bits, coefficient, step);
                    } else if zeros == 0 {
                        *coefficient = value as i16 * step;
                        break;
                    } else {
                        zeros -= 1;
                    }
                    k += 1;
                }
                k += 1;
            }
        }
        if self.empty_blocks > 0 {
            self.empty_blocks -= 1;
            while k <= end {
                let coefficient = &mut block[usize::from(ZIGZAG[k])];
                if *coefficient != 0 {
                    refine(&mut self.bits, coefficient, step);
                }
                k += 1;
            }
        }
        Ok(())
    }
}

/// Reads one more bit of a coefficient that is not zero.
#[inline(always)]
fn refine(bits: &mut BitReader<'_>, coefficient: &mut i16, step: i16) {
    if bits.bit() && *coefficient & step == 0 {
        *coefficient = if *coefficient > 0 { coefficient.wrapping_add(step) } else { coefficient.wrapping_sub(step) };
    }
}

fn no_table() -> Problem {
    Problem::damaged("a scan uses a huffman table that is not there")
}
