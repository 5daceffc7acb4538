//! The eight orientations of EXIF and the code that turns pixels upright. Knows no metadata format.

/// The transform that turns stored pixels upright; in the order of the EXIF values 1 to 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Orientation {
    /// 1: no change.
    #[default]
    Upright,
    /// 2: mirror horizontally.
    Mirrored,
    /// 3: rotate by 180 degrees.
    UpsideDown,
    /// 4: mirror vertically.
    Flipped,
    /// 5: mirror across the main diagonal.
    Transposed,
    /// 6: rotate by 90 degrees clockwise.
    Right,
    /// 7: mirror across the other diagonal.
    Transversed,
    /// 8: rotate by 90 degrees anticlockwise.
    Left,
}

impl Orientation {
    /// Maps the value of the EXIF tag; unknown values mean upright.
    pub fn from_exif(value: u32) -> Self {
        match value {
            2 => Orientation::Mirrored,
            3 => Orientation::UpsideDown,
            4 => Orientation::Flipped,
            5 => Orientation::Transposed,
            6 => Orientation::Right,
            7 => Orientation::Transversed,
            8 => Orientation::Left,
            _ => Orientation::Upright,
        }
    }

    /// Returns the value of the EXIF tag, 1 to 8.
    pub fn exif(self) -> u8 {
        self as u8 + 1
    }

    /// Returns the orientation that has the effect of this one and then of `next`.
    #[cfg_attr(not(feature = "decode"), allow(dead_code, reason = "files of photos alone are turned twice"))]
    pub fn then(self, next: Orientation) -> Orientation {
        let flags = |o: Orientation| (o.swaps(), o.reverses_rows(), o.reverses_columns());
        let (rows, columns) = (next.reverses_rows(), next.reverses_columns());
        let (rows, columns) = if self.swaps() { (columns, rows) } else { (rows, columns) };
        let both = (self.swaps() != next.swaps(), self.reverses_rows() != rows, self.reverses_columns() != columns);
        (1..=8).map(Orientation::from_exif).find(|&other| flags(other) == both).unwrap_or_default()
    }

    /// Whether width and height are swapped.
    pub fn swaps(self) -> bool {
        use Orientation::*;
        matches!(self, Transposed | Right | Transversed | Left)
    }

    /// Whether the pixels of a stored row appear in reverse order (in a row or a column) in the upright photo.
    pub fn reverses_rows(self) -> bool {
        use Orientation::*;
        matches!(self, Mirrored | UpsideDown | Transversed | Left)
    }

    /// Whether the stored rows appear in reverse order (as rows or columns) in the upright photo.
    pub fn reverses_columns(self) -> bool {
        use Orientation::*;
        matches!(self, UpsideDown | Flipped | Right | Transversed)
    }
}

impl Orientation {
    /// Returns the place in a stored square of `side` x `side` values of what is at column `x`, row `y` once it is upright.
    pub fn source(self, x: usize, y: usize, side: usize) -> (usize, usize) {
        let (x, y) = if self.swaps() { (y, x) } else { (x, y) };
        (if self.reverses_rows() { side - 1 - x } else { x }, if self.reverses_columns() { side - 1 - y } else { y })
    }
}

/// Rows that are turned together: neighbouring writes then read from rows that are still in the cache.
pub(crate) const STRIP: usize = 16;

impl Orientation {
    /// Turns a whole photo, `[height, width, 3]`; returns its new width and height and its bytes, or `None` if
    /// memory runs out. Allocates a second buffer only if the orientation [swaps](Self::swaps) width and height.
    pub fn apply(self, width: usize, height: usize, mut data: Vec<u8>) -> Option<(usize, usize, Vec<u8>)> {
        match self {
            Orientation::Upright => {}
            Orientation::Mirrored => {
                data.chunks_exact_mut(width * 3).for_each(|row| row.as_chunks_mut::<3>().0.reverse());
            }
            Orientation::UpsideDown => data.as_chunks_mut::<3>().0.reverse(),
            Orientation::Flipped => {
                let (upper, lower) = data.split_at_mut(height / 2 * width * 3);
                let lower = lower.chunks_exact_mut(width * 3).rev();
                upper.chunks_exact_mut(width * 3).zip(lower).for_each(|(a, b)| a.swap_with_slice(b));
            }
            _ => {
                let mut turned = Vec::new();
                turned.try_reserve_exact(data.len()).ok()?;
                turned.resize(data.len(), 0);
                for (i, rows) in data.chunks(STRIP * width * 3).enumerate() {
                    self.turn(rows, i * STRIP, width, height, &mut turned);
                }
                return Some((height, width, turned));
            }
        }
        Some((width, height, data))
    }

    /// Writes `rows`, which start at row `first` of a `width` x `height` photo, to their place in the turned photo
    /// `[width, height, 3]`; for orientations that [swap](Self::swaps) width and height.
    pub fn turn(self, rows: &[u8], first: usize, width: usize, height: usize, turned: &mut [u8]) {
        let pixels = rows.as_chunks::<3>().0;
        let count = pixels.len() / width;
        let (from_right, from_bottom) = (self.reverses_columns(), self.reverses_rows());
        // The rows become the columns `left..left + count` of the turned photo.
        let left = if from_right { height - first - count } else { first };
        let turned = turned.as_chunks_mut::<3>().0.chunks_exact_mut(height);
        for (y, turned) in turned.enumerate() {
            let x = if from_bottom { width - 1 - y } else { y };
            let column = pixels[x..].iter().step_by(width);
            let out = turned[left..left + count].iter_mut();
            if from_right {
                out.rev().zip(column).for_each(|(out, pixel)| *out = *pixel);
            } else {
                out.zip(column).for_each(|(out, pixel)| *out = *pixel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_orientation_after_another() {
        let photo: Vec<u8> = (0..6).flat_map(|i| [i, 10 + i, 20 + i]).collect();
        for first in (1..=8).map(Orientation::from_exif) {
            for next in (1..=8).map(Orientation::from_exif) {
                let (width, height, data) = first.apply(3, 2, photo.clone()).unwrap();
                let expected = next.apply(width, height, data);
                assert_eq!(first.then(next).apply(3, 2, photo.clone()), expected, "{first:?} {next:?}");
            }
        }
    }

    /// Checks the place of each pixel of a 3 x 2 photo.
    #[test]
    fn every_orientation() {
        let photo: Vec<u8> = (0..6).flat_map(|i| [i, 10 + i, 20 + i]).collect();
        let cases: [(u32, usize, [u8; 6]); 8] = [
            (1, 3, [0, 1, 2, 3, 4, 5]),
            (2, 3, [2, 1, 0, 5, 4, 3]),
            (3, 3, [5, 4, 3, 2, 1, 0]),
            (4, 3, [3, 4, 5, 0, 1, 2]),
            (5, 2, [0, 3, 1, 4, 2, 5]),
            (6, 2, [3, 0, 4, 1, 5, 2]),
            (7, 2, [5, 2, 4, 1, 3, 0]),
            (8, 2, [2, 5, 1, 4, 0, 3]),
        ];
        for (value, width, expected) in cases {
            let (w, h, turned) = Orientation::from_exif(value).apply(3, 2, photo.clone()).unwrap();
            assert_eq!((w, h), (width, 6 / width));
            let expected: Vec<u8> = expected.iter().flat_map(|&i| [i, 10 + i, 20 + i]).collect();
            assert_eq!(turned, expected, "{value}");
        }
    }

    #[test]
    fn strips_equal_the_whole() {
        let (width, height) = (5, 3 * STRIP + 7);
        let photo: Vec<u8> = (0..width * height * 3).map(|i| (i * 7 % 251) as u8).collect();
        for value in 5..=8 {
            let orientation = Orientation::from_exif(value);
            let (_, _, whole) = orientation.apply(width, height, photo.clone()).unwrap();
            let mut rows = vec![0; photo.len()];
            for (i, strip) in photo.chunks(11 * width * 3).enumerate() {
                orientation.turn(strip, i * 11, width, height, &mut rows);
            }
            assert_eq!(rows, whole);
        }
    }
}
