//! RGB photos, owned and borrowed: eight bits per channel, rows from the top.

use std::fmt;

use super::Error;

/// An owned RGB photo: `[height, width, 3]`, eight bits per channel, tightly packed.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbBuffer {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

/// A borrowed RGB photo: `[height, width, 3]`, eight bits per channel, with a row stride.
///
/// Two views are equal if their sizes and pixels are; bytes between rows do not count.
#[derive(Clone, Copy)]
pub struct RgbView<'a> {
    width: usize,
    height: usize,
    /// Bytes from the start of a row to the start of the next; at least `width · 3`.
    stride: usize,
    /// Ends with the last pixel: `stride · (height - 1) + width · 3` bytes.
    data: &'a [u8],
}

/// Checks that `len` bytes are a packed photo.
fn check_packed(width: usize, height: usize, len: usize) -> Result<(), Error> {
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
    /// A side is zero, or `data` is not `width · height · 3` bytes long.
    pub fn new(width: usize, height: usize, data: Vec<u8>) -> Result<Self, Error> {
        check_packed(width, height, data.len())?;
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

    /// Returns the pixels: `[height, width, 3]`.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Borrows the photo.
    pub fn view(&self) -> RgbView<'_> {
        RgbView { width: self.width, height: self.height, stride: self.width * 3, data: &self.data }
    }
}

impl<'a> RgbView<'a> {
    /// Borrows `height` tightly packed rows of `width` pixels of red, green and blue.
    ///
    /// # Errors
    /// A side is zero, or `data` is not `width · height · 3` bytes long.
    pub fn new(width: usize, height: usize, data: &'a [u8]) -> Result<Self, Error> {
        check_packed(width, height, data.len())?;
        Ok(RgbView { width, height, stride: width * 3, data })
    }

    /// Borrows `height` rows of `width` pixels of red, green and blue that start `stride` bytes apart, such as a
    /// camera frame with padded rows or a part of a larger photo.
    ///
    /// Bytes after the last pixel are allowed and ignored.
    ///
    /// # Errors
    /// A side is zero, `stride` is less than `width · 3`, or `data` ends before the last row does.
    pub fn with_stride(width: usize, height: usize, stride: usize, data: &'a [u8]) -> Result<Self, Error> {
        let error = Error::ViewLength { width, height, stride, len: data.len() };
        let (Some(row), Some(rows_before)) = (width.checked_mul(3), height.checked_sub(1)) else {
            return Err(error);
        };
        let end = stride.checked_mul(rows_before).and_then(|start| start.checked_add(row));
        match end.and_then(|end| data.get(..end)) {
            Some(data) if row > 0 && stride >= row => Ok(RgbView { width, height, stride, data }),
            _ => Err(error),
        }
    }

    /// Pixels in a row; at least one.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows; at least one.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Bytes from the start of a row to the start of the next; `width · 3` if rows are tightly packed.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The bytes from the first pixel to the last. Row `y` starts at byte `y · stride`.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The rows from the top, each `[width, 3]`.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let len = self.width * 3;
        // The last row ends with its last pixel, so its chunk can be shorter than the stride.
        self.data.chunks(self.stride).map(move |row| &row[..len])
    }
}

impl PartialEq for RgbView<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.width, self.height) == (other.width, other.height) && self.rows().eq(other.rows())
    }
}

impl Eq for RgbView<'_> {}

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

    #[test]
    fn a_stride_must_hold_a_row_and_the_data_all_rows() {
        // Three rows of two pixels, eight bytes apart: the last one needs no padding.
        for len in [22, 23, 24, 100] {
            let data = vec![0; len];
            let view = RgbView::with_stride(2, 3, 8, &data).unwrap();
            assert_eq!((view.stride(), view.data().len(), view.rows().len()), (8, 22, 3));
        }
        let cases = [
            (2, 3, 8, 21),
            (2, 3, 5, 100),
            (2, 3, 0, 100),
            (0, 3, 8, 100),
            (2, 0, 8, 100),
            (usize::MAX, 1, usize::MAX, 100),
            (1, usize::MAX, 3, 100),
            (1, 2, usize::MAX, 100),
            (1, 3, usize::MAX, 100),
        ];
        for (width, height, stride, len) in cases {
            let error = RgbView::with_stride(width, height, stride, &vec![0; len]).unwrap_err();
            assert_eq!(error, Error::ViewLength { width, height, stride, len });
            assert!(error.to_string().contains(&format!("a row stride of {stride} bytes")), "{error}");
        }
    }

    #[test]
    fn padding_is_not_part_of_a_view() {
        let packed = RgbBuffer::new(1, 2, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let padded = [1, 2, 3, 99, 4, 5, 6, 98];
        let view = RgbView::with_stride(1, 2, 4, &padded).unwrap();
        assert_eq!(view, packed.view());
        assert_eq!(view.rows().collect::<Vec<_>>(), [[1, 2, 3], [4, 5, 6]]);
        assert_ne!(view, RgbView::with_stride(1, 2, 3, &padded).unwrap());
        assert_ne!(view, RgbView::with_stride(2, 1, 6, &packed.data).unwrap());
    }
}
