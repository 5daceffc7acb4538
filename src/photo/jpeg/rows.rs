//! From the samples of components to rows of pixels.

use super::super::decode_error::{DecodeError, try_filled};
use super::ahead::{Planes, planes};
use super::colour::{ColourSpace, Upsampling};
use super::frame::Frame;
use super::segments::Segments;
use crate::budget::Budget;
use crate::kernels::Isa;
use crate::pixels::{Orientation, RowSink};

/// Units of work for the transform of a block, and for the conversion of its samples to pixels.
const TRANSFORM: u64 = 64;

/// Converts rows of MCUs to rows of pixels and delivers them.
///
/// `fill` writes the samples of a row of MCUs into one plane for each component. Pixels lag one row of MCUs behind,
/// because the interpolation of chroma needs one row of samples above and below; no other samples are kept here.
pub(super) fn assemble(
    isa: Isa,
    segments: &Segments<'_>,
    frame: &Frame,
    orient: bool,
    budget: &Budget,
    sink: &mut dyn RowSink,
    mut fill: impl FnMut(usize, &mut Planes) -> Result<(), DecodeError>,
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
    let (width, height) = frame.decoded_size();
    sink.begin(width, height, orientation)?;
    let plane = |across: usize, rows: usize| try_filled(across, rows, 1, 0u8);
    let (mut current, mut next) = (planes(frame)?, planes(frame)?);
    // The last row of samples above `current`.
    let mut above: Planes = Vec::new();
    let mut rows: Vec<Vec<u8>> = Vec::new();
    for component in &frame.components {
        above.push(plane(component.blocks_across * component.side, 1)?);
        rows.push(plane(frame.mcus_across * frame.h_max * 8 / frame.reduction, 1)?);
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
            let first = (row - 1) * frame.rows();
            let count = height.saturating_sub(first).min(frame.rows());
            emit(isa, frame, space, row - 1, &samples, &mut rows, sink.rows_mut(count));
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
    isa: Isa,
    frame: &Frame,
    space: ColourSpace,
    mcu_row: usize,
    samples: &Samples<'_>,
    rows: &mut [Vec<u8>],
    out: &mut [u8],
) {
    let width = frame.decoded_size().0;
    for (y, pixels) in (mcu_row * frame.rows()..).zip(out.chunks_exact_mut(width * 3)) {
        let mut upsampled: [&[u8]; 4] = [&[]; 4];
        for (((i, component), out), row) in (0..).zip(&frame.components).zip(&mut upsampled).zip(&mut *rows) {
            let stride = component.blocks_across * component.side;
            let start = mcu_row * component.v * component.side;
            let (across, down) = frame.samples(component);
            let line = |row: usize| {
                let plane = match row.checked_sub(start) {
                    None => &samples.above[i][..],
                    Some(row) if row < component.v * component.side => &samples.current[i][row * stride..],
                    Some(_) => &samples.next[i][..],
                };
                &plane[..across]
            };
            let upsampling = Upsampling::of(component, frame);
            let (near, far) = upsampling.rows(y, down);
            *out = upsampling.upsample(isa, y, line(near), line(far), row);
        }
        space.convert(isa, &upsampled[..frame.components.len()], pixels);
    }
}
