//! JPEG data in TIFF files: strips or tiles that are JPEG images with shared tables.

use std::io::Cursor;

use tiff::decoder::{ChunkType, Decoder};
use tiff::tags::Tag;

use super::super::decode_error::{DecodeError, try_filled};
use super::super::jpeg::{self, ColourSpace};
use super::super::whole::WholePhoto;
use super::error::decode_error;
use crate::budget::Budget;

/// Values of `PhotometricInterpretation`.
const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const RGB: u16 = 2;
const YCBCR: u16 = 6;

/// Decodes all chunks of the first image of `bytes` to `[height, width, 3]`.
pub(super) fn read(
    bytes: &[u8],
    decoder: &mut Decoder<Cursor<&[u8]>>,
    photometric: u16,
    (width, height): (usize, usize),
    budget: &Budget,
) -> Result<Vec<u8>, DecodeError> {
    // The colour space of the TIFF tag overrides that of the JPEG data.
    let space = match photometric {
        WHITE_IS_ZERO | BLACK_IS_ZERO => ColourSpace::Grey,
        RGB => ColourSpace::Rgb,
        YCBCR => ColourSpace::YCbCr,
        _ => {
            return Err(DecodeError::unsupported("its jpeg data is neither grey nor rgb"));
        }
    };
    if decoder
        .find_tag_unsigned::<u16>(Tag::PlanarConfiguration)
        .map_err(decode_error)?
        .is_some_and(|planes| planes != 1)
    {
        return Err(DecodeError::unsupported("its jpeg data is in planes"));
    }
    let (offsets, lengths) = match decoder.get_chunk_type() {
        ChunkType::Strip => (Tag::StripOffsets, Tag::StripByteCounts),
        ChunkType::Tile => (Tag::TileOffsets, Tag::TileByteCounts),
    };
    let offsets: Vec<usize> = decoder.find_tag_unsigned_vec(offsets).map_err(decode_error)?.unwrap_or_default();
    let lengths: Vec<usize> = decoder.find_tag_unsigned_vec(lengths).map_err(decode_error)?.unwrap_or_default();
    // The tables are a JPEG file without image; without its end marker, it becomes the start of every chunk.
    let mut tables = decoder.get_tag_u8_vec(Tag::JPEGTables).unwrap_or_default();
    tables.truncate(tables.len().saturating_sub(2));
    let (chunk_width, chunk_height) = decoder.chunk_dimensions();
    let (chunk_width, chunk_height) = (chunk_width as usize, chunk_height as usize);
    if chunk_width == 0 || chunk_height == 0 {
        return Err(DecodeError::damaged("its parts have no size"));
    }

    let mut data = try_filled(width, height, 3, 0u8)?;
    let origins =
        (0..height).step_by(chunk_height).flat_map(|top| (0..width).step_by(chunk_width).map(move |left| (left, top)));
    let mut chunks = offsets.into_iter().zip(lengths);
    for (left, top) in origins {
        let (offset, length) = chunks.next().ok_or(DecodeError::Truncated)?;
        let chunk = offset.checked_add(length).and_then(|end| bytes.get(offset..end)).ok_or(DecodeError::Truncated)?;
        let file = match tables.is_empty() {
            true => chunk.to_vec(),
            false => [&tables, chunk.get(2..).unwrap_or_default()].concat(),
        };
        let mut photo = WholePhoto::default();
        jpeg::decode_as(&file, false, Some(space), budget, &mut photo)?;
        let chunk = photo.finish()?;
        if chunk.width() > chunk_width.max(width) || chunk.height() > chunk_height.max(height) {
            return Err(DecodeError::damaged("a part is larger than the whole"));
        }
        let columns = chunk.width().min(width - left);
        let rows = data.chunks_exact_mut(width * 3).skip(top);
        for (row, chunk) in rows.zip(chunk.data().chunks_exact(chunk.width() * 3)) {
            row[left * 3..(left + columns) * 3].copy_from_slice(&chunk[..columns * 3]);
        }
    }
    if photometric == WHITE_IS_ZERO {
        data.iter_mut().for_each(|level| *level = 255 - *level);
    }
    Ok(data)
}
