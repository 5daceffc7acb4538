//! Planes of samples, and the frame that they form. Samples are of 16 bits whatever the depth is.

use super::super::decode_error::{DecodeError, try_filled};

/// Both sides of a plane are allocated to a multiple of this, the largest transform: blocks that begin within the
/// picture may reach beyond it.
pub const ALIGNMENT: usize = 64;

/// The samples of one component.
#[derive(Clone, Debug)]
pub struct Plane {
    /// Rows of `stride` samples; `height` rows, rounded up to [`ALIGNMENT`].
    pub samples: Vec<u16>,
    /// From one row to the next: `width`, rounded up to [`ALIGNMENT`].
    pub stride: usize,
    /// Samples across that belong to the picture.
    pub width: usize,
    /// Rows that belong to the picture.
    pub height: usize,
}

impl Plane {
    /// A plane of zeros. The caller draws its memory from the budget: see [`Plane::bytes`].
    ///
    /// # Errors
    /// The memory cannot be allocated.
    pub fn new(width: usize, height: usize) -> Result<Self, DecodeError> {
        let stride = width.next_multiple_of(ALIGNMENT);
        let samples = try_filled(stride, height.next_multiple_of(ALIGNMENT), 1, 0)?;
        Ok(Self { samples, stride, width, height })
    }

    /// Bytes that a plane of this size takes.
    pub fn bytes(width: usize, height: usize) -> u64 {
        2 * width.next_multiple_of(ALIGNMENT) as u64 * height.next_multiple_of(ALIGNMENT) as u64
    }

    /// Rows that are allocated.
    pub fn rows(&self) -> usize {
        self.samples.len().checked_div(self.stride).unwrap_or(0)
    }

    /// Row `y` with the samples beyond the picture; empty beyond the allocated rows.
    pub fn row(&self, y: usize) -> &[u16] {
        let start = (y * self.stride).min(self.samples.len());
        let end = (start + self.stride).min(self.samples.len());
        &self.samples[start..end]
    }

    /// Row `y` to be written; empty beyond the allocated rows.
    pub fn row_mut(&mut self, y: usize) -> &mut [u16] {
        let start = (y * self.stride).min(self.samples.len());
        let end = (start + self.stride).min(self.samples.len());
        &mut self.samples[start..end]
    }

    /// The sample at column `x` of row `y`; zero beyond what is allocated.
    pub fn get(&self, x: usize, y: usize) -> u16 {
        self.row(y).get(x).copied().unwrap_or(0)
    }

    /// Whether a block lies within what is allocated.
    pub fn holds(&self, x: usize, y: usize, width: usize, height: usize) -> bool {
        x.checked_add(width).is_some_and(|end| end <= self.stride)
            && y.checked_add(height).is_some_and(|end| end <= self.rows())
    }
}

/// A picture: luma alone, or luma and two planes of chroma.
#[derive(Clone, Debug)]
pub struct Frame {
    /// One or three planes.
    pub planes: Vec<Plane>,
    /// Bits of a sample: 8, 10 or 12.
    pub bits: u32,
    /// Whether chroma has half the samples, across and down (`subsampling_x`, `subsampling_y`).
    pub subsampling: [bool; 2],
}

impl Frame {
    /// A frame of zeros of `width` x `height` luma samples; without chroma if `grey`.
    ///
    /// # Errors
    /// The memory cannot be allocated.
    pub fn new(
        width: usize,
        height: usize,
        bits: u32,
        grey: bool,
        subsampling: [bool; 2],
    ) -> Result<Self, DecodeError> {
        let mut planes = vec![Plane::new(width, height)?];
        if !grey {
            let across = (width + usize::from(subsampling[0])) >> u32::from(subsampling[0]);
            let down = (height + usize::from(subsampling[1])) >> u32::from(subsampling[1]);
            planes.push(Plane::new(across, down)?);
            planes.push(Plane::new(across, down)?);
        }
        Ok(Self { planes, bits, subsampling })
    }

    /// A copy.
    ///
    /// # Errors
    /// The memory cannot be allocated.
    pub fn try_clone(&self) -> Result<Self, DecodeError> {
        let copy = |plane: &Plane| {
            let mut copy = Plane::new(plane.width, plane.height)?;
            copy.samples.copy_from_slice(&plane.samples);
            Ok(copy)
        };
        let planes = self.planes.iter().map(copy).collect::<Result<_, DecodeError>>()?;
        Ok(Self { planes, ..*self })
    }

    /// Shifts of plane `plane` against luma, across and down.
    pub fn shifts(&self, plane: usize) -> [u32; 2] {
        if plane == 0 { [0, 0] } else { self.subsampling.map(u32::from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_padded_and_rows_outside_are_empty() {
        let frame = Frame::new(65, 3, 8, false, [true, true]).unwrap();
        let [luma, chroma] = [&frame.planes[0], &frame.planes[1]];
        assert_eq!((luma.stride, luma.rows(), luma.row(63).len(), luma.row(64).len()), (128, 64, 128, 0));
        assert_eq!((chroma.width, chroma.height, chroma.stride), (33, 2, 64));
        assert!(luma.holds(64, 0, 64, 64) && !luma.holds(65, 0, 64, 64) && !luma.holds(0, 1, 4, 64));
        assert_eq!(Plane::bytes(65, 3), 2 * 128 * 64);
        assert_eq!(frame.shifts(2), [1, 1]);
    }
}
