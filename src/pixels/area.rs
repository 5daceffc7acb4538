//! Means of a photo over the cells of a grid, computed while its rows arrive.
//!
//! A cell is the exact share of the photo that it covers: pixels on its edge count in part. Sums are whole numbers, so
//! the means are the same on every machine, and turning a photo turns its means.

use std::ops::Range;

/// Pixels whose sums over rows are kept at a time: 12 KiB.
const SEGMENT: usize = 2048;

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
    /// `[SEGMENT, 3]` at most: sums of columns.
    columns: Vec<u16>,
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
        Some(AreaSums { width, height, across, down, row: 0, sums, columns })
    }

    /// Adds the next rows, `stride` bytes apart; the last may end with its last pixel.
    pub fn rows(&mut self, rows: &[u8], stride: usize) {
        let width = self.width * 3;
        let count = rows.len().div_ceil(stride.max(1)).min(self.height - self.row);
        let first = self.row;
        let line = self.across * 3;
        let AreaSums { across, columns, sums, .. } = self;
        shares(first..first + count, self.height, self.down, |cell, part, weight| {
            let sums = &mut sums[cell * line..(cell + 1) * line];
            let part = &rows[(part.start - first) * stride..(part.end - 1 - first) * stride + width];
            for part in part.chunks(MOST_ROWS * stride) {
                for start in (0..self.width).step_by(SEGMENT) {
                    let pixels = start..self.width.min(start + SEGMENT);
                    let columns = &mut columns[..3 * pixels.len()];
                    add_rows(part, stride, 3 * start, columns);
                    let columns = columns.as_chunks::<3>().0;
                    shares(pixels, self.width, *across, |cell, part, share| {
                        let sum = total(&columns[part.start - start..part.end - start]);
                        for (out, sum) in sums[3 * cell..3 * cell + 3].iter_mut().zip(sum) {
                            *out += sum * weight * share;
                        }
                    });
                }
            }
        });
        self.row += count;
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

/// Writes the sums of columns over at most [`MOST_ROWS`] rows, from byte `start` of each row.
fn add_rows(rows: &[u8], stride: usize, start: usize, columns: &mut [u16]) {
    let count = rows.len().div_ceil(stride);
    columns.fill(0);
    let mut y = 0;
    while y + 4 <= count {
        let at = |y: usize| &rows[y * stride + start..][..columns.len()];
        let (a, b, c, d) = (at(y), at(y + 1), at(y + 2), at(y + 3));
        for ((((sum, a), b), c), d) in columns.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *sum += u16::from(*a) + u16::from(*b) + u16::from(*c) + u16::from(*d);
        }
        y += 4;
    }
    while y < count {
        let row = &rows[y * stride + start..][..columns.len()];
        columns.iter_mut().zip(row).for_each(|(sum, value)| *sum += u16::from(*value));
        y += 1;
    }
}

/// Sums pixels.
fn total(pixels: &[[u16; 3]]) -> [u64; 3] {
    let mut sum = [0u64; 3];
    // Sixteen at a time: whole vectors of each channel's place.
    let (groups, rest) = pixels.as_chunks::<16>();
    if !groups.is_empty() {
        let mut lanes = [0u32; 48];
        for group in groups {
            lanes.iter_mut().zip(group.as_flattened()).for_each(|(lane, value)| *lane += u32::from(*value));
        }
        for pixel in lanes.as_chunks::<3>().0 {
            sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(*value));
        }
    }
    for pixel in rest {
        sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(*value));
    }
    sum
}
