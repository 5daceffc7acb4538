//! Pictures coded with HEVC (ITU-T H.265): an item's parameter sets and slices, decoded by `heifer-hevc-dec`.

use heifer_hevc_dec::Error;
use heifer_hevc_dec::decoder::{DecodeOptions, decode_picture};
use heifer_hevc_dec::nal::{NalUnit, NalUnitType};
use heifer_hevc_dec::params::Sps;

use super::super::boxes::take;
use super::super::decode_error::DecodeError;
use super::colour::{Colours, Planes};
use super::meta::Meta;
use crate::budget::Budget;

/// Work and memory for a pixel: arithmetic decoding and filters; samples of 16 bits, a second plane of them while they
/// are filtered, and what is kept of each 4 x 4 block.
const WORK: u64 = 30;
const MEMORY: u64 = 12;

/// Work for a byte of slices.
const BYTE_WORK: u64 = 16;

/// A coded picture has whole blocks, of 64 x 64 pixels at most.
const BLOCK: usize = 64;

/// Decodes an item whose pixels are `size`.
pub(super) fn decode(meta: &Meta<'_>, item: u32, size: (usize, usize), budget: &Budget) -> Result<Planes, DecodeError> {
    let coded = (size.0.next_multiple_of(BLOCK) * size.1.next_multiple_of(BLOCK)) as u64;
    budget.work(WORK * coded)?;
    budget.memory(MEMORY * coded)?;
    let picture = decode_within(meta, item, size, coded, budget);
    budget.give_back(MEMORY * coded);
    picture
}

fn decode_within(
    meta: &Meta<'_>,
    item: u32,
    size: (usize, usize),
    max_pixels: u64,
    budget: &Budget,
) -> Result<Planes, DecodeError> {
    let stream = stream(meta, item, budget)?;
    let length = stream.len() as u64;
    let options = DecodeOptions { max_pixels, ..DecodeOptions::default() };
    let frame = decode_picture(&stream, options).map_err(decode_error)?;
    drop(stream);
    budget.give_back(length);
    let [width, across, _] = frame.widths.map(|side| side as usize);
    let [height, down, _] = frame.heights.map(|side| side as usize);
    let grey = frame.planes[1].is_empty();
    let halved = [matches!(frame.chroma_format, 1 | 2), frame.chroma_format == 1];
    let covers = |chroma: usize, luma: usize, halved: bool| chroma >= luma.div_ceil(1 + usize::from(halved));
    if width < size.0
        || height < size.1
        || !(grey || covers(across, size.0, halved[0]) && covers(down, size.1, halved[1]))
    {
        return Err(DecodeError::damaged("a coded picture is smaller than its size says"));
    }
    let colours = Colours { matrix: frame.matrix_coeffs, full_range: frame.full_range };
    Ok(Planes { planes: frame.planes, size, strides: [width, across], halved, bits: frame.bit_depth, colours })
}

/// Returns primaries, transfer characteristics and matrix coefficients that the parameters of an item state.
pub(super) fn colours(meta: &Meta<'_>, item: u32, budget: &Budget) -> Option<[u8; 3]> {
    /// What precedes the arrays of parameter sets in the property `hvcC`.
    const CONFIGURATION: usize = 22;
    let mut sets = meta.property(item, b"hvcC")?.get(CONFIGURATION..)?;
    let sets = &mut sets;
    for _ in 0..take(sets, 1)? {
        take(sets, 1)?;
        for _ in 0..take(sets, 2)? {
            let length = take(sets, 2)? as usize;
            let (unit, after) = sets.split_at_checked(length)?;
            *sets = after;
            budget.work(BYTE_WORK * (1 + length) as u64).ok()?;
            let Ok(unit) = NalUnit::parse(unit) else { continue };
            if unit.header.unit_type == NalUnitType::Sps {
                let vui = Sps::parse(&unit.rbsp).ok()?.vui?;
                return Some([vui.colour_primaries, vui.transfer_characteristics, vui.matrix_coeffs]);
            }
        }
    }
    None
}

/// Puts the parameter sets and slices of an item together, as a stream with start codes (H.265, annex B).
fn stream(meta: &Meta<'_>, item: u32, budget: &Budget) -> Result<Vec<u8>, DecodeError> {
    const START: &[u8] = &[0, 0, 0, 1];
    let cut = || DecodeError::damaged("the parameters of a picture are cut short");
    let mut sets = meta.property(item, b"hvcC").ok_or_else(|| DecodeError::damaged("a picture has no parameters"))?;
    let sets = &mut sets;
    take(sets, 21).ok_or_else(cut)?;
    let length_size = (take(sets, 1).ok_or_else(cut)? & 3) as usize + 1;
    let arrays = take(sets, 1).ok_or_else(cut)?;
    let slices = meta.content(item, budget)?;
    budget.work(BYTE_WORK * (sets.len() + slices.len()) as u64)?;
    let mut stream = Vec::new();
    let mut unit = |rest: &mut &[u8], length_size: usize| -> Result<(), DecodeError> {
        let unit = take(rest, length_size).and_then(|length| rest.split_at_checked(length as usize));
        let (unit, after) = unit.ok_or(DecodeError::Truncated)?;
        *rest = after;
        budget.memory((START.len() + unit.len()) as u64)?;
        stream.extend_from_slice(START);
        stream.extend_from_slice(unit);
        Ok(())
    };
    for _ in 0..arrays {
        take(sets, 1).ok_or_else(cut)?;
        for _ in 0..take(sets, 2).ok_or_else(cut)? {
            unit(sets, 2)?;
        }
    }
    let mut rest = &slices[..];
    while !rest.is_empty() {
        unit(&mut rest, length_size)?;
    }
    Ok(stream)
}

fn decode_error(error: Error) -> DecodeError {
    match error {
        Error::UnexpectedEof => DecodeError::Truncated,
        Error::Unimplemented(what) => DecodeError::unsupported(what),
        other => DecodeError::damaged(other),
    }
}
