//! Chroma from luma (section 7.11.5): what luma varies around its average, scaled and added to the average of chroma.

use super::super::plane::Plane;

/// What [`cfl`] predicts: one transform block of a chroma plane that [`super::intra`] has filled with [`super::Mode::Dc`].
#[derive(Clone, Copy, Debug)]
pub struct Cfl {
    /// Position in samples of the chroma plane.
    pub x: usize,
    pub y: usize,
    /// Sides, 2 to 5.
    pub log2_width: u32,
    pub log2_height: u32,
    /// `CflAlphaU` or `CflAlphaV`.
    pub alpha: i32,
    /// Shifts of chroma against luma, across and down.
    pub shifts: [u32; 2],
    /// Where decoded luma ends (`MaxLumaW`, `MaxLumaH`).
    pub luma_end: [usize; 2],
    pub bits: u32,
}

/// The side of the largest block.
const MAX: usize = 32;

/// Adds the scaled differences of luma to a predicted block of chroma.
pub fn cfl(luma: &Plane, chroma: &mut Plane, block: &Cfl) {
    let [width, height] = [block.log2_width, block.log2_height].map(|side| 1usize << side.min(6));
    if width > MAX || height > MAX || !chroma.holds(block.x, block.y, width, height) {
        return;
    }
    // Luma in eighths of a level.
    let mut eighths = [[0i16; MAX]; MAX];
    let [across, down] = block.shifts.map(|shift| shift.min(1));
    let last = [0, 1].map(|side| (block.luma_end[side] >> block.shifts[side].min(1)).saturating_sub(1));
    let mut sum = 0u32;
    for (y, eighths) in eighths.iter_mut().enumerate().take(height) {
        let y = (block.y + y).min(last[1]) << down;
        let eighths = &mut eighths[..width];
        average_row(luma, [block.x << across, y], [across, down], eighths);
        let inside = (last[0] + 1).saturating_sub(block.x).clamp(1, width);
        let edge = eighths[inside - 1];
        eighths[inside..].fill(edge);
        sum += eighths.iter().map(|&value| u32::from(value as u16)).sum::<u32>();
    }
    let bits = block.log2_width + block.log2_height;
    let average = ((sum + (1 << (bits - 1))) >> bits) as i32;
    let high = (1 << block.bits) - 1;
    for (y, eighths) in eighths.iter().enumerate().take(height) {
        let row = &mut chroma.row_mut(block.y + y)[block.x..block.x + width];
        for (sample, &luma) in row.iter_mut().zip(eighths) {
            let scaled = block.alpha.wrapping_mul(i32::from(luma) - average);
            // Halves are rounded away from zero.
            let size = scaled.wrapping_abs().wrapping_add(32) >> 6;
            let scaled = if scaled < 0 { -size } else { size };
            *sample = i32::from(*sample).wrapping_add(scaled).clamp(0, high) as u16;
        }
    }
}

/// A row of luma at the resolution of chroma, in eighths; samples beyond the plane are left as they are.
fn average_row(luma: &Plane, [x, y]: [usize; 2], shifts: [u32; 2], eighths: &mut [i16]) {
    let row = luma.row(y).get(x..).unwrap_or_default();
    match shifts {
        [0, 0] => {
            for (to, &sample) in eighths.iter_mut().zip(row) {
                *to = (sample << 3) as i16;
            }
        }
        [0, _] => {
            let below = luma.row(y + 1).get(x..).unwrap_or_default();
            for (to, (&upper, &lower)) in eighths.iter_mut().zip(row.iter().zip(below)) {
                *to = (upper.wrapping_add(lower) << 2) as i16;
            }
        }
        [_, 0] => {
            for (to, pair) in eighths.iter_mut().zip(row.chunks_exact(2)) {
                *to = (pair[0].wrapping_add(pair[1]) << 2) as i16;
            }
        }
        _ => {
            let below = luma.row(y + 1).get(x..).unwrap_or_default();
            let pairs = row.chunks_exact(2).zip(below.chunks_exact(2));
            for (to, (upper, lower)) in eighths.iter_mut().zip(pairs) {
                let sum = [upper[1], lower[0], lower[1]].into_iter().fold(upper[0], u16::wrapping_add);
                *to = (sum << 1) as i16;
            }
        }
    }
}
