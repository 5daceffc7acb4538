//! Pillow's two-pass, eight-bit resampling of RGB: computes only the crop, from rows in any order.
//!
//! Knows sizes and filters, no models. Equals `PIL.Image.resize` of the whole upright photo followed by the crop, byte
//! for byte: each pass rounds to eight bits, and the order of the passes is Pillow's. Rows are as a decoder delivers
//! them, before the photo is turned upright; the orientation only swaps the axes and reverses weights. A whole photo is
//! one group of rows.

use super::config::PreprocessConfig;
use super::filter::Axis;
use super::geometry::Geometry;
use super::passes::{ColumnPass, RowPass, Rows, overlap};
use crate::pixels::Orientation;

/// The resize of one photo.
pub(super) struct Resizer {
    /// Side of the square.
    side: usize,
    row_pass: RowPass,
    column_pass: ColumnPass,
    /// The order of the passes.
    rows_first: bool,
    /// Whether stored rows are columns of the upright photo.
    swapped: bool,
    /// Output of the column pass: `[side, side, 3]` if it is the second pass, else `[side, input of the row pass, 3]`.
    column_out: Vec<u8>,
    /// Output of the row pass, if it is the first.
    row_out: Vec<u8>,
}

impl Resizer {
    /// Prepares the resize of a photo that is stored as `height` rows of `width` pixels.
    pub fn new(width: usize, height: usize, orientation: Orientation, config: &PreprocessConfig) -> Self {
        let swapped = orientation.swaps();
        let (wide, high) = if swapped { (height, width) } else { (width, height) };
        let geometry = Geometry::new(wide, high, config.image_size, config.resize);
        let Geometry { side, left, top, .. } = geometry;
        let filter = config.interpolation;
        let horizontal =
            Axis { from: wide, to: geometry.width, outputs: left..left + side as u64, mirrored: false, filter };
        let vertical =
            Axis { from: high, to: geometry.height, outputs: top..top + side as u64, mirrored: false, filter };
        let rows_first = vertical_first(&horizontal, &vertical) == swapped;
        let (along, down) = if swapped { (vertical, horizontal) } else { (horizontal, vertical) };
        let row_pass = RowPass::new(Axis { mirrored: orientation.reverses_rows(), ..along }, rows_first);
        let column_pass = ColumnPass::new(Axis { mirrored: orientation.reverses_columns(), ..down });
        let column_out = vec![0; side * 3 * if rows_first { side } else { row_pass.input().len() }];
        Resizer { side, row_pass, column_pass, rows_first, swapped, column_out, row_out: Vec::new() }
    }

    /// Adds whole stored rows, the first of which is row `first`. Each row comes once, in any order.
    pub fn rows(&mut self, first: usize, source: Rows<'_>) {
        if !self.rows_first {
            return self.column_pass.resample(source, first, self.row_pass.input().start * 3, &mut self.column_out);
        }
        let given = first..first + source.len();
        let wanted = overlap(&given, &self.column_pass.input());
        if wanted.is_empty() {
            return;
        }
        let stride = self.side * 3;
        self.row_out.resize(wanted.len() * stride, 0);
        self.row_pass.resample(source.part(wanted.start - first..wanted.end - first), &mut self.row_out);
        self.column_pass.resample(Rows::packed(&self.row_out, stride), wanted.start, 0, &mut self.column_out);
    }

    /// Returns the square of the upright photo, `[side, side, 3]`, once all rows are added.
    pub fn finish(self) -> Vec<u8> {
        let mut square = self.column_out;
        if !self.rows_first {
            let input = self.row_pass.input();
            let rows = Rows::packed(&square, input.len() * 3);
            let mut out = vec![0; self.side * self.side * 3];
            self.row_pass.resample(rows, &mut out);
            square = out;
        }
        if self.swapped {
            let pixels = square.as_chunks_mut::<3>().0;
            for y in 0..self.side {
                for x in 0..y {
                    pixels.swap(y * self.side + x, x * self.side + y);
                }
            }
        }
        square
    }
}

/// Whether Pillow resamples vertically before horizontally. Derived from the outputs of Pillow 13.0.0: the height
/// shrinks, and by more than twice as many pixels as the width.
fn vertical_first(horizontal: &Axis, vertical: &Axis) -> bool {
    let (from_width, to_width) = (horizontal.from as i128, i128::from(horizontal.to));
    let (from_height, to_height) = (vertical.from as i128, i128::from(vertical.to));
    to_height < from_height && from_height - to_height > 2 * (from_width - to_width)
}

#[cfg(test)]
mod tests {
    use super::super::config::{Interpolation, ResizeMode};
    use super::*;
    use crate::pixels::RgbView;

    fn config(side: usize, resize: ResizeMode, interpolation: Interpolation) -> PreprocessConfig {
        PreprocessConfig { resize, interpolation, ..PreprocessConfig::openai(side) }
    }

    /// Compares groups of rows of every size, in both orders and in every orientation, with the whole upright photo.
    #[test]
    fn groups_of_rows_equal_the_whole_photo() {
        let sizes = [(1, 1), (1, 300), (300, 1), (37, 41), (64, 64), (16, 211), (211, 16), (150, 64), (64, 150)];
        let mut orders = [0; 2];
        for (width, height) in sizes {
            let data: Vec<u8> = (0..width * height * 3).map(|i| ((i * i * 7 + i / 3) % 251) as u8).collect();
            for value in 1..=8 {
                let orientation = Orientation::from_exif(value);
                let (wide, high, upright) = orientation.apply(width, height, data.clone()).unwrap();
                for resize in [ResizeMode::Shortest, ResizeMode::Squash] {
                    for filter in [Interpolation::Bilinear, Interpolation::Bicubic] {
                        for side in [1, 16, 64] {
                            let config = config(side, resize, filter);
                            let mut whole = Resizer::new(wide, high, Orientation::Upright, &config);
                            orders[usize::from(whole.rows_first)] += 1;
                            whole.rows(0, Rows::packed(&upright, wide * 3));
                            let whole = whole.finish();
                            for count in [1, 3, 16, 100] {
                                let mut runs: Vec<_> = data.chunks(count * width * 3).enumerate().collect();
                                for backwards in [false, true] {
                                    let mut resizer = Resizer::new(width, height, orientation, &config);
                                    runs.iter()
                                        .for_each(|(i, run)| resizer.rows(i * count, Rows::packed(run, width * 3)));
                                    assert_eq!(
                                        resizer.finish(),
                                        whole,
                                        "{width} x {height}, {orientation:?}, {config:?}, {count}, {backwards}"
                                    );
                                    runs.reverse();
                                }
                            }
                        }
                    }
                }
            }
        }
        assert!(orders[0] > 50 && orders[1] > 50, "both orders of the passes occur: {orders:?}");
    }

    /// Compares padded rows with packed ones at odd sizes, in both orders of the passes.
    #[test]
    fn padded_rows_equal_packed_rows() {
        let mut orders = [0; 2];
        for (width, height) in [(1, 1), (1, 31), (31, 1), (7, 5), (37, 41), (16, 211), (211, 17), (33, 33)] {
            let data: Vec<u8> = (0..width * height * 3).map(|i| ((i * i * 7 + i / 3) % 251) as u8).collect();
            for padding in [0, 1, 2, 3, 13] {
                let stride = width * 3 + padding;
                let mut padded = vec![255; stride * height];
                for (to, from) in padded.chunks_exact_mut(stride).zip(data.chunks_exact(width * 3)) {
                    to[..width * 3].copy_from_slice(from);
                }
                // The last row may end with its last pixel.
                for len in [padded.len(), padded.len() - padding] {
                    let view = RgbView::with_stride(width, height, stride, &padded[..len]).unwrap();
                    for value in 1..=8 {
                        for (side, resize) in [(1, ResizeMode::Squash), (9, ResizeMode::Shortest)] {
                            let config = config(side, resize, Interpolation::Bicubic);
                            let resized = |rows: Rows<'_>| {
                                let mut resizer = Resizer::new(width, height, Orientation::from_exif(value), &config);
                                let rows_first = resizer.rows_first;
                                resizer.rows(0, rows);
                                (rows_first, resizer.finish())
                            };
                            let packed = resized(Rows::packed(&data, width * 3));
                            assert_eq!(resized(Rows::of(view)), packed, "{view:?}, {stride}, {value}, {side}");
                            orders[usize::from(packed.0)] += 1;
                        }
                    }
                }
            }
        }
        assert!(orders[0] > 50 && orders[1] > 50, "both orders of the passes occur: {orders:?}");
    }
}
