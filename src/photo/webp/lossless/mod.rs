//! Lossless pictures (VP8L, RFC 9649, section 3), row by row.
//!
//! All memory is charged to the file's budget. What a picture takes does not grow with its size, except for the
//! parameters of its tiles: a row at a time is decoded and delivered, and the latest million pixels are kept for copies.
//! Transparency is decoded, because the cache of colours and a predictor depend on it, and then dropped.

mod bits;
mod codes;
mod copies;
mod entropy;
mod groups;
mod memory;
mod predict;
mod transforms;

use super::super::decode_error::{DecodeError, checked_size};
use crate::budget::Budget;
use bits::Bits;
use entropy::Coded;
use memory::Memory;
use transforms::Transform;

/// Work for a pixel: decoding it, four transforms, delivery.
const PIXEL_WORK: u64 = 25;
/// Work for a row, beside its pixels.
const ROW_WORK: u64 = 50;

/// A lossless picture whose size is known.
pub(super) struct Header<'a> {
    bits: Bits<'a>,
    pub width: usize,
    pub height: usize,
}

/// A lossless picture whose rows are decoded.
pub(super) struct Picture<'a> {
    bits: Bits<'a>,
    coded: Coded,
    /// In the order of the file.
    transforms: Vec<Transform>,
    row: Vec<u32>,
    /// The next row.
    y: usize,
    budget: &'a Budget,
}

impl<'a> Header<'a> {
    /// Reads and checks the size of a picture.
    pub fn read(data: &'a [u8], budget: &Budget) -> Result<Header<'a>, DecodeError> {
        const SIGNATURE: usize = 0x2f;
        let mut bits = Bits::new(data);
        let signature = bits.number(8);
        let (width, height) = (bits.number(14) + 1, bits.number(14) + 1);
        let _transparent = bits.flag();
        let version = bits.number(3);
        if bits.ran_out() {
            return Err(DecodeError::Truncated);
        }
        if signature != SIGNATURE {
            return Err(DecodeError::damaged("a lossless picture begins with a wrong byte"));
        }
        if version != 0 {
            return Err(DecodeError::unsupported(format_args!("version {version} of lossless pictures")));
        }
        let (width, height) = checked_size(width as u64, height as u64, budget)?;
        Ok(Header { bits, width, height })
    }

    /// Reads what precedes the pixels.
    pub fn open(self, budget: &'a Budget) -> Result<Picture<'a>, DecodeError> {
        let Header { mut bits, width, height } = self;
        let memory = Memory { budget, size: (width, height) };
        let opened = Transform::read_all(&mut bits, width, height, memory).and_then(|(transforms, coded_width)| {
            Ok((transforms, Coded::picture(&mut bits, coded_width, height, memory)?))
        });
        // Whatever is wrong after the end of the data is wrong because of it.
        let (transforms, coded) =
            opened.map_err(|error| if bits.ran_out() { DecodeError::Truncated } else { error })?;
        Ok(Picture { bits, coded, transforms, row: memory.zeros(width)?, y: 0, budget })
    }
}

impl Picture<'_> {
    /// Decodes the next row to `[width, 3]`.
    pub fn next_row(&mut self, rgb: &mut [u8]) -> Result<(), DecodeError> {
        self.budget.work(PIXEL_WORK * self.row.len() as u64 + ROW_WORK)?;
        let coded = match self.coded.row(self.y, &mut self.bits) {
            Ok(coded) => coded,
            Err(_) if self.bits.ran_out() => return Err(DecodeError::Truncated),
            Err(error) => return Err(error),
        };
        let mut width = coded.len();
        self.row[..width].copy_from_slice(coded);
        for transform in self.transforms.iter_mut().rev() {
            width = transform.undo(&mut self.row, width, self.y);
        }
        for (rgb, pixel) in rgb.as_chunks_mut().0.iter_mut().zip(&self.row) {
            let [blue, green, red, _] = pixel.to_le_bytes();
            *rgb = [red, green, blue];
        }
        self.y += 1;
        Ok(())
    }
}
