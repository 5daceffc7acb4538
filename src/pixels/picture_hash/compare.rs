//! Whether two hashes are of the same picture, and how it was turned.

use super::{CELLS, COLOUR_SIDE, Parts, PictureHash, SIDE};
use crate::pixels::Orientation;

/// How two hashes of the same picture relate.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Match {
    /// The EXIF orientation, 1 to 8, that turns the other picture like the first; 1 if it is not turned.
    pub turned: u8,
    /// How much they differ, as a share of what is allowed: 0 if nothing differs, at most 1.
    pub distance: f32,
}

/// What may differ between two copies, in units of 1/16 level.
struct Limits {
    /// Of the root mean square over all cells, squared.
    square: i64,
    /// Of any cell.
    cell: i32,
}

/// Limit of the root mean square as a share of the standard deviation of the cells, in 256ths, and its bounds. The module
/// says what they were measured to give.
const SHARE: i64 = 15;
const LEAST: i64 = 6;
pub(super) const MOST: i64 = 24;

/// Limit of a cell, as a multiple of the limit of the root mean square, and its least value.
const CELL: i64 = 3;
const LEAST_CELL: i64 = 24;

/// Limit of a colour, in units of two levels.
const COLOUR: i32 = 2;

impl PictureHash {
    /// Whether this and another hash are of the same picture; `None` if they are not.
    #[must_use]
    pub fn matches(&self, other: &PictureHash) -> Option<Match> {
        self.parts().matches(&other.parts())
    }
}

/// What the root mean square of a difference may be if the flatter picture has this standard deviation.
pub(super) fn limit(deviation: i64) -> i64 {
    (SHARE * deviation / 256).clamp(LEAST, MOST)
}

impl Parts {
    /// Standard deviation of the cells.
    pub fn deviation(&self) -> i64 {
        let mean = self.cells.iter().sum::<i32>() / CELLS as i32;
        let squares: i64 = self.cells.iter().map(|cell| i64::from(cell - mean).pow(2)).sum();
        (squares / CELLS as i64).isqrt()
    }

    fn limits(&self, other: &Parts) -> Limits {
        // The flatter one decides.
        let deviation = limit(self.deviation().min(other.deviation()));
        Limits { square: deviation * deviation * CELLS as i64, cell: (CELL * deviation).max(LEAST_CELL) as i32 }
    }

    pub fn matches(&self, other: &Parts) -> Option<Match> {
        let limits = self.limits(other);
        let best = (1..=8).filter_map(|turned| Some((self.difference(other, turned, &limits)?, turned))).min()?;
        let (square, turned) = best;
        let distance = (square as f64 / limits.square as f64).sqrt() as f32;
        Some(Match { turned: turned as u8, distance })
    }

    /// The sum of squared differences to the other picture, turned; `None` beyond the limits.
    fn difference(&self, other: &Parts, turned: u32, limits: &Limits) -> Option<i64> {
        let orientation = Orientation::from_exif(turned);
        let mut sum = 0i64;
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (from_x, from_y) = orientation.source(x, y, SIDE);
                let difference = self.cells[y * SIDE + x] - other.cells[from_y * SIDE + from_x];
                if difference.abs() > limits.cell {
                    return None;
                }
                sum += i64::from(difference).pow(2);
            }
            if sum > limits.square {
                return None;
            }
        }
        let colours = self.colours.as_chunks::<2>().0;
        let others = other.colours.as_chunks::<2>().0;
        for y in 0..COLOUR_SIDE {
            for x in 0..COLOUR_SIDE {
                let (from_x, from_y) = orientation.source(x, y, COLOUR_SIDE);
                let (colour, other) = (colours[y * COLOUR_SIDE + x], others[from_y * COLOUR_SIDE + from_x]);
                if colour.iter().zip(other).any(|(a, b)| (a - b).abs() > COLOUR) {
                    return None;
                }
            }
        }
        Some(sum)
    }
}
