//! Predicts pixels from their neighbours: the pixel to the left, and those above, in any of 14 ways.
//!
//! A pixel is `0xAARRGGBB`; arithmetic is done in all four bytes at once where it can be.

/// What is predicted where nothing is known.
const BLACK: u32 = 0xff00_0000;

/// Every other byte.
const EVEN: u32 = 0x00ff_00ff;
const ODD: u32 = 0xff00_ff00;

/// Adds the bytes of pixels, each modulo 256.
#[inline(always)]
pub(super) fn add(a: u32, b: u32) -> u32 {
    let even = (a & EVEN).wrapping_add(b & EVEN) & EVEN;
    let odd = (a & ODD).wrapping_add(b & ODD) & ODD;
    even | odd
}

/// Averages the bytes of pixels, rounded down.
#[inline(always)]
fn average(a: u32, b: u32) -> u32 {
    (a & b) + ((a ^ b) >> 1 & 0x7f7f_7f7f)
}

/// Returns the neighbour that is nearer to their sum less `corner`, the neighbour between them.
#[inline(always)]
fn nearer(left: u32, top: u32, corner: u32) -> u32 {
    let apart = |a: u32, b: u32| -> u32 {
        let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
        (0..4).map(|i| u32::from(a[i].abs_diff(b[i]))).sum()
    };
    if apart(top, corner) < apart(left, corner) { left } else { top }
}

/// Applies `channel` to each byte of the pixels.
#[inline(always)]
fn each(a: u32, b: u32, channel: impl Fn(i32, i32) -> i32) -> u32 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    u32::from_le_bytes(std::array::from_fn(|i| channel(a[i].into(), b[i].into()).clamp(0, 255) as u8))
}

/// Returns left + top - corner, with each byte clamped.
#[inline(always)]
fn plane(left: u32, top: u32, corner: u32) -> u32 {
    let (left, top, corner) = (left.to_le_bytes(), top.to_le_bytes(), corner.to_le_bytes());
    u32::from_le_bytes(std::array::from_fn(|i| {
        (i16::from(left[i]) + i16::from(top[i]) - i16::from(corner[i])).clamp(0, 255) as u8
    }))
}

/// Adds to the first row what is predicted from the pixel to the left.
pub(super) fn first_row(row: &mut [u32]) {
    let mut left = BLACK;
    for pixel in row {
        left = add(*pixel, left);
        *pixel = left;
    }
}

/// Adds to the pixels from `start` to `end` of a row what `mode` predicts; `start` is not 0. `above` is the row above,
/// followed by the first pixel of this one.
pub(super) fn run(mode: u32, row: &mut [u32], above: &[u32], start: usize, end: usize) {
    let mut left = row[start - 1];
    let row = &mut row[start..end];
    let (corner, top, right) = (&above[start - 1..end - 1], &above[start..end], &above[start + 1..=end]);
    let neighbours = corner.iter().zip(top).zip(right).map(|((&corner, &top), &right)| (corner, top, right));
    // Each mode is a loop of its own; those that do not look to the left are done for several pixels at once.
    macro_rules! from_above {
        ($predict:expr) => {
            for (pixel, (corner, top, right)) in row.iter_mut().zip(neighbours) {
                let predict: fn(u32, u32, u32) -> u32 = $predict;
                *pixel = add(*pixel, predict(corner, top, right));
            }
        };
    }
    macro_rules! from_left {
        ($predict:expr) => {
            for (pixel, (corner, top, right)) in row.iter_mut().zip(neighbours) {
                let predict: fn(u32, u32, u32, u32) -> u32 = $predict;
                left = add(*pixel, predict(left, corner, top, right));
                *pixel = left;
            }
        };
    }
    match mode {
        1 => from_left!(|left, _, _, _| left),
        2 => from_above!(|_, top, _| top),
        3 => from_above!(|_, _, right| right),
        4 => from_above!(|corner, _, _| corner),
        5 => from_left!(|left, _, top, right| average(average(left, right), top)),
        6 => from_left!(|left, corner, _, _| average(left, corner)),
        7 => from_left!(|left, _, top, _| average(left, top)),
        8 => from_above!(|corner, top, _| average(corner, top)),
        9 => from_above!(|_, top, right| average(top, right)),
        10 => from_left!(|left, corner, top, right| average(average(left, corner), average(top, right))),
        11 => from_left!(|left, corner, top, _| nearer(left, top, corner)),
        12 => from_left!(|left, corner, top, _| plane(left, top, corner)),
        13 => from_left!(|left, corner, top, _| each(average(left, top), corner, |a, b| a + (a - b) / 2)),
        // 0, and two that no encoder writes.
        _ => from_above!(|_, _, _| BLACK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Predicts a byte as RFC 9649 words it; the choice of mode 11 concerns the whole pixel.
    fn byte(mode: u32, opaque: bool, [left, corner, top, right]: [i32; 4]) -> i32 {
        let average = |a: i32, b: i32| (a + b) / 2;
        match mode {
            1 => left,
            2 => top,
            3 => right,
            4 => corner,
            5 => average(average(left, right), top),
            6 => average(left, corner),
            7 => average(left, top),
            8 => average(corner, top),
            9 => average(top, right),
            10 => average(average(left, corner), average(top, right)),
            12 => (left + top - corner).clamp(0, 255),
            13 => {
                let middle = average(left, top);
                (middle + (middle - corner) / 2).clamp(0, 255)
            }
            _ => 255 * i32::from(opaque),
        }
    }

    fn predicted(mode: u32, neighbours: [u32; 4]) -> u32 {
        let bytes = |i: usize| neighbours.map(|pixel| i32::from(pixel.to_le_bytes()[i]));
        if mode != 11 {
            return u32::from_le_bytes([0, 1, 2, 3].map(|i| byte(mode, i == 3, bytes(i)) as u8));
        }
        let (mut to_left, mut to_top) = (0, 0);
        for i in 0..4 {
            let [left, corner, top, _] = bytes(i);
            to_left += (left + top - corner - left).abs();
            to_top += (left + top - corner - top).abs();
        }
        if to_left < to_top { neighbours[0] } else { neighbours[2] }
    }

    #[test]
    fn every_mode_equals_its_definition() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Extreme and similar bytes now and then.
            let pixel = (state >> 16) as u32;
            [pixel, pixel & 0xff00_ff00, pixel | 0x00ff_00ff, pixel & 0x0303_0303 | 0x8080_8080][state as usize % 4]
        };
        for mode in 0..16 {
            for width in [2, 3, 9, 40] {
                for _ in 0..200 {
                    let above: Vec<u32> = (0..=width).map(|_| random()).collect();
                    let differences: Vec<u32> = (0..width).map(|_| random()).collect();
                    let mut expected = differences.clone();
                    for x in 1..width {
                        let sum = predicted(mode, [expected[x - 1], above[x - 1], above[x], above[x + 1]])
                            .to_le_bytes()
                            .into_iter()
                            .zip(differences[x].to_le_bytes())
                            .map(|(a, b)| a.wrapping_add(b));
                        expected[x] = sum.rev().fold(0, |pixel, byte| pixel << 8 | u32::from(byte));
                    }
                    let mut row = differences;
                    let middle = width.div_ceil(2);
                    run(mode, &mut row, &above, 1, middle);
                    if middle < width {
                        run(mode, &mut row, &above, middle, width);
                    }
                    assert_eq!(row, expected, "mode {mode}");
                }
            }
        }
    }
}
