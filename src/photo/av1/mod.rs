//! AV1 still pictures (AV1 Bitstream & Decoding Process Specification of the Alliance for Open Media, version 1.0.0 with errata 1):
//! the first frame of a stream, a key frame, decoded to planes of samples. Section numbers in this folder are those of the
//! specification.
//!
//! Knows no containers and no colours.

mod bits;
mod cdfs;
mod filter;
mod grain;
mod header;
mod obu;
mod picture;
mod plane;
mod predict;
mod quantizers;
mod scans;
mod sizes;
mod symbols;
mod tile;
mod transform;

use super::decode_error::{DecodeError, size_within};
use crate::budget::Budget;
use cdfs::Cdfs;
use header::{FrameHeader, Sequence};
use obu::{Kind, Obus};
use picture::{Picture, frame_bytes};
pub use plane::{Frame, Plane};
use quantizers::Matrices;
use tile::{Bounds, Decoder, Shared};

/// Work for a luma sample of each filter of the frame: deblocking of a plane, enhancement, upscaling, half of restoration and
/// of grain.
const FILTER_WORK: u64 = 2;

/// Work for a frame of any size: tables and contexts.
const FRAME_WORK: u64 = 60_000;

/// A decoded picture.
pub struct Decoded {
    pub frame: Frame,
    /// `matrix_coefficients` of ITU-T H.273.
    pub matrix: u8,
    pub full_range: bool,
}

/// Returns primaries, transfer characteristics and matrix coefficients that a stream states, whose units are in `parts` one
/// after the other: those before its first frame. What is damaged ends the stream.
pub fn colours(parts: &[&[u8]], budget: &Budget) -> Option<[u8; 3]> {
    let mut stated = None;
    for part in parts {
        for obu in Obus(part).map_while(Result::ok) {
            budget.work(100).ok()?;
            match obu.kind {
                Kind::Sequence => stated = Some(Sequence::read(obu.content).ok()?.colours.description),
                Kind::Frame | Kind::FrameHeader => return stated,
                _ => {}
            }
        }
    }
    stated
}

/// Decodes the first frame of a stream, whose units are in `parts` one after the other. It may have `most_pixels`.
pub fn decode(parts: &[&[u8]], most_pixels: u64, budget: &Budget) -> Result<Decoded, DecodeError> {
    let mut sequence: Option<Sequence> = None;
    for part in parts {
        let mut obus = Obus(part);
        while let Some(obu) = obus.next().transpose()? {
            budget.work(100)?;
            let point = sequence.as_ref().map_or(0, |sequence| sequence.operating_point);
            if obu.layer.is_some_and(|layer| !layer.is_in(point)) && obu.kind != Kind::Sequence {
                continue;
            }
            match obu.kind {
                Kind::Sequence => sequence = Some(Sequence::read(obu.content)?),
                Kind::Frame | Kind::FrameHeader => {
                    let sequence = sequence.ok_or_else(|| DecodeError::damaged("it has no sequence header"))?;
                    return decode_frame(&sequence, &obu, obus, most_pixels, budget);
                }
                _ => {}
            }
        }
    }
    Err(match sequence {
        Some(_) => DecodeError::Truncated,
        None => DecodeError::damaged("it has no sequence header"),
    })
}

/// Decodes a frame that begins with `first`; `rest` may hold more of its tiles.
fn decode_frame(
    sequence: &Sequence,
    first: &obu::Obu<'_>,
    rest: Obus<'_>,
    most_pixels: u64,
    budget: &Budget,
) -> Result<Decoded, DecodeError> {
    // Layers of different size or quality are predicted from each other.
    if (sequence.operating_point >> 8).count_ones() > 1 {
        return Err(DecodeError::unsupported("a picture in layers"));
    }
    let layer = first.layer.unwrap_or_default();
    let check = |width: usize, height: usize| size_within(width as u64, height as u64, most_pixels).map(drop);
    let (header, length) = FrameHeader::read(first.content, sequence, layer, check)?;
    budget.work(FRAME_WORK)?;
    let memory = memory(&header, sequence);
    budget.memory(memory)?;
    let mut picture = Picture::new(&header, sequence)?;
    let matrices = |plane: usize| {
        let level = header.quantization.matrices?[plane];
        (level < 15).then(|| Matrices::of(level, plane > 0))
    };
    let shared = Shared {
        sequence,
        header: &header,
        matrices: std::array::from_fn(matrices),
        cdfs: Cdfs::defaults(header.quantization.base_q_idx),
    };
    let mut decoder = Decoder::new(&shared, &mut picture);
    let mut done = 0;
    if first.kind == Kind::Frame {
        done = tile_group(first.content.get(length..).unwrap_or_default(), &header, &mut decoder, done, budget)?;
    }
    for obu in rest {
        if done == header.tiles.count() {
            break;
        }
        let obu = obu?;
        budget.work(100)?;
        if obu.kind == Kind::TileGroup {
            done = tile_group(obu.content, &header, &mut decoder, done, budget)?;
        }
    }
    if done < header.tiles.count() {
        return Err(DecodeError::Truncated);
    }
    drop(decoder);
    let frame = finish(picture, &header, sequence, budget)?;
    budget.give_back(memory);
    let colours = &sequence.colours;
    Ok(Decoded { frame, matrix: colours.matrix_coefficients(), full_range: colours.full_range })
}

/// Bytes that decoding takes at most.
fn memory(header: &FrameHeader, sequence: &Sequence) -> u64 {
    let copies = match header.upscaled_width == header.width {
        true => frame_bytes(header.width, header, sequence),
        false => frame_bytes(header.width, header, sequence) + 2 * frame_bytes(header.upscaled_width, header, sequence),
    };
    Picture::bytes(header, sequence) + copies + Decoder::bytes(header)
}

/// Decodes the tiles of a group (`tile_group_obu`); `done` were decoded before. Returns how many are decoded.
fn tile_group<'a>(
    content: &'a [u8],
    header: &FrameHeader,
    decoder: &mut Decoder<'a>,
    done: usize,
    budget: &Budget,
) -> Result<usize, DecodeError> {
    let tiles = &header.tiles;
    let mut bits = bits::Bits::new(content);
    let (mut first, mut last) = (0, tiles.count() - 1);
    if tiles.count() > 1 && bits.flag()? {
        first = bits.read(tiles.number_bits)? as usize;
        last = bits.read(tiles.number_bits)? as usize;
    }
    if first != done || last < first || last >= tiles.count() {
        return Err(DecodeError::damaged("its tiles are out of order"));
    }
    let mut rest = content.get(bits.bytes_read()..).unwrap_or_default();
    for number in first..=last {
        let mut bytes = rest;
        if number < last {
            let (size, after) = rest.split_at_checked(tiles.size_bytes).ok_or(DecodeError::Truncated)?;
            let size = size.iter().rev().fold(0, |size, &byte| size << 8 | usize::from(byte)) + 1;
            (bytes, rest) = after.split_at_checked(size).ok_or(DecodeError::Truncated)?;
        }
        let (row, col) = (number / tiles.cols(), number % tiles.cols());
        let bounds = Bounds {
            row_start: tiles.row_starts[row],
            row_end: tiles.row_starts[row + 1],
            col_start: tiles.col_starts[col],
            col_end: tiles.col_starts[col + 1],
        };
        decoder.tile(bytes, bounds, budget)?;
    }
    Ok(last + 1)
}

/// Applies the filters (`decode_frame_wrapup`) and the grain.
fn finish(picture: Picture, header: &FrameHeader, sequence: &Sequence, budget: &Budget) -> Result<Frame, DecodeError> {
    let Picture { mut frame, edges, cdef_indices, skips, units, .. } = picture;
    let bits = sequence.colours.bits;
    let samples = (header.upscaled_width * header.height) as u64;
    for (index, edges) in edges.iter().enumerate() {
        if let Some(edges) = edges {
            budget.work(FILTER_WORK * samples)?;
            filter::deblock(&mut frame.planes[index], edges, index == 0, header.loop_filter.sharpness, bits);
        }
    }
    drop(edges);
    let mut enhanced = None;
    if let Some(cdef) = &header.cdef {
        budget.work(FILTER_WORK * samples)?;
        let parameters = filter::Cdef {
            damping: cdef.damping,
            luma_primary: cdef.luma_primary,
            luma_secondary: cdef.luma_secondary,
            chroma_primary: cdef.chroma_primary,
            chroma_secondary: cdef.chroma_secondary,
            indices: cdef_indices,
            skips,
        };
        let mut filtered = frame.try_clone()?;
        filter::cdef(&frame, &mut filtered, &parameters);
        enhanced = Some(filtered);
    }
    if header.upscaled_width != header.width {
        budget.work(FILTER_WORK * samples)?;
        enhanced = match enhanced {
            Some(enhanced) => Some(filter::upscale(&enhanced, header.upscaled_width)?),
            None => None,
        };
        frame = filter::upscale(&frame, header.upscaled_width)?;
    }
    if units.iter().any(Option::is_some) {
        budget.work(2 * FILTER_WORK * samples)?;
        let enhanced = enhanced.map_or_else(|| frame.try_clone(), Ok)?;
        filter::restore(&mut frame, &enhanced, &units);
    } else if let Some(enhanced) = enhanced {
        frame = enhanced;
    }
    if let Some(grain) = &header.grain {
        budget.work(2 * FILTER_WORK * samples)?;
        grain::apply(&mut frame, grain, sequence.colours.matrix_coefficients() == 0);
    }
    Ok(frame)
}
