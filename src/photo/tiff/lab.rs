//! CIELab to sRGB, to the bit as Little CMS converts eight-bit samples with its built-in Lab and sRGB profiles, which is
//! what Pillow does.
//!
//! Little CMS computes the colours of 33 x 33 x 33 places in single precision, rounds them to 16 bits, and interpolates
//! between four of them. Direct computation would differ by up to 50 levels in saturated colours.

use std::sync::LazyLock;

/// Places along each axis.
const PLACES: usize = 33;

/// The white of the connection space, D50, and that of sRGB, as XYZ.
const D50: [f64; 3] = [0.9642, 1.0, 0.8249];
const D65: [f64; 3] = [0.3127 / 0.3290, 1.0, (1.0 - 0.3127 - 0.3290) / 0.3290];

/// The chromaticities of red, green and blue of sRGB.
const PRIMARIES: [[f64; 2]; 3] = [[0.64, 0.33], [0.30, 0.60], [0.15, 0.06]];

/// The cone responses of Bradford's adaptation.
const BRADFORD: Matrix = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]];

/// XYZ is passed on as a share of this value.
const XYZ_MAXIMUM: f64 = 1.0 + 32767.0 / 32768.0;

type Matrix = [[f64; 3]; 3];

/// The colours of the places, `[PLACES, PLACES, PLACES, 3]` for L, a and b.
pub(super) struct Grid(Box<[[u16; 3]]>);

static GRID: LazyLock<Grid> = LazyLock::new(Grid::new);

impl Grid {
    /// Returns the grid, which the first call computes in some milliseconds.
    pub fn get() -> &'static Grid {
        &GRID
    }

    fn new() -> Grid {
        let from_xyz = inverse(&rgb_to_xyz());
        let level = |i: usize| (i as f64 * 65535.0 / (PLACES - 1) as f64 + 0.5).floor() / 65535.0;
        let place = |i: usize| {
            let axes = [i / (PLACES * PLACES), i / PLACES % PLACES, i % PLACES];
            colour(axes.map(level), &from_xyz)
        };
        Grid((0..PLACES * PLACES * PLACES).map(place).collect())
    }

    /// Converts a pixel; `a` and `b` are two's complement.
    pub fn pixel(&self, [l, a, b]: [u8; 3]) -> [u8; 3] {
        const STRIDES: [usize; 3] = [PLACES * PLACES, PLACES, 1];
        let mut at = 0;
        // Along each axis: the distance to the place before, in 16 bits, and the step to the place after it.
        let mut axes = [(0u32, 0usize); 3];
        for ((axis, sample), stride) in axes.iter_mut().zip([l, a ^ 128, b ^ 128]).zip(STRIDES) {
            let scaled = u32::from(sample) * 257 * (PLACES as u32 - 1);
            let fixed = scaled + (scaled + 0x7fff) / 0xffff;
            at += (fixed >> 16) as usize * stride;
            // At the last place the distance is zero, so the place after it has no effect.
            *axis = (fixed & 0xffff, if fixed >> 16 == PLACES as u32 - 1 { 0 } else { stride });
        }
        // From the place before to the place after all axes, along the axis of the greatest distance first.
        axes.sort_unstable_by_key(|axis| std::cmp::Reverse(axis.0));
        let start = self.0[at];
        let mut sums = [0x8001i64; 3];
        for (distance, step) in axes {
            let (from, to) = (self.0[at], self.0[at + step]);
            for i in 0..3 {
                sums[i] += (i64::from(to[i]) - i64::from(from[i])) * i64::from(distance);
            }
            at += step;
        }
        std::array::from_fn(|i| {
            let wide = i64::from(start[i]) + ((sums[i] + (sums[i] >> 16)) >> 16);
            (((wide & 0xffff) * 65281 + (1 << 23)) >> 24) as u8
        })
    }
}

/// Computes the colour of a place whose coordinates are 0 to 1, in steps that are each rounded to single precision.
fn colour(lab: [f64; 3], from_xyz: &Matrix) -> [u16; 3] {
    let single = |value: f64| f64::from(value as f32);
    let [l, a, b] = lab.map(single);
    let y = (l * 100.0 + 16.0) / 116.0;
    let (x, z) = (y + 0.002 * (a * 255.0 - 128.0), y - 0.005 * (b * 255.0 - 128.0));
    let cube = |t: f64| if t <= 24.0 / 116.0 { 108.0 / 841.0 * (t - 16.0 / 116.0) } else { t * t * t };
    let shares = [cube(x) * D50[0], cube(y) * D50[1], cube(z) * D50[2]];
    let xyz = shares.map(|value| single(value / XYZ_MAXIMUM));
    from_xyz.map(|row| {
        let linear = (0..3).map(|i| xyz[i] * (row[i] * XYZ_MAXIMUM)).sum();
        let level = single(encode(single(linear))) * 65535.0 + 0.5;
        // Numbers are cut by way of 16 fractional bits.
        ((level * 65536.0).round_ties_even() / 65536.0).floor().clamp(0.0, 65535.0) as u16
    })
}

/// The transfer curve of sRGB (IEC 61966-2-1).
fn encode(linear: f64) -> f64 {
    const GAMMA: f64 = 2.4;
    const SCALE: f64 = 1.0 / 1.055;
    const OFFSET: f64 = 0.055 / 1.055;
    let bend = (SCALE * 0.04045 + OFFSET).powf(GAMMA);
    if linear >= bend { (linear.powf(1.0 / GAMMA) - OFFSET) / SCALE } else { linear * 12.92 }
}

/// Returns the matrix from linear sRGB to XYZ relative to D50.
fn rgb_to_xyz() -> Matrix {
    let chromaticity = |row: usize| PRIMARIES.map(|[x, y]| [x, y, 1.0 - x - y][row]);
    let primaries: Matrix = std::array::from_fn(chromaticity);
    let amounts = apply(&inverse(&primaries), D65);
    let colorants = primaries.map(|row| std::array::from_fn(|i| row[i] * amounts[i]));
    let (from, to) = (apply(&BRADFORD, D65), apply(&BRADFORD, D50));
    let scaled: Matrix = std::array::from_fn(|i| BRADFORD[i].map(|value| value * (to[i] / from[i])));
    product(&product(&inverse(&BRADFORD), &scaled), &colorants)
}

fn apply(matrix: &Matrix, vector: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| (0..3).map(|i| row[i] * vector[i]).sum())
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    a.map(|row| std::array::from_fn(|column| (0..3).map(|i| row[i] * b[i][column]).sum()))
}

/// Inverts a matrix by its cofactors.
fn inverse(m: &Matrix) -> Matrix {
    let cofactor = |row: usize, column: usize| {
        let (r, s) = ((row + 1) % 3, (row + 2) % 3);
        let (c, d) = ((column + 1) % 3, (column + 2) % 3);
        m[r][c] * m[s][d] - m[r][d] * m[s][c]
    };
    let determinant: f64 = (0..3).map(|i| m[0][i] * cofactor(0, i)).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| cofactor(column, row) / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// The expected digest is that of Pillow 13 with Little CMS 2.19. The grid without single precision would differ at 133 of all 2^24 colours.
    #[test]
    fn colours_equal_little_cms() {
        let grid = Grid::get();
        let mut hash = Sha256::new();
        for l in 0..=255 {
            for a in (0..=255).step_by(3) {
                let row: Vec<u8> = (0..=255).step_by(3).flat_map(|b| grid.pixel([l, a, b])).collect();
                hash.update(row);
            }
        }
        let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, "40afdf0ab4a1f44ee366cc9566279b865d61ebc19348628386d80889896e2853");
        // Not quite black and white, because neutral colours are between places.
        assert_eq!((grid.pixel([0, 0, 0]), grid.pixel([255, 0, 0])), ([1, 0, 1], [254, 255, 254]));
    }
}
