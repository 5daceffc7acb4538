//! Entropy-coded scans of a JPEG file: bits to coefficients (ITU-T T.81, annexes F and G).
//!
//! Knows no samples and no colours. Coefficients are in row-major order of their block, not yet dequantised.

use super::super::decode_error::DecodeError;
use super::coefficients::{Block, Mask, places};
use super::huffman::{BitReader, Table};
use super::segments::{Scan, Segments, ZIGZAG};

/// The state of a component in a scan.
#[derive(Clone, Copy)]
struct ComponentState<'t> {
    dc: Option<&'t Table>,
    ac: Option<&'t Table>,
    /// The last DC coefficient.
    prediction: i32,
}

/// Decodes the blocks of a scan.
pub(super) struct ScanReader<'a, 't> {
    bits: BitReader<'a>,
    parts: Vec<ComponentState<'t>>,
    scan: Scan,
    /// Remaining blocks of an end-of-band run (progressive).
    eob_run: u32,
    restart_interval: usize,
    mcus_to_restart: usize,
    next_restart: u8,
}

/// The error for a code that is not in its table.
fn bad_code() -> DecodeError {
    DecodeError::damaged("the image data makes no sense")
}

impl<'a, 't> ScanReader<'a, 't> {
    /// Starts a scan whose header `segments` has just read.
    pub fn new(bytes: &'a [u8], segments: &'t Segments<'_>, scan: Scan) -> Self {
        let part = |&(_, dc, ac): &(usize, usize, usize)| ComponentState {
            dc: segments.tables[0][dc].as_ref(),
            ac: segments.tables[1][ac].as_ref(),
            prediction: 0,
        };
        ScanReader {
            bits: BitReader::new(bytes, segments.at),
            parts: scan.components.iter().map(part).collect(),
            scan,
            eob_run: 0,
            restart_interval: segments.restart_interval,
            mcus_to_restart: segments.restart_interval,
            next_restart: 0,
        }
    }

    /// Starts at a restart interval, the data of which begins at `at`, as after its marker.
    pub fn at_interval(bytes: &'a [u8], segments: &'t Segments<'_>, scan: Scan, (index, at): (usize, usize)) -> Self {
        let reader = ScanReader::new(bytes, segments, scan);
        ScanReader { bits: BitReader::new(bytes, at), next_restart: (index % 8) as u8, ..reader }
    }

    /// Begins an MCU; reads the restart marker if one is due.
    #[inline(always)]
    pub fn begin_mcu(&mut self) -> Result<(), DecodeError> {
        if self.restart_interval == 0 {
            return Ok(());
        }
        if self.mcus_to_restart == 0 {
            self.restart()?;
        }
        self.mcus_to_restart -= 1;
        Ok(())
    }

    #[cold]
    fn restart(&mut self) -> Result<(), DecodeError> {
        self.check()?;
        match self.bits.next_marker() {
            None => return Err(DecodeError::Truncated),
            Some(marker) if marker == 0xd0 + self.next_restart => {}
            Some(_) => return Err(DecodeError::damaged("a restart marker is missing")),
        }
        self.next_restart = (self.next_restart + 1) % 8;
        self.mcus_to_restart = self.restart_interval;
        self.eob_run = 0;
        self.parts.iter_mut().for_each(|part| part.prediction = 0);
        Ok(())
    }

    /// Reports reads past the end of the data since the start; call it now and then.
    pub fn check(&self) -> Result<(), DecodeError> {
        match self.bits.overran() {
            false => Ok(()),
            true if self.bits.at_end_of_data() => Err(DecodeError::Truncated),
            true => Err(DecodeError::damaged("the image data ends early")),
        }
    }

    /// Returns the offset at which to look for the next segment, after the scan.
    pub fn position(&self) -> usize {
        self.bits.position()
    }

    /// Reads a block of component `part` of the scan into zeroed coefficients. Returns the zigzag position of the last
    /// coefficient that is not zero, or a later one.
    #[inline(always)]
    pub fn sequential(&mut self, part: usize, block: &mut Block) -> Result<usize, DecodeError> {
        let part = &mut self.parts[part];
        let (Some(dc), Some(ac)) = (part.dc, part.ac) else {
            return Err(no_table());
        };
        let mut bits = self.bits;
        let difference = bits.dc(dc).ok_or_else(bad_code)?;
        part.prediction = part.prediction.wrapping_add(difference);
        block[0] = part.prediction as i16;
        // At most 63 + 15, which ZIGZAG covers.
        let (k, _) = bits.ac_coefficients(ac, 1, 63, |k, value| block[place(k)] = value as i16).ok_or_else(bad_code)?;
        self.bits = bits;
        if k > 64 { Err(bad_code()) } else { Ok(k - 1) }
    }

    /// Reads the contribution of a progressive scan to a block of component `part` of the scan.
    #[inline(always)]
    pub fn progressive(&mut self, part: usize, block: &mut Block, mask: &mut Mask) -> Result<(), DecodeError> {
        match (self.scan.start, self.scan.high) {
            (0, 0) => self.first_dc(part, block),
            (0, _) => {
                let mut bits = self.bits;
                if bits.bit() {
                    block[0] |= 1 << self.scan.low;
                }
                self.bits = bits;
                Ok(())
            }
            (_, 0) => self.first_ac(part, block, mask),
            (_, _) => self.refine_ac(part, block, mask),
        }
    }

    #[inline(always)]
    fn first_dc(&mut self, part: usize, block: &mut Block) -> Result<(), DecodeError> {
        let part = &mut self.parts[part];
        let mut bits = self.bits;
        let difference = bits.dc(part.dc.ok_or_else(no_table)?).ok_or_else(bad_code)?;
        self.bits = bits;
        part.prediction = part.prediction.wrapping_add(difference);
        let value = (part.prediction << self.scan.low) as i16;
        // Do not touch memory that is zero already.
        if block[0] != value {
            block[0] = value;
        }
        Ok(())
    }

    #[inline(always)]
    fn first_ac(&mut self, part: usize, block: &mut Block, mask: &mut Mask) -> Result<(), DecodeError> {
        if self.eob_run > 0 {
            self.eob_run -= 1;
            return Ok(());
        }
        let table = self.parts[part].ac.ok_or_else(no_table)?;
        let (low, end) = (self.scan.low, self.scan.end);
        let mut bits = self.bits;
        let put = |k: usize, value: i32| {
            let value = (value << low) as i16;
            block[place(k)] = value;
            // Positions past the end stand for the last; they are an error below.
            let bit = 1 << k.min(63);
            *mask = if value != 0 { *mask | bit } else { *mask & !bit };
        };
        let (k, ended) = bits.ac_coefficients(table, self.scan.start, end, put).ok_or_else(bad_code)?;
        if let Some(run) = ended {
            self.eob_run = (1 << run) - 1 + bits.take(run);
        }
        self.bits = bits;
        if k > 64 { Err(bad_code()) } else { Ok(()) }
    }

    #[inline(always)]
    fn refine_ac(&mut self, part: usize, block: &mut Block, mask: &mut Mask) -> Result<(), DecodeError> {
        let table = self.parts[part].ac.ok_or_else(no_table)?;
        let step = 1i16 << self.scan.low;
        let end = self.scan.end;
        let mut k = self.scan.start;
        let mut bits = self.bits;
        if self.eob_run == 0 {
            while k <= end {
                let (run, value) = bits.ac(table).ok_or_else(bad_code)?;
                if value == 0 && run < 15 {
                    self.eob_run = (1 << run) + bits.take(run);
                    break;
                }
                if value.abs() > 1 {
                    return Err(bad_code());
                }
                // Skip `run` coefficients that are still zero and refine the others.
                let mut zeros = places(k, end) & !*mask;
                for _ in 0..run {
                    zeros &= zeros.wrapping_sub(1);
                }
                let next = (zeros.trailing_zeros() as usize).min(end + 1);
                if next > k {
                    refine(&mut bits, block, places(k, next - 1) & *mask, step);
                }
                if next <= end && value != 0 {
                    block[place(next)] = value as i16 * step;
                    *mask |= 1 << next;
                }
                k = next + 1;
            }
        }
        if self.eob_run > 0 {
            self.eob_run -= 1;
            if k <= end {
                refine(&mut bits, block, places(k, end) & *mask, step);
            }
        }
        self.bits = bits;
        Ok(())
    }
}

/// Returns the place of zigzag position `k`, at most 79, in a block.
#[inline(always)]
fn place(k: usize) -> usize {
    // The mask changes nothing and says that the place is in the block.
    usize::from(ZIGZAG[k] & 63)
}

/// Reads correction bits for these coefficients, which are not zero.
#[inline(always)]
fn refine(bits: &mut BitReader<'_>, block: &mut Block, mut mask: Mask, step: i16) {
    while mask != 0 {
        let count = mask.count_ones().min(32);
        let mut corrections = bits.take_first(count);
        for _ in 0..count {
            let coefficient = &mut block[place(mask.trailing_zeros() as usize & 63)];
            mask &= mask.wrapping_sub(1);
            // Without branches: the bits are random.
            let corrected = corrections >> 31 != 0 && *coefficient & step == 0;
            let towards = if *coefficient < 0 { -step } else { step };
            *coefficient = coefficient.wrapping_add(towards & -i16::from(corrected));
            corrections <<= 1;
        }
    }
}

fn no_table() -> DecodeError {
    DecodeError::damaged("a scan uses a huffman table that is not there")
}
