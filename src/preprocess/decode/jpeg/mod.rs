//! JPEG: baseline, extended and progressive, Huffman-coded, eight bits; grey, RGB, YCbCr, CMYK and YCCK.
//!
//! Written here rather than taken from a crate because photos are what the towers see, and the references
//! see them through libjpeg-turbo. The standard (ITU-T T.81) leaves the rounding of the inverse DCT, the
//! interpolation of chroma and the conversion of colours to the decoder; this one does each as
//! libjpeg-turbo's defaults do, so that the pixels of an undamaged file are equal to the references', where
//! other decoders differ by up to four levels at one pixel in five. Safe code, and no panic is known.
//!
//! Stricter than libjpeg in one thing: data that contradicts itself or ends early is an error, not a warning.

mod colour;
mod huffman;
mod idct;
mod scan;
mod segments;
mod standard_tables;

use colour::Upsampling;
pub(super) use colour::{ColourSpace, ycbcr_pixel};
use scan::{Block, ScanReader};
use segments::{Frame, Next, Scan, Segments};

use super::super::orient::Orientation;
use super::problem::{Problem, filled};
use super::{Sink, exif};

/// Photos have about ten scans; each costs a pass over all blocks, however short it is.
const MAX_SCANS: usize = 200;

/// Decodes a JPEG file to `sink`, with `orient` upright.
pub(super) fn decode(bytes: &[u8], orient: bool, sink: &mut dyn Sink) -> Result<(), Problem> {
    decode_as(bytes, orient, None, sink)
}

/// As [`decode`], with what the components mean if the file itself does not tell.
pub(super) fn decode_as(
    bytes: &[u8],
    orient: bool,
    space: Option<ColourSpace>,
    sink: &mut dyn Sink,
) -> Result<(), Problem> {
    let mut segments = Segments::new(bytes);
    segments.space = space;
    let mut coefficients: Option<Vec<Vec<Block>>> = None;
    let mut decoded = false;
    for _ in 0..MAX_SCANS {
        let scan = match segments.advance()? {
            Next::Scan(scan) => scan,
            Next::End => {
                let frame = segments.frame.as_ref().ok_or(Problem::damaged("there is no frame"))?;
                return match &coefficients {
                    _ if decoded => Ok(()),
                    Some(coefficients) => transform_all(&segments, frame, orient, coefficients, sink),
                    None => Err(Problem::damaged("there is no scan")),
                };
            }
        };
        let frame = segments.frame.as_ref().ok_or(Problem::damaged("there is no frame"))?;
        if decoded {
            // One scan was everything; what follows it is not part of the photo.
            continue;
        }
        let all = scan.components.iter().map(|component| component.0);
        if !frame.progressive && coefficients.is_none() && all.eq(0..frame.components.len()) {
            segments.at = decode_and_transform(bytes, &segments, frame, orient, scan, sink)?;
            decoded = true;
        } else {
            let coefficients = match &mut coefficients {
                Some(coefficients) => coefficients,
                none => none.insert(no_coefficients(frame)?),
            };
            segments.at = decode_scan(bytes, &segments, frame, scan, coefficients)?;
        }
    }
    Err(Problem::damaged("there are too many scans"))
}

/// Room for the coefficients of all components, by component, then row by row of blocks.
fn no_coefficients(frame: &Frame) -> Result<Vec<Vec<Block>>, Problem> {
    frame.components.iter().map(|c| filled(c.blocks_across, c.blocks_down, 1, [0; 64])).collect()
}

/// Decodes one of several scans into coefficients; returns where it ends.
fn decode_scan(
    bytes: &[u8],
    segments: &Segments<'_>,
    frame: &Frame,
    scan: Scan,
    coefficients: &mut [Vec<Block>],
) -> Result<usize, Problem> {
    let indices: Vec<usize> = scan.components.iter().map(|component| component.0).collect();
    let mut reader = ScanReader::new(bytes, segments, scan);
    let mut read = |reader: &mut ScanReader<'_, '_>, part: usize, row: usize, column: usize| {
        let across = frame.components[indices[part]].blocks_across;
        let block = &mut coefficients[indices[part]][row * across + column];
        if frame.progressive { reader.progressive(part, block) } else { reader.sequential(part, block).map(|_| ()) }
    };
    if let &[index] = indices.as_slice() {
        // A scan of one component has its blocks alone, without those that fill up the last units.
        let component = &frame.components[index];
        for row in 0..component.height.div_ceil(8) {
            for column in 0..component.width.div_ceil(8) {
                reader.unit()?;
                read(&mut reader, 0, row, column)?;
            }
            reader.check()?;
        }
    } else {
        for row in 0..frame.units_down {
            for column in 0..frame.units_across {
                reader.unit()?;
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

/// Decodes the only scan, transforming each block at once; returns where the scan ends.
fn decode_and_transform(
    bytes: &[u8],
    segments: &Segments<'_>,
    frame: &Frame,
    orient: bool,
    scan: Scan,
    sink: &mut dyn Sink,
) -> Result<usize, Problem> {
    let tables = quantisation(segments, frame)?;
    let mut reader = ScanReader::new(bytes, segments, scan);
    assemble(segments, frame, orient, sink, |_, planes| {
        for column in 0..frame.units_across {
            reader.unit()?;
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

/// Transforms the coefficients of all scans to pixels.
fn transform_all(
    segments: &Segments<'_>,
    frame: &Frame,
    orient: bool,
    coefficients: &[Vec<Block>],
    sink: &mut dyn Sink,
) -> Result<(), Problem> {
    let tables = quantisation(segments, frame)?;
    assemble(segments, frame, orient, sink, |row, planes| {
        for (part, component) in frame.components.iter().enumerate() {
            let stride = component.blocks_across * 8;
            for line in 0..component.v {
                let first = (row * component.v + line) * component.blocks_across;
                let blocks = &coefficients[part][first..first + component.blocks_across];
                for (i, block) in blocks.iter().enumerate() {
                    // Blocks without detail are common, and cheap to find.
                    let last = if block[1..] == [0; 63] { 0 } else { 63 };
                    let out = &mut planes[part][line * 8 * stride + i * 8..];
                    idct::block(block, tables[part], last, out, stride);
                }
            }
        }
        Ok(())
    })
}

/// The quantisation table of each component.
fn quantisation<'s>(segments: &'s Segments<'_>, frame: &Frame) -> Result<Vec<&'s [u16; 64]>, Problem> {
    let tables = segments.latched.iter().take(frame.components.len());
    tables.map(|table| table.as_ref().ok_or(Problem::damaged("a component is not there"))).collect()
}

/// Turns rows of units into rows of a photo.
///
/// `fill` writes the samples of a row of units into one plane for each component. Pixels lag one row of units
/// behind, because the interpolation of chroma looks one row of samples up and down; no more of the samples
/// than that is kept.
fn assemble(
    segments: &Segments<'_>,
    frame: &Frame,
    orient: bool,
    sink: &mut dyn Sink,
    mut fill: impl FnMut(usize, &mut [Vec<u8>]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let space = match segments.space {
        Some(space) if space.components() == frame.components.len() => space,
        Some(_) => return Err(Problem::damaged("it has other components than announced")),
        None => ColourSpace::of(&frame.components, segments.jfif, segments.adobe),
    };
    let orientation = match orient {
        true => exif::orientation(exif::tag(&segments.exif), segments.xmp),
        false => Orientation::Upright,
    };
    sink.begin(frame.width, frame.height, orientation)?;
    let planes =
        || -> Vec<Vec<u8>> { frame.components.iter().map(|c| vec![0; c.blocks_across * 8 * c.v * 8]).collect() };
    let (mut before, mut now) = (planes(), planes());
    // The last row of samples before those.
    let mut above: Vec<Vec<u8>> = frame.components.iter().map(|c| vec![0; c.blocks_across * 8]).collect();
    let mut rows: Vec<Vec<u8>> = vec![vec![0; frame.units_across * frame.h_max * 8]; frame.components.len()];

    for row in 0..=frame.units_down {
        for (above, now) in above.iter_mut().zip(&now) {
            let last = now.len() - above.len();
            above.copy_from_slice(&now[last..]);
        }
        if row < frame.units_down {
            fill(row, &mut now)?;
        }
        if row > 0 {
            let samples = Samples { above: &above, before: &before, now: &now };
            let first = (row - 1) * frame.v_max * 8;
            let count = (frame.height - first).min(frame.v_max * 8);
            emit(frame, space, row - 1, &samples, &mut rows, sink.room(count));
            sink.written();
        }
        std::mem::swap(&mut before, &mut now);
    }
    Ok(())
}

/// The samples that a row of units needs, by component.
struct Samples<'a> {
    /// The last row before it.
    above: &'a [Vec<u8>],
    /// Its own.
    before: &'a [Vec<u8>],
    /// Those of the next row of units, if there is one.
    now: &'a [Vec<u8>],
}

/// Writes the pixels of a row of units to `out`.
fn emit(
    frame: &Frame,
    space: ColourSpace,
    unit_row: usize,
    samples: &Samples<'_>,
    rows: &mut [Vec<u8>],
    out: &mut [u8],
) {
    for (y, pixels) in (unit_row * frame.v_max * 8..).zip(out.chunks_exact_mut(frame.width * 3)) {
        for (i, component) in frame.components.iter().enumerate() {
            let stride = component.blocks_across * 8;
            let start = unit_row * component.v * 8;
            let line = |row: usize| {
                let plane = match row.checked_sub(start) {
                    None => &samples.above[i][..],
                    Some(row) if row < component.v * 8 => &samples.before[i][row * stride..],
                    Some(_) => &samples.now[i][..],
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
