//! JPEG: baseline, extended and progressive, Huffman-coded, eight bits; grey, RGB, YCbCr, CMYK and YCCK.
//!
//! The reference libraries decode with libjpeg-turbo. The standard (ITU-T T.81) leaves the rounding of the inverse
//! DCT, the interpolation of chroma and the conversion of colours to the decoder. This decoder does each as
//! libjpeg-turbo does by default, so that the pixels of an undamaged file are equal to the references'; other decoders
//! differ by up to four levels at one pixel in five.
//!
//! Stricter than libjpeg in one respect: inconsistent or truncated data is an error, not a warning.

mod ahead;
mod coefficients;
mod colour;
mod frame;
mod huffman;
mod restarts;
mod rows;
mod scan;
mod segments;
mod smoothing;
mod standard_tables;
#[cfg(all(test, repository))]
mod tests;

use super::decode_error::DecodeError;
use super::headers::{Colours, Headers, Levels};
use crate::budget::Budget;
use crate::kernels::pixels::idct::Block;
use crate::kernels::pixels::reduced::{squares_of, transform_blocks};
use crate::kernels::{Isa, WordKernel, Words};
use crate::pixels::RowSink;
use ahead::{Ahead, Planes};
use coefficients::{BLOCK_BYTES, Plane};
pub(super) use colour::ColourSpace;
use frame::Frame;
use restarts::Restarts;
use rows::assemble;
use scan::ScanReader;
use segments::{Next, Scan, Segments};
use smoothing::Progress;

/// Units of work that are granted for each block: four times what the scans of the usual progressive files need. A scan
/// takes [`VISIT`] for each of its blocks and, if it refines, a unit for each coefficient of its band.
const BLOCK_GRANT: u64 = 1024;
const VISIT: u64 = 8;

/// Units of work for the header of a scan, whose tables have to be built.
const SCAN: u64 = 10_000;

/// Blocks of a row whose coefficients are kept until they are transformed, in MCUs.
const MCUS: usize = 8;

/// Decodes a JPEG file to `sink`; with `orient`, upright.
pub(super) fn decode(bytes: &[u8], orient: bool, budget: &Budget, sink: &mut dyn RowSink) -> Result<(), DecodeError> {
    decode_as(bytes, orient, None, budget, sink)
}

/// Returns the size that a JPEG file declares.
pub(super) fn declared_size(bytes: &[u8], budget: &Budget) -> Result<(usize, usize), DecodeError> {
    let mut segments = Segments::new(bytes, budget);
    segments.advance()?;
    let frame = segments.frame.ok_or(DecodeError::damaged("there is no frame"))?;
    Ok((frame.width, frame.height))
}

/// Reads what a file states before its first scan.
pub(super) fn headers<'a>(bytes: &'a [u8], budget: &Budget) -> Result<Headers<'a>, DecodeError> {
    let mut segments = Segments::new(bytes, budget);
    segments.advance()?;
    let orientation = segments.orientation();
    let profile = segments.profile();
    let levels = match profile {
        None if segments.has_profile() => Levels::Lost("a part of it is missing"),
        _ => Levels::Profile,
    };
    let colours = Colours { profile: profile.map(Into::into), levels, ..Colours::default() };
    let Segments { frame, exif, exif_part, xmp, .. } = segments;
    let Frame { width, height, .. } = frame.ok_or(DecodeError::damaged("there is no frame"))?;
    let (exif, xmp) = (Some(exif.into()), xmp.map(Into::into));
    Ok(Headers { width, height, orientation, exif, exif_part, xmp, colours })
}

/// Decodes as [`decode`] does; `space` is the colour space that a container states, which overrides that of the file.
///
/// Work and memory for the pixels are granted only without a container: it grants them for the whole photo.
pub(super) fn decode_as(
    bytes: &[u8],
    orient: bool,
    space: Option<ColourSpace>,
    budget: &Budget,
    sink: &mut dyn RowSink,
) -> Result<(), DecodeError> {
    let mut segments = Segments::new(bytes, budget);
    segments.space = space;
    let mut granted = false;
    let mut coefficients: Option<Vec<Plane>> = None;
    let mut progress = Progress::new();
    let mut decoded = false;
    while let Next::Scan(scan) = segments.advance()? {
        budget.work(SCAN)?;
        if decoded {
            // The first scan was complete; ignore scans after it.
            continue;
        }
        if let (Some(enough), None, Some(frame)) = (sink.enough(), &coefficients, &mut segments.frame) {
            frame.reduce(enough);
        }
        let frame = segments.frame.as_ref().ok_or(DecodeError::damaged("there is no frame"))?;
        if space.is_none() && !std::mem::replace(&mut granted, true) {
            budget.grant(frame.blocks() * BLOCK_GRANT, 2 * frame.blocks() * BLOCK_BYTES);
        }
        let all = scan.components.iter().map(|component| component.0);
        if !frame.progressive && coefficients.is_none() && all.eq(0..frame.components.len()) {
            segments.at = decode_and_transform(bytes, &segments, frame, orient, scan, budget, sink)?;
            decoded = true;
        } else {
            let coefficients = match &mut coefficients {
                Some(coefficients) => coefficients,
                none => none.insert(Plane::zeros(frame, budget)?),
            };
            progress.record(&scan);
            segments.at = decode_scan(bytes, &segments, frame, scan, budget, coefficients)?;
        }
    }
    let frame = segments.frame.as_ref().ok_or(DecodeError::damaged("there is no frame"))?;
    match &coefficients {
        _ if decoded => Ok(()),
        Some(coefficients) => {
            transform_all(&segments, frame, orient, coefficients, &progress, budget, sink)?;
            budget.give_back(frame.blocks() * BLOCK_BYTES);
            Ok(())
        }
        None => Err(DecodeError::damaged("there is no scan")),
    }
}

/// Decodes one of several scans into coefficients; returns the offset of its end.
fn decode_scan(
    bytes: &[u8],
    segments: &Segments<'_>,
    frame: &Frame,
    scan: Scan,
    budget: &Budget,
    coefficients: &mut [Plane],
) -> Result<usize, DecodeError> {
    let isa = Isa::detect_or_portable();
    let refined = if scan.high > 0 && scan.start > 0 { scan.end - scan.start + 1 } else { 0 };
    let visit = VISIT + refined as u64;
    let indices: Vec<usize> = scan.components.iter().map(|component| component.0).collect();
    let mut reader = ScanReader::new(bytes, segments, scan);
    if let &[index] = indices.as_slice() {
        // A scan of one component has no padding to whole MCUs.
        let component = &frame.components[index];
        let across = component.width.div_ceil(8);
        for row in 0..component.height.div_ceil(8) {
            budget.work(across as u64 * visit)?;
            let plane = &mut coefficients[index];
            isa.run_words(ReadRow { reader: &mut reader, plane, row, across, progressive: frame.progressive })?;
            reader.check()?;
        }
    } else {
        let in_row: usize = indices.iter().map(|&index| &frame.components[index]).map(|c| c.blocks_across * c.v).sum();
        for row in 0..frame.mcus_down {
            budget.work(in_row as u64 * visit)?;
            for column in 0..frame.mcus_across {
                reader.begin_mcu()?;
                for (part, &index) in indices.iter().enumerate() {
                    let (h, v) = (frame.components[index].h, frame.components[index].v);
                    for block in 0..h * v {
                        let (blocks, masks) = coefficients[index].row_mut(row * v + block / h);
                        let at = column * h + block % h;
                        read_block(&mut reader, frame.progressive, part, &mut blocks[at], &mut masks[at])?;
                    }
                }
            }
            reader.check()?;
        }
    }
    Ok(reader.position())
}

/// Reads a row of blocks of the only component of a scan.
struct ReadRow<'r, 'a, 't> {
    reader: &'r mut ScanReader<'a, 't>,
    plane: &'r mut Plane,
    row: usize,
    across: usize,
    progressive: bool,
}

impl WordKernel for ReadRow<'_, '_, '_> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn call<W: Words>(self, _: W) -> Result<(), DecodeError> {
        let (blocks, masks) = self.plane.row_mut(self.row);
        for (block, mask) in blocks.iter_mut().zip(masks).take(self.across) {
            self.reader.begin_mcu()?;
            read_block(self.reader, self.progressive, 0, block, mask)?;
        }
        Ok(())
    }
}

/// Reads what a scan says of a block.
#[inline(always)]
fn read_block(
    reader: &mut ScanReader<'_, '_>,
    progressive: bool,
    part: usize,
    block: &mut Block,
    mask: &mut u64,
) -> Result<(), DecodeError> {
    if progressive {
        return reader.progressive(part, block, mask);
    }
    let last = reader.sequential(part, block)?;
    *mask |= (1 << last) & !1;
    Ok(())
}

/// Decodes the only scan and transforms each block at once; returns the offset of its end. Idle threads join where restart
/// intervals begin with rows.
fn decode_and_transform(
    bytes: &[u8],
    segments: &Segments<'_>,
    frame: &Frame,
    orient: bool,
    scan: Scan,
    budget: &Budget,
    sink: &mut dyn RowSink,
) -> Result<usize, DecodeError> {
    let isa = Isa::detect_or_portable();
    let tables = quantisation(segments, frame)?;
    let in_mcu: usize = frame.components.iter().map(|component| component.h * component.v).sum();
    let scratch = || (vec![[0; 64]; in_mcu * MCUS], vec![0; in_mcu * MCUS]);
    let rows_from = |reader: &mut ScanReader<'_, '_>, scratch: &mut (Vec<Block>, Vec<u8>), rows: &mut [Planes]| {
        for planes in rows {
            let (tables, (blocks, lasts)) = (&tables, &mut *scratch);
            isa.run_words(McuRow { frame, reader, tables, blocks, lasts, planes })?;
            reader.check()?;
        }
        Ok(())
    };
    if let Some((restarts, mut ahead)) = shared(bytes, segments, frame)? {
        let from = |row: usize| restarts.at(row * frame.mcus_across).ok_or(DecodeError::Truncated);
        assemble(isa, segments, frame, orient, budget, sink, |row, planes| {
            ahead.row(row, planes, |first, rows| {
                let mut reader = ScanReader::at_interval(bytes, segments, scan.clone(), from(first)?);
                rows_from(&mut reader, &mut scratch(), rows)
            })
        })?;
        return Ok(restarts.end);
    }
    let (mut reader, mut scratch) = (ScanReader::new(bytes, segments, scan), scratch());
    assemble(isa, segments, frame, orient, budget, sink, |_, planes| {
        rows_from(&mut reader, &mut scratch, std::slice::from_mut(planes))
    })?;
    Ok(reader.position())
}

/// The restart intervals of the only scan, and rows for idle threads, if those can share it.
fn shared(bytes: &[u8], segments: &Segments<'_>, frame: &Frame) -> Result<Option<(Restarts, Ahead)>, DecodeError> {
    let (interval, mcus) = (segments.restart_interval, frame.mcus_across * frame.mcus_down);
    if interval == 0 {
        return Ok(None);
    }
    // The search reads all of the scan: only for a photo that is worth it.
    let Some(ahead) = Ahead::new(frame, restarts::rows(interval, frame.mcus_across))? else { return Ok(None) };
    Ok(Restarts::find(bytes, segments.at, interval, mcus).map(|restarts| (restarts, ahead)))
}

/// Reads a row of MCUs and transforms it to samples.
struct McuRow<'r, 'a, 't> {
    frame: &'r Frame,
    reader: &'r mut ScanReader<'a, 't>,
    tables: &'r [&'r [u16; 64]],
    /// By component, line of blocks and column: some MCUs.
    blocks: &'r mut [Block],
    lasts: &'r mut [u8],
    planes: &'r mut [Vec<u8>],
}

impl WordKernel for McuRow<'_, '_, '_> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn call<W: Words>(self, w: W) -> Result<(), DecodeError> {
        let McuRow { frame, reader, tables, blocks, lasts, planes } = self;
        for first in (0..frame.mcus_across).step_by(MCUS) {
            let count = MCUS.min(frame.mcus_across - first);
            for column in 0..count {
                reader.begin_mcu()?;
                let mut start = 0;
                for (part, component) in frame.components.iter().enumerate() {
                    for _ in 0..component.v {
                        for place in 0..component.h {
                            let at = start + column * component.h + place;
                            blocks[at] = [0; 64];
                            lasts[at] = reader.sequential(part, &mut blocks[at])? as u8;
                        }
                        start += component.h * MCUS;
                    }
                }
            }
            let mut start = 0;
            for (part, component) in frame.components.iter().enumerate() {
                let side = component.side;
                let stride = component.blocks_across * side;
                for line in 0..component.v {
                    let range = start..start + component.h * count;
                    let out = &mut planes[part][line * side * stride + first * component.h * side..];
                    squares_of(w, side, &blocks[range.clone()], &lasts[range], tables[part], out, stride);
                    start += component.h * MCUS;
                }
            }
        }
        Ok(())
    }
}

/// Transforms the coefficients of all scans and delivers the pixels.
fn transform_all(
    segments: &Segments<'_>,
    frame: &Frame,
    orient: bool,
    coefficients: &[Plane],
    progress: &Progress,
    budget: &Budget,
    sink: &mut dyn RowSink,
) -> Result<(), DecodeError> {
    let isa = Isa::detect_or_portable();
    let tables = quantisation(segments, frame)?;
    let smooth = progress.needs_smoothing(frame, &tables);
    let mut lasts = Vec::new();
    assemble(isa, segments, frame, orient, budget, sink, |row, planes| {
        for (part, component) in frame.components.iter().enumerate() {
            let (side, steps) = (component.side, tables[part]);
            let stride = component.blocks_across * side;
            for line in 0..component.v {
                let out = &mut planes[part][line * side * stride..];
                let row = row * component.v + line;
                lasts.clear();
                if smooth {
                    let smoother = progress.smoother(part, frame, coefficients[part].blocks(), steps);
                    let blocks: Vec<_> =
                        (0..component.blocks_across).map(|column| smoother.block(row, column)).collect();
                    lasts.resize(blocks.len(), 63);
                    transform_blocks(isa, side, &blocks, &lasts, steps, out, stride);
                } else {
                    let (blocks, masks) = coefficients[part].row(row);
                    // Bit 0 stands for the DC coefficient, which is always there.
                    lasts.extend(masks.iter().map(|mask| (mask | 1).ilog2() as u8));
                    transform_blocks(isa, side, blocks, &lasts, steps, out, stride);
                }
            }
        }
        Ok(())
    })
}

/// Returns the quantisation table of each component.
fn quantisation<'s>(segments: &'s Segments<'_>, frame: &Frame) -> Result<Vec<&'s [u16; 64]>, DecodeError> {
    let tables = segments.component_tables.iter().take(frame.components.len());
    tables.map(|table| table.as_ref().ok_or(DecodeError::damaged("a component is not there"))).collect()
}
