//! Estimates of coefficients that a progressive file does not hold, from the DC coefficients of the blocks around.
//!
//! A progressive file may end before its low AC coefficients have come. Such blocks would look like tiles, so
//! libjpeg-turbo estimates the first nine AC coefficients in zigzag order from the averages of a window of 5 x 5 blocks
//! (an extension of T.81, K.8), and so does this module, with the same weights and roundings. Coefficients that have
//! come are kept, and a file that is complete is not touched. Knows no samples.

use super::coefficients::Block;
use super::frame::{Component, Frame};
use super::segments::{Scan, ZIGZAG};

/// Coefficients, in zigzag order, that are estimated: the DC coefficient and nine AC coefficients.
const ESTIMATED: usize = 10;

/// What is known of a coefficient that no scan has brought.
const NOTHING: i8 = -1;

/// By component: low bits of the first coefficients that are still missing, or [`NOTHING`].
pub(super) struct Progress([[i8; ESTIMATED]; 4]);

impl Progress {
    pub fn new() -> Self {
        Progress([[NOTHING; ESTIMATED]; 4])
    }

    /// Notes what a scan brings.
    pub fn record(&mut self, scan: &Scan) {
        for &(index, _, _) in &scan.components {
            self.0[index].iter_mut().take(scan.end + 1).skip(scan.start).for_each(|missing| *missing = scan.low as i8);
        }
    }

    /// Whether blocks are to be smoothed: some coefficient is not complete, all DC coefficients have come, and there is
    /// no division by zero.
    pub fn needs_smoothing(&self, frame: &Frame, tables: &[&[u16; 64]]) -> bool {
        let missing = &self.0[..frame.components.len()];
        frame.progressive
            && missing.iter().all(|missing| missing[0] != NOTHING)
            && missing.iter().any(|missing| missing[1..] != [0; ESTIMATED - 1])
            && tables.iter().all(|table| ZIGZAG[..ESTIMATED].iter().all(|&place| table[usize::from(place)] != 0))
    }

    /// Returns the smoother of a component.
    pub fn smoother<'a>(&self, index: usize, frame: &Frame, blocks: &'a [Block], table: &'a [u16; 64]) -> Smoother<'a> {
        let component = &frame.components[index];
        let missing = self.0[index];
        let kernels = if missing[1..] == [NOTHING; ESTIMATED - 1] { &WITHOUT_AC[..] } else { &WITH_AC[..] };
        Smoother {
            blocks,
            table,
            missing,
            kernels,
            rows: BlockRows::of(component),
            across: component.blocks_across,
            last_column: component.width.div_ceil(8) - 1,
        }
    }
}

/// Weights of the DC coefficients of a window, `[row][column]`, in 1/256.
type Kernel = [[i16; 5]; 5];

/// By zigzag position: the kernels for components without any AC coefficient.
const WITHOUT_AC: [Kernel; ESTIMATED] = [
    [[-2, -6, -8, -6, -2], [-6, 6, 42, 6, -6], [-8, 42, 152, 42, -8], [-6, 6, 42, 6, -6], [-2, -6, -8, -6, -2]],
    DOWN_WITHOUT_AC_TRANSPOSED,
    transposed(DOWN_WITHOUT_AC_TRANSPOSED),
    transposed(BEND),
    [[-1, 0, 0, 0, 1], [0, 9, 0, -9, 0], [0; 5], [0, -9, 0, 9, 0], [1, 0, 0, 0, -1]],
    BEND,
    THIRD,
    transposed(TWIST),
    TWIST,
    transposed(THIRD),
];
const DOWN_WITHOUT_AC_TRANSPOSED: Kernel =
    [[-1, -1, 0, 1, 1], [-3, 13, 0, -13, 3], [-3, 38, 0, -38, 3], [-3, 13, 0, -13, 3], [-1, -1, 0, 1, 1]];
const BEND: Kernel = [[0; 5], [0, 2, -5, 2, 0], [1, 7, -14, 7, 1], [0, 2, -5, 2, 0], [0; 5]];
const THIRD: Kernel = [[0; 5], [0, 1, 0, -1, 0], [0, 2, 0, -2, 0], [0, 1, 0, -1, 0], [0; 5]];
const TWIST: Kernel = [[0; 5], [0, 1, 0, -1, 0], [0, -3, 0, 3, 0], [0, 1, 0, -1, 0], [0; 5]];

/// By zigzag position: the kernels for components some of whose AC coefficients have come.
const WITH_AC: [Kernel; 6] = [
    [[0; 5]; 5],
    SLOPE,
    transposed(SLOPE),
    transposed(CURVE),
    [[0, -1, 0, 1, 0], [-1, 10, 0, -10, 1], [0; 5], [1, -10, 0, 10, -1], [0, 1, 0, -1, 0]],
    CURVE,
];
const SLOPE: Kernel = [[0; 5], [0; 5], [-7, 50, 0, -50, 7], [0; 5], [0; 5]];
const CURVE: Kernel = [[0; 5], [0; 5], [-1, 13, -24, 13, -1], [0; 5], [0; 5]];

const fn transposed(kernel: Kernel) -> Kernel {
    let mut out = [[0; 5]; 5];
    let mut i = 0;
    while i < 25 {
        out[i / 5][i % 5] = kernel[i % 5][i / 5];
        i += 1;
    }
    out
}

/// The rows of blocks of a component.
struct BlockRows {
    /// Rows in an MCU.
    step: usize,
    /// Rows in the last row of MCUs that hold samples of the image.
    last_step: usize,
    /// Rows of MCUs.
    mcus: usize,
}

impl BlockRows {
    fn of(component: &Component) -> Self {
        let (blocks, step) = (component.height.div_ceil(8), component.declared_v);
        let mcus = blocks.div_ceil(step);
        BlockRows { step, last_step: blocks - (mcus - 1) * step, mcus }
    }

    /// Returns the rows of the window around `row`, from the top.
    ///
    /// The rows of the last row of MCUs are counted as if all had as few as it has, as libjpeg-turbo does, so that the
    /// window of a small picture may be narrower than the picture.
    fn window(&self, row: usize) -> [usize; 5] {
        let mcu = row / self.step;
        let step = if mcu + 1 == self.mcus { self.last_step } else { self.step };
        let at = mcu * step + row % self.step;
        let count = step * self.mcus;
        let above = row - usize::from(at > 0);
        let below = row + usize::from(at + 1 < count);
        [above - usize::from(at > 1), above, row, below, below + usize::from(at + 2 < count)]
    }
}

/// Smooths the blocks of a component.
pub(super) struct Smoother<'a> {
    blocks: &'a [Block],
    table: &'a [u16; 64],
    missing: [i8; ESTIMATED],
    kernels: &'static [Kernel],
    rows: BlockRows,
    /// Blocks in a row.
    across: usize,
    /// The last column that holds samples of the image.
    last_column: usize,
}

impl Smoother<'_> {
    /// Returns the block at `row` and `column`, its missing coefficients estimated.
    pub fn block(&self, row: usize, column: usize) -> Block {
        let mut block = self.blocks[row * self.across + column];
        let rows = self.rows.window(row);
        let columns: [usize; 5] = std::array::from_fn(|i| (column + i).saturating_sub(2).min(self.last_column));
        // Rows that pad a single component to whole MCUs are not coded, and zero.
        let dc = |row: usize, column: usize| self.blocks.get(row * self.across + column).map_or(0, |block| block[0]);
        let window = rows.map(|row| columns.map(|column| i64::from(dc(row, column))));
        let scale = i64::from(self.table[0]);
        for (k, kernel) in self.kernels.iter().enumerate() {
            let place = usize::from(ZIGZAG[k]);
            // Only a coefficient that is zero and may be inaccurate; the DC coefficient only together with all others.
            let dc = k == 0 && self.kernels.len() == ESTIMATED;
            if !dc && (k == 0 || self.missing[k] == 0 || block[place] != 0) {
                continue;
            }
            let weighted = kernel.iter().flatten().zip(window.iter().flatten());
            let sum = scale * weighted.map(|(&weight, dc)| i64::from(weight) * dc).sum::<i64>();
            let step = i64::from(self.table[place]);
            let mut size = ((step << 7) + sum.abs()) / (step << 8);
            if !dc && self.missing[k] > 0 {
                // Larger ones would have come already.
                size = size.min((1 << self.missing[k]) - 1);
            }
            block[place] = (size * sum.signum()) as i16;
        }
        block
    }
}
