//! Prediction without a direction: averages (section 7.11.2.5), smooth slopes (7.11.2.6), the nearest of three neighbours
//! (7.11.2.2), and the recursive filter (7.11.2.3).

use super::super::plane::Plane;
use super::edges::edges;
use super::{Intra, Mode, rows};

/// Weights of the near edge, of 256, by distance: for 4, 8, 16, 32 and 64 samples one after the other (`Sm_Weights_Tx_4x4` and
/// others).
const SMOOTH_WEIGHTS: [u8; 124] = [
    255, 149, 85, 64, //
    255, 197, 146, 105, 73, 50, 37, 32, //
    255, 225, 196, 170, 145, 123, 102, 84, 68, 54, 43, 33, 26, 20, 17, 16, //
    255, 240, 225, 210, 196, 182, 169, 157, 145, 133, 122, 111, 101, 92, 83, 74, 66, 59, 52, 45, 39, 34, 29, 25, 21,
    17, 14, 12, 10, 9, 8, 8, //
    255, 248, 240, 233, 225, 218, 210, 203, 196, 189, 182, 176, 169, 163, 156, 150, 144, 138, 133, 127, 121, 116, 111,
    106, 101, 96, 91, 86, 82, 77, 73, 69, 65, 61, 57, 54, 50, 47, 44, 41, 38, 35, 32, 29, 27, 25, 22, 20, 18, 16, 15,
    13, 12, 10, 9, 8, 7, 6, 6, 5, 5, 4, 4, 4,
];

fn smooth_weights(len: usize) -> &'static [u8] {
    SMOOTH_WEIGHTS.get(len - 4..2 * len - 4).unwrap_or_default()
}

/// Taps of the recursive filter by mode and sample of a 4 x 2 block (`Intra_Filter_Taps`): corner, four samples above, two to the
/// left.
const FILTER_TAPS: [[[i8; 7]; 8]; 5] = [
    [
        [-6, 10, 0, 0, 0, 12, 0],
        [-5, 2, 10, 0, 0, 9, 0],
        [-3, 1, 1, 10, 0, 7, 0],
        [-3, 1, 1, 2, 10, 5, 0],
        [-4, 6, 0, 0, 0, 2, 12],
        [-3, 2, 6, 0, 0, 2, 9],
        [-3, 2, 2, 6, 0, 2, 7],
        [-3, 1, 2, 2, 6, 3, 5],
    ],
    [
        [-10, 16, 0, 0, 0, 10, 0],
        [-6, 0, 16, 0, 0, 6, 0],
        [-4, 0, 0, 16, 0, 4, 0],
        [-2, 0, 0, 0, 16, 2, 0],
        [-10, 16, 0, 0, 0, 0, 10],
        [-6, 0, 16, 0, 0, 0, 6],
        [-4, 0, 0, 16, 0, 0, 4],
        [-2, 0, 0, 0, 16, 0, 2],
    ],
    [
        [-8, 8, 0, 0, 0, 16, 0],
        [-8, 0, 8, 0, 0, 16, 0],
        [-8, 0, 0, 8, 0, 16, 0],
        [-8, 0, 0, 0, 8, 16, 0],
        [-4, 4, 0, 0, 0, 0, 16],
        [-4, 0, 4, 0, 0, 0, 16],
        [-4, 0, 0, 4, 0, 0, 16],
        [-4, 0, 0, 0, 4, 0, 16],
    ],
    [
        [-2, 8, 0, 0, 0, 10, 0],
        [-1, 3, 8, 0, 0, 6, 0],
        [-1, 2, 3, 8, 0, 4, 0],
        [0, 1, 2, 3, 8, 2, 0],
        [-1, 4, 0, 0, 0, 3, 10],
        [-1, 3, 4, 0, 0, 4, 6],
        [-1, 2, 3, 4, 0, 4, 4],
        [-1, 2, 2, 3, 4, 3, 3],
    ],
    [
        [-12, 14, 0, 0, 0, 14, 0],
        [-10, 0, 14, 0, 0, 12, 0],
        [-9, 0, 0, 14, 0, 11, 0],
        [-8, 0, 0, 0, 14, 10, 0],
        [-10, 12, 0, 0, 0, 0, 14],
        [-9, 1, 12, 0, 0, 0, 12],
        [-8, 0, 0, 12, 0, 1, 11],
        [-7, 0, 0, 1, 12, 1, 9],
    ],
];

/// Predicts a block of a mode without direction.
pub fn flat(plane: &mut Plane, block: &Intra) {
    let [width, height] = [1usize << block.log2_width, 1usize << block.log2_height];
    let [above, left] = edges(plane, block, width, height);
    let corner = above.at(-1);
    let [above, left] = [&above.block()[..width], &left.block()[..height]];
    match block.mode {
        Mode::Smooth => {
            let [right, bottom] = [above[width - 1], left[height - 1]].map(u32::from);
            let [across, down] = [width, height].map(smooth_weights);
            rows(plane, block, |y, row| {
                let (near, left) = (u32::from(down[y]), u32::from(left[y]));
                let constant = (256 - near) * bottom + 256;
                for ((to, &above), &weight) in row.iter_mut().zip(above).zip(across) {
                    let weight = u32::from(weight);
                    let sum = near * u32::from(above) + weight * left + (256 - weight) * right + constant;
                    *to = (sum >> 9) as u16;
                }
            });
        }
        Mode::SmoothVertical => {
            let bottom = u32::from(left[height - 1]);
            let down = smooth_weights(height);
            rows(plane, block, |y, row| {
                let near = u32::from(down[y]);
                let constant = (256 - near) * bottom + 128;
                for (to, &above) in row.iter_mut().zip(above) {
                    *to = ((near * u32::from(above) + constant) >> 8) as u16;
                }
            });
        }
        Mode::SmoothHorizontal => {
            let right = u32::from(above[width - 1]);
            rows(plane, block, |y, row| {
                let left = u32::from(left[y]);
                for (to, &weight) in row.iter_mut().zip(smooth_weights(width)) {
                    let weight = u32::from(weight);
                    *to = ((weight * left + (256 - weight) * right + 128) >> 8) as u16;
                }
            });
        }
        Mode::Paeth => rows(plane, block, |y, row| {
            for (to, &above) in row.iter_mut().zip(above) {
                *to = nearest(i32::from(above), i32::from(left[y]), corner);
            }
        }),
        _ => {
            let average = average(block, above, left);
            rows(plane, block, |_, row| row.fill(average));
        }
    }
}

/// Of three neighbours the one nearest to `above + left - corner`.
#[inline(always)]
fn nearest(above: i32, left: i32, corner: i32) -> u16 {
    let to_left = (above - corner).abs();
    let to_above = (left - corner).abs();
    let to_corner = (above + left - 2 * corner).abs();
    let other = if to_above <= to_corner { above } else { corner };
    (if to_left <= to_above && to_left <= to_corner { left } else { other }) as u16
}

fn average(block: &Intra, above: &[u16], left: &[u16]) -> u16 {
    let sum = |samples: &[u16]| samples.iter().map(|&sample| u32::from(sample)).sum::<u32>();
    let (sum, count) = match (block.have_above, block.have_left) {
        (true, true) => (sum(above) + sum(left), (above.len() + left.len()) as u32),
        (true, false) => (sum(above), above.len() as u32),
        (false, true) => (sum(left), left.len() as u32),
        (false, false) => return 1 << (block.bits - 1),
    };
    ((sum + (count >> 1)) / count) as u16
}

/// Predicts a block of luma with filter `mode`, by blocks of 4 x 2 from their neighbours.
pub fn recursive(plane: &mut Plane, block: &Intra, mode: u8) {
    const MAX: usize = 64;
    let [width, height] = [1usize << block.log2_width, 1usize << block.log2_height];
    let Some(taps) = FILTER_TAPS.get(usize::from(mode)) else { return };
    let [above, left] = edges(plane, block, width, height);
    let high = (1 << block.bits) - 1;
    // The row above of each pair of rows, from the corner on.
    let mut over = [0i32; 1 + MAX];
    for (to, i) in over[..=width].iter_mut().zip(-1..) {
        *to = above.at(i);
    }
    for (y, pair) in left.block()[..height].chunks_exact(2).enumerate() {
        let mut beside = [i32::from(pair[0]), i32::from(pair[1])];
        let mut rows = [[0u16; MAX]; 2];
        for x in (0..width).step_by(4) {
            let mut around = [0; 7];
            around[..5].copy_from_slice(&over[x..x + 5]);
            around[5..].copy_from_slice(&beside);
            for (i, taps) in taps.iter().enumerate() {
                let sum: i32 = taps.iter().zip(around).map(|(&tap, sample)| i32::from(tap) * sample).sum();
                // Halves are rounded away from zero; what is negative is then clipped.
                rows[i >> 2][x + (i & 3)] = ((sum + 8) >> 4).clamp(0, high) as u16;
            }
            beside = [rows[0][x + 3], rows[1][x + 3]].map(i32::from);
        }
        for (row, predicted) in rows.iter().enumerate() {
            plane.row_mut(block.y + 2 * y + row)[block.x..block.x + width].copy_from_slice(&predicted[..width]);
        }
        over[0] = i32::from(pair[1]);
        for (to, &sample) in over[1..].iter_mut().zip(&rows[1]) {
            *to = i32::from(sample);
        }
    }
}
