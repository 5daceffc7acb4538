//! Steps of quantisation and quantiser matrices (sections 7.12.2 and 9.5), from tables that `tools/av1/tables.py` makes.

use super::sizes::TxSize;

/// For DC with 8, 10 and 12 bits, then for AC.
const STEPS: &[u8] = include_bytes!("tables/quantizers.bin");

/// For each level, of luma and chroma: the lower triangle of 32 x 32, then 32 across and 16 down.
const MATRICES: &[u8] = include_bytes!("tables/matrices.bin");
const TRIANGLE: usize = 32 * 33 / 2;
const MATRIX: usize = TRIANGLE + 32 * 16;

/// `dc_q` and `ac_q`: the steps for an index.
pub fn steps(bits: u32, dc: i32, ac: i32) -> [u32; 2] {
    let depth = (bits.clamp(8, 12) as usize - 8) / 2;
    let step = |table: usize, index: i32| {
        let at = 2 * (256 * (3 * table + depth) + index.clamp(0, 255) as usize);
        u32::from(u16::from_le_bytes([STEPS[at], STEPS[at + 1]]))
    };
    [step(0, dc), step(1, ac)]
}

/// The matrices of a level, by the coded size of a transform.
pub struct Matrices {
    /// By the logarithms of width and height, less two.
    sizes: [[Vec<u8>; 4]; 4],
}

impl Matrices {
    /// `Quantizer_Matrix` of a level below 15.
    pub fn of(level: u8, chroma: bool) -> Matrices {
        let start = MATRIX * (2 * usize::from(level.min(14)) + usize::from(chroma));
        let (triangle, wide) = MATRICES[start..start + MATRIX].split_at(TRIANGLE);
        let value = |width: usize, height: usize, row: usize, column: usize| {
            // The middle of as many rows and columns as one stands for.
            let part = |full: usize, side: usize, index: usize| full / side * index + (full / side).div_ceil(2) - 1;
            match width.cmp(&height) {
                std::cmp::Ordering::Equal => {
                    let [row, column] = [part(32, height, row), part(32, width, column)];
                    let [row, column] = [row.max(column), row.min(column)];
                    triangle[row * (row + 1) / 2 + column]
                }
                std::cmp::Ordering::Greater => wide[32 * part(16, height, row) + part(32, width, column)],
                std::cmp::Ordering::Less => wide[32 * part(16, width, column) + part(32, height, row)],
            }
        };
        let sizes = std::array::from_fn(|width| {
            std::array::from_fn(|height| match width.abs_diff(height) <= 2 {
                true => {
                    let (width, height) = (4 << width, 4 << height);
                    let cells = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
                    cells.map(|(row, column)| value(width, height, row, column)).collect()
                }
                false => Vec::new(),
            })
        });
        Matrices { sizes }
    }

    /// The weights of the coded part of a transform, row by row.
    pub fn matrix(&self, size: TxSize) -> &[u8] {
        let size = size.coded();
        &self.sizes[usize::from(size.log2_width) - 2][usize::from(size.log2_height) - 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_the_specification() {
        assert_eq!((steps(8, 0, 0), steps(8, 255, 300)), ([4, 4], [1336, 1828]));
        assert_eq!((steps(10, 1, 2), steps(12, 255, 255)), ([9, 11], [21387, 29247]));
    }

    #[test]
    fn matrices_of_the_specification() {
        let luma = Matrices::of(0, false);
        let small = [32, 43, 73, 97, 43, 67, 94, 110, 73, 94, 137, 150, 97, 110, 150, 200];
        assert_eq!(luma.matrix(TxSize::TX_4X4), small);
        assert_eq!(luma.matrix(TxSize::new(3, 3))[..9], [32, 32, 38, 51, 68, 84, 95, 109, 32]);
        assert_eq!(luma.matrix(TxSize::new(6, 4)).len(), 512);
        // The end of the table: 32 across, 8 down.
        let last = Matrices::of(14, true);
        assert_eq!(last.matrix(TxSize::new(5, 3))[243..], [31, 31, 31, 31, 32, 32, 32, 32, 32, 32, 32, 32, 32]);
    }
}
