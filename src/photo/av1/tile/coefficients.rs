//! Coefficients of a transform (`coeffs`, section 5.11.39), dequantised (section 7.12.3).

use super::super::scans::{Class, Place, scan};
use super::super::sizes::TxSize;
use super::Decoder;
use super::block::Block;
use super::context::{fill, part};
use super::levels::HIGHEST;

/// Transform types by their numbers.
const DCT_DCT: u8 = 0;
const IDTX: u8 = 9;

/// A transform of a plane: where it lies in units of four samples of the plane.
#[derive(Clone, Copy, Debug)]
pub struct Transform {
    pub plane: usize,
    pub x4: usize,
    pub y4: usize,
    pub size: TxSize,
}

/// Coefficients that were read, and are in `Decoder::coefficients`.
#[derive(Clone, Copy, Debug)]
pub struct Coefficients {
    pub tx_type: u8,
    /// Columns and rows that hold some.
    pub extent: [usize; 2],
}

impl Decoder<'_> {
    /// Reads the coefficients of a transform; `None` if all are zero.
    pub fn read_coefficients(&mut self, block: &Block, transform: Transform) -> Option<Coefficients> {
        let Transform { plane, size, .. } = transform;
        let context_size = usize::from((size.square() + size.square_up() + 1) >> 1);
        let kind = usize::from(plane > 0);
        let context = self.zero_context(block, &transform);
        if self.symbols.flag(&mut self.cdfs.coefficients.all_zero[context_size][context]) {
            if plane == 0 && block.copied.is_some() {
                self.set_tx_types(&transform, DCT_DCT);
            }
            self.set_contexts(&transform, 0, 0);
            return None;
        }
        let tx_type = self.read_tx_type(block, &transform);
        let class = match tx_type {
            10 | 12 | 14 => Class::Vertical,
            11 | 13 | 15 => Class::Horizontal,
            _ => Class::Both,
        };
        let coded = size.coded();
        let (width, area) = (1 << coded.log2_width, 1 << (coded.log2_width + coded.log2_height));
        let count = self.read_count(context_size, kind, coded, class);
        let scan = scan(class, size);
        let places = &scan[..count.min(scan.len())];
        let dc_context = self.dc_context(&transform);
        let cdfs = &mut self.cdfs.coefficients;
        self.levels.read(&mut self.symbols, cdfs, class, places, [context_size, kind], (width, area));
        let (extent, sum, dc) = self.read_signs(block, &transform, tx_type, places, dc_context);
        self.set_contexts(&transform, sum.min(63) as u8, dc);
        Some(Coefficients { tx_type, extent })
    }

    /// Reads how many coefficients there are up to the last that is not zero.
    fn read_count(&mut self, context_size: usize, kind: usize, coded: TxSize, class: Class) -> usize {
        let cdfs = &mut self.cdfs.coefficients;
        let symbols = &mut self.symbols;
        let context = usize::from(class != Class::Both);
        let symbol = match coded.log2_width + coded.log2_height {
            4 => symbols.symbol(&mut cdfs.eob_16[kind][context]),
            5 => symbols.symbol(&mut cdfs.eob_32[kind][context]),
            6 => symbols.symbol(&mut cdfs.eob_64[kind][context]),
            7 => symbols.symbol(&mut cdfs.eob_128[kind][context]),
            8 => symbols.symbol(&mut cdfs.eob_256[kind][context]),
            9 => symbols.symbol(&mut cdfs.eob_512[kind]),
            _ => symbols.symbol(&mut cdfs.eob_1024[kind]),
        };
        // 1, 2, then ranges that double.
        if symbol < 2 {
            return symbol + 1;
        }
        let bits = symbol as u32 - 1;
        let mut rest = u32::from(symbols.flag(&mut cdfs.eob_extra[context_size][kind][symbol - 2]));
        rest = rest << (bits - 1) | symbols.literal(bits - 1);
        (1 << bits) + 1 + rest as usize
    }

    /// The context of `all_zero`.
    fn zero_context(&self, block: &Block, transform: &Transform) -> usize {
        let &Transform { plane, x4, y4, size } = transform;
        let shifts = self.picture.frame.shifts(plane);
        let (width, height) = (size.width4(), size.height4());
        let (end_x, end_y) = (self.header.mi_cols >> shifts[0], self.header.mi_rows >> shifts[1]);
        let (row, end_row) = self.left_rows(y4, end_y, plane);
        let above = part(&self.above.levels[plane], x4, width, end_x);
        let left = part(&self.left.levels[plane], row, height, end_row);
        if plane == 0 {
            let whole = block.place.size.width4() == width && block.place.size.height4() == height;
            let highest = |levels: &[u8]| levels.iter().copied().fold(0, u8::max);
            let (top, left) = (highest(above), highest(left));
            return match (top.min(left), top.max(left)) {
                _ if whole => 0,
                (_, 0) => 1,
                (0, most) => 2 + usize::from(most > 3),
                (_, 0..=3) => 4,
                (0..=3, _) => 5,
                _ => 6,
            };
        }
        let some = |levels: &[u8], dcs: &[u8]| levels.iter().chain(dcs).any(|&value| value != 0);
        let above = some(above, part(&self.above.dcs[plane], x4, width, end_x));
        let left = some(left, part(&self.left.dcs[plane], row, height, end_row));
        let size = block.place.size.of_chroma(self.sequence.colours.subsampling);
        let smaller = size.width4() * size.height4() > width * height;
        7 + usize::from(above) + usize::from(left) + if smaller { 3 } else { 0 }
    }

    /// A row in the contexts of a superblock, and where they end with the frame.
    fn left_rows(&self, y4: usize, end: usize, plane: usize) -> (usize, usize) {
        let mask = (32 >> self.picture.frame.shifts(plane)[1]) - 1;
        let row = y4 & mask;
        (row, end.saturating_sub(y4) + row)
    }

    /// The context of `dc_sign`.
    fn dc_context(&self, transform: &Transform) -> usize {
        let &Transform { plane, x4, y4, size } = transform;
        let shifts = self.picture.frame.shifts(plane);
        let (end_x, end_y) = (self.header.mi_cols >> shifts[0], self.header.mi_rows >> shifts[1]);
        let (row, end_row) = self.left_rows(y4, end_y, plane);
        let above = part(&self.above.dcs[plane], x4, size.width4(), end_x);
        let left = part(&self.left.dcs[plane], row, size.height4(), end_row);
        // 1 is negative, 2 positive.
        let sum: i32 = above.iter().chain(left).map(|&dc| i32::from(dc == 2) - i32::from(dc == 1)).sum();
        match sum {
            0 => 0,
            ..0 => 1,
            1.. => 2,
        }
    }

    /// Leaves the sum of levels and the sign of DC to the transforms after this one.
    fn set_contexts(&mut self, transform: &Transform, sum: u8, dc: u8) {
        let &Transform { plane, x4, y4, size } = transform;
        let (row, _) = self.left_rows(y4, 0, plane);
        fill(&mut self.above.levels[plane], x4, size.width4(), sum);
        fill(&mut self.above.dcs[plane], x4, size.width4(), dc);
        fill(&mut self.left.levels[plane], row, size.height4(), sum);
        fill(&mut self.left.dcs[plane], row, size.height4(), dc);
    }

    /// Reads signs and the rest of high levels, and puts the dequantised coefficients down. Returns their extent, the sum of
    /// their levels, and the sign of DC.
    fn read_signs(
        &mut self,
        block: &Block,
        transform: &Transform,
        tx_type: u8,
        places: &[Place],
        dc_context: usize,
    ) -> ([usize; 2], u32, u8) {
        let &Transform { plane, size, .. } = transform;
        let bits = self.sequence.colours.bits;
        let [dc_step, ac_step] = self.steps[usize::from(block.segment_id)][plane];
        let matrix = self.shared.matrices[plane].as_ref().filter(|_| tx_type < IDTX && !block.lossless);
        let matrix = matrix.map(|matrices| matrices.matrix(size));
        // Large transforms have finer steps.
        let shift = match size.log2_width + size.log2_height {
            ..=8 => 0,
            9 | 10 => 1,
            _ => 2,
        };
        let most = (1i64 << (7 + bits)) - 1;
        let log2_width = size.coded().log2_width;
        let (mut columns, mut rows, mut sum, mut dc) = (0, 0, 0u32, 0);
        let coefficients = &mut self.coefficients[..];
        for (index, place) in places.iter().enumerate() {
            let level = self.levels.take(place);
            if level == 0 {
                continue;
            }
            let negative = match index {
                0 => self.symbols.flag(&mut self.cdfs.coefficients.dc_sign[usize::from(plane > 0)][dc_context]),
                _ => self.symbols.bit() != 0,
            };
            let mut level = u32::from(level);
            if level > u32::from(HIGHEST) {
                level = (u32::from(HIGHEST) + golomb(&mut self.symbols)) & 0xf_ffff;
            }
            if index == 0 && level > 0 {
                dc = if negative { 1 } else { 2 };
            }
            sum = sum.saturating_add(level);
            let position = usize::from(place.position);
            let mut step = if position == 0 { dc_step } else { ac_step };
            if let Some(matrix) = matrix {
                step = (step * u32::from(matrix[position]) + 16) >> 5;
            }
            let value = ((u64::from(level) * u64::from(step)) & 0xff_ffff) as i64 >> shift;
            let value = if negative { -value.min(most + 1) } else { value.min(most) };
            coefficients[position] = value as i32;
            columns = columns.max(position & ((1 << log2_width) - 1));
            rows = rows.max(position >> log2_width);
        }
        ([columns + 1, rows + 1], sum, dc)
    }

    /// Reads the type of a transform of luma, or finds that of chroma (`transform_type`, `compute_tx_type`).
    fn read_tx_type(&mut self, block: &Block, transform: &Transform) -> u8 {
        let &Transform { plane, x4, y4, size } = transform;
        let inter = block.copied.is_some();
        let set = self.tx_set(inter, size);
        let mut tx_type = DCT_DCT;
        if plane == 0 {
            if set != TxSet::DctOnly && self.segment_has_steps(block) {
                tx_type = self.read_type_of_set(block, set, usize::from(size.square()));
            }
            if inter {
                self.set_tx_types(transform, tx_type);
            }
            return if block.lossless { DCT_DCT } else { tx_type };
        }
        if block.lossless || set == TxSet::DctOnly {
            return DCT_DCT;
        }
        let tx_type = match inter {
            true => {
                let [across, down] = self.picture.frame.shifts(plane);
                let col = (x4 << across).max(block.place.col) % 32;
                let row = (y4 << down).max(block.place.row) % 32;
                self.tx_types[row * 32 + col]
            }
            false => MODE_TYPES[usize::from(block.uv_mode)],
        };
        if set.contains(tx_type) { tx_type } else { DCT_DCT }
    }

    /// Whether the index of quantisation is not zero, without deltas.
    fn segment_has_steps(&self, block: &Block) -> bool {
        let base = self.header.quantization.base_q_idx;
        self.header.segmentation.qindex(block.segment_id.into(), base) > 0
    }

    /// `get_tx_set`.
    fn tx_set(&self, inter: bool, size: TxSize) -> TxSet {
        let reduced = self.header.reduced_tx_set;
        match (inter, size.square(), size.square_up()) {
            (_, _, 4..) => TxSet::DctOnly,
            (true, _, 3) => TxSet::Inter3,
            (true, _, _) if reduced => TxSet::Inter3,
            (true, 2, _) => TxSet::Inter2,
            (true, _, _) => TxSet::Inter1,
            (false, _, 3) => TxSet::DctOnly,
            (false, 2, _) => TxSet::Intra2,
            (false, _, _) if reduced => TxSet::Intra2,
            (false, _, _) => TxSet::Intra1,
        }
    }

    /// Reads `inter_tx_type` or `intra_tx_type`; `size` is the number of the square with the shorter side.
    fn read_type_of_set(&mut self, block: &Block, set: TxSet, size: usize) -> u8 {
        /// `Filter_Intra_Mode_To_Intra_Dir`.
        const FILTER_MODES: [u8; 5] = [0, 1, 2, 6, 0];
        let mode = match block.filter_intra {
            Some(mode) => FILTER_MODES[usize::from(mode)],
            None => block.y_mode,
        };
        let mode = usize::from(mode);
        let cdfs = &mut self.cdfs.frame;
        let symbols = &mut self.symbols;
        let symbol = match set {
            TxSet::DctOnly => return DCT_DCT,
            TxSet::Intra1 => symbols.symbol(&mut cdfs.intra_tx_type_1[size][mode]),
            TxSet::Intra2 => symbols.symbol(&mut cdfs.intra_tx_type_2[size][mode]),
            TxSet::Inter1 => symbols.symbol(&mut cdfs.inter_tx_type_1[size]),
            TxSet::Inter2 => symbols.symbol(&mut cdfs.inter_tx_type_2),
            TxSet::Inter3 => usize::from(symbols.flag(&mut cdfs.inter_tx_type_3[size])),
        };
        set.types()[symbol]
    }

    /// Keeps the type of a transform of luma for chroma.
    fn set_tx_types(&mut self, transform: &Transform, tx_type: u8) {
        let &Transform { x4, y4, size, .. } = transform;
        for row in y4 % 32..y4 % 32 + size.height4() {
            fill(&mut self.tx_types[..], row * 32 + x4 % 32, size.width4(), tx_type);
        }
    }
}

/// `Mode_To_Txfm`, by the mode of chroma.
const MODE_TYPES: [u8; 14] = [0, 1, 2, 0, 3, 1, 2, 2, 1, 3, 1, 2, 3, 0];

/// Sets of transform types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TxSet {
    DctOnly,
    Intra1,
    Intra2,
    Inter1,
    Inter2,
    Inter3,
}

impl TxSet {
    /// The types by their symbols (`Tx_Type_Intra_Inv_Set1` and so on).
    fn types(self) -> &'static [u8] {
        match self {
            TxSet::DctOnly => &[DCT_DCT],
            TxSet::Intra1 => &[9, 0, 10, 11, 3, 1, 2],
            TxSet::Intra2 => &[9, 0, 3, 1, 2],
            TxSet::Inter1 => &[9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 4, 5, 3, 6, 7, 8],
            TxSet::Inter2 => &[9, 10, 11, 0, 1, 2, 4, 5, 3, 6, 7, 8],
            TxSet::Inter3 => &[9, 0],
        }
    }

    fn contains(self, tx_type: u8) -> bool {
        self.types().contains(&tx_type)
    }
}

/// Reads what a level has above the highest one: at least one.
fn golomb(symbols: &mut super::super::symbols::Symbols<'_>) -> u32 {
    let mut length = 0;
    // A valid stream has at most 20 bits.
    while length < 20 && symbols.bit() == 0 {
        length += 1;
    }
    (1 << length) | symbols.literal(length)
}
