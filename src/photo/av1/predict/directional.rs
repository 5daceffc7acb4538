//! Prediction along a direction (section 7.11.2.4).

use super::super::plane::Plane;
use super::edges::{Edge, edges, strength, upsamples};
use super::{Intra, Mode, rows};

/// Sixty-fourths of a sample for each row or column, by the angle in degrees (`Dr_Intra_Derivative`).
const DERIVATIVES: [i32; 90] = [
    0, 0, 0, 1023, 0, 0, 547, 0, 0, 372, 0, 0, 0, 0, 273, 0, 0, 215, 0, 0, 178, 0, 0, 151, 0, 0, 132, 0, 0, 116, 0, 0,
    102, 0, 0, 0, 90, 0, 0, 80, 0, 0, 71, 0, 0, 64, 0, 0, 57, 0, 0, 51, 0, 0, 45, 0, 0, 0, 40, 0, 0, 35, 0, 0, 31, 0,
    0, 27, 0, 0, 23, 0, 0, 19, 0, 0, 15, 0, 0, 0, 0, 11, 0, 0, 7, 0, 0, 3, 0, 0,
];

/// Degrees of a step of `angle_delta`.
const ANGLE_STEP: i32 = 3;

/// The angle of a mode without its delta; `None` if it has no direction.
pub fn base_angle(mode: Mode) -> Option<i32> {
    Some(match mode {
        Mode::Vertical => 90,
        Mode::Horizontal => 180,
        Mode::D45 => 45,
        Mode::D135 => 135,
        Mode::D113 => 113,
        Mode::D157 => 157,
        Mode::D203 => 203,
        Mode::D67 => 67,
        _ => return None,
    })
}

fn derivative(angle: i32) -> i32 {
    usize::try_from(angle).ok().and_then(|angle| DERIVATIVES.get(angle)).copied().unwrap_or(0)
}

/// Between two samples, `shift` thirty-seconds from the first to the second.
#[inline(always)]
fn between(first: u16, second: u16, shift: u32) -> u16 {
    ((u32::from(first) * (32 - shift) + u32::from(second) * shift + 16) >> 5) as u16
}

/// Predicts a block along `base` degrees and its delta.
pub fn directional(plane: &mut Plane, block: &Intra, base: i32) {
    let [width, height] = [1usize << block.log2_width, 1usize << block.log2_height];
    let angle = base + block.angle_delta.clamp(-3, 3) * ANGLE_STEP;
    // What lies beyond the block is used by steep directions alone.
    let across = width + if angle < 90 { height } else { 0 };
    let down = height + if angle > 180 { width } else { 0 };
    let [mut above, mut left] = edges(plane, block, across, down);
    let mut doubled = [false; 2];
    if block.edge_filter && angle != 90 && angle != 180 {
        let sides = width + height;
        if angle > 90 && angle < 180 && sides >= 24 {
            let corner = (5 * (left.at(0) + above.at(0)) + 6 * above.at(-1) + 8) >> 4;
            above.set_corner(corner);
            left.set_corner(corner);
        }
        let smooth = block.smooth_neighbours;
        if block.have_above && angle < 180 {
            let size = width.min(block.limits[0].saturating_sub(block.x)) + across - width + 1;
            above.smooth(size, strength(sides, smooth, angle - 90));
        }
        if block.have_left && angle > 90 {
            let size = height.min(block.limits[1].saturating_sub(block.y)) + down - height + 1;
            left.smooth(size, strength(sides, smooth, angle - 180));
        }
        doubled = [90, 180].map(|normal| upsamples(sides, smooth, angle - normal));
        if doubled[0] {
            above.upsample(across, block.bits);
        }
        if doubled[1] {
            left.upsample(down, block.bits);
        }
    }
    match angle {
        90 => rows(plane, block, |_, row| row.copy_from_slice(&above.block()[..width])),
        180 => rows(plane, block, |y, row| row.fill(left.block()[y])),
        ..90 => {
            let step = derivative(angle);
            rows(plane, block, |y, row| ahead(&above, y, row, step, doubled[0], width + height));
        }
        91..180 => {
            let steps = [derivative(180 - angle), derivative(angle - 90)];
            rows(plane, block, |y, row| across_corner([&above, &left], y, row, steps, doubled));
        }
        _ => {
            let step = derivative(270 - angle);
            match width.max(height) {
                4 | 8 => from_left::<8>(plane, block, &left, step, doubled[1]),
                16 => from_left::<16>(plane, block, &left, step, doubled[1]),
                _ => from_left::<64>(plane, block, &left, step, doubled[1]),
            }
        }
    }
}

/// Predicts a block of up to `N` x `N` from the left alone: as from above, with rows and columns exchanged.
fn from_left<const N: usize>(plane: &mut Plane, block: &Intra, left: &Edge, step: i32, doubled: bool) {
    let [width, height] = [1usize << block.log2_width, 1usize << block.log2_height];
    let mut columns = [[0; N]; N];
    for (x, column) in columns.iter_mut().enumerate().take(width) {
        ahead(left, x, &mut column[..height], step, doubled, usize::MAX);
    }
    rows(plane, block, |y, row| {
        for (to, column) in row.iter_mut().zip(&columns) {
            *to = column[y & (N - 1)];
        }
    });
}

/// A line at distance `line` from an edge, predicted from samples further along it. From sample `len - 1` on the edge is flat.
fn ahead(edge: &Edge, line: usize, out: &mut [u16], step: i32, doubled: bool, len: usize) {
    let up = u32::from(doubled);
    let index = (line as i32 + 1) * step;
    let base = (index >> (6 - up)) as usize;
    let shift = (((index << up) >> 1) & 31) as u32;
    let flat = len.saturating_sub(1) << up;
    let inside = flat.saturating_sub(base).div_ceil(1 << up).min(out.len());
    let (sloped, rest) = out.split_at_mut(inside);
    let samples = edge.block().get(base..).unwrap_or_default();
    if doubled {
        for (to, pair) in sloped.iter_mut().zip(samples.windows(2).step_by(2)) {
            *to = between(pair[0], pair[1], shift);
        }
    } else {
        for (to, (&first, &second)) in sloped.iter_mut().zip(samples.iter().zip(samples.iter().skip(1))) {
            *to = between(first, second, shift);
        }
    }
    if !rest.is_empty() {
        rest.fill(edge.block().get(flat).copied().unwrap_or(0));
    }
}

/// A row between both edges: its right part comes from above, its left part from the left.
fn across_corner([above, left]: [&Edge; 2], y: usize, row: &mut [u16], steps: [i32; 2], doubled: [bool; 2]) {
    let up = doubled.map(u32::from);
    let index = -(y as i32 + 1) * steps[0];
    let base = index >> (6 - up[0]);
    let shift = (((index << up[0]) >> 1) & 31) as u32;
    // The first column whose base, `base + (x << up)`, is at or right of the corner: -1, or -2 of doubled samples.
    let corner = -(1 << up[0]);
    let first = ((corner - base).max(0) as usize).div_ceil(1 << up[0]).min(row.len());
    let (from_left, from_above) = row.split_at_mut(first);
    let samples = above.from(base as isize + ((first as isize) << up[0]));
    if doubled[0] {
        for (to, pair) in from_above.iter_mut().zip(samples.windows(2).step_by(2)) {
            *to = between(pair[0], pair[1], shift);
        }
    } else {
        for (to, (&first, &second)) in from_above.iter_mut().zip(samples.iter().zip(samples.iter().skip(1))) {
            *to = between(first, second, shift);
        }
    }
    let mut index = (y as i32) << 6;
    for to in from_left {
        index -= steps[1];
        let base = index >> (6 - up[1]);
        let shift = (((index << up[1]) >> 1) & 31) as u32;
        if let [first, second, ..] = *left.from(base as isize) {
            *to = between(first, second, shift);
        }
    }
}
