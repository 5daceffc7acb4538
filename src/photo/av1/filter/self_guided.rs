//! The self-guided filter (sections 7.17.2 and 7.17.3): two smoothed versions of a block, less smooth where it varies, mixed with
//! the block itself.

use super::super::plane::Plane;
use super::restoration::{Area, BLOCK, MARGIN, Window};

/// Radius and strength of both versions (`Sgr_Params`); a radius of zero leaves a version out.
const SETS: [[u32; 4]; 16] = [
    [2, 12, 1, 4],
    [2, 15, 1, 6],
    [2, 18, 1, 8],
    [2, 21, 1, 9],
    [2, 24, 1, 10],
    [2, 29, 1, 11],
    [2, 36, 1, 12],
    [2, 45, 1, 13],
    [2, 56, 1, 14],
    [2, 68, 1, 15],
    [0, 0, 1, 5],
    [0, 0, 1, 8],
    [0, 0, 1, 11],
    [0, 0, 1, 14],
    [2, 30, 0, 0],
    [2, 75, 0, 0],
];

/// By how much a sample is its own, of 256, by its scaled variance.
const OWN: [u16; 256] = {
    let mut table = [256; 256];
    let mut z = 0u32;
    while z < 255 {
        table[z as usize] = if z == 0 { 1 } else { (((z << 8) + z / 2) / (z + 1)) as u16 };
        z += 1;
    }
    table
};

/// Coefficients reach one sample further than the block. Of `SIDE` columns, two more than that fill whole vectors.
const SIDE: usize = BLOCK + 2;

/// Coefficients and both versions of a block.
pub struct SelfGuided {
    /// Shares of a sample itself, and what is added: `A` and `B` from row and column -1 on.
    own: [[u32; SIDE]; SIDE],
    added: [[u32; SIDE]; SIDE],
    versions: [[[u16; BLOCK]; BLOCK]; 2],
}

impl SelfGuided {
    pub fn new() -> Self {
        Self { own: [[0; SIDE]; SIDE], added: [[0; SIDE]; SIDE], versions: [[[0; BLOCK]; BLOCK]; 2] }
    }
}

/// Filters a block with parameters `set` and two weights.
pub fn self_guided(
    window: &Window,
    plane: &mut Plane,
    area: Area,
    set: u8,
    weights: [i16; 2],
    bits: u32,
    scratch: &mut SelfGuided,
) {
    let [coarse, coarse_strength, fine, fine_strength] = SETS[usize::from(set & 15)];
    let SelfGuided { own, added, versions } = scratch;
    if coarse != 0 {
        coefficients::<2>(window, area.height, coarse_strength, bits, own, added);
        smooth_by_pairs(window, area.height, own, added, &mut versions[0]);
    }
    if fine != 0 {
        coefficients::<1>(window, area.height, fine_strength, bits, own, added);
        smooth(window, area.height, own, added, &mut versions[1]);
    }
    let [w0, w1] = weights.map(i32::from);
    let w2 = 128 - w0 - w1;
    // A version that is left out is the block itself.
    let itself = w1 + if coarse == 0 { w0 } else { 0 } + if fine == 0 { w2 } else { 0 };
    let [w0, w2] = [if coarse == 0 { 0 } else { w0 }, if fine == 0 { 0 } else { w2 }];
    let high = (1 << bits) - 1;
    for y in 0..area.height.min(BLOCK) {
        let Some(to) = plane.row_mut(area.y + y).get_mut(area.x..area.x + area.width) else { return };
        let row = &window[y + MARGIN];
        let mut values = [0; BLOCK];
        for (i, value) in values.iter_mut().enumerate() {
            let sample = i32::from(row[i + MARGIN]) << 4;
            let [coarse, fine] = [&versions[0], &versions[1]].map(|version| i32::from(version[y][i]));
            let sum = itself.wrapping_mul(sample).wrapping_add(w0.wrapping_mul(coarse));
            let sum = sum.wrapping_add(w2.wrapping_mul(fine)).wrapping_add(1 << 10);
            *value = (sum >> 11).max(0).min(high) as u16;
        }
        to.copy_from_slice(&values[..area.width]);
    }
}

/// The coefficients of each sample from the sums over a square of `2 * R + 1` around it. For a radius of two, only every other row,
/// from -1 on, is used and made.
fn coefficients<const R: usize>(
    window: &Window,
    height: usize,
    strength: u32,
    bits: u32,
    own: &mut [[u32; SIDE]; SIDE],
    added: &mut [[u32; SIDE]; SIDE],
) {
    let count = ((2 * R + 1) * (2 * R + 1)) as u32;
    let scale = ((1 << 20) + count * count * strength / 2) / (count * count * strength);
    let one_over = (4096 + count / 2) / count;
    let depth = bits - 8;
    let [half, half_square] = [(1 << depth) >> 1, (1 << (2 * depth)) >> 1];
    // The square around the sample at coefficient (y, x) begins at window (y + 2 - R, x + 2 - R).
    let rows = own.iter_mut().zip(added).take(height + 2).enumerate().step_by(R);
    for (y, (own, added)) in rows {
        // Sums of columns.
        let mut sums = [0u32; BLOCK + 2 * MARGIN];
        let mut squares = [0u32; BLOCK + 2 * MARGIN];
        for row in &window[y + 2 - R..y + 3 + R] {
            for i in 0..BLOCK + 2 * MARGIN {
                let sample = u32::from(row[i]);
                sums[i] = sums[i].wrapping_add(sample);
                squares[i] = squares[i].wrapping_add(sample.wrapping_mul(sample));
            }
        }
        let mut places = [0u32; SIDE];
        let mut totals = [0u32; SIDE];
        for x in 0..SIDE {
            let mut sum = 0u32;
            let mut square = 0u32;
            for i in 2 - R..3 + R {
                sum = sum.wrapping_add(sums[x + i]);
                square = square.wrapping_add(squares[x + i]);
            }
            let square = square.wrapping_add(half_square) >> (2 * depth);
            let level = sum.wrapping_add(half) >> depth;
            // The variance is never negative but for the rounding of depths above eight.
            let variance = (square.wrapping_mul(count).wrapping_sub(level.wrapping_mul(level)) as i32).max(0) as u32;
            totals[x] = sum;
            places[x] = variance.wrapping_mul(scale).wrapping_add(1 << 19) >> 20;
        }
        for x in 0..SIDE {
            own[x] = u32::from(OWN[places[x].min(255) as usize]);
        }
        for x in 0..SIDE {
            let others = (256 - own[x]).wrapping_mul(totals[x]).wrapping_mul(one_over);
            added[x] = others.wrapping_add(1 << 11) >> 12;
        }
    }
}

/// Adds the coefficients of a row around each sample: five times its neighbours, six times itself.
#[inline(always)]
fn add_across(row: &[u32; SIDE], sums: &mut [u32; BLOCK]) {
    for x in 0..BLOCK {
        let three = row[x].wrapping_add(row[x + 1]).wrapping_add(row[x + 2]);
        sums[x] = sums[x].wrapping_add(three.wrapping_mul(5)).wrapping_add(row[x + 1]);
    }
}

/// The coefficients of three rows around each sample: all nine three times, and once more the five that share a side with it.
#[inline(always)]
fn around(rows: &[[u32; SIDE]; 3], sums: &mut [u32; BLOCK]) {
    let mut all = [0u32; SIDE];
    for x in 0..SIDE {
        all[x] = rows[0][x].wrapping_add(rows[1][x]).wrapping_add(rows[2][x]);
    }
    for x in 0..BLOCK {
        let nine = all[x].wrapping_add(all[x + 1]).wrapping_add(all[x + 2]);
        let sides = all[x + 1].wrapping_add(rows[1][x]).wrapping_add(rows[1][x + 2]);
        sums[x] = nine.wrapping_mul(3).wrapping_add(sides);
    }
}

/// A sample times its share, and what is added, rounded to sixteenths of a level.
#[inline(always)]
fn mix<const SHIFT: u32>(row: &[u16], own: &[u32; BLOCK], added: &[u32; BLOCK], to: &mut [u16; BLOCK]) {
    for ((to, &sample), (own, added)) in to.iter_mut().zip(row).zip(own.iter().zip(added)) {
        let sum = own.wrapping_mul(u32::from(sample)).wrapping_add(*added);
        *to = (sum.wrapping_add(1 << (SHIFT - 1)) >> SHIFT) as u16;
    }
}

/// The fine version: all neighbours count, those at corners less.
fn smooth(
    window: &Window,
    height: usize,
    own: &[[u32; SIDE]; SIDE],
    added: &[[u32; SIDE]; SIDE],
    version: &mut [[u16; BLOCK]; BLOCK],
) {
    for (y, to) in version.iter_mut().enumerate().take(height) {
        let [mut own_sums, mut added_sums] = [[0; BLOCK]; 2];
        let (Some(own), Some(added)) = (own[y..].first_chunk(), added[y..].first_chunk()) else { return };
        around(own, &mut own_sums);
        around(added, &mut added_sums);
        mix::<9>(&window[y + MARGIN][MARGIN..], &own_sums, &added_sums, to);
    }
}

/// The coarse version: even rows use the coefficients above and below them, odd rows their own.
fn smooth_by_pairs(
    window: &Window,
    height: usize,
    own: &[[u32; SIDE]; SIDE],
    added: &[[u32; SIDE]; SIDE],
    version: &mut [[u16; BLOCK]; BLOCK],
) {
    for (y, to) in version.iter_mut().enumerate().take(height) {
        let row = &window[y + MARGIN][MARGIN..];
        let [mut own_sums, mut added_sums] = [[0; BLOCK]; 2];
        let rows = if y & 1 == 0 { [Some(y), Some(y + 2)] } else { [Some(y + 1), None] };
        for source in rows.into_iter().flatten() {
            add_across(&own[source], &mut own_sums);
            add_across(&added[source], &mut added_sums);
        }
        if y & 1 == 0 {
            mix::<9>(row, &own_sums, &added_sums, to);
        } else {
            mix::<8>(row, &own_sums, &added_sums, to);
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// One sample by the specification's process; `source` gives samples by their distance, `odd` tells of its row.
    pub fn reference(
        source: &impl Fn(isize, isize) -> i32,
        odd: bool,
        set: usize,
        weights: [i16; 2],
        bits: u32,
    ) -> i32 {
        let parameters = SETS[set];
        let round = |value: i64, bits: u32| if bits == 0 { value } else { (value + (1 << (bits - 1))) >> bits };
        let own = i64::from(source(0, 0));
        let version = |pass: usize| -> Option<i64> {
            let (radius, strength) = (parameters[2 * pass] as isize, i64::from(parameters[2 * pass + 1]));
            if radius == 0 {
                return None;
            }
            let n = ((2 * radius + 1) * (2 * radius + 1)) as i64;
            let s = ((1 << 20) + n * n * strength / 2) / (n * n * strength);
            let coefficients = |x: isize, y: isize| -> [i64; 2] {
                let [mut a, mut b] = [0, 0];
                for dy in -radius..=radius {
                    for dx in -radius..=radius {
                        let c = i64::from(source(x + dx, y + dy));
                        a += c * c;
                        b += c;
                    }
                }
                let p = (round(a, 2 * (bits - 8)) * n - round(b, bits - 8) * round(b, bits - 8)).max(0);
                let z = round(p * s, 20);
                let a2 = match z {
                    255.. => 256,
                    0 => 1,
                    z => ((z << 8) + z / 2) / (z + 1),
                };
                [a2, round((256 - a2) * b * ((4096 + n / 2) / n), 12)]
            };
            let [mut a, mut b] = [0, 0];
            for dy in -1..=1 {
                for dx in -1..=1 {
                    let weight = match (pass, dx == 0, dy == 0) {
                        // The row is odd if it is this one and odd, or a neighbour of an even one.
                        (0, middle, this) if this == odd => 5 + i64::from(middle),
                        (0, ..) => 0,
                        (_, false, false) => 3,
                        _ => 4,
                    };
                    if weight != 0 {
                        let [own, added] = coefficients(dx, dy);
                        a += weight * own;
                        b += weight * added;
                    }
                }
            }
            Some(round(a * own + b, 8 + if pass == 0 && odd { 4 } else { 5 } - 4))
        };
        let [w0, w1] = weights.map(i64::from);
        let u = own << 4;
        let sum = w1 * u + w0 * version(0).unwrap_or(u) + (128 - w0 - w1) * version(1).unwrap_or(u);
        round(sum, 11).clamp(0, (1 << bits) - 1) as i32
    }

    #[test]
    fn flat_blocks_stay() {
        for (bits, level) in [(8, 255), (10, 1000), (12, 4095)] {
            let window = [[level; BLOCK + 6]; BLOCK + 6];
            for set in 0..16 {
                let mut plane = Plane::new(64, 64).unwrap();
                let area = Area { x: 3, y: 1, width: 61, height: 63 };
                self_guided(&window, &mut plane, area, set, [-96, 95], bits, &mut SelfGuided::new());
                assert!(plane.row(1)[3..].iter().all(|sample| sample.abs_diff(level) <= 1), "{:?}", plane.row(1));
                assert_eq!((plane.get(2, 1), plane.get(3, 0)), (0, 0));
            }
        }
    }
}
