//! Pillow's two-pass, eight-bit resampling of RGB, computed only where the crop keeps it, from rows as they come.
//!
//! Knows sizes and filters, no models. Equal to `PIL.Image.resize` of the whole upright photo followed by the
//! crop, byte for byte: each pass rounds to eight bits, and the order of the passes is Pillow's. Rows are those
//! that a decoder makes, before the photo is turned upright: turning it is a matter of which axis is which, and
//! of the order of the weights. A photo that is there as a whole is one run of rows.

use super::config::PreprocessConfig;
use super::geometry::Geometry;
use super::orient::Orientation;
use super::passes::{Along, Down, Rows, overlap};
use super::windows::Axis;

/// The resize of one photo.
pub(super) struct Resizer {
    /// Side of the square.
    side: usize,
    /// Bytes of a row as it comes.
    stride: usize,
    /// Over the pixels of a row.
    along: Along,
    /// Over the rows.
    down: Down,
    /// Whether rows are resampled as they come, before they are summed up.
    along_first: bool,
    /// Whether rows as they come are columns of the upright photo.
    swapped: bool,
    /// What the pass down has finished: `[side, side, 3]` if it is the last, else `[side, input of along, 3]`.
    summed: Vec<u8>,
    /// Rows between the passes, if the pass along is the first.
    between: Vec<u8>,
}

impl Resizer {
    /// For a photo whose rows have `width` pixels and of which there are `height`, before it is turned.
    pub fn new(width: usize, height: usize, orientation: Orientation, config: &PreprocessConfig) -> Self {
        let swapped = orientation.swaps();
        let (wide, high) = if swapped { (height, width) } else { (width, height) };
        let geometry = Geometry::new(wide, high, config.image_size, config.resize);
        let Geometry { side, left, top, .. } = geometry;
        let filter = config.interpolation;
        let across =
            Axis { from: wide, to: geometry.width, outputs: left..left + side as u64, mirrored: false, filter };
        let upright =
            Axis { from: high, to: geometry.height, outputs: top..top + side as u64, mirrored: false, filter };
        let along_first = vertical_first(&across, &upright) == swapped;
        let (along, down) = if swapped { (upright, across) } else { (across, upright) };
        let along = Along::new(Axis { mirrored: orientation.reverses_rows(), ..along });
        let down = Down::new(Axis { mirrored: orientation.reverses_columns(), ..down });
        let summed = vec![0; side * 3 * if along_first { side } else { along.input().len() }];
        Resizer { side, stride: width * 3, along, down, along_first, swapped, summed, between: Vec::new() }
    }

    /// Takes whole rows, of which the first is row `first`. Each row comes once, in any order.
    pub fn rows(&mut self, first: usize, data: &[u8]) {
        let source = Rows { data, stride: self.stride };
        if !self.along_first {
            return self.down.resample(source, first, self.along.input().start * 3, &mut self.summed);
        }
        let here = first..first + source.len();
        let wanted = overlap(&here, &self.down.input());
        if wanted.is_empty() {
            return;
        }
        let stride = self.side * 3;
        self.between.resize(wanted.len() * stride, 0);
        self.along.resample(source.part(wanted.start - first..wanted.end - first), 0, &mut self.between);
        let between = Rows { data: &self.between, stride };
        self.down.resample(between, wanted.start, 0, &mut self.summed);
    }

    /// The square of the upright photo, once all rows have come: `[side, side, 3]`, eight bits a channel.
    pub fn finish(self) -> Vec<u8> {
        let mut square = self.summed;
        if !self.along_first {
            let input = self.along.input();
            let summed = Rows { data: &square, stride: input.len() * 3 };
            let mut out = vec![0; self.side * self.side * 3];
            self.along.resample(summed, input.start, &mut out);
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

/// Whether Pillow resamples the columns before the rows. Found by comparing its outputs (Pillow 13.0.0):
/// the height shrinks, and by more than twice what the width shrinks.
fn vertical_first(across: &Axis, down: &Axis) -> bool {
    let (from_width, to_width) = (across.from as i128, i128::from(across.to));
    let (from_height, to_height) = (down.from as i128, i128::from(down.to));
    to_height < from_height && from_height - to_height > 2 * (from_width - to_width)
}

#[cfg(test)]
mod tests {
    use super::super::config::{Interpolation, ResizeMode};
    use super::*;

    fn config(side: usize, resize: ResizeMode, interpolation: Interpolation) -> PreprocessConfig {
        PreprocessConfig { resize, interpolation, ..PreprocessConfig::openai(side) }
    }

    /// Rows in runs of every length, upwards and downwards, of photos stored in every orientation, against the
    /// whole photo turned upright first.
    #[test]
    fn rows_as_they_come_equal_the_whole_photo() {
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
                            orders[usize::from(whole.along_first)] += 1;
                            whole.rows(0, &upright);
                            let whole = whole.finish();
                            for count in [1, 3, 16, 100] {
                                let mut runs: Vec<_> = data.chunks(count * width * 3).enumerate().collect();
                                for backwards in [false, true] {
                                    let mut resizer = Resizer::new(width, height, orientation, &config);
                                    runs.iter().for_each(|(i, run)| resizer.rows(i * count, run));
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
}
