//! Upscaling (section 7.16): stretches a frame that was coded narrower (`use_superres`).

use super::super::super::decode_error::DecodeError;
use super::super::plane::{Frame, Plane};

/// Taps of a filter, and the tap of the sample itself.
const TAPS: usize = 8;
const OFFSET: i64 = 3;

/// Fractional bits of positions, and those of them that do not choose a filter.
const SCALE_BITS: u32 = 14;
const EXTRA_BITS: u32 = 8;

/// Filters by sixty-fourths of a sample (`Upscale_Filter`).
#[rustfmt::skip]
const FILTERS: [[i16; TAPS]; 64] = [
    [0, 0, 0, 128, 0, 0, 0, 0],
    [0, 0, -1, 128, 2, -1, 0, 0],
    [0, 1, -3, 127, 4, -2, 1, 0],
    [0, 1, -4, 127, 6, -3, 1, 0],
    [0, 2, -6, 126, 8, -3, 1, 0],
    [0, 2, -7, 125, 11, -4, 1, 0],
    [-1, 2, -8, 125, 13, -5, 2, 0],
    [-1, 3, -9, 124, 15, -6, 2, 0],
    [-1, 3, -10, 123, 18, -6, 2, -1],
    [-1, 3, -11, 122, 20, -7, 3, -1],
    [-1, 4, -12, 121, 22, -8, 3, -1],
    [-1, 4, -13, 120, 25, -9, 3, -1],
    [-1, 4, -14, 118, 28, -9, 3, -1],
    [-1, 4, -15, 117, 30, -10, 4, -1],
    [-1, 5, -16, 116, 32, -11, 4, -1],
    [-1, 5, -16, 114, 35, -12, 4, -1],
    [-1, 5, -17, 112, 38, -12, 4, -1],
    [-1, 5, -18, 111, 40, -13, 5, -1],
    [-1, 5, -18, 109, 43, -14, 5, -1],
    [-1, 6, -19, 107, 45, -14, 5, -1],
    [-1, 6, -19, 105, 48, -15, 5, -1],
    [-1, 6, -19, 103, 51, -16, 5, -1],
    [-1, 6, -20, 101, 53, -16, 6, -1],
    [-1, 6, -20, 99, 56, -17, 6, -1],
    [-1, 6, -20, 97, 58, -17, 6, -1],
    [-1, 6, -20, 95, 61, -18, 6, -1],
    [-2, 7, -20, 93, 64, -18, 6, -2],
    [-2, 7, -20, 91, 66, -19, 6, -1],
    [-2, 7, -20, 88, 69, -19, 6, -1],
    [-2, 7, -20, 86, 71, -19, 6, -1],
    [-2, 7, -20, 84, 74, -20, 7, -2],
    [-2, 7, -20, 81, 76, -20, 7, -1],
    [-2, 7, -20, 79, 79, -20, 7, -2],
    [-1, 7, -20, 76, 81, -20, 7, -2],
    [-2, 7, -20, 74, 84, -20, 7, -2],
    [-1, 6, -19, 71, 86, -20, 7, -2],
    [-1, 6, -19, 69, 88, -20, 7, -2],
    [-1, 6, -19, 66, 91, -20, 7, -2],
    [-2, 6, -18, 64, 93, -20, 7, -2],
    [-1, 6, -18, 61, 95, -20, 6, -1],
    [-1, 6, -17, 58, 97, -20, 6, -1],
    [-1, 6, -17, 56, 99, -20, 6, -1],
    [-1, 6, -16, 53, 101, -20, 6, -1],
    [-1, 5, -16, 51, 103, -19, 6, -1],
    [-1, 5, -15, 48, 105, -19, 6, -1],
    [-1, 5, -14, 45, 107, -19, 6, -1],
    [-1, 5, -14, 43, 109, -18, 5, -1],
    [-1, 5, -13, 40, 111, -18, 5, -1],
    [-1, 4, -12, 38, 112, -17, 5, -1],
    [-1, 4, -12, 35, 114, -16, 5, -1],
    [-1, 4, -11, 32, 116, -16, 5, -1],
    [-1, 4, -10, 30, 117, -15, 4, -1],
    [-1, 3, -9, 28, 118, -14, 4, -1],
    [-1, 3, -9, 25, 120, -13, 4, -1],
    [-1, 3, -8, 22, 121, -12, 4, -1],
    [-1, 3, -7, 20, 122, -11, 3, -1],
    [-1, 2, -6, 18, 123, -10, 3, -1],
    [0, 2, -6, 15, 124, -9, 3, -1],
    [0, 2, -5, 13, 125, -8, 2, -1],
    [0, 1, -4, 11, 125, -7, 2, 0],
    [0, 1, -3, 8, 126, -6, 2, 0],
    [0, 1, -3, 6, 127, -4, 1, 0],
    [0, 1, -2, 4, 127, -3, 1, 0],
    [0, 0, -1, 2, 128, -1, 0, 0],
];

/// Stretches every plane of a frame to `width` luma samples (`UpscaledWidth`), more than it has.
///
/// # Errors
/// The memory cannot be allocated.
pub fn upscale(frame: &Frame, width: usize) -> Result<Frame, DecodeError> {
    let mut planes = Vec::new();
    for (index, plane) in frame.planes.iter().enumerate() {
        let shift = frame.shifts(index)[0];
        let mut wide = Plane::new((width + shift as usize) >> shift, plane.height)?;
        // Of the frame, whole 8 x 8 luma samples are decoded (`MiCols`).
        let decoded = (frame.planes.first().map_or(0, |luma| luma.width.next_multiple_of(8)) >> shift).max(1);
        let positions = Positions::new(plane.width, wide.width);
        for y in 0..plane.height {
            let source = plane.row(y);
            positions.stretch(source.get(..decoded).unwrap_or(source), wide.row_mut(y), frame.bits);
        }
        planes.push(wide);
    }
    Ok(Frame { planes, bits: frame.bits, subsampling: frame.subsampling })
}

/// Where the samples of a row come from.
struct Positions {
    start: i64,
    step: i64,
    width: usize,
}

impl Positions {
    fn new(from: usize, to: usize) -> Self {
        let [from, to] = [from as i64, to.max(1) as i64];
        let step = ((from << SCALE_BITS) + to / 2) / to;
        let error = to * step - (from << SCALE_BITS);
        let first = (-((to - from) << (SCALE_BITS - 1)) + to / 2) / to + (1 << (EXTRA_BITS - 1)) - error / 2;
        let start = (first & ((1 << SCALE_BITS) - 1)) - (1 << SCALE_BITS);
        Self { start, step, width: to as usize }
    }

    fn stretch(&self, source: &[u16], row: &mut [u16], bits: u32) {
        let Some(last) = source.len().checked_sub(1) else { return };
        let high = (1 << bits) - 1;
        let mut position = self.start;
        for to in row.iter_mut().take(self.width) {
            let filter = &FILTERS[(position >> EXTRA_BITS) as usize & 63];
            let first = (position >> SCALE_BITS) - OFFSET;
            let inside = usize::try_from(first).ok().and_then(|first| source.get(first..first + TAPS));
            let sum: i32 = match inside {
                Some(samples) => filter.iter().zip(samples).map(|(&tap, &s)| i32::from(tap) * i32::from(s)).sum(),
                None => filter
                    .iter()
                    .zip(first..)
                    .map(|(&tap, x)| i32::from(tap) * i32::from(source[x.clamp(0, last as i64) as usize]))
                    .sum(),
            };
            *to = ((sum + 64) >> 7).clamp(0, high) as u16;
            position += self.step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_keep_what_is_flat() {
        assert!(FILTERS.iter().all(|filter| filter.iter().map(|&tap| i32::from(tap)).sum::<i32>() == 128));
        let mut frame = Frame::new(20, 4, 10, false, [true, true]).unwrap();
        frame.planes.iter_mut().for_each(|plane| plane.samples.fill(700));
        let wide = upscale(&frame, 37).unwrap();
        assert_eq!(wide.planes.iter().map(|plane| plane.width).collect::<Vec<_>>(), [37, 19, 19]);
        assert!(
            wide.planes
                .iter()
                .all(|plane| (0..plane.height).all(|y| plane.row(y)[..plane.width].iter().all(|&s| s == 700)))
        );
    }

    #[test]
    fn a_ramp_stays_a_ramp() {
        let mut frame = Frame::new(64, 1, 8, true, [false; 2]).unwrap();
        frame.planes[0].row_mut(0).iter_mut().zip(0..).for_each(|(sample, x)| *sample = 2 * x);
        let wide = upscale(&frame, 128).unwrap();
        // Twice as wide: sample x is at x / 2 - 1 / 4 of the ramp that rises by two.
        for (x, &sample) in wide.planes[0].row(0).iter().enumerate().take(120).skip(8) {
            assert!((f64::from(sample) - (x as f64 - 0.5)).abs() <= 0.6, "{x}: {sample}");
        }
    }
}
