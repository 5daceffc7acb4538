//! Lossy pictures (VP8), decoded by the `image-webp` crate.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::super::decode_error::{DecodeError, check_memory, checked_size, try_filled};
use crate::budget::Budget;

/// Bytes per pixel that the codec allocates, in whole blocks of 16 x 16: its planes take one and a half, its notes on the
/// blocks less than the rest.
const PLANES: usize = 2;

/// Bytes that the codec allocates for each byte of the data: the data, a copy, and room that a growing buffer keeps.
const DATA: usize = 4;

/// The most that a part of the data can claim, which the codec allocates before it reads the part.
const CLAIM: usize = 1 << 24;

/// A lossy picture whose size is known.
pub(super) struct Header {
    decoder: WebPDecoder<Cursor<Vec<u8>>>,
    /// Length of the data.
    length: usize,
    pub width: usize,
    pub height: usize,
}

impl Header {
    /// Reads and checks the size of a picture.
    pub fn read(data: &[u8], budget: &Budget) -> Result<Header, DecodeError> {
        let decoder = WebPDecoder::new(Cursor::new(file(data)?)).map_err(decode_error)?;
        let (width, height) = decoder.dimensions();
        let (width, height) = checked_size(width, height, budget)?;
        Ok(Header { decoder, length: data.len(), width, height })
    }

    /// Decodes the picture, `[height, width, 3]`.
    pub fn decode(mut self, budget: &Budget) -> Result<Vec<u8>, DecodeError> {
        let (width, height) = (self.width, self.height);
        // The codec cannot be interrupted.
        budget.work((width * height) as u64)?;
        let blocks = width.next_multiple_of(16) * height.next_multiple_of(16);
        let buffers = blocks * PLANES + self.length * DATA + CLAIM;
        budget.memory((buffers + 3 * width * height) as u64)?;
        check_memory(buffers, (width, height))?;
        let mut data = try_filled(width, height, 3, 0u8)?;
        self.decoder.read_image(&mut data).map_err(decode_error)?;
        Ok(data)
    }
}

/// Returns the size that the header of a picture states (RFC 6386, 9.1).
pub(super) fn size(data: &[u8], budget: &Budget) -> Result<(usize, usize), DecodeError> {
    match data.first_chunk() {
        Some(&[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]) => {
            // The upper two bits of each scale the picture for display.
            let side = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
            checked_size(side(w0, w1), side(h0, h1), budget)
        }
        Some(_) => Err(DecodeError::damaged("a picture begins with wrong bytes")),
        None => Err(DecodeError::Truncated),
    }
}

/// Returns a file of the picture alone.
fn file(picture: &[u8]) -> Result<Vec<u8>, DecodeError> {
    /// The headers of the file and of its chunk.
    const HEADERS: usize = 20;
    let mut file = Vec::new();
    let length = picture.len();
    file.try_reserve_exact(HEADERS + length).map_err(|_| DecodeError::damaged("a picture is too large"))?;
    let size = |size: usize| (size as u32).to_le_bytes();
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&size(length + HEADERS - 8));
    file.extend_from_slice(b"WEBPVP8 ");
    file.extend_from_slice(&size(length));
    file.extend_from_slice(picture);
    Ok(file)
}

/// Maps an error of the codec.
fn decode_error(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(_) => DecodeError::Truncated,
        other => DecodeError::damaged(other),
    }
}
