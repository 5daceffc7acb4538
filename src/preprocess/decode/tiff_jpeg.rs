//! JPEG data inside TIFF files: strips or tiles, each a photo of its own but for tables that they share.

use std::io::Cursor;

use tiff::decoder::{ChunkType, Decoder};
use tiff::tags::Tag;

use super::jpeg::{self, ColourSpace};
use super::problem::{Problem, filled};
use super::sink::Whole;
use super::tiff::problem;

/// Meanings of samples, as TIFF numbers them.
const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const RGB: u16 = 2;
const YCBCR: u16 = 6;

/// Decodes all parts of the first picture of `bytes` to `[height, width, 3]`.
pub(super) fn read(
    bytes: &[u8],
    decoder: &mut Decoder<Cursor<&[u8]>>,
    meaning: u16,
    (width, height): (usize, usize),
) -> Result<Vec<u8>, Problem> {
    // What TIFF says about colours goes before what the parts say.
    let space = match meaning {
        WHITE_IS_ZERO | BLACK_IS_ZERO => ColourSpace::Grey,
        RGB => ColourSpace::Rgb,
        YCBCR => ColourSpace::YCbCr,
        _ => {
            return Err(Problem::unsupported("its jpeg data is neither grey nor rgb"));
        }
    };
    if decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).map_err(problem)?.is_some_and(|planes| planes != 1) {
        return Err(Problem::unsupported("its jpeg data is in planes"));
    }
    let (offsets, lengths) = match decoder.get_chunk_type() {
        ChunkType::Strip => (Tag::StripOffsets, Tag::StripByteCounts),
        ChunkType::Tile => (Tag::TileOffsets, Tag::TileByteCounts),
    };
    let offsets: Vec<usize> = decoder.find_tag_unsigned_vec(offsets).map_err(problem)?.unwrap_or_default();
    let lengths: Vec<usize> = decoder.find_tag_unsigned_vec(lengths).map_err(problem)?.unwrap_or_default();
    // Tables are a file of their own; without its end they are the start of every part.
    let mut tables = decoder.get_tag_u8_vec(Tag::JPEGTables).unwrap_or_default();
    tables.truncate(tables.len().saturating_sub(2));
    let (part_width, part_height) = decoder.chunk_dimensions();
    let (part_width, part_height) = (part_width as usize, part_height as usize);
    if part_width == 0 || part_height == 0 {
        return Err(Problem::damaged("its parts have no size"));
    }

    let mut data = filled(width, height, 3, 0u8)?;
    let places =
        (0..height).step_by(part_height).flat_map(|top| (0..width).step_by(part_width).map(move |left| (left, top)));
    let mut parts = offsets.into_iter().zip(lengths);
    for (left, top) in places {
        let (offset, length) = parts.next().ok_or(Problem::Truncated)?;
        let part = offset.checked_add(length).and_then(|end| bytes.get(offset..end)).ok_or(Problem::Truncated)?;
        let whole = match tables.is_empty() {
            true => part.to_vec(),
            false => [&tables, part.get(2..).unwrap_or_default()].concat(),
        };
        let mut photo = Whole::default();
        jpeg::decode_as(&whole, false, Some(space), &mut photo)?;
        let part = photo.finish()?;
        if part.width() > part_width.max(width) || part.height() > part_height.max(height) {
            return Err(Problem::damaged("a part is larger than the whole"));
        }
        let wide = part.width().min(width - left);
        let rows = data.chunks_exact_mut(width * 3).skip(top);
        for (row, part) in rows.zip(part.data().chunks_exact(part.width() * 3)) {
            row[left * 3..(left + wide) * 3].copy_from_slice(&part[..wide * 3]);
        }
    }
    if meaning == WHITE_IS_ZERO {
        data.iter_mut().for_each(|level| *level = 255 - *level);
    }
    Ok(data)
}
