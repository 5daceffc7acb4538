//! Where the parts of an image are: strips or tiles, interleaved or one plane for each sample. Knows no compression.

use super::super::decode_error::DecodeError;
use super::directory::{Directory, Values, tag};

/// The parts of an image.
pub(super) struct Layout<'a> {
    bytes: &'a [u8],
    pub width: usize,
    pub height: usize,
    pub part_width: usize,
    pub part_height: usize,
    pub tiled: bool,
    /// Whether each sample of a pixel has parts of its own.
    pub planar: bool,
    offsets: Values<'a>,
    lengths: Option<Values<'a>>,
}

/// A part and the pixels of the image that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the part in its plane.
    pub index: usize,
    pub left: usize,
    pub top: usize,
    /// Columns of the image.
    pub columns: usize,
    /// Rows of the image.
    pub rows: usize,
}

impl<'a> Layout<'a> {
    /// Reads the layout of an image of this size.
    pub fn read(
        bytes: &'a [u8],
        directory: &Directory<'a>,
        (width, height): (usize, usize),
    ) -> Result<Layout<'a>, DecodeError> {
        let planar = match directory.number(tag::PLANAR_CONFIGURATION)?.unwrap_or(1) {
            1 => false,
            2 => true,
            other => return Err(DecodeError::damaged(format_args!("its planar configuration is {other}"))),
        };
        let strips = directory.values(tag::STRIP_OFFSETS)?;
        let tiles = directory.values(tag::TILE_OFFSETS)?;
        let size = |tag| -> Result<usize, DecodeError> {
            let number = directory.number(tag)?.unwrap_or(0);
            match usize::try_from(number).unwrap_or(usize::MAX) {
                0 => Err(DecodeError::damaged("its parts have no size")),
                size => Ok(size),
            }
        };
        let tiled = directory.number(tag::TILE_WIDTH)?.is_some() && (tiles.is_some() || strips.is_none());
        let (part_width, part_height) = if tiled {
            (size(tag::TILE_WIDTH)?, size(tag::TILE_LENGTH)?)
        } else {
            let rows = directory.values(tag::ROWS_PER_STRIP)?.map_or(Ok(height), |_| size(tag::ROWS_PER_STRIP))?;
            (width, rows.min(height))
        };
        let (offsets, lengths) = match tiled {
            true => (tiles, tag::TILE_BYTE_COUNTS),
            false => (strips, tag::STRIP_BYTE_COUNTS),
        };
        let offsets = offsets.ok_or(DecodeError::damaged("it does not say where its pixels are"))?;
        let lengths = directory.values(lengths)?;
        Ok(Layout { bytes, width, height, part_width, part_height, tiled, planar, offsets, lengths })
    }

    /// Number of parts of a plane, or of the image if it is not planar.
    pub fn parts(&self) -> usize {
        // Both are at most the number of pixels.
        self.width.div_ceil(self.part_width) * self.height.div_ceil(self.part_height)
    }

    /// Returns the places of a plane's parts, from the top left.
    pub fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let Layout { width, height, part_width, part_height, .. } = *self;
        let across = width.div_ceil(part_width);
        (0..self.parts()).map(move |index| {
            let (left, top) = (index % across * part_width, index / across * part_height);
            let columns = part_width.min(width - left);
            Place { index, left, top, columns, rows: part_height.min(height - top) }
        })
    }

    fn start(&self, index: usize) -> Result<usize, DecodeError> {
        let offset = self.offsets.number(index).ok_or(DecodeError::Truncated)?;
        usize::try_from(offset).map_err(|_| DecodeError::Truncated)
    }

    /// Returns the first `length` bytes of a part that is not compressed. Like Pillow, ignores the stated lengths.
    pub fn plain(&self, index: usize, length: usize) -> Result<&'a [u8], DecodeError> {
        let start = self.start(index)?;
        start.checked_add(length).and_then(|end| self.bytes.get(start..end)).ok_or(DecodeError::Truncated)
    }

    /// Returns a compressed part. Without a length, or if the only strip has none, it extends to the next part or the
    /// end of the file.
    pub fn part(&self, index: usize) -> Result<&'a [u8], DecodeError> {
        let start = self.start(index)?;
        let length = match self.lengths {
            Some(lengths) => Some(lengths.number(index).ok_or(DecodeError::Truncated)?),
            None => None,
        };
        let end = match length {
            Some(length) if length > 0 || self.offsets.len() > 1 => {
                usize::try_from(length).ok().and_then(|length| start.checked_add(length))
            }
            _ => {
                let next = self.start(index + 1).ok().filter(|&next| next > start);
                Some(next.unwrap_or(self.bytes.len()).min(self.bytes.len()))
            }
        };
        end.and_then(|end| self.bytes.get(start..end)).ok_or(DecodeError::Truncated)
    }
}
