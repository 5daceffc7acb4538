//! A tile (sections 5.11.2 to 5.11.5): superblocks, divided into blocks, each decoded and reconstructed in turn.

mod block;
mod coefficients;
mod context;
mod copies;
mod levels;
mod modes;
mod palette;
mod residual;
mod restoration;
mod segments;
mod transform_size;

use super::super::decode_error::DecodeError;
use super::cdfs::Cdfs;
use super::header::{FrameHeader, Sequence};
use super::picture::Picture;
use super::quantizers::Matrices;
use super::sizes::{BlockSize, TxSize};
use super::symbols::Symbols;
use crate::budget::Budget;
use context::{Decoded, Edge, Place};
use levels::Levels;
use palette::Palettes;
use restoration::References;

/// Work for a luma sample: symbols, prediction, transforms.
const WORK: u64 = 16;

/// What the tiles of a frame share.
pub struct Shared<'a> {
    pub sequence: &'a Sequence,
    pub header: &'a FrameHeader,
    /// Matrices of quantisation by plane, where they apply.
    pub matrices: [Option<Matrices>; 3],
    /// The distributions that each tile begins with.
    pub cdfs: Box<Cdfs>,
}

/// The part of a frame that a tile is, in units of four luma samples.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    pub row_start: usize,
    pub row_end: usize,
    pub col_start: usize,
    pub col_end: usize,
}

impl Bounds {
    /// `is_inside`.
    fn contain(&self, row: usize, col: usize) -> bool {
        (self.row_start..self.row_end).contains(&row) && (self.col_start..self.col_end).contains(&col)
    }
}

/// A partition of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Partition {
    None,
    Horizontal,
    Vertical,
    Split,
    HorizontalA,
    HorizontalB,
    VerticalA,
    VerticalB,
    Horizontal4,
    Vertical4,
}

impl Partition {
    /// By their numbers.
    const ALL: [Partition; 10] = [
        Partition::None,
        Partition::Horizontal,
        Partition::Vertical,
        Partition::Split,
        Partition::HorizontalA,
        Partition::HorizontalB,
        Partition::VerticalA,
        Partition::VerticalB,
        Partition::Horizontal4,
        Partition::Vertical4,
    ];
}

/// Decodes the tiles of a frame one after the other.
pub struct Decoder<'a> {
    shared: &'a Shared<'a>,
    sequence: &'a Sequence,
    header: &'a FrameHeader,
    picture: &'a mut Picture,
    bounds: Bounds,
    symbols: Symbols<'a>,
    cdfs: Box<Cdfs>,
    above: Edge,
    left: Edge,
    decoded: Decoded,
    palettes: Palettes,
    /// Levels of the coefficients of a transform.
    levels: Box<Levels>,
    /// Coefficients of a transform, all zero between transforms.
    coefficients: Box<[i32; 1024]>,
    /// Sizes and types of luma's transforms in the superblock, where blocks are copied: by units of four samples.
    inter_sizes: Box<[TxSize; 32 * 32]>,
    tx_types: Box<[u8; 32 * 32]>,
    /// `CurrentQIndex`, and the steps of each segment and plane that follow from it.
    q_index: u8,
    steps: [[[u32; 2]; 3]; 8],
    /// `ReadDeltas`.
    read_deltas: bool,
    /// `DeltaLF`.
    delta_lf: [i32; 4],
    references: References,
}

impl<'a> Decoder<'a> {
    pub fn new(shared: &'a Shared<'a>, picture: &'a mut Picture) -> Decoder<'a> {
        let palettes = shared.header.allow_screen_content_tools;
        Decoder {
            shared,
            sequence: shared.sequence,
            header: shared.header,
            picture,
            bounds: Bounds::default(),
            symbols: Symbols::new(&[], false),
            cdfs: shared.cdfs.clone(),
            above: Edge::new(shared.header.mi_cols, palettes),
            left: Edge::left(palettes),
            decoded: Decoded::new(),
            palettes: Palettes::new(palettes),
            levels: Levels::new(),
            coefficients: Box::new([0; 1024]),
            inter_sizes: Box::new([TxSize::TX_4X4; 32 * 32]),
            tx_types: Box::new([0; 32 * 32]),
            q_index: 0,
            steps: [[[0; 2]; 3]; 8],
            read_deltas: false,
            delta_lf: [0; 4],
            references: References::default(),
        }
    }

    /// Bytes that a decoder takes, and how many bytes a copy of all distributions.
    pub fn bytes(header: &FrameHeader) -> u64 {
        Edge::bytes(header.mi_cols) + 2 * size_of::<Cdfs>() as u64 + (1 << 17)
    }

    /// `decode_tile`.
    pub fn tile(&mut self, bytes: &'a [u8], bounds: Bounds, budget: &Budget) -> Result<(), DecodeError> {
        self.bounds = bounds;
        self.symbols = Symbols::new(bytes, !self.header.disable_cdf_update);
        self.cdfs.clone_from(&self.shared.cdfs);
        self.above.clear();
        self.delta_lf = [0; 4];
        self.references = References::default();
        self.set_q_index(self.header.quantization.base_q_idx);
        let log2_side = if self.sequence.use_128x128_superblock { 5 } else { 4 };
        let side = 1 << log2_side;
        let planes = self.picture.frame.planes.len();
        for row in (bounds.row_start..bounds.row_end).step_by(side) {
            budget.work(WORK * (side * 4 * (bounds.col_end - bounds.col_start) * 4) as u64)?;
            self.left.clear();
            for col in (bounds.col_start..bounds.col_end).step_by(side) {
                self.read_deltas = self.header.delta_q.is_some();
                for plane in 0..planes {
                    let [across, down] = self.picture.frame.shifts(plane);
                    let rest = [(bounds.col_end - col) >> across, (bounds.row_end - row) >> down];
                    self.decoded.clear(plane, [side >> across, side >> down], rest);
                }
                self.read_restoration(row, col, side);
                self.partition(row, col, log2_side)?;
            }
        }
        Ok(())
    }

    /// `decode_partition` of a square block.
    fn partition(&mut self, row: usize, col: usize, log2_side: u8) -> Result<(), DecodeError> {
        if row >= self.header.mi_rows || col >= self.header.mi_cols {
            return Ok(());
        }
        let half = 1 << log2_side >> 1;
        let quarter = half >> 1;
        let has_rows = row + half < self.header.mi_rows;
        let has_cols = col + half < self.header.mi_cols;
        let partition = match log2_side {
            0 => Partition::None,
            _ => self.read_partition(row, col, log2_side, has_rows, has_cols),
        };
        let whole = BlockSize::new(log2_side, log2_side);
        let less = |width: u8, height: u8| BlockSize::new(log2_side - width, log2_side - height);
        match partition {
            Partition::None => self.block(row, col, whole),
            Partition::Horizontal => {
                self.block(row, col, less(0, 1))?;
                if has_rows { self.block(row + half, col, less(0, 1)) } else { Ok(()) }
            }
            Partition::Vertical => {
                self.block(row, col, less(1, 0))?;
                if has_cols { self.block(row, col + half, less(1, 0)) } else { Ok(()) }
            }
            Partition::Split => {
                self.partition(row, col, log2_side - 1)?;
                self.partition(row, col + half, log2_side - 1)?;
                self.partition(row + half, col, log2_side - 1)?;
                self.partition(row + half, col + half, log2_side - 1)
            }
            Partition::HorizontalA => {
                self.block(row, col, less(1, 1))?;
                self.block(row, col + half, less(1, 1))?;
                self.block(row + half, col, less(0, 1))
            }
            Partition::HorizontalB => {
                self.block(row, col, less(0, 1))?;
                self.block(row + half, col, less(1, 1))?;
                self.block(row + half, col + half, less(1, 1))
            }
            Partition::VerticalA => {
                self.block(row, col, less(1, 1))?;
                self.block(row + half, col, less(1, 1))?;
                self.block(row, col + half, less(1, 0))
            }
            Partition::VerticalB => {
                self.block(row, col, less(1, 0))?;
                self.block(row, col + half, less(1, 1))?;
                self.block(row + half, col + half, less(1, 1))
            }
            // The last part may lie outside.
            Partition::Horizontal4 => (0..4).try_for_each(|part| match row + quarter * part {
                row if row < self.header.mi_rows => self.block(row, col, less(0, 2)),
                _ => Ok(()),
            }),
            Partition::Vertical4 => (0..4).try_for_each(|part| match col + quarter * part {
                col if col < self.header.mi_cols => self.block(row, col, less(2, 0)),
                _ => Ok(()),
            }),
        }
    }

    /// Reads `partition`, `split_or_horz` or `split_or_vert`.
    fn read_partition(&mut self, row: usize, col: usize, log2_side: u8, rows: bool, cols: bool) -> Partition {
        let place = self.place(row, col, BlockSize::new(log2_side, log2_side));
        let above = place.above && self.above.blocks[col].log2_side < log2_side;
        let left = place.left && self.left.blocks[place.left_row()].log2_side < log2_side;
        let context = 2 * usize::from(left) + usize::from(above);
        let cdfs = &mut self.cdfs.frame;
        if !rows && !cols {
            return Partition::Split;
        }
        if rows && cols {
            let symbol = match log2_side {
                1 => self.symbols.symbol(&mut cdfs.partition_8[context]),
                5 => self.symbols.symbol(&mut cdfs.partition_128[context]),
                _ => self.symbols.symbol(&mut cdfs.partition[usize::from(log2_side) - 2][context]),
            };
            return Partition::ALL[symbol];
        }
        let cdf: &[u16] = match log2_side {
            1 => &cdfs.partition_8[context],
            5 => &cdfs.partition_128[context],
            _ => &cdfs.partition[usize::from(log2_side) - 2][context],
        };
        // The frequency of a partition: the numbers in the table decrease.
        let frequency = |partition: Partition| {
            let index = partition as usize;
            // The last number of a distribution is a counter.
            if index + 1 >= cdf.len() {
                return 0;
            }
            let before = if index == 0 { 32768 } else { cdf[index - 1] };
            before - cdf[index]
        };
        use Partition::*;
        let (kinds, whole) = match cols {
            true => ([Vertical, Split, HorizontalA, VerticalA, VerticalB, Vertical4], Horizontal),
            false => ([Horizontal, Split, HorizontalA, HorizontalB, VerticalA, Horizontal4], Vertical),
        };
        let sum: u16 = kinds.into_iter().map(frequency).sum();
        if self.symbols.flag_of(sum) { Split } else { whole }
    }

    /// A block and what is around it.
    fn place(&self, row: usize, col: usize, size: BlockSize) -> Place {
        Place { row, col, size, above: row > self.bounds.row_start, left: col > self.bounds.col_start }
    }
}
