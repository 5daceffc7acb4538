//! Loop restoration (section 7.17): Wiener filters and self-guided filters, chosen for each unit of a plane.
//!
//! A plane is restored by stripes of 64 luma rows, the first of which is eight rows shorter. Above and below a stripe, filters see
//! two rows of the deblocked frame, and not of the enhanced one.

use super::super::plane::{Frame, Plane};
use super::self_guided::{SelfGuided, self_guided};
use super::wiener::{Wiener, wiener};

/// The filter of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// `RESTORE_NONE`.
    #[default]
    None,
    /// `RESTORE_WIENER`: `LrWiener`, three coefficients of each direction.
    Wiener { vertical: [i8; 3], horizontal: [i8; 3] },
    /// `RESTORE_SGRPROJ`: `LrSgrSet`, 0 to 15, and `LrSgrXqd`.
    SelfGuided { set: u8, weights: [i16; 2] },
}

/// The units of a plane.
#[derive(Clone, Debug)]
pub struct Units {
    /// `LoopRestorationSize`: the side of a unit in samples of this plane, 32 to 256.
    pub size: usize,
    /// Row by row; [`units_across`] of the plane's width in each row, and as many rows as it tells of the height.
    pub units: Vec<Unit>,
}

/// Units along a side of so many samples (`count_units_in_frame`): the last is up to half as large again.
pub fn units_across(size: usize, samples: usize) -> usize {
    ((samples + (size >> 1)) / size.max(1)).max(1)
}

/// Rows and columns around a block that filters see.
pub const MARGIN: usize = 3;

/// The sides of the blocks that are filtered at once: a stripe's height, and as many columns.
pub const BLOCK: usize = 64;

/// Rows by which the first stripe is shorter, in luma.
const OFFSET: usize = 8;

/// A block and what surrounds it. Columns and rows beyond the block's own size hold anything.
pub type Window = [[u16; BLOCK + 2 * MARGIN]; BLOCK + 2 * MARGIN];

/// A part of a plane: position and sides.
#[derive(Clone, Copy)]
pub struct Area {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

/// Memory of the filters, which is kept from block to block.
struct Scratch {
    window: Window,
    wiener: Wiener,
    self_guided: SelfGuided,
}

/// Restores a frame. `deblocked` is what came before CDEF, and `enhanced` what came after; both are upscaled. The result is in
/// `deblocked`. A plane without units (`FrameRestorationType` is `RESTORE_NONE`) becomes that of `enhanced`.
pub fn restore(deblocked: &mut Frame, enhanced: &Frame, units: &[Option<Units>; 3]) {
    let mut scratch = Box::new(Scratch {
        window: [[0; BLOCK + 2 * MARGIN]; BLOCK + 2 * MARGIN],
        wiener: Wiener::new(),
        self_guided: SelfGuided::new(),
    });
    let down = u32::from(deblocked.subsampling[1]);
    let bits = deblocked.bits;
    for (index, (plane, enhanced)) in deblocked.planes.iter_mut().zip(&enhanced.planes).enumerate() {
        match &units[index.min(2)] {
            Some(units) if plane.samples.len() == enhanced.samples.len() => {
                restore_plane(plane, enhanced, units, if index == 0 { 0 } else { down }, bits, &mut scratch);
            }
            _ => plane.clone_from(enhanced),
        }
    }
}

fn restore_plane(plane: &mut Plane, enhanced: &Plane, units: &Units, shift: u32, bits: u32, scratch: &mut Scratch) {
    let (width, height) = (plane.width, plane.height);
    let [across, down] = [width, height].map(|side| units_across(units.size, side));
    let mut above = [vec![], vec![]];
    let mut start = 0;
    while start < height {
        let end = (start + (BLOCK >> shift) - if start == 0 { OFFSET >> shift } else { 0 }).min(height);
        // The last rows of this stripe before they are restored; the next stripe sees them.
        let below = [2, 1].map(|back| plane.row(end.saturating_sub(back).max(start)).to_vec());
        let unit_row = ((start + (OFFSET >> shift)) / units.size.max(1)).min(down - 1);
        let mut column = 0;
        for unit_column in 0..across {
            let last = if unit_column + 1 == across { width } else { (column + units.size).min(width) };
            let unit = units.units.get(unit_row * across + unit_column).copied().unwrap_or_default();
            for x in (column..last).step_by(BLOCK) {
                let area = Area { x, y: start, width: BLOCK.min(last - x), height: end - start };
                if unit != Unit::None {
                    fill(&mut scratch.window, plane, enhanced, &above, area);
                }
                match unit {
                    Unit::None => copy(plane, enhanced, area),
                    Unit::Wiener { vertical, horizontal } => {
                        wiener(&scratch.window, plane, area, [vertical, horizontal], bits, &mut scratch.wiener);
                    }
                    Unit::SelfGuided { set, weights } => {
                        self_guided(&scratch.window, plane, area, set, weights, bits, &mut scratch.self_guided);
                    }
                }
            }
            column = last;
        }
        above = below;
        start = end;
    }
}

fn copy(plane: &mut Plane, enhanced: &Plane, area: Area) {
    for y in area.y..area.y + area.height {
        let columns = area.x..area.x + area.width;
        plane.row_mut(y)[columns.clone()].copy_from_slice(&enhanced.row(y)[columns]);
    }
}

/// Gathers a block and what surrounds it (section 7.17.6). `above` holds the two deblocked rows above the stripe; in `plane`, rows
/// from the stripe's end on are still deblocked.
fn fill(window: &mut Window, plane: &Plane, enhanced: &Plane, above: &[Vec<u16>; 2], area: Area) {
    let (width, height) = (plane.width, plane.height);
    let end = area.y + area.height;
    for (to, i) in window.iter_mut().zip(0..area.height + 2 * MARGIN) {
        let row = if i < MARGIN && area.y > 0 {
            &above[i.saturating_sub(1)][..]
        } else {
            // Beyond the picture, its last row is repeated; it may be one of the stripe.
            let y = (area.y + i).saturating_sub(MARGIN).min(height - 1);
            if y < end { enhanced.row(y) } else { plane.row(y.min(end + 1)) }
        };
        let Some(row) = row.get(..width) else { continue };
        let left = MARGIN.saturating_sub(area.x);
        let used = area.width + 2 * MARGIN;
        let from = area.x + left - MARGIN;
        let inside = used.min(width - from + left);
        to[left..inside].copy_from_slice(&row[from..from + inside - left]);
        to[..left].fill(row[0]);
        to[inside..used].fill(row[width - 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::self_guided::tests::reference as self_guided_reference;
    use super::super::wiener::tests::reference as wiener_reference;
    use super::*;

    fn noise(frame: &mut Frame, state: &mut u32) {
        for plane in &mut frame.planes {
            let stride = plane.stride;
            for (i, sample) in plane.samples.iter_mut().enumerate() {
                *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let ramp = (i % stride * 2 + i / stride) as u32 & 127;
                *sample = ((ramp + (*state >> 25)) << (frame.bits - 8)) as u16;
            }
        }
    }

    /// Every sample of a plane by the specification's process.
    fn reference(deblocked: &Plane, enhanced: &Plane, units: &Units, shift: u32, bits: u32) -> Plane {
        let mut restored = enhanced.clone();
        let end = [deblocked.width as isize - 1, deblocked.height as isize - 1];
        let across = units_across(units.size, deblocked.width);
        let down = units_across(units.size, deblocked.height);
        for y in 0..deblocked.height {
            for x in 0..deblocked.width {
                let luma = (y << shift) & !3;
                let stripe = (luma as isize + 8) / 64;
                let first = (-8 + stripe * 64) >> shift;
                let last = first + (64 >> shift) - 1;
                let row = (((luma + 8) >> shift) / units.size).min(down - 1);
                let column = (x / units.size).min(across - 1);
                let source = |dx: isize, dy: isize| -> i32 {
                    let sx = (x as isize + dx).clamp(0, end[0]) as usize;
                    let sy = (y as isize + dy).clamp(0, end[1]);
                    i32::from(if sy < first {
                        deblocked.get(sx, sy.max(first - 2) as usize)
                    } else if sy > last {
                        deblocked.get(sx, sy.min(last + 2) as usize)
                    } else {
                        enhanced.get(sx, sy as usize)
                    })
                };
                let value = match units.units[row * across + column] {
                    Unit::None => continue,
                    Unit::Wiener { vertical, horizontal } => wiener_reference(&source, vertical, horizontal, bits),
                    Unit::SelfGuided { set, weights } => {
                        self_guided_reference(&source, y & 1 == 1, usize::from(set), weights, bits)
                    }
                };
                restored.row_mut(y)[x] = value as u16;
            }
        }
        restored
    }

    #[test]
    fn planes_equal_the_process_sample_by_sample() {
        let mut state = 17;
        let kinds = [
            Unit::Wiener { vertical: [3, -7, 15], horizontal: [-5, 8, 46] },
            Unit::SelfGuided { set: 3, weights: [-32, 31] },
            Unit::None,
            Unit::SelfGuided { set: 12, weights: [0, 95] },
            Unit::SelfGuided { set: 15, weights: [31, 90] },
            Unit::Wiener { vertical: [0, 10, -23], horizontal: [10, -23, -17] },
        ];
        for (bits, width, height, subsampling) in
            [(8, 150, 139, [true, true]), (10, 100, 70, [false; 2]), (12, 67, 122, [true, false])]
        {
            let mut deblocked = Frame::new(width, height, bits, false, subsampling).unwrap();
            noise(&mut deblocked, &mut state);
            let mut enhanced = deblocked.clone();
            noise(&mut enhanced, &mut state);
            let units: [Option<Units>; 3] = std::array::from_fn(|plane| {
                let size = if plane > 0 && subsampling[1] { 32 } else { 64 };
                let [width, height] = [deblocked.planes[plane].width, deblocked.planes[plane].height];
                let count = units_across(size, width) * units_across(size, height);
                let units = (0..count).map(|i| kinds[(i + plane) % kinds.len()]).collect();
                (plane != 2).then_some(Units { size, units })
            });
            let mut restored = deblocked.clone();
            restore(&mut restored, &enhanced, &units);
            for plane in 0..2 {
                let shift = if plane == 0 { 0 } else { u32::from(subsampling[1]) };
                let units = units[plane].as_ref().unwrap();
                let exact = reference(&deblocked.planes[plane], &enhanced.planes[plane], units, shift, bits);
                for y in 0..exact.height {
                    let width = exact.width;
                    assert_eq!(restored.planes[plane].row(y)[..width], exact.row(y)[..width], "{bits} {plane} {y}");
                }
            }
            assert_eq!(restored.planes[2].samples, enhanced.planes[2].samples);
        }
    }

    #[test]
    fn the_last_unit_is_larger() {
        let counts = [1, 31, 63, 95, 96, 159, 160].map(|samples| units_across(64, samples));
        assert_eq!(counts, [1, 1, 1, 1, 2, 2, 3]);
        assert_eq!(units_across(0, 5), 5);
    }
}
