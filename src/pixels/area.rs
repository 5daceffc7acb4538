//! Means of a photo over the cells of a grid, computed while its rows arrive.
//!
//! A cell is the exact share of the photo that it covers: pixels on its edge count in part. Sums are whole numbers, so
//! the means are the same on every machine, and turning a photo turns its means.

use std::ops::Range;

/// Pixels of a row whose sums over rows are kept at a time: more than a row of a JPEG photo has.
const SEGMENT: usize = if cfg!(test) { 50 } else { 1 << 16 };

/// Rows whose sum fits in 16 bits.
const MOST_ROWS: usize = 257;

/// Sums of red, green and blue over the cells of a grid.
#[derive(Debug)]
pub(crate) struct AreaSums {
    width: usize,
    height: usize,
    across: usize,
    down: usize,
    /// The next row.
    row: usize,
    /// `[down, across, 3]`; each pixel counts `across · down` times.
    sums: Vec<u64>,
    /// `[SEGMENT, 3]` at most: sums of columns over rows that are not yet in `sums`.
    columns: Vec<u16>,
    /// Number of these rows.
    pending: usize,
    /// The row of cells to which they belong, and how often they count there.
    place: (usize, u64),
}

impl AreaSums {
    /// For a photo of `width` x `height` pixels and a grid of `across` x `down` cells; no side may be zero. `None` if
    /// memory runs out.
    pub fn new(width: usize, height: usize, across: usize, down: usize) -> Option<Self> {
        let (mut sums, mut columns) = (Vec::new(), Vec::new());
        let length = across.checked_mul(down)?.checked_mul(3)?;
        sums.try_reserve_exact(length).ok()?;
        sums.resize(length, 0);
        let length = 3 * width.min(SEGMENT);
        columns.try_reserve_exact(length).ok()?;
        columns.resize(length, 0);
        Some(AreaSums { width, height, across, down, row: 0, sums, columns, pending: 0, place: (0, 0) })
    }

    /// Adds the next rows, `stride` bytes apart; the last may end with its last pixel.
    pub fn rows(&mut self, rows: &[u8], stride: usize) {
        let count = rows.len().div_ceil(stride.max(1)).min(self.height - self.row);
        let first = self.row;
        shares(first..first + count, self.height, self.down, |cell, part, weight| {
            let from = (part.start - first) * stride;
            let part = &rows[from..from + (part.len() - 1) * stride + self.width * 3];
            part.chunks(MOST_ROWS * stride).for_each(|part| self.add(part, stride, (cell, weight)));
        });
        self.row += count;
        if self.row == self.height {
            self.flush(0..self.width.min(SEGMENT));
        }
    }

    /// Adds at most [`MOST_ROWS`] rows of a row of cells.
    fn add(&mut self, rows: &[u8], stride: usize, place: (usize, u64)) {
        let count = rows.len().div_ceil(stride);
        if self.place != place || self.pending + count > MOST_ROWS {
            self.flush(0..self.width.min(SEGMENT));
        }
        self.place = place;
        for start in (0..self.width).step_by(SEGMENT) {
            let pixels = start..self.width.min(start + SEGMENT);
            add_rows(rows, stride, 3 * start, &mut self.columns[..3 * pixels.len()], self.pending == 0);
            if self.width > SEGMENT {
                self.pending = count;
                self.flush(pixels);
            }
        }
        if self.width <= SEGMENT {
            self.pending += count;
        }
    }

    /// Adds the sums of these columns to their cells.
    fn flush(&mut self, pixels: Range<usize>) {
        if std::mem::take(&mut self.pending) == 0 {
            return;
        }
        let (cell, weight) = self.place;
        let sums = &mut self.sums[3 * cell * self.across..3 * (cell + 1) * self.across];
        let (start, columns) = (pixels.start, self.columns.as_chunks::<3>().0);
        shares(pixels, self.width, self.across, |cell, part, share| {
            let sum = total(&columns[part.start - start..part.end - start]);
            for (out, sum) in sums[3 * cell..3 * cell + 3].iter_mut().zip(sum) {
                *out += sum * weight * share;
            }
        });
    }

    /// Returns the means, `[down, across, 3]`, in units of 1 / `scale` of a level; `scale` is at most 256.
    pub fn means(&self, scale: u64) -> Vec<u16> {
        // At most 255 · 256 · 2^41: a photo in memory has fewer pixels than that.
        let total = (self.width * self.height) as u64;
        self.sums.iter().map(|&sum| ((sum * scale + total / 2) / total) as u16).collect()
    }
}

/// Splits pixels of a line of `length` among `cells` of equal size. Calls `add` with a cell, the pixels, and how often
/// each of them counts there; all shares of a pixel add up to `cells`.
fn shares(pixels: Range<usize>, length: usize, cells: usize, mut add: impl FnMut(usize, Range<usize>, u64)) {
    // In units of 1 / `cells` of a pixel, a pixel is `cells` long and a cell `length`.
    let (mut pixel, mut left) = (pixels.start, pixels.start * cells);
    while pixel < pixels.end {
        let cell = left / length;
        let end = (cell + 1) * length;
        let whole = (end / cells).min(pixels.end);
        if left == pixel * cells && whole > pixel {
            add(cell, pixel..whole, cells as u64);
            pixel = whole;
            left = pixel * cells;
        } else {
            let right = end.min((pixel + 1) * cells);
            add(cell, pixel..pixel + 1, (right - left) as u64);
            left = right;
            pixel += usize::from(right == (pixel + 1) * cells);
        }
    }
}

/// Adds rows, from byte `start` of each, to the sums of columns; with `fresh`, to zero.
///
/// The sums cannot overflow; checks for it would keep the loops from being vectorised.
fn add_rows(rows: &[u8], stride: usize, start: usize, columns: &mut [u16], fresh: bool) {
    let length = columns.len();
    let row = |y: usize| &rows[y * stride + start..][..length];
    let count = rows.len().div_ceil(stride);
    if fresh {
        columns.fill(0);
    }
    let eights = count - count % 8;
    for y in (0..eights).step_by(8) {
        // Eight at a time, so that the sums are read and written once for them.
        let upper = row(y).iter().zip(row(y + 1)).zip(row(y + 2)).zip(row(y + 3));
        let lower = row(y + 4).iter().zip(row(y + 5)).zip(row(y + 6)).zip(row(y + 7));
        let four = |(((a, b), c), d): (((&u8, &u8), &u8), &u8)| {
            let [a, b, c, d] = [*a, *b, *c, *d].map(u16::from);
            a.wrapping_add(b).wrapping_add(c.wrapping_add(d))
        };
        for ((sum, upper), lower) in columns.iter_mut().zip(upper).zip(lower) {
            *sum = sum.wrapping_add(four(upper)).wrapping_add(four(lower));
        }
    }
    for y in eights..count {
        columns.iter_mut().zip(row(y)).for_each(|(sum, &level)| *sum = sum.wrapping_add(level.into()));
    }
}

/// Sums pixels, at most [`SEGMENT`].
fn total(pixels: &[[u16; 3]]) -> [u64; 3] {
    let mut sum = [0u64; 3];
    // Sixteen pixels are whole vectors whose lanes belong to the same channel in each group.
    let (groups, rest) = pixels.as_chunks::<16>();
    if !groups.is_empty() {
        let mut lanes = [0u32; 48];
        for group in groups {
            for (lane, &level) in lanes.iter_mut().zip(group.as_flattened()) {
                *lane = lane.wrapping_add(level.into());
            }
        }
        for pixel in lanes.as_chunks::<3>().0 {
            sum.iter_mut().zip(pixel).for_each(|(sum, level)| *sum += u64::from(*level));
        }
    }
    for pixel in rest {
        sum.iter_mut().zip(pixel).for_each(|(sum, &level)| *sum += u64::from(level));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The means by their definition.
    fn naive(photo: &[u8], (width, height): (usize, usize), (across, down): (usize, usize), scale: u64) -> Vec<u16> {
        let share = |pixel: usize, pixels: usize, cell: usize, cells: usize| {
            ((pixel + 1) * cells).min((cell + 1) * pixels).saturating_sub((pixel * cells).max(cell * pixels)) as u64
        };
        let mut out = Vec::new();
        for cell in 0..across * down {
            for channel in 0..3 {
                let mut sum = 0;
                for pixel in 0..width * height {
                    let (x, y) = (pixel % width, pixel / width);
                    let share = share(x, width, cell % across, across) * share(y, height, cell / across, down);
                    sum += share * u64::from(photo[pixel * 3 + channel]);
                }
                let total = (width * height) as u64;
                out.push(((sum * scale + total / 2) / total) as u16);
            }
        }
        out
    }

    fn photo(width: usize, height: usize) -> Vec<u8> {
        (0..width * height * 3).map(|i| (i * i * 31 + i * 7 + (i >> 5)) as u8).collect()
    }

    #[test]
    fn means_are_exact_however_rows_arrive() {
        let sizes = [(1, 1), (1, 40), (40, 1), (3, 5), (16, 16), (17, 31), (100, 33), (33, 100), (2 * SEGMENT + 1, 3)];
        for size @ (width, height) in sizes {
            let photo = photo(width, height);
            for grid @ (across, down) in [(1, 1), (2, 3), (4, 4), (7, 2)] {
                let expected = naive(&photo, size, grid, 16);
                for strip in [1, 2, 3, 8, 16, height] {
                    let mut sums = AreaSums::new(width, height, across, down).unwrap();
                    photo.chunks(strip * width * 3).for_each(|rows| sums.rows(rows, width * 3));
                    assert_eq!(sums.means(16), expected, "{size:?} to {grid:?} in strips of {strip}");
                }
            }
        }
    }

    #[test]
    fn rows_may_be_padded_and_many() {
        // White, so that sums are as large as they can be.
        let (width, height) = (2, 3 * MOST_ROWS);
        let photo = vec![255; width * height * 3];
        let mut sums = AreaSums::new(width, height, 1, 1).unwrap();
        sums.rows(&photo, 6);
        assert_eq!(sums.means(256), [255 * 256; 3]);
        let padded: Vec<u8> = (0..4).flat_map(|_| [9, 8, 7, 5, 4, 3, 0, 0]).collect();
        let mut sums = AreaSums::new(2, 4, 2, 2).unwrap();
        sums.rows(&padded[..8 * 4 - 2], 8);
        assert_eq!(sums.means(1), [9, 8, 7, 5, 4, 3, 9, 8, 7, 5, 4, 3]);
    }
}
