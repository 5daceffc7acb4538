//! What a picture looks like, in 292 bytes: equal for copies of a picture that were saved again, resized or turned.
//!
//! The upright photo is averaged over 16 x 16 cells: exact sums, so that the bits are the same on every machine and for
//! every way to deliver the rows. Kept are the brightness of each cell and coarse colours. Two pictures are the same if
//! no cell and no colour differs by more than saving again can change it, in one of the eight orientations; what a
//! picture varies by decides how much that may be, so that flat, dark or bright pictures do not match each other.
//!
//! `tools/picture_hash_limits.py` measured the limits in `compare` on 89 pictures of 640 pixels: photographs of
//! scikit-image and scikit-learn, noise with spectra of 1/f^0.8 to 1/f^1.7 at four contrasts and three levels, drawn
//! scenes. "Flat" pictures, a fifth of them, vary by less than 6 levels between cells.
//!
//! | copies that match | | flat |
//! |---|---|---|
//! | JPEG, quality 75 to 95 | 98.6 % | 100 % |
//! | JPEG, quality 30 to 50 | 94 % | 88 % |
//! | WebP, quality 40 to 80 | 98 % | 97 % |
//! | resized to 25 to 150 %, without two chessboards | 99.6 % | 100 % |
//! | rotated or mirrored, half the size, JPEG 75 | 97 % | 100 % |
//! | JPEG 75, 40 % of the size, JPEG 60 | 83 % | 94 % |
//! | half the size without filtering | 76 % | 94 % |
//! | a quarter of the size (160 pixels), JPEG 30 | 63 % | 0 % |
//!
//! | other pictures that match | | flat |
//! |---|---|---|
//! | shifted by 1 % of the width or height | 0 % | 63 % |
//! | shifted by 2 or 4 % | 0 % | 0 % |
//! | shifted by 0.5 % | 5 % | 75 % |
//! | 2 or 5 % nearer | 0.7 % | 38 % |
//! | turned by 1 or 2 degrees | 1.4 % | 3 % |
//! | 8 or 20 % brighter | 1.4 % | 0 % |
//! | an object of 60 levels, 8 or 16 % of the width | 0 % | 0 % |
//! | the same, 4 % | 10 % | 0 % |
//! | two different pictures, 3,915 pairs | 0 | 0 |
//!
//! So a series of photos is told apart from copies unless the camera and everything in its sight stood still. Summing
//! takes two instructions a pixel: 2 % of those that decode and resize a JPEG photo of 12 megapixels.

mod compare;
mod groups;
#[cfg(feature = "decode")]
mod sink;
#[cfg(test)]
mod tests;

use std::fmt;

pub use compare::Match;
pub use groups::{SamePicture, same_pictures};
#[cfg(feature = "decode")]
pub(crate) use sink::{Hashed, HashingSink};

use super::area::AreaSums;
use super::{Orientation, RgbView};

/// Cells in a row and in a column.
pub(super) const SIDE: usize = 16;

/// Number of cells.
pub(super) const CELLS: usize = SIDE * SIDE;

/// Areas of colour in a row and in a column.
pub(super) const COLOUR_SIDE: usize = 4;

/// Number of colour values: two for each area.
pub(super) const COLOURS: usize = 2 * COLOUR_SIDE * COLOUR_SIDE;

/// Units of a level of brightness.
pub(super) const SCALE: i32 = 16;

/// The first byte of every hash of this kind.
const VERSION: u8 = 1;

/// What a picture looks like: tells copies of it that were encoded anew, resized, rotated or mirrored.
///
/// Made of [pixels](PictureHash::of), or while a photo is encoded (`ObservedPhoto`, feature `decode`). Its bytes may be stored;
/// they are the same on every machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PictureHash {
    /// Version; exponent; mean brightness in 1/16 levels, two bytes; difference of each cell to the mean, `[16, 16]`;
    /// red and blue less the brightness, `[4, 4, 2]`.
    bytes: [u8; Self::LEN],
}

/// The parts of a hash.
pub(super) struct Parts {
    /// Brightness in units of 1/16 level, `[16, 16]`.
    pub cells: [i32; CELLS],
    /// `[4, 4, 2]`, in units of two levels.
    pub colours: [i32; COLOURS],
}

impl PictureHash {
    /// Length of [`to_bytes`](Self::to_bytes).
    pub const LEN: usize = 4 + CELLS + COLOURS;

    /// Computes the hash of an upright photo.
    pub fn of<'a>(photo: impl Into<RgbView<'a>>) -> PictureHash {
        let photo = photo.into();
        match AreaSums::new(photo.width(), photo.height(), SIDE, SIDE) {
            Some(mut sums) => {
                sums.rows(photo.data(), photo.stride());
                PictureHash::finish(&sums, Orientation::Upright)
            }
            // Some kilobytes.
            None => PictureHash { bytes: [0; Self::LEN] },
        }
    }

    /// Computes the hash of a photo whose stored rows were summed over the cells.
    fn finish(sums: &AreaSums, orientation: Orientation) -> PictureHash {
        let means = sums.means(SCALE as u64);
        let stored = means.as_chunks::<3>().0;
        let mut cells = [0i32; CELLS];
        let mut colours = [[0i32; 2]; COLOURS / 2];
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (from_x, from_y) = orientation.source(x, y, SIDE);
                let [red, green, blue] = stored[from_y * SIDE + from_x].map(i32::from);
                // ITU-R BT.601, as in JPEG.
                let luma = (77 * red + 150 * green + 29 * blue + 128) >> 8;
                cells[y * SIDE + x] = luma;
                let area = &mut colours[y / COLOUR_AREA * COLOUR_SIDE + x / COLOUR_AREA];
                area[0] += red - luma;
                area[1] += blue - luma;
            }
        }
        let mean = rounded(cells.iter().sum(), CELLS as i32);
        let most = cells.iter().map(|cell| (cell - mean).abs()).max().unwrap_or(0);
        // The smallest exponent with which every difference fits in a byte.
        let exponent = (0..8).find(|&exponent| rounded(most, 1 << exponent) <= 127).unwrap_or(7);
        let mut bytes = [0; Self::LEN];
        bytes[0] = VERSION;
        bytes[1] = exponent;
        bytes[2..4].copy_from_slice(&(mean as u16).to_le_bytes());
        for (byte, cell) in bytes[4..4 + CELLS].iter_mut().zip(cells) {
            *byte = rounded(cell - mean, 1 << exponent) as i8 as u8;
        }
        /// Cells of an area, in units of two levels.
        const UNIT: i32 = (COLOUR_AREA * COLOUR_AREA) as i32 * SCALE * 2;
        for (byte, &colour) in bytes[4 + CELLS..].iter_mut().zip(colours.as_flattened()) {
            *byte = rounded(colour, UNIT) as i8 as u8;
        }
        PictureHash { bytes }
    }

    /// Returns the bytes to store.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        self.bytes
    }

    /// Reads stored bytes; `None` if they have another length or are of another version.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<PictureHash> {
        let bytes: [u8; Self::LEN] = bytes.try_into().ok()?;
        (bytes[0] == VERSION && bytes[1] < 8).then_some(PictureHash { bytes })
    }

    fn parts(&self) -> Parts {
        let exponent = self.bytes[1] & 7;
        let mean = i32::from(u16::from_le_bytes([self.bytes[2], self.bytes[3]]));
        let (mut cells, mut colours) = ([0; CELLS], [0; COLOURS]);
        for (cell, &byte) in cells.iter_mut().zip(&self.bytes[4..]) {
            *cell = mean + (i32::from(byte as i8) << exponent);
        }
        for (colour, &byte) in colours.iter_mut().zip(&self.bytes[4 + CELLS..]) {
            *colour = i32::from(byte as i8);
        }
        Parts { cells, colours }
    }
}

/// Cells in a row of an area of colour.
const COLOUR_AREA: usize = SIDE / COLOUR_SIDE;

/// Divides and rounds to the nearest, halves away from zero, so that signs do not matter.
fn rounded(value: i32, divisor: i32) -> i32 {
    (value.abs() + divisor / 2) / divisor * value.signum()
}

impl fmt::Debug for PictureHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = u16::from_le_bytes([self.bytes[2], self.bytes[3]]) / SCALE as u16;
        f.debug_struct("PictureHash").field("mean", &mean).finish_non_exhaustive()
    }
}
