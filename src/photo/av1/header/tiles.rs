//! How a frame is divided into tiles (`tile_info`, sections 5.9.15 and 6.8.15).

use super::super::super::decode_error::DecodeError;
use super::super::bits::Bits;

const MAX_TILE_WIDTH: usize = 4096;
const MAX_TILE_AREA: usize = 4096 * 2304;
/// Most tiles in a row, and most rows of tiles.
const MAX_TILES: usize = 64;

/// The tiles of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Where tiles begin in units of four luma samples, and where the last ends.
    pub col_starts: Vec<usize>,
    pub row_starts: Vec<usize>,
    /// Bits of the number of a tile in the header of a group.
    pub number_bits: u32,
    /// Bytes of the size of a tile.
    pub size_bytes: usize,
}

impl Tiles {
    pub fn read(bits: &mut Bits<'_>, large: bool, mi_cols: usize, mi_rows: usize) -> Result<Tiles, DecodeError> {
        let shift = if large { 5 } else { 4 };
        let [cols, rows] = [mi_cols, mi_rows].map(|side| side.div_ceil(1 << shift));
        let max_width = MAX_TILE_WIDTH >> (shift + 2);
        let max_area = MAX_TILE_AREA >> (2 * (shift + 2));
        let least_cols_log2 = log2(max_width, cols);
        let least_log2 = least_cols_log2.max(log2(max_area, rows * cols));
        let (col_starts, row_starts, log2s);
        if bits.flag()? {
            let cols_log2 = increment(bits, least_cols_log2, log2(1, cols.min(MAX_TILES)))?;
            let rows_log2 = increment(bits, least_log2.saturating_sub(cols_log2), log2(1, rows.min(MAX_TILES)))?;
            col_starts = uniform(cols, cols_log2);
            row_starts = uniform(rows, rows_log2);
            log2s = [cols_log2, rows_log2];
        } else {
            col_starts = explicit(bits, cols, max_width)?;
            let widest = col_starts.windows(2).map(|tile| tile[1] - tile[0]).max().unwrap_or(1).max(1);
            let area = if least_log2 > 0 { (rows * cols) >> (least_log2 + 1) } else { rows * cols };
            row_starts = explicit(bits, rows, (area / widest).max(1))?;
            log2s = [log2(1, col_starts.len() - 1), log2(1, row_starts.len() - 1)];
        }
        if col_starts.len() > MAX_TILES + 1 || row_starts.len() > MAX_TILES + 1 {
            return Err(DecodeError::damaged("it has too many tiles"));
        }
        let number_bits = log2s[0] + log2s[1];
        let mut size_bytes = 4;
        if number_bits > 0 {
            // The tile whose probabilities the next frame begins with.
            bits.read(number_bits)?;
            size_bytes = bits.read(2)? as usize + 1;
        }
        let scaled = |starts: Vec<usize>, end: usize| starts.iter().map(|start| (start << shift).min(end)).collect();
        let (col_starts, row_starts) = (scaled(col_starts, mi_cols), scaled(row_starts, mi_rows));
        Ok(Tiles { col_starts, row_starts, number_bits, size_bytes })
    }

    /// Tiles in a row.
    pub fn cols(&self) -> usize {
        self.col_starts.len() - 1
    }

    /// All tiles.
    pub fn count(&self) -> usize {
        self.cols() * (self.row_starts.len() - 1)
    }
}

/// `tile_log2`.
fn log2(size: usize, target: usize) -> u32 {
    let mut log2 = 0;
    while size << log2 < target {
        log2 += 1;
    }
    log2
}

/// Reads a logarithm that is raised bit by bit.
fn increment(bits: &mut Bits<'_>, least: u32, most: u32) -> Result<u32, DecodeError> {
    let mut log2 = least;
    while log2 < most && bits.flag()? {
        log2 += 1;
    }
    Ok(log2)
}

/// Tiles of equal size, in superblocks.
fn uniform(count: usize, log2: u32) -> Vec<usize> {
    let size = count.div_ceil(1 << log2);
    (0..count).step_by(size).chain([count]).collect()
}

/// Reads the size of each tile, in superblocks.
fn explicit(bits: &mut Bits<'_>, count: usize, most: usize) -> Result<Vec<usize>, DecodeError> {
    let mut starts = vec![0];
    let mut start = 0;
    while start < count {
        start += bits.below((count - start).min(most) as u32)? as usize + 1;
        starts.push(start);
    }
    Ok(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_tiles_and_stated_ones() {
        // One tile.
        let tiles = Tiles::read(&mut Bits::new(&[0b1000_0000]), false, 20, 6).unwrap();
        assert_eq!((&tiles.col_starts[..], &tiles.row_starts[..], tiles.count()), (&[0, 20][..], &[0, 6][..], 1));
        // Four columns of superblocks in two tiles; sizes of two bytes.
        let tiles = Tiles::read(&mut Bits::new(&[0b1100_0100]), false, 50, 16).unwrap();
        assert_eq!((&tiles.col_starts[..], tiles.number_bits, tiles.size_bytes), (&[0, 32, 50][..], 1, 2));
        // One superblock, then three.
        let tiles = Tiles::read(&mut Bits::new(&[0b0001_1000]), false, 64, 16).unwrap();
        assert_eq!((&tiles.col_starts[..], tiles.cols()), (&[0, 16, 64][..], 2));
    }

    #[test]
    fn more_tiles_than_are_allowed() {
        let error = Tiles::read(&mut Bits::new(&[0; 200]), false, 16 * 70, 16).unwrap_err();
        assert_eq!(error, DecodeError::damaged("it has too many tiles"));
    }
}
