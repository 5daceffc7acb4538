//! The Wiener filter (section 7.17.4): seven taps across, then seven down, symmetric and of unit gain.

use super::super::plane::Plane;
use super::restoration::{Area, BLOCK, MARGIN, Window};

/// Rows between both passes.
pub struct Wiener {
    rows: [[i16; BLOCK]; BLOCK + 2 * MARGIN],
}

impl Wiener {
    pub fn new() -> Self {
        Self { rows: [[0; BLOCK]; BLOCK + 2 * MARGIN] }
    }
}

/// All taps but the last three, which repeat the first.
fn taps(coefficients: [i8; 3]) -> [i16; 4] {
    let [a, b, c] = coefficients.map(i16::from);
    [a, b, c, 128 - 2 * (a + b + c)]
}

/// Bits that each pass rounds off.
fn rounding(bits: u32) -> [u32; 2] {
    if bits == 12 { [5, 9] } else { [3, 11] }
}

/// Filters a block with coefficients for both directions (down, across).
pub fn wiener(
    window: &Window,
    plane: &mut Plane,
    area: Area,
    [vertical, horizontal]: [[i8; 3]; 2],
    bits: u32,
    scratch: &mut Wiener,
) {
    let round = rounding(bits);
    let [a, b, c, d] = taps(horizontal);
    let offset = 1i32 << (bits + 6 - round[0]);
    let limit = (1 << (bits + 8 - round[0])) - 1 - offset;
    let half = 1 << (round[0] - 1);
    for (to, row) in scratch.rows.iter_mut().zip(window).take(area.height + 2 * MARGIN) {
        for i in 0..BLOCK {
            // Two samples of 12 bits fit in 16 with their sign.
            let pair = |first: usize, second: usize| i32::from(row[i + first].wrapping_add(row[i + second]) as i16);
            let outer = pair(0, 6) * i32::from(a) + pair(1, 5) * i32::from(b);
            let inner = pair(2, 4) * i32::from(c) + i32::from(row[i + 3] as i16) * i32::from(d);
            let sum = outer.wrapping_add(inner).wrapping_add(half);
            to[i] = (sum >> round[0]).max(-offset).min(limit) as i16;
        }
    }
    let [a, b, c, d] = taps(vertical).map(i32::from);
    let half = 1 << (round[1] - 1);
    let high = (1 << bits) - 1;
    for (y, rows) in scratch.rows.windows(7).take(area.height).enumerate() {
        let Some(to) = plane.row_mut(area.y + y).get_mut(area.x..area.x + area.width) else { return };
        let Ok(rows) = <&[[i16; BLOCK]; 7]>::try_from(rows) else { return };
        let mut values = [0; BLOCK];
        for (i, value) in values.iter_mut().enumerate() {
            let tap = |row: usize, tap: i32| i32::from(rows[row][i]).wrapping_mul(tap);
            let outer = tap(0, a).wrapping_add(tap(6, a)).wrapping_add(tap(1, b)).wrapping_add(tap(5, b));
            let inner = tap(2, c).wrapping_add(tap(4, c)).wrapping_add(tap(3, d));
            let sum = outer.wrapping_add(inner).wrapping_add(half);
            *value = (sum >> round[1]).max(0).min(high) as u16;
        }
        to.copy_from_slice(&values[..area.width]);
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// One sample by the specification's process; `source` gives samples by their distance.
    pub fn reference(source: &impl Fn(isize, isize) -> i32, vertical: [i8; 3], horizontal: [i8; 3], bits: u32) -> i32 {
        let taps = |coefficients: [i8; 3]| -> [i32; 7] {
            let [a, b, c] = coefficients.map(i32::from);
            [a, b, c, 128 - 2 * (a + b + c), c, b, a]
        };
        let [first, second] = if bits == 12 { [5, 9] } else { [3, 11] };
        let offset = 1 << (bits + 7 - first - 1);
        let limit = (1 << (bits + 1 + 7 - first)) - 1;
        let round = |value: i32, bits: u32| (value + (1 << (bits - 1))) >> bits;
        let row = |dy: isize| {
            let sum: i32 = taps(horizontal).iter().zip(-3..).map(|(tap, dx)| tap * source(dx, dy)).sum();
            round(sum, first).clamp(-offset, limit - offset)
        };
        let sum: i32 = taps(vertical).iter().zip(-3..).map(|(tap, dy)| tap * row(dy)).sum();
        round(sum, second).clamp(0, (1 << bits) - 1)
    }

    #[test]
    fn flat_blocks_stay_and_single_samples_spread() {
        let mut window = [[1000; BLOCK + 6]; BLOCK + 6];
        let mut plane = Plane::new(64, 64).unwrap();
        let area = Area { x: 0, y: 0, width: 10, height: 5 };
        let coefficients = [[3, -7, 15], [0, 0, 32]];
        wiener(&window, &mut plane, area, coefficients, 10, &mut Wiener::new());
        assert_eq!((&plane.row(4)[..11], plane.get(0, 5)), (&[[1000; 10].as_slice(), &[0]].concat()[..], 0));
        // 512 more in the middle: 64 / 128 of it across, and 106 / 128 of this down.
        window[5][6] += 512;
        wiener(&window, &mut plane, area, coefficients, 12, &mut Wiener::new());
        assert_eq!(plane.row(2)[1..6], [1000, 1000 + 106, 1000 + 212, 1000 + 106, 1000]);
    }
}
