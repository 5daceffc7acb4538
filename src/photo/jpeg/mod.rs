//! JPEG: baseline, extended and progressive, Huffman-coded, eight bits; grey, RGB, YCbCr, CMYK and YCCK.
//!
//! The reference libraries decode with libjpeg-turbo. The standard (ITU-T T.81) leaves the rounding of the inverse
//! DCT, the interpolation of chroma and the conversion of colours to the decoder. This decoder does each as
//! libjpeg-turbo does by default, so that the pixels of an undamaged file are equal to the references'; other decoders
//! differ by up to four levels at one pixel in five.
//!
//! Stricter than libjpeg in one respect: inconsistent or truncated data is an error, not a warning.

mod colour;
mod frame;
mod huffman;
mod idct;
mod scan;
mod segments;
mod smoothing;
mod standard_tables;

use super::decode_error::{DecodeError, try_filled};
use super::headers::Headers;
use crate::budget::Budget;
use crate::pixels::{Orientation, RowSink};
pub(super) use colour::ColourSpace;
use colour::Upsampling;
use frame::Frame;
use scan::{Block, ScanReader};
use segments::{Next, Scan, Segments};
use smoothing::Progress;

/// Units of work that are granted for each block: four times what the scans of the usual progressive files need. A scan
/// takes [`VISIT`] for each of its blocks and, if it refines, a unit for each coefficient of its band.
const BLOCK_GRANT: u64 = 1024;
const VISIT: u64 = 8;

/// Size of the coefficients of a block.
const BLOCK_BYTES: u64 = size_of::<Block>() as u64;

/// Units of work for the header of a scan, whose tables have to be built.
const SCAN: u64 = 10_000;

/// Units of work for the transform of a block, and for the conversion of its samples to pixels.
const TRANSFORM: u64 = 64;

/// Coefficients by component: rows of blocks.
type Coefficients = Vec<Vec<i16>>;

/// Decodes a JPEG file to `sink`; with `orient`, upright.
pub(super) fn decode(bytes: &[u8], orient: bool, budget: &Budget, sink: &mut dyn RowSink) -> Result<(), DecodeError> {
    decode_as(bytes, orient, None, budget, sink)
}

/// Returns the size that a JPEG file declares.
pub(super) fn declared_size(bytes: &[u8]) -> Result<(usize, usize), DecodeError> {
    let mut segments = Segments::new(bytes);
    segments.advance()?;
    let frame = segments.frame.ok_or(DecodeError::damaged("there is no frame"))?;
    Ok((frame.width, frame.height))
}

/// Reads what a file states before its first scan.
pub(super) fn headers(bytes: &[u8]) -> Result<Headers<'_>, DecodeError> {
    let mut segments = Segments::new(bytes);
    segments.advance()?;
    let orientation = segments.orientation();
    let Segments { frame, exif, exif_part, xmp, .. } = segments;
    let Frame { width, height, .. } = frame.ok_or(DecodeError::damaged("there is no frame"))?;
    let (exif, xmp) = (Some(exif.into()), xmp.map(Into::into));
    Ok(Headers { width, height, orientation, exif, exif_part, xmp })
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
    let mut segments = Segments::new(bytes);
    segments.space = space;
    let mut granted = false;
    let mut coefficients: Option<Coefficients> = None;
    let mut progress = Progress::new();
    let mut decoded = false;
    while let Next::Scan(scan) = segments.advance()? {
        budget.work(SCAN)?;
        let frame = segments.frame.as_ref().ok_or(DecodeError::damaged("there is no frame"))?;
        if decoded {
            // The first scan was complete; ignore scans after it.
            continue;
        }
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
                none => none.insert(zero_coefficients(frame, budget)?),
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

/// Allocates zeroed coefficients. Their memory is not touched before they are written.
fn zero_coefficients(frame: &Frame, budget: &Budget) -> Result<Coefficients, DecodeError> {
    budget.memory(frame.blocks() * BLOCK_BYTES)?;
    // `vec!` maps zeroed memory for numbers only, not for whole blocks.
    frame.components.iter().map(|c| try_filled(c.blocks_across, c.blocks_down, 64, 0i16)).collect()
}

/// Returns the blocks of a component.
fn blocks(coefficients: &[i16]) -> &[Block] {
    coefficients.as_chunks().0
}

/// Decodes one of several scans into coefficients; returns the offset of its end.
fn decode_scan(
    bytes: &[u8],
    segments: &Segments<'_>,
    frame: &Frame,
    scan: Scan,
    budget: &Budget,
    coefficients: &mut [Vec<i16>],
) -> Result<usize, DecodeError> {
    let refined = if scan.high > 0 && scan.start > 0 { scan.end - scan.start + 1 } else { 0 };
    let visit = VISIT + refined as u64;
    let indices: Vec<usize> = scan.components.iter().map(|component| component.0).collect();
    let mut reader = ScanReader::new(bytes, segments, scan);
    let mut read = |reader: &mut ScanReader<'_, '_>, part: usize, row: usize, column: usize| {
        let across = frame.components[indices[part]].blocks_across;
        let block = &mut coefficients[indices[part]].as_chunks_mut().0[row * across + column];
        if frame.progressive { reader.progressive(part, block) } else { reader.sequential(part, block).map(|_| ()) }
    };
    if let &[index] = indices.as_slice() {
        // A scan of one component has no padding to whole MCUs.
        let component = &frame.components[index];
        let across = component.width.div_ceil(8);
        for row in 0..component.height.div_ceil(8) {
            budget.work(across as u64 * visit)?;
            for column in 0..across {
                reader.begin_mcu()?;
                read(&mut reader, 0, row, column)?;
            }
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
                        read(&mut reader, part, row * v + block / h, column * h + block % h)?;
                    }
                }
            }
            reader.check()?;
        }
    }
    Ok(reader.position())
}

/// Decodes the only scan and transforms each block at once; returns the offset of its end.
fn decode_and_transform(
    bytes: &[u8],
    segments: &Segments<'_>,
    frame: &Frame,
    orient: bool,
    scan: Scan,
    budget: &Budget,
    sink: &mut dyn RowSink,
) -> Result<usize, DecodeError> {
    let tables = quantisation(segments, frame)?;
    let mut reader = ScanReader::new(bytes, segments, scan);
    assemble(segments, frame, orient, budget, sink, |_, planes| {
        for column in 0..frame.mcus_across {
            reader.begin_mcu()?;
            for (part, component) in frame.components.iter().enumerate() {
                let stride = component.blocks_across * 8;
                for block in 0..component.h * component.v {
                    let x = (column * component.h + block % component.h) * 8;
                    let y = block / component.h * 8;
                    let out = &mut planes[part][y * stride + x..];
                    let mut coefficients = [0; 64];
                    let last = reader.sequential(part, &mut coefficients)?;
                    idct::block(&coefficients, tables[part], last, out, stride);
                }
            }
        }
        reader.check()
    })?;
    Ok(reader.position())
}

/// Transforms the coefficients of all scans and delivers the pixels.
fn transform_all(
    segments: &Segments<'_>,
    frame: &Frame,
    orient: bool,
    coefficients: &[Vec<i16>],
    progress: &Progress,
    budget: &Budget,
    sink: &mut dyn RowSink,
) -> Result<(), DecodeError> {
    let tables = quantisation(segments, frame)?;
    let smooth = progress.needs_smoothing(frame, &tables);
    assemble(segments, frame, orient, budget, sink, |row, planes| {
        for (part, component) in frame.components.iter().enumerate() {
            let stride = component.blocks_across * 8;
            if smooth {
                let smoother = progress.smoother(part, frame, blocks(&coefficients[part]), tables[part]);
                for line in 0..component.v {
                    for column in 0..component.blocks_across {
                        let block = smoother.block(row * component.v + line, column);
                        let out = &mut planes[part][line * 8 * stride + column * 8..];
                        idct::block(&block, tables[part], 63, out, stride);
                    }
                }
                continue;
            }
            for line in 0..component.v {
                let first = (row * component.v + line) * component.blocks_across;
                let blocks = &blocks(&coefficients[part])[first..first + component.blocks_across];
                for (i, block) in blocks.iter().enumerate() {
                    // Blocks with a DC coefficient only are common and cheap to detect.
                    let last = if block[1..] == [0; 63] { 0 } else { 63 };
                    let out = &mut planes[part][line * 8 * stride + i * 8..];
                    idct::block(block, tables[part], last, out, stride);
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

/// Converts rows of MCUs to rows of pixels and delivers them.
///
/// `fill` writes the samples of a row of MCUs into one plane for each component. Pixels lag one row of MCUs behind,
/// because the interpolation of chroma needs one row of samples above and below; no other samples are kept.
fn assemble(
    segments: &Segments<'_>,
    frame: &Frame,
    orient: bool,
    budget: &Budget,
    sink: &mut dyn RowSink,
    mut fill: impl FnMut(usize, &mut [Vec<u8>]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let space = match segments.space {
        Some(space) if space.components() == frame.components.len() => space,
        Some(_) => return Err(DecodeError::damaged("it has other components than announced")),
        None => ColourSpace::of(&frame.components, segments.jfif, segments.adobe),
    };
    let orientation = match orient {
        true => segments.orientation(),
        false => Orientation::Upright,
    };
    sink.begin(frame.width, frame.height, orientation)?;
    let plane = |across: usize, rows: usize| try_filled(across, rows, 1, 0u8);
    let planes = || -> Result<Vec<Vec<u8>>, DecodeError> {
        frame.components.iter().map(|c| plane(c.blocks_across * 8, c.v * 8)).collect()
    };
    let (mut current, mut next) = (planes()?, planes()?);
    // The last row of samples above `current`.
    let mut above: Vec<Vec<u8>> = Vec::new();
    let mut rows: Vec<Vec<u8>> = Vec::new();
    for component in &frame.components {
        above.push(plane(component.blocks_across * 8, 1)?);
        rows.push(plane(frame.mcus_across * frame.h_max * 8, 1)?);
    }
    let in_row: usize = frame.components.iter().map(|c| c.blocks_across * c.v).sum();

    for row in 0..=frame.mcus_down {
        for (above, next) in above.iter_mut().zip(&next) {
            let last = next.len() - above.len();
            above.copy_from_slice(&next[last..]);
        }
        if row < frame.mcus_down {
            budget.work(in_row as u64 * TRANSFORM)?;
            fill(row, &mut next)?;
        }
        if row > 0 {
            let samples = Samples { above: &above, current: &current, next: &next };
            let first = (row - 1) * frame.v_max * 8;
            let count = (frame.height - first).min(frame.v_max * 8);
            emit(frame, space, row - 1, &samples, &mut rows, sink.rows_mut(count));
            sink.commit();
        }
        std::mem::swap(&mut current, &mut next);
    }
    Ok(())
}

/// The samples for the pixels of a row of MCUs, by component.
struct Samples<'a> {
    /// The last row of samples before it.
    above: &'a [Vec<u8>],
    /// Its own samples.
    current: &'a [Vec<u8>],
    /// The samples of the next row of MCUs, if there is one.
    next: &'a [Vec<u8>],
}

/// Writes the pixels of a row of MCUs to `out`.
fn emit(
    frame: &Frame,
    space: ColourSpace,
    mcu_row: usize,
    samples: &Samples<'_>,
    rows: &mut [Vec<u8>],
    out: &mut [u8],
) {
    for (y, pixels) in (mcu_row * frame.v_max * 8..).zip(out.chunks_exact_mut(frame.width * 3)) {
        for (i, component) in frame.components.iter().enumerate() {
            let stride = component.blocks_across * 8;
            let start = mcu_row * component.v * 8;
            let line = |row: usize| {
                let plane = match row.checked_sub(start) {
                    None => &samples.above[i][..],
                    Some(row) if row < component.v * 8 => &samples.current[i][row * stride..],
                    Some(_) => &samples.next[i][..],
                };
                &plane[..component.width]
            };
            let upsampling = Upsampling::of(component, frame.h_max, frame.v_max);
            let (near, far) = upsampling.rows(y, component.height);
            upsampling.upsample(y, line(near), line(far), &mut rows[i]);
        }
        space.convert(rows, pixels);
    }
}
