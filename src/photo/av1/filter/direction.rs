//! The direction of an 8 x 8 block (section 7.15.2): that of the lines along which its samples vary least.

use super::super::plane::Plane;

/// 840 divided by the samples of a line (`Div_Table`).
const SHARES: [i32; 9] = [0, 840, 420, 280, 210, 168, 140, 120, 105];

/// The direction, 0 to 7 (2 is horizontal, 6 vertical), of the block at (x, y), and how much it stands out from the direction across
/// (`yDir`, `var`). `depth` is the shift of samples against 8 bits.
pub fn direction(luma: &Plane, x: usize, y: usize, depth: u32) -> (usize, u32) {
    // Sums of lines. Lines of direction 3 and 4 are in reverse, which changes no cost, so that a row is added in order.
    let mut lines = [[0i32; 16]; 8];
    let mut pair = [0; 8];
    for i in 0..8 {
        let mut row = [0; 8];
        if let Some(samples) = luma.row(y + i).get(x..x + 8) {
            row.iter_mut().zip(samples).for_each(|(to, &sample)| *to = i32::from(sample >> depth).min(255) - 128);
        }
        let halves: [i32; 4] = std::array::from_fn(|j| row[2 * j] + row[2 * j + 1]);
        for j in 0..8 {
            lines[0][i + j] += row[j];
            lines[4][7 - i + j] += row[j];
            lines[6][j] += row[j];
        }
        for j in 0..4 {
            lines[1][i + j] += halves[j];
            lines[3][7 - i + j] += halves[j];
        }
        lines[2][i] = halves.iter().sum();
        if i & 1 == 0 {
            pair = row;
        } else {
            for j in 0..8 {
                let sum = pair[j] + row[j];
                lines[5][3 - i / 2 + j] += sum;
                lines[7][i / 2 + j] += sum;
            }
        }
    }
    let square = |value: i32| value * value;
    let costs: [i32; 8] = std::array::from_fn(|direction| {
        let line = &lines[direction];
        match direction {
            2 | 6 => line[..8].iter().map(|&sum| square(sum)).sum::<i32>() * SHARES[8],
            0 | 4 => {
                let pairs = (0..7).map(|i| (square(line[i]) + square(line[14 - i])) * SHARES[i + 1]);
                pairs.sum::<i32>() + square(line[7]) * SHARES[8]
            }
            _ => {
                let pairs = (0..3).map(|j| (square(line[j]) + square(line[10 - j])) * SHARES[2 * j + 2]);
                pairs.sum::<i32>() + line[3..8].iter().map(|&sum| square(sum)).sum::<i32>() * SHARES[8]
            }
        }
    });
    let mut best = 0;
    for (direction, &cost) in costs.iter().enumerate() {
        if cost > costs[best] {
            best = direction;
        }
    }
    (best, ((costs[best] - costs[(best + 4) & 7]) >> 10) as u32)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Stripes along a direction of the specification.
    pub fn stripes(direction: usize) -> Plane {
        let mut plane = Plane::new(64, 64).unwrap();
        for y in 0..64i32 {
            for (x, sample) in plane.row_mut(y as usize).iter_mut().enumerate() {
                let x = x as i32;
                let line = match direction {
                    0 => y + x,
                    1 => y + x / 2,
                    2 => y,
                    3 => y - x / 2,
                    4 => y - x,
                    5 => x - y / 2,
                    6 => x,
                    _ => x + y / 2,
                };
                *sample = if line & 4 == 0 { 40 } else { 200 };
            }
        }
        plane
    }

    #[test]
    fn stripes_have_their_direction() {
        for expected in 0..8 {
            let (found, variance) = direction(&stripes(expected), 16, 24, 0);
            assert_eq!(found, expected);
            assert!(variance > 1000, "{variance}");
        }
    }

    /// The sums of the specification, in its own order.
    #[test]
    fn directions_equal_the_process() {
        let mut plane = Plane::new(64, 64).unwrap();
        let mut state = 21u32;
        for (i, sample) in plane.samples.iter_mut().enumerate() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = ((state >> 22) as u16 + (i % 64 * 20) as u16).min(1023);
        }
        for (x0, y0) in [(0, 0), (8, 0), (24, 32), (56, 56), (40, 8)] {
            let mut partial = [[0i32; 15]; 8];
            for i in 0..8 {
                for j in 0..8 {
                    let x = i32::from(plane.get(x0 + j, y0 + i) >> 2) - 128;
                    partial[0][i + j] += x;
                    partial[1][i + j / 2] += x;
                    partial[2][i] += x;
                    partial[3][3 + i - j / 2] += x;
                    partial[4][7 + i - j] += x;
                    partial[5][3 - i / 2 + j] += x;
                    partial[6][j] += x;
                    partial[7][i / 2 + j] += x;
                }
            }
            let cost = |direction: usize| -> i64 {
                let p = partial[direction].map(|sum| i64::from(sum) * i64::from(sum));
                // The share of a line is by the number of samples on it.
                let mut lens = [0usize; 15];
                for i in 0..8usize {
                    for j in 0..8usize {
                        let at = [i + j, i + j / 2, i, 3 + i - j / 2, 7 + i - j, 3 - i / 2 + j, j, i / 2 + j];
                        lens[at[direction]] += 1;
                    }
                }
                (0..15).map(|i| if lens[i] == 0 { 0 } else { p[i] * 840 / lens[i] as i64 }).sum()
            };
            let costs: Vec<i64> = (0..8).map(cost).collect();
            let best = (0..8).rev().max_by_key(|&direction| costs[direction]).unwrap();
            let exact = (best, ((costs[best] - costs[(best + 4) & 7]) >> 10) as u32);
            let found = direction(&plane, x0, y0, 2);
            assert_eq!(found.0, exact.0);
            assert!(found.1.abs_diff(exact.1) <= 1, "{found:?} {exact:?}");
        }
    }
}
