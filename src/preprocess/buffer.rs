//! Decoded photos: eight-bit RGB, rows from the top, tightly packed. Knows no file format.

use std::fmt;

use super::error::Error;

/// An owned RGB photo: `[height, width, 3]`, eight bits a channel, tightly packed.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbBuffer {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

/// A borrowed RGB photo: `[height, width, 3]`, eight bits a channel, tightly packed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RgbView<'a> {
    width: usize,
    height: usize,
    data: &'a [u8],
}

/// The number of bytes of an RGB photo, if the sides are not zero and their product can be counted.
fn check(width: usize, height: usize, len: usize) -> Result<(), Error> {
    let expected = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3));
    if width == 0 || height == 0 || expected != Some(len) {
        return Err(Error::BufferLength { width, height, len });
    }
    Ok(())
}

impl RgbBuffer {
    /// Takes `height` rows of `width` pixels of red, green and blue.
    ///
    /// # Errors
    /// When a side is zero or `data` is not `width · height · 3` bytes long.
    pub fn new(width: usize, height: usize, data: Vec<u8>) -> Result<Self, Error> {
        check(width, height, data.len())?;
        Ok(RgbBuffer { width, height, data })
    }

    /// Pixels in a row; at least one.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows; at least one.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels: `[height, width, 3]`.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Gives up the pixels: `[height, width, 3]`.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Borrows the photo.
    pub fn view(&self) -> RgbView<'_> {
        RgbView { width: self.width, height: self.height, data: &self.data }
    }
}

impl<'a> RgbView<'a> {
    /// Borrows `height` rows of `width` pixels of red, green and blue.
    ///
    /// # Errors
    /// When a side is zero or `data` is not `width · height · 3` bytes long.
    pub fn new(width: usize, height: usize, data: &'a [u8]) -> Result<Self, Error> {
        check(width, height, data.len())?;
        Ok(RgbView { width, height, data })
    }

    /// Pixels in a row; at least one.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows; at least one.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels: `[height, width, 3]`.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }
}

impl<'a> From<&'a RgbBuffer> for RgbView<'a> {
    fn from(buffer: &'a RgbBuffer) -> Self {
        buffer.view()
    }
}

impl fmt::Debug for RgbBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RgbBuffer({} x {})", self.width, self.height)
    }
}

impl fmt::Debug for RgbView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RgbView({} x {})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_must_match_the_sides() {
        assert!(RgbBuffer::new(2, 3, vec![0; 18]).is_ok());
        for (width, height, len) in [(2, 3, 17), (2, 3, 19), (0, 3, 0), (2, 0, 0), (usize::MAX, 2, 6)] {
            let error = RgbBuffer::new(width, height, vec![0; len]).unwrap_err().to_string();
            assert!(error.contains(&format!("{width} x {height}")), "{error}");
            assert!(RgbView::new(width, height, &vec![0; len]).is_err());
        }
    }
}
