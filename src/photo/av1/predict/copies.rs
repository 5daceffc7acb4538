//! Blocks of few colours (section 7.11.4), and blocks that repeat an earlier part of the frame (section 7.11.3, of which copies
//! need whole and half samples alone).

use super::super::plane::Plane;

/// Paints a block of `size` (width, height) at `at` with the colours of a palette. `indices` has a row of `stride` for each row
/// of samples; the first is that of the block's corner. An index beyond the palette paints zero.
pub fn palette(plane: &mut Plane, at: [usize; 2], size: [usize; 2], colours: &[u16], indices: &[u8], stride: usize) {
    if !plane.holds(at[0], at[1], size[0], size[1]) {
        return;
    }
    let mut table = [0u16; 256];
    table.iter_mut().zip(colours).for_each(|(to, &colour)| *to = colour);
    for (indices, y) in indices.chunks(stride.max(1)).take(size[1]).zip(at[1]..) {
        let row = &mut plane.row_mut(y)[at[0]..at[0] + size[0]];
        row.iter_mut().zip(indices).for_each(|(to, &index)| *to = table[usize::from(index)]);
    }
}

/// What [`copy`] predicts: a block of one plane with one motion vector (`use_intrabc`).
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    /// Position and sides in samples of the plane, 128 at most. What lies outside of the plane is left out.
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
    /// The motion vector in eighths of a luma sample: `mv[0]` (down), `mv[1]` (across); whole samples of luma.
    pub mv: [i32; 2],
    /// Shifts of this plane against luma, across and down.
    pub shifts: [u32; 2],
    /// Samples across and down that hold decoded blocks: `lastX + 1` and `lastY + 1` of section 7.11.3.4.
    pub limits: [usize; 2],
}

/// The side of the largest block.
const MAX: usize = 128;

/// Copies a block of the same plane; chroma may lie between samples, which are then averaged.
///
/// The bilinear filter of the specification has even taps, so that an average of two or four samples, rounded once, equals its two
/// passes at any depth.
pub fn copy(plane: &mut Plane, block: &Copy) {
    let (Some(width), Some(height)) = (plane.stride.checked_sub(block.x), plane.rows().checked_sub(block.y)) else {
        return;
    };
    let [width, height] = [block.width.min(width).min(MAX), block.height.min(height).min(MAX)];
    let [x, half_across] = source(block.x, block.mv[1], block.shifts[0]);
    let [y, half_down] = source(block.y, block.mv[0], block.shifts[1]);
    let limit = [block.limits[0].min(plane.stride), block.limits[1].min(plane.rows())];
    for row in 0..height {
        let mut upper = [0u16; MAX + 1];
        let mut lower = [0u16; MAX + 1];
        let used = width + 1;
        fetch(plane, x, y + row as i64, limit, &mut upper[..used]);
        if half_down == 1 {
            fetch(plane, x, y + row as i64 + 1, limit, &mut lower[..used]);
        }
        let to = &mut plane.row_mut(block.y + row)[block.x..block.x + width];
        let samples = upper.windows(2).zip(lower.windows(2));
        for (to, (upper, lower)) in to.iter_mut().zip(samples) {
            let [a, b, c, d] = [upper[0], upper[1], lower[0], lower[1]].map(u32::from);
            let average = match (half_across, half_down) {
                (0, 0) => a,
                (0, _) => (a + c + 1) >> 1,
                (_, 0) => (a + b + 1) >> 1,
                _ => (a + b + c + d + 2) >> 2,
            };
            *to = average as u16;
        }
    }
}

/// The whole sample where a block is copied from, and whether it is half a sample further.
fn source(position: usize, mv: i32, shift: u32) -> [i64; 2] {
    let halves = i64::from(mv) >> (2 + shift.min(1));
    [position as i64 + (halves >> 1), halves & 1]
}

/// Fetches a row of samples; those beyond the decoded blocks repeat the last.
fn fetch(plane: &Plane, x: i64, y: i64, limit: [usize; 2], to: &mut [u16]) {
    let row = plane.row(y.clamp(0, (limit[1] as i64 - 1).max(0)) as usize);
    let row = row.get(..limit[0]).unwrap_or(row);
    let (Some(&first), Some(&last)) = (row.first(), row.last()) else { return };
    if let Some(samples) = usize::try_from(x).ok().and_then(|x| row.get(x..x.checked_add(to.len())?)) {
        return to.copy_from_slice(samples);
    }
    for (to, x) in to.iter_mut().zip(x..) {
        *to = if x < 0 { first } else { row.get(x as usize).copied().unwrap_or(last) };
    }
}
