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
    let (_, mut sets) = parameters(meta, item).ok()?;
    while let Some(set) = sets.next().transpose().ok()? {
        budget.work(BYTE_WORK * (1 + set.len()) as u64).ok()?;
        let Ok(unit) = NalUnit::parse(set) else { continue };
        if unit.header.unit_type == NalUnitType::Sps {
            let vui = Sps::parse(&unit.rbsp).ok()?.vui?;
            return Some([vui.colour_primaries, vui.transfer_characteristics, vui.matrix_coeffs]);
        }
    }
    None
}

/// Returns the bytes of a length among the slices of an item, and the parameter sets in its property `hvcC`.
fn parameters<'a>(
    meta: &Meta<'a>,
    item: u32,
) -> Result<(usize, impl Iterator<Item = Result<&'a [u8], DecodeError>>), DecodeError> {
    let cut = || DecodeError::damaged("the parameters of a picture are cut short");
    let mut sets = meta.property(item, b"hvcC").ok_or_else(|| DecodeError::damaged("a picture has no parameters"))?;
    take(&mut sets, 21).ok_or_else(cut)?;
    let length_size = (take(&mut sets, 1).ok_or_else(cut)? & 3) as usize + 1;
    let mut arrays = take(&mut sets, 1).ok_or_else(cut)?;
    let mut left = 0;
    let sets = std::iter::from_fn(move || {
        while left == 0 {
            arrays = arrays.checked_sub(1)?;
            // The kind of the sets, which they state themselves.
            let count = take(&mut sets, 1).and_then(|_| take(&mut sets, 2));
            match count {
                Some(count) => left = count,
                None => return Some(Err(cut())),
            }
        }
        left -= 1;
        Some(unit(&mut sets, 2))
    });
    Ok((length_size, sets))
}

/// Takes a unit and the length of `length_size` bytes before it.
fn unit<'a>(rest: &mut &'a [u8], length_size: usize) -> Result<&'a [u8], DecodeError> {
    let unit = take(rest, length_size).and_then(|length| rest.split_at_checked(length as usize));
    let (unit, after) = unit.ok_or(DecodeError::Truncated)?;
    *rest = after;
    Ok(unit)
}

/// Puts the parameter sets and slices of an item together, as a stream with start codes (H.265, annex B).
fn stream(meta: &Meta<'_>, item: u32, budget: &Budget) -> Result<Vec<u8>, DecodeError> {
    const START: &[u8] = &[0, 0, 0, 1];
    let (length_size, sets) = parameters(meta, item)?;
    let slices = meta.content(item, budget)?;
    budget.work(BYTE_WORK * slices.len() as u64)?;
    let mut stream = Vec::new();
    let mut add = |unit: &[u8]| -> Result<(), DecodeError> {
        budget.memory((START.len() + unit.len()) as u64)?;
        stream.extend_from_slice(START);
        stream.extend_from_slice(unit);
        Ok(())
    };
    for set in sets {
        let set = set?;
        budget.work(BYTE_WORK * (1 + set.len()) as u64)?;
        add(set)?;
    }
    let mut rest = &slices[..];
    while !rest.is_empty() {
        add(unit(&mut rest, length_size)?)?;
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
